"""A stand-in for the model that you would probe: OpenAI-compatible, on loopback, adds two numbers.

python3 examples/cron_probe/stub_endpoint.py            # port 8399, as gonogo.toml says
python3 examples/cron_probe/stub_endpoint.py --wrong    # a worse day: one too many, always
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8399


class Adder(BaseHTTPRequestHandler):
    """Answers a chat completion with a sum."""

    def do_POST(self) -> None:
        """Answer one request."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        total = sum(map(int, asked["messages"][-1]["content"].split("+")))
        said = str(total + ("--wrong" in sys.argv))
        reply = {"model": asked["model"], "choices": [{"message": {"content": said}}]}
        body = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ports = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    with ThreadingHTTPServer(("127.0.0.1", ports[0] if ports else PORT), Adder) as server:
        print(f"http://127.0.0.1:{server.server_port}/v1/chat/completions", flush=True)
        server.serve_forever()
