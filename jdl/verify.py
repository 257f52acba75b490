"""Verification: a finished release is made again from its inputs, and every file compared.

It is made in private scratch space, which sees the earlier releases that it told of and a copy of
what is restricted, so that nothing that is kept is written to. The prepared national data are not
made again. What was found is recorded for the very manifest that was looked at: a release that is
made again must be verified again.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jdl import cohorts, manifest
from jdl.forms import MONTH
from jdl.manifest import MANIFEST
from jdl.release import Places, Refused, alone, run_release
from jdl.safekeeping import write
from jdl.workers import USUAL, Limits, Tell

FILE = "verified.json"
CLEAN, DIFFERS = "clean", "differs"
_SCRATCH = "verify"
WITHOUT_EFFECT = ("log.csv", "the code", "the environment")
"""Inputs that go on changing; where every file comes out the same, they are only told."""
_SHOWN = 3


@dataclass(frozen=True)
class Verdict:
    """What a verification has found.

    Parameters
    ----------
    release : str
        ``YYYY-MM``.
    manifest : str
        The SHA-256 of the manifest that was looked at.
    files : int
        How many files it lists.
    differing : tuple of str
        Those that are not as they come out again, by path.
    changed : tuple of str
        Inputs that are no longer those recorded.
    stopped : tuple of str
        Why it could not be made again, where that is so.
    """

    release: str
    manifest: str
    files: int
    differing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether every file comes out the same again, from the inputs that are recorded."""
        telling = set(self.changed) - set(WITHOUT_EFFECT)
        return not (self.differing or telling or self.stopped)

    @property
    def line(self) -> str:
        """What there is to say, in one line."""
        since = f"changed since: {', '.join(self.changed)}" if self.changed else ""
        if self.clean:
            same = f"{self.release}: clean, each of its {self.files} files comes out the same again"
            return f"{same} ({since})." if since else f"{same}."
        found = [*self.stopped, _listed(self.differing, self.files), since]
        return f"{self.release}: {DIFFERS}. " + "; ".join(filter(None, found)) + "."


