"""The bins of `detectors/bins.py` as SQL, in three steps, so that no engine computes one twice.

First where to look, by a logarithm that may be off by one; then what is compared there; then the bin. The
boundaries are literals: the same numbers that rows are binned by.
"""

from __future__ import annotations

import math

from gonogo.detectors.bins import (
    INDEX_OFFSET,
    LOGIT,
    LOGIT_ONE,
    LOGIT_ZERO,
    SIGNED_LOG,
    Layout,
    bin_of_one,
)
from gonogo.records import MICRO

_STEPS = tuple(2.0 ** (k / 16) for k in range(17))
# The least whole millionths that lie in each bin of the logit layout, from its lowest on.
_LOGIT_LEAST = [
    next(n for n in (near - 1, near, near + 1) if bin_of_one(LOGIT, max(n, 0) / MICRO) >= place)
    for place in range(LOGIT_ZERO + 1, LOGIT_ONE)
    for near in (math.ceil(MICRO / (1 + math.exp(-place / 10))),)
]
_LOGIT_LEAST.append(MICRO + 1)


def near_bin(layout: Layout, value: str) -> str:
    """The octave of a value, or the bin of its log-odds (of whole millionths)."""
    if layout is not LOGIT:
        return f"floor(ln(nullif(abs({value}), 0)) / {math.log(2)!r}e0)"
    odds = f"{value} / nullif({MICRO}e0 - {value}, 0)"
    place = f"CAST(floor(10 * ln(nullif({odds}, 0))) AS INTEGER)"
    return f"greatest(least({place}, {LOGIT_ONE - 1}), {LOGIT_ZERO + 1})"


def scaled_value(layout: Layout, value: str, near: str, element: str) -> str:
    """A value within its octave; of a fraction its bin, moved by the least values of it and the next.

    Args:
        layout: How it is binned.
        value: The column of values.
        near: The column of `near_bin`.
        element: How an engine writes the element of an array.
    """
    if layout is not LOGIT:
        return f"abs({value}) / power(2e0, {near})"
    array, first = ", ".join(map(str, _LOGIT_LEAST)), LOGIT_ZERO + 1
    here, above = (
        element.format(array=array, index=f"{near} - ({first}) + {step}") for step in (1, 2)
    )
    return f"{near} + CAST({value} >= {above} AS INTEGER) - CAST({value} < {here} AS INTEGER)"


def bin_found(layout: Layout, value: str, near: str, scaled: str) -> str:
    """The bin of a value, from the columns of the two steps before."""
    if layout is LOGIT:
        ends = f"WHEN {value} = 0 THEN {LOGIT_ZERO} WHEN {value} = {MICRO} THEN {LOGIT_ONE}"
        return f"CASE {ends} ELSE CAST({scaled} AS BIGINT) END"
    # An octave that is off by one has all steps behind it, or none: both come out right.
    steps = " + ".join(f"CAST({scaled} > {step!r}e0 AS INTEGER)" for step in _STEPS)
    code = f"CAST(16 * {near} AS BIGINT) + {steps} + {INDEX_OFFSET - 1}"
    signed = f"sign({value}) * ({code})" if layout is SIGNED_LOG else code
    return f"CASE WHEN {value} = 0 THEN 0 ELSE CAST({signed} AS BIGINT) END"
