"""The people of the upload, in all tables together: for a reader who knows who was sent.

Each table is first cleared by itself (`people`). What stands then is offered to `protect`, the most
important first, beside what the upload shows: the analyses' sizes, how far people took part, the
funnel, who was found and how, by level, and what became of whom.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from jdl.disclosure.compared import ages_of
from jdl.disclosure.measures import Cleared, clear_adjusted, withhold
from jdl.disclosure.people import (
    NOT_LINKED,
    UPLOAD_DECISIONS,
    UPLOAD_FAULTS,
    clear_counts,
    clear_fates,
    clear_funnel,
    clear_gains,
    clear_linked,
    clear_rates,
    clear_rules,
    note_merged,
)
from jdl.disclosure.protect import (
    Offer,
    Part,
    Secret,
    Told,
    at_least,
    between,
    exactly,
    nearest,
    protect,
    share,
)
from jdl.disclosure.rules import RULES, STEP, WITHHELD, Rules, part_of
from jdl.effects import Group
from jdl.linkage import FATES, KINDS
from jdl.matching import Matched
from jdl.sentence import DUPLICATE, NOT_FOUND, REASONS, REVIEW

ANALYSED, LOST, MISSED = FATES
_LOST_AS = {"review": REVIEW, "not found": NOT_FOUND}


@dataclass(frozen=True, repr=False)
class Found:
    """What became of the people of the upload, not yet cleared.

    Parameters
    ----------
    counts : mapping of str to int
        From ``linkage.Links.counts``.
    rates, gains, fates : DataFrame
        From ``linkage.rates``, ``gains`` and ``fates``.
    funnel, placed : DataFrame
        From ``sentence.funnel`` and ``sentence.rules``.
    """

    counts: Mapping[str, int]
    rates: pd.DataFrame
    gains: pd.DataFrame
    fates: pd.DataFrame
    funnel: pd.DataFrame
    placed: pd.DataFrame


@dataclass(frozen=True, repr=False)
class People:
    """What may be told of the people of the upload.

    Parameters
    ----------
    results : dict of str to Cleared
        By analysis; one whose size would tell of a few people has neither sizes nor results.
    described : DataFrame
        How far people took part, as from ``clear_participation``.
    counts : dict of str to int or None
        As from ``clear_counts``; linked as from ``clear_linked``.
    linked : int or None
    rates, gains, fates, funnel, placed : DataFrame
        As from the functions that clear each by itself.
    """

    results: dict[str, Cleared]
    described: pd.DataFrame
    counts: dict[str, int | None]
    linked: int | None
    rates: pd.DataFrame
    gains: pd.DataFrame
    fates: pd.DataFrame
    funnel: pd.DataFrame
    placed: pd.DataFrame


def follow(
    kinds: pd.DataFrame, located: pd.DataFrame, people: pd.DataFrame, matched: Matched
) -> pd.DataFrame:
    """Put what became of each person beside what the upload shows.

    Parameters
    ----------
    kinds : DataFrame
        From ``linkage.kinds``.
    located : DataFrame
        From ``sentence.locate``.
    people : DataFrame
        The upload rows.
    matched : Matched
        The groups.

    Returns
    -------
    DataFrame
        `kinds` with participation and the group columns; could, whether the upload leaves it
        open that the person was analysed; reason, of those who left before matching; disposal_id;
        and fate, one of ``linkage.FATES``. Of a person's several participations the one that came
        furthest counts.
    """
    furthest = located.loc[
        located["reason"].ne(DUPLICATE), ["person", "source", "row", "reason", "disposal_id"]
    ].drop_duplicates("person")
    given = ["participation", *(name for name in map(str, people) if name.startswith("group_"))]
    rows = kinds.merge(furthest, on="person", how="left").merge(
        people[["source", "row", *given]], on=["source", "row"], how="left"
    )
    fate = rows["how"].isin(NOT_LINKED).map({True: MISSED, False: LOST})
    in_it = matched.frame.loc[
        matched.frame["treated"].astype(bool) & (matched.frame["weight"] > 0), "disposal_id"
    ]
    stays = rows["reason"].isna() & rows["disposal_id"].isin(in_it)
    return rows.assign(
        could=~rows["reason"].isin(UPLOAD_FAULTS) & rows["row"].notna(),
        disposal_id=rows["disposal_id"].where(rows["reason"].isna()),
        fate=fate.mask(stays, ANALYSED),
    )


class _Model:
    """The parts of the people's tables, and what is known of them whatever is told."""

    def __init__(self, account: pd.DataFrame, found: Found, profile: pd.DataFrame) -> None:
        self.account = account.assign(**{_PROFILED: ages_of(account, _ages_in(profile))})
        self.kinds = [
            *KINDS,
            *(str(name) for name in account if str(name).startswith(("lacks ", "group_"))),
            "participation",
        ]
        shown = self.account[[*self.kinds, _PROFILED, "could"]].fillna("").astype("str")
        self._class = shown.groupby([*shown], sort=False).ngroup()
        self._levels = {kind: self.account[kind].astype("str") for kind in (*self.kinds, _PROFILED)}
        self._among: dict[tuple[str, str], pd.Series[bool]] = {}
        self._located: dict[tuple[str, str], frozenset[str]] = {}
        self.counts: dict[Part, int] = {}
        self.known: list[Told] = []
        self.tenths: dict[str, int] = {}
        self._count_people()
        self._count_ways(found.counts)
        self._count_reasons(found.funnel)

    def parts(self, fates: Iterable[str], among: pd.Series[bool] | None = None) -> list[Part]:
        """Return the parts of people of a fate, all or those of whom something is shown."""
        chosen = self._class if among is None else self._class.loc[among]
        several = tuple(fates)
        return [
            (one, fate)
            for one in chosen.unique().tolist()
            for fate in several
            if (one, fate) in self.counts
        ]

    def among(self, kind: str, level: Any) -> pd.Series[bool]:
        """Tell who is of a level."""
        key = kind, str(level)
        if key not in self._among:
            self._among[key] = self._levels[kind].eq(str(level))
        return self._among[key]

    def levels(self, kind: str) -> list[str]:
        """Return the levels of a kind that somebody has, in order."""
        return sorted(self._levels[kind].loc[self.account[kind].notna()].unique())

    def located(self, kind: str, level: str) -> frozenset[str]:
        """Return the disposals of those of a level."""
        key = kind, level
        if key not in self._located:
            disposals = self.account.loc[self.among(kind, level), "disposal_id"]
            self._located[key] = frozenset(disposals.dropna())
        return self._located[key]

    def secrets(self, name: str, among: pd.Series[bool] | None = None) -> tuple[Secret, ...]:
        """Return what nobody may work out of some people: found, analysed, or lost."""
        could = self.account["could"] if among is None else self.account["could"] & among
        everyone, able = self.parts(FATES, among), self.parts(FATES, could)
        found = [ANALYSED, LOST]
        return (
            Secret(f"{name}.linked", tuple(self.parts(found, among)), tuple(everyone)),
            Secret(f"{name}.analysed", tuple(self.parts([ANALYSED], could)), tuple(able)),
            Secret(f"{name}.lost", tuple(self.parts([LOST], could)), tuple(able)),
        )

    def all_secrets(self) -> Iterator[Secret]:
        """Yield what nobody may work out: of everybody, and of each level of each kind."""
        yield from self.secrets("everybody")
        for kind in self.kinds:
            for level in self.account[kind].dropna().astype("str").unique():
                yield from self.secrets(part_of(kind, level), self.among(kind, level))
        for level in sorted(self.account[_PROFILED].dropna().unique()):
            yield self.secrets(part_of("profile", level), self.among(_PROFILED, level))[1]
        able = tuple(self.parts(FATES, self.account["could"]))
        for part in self.counts:
            if isinstance(part, str) and self.counts[part]:
                yield Secret(part, (part,), able)

    def count(self, fates: Iterable[str], among: pd.Series[bool] | None = None) -> int:
        """Return how many people are of a fate."""
        return sum(self.counts[part] for part in self.parts(fates, among))

    def _count_people(self) -> None:
        fates = self.account.groupby([self._class, self.account["fate"]]).size().to_dict()
        could = self.account.groupby(self._class)["could"].first().to_dict()
        for one in could:
            possible = FATES if could[one] else (LOST, MISSED)
            parts: dict[Part, int] = {(one, fate): fates.get((one, fate), 0) for fate in possible}
            self.counts |= parts
            self.known.append(exactly(parts, sum(parts.values())))

    def _count_ways(self, counts: Mapping[str, int]) -> None:
        """Part the people found by how; of those not found some could not be analysed anyway."""
        linked: dict[Part, int] = {f"how.{name}": counts[name] for name in self._ways(counts)}
        self.counts |= linked
        self._adds_up(self.parts([ANALYSED, LOST]), list(linked))
        for name, reason in _LOST_AS.items():
            apart = (self.account["how"] == name) & ~self.account["could"]
            inside = (self.account["how"] == name) & self.account["could"]
            self.counts |= {f"apart.{name}": int(apart.sum()), f"lost.{reason}": int(inside.sum())}
        could = self.account["could"]
        self._adds_up(self.parts([MISSED], could), [f"lost.{one}" for one in _LOST_AS.values()])
        self._adds_up(self.parts([MISSED], ~could), [f"apart.{one}" for one in _LOST_AS])

    @staticmethod
    def _ways(counts: Mapping[str, int]) -> list[str]:
        """Return how people were linked; that no review linked anybody is no secret."""
        others = (*NOT_LINKED, *UPLOAD_DECISIONS)
        return [name for name, many in counts.items() if many and name not in others]

    def _count_reasons(self, funnel: pd.DataFrame) -> None:
        removed = funnel.iloc[1:].set_index("reason")["removed"]
        others = [one for one in REASONS if one not in (*UPLOAD_FAULTS, *_LOST_AS.values())]
        self.counts |= {f"lost.{one}": int(removed.get(one, 0)) for one in others}
        self._adds_up(self.parts([LOST], self.account["could"]), [f"lost.{one}" for one in others])

    def _adds_up(self, parts: Iterable[Part], others: Iterable[Part]) -> None:
        weights: dict[Part, float] = dict.fromkeys(parts, 1.0) | dict.fromkeys(others, -1.0)
        left = sum(weight * self.counts[part] for part, weight in weights.items())
        self.known.append(Told(weights, min(left, 0), max(left, 0)))


