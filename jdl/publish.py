"""Publication: a finished release goes to the public folder, whole or not at all.

It goes only when its moment has come, a post has signed this very release off, it came out the same
when it was made again, and nothing that goes into it has changed since; otherwise every reason is
told at once, and nothing is published. What is public is a copy: the release itself stays where it
is, private, since later months, corrections and verification read it. What only the provider sees
stays behind, and the public copy has a manifest of its own that lists what is there.
"""

from __future__ import annotations

import datetime as dt
import html
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jdl import manifest, signature, verify
from jdl.faults import Fault, Unusable
from jdl.log import ZONE, Release, in_zone, read_release
from jdl.manifest import HELD_BACK, MANIFEST
from jdl.release import Places, Refused, Summary, alone, inputs_now
from jdl.render import SYNTHETIC
from jdl.safekeeping import fresh, swap
from jdl.workers import RUN

FILE = "publications.json"
_SUPERSEDED = "superseded"
_LOG = "bulletin/log.csv"
_TAG = re.compile(r"<[^>]*>")
_DENIED = re.compile(r"\b(?:not|no label of|office for)\s+(?:official|national)\s+statistics", re.I)
_CLAIM = re.compile(
    r"(?:official|national|accredited)\s*statistic|accredited\s*by\s*the\s*office", re.I
)
_PRIVATE, _FOLDER_MODE, _FILE_MODE = 0o700, 0o755, 0o644


@dataclass(frozen=True)
class Finished:
    """A finished release, as it stands before publication.

    Parameters
    ----------
    name : str
        ``YYYY-MM``.
    folder : Path
    places : Places
    facts : Release
        What its release file says now.
    made : dict
        Its manifest; empty where it cannot be read.
    """

    name: str
    folder: Path
    places: Places
    facts: Release
    made: dict[str, Any]

    @property
    def identity(self) -> str:
        """The SHA-256 of its manifest."""
        return manifest.digest_manifest(self.folder)

    @property
    def files(self) -> dict[str, str]:
        """The hash of every file that is public, by its path."""
        return {
            name: value
            for name, value in self.made["files"].items()
            if name.rpartition("/")[2] not in HELD_BACK
        }

    def public_manifest(self) -> bytes:
        """Return the manifest of the public copy, which names the one that was signed."""
        told = {"files": self.files, manifest.RELEASED_AS: self.identity}
        return manifest.dump({**self.made, **told})


def publish(
    name: str,
    places: Places,
    public: Path,
    *,
    again: bool = False,
    now: dt.datetime | None = None,
) -> Summary:
    """Put a finished release into the public folder, whole or not at all.

    Parameters
    ----------
    name : str
        The release, ``YYYY-MM``.
    places : Places
    public : Path
        The public folder; made where it is missing. What comes into it can be read by everyone.
    again : bool
        Whether a corrected release replaces the one that is public, which is kept, restricted.
    now : datetime, optional
        With its zone; without it, what the machine's clock says.

    Returns
    -------
    Summary

    Raises
    ------
    Unusable
        If the release file cannot be used.
    Refused
        With every reason why it is not published, each with its remedy.
    """
    moment = in_zone(now)
    facts = read_release(places.requests, name)
    target = public / name
    _hold_there(places, name)
    with alone(places):
        done = _publications(places.restricted)
        _clear(public, name)
        finished = Finished(name, places.outputs / name, places, facts, _manifest_of(places, name))
        if _is_public(finished, target, done):
            since = _of(done, name)[-1]["at"]
            return Summary(target / "index.html", (f"{name} is already public, since {since}.",))
        if reasons := _reasons(finished, public, done, moment, again=again):
            raise _refused(name, reasons)
        kept = None
        with _truly_told(finished, target):
            if not _same_bytes(finished, target):
                kept = _keep_superseded(target, places.restricted, done)
                _put(finished, public)
            verify.keep(places.restricted / FILE, [*done, _entry(finished, moment, kept)])
    lines = [f"{name}: {len(finished.files)} files are public in {target}."]
    lines += [f"The version that was public is kept in {kept}."] if kept else []
    return Summary(target / "index.html", tuple(lines))


