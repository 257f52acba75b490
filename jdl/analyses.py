"""Analyses: the ways in which one request is looked at, all planned before any outcome is read.

The headline stands step by step in the notebook. The others, which the request, its people and the
coverage of assessed needs call for, take the notebook's own stages again. No statistics of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import pandas as pd

from jdl.companion import UNRECORDED
from jdl.disclosure import RULES, Rules, are_apart
from jdl.effects import Effect
from jdl.matching import Attempt, Matched, Specification

HEADLINE = "headline"
CHECKED = ("rate", "frequency")
"""The measures of which an analysis beside the headline has the adjusted check."""
NATIONAL_FIELDS = {
    "sex": "sex", "age_group": "age_band", "ethnicity": "ethnicity", "nationality": "nationality",
    "region": "region", "offence_group": "offence_group", "disposal": "disposal",
    "prison": "prison",
}  # fmt: skip
"""What a request calls a subgroup, and the national column it is read from."""
WAITING = "days_to_start"
MOST_LEVELS = 12
"""Levels of a subgroup that are analysed, those with the most people."""
FROM_INDEX_DATE = "Service's version, year from the index date"
FROM_START = "Year from the start of the intervention"
"""What the two versions are called where interventions began after the index date."""


class Choose(Protocol):
    """Treated people and the register people near them -> candidates."""

    def __call__(
        self, treated: pd.DataFrame, near: pd.Series[str], *, oasys: bool, region: str | None
    ) -> pd.DataFrame:
        """See ``covariates.candidates``."""
        ...


class Match(Protocol):
    """Candidates -> groups with the verdict on their balance."""

    def __call__(
        self, candidates: pd.DataFrame, *, needs: bool, also_exact: tuple[str, ...]
    ) -> Matched:
        """See `by_plan`."""
        ...


@dataclass(frozen=True)
class Run:
    """One of the three runs for assessed needs.

    Parameters
    ----------
    needs : bool
        Whether people are matched on assessed needs.
    assessed : bool
        Whether only people with an assessment take part, in both groups.
    """

    needs: bool
    assessed: bool

    @property
    def label(self) -> str:
        """What the run is called in print."""
        if self.needs:
            return "people with an OASys assessment, matched on needs"
        return "people with an OASys assessment" if self.assessed else "everyone"


EVERYONE, ASSESSED, WITH_NEEDS = Run(False, False), Run(False, True), Run(True, True)


@dataclass(frozen=True)
class Wanted:
    """One analysis of the plan.

    Parameters
    ----------
    id, label : str
        Its name in the record and in print.
    people : frozenset of str
        The index disposals of its treatment group, before matching.
    run : Run
        Who takes part and whether on needs.
    region : str or None
        The one region to which its comparison is kept.
    also_exact : tuple of str
        Columns that must agree besides those of the headline.
    enough : bool
        Whether its treatment group reaches the minimum; otherwise it is named and not made.
    """

    id: str
    label: str
    people: frozenset[str] = field(repr=False)
    run: Run = EVERYONE
    region: str | None = None
    also_exact: tuple[str, ...] = ()
    enough: bool = True


@dataclass(frozen=True, repr=False)
class Analysed:
    """One analysis with its groups and its results, not yet cleared.

    Parameters
    ----------
    wanted : Wanted
    matched : Matched or None
        None where the treatment group was too small to start.
    sample : DataFrame or None
        The matched rows with their outcomes; none where the balance was not accepted.
    effects : dict of str to Effect
        By measure; empty without a sample.
    adjusted : dict
        The adjusted check, by measure.
    """

    wanted: Wanted
    matched: Matched | None = None
    sample: pd.DataFrame | None = None
    effects: Mapping[str, Effect] = field(default_factory=dict)
    adjusted: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        made = "too few people" if self.matched is None else repr(self.matched)
        return f"{self.wanted.label}: {made}"


def leading_run(everyone: pd.DataFrame, oasys: bool, coverage: float, minimum: int) -> Run:
    """Fix the leading run of the three for assessed needs, before outcomes.

    Parameters
    ----------
    everyone : DataFrame
        Candidates: treated, and assessed.
    oasys : bool
        Whether the request asks for needs.
    coverage : float
        Least share of the treatment group with an assessment for the run on needs to lead.
    minimum : int
        Fewest assessed people for it to lead.

    Returns
    -------
    Run
    """
    assessed = everyone.loc[everyone["treated"] == 1, "assessed"].astype(bool)
    covered = len(assessed) > 0 and assessed.mean() >= coverage and assessed.sum() >= minimum
    return WITH_NEEDS if oasys and covered else EVERYONE


def plan(
    treated: pd.DataFrame,
    upload: pd.DataFrame,
    *,
    lead: Run,
    oasys: bool,
    sex: str,
    region: str | None,
    subgroups: Sequence[str],
    newest: str | None,
    places: str | None,
    minimum: int,
) -> tuple[Wanted, ...]:
    """List the analyses beside the headline, in the order of the report.

    Parameters
    ----------
    treated : DataFrame
        One row a located person: disposal_id, row, source and the national columns of
        `NATIONAL_FIELDS`, with ``assessed``.
    upload : DataFrame
        The people as uploaded: row, source, participation and the group columns.
    lead : Run
        The headline's.
    oasys : bool
        Whether the request asks for needs; then all three runs are made.
    sex : {'all', 'male', 'female'}
        Whom the request covers; of both, each is matched by a score of its own.
    region : str or None
        The region the headline is kept to; then a national analysis stands beside it.
    subgroups : sequence of str
        Fields whose levels are analysed apart; not how far people took part, which is described
        and never an effect.
    newest : str or None
        The request's own id where it extends others: its new people are analysed alone first.
    places : str or None
        A column that must agree in one more analysis, where so few places took part that the
        effect cannot be told from the place.
    minimum : int
        Fewest people in a treatment group.

    Returns
    -------
    tuple of Wanted
        Those with too few people too, marked; of subgroups the levels that enough people have.
    """
    known = treated.merge(upload, on=["row", "source"], how="left", suffixes=("", "_uploaded"))
    listed = [
        *_new_people(known, newest),
        *_runs(known, lead, oasys),
        *_elsewhere(known, region, places),
        *_sexes(known, sex),
        *(
            one
            for name in subgroups
            if name != "participation"
            for one in _levels(known, upload, name, minimum)
        ),
    ]
    inside = _assessed(known) if lead.assessed else frozenset(known["disposal_id"])
    return tuple(_held(one, lead, inside, region, minimum) for one in listed)


def _held(
    one: Wanted, lead: Run, inside: frozenset[str], region: str | None, minimum: int
) -> Wanted:
    """Give an analysis the headline's run and region where it has none of its own."""
    if one.id.startswith("run-"):
        return replace(one, region=region, enough=len(one.people) >= minimum)
    people = one.people & inside
    where = None if one.id == "national" else region
    return replace(one, people=people, run=lead, region=where, enough=len(people) >= minimum)


