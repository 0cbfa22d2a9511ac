"""A real LiteLLM proxy with the hook from `examples/`: it follows the route file."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from environments import ROOT, python_environment
from ports import free_port, wait_for

from gonogo.actuators.route_file import RouteFile
from gonogo.ports.routes import Route, Weight
from gonogo.routes.split import key_place, pick
from gonogo.store.sqlite.lock import FileLock

MODELS = ("m", "v2")
KEY = "sk-a-key-of-this-test-alone-0123456789abcdef"
CONFIG = "model_list:\n" + "".join(
    f"  - model_name: {name}\n"
    f"    litellm_params: {{model: openai/{name}, api_key: none, mock_response: from {name}}}\n"
    for name in MODELS
)
CONFIG += 'litellm_settings:\n  callbacks: ["litellm_hook.hook"]\n'


@dataclass
class Proxy:
    """The proxy, and the file that it follows."""

    url: str
    routes: Path
    client: httpx.Client
    epoch: int = 0

    def ask(self, user: str) -> str:
        """Which model answers a request for `m`; where none does, the error's text."""
        body = {"model": "m", "user": user, "messages": [{"role": "user", "content": "hello"}]}
        answer = self.client.post(f"{self.url}/v1/chat/completions", json=body)
        if not answer.is_success:
            return answer.text
        content: str = answer.json()["choices"][0]["message"]["content"]
        return content.removeprefix("from ")

    def switch(self, *targets: Weight) -> Route:
        """Write a route as gonogo does."""
        self.epoch += 1
        route = Route("m", targets, epoch=self.epoch, salt="m/1/")
        lock = FileLock(self.routes.with_name("lock"))
        file = RouteFile("routes", self.routes, lock.held)
        step = file._apply(route, file._read("m").version)
        lock.close()
        assert step.status == "done", step
        return route


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """Started once; no keys, no database."""
    folder, port = tmp_path_factory.mktemp("litellm"), free_port()
    litellm = python_environment("litellm").with_name("litellm")
    (folder / "config.yaml").write_text(CONFIG)
    shutil.copy(ROOT / "examples" / "litellm_hook.py", folder)
    own = {"PYTHONPATH": str(ROOT / "src"), "GONOGO_ROUTES": str(folder / "routes.json")}
    own |= {"LITELLM_MASTER_KEY": KEY}
    own |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [litellm, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)],
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, **own},
        )
    url = f"http://127.0.0.1:{port}"

    def is_there() -> bool:
        try:
            return httpx.get(f"{url}/health/liveliness", timeout=5).is_success
        except httpx.HTTPError:
            return False

    try:
        wait_for(lambda: process.poll() is not None or is_there(), within_s=120)
        assert process.poll() is None, (folder / "log").read_text()
        with httpx.Client(timeout=30, headers={"Authorization": f"Bearer {KEY}"}) as client:
            yield Proxy(url, folder / "routes.json", client)
    finally:
        process.terminate()
        process.wait(20)


def test_requests_follow_the_route(proxy: Proxy) -> None:
    """The primary without a file, then where the file says, from the next request on; and back."""
    assert proxy.ask("someone") == "m"
    proxy.switch(Weight("v2", 10_000))
    assert proxy.ask("someone") == "v2"
    proxy.switch(Weight("m", 10_000))
    assert proxy.ask("someone") == "m"


def test_users_are_split_as_everywhere_else_and_stick(proxy: Proxy) -> None:
    """A quarter on the fallback: the very users that `gonogo.route` sends there."""
    route = proxy.switch(Weight("m", 7_500), Weight("v2", 2_500))
    users = [f"user-{number}" for number in range(40)]
    expected = [pick(route.targets, key_place(route.salt, user)).target for user in users]
    assert 3 <= expected.count("v2") <= 20
    assert [proxy.ask(user) for user in users] == expected
    assert [proxy.ask(user) for user in users[:10]] == expected[:10]


def test_a_broken_file_leaves_the_last_good_route(proxy: Proxy) -> None:
    """Half a file, then none."""
    proxy.switch(Weight("v2", 10_000))
    assert proxy.ask("someone") == "v2"
    proxy.routes.write_text('{"flags": {"m": ')
    assert proxy.ask("someone") == "v2"
    proxy.routes.unlink()
    assert proxy.ask("someone") == "v2"


def test_a_refused_model_is_not_called(proxy: Proxy) -> None:
    """The request is answered in words, not by a model."""
    proxy.switch(Weight("refuse", 10_000))
    assert "its route says refuse" in proxy.ask("someone")
