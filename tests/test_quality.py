"""The quality statement, the equality breakdown and the facts that a provider checks."""

from __future__ import annotations

import copy
import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sample_notebooks as sample
from hypothesis import given
from hypothesis import strategies as st
from nbformat import NotebookNode

from jdl import quality, render
from jdl.execute import figures_of
from jdl.log import Release
from jdl.national import Vintage
from jdl.request import DataSharing, Request
from jdl.upload import no_people

MARCH = Release(
    "2014-03",
    dt.date(2014, 2, 28),
    dt.datetime(2014, 3, 13, 9, 30),
    dt.date(2014, 4, 10),
    contact="justice.data.lab@example.org",
)
COUNTS = {"ready": 2}


def vintage(*, synthetic: bool = True) -> Vintage:
    return Vintage(
        Path("nowhere"), "synthetic-2013-10", dt.date(2013, 10, 31), dt.date(2013, 6, 30),
        dt.date(2013, 6, 30), synthetic, None, {},
    )  # fmt: skip


def result(name: str, **other: Any) -> dict[str, Any]:
    """Return the ``result.json`` of a report; `other` changes the parts it names."""
    analysis = {
        "id": "headline",
        "headline": True,
        "treatment_n": 300,
        "balance": {"accepted": True, "worst": 0.021},
        "measures": [{"measure": "rate", "conclusion": "reduction"}],
    }
    request = {
        "id": name, "programme": name.replace("-", " ").title(), "received": "2013-11-18",
        "sex": "all", "extends": [], "correction": None,
    }  # fmt: skip
    made = {
        "request": request,
        "status": "reported",
        "funnel": [{"remaining": 400}, {"remaining": 300}],
        "analyses": [analysis],
    }
    made["request"] = request | other.pop("request", {})
    return made | other


def alone(sex: str, conclusion: str = "inconclusive") -> dict[str, Any]:
    measures = [{"measure": "rate", "conclusion": conclusion}]
    return {"id": sex, "headline": False, "treatment_n": 40, "measures": measures}


def register(people: int | None = 300, **levels: float | None) -> dict[str, Any]:
    """Return a register with a profile; a level is ``sex_female`` or ``age_band_18_to_20``."""
    told: dict[str, Any] = {"headline.treatment_n": people, "linkage.linked": 350}
    for name, share in levels.items():
        kind, level = re.fullmatch(r"(sex|age_band|ethnicity)_(\w+)", name).groups()
        told[f"headline.profile.{kind}.{level}".replace("_", "-")] = share
    return told


def stated(results: list[dict[str, Any]], registers: dict[str, Any] | None = None, **more: Any):
    registers = registers or {one["request"]["id"]: register() for one in results}
    facts = {"release": MARCH, "vintage": vintage(), **more}
    return quality.statement(results, registers, COUNTS, **facts)


def rows(part: Any) -> dict[str, str]:
    """Return the pooled numbers of a table by the group they tell of."""
    return {(row[0] if isinstance(row[0], str) else row[0].text): row[1].text for row in part.rows}


# The statement


def test_what_a_release_holds_is_counted():
    stopped = result("c", status="not processed", funnel=[], analyses=[])
    told = stated([result("a"), result("b"), stopped]).parts["quality-lead"].text
    assert "The release of March 2014 holds two reports." in told
    assert "One request could not be processed." in told
    assert "before this system" not in told


def test_reports_made_elsewhere_are_owned_up_to():
    told = stated([result("a")]).parts["quality-lead"].text
    assert "One further report of this month was made before this system" in told
    assert "does not describe it." in told


def test_shares_are_of_those_submitted_and_leave_out_what_is_withheld():
    results, registers = [result("a"), result("b")], {"a": register(), "b": register()}
    registers["b"]["linkage.linked"] = None
    told = stated(results, registers).parts
    assert "Of the rows submitted for the reports that tell it, 88% were linked" in (
        told["quality-accuracy"].text
    )
    assert (
        "Of all rows submitted, 75% are of people who were analysed"
        in told["quality-accuracy"].text
    )
    table = told["quality-accuracy-table"]
    assert [row[2].text for row in table.rows] == ["88%", "[c]"]
    assert any(note.startswith("[c]") for note in table.notes)


