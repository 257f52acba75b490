"""Index disposal, matching variables and outcomes of two people, checked by hand."""

import datetime as dt

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from plain_names import keep_names

from jdl import covariates, national, outcomes, sentence

DAY = dt.date


def _write(folder, table, rows):
    spec = national.TABLES[table].columns
    kinds = {"date": pa.date32(), "integer": pa.int32(), "boolean": pa.bool_()}
    schema = pa.schema([(name, kinds.get(col.kind, pa.string())) for name, col in spec.items()])
    pq.write_table(
        pa.Table.from_pylist([{name: row.get(name) for name in spec} for row in rows], schema),
        folder / f"{table}.parquet",
    )


def _offence(offender, offence, conviction, **more):
    return {
        "offence_id": f"{offender}-{offence}",
        "offender_id": offender,
        "offence_date": offence,
        "conviction_date": conviction,
        "proven_by": "conviction",
        "court_outcome": "summary",
        "offence_group": "theft",
        "custodial": False,
    } | more


@pytest.fixture
def vintage(tmp_path):
    """Two people: A left prison on 1 March 2010; B began an order on 1 June 2010."""
    (tmp_path / "vintage.toml").write_text(
        'name = "by-hand"\nextracted = 2013-10-31\noffences_to = 2013-06-30\n'
        "convictions_to = 2013-06-30\nsynthetic = true\neligible_from = 2002-01-01\n"
    )
    _write(
        tmp_path,
        "offenders",
        [
            {"offender_id": "A", "sex": "male", "date_of_birth": DAY(1980, 3, 2)},
            {"offender_id": "B", "sex": "female"},
        ],
    )
    _write(tmp_path, "aliases", [])
    custody = {
        "disposal_id": "A2",
        "offender_id": "A",
        "disposal": "custody",
        "conviction_date": DAY(2009, 9, 1),
        "custody_start": DAY(2009, 9, 1),
        "release_date": DAY(2010, 3, 1),
        "sentence_days": 365,
        "offence_group": "burglary",
    }
    earlier = {
        "disposal_id": "A1",
        "offender_id": "A",
        "disposal": "community order",
        "conviction_date": DAY(2009, 1, 5),
        "sentence_date": DAY(2009, 1, 5),
        "offence_group": "theft",
    }
    order = {
        "disposal_id": "B1",
        "offender_id": "B",
        "disposal": "community order",
        "conviction_date": DAY(2010, 6, 1),
        "sentence_date": DAY(2010, 6, 1),
        "order_end": DAY(2011, 6, 1),
        "offence_group": "theft",
    }
    late = order | {
        "disposal_id": "B2",
        "conviction_date": DAY(2012, 1, 1),
        "sentence_date": DAY(2012, 1, 1),
        "order_end": None,
    }
    _write(tmp_path, "disposals", [custody, earlier, order, late])
    _write(
        tmp_path,
        "offences",
        [
            _offence("A", DAY(2008, 12, 1), DAY(2009, 1, 5), disposal_id="A1"),
            _offence("A", DAY(2009, 8, 1), DAY(2009, 9, 1), disposal_id="A2"),
            _offence("A", DAY(2010, 3, 1), DAY(2010, 4, 1)),
            _offence("A", DAY(2011, 3, 1), DAY(2011, 9, 1), court_outcome="either way"),
            _offence(
                "A",
                DAY(2011, 3, 1),
                DAY(2011, 9, 1),
                offence_id="x",
                court_outcome="indictable",
                custodial=True,
            ),
            _offence("A", DAY(2011, 3, 2), DAY(2011, 3, 9)),
            _offence("B", DAY(2010, 7, 1), DAY(2011, 12, 2)),
            _offence("B", DAY(2010, 8, 1), DAY(2010, 8, 1), proven_by="penalty notice"),
            _offence("B", DAY(2010, 9, 1), DAY(2010, 9, 8), breach=True),
        ],
    )
    _write(
        tmp_path,
        "employment",
        [
            {"offender_id": "A", "start_date": DAY(2009, 8, 22), "end_date": None},
            {"offender_id": "A", "start_date": DAY(2009, 9, 2), "end_date": None},
        ],
    )
    _write(
        tmp_path,
        "benefits",
        [
            {
                "offender_id": "A",
                "benefit": "income support",
                "start_date": DAY(2000, 1, 1),
                "end_date": DAY(2008, 9, 11),
            }
        ],
    )
    _write(
        tmp_path,
        "oasys",
        [
            {"offender_id": "A", "assessment_date": DAY(2009, 8, 30), "ogrs": 40, "drugs": 7},
            {"offender_id": "A", "assessment_date": DAY(2009, 9, 2), "ogrs": 99, "drugs": 99},
        ],
    )
    assert national.check_vintage(tmp_path) == []
    return national.open_vintage(tmp_path)


