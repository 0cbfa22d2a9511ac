"""HTTP endpoints and OpenAI-compatible chat endpoints, asked item by item; and each reply, or the error in its place."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from gonogo.border.foreign import foreign_json, whole
from gonogo.errors import ConfigError, ProbeError, plain
from gonogo.prober.fetch import Request, fetch

if TYPE_CHECKING:
    import httpx

    from gonogo.prober.golden_run import Item
    from gonogo.settings import ProbeSettings, Secret

VERSION_CHARS_MAX = 200
TOKENS_MAX = 10**9
HIDDEN = "[hidden]"


@asynccontextmanager
async def endpoint(probe: ProbeSettings, client: httpx.AsyncClient) -> AsyncIterator[Ask]:
    """A way to ask the probe's url.

    Raises:
        ConfigError: a secret is not set.
    """
    headers = header_values(dict(probe.headers), dict(probe.secret_headers), probe.name)

    async def ask(item: Item) -> Reply:
        method, content = "POST", None
        if probe.kind == "chat":
            content = json.dumps(_conversation(probe, item.input)).encode()
            sent = {"Content-Type": "application/json"}
        elif item.input is None:
            method, sent = probe.method, {}
        elif isinstance(item.input, str):
            content, sent = (
                item.input.encode(errors="replace"),
                {"Content-Type": "text/plain; charset=utf-8"},
            )
        else:
            content, sent = json.dumps(item.input).encode(), {"Content-Type": "application/json"}
        request = Request(
            method, probe.url or "", sent | headers, content, probe.bytes_max, probe.timeout_s
        )
        body = await fetch(client, request)
        return (
            _chat_reply(body, _model(probe)) if probe.kind == "chat" else _http_reply(body, probe)
        )

    yield ask


def _model(probe: ProbeSettings) -> str:
    return probe.model or probe.dependency


def _conversation(probe: ProbeSettings, asked: object) -> dict[str, object]:
    if isinstance(asked, str):
        messages: list[object] = [{"role": "user", "content": asked}]
    elif isinstance(asked, list):
        messages = asked
    else:
        raise ConfigError(
            f"probes.{probe.name}: a chat probe needs a golden set whose items have an input: a text, "
            "or a list of messages."
        )
    if probe.system is not None:
        messages = [{"role": "system", "content": probe.system}, *messages]
    return {"model": _model(probe), "messages": messages, **probe.options}


def _http_reply(body: bytes, probe: ProbeSettings) -> Reply:
    if probe.answer is None:
        return Reply(body.decode(errors="replace"))
    found = json_value(body)
    for step in probe.answer[1:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")  # RFC 6901
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and (place := whole(name)) is not None and place < len(found):
            found = found[place]
        else:
            raise ProbeError(f"The answer has nothing at {probe.answer}.", "garbage")
    return Reply(found if isinstance(found, str) else json.dumps(found))


def _chat_reply(body: bytes, model: str) -> Reply:
    """The first choice's text, the tokens used, and the model's version where it names one."""
    match json_value(body):
        case {"choices": [{"message": {"content": str(text)}}, *_]} as whole:
            told = cast("dict[str, object]", whole)
            said, usage = told.get("model"), told.get("usage")
            counted = usage if isinstance(usage, dict) else {}
            version = plain(said, VERSION_CHARS_MAX) if isinstance(said, str) else ""
            return Reply(
                text,
                version if version not in ("", model) else None,
                _count(counted.get("prompt_tokens")),
                _count(counted.get("completion_tokens")),
            )
        case {"choices": [{"message": {"refusal": str()}}, *_]}:
            raise ProbeError("The model refused to answer.", "refusal")
    raise ProbeError("The answer is not that of a chat completion.", "garbage")


def _count(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= TOKENS_MAX
    return value if is_count and isinstance(value, int) else None


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
