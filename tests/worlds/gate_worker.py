"""A process with a gate, told on standard input what to call: `gate_worker.py STORE CONFIG`.

Each line is a list, and so is each answer:
    ["calls", n]        n calls in a row, until one is refused -> [how many ran, why the last did not]
    ["begin"]           a call that goes on -> [1 or 0, why it did not begin]
    ["end", usd]        the oldest of them ends, at a cost or at the declared one -> []
    ["flush"]           all that ended is booked, what is held ahead given back -> []
    ["ahead", s, more]  for how long it holds ahead, and how much longer it waits for others to give back -> []
"""

from __future__ import annotations

import json
import sys

from gonogo.guard import held_calls
from gonogo.guard.call_gate import CallGate, GatedCall
from gonogo.guard.held_calls import CallRefusedError

CALL_USD = 0.01
# So that a test need not wait: what is held ahead is given back soon, and whoever waits for it is patient.
AHEAD = 0.4, 2.0
held_calls.AHEAD_S, held_calls.GIVE_BACK_S = AHEAD
held_calls.LINGER_S = 0.0


def main(store: str, config: str) -> None:
    """Answer each line until there is none."""
    gate = CallGate(budget="day", call_usd=CALL_USD, store=store, config=config)
    running: list[GatedCall] = []
    for line in sys.stdin:
        what, *given = json.loads(line)
        answer: list[object] = []
        if what == "calls":
            answer = _calls(gate, given[0])
        elif what == "begin":
            call = gate.call("model")
            try:
                running.append(call.__enter__())
                answer = [1, ""]
            except CallRefusedError as refused:
                answer = [0, str(refused)]
        elif what == "end":
            call = running.pop(0)
            if given[0] is not None:
                call.set(cost_usd=given[0])
            call.__exit__(None, None, None)
        elif what == "ahead":
            held_calls.AHEAD_S, held_calls.GIVE_BACK_S = given
        else:
            assert gate.flush(60)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _calls(gate: CallGate, n: int) -> list[object]:
    for ran in range(n):
        try:
            with gate.call("model"):
                pass
        except CallRefusedError as refused:
            return [ran, str(refused)]
    return [n, ""]


if __name__ == "__main__":
    main(*sys.argv[1:])
