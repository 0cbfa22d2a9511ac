"""A Debian root of its own: the image's steps are run in it, and commands as in a container.

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

import pytest
from environments import ROOT, program

# yaml reads the compose file, make and git are what the README asks of a fresh machine.
PACKAGES = "python3,python3-venv,python3-yaml,ca-certificates,make,git"
UNREACHABLE = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "SSLError")
# What a user of no name runs in: its own mounts, the root read-only, /data alone writable.
CONFINED = """
mount --bind {root} {root} && mount -o remount,ro,bind {root} && mount -t proc proc {root}/proc \
&& mount --bind {data} {root}/data && mount --bind /dev/urandom {root}/dev/urandom \
&& exec chroot --userspec={user} {root} env -i {environ} setpriv --no-new-privs {command}
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


def make_root(root: Path) -> None:
    """Debian with nothing but what is needed; skips where none can be made."""
    if os.geteuid() != 0:
        pytest.skip("a root of its own needs root's rights")
    made = [
        program("debootstrap"),
        "--variant=minbase",
        f"--include={PACKAGES}",
        "bookworm",
        str(root),
    ]
    done = subprocess.run(made, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no Debian root can be made here: {(done.stdout + done.stderr)[-300:]}")
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")  # as the image has it
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    bundle = "etc/ssl/certs/ca-certificates.crt"  # whom this machine trusts, for pip
    shutil.copyfile(f"/{bundle}", root / bundle)
    (root / "data").mkdir()


def build(root: Path) -> None:
    """Run the steps of the image's first stage; both stages are one root here."""
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
            finished([program("chroot"), str(root), "sh", "-ec", inside])
    shutil.rmtree(workdir)


def finished(command: list[str]) -> str:
    """What a command that may need the package index said; skips where that cannot be reached."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout[-4000:] + done.stderr[-4000:]
    if any(why in said for why in UNREACHABLE):
        pytest.skip(f"the package index cannot be reached from a root of its own: {command[-1]}")
    assert done.returncode == 0, command[-1] + said
    return said


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
