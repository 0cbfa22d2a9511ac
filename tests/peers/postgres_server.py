"""A PostgreSQL server of a test's own, from the installed binaries, in a folder that goes away."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from environments import program

USER = "gonogo"
PASSWORD = "correct horse"  # noqa: S105 - of a server that lives as long as a test
# PostgreSQL refuses to run as root.
UNPRIVILEGED = "nobody"


@dataclass
class Server:
    """A server on a Unix socket in `folder`; `address` is that of its database."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """As `--store` takes it."""
        return f"postgresql://{USER}@/postgres?host={self.folder}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = (
            *("-D", str(self.folder / "data"), "-k", str(self.folder), "-h", ""),
            *("-c", "max_connections=100", "-c", "fsync=on", "-c", "log_min_messages=fatal"),
        )
        self.process = subprocess.Popen(
            [*as_user(), program("postgres"), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        pg_ready = [program("pg_isready"), "-q", "-h", str(self.folder), "-t", "1"]
        for _ in range(600):
            if subprocess.run(pg_ready, check=False).returncode == 0:
                return
            assert self.process.poll() is None, "PostgreSQL ended as it started"
        raise AssertionError("PostgreSQL does not answer")

    def run(self, statement: str) -> None:
        """Run a statement as the owner, by the server's own client."""
        command = [program("psql"), "-q", "-h", str(self.folder), "-U", USER, "-c", statement]
        subprocess.run([*command, "postgres"], check=True, stdout=subprocess.DEVNULL)

    def cpu_s(self) -> float:
        """CPU seconds that the server and its ended sessions have used."""
        first = (self.folder / "data" / "postmaster.pid").read_text().split()[0]
        fields = Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT asks every session to go, SIGQUIT is a crash."""
        if self.process is not None and self.process.poll() is None:
            first = (self.folder / "data" / "postmaster.pid").read_text().split()[0]
            os.kill(int(first), how)
            self.process.wait(120)


@contextmanager
def server(*, authentication: str = "trust") -> Iterator[Server]:
    """Make a cluster, run it, and take everything away."""
    folder = Path(tempfile.mkdtemp(prefix="gonogo-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, UNPRIVILEGED)
    made = Server(folder)
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(secret, UNPRIVILEGED)
        subprocess.run(
            [
                *(*as_user(), program("initdb"), "-D", str(folder / "data"), "-U", USER),
                *("--auth", authentication, "--pwfile", str(secret), "-E", "UTF8", "-N"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        made.start()
        yield made
    finally:
        made.stop(signal.SIGQUIT)  # all is thrown away: no checkpoint, which a busy disk makes long
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def standby(primary: Server) -> Iterator[Server]:
    """A second server that has every commit of the first before it is answered."""
    folder = Path(tempfile.mkdtemp(prefix="gonogo-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, UNPRIVILEGED)
    made = Server(folder)
    try:
        source = ("-h", str(primary.folder), "-U", USER, "-D", str(folder / "data"))
        subprocess.run(
            [*as_user(), program("pg_basebackup"), *source, "-R", "-X", "stream", "-c", "fast"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        made.start()
        primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.run("SELECT pg_reload_conf()")
        yield made
    finally:
        made.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


def as_user() -> list[str]:
    """What runs a program as somebody else than root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return []
    return [program("setpriv"), "--reuid", UNPRIVILEGED, "--clear-groups", "--"]
