"""What disclosure control decides is written down without a value, and can be overridden."""

import csv
import datetime as dt
import html
import json
import re
import stat
import zipfile
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_disclosure import ALIKE, _effects

from jdl import decided, disclosure, figures, tables, wording
from jdl.cli import main
from jdl.disclosure import TABLE, Door, Override
from jdl.effects import ALL
from jdl.faults import Unusable
from jdl.linkage import FATES
from jdl.national import Workplace
from jdl.release import Places, Refused

README = Path(__file__).parents[1] / "README.md"
ON = dt.date(2014, 3, 1)
COUNTS = {"certain pass": 300, "probabilistic": 40, "clerical review": 30, "review": 8}
COUNTS |= {"not found": 35}


def _wish(part, to):
    return Override(part, to, "agreed with the prison", "statistician 1", ON)


def _door(*overrides):
    return Door(overrides=overrides)


def _decisions(door):
    return {part: (one.decided, one.rule) for part, one in door.decided.items()}


def _counts(*overrides, **counts):
    door = _door(*overrides)
    return disclosure.clear_counts(COUNTS | counts, door), _decisions(door)


# --- The table of rules --------------------------------------------------------------------------


def test_the_thresholds_are_those_of_the_table():
    rules = disclosure.RULES
    assert {f.name: getattr(rules, f.name) for f in fields(rules)} == {
        name: TABLE[name].threshold for name in ("group", "cell", "reoffenders")
    }
    assert tuple(TABLE[name].threshold for name in ("to five", "to ten", "unreliable")) == (
        disclosure.STEP,
        disclosure.TENS,
        disclosure.RELIABLE,
    )


@pytest.mark.parametrize("rule", TABLE.values(), ids=lambda rule: rule.name)
def test_a_rule_says_its_threshold_what_it_protects_and_whose_it_is(rule):
    assert rule.threshold is None or str(rule.threshold) in rule.says
    assert rule.protects and rule.source.startswith(("the service's own", "ours"))
    assert f"| {rule.says} | {rule.protects} | {rule.source} |" in disclosure.as_markdown()


# --- Every rule is logged ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("people", "reoffenders", "part", "decision"),
    [
        (29, 15, "headline.rate", ("withheld", "group")),
        (29, 15, "headline.frequency", ("withheld", "parts")),
        (100, 9, "headline.rate", ("withheld", "cell")),
        (100, 91, "headline.rate", ("withheld", "cell")),
        (100, 20, "headline.days_to_first", ("withheld", "reoffenders")),
        (100, 40, "headline.rate", ("told", "")),
    ],
)
def test_a_result_is_decided_by_the_first_rule_that_applies(people, reoffenders, part, decision):
    door = _door()
    disclosure.clear(_effects(people, reoffenders), matched=ALIKE, rules=door)
    assert _decisions(door)[part] == decision


