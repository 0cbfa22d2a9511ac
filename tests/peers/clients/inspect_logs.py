"""Run in an environment that has Inspect: an evaluation of a model that is played, as a log.

Usage: inspect_logs.py FOLDER eval|json. Its tokens are stated, since Inspect would fetch a table to count them.
"""

import sys

from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import match
from inspect_ai.solver import generate

folder, form = sys.argv[1:]
words = ["Paris" if at % 4 else "London" for at in range(12)]
outputs = [ModelOutput.from_content("mockllm/model", word) for word in words]
for output in outputs:
    output.usage = ModelUsage(input_tokens=10, output_tokens=2, total_tokens=12)
samples = [Sample(id=f"q{at}", input="The capital of France?", target="Paris") for at in range(12)]
task = Task(dataset=samples, solver=generate(), scorer=match(), name="capitals")
model = get_model("mockllm/model", custom_outputs=outputs)
[log] = evaluate(
    task, model=model, log_dir=folder, log_format=form, display="none", max_connections=1
)
sys.exit(log.status != "success")
