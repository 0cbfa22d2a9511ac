"""Files in: what is read, what is refused by line, and that a second run adds nothing."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gonogo.errors import DataError, NoInput, ParameterError
from gonogo.ingest.batches import BATCH_ROWS, Reading
from gonogo.ingest.load import LoadReport, Progress, load
from gonogo.ingest.mapping import ColumnMap
from gonogo.ingest.mapping_options import parse_mapping
from gonogo.ingest.numbered_lines import Format
from gonogo.records import Observation
from memory_store import NOW_MS, MemoryStore

PLAIN = parse_mapping([], [])


async def load_bytes(
    folder: Path,
    content: bytes,
    name: str = "a.jsonl",
    *,
    mapping: ColumnMap = PLAIN,
    store: MemoryStore | None = None,
) -> tuple[LoadReport, list[Observation]]:
    """Load one file into a store, a fresh one where none is given."""
    store = store or MemoryStore()
    (folder / name).write_bytes(content)
    loaded = await load(
        [str(folder / name)], store, mapping, clock=lambda: NOW_MS, stdin=io.BytesIO()
    )
    return loaded, store.rows


def jsonl(*rows: object) -> bytes:
    """Rows as JSON Lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{", "is not JSON at column 2"),
        (b'{"dependency": "m"} x', "is not JSON: Extra data"),
        (b'{"dependency": "m", "dependency": "n"}', "has the key 'dependency' twice"),
        (b'{"dependency": "m", "metrics": {"a": 1, "a": 2}}', "has the key 'a' twice"),
        (b'{"dependency": "m", "outcome": Infinity}', "has Infinity"),
        (b'{"dependency": "m", "outcome": -Infinity}', "has -Infinity"),
        (b'{"dependency": "m", "outcome": 1e999}', "must be finite"),
        (b'{"dependency": "\\ud800"}', "control or invisible"),
        (b'{"dependency": "a\x07"}', "is not JSON: Invalid control character"),
        (b'{"dependency": "m", "outcome": "well"}', "or a word such as pass or fail"),
        (b"[1]", "must be an object, got a list"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"latency_ms": ' + b"9" * 5000 + b"}", "limit"),
        (b'{"dependency": "' + b"m" * 2_000_000 + b'"}', "is over 1 MiB long"),
    ],
)
async def test_a_bad_line_is_refused_alone(tmp_path: Path, line: bytes, words: str) -> None:
    """The lines around it are kept, and the refusal carries its number."""
    good = b'{"dependency": "m"}\n'
    loaded, rows = await load_bytes(tmp_path, b"\n" + good + line + b"\n" + good)
    assert (loaded.accepted, len(rows), loaded.refused_count) == (2, 2, 1)
    refused = loaded.refused[0]
    assert refused.line == 3
    assert len(refused.problem) <= 300
    assert [w for w in words.split() if w not in refused.problem] == []


@pytest.mark.anyio
async def test_csv_cells_take_the_type_of_their_field(tmp_path: Path) -> None:
    """Numbers in text, truth values, nested columns, JSON cells; an empty cell is absent."""
    loaded, rows = await load_bytes(
        tmp_path,
        "\ufeffdependency,ts,outcome,version,latency_ms,segments.tier,metrics.len,embedding,output\r\n"
        'm,1777636800.5,True,1.10,12.5,new,3,"[1, 0.5]","a\nb, ""c"""\r\n'
        "\r\n"
        "m,2026-05-01T12:00:00Z,0,,,,,,\r\n".encode(),
        "a.csv",
    )
    assert loaded.refused == []
    first, second = rows
    assert (first.ts_ms, first.outcome, first.version) == (1_777_636_800_500, 1.0, "1.10")
    assert (first.latency_ms, first.segments, first.metrics) == (12.5, {"tier": "new"}, {"len": 3})
    assert (first.embedding, first.output) == ((1.0, 0.5), 'a\nb, "c"')
    assert (second.outcome, second.version, second.segments) == (0.0, None, {})


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"m,x,", "from 0 to 1, or a word such as pass or fail"),
        (b"m,inf,", "must be finite"),
        (b"m,1_0,", "got text"),
        (b"m,1", "has 2 cells, the header 3"),
        (b"m,1,,,x", "has 5 cells, the header 3"),
        (b'm,1,"open', "unexpected end of data"),
        (b'm,1,"a"b', "',' expected after '\"'"),
        (b"m,1," + b"x" * 2_000_000, "is over 1 MiB long"),
    ],
)
async def test_a_bad_csv_line_is_refused_alone(tmp_path: Path, line: bytes, words: str) -> None:
    """An open quote swallows the rest of a file in most readers; here it costs its own line."""
    loaded, rows = await load_bytes(
        tmp_path, b"dependency,outcome,label\nm,1,\n" + line + b"\nm,0,a\nm,0,b\n", "a.csv"
    )
    assert [row.label for row in rows] == [None, "a", "b"]
    assert [(r.line, words in r.problem) for r in loaded.refused] == [(3, True)]


