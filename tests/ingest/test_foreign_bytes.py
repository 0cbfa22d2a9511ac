"""Bytes of others, at every border: a value or the promised refusal, at once."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

import foreign_files
from gonogo.actuators.route_file import RouteFile
from gonogo.border.foreign import DEPTH_MAX, foreign_file, foreign_json, number, whole
from gonogo.config import load_settings
from gonogo.errors import ConfigError, GonogoError, ProbeError
from gonogo.ingest.formats import FORMATS, format_of
from gonogo.ingest.formats.foreign_format import File, foreign_rows
from gonogo.ingest.jsonl import strict_json
from gonogo.prober.endpoints import json_value
from gonogo.prober.golden_run import read_golden
from gonogo.routes.flag_file import UnreadableFlags, parse_document
from gonogo.routing import RouteReader
from gonogo.settings import ProbeSettings
from gonogo.setup.merging import read_text
from gonogo.wrap.tool_calls import Calls

DEEP = {
    f"{levels} {kind}": opened * levels + "1" + closed * levels
    for levels in (DEPTH_MAX + 1, 900, 5_000, 200_000)
    for kind, opened, closed in (("lists", "[", "]"), ("objects", '{"a":', "}"))
}
HOSTILE = {
    **DEEP,
    "unclosed": "[" * 100_000,
    "digits": "9" * 5_000,
    "negative digits": "[-" + "1" * 4_000 + "]",
    "not a number": '{"a": NaN}',
    "infinite": "[Infinity]",
    "surrogate of bytes": '"\udc80"',
    "nothing": "",
    "half": '{"a": [1, 2',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_one_can_bear_is_refused_in_one_short_line(name: str) -> None:
    """By the bounded reader, and by each border that uses it."""
    text = HOSTILE[name]
    raw = text.encode("utf-8", "surrogateescape")
    with pytest.raises(ValueError, match=r"^(is|has) .{1,80}$"):
        foreign_json(raw)
    if name in DEEP:  # a file's numbers are bounded by their fields, its bytes by their decoding
        with pytest.raises(ValueError, match="nested too deeply"):
            strict_json(text)
    with pytest.raises(ProbeError, match="no JSON"):
        json_value(raw)
    with pytest.raises(UnreadableFlags):
        parse_document(raw)
    calls = Calls("tool", lambda _: None)
    calls.ask(raw + b"\n", now_ns=0, ts=0.0)
    calls.answer(raw + b"\n", now_ns=0)


def test_what_is_meant_is_read() -> None:
    """Sixty-four levels, brackets in text, forty digits."""
    deep = "[" * DEPTH_MAX + "]" * DEPTH_MAX
    assert json.dumps(foreign_json(deep)) == json.dumps(strict_json(deep)) == deep
    flat = json.dumps(["[{" * 500] * 3)
    assert foreign_json(flat) == strict_json(flat) == json.loads(flat)
    assert foreign_json("9" * 40) == int("9" * 40)


@pytest.mark.parametrize("name", [*HOSTILE, "fifo", "folder", "device", "gone"])
def test_a_route_never_raises_and_never_waits(tmp_path: Path, name: str) -> None:
    """Whatever lies where the route file should: the primary is called, then the last good route."""
    path = tmp_path / "routes.json"
    match name:
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "device":
            path.symlink_to("/dev/zero")
        case "gone":
            pass
        case _:
            path.write_bytes(HOSTILE[name].encode("utf-8", "surrogateescape"))
    told: list[str] = []
    asking = threading.Thread(
        target=lambda: told.append(RouteReader(path).target("m")), daemon=True
    )
    asking.start()
    asking.join(60)
    assert told == ["m"]
    observed = anyio.run(RouteFile("routes", path, contextlib.nullcontext).read, "m")
    assert observed.status == ("absent" if name == "gone" else "unknown")


def test_only_a_regular_file_of_a_bounded_size_is_read(tmp_path: Path) -> None:
    """What has no end is not begun."""
    (tmp_path / "small").write_bytes(b"12345")
    assert foreign_file(str(tmp_path / "small"), bytes_max=5) == b"12345"
    with pytest.raises(ValueError, match="larger than 4 bytes"):
        foreign_file(str(tmp_path / "small"), bytes_max=4)
    with pytest.raises(FileNotFoundError):
        foreign_file(str(tmp_path / "none"), bytes_max=4)


@pytest.mark.parametrize(
    "toml",
    [
        "a = " + "9" * 5_000,
        "a = " + "[" * 10_000 + "]" * 10_000,
        "[" + ".".join("a" * 50_000) + "]\n",
        ".".join("a" * 50_000) + " = 1\n",
        "[settings]\n" + ".".join(["timezone"] * 2_000) + " = 1\n",
        "a = " + "{b = " * 5_000 + "1" + "}" * 5_000,
        "\ufeff\ufeffa = 1",
        "[budgets.x]\nlimit_usd = 1e400",
        "[dependencies.m]\nquality_bar = nan",
    ],
    ids=range(9),
)
def test_a_hostile_configuration_is_a_wrong_one(tmp_path: Path, toml: str) -> None:
    """One line, and exit status 78; no number, depth or constant crashes its reader."""
    path = tmp_path / "gonogo.toml"
    path.write_text(toml)
    with pytest.raises(ConfigError) as refused:
        load_settings(str(path), str(tmp_path / "s.db"), {"HOME": str(tmp_path)})
    assert len(str(refused.value)) <= 400


@pytest.mark.parametrize(
    "reader",
    [
        lambda path: load_settings(str(path), "s.db", {"HOME": str(path.parent)}),
        lambda path: anyio.run(read_golden, ProbeSettings("p", "m", golden=path)),
        read_text,
    ],
    ids=["configuration", "golden set", "client's settings"],
)
def test_a_file_that_is_a_pipe_is_not_waited_for(
    tmp_path: Path, reader: Callable[[Path], object]
) -> None:
    """Nobody may ever write to it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(GonogoError, match="no regular file"):
        reader(tmp_path / "pipe")


