"""Words that stand in cells and labels for no value, for right and for wrong."""

from __future__ import annotations

__all__ = ["FAILED", "PASSED", "is_nothing", "outcome_of_word"]

# As databases, pandas, R and spreadsheets write a cell without a value. In lower case "none" and "na"
# may be names: a class that a classifier answers, a region.
_NOTHING = frozenset(
    {
        "",
        "NULL",
        "Null",
        "null",
        "None",
        "NaN",
        "nan",
        "NAN",
        "NaT",
        "\\N",
        "N/A",
        "n/a",
        "#N/A",
        "-",
    }
    | {"<NA>", "<null>", "nil", "undefined", "#NULL!", "#DIV/0!", "#VALUE!", "#REF!"}
)
_NO_NUMBER = frozenset({"none", "na", "NA", "n.a.", "?", "--", "missing"})

PASSED = frozenset(
    {
        "pass",
        "passed",
        "true",
        "yes",
        "correct",
        "good",
        "relevant",
        "factual",
        "ok",
        "right",
        "success",
        *("y", "t", "ja", "oui", "si", "sí", "vrai", "wahr", "bestanden", "\u2713", "\u2714"),
    }
)
FAILED = frozenset(
    {"fail", "failed", "false", "no", "incorrect", "bad", "irrelevant", "unrelated", "hallucinated"}
    | {"not_relevant", "wrong", "failure", "n", "f", "nein", "non", "faux", "falsch"}
    | {"nicht bestanden", "\u2717", "\u2718"}
)


def is_nothing(cell: str, *, numeric: bool = False) -> bool:
    """Whether a cell states no value; `numeric`: where a number is expected."""
    text = cell.strip()
    return text in _NOTHING or (numeric and text in _NO_NUMBER)


def outcome_of_word(word: str) -> float | None:
    """1 for a word that says right, 0 for one that says wrong; None for any other."""
    lowered = word.strip().lower()
    if lowered in PASSED:
        return 1.0
    return 0.0 if lowered in FAILED else None
