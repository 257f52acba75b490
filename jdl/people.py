"""People: how they were found in the records, and who was lost on the way.

Sentences and tables for a reader who asks whom the result is about, and who is missing from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from jdl.disclosure import RELIABLE, UNTOLD, WITHHELD, Bounds, clear_part, clear_whole
from jdl.figures import Cell, Figure, Part, Sentence, Sentences, Table
from jdl.linkage import FATES, NO_GROUP
from jdl.sensitivity import Choice
from jdl.tables import LOW_RELIABILITY, NOT_APPLICABLE, choice_cells
from jdl.wording import (
    CONCLUDED,
    capital,
    confidence,
    counted,
    is_missing,
    marked,
    number,
    percentage,
    plural,
    proper,
    quoted,
    rounded,
    scaled,
    share,
    slug,
    spelled,
)

REVIEWED = "clerical review"
"""The stage of a link that a clerical review made."""


# --- How people were found -----------------------------------------------------------------------


_LINKED = {
    "certain pass": "Linked by an identifier, or by exact name and date of birth",
    "probabilistic": "Linked by probability, from all that is known",
    REVIEWED: "Linked by a clerical review",
    "review": "Not linked: a possible match that would need a clerical review",
    "not found": "Not linked: not found",
    "incomplete": "Not linked: no names and no identifier to look for",
    "duplicate": "Not linked: listed more than once",
}


def linkage_table(counts: Mapping[str, int | None], *, rows: int) -> Table:
    """Return how people were found in the national records.

    Parameters
    ----------
    counts : mapping of str to int or None
        From ``Links.counts``, cleared: rows by stage or decision, None where withheld.
    rows : int
        What was submitted.
    """
    told = tuple(
        (
            _LINKED.get(stage, capital(stage)),
            counted(f"linkage.{slug(stage)}", value),
            share(f"linkage.{slug(stage)}.share", value, rows),
        )
        for stage, value in counts.items()
    )
    return Table(
        "linkage-table",
        "How people were found in the national records",
        ("How", "Number of rows", "Share of rows submitted"),
        told,
    )


def review_statement(
    counts: Mapping[str, int | None], *, expected: float, checks: Any
) -> Sentences:
    """Return what a clerical review added, or could have added, and what a checked sample showed.

    Parameters
    ----------
    counts : mapping of str to int or None
        From ``Links.counts``, cleared: ``review`` counts the possible matches left unlinked,
        `REVIEWED` those that a review linked.
    expected : float
        The sum of the posteriors of those left unlinked.
    checks : review.Checks
        decided; double_keyed, agreed and kappa of two reviewers; sampled, right, precision, low and
        high of a random sample of links. Nought or None for what was not done.

    Returns
    -------
    Sentences
        Whether there was a review and what it linked; how many possible matches are left, and how
        many of them a review would be expected to link; how far two reviewers agreed; the measured
        precision of the links.
    """
    reviewed = bool(checks.decided)
    return Sentences(
        (
            _reviewed(checks.decided or 0, counts.get(REVIEWED, 0), bool(checks.sampled)),
            _left(counts.get("review"), expected, reviewed),
            *_agreed(checks),
            _measured(checks),
        )
    )


def _reviewed(decided: int, linked: int | None, sampled: bool) -> Sentence:
    if not decided and sampled:
        return Sentence.of(
            "A clerical review checked links that had been made without one, and undid those it "
            "found wrong; it decided on no possible match."
        )
    if not decided:
        return Sentence.of(
            "No clerical review was made: people were linked only where the evidence was strong "
            "enough without one."
        )
    whole = clear_whole(decided, linked)
    told = counted("linkage.decided", whole, "cases")
    by_review = counted(f"linkage.{slug(REVIEWED)}", linked)
    cases = f" {plural(told, 'possible match', 'possible matches')}"
    if whole is not None and linked is not None:
        end = (" and linked ", by_review, " of them.") if linked else (" and linked none of them.")
        return Sentence.of("A clerical review decided on ", told, cases, *end)
    if whole is not None:
        return Sentence.of(
            "A clerical review decided on ", told, f"{cases}; how many it linked is withheld."
        )
    if linked:
        return Sentence.of(
            "A clerical review linked ",
            by_review,
            f" {plural(by_review, 'possible match', 'possible matches')}; how many it decided on "
            "is withheld.",
        )
    return Sentence.of(
        "A clerical review was made; how many possible matches it decided on is withheld."
    )


def _left(left: int | None, expected: float, reviewed: bool) -> Sentence:
    review = "a further review" if reviewed else "a review"
    if left is None:
        return Sentence.of("How many possible matches are left unlinked is withheld.")
    if left == 0:
        return Sentence.of(
            f"No possible match is left unlinked, so {review} would not link anybody else."
        )
    people = counted("linkage.review", left)
    told = _part("linkage.review.expected", clear_part(expected, left))
    return Sentence.of(
        people,
        f" possible {plural(people, 'match is', 'matches are')} left unlinked; {review} would be "
        "expected to link ",
        told,
        f" of {plural(people, 'it', 'them')}.",
    )


def _part(name: str, bounds: Bounds) -> Figure:
    """Return an expected number of people, or what it is less than or at least."""
    if bounds.low is None or bounds.high is None:
        return Figure.withheld(name, "people")
    if bounds.low == bounds.high:
        return Figure(name, bounds.low, "people", f"about {number(bounds.low)}")
    if bounds.low == 0:
        limit = bounds.high + 1
        return Figure(name, limit, "people", f"fewer than {number(limit)}")
    return Figure(name, bounds.low, "people", f"at least {number(bounds.low)}")


def _agreed(checks: Any) -> tuple[Sentence, ...]:
    if not checks.double_keyed or checks.agreed is None:
        return ()
    cases = counted("linkage.double_keyed", checks.double_keyed, "cases")
    kappa: tuple[Part, ...] = ()
    if not is_missing(checks.kappa):
        kappa = (" (Cohen's kappa ", scaled("linkage.kappa", checks.kappa, "kappa", 2), ")")
    return (
        Sentence.of(
            "Two reviewers decided on ",
            cases,
            f" {plural(cases, 'case', 'cases')} without knowing of each other, and agreed on ",
            counted("linkage.agreed", checks.agreed, "cases"),
            *kappa,
            ".",
        ),
    )


def _measured(checks: Any) -> Sentence:
    if not checks.sampled or checks.right is None:
        return Sentence.of(
            "No random sample of the links was checked, so how many of them are right has not been "
            "measured."
        )
    sampled = counted("linkage.sampled", checks.sampled, "links")
    right = counted("linkage.right", checks.right, "links")
    end: tuple[Part, ...] = (".",)
    if not any(map(is_missing, (checks.precision, checks.low, checks.high))):
        end = (
            ": precision ",
            percentage("linkage.precision", checks.precision, 1),
            f" ({confidence()} ",
            percentage("linkage.precision.ci_low", checks.low, 1),
            " to ",
            percentage("linkage.precision.ci_high", checks.high, 1),
            ").",
        )
    return Sentence.of(
        "Of a random sample of the links, ",
        right,
        " of ",
        sampled,
        f" checked {plural(sampled, 'link', 'links')} {plural(right, 'was', 'were')} right",
        *end,
    )


def error_statement(expected_false: float, linked: int | None) -> Sentence:
    """Return how many of the links the model itself expects to be wrong.

    Parameters
    ----------
    expected_false : float
        Of those linked, the sum of one less the posterior.
    linked : int or None
        People linked, from ``disclosure.clear_linked``.
    """
    if linked is None:
        return Sentence.of("How many of the links are expected to be wrong is withheld.")
    if linked == 0:
        return Sentence.of("Nobody was linked, so no link can be wrong.")
    links = counted("linkage.linked", linked, "links")
    about = "fewer than one" if rounded(expected_false) < 1 else f"about {number(expected_false)}"
    told = Figure("linkage.expected_false", float(rounded(expected_false, 1)), "links", about)
    return Sentence.of(
        "Of the ",
        links,
        f" {plural(links, 'link', 'links')}, the model expects ",
        told,
        " to be wrong. It may be too sure of itself; only a checked sample measures this.",
    )


# --- Who was found more often than others --------------------------------------------------------


def linkage_rates(rates: pd.DataFrame) -> Sentence:
    """Return where people of one kind were found less often than those of another.

    Parameters
    ----------
    rates : DataFrame
        From ``disclosure.clear_rates``.

    Returns
    -------
    Sentence
        The widest gap within a group, and whether the two intervals or ranges meet.
    """
    shown = rates.assign(
        least=rates["ci_low"].fillna(rates["low"]),
        most=rates["ci_high"].fillna(rates["high"]),
        middle=rates["share"].fillna((rates["low"] + rates["high"]) / 2),
    ).dropna(subset=["middle"])
    ends = [
        (rows.iloc[int(rows["middle"].argmin())], rows.iloc[int(rows["middle"].argmax())])
        for _, rows in shown.groupby("group", sort=False)
        if len(rows) > 1
    ]
    if not ends:
        return Sentence.of(
            "Whether people of one kind were found less often than others cannot be shown: how "
            f"many were found is {WITHHELD}."
        )
    low, high = max(ends, key=lambda pair: pair[1]["middle"] - pair[0]["middle"])
    meaning = (
        "The first are harder to find, so the result may hold less well for them."
        if low["most"] <= high["least"]
        else "What is known of the two overlaps, so this may be chance."
    )
    return Sentence.of(
        f"The widest gap is by {proper(str(low['group']))}: ",
        *_found_where(low),
        ", but ",
        *_found_where(high),
        f". {meaning}",
    )


def _found_where(row: pd.Series[Any]) -> tuple[Part, ...]:
    name = _rate_name(row["group"], row["level"])
    return (
        *_found_share(name, row.to_dict()),
        " were found where it is “",
        *quoted(f"{name}.level", proper(str(row["level"]))),
        "”",
    )


def linkage_rates_table(rates: pd.DataFrame) -> Table:
    """Return how many people of each kind were found.

    Parameters
    ----------
    rates : DataFrame
        From ``disclosure.clear_rates``: group, level, people, and the share or its range.
    """
    notes = [
        "People are counted once. Shares come from people found to the nearest five, so they may "
        "not add up to other tables; the interval is Wilson's. Where few people were found, or few "
        "were not, a share is told as a range, without an interval [z].",
    ]
    if rates["group"].eq("name group").any():
        notes.append(
            "The name group is the ethnicity on record for most people who have the surname. It "
            "tells of names, to show whether some are harder to find, and not of the person."
        )
    if (rates["share"].notna() & rates["people"].lt(RELIABLE)).any():
        notes.append(LOW_RELIABILITY)
    if _all_missing(rates, "share", "low"):
        notes.append(UNTOLD)
    return Table(
        "linkage-rates-table",
        "How many people of each kind were found in the national records",
        ("Group", "Kind", "People", "Share found", f"{capital(confidence())} of the share"),
        tuple(_rate_row(row) for row in rates.to_dict("records")),
        tuple(notes),
    )


def _all_missing(rows: pd.DataFrame, *columns: str) -> bool:
    """Whether a row has none of these columns."""
    return bool(rows[list(columns)].isna().all(axis=1).any())


def _rate_row(row: Mapping[Any, Any]) -> tuple[Cell, ...]:
    name = _rate_name(row["group"], row["level"])
    low, high = (percentage(f"{name}.{which}", row[which]) for which in ("ci_low", "ci_high"))
    interval: Cell = Sentence.of(low, " to ", high)
    if low.suppressed:
        interval = low if is_missing(row["low"]) else NOT_APPLICABLE
    return (
        capital(proper(str(row["group"]))),
        Sentence(quoted(f"{name}.level", capital(proper(str(row["level"]))))),
        counted(f"{name}.people", row["people"]),
        _one_cell(_found_share(name, row)),
        interval,
    )


def _one_cell(parts: tuple[Part, ...]) -> Cell:
    """Return a figure alone as itself, so that a column of numbers stays one."""
    return parts[0] if len(parts) == 1 else Sentence(parts)


def _rate_name(group: str, level: str) -> str:
    """Return the first part of the names of the figures of a level's rate of linkage."""
    return f"linkage.{slug(group)}.{slug(level)}"


