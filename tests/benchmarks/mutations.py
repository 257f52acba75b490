"""One change at a time, anywhere between the inputs and a release: does a verification find it?

Run `.venv/bin/python tests/benchmarks/mutations.py`: it prints the tables of the README. It makes a
release of three requests on a small vintage (one is analysed, two end for want of a sign-off), and
then as many mutants of it as are asked for, operator after operator, the sites drawn by the seed.
Each is verified by `jdl verify`; one of what is published by `jdl verify --published` too, there
with manifests that were made to agree with it, so that no hash gives it away. A change of what is
published leaves its inputs alone: only the first of each operator has the release really made
again, further ones are held by the same command against the release as it was before. With
`--peers DIR`, a folder into which `pip install --target DIR nbval nbdime` has been run, the first
mutant of each operator goes through nbval too, and through a plain papermill rerun that is compared
by its bytes and by nbdime. These read the notebook only: where it, its inputs and its code are
unchanged they say what they say of the untouched release.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from kills import STOPPED, stop
from mutants import OPERATORS, Mutant, Operator, World, mutate

ROOT = Path(__file__).resolve().parents[2]
RELEASE = "2014-02"
JDL = "import sys; from jdl.cli import main; sys.exit(main(sys.argv[1:]))"
KEPT = """
import contextlib, json, os, sys
from pathlib import Path
from jdl import verify
from jdl.cli import main
from jdl.verify.again import Again

@contextlib.contextmanager
def kept(subject, places, **_):
    first = Path(os.environ["UNTOUCHED"])
    made = json.loads((first / "manifest.json").read_text(encoding="utf-8"))
    yield Again(first, ("", *subject.documents), made)

