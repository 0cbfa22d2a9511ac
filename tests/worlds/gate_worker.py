"""A process with a gate, told on standard input what to call: `gate_worker.py STORE CONFIG NAME`.

Each line is a list; each answer is one behind the NAME, on a pipe that several may share:
    ["calls", n]        n calls in a row, until one is refused -> "heard", "ran" for each, [why the next did not]
    ["begin"]           a call that goes on -> "heard", "ran" where it began, [why it did not begin]
    ["end", usd]        the oldest of them ends, at a cost or at the declared one -> [""]
    ["flush"]           all that ended is booked, what is held ahead given back -> [""]
    ["ahead", s]        for how long it holds ahead from here on -> [""]

Who finds the rest held by another waits until it is given back, however slow the machine is: a call is never refused
for want of time. SIGUSR1 tells that nothing more will be given back: whoever waits then is refused at its next look.
"""

from __future__ import annotations

import json
import signal
import sys

from gonogo.guard import held_calls
from gonogo.guard.call_gate import CallGate, GatedCall
from gonogo.guard.held_calls import CallRefusedError

CALL_USD = 0.01
AHEAD_S, PATIENCE_S = 0.1, 60.0
held_calls.AHEAD_S = AHEAD_S
held_calls.LINGER_S = 0.0


def _wait_no_longer(number: int, frame: object) -> None:
    del number, frame
    held_calls.GIVE_BACK_S = -PATIENCE_S


def main(store: str, config: str, name: str) -> None:
    """Answer each line until there is none."""

    def say(answer: object) -> None:
        sys.stdout.write(json.dumps([name, answer]) + "\n")
        sys.stdout.flush()

    gate = CallGate(budget="day", call_usd=CALL_USD, store=store, config=config)
    running: list[GatedCall] = []
    signal.signal(signal.SIGUSR1, _wait_no_longer)
    for line in sys.stdin:
        what, *given = json.loads(line)
        why = ""
        if what in ("calls", "begin"):
            held_calls.GIVE_BACK_S = PATIENCE_S
            say("heard")
            try:
                for _ in range(*given or (1,)):
                    call = gate.call("model")
                    call.__enter__()
                    say("ran")
                    if what == "begin":
                        running.append(call)
                    else:
                        call.__exit__(None, None, None)
            except CallRefusedError as refused:
                why = str(refused)
        elif what == "end":
            call = running.pop(0)
            if given[0] is not None:
                call.set(cost_usd=given[0])
            call.__exit__(None, None, None)
        elif what == "ahead":
            [held_calls.AHEAD_S] = given
        else:
            assert gate.flush(60)
        say([why])


if __name__ == "__main__":
    main(*sys.argv[1:])
