"""Golden sets are read strictly, and each checker says what it promises."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from servers import Judge, serving

from gonogo.errors import DataError
from gonogo.prober.checkers import Score, check_apart, score_answer
from gonogo.prober.fetch import http_client
from gonogo.prober.golden_run import Item, parse_golden, read_golden
from gonogo.settings import ProbeSettings

pytestmark = pytest.mark.anyio
PROBE = ProbeSettings("p", "d", url="http://x", functions=("rules:polite", "rules:loops"))
RULES = """
import words
def polite(answer, item):
    if item["id"] == "crash":
        raise ValueError("no such thing")
    return 2 if item["id"] == "high" else words.PLEASE in answer
def loops(answer, item):
    while True:
        pass
"""


async def score(text: str, probe: ProbeSettings = PROBE, /, **line: object) -> Score:
    """The score of an answer to an item, read as a line of a golden set."""
    [item] = parse_golden(json.dumps({"id": "a", **line}).encode(), Path("golden.jsonl"), probe)
    async with http_client(1) as client:
        return await score_answer(text, item, probe, client=client, folder=probe.golden)


@pytest.mark.parametrize(
    ("text", "line", "value"),
    [
        (" Paris\n", {"exact": "Paris"}, 1),
        ("paris", {"exact": "Paris"}, 0),
        ("PARIS", {"exact": "Paris", "ignore_case": True}, 1),
        ('{"b": [1.0], "a": true}', {"exact": {"a": True, "b": [1]}}, 1),
        ('{"b": [1.0], "a": 1}', {"exact": {"a": True, "b": [1]}}, 0),
        ("no JSON", {"exact": 3}, 0),
        ("red", {"one_of": ["blue", "red"]}, 1),
        ("3", {"one_of": ["blue", 3]}, 1),
        ("green", {"one_of": ["blue", "red"]}, 0),
        ("a fine day", {"contains": "fine"}, 1),
        ("a fine day", {"contains": ["fine", "night"]}, 0),
        ("2026-04-01", {"regex": r"^\d{4}-\d\d-\d\d$"}, 1),
        ("today", {"regex": r"^\d{4}-\d\d-\d\d$"}, 0),
        ("17 and 25 make 1,042.", {"number": 1042}, 1),
        ("about .3", {"number": 0.2, "tolerance": 0.1}, 1),
        ("41.4", {"number": 42, "tolerance": 0.5}, 0),
        ("-1e3", {"number": -1000}, 1),
        ("none at all", {"number": 1}, 0),
        ("1e9999", {"number": 1}, 0),
        ('{"label": "spam"}', {"schema": {"required": ["label"], "type": "object"}}, 1),
        ("[]", {"schema": {"type": "object"}}, 0),
        ("not JSON", {"schema": {}}, 0),
        ("Paris, 42", {"contains": "Paris", "number": 41}, 0),
        ("anything", {}, None),
    ],
)
async def test_a_checker_says_what_it_promises(
    text: str, line: dict[str, object], value: float | None
) -> None:
    """Every checker in both ways; of several the lowest counts."""
    assert await score(text, **line) == Score(value)


async def test_a_persons_function_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    """It may import what lies beside it, crash, or return nonsense: the dependency is not blamed."""
    rules, words = tmp_path / "rules.py", tmp_path / "words.py"
    await anyio.Path(rules).write_text(RULES)
    await anyio.Path(words).write_text("PLEASE = 'please'")
    probe = ProbeSettings(
        "p", "d", url="http://x", functions=("rules:polite", "no_module:f"), golden=tmp_path
    )
    assert await score("yes please", probe, function="rules:polite") == Score(1)
    assert await score("no", probe, function="rules:polite") == Score(0)
    crashed = await score("no", probe, id="crash", function="rules:polite")
    assert (crashed.value, "ValueError: no such thing" in crashed.problem) == (None, True)
    high = await score("no", probe, id="high", function="rules:polite")
    assert (high.value, "returned 2" in high.problem) == (None, True)
    missing = await score("no", probe, function="no_module:f")
    assert (missing.value, "ModuleNotFoundError" in missing.problem) == (None, True)


async def test_a_function_without_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds no probe up, and is not the dependency's fault."""
    await anyio.Path(tmp_path / "rules.py").write_text("def loops(*_):\n while True: pass")
    monkeypatch.setattr("gonogo.prober.checkers.CHECK_S", 1.0)
    probe = ProbeSettings("p", "d", url="http://x", functions=("rules:loops",), golden=tmp_path)
    found = await score("a" * 60 + "!", probe, function="rules:loops")
    assert (found.value, "longer than 1 s" in found.problem) == (None, True)