verify.made_again = kept
sys.exit(main(sys.argv[1:]))
"""
"""`jdl` with the release as it was before in place of one made again."""
PEERS = ("nbval", "nbdime", "papermill")
UNTOUCHED = Operator("untouched", "untouched", lambda world, draw: ("nothing", ()))


@dataclass(frozen=True)
class Said:
    """What one verifier said of one mutant."""

    alarm: bool
    named: bool
    seconds: float
    last: str = ""


@dataclass(frozen=True)
class Trial:
    """A mutant and what everybody said of it, by verifier."""

    mutant: Mutant
    said: dict[str, Said] = field(default_factory=dict)


def jdl(world: World, *arguments: str | Path, first: Path | None = None) -> tuple[int, str]:
    """Run a command with a world's code; return its exit status and what it said."""
    known = {"UNTOUCHED": str(first / "outputs" / RELEASE)} if first else {}
    done = subprocess.run(
        [sys.executable, "-c", KEPT if first else JDL, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(world.tree), "OMP_NUM_THREADS": "1", **known},
        cwd=world.tree,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def places(world: World) -> list[str | Path]:
    """Return the words that name the folders of a world."""
    data = ("--data", world.vintage, "--requests", world.requests)
    return [*data, "--outputs", world.outputs]


def of(folder: Path) -> World:
    """Return the world in a folder."""
    data = folder / "data"
    [vintage] = data.glob("synthetic-*")
    return World(folder / "tree", vintage, data / "requests", folder / "outputs", RELEASE)


def begin(folder: Path, offenders: int) -> World:
    """Make a world: the code as committed, national data, requests and a finished release."""
    shutil.copytree(
        ROOT, folder / "tree", ignore=lambda at, names: _left_out(Path(at), names)
    )  # fmt: skip
    made = World(folder / "tree", folder, folder, folder / "outputs", RELEASE)
    _must(jdl(made, "synth", "--offenders", str(offenders), "--out", folder / "data"))
    world = of(folder)
    stop(world.requests, STOPPED)
    _must(jdl(world, "release", RELEASE, *places(world)))
    return world


def _left_out(at: Path, names: Sequence[str]) -> set[str]:
    code = {"jdl", "templates", "notebooks", "pyproject.toml"}
    kept = code | {"requirements.lock", "CHANGELOG.md", "requests"}
    caches = {"__pycache__", ".ipynb_checkpoints"}
    return set(names) - kept if at == ROOT else caches & set(names)


def _must(done: tuple[int, str]) -> None:
    if done[0]:
        sys.exit(done[1])


def attempt(
    first: Path, operator: Operator, number: int, seed: int, verifiers: dict[str, Verifier]
) -> Trial:
    """Make one mutant and have everybody look at it."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        forged = operator.layer == "published" and random.Random(f"{seed} {number}").random() < 0.5
        mutant, said = None, {}
        for name, verifier in verifiers.items():
            published = name == "jdl verify --published"
            if published and operator.layer not in ("published", "untouched"):
                continue
            shutil.rmtree(Path(folder) / "world", ignore_errors=True)
            subprocess.run(["cp", "-a", first, Path(folder) / "world"], check=True)
            world = of(Path(folder) / "world")
            drawn = f"{seed} {operator.name} {number}"
            now = mutate(world, operator, drawn, forged=forged or published)
            mutant = mutant or now
            if name in PEERS and not _is_for_peers(operator, number, mutant):
                continue
            since = time.monotonic()
            kept = number > len(OPERATORS) and operator.layer in ("published", "manifest")
            alarm, story = verifier(world, first if kept else None)
            named = all(any(word in story for word in one.split("|")) for one in now.named)
            last = (story.strip().splitlines() or [""])[-1]
            said[name] = Said(alarm, named, time.monotonic() - since, last[:300])
        assert mutant is not None
        return Trial(mutant, said)


def _is_for_peers(operator: Operator, number: int, mutant: Mutant | None) -> bool:
    """Whether a change can reach what the peers read, and is the first of its kind."""
    read = mutant is not None and mutant.named[:1] and mutant.named[0].endswith("notebook.ipynb")
    changed = operator.layer in ("untouched", "inputs", "code") or bool(read)
    return changed and number <= len(OPERATORS)


Verifier = Callable[[World, Path | None], tuple[bool, str]]


def rerun(world: World, first: Path | None) -> tuple[bool, str]:
    """Verify by making the release again, or against the one that is kept."""
    page = world.outputs.parent / "verified.html"
    words = ("verify", world.folder, *places(world), "--html", page)
    status, story = jdl(world, *words, first=first)
    shown = page.read_text(encoding="utf-8") if page.exists() else ""
    return status != 0, f"{shown}\n{story}"


def published(world: World, _: Path | None) -> tuple[bool, str]:
    """Verify by what the published aggregates determine."""
    status, story = jdl(world, "verify", "--published", world.folder)
    return status != 0, story


def environment(world: World, peers: Path) -> dict[str, str]:
    """Return what a peer's kernel needs to know: the folders, and the code."""
    folders = {
        "JDL_VINTAGE": world.vintage,
        "JDL_REQUESTS": world.requests,
        "JDL_RESULTS": world.folder / "reports",
        "JDL_OUTPUTS": world.outputs,
        "JDL_RESTRICTED": world.outputs / ".restricted",
        "JDL_REPEATS": world.folder / "manifest.json",
        "PYTHONPATH": f"{world.tree}{os.pathsep}{peers}",
    }
    fixed = {"JDL_RELEASE": RELEASE, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    return {**os.environ, **fixed, **{name: str(folder) for name, folder in folders.items()}}


def through_nbval(peers: Path) -> Verifier:
    """Return nbval, run on the executed notebook of the report."""

    def look(world: World, _: Path | None) -> tuple[bool, str]:
        notebook = world.analysed[0] / "notebook.ipynb"
        if not notebook.exists():
            return True, "there is no such notebook"
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval"]
        done = subprocess.run(
            [*words, str(notebook)],
            env=environment(world, peers),
            cwd=world.tree,
            capture_output=True,
            text=True,
        )
        return done.returncode != 0, done.stdout + done.stderr

    return look


def _papermill(world: World, peers: Path) -> tuple[Path, bool, str]:
    """Run the master notebook by papermill's own command, once for a mutant.

    Returned are where it is, whether it ran to its end, and what was said.
    """
    made = world.outputs.parent.with_name("again.ipynb")
    if made.exists():
        return made, True, ""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "papermill", "--no-progress-bar", "-k", "python3"),
            *(str(world.tree / "notebooks" / "tailored_report.ipynb"), str(made)),
            *("-p", "request_id", world.analysed[0].name),
        ],
        env=environment(world, peers),
        cwd=world.tree,
        capture_output=True,
        text=True,
    )
    return made, done.returncode == 0, done.stderr


def through_papermill(peers: Path, *, by_nbdime: bool) -> Verifier:
    """Return a papermill rerun of the report, compared by its bytes or by nbdime.

    nbdime leaves metadata and ids of cells out.
    """

    def look(world: World, _: Path | None) -> tuple[bool, str]:
        made, whole, story = _papermill(world, peers)
        kept = world.analysed[0] / "notebook.ipynb"
        if not (whole and kept.exists()):
            return True, story
        if not by_nbdime:
            return kept.read_bytes() != made.read_bytes(), story
        done = subprocess.run(
            [
                *(sys.executable, "-m", "nbdime", "diff", "--no-color"),
                *("--ignore-metadata", "--ignore-id", str(kept), str(made)),
            ],
            env=environment(world, peers),
            capture_output=True,
            text=True,
        )
        told = any(line.startswith("## ") for line in done.stdout.splitlines())
        return told or done.returncode != 0, done.stdout

    return look