def clear_people(
    account: pd.DataFrame,
    found: Found,
    results: Mapping[str, Cleared],
    analysed: Iterable[Any],
    described: pd.DataFrame,
    profile: pd.DataFrame,
    rules: Rules = RULES,
) -> People:
    """Clear everything that is told of the people of the upload, beside each other.

    Parameters
    ----------
    account : DataFrame
        From `follow`.
    found : Found
    results : mapping of str to Cleared
        What may be told of outcomes; sizes beside the upload are decided here.
    analysed : iterable of Analysed
        As for ``clear_analyses``; the headline, whose size is always told, comes first.
    described : DataFrame
        From ``clear_participation``.
    profile : DataFrame
        The profile as it is told, from ``clear_balance``.
    rules : Rules

    Returns
    -------
    People

    Notes
    -----
    What each figure tells: the size of an analysis and the people of a kind of participation,
    exactly how many of those sent were analysed; a row of the funnel, its number, and the rest the
    sum of what has no row; a count of links, its number; a share found, a number to the nearest
    `STEP`, or that it lies within the tenth; a gain, that so many were not found; the shares of a
    row of fates, three numbers to the nearest `STEP`; a share of the profile, the numbers that
    round to it in the tables of balance. Rules that placed are shares of people whose number is not
    told. Where the people of an analysis, matched by themselves, are not quite those of the
    headline, its size is taken as theirs.
    """
    alone = _alone(found, results, described, rules)
    model = _Model(account, found, profile)
    offered = [
        *_sizes(model, alone, analysed, rules),
        *_kinds(model, alone),
        *_funnels(model, found, alone, rules),
        *_links(model, found, alone),
        *_rates(model, alone),
        *_gains(model, alone),
        *_fates(model, alone),
    ]
    overridden = [one for one in offered if rules.wanted(one.name) == "tell"]
    offers = [one for one in offered if one not in overridden]
    known = [*model.known, *(told for one in overridden for told in one.forms[0])]
    known += [exactly(model.parts([ANALYSED]), model.count([ANALYSED]))]
    known += _profiled(model, profile)
    chosen = protect(model.counts, known, offers, model.all_secrets(), rules)
    for name in chosen.bare:
        rules.note(f"people.{name}", "size", "told")
    forms = chosen.forms | dict.fromkeys((one.name for one in overridden), 0)
    return _told(alone, found, model, forms, rules)


