"""What a scan took for a person and a statistician decided is none, so that it stops no release.

A decision holds for one word, pair, day or code in files of one name, wherever they are. It is kept
by a keyed fingerprint, the mark, never by what was found; that stands in the restricted log beside
its mark. What is of a person of an upload, a reference, and what cannot be read are not decided on.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from jdl import safekeeping
from jdl.faults import Fault, Unusable
from jdl.review import is_role
from jdl.scan import Find, Scan

FILE = "scan_decisions.json"
SCHEMA = 1
_DIGITS = 12
_FEWEST = 10


def decided(found: Scan, restricted: Path) -> Scan:
    """Return a scan without what statisticians have accepted, and note how much that is.

    Parameters
    ----------
    found : Scan
    restricted : Path
        The folder that only its owner may read.

    Returns
    -------
    Scan

    Raises
    ------
    Unusable
        If the file of decisions cannot be read.
    """
    kept = _read(restricted)
    left, accepted = [], set()
    for find in found.finds:
        marks = {value: _mark(kept["key"], find, value) for value in find.values}
        passed = {one for one in marks if _may_pass(find, one) and marks[one] in kept["accepted"]}
        accepted |= {marks[value] for value in passed}
        values = tuple(value for value in find.values if value not in passed)
        if values or not passed:
            left.append(replace(find, values=values, count=max(len(values), 1)))
    if not accepted:
        return found
    posts = sorted({kept["accepted"][mark]["role"] for mark in accepted})
    note = f"Taken for people and accepted: {len(accepted)}, decided by {', '.join(posts)}."
    return Scan(tuple(left), (*found.notes, note))


def told(found: Scan, restricted: Path) -> str:
    """Return what was found with its marks, for the restricted log, and keep what they stand for.

    Parameters
    ----------
    found : Scan
    restricted : Path

    Returns
    -------
    str
    """
    lines = []
    with _open(restricted) as kept:
        for find in found.finds:
            lines.append(f"{find.file}: {find.kind}")
            for value in find.values:
                mark = _mark(kept["key"], find, value)
                if may := _may_pass(find, value):
                    kept["found"][mark] = {"file": Path(find.file).name, "kind": find.kind}
                lines.append(f"    {value}  [{mark if may else 'of a person of an upload'}]")
    return "\n".join(lines) + "\n"


def accept(restricted: Path, mark: str, reason: str, role: str, day: dt.date) -> str:
    """Decide that what a mark stands for tells of nobody.

    Parameters
    ----------
    restricted : Path
    mark : str
        As the restricted log has it.
    reason : str
        Ten letters or more.
    role : str
        Of who decides; a post, never a name.
    day : date

    Returns
    -------
    str
        What holds now, in words.

    Raises
    ------
    Unusable
        With every fault of the decision.
    """
    if faults := list(_faults(_read(restricted), mark, reason, role)):
        raise Unusable(faults)
    with _open(restricted) as kept:
        what = kept["found"][mark]
        kept["accepted"][mark] = {**what, "reason": reason, "role": role, "day": day.isoformat()}
    return f"{mark} ({what['kind']}) passes in every {what['file']} from now on."


def _faults(kept: dict[str, Any], mark: str, reason: str, role: str) -> Iterator[Fault]:
    if mark not in kept["found"]:
        rule = "it must be the mark of something that was found and may be accepted"
        yield Fault("--accept", rule, "Take it from the restricted log of the scan")
    if len(reason.strip()) < _FEWEST:
        rule = "a decision must have a reason, ten letters or more"
        yield Fault("--reason", rule, "Say why what was found tells of nobody")
    if not is_role(role):
        rule = "it must be a post, 3 to 60 letters and digits"
        yield Fault("--role", rule, "Write it such as: statistician 1")


def _may_pass(find: Find, value: str) -> bool:
    return value not in find.firm


def _mark(key: str, find: Find, value: str) -> str:
    told = json.dumps([Path(find.file).name, find.kind, value])
    return hmac.new(bytes.fromhex(key), told.encode(), hashlib.sha256).hexdigest()[:_DIGITS]


@contextmanager
def _open(restricted: Path) -> Iterator[dict[str, Any]]:
    """Hold the file while it is changed, and write it in one step."""
    restricted.mkdir(mode=0o700, parents=True, exist_ok=True)
    with safekeeping.alone(restricted / ".scan.lock"):
        kept = _read(restricted)
        yield kept
        safekeeping.write(restricted / FILE, (json.dumps(kept, indent=1) + "\n").encode())


def _read(restricted: Path) -> dict[str, Any]:
    file = restricted / FILE
    if not file.exists():
        return {"schema": SCHEMA, "key": secrets.token_hex(32), "found": {}, "accepted": {}}
    try:
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        bytes.fromhex(kept["key"])
        for one in (*kept["found"].values(), *kept["accepted"].values()):
            _ = one["file"], one["kind"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        rule = "it must be as `jdl scan` left it"
        raise Unusable([Fault(FILE, rule, "Restore it from a backup, or remove it")]) from None
    return kept
