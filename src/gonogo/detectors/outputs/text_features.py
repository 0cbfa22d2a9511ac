"""A text as a short vector of numbers, from which the text cannot be read back."""

from __future__ import annotations

import itertools
import math
from zlib import crc32

# Beyond it a text adds length, no features: the cost of a sample stays bounded.
_CHARACTERS_MAX = 4096
_GRAM_SLOTS = 54
_FORMS = 10
TEXT_FEATURES = _FORMS + _GRAM_SLOTS
# The form's numbers and the words' weigh about the same in a distance.
_WORDS_WEIGHT = 1.5


def text_features(text: str) -> list[float]:
    """Length, form and hashed words of a text: `TEXT_FEATURES` numbers, the same everywhere.

    Ten numbers tell the form (length, lines, word length, shares of digits, capitals,
    punctuation and other letters than ASCII, and whether it looks like JSON, code or a list); the
    rest are counts of words and pairs of words, hashed with a sign and scaled to one length.

    Source: Weinberger et al. (2009), "Feature hashing", arXiv:0902.2206.
    """
    seen = text[:_CHARACTERS_MAX]
    size = max(len(seen), 1)
    words = seen.casefold().split()
    head = seen.lstrip()[:1]
    form = [
        math.log1p(len(text)) / 4,
        math.log1p(text.count("\n")) / 3,
        math.log1p(sum(map(len, words)) / max(len(words), 1)) / 2,
        *(
            math.sqrt(sum(map(test, seen)) / size)
            for test in (str.isdigit, str.isupper, _is_mark, _is_foreign)
        ),
        float(head in ("{", "[")),
        float("```" in seen),
        float(seen.count("\n- ") + seen.count("\n* ") + seen.count("\n1.") > 0),
    ]
    return form + _hashed(words)


def _is_mark(character: str) -> bool:
    return not character.isalnum() and not character.isspace()


def _is_foreign(character: str) -> bool:
    return character.isalpha() and not character.isascii()


def _hashed(words: list[str]) -> list[float]:
    slots = [0.0] * _GRAM_SLOTS
    for gram in (*words, *map(" ".join, itertools.pairwise(words))):
        code = crc32(gram.encode(errors="surrogatepass"))
        slots[(code >> 1) % _GRAM_SLOTS] += 1.0 if code & 1 else -1.0
    length = math.sqrt(sum(value * value for value in slots))
    return [_WORDS_WEIGHT * value / length if length else 0.0 for value in slots]
