"""A preflight as JUnit's XML, which CI systems draw: a case for each part of the work.

There is no standard but what its readers take: elements and attributes as Ant's JUnit task writes
them (https://github.com/windyroad/JUnit-Schema).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal
from xml.etree.ElementTree import Element, SubElement, tostring

from gonogo.errors import plain

if TYPE_CHECKING:
    from gonogo.answers import PreflightReport
    from gonogo.records import Verdict

FailsAt = Literal["no_go", "unknown", "caution"]
FAILED: Mapping[FailsAt, tuple[Verdict, ...]] = {
    "no_go": ("no_go",),
    "unknown": ("no_go", "unknown"),
    "caution": ("no_go", "unknown", "caution"),
}
TEXT_CHARS_MAX = 2_000


def as_junit(report: PreflightReport, *, fails_at: FailsAt = "no_go") -> str:
    """The report as one suite: each dependency, the budget, and the work as a whole.

    What is `fails_at` or worse failed; `unknown` is else skipped, and `caution` passed with its reason
    as output. The whole can fail where no part does, as when several cautions come together.
    """
    parts = [
        ("dependency", one.dependency, one.verdict, one.why or one.verdict) for one in report.checks
    ]
    if report.budget is not None:
        own = report.budget
        parts.append(("budget", own.budget, own.verdict, own.summary))
    parts.append(("preflight", report.workload or "the work", report.verdict, report.summary))
    suite = Element("testsuite", {"name": "gonogo preflight", "timestamp": report.as_of[:19]})
    failed = [_add(suite, *part, fails_at) for part in parts]
    suite.set("tests", str(len(parts)))
    suite.set("failures", str(failed.count("failure")))
    suite.set("skipped", str(failed.count("skipped")))
    suite.set("errors", "0")
    suite.set("time", "0")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suite, encoding="unicode") + "\n"


def _add(
    suite: Element, kind: str, name: str, verdict: Verdict, why: str, fails_at: FailsAt
) -> str | None:
    """Add a case; what became of it, None where it passed."""
    named = {"classname": f"gonogo.{kind}", "name": plain(name, 200), "time": "0"}
    case, said = SubElement(suite, "testcase", named), plain(why, TEXT_CHARS_MAX)
    if verdict in FAILED[fails_at]:
        SubElement(case, "failure", {"type": verdict, "message": said}).text = said
        return "failure"
    if verdict == "unknown":
        SubElement(case, "skipped", {"message": said})
        return "skipped"
    if verdict == "caution":
        SubElement(case, "system-out").text = f"caution: {said}"
    return None
