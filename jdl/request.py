"""The request: what is asked, by whom, with which people, and whether it can be processed.

The log of requests and the facts of a release are read here too, by the same names (see
`jdl.log`). Whatever cannot be used is told with every fault at once.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pandas as pd

from jdl.cells import Findings, is_date_format
from jdl.faults import Fault, Unusable
from jdl.forms import ID, ID_KEY, MONTH_KEY, ROLE, Form, Key, hold_form, load, place, trouble_of
from jdl.log import (
    Release,
    SignOff,
    counts_at,
    in_force,
    read_log,
    read_release,
    status_at,
    was_withdrawn,
)
from jdl.national import Vintage, check_vintage, code_list, find_vintages, open_vintage
from jdl.upload import (
    DATES,
    SETTINGS,
    Note,
    Upload,
    by_content,
    no_people,
    participation,
    read_people,
    write_template,
)

__all__ = [
    "ID",
    "Correction",
    "Criterion",
    "DataSharing",
    "Note",
    "Override",
    "Reason",
    "Release",
    "Request",
    "SignOff",
    "Upload",
    "against",
    "check",
    "counts_at",
    "criteria",
    "pooled_upload",
    "read_destroyed",
    "read_log",
    "read_release",
    "read_request",
    "read_upload",
    "requests_of",
    "status_at",
    "stop_if",
    "unmet",
    "was_withdrawn",
    "write_template",
]

MINIMUM_PEOPLE = 60
FOLLOW_UP_DAYS = 365
SUBGROUPS = (
    "setting",
    "referral_route",
    "location",
    "participation",
    "sex",
    "age_group",
    "ethnicity",
    "nationality",
    "region",
    "offence_group",
    "disposal",
    "prison",
)
DESTROYED = "destroyed.toml"
"""In a request's folder, once its upload is there no more; not part of what was asked."""
_SHARED = ("organisation", "programme", "sector", "intervention_type", "release")
_PARAMETER = re.compile(r"[a-z][a-z_]{0,39}")
_NAME = "[a-z][a-z0-9]*(?:_[a-z0-9]+)*"
_FACTOR = rf"(?:C\({_NAME}\)|I\({_NAME} \*\* [2-9]\)|{_NAME}(?: {_NAME})*)"
_TERMS = re.compile(rf"{_FACTOR}(?:(?: \+ |:){_FACTOR})*")
"""What the text of a method override may be: a formula is run, so it may name and do no more."""
_LONGEST_TERMS = 1000
_LONGEST_LABEL = 100
_DATE_FORMAT_RULE = "a date format is made of YYYY or YY, MM, M, MMM or MMMM, and DD or D"


@dataclass(frozen=True)
class DataSharing:
    """The organisation's sign-off that it may share the data."""

    signed_on: dt.date
    signed_by_role: str
    legal_basis: str


@dataclass(frozen=True)
class Override:
    """A method parameter that this request sets otherwise than the notebook, and why."""

    value: Any
    reason: str


@dataclass(frozen=True)
class Correction:
    """What this run corrects: the report published in the release `of`."""

    of: str
    reason: str
    on: dt.date


@dataclass(frozen=True)
class Destroyed:
    """When an upload was destroyed, as was agreed with who sent it, and by which post."""

    on: dt.date
    role: str


@dataclass(frozen=True)
class Request:
    """One request, as its ``request.toml`` states it.

    Parameters
    ----------
    folder : Path
        Where it lies.
    id, release : str
        Its name, and the month ``YYYY-MM`` in which it is published.
    received : date
        When it came in; no date of the upload may lie after it.
    organisation, programme, sector, intervention_type, description, selection, setting : str
        Who asks, about what, and how people were referred or chosen.
    data_sharing : DataSharing, optional
        Without it the request is not processed.
    special_group, approved_on : optional
        A group that needs case-by-case approval, and the day of the approval.
    extends : tuple of str
        Earlier requests whose people are pooled with these.
    date_format, sheet : str
        How the upload is written.
    sex, region, oasys, subgroups, follow_up_days, cautions
        What is asked: ``all``, ``male`` or ``female``; a region or None; and so on.
    method : dict of str to Override
        Method parameters set otherwise than in the notebook.
    correction : Correction, optional
        Where this run corrects a published report.
    """

    folder: Path = field(compare=False)
    id: str
    release: str
    received: dt.date
    organisation: str
    programme: str
    sector: str
    intervention_type: str
    description: str
    selection: str
    setting: str
    data_sharing: DataSharing | None = None
    special_group: str | None = None
    approved_on: dt.date | None = None
    extends: tuple[str, ...] = ()
    date_format: str = "ISO"
    sheet: str | None = None
    sex: str = "all"
    region: str | None = None
    oasys: bool = False
    subgroups: tuple[str, ...] = ()
    follow_up_days: int = FOLLOW_UP_DAYS
    cautions: bool = False
    method: Mapping[str, Override] = field(default_factory=dict)
    correction: Correction | None = None

    @property
    def overrides(self) -> dict[str, Any]:
        """The method parameters that are set otherwise, by name, as the notebook takes them."""
        return {name: override.value for name, override in sorted(self.method.items())}

    @property
    def public(self) -> dict[str, Any]:
        """The public fields, as ``result.json`` holds them: text, numbers, lists; no dates."""
        names = (
            *("id", "release", "organisation", "programme", "sector", "intervention_type"),
            *("description", "selection", "setting", "special_group", "sex", "region", "oasys"),
            *("follow_up_days", "cautions"),
        )
        correction = self.correction
        return {
            **{name: getattr(self, name) for name in names},
            "received": self.received.isoformat(),
            "extends": list(self.extends),
            "subgroups": list(self.subgroups),
            "method": {
                name: {"value": override.value, "reason": override.reason}
                for name, override in sorted(self.method.items())
            },
            "correction": correction
            and {
                "of": correction.of,
                "reason": correction.reason,
                "on": correction.on.isoformat(),
            },
        }