def _found_share(name: str, row: Mapping[Any, Any], which: str = "") -> tuple[Part, ...]:
    """Return a share linked, or the range it lies in; withheld where neither is told.

    Parameters
    ----------
    name : str
        First part of the figures' names.
    row : mapping
        share, low and high, as ``disclosure.clear_rates`` gives them.
    which : str
        What their names end with, such as ``_with``.
    """
    if is_missing(row[f"low{which}"]):
        told = percentage(f"{name}.share{which}", row[f"share{which}"])
        return (marked(told, not which and row["people"] < RELIABLE),)
    low, high = (
        percentage(f"{name}.{end}{which}", row[f"{end}{which}"]) for end in ("low", "high")
    )
    return (low, " to ", high)


# --- Other choices of links ----------------------------------------------------------------------


def linkage_sensitivity(choices: Sequence[Choice]) -> Sentence:
    """Return whether the conclusion on the rate depends on how sure a link had to be.

    Parameters
    ----------
    choices : sequence of Choice
        From ``sensitivity.by_linkage``, the headline first.

    Returns
    -------
    Sentence
        The choices with another conclusion; or that none has, which does not prove the links
        right.
    """
    headline, others = choices[0], choices[1:]
    if headline.conclusion == "suppressed":
        return Sentence.of(
            "The headline has no result that can be reported, so it cannot be said whether one "
            "would depend on how sure a link had to be."
        )
    told = [choice for choice in others if choice.conclusion != "suppressed"]
    unlike = [choice for choice in told if choice.conclusion != headline.conclusion]
    if not told:
        return Sentence.of(
            "No other choice of links gives a result, so it cannot be said whether the conclusion "
            "depends on how sure a link had to be."
        )
    silent = _silent(len(others) - len(told))
    if unlike:
        parts: list[Part] = [
            "The conclusion depends on how sure a link had to be: in the headline analysis it is "
            f"{CONCLUDED[headline.conclusion]}, but "
        ]
        for place, choice in enumerate(unlike):
            parts += [
                "" if not place else " and " if place == len(unlike) - 1 else ", ",
                f"{CONCLUDED[choice.conclusion]} with “",
                *quoted(f"sensitivity.{slug(choice.label)}.label", choice.label),
                "”",
            ]
        return Sentence.of(*parts, ".", *silent)
    same = spelled("sensitivity.same", len(told), "choices")
    return Sentence.of(
        "The conclusion does not depend on how sure a link had to be: it is ",
        f"{CONCLUDED[headline.conclusion]} in the headline analysis and with ",
        same,
        f" other {plural(same, 'choice', 'choices')} of links.",
        *silent,
    )


