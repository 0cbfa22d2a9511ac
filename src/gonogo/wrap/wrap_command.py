"""`gonogo wrap NAME -- COMMAND…`, started by `__main__` before the command line is imported."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from gonogo.border.characters import UnclearName, name_of
from gonogo.border.foreign import whole
from gonogo.config import default_store
from gonogo.config.early_options import EarlyParser
from gonogo.errors import ParameterError, StoreError
from gonogo.recorder.outbox import CLOSE_S, Outbox
from gonogo.settings import Settings
from gonogo.wrap.enforcement import Enforcement
from gonogo.wrap.proxy import die_as, run_proxy
from gonogo.wrap.tool_calls import Calls

if TYPE_CHECKING:
    from gonogo.guard.call_gate import CallGate
    from gonogo.guard.held_calls import HeldCalls
    from gonogo.recorder.asker import Asker

LINGER_S = 1.0
# How long recording waits for another process that holds the store, also at the end.
HELD_S = 2.0
# Money is waited for longer: a hold that is not settled says that the call cost nothing.
SETTLE_TIMEOUT_S = 10.0
# The pumps must get their turn while the outbox writes.
SWITCH_S = 0.0005
NAME_CHARS_MAX = 100
REPEATS_MAX = 1_000_000
EXAMPLE = "example: gonogo wrap github -- npx -y @modelcontextprotocol/server-github"

SALT_BYTES = 32
HASH_BYTES = 16


def wrap(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a server, passing everything through, and record its tool calls.

    Returns:
        The server's exit status.

    Raises:
        ParameterError: An argument is wrong, or the command cannot be started.
    """
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    given, command = parsed(arguments[:cut]), arguments[cut + 1 :]
    name: str = given.name
    if not command:
        raise ParameterError("wrap: say what to run after `--`. See `gonogo wrap --help`.")
    try:
        name = name_of(name)
    except UnclearName:
        name = ""
    if not 0 < len(name) <= NAME_CHARS_MAX:
        raise ParameterError(f"wrap: a name has 1 to {NAME_CHARS_MAX} printable characters.")
    given.name = name
    outbox = _outbox(given.config, given.store, environ)
    calls = Calls(name, outbox.put)
    sys.setswitchinterval(SWITCH_S)
    purse = _purse(given, environ)
    enforcement = _enforcement(given, environ, purse) if given.enforce else None
    status = run_proxy(command, calls, enforcement)
    if enforcement is not None:
        enforcement.close()
    if purse is not None:
        purse.flush(SETTLE_TIMEOUT_S)
    told = outbox.close(CLOSE_S)
    lost = told.refused + told.dropped + calls.unseen
    if lost:
        why = f": {told.problem}" if told.problem else ""
        sys.stderr.write(
            f"gonogo wrap: {lost} of {lost + told.stored} calls were not recorded{why}\n"
        )
        sys.stderr.flush()
    if status < 0:
        die_as(-status)
        return 128 - status
    return status


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of `gonogo wrap`, which stand before `--`.

    Raises:
        ParameterError: An argument is unknown or incomplete.
    """
    parser = EarlyParser(
        prog="gonogo wrap",
        usage="gonogo wrap [--store PATH] [--config PATH] [--enforce …] NAME -- COMMAND…",
        description="Run another MCP server, passing every byte through, and record each tool "
        "call as an observation of NAME/tool: latency, error, salted hashes, never contents.",
        epilog=EXAMPLE,
        allow_abbrev=False,
    )
    parser.add_argument("name", metavar="NAME", help="what the server is called")
    parser.add_argument("--store", metavar="PATH", help="the store; default: GONOGO_STORE")
    parser.add_argument("--config", metavar="PATH", help="gonogo.toml; default: GONOGO_CONFIG")
    enforced = parser.add_argument_group("with --enforce (docs/guard.md)")
    enforced.add_argument("--enforce", action="store_true", help="refuse calls under no_go")
    enforced.add_argument(
        "--closed", action="store_true", help="refuse calls where nothing can be asked"
    )
    enforced.add_argument(
        "--repeats",
        type=_whole,
        metavar="N",
        default=10,
        help="refuse a call after N times the same answer in a row; default: 10, 0: never",
    )
    enforced.add_argument(
        "--deadline", type=_seconds, metavar="TIME", help="answer for a call that hangs, as 60s"
    )
    enforced.add_argument(
        "--budget", metavar="NAME", help="hold and settle each call's money there; with --call-usd"
    )
    enforced.add_argument(
        "--call-usd",
        type=_usd,
        metavar="USD",
        help="what a call costs in the budget's unit, whatever becomes of it",
    )
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _whole(text: str) -> int:
    found = whole(text)
    if found is None or found > REPEATS_MAX:
        raise argparse.ArgumentTypeError(f"is a whole number up to {REPEATS_MAX}")
    return found


def _usd(text: str) -> float:
    from gonogo.ports.money import micro_usd

    try:
        amount = float(text)
        fits = micro_usd(amount, name="--call-usd") > 0
    except (ValueError, ParameterError):
        fits = False
    if not fits:
        raise argparse.ArgumentTypeError("is an amount above 0, as 0.02")
    return amount


def _seconds(text: str) -> int:
    from gonogo.config.durations import duration_s

    found = duration_s(text)
    if found is None:
        raise argparse.ArgumentTypeError('is a duration such as "30s" or "5m"')
    return found


class _Purse:
    """A budget from which each call takes the same amount."""

    def __init__(self, gate: CallGate, call_usd: float) -> None:
        self._gate, self._call_usd = gate, call_usd
        self.flush = gate.flush
        self.hold = gate.hold

    def end(self, hold: HeldCalls | None, *, called: bool) -> None:
        """Settle a hold at what a call costs, or at nothing where none was made; without a hold, nothing."""
        if hold is not None:
            self._gate.end(hold, None, self._call_usd if called else None)


def _refuse_counted_twice(given: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """A budget that counts the recorded calls or their time anyway would count each held one again.

    Raises:
        ParameterError: The budget is one, or lies below one.
    """
    from fnmatch import fnmatchcase

    from gonogo.config import load_settings
    from gonogo.money.scopes import budget_chain

    settings = load_settings(given.config, given.store, environ)
    if settings.budget(given.budget) is None:
        return  # the first call says that there is none
    tool = f"{given.name}/any"
    for budget in budget_chain(settings, given.budget):
        counted = [
            pattern
            for pattern in budget.dependencies
            if fnmatchcase(tool, pattern) or pattern.startswith(f"{given.name}/")
        ]
        if counted and budget.unit in ("calls", "minutes"):
            raise ParameterError(
                f"wrap: budget '{budget.name}' counts the {budget.unit} of '{counted[0]}' by its "
                "dependencies, and --budget would count each call again: leave out one of the two."
            )


def _purse(given: argparse.Namespace, environ: Mapping[str, str]) -> _Purse | None:
    """The budget that calls cost of, where one is named.

    Raises:
        ParameterError: Only a part of what it takes is given, or each call would count twice.
    """
    if given.budget is None and given.call_usd is None:
        return None
    if not given.enforce or given.budget is None or given.call_usd is None:
        raise ParameterError("wrap: --budget NAME, --call-usd USD and --enforce go together.")
    from gonogo.guard.call_gate import CallGate

    _refuse_counted_twice(given, environ)
    gate = CallGate(
        budget=given.budget,
        call_usd=given.call_usd,
        closed=given.closed,
        store=given.store,
        config=given.config,
        ahead=False,  # each call is settled at what it costs by itself, and so has a hold of its own
    )
    return _Purse(gate, given.call_usd)


def _enforcement(
    given: argparse.Namespace, environ: Mapping[str, str], purse: _Purse | None
) -> Enforcement:
    from gonogo.clock import wall_clock_ms
    from gonogo.config import load_settings
    from gonogo.guard.resident import Judge
    from gonogo.wrap.enforcement import Enforcement, Limits

    def settings() -> Settings:
        return load_settings(given.config, given.store, environ)

    @cache
    def asker() -> Asker:
        from gonogo.recorder.asker import Asker

        return Asker(settings(), actor="guard")

    judge = Judge(settings, asker, clock=wall_clock_ms, closed=given.closed)
    limits = Limits(given.repeats or None, given.deadline)
    return Enforcement(given.name, judge, limits, purse)


def _outbox(config: str | None, store: str | None, environ: Mapping[str, str]) -> Outbox:
    salts: dict[str, bytes] = {}

    def settings() -> Settings:
        from gonogo.config import load_settings

        found = load_settings(config, store, environ)
        return replace(found, lock_wait_s=min(found.lock_wait_s, HELD_S))

    def prepare(fields: dict[str, object], settings: Settings) -> Mapping[str, object]:

        where = settings.store
        if where not in salts:
            salts[where] = salt_of(where, environ)
        hashes = {
            key: salted(value, salts[where])
            for key in ("input_hash", "output_hash")
            if isinstance(value := fields.get(key), str)
        }
        return {**fields, **hashes}

    return Outbox(settings, actor="wrap", linger_s=LINGER_S, prepare=prepare)


def salt_of(store: str, environ: Mapping[str, str]) -> bytes:
    """The salt that lies beside the store; made when it is first asked for, for its owner alone.

    For a store behind a URL it lies in the user's data folder: each machine has its own.

    Raises:
        StoreError: It can be neither read nor made.
    """
    path = Path(f"{store}.salt")
    if "://" in store:
        name = blake2b(store.encode(), digest_size=8).hexdigest()
        path = default_store(environ).with_name(f"{name}.salt")
    try:
        if not path.exists():
            _make(path)
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"Cannot read the salt '{path}': {error.strerror}.") from error


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(SALT_BYTES))
        # A link is made whole or not at all, and never over another process's.
        if not path.exists():
            os.link(own, path)
    except FileExistsError:
        pass
    finally:
        os.close(descriptor)
        own.unlink()


def salted(digest: str, salt: bytes) -> str:
    """A digest that means nothing without the salt."""
    return blake2b(digest.encode(), key=salt, digest_size=HASH_BYTES).hexdigest()
