"""A reviewer at a terminal: the cases of a request, side by side, one after the other.

A case is a person of the upload with the register people who could be that person. What a reviewer
sees says who people are, and nothing of what they did. It stays in memory and on the screen; only
the answers are kept, by ``jdl.review``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from rich.box import SIMPLE
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from jdl import review
from jdl.engines import Tables, bring
from jdl.linkage import LinkageFailed, Links, Scored
from jdl.review import (
    CANNOT_TELL,
    DIFFERENT,
    NOBODY,
    SAME,
    SEEN,
    Answer,
    Basis,
    Checks,
    Decisions,
    Pair,
)

REASONS = {
    SAME: (
        "names and date of birth agree but for slips of writing",
        "an identifier agrees, and enough else",
        "known by this name as an alias",
        "a surname that changed; the rest agrees",
        "rare names agree",
    ),
    DIFFERENT: (
        "dates of birth are too far apart",
        "names are of different people",
        "a relative or namesake",
        "identifiers contradict each other",
        "too little agrees",
    ),
    CANNOT_TELL: (
        "two people of the register fit equally well",
        "the upload says too little",
        "the records contradict each other",
    ),
}
MOST_CANDIDATES = 5
LEAST_POSTERIOR = 0.01
_LONGEST_REASON = 200


# ------------------------------------------------------------------------------- what is looked at


@dataclass(frozen=True)
class Candidate:
    """A register person who could be the person of a case.

    Parameters
    ----------
    offender_id : str
    match_weight : float
        Bits, the prior included.
    posterior : float
    by_alias : bool
        Whether the levels are those of an alias.
    levels : dict
        Field -> level of agreement.
    written : dict
        Column of the register -> value, as written.
    aliases : tuple of str
    automatic : bool
        Whether this person is linked without review.
    """

    offender_id: str = field(repr=False)
    match_weight: float
    posterior: float
    by_alias: bool
    levels: Mapping[str, str] = field(repr=False)
    written: Mapping[str, str] = field(repr=False)
    aliases: tuple[str, ...] = field(repr=False)
    automatic: bool


@dataclass(frozen=True)
class Case:
    """A person of the upload to be looked at.

    Parameters
    ----------
    key : str
        The same wherever the person's rows stand in the upload.
    source, row : str, int
        The first of them.
    purpose : str
        One of ``PURPOSES``.
    reason : str
        Why a person should look.
    written : dict
        Column of the upload -> what its rows say, as written.
    candidates : tuple of Candidate
        By falling match weight.
    earlier : tuple of Answer
        Those that differ, where the case is to be resolved.
    """

    key: str = field(repr=False)
    source: str
    row: int
    purpose: str
    reason: str
    written: Mapping[str, str] = field(repr=False)
    candidates: tuple[Candidate, ...]
    earlier: tuple[Answer, ...] = ()


@dataclass(frozen=True, eq=False)
class Desk:
    """All that is needed to review one request; it holds people, and lives in memory only.

    Parameters
    ----------
    request_id : str
    people : DataFrame
        The upload rows.
    scored : Scored
    decide : callable
        From the judgements that count, or None, to links: ``linkage.decide`` with all else given.
    account : callable
        From links to their audit rows: ``linkage.audit`` with all else given.
    con : duckdb.DuckDBPyConnection
        Views of the national tables offenders and aliases.
    restricted : Path
        The restricted folder.
    basis : Basis
    seed : int
        Of the order of cases and of what is drawn.
    drawn_from : str
        What to print as the source of a chart.
    alone : callable
        A context that keeps other commands out while an answer is written.
    """

    request_id: str
    people: pd.DataFrame = field(repr=False)
    scored: Scored = field(repr=False)
    decide: Callable[[pd.DataFrame | None], Links] = field(repr=False)
    account: Callable[[Links], pd.DataFrame] = field(repr=False)
    con: Tables = field(repr=False)
    restricted: Path
    basis: Basis
    seed: int
    drawn_from: str
    alone: Callable[[], AbstractContextManager[None]] = field(repr=False)

    @cached_property
    def links(self) -> Links:
        """The links as they are without any review."""
        return self.decide(None)

    @property
    def decisions(self) -> Decisions:
        """Every answer there is now."""
        return review.open_decisions(self.restricted, self.request_id)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Those of them that hold."""
        return self.decisions.answers.get(self.basis, ())

    def reviewed(self) -> Links:
        """Return the links as a run makes them with the answers that count."""
        table = review.judgements(self.answers, self.people)
        return self.decide(table if len(table) else None)

    def audit(self) -> pd.DataFrame:
        """Return the audit rows of those links; they name nobody."""
        return self.account(self.reviewed())

    def keep(self, answer: Answer) -> None:
        """Write an answer into the file of the request."""
        with self.alone():
            review.keep(self.restricted, self.request_id, self.basis, answer)


