"""What each sentence, title and verdict of a table must say, given the numbers.

A small grammar of its own, written from the published pages: each claim is a pattern of words
around the names of figures, and holds or does not hold for the result it speaks of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jdl.published.folder import Document
from jdl.published.reading import Node
from jdl.published.results import measured
from jdl.published.told import Notes

_HEADLINE = ("rate", "frequency", "days_to_first")
_NOUNS = {
    "rate": ("one-year proven reoffending rate", "how many reoffended"),
    "frequency": ("frequency of reoffending", "how often"),
    "days_to_first": ("time to the first proven reoffence", "how soon"),
}
_DOWN = frozenset({"lower", "shorter", "fewer", "less", "earlier", "smaller"})
_UP = frozenset({"higher", "longer", "more", "later", "larger"})
_SIDE = r"(lower|higher|shorter|longer)"
_FIGURE = r"⟦([\w.-]+?)\.{}⟧"
_RULE = "the words follow from the numbers"


class _Says:
    """What a report's result concludes, by the names of its effects."""

    def __init__(self, document: Document) -> None:
        self.rows: dict[str, Mapping[str, Any]] = {}
        self.headline = ""
        for analysis in document.result.get("analyses", ()):
            if analysis["headline"]:
                self.headline = analysis["id"]
            for row, _ in measured(analysis):
                self.rows[f"{analysis['id']}.{row['measure']}"] = row

    def of(self, name: str) -> str | None:
        """Return the conclusion on an effect, by its name or that of a headline measure."""
        row = self.rows.get(name) or self.rows.get(f"{self.headline}.{name}")
        return None if row is None else str(row["conclusion"])

    def those(self, *conclusions: str) -> set[str]:
        """Return the three headline measures that have one of these conclusions."""
        return {one for one in _HEADLINE if self.of(one) in conclusions}


def check(document: Document, notes: Notes) -> None:
    """Hold every claim of a report's pages against its result."""
    if document.result.get("status") != "reported":
        return
    says = _Says(document)
    for file, page in document.pages.items():
        for block in _blocks(page):
            name = block.get("data-shown")
            for text in _items(block):
                _sentence(file, name, text, says, notes)
            for title, chart in _titles(block):
                _title(file, chart, title, says, notes)
            for table in block.named("table"):
                _verdicts(file, table, document, says, notes)
            _present(file, name, block, says, notes)


def _blocks(page: Node) -> list[Node]:
    return [node for node in page.all() if node.get("data-shown")]


def _items(block: Node) -> Iterator[str]:
    """Yield each paragraph or bullet of a block, figures as their names in double brackets."""
    inside_table = {id(one) for table in block.named("table") for one in table.all()}
    for node in block.all():
        if node.tag in {"p", "li"} and id(node) not in inside_table:
            yield marked(node)


def marked(node: Node) -> str:
    """Return the text of an element with each figure as ``⟦name⟧``."""

    def parts(one: Node) -> Iterator[str]:
        for child in one.children:
            if isinstance(child, str):
                yield child
            elif child.get("data-figure"):
                yield f"⟦{child.get('data-figure')}⟧"
            else:
                yield from parts(child)

    own = node.get("data-figure")
    return f"⟦{own}⟧" if own else " ".join("".join(parts(node)).split())


def _titles(block: Node) -> Iterator[tuple[str, str]]:
    """Yield each chart's title and description, with the name of the chart."""
    for figure in block.named("figure"):
        for title in figure.named("strong")[:1]:
            yield title.text, figure.get("id")
        for drawing in figure.named("svg")[:1]:
            yield drawing.get("aria-label"), figure.get("id")


# Claims of sentences


def _way(word: str) -> str:
    return "reduction" if word in _DOWN else "increase"


def _significant(pattern: str, word: int, name: int) -> tuple[re.Pattern[str], int, int]:
    return re.compile(pattern), word, name


