import math

import numpy as np
import pandas as pd
import pytest
from matches import agree, reference
from statsmodels.duration.survfunc import SurvfuncRight

from jdl.effects import compare
from jdl.survival import DAYS, DEATHS_KNOWN, DEATHS_UNKNOWN, LIBERTY_UNKNOWN, curves


def in_r():
    frame, weights, figures, _ = reference("jdl_synth")
    spec = "radius_logit02sd"
    matched = frame.assign(
        weight=weights[spec], reoffended=frame["reoffend"], days_to_first=frame["days_first"]
    )
    return matched, figures["specs"][spec]["time"]


def test_the_mean_time_without_reoffence_and_its_test_are_r_s():
    frame, theirs = in_r()
    ours = curves(frame)
    agree([ours.mean_comparison, ours.mean_treatment], theirs["survfit_rmean"])
    welch = theirs["rmst"]["welch_kish"]
    agree(
        [ours.difference, ours.ci_low, ours.ci_high, ours.p_value],
        [welch[key] for key in ("est", "lo", "hi", "p")],
    )
    assert ours.reason is None


def test_the_curves_are_kaplan_and_meier_s():
    frame, _ = in_r()
    ours = curves(frame)
    used = frame.loc[frame["weight"] > 0]
    for side, shares in ((1, ours.treatment), (0, ours.comparison)):
        part = used.loc[used["treated"] == side]
        fit = SurvfuncRight(
            part["days_to_first"].fillna(366),
            part["reoffended"].astype(int),
            freq_weights=part["weight"].to_numpy(),
        )
        theirs = [fit.surv_prob[fit.surv_times <= day][-1:] for day in DAYS]
        agree(shares, [share[0] if len(share) else 1.0 for share in theirs])
    assert ours.treatment[0] == 1


def test_the_area_under_the_daily_curve_is_the_mean():
    frame, _ = in_r()
    used = frame.loc[(frame["weight"] > 0) & (frame["treated"] == 1)]
    first = used["days_to_first"].fillna(math.inf).to_numpy()
    area = sum((first > day).mean() for day in range(365))
    agree(curves(frame).mean_treatment, area)


def test_the_days_are_monthly_and_the_whole_year():
    assert DAYS == (0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330, 360, 365)


def many(treated, comparison):
    """Groups of which each person reoffends after so many days, or never at 0."""
    days = np.array([*treated, *comparison], dtype=float)
    ours = np.arange(len(days)) < len(treated)
    return pd.DataFrame(
        {
            "offender_id": np.arange(len(days)).astype(str),
            "treated": ours,
            "weight": np.where(ours, 1.0, len(treated) / max(1, len(comparison))),
            "reoffended": days > 0,
            "days_to_first": pd.array(np.where(days > 0, days, 0), "Int64"),
        }
    ).assign(days_to_first=lambda f: f["days_to_first"].where(f["reoffended"]))


def test_a_programme_that_deters_those_who_would_wait_helps_though_days_to_first_fall():
    pool = [20] * 300 + [300] * 300 + [0] * 400
    frame = many([20] * 180 + [300] * 30 + [0] * 390, pool)
    assert compare(frame, "days_to_first").difference < 0
    ours = curves(frame)
    assert ours.difference > 0
    assert ours.ci_low > 0
    assert all(t >= c - 1e-12 for t, c in zip(ours.treatment, ours.comparison, strict=True))


def test_a_reoffence_on_the_day_is_counted_by_its_end_and_a_leap_day_is_no_longer_year():
    ours = curves(many([30] * 20 + [366] * 20, [365] * 50 + [0] * 50))
    assert ours.treatment[:2] == (1, 0.5)
    agree(ours.comparison[-2:], [1, 0.5])
    assert ours.treatment[-1] == 0.5
    agree([ours.mean_treatment, ours.mean_comparison], [197.5, 365])


def test_deaths_are_told_where_the_data_know_of_them():
    frame = many([30] * 20 + [0] * 20, [60] * 50 + [0] * 50)
    assert curves(frame).notes == (DEATHS_UNKNOWN, LIBERTY_UNKNOWN)
    assert curves(frame.assign(died=~frame["reoffended"])).notes[0] == DEATHS_KNOWN
    assert curves(frame.assign(died=False)).mean_treatment == curves(frame).mean_treatment


@pytest.mark.parametrize("groups", [([], [1, 0]), ([1], [1, 0])])
def test_too_few_have_a_reason_and_no_point(groups):
    ours = curves(many(*groups))
    assert set(ours.treatment) | set(ours.comparison) == {None}
    assert len(ours.treatment) == len(DAYS)
    assert ours.reason
    assert ours.difference is None


def test_rows_without_a_weight_do_not_count():
    frame = many([30] * 20 + [0] * 20, [60] * 50 + [0] * 50)
    more = pd.concat([frame, frame.assign(weight=0.0, reoffended=True, days_to_first=1)])
    assert curves(more) == curves(frame)


def test_days_at_liberty_are_weighted_means_of_everyone():
    frame = many([30] * 20 + [0] * 20, [60] * 50 + [0] * 50)
    days = np.where(frame["treated"], 300.0, np.where(frame["reoffended"], 200.0, 365.0))
    frame["weight"] = np.where(frame["treated"], 1.0, np.linspace(0.1, 0.9, len(frame)))
    told = curves(frame.assign(days_at_liberty=days, died=False))
    theirs = frame.loc[~frame["treated"].astype(bool)]
    expected = np.average(days[theirs.index], weights=theirs["weight"])
    assert (told.liberty_treatment, told.liberty_comparison) == (300.0, pytest.approx(expected))
    assert told.notes == (DEATHS_KNOWN,)


def test_without_prison_spells_days_at_liberty_are_not_told():
    frame = many([30] * 20 + [0] * 20, [60] * 50 + [0] * 50)
    told = curves(frame.assign(days_at_liberty=pd.Series([None] * len(frame), dtype="Int32")))
    assert told.liberty_treatment is None
    assert LIBERTY_UNKNOWN in told.notes
