"""Who acted, in words. In the log an actor is `watch`, `agent`, `agent:SUBJECT`, `gonogo` or `person:NAME`."""

from __future__ import annotations

_WORDS = {"person": "a person", "agent": "an agent", "gonogo": "gonogo itself"}


def actor_name(actor: str) -> str:
    """A person's name alone, and what else acted as a noun that stands in a sentence."""
    if actor.startswith("agent:"):
        return f"an agent ({actor.removeprefix('agent:')})"
    return _WORDS.get(actor, actor.removeprefix("person:"))