def _alone(
    found: Found, results: Mapping[str, Cleared], described: pd.DataFrame, rules: Rules
) -> People:
    """Clear each table by itself."""
    counts = clear_counts(found.counts, rules)
    return People(
        dict(results),
        described,
        counts,
        clear_linked(found.counts, rules),
        clear_rates(found.rates, rules),
        clear_gains(found.gains, found.counts, rules),
        clear_fates(found.fates, rules),
        clear_funnel(found.funnel, counts, rules),
        clear_rules(found.placed, rules),
    )


def _sizes(model: _Model, alone: People, analysed: Iterable[Any], rules: Rules) -> Iterator[Offer]:
    """Offer the sizes of the analyses whose people the upload shows."""
    whole, *others = analysed
    inside = frozenset(whole.matched.frame.loc[whole.matched.frame["treated"] == 1, "disposal_id"])
    for one in others:
        told = alone.results.get(one.wanted.id)
        if told is not None and told.effects["rate"].treatment.n:
            among = _shown(model, one.wanted.people & inside, inside, rules)
            if among is not None:
                yield _size(model, part_of("size", one.wanted.id), among)


def _shown(
    model: _Model, people: frozenset[str], inside: frozenset[str], rules: Rules
) -> pd.Series[bool] | None:
    """Return the level that the upload shows of the people of an analysis, all but a few."""
    nearest: tuple[int, pd.Series[bool] | None] = (rules.cell, None)
    for kind in model.kinds:
        for level in model.levels(kind):
            apart = len((model.located(kind, level) & inside) ^ people)
            if apart < nearest[0]:
                nearest = apart, model.among(kind, level)
    return nearest[1]


