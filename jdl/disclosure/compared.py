"""Who was compared: balance, profile, pool, overlap, gaps and court delays."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from jdl.balance import analysed, table
from jdl.covariates import AGE_BANDS, DEFINITIONS, Pool
from jdl.disclosure.protect import Offer, Part, Secret, exactly, protect, share
from jdl.disclosure.remainders import Published
from jdl.disclosure.rules import RULES, TENS, Bounds, Rules, hide_parts, in_tens, part_of
from jdl.landmark import Gaps
from jdl.matching import Matched
from jdl.outcomes import Delays

OTHER_LEVELS = "other categories"
_UNKNOWN = ", or not recorded"


def merge_levels(
    frame: pd.DataFrame,
    variables: Iterable[str],
    rules: Rules = RULES,
    *,
    sent: Mapping[str, pd.Series[int]] | None = None,
    rests: Sequence[pd.Series[bool]] = (),
) -> pd.DataFrame:
    """Merge the levels that few treated people have, so that a table has one row for them.

    Parameters
    ----------
    frame : DataFrame
        One row a unit, with treated and weight.
    variables : iterable of str
        Columns that the table compares; sex, numbers and yes-no variables stay as they are.
    rules : Rules
    sent : mapping of str to Series, optional
        From `sent`: of a band of age enough must be left who were not analysed.
    rests : sequence of Series of bool
        From `rests_of`: of each rest enough must have a level too.

    Returns
    -------
    DataFrame
        With the levels of fewer treated people than the smallest cell, before or after matching, as
        ``other categories``; while those are below it too the next smallest joins. Bands of age
        join their neighbours. A variable of which nothing would be left to compare stays as it is;
        `clear_balance` withholds it.
    """
    frame = frame.copy()
    treated = frame["treated"].astype(bool)
    for name in variables:
        if name == "sex" or pd.api.types.is_numeric_dtype(frame[name]):
            continue
        levels = frame[name].astype("object").fillna("missing")
        counts = pd.DataFrame(
            {
                "after": levels[treated & (frame["weight"] > 0)].value_counts(),
                "before": levels[treated].value_counts(),
            },
            index=pd.Index(sorted(levels.unique(), key=str), dtype="object"),
        )
        for place, rest in enumerate(rests):
            counts[f"rest {place}"] = levels[rest].value_counts()
        counts = counts.fillna(0)
        if sent and name in sent:
            counts["left"] = sent[name].reindex(counts.index).fillna(0) - counts["after"]
        merge = _neighbours if name == "age_band" else _others
        frame[name] = levels.replace(merge(counts, rules))
    return frame


def _others(counts: pd.DataFrame, rules: Rules) -> dict[str, str]:
    """Give the levels that are merged the name of the rest."""
    counts = counts.drop(columns="left", errors="ignore")
    order = counts.sort_values(list(counts.columns), kind="stable")
    few = [name for name in order.index if (order.loc[name] < rules.cell).any()]
    more = [name for name in order.index if name not in few]
    while few and more and (len(few) < 2 or (order.loc[few].sum() < rules.cell).any()):
        few.append(more.pop(0))
    return dict.fromkeys(few, OTHER_LEVELS) if more else {}


def _neighbours(counts: pd.DataFrame, rules: Rules) -> dict[str, str]:
    """Give the bands of age that are merged the name of the ages that they cover together."""
    bands = [name for name in AGE_BANDS if name in counts.index]
    groups: list[list[str]] = [[]]
    for name in bands:
        if groups[-1] and (counts.loc[groups[-1]].sum() >= rules.cell).all():
            groups.append([])
        groups[-1].append(name)
    if len(groups) > 1 and (counts.loc[groups[-1]].sum() < rules.cell).any():
        last = groups.pop()
        groups[-1] += last
    if len(groups) < 2:
        return {}
    named = {name: _ages(group) for group in groups for name in group}
    unknown = [name for name in counts.index if name not in bands]
    if unknown and (counts.loc[unknown].sum() < rules.cell).any():
        fewest = min(groups, key=lambda group: int(counts.loc[group, "after"].sum()))
        named |= dict.fromkeys([*fewest, *unknown], f"{_ages(fewest)}{_UNKNOWN}")
    return named


def _ages(bands: Sequence[str]) -> str:
    """Name the ages from the first band to the last."""
    if len(bands) == 1:
        return bands[0]
    first, last = bands[0], bands[-1]
    if first.startswith("under"):
        return f"under {AGE_BANDS[last] + 1:g}"
    start = first.split()[0]
    return f"{start} and over" if last.endswith("over") else f"{start} to {AGE_BANDS[last]:g}"


def clear_balance(
    balance: pd.DataFrame,
    treatment_n: int,
    rules: Rules = RULES,
    *,
    known: Collection[str] = (),
    sent: Mapping[str, pd.Series[int]] | None = None,
    held: pd.DataFrame | None = None,
    within: str = "balance",
) -> pd.DataFrame:
    """Withhold the rows of a balance table that imply few treated people.

    Parameters
    ----------
    balance : DataFrame
        From ``balance.table``; a row with a level is a share of the people in it.
    treatment_n : int
        Treated people after matching.
    rules : Rules
    known : collection of str
        Variables that define the analysis: that everybody has one level of such a variable is no
        secret.
    sent : mapping of str to Series, optional
        See `sent`: a level of which few who were sent are not analysed is withheld too.
    held : DataFrame, optional
        From `_held`: how many have what a row is about, of all who are analysed and of each rest
        that earlier reports leave; a number that few have more or less of than nought is withheld.
    within : str
        Name of the table in the decisions.

    Returns
    -------
    DataFrame
        The same rows; a withheld one has no numbers and no band. The next smallest level of a
        variable goes with it, until the rest gives neither away.
    """
    defining = balance["variable"].isin(known) & balance["mean_treatment_before"].eq(1)
    shares = (balance["level"] != "") & ~defining
    count = (balance["mean_treatment"] * treatment_n).round()
    before = (balance["mean_treatment_before"] * treatment_n).round()
    small = shares & ((count < rules.cell) | (treatment_n - count < rules.cell))
    small |= shares & (before < rules.cell)
    parts = pd.DataFrame({"analysed": count, "left": math.nan})
    for name, people in (sent or {}).items():
        of = shares & (balance["variable"] == name)
        many = [people.reindex(list(bands_of(level))).sum() for level in balance["level"]]
        parts.loc[of, "left"] = (pd.Series(many, balance.index) - count).clip(lower=0)
    small |= parts["left"] < rules.cell
    hidden = small & False
    if held is not None:
        rests = held.drop(columns="all")
        parts = parts.join(rests)
        small |= shares & (rests < rules.cell).any(axis=1)
        few = (balance["level"] == "") & (held < rules.cell).any(axis=1)
        hidden = pd.Series(
            [
                level == "" and bool(rules.apply(part_of(within, name), "cell" if one else None))
                for name, level, one in zip(balance["variable"], balance["level"], few, strict=True)
            ],
            index=balance.index,
        )
    for variable, rows in parts.loc[shares].groupby(balance["variable"], sort=False):
        levels = balance.loc[rows.index, "level"]
        counts = rows.set_axis(levels.to_numpy()).dropna(axis=1)
        few = small.loc[rows.index].set_axis(counts.index)
        withheld = hide_parts(counts, few, rules, within=part_of(within, variable))
        hidden |= balance.index.isin(levels.index[levels.isin(withheld)])
    cleared = balance.copy()
    numbers = balance.columns.difference(["variable", "level"])
    cleared[numbers] = balance[numbers].where(~hidden)
    return cleared


def _spans() -> Iterator[Sequence[str]]:
    bands = list(AGE_BANDS)
    return (bands[i:j] for i in range(len(bands)) for j in range(i + 1, len(bands) + 1))


MERGED_AGES = {_ages(span): frozenset(span) for span in _spans()}
"""What neighbouring bands of age are called where they are one row, and which they are."""


def bands_of(level: str) -> frozenset[str]:
    """Return the bands of age that a row of a table covers; another level is its own."""
    return MERGED_AGES.get(level.removesuffix(_UNKNOWN), frozenset([level]))


def sent(account: pd.DataFrame) -> dict[str, pd.Series[int]]:
    """Count who could have been analysed, by what the upload shows of them.

    Parameters
    ----------
    account : DataFrame
        From `follow`.

    Returns
    -------
    dict of str to Series
        By variable of the profile, people by level.
    """
    could = account.loc[account["could"]]
    ends = [-math.inf, *(end + 1 for end in AGE_BANDS.values())]
    ages = pd.cut(could["years"], ends, right=False, labels=list(AGE_BANDS)).astype("object")
    return {"sex": could["sex"].value_counts(), "age_band": ages.value_counts()}


def clear_categories(
    matched: Matched,
    variables: Sequence[str],
    rules: Rules = RULES,
    *,
    account: pd.DataFrame,
    before: Sequence[Published] = (),
    known: Collection[str] = (),
    within: str = "balance",
) -> pd.DataFrame:
    """Compare the groups on some variables, small levels merged, what still tells of few withheld.

    Parameters
    ----------
    matched : Matched
    variables : sequence of str
        As for ``balance.table``.
    rules, known, within
        As for `clear_balance`.
    account : DataFrame
        From `follow`.
    before : sequence of Published
        See `rests_of`.

    Returns
    -------
    DataFrame
        As from `clear_balance`.
    """
    people = sent(account)
    rests = rests_of(matched, before, rules)
    frame = merge_levels(analysed(matched.frame), variables, rules, sent=people, rests=rests)
    compared = table(frame, variables)
    cleared = clear_balance(
        compared,
        matched.treatment_n,
        rules,
        known=known,
        sent=people,
        held=_held(frame, compared, rests),
        within=within,
    )
    ages = cleared["variable"] == "age_band"
    if ages.any() and not _ages_stand(cleared.loc[ages], account, rules):
        for level in cleared.loc[ages, "level"]:
            rules.note(part_of(within, "age_band", level), "beside")
        numbers = cleared.columns.difference(["variable", "level"])
        cleared[numbers] = cleared[numbers].where(~ages)
    return cleared


def rests_of(
    matched: Matched, before: Sequence[Published], rules: Rules = RULES
) -> list[pd.Series[bool]]:
    """Say who is left of the treatment group without those of earlier reports.

    Parameters
    ----------
    matched : Matched
    before : sequence of Published
        From ``cohorts.told_before``. Only a report whose people are among these, but for fewer
        than the smallest cell, can be taken away and leave the rest.
    rules : Rules

    Returns
    -------
    list of Series of bool
        By row of ``balance.analysed``: without each, and without several together, as few left as
        can be. Nobody, so that nothing can be told, beside a report of them all and a few more.

    Notes
    -----
    Of a report that is made again both versions are known. Where an earlier version described just
    these people, of whom nothing has changed since, they are described as they were then: beside
    what that version was held against, and nothing told since. So the two together tell what the
    first told. Beside what was told since, levels could be merged in another way, and one way less
    the other leaves a few people.

    Of all that several reports leave together, the fewest among whom somebody is are what is left
    without every report that he is not in. Whatever else is left holds one of these.
    """
    if not before:
        return []
    frame = analysed(matched.frame)
    ours = frame["offender_id"].where(frame["treated"].astype(bool))
    people = frozenset(ours.dropna())
    now = people, described(matched)
    again = [
        one.beside
        for one in before
        if one.beside is not None and (one.people, one.described) == now
    ]
    held = [one.people for one in (again[0] if again else before)]
    inside = [taken for taken in held if len(taken - people) < rules.cell]
    without = {
        who: frozenset(place for place, taken in enumerate(inside) if who not in taken)
        for who in ours.dropna()
    }
    together = [[inside[place] for place in places] for places in dict.fromkeys(without.values())]
    taken_away = (*inside, frozenset().union(*inside), *(frozenset().union(*t) for t in together))
    left = dict.fromkeys(people - taken for taken in taken_away)
    rests = [rest for rest in left if 0 < len(rest) < len(people)]
    if any(people < taken for taken in inside):
        rests.append(frozenset())
    return [ours.isin(rest) for rest in rests]


def described(matched: Matched) -> str:
    """Return a digest of all that the treated people could be described by, without who they are.

    Parameters
    ----------
    matched : Matched

    Returns
    -------
    str
    """
    frame = matched.frame
    names = [name for name in DEFINITIONS if name in frame]
    rows = frame.loc[frame["treated"].astype(bool) & (frame["weight"] > 0), names]
    told = [names, *sorted(map(repr, rows.astype("object").values.tolist()))]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _held(
    frame: pd.DataFrame, compared: pd.DataFrame, rests: Sequence[pd.Series[bool]]
) -> pd.DataFrame:
    """Count who has what each row of a balance table is about: a level, or more than nought.

    Of each rest also who has another level; of a number that is no secret.
    """
    groups = {"all": frame["treated"].astype(bool)}
    groups |= {f"rest {place}": rest for place, rest in enumerate(rests)}
    counts = []
    for row in compared[["variable", "level"]].to_dict("records"):
        has = _has(frame[row["variable"]], row["level"])
        some = {name: int((has & who).sum()) for name, who in groups.items()}
        others = {
            f"{name} without": int((~has & who).sum())
            for name, who in groups.items()
            if name != "all" and row["level"]
        }
        counts.append(some | others)
    return pd.DataFrame(counts, index=compared.index)


def _has(values: pd.Series[Any], level: str) -> pd.Series[bool]:
    if pd.api.types.is_numeric_dtype(values):
        return values != 0
    return values.astype("object").fillna("missing").astype(str) == level


def ages_of(account: pd.DataFrame, levels: Iterable[str]) -> pd.Series[Any]:
    """Return the level of a table's ages that each person is counted in.

    Parameters
    ----------
    account : DataFrame
        From `follow`.
    levels : iterable of str
        Bands, or several that were merged.
    """
    ends = [-math.inf, *(end + 1 for end in AGE_BANDS.values())]
    bands = pd.cut(account["years"], ends, right=False, labels=list(AGE_BANDS)).astype("object")
    rows = {band: level for level in levels for band in bands_of(level)}
    return bands.map(rows).astype("object")


def _ages_stand(told: pd.DataFrame, account: pd.DataFrame, rules: Rules) -> bool:
    """Whether the ages told leave open how many were analysed of those by which people are sought.

    They are other bands than those of the tables of linkage, so that one less another may be few.
    Those whose age was not sent may be in any of them.
    """
    could = account.loc[account["could"]]
    rows = ages_of(could, told["level"]).fillna("")
    inside = could["fate"].eq("analysed")
    many = Counter(zip(could["age"].astype("str"), rows, inside, strict=True))
    classes = list(dict.fromkeys((age, row) for age, row, _ in many))
    counts: dict[Part, int] = {
        (*one, stays): many[*one, stays] for one in classes for stays in (True, False)
    }
    known = [
        exactly([(*one, True), (*one, False)], counts[*one, True] + counts[*one, False])
        for one in classes
    ]
    everybody = [(*one, True) for one in classes]
    known.append(exactly(everybody, int(inside.sum())))
    form = []
    for level in told.dropna(subset=["mean_treatment"])["level"]:
        parts = [part for part in everybody if part[1] == level]
        shown = share(parts, sum(counts[part] for part in parts), int(inside.sum()), 1)
        form.append(replace(shown, low=shown.low - int(rows.eq("").sum())))
    secrets = [_analysed_of(age, classes) for age in dict.fromkeys(age for age, _ in classes)]
    offer = Offer("ages", [tuple(form)])
    return protect(counts, known, [offer], secrets, rules).forms["ages"] is not None


def _analysed_of(age: str, classes: Iterable[tuple[str, str]]) -> Secret:
    """Return how many people of an age were analysed, as what nobody may work out."""
    inside = tuple((*one, True) for one in classes if one[0] == age)
    return Secret(age, inside, (*inside, *((*one, False) for one in classes if one[0] == age)))


@dataclass(frozen=True)
class Told:
    """What may be told of the time from the index date to the start.

    Parameters
    ----------
    known : bool
        Whether the start of anybody treated is known.
    late, reoffended : Bounds
        Of them, those who started late, and those who reoffended before they started; exact numbers
        are to the nearest ten, so that people located, less those whose start is known, do not
        leave a few.
    late_share : float or None
        In whole per cent; None where few started late, or few did not.
    median, upper : float or None
        Days from the index date to the start, of those who started after it: the middle, and what
        nine in ten do not exceed; None where few people were counted.
    late_days : int
        How late is late.
    """

    known: bool
    late: Bounds
    reoffended: Bounds
    late_share: float | None
    median: float | None
    upper: float | None
    late_days: int


def clear_gaps(gaps: Gaps, rules: Rules = RULES) -> Told:
    """Tell of the gaps between index date and start what does not tell of a few people.

    Parameters
    ----------
    gaps : Gaps
        From ``landmark.gaps``.
    rules : Rules

    Returns
    -------
    Told
    """
    late, many = in_tens(gaps.late, rules, "start.late"), gaps.after >= rules.group
    apart = late.low == late.high
    if apart and gaps.dated - gaps.late < rules.cell:
        low = (gaps.dated - rules.cell + 1) // TENS * TENS
        late, apart = Bounds(low, low + 2 * TENS), False
    held = None if many else "group"
    many = not rules.apply("start.days-from-index-date", held)
    return Told(
        gaps.dated > 0,
        late,
        in_tens(gaps.reoffended_within, rules, "start.reoffended"),
        round(gaps.late_share, 2) if apart else None,
        gaps.median if many else None,
        gaps.upper if many else None,
        gaps.late_days,
    )


@dataclass(frozen=True)
class Drawn:
    """What may be told of the pool that the comparison group was drawn from.

    Parameters
    ----------
    disposals, people : int
        Candidates.
    removed_people, removed_disposals : Bounds
        Uploaded people, and people who might be among them, who left the pool; exact numbers are
        to the nearest ten, so that people linked, taken from them, do not leave a few.
    removed_share : float or None
        The share of the pool's people they would be; None where they are few.
    known : Bounds
        People of the pool known from other requests; that there are none is no secret.
    """

    disposals: int
    people: int
    removed_people: Bounds
    removed_disposals: Bounds
    removed_share: float | None
    known: Bounds


def clear_pool(pool: Pool, rules: Rules = RULES) -> Drawn:
    """Tell how large the pool was, and roughly how many left it.

    Parameters
    ----------
    pool : Pool
        From ``covariates.pool``.
    rules : Rules

    Returns
    -------
    Drawn
    """
    people = in_tens(pool.removed_people, rules, "pool.removed-people")
    disposals = in_tens(pool.removed_disposals, rules, "pool.removed-disposals")
    few = people.low == 0
    return Drawn(
        pool.disposals,
        pool.people,
        people,
        Bounds(0, rules.cell - 1) if few and disposals.low == disposals.high else disposals,
        None if few else pool.removed_share,
        in_tens(pool.known_people, rules, "pool.known-people")
        if pool.known_people
        else Bounds(0, 0),
    )


BANDS = (
    *(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07),
    *(0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99),
)
"""Where bands of the score may end; fixed, so that an end is nobody's score."""


