"""The image's steps in a Debian root of its own: no name, no home, nothing writable but /data.

Images cannot be built where there is no daemon; the steps of `deploy/Dockerfile` are run as they
stand, on Debian's Python.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from environments import ROOT, program
from gonogo_server import served
from ports import free_port

TOKEN = "t" * 32
UNREACHABLE = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "SSLError")
# What a user of no name runs in: its own mounts, the root read-only, /data alone writable.
CONFINED = """
mount --bind {root} {root} && mount -o remount,ro,bind {root} && mount -t proc proc {root}/proc \
&& mount --bind {data} {root}/data && mount --bind /dev/urandom {root}/dev/urandom \
&& exec chroot --userspec={user} {root} env -i {environ} {command}
"""


def steps(stage: str) -> Iterator[tuple[str, str]]:
    """The instructions of one stage, one line each."""
    text = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
    for part in text.split("FROM ")[1:]:
        head, *lines = part.splitlines()
        if head.endswith(" AS build") == (stage == "build"):
            for line in lines:
                word, _, rest = line.partition(" ")
                if word.isupper():
                    yield word, rest


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Debian root in which the steps of the build were run; both stages are one root here."""
    if os.geteuid() != 0:
        pytest.skip("a root of its own needs root's rights")
    root = tmp_path_factory.mktemp("places") / "root"
    needed = "--include=python3,python3-venv,ca-certificates"
    made = [program("debootstrap"), "--variant=minbase", needed, "bookworm", str(root)]
    done = subprocess.run(made, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no Debian root can be made here: {(done.stdout + done.stderr)[-300:]}")
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")  # as the image has it
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    bundle = "etc/ssl/certs/ca-certificates.crt"  # whom this machine trusts, for pip
    shutil.copyfile(f"/{bundle}", root / bundle)
    workdir = root
    for word, rest in steps("build"):
        if word == "WORKDIR":
            workdir = root / rest.removeprefix("/")
            workdir.mkdir(parents=True)
        elif word == "COPY":
            *sources, to = rest.split()
            for source in sources:
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, workdir / to)
                else:
                    shutil.copy(ROOT / source, workdir / to)
        elif word == "RUN":
            inside = f"cd /{workdir.relative_to(root)} && {rest}"
            done = subprocess.run(
                [program("chroot"), root, "sh", "-ec", inside],
                capture_output=True,
                text=True,
                check=False,
            )
            said = done.stdout[-2000:] + done.stderr[-2000:]
            if any(why in said for why in UNREACHABLE):
                pytest.skip(f"the package index cannot be reached from a root of its own: {rest}")
            assert done.returncode == 0, rest + said
    shutil.rmtree(workdir)
    (root / "data").mkdir()
    yield root
    shutil.rmtree(root, ignore_errors=True)


def confined(image: Path, data: Path, *command: str, **environ: str) -> list[str]:
    """A command as the image runs it, with what its last stage says."""
    said = dict(steps("run"))
    known = dict(pair.split("=", 1) for pair in shlex.split(said["ENV"]))
    script = CONFINED.format(
        root=shlex.quote(str(image)),
        data=shlex.quote(str(data)),
        user=said["USER"],
        environ=" ".join(shlex.quote(f"{k}={v}") for k, v in {**known, **environ}.items()),
        command=shlex.join(command),
    )
    return ["unshare", "--mount", "sh", "-ec", script]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The volume, which belongs to the image's user."""
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, 65532, 65532)
    return folder


def test_it_serves_and_keeps_its_store_in_the_volume(image: Path, data: Path) -> None:
    """Healthy, asked for its metrics with the token alone, and nothing was written elsewhere."""
    serve = ("gonogo", "serve", "--http", f"127.0.0.1:{free_port()}")
    with served(*confined(image, data, *serve, GONOGO_TOKEN=TOKEN)) as address:
        base = address.removesuffix("/mcp")
        assert httpx.get(f"{base}/healthz", timeout=20).text.strip() == "ok"
        assert httpx.get(f"{base}/metrics", timeout=20).status_code == 401
        shown = httpx.get(
            f"{base}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20
        )
        assert "gonogo_up 1" in shown.text
    assert {path.name for path in data.iterdir()} >= {"gonogo.db"}


def test_a_command_there_finds_nothing_wrong(image: Path, data: Path) -> None:
    """`init`, `ingest`, `check` and `doctor` as an operator types them in the container."""
    (data / "calls.jsonl").write_text('{"dependency":"m","outcome":1}\n' * 40)

    def typed(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            confined(image, data, *command), capture_output=True, text=True, check=False
        )

    begun = typed("gonogo", "init", "--dependency", "m")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    assert (data / "gonogo" / "gonogo.toml").exists()
    assert typed("gonogo", "ingest", "/data/calls.jsonl").returncode == 0
    asked = typed("gonogo", "check", "trust", "m")
    assert asked.returncode in (0, 1, 3), asked.stdout + asked.stderr
    looked = typed("gonogo", "doctor")
    assert looked.returncode == 0, looked.stdout + looked.stderr
