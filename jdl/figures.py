"""The register of figures: every published number, with the cell that made it.

A notebook publishes by displaying one of these objects. Its output then holds the text, the HTML
and, under `MIME`, the figures themselves; the executed notebook is the record, and pages, files and
``figures.json`` are renderings of it. Nothing else that a cell shows reaches a page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from jdl.effects import EVERYONE, MEASURES

if TYPE_CHECKING:
    import pandas as pd

    from jdl.balance import Verdict
    from jdl.companion import Adjusted
    from jdl.effects import Effect
    from jdl.log import Release
    from jdl.matching import Matched
    from jdl.national import Vintage
    from jdl.request import Criterion
    from jdl.sensitivity import Choice
    from jdl.survival import Survival

MIME = "application/vnd.jdl+json"
SCHEMA = "jdl-result-1"
SUPPRESSED = "[c]"
LONG = 20
_ID = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")


@dataclass(frozen=True)
class Figure:
    """One published number or date.

    Parameters
    ----------
    id : str
        Its name in the register, such as ``headline.rate.difference``; one value per name.
    value : float, int, str or None
        At full precision, after disclosure control; None when suppressed.
    unit : str
        Such as ``people``, ``proportion``, ``percentage points``, ``days``.
    text : str
        As printed.
    suppressed : bool
        Whether disclosure control withheld it; then `value` is None and `text` is ``[c]``.
    mark : str
        Shorthand printed behind the number, such as ``[u]`` for low reliability.
    """

    id: str
    value: float | int | str | None
    unit: str
    text: str
    suppressed: bool = False
    mark: str = ""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"a figure's id is lower-case words joined by . _ or -: {self.id!r}")
        if self.suppressed != (self.value is None):
            raise ValueError(f"a figure has no value exactly when it is suppressed: {self.id}")

    @classmethod
    def withheld(cls, name: str, unit: str) -> Figure:
        """Return the figure that stands where disclosure control withheld one."""
        return cls(name, None, unit, SUPPRESSED, suppressed=True)

    @property
    def printed(self) -> str:
        """The text, and the mark behind it."""
        return f"{self.text} {self.mark}" if self.mark else self.text

    @property
    def html(self) -> str:
        """The printed text, carrying its exact value and its name in the register."""
        value = "" if self.value is None else escape(str(self.value))
        told = f'<data value="{value}" data-figure="{self.id}">{escape(self.text)}</data>'
        return f"{told} {escape(self.mark)}" if self.mark else told

    def record(self) -> dict[str, Any]:
        """Return the entry of ``figures.json``, but for the cell, which the notebook knows."""
        return {
            "id": self.id,
            "value": self.value,
            "unit": self.unit,
            "text": self.text,
            "suppressed": self.suppressed,
            **({"mark": self.mark} if self.mark else {}),
        }


Part = str | Figure


class _Published:
    """What a cell may show on a page."""

    kind = ""

    @property
    def text(self) -> str:
        """The words and printed figures, for a terminal and for tests."""
        raise NotImplementedError

    @property
    def html(self) -> str:
        """The same for a page; each figure carries its name in the register."""
        raise NotImplementedError

    def figures(self) -> Iterator[Figure]:
        """Yield the figures shown, in reading order."""
        raise NotImplementedError

    def content(self) -> dict[str, Any]:
        """Return the structure without the figures, for spreadsheets and checks."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        record = {
            "kind": self.kind,
            **self.content(),
            "figures": [figure.record() for figure in self.figures()],
        }
        return {"text/plain": self.text, "text/html": self.html, MIME: record}


@dataclass(frozen=True)
class Sentence(_Published):
    """Words and figures in reading order; spaces are in the words."""

    parts: tuple[Part, ...]
    kind = "sentence"

    @classmethod
    def of(cls, *parts: Part) -> Sentence:
        """Return the sentence made of these parts."""
        return cls(parts)

    @property
    def text(self) -> str:
        return "".join(part if isinstance(part, str) else part.printed for part in self.parts)

    @property
    def inner(self) -> str:
        """The HTML without a paragraph around it."""
        return "".join(
            escape(part, quote=False) if isinstance(part, str) else part.html for part in self.parts
        )

    @property
    def html(self) -> str:
        return f"<p>{self.inner}</p>"

    def figures(self) -> Iterator[Figure]:
        yield from (part for part in self.parts if isinstance(part, Figure))

    def content(self) -> dict[str, Any]:
        return {"parts": [p if isinstance(p, str) else {"figure": p.id} for p in self.parts]}


