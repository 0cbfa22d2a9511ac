"""docs/reference.md is what the code says: commands, configuration keys, tools, fields, metrics.

Written anew with GONOGO_SNAPSHOTS=accept; nobody edits it by hand.
"""

from __future__ import annotations

import collections.abc
import json
import os
import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from pydantic import BaseModel

from gonogo.cli.root import root
from gonogo.config import sections, values
from gonogo.ports.standing_verdicts import CurrentVerdict
from gonogo.ports.trust_reads import KeptScore
from gonogo.records import Unit
from gonogo.server.metrics import exposition
from gonogo.views.gauges import BudgetGauge, Gauges

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference.md"
LISTED = ROOT / "src" / "gonogo" / "server" / "listed"
EVERYWHERE = {"--store", "--config", "--json"}
SPECIAL = {
    "limit_usd": "a number, in `unit`",
    "usd": "US dollars",
    "pass_env": "names of environment variables",
    "headers_env": "a table of environment variables' names",
    "env": "the name of an environment variable",
    "window": "hour, day, week, month, total, rolling:7d, or session:5h",
    "cron": "minute, hour, day of the month, month, day of the week",
}
WORDS: tuple[tuple[Any, str], ...] = (
    (values.Zone, "an IANA time zone"),
    (values.Names, "names"),
    (values.Name, "a name"),
    (values.Seconds, 'a duration ("90s", "8h", "7d")'),
    (values.Moment, "a date or time"),
    (values.WebAddress, "http(s)://…"),
    (values.Variable, "the name of an environment variable"),
    (values.LocalPath, "a path"),
    (bool, "true, false"),
)


def test_the_reference_is_what_the_code_says() -> None:
    """A command, key, field or metric that is new, or gone, is so in the page too."""
    text = "\n".join(
        [
            "# Reference",
            "",
            "What there is, as the code itself says it; `tests/house/test_reference.py` writes this page and holds it.",
            *(
                "",
                "## Commands",
                "",
                "Every command takes `--store`, `--config` and `--json` as well.",
                "",
            ),
            *_commands(typer.main.get_command(root), "gonogo"),
            *(
                "## Configuration",
                "",
                "All of gonogo.toml is optional; a key in bold is needed where its table is.",
                "",
            ),
            *_tables(),
            *("## Tools", ""),
            *_tools(),
            *("## Answers", ""),
            *_answers(),
            *("## Metrics", "", "At `/metrics`.", "", "| metric | labels | |", "|---|---|---|"),
            *_metrics(),
            "",
        ]
    )
    if os.environ.get("GONOGO_SNAPSHOTS") == "accept":
        PAGE.write_text(text, encoding="utf-8")
    advice = "GONOGO_SNAPSHOTS=accept .venv/bin/python -m pytest tests/house/test_reference.py"
    assert PAGE.read_text(encoding="utf-8") == text, f"docs/reference.md is old: {advice}"