@pytest.fixture
def con(vintage):
    with vintage.connect() as con:
        con.execute(f"CREATE TABLE index_disposals AS {covariates.definition(vintage)}")
        con.execute(f"CREATE TABLE outcomes AS {outcomes.definition()}")
        yield keep_names(con)


def test_last_index_date_needs_a_year_and_six_months(vintage):
    assert vintage.last_index_date == DAY(2011, 12, 31)


def test_eligible_disposals_are_those_with_complete_follow_up(con):
    found = con.execute("SELECT disposal_id FROM index_disposals ORDER BY 1").fetchall()
    assert [row[0] for row in found] == ["A1", "A2", "B1"]


def test_variables_describe_the_time_before_the_conviction(con):
    frame = con.execute("SELECT * FROM index_disposals").df().set_index("disposal_id")
    a = frame.loc["A2"]
    assert a["age"] == 29
    assert (a["previous_convictions"], a["previous_offences"]) == (1, 1)
    assert a["previous_custodial_sentences"] == 0
    assert a["convictions_last_year"] == 1
    assert a["career_days"] == (DAY(2009, 9, 1) - DAY(2009, 1, 5)).days
    assert a["age_at_first"] == 28
    assert (a["employed"], a["employed_days"]) == (1, 10)
    assert (a["on_benefit"], a["benefit_days"]) == (0, 10)
    assert a["days_served"] == 181
    assert (a["ogrs"], a["drugs"]) == (40, 7)
    assert frame.loc["B1", "previous_convictions"] == 0


def test_a_fact_dated_after_the_conviction_changes_no_variable(con, vintage):
    before = con.execute(f"SELECT * FROM ({covariates.definition(vintage)})").df()
    con.execute("""CREATE OR REPLACE TEMP VIEW later AS SELECT * FROM employment UNION ALL
        SELECT 'A', DATE '2009-09-01', NULL""")
    after = con.execute(
        f"SELECT * FROM ({covariates.definition(vintage).replace('JOIN employment', 'JOIN later')})"
    ).df()
    pd.testing.assert_frame_equal(before, after)


def test_outcomes_by_hand(con):
    frame = con.execute("SELECT * FROM outcomes").df().set_index("disposal_id")
    a, b = frame.loc["A2"], frame.loc["B1"]
    assert a["reoffended"] and a["reoffences"] == 2 and a["days_to_first"] == 365
    assert a["first_court_outcome"] == "indictable" and a["first_custodial"]
    assert (a["reoffences_indictable"], a["reoffences_either_way"]) == (1, 1)
    assert a["custodial_sentences"] == 1
    assert not b["reoffended"] and b["reoffences"] == 0 and pd.isna(b["days_to_first"])


def _people(**columns):
    count = max(len(values) for values in columns.values())
    names = ["index_date", "conviction_date", "intervention_start", "intervention_end"]
    base = {name: [pd.NaT] * count for name in names}
    base |= {"setting": [None] * count, "participation": ["started"] * count}
    base |= {"row": list(range(2, count + 2)), "source": ["r"] * count}
    return pd.DataFrame(base | columns)