def _silent(many: int) -> tuple[Part, ...]:
    if not many:
        return ()
    told = spelled("sensitivity.silent", many, "choices")
    return (" For ", told, " more, no result can be given.")


def linkage_sensitivity_table(choices: Sequence[Choice], *, significance: float = 0.05) -> Table:
    """Return the result on the rate for each choice of links.

    Parameters
    ----------
    choices : sequence of sensitivity.Choice
        The headline first.
    significance : float
        Of each test, and so of the interval.
    """
    notes = [
        "The first row is the headline analysis. The others make the same test on other links; "
        "they are no further findings, and are not counted among the tests made. How many people "
        "each of them links and analyses is not told, because two such numbers can differ by few."
    ]
    if any(_lacks_numbers(choice) for choice in choices):
        notes.append(
            f"{UNTOLD} Of rows with nearly the same people the conclusion is told all the same."
        )
    return Table(
        "linkage-sensitivity-table",
        "Effect on the one-year proven reoffending rate, by how sure a link had to be",
        (
            "Links used",
            "Comparison group, people",
            f"Estimated difference ({confidence(significance)}), percentage points",
            "p\u00a0value",
            "Groups alike",
            "Conclusion",
        ),
        tuple(_choice_row(choice) for choice in choices),
        tuple(notes),
    )


