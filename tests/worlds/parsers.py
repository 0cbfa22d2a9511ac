"""Every parser as a function of bytes that raises nothing but what it promises, and seeds for each.

Hypothesis feeds them in `make test`, atheris in `make peers`.
"""

from __future__ import annotations

import contextlib
import io
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gonogo.config.sections import build_settings
from gonogo.errors import ConfigError, DataError, ParameterError
from gonogo.hours.periods import moment
from gonogo.http.signatures import is_signed
from gonogo.ingest.csv_rows import read_csv
from gonogo.ingest.formats.spend_logs import payload_fields, row_fields
from gonogo.ingest.jsonl import read_jsonl
from gonogo.ingest.mapping_options import parse_mapping
from gonogo.ingest.numbered_lines import LineText
from gonogo.ingest.observation import parse_observation
from gonogo.ingest.otlp.collect import Collector
from gonogo.ingest.otlp.wire import BODY_BYTES_MAX, MalformedMessage, Signal, unpacked
from gonogo.records import Rejection
from gonogo.routes.flag_file import UnreadableFlags, flags, parse_document, parse_flag
from gonogo.wrap.tool_calls import Calls

NOW_MS = 1_780_000_100_000
SIGNALS: tuple[Signal, ...] = ("traces", "metrics", "logs")


def _lines(data: bytes) -> list[tuple[int, bytes | str]]:
    return list(enumerate(io.BytesIO(data), 1))


def _observed(value: object) -> None:
    found = parse_observation(value, now_ms=NOW_MS, from_file=True)
    if isinstance(found, Rejection):
        assert len(found.problem) <= 300
        assert (found.field + found.problem).isprintable()
    else:
        assert found.dependency.isprintable()


def jsonl(data: bytes) -> None:
    """JSON Lines, and each value as an observation."""
    for row in read_jsonl(_lines(data), LineText()):
        if isinstance(row, Rejection):
            assert row.problem.isprintable()
        else:
            _observed(row[1])


def csv(data: bytes) -> None:
    """CSV with any header, through the mapping of its columns."""
    plain = parse_mapping([], [])
    with contextlib.suppress(DataError):
        header, rows, decimal_comma = read_csv(iter(_lines(data)), "a.csv", LineText())
        mapping = plain.with_header(header, "a.csv", decimal_comma=decimal_comma)
        for row in rows:
            if not isinstance(row, Rejection) and isinstance(row[1], dict):
                _observed(mapping.apply(row[1]))


def otlp(data: bytes, *, content_type: str) -> None:
    """An export of each signal, through to observations."""
    collector = Collector(0)
    for signal in SIGNALS:
        with contextlib.suppress(MalformedMessage):
            batch = collector.read(signal, data, content_type, now_ms=NOW_MS)
            assert batch.refused >= 0
            assert batch.problem is None or batch.problem.isprintable()


def gzip(data: bytes) -> None:
    """A packed body."""
    with contextlib.suppress(MalformedMessage):
        assert len(unpacked(data, "gzip")) <= BODY_BYTES_MAX


def toml(data: bytes) -> None:
    """A configuration file."""
    try:
        content = tomllib.loads(data.decode(errors="replace"))
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    with contextlib.suppress(ConfigError):
        build_settings(content, Path("gonogo.toml"), store="x", read_only=False, environ={})


def flag_file(data: bytes) -> None:
    """A route file that others write into."""
    with contextlib.suppress(UnreadableFlags):
        for name, flag in flags(parse_document(data)).items():
            parse_flag(name, flag)


def wrapped(data: bytes) -> None:
    """What passes between a client and the server that is wrapped."""
    calls = Calls("peer", lambda _: None)
    for chunk in (data[:7], data[7:]):
        calls.ask(chunk, now_ns=1, ts=1.0)
        calls.answer(chunk, now_ns=2)
    calls.end(now_ns=3)


def when(data: bytes) -> None:
    """A time as an argument of a tool."""
    with contextlib.suppress(ParameterError):
        found = moment(data.decode(errors="replace"), name="since", zone="America/New_York")
        assert found.start_ms <= found.end_ms


def litellm(data: bytes) -> None:
    """Rows of LiteLLM's table of calls."""
    for row in read_jsonl(_lines(data), LineText()):
        if not isinstance(row, Rejection) and isinstance(row[1], dict):
            _observed(row_fields(row[1]))
            _observed(payload_fields(row[1]))


def signature(data: bytes) -> None:
    """A header that is said to be a signature."""
    assert not is_signed("a secret", b"{}", data.decode("latin-1"), now_s=NOW_MS // 1000)


PARSERS: dict[str, Callable[[bytes], None]] = {
    "jsonl": jsonl,
    "csv": csv,
    "otlp-json": partial(otlp, content_type="application/json"),
    "otlp-protobuf": partial(otlp, content_type="application/x-protobuf"),
    "gzip": gzip,
    "toml": toml,
    "flag-file": flag_file,
    "wrapped": wrapped,
    "when": when,
    "litellm": litellm,
    "signature": signature,
}
