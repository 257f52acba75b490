"""How long the scan of a finished release takes beside a register of any size, and how much memory.

.venv/bin/jdl synth --offenders 1000000 --out big
.venv/bin/python tests/benchmarks/scanning.py outputs/2014-03 --data big
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from jdl import national
from jdl.profile import peak_memory
from jdl.scan import contents, read_all
from jdl.scan.register import cohort, hits
from jdl.scan.vocabulary import known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--requests", type=Path)
    given = parser.parse_args()
    requests = given.requests or given.data / "requests"
    vintage = national.open_vintage(given.data)
    rows = []

    def step(name: str, since: tuple[float, float]) -> tuple[float, float]:
        now = (time.monotonic(), time.process_time())
        rows.append((name, now[0] - since[0], now[1] - since[1]))
        return now

    at = (time.monotonic(), time.process_time())
    people = cohort(requests).people
    at = step("uploads", at)
    seen, _ = contents(given.release)
    whole = read_all([part for parts in seen.values() for part in parts])
    at = step("publication", at)
    allowed = known(vintage, requests, people)
    at = step("known words", at)
    found = hits(whole, allowed, vintage, people)
    step("register", at)
    print("| step | wall, s | processor, s |\n|---|---|---|")
    for name, wall, processor in rows:
        print(f"| {name} | {wall:.1f} | {processor:.1f} |")
    peak = (peak_memory("self") or 0) / 1e9
    counts = {kind: len(values) for kind, values in found.found.items() if values}
    print(f"| all | {sum(row[1] for row in rows):.1f} | {sum(row[2] for row in rows):.1f} |")
    print(f"\npeak memory {peak:.2f} GB; found: {counts or 'nothing'}")


if __name__ == "__main__":
    main()