def test_an_analysis_that_is_not_balanced_or_has_no_result_is_said():
    failed = copy.deepcopy(result("b"))
    failed["analyses"][0]["balance"] = {"accepted": False, "worst": None}
    failed["analyses"][0]["measures"][0]["conclusion"] = "suppressed"
    told = stated([result("a"), failed]).parts["quality-accuracy"].text
    assert "Of the two headline analyses, one passed the balance gate" in told
    assert "One report gives no result on the rate" in told
    told = stated([result("a"), result("b")]).parts["quality-accuracy"].text
    assert "Each of the two headline analyses passed the balance gate" in told
    told = stated([failed]).parts["quality-accuracy"].text
    assert "The headline analysis did not pass the balance gate" in told


def test_time_is_counted_from_receipt_to_publication():
    late = result("b", request={"received": "2013-12-20"})
    told = stated([result("a"), late]).parts
    assert "between 83 and 115 days" in told["quality-timeliness"].text
    assert [row[3].text for row in told["quality-timeliness-table"].rows] == ["115", "83"]
    assert "took 115 days" in stated([result("a")]).parts["quality-timeliness"].text


def test_the_age_of_the_data_is_in_whole_months():
    told = stated([result("a")]).parts["quality-timeliness"].text
    assert "31 December 2011, 26 whole months before publication" in told


def test_dates_that_nobody_announced_are_not_called_announced():
    plain = Release(
        MARCH.name, MARCH.period_to, MARCH.published_at, MARCH.next_release, stated=False
    )
    told = stated([result("a")], release=plain).parts["quality-timeliness"].text
    assert "No dates were announced" in told
    assert "date announced for this release" not in told


def test_people_counted_again_and_corrections_are_said():
    again = result("a", request={"extends": ["z"], "correction": {"of": "a"}})
    told = stated([again]).parts
    assert "includes the people of earlier requests" in told["quality-coherence"].text
    assert "One report of this month corrects" in told["quality-revisions"].text
    told = stated([result("a")]).parts
    assert "No report of this month includes" in told["quality-coherence"].text
    assert "No report of this month corrects" in told["quality-revisions"].text


@pytest.mark.parametrize("synthetic", [True, False])
def test_only_real_data_carry_the_label(synthetic: bool):
    told = stated([result("a")], vintage=vintage(synthetic=synthetic)).parts["quality-label"].text
    assert ("These are Official Statistics" in told) is not synthetic


def test_a_month_without_reports_has_a_statement_too():
    told = stated([]).parts
    assert "holds no reports" in told["quality-lead"].text
    assert "quality-accuracy" not in told
    assert quality.equality([], {}).text == "- No report was made this month."


# The equality breakdown


def test_people_are_pooled_over_the_reports_to_the_nearest_five():
    registers = {
        "a": register(sex_male=0.52, sex_female=0.48),
        "b": register(sex_male=0.51, sex_female=0.49),
    }
    told = quality.equality([result("a"), result("b")], registers).parts["equality-analysed"]
    assert rows(told) == {"Sex: male": "310", "Sex: female": "290"}
    assert [row[2].text for row in told.rows] == ["2 of 2", "2 of 2"]


def test_a_report_that_withholds_a_group_is_left_out_and_counted_so():
    registers = {
        "a": register(ethnicity_white=0.7, ethnicity_black=0.2, ethnicity_asian=0.1),
        "b": register(ethnicity_white=0.9, ethnicity_black=None, ethnicity_asian=None),
    }
    told = quality.equality([result("a"), result("b")], registers).parts["equality-analysed"]
    assert rows(told) == {
        "Ethnicity: White": "480",
        "Ethnicity: Black": "60",
        "Ethnicity: Asian": "30",
    }
    telling = {row[0]: row[2].text for row in told.rows}
    assert telling == {
        "Ethnicity: White": "2 of 2",
        "Ethnicity: Black": "1 of 2",
        "Ethnicity: Asian": "1 of 2",
    }


