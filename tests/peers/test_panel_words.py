"""The panel's numbers, in Node: written as the words of the answers write them, digit for digit."""

from __future__ import annotations

import json
import subprocess
from importlib.resources import files

from environments import program

from gonogo.answers.base import rounded
from gonogo.text.forms import duration, money, rate_text

SAY = """
const table = (rows) => rows;
%s
const { money, shares, seconds } = JSON.parse(require("fs").readFileSync(0));
console.log(JSON.stringify([money.map(usd), shares.map(percent), seconds.map(age)]));
"""
# Halves of the last digit that is shown, and what a binary fraction makes of them.
MICRO = [0, 1, 5, 225, 1_250, 4_900, 5_000, 9_949, 9_950, 9_960, 10_000, 14_999, 15_000, 125_000]
MICRO += [59_985_000, 999_995_000, -15_000, -5_000, -8_050_000]
MICRO += [1_000_000 * dollars + 5_000 for dollars in range(60)]
SECONDS = [0, 59, 89, 90, 119, 120, 3_599, 3_700, 7_199, 7_200, 129_600, 172_799, 172_800, 999_999]


def test_the_panel_writes_numbers_as_words_do() -> None:
    """Money, shares and ages: a person who compares page and terminal finds one number."""
    usd = [micro / 1e6 for micro in MICRO]
    shares = [rounded(n / 10_000) for n in range(10_001)]
    script = SAY % files("gonogo.panel").joinpath("format.js").read_text(encoding="utf-8")
    done = subprocess.run(
        [program("node"), "-e", script],
        input=json.dumps({"money": usd, "shares": shares, "seconds": SECONDS}),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said = json.loads(done.stdout.replace("\N{MINUS SIGN}", "-"))
    assert said[0] == [money(amount) for amount in usd]
    assert [float(one.rstrip("%")) for one in said[1]] == [
        float(rate_text(share).rstrip("%")) for share in shares
    ]
    assert [one.replace(" days", " d") for one in said[2]] == [duration(s) for s in SECONDS]


AXES = """
const table = (rows) => rows;
%s
const axis = (unit, values) => values.map(onAxis(unit ? { unit } : {}));
console.log(JSON.stringify([
  axis("minutes", [-0, 5, 10]), axis("tokens", [0, 500000, 1000000]), axis(undefined, [0, -0.5, 12325.5, -20000]),
  [moved("outcome", -0.0001), moved("outcome", -0.466), moved("outcome", 0.02)],
  [3.463e38, 2.282e37, 1.05e9, 60880].map((value) => evidence(value)),
]));
"""


def test_an_axis_has_room_for_its_numbers_and_none_has_no_sign() -> None:
    """A unit is no part of what stands on an axis; an exponent is that of the words."""
    script = AXES % files("gonogo.panel").joinpath("format.js").read_text(encoding="utf-8")
    done = subprocess.run(
        [program("node"), "-e", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout.replace("\N{MINUS SIGN}", "-")) == [
        ["0", "5", "10"],
        ["0", "500K", "1M"],
        ["$0.00", "-$0.50", "$12.3K", "-$20K"],
        ["0.0 points", "-46.6 points", "+2.0 points"],
        ["10³⁸", "10³⁷", "10⁹", "60,880"],
    ]