def _new_people(known: pd.DataFrame, newest: str | None) -> Iterator[Wanted]:
    if newest is not None:
        new = known.loc[known["source"] == newest]
        yield Wanted("new-people", "New people alone", frozenset(new["disposal_id"]))


def _runs(known: pd.DataFrame, lead: Run, oasys: bool) -> Iterator[Wanted]:
    if oasys:
        everyone = frozenset(known["disposal_id"])
        for name, run in (
            ("run-everyone", EVERYONE),
            ("run-assessed", ASSESSED),
            ("run-needs", WITH_NEEDS),
        ):
            people = _assessed(known) if run.assessed else everyone
            if run != lead:
                yield Wanted(name, f"OASys: {run.label}", people, run)


def _assessed(known: pd.DataFrame) -> frozenset[str]:
    return frozenset(known.loc[known["assessed"].astype(bool), "disposal_id"])


def _elsewhere(known: pd.DataFrame, region: str | None, places: str | None) -> Iterator[Wanted]:
    everyone = frozenset(known["disposal_id"])
    if region is not None:
        yield Wanted("national", "National", everyone)
    if places is not None:
        yield Wanted(f"same-{places}", f"Within the same {places}s", everyone, also_exact=(places,))


def _sexes(known: pd.DataFrame, sex: str) -> Iterator[Wanted]:
    if sex == "all" and known["sex"].nunique() > 1:
        for name, label in (("male", "Men"), ("female", "Women")):
            people = frozenset(known.loc[known["sex"] == name, "disposal_id"])
            yield Wanted(name, label, people)