def test_a_group_withheld_everywhere_is_withheld():
    registers = {"a": register(sex_male=0.96, sex_female=None, sex_not_recorded=None)}
    told = quality.equality([result("a")], registers).parts["equality-analysed"]
    assert rows(told) == {"Sex: male": "290", "Sex: female": "[c]", "Sex: not recorded": "[c]"}
    assert any(note.startswith("[c]") for note in told.notes)


def test_a_report_whose_size_is_withheld_tells_of_no_group():
    registers = {"a": register(None, sex_male=0.5, sex_female=0.5)}
    told = quality.equality([result("a")], registers).parts["equality-analysed"]
    assert rows(told) == {"Sex: male": "[c]", "Sex: female": "[c]"}


LEVELS = st.dictionaries(
    st.sampled_from(["white", "black", "asian", "mixed", "not_recorded"]),
    st.integers(0, 60),
    min_size=2,
)


@given(st.lists(LEVELS, min_size=1, max_size=3))
def test_no_small_pool_can_be_worked_out_from_the_total(reports: list[dict[str, int]]):
    registers, results = {}, []
    for place, counts in enumerate(reports):
        whole = sum(counts.values())
        shares = {f"ethnicity_{name}": n / max(whole, 1) for name, n in counts.items()}
        registers[f"r{place}"] = register(whole, **shares)
        results.append(result(f"r{place}"))
    told = quality.equality(results, registers).parts["equality-analysed"]
    hidden = [group for group, number in rows(told).items() if number == "[c]"]
    assert len(hidden) != 1 or len(told.rows) == 1
    for name in {name for counts in reports for name in counts}:
        true = sum(counts.get(name, 0) for counts in reports)
        number = rows(told)[f"Ethnicity: {name.replace('_', ' ').capitalize()}"]
        assert true >= 10 or number == "[c]"
        assert number == "[c]" or abs(int(number) - true) <= 2.5
        assert number == "[c]" or int(number) % 5 == 0


def test_ages_stand_in_order_and_what_is_not_recorded_comes_last():
    levels = {"age_band_under_18": 0.1, "age_band_50_and_over": 0.2, "age_band_18_to_20": 0.3}
    registers = {"a": register(age_band_not_recorded=0.4, **levels)}
    told = quality.equality([result("a")], registers).parts["equality-analysed"]
    assert list(rows(told)) == [
        "Age: under 18", "Age: 18 to 20", "Age: 50 and over", "Age: not recorded",
    ]  # fmt: skip


def test_the_share_found_is_of_the_reports_that_tell_it():
    told = {f"linkage.sex.{sex}.people": 200 for sex in ("male", "female")}
    known = told | {"linkage.sex.male.share": 0.9, "linkage.sex.female.share": 0.8}
    ranged = told | {"linkage.sex.male.low": 0.8, "linkage.sex.female.share": 0.6}
    registers = {"a": register() | known, "b": register() | ranged}
    found = quality.equality([result("a"), result("b")], registers).parts["equality-found"]
    assert rows(found) == {"Sex: male": "200", "Sex: female": "400"}
    assert [row[2].text for row in found.rows] == ["70%", "90%"]
    assert [row[3].text for row in found.rows] == ["2 of 2", "1 of 2"]


def test_few_who_were_not_found_are_not_told():
    told = {"linkage.sex.male.people": 200, "linkage.sex.male.share": 0.97}
    told |= {"linkage.sex.female.people": 100, "linkage.sex.female.share": 0.8}
    found = quality.equality([result("a")], {"a": register() | told}).parts["equality-found"]
    assert rows(found) == {"Sex: male": "[c]", "Sex: female": "[c]"}
    assert [row[2].text for row in found.rows] == ["[c]", "[c]"]


