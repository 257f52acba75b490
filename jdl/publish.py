"""Publication: a finished release goes to the public folder, whole or not at all.

It goes only when its moment has come, a post has signed this very release off, and it came out the
same when it was made again; otherwise every reason is told at once, and nothing is published. What
is public is a copy: the release itself stays where it is, private, since later months, corrections
and verification read it. What only the provider sees stays behind, and the public copy has a
manifest of its own that lists what is there.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jdl import manifest, verify
from jdl.faults import Fault
from jdl.log import Release, read_release, release_hash
from jdl.manifest import MANIFEST
from jdl.release import Places, Refused, Summary, alone
from jdl.render import SYNTHETIC
from jdl.safekeeping import fresh, swap
from jdl.workers import RUN

FILE = "publications.json"
HELD_BACK = ("facts.html",)
"""Files of a report that only its provider sees."""
_SUPERSEDED = "superseded"
_OFFICIAL = "Official Statistic"
_PRIVATE, _FOLDER_MODE, _FILE_MODE = 0o700, 0o755, 0o644

Questions = Callable[[Path, str], Sequence[Fault]]
"""From the restricted folder and a release to what stands open on its disclosure control."""


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
        return manifest.dump({**self.made, "files": self.files, "released_as": self.identity})


def publish(
    name: str,
    places: Places,
    public: Path,
    *,
    again: bool = False,
    now: dt.datetime | None = None,
    questions: Questions | None = None,
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
    questions : callable, optional
        Tells what stands open on the disclosure control of the release.

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
    moment = now or dt.datetime.now().astimezone()
    facts = read_release(places.requests, name)
    target = public / name
    with alone(places):
        done = _publications(places.restricted)
        _clear(public, name)
        finished = Finished(name, places.outputs / name, places, facts, _manifest_of(places, name))
        if _is_public(finished, target, done):
            since = _of(done, name)[-1]["at"]
            return Summary(target / "index.html", (f"{name} is already public, since {since}.",))
        reasons = _reasons(finished, public, done, moment, questions, again=again)
        if reasons:
            raise Refused("\n- ".join([f"{name} is not published:", *map(str, reasons)]))
        kept = None
        if not _same_bytes(finished, target):
            kept = _keep_superseded(target, places.restricted, done)
            _put(finished, public)
        verify.keep(places.restricted / FILE, [*done, _entry(finished, moment, kept)])
    lines = [f"{name}: {len(finished.files)} files are public in {target}."]
    lines += [f"The version that was public is kept in {kept}."] if kept else []
    return Summary(target / "index.html", tuple(lines))


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
    out = f"{facts.published_at:%Y-%m-%d at %H:%M}"
    return (
        f"Its fingerprint is {manifest.fingerprint(finished.folder)}; embargoed until {out}.",
        *(f"Before `jdl publish {name}`: {one}" for one in missing),
    )


def _manifest_of(places: Places, name: str) -> dict[str, Any]:
    try:
        made: dict[str, Any] = json.loads((places.outputs / name / MANIFEST).read_text("utf-8"))
        made["files"].items(), made["inputs"]["earlier"].items(), made["vintage"]["synthetic"]
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
    questions: Questions | None,
    *,
    again: bool,
) -> list[Fault]:
    """Return everything that stands against publication."""
    reasons = [*_misplaced(public, finished.places), *_unstated(finished)]
    reasons += [*_embargoed(finished, now), *_clock(done, now)]
    torn = _torn(finished)
    if finished.made:
        reasons += [*torn, *_restated(finished), *_unsigned(finished, now), *_unverified(finished)]
        reasons += [*_ahead(finished, public), *_mislabelled(finished)]
        reasons += _replaced(finished, public / finished.name, done, again=again)
    else:
        reasons += torn
    return reasons + list(questions(finished.places.restricted, finished.name) if questions else ())


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


def _embargoed(finished: Finished, now: dt.datetime) -> list[Fault]:
    due = finished.facts.published_at.astimezone()
    if not finished.facts.stated or now >= due:
        return []
    return [
        Fault(
            _file_of(finished),
            f"the release is embargoed until {due:%Y-%m-%d at %H:%M}, and it is now "
            f"{now:%Y-%m-%d at %H:%M}",
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
            f"it must not be earlier than the last publication, {last:%Y-%m-%d at %H:%M}",
            "Set it right",
        )
    ]


def _restated(finished: Finished) -> list[Fault]:
    """Hold the release file against the one that the pages were made from."""
    if finished.made["inputs"].get("release") == release_hash(
        finished.places.requests, finished.name
    ):
        return []
    return [
        Fault(
            _file_of(finished),
            "it must say what it said when the release was made, but for the sign-off",
            f"Restore it, or make the release again: jdl release {finished.name} --replace",
        )
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
        made = _made_on(finished.folder)
        late = now is not None and signed.on > now.date()
        wrong = late or (made is not None and signed.on < made)
        rules = [
            ("the day of the sign-off must lie between the making of the release and today", "")
        ] * wrong
    return [
        Fault(_file_of(finished), rule, remedy or "Correct it", "[sign_off]")
        for rule, remedy in rules
    ]


def _made_on(folder: Path) -> dt.date | None:
    """Return the day on which the making of a release began, where its run record has it."""
    try:
        started = json.loads((folder / RUN).read_text(encoding="utf-8"))["started"]
        return dt.datetime.fromisoformat(started).astimezone().date()
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
    text = page.read_text(encoding="utf-8")
    if not synthetic:
        return SYNTHETIC not in text
    claims = (f'<p class="status">{_OFFICIAL}', f"is an {_OFFICIAL}")
    return SYNTHETIC in text and not any(claim in text for claim in claims)


def _replaced(
    finished: Finished, target: Path, done: Sequence[Mapping[str, Any]], *, again: bool
) -> list[Fault]:
    """Let only a correction that says so stand in place of what is public."""
    if not target.exists() or _same_bytes(finished, target):
        return []
    if not again:
        return [
            Fault(
                str(target),
                "another version of this release is public and stays as it is",
                f"To replace it: jdl publish {finished.name} --replace",
            )
        ]
    said = finished.facts.correction
    last = [dt.datetime.fromisoformat(one["at"]) for one in _of(done, finished.name)]
    if said and all(at.date() <= said.on for at in last):
        return []
    return [
        Fault(
            _file_of(finished),
            "a release that replaces a public one must say what was put right since, and when",
            "Add [correction] with reason and on, then make the release again: "
            f"jdl release {finished.name} --replace",
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
        if not public.exists():
            public.mkdir(parents=True)
            public.chmod(_FOLDER_MODE)
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
            _ = one["release"], one["manifest"], dt.datetime.fromisoformat(one["at"]).utcoffset()
    except (OSError, ValueError, KeyError, TypeError):
        raise Refused(
            f"{file} cannot be read as the record of publications, so nothing is published. "
            "Restore it from a backup."
        ) from None
    return done