_REQUEST: Form = {
    "": {
        "id": ID_KEY,
        "release": MONTH_KEY,
        "received": Key("date", True),
        "organisation": Key("text", True),
        "programme": Key("text", True),
        "sector": Key("text", True, code_list("sector")),
        "intervention_type": Key("text", True, code_list("intervention_type")),
        "description": Key("long text", True),
        "selection": Key("long text", True),
        "setting": Key("text", True, SETTINGS),
        "special_group": Key("text", codes=code_list("special_group")),
        "approved_on": Key("date"),
        "extends": Key("list of ids"),
    },
    "data_sharing": {
        "signed_on": Key("date", True),
        "signed_by_role": Key("text", True),
        "legal_basis": Key("long text", True),
    },
    "upload": {"date_format": Key("text"), "sheet": Key("text")},
    "analysis": {
        "sex": Key("text", codes=("all", "male", "female")),
        "region": Key("text", codes=code_list("region")),
        "oasys": Key("true or false"),
        "subgroups": Key("list of text"),
        "follow_up_days": Key("whole number"),
        "cautions": Key("true or false"),
    },
    "correction": {
        "of": MONTH_KEY,
        "reason": Key("long text", True),
        "on": Key("date", True),
    },
}


def read_request(folder: Path) -> Request:
    """Read and check ``request.toml``.

    Parameters
    ----------
    folder : Path
        The request's folder, named as its id, or what it keeps from before a correction.

    Returns
    -------
    Request

    Raises
    ------
    Unusable
        With every unknown, missing or wrong key.
    """
    folder = folder.resolve()
    found = Findings(_where(folder))
    _hold_own(folder, folder / "request.toml")
    raw = load(folder / "request.toml", found.where)
    hold_form(raw, _REQUEST, found, frozenset({"method"}))
    _hold_method(raw.get("method", {}), found)
    if not found.faults:
        _hold_sense(raw, folder, found)
    if found.faults:
        raise Unusable(found.faults)
    upload, analysis = raw.get("upload", {}), raw.get("analysis", {})
    lists = {"subgroups": tuple(analysis.get("subgroups", ()))}
    sharing, correction = raw.get("data_sharing"), raw.get("correction")
    return Request(
        folder=folder,
        **{key: raw[key] for key in _REQUEST[""] if key in raw and key != "extends"},
        extends=tuple(raw.get("extends", ())),
        **upload,
        **{**analysis, **lists},
        data_sharing=DataSharing(**sharing) if sharing else None,
        method={name: Override(**entry) for name, entry in raw.get("method", {}).items()},
        correction=Correction(**correction) if correction else None,
    )


def _hold_method(method: Any, found: Findings) -> None:
    if not isinstance(method, dict):
        found.add("this must be a table", "Write it as [method]", "method")
        return
    for name, entry in method.items():
        where = place("method", name)
        if not _PARAMETER.fullmatch(name):
            found.add(
                "a parameter's name has lower-case letters and underscores only",
                "Use a name of the notebook's parameters cell",
                where,
            )
        if not isinstance(entry, dict) or set(entry) != {"value", "reason"}:
            found.add(
                "an override must have a value and a reason, and nothing else",
                'Write it as {value = ..., reason = "..."}',
                where,
            )
            continue
        if fault := trouble_of(entry["reason"], Key("long text")):
            found.add(*fault, f"{where}.reason")
        if not _is_parameter(entry["value"]):
            found.add(
                "a parameter's value must be a finite number, true or false, plain names joined by "
                "+ or :, with C(name) and I(name ** 2) and nothing else, or a list of these",
                "Write it as the notebook's parameters cell does",
                where,
            )


def _is_parameter(value: Any) -> bool:
    if isinstance(value, list):
        return 0 < len(value) <= 50 and all(
            not isinstance(one, list) and _is_parameter(one) for one in value
        )
    if isinstance(value, str):
        return len(value) <= _LONGEST_TERMS and _TERMS.fullmatch(value) is not None
    return isinstance(value, int | float) and abs(value) < 1e15


def overrides_faults(request: Request, parameters: Mapping[str, Any]) -> list[Fault]:
    """Hold the method overrides of a request against the notebook that they are for.

    Parameters
    ----------
    request : Request
    parameters : mapping of str to object
        The names and values of the notebook's parameters cell, but for the request's own id.

    Returns
    -------
    list of Fault
        Unknown names; values of another kind; shares that are not between 0 and 1, numbers that
        are not above 0, and minimum counts below the notebook's, which hold back small numbers.
    """
    found = Findings(f"{request.id}/request.toml")
    for name, value in request.overrides.items():
        where = place("method", name)
        if name not in parameters:
            found.add(
                "a method override must name a parameter of the report's notebook",
                "Respell or remove it; known are: " + ", ".join(parameters),
                where,
            )
        elif not _same_kind(value, parameters[name]):
            found.add(
                "the value of a method override must be of the kind that the notebook has: "
                + _kind_of(parameters[name]),
                "Write it so, or remove the override",
                where,
            )
        elif rule := _beyond(name, value, parameters[name]):
            found.add(rule, "Write it so, or remove the override", where)
    return found.faults