@pytest.mark.parametrize(
    ("sexes", "told"),
    [
        ((), "no result for either alone"),
        (("male",), "a result for men alone, but none for women alone"),
        (("male", "female"), "a result for men alone and one for women alone"),
    ],
)
def test_whether_men_and_women_were_analysed_apart_is_said(sexes: tuple[str, ...], told: str):
    one = result("a")
    one["analyses"] += [alone(sex) for sex in sexes]
    one["analyses"].append(alone("female", "suppressed"))
    assert told in quality.equality([one], {"a": register()}).parts["equality-apart"].text


def test_several_reports_about_both_are_counted():
    one, two = result("a"), result("b")
    one["analyses"].append(alone("male"))
    men, women = result("c", request={"sex": "male"}), result("d", request={"sex": "female"})
    registers = {name: register() for name in "abcde"}
    told = quality.equality([one, two, men], registers).parts["equality-apart"].text
    assert "One report is about men only." in told
    assert "Men and women are analysed apart wherever both took part, and a result is told" in told
    for_both = quality.equality([one, men, women], registers).parts["equality-apart"].text
    assert "One report is about men only and one about women only." in for_both
    several = [men, {**men, "request": {**men["request"], "id": "e"}}, women]
    for_several = quality.equality(several, registers).parts["equality-apart"].text
    assert for_several == "- Two reports are about men only and one about women only."
    assert "men alone is told in one of them, and one for women alone in none." in told


# The page


def bulletin(results: list[dict[str, Any]], registers: dict[str, Any]) -> NotebookNode:
    """Return a bulletin whose cells publish the statement and the breakdown."""
    made = sample.bulletin()
    made.cells.insert(-1, sample.cell("quality", stated(results, registers)))
    made.cells.insert(-1, sample.cell("equality", quality.equality(results, registers)))
    return made


REGISTERS = {"a": register(sex_male=0.52, sex_female=0.48)}


def test_the_page_holds_every_part_and_only_figures_of_the_register():
    made = bulletin([result("a")], REGISTERS)
    page = render.quality(made)
    parts = [*stated([result("a")], REGISTERS).parts]
    parts += quality.equality([result("a")], REGISTERS).parts
    assert [name for name in parts if f'data-shown="{name}"' not in page] == []
    known = {figure["id"] for figure in figures_of(made)}
    assert set(re.findall(r'data-figure="([^"]+)"', page[page.index("<main") :])) <= known


def test_every_numeral_of_the_page_is_a_figure():
    page = render.quality(bulletin([result("a")], REGISTERS))
    body = page[page.index("<main") :]
    told = r"<(data|time)\b.*?</\1>|<td[^>]*data-figure[^>]*>[^<]*|<[^>]*data-static.*?</span>"
    body = re.sub(told, "", body, flags=re.DOTALL)
    assert re.findall(r"[^<>]*\d[^<>]*(?=<)", re.sub(r"<[^>]*>", "<", body)) == []


def test_a_release_has_the_page_where_its_bulletin_has_the_statement():
    made = bulletin([result("a")], REGISTERS)
    assert set(render.release_pages(made, [])) == {"index.html", "quality.html"}
    assert set(render.release_pages(sample.bulletin(), [])) == {"index.html"}
    assert render.release_pages(made, [])["quality.html"] == render.quality(made).encode()
    assert b'href="quality.html"' in render.release_pages(made, [])["index.html"]
    assert b"quality.html" not in render.release_pages(sample.bulletin(), [])["index.html"]


def test_registers_are_read_by_request(tmp_path: Path):
    folder = tmp_path / "a-b"
    folder.mkdir()
    figures = [{"id": "x", "value": 1}, {"id": "y", "value": None}]
    (folder / "figures.json").write_text(json.dumps(figures))
    assert quality.read_registers(tmp_path) == {"a-b": {"x": 1, "y": None}}


