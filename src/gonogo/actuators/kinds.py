"""The kinds of actuators, each made from its `[actuators.NAME]` table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gonogo.errors import ConfigError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from gonogo.ports.actuators import Actuator
    from gonogo.settings import ActuatorSettings


def make_actuator(
    configured: ActuatorSettings,
    *,
    lock_of: Callable[[Path], Callable[[], AbstractContextManager[None]]],
    clock: Callable[[], int],
) -> Actuator:
    """One actuator; nothing is opened or asked yet.

    Args:
        configured: Its table, checked by `config.actuators`.
        lock_of: Makes the lock that every process writing a file holds.
        clock: Now in epoch milliseconds.

    Raises:
        ConfigError: The kind is none of ours.
    """
    name, options, timeout_s = configured.name, configured.options, configured.timeout_s
    match configured.kind:
        case "route_file":
            from gonogo.actuators.route_file import RouteFile

            path = Path(options["path"])
            return RouteFile(name, path, lock_of(path.with_name(path.name + ".lock")))
        case "mlflow":
            from gonogo.actuators.mlflow import MlflowAlias

            return MlflowAlias(
                name,
                url=options["url"],
                alias=options["alias"],
                versions=configured.targets,
                model=options.get("model"),
                token=configured.secret,
                timeout_s=timeout_s,
            )
        case "haproxy":
            from gonogo.actuators.haproxy import HaproxyWeights

            return HaproxyWeights(
                name,
                socket=options["socket"],
                backend=options["backend"],
                servers=configured.targets,
                timeout_s=timeout_s,
            )
        case "webhook" if configured.secret is not None:
            from gonogo.actuators.webhook import Webhook

            return Webhook(
                name,
                url=options["url"],
                secret=configured.secret,
                clock=clock,
                timeout_s=timeout_s,
            )
    raise ConfigError(f"actuators.{name}: kind '{configured.kind}' is not known.")