def _refused(name: str, reasons: Sequence[Fault]) -> Refused:
    return Refused("\n- ".join([f"{name} is not published:", *map(str, reasons)]))


def _hold_there(places: Places, name: str) -> None:
    """Refuse before anything is written where there are no releases."""
    if not places.outputs.is_dir():
        rule = "the folder of releases must be there"
        raise _refused(name, [Fault(str(places.outputs), rule, "Name it with --outputs")])


@contextmanager
def _truly_told(finished: Finished, target: Path) -> Iterator[None]:
    """Say that a release is public where the command is stopped after its move."""
    try:
        yield
    except (KeyboardInterrupt, OSError) as stopped:
        if not _same_bytes(finished, target):
            raise
        told = (
            f"Stopped, but {finished.name} is public already, in {target}; that is not recorded "
            "yet. Run the same command again to record it."
        )
        kind = KeyboardInterrupt if isinstance(stopped, KeyboardInterrupt) else Refused
        raise kind(told) from None


def awaited(name: str, places: Places) -> tuple[str, ...]:
    """Say what a release is signed as, and what is still missing before it can be published.

    Parameters
    ----------
    name : str
        A finished release.
    places : Places

    Returns
    -------
    tuple of str
        A line each; the moment of publication is told, not held against the clock.
    """
    facts = read_release(places.requests, name)
    finished = Finished(name, places.outputs / name, places, facts, _manifest_of(places, name))
    if not finished.made:
        return ()
    missing = [*_unstated(finished), *_unsigned(finished), *_unverified(finished)]
    out = _clocked(facts.due)
    return (
        f"Its fingerprint is {manifest.fingerprint(finished.folder)}; embargoed until {out}.",
        *(f"Before `jdl publish {name}`: {one}" for one in missing),
    )


def _manifest_of(places: Places, name: str) -> dict[str, Any]:
    try:
        made: dict[str, Any] = json.loads((places.outputs / name / MANIFEST).read_text("utf-8"))
        made["files"].items(), made["vintage"]["synthetic"], verify.told(made)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return made


def _is_public(finished: Finished, target: Path, done: Sequence[Mapping[str, Any]]) -> bool:
    """Whether these very files are public and their publication is recorded."""
    recorded = [one["manifest"] for one in _of(done, finished.name)][-1:]
    return bool(finished.made) and recorded == [finished.identity] and _same_bytes(finished, target)


def _same_bytes(finished: Finished, target: Path) -> bool:
    file = target / MANIFEST
    return (
        file.is_file()
        and file.read_bytes() == finished.public_manifest()
        and manifest.file_hashes(target) == finished.files
    )


# Why not


def _reasons(
    finished: Finished,
    public: Path,
    done: Sequence[Mapping[str, Any]],
    now: dt.datetime,
    *,
    again: bool,
) -> list[Fault]:
    """Return everything that stands against publication."""
    reasons = [*_misplaced(public, finished.places), *_unstated(finished)]
    reasons += [*_embargoed(finished, now), *_clock(done, now)]
    torn = _torn(finished)
    if finished.made:
        reasons += [*torn, *_changed(finished), *_unsigned(finished, now), *_unverified(finished)]
        reasons += [*_ahead(finished, public), *_mislabelled(finished)]
        reasons += _replaced(finished, public / finished.name, done, again=again)
    else:
        reasons += torn
    return reasons


def _misplaced(public: Path, places: Places) -> list[Fault]:
    """Keep the public folder apart from everything that is not public."""
    there = public.resolve()
    apart = {"--outputs": places.outputs, "--requests": places.requests, "--data": places.data}
    return [
        Fault(
            "--public",
            f"the public folder must lie outside that of {option}, and not around it",
            "Name another folder",
        )
        for option, folder in apart.items()
        if there.is_relative_to(folder.resolve()) or folder.resolve().is_relative_to(there)
    ]


