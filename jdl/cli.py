"""The `jdl` command."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TextIO, TypeVar

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from jdl.faults import Fault, Unusable

if TYPE_CHECKING:
    from jdl.learning.lab import Server
    from jdl.learning.walk import Walk
    from jdl.release import Places, Summary
    from jdl.sitting import Desk
    from jdl.workers import Failure, Limits, News

_WIPE = "\x1b[H\x1b[2J\x1b[3J"
"""Clears a terminal with what had scrolled out of it."""
_ROLE_RULE = "it must be a post, 3 to 60 letters and digits, such as: statistician 1"
_ROLE_QUESTION = "Your post, never your name (such as: statistician 1); q stop\n> "
_STAGES = {"notebook overhead": "opening and closing the notebook"}
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DONE, FAILED, UNUSABLE, IN_PART, INTERRUPTED = 0, 1, 2, 3, 130

_ABOUT = """\
From a list of people to a published comparison of proven reoffending.

A request is a folder in requests/ with a request.toml and an upload of people. The national data
are one or more dated extracts (vintages) in data/. What is made goes to outputs/."""
_EXAMPLES = """\
a first look, with made-up people:
  jdl synth --out data
  jdl release 2014-03

exit status: 0 done; 1 refused, or something failed; 2 the input cannot be used (every fault
is told); 130 stopped"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the command line without it.

    Returns
    -------
    int
        The exit status: 0 done, 1 a check failed, 2 the input cannot be used.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    if not hasattr(given, "do"):
        parser.print_help()
        return DONE
    with _stoppable() as stops:
        try:
            status = _done(given, stops)
        except Unusable as unusable:
            return _tell_faults(unusable.faults)
        except PermissionError as error:
            return _tell_faults([_closed(error)])
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        except KeyboardInterrupt as stopped:
            usual = "Stopped. Nothing has been published; requests that had finished are kept."
            _warn(str(stopped) or usual)
            return INTERRUPTED
        except Exception as error:
            return _tell_error(error, getattr(given, "outputs", None))
        return status


def _done(given: argparse.Namespace, stops: Sequence[int]) -> int:
    """Do what the command is for; a query that is stopped ends in an error that does not say so."""
    try:
        status: int = given.do(given)
    except Exception:
        if stops:
            raise KeyboardInterrupt from None
        raise
    return status


@contextmanager
def _stoppable() -> Iterator[Sequence[int]]:
    """Stop in an orderly way when told to, or when the terminal is closed; once is enough.

    Yields
    ------
    sequence of int
        The signal that was heard, once it was.
    """
    stops: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in _STOPS:
            signal.signal(each, signal.SIG_IGN)
        stops.append(number)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in _STOPS}
    heard = [number for number in _STOPS if before[number] is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, interrupt)
    try:
        yield stops
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _closed(error: PermissionError) -> Fault:
    name = Path(error.filename).name if isinstance(error.filename, str) else "a file or folder"
    rule = "it must be open to whoever runs the command"
    return Fault(name, rule, "Change its permissions, or run the command as its owner")


# The words


def _parser() -> argparse.ArgumentParser:
    parser = _described(argparse.ArgumentParser("jdl"), _ABOUT, _EXAMPLES)
    version = f"jdl {importlib.metadata.version('jdl')}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(title="commands", metavar="")
    adders = (
        _add_release,
        _add_run,
        _add_order,
        _add_yearly,
        _add_prepare,
        _add_review,
        _add_check,
    )
    after = (_add_disclosure, _add_scan, _add_verify, _add_why, _add_diff, _add_publish)
    for add in (*adders, *after, _add_power, _add_learn, _add_synth, _add_template):
        add(commands)
    return parser


def _described(
    parser: argparse.ArgumentParser, about: str, examples: str
) -> argparse.ArgumentParser:
    parser.description = about
    parser.epilog = examples
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    return parser


_Commands = argparse._SubParsersAction  # the public API has no name for it


def _add_release(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("release", help="make a month's release"),
        "Make a month's release: a report for each of its requests, the bulletin, and the page\n"
        "that leads to them. Everything is checked first. The release appears whole or not at\n"
        "all. A request whose inputs have not changed since it was last run is not run again.",
        "examples:\n  jdl release 2014-03\n  jdl release 2014-03 --data /secure/extracts --jobs 8",
    )
    parser.add_argument("release", metavar="YYYY-MM", help="the month, such as 2014-03")
    _add_folders(parser)
    _add_running(parser, "make the release again though it is finished")
    parser.set_defaults(do=_release)


def _add_run(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("run", help="run one request"),
        "Run one request. Its report goes to outputs/.work/<release>/<id>/, from where\n"
        "`jdl release` gathers it. Nothing is published.",
        "example:\n  jdl run green-shoots",
    )
    parser.add_argument("id", help="the request's id, which is the name of its folder")
    _add_folders(parser)
    _add_running(parser, "run the request again though nothing has changed")
    parser.set_defaults(do=_run)


def _add_order(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("order", help="say which requests of a month wait for which"),
        "Print a line for each request of a month: its id, and after a colon those that must be\n"
        "finished before it, since they share people. A scheduler that starts each of them with\n"
        "`jdl run` in this order leaves `jdl release` to put them together. The national data are\n"
        "prepared where they are not, so that no run has to.",
        "example:\n  jdl order 2014-03\n\ndocs/slurm.sh does this on a Slurm cluster.",
    )
    parser.add_argument("release", metavar="YYYY-MM", help="the month, such as 2014-03")
    _add_folders(parser)
    parser.set_defaults(do=_order)