@dataclass(frozen=True)
class Evidence:
    """How far the records of one person agree with those of the likeliest register person.

    Parameters
    ----------
    levels : DataFrame
        field, level and weight (bits); no value of anybody.
    prior : float
        The probability of a random pair.
    posterior : float
    """

    levels: pd.DataFrame = field(repr=False)
    prior: float
    posterior: float


def evidence(desk: Desk, source: str, row: int) -> Evidence | None:
    """Return the evidence on the link of an upload row, or on its heaviest candidate.

    Parameters
    ----------
    desk : Desk
    source, row : str, int
        The upload row.

    Returns
    -------
    Evidence or None
        None where no register person could be the person of the row.

    Raises
    ------
    KeyError
        If the upload has no such row.
    """
    rows = desk.scored.rows
    person = rows.loc[rows["source"].eq(source) & rows["row"].eq(row), "person"]
    if person.empty:
        raise KeyError(row)
    its_rows = rows.loc[rows["person"] == person.iloc[0], ["source", "row"]]
    linked = desk.reviewed().table.merge(its_rows)["offender_id"].dropna()
    pairs = desk.scored.pairs.loc[desk.scored.pairs["person"] == person.iloc[0]]
    pairs = pairs.assign(linked=pairs["offender_id"].isin(linked))
    best = pairs.sort_values(["linked", "match_weight"], ascending=False, kind="stable").head(1)
    fields = [name.removeprefix("level_") for name in map(str, pairs) if name.startswith("level_")]
    levels = [
        (name, str(pair[f"level_{name}"]), float(pair[f"weight_{name}"]))
        for pair in best.to_dict("records")
        for name in fields
    ]
    if not levels:
        return None
    odds = 2.0**desk.scored.prior
    return Evidence(
        levels=pd.DataFrame(levels, columns=["field", "level", "weight"]),
        prior=odds / (1 + odds),
        posterior=float(best["posterior"].iloc[0]),
    )


def cases(desk: Desk) -> tuple[Case, ...]:
    """Return every person left for review.

    Parameters
    ----------
    desk : Desk

    Returns
    -------
    tuple of Case
        In an order drawn by the seed: it tells nothing of the likely answer, and does not depend
        on the order of rows. Candidates are the ``MOST_CANDIDATES`` heaviest of those with a
        posterior of at least ``LEAST_POSTERIOR`` or an identifier that agrees, and always the
        heaviest.

    Raises
    ------
    LinkageFailed
        With no word of what the tables hold.
    """
    people = _people(desk)
    return _cases(desk, people.loc[people["decision"] == "review"], "doubtful")


def sample(desk: Desk, size: int) -> tuple[Case, ...]:
    """Return a random sample of the links that are made without review, to be checked.

    Parameters
    ----------
    desk : Desk
    size : int
        How many, at most; a larger sample contains each smaller one.

    Returns
    -------
    tuple of Case
        As `cases`.

    Raises
    ------
    LinkageFailed
        With no word of what the tables hold.
    """
    people = _people(desk)
    return _cases(desk, people.loc[people["decision"] == "linked"].head(size), "sample")


def agenda(
    desk: Desk, role: str, *, checked: int | None = None, again: bool = False
) -> tuple[Case, ...]:
    """Return what a reviewer is to look at now.

    Parameters
    ----------
    desk : Desk
    role : str
        The reviewer.
    checked : int, optional
        The size of the sample of automatic links to check; without it, people left for review.
    again : bool
        Whether to answer a second time what another role has answered, not knowing how.

    Returns
    -------
    tuple of Case
        Cases on which reviewers disagree first, then those that were asked for and still want an
        answer.
    """
    answers = desk.answers
    differ = review.disagreements(answers)
    people = _people(desk)
    resolve = _cases(desk, people.loc[people.index.isin(list(differ))], "resolve")
    if again:
        keys = review.to_key_again(answers, role, seed=desk.seed)
        rest = _cases(desk, people.loc[people.index.isin(keys)], "second")
    else:
        rest = cases(desk) if checked is None else sample(desk, checked)
    done = _answered(answers, desk.scored.model_hash if checked else None)
    return (
        *(
            replace(case, earlier=differ[case.key])
            for case in resolve
            if all(answer.reviewer != review.same_role(role) for answer in differ[case.key])
        ),
        *(case for case in rest if case.key not in differ and (again or case.key not in done)),
    )


