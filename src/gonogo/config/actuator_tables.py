"""The `[actuators.NAME]` tables: what makes a route real, and how it is reached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from gonogo.config.probe_tables import environment_variable, web_address
from gonogo.config.tables import PATH_CHARS_MAX, Table
from gonogo.settings import ActuatorSettings

__all__ = ["build_actuator"]

# Required keys, then the others, of each kind; `kind` and `timeout` go with all of them.
KEYS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = MappingProxyType(
    {
        "route_file": (("path",), ()),
        "mlflow": (("url", "alias", "targets"), ("model", "token_env")),
        "haproxy": (("socket", "backend", "targets"), ()),
        "webhook": (("url", "secret_env"), ()),
    }
)
_ALL = tuple(dict.fromkeys(key for needed, other in KEYS.values() for key in (*needed, *other)))
_SECRETS = ("secret_env", "token_env")
# HAProxy's own characters of a name; a blank or a semicolon would end the command.
_HAPROXY_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
TIMEOUT_S_MAX = 60


def build_actuator(name: str, actuators: Table, environ: Mapping[str, str]) -> ActuatorSettings:
    """One actuator, checked; an environment variable that is not set is told when it is used."""
    kind = actuators.table(name, ("kind", "timeout", *_ALL)).choice("kind", tuple(KEYS), "")
    needed, other = KEYS[kind]
    table = actuators.table(name, ("kind", "timeout", *needed, *other))
    options, secret = {}, None
    for key in (*needed, *other):
        if key == "targets" or (key in other and key not in table):
            continue
        value = table.required_name(key, PATH_CHARS_MAX)
        if key in _SECRETS:
            secret = environment_variable(table, key, value, environ)
        elif key == "path":
            options[key] = str(table.path_to(key))
        else:
            options[key] = str(web_address(table, key)) if key == "url" else value
    if kind == "haproxy":
        _check_haproxy(table, options)
    timeout_s = table.seconds("timeout") or 5
    if timeout_s > TIMEOUT_S_MAX:
        table.refuse("timeout", f"must be at most {TIMEOUT_S_MAX}s")
    targets = _targets(table) if "targets" in needed else {}
    if kind == "haproxy":
        inner = table.table("targets")
        for target, server in targets.items():
            if not _HAPROXY_NAME.fullmatch(server):
                inner.refuse(target, "is no name of a HAProxy server")
    frozen = MappingProxyType(options), MappingProxyType(targets)
    return ActuatorSettings(name, kind, *frozen, secret=secret, timeout_s=timeout_s)


def _targets(table: Table) -> dict[str, str]:
    inner = table.table("targets")
    found = {target: inner.required_name(target) for target in inner}
    if not found:
        table.refuse("targets", 'is required: what each target is there, as { "my-model" = "7" }')
    if len(set(found.values())) != len(found):
        table.refuse("targets", "gives two targets the same")
    return found


def _check_haproxy(table: Table, options: dict[str, str]) -> None:
    if not _HAPROXY_NAME.fullmatch(options["backend"]):
        table.refuse("backend", "is no name of a HAProxy backend")
    host, colon, port = options["socket"].rpartition(":")
    if colon and host and port.isdigit() and "/" not in options["socket"]:
        return
    # A relative path starts where the configuration file lies, as every path does.
    options["socket"] = str(table.path_to("socket"))
