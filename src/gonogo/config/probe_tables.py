"""The `[probes.NAME]` tables: what is asked, how often, what it may cost. Secrets are named only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from gonogo.config.tables import Table
from gonogo.records import MICRO
from gonogo.settings import MEGABYTE, ProbeKind, ProbeSettings, Secret

__all__ = ["PROBE", "build_probe", "environment_variable", "web_address"]

TEXT_CHARS_MAX = 2000
REPEAT_MAX = 10
CONCURRENCY_MAX = 32
BYTES_MAX = 100 * MEGABYTE
USD_MAX = 1e6

# What every kind takes, then what each kind adds.
COMMON = (
    *("dependency", "kind", "golden", "every", "timeout", "repeat", "concurrency", "version"),
    *("budget", "max_cost_usd", "call_cost_usd", "functions", "judge_url", "judge_api_key_env"),
)
OVER_HTTP = ("url", "api_key_env", "headers", "headers_env", "max_bytes")
KEYS: Mapping[ProbeKind, tuple[str, ...]] = MappingProxyType(
    {
        "http": (*COMMON, *OVER_HTTP, "method", "answer"),
        "chat": (*COMMON, *OVER_HTTP, "model", "system", "options"),
        "mcp": (*COMMON, *OVER_HTTP, "command", "pass_env", "tool", "arguments"),
    }
)
PROBE = tuple(dict.fromkeys(key for keys in KEYS.values() for key in keys))
KINDS: tuple[ProbeKind, ...] = tuple(KEYS)
METHODS: tuple[Literal["GET", "POST"], ...] = ("GET", "POST")

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_SECRET_HEADER = re.compile(r"auth|api-?key|token|cookie|secret", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def build_probe(name: str, table: Table, environ: Mapping[str, str]) -> ProbeSettings:
    """One probe, checked; an environment variable that is not set is told when it is asked."""
    if ("url" in table) == ("command" in table):
        table.refuse("url", "give either url or command")
    url, command = web_address(table, "url"), table.words("command", TEXT_CHARS_MAX)
    if "command" in table and not command:
        table.refuse("command", 'must list a program and its arguments, as ["my-server"]')
    kind = table.choice("kind", KINDS, _likely_kind(url))
    _refuse_other_kinds(table, kind)
    budget, run_usd = table.name("budget"), table.number("max_cost_usd", 1e-6, USD_MAX)
    if budget is not None and run_usd is None:
        table.refuse("max_cost_usd", "is required with budget: the most that one run may cost")
    call_usd = table.number("call_cost_usd", 0, USD_MAX)
    if run_usd is not None and call_usd is None and kind != "chat":
        table.refuse(
            "call_cost_usd", "is required with max_cost_usd: only chat answers tell tokens"
        )
    return ProbeSettings(
        name=name,
        dependency=table.required_name("dependency"),
        kind=kind,
        url=url,
        command=command,
        golden=table.path_to("golden"),
        every_s=table.seconds("every") or 900,
        timeout_s=table.seconds("timeout") or 30,
        method=table.choice("method", METHODS, "GET"),
        answer=_pointer(table),
        model=table.name("model"),
        system=table.name("system", TEXT_CHARS_MAX),
        options=_json(table, "options"),
        tool=_tool(table, kind),
        arguments=_json(table, "arguments"),
        version=table.name("version"),
        repeat=_whole(table, "repeat", 1, REPEAT_MAX),
        concurrency=_whole(table, "concurrency", 4, CONCURRENCY_MAX),
        bytes_max=_whole(table, "max_bytes", MEGABYTE, BYTES_MAX),
        headers=_headers(table),
        secret_headers=_secret_headers(table, "api_key_env", environ),
        environment=tuple(
            environment_variable(table, "pass_env", variable, environ)
            for variable in table.names("pass_env")
        ),
        budget=budget,
        run_micro_usd_max=None if run_usd is None else round(run_usd * MICRO),
        call_micro_usd=None if call_usd is None else round(call_usd * MICRO),
        functions=_functions(table),
        judge_url=web_address(table, "judge_url"),
        judge_headers=_secret_headers(table, "judge_api_key_env", environ),
    )


def _likely_kind(url: str | None) -> ProbeKind:
    """What an address speaks by its usual path."""
    path = "" if url is None else urlsplit(url).path.rstrip("/")
    if url is None or path.endswith("/mcp"):
        return "mcp"
    return "chat" if path.endswith("/chat/completions") else "http"


def _refuse_other_kinds(table: Table, kind: ProbeKind) -> None:
    for key in table:
        if key not in KEYS[kind]:
            takers = " or ".join(f'"{other}"' for other in KINDS if key in KEYS[other])
            table.refuse(key, f'is for kind = {takers}; this probe is kind = "{kind}"')
    if kind == "mcp" and "command" in table:
        for key in OVER_HTTP:
            if key in table:
                table.refuse(key, "goes with url, and this probe starts a command")
    if "pass_env" in table and "command" not in table:
        table.refuse("pass_env", "goes with command, and this probe asks a url")


def web_address(table: Table, key: str) -> str | None:
    """An HTTP address without a password; None where the key is absent."""
    url = table.name(key, TEXT_CHARS_MAX)
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = parts = None
    if parts is None or not host or parts.scheme not in ("http", "https"):
        table.refuse(key, "must be an address such as https://host/path")
    if parts.username is not None or parts.password is not None:
        # The refusal would show the value.
        table.refuse_unshown(key, "must not hold a password; name its environment variable instead")
    return url


def _pointer(table: Table) -> str | None:
    pointer = table.name("answer", TEXT_CHARS_MAX)
    if pointer is not None and not pointer.startswith("/"):
        table.refuse("answer", 'must be a JSON pointer such as "/result/label"')
    return pointer


def _tool(table: Table, kind: ProbeKind) -> str | None:
    tool = table.name("tool")
    if kind == "mcp" and tool is None:
        for key in ("golden", "arguments"):
            if key in table:
                table.refuse("tool", f"is required with {key}: which tool to call")
    return tool


def _json(table: Table, key: str) -> Mapping[str, object]:
    inner = table.table(key)
    return MappingProxyType({name: inner.json(name) for name in inner})


def _whole(table: Table, key: str, default: int, most: int) -> int:
    return table.whole(key, 1, most) if key in table else default


def _headers(table: Table) -> Mapping[str, str]:
    inner = table.table("headers")
    found = {}
    for name in inner:
        if not _HEADER.fullmatch(name):
            inner.refuse(name, "is no name of an HTTP header")
        if _SECRET_HEADER.search(name):
            inner.refuse_unshown(name, "is a secret; name its environment variable in headers_env")
        found[name] = inner.required_name(name, TEXT_CHARS_MAX)
        if not found[name].isascii():
            inner.refuse(name, "must be ASCII")
    return MappingProxyType(found)


def _secret_headers(table: Table, key: str, environ: Mapping[str, str]) -> Mapping[str, Secret]:
    """`api_key_env` as a bearer token, and what `headers_env` names."""
    found = {}
    if (variable := table.name(key)) is not None:
        found["Authorization"] = environment_variable(table, key, variable, environ, "Bearer ")
    if key == "api_key_env":
        inner = table.table("headers_env")
        for name in inner:
            if not _HEADER.fullmatch(name):
                inner.refuse(name, "is no name of an HTTP header")
            found[name] = environment_variable(inner, name, inner.required_name(name), environ)
    return MappingProxyType(found)


def environment_variable(
    table: Table, key: str, variable: str, environ: Mapping[str, str], prefix: str = ""
) -> Secret:
    """A secret by the name of its variable; a text that is no such name is not shown."""
    if not _VARIABLE.fullmatch(variable):
        # Who pastes the secret itself must not find it in the error.
        table.refuse_unshown(key, "must be the name of an environment variable, as MY_API_KEY")
    return Secret(variable, environ.get(variable, ""), prefix)


def _functions(table: Table) -> tuple[str, ...]:
    functions = table.names("functions")
    for function in functions:
        if not _FUNCTION.fullmatch(function):
            table.refuse("functions", 'must list functions as ["my_checks:polite"]')
    return functions
