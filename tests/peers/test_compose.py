"""The compose file's services in a Debian root and a network of their own, as compose would start them.

Compose needs a daemon: what it does with the file is done here by hand. The file and the commands of the
documentation are read as they stand; PostgreSQL is this machine's, set up as its image does.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from debian_root import confined, steps
from environments import ROOT, program
from postgres_server import UNPRIVILEGED, as_user

UP_S = 60
WATCHED = """
import subprocess, sys, time
for _ in range(60):
    if "runs: " in subprocess.run(["gonogo", "doctor"], capture_output=True, text=True).stdout:
        sys.exit()
    time.sleep(1)
sys.exit("nobody watches")
"""


@dataclass
class Compose:
    """What is up: services are started into one network, whose names are those of the file."""

    image: Path
    data: Path
    network: int
    file: dict[str, Any]
    environ: dict[str, str]
    up: ExitStack = field(default_factory=ExitStack)

    def said(self, value: str) -> str:
        """A value of the file with the variables of `.env` in it; one that `:?` asks for is there."""
        return re.sub(
            r"\$\{(\w+):([?-])\}",
            lambda one: self.environ[one[1]] if one[2] == "?" else self.environ.get(one[1], ""),
            value,
        )

    def command(self, service: str, *command: str) -> list[str]:
        """A command in a service's container, as `docker compose exec` runs it."""
        asked = self.file["services"][service]
        assert asked["read_only"]
        assert asked["volumes"] == ["data:/data"]
        environ = {name: self.said(value) for name, value in asked["environment"].items()}
        return [
            *self.inside(),
            *confined(self.image, self.data, *command, **environ),
        ]

    def inside(self) -> list[str]:
        """What runs a command in the services' network."""
        return [program("nsenter"), f"--net=/proc/{self.network}/ns/net", "--"]

    def start(self, service: str) -> subprocess.Popen[bytes]:
        """Start a service with the image's entry point and the file's command."""
        [entry] = json.loads(dict(steps("run"))["ENTRYPOINT"])
        command = [self.said(word) for word in self.file["services"][service]["command"]]
        return self._kept(self.command(service, entry, *command))

    def start_postgres(self, folder: Path) -> None:
        """As the image does: an owner with a password, who has a database; over the network, by password."""
        asked = self.file["services"]["postgres"]
        environ = {name: self.said(value) for name, value in asked["environment"].items()}
        owner, secret = environ["POSTGRES_USER"], folder / "secret"
        secret.write_text(environ["POSTGRES_PASSWORD"])
        shutil.chown(secret, UNPRIVILEGED)
        made = (program("initdb"), "-D", f"{folder}/data", "-U", owner, f"--pwfile={secret}")
        subprocess.run([*as_user(), *made, "-A", "scram-sha-256"], check=True, capture_output=True)
        serving = (program("postgres"), "-D", f"{folder}/data", "-h", "*", "-k", str(folder))
        self._kept([*self.inside(), *as_user(), *serving])
        _, ready, *asking = asked["healthcheck"]["test"]
        self.until_well([*self.inside(), program(ready), "-h", "127.0.0.1", *asking])
        create = (program("createdb"), "-h", "127.0.0.1", "-U", owner, environ["POSTGRES_DB"])
        with_password = os.environ | {"PGPASSWORD": environ["POSTGRES_PASSWORD"]}
        subprocess.run([*self.inside(), *create], check=True, env=with_password)

    def until_well(self, check: list[str]) -> None:
        """Ask as a health check does, until it is well."""
        wait = f'for i in $(seq {UP_S}); do "$@" >/dev/null 2>&1 && exit; sleep 1; done; exec "$@"'
        done = subprocess.run(["sh", "-c", wait, "sh", *check], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr

    def _kept(self, command: list[str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.up.callback(process.wait, 30)
        self.up.callback(process.terminate)
        return process


@contextmanager
def network() -> Iterator[int]:
    """A network with nothing in it but itself: the process that holds it."""
    up = "ip link set lo up && echo up && exec sleep infinity"
    with subprocess.Popen(["unshare", "--net", "sh", "-ec", up], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            if holder.stdout.readline() != b"up\n":
                pytest.skip("no network of its own can be made here")
            yield holder.pid
        finally:
            holder.terminate()


@pytest.fixture
def compose(image: Path, data: Path, tmp_path: Path) -> Iterator[Compose]:
    """The file, and what the documentation says to put beside it."""
    page = (ROOT / "docs" / "deploy.md").read_text()
    begin = re.search(r"^printf .* > deploy/\.env$", page.replace("\\\n", " "), re.MULTILINE)
    assert begin is not None
    (tmp_path / "deploy").mkdir()
    subprocess.run(["sh", "-ec", begin[0]], cwd=tmp_path, check=True)
    lines = (tmp_path / "deploy" / ".env").read_text().split()
    reading = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"
    read = subprocess.run(
        [program("chroot"), image, "python3", "-c", reading],
        input=(ROOT / "deploy" / "compose.yaml").read_text(),
        capture_output=True,
        text=True,
        check=True,
    )
    file = json.loads(read.stdout)
    names = " ".join(file["services"])
    (image / "etc/hosts").write_text(f"127.0.0.1 localhost {names}\n")
    with network() as holder:
        made = Compose(image, data, holder, file, dict(line.split("=", 1) for line in lines))
        with made.up:
            yield made


def test_server_watch_and_postgres_stand_together(compose: Compose) -> None:
    """What the container is told is in PostgreSQL; the server is well, asks for its token, and somebody watches."""
    with tempfile.TemporaryDirectory(prefix="gonogo-pg-") as folder:
        shutil.chown(folder, UNPRIVILEGED)
        compose.start_postgres(Path(folder))
        compose.start("server")
        check = dict(steps("run"))["HEALTHCHECK"].partition(" CMD ")[2]
        compose.until_well(compose.command("server", *json.loads(check)))
        compose.start("watch")
        (compose.data / "calls.jsonl").write_text('{"dependency":"m","outcome":1}\n' * 40)

        def typed(service: str, *command: str) -> str:
            return subprocess.run(
                compose.command(service, *command), capture_output=True, text=True, check=False
            ).stdout

        assert "40 accepted" in typed("server", "gonogo", "ingest", "/data/calls.jsonl")
        assert json.loads(typed("watch", "gonogo", "list", "--json"))["dependencies"][0]["n"] == 40
        assert "postgresql://gonogo" in typed("server", "gonogo", "doctor")
        compose.until_well(compose.command("watch", "python3", "-c", WATCHED))
        port = "8765"
        for name, token, status in (
            ("server", compose.environ["GONOGO_TOKEN"], "200"),
            ("127.0.0.1", compose.environ["GONOGO_TOKEN"], "200"),
            ("server", "nobody's", "401"),
            ("another", compose.environ["GONOGO_TOKEN"], "421"),
        ):
            asked = (f"http://127.0.0.1:{port}/metrics", "-H", f"Host: {name}:{port}")
            seen = subprocess.run(
                [
                    *compose.inside(),
                    *(program("curl"), "-s", "-o", "/dev/null", "-w", "%{http_code}", *asked),
                    *("-H", f"Authorization: Bearer {token}"),
                ],
                capture_output=True,
                text=True,
                check=True,
            )
            assert seen.stdout == status, name
        compose.up.close()
    assert not list(compose.data.rglob("*.db"))
