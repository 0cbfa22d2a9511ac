"""The error tree.

    GonogoError
    ├── ParameterError    an argument is wrong                         exit 64
    │   ├── UnknownTarget a name that nothing carries; nearest names   exit 66
    │   └── NoInput       a file that cannot be read                   exit 66
    ├── DataError         data that was handed in is malformed         exit 65
    ├── NotEnoughData     an honest "cannot tell": never "healthy"     exit 3
    ├── ConfigError       gonogo.toml is wrong                         exit 78
    ├── StoreError        the store cannot be opened, read or written  exit 70
    │   └── ValueRefused  a value that the engine does not hold        exit 70
    ├── ProbeError        a dependency could not be asked              exit 70
    └── ActionRefused     an action is not allowed as things stand     exit 2

Every message is one line: what is wrong, which value, what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from gonogo.border.characters import visible

# Long enough for a diagnosis, short enough for a model's context (contract.md).
MESSAGE_CHARS_MAX = 400


def plain(text: str, chars_max: int = MESSAGE_CHARS_MAX) -> str:
    """Make text fit to leave: one line, no control or invisible characters, cut."""
    kept = visible(" ".join(text.split()))
    return kept if len(kept) <= chars_max else kept[: chars_max - 1] + "…"


class GonogoError(Exception):
    """Root of every error that gonogo raises on purpose."""

    exit_code = 70

    def __init__(self, message: str, chars_max: int = MESSAGE_CHARS_MAX) -> None:
        super().__init__(plain(message, chars_max))


class ParameterError(GonogoError):
    """An argument is wrong."""

    exit_code = 64


class UnknownTarget(ParameterError):
    """A name that nothing carries.

    Args:
        what: The sort of thing, as in "dependency".
        name: What was asked for.
        known: The names there are; the nearest are shown. None where they are not told.
        advice: What to do next.
    """

    exit_code = 66

    def __init__(self, what: str, name: str, known: Iterable[str] | None, advice: str = "") -> None:
        self.what, self.name = what, name
        # Each once, and near whatever its capitals: "Chat-B" means "chat-b" before "Chat-C".
        folded: dict[str, list[str]] = {}
        for each in dict.fromkeys(known or ()):
            folded.setdefault(each.casefold(), []).append(each)
        close = difflib.get_close_matches(name.casefold(), folded, n=4, cutoff=0.3)
        near = [each for fold in close or sorted(folded)[:4] for each in folded[fold]][:4]
        listed = f" Known: {', '.join(plain(n, 60) for n in near)}." if near else " None is known."
        listed = "" if known is None else listed
        super().__init__(f"Unknown {what} '{plain(name, 80)}'.{listed} {advice}".rstrip())


class NoInput(ParameterError):
    """A file that was to be read is not there, is a folder, or may not be read."""

    exit_code = 66


class DataError(GonogoError):
    """Data that was handed in is malformed."""

    exit_code = 65


class NotEnoughData(GonogoError):
    """There is too little to answer from; never to be read as healthy."""

    exit_code = 3


class ConfigError(GonogoError):
    """gonogo.toml is wrong: names the file, the key, the value and what is allowed."""

    exit_code = 78


class StoreError(GonogoError):
    """The store cannot be opened, read or written."""


class ValueRefused(StoreError):
    """The engine does not hold a value: what was sent beside it may be kept without it."""


class ProbeError(GonogoError):
    """A dependency could not be asked, or did not answer.

    Args:
        message: What happened; nothing that the other side said.
        code: The same as an observation's `error`, as in "timeout".
    """

    def __init__(self, message: str, code: str = "probe") -> None:
        super().__init__(message)
        self.code = code


class ActionRefused(GonogoError):
    """An action is not allowed as things stand; the message says what would allow it."""

    exit_code = 2
