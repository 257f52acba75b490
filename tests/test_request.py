"""Requests: the form, the people pooled, the criteria, and what `jdl check` says."""

import datetime as dt
import json
import os
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from request_files import RECEIVED, REQUEST, assert_silent, people, text, write_request

from jdl import request
from jdl.faults import Unusable
from jdl.national import Vintage
from jdl.release import method_parameters
from jdl.request import Override, Request


def faults_of(folder: Path) -> list:
    with pytest.raises(Unusable) as caught:
        request.read_request(folder)
    return list(caught.value.faults)


def made(folder: Path, *, count: int = 70, upload: str | None = None, **options: str) -> Request:
    write_request(folder, upload=text(people(count)) if upload is None else upload, **options)
    return request.read_request(folder)


# The form


def test_a_plain_request_takes_the_defaults(tmp_path):
    read = made(tmp_path / "harbour")
    assert (read.id, read.release, read.received) == ("harbour", "2014-03", RECEIVED)
    assert (read.sex, read.region, read.oasys, read.subgroups) == ("all", None, False, ())
    assert (read.follow_up_days, read.cautions, read.date_format) == (365, False, "ISO")
    assert read.data_sharing is not None
    assert read.extends == ()
    assert read.overrides == {}


def test_a_full_request_is_read_whole(tmp_path):
    read = made(
        tmp_path / "whole",
        top='special_group = "mental health"\napproved_on = 2013-10-30\nextends = ["a", "b"]',
        rest="""
[upload]
date_format = "DD/MM/YYYY"
sheet = "People"
[analysis]
sex = "female"
region = "london"
oasys = true
subgroups = ["group_course", "sex"]
follow_up_days = 365
cautions = true
[method]
caliper = {value = 0.1, reason = "Few people."}
approaches = {value = ["full", "plain"], reason = "As agreed."}
[correction]
of = "2014-01"
reason = "An upload was misread."
on = 2014-02-20
""",
    )
    assert read.special_group == "mental health"
    assert read.subgroups == ("group_course", "sex")
    assert read.method["caliper"] == Override(0.1, "Few people.")
    assert read.overrides == {"approaches": ["full", "plain"], "caliper": 0.1}
    assert read.correction is not None
    assert read.public["correction"]["of"] == "2014-01"


def test_the_public_fields_are_plain_and_hold_nothing_private(tmp_path):
    public = made(tmp_path / "harbour").public
    assert public["received"] == "2013-11-04"
    assert set(public) == {
        *("id", "release", "received", "organisation", "programme", "sector"),
        *("intervention_type", "description", "selection", "setting", "special_group"),
        *("extends", "sex", "region", "oasys", "subgroups", "follow_up_days", "cautions"),
        *("method", "correction"),
    }


