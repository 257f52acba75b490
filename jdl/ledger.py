"""The ledger of outcomes: when the outcomes of each request were first read.

From that day on a request can no longer be withdrawn: whoever has seen an answer must not be able
to make it unseen. The ledger is restricted; a statistician copies its dates into the log.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pandas as pd

from jdl import safekeeping
from jdl.faults import Fault, Unusable
from jdl.log import in_force

FILE = "outcomes_read.json"
PLANS = "first_plans.json"
STAGE = "effects"
"""The stage of a run in which outcomes are first read."""


def first_read(restricted: Path) -> dict[str, dt.date]:
    """Return the day on which the outcomes of each request were first read.

    Parameters
    ----------
    restricted : Path
        The folder that only its owner may read.

    Returns
    -------
    dict of str to date
        By the id of the request.

    Raises
    ------
    Unusable
        If the file is there and cannot be read.
    """
    try:
        return {name: dt.date.fromisoformat(day) for name, day in _kept(restricted, FILE).items()}
    except ValueError:
        raise _broken(FILE) from None


def enter(restricted: Path, request_id: str, on: dt.date) -> None:
    """Enter the day on which a request's outcomes were first read; a later one changes nothing.

    Parameters
    ----------
    restricted : Path
    request_id : str
    on : date
    """
    first_read(restricted)
    _keep(restricted, FILE, request_id, on.isoformat())


def keep_plan(
    restricted: Path, request_id: str, plan: str, *, corrected: bool = False
) -> str | None:
    """Keep the fingerprint of the plan under which a request's outcomes were first read.

    Parameters
    ----------
    restricted : Path
    request_id : str
    plan : str
        Of the run in hand.
    corrected : bool
        Whether the request states a correction, which says why.

    Returns
    -------
    str or None
        What has to be said where it is another than the first; None where it is the same.
    """
    first = _keep(restricted, PLANS, request_id, plan)
    if first == plan:
        return None
    return (
        f"{request_id}: its plan is another ({plan[:8]}) than when its outcomes were first read "
        f"({first[:8]}). "
    ) + (
        "The correction that it states has to say why."
        if corrected
        else "Publish it as a correction that says why, or restore the plan."
    )


def _kept(restricted: Path, name: str) -> dict[str, str]:
    file = restricted / name
    try:
        kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    except (OSError, ValueError):
        raise _broken(name) from None
    if not isinstance(kept, dict) or not all(isinstance(value, str) for value in kept.values()):
        raise _broken(name)
    return kept


def _keep(restricted: Path, name: str, request_id: str, value: str) -> str:
    """Keep the first value of a request, and return it."""
    restricted.mkdir(mode=0o700, parents=True, exist_ok=True)
    with safekeeping.alone(restricted / ".ledger.lock"):
        kept = _kept(restricted, name)
        if request_id not in kept:
            kept[request_id] = value
            content = json.dumps(dict(sorted(kept.items())), indent=1) + "\n"
            safekeeping.write(restricted / name, content.encode())
    return kept[request_id]


def _broken(name: str) -> Unusable:
    return Unusable(
        [
            Fault(
                f".restricted/{name}",
                "the ledger of outcomes must be JSON with one entry for each request",
                "Restore it from a backup: without it nobody can tell what may be withdrawn",
            )
        ]
    )


def hold(log: pd.DataFrame, read: dict[str, dt.date]) -> list[Fault]:
    """Hold the log against the ledger.

    Parameters
    ----------
    log : DataFrame
        From ``log.read_log``.
    read : dict of str to date
        From `first_read`.

    Returns
    -------
    list of Fault
        One a request that the log calls withdrawn though its outcomes were read: whatever day it
        gives, no run reads the outcomes of a request that is withdrawn already.
    """
    held = in_force(log)
    withdrawn = held.loc[held["status"] == "withdrawn", "id"]
    return [
        Fault(
            "log.csv",
            f"{name}: a request can be withdrawn only before its outcomes are read, and these "
            f"were read on {read[name].isoformat()}",
            "Publish its report",
            "status",
        )
        for name in withdrawn
        if name in read
    ]


def unwritten(log: pd.DataFrame, read: dict[str, dt.date], ids: list[str]) -> list[str]:
    """Say which days the log does not yet hold.

    Parameters
    ----------
    log : DataFrame
    read : dict of str to date
    ids : list of str
        The requests in hand.

    Returns
    -------
    list of str
        A sentence a day.
    """
    held = in_force(log).set_index("id")["outcomes_read"]
    missing = [one for one in ids if one in read and one in held.index and pd.isna(held[one])]
    return [
        f"Outcomes of {', '.join(one for one in missing if read[one] == day)} were first read on "
        f"{day.isoformat()}: write that day as "
        "outcomes_read in log.csv; from then on a request can no longer be withdrawn."
        for day in sorted({read[one] for one in missing})
    ]
