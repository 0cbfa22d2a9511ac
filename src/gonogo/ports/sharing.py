"""The signal that the store was written to, by whichever process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Changes(Protocol):
    """Hears of writes; it does not tell what was written."""

    def changes(self) -> AsyncGenerator[None]:
        """Yield at once, and again after writes by any process, a second after them at the latest.

        Writes between two yields are told by one. It costs nothing before it is first asked and
        after it is closed; close it (`contextlib.aclosing`) to let its connection go.

        Raises:
            StoreError: The store failed or is closed.
        """
        ...