def _size(model: _Model, name: str, among: pd.Series[bool]) -> Offer:
    parts = model.parts([ANALYSED], among & model.account["could"])
    form = exactly(parts, model.count([ANALYSED], among & model.account["could"]))
    return Offer(name, [(form,)], model.secrets(name, among)[1:2])


def _kinds(model: _Model, alone: People) -> Iterator[Offer]:
    for row in alone.described.dropna(subset=["people"]).to_dict("records"):
        among = model.among("participation", row["participation"])
        yield _size(model, part_of("participation", row["participation"]), among)


def _funnels(model: _Model, found: Found, alone: People, rules: Rules) -> Iterator[Offer]:
    """Offer the funnel, then with those not linked among the other reasons, then with no reason."""
    forms = [
        tuple(_funnel_told(model, funnel)) for funnel in _merged(found.funnel, alone.funnel, rules)
    ]
    yield Offer("funnel", forms)


def _merged(funnel: pd.DataFrame, alone: pd.DataFrame, rules: Rules) -> list[pd.DataFrame]:
    """Return a funnel with fewer and fewer reasons."""
    every = int(funnel["removed"].sum()) + 1
    hidden: dict[str, int | None] = dict.fromkeys(NOT_LINKED)
    return [
        alone,
        clear_funnel(funnel, hidden, Rules(cell=rules.cell)),
        clear_funnel(funnel, None, Rules(cell=every)),
    ]


def _funnel_told(model: _Model, funnel: pd.DataFrame) -> Iterator[Told]:
    reasons = {str(part) for part in model.counts if str(part).startswith("lost.")}
    shown = {f"lost.{reason}" for reason in funnel["reason"]} & reasons
    for part in sorted(shown):
        yield exactly([part], model.counts[part])
    rest = sorted(reasons - shown)
    yield exactly(rest, sum(model.counts[part] for part in rest))


