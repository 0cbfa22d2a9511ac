"""The reply to one probe, or the error in its place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.border.foreign import foreign_json
from gonogo.errors import ConfigError, ProbeError

if TYPE_CHECKING:
    from gonogo.prober.golden_run import Item
    from gonogo.settings import ProbeSettings, Secret

HIDDEN = "[hidden]"


@dataclass(frozen=True, slots=True)
class Reply:
    """A dependency's answer. `version` and the token counts are what it said of itself."""

    text: str
    version: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


# Asks one item; raises `ProbeError` where there is no answer.
Ask = Callable[["Item"], Awaitable[Reply]]
Connection = AbstractAsyncContextManager[Ask]


def header_values(
    headers: dict[str, str], secrets: dict[str, Secret], probe: str
) -> dict[str, str]:
    """Headers with the secrets that the environment holds.

    Raises:
        ConfigError: a variable is not set, or cannot stand in a header; its value is not told.
    """
    return headers | {
        name: secret.prefix + revealed(secret, probe) for name, secret in secrets.items()
    }


def revealed(secret: Secret, probe: str) -> str:
    """A secret's value.

    Raises:
        ConfigError: its variable is not set, or holds what cannot be sent.
    """
    value = secret.reveal(wanted_by=f"probes.{probe}")
    if not (value.isascii() and value.isprintable()):
        raise ConfigError(
            f"probes.{probe}: the environment variable {secret.variable} holds characters that a "
            "header cannot carry."
        )
    return value


def without_secrets(text: str, probe: ProbeSettings) -> str:
    """The text as it may be kept: an endpoint may echo a secret, or send half a character."""
    text = text.encode(errors="replace").decode()
    for secret in probe.secrets:
        if secret.value:
            text = text.replace(secret.value, HIDDEN)
    return text


def json_value(text: str | bytes) -> object:
    """Parse JSON that a stranger wrote.

    Raises:
        ProbeError: it is none; NaN and Infinity are not JSON.
    """
    try:
        return foreign_json(text)
    except ValueError:
        raise ProbeError("The answer is no JSON.", "garbage") from None