def _choice_row(choice: Choice) -> tuple[Cell, ...]:
    label, _, *rest = choice_cells(f"sensitivity.{slug(choice.label)}", choice)
    return (label, *rest)


def _lacks_numbers(choice: Choice) -> bool:
    """Whether a choice has a result that may not be told in numbers."""
    return choice.difference is None and choice.reason in (None, WITHHELD)


# --- Who was lost on the way ---------------------------------------------------------------------


def funnel_table(funnel: pd.DataFrame, *, analysis: str = "headline") -> Table:
    """Return where people were lost between the upload and the analysis.

    Parameters
    ----------
    funnel : DataFrame
        Cleared: step, reason, removed, remaining; the first row is what was submitted.
    analysis : str
        First part of the figures' names.

    Returns
    -------
    Table
        Shares are always of the rows submitted: ``<1%`` where one rounds to nought, ``0%`` for
        none.
    """
    base = f"{slug(analysis)}.funnel"
    start = int(funnel["remaining"].iloc[0])
    rows = tuple(
        _funnel_row(f"{base}.{place}", row, start)
        for place, row in enumerate(funnel.to_dict("records"))
    )
    return Table(
        "funnel-table",
        "From the rows submitted to the people analysed",
        (
            "Reason for leaving the analysis",
            "Number leaving",
            "Leaving, share of rows submitted",
            "Number remaining",
            "Remaining, share of rows submitted",
        ),
        rows,
        _ROWS_AND_PEOPLE,
    )


