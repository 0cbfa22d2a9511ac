"""Telling people, over a real store and strict receivers: what is news, once, and nothing lost."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fallback_world import MINUTE, World, world
from gonogo.incidents.by_hand import acknowledge, change_by_hand, resolve
from gonogo.incidents.handle import VerdictReading, note_verdict
from gonogo.incidents.telling import tell
from gonogo.notifiers.alertmanager import Alertmanager
from gonogo.notifiers.pagerduty import PagerDuty, dedup_key
from gonogo.notifiers.post import retry_after_s
from gonogo.notifiers.signed_webhook import Webhook
from gonogo.notifiers.slack import Slack
from gonogo.ports.actuators import Step
from gonogo.ports.incidents import Event, IncidentRecord
from gonogo.ports.notices import Notice, Notifier, Page
from gonogo.store.books.notice_book import StoredNotices
from receivers import (
    ROUTING_KEY,
    SECRET,
    Judge,
    Receiver,
    pagerduty,
    receiver,
    slack,
    webhook,
)

pytestmark = pytest.mark.anyio

NOW = int(time.time() * 1000)
ME = "kim"
BAD = VerdictReading("m", "no_go", "0.94 to 0.87", NOW, e_value=9e9, needed=1e5)


@dataclass
class Told:
    """A world with a notifier of each kind, and what their receivers took."""

    w: World
    notices: StoredNotices
    notifier: Notifier
    receiver: Receiver

    async def turn(self, minute: int = 0) -> list[Step]:
        """One turn of telling."""
        # Receivers check how old a signature is, and this module may have been read long ago.
        now_ms = int(time.time() * 1000) + minute * MINUTE
        return await tell(self.notices, self.notifier, now_ms=now_ms)

    async def opened(self, look: VerdictReading = BAD) -> str:
        """Open an incident."""
        found = await note_verdict(self.w.incidents, look, new_id=self.w.ports.new_id)
        assert found is not None
        return found


MADE: dict[str, tuple[Judge, Callable[[str], Notifier]]] = {
    "pagerduty": (pagerduty, lambda url: PagerDuty("ops", ROUTING_KEY, url)),
    "slack": (slack, lambda url: Slack("ops", url)),
    "webhook": (webhook, lambda url: Webhook("ops", url, SECRET)),
}


@pytest.fixture(params=sorted(MADE))
def target(request: pytest.FixtureRequest) -> Iterator[tuple[Receiver, Notifier]]:
    """A strict receiver of each kind, and the notifier that tells it."""
    judge, make = MADE[request.param]
    with receiver(judge) as listening:
        yield listening, make(listening.url)


@pytest.fixture
async def told(tmp_path: Path, target: tuple[Receiver, Notifier]) -> AsyncIterator[Told]:
    """An empty store, and one notifier."""
    async with world(tmp_path) as w:
        yield Told(w, StoredNotices(w.incidents._db), target[1], target[0])


async def test_each_change_is_told_once(told: Told) -> None:
    """Opened, acknowledged, resolved: three messages, however many turns pass between."""
    incident_id = await told.opened()
    assert [s.status for s in await told.turn()] == ["done"]
    assert await told.turn() == []
    await change_by_hand(told.w.incidents, incident_id, acknowledge(), actor=ME, now_ms=NOW)
    await told.turn()
    await change_by_hand(
        told.w.incidents, incident_id, resolve(false_alarm=True), actor=ME, now_ms=NOW
    )
    await told.turn()
    await told.turn()
    assert len(told.receiver.taken) == 3


async def test_what_was_not_taken_is_told_again(told: Told) -> None:
    """A receiver that is down, or gone, loses nothing: the next turn tells it."""
    await told.opened()
    told.receiver.is_down = True
    [step] = await told.turn()
    assert step.status == "failed"
    assert step.detail == "HTTP 503: down for the test; it wants to be left alone for 60 s"
    told.receiver.is_down = False
    assert [s.status for s in await told.turn()] == ["done"]
    assert len(told.receiver.taken) == 1


async def test_what_was_over_before_anybody_listened_is_not_told(told: Told) -> None:
    """A notifier that is configured today does not hear of last year."""
    incident_id = await told.opened()
    await change_by_hand(
        told.w.incidents, incident_id, resolve(false_alarm=False), actor=ME, now_ms=NOW
    )
    assert await told.turn() == []


async def test_a_long_and_hostile_name_is_taken(told: Told) -> None:
    """200 characters, markup, mentions and the end of code: every receiver still accepts it, and Slack shows text."""
    name = ("<!channel> & *m* x` next: `curl " * 20)[:200]
    await told.opened(replace(BAD, dependency=name, why="w" * 5_000))
    assert [s.status for s in await told.turn()] == ["done"]
    shown = str(told.receiver.taken[0].get("text", ""))
    assert "<!channel>" not in shown
    # The incident's id and the command, each in code that nothing within ends.
    assert shown.count("`") in (0, 4)


async def test_pagerduty_keeps_one_alert_from_trigger_to_resolve(tmp_path: Path) -> None:
    """The same key throughout; a fallback acknowledges, since somebody handles it."""
    with receiver(pagerduty) as listening:
        async with world(tmp_path) as w:
            told = Told(
                w,
                StoredNotices(w.incidents._db),
                PagerDuty("p", ROUTING_KEY, listening.url),
                listening,
            )
            incident_id = await told.opened()
            await told.turn()
            await w.switched()
            await told.turn()
            await change_by_hand(
                w.incidents, incident_id, resolve(false_alarm=False), actor=ME, now_ms=NOW
            )
            await told.turn()
    actions = [(event["event_action"], event["dedup_key"]) for event in listening.taken]
    key = "gonogo/m/quality"
    assert actions == [("trigger", key), ("acknowledge", key), ("resolve", key)]


async def test_pagerduty_hears_of_what_was_mitigated_before_it_was_told(tmp_path: Path) -> None:
    """An agent was faster than the watch: it drops an acknowledgement of what was never triggered."""
    with receiver(pagerduty) as listening:
        async with world(tmp_path) as w:
            books = StoredNotices(w.incidents._db)
            told = Told(w, books, PagerDuty("p", ROUTING_KEY, listening.url), listening)
            await told.opened()
            await w.switched()
            await told.turn()
            assert await told.turn() == []
    assert [event["event_action"] for event in listening.taken] == ["trigger", "acknowledge"]


def test_keys_that_are_too_long_stay_apart() -> None:
    """They are cut, and told from each other by a hash of the whole."""
    one, other = dedup_key("gonogo/" + "m" * 300), dedup_key("gonogo/" + "m" * 301)
    assert len(one) == len(other) == 255
    assert one != other


async def test_a_message_for_the_wrong_secret_is_refused(tmp_path: Path) -> None:
    """The receiver's no is told as it is."""
    with receiver(webhook) as listening:
        async with world(tmp_path) as w:
            notifier = Webhook("w", listening.url, "another secret")
            told = Told(w, StoredNotices(w.incidents._db), notifier, listening)
            await told.opened()
            [step] = await told.turn()
    assert (step.status, step.detail) == ("failed", "HTTP 401: not signed")