def test_an_offender_who_dominates_a_frequency_withholds_it_and_its_parts():
    people = pd.DataFrame(
        {"treated": 1, "weight": 1.0, "offender_id": [str(n) for n in range(60)]}
        | {one.column: 0 for one in ALL.values() if hasattr(one, "column")}
    )
    values = pd.Series([50.0, *[1.0] * 39, *[0.0] * 20])
    counted = SimpleNamespace(values=lambda _: values, rows=lambda _: values >= 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(disclosure.measures.MEASURES, "frequency", counted)
        assert disclosure.measures._dominated("frequency", people)
        values.iloc[0] = 20.0
        assert not disclosure.measures._dominated("frequency", people)


def test_counts_ways_and_reasons_are_logged_by_name():
    _, decisions = _counts()
    assert decisions["linkage.review"] == ("withheld", "cell")
    assert decisions["linkage.not-found"] == ("withheld", "parts")
    assert decisions["linkage.certain-pass"] == ("told", "")
    door = _door()
    placed = pd.DataFrame({"rule": ["a", "b", "c"], "people": [40, 8, 7]})
    disclosure.clear_rules(placed, door)
    assert _decisions(door) == {
        "placed.a": ("told", ""),
        "placed.another-rule": ("merged", "merged"),
    }


def test_fates_are_rounded_or_withheld_level_by_level():
    door = _door()
    rows = [("sex", "female", 4, 12, 13), ("sex", "male", 30, 40, 40), ("sex", "other", 60, 50, 50)]
    disclosure.clear_fates(pd.DataFrame(rows, columns=["group", "level", *FATES]), door)
    assert _decisions(door) == {
        "fates.sex.female": ("withheld", "cell"),
        "fates.sex.male": ("withheld", "parts"),
        "fates.sex.other": ("rounded", "to five"),
    }


@given(st.integers(1, 9), st.integers(12, 30), st.integers(200, 300))
def test_decisions_are_the_same_for_other_values_under_the_same_rules(few, some, many):
    """What is decided holds no value: it does not change with one."""
    _, decisions = _counts(review=few, **{"not found": some + 9, "certain pass": many})
    assert decisions == _counts()[1]


def test_what_is_handed_over_is_private_and_what_is_public_names_no_rule(tmp_path):
    door = _door()
    results = {"headline": disclosure.clear(_effects(100, 20), matched=ALIKE)}
    folder = SimpleNamespace(handed=tmp_path)
    place = Workplace(*[tmp_path] * 5, handed=folder.handed)
    public = disclosure.hand_over(place, door, results)
    record = json.loads((tmp_path / f"{disclosure.RECORD}.json").read_text())["decisions"]
    assert {one["rule"] for one in record} == {"reoffenders"}
    assert {one.rule for one in public} == {""}
    shown = tables.decisions_table(public).table
    assert "headline.days_to_first" in shown.text
    names = set(TABLE) - {"merged", "group", "parts", "cell", "statistician"}
    assert not [name for name in names if name in shown.text or name in shown.html]


# --- Figures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figure", "part"),
    [
        ("headline.rate.difference", "headline.rate"),
        ("male.first_custody_everyone.ci_low", "male.first_custody_everyone"),
        ("male.treatment_n", "male.rate"),
        ("headline.survival.120.treatment", "survival.day-120"),
        ("headline.survival.120.day", None),
        ("headline.balance.age.smd_after", "balance.age"),
        ("headline.balance.green.before", None),
        ("headline.balance.cautions-last-year.after", "balance.cautions_last_year"),
        ("headline.balance.offence-group.drug.before", "balance.offence_group.drug"),
        ("headline.profile.age-band.under-30", "profile.age_band.under-30"),
        ("linkage.review.share", "linkage.review"),
        ("linkage.age.under-25.fate.lost", "fates.age.under-25"),
        ("linkage.age.under-25.ci_low", "linkage-rates.age.under-25"),
        ("linkage.age.under-25.people", None),
        ("gains.date-of-birth.low_with", "gains.date-of-birth.with"),
        ("headline.funnel.0.removed", None),
        ("headline.funnel.1.removed.share", "funnel.died"),
        ("headline.funnel.2.remaining", None),
        ("plan.hash", None),
    ],
)
def test_a_figure_names_the_part_that_was_decided_on(figure, part):
    assert disclosure.part_shown(figure, ["submitted", "died", "other reasons"]) == part


def _shows(name, override=None, *, suppressed=False, rule="cell", to="withheld", part="linkage.x"):
    one = disclosure.Decision(part, rule, to, override)
    public = {entry["part"]: entry for entry in disclosure.as_public([one])}
    shown = disclosure.decision_on({"id": name, "suppressed": suppressed}, public)
    return shown["decided"], shown["by"]


def test_a_withheld_figure_says_the_same_by_whatever_rule_it_is_withheld():
    told = {
        _shows("linkage.x", rule=rule, suppressed=True, part=part)
        for rule in TABLE
        for part in ("linkage.x", "another")
    }
    assert told == {("[c]", "the rules")}


def test_what_a_statistician_decided_is_told_by_post_and_day_whatever_the_rules_say():
    wish = _wish("linkage.x", "withhold")
    told = {_shows("linkage.x", wish, rule=rule, suppressed=True) for rule in TABLE}
    assert told == {("[c]", "statistician 1, 2014-03-01")}
    told = {_shows("linkage.x", _wish("linkage.x", "tell"), rule=rule, to="told") for rule in TABLE}
    assert told == {("told", "statistician 1, 2014-03-01")}


def test_an_override_that_the_rules_refuse_says_no_more_than_the_rules():
    assert _shows("linkage.x", _wish("linkage.x", "tell"), suppressed=True) == ("[c]", "the rules")


@pytest.mark.parametrize("to", ["rounded", "merged"])
def test_a_figure_says_that_it_is_rounded_or_merged(to):
    assert _shows("overlap", to=to) == ("told", "the rules")
    assert _shows("linkage.x", to=to) == (to, "the rules")


