"""What a text holds that could tell who somebody is: words, neighbours, days and codes.

Letters are folded: no case, no accents, apostrophes both left out and parting, everything else
that is no letter or digit parting. A register is folded in the same way by `register`.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from jdl.linkage import CHECK_LETTERS

LABELS = frozenset(
    {"name", "names", "forename", "forenames", "surname", "surnames", "first", "last", "middle"}
    | {"family", "given", "alias", "aliases", "mr", "mrs", "ms", "miss", "dr", "mac", "von"}
    | {"van", "der", "den", "del", "dos", "las", "los", "bin", "ibn"}
)
"""Words that may stand between a forename and its surname without parting them."""
STOP = "zzstop"
"""Parts what stands before it from what stands after it."""
CLOSE = 8
"""How many words a surname may be away from a date of birth to be close to it."""
_APOSTROPHES = "'\u2018\u2019\u02bc`\u00b4"
_LETTERS = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th"}
_TOKEN = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"[^\W\d_]*[a-zß-ÿ][A-ZÀ-Þ][^\W\d_]*")
_PIECE = re.compile(r"[A-ZÀ-Þ]?[a-zß-ÿ]+|[A-ZÀ-Þ]+(?![a-zß-ÿ])")
_RUN = re.compile(r"[^\W\d_]{4,}")
_HEX = frozenset("abcdef")
_SENTENCE_END = re.compile(r"(?<=[^\W\d_]{3})[.!?]\s")

_MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_MONTHS = {name: place for place, name in enumerate(_MONTH.split("|"), 1)}
_NAMED = rf"(?P<m>{_MONTH})[a-z]*"
_NTH = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<y>(?:19|20)\d\d)"
_AFTER = r"(?!\d)"
_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?<!\d){_YEAR}[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}}){_AFTER}",
        rf"(?<!\d)(?P<d>\d{{1,2}})(?P<s>[-/.])(?P<m>\d{{1,2}})(?P=s){_YEAR}{_AFTER}",
        r"(?<![\d.])(?P<d>\d{1,2})(?P<s>[-/.])(?P<m>\d{1,2})(?P=s)(?P<y>\d\d)(?![.]?\d)",
        rf"(?<![^\W_]){_YEAR}(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])(?![^\W_])",
        rf"(?<![^\W_])(?<!\d[.])(?P<d>[0-3]\d)(?P<m>[0-3]\d){_YEAR}(?![^\W_])",
        rf"(?<!\d){_NTH}(?:\s+of)?[\s,.\-]{{0,3}}{_NAMED}[\s,.\-]{{0,3}}{_YEAR}{_AFTER}",
        rf"(?<!\d){_NTH}[-/ ]{_NAMED}[-/'](?P<y>\d\d){_AFTER}",
        rf"(?<![^\W_]){_NAMED}[\s.\-]{{1,3}}{_NTH}[\s,]{{1,3}}{_YEAR}{_AFTER}",
        rf"(?<!\d){_YEAR}[\s\-]{_NAMED}[\s\-]{_NTH}{_AFTER}",
        rf"date(?:time)?\({_YEAR}, ?(?P<m>\d{{1,2}}), ?(?P<d>\d{{1,2}})",
    )
)
_EPOCH = re.compile(r"(?<![\w.-])-?\d{8,19}(?![\w.])")
_DAY = 86_400
_MARK = re.compile(r"zzday(\d{8})")
_CHUNK = re.compile(r"[^\W_]+(?:[-/._\\][^\W_]+)*")
_NUMBER = re.compile(r"\d+(\.\d+)?(e-?\d+)?")
_PNC = (
    re.compile(
        r"(?<![^\W_])(?<!\d[.])(?:19|20)?(\d\d) ?[/\\._-] ?(\d{1,7}) ?([a-z])?(?![^\W_])(?![.]\d)"
    ),
    re.compile(r"(?<![^\W_])(?:19|20)?(\d\d) ?(\d{7}) ?([a-z])(?![^\W_])"),
)
_PRISON = re.compile(
    r"(?<![^\W_])(?:([a-z])[ -]?(\d{4})[ -]?([a-z]{2})|([a-z]{2})[ -]?(\d{4}))(?![^\W_])"
)


@dataclass
class Holds:
    """What a text holds, folded.

    Parameters
    ----------
    words : set of str
        Of letters only, two or more.
    pairs : set of (str, str)
        Words that stand next to each other, in their order.
    near : set of (str, str)
        A word and a day close to it.
    days : set of str
        Every day in any common way to write it, as ``1980-12-31``; both where the order of day and
        month is open.
    codes : set of str
        Letters and digits together, and long numbers, without what parts them.
    pnc : set of str
        What can be read as a PNC id: the two digits of the year and the seven of the serial.
    """

    words: set[str] = field(default_factory=set)
    pairs: set[tuple[str, str]] = field(default_factory=set)
    near: set[tuple[str, str]] = field(default_factory=set)
    days: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)
    pnc: set[str] = field(default_factory=set)

    def add(self, other: Holds) -> None:
        """Take in what another text holds."""
        for name in vars(self):
            getattr(self, name).update(getattr(other, name))


def folded(text: str) -> str:
    """Return a text without case, accents and characters that show nothing."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    for one in {one for one in set(plain) if not one.isascii()}:
        if unicodedata.category(one) in ("Mn", "Cf"):
            plain = plain.replace(one, "")
        elif one in _LETTERS:
            plain = plain.replace(one, _LETTERS[one])
    return plain