_CLAIMS = (
    _significant(_SIDE + r" by between " + _FIGURE.format(r"estimate\.least"), 1, 2),
    _significant(_FIGURE.format(r"estimate\.least") + r" and ⟦[\w.-]+⟧ (fewer|more)\b", 2, 1),
    _significant(
        _FIGURE.format(r"estimate\.least") + r" and ⟦[\w.-]+⟧ days? (later|earlier)", 2, 1
    ),
    _significant(_SIDE + r" in the treatment group \(" + _FIGURE.format("treatment"), 1, 2),
    _significant(r"was also " + _SIDE + r" \(" + _FIGURE.format("treatment"), 1, 2),
)
"""Words that claim a significant difference: where its direction and its effect are named."""
_OPEN = re.compile(r"(\w+) by (?:as many as )?" + r"⟦([\w.-]+?)\.estimate\.(lower|higher)⟧")
_GAP = re.compile(r"⟦([\w.-]+?)\.gap\.\w+⟧ (?:days? )?(fewer|more|earlier|later)\b(?! or )")
_DIRECT = (
    (re.compile(r"(?<!whether )(?:\w+ )reoffended (less|more) than the comparison"), "rate"),
    (re.compile(r"[Aa] (smaller|larger) share of (?:them|the treatment|people who)"), "rate"),
    (re.compile(r"committed (fewer|more) (?:proven )?reoffences per person"), "frequency"),
    (re.compile(r"reoffended did so (later|earlier)"), "days_to_first"),
    (re.compile(r"spent (more|less) time without"), "time_without_reoffence"),
)
_UNSURE = (
    (re.compile(r"could not tell whether"), "rate"),
    (re.compile(r"needed to tell whether reoffending"), "rate"),
    (re.compile(r"needed to tell whether frequency"), "frequency"),
)
_LISTS = (
    (
        re.compile(
            r"(?:does|do) not show a statistically significant difference in "
            r"([^.]+?)(?: between those|\.)"
        ),
        ("inconclusive",),
    ),
    (re.compile(r"by exactly how much (.+?) differs?:"), ("reduction", "increase")),
    (re.compile(r"makes no difference to ([^.]+)\."), ("inconclusive",)),
    (re.compile(r"That is so here for ([^.]+)\."), ("reduction", "increase")),
    (re.compile(r"It is not so for ([^.]+)\."), ("inconclusive",)),
)
_CALLED = {
    "a significant reduction": "reduction",
    "a significant increase": "increase",
    "inconclusive": "inconclusive",
}


def _sentence(file: str, block: str, text: str, says: _Says, notes: Notes) -> None:
    def claim(name: str, told: str, follows: str | None) -> None:
        if follows is not None and told != follows:
            figure = name if "." in name else f"{says.headline}.{name}"
            notes.find(file, figure, f"{_RULE} ({block})", f"{told}: {_plain(text)}", follows)

    for pattern, word, name in _CLAIMS:
        for found in pattern.finditer(text):
            claim(found[name], _way(found[word]), says.of(found[name]))
    for found in _OPEN.finditer(text):
        claim(found[2], "inconclusive", says.of(found[2]))
        expected = _DOWN if found[3] == "lower" else _UP
        claim(found[2], found[1], found[1] if found[1] in expected else f"{found[3]} by")
    for found in _GAP.finditer(text):
        row = says.rows.get(found[1])
        if row is not None and row.get("difference"):
            way = "reduction" if row["difference"] < 0 else "increase"
            claim(found[1], _way(found[2]), way)
            open_ = "inconclusive" if "may be chance" in text else row["conclusion"]
            claim(found[1], open_, row["conclusion"])
    _words_alone(text, says, claim)
    _formulas(text, says, claim)


def _plain(text: str) -> str:
    return re.sub(r"⟦[\w.-]*?([\w-]+)⟧", r"(\1)", text)


