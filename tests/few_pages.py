"""Pages of a few words, for worker processes that need not load the real ones."""

import json
import time

import nbformat

from jdl.execute import figures_of, result_of


def pages(notebook):
    """Stand in for the files of a report or a bulletin."""
    return {
        "report.html": b"<p>a page</p>\n",
        "notebook.ipynb": nbformat.writes(notebook).encode(),
        "figures.json": json.dumps(figures_of(notebook)).encode(),
        "result.json": json.dumps(result_of(notebook)).encode(),
        "results.csv": b"id\n",
    }


def silent(pipe, parent):
    """Stand in for a worker that hangs."""
    time.sleep(600)


def torn_pages(notebook):
    """Stand in for pages that cannot be made."""
    raise KeyError("Wilhelmina Canary")