def _answered(answers: Iterable[Answer], model: str | None) -> set[str]:
    """Return the cases that were answered, or those that tested a link of this model."""
    return {
        case
        for case, given in review.by_case(answers).items()
        if model is None or review.tested_link(given, model) is not None
    }


def _people(desk: Desk) -> pd.DataFrame:
    """One row a person of the upload who was looked for, by key, in the drawn order."""
    rows = desk.people[["source", "row"]].assign(key=review.row_keys(desk.people))
    rows = rows.merge(desk.scored.rows[["source", "row", "person"]], on=["source", "row"])
    rows["key"] = rows.groupby("person")["key"].transform("min")
    table = desk.links.table[["source", "row", "decision", "reason", "offender_id"]]
    looked_for = table["decision"].isin(["linked", "review", "not found"])
    people = table.loc[looked_for].merge(rows, on=["source", "row"])
    people = people.drop_duplicates("key").set_index("key")
    return people.loc[review.shuffled(people.index, desk.seed)]


def _cases(desk: Desk, people: pd.DataFrame, purpose: str) -> tuple[Case, ...]:
    pairs = _candidates(desk.scored.pairs, people)
    register = _written(desk.con, pairs["offender_id"])
    of_person = dict(iter(pairs.groupby("person")))
    rows = desk.people.merge(desk.scored.rows[["source", "row", "person"]], on=["source", "row"])
    uploaded = dict(iter(rows.groupby("person")))
    return tuple(
        Case(
            key=str(key),
            source=str(person["source"]),
            row=int(person["row"]),
            purpose=purpose,
            reason=_why_look(person),
            written=_as_written(uploaded[person["person"]]),
            candidates=tuple(
                _candidate(pair, person["offender_id"], register)
                for pair in of_person[person["person"]].to_dict("records")
            ),
        )
        for key, person in people.iterrows()
        if person["person"] in of_person
    )


def _why_look(person: pd.Series[Any]) -> str:
    if person["decision"] == "linked":
        return "linked without review, drawn at random"
    return str(person["reason"]) if pd.notna(person["reason"]) else "not found"