@pytest.mark.anyio
async def test_columns_that_are_no_fields_are_refused_by_name(tmp_path: Path) -> None:
    """And passed over only where that was asked for; the same holds for keys."""
    table = b"dependency,modle,outcome\nm,x,1\n"
    with pytest.raises(DataError, match="'modle'"):
        await load_bytes(tmp_path, table, "a.csv")
    ignoring = parse_mapping([], [], ignore_unknown=True)
    _, rows = await load_bytes(tmp_path, table, "a.csv", mapping=ignoring)
    assert len(rows) == 1
    line = jsonl({"dependency": "m", "modle": "x"})
    loaded, rows = await load_bytes(tmp_path, line)
    assert (loaded.refused[0].field, rows) == ("modle", [])
    loaded, rows = await load_bytes(tmp_path, line, mapping=ignoring)
    assert len(rows) == 1


@pytest.mark.anyio
async def test_columns_are_mapped_scaled_and_set(tmp_path: Path) -> None:
    """Fields of their own pass beside mapped ones; a number that is an id becomes text."""
    mapping = parse_mapping(
        [
            "dependency=model",
            "latency_ms=took_s*1000",
            "item=q",
            "segments.day=day",
            "ts=when*1e-3",
        ],
        ["version=7", "kind=model", "metrics.seed=3", "outcome=true"],
    )
    row = {"model": "m", "took_s": 0.5, "q": 17, "day": "we", "when": 1_777_636_800_000}
    own = {"version": "6", "segments": {"tier": "new"}, "provider": "acme"}
    loaded, rows = await load_bytes(tmp_path, jsonl({**row, **own}), mapping=mapping)
    assert loaded.refused == []
    table = "model,took_s,q,day,when,provider,segments.tier\nm,0.5,17,we,1777636800000,acme,new\n"
    loaded, more = await load_bytes(tmp_path, table.encode(), "a.csv", mapping=mapping)
    assert loaded.refused == []
    for got in (rows[0], more[0]):
        assert (got.dependency, got.latency_ms, got.item) == ("m", 500.0, "17")
        assert (got.segments, got.ts_ms) == ({"tier": "new", "day": "we"}, 1_777_636_800_000)
        assert (got.version, got.kind, got.provider) == ("7", "model", "acme")
        assert (got.metrics, got.outcome) == ({"seed": 3}, 1.0)


@pytest.mark.parametrize(
    ("maps", "sets", "words"),
    [
        (["dependency"], [], "FIELD=COLUMN"),
        (["dependncy=model"], [], "unknown field dependency"),
        (["segments=a", "segments=b"], [], "twice"),
        (["version=a"], ["version=1"], "twice"),
        (["version=a*2"], [], "scales a number"),
        (["latency_ms=a*1e999"], [], "finite"),
        ([], ["outcome=2"], "--set outcome: must be between 0 and 1"),
        ([], ["kind=llm"], "--set kind: must be one of"),
        ([], ["metrics.a=x"], "number"),
        ([], ["segments.=x"], "unknown field"),
    ],
)
def test_a_wrong_mapping_is_refused_before_anything_is_read(
    maps: list[str], sets: list[str], words: str
) -> None:
    """Once, and not at every line."""
    with pytest.raises(ParameterError) as raised:
        parse_mapping(maps, sets)
    assert [w for w in words.split() if w not in str(raised.value)] == []


@pytest.mark.anyio
async def test_a_mapped_column_that_is_missing_is_refused_by_name(tmp_path: Path) -> None:
    """Else every line would be refused for what one option got wrong."""
    mapping = parse_mapping(["dependency=model"], [])
    with pytest.raises(DataError, match="no column 'model'"):
        await load_bytes(tmp_path, b"dependency\nm\n", "a.csv", mapping=mapping)