def _add_yearly(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("yearly", help="make the review of a year"),
        "Make the review of a year from the log of requests and the finished releases: what\n"
        "running the service has taught. It covers everything up to the last finished release\n"
        "of the year. No record of a person is read. It goes to outputs/yearly-<year>, whole or\n"
        "not at all.",
        "example:\n  jdl yearly 2014",
    )
    parser.add_argument("year", metavar="YYYY", help="the year, such as 2014")
    _add_folders(parser)
    parser.add_argument(
        "--replace", action="store_true", help="make the review again though it is finished"
    )
    parser.set_defaults(do=_yearly)


def _add_verify(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("verify", help="make a release or a report again, and compare it"),
        "Make a finished release, or one report of it, again in private scratch space, from the\n"
        "inputs that it was made from, and compare every file, every figure and the notebooks'\n"
        "cells. The folder may be a copy anywhere. Nothing of it is changed. What cannot be made\n"
        "again, because an upload was destroyed or records are gone, is said. The verdict on a\n"
        "release is recorded; `jdl publish` asks for a clean one.",
        "examples:\n"
        "  jdl verify 2014-03\n"
        "  jdl verify outputs/2014-03/reports/womens-link\n"
        "  jdl verify /copies/2014-03 --outputs outputs --html found.html\n"
        "  jdl verify --published /srv/www/releases/2014-03\n\n"
        "exit status: 0 clean; 1 something differs; 2 the folder cannot be used; 3 published\n"
        "aggregates only, and nothing was found, or with --published no figure to compare",
    )
    what = "a month, or the folder of a release or of one report of it"
    parser.add_argument("what", metavar="WHAT", help=what)
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write all that was found to a new page"
    )
    parser.add_argument(
        "--as-made",
        action="store_true",
        help="make it again with the code of the commit that it was made by, from this history",
    )
    parser.add_argument(
        "--published",
        action="store_true",
        help="without any data: hold the published files of a release, or of one report, against "
        "each other, and work out again what their own aggregates determine",
    )
    _add_folders(parser)
    _add_limits(parser.add_argument_group("running"), kernel="stock")
    parser.set_defaults(do=_verify, outputs=None)


def _add_why(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("why", help="say where a published figure comes from"),
        "Say where a figure comes from: its exact value and unit, what disclosure control\n"
        "decided, where it stands, the cell of the notebook that made it, the cells and\n"
        "parameters that this one rests on, and the hashes of what went in. Only what is\n"
        "published is read. Of a figure that is withheld, it is not told why.",
        "examples:\n"
        "  jdl why green-shoots headline.rate.ci_low\n"
        "  jdl why outputs/2014-03/bulletin 44%\n"
        "  jdl why /copies/green-shoots plan.hash --all",
    )
    parser.add_argument(
        "where", help="the folder of a report, bulletin or release, a month, or a request's id"
    )
    parser.add_argument(
        "figure", help="a figure's id in figures.json, or a number or a part of it as printed"
    )
    parser.add_argument(
        "--all", action="store_true", help="with the source of every cell that it rests on"
    )
    parser.add_argument(
        "--outputs",
        type=Path,
        default=Path("outputs"),
        metavar="DIR",
        help="where releases are (outputs)",
    )
    parser.set_defaults(do=_why)


def _add_diff(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("diff", help="say what differs between two releases or reports"),
        "Hold two releases, reports or runs against each other, figure by figure, and say what\n"
        "they were not made from alike: inputs, code, environment and parameters. Each of the two\n"
        "is a month, the id of a request (its latest finished report; named twice, that and the\n"
        "run not yet gathered), a month and an id, or a folder, also a copy elsewhere. Reports of\n"
        "two releases are matched by their request. Nothing is changed, and no record of a person\n"
        "is read. What is told is for whoever holds both folders: where one is not published, a\n"
        "difference between two numbers could tell of a few people, so pass it to nobody.",
        "examples:\n"
        "  jdl diff 2014-02 2014-03\n"
        "  jdl diff 2014-02/green-shoots 2014-03/green-shoots --all\n"
        "  jdl diff green-shoots green-shoots\n"
        "  jdl diff outputs/2014-03 received/2014-03 --csv figures.csv\n\n"
        "exit status: 0 nothing differs; 1 something does; 2 one of them cannot be used",
    )
    parser.add_argument("before", metavar="A", help="a month, an id, a month/id, or a folder")
    parser.add_argument("after", metavar="B", help="the same")
    parser.add_argument("--all", action="store_true", help="tell everything, however long")
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="write every figure, a row each, to a new file"
    )
    parser.add_argument(
        "--outputs",
        type=Path,
        default=Path("outputs"),
        metavar="DIR",
        help="where releases are (outputs)",
    )
    parser.set_defaults(do=_diff)


def _add_publish(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("publish", help="put a signed-off release into the public folder"),
        "Put a finished release into the public folder, whole or not at all: when the moment that\n"
        "its release file states has come, a post has signed this very release off, and `jdl\n"
        "verify` found it clean. Otherwise every reason is told, and nothing is published. What\n"
        "only providers see stays behind, and so does the release itself, private.",
        "examples:\n  jdl publish 2014-03\n  jdl publish 2014-03 --public /srv/www/releases",
    )
    parser.add_argument("release", metavar="YYYY-MM", help="the month, such as 2014-03")
    _add_folders(parser)
    parser.add_argument(
        "--public",
        type=Path,
        default=Path("public"),
        metavar="DIR",
        help="the public folder, which everyone may read (public)",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="put a corrected release in place of the public one, which is kept, restricted",
    )
    parser.set_defaults(do=_publish)