def test_a_range_told_of_a_share_that_is_withheld_is_rounded():
    name, part = "gains.surname.low_with", "gains.surname.with"
    assert _shows(name, part=part) == ("rounded", "the rules")


def test_a_whole_withheld_in_one_holds_for_each_of_its_rows():
    assert _shows("linkage.age.under-25.fate.lost", part="fates.age", suppressed=True)[0] == "[c]"
    assert _shows("linkage.sex.male.fate.lost", part="fates.sex", to="merged")[0] == "merged"


def test_every_figure_of_a_release_agrees_with_what_was_decided_on_its_part(outputs):
    """Held against the restricted record, which names every part and its rule."""
    held = 0
    for folder in sorted(outputs.glob("2014-0*/reports/*")):
        record = outputs / ".restricted" / "disclosure" / folder.parts[-3] / f"{folder.name}.json"
        if not record.exists():
            continue
        decisions = json.loads(record.read_text())["decisions"]
        known = {one["part"]: one["decided"] for one in decisions}
        for figure in json.loads((folder / "figures.json").read_text()):
            told, part = figure["decision"], figure["decision"]["part"]
            meant = known.get(part) or known.get(str(part).rpartition(".")[0], "told")
            assert (told["decided"] == "[c]") is figure["suppressed"]
            assert meant != "told" or told["decided"] in ("told", "[u]") or part is None
            assert meant not in ("rounded", "merged") or told["decided"] == meant
            assert set(told) == {"part", "decided", "by"} and told["by"] == "the rules"
            held += part in known
    assert held > 4_000


# --- Overrides -----------------------------------------------------------------------------------


def test_telling_one_count_leaves_no_other_to_be_worked_out():
    """Told, the possible matches protect nobody, and nobody protects them."""
    told, decisions = _counts(_wish("linkage.review", "tell"))
    assert told["review"] == 8 and told["not found"] == 35
    assert decisions["linkage.review"] == ("told", "cell")


def test_a_count_that_protects_another_is_not_told():
    """Of two that are hidden, the larger told would give the smaller away."""
    told, decisions = _counts(_wish("linkage.not-found", "tell"))
    assert told["not found"] is None and told["review"] is None
    assert decisions["linkage.not-found"] == ("withheld", "parts")


def test_withholding_one_count_withholds_another_with_it():
    told, decisions = _counts(_wish("linkage.probabilistic", "withhold"), review=20)
    assert told["probabilistic"] is None and told["clerical review"] is None
    assert decisions["linkage.probabilistic"][0] == "withheld"


def test_withholding_the_rate_withholds_the_whole_analysis():
    door = _door(_wish("headline.rate", "withhold"))
    cleared = disclosure.clear(_effects(200, 90), matched=ALIKE, rules=door)
    assert {one.conclusion for one in cleared.effects.values()} == {"suppressed"}
    assert _decisions(door)["headline.rate"] == ("withheld", "statistician")


def test_one_court_outcome_told_leaves_the_others_protected():
    shares = {"first_indictable": 9, "first_either_way": 20, "first_summary": 31}
    door = _door(_wish("headline.first_indictable", "tell"))
    cleared = disclosure.clear(_effects(200, 60, shares), matched=ALIKE, rules=door)
    assert cleared.effects["first_indictable"].conclusion != "suppressed"
    shares = {"first_indictable": 4, "first_either_way": 9, "first_summary": 47}
    cleared = disclosure.clear(_effects(200, 60, shares), matched=ALIKE, rules=door)
    assert cleared.effects["first_summary"].conclusion == "suppressed"
    assert cleared.effects["first_either_way"].conclusion == "suppressed"


def test_a_rule_that_does_not_give_way_stands():
    door = _door(_wish("headline.rate", "tell"))
    cleared = disclosure.clear(_effects(29, 15), matched=ALIKE, rules=door)
    assert cleared.effects["rate"].conclusion == "suppressed"
    assert door.decided["headline.rate"].by == "rule"


# --- The file and the command --------------------------------------------------------------------


