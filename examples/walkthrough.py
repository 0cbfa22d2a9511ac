"""A walk through real data, cell by cell: did GPT-4 get worse between March and June 2023?

    .venv/bin/python examples/walkthrough.py prime.jsonl.gz

Editors that know `# %%` (VS Code, PyCharm, Spyder) run it as a notebook. The file holds the answers
of Chen, Zaharia & Zou, "How Is ChatGPT's Behavior Changing over Time?" (2023) to 1,000 questions
"Is N a prime number?": one JSON object a line with model, version, item_id, ts, latency_s, cost_usd,
output_tokens, output and correct. Without an argument it is data/llmdrift/prime.jsonl.gz under the
folder that GONOGO_SHARED names. The repository carries no copy of it.
"""

# %% Where the data is, and a store of this walk's own
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

shared = Path(os.environ.get("GONOGO_SHARED", ""))
source = Path(sys.argv[1]) if len(sys.argv) > 1 else shared / "data/llmdrift/prime.jsonl.gz"
if not source.is_file():
    sys.exit(f"No data at {source}: give its path, or set GONOGO_SHARED (see the first lines).")
folder = tempfile.TemporaryDirectory(prefix="gonogo-walk-")
os.environ["GONOGO_STORE"] = str(Path(folder.name) / "gonogo.db")

# %% Ingest: the file has its own names for what gonogo calls dependency, outcome, item, latency_ms
MAP = ("dependency=model", "outcome=correct", "item=item_id", "latency_ms=latency_s*1000")
command = [sys.executable, "-m", "gonogo", "ingest", str(source)]
subprocess.run([*command, *(part for text in MAP for part in ("--map", text))], check=True)

# %% Ask: the same questions, item by item, put to two versions of GPT-4
from gonogo import check  # noqa: E402 - after the store was named

gpt4 = check.drift("gpt-4", baseline_version="0314", version="0613")
print(f"\n{gpt4.verdict}: {gpt4.summary}")

# %% How sure: evidence that may be looked at as often as you like
assert gpt4.evidence is not None
print(f"\n{gpt4.evidence.guarantee}")

# %% Item by item: the fall is no change of the mix, it is the same thousand questions
assert gpt4.golden is not None
paired = gpt4.golden
print(f"\n{paired.items} items: {paired.worse} worse, {paired.better} better, {paired.same} same")

# %% The other model went the other way; a check that only ever cries wolf would not say so
gpt35 = check.drift("gpt-3.5-turbo", baseline_version="0301", version="0613")
print(f"\n{gpt35.verdict}: {gpt35.summary}")

# %% And today? Evidence of 2023 is too old to send work on: unknown is never go
today = check.preflight(dependencies=["gpt-4", "gpt-3.5-turbo"], planned_calls=100)
print(f"\n{today.verdict}: {today.summary}")
