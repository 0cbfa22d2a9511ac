"""A signed webhook: tells any receiver the wanted route, and asks it what it holds.

POST of `{"dependency", "epoch", "targets": [{"target", "share"}], "salt", "expected_version"}`, and
while a version is called beside those that serve of `"shadow": {"target", "record_as"}`;
signed over time and body (`gonogo.http.signatures`), under an Idempotency-Key that stays the same for
a dependency and epoch. GET `?dependency=NAME`, signed over the query, answers `{"epoch",
"targets"}`. A receiver that cannot be read back is `unknown`, whatever it answered to the POST.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import anyio

from gonogo.actuators.exchange import Reply, exchange
from gonogo.http.signatures import HEADER, sign
from gonogo.ports.actuators import ActuatorReading, Step, settled
from gonogo.ports.routes import WHOLE, Route, Weight
from gonogo.text.forms import share_text

if TYPE_CHECKING:
    import httpx

    from gonogo.settings import Secret

# Seconds before each further attempt at a receiver that was not there or failed.
PAUSES_S = (0.2, 0.8)
_RETRIED = frozenset({0, 408, 425, 429, 500, 502, 503, 504})
_CONFLICTS = frozenset({409, 412})


class Webhook:
    """Tells one receiver (`ports.routes.Actuator`).

    Args:
        name: Its name in the configuration.
        url: The receiver.
        secret: What both sides sign with.
        clock: Now in epoch milliseconds, which is signed as well.
        timeout_s: For each attempt, seconds.
        pauses_s: Seconds before each further attempt.
    """

    def __init__(
        self,
        name: str,
        *,
        url: str,
        secret: Secret,
        clock: Callable[[], int],
        timeout_s: float = 3.0,
        pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:
        self.name = name
        self._url = url
        self._secret = secret
        self._clock = clock
        self._timeout_s = timeout_s
        self._pauses_s = pauses_s

    async def read(self, dependency: str) -> ActuatorReading:
        """Ask the receiver for the route that it holds."""
        if not self._secret.value:
            return ActuatorReading("unknown", detail=self._no_secret)
        query = urlencode({"dependency": dependency})
        joint = "&" if "?" in self._url else "?"
        headers = {HEADER: sign(self._secret.value, query.encode(), now_s=self._clock() // 1000)}
        async with self._client() as client:
            reply = await self._exchange(client, "GET", f"{self._url}{joint}{query}", headers)
        if not reply.is_ok:
            return ActuatorReading("unknown", detail=f"cannot be read back: {reply.problem}")
        return _observed(reply.value)

    def effect(self, route: Route) -> str:
        """Describe in one line what applying this route would do."""
        parts = ", ".join(f"{w.target} {share_text(w.share / WHOLE)}" for w in route.targets)
        told = f"{route.dependency} goes to {parts} (epoch {route.epoch})"
        return f"{self.name}: {self._url.partition('?')[0]} is told that {told}"

    def lacks(self, route: Route) -> str:
        """The secret, where its variable is not set; a receiver knows any target."""
        del route
        return "" if self._secret.value else self._no_secret

    async def apply(self, route: Route, *, expected_version: str) -> Step:
        """Tell the receiver, again where it was away or failed; `done` means that it took it."""
        if not self._secret.value:
            return Step("failed", self._no_secret)
        seen = await self.read(route.dependency)
        if seen.status != "unknown":
            early = settled(
                seen,
                route,
                expected_version=expected_version,
                is_there=(seen.targets, seen.epoch) == (route.targets, route.epoch),
                what="the receiver",
            )
            if early is not None:
                return early
        reply = await self._post(route, expected_version)
        if reply.is_ok:
            return Step("done", f"taken with {reply.status}")
        if reply.status in _CONFLICTS:
            return Step("failed", f"the receiver refused it: {reply.problem}")
        return reply.as_step()

    async def verify(self, route: Route) -> Step:
        """Ask the receiver what it holds."""
        seen = await self.read(route.dependency)
        if seen.status == "unknown":
            return Step("unknown", seen.detail)
        if (seen.targets, seen.epoch) == (route.targets, route.epoch):
            return Step("done", f"read back at epoch {route.epoch}")
        return Step("failed", f"the receiver holds epoch {seen.epoch}, not {route.epoch}")

    @property
    def _no_secret(self) -> str:
        return f"the environment variable {self._secret.variable} is not set"

    async def _exchange(
        self,
        client: httpx.AsyncClient,
        method: str,
        url: str,
        headers: dict[str, str],
        content: bytes | None = None,
    ) -> Reply:
        return await exchange(
            client,
            method,
            url,
            content=content,
            headers=headers,
            deadline_s=self._timeout_s,
            secret=self._secret,
        )

    def _client(self) -> httpx.AsyncClient:
        import httpx

        return httpx.AsyncClient(timeout=self._timeout_s)

    async def _post(self, route: Route, expected_version: str) -> Reply:
        told: dict[str, object] = {
            "dependency": route.dependency,
            "epoch": route.epoch,
            "targets": [{"target": w.target, "share": w.share / WHOLE} for w in route.targets],
            "salt": route.salt,
            "expected_version": expected_version,
        }
        trial = route.promotion
        if trial is not None and trial.is_shadowed:
            told["shadow"] = {"target": trial.target, "record_as": trial.shadow}
        body = json.dumps(told).encode()
        named = blake2b(route.dependency.encode(), digest_size=12).hexdigest()
        async with self._client() as client:
            for pause_s in (*self._pauses_s, None):
                # Signed anew each time: a signature is only good for minutes.
                headers = {
                    "Content-Type": "application/json",
                    "Idempotency-Key": f"{named}-{route.epoch}",
                    HEADER: sign(self._secret.value, body, now_s=self._clock() // 1000),
                }
                reply = await self._exchange(client, "POST", self._url, headers, body)
                if reply.status not in _RETRIED or pause_s is None:
                    break
                await anyio.sleep(pause_s)
        return reply


def _observed(value: object) -> ActuatorReading:
    try:
        epoch = value["epoch"]  # type: ignore[index]
        targets = tuple(
            Weight(part["target"], round(part["share"] * WHOLE))
            for part in value["targets"]  # type: ignore[index]
        )
        good = type(epoch) is int and all(type(w.target) is str for w in targets)
    except (KeyError, TypeError, ValueError, OverflowError):
        good = False
    if not good:
        return ActuatorReading("unknown", detail="its answer is not {epoch, targets}")
    version = sha256(repr((epoch, targets)).encode()).hexdigest()
    if epoch == 0:
        return ActuatorReading("absent", version="absent")
    return ActuatorReading("known", targets, epoch, version)