@pytest.mark.anyio
async def test_the_same_file_adds_nothing_however_often(tmp_path: Path) -> None:
    """Equal lines of one run are different calls; packed, renamed or grown, the file is the same."""
    store = MemoryStore()
    lines = jsonl(*[{"dependency": "m", "outcome": n % 2} for n in range(40)])
    loaded, _ = await load_bytes(tmp_path, lines, store=store)
    assert loaded.accepted == 40
    loaded, _ = await load_bytes(tmp_path, lines, store=store)
    assert (loaded.accepted, loaded.duplicates) == (0, 40)
    more = lines + jsonl({"dependency": "m", "outcome": 1})
    loaded, _ = await load_bytes(tmp_path, gzip.compress(more), "a.jsonl.gz", store=store)
    assert (loaded.accepted, loaded.duplicates) == (1, 40)
    assert "taken as grown" in loaded.notes[0]
    loaded, _ = await load_bytes(tmp_path, lines, "b.jsonl", store=store)
    assert (loaded.accepted, loaded.duplicates) == (0, 40)


@pytest.mark.anyio
async def test_standard_input_counts_calls_that_carry_no_time() -> None:
    """A script that pipes the same line twice had two calls; a dated line is the same call."""
    store = MemoryStore()
    for line, accepted in ((b'{"dependency":"m"}', 2), (b'{"dependency":"m","ts":1e9}', 1)):
        counts = [
            await load(["-"], store, PLAIN, clock=lambda: NOW_MS, stdin=io.BytesIO(line))
            for _ in range(2)
        ]
        assert sum(loaded.accepted for loaded in counts) == accepted
    packed = io.BytesIO(gzip.compress(b"dependency,version\nm,piped\n"))
    await load(["-"], store, PLAIN, clock=lambda: NOW_MS, stdin=packed)
    assert store.rows[-1].version == "piped"


@pytest.mark.anyio
@pytest.mark.parametrize("stated", [None, "csv"])
async def test_the_format_is_told_by_name_or_first_bytes(
    tmp_path: Path, stated: Format | None
) -> None:
    """And by `--format`, which wins."""
    store, path = MemoryStore(), tmp_path / ("calls" if stated is None else "calls.jsonl")
    path.write_bytes(b"dependency\nm\n")
    options = {"clock": lambda: NOW_MS, "stdin": io.BytesIO()}
    loaded = await load([str(path)], store, PLAIN, reading=Reading(stated), **options)  # type: ignore[arg-type]
    assert loaded.accepted == 1