def _release(tmp_path):
    """A recorded month of one request."""
    places = Places(tmp_path / "data", tmp_path / "requests", tmp_path / "outputs")
    (places.requests / "one").mkdir(parents=True)
    (places.requests / "one" / "request.toml").write_text("")
    folder = places.restricted / "disclosure" / "2014-03"
    folder.mkdir(parents=True)
    rows = [
        ("headline.rate", "told", "", True),
        ("headline.frequency", "withheld", "dominance", True),
        ("regional.rate", "withheld", "difference", True),
        ("survival.day-60", "merged", "merged", False),
    ]
    names = ("part", "decided", "rule", "open")
    record = [dict(zip(names, row, strict=True), override=None) for row in rows]
    (folder / "one.json").write_text(json.dumps({"decisions": record}))
    work = places.work("2014-03") / "one"
    work.mkdir(parents=True)
    (work / "result.json").write_text(json.dumps({"vintage": {"name": "v", "synthetic": True}}))
    return places


def _asked(part="headline.rate", to="withhold", **other):
    return {"part": part, "to": to, "reason": "agreed", "role": "statistician 1"} | other


def test_the_page_is_private_and_holds_every_decision_with_its_rule(tmp_path):
    page, lines = decided.write_page(_release(tmp_path), "2014-03")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    shown = page.read_text()
    assert all(part in shown for part in ("headline.frequency", "dominance", "survival.day-60"))
    assert lines == ("one: 2 withheld, 1 merged, 1 told",)


def test_an_override_is_an_input_of_the_request(tmp_path):
    places = _release(tmp_path)
    decided.override(places, "2014-03", "one", _asked(reason='said "yes"'), ON)
    decided.override(places, "2014-03", "one", _asked("headline.frequency", "tell"), ON)
    first, second = disclosure.read_overrides(places.requests / "one")
    assert first == Override("headline.rate", "withhold", 'said "yes"', "statistician 1", ON)
    assert (second.part, second.to) == ("headline.frequency", "tell")


@pytest.mark.parametrize("missing", ["reason", "role", "part", "to"])
def test_nothing_is_overridden_without_a_reason_and_a_role(tmp_path, missing):
    places = _release(tmp_path)
    asked = {name: value for name, value in _asked().items() if name != missing}
    with pytest.raises(Unusable, match="required"):
        decided.override(places, "2014-03", "one", asked, ON)
    assert not (places.requests / "one" / disclosure.FILE).exists()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (_asked("regional.rate", "tell"), "does not give way"),
        (_asked("survival.day-60", "tell"), "together with others"),
        (_asked("headline.rate", "tell"), "told already"),
        (_asked("headline.frequency"), "withheld already"),
    ],
)
def test_what_cannot_be_overridden_is_refused(tmp_path, asked, told):
    with pytest.raises(Refused, match=told):
        decided.override(_release(tmp_path), "2014-03", "one", asked, ON)


def test_an_unknown_part_is_answered_with_those_near_it(tmp_path):
    with pytest.raises(Unusable) as told:
        decided.override(_release(tmp_path), "2014-03", "one", _asked("headline.rat"), ON)
    assert "headline.rate" in told.value.faults[0].remedy


def test_the_command_tells_counts_and_refuses_without_a_reason(tmp_path, capsys):
    places = _release(tmp_path)
    folders = ["--data", str(places.data), "--requests", str(places.requests)]
    folders += ["--outputs", str(places.outputs)]
    assert main(["disclosure", "2014-03", *folders]) == 0
    assert "1 merged" in capsys.readouterr().out
    asked = ["--request", "one", "--part", "headline.rate", "--withhold"]
    assert main(["disclosure", "2014-03", *asked, *folders]) == 2


def test_every_fault_of_the_file_is_found_at_once(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / disclosure.FILE).write_text(
        '[[override]]\npart = "a"\nto = "show"\nreason = "x"\n'
        '[[override]]\npart = "a"\nto = "tell"\nreason = "x"\nrole = "7"\non = "today"\n'
    )
    assert len(disclosure.check(tmp_path)) == len(disclosure.check(folder)) == 5


# --- Low reliability -----------------------------------------------------------------------------


def test_a_mean_of_few_is_marked_and_the_number_stays_a_number():
    effect = _effects(100, 40)["rate"]
    few = replace(effect, comparison=replace(effect.comparison, effective_n=29.0))
    enough = replace(effect, comparison=replace(effect.comparison, effective_n=30.0))
    told = wording.mean(few, "comparison")
    assert told.printed == f"{told.text} [u]" and told.record()["mark"] == "[u]"
    assert wording.mean(enough, "comparison").mark == wording.mean(few, "treatment").mark == ""
    table = tables.result_table("table-rate", [few], labels={}, significance=0.05)
    assert "[u]" in table.html and tables.LOW_RELIABILITY in table.notes
    door = _door()
    disclosure.clear(_effects(100, 40) | {"rate": few}, matched=ALIKE, rules=door)
    assert _decisions(door)["headline.rate"] == ("marked", "unreliable")


