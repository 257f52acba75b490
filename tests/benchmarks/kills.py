"""Kill a release of three requests at random moments, go on, and compare with one left alone.

Of the three one is analysed and two end for want of a sign-off, to keep the study short.

Run `.venv/bin/python tests/benchmarks/kills.py`: it prints the table of the README. Each of the 50
kills starts from nothing, so that some fall into the preparation of the national data. The moments
are drawn uniformly over the time of the undisturbed release; the command, a worker and a kernel are
killed in turn (the command where there is no such process at that moment). Then the same command is
run to its end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil

from jdl import manifest

JDL = Path(sys.executable).with_name("jdl")
RELEASE = "2014-02"
ANALYSED, STOPPED = "fresh-start-bootcamp", ("green-shoots", "womens-link")
VICTIMS = {"command": b"", "worker": b"jdl worker", "kernel": b"jdl kernel"}
PATIENCE = 5.0


@dataclass(frozen=True)
class Found:
    """What one kill has left, and what came of going on."""

    kill: int
    victim: str
    at: float
    state: str
    whole: bool
    same: bool
    redone: int
    orphans: int
    remains: tuple[str, ...]

    @property
    def recovered(self) -> bool:
        """Whether nothing tells the release from one left alone."""
        return self.whole and self.same and not (self.redone or self.orphans or self.remains)


class World:
    """A data folder, an outputs folder and a folder for temporary files, all of one's own."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.data, self.outputs = folder / "data", folder / "outputs"
        self.temporary = folder / "temporary"
        self.temporary.mkdir(parents=True)
        shutil.copytree(data, self.data)

    def start(self) -> subprocess.Popen[bytes]:
        """Start the release."""
        places = ["--data", str(self.data), "--outputs", str(self.outputs)]
        return subprocess.Popen(
            [str(JDL), "release", RELEASE, "--jobs", "1", *places],
            env={**os.environ, "TMPDIR": str(self.temporary), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=(self.temporary.parent / "told.txt").open("ab"),
            start_new_session=True,
        )

    @property
    def release(self) -> Path:
        """Where the release appears."""
        return self.outputs / RELEASE

    def content(self) -> dict[str, str]:
        """Return the hash of every file of the release but the run record."""
        files = [path for path in self.release.rglob("*") if path.is_file()]
        return {
            path.relative_to(self.release).as_posix(): manifest.digest(path.read_bytes())
            for path in files
            if path.name != "run.json"
        }

    def finished(self) -> set[str]:
        """Return the requests that are finished."""
        return {path.parent.name for path in self.outputs.glob(f".work/{RELEASE}/*/run.json")}

    def remains(self) -> tuple[str, ...]:
        """Return what should not be there once a release is finished."""
        known = {ANALYSED, *STOPPED}
        places = {
            self.outputs / ".work" / RELEASE: known,
            self.outputs / ".work": {RELEASE, ".lock"},
            self.outputs / ".restricted" / "scratch": {".gate"},
            self.temporary: set(),
            **{vintage / ".scratch": {".gate"} for vintage in self.data.glob("synthetic-*")},
        }
        return tuple(
            f"{place.name}/{path.name}"
            for place, expected in places.items()
            if place.exists()
            for path in place.iterdir()
            if path.name not in expected
        )


def family(command: psutil.Process) -> list[psutil.Process]:
    """Return a process and all it has started."""
    try:
        return [command, *command.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def doing(process: psutil.Process) -> bytes:
    """Return what a process calls itself, empty if it has gone."""
    try:
        return Path(f"/proc/{process.pid}/comm").read_bytes()
    except OSError:
        return b""


def kill(running: subprocess.Popen[bytes], wanted: str) -> tuple[str, list[psutil.Process]]:
    """Kill a process of the family; return which, and the others."""
    processes = family(psutil.Process(running.pid))
    kin = [one for one in processes[1:] if VICTIMS[wanted] and VICTIMS[wanted] in doing(one)]
    victim = kin[0] if kin else processes[0]
    os.kill(victim.pid, signal.SIGKILL)
    return (wanted if kin else "command"), processes


def left(processes: list[psutil.Process]) -> int:
    """Count the processes that are still there after a while, and end them."""
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE)
    for one in alive:
        one.kill()
    return len(alive)


def try_once(number: int, wanted: str, at: float, data: Path, alone: dict[str, str]) -> Found:
    """Kill one release, go on and compare."""
    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        world = World(Path(folder) / "world", data)
        running = world.start()
        try:
            running.wait(at)
        except subprocess.TimeoutExpired:
            victim, processes = kill(running, wanted)
        else:
            victim, processes = "none", []
        running.wait()
        orphans = left(processes)
        finished, there = world.finished(), world.release.exists()
        whole = not there or (manifest.broken(world.release) is None and world.content() == alone)
        prepared = any(world.data.glob("*/prepared/prepared.json"))
        state = f"{len(finished)} of 3 finished" if prepared else "preparing"
        again = world.start()
        same = again.wait() == 0 and world.content() == alone
        redone = 0 if there or not same else len(finished - reused(world.release))
        return Found(
            number, victim, at, "published" if there else state, whole, same, redone, orphans,
            world.remains(),
        )  # fmt: skip


def reused(release: Path) -> set[str]:
    """Return the requests that the last run did not run again."""
    record = json.loads((release / "run.json").read_text(encoding="utf-8"))
    return {one["name"] for one in record["notebooks"] if one["reused"]}


def stop(requests: Path, names: tuple[str, ...]) -> None:
    """Take the sign-off from requests, and say so in the log."""
    for name in names:
        file = requests / name / "request.toml"
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub(r"\[data_sharing\]\n(.+\n)+", "", text), encoding="utf-8")
    log = pd.read_csv(requests / "log.csv", dtype=str, keep_default_na=False)
    stopped = log["id"].isin(names)
    log.loc[stopped, ["status", "reason", "outcomes_read"]] = "not processed", "No sign-off", ""
    log.to_csv(requests / "log.csv", index=False)