def _add_prepare(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("prepare", help="prepare the national data"),
        "Make what does not depend on a request: names and their frequencies, the linkage model,\n"
        "matching variables and outcomes of every eligible disposal. It is kept beside each\n"
        "vintage. `release` and `run` do this themselves when it is missing or out of date.",
        "example:\n  jdl prepare --data /secure/extracts",
    )
    _add_folders(parser, outputs=False)
    _add_engine(parser.add_argument_group("running"))
    parser.set_defaults(do=_prepare)


def _add_review(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("review", help="decide by eye who is who"),
        "Show the people of a request whose links are in doubt, one after the other, beside those\n"
        "of the register who could be the same. Each answer is kept at once, in a file that only\n"
        "its owner can read; `jdl run` and `jdl release` use it. Cases on which two reviewers\n"
        "disagree come first, and count again once they are resolved.",
        "examples:\n"
        '  jdl review green-shoots --role "statistician 1"\n'
        '  jdl review green-shoots --role "statistician 2" --second\n'
        "  jdl review green-shoots --status",
    )
    parser.add_argument("id", help="the request's id, which is the name of its folder")
    parser.add_argument(
        "--role",
        type=_role,
        metavar="POST",
        help="the post of the reviewer, never a name; each reviewer has one of their own",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--sample",
        type=_count,
        metavar="N",
        help="check N links that are made without review, drawn at random: this measures how many "
        "are right",
    )
    what.add_argument(
        "--second",
        action="store_true",
        help="answer again, without seeing the first answer, a random part of what others answered",
    )
    what.add_argument("--status", action="store_true", help="say in counts how far it has come")
    what.add_argument(
        "--audit",
        type=Path,
        metavar="FILE",
        help="write one row a decision, with weights and without names, to a new CSV file",
    )
    what.add_argument(
        "--waterfall",
        nargs=2,
        metavar=("ROW", "FILE"),
        help="draw how the evidence on an upload row's link adds up, levels only, to a new SVG "
        "file; REQUEST:ROW for a row of a request that this one extends",
    )
    _add_folders(parser)
    parser.set_defaults(do=_review)


def _add_disclosure(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("disclosure", help="see what was withheld, and why; override one"),
        "Write every decision of disclosure control of a release on one page, which only its\n"
        "owner can read, and say in counts what was decided. A statistician can decide otherwise\n"
        "on one part of one request, with a reason. The reason is published in the report's\n"
        "audit copy, so it must not tell what is withheld.",
        "examples:\n"
        "  jdl disclosure 2014-03\n"
        "  jdl disclosure 2014-03 --request green-shoots --part headline.frequency --withhold \\\n"
        '    --reason "asked for by the prison" --role "statistician 1"',
    )
    parser.add_argument("release", metavar="YYYY-MM", help="the month, such as 2014-03")
    parser.add_argument("--request", metavar="ID", help="the request to decide on")
    parser.add_argument("--part", metavar="NAME", help="the part, as the page names it")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--tell", action="store_true", help="tell what a rule withholds")
    what.add_argument("--withhold", action="store_true", help="withhold what the rules tell")
    parser.add_argument("--reason", metavar="TEXT", help="why; published in the audit copy")
    parser.add_argument("--role", metavar="POST", help="your post, never your name; published")
    _add_folders(parser)
    parser.set_defaults(do=_disclosure)


def _add_check(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("check", help="list every fault of an upload, request or vintage"),
        "List every fault of an upload, a request, the folder of requests, or a vintage: file,\n"
        "row, column, rule and remedy. No person is named. Nothing is written.",
        "examples:\n"
        "  jdl check received/people.csv --date-format DD/MM/YYYY\n"
        "  jdl check green-shoots\n"
        "  jdl check data",
    )
    parser.add_argument("what", help="a file or folder, or the id of a request")
    parser.add_argument(
        "--date-format",
        help="how the dates of an upload on its own are written, such as DD/MM/YYYY; "
        "not needed for YYYY-MM-DD",
    )
    _add_folders(parser, outputs=False)
    parser.set_defaults(do=_check)


def _add_scan(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("scan", help="look for people in what is to be published"),
        "Look for everybody, the people of all uploads and of the whole register, in every file\n"
        "of a folder: names, dates of birth and identifiers, however written. What is found is\n"
        "told by file, kind and count; the values go to a file that only its owner can read. A\n"
        "release is scanned before it appears. A statistician can accept what was taken for a\n"
        "person and is none, by its mark in that file, but never what is of a person of an upload.",
        "examples:\n"
        "  jdl scan outputs/2014-03\n"
        '  jdl scan --accept 3f0c9a1b22de --reason "the month" --role "statistician 1"',
    )
    parser.add_argument("path", type=Path, nargs="?", help="a folder or file")
    parser.add_argument("--accept", metavar="MARK", help="what to accept from now on")
    parser.add_argument("--reason", metavar="TEXT", default="", help="why; kept restricted")
    parser.add_argument("--role", metavar="POST", default="", help="your post, never your name")
    _add_folders(parser)
    parser.set_defaults(do=_scan)