@dataclass(frozen=True)
class Sentences(_Published):
    """A list of sentences, shown as bullets."""

    items: tuple[Sentence, ...]
    kind = "sentences"

    @property
    def text(self) -> str:
        return "\n".join(f"- {item.text}" for item in self.items)

    @property
    def html(self) -> str:
        return "<ul>" + "".join(f"<li>{item.inner}</li>" for item in self.items) + "</ul>"

    def figures(self) -> Iterator[Figure]:
        for item in self.items:
            yield from item.figures()

    def content(self) -> dict[str, Any]:
        return {"items": [item.content()["parts"] for item in self.items]}


@dataclass(frozen=True)
class Tag:
    """A word shown as a coloured label; the word alone carries the meaning.

    Parameters
    ----------
    text : str
    tone : {'green', 'amber', 'red', 'grey', 'blue'}
    """

    text: str
    tone: str


@dataclass(frozen=True)
class Link:
    """Words that lead to another file of the release.

    Parameters
    ----------
    text : str
    href : str
        Relative to the folder of the page.
    """

    text: str
    href: str


Cell = str | Figure | Sentence | Tag | Link


def _cell_text(cell: Cell) -> str:
    if isinstance(cell, Figure):
        return cell.printed
    return cell if isinstance(cell, str) else cell.text


def _cell_html(cell: Cell) -> str:
    if isinstance(cell, str):
        return escape(cell, quote=False)
    if isinstance(cell, Tag):
        return f'<strong class="tag tag-{cell.tone}">{escape(cell.text)}</strong>'
    if isinstance(cell, Link):
        return f'<a href="{escape(cell.href)}">{escape(cell.text, quote=False)}</a>'
    return cell.inner if isinstance(cell, Sentence) else cell.html


_NUMERIC = ' class="numeric"'
_WORDS = frozenset({"date", "month", "hash", "as stated"})
_SHORTHAND = re.compile(r"\[[a-z]+\]")


def _is_numeric(column: Sequence[Cell]) -> bool:
    """Whether a column holds numbers: figures and intervals, or shorthand in their place."""
    return any(map(_is_number, column)) and all(
        _is_number(cell) or (isinstance(cell, str) and bool(_SHORTHAND.fullmatch(cell)))
        for cell in column
    )


def _is_number(cell: Cell) -> bool:
    if isinstance(cell, Figure):
        return cell.unit not in _WORDS
    return isinstance(cell, Sentence) and _is_interval(cell)


def _is_interval(cell: Sentence) -> bool:
    return len(cell.parts) == 3 and cell.parts[1] == " to "


def _row_html(row: Sequence[Cell], numeric: Sequence[bool]) -> str:
    first = _header_html(row[0])
    rest = (_data_html(cell, flag) for cell, flag in zip(row[1:], numeric[1:], strict=True))
    return f"<tr>{first}{''.join(rest)}</tr>"


def _header_html(cell: Cell) -> str:
    if isinstance(cell, Figure) and not cell.mark:
        return f'<th scope="row" data-figure="{cell.id}">{escape(cell.text)}</th>'
    return f'<th scope="row">{_cell_html(cell)}</th>'


def _data_html(cell: Cell, numeric: bool) -> str:
    """Return a cell; its exact value is in the register and in the spreadsheet."""
    if numeric and isinstance(cell, Figure) and not cell.mark:
        return f'<td data-figure="{cell.id}">{escape(cell.text)}</td>'
    if isinstance(cell, Sentence) and _is_interval(cell):
        return f'<td class="{"numeric" if numeric else "whole"}">{_cell_html(cell)}</td>'
    return f"<td{_NUMERIC if numeric else ''}>{_cell_html(cell)}</td>"


