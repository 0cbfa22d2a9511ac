"""What probing costs: 500 endpoints a minute, against a real server on loopback.

    python benchmarks/probing.py [--endpoints 500]

Every endpoint is an address of its own (127.0.x.y), so that no connection is shared; half of them
are health checks, half chat completions with a golden set of one item, and every call is checked
and recorded in a store. The server is another process. CPU time is that of the probing process
alone, all threads together; at one round a minute, percent of a core is CPU seconds / 60.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio

from gonogo.app import Gonogo
from gonogo.app.probing import open_prober, run_probe
from gonogo.settings import ProbeSettings, Settings

ROUNDS = 3
SERVER = """
import asyncio
BODY = (b'{"model": "m", "choices": [{"message": {"content": "The sum is 4."}}],'
        b' "usage": {"prompt_tokens": 10, "completion_tokens": 5}}')
async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b"\\r\\n\\r\\n"):
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\\r\\n")[1:-2])
            await reader.readexactly(int(fields.get(b"content-length", 0)))
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(BODY) + BODY)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def probes(port: int, count: int, golden: Path) -> list[ProbeSettings]:
    """Half health checks, half chat completions, each at its own address."""
    made = []
    for i in range(count):
        base = f"http://127.0.{i // 250 + 1}.{i % 250 + 1}:{port}"
        if i % 2:
            url = f"{base}/v1/chat/completions"
            made.append(ProbeSettings(f"p{i}", f"d{i}", kind="chat", url=url, golden=golden))
        else:
            made.append(ProbeSettings(f"p{i}", f"d{i}", url=f"{base}/health"))
    return made


async def rounds_cpu_s(settings: Settings) -> list[float]:
    """CPU seconds of each round, the first with its imports; rounds run as a schedule would."""
    spent = []
    async with Gonogo(settings) as app, open_prober(settings, clock=app.clock) as prober:
        for _ in range(ROUNDS):
            begun = time.process_time()
            lines: list[str] = []

            async def one(probe: ProbeSettings, into: list[str]) -> None:
                into.append((await run_probe(app, prober, probe)).verdict)

            async with anyio.create_task_group() as tasks:
                for probe in settings.probes.values():
                    tasks.start_soon(one, probe, lines)
            spent.append(time.process_time() - begun)
            if set(lines) != {"go"}:
                raise SystemExit(f"not every probe was go: {sorted(set(lines))}")
    return spent


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=500)
    count = parser.parse_args().endpoints
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True
        ) as server,
    ):
        if server.stdout is None:
            raise SystemExit("the server has no output")
        golden = Path(folder, "golden.jsonl")
        golden.write_text('{"id": "sum", "input": "2+2", "number": 4}\n')
        made = probes(int(server.stdout.readline()), count, golden)
        store = str(Path(folder, "gonogo.db"))
        spent = anyio.run(
            rounds_cpu_s, Settings(store=store, probes={probe.name: probe for probe in made})
        )
        server.kill()
    print(f"{f'{count} endpoints once a minute':40}{'CPU s':>8}{'% of a core':>13}   asked")
    for number, cpu_s in enumerate(spent, start=1):
        print(f"{f'round {number}':40}{cpu_s:8.2f}{cpu_s / 0.6:13.1f}   < 25")


if __name__ == "__main__":
    main()
