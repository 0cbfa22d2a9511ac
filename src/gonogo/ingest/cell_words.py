"""Cells of text: words for nothing, for right and for wrong, and numbers as people write them."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from gonogo.ingest.jsonl import strict_json

Form = Literal["text", "number", "count", "outcome", "time", "list", "texts", "numbers"]
EXACT_DIGITS_MAX = 18

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
# The last line: as test runners write what was not judged.
_NO_NUMBER = frozenset(
    {"none", "na", "NA", "n.a.", "?", "--", "missing", "unknown"}
    | {"skip", "skipped", "SKIP", "SKIPPED", "Skipped", "pending", "not_run", "ungraded", "unrated"}
)

# As spreadsheets write TRUE and FALSE in the languages that they are sold in, and people yes and no. Without
# accents: of what is written, each letter's own are taken off before it is looked for.
_YES = "true yes y t ja j wahr oui vrai si verdadero vero sim verdadeiro waar sant sand tosi prawda tak да 是 はい 예 네 نعم"
_NO = "false no n f nein falsch non faux falso nao nee onwaar falskt epatosi nie нет 否 いいえ 아니오 아니요 لا"
# A good word and its opposites: were only one of them known, the rows of the other alone would be refused.
_OPPOSITES = {
    "pass": "fail",
    "passed": "failed",
    "ok": "ko nok not_ok error err bad fehler erreur errore",
    "okay": "not_okay",
    "correct": "incorrect",
    "right": "wrong",
    "good": "bad",
    "success": "failure error",
    "succeeded": "failed",
    "successful": "unsuccessful",
    "solved": "unsolved",
    "resolved": "unresolved",
    "relevant": "irrelevant unrelated not_relevant",
    "factual": "hallucinated",
    "grounded": "ungrounded hallucinated",
    "accepted": "rejected",
    "valid": "invalid",
    "match": "mismatch no_match",
    "helpful": "unhelpful",
    "satisfied": "unsatisfied dissatisfied",
    "thumbs_up": "thumbs_down",
    "thumbsup": "thumbsdown",
    "up": "down",
    "like": "dislike",
    "liked": "disliked",
    "bestanden": "nicht_bestanden durchgefallen",
    "richtig": "falsch nicht_richtig",
    "korrekt": "inkorrekt nicht_korrekt",
    "erfolg": "misserfolg fehler fehlschlag",
    "erfolgreich": "fehlgeschlagen erfolglos nicht_erfolgreich",
    "gelost": "ungelost nicht_gelost",
    "gut": "schlecht",
    "reussi": "echoue",
    "succes": "echec fout mislukt",
    "correcto": "incorrecto fallido",
    "exito": "fallo fracaso",
    "acierto": "fallo error",
    "corretto": "scorretto sbagliato",
    "giusto": "sbagliato",
    "riuscito": "fallito",
    "correto": "incorreto errado",
    "certo": "errado",
    "sucesso": "falha falhou",
    "juist": "onjuist",
    "goed": "fout",
    "gelukt": "mislukt",
    "poprawny": "niepoprawny bledny",
    "успех": "ошибка неудача провал",
    "верно": "неверно",
    "правильно": "неправильно",
    "정답": "오답",
    "성공": "실패",
    "합격": "불합격",
    "成功": "失敗 失败",
    "合格": "不合格",
    "正解": "不正解",
    "正确": "错误 不正确",
    "通过": "未通过 不通过",
    "\u2713": "\u2717",
    "\u2714": "\u2718 \u2716",
    "\u2705": "\u274c",
    "\U0001f44d": "\U0001f44e",
}
YES, NO = frozenset(_YES.split()), frozenset(_NO.split())
_PASSED = YES | _OPPOSITES.keys()
_FAILED = NO.union(*(bad.split() for bad in _OPPOSITES.values()))
_BETWEEN_WORDS = re.compile(r"[\s_-]+")
_NO_LETTERS = {"Mn", "Mc", "Me", "Sk"}
_BLANKS = " \u00a0\u202f"
# As in the United States, and as in Switzerland.
_THOUSANDS = re.compile(r"-?\d{1,3}((,\d{3})+|(['\u2019]\d{3})+)(\.\d+)?", re.ASCII)
_GROUPS = str.maketrans("", "", ",'\u2019")
_DECIMAL_COMMA = re.compile(r"-?(\d+|\d{1,3}(\.\d{3})+),\d+", re.ASCII)
_THOUSANDS_COMMA = re.compile(r"-?\d{1,3}(\.\d{3})+(,\d+)?", re.ASCII)


def is_nothing(cell: str, *, numeric: bool = False) -> bool:
    """Whether a cell states no value; `numeric`: where a number is expected."""
    text = cell.strip()
    return text in _NOTHING or (numeric and text in _NO_NUMBER)


def outcome_of_word(word: str) -> float | None:
    """1 for a word that says right, 0 for one that says wrong; None for any other."""
    said = _BETWEEN_WORDS.sub("_", plainly(word))
    if said in _PASSED:
        return 1.0
    return 0.0 if said in _FAILED else None


def plainly(word: str) -> str:
    """A word in lower case, without accents, the colours of signs and blanks around it."""
    if word.isascii():
        return word.strip().lower()
    parts = unicodedata.normalize("NFKD", word.strip().lower())
    # A variation selector, as emoji have, is a mark too; the colour of a thumb is a modifier.
    letters = "".join(part for part in parts if unicodedata.category(part) not in _NO_LETTERS)
    return unicodedata.normalize("NFC", letters)  # the parts of Korean syllables


def is_decimal_comma(cell: str) -> bool:
    """Whether a number is written with a decimal comma, and can be nothing else."""
    bare = cell.strip().strip(_BLANKS + "$€£%")
    return bool(_DECIMAL_COMMA.fullmatch(bare))


def typed_cell(
    form: Form,
    text: str,
    *,
    decimal_comma: bool = False,
    thousands_dot: bool = False,
    is_any_money: bool = False,
) -> object:
    """A text cell as its field wants it; left as it is where it does not fit: the check says why.

    Args:
        form: What the field holds.
        text: The cell.
        decimal_comma: Whether a comma may be decimal; then of what is whole 1.250 is no fraction.
        thousands_dot: Whether other cells show that it is: then no number's 1.250 is a fraction.
        is_any_money: Whether signs of other currencies are passed over.
    """
    if form == "text":
        return text
    if form == "outcome" and (said := outcome_of_word(text)) is not None:
        return said
    is_grouped = thousands_dot or (form == "count" and decimal_comma)
    if is_grouped and form in ("count", "number") and not text.startswith("0"):
        text = text.replace(".", "") if _THOUSANDS_COMMA.fullmatch(text.strip(_BLANKS)) else text
    try:
        if form in ("list", "texts", "numbers"):
            return strict_json(text.strip(" \t\r\n"))
        # Python reads 1_000 as a number; nobody else does.
        return (
            text
            if "_" in text
            else _number(text, decimal_comma, _BLANKS + ("$€£" if is_any_money else "$"))
        )
    except ValueError:
        # A duration that states its unit is read by its field.
        return text.replace(",", ".") if decimal_comma and form == "number" else text


def is_other_money(text: str) -> bool:
    """Whether an amount is in another currency than USD."""
    return "€" in text or "£" in text or text.rstrip().endswith(("EUR", "GBP"))


def _number(text: str, decimal_comma: bool, signs: str) -> int | float:  # noqa: FBT001
    """A number as programs and spreadsheets write it; `12,5 %` is .125."""
    if len(text) <= EXACT_DIGITS_MAX and text.isascii() and text.isdecimal():
        return int(text)
    try:
        return float(text)
    except ValueError:
        bare = text.strip().strip(signs)
    share = bare.endswith("%")
    bare = bare.rstrip("%").rstrip(signs)
    if decimal_comma:
        bare = bare.replace(".", "") if _THOUSANDS_COMMA.fullmatch(bare) else bare
        bare = bare.replace(",", ".")
    elif _THOUSANDS.fullmatch(bare):
        bare = bare.translate(_GROUPS)
    return float(bare) / 100 if share else float(bare)
