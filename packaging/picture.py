"""Draw docs/panel.png: the dashboard on the demo's data, as a browser shows it.

    .venv/bin/python packaging/picture.py [chromium]

Plays the demo into a folder of its own, starts the dashboard on a free port, and lets a headless Chromium look at it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "panel.png"
GONOGO = str(Path(sys.executable).with_name("gonogo"))
DEPENDENCY = "sentiment-v3"
# The page draws once its stream of changes is open, which never ends: the browser's own clock decides when to look.
DRAWN_MS = 8_000


def main() -> None:
    """Play, serve, look."""
    browser = sys.argv[1] if len(sys.argv) > 1 else "chromium"
    with tempfile.TemporaryDirectory(prefix="gonogo-picture-") as folder:
        demo = Path(folder) / "demo"
        played = subprocess.run(
            [GONOGO, "demo", "--folder", str(demo)], check=True, capture_output=True, text=True
        )
        [(store, config)] = re.findall(r"--store\s+(\S+)\s+--config\s+(\S+)", played.stdout)
        command = [GONOGO, "--store", store, "--config", config]
        with subprocess.Popen(
            [*command, "dashboard", "--host", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as served:
            try:
                said = served.stdout.readline() if served.stdout else ""
                [address] = re.findall(r"http://[\d.:]+", said)
                look(browser, f"{address}/#view=dependency&dependency={DEPENDENCY}", Path(folder))
            finally:
                served.terminate()


def look(browser: str, address: str, folder: Path) -> None:
    """Have a page drawn at twice the size of a small window."""
    subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu"),
            *(f"--user-data-dir={folder / 'browser'}", "--window-size=1180,602"),
            *(f"--virtual-time-budget={DRAWN_MS}", f"--screenshot={PICTURE}", address),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    print(f"{PICTURE.relative_to(ROOT)}: {address}")


if __name__ == "__main__":
    main()
