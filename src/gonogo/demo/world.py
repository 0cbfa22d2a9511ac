"""Three simulated weeks of an agent's dependencies, seeded: the same weeks on every machine.

`sentiment-v3` is healthy for eight days and then slides from 94 % to 87 %, while its latency and
its own confidence stay as they were, and its answers grow longer and dearer. `source-trust` goes
wrong, from day eight, only for what was published on a weekend. `sentiment-v2` is the previous
version, a little weaker, steady and cheaper.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

SEED = 20260401
DAYS = 21
HEALTHY_DAYS = 8

MODEL, PREVIOUS, SKILL = "sentiment-v3", "sentiment-v2", "source-trust"
MODEL_A_DAY, PREVIOUS_A_DAY, SKILL_A_DAY = 800, 120, 240
DAY_S = 86_400.0
SATURDAY = 5
PREVIOUS_RIGHT = 0.925
LABELS = ("negative", "neutral", "positive")


@dataclass(frozen=True, slots=True)
class Item:
    """What a skill judged: when it was published, in days since the beginning, and a die."""

    day: float
    published_day: float
    luck: float

    def judged(self, begin_s: float) -> dict[str, object]:
        """Weekend or weekday, by the calendar of the weeks as they are written, and the outcome."""
        published = datetime.fromtimestamp(begin_s + self.published_day * DAY_S, tz=UTC)
        weekend = published.weekday() >= SATURDAY
        wrong = 0.35 if weekend and self.day >= HEALTHY_DAYS else 0.05
        return {
            "outcome": self.luck >= wrong,
            "segments": {"published": "weekend" if weekend else "weekday"},
        }


@dataclass(frozen=True, slots=True)
class Call:
    """One simulated call: when, in days since the beginning, and what an ingest line says."""

    day: float
    fields: dict[str, object]
    item: Item | None = None


def _slid(day: float) -> float:
    """How far the slide has come, from 0 to 1."""
    return min(1.0, max(0.0, (day - HEALTHY_DAYS) / (DAYS - HEALTHY_DAYS)))


def _model(dice: random.Random, day: float) -> dict[str, object]:
    right = dice.random() < 0.94 - 0.07 * _slid(day)
    label = dice.choice(LABELS)
    answer = label if right else dice.choice([text for text in LABELS if text != label])
    tokens = round(dice.lognormvariate(3.7, 0.3) * (1 + 0.35 * _slid(day)))
    return {
        "dependency": MODEL,
        "kind": "model",
        "provider": "acme",
        "version": "3.0",
        "prediction": answer,
        "label": label,
        # As sure as ever: a model that slides does not know it.
        "confidence": round(min(0.999, dice.betavariate(18, 1.3)), 4),
        "latency_ms": round(dice.lognormvariate(5.2, 0.25), 1),
        "output_tokens": tokens,
        "cost_usd": round(3.5e-5 * tokens, 6),
    }


def _previous(dice: random.Random) -> dict[str, object]:
    tokens = round(dice.lognormvariate(3.5, 0.3))
    return {
        "dependency": PREVIOUS,
        "kind": "model",
        "provider": "acme",
        "version": "2.4",
        "outcome": dice.random() < PREVIOUS_RIGHT,
        "latency_ms": round(dice.lognormvariate(5.0, 0.25), 1),
        "output_tokens": tokens,
        "cost_usd": round(2e-5 * tokens, 6),
    }


def _skill(dice: random.Random, day: float) -> Call:
    # An item is judged within a week of its publication, so that on each day as many of those that
    # are judged come from a weekend, whatever day it is.
    item = Item(day, published_day=day - dice.uniform(0, 7), luck=dice.random())
    fields: dict[str, object] = {
        "dependency": SKILL,
        "kind": "skill",
        "latency_ms": round(dice.lognormvariate(3.9, 0.3), 1),
        "cost_usd": 0.0002,
    }
    return Call(day, fields, item)


class World:
    """The weeks, simulated once; they are the same whenever they are written to end."""

    def __init__(self) -> None:
        dice = random.Random(SEED)  # noqa: S311 - a simulation, not a secret
        self._calls: list[Call] = []
        for day in range(DAYS):
            for _ in range(MODEL_A_DAY):
                at = day + dice.random()
                self._calls.append(Call(at, _model(dice, at)))
            for _ in range(PREVIOUS_A_DAY):
                self._calls.append(Call(day + dice.random(), _previous(dice)))
            for _ in range(SKILL_A_DAY):
                self._calls.append(_skill(dice, day + dice.random()))
        self._calls.sort(key=lambda call: call.day)

    def write(self, path: Path, days: int, *, now_ms: int) -> int:
        """Write the first `days` days as JSON Lines that end now; returns how many lines.

        Weekends are those of the calendar that ends now: any whole week holds one, whatever day is
        now.
        """
        begin_s = now_ms / 1000 - days * DAY_S
        calls = [call for call in self._calls if call.day < days]
        with path.open("w", encoding="utf-8") as file:
            for number, call in enumerate(calls):
                when = datetime.fromtimestamp(begin_s + call.day * DAY_S, tz=UTC)
                line = {"id": f"call-{number}", "ts": when.isoformat(timespec="milliseconds")}
                judged = call.item.judged(begin_s) if call.item else {}
                file.write(json.dumps({**line, **call.fields, **judged}) + "\n")
        return len(calls)

    def accuracy(self) -> list[float]:
        """The share of right answers of the model on each day, as they are written."""
        right, asked = [0] * DAYS, [0] * DAYS
        for call in self._calls:
            if call.fields["dependency"] == MODEL:
                asked[int(call.day)] += 1
                right[int(call.day)] += call.fields["prediction"] == call.fields["label"]
        return [r / n for r, n in zip(right, asked, strict=True)]
