"""A rehearsal of the incident plan in words: the table that a terminal shows, and Markdown."""

from __future__ import annotations

from gonogo.answers.drill_report import DrillReport, DrillScenario
from gonogo.errors import plain
from gonogo.text.forms import Table, money, number, rate_text, table

HOURS_A_DAY = 24
COLUMNS = "scenario result detected missed bad_calls fired cost back switches why"
NOTES = (
    "detected: median from its start, and where 80% of replicates lie; bad_calls: median before it "
    "was dealt with; fired: replicates that switched, and how many of those to a target that was ill; "
    "cost: median, added by it or by the fallback; back: when the primary had all traffic again."
)


def drill_parts(answer: DrillReport) -> tuple[list[tuple[str, str]], list[Table]]:
    """The facts and the table of a drill."""
    facts = _facts(answer) if answer.scenarios else []
    facts += [("missing step", step) for step in answer.missing_steps]
    facts += [("not rehearsed", why) for why in answer.not_rehearsed or ()]
    return facts, [table("scenarios", COLUMNS, (_row(line) for line in answer.scenarios))]


def as_markdown(answer: DrillReport) -> str:
    """The report as a page."""
    result = {True: "passed", False: "failed", None: "not enough history"}[answer.passed]
    lines = [f"# Drill of {_escaped(answer.dependency)}: {result}", "", _escaped(answer.summary)]
    if answer.scenarios:
        lines += ["", *(f"- {label}: {_escaped(text)}" for label, text in _facts(answer))]
        header = COLUMNS.split()
        lines += ["", _line(header), _line(["---"] * len(header))]
        lines += [_line([_escaped(cell) for cell in _row(line)]) for line in answer.scenarios]
        lines += ["", NOTES]
    if answer.missing_steps:
        lines += ["", "## Missing steps", ""]
        lines += [f"- {_escaped(step)}" for step in answer.missing_steps]
    if answer.not_rehearsed:
        lines += ["", "## Not rehearsed", ""]
        lines += [f"- {_escaped(why)}" for why in answer.not_rehearsed]
    return "\n".join([*lines, "", f"As of {answer.as_of}."])


def _facts(answer: DrillReport) -> list[tuple[str, str]]:
    person = "nobody answers"
    if answer.answers_after_min is not None:
        person = f"a person answers after {number(answer.answers_after_min)} min"
    facts = [("policy", f"{answer.policy}; {person}")]
    if answer.history is not None:
        start, end = (answer.history[side][:10] for side in ("start", "end"))
        times = f"{answer.replicates} replicates of up to {answer.days} days, seed {answer.seed}"
        facts.append(("played on", f"{start} to {end}, {times}"))
    if answer.played is not None and answer.played < 1:
        facts.append(
            ("thinned", f"{rate_text(answer.played)} of the calls were played: it sees less")
        )
    return facts


def _row(line: DrillScenario) -> tuple[str, ...]:
    kept = line.replicates - line.early
    ill = line.fired - (line.fired if line.target_healthy is None else line.target_healthy)
    back = ""
    if line.recovered is not None and line.fired:
        hours = "" if line.recover_hours is None else f" {_length(line.recover_hours)}"
        back = f"{line.recovered}/{line.fired}{hours}"
    return (
        line.scenario,
        "passed" if line.passed else "failed",
        _detected(line),
        "" if line.false_alarms is not None else str(line.missed),
        "" if line.false_alarms is not None else number(line.bad_decisions),
        f"{line.fired}/{kept}" + (f", {ill} to ill" if ill else ""),
        "" if line.extra_cost_usd is None else money(line.extra_cost_usd),
        back,
        number(line.switches),
        line.why + (f"; {line.early} raised before it began" if line.early else ""),
    )


def _detected(line: DrillScenario) -> str:
    if line.detect_hours is None or line.detect_interval80_hours is None:
        return ""
    in_days = line.detect_hours >= 2 * HOURS_A_DAY
    each = HOURS_A_DAY if in_days else 1
    low, high = (f"{hours / each:.1f}" for hours in line.detect_interval80_hours)
    return f"{_length(line.detect_hours)} ({low}-{high})"


def _length(hours: float) -> str:
    return f"{hours:.1f} h" if hours < 2 * HOURS_A_DAY else f"{hours / HOURS_A_DAY:.1f} d"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return plain(text, 1000).replace("\\", "\\\\").replace("|", "\\|").replace("`", "\\`")