def _words_alone(text: str, says: _Says, claim: Callable[[str, str, str | None], None]) -> None:
    for pattern, name in _DIRECT:
        for found in pattern.finditer(text):
            claim(name, _way(found[1]), says.of(name))
    for pattern, name in _UNSURE:
        if pattern.search(text):
            claim(name, "inconclusive", says.of(name))
    for pattern, conclusions in _LISTS:
        for found in pattern.finditer(text):
            named = {one for one in _HEADLINE if any(noun in found[1] for noun in _NOUNS[one])}
            expected = says.those(*conclusions)
            if named != expected and (named | expected):
                claim("rate", _names(named), _names(expected))
    whole = re.search(r": it is (.+?) in the headline analysis", text)
    if whole:
        claim("rate", _CALLED.get(whole[1], whole[1]), says.of("rate"))


def _names(measures: set[str]) -> str:
    return ", ".join(one for one in _HEADLINE if one in measures) or "none"


def _formulas(text: str, says: _Says, claim: Callable[[str, str, str | None], None]) -> None:
    """The set formulas of significance go with the form in which an estimate is told."""
    sure = re.search(r"⟦([\w.-]+?)\.estimate\.least⟧", text)
    unsure = re.search(r"⟦([\w.-]+?)\.estimate\.lower⟧", text)
    if "This is a statistically significant result" in text and unsure and not sure:
        claim(unsure[1], "significant", says.of(unsure[1]))
    if "there may be no difference" in text and sure and not unsure:
        claim(sure[1], "inconclusive", says.of(sure[1]))
    if "overall results do not show a statistically significant effect" in text:
        claim("rate", "none", _names(says.those("reduction", "increase")))
    if "by this adjusted check" in text.lower():
        row = says.rows.get(f"{says.headline}.rate", {})
        agrees = (row.get("companion") or {}).get("conclusion") == row.get("conclusion")
        told = "does not agree" if "does not agree" in text else "agrees"
        claim("rate", told, "agrees" if agrees else "does not agree")
    found = re.search(
        r"a difference (of|between) ⟦[\w.-]+\.survival\.(ci_low|ci_high)\.size⟧", text
    )
    if found:
        sure_words = {"reduction": ("of", "ci_high"), "increase": ("of", "ci_low")}
        follows = says.of("time_without_reoffence") or ""
        expected = sure_words.get(follows, ("between", "ci_low"))
        claim("time_without_reoffence", f"{found[1]} {found[2]}", " ".join(expected))
        told = (
            "days more" if "days more" in text else "days fewer" if "days fewer (" in text else ""
        )
        wanted = {"reduction": "days fewer", "increase": "days more"}.get(follows, "")
        claim("time_without_reoffence", told, wanted)


_CHARTS = {"chart-rate": "rate", "chart-frequency": "frequency", "chart-time": "days_to_first"}


def _title(file: str, chart: str, text: str, says: _Says, notes: Notes) -> None:
    """A chart's title and description tell the conclusion on its measure."""
    measure = _CHARTS.get(chart)
    if chart == "survival-chart" and "timing differed" in text:
        measure = "time_without_reoffence"
    told = None
    if re.search(r"difference is not statistically significant|needed to tell", text):
        told = "inconclusive"
    elif "difference is statistically significant" in text and measure:
        told = says.of(measure) if says.of(measure) in {"reduction", "increase"} else "significant"
    if measure and told and says.of(measure) not in {told, None}:
        notes.find(file, chart, f"{_RULE} (its words)", text, says.of(measure))
    for pattern, name in _DIRECT:
        found = pattern.search(text)
        if found and says.of(name) not in {None, _way(found[1])}:
            notes.find(file, chart, f"{_RULE} (its title)", text, says.of(name))


def _present(file: str, name: str, block: Node, says: _Says, notes: Notes) -> None:
    """What must be said is said: of every headline measure, in its list."""
    wanted = {
        "can-say": ("does not show a statistically significant", "inconclusive"),
        "cannot-say": ("makes no difference to", "inconclusive"),
    }.get(name)
    if wanted and says.those(wanted[1]) and wanted[0] not in block.text:
        notes.find(file, name, "what the numbers ask for is said", "absent", wanted[0])


# Verdicts of tables


