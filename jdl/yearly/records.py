"""What is at hand: finished releases, the record of each report, and what changed in method."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from jdl.log import Release, read_release

CHANGELOG = Path(__file__).resolve().parent.parent.parent / "CHANGELOG.md"


# --- Releases and reports -------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """The public record of one request.

    Parameters
    ----------
    release : str
        The release that published it.
    result : dict
        Content of ``result.json``.
    figures : dict
        Value and text by the name of the figure, from ``figures.json``; None where withheld.
    """

    release: str
    result: Mapping[str, Any]
    figures: Mapping[str, tuple[Any, str] | None]

    @property
    def id(self) -> str:
        """The request's id."""
        return str(self.result["request"]["id"])

    @property
    def programme(self) -> str:
        """What was delivered."""
        return str(self.result["request"]["programme"])

    @property
    def headline(self) -> Mapping[str, Any] | None:
        """Its headline analysis, where it was reported."""
        return next((one for one in self.result["analyses"] if one["headline"]), None)


def finished_releases(outputs: Path, year: int) -> tuple[str, ...]:
    """Return the finished releases that a year's review covers, in order.

    Parameters
    ----------
    outputs : Path
        The folder of releases.
    year : int

    Returns
    -------
    tuple of str
        Every one up to the last of the year; empty where none of the year itself is finished.
    """
    found = sorted(file.parent.name for file in outputs.glob("[0-9]*/manifest.json"))
    names = [name for name in found if re.fullmatch(r"\d{4}-\d{2}", name) and int(name[:4]) <= year]
    return tuple(names) if any(name.startswith(f"{year:04}-") for name in names) else ()


def read_reports(outputs: Path, releases: Sequence[str]) -> tuple[Held, ...]:
    """Read the public record of every request in finished releases.

    Parameters
    ----------
    outputs : Path
        The folder of releases.
    releases : sequence of str
        In order; of a request published twice, the last counts.

    Returns
    -------
    tuple of Held
        In order of id.
    """
    held: dict[str, Held] = {}
    for release in releases:
        for file in sorted(outputs.glob(f"{release}/reports/*/result.json")):
            result = json.loads(file.read_text(encoding="utf-8"))
            told = json.loads((file.parent / "figures.json").read_text(encoding="utf-8"))
            values = {
                one["id"]: None if one["suppressed"] else (one["value"], one["text"])
                for one in told
            }
            held[file.parent.name] = Held(release, result, values)
    return tuple(held[name] for name in sorted(held))


def releases_to(requests_folder: Path, log: pd.DataFrame, last: str) -> tuple[Release, ...]:
    """Return the facts of every release that the log names, up to the last one.

    Parameters
    ----------
    requests_folder : Path
        Holds ``releases``; a release without a file there has plain defaults.
    log : DataFrame
        From ``log.read_log``.
    last : str
        ``YYYY-MM``.
    """
    names = sorted({name for name in log["release"].dropna() if name < last} | {last})
    return tuple(read_release(requests_folder, name) for name in names)


# --- Method --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A change of method.

    Parameters
    ----------
    on : date or None
        The day from which it holds; None where it has none yet.
    text : str
        As it was announced.
    source : str
        Where.
    """

    on: dt.date | None
    text: str
    source: str


_VERSION = re.compile(r"## \[?([^\]\s]+)\]?(?: - (\d{4}-\d{2}-\d{2}))?\s*$")


def methodology(changelog: Path) -> tuple[Change, ...]:
    """Read the changes of method that a changelog keeps apart from those of code.

    Parameters
    ----------
    changelog : Path
        Laid out as Keep a Changelog proposes, with a part called Methodology in a version; an
        installation may lack it.

    Returns
    -------
    tuple of Change
        In the file's order; dated as their version is. None without the file.
    """
    if not changelog.exists():
        return ()
    changes: list[Change] = []
    on, version, part = None, "", ""
    for line in changelog.read_text(encoding="utf-8").splitlines():
        if told := _VERSION.match(line):
            version, part = told[1], ""
            on = dt.date.fromisoformat(told[2]) if told[2] else None
        elif line.startswith("### "):
            part = line[4:].strip()
        elif part == "Methodology" and line.startswith("- "):
            changes.append(Change(on, _plain(line[2:]), f"Changelog, {version}"))
        elif part == "Methodology" and line.startswith("  ") and changes:
            before = changes.pop()
            changes.append(Change(on, f"{before.text} {_plain(line)}", before.source))
    return tuple(changes)


def _plain(text: str) -> str:
    return re.sub(r"\[([^\]]*)\]\([^)]*\)|`|\*\*", lambda m: m[1] or "", text.strip())


def changes(releases: Sequence[Release], changelog: Sequence[Change]) -> tuple[Change, ...]:
    """Return what changed in service and method, by date, up to the last release.

    Parameters
    ----------
    releases : sequence of Release
        Their words about the service are news of the day on which they were published.
    changelog : sequence of Change
        From `methodology`; those without a date, or with a later one, are left out.
    """
    until = releases[-1].published_at.date()
    told = [
        Change(release.published_at.date(), line.strip(), "Release")
        for release in releases
        for line in release.service_update.splitlines()
        if line.strip()
    ]
    dated_changes = [change for change in changelog if change.on is not None and change.on <= until]
    return tuple(sorted([*told, *dated_changes], key=lambda change: str(change.on)))


def made_with(outputs: Path, releases: Sequence[str]) -> pd.DataFrame:
    """Return what each finished release was made with, from its manifest.

    Parameters
    ----------
    outputs : Path
        The folder of releases.
    releases : sequence of str

    Returns
    -------
    DataFrame
        release, vintage, version and code, the hash of package, notebooks and templates.
    """
    rows = []
    for name in releases:
        made = json.loads((outputs / name / "manifest.json").read_text(encoding="utf-8"))
        code = made["code"]
        rows.append((name, made["vintage"]["name"], code["version"], code["sha256"]))
    return pd.DataFrame(rows, columns=["release", "vintage", "version", "code"])
