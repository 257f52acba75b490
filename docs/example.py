"""Make the example release that the documentation keeps, and the README's pictures.

`make example` makes the synthetic data where missing, releases March 2014 into a folder of its own,
as `make release` does, and keeps it. The walk-through is made too, for its picture only. Notebooks
lose their outputs, which the audit copies show, and run.json, which tells the times and the host of
a run, is left out.
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
RELEASE = "2014-03"
LEFT_OUT = shutil.ignore_patterns("run.json")
PICTURES = {
    "report": "reports/harbour-mentoring/report.html",
    "bulletin": "bulletin/bulletin.html",
    "release": "index.html",
}
WALK = "learn/harbour-mentoring/walk-through.html"
SIZE = (1280, 1600)
_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def keep(release: Path) -> Path:
    """Put a release in place of the one that the documentation keeps, its notebooks stripped."""
    kept = HERE / "example" / release.name
    shutil.rmtree(kept.parent, ignore_errors=True)
    shutil.copytree(release, kept, ignore=LEFT_OUT)
    for path in [kept, *kept.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    strip = Path(sys.executable).with_name("nbstripout")
    subprocess.run([strip, "--keep-id", *sorted(kept.rglob("*.ipynb"))], check=True)
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
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--outputs", type=Path, help="a folder where it is made already")
    given = options.parse_args().outputs
    with tempfile.TemporaryDirectory() as scratch:
        outputs = given or Path(scratch)
        if not given:
            command = Path(sys.executable).with_name("jdl")
            for asked in (["release", RELEASE], ["learn", "--no-browser"]):
                subprocess.run([command, *asked, "--outputs", outputs], cwd=ROOT, check=True)
        kept = keep(outputs / RELEASE)
        pictures = HERE / "pictures"
        pictures.mkdir(exist_ok=True)
        picture(outputs / WALK, pictures / "walk-through.png")
    for name, page in PICTURES.items():
        picture(kept / page, pictures / f"{name}.png")
    print(f"Done. Look at {kept / PICTURES['release']}")


if __name__ == "__main__":
    main()