def _add_power(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("power", help="say how many people a request would need"),
        "Before a request is made: say how many people are needed to find a reduction, or how\n"
        "small a reduction the people there are could show. Nothing is read or written.",
        "examples:\n"
        "  jdl power --rate 0.45 --difference 0.06\n"
        "  jdl power --rate 0.45 --people 500 --pool 2000",
    )
    for name, default, about in (
        ("rate", None, "share of similar people who reoffend within a year, such as 0.45"),
        ("difference", None, "the reduction to be found, such as 0.06 for 6 percentage points"),
        ("people", None, "people to be uploaded"),
        ("pool", None, "effective size of a comparison group that cannot grow"),
        ("power", "0.8", "share of such studies that find the reduction (0.8)"),
        ("significance", "0.05", "of the test (0.05)"),
        ("retained", "0.35", "share of the people uploaded who end up analysed (0.35)"),
    ):
        parser.add_argument(f"--{name}", metavar="N", default=default, help=about)
    parser.set_defaults(do=_power)


def _add_learn(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("learn", help="learn the method, step by step, with exercises"),
        "Make the walk-through of a request: the notebook that makes its report, with each step\n"
        "explained between its cells, and exercises that check themselves. It is a page to read\n"
        "and a notebook to run, which opens in JupyterLab on this machine; Ctrl-C ends that.\n"
        "Without an id it is of the training cohort, of made-up people about whom the truth is\n"
        "known. Of any other request nothing more is shown than its audit copy shows, and nothing\n"
        "of it is to be published.",
        "examples:\n  jdl learn\n  jdl learn --start-over\n  jdl learn green-shoots",
    )
    parser.add_argument(
        "id", nargs="?", help="a request's id, which is the name of its folder (the training data)"
    )
    parser.add_argument(
        "--no-browser",
        action="store_true",
        help="only make the page and the notebook, and say where they are",
    )
    parser.add_argument(
        "--start-over",
        action="store_true",
        help="hand out a fresh notebook; yours of before is kept beside it, under another name",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8888,
        metavar="N",
        help="where JupyterLab listens, on this machine only (8888)",
    )
    _add_folders(parser)
    parser.set_defaults(do=_learn)


def _add_synth(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("synth", help="make up national data and uploads to try things on"),
        "Make up national data, and the uploads of the example requests. Nobody in them is real.\n"
        "The truth that was planted goes to a folder of its own, truth/, read by lessons only.",
        "examples:\n  jdl synth --out data\n  jdl synth --offenders 1000000 --seed 7 --out big",
    )
    parser.add_argument(
        "--offenders", type=_count, default=200_000, help="how many people (200000)"
    )
    parser.add_argument(
        "--seed", type=int, default=2014, help="the same seed gives the same data (2014)"
    )
    parser.add_argument("--out", type=Path, default=Path("data"), help="the folder (data)")
    parser.set_defaults(do=_synth)


def _add_template(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _described(
        commands.add_parser("template", help="write a blank data upload template"),
        "Write a blank data upload template: a workbook with guidance and lists of allowed values.",
        "example:\n  jdl template to-send/upload.xlsx",
    )
    parser.add_argument(
        "file",
        type=Path,
        nargs="?",
        default=Path("data-upload-template.xlsx"),
        help="the workbook to write (data-upload-template.xlsx)",
    )
    parser.set_defaults(do=_template)


def _add_folders(parser: argparse.ArgumentParser, *, outputs: bool = True) -> None:
    folders = parser.add_argument_group("folders")
    folders.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="one vintage of the national data, or a folder of vintages (data)",
    )
    folders.add_argument(
        "--requests",
        type=Path,
        metavar="DIR",
        help="the log of requests, the release files and one folder a request (requests; or "
        "those inside a folder named with --data, as `jdl synth` makes them)",
    )
    if outputs:
        folders.add_argument(
            "--outputs",
            type=Path,
            default=Path("outputs"),
            metavar="DIR",
            help="where releases go (outputs)",
        )


def _add_running(parser: argparse.ArgumentParser, replace: str) -> None:
    running = parser.add_argument_group("running")
    _add_limits(running)
    running.add_argument("--replace", action="store_true", help=replace)
    running.add_argument(
        "--profile",
        action="store_true",
        help="tell at the end where time and memory went, by stage and cell",
    )
    _add_engine(running)


def _add_engine(running: argparse._ArgumentGroup) -> None:
    running.add_argument(
        "--engine",
        choices=["duckdb", "spark"],
        default="duckdb",
        help="what reads the national data, with the same figures (duckdb)",
    )


def _add_limits(running: argparse._ArgumentGroup, kernel: str = "forked") -> None:
    running.add_argument(
        "--jobs",
        type=_count,
        metavar="N",
        help="how many requests at a time (one for each processor core)",
    )
    running.add_argument(
        "--timeout",
        type=_count,
        metavar="SECONDS",
        help="how long one cell of a notebook may take (3600)",
    )
    running.add_argument(
        "--memory",
        type=_count,
        metavar="GB",
        help="how much memory each notebook may ask for, from 2 on, counted as addresses "
        "(no limit)",
    )
    running.add_argument(
        "--kernel",
        choices=["forked", "stock"],
        default=kernel,
        help="what runs a notebook: a copy of a process with the imports loaded, on Linux, or a "
        f"new interpreter, the reference; both give the same bytes ({kernel})",
    )


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("it must be a whole number, at least 1")
    return int(text)


def _port(text: str) -> int:
    if not 1024 <= _count(text) <= 65535:
        raise argparse.ArgumentTypeError("it must be a port, from 1024 to 65535")
    return int(text)


def _role(text: str) -> str:
    from jdl.review import is_role

    if not is_role(text):
        raise argparse.ArgumentTypeError(_ROLE_RULE)
    return text


