"""The log of requests as it stood at each release, and the release files."""

import csv
import datetime as dt
import io
import random
from pathlib import Path

import pandas as pd
import pytest

from jdl.faults import Unusable
from jdl.log import (
    LOG,
    counts_at,
    log_at,
    log_file,
    names_of,
    read_log,
    read_on,
    read_release,
    release_hash,
    status_at,
    was_withdrawn,
)

ROW = {
    "id": "one",
    "organisation": "Harbour Trust",
    "programme": "Harbour mentoring",
    "sector": "voluntary",
    "intervention_type": "mentoring",
    "received": "2013-06-03",
    "status": "published",
    "status_date": "2013-10-10",
    "release": "2013-10",
    "treatment_n": "503",
    "rate_difference": "-0.0769",
    "ci_low": "-0.1223",
    "ci_high": "-0.0315",
    "rate_result": "reduction",
    "frequency_result": "inconclusive",
}
_PLAIN = dict.fromkeys(("treatment_n", "rate_difference", "ci_low", "ci_high", "rate_result"), "")


def write(folder: Path, rows: list[dict[str, str]], header: tuple[str, ...] = LOG) -> Path:
    lines = [",".join(header), *(",".join(row.get(name, "") for name in header) for row in rows)]
    (folder / "log.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def history() -> list[dict[str, str]]:
    """Return 80 requests whose counts are those published for January and March 2014."""
    groups = [
        (36, "published", "2013-12-12", "2013-12", "2013-06-03"),
        (10, "published", "2014-01-09", "2014-01", "2013-08-01"),
        (9, "published", "2014-02-13", "2014-02", "2013-09-02"),
        (2, "ready", "2014-03-06", "2014-03", "2013-12-16"),
        (11, "not processed", "2013-11-20", "", "2013-10-01"),
        (1, "not processed", "2014-03-04", "2014-03", "2013-12-02"),
        (1, "withdrawn", "2013-12-02", "", "2013-10-02"),
        (3, "received", "2013-12-31", "", "2013-12-31"),
        (7, "received", "2014-02-20", "", "2014-02-20"),
        (2, "received", "2014-03-05", "", "2014-03-05"),
    ]
    rows = [
        {**ROW, **_PLAIN, "status": status, "status_date": day, "release": month, "received": came}
        for count, status, day, month, came in groups
        for _ in range(count)
    ]
    return [{**row, "id": f"request-{place}"} for place, row in enumerate(rows)]


def test_the_counts_of_january_and_march_2014(tmp_path):
    log = read_log(write(tmp_path, history()))
    counts = {
        month: list(counts_at(log, read_release(tmp_path, month)).values())
        for month in ("2014-01", "2014-02", "2014-03")
    }
    assert counts["2014-03"] == [80, 55, 2, 12, 1, 10]
    assert counts["2014-01"] == [73, 36, 10, 11, 1, 15]
    assert counts["2014-02"][:3] == [73, 46, 9]


def test_every_month_adds_up(tmp_path):
    log = read_log(write(tmp_path, history()))
    for month in [f"2013-{number:02}" for number in range(7, 13)] + ["2014-01", "2014-12"]:
        release = read_release(tmp_path, month)
        counts = counts_at(log, release)
        assert counts.pop("received") == sum(counts.values()) == len(status_at(log, release))


@pytest.mark.parametrize(
    ("status", "release", "day", "then"),
    [
        ("published", "2014-01", "2014-01-09", "published"),
        ("published", "2014-02", "2014-02-13", "ready"),
        ("ready", "2014-02", "2014-02-01", "ready"),
        ("ready", "2014-01", "2014-01-01", "published"),
        ("published", "2014-03", "2014-03-13", "remaining"),
        ("ready", "2014-03", "2014-02-10", "remaining"),
        ("received", "2014-02", "2013-06-03", "remaining"),
        ("not processed", "", "2014-02-13", "not processed"),
        ("not processed", "", "2014-02-14", "remaining"),
        ("not processed", "2014-02", "2014-02-20", "not processed"),
        ("not processed", "2014-03", "2014-01-20", "remaining"),
        ("withdrawn", "", "2014-01-31", "withdrawn"),
        ("withdrawn", "", "2014-03-01", "remaining"),
    ],
)
def test_the_status_at_a_release(tmp_path, status, release, day, then):
    row = {**ROW, **_PLAIN, "status": status, "release": release, "status_date": day}
    log = read_log(write(tmp_path, [row]))
    facts = read_release(tmp_path, "2014-02")
    assert list(status_at(log, facts)["status_then"]) == [then]
    assert was_withdrawn(log, facts, "one") == (then == "withdrawn")


def test_a_request_received_after_the_period_is_not_counted(tmp_path):
    row = {**ROW, **_PLAIN, "status": "received", "release": "", "received": "2014-02-01"}
    log = read_log(write(tmp_path, [{**row, "status_date": "2014-02-01"}]))
    assert counts_at(log, read_release(tmp_path, "2014-02"))["received"] == 0
    assert counts_at(log, read_release(tmp_path, "2014-03"))["received"] == 1


def test_a_request_of_the_release_received_after_its_period_is_a_fault(tmp_path):
    row = {**ROW, "received": "2014-02-01", "status_date": "2014-02-13", "release": "2014-02"}
    log = read_log(write(tmp_path, [row]))
    with pytest.raises(Unusable, match="by the end of its period"):
        status_at(log, read_release(tmp_path, "2014-02"))


def test_types_and_order(tmp_path):
    rows = [{**ROW, "id": "b", "extends": "a; c"}, {**ROW, "id": "a"}, {**ROW, **_PLAIN, "id": "c"}]
    log = read_log(write(tmp_path, rows))
    assert list(log["id"]) == ["a", "b", "c"]
    assert list(log.columns) == list(LOG)
    assert log["extends"].iloc[1] == "a c"
    assert log["treatment_n"].isna().tolist() == [False, False, True]
    kinds = {name: str(kind) for name, kind in log.dtypes.items()}
    assert (kinds["received"], kinds["treatment_n"], kinds["ci_low"], kinds["reason"]) == (
        "datetime64[s]",
        "Int64",
        "float64",
        "str",
    )


def test_optional_columns_may_be_absent(tmp_path):
    log = read_log(write(tmp_path, [ROW], LOG[:9]))
    assert list(log.columns) == list(LOG)
    assert log["rate_difference"].isna().all()


BAD_ROWS = [
    ({"id": "Not Plain"}, "plain folder name", "id"),
    ({"id": ""}, "must not be blank", "id"),
    ({"organisation": ""}, "must not be blank", "organisation"),
    ({"sector": "charity"}, "one of: voluntary", "sector"),
    ({"intervention_type": "skydiving"}, "one of: accommodation", "intervention_type"),
    ({"received": "03/06/2013"}, "must be written YYYY-MM-DD", "received"),
    ({"received": "2013-06-31"}, "day of the calendar", "received"),
    ({"status": "done"}, "one of: received", "status"),
    ({"status_date": "2013-06-02"}, "older than the request", "status_date"),
    ({"status_date": ""}, "must not be blank", "status_date"),
    ({"outcomes_read": "2013-06-02"}, "before the request is received", "outcomes_read"),
    ({"outcomes_read": "soon"}, "must be written YYYY-MM-DD", "outcomes_read"),
    (
        {"status": "withdrawn", "release": "", "outcomes_read": "2013-10-10"},
        "withdrawn only before",
        "outcomes_read",
    ),
    ({"release": ""}, "must have a release", "release"),
    ({"release": "Oct 2013"}, "a month written", "release"),
    ({"release": "2013-05"}, "before it is received", "release"),
    ({"extends": "unheard-of"}, "only other requests of the log", "extends"),
    ({"extends": "one"}, "only other requests of the log", "extends"),
    ({"extends": "../x"}, "plain folder name", "extends"),
    ({"treatment_n": "many"}, "whole number", "treatment_n"),
    ({"treatment_n": "50.5"}, "whole number", "treatment_n"),
    ({"rate_difference": "-7.69"}, "difference of proportions", "rate_difference"),
    ({"rate_difference": "nan"}, "difference of proportions", "rate_difference"),
    ({"rate_difference": "-0.5"}, "within its interval", "rate_difference"),
    ({"ci_high": "0.01"}, "side of nought", "rate_result"),
    ({"rate_result": "increase"}, "side of nought", "rate_result"),
    ({"rate_result": "better"}, "one of: reduction", "rate_result"),
    ({"programme": "=1+1"}, "not a formula", "programme"),
    ({"programme": "x\x02y"}, "control", "programme"),
    ({"programme": "\uff1d1+1"}, "not a formula", "programme"),
    ({"programme": "x" * 81}, "no word", "programme"),
    ({"status_date": "9999-12-31"}, "years 1900 to 2100", "status_date"),
]


@pytest.mark.parametrize(("change", "rule", "column"), BAD_ROWS)
def test_a_bad_row_is_told(tmp_path, change, rule, column):
    with pytest.raises(Unusable) as caught:
        read_log(write(tmp_path, [{**ROW, "id": "first"}, {**ROW, **change}]))
    told = [fault for fault in caught.value.faults if rule in fault.rule]
    assert [(fault.row, fault.column, fault.where) for fault in told] == [(3, column, "log.csv")]


def test_the_logs_own_faults(tmp_path):
    with pytest.raises(Unusable, match="same id"):
        read_log(write(tmp_path, [ROW, ROW]))
    with pytest.raises(Unusable, match="columns that are not known"):
        read_log(write(tmp_path, [{**ROW, "colour": "blue"}], (*LOG, "colour")))
    with pytest.raises(Unusable, match="nearly, but not exactly, status_date"):
        read_log(write(tmp_path, [ROW], tuple(name.replace("us_d", "s_d") for name in LOG)))
    with pytest.raises(Unusable, match="must be present"):
        read_log(write(tmp_path, [ROW], LOG[1:]))
    with pytest.raises(Unusable, match="must be readable"):
        read_log(tmp_path / "absent")


def test_all_faults_of_the_log_come_at_once(tmp_path):
    bad = [{**ROW, **change} for change, _, _ in BAD_ROWS]
    with pytest.raises(Unusable) as caught:
        read_log(write(tmp_path, bad))
    assert len(caught.value.faults) > 20


# Releases

RELEASE = """
period_to = 2014-02-28
published_at = 2014-03-13T09:30:00
next_release = 2014-04-10
vintage = "synthetic-2013-10"
lead_statistician = "Head of the data lab"
contact = "lab@example.org"
pre_release = ["Secretary of State"]
service_update = \"\"\"Two
lines.\"\"\"
[sign_off]
role = "Chief statistician"
on = 2014-03-12
"""


def write_release(folder: Path, toml: str, name: str = "2014-03") -> Path:
    (folder / "releases").mkdir()
    (folder / "releases" / f"{name}.toml").write_text(toml, encoding="utf-8")
    return folder


def test_a_release_is_read_whole(tmp_path):
    release = read_release(write_release(tmp_path, RELEASE), "2014-03")
    assert release.stated
    assert release.published_at == dt.datetime(2014, 3, 13, 9, 30)
    assert release.pre_release == ("Secretary of State",)
    assert release.sign_off is not None
    assert release.sign_off.role == "Chief statistician"


def test_a_sign_off_names_a_manifest_and_a_correction_its_reason(tmp_path):
    corrected = '[correction]\nreason = "A figure was withheld."\non = 2014-03-20\n'
    toml = f'{RELEASE}manifest = "{"0a" * 8}"\n{corrected}'
    release = read_release(write_release(tmp_path, toml), "2014-03")
    assert release.sign_off is not None and release.correction is not None
    assert release.sign_off.manifest == "0a" * 8
    assert release.correction.on == dt.date(2014, 3, 20)
    assert "vintage" not in release.unstated


def test_the_hash_of_a_release_file_is_of_what_it_says_but_for_the_sign_off(tmp_path):
    folder = write_release(tmp_path, RELEASE)
    signed = release_hash(folder, "2014-03")
    file = folder / "releases" / "2014-03.toml"
    file.write_text("# first\n" + RELEASE.partition("[sign_off]")[0])
    assert release_hash(folder, "2014-03") == signed
    file.write_text(RELEASE.replace("2014-03-13T09:30", "2014-03-14T09:30"))
    assert release_hash(folder, "2014-03") not in (signed, None)
    assert release_hash(folder, "2014-04") is None


def test_without_a_file_a_release_takes_plain_defaults(tmp_path):
    release = read_release(tmp_path, "2014-03")
    assert not release.stated
    assert release.period_to == dt.date(2014, 2, 28)
    assert release.published_at == dt.datetime(2014, 3, 13, 9, 30)
    assert release.next_release == dt.date(2014, 4, 10)
    assert read_release(tmp_path, "2013-12").next_release == dt.date(2014, 1, 9)


def test_a_release_file_may_state_as_little_as_its_dates(tmp_path):
    toml = "period_to = 2014-02-28\npublished_at = 2014-03-12\n"
    release = read_release(write_release(tmp_path, toml), "2014-03")
    assert release.stated
    assert release.published_at == dt.datetime(2014, 3, 12, 9, 30)
    assert release.next_release == dt.date(2014, 4, 10)


@pytest.mark.parametrize(
    ("old", "new", "rule", "column"),
    [
        ("period_to = 2014-02-28", "", "is required", "period_to"),
        ("period_to = 2014-02-28", 'period_to = "2014-02-28"', "must be a date", "period_to"),
        ("period_to = 2014-02-28", "period_to = 2014-03-28", "before publication", "period_to"),
        ("2014-03-13T09:30:00", "2014-02-28T09:30:00", "in its month", "published_at"),
        ("2014-03-13T09:30:00", "2014-03-13T09:30:00Z", "local time", "published_at"),
        ("2014-03-13T09:30:00", '"Thursday"', "local time", "published_at"),
        ("2014-04-10", "2014-03-13", "after this one", "next_release"),
        ('["Secretary of State"]', '"Secretary of State"', "must be a list", "pre_release"),
        ("contact", "contct", "not known", "contct"),
        ("role", "rle", "is required", "[sign_off] role"),
        ('"Chief statistician"', '"a.b@example.org"', "a post", "[sign_off] role"),
        ('"Chief statistician"', '"<b>Head</b>"', "a post", "[sign_off] role"),
        (
            "on = 2014-03-12",
            'on = 2014-03-12\nmanifest = "XYZ"',
            "16 digits",
            "[sign_off] manifest",
        ),
        (
            "[sign_off]",
            "[correction]\nreason = 'Soon.'\non = 2014-03-12\n[sign_off]",
            "after publication",
            "[correction] on",
        ),
    ],
)
def test_a_bad_release_file_is_told(tmp_path, old, new, rule, column):
    with pytest.raises(Unusable) as caught:
        read_release(write_release(tmp_path, RELEASE.replace(old, new)), "2014-03")
    assert [rule in f.rule for f in caught.value.faults if f.column == column] == [True]


def test_no_order_of_the_file_reaches_the_log(tmp_path):
    same_day = [{**row, "received": "2013-06-03"} for row in history()[:20]]
    rows = [*same_day, *history()[20:]]
    first = log_file(read_log(write(tmp_path, rows)))
    for seed in range(4):
        drawn = random.Random(seed)
        moved = drawn.sample(rows, k=len(rows))
        header = tuple(drawn.sample(LOG, k=len(LOG)))
        assert log_file(read_log(write(tmp_path, moved, header))) == first
    changed = [{**rows[0], "programme": "Another"}, *rows[1:]]
    assert log_file(read_log(write(tmp_path, changed))) != first


MONTHS = ("2013-10", "2013-11", "2013-12", "2014-01", "2014-02", "2014-03")


@pytest.mark.parametrize("month", MONTHS)
def test_the_log_at_a_release_counts_the_same_and_tells_nothing_later(tmp_path, month):
    known = read_log(Path(__file__).parent.parent / "requests")
    later = tmp_path / month
    later.mkdir()
    for log in (known, read_log(write(tmp_path, history()))):
        release = read_release(tmp_path, month)
        cut = log_at(log, release)
        (later / "log.csv").write_bytes(log_file(cut))
        back = read_log(later)
        pd.testing.assert_frame_equal(back, cut)
        for name in (one for one in MONTHS if one <= month):
            then = read_release(tmp_path, name)
            assert counts_at(back, then) == counts_at(log, then)
        assert list(back["id"]) == list(status_at(log, release)["id"])
        assert (back["received"] <= pd.Timestamp(release.period_to)).all()
        days = back[["status_date", "outcomes_read"]].stack().dropna()
        assert (days <= pd.Timestamp(release.published_at.date())).all()
        assert (back["release"].dropna() <= month).all()


def corrected() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return a log before and after four corrections of March to what January told."""
    none = {**dict.fromkeys(_PLAIN, ""), "frequency_result": "", "status": "not processed"}
    few = {**none, "reason": "Too few people"}
    first = {"status_date": "2014-01-06", "release": "2014-01"}
    again = {"status_date": "2014-03-04", "release": "2014-03", "corrects": "2014-01"}
    before = [
        {**ROW, **first, "id": "mended"},
        {**ROW, **few, **first, "id": "found"},
        {**ROW, **first, "id": "taken-back"},
        {**ROW, **few, **first, "id": "left"},
        {**ROW, "id": "another"},
    ]
    after = [
        {**ROW, **again, "id": "mended", "status": "ready", "treatment_n": "530"},
        {**ROW, **again, "id": "found", "status": "ready"},
        {**ROW, **few, **again, "id": "taken-back", "reason": "No sign-off"},
        {**ROW, **none, **again, "id": "left", "status": "withdrawn"},
    ]
    return before, [*before[:2], *after, *before[2:]]


CORRECTED = {
    "2014-01": {"mended": "ready", "found": "not processed", "taken-back": "ready"},
    "2014-02": {"mended": "published", "found": "not processed", "taken-back": "published"},
    "2014-03": {"mended": "published", "found": "ready", "taken-back": "not processed"},
    "2014-04": {"mended": "published", "found": "published", "taken-back": "not processed"},
}


@pytest.mark.parametrize("month", CORRECTED)
def test_a_correction_counts_from_its_own_release_and_changes_none_before(tmp_path, month):
    before, after = (
        read_log(write(fresh, rows))
        for fresh, rows in zip((tmp_path / "old", tmp_path / "new"), corrected(), strict=True)
        if fresh.mkdir() is None
    )
    release = read_release(tmp_path, month)
    then = status_at(after, release).set_index("id")
    assert len(then) == 5
    left = "withdrawn" if month >= "2014-03" else "not processed"
    wanted = {**CORRECTED[month], "left": left, "another": "published"}
    assert then["status_then"].to_dict() == wanted
    assert then.loc["mended", "treatment_n"] == (530 if month >= "2014-03" else 503)
    cut = log_file(log_at(after, release))
    if month < "2014-03":
        assert cut == log_file(log_at(before, release))
    (tmp_path / "log.csv").write_bytes(cut)
    back = read_log(tmp_path)
    for name in (one for one in CORRECTED if one <= month):
        facts = read_release(tmp_path, name)
        assert counts_at(back, facts) == counts_at(after, facts)
    assert list(read_log(tmp_path, month)["id"]) == list(then.index)


@pytest.mark.parametrize(
    ("change", "rule", "column"),
    [
        ({"corrects": "2013-11"}, "a correction must have a release of its own", "corrects"),
        ({"corrects": ""}, "no two requests may have the same id", "id"),
        ({"release": "2013-10"}, "a correction must have a release of its own", "corrects"),
        ({"id": "other"}, "a correction must have a release of its own", "corrects"),
        ({"received": "2013-06-04"}, "a correction is of the same request", "received"),
    ],
)
def test_a_correction_stays_beside_the_row_that_it_corrects(tmp_path, change, rule, column):
    again = {**ROW, "status_date": "2014-01-06", "release": "2014-01", "corrects": "2013-10"}
    third = {**again, "release": "2014-02", "corrects": "2014-01"}
    assert len(read_log(write(tmp_path, [third, ROW, again]))) == 3
    with pytest.raises(Unusable) as caught:
        read_log(write(tmp_path, [ROW, {**again, **change}]))
    found = [(one.row, one.column) for one in caught.value.faults if rule in one.rule]
    assert found == [(3, column)]


@pytest.mark.parametrize("name", ["-2+3", "'=1+1", "'+1", "'@x", "'-x", "plain", "'quoted'"])
def test_no_text_of_a_published_log_is_a_formula(tmp_path, name):
    read = read_log(write(tmp_path, [ROW | {"programme": name, "organisation": name}]))
    content = log_file(read)
    [row] = csv.DictReader(io.StringIO(content.decode()))
    assert not row["programme"].lstrip().startswith(("=", "+", "-", "@"))
    assert row["rate_difference"] == "-0.0769"
    (tmp_path / "log.csv").write_bytes(content)
    pd.testing.assert_frame_equal(read_log(tmp_path), read)


def test_what_came_after_a_release_is_not_in_its_log(tmp_path):
    open_ = ROW | dict.fromkeys(("release", "frequency_result"), "") | _PLAIN
    rows = [
        ROW | {"id": "before"},
        ROW | {"id": "now", "status_date": "2014-02-14", "release": "2014-01"},
        ROW | {"id": "next", "status_date": "2014-02-13", "release": "2014-02",
               "outcomes_read": "2014-01-20"},
        open_ | {"id": "refused", "status": "not processed", "status_date": "2014-01-20",
                 "release": "2014-02", "reason": "Too few people"},
        open_ | {"id": "withdrawn", "status": "withdrawn", "status_date": "2014-01-10"},
        open_ | {"id": "failed", "status": "not processed", "status_date": "2013-12-02",
                 "reason": "Too few people", "extends": "before late"},
        open_ | {"id": "late", "status": "received", "status_date": "2014-01-05",
                 "received": "2014-01-05"},
    ]  # fmt: skip
    cut = log_at(read_log(write(tmp_path, rows)), read_release(tmp_path, "2014-01"))
    told = {row["id"]: row for row in cut.astype("str").to_dict("records")}
    assert list(told) == ["before", "failed", "next", "now", "refused", "withdrawn"]
    assert {name: row["status"] for name, row in told.items()} == {
        "before": "published", "now": "ready", "next": "received", "refused": "received",
        "withdrawn": "received", "failed": "not processed",
    }  # fmt: skip
    assert told["now"]["status_date"] == "2014-01-09"
    assert told["now"]["treatment_n"] == "503"
    assert told["failed"]["extends"] == "before"
    given = log_file(cut).decode().splitlines()
    about = "Harbour Trust,Harbour mentoring,voluntary,mentoring,2013-06-03,received,2013-06-03"
    for place, name in ((3, "next"), (5, "refused"), (6, "withdrawn")):
        assert given[place] == f"{name},{about}" + "," * 11
    assert given[2].count("Too few people") == 1


@pytest.mark.parametrize("name", ["2014-13", "March", "../2014-03", "2014-3"])
def test_a_release_is_a_month(tmp_path, name):
    with pytest.raises(Unusable, match="a release is a month"):
        read_release(tmp_path, name)


def test_requests_are_named_by_programme_and_month():
    held = pd.DataFrame(
        {"id": ["a", "b"], "programme": ["Arts", "Work"], "release": ["2014-01", None]}
    )
    assert names_of(held, ["a", "b", "c"]) == {"a": "Arts (January 2014)"}


def test_the_day_on_which_outcomes_were_read_where_the_log_has_it():
    days = pd.to_datetime(["2014-03-03", None])
    held = pd.DataFrame({"id": ["a", "b"], "outcomes_read": days})
    assert read_on(held, "a") == dt.date(2014, 3, 3)
    assert read_on(held, "b") is None
    assert read_on(held, "c") is None
