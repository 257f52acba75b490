"""Engines: who writes what is prepared and gives a request its rows, and the request's excerpt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jdl.engines.duck import DuckDB
from jdl.engines.engine import Engine, Progress
from jdl.engines.excerpt import Excerpt, Tables, bring, rows_of
from jdl.engines.layout import LOOKED_UP, Layout
from jdl.national import Vintage

if TYPE_CHECKING:
    from jdl.engines.spark import Spark

ENGINES = ("duckdb", "spark")

__all__ = [
    "ENGINES",
    "LOOKED_UP",
    "DuckDB",
    "Engine",
    "Excerpt",
    "Layout",
    "Progress",
    "Tables",
    "bring",
    "rows_of",
    "to_ask",
    "to_prepare",
]


def to_prepare(vintage: Vintage, name: str = "duckdb") -> Engine:
    """Open an engine that prepares a vintage, on its national tables.

    Parameters
    ----------
    vintage : Vintage
    name : str
        One of ``ENGINES``.
    """
    return _spark().to_prepare(vintage) if name == "spark" else DuckDB.to_prepare(vintage)


def to_ask(vintage: Vintage, name: str) -> Engine:
    """Open an engine that gives one request its rows, on national and prepared tables.

    Parameters
    ----------
    vintage : Vintage
        Prepared.
    name : str
        One of ``ENGINES``.
    """
    return _spark().to_ask(vintage) if name == "spark" else DuckDB.to_ask(vintage)


def _spark() -> type[Spark]:
    """Import Spark only where it is asked for: few need it."""
    from jdl.engines.spark import Spark

    return Spark
