"""Records of a few made-up people: what the project's own functions make of them."""

from __future__ import annotations

import pandas as pd
import pytest
from test_sentence import WINDOWS

from jdl import covariates, landmark, linkage, request, sentence
from jdl.learning import made_up

RULES = {**WINDOWS, "sex": "all", "region": None}


def test_a_stay_is_located_by_the_initial_of_the_person():
    records = made_up.records(
        made_up.stay("A", "2010-01-05", "2010-06-30"), made_up.stay("B", "2009-01-05", "2009-06-30")
    )
    people, links = made_up.upload({"A": "2010-03-01", "B": "2010-03-01"})
    found = sentence.locate(records.con, records.vintage, people, links, **RULES)
    assert found["offender_id"].tolist() == ["A", "B"]
    assert found["disposal_id"].iloc[0] == "A 2010-01-05"
    assert found["index_date"].iloc[0] == pd.Timestamp("2010-06-30")
    assert found["reason"].tolist() == [None, sentence.NO_SENTENCE]


def test_an_offence_before_the_start_is_counted():
    records = made_up.records(
        made_up.order("A", "2010-03-01"), made_up.offence("A", "2010-03-20", "2010-05-01")
    )
    people = pd.DataFrame({"offender_id": ["A"], "disposal_id": ["A 2010-03-01"]})
    dates = {"index_date": pd.Timestamp("2010-03-01"), "start": pd.Timestamp("2010-04-30")}
    assert landmark.gaps(records.con, people.assign(**dates)).reoffended_within == 1


def test_only_people_of_one_sex_are_a_pool():
    records = made_up.records(
        made_up.stay("A", "2010-01-05", "2010-06-30"),
        made_up.stay("B", "2010-01-05", "2010-06-30"),
        made_up.stay("C", "2010-01-05", "2010-06-30"),
        made_up.person("C", sex="female", date_of_birth="1980-01-01"),
    )
    found = covariates.pool(
        records.con,
        pd.DataFrame({"disposal_id": ["A 2010-01-05"]}),
        pd.Series(["A"]),
        known=pd.Series([], dtype="str"),
        window_days=183,
        oasys=False,
    )
    assert (found.people, found.removed_people, found.removed_share) == (1, 1, 0.5)


@pytest.mark.parametrize(
    ("given", "unmet"),
    [
        ({}, []),
        ({"signed": False}, ["data_sharing"]),
        ({"special_group": "mental health"}, ["special_group"]),
        ({"special_group": "mental health", "approved": True}, []),
    ],
)
def test_a_request_is_held_against_the_criteria(given, unmet):
    people = made_up.people("AAB", refused="C")
    told = request.criteria(made_up.request(**given), people, False, minimum=2)
    assert [one.code for one in request.unmet(told)] == unmet
    assert told[0].actual == "2 people"


def test_a_model_has_the_weights_of_its_m_and_u():
    model = made_up.model({"name": {"same": (0.8, 0.1), "different": (0.2, 0.8)}})
    assert linkage.weights(model)["weight"].round(9).tolist() == [3, -2]
