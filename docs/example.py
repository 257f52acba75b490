"""Make the example releases that the documentation keeps, and the README's pictures of them.

`make example` makes the synthetic data where missing, releases January to March 2014 and the yearly
review into a folder of its own and keeps them, but for run.json, which tells the times and the
host of a run.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MONTHS = ("2014-01", "2014-02", "2014-03")
YEAR = "2014"
FOLDERS = (*MONTHS, f"yearly-{YEAR}")
LEFT_OUT = shutil.ignore_patterns("run.json")
PICTURES = {
    "report": "2014-03/reports/harbour-mentoring/report.html",
    "bulletin": "2014-03/bulletin/bulletin.html",
    "release": "2014-03/index.html",
}
SIZE = (1280, 1600)
_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def make(outputs: Path) -> None:
    """Release the months, each after the one before it, and review the year."""
    command = Path(sys.executable).with_name("jdl")
    for asked in [*(("release", month) for month in MONTHS), ("yearly", YEAR)]:
        subprocess.run([command, *asked, "--outputs", outputs], cwd=ROOT, check=True)


def keep(outputs: Path) -> Path:
    """Put the releases in place of those that the documentation keeps."""
    kept = HERE / "example"
    shutil.rmtree(kept, ignore_errors=True)
    for name in FOLDERS:
        shutil.copytree(outputs / name, kept / name, ignore=LEFT_OUT)
    for path in [kept, *kept.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return kept


def picture(page: Path, to: Path) -> None:
    """Show a page as Chromium does."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("Chromium is missing: install the Debian package chromium.")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        subprocess.run(
            [
                *(browser, *_QUIET, f"--user-data-dir={profile}"),
                *("--window-size={},{}".format(*SIZE), f"--screenshot={to}", page.as_uri()),
            ],
            check=True,
            capture_output=True,
        )


def main() -> None:
    """Make, keep and picture the example."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--outputs", type=Path, help="a folder where they are made already")
    given = asked.parse_args().outputs
    with tempfile.TemporaryDirectory() as scratch:
        outputs = given or Path(scratch)
        if not given:
            make(outputs)
        kept = keep(outputs)
    pictures = HERE / "pictures"
    pictures.mkdir(exist_ok=True)
    for name, page in PICTURES.items():
        picture(kept / page, pictures / f"{name}.png")
    print(f"Done. Look at {kept / PICTURES['release']}")


if __name__ == "__main__":
    main()