def undisturbed(data: Path) -> tuple[float, dict[str, str]]:
    """Return the seconds and the content of a release left alone."""
    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        world = World(Path(folder) / "world", data)
        since = time.monotonic()
        if world.start().wait():
            sys.exit((world.temporary.parent / "told.txt").read_text(encoding="utf-8"))
        return time.monotonic() - since, world.content()


def main() -> None:
    """Make data, release once, kill, print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--kills", type=int, default=50)
    asked.add_argument("--seed", type=int, default=2014)
    asked.add_argument("--offenders", type=int, default=20_000)
    asked.add_argument("--at-once", type=int, default=2, help="how many worlds side by side (2)")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        data = Path(folder) / "data"
        made = [str(JDL), "synth", "--offenders", str(given.offenders)]
        subprocess.run([*made, "--out", data], check=True, stdout=subprocess.DEVNULL)
        stop(data / "requests", STOPPED)
        with ThreadPoolExecutor(given.at_once) as pool:
            # as many side by side as there will be later: the clock of the kills is that of then
            seconds, alone = max(
                pool.map(undisturbed, [data] * given.at_once), key=lambda one: one[0]
            )
            print(f"undisturbed: {seconds:.0f} s, {len(alone)} files", file=sys.stderr)
            drawn = random.Random(given.seed)
            wanted = list(VICTIMS)
            trials = [
                pool.submit(try_once, n, wanted[n % 3], drawn.uniform(0.5, seconds), data, alone)
                for n in range(given.kills)
            ]
            found = []
            for trial in trials:
                found.append(trial.result())
                print(found[-1], file=sys.stderr, flush=True)
    table(found, seconds)


def table(found: list[Found], seconds: float) -> None:
    """Print what came of it."""
    print(f"{len(found)} kills over {seconds:.0f} s; seconds of each in order:")
    print(", ".join(f"{one.at:.0f}" for one in found) + "\n")
    print("| killed | at | kills | same bytes | requests redone | orphans | left behind |")
    print("|---|---|---|---|---|---|---|")
    count = Counter((one.victim, one.state) for one in found)
    for (victim, state), kills in sorted(count.items()):
        these = [one for one in found if (one.victim, one.state) == (victim, state)]
        same = sum(one.whole and one.same for one in these)
        redone, orphans = sum(one.redone for one in these), sum(one.orphans for one in these)
        remains = sum(len(one.remains) for one in these)
        print(f"| {victim} | {state} | {kills} | {same} | {redone} | {orphans} | {remains} |")
    print(f"\nrecovered: {sum(one.recovered for one in found)} of {len(found)}")


if __name__ == "__main__":
    main()
