"""`route()` for code that is not an agent: it answers while the store and gonogo are away.

It reads the route file that gonogo writes, and nothing else. A file that is missing at first means
the primary; one that goes missing or bad later means the last good routes.
"""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from gonogo.border.characters import tidy
from gonogo.border.foreign import foreign_file
from gonogo.ports.routes import Route
from gonogo.routes.flag_file import (
    BYTES_MAX,
    flags,
    is_disabled,
    parse_document,
    parse_flag,
    shadow_of,
)
from gonogo.routes.split import key_place, pick

__all__ = ["RouteReader", "ShadowCall", "route", "shadow"]

logger = logging.getLogger("gonogo.routing")


class ShadowCall(NamedTuple):
    """A target to call beside the one that serves, and the dependency as which that call is recorded."""

    target: str
    record_as: str


class RouteReader:
    """Reads one route file, again only when it has changed. Safe to share among threads.

    Args:
        path: The file that the `route_file` actuator writes.
    """

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)
        self._seen: tuple[int, int, int] | None = None
        self._routes: Mapping[str, Route] = {}
        self._shadows: Mapping[str, ShadowCall] = {}
        self._lock = threading.Lock()

    def target(self, dependency: str, key: object = None) -> str:
        """Say which target to call now; never raises, whatever the file holds.

        Args:
            dependency: The primary's name; it is the answer where no fallback is active.
            key: Sticky: a key keeps its target while shares stay, and never moves back to the
                primary while its share shrinks. Without one, the shares decide by chance. A text;
                anything else (a number, a UUID, bytes) counts as its text.
        """
        self._look()
        found = self._routes.get(dependency) or self._routes.get(tidy(dependency))
        if found is None:
            return dependency
        if len(found.targets) == 1:
            return found.targets[0].target
        place = random.random()  # noqa: S311 - a traffic split
        if key is not None:
            with suppress(Exception):  # a key whose text fails must not stop a call
                place = key_place(found.salt, key)
        return pick(found.targets, place).target

    def shadow(self, dependency: str) -> ShadowCall | None:
        """Name the candidate to call beside the serving target; never raises, whatever the file holds."""
        self._look()
        return self._shadows.get(dependency) or self._shadows.get(tidy(dependency))

    def _look(self) -> None:
        try:
            stat = os.stat(self._path)  # noqa: PTH116 - half the time of Path.stat, at every call
        except OSError:
            return  # the last good routes stand
        seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if seen != self._seen:
            self._read(seen)

    def _read(self, seen: tuple[int, int, int]) -> None:
        with self._lock:
            if seen == self._seen:
                return
            try:
                document = parse_document(foreign_file(self._path, bytes_max=BYTES_MAX))
                found = flags(document)
            except (OSError, ValueError):
                return  # the last good routes stand
            if "flags" not in document:
                return  # as where they cannot be read: to have none is said by an empty object
            routes, shadows = {}, {}
            for name, flag in found.items():
                # One that a hand left malformed stands as it last was; one that is disabled is off,
                # as for every reader of OpenFeature.
                parsed = parse_flag(name, flag) or self._routes.get(name)
                if parsed is not None and not is_disabled(flag):
                    routes[name] = parsed
                    if (beside := shadow_of(flag)) is not None:
                        shadows[name] = ShadowCall(*beside)
            self._routes, self._shadows = routes, shadows
            self._seen = seen


_readers: dict[Path, RouteReader] = {}
_found: dict[str, RouteReader] = {}


def route(dependency: str, key: object = None, *, path: Path | str | None = None) -> str:
    """Say which target to call now: the dependency itself, or its fallback.

    Answers in microseconds, from the route file alone, also while the store is away or broken;
    where there is no file the dependency itself is the answer.

    Args:
        dependency: The primary's name.
        key: Sticky: the same key gets the same target (`RouteReader.target`).
        path: The route file; else GONOGO_ROUTES, else the file that gonogo.toml gives this
            dependency, else the one that gonogo keeps beside its store.
    """
    return _reader(dependency, path).target(dependency, key)


def shadow(dependency: str, *, path: Path | str | None = None) -> ShadowCall | None:
    """Name the candidate to call beside the serving target; None where there is none.

    Give it the same input, show nobody its answer, and record the call as the dependency that it
    names, with the candidate's version and an outcome given as those of the served calls are.

    Args:
        dependency: The primary's name.
        path: The route file, as in `route`.
    """
    return _reader(dependency, path).shadow(dependency)


def _reader(dependency: str, path: Path | str | None) -> RouteReader:
    reader = _found.get(dependency) if path is None else None
    if reader is None:
        file = Path(path) if path is not None else _file_of(dependency)
        reader = _readers.get(file) or _readers.setdefault(file, RouteReader(file))
        if path is None:
            _found[dependency] = reader
    return reader


def _file_of(dependency: str) -> Path:
    """Find the file that has a dependency's routes; a broken configuration must not stop a call."""
    if named := os.environ.get("GONOGO_ROUTES"):
        try:
            return Path(named).expanduser().absolute()
        except RuntimeError:  # a user without a home folder
            return Path(named).absolute()
    from gonogo.config import load_settings, local_routes, named_store
    from gonogo.errors import ConfigError
    from gonogo.settings import Settings

    try:
        settings = load_settings(None, None, os.environ)
    except ConfigError as error:
        logger.warning("gonogo.route(): %s The routes beside the store are used.", error)
        try:
            settings = Settings(store=named_store(None, os.environ))
        except ConfigError:  # where it is cannot be known: the primary is called
            settings = Settings(store=os.devnull)
    for name in settings.dependency(dependency).actuators:
        if settings.actuators[name].kind == "route_file":
            return Path(settings.actuators[name].options["path"])
    return local_routes(settings)