def _candidates(pairs: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs to be shown, by person and falling weight."""
    linked = people.set_index("person")["offender_id"]
    pairs = pairs.loc[pairs["person"].isin(linked.index)]
    pairs = pairs.assign(automatic=pairs["offender_id"].eq(pairs["person"].map(linked)))
    by_id = [name for name in ("level_pnc_key", "level_prison_key") if name in pairs]
    shown = pairs["posterior"].ge(LEAST_POSTERIOR) | (pairs[by_id] == "exact").any(axis=1)
    shown |= pairs["automatic"] | ~pairs.duplicated("person")
    first = pairs.loc[shown].groupby("person").cumcount() < MOST_CANDIDATES
    return pairs.loc[shown].loc[first | pairs.loc[shown, "automatic"]]


def _candidate(
    pair: Mapping[Hashable, Any], linked: object, register: Mapping[str, _Written]
) -> Candidate:
    written, aliases = register[pair["offender_id"]]
    levels = {
        str(name).removeprefix("level_"): str(level)
        for name, level in pair.items()
        if str(name).startswith("level_")
    }
    return Candidate(
        offender_id=str(pair["offender_id"]),
        match_weight=float(pair["match_weight"]),
        posterior=float(pair["posterior"]),
        by_alias=bool(pair["is_alias"]),
        levels=levels,
        written=written,
        aliases=aliases,
        automatic=bool(pair["offender_id"] == linked),
    )


_Written = tuple[Mapping[str, str], tuple[str, ...]]
_OWN = ("forename", "middle_names", "surname", "date_of_birth", "sex", "pnc_id", "prison_number")


def _written(con: Tables, offenders: Iterable[str]) -> dict[str, _Written]:
    """Return what the register holds on some people, as written, with their other names."""
    wanted = pd.DataFrame({"offender_id": sorted(set(offenders))}, dtype="str")
    own = ", ".join(f"coalesce({name}::VARCHAR, '')" for name in _OWN)
    try:
        con.register("wanted", wanted)
        bring(con, "wanted", "offenders", "aliases")
        people = con.execute(f"""
            SELECT offender_id, {own} FROM offenders
            WHERE offender_id IN (SELECT offender_id FROM wanted)
            ORDER BY offender_id""").fetchall()
        names = con.execute("""
            SELECT DISTINCT offender_id, concat_ws(' ', forename, surname)
                || coalesce(', born ' || date_of_birth::VARCHAR, '') AS alias
            FROM aliases WHERE offender_id IN (SELECT offender_id FROM wanted)
            ORDER BY offender_id, alias""").fetchall()
        con.unregister("wanted")
    except duckdb.Error as error:
        kind = type(error).__name__
    else:
        aliases: dict[str, list[str]] = {}
        for offender, alias in names:
            aliases.setdefault(offender, []).append(alias)
        return {
            offender: (
                dict(zip(_OWN, map(_printable, texts), strict=True)),
                tuple(map(_printable, aliases.get(offender, ()))),
            )
            for offender, *texts in people
        }
    raise LinkageFailed(f"the review stopped while reading the register ({kind})")


def _as_written(rows: pd.DataFrame) -> dict[str, str]:
    """Return what the rows of one person say, each different value once."""
    texts = rows[list(SEEN)].astype("str").where(rows[list(SEEN)].notna(), "")
    return {name: _printable(" or ".join(filter(None, texts[name].unique()))) for name in SEEN}


def _printable(text: str) -> str:
    """Replace what is no letter or mark: it could steer the terminal."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


# ----------------------------------------------------------------------------------- the terminal

_FIELDS = (
    ("Forename", "forename", "forename", "forename"),
    ("Middle names", "", "middle_names", ""),
    ("Surname", "surname", "surname", "surname"),
    ("Date of birth", "date_of_birth", "date_of_birth", "date_of_birth"),
    ("Sex", "gender", "sex", "sex"),
    ("PNC id", "pnc_id", "pnc_id", "pnc_key"),
    ("Prison number", "prison_number", "prison_number", "prison_key"),
)
_COMPARED = [level for _, _, _, level in _FIELDS]
_NAMED = ("forename", "surname", "date_of_birth")
_LEGEND = "= agrees   ~ agrees in part   ≠ differs   (what differs is underlined)"
_PURPOSE = {
    "doubtful": "For review",
    "sample": "Check of a link",
    "second": "Second answer",
    "resolve": "Reviewers disagree",
}
_WHY = {
    SAME: "Why is this the same person?",
    DIFFERENT: "Why not?",
    CANNOT_TELL: "Why can one not tell?",
}
_DIFFERS = "bold underline"
_ALIKE = 0.6
_LABELS, _UPLOAD, _CANDIDATE = 14, 24, 32


@dataclass(frozen=True)
class Sheet:
    """A case as it is shown on a terminal: the upload on the left, candidates on the right.

    Parameters
    ----------
    case : Case
    number, of : int
        Its place in the sitting.
    """

    case: Case
    number: int
    of: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it; candidates that do not fit beside each other go into a further table."""
        case = self.case
        place = f"{self.number} of {self.of}: row {case.row} of {case.source}"
        yield Text(f"{_PURPOSE[case.purpose]}, {place}", style="bold")
        yield Text(f"Why: {case.reason}")
        for answer in case.earlier:
            yield Text(f"{answer.role}: {_told(answer, case)}. {answer.reason}")
        room = (options.max_width - _LABELS - _UPLOAD) // _CANDIDATE
        for start in range(0, len(case.candidates), max(room, 1)):
            yield _side_by_side(case, start, min(start + max(room, 1), len(case.candidates)))
        yield Text(_LEGEND, style="dim")


def _told(answer: Answer, case: Case) -> str:
    if answer.verdict in (NOBODY, CANNOT_TELL):
        return answer.verdict
    places = {person.offender_id: number for number, person in enumerate(case.candidates, 1)}
    place = places.get(answer.verdict)
    return f"candidate {place}" if place else "somebody who is no longer a candidate"


def _side_by_side(case: Case, start: int, end: int) -> Table:
    shown = case.candidates[start:end]
    table = Table(box=SIMPLE, pad_edge=False, show_edge=False)
    table.add_column("", min_width=_LABELS)
    table.add_column("Upload", min_width=_UPLOAD - 2, overflow="fold")
    for number in range(start + 1, end + 1):
        table.add_column(f"Candidate {number}", min_width=_CANDIDATE - 2, overflow="fold")
    for label, given, cells in _lines(case, shown):
        table.add_row(label, Text(given), *cells)
    return table


def _lines(
    case: Case, shown: Sequence[Candidate]
) -> Iterator[tuple[str, str, list[RenderableType]]]:
    """Yield what a line is about, what the upload says, and what the register says of each."""
    for label, upload, register, level in _FIELDS:
        given = case.written.get(upload, "")
        if given or any(person.written[register] for person in shown):
            yield label, given, [_cell(person, given, register, level) for person in shown]
    if any(person.aliases for person in shown):
        names = [Text("\n".join(person.aliases)) for person in shown]
        yield "Also known as", "", [Padding(name, (0, 0, 0, 2)) for name in names]
    for name in shown[0].levels:
        if name not in _COMPARED:
            levels = [person.levels.get(name, "") for person in shown]
            label = name.replace("_", " ").capitalize()
            yield label, "", [Text(f"{_mark(level)} {level}") for level in levels]
    if case.purpose in ("sample", "second"):
        return
    weights = [Text(f"  {person.match_weight:+.1f} bits") for person in shown]
    yield "Match weight", "", list(weights)
    yield "Probability", "", [Text(f"  {_percent(person.posterior)}") for person in shown]


def _cell(person: Candidate, given: str, column: str, level_of: str) -> Text:
    """Write a register value: a mark, what differs underlined, and how far it agrees."""
    value = person.written[column]
    level = person.levels.get(level_of, "")
    if person.by_alias and level_of in _NAMED:
        same = value.casefold() == given.casefold()
        agreed = same and _mark(level) in "= "
        return Text(f"{'=' if same else ' '} {value}{'' if agreed else f' (alias: {level})'}")
    mark = _mark(level)
    text = Text(f"{mark} ")
    text.append_text(_underlined(value, given) if mark == "~" else Text(value))
    if mark == "≠":
        text.stylize(_DIFFERS, 2)
    if mark == "~":
        text.append(f" ({level})")
    return text


def _mark(level: str) -> str:
    if level in ("", "missing"):
        return " "
    if level in ("exact", "same", "at the time"):
        return "="
    return "≠" if level.startswith(("different", "not ")) else "~"


def _underlined(value: str, given: str) -> Text:
    """Underline the letters in which a value differs; all of it where little is the same."""
    text = Text(value)
    one, other = ([letter.casefold() for letter in word] for word in (value, given))
    matcher = SequenceMatcher(None, other, one, autojunk=False)
    if matcher.ratio() < _ALIKE:
        spans = [(0, len(value))]
    elif len(one) == len(other):
        spans = [(at, at + 1) for at, letter in enumerate(one) if letter != other[at]]
    else:
        spans = [
            (start, end) for kind, _, _, start, end in matcher.get_opcodes() if kind != "equal"
        ]
    for start, end in spans:
        text.stylize(_DIFFERS, start, end)
    return text


def _percent(share: float) -> str:
    if 0 < share < 0.005:
        return "under 1%"
    return "over 99%" if 0.995 <= share < 1 else f"{share:.0%}"


def sit(
    agenda: Sequence[Case],
    *,
    role: str,
    model: str,
    on: dt.date,
    ask: Callable[[str], str],
    show: Callable[[RenderableType], None],
    keep: Callable[[Answer], None],
) -> int:
    """Lead a reviewer through cases; each answer is kept as soon as it is given.

    Parameters
    ----------
    agenda : sequence of Case
    role : str
        The reviewer's post.
    model : str
        The hash of the linkage model.
    on : date
        Today.
    ask : callable
        Puts a question and returns what was typed; `EOFError` or an interrupt ends the
        sitting.
    show : callable
        Shows a sheet, in place of the one before.
    keep : callable
        Receives each answer.

    Returns
    -------
    int
        How many cases were answered.
    """
    answered = set()
    at = 0
    while at < len(agenda):
        case = agenda[at]
        show(Sheet(case, at + 1, len(agenda)))
        try:
            key, reason = _asked(case, ask, at > 0)
        except (EOFError, KeyboardInterrupt):
            break
        if key == "q":
            break
        if key == "b":
            at -= 1
            continue
        if key != "s":
            keep(_answer_to(case, key, reason, role, model, on))
            answered.add(case.key)
        at += 1
    return len(answered)


def _asked(case: Case, ask: Callable[[str], str], may_go_back: bool) -> tuple[str, str]:
    """Ask until there is a key, and for an answer a reason."""
    numbers = [str(n) for n in range(1, len(case.candidates) + 1)]
    keys = (*numbers, "n", "t", "s", *("b" * may_go_back), "q")
    none = "none of them" if len(numbers) > 1 else "a different person"
    question = (
        f"{_range(len(numbers))} the same person   n {none}   t cannot tell\n"
        f"s skip   {'b back   ' * may_go_back}q stop\n> "
    )
    problem = ""
    while True:
        key = ask(problem + question).strip().lower()
        if key not in keys:
            problem = "That is none of the keys.\n"
            continue
        if key in ("s", "b", "q"):
            return key, ""
        reason = _asked_why(_judgement(key), ask)
        if reason:
            return key, reason
        problem = ""


def _range(last: int) -> str:
    return {1: "1", 2: "1 or 2"}.get(last, f"1 to {last}")


def _judgement(key: str) -> str:
    return {"n": DIFFERENT, "t": CANNOT_TELL}.get(key, SAME)


def _asked_why(judgement: str, ask: Callable[[str], str]) -> str:
    """Ask for a reason until there is one; empty where the reviewer wants to choose again."""
    offered = REASONS[judgement]
    lines = "".join(f"{n} {reason}\n" for n, reason in enumerate(offered, 1))
    question = f"{_WHY[judgement]}\n{lines}or in your own words; b choose again\n> "
    while True:
        said = " ".join(ask(question).split())
        if said.lower() == "b":
            return ""
        if said.isdecimal() and 0 < int(said) <= len(offered):
            return offered[int(said) - 1]
        if 5 <= len(said) <= _LONGEST_REASON and said.isprintable() and not said.isdecimal():
            return said


def _answer_to(case: Case, key: str, reason: str, role: str, model: str, on: dt.date) -> Answer:
    chosen = int(key) if key.isdecimal() else 0
    pairs = tuple(
        Pair(
            person.offender_id,
            SAME if number == chosen else CANNOT_TELL if key == "t" else DIFFERENT,
            person.posterior,
            person.automatic,
        )
        for number, person in enumerate(case.candidates, 1)
    )
    return Answer(
        case.key,
        case.source,
        case.row,
        case.purpose,
        " ".join(role.split()),
        reason,
        model,
        on.isoformat(),
        pairs,
    )


def status(desk: Desk) -> tuple[str, ...]:
    """Say in counts how far the review of a request has come.

    Parameters
    ----------
    desk : Desk

    Returns
    -------
    tuple of str
        One line each for people left for review, automatic links, second answers, and answers
        that cannot be used.
    """
    decisions = desk.decisions
    answers = decisions.answers.get(desk.basis, ())
    found = review.checks(answers, desk.scored.model_hash)
    verdicts = review.verdicts(answers)
    people = _people(desk)
    left = list(people.index[people["decision"] == "review"])
    told = [verdicts[case] for case in left if case in verdicts]
    open_, unclear, nobody = (told.count(kind) for kind in (None, CANNOT_TELL, NOBODY))
    decided = len(told) - open_ - unclear
    lines = [
        f"Left for review: {len(left):,}. Decided: {decided:,}, of whom found: "
        f"{decided - nobody:,}. Nobody could tell: {unclear:,}. Reviewers disagree: {open_:,}. "
        f"To do: {len(left) - len(told):,}.",
        f"Automatic links: {people['decision'].eq('linked').sum():,}. {_precision(found)}",
        f"Second answers: {found.double_keyed:,}. {_agreement(found)}",
        decisions.told(desk.basis),
    ]
    return tuple(filter(None, lines))


def _precision(found: Checks) -> str:
    if found.precision is None or found.low is None or found.high is None:
        return "None has been checked."
    return (
        f"Checked: {found.sampled:,}, right: {found.right:,}. Precision {found.precision:.1%} "
        f"(95% interval {found.low:.1%} to {found.high:.1%})."
    )


def _agreement(found: Checks) -> str:
    if not found.double_keyed:
        return "None has been given."
    beyond = "not defined" if found.kappa is None else f"{found.kappa:.2f}"
    return f"Equal to the first: {found.agreed:,}. Cohen's kappa: {beyond}."
