"""Decide by eye who is who: cases side by side, double-keyed, kept apart and restricted.

A case is a person of the upload with the register people who could be that person. A reviewer
answers it; the answers of a request lie in one file that only its owner can read, and reruns use
them. Answers hold for the people of one upload and one register: after either has changed they are
kept and not used. A linkage model that was trained again leaves them standing, for it is people
that were compared, not weights.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil, sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Any, Protocol

import pandas as pd

from jdl.faults import Fault, Unusable
from jdl.forms import ROLE
from jdl.linkage import Register

SCHEMA = 1
SAME, DIFFERENT, CANNOT_TELL = "same person", "different person", "cannot tell"
JUDGEMENTS = (SAME, DIFFERENT, CANNOT_TELL)
NOBODY = "none of them"
PURPOSES = ("doubtful", "sample", "second", "resolve")
SHARE_AGAIN = 0.05
FEWEST_AGAIN = 20

SEEN = (
    "forename", "surname", "date_of_birth", "gender", "pnc_id", "prison_number",
)  # fmt: skip


# -------------------------------------------------------------------------------- what is decided


class Prepared(Protocol):
    """What is asked of a prepared vintage."""

    @property
    def record(self) -> dict[str, Any]:
        """Hashes of its inputs."""

    @property
    def register(self) -> Register:
        """The people who can be found, with the model."""


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def row_keys(people: pd.DataFrame) -> pd.Series[str]:
    """Return the hash of what a reviewer sees of each upload row, wherever the row stands."""
    texts = people[["source", *SEEN]].astype("str")
    keys = [_digest(row) for row in texts.to_numpy().tolist()]
    return pd.Series(keys, index=people.index, dtype="str")


def upload_key(people: pd.DataFrame) -> str:
    """Return the hash of an upload's people as a reviewer sees them.

    Parameters
    ----------
    people : DataFrame
        Upload rows: row, source, forename, surname, date_of_birth, gender, pnc_id, prison_number.

    Returns
    -------
    str
        SHA-256; the order of rows does not count, nor what says nothing about who a person is,
        such as the dates of the intervention.
    """
    return _digest(sorted(row_keys(people)))


def register_key(tables: Mapping[str, str]) -> str:
    """Return the hash of the register's people as a reviewer sees them.

    Parameters
    ----------
    tables : dict
        The content hash of each national table, as a prepared vintage records its inputs.

    Returns
    -------
    str
        SHA-256 of the hashes of offenders and aliases. What code makes of them, the model and the
        cleaned names, does not count.
    """
    return _digest([tables.get(name) for name in ("offenders", "aliases")])


@dataclass(frozen=True)
class Pair:
    """What was said of one register person.

    Parameters
    ----------
    offender_id : str
    judgement : str
        One of ``JUDGEMENTS``.
    posterior : float
        At the time.
    automatic : bool
        Whether the person had been linked without review.
    """

    offender_id: str = field(repr=False)
    judgement: str
    posterior: float
    automatic: bool


@dataclass(frozen=True)
class Answer:
    """One reviewer's answer to one case.

    Parameters
    ----------
    case : str
        The key of the case.
    source, row : str, int
        The upload row that was shown, as it stood then.
    purpose : str
        One of ``PURPOSES``.
    role : str
        The reviewer's post, never a name.
    reason : str
    model : str
        The hash of the linkage model at the time.
    on : str
        The day, YYYY-MM-DD.
    pairs : tuple of Pair
        The candidates in the order in which they were shown.
    """

    case: str = field(repr=False)
    source: str
    row: int
    purpose: str
    role: str
    reason: str = field(repr=False)
    model: str
    on: str
    pairs: tuple[Pair, ...]

    @property
    def verdict(self) -> str:
        """The offender who is the same person, else ``NOBODY`` or ``CANNOT_TELL``."""
        for pair in self.pairs:
            if pair.judgement == SAME:
                return pair.offender_id
        return CANNOT_TELL if self.pairs[0].judgement == CANNOT_TELL else NOBODY

    @property
    def reviewer(self) -> str:
        """The role, however it was typed."""
        return same_role(self.role)


def same_role(role: str) -> str:
    """Return a role in one way of writing."""
    return " ".join(role.casefold().split())


def is_role(text: str) -> bool:
    """Return whether this can be the name of a post: 3 to 60 letters, digits and few marks."""
    return ROLE.fullmatch(text.strip()) is not None


# ------------------------------------------------------------------------------------- what is kept


@dataclass(frozen=True)
class Basis:
    """What a set of answers holds for.

    Parameters
    ----------
    upload, register : str
        Of `upload_key` and `register_key`.
    """

    upload: str
    register: str


@dataclass(frozen=True)
class Decisions:
    """Every answer ever given on a request, in the order in which they were given.

    Parameters
    ----------
    answers : dict of Basis to tuple of Answer
    """

    answers: Mapping[Basis, tuple[Answer, ...]] = field(default_factory=dict, repr=False)

    def hash(self, basis: Basis) -> str | None:
        """Return the hash of the answers that count for a run, or None where there are none.

        What was replaced by a later answer, reasons and days do not count.
        """
        counting = [asdict(answer) for answer in _current(self.answers.get(basis, ()))]
        for answer in counting:
            del answer["reason"], answer["on"], answer["row"]
        lines = sorted(json.dumps(answer, sort_keys=True) for answer in counting)
        return _digest([basis.upload, basis.register, lines]) if lines else None

    def told(self, basis: Basis) -> str:
        """Say that there are answers, and that none of them can be used; else nothing."""
        others = sum(len({one.case for one in answers}) for answers in self.answers.values())
        if not others or basis in self.answers:
            return ""
        people = "1 person" if others == 1 else f"{others:,} people"
        return (
            f"Clerical decisions on {people} were made on another upload or another extract of "
            "the national data; they are kept and not used."
        )


def file_of(restricted: Path, request_id: str) -> Path:
    """Return where the answers of a request lie in the restricted folder."""
    return restricted / "review" / f"{request_id}.json"


def open_decisions(restricted: Path, request_id: str) -> Decisions:
    """Read the answers that were given on a request.

    Parameters
    ----------
    restricted : Path
        The restricted folder.
    request_id : str

    Returns
    -------
    Decisions
        Empty where there is no file.

    Raises
    ------
    Unusable
        If the file cannot be read or is not as it was written.
    """
    file = file_of(restricted, request_id)
    if not file.exists():
        return Decisions()
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        if (raw["schema"], raw["request"]) != (SCHEMA, request_id):
            raise ValueError
        return Decisions(
            {
                Basis(part["upload"], part["register"]): tuple(map(_answer, part["answers"]))
                for part in raw["kept"]
            }
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    raise Unusable(
        [
            Fault(
                f"review/{file.name}",
                "the file of clerical decisions must be as `jdl review` wrote it",
                "Bring it back from a backup, or move it away to begin again",
            )
        ]
    )


def _answer(raw: Mapping[str, Any]) -> Answer:
    pairs = tuple(Pair(**pair) for pair in raw["pairs"])
    answer = Answer(**{**raw, "pairs": pairs})
    kinds = {"row": int, "posterior": float, "automatic": bool}
    for part in (answer, *pairs):
        for name, value in vars(part).items():
            if name != "pairs" and type(value) is not kinds.get(name, str):
                raise TypeError
    known = answer.purpose in PURPOSES and all(pair.judgement in JUDGEMENTS for pair in pairs)
    if not known or not pairs:
        raise ValueError
    return answer


def keep(restricted: Path, request_id: str, basis: Basis, answer: Answer) -> None:
    """Add an answer to the file of a request, whole or not at all.

    Parameters
    ----------
    restricted : Path
        The restricted folder; made with mode 0700 where missing.
    request_id : str
    basis : Basis
        What the answer holds for.
    answer : Answer

    Raises
    ------
    Unusable
        As `open_decisions`; the file stays as it is then.
    """
    kept = dict(open_decisions(restricted, request_id).answers)
    kept[basis] = (*kept.get(basis, ()), answer)
    content = {
        "schema": SCHEMA,
        "request": request_id,
        "kept": [
            {**asdict(one), "answers": [asdict(answer) for answer in answers]}
            for one, answers in kept.items()
        ],
    }
    file = file_of(restricted, request_id)
    for folder in (restricted, file.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    handle, scratch = tempfile.mkstemp(dir=file.parent, prefix=f".{request_id}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(json.dumps(content, ensure_ascii=False, indent=1) + "\n")
            out.flush()
            os.fsync(out.fileno())
        Path(scratch).replace(file)
    finally:
        Path(scratch).unlink(missing_ok=True)


# --------------------------------------------------------------------------------- what it comes to


def _current(answers: Iterable[Answer]) -> list[Answer]:
    """Return of each reviewer the last answer to each case; a resolution stands beside it."""
    last: dict[tuple[str, str, bool], Answer] = {}
    for answer in answers:
        key = (answer.case, answer.reviewer, answer.purpose == "resolve")
        last.pop(key, None)
        last[key] = answer
    return list(last.values())


def by_case(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    """Return the answers that were not replaced, by the key of their case."""
    cases: dict[str, list[Answer]] = {}
    for answer in _current(answers):
        cases.setdefault(answer.case, []).append(answer)
    return cases


def _counting(answers: Sequence[Answer]) -> list[Answer]:
    """Return the answers to one case that settle it; none where the reviewers disagree."""
    counting = _given_as("resolve", answers)[-1:] or list(answers)
    return counting if len({answer.verdict for answer in counting}) == 1 else []


def verdicts(answers: Iterable[Answer]) -> dict[str, str | None]:
    """Return the verdict on each case, or None where reviewers differ and nobody resolved it."""
    counting = {case: _counting(given) for case, given in by_case(answers).items()}
    return {case: given[0].verdict if given else None for case, given in counting.items()}


def disagreements(answers: Iterable[Answer]) -> dict[str, tuple[Answer, ...]]:
    """Return the cases on which reviewers differ and that nobody has resolved, with the answers."""
    return {case: tuple(given) for case, given in by_case(answers).items() if not _counting(given)}


def to_key_again(
    answers: Iterable[Answer],
    role: str,
    *,
    seed: int,
    share: float = SHARE_AGAIN,
    least: int = FEWEST_AGAIN,
) -> list[str]:
    """Draw the cases that a second reviewer is to answer without knowing the first answer.

    Parameters
    ----------
    answers : iterable of Answer
    role : str
        The second reviewer; cases that this role has answered are left out.
    seed : int
    share, least : float, int
        How many of the answered cases are drawn: a share, but at least so many, or all there are.

    Returns
    -------
    list of str
        Keys of cases, without those that have been answered a second time.
    """
    cases = by_case(answers)
    drawn = shuffled(cases, seed)[: max(least, ceil(share * len(cases)))]
    return [
        case
        for case in drawn
        if all(answer.reviewer != same_role(role) for answer in cases[case])
        and not _given_as("second", cases[case])
    ]


def shuffled(keys: Iterable[str], seed: int) -> list[str]:
    """Put keys in an order that depends on the seed and the keys alone."""
    return sorted(keys, key=lambda key: _digest([seed, key]))


@dataclass(frozen=True)
class Checks:
    """What the answers that count say, in numbers.

    Parameters
    ----------
    decided : int
        Doubtful people of whom it was decided who they are, or that they are none of the
        candidates.
    linked : int
        How many of these were found.
    cannot_tell : int
        Doubtful people of whom it was said that nobody can tell; they stay as they were.
    unresolved : int
        Cases on which reviewers disagree; they stay as they were until that is resolved.
    sampled : int
        Automatic links of the model in use that were checked, of those drawn at random.
    right : int
        How many of these hold.
    precision, low, high : float or None
        The share that holds with its 95% interval; None where none was checked.
    double_keyed, agreed : int
        Cases that two reviewers answered, each without the other, and those with equal answers.
    kappa : float or None
        Cohen's; None where it is not defined.
    """

    decided: int = 0
    linked: int = 0
    cannot_tell: int = 0
    unresolved: int = 0
    sampled: int = 0
    right: int = 0
    precision: float | None = None
    low: float | None = None
    high: float | None = None
    double_keyed: int = 0
    agreed: int = 0
    kappa: float | None = None


def checks(answers: Sequence[Answer], model: str) -> Checks:
    """Count what was decided, how right automatic links are, and how far reviewers agree.

    Parameters
    ----------
    answers : sequence of Answer
    model : str
        The hash of the linkage model in use: a sample of the links of another one says nothing
        of its precision.

    Returns
    -------
    Checks

    Notes
    -----
    A sampled link that nobody could tell, or on which reviewers disagree, is not in the precision.
    For kappa the unit is the case, and the answer is the place of the chosen candidate in the list
    as the first reviewer had it, none of them, or cannot tell.
    """
    cases = by_case(answers)
    found = verdicts(answers)
    doubtful = [found[case] for case, given in cases.items() if _given_as("doubtful", given)]
    decided = [verdict for verdict in doubtful if verdict not in (None, CANNOT_TELL)]
    tested = {case: tested_link(given, model) for case, given in cases.items()}
    held = [
        found[case] == link
        for case, link in tested.items()
        if link is not None and found[case] not in (None, CANNOT_TELL)
    ]
    low, high = wilson(sum(held), len(held)) if held else (None, None)
    keyed = [both for given in cases.values() if (both := _two_answers(given))]
    return Checks(
        decided=len(decided),
        linked=len(decided) - decided.count(NOBODY),
        cannot_tell=doubtful.count(CANNOT_TELL),
        unresolved=list(found.values()).count(None),
        sampled=len(held),
        right=sum(held),
        precision=sum(held) / len(held) if held else None,
        low=low,
        high=high,
        double_keyed=len(keyed),
        agreed=sum(first == second for first, second in keyed),
        kappa=kappa(keyed),
    )


def _given_as(purpose: str, answers: Iterable[Answer]) -> list[Answer]:
    return [answer for answer in answers if answer.purpose == purpose]


def tested_link(answers: Iterable[Answer], model: str) -> str | None:
    """Return the automatic link that the answers to a sampled case are about, if of this model."""
    links = [
        pair.offender_id
        for answer in _given_as("sample", answers)
        for pair in answer.pairs
        if answer.model == model and pair.automatic
    ]
    return links[-1] if links else None


def _two_answers(answers: Sequence[Answer]) -> tuple[str, str] | None:
    """Return what the first and the second reviewer of a case chose."""
    first = _given_as("doubtful", answers) + _given_as("sample", answers)
    second = _given_as("second", answers)
    if not first or not second:
        return None
    listed = [pair.offender_id for pair in first[0].pairs]
    places = {offender: f"candidate {place}" for place, offender in enumerate(listed, 1)}
    one, other = (places.get(answer.verdict, answer.verdict) for answer in (first[0], second[-1]))
    return one, other


def wilson(right: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion.

    Parameters
    ----------
    right, of : int
        Successes and trials, of at least one.
    confidence : float

    Returns
    -------
    tuple of float
        Its ends, proportions.

    Notes
    -----
    ``(p + z²/2n ± z sqrt(p(1 - p)/n + z²/4n²)) / (1 + z²/n)`` (Wilson, 1927). That the sample is
    drawn without replacement is not used, which makes the interval a little too wide.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = right / of
    centre = share + z**2 / (2 * of)
    reach = z * sqrt(share * (1 - share) / of + z**2 / (4 * of**2))
    scale = 1 + z**2 / of
    low, high = (centre - reach) / scale, (centre + reach) / scale
    return 0.0 if right == 0 else low, 1.0 if right == of else high


def kappa(ratings: Sequence[tuple[str, str]]) -> float | None:
    """Return how far two reviewers agree beyond chance.

    Parameters
    ----------
    ratings : sequence of (str, str)
        The answers of both, one pair a case.

    Returns
    -------
    float or None
        At most 1; None without cases, or where chance alone would agree always.

    Notes
    -----
    ``(observed - expected) / (1 - expected)``, the expected agreement being that of answers drawn
    at random from each reviewer's own (Cohen, 1960).
    """
    if not ratings:
        return None
    firsts, seconds = (Counter(answers) for answers in zip(*ratings, strict=True))
    observed = sum(one == other for one, other in ratings) / len(ratings)
    by_chance = sum(firsts[answer] * seconds[answer] for answer in firsts)
    expected = by_chance / len(ratings) ** 2
    return None if expected == 1 else (observed - expected) / (1 - expected)


# ------------------------------------------------------------------------------- for the notebook


@dataclass(frozen=True, eq=False)
class Reviewed:
    """What a run takes from the review of its request.

    Parameters
    ----------
    table : DataFrame
        One row a judgement that counts: source, row, offender_id, same (bool), as
        ``linkage.decide`` takes it.
    checks : Checks
    hash : str or None
        Of the answers that count; None where there are none.
    told : str
        Why answers that there are cannot be used, else empty.
    """

    table: pd.DataFrame = field(repr=False)
    checks: Checks
    hash: str | None
    told: str


def read(restricted: Path, request_id: str, people: pd.DataFrame, prepared: Prepared) -> Reviewed:
    """Read what the review of a request says of these people in this register.

    Parameters
    ----------
    restricted : Path
        The restricted folder.
    request_id : str
    people : DataFrame
        The upload rows, as ``linkage.clean`` takes them.
    prepared : Prepared
        The prepared vintage.

    Returns
    -------
    Reviewed
        Empty where nothing was reviewed, or nothing that holds for this upload and register.

    Raises
    ------
    Unusable
        As `open_decisions`.
    """
    decisions = open_decisions(restricted, request_id)
    basis = Basis(upload_key(people), register_key(prepared.record["inputs"]))
    answers = decisions.answers.get(basis, ())
    return Reviewed(
        table=judgements(answers, people),
        checks=checks(answers, prepared.register.model_hash),
        hash=decisions.hash(basis),
        told=decisions.told(basis),
    )


def judgements(answers: Iterable[Answer], people: pd.DataFrame) -> pd.DataFrame:
    """Return one row a judgement that counts, on the upload rows as they stand now.

    Parameters
    ----------
    answers : iterable of Answer
    people : DataFrame
        The upload rows.

    Returns
    -------
    DataFrame
        source, row, offender_id, same (bool). Of rows that say the same, the first stands for all.
    """
    judged = {
        (case, pair.offender_id): pair.judgement == SAME
        for case, given in by_case(answers).items()
        for answer in _counting(given)
        for pair in answer.pairs
        if pair.judgement != CANNOT_TELL
    }
    rows = people[["source", "row"]].assign(case=row_keys(people))
    rows = rows.drop_duplicates("case").set_index("case")
    table = pd.DataFrame(
        [(*rows.loc[case], offender, same) for (case, offender), same in judged.items()],
        columns=["source", "row", "offender_id", "same"],
    )
    kinds = {"source": "str", "row": "int64", "offender_id": "str", "same": "bool"}
    return table.astype(kinds).sort_values(["source", "row", "offender_id"], ignore_index=True)


def write_private(text: str, file: Path) -> None:
    """Write a new file that only its owner can read, mode 0600.

    Parameters
    ----------
    text : str
    file : Path
        Must not be there yet.
    """
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