# The facts for the provider


ASKED = Request(
    Path("nowhere"), "harbour-mentoring", "2014-03", dt.date(2013, 11, 18), "Tarnside Trust",
    "Harbour Mentoring", "voluntary", "mentoring", "A mentor for 12 weeks.", "Staff referred.",
    "custody", DataSharing(dt.date(2013, 11, 11), "Director", "consent"),
    subgroups=("group_mentor",), extends=("harbour-2012",),
)  # fmt: skip


def people() -> pd.DataFrame:
    days = pd.Series(pd.to_datetime(["2010-02-03", "2011-05-06"]).astype("datetime64[s]"))
    return no_people().reindex(range(2)).assign(intervention_start=days)


def facts(**other: Any):
    return quality.facts(ASKED, people(), MARCH, **other)


def test_a_provider_is_asked_about_each_fact():
    cells = facts(earlier={"harbour-2012": "Harbour (June 2013)"}).rows
    told = {row[0]: row[1] if isinstance(row[1], str) else row[1].text for row in cells}
    assert told["Programme"] == "Harbour Mentoring"
    assert told["How people were referred or chosen"] == "Staff referred."
    assert told["Groups to be analysed apart"] == "Mentor"
    assert told["Includes the people of earlier requests"] == "Harbour (June 2013)"
    assert told["Data sharing signed off"] == "11 November 2013, by the Director"
    assert told["Rows submitted"] == "2"
    assert told["Dates given"] == "Start of the intervention"
    assert told["Years of these dates"] == "2010 to 2011"
    assert told["To be published on"] == "13 March 2014 at 9:30"
    assert told["Contact"] == "justice.data.lab@example.org"


def test_a_request_that_was_not_signed_off_says_so():
    asked = Request(**{**vars(ASKED), "data_sharing": None})
    told = dict(row[:2] for row in quality.facts(asked, no_people(), MARCH).rows)
    assert told["Data sharing signed off"] == "Not signed off"
    assert told["Dates given"] == "No dates"
    assert "Years of these dates" not in told


def sheet(made: NotebookNode) -> str:
    made.cells.insert(1, sample.cell("facts", facts()))
    return render.facts(made)


def test_the_sheet_is_the_same_whatever_was_found():
    found, reversed_ = sample.report(), sample.report()
    [record] = [cell for cell in reversed_.cells if cell.id == "record"]
    content = record.outputs[0].data[render.MIME]["result"]
    content["analyses"][0]["measures"][0]["conclusion"] = "increase"
    reversed_.cells = [cell for cell in reversed_.cells if cell.id != "overall-result"]
    stopped = sample.stopped(organisation="Harbour Trust", programme="Harbour Mentoring")
    assert sheet(found) == sheet(reversed_) == sheet(stopped)


def test_the_sheet_holds_no_figure_but_its_own_and_a_box_for_each_fact():
    page = sheet(sample.report())
    ids = re.findall(r'data-figure="([^"]+)"', page[page.index("<main") :])
    assert ids
    assert [one for one in ids if not one.startswith("facts.")] == []
    assert page.count("To be corrected</span>") == len(facts().rows)
    words = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL).lower()
    assert not re.search(r"reoffen|reduction|increase|inconclusive|significan|matched|found", words)


def test_a_report_folder_has_the_sheet():
    made = sample.report()
    made.cells.insert(1, sample.cell("facts", facts()))
    assert "facts.html" in render.report_files(made)
    assert "facts.html" not in render.report_files(sample.report())


def test_the_sheet_alone_is_no_reason_for_an_annex():
    made = sample.stopped()
    made.cells.insert(1, sample.cell("facts", facts()))
    files = render.report_files(made)
    assert "facts.html" in files
    assert "annex.ods" not in files