# The deeds


def _release(given: argparse.Namespace) -> int:
    from jdl.publish import awaited
    from jdl.release import run_release

    with _display() as display:
        summary = _or_refusal(
            lambda: run_release(
                given.release,
                _places(given),
                jobs=given.jobs,
                again=given.replace,
                limits=_limits(given),
                tell=display.tell,
            )
        )
    if not isinstance(summary, str) and not summary.failures:
        missing = awaited(given.release, _places(given))
        summary = replace(summary, lines=(*summary.lines, *missing))
    summary = _profiled(summary) if given.profile else summary
    return _conclude(summary, f"Release {given.release}", "is not published")


def _run(given: argparse.Namespace) -> int:
    from jdl.release import run_request

    with _display() as display:
        summary = _or_refusal(
            lambda: run_request(
                given.id,
                _places(given),
                again=given.replace,
                limits=_limits(given),
                tell=display.tell,
            )
        )
    summary = _profiled(summary) if given.profile else summary
    return _conclude(summary, f"Request {given.id}", "is not finished")


def _order(given: argparse.Namespace) -> int:
    from jdl.release import run_order

    with _display() as display:
        told = _or_refusal(lambda: run_order(given.release, _places(given), tell=display.tell))
    if isinstance(told, str):
        _warn(told)
        return FAILED
    for name, first in told.items():
        _say(f"{name}: {' '.join(sorted(first))}".rstrip())
    return DONE


def _yearly(given: argparse.Namespace) -> int:
    from jdl.release import run_yearly

    with _display() as display:
        summary = _or_refusal(
            lambda: run_yearly(given.year, _places(given), again=given.replace, tell=display.tell)
        )
    return _conclude(summary, f"The yearly review {given.year}", "is not published")


def _verify_published(folder: Path) -> int:
    from jdl import published

    if not published.is_published(folder):
        _warn(f"{folder} holds no release and no report: name the folder of one, or a month.")
        return UNUSABLE
    checked = published.check(folder)
    for line in checked.account:
        _say(line)
    for find in checked.finds:
        _warn(str(find))
    (_say if checked.clean else _warn)(checked.line)
    if not checked.finds:
        return DONE if checked.clean else IN_PART
    return FAILED


def _verify(given: argparse.Namespace) -> int:
    from jdl import verify
    from jdl.log import in_zone
    from jdl.release import Refused

    folder, places = _finished(given)
    if given.published:
        return _verify_published(folder)
    if given.html and (why := _unfit_for_page(given.html, folder, places)):
        _warn(why)
        return FAILED
    today, limits = in_zone().date(), _limits(given)
    with _display() as display:
        try:
            found = verify.verify(
                folder,
                places,
                jobs=given.jobs,
                limits=limits,
                as_made=given.as_made,
                tell=display.tell,
                on=today,
            )
        except Refused as refused:
            _warn(str(refused))
            return FAILED
    for line in verify.story(found):
        _say(line)
    if given.html:
        verify.write_page(found, given.html, today)
        _say(f"The whole of it is in {given.html}")
    (_say if found.clean else _warn)(found.line)
    return {verify.CLEAN: DONE, verify.PUBLISHED_ONLY: IN_PART}.get(found.verdict, FAILED)


def _unfit_for_page(file: Path, folder: Path, places: Places) -> str:
    """Return why a page about a release cannot be written to this file, or nothing."""
    if file.resolve().is_relative_to(folder.resolve()):
        return f"{file} is in the folder that is verified, which stays as it is. Name another file."
    return _unfit_to_write(file, places.outputs)


def _why(given: argparse.Namespace) -> int:
    from jdl import why

    found = why.search(why.documents(given.where, given.outputs), given.figure)
    [(document, name), *others] = found
    traced = () if others else why.as_lines(why.trace(document, name), whole=given.all)
    for line in traced or why.listed(found):
        _say(line)
    return DONE


def _diff(given: argparse.Namespace) -> int:
    from jdl import diff
    from jdl.safekeeping import write

    if given.csv and (problem := _unfit_to_write(given.csv, given.outputs)):
        _warn(problem)
        return UNUSABLE
    found = diff.diff(*diff.open_sides(given.before, given.after, given.outputs))
    for line in diff.lines(found, everything=given.all):
        _say(line)
    if given.csv:
        write(given.csv, diff.table(found))
        _say(f"Every figure is in {given.csv}")
    return DONE if found.none else FAILED


def _finished(given: argparse.Namespace) -> tuple[Path, Places]:
    """Return the folder that is meant, and where what goes with it lies."""
    from jdl.forms import MONTH

    outputs = given.outputs or Path("outputs")
    places = replace(_places(given), outputs=outputs)
    if MONTH.fullmatch(given.what):
        return outputs / given.what, places
    folder = Path(given.what).resolve()
    if given.outputs is None:
        around = (folder.parent, *folder.parents[2:3])
        places = replace(places, outputs=next((a for a in around if _is_kept(a)), outputs))
    return folder, places


def _is_kept(outputs: Path) -> bool:
    return (outputs / ".restricted").is_dir()


def _publish(given: argparse.Namespace) -> int:
    from jdl.publish import publish

    summary = _or_refusal(
        lambda: publish(given.release, _places(given), given.public, again=given.replace)
    )
    return _conclude(summary, f"Release {given.release}", "is not published")


def _prepare(given: argparse.Namespace) -> int:
    from jdl.release import run_prepare

    with _display() as display:
        summary = _or_refusal(lambda: run_prepare(_places(given), tell=display.tell))
    return _conclude(summary, "The national data", "are not prepared")