def _verdicts(file: str, table: Node, document: Document, says: _Says, notes: Notes) -> None:
    """Yes, No, Agrees and conclusions in a table follow from the numbers of their row."""
    heads = [node.text for head in table.named("thead") for node in head.named("th")]
    for body in table.named("tbody"):
        for row in body.named("tr"):
            cells = [
                one for one in row.children if isinstance(one, Node) and one.tag in {"td", "th"}
            ]
            seen = ""
            for head, cell in zip(heads, cells, strict=False):
                text = marked(cell)
                found = re.search(r"⟦([\w.-]+?)\.(?:ci_low|p_value)⟧", text)
                seen = found[1] if found else seen
                if not seen or "⟦" in text:
                    continue
                told, follows = _verdict(head, text, seen, document, says)
                if follows is not None and told != follows:
                    notes.find(file, seen, f"{_RULE} (column {head})", text, follows)


def _verdict(
    head: str, text: str, name: str, document: Document, says: _Says
) -> tuple[str, str | None]:
    """Return what a cell tells and what it should, None where there is nothing to hold it to."""
    conclusion = _concluded(name, document, says)
    if conclusion is None:
        return text, None
    if re.search(r"[Ss]ignificant$", head) or head == "Significant":
        yes = conclusion in {"reduction", "increase"}
        if "," not in text:
            return text, "Yes" if yes else "No"
        days = "days_to_first" in name or "time_without" in name
        word = {"reduction": ("lower", "shorter"), "increase": ("higher", "longer")}.get(conclusion)
        return text, f"Yes, {word[days]}" if word else "No"
    if head == "Agreement":
        own = _concluded(name.removesuffix(".adjusted"), document, says)
        return text, _agreement(own, conclusion)
    if head in {"Conclusion", "Result"}:
        words = {"reduction": "Significant reduction", "increase": "Significant increase"}
        return text, words.get(conclusion, "Inconclusive")
    return text, None


def _agreement(own: str | None, other: str) -> str | None:
    """Return how a result and its adjusted check are said to agree; None for opposite ones."""
    if own is None or own == other:
        return None if own is None else "Agrees"
    if own == "inconclusive":
        return "Only the adjusted check is significant"
    return "Only the service's test is significant" if other == "inconclusive" else None


def _concluded(name: str, document: Document, says: _Says) -> str | None:
    """Return the conclusion on an effect, an adjusted check, or another choice."""
    known = says.of(name) if name in says.rows else None
    if known is not None:
        return None if known == "suppressed" else known
    p, low = document.value(f"{name}.p_value"), document.value(f"{name}.ci_low")
    if p is None or low is None:
        return None
    if p > 0.05:
        return "inconclusive"
    return "increase" if low > 0 else "reduction"


# The release page and the bulletin

_VERDICTS = {
    "reduction": "Significant reduction",
    "inconclusive": "Inconclusive",
    "increase": "Significant increase",
}
_CLOSED = {"not processed": "Not processed", "withdrawn": "Withdrawn"}
_REVISED = " [r]"
"""The mark behind the programme of a result that replaces an earlier one."""
_RATE_SAID = re.compile(r"re-offended (less|more) than the comparison group")
_OFTEN_SAID = re.compile(r"committed (fewer|more) proven re-offences per person")
_BY = re.compile(r"(lower|higher) by between ⟦")


def check_index(document: Document, notes: Notes, reports: Mapping[str, Document]) -> None:
    """Hold the verdict on each report of the release page to the report's own result."""
    file = "index.html"
    page = document.pages.get(file)
    if page is None:
        return
    told = {
        link.get("href").removesuffix("/report.html"): entry.text
        for entry in page.named("li")
        for link in entry.named("a")[:1]
        if link.get("href").endswith("/report.html")
    }
    for name, report in reports.items():
        follows = _final(report)
        entry = told.get(name, "")
        verdicts = [one for one in (*_VERDICTS.values(), *_CLOSED.values()) if one in entry]
        if follows is not None and verdicts != [follows]:
            notes.find(file, name, f"{_RULE} (its verdict)", verdicts or "none", follows)
        programme = report.result.get("request", {}).get("programme", "")
        if programme not in entry:
            notes.find(file, name, "a report is named by its programme", entry, programme)


