"""Checks: what stands beside the headline result to test it, in sentences and tables.

The adjusted check, the versions for everyone, the time without reoffence, what an unmeasured need
would have to be, and what other choices would have given. None of them replaces the headline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from jdl.companion import FEWEST_PLACES, Adjusted
from jdl.disclosure import UNTOLD, WITHHELD
from jdl.effects import ALL, EVERYONE, Effect
from jdl.figures import Cell, Figure, Part, Sentence, Sentences, Table, Tag
from jdl.findings import HEADLINE
from jdl.national import WAITING_MONTHS
from jdl.outcomes import Delays
from jdl.sensitivity import Choice
from jdl.survival import Survival
from jdl.tables import NOT_APPLICABLE, SHORTHAND, choice_cells
from jdl.unmeasured import Bounds, EValue
from jdl.wording import (
    CONCLUDED,
    WORDING,
    Words,
    capital,
    confidence,
    counted,
    direction,
    has_range,
    is_good,
    is_missing,
    is_reported,
    limit_of,
    limited,
    listed,
    mean,
    name_of,
    number,
    p_value,
    percentage,
    plural,
    proper,
    quoted,
    scaled,
    share,
    slug,
    spelled,
    unit_of_difference,
    within,
)

# --- The adjusted check --------------------------------------------------------------------------

BALANCED = "entropy balancing"
_HOW = {
    False: "The adjusted check models the outcome in the comparison group from what people were "
    "matched on, and predicts from it what the treatment group would have done. It removes "
    "recorded differences that matching left, and cannot remove those that are not recorded.",
    True: "Entropy balancing has made the groups equal on everything they were matched on. The "
    "adjusted check is the same difference, with an error that knows how the weights were made. It "
    "cannot remove differences that are not recorded.",
}
_SIDES = {"reduction": "lower", "increase": "higher"}


def adjusted_statement(
    effects: Mapping[str, Effect],
    adjusted: Mapping[str, Adjusted],
    *,
    significance: float = 0.05,
) -> Sentences:
    """Return whether the adjusted check agrees with the headline results.

    Parameters
    ----------
    effects : mapping of str to Effect
        The headline analysis's effects by measure, cleared.
    adjusted : mapping of str to Adjusted
        From ``disclosure.clear_adjusted``.
    significance : float
        Of both tests.

    Returns
    -------
    Sentences
        What the check is and what it gives on the rate; where it agrees and where not; what it
        cannot do. Nothing where it was not made.
    """
    if "rate" not in adjusted:
        return Sentences(())
    return Sentences(
        (
            _adjusted_rate(effects["rate"], adjusted["rate"], significance),
            *_other_measures(effects, adjusted),
            Sentence.of(
                "An adjusted check cannot remove differences between the groups that are not "
                "recorded. The headline result stays the result of this report."
            ),
        )
    )


def _adjusted_rate(effect: Effect, check: Adjusted, significance: float) -> Sentence:
    lead = (
        "As a check, the difference was tested again with an error that knows how the groups were "
        "made equal on everything they were matched on"
        if check.model == BALANCED
        else "As a check, the comparison was made again with an adjustment for the recorded "
        "differences that matching had left"
    )
    if check.conclusion == "suppressed" or is_missing(check.ci_low):
        reason = (check.reason or WITHHELD).rstrip(".")
        name = f"{name_of(effect)}.adjusted.reason"
        return Sentence.of(
            f"{lead}. It gives no result for {WORDING['rate'].noun}: ",
            *quoted(name, f"{reason[:1].lower()}{reason[1:]}"),
            ".",
        )
    return Sentence.of(
        f"{lead}. By this adjusted check, the difference in {WORDING['rate'].noun} is ",
        _adjusted_limit(check, "ci_low"),
        " to ",
        _adjusted_limit(check, "ci_high"),
        f" percentage points ({confidence(significance)}). {_AGREES[_agreement(effect, check)]}",
    )


_AGREES = {
    "agrees": "It agrees with the headline result.",
    "headline only": (
        "It does not agree with the headline result, which is statistically significant, while the "
        "check is not: the headline result is to be read with caution."
    ),
    "check only": (
        "It does not agree with the headline result: the check is statistically significant, while "
        "the headline result is not, and no conclusion is drawn from the check alone."
    ),
    "opposite": (
        "It contradicts the headline result: both are statistically significant, in opposite "
        "directions, so the headline result is to be read with great caution."
    ),
    "none": "There is no headline result to compare it with.",
}


def _agreement(effect: Effect, check: Adjusted) -> str:
    """Compare the conclusions of a result and of its check."""
    if "suppressed" in (effect.conclusion, check.conclusion):
        return "none"
    if effect.conclusion == check.conclusion:
        return "agrees"
    if check.conclusion == "inconclusive":
        return "headline only"
    return "check only" if effect.conclusion == "inconclusive" else "opposite"


def _other_measures(
    effects: Mapping[str, Effect], adjusted: Mapping[str, Adjusted]
) -> tuple[Sentence, ...]:
    """Say of the other headline measures where the check agrees."""
    others = {
        name: _agreement(effects[name], adjusted[name])
        for name in HEADLINE[1:]
        if name in adjusted and name in effects
    }
    alike = [WORDING[name].noun for name, how in others.items() if how == "agrees"]
    unlike = [WORDING[name].noun for name, how in others.items() if how not in ("agrees", "none")]
    told = []
    if alike:
        told.append(Sentence.of(f"On {listed(alike)} it agrees with the headline analysis."))
    if unlike:
        text = f"On {listed(unlike)} it does not agree with the headline analysis: see the table."
        told.append(Sentence.of(text))
    return tuple(told)


def _adjusted_limit(check: Adjusted, which: str) -> Figure:
    kind = ALL[check.measure].kind
    places, scale = {"rate": (0, 100), "frequency": (2, 1), "days": (0, 1)}[kind]
    name = f"{slug(check.analysis)}.{check.measure}.adjusted.{which}"
    return limited(name, getattr(check, which), unit_of_difference(check.measure), places, scale)


def adjusted_table(
    effects: Mapping[str, Effect],
    adjusted: Mapping[str, Adjusted],
    *,
    significance: float = 0.05,
) -> Table:
    """Return each result beside its adjusted check.

    Parameters
    ----------
    effects : mapping of str to Effect
        One analysis's effects by measure, cleared.
    adjusted : mapping of str to Adjusted
        From ``disclosure.clear_adjusted``.
    significance : float
        Of both tests.
    """
    rows = tuple(
        _adjusted_row(effects[name], check) for name, check in adjusted.items() if name in effects
    )
    return Table(
        "adjusted-table",
        "Each difference as the service tests it, and by the adjusted check",
        (
            "Measure, and unit of the differences",
            f"Service's test ({confidence(significance)})",
            "Service's test: significant",
            f"Adjusted check ({confidence(significance)})",
            "Adjusted p\u00a0value",
            "Agreement",
        ),
        rows or (("No measure", *(NOT_APPLICABLE,) * 5),),
        (
            _HOW[any(check.model == BALANCED for check in adjusted.values())],
            SHORTHAND,
        ),
    )


_SHORT = {
    "agrees": "Agrees",
    "headline only": "Only the service's test is significant",
    "check only": "Only the adjusted check is significant",
    "opposite": "Opposite directions",
}


def _adjusted_row(effect: Effect, check: Adjusted) -> tuple[Cell, ...]:
    name = f"{name_of(effect)}.adjusted"
    mark = NOT_APPLICABLE if is_reported(effect) else "[c]"
    interval: Cell = mark
    p: Cell = mark
    if check.conclusion != "suppressed" and not is_missing(check.ci_low):
        interval = Sentence.of(
            _adjusted_limit(check, "ci_low"), " to ", _adjusted_limit(check, "ci_high")
        )
        p = p_value(f"{name}.p_value", check.p_value)
    return (
        f"{ALL[effect.measure].label}, {unit_of_difference(effect.measure)}",
        _told_interval(effect),
        _significant(effect),
        interval,
        p,
        _SHORT.get(_agreement(effect, check), mark),
    )


def _significant(effect: Effect) -> Cell:
    """Return whether a difference is significant, and its side: green where that is good news."""
    if not is_reported(effect):
        return "[c]"
    side = direction(effect)
    if side is None:
        return "No"
    tone = "green" if is_good(effect) else "red"
    return Tag(f"Yes, {WORDING[effect.measure].side(side)}", tone)


def _told_interval(effect: Effect) -> Cell:
    if not has_range(effect):
        return NOT_APPLICABLE if is_reported(effect) else "[c]"
    return Sentence.of(limit_of(effect, "ci_low"), " to ", limit_of(effect, "ci_high"))


def places_statement(
    places: int | None,
    *,
    kind: str,
    words: Words,
    beside: str | None = None,
    clustered: bool = True,
) -> Sentence:
    """Return from how many places people come, and whether the effect can be told from the place.

    Parameters
    ----------
    places : int or None
        ``Adjusted.places``; None where they are not known.
    kind : str
        Such as ``prison`` or ``region``.
    words : Words
    beside : str, optional
        What the comparison within the same places is called in print, where it was made.
    clustered : bool
        Whether the errors of the adjusted check allow for places.
    """
    if not places:
        return Sentence.of(
            f"In which {kind} people were is not known, so it cannot be said whether a difference "
            f"belongs to the programme or to the {kind}."
        )
    told = spelled("places.number", places, f"{kind}s")
    lead: tuple[Part, ...] = (
        f"The {words.people} analysed come from ",
        told,
        f" {plural(told, kind, f'{kind}s')}",
    )
    fewest = spelled("places.fewest", FEWEST_PLACES, f"{kind}s")
    if places >= FEWEST_PLACES and not clustered:
        return Sentence.of(*lead, ".")
    if places >= FEWEST_PLACES:
        return Sentence.of(
            *lead,
            f". The adjusted check allows for {words.people} of one {kind} being more alike than "
            "others.",
        )
    end = "."
    if beside is not None:
        end = f"; the analysis “{beside}” compares them with others of the same {kind}."
    return Sentence.of(
        *lead,
        ". With fewer than ",
        fewest,
        f", an effect of the programme cannot be told from one of the {kind}{end}",
    )


# --- Everyone, not only reoffenders --------------------------------------------------------------


def everyone_table(
    effects: Iterable[Effect], *, labels: Mapping[str, str], significance: float = 0.05
) -> Table:
    """Return each measure among reoffenders beside its version for everyone.

    Parameters
    ----------
    effects : iterable of Effect
        Cleared, of every analysis, the versions for everyone among them.
    labels : mapping of str to str
        What each analysis is called in print.
    significance : float
        Of each test.
    """
    given = {(e.analysis, e.measure): e for e in effects}
    pairs = [
        (effect, given[effect.analysis, EVERYONE[effect.measure].name])
        for effect in given.values()
        if effect.measure in EVERYONE and (effect.analysis, EVERYONE[effect.measure].name) in given
    ]
    told = [pair for pair in pairs if any(map(is_reported, pair))]
    rows = tuple(_everyone_row(effect, version, labels) for effect, version in told)
    left_out = "" if len(told) == len(pairs) else " Rows that are withheld throughout are left out."
    interval = f"difference ({confidence(significance)})"
    return Table(
        "everyone-table",
        "Measures of reoffenders beside the same for everyone",
        (
            "Measure, and unit of the differences",
            "Analysis",
            f"Reoffenders: {interval}",
            "Everyone: treatment group",
            "Everyone: comparison group",
            f"Everyone: {interval}",
            "Everyone: significant",
        ),
        rows or (("No measure", *(NOT_APPLICABLE,) * 6),),
        (
            "Who reoffends may itself be changed by a programme, so a difference among reoffenders "
            "only describes. For everyone, those who did not reoffend count as nought, and in the "
            "time without reoffence as the whole year.",
            f"{SHORTHAND}{left_out}",
        ),
    )


def _everyone_row(effect: Effect, version: Effect, labels: Mapping[str, str]) -> tuple[Cell, ...]:
    unit = unit_of_difference(version.measure)
    return (
        f"{ALL[effect.measure].label}, {unit}",
        labels.get(effect.analysis, effect.analysis),
        _told_interval(effect),
        mean(version, "treatment"),
        mean(version, "comparison"),
        _told_interval(version),
        _significant(version),
    )


# --- The time without reoffence ------------------------------------------------------------------

REVERSAL = (
    "An average over reoffenders only, such as the time to the first reoffence, can point the "
    "other way than the programme's effect: if a programme keeps some from reoffending who would "
    "have done so late, those who still reoffend do so earlier on average. The time without "
    "reoffence counts everyone and cannot be turned round in this way."
)


def survival_statement(
    survival: Survival, *, words: Words, significance: float = 0.05
) -> Sentences:
    """Return the average time without reoffence in both groups, and why it counts everyone.

    Parameters
    ----------
    survival : Survival
        From ``disclosure.clear_survival``.
    words : Words
    significance : float
        Of the test.
    """
    fixed = Sentence.of(REVERSAL)
    base = f"{slug(survival.analysis)}.survival"
    if survival.reason is not None or is_missing(survival.mean_treatment):
        reason = (survival.reason or WITHHELD).rstrip(".")
        told = quoted(f"{base}.reason", f"{reason[:1].lower()}{reason[1:]}")
        return Sentences(
            (Sentence.of("The time without reoffence cannot be told: ", *told, "."), fixed)
        )
    ours, theirs = (
        scaled(f"{base}.mean_{group}", getattr(survival, f"mean_{group}"), "days")
        for group in ("treatment", "comparison")
    )
    return Sentences(
        (
            Sentence.of(
                f"Counting everyone, {words.people} in the treatment group spent ",
                ours,
                f" {plural(ours, 'day', 'days')} of the year without a proven reoffence on "
                "average, and the comparison group ",
                theirs,
                *_tested(survival, base, significance),
            ),
            fixed,
            *_at_liberty(survival, base),
            *(
                Sentence.of(*quoted(f"{base}.note.{place}", note))
                for place, note in enumerate(survival.notes, start=1)
            ),
        )
    )


def _at_liberty(survival: Survival, base: str) -> tuple[Sentence, ...]:
    if is_missing(survival.liberty_treatment) or is_missing(survival.liberty_comparison):
        return ()
    ours, theirs = (
        scaled(f"{base}.liberty_{group}", getattr(survival, f"liberty_{group}"), "days")
        for group in ("treatment", "comparison")
    )
    return (
        Sentence.of(
            "The treatment group was alive and at liberty on ",
            ours,
            f" {plural(ours, 'day', 'days')} of the year on average, and the comparison group on ",
            theirs,
            ": nobody can reoffend outside while in prison, and a reoffence can lead there.",
        ),
    )


def _tested(survival: Survival, base: str, significance: float) -> tuple[Part, ...]:
    if is_missing(survival.ci_low) or is_missing(survival.ci_high):
        return (".",)
    significant = (survival.p_value or 0) <= significance
    verb = "is" if significant else "is not"
    end = "." if significant else ", and there may be no difference."
    return (
        ": a difference",
        *_days_apart(survival, base),
        f" ({confidence(significance)}), which {verb} statistically significant{end}",
    )


def _days_apart(survival: Survival, base: str) -> tuple[Part, ...]:
    """Return the interval of the difference with its direction: ``of 4 to 30 days more``."""
    ends = {which: float(getattr(survival, which)) for which in ("ci_low", "ci_high")}
    low, high = (limited(f"{base}.{which}.size", abs(ends[which]), "days") for which in ends)
    if ends["ci_low"] < 0 < ends["ci_high"]:
        return (" between ", low, f" {plural(low, 'day', 'days')} fewer and ", high, " more")
    near, far, side = (low, high, "more") if ends["ci_low"] >= 0 else (high, low, "fewer")
    return (" of ", near, " to ", far, f" {plural(far, 'day', 'days')} {side}")


# --- Unmeasured needs ----------------------------------------------------------------------------


def unmeasured_statement(unmeasured: EValue | None, *, labels: Mapping[str, str]) -> Sentences:
    """Return how strong an unmeasured need would have to be to change the conclusion.

    Parameters
    ----------
    unmeasured : EValue or None
        From ``disclosure.clear_unmeasured``; None for a result that is not significant.
    labels : mapping of str to str
        What each variable is called in print.

    Returns
    -------
    Sentences
        One; nothing where there is no significant result.
    """
    if unmeasured is None:
        return Sentences(())
    base = f"{slug(unmeasured.analysis)}.{unmeasured.measure}.e_value"
    if unmeasured.limit <= 1:
        text = (
            "Even a slight difference between the groups that is not recorded, such as in drug "
            "relapse, homelessness or motivation, could make the headline result no longer "
            "significant."
        )
        return Sentences((Sentence.of(text),))
    return Sentences(
        (
            Sentence.of(
                "Something that is not recorded, such as drug relapse, homelessness or motivation, "
                "would make the headline result no longer significant only if, beyond all that was "
                "matched on, it made both taking part and reoffending at least ",
                scaled(f"{base}.limit", unmeasured.limit, "risk ratio", 1),
                " times as likely, or as unlikely",
                *_strongest(unmeasured, base, labels),
                ".",
            ),
        )
    )


def _strongest(unmeasured: EValue, base: str, labels: Mapping[str, str]) -> tuple[Part, ...]:
    name, ratio = unmeasured.strongest_variable, unmeasured.strongest_ratio
    if name is None or ratio is None:
        return ()
    variable, _, level = name.partition(": ")
    told = within(labels.get(variable, variable.replace("_", " ")))
    told = f"{told} ({proper(level)})" if level else told
    verdict = "so it would have to be stronger than anything recorded"
    if ratio >= unmeasured.limit:
        verdict = "so something as strong as that would be enough"
    return (
        "; the strongest recorded characteristic, ",
        *quoted(f"{base}.strongest_variable", told),
        ", reaches ",
        scaled(f"{base}.strongest_ratio", ratio, "risk ratio", 1),
        f" on the same scale, {verdict}",
    )


def bounds_table(bounds: Bounds) -> Table:
    """Return Rosenbaum's bounds of the 1:1 match.

    Parameters
    ----------
    bounds : Bounds
        From ``unmeasured.rosenbaum``.
    """
    rows = tuple(
        (
            Figure(f"rosenbaum.{place}.gamma", gamma, "odds ratio", number(gamma, 1)),
            p_value(f"rosenbaum.{place}.p_value", p),
        )
        for place, (gamma, p) in enumerate(zip(bounds.gamma, bounds.p, strict=True), start=1)
    )
    return Table(
        "bounds-table",
        "How much hidden selection the 1:1 match would stand (Rosenbaum bounds)",
        (
            "How many times likelier one of a pair may have been to take part",
            "Greatest one-sided p\u00a0value",
        ),
        rows,
        (
            "These bounds belong to a 1:1 match of the nearest, made only for this table, and not "
            "to the match that the report rests on. A hidden difference that strong could make the "
            "p\u00a0value as great as shown.",
        ),
    )


# --- The time that courts take -------------------------------------------------------------------


def court_delays_statement(delays: Delays, *, words: Words) -> Sentences:
    """Return how the time that courts take bears on the figures.

    Parameters
    ----------
    delays : outcomes.Delays
        Cleared, of the comparison group's offences within the year.
    words : Words

    Returns
    -------
    Sentences
        The rule; how many offences it left out, and how that changed over the years; how long a
        conviction took; that the rule is the same for both groups.
    """
    waiting = spelled("method.waiting_months", WAITING_MONTHS, "months")
    return Sentences(
        (
            Sentence.of(
                "An offence of the year counts only if it was proven by the end of the ",
                waiting,
                " months after the year. Where courts take longer, an offence goes uncounted.",
            ),
            _proven_late(delays, words),
            *_late_by_year(delays),
            *_time_to_conviction(delays),
            Sentence.of(
                "The rule is the same for both groups, so delays make both look as if they had "
                "reoffended somewhat less. They bear on the difference only as far as the cases of "
                "one group took longer than those of the other."
            ),
        )
    )


def _proven_late(delays: Delays, words: Words) -> Sentence:
    if is_missing(delays.offences):
        return Sentence.of("How many offences were proven too late to count is withheld.")
    offences = counted("delays.offences", delays.offences, "offences")
    lead: tuple[Part, ...] = (
        "Of about ",
        offences,
        f" offences that {words.people} in the comparison group committed within the year and that "
        "were proven by the end of the data, ",
    )
    if is_missing(delays.late):
        return Sentence.of(*lead, "how many were proven too late to count is withheld.")
    late = counted("delays.late", delays.late, "offences")
    part = share("delays.late_share", delays.late, int(delays.offences or 0))
    return Sentence.of(*lead, "about ", late, " (", part, ") were proven too late to count.")


YEARS_ALIKE = 0.01
"""Shares of two years that differ by no more are told without naming the years."""


def _late_by_year(delays: Delays) -> tuple[Sentence, ...]:
    if len(delays.years) < 2:
        return ()
    low, high = min(delays.years, key=_second), max(delays.years, key=_second)
    least, most = (percentage(f"delays.years.{year}.late", late) for year, late in (low, high))
    told = " in each year of an index date that is told."
    if least.text == most.text:
        return (Sentence.of("That share was ", least, told),)
    if round(high[1] - low[1], 2) <= YEARS_ALIKE:
        return (Sentence.of("That share was ", least, " or ", most, told),)
    return (
        Sentence.of(
            "That share was lowest, ",
            least,
            ", where the year of follow-up began in ",
            _year(low[0]),
            ", and highest, ",
            most,
            ", where it began in ",
            _year(high[0]),
            ".",
        ),
    )


def _second(pair: tuple[int, float]) -> float:
    return pair[1]


def _year(year: int) -> Figure:
    return Figure(f"delays.years.{year}", year, "year", str(year))


def _time_to_conviction(delays: Delays) -> tuple[Sentence, ...]:
    if is_missing(delays.median_days):
        return ()
    days = scaled("delays.median_days", delays.median_days, "days")
    return (
        Sentence.of(
            "Half of these offences led to a conviction within ",
            days,
            f" {plural(days, 'day', 'days')} of being committed.",
        ),
    )


# --- Other choices -------------------------------------------------------------------------------


def sensitivity_table(
    choices: Sequence[Choice],
    *,
    controls: Mapping[str, Effect | None] | None = None,
    significance: float = 0.05,
) -> Table:
    """Return the result on the rate by each other choice of the method.

    Parameters
    ----------
    choices : sequence of Choice
        From ``sensitivity.by_method`` and the like, the headline first.
    controls : mapping of str to Effect or None, optional
        The negative controls by their labels, from ``disclosure.clear_control``; None for one that
        has no result to show.
    significance : float
        Of each test.
    """
    shown = _shown(controls)
    notes = [
        "The first row is the headline analysis. The others are checks of it, not further "
        "findings, and are not counted among the tests made."
    ]
    if shown:
        last = "The last row is a negative control" if len(shown) == 1 else _LAST_ROWS
        notes.append(
            f"{last}: no programme can have had an effect there. A significant difference would "
            "show that the groups compared differ in something that is not recorded."
        )
    if any(choice.difference is None and choice.reason in (None, WITHHELD) for choice in choices):
        notes.append(
            f"{UNTOLD} Of rows with nearly the same people the conclusion is told all the same."
        )
    rows = [
        *(choice_cells(f"checks.{slug(choice.label)}", choice) for choice in choices),
        *(_control_row(label, control) for label, control in shown.items()),
    ]
    return Table(
        "sensitivity-table",
        "Effect on the one-year proven reoffending rate, by other choices of the method",
        (
            "What was changed",
            "Treatment group, people",
            "Comparison group, people",
            f"Estimated difference ({confidence(significance)}), percentage points",
            "p\u00a0value",
            "Groups alike",
            "Conclusion",
        ),
        tuple(rows),
        tuple(notes),
    )


_LAST_ROWS = "The last rows are negative controls"


def _shown(controls: Mapping[str, Effect | None] | None) -> dict[str, Effect]:
    """Return the negative controls that have a tested result to show."""
    given = (controls or {}).items()
    return {label: one for label, one in given if one is not None and has_range(one)}


def _control_row(label: str, control: Effect) -> tuple[Cell, ...]:
    name = f"checks.control.{slug(label)}"
    low, high = (
        limited(f"{name}.{which}", getattr(control, which), "percentage points", 0, 100)
        for which in ("ci_low", "ci_high")
    )
    found = "Significant difference" if direction(control) else "No significant difference"
    return (
        Sentence(quoted(f"{name}.label", capital(label))),
        NOT_APPLICABLE,
        NOT_APPLICABLE,
        Sentence.of(low, " to ", high),
        p_value(f"{name}.p_value", control.p_value),
        NOT_APPLICABLE,
        Tag(found, "red" if direction(control) else "grey"),
    )


def sensitivity_statement(
    choices: Sequence[Choice], *, controls: Mapping[str, Effect | None] | None = None
) -> Sentence:
    """Return whether the conclusion depends on the choices of the method.

    Parameters
    ----------
    choices : sequence of Choice
        The headline first.
    controls : mapping of str to Effect or None, optional
        As in `sensitivity_table`.

    Returns
    -------
    Sentence
        With a clause on each negative control.
    """
    headline, others = choices[0], choices[1:]
    if headline.conclusion == "suppressed":
        return Sentence.of(
            "The headline has no result that can be reported, so it was not checked against other "
            "choices of the method."
        )
    told = [choice for choice in others if choice.conclusion != "suppressed"]
    same = sum(choice.conclusion == headline.conclusion for choice in told)
    return Sentence.of(
        *_same(told, same, headline.conclusion, len(others)),
        *_silent(len(others) - len(told)),
        *(part for one in _shown(controls).items() for part in _controlled(*one)),
        ".",
    )


def _same(told: Sequence[Choice], same: int, conclusion: str, others: int) -> tuple[Part, ...]:
    if not told:
        return ("No other choice of the method gives a result to compare with",)
    if 2 * len(told) < others:
        return _barely(len(told), same, conclusion, others)
    many = spelled("checks.told", len(told), "choices")
    if same == len(told):
        all_ = {1: "the one", 2: "both"}.get(same, f"all {many.text}")
        return (
            f"The conclusion does not depend on the method: it is {CONCLUDED[conclusion]} in the "
            "headline analysis and with ",
            replace(many, text=all_),
            f" other {plural(many, 'choice', 'choices')} that gave a result",
        )
    unlike = spelled("checks.unlike", len(told) - same, "choices")
    each: tuple[Part, ...] = (unlike, " of ", many)
    if not same:
        all_ = {1: "the one", 2: "both"}.get(len(told), f"all {many.text}")
        each = (replace(many, text=all_),)
    return (
        f"The conclusion depends on the method: it is {CONCLUDED[conclusion]} in the headline "
        "analysis, but another with ",
        *each,
        f" other {plural(many, 'choice', 'choices')} that gave a result",
    )


def _barely(told: int, same: int, conclusion: str, others: int) -> tuple[Part, ...]:
    """Return what little is known where most other choices gave no result."""
    lead: tuple[Part, ...] = (
        "The conclusion could be checked with ",
        spelled("checks.told", told, "choices"),
        " of ",
        spelled("checks.others", others, "choices"),
        f" other choices only: it is {CONCLUDED[conclusion]} in the headline analysis, ",
    )
    if same == told:
        return (*lead, f"and the same with {'it' if told == 1 else 'them'}")
    if told == 1:
        return (*lead, "but another with it")
    unlike = spelled("checks.unlike", told - same, "choices")
    return (*lead, "but another with ", unlike, " of them")


def _silent(many: int) -> tuple[Part, ...]:
    if not many:
        return ()
    told = spelled("checks.silent", many, "choices")
    return (". For ", told, " more, no result can be given")


def _controlled(label: str, control: Effect) -> tuple[Part, ...]:
    name = f"checks.control.{slug(label)}.label"
    lead = (". The negative control “", *quoted(name, within(label)))
    if direction(control):
        return (
            *lead,
            "” shows a significant difference, which no programme can have made: the groups "
            "compared are unlike in something that is not recorded",
        )
    return (*lead, "” shows no significant difference")
