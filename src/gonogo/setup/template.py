"""A gonogo.toml to start from: what was asked for, and the rest as comments."""

from __future__ import annotations

import json
from dataclasses import dataclass

TOP = """\
# gonogo.toml: every key is optional. `gonogo doctor` says whether it is right.
# Secrets never belong in here: a key that ends in _env names an environment variable.
"""

DEPENDENCY = """\
[dependencies.{name}]
# kind = "model"                  # model, skill, tool, api, prompt
# provider = "acme"               # what falls together is named by it
# latency_slo_ms = 2000           # slower than this is not a good call
# quality_bar = 0.5               # an outcome at or above this is good
# quality = "outcomes"            # "errors": without outcomes, calls are judged by their errors
# recorders = ["wrap", "person:*"]   # whose observations count; probes always do. Default: everybody's
{fallback}
# fallback_policy = "ask"         # allow, confirm, ask (a person), person (out of band), deny
{actuators}
# min_effect = 0.05               # the smallest change that matters
# false_alarms_per_year = 1
# stale_after = "7d"              # older evidence is no evidence of now
# baseline = {{ start = "2026-04-01", end = "2026-04-14" }}   # or version = "…", or outcome = 0.94
"""

BUDGET = """\
[budgets.{name}]
limit_usd = {limit}
window = {window}                 # hour, day, week, month, rolling:7d, total
dependencies = {dependencies}     # whose cost counts here
# required_confidence = 0.70      # hard = true means 0.95 and worst-case holds
# hold_expires = "15m"
"""

WORKLOAD = """\
# What `preflight` is asked about before it begins.
[workloads.main]
dependencies = {calls}            # planned calls
{budget}
"""

ROUTES = """\
# Where a fallback takes effect: a file in flagd's schema, read by `gonogo.route()` and OpenFeature.
[actuators.routes]
kind = "route_file"
path = "routes.json"              # beside this file
"""

SETTINGS = """\
[settings]
# timezone = "UTC"                # of days, weekends and bands of hours
# lock_wait = "10s"               # how long a write waits for other processes
# schema = "gonogo"               # where the tables of a postgresql:// store are
# url = "https://gonogo.example"  # where the dashboard is, for links in messages
# approval_expires = "8h"         # how long a plan waits for a person
# approval_secret_env = "GONOGO_APPROVAL_SECRET"  # signs links by which a person approves
# retention = "400d"              # raw observations; hourly counts are kept
# store_text = false              # answers' text is turned into features and not kept

# Who is told of incidents while `gonogo watch` runs (docs/incidents.md):
# [settings.notify.pager]
# kind = "pagerduty"
# routing_key_env = "PAGERDUTY_ROUTING_KEY"

# When nobody is woken (docs/incidents.md):
# [maintenance.reindex]
# dependencies = ["search"]
# cron = "0 2 * * sat"
# lasts = "2h"

# Asked on a schedule while `gonogo watch` runs (docs/probes.md):
# [probes.golden]
# dependency = {probed}
# url = "http://localhost:8000/v1/chat/completions"
# golden = "golden.jsonl"
# every = "15m"
"""


@dataclass(frozen=True, slots=True)
class InitialConfig:
    """The contents of a new configuration. Money in US dollars."""

    dependencies: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    budget_usd: float | None = None
    window: str = "day"
    calls: int = 100


def filled(wishes: InitialConfig) -> str:
    """The file's text; `config.load_settings` takes it as it is."""
    names = wishes.dependencies or ("my-model",)
    parts = [TOP]
    for name in names:
        ladder = [target for target in wishes.fallback if target != name]
        parts.append(
            DEPENDENCY.format(
                name=_text(name),
                fallback=_line("fallback", ladder, '["my-model@previous", "rules:keywords"]'),
                actuators=_line("actuators", ["routes"] if ladder else [], '["routes"]'),
            )
        )
    if wishes.budget_usd is not None:
        parts.append(_budget(wishes.budget_usd, wishes.window, names))
    else:
        parts.append(_comment(_budget(60.0, wishes.window, names)))
    work = WORKLOAD.format(
        calls="{ " + ", ".join(f"{_text(name)} = {wishes.calls}" for name in names) + " }",
        budget='budget = "main"' if wishes.budget_usd is not None else '# budget = "main"',
    )
    # Work on a name that stands for one is work that nothing is known of.
    parts.append(work if wishes.dependencies else _comment(work))
    if wishes.fallback:
        parts.append(ROUTES)
    parts.append(SETTINGS.format(probed=_text(names[0])))
    return "\n".join(parts)


def _budget(limit_usd: float, window: str, names: tuple[str, ...]) -> str:
    return BUDGET.format(
        name="main",
        limit=f"{limit_usd:g}",
        window=_text(window),
        dependencies=_list(list(names)),
    )


def _comment(part: str) -> str:
    """A part that waits to be taken in: each line that is no comment becomes one."""
    return "".join(
        line if line.startswith("#") or not line.strip() else f"# {line}"
        for line in part.splitlines(keepends=True)
    )


def _line(key: str, values: list[str], example: str) -> str:
    return f"{key} = {_list(values)}" if values else f"# {key} = {example}"


def _list(values: list[str]) -> str:
    return f"[{', '.join(_text(value) for value in values)}]"


def _text(value: str) -> str:
    """A TOML basic string: JSON's escapes are among TOML's."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
