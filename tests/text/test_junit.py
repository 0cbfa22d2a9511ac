"""JUnit's XML of a preflight: a case a part, counts that agree, and any text stays text."""

from __future__ import annotations

from typing import get_args
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.answers import PreflightReport
from gonogo.answers.work_report import PreflightCheck
from gonogo.records import Verdict
from gonogo.text.junit import FailsAt, as_junit

VERDICTS = get_args(Verdict)


def report(verdict: Verdict, *checks: tuple[str, Verdict, str]) -> PreflightReport:
    """A preflight with these checks."""
    return PreflightReport(
        verdict=verdict,
        summary=f"{verdict}: so it is",
        as_of="2026-04-25T00:00:00.123Z",
        checks=[PreflightCheck(dependency=n, verdict=v, why=why) for n, v, why in checks],
        incidents=[],
        blockers=[],
    )


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=30), st.sampled_from(VERDICTS), st.text())),
    st.sampled_from(VERDICTS),
    st.sampled_from(get_args(FailsAt)),
)
def test_every_part_is_a_case_and_the_counts_are_theirs(
    checks: list[tuple[str, Verdict, str]], whole: Verdict, fails_at: FailsAt
) -> None:
    """Whatever names and reasons hold, a parser of XML reads them back, and nothing is lost."""
    suite = ET.fromstring(as_junit(report(whole, *checks), fails_at=fails_at))  # noqa: S314 - our own
    cases = list(suite)
    assert [case.get("classname") for case in cases] == [
        *["gonogo.dependency"] * len(checks),
        "gonogo.preflight",
    ]
    assert int(suite.attrib["tests"]) == len(cases)
    for tag, count in (("failure", "failures"), ("skipped", "skipped")):
        assert int(suite.attrib[count]) == len(suite.findall(f"testcase/{tag}"))
    order = ["no_go", "unknown", "caution", "go"]
    failed = [case.find("failure") is not None for case in cases]
    said = [*(verdict for _, verdict, _ in checks), whole]
    assert failed == [order.index(verdict) <= order.index(fails_at) for verdict in said]


@pytest.mark.parametrize("hostile", ['"><failure/>', "]]>", "a\x00b\x1b[0m", "\ud800", "&lt;"])
def test_no_name_writes_an_element(hostile: str) -> None:
    """Text from outside becomes text."""
    xml = as_junit(report("go", (hostile, "go", hostile)))
    suite = ET.fromstring(xml.encode())  # noqa: S314 - our own
    assert [len(case) for case in suite] == [0, 0]