def _review(given: argparse.Namespace) -> int:
    from jdl.release import Refused, open_desk

    if problem := _unfit_to_review(given):
        _warn(problem)
        return FAILED
    with ExitStack() as opened:
        try:
            with _display() as display:
                desk = opened.enter_context(open_desk(given.id, _places(given), tell=display.tell))
        except Refused as refused:
            _warn(str(refused))
            return FAILED
        return _at_desk(desk, given)


def _disclosure(given: argparse.Namespace) -> int:
    from jdl import decided
    from jdl.release import Refused

    asked = {name: getattr(given, name) for name in ("request", "part", "reason", "role")}
    to = "tell" if given.tell else "withhold" if given.withhold else None
    try:
        if to is None and not any(asked.values()):
            page, lines = decided.write_page(_places(given), given.release)
            lines = (*lines, f"Done. Every decision is in {page}")
        else:
            name = asked.pop("request")
            wanted = {key: value for key, value in {**asked, "to": to}.items() if value}
            lines = decided.override(
                _places(given), given.release, name or "", wanted, dt.date.today()
            )
    except Refused as refused:
        _warn(str(refused))
        return FAILED
    for line in lines:
        _say(line)
    return DONE


def _unfit_to_review(given: argparse.Namespace) -> str:
    """Return why there is no review as things stand, or nothing."""
    if given.status:
        return ""
    if not (file := _asked_file(given)):
        seen = sys.stdin.isatty() and sys.stdout.isatty()
        return "" if seen else "A review shows people and needs a terminal. --status tells counts."
    return _unfit_to_write(file, given.outputs)


def _asked_file(given: argparse.Namespace) -> Path | None:
    return Path(given.waterfall[1]) if given.waterfall else given.audit


def _unfit_to_write(file: Path, outputs: Path) -> str:
    if file.exists():
        return f"{file} is there already and stays as it is. Name another file."
    if not file.parent.is_dir():
        return f"There is no folder {file.parent}. Name a file in a folder that is there."
    place, releases = file.resolve(), outputs.resolve()
    if place.is_relative_to(releases) and not place.is_relative_to(releases / ".restricted"):
        return f"{file} is in the folder of releases, which is to be published. Name another file."
    return ""


def _at_desk(desk: Desk, given: argparse.Namespace) -> int:
    from jdl import review, sitting

    if given.audit:
        review.write_private(desk.audit().to_csv(index=False), given.audit)
        _say(f"Done. The audit rows, which name nobody, are in {given.audit}")
        return DONE
    if given.waterfall:
        return _draw(desk, *given.waterfall)
    if not given.status:
        _sit(desk, given)
    for line in sitting.status(desk):
        _say(line)
    return DONE


def _draw(desk: Desk, place: str, file: str) -> int:
    """Draw the evidence on the link of one upload row."""
    from jdl import charts, review, sitting

    source, _, row = place.rpartition(":")
    try:
        found = sitting.evidence(desk, source or desk.request_id, int(row))
    except (KeyError, ValueError):
        _warn(
            f"The upload has no row {place}. Rows count as in a spreadsheet; the header is row 1."
        )
        return FAILED
    if found is None:
        _warn(
            f"Nobody in the register could be the person of row {place}: there is nothing to draw."
        )
        return FAILED
    drawn = charts.waterfall_chart(
        found.levels, found.prior, found.posterior, source=desk.drawn_from
    )
    review.write_private(f"{drawn.svg}\n", Path(file))
    _say(f"{drawn.title.text}. {drawn.alt.text}")
    _say(f"Done. The drawing, which names nobody, is {file}")
    return DONE


def _sit(desk: Desk, given: argparse.Namespace) -> None:
    """Lead a reviewer through the cases, each on a cleared screen."""
    from jdl import sitting

    console = Console(highlight=False)
    role = given.role or _asked_role(console)
    agenda = sitting.agenda(desk, role, checked=given.sample, again=given.second) if role else ()
    if not agenda:
        _say("There is nothing to answer now." if role else "Nothing was answered.")
        return

    def show(sheet: RenderableType) -> None:
        sys.stdout.write(_WIPE)
        console.print(sheet)

    try:
        answered = sitting.sit(
            agenda,
            role=role,
            model=desk.scored.model_hash,
            on=dt.date.today(),
            ask=lambda question: console.input(question, markup=False),
            show=show,
            keep=desk.keep,
        )
    finally:
        sys.stdout.write(_WIPE)
    kept = {0: "Nothing was answered", 1: "1 answer is kept"}
    told = kept.get(answered, f"{answered:,} answers are kept")
    _say(f"{told}. `jdl run {desk.request_id}` uses what is decided.")


def _asked_role(console: Console) -> str:
    """Ask who reviews until it is a post; empty where the reviewer stops."""
    from jdl.review import is_role

    while True:
        try:
            role = console.input(_ROLE_QUESTION, markup=False).strip()
        except EOFError:
            return ""
        if role in ("", "q"):
            return ""
        if is_role(role):
            return role
        console.print(f"{_ROLE_RULE[0].upper()}{_ROLE_RULE[1:]}.")


