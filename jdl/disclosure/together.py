"""Several results together: what one less another would tell of a few people."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from jdl.disclosure.measures import (
    COURT_OUTCOMES,
    HEADLINES,
    PARTS,
    VERSIONS,
    Cleared,
    clear,
    clear_adjusted,
    events_of,
    fewest,
    sums,
    treated,
    withhold,
)
from jdl.disclosure.remainders import Counted, Published, Sum, leave_enough, leave_open
from jdl.disclosure.rules import (
    NOT_BALANCED,
    RULES,
    WITHHELD,
    Decision,
    Rules,
    are_apart,
    hide_parts,
    part_of,
)
from jdl.effects import ALL, EVERYONE, MEASURES, Effect, Group, suppressed


def clear_participation(
    people: pd.DataFrame,
    analysed: Iterable[Any],
    results: Mapping[str, Cleared],
    rules: Rules = RULES,
    before: Sequence[Published] = (),
) -> pd.DataFrame:
    """Describe those who completed and the others, as far as that tells of nobody.

    Parameters
    ----------
    people : DataFrame
        One row an analysed treated person: offender_id, participation and reoffended.
    analysed : iterable of Analysed
        As for `clear_analyses`.
    results : mapping of str to Cleared
        What that let out: the kinds stand beside it, and less it.
    rules : Rules
    before : sequence of Published
        As for `clear_analyses`.

    Returns
    -------
    DataFrame
        participation, people, share, rate. Not a number for kinds with few people, few
        reoffenders or few others, and for the next smallest until the rest gives none away; for all
        where a kind and what else is told would tell of a few or the headline is withheld, and for
        all of a request that extends others, whose reports may have told theirs.
    """
    analysed = list(analysed)
    reoffended = people["reoffended"].astype(float)
    counts = pd.DataFrame({"reoffended": reoffended, "left": 1 - reoffended})
    counts = counts.groupby(people["participation"].to_numpy()).sum()
    small = (counts < rules.cell).any(axis=1)
    hidden = counts.index.isin(hide_parts(counts, small, rules, within="participation"))
    shown = people.loc[people["participation"].isin(counts.index[~hidden])]
    extends = any(one.wanted.id == NEW_PEOPLE for one in analysed)
    untold = "headline" in results and not _tells(results["headline"], "rate")
    if extends or untold or not _kinds_stand(shown, analysed, results, rules, before):
        for kind in counts.index[~hidden]:
            rules.note(part_of("participation", kind), "difference")
        hidden[:] = True
    many = counts.sum(axis=1).where(~hidden)
    told = pd.DataFrame({"people": many, "share": many / len(people)})
    told["rate"] = counts["reoffended"].where(~hidden) / many
    return told.rename_axis("participation").reset_index()


def _kinds_stand(
    people: pd.DataFrame,
    analysed: Iterable[Any],
    results: Mapping[str, Cleared],
    rules: Rules,
    before: Sequence[Published],
) -> bool:
    """Whether each kind may stand beside what else is told and the kinds before it."""
    rate = _Record.of("rate", before)
    for one in analysed:
        if one.wanted.id in results and _tells(results[one.wanted.id], "rate"):
            rate.add(_outcomes(one)["rate"])
    for _, kind in people.groupby("participation"):
        outcome = kind.set_index("offender_id")["reoffended"].astype(float)
        if rate.rule(outcome, rules):
            return False
        rate.add(outcome)
    return True


_EARLIER = {"rate": "earlier"}
NEW_PEOPLE = "new-people"
"""The analysis of the new people alone, planned for every request that extends others."""


def clear_revision(
    published: Mapping[str, Mapping[str, Any]], cleared: Cleared, rules: Rules = RULES
) -> pd.DataFrame:
    """Set the headline of a corrected report beside what was published, told where both are.

    Parameters
    ----------
    published : mapping of str to mapping
        The earlier report's measures by name, from ``history.replaced``.
    cleared : Cleared
        The headline as it is now; `clear_analyses` has held it against the earlier report.
    rules : Rules

    Returns
    -------
    DataFrame
        measure, figure, was, now and change, missing where withheld. ``few`` says that a size
        changed by fewer than the smallest cell: beside what was told, it would tell of them.
    """
    rows = [
        _revised(measure, name, published[measure], effect, rules)
        for measure, effect in cleared.effects.items()
        if measure in HEADLINES[:2] and measure in published
        for name in (*(_SIZES if measure == "rate" else ()), *_REVISED)
    ]
    return pd.DataFrame(rows, columns=["measure", "figure", "was", "now", "change", "few"])


_SIZES = ("treatment_n", "comparison_n")
_REVISED = ("treatment", "comparison", "difference", "ci_low", "ci_high")


def _revised(
    measure: str, name: str, was: Mapping[str, Any], effect: Effect, rules: Rules
) -> dict[str, Any]:
    now = {
        "treatment_n": effect.treatment.n or None,
        "comparison_n": effect.comparison.n or None,
        "treatment": effect.treatment.mean,
        "comparison": effect.comparison.mean,
        **{one: getattr(effect, one) for one in ("difference", "ci_low", "ci_high")},
    }
    moved = None
    if was[name] is not None and now[name] is not None:
        moved = now[name] - was[name]
    few = moved is not None and name in _SIZES and 0 < abs(moved) < rules.cell
    return {
        "measure": measure,
        "figure": name,
        "was": was[name],
        "now": None if few else now[name],
        "change": None if few else moved,
        "few": few,
    }


def clear_looks(
    results: Mapping[str, Cleared],
    earlier: Sequence[Mapping[str, Any]],
    rules: Rules = RULES,
    kept: Collection[str] = (),
) -> dict[str, Cleared]:
    """Withhold what would tell of a few beside earlier reports whose cohorts are not kept.

    Parameters
    ----------
    results : mapping of str to Cleared
        From `clear_analyses`.
    earlier : sequence of mapping
        From ``history.looks``: of the headline of each earlier report that the request extends its
        id; the rate, as treatment_n and treatment, missing where unknown; and measures, the entries
        of its ``result.json``.
    rules : Rules
    kept : collection of str
        The ids of reports whose people are known; `clear_analyses` has held them against it.

    Returns
    -------
    dict of str to Cleared

    Notes
    -----
    All people pooled, less those of the earlier reports that tell a measure, leave the new people
    and those of the reports that withheld it; less the new people too, only the latter. Whoever is
    in one of them only is known to the provider, so what is left must be nobody, or hold at least
    the smallest cell of people with the event and of others. A measure that fails with all people
    is withheld in every analysis but that of the new people, for other analyses may hold the same
    people or add up to them. Of a report whose figures are not held nothing can be taken away; the
    new people's results are withheld beside it.
    """
    earlier = [row for row in earlier if row.get("id") not in kept]
    if not earlier or not _tells(results["headline"], "rate"):
        return dict(results)
    told = [_published(row) for row in earlier]
    pooled = results["headline"]
    held = [name for name in _measures_told(pooled) if not _is_clear(name, told, [pooled], rules)]
    cleared = {
        name: one if name == NEW_PEOPLE else _held_back(one, name, _with_rate(held, one))
        for name, one in results.items()
    }
    new = results.get(NEW_PEOPLE)
    if new is None or not _tells(new, "rate"):
        return cleared
    both = [
        name for name in _measures_told(new) if name not in held and name in _measures_told(pooled)
    ]
    held = [name for name in both if not _is_clear(name, told, [pooled, new], rules)]
    if "rate" in held or not all(told):
        return {**cleared, NEW_PEOPLE: _unsized(_held_back(new, NEW_PEOPLE, new.effects))}
    return {**cleared, NEW_PEOPLE: _held_back(new, NEW_PEOPLE, held)}


def _with_rate(measures: Collection[str], one: Cleared) -> Collection[str]:
    """Without the rate nothing of an analysis is told."""
    return one.effects if "rate" in measures else measures


def _published(row: Mapping[str, Any]) -> dict[str, tuple[float, float, float]]:
    """Return by measure the size, mean and standard deviation that an earlier report tells."""
    rate = {**row, "measure": "rate"}
    entries = [rate, *(row.get("measures") or ())]
    found = {
        one["measure"]: [one.get(name) for name in ("treatment_n", "treatment", "treatment_sd")]
        for one in entries
    }
    return {
        measure: (float(many), float(mean), math.nan if sd is None else float(sd))
        for measure, (many, mean, sd) in found.items()
        if not pd.isna(many) and not pd.isna(mean)
    }


def _is_clear(
    measure: str,
    earlier: Sequence[Mapping[str, tuple[float, float, float]]],
    ours: Sequence[Cleared],
    rules: Rules,
) -> bool:
    """Whether nobody or enough are left of the first of our analyses without all the others."""
    groups = [one.effects[measure].treatment for one in ours]
    whole, *others = [
        (float(one.n), one.mean or 0.0, math.nan if one.sd is None else one.sd) for one in groups
    ]
    taken = [*others, *(one[measure] for one in earlier if measure in one)]
    if not taken:
        return True
    left = _size_and_sums(*whole) - sum(_size_and_sums(*one) for one in taken)
    many, total, squares = left if left.iloc[0] >= 0 else -left
    return _are_enough(ALL[measure].kind, round(many), round(total, 6), squares, rules)


def _size_and_sums(many: float, mean: float, sd: float) -> pd.Series[float]:
    return pd.Series([many, *sums(many, mean, sd)])


def _are_enough(kind: str, many: int, total: float, squares: float, rules: Rules) -> bool:
    """Whether a group is nobody, or has enough people with the event and, of a share, without."""
    if many == 0 and round(total) == 0:
        return True
    if kind == "days":
        return many >= rules.cell
    if kind == "rate":
        return min(round(total), many - round(total)) >= rules.cell
    people = total if math.isnan(squares) else fewest(total, squares)
    return round(people) >= rules.cell


def clear_analyses(
    analysed: Iterable[Any], rules: Rules = RULES, before: Sequence[Published] = ()
) -> dict[str, Cleared]:
    """Let the results of several analyses of one request out, the headline first.

    Their people overlap, with each other and with those of reports published before, and whoever
    sent the uploads knows who is in which: what is left of one analysis after others are taken from
    it is as good as told.

    Parameters
    ----------
    analysed : iterable of Analysed
        With ``wanted`` and its ``id``; ``matched``, None where too few people were there to begin;
        ``sample``, the matched rows with their outcomes; ``effects`` and ``adjusted``. The headline
        comes first, and what comes before another is told before it.
    rules : Rules
    before : sequence of Published
        What reports published before tell of people who are here too, the oldest first; see
        ``cohorts.published``.

    Returns
    -------
    dict of str to Cleared
        By id, without those that were not begun. A measure is told only if for every result that
        tells it before, the treated people are the same, or those who differ hold at least the
        smallest cell of people with its event and of others, among those whom it is about; and if
        no sum and difference of results leaves fewer. Without the rate nothing is told, and of
        `PARTS` none where one is withheld; the version for everyone goes with its measure.

    Notes
    -----
    Sums and differences are judged by `leave_enough`. The frequency and the days to first are about
    the people of the rate, with its event, so they stand where it stands. In the end every count
    that is withheld, where few had the event or few had not, must be left a range at least ten wide
    or all of 0 to 9 (or all but as many); else further results are withheld, those of the fewest
    people first, the headline last.
    """
    told = {name: _Record.of(name, before) for name in MEASURES}
    sized: list[Collection[str]] = []
    sized_before = [one.people for one in before if one.sized]
    cleared: dict[str, Cleared] = {}
    events: dict[str, pd.DataFrame] = {}
    for one in (entry for entry in analysed if entry.matched is not None):
        name, outcomes = one.wanted.id, _outcomes(one)
        sample = one.sample if one.matched.accepted else None
        alone = clear(_made(one), matched=one.matched, sample=sample, rules=rules, analysis=name)
        alone = replace(alone, adjusted=clear_adjusted(one.adjusted, alone.effects))
        beside = not cleared or _size_stands(sized, outcomes.index, rules)
        stands = not cleared or (beside and _size_stands(sized_before, outcomes.index, rules))
        if stands:
            sized.append(outcomes.index)
        if _tells(alone, "rate"):
            size = {"rate": "earlier" if beside else "difference"}
            failing = _failing(alone, outcomes, told, rules) if stands else size
            alone = _held_back(alone, name, _with_rate(failing, alone), failing)
        for measure in _measures_told(alone):
            told[measure].add(outcomes[measure])
        cleared[name], events[name] = alone if stands else _unsized(alone), outcomes
    return _until_open(cleared, events, before, rules)


_CUSTODY, _REST, _NONE = "first_custody", "rest", "none"
_ADD_UP = {("rate",): (), COURT_OUTCOMES: (), (_CUSTODY,): (_REST,)}
"""Shares that part reoffenders, with what the rest of them have."""


def _until_open(
    cleared: Mapping[str, Cleared],
    events: Mapping[str, pd.DataFrame],
    before: Sequence[Published],
    rules: Rules,
) -> dict[str, Cleared]:
    """Withhold further results until what is withheld of few people is left a wide range."""
    open_now = dict(cleared)
    for shares in _ADD_UP:
        withheld = _narrowing(shares, open_now, events, before, rules)
        alone = _narrowing(shares, open_now, events, (), rules) if withheld and before else withheld
        for name, measures in withheld:
            why = dict.fromkeys(measures, "difference" if (name, measures) in alone else "earlier")
            one = open_now[name]
            open_now[name] = _held_back(one, name, _with_rate(measures, one), why)
    return open_now


def _narrowing(
    shares: tuple[str, ...],
    cleared: Mapping[str, Cleared],
    events: Mapping[str, pd.DataFrame],
    before: Sequence[Published],
    rules: Rules,
) -> list[tuple[str, tuple[str, ...]]]:
    """Name the results to withhold, each an analysis and measures, beside one kind of share."""
    read = _of_one_year(
        {name: one for name, one in events.items() if one["rate"].notna().all() and len(one)}
    )
    hidden = [
        one
        for name, frame in read.items()
        for one in _withheld(shares, cleared[name], frame, rules)
    ]
    if not hidden:
        return []
    headline = next(iter(cleared))
    order = sorted(read, key=lambda name: (name != headline, -len(read[name])))
    offered = {
        (name, measures): _sums(shares, frozenset(read[name].index), counts, rules)
        for measures in (("rate",), shares)
        for name in order
        if (counts := _counts_told(measures, cleared[name], read[name]))
    }
    names = {str(place): result for place, result in enumerate(offered)}
    held = leave_open(
        _outcome(shares, pd.concat(list(read.values()))),
        (*shares, *_ADD_UP[shares], _NONE),
        [told for one in before for told in _sums(shares, one.people, one.counts, rules)],
        dict(zip(names, offered.values(), strict=True)),
        hidden,
        rules,
    )
    return [names[one] for one in held]


def _outcome(shares: Sequence[str], events: pd.DataFrame) -> pd.Series[str]:
    """Name by person the share that they count in, what the rest have, or none."""
    people = events.loc[~events.index.duplicated()]
    rest = [*_ADD_UP[tuple(shares)], shares[-1]][0]
    named = pd.Series(rest, people.index).where(people["rate"] > 0, _NONE)
    for share in shares:
        named = named.mask(people[share] > 0, share)
    return named


def _of_one_year(events: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Keep the analyses whose outcomes are those of the ones before: of the same year."""
    kept: dict[str, pd.DataFrame] = {}
    known = pd.DataFrame()
    for name, frame in events.items():
        shared = frame.index.intersection(known.index)
        if frame.loc[shared].equals(known.loc[shared, frame.columns] if len(shared) else frame[:0]):
            kept[name] = frame
            known = pd.concat([known, frame.drop(index=shared)])
    return kept


