"""Two releases, reports or runs held against each other: what they were made from, and say.

For a statistician or auditor with both folders at hand. Only what is in the folders is read: their
manifests, registers of figures, results and executed notebooks; no record of a person.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from jdl.cells import inert
from jdl.cohorts import FILE as COHORTS
from jdl.compare import DIFFERS, ONLY_AFTER, ONLY_BEFORE, Held, figures, hashes, registers
from jdl.effects import ALL
from jdl.execute import literals_of
from jdl.faults import Fault, Unusable
from jdl.figures import MIME
from jdl.forms import ID, MONTH
from jdl.manifest import MANIFEST
from jdl.wording import CONCLUDED, number

SHOWN = 6
"""How many sections of a report, figures of a section, and other entries are told at most."""
COLUMNS = ("id", "document", "verdict", "before", "after", "difference", "unit", "cell")
_REGISTER, _RESULT, _NOTEBOOK = "figures.json", "result.json", "notebook.ipynb"
_BULLETIN, _YEARLY, _REPORTS = "bulletin", "yearly", "reports"
_NEVER_PUBLISHED = frozenset({COHORTS, "disclosure.json"})
_PRINTED = ("value", "unit", "text", "suppressed", "mark")
_FIRST = ("headline.rate.", "headline.frequency.", "headline.")


@dataclass(frozen=True)
class Side:
    """One of the two that are held against each other.

    Parameters
    ----------
    label : str
        What it was called.
    documents : dict of str to Path
        The folder of each of its documents: ``reports/<id>``, ``bulletin`` or ``yearly``.
    made : dict or None
        Its manifest; None where there is none, as of a run that no release has gathered.
    whole : bool
        Whether it is a release, and not one document.
    """

    label: str
    documents: Mapping[str, Path]
    made: Mapping[str, Any] | None
    whole: bool


@dataclass(frozen=True)
class Change:
    """One thing that the two were not made from alike.

    Parameters
    ----------
    part : str
        ``Inputs``, ``Code``, ``Environment`` or ``Parameters``.
    name : str
    told : str
        Such as ``changed`` or ``was 14, is 21``.
    """

    part: str
    name: str
    told: str


@dataclass(frozen=True)
class Said:
    """Something said otherwise, or on one side only.

    Parameters
    ----------
    document, where : str
        Where in the document: a cell and its part, or what a conclusion is about.
    before, after : str or None
        In words.
    in_words : bool
        Whether more than figures changed.
    """

    document: str
    where: str
    before: str | None
    after: str | None
    in_words: bool = True


@dataclass(frozen=True)
class Difference:
    """What differs.

    Parameters
    ----------
    before, after : str
        What the two were called.
    notes : tuple of str
        What could not be compared, and why.
    made : tuple of Change
        In inputs, code, environment and parameters.
    concluded : tuple of Said
        Conclusions that are not the same.
    figures : tuple of Held
        Every figure of the documents that are in both.
    sentences : tuple of Said
        In reading order; those that changed in words first.
    only_before, only_after : tuple of str
        Documents that are in one only.
    files : int
        Files of the documents in both that are not the same, byte by byte.
    """

    before: str
    after: str
    notes: tuple[str, ...]
    made: tuple[Change, ...]
    concluded: tuple[Said, ...]
    figures: tuple[Held, ...]
    sentences: tuple[Said, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    files: int

    @property
    def changed(self) -> tuple[Held, ...]:
        """The figures whose value or print is not the same, and those on one side only."""
        return tuple(one for one in self.figures if is_changed(one))

    @property
    def none(self) -> bool:
        """Whether nothing differs."""
        return not (
            self.made
            or self.concluded
            or self.changed
            or self.sentences
            or self.only_before
            or self.only_after
            or self.files
        )


def is_changed(held: Held) -> bool:
    """Return whether a figure says another thing, and not only by another cell or decision."""
    if held.before is None or held.after is None:
        return True
    return any(held.before.get(name) != held.after.get(name) for name in _PRINTED)


# The two


def open_sides(before: str, after: str, outputs: Path) -> tuple[Side, Side]:
    """Open what is meant by two names, each narrowed to what the other can be held against.

    Parameters
    ----------
    before, after : str
        A month, the id of a request, a month and an id such as ``2014-03/green-shoots``, or a
        folder. The same id twice means its latest finished report and the run that is not yet
        gathered.
    outputs : Path
        The folder of releases.

    Returns
    -------
    tuple of Side
        Where one is a release and the other one report, only that report of the release.

    Raises
    ------
    Unusable
        With every fault of either.
    """
    same = before == after and not Path(before).is_dir() and ID.fullmatch(before) is not None
    sides: list[Side] = []
    faults: list[Fault] = []
    for what, run in ((before, False), (after, same and not MONTH.fullmatch(after))):
        try:
            folder = _found(what, outputs, run=run)
            sides.append(_opened(f"{what} (run)" if run else what, folder))
        except Unusable as unusable:
            faults += unusable.faults
    if faults:
        raise Unusable(dict.fromkeys(faults))
    one, other = sides
    return _narrowed(one, other), _narrowed(other, one)


def _found(what: str, outputs: Path, *, run: bool) -> Path:
    """Return the folder that a name means."""
    month, _, name = what.rpartition("/")
    if run:
        found = sorted(outputs.glob(f".work/????-??/{what}/{_RESULT}"))
    elif MONTH.fullmatch(what) or re.fullmatch(r"yearly-\d{4}", what):
        return outputs / what
    elif MONTH.fullmatch(month) and (ID.fullmatch(name) or name == _BULLETIN):
        return outputs / month / (name if name == _BULLETIN else f"{_REPORTS}/{name}")
    elif Path(what).is_dir() or not ID.fullmatch(what):
        return Path(what)
    else:
        found = sorted(outputs.glob(f"????-??/{_REPORTS}/{what}/{_RESULT}"))
    if found:
        return found[-1].parent
    where = "under .work" if run else "in a finished release"
    rule = f"there must be a report of it {where}"
    raise Unusable([Fault(what, rule, "Make it first, or name a folder")])


def _opened(label: str, folder: Path) -> Side:
    documents = dict(_documents(folder))
    if not documents:
        rule = f"it must be a release or the folder of one report, with a {_REGISTER}"
        remedy = "Name a month, the id of a request, 2014-03/green-shoots, or such a folder"
        raise Unusable([Fault(label, rule, remedy)])
    whole = not (folder / _REGISTER).is_file()
    return Side(label, documents, _manifest(label, folder, next(iter(documents))), whole)


def _documents(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and folder of each document."""
    if (folder / _REGISTER).is_file():
        yield _name(folder), folder
        return
    for register in sorted(folder.glob(f"{_REPORTS}/*/{_REGISTER}")):
        yield f"{_REPORTS}/{register.parent.name}", register.parent
    if (folder / _BULLETIN / _REGISTER).is_file():
        yield _BULLETIN, folder / _BULLETIN


