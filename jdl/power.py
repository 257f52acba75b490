"""Power: how many people a difference needs, and the smallest difference that people can show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Needed:
    """People needed in the treatment group in all to find the seen difference.

    Parameters
    ----------
    growing : float
        With a comparison pool that grows with the treatment group; infinite without a difference.
    fixed : float
        With the comparison group as it is; infinite where no number is enough.
    adjusted : float or None
        By the standard error of the adjusted check; None without one.
    detectable : float or None
        Smallest true difference that this study would have found.
    detectable_adjusted : float or None
        The same for the adjusted check.
    """

    growing: float
    fixed: float
    adjusted: float | None
    detectable: float | None
    detectable_adjusted: float | None


@dataclass(frozen=True)
class Plan:
    """What a request yet to be made would need, and what it could show.

    Parameters
    ----------
    rate : float
        Reoffending rate expected without the programme.
    difference : float or None
        Difference to be found, positive.
    people : int or None
        People to be uploaded.
    pool : int or None
        Effective size of the comparison group if it cannot grow.
    retained : float
        Share of the uploaded who end up analysed.
    power, significance : float
        Of the two-sided test.
    needed, needed_upload : float or None
        People needed in the analysis and in the upload, with a pool that grows; None without a
        difference asked for.
    needed_fixed, needed_fixed_upload : float or None
        The same with the pool given; infinite where no number is enough.
    detectable : float or None
        Smallest difference found with the stated power by the people given.
    """

    rate: float
    difference: float | None
    people: int | None
    pool: int | None
    retained: float
    power: float
    significance: float
    needed: float | None
    needed_upload: float | None
    needed_fixed: float | None
    needed_fixed_upload: float | None
    detectable: float | None