def _torn(finished: Finished) -> list[Fault]:
    remedy = f"Make it again: jdl release {finished.name} --replace"
    if not finished.made:
        rule = "the release must be finished, with a manifest that can be read"
        return [Fault(str(finished.folder), rule, f"Make it: jdl release {finished.name}")]
    if wrong := manifest.broken(finished.folder):
        rule = f"the release must be as it was finished, but {wrong}"
        return [Fault(str(finished.folder), rule, remedy)]
    if strange := sorted({*manifest.file_hashes(finished.folder)} - {*finished.made["files"]}):
        rule = (
            f"the release must hold nothing that its manifest does not list, but has {strange[0]}"
        )
        return [Fault(str(finished.folder), rule, f"Remove it, or {remedy[0].lower()}{remedy[1:]}")]
    return []


def _file_of(finished: Finished) -> str:
    return f"releases/{finished.name}.toml"


def _unstated(finished: Finished) -> list[Fault]:
    where = _file_of(finished)
    if not finished.facts.stated:
        return [
            Fault(
                where,
                "a release must state when it is published, and who sees it before",
                "Write the file, then make the release again",
            )
        ]
    if "pre_release" in finished.facts.unstated:
        return [
            Fault(
                where,
                "a release must state the posts that have pre-release access",
                "Write them, or [] for nobody, then make the release again",
                "pre_release",
            )
        ]
    return []


def _clocked(moment: dt.datetime) -> str:
    return f"{in_zone(moment):%Y-%m-%d at %H:%M} ({ZONE})"


def _embargoed(finished: Finished, now: dt.datetime) -> list[Fault]:
    due = finished.facts.due
    if not finished.facts.stated or now >= due:
        return []
    return [
        Fault(
            _file_of(finished),
            f"the release is embargoed until {_clocked(due)}, and it is now {_clocked(now)}",
            "Wait until then",
            "published_at",
        )
    ]


def _clock(done: Sequence[Mapping[str, Any]], now: dt.datetime) -> list[Fault]:
    last = max((dt.datetime.fromisoformat(one["at"]) for one in done), default=now)
    if now >= last:
        return []
    return [
        Fault(
            "the clock of this machine",
            f"it must not be earlier than the last publication, {_clocked(last)}",
            "Set it right",
        )
    ]


def _changed(finished: Finished) -> list[Fault]:
    """Hold everything that goes in against what the pages were made from.

    The log may have gone on since, as long as it tells the same of then; code and environment do
    not count, since the verification has held what comes out of them.
    """
    try:
        now = inputs_now(finished.name, finished.places)
        log_then = now.pop("log_then")
    except Unusable as unusable:
        return list(unusable.faults)
    changed = [*verify.of_effect(verify.changed(finished.made, now))]
    if log_then != finished.made["files"].get(_LOG):
        changed.append("log.csv, as it stood then")
    return [
        Fault(
            name,
            "it must be as it was when the release was made"
            + (", but for the sign-off" if name == _file_of(finished) else ""),
            f"Restore it, or make the release again: jdl release {finished.name} --replace",
        )
        for name in changed
    ]


def _unsigned(finished: Finished, now: dt.datetime | None = None) -> list[Fault]:
    """Hold the sign-off against the release that is there."""
    signed, expected = finished.facts.sign_off, manifest.fingerprint(finished.folder)
    table = f'[sign_off] with role, on and manifest = "{expected}"'
    if signed is None:
        rules = [("the release must be signed off by a post", f"Write {table}")]
    elif signed.manifest != expected:
        what = "another release" if signed.manifest else "no release"
        rules = [
            (
                f"the sign-off must name the release that it signs, but it names {what}",
                f"Look at the release as it is now, then write {table}",
            )
        ]
    else:
        rules = _misdated(finished, signed.on, now)
    return [
        Fault(_file_of(finished), rule, remedy or "Correct it", "[sign_off]")
        for rule, remedy in rules
    ]


