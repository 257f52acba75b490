"""Executed notebooks as the templates meet them, made from what a cell may publish."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import nbformat
import pandas as pd
from nbformat import NotebookNode

from jdl import charts, checks, findings, groups, people, scope
from jdl.analyses import Wanted
from jdl.balance import Verdict
from jdl.companion import Adjusted
from jdl.disclosure import Bounds, Cleared, Drawn, Told
from jdl.effects import ALL, Effect
from jdl.effects import Group as EffectGroup
from jdl.figures import Cell, Chart, Figure, Group, Result, Sentence, Sentences, Table, Tag
from jdl.matching import Attempt
from jdl.sensitivity import Choice
from jdl.survival import Survival
from jdl.unmeasured import Bounds as RosenbaumBounds
from jdl.unmeasured import EValue
from jdl.wording import Words

FACTS = ("Subject", "Detail")
MEASURE = ("Analysis", "Treatment group", "Comparison group", "Number in treatment group")
RESULT = (
    "Analysis",
    "Number in treatment group",
    "Number in comparison group",
    "Treatment group",
    "Comparison group",
    "Estimated difference",
    "Significant difference?",
    "p-value",
)


def cell(name: str, *shown: Any) -> NotebookNode:
    """Return an executed code cell that shows these objects."""
    outputs = [
        nbformat.v4.new_output("execute_result", data=item._repr_mimebundle_(), execution_count=1)
        for item in shown
    ]
    source = f'# why this step\n{name.replace("-", "_")} = show("{name}", 1.5)\n{name[:1]}'
    return nbformat.v4.new_code_cell(source, id=name, outputs=outputs, execution_count=1)


def not_run(name: str) -> NotebookNode:
    """Return a code cell that the run never reached."""
    return nbformat.v4.new_code_cell(f'show("{name}")', id=name)


def prose(name: str, source: str, *tags: str) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(source, id=name, metadata={"tags": list(tags)})


def number(name: str, value: float | None, unit: str = "people", text: str | None = None) -> Figure:
    if value is None:
        return Figure.withheld(name, unit)
    return Figure(name, value, unit, text if text is not None else f"{value:,}")


def share(name: str, value: float) -> Figure:
    return number(name, value, "proportion", f"{value:.0%}")


def drawing(name: str, values: list[float]) -> str:
    """Return bars, in the shape of a chart of the project."""
    bars = "".join(
        f'<rect x="120" y="{20 + 50 * i}" width="{max(4, value * 5)}" height="34" '
        f'fill="{"#12436d" if i % 2 == 0 else "#28a197"}"/>'
        f'<text x="110" y="{42 + 50 * i}" text-anchor="end" font-size="15">'
        f"Group {'ABCDEFGHIJ'[i]}</text>"
        for i, value in enumerate(values)
    )
    height = 30 + 50 * len(values)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 {height}" width="700" '
        f'height="{height}" font-family="Arial,sans-serif"><g id="{name}-bars">{bars}</g></svg>'
    )


def chart(name: str, title: str, values: dict[str, float]) -> Chart:
    rows = tuple(
        (label, share(f"{name}.{i}", value)) for i, (label, value) in enumerate(values.items())
    )
    alt: list[str | Figure] = [f"{title}. "]
    for label, figure in rows:
        alt += [f"{label}: ", figure, ". "]
    table = Table(f"{name}-numbers", f"Numbers of the chart: {title}", ("Group", "Share"), rows)
    return Chart(
        name,
        Sentence.of(title),
        "One-year proven reoffending, England and Wales",
        Sentence(tuple(alt)),
        drawing(name, [value * 100 for value in values.values()]),
        "Justice Data Lab, synthetic vintage",
        table,
    )


def result_row(
    name: str, analysis: str, values: tuple[float, float], unit: str
) -> tuple[Cell, ...]:
    treatment, comparison = values
    as_text = "{:.0%}" if unit == "proportion" else "{:.2f}"
    difference = treatment - comparison
    return (
        analysis,
        number(f"{name}.treatment-n", 872),
        number(f"{name}.comparison-n", 51_204),
        number(f"{name}.treatment", treatment, unit, as_text.format(treatment)),
        number(f"{name}.comparison", comparison, unit, as_text.format(comparison)),
        Sentence.of(
            number(f"{name}.low", difference - 0.04, unit, as_text.format(difference - 0.04)),
            " to ",
            number(f"{name}.high", difference + 0.04, unit, as_text.format(difference + 0.04)),
        ),
        Sentence.of("Yes"),
        number(f"{name}.p", 0.0004, "p-value", "<0.01"),
    )


def results(name: str, caption: str, *kinds: str, unit: str = "proportion") -> Table:
    values = (0.31, 0.39) if unit == "proportion" else (1.08, 1.46)
    rows = tuple(
        result_row(f"{name}.{i}", kind, values, unit) for i, kind in enumerate(kinds or ["All men"])
    )
    return Table(name, caption, RESULT, rows, ("[c] withheld to protect confidentiality.",))


def record(
    *, organisation: str, programme: str, synthetic: bool, status: str, **more: Any
) -> dict[str, Any]:
    return {
        "schema": 1,
        "request": {
            "id": "harbour-mentoring",
            "organisation": organisation,
            "programme": programme,
            "release": "2014-03",
        },
        "vintage": {"name": "synthetic-2013-10", "synthetic": synthetic},
        "release": {
            "published_at": "2014-03-13T09:30:00",
            "next_release": "2014-04-10",
            "lead_statistician": "Head of the justice data lab",
            "contact": "justice.data.lab@example.org",
        },
        "status": status,
        **more,
    }


def notebook(cells: list[NotebookNode]) -> NotebookNode:
    made = nbformat.v4.new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
    )
    made.nbformat_minor = 5
    nbformat.validate(made)
    return made


def without(source: NotebookNode, name: str) -> NotebookNode:
    """Return the notebook with the outputs and prose of one cell gone."""
    kept = nbformat.from_dict(source)
    kept.cells = [c for c in kept.cells if c.id != name]
    return kept


def request_facts(organisation: str, programme: str) -> Table:
    return Table(
        "request-facts",
        "About this request",
        FACTS,
        (
            ("Organisation", organisation),
            ("Programme", programme),
            (
                "What was provided",
                "A mentor meets each man weekly for three months before release and six months "
                "after it, and helps with housing, work and family ties.",
            ),
            (
                "How people were referred or chosen",
                "Prison staff refer men with less than six months to serve; all who ask are taken.",
            ),
            (
                "Request received",
                Figure("request.received", "2014-01-06", "date", "6 January 2014"),
            ),
        ),
    )


def criteria(met: bool) -> Table:
    return Table(
        "criteria",
        "Minimum criteria for an analysis",
        ("Criterion", "Required", "This request", "Result"),
        (
            (
                "People in the upload",
                number("criteria.people.required", 60),
                number("criteria.people.actual", 904 if met else 41),
                Tag("Met", "green") if met else Tag("Not met", "red"),
            ),
            ("Data sharing signed off", "Yes", "Yes", Tag("Met", "green")),
        ),
    )


def data_quality() -> list[NotebookNode]:
    return [
        cell(
            "data-quality",
            Table(
                "data-quality-table",
                "What was found in the upload",
                ("Observation", "Rows", "Remedy"),
                (
                    ("No date of birth", number("quality.dob", 7), "Ask for it at referral."),
                    ("PNC ID with a wrong check letter", number("quality.pnc", 12), "Copy it."),
                ),
            ),
        ),
        cell(
            "data-quality-note",
            Sentences(
                (
                    Sentence.of(
                        "A PNC ID was given for ", share("quality.pnc-share", 0.62), " of rows."
                    ),
                )
            ),
        ),
        cell(
            "linkage-table",
            Table(
                "linkage-table",
                "How people were found",
                ("How", "People", "Share"),
                (
                    ("By PNC ID", number("linkage.pnc", 561), share("linkage.pnc-share", 0.62)),
                    ("By name and date", number("linkage.name", 326), share("linkage.rest", 0.36)),
                    ("Not found", number("linkage.none", 17), share("linkage.none-share", 0.02)),
                ),
            ),
        ),
    ]


def how_found() -> list[NotebookNode]:
    """Return the cells that tell how people were found, made as the notebook makes them."""
    weights = pd.DataFrame(
        [
            ("forename", "exact", 0.89, 0.0046, 7.6),
            ("forename", "different", 0.017, 0.99, -5.9),
            ("date_of_birth", "exact", 0.95, 7e-5, 13.7),
            ("date_of_birth", "different", 0.003, 0.95, -8.3),
        ],
        columns=["field", "level", "m", "u", "weight"],
    )
    rates = pd.DataFrame(
        [
            ("sex", "male", 700, 0.87, 0.84, 0.9, None, None),
            ("sex", "female", 200, 0.75, 0.69, 0.8, None, None),
            ("age", "under 25", 12, *[None] * 5),
            ("identifier", "none given", 343, None, None, None, 0.7, 0.8),
        ],
        columns=["group", "level", "people", "share", "ci_low", "ci_high", "low", "high"],
    )
    choices = (
        Choice("headline", 872, 51204, -0.08, -0.12, -0.04, 0.0004, "reduction", True),
        Choice("certain passes only", 890, 51010, -0.07, -0.11, -0.02, 0.003, "reduction", True),
        Choice("a probability of 0.99", conclusion="reduction", accepted=True),
    )
    gains = pd.DataFrame(
        [
            ("PNC id or prison number", 343, None, 0.9, 1.0, None, 0.7, 0.8, 25, None),
            ("date of birth", 7, *[None] * 8),
        ],
        columns=[
            *("field", "rows_lacking", "share_with", "low_with", "high_with"),
            *("share_without", "low_without", "high_without", "gain", "fewer"),
        ],
    )
    checks = SimpleNamespace(
        decided=0, double_keyed=0, agreed=0, kappa=None, sampled=100, right=99, precision=0.99,
        low=0.946, high=0.998,
    )  # fmt: skip
    return [
        cell("weights", charts.weights_chart(weights, source="synthetic vintage")),
        cell(
            "linkage-review",
            Group(
                {
                    "review-statement": people.review_statement(
                        {"review": 37}, expected=12.0, checks=checks
                    ),
                    "error-statement": people.error_statement(3.2, 887),
                }
            ),
        ),
        cell(
            "linkage-rates",
            Group(
                {
                    "linkage-rates": people.linkage_rates(rates),
                    "linkage-rates-table": people.linkage_rates_table(rates),
                }
            ),
        ),
        cell(
            "linkage-sensitivity",
            Group(
                {
                    "linkage-sensitivity": people.linkage_sensitivity(choices),
                    "linkage-sensitivity-table": people.linkage_sensitivity_table(choices),
                }
            ),
        ),
        cell(
            "gains",
            Group(
                {
                    "gains-statement": people.gains_statement(gains),
                    "linkage-gains-table": people.linkage_gains_table(gains),
                }
            ),
        ),
    ]


CURVE = Survival(
    "headline", (0, 60, 120, 180, 240, 300, 365), (1.0, 0.95, 0.89, 0.83, 0.78, 0.73, 0.69),
    (1.0, 0.91, 0.83, 0.76, 0.70, 0.65, 0.61), 303.2, 281.9, 21.3, 8.4, 34.2, 0.001,
)  # fmt: skip
POOL = Drawn(61_204, 48_110, Bounds(890, 890), Bounds(2300, 2300), 0.0185, Bounds(120, 120))
GAPS = Told(True, Bounds(130, 130), Bounds(20, 20), 0.15, 31.0, 90.0, 28)
ATTEMPTS = (
    Attempt("caliper 0.2", Verdict(False, "age", 0.14, 40, 1, 1), (), 0),
    Attempt("caliper 0.1", Verdict(True, "age", 0.08, 40, 2, 0, ratios=12), (), 12),
)


def _effect(measure: str, difference: float, error: float, *, mean: float = 0.4) -> Effect:
    """Return a significant effect, if its interval leaves out nought."""
    low, high = difference - 2 * error, difference + 2 * error
    found = low > 0 or high < 0
    side = "reduction" if difference < 0 else "increase"
    ours = EffectGroup(872, 872, mean + difference, 0.5, 872.0)
    theirs = EffectGroup(51_204, 49_870, mean, 0.5, 21_000.0)
    return Effect(
        "headline", measure, ours, theirs, difference, low, high, 0.004 if found else 0.3, 900.0,
        found, side if found else "inconclusive", ALL[measure].favourable, None, None, 0.03,
    )  # fmt: skip


def effects() -> dict[str, Effect]:
    """Return headline measures, two among reoffenders, and their versions for everyone."""
    return {
        "rate": _effect("rate", -0.08, 0.02),
        "frequency": _effect("frequency", -0.38, 0.09, mean=1.4),
        "days_to_first": _effect("days_to_first", -6.0, 7.0, mean=150.0),
        "first_custody": _effect("first_custody", -0.09, 0.03),
        "time_without_reoffence": _effect("time_without_reoffence", 21.3, 6.0, mean=282.0),
        "first_custody_everyone": _effect("first_custody_everyone", -0.06, 0.02, mean=0.15),
    }


def _adjusted() -> dict[str, Adjusted]:
    told = {"errors": "CR2 by place", "places": 9, "p_value": 0.002}
    return {
        "rate": Adjusted(
            "headline", "rate", "logistic", -0.075, 0.02, -0.115, -0.035, conclusion="reduction",
            **told,
        ),
        "frequency": Adjusted(
            "headline", "frequency", "quasi-Poisson", -0.2, 0.12, -0.45, 0.05,
            conclusion="inconclusive", **(told | {"p_value": 0.11}),
        ),
    }  # fmt: skip


def checked() -> list[NotebookNode]:
    """Return the cells that check the result, made as the notebook makes them."""
    found, made, words = effects(), _adjusted(), Words.of("male")
    choices = (
        Choice("as reported", 872, 51204, -0.08, -0.12, -0.04, 0.0004, "reduction", True),
        Choice("caliper of 0.05", 850, 42010, -0.07, -0.11, -0.02, 0.003, "reduction", True),
        Choice("without age", conclusion="reduction", accepted=True),
    )
    controls = {"Outcome before the index date": _effect("rate", 0.01, 0.02)}
    clink = {"programme": "Harbour Mentoring", "release": "2013-11", "rate_result": "inconclusive"}
    return [
        cell(
            "adjusted",
            Group(
                {
                    "adjusted-statement": checks.adjusted_statement(found, made),
                    "adjusted-table": checks.adjusted_table(found, made),
                    "places-statement": checks.places_statement(
                        9, kind="prison", words=words, beside="Within the same prisons"
                    ),
                    "everyone-table": checks.everyone_table(found.values(), labels={}),
                }
            ),
        ),
        cell(
            "survival",
            Group(
                {
                    "survival-statement": checks.survival_statement(CURVE, words=words),
                    "survival-chart": charts.survival_chart(
                        CURVE, words=words, source="synthetic vintage"
                    ),
                }
            ),
        ),
        cell(
            "method-sensitivity",
            Group(
                {
                    "unmeasured-statement": checks.unmeasured_statement(
                        EValue("headline", "rate", 2.2, 1.6, "drugs", 1.3), labels={}
                    ),
                    "bounds-table": checks.bounds_table(
                        RosenbaumBounds((1.0, 1.5), (0.001, 0.08), "fewer", 800, 300)
                    ),
                    "sensitivity-statement": checks.sensitivity_statement(
                        choices, controls=controls
                    ),
                    "sensitivity-table": checks.sensitivity_table(choices, controls=controls),
                }
            ),
        ),
        cell(
            "looks",
            scope_group(found, clink, words),
        ),
        cell("made-of", made_of(words)),
    ]


def scope_group(found: dict[str, Effect], earlier: dict[str, str], words: Words) -> Group:
    """Return what the report says of its analyses."""
    took_part = pd.DataFrame(
        {"participation": ["completed", "started"], "people": [600, 272], "share": [0.69, 0.31]}
    ).assign(rate=[0.27, 0.38])
    planned = [Wanted("headline", "Headline, national", frozenset())]
    return Group(
        {
            "look-statement": scope.look_statement(
                [earlier], new=None, pooled=found["rate"], words=words
            ),
            "analyses-list": scope.analyses_list(
                planned, {"headline": Cleared(found, ())},
                matched_on={False: "demographics, sentence, criminal history and work"},
            ),
            "participation-table": scope.participation_table(took_part, words=words),
            "multiplicity-statement": findings.multiplicity_statement(found.values()),
            "multiplicity-table": scope.multiplicity_table(found.values(), labels={}),
        }
    )  # fmt: skip


def made_of(words: Words) -> Group:
    """Return how the groups came about."""
    seconds = pd.DataFrame(
        {"variable": ["age squared"], "level": [""], "smd_before": [0.2], "smd_after": [0.03]}
    ).assign(variance_ratio_before=1.9, variance_ratio_after=1.1, band_after="green")
    matched = SimpleNamespace(
        attempts=ATTEMPTS, accepted=True, specification=SimpleNamespace(name="caliper 0.1")
    )
    return Group(
        {
            "pool-statement": groups.pool_statement(POOL, words=words, repeated=True),
            "gap-statement": groups.gap_statement(GAPS, leads=True, words=words),
            "attempts-statement": groups.attempts_statement(matched),
            "attempts-table": groups.attempts_table([("Headline", one) for one in ATTEMPTS]),
            "second-order-statement": groups.second_order_statement(
                seconds, ATTEMPTS[1].verdict, labels={}
            ),
            "second-order-table": groups.second_order_table(seconds, labels={}),
        }
    )


METHODS = """## How it was done