def _kind_of(value: Any) -> str:
    if isinstance(value, list):
        return f"a list, each entry {_kind_of(value[0])}"
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(
        type(value), "text"
    )


def _same_kind(value: Any, default: Any) -> bool:
    if isinstance(default, list):
        return isinstance(value, list) and all(_same_kind(one, default[0]) for one in value)
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(default)


def _beyond(name: str, value: Any, default: Any) -> str | None:
    """Return the rule that a number breaks by its size, if any."""
    if isinstance(default, list):
        rules = (_beyond(name, one, default[0]) for one in value)
        return next((rule for rule in rules if rule), None)
    if isinstance(default, bool | str):
        return None
    if name.startswith("minimum_"):
        rule, held = f"it must be at least {default:,}: a minimum may be raised", value >= default
    elif 0 < default < 1:
        rule, held = "it must lie between 0 and 1", 0 < value < 1
    else:
        rule, held = "it must lie above 0, and below a thousand million", 0 < value < 1e9
    return None if held else rule


def _hold_sense(raw: Mapping[str, Any], folder: Path, found: Findings) -> None:
    """Hold together what single keys cannot show."""
    if raw["id"] != id_of(folder):
        found.add("the id must be the name of its folder", "Rename the one or the other", "id")
    if raw["release"] < raw["received"].isoformat()[:7]:
        found.add(
            "a request cannot be published before it is received",
            "Correct `release` or `received`",
            "release",
        )
    if raw.get("data_sharing", {}).get("signed_on", raw["received"]) > raw["received"]:
        found.add(
            "the sharing of the data must be signed off by the day they are received",
            "Correct the date; data that came before the sign-off are not used until it is settled "
            "that they may be",
            "[data_sharing] signed_on",
        )
    if raw["id"] in raw.get("extends", ()):
        found.add("a request cannot extend itself", "Name earlier requests only", "extends")
    if "approved_on" in raw and "special_group" not in raw:
        found.add(
            "an approval belongs to a special group",
            "Add `special_group`, or remove `approved_on`",
            "approved_on",
        )
    _hold_analysis(raw.get("analysis", {}), found)
    if not is_date_format(raw.get("upload", {}).get("date_format", "ISO")):
        found.add(
            _DATE_FORMAT_RULE,
            'Write it as "DD/MM/YYYY", as the dates in the file are written',
            "[upload] date_format",
        )
    if correction := raw.get("correction"):
        _hold_correction(correction, raw, found)


def _hold_analysis(analysis: Mapping[str, Any], found: Findings) -> None:
    if analysis.get("follow_up_days", FOLLOW_UP_DAYS) != FOLLOW_UP_DAYS:
        found.add(
            f"people are followed for {FOLLOW_UP_DAYS} days",
            "Remove the key",
            "[analysis] follow_up_days",
        )
    for name in analysis.get("subgroups", ()):
        if name not in SUBGROUPS and not re.fullmatch(r"group_[a-z0-9_]{1,40}", name):
            found.add(
                "a subgroup must be a group_ column of the upload or one of: "
                + ", ".join(SUBGROUPS),
                "Name one of them",
                "[analysis] subgroups",
            )


def _hold_correction(
    correction: Mapping[str, Any], raw: Mapping[str, Any], found: Findings
) -> None:
    if correction["of"] >= raw["release"]:
        found.add(
            "a correction must be of an earlier release than its own",
            "Name the month in which the report came out first",
            "[correction] of",
        )
    if not raw["received"].isoformat() <= correction["on"].isoformat() <= f"{raw['release']}-31":
        found.add(
            "a correction is made after the request is received and by its own release",
            "Give the day on which the error was put right",
            "[correction] on",
        )


def read_upload(request: Request, *, withdrawn: bool = False, keep: bool = False) -> Upload:
    """Read the people of a request.

    Parameters
    ----------
    request : Request
        Its folder holds ``upload.csv`` or ``upload.xlsx``.
    withdrawn : bool
        A withdrawn request may lack the file, and then has no people. Without data-sharing
        sign-off the file is never opened.
    keep : bool
        Whether the upload stays in memory, for whoever asks next in this process.

    Returns
    -------
    Upload
        Its rows ordered `by_content`.

    Raises
    ------
    Unusable
        With every fault of the file.
    """
    if keep:
        return _upload_once(request.folder, _stamps(request.folder), withdrawn)
    if request.data_sharing is None:
        return Upload(no_people(), "", "", None)
    files, destroyed = _upload_files(request.folder), read_destroyed(request.folder)
    if destroyed is not None:
        rule = f"its upload was destroyed on {destroyed.on}, as agreed, so it cannot run again"
        raise Unusable([Fault(request.id, rule, "What it published can be checked: jdl verify")])
    if not files and withdrawn:
        return Upload(no_people(), "", "", None)
    _hold_own(request.folder, *files)
    if len(files) != 1:
        raise Unusable(
            [
                Fault(
                    request.id,
                    "there must be one upload.csv or upload.xlsx",
                    "Remove all but one" if files else "Add the filled data upload template",
                )
            ]
        )
    upload = read_people(
        files[0],
        received=request.received,
        where=f"{request.id}/{files[0].name}",
        date_format=request.date_format,
        sheet=request.sheet,
        setting=request.setting,
        source=request.id,
    )
    found = Findings(f"{request.id}/{files[0].name}")
    _hold_labels(upload.people, request.subgroups, found)
    if found.faults:
        raise Unusable(found.faults)
    return replace(upload, people=by_content(upload.people))


