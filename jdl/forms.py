"""Forms in TOML: which keys a file may have, and what each may hold."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jdl.cells import Findings
from jdl.faults import PILED, UNSEEN, Fault, Unusable, shown

MONTH = re.compile(r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])")
ID = re.compile(r"(?!(?:bulletin|aux|con|nul|prn|com[0-9]|lpt[0-9])$)[a-z0-9][a-z0-9-]{0,39}")
"""A request's: a plain folder name, not the bulletin's and none that Windows keeps for itself."""
ROLE = re.compile(r"[^\W\d_][\w ,'&/-]{2,59}")
"""A post, never a name."""
_LARGEST = 100_000
_LONGEST_WORD = 80
_UNPRINTED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_YEARS = range(1900, 2101)


@dataclass(frozen=True)
class Key:
    """What a key of a TOML form may hold.

    Parameters
    ----------
    kind : str
        ``text``, ``long text``, ``date``, ``moment``, ``whole number``, ``true or false``,
        ``list of text`` or ``list of ids``.
    required : bool
        Whether it must be there.
    codes : tuple of str
        Allowed values; empty when free.
    shape : re.Pattern, optional
        What text must look like, and how that is said.
    """

    kind: str
    required: bool = False
    codes: tuple[str, ...] = ()
    shape: tuple[re.Pattern[str], str] | None = None


Form = Mapping[str, Mapping[str, Key]]
"""The keys of each table; those that stand above all tables are under the empty name."""
_LENGTHS = {"text": 200, "long text": 5000}
ID_KEY = Key(
    "text",
    True,
    shape=(
        ID,
        "a plain folder name of at most 40 lower-case letters, digits and hyphens, beginning with "
        "a letter or digit, and not bulletin or a device of Windows such as con or nul",
    ),
)
MONTH_KEY = Key("text", True, shape=(MONTH, "a month written YYYY-MM"))
VINTAGE_KEY = Key(
    "text",
    shape=(
        re.compile("[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}"),
        "a name of at most 60 letters, digits, spaces, dots, hyphens and underscores",
    ),
)


def load(file: Path, where: str) -> dict[str, Any]:
    """Return a TOML file's content.

    Parameters
    ----------
    file : Path
        UTF-8, with or without its mark, at most 100 kB.
    where : str
        Its name in messages.

    Raises
    ------
    Unusable
        If it is missing, too large, or not TOML; a key given twice is not TOML.
    """
    try:
        if not file.is_file():
            raise FileNotFoundError
        if file.stat().st_size > _LARGEST:
            raise Unusable(
                [Fault(where, "the file must be smaller than 100 kB", "Shorten its texts")]
            )
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError:
        rule, remedy, row = "the file must be there and readable", "Add it", None
    except UnicodeDecodeError:
        rule, remedy, row = "the file must be text in UTF-8", "Save it again as UTF-8", None
    except (ValueError, RecursionError) as error:
        line = re.search(r"at line (\d+)", str(error))
        rule = "the file must be TOML, with no key given twice"
        remedy, row = "Mend its syntax there or just above", int(line[1]) if line else None
    raise Unusable([Fault(where, rule, remedy, row=row)]) from None


def hold_form(
    raw: Mapping[str, Any], form: Form, found: Findings, free: frozenset[str] = frozenset()
) -> None:
    """Hold a TOML file against its form: unknown and missing keys, wrong types and codes.

    Parameters
    ----------
    raw : mapping
        From `load`.
    form : Form
        What it may hold.
    found : Findings
        Takes the faults.
    free : frozenset of str
        Tables that are left to the caller.
    """
    tables = {name for name in form if name}
    _hold_keys("", {key: raw[key] for key in raw if key not in tables | free}, form, found)
    for name in sorted(tables & raw.keys()):
        if isinstance(raw[name], dict):
            _hold_keys(name, raw[name], form, found)
        else:
            found.add("this must be a table", f"Write it as [{name}]", name)


def _hold_keys(table: str, raw: Mapping[str, Any], form: Form, found: Findings) -> None:
    for key in raw:
        if key not in form[table]:
            found.add("the key is not known", _suggestion(table, key, form), place(table, key))
    for name, key_form in form[table].items():
        if name not in raw:
            if key_form.required:
                found.add("the key is required", "Add it", place(table, name))
        elif fault := trouble_of(raw[name], key_form):
            found.add(*fault, place(table, name))


def place(table: str, key: str) -> str:
    """Return how a message names a key."""
    told = shown(key, 40)
    return f"[{table}] {told}" if table else told


def _suggestion(table: str, key: str, form: Form) -> str:
    for other, keys in form.items():
        if other != table and key in keys:
            return f"It belongs under [{other}]" if other else "It belongs above all tables"
    near = get_close_matches(key.casefold().replace("-", "_").replace(" ", "_"), form[table], n=1)
    return f'Did you mean "{near[0]}"? Respell or remove it' if near else "Remove it"


def trouble_of(value: Any, key: Key) -> tuple[str, str] | None:
    """Return the rule that a value breaks and its remedy, or None."""
    return _KINDS[key.kind](value, key)


def _text_trouble(value: Any, key: Key) -> tuple[str, str] | None:
    if not isinstance(value, str):
        return "the value must be text", "Put it in quotation marks"
    longest = _LENGTHS[key.kind]
    if not value.strip() or len(value) > longest:
        return f"the text must have 1 to {longest} characters", "Write it so"
    if not _is_printed(value, breaks=key.kind == "long text"):
        return "the text must not hold control or invisible characters", "Type it again"
    if PILED.search(value) or max(map(len, value.split())) > _LONGEST_WORD:
        return (
            f"no word may have more than {_LONGEST_WORD} letters, or accents in a pile",
            "Write it so",
        )
    if key.codes and value not in key.codes:
        return "the value must be one of: " + ", ".join(key.codes), "Write it so"
    if key.shape and not key.shape[0].fullmatch(value):
        return f"the value must be {key.shape[1]}", "Write it so"
    return None


def _is_printed(text: str, *, breaks: bool) -> bool:
    """Whether every character shows, or spaces what shows; a long text may have line breaks."""
    kept = text.translate(_BREAKS) if breaks else text
    return not UNSEEN.search(kept) and all(
        unicodedata.category(char) not in _UNPRINTED for char in kept
    )


_BREAKS = str.maketrans(dict.fromkeys("\t\r\n", " "))


def _list_trouble(value: Any, key: Key) -> tuple[str, str] | None:
    if not isinstance(value, list) or len(value) > 50:
        return "the value must be a list of at most 50", 'Write it as ["...", "..."]'
    shape = ID_KEY if key.kind == "list of ids" else Key("text")
    if trouble := next((fault for one in value if (fault := _text_trouble(one, shape))), None):
        return trouble
    if len(set(value)) < len(value):
        return "nothing in the list may come twice", "Remove the repetition"
    return None


def _date_trouble(value: Any, _: Key) -> tuple[str, str] | None:
    if type(value) is not dt.date:
        return "the value must be a date", "Write it as 2014-03-13, without quotation marks"
    return _year_trouble(value)


def _year_trouble(day: dt.date) -> tuple[str, str] | None:
    if day.year not in _YEARS:
        return f"a date must lie in the years {_YEARS[0]} to {_YEARS[-1]}", "Correct it"
    return None


def _moment_trouble(value: Any, _: Key) -> tuple[str, str] | None:
    if not isinstance(value, dt.date) or getattr(value, "tzinfo", None) is not None:
        return (
            "the value must be a date, or a date and local time",
            "Write it as 2014-03-13T09:30:00, without quotation marks or zone",
        )
    return _year_trouble(value)


def _typed(kind: type, rule: str, remedy: str) -> Callable[[Any, Key], tuple[str, str] | None]:
    return lambda value, _: None if type(value) is kind else (rule, remedy)


_KINDS: dict[str, Callable[[Any, Key], tuple[str, str] | None]] = {
    "text": _text_trouble,
    "long text": _text_trouble,
    "date": _date_trouble,
    "moment": _moment_trouble,
    "whole number": _typed(int, "the value must be a whole number", "Write it as digits"),
    "true or false": _typed(bool, "the value must be true or false", "Write true or false"),
    "list of text": _list_trouble,
    "list of ids": _list_trouble,
}