def _links(offenders, decisions=None, people=None):
    rows = range(2, len(offenders) + 2)
    return pd.DataFrame(
        {
            "row": rows,
            "source": "r",
            "person": people or list(rows),
            "offender_id": offenders,
            "decision": decisions or ["linked" if o else "not found" for o in offenders],
        }
    )


def _locate(con, vintage, people, links, **changes):
    choices = {
        "setting": "custody",
        "custody_days": 14,
        "order_days": 28,
        "open_order_days": 365,
        "gate_days": 183,
        "date_days": 7,
        "sex": "all",
        "region": None,
        "cautions": False,
    } | changes
    return sentence.locate(con, vintage, people, links, **choices)


@pytest.mark.parametrize(
    ("start", "setting", "disposal", "reason"),
    [
        ("2009-12-01", "custody", "A2", None),
        ("2010-03-15", "custody", "A2", None),
        ("2010-03-16", "custody", None, sentence.NO_SENTENCE),
        ("2010-03-16", "through the gate", "A2", None),
        ("2010-09-01", "through the gate", None, sentence.NO_SENTENCE),
        ("2009-01-20", "community", "A1", None),
        ("2010-01-06", "community", None, sentence.NO_SENTENCE),
    ],
)
def test_the_setting_decides_which_sentence(con, vintage, start, setting, disposal, reason):
    people = _people(intervention_start=[pd.Timestamp(start)], setting=[setting])
    found = _locate(con, vintage, people, _links(["A"])).iloc[0]
    assert (found["disposal_id"] if disposal else None) == disposal
    assert found["reason"] == reason


def test_a_given_date_decides_before_the_setting(con, vintage):
    people = _people(
        index_date=[pd.Timestamp("2009-01-07")], intervention_start=[pd.Timestamp("2009-12-01")]
    )
    found = _locate(con, vintage, people, _links(["A"])).iloc[0]
    assert (found["disposal_id"], found["rule"]) == ("A1", "index date")


def test_the_first_reason_wins_and_the_sum_is_exact(con, vintage):
    people = _people(
        intervention_start=[pd.Timestamp("2009-12-01")] * 4 + [pd.Timestamp("2012-01-02")],
        participation=["started", "started", "refused", "started", "started"],
        setting=["custody", "custody", "custody", "custody", "community"],
    )
    links = _links(
        ["A", "A", None, None, "B"],
        ["linked", "duplicate", "not found", "review", "linked"],
        [1, 1, 2, 3, 4],
    )
    located = _locate(con, vintage, people, links)
    assert located["reason"].tolist() == [
        None, sentence.DUPLICATE, sentence.REFUSED, sentence.REVIEW, sentence.TOO_LATE,
    ]  # fmt: skip
    funnel = sentence.funnel(located, {sentence.NO_MATCH: 1})
    assert funnel["remaining"].iloc[-1] == 0
    assert funnel["removed"].sum() == funnel["remaining"].iloc[0] == 5


def test_an_unknown_reason_stops_the_funnel():
    with pytest.raises(ValueError, match="unknown"):
        sentence.funnel(pd.DataFrame({"reason": ["lost in the post"]}))


def test_a_duplicate_of_a_person_not_found_does_not_change_the_reason(con, vintage):
    people = _people(intervention_start=[pd.Timestamp("2009-12-01")] * 2)
    links = _links([None, None], ["not found", "duplicate"], [1, 1])
    located = _locate(con, vintage, people, links)
    assert located["reason"].tolist() == [sentence.NOT_FOUND, sentence.DUPLICATE]


def test_derived_values(con):
    frame = covariates.derive(con.execute("SELECT * FROM index_disposals").df())
    b = frame.set_index("disposal_id").loc["B1"]
    assert b["age_missing"] and not b["employed"] and b["region"] == "not recorded"
    assert covariates.band(pd.Series([17, 18, 20, 21, 49, 50]), covariates.AGE_BANDS).tolist() == [
        "under 18", "18 to 20", "18 to 20", "21 to 24", "40 to 49", "50 and over",
    ]  # fmt: skip
