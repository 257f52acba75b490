"""Keep people private: engines that write nothing, errors and logs that quote nobody."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import duckdb

from jdl.national import hide_progress

P = ParamSpec("P")
T = TypeVar("T")


class LinkageFailed(RuntimeError):  # noqa: N818
    """A step of the linkage stopped; what the engine said is withheld, for it can quote people."""


def scrubbed(step: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Replace whatever an engine raises by the step's name and the kind of error."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return function(*args, **kwargs)
            except LinkageFailed:
                raise
            except Exception as error:
                kind = type(error).__name__
            raise LinkageFailed(f"the linkage stopped while {step} ({kind})")

        return call

    return decorate


@contextmanager
def silent() -> Iterator[None]:
    """Keep Splink's progress out of the notebook: it goes to stderr and differs from run to run."""
    logger = logging.getLogger("splink")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def private_engine() -> duckdb.DuckDBPyConnection:
    """Open a private engine: one thread, nothing written to disk, no progress bar."""
    con = duckdb.connect(":memory:", config={"threads": 1})
    con.execute("SET temp_directory = ''").fetchall()
    hide_progress(con)
    return con


def bring(
    source: duckdb.DuckDBPyConnection, target: duckdb.DuckDBPyConnection, table: str, sql: str
) -> None:
    """Make a table of the target engine from a query on the source engine."""
    target.register("brought", source.sql(sql).to_arrow_table())
    target.execute(f"CREATE TABLE {table} AS SELECT * FROM brought").fetchall()
    target.unregister("brought")