def read_destroyed(folder: Path) -> Destroyed | None:
    """Return when the upload of a request was destroyed; None where nothing says that it was.

    Parameters
    ----------
    folder : Path
        The request's; ``destroyed.toml`` in it gives ``on`` and ``role``.

    Raises
    ------
    Unusable
        With every fault of the file, one of them an upload that is still there.
    """
    file, found = folder / DESTROYED, Findings(f"{folder.name}/{DESTROYED}")
    if not file.exists():
        return None
    _hold_own(folder, file)
    raw = load(file, found.where)
    hold_form(raw, _DESTRUCTION, found)
    if _upload_files(folder):
        found.add("the upload must be gone", "Destroy it, or remove this file")
    if found.faults:
        raise Unusable(found.faults)
    return Destroyed(**raw)


_DESTRUCTION: Form = {
    "": {
        "on": Key("date", True),
        "role": Key("text", True, shape=(ROLE, "a post, such as: data manager")),
    }
}


def _upload_files(folder: Path) -> list[Path]:
    names = ("upload.csv", "upload.xlsx")
    return sorted(path for path in folder.iterdir() if path.name.casefold() in names)


def _hold_own(folder: Path, *files: Path) -> None:
    """Hold that a request's files are its own, not links to files elsewhere."""
    faults = [
        Fault(
            f"{folder.name}/{file.name}",
            "the file must lie in the request's own folder, not be a link to another place",
            "Put the file itself there",
        )
        for file in files
        if file.resolve().parent != folder.resolve()
    ]
    if faults:
        raise Unusable(faults)


def _hold_labels(people: pd.DataFrame, subgroups: Sequence[str], found: Findings) -> None:
    """Hold what an upload's columns give as labels of subgroups, which are printed."""
    for name in subgroups:
        if name.startswith("group_") and name not in people:
            found.add(
                "a column that request.toml names as a subgroup must be in the upload",
                "Add the column, or remove it from `subgroups`",
                name,
            )
        elif name in people:
            long = people[name].str.len() > _LONGEST_LABEL
            for row in people.loc[long.fillna(value=False), "row"]:
                found.add(
                    f"the label of a subgroup must have at most {_LONGEST_LABEL} characters",
                    "Shorten it throughout",
                    name,
                    int(row),
                )


def pooled_upload(request: Request, requests_folder: Path, *, keep: bool = False) -> Upload:
    """Read the people of a request after those of the requests it extends.

    Parameters
    ----------
    request : Request
        Its `extends` are followed to the first, earliest people first.
    requests_folder : Path
        Holds the earlier requests, and the log; what that calls withdrawn may lack its upload.
    keep : bool
        As for `read_upload`.

    Returns
    -------
    Upload
        ``source`` tells which request a row came with; ``(source, row)`` is unique. A row that an
        earlier source already holds (same name, date of birth, and index, conviction and start
        dates) is left out and counted in ``repeated``.

    Raises
    ------
    Unusable
        With every fault of every file, and where an earlier request is missing, is not earlier,
        is withdrawn, has no data-sharing sign-off, or leads back to this one.
    """
    withdrawn = _withdrawn(requests_folder, request.release)
    parts_of, faults = _chain(request, requests_folder)
    if withdrawn & {one.id for one in parts_of[:-1]}:
        faults.append(_extends(request, "a request cannot extend one that was withdrawn"))
    parts = []
    for one in parts_of:
        try:
            parts.append(read_upload(one, withdrawn=one.id in withdrawn, keep=keep))
        except Unusable as unusable:
            faults += unusable.faults
    if faults:
        raise Unusable(faults)
    return _pooled(parts)


def others(request: Request, requests_folder: Path) -> list[Request]:
    """Return the requests received on earlier days and not pooled with this one.

    Parameters
    ----------
    request : Request
    requests_folder : Path
        Holds the other requests, and the log.

    Returns
    -------
    list of Request
        From `usable`.
    """
    own = chain(request, requests_folder)
    return [
        one
        for one in usable(requests_folder, request.release)
        if one.id not in own and one.received < request.received
    ]


def usable(requests_folder: Path, release: str) -> list[Request]:
    """Return the requests whose people may be looked for, as they stood at a release.

    Parameters
    ----------
    requests_folder : Path
    release : str
        The month, ``YYYY-MM``.

    Returns
    -------
    list of Request
        By id. Those that cannot be read, were withdrawn or have no data-sharing sign-off are left
        out.
    """
    withdrawn = _withdrawn(requests_folder, release)
    found = []
    for folder in request_folders(requests_folder, release):
        with suppress(Unusable):
            one = _request_once(folder, _stamps(folder))
            if one.data_sharing is not None and one.id not in withdrawn:
                found.append(one)
    return found


