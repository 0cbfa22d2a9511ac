"""An alias of the MLflow model registry, over its REST API: which version serves.

An alias points at one version, so it cannot split: it follows the target with the largest share, and
while a candidate is on trial it stays where the calls go back to. A target `NAME@7` is version 7 of the
model where `targets` names no other.
MLflow has no compare-and-set: the epoch stands in a tag of the registered model, written ahead of
the alias, and both are read back. Source: MLflow REST API, "Set Registered Model Alias".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from gonogo.actuators.exchange import Reply, exchange
from gonogo.errors import plain
from gonogo.ports.actuators import ActuatorReading, Step, settled
from gonogo.ports.routes import WHOLE, Route, Weight, split_version

if TYPE_CHECKING:
    import httpx

    from gonogo.settings import Secret

_API = "/api/2.0/mlflow/registered-models"
_NOT_FOUND = 404
_EPOCH_DIGITS_MAX = 18


class MlflowAlias:
    """Moves one alias (`ports.routes.Actuator`).

    Args:
        name: Its name in the configuration.
        url: Where the tracking server answers.
        alias: The alias that serving code loads, as `champion`.
        versions: The model version behind each target.
        model: The registered model; the dependency's own name where it is None.
        token: A bearer token, where the server wants one.
        timeout_s: For each exchange, seconds.
    """

    def __init__(
        self,
        name: str,
        *,
        url: str,
        alias: str,
        versions: Mapping[str, str],
        model: str | None = None,
        token: Secret | None = None,
        timeout_s: float = 5.0,
    ) -> None:
        self.name = name
        self._url = url.rstrip("/") + _API
        self._alias = alias
        self._versions = versions
        self._model = model
        self._token = token
        self._timeout_s = timeout_s

    async def read(self, dependency: str) -> ActuatorReading:
        """The version behind the alias as the target that has it, and the epoch in the tag."""
        async with self._client() as client:
            return await self._read(client, dependency)

    def effect(self, route: Route) -> str:
        """Describe in one line what applying this route would do."""
        target, version = self._wanted(route)
        where = f"version {version}" if version else f"nothing: {self.lacks(route)}"
        split = "" if len(route.targets) == 1 else f" ({target} whole: an alias cannot split)"
        model = self._model or route.dependency
        return f"{self.name}: MLflow alias {model}@{self._alias} points to {where}{split}"

    def lacks(self, route: Route) -> str:
        """The first target that no version of the model stands for."""
        missing = [w.target for w in route.targets if self._version(route, w.target) is None]
        return f"'{missing[0]}' has no model version in targets" if missing else ""

    async def apply(self, route: Route, *, expected_version: str) -> Step:
        """Write the epoch, then the alias; refused at a newer epoch or an unexpected version."""
        target, version = self._wanted(route)
        if version is None:
            return Step("failed", f"'{target}' has no model version in targets")
        async with self._client() as client:
            seen = await self._read(client, route.dependency)
            if seen.status == "unknown":
                return Step("unknown", seen.detail)
            early = settled(
                seen,
                route,
                expected_version=expected_version,
                is_there=seen.version == f"{version}/{route.epoch}",
                what=f"alias {self._alias}",
            )
            return early or await self._move(client, route, version)

    async def _move(self, client: httpx.AsyncClient, route: Route, version: str) -> Step:
        model = self._model or route.dependency
        tag = {"name": model, "key": self._tag, "value": str(route.epoch)}
        claimed = await self._post(client, "/set-tag", tag)
        if not claimed.is_ok:
            return claimed.as_step()
        pointer = {"name": model, "alias": self._alias, "version": version}
        moved = await self._post(client, "/alias", pointer)
        return Step("done", f"alias set to version {version}") if moved.is_ok else moved.as_step()

    async def verify(self, route: Route) -> Step:
        """Read the alias back."""
        target, version = self._wanted(route)
        seen = await self.read(route.dependency)
        if seen.status == "unknown":
            return Step("unknown", seen.detail)
        if seen.version == f"{version}/{route.epoch}":
            whole = "" if len(route.targets) == 1 else f", {target} whole: an alias cannot split"
            return Step("done", f"alias {self._alias} read back on version {version}{whole}")
        held = "is not set" if seen.status == "absent" else f"is on {seen.version}"
        return Step("failed", f"alias {self._alias} {held}, not on {version}/{route.epoch}")

    @property
    def _tag(self) -> str:
        return f"gonogo.epoch.{self._alias}"

    def _wanted(self, route: Route) -> tuple[str, str | None]:
        trial = route.promotion
        if trial is not None and trial.is_running:
            return trial.home, self._version(route, trial.home)
        target = max(route.targets, key=lambda weight: weight.share).target
        return target, self._version(route, target)

    def _version(self, route: Route, target: str) -> str | None:
        """The model version that a target stands for; MLflow's own are whole numbers."""
        name, own = split_version(target)
        stated = self._versions.get(target)
        is_own = name == route.dependency and own is not None and own.isascii() and own.isdigit()
        return own if stated is None and is_own else stated

    def _client(self) -> httpx.AsyncClient:
        import httpx

        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.value}"
        return httpx.AsyncClient(timeout=self._timeout_s, headers=headers)

    async def _read(self, client: httpx.AsyncClient, dependency: str) -> ActuatorReading:
        model = self._model or dependency
        reply = await self._exchange(client, "GET", f"/get?name={quote(model, safe='')}")
        if reply.status == _NOT_FOUND:
            return ActuatorReading("unknown", detail=f"MLflow has no registered model '{model}'")
        found = reply.value.get("registered_model") if isinstance(reply.value, dict) else None
        if not reply.is_ok or not isinstance(found, dict):
            return ActuatorReading(
                "unknown", detail=reply.problem or "MLflow's answer is not its own"
            )
        try:
            tags = {tag["key"]: str(tag.get("value")) for tag in found.get("tags", ())}
            aliases = {one["alias"]: str(one.get("version")) for one in found.get("aliases", ())}
        except (AttributeError, KeyError, TypeError):
            return ActuatorReading("unknown", detail="MLflow's answer is not its own")
        stated = tags.get(self._tag, "")
        is_epoch = stated.isascii() and stated.isdigit() and len(stated) <= _EPOCH_DIGITS_MAX
        epoch = int(stated) if is_epoch else 0
        version = aliases.get(self._alias)
        if version is None:
            return ActuatorReading("absent", epoch=epoch, version=f"absent/{epoch}")
        target = next(
            (name for name, own in self._versions.items() if own == version),
            f"{dependency}@{plain(version, 60)}",
        )
        return ActuatorReading("known", (Weight(target, WHOLE),), epoch, f"{version}/{epoch}")

    async def _post(self, client: httpx.AsyncClient, path: str, body: dict[str, str]) -> Reply:
        return await self._exchange(client, "POST", path, json.dumps(body).encode())

    async def _exchange(
        self, client: httpx.AsyncClient, method: str, path: str, content: bytes | None = None
    ) -> Reply:
        return await exchange(
            client,
            method,
            self._url + path,
            content=content,
            deadline_s=self._timeout_s,
            secret=self._token,
        )
