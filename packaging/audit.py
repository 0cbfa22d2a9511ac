"""Asks the public advisories about every pinned dependency; honest where they cannot be reached.

Ends with 0 where nothing is known against any. What could not be asked about it says; with
AUDIT_REQUIRED=1 that is a failure too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "peers"))


def main() -> int:
    """Run it; what it found goes to standard output."""
    from environments import python_environment

    python = python_environment("pip-audit")
    command = [
        str(python),
        "-m",
        "pip_audit",
        "--no-deps",
        "--disable-pip",
        "--progress-spinner",
        "off",
    ]
    done = subprocess.run(
        [*command, "--format", "json", "--timeout", "10", "-r", str(ROOT / "requirements.lock")],
        check=False,
        capture_output=True,
        text=True,
    )
    try:
        found = json.loads(done.stdout)["dependencies"]
    except ValueError:  # it ended before it had asked
        print(done.stderr, end="", file=sys.stderr)
        found = []
    # pip-audit passes over what its source does not know, and then finds nothing against it.
    asked = [one for one in found if "skip_reason" not in one]
    known = [f"{one['name']} {one['version']}: {v['id']}" for one in asked for v in one["vulns"]]
    print("\n".join([*known, f"audit: {len(known)} advisories; {len(asked)} packages checked"]))
    if len(asked) < len(found) or not found:
        print(
            f"audit: NOT CHECKED: {len(found) - len(asked) or 'all'}; the advisories could not be had"
        )
        return int(bool(known) or os.environ.get("AUDIT_REQUIRED") == "1")
    return int(bool(known))


if __name__ == "__main__":
    sys.exit(main())