_ROWS_AND_PEOPLE = (
    "A row is one person's details as they were sent. People listed more than once have several, "
    "and people who did not take part have rows too.",
    "So there can be more rows than people whose details were sent, more of those people than took "
    "part, and more who took part than were analysed. The minimum criteria count people before "
    "they are looked for in the records, so that number can differ by a few.",
)


def funnel_step(row: Mapping[Any, Any]) -> str:
    """Return what a step of the funnel is called: the rows submitted, or a reason for leaving."""
    return capital(str(row["reason"])) if row["step"] else "Rows submitted"


def _funnel_row(name: str, row: Mapping[Any, Any], start: int) -> tuple[Cell, ...]:
    first = row["step"] == 0
    return (
        funnel_step(row),
        NOT_APPLICABLE if first else counted(f"{name}.removed", row["removed"]),
        NOT_APPLICABLE if first else share(f"{name}.removed.share", row["removed"], start),
        counted(f"{name}.remaining", row["remaining"]),
        share(f"{name}.remaining.share", row["remaining"], start),
    )


def rules_table(placed: pd.DataFrame) -> Table | None:
    """Return by which rule the sentence of each person was found.

    Parameters
    ----------
    placed : DataFrame
        From ``disclosure.clear_rules``: rule and people.

    Returns
    -------
    Table or None
        None where every rule placed too few people to be named.
    """
    if not placed["rule"].ne("another rule").any():
        return None
    people = int(placed["people"].sum())
    rows = tuple(
        (
            capital(str(row["rule"])),
            share(f"sentence.{slug(str(row['rule']))}", int(row["people"]), people),
        )
        for row in placed.to_dict("records")
    )
    return Table(
        "rules-table",
        "How the sentence of each person was found",
        ("Rule, the first that applied", "Share of people with an eligible sentence"),
        rows,
        notes=("Before matching. The rules are described under methods.",),
    )


_NOT_ANALYSED = {
    "lost": "those found but not analysed",
    "not_found": "those not found",
}


def lost_statement(fates: pd.DataFrame) -> Sentences:
    """Return where those analysed differ most from those who were lost on the way.

    Parameters
    ----------
    fates : DataFrame
        From ``disclosure.clear_fates``: group, level, and of those analysed, lost (found, but not
        analysed) and not_found the share who are of this level; not a number where withheld.

    Returns
    -------
    Sentences
        The widest gap to those lost and to those not found, and what follows; or that nothing can
        be shown.
    """
    told = [one for which in _NOT_ANALYSED for one in _widest(fates, which)]
    if not told:
        return Sentences(
            (
                Sentence.of(
                    "Whether the people analysed are unlike those who were lost cannot be shown: "
                    f"who was lost is {WITHHELD}."
                ),
            )
        )
    end = Sentence.of(
        "Where those analysed are unlike the others, the result may hold less well for everybody "
        "whose details were submitted."
    )
    return Sentences((*told, end))