def _cell_figures(cell: Cell) -> Iterator[Figure]:
    if isinstance(cell, Figure):
        yield cell
    elif isinstance(cell, Sentence):
        yield from cell.figures()


def _cell_content(cell: Cell) -> Any:
    if isinstance(cell, Figure):
        return {"figure": cell.id}
    return cell.content()["parts"] if isinstance(cell, Sentence) else _cell_text(cell)


@dataclass(frozen=True)
class Table(_Published):
    """A table for a page and for a spreadsheet.

    Parameters
    ----------
    id : str
        Its name, unique in the notebook: the anchor on the page and the sheet's name.
    caption : str
        What it shows: measure, people, period.
    header : tuple of str
        One non-empty, unique name a column.
    rows : tuple of tuple of Cell
        The first cell of a row is its header. No cell is blank.
    notes : tuple of str
        Printed below it.
    """

    id: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = field(default=())
    kind = "table"

    def __post_init__(self) -> None:
        if len(set(self.header)) < len(self.header) or not all(self.header):
            raise ValueError(f"table {self.id}: header names must be unique and not empty")
        for row in self.rows:
            if len(row) != len(self.header) or any(_cell_text(cell) == "" for cell in row):
                raise ValueError(f"table {self.id}: every row fills every column")

    @property
    def text(self) -> str:
        cells = [list(self.header), *([_cell_text(cell) for cell in row] for row in self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.header))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]
        return "\n".join([self.caption, *lines, *self.notes])

    @property
    def html(self) -> str:
        """The table; in a column of numbers each cell carries the name of its figure itself."""
        columns = [[row[place] for row in self.rows] for place in range(len(self.header))]
        numeric = [place > 0 and _is_numeric(column) for place, column in enumerate(columns)]
        head = "".join(
            f'<th scope="col"{_NUMERIC if flag else ""}>{escape(name, quote=False)}</th>'
            for name, flag in zip(self.header, numeric, strict=True)
        )
        body = "".join(_row_html(row, numeric) for row in self.rows)
        notes = "".join(f'<p class="note">{escape(note, quote=False)}</p>' for note in self.notes)
        size = "table long" if len(self.rows) > LONG else "table"
        return (
            f'<div class="{size}" role="region" aria-labelledby="{self.id}-caption" tabindex="0">'
            f'<table id="{self.id}"><caption id="{self.id}-caption">'
            f"{escape(self.caption, quote=False)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}</div>"
        )

    def figures(self) -> Iterator[Figure]:
        for row in self.rows:
            for cell in row:
                yield from _cell_figures(cell)

    def content(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "caption": self.caption,
            "header": list(self.header),
            "rows": [[_cell_content(cell) for cell in row] for row in self.rows],
            "notes": list(self.notes),
        }


_BEHIND = "The numbers behind this chart"
_STEP = re.compile(r'<text[^>]* data-scale="(\w+)"[^>]*>([^<]*)<')