@pytest.mark.parametrize(
    ("check", "expected"),
    [("regex", "^(a+)+$"), ("regex", "(a|a)*b"), ("schema", {"pattern": "^(a|aa)+$"})],
)
async def test_no_answer_hides_from_a_pattern_by_making_it_endless(
    check: str, expected: object
) -> None:
    """It is a wrong answer, and the probe's problem says so; the next one is checked as ever."""
    text = "a" * 60 + "!"
    answer = json.dumps(text) if check == "schema" else text
    value, problem = check_apart(check, expected, answer, {}, None, 0.05)
    assert (value, problem) == (0.0, "not matched within 0.05 s of processor time, taken as wrong")
    assert check_apart("regex", "^a", text, {}, None, 0.05) == (1.0, "")


async def test_a_schema_fetches_nothing() -> None:
    """A reference to an address is not followed."""
    found = await score("{}", schema={"$ref": "http://127.0.0.1:9/schema.json"})
    assert (found.value, "schema failed" in found.problem) == (None, True)


async def test_a_judge_gives_a_score_and_its_failure_is_not_the_dependencys() -> None:
    """The judge gets input, answer and criterion; an unreachable one leaves the answer unscored."""
    with serving(Judge) as judge:
        probe = ProbeSettings("p", "d", url="http://x", judge_url=judge.url("/"))
        assert await score("please", probe, judge="is polite") == Score(0.75)
        assert await score("now!", probe, judge="is polite") == Score(0.0)
    gone = await score("please", probe, judge="is polite")
    assert (gone.value, "refused" in gone.problem) == (None, True)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 1: is no JSON"),
        ('{"id": "a", "number": NaN}', "is no JSON"),
        ("[1]", "must be an object"),
        ('{"input": "x"}', "id must be a text"),
        ('{"id": "a", "expect": 1}', "'expect' is no key"),
        ('{"id": "a", "one_of": []}', "one_of must be a list"),
        ('{"id": "a", "contains": [1]}', "contains must be"),
        ('{"id": "a", "number": "1"}', "number must be a number"),
        ('{"id": "a", "number": 1, "tolerance": -1}', "tolerance must be"),
        ('{"id": "a", "regex": "("}', "regex must be"),
        ('{"id": "a", "schema": 1}', "schema must be"),
        ('{"id": "a", "function": "os:system"}', "function is not one of functions"),
        ('{"id": "a", "judge": "fine"}', "judge needs judge_url in probes.p"),
        ('{"id": "a", "ignore_case": 1}', "ignore_case must be"),
        ('{"id": "a", "segments": {"a": 1}}', "segments must hold"),
        ('{"id": "a"}\n{"id": "a"}', "line 2: the id 'a' is not new"),
        ("\n", "has 0 items"),
    ],
)
async def test_a_malformed_line_is_named(line: str, told: str) -> None:
    """By file, line and what is allowed."""
    with pytest.raises(DataError) as refused:
        parse_golden(line.encode(), Path("golden.jsonl"), PROBE)
    assert told in str(refused.value)
    assert "golden.jsonl" in str(refused.value)


async def test_items_keep_their_order_and_segments(tmp_path: Path) -> None:
    """Empty lines are passed over; without a set there is one item without a name."""
    path = tmp_path / "golden.jsonl"
    await anyio.Path(path).write_text(
        '{"id": "b", "input": [1], "segments": {"lang": "fr"}}\n\n{"id": "a"}\n'
    )
    found = await read_golden(ProbeSettings("p", "d", url="http://x", golden=path))
    assert [(item.id, item.input, dict(item.segments)) for item in found] == [
        ("b", [1], {"lang": "fr"}),
        ("a", None, {}),
    ]
    assert await read_golden(PROBE) == [Item()]
