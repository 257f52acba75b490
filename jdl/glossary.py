"""The terms of the field in plain words, and where a text first uses each.

A term is explained in place by a button that opens its meaning. Both are plain HTML (a popover),
so that a page needs no script.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from html import escape
from html.parser import HTMLParser
from pathlib import Path

_APART = {
    *("code", "pre", "kbd", "samp", "math", "h1", "h2", "h3", "h4", "h5", "h6", "a", "button"),
    *("label", "summary", "th", "caption", "dt", "dfn", "mark", "svg", "script", "style", "title"),
}
"""Elements in which no term is marked."""
_A_BUTTON = r'<button [^>]*class="term"[^>]*>[^<]*</button>'
_AGAINST = re.compile(rf"(?:<(em|strong)>{_A_BUTTON}</\1>|{_A_BUTTON})[^\s<]+")
_APOSTROPHE = "(?:'|\u2019|&#39;|&#x27;|&apos;|&rsquo;)"


@dataclass(frozen=True)
class Term:
    """A term of the field.

    Parameters
    ----------
    name : str
    means : str
        One or two short sentences.
    also : tuple of str
        Other forms of it in a text, such as the plural.
    see : tuple of str
        The names of other terms.
    where : str
        The function of the package that works it out, such as ``matching.radius``; empty if none.
    symbol : str
        How formulas, arguments or tables write it; empty if they do not.
    """

    name: str
    means: str
    also: tuple[str, ...] = ()
    see: tuple[str, ...] = ()
    where: str = ""
    symbol: str = ""

    @property
    def id(self) -> str:
        """Its name as part of an address: ``m and u`` is ``m-and-u``."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    @property
    def forms(self) -> tuple[str, ...]:
        """Every form in which a text may use it, its name first."""
        return (self.name, *self.also)


@cache
def terms() -> tuple[Term, ...]:
    """Return every term, by name."""
    told = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    made = (
        Term(**one | {"also": tuple(one.get("also", ())), "see": tuple(one.get("see", ()))})
        for one in told["term"]
    )
    return tuple(sorted(made, key=lambda term: term.name.lower()))


@dataclass(frozen=True)
class Marked:
    """A text whose terms can be opened.

    Parameters
    ----------
    html : str
    used : tuple of Term
        Those that were marked, in the order of the text. The page must hold `meanings` of them.
    """

    html: str
    used: tuple[Term, ...]


def mark(html: str, *, but: Collection[str] = ()) -> Marked:
    """Make a button of the first use of each term in a text.

    Of two terms that begin together the longer is meant. Code, headings, links, table headers and
    what can already be pressed are left as they are, and nothing but the buttons is added.

    Parameters
    ----------
    html : str
        The HTML of prose, such as all the texts of one step.
    but : collection of str
        The names of terms that are not to be marked, because the step has told them before.

    Returns
    -------
    Marked
    """
    reader = _Reader(but)
    reader.feed(html)
    reader.close()
    reader.end()
    return Marked("".join(reader.out), tuple(reader.used))


def keep(html: str) -> str:
    """Keep each term on one line with what stands against it, such as a full stop.

    Parameters
    ----------
    html : str
        From `mark`; to be kept once only.

    Returns
    -------
    str
        A line breaks neither before the stop nor where the term is set in italics or bold.
    """
    return _AGAINST.sub(r'<span class="kept">\g<0></span>', html)


def meanings(used: Iterable[Term]) -> str:
    """Return what the buttons of `mark` open, each term once, by name.

    Parameters
    ----------
    used : iterable of Term
        All that are marked anywhere on the page.

    Returns
    -------
    str
        HTML for one place on the page, inside its ``main``.
    """
    return "\n".join(map(_meaning, sorted(set(used), key=lambda term: term.name.lower())))


def _meaning(term: Term) -> str:
    return (
        f'<div popover class="meaning" id="term-{term.id}"><p><strong>{escape(term.name)}</strong>'
        f"{_written(term)}</p><p>{escape(term.means)}</p></div>"
    )


def _written(term: Term) -> str:
    return f", <code>{escape(term.symbol)}</code>" if term.symbol else ""


@cache
def _by_form() -> dict[str, Term]:
    return {form.lower(): term for term in terms() for form in term.forms}


@cache
def _any_form() -> re.Pattern[str]:
    longest_first = sorted(_by_form(), key=len, reverse=True)
    return re.compile(
        rf"(?<![\w&#-])(?:{'|'.join(map(_as_written, longest_first))})(?![\w-])", re.I
    )


def _as_written(form: str) -> str:
    """Return the pattern of a form: lines may break in it, and quotes be written in any way."""
    words = (re.escape(escape(word, quote=False)) for word in form.split())
    return r"\s+".join(words).replace("'", _APOSTROPHE)


def _plain(text: str) -> str:
    """Return a form as it was found in a text, as `_by_form` holds it."""
    return " ".join(re.sub(_APOSTROPHE, "'", text).replace("&amp;", "&").lower().split())


class _Reader(HTMLParser):
    """Copies HTML as it is written, and marks terms in the text between tags."""

    def __init__(self, but: Collection[str]) -> None:
        super().__init__(convert_charrefs=False)
        self.out: list[str] = []
        self.used: list[Term] = []
        self._told = set(but)
        self._text: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag(self.get_starttag_text() or "")
        if tag in _APART:
            self._within.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        self._tag(f"</{tag}>")
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def handle_entityref(self, name: str) -> None:
        self._text.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._text.append(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        self._tag(f"<!--{data}-->")

    def end(self) -> None:
        """Write the text after the last tag."""
        self._tag("")

    def _tag(self, tag: str) -> None:
        text = "".join(self._text)
        self._text.clear()
        self.out += [text, tag] if self._within else [*self._marked(text), tag]

    def _marked(self, text: str) -> Iterator[str]:
        done = 0
        for found in _any_form().finditer(text):
            term = _by_form()[_plain(found[0])]
            if term.name not in self._told:
                self._told.add(term.name)
                self.used.append(term)
                yield text[done : found.start()] + _button(term, found[0])
                done = found.end()
        yield text[done:]


def _button(term: Term, text: str) -> str:
    return f'<button type="button" class="term" popovertarget="term-{term.id}">{text}</button>'
