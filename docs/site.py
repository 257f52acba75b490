"""Build the site for the working statistician: how to run a month, the methods, the glossary.

`make site` writes it to outputs/site, with the walk-throughs of outputs/learn that are of made-up
people.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from jdl.site import build


def main() -> None:
    """Build it."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--outputs", type=Path, default=Path("outputs"), help="where it goes")
    outputs = asked.parse_args().outputs
    files = build(outputs / "site", outputs / "learn")
    print(f"Done, {len(files)} files. Look at {outputs / 'site' / 'index.html'}")


if __name__ == "__main__":
    main()