def clear_overlap(matched: Matched, rules: Rules = RULES) -> pd.DataFrame:
    """Tell how far the scores of the two groups overlap, before matching and after it.

    Parameters
    ----------
    matched : Matched
        With `score` and `weight`.
    rules : Rules

    Returns
    -------
    DataFrame
        A row a band of the score: low, high, and the shares of the treatment group, of all
        candidates (before) and of the weighted comparison group (after), to the nearest hundredth.
        Neighbouring bands are one until each of the three has enough people in it; the first and
        the last have no outer end. No row where a single band would be left.
    """
    scored = matched.frame.dropna(subset=["score"])
    treated = scored[matched.specification.treated].astype(bool)
    kept = scored["weight"] > 0
    groups = {
        "treatment": scored.loc[treated & kept],
        "before": scored.loc[~treated],
        "after": scored.loc[~treated & kept],
    }
    ends = _bands([group["score"] for group in groups.values()], rules)
    rules.note("overlap", "merged", "merged")
    if len(ends) < 3:
        return pd.DataFrame(columns=["low", "high", *groups], dtype=float)
    told = {"low": [math.nan, *ends[1:-1]], "high": [*ends[1:-1], math.nan]}
    for name, group in groups.items():
        weight = group["weight"] if name == "after" else pd.Series(1.0, group.index)
        band = pd.cut(group["score"], ends, right=False, labels=False)
        told[name] = list((weight.groupby(band).sum() / weight.sum()).round(2))
    return pd.DataFrame(told)