def _counts_told(
    measures: Iterable[str], alone: Cleared, events: pd.DataFrame
) -> dict[str, tuple[int, int]]:
    return {
        name: (int(events[name].sum()), int((1 - events[name]).sum()))
        for name in measures
        if _tells(alone, name)
    }


def _sums(
    shares: tuple[str, ...],
    people: frozenset[str],
    counts: Mapping[str, tuple[int, int]],
    rules: Rules,
) -> list[Sum]:
    """Put counts as sums of outcomes; what was told of few by an override is left out."""
    named = {name: (name,) for name in shares} | {"rate": (*shares, *_ADD_UP[shares])}
    return [
        Sum(people, outcomes, count=counts[name][0])
        for name, outcomes in named.items()
        if name in counts and min(counts[name]) >= rules.cell
    ]


def _withheld(
    shares: tuple[str, ...], alone: Cleared, events: pd.DataFrame, rules: Rules
) -> Iterator[Sum]:
    """Yield the counts withheld where few had the event or few had not, and among whom."""
    everyone = (*shares, *_ADD_UP[shares], _NONE)
    reoffenders = everyone[:-1]
    among = everyone if shares == ("rate",) or not _tells(alone, "rate") else reoffenders
    for name in (one for one in shares if not _tells(alone, one)):
        others = tuple(one for one in (among if name == "rate" else reoffenders) if one != name)
        for outcomes, many in ((name,), events[name].sum()), (others, (1 - events[name]).sum()):
            if many < rules.cell:
                yield Sum(frozenset(events.index), outcomes, among)


