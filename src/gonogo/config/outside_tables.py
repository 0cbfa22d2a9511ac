"""The tables of what is reached outside: `[actuators.NAME]` makes a route real, `[settings.notify.NAME]` tells people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo

from gonogo.config.tables import Table
from gonogo.config.values import (
    LocalPath,
    Name,
    Refusal,
    Seconds,
    Text,
    Variable,
    WebAddress,
    local_path,
    pattern,
    some,
)
from gonogo.settings import ActuatorSettings, NotifierSettings

TIMEOUT_S_MAX = 60
# HAProxy's own characters of a name; a blank or a semicolon would end the command.
_HAPROXY_NAME = r"[A-Za-z0-9_.:-]{1,100}"


def _timeout(seconds: int) -> int:
    if seconds > TIMEOUT_S_MAX:
        raise Refusal(f"must be at most {TIMEOUT_S_MAX}s")
    return seconds


def _distinct(targets: Mapping[str, str]) -> Mapping[str, str]:
    if len(set(targets.values())) < len(targets):
        raise Refusal("gives two targets the same")
    return MappingProxyType(targets)


def _socket(value: object, info: ValidationInfo) -> str:
    """HOST:PORT, or the path of a socket."""
    if isinstance(value, str) and re.fullmatch(r"[^/]+:[0-9]+", value) and value.isprintable():
        return value
    return str(local_path(value, info))


_NEEDED = some('is required: what each target is there, as { "my-model" = "7" }')
Targets = Annotated[dict[Name, Name], _NEEDED, AfterValidator(_distinct)]
Server = Annotated[Name, pattern(_HAPROXY_NAME, "is no name of a HAProxy server")]
Servers = Annotated[dict[Name, Server], _NEEDED, AfterValidator(_distinct)]


class _Actuator(Table):
    timeout_s: Annotated[Seconds, AfterValidator(_timeout)] | None = Field(None, alias="timeout")

    def settings(self, name: str) -> ActuatorSettings:
        """The actuator as it is reached: its options, what its targets are called, its secret."""
        named = ("kind", "targets", "timeout_s")
        options, secret = self.parted(without=named)
        own = {key: value for key, value in self.given().items() if key in named}
        return ActuatorSettings(name, options=options, secret=secret, **own)


class RouteFileTable(_Actuator):
    """A JSON file that whoever calls models reads."""

    kind: Literal["route_file"]
    path: LocalPath


class MlflowTable(_Actuator):
    """An alias of a registered model."""

    kind: Literal["mlflow"]
    url: WebAddress
    alias: Text
    targets: Targets = Field(default_factory=dict, validate_default=True)
    model: Text | None = None
    token_env: Variable | None = None


class HaproxyTable(_Actuator):
    """The weights of a backend's servers."""

    kind: Literal["haproxy"]
    socket: Annotated[str, PlainValidator(_socket)]
    backend: Annotated[Text, pattern(_HAPROXY_NAME, "is no name of a HAProxy backend")]
    targets: Servers = Field(default_factory=dict, validate_default=True)


class WebhookTable(_Actuator):
    """A signed request to an address."""

    kind: Literal["webhook"]
    url: WebAddress
    secret_env: Variable


ActuatorTable = Annotated[
    RouteFileTable | MlflowTable | HaproxyTable | WebhookTable, Field(discriminator="kind")
]


class _Notifier(Table):
    def settings(self, name: str) -> NotifierSettings:
        """The notifier as it is reached: its options, and its secret."""
        options, secret = self.parted(without=("kind",))
        return NotifierSettings(name, self.given()["kind"], options, secret)


class AlertmanagerTable(_Notifier):
    """Prometheus' Alertmanager."""

    kind: Literal["alertmanager"]
    url: WebAddress


class PagerdutyTable(_Notifier):
    """PagerDuty's events."""

    kind: Literal["pagerduty"]
    routing_key_env: Variable
    url: WebAddress | None = None


class SlackTable(_Notifier):
    """An incoming webhook of Slack; its address is the secret."""

    kind: Literal["slack"]
    url_env: Variable


class SignedWebhookTable(_Notifier):
    """A signed request to an address."""

    kind: Literal["webhook"]
    url: WebAddress
    secret_env: Variable


NotifierTable = Annotated[
    AlertmanagerTable | PagerdutyTable | SlackTable | SignedWebhookTable,
    Field(discriminator="kind"),
]