def _misdated(
    finished: Finished, signed: dt.date, now: dt.datetime | None
) -> list[tuple[str, str]]:
    """Hold the day of the sign-off against what it can have been given on, and against today."""
    made = _made_on(finished.folder)
    if made is None:
        rule = f"the day of the sign-off must be one on which the release was made, but {RUN} of "
        remedy = f"Make the release again: jdl release {finished.name} --replace"
        return [(f"{rule}the release does not tell when that was", remedy)]
    verified = verify.verified_on(finished.places.restricted, finished.identity) or made
    if now is not None and signed > now.date():
        return [("the day of the sign-off must not lie in the future", "")]
    if signed < max(made, verified):
        rule = "the day of the sign-off must not lie before the release was made and verified"
        return [(rule, "Look at the release as it was verified, then sign it with that day")]
    return []


def _made_on(folder: Path) -> dt.date | None:
    """Return the day on which the making of a release began, where its run record has it."""
    try:
        started = json.loads((folder / RUN).read_text(encoding="utf-8"))["started"]
        return in_zone(dt.datetime.fromisoformat(started)).date()
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _unverified(finished: Finished) -> list[Fault]:
    found = verify.verdict_on(finished.places.restricted, finished.identity)
    if found == verify.CLEAN:
        return []
    was = "has not been verified" if found is None else "did not come out the same again"
    return [
        Fault(
            str(finished.folder),
            f"a clean verification of this very release must be recorded, but it {was}",
            f"Run: jdl verify {finished.name}",
        )
    ]


def _ahead(finished: Finished, public: Path) -> list[Fault]:
    """Nothing is told of an earlier release that is not public, or otherwise than it is."""
    return [
        Fault(
            str(finished.folder),
            f"the results of {name}, which it tells again, must be public as they are told",
            f"Publish {name} first, or make {finished.name} again",
        )
        for name, told in finished.made["inputs"]["earlier"].items()
        if _hash_of(public / name / "bulletin" / "results.csv") != told
    ]


def _hash_of(file: Path) -> str | None:
    return manifest.digest(file.read_bytes()) if file.is_file() else None


def _mislabelled(finished: Finished) -> list[Fault]:
    """Hold every public page against the mark of made-up data."""
    synthetic = finished.made["vintage"]["synthetic"] is not False
    return [
        Fault(
            name,
            "a page from synthetic data must say so, and never be called Official Statistics"
            if synthetic
            else "a page from real data must not be marked as synthetic",
            f"Make the release again: jdl release {finished.name} --replace",
        )
        for name in finished.files
        if name.endswith(".html") and not _labelled(finished.folder / name, synthetic=synthetic)
    ]


def _labelled(page: Path, *, synthetic: bool) -> bool:
    if not page.is_file():
        return True
    written = html.unescape(page.read_text(encoding="utf-8"))
    text = " ".join(_TAG.sub("", written).split())
    if not synthetic:
        return SYNTHETIC not in text
    return SYNTHETIC in text and not any(
        _CLAIM.search(_DENIED.sub("", one)) for one in (written, text)
    )


def _replaced(
    finished: Finished, target: Path, done: Sequence[Mapping[str, Any]], *, again: bool
) -> list[Fault]:
    """Let only a correction that says so stand in place of what is public, or has been."""
    before = _of(done, finished.name)
    other = bool(before) and before[-1]["manifest"] != finished.identity
    if _same_bytes(finished, target) or not (target.exists() or other):
        return []
    if not again:
        since = f" since {before[-1]['at']}" if before else ""
        return [
            Fault(
                str(target),
                f"another version of this release is public{since} and stays as it is",
                f"To replace it: jdl publish {finished.name} --replace",
            )
        ]
    said = finished.facts.correction
    last = [in_zone(dt.datetime.fromisoformat(one["at"])).date() for one in before]
    same_again = bool(before) and not other
    if same_again or (said and all(day <= said.on for day in last)):
        return []
    return [
        Fault(
            _file_of(finished),
            "a release that replaces a public one must say what was put right since, and when"
            + (f", but its day lies before {max(last)}, when that was published" if said else ""),
            f"{'Correct' if said else 'Add'} [correction] with reason and on, then make the "
            f"release again: jdl release {finished.name} --replace",
            "[correction]",
        )
    ]