def main() -> None:
    """Make the release, the mutants and the tables."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--mutants", type=int, default=84)
    asked.add_argument("--seed", type=int, default=2014)
    asked.add_argument("--offenders", type=int, default=40_000)
    asked.add_argument("--at-once", type=int, default=2, help="how many worlds side by side (2)")
    asked.add_argument("--peers", type=Path, help="a folder that holds nbval and nbdime")
    asked.add_argument("--start", type=int, default=1, help="the first mutant to make, of all (1)")
    asked.add_argument("--peers-alone", action="store_true", help="leave the command itself out")
    asked.add_argument("--only", help="operators whose name holds this")
    asked.add_argument("--keep", type=Path, help="a JSON file to write all that was said to")
    given = asked.parse_args()
    verifiers: dict[str, Verifier] = {"jdl verify": rerun, "jdl verify --published": published}
    if given.peers:
        at = given.peers.resolve()
        ways = (
            through_nbval(at),
            through_papermill(at, by_nbdime=True),
            through_papermill(at, by_nbdime=False),
        )
        verifiers |= dict(zip(PEERS, ways, strict=True))
    if given.peers_alone:
        verifiers = {name: one for name, one in verifiers.items() if name in PEERS}
    drawn = random.Random(given.seed).sample(OPERATORS, len(OPERATORS))
    drawn = [one for one in drawn if (given.only or "") in one.name]
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        first = Path(folder) / "first"
        begin(first, given.offenders)
        quick = [one for one in drawn if one.layer in ("published", "manifest")] or drawn
        more = max(given.mutants - len(drawn), 0)
        plan = [UNTOUCHED, *drawn[: given.mutants], *(quick[n % len(quick)] for n in range(more))]
        with ThreadPoolExecutor(given.at_once) as pool:
            waiting = [
                pool.submit(attempt, first, operator, number, given.seed, verifiers)
                for number, operator in enumerate(plan)
                if number == 0 or number >= given.start
            ]
            trials = []
            for one in waiting:
                trials.append(one.result())
                print(_line(trials[-1]), file=sys.stderr, flush=True)
    numbers = (0, *range(given.start, given.start + len(trials)))
    trials = [_with_peers(one, trials[0], n) for one, n in zip(trials, numbers, strict=False)]
    if given.keep:
        given.keep.write_text(json.dumps([_record(one) for one in trials], indent=1))
    tables(trials, verifiers)


def _with_peers(trial: Trial, untouched: Trial, number: int) -> Trial:
    """Add what the peers say of a change that they cannot see: the same as of none."""
    lacking = [name for name in PEERS if name in untouched.said and name not in trial.said]
    if number > len(OPERATORS) or not lacking:
        return trial
    same = {name: Said(untouched.said[name].alarm, False, 0.0) for name in lacking}
    return Trial(trial.mutant, {**trial.said, **same})


def _record(trial: Trial) -> dict[str, object]:
    return {**vars(trial.mutant), "said": {name: vars(one) for name, one in trial.said.items()}}


def _line(trial: Trial) -> str:
    told = "; ".join(
        f"{name}: {'alarm' if one.alarm else 'clean'}{', named' if one.named else ''}"
        f" ({one.seconds:.0f} s)"
        for name, one in trial.said.items()
    )
    last = next(iter(trial.said.values())).last if trial.said else ""
    forged = " (forged)" if trial.mutant.forged else ""
    return f"{trial.mutant.operator}: {trial.mutant.what}{forged} | {told} | {last}"


def tables(trials: Sequence[Trial], verifiers: Iterable[str]) -> None:
    """Print what came of it: by operator, alarms and named of all; then the untouched release."""
    columns = list(verifiers)
    print(f"| what was changed | mutants | {' | '.join(columns)} |")
    print("|" + "---|" * (len(columns) + 2))
    mutants = [one for one in trials if one.mutant.layer != "untouched"]
    for operator in OPERATORS:
        these = [one for one in mutants if one.mutant.operator == operator.name]
        if these:
            cells = " | ".join(_cell(these, name) for name in columns)
            print(f"| {operator.name} | {len(these)} | {cells} |")
    print(f"| all | {len(mutants)} | {' | '.join(_cell(mutants, name) for name in columns)} |")
    alone = [one for one in trials if one.mutant.layer == "untouched"]
    false = " | ".join(
        str(sum(one.said[name].alarm for one in alone)) if name in alone[0].said else "-"
        for name in columns
    )
    print(f"| nothing: false alarms | {len(alone)} | {false} |")


def _cell(trials: Sequence[Trial], name: str) -> str:
    """Return alarms, and of them those with the right name."""
    said = [one.said[name] for one in trials if name in one.said]
    if not said:
        return "-"
    alarms = sum(one.alarm for one in said)
    told = sum(one.named and not one.alarm for one in said)
    named = sum(one.alarm and one.named for one in said)
    more = f", {told} told as changed" if told else ""
    return f"{alarms} of {len(said)}, {named} named{more}"


if __name__ == "__main__":
    main()
