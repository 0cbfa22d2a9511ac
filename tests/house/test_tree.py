"""The tree itself: rooms that can be taken in at a glance, names that are found, no circles."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "gonogo"
TESTS = SOURCE.parents[1] / "tests"
MODULES = [p.relative_to(SOURCE) for p in SOURCE.rglob("*.py") if p.name != "__init__.py"]
MODULES_MAX, ROOT_MODULES_MAX = 20, 8
# The two engines do the same work under the same names.
ENGINES = ("store/sqlite", "store/postgres", "store/books", "store/observations")


def test_a_folder_holds_at_most_twenty_modules() -> None:
    """More side by side is a list to search, not a room to look around in."""
    folders = Counter(str(path.parent) for path in MODULES)
    assert {f: n for f, n in folders.items() if n > MODULES_MAX} == {}
    root = sorted(path.name for path in SOURCE.glob("*.py"))
    assert len(root) <= ROOT_MODULES_MAX, root


def test_a_name_says_which_module() -> None:
    """Base names are unique, but for PostgreSQL's twins of what the file engine does."""
    places = defaultdict(list)
    for path in MODULES:
        places[path.name].append(str(path.parent))
    doubled = {
        name: folders
        for name, folders in places.items()
        if len(folders) > 1 and not (len(folders) == 2 and set(folders) <= set(ENGINES))
    }
    assert doubled == {}
    # Two tests of one name cannot be collected together: there are no packages around them.
    tests = Counter(path.name for path in TESTS.rglob("test_*.py"))
    assert [name for name, n in tests.items() if n > 1] == []


def test_a_type_is_named_by_a_noun() -> None:
    """A `RecoveryOutcome`, not a `Recovered`: a stranger can then say what a value is."""
    participle = re.compile(
        r"_?([A-Z][a-z]+ed|Began|Begun|Go|Grown|Held|Hurt|Kept|Known|LetGo|Look|Past|Read|Said|Seen|Shown|Told|Turn)"
    )
    types = {
        f"{path}: {node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse((SOURCE / path).read_text()))
        if isinstance(node, ast.ClassDef) and participle.fullmatch(node.name)
    }
    assert types == set()


def test_a_docstring_is_understood_alone() -> None:
    """Nobody has to look at what stands before it, and it says the noun or the verb."""
    unclear = []
    for path in MODULES:
        tree = ast.parse((SOURCE / path).read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node) or ""
                # A rule of coherence is a promise: "What is spent and held adds up to the limit."
                is_promise = path.parts[0] == "coherence" and isinstance(node, ast.FunctionDef)
                starts = ("The same", "As ") if is_promise else ("The same", "As ", "What ")
                if text.startswith(starts):
                    unclear.append(f"{path}: {text.splitlines()[0]}")
    assert unclear == []


def test_no_circle_stands() -> None:
    """Nothing imports itself through others, imports for types alone included."""
    graph = grimp.build_graph("gonogo", exclude_type_checking_imports=False, cache_dir=None)
    order = TopologicalSorter(
        {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    )
    order.prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("folder", ["store/sqlite/migrations", "store/postgres/schema"])
def test_each_step_of_a_schema_has_a_number_of_its_own(folder: str) -> None:
    """Of two steps with one number the second is never applied: two changes that met made them."""
    numbers = Counter(file.name[:4] for file in (SOURCE / folder).glob("[0-9]*.sql"))
    assert numbers
    assert [number for number, files in numbers.items() if files > 1] == []