def what_is_told(analysed: Iterable[Any], results: Mapping[str, Cleared]) -> dict[str, Published]:
    """Return who is in each analysis of which something is told, and its counts.

    Parameters
    ----------
    analysed : iterable of Analysed
        As for `clear_analyses`.
    results : mapping of str to Cleared
        What was let out of them.

    Returns
    -------
    dict of str to Published
        By id, without an analysis of which neither size nor result is told.
    """
    told = {}
    for one in (entry for entry in analysed if entry.wanted.id in results):
        alone, outcomes = results[one.wanted.id], _outcomes(one)
        counted = {name: _counted(name, outcomes[name]) for name in _measures_told(alone)}
        counts = {name: (many.events, many.others) for name, many in counted.items()}
        sized = alone.effects["rate"].treatment.n > 0
        if sized or counts:
            told[one.wanted.id] = Published(frozenset(outcomes.index), sized, counts)
    return told


_OF_THE_RATE = (*HEADLINES, "days_to_first")


def _failing(
    alone: Cleared, outcomes: pd.DataFrame, told: Mapping[str, _Record], rules: Rules
) -> dict[str, str]:
    """Name the measures of an analysis that would tell of a few beside what is told, and why."""
    if rule := told["rate"].rule(outcomes["rate"], rules):
        return {"rate": rule}
    broken = {
        measure: told[measure].rule(outcomes[measure], rules)
        for measure in _measures_told(alone)
        if measure not in _OF_THE_RATE
    }
    return {measure: rule for measure, rule in broken.items() if rule}


