"""Make the example release that the documentation keeps, and the README's pictures of it.

`make example` makes the synthetic data where missing, releases January to March 2014 into a folder
of its own and keeps March: its pages, PDFs, spreadsheets and data files. The executed notebooks are
left out for their size, and so is run.json, which tells the times and the host of the run.
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
LEFT_OUT = shutil.ignore_patterns("notebook.ipynb", "run.json")
PICTURES = {
    "report": ("reports/harbour-mentoring/report.html", 1280, 1500),
    "bulletin": ("bulletin/bulletin.html", 1280, 1500),
    "release": ("index.html", 1280, 1500),
}
_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def make(outputs: Path) -> Path:
    """Release the months, each after the one before it, and return the folder of the last."""
    command = Path(sys.executable).with_name("jdl")
    for month in MONTHS:
        subprocess.run([command, "release", month, "--outputs", outputs], cwd=ROOT, check=True)
    return outputs / MONTHS[-1]


def keep(release: Path) -> Path:
    """Put a release in place of the one that the documentation keeps."""
    kept = HERE / "example" / release.name
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(release, kept, ignore=LEFT_OUT)
    for path in [kept, *kept.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return kept


def picture(page: Path, to: Path, width: int, height: int) -> None:
    """Show a page as Chromium does."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("Chromium is missing: install the Debian package chromium.")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        subprocess.run(
            [
                *(browser, *_QUIET, f"--user-data-dir={profile}"),
                *(f"--window-size={width},{height}", f"--screenshot={to}", page.as_uri()),
            ],
            check=True,
            capture_output=True,
        )


def main() -> None:
    """Make, keep and picture the example."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--outputs", type=Path, help="a folder with the months already released")
    given = asked.parse_args().outputs
    with tempfile.TemporaryDirectory() as scratch:
        kept = keep(given / MONTHS[-1] if given else make(Path(scratch)))
    pictures = HERE / "pictures"
    pictures.mkdir(exist_ok=True)
    for name, (page, width, height) in PICTURES.items():
        picture(kept / page, pictures / f"{name}.png", width, height)
    print(f"Done. Look at {kept / 'index.html'}")


if __name__ == "__main__":
    main()