def _listed(differing: Sequence[str], files: int) -> str:
    if not differing:
        return ""
    more = len(differing) - _SHOWN
    names = ", ".join(differing[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return f"{len(differing)} of {files} files: {names}"


def verify(
    folder: Path,
    places: Places,
    *,
    jobs: int | None = None,
    limits: Limits = USUAL,
    tell: Tell,
    on: dt.date,
) -> Verdict:
    """Make a finished release again, compare every file with its manifest, and record the verdict.

    Parameters
    ----------
    folder : Path
        Of the release.
    places : Places
        Its ``outputs`` hold the earlier releases and what is restricted.
    jobs, limits, tell
        As for ``release.run_release``.
    on : date
        The day, for the record.

    Returns
    -------
    Verdict

    Raises
    ------
    Unusable
        If an input can no longer be used.
    Refused
        If the folder is no finished release, if another command is at work in the outputs folder,
        if the log and the requests disagree, or if what comes out would tell who people are. An
        earlier verdict no longer stands then, nor after any other end before this one's.
    """
    made = _read(folder)
    with alone(places):
        _revoke(places.restricted, manifest.digest_manifest(folder))
        verdict = _torn(folder, made) or _made_again(folder, made, places, jobs, limits, tell)
        _record(places.restricted, verdict, on)
    return verdict


def _read(folder: Path) -> dict[str, Any]:
    """Return the manifest of a release, of the shape that `told` reads."""
    try:
        made: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        months = (made["release"], *made["inputs"]["earlier"])
        if made["files"].keys() and told(made) and all(map(MONTH.fullmatch, months)):
            return made
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise Refused(
        f"{folder} is no finished release: it has no {MANIFEST} of one. Name the folder of a "
        "release, or its month, such as: jdl verify 2014-03"
    )


def _torn(folder: Path, made: Mapping[str, Any]) -> Verdict | None:
    """Return the verdict on a folder that is not even as its own manifest has it."""
    found = manifest.file_hashes(folder)
    if differing := _differing(made["files"], found):
        return Verdict(
            made["release"], manifest.digest_manifest(folder), len(made["files"]), differing
        )
    return None


def _results(files: Mapping[str, str]) -> dict[str, str]:
    return {name: hashed for name, hashed in files.items() if not manifest.is_record(name)}


def _untrue(folder: Path, made: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the records of a release that tell otherwise than its manifest, from which they follow.

    Another version of the code may have written them otherwise.
    """
    if made["code"]["sha256"] != manifest.code()["sha256"]:
        return ()
    told = manifest.records(made).items()
    return tuple(name for name, content in told if (folder / name).read_bytes() != content)


def _differing(listed: Mapping[str, str], found: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name in sorted({*listed, *found}) if listed.get(name) != found.get(name))


def _made_again(
    folder: Path,
    made: Mapping[str, Any],
    places: Places,
    jobs: int | None,
    limits: Limits,
    tell: Tell,
) -> Verdict:
    release, files = made["release"], made["files"]
    identity = manifest.digest_manifest(folder)
    with _scratch(places, release, made["inputs"]["earlier"]) as scratch:
        try:
            summary = run_release(
                release, scratch, jobs=jobs, limits=limits, repeats=folder / MANIFEST, tell=tell
            )
        except Refused as refused:
            raise Refused(_where(str(refused), scratch, places)) from None
        if summary.failures:
            stopped = tuple(
                f"{one.name} stopped: {_where(one.message, scratch, places).rstrip('.')}"
                for one in summary.failures
            )
            return Verdict(release, identity, len(files), stopped=stopped)
        again = scratch.outputs / release
        differing = _differing(_results(files), _results(manifest.file_hashes(again)))
        differing = tuple(sorted({*differing, *_untrue(folder, made)}))
        differences = changed(made, _read(again))
    return Verdict(release, identity, len(files), differing, differences)


def _where(message: str, scratch: Places, places: Places) -> str:
    """Name a log where it is kept."""
    kept = places.restricted / "logs" / _SCRATCH
    return message.replace(str(scratch.restricted / "logs"), str(kept))


@contextmanager
def _scratch(places: Places, release: str, earlier: Mapping[str, str]) -> Iterator[Places]:
    """Lay out an outputs folder that is as the real one was for this release; clear it at the end.

    Logs go to the real restricted folder, all else that is restricted is a copy.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{_SCRATCH}-"))
    scratch = Places(places.data, places.requests, folder / "outputs")
    try:
        shutil.copytree(
            places.restricted,
            scratch.restricted,
            ignore=lambda at, names: _left_out(Path(at), names, places.restricted),
        )
        logs = places.restricted / "logs" / _SCRATCH
        logs.mkdir(parents=True, exist_ok=True)
        (scratch.restricted / "logs").symlink_to(logs.resolve())
        for name in sorted(earlier):
            (scratch.outputs / name).symlink_to((places.outputs / name).resolve())
        yield scratch
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _left_out(at: Path, names: Sequence[str], restricted: Path) -> set[str]:
    return {"logs", "scratch", "superseded"} & set(names) if at == restricted else set()


def told(made: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the hash of everything that a release was made from, by what it is called.

    Parameters
    ----------
    made : dict
        Its manifest.
    """
    inputs, tables = made["inputs"], manifest.tables_of(made)
    vintage = {key: value for key, value in made["vintage"].items() if key != "tables"}
    return {
        **{
            f"{kind} of {request_id}": value
            for request_id, hashes in inputs["requests"].items()
            for kind, value in hashes.items()
        },
        "log.csv": inputs["log.csv"],
        f"releases/{made['release']}.toml": inputs["release"],
        "what was told before": manifest.digest_json(cohorts.named(made)),
        **{f"the results of {name}": value for name, value in inputs["earlier"].items()},
        **{f"{name} of the vintage": table["sha256"] for name, table in tables.items()},
        **{
            f"columns of {name} of the vintage": manifest.digest_json(table["columns"])
            for name, table in tables.items()
            if "columns" in table
        },
        "the vintage": manifest.digest_json(vintage),
        "the code": made["code"]["sha256"],
        "the environment": manifest.digest_json(made["environment"]),
        "the parameters": manifest.digest_json([made["parameters"], made["seed"]]),
    }


def changed(made: Mapping[str, Any], again: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the inputs that two manifests do not tell the same of.

    Parameters
    ----------
    made, again : dict
        Manifests of one release.

    Returns
    -------
    tuple of str
        As `told` calls them.
    """
    before, now = map(told, manifest.comparable(made, again))
    absent = object()
    return tuple(
        name
        for name in dict.fromkeys((*before, *now))
        if before.get(name, absent) != now.get(name, absent)
    )


# The record


def verdict_on(restricted: Path, identity: str) -> str | None:
    """Return the last verdict on a manifest, `CLEAN` or `DIFFERS`; None where there is none.

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


def _revoke(restricted: Path, identity: str) -> None:
    """Take back an earlier verdict: until a verification has ended, there is none."""
    kept = _kept(restricted)
    if kept.pop(identity, None):
        keep(restricted / FILE, kept)


def _record(restricted: Path, verdict: Verdict, on: dt.date) -> None:
    """Record a verdict; it stands in place of an earlier one on the same manifest."""
    kept = _kept(restricted)
    kept[verdict.manifest] = {
        "release": verdict.release,
        "on": on.isoformat(),
        "verdict": CLEAN if verdict.clean else DIFFERS,
    }
    keep(restricted / FILE, kept)


def _kept(restricted: Path) -> dict[str, dict[str, str]]:
    file = restricted / FILE
    try:
        kept: dict[str, dict[str, str]] = (
            json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        )
        for entry in kept.values():
            dt.date.fromisoformat(entry["on"])
        if all(entry["verdict"] in (CLEAN, DIFFERS) for entry in kept.values()):
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