def _tells(alone: Cleared, measure: str) -> bool:
    """Whether an analysis tells a measure, or its version for everyone."""
    names = (measure, EVERYONE[measure].name if measure in EVERYONE else measure)
    return any(
        name in alone.effects and alone.effects[name].conclusion != "suppressed" for name in names
    )


def _measures_told(alone: Cleared) -> list[str]:
    return [measure for measure in MEASURES if _tells(alone, measure)]


def _made(one: Any) -> Mapping[str, Effect]:
    """Return the effects of an analysis; without any, empty ones that `clear` gives its sizes."""
    return one.effects or {
        measure: suppressed(one.wanted.id, measure, Group(0), Group(0), NOT_BALANCED)
        for measure in MEASURES
    }


def _outcomes(one: Any) -> pd.DataFrame:
    """Return by treated person the events of each measure; not a number where they are unread."""
    if one.sample is None or not one.matched.accepted:
        index = treated(one.matched.frame)["offender_id"]
        return pd.DataFrame(math.nan, index=index, columns=list(MEASURES))
    return events_of(treated(one.sample))


def _size_stands(sized: Sequence[Collection[str]], new: Collection[str], rules: Rules) -> bool:
    return len(new) >= rules.cell and all(are_apart(new, one, rules) for one in sized)


