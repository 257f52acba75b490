"""The ledger of outcomes: what is kept, what the log may no longer say."""

import datetime as dt
import stat

import pandas as pd
import pytest

from jdl import ledger
from jdl.faults import Unusable

MONDAY, TUESDAY = dt.date(2014, 3, 3), dt.date(2014, 3, 4)


def log(*rows):
    columns = ["id", "status", "status_date", "outcomes_read"]
    return pd.DataFrame(rows, columns=columns).assign(
        status_date=lambda rows: pd.to_datetime(rows["status_date"]),
        outcomes_read=lambda rows: pd.to_datetime(rows["outcomes_read"]),
        **dict.fromkeys(("release", "corrects"), pd.array([None] * len(rows), dtype="str")),
    )


def test_the_first_day_stays(tmp_path):
    ledger.enter(tmp_path, "harbour", MONDAY)
    ledger.enter(tmp_path, "harbour", TUESDAY)
    ledger.enter(tmp_path, "open-door", TUESDAY)
    assert ledger.first_read(tmp_path) == {"harbour": MONDAY, "open-door": TUESDAY}


def test_only_its_owner_can_read_it(tmp_path):
    ledger.enter(tmp_path / "restricted", "harbour", MONDAY)
    for file in (tmp_path / "restricted").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_an_empty_place_has_read_nothing(tmp_path):
    assert ledger.first_read(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "[]", '{"harbour": "soon"}', '{"harbour": 3}'])
def test_a_broken_ledger_is_a_fault(tmp_path, text):
    (tmp_path / ledger.FILE).write_text(text)
    with pytest.raises(Unusable, match="ledger of outcomes"):
        ledger.first_read(tmp_path)


@pytest.mark.parametrize("withdrawn", ["2014-03-02", "2014-03-03", "2014-03-10"])
def test_a_request_whose_outcomes_were_read_stays_whatever_day_the_log_gives(withdrawn):
    held = ledger.hold(log(("harbour", "withdrawn", withdrawn, None)), {"harbour": MONDAY})
    assert len(held) == 1


def test_a_request_whose_outcomes_were_never_read_can_be_withdrawn():
    assert ledger.hold(log(("harbour", "withdrawn", "2014-03-10", None)), {}) == []


def test_days_that_the_log_lacks_are_told_once_a_day():
    held = log(
        ("harbour", "ready", "2014-03-10", None),
        ("open-door", "ready", "2014-03-10", None),
        ("womens-link", "ready", "2014-03-10", MONDAY),
        ("green-shoots", "ready", "2014-03-10", None),
    )
    read = {
        "harbour": MONDAY,
        "open-door": TUESDAY,
        "womens-link": MONDAY,
        "green-shoots": MONDAY,
    }
    told = ledger.unwritten(held, read, [*read])
    assert [line.split(":")[0] for line in told] == [
        "Outcomes of harbour, green-shoots were first read on 2014-03-03",
        "Outcomes of open-door were first read on 2014-03-04",
    ]


def test_a_plan_that_changes_after_outcomes_were_read_is_told(tmp_path):
    assert ledger.keep_plan(tmp_path, "harbour", "aaaa1111bbbb") is None
    assert ledger.keep_plan(tmp_path, "harbour", "aaaa1111bbbb") is None
    told = ledger.keep_plan(tmp_path, "harbour", "cccc2222dddd")
    assert "(cccc2222) than when its outcomes were first read (aaaa1111)" in told
    assert told.endswith("Publish it as a correction that says why, or restore the plan.")
    told = ledger.keep_plan(tmp_path, "harbour", "cccc2222dddd", corrected=True)
    assert told.endswith("The correction that it states has to say why.")
    assert ledger.keep_plan(tmp_path, "harbour", "aaaa1111bbbb") is None
