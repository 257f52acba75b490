"""Typed operators that make one single change somewhere between the inputs and a release.

An operator knows its layer, finds every place where it could act, and acts on one that is drawn.
None is picked by hand: the sites are enumerated in a fixed order, the seed draws among them.
"""

from __future__ import annotations

import ast
import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pikepdf
import pyarrow as pa
import pyarrow.parquet as pq

from jdl import manifest
from jdl.execute import defaults_of


@dataclass(frozen=True)
class World:
    """A release, with what it was made from and by."""

    tree: Path
    vintage: Path
    requests: Path
    outputs: Path
    release: str

    @property
    def folder(self) -> Path:
        """The release."""
        return self.outputs / self.release

    @property
    def analysed(self) -> list[Path]:
        """The folders of its reports that were analysed."""
        found = sorted(self.folder.glob("reports/*/result.json"))
        return [file.parent for file in found if '"reported"' in file.read_text(encoding="utf-8")]


@dataclass(frozen=True)
class Mutant:
    """One change.

    Parameters
    ----------
    operator, layer : str
    what : str
        Where it was made, in words; no value.
    named : tuple of str
        Each stands for something a verification must name; any of the words of one will do,
        separated by ``|``.
    forged : bool
        Whether the manifest was made to agree with the change.
    """

    operator: str
    layer: str
    what: str
    named: tuple[str, ...]
    forged: bool = False


@dataclass(frozen=True)
class Operator:
    """A kind of change.

    Parameters
    ----------
    name, layer : str
        The layer is ``published``, ``manifest``, ``inputs`` or ``code``.
    act : callable
        Makes the change in a world, drawing with the generator; says where, and what must be named.
    """

    name: str
    layer: str
    act: Callable[[World, random.Random], tuple[str, tuple[str, ...]]]


# What is published


def another_digit(digit: str, draw: random.Random) -> str:
    """Draw a digit that is not this one; a leading one stays above nought."""
    return draw.choice([one for one in "123456789" if one != digit])


def change_digit(text: str, spans: list[tuple[int, int]], draw: random.Random) -> tuple[str, int]:
    """Change one digit within the spans of a text; return the place too."""
    places = [at for start, end in spans for at in range(start, end) if text[at].isdigit()]
    at = draw.choice(places)
    return text[:at] + another_digit(text[at], draw) + text[at + 1 :], at


def spans_of_text(page: str) -> list[tuple[int, int]]:
    """Return where a page's visible text stands: no tag, no style, no drawing."""
    hidden = r"<(style|svg|script)\b.*?</\1>|<[^>]*>|&[#\w]+;"
    spans, last = [], page.find("<body")
    for found in re.finditer(hidden, page[last:], re.DOTALL):
        start, end = found.start() + page.find("<body"), found.end() + page.find("<body")
        if start > last:
            spans.append((last, start))
        last = end
    return [(a, b) for a, b in spans if re.search(r"\d", page[a:b])]


def one_of(files: list[Path], draw: random.Random) -> Path:
    """Draw a file, the larger the likelier: any place in all of them is as likely as another."""
    return draw.choices(files, weights=[file.stat().st_size for file in files])[0]


def names(world: World, file: Path, figure: str = "") -> tuple[str, ...]:
    """Return what must be named of a change in a file: the file, and the figure where there is."""
    return (file.relative_to(world.folder).as_posix(), *([figure] if figure else []))


def pages_of(world: World) -> list[Path]:
    """Return the reports that were analysed, and the bulletin."""
    pages = [folder / "report.html" for folder in world.analysed]
    return [*pages, world.folder / "bulletin" / "bulletin.html"]


