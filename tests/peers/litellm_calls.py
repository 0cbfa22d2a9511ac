"""Run inside LiteLLM's environment: mocked calls with gonogo's callback; prints their ids."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import anyio
import litellm

from gonogo.integrations.litellm import GonogoLogger
from gonogo.recorder.recorder import Recorder

MESSAGES = [{"role": "user", "content": "a secret"}]


async def main(store: str) -> None:
    """Sync and async, good and failed."""
    recorder = Recorder(store)
    litellm.callbacks = [GonogoLogger(recorder)]
    good = litellm.completion(model="gpt-4o", messages=MESSAGES, mock_response="yes")
    also = await litellm.acompletion(model="gpt-4o", messages=MESSAGES, mock_response="yes")
    with contextlib.suppress(litellm.RateLimitError):
        litellm.completion(
            model="gpt-4o", messages=MESSAGES, mock_response="litellm.RateLimitError"
        )
    # LiteLLM tells its callbacks from threads and tasks of its own, and says nobody when.
    with anyio.move_on_after(30):
        while recorder.delivery.stored < 3:  # noqa: ASYNC110 - there is nothing to wait on
            await anyio.sleep(0.05)
    print(good.id, also.id, recorder.close(30).stored)  # noqa: T201 - read by the test


asyncio.run(main(sys.argv[1]))