BAD_FORMS = [
    ('id = "harbour"', 'id = "other"', "name of its folder", "id"),
    ('id = "harbour"', 'id = "../harbour"', "plain folder name", "id"),
    ('id = "harbour"', 'id = "harbour/../x"', "plain folder name", "id"),
    ('id = "harbour"', f'id = "{"h" * 41}"', "plain folder name", "id"),
    ('id = "harbour"', 'id = "Harbour"', "plain folder name", "id"),
    ('id = "harbour"', 'id = "-harbour"', "plain folder name", "id"),
    ('id = "harbour"', 'id = ""', "1 to 200 characters", "id"),
    ('id = "harbour"', "id = 7", "must be text", "id"),
    ('id = "harbour"', 'id = "harbour\\n"', "control or invisible", "id"),
    ('id = "harbour"', "", "is required", "id"),
    ('release = "2014-03"', 'release = "March 2014"', "a month written", "release"),
    ('release = "2014-03"', 'release = "2014-13"', "a month written", "release"),
    ('release = "2014-03"', "release = 2014-03-01", "must be text", "release"),
    ('release = "2014-03"', 'release = "2013-10"', "before it is received", "release"),
    ("received = 2013-11-04", 'received = "2013-11-04"', "must be a date", "received"),
    ("received = 2013-11-04", "received = 2013-11-04T09:00:00", "must be a date", "received"),
    ('sector = "voluntary"', 'sector = "charity"', "one of: voluntary", "sector"),
    ('sector = "voluntary"', 'sectr = "voluntary"', "not known", "sectr"),
    ('"mentoring"', '"skydiving"', "one of: accommodation", "intervention_type"),
    ('"custody"', '"prison"', "one of: custody", "setting"),
    ('"Harbour Trust"', '"Harbour\\u0000Trust"', "control or invisible", "organisation"),
    ('"Harbour Trust"', '"Harbour\\u202eTrust"', "control or invisible", "organisation"),
    ('"Harbour Trust"', '"   "', "1 to 200 characters", "organisation"),
    ('"Harbour Trust"', '["Harbour Trust"]', "must be text", "organisation"),
    ('"Mentoring in custody."', f'"{"x" * 5001}"', "1 to 5000", "description"),
    ("signed_on = 2013-10-01", "", "is required", "[data_sharing] signed_on"),
    ("signed_on = 2013-10-01", "signed_on = true", "a date", "[data_sharing] signed_on"),
    (
        "signed_on = 2013-10-01",
        "signed_on = 2013-11-05",
        "signed off by the day",
        "[data_sharing] signed_on",
    ),
    ("[data_sharing]", "[sharing]", "not known", "sharing"),
]
BAD_TOPS = [
    ('special_group = "ghosts"', "one of: vulnerable", "special_group"),
    ("approved_on = 2013-10-30", "belongs to a special group", "approved_on"),
    ('extends = "a"', "must be a list", "extends"),
    ('extends = ["../a"]', "plain folder name", "extends"),
    ('extends = ["a", "a"]', "come twice", "extends"),
    ('extends = ["harbour"]', "extend itself", "extends"),
    ("extends = [1]", "must be text", "extends"),
    ('sex = "male"', "not known", "sex"),
    ("analysis = 3", "must be a table", "analysis"),
    ('"strange \\u202e key" = 3', "not known", "strange key"),
    ("method = 3", "must be a table", "method"),
]
BAD_TABLES = [
    ('[analysis]\nsex = "women"', "one of: all", "[analysis] sex"),
    ('[analysis]\nregion = "France"', "one of: east midlands", "[analysis] region"),
    ("[analysis]\noasys = 1", "true or false", "[analysis] oasys"),
    ('[analysis]\noasys = "yes"', "true or false", "[analysis] oasys"),
    ("[analysis]\ncautions = 0", "true or false", "[analysis] cautions"),
    ("[analysis]\nfollow_up_days = 365.0", "whole number", "[analysis] follow_up_days"),
    ("[analysis]\nfollow_up_days = 730", "followed for 365 days", "[analysis] follow_up_days"),
    ("[analysis]\nfollow_up_days = true", "whole number", "[analysis] follow_up_days"),
    ('[analysis]\nsubgroups = ["height"]', "a subgroup must be", "[analysis] subgroups"),
    ('[analysis]\nsubgroups = ["sex", "sex"]', "come twice", "[analysis] subgroups"),
    ("[analysis]\nprimary = 1", "not known", "[analysis] primary"),
    ('[upload]\ndate_format = "as written"', "date format", "[upload] date_format"),
    ('[upload]\ndate_format = "DD/MM"', "date format", "[upload] date_format"),
    ("[upload]\nsheet = 1", "must be text", "[upload] sheet"),
    ('[upload]\nsheets = "a"', "not known", "[upload] sheets"),
    ("[method]\ncaliper = 0.1", "a value and a reason", "[method] caliper"),
    ("[method]\ncaliper = {value = 0.1}", "a value and a reason", "[method] caliper"),
    (
        '[method]\ncaliper = {value = 0.1, reason = ""}',
        "1 to 5000 characters",
        "[method] caliper.reason",
    ),
    (
        '[method]\n"x); import os" = {value = 1, reason = "a"}',
        "lower-case letters",
        "[method] x); import os",
    ),
    ('[method]\ncaliper = {value = nan, reason = "a"}', "finite number", "[method] caliper"),
    ('[method]\ncaliper = {value = [[1]], reason = "a"}', "finite number", "[method] caliper"),
    ('[method]\ncaliper = {value = "a\\nb", reason = "a"}', "finite number", "[method] caliper"),
    ('[correction]\nof = "2014-01"\non = 2014-02-01', "is required", "[correction] reason"),
]


@pytest.mark.parametrize(("old", "new", "rule", "column"), BAD_FORMS)
def test_a_bad_key_is_told(tmp_path, old, new, rule, column):
    toml = REQUEST.replace("{id}", "harbour").replace(old, new)
    assert new in toml
    faults = faults_of(write_request(tmp_path / "harbour", toml=toml))
    assert [(rule in fault.rule, fault.column) for fault in faults if fault.column == column] == [
        (True, column)
    ]


@pytest.mark.parametrize(
    ("where", "line", "rule", "column"),
    [("top", *bad) for bad in BAD_TOPS] + [("rest", *bad) for bad in BAD_TABLES],
)
def test_a_bad_line_is_told(tmp_path, where, line, rule, column):
    (fault,) = faults_of(write_request(tmp_path / "harbour", **{where: line}))
    assert rule in fault.rule
    assert fault.column == column
    assert fault.where == "harbour/request.toml"