@dataclass(frozen=True)
class Chart(_Published):
    """A chart drawn from cleared aggregates, with the table behind it.

    Parameters
    ----------
    id : str
        Its name, unique in the notebook.
    title : Sentence
        The finding.
    subtitle : str
        Measure, people, period.
    alt : Sentence
        What the chart says, numbers included, for those who do not see it.
    svg : str
        The drawing, a whole ``<svg>`` element with fixed ids and no date.
    source : str
        Where the data come from.
    table : Table
        The numbers drawn.
    folded : bool
        Whether the table is folded in below the drawing; otherwise the drawing leads to it, where
        it stands on the same page under its own id.
    """

    id: str
    title: Sentence
    subtitle: str
    alt: Sentence
    svg: str
    source: str
    table: Table
    folded: bool = True
    kind = "chart"

    def __post_init__(self) -> None:
        if self.alt.text == self.title.text or len(self.alt.text) < 20:
            raise ValueError(f"chart {self.id}: the description must say what the chart says")

    @property
    def text(self) -> str:
        return f"{self.title.text}\n{self.subtitle}\n{self.alt.text}\n{self.table.text}"

    @property
    def html(self) -> str:
        svg = self.svg.replace("<svg", f'<svg role="img" aria-label="{escape(self.alt.text)}"', 1)
        return (
            f'<figure id="{self.id}"><figcaption><strong>{self.title.inner}</strong>'
            f"<span>{escape(self.subtitle, quote=False)}</span></figcaption>"
            f'{svg}<p class="source">Source: {escape(self.source, quote=False)}</p>'
            f"{self._numbers}</figure>"
        )

    @property
    def _numbers(self) -> str:
        if not self.folded:
            return f'<p class="behind"><a href="#{self.table.id}">{_BEHIND}</a></p>'
        return f"<details><summary>{_BEHIND}</summary>{self.table.html}</details>"

    def figures(self) -> Iterator[Figure]:
        yield from self.title.figures()
        yield from self.alt.figures()
        yield from self.table.figures()

    def content(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.title.content()["parts"],
            "subtitle": self.subtitle,
            "alt": self.alt.content()["parts"],
            "source": self.source,
            "table": self.table.content(),
            "scales": self._scales(),
        }

    def _scales(self) -> dict[str, list[str]]:
        """Return the steps of each scale as they are written: the only numbers not figures."""
        steps = _STEP.findall(self.svg)
        return {name: [said for one, said in steps if one == name] for name in dict(steps)}


@dataclass(frozen=True)
class Group(_Published):
    """Several things that one cell shows together; a page places each by its own name.

    Parameters
    ----------
    parts : dict of str to published object
        By the name under which a page asks for it, in reading order; None is left out.
    """

    parts: dict[str, _Published]
    kind = "group"

    def __post_init__(self) -> None:
        held = {name: part for name, part in self.parts.items() if part is not None}
        object.__setattr__(self, "parts", held)

    @property
    def text(self) -> str:
        return "\n\n".join(part.text for part in self.parts.values())

    @property
    def html(self) -> str:
        return "\n".join(part.html for part in self.parts.values())

    def figures(self) -> Iterator[Figure]:
        for part in self.parts.values():
            yield from part.figures()

    def content(self) -> dict[str, Any]:
        return {
            "parts": [
                {"name": name, "kind": part.kind, "html": part.html, **part.content()}
                for name, part in self.parts.items()
            ]
        }


def under(name: str, part: _Published) -> Group | None:
    """Return a group of one, which a page finds by its name; None where there is nothing to say."""
    return Group({name: part}) if part.text else None


@dataclass(frozen=True)
class Decisions:
    """What is public of the decisions of disclosure control.

    Parameters
    ----------
    decided : tuple of mapping
        From ``disclosure.as_public``, for the register of figures.
    table : Table, optional
        The same for the audit copy.
    """

    decided: tuple[Mapping[str, str], ...]
    table: Table | None = None


@dataclass(frozen=True)
class Result(_Published):
    """The result of a notebook as data: the content of ``result.json``.

    Parameters
    ----------
    result : dict
    decisions : Decisions, optional
        What disclosure control decided.
    """

    result: dict[str, Any]
    decisions: Decisions | None = None
    kind = "result"

    @property
    def _table(self) -> Table | None:
        return None if self.decisions is None else self.decisions.table

    @property
    def text(self) -> str:
        held = f"result: {', '.join(sorted(self.result))}"
        return held if self._table is None else f"{held}\n\n{self._table.text}"

    @property
    def html(self) -> str:
        held = f"<p>result: {escape(', '.join(sorted(self.result)))}</p>"
        return held if self._table is None else f"{held}\n{self._table.html}"

    def figures(self) -> Iterator[Figure]:
        yield from () if self._table is None else self._table.figures()

    def content(self) -> dict[str, Any]:
        decided = () if self.decisions is None else self.decisions.decided
        return {"result": self.result, "decisions": [dict(one) for one in decided]}