# Each a number to some test of digits, and none that a float, or int(), can take.
NO_NUMBERS = ("9" * 400, "9" * 4_999, "-" + "9" * 400, "٣" * 400, "²", "1e400", "nan", 10**400)


def test_no_number_is_too_long_to_be_refused() -> None:
    """Text of other scripts is a number where it is short; a whole one is of ASCII digits."""
    assert [number(each) for each in NO_NUMBERS] == [None] * len(NO_NUMBERS)
    assert [whole(str(each)) for each in NO_NUMBERS] == [None] * len(NO_NUMBERS)
    assert (number("٣"), number(" 1.5 "), number(True), whole("08"), whole("-1")) == (
        *(3, 1.5, None, 8, None),
    )


SAMPLES = [
    foreign_files.promptfoo(1),
    foreign_files.inspect_log(),
    foreign_files.langfuse(0),
    foreign_files.lm_eval(0, "task"),
    *(foreign_files.PHOENIX[:1] + foreign_files.MLFLOW[:1] + foreign_files.HELICONE[:1]),
    *(foreign_files.SPEND[:1] + foreign_files.DATADOG[:1] + foreign_files.ANTHROPIC[:1]),
    *foreign_files.USAGE,
    {"testCases": [{"name": "a", "metricsData": [{"name": "b", "success": True, "score": 1.0}]}]},
]
IN_ITS_PLACE: tuple[Any, ...] = (
    *NO_NUMBERS,
    -1,
    1e308,
    True,
    None,
    [],
    {},
    [[[]]],
    {"a": [1]},
    "\ud800",
    "a" * 9_999,
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    """The path of every value within a value."""
    yield path
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, each in inner:
        yield from leaves(each, (*path, key))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: next(iter(sample)))
def test_any_value_in_any_place_of_another_tools_file_ends_as_promised(
    sample: dict[str, Any],
) -> None:
    """Each place of a record of each format takes each of them; whichever format it then is."""
    assert format_of(sample) is not None
    for path in list(leaves(sample))[1:]:
        for value in IN_ITS_PLACE:
            record = copy.deepcopy(sample)
            here: Any = record
            for step in path[:-1]:
                here = here[step]
            here[path[-1]] = value
            for found in FORMATS:
                if found.recognises(record):
                    list(foreign_rows([(1, record, b"")], found, File("a.jsonl")))
