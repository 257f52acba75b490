"""A month spread over a cluster by its own scheduler comes out the same, byte for byte.

Slurm runs here as a cluster of one node that is this machine, for this test alone.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from months import MONTHS, jdl

from jdl.manifest import file_hashes

SCRIPT = Path(__file__).parents[1] / "docs" / "slurm.sh"
PATIENCE = 900
LINKED, FEW, ROWS = "clear-course", "clear-course-again", 41
MANY = '[method]\nminimum_treated = {value = 1000, reason = "Only a large group is of use"}\n'
WHY = {
    LINKED: "Too few people could be matched to a sentence",
    FEW: "Fewer than 60 people were submitted",
}
CONF = """\
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/none
CredType=cred/none
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}
SlurmdSpoolDir={folder}
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=1024 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


TOLD = """printf '%s\\0' "$@" >>"""
COMMANDS = {
    "jdl": f'if [ "$1" = order ]; then printf "$ORDER"; else {TOLD} ran; fi',
    "sbatch": f'{TOLD} asked; for job; do :; done; sh -c "$job"; echo "${{2#*jdl-}}"',
}


def _ports() -> list[int]:
    """Return two ports that nobody listens on."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0)), other.bind(("127.0.0.1", 0))
        return [one.getsockname()[1], other.getsockname()[1]]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Yield the environment in which Slurm's commands reach a cluster of this machine alone."""
    daemons = [shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") for name in DAEMONS]
    if not all(daemons) or not shutil.which("sbatch"):
        pytest.skip("Slurm is not installed (the Debian package slurm-wlm)")
    folder = tmp_path / "slurm"
    folder.mkdir()
    host = socket.gethostname().partition(".")[0]
    told = {"host": host, "user": getpass.getuser(), "folder": folder, "cores": os.cpu_count()}
    (folder / "slurm.conf").write_text(CONF.format(ports=_ports(), **told))
    here = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    told = {"SLURM_CONF": str(folder / "slurm.conf"), "SBATCH_MEM_PER_NODE": "1G"}
    environment = {**os.environ, **told, "PATH": here}
    running = [subprocess.Popen([name, "-D"], env=environment) for name in daemons]
    try:
        yield environment
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(60)


DAEMONS = ("slurmctld", "slurmd")


def _asked(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    ).stdout


def _told(job: str, environment: dict[str, str]) -> dict[str, str]:
    """Return what Slurm knows of a job."""
    told = _asked(["scontrol", "show", "job", job], environment)
    return dict(one.split("=", 1) for one in told.split() if "=" in one)


def _finished(job: str, environment: dict[str, str]) -> str:
    """Wait until a job has ended; return how."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        state = _told(job, environment)["JobState"]
        if state not in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING"):
            return state
        time.sleep(1)
    return "not ended"


@pytest.fixture
def requests(small_out: Path, tmp_path: Path) -> Path:
    """Return a folder of two requests that share people, quick as neither comes to a report.

    People are linked in one of them; the other has too few for that.
    """
    source, folder = small_out / "requests", tmp_path / "requests"
    asked = (source / LINKED / "request.toml").read_text().replace("oasys = true", "")
    for name in WHY:
        shutil.copytree(source / LINKED, folder / name)
        text = asked.replace(f'"{LINKED}"', f'"{name}"') + MANY
        (folder / name / "request.toml").write_text(text)
    upload = folder / FEW / "upload.csv"
    upload.write_bytes(b"".join(upload.read_bytes().splitlines(keepends=True)[:ROWS]))
    shutil.copytree(source / "releases", folder / "releases")
    log = pd.read_csv(source / "log.csv", dtype="str")
    row = log.loc[log["id"] == LINKED].assign(status="not processed", status_date="2013-12-19")
    rows = [row.assign(id=name, reason=reason) for name, reason in WHY.items()]
    log = pd.concat([log.loc[log["release"] < MONTHS[0]], *rows])
    log.to_csv(folder / "log.csv", index=False)
    return folder


def test_a_month_spread_by_slurm_has_the_bytes_of_an_ordinary_release(
    cluster, small_out, requests, tmp_path
):
    spread, ordinary = (
        ["--data", small_out, "--requests", requests, "--outputs", tmp_path / name]
        for name in ("spread", "ordinary")
    )
    last = _asked([SCRIPT, MONTHS[0], *map(str, spread)], cluster).strip()
    assert _finished(last, cluster) == "COMPLETED"
    jobs = {one["JobName"]: one for one in (_told(job, cluster) for job in ("1", "2", last))}
    assert jobs[f"jdl-{LINKED}"]["EndTime"] <= jobs[f"jdl-{FEW}"]["StartTime"]
    assert jobs[f"jdl-{FEW}"]["EndTime"] <= jobs[f"jdl-{MONTHS[0]}"]["StartTime"]
    done = jdl("release", MONTHS[0], *ordinary)
    assert done.returncode == 0, done.stdout + done.stderr
    made = tmp_path / "spread" / MONTHS[0]
    assert file_hashes(made) == file_hashes(tmp_path / "ordinary" / MONTHS[0])
    run = json.loads((made / "run.json").read_text())
    reused = {one["name"]: one["reused"] for one in run["notebooks"]}
    told = json.loads((made / "reports" / LINKED / "result.json").read_text())
    assert told["reason"].startswith("Too few people were found in the national records")
    assert reused == {LINKED: True, FEW: True, "bulletin": False}


@pytest.mark.parametrize(
    ("order", "jobs"),
    [
        ("", {MONTHS[0]: ""}),
        ("a:\nb: a\nc: a b\n", {"a": "", "b": ":a", "c": ":a:b", MONTHS[0]: ":a:b:c"}),
    ],
)
def test_slurm_is_asked_for_each_request_whatever_the_folders_are_called(order, jobs, tmp_path):
    for name, does in COMMANDS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o700)
    folder = "d\u00e9 'o' $(x) 5%"
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        [SCRIPT, MONTHS[0], "--outputs", folder],
        env={**os.environ, "PATH": path, "LC_ALL": "C", "ORDER": order},
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{MONTHS[0]}\n", "")
    ran = (tmp_path / "ran").read_text().split("\0")[:-1]
    commands = [("release" if name == MONTHS[0] else "run", name) for name in jobs]
    assert ran == [part for one in commands for part in (*one, "--outputs", folder)]
    asked = (tmp_path / "asked").read_text().split("\0")
    told = [one.partition("=")[2] for one in asked if one.startswith("--dependency=")]
    assert told == [f"afterany{after}" for after in jobs.values() if after]
    logs = tmp_path / folder / ".restricted" / "logs" / MONTHS[0]
    assert stat.S_IMODE(logs.stat().st_mode) == 0o700
    escaped = str(logs.relative_to(tmp_path)).replace("%", "%%")
    assert asked.count(f"--output={escaped}/%x.log") == asked.count("--mem=4G") == len(jobs)
