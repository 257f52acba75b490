"""The record of verifications: the last verdict on each release, by its very manifest."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from jdl.release import Refused
from jdl.safekeeping import write

FILE = "verified.json"
CLEAN, DIFFERS, PUBLISHED_ONLY = "clean", "differs", "published aggregates only"
_VERDICTS = (CLEAN, DIFFERS, PUBLISHED_ONLY)


def verdict_on(restricted: Path, identity: str) -> str | None:
    """Return the last verdict on a manifest, such as `CLEAN`; None where there is none.

    Parameters
    ----------
    restricted : Path
        The folder that only its owner may read.
    identity : str
        The SHA-256 of the manifest.

    Raises
    ------
    Refused
        If the record is there and cannot be read.
    """
    entry = _kept(restricted).get(identity)
    return None if entry is None else str(entry["verdict"])


def verified_on(restricted: Path, identity: str) -> dt.date | None:
    """Return the day of the last verdict on a manifest, as `verdict_on` returns the verdict."""
    entry = _kept(restricted).get(identity)
    return None if entry is None else dt.date.fromisoformat(entry["on"])


def revoke(restricted: Path, identity: str) -> None:
    """Take back an earlier verdict: until a verification has ended, there is none."""
    kept = _kept(restricted)
    if kept.pop(identity, None):
        keep(restricted / FILE, kept)


def record(restricted: Path, identity: str, release: str, verdict: str, on: dt.date) -> None:
    """Record a verdict on a release; it stands in place of an earlier one on the same manifest."""
    kept = _kept(restricted)
    kept[identity] = {"release": release, "on": on.isoformat(), "verdict": verdict}
    keep(restricted / FILE, kept)


def _kept(restricted: Path) -> dict[str, dict[str, str]]:
    file = restricted / FILE
    try:
        kept: dict[str, dict[str, str]] = (
            json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        )
        for entry in kept.values():
            dt.date.fromisoformat(entry["on"])
        if all(entry["verdict"] in _VERDICTS for entry in kept.values()):
            return kept
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise Refused(
        f"{file} cannot be read as the record of verifications. Move it away and verify again: "
        "what it held can be found out anew."
    )


def keep(file: Path, content: Any) -> None:
    """Write a restricted record in one step, for its owner only."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write(file, f"{json.dumps(content, indent=1, ensure_ascii=False)}\n".encode())