def _levels(known: pd.DataFrame, upload: pd.DataFrame, name: str, minimum: int) -> Iterator[Wanted]:
    """One analysis a level of a subgroup; who has no level is in none of them.

    A level is named in print by what was uploaded, or for a national field by the records, and only
    if enough people have it: that a rare one is missing would tell who was not found.
    """
    column = NATIONAL_FIELDS.get(name, name)
    values = known[column].astype("str").where(known[column].notna())
    listed = values if name in NATIONAL_FIELDS else _uploaded(upload, column)
    counts = listed.value_counts()
    many = counts.loc[counts >= minimum].drop(UNRECORDED, errors="ignore")
    title = name.removeprefix("group_").replace("_", " ")
    for place, level in enumerate(sorted(many.head(MOST_LEVELS).index), start=1):
        people = frozenset(known.loc[values == level, "disposal_id"])
        label = f"{title[0].upper()}{title[1:]}: {level}"
        yield Wanted(f"{name.replace('_', '-')}-{place}", label, people)


def _uploaded(upload: pd.DataFrame, column: str) -> pd.Series[str]:
    took_part = upload.loc[upload["participation"] != "refused", column]
    return took_part.astype("str").where(took_part.notna())


def headline(treated: pd.DataFrame, lead: Run, region: str | None) -> Wanted:
    """Name the analysis that the report rests on.

    Parameters
    ----------
    treated : DataFrame
        The located treatment group.
    lead : Run
    region : str or None
        The one region to which it is kept.
    """
    label = f"Headline, {region or 'national'}"
    return Wanted(HEADLINE, label, frozenset(treated["disposal_id"]), lead, region)


def other_start(named: Wanted, *, leads: bool, after: int) -> list[Wanted]:
    """Plan the analysis that starts the follow-up on the other day than the headline does.

    Parameters
    ----------
    named : Wanted
        The headline.
    leads : bool
        Whether the headline's year begins with the intervention.
    after : int
        Treated people whose intervention started after the index date.

    Returns
    -------
    list of Wanted
        One, or none where every intervention had started by the index date.
    """
    name, label = ("index-date", FROM_INDEX_DATE) if leads else ("landmark", FROM_START)
    return [replace(named, id=name, label=label)] if after else []


def specifications(
    formula: str, *, calipers: Sequence[float], added: str, exact: Sequence[str]
) -> tuple[Specification, ...]:
    """List the specifications of the plan: what loses nobody comes before what may.

    Parameters
    ----------
    formula : str
        Of the score.
    calipers : sequence of float
        In standard deviations of the logit, from the widest.
    added : str
        Squares and products that the second specification adds to the score.
    exact : sequence of str
        Columns that must agree within every match.

    Returns
    -------
    tuple of Specification
        The widest caliper; the same with the added terms; the finer calipers; entropy balancing.

    Examples
    --------
    >>> listed = specifications("treated ~ age", calipers=[0.2, 0.1], added="I(age ** 2)", exact=[])
    >>> [one.name for one in listed]
    ['caliper 0.2', 'caliper 0.2 with added terms', 'caliper 0.1', 'entropy balancing']
    """
    of = partial(Specification, exact=tuple(exact))
    widest, *finer = calipers
    return (
        of(f"caliper {widest:g}", formula, widest),
        of(f"caliper {widest:g} with added terms", f"{formula} + {added}", widest),
        *(of(f"caliper {width:g}", formula, width) for width in finer),
        of("entropy balancing", formula, widest, method="entropy balancing"),
    )


