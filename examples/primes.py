"""Say which published answers of GPT-3.5 and GPT-4 about primes were right: the tutorial's second step.

    .venv/bin/python examples/primes.py PRIME_FULL_EVAL.csv > prime.jsonl

The file has what was asked, the right answer, and what a model wrote; it does not say whether the model was right. Most
logs are like that, and what counts as right is yours to say. Here: the first [Yes] or [No], else the first yes or no.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path


def said(answer: str) -> str:
    """What a model answered: yes, no, or nothing that can be read."""
    found = re.findall(r"\[(yes|no)\]", answer.lower()) or re.findall(
        r"\b(yes|no)\b", answer.lower()
    )
    return found[0] if found else ""


with Path(sys.argv[1]).open(encoding="utf-8", newline="") as source:
    for row in csv.DictReader(source):
        model, _, version = row["model"].removeprefix("openaichat/").rpartition("-")
        asked = datetime.strptime(row["timestamp"], "%m/%d/%Y, %H:%M:%S").replace(tzinfo=UTC)
        call = {
            "model": model,
            "version": version,
            "item_id": row["id"],
            "ts": asked.isoformat(),
            "latency_s": round(float(row["latency"]), 4),
            "cost_usd": round(float(row["cost"]), 6),
            "correct": int(said(row["answer"]) == row["ref_answer"].lower()),
        }
        print(json.dumps(call))
