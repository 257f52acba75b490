"""Tables -> an OpenDocument spreadsheet that reads well aloud: cover, notes, one table a sheet.

Follows the Analysis Function's guidance on releasing statistics in spreadsheets: every sheet starts
in A1 with its title, one marked-up and named table a sheet with one header row, no blank or merged
cells, nothing hidden or frozen; the cover leads to every sheet, and shorthand in square brackets is
explained on the notes sheet, with every note and where it is used. Numbers are numbers, at full
precision, shown as the page shows them; everything else is text, so that nothing is ever taken for
a formula. Equal input gives equal bytes.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from jdl.disclosure import WITHHELD

SHORTHAND = {
    "[c]": f"{WITHHELD.capitalize()}.",
    "[x]": "Not available.",
    "[z]": "Not applicable.",
    "[u]": "Low reliability: from too few people to rely on.",
    "[r]": "Revised since it was first published.",
    "[low]": "Rounds to zero but is not zero.",
}
NAME_LIMIT = 30
CREATOR = "Justice Data Lab"
_MIME = "application/vnd.oasis.opendocument.spreadsheet"
_DATE = (1980, 1, 1, 0, 0, 0)
_PRINTED = re.compile(r"([-\u2212+]?)(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?(%?)")
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAMESPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        "office": "office",
        "table": "table",
        "text": "text",
        "style": "style",
        "fo": "xsl-fo-compatible",
        "number": "datastyle",
        "meta": "meta",
    }.items()
)
_LINKS = 'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:dc="http://purl.org/dc/elements/1.1/"'


@dataclass(frozen=True)
class Number:
    """A number and how it is shown.

    Parameters
    ----------
    value : float
        In the unit shown, so 31.25 for "31.3" and 0.3125 for "31%".
    text : str
        As printed.
    decimals : int
    percent : bool
    grouped : bool
        Whether thousands are set apart by commas.
    """

    value: float
    text: str
    decimals: int
    percent: bool
    grouped: bool

    @property
    def style(self) -> str:
        """The name of its cell style."""
        return f"n{self.decimals}{'p' if self.percent else ''}{'g' if self.grouped else ''}"


Cell = str | Number


@dataclass(frozen=True)
class Sheet:
    """One worksheet with one table.

    Parameters
    ----------
    name : str
        The worksheet's name, at most 30 characters of ``a-z 0-9 -``.
    title : str
        What the table shows.
    notes : tuple of str
        Said above the table.
    header : tuple of str
    rows : tuple of tuple of Cell
    """

    name: str
    title: str
    notes: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        if len(self.name) > NAME_LIMIT or not re.fullmatch(r"[a-z0-9-]+", self.name):
            raise ValueError(
                f"a worksheet's name is at most {NAME_LIMIT} of a-z, 0-9 and -: {self.name!r}"
            )


def number(value: object, text: str, unit: str = "") -> Cell:
    """Return the number that a printed text stands for, or the text where it is not one number.

    The printed text decides decimals, percent sign and thousands; a proportion printed in points
    or percent is scaled by 100. A text that is not the rounded value, such as "<1%" or
    "-8 to -2", stays text. A loss that rounds to nought becomes nought, as a spreadsheet would
    show "-0".

    Parameters
    ----------
    value : int, float, str or None
    text : str
    unit : str

    Returns
    -------
    Number or str
    """
    match = _PRINTED.fullmatch(text)
    if match is None or isinstance(value, bool) or not isinstance(value, int | float):
        return text
    sign, digits, fraction, percent = match.groups()
    printed = float(f"{digits.replace(',', '')}.{fraction or 0}")
    printed = -printed if sign in ("-", "\u2212") else printed
    decimals = len(fraction or "")
    for scale in (100, 1) if unit == "proportion" else (1, 100):
        if abs(value * scale - printed) <= 0.5 * 10**-decimals * (1 + 1e-9):
            shown = 0.0 if value < 0 == printed else value * scale / (100 if percent else 1)
            return Number(float(shown), text, decimals, bool(percent), "," in digits)
    return text


def workbook(title: str, cover: Sequence[str], sheets: Sequence[Sheet]) -> bytes:
    """Return an OpenDocument spreadsheet.

    Parameters
    ----------
    title : str
        The document's title and the first line of its cover.
    cover : sequence of str
        The lines below it: what this is, for which people and period, its status, its licence.
    sheets : sequence of Sheet
        In their order; names are unique.

    Returns
    -------
    bytes
        The ``.ods`` file; ``mimetype`` comes first and uncompressed, as the format asks.
    """
    names = [sheet.name for sheet in sheets]
    if len({*names, "cover", "notes"}) < len(names) + 2:
        raise ValueError("worksheet names are unique, and cover and notes are taken")
    parts = {
        "content.xml": _content(title, cover, sheets),
        "styles.xml": _document("styles", f"<office:styles>{_DEFAULT}</office:styles>"),
        "meta.xml": _document("meta", _about(title, cover)),
    }
    return _zip({"mimetype": _MIME, **parts, "META-INF/manifest.xml": _manifest(parts)})


def _about(title: str, cover: Sequence[str]) -> str:
    return (
        f"<office:meta><meta:generator>jdl</meta:generator><dc:title>{_xml(title)}</dc:title>"
        f"<dc:description>{_xml(' '.join(cover))}</dc:description>"
        f"<meta:initial-creator>{CREATOR}</meta:initial-creator><dc:creator>{CREATOR}</dc:creator>"
        "<dc:language>en-GB</dc:language></office:meta>"
    )


def _zip(parts: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in parts.items():
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(entry, text.encode())
    return buffer.getvalue()


def _document(kind: str, body: str) -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<office:document-{kind} {_NAMESPACES} {_LINKS} '
        f'office:version="1.3">{body}</office:document-{kind}>'
    )


def _manifest(parts: Iterable[str]) -> str:
    space = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
    entries = "".join(
        f'<manifest:file-entry manifest:full-path="{path}" manifest:media-type="{kind}"/>'
        for path, kind in [("/", _MIME), *((part, "text/xml") for part in parts)]
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<manifest:manifest xmlns:manifest="{space}" '
        f'manifest:version="1.3">{entries}</manifest:manifest>'
    )


def _content(title: str, cover: Sequence[str], sheets: Sequence[Sheet]) -> str:
    notes = _notes_sheet(sheets)
    body = _cover(title, cover, (notes, *sheets)) + "".join(map(_sheet, (notes, *sheets)))
    first = len(cover) + 2
    ranges = _range("contents", f"'cover'.A{first}:'cover'.A{first + 1 + len(sheets)}")
    ranges += "".join(_range(sheet.name, _address(sheet)) for sheet in (notes, *sheets))
    return _document(
        "content",
        f"<office:automatic-styles>{_styles(sheets)}</office:automatic-styles>"
        f"<office:body><office:spreadsheet>{body}"
        f"<table:database-ranges>{ranges}</table:database-ranges>"
        "</office:spreadsheet></office:body>",
    )


def _range(name: str, address: str) -> str:
    """Return the mark-up that names a table and says that its first row is the header."""
    return (
        f'<table:database-range table:name="{name.replace("-", "_")}" '
        f"table:target-range-address={quoteattr(address)} "
        'table:contains-header="true" table:display-filter-buttons="false"/>'
    )


_FONT = 'fo:font-family="Arial" style:font-family-generic="swiss"'
_DEFAULT = (
    f'<style:default-style style:family="table-cell"><style:text-properties {_FONT} '
    'fo:font-size="12pt" fo:language="en" fo:country="GB"/></style:default-style>'
)
_TEXT_STYLES = "".join(
    f'<style:style style:name="{name}" style:family="table-cell">'
    f'<style:table-cell-properties fo:wrap-option="{wrap}" style:vertical-align="{align}"{edge}/>'
    '<style:paragraph-properties fo:text-align="start"/>'
    f'<style:text-properties {_FONT} fo:font-size="{size}pt" fo:font-weight="{weight}"/>'
    "</style:style>"
    for name, size, weight, wrap, align, edge in [
        ("title", 16, "bold", "no-wrap", "middle", ""),
        ("line", 12, "normal", "no-wrap", "top", ""),
        ("prose", 12, "normal", "wrap", "top", ""),
        ("head", 12, "bold", "wrap", "bottom", ' fo:border-bottom="1pt solid #0b0c0c"'),
    ]
)
_COLUMNS = "".join(
    f'<style:style style:name="{name}" style:family="table-column">'
    f'<style:table-column-properties style:column-width="{width}cm"/></style:style>'
    for name, width in [("wide", 24), ("first", 9), ("other", 5.5)]
)


def _styles(sheets: Sequence[Sheet]) -> str:
    numbers = {
        cell.style: cell
        for sheet in sheets
        for row in sheet.rows
        for cell in row
        if isinstance(cell, Number)
    }
    return _COLUMNS + _TEXT_STYLES + "".join(_number_style(numbers[key]) for key in sorted(numbers))


def _number_style(cell: Number) -> str:
    kind = "percentage" if cell.percent else "number"
    sign = "<number:text>%</number:text>" if cell.percent else ""
    return (
        f'<number:{kind}-style style:name="f-{cell.style}"><number:number '
        f'number:decimal-places="{cell.decimals}" number:min-decimal-places="{cell.decimals}" '
        f'number:min-integer-digits="1" number:grouping="{str(cell.grouped).lower()}"/>{sign}'
        f'</number:{kind}-style><style:style style:name="{cell.style}" style:family="table-cell" '
        f'style:data-style-name="f-{cell.style}">'
        '<style:table-cell-properties style:vertical-align="top"/>'
        '<style:paragraph-properties fo:text-align="end"/>'
        f'<style:text-properties {_FONT} fo:font-size="12pt"/></style:style>'
    )


def _cover(title: str, lines: Sequence[str], sheets: Sequence[Sheet]) -> str:
    rows = [_row(_text(title, "title"))]
    rows += [_row(_text(line, "prose")) for line in lines]
    rows.append(_head(_row(_text("Worksheets in this file", "head"))))
    rows += [_row(_link(sheet.name, f"{sheet.name}: {sheet.title}")) for sheet in sheets]
    return _table("cover", ("wide",), "".join(rows))


def _notes_sheet(sheets: Sequence[Sheet]) -> Sheet:
    """Return what every shorthand and note means, and on which worksheets it is used."""
    used: dict[str, list[str]] = {}
    for sheet in sheets:
        printed = " ".join(cell for row in sheet.rows for cell in row if isinstance(cell, str))
        for word in (*(word for word in SHORTHAND if word in printed), *sheet.notes):
            used.setdefault(word, []).append(sheet.name)
    shorthand = [word for word in SHORTHAND if word in used]
    texts = [text for text in used if text not in SHORTHAND]
    meanings = [(word, SHORTHAND[word], word) for word in shorthand]
    meanings += [(f"note {place}", text, text) for place, text in enumerate(texts, start=1)]
    rows = tuple((name, meaning, ", ".join(used[key])) for name, meaning, key in meanings)
    none = ("No shorthand", "No shorthand or note is used in these tables.", "None")
    return Sheet(
        "notes",
        "Notes: what the shorthand and the notes of the tables mean",
        (),
        ("Shorthand or note", "Meaning", "Worksheets"),
        rows or (none,),
    )


def _sheet(sheet: Sheet) -> str:
    above = [_row(_text(sheet.title, "title"))]
    above += [_row(_text(line, "line")) for line in _above(sheet)]
    head = _head(_row("".join(_text(name, "head") for name in sheet.header)))
    body = "".join(_row("".join(map(_cell, row))) for row in sheet.rows)
    columns = ("first", *("other" for _ in sheet.header[1:]))
    if sheet.name == "notes":
        columns = ("other", "wide", "first")
    return _table(sheet.name, columns, f"{''.join(above)}{head}{body}")


def _above(sheet: Sheet) -> list[str]:
    return ["This worksheet contains one table.", *sheet.notes]


def _address(sheet: Sheet) -> str:
    first = 2 + len(_above(sheet))
    last = first + len(sheet.rows)
    return f"'{sheet.name}'.A{first}:'{sheet.name}'.{_letters(len(sheet.header))}{last}"


def _letters(column: int) -> str:
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _table(name: str, columns: Iterable[str], rows: str) -> str:
    widths = "".join(f'<table:table-column table:style-name="{width}"/>' for width in columns)
    return f'<table:table table:name="{name}">{widths}{rows}</table:table>'


def _head(row: str) -> str:
    return f"<table:table-header-rows>{row}</table:table-header-rows>"


def _row(cells: str) -> str:
    return f"<table:table-row>{cells}</table:table-row>"


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return _text(cell, "prose")
    kind = "percentage" if cell.percent else "float"
    return (
        f'<table:table-cell table:style-name="{cell.style}" office:value-type="{kind}" '
        f'office:value="{cell.value!r}"><text:p>{_xml(cell.text)}</text:p></table:table-cell>'
    )


def _text(text: str, style: str) -> str:
    return (
        f'<table:table-cell table:style-name="{style}" office:value-type="string">'
        f"<text:p>{_xml(text)}</text:p></table:table-cell>"
    )


def _link(sheet: str, text: str) -> str:
    return (
        '<table:table-cell table:style-name="prose" office:value-type="string"><text:p>'
        f'<text:a xlink:type="simple" xlink:href="#\'{sheet}\'.A1">{_xml(text)}</text:a>'
        "</text:p></table:table-cell>"
    )


def _xml(text: str) -> str:
    return escape(_ILLEGAL.sub("", text))