def stopped(
    public: Mapping[str, Any],
    reasons: Sequence[Criterion],
    vintage: Vintage,
    release: Release,
    decisions: Decisions | None = None,
) -> Result | None:
    """Return the record of a request that cannot go on; None when there is no reason to stop.

    Parameters
    ----------
    public : mapping
        The request's public fields.
    reasons : sequence of Criterion
        Every criterion that is not met.
    vintage : Vintage
        The national data it would have been compared with.
    release : Release
        In which it is published.
    decisions : Decisions, optional
        What disclosure control decided until then.

    Returns
    -------
    Result or None
    """
    if not reasons:
        return None
    withdrawn = any(reason.code == "withdrawn" for reason in reasons)
    return Result(
        {
            "schema": SCHEMA,
            "request": dict(public),
            "status": "withdrawn" if withdrawn else "not processed",
            "reason": " ".join(reason.text for reason in reasons),
            "vintage": _about(vintage),
            "release": _published(release),
            "funnel": [],
            "analyses": [],
        },
        decisions,
    )


def _about(vintage: Vintage) -> dict[str, Any]:
    return {
        "name": vintage.name,
        "synthetic": vintage.synthetic,
        "last_index_date": vintage.last_index_date.isoformat(),
    }


def _published(release: Release) -> dict[str, Any]:
    return {
        "published_at": release.published_at.isoformat(),
        "next_release": release.next_release.isoformat(),
        "lead_statistician": release.lead_statistician,
        "contact": release.contact,
    }


def analysis(
    name: str,
    label: str,
    matched: Matched,
    verdict: Verdict,
    effects: Mapping[str, Effect],
    *,
    adjusted: Mapping[str, Adjusted] | None = None,
    survival: Survival | None = None,
    sensitivity: Sequence[Choice] = (),
) -> dict[str, Any]:
    """Return one analysis as data, after disclosure control.

    Parameters
    ----------
    name, label : str
        Its id and its name in print.
    matched : Matched
        The groups.
    verdict : balance.Verdict
        Of the balance gate.
    effects : mapping of str to Effect
        Cleared, by measure, with the versions for everyone.
    adjusted : mapping of str to Adjusted, optional
        Cleared, by measure.
    survival : Survival, optional
        Cleared.
    sensitivity : sequence of Choice
        The result on the rate by other choices, as far as they may be told.

    Returns
    -------
    dict
        An entry of ``analyses`` in ``result.json``. Its sizes are those of the effect on the rate,
        so that what is withheld there is withheld here. Days without a reoffence are whole where
        the days to first are withheld, which the exact mean and the rate would tell.
    """
    sized = effects["rate"]
    told = sized.conclusion != "suppressed" or sized.treatment.n > 0
    return {
        "id": name,
        "label": label,
        "headline": name == "headline",
        "status": "reported" if matched.accepted else "not balanced",
        "treatment_n": matched.treatment_n if told else None,
        "comparison_n": matched.comparison_n if told else None,
        "comparison_people": matched.comparison_people if told else None,
        "effective_n": matched.effective_n if told else None,
        "balance": {
            "accepted": verdict.accepted,
            "specification": matched.specification.name,
            "worst": verdict.worst,
            "green": verdict.greens,
            "amber": verdict.ambers,
            "red": verdict.reds,
        },
        "measures": [
            _measure(effect)
            | {
                "companion": _companion((adjusted or {}).get(measure)),
                "everyone": _version(effect, effects),
            }
            for measure, effect in effects.items()
            if measure in MEASURES
        ],
        "rmst": None if survival is None else _rmst(survival),
        "sensitivity": [_choice(choice) for choice in sensitivity],
    }


def _companion(check: Adjusted | None) -> dict[str, Any] | None:
    """Return the adjusted check of a measure."""
    if check is None:
        return None
    return {name: getattr(check, name) for name in _COMPANION}


_COMPANION = (
    *("model", "difference", "ci_low", "ci_high", "p_value"),
    *("ratio", "ratio_low", "ratio_high", "errors", "places", "conclusion", "reason"),
)


def _version(effect: Effect, effects: Mapping[str, Effect]) -> dict[str, Any] | None:
    """Return the version for everyone of a measure among reoffenders."""
    version = EVERYONE.get(effect.measure)
    if version is None or version.name not in effects:
        return None
    return _measure(effects[version.name])