def _links(model: _Model, found: Found, alone: People) -> Iterator[Offer]:
    """Offer how many were linked, in which way, and how many had each other decision."""
    linked = model.parts([ANALYSED, LOST])
    if alone.linked is not None:
        yield Offer(
            "linkage.linked",
            [(exactly(linked, alone.linked),)],
            model.secrets("linkage.linked")[:1],
        )
    for name, many in alone.counts.items():
        parts = [part for part in (f"how.{name}", f"apart.{name}") if part in model.counts]
        parts += [f"lost.{_LOST_AS[name]}"] if name in _LOST_AS else []
        if many is not None and parts:
            part = part_of("linkage", name)
            secret = Secret(part, tuple(parts), tuple(model.parts(FATES)))
            yield Offer(part, [(exactly(parts, many),)], (secret,))


def _rates(model: _Model, alone: People) -> Iterator[Offer]:
    """Offer the shares found, those of many people first."""
    rows = alone.rates.sort_values("people", ascending=False, kind="stable")
    for row in rows.to_dict("records"):
        among = model.among(row["group"], row["level"])
        name = part_of("linkage-rates", row["group"], row["level"])
        if forms := _found_forms(model, name, row, among, ""):
            yield Offer(name, forms, model.secrets(name, among)[:1])


def _found_forms(
    model: _Model, name: str, row: Mapping[Any, Any], among: pd.Series[bool], which: str
) -> list[tuple[Told, ...]]:
    """A share found to the nearest five, or else within its tenth."""
    parts, linked = (model.parts([ANALYSED, LOST], among), model.count([ANALYSED, LOST], among))
    people = int(among.sum())
    tenth = min(linked * 10 // people, 9) if people else 0
    model.tenths[name] = tenth
    low, high = math.ceil(tenth * people / 10 - 1e-9), math.floor((tenth + 1) * people / 10 + 1e-9)
    if not math.isnan(row[f"share{which}"]):
        return [(nearest(parts, linked, STEP),), (between(parts, low, high),)]
    return [] if math.isnan(row[f"low{which}"]) else [(between(parts, low, high),)]


def _gains(model: _Model, alone: People) -> Iterator[Offer]:
    for row in alone.gains.loc[alone.gains["rows_lacking"] > 0].to_dict("records"):
        lacks = model.account[f"lacks {row['field']}"]
        for which, among in (("_without", lacks), ("_with", ~lacks)):
            name = part_of("gains", row["field"], which.strip("_"))
            if f"share{which}" in row and (forms := _found_forms(model, name, row, among, which)):
                yield Offer(name, forms, model.secrets(name, among)[:1])
        least = row["gain"] if math.isnan(row["fewer"]) else row["fewer"]
        if not math.isnan(least):
            form = at_least(model.parts([MISSED], lacks), max(int(least) - STEP // 2, RULES.cell))
            yield Offer(part_of("gains", row["field"], "gain"), [(form,)])


def _fates(model: _Model, alone: People) -> Iterator[Offer]:
    told = alone.fates.dropna(subset=[ANALYSED])
    for row in told.to_dict("records"):
        among = model.among(row["group"], row["level"])
        name = part_of("fates", row["group"], row["level"])
        form = tuple(
            nearest(model.parts([fate], among), model.count([fate], among), STEP) for fate in FATES
        )
        yield Offer(name, [form], model.secrets(name, among))


def _profiled(model: _Model, profile: pd.DataFrame) -> Iterator[Told]:
    """What the profile tells of those analysed, by sex and by age.

    The tables of balance tell the same with one decimal. Those whose age was not sent may be in
    any row of ages.
    """
    kinds = {"sex": "sex", "age_band": _PROFILED}
    told = profile.loc[profile["mean_treatment"].notna() & profile["variable"].isin(list(kinds))]
    for row in told.to_dict("records"):
        among = model.among(kinds[row["variable"]], row["level"]) & model.account["could"]
        if among.any():
            parts, count = model.parts([ANALYSED], among), model.count([ANALYSED], among)
            shown = share(parts, count, model.count([ANALYSED]), 1)
            unknown = 0 if row["variable"] == "sex" else int(model.account[_PROFILED].isna().sum())
            yield replace(shown, low=shown.low - unknown)


_PROFILED = "age in the profile"


def _ages_in(profile: pd.DataFrame) -> list[str]:
    """Return the ages that have a row of the profile."""
    return list(profile.loc[profile["variable"] == "age_band", "level"])


def _told(
    alone: People, found: Found, model: _Model, forms: Mapping[str, int | None], rules: Rules
) -> People:
    """Take out of each table what may not stand beside the others."""
    held = [name for name, form in forms.items() if form is None]
    for name in held:
        rules.note(name, "beside")
    funnel = _merged(found.funnel, alone.funnel, rules)[forms["funnel"] or 0]
    if len(funnel) < len(alone.funnel):
        note_merged(funnel["reason"], rules)
    return replace(
        alone,
        results={
            name: _unsized(name, one, rules) if part_of("size", name) in held else one
            for name, one in alone.results.items()
        },
        described=_without_kinds(alone.described, held),
        counts={
            name: None if part_of("linkage", name) in held else many
            for name, many in alone.counts.items()
        },
        linked=None if "linkage.linked" in held else alone.linked,
        rates=_rates_told(alone.rates, model, forms),
        gains=_gains_told(alone.gains, model, forms),
        fates=_fates_told(alone.fates, forms),
        funnel=funnel,
    )


def _unsized(name: str, one: Cleared, rules: Rules) -> Cleared:
    """Withhold the results of an analysis and its sizes."""
    noted = tuple(rules.note(part_of(name, measure), "beside") for measure in one.effects)
    effects = {
        name: replace(withhold(effect, WITHHELD), treatment=Group(n=0), comparison=Group(n=0))
        for name, effect in one.effects.items()
    }
    return Cleared(effects, noted, clear_adjusted(one.adjusted, effects))


def _without_kinds(described: pd.DataFrame, held: Sequence[str]) -> pd.DataFrame:
    """Take out the kinds of participation that may not stand; one alone would tell the other."""
    if not any(name.startswith("participation.") for name in held):
        return described
    return described.assign(**dict.fromkeys(["people", "share", "rate"], math.nan))


def _rates_told(
    rates: pd.DataFrame, model: _Model, forms: Mapping[str, int | None]
) -> pd.DataFrame:
    told = [
        _in_form(row, part_of("linkage-rates", row["group"], row["level"]), "", model, forms)
        for row in rates.to_dict("records")
    ]
    return pd.DataFrame(told, index=rates.index, columns=rates.columns)


def _gains_told(
    gains: pd.DataFrame, model: _Model, forms: Mapping[str, int | None]
) -> pd.DataFrame:
    told = []
    for row in gains.to_dict("records"):
        for which in ("with", "without"):
            name = part_of("gains", row["field"], which)
            row = _in_form(row, name, f"_{which}", model, forms)
        if forms.get(part_of("gains", row["field"], "gain")) is None:
            row |= {"gain": math.nan, "fewer": math.nan}
        told.append(row)
    return pd.DataFrame(told, index=gains.index, columns=gains.columns)


def _in_form(
    row: Mapping[Any, Any], name: str, which: str, model: _Model, forms: Mapping[str, int | None]
) -> dict[Any, Any]:
    """Tell a share found as it stands, as the tenth it lies in, or not at all."""
    if forms.get(name) == 0:
        return dict(row)
    columns = ("share", "ci_low", "ci_high", "low", "high")
    told = dict.fromkeys((f"{column}{which}" for column in columns), math.nan)
    if forms.get(name) == 1:
        tenth = model.tenths[name]
        told |= {f"low{which}": tenth / 10, f"high{which}": (tenth + 1) / 10}
    return dict(row) | {column: value for column, value in told.items() if column in row}


def _fates_told(fates: pd.DataFrame, forms: Mapping[str, int | None]) -> pd.DataFrame:
    names = [part_of("fates", *pair) for pair in zip(fates["group"], fates["level"], strict=True)]
    stands = pd.Series([forms.get(name) is not None for name in names], fates.index, dtype=bool)
    columns = list(FATES)
    return fates.assign(**{name: fates[name].where(stands) for name in columns})