@pytest.mark.anyio
async def test_a_broken_gzip_keeps_what_came_before(tmp_path: Path) -> None:
    """Whether it was cut off or damaged; other files go on."""
    lines = jsonl(*[{"dependency": "m", "ts": 1_700_000_000 + n} for n in range(20_000)])
    whole = gzip.compress(lines)
    damaged = whole[: len(whole) // 2] + bytes(100) + whole[len(whole) // 2 + 100 :]
    for content in (whole[: len(whole) // 2], damaged):
        loaded, rows = await load_bytes(tmp_path, content, "a.jsonl.gz")
        assert 0 < len(rows) < 20_000
        assert loaded.refused_count > 0
    loaded, _ = await load_bytes(tmp_path, b"\x1f\x8b\x08 no gzip", "a.gz")
    assert ["gzip" in refused.problem for refused in loaded.refused] == [True]


@pytest.mark.anyio
async def test_what_cannot_be_read_is_refused_before_the_first_line(tmp_path: Path) -> None:
    """A missing file, a folder: exit status 66, and nothing of the good file is loaded."""
    store, good = MemoryStore(), tmp_path / "good.jsonl"
    good.write_bytes(jsonl({"dependency": "m"}))
    for wrong in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(NoInput, match=str(wrong)) as raised:
            await load(
                [str(good), str(wrong)], store, PLAIN, clock=lambda: NOW_MS, stdin=io.BytesIO()
            )
        assert raised.value.exit_code == 66
    assert store.rows == []


@pytest.mark.anyio
async def test_batches_are_bounded_and_progress_is_told(tmp_path: Path) -> None:
    """Rows and bytes bound a batch; the refusals of the store come back as lines."""
    store, seen = MemoryStore(), []
    path = tmp_path / "a.jsonl"
    small = jsonl(*[{"dependency": "m", "ts": 1_700_000_000 + n} for n in range(BATCH_ROWS + 1)])
    large = jsonl(*[{"dependency": "m", "output": f"{n:065000d}"} for n in range(200)])
    path.write_bytes(small + large + jsonl({"dependency": "m", "version": "refused"}))

    def note(progress: Progress) -> None:
        seen.append((progress.bytes_read, progress.loaded.accepted))

    loaded = await load(
        [str(path)], store, PLAIN, clock=lambda: NOW_MS, stdin=io.BytesIO(), progress=note
    )
    assert len(store.batches[0]) == BATCH_ROWS
    assert len(store.batches) == 3
    assert seen[-1] == (path.stat().st_size, BATCH_ROWS + 201)
    assert [(r.line, r.field) for r in loaded.refused] == [(BATCH_ROWS + 202, "embedding")]


@pytest.mark.anyio
async def test_refusals_are_all_counted_and_the_first_thousand_kept(tmp_path: Path) -> None:
    """A file of garbage must not fill the memory."""
    loaded, _ = await load_bytes(tmp_path, b"{\n" * 1500)
    assert (loaded.refused_count, len(loaded.refused)) == (1500, 1000)


@pytest.mark.anyio
async def test_published_answers_are_read_as_documented(tmp_path: Path, shared_data: Path) -> None:
    """4,000 real answers with four columns mapped; the means are those of the paper."""
    assert tmp_path
    store = MemoryStore()
    mapping = parse_mapping(
        ["dependency=model", "outcome=correct", "item=item_id", "latency_ms=latency_s*1000"], []
    )
    path = str(shared_data / "llmdrift/prime.jsonl.gz")
    loaded = await load([path], store, mapping, clock=lambda: NOW_MS, stdin=io.BytesIO())
    assert (loaded.accepted, loaded.refused) == (4000, [])
    groups: dict[tuple[str, str | None], list[float]] = {}
    for row in store.rows:
        groups.setdefault((row.dependency, row.version), []).append(row.outcome or 0.0)
    means = {key: round(sum(values) / len(values), 3) for key, values in groups.items()}
    assert means == {
        ("gpt-4", "0314"): 0.840,
        ("gpt-4", "0613"): 0.511,
        ("gpt-3.5-turbo", "0301"): 0.519,
        ("gpt-3.5-turbo", "0613"): 0.762,
    }


FUZZ = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LINE = st.binary(max_size=60) | st.sampled_from(
    [b'{"dependency": "m"}', b"m,1", b'"', b'"m"', b"dependency,outcome", b"\x1f\x8b", b'{"ts":']
)


@pytest.mark.anyio
@FUZZ
@given(lines=st.lists(LINE, max_size=8), name=st.sampled_from(["a.jsonl", "a.csv", "a", "a.gz"]))
async def test_any_bytes_end_in_counts_or_one_line(
    tmp_path: Path, lines: list[bytes], name: str
) -> None:
    """Whatever a file holds: every line is accepted or refused, and nothing is raised but DataError."""
    with contextlib.nullcontext() if name == "a.jsonl" else contextlib.suppress(DataError):
        loaded, rows = await load_bytes(tmp_path, b"\n".join(lines), name)
        assert loaded.accepted == len(rows)
        assert all(refused.problem.isprintable() for refused in loaded.refused)


@pytest.mark.anyio
async def test_a_file_is_said_as_it_was_understood(tmp_path: Path) -> None:
    """Three lines of its own fields, and what lies ahead of the clock."""
    times = [NOW_MS, NOW_MS + 2 * 3_600_000]
    rows = [{"dependency": "m", "ts": ts_ms / 1000, "outcome": 1, "id": ""} for ts_ms in times]
    content = "\n".join(map(json.dumps, rows)).encode()
    loaded, _ = await load_bytes(tmp_path, content)
    what, became, following = loaded.understood
    assert what.startswith("a.jsonl: JSON lines; 2 records of m (2); ")
    assert what.endswith("; 2 outcomes, 0 errors.")
    assert became == "Understood as fields: dependency, ts, outcome."
    assert following.startswith("Next: gonogo check trust m, and gonogo check drift m once")
    [note] = loaded.notes
    assert note.startswith("1 observation lies ahead of the clock")