def _held_back(
    alone: Cleared, name: str, measures: Collection[str], why: Mapping[str, str] = _EARLIER
) -> Cleared:
    """Withhold measures that differ too little from those told before, and what tells them."""
    held = {*measures, *(part for parts in PARTS if {*parts} & {*measures} for part in parts)}
    held |= {EVERYONE[measure].name for measure in held if measure in EVERYONE}
    told = [
        measure
        for measure, one in alone.effects.items()
        if measure in held and (one.conclusion != "suppressed" or "rate" in held)
    ]
    effects = alone.effects | {one: withhold(alone.effects[one], WITHHELD) for one in told}
    figures = {f"{name}.{measure}": _why(measure, why) for measure in told}
    before = tuple(one for one in alone.decisions if one.part not in figures)
    return Cleared(
        effects,
        (*before, *(Decision(figure, rule) for figure, rule in figures.items())),
        clear_adjusted(alone.adjusted, effects),
    )


def _why(measure: str, why: Mapping[str, str]) -> str:
    """Name the rule that holds a measure back: its own, or that of what it goes with."""
    base = VERSIONS.get(measure, measure)
    beside = next((parts for parts in PARTS if base in parts), ())
    rules = {why[one] for one in (base, "rate") if one in why}
    rules = rules or {why[one] for one in beside if one in why}
    return "earlier" if rules == {"earlier"} else "difference"