def read(text: str) -> Holds:
    """Find in a text what could tell who somebody is.

    Parameters
    ----------
    text : str
        Without markup.

    Returns
    -------
    Holds
    """
    found = Holds()
    for word in set(_HUMP.findall(text)):
        _take([folded(piece) for piece in _PIECE.findall(word)], found)
    plain = folded(text)
    joined = _without_apostrophes(plain, "")
    _take_codes(joined, found)
    _take(_TOKEN.findall(_marked(_SENTENCE_END.sub(f" {STOP} ", joined))), found)
    if joined != plain:
        lines = [line for line in plain.splitlines() if _without_apostrophes(line, "") != line]
        parted = _without_apostrophes("\n".join(lines), " ")
        _take(_TOKEN.findall(_marked(parted)), found)
    return found


def _without_apostrophes(text: str, instead: str) -> str:
    for one in _APOSTROPHES:
        text = text.replace(one, instead)
    return text


def _take(tokens: Sequence[str], found: Holds) -> None:
    """Add the words, pairs and days of a text in its order."""
    distinct = set(tokens)
    words = set(filter(_is_word, distinct))
    passed = {one for one in distinct if len(one) == 1} | LABELS
    for order in (tokens, [one for one in tokens if one not in passed]):
        pairs = set(pairwise(order))
        found.pairs.update(pair for pair in pairs if words.issuperset(pair))
    found.words.update(words)
    found.words.update(run for one in distinct if not one.isalpha() for run in _runs(one))
    for place, token in enumerate(tokens):
        if token.startswith("zzday"):
            days = [f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in _MARK.findall(token)]
            found.days.update(days)
            around = filter(_is_word, tokens[max(place - CLOSE, 0) : place + CLOSE + 1])
            found.near.update((word, day) for word in around for day in days)


def _is_word(token: str) -> bool:
    return len(token) > 1 and token.isalpha() and token != STOP


def _runs(token: str) -> Iterator[str]:
    """Yield the words to which digits have been stuck; those of a hash are none."""
    if not token.startswith("zzday"):
        yield from (run for run in _RUN.findall(token) if not _HEX.issuperset(run))


def _marked(text: str) -> str:
    """Return a text with each date replaced by a token that says which days it can mean."""
    for pattern in _DATES:
        text = pattern.sub(_mark, text)
    return _EPOCH.sub(_mark_epoch, text)


def _mark(match: re.Match[str]) -> str:
    told = match.groupdict()
    years = [int(told["y"])] if len(told["y"]) == 4 else [1900 + int(told["y"])]
    if len(told["y"]) == 2 and int(told["y"]) < 30:
        years.append(2000 + int(told["y"]))
    month, day = _MONTHS.get(told["m"]) or int(told["m"]), int(told["d"])
    orders = [(month, day)] if told["m"] in _MONTHS or told.get("s") is None else []
    orders = orders or [(month, day), (day, month)]
    marks = {f"zzday{y:04}{m:02}{d:02}" for y in years for m, d in orders if _is_day(y, m, d)}
    return f" {''.join(sorted(marks))} " if marks else match[0]


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        dt.date(year, month, day)
    except ValueError:
        return False
    return True


def _mark_epoch(match: re.Match[str]) -> str:
    """Mark a midnight counted from 1970 in seconds or, as JSON of a table has it, in parts of one.

    Only for the years in which a person in hand can have been born.
    """
    number = int(match[0])
    for part in (1, 1_000, 1_000_000, 1_000_000_000):
        days, rest = divmod(number, _DAY * part)
        if rest == 0 and -20_000 < days < 15_000 and abs(days) > 90:
            day = dt.date(1970, 1, 1) + dt.timedelta(days=days)
            return f" zzday{day:%Y%m%d} "
    return match[0]


def _take_codes(text: str, found: Holds) -> None:
    for chunk in set(_CHUNK.findall(text)):
        if not _NUMBER.fullmatch(chunk) and any(map(str.isdigit, chunk)):
            found.codes.update(filter(_is_code, _joins(_TOKEN.findall(chunk))))
        elif chunk.isdigit() and len(chunk) > 8:
            found.codes.add(chunk)
    for one in _PRISON.finditer(text):
        found.codes.add("".join(filter(None, one.groups())))
    for pattern in _PNC:
        found.pnc.update(_pnc_keys(pattern.finditer(text)))


def _joins(parts: Sequence[str]) -> Iterator[str]:
    for start in range(len(parts)):
        for end in range(start + 1, min(start + 5, len(parts) + 1)):
            yield "".join(parts[start:end])


def _is_code(text: str) -> bool:
    if text.isdigit():
        return len(text) > 8
    return 5 <= len(text) <= 40 and any(map(str.isdigit, text))


def _pnc_keys(matches: Iterable[re.Match[str]]) -> Iterator[str]:
    for match in matches:
        year, serial, letter = match.groups()
        key = f"{year}{serial:0>7}"
        whole = letter is None and len(serial) == 7 and "." not in match[0]
        if whole or (letter and CHECK_LETTERS[int(key) % 23].lower() == letter):
            yield key
