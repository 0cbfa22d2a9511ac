"""Every `gonogo …` that a document, an example or a help text shows is one that the parser takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from gonogo.cli.root import _completed, root
from gonogo.config.early_options import command_place
from gonogo.errors import ParameterError
from gonogo.guard.guard_command import parsed as guard_parsed
from gonogo.server.serve import parsed as serve_parsed
from gonogo.wrap.wrap_command import parsed as wrap_parsed

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").rglob("*.py")),
    *sorted((ROOT / "examples").rglob("*.sh")),
)
# Where a command may begin, with variables and a folder before its name.
CALL = re.compile(
    r"(?:^|--|&&|[(;|)])[ \t]*(?:[A-Z_]+=\S+ )*(?:[\w./]*bin/)?gonogo( [^\n`]*)?$", re.MULTILINE
)
# Where one command of a shell line ends.
END = re.compile(r"\s(?:#|\||&&|;;|\d?>)|[;)]")
# What starts without the command line, and takes its options apart itself.
EARLY = {"serve": serve_parsed, "wrap": wrap_parsed, "guard": guard_parsed}
COMMAND: Any = typer.main.get_command(root)


def commands(group: Any, path: str = "gonogo") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - typer's own
    """Every command and group, by the words that call it."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, f"{path} {name}")


ALL = dict(commands(COMMAND))


def parse(words: Sequence[str]) -> None:
    """Take the words apart as the command line would, and run nothing.

    Raises:
        ParameterError: what starts early would refuse them.
        TyperException: another command would.
    """
    place = command_place(words)
    if place is not None and words[place] in EARLY:
        own = [*words[:place], *words[place + 1 :]]
        EARLY[words[place]](own[: own.index("--")] if "--" in own else own)
        return
    if place is None:
        offered = {name for option in COMMAND.params for name in option.opts}
        assert set(words) <= offered | {"--help"}
        return
    # The root's own options act at once, as --version does, but where it is resilient.
    context = COMMAND.make_context("gonogo", _completed(words), resilient_parsing=True)
    command = COMMAND
    while isinstance(command, TyperGroup):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        assert command is not None, f"gonogo {' '.join(words)}: no such command"
        context = command.make_context(name, rest, parent=context)


def shown(page: Path) -> list[str]:
    """The calls in a page's shell blocks and in its lines of code; of a program, in its words."""
    text = page.read_text()
    if page.suffix == ".md":
        blocks = [
            body
            for kind, body in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL)
            if kind == "sh"
        ]
        inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        text = "\n".join([*blocks, *(code for code in inline if "import" not in code)])
    elif page.suffix == ".py":
        text = text.split('"""')[1]
        text = "\n".join(line for line in text.splitlines() if line.startswith("    "))
    return [END.split(f"{call[1] or ''} ")[0].strip() for call in CALL.finditer(text)]


DOCUMENTED = sorted({call for page in PAGES for call in shown(page) if call})


@pytest.mark.parametrize("call", DOCUMENTED)
def test_a_documented_command_is_one_that_the_parser_takes(call: str) -> None:
    """Its name, its options and its arguments; a name alone may stand for the command."""
    if f"gonogo {call}" not in ALL:
        parse(shlex.split(call.replace("[", "").replace("]", "")))


def test_documents_show_what_the_test_looks_for() -> None:
    """The search finds commands in README, in a block and in a line; a wrong one is refused."""
    readme = shown(ROOT / "README.md")
    assert {"check drift sentiment-v3", "install claude-code"} <= set(readme)
    assert len(DOCUMENTED) > 30
    with pytest.raises(ParameterError):
        parse(["serve", "--nonsense"])
    with pytest.raises(typer.exceptions.TyperException):
        parse(["check", "drift", "m", "--nonsense"])
    with pytest.raises(typer.exceptions.TyperException):
        parse(["check", "drift"])


@pytest.mark.parametrize("path", ALL)
def test_help_has_a_sentence_and_an_example_that_the_parser_takes(path: str) -> None:
    """Of every command and every group of them."""
    command = ALL[path]
    assert re.match(r"[A-Z][^\n]+[.?]", command.help or ""), path
    examples = re.findall(r"`gonogo ?([^`]*)`", command.epilog or "")
    assert examples, path
    assert any(f"gonogo {example}".startswith(path) for example in examples)
    for example in examples:
        parse(shlex.split(END.split(f"{example} ")[0]))