def _unsized(alone: Cleared) -> Cleared:
    """Withhold the sizes too, because they would count a few people."""
    none = Group(n=0)
    effects = {
        measure: replace(one, treatment=none, comparison=none, reason=WITHHELD)
        for measure, one in alone.effects.items()
    }
    return replace(alone, effects=effects)


@dataclass(repr=False)
class _Record:
    """What is told of one measure so far, and of whom the outcome is at hand.

    Parameters
    ----------
    measure : str
    before, told : list of Counted
        By reports published before, and by this one.
    known : Series
        By person.
    """

    measure: str
    before: list[Counted]
    told: list[Counted] = field(default_factory=list)
    known: pd.Series[float] = field(default_factory=lambda: pd.Series(dtype=float))

    @classmethod
    def of(cls, measure: str, before: Iterable[Published]) -> _Record:
        """Begin with what was published before."""
        return cls(measure, [counted for one in before for counted in one.counted(measure)])

    def rule(self, new: pd.Series[float], rules: Rules) -> str | None:
        """Name the rule by which a new result would tell of a few beside what is told."""
        if not self._stands(self.told, new, rules):
            return "difference"
        everything = [*self.before, *self.told]
        return "earlier" if self.before and not self._stands(everything, new, rules) else None

    def add(self, new: pd.Series[float]) -> None:
        """Take note of a result that is told."""
        self.known = self._with(new)
        self.told.append(_counted(self.measure, new))

    def _stands(self, told: Sequence[Counted], new: pd.Series[float], rules: Rules) -> bool:
        if not told:
            return True
        known = self._with(new)
        pairs = all(_differ_enough(one.people, new.index, known, rules) for one in told)
        return pairs and leave_enough([*told, _counted(self.measure, new)], known, rules)

    def _with(self, new: pd.Series[float]) -> pd.Series[float]:
        values = pd.concat([self.known, new]) if len(self.known) else new
        return values.loc[~values.index.duplicated()]


def _counted(measure: str, new: pd.Series[float]) -> Counted:
    """Count those with the event and the others; of a frequency everybody else is one of them."""
    events = int(new.sum())
    whole = len(new) if ALL[measure].kind == "frequency" else int(new.count())
    return Counted(frozenset(new.index), events, whole - events)


def _differ_enough(
    one: Collection[str], other: Collection[str], known: pd.Series[float], rules: Rules
) -> bool:
    """Whether two groups are the same, or enough who differ had the event and enough had not.

    Where somebody's outcome is not at hand that cannot be said, and is left to the counts.
    """
    differ = sorted(set(one) ^ set(other))
    events = known.reindex(differ)
    at_hand = len(differ) == len(known.index.intersection(differ))
    many = events.sum()
    return not differ or not at_hand or min(many, events.count() - many) >= rules.cell