def _bands(scores: Sequence[pd.Series[float]], rules: Rules) -> list[float]:
    """Return the ends of bands in which every group has enough people."""
    ends = [-math.inf]
    for end in (*BANDS, math.inf):
        if all(_in_band(score, ends[-1], end) >= rules.cell for score in scores):
            ends.append(end)
    ends[-1] = math.inf
    return ends


def _in_band(score: pd.Series[float], low: float, high: float) -> int:
    return int(score.between(low, high, inclusive="left").sum())


def clear_delays(found: pd.DataFrame, rules: Rules = RULES) -> Delays:
    """Withhold what would tell of a few offences; see ``outcomes.delays``.

    Parameters
    ----------
    found : DataFrame
        A row an offence of the comparison group: year, late and days.
    rules : Rules

    Returns
    -------
    Delays
        Counts to the nearest `TENS`, the share of a year to a whole per cent; what comes from fewer
        offences than the smallest cell, late or not, is withheld.
    """
    late, offences = int(found["late"].sum()), len(found)
    rules.note("delays.offences", "to ten", "rounded")
    rules.note("delays.late", "to ten", "rounded")
    if offences < rules.cell or min(late, offences - late) < rules.cell:
        late_told = None
    else:
        late_told = TENS * round(late / TENS)
    by_year = found.groupby("year", sort=True)["late"].agg(["sum", "size"])
    enough = by_year["sum"].ge(rules.cell) & (by_year["size"] - by_year["sum"]).ge(rules.cell)
    for year, told_apart in (enough & (late_told is not None)).items():
        decided = ("to ten", "rounded") if told_apart else ("cell", "withheld")
        rules.note(part_of("delays", f"year {year}"), *decided)
    told = by_year.loc[enough] if late_told is not None else by_year.iloc[:0]
    shares = (told["sum"] / told["size"]).round(2)
    return Delays(
        TENS * round(offences / TENS) if offences >= rules.cell else None,
        late_told,
        float(found["days"].median()) if offences >= rules.cell else None,
        tuple(zip(told.index.tolist(), shares.tolist(), strict=True)),
    )