def _check(given: argparse.Namespace) -> int:
    from jdl import disclosure, request
    from jdl.national import find_vintages
    from jdl.release import method_parameters

    if not _named(given).exists():
        rule = "there must be a file, a folder or a request of that name"
        remedy = "Name an upload, the id of a request, or the folder of requests or vintages"
        raise Unusable([Fault(given.what, rule, remedy)])
    data = _places(given).data
    beside = request.Beside(data if find_vintages(data) else None, method_parameters())
    faults = request.check(_named(given), date_format=given.date_format, beside=beside)
    faults += disclosure.check(_named(given))
    if faults:
        return _tell_faults(faults)
    _say(f"{given.what}: no faults.")
    return DONE


def _named(given: argparse.Namespace) -> Path:
    """Return the path that is meant: a path, the folder of an upload's request, or an id.

    An upload with a date format of its own is meant alone, whatever its request says.
    """
    path = Path(given.what)
    alone = given.date_format is not None
    upload = not alone and path.name in ("upload.csv", "upload.xlsx")
    if upload and (path.parent / "request.toml").exists():
        return path.parent
    folder = _places(given).requests / given.what
    return folder if not path.exists() and folder.is_dir() else path


def _scan(given: argparse.Namespace) -> int:
    from jdl import accepted, national, scan
    from jdl.execute import write_restricted

    places = _places(given)
    if given.accept:
        decision = (given.accept, given.reason, given.role, dt.date.today())
        _say(accepted.accept(places.restricted, *decision))
        return DONE
    if given.path is None or not given.path.exists():
        rule = "there must be a file or folder of that name"
        raise Unusable([Fault(str(given.path or "path"), rule, "Name what is to be scanned")])
    vintage = national.open_vintage(places.data, scan.made_from(given.path))
    whole = scan.scan(given.path, vintage, places.requests)
    found = accepted.decided(whole, places.restricted)
    for note in found.notes:
        _say(note)
    if not found.finds:
        _say(f"Done. Nothing in {given.path} tells who somebody is.")
        return DONE
    story = accepted.told(found, places.restricted)
    log = write_restricted(places.restricted / "logs" / "scan", "found", story)
    _warn(f"{given.path} must not be published, because it tells who people are.")
    for line in found.told:
        _warn(f"- {line}")
    _warn(f"What was found is in the restricted file {log}.")
    return FAILED


def _power(given: argparse.Namespace) -> int:
    from jdl import power

    names = ("rate", "difference", "people", "pool", "power", "significance", "retained")
    for line in power.sentences(power.read_plan({name: getattr(given, name) for name in names})):
        _say(line)
    return DONE


def _learn(given: argparse.Namespace) -> int:
    from jdl.learning import lab
    from jdl.workers import Failure

    if given.id is None and (given.data or given.requests):
        rule = "the training cohort has data of its own"
        raise Unusable([Fault("--data", rule, "Name a request too, or leave the folders out")])
    if not given.no_browser and (taken := lab.obstacle(given.port)):
        _warn(taken)
        return FAILED
    with ExitStack() as held:
        servers: list[Server] = []

        def begin(notebook: Path) -> None:
            if not given.no_browser:
                settings = given.outputs / "learn" / ".jupyter"
                servers.append(held.enter_context(lab.opened(notebook, settings, given.port)))

        made = _or_refusal(lambda: _walk(given, begin, held))
        if isinstance(made, (str, Failure)):
            return _unmade(made)
        _tell_walk(made)
        return _stay(servers[0]) if servers else DONE


def _walk(
    given: argparse.Namespace, begin: Callable[[Path], None], held: ExitStack
) -> Walk | Failure:
    from jdl.learning import walk
    from jdl.release import private
    from jdl.workers import crew

    with ExitStack() as after, private(), crew(1) as workers, _display() as display:
        workers.warm()
        if given.id is None:
            from jdl.synthetic import synthesise

            data = walk.training_data(given.outputs, synthesise, display.tell)
            if kept := held.enter_context(data):
                after.callback(_say, f"Your training folder of before is kept: {kept}")
            cohort = walk.training(given.outputs)
        else:
            cohort = walk.Cohort(given.id, _places(given), given.outputs)
        return walk.walk_through(
            cohort, workers, begin=begin, start_over=given.start_over, tell=display.tell
        )


def _unmade(what: str | Failure) -> int:
    """Say why there is no walk-through."""
    _warn(what if isinstance(what, str) else f"The walk-through is not made. {what.message}")
    return FAILED


def _tell_walk(made: Walk) -> None:
    if made.kept:
        _say(f"Your notebook of before, with its answers, is kept: {made.kept}")
    _say(f"The page: {made.page}")
    _say(f"The notebook to run: {made.notebook}")


def _stay(server: Server) -> int:
    """Wait until JupyterLab ends, or is told to."""
    _say("JupyterLab is open on the notebook. Ctrl-C ends it.")
    try:
        ended = server.wait()
    except KeyboardInterrupt:
        _say("Done. JupyterLab has ended; page and notebook stay.")
        return DONE
    if ended:
        _warn("JupyterLab ended by itself. Run the same command again, or see --port.")
        return FAILED
    return DONE


def _synth(given: argparse.Namespace) -> int:
    from jdl.synthetic import synthesise
    from jdl.workers import News

    with _display() as display:
        synthesise(
            given.out,
            given.offenders,
            given.seed,
            lambda stage, share: display.tell(News("synthetic data", stage, share)),
        )
    _say(f"Done. Made-up national data of {given.offenders:,} people are in {given.out}.")
    _say(f"Next: jdl release 2014-03 --data {given.out}, with the uploads that go with them.")
    return DONE


def _template(given: argparse.Namespace) -> int:
    from jdl.request import write_template

    if problem := _unfit_to_write(given.file, Path("outputs")):
        _warn(problem)
        return FAILED
    write_template(given.file)
    _say(f"Done. The blank template is {given.file}")
    return DONE