def people_of_others(
    request: Request, requests_folder: Path, *, keep: bool = False
) -> pd.DataFrame:
    """Read the people of the requests received on earlier days and not pooled with this one.

    Parameters
    ----------
    request : Request
    requests_folder : Path
        As for `others`.
    keep : bool
        As for `read_upload`.

    Returns
    -------
    DataFrame
        Those who took part, as `Upload.people`, by id of the request.
    """
    parts = [took_part(one, keep=keep) for one in others(request, requests_folder)]
    return pd.concat(parts, ignore_index=True) if parts else no_people()


def took_part(request: Request, *, keep: bool = False) -> pd.DataFrame:
    """Return the people of an upload but those who refused; nobody where it cannot be read.

    Parameters
    ----------
    request : Request
    keep : bool
        As for `read_upload`.
    """
    if keep:
        return _took_part_once(request.folder, _stamps(request.folder))
    return _but_refused(request, keep=False)


def _but_refused(request: Request, *, keep: bool) -> pd.DataFrame:
    try:
        people = read_upload(request, keep=keep).people
    except Unusable:
        return no_people()
    return people.loc[people["participation"] != "refused"].reset_index(drop=True)


_Stamps = tuple[tuple[str, int, int, int, int], ...]
_READ = ("request.toml", DESTROYED)


def _stamps(folder: Path) -> _Stamps:
    """What the system knows of a request's files, so that none is read twice unless it changed.

    Whatever else lies in the folder, such as an editor's lock, says nothing of the request.
    """
    found = []
    for file in sorted(folder.iterdir()):
        if file.name in _READ or file.name.casefold().startswith("upload."):
            with suppress(OSError):
                one = file.stat()
                times = one.st_mtime_ns, one.st_ctime_ns
                found.append((file.name, one.st_ino, one.st_size, *times))
    return tuple(found)


@lru_cache(maxsize=4096)
def _request_once(folder: Path, stamps: _Stamps) -> Request:
    return read_request(folder)


@lru_cache(maxsize=1024)
def _upload_once(folder: Path, stamps: _Stamps, withdrawn: bool) -> Upload:
    return read_upload(_request_once(folder, stamps), withdrawn=withdrawn)


@lru_cache(maxsize=1024)
def _took_part_once(folder: Path, stamps: _Stamps) -> pd.DataFrame:
    return _but_refused(_request_once(folder, stamps), keep=True)


def _withdrawn(requests_folder: Path, release: str) -> frozenset[str]:
    """Return the ids that the log, where there is one that can be read, calls withdrawn."""
    file = requests_folder / "log.csv"
    try:
        stamp = file.stat()
        return _withdrawn_once(requests_folder, release, stamp.st_ino, stamp.st_mtime_ns)
    except (OSError, Unusable):
        return frozenset()


@lru_cache(maxsize=64)
def _withdrawn_once(folder: Path, release: str, *stamp: int) -> frozenset[str]:
    """Read the log once for all the requests of a release, unless it has changed."""
    log = read_log(folder, release)
    return frozenset(log.loc[log["status"] == "withdrawn", "id"])


def chain(request: Request, requests_folder: Path) -> set[str]:
    """Return the ids of the requests whose people are pooled, its own among them."""
    return {one.id for one in _chain(request, requests_folder)[0]}


def _chain(request: Request, requests_folder: Path) -> tuple[list[Request], list[Fault]]:
    """Return the requests to be pooled, earliest first, and the faults of the ones named."""
    found: dict[str, Request] = {}
    faults: list[Fault] = []

    def follow(one: Request, path: tuple[str, ...]) -> None:
        for name in one.extends:
            if name in path:
                faults.append(_extends(one, "a request must not extend itself by way of others"))
            elif name not in found:
                try:
                    earlier = read_request(folder_of(requests_folder, name, request.release))
                except Unusable as unusable:
                    faults.extend(unusable.faults)
                    continue
                faults.extend(_may_extend(one, earlier))
                follow(earlier, (*path, name))
        found.setdefault(one.id, one)

    follow(request, (request.id,))
    return list(found.values()), faults


def _extends(request: Request, rule: str) -> Fault:
    return Fault(f"{request.id}/request.toml", rule, "Name earlier requests only", "extends")


def _may_extend(request: Request, earlier: Request) -> list[Fault]:
    faults = []
    if earlier.received > request.received:
        faults.append(_extends(request, "a request can extend only those received before it"))
    if earlier.data_sharing is None:
        faults.append(
            _extends(request, "a request cannot extend one without data-sharing sign-off")
        )
    return faults


def _pooled(parts: Sequence[Upload]) -> Upload:
    if len(parts) == 1:
        return parts[0]
    pooled = pd.concat([part.people for part in parts], ignore_index=True)
    keys = pd.Series(participation(pooled, DATES[:3]), index=pooled.index, dtype="str")
    first = pooled["source"].groupby(keys).transform("first")
    repeated = keys.notna() & (pooled["source"] != first)
    people = pooled[~repeated].reset_index(drop=True)
    own = parts[-1]
    left_out = int(repeated.sum())
    notes = [note for part in parts for note in part.notes]
    if left_out:
        notes.append(Note("rows that an earlier request already holds were left out", left_out))
    return replace(own, people=people, notes=_summed(notes), repeated=left_out)