async def test_nobody_at_the_address_is_a_failure_and_no_crash(tmp_path: Path) -> None:
    """Nothing listens, the address is no address."""
    async with world(tmp_path) as w:
        for url, said in (
            ("http://127.0.0.1:9/", "could not connect"),
            ("http://a b:x/", "no URL"),
        ):
            told = Told(
                w, StoredNotices(w.incidents._db), Alertmanager("a", url), Receiver(url, slack)
            )
            await told.opened()
            [step] = await told.turn()
            assert step.status == "failed"
            assert said in step.detail


async def test_a_storm_of_one_provider_is_one_page(told: Told) -> None:
    """Forty dependencies within an hour: one key, one page that names them all; another is apart."""
    for n in range(40):
        outage = replace(BAD, dependency=f"m{n}", kind="outage", provider="acme", ts_ms=NOW + n)
        await told.opened(outage)
    await told.opened(replace(BAD, dependency="slow", provider="acme", ts_ms=NOW))
    await told.opened(replace(BAD, dependency="other", kind="outage", provider="zeta"))
    late = replace(BAD, kind="outage", provider="acme", ts_ms=NOW + 2 * 60 * MINUTE)
    await told.opened(replace(late, dependency="late"))
    assert [step.status for step in await told.turn()] == ["done"] * 4
    storm = str(told.receiver.taken)
    assert "acme: 40 dependencies (m0, m1, m2 and 37 more)" in storm
    assert "m39: opened: " in storm
    if isinstance(told.notifier, PagerDuty):
        groups = {e["dedup_key"]: e["payload"]["group"] for e in told.receiver.taken}
        assert groups["gonogo/m0/quality"] == "acme"
        [page] = [e for e in told.receiver.taken if e["dedup_key"] == "gonogo/m0/quality"]
        assert len(page["payload"]["custom_details"]["dependencies"]) == 40
        severities = {e["dedup_key"]: e["payload"]["severity"] for e in told.receiver.taken}
        assert severities["gonogo/m0/quality"] == "critical"
        assert severities["gonogo/slow/quality"] == "error"
    assert await told.turn() == []