@pytest.mark.parametrize(
    ("toml", "rule", "row"),
    [
        (b'id = "a"\nid = "b"\n', "no key given twice", 2),
        (b'[upload]\nsheet = "a"\n[upload]\n', "no key given twice", 3),
        (b"id = harbour\n", "must be TOML", 1),
        (b'id = "\xff"\n', "UTF-8", None),
        (b"x = " + b"[" * 3000, "must be TOML", None),
        (b"x = 1" + b"0" * 5000, "must be TOML", None),
        (b"#" * 100_001, "smaller than", None),
    ],
)
def test_what_is_not_toml_is_told_with_its_line(tmp_path, toml, rule, row):
    folder = write_request(tmp_path / "harbour")
    (folder / "request.toml").write_bytes(toml)
    (fault,) = faults_of(folder)
    assert rule in fault.rule
    assert fault.row == row


CODE = (
    "I(__import__('os').system('id'))",
    "age + np.log(age)",
    "C(age, levels=[1])",
    "age + I(age ** 2) + exec(x)",
    "Q('x')",
    "I(age**2)",
    "age\n+ x",
    "__class__",
    "x" * 1001,
    "age +",
    "-1",
    "0",
)


@pytest.mark.parametrize("code", CODE)
def test_a_method_override_cannot_be_code(tmp_path, code):
    for value in (json.dumps(code), json.dumps([code])):
        rest = f'[method]\nadded_terms = {{value = {value}, reason = "a"}}'
        (fault,) = faults_of(write_request(tmp_path / "harbour", rest=rest))
        assert fault.column == "[method] added_terms"
        assert "nothing else" in fault.rule


def test_what_the_notebook_itself_says_can_be_an_override(tmp_path):
    for name, value in method_parameters().items():
        rest = f'[method]\n{name} = {{value = {json.dumps(value)}, reason = "a"}}'
        read = request.read_request(write_request(tmp_path / "harbour", rest=rest))
        assert request.overrides_faults(read, method_parameters()) == []


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("link_threshold = {value = 1.0, %s}", "between 0 and 1"),
        ("link_threshold = {value = -1, %s}", "between 0 and 1"),
        ("calipers = {value = [0.2, 7], %s}", "between 0 and 1"),
        ("custody_days = {value = 0, %s}", "above 0"),
        ("custody_days = {value = 1.5, %s}", "of the kind"),
        ("minimum_cell = {value = 9, %s}", "may be raised"),
        ("minimum_treated = {value = true, %s}", "of the kind"),
        ("request_id = {value = 'other', %s}", "must name a parameter"),
    ],
)
def test_a_method_override_keeps_to_kind_and_size(tmp_path, value, rule):
    rest = "[method]\n" + value % 'reason = "a"'
    read = request.read_request(write_request(tmp_path / "harbour", rest=rest))
    (fault,) = request.overrides_faults(read, method_parameters())
    assert rule in fault.rule