def _widest(fates: pd.DataFrame, which: str) -> tuple[Sentence, ...]:
    """Tell the level by which those analysed differ most from `which` of `_NOT_ANALYSED`."""
    shown = fates.dropna(subset=["analysed", which])
    if shown.empty:
        return ()
    hidden = len(shown) < len(fates)
    gaps = (shown["analysed"].astype(float) - shown[which].astype(float)).abs()
    row = shown.iloc[int(gaps.to_numpy().argmax())]
    name = f"{_rate_name(row['group'], row['level'])}.fate"
    ours = percentage(f"{name}.analysed", row["analysed"])
    theirs = percentage(f"{name}.{which}", row[which])
    if ours.text == theirs.text:
        alike = "are alike, to the nearest per cent, in every share that is told."
        return (Sentence.of(f"Those analysed and {_NOT_ANALYSED[which]} {alike}"),)
    return (
        Sentence.of(
            f"{'Of what can be shown, those' if hidden else 'Those'} analysed differ most from "
            f"{_NOT_ANALYSED[which]} by {proper(str(row['group']))}: ",
            ours,
            " of the first and ",
            theirs,
            " of the second ",
            *_of_kind(f"{name}.level", str(row["group"]), proper(str(row["level"]))),
            ".",
        ),
    )


_SEXES = {"male": "were men", "female": "were women"}


def _of_kind(name: str, group: str, level: str) -> tuple[Part, ...]:
    """Return what people of a level of one of ``linkage.KINDS`` were, or had."""
    if level in ("not given", "not known"):
        return (f"were people whose {group} is {level}",)
    if group == "sex" and level in _SEXES:
        return (_SEXES[level],)
    if group == "identifier":
        given = level.removesuffix(" given")
        return ("came with no identifier",) if given == "none" else (f"came with a {given}",)
    if group == "name group":
        if level == NO_GROUP:
            return ("had a surname of no clear group",)
        return ("had a name of the group “", *quoted(name, level), "”")
    if group == "age":
        return ("were aged ", *quoted(name, level))
    return ("were of the kind “", *quoted(name, level), "”")


def lost_table(fates: pd.DataFrame) -> Table:
    """Return who was analysed beside who was found and then lost, and who was not found.

    Parameters
    ----------
    fates : DataFrame
        From ``disclosure.clear_fates``: group, level, analysed, lost and not_found (shares).

    Returns
    -------
    Table
        Without rows where the groups are too small to be shown apart.
    """
    notes = [
        "Each column adds up to all its people over the kinds of one group, but for rounding. "
        "Shares come from people to the nearest five."
    ]
    if fates[list(FATES)].isna().any(axis=None):
        notes.append(UNTOLD)
    return Table(
        "lost-table",
        "People analysed beside those who were found and not analysed, and those not found",
        (
            "Group",
            "Kind",
            "Of those analysed",
            "Of those found, not analysed",
            "Of those not found",
        ),
        tuple(_lost_row(row) for row in fates.to_dict("records")),
        tuple(notes) if len(fates) else (),
    )


def _lost_row(row: Mapping[Any, Any]) -> tuple[Cell, ...]:
    name = f"{_rate_name(row['group'], row['level'])}.fate"
    return (
        capital(proper(str(row["group"]))),
        Sentence(quoted(f"{name}.level", capital(proper(str(row["level"]))))),
        *(percentage(f"{name}.{fate}", row[fate]) for fate in FATES),
    )


# --- What better data would have found -----------------------------------------------------------


def gains_statement(gains: pd.DataFrame) -> Sentence:
    """Return which missing field cost most, for the provider.

    Parameters
    ----------
    gains : DataFrame
        From ``disclosure.clear_gains``.

    Returns
    -------
    Sentence
    """
    if not gains["rows_lacking"].gt(0).any():
        return Sentence.of(
            "Every row held all that is used to find people, so better data would not have found "
            "more of them."
        )
    known = gains.loc[gains["gain"].notna() | gains["fewer"].notna()]
    if known.empty:
        return Sentence.of(f"What better data would have found is {WITHHELD}.")
    hidden = len(known) < gains["rows_lacking"].gt(0).sum()
    if known["gain"].isna().all():
        return Sentence.of(
            f"Nothing {'of which this can be told' if hidden else 'that was lacking'} is expected "
            "to have kept many people from being found."
        )
    best = known.iloc[int(known["gain"].fillna(0).argmax())]
    name = f"gains.{slug(best['field'])}"
    rows = counted(f"{name}.rows_lacking", best["rows_lacking"], "rows")
    return Sentence.of(
        "Better data would have found more people. "
        f"{'Of what can be told, the' if hidden else 'The'} most would come from the ",
        f"{proper(str(best['field']))}, which ",
        rows,
        f" {plural(rows, 'row', 'rows')} lacked: had it been given, ",
        _expected_gain(f"{name}.gain", best["gain"], best["fewer"]),
        " more people would be expected to be found.",
    )