def _commands(group: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - typer's own
    for name, command in sorted(group.commands.items()):
        words = f"{path} {name}"
        if hasattr(command, "commands"):
            yield from _commands(command, words)
            continue
        shown = [p for p in command.params if not EVERYWHERE & set(p.opts) and not p.hidden]
        arguments = [_argument(p) for p in shown if not p.opts[0].startswith("-")]
        yield from (f"### {' '.join([words, *arguments])}", "", _cell(command.help or ""), "")
        options = [p for p in shown if p.opts[0].startswith("-")]
        if options:
            yield from ("| option | |", "|---|---|")
            yield from (f"| `{', '.join(p.opts)}` | {_cell(p.help or '')} |" for p in options)
            yield ""


def _argument(parameter: Any) -> str:  # noqa: ANN401 - typer's own
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required or name.startswith("[") else f"[{name}]"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|").replace("<", r"\<")


def _tables() -> Iterator[str]:
    for section, kind in sections._SECTIONS.items():  # what the parser itself walks
        yield from _of_kind(kind, section)


def _of_kind(kind: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - an annotation
    kind = _bare(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from _keys(kind, path)
    elif get_origin(kind) in (dict, Mapping) and "Table" in repr(kind):
        yield from _of_kind(get_args(kind)[1], f"{path}.NAME")
    elif get_origin(kind) in (Union, types.UnionType):
        for one in get_args(kind):
            yield from _of_kind(one, path)


def _keys(table: type[BaseModel], path: str) -> Iterator[str]:
    hints = get_type_hints(table, include_extras=True)
    fields = {f.alias or name: (f, hints[name]) for name, f in table.model_fields.items()}
    fixed = [f"{key} = {json.dumps(found[0])}" for key, found in _fixed(fields).items()]
    yield from (f"### [{path}]{''.join(f' with {each}' for each in fixed)}", "")
    plain = {
        k: v for k, v in fields.items() if not list(_of_kind(v[1], "x")) and k not in _fixed(fields)
    }
    if plain:
        yield from ("| key | takes |", "|---|---|")
        for key, (field, hint) in plain.items():
            shown = f"**`{key}`**" if field.is_required() else f"`{key}`"
            takes = SPECIAL.get(key) or SPECIAL.get(key.rpartition("_")[2]) or _takes(hint)
            yield f"| {shown} | {_cell(takes)} |"
        yield ""
    for key, (_, hint) in fields.items():
        yield from _of_kind(hint, f"{path}.{key}")


def _fixed(fields: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[str, ...]]:
    """The keys that tell tables of one place apart: each has one value."""
    literals = {k: get_args(h) for k, (_, h) in fields.items() if get_origin(h) is Literal}
    return {key: found for key, found in literals.items() if len(found) == 1}


def _bare(hint: Any) -> Any:  # noqa: ANN401 - an annotation
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    parts = [one for one in get_args(hint) if one is not type(None)]
    if get_origin(hint) in (Union, types.UnionType) and len(parts) == 1:
        return _bare(parts[0])
    return hint


def _takes(hint: Any) -> str:  # noqa: ANN401 - an annotation
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for part in parts:
        for known, word in WORDS:
            own = get_args(known)
            # One that is checked further has its checks after those of the kind.
            if part == known or (own and get_args(part)[: len(own)] == own):
                return word
    bare = _bare(hint)
    if get_origin(bare) is Literal:
        return ", ".join(f'"{one}"' for one in get_args(bare))
    if get_origin(bare) in (dict, Mapping, collections.abc.Mapping):
        return "a table"
    if get_origin(bare) in (tuple, list):
        return "a list"
    return {int: "a whole number", float: "a number"}.get(bare, "text")


def _tools() -> Iterator[str]:
    for path in sorted(LISTED.glob("*.json")):
        tool = json.loads(path.read_text())
        yield from (f"### {tool['name']}", "", _cell(tool["description"]), "")
        yield from _arguments(tool["inputSchema"])


def _arguments(schema: Mapping[str, Any]) -> Iterator[str]:
    needed = set(schema.get("required", ()))
    items = []
    yield from ("| argument | |", "|---|---|")
    for name, found in schema["properties"].items():
        shown = f"**`{name}`**" if name in needed else f"`{name}`"
        yield f"| {shown} | {_cell(found.get('description', ''))} |"
        inner = found.get("items", {})
        if "properties" in inner:
            items.append((name, inner))
    yield ""
    for name, inner in items:
        yield from (f"Each of `{name}`:", "")
        yield from _arguments(inner)


def _answers() -> Iterator[str]:
    """The fields of each tool's object; what several have is written once, and so are parts within parts."""
    listed = [json.loads(path.read_text()) for path in sorted(LISTED.glob("*.json"))]
    parts: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    for tool in listed:
        schema = tool["outputSchema"]
        parts |= schema.get("$defs", {})
        if "properties" in schema:
            answers[tool["name"]] = schema
    # Of a tool that answers in one of two ways, and of answers that stand within another.
    whole = {name for name, part in parts.items() if "next_actions" in part["properties"]}
    for name in sorted(whole - {"BudgetCheck"}):
        answers[f"trigger_fallback: {name}"] = parts[name]
    common = set.intersection(*(set(schema["properties"]) for schema in answers.values()))
    yield from ("Left out is what would be null. In every answer:", "")
    yield from _fields(next(iter(answers.values())), common)
    for name, schema in answers.items():
        yield from (f"### Answer of {name}", "")
        yield from _fields(schema, set(schema["properties"]) - common)
    for name in sorted(parts.keys() - whole):
        said = parts[name].get("description", "")
        yield from (f"### {name}", "", *([_cell(said), ""] if said else []))
        yield from _fields(parts[name], set(parts[name]["properties"]))


def _fields(schema: Mapping[str, Any], wanted: set[str]) -> Iterator[str]:
    yield from ("| field | is | |", "|---|---|---|")
    for name, found in schema["properties"].items():
        if name in wanted:
            shown = f"**`{name}`**" if name in schema.get("required", ()) else f"`{name}`"
            yield f"| {shown} | {_kind(found)} | {_cell(found.get('description', ''))} |"
    yield ""


def _kind(found: Mapping[str, Any]) -> str:
    """A field's type in words; a part is a link to its own table."""
    if "$ref" in found:
        part = found["$ref"].rpartition("/")[2]
        part = {"BudgetCheck": "Answer of check_budget_with_confidence"}.get(part, part)
        return f"[{part}](#{part.lower().replace(' ', '-')})"
    if "enum" in found:
        return ", ".join(f'"{one}"' for one in found["enum"])
    if "anyOf" in found:
        return " or ".join(map(_kind, found["anyOf"]))
    if found.get("type") == "array":
        return "two numbers" if "prefixItems" in found else f"list: {_kind(found['items'])}"
    kind = str(found.get("type", "object"))
    return {"string": "text", "integer": "whole number", "boolean": "true, false"}.get(kind, kind)


def _metrics() -> Iterator[str]:
    gauges = Gauges(
        verdicts={"m": CurrentVerdict("go", 1)},
        scores={"m": KeptScore("m", 1, 1, "go", 0.9, 0.8, 0.95)},
        budgets={unit: BudgetGauge(unit, 2, 1, 0) for unit in get_args(Unit)},
        incidents={("m", "open"): 1},
    )
    text = exposition(gauges, calls={("preflight", "ok"): 1}, requests={("/mcp", 200): 1})
    for name, said in re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE):
        [labels] = re.findall(rf"^{name}(?:{{(.*?)}})? \S+$", text, re.MULTILINE)[:1]
        named = ", ".join(f"`{one}`" for one in re.findall(r"(\w+)=", labels))
        yield f"| `{name}` | {named} | {_cell(said)} |"
