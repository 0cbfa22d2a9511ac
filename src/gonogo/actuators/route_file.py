"""The route file: one file that any OpenFeature SDK, `route()` and gateway hooks can read.

One atomic replacement raises the target and lowers the primary at once: a reader sees the old
routes or the new ones, never none. Flags and keys that are not ours are kept as they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from anyio import to_thread

from gonogo.border.foreign import foreign_file
from gonogo.ports.actuators import ActuatorReading, Step, settled
from gonogo.ports.routes import WHOLE, Route
from gonogo.routes.flag_file import (
    BYTES_MAX,
    Json,
    UnreadableFlags,
    flags,
    parse_document,
    parse_flag,
    with_route,
)
from gonogo.text.forms import share_text


class RouteFile:
    """Writes routes into one file, together with other processes (`ports.routes.Actuator`).

    A file that is there and cannot be understood reads as `unknown`; applying a route puts it
    aside under another name and begins a new one, which the reconciler fills.

    Args:
        name: Its name in the configuration.
        path: The file; its folder has to be there.
        locked: Holds a lock that every process writing this file holds.
    """

    def __init__(
        self, name: str, path: Path, locked: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self.name = name
        self._path = path
        self._locked = locked

    async def read(self, dependency: str) -> ActuatorReading:
        """Read the file's entry for a dependency; `version` digests just that."""
        return await to_thread.run_sync(self._read, dependency)

    def effect(self, route: Route) -> str:
        """Describe in one line what applying this route would do."""
        parts = ", ".join(f"{share_text(w.share / WHOLE)} {w.target}" for w in route.targets)
        return f"{self.name}: {self._path.name}: {route.dependency} to {parts}"

    def lacks(self, route: Route) -> str:
        """An empty text: a file takes any target."""
        del route
        return ""

    async def apply(self, route: Route, *, expected_version: str) -> Step:
        """Replace the file; refused where it holds a newer epoch or something unexpected."""
        return await to_thread.run_sync(self._apply, route, expected_version)

    async def verify(self, route: Route) -> Step:
        """Read the file back."""
        observed = await self.read(route.dependency)
        if observed.status == "unknown":
            return Step("unknown", observed.detail)
        if observed.targets == route.targets and observed.epoch == route.epoch:
            return Step("done", f"{self._path.name} read back at epoch {route.epoch}")
        return Step("failed", f"{self._path.name} holds epoch {observed.epoch}, not {route.epoch}")

    def _read(self, dependency: str) -> ActuatorReading:
        try:
            raw = foreign_file(str(self._path), bytes_max=BYTES_MAX)
        except FileNotFoundError:
            return ActuatorReading("absent", version="absent")
        except (OSError, ValueError) as error:
            return ActuatorReading("unknown", detail=self._said(error))
        try:
            flag = flags(parse_document(raw)).get(dependency)
        except UnreadableFlags:
            detail = f"{self._path.name} is not a flag file"
            return ActuatorReading("unknown", version=_digest(raw), detail=detail)
        if flag is None:
            return ActuatorReading("absent", version="absent")
        version = _digest(json.dumps(flag, sort_keys=True).encode())
        route = parse_flag(dependency, flag)
        if route is None:
            return ActuatorReading(
                "known", version=version, detail=f"flag '{dependency}' is not ours"
            )
        return ActuatorReading("known", route.targets, route.epoch, version)

    def _apply(self, route: Route, expected_version: str) -> Step:
        try:
            with self._locked():
                observed = self._read(route.dependency)
                early = settled(
                    observed,
                    route,
                    expected_version=expected_version,
                    is_there=(observed.targets, observed.epoch) == (route.targets, route.epoch),
                    what="the file",
                )
                if early is not None:
                    return early
                document, kept = self._document()
                self._replace(with_route(document, route))
                return Step("done", f"written; the unreadable file is kept as {kept}" * bool(kept))
        except OSError as error:
            return Step("failed", self._said(error))

    def _document(self) -> tuple[Json, str]:
        """Read the file; where it cannot be understood, set it aside, and return nothing with its new place."""
        raw = b""
        try:
            raw = foreign_file(str(self._path), bytes_max=BYTES_MAX)
            return parse_document(raw), ""
        except FileNotFoundError:
            return {}, ""
        except ValueError:  # no flags, or no file that could hold any
            kept = self._path.with_name(f"{self._path.name}.unreadable-{_digest(raw)[:8]}")
            self._path.replace(kept)
            return {}, kept.name

    def _replace(self, document: Json) -> None:
        partial = self._path.with_name(f".{self._path.name}.partial")
        try:
            partial.unlink(missing_ok=True)
            with os.fdopen(
                os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8"
            ) as file:
                if self._path.exists():
                    # Whoever may read it was let in by a person.
                    partial.chmod(self._path.stat().st_mode & 0o777)
                json.dump(document, file, indent=2, ensure_ascii=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _said(self, error: OSError | ValueError) -> str:
        why = error.strerror if isinstance(error, OSError) else error
        return f"{self._path.name}: {why}"


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