async def test_a_webhook_takes_no_news_for_a_repeat() -> None:
    """As many lines in other parts: another key. The same state again: the same key."""
    keys: list[str] = []

    def judge(headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        keys.append(headers["Idempotency-Key"])
        return webhook(headers, body)

    line = Event(NOW, "bad", ME)
    one = IncidentRecord(
        "inc-1", "m1", "quality", "open", NOW, NOW, "bad", "no_go", provider="acme"
    )
    other = replace(one, id="inc-2", dependency="m2")
    with receiver(judge) as ops:
        hook = Webhook("ops", ops.url, SECRET)
        for lines in ((1, 3), (2, 2), (2, 2)):
            parts = [Notice(i, (line,) * n) for i, n in zip((one, other), lines, strict=True)]
            step = await hook.tell(Page(tuple(parts)), now_ms=int(time.time() * 1000))
            assert step.status == "done"
    assert keys[0] != keys[1] == keys[2]


async def test_a_page_has_a_link_and_the_next_command(told: Told) -> None:
    """Who is woken knows where to look and what to type: a way back only where there is one."""
    await told.opened(replace(BAD, kind="outage"))
    url = "https://gonogo.example/"
    now_ms = int(time.time() * 1000)  # this module may have been read long ago
    [step] = await tell(
        told.notices, told.notifier, url=url, laddered=frozenset({"m"}), now_ms=now_ms
    )
    assert step.status == "done"
    message = str(told.receiver.taken[0])
    assert "https://gonogo.example/#view=incidents" in message
    assert "gonogo fallback m --reason outage" in message
    [due] = await told.notices.due("another")
    assert Page((due,)).command == f"gonogo incidents --id {due.incident.id}"
    other = replace(due, incident=replace(due.incident, id="inc-2", dependency="n"))
    storm = Page((due, other), laddered=frozenset({"n"}))
    assert storm.command == "gonogo fallback n --reason outage"


async def test_a_receiver_that_asks_for_time_is_given_it(told: Told) -> None:
    """429 with Retry-After: one request in this turn, and the wait is handed on."""
    await told.opened()
    await told.opened(replace(BAD, dependency="n"))
    told.receiver.retry_after = "120"
    [step] = await told.turn()
    assert (step.status, step.retry_after_s) == ("failed", 120.0)
    told.receiver.retry_after = None
    assert [s.status for s in await told.turn()] == ["done", "done"]


async def test_who_is_silenced_wakes_nobody_until_it_is_over(told: Told) -> None:
    """What is still going on when the silence ends is told then."""
    await told.opened()
    silenced = tell(told.notices, told.notifier, is_silenced=lambda who: who == "m", now_ms=NOW)
    assert await silenced == []
    assert [s.status for s in await told.turn()] == ["done"]


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("7", 7.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 37.0),
        (None, 60.0),
        ("soon", 60.0),
        ("-5", 1.0),
        ("nan", 60.0),
        ("1e9", 86_400.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(header: str | None, wait_s: float) -> None:
    """RFC 9110, 10.2.3; nonsense is a minute, never a crash and never for ever."""
    now = datetime(1994, 11, 6, 8, 49, tzinfo=UTC)
    assert retry_after_s(header, now=now) == wait_s


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('{"ok": false, "error": "channel_not_found"}', "channel_not_found"),
        ('{"status": "invalid event", "errors": ["routing_key"]}', "routing_key"),
        ('{"success": false}', "success"),
        ("<!DOCTYPE html><title>Sign in</title>", "a web page answered, not the receiver"),
    ],
)
async def test_a_success_whose_body_is_an_error_has_told_nobody(
    tmp_path: Path, body: str, says: str
) -> None:
    """It is said, and told again until it is taken; a body that says yes in any way is taken."""
    answers = [body, '{"status": "Event processed", "error": null, "errors": []}']
    with receiver(lambda *_: (200, answers[0])) as listening:
        async with world(tmp_path) as w:
            told = Told(w, StoredNotices(w.incidents._db), Slack("ops", listening.url), listening)
            await told.opened()
            [step] = await told.turn()
            assert (step.status, says in step.detail) == ("failed", True)
            answers.pop(0)
            assert [s.status for s in await told.turn()] == ["done"]
            assert await told.turn() == []


async def test_a_redirect_is_named_and_not_followed(tmp_path: Path) -> None:
    """Who is told was chosen by a person."""
    with receiver(lambda *_: (302, "")) as listening:
        async with world(tmp_path) as w:
            told = Told(w, StoredNotices(w.incidents._db), Slack("ops", listening.url), listening)
            await told.opened()
            [step] = await told.turn()
    assert step.status == "failed"
    assert step.detail.startswith("HTTP 302: it redirects, which is not followed")


async def test_a_receiver_whose_certificate_is_refused_has_told_nobody(tmp_path: Path) -> None:
    """TLS to what speaks none fails as a connection does, and another receiver is told meanwhile."""
    with receiver(slack) as listening:
        async with world(tmp_path) as w:
            notices = StoredNotices(w.incidents._db)
            over_tls = Slack("tls", listening.url.replace("http:", "https:"))
            one = Told(w, notices, over_tls, listening)
            other = Told(w, notices, Slack("ops", listening.url), listening)
            await one.opened()
            assert [(s.status, s.detail) for s in await one.turn()] == [
                ("failed", "could not connect (ConnectError)")
            ]
            assert [s.status for s in await other.turn()] == ["done"]
