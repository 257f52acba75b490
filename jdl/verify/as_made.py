"""A release made again with the code of its own time, from this project's history."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jdl import manifest
from jdl.manifest import COMMIT, ROOT
from jdl.release import Places, Refused
from jdl.verify.inputs import environment_changes

_DRIVER = """\
import json, sys
from dataclasses import replace
from pathlib import Path
from jdl import cohorts, manifest
from jdl.release import Places, inputs_of, open_month, run_release, run_request
asked = json.loads(sys.argv[1])
places, repeats = Places(*map(Path, asked["places"])), Path(asked["repeats"])
if __name__ == "__main__":
    given = {"repeats": repeats, "tell": lambda news: None}
    if asked["request"]:
        done = run_request(asked["request"], places, **given)
    else:
        done = run_release(asked["release"], places, jobs=asked["jobs"], **given)
    month = open_month(asked["release"], places, only=asked["request"])
    made = {"schema": None, "release": asked["release"]}
    made |= {"published_at": month.release.published_at.isoformat(), **inputs_of(month)}
    made["inputs"][cohorts.TOLD] = cohorts.results(cohorts.kept(places.restricted, repeats))
    failures = [f"{one.name} stopped: {one.message.rstrip('.')}" for one in done.failures]
    Path(asked["told"]).write_bytes(manifest.dump({"failures": failures, "made": made}))
"""


def hold_to_history(made: Mapping[str, Any]) -> str:
    """Return the commit that a manifest names.

    Parameters
    ----------
    made : dict
        The manifest.

    Raises
    ------
    Refused
        If it names none, the code had been changed since that, it is not in this project's
        history, or other packages are installed than then.
    """
    code = made["code"]
    commit = code.get("commit")
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        raise _refused("its manifest names no commit, so that its code cannot be found")
    if code.get("changed_since") is not False:
        raise _refused(f"its code had been changed since the commit {commit[:12]}")
    if not manifest.in_history(commit, ROOT):
        raise _refused(f"the commit {commit[:12]} is not in the history of {ROOT}")
    differ = [
        f"{one.what.rpartition('.')[2]} was {one.then}, is {one.now}"
        for one in environment_changes(made["environment"], manifest.environment())
        if one.what.startswith(("python", "packages.", "dependencies."))
    ]
    if differ:
        raise _refused(f"the packages are not those of then: {'; '.join(differ)}")
    return commit


def _refused(why: str) -> Refused:
    return Refused(f"It cannot be made again as it was made: {why}.")


def run(
    commit: str,
    expected: str,
    places: Places,
    release: str,
    request: str | None,
    repeats: Path,
    jobs: int | None,
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Run a release or a request with the code of a commit.

    Parameters
    ----------
    commit : str
        From `hold_to_history`.
    expected : str
        The hash of its code, as the manifest has it.
    places : Places
        Scratch, with a vintage that may be prepared anew.
    release : str
    request : str, optional
        The one that is wanted; all of the release without it.
    repeats : Path
        The manifest that is repeated.
    jobs : int, optional

    Returns
    -------
    tuple of tuple of str and dict
        Why a notebook stopped, and what it was made from as that code tells it.

    Raises
    ------
    Refused
        If that code is another than the manifest's, or cannot do it.
    """
    code, told = places.outputs.parent / "code", places.outputs.parent / "told.json"
    if not manifest.unpack(commit, code, root=ROOT):
        raise _refused(f"git cannot unpack the commit {commit[:12]}")
    asked = {
        "places": [
            str(place.resolve()) for place in (places.data, places.requests, places.outputs)
        ],
        "repeats": str(repeats.resolve()),
        "release": release,
        "request": request,
        "jobs": jobs,
        "told": str(told),
    }
    if manifest.code(code)["sha256"] != expected:
        raise _refused(f"the code of {commit[:12]} is not that which its manifest names")
    environment = {**os.environ, "PYTHONPATH": str(code)}
    ended = subprocess.run(
        [sys.executable, "-c", _DRIVER, json.dumps(asked)],
        cwd=code,
        env=environment,
        capture_output=True,
        check=False,
    )
    if ended.returncode or not told.exists():
        last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
        faults = last[0].removeprefix("jdl.faults.Unusable: ") if last else "no reason"
        known = faults if last and last[0].startswith("jdl.faults.") else faults.partition(":")[0]
        raise _refused(f"the code of {commit[:12]} ended with {known}")
    found = json.loads(told.read_text(encoding="utf-8"))
    return tuple(found["failures"]), found["made"]
