"""Reads a route file with the OpenFeature SDK and flagd's file provider, in their environment.

`flagd_reader.py FILE KEYS EPOCHS` prints, for each epoch from 1 on, once the provider has it, the
targets of the keys `user-0` … as a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time

from openfeature import api  # type: ignore[import-not-found]
from openfeature.contrib.provider.flagd import FlagdProvider  # type: ignore[import-not-found]
from openfeature.contrib.provider.flagd.config import (  # type: ignore[import-not-found]
    ResolverType,
)
from openfeature.evaluation_context import EvaluationContext  # type: ignore[import-not-found]

ALIVE_S_MAX = 60


def main(file: str, keys: int, epochs: int) -> None:
    """Follow the file."""
    api.set_provider(FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=file))
    client, end = api.get_client(), time.monotonic() + ALIVE_S_MAX
    for epoch in range(1, epochs + 1):
        while True:
            context = EvaluationContext("user-0")
            seen = client.get_string_details("m", "none", context).flag_metadata
            if seen.get("gonogo_epoch") == epoch:
                break
            if time.monotonic() > end:
                raise TimeoutError(f"epoch {epoch}: {seen}")
            time.sleep(0.02)  # the provider polls; there is nothing to wait on
        found = [
            client.get_string_value("m", "none", EvaluationContext(f"user-{number}"))
            for number in range(keys)
        ]
        keyless = client.get_string_value("m", "none", EvaluationContext())
        print(json.dumps([found, keyless]), flush=True)  # noqa: T201 - its output
    api.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
