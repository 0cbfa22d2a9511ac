"""`route()` for code that is not an agent: it answers while the store and gonogo are away.

It reads the route file that gonogo writes, and nothing else. A file that is missing at first means
the primary; one that goes missing or bad later means the last good routes.
"""

from __future__ import annotations

import random
import threading
from pathlib import Path

from gonogo.services.flag_file import UnreadableFlags, flags, parse_document, parse_flag
from gonogo.services.split import key_place, pick

__all__ = ["RouteReader", "route"]


class RouteReader:
    """Reads one route file, again only when it has changed. Safe to share among threads.

    Args:
        path: The file that the `route_file` actuator writes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._flags: dict[str, object] = {}
        self._lock = threading.Lock()

    def target(self, dependency: str, key: str | None = None) -> str:
        """Which target to call now; never raises for what the file holds.

        Args:
            dependency: The primary's name; it is the answer where no fallback is active.
            key: Sticky: a key keeps its target while shares stay, and never moves back to the
                primary while its share shrinks. Without one, the shares decide by chance.
        """
        found = parse_flag(dependency, self._current().get(dependency))
        if found is None:
            return dependency
        place = random.random() if key is None else key_place(found.salt, key)  # noqa: S311 - a traffic split
        return pick(found.targets, place).target

    def _current(self) -> dict[str, object]:
        with self._lock:
            try:
                stat = self._path.stat()
                seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
                if seen != self._seen:
                    self._flags = flags(parse_document(self._path.read_bytes()))
                    self._seen = seen
            except (OSError, UnreadableFlags):
                pass  # the last good routes stand
            return self._flags


_readers: dict[Path, RouteReader] = {}


def route(dependency: str, key: str | None = None, *, path: Path | str) -> str:
    """Which target to call now, by the route file at `path` (`RouteReader.target`)."""
    file = Path(path)
    reader = _readers.get(file) or _readers.setdefault(file, RouteReader(file))
    return reader.target(dependency, key)
