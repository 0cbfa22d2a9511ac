"""Times as programs and spreadsheets write them: since 1970 in some unit, in days, with a zone's own name."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from product import lines, typed

from gonogo.answers import rfc3339
from gonogo.ingest.column_names import suggestion
from gonogo.ingest.times import epoch_ms


def test_a_time_is_read_in_the_unit_that_its_size_tells(tmp_path: Path) -> None:
    """Seconds, and as JavaScript, Python and databases count them; a spreadsheet's days in the zone that is said."""
    store, ts = tmp_path / "s.db", 1_772_000_000
    times = [ts, ts * 10**3, ts * 10**6 + 1, ts * 10**9 + 1, ts * 1e3 + 0.2]
    source = tmp_path / "calls.jsonl"
    source.write_text(lines([{"dependency": f"m{i}", "ts": t} for i, t in enumerate(times)]))
    taken = typed("ingest", str(source), store=store)
    assert taken.stdout.startswith("5 accepted")
    assert f"; {rfc3339(ts * 1000)};" in taken.stdout
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("dependency,ts\nsheet,46078.25\nsheet,46078.5\n")
    refused = typed("ingest", str(sheet), store=store)
    assert "seems to be a spreadsheet's day number" in refused.stdout
    assert "(--timezone)" in refused.stdout
    taken = typed("ingest", str(sheet), "--timezone", "Europe/Berlin", store=store)
    assert "2026-02-25T05:00:00Z to 2026-02-25T11:00:00Z" in taken.stdout


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-10-25 02:30:00 CEST", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25 02:30:00 CET", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-05-01T10:00:00+02:00[Europe/Berlin]", datetime(2026, 5, 1, 8, tzinfo=UTC)),
    ],
)
def test_a_zones_own_name_says_which_hour_of_the_two_it_is(written: str, utc: datetime) -> None:
    """Where clocks are set back; and Java's zone in brackets adds nothing to its offset."""
    assert epoch_ms(written, ZoneInfo("Europe/Berlin")) == utc.timestamp() * 1000


@pytest.mark.parametrize("zone", [None, ZoneInfo("Asia/Kolkata"), UTC])
def test_a_name_that_several_zones_have_is_refused_unless_the_stated_one_has_it(
    zone: tzinfo | None,
) -> None:
    """IST is India's time, Israel's and Ireland's."""
    if zone == ZoneInfo("Asia/Kolkata"):
        assert epoch_ms("2026-05-01 10:00 IST", zone) == 1_777_609_800_000
    else:
        with pytest.raises(ValueError, match=r"ends in IST.*--timezone"):
            epoch_ms("2026-05-01 10:00 IST", zone)


@pytest.mark.parametrize(
    ("written", "is_asked"),
    [
        ("2026-11-20T08:00:00+00:00", False),
        ("2026-11-20 08:00:00.5-05:00", False),
        ("2026-11-20T08:00:00Z", False),
        ("1795161600", False),
        ("2026-11-20 08:00:00", True),
        ("20.11.2026 08:00", True),
        ("46346.25", True),
    ],
)
def test_a_zone_is_asked_for_where_a_time_states_none(written: str, *, is_asked: bool) -> None:
    """A spreadsheet's day number states none; an offset of +00:00 is one."""
    offered = suggestion(["time"], ["dependency"], {"time": written}, has_zone=False)
    assert offered == "--timezone ZONE " * is_asked + "--map ts=time"