def _summed(notes: Iterable[Note]) -> tuple[Note, ...]:
    sums: dict[tuple[str, str | None], int] = {}
    for note in notes:
        sums[note.text, note.column] = sums.get((note.text, note.column), 0) + note.rows
    return tuple(Note(text, rows, column) for (text, column), rows in sums.items())


@dataclass(frozen=True)
class Criterion:
    """One criterion that a request must meet.

    Parameters
    ----------
    code : str
        ``minimum_people``, ``data_sharing``, ``special_group`` or ``withdrawn``.
    text : str
        Public wording: why it is not met, or that it is.
    required, actual : str
        What is asked, and what there is.
    met : bool
        Whether it is met.
    """

    code: str
    text: str
    required: str
    actual: str
    met: bool


Reason = Criterion


def criteria(
    request: Request, people: pd.DataFrame, withdrawn: bool, minimum: int = MINIMUM_PEOPLE
) -> list[Criterion]:
    """Hold a request against the minimum criteria.

    Parameters
    ----------
    request : Request
        With its sign-off and approval.
    people : DataFrame
        The upload's people, pooled where the request extends others. Those who refused do not
        count towards the minimum, and a person of several rows counts once.
    withdrawn : bool
        Whether the organisation has withdrawn the request.
    minimum : int
        The fewest people that can be analysed.

    Returns
    -------
    list of Criterion
        All, met or not; where a request without sign-off or a withdrawn one came without an
        upload, the number of people is not held against it.
    """
    found = [_signed(request), _approved(request), _standing(withdrawn)]
    if len(people) or not (withdrawn or request.data_sharing is None):
        found.insert(0, _enough(people, minimum))
    return found


def _enough(people: pd.DataFrame, minimum: int) -> Criterion:
    taking_part = people[people["participation"] != "refused"]
    keys = participation(taking_part, ())
    count = len({key for key in keys if key is not None}) + keys.count(None)
    met = count >= minimum
    people_word = "person" if count == 1 else "people"
    were = "was" if count == 1 else "were"
    return Criterion(
        "minimum_people",
        f"Details of {count:,} {people_word} who took part {were} submitted"
        + ("." if met else f"; at least {minimum:,} are needed."),
        f"at least {minimum:,} people",
        f"{count:,} {people_word}",
        met,
    )


def analysable(people: int, minimum: int, *, near: bool = False) -> list[Criterion]:
    """Hold the number of people whose sentence was found against the minimum.

    Parameters
    ----------
    people : int
        People in the treatment group before matching.
    minimum : int
        The fewest that can be analysed.
    near : bool
        Whether a report would, beside one published before, tell of the few who differ.

    Returns
    -------
    list of Criterion
        One; it says neither how many there were nor which of the two is the reason.
    """
    met = people >= minimum and not near
    found = "enough" if met else "too few"
    others = "" if met else ", or too few other than those of a report published before"
    return [
        Criterion(
            "treatment_group",
            f"{found.capitalize()} people were found in the national records with a sentence at "
            f"the time of the intervention{others}.",
            f"at least {minimum:,} people",
            found,
            met,
        )
    ]


def _signed(request: Request) -> Criterion:
    met = request.data_sharing is not None
    return Criterion(
        "data_sharing",
        "The organisation has signed off that the data may be shared."
        if met
        else "The organisation has not signed off that the data may be shared.",
        "data-sharing sign-off",
        "signed off" if met else "not signed off",
        met,
    )


def _approved(request: Request) -> Criterion:
    group, approved = request.special_group, request.approved_on is not None
    required = "approval, where a service works with a group that needs it"
    if group is None:
        text = "The service does not work with a group that needs approval case by case."
        return Criterion("special_group", text, required, "not needed", True)
    return Criterion(
        "special_group",
        f"Services for this group ({group}) need approval case by case, which "
        + ("was given." if approved else "has not been given."),
        required,
        "approved" if approved else "not approved",
        approved,
    )


def _standing(withdrawn: bool) -> Criterion:
    return Criterion(
        "withdrawn",
        "The request was withdrawn by the submitting organisation."
        if withdrawn
        else "The request was not withdrawn.",
        "not withdrawn",
        "withdrawn" if withdrawn else "not withdrawn",
        not withdrawn,
    )


def choices(names: Mapping[str, Any]) -> dict[str, Any]:
    """Return every choice of a notebook's parameters cell, so that none can be forgotten.

    Parameters
    ----------
    names : mapping of str to object
        The notebook's names and values, before it has made any number, text or list of its own.

    Returns
    -------
    dict of str to object
        Those that hold a number, a text or a list of these, by name.
    """
    literal = (bool, int, float, str)
    return {
        name: value
        for name, value in sorted(names.items())
        if not name.startswith("_") and name not in ("In", "Out")
        if isinstance(value, literal)
        or (isinstance(value, list) and all(isinstance(one, literal) for one in value))
    }


def unmet(criteria: Iterable[Criterion]) -> list[Criterion]:
    """Return the criteria that are not met: the reasons why a request cannot be processed."""
    return [criterion for criterion in criteria if not criterion.met]


