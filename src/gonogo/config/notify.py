"""The `[settings.notify.NAME]` tables: who is told of incidents, and how."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gonogo.config.tables import Table
from gonogo.settings import NotifierSettings

URL_CHARS_MAX = 2000
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


def notifiers(common: Table) -> Mapping[str, NotifierSettings]:
    """The notifiers by name.

    Raises:
        ConfigError: the first wrong key or value, in one line.
    """
    tables = common.table("notify")
    return MappingProxyType({name: _notifier(name, tables) for name in tables})


def _notifier(name: str, tables: Table) -> NotifierSettings:
    kind = tables.table(name, _KEYS).choice("kind", tuple(KINDS), "")
    required, optional = KINDS[kind]
    table = tables.table(name, ("kind", *required, *optional))
    options = {key: table.required_name(key, URL_CHARS_MAX) for key in required}
    for key in optional:
        if (value := table.name(key, URL_CHARS_MAX)) is not None:
            options[key] = value
    url = options.get("url")
    if url is not None and not url.startswith(("https://", "http://")):
        table.refuse("url", "must begin with https:// or http://")
    return NotifierSettings(name, kind, MappingProxyType(options))