def _of(done: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return [one for one in done if one["release"] == name]


# Doing it


def _put(finished: Finished, public: Path) -> None:
    """Copy what is public into scratch beside its place, hold it to its manifest, and move it."""
    target = public / finished.name
    with _scratch(public, finished.name) as scratch:
        made = scratch / "new"
        made.mkdir()
        for name in finished.files:
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes((finished.folder / name).read_bytes())
        (made / MANIFEST).write_bytes(finished.public_manifest())
        if key := signature.key():
            signature.sign(made, key)
        if wrong := manifest.broken(made):
            raise Refused(
                f"{finished.name} is not published: {wrong} while it was copied. "
                "Nothing is public; run the same command again."
            )
        for path in made.rglob("*"):
            path.chmod(_FOLDER_MODE if path.is_dir() else _FILE_MODE)
        made.chmod(_FOLDER_MODE)
        swap(made, target, public / _replaced_name(finished.name))
    shutil.rmtree(public / _replaced_name(finished.name), ignore_errors=True)


@contextmanager
def _scratch(public: Path, name: str) -> Iterator[Path]:
    """Make private scratch in the public folder, so that one move publishes; clear it."""
    folder = public / f".{name}.scratch"
    try:
        missing = [one for one in (public, *public.parents) if not one.exists()]
        for one in reversed(missing):
            one.mkdir()
            one.chmod(_FOLDER_MODE)
        yield fresh(folder)
    except OSError as error:
        raise Refused(
            f"{name} is not published: the public folder cannot be written to ({error.strerror}). "
            "Put that right, or name another with --public."
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replaced_name(name: str) -> str:
    return f".{name}.replaced"


def _clear(public: Path, name: str) -> None:
    """Put right what a publication that was killed has left behind."""
    replaced = public / _replaced_name(name)
    if replaced.exists() and not (public / name).exists():
        replaced.replace(public / name)
    for left in (replaced, public / f".{name}.scratch"):
        shutil.rmtree(left, ignore_errors=True)


def _keep_superseded(
    target: Path, restricted: Path, done: Sequence[Mapping[str, Any]]
) -> Path | None:
    """Copy the version that is to be replaced into the restricted folder, where errors may stay."""
    if not target.exists():
        return None
    number = max(1, len(_of(done, target.name)))
    kept = restricted / _SUPERSEDED / f"{target.name}-{number}"
    scratch = fresh(kept.with_name(f".{kept.name}"))
    shutil.copytree(target, scratch / "new", copy_function=shutil.copyfile)
    for folder in filter(Path.is_dir, [scratch / "new", *(scratch / "new").rglob("*")]):
        folder.chmod(_PRIVATE)
    shutil.rmtree(kept, ignore_errors=True)
    (scratch / "new").replace(kept)
    scratch.rmdir()
    return kept


# The record


def _entry(finished: Finished, now: dt.datetime, kept: Path | None) -> dict[str, Any]:
    signed = finished.facts.sign_off
    return {
        "release": finished.name,
        "at": now.isoformat(timespec="seconds"),
        "signed_off_by": signed and signed.role,
        "signed_off_on": signed and signed.on.isoformat(),
        "manifest": finished.identity,
        "public_manifest": manifest.digest(finished.public_manifest()),
        "superseded": kept and kept.name,
    }


def _publications(restricted: Path) -> list[dict[str, Any]]:
    """Read the record of publications, in their order."""
    file = restricted / FILE
    try:
        done: list[dict[str, Any]] = (
            json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
        )
        for one in done:
            _ = one["release"], one["manifest"], in_zone(dt.datetime.fromisoformat(one["at"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise Refused(
            f"{file} cannot be read as the record of publications, so nothing is published. "
            "Restore it from a backup."
        ) from None
    return done
