"""The README's commands on a machine that has Python, make and git, and an empty home."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

from debian_root import finished
from environments import ROOT

OWNER = "1000:1000"
# The whole of `make test` takes its ten minutes; that it sets itself up, starts and runs is seen on these.
PART = "tests/setup tests/ingest tests/e2e/test_setup_commands.py"
STRANGER = """
mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev \
&& exec chroot --userspec={owner} {root} env -i HOME=/home/stranger PATH=/usr/bin:/bin {environ} sh -ec {command}
"""


def stranger(root: Path, command: str, **environ: str) -> list[str]:
    """A command as somebody types it who has just come."""
    script = STRANGER.format(
        root=shlex.quote(str(root)),
        owner=OWNER,
        environ=shlex.join(f"{name}={value}" for name, value in environ.items()),
        command=shlex.quote(f"cd && {command}"),
    )
    return ["unshare", "--mount", "sh", "-ec", script]


def test_the_two_commands_of_the_readme(debian: Path) -> None:
    """`git clone`, `make demo` and `make test`, as they stand there, of what was committed."""
    home = debian / "home/stranger"
    home.mkdir()
    subprocess.run(["git", "clone", "-q", "--bare", ROOT, debian / "srv/gonogo"], check=True)
    subprocess.run(["chown", "-R", OWNER, home, debian / "srv/gonogo"], check=True)
    block = re.search(r"```sh\n(git clone .*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    clone, demo, test = (line.partition("#")[0].strip() for line in block[1].splitlines())
    clone = re.sub(r"https://\S+", "/srv/gonogo", clone)
    shown = finished(stranger(debian, f"{clone} && {demo}"))
    assert "preflight" in shown
    assert "NO-GO" in shown
    told = finished(stranger(debian, f"cd gonogo && {test}", PYTEST_ADDOPTS=PART))
    assert re.search(r"coherence: [\d,]+ answers", told), told
    shutil.rmtree(home)