def _final(report: Document) -> str | None:
    if report.result.get("status") != "reported":
        return _CLOSED.get(str(report.result.get("status")))
    conclusion = _Says(report).of("rate")
    return _VERDICTS.get(str(conclusion))


def check_bulletin(
    document: Document, notes: Notes, history: Mapping[str, list[dict[str, str]]]
) -> None:
    """Hold what is said of each report and of each row of the results to the history."""
    rows = history.get("history.csv", [])
    ends = {(row["id"], row["measure"]): row["conclusion"] for row in rows}
    every = (*history.get("log.csv", []), *rows)
    names = {(row["programme"], row["organisation"]): row["id"] for row in every}
    for file, page in document.pages.items():
        for block in _blocks(page):
            if block.get("data-shown") == "this-month":
                for text in _items(block):
                    _report_said(file, text, names, ends, notes)
            if block.get("data-shown") == "pooled-findings":
                for text in _items(block):
                    _average_said(file, text, document, notes)
        for table in page.named("table"):
            if table.get("id") == "results-table":
                _results_said(file, table, names, ends, notes)


def _report_said(
    file: str,
    text: str,
    names: Mapping[tuple[str, str], str],
    ends: Mapping[tuple[str, str], str],
    notes: Notes,
) -> None:
    own = [
        name
        for (programme, organisation), name in names.items()
        if f"effectiveness of {programme} run by {organisation}." in _stripped(text)
    ]
    if not own:
        return
    rate, often = ends.get((own[0], "rate")), ends.get((own[0], "frequency"))
    said = _RATE_SAID.search(text), _OFTEN_SAID.search(text), _BY.search(text)
    told = _way(said[0][1]) if said[0] else "inconclusive"
    if rate in _VERDICTS and told != rate:
        notes.find(file, own[0], f"{_RULE} (the rate)", _plain(text), rate)
    if said[2] and _way(said[2][1]) != rate:
        notes.find(file, own[0], f"{_RULE} (the rate)", said[2][0], rate)
    if not said[0] and often in {"reduction", "increase"}:
        told = _way(said[1][1]) if said[1] else "nothing"
        if told != often:
            notes.find(file, own[0], f"{_RULE} (the frequency)", _plain(text), often)
    if said[1] and often != _way(said[1][1]):
        notes.find(file, own[0], f"{_RULE} (the frequency)", _plain(text), often)


def _stripped(text: str) -> str:
    return re.sub(r"⟦[^⟧]*⟧", "", text)


def _average_said(file: str, text: str, document: Document, notes: Notes) -> None:
    found = re.search(r"⟦pooled\.([\w-]+)\.least⟧", text)
    if not found:
        return
    low = document.value(f"pooled.{found[1]}.ci_low") or 0
    follows = "reduction" if low < 0 else "increase"
    for word in re.findall(r"re-offended (less|more)|was (lower|higher) by", text):
        if _way("".join(word)) != follows:
            notes.find(file, f"pooled.{found[1]}", _RULE, _plain(text), follows)


def _results_said(
    file: str,
    table: Node,
    names: Mapping[tuple[str, str], str],
    ends: Mapping[tuple[str, str], str],
    notes: Notes,
) -> None:
    for row in (one for body in table.named("tbody") for one in body.named("tr")):
        cells = [one for one in row.children if isinstance(one, Node)]
        programme, organisation = cells[0].text.removesuffix(_REVISED), cells[1].text
        name = names.get((programme, organisation))
        if name is None:
            notes.find(file, programme, "a result is in the history", programme, "absent")
            continue
        for cell, measure in zip(cells[-2:], ("rate", "frequency"), strict=True):
            follows = _VERDICTS.get(ends.get((name, measure), ""))
            if follows is not None and cell.text != follows:
                notes.find(file, f"{name} {measure}", f"{_RULE} (its verdict)", cell.text, follows)