def html_digit(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change a digit that a reader sees on a page."""
    file = one_of(sorted(world.folder.rglob("*.html")), draw)
    page = file.read_text(encoding="utf-8")
    changed, at = change_digit(page, spans_of_text(page), draw)
    file.write_text(changed, encoding="utf-8")
    before = page[:at].rpartition("<")[2]
    figure = re.search(r'data-figure="([^"]+)"', before)
    return f"{file.name}", names(world, file, figure[1] if figure else "")


def html_value(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change a digit of an exact value that a page carries with a number."""
    file = one_of(pages_of(world), draw)
    page = file.read_text(encoding="utf-8")
    one = draw.choice(
        list(re.finditer(r'<data value="([^"]*\d[^"]*)" data-figure="([^"]+)"', page))
    )
    changed, _ = change_digit(page, [one.span(1)], draw)
    file.write_text(changed, encoding="utf-8")
    return file.name, names(world, file, one[2])


_WORDS = {
    "fewer": "more", "more": "fewer", "less": "more", "lower": "higher", "higher": "lower",
    "reduction": "increase", "increase": "reduction", "reduced": "increased",
    "increased": "reduced", "longer": "shorter", "shorter": "longer", "worse": "better",
}  # fmt: skip


def sentence_direction(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Turn the direction of a sentence that holds a figure."""
    file = draw.choice(pages_of(world))
    page = file.read_text(encoding="utf-8")
    places = [
        (sentence.start() + word.start(), sentence.start() + word.end())
        for sentence in re.finditer(r"<(p|li)>(?:(?!</\1>).)*data-figure.*?</\1>", page, re.DOTALL)
        for word in re.finditer(rf"\b({'|'.join(_WORDS)})\b", sentence[0])
    ]
    start, end = draw.choice(places)
    file.write_text(page[:start] + _WORDS[page[start:end]] + page[end:], encoding="utf-8")
    return file.name, names(world, file)


def chart_point(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Move one point of a drawing by twelve units."""
    file = draw.choice(pages_of(world))
    page = file.read_text(encoding="utf-8")
    drawn = [
        (svg.start() + number.start(), svg.start() + number.end())
        for svg in re.finditer(r"<svg.*?</svg>", page, re.DOTALL)
        for number in re.finditer(r'(?<=[ "MLQC])\d+\.\d+', svg[0])
    ]
    start, end = draw.choice(drawn)
    file.write_text(
        f"{page[:start]}{float(page[start:end]) + 12:.6f}{page[end:]}", encoding="utf-8"
    )
    return file.name, names(world, file)


def pdf_digit(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change a digit that is printed in a PDF."""
    file = one_of(sorted(world.folder.rglob("*.pdf")), draw)
    with pikepdf.open(file, allow_overwriting_input=True) as document:
        sites = list(_glyphs(document))
        page, place, part, at, others = draw.choice(sites)
        steps = pikepdf.parse_content_stream(document.pages[page])
        operands, operator = steps[place]
        array = list(operands[0]) if str(operator) == "TJ" else [operands[0]]
        text = bytes(array[part])
        array[part] = pikepdf.String(text[:at] + draw.choice(others) + text[at + 2 :])
        steps[place] = ([pikepdf.Array(array)], pikepdf.Operator("TJ"))
        document.pages[page].Contents = document.make_stream(pikepdf.unparse_content_stream(steps))
        document.save(file, deterministic_id=True)
    return f"{file.name}, page {page + 1}", names(world, file)


def _glyphs(document: pikepdf.Pdf) -> Iterator[tuple[int, int, int, int, list[bytes]]]:
    """Yield every digit drawn: page, step, part of its text, place there, other digits'."""
    for number, page in enumerate(document.pages):
        digits: dict[bytes, str] = {}
        for place, (operands, operator) in enumerate(pikepdf.parse_content_stream(page)):
            if str(operator) == "Tf":
                digits = _digits(page.Resources.Font[str(operands[0])])
            if str(operator) not in ("Tj", "TJ"):
                continue
            parts = list(operands[0]) if str(operator) == "TJ" else [operands[0]]
            for part, text in enumerate(parts):
                if not isinstance(text, pikepdf.String):
                    continue
                codes = bytes(text)
                for at in range(0, len(codes) - 1, 2):
                    code = codes[at : at + 2]
                    if code in digits:
                        others = [one for one, told in digits.items() if told != digits[code]]
                        if others:
                            yield number, place, part, at, others


def _digits(font: Any) -> dict[bytes, str]:
    """Return the glyphs of a font that are digits."""
    found = re.findall(rb"<([0-9a-fA-F]{4})>\s*<003([0-9])>", bytes(font.ToUnicode.read_bytes()))
    return {bytes.fromhex(code.decode()): told.decode() for code, told in found}


def ods_digit(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change a digit of a value or text in a spreadsheet."""
    file = one_of(sorted(world.folder.rglob("*.ods")), draw)
    with zipfile.ZipFile(file) as book:
        parts = [(part, book.read(part)) for part in book.infolist()]
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as book:
        for part, content in parts:
            if part.filename == "content.xml":
                text = content.decode()
                spots = r'(?<=office:value=")[^"]*\d|(?<=<text:p>)[^<]*\d'
                start = text.index("<table:table ")
                spans = [
                    (one.start() + start, one.end() + start)
                    for one in re.finditer(spots, text[start:])
                ]
                content = change_digit(text, [draw.choice(spans)], draw)[0].encode()
            book.writestr(part, content)
    file.write_bytes(changed.getvalue())
    return file.name, names(world, file)


def csv_digit(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change a digit of a data file."""
    file = one_of(sorted(world.folder.rglob("*.csv")), draw)
    text = file.read_text(encoding="utf-8")
    changed, at = change_digit(text, [(text.index("\n"), len(text))], draw)
    file.write_text(changed, encoding="utf-8")
    return f"{file.name}, line {text[:at].count(chr(10)) + 1}", names(world, file)


def figure_value(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change the exact value of a figure in the register."""
    file = one_of(sorted(world.folder.rglob("figures.json")), draw)
    register = json.loads(file.read_text(encoding="utf-8"))
    entry = draw.choice([one for one in register if isinstance(one["value"], int | float)])
    entry["value"] = entry["value"] * 1.25 + 1 if entry["value"] else 1
    file.write_text(_json(register), encoding="utf-8")
    return f"{file.name}: {entry['id']}", names(world, file, entry["id"])


def figure_text(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change a digit of the printed text of a figure in the register."""
    file = one_of(sorted(world.folder.rglob("figures.json")), draw)
    register = json.loads(file.read_text(encoding="utf-8"))
    entry = draw.choice([one for one in register if re.search(r"\d", one["text"])])
    entry["text"], _ = change_digit(entry["text"], [(0, len(entry["text"]))], draw)
    file.write_text(_json(register), encoding="utf-8")
    return f"{file.name}: {entry['id']}", names(world, file, entry["id"])


def _json(content: Any) -> str:
    return f"{json.dumps(content, ensure_ascii=False, indent=1)}\n"


def result_number(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change a number of a result that is kept as data."""
    file = draw.choice(world.analysed) / "result.json"
    text = file.read_text(encoding="utf-8")
    spans = [one.span(1) for one in re.finditer(r": (-?\d[\d.e-]*)", text)]
    changed, _ = change_digit(text, [draw.choice(spans)], draw)
    file.write_text(changed, encoding="utf-8")
    return file.name, names(world, file)


def conclusion(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Exchange a conclusion for another."""
    kept = [folder / "result.json" for folder in world.analysed]
    file = draw.choice([*kept, world.folder / "bulletin" / "results.csv"])
    text = file.read_text(encoding="utf-8")
    found = [one.span() for one in re.finditer(r"\b(reduction|inconclusive|increase)\b", text)]
    start, end = draw.choice(found)
    other = draw.choice(sorted({"reduction", "inconclusive", "increase"} - {text[start:end]}))
    file.write_text(text[:start] + other + text[end:], encoding="utf-8")
    return file.name, names(world, file)


def notebook_output(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change a digit of what a cell of the executed notebook shows."""
    file = draw.choice([folder / "notebook.ipynb" for folder in world.analysed])
    book = json.loads(file.read_text(encoding="utf-8"))
    shown = [
        (cell, output)
        for cell in book["cells"]
        for output in cell.get("outputs", [])
        if re.search(r"\d", "".join(output.get("data", {}).get("text/plain", "")))
    ]
    cell, output = draw.choice(shown)
    text = "".join(output["data"]["text/plain"])
    output["data"]["text/plain"] = change_digit(text, [(0, len(text))], draw)[0]
    file.write_text(_json(book), encoding="utf-8")
    return f"{file.name}, cell {cell['id']}", names(world, file, cell["id"])


def file_removed(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Remove a file."""
    files = sorted(path for path in world.folder.rglob("*") if path.is_file())
    file = draw.choice([one for one in files if one.name not in ("manifest.json", "run.json")])
    file.unlink()
    return file.name, names(world, file)


def file_added(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Add a file beside another."""
    folders = sorted(path for path in world.folder.rglob("*") if path.is_dir())
    file = draw.choice([world.folder, *folders]) / f"added-{draw.randrange(1000)}.csv"
    file.write_text("measure,value\nrate,0.31\n", encoding="utf-8")
    return "a file of no cell", names(world, file)


# The manifest


def manifest_entry(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change one entry of what the manifest says that the release was made from."""
    file = world.folder / manifest.MANIFEST
    content = json.loads(file.read_text(encoding="utf-8"))
    leaves = [path for path in _leaves(content) if path[0] not in ("schema", "release")]
    path = draw.choice(leaves)
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = _other(place[path[-1]], draw)
    file.write_text(_json(content), encoding="utf-8")
    return f"{file.name}: {'.'.join(map(str, path))}", (f"{path[-1]}|{path[-2]}|{path[0]}",)


def _leaves(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(content, dict | list):
        steps = content.items() if isinstance(content, dict) else enumerate(content)
        for step, inner in steps:
            yield from _leaves(inner, (*path, step))
    elif content is not None:
        yield path


def _other(value: Any, draw: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    digits = [at for at, letter in enumerate(value) if letter.isdigit()]
    if not digits:
        return f"{value}x"
    at = draw.choice(digits)
    return value[:at] + another_digit(value[at], draw) + value[at + 1 :]


# What it is made from


def table_row(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change one cell of one row of a national table, or leave the row out, or double it."""
    file = draw.choice(sorted(world.vintage.glob("*.parquet")))
    table = pq.read_table(file)
    row, how = draw.randrange(table.num_rows), draw.choice(["change", "leave out", "double"])
    if how == "change":
        table, how = _changed_cell(table, row, draw)
    else:
        repeats = np.ones(table.num_rows, dtype=int)
        repeats[row] = 0 if how == "leave out" else 2
        table = table.take(pa.array(np.repeat(np.arange(table.num_rows), repeats)))
    pq.write_table(table, file)
    return f"{file.stem}: {how} a row", (file.stem,)


def _changed_cell(table: pa.Table, row: int, draw: random.Random) -> tuple[pa.Table, str]:
    """Give a cell the value that another row has in its column."""
    columns = [name for name in table.column_names if len(table[name].unique()) > 1]
    name = draw.choice(columns)
    values = table[name].to_pylist()
    others = sorted({repr(one) for one in values[:5000]} - {repr(values[row])})
    chosen = draw.choice(others)
    values[row] = next(one for one in values if repr(one) == chosen)
    place = table.column_names.index(name)
    changed = pa.array(values, type=table.schema.field(name).type)
    return table.set_column(place, table.schema.field(name), changed), f"change {name} of"


def upload_row(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change one cell of an upload of the release, or leave one row out."""
    file = draw.choice([world.requests / folder.name / "upload.csv" for folder in world.analysed])
    people = pd.read_csv(file, dtype=str, keep_default_na=False)
    row = draw.randrange(len(people))
    if draw.random() < 0.5:
        people = people.drop(index=people.index[row])
        how = "leave out a row"
    else:
        column = draw.choice([name for name in people if people[name].nunique() > 1])
        others = sorted(set(people[column]) - {people[column].iloc[row]})
        people.loc[people.index[row], column] = draw.choice(others)
        how = f"change {column} of a row"
    people.to_csv(file, index=False)
    return f"upload: {how}", (f"upload of {file.parent.name}|{file.parent.name}",)


def request_parameter(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Have a request ask for another value of one of the notebook's parameters."""
    file = world.requests / draw.choice(world.analysed).name / "request.toml"
    known = defaults_of(world.tree / "notebooks" / "tailored_report.ipynb")
    numbers = {name: value for name, value in known.items() if type(value) in (int, float)}
    name = draw.choice(sorted(numbers))
    value = numbers[name]
    other = f"{value * 0.9:.4g}" if isinstance(value, float) else str(value + 1)
    text = file.read_text(encoding="utf-8")
    file.write_text(f"{text.rstrip()}\n\n[method]\n{name} = {other}\n", encoding="utf-8")
    return f"request.toml: [method] {name}", ("request.toml",)


def log_cell(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change a digit in the log of requests, in a row of a release that is out."""
    file = world.requests / "log.csv"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    told = [n for n, line in enumerate(lines) if n and ",published," in line and "-0." in line]
    number = draw.choice(told)
    spans = [one.span() for one in re.finditer(r"(?<=,-0\.)\d+|(?<=,0\.)\d+", lines[number])]
    lines[number], _ = change_digit(lines[number], spans, draw)
    file.write_text("".join(lines), encoding="utf-8")
    return f"log.csv, line {number + 1}", ("log.csv",)


def release_fact(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change a digit of the facts of the release."""
    file = world.requests / "releases" / f"{world.release}.toml"
    text = file.read_text(encoding="utf-8")
    dates = [one.span(1) for one in re.finditer(r"^\w+ = \d{4}-\d\d-(\d\d)", text, re.MULTILINE)]
    start, end = draw.choice(dates)
    day = draw.choice([f"{n:02}" for n in range(10, 28) if f"{n:02}" != text[start:end]])
    file.write_text(text[:start] + day + text[end:], encoding="utf-8")
    return file.name, (f"{file.name}|releases/{file.name}",)


# What it is made by


class _Sites(ast.NodeVisitor):
    """The places of a piece of code where one token can be another."""

    def __init__(self) -> None:
        self.found: list[tuple[ast.AST, str]] = []

    def visit_Constant(self, node: ast.Constant) -> None:
        """Numbers and truths; texts stay."""
        if isinstance(node.value, bool | int | float):
            self.found.append((node, repr(_turned(node.value))))

    def visit_Compare(self, node: ast.Compare) -> None:
        """One comparison."""
        self.generic_visit(node)
        if len(node.ops) == 1 and type(node.ops[0]) in _COMPARED:
            changed = ast.Compare(node.left, [_COMPARED[type(node.ops[0])]()], node.comparators)
            self.found.append((node, f"({ast.unparse(changed)})"))

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """One operation."""
        self.generic_visit(node)
        if type(node.op) in _OPERATED:
            changed = ast.BinOp(node.left, _OPERATED[type(node.op)](), node.right)
            self.found.append((node, f"({ast.unparse(changed)})"))


_COMPARED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip
_OPERATED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}


def _turned(value: bool | int | float) -> bool | int | float:
    return not value if isinstance(value, bool) else value + 1 if value != 1 else 2


def change_code(source: str, draw: random.Random) -> tuple[str, int] | None:
    """Change one token of a piece of code; return the line too, or None where there is no site."""
    visitor = _Sites()
    visitor.visit(ast.parse(source))
    lines = source.splitlines(keepends=True)
    sites = [
        (node, text)
        for node, text in visitor.found
        if node.lineno == node.end_lineno and not re.match(r"\s*@", lines[node.lineno - 1])
    ]
    if not sites:
        return None
    node, text = draw.choice(sites)
    line = lines[node.lineno - 1].encode()
    lines[node.lineno - 1] = (
        line[: node.col_offset].decode() + text + line[node.end_col_offset :].decode()
    )
    return "".join(lines), node.lineno


def package_line(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change one token in the package."""
    left_out = ("synthetic", "published", "verify", "cli.py", "sitting.py", "diff.py", "why.py")
    package = world.tree / "jdl"
    files = [
        file
        for file in sorted(package.rglob("*.py"))
        if not file.relative_to(package).parts[0].startswith(left_out)
    ]
    while True:
        file = draw.choice(files)
        changed = change_code(file.read_text(encoding="utf-8"), draw)
        if changed is not None:
            file.write_text(changed[0], encoding="utf-8")
            path = file.relative_to(world.tree).as_posix()
            return f"{path}, line {changed[1]}", (path,)


def notebook_line(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change one token in a code cell of the master notebook or of the bulletin's."""
    name = draw.choice(["tailored_report.ipynb", "tailored_report.ipynb", "bulletin.ipynb"])
    file = world.tree / "notebooks" / name
    book = nbformat.read(file, as_version=4)
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    while True:
        cell = draw.choice(cells)
        changed = change_code(cell.source, draw)
        if changed is not None:
            cell.source = changed[0]
            nbformat.write(book, file)
            path = file.relative_to(world.tree).as_posix()
            return f"{path}, cell {cell.id}", (f"{path}|{cell.id}",)


def template_line(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Leave a word out of a template's text."""
    files = sorted((world.tree / "templates").rglob("*.j2"))
    used = ("tailored_report", "bulletin", "page", "audit", "release_index", "quality", "facts")
    file = draw.choice([one for one in files if one.parent.name in used])
    text = file.read_text(encoding="utf-8")
    bare = re.sub(
        r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", lambda m: "\0" * len(m[0]), text, flags=re.S
    )
    words = [one.span() for one in re.finditer(r"(?<= )[a-z]{3,}(?= )", bare)]
    if not words:
        words = [one.span() for one in re.finditer(r"[A-Za-z]{3,}", bare)] or [(0, 1)]
    start, end = draw.choice(words)
    file.write_text(text[:start] + text[end:].lstrip(" "), encoding="utf-8")
    path = file.relative_to(world.tree).as_posix()
    return path, (path,)


def code_list(world: World, draw: random.Random) -> tuple[str, tuple[str, ...]]:
    """Change a letter in the code lists or the short forms of names."""
    file = world.tree / "jdl" / draw.choice(["codes.toml", "nicknames.toml"])
    text = file.read_text(encoding="utf-8")
    words = [one.span() for one in re.finditer(r'(?<=")[a-z]{4,}(?=")', text)]
    start, _ = draw.choice(words)
    file.write_text(text[:start] + ("q" if text[start] != "q" else "x") + text[start + 1 :])
    path = file.relative_to(world.tree).as_posix()
    return path, (path,)


OPERATORS = (
    Operator("digit in a page", "published", html_digit),
    Operator("exact value in a page", "published", html_value),
    Operator("direction of a sentence", "published", sentence_direction),
    Operator("chart point", "published", chart_point),
    Operator("digit in a PDF", "published", pdf_digit),
    Operator("digit in a spreadsheet", "published", ods_digit),
    Operator("digit in a CSV", "published", csv_digit),
    Operator("value of a figure", "published", figure_value),
    Operator("text of a figure", "published", figure_text),
    Operator("number of a result", "published", result_number),
    Operator("conclusion", "published", conclusion),
    Operator("output of a cell", "published", notebook_output),
    Operator("file removed", "published", file_removed),
    Operator("file added", "published", file_added),
    Operator("manifest", "manifest", manifest_entry),
    Operator("row of a national table", "inputs", table_row),
    Operator("upload", "inputs", upload_row),
    Operator("parameter", "inputs", request_parameter),
    Operator("log", "inputs", log_cell),
    Operator("facts of the release", "inputs", release_fact),
    Operator("line of a notebook", "code", notebook_line),
    Operator("line of the package", "code", package_line),
    Operator("template", "code", template_line),
    Operator("code list", "code", code_list),
)


def mutate(world: World, operator: Operator, seed: str, *, forged: bool = False) -> Mutant:
    """Make one change in a world.

    Parameters
    ----------
    world : World
        Its files are changed.
    operator : Operator
    seed : str
        Draws the site.
    forged : bool
        Whether the manifests are made to agree afterwards, as a forger would.
    """
    what, named = operator.act(world, random.Random(seed))
    if forged:
        forge(world.folder)
    return Mutant(operator.name, operator.layer, what, named, forged)


def forge(folder: Path) -> None:
    """Make every manifest of a release agree with its files, as the release itself makes them."""
    file = folder / manifest.MANIFEST
    content = json.loads(file.read_text(encoding="utf-8"))
    content["files"] = manifest.file_hashes(folder)
    for name, told in manifest.records(content).items():
        (folder / name).write_bytes(told)
    content["files"] = manifest.file_hashes(folder)
    file.write_bytes(manifest.dump(content))