def linkage_gains_table(gains: pd.DataFrame) -> Table:
    """Return what was lacking in the upload, and how many more people it would have found.

    Parameters
    ----------
    gains : DataFrame
        From ``disclosure.clear_gains``.
    """
    notes = [
        "Shares are of the people who could be looked for, and come from people found to the "
        "nearest five; where few were found, or few were not, a share is told as a range. The "
        "number expected, to the nearest five too, counts people whom something in the records "
        "already suggests, so it is at least that."
    ]
    lacked = gains.loc[gains["rows_lacking"] > 0]
    if _all_missing(lacked, "share_with", "low_with") or _all_missing(lacked, "gain", "fewer"):
        notes.append(UNTOLD)
    return Table(
        "linkage-gains-table",
        "What was lacking, and how many more people it would be expected to find",
        (
            "What was lacking",
            "Rows that lacked it",
            "Share found, of people who had it",
            "Share found, of people who lacked it",
            "More people expected to be found, had it been given",
        ),
        tuple(_gain_row(row) for row in gains.to_dict("records")),
        tuple(notes),
    )


def _gain_row(row: Mapping[Any, Any]) -> tuple[Cell, ...]:
    name = f"gains.{slug(row['field'])}"
    cost: tuple[Cell, ...] = (NOT_APPLICABLE,) * 3
    if row["rows_lacking"]:
        cost = (
            _one_cell(_found_share(name, row, "_with")),
            _one_cell(_found_share(name, row, "_without")),
            _expected_gain(f"{name}.gain", row["gain"], row["fewer"]),
        )
    return (
        capital(proper(str(row["field"]))),
        counted(f"{name}.rows_lacking", row["rows_lacking"], "rows"),
        *cost,
    )


def _expected_gain(name: str, gain: Any, fewer: Any) -> Figure:
    """Return the people expected to be found besides, or a number that they are fewer than."""
    if is_missing(gain) and is_missing(fewer):
        return Figure.withheld(name, "people")
    value, word = (fewer, "fewer than") if is_missing(gain) else (gain, "about")
    return Figure(name, int(value), "people", f"{word} {number(value)}")


def data_quality_note(notes: Sequence[Any], *, rows: int) -> Sentences:
    """Return how much was noticed about the upload, for the page on data quality.

    Parameters
    ----------
    notes : sequence of upload.Note
    rows : int
        Rows in the upload.
    """
    read = counted("data_quality.rows", rows, "rows")
    seen = spelled("data_quality.notes", len(notes), "observations", none="no")
    return Sentences(
        (
            Sentence.of(
                "In all, ",
                read,
                f" {plural(read, 'row was', 'rows were')} read, with ",
                seen,
                f" {plural(seen, 'observation', 'observations')} on the data.",
            ),
            Sentence.of("Nothing listed here stopped the request or changed what was sent."),
        )
    )


def data_quality_table(notes: Sequence[Any], *, rows: int) -> Table:
    """Return what was noticed about the upload and did not stop it.

    Parameters
    ----------
    notes : sequence of upload.Note
        With text, column and rows.
    rows : int
        Rows in the upload.
    """
    told: list[tuple[Cell, ...]] = [
        (
            Sentence(quoted(f"data_quality.{place}", capital(note.text))),
            note.column or NOT_APPLICABLE,
            counted(f"data_quality.{place}.rows", note.rows, "rows"),
            share(f"data_quality.{place}.share", note.rows, rows),
        )
        for place, note in enumerate(notes, start=1)
    ]
    if not told:
        told = [("Nothing was noticed", *(NOT_APPLICABLE,) * 3)]
    return Table(
        "data-quality-table",
        "What was noticed about the data that were sent",
        ("Observation", "Column", "Rows", "Share of rows"),
        tuple(told),
    )