def stop_if(criteria: Iterable[Criterion], *shown: object) -> None:
    """End the notebook, as complete, where any criterion is not met.

    Parameters
    ----------
    criteria : iterable of Criterion
        All, or the unmet only.
    *shown : object
        What the notebook says and records of a request that ends here; shown before it ends.

    Raises
    ------
    SystemExit
        With status 0.
    """
    if unmet(criteria):
        from IPython.display import display  # slow to import, and only a notebook comes here

        display(*shown)  # type: ignore[no-untyped-call]
        raise SystemExit(0)


def against(request: Request, upload: Upload, vintage: Vintage) -> list[Fault]:
    """Hold an upload's dates against what a vintage can follow up.

    Parameters
    ----------
    request : Request
        For its name.
    upload : Upload
        A row's date is its index date, else its start, else its conviction.
    vintage : Vintage
        Its ``last_index_date`` is the last with complete follow-up.

    Returns
    -------
    list of Fault
        One where every row with a date lies beyond, or so many do that fewer than the minimum are
        left; rows beyond among others are counted in the funnel (see `beyond`).
    """
    dated = int(_effective(upload.people).notna().sum())
    late = beyond(upload, vintage)
    if not late or (late < dated and (late < MINIMUM_PEOPLE or dated - late >= MINIMUM_PEOPLE)):
        return []
    return [
        Fault(
            f"{request.id}/{upload.name}",
            f"the vintage {vintage.name} follows up index dates to "
            f"{vintage.last_index_date.isoformat()}, and too many dates of the upload lie after",
            "Wait for a later vintage, or name one with --data",
            rows=late,
        )
    ]


def beyond(upload: Upload, vintage: Vintage) -> int:
    """Return how many rows have a date after the vintage's last index date."""
    return int((_effective(upload.people) > pd.Timestamp(vintage.last_index_date)).sum())


def _effective(people: pd.DataFrame) -> pd.Series[pd.Timestamp]:
    return (
        people["index_date"].fillna(people["intervention_start"]).fillna(people["conviction_date"])
    )


def request_folders(requests_folder: Path, release: str = "") -> list[Path]:
    """Return the folders that hold a ``request.toml``, by id; as they stood at a release."""
    found = sorted(path.parent.name for path in requests_folder.glob("*/request.toml"))
    return [folder_of(requests_folder, name, release) for name in found]


def folder_of(requests_folder: Path, request_id: str, release: str = "") -> Path:
    """Return the folder of a request as it stood at a release.

    A corrected request keeps what it replaced, ``request.toml`` and upload, in a folder of its own
    named for the release of the correction, such as ``before-2014-04``.

    Parameters
    ----------
    requests_folder : Path
    request_id : str
    release : str
        The month, ``YYYY-MM``; without it, as it stands now.
    """
    folder = requests_folder / request_id
    earlier = sorted(path.parent.name for path in folder.glob(f"{_BEFORE}????-??/request.toml"))
    held = (name for name in earlier if release and release < name.removeprefix(_BEFORE))
    return folder / next(held, "")


def corrected_folders(requests_folder: Path) -> list[Path]:
    """Return the folders of what requests were before they were corrected."""
    found = requests_folder.glob(f"*/{_BEFORE}????-??/request.toml")
    return sorted(path.parent for path in found)


def id_of(folder: Path) -> str:
    """Return the id of the request whose folder this is, also of one from before a correction."""
    return folder.parent.name if folder.name.startswith(_BEFORE) else folder.name


def _where(folder: Path) -> str:
    """Name a request's file in a fault."""
    version = f"{folder.name}/" if folder.name.startswith(_BEFORE) else ""
    return f"{id_of(folder)}/{version}request.toml"


_BEFORE = "before-"


def requests_of(requests_folder: Path, release: str) -> list[Path]:
    """Return the folders of a release's requests.

    Parameters
    ----------
    requests_folder : Path
        Every folder in it with a ``request.toml`` is looked at.
    release : str
        The month, ``YYYY-MM``.

    Returns
    -------
    list of Path
        In the order of their ids.

    Raises
    ------
    Unusable
        Where a request's release cannot be read, or two requests have the same id. Other faults
        of other months' requests stop nothing.
    """
    faults: list[Fault] = []
    chosen: list[Path] = []
    seen: dict[str, str] = {}
    for folder in request_folders(requests_folder, release):
        where = _where(folder)
        try:
            raw = load(folder / "request.toml", where)
        except Unusable as unusable:
            faults += unusable.faults
            continue
        if trouble := trouble_of(raw.get("release"), MONTH_KEY):
            faults.append(Fault(where, *trouble, column="release"))
        name = raw.get("id")
        if isinstance(name, str) and name in seen:
            faults.append(
                Fault(where, "no two requests may have the same id", "Rename one", column="id")
            )
        elif isinstance(name, str):
            seen[name] = where
        if raw.get("release") == release:
            chosen.append(folder)
    if faults:
        raise Unusable(faults)
    return chosen


@dataclass(frozen=True)
class Beside:
    """What a request is run with.

    Parameters
    ----------
    data : Path, optional
        One vintage of the national data, or a folder of vintages.
    parameters : mapping of str to object, optional
        The names and values that the notebook's parameters cell gives its method.
    """

    data: Path | None = None
    parameters: Mapping[str, Any] | None = None