def test_a_file_that_leads_out_of_the_folder_is_not_read(tmp_path):
    folder = write_request(tmp_path / "harbour")
    (tmp_path / "elsewhere.csv").write_text(text(people(3)))
    (folder / "upload.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(Unusable, match="not be a link"):
        request.read_upload(request.read_request(folder))
    other = tmp_path / "other"
    other.mkdir()
    (other / "request.toml").symlink_to(folder / "request.toml")
    with pytest.raises(Unusable, match="not be a link"):
        request.read_request(other)


def test_a_form_may_begin_with_the_mark_of_its_encoding(tmp_path):
    folder = write_request(tmp_path / "harbour")
    file = folder / "request.toml"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert request.read_request(folder).id == "harbour"


@pytest.mark.parametrize(
    "value",
    ["a\u2028b", "a\u061cb", "a\U000e0041b", "a\ue000b", "Z" + "\u0351" * 9, "x" * 81, "a\tb"],
)
def test_a_public_text_shows_all_that_is_in_it(tmp_path, value):
    toml = REQUEST.replace("Harbour Trust", json.dumps(value, ensure_ascii=False)[1:-1])
    (fault,) = faults_of(write_request(tmp_path / "harbour", toml=toml))
    assert fault.column == "organisation"


def test_the_label_of_a_subgroup_is_short(tmp_path):
    rows = people(3, group_course="long " * 30)
    rest = '[analysis]\nsubgroups = ["group_course"]'
    folder = write_request(tmp_path / "harbour", rest=rest, upload=text(rows))
    with pytest.raises(Unusable) as caught:
        request.read_upload(request.read_request(folder))
    (fault,) = caught.value.faults
    assert (fault.column, fault.row, fault.rows) == ("group_course", 2, 3)


def test_a_folder_without_a_request_is_told(tmp_path):
    (fault,) = faults_of(tmp_path)
    assert "must be there" in fault.rule


def test_suggestions_for_unknown_keys(tmp_path):
    top = 'sex = "male"\nprograme = "x"\nzzz = 1'
    faults = {fault.column: fault.remedy for fault in faults_of(write_request(tmp_path, top=top))}
    assert faults["sex"] == "It belongs under [analysis]"
    assert faults["programe"] == 'Did you mean "programme"? Respell or remove it'
    assert faults["zzz"] == "Remove it"


def test_all_faults_of_the_form_come_at_once(tmp_path):
    toml = REQUEST.replace('"voluntary"', '"x"').replace("2013-11-04", '"x"').replace("2014-03", "")
    folder = write_request(tmp_path / "harbour", toml=toml, rest="[analysis]\nsex = 1\nage = 3")
    assert len(faults_of(folder)) == 5


_TOML = st.recursive(
    st.one_of(
        st.integers(-(10**9), 10**9),
        st.booleans(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.dates().map(lambda day: day.isoformat()),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(
            lambda value: "'''" + "".join(c for c in value if c.isprintable() and c != "'") + "'''"
        ),
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda ones: f"[{', '.join(map(str, ones))}]"),
    max_leaves=4,
).map(lambda value: str(value).lower() if isinstance(value, bool) else str(value))


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    key=st.sampled_from(
        ["release", "setting", "special_group", "extends", "analysis", "upload", "method", "other"]
    ),
    value=_TOML,
)
def test_any_value_of_a_key_gives_faults_or_a_request(tmp_path, key, value):
    toml = "\n".join(line for line in REQUEST.split("\n") if not line.startswith(f"{key} ="))
    folder = write_request(tmp_path / "harbour", toml=toml, top=f"{key} = {value}")
    try:
        assert isinstance(request.read_request(folder), Request)
    except Unusable as unusable:
        assert unusable.faults


# People, their own and pooled


def test_an_upload_is_needed_once_and_only_once(tmp_path):
    read = made(tmp_path / "harbour")
    assert request.read_upload(read).rows == 70
    (read.folder / "Upload.XLSX").write_bytes(b"")
    with pytest.raises(Unusable, match=r"one upload\.csv or upload\.xlsx"):
        request.read_upload(read)
    (read.folder / "Upload.XLSX").unlink()
    (read.folder / "upload.csv").unlink()
    with pytest.raises(Unusable, match="Add the filled"):
        request.read_upload(read)


def test_a_request_that_cannot_be_processed_may_lack_its_upload(tmp_path):
    read = replace(made(tmp_path / "harbour"), data_sharing=None)
    (read.folder / "upload.csv").unlink()
    upload = request.read_upload(read)
    assert upload.rows == 0
    assert list(upload.people.columns) == list(request.no_people().columns)
    signed = request.read_request(read.folder)
    assert request.read_upload(signed, withdrawn=True).rows == 0


def test_what_the_request_declares_is_how_the_upload_is_read(tmp_path):
    rows = people(3, date_of_birth="23/02/1980", intervention_start="", intervention_end="")
    rows = [{**row, "index_date": "01/02/2010"} for row in rows]
    read = made(
        tmp_path / "harbour", upload=text(rows), rest='[upload]\ndate_format = "DD/MM/YYYY"'
    )
    upload = request.read_upload(read)
    assert set(upload.people["index_date"]) == {pd.Timestamp("2010-02-01")}
    assert set(upload.people["setting"]) == {"custody"}
    assert set(upload.people["source"]) == {"harbour"}


def test_a_subgroup_must_be_in_the_upload(tmp_path):
    read = made(tmp_path / "harbour", rest='[analysis]\nsubgroups = ["group_course", "location"]')
    with pytest.raises(Unusable) as caught:
        request.read_upload(read)
    assert [fault.column for fault in caught.value.faults] == ["group_course"]


def test_no_order_of_the_file_reaches_what_follows(tmp_path):
    rows = [
        {**row, "group_b": number % 3, "group_a": number % 2, "surname": "", "reference": "Ref"}
        for number, row in enumerate(people(30))
    ]
    rows += [{**row, "intervention_start": "2010-02-01"} for row in rows[:12]]
    read = made(tmp_path / "harbour", upload=text(rows))
    first = request.read_upload(read).people
    assert list(first.columns[-2:]) == ["group_a", "group_b"]
    for seed in range(4):
        drawn = random.Random(seed)
        names = drawn.sample(list(rows[0]), k=len(rows[0]))
        moved = [{name: row[name] for name in names} for row in drawn.sample(rows, k=len(rows))]
        now = request.read_upload(made(tmp_path / "harbour", upload=text(moved))).people
        assert now.drop(columns="row").equals(first.drop(columns="row"))
        told = [moved[row - 2]["forename"] for row in now["row"]]
        assert told == list(now["forename"]), "the number is still the one of the file"


def test_pooled_people_come_once_for_each_participation(tmp_path):
    first = people(40)
    second = [*people(60)[30:], {**first[0], "intervention_start": "2010-04-01"}]
    second[0]["forename"] = str(second[0]["forename"]).upper()
    second[1]["intervention_end"] = "2010-04-29"
    made(tmp_path / "one", upload=text(first))
    read = made(tmp_path / "two", upload=text(second), top='extends = ["one"]')
    pooled = request.pooled_upload(read, tmp_path)
    assert pooled.rows == 40 + 30 - 10 + 1
    assert pooled.repeated == 10
    assert list(pooled.people["source"].drop_duplicates()) == ["one", "two"]
    assert not pooled.people.duplicated(["source", "row"]).any()
    keys = request.participation(pooled.people, request.DATES[:3])
    assert len(set(keys)) == len(keys)
    assert sum(note.rows for note in pooled.notes if "already holds" in note.text) == 10
    assert list(pooled.people.dtypes) == list(request.read_upload(read).people.dtypes)


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    own=st.lists(st.integers(0, 30), min_size=1, unique=True),
    earlier=st.lists(st.integers(0, 30), min_size=1, unique=True),
    first=st.lists(st.integers(0, 30), min_size=1, unique=True),
)
def test_whoever_is_pooled_nobody_counts_twice(tmp_path, own, earlier, first):
    everyone = people(31)
    for name, chosen, extends in (
        ("first", first, "[]"),
        ("earlier", earlier, '["first"]'),
        ("own", own, '["earlier", "first"]'),
    ):
        rows = text([everyone[number] for number in chosen])
        write_request(tmp_path / name, upload=rows, top=f"extends = {extends}")
    pooled = request.pooled_upload(request.read_request(tmp_path / "own"), tmp_path)
    together = {*own, *earlier, *first}
    assert pooled.rows == len(together)
    assert set(pooled.people["reference"]) == {f"Ref-{number}" for number in together}
    assert pooled.repeated == len(own) + len(earlier) + len(first) - len(together)


