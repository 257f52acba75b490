"""Sensitivity: whether the headline result depends on a choice that could have been another.

The way to the result is taken again for each choice, by the stages that the notebook hands in: from
the links, or from the candidates. No statistics of its own; what it returns has passed disclosure
control.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd

from jdl import disclosure
from jdl.disclosure import NOT_BALANCED, RULES, WITHHELD, Rules
from jdl.effects import Effect
from jdl.linkage import Links
from jdl.matching import Matched, Specification, leaving_out, reweighed
from jdl.matching.formula import words

NO_HEADLINE = "not analysed because the headline has no result to compare with"


@dataclass(frozen=True)
class Choice:
    """One choice of links and the result it gives, as far as they may be told.

    Parameters
    ----------
    label : str
        What the choice is called in print.
    analysed, comparison_people : int or None
        Matched treated people, and the people they were compared with; None where withheld or not
        matched, and the first for every choice of links.
    difference, ci_low, ci_high, p_value : float or None
        On the reoffending rate; None where withheld or without a result.
    conclusion : {'reduction', 'inconclusive', 'increase', 'suppressed'}
        ``suppressed`` without a result. It is told even where the numbers are withheld because
        they differ from another choice's by a few people.
    accepted : bool or None
        Whether the balance was accepted; None where nobody was matched.
    reason : str or None
        Why there is no result, in public words.
    """

    label: str
    analysed: int | None = None
    comparison_people: int | None = None
    difference: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None
    conclusion: str = "suppressed"
    accepted: bool | None = None
    reason: str | None = None


@dataclass(frozen=True)
class _Stages:
    """The way from links to effects."""

    locate: Callable[[pd.DataFrame], pd.DataFrame]
    choose: Callable[[pd.DataFrame, pd.Series[str]], pd.DataFrame]
    match: Callable[[pd.DataFrame], Matched]
    read: Callable[[Matched], pd.DataFrame]
    compare: Callable[[pd.DataFrame], Mapping[str, Effect]]


@dataclass(frozen=True, repr=False)
class _Run:
    """A choice with what must not leave: who was analysed, and what a withheld result was."""

    told: Choice
    analysed: frozenset[str] = frozenset()
    conclusion: str = "suppressed"


def by_linkage(
    choices: Mapping[str, Links],
    *,
    headline: str,
    locate: Callable[[pd.DataFrame], pd.DataFrame],
    choose: Callable[[pd.DataFrame, pd.Series[str]], pd.DataFrame],
    match: Callable[[pd.DataFrame], Matched],
    read: Callable[[Matched], pd.DataFrame],
    compare: Callable[[pd.DataFrame], Mapping[str, Effect]],
    rate: Effect | None = None,
    rules: Rules = RULES,
) -> tuple[Choice, ...]:
    """Take the way from the links to the effect on the rate again for each choice of links.

    Parameters
    ----------
    choices : mapping of str to Links
        By what each is called in print.
    headline : str
        The choice that the report rests on. Without a result for it no other is looked for.
    locate : callable
        The link table -> located participations, see ``sentence.locate``.
    choose : callable
        Treated people and the register people near them -> candidates, see
        ``covariates.candidates``.
    match : callable
        Candidates -> groups with the verdict on their balance, see ``matching.first_accepted``.
    read : callable
        Groups -> their outcomes, see ``outcomes.read``; not called where balance was not accepted.
    compare : callable
        Outcomes -> effects by measure, the rate among them, see ``effects.compare_all``.
    rate : Effect, optional
        The headline's cleared effect on the rate; where it is withheld, for whatever reason, no
        choice has a result.
    rules : Rules
        The thresholds of disclosure control.

    Returns
    -------
    tuple of Choice
        The headline first, the others as given.

    Raises
    ------
    ValueError
        If the headline is not among the choices.

    Notes
    -----
    Two exact results of groups that differ by a few people would tell what those few did. A
    choice's numbers are therefore told only if the people behind them are the same as those behind
    every number told before, or differ from them by at least the smallest cell; otherwise only its
    conclusion is told, and that as if no rule of disclosure withheld it, for that a rule does so
    could tell as much. A rounded difference would not do instead: of fewer than a hundred people,
    one moves it by more than a point. How many people a choice links, and how many of them are
    analysed, is never told: beside the numbers of the headline it would tell how many were nearly
    linked.
    """
    if headline not in choices:
        raise ValueError(f"the headline {headline!r} is not among the choices {list(choices)}")
    stages = _Stages(locate, choose, match, read, compare)
    order = [headline, *(label for label in choices if label != headline)]
    if rate is not None and rate.conclusion == "suppressed":
        return tuple(Choice(label, reason=rate.reason) for label in order)
    rules = rules.plain
    runs = list(_runs([choices[label] for label in order], stages, rules))
    return tuple(
        replace(told, label=label, analysed=None)
        for label, told in zip(order, _told(runs, rules), strict=True)
    )


def by_method(
    headline: Matched,
    others: Mapping[str, Callable[[], Matched]],
    *,
    read: Callable[[Matched], pd.DataFrame],
    compare: Callable[[pd.DataFrame], Mapping[str, Effect]],
    rate: Effect | None = None,
    rules: Rules = RULES,
) -> tuple[Choice, ...]:
    """Test the rate again in the groups that other choices of the method make.

    Parameters
    ----------
    headline : Matched
        The groups that the report rests on, their balance accepted.
    others : mapping of str to callable
        By what each is called in print: what makes its groups. Each is made, compared and forgotten
        before the next. Outcomes of the headline's own candidates are read once for all.
    read, compare, rate
        As for `by_linkage`.
    rules : Rules

    Returns
    -------
    tuple of Choice
        The headline, named ``as reported``, then the others as given; those whose balance was not
        accepted without a result. Without a result of the headline no other is made.

    Notes
    -----
    What may be told beside what follows the rule of `by_linkage`.
    """
    rules = rules.plain
    first = _compared(headline, read, compare, rules)
    if rate is not None and rate.conclusion == "suppressed":
        first = _Run(Choice("", accepted=headline.accepted, reason=rate.reason))
    if first.told.conclusion == "suppressed":
        runs = [first, *(_Run(Choice("", reason=NO_HEADLINE)) for _ in others)]
    else:
        again = _reading_once(headline, read)
        runs = [first, *(_compared(match(), again, compare, rules) for match in others.values())]
    labels = ("as reported", *others)
    told = _told(runs, rules)
    return tuple(replace(one, label=label) for label, one in zip(labels, told, strict=True))


def _reading_once(
    headline: Matched, read: Callable[[Matched], pd.DataFrame]
) -> Callable[[Matched], pd.DataFrame]:
    """Return what reads as `read` does, and the candidates of the headline only once.

    Their rows without a weight stay in, for `compare` to leave out.
    """
    known: list[pd.DataFrame] = []

    def read_again(matched: Matched) -> pd.DataFrame:
        disposals = headline.frame["disposal_id"]
        if not matched.frame["disposal_id"].equals(disposals):
            return read(matched)
        if not known:
            known.append(read(replace(headline, frame=headline.frame.assign(weight=1.0))))
        return known[0].assign(weight=matched.frame["weight"].to_numpy())

    return read_again


def alone(
    candidates: pd.DataFrame,
    specification: Specification,
    *,
    search: Callable[..., Matched],
    accept: Callable[[Matched], Any],
) -> Matched:
    """Match by one specification, with the verdict on its balance.

    Parameters
    ----------
    candidates : DataFrame
    specification : Specification
    search : callable
        See ``matching.first_accepted``.
    accept : callable
        See ``balance.judge``.

    Returns
    -------
    Matched
    """
    return search(candidates, [specification], accept=accept)


def with_earlier(
    repeated: bool,
    choose: Callable[..., pd.DataFrame],
    match: Callable[[pd.DataFrame], Matched],
    treated: pd.DataFrame,
    near: pd.Series[str],
    located: pd.DataFrame,
) -> dict[str, Callable[[], Matched]]:
    """Return the match with the untreated earlier sentences of the uploaded people kept.

    Parameters
    ----------
    repeated : bool
        Whether so many people left the pool that it is called for.
    choose, match : callable
        As for `by_linkage`; `choose` takes ``keep_earlier``.
    treated, near, located
        The treatment group, the register people near the upload, and every located participation
        with its start.
    """
    if not repeated:
        return {}
    return {
        "untreated earlier sentences kept": lambda: match(
            choose(treated, near, keep_earlier=located)
        )
    }


def first_tried(headline: Matched) -> dict[str, Callable[[], Matched]]:
    """Return the match by the first specification of the plan, where a later one was kept.

    Its result is told, for all to see what the search did, though its balance was not accepted.

    Parameters
    ----------
    headline : Matched
        As the search left it.

    Returns
    -------
    dict of str to callable
        At most one: what it is called, and what gives the match.
    """
    first = headline.first
    if first is None or not first.treatment_n:
        return {}
    label = f"first specification ({first.specification.name})"
    return {label: lambda: replace(first, accepted=True)}


def by_same_score(
    headline: Matched, specification: Specification, *, accept: Callable[[Matched], Any]
) -> Matched:
    """Match the headline's candidates again by its own score, with the verdict on their balance.

    Parameters
    ----------
    headline : Matched
    specification : Specification
        Of the same formula.
    accept : callable
        The rule, see ``balance.judge``.
    """
    return _judged(reweighed(headline, specification), accept)


def _judged(matched: Matched, accept: Callable[[Matched], Any]) -> Matched:
    return replace(matched, accepted=bool(matched.treatment_n and accept(matched).accepted))


def other_calipers(
    kept: Specification, calipers: Sequence[float], match: Callable[[Specification], Matched]
) -> dict[str, Callable[[], Matched]]:
    """Return the matches within other calipers than the one that was kept.

    Parameters
    ----------
    kept : Specification
        Of the headline.
    calipers : sequence of float
        In standard deviations of the logit.
    match : callable
        Specification -> groups with the verdict on their balance.
    """
    return {
        f"caliper of {width:g} standard deviations": partial(
            match, replace(kept, name=f"caliper {width:g}", caliper=width, method="radius")
        )
        for width in calipers
        if (width, "radius") != (kept.caliper, kept.method)
    }


def without_each(
    headline: Matched, labels: Mapping[str, str], accept: Callable[[Matched], Any]
) -> dict[str, Callable[[], Matched]]:
    """Return the matches by scores that leave one variable out each.

    Parameters
    ----------
    headline : Matched
        The terms of its specification are set apart by plus signs.
    labels : mapping of str to str
        Variables in print; those that are not in it are not left out.
    accept : callable
        The rule, see ``balance.judge``. The variable left out is part of the verdict no less than
        the others.
    """
    if headline.model is None:
        return {}
    kept = headline.specification
    terms = kept.terms.split(" + ")
    match = leaving_out(headline)

    def lacking(name: str) -> Matched:
        return _judged(match(_lacking(kept, terms, name), name), accept)

    return {
        f"without “{labels[name]}”": partial(lacking, name)
        for name in dict.fromkeys(_variable(term) for term in terms)
        if name in labels
    }


def _variable(term: str) -> str:
    return term.removeprefix("C(").removesuffix(")")


def _lacking(kept: Specification, terms: Sequence[str], name: str) -> Specification:
    """Leave out every term that names the variable, its squares and products no less."""
    rest = " + ".join(term for term in terms if name not in words(term))
    return replace(kept, name=f"without {name}", formula=f"{kept.treated} ~ {rest}")


def before_the_index_date(
    candidates: pd.DataFrame,
    kept: Specification,
    outcome: str,
    match: Callable[[Specification], Matched],
    compare: Callable[[pd.DataFrame], Mapping[str, Effect]],
) -> Effect | None:
    """Test a negative control: what lies before the index date cannot be an effect.

    Parameters
    ----------
    candidates : DataFrame
        With the variable ``outcome``.
    kept : Specification
        Of the headline; the variable is left out of the score.
    outcome : str
        A count of the time before the index date, of which any at all is the outcome.
    match : callable
        Specification -> groups, whatever their balance.
    compare : callable
        A sample -> effects by measure, the rate among them.

    Returns
    -------
    Effect or None
        On the share with any; not cleared. None where nobody could be matched.

    Notes
    -----
    A difference shows that the groups are unlike in something that the other variables do not
    hold; none does not show that they are alike in everything (Lipsitch and others 2010).
    """
    matched = match(_lacking(kept, kept.terms.split(" + "), outcome))
    if not matched.treatment_n:
        return None
    sample = matched.frame.loc[matched.frame["weight"] > 0]
    return compare(sample.assign(reoffended=candidates[outcome] > 0))["rate"]


def who_refused(
    people: pd.DataFrame,
    links: Links,
    *,
    minimum: int,
    locate: Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame],
    choose: Callable[[pd.DataFrame, pd.Series[str]], pd.DataFrame],
    match: Callable[[pd.DataFrame], Matched],
    read: Callable[[Matched], pd.DataFrame],
    compare: Callable[[pd.DataFrame], Mapping[str, Effect]],
) -> Effect | None:
    """Test a negative control: a service can have no effect on those who refused it.

    Parameters
    ----------
    people : DataFrame
        The upload, one row a participation.
    links : Links
        Who is who; no register person near the upload is among those compared.
    minimum : int
        Fewest located people who refused.
    locate : callable
        Upload rows and the link table -> located participations, see ``sentence.locate``.
    choose, match, read, compare : callable
        As for `by_linkage`.

    Returns
    -------
    Effect or None
        On the rate of those who were referred and did not take part, as if they had; not cleared.
        None where too few were found, or their balance was not accepted.

    Notes
    -----
    Who took part at another time is not one of them, so that nobody is in the headline as well. A
    difference shows what referral, and refusing, select for beyond what is matched on; it is not
    that of the people who took part, who were selected by accepting too.
    """
    refused = people["participation"].eq("refused").fillna(False).astype(bool)
    if refused.sum() < minimum:
        return None
    keys = ["row", "source"]
    took_part = links.table.merge(people.loc[~refused, keys], on=keys)["person"]
    located = locate(people.loc[refused].assign(participation="started"), links.table)
    found = located.loc[located["reason"].isna() & ~located["person"].isin(took_part)]
    if len(found) < minimum:
        return None
    matched = match(choose(found, links.near))
    return compare(read(matched))["rate"] if matched.accepted else None


def _runs(choices: Sequence[Links], stages: _Stages, rules: Rules) -> Iterator[_Run]:
    """Run the headline, and the others if it has a result; equal groups are matched once."""
    known: dict[tuple[tuple[str, ...], tuple[str, ...]], _Run] = {}
    for links in choices:
        if known and next(iter(known.values())).told.conclusion == "suppressed":
            yield _Run(Choice("", reason=NO_HEADLINE))
            continue
        located = stages.locate(links.table)
        treated = located.loc[located["reason"].isna()]
        who = (tuple(sorted(treated["disposal_id"])), tuple(sorted(links.near)))
        if who not in known:
            known[who] = _run(treated, links, stages, rules)
        yield known[who]


def _run(treated: pd.DataFrame, links: Links, stages: _Stages, rules: Rules) -> _Run:
    """Match, and where the groups are alike compare."""
    if len(treated) < rules.group:
        return _Run(Choice("", reason=WITHHELD))
    matched = stages.match(stages.choose(treated, links.near))
    return _compared(matched, stages.read, stages.compare, rules)


def _compared(
    matched: Matched,
    read: Callable[[Matched], pd.DataFrame],
    compare: Callable[[pd.DataFrame], Mapping[str, Effect]],
    rules: Rules,
) -> _Run:
    frame = matched.frame
    ours = frozenset(frame.loc[(frame["treated"] == 1) & (frame["weight"] > 0), "disposal_id"])
    sizes = Choice(
        "",
        analysed=matched.treatment_n,
        comparison_people=matched.comparison_people,
        accepted=matched.accepted,
    )
    if not matched.accepted:
        return _Run(replace(sizes, reason=NOT_BALANCED), ours)
    effects = compare(read(matched))
    rate = disclosure.clear(effects, matched=matched, rules=rules).effects["rate"]
    enough = matched.treatment_n >= rules.group
    raw = effects["rate"].conclusion if enough else "suppressed"
    return _Run(_with_result(sizes, rate), ours, raw)


def _with_result(sizes: Choice, rate: Effect) -> Choice:
    if rate.conclusion == "suppressed":
        return Choice("", accepted=sizes.accepted, reason=rate.reason)
    return replace(
        sizes,
        difference=rate.difference,
        ci_low=rate.ci_low,
        ci_high=rate.ci_high,
        p_value=rate.p_value,
        conclusion=rate.conclusion,
    )


def _told(runs: Sequence[_Run], rules: Rules) -> Iterator[Choice]:
    """Keep only the conclusion of a choice whose people are nearly those of one told before."""
    before = [runs[0].analysed]
    for run in runs:
        if all(disclosure.are_apart(run.analysed, other, rules) for other in before):
            before.append(run.analysed)
            yield run.told
        else:
            told = Choice("", conclusion=run.conclusion, accepted=run.told.accepted)
            yield told if told.conclusion != "suppressed" else replace(told, reason=run.told.reason)