def by_plan(
    candidates: pd.DataFrame,
    *,
    formulas: Mapping[bool, str],
    listed: Callable[[str], Sequence[Specification]],
    search: Callable[..., Matched],
    judge: Callable[..., Any],
    compared: Callable[[bool], list[str]],
    needs: bool,
    also_exact: tuple[str, ...] = (),
) -> Matched:
    """Match by the plan's specifications, with or without needs.

    Parameters
    ----------
    candidates : DataFrame
    formulas : mapping of bool to str
        The score without needs, under False, and with them, under True.
    listed : callable
        A formula -> the specifications of the plan in their order.
    search : callable
        See ``matching.first_accepted``; it takes the rule of acceptance as `accept`.
    judge : callable
        The rule, see ``balance.judge``; it takes the variables compared as `covariates`.
    compared : callable
        Whether on needs -> the variables whose balance is judged.
    needs : bool
        Whether people are matched on needs.
    also_exact : tuple of str
        Columns that must agree besides those of the specifications.

    Returns
    -------
    Matched
        A follow-up from the start of the intervention is matched on the days to it, too.
    """
    waited = [WAITING] if WAITING in candidates else []
    formula = " + ".join([formulas[needs], *waited])
    chosen = [replace(one, exact=(*one.exact, *also_exact)) for one in listed(formula)]
    rule = partial(judge, covariates=[*compared(needs), *waited])
    return search(candidates, chosen, accept=rule)


def run(
    wanted: Iterable[Wanted],
    treated: pd.DataFrame,
    near: pd.Series[str],
    *,
    beside: Matched,
    choose: Choose,
    match: Match,
    read: Callable[[Matched], pd.DataFrame],
    compare: Callable[..., Mapping[str, Effect]],
    adjust: Callable[..., Mapping[str, Any]],
    rules: Rules = RULES,
) -> tuple[Analysed, ...]:
    """Take the stages of the headline again for each analysis of the plan.

    Parameters
    ----------
    wanted : iterable of Wanted
    treated : DataFrame
        The located treatment group.
    near : Series of str
        Register people who leave the pool.
    beside : Matched
        The headline.
    choose, match, read, compare, adjust : callable
        The notebook's own stages. `compare` takes the name of the analysis, `adjust` takes
        the sample, the effects and the specification of the match.
    rules : Rules
        The thresholds of disclosure control.

    Returns
    -------
    tuple of Analysed
        In the order given.

    Notes
    -----
    Two results of groups that differ by a few people would tell what those few did. Where an
    analysis has a few people whom the headline does not have, it is made without them, so that
    the two can stand side by side.
    """
    headline = _people(beside)

    def matched_with(one: Wanted) -> Matched:
        ours = treated.loc[treated["disposal_id"].isin(one.people)]
        found = choose(ours, near, oasys=one.run.assessed, region=one.region)
        return match(found, needs=one.run.needs, also_exact=one.also_exact)

    def analysed(one: Wanted) -> Analysed:
        if not one.enough:
            return Analysed(one)
        matched = matched_with(one)
        if _people(matched) - headline and not are_apart(_people(matched), headline, rules):
            one = replace(one, people=one.people & headline)
            matched = matched_with(one)
        if not matched.accepted:
            return Analysed(one, matched)
        sample = read(matched)
        results = compare(sample, analysis=one.id)
        checks = adjust(sample, {name: results[name] for name in CHECKED}, matched.specification)
        return Analysed(one, matched, sample, results, checks)

    return tuple(analysed(one) for one in wanted)


def _people(matched: Matched) -> frozenset[str]:
    """The disposals of the treated people who have a match."""
    frame = matched.frame
    return frozenset(frame.loc[(frame["treated"] == 1) & (frame["weight"] > 0), "disposal_id"])


def attempts(analysed: Iterable[Analysed]) -> tuple[tuple[str, Attempt], ...]:
    """List every specification tried, with the label of its analysis, in order.

    Parameters
    ----------
    analysed : iterable of Analysed
        In the order in which they are told.

    Returns
    -------
    tuple of (str, Attempt)
        Those of analyses that were matched.
    """
    return tuple(
        (one.wanted.label, attempt)
        for one in analysed
        if one.matched is not None
        for attempt in one.matched.attempts
    )
