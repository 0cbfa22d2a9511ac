"""The `[probes.NAME]` tables: what is asked, how often, what it may cost. Secrets are named only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from gonogo.config.tables import Table
from gonogo.config.values import (
    Header,
    HeaderText,
    Json,
    LocalPath,
    Name,
    Names,
    Refusal,
    Seconds,
    Text,
    Variable,
    WebAddress,
    Words,
    pattern,
    secret,
    usd,
    whole,
)
from gonogo.settings import MEGABYTE, ProbeKind, ProbeSettings, Secret

REPEAT_MAX = 10
CONCURRENCY_MAX = 32
BYTES_MAX = 100 * MEGABYTE
USD_MAX = 1e6

_OVER_HTTP = ("url", "api_key_env", "headers", "headers_env", "max_bytes")
# What each kind takes beside what all take.
_OWN: Mapping[ProbeKind, tuple[str, ...]] = MappingProxyType(
    {
        "http": (*_OVER_HTTP, "method", "answer"),
        "chat": (*_OVER_HTTP, "model", "system", "options"),
        "mcp": (*_OVER_HTTP, "command", "pass_env", "tool", "arguments"),
    }
)
_SECRET_HEADER = re.compile(r"auth|api-?key|token|cookie|secret", re.IGNORECASE)
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _no_secrets(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name in headers:
        if _SECRET_HEADER.search(name):
            told = "is a secret; name its environment variable in headers_env"
            raise Refusal(told, name, shown=False)
    return MappingProxyType(headers)


def _functions(names: tuple[str, ...]) -> tuple[str, ...]:
    if not all(map(_FUNCTION.fullmatch, names)):
        raise Refusal('must list functions as ["my_checks:polite"]')
    return names


def _program(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words:
        raise Refusal('must list a program and its arguments, as ["my-server"]')
    return words


Pointer = Annotated[Text, pattern("/.*", 'must be a JSON pointer such as "/result/label"')]
JsonTable = Annotated[dict[Name, Json], AfterValidator(MappingProxyType)]
Bearer = Annotated[Secret, secret("Bearer ")]


class ProbeTable(Table):
    """One probe; what only some kinds take is refused of the others."""

    dependency: Name
    kind: ProbeKind | None = None
    golden: LocalPath | None = None
    every_s: Seconds | None = Field(None, alias="every")
    timeout_s: Seconds | None = Field(None, alias="timeout")
    repeat: Annotated[int, whole(1, REPEAT_MAX)] | None = None
    concurrency: Annotated[int, whole(1, CONCURRENCY_MAX)] | None = None
    version: Name | None = None
    budget: Name | None = None
    run_micro_usd_max: Annotated[int, usd(1e-6, USD_MAX)] | None = Field(None, alias="max_cost_usd")
    call_micro_usd: Annotated[int, usd(0, USD_MAX)] | None = Field(None, alias="call_cost_usd")
    functions: Annotated[Names, AfterValidator(_functions)] | None = None
    judge_url: WebAddress | None = None
    judge_api_key_env: Bearer | None = None
    url: WebAddress | None = None
    api_key_env: Bearer | None = None
    headers: Annotated[dict[Header, HeaderText], AfterValidator(_no_secrets)] | None = None
    headers_env: dict[Header, Variable] | None = None
    bytes_max: Annotated[int, whole(1, BYTES_MAX)] | None = Field(None, alias="max_bytes")
    method: Literal["GET", "POST"] | None = None
    answer: Pointer | None = None
    model: Name | None = None
    system: Text | None = None
    options: JsonTable | None = None
    command: Annotated[Words, AfterValidator(_program)] | None = None
    pass_env: list[Variable] | None = None
    tool: Name | None = None
    arguments: JsonTable | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        kind, keys = self.what, self.keys
        if ("url" in keys) == ("command" in keys):
            raise Refusal("give either url or command", "url")
        for key in keys:
            takers = [other for other, own in _OWN.items() if key in own]
            if takers and kind not in takers:
                listed = " or ".join(f'"{other}"' for other in takers)
                raise Refusal(f'is for kind = {listed}; this probe is kind = "{kind}"', key)
            if self.command is not None and key in _OVER_HTTP:
                raise Refusal("goes with url, and this probe starts a command", key)
        if self.pass_env is not None and self.command is None:
            raise Refusal("goes with command, and this probe asks a url", "pass_env")
        for key in ("golden", "arguments"):
            if kind == "mcp" and self.tool is None and key in keys:
                raise Refusal(f"is required with {key}: which tool to call", "tool")
        if self.budget is not None and self.run_micro_usd_max is None:
            told = "is required with budget: the most that one run may cost"
            raise Refusal(told, "max_cost_usd")
        if self.run_micro_usd_max is not None and self.call_micro_usd is None and kind != "chat":
            told = "is required with max_cost_usd: only chat answers tell tokens"
            raise Refusal(told, "call_cost_usd")
        return self

    @property
    def what(self) -> ProbeKind:
        """The kind that is stated, or what an address speaks by its usual path."""
        if self.kind is not None:
            return self.kind
        path = "" if self.url is None else urlsplit(self.url).path.rstrip("/")
        if self.url is None or path.endswith("/mcp"):
            return "mcp"
        return "chat" if path.endswith("/chat/completions") else "http"

    def settings(self, name: str) -> ProbeSettings:
        """The probe as it is carried out."""
        secrets = ("api_key_env", "headers_env", "judge_api_key_env", "pass_env", "kind")
        return ProbeSettings(
            name=name,
            kind=self.what,
            secret_headers=_headers(self.api_key_env, self.headers_env or {}),
            judge_headers=_headers(self.judge_api_key_env, {}),
            environment=tuple(self.pass_env or ()),
            **self.given(without=secrets),
        )


def _headers(bearer: Secret | None, others: Mapping[str, Secret]) -> Mapping[str, Secret]:
    own = {} if bearer is None else {"Authorization": bearer}
    return MappingProxyType({**own, **others})
