"""Edits of gonogo.toml, followed by processes that stay."""

from __future__ import annotations

from dataclasses import replace

from gonogo.config import load_settings, stamp_of
from gonogo.errors import ConfigError
from gonogo.settings import Settings


class ConfigFile:
    """The file that a process was configured by, looked at again before each question.

    A file that is wrong changes nothing: what was configured before stands, and `problem` says why.

    Args:
        settings: As they were read; without a file nothing is followed.
    """

    def __init__(self, settings: Settings) -> None:
        self._seen = settings.stamp
        self.problem: str | None = None

    def edited(self, settings: Settings) -> Settings | None:
        """The settings as the file has them now; None where they are as they were.

        Where the store is, and that a process only reads, stays as it was started.
        """
        path = settings.config_path
        if settings.stamp is None or path is None:
            return None
        stamp = stamp_of(path)
        if stamp == self._seen:
            return None
        self._seen = stamp
        try:
            found = load_settings(
                str(path), settings.store, settings.environ, read_only=settings.read_only
            )
        except ConfigError as error:
            self.problem = str(error)
            return None
        self.problem = None
        if found.digest == settings.digest:
            return None
        return replace(found, store_schema=settings.store_schema, lock_wait_s=settings.lock_wait_s)
