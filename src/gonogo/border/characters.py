"""The characters that names and texts may have: an invisible one cannot be checked.

`name_of` is the one border of names (dependencies, versions, slices, ids, predictions, budgets):
Unicode's NFC, single spaces, nothing that is not seen. `visible` is the one way out of texts.

`isprintable` is not the test: variation selectors, fillers, joiners and the blank Braille pattern
count as printable, and can carry orders that only a model reads.

Source: Unicode UAX 31 (default-ignorable code points are no part of identifiers), UTS 39 (at most
four marks on one letter; skeletons of confusable letters), DerivedCoreProperties 16.0.
"""

from __future__ import annotations

import re
import unicodedata

NAME_CHARS_MAX = 200
MARKS_MAX = 4
# Default_Ignorable_Code_Point, and what is drawn as a blank without being a space.
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\U00016fe4\U0001bca0-\U0001bca3\U0001d159"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# A symbol may ask to be drawn as text or in colour: that is no part of a name.
_STYLE = re.compile("(?<=[^\\w\\s])[\ufe0e\ufe0f]")
_SPACES = re.compile(" {2,}")


class UnclearName(ValueError):
    """A name that cannot be told by looking at it; its message says why, without the name."""


def name_of(text: str) -> str:
    """A name as it is stored, asked for and shown: NFC, one space between words.

    Raises:
        UnclearName: It holds what cannot be seen: controls, joiners, selectors, fillers, more than
            four marks on a letter; or nothing that can.
    """
    # ASCII first: three looks in C, since every name of every row comes by here.
    if text.isascii():
        if not text.isprintable():
            raise UnclearName("has a control or invisible character")
        return tidy(text) if " " in text else text
    tidied = tidy(text)
    if not tidied.isprintable() or _HIDDEN.search(tidied):
        raise UnclearName("has a control or invisible character")
    run = MARKS_MAX
    for char in unicodedata.normalize("NFD", tidied):
        run = run + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if run > MARKS_MAX:
            raise UnclearName("has marks without a letter, or more than four on one")
    return tidied


def tidy(text: str) -> str:
    """Text as a name is compared: NFC, no outer and no double spaces; never refuses."""
    if not text.isascii():
        text = _STYLE.sub("", unicodedata.normalize("NFC", text))
    return _SPACES.sub(" ", text.strip(" "))


def visible(text: str) -> str:
    """Text without what cannot be seen: controls and every character that is drawn as nothing."""
    if text.isascii():
        return text if text.isprintable() else "".join(filter(str.isprintable, text))
    return "".join(filter(str.isprintable, _HIDDEN.sub("", text)))


# Cyrillic, Greek and phonetic letters that are drawn like a Latin one, as UTS 39 lists them; 0, 1, |.
_LIKE_LATIN = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u04bb\u04cf\u051b\u051d\u0432"
    "\u043a\u043c\u043d\u0442\u0433\u03b1\u03bf\u03c1\u03bd\u03b9\u03ba\u03c4\u03c5\u03b7\u03b2\u028b"
    "\u0261\u0131\u2113"
    "01|",
    "aeopcyxijsdhlqwbkmhtraopviktunbvgiloll",
)
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[\W_]+(?=\d)")


def skeleton(name: str) -> str:
    """The shape of a name: equal for names that a reader takes for each other.

    Case, separators, marks and width are left out; letters of other scripts, 0, 1 and | stand for
    the Latin letters that they are drawn like.
    """
    plain = _BETWEEN_DIGITS.sub(".", unicodedata.normalize("NFKD", name).casefold())
    kept = "".join(c for c in plain if c in "|." or unicodedata.category(c)[0] not in "MZPC")
    return kept.translate(_LIKE_LATIN).replace("rn", "m")
