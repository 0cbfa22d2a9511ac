"""The quick way through a line of JSON says what the strict one says, or nothing."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from gonogo.ingest.jsonl import _plain_object, strict_json

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["2026-04-01T12:00:00Z", '"a":1', "\\u003a", ":", "\ud800", "é:"]),
)
pairs = st.lists(
    st.tuples(st.sampled_from(["a", "b", "a:", "segments", "é", '"', "\\"]), scalars), max_size=4
)


@settings(max_examples=200, deadline=None)
@given(
    outer=pairs,
    inner=st.one_of(st.none(), pairs),
    colon=st.sampled_from([":", " :", ": ", "\t:"]),
    escaped=st.booleans(),
)
def test_a_line_is_read_as_the_strict_parser_reads_it(
    outer: list[tuple[str, object]],
    inner: list[tuple[str, object]] | None,
    colon: str,
    escaped: bool,  # noqa: FBT001 - a case
) -> None:
    """Keys given twice, at any depth and however spaced or escaped; NaN, surrogates, colons."""

    def written(entries: list[tuple[str, object]]) -> str:
        parts = []
        for key, value in entries:
            told = (json.dumps(one, ensure_ascii=escaped) for one in (key, value))
            parts.append(colon.join(told))
        return "{" + ",".join(parts) + "}"

    text = written(outer)
    if inner is not None:
        text = text[:-1] + (", " if outer else "") + f'"segments"{colon}{written(inner)}}}'
    content = text.encode(errors="surrogatepass")
    quick = _plain_object(content, from_json)
    if quick is None:
        return
    strict = strict_json(content.decode())
    assert repr(quick) == repr(strict)


def test_common_lines_are_read_quickly_and_no_key_twice() -> None:
    """With and without blanks, times and colons in texts; two equal keys are left to the strict one."""
    for line in (
        b'{"dependency":"m","ts":"2026-04-01T12:00:00Z","outcome":1}',
        b'{"dependency": "m", "id": "a:b:c", "segments": {"tier": "x"}, "metrics": {"k": 1.5}}',
    ):
        assert _plain_object(line, from_json) == json.loads(line)
    for line in (b'{"a":1,"a":2}', b'{"a" :1,"a":2}', b'{"s":{"t":1,"t":2}}', b'{"a":NaN}', b"[1]"):
        assert _plain_object(line, from_json) is None
