"""Measure what a request costs as the register grows: opening, linking, each stage, preparing.

Run `.venv/bin/python tests/benchmarks/growth.py FOLDER [SIZE ...]`: FOLDER keeps one vintage a
size, by its number of offenders, with its uploads. What is missing there is made and prepared, so
that a long measurement can go on where it ended; what was measured stands in `growth.json` and is
measured again only where its entry is taken out. It prints the table of the README.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

SIZES = (200_000, 1_000_000, 5_000_000, 10_000_000)
REQUEST, LINKED = "harbour-mentoring", 2000
SEED = 20140313
NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "tailored_report.ipynb"
STAGES = {
    "linkage": ("certain-passes", "weights", "dates", "linkage-table"),
    "sentence": ("located", "start"),
    "pool": ("candidates", "pool"),
    "matching": ("matched", "balance", "profile-table", "planned"),
    "effects": ("effects", "adjusted"),
    "further analyses": ("cleared", "funnel"),
    "sensitivity": ("checks", "linkage-sensitivity", "method-sensitivity"),
}
Measured = dict[str, Any]


def opening(data: Path) -> Measured:
    """CPU seconds in which a prepared vintage is opened."""
    from jdl import national, prepare

    def once() -> None:
        prepare.open_prepared(national.open_vintage(data)).con.close()

    once()
    return {"opening": timed(once)}


def linking(data: Path) -> Measured:
    """CPU seconds in which people are linked to the register."""
    import cohorts

    from jdl import linkage, national, prepare

    vintage = national.open_vintage(data)
    people = cohorts.cohort(vintage, SEED, LINKED, 1, {}).people
    ready = prepare.open_prepared(vintage)
    before = peak()

    def once() -> None:
        found = linkage.candidates(linkage.clean(people), ready.register)
        linkage.score(found, linkage.deterministic(found))

    return {"linking": timed(once), "memory": {"before": before, "linking": peak()}}


def request(data: Path) -> Measured:
    """CPU seconds of a request's cells, by stage, and how many people it is about."""
    import nbformat
    from IPython.core.interactiveshell import InteractiveShell

    os.environ |= {
        "JDL_VINTAGE": str(data), "JDL_REQUESTS": str(data / "requests"),
        "JDL_OUTPUTS": str(data / "measured"), "JDL_RELEASE": "2014-03", "MPLBACKEND": "agg",
        "JDL_RESULTS": str(data / "measured" / "2014-03" / "reports"),
        "JDL_RESTRICTED": str(data / "measured" / ".restricted"),
    }  # fmt: skip
    shell = InteractiveShell.instance()
    spent: dict[str, float] = {}
    memory: dict[str, int] = {}
    for cell in nbformat.read(NOTEBOOK, 4).cells:
        if cell.cell_type != "code":
            continue
        started = cpu()
        run = shell.run_cell(cell.source, silent=True)
        run.raise_error()
        spent[cell.id], memory[cell.id] = cpu() - started, peak()
    by_stage = {name: sum(spent.pop(cell, 0.0) for cell in cells) for name, cells in STAGES.items()}
    imports = spent.pop("set-up")
    pool = shell.user_ns["pool"].disposals
    stages = by_stage | {"the rest": sum(spent.values())}
    return {"request": stages, "imports": imports, "pool": pool, "memory": {"request": peak()}}


def preparing(data: Path) -> Measured:
    """CPU seconds of the preparation and the greatest memory of its process."""
    import pandas as pd

    from jdl import national, prepare, request

    vintage = national.open_vintage(data)
    asked = [file.parent for file in sorted((data / "requests").glob("*/request.toml"))]
    uploads = [request.read_upload(request.read_request(folder)).people for folder in asked]
    together = pd.concat(uploads, ignore_index=True)
    spent = timed(lambda: prepare.prepare(vintage, together, _tell))
    disk = sum(file.stat().st_size for file in vintage.prepared.iterdir())
    return {"preparing": spent, "disk": disk, "memory": {"preparing": peak()}}


def _tell(step: str, share: float) -> None:
    print(f"{share:4.0%} {step} {cpu():.0f} s {peak() / 1e9:.1f} GB", file=sys.stderr, flush=True)


MEASURES: dict[str, Callable[[Path], Measured]] = {
    one.__name__: one for one in (opening, linking, request, preparing)
}


def cpu() -> float:
    """CPU seconds of this process and of what it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak() -> int:
    """Return the greatest memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def timed(work: Callable[[], object]) -> float:
    """CPU seconds of a piece of work."""
    started = cpu()
    work()
    return cpu() - started


def alone(measure: str, data: Path) -> Measured:
    """Measure in a process of its own, whose memory is its own; one numerical thread."""
    command = [sys.executable, __file__, "--measure", measure, str(data)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(command, env=os.environ | threads, stdout=subprocess.PIPE, check=True)
    found: Measured = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(folder: Path, offenders: int) -> Measured:
    """All measures of one size, the missing ones made and kept."""
    from jdl import national, prepare
    from jdl.synthetic import synthesise

    data, kept = folder / str(offenders), folder / str(offenders) / "growth.json"
    if not data.exists():
        synthesise(data, offenders=offenders)
    found: Measured = json.loads(kept.read_text()) if kept.exists() else {}
    if not prepare.is_current(national.open_vintage(data)):
        found = {"preparing": alone("preparing", data)}
    for measure in ("opening", "linking", "request"):
        if measure not in found:
            found[measure] = alone(measure, data)
            kept.write_text(json.dumps(found, indent=1))
    return found


def table(folder: Path, sizes: Sequence[int] = SIZES) -> str:
    """Return the table of the README: a row a size, CPU seconds and greatest memory."""
    head = ["offenders", "opening (ms)", f"linking {LINKED:,}", *STAGES, "the rest", "a request"]
    head += ["pool", "GB", "preparing", "GB", "first / second request"]
    lines = [head, ["---"] * len(head)]
    for size in sizes:
        found = measured(folder, size)
        made, stages = found.get("preparing", {}), found["request"]["request"]
        whole = sum(stages.values())
        lines.append(
            [
                f"{size:,}",
                f"{1000 * found['opening']['opening']:.0f}",
                f"{found['linking']['linking']:.1f}",
                *(f"{seconds:.1f}" for seconds in stages.values()),
                f"{whole:.1f}",
                f"{found['request']['pool']:,}",
                _gigabytes(found["request"]["memory"]["request"]),
                f"{made['preparing']:.0f}" if made else "",
                _gigabytes(made["memory"]["preparing"]) if made else "",
                f"{(made['preparing'] + whole) / whole:.0f}" if made else "",
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f}"


def main() -> None:
    """Measure one thing here, or everything in processes of their own."""
    if sys.argv[1] == "--measure":
        started = time.monotonic()
        found = MEASURES[sys.argv[2]](Path(sys.argv[3]))
        print(json.dumps(found | {"wall": time.monotonic() - started}))
        return
    sizes = [int(size) for size in sys.argv[2:]] or SIZES
    print(table(Path(sys.argv[1]), sizes))


if __name__ == "__main__":
    main()
