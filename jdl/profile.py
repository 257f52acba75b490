"""Where time and memory go: by request, stage, cell and kind of page.

What runs tells a clock where it is; the clock adds up wall seconds, processor seconds of kernel and
worker, and by how much the greatest memory has grown. A copy of a fork server counts as its own
what it shares with it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

_MB = 10**6
COLUMNS = ("wall, s", "kernel, CPU s", "worker, CPU s", "peak, MB", "growth, MB")


@dataclass(frozen=True)
class Spent:
    """What one part of a stage took, each time it ran.

    Parameters
    ----------
    stage : str
    part : str
        A cell's id, or what was made.
    wall, kernel, worker : float
        Seconds on the clock, and of the processor in the kernel and in the worker that drives it;
        of the kernel 0 where the system does not say.
    peak, growth : int
        Most that the process at work has held so far, and by how much that rose in this part, in
        whole MB: of the kernel in a cell, of the worker after the last; 0 where the system does not
        say. Bytes would have as many digits as a date of birth.
    """

    stage: str
    part: str
    wall: float = 0.0
    kernel: float = 0.0
    worker: float = 0.0
    peak: int = 0
    growth: int = 0

    def __add__(self, other: Spent) -> Spent:
        """Return both together, under the name of the first."""
        return replace(
            self,
            wall=round(self.wall + other.wall, 3),
            kernel=round(self.kernel + other.kernel, 3),
            worker=round(self.worker + other.worker, 3),
            peak=max(self.peak, other.peak),
            growth=self.growth + other.growth,
        )


class Clock:
    """Adds up what each part takes as one follows the other.

    Parameters
    ----------
    stage, part : str
        Where it starts.
    """

    def __init__(self, stage: str, part: str) -> None:
        self.stage, self.part = stage, part
        self._spent: dict[tuple[str, str], Spent] = {}
        self._wall, self._worker = time.monotonic(), time.process_time()
        self._kernel, self._peak = 0.0, {"kernel": 0, "worker": peak_memory("self") or 0}

    @property
    def spent(self) -> tuple[Spent, ...]:
        """What each part took, in the order of their first time."""
        return tuple(self._spent.values())

    @property
    def kernel_peak(self) -> int | None:
        """The most memory that the kernel has held, in bytes, where known."""
        return self._peak["kernel"] or None

    def enter(
        self, stage: str, part: str, *, kernel: float | None = None, peak: int | None = None
    ) -> None:
        """End one part and begin another.

        Parameters
        ----------
        stage, part : str
            What begins.
        kernel : float, optional
            Processor seconds of the kernel so far, where one is at work.
        peak : int, optional
            The most memory it has held, in bytes; of this process without it.
        """
        wall, worker = time.monotonic(), time.process_time()
        who = "worker" if peak is None else "kernel"
        held = (peak_memory("self") if peak is None else peak) or 0
        now = Spent(
            self.stage,
            self.part,
            round(wall - self._wall, 3),
            round(max((kernel or self._kernel) - self._kernel, 0.0), 3),
            round(worker - self._worker, 3),
            held // _MB,
            max(held // _MB - self._peak[who] // _MB, 0),
        )
        before = self._spent.get((self.stage, self.part))
        self._spent[self.stage, self.part] = before + now if before else now
        self._wall, self._worker, self._kernel = wall, worker, kernel or self._kernel
        self._peak[who] = max(held, self._peak[who])
        self.stage, self.part = stage, part


_CLOCK: ContextVar[Clock | None] = ContextVar("clock", default=None)


@contextmanager
def running(clock: Clock) -> Iterator[None]:
    """Have a clock run for what is done inside."""
    token = _CLOCK.set(clock)
    try:
        yield
    finally:
        _CLOCK.reset(token)


@contextmanager
def part(name: str) -> Iterator[None]:
    """Count what is done inside apart, where a clock runs."""
    clock = _CLOCK.get()
    before = clock.part if clock else ""
    if clock:
        clock.enter(clock.stage, name)
    try:
        yield
    finally:
        if clock:
            clock.enter(clock.stage, before)


def peak_memory(process: int | str) -> int | None:
    """Return the most memory a process has held, in bytes; None where the system does not say.

    Parameters
    ----------
    process : int or str
        Its number, or ``self``.
    """
    return _status(process, "VmHWM")


def addresses(process: int | str) -> int | None:
    """Return how many bytes of addresses a process has taken, used or not; as `peak_memory`."""
    return _status(process, "VmSize")


def _status(process: int | str, name: str) -> int | None:
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
    except (OSError, StopIteration):
        return None


def processor_time(process: int | str) -> float | None:
    """Return the processor seconds of a process so far, all its threads; None as `peak_memory`."""
    try:
        told = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    user, system = told.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def by_stage(spent: Sequence[Spent]) -> tuple[Spent, ...]:
    """Return what each stage took, all its parts together, in their order."""
    stages: dict[str, Spent] = {}
    for one in spent:
        named = replace(one, part="")
        stages[one.stage] = stages[one.stage] + named if one.stage in stages else named
    return tuple(stages.values())


def story(record: Mapping[str, Any]) -> list[str]:
    """Return a run file as lines to read: each notebook by stage, with the cells of each.

    Parameters
    ----------
    record : mapping
        Of a release, or of one notebook.
    """
    lines = ["  ".join((f"{'':44}", *COLUMNS))]
    for one in record.get("notebooks", [record]):
        spent = [Spent(**part) for part in one["spent"]]
        stages = by_stage(spent)
        lines.append(_line(one["name"], sum(stages[1:], stages[0])))
        for stage in stages:
            lines.append(_line(f"  {stage.stage}", stage))
            parts = [part for part in spent if part.stage == stage.stage]
            lines += [_line(f"    {part.part}", part) for part in parts if len(parts) > 1]
    return lines


def _line(name: str, spent: Spent) -> str:
    told = (
        f"{spent.wall:.2f}",
        f"{spent.kernel:.2f}",
        f"{spent.worker:.2f}",
        f"{spent.peak}",
        f"{spent.growth}",
    )
    widths = (len(column) for column in COLUMNS)
    return "  ".join((f"{name:44}", *(f"{one:>{w}}" for one, w in zip(told, widths, strict=True))))
