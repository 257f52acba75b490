"""Texts that agree: their words to the letter, their numbers exactly or to a stated tolerance."""

from __future__ import annotations

import math
import re

TOLERANCE = 1e-9
"""How far statistics may lie apart where another processor made them, relative to the greater of
one and their size. Sums of floating-point numbers depend on the order of adding, which a
processor's vector width decides; what that changes stays far below this, and this far below the
last digit that any page prints. It is allowed nowhere else."""
SAME, WITHIN, DIFFERS = "same", "within tolerance", "differs"
_NOT_WHOLE = re.compile(r"(-?\d+(?:\.\d+(?:[eE][-+]?\d+)?|[eE][-+]\d+))")


def agree(before: str, after: str, tolerance: float = 0.0) -> str:
    """Say whether two texts agree.

    Parameters
    ----------
    before, after : str
    tolerance : float
        For numbers with a decimal point or an exponent, as `near` has it, written as Python
        writes them at full precision; whole numbers, those that are rounded or padded, and
        everything that is no number must be the same.

    Returns
    -------
    str
        `SAME`, `WITHIN` or `DIFFERS`.
    """
    if before == after:
        return SAME
    parts, others = _NOT_WHOLE.split(before), _NOT_WHOLE.split(after)
    if not tolerance or parts[::2] != others[::2]:
        return DIFFERS
    pairs = zip(parts[1::2], others[1::2], strict=True)
    return WITHIN if all(a == b or _close(a, b, tolerance) for a, b in pairs) else DIFFERS


def _close(before: str, after: str, tolerance: float) -> bool:
    ours, theirs = float(before), float(after)
    return (repr(ours), repr(theirs)) == (before, after) and near(ours, theirs, tolerance)


def near(before: float, after: float, tolerance: float) -> bool:
    """Whether two numbers lie no further apart than a tolerance.

    Parameters
    ----------
    before, after : float
    tolerance : float
        Relative to the greater of one and their size.
    """
    return before == after or math.isclose(before, after, rel_tol=tolerance, abs_tol=tolerance)