def test_rows_without_a_name_or_birth_date_are_never_taken_for_repeats(tmp_path):
    made(tmp_path / "one", upload=text(people(3, forename="")))
    read = made(tmp_path / "two", upload=text(people(3, forename="")), top='extends = ["one"]')
    assert request.pooled_upload(read, tmp_path).rows == 6


@pytest.mark.parametrize(
    ("first", "rule"),
    [
        ({"toml": REQUEST.replace("2013-11-04", "2013-11-05")}, "received before it"),
        ({"toml": REQUEST.split("[data_sharing]")[0]}, "without data-sharing sign-off"),
        ({"top": 'extends = ["two"]'}, "by way of others"),
        ({"upload": ""}, "must hold people"),
        (None, "must be there"),
    ],
)
def test_a_bad_extension_is_told(tmp_path, first, rule):
    if first is not None:
        write_request(tmp_path / "one", **{"upload": text(people(3)), **first})
    read = made(tmp_path / "two", top='extends = ["one"]')
    with pytest.raises(Unusable, match=rule):
        request.pooled_upload(read, tmp_path)


LOG = (
    "id,organisation,programme,sector,intervention_type,received,status,status_date,release\r\n"
    "{id},Harbour Trust,Harbour mentoring,voluntary,mentoring,2013-11-04,{status},2014-01-09,"
    "2014-03\r\n"
)


def test_a_withdrawn_request_lacks_its_upload_and_is_not_extended(tmp_path):
    (tmp_path / "log.csv").write_text(LOG.format(id="one", status="withdrawn"))
    write_request(tmp_path / "one")
    one = request.read_request(tmp_path / "one")
    assert request.pooled_upload(one, tmp_path).rows == 0
    two = made(tmp_path / "two", top='extends = ["one"]')
    with pytest.raises(Unusable, match="was withdrawn"):
        request.pooled_upload(two, tmp_path)


# The criteria


def codes(criteria: list) -> list:
    return [criterion.code for criterion in request.unmet(criteria)]


def test_the_criteria_list_all_and_the_reasons_the_unmet(tmp_path, capsys):
    read = made(tmp_path / "harbour")
    people_sent = request.read_upload(read).people
    met = request.criteria(read, people_sent, withdrawn=False)
    assert [one.code for one in met] == [
        "minimum_people",
        "data_sharing",
        "special_group",
        "withdrawn",
    ]
    assert codes(met) == []
    request.stop_if(met)
    blocked = replace(read, data_sharing=None, special_group="mental health")
    reasons = request.unmet(request.criteria(blocked, people_sent[:41], withdrawn=True))
    assert [(one.code, one.text) for one in reasons] == [
        (
            "minimum_people",
            "Details of 41 people who took part were submitted; at least 60 are needed.",
        ),
        ("data_sharing", "The organisation has not signed off that the data may be shared."),
        (
            "special_group",
            "Services for this group (mental health) need approval case by case, which has not "
            "been given.",
        ),
        ("withdrawn", "The request was withdrawn by the submitting organisation."),
    ]
    assert (reasons[0].required, reasons[0].actual) == ("at least 60 people", "41 people")
    with pytest.raises(SystemExit) as stopped:
        request.stop_if(reasons, "what is recorded")
    assert stopped.value.code == 0
    assert "what is recorded" in capsys.readouterr().out
    approved = replace(read, special_group="mental health", approved_on=dt.date(2013, 10, 1))
    assert codes(request.criteria(approved, people_sent, withdrawn=False)) == []