def check(
    path: Path,
    *,
    date_format: str | None = None,
    today: dt.date | None = None,
    beside: Beside | None = None,
) -> list[Fault]:
    """Hold an upload, a request, a folder of requests, or a vintage against the contract.

    Parameters
    ----------
    path : Path
        An upload file; a request's folder or ``request.toml``; a folder with ``log.csv`` or with
        requests, or its log; a release file; a vintage or a folder of vintages.
    date_format : str, optional
        How the dates of an upload that stands alone are written; ISO without it.
    today : date, optional
        No date of an upload that stands alone may lie after it; the present day without it.
    beside : Beside, optional
        What a request is run with, so that what only a run would find is found too.

    Returns
    -------
    list of Fault
        Every fault; empty when all can be used.
    """
    try:
        if path.is_dir():
            faults = _check_folder(path, beside or Beside())
        else:
            faults = _check_file(path, date_format, today, beside or Beside())
    except Unusable as unusable:
        faults = list(unusable.faults)
    return list(dict.fromkeys(faults))


def _check_folder(folder: Path, beside: Beside) -> list[Fault]:
    if (folder / "request.toml").exists():
        return _check_request(folder, beside)
    if vintages := find_vintages(folder):
        return [fault for vintage in vintages for fault in check_vintage(vintage)]
    if (folder / "log.csv").exists() or request_folders(folder):
        return _check_requests(folder, beside)
    return [
        Fault(
            folder.name or str(folder),
            "the folder must hold request.toml, requests with log.csv, or vintage.toml",
            "Name an upload, a request, a folder of requests or a vintage",
        )
    ]


def _check_file(
    file: Path, date_format: str | None, today: dt.date | None, beside: Beside
) -> list[Fault]:
    if file.name == "request.toml":
        return _check_request(file.parent, beside)
    if file.name == "vintage.toml":
        return check_vintage(file.resolve().parent)
    if file.name == "log.csv":
        read_log(file.parent)
        return []
    if file.suffix == ".toml" and file.parent.name == "releases":
        read_release(file.parent.parent, file.stem)
        return []
    if not is_date_format(date_format or "ISO"):
        return [Fault("date format", _DATE_FORMAT_RULE, "Write it as DD/MM/YYYY")]
    read_people(file, date_format=date_format or "ISO", received=today or dt.date.today())
    return []


def _faults_of(reading: Callable[[], object]) -> list[Fault]:
    try:
        reading()
    except Unusable as unusable:
        return list(unusable.faults)
    return []


def _check_request(folder: Path, beside: Beside) -> list[Fault]:
    folder = folder.resolve()
    try:
        request = read_request(folder)
    except Unusable as unusable:
        return [*unusable.faults, *_faults_of(partial(_check_upload, folder))]
    faults = [] if beside.parameters is None else overrides_faults(request, beside.parameters)
    requests_folder = folder.parents[0 if folder.name == request.id else 1]
    try:
        if read_destroyed(folder):
            return faults
        upload = pooled_upload(request, requests_folder)
    except Unusable as unusable:
        return [*faults, *unusable.faults]
    if beside.data is None:
        return faults
    return faults + _check_follow_up(request, upload, requests_folder, beside.data)


def _check_follow_up(
    request: Request, upload: Upload, requests_folder: Path, data: Path
) -> list[Fault]:
    try:
        vintage = open_vintage(data, read_release(requests_folder, request.release).vintage)
    except Unusable as unusable:
        return list(unusable.faults)
    return against(request, upload, vintage)


def _check_upload(folder: Path) -> None:
    """Check the upload of a request whose ``request.toml`` has faults, as far as it can be."""
    raw = load(folder / "request.toml", f"{folder.name}/request.toml")
    written = raw.get("upload", {})
    if trouble_of(raw.get("received"), _REQUEST[""]["received"]) or not isinstance(written, dict):
        return
    declared, sheet = written.get("date_format", "ISO"), written.get("sheet")
    if not is_date_format(declared) or not isinstance(sheet, str | None):
        return
    for file in sorted(folder.glob("upload.*")):
        read_people(
            file,
            where=f"{folder.name}/{file.name}",
            received=raw["received"],
            date_format=declared,
            sheet=sheet,
        )


def _check_requests(folder: Path, beside: Beside) -> list[Fault]:
    faults = _faults_of(partial(read_log, folder))
    for file in sorted((folder / "releases").glob("*.toml")):
        faults += _faults_of(partial(read_release, folder, file.stem))
    faults += _faults_of(partial(requests_of, folder, "all"))
    for one in [*request_folders(folder), *corrected_folders(folder)]:
        faults += _check_request(one, beside)
    return faults or _check_agreement(folder)


def _check_agreement(folder: Path) -> list[Fault]:
    """Hold every request against its row of the log."""
    log = in_force(read_log(folder)).set_index("id")
    found = Findings("log.csv")
    for path in request_folders(folder):
        request = read_request(path)
        if request.id not in log.index:
            found.add("every request must have a row", "Add the row", request.id)
            continue
        row = log.loc[request.id]
        stated = {**request.public, "received": pd.Timestamp(request.received)}
        for name in (*_SHARED, "received"):
            if pd.notna(row[name]) and row[name] != stated[name]:
                found.add(
                    f"the log must agree with request.toml on {name}",
                    "Correct the one or the other",
                    request.id,
                )
    return found.faults
