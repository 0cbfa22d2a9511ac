"""Slack, by an incoming webhook. Its address is the secret."""

from __future__ import annotations

from urllib.parse import urlsplit

from gonogo.notifiers.post import encoded, post
from gonogo.ports.actuators import Step
from gonogo.ports.notices import Page

NEWS_MAX = 5
SECRET_CHARS_MIN = 8
SECTION_CHARS_MAX = 3000


class Slack:
    """Posts into one channel.

    Args:
        name: Its name in the configuration.
        url: The incoming webhook's address.
    """

    repeats = False

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._url = url

    async def tell(self, page: Page, *, now_ms: int) -> Step:
        """Send one message: the state, the events since the last message, and the next command."""
        del now_ms
        news = [
            f"• {escaped(unsaid(event.event, page.headline))}" for event in page.news[-NEWS_MAX:]
        ]
        link = [f"<{page.link}|dashboard>"] if page.link else []
        head = f"*{page.severity}: {escaped(page.headline)}*"
        text = "\n".join([head, *news, f"`{page.first.id}` next: `{escaped(page.command)}`", *link])
        return await post(self._url, encoded(message(text)), secrets=_secrets_of(self._url))


def unsaid(event: str, headline: str) -> str:
    """A line of the timeline without the reason that the headline above it has word for word."""
    what, _, why = event.partition(": ")
    return what if why and why in headline else event


def message(text: str) -> dict[str, object]:
    """A message in which an address in a name stays text: Slack makes links of bare ones.

    Source: Slack, "Text object" (`verbatim`), "Unfurling links in messages", "Formatting" (`parse`).
    """
    section = {"type": "mrkdwn", "text": text[:SECTION_CHARS_MAX], "verbatim": True}
    return {
        "text": text,
        "blocks": [{"type": "section", "text": section}],
        "parse": "none",
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _secrets_of(url: str) -> list[str]:
    """The parts of the address to redact from errors: a receiver may quote its path."""
    parts = urlsplit(url)
    long = [part for part in parts.path.split("/") if len(part) >= SECRET_CHARS_MIN]
    # The longest first, so that no part of one is left over.
    return [url, f"{parts.path}?{parts.query}", *([parts.query] * bool(parts.query)), *long]


def escaped(text: str) -> str:
    """Text in which nothing is a mention, a link or a channel (Slack's escaping rules), and nothing ends code.

    Slack has no escape for a backtick, after which a name could show a next command of its own. Another grave
    accent, since a quote in its place could end the quotes that a shell needs.
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("`", "\u02cb")