@pytest.mark.parametrize(("count", "reasons"), [(59, ["minimum_people"]), (60, [])])
def test_the_minimum_is_sixty(tmp_path, count, reasons):
    read = made(tmp_path / "harbour", count=count)
    sent = request.read_upload(read).people
    assert codes(request.criteria(read, sent, withdrawn=False)) == reasons


def test_the_minimum_counts_people_who_took_part_once(tmp_path):
    rows = people(62)
    rows[0]["participation"] = "refused"
    rows[1] |= {"forename": rows[2]["forename"], "intervention_start": "2010-04-01"}
    sent = request.read_upload(made(tmp_path / "harbour", upload=text(rows))).people
    counted = request.criteria(request.read_request(tmp_path / "harbour"), sent, withdrawn=False)
    assert counted[0].actual == "60 people"
    one = request.criteria(request.read_request(tmp_path / "harbour"), sent[-1:], withdrawn=False)
    assert one[0].text == (
        "Details of 1 person who took part was submitted; at least 60 are needed."
    )


def test_no_upload_is_not_held_against_a_request_that_needs_none(tmp_path):
    read = replace(made(tmp_path / "harbour"), data_sharing=None)
    assert codes(request.criteria(read, request.no_people(), withdrawn=False)) == ["data_sharing"]


# Dates against the vintage


def vintage(offences_to: dt.date) -> Vintage:
    later = offences_to + dt.timedelta(days=400)
    return Vintage(Path("v"), "v", later, offences_to, later, True, None, {})


def test_an_upload_wholly_beyond_the_vintage_is_a_fault_and_in_part_a_count(tmp_path):
    rows = people(4)
    rows[0] |= {"intervention_start": "2010-06-01", "intervention_end": ""}
    rows[1]["date_of_birth"] = ""
    read = made(tmp_path / "harbour", upload=text(rows))
    upload = request.read_upload(read)
    assert request.against(read, upload, vintage(dt.date(2013, 1, 1))) == []
    assert request.beyond(upload, vintage(dt.date(2013, 1, 1))) == 0
    part = vintage(dt.date(2011, 4, 1))
    assert request.against(read, upload, part) == []
    assert request.beyond(upload, part) == 1
    (fault,) = request.against(read, upload, vintage(dt.date(2011, 3, 20)))
    assert "index dates to 2010-03-20" in fault.rule
    assert fault.rows == 4


def test_an_upload_without_any_date_is_not_beyond(tmp_path):
    rows = people(2, intervention_start="", intervention_end="")
    read = made(tmp_path / "harbour", upload=text(rows))
    assert request.against(read, request.read_upload(read), vintage(dt.date(1990, 1, 1))) == []


# What `jdl check` says


def test_check_passes_what_is_good(tmp_path):
    write_request(tmp_path / "harbour", upload=text(people(3)))
    (tmp_path / "log.csv").write_text(LOG.format(id="harbour", status="ready"))
    for path in (
        tmp_path,
        tmp_path / "log.csv",
        tmp_path / "harbour",
        tmp_path / "harbour" / "request.toml",
        tmp_path / "harbour" / "upload.csv",
    ):
        assert request.check(path) == []


def test_check_tells_the_faults_of_form_and_upload_together(tmp_path):
    folder = write_request(
        tmp_path / "harbour", top="colour = 1", upload=text(people(3, gender="x9x9"))
    )
    faults = request.check(folder)
    assert [fault.where for fault in faults] == ["harbour/request.toml", "harbour/upload.csv"]
    assert_silent(faults, "x9x9")


def test_check_tells_what_the_log_and_the_requests_disagree_on(tmp_path):
    write_request(tmp_path / "harbour", upload=text(people(3)))
    write_request(tmp_path / "absent", upload=text(people(3)))
    changed = LOG.format(id="harbour", status="ready").replace("Harbour Trust", "Other")
    (tmp_path / "log.csv").write_text(changed.replace("2013-11-04", "2013-11-05"))
    rules = [(fault.column, fault.rule) for fault in request.check(tmp_path)]
    assert rules == [
        ("absent", "every request must have a row"),
        ("harbour", "the log must agree with request.toml on organisation"),
        ("harbour", "the log must agree with request.toml on received"),
    ]


