"""The planted truth of the training data, told beside what the method found.

Synthetic data come with the truth that was planted in them, in a folder of its own beside the
vintage (see `jdl.synthetic`). Everything here is an aggregate: nobody's row is shown.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from jdl import balance, effects
from jdl.engines import Tables
from jdl.faults import Fault, Unusable
from jdl.learning.pictures import Picture, intervals
from jdl.matching import Matched
from jdl.national import Workplace, find_vintages
from jdl.synthetic import programmes

RIGHT, WRONG, MISSED = "linked to the right person", "linked to somebody else", "not linked"
NO_SLIP = "no slip"
_FILES = ("person_links.parquet", "participation.parquet", "unmeasured.parquet", "effects.json")


@dataclass(frozen=True)
class Truth:
    """What was planted; it shows nobody.

    Parameters
    ----------
    links : DataFrame
        Who is who, by upload row: request, row, offender_id, disposal_id, role, errors.
    participation : DataFrame
        What each participant would have done without the programme, and did with it.
    unmeasured : DataFrame
        A need of each person in the register that no record holds.
    effects : mapping
        The planted effects, by request.
    """

    links: pd.DataFrame = field(repr=False)
    participation: pd.DataFrame = field(repr=False)
    unmeasured: pd.DataFrame = field(repr=False)
    effects: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Told:
    """A truth as a sentence and, where there is one, a small table.

    Parameters
    ----------
    said : str
    table : DataFrame, optional
        Its index names the rows.
    """

    said: str
    table: pd.DataFrame | None = None

    def __repr__(self) -> str:
        return self.said if self.table is None else f"{self.said}\n\n{self.table.to_string()}"

    def _repr_html_(self) -> str:
        said = f"<p>{escape(self.said)}</p>"
        return said if self.table is None else said + _html(self.table)


def _html(table: pd.DataFrame) -> str:
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in table.columns)
    named = escape(str(table.index.name or ""))
    rows = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th>'
        + "".join(f"<td>{escape(str(value))}</td>" for value in row)
        + "</tr>"
        for name, row in zip(table.index, table.to_numpy().tolist(), strict=True)
    )
    return (
        f'<table><thead><tr><th scope="col">{named}</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def open_truth(place: Workplace) -> Truth:
    """Read the planted truth that lies beside the vintage.

    Parameters
    ----------
    place : Workplace
        Its data are synthetic.

    Returns
    -------
    Truth

    Raises
    ------
    Unusable
        Where there is none: of real people nobody knows the truth, whatever lies beside the data.
    """
    vintages = find_vintages(place.data)
    if not all(map(_is_synthetic, vintages)):
        raise Unusable(
            [
                Fault(
                    "truth",
                    "the truth is known of made-up people only, and these data are not synthetic",
                    "Learn on the training cohort: jdl learn",
                )
            ]
        )
    folder = (vintages[0] if vintages else place.data).parent / "truth"
    if lacking := [name for name in _FILES if not (folder / name).exists()]:
        raise Unusable(
            [
                Fault(
                    "truth",
                    "training data must have their planted truth beside them: "
                    + ", ".join(lacking),
                    "Make the training data again with jdl synth",
                )
            ]
        )
    links, participation, unmeasured = (pd.read_parquet(folder / name) for name in _FILES[:-1])
    effects = json.loads((folder / _FILES[-1]).read_text(encoding="utf-8"))
    return Truth(links, participation, unmeasured, effects)


def _is_synthetic(vintage: Path) -> bool:
    told = tomllib.loads((vintage / "vintage.toml").read_text(encoding="utf-8"))
    return told.get("synthetic") is True


def linked(
    planted: Truth, table: pd.DataFrame, request: str, before: pd.DataFrame | None = None
) -> Told:
    """Hold links against who people really are.

    Parameters
    ----------
    planted : Truth
    table : DataFrame
        Upload rows with the person of the register each was linked to, if any, before pseudonyms
        took their places: row, offender_id.
    request : str
    before : DataFrame, optional
        Other links, of the same form; then the new ones beside them are told apart.

    Returns
    -------
    Told
        How many people were linked rightly, wrongly and not, and two shares: of the links, those
        that are right (precision); of the people in the register, those found. The second is often
        called recall, a word that here means the return to prison.
    """
    people = _people(planted, table, request)
    known = people["in_register"]
    counts = pd.DataFrame(
        {
            "In the register": people.loc[known, "found"].value_counts(),
            "Not in it": people.loc[~known, "found"].value_counts(),
        }
    )
    counts = counts.reindex([RIGHT, WRONG, MISSED]).fillna(0).astype(int)
    found = people["found"].value_counts()
    right = int(found.get(RIGHT, 0))
    made = right + int(found.get(WRONG, 0))
    there = int(known.sum())
    said = (
        f"Of {made:,} people linked, {right:,} were linked to the right person: a precision of "
        f"{_share(right, made)}. Of {there:,} people who are in the register, {right:,} were "
        f"found: a share of {_share(right, there)}."
    )
    if before is not None:
        new = people["found"].ne(_people(planted, before, request)["found"])
        many = people.loc[new, "found"].value_counts()
        said += (
            f" Of the {int(many.get(RIGHT, 0)) + int(many.get(WRONG, 0)):,} new links, "
            f"{int(many.get(RIGHT, 0)):,} are right and {int(many.get(WRONG, 0)):,} are wrong."
        )
    return Told(said, counts.rename_axis("People of the upload"))


def missed(planted: Truth, table: pd.DataFrame, request: str) -> Told:
    """Say which people of the register were missed, by the slips in their rows of the upload.

    Parameters
    ----------
    planted, table, request
        As for `linked`.

    Returns
    -------
    Told
        By kind of slip: people, found and missed. Somebody with two slips counts at both.
    """
    people = _people(planted, table, request)
    people = people.loc[people["in_register"]]
    slips = people["errors"].str.split("; ").explode().replace("", NO_SLIP)
    slips = slips.loc[slips != "entered twice"]
    right = people["found"].eq(RIGHT).loc[slips.index].reset_index(drop=True)
    by_slip = _counted(right, slips.reset_index(drop=True), "Found")
    by_slip["Missed"] = by_slip["People"] - by_slip["Found"]
    by_slip = by_slip.sort_values(["Missed", "People"], ascending=False, kind="stable")
    gone = people.loc[people["found"] != RIGHT]
    slipped = int(gone["errors"].ne("").sum())
    said = (
        f"{len(gone):,} people of the register were missed, {slipped:,} of them with a slip in "
        "their row. Somebody with two slips is counted at both, so do not add up the lines."
        if len(gone)
        else "Nobody of the register was missed. These are the slips that the method stood."
    )
    return Told(said, by_slip.rename_axis("Slip in the row"))


def unlike(planted: Truth, table: pd.DataFrame, request: str) -> Told:
    """Say whether the participants who were missed are unlike those found.

    Parameters
    ----------
    planted, table, request
        As for `linked`.

    Returns
    -------
    Told
        Of the participants found and of those missed: how many would have reoffended without the
        programme.
    """
    people = _people(planted, table, request)
    took = planted.participation.query("request == @request and role == 'treated'")
    took = took.query("reoffences_without >= 0").drop_duplicates("offender_id")
    both = took.merge(people, on="offender_id")
    found = both["found"].eq(RIGHT).map({True: "Found", False: "Missed"})
    counts = _counted(both["reoffences_without"] > 0, found, "Would have reoffended")
    shares = [_share(*pair) for pair in zip(counts.iloc[:, 1], counts["People"], strict=True)]
    told = " and ".join(
        f"{share} of those {name.lower()}" for name, share in zip(counts.index, shares, strict=True)
    )
    said = f"Without the programme, {told} would have reoffended within the year."
    return Told(said, counts.rename_axis("Participants"))


def _people(planted: Truth, table: pd.DataFrame, request: str) -> pd.DataFrame:
    """By planted person: errors, in_register and found; a stranger counts by row."""
    rows = planted.links.loc[planted.links["request"] == request]
    given = table[["row", "offender_id"]].rename(columns={"offender_id": "given"})
    rows = rows.merge(given, on="row", how="left")
    own = rows["offender_id"].notna()
    same = own & rows["given"].eq(rows["offender_id"]).fillna(False).astype(bool)
    rows["rank"] = same.map({True: 0, False: 2}).mask(~same & rows["given"].notna(), 1)
    rows["person"] = rows["offender_id"].where(own, "row " + rows["row"].astype(str))
    best = rows.sort_values(["rank", "row"]).drop_duplicates("person")
    return pd.DataFrame(
        {
            "offender_id": best["offender_id"],
            "errors": best["errors"],
            "in_register": best["offender_id"].notna(),
            "found": best["rank"].map({0: RIGHT, 1: WRONG, 2: MISSED}),
        }
    ).set_axis(best["person"])


def sentences(planted: Truth, con: Tables, located: pd.DataFrame, request: str) -> Told:
    """Say how many people of the treatment group start from the sentence they really served.

    Parameters
    ----------
    planted : Truth
    con : DuckDBPyConnection or Excerpt
        Knows what the pseudonyms of this run stand for; nothing is added to it.
    located : DataFrame
        From ``sentence.locate``.
    request : str

    Returns
    -------
    Told
        By the rule that found the sentence: people, and for how many it is the right one.
    """
    stay = located.loc[located["reason"].isna()].merge(
        planted.links.loc[planted.links["request"] == request], on="row", suffixes=("", "_true")
    )
    known = con.execute("SELECT pseudonym, id FROM known_disposals").fetchall()
    right = stay["disposal_id"].map(dict(known)).eq(stay["disposal_id_true"])
    by_rule = _counted(right, stay["rule"], "Right")
    said = (
        f"{int(right.sum()):,} of {len(stay):,} people in the treatment group are followed from "
        "the sentence in which they really took part."
    )
    return Told(said, by_rule.rename_axis("Found by the rule").sort_values("People")[::-1])


def fates(planted: Truth, located: pd.DataFrame, request: str) -> Told:
    """Say what became of each kind of person planted in the upload.

    Parameters
    ----------
    planted : Truth
    located : DataFrame
        From ``sentence.locate``.
    request : str

    Returns
    -------
    Told
        By planted role and by what became of the row: rows.
    """
    planned = planted.links.loc[planted.links["request"] == request]
    rows = located[["row", "reason"]].merge(planned, on="row")
    became = rows["reason"].fillna("in the treatment group")
    counts = pd.crosstab(became, rows["role"])
    order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
    wrong = int(((rows["role"] != "treated") & rows["reason"].isna()).sum())
    took = rows.loc[rows["role"] == "treated"]
    gone = took["reason"].notna()
    lost = int(gone.groupby(took["offender_id"]).all().sum())
    said = (
        f"Analysed although they should not have been: {wrong:,} people. Lost although they took "
        f"part: {lost:,} people."
    )
    if lost < gone.sum():
        said += (
            f" The last column shows {int(gone.sum()):,} such rows, for the table counts rows, and "
            "some people stand in the list twice."
        )
    return Told(said, counts.loc[order].rename_axis("What became of the row", axis=0))


def _counted(right: pd.Series[bool], kind: pd.Series[str], name: str) -> pd.DataFrame:
    """How many there are of each kind, and how many of them are right."""
    kinds = right.groupby(kind)
    return pd.DataFrame({"People": kinds.size(), name: kinds.sum().astype(int)})


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "not defined"


def unguarded(matched: Matched, read: Callable[[Matched], pd.DataFrame]) -> pd.DataFrame:
    """Read the outcomes of groups that the gate keeps back, to show what it spares us.

    Parameters
    ----------
    matched : Matched
        Of made-up people; its balance need not have been accepted.
    read : callable
        What reads outcomes, see ``landmark.Way``.

    Returns
    -------
    DataFrame
        The rows with a weight and their outcomes.
    """
    return read(replace(matched, accepted=True))


def everyone(matched: Matched, read: Callable[[Matched], pd.DataFrame]) -> pd.DataFrame:
    """Read the outcomes of all candidates and all treated people, as if nobody had been matched.

    Parameters
    ----------
    matched, read
        As for `unguarded`.

    Returns
    -------
    DataFrame
        Every row counts one.
    """
    return unguarded(replace(matched, frame=matched.frame.assign(weight=1.0)), read)


def raw(everybody: pd.DataFrame) -> Told:
    """Tell the difference of the treatment group from all candidates, nobody matched.

    Parameters
    ----------
    everybody : DataFrame
        From `everyone`.
    """
    gap = effects.compare(everybody, "rate")
    table = pd.DataFrame(
        {
            "Sentences": [f"{group.n:,}" for group in (gap.treatment, gap.comparison)],
            "Reoffended in the year": [
                _percentage(group.mean) for group in (gap.treatment, gap.comparison)
            ],
        },
        index=pd.Index(["Treatment group", "All candidates"], name="Group"),
    )
    said = (
        f"The raw difference is {_points(gap.difference)} percentage points, with an interval "
        f"from {_points(gap.ci_low)} to {_points(gap.ci_high)}."
    )
    return Told(said, table)


_TRAITS: dict[str, tuple[str, str, str, str]] = {
    "record": ("A longer record", "previous_offences", "mean of past offences", "{:.1f}"),
    "young": ("Ten years younger", "age", "mean age", "{:.1f}"),
    "women": ("A woman", "sex == 'female'", "share", "{:.0%}"),
    "employed": ("In work before the sentence", "employed", "share", "{:.0%}"),
    "theft": ("Sentenced for theft", "offence_group == 'theft'", "share", "{:.0%}"),
    "violence": (
        "Sentenced for violence",
        "offence_group == 'violence against the person'",
        "share",
        "{:.0%}",
    ),
    "drug need": ("A drug need higher by 20", "drugs", "mean", "{:.0f}"),
    "alcohol need": ("An alcohol need higher by 20", "alcohol", "mean", "{:.0f}"),
}
"""By planted characteristic: its name in print, column or condition, what is told of it and how."""


def selection(request: str, everybody: pd.DataFrame) -> Told:
    """Tell who was planted to take part more often, and how unlike the groups became by it.

    Parameters
    ----------
    request : str
        One of the synthetic programmes.
    everybody : DataFrame
        From `everyone`.
    """
    planned = programmes.PLANS[request]
    ours = everybody["treated"].to_numpy(dtype=bool)
    rows = {}
    for trait, log_odds in planned.selection.items():
        label, of, told, shown = _TRAITS[trait]
        values = pd.Series(everybody.eval(of), dtype=float)
        means = (shown.format(values[group].mean()) for group in (ours, ~ours))
        rows[label] = (f"times {math.exp(log_odds):.2f}", told, *means)
    if planned.regions:
        here = everybody["region"].isin(planned.regions)
        means = (f"{1 - here[group].mean():.0%}" for group in (ours, ~ours))
        rows["Living outside the regions of the service"] = (
            f"times {math.exp(programmes.ELSEWHERE):.2f}",
            "share",
            *means,
        )
    columns = ["Odds of taking part", "What is told", "Treatment group", "All candidates"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    said = (
        "This is how people were planted to come to the service. The groups differed before it "
        "began, so the raw difference mixes who they were with what was done for them. Each row is "
        "the pull of one fact with the others held."
    )
    if {"record", "young"} <= set(planned.selection):
        _, _, *ages = rows[_TRAITS["young"][0]]
        said += (
            " The young were picked, but so were people with long records, who tend to be older: "
            f"the mean ages are {' and '.join(ages)} years."
        )
    if planned.regions:
        said += " The service took people from elsewhere too, only less often."
    return Told(said, table.rename_axis("Characteristic"))


class Result(Protocol):
    """What is needed of an estimate: the difference and its interval."""

    @property
    def difference(self) -> float | None: ...  # noqa: D102
    @property
    def ci_low(self) -> float | None: ...  # noqa: D102
    @property
    def ci_high(self) -> float | None: ...  # noqa: D102


def found(planted: Truth, con: Tables, sample: pd.DataFrame, results: Mapping[str, Result]) -> Told:
    """Hold estimates of the rate and their intervals against the true effect.

    Parameters
    ----------
    planted : Truth
    con : DuckDBPyConnection or Excerpt
        Knows what the pseudonyms of this run stand for; nothing is added to it.
    sample : DataFrame
        The matched people; the truth is that of the treated among them.
    results : mapping of str to Result
        By what they are called.
    """
    without, within = _lived_twice(planted, con, sample)
    truth = within - without
    rows = {"The truth": (_points(truth), "", "", "")}
    for name, one in results.items():
        holds = "yes" if _holds(one, truth) else "no"
        rows[name] = (_points(one.difference), _points(one.ci_low), _points(one.ci_high), holds)
    columns = ["Percentage points", "From", "To", "Interval holds the truth"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    said = (
        f"Without the programme {_percentage(without)} of these people would have reoffended, "
        f"with it {_percentage(within)} did: the true effect is {_points(truth)} percentage points."
    )
    return Told(said, table.rename_axis("Difference in the rate"))


def drawn(
    planted: Truth, con: Tables, sample: pd.DataFrame, results: Mapping[str, Result]
) -> Picture:
    """Draw estimates and their intervals beside the true effect.

    Parameters
    ----------
    planted, con, sample, results
        As for `found`.
    """
    without, within = _lived_twice(planted, con, sample)
    truth = within - without
    rows = {
        name: (_hundredfold(one.ci_low), _hundredfold(one.difference), _hundredfold(one.ci_high))
        for name, one in results.items()
    }
    ends = [100 * truth, 0.0, *(end for row in rows.values() for end in row)]
    ticks = [
        10.0 * step for step in range(math.floor(min(ends) / 10), math.ceil(max(ends) / 10) + 1)
    ]
    told = " ".join(
        f"{name} is {_points(one.difference)}, its interval "
        f"{'holds' if _holds(one, truth) else 'does not hold'} the truth."
        for name, one in results.items()
    )
    alt = f"The true effect is {_points(truth)} percentage points. {told}"
    return intervals(
        rows, alt, label="Difference in percentage points", ticks=ticks, truth=100 * truth
    )


def hidden(planted: Truth, con: Tables, frame: pd.DataFrame) -> Told:
    """Tell how unlike the groups are in the need that no record holds.

    Parameters
    ----------
    planted, con
        As for `found`.
    frame : DataFrame
        Every candidate row of a match with its weight.
    """
    known = dict(con.execute("SELECT pseudonym, id FROM known_people").fetchall())
    needs = planted.unmeasured.set_index("offender_id")["need"]
    held = frame[["treated", "weight"]].assign(need=frame["offender_id"].map(known).map(needs))
    row = balance.table(balance.analysed(held), ["need"]).iloc[0]
    strength = planted.effects["unmeasured_need"]
    table = pd.DataFrame(
        {
            "Mean of the hidden need": [f"{row[name]:+.2f}" for name in _MEANS],
            "Standardised difference": [
                "",
                f"{row['smd_before']:+.2f}",
                f"{row['smd_after']:+.2f}",
            ],
        },
        index=pd.Index(list(_MEANS.values()), name="Group"),
    )
    said = (
        "One standard deviation more of it multiplies the odds of taking part by "
        f"{math.exp(strength['log_odds_of_selection_per_sd']):.2f} and the hazard of an offence by "
        f"{math.exp(strength['log_hazard_per_sd']):.2f}. Nobody recorded it, so nobody could match "
        "on it. Matching did not touch it, so by chance its gap may grow or shrink a little."
    )
    return Told(said, table)


_MEANS = {
    "mean_treatment": "Treatment group",
    "mean_before": "All candidates",
    "mean_after": "Comparison group, by its weights",
}


def _lived_twice(planted: Truth, con: Tables, sample: pd.DataFrame) -> tuple[float, float]:
    """The rate of those treated without the programme and with it; strangers have neither."""
    known = dict(con.execute("SELECT pseudonym, id FROM known_disposals").fetchall())
    ours = sample.loc[sample["treated"].astype(bool), "disposal_id"].map(known)
    lived = planted.participation
    lived = lived.loc[lived["disposal_id"].isin(ours) & (lived["role"] == "treated")]
    rates = (lived[["reoffences_without", "reoffences_within"]] > 0).mean()
    return float(rates.iloc[0]), float(rates.iloc[1])


def _holds(one: Result, truth: float) -> bool:
    return one.ci_low is not None and one.ci_high is not None and one.ci_low <= truth <= one.ci_high


def _hundredfold(share: float | None) -> float:
    return math.nan if share is None else 100 * share


def _points(share: float | None) -> str:
    return "not known" if share is None else f"{100 * share:+.1f}"


def _percentage(share: float | None) -> str:
    return "not known" if share is None else f"{share:.1%}"
