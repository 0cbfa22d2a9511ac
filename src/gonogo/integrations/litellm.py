"""LiteLLM tells gonogo of every call: `litellm.callbacks = [GonogoLogger()]`, or in the proxy's file."""

from __future__ import annotations

from collections.abc import Mapping

from litellm.integrations.custom_logger import CustomLogger

from gonogo.ingest.formats.spend_logs import payload_fields
from gonogo.recorder.recorder import Recorder

__all__ = ["GonogoLogger"]


class GonogoLogger(CustomLogger):  # type: ignore[misc] # LiteLLM is installed by who uses it
    """Records each call that LiteLLM finishes, good or failed; never waits and never raises.

    Args:
        recorder: Where to; default: a Recorder with the configured store.
    """

    def __init__(self, recorder: Recorder | None = None) -> None:
        super().__init__()
        self.recorder = recorder or Recorder()

    def log_success_event(self, kwargs: Mapping[str, object], *_: object, **__: object) -> None:
        """A call of LiteLLM's synchronous functions that was answered."""
        self._record(kwargs)

    def log_failure_event(self, kwargs: Mapping[str, object], *_: object, **__: object) -> None:
        """Record a failed call."""
        self._record(kwargs)

    async def async_log_success_event(
        self, kwargs: Mapping[str, object], *_: object, **__: object
    ) -> None:
        """A call of the asynchronous functions, or of the proxy."""
        self._record(kwargs)

    async def async_log_failure_event(
        self, kwargs: Mapping[str, object], *_: object, **__: object
    ) -> None:
        """Record a failed call."""
        self._record(kwargs)

    def _record(self, kwargs: Mapping[str, object]) -> None:
        payload = kwargs.get("standard_logging_object")
        if isinstance(payload, Mapping):
            self.recorder.record_fields(payload_fields(payload))