def test_check_reads_a_lone_upload_as_told(tmp_path):
    file = tmp_path / "list.csv"
    file.write_text(text(people(2, date_of_birth="23/02/1980", intervention_end="")))
    assert request.check(file)
    rows = people(2, date_of_birth="23/02/1980", intervention_end="", intervention_start="")
    file.write_text(text(rows))
    assert request.check(file, date_format="DD/MM/YYYY") == []
    (fault,) = request.check(file, date_format="quarterly")
    assert "date format" in fault.rule
    faults = request.check(file, date_format="DD/MM/YYYY", today=dt.date(1980, 1, 1))
    assert ["after the day" in fault.rule for fault in faults] == [True]


def test_check_tells_a_folder_or_file_that_is_nothing_of_ours(tmp_path):
    (fault,) = request.check(tmp_path)
    assert "must hold request.toml" in fault.rule
    (fault,) = request.check(tmp_path / "absent")
    assert "must be readable" in fault.rule


def test_check_hands_a_vintage_on(tmp_path):
    (tmp_path / "vintage.toml").write_text("name = 3\n")
    faults = request.check(tmp_path)
    assert any("offenders" in fault.rule for fault in faults)
    assert any(fault.column == "name" for fault in faults)


# The requests of a month


def test_the_requests_of_a_release_come_in_id_order(tmp_path):
    later = REQUEST.replace("2014-03", "2014-04")
    for name, toml in (("b", REQUEST), ("a", REQUEST), ("c", later)):
        write_request(tmp_path / name, toml=toml)
    (tmp_path / "releases").mkdir()
    assert [path.name for path in request.requests_of(tmp_path, "2014-03")] == ["a", "b"]


def _correct(requests, name, rows, **earlier):
    """Correct a request of March in May; what it was stays in a folder of its own."""
    now = write_request(requests / name, toml=REQUEST.replace("2014-03", "2014-05"), upload=rows)
    before = write_request(now / "before-2014-05", toml=REQUEST.replace("{id}", name), **earlier)
    return now, before


def test_a_corrected_request_is_what_it_was_until_its_correction(tmp_path):
    now, before = _correct(tmp_path, "a", text(people(4)), upload=text(people(3)))
    for month, folder in (("2014-03", before), ("2014-04", before), ("2014-05", now), ("", now)):
        assert request.folder_of(tmp_path, "a", month) == folder
    assert request.requests_of(tmp_path, "2014-03") == [before]
    assert request.requests_of(tmp_path, "2014-05") == [now]
    assert request.id_of(before) == request.id_of(now) == "a"
    assert request.corrected_folders(tmp_path) == [before]
    assert request.pooled_upload(request.read_request(before), tmp_path).rows == 3
    later = REQUEST.replace("2013-11-04", "2013-12-04").replace("{top}", 'extends = ["a"]')
    for month, pooled in (("2014-04", 3), ("2014-06", 4)):
        write_request(tmp_path / "b", toml=later.replace("2014-03", month), upload=text(people(1)))
        read = request.read_request(tmp_path / "b")
        assert request.pooled_upload(read, tmp_path).rows == pooled
    alone = later.replace('extends = ["a"]', "")
    write_request(tmp_path / "c", toml=alone, upload=text(people(1)))
    assert len(request.people_of_others(request.read_request(tmp_path / "c"), tmp_path)) == 3


def test_what_a_request_was_is_checked_like_the_request(tmp_path):
    _, before = _correct(tmp_path, "a", text(people(4)), upload=text(people(3)))
    assert request.check(before) == []
    (before / "request.toml").write_text(REQUEST.replace("{id}", "other").format(top="", rest=""))
    [fault] = request.check(before)
    assert (fault.where, fault.column) == ("a/before-2014-05/request.toml", "id")


def test_requests_with_equal_ids_or_no_release_are_told(tmp_path):
    write_request(tmp_path / "a")
    write_request(tmp_path / "b", toml=REQUEST.replace("{id}", "a"))
    write_request(tmp_path / "c", toml=REQUEST.replace("2014-03", "soon"))
    (write_request(tmp_path / "d") / "request.toml").write_text("id = ")
    with pytest.raises(Unusable) as caught:
        request.requests_of(tmp_path, "2014-03")
    assert [(fault.where, fault.column) for fault in caught.value.faults] == [
        ("b/request.toml", "id"),
        ("c/request.toml", "release"),
        ("d/request.toml", None),
    ]


