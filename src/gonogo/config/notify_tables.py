"""The `[settings.notify.NAME]` tables: who is told of incidents, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gonogo.config.tables import Table
from gonogo.config.values import Variable, WebAddress
from gonogo.settings import NotifierSettings

__all__ = ["NotifierTable"]


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