def _places(given: argparse.Namespace) -> Places:
    from jdl.release import Places

    data: Path = given.data or Path("data")
    requests: Path = given.requests or Path("requests")
    if given.data and not given.requests and (data / "requests" / "log.csv").exists():
        requests = data / "requests"
    outputs, engine = getattr(given, "outputs", Path("outputs")), getattr(given, "engine", "duckdb")
    return Places(data, requests, outputs, engine)


def _limits(given: argparse.Namespace) -> Limits:
    from jdl.execute import TIMEOUT
    from jdl.workers import Limits

    memory = given.memory and given.memory * 10**9
    timeout = TIMEOUT if given.timeout is None else given.timeout
    return Limits(timeout, memory, given.kernel)


_Made = TypeVar("_Made")


def _or_refusal(make: Callable[[], _Made]) -> _Made | str:
    """Return what was made, or why the command could not go on."""
    from jdl.release import Refused

    try:
        return make()
    except Refused as refused:
        return str(refused)


# What is said


def _conclude(summary: Summary | str, what: str, otherwise: str) -> int:
    if isinstance(summary, str):
        _warn(summary)
        return FAILED
    for line in summary.lines:
        _say(line)
    if not summary.failures:
        _say(f"Done. Look at {summary.look_at}")
        return DONE
    _warn(f"{what} {otherwise}: stopped for an unforeseen reason.")
    for failure in summary.failures:
        _warn(f"- {failure.name}: {failure.message}")
    _warn("What had finished is kept; the same command goes on from there.")
    return FAILED


def _profiled(summary: Summary | str) -> Summary | str:
    """Add where time and memory went, as the run file tells it, to what has finished."""
    from jdl.profile import story
    from jdl.workers import RUN

    if isinstance(summary, str) or summary.failures:
        return summary
    kept = json.loads(summary.look_at.with_name(RUN).read_text(encoding="utf-8"))
    return replace(summary, lines=(*summary.lines, *story(kept)))


def _tell_faults(faults: Sequence[Fault]) -> int:
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    _warn(f"The input cannot be used: {count}. Nothing has been written.")
    for fault in faults:
        _warn(f"- {fault}")
    return UNUSABLE


def _tell_error(error: Exception, outputs: Path | None) -> int:
    from jdl.execute import told_of, write_restricted

    story = "".join(traceback.format_exception(error))
    log = None
    if outputs is not None and outputs.is_dir():
        log = write_restricted(outputs / ".restricted" / "logs", "command", story)
    if log is None:
        with suppress(OSError):
            log = write_restricted(Path(tempfile.mkdtemp(prefix="jdl-")), "command", story)
    _warn(f"Stopped for an unforeseen reason: {type(error).__name__}. {told_of(log)}")
    return FAILED


def _say(line: str) -> None:
    _write(line, sys.stdout)


def _warn(line: str) -> None:
    _write(line, sys.stderr)


def _write(line: str, out: TextIO) -> None:
    """Write a line, in whatever letters the terminal has."""
    known = out.encoding or "utf-8"
    out.write(line.encode(known, "backslashreplace").decode(known) + "\n")


# Progress


class _Lines:
    """Progress where there is no terminal: a line when something begins or ends."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._begun: set[str] = set()
        self._since = time.monotonic()

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def tell(self, news: News) -> None:
        """Write a line if this begins or ends something."""
        ended = news.share == 1.0
        if news.stage == "waiting" or (not ended and news.name in self._begun):
            return
        self._begun.add(news.name)
        seconds = round(time.monotonic() - self._since)
        self._out.write(f"[{seconds:4d} s] {news.name}: {news.stage}\n")
        self._out.flush()


class _TimeLeft(TimeRemainingColumn):
    """The time left, where it can be told: for all requests together, not for each."""

    def render(self, task: Task) -> Text:
        """Return the time left, or nothing."""
        return super().render(task) if task.fields["timed"] else Text()


class _Bars:
    """Progress on a terminal: how many are done and the time left, then what is at work."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[stage]}"),
            _TimeLeft(),
            console=console,
            transient=True,
        )
        self._shares: dict[str, float] = {}
        self._rows: dict[str, TaskID] = {}
        self._all: TaskID | None = None

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, news: News) -> None:
        """Show where this stands now."""
        share = self._shares.get(news.name, 0.0) if news.share is None else news.share
        if news.stage == "waiting" or news.name in self._shares:
            self._shares[news.name] = share
        if news.stage != "waiting":
            self._show(news.name, news.stage, share)
        self._sum_up()

    def _show(self, name: str, stage: str, share: float) -> None:
        if name not in self._rows:
            timed = name not in self._shares
            self._rows[name] = self._progress.add_task(name, total=1.0, stage=stage, timed=timed)
        words = _STAGES.get(stage, stage)
        self._progress.update(self._rows[name], completed=share, stage=words, visible=share < 1.0)

    def _sum_up(self) -> None:
        if not self._shares:
            return
        if self._all is None:
            self._all = self._progress.add_task("all requests", total=1.0, stage="", timed=True)
        done = sum(share == 1.0 for share in self._shares.values())
        self._progress.update(
            self._all,
            total=float(len(self._shares)),
            completed=sum(self._shares.values()),
            stage=f"{done} of {len(self._shares)} done",
        )


def _display() -> _Lines | _Bars:
    console = Console(stderr=True)
    return _Bars(console) if console.is_terminal else _Lines(sys.stderr)
