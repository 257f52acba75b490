"""The texts of a file that is to be published: everything in it that anyone could read.

Every format that a release has is taken apart: markup with its attributes and comments, JSON,
spreadsheets, PDF. What cannot be read is said to be so; nothing is passed over.
"""

# mypy: untyped-calls-exclude="pikepdf"

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jdl.scan.words import STOP

_INLINE = "a|abbr|b|bdi|bdo|cite|code|data|em|i|kbd|mark|s|small|span|strong|sub|sup|tspan|u|wbr"
_INLINE_TAG = re.compile(rf"<!--.*?-->|</?(?:{_INLINE})(?:\s[^<>]*)?/?>", re.S | re.I)
_BLOCK = "p|li|h[1-6]|caption|section|pre|table|svg|title|desc|dt|dd|figcaption|summary"
_BLOCK_TAG = re.compile(rf"</?(?:{_BLOCK})(?:\s[^<>]*)?/?>", re.I)
_TAG = re.compile(r"<!--.*?-->|<[/!?a-zA-Z][^<>]*>", re.S)
_PATH = re.compile(r'\sd="[MmLlHhVvCcSsQqTtAaZz0-9eE.,\s-]*"')
_FIGURE = re.compile(r'="-?\d{0,5}(?:\.\d+)?"')
_PAYLOAD = re.compile(r"(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{4}){32,}[A-Za-z0-9+/]{0,3}={0,2}")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([ntr]))")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")
_PRINTABLE = re.compile(rb"[\x20-\x7e]{12,}")
_WIDE = re.compile(rb"(?:[\x20-\x7e]\0){6,}|(?:\0[\x20-\x7e]){6,}")
_DEPTH = 4
_LONG = 10**7
_UNPACKED = 2**30


class Unreadable(Exception):  # noqa: N818
    """Something is to be published that cannot be read, so that nobody knows whom it names."""


def texts_of(name: str, content: bytes, depth: int = 0) -> Iterator[str]:
    """Return the texts of a file.

    Parameters
    ----------
    name : str
        Its name; the suffix only helps, the content decides.
    content : bytes
    depth : int
        How many files it lies in.

    Yields
    ------
    str
        Without markup; the same words can come more than once.

    Raises
    ------
    Unreadable
        If part of it cannot be read, such as a picture, an encrypted document or a broken one.
    """
    if depth > _DEPTH:
        raise Unreadable
    if content[:4] == b"PK\x03\x04":
        yield from _archive(content, depth)
    elif content[:5] == b"%PDF-":
        yield from _document(content, depth)
    elif content.startswith(_PICTURES) and name[-4:] != ".csv":
        raise Unreadable
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            yield from printable(content)
            return
        if name.endswith((".json", ".ipynb")):
            text = "\n".join(_leaves(_parsed(text)))
        yield from _views(text, depth)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: [list(pair) for pair in pairs])
    except ValueError:
        return text


def _leaves(content: Any) -> Iterator[str]:
    """Yield every key, text and number, in their order, a key that is there twice too."""
    if isinstance(content, list):
        for one in content:
            yield from _leaves(one)
    elif isinstance(content, str) or (isinstance(content, int) and abs(content) >= _LONG):
        yield str(content)


def _views(text: str, depth: int) -> Iterator[str]:
    """Yield a text as it stands and as it is seen, whatever way it is written down."""
    text, payloads = _parted(text)
    for payload in payloads:
        yield from texts_of("", payload, depth + 1)
    text = _FIGURE.sub('=""', _PATH.sub(" ", text))
    for _ in range(3):
        if "<" in text:
            tags = dict.fromkeys(_TAG.findall(text))
            yield html.unescape(f" {STOP} ".join(tags))
            visible = _BLOCK_TAG.sub(f" {STOP} ", _INLINE_TAG.sub("", text))
            yield html.unescape(_TAG.sub(" ", visible))
        text, before = html.unescape(text), text
        if text == before:
            break
    yield from _decoded(text) if "<" in text else (text, *_decoded(text))


def _decoded(text: str) -> Iterator[str]:
    """Yield the lines of a text that are written as in an address or in code, as they read."""
    lines = text.splitlines()
    if coded := [line for line in lines if _PERCENT.search(line)]:
        yield unquote("\n".join(coded))
    if escaped := [line for line in lines if _ESCAPE.search(line)]:
        yield _ESCAPE.sub(_character, "\n".join(escaped))


