"""The `[settings.notify.NAME]` tables: who is told of incidents, and how."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gonogo.config.probe_tables import environment_variable, web_address
from gonogo.config.tables import Table
from gonogo.settings import NotifierSettings

# What each kind is told: (required, optional). A key that ends in `_env` names an environment
# variable, which holds the secret.
KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = MappingProxyType(
    {
        "alertmanager": (("url",), ()),
        "pagerduty": (("routing_key_env",), ("url",)),
        "slack": (("url_env",), ()),
        "webhook": (("url", "secret_env"), ()),
    }
)
_KEYS = ("kind", *sorted({key for kind in KINDS.values() for keys in kind for key in keys}))


def notifiers(common: Table, environ: Mapping[str, str]) -> Mapping[str, NotifierSettings]:
    """The notifiers by name.

    Raises:
        ConfigError: the first wrong key or value, in one line.
    """
    tables = common.table("notify")
    return MappingProxyType({name: _notifier(name, tables, environ) for name in tables})


def _notifier(name: str, tables: Table, environ: Mapping[str, str]) -> NotifierSettings:
    kind = tables.table(name, _KEYS).choice("kind", tuple(KINDS), "")
    required, optional = KINDS[kind]
    table = tables.table(name, ("kind", *required, *optional))
    options, secret = {}, None
    for key in (*required, *optional):
        if key in optional and key not in table:
            continue
        if key == "url":
            options[key] = str(web_address(table, key))
        else:
            secret = environment_variable(table, key, table.required_name(key), environ)
    return NotifierSettings(name, kind, MappingProxyType(options), secret)
