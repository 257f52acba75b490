"""What is told of the people of an upload, beside each other: cases that leaked when each table
was cleared by itself."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pandas as pd
import pytest

from jdl import disclosure, sentence
from jdl.disclosure import Cleared
from jdl.effects import Group, suppressed
from jdl.linkage import FATES, KINDS

REVIEWED = {"clerical review": 0, "review": 0, "incomplete": 0, "duplicate": 0}


def people(sex, fate, many, *, refused=False):
    """Rows of an account: so many people of a sex of whom this became."""
    one = {
        "sex": sex, "age": "25 to 34", "name group": "white", "identifier": "none given",
        "lacks surname": False, "participation": "refused" if refused else "completed",
        "years": 30.0, "could": not refused, "fate": fate, "decision": "linked",
        "how": "not found" if fate == "not_found" else "certain pass",
        "reason": {
            "analysed": None, "lost": sentence.NO_SENTENCE, "not_found": sentence.NOT_FOUND
        }[fate],
    }  # fmt: skip
    return [one | {"reason": sentence.REFUSED} if refused else one] * many


def account_of(*groups):
    rows = pd.DataFrame([row for group in groups for row in group])
    disposals = pd.Series([f"d{place}" for place in range(len(rows))])
    return rows.assign(disposal_id=disposals.where(rows["fate"] == "analysed"))


def found_of(account):
    """The tables that the account adds up to."""
    ways = account["how"].value_counts().to_dict()
    counts = {"certain pass": 0, "probabilistic": 0} | REVIEWED | {"not found": 0} | ways
    levels = []
    for kind in KINDS:
        for level, rows in account.groupby(kind):
            fates = {fate: int((rows["fate"] == fate).sum()) for fate in FATES}
            linked = fates["analysed"] + fates["lost"]
            levels.append(
                {"group": kind, "level": level, "people": len(rows), "linked": linked, **fates}
            )
    rates = pd.DataFrame(levels)
    gains = pd.DataFrame(
        {
            "field": ["surname"], "rows_lacking": [0], "people_lacking": [0], "rate_with": [0.9],
            "rate_without": [math.nan], "gain": [0.0],
        }
    )  # fmt: skip
    placed = pd.DataFrame({"rule": ["in custody"], "people": [int(account["reason"].isna().sum())]})
    funnel = sentence.funnel(account[["reason"]])
    return disclosure.Found(counts, rates, gains, rates, funnel, placed)


NO_PROFILE = pd.DataFrame(columns=["variable", "level", "mean_treatment"])


def cleared(account, sizes, rules=disclosure.RULES, profile=NO_PROFILE):
    """What is told, with an analysis of each sex beside the headline."""
    inside = account.loc[account["fate"] == "analysed", ["disposal_id", "sex"]]
    frame = inside.assign(treated=1, weight=1.0)
    analysed = [
        SimpleNamespace(
            wanted=SimpleNamespace(id=name, people=frozenset(who["disposal_id"])),
            matched=SimpleNamespace(frame=frame),
        )
        for name, who in [("headline", inside), *inside.groupby("sex")]
        if name in ("headline", *sizes)
    ]
    results = {
        one.wanted.id: Cleared(
            {
                "rate": suppressed(
                    one.wanted.id, "rate", Group(len(one.wanted.people)), Group(900), ""
                )
            },
            (),
        )
        for one in analysed
    }
    described = pd.DataFrame(columns=["participation", "people", "share", "rate"])
    return disclosure.clear_people(
        account, found_of(account), results, analysed, described, profile, rules
    )


def size(told, name):
    return told.results[name].effects["rate"].treatment.n


def test_women_who_were_all_analysed_do_not_follow_from_the_men():
    account = account_of(
        people("female", "analysed", 14),
        people("male", "analysed", 108),
        people("male", "lost", 12),
        people("male", "not_found", 17),
    )
    told = cleared(account, ["male"])
    assert size(told, "headline") == 122
    assert size(told, "male") == 0
    assert told.rates.set_index("level").loc[["female", "male"], "share"].isna().all()


def test_an_analysis_of_which_many_are_missing_keeps_its_size():
    account = account_of(
        people("female", "analysed", 60),
        people("female", "not_found", 25),
        people("male", "analysed", 108),
        people("male", "lost", 25),
        people("male", "not_found", 27),
    )
    told = cleared(account, ["male", "female"])
    assert (size(told, "male"), size(told, "female")) == (108, 60)
    assert told.linked == 193


@pytest.mark.parametrize(("lost", "linked"), [(8, None), (12, 142)])
def test_people_linked_are_not_told_where_with_those_analysed_they_leave_a_few(lost, linked):
    account = account_of(
        people("male", "analysed", 130),
        people("male", "lost", lost),
        people("male", "not_found", 40),
    )
    told = cleared(account, [])
    assert told.linked == linked
    assert (told.counts["certain pass"] is None) is (linked is None)


def test_the_sum_of_the_funnel_stays_exact_and_upload_faults_stand():
    account = account_of(
        people("male", "analysed", 130),
        people("male", "lost", 8),
        people("male", "not_found", 40),
        people("male", "lost", 3, refused=True),
    )
    funnel = cleared(account, []).funnel
    assert funnel["removed"].sum() + 130 == len(account)
    assert funnel.set_index("reason").loc[sentence.REFUSED, "removed"] == 3
    assert funnel["reason"].tolist()[-1] == disclosure.OTHER_REASONS


def frame_of(**ages):
    """Treated people by band of age, all kept, beside as many others."""
    rows = [
        {"age_band": band.replace("_", " ")} for band, many in ages.items() for _ in range(many)
    ]
    frame = pd.DataFrame(rows).assign(weight=1.0)
    return pd.concat([frame.assign(treated=1), frame.assign(treated=0)], ignore_index=True)


def test_bands_of_age_join_their_neighbours_until_enough_people_are_in_them():
    frame = frame_of(**{"18 to 20": 4, "21 to 24": 30, "25 to 29": 40, "50 and over": 3})
    merged = disclosure.merge_levels(frame, ["age_band"])
    assert sorted(merged["age_band"].unique()) == ["18 to 24", "25 and over"]


def test_small_levels_are_one_row_and_a_variable_with_nothing_else_stays():
    frame = frame_of(**{"18 to 20": 40}).assign(region="north", nationality="UK")
    frame.loc[[0, 1, 40], "region"] = "wales"
    frame.loc[[2, 3, 4], "region"] = "south"
    frame.loc[range(5, 20), "region"] = "east"
    merged = disclosure.merge_levels(frame, ["region", "nationality"])
    kept = merged.loc[merged["treated"] == 1]
    assert set(kept["region"]) == {"north", disclosure.OTHER_LEVELS}
    assert (kept["region"] == disclosure.OTHER_LEVELS).sum() >= 10
    assert set(merged["nationality"]) == {"UK"}


def test_what_the_size_of_the_headline_shows_by_itself_is_written_down():
    door = disclosure.Door()
    account = account_of(people("male", "analysed", 130), people("male", "lost", 4))
    cleared(account, [], door)
    noted = [one for one in door.decided.values() if one.rule == "size"]
    assert {one.decided for one in noted} == {"told"}
    assert "people.everybody.analysed" in {one.part for one in noted}


def test_ages_are_withheld_where_beside_those_of_the_linkage_they_leave_a_few():
    """Of forty people aged 25 to 34 nine are not analysed; five more are 21 to 24."""
    ages = {19.0: (20, 15), 22.0: (4, 1), 27.0: (31, 9), 40.0: (45, 26)}
    rows = [
        row
        for years, (kept, gone) in ages.items()
        for fate, many in (("analysed", kept), ("lost", gone))
        for row in people("male", fate, many)
        if row.update(years=years, age=age_of(years)) is None
    ]
    account = pd.DataFrame(rows)
    frame = frame_of(**{"18 to 20": 20, "21 to 24": 4, "25 to 29": 31, "40 to 49": 45})
    matched = SimpleNamespace(frame=frame, treatment_n=100)
    shown = disclosure.clear_categories(matched, ["age_band"], account=account)
    assert shown["level"].tolist() == ["18 to 20", "21 to 29", "40 to 49"]
    assert shown["mean_treatment"].isna().all()


def age_of(years):
    return "under 25" if years < 25 else "25 to 34" if years < 35 else "35 to 49"


def test_people_under_25_are_told_of_by_the_ages_of_the_profile():
    """No one is under 18, so that the profile's 18 to 24 are all those under 25."""
    young, old = [{"years": 20.0, "age": "under 25"}, {"years": 40.0, "age": "35 to 49"}]
    groups = [
        [one | kind for one in people("male", fate, many)]
        for kind, counts in ((young, (60, 3, 11)), (old, (60, 12, 20)))
        for fate, many in zip(("analysed", "lost", "not_found"), counts, strict=True)
    ]
    account = account_of(*groups)
    profile = pd.DataFrame(
        {"variable": "age_band", "level": ["18 to 24", "25 and over"], "mean_treatment": 0.5}
    )
    told = cleared(account, [], profile=profile).rates.set_index(["group", "level"])
    assert told.loc[("age", "under 25"), ["share", "low"]].isna().all()


@pytest.mark.parametrize("unknown", [0, 2])
def test_ages_stand_where_enough_are_left_though_some_ages_were_not_sent(unknown):
    rows = [
        one | {"years": years, "age": age_of(years)}
        for years in (22.0, 27.0, 40.0)
        for fate, many in (("analysed", 40), ("lost", 15))
        for one in people("male", fate, many)
    ]
    rows += [one | {"years": math.nan, "age": "not known"} for one in people("male", "lost", 2)][
        :unknown
    ]
    frame = frame_of(**{"21 to 24": 40, "25 to 29": 40, "40 to 49": 40})
    matched = SimpleNamespace(frame=frame, treatment_n=120)
    shown = disclosure.clear_categories(matched, ["age_band"], account=pd.DataFrame(rows))
    assert shown["mean_treatment"].notna().all()
