"""The configured notifiers, made."""

from __future__ import annotations

from gonogo.notifiers.alertmanager import Alertmanager
from gonogo.notifiers.pagerduty import EVENTS_URL, PagerDuty
from gonogo.notifiers.signed_webhook import Webhook
from gonogo.notifiers.slack import Slack
from gonogo.ports.notices import Notifier
from gonogo.settings import NotifierSettings, Settings


def make_notifiers(settings: Settings, name: str | None = None) -> list[Notifier]:
    """The configured ways to tell people, or the one of this name where there is one.

    Raises:
        ConfigError: the environment lacks a secret that one needs.
    """
    return [_notifier(found) for found in settings.notify.values() if name in (None, found.name)]


def _notifier(configured: NotifierSettings) -> Notifier:
    name, options = configured.name, configured.options
    if configured.secret is None:
        return Alertmanager(name, options["url"])
    secret = configured.secret.reveal(wanted_by=f"settings.notify.{name}")
    match configured.kind:
        case "pagerduty":
            return PagerDuty(name, secret, options.get("url", EVENTS_URL))
        case "slack":
            return Slack(name, secret)
        case _:
            return Webhook(name, options["url"], secret)
