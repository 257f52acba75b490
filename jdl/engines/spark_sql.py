"""The definitions of what is prepared, written once in DuckDB's SQL, as Apache Spark's SQL.

sqlglot turns one dialect into the other. What it does not know, or would turn into something that
Spark accepts and answers otherwise, is rewritten here before: how letters are folded, regular
expressions, years between two dates, and the numbers made of a hash. A function that is neither
known to sqlglot nor listed here stops the translation, so that nothing reaches Spark unlooked at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache

import duckdb
from sqlglot import exp, parse_one

_FOLDS = ("lower", "upper", "strip_accents")
_WORD = "[0-9A-Za-z_]"
_BOUNDARY = f"(?:(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD}))"


def translated(sql: str) -> dict[str, str]:
    """Return a query of DuckDB's dialect in Spark's, in steps.

    Parameters
    ----------
    sql : str
        A query that returns integers, dates, booleans and text. No two of its common table
        expressions have one name.

    Returns
    -------
    dict of str to str
        Name -> query, in order: each common table expression, seen by the later steps under its
        name, and the query itself under the name ''. Spark works out an expression anew wherever
        it is named, so `shared` ones are better kept.

    Raises
    ------
    ValueError
        If the query holds a function or a regular expression whose meaning in Spark is not known.
    """
    whole = exp.Subquery(this=parse_one(sql, read="duckdb"))
    for node in reversed(list(whole.walk())):
        for kind, rewrite in _REWRITES.items():
            if isinstance(node, kind):
                node.replace(rewrite(node))
    steps = [*_steps(whole.this), ("", whole.this)]
    if len(dict(steps)) < len(steps):
        raise ValueError("two common table expressions of one query have the same name")
    return {name: str(step.sql(dialect="spark")) for name, step in steps}


def shared(steps: dict[str, str]) -> set[str]:
    """Return the names of the steps that are named more than once in the others."""
    trees = [parse_one(step, read="spark") for step in steps.values()]
    named = Counter(table.name for tree in trees for table in tree.find_all(exp.Table))
    return {name for name in steps if named[name] > 1}


def _steps(node: exp.Expression) -> Iterator[tuple[str, exp.Expression]]:
    """Take the common table expressions out of a query, the innermost of each first."""
    within = node.args.get("with_")
    if within is not None:
        node.set("with_", None)
        for one in within.expressions:
            yield from _steps(one.this)
            yield one.alias, one.this
    for child in list(node.iter_expressions()):
        yield from _steps(child)


def functions() -> dict[str, str]:
    """Return the SQL of the functions that Spark needs beside its own, by name.

    Letters are folded by tables that DuckDB is asked for, a code point at a time, because Java
    follows other rules (``ß`` in capitals, the Greek sigma at the end of a word) and another
    edition of Unicode. Text without any such letter takes Spark's own quick way. What is a letter
    at all is asked of Java: one that Unicode has had only since Java's own edition (13 in Java 17)
    parts a name in Spark and not in DuckDB.
    """
    return {f"jdl_{name}": _folding(name) for name in _FOLDS} | {"jdl_number": _NUMBER}


_NUMBER = """(text STRING) RETURNS DECIMAL(20, 0) RETURN CAST(conv(regexp_replace(
    substring(md5(text), 17), '(..)(..)(..)(..)(..)(..)(..)(..)', '$8$7$6$5$4$3$2$1'), 16, 10)
    AS DECIMAL(20, 0))"""


def _folding(name: str) -> str:
    own = "text" if name == "strip_accents" else f"{name}(text)"
    before, after = (_literal(letters) for letters in _table(name))
    return f"""(text STRING) RETURNS STRING RETURN CASE
        WHEN octet_length(text) = char_length(text) THEN {own}
        ELSE translate(text, {before}, {after}) END"""


@cache
def _table(name: str) -> tuple[str, str]:
    """What a function of DuckDB changes of single letters, and into what; what goes comes last."""
    with duckdb.connect(":memory:") as con:
        rows = con.execute(f"""
            SELECT letter, {name}(letter) FROM (
                SELECT chr(unnest(range(1, 55296))::INTEGER) AS letter
                UNION ALL SELECT chr(unnest(range(57344, 1114112))::INTEGER))
            WHERE {name}(letter) <> letter ORDER BY {name}(letter) = '', letter""").fetchall()
    before, after = ("".join(letters) for letters in zip(*rows, strict=True))
    return before, after


def _literal(text: str) -> str:
    return exp.Literal.string(text).sql(dialect="spark")


def _named(name: str, *arguments: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _literals(*texts: str) -> list[exp.Expression]:
    return [exp.Literal.string(text) for text in texts]


def _other(node: exp.Expression) -> exp.Expression:
    """A function that sqlglot passes on by its name."""
    name = str(node.this).lower()
    if name in _OURS:
        return node
    if name not in _OTHERS:
        raise ValueError(f"what {name} means in Spark is not known")
    return _OTHERS[name](*node.expressions)


def _years(unit: exp.Expression, earlier: exp.Expression, later: exp.Expression) -> exp.Expression:
    """Whole years from one date to another; both engines take 28 February for the 29th."""
    if unit.name != "year":
        raise ValueError(f"what date_sub of a {unit.name} means in Spark is not known")
    months = _named("months_between", later, earlier)
    return exp.cast(exp.Div(this=months, expression=exp.Literal.number(12)), "INT")


def _days(node: exp.Expression) -> exp.Expression:
    if node.text("unit").upper() != "DAY":
        raise ValueError(f"what date_diff of a {node.text('unit')} means in Spark is not known")
    return _named("datediff", node.this, node.expression)


def _replaced(node: exp.Expression) -> exp.Expression:
    """The first match replaced, or all with the option 'g'; Spark knows only all of them."""
    options = node.text("modifiers")
    if options not in ("", "g"):
        raise ValueError(f"what {options} in regexp_replace means in Spark is not known")
    pattern, by = _java(node.text("expression")), node.text("replacement").replace("$", r"\$")
    shift = 0 if options == "g" else 1
    by = re.sub(r"\\(\d)", lambda group: f"${int(group[1]) + shift}", by)
    if not options:
        pattern, by = rf"\A((?s:.*?))(?:{pattern})", f"$1{by}"
    return _named("regexp_replace", node.this, *_literals(pattern, by))


def _extracted(node: exp.Expression) -> exp.Expression:
    group = node.args.get("group") or exp.Literal.number(0)
    pattern = _java(node.text("expression"))
    return _named("regexp_extract", node.this, *_literals(pattern), group)


def _like(node: exp.Expression) -> exp.Expression:
    return _named("rlike", node.this, *_literals(_java(node.text("expression"))))


def _java(pattern: str) -> str:
    """A regular expression of RE2 as Java's: its end of text, any character, word boundary."""

    def token(found: re.Match[str]) -> str:
        if re.search(r"\\(?![dDwW\W]|p\{)", found[0].replace(r"\b", "")):
            raise ValueError(f"what {found[0]} in a regular expression means in Spark is not known")
        return _TOKENS.get(found[0], found[0])

    return re.sub(r"(?s)\[\^?(?:\\.|[^\]])+\]|\\p\{\w+\}|\\.|.", token, pattern)


_TOKENS = {"$": r"\z", ".": r"[^\n]", r"\b": _BOUNDARY}
_OTHERS: dict[str, Callable[..., exp.Expression]] = {
    "strip_accents": lambda text: _named("jdl_strip_accents", text),
    "md5_number_lower": lambda text: _named("jdl_number", text),
    "date_sub": _years,
}
_REWRITES: dict[type[exp.Expression], Callable[[exp.Expression], exp.Expression]] = {
    exp.Anonymous: _other,
    exp.Lower: lambda node: _named("jdl_lower", node.this),
    exp.Upper: lambda node: _named("jdl_upper", node.this),
    exp.DateDiff: _days,
    exp.RegexpReplace: _replaced,
    exp.RegexpExtract: _extracted,
    exp.RegexpLike: _like,
    exp.ArrayDistinct: lambda node: _named("array_compact", node.copy()),
}
_OURS = {
    "jdl_lower", "jdl_upper", "jdl_strip_accents", "jdl_number", "months_between", "datediff",
    "regexp_replace", "regexp_extract", "rlike", "array_compact",
}  # fmt: skip
