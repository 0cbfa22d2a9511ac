"""Server weights of a HAProxy backend, over its stats socket.

A target is raised before another is lowered, and never lowered in favour of a server that is down,
so that the pool is never empty. An empty answer is no success: every weight is read back. Weights
and the epoch (a process variable) are gone when HAProxy restarts; the reconciler brings them back.
Source: HAProxy Management Guide, "Unix Socket commands"; variables need HAProxy 2.5 or newer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import Literal

import anyio

from gonogo.border.foreign import whole
from gonogo.ports.actuators import ActuatorReading, Step, settled
from gonogo.ports.routes import WHOLE, Route, Weight

WEIGHT_MAX = 256
_ANSWER_BYTES_MAX = 4 * 1024 * 1024
_UP = 2


class HaproxyWeights:
    """Sets the weights of one backend's servers (`ports.routes.Actuator`).

    Args:
        name: Its name in the configuration.
        socket: The stats socket with level admin: a path, or HOST:PORT.
        backend: The backend.
        servers: The server behind each target; others of the backend are left alone.
        timeout_s: For each command, seconds.
    """

    def __init__(
        self,
        name: str,
        *,
        socket: str,
        backend: str,
        servers: Mapping[str, str],
        timeout_s: float = 3.0,
    ) -> None:
        self.name = name
        self._socket = socket
        self._backend = backend
        self._servers = servers
        self._timeout_s = timeout_s

    async def read(self, dependency: str) -> ActuatorReading:
        """The servers' weights as shares of the targets; `version` holds them and the epoch."""
        try:
            weights, _, epoch = await self._state(dependency)
        except _HaproxyProblem as problem:
            return ActuatorReading("unknown", detail=str(problem))
        version = _version(weights, epoch)
        if not epoch:
            return ActuatorReading("absent", version=version)
        return ActuatorReading("known", self._shares(weights), epoch, version)

    def effect(self, route: Route) -> str:
        """Describe in one line what applying this route would do."""
        problem = self.lacks(route)
        if problem:
            return f"{self.name}: nothing: {problem}"
        parts = ", ".join(f"{server} {w}" for server, w in self._weights(route).items())
        return f"{self.name}: HAProxy backend {self._backend} gets the weights {parts}"

    def lacks(self, route: Route) -> str:
        """The first target that no server stands for."""
        missing = [w.target for w in route.targets if w.target not in self._servers]
        return f"'{missing[0]}' has no server in targets" if missing else ""

    async def apply(self, route: Route, *, expected_version: str) -> Step:
        """Claim the epoch, raise, then lower; each weight is read back before the next."""
        if missing := self.lacks(route):
            return Step("failed", missing)
        try:
            weights, down, epoch = await self._state(route.dependency)
            seen = ActuatorReading("known", epoch=epoch, version=_version(weights, epoch))
            wanted = self._weights(route)
            early = settled(
                seen,
                route,
                expected_version=expected_version,
                is_there=weights == wanted and epoch == route.epoch,
                what=f"backend {self._backend}",
            )
            return early or await self._shift(route, weights, wanted, down)
        except _HaproxyProblem as problem:
            return Step(problem.outcome, str(problem))

    async def _shift(
        self, route: Route, weights: dict[str, int], wanted: dict[str, int], down: dict[str, str]
    ) -> Step:
        rising = [server for server in wanted if wanted[server] > weights[server]]
        for server in rising:
            if server in down:
                return Step("failed", f"server {server} is {down[server]}: traffic stays put")
        await self._claim(route)
        falling = [server for server in wanted if wanted[server] < weights[server]]
        for server in rising + falling:
            await self._set(server, wanted[server])
        return Step("done", f"{len(rising + falling)} weights set and read back")

    async def verify(self, route: Route) -> Step:
        """Read the weights back, and whether who has them is up."""
        if missing := self.lacks(route):
            return Step("failed", missing)
        try:
            weights, down, epoch = await self._state(route.dependency)
        except _HaproxyProblem as problem:
            return Step("unknown", str(problem))
        wanted = self._weights(route)
        if weights != wanted or epoch != route.epoch:
            held = ", ".join(f"{server} {weight}" for server, weight in weights.items())
            return Step("failed", f"HAProxy holds {held} at epoch {epoch}, not {route.epoch}")
        for server in (server for server, weight in wanted.items() if weight and server in down):
            return Step(
                "failed", f"server {server} has weight {wanted[server]} and is {down[server]}"
            )
        return Step("done", f"{len(wanted)} weights read back at epoch {epoch}")

    def _weights(self, route: Route) -> dict[str, int]:
        """Small whole numbers in the ratio of the shares; exact for whole percents."""
        shares = {self._servers[w.target]: w.share for w in route.targets}
        unit = math.gcd(*shares.values())
        largest = max(shares.values()) // unit
        scale = 1.0 if largest <= WEIGHT_MAX else WEIGHT_MAX / largest
        fitted = {s: max(1, round(share // unit * scale)) for s, share in shares.items()}
        return {server: fitted.get(server, 0) for server in self._servers.values()}

    def _shares(self, weights: dict[str, int]) -> tuple[Weight, ...]:
        total = sum(weights.values())
        shares = {
            target: weights[server] * WHOLE // total
            for target, server in self._servers.items()
            if total and weights[server]
        }
        if shares:
            shares[max(shares, key=lambda t: shares[t])] += WHOLE - sum(shares.values())
        return tuple(Weight(target, share) for target, share in shares.items())

    async def _state(self, dependency: str) -> tuple[dict[str, int], dict[str, str], int]:
        """Weights of the mapped servers, why some cannot serve, and the epoch."""
        shown = await self._ask(f"show servers state {self._backend}")
        lines = [line.split() for line in shown.splitlines() if line.strip()]
        header = next((line[1:] for line in lines if line[0] == "#"), None)
        if header is None:
            raise _HaproxyProblem(f"backend {self._backend}: {shown.strip()[:80] or 'no answer'}")
        rows = [dict(zip(header, line, strict=False)) for line in lines if len(line) >= len(header)]
        found = {row["srv_name"]: row for row in rows if row.get("be_name") == self._backend}
        for server in self._servers.values():
            if server not in found:
                raise _HaproxyProblem(f"backend {self._backend} has no server {server}")
        own = {server: found[server] for server in self._servers.values()}
        down = {
            server: "down" if int(row["srv_admin_state"]) == 0 else "in maintenance or drained"
            for server, row in own.items()
            if int(row["srv_op_state"]) != _UP or int(row["srv_admin_state"]) != 0
        }
        said = await self._ask(f"get var {self._variable(dependency)}")
        value = said.partition("value=<")[2].partition(">")[0]
        weights = {server: int(row["srv_uweight"]) for server, row in own.items()}
        return weights, down, whole(value) or 0

    async def _claim(self, route: Route) -> None:
        name = self._variable(route.dependency)
        said = await self._ask(
            f"experimental-mode on; set var {name} int({route.epoch}); get var {name}"
        )
        if f"value=<{route.epoch}>" not in said:
            raise _HaproxyProblem(f"the epoch was not kept: {said.strip()[:80]}", "failed")

    async def _set(self, server: str, weight: int) -> None:
        where = f"{self._backend}/{server}"
        said = await self._ask(f"set weight {where} {weight}; get weight {where}")
        if not said.strip().startswith(f"{weight} (initial"):
            raise _HaproxyProblem(f"{where} did not take weight {weight}: {said.strip()[:80]}")

    def _variable(self, dependency: str) -> str:
        name = blake2b(f"{self._backend}/{dependency}".encode(), digest_size=6).hexdigest()
        return f"proc.gonogo_{name}"

    async def _ask(self, command: str) -> str:
        try:
            with anyio.fail_after(self._timeout_s):
                host, colon, port = self._socket.rpartition(":")
                stream = await (
                    anyio.connect_tcp(host, int(port))
                    if colon and port.isdigit() and "/" not in self._socket
                    else anyio.connect_unix(self._socket)
                )
                async with stream:
                    await stream.send(command.encode() + b"\n")
                    answer = b""
                    while len(answer) < _ANSWER_BYTES_MAX:
                        try:
                            answer += await stream.receive()
                        except anyio.EndOfStream:
                            break
        except TimeoutError:
            raise _HaproxyProblem("HAProxy did not answer in time") from None
        except (OSError, anyio.BrokenResourceError) as error:
            said = getattr(error, "strerror", None) or type(error).__name__
            raise _HaproxyProblem(f"the stats socket cannot be reached: {said}") from None
        return answer.decode(errors="replace")


def _version(weights: dict[str, int], epoch: int) -> str:
    return f"{sorted(weights.items())}/{epoch}"


class _HaproxyProblem(Exception):
    """HAProxy's error, or its silence; the command may or may not have taken effect."""

    def __init__(self, said: str, outcome: Literal["failed", "unknown"] = "unknown") -> None:
        super().__init__(said)
        self.outcome = outcome