@pytest.mark.parametrize(
    ("late", "in_time", "faults"), [(60, 59, 1), (60, 60, 0), (59, 5, 0), (10, 0, 1)]
)
def test_a_vintage_too_old_for_nearly_all_is_a_fault(late, in_time, faults):
    dates = ["2013-05-01"] * late + ["2005-05-01"] * in_time
    absent = [pd.NaT] * len(dates)
    people = pd.DataFrame(
        {
            "index_date": pd.to_datetime(absent),
            "intervention_start": pd.to_datetime(dates),
            "conviction_date": pd.to_datetime(absent),
        }
    )
    upload = SimpleNamespace(people=people, name="upload.csv")
    old = SimpleNamespace(name="old", last_index_date=dt.date(2011, 12, 31))
    assert len(request.against(SimpleNamespace(id="a"), upload, old)) == faults


def earlier(folder: Path, **options: str) -> Request:
    """Make a request that was received before the others."""
    made(folder, **options)
    form = folder / "request.toml"
    form.write_text(form.read_text().replace("received = 2013-11-04", "received = 2013-10-30"))
    return request.read_request(folder)


def test_people_of_others_are_those_of_requests_received_before(tmp_path):
    first = earlier(tmp_path / "first", count=60)
    same_day = made(tmp_path / "second", count=61)
    last = made(tmp_path / "third", count=62, top='extends = ["second"]')
    assert request.people_of_others(first, tmp_path).empty
    assert set(request.people_of_others(same_day, tmp_path)["source"]) == {"first"}
    assert set(request.people_of_others(last, tmp_path)["source"]) == {"first"}


def test_people_of_others_leaves_out_who_refused_and_what_cannot_be_read(tmp_path):
    refused = people(60, participation="refused") + people(3, surname="Ingvarsdo")
    earlier(tmp_path / "first", upload=text(refused))
    earlier(tmp_path / "broken").folder.joinpath("upload.csv").write_text("no,columns")
    last = made(tmp_path / "second")
    assert len(request.people_of_others(last, tmp_path)) == 3


def test_people_of_others_are_read_again_when_a_file_has_changed(tmp_path):
    first = earlier(tmp_path / "first", count=60)
    last = made(tmp_path / "second")
    assert len(request.people_of_others(last, tmp_path)) == 60
    upload = first.folder / "upload.csv"
    upload.write_text(text(people(64)))
    assert len(request.people_of_others(last, tmp_path)) == 64


def test_a_file_is_read_again_though_its_size_and_time_are_the_old_ones(tmp_path):
    first = made(tmp_path / "first", count=60)
    assert set(request.took_part(first, keep=True)["surname"].str[0]) == {"Z"}
    upload = first.folder / "upload.csv"
    known = upload.stat()
    upload.write_bytes(upload.read_bytes().replace(b"Zanthrop", b"Wanthrop"))
    os.utime(upload, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert set(request.took_part(first, keep=True)["surname"].str[0]) == {"W"}


def test_what_is_no_part_of_a_request_stops_no_other(tmp_path):
    """An editor's lock is a link to nowhere; so may an upload be, and that request is left out."""
    first = earlier(tmp_path / "first", count=60)
    (first.folder / ".#upload.csv").symlink_to("somebody@somewhere.42")
    gone = earlier(tmp_path / "gone").folder / "upload.csv"
    gone.unlink()
    gone.symlink_to(tmp_path / "nowhere.csv")
    last = made(tmp_path / "second")
    assert len(request.people_of_others(last, tmp_path)) == 60
    assert len(request.took_part(first, keep=True)) == 60
    (first.folder / ".#upload.csv").unlink()
    (first.folder / "upload.csv").write_text(text(people(64)))
    assert len(request.took_part(first, keep=True)) == 64


def test_every_choice_of_the_parameters_cell_is_taken():
    names = {
        "calipers": [0.2, 0.1], "exact": ["sex"], "power": 0.8, "name": "one", "on": True,
        "In": ["code"], "Out": {}, "_hidden": 1, "partial": len, "mixed": [1, object()],
    }  # fmt: skip
    assert request.choices(names) == {
        "calipers": [0.2, 0.1], "exact": ["sex"], "name": "one", "on": True, "power": 0.8,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("of", "day", "column"),
    [
        ("2014-03", "2014-03-01", "[correction] of"),
        ("2019-01", "2014-03-01", "[correction] of"),
        ("2014-01", "2000-01-01", "[correction] on"),
        ("2014-01", "2014-04-01", "[correction] on"),
    ],
)
def test_a_correction_follows_what_it_corrects(tmp_path, of, day, column):
    toml = REQUEST.replace("{id}", "harbour")
    toml += f'\n[correction]\nof = "{of}"\nreason = "An upload was misread."\non = {day}\n'
    [fault] = faults_of(write_request(tmp_path / "harbour", toml=toml))
    assert fault.column == column