def _name(folder: Path) -> str:
    """Name the document whose folder this is, wherever it lies."""
    if (folder / "bulletin.html").is_file():
        return _BULLETIN
    if (folder / "yearly.html").is_file():
        return _YEARLY
    result = _json(folder.name, folder / _RESULT) if (folder / _RESULT).is_file() else {}
    request = result.get("request") if isinstance(result, dict) else None
    name = request.get("id") if isinstance(request, dict) else None
    return f"{_REPORTS}/{name or folder.resolve().name}"


def _manifest(label: str, folder: Path, document: str) -> dict[str, Any] | None:
    """Return the manifest of a folder, or of the release that it is a part of."""
    release = folder.resolve().parents[1 if document.startswith(_REPORTS) else 0]
    around = release / MANIFEST
    if (folder / MANIFEST).is_file():
        made = _json(label, folder / MANIFEST)
    elif (folder / _REGISTER).is_file() and around.is_file() and release.name != ".work":
        made = _json(label, around)
    else:
        return None
    if isinstance(made, dict):
        return made
    raise _broken(label, MANIFEST)


def _json(label: str, file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise _broken(label, file.name) from None


def _broken(label: str, name: str) -> Unusable:
    rule = "the file must be whole and of the form that jdl writes"
    return Unusable([Fault(f"{label}, {name}", rule, "Restore it, or make it again")])


def _narrowed(one: Side, other: Side) -> Side:
    """Leave of a release the one document that the other side is."""
    if other.whole or not one.whole:
        return one
    kept = {name: path for name, path in one.documents.items() if name in other.documents}
    return replace(one, documents=kept or one.documents)


# What differs


def diff(before: Side, after: Side) -> Difference:
    """Hold two sides against each other.

    Parameters
    ----------
    before, after : Side
        From `open_sides`.

    Raises
    ------
    Unusable
        With every file that cannot be read.
    """
    ours, theirs = _paired(before, after)
    both = [name for name in ours if name in theirs]
    tables = [_registers(side.label, {n: found[n] for n in both}) for side, found in
              ((before, ours), (after, theirs))]  # fmt: skip
    notes = [
        f"{side.label} has no {MANIFEST}: inputs, code and environment are not compared."
        for side in (before, after)
        if side.made is None
    ]
    if before.made and after.made and before.made.get("schema") != after.made.get("schema"):
        notes.append(f"The {MANIFEST} of one is of an older form: only what both tell is compared.")
    said = [one for name in both for one in _sentences(name, ours[name], theirs[name])]
    return Difference(
        before.label,
        after.label,
        tuple(notes),
        (*_made(before, after, both), *_parameters(ours, theirs, both)),
        tuple(one for name in both for one in _concluded(name, ours[name], theirs[name])),
        figures(*tables),
        tuple(sorted(said, key=lambda one: not one.in_words)),
        tuple(name for name in ours if name not in theirs),
        tuple(name for name in theirs if name not in ours),
        sum(_differing(ours[name], theirs[name]) for name in both),
    )


def _paired(before: Side, after: Side) -> tuple[Mapping[str, Path], Mapping[str, Path]]:
    """Call two single documents of one kind the same, so that they can be compared."""
    if before.whole or after.whole:
        return before.documents, after.documents
    [ours], [theirs] = before.documents, after.documents
    alike = ours.split("/")[0] == theirs.split("/")[0]
    return before.documents, {ours if alike else theirs: after.documents[theirs]}


def _registers(label: str, documents: Mapping[str, Path]) -> dict[str, list[dict[str, Any]]]:
    found, faults = {}, []
    for name, folder in documents.items():
        try:
            found[name] = registers(folder)[""]
        except Unusable as unusable:
            faults += [
                Fault(f"{label}, {name}/{one.where}", one.rule, one.remedy)
                for one in unusable.faults
            ]
    if faults:
        raise Unusable(faults)
    return found


def _differing(before: Path, after: Path) -> int:
    ours, theirs = (
        {name: one for name, one in hashes(folder).items() if name not in _NEVER_PUBLISHED}
        for folder in (before, after)
    )
    return sum(ours.get(name) != theirs.get(name) for name in {*ours, *theirs})


# What they were made from


def _made(before: Side, after: Side, documents: Sequence[str]) -> Iterator[Change]:
    """Yield what two manifests do not tell alike, of the documents compared."""
    if before.made is None or after.made is None:
        return
    older = before.made.get("schema") != after.made.get("schema")
    ours, theirs = (_told(side, documents) for side in (before, after))
    if older:
        ours, theirs = ({k: one[k] for k in one if k in other} for one, other in
                        ((ours, theirs), (theirs, ours)))  # fmt: skip
    for part, name in dict.fromkeys((*ours, *theirs)):
        was, now = ours.get((part, name)), theirs.get((part, name))
        if was != now:
            yield Change(part, name, _was_is(was, now))


_HASH = re.compile(r"[0-9a-f]{64}")


def _was_is(was: Any, now: Any) -> str:
    if was is None or now is None:
        return f"only in {'B' if was is None else 'A'}"
    if _HASH.fullmatch(str(was)) and _HASH.fullmatch(str(now)):
        return "changed"
    return f"was {was}, is {now}"


def _told(side: Side, documents: Sequence[str]) -> dict[tuple[str, str], Any]:
    made = side.made or {}
    try:
        told = {
            **{("Inputs", name): one for name, one in _inputs(made["inputs"], documents)},
            **{("Inputs", name): one for name, one in _vintage(made["vintage"])},
            **{("Code", name): one for name, one in _code(made["code"])},
            **{("Environment", name): one for name, one in _flat(made["environment"])},
            ("Parameters", "seed"): made.get("seed"),
        }
    except (KeyError, TypeError, AttributeError, ValueError):
        raise _broken(side.label, MANIFEST) from None
    return {name: one for name, one in told.items() if one is not None}


def _inputs(inputs: Mapping[str, Any], documents: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for name, told in inputs.items():
        if name == "requests":
            for request, held in told.items():
                if f"{_REPORTS}/{request}" in documents or _BULLETIN in documents:
                    yield from ((f"{kind} of {request}", one) for kind, one in held.items())
        elif isinstance(told, dict):
            words = "results of" if name == "earlier" else name
            yield from ((f"{words} {key}", one) for key, one in told.items())
        elif isinstance(told, list):
            yield f"what was {name}", " ".join(map(str, told)) and f"{len(told)} results"
        else:
            yield "the release file" if name == "release" else name, told


def _vintage(vintage: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, told in vintage.items():
        if name != "tables":
            yield f"vintage, {name}", told
    for name, told in vintage.get("tables", {}).items():
        label = f"{name} of the vintage"
        if isinstance(told, dict):
            yield label, told.get("sha256")
            yield f"{label}, rows", told.get("rows")
            yield from ((f"{label}, {key}", one) for key, one in told.get("columns", {}).items())
        else:
            yield label, told


def _code(code: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, told in code.items():
        if name == "files":
            yield from told.items()
        elif name == "changed_since":
            yield "not as it was committed", {True: "yes", False: "no"}.get(told)
        else:
            yield {"sha256": "all files together"}.get(name, name), told


def _flat(content: Mapping[str, Any], lead: str = "") -> Iterator[tuple[str, Any]]:
    for name, told in content.items():
        if isinstance(told, dict):
            yield from _flat(told, f"{name} " if name != "packages" else "")
        else:
            yield f"{lead}{name}", told


def _parameters(
    before: Mapping[str, Path], after: Mapping[str, Path], documents: Sequence[str]
) -> Iterator[Change]:
    """Yield the parameters that two notebooks were not run with alike."""
    for document in documents:
        ours, theirs = _values(before[document]), _values(after[document])
        for name in dict.fromkeys((*ours, *theirs)):
            was, now = (repr(one[name]) if name in one else None for one in (ours, theirs))
            if was != now:
                yield Change("Parameters", f"{document}, {name}", _was_is(was, now))


def _values(folder: Path) -> dict[str, Any]:
    """Return every parameter of an executed notebook, as it was run."""
    values: dict[str, Any] = {}
    for cell in _cells(folder):
        tags = cell.get("metadata", {}).get("tags", [])
        if "parameters" in tags or "injected-parameters" in tags:
            try:
                values |= literals_of(_text(cell.get("source", "")))
            except (SyntaxError, ValueError):
                raise _broken(folder.name, _NOTEBOOK) from None
    return values


def _cells(folder: Path) -> list[dict[str, Any]]:
    file = folder / _NOTEBOOK
    content = _json(folder.name, file) if file.is_file() else {"cells": []}
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise _broken(folder.name, _NOTEBOOK)
    return cells


def _text(source: Any) -> str:
    return source if isinstance(source, str) else "".join(source)


# What they say


def _concluded(document: str, before: Path, after: Path) -> Iterator[Said]:
    ours, theirs = _conclusions(before), _conclusions(after)
    for name in dict.fromkeys((*ours, *theirs)):
        if ours.get(name) != theirs.get(name):
            yield Said(document, name, ours.get(name), theirs.get(name))


def _conclusions(folder: Path) -> dict[str, str]:
    """Return what a report concludes, in words, by analysis and measure."""
    file = folder / _RESULT
    if not file.is_file():
        return {}
    result = _json(folder.name, file)
    try:
        found = {"the request": str(result["status"])}
        for analysis in result["analyses"]:
            for one in analysis["measures"]:
                label = ALL[one["measure"]].label if one["measure"] in ALL else one["measure"]
                told = CONCLUDED.get(one["conclusion"], "withheld [c]")
                found[f"{analysis['label']}, {label}"] = told
    except (KeyError, TypeError, AttributeError):
        raise _broken(folder.name, _RESULT) from None
    return found


def _sentences(document: str, before: Path, after: Path) -> Iterator[Said]:
    ours, theirs = _published(before), _published(after)
    for where in dict.fromkeys((*ours, *theirs)):
        yield from _changed(document, where, ours.get(where, []), theirs.get(where, []))


def _changed(
    document: str, where: str, ours: list[tuple[str, str]], theirs: list[tuple[str, str]]
) -> Iterator[Said]:
    """Pair the sentences of a part, by their words without figures, and yield the changed ones."""
    matcher = SequenceMatcher(None, [w for w, _ in ours], [w for w, _ in theirs], autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        old, new = [told for _, told in ours[a:b]], [told for _, told in theirs[c:d]]
        for place in range(max(len(old), len(new))):
            was = old[place] if place < len(old) else None
            now = new[place] if place < len(new) else None
            if was != now:
                yield Said(document, where, was, now, in_words=kind != "equal")


def _published(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Return the sentences of each part, without and with their figures."""
    found: dict[str, list[tuple[str, str]]] = {}
    try:
        for cell in _cells(folder):
            for output in cell.get("outputs", []):
                record = output.get("data", {}).get(MIME)
                if record:
                    told = {one["id"]: one["text"] for one in record["figures"]}
                    for part in record.get("parts", []) if record["kind"] == "group" else [record]:
                        name = f"{cell['id']}, {part['name']}" if "name" in part else cell["id"]
                        lines = list(_worded(part, told))
                        found |= {name: lines} if lines else {}
    except (KeyError, TypeError, AttributeError):
        raise _broken(folder.name, _NOTEBOOK) from None
    return found


def _worded(part: Mapping[str, Any], told: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    items = {"sentence": [part.get("parts", [])], "sentences": part.get("items", [])}
    for item in items.get(part["kind"], []):
        words = [one if isinstance(one, str) else None for one in item]
        texts = [one if isinstance(one, str) else told.get(one["figure"], "") for one in item]
        yield "".join(one or "\0" for one in words), "".join(texts)


# In words


def lines(found: Difference, *, everything: bool = False) -> Iterator[str]:
    """Say what differs, the most important first.

    Parameters
    ----------
    found : Difference
    everything : bool
        Whether all is told, and not only the first of each kind.
    """
    most = None if everything else SHOWN
    yield f"A: {found.before}"
    yield f"B: {found.after}"
    yield from found.notes
    if found.none:
        yield "Nothing differs."
        return
    for label, names in (("A", found.only_before), ("B", found.only_after)):
        yield from (f"Only in {label}: {name}" for name in names)
    yield from _under("Conclusions that changed", found.concluded, _conclusion_line, most)
    for part in ("Inputs", "Code", "Environment", "Parameters"):
        changed = [one for one in found.made if one.part == part]
        yield from _under(part, changed, lambda one: [f"{one.name}: {one.told}"], most)
    yield _counts(found)
    yield from _figures(found.changed, most)
    worded = [one for one in found.sentences if one.in_words]
    yield from _under("Sentences that changed", worded, _sentence_lines, most)
    if rest := len(found.sentences) - len(worded):
        if everything:
            others = [one for one in found.sentences if not one.in_words]
            yield from _under("Sentences with other figures", others, _sentence_lines, None)
        else:
            yield f"Sentences in which only figures changed: {number(rest)}"
    yield f"Files that differ in what both hold: {number(found.files)}"


def _under(title: str, entries: Sequence[Any], tell: Any, most: int | None) -> Iterator[str]:
    if entries:
        yield f"{title}:"
        yield from (f"  {line}" for one in entries[:most] for line in tell(one))
        yield from _more(len(entries) - len(entries[:most]), "  ")


def _more(left: int, indent: str) -> Iterator[str]:
    if left:
        yield f"{indent}and {number(left)} more"


def _conclusion_line(one: Said) -> list[str]:
    was, now = (told or "not there" for told in (one.before, one.after))
    return [f"{one.document}: {one.where}: was {was}, is {now}"]


def _sentence_lines(one: Said) -> list[str]:
    return [
        f"{one.document}: {one.where}",
        *([f"  A: {one.before}"] if one.before is not None else []),
        *([f"  B: {one.after}"] if one.after is not None else []),
    ]


def _counts(found: Difference) -> str:
    many = Counter(_verdict(one) for one in found.figures)
    told = (
        ("same", "the same"),
        (DIFFERS, "changed"),
        (ONLY_BEFORE, "only in A"),
        (ONLY_AFTER, "only in B"),
    )
    moved = sum(_is_moved(one) for one in found.figures)
    elsewhere = f" ({number(moved)} of them made by another cell or decided otherwise)"
    counts = [f"{number(many[name])} {words}" for name, words in told]
    counts[0] += elsewhere if moved else ""
    return f"Figures: {', '.join(counts)}"


def _is_moved(held: Held) -> bool:
    """Whether both sides know by which cell and decision a figure was told, and not the same."""
    ours, theirs = held.before or {}, held.after or {}
    shared = [name for name in ("cell", "decision") if name in ours and name in theirs]
    return not is_changed(held) and any(ours[name] != theirs[name] for name in shared)


def _verdict(held: Held) -> str:
    if held.verdict in (ONLY_BEFORE, ONLY_AFTER):
        return held.verdict
    return DIFFERS if is_changed(held) else "same"


def _figures(changed: Sequence[Held], most: int | None) -> Iterator[str]:
    """Tell figures by document and by the cell that made them, those of the headline first."""
    reports_first = sorted(
        {one.document for one in changed}, key=lambda one: (one == _BULLETIN, one)
    )
    for document in reports_first:
        own = sorted((one for one in changed if one.document == document), key=_rank)
        sections = list(dict.fromkeys(_cell(one) for one in own))
        yield f"{document}:"
        for section in sections[:most]:
            of_it = [one for one in own if _cell(one) == section]
            yield f"  {section.replace('-', ' ')}"
            yield from (f"    {_figure_line(one)}" for one in of_it[:most])
            yield from _more(len(of_it) - len(of_it[:most]), "    ")
        left = sections[most:] if most else []
        yield from _more(sum(_cell(one) in left for one in own), "  ")


def _rank(held: Held) -> tuple[bool, bool, int]:
    """Put what prints otherwise first, of that what is on both sides, and of that the headline."""
    found = (place for place, lead in enumerate(_FIRST) if held.figure.startswith(lead))
    one_sided = held.before is None or held.after is None
    alike = _printed(held.before) == _printed(held.after)
    return alike, one_sided, next(found, len(_FIRST))


def _cell(held: Held) -> str:
    return str((held.after or held.before or {}).get("cell", ""))


def _figure_line(held: Held) -> str:
    was, now = _printed(held.before), _printed(held.after)
    if was is None or now is None:
        return (
            f"{held.figure}: {now if was is None else was}, only in {'B' if was is None else 'A'}"
        )
    by = ""
    if held.difference:
        by = f" ({held.difference:+.6g} {(held.after or {}).get('unit', '')})".replace(" )", ")")
    return f"{held.figure}: {was} \u2192 {now}{by}"


def _printed(entry: Mapping[str, Any] | None) -> str | None:
    if entry is None:
        return None
    mark = f" {entry['mark']}" if entry.get("mark") else ""
    return f"{entry.get('text', '')}{mark}"


def table(found: Difference) -> bytes:
    """Return every figure as the content of a CSV file with `COLUMNS`.

    ``before`` and ``after`` are as printed; ``difference`` is B less A at full precision, in the
    unit of the value. A text that a spreadsheet would run as a formula gets an apostrophe.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in found.figures:
        entry = one.after or one.before or {}
        printed = [inert(_printed(side) or "") for side in (one.before, one.after)]
        by = "" if one.difference is None else repr(one.difference)
        about = [inert(str(entry.get(name, ""))) for name in ("unit", "cell")]
        names = [inert(one.figure), inert(one.document)]
        writer.writerow([*names, _verdict(one), *printed, by, *about])
    return out.getvalue().encode()