def test_a_withheld_number_has_no_mark():
    assert wording.marked(figures.Figure.withheld("a", "people"), True).printed == "[c]"


# --- One public wording --------------------------------------------------------------------------

BLOCK = re.compile(
    r"</?(?:p|li|t[dhr]|div|h\d|figcaption|text|tspan|section|d[dt]|caption|table:table-cell)\b[^>]*>"
)
REASON = re.compile(
    r"\b(few|fewer|small|reveal|mislead|protect|confidential)|\bonly \d|would (show|tell)|could be "
    r"worked out|withheld,? (because|since|as)\b",
    re.I,
)
GENERAL = (
    "Small numbers that could tell of a person are withheld",
    "So all that is told of these people is cleared together, and beside the sizes of the analyses",
)
"""Said of all that is published alike, so that it tells nothing of one number."""


def _texts(file):
    """Every text of a page or a data file that stands apart from the next."""
    if file.suffix == ".ods":
        with zipfile.ZipFile(file) as book:
            return _blocks(book.read("content.xml").decode())
    content = file.read_text()
    if file.suffix in (".json", ".ipynb"):
        strings = _strings(json.loads(content))
        cells = [cell for text in strings for cell in re.split(r"\s{2,}", text)]
        return [block for cell in cells for block in _blocks(cell)]
    if file.suffix == ".csv":
        return [cell for row in csv.reader(content.splitlines()) for cell in row]
    return _blocks(re.sub(r"(?s)<(style|script)\b.*?</\1>", "", content))


def _strings(data):
    if isinstance(data, dict):
        return [text for value in data.values() for text in _strings(value)]
    if isinstance(data, list):
        return [text for value in data for text in _strings(value)]
    return [data] if isinstance(data, str) else []


def _blocks(text):
    alone = [*BLOCK.split(text), *re.findall(r'(?:alt|aria-label)="([^"]*)"', text)]
    return [html.unescape(re.sub(r"<[^>]+>|\s+", " ", one)) for one in alone]


def other_wordings(texts):
    """Return what is said near something withheld beside the one public wording."""
    found = []
    rules = {html.unescape(text) for one in TABLE.values() for text in (one.says, one.protects)}
    for text in texts:
        text = re.sub(r"\s+", " ", text).strip()
        if text in rules or not re.search(r"\[c\]|\bwithheld\b", text):
            continue
        rest = text.replace(disclosure.WITHHELD, "\0")
        found += re.findall(r".{0,60}\0(?![.;,]|$).{0,60}", rest)
        found += [
            one
            for one in re.split(r"(?<=[.;]) ", rest)
            if re.search(r"\[c\]|\bwithheld\b|\0", one)
            and REASON.search(one)
            and not one.startswith(GENERAL)
        ]
        if "[c] \0" in rest:
            others = rest.replace(tables.LOW_RELIABILITY, "")
            found += [text] if REASON.search(others) else []
    return found


@pytest.mark.parametrize(
    "text",
    [
        f"{disclosure.UNTOLD[:-1]}: few people are in this category.",
        "[c] Frequency: fewer than 30 people reoffended.",
        f"{disclosure.UNTOLD} A range would show that few were found.",
        "How many is withheld, because 3 were found.",
        f"No result can be reported: {disclosure.WITHHELD} here.",
    ],
)
def test_another_wording_would_be_seen(text):
    assert other_wordings([text])


def test_no_page_or_data_file_says_why_in_another_wording(outputs):
    kinds = {".html", ".json", ".ipynb", ".csv", ".ods"}
    files = [
        file
        for file in sorted(outputs.glob("[!.]*/**/*"))
        if file.suffix in kinds and file.name != "manifest.json"
    ]
    assert len(files) > 20
    told = {file: _texts(file) for file in files}
    assert sum(disclosure.UNTOLD in text for texts in told.values() for text in texts) > 20
    found = {str(file.relative_to(outputs)): other_wordings(told[file]) for file in files}
    assert {name: texts for name, texts in found.items() if texts} == {}


# --- The tables that are drawn from the rules ----------------------------------------------------


def test_the_rules_in_readme_are_those_that_hold():
    told = re.search(r"^\| rule \| protects \|.*?\n(?!\|)", README.read_text(), re.S | re.M)
    assert told and told[0].strip() == disclosure.as_markdown()