People were found in the national data by name, date of birth and identifiers.

### Matching

Each person is compared with *similar* people who did not take part:

- the score comes from a logistic regression;
- people within a fixed distance are averaged.

<script>alert(1)</script>
"""
LIMITS = """## Limits

Motivation, drug relapse and homelessness are not recorded and could not be matched on.
"""


def _tables(sub: str) -> list[NotebookNode]:
    rate, frequency = "proportion", "reoffences per person"
    kinds = ("All men", sub)
    return [
        cell("table-rate", results("table-rate", "One-year proven reoffending rate", *kinds)),
        cell(
            "table-frequency",
            results("table-frequency", "Reoffences per person", *kinds, unit=frequency),
        ),
        cell("table-days", results("table-days", "Days to the first reoffence", unit="days")),
        cell(
            "table-first-court-outcome",
            results("table-first-court-outcome", "Court outcome of the first reoffence", unit=rate),
        ),
        cell(
            "table-court-outcome-frequency",
            results("table-court-outcome-frequency", "Reoffences by court outcome", unit=frequency),
        ),
        cell("table-first-custody", results("table-first-custody", "Custody at first reoffence")),
        cell(
            "table-custody-frequency",
            results("table-custody-frequency", "Custodial sentences per person", unit=frequency),
        ),
    ]


def _evidence() -> list[NotebookNode]:
    levels = ("0 to 2", "3 to 6", "7 to 10", "11 or more")
    profile = Table(
        "profile-table",
        "Characteristics of the treatment group, weighted",
        ("Characteristic", "Group", "Share"),
        tuple(
            ("Previous convictions", level, share(f"profile.{i}", 0.1 + 0.1 * i))
            for i, level in enumerate(levels)
        ),
    )
    balance = Table(
        "balance-table",
        "Standardised differences before and after matching",
        ("Variable", "Before", "After", "Band"),
        tuple(
            (
                f"Variable {i}",
                number(f"balance.{i}.before", 0.213 - i / 100, "SD", f"{0.213 - i / 100:.3f}"),
                number(f"balance.{i}.after", -0.0004, "SD", "0.000"),
                Tag("Well matched", "green"),
            )
            for i in range(30)
        ),
    )
    bands = {"Well matched": 0.92, "Reasonably matched": 0.08, "Poorly matched": 0.0}
    return [
        cell("profile-table", profile),
        cell("balance-statement", Sentence.of("The groups were well matched on all variables.")),
        cell(
            "balance",
            Group(
                {
                    "balance-summary": Table(
                        "balance-summary",
                        "How well the groups match",
                        ("Band", "Variables"),
                        (
                            (Tag("Well matched", "green"), number("balance.greens", 38)),
                            (Tag("Reasonably matched", "amber"), number("balance.ambers", 4)),
                            (Tag("Poorly matched", "red"), number("balance.reds", 0)),
                        ),
                    ),
                    "balance-table": balance,
                    "balance-chart": chart(
                        "balance-chart", "Matching made the groups alike", bands
                    ),
                }
            ),
        ),
    ]


def _funnel() -> list[NotebookNode]:
    steps = (
        ("In the upload", 904, 1.0),
        ("Not found in the national data", 17, 0.02),
        ("No sentence at the right time", 9, 0.01),
        ("No close match", 6, 0.007),
        ("Analysed", 872, 0.96),
    )
    return [
        cell(
            "funnel-table",
            Table(
                "funnel-table",
                "From the people in the upload to the treatment group",
                ("Step", "People", "Share of the upload"),
                tuple(
                    (
                        label,
                        number(f"funnel.{i}", people),
                        number(
                            f"funnel.{i}.share",
                            of,
                            "proportion",
                            f"{of:.0%}" if of >= 0.01 else "<1%",
                        ),
                    )
                    for i, (label, people, of) in enumerate(steps)
                ),
            ),
        ),
        cell(
            "funnel-chart",
            chart("funnel-chart", "Most people could be analysed", {s[0]: s[2] for s in steps}),
        ),
    ]


def _findings(programme: str) -> list[NotebookNode]:
    low, high = (
        number("headline.low", 4.1, "people", "4"),
        number("headline.high", 12.3, "people", "12"),
    )
    effect = Sentence.of(
        "The number who commit a proven reoffence in a year could be lower by between ",
        low,
        " and ",
        high,
        " men. This is a statistically significant result.",
    )
    return [
        cell(
            "overall-result",
            Sentence.of(
                f"Men who took part in {programme} reoffended less than the comparison group over "
                "the year after release from custody. This is a statistically significant result."
            ),
        ),
        cell(
            "headline-sentence",
            Sentence.of(
                "The headline analysis looks at ",
                number("headline.treatment-n", 872),
                " men released between ",
                Figure("headline.from", "2008-01-02", "date", "2 January 2008"),
                " and ",
                Figure("headline.to", "2011-12-29", "date", "29 December 2011"),
                ", beside ",
                number("headline.comparison-n", 51_204),
                " similar men.",
            ),
        ),
        cell(
            "measurements",
            Table(
                "measurements",
                "For 100 typical men in each group, over one year",
                ("Measure", "Treatment group", "Comparison group", "Difference"),
                tuple(
                    (
                        label,
                        number(f"m.{i}.t", a, "people"),
                        number(f"m.{i}.c", b, "people"),
                        Sentence.of(number(f"m.{i}.d", b - a, "people"), words),
                    )
                    for i, (label, a, b, words) in enumerate(
                        [
                            ("Men who reoffend", 31, 39, " fewer men"),
                            ("Proven reoffences", 108, 146, " fewer reoffences"),
                            ("Days before the first reoffence", 171, 152, " days later"),
                        ]
                    )
                ),
            ),
        ),
        cell(
            "blocks",
            Group(
                {
                    "estimates-lead": Sentence.of("For 100 typical men who receive support:"),
                    "estimates": Sentences((effect, effect)),
                }
            ),
        ),
        cell("can-say", Sentences((effect,))),
        cell(
            "cannot-say",
            Sentences(
                (
                    Sentence.of("That the programme caused a change of one exact size."),
                    Sentence.of("That men were a given share less likely to reoffend."),
                )
            ),
        ),
        cell(
            "chart-rate", chart("chart-rate", "Fewer men reoffended", {"Men": 0.31, "Others": 0.39})
        ),
        cell("chart-frequency", chart("chart-frequency", "They did so less often", {"Men": 0.3})),
        cell("chart-time", chart("chart-time", "They did so later", {"Men": 0.5, "Others": 0.4})),
        cell(
            "sizes-table",
            Table(
                "sizes-table",
                "Sizes of the groups",
                ("Analysis", "Treatment group", "Comparison group", "Reoffenders"),
                (
                    ("All men", number("s.t", 872), number("s.c", 51_204), number("s.r", 270)),
                    (
                        "Aged under 25",
                        number("s2.t", 96),
                        number("s2.c", 9_114),
                        number("s2.r", None),
                    ),
                ),
            ),
        ),
        cell("significant-results", Sentences((effect,))),
    ]


def report(
    organisation: str = "Harbour Trust",
    programme: str = "Harbour Mentoring",
    *,
    synthetic: bool = True,
) -> NotebookNode:
    """Return the executed report of a request with a significant reduction."""
    reported = {
        "funnel": [],
        "analyses": [
            {
                "id": "headline",
                "headline": True,
                "measures": [{"measure": "rate", "conclusion": "reduction"}],
            }
        ],
    }
    content = record(
        organisation=organisation,
        programme=programme,
        synthetic=synthetic,
        status="reported",
        **reported,
    )
    needed = Sentence.of("About ", number("needed", 2_410), " men would be needed in all.")
    return notebook(
        [
            prose("title", "# Tailored report\n\nOne request in, one report out."),
            cell("request-facts", request_facts(organisation, programme)),
            cell("criteria", criteria(met=True)),
            cell("record-stopped"),
            prose("why-linking", "## Find the person\n\nNames are spelled in many ways: $x^2$."),
            *data_quality(),
            *how_found(),
            *_findings(programme),
            *checked(),
            *_tables("Aged under 25"),
            cell("numbers-needed", Sentences((needed,))),
            *_evidence(),
            *_funnel(),
            cell(
                "method-table",
                Table("method-table", "The choices", ("Choice", "Value"), (("Caliper", "narrow"),)),
            ),
            prose("methods", METHODS, "report"),
            prose("limits", LIMITS, "report"),
            cell("plan", Sentence.of("The plan was fixed before outcomes were read.")),
            cell("record", Result(content)),
        ]
    )


def stopped(
    organisation: str = "Small Steps",
    programme: str = "Small Steps Together",
    *,
    status: str = "not processed",
) -> NotebookNode:
    """Return the executed notebook of a request that did not meet the criteria."""
    content = record(organisation=organisation, programme=programme, synthetic=True, status=status)
    reason = Sentence.of(
        "The upload has ",
        number("criteria.people.actual", 41),
        " people; at least ",
        number("criteria.people.required", 60),
        " are needed.",
    )
    return notebook(
        [
            prose("title", "# Tailored report"),
            cell("request-facts", request_facts(organisation, programme)),
            cell("criteria", criteria(met=False)),
            cell("outcome-notice", Sentences((reason,))),
            cell("record-stopped", Result(content)),
            cell("stop"),
            prose("after", "## What comes later"),
            not_run("overall-result"),
            not_run("record"),
        ]
    )


def _requests() -> Table:
    rows = tuple(
        (
            name,
            "Voluntary and community",
            "Mentoring",
            Figure(f"request.{i}.release", "2014-03", "month", "March 2014"),
            number(f"request.{i}.n", 60 + 97 * i),
            Sentence.of(
                number(f"request.{i}.low", -12.0 + i, "percentage points", f"{-12 + i}"),
                " to ",
                number(f"request.{i}.high", -1.0 + i, "percentage points", f"{-1 + i}"),
            ),
            Tag("Inconclusive", "grey") if i % 3 else Tag("Reduction", "green"),
        )
        for i, name in enumerate(
            f"{who} {what}"
            for who in ("Harbour", "Kestrel", "Lantern", "Orchard", "Bridge")
            for what in ("Mentoring", "Housing Support", "Family Days", "Workshop", "Gardens")
        )
    )
    header = ("Request", "Sector", "Type", "Release", "People", "Difference in points", "Result")
    return Table("results-table", "Requests and results, most recent first", header, rows)


def _counts(name: str, caption: str, labels: tuple[str, ...]) -> Table:
    header = ("Group", "Reduction", "Inconclusive", "Increase", "All")
    rows = tuple(
        (label, *(number(f"{name}.{i}.{j}", 3 * i + j) for j in range(4)))
        for i, label in enumerate(labels)
    )
    return Table(name, caption, header, rows)


RELEASE_FACTS = Table(
    "release-facts",
    "About this release",
    FACTS,
    (
        ("Published", Figure("release.published", "2014-03-13", "date", "13 March 2014, 9:30am")),
        ("Next release", Figure("release.next", "2014-04-10", "date", "10 April 2014")),
        ("Lead statistician", "Head of the Justice Data Lab"),
        ("Contact", "justice.data.lab@example.org"),
        ("Pre-release access", "Secretary of State; Permanent Secretary; press officers"),
    ),
)


def _to_date() -> list[NotebookNode]:
    types = ("Mentoring", "Education", "Employment", "Family")
    sectors = ("Voluntary and community", "Private", "Public")
    spread = {name: 0.1 * i for i, name in enumerate(types, start=1)}
    return [
        cell(
            "outcomes-to-date",
            Sentence.of("Of the ", number("complete", 57), " reports, most are inconclusive."),
        ),
        cell("results-chart", chart("results-chart", "Most intervals include nought", spread)),
        cell("by-type-table", _counts("by-type-table", "Results by type", types)),
        cell("by-type-chart", chart("by-type-chart", "Mentoring is most common", spread)),
        cell("by-sector-table", _counts("by-sector-table", "Results by sector", sectors)),
        cell("by-sector-chart", chart("by-sector-chart", "Most are voluntary", {"Voluntary": 0.7})),
        cell("pooled-findings", Sentence.of("The direction is clear for none of the types.")),
        cell("pooled-chart", chart("pooled-chart", "No direction is clear", spread)),
        cell("pooled-table", _counts("pooled-table", "Results put together", types)),
    ]


def bulletin(organisation: str = "Harbour Trust", *, synthetic: bool = True) -> NotebookNode:
    """Return the executed bulletin of March 2014."""
    row = {
        "id": "harbour-mentoring",
        "organisation": organisation,
        "programme": "Harbour Mentoring",
        "measure": "rate",
        "difference": -0.08,
        "p_value": None,
    }
    content = {
        "schema": 1,
        "release": "2014-03",
        "counts": {
            "received": 80,
            "published": 55,
            "ready": 2,
            "not_processed": 12,
            "withdrawn": 1,
            "remaining": 10,
        },
        "vintage": {"name": "synthetic-2013-10", "synthetic": synthetic},
        "results": [row, {**row, "measure": "frequency", "difference": -0.3}],
        "history": [row],
    }
    return notebook(
        [
            prose("title", "# Bulletin"),
            cell(
                "reconciliation",
                Table(
                    "reconciliation",
                    "Requests received, and what became of them",
                    ("Status", "Requests"),
                    tuple(
                        (label, number(f"counts.{i}", count))
                        for i, (label, count) in enumerate(
                            [
                                ("Received", 80),
                                ("Published before", 55),
                                ("Ready for publication", 2),
                                ("Could not be processed", 12),
                                ("Requests withdrawn", 1),
                                ("Remaining", 10),
                            ]
                        )
                    ),
                ),
            ),
            cell(
                "main-findings",
                Sentences(
                    (
                        Sentence.of(
                            "To date, the Justice Data Lab has received ",
                            number("counts.0", 80),
                            " requests for re-offending information.",
                        ),
                        Sentence.of("The remaining requests will be published in future."),
                    )
                ),
            ),
            cell(
                "this-month-lead",
                Sentence.of("Of the reports being published this month:"),
            ),
            cell(
                "this-month",
                Sentences(
                    (
                        Sentence.of(
                            f"One report looks at the effectiveness of the programme run by "
                            f"{organisation}. This analysis shows a reduction."
                        ),
                    )
                ),
            ),
            *_to_date(),
            cell("results-table", _requests()),
            cell(
                "not-processed-table",
                Table(
                    "not-processed-table",
                    "Requests not processed, by reason",
                    ("Reason", "Requests"),
                    (("Too few people", number("np.people", 12)),),
                ),
            ),
            cell(
                "service-update",
                Sentences((Sentence.of("The service continues to be free at the point of use."),)),
            ),
            cell("release-facts", RELEASE_FACTS),
            cell("record", Result(content)),
        ]
    )