def _character(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else " "


def _parted(text: str) -> tuple[str, list[bytes]]:
    """Part a text from what is embedded in it as base64."""
    payloads = []

    def taken(match: re.Match[str]) -> str:
        written = match[0]
        if written.isalnum() and (written.islower() or written.isupper() or written.isdigit()):
            return written
        try:
            payloads.append(base64.b64decode(written + "=" * (-len(written) % 4), validate=True))
        except binascii.Error:
            return written
        return " "

    return _PAYLOAD.sub(taken, text), payloads


def printable(content: bytes) -> Iterator[str]:
    """Yield the runs of letters in content that is no text, one byte or two to a character."""
    yield "\n".join(run.decode("ascii") for run in _PRINTABLE.findall(content))
    yield "\n".join(run.replace(b"\0", b"").decode("ascii") for run in _WIDE.findall(content))


def _archive(content: bytes, depth: int) -> Iterator[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > _UNPACKED:
                raise Unreadable
            yield archive.comment.decode("utf-8", "replace")
            for entry in entries:
                yield f"{entry.filename} {entry.comment.decode('utf-8', 'replace')}"
                yield from printable(entry.extra)
                yield from texts_of(entry.filename, archive.read(entry), depth + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError):
        raise Unreadable from None


def _document(content: bytes, depth: int) -> Iterator[str]:
    """Yield the texts of a PDF: pages, metadata, descriptions, bookmarks, attachments, remains."""
    import pikepdf

    yield from printable(content)
    try:
        with pikepdf.open(io.BytesIO(content)) as pdf:
            fonts: dict[Any, dict[bytes, str]] = {}
            yield "\n".join(dict.fromkeys(" ".join(_strings(thing)) for thing in pdf.objects))
            shown = [page.obj.get("/Contents") for page in pdf.pages]
            drawn = {one.objgen for one in shown if isinstance(one, pikepdf.Stream)}
            for thing in pdf.objects:
                if isinstance(thing, pikepdf.Stream):
                    yield from _stream(thing, depth, drawn=thing.objgen in drawn)
            for page in pdf.pages:
                yield _shown(page, page.obj.get("/Resources"), fonts)
            for thing in pdf.objects:
                if isinstance(thing, pikepdf.Stream) and thing.get("/Subtype") == "/Form":
                    yield _shown(thing, thing.get("/Resources"), fonts)
            yield " ".join(_strings(pdf.trailer))
    except (pikepdf.PdfError, pikepdf.PasswordError):
        raise Unreadable from None


def pages_of(content: bytes) -> list[str]:
    """Return the text that each page of a PDF shows.

    Parameters
    ----------
    content : bytes

    Raises
    ------
    Unreadable
        If it is no PDF, or a font does not say what its letters are.
    """
    fonts: dict[Any, dict[bytes, str]] = {}
    with _opened(content) as pdf:
        return [_shown(page, page.obj.get("/Resources"), fonts, marks=False) for page in pdf.pages]


def structure_of(content: bytes) -> str:
    """Return the structure of a PDF in words: all that it holds but where things stand on a page.

    That is its tags as they are nested, and what they tell; what it is called, does when opened,
    links to and has attached; its pictures; and what is drawn in which colour, in order.

    Parameters
    ----------
    content : bytes

    Raises
    ------
    Unreadable
        If it is no PDF.
    """
    with _opened(content) as pdf:
        pages = [page.obj for page in pdf.pages]
        told = [*_tags(pdf.Root.get("/StructTreeRoot")), *_held([pdf.docinfo, pdf.Root, *pages])]
        return " ".join((*told, *(one for page in pages for one in _drawn(page))))


def _held(waiting: list[Any]) -> Iterator[str]:
    """Yield what these objects and those they refer to hold, but for numbers and fonts."""
    import pikepdf

    seen = set()
    waiting = waiting[::-1]
    while waiting:
        one = waiting.pop()
        if getattr(one, "is_indirect", False):
            if one.objgen in seen:
                continue
            seen.add(one.objgen)
        if isinstance(one, pikepdf.Array):
            waiting += reversed([*one])
        elif isinstance(one, pikepdf.Dictionary | pikepdf.Stream):
            if isinstance(one, pikepdf.Stream):
                yield hashlib.sha256(one.read_raw_bytes()).hexdigest()
            kept = [key for key in sorted(one.keys()) if key not in _ELSEWHERE]
            yield " ".join(kept)
            waiting += [one[key] for key in reversed(kept)]
        elif isinstance(one, pikepdf.String | pikepdf.Name | bool):
            yield str(one)


def _drawn(page: Any) -> Iterator[str]:
    import pikepdf

    for step in pikepdf.parse_content_stream(page):
        if str(step.operator) in _COLOURS:
            yield " ".join(map(str, step.operands))
        if str(step.operator) in (*_COLOURS, *_DRAWN):
            yield str(step.operator)


def _tags(tag: Any) -> Iterator[str]:
    """Yield the tags below one, each with its description, in reading order."""
    import pikepdf

    waiting = [tag]
    while waiting:
        one = waiting.pop()
        if isinstance(one, pikepdf.Array):
            waiting += reversed([*one])
        elif isinstance(one, pikepdf.Dictionary):
            told = [str(one[key]) for key in ("/S", "/Alt", "/ActualText", "/Lang") if key in one]
            yield " ".join(told)
            waiting.append(one.get("/K"))


@contextmanager
def _opened(content: bytes) -> Iterator[Any]:
    import pikepdf

    try:
        with pikepdf.open(io.BytesIO(content)) as pdf:
            yield pdf
    except (pikepdf.PdfError, pikepdf.PasswordError):
        raise Unreadable from None


def _strings(thing: Any, within: bool = False) -> Iterator[str]:
    """Yield the strings and names of an object of a PDF, not of those it refers to."""
    import pikepdf

    if within and getattr(thing, "is_indirect", False):
        return
    if isinstance(thing, pikepdf.String | pikepdf.Name):
        yield str(thing)
    elif isinstance(thing, pikepdf.Array):
        for one in thing:
            yield from _strings(one, True)
    elif isinstance(thing, pikepdf.Dictionary | pikepdf.Stream):
        for key, value in thing.items():
            yield key
            yield from _strings(value, True)


def _stream(stream: Any, depth: int, *, drawn: bool) -> Iterator[str]:
    """Yield what a stream holds that no page shows: metadata, attachments, fonts, remarks."""
    if stream.get("/Subtype") == "/Image":
        raise Unreadable
    if stream.get("/Type") in _OF_OBJECTS:
        return
    raw = stream.read_bytes()
    if drawn or stream.get("/Subtype") == "/Form":
        raw = b"\n".join(_REMARK.findall(raw))
    if stream.get("/Type") in ("/EmbeddedFile", "/Metadata"):
        yield from texts_of("", raw, depth + 1)
    else:
        yield from printable(raw)


_OF_OBJECTS = ("/ObjStm", "/XRef")
_REMARK = re.compile(rb"%[^\r\n]*")
_ELSEWHERE = ("/StructTreeRoot", "/Contents", "/Font", "/Parent", "/Dests", "/StructParents", "/ID")
_COLOURS = ("g", "G", "rg", "RG", "k", "K", "sc", "SC", "scn", "SCN", "gs", "Do", "Tr")
_DRAWN = ("m", "l", "c", "v", "y", "h", "re", "f", "F", "f*", "S", "s", "B", "B*", "b", "b*", "sh")
_TEXT = ("Tj", "'", '"', "TJ")
_PLACED = ("BT", "Td", "TD", "Tm", "T*", "'", '"')


def _shown(
    page: Any, resources: Any, fonts: dict[Any, dict[bytes, str]], *, marks: bool = True
) -> str:
    """Return the text that a page, or a drawing on one, shows, in the order in which it does."""
    import pikepdf

    shown: list[str] = []
    letters: dict[bytes, str] = {}
    for step in pikepdf.parse_content_stream(page):
        operands, name = step.operands, str(step.operator)
        if name == "Tf":
            letters = _letters(resources["/Font"][operands[0]], fonts)
        if name in _PLACED:
            shown.append(" ")
        if name in _TEXT:
            runs = operands[0] if name == "TJ" else operands[-1:]
            shown += [_lettered(bytes(r), letters) for r in runs if isinstance(r, pikepdf.String)]
        elif marks and name in ("BDC", "DP"):
            shown.append(f" {' '.join(_strings(operands[1]))} ")
    return " ".join("".join(shown).split())


def _letters(font: Any, fonts: dict[Any, dict[bytes, str]]) -> dict[bytes, str]:
    """Return what each code of a font stands for.

    Raises
    ------
    Unreadable
        If the font does not say.
    """
    if font.objgen not in fonts:
        if "/ToUnicode" in font:
            fonts[font.objgen] = _mapped(font["/ToUnicode"].read_bytes().decode("latin-1"))
        elif font.get("/Subtype") == "/Type0":
            raise Unreadable
        else:
            fonts[font.objgen] = {}
    return fonts[font.objgen]


def _mapped(cmap: str) -> dict[bytes, str]:
    letters: dict[bytes, str] = {}
    for block in re.findall(r"beginbfchar(.*?)endbfchar", cmap, re.S):
        for code, text in re.findall(r"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]*)>", block):
            letters[bytes.fromhex(code)] = bytes.fromhex(text).decode("utf-16-be", "replace")
    for block in re.findall(r"beginbfrange(.*?)endbfrange", cmap, re.S):
        triples = re.findall(r"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>", block)
        for first, last, text in triples:
            for step in range(int(last, 16) - int(first, 16) + 1):
                code = (int(first, 16) + step).to_bytes(len(first) // 2, "big")
                letters[code] = chr(int(text, 16) + step)
    return letters


def _lettered(run: bytes, letters: dict[bytes, str]) -> str:
    if not letters:
        return run.decode("latin-1")
    size = len(next(iter(letters)))
    codes = (run[place : place + size] for place in range(0, len(run), size))
    return "".join(letters.get(code, "\ufffd") for code in codes)


def files_of(path: Path) -> list[tuple[str, bytes]]:
    """Return every file of a folder, or the one file, by its path in it, in order of the paths."""
    if path.is_file():
        return [(path.name, path.read_bytes())]
    files = sorted(one for one in path.rglob("*") if not one.is_dir())
    if any(one.is_symlink() for one in path.rglob("*")):
        raise Unreadable
    return [(one.relative_to(path).as_posix(), one.read_bytes()) for one in files]