def _rmst(survival: Survival) -> dict[str, Any]:
    """Return the mean time without reoffence, and the curves at the days that are told."""
    fields = (
        *("days", "treatment", "comparison", "mean_treatment", "mean_comparison", "difference"),
        *("ci_low", "ci_high", "p_value", "reason"),
    )
    values = {name: getattr(survival, name) for name in fields}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def _choice(choice: Choice) -> dict[str, Any]:
    """Return the result by another choice."""
    return {
        "label": choice.label,
        "treatment_n": choice.analysed,
        "comparison_people": choice.comparison_people,
        "difference": choice.difference,
        "ci_low": choice.ci_low,
        "ci_high": choice.ci_high,
        "p_value": choice.p_value,
        "conclusion": choice.conclusion,
        "balanced": choice.accepted,
        "reason": choice.reason,
    }


def _measure(effect: Effect) -> dict[str, Any]:
    treatment, comparison = effect.treatment, effect.comparison
    return {
        "measure": effect.measure,
        "treatment_n": treatment.n or None,
        "comparison_n": comparison.n or None,
        "treatment": treatment.mean,
        "treatment_sd": treatment.sd,
        "comparison": comparison.mean,
        "comparison_sd": comparison.sd,
        "comparison_effective_n": comparison.effective_n,
        "difference": effect.difference,
        "ci_low": effect.ci_low,
        "ci_high": effect.ci_high,
        "p_value": effect.p_value,
        "significant": effect.significant,
        "conclusion": effect.conclusion,
        "reason": effect.reason,
        "favourable": effect.favourable,
        "numbers_needed": effect.numbers_needed,
        "detectable": effect.detectable,
    }


def reported(
    public: Mapping[str, Any],
    *,
    funnel: pd.DataFrame,
    analyses: Sequence[Mapping[str, Any]],
    vintage: Vintage,
    release: Release,
    plan: str,
    decisions: Decisions | None = None,
) -> Result:
    """Return the record of a request that was analysed.

    Parameters
    ----------
    public : mapping
        The request's public fields.
    funnel : DataFrame
        Cleared: step, reason, removed, remaining.
    analyses : sequence of mapping
        From `analysis`.
    vintage : Vintage
        The national data used.
    release : Release
        In which it is published.
    plan : str
        The hash of the plan.
    decisions : Decisions, optional
        What disclosure control decided.

    Returns
    -------
    Result
    """
    steps = [
        {name: int(value) if name != "reason" else str(value) for name, value in row.items()}
        for row in funnel.to_dict("records")
    ]
    return Result(
        {
            "schema": SCHEMA,
            "request": dict(public),
            "status": "reported",
            "vintage": _about(vintage),
            "release": _published(release),
            "plan": plan,
            "funnel": steps,
            "analyses": [dict(entry) for entry in analyses],
        },
        decisions,
    )


def month(
    release: str,
    counts: Mapping[str, int],
    results: pd.DataFrame,
    history: pd.DataFrame,
    vintage: Vintage,
    decisions: Decisions | None = None,
) -> Result:
    """Return the record of a month's bulletin.

    Parameters
    ----------
    release : str
        ``YYYY-MM``.
    counts : mapping of str to int
        Of requests by status.
    results, history : DataFrame
        The month's results and every result to date, a row a measure.
    vintage : Vintage
        The national data used this month.
    decisions : Decisions, optional
        What disclosure control decided.

    Returns
    -------
    Result
    """
    return Result(
        {
            "schema": SCHEMA,
            "release": release,
            "counts": dict(counts),
            "vintage": _about(vintage),
            "results": _rows(results),
            "history": _rows(history),
        },
        decisions,
    )


def _rows(measures: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a row a measure; people are whole numbers, also where some are withheld."""
    whole = dict.fromkeys(("treatment_n", "comparison_n"), "Int64")
    told = measures.astype(whole).to_json(orient="records", double_precision=15)
    return list(json.loads(told))
