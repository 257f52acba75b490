"""Three months of example requests, from uploads to finished releases, against planted truth."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from months import MONTHS, folders, jdl
from test_spreadsheet import findings as checklist

from jdl import disclosure, manifest, sentence

REPORT_FILES = {
    "report.html", "report.pdf", "annex.ods", "audit.html", "data_quality.html", "facts.html",
    "notebook.ipynb", "figures.json", "result.json", "manifest.json",
}  # fmt: skip
BULLETIN_FILES = {
    "bulletin.html", "bulletin.pdf", "tables.ods", "results.csv", "notebook.ipynb",
    "audit.html", "figures.json", "log.csv", "history.csv", "codebook.csv",
}  # fmt: skip
CONCLUSIONS = {
    "harbour-mentoring": "reduction",
    "fresh-start-bootcamp": "increase",
    "green-shoots": "inconclusive",
    "family-matters-pooled": "inconclusive",
}
STOPPED = {"small-steps": "60", "open-door": "signed off", "north-star": "withdrawn"}


@pytest.fixture(scope="module")
def results(outputs):
    """Every result.json of the three months, by id."""
    files = outputs.glob("2014-*/reports/*/result.json")
    return {file.parent.name: json.loads(file.read_text()) for file in files}


@pytest.fixture(scope="module")
def truth(synthetic_out):
    """What was planted, by request."""
    return json.loads((synthetic_out / "truth" / "effects.json").read_text())["requests"]


def _measure(result, name):
    headline = next(a for a in result["analyses"] if a["headline"])
    return next(m for m in headline["measures"] if m["measure"] == name)


def test_every_release_holds_the_files_of_the_contract(outputs):
    for month in MONTHS:
        folder = outputs / month
        assert {path.name for path in folder.iterdir()} == {
            "index.html", "quality.html", "bulletin", "reports", "run.json", "manifest.json",
            "ro-crate-metadata.json",
        }  # fmt: skip
        assert {path.name for path in (folder / "bulletin").iterdir()} == BULLETIN_FILES
        for report in (folder / "reports").iterdir():
            files = {path.name for path in report.iterdir()}
            if report.name in STOPPED:
                assert {
                    "report.html",
                    "report.pdf",
                    "audit.html",
                    "facts.html",
                    "result.json",
                } <= files
            else:
                assert files == REPORT_FILES, report.name


def test_every_file_has_its_hash_in_the_manifest(outputs):
    for month in MONTHS:
        folder = outputs / month
        files = json.loads((folder / "manifest.json").read_text())["files"]
        found = {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file() and path not in (folder / "manifest.json", folder / "run.json")
        }
        assert files == found


def test_every_report_has_a_manifest_of_its_own(outputs):
    for month in MONTHS:
        release = json.loads((outputs / month / "manifest.json").read_text())
        for folder in (outputs / month / "reports").iterdir():
            made = json.loads((folder / "manifest.json").read_text())
            assert manifest.broken(folder) is None
            assert set(made["files"]) == {path.name for path in folder.iterdir()} - {
                "facts.html", "manifest.json",
            }  # fmt: skip
            assert made["request"] == folder.name
            assert made["inputs"]["requests"] == {
                folder.name: release["inputs"]["requests"][folder.name]
            }
            for key in set(release) - {"inputs", "parameters", "files"}:
                assert made[key] == release[key]


def test_every_spreadsheet_passes_the_checklist(outputs):
    for file in outputs.rglob("*.ods"):
        if ".work" not in file.parts:
            assert checklist(file.read_bytes()) == {}, file


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
def test_the_summary_stands_alone_on_the_first_page_of_print(outputs, results):
    for name, result in results.items():
        if result["status"] == "reported":
            [file] = outputs.glob(f"2014-*/reports/{name}/report.pdf")
            first, second = (
                subprocess.run(
                    ["pdftotext", "-f", str(page), "-l", str(page), file, "-"],
                    capture_output=True, text=True, check=True,
                ).stdout.split()
                for page in (1, 2)
            )  # fmt: skip
            assert {"Summary", "limits."} <= set(first), name
            assert second.index("This") == second.index("compared") - 2, name


@pytest.mark.parametrize(("request_id", "conclusion"), CONCLUSIONS.items())
def test_the_planted_conclusion_is_reached(results, request_id, conclusion):
    assert _measure(results[request_id], "rate")["conclusion"] == conclusion


def test_the_true_effects_lie_in_the_intervals(results, truth):
    """Every rate; and of all 14 intervals at 95%, rates and frequencies, at most one misses."""
    reported = {name for name, result in results.items() if result["status"] == "reported"}
    assert len(reported) == 8
    missed = {
        (name, measure)
        for name in reported - {"family-matters-pooled"}
        for measure in ("rate", "frequency")
        for found in [_measure(results[name], measure)]
        if not found["ci_low"] <= truth[name][f"{measure}_effect"] <= found["ci_high"]
    }
    assert not {name for name, measure in missed if measure == "rate"}
    assert len(missed) <= 1


@pytest.mark.parametrize(("request_id", "words"), STOPPED.items())
def test_a_request_that_fails_the_criteria_is_a_result(outputs, results, request_id, words):
    status = "withdrawn" if request_id == "north-star" else "not processed"
    assert results[request_id]["status"] == status
    assert words in results[request_id]["reason"]
    page = next(outputs.glob(f"2014-*/reports/{request_id}/report.html")).read_text()
    assert words in page


def test_the_months_counts_are_those_published_for_march_2014(outputs):
    page = (outputs / "2014-03" / "bulletin" / "bulletin.html").read_text()
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
    assert (
        "To date, the Justice Data Lab has received 80 requests for re-offending information, "
        "including 55 reports which have already been published. A further 2 are now complete and "
        "ready for publication, bringing the total of completed reports to 57." in words
    )
    assert "there have been 12 requests that could not be processed" in words


def test_the_last_bulletin_tells_every_result_of_the_months_before(outputs):
    history = pd.read_csv(outputs / "2014-03" / "bulletin" / "history.csv")
    rates = history.loc[history["measure"] == "rate"].set_index("id")
    assert len(rates) == 57
    assert rates.loc["womens-link", "origin"] == "earlier release"
    assert rates.loc["harbour-mentoring", "origin"] == "this release"


def test_a_re_analysis_counts_nobody_twice(results, synthetic_out):
    funnel = results["family-matters-pooled"]["funnel"]
    own = [results[name]["funnel"][0]["remaining"] for name in results if "matters-201" in name]
    assert sum(own) < funnel[0]["remaining"]
    assert any(step["reason"] == "listed more than once" for step in funnel)
    assert funnel[0]["remaining"] - sum(s["removed"] for s in funnel) == funnel[-1]["remaining"]


def test_every_number_on_a_page_is_in_the_register(outputs):
    for page in outputs.glob("2014-03/*/**/*.html"):
        register = json.loads((page.parent / "figures.json").read_text())
        known = {figure["id"]: figure for figure in register}
        html = re.sub(r"<style>.*?</style>", "", page.read_text(), flags=re.DOTALL)
        marked = re.findall(r'<(\w+)( [^>]*)? data-figure="([^"]+)"[^>]*>([^<]*)</\1>', html)
        assert len(marked) == html.count("data-figure=")
        assert marked or page.parent.name in STOPPED
        for tag, attributes, name, text in marked:
            figure = known[name]
            assert text in (figure["text"], figure["text"].replace("<", "&lt;"))
            if tag == "data":
                value = "" if figure["value"] is None else str(figure["value"])
                assert attributes == f' value="{value}"'


def test_nobody_is_named_in_anything_published(outputs, synthetic_out):
    people = pd.concat(
        pd.read_csv(file, sep=None, engine="python", encoding=encoding, dtype="str")
        for file, encoding in (
            (synthetic_out / "requests" / "harbour-mentoring" / "upload.csv", "utf-8-sig"),
            (synthetic_out / "requests" / "womens-link" / "upload.csv", "cp1252"),
        )
    )
    people.columns = [re.sub(r"\W+", "_", name.strip().lower()) for name in people.columns]
    whole = {
        f"{row.forename.strip()} {row.surname.strip()}".lower()
        for row in people.dropna(subset=["forename", "surname"]).itertuples()
    }
    ids = set(people["pnc_id"].dropna().str.strip()) | set(
        people["prison_number"].dropna().str.strip()
    )
    assert len(whole) > 1000
    for path in outputs.rglob("*"):
        if path.suffix in (".html", ".json", ".ipynb", ".csv", ".log"):
            text = path.read_text(encoding="utf-8")
            words = set(re.findall(r"[\w/]+", text))
            assert not words & {entry for entry in ids if len(entry) > 6}, path.name
            lower = text.lower()
            assert not [name for name in whole if name in lower], path.name


@pytest.fixture
def changed(synthetic_out, tmp_path):
    """A copy of the example requests that a test may change."""
    folder = tmp_path / "requests"
    shutil.copytree(synthetic_out / "requests", folder)
    return folder


def _run(request_id, synthetic_out, requests, tmp_path):
    done = jdl(
        "run", request_id, "--data", synthetic_out, "--requests", requests, "--outputs", tmp_path
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = tmp_path.glob(f".work/*/{request_id}")
    return json.loads((folder / "result.json").read_text()), (folder / "report.html").read_text()


def _override(form, **values):
    lines = [f'{name} = {{value = {value}, reason = "To try"}}' for name, value in values.items()]
    form.write_text("\n".join([form.read_text(), "[method]", *lines, ""]))


def test_entropy_balancing_is_the_last_resort(synthetic_out, changed, tmp_path):
    _override(changed / "green-shoots" / "request.toml", balance_limit=0.0001)
    result, page = _run("green-shoots", synthetic_out, changed, tmp_path)
    headline = result["analyses"][0]
    assert headline["balance"]["specification"] == "entropy balancing"
    assert headline["balance"]["worst"] < 0.0001
    assert headline["sensitivity"][1]["label"] == "first specification (caliper 0.2)"
    assert "Entropy balancing has made the groups equal" in page


def test_groups_that_cannot_be_made_alike_get_no_conclusion(synthetic_out, changed, tmp_path):
    form = changed / "green-shoots" / "request.toml"
    _override(form, balance_limit=0.0001, second_order_limit=0.0001)
    result, page = _run("green-shoots", synthetic_out, changed, tmp_path)
    assert {analysis["status"] for analysis in result["analyses"]} == {"not balanced"}
    measures = [m for analysis in result["analyses"] for m in analysis["measures"]]
    assert {m["conclusion"] for m in measures} == {"suppressed"}
    assert {m["difference"] for m in measures} == {None}
    assert "could not be made alike" in page
    sizes = {analysis["treatment_n"] for analysis in result["analyses"]} - {None}
    assert all(one == other or abs(one - other) >= 10 for one in sizes for other in sizes)


def test_the_landmark_analysis_leads_where_many_start_late(synthetic_out, changed, tmp_path):
    _override(changed / "womens-link" / "request.toml", late_share=0.03)
    result, page = _run("womens-link", synthetic_out, changed, tmp_path)
    headline, beside = result["analyses"]
    assert (headline["id"], beside["id"]) == ("headline", "index-date")
    assert headline["treatment_n"] == beside["treatment_n"]
    assert "Service's version, year from the index date" in page.replace("&#x27;", "'")
    reasons = {step["reason"] for step in result["funnel"]}
    assert reasons & {"other reasons", sentence.OFFENDED}


def test_every_analysis_of_the_plan_is_in_the_record(results):
    made = {name: [a["id"] for a in result["analyses"]] for name, result in results.items()}
    assert made["harbour-mentoring"][:3] == ["headline", "male", "female"]
    assert {"group-mentor-1", "group-mentor-2"} <= set(made["harbour-mentoring"])
    assert made["family-matters-pooled"] == ["headline", "new-people"]
    assert {"run-everyone", "run-assessed"} <= set(made["clear-course"])
    assert "landmark" in made["womens-link"]


def test_the_adjusted_check_stands_beside_every_headline(results):
    for name, result in results.items():
        for analysis in (a for a in result["analyses"] if a["headline"]):
            told = {m["measure"]: m for m in analysis["measures"]}
            check = told["rate"]["companion"]
            assert check["ci_low"] < check["difference"] < check["ci_high"], name
            assert abs(check["difference"] - told["rate"]["difference"]) < 0.03, name


def test_too_few_people_found_is_a_notice_without_a_number(synthetic_out, changed, tmp_path):
    header = "reference,forename,surname,date_of_birth,gender,intervention_start"
    rows = [
        f"X{i},Zebedee{chr(97 + i % 26)},Qwertz{chr(97 + i // 26)},1970-01-{1 + i % 28:02d},male,"
        "2009-05-01"
        for i in range(70)
    ]
    folder = changed / "harbour-mentoring"
    (folder / "upload.csv").write_text("\n".join([header, *rows]) + "\n")
    form = folder / "request.toml"
    form.write_text(re.sub(r"(date_format|subgroups) = .*", "", form.read_text()))
    result, page = _run("harbour-mentoring", synthetic_out, changed, tmp_path)
    assert result["status"] == "not processed"
    assert result["reason"].startswith("Too few people were found")
    assert "Too few people were found" in page


OVERRIDE = """[[override]]
part = "{part}"
to = "{to}"
reason = "agreed with the prison"
role = "statistician 1"
on = 2014-02-03
"""
WISHES = (
    ("headline.frequency", "withhold"),
    ("linkage.review", "tell"),
    ("headline.nothing", "tell"),
)


def test_what_a_statistician_decides_holds_in_every_file(synthetic_out, changed, tmp_path):
    file = changed / "womens-link" / disclosure.FILE
    text = "\n".join(OVERRIDE.format(part=part, to=to) for part, to in WISHES)
    places = ["--data", synthetic_out, "--requests", changed, "--outputs", tmp_path]
    file.write_text(text.replace('reason = "agreed with the prison"\n', "", 1))
    refused = jdl("run", "womens-link", *places)
    assert refused.returncode == 2
    assert "override 1" in refused.stderr and "reason" in refused.stderr
    assert not list(tmp_path.glob(".work/*/womens-link"))

    file.write_text(text)
    done = jdl("run", "womens-link", *places)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "headline.nothing is no part that was decided on" in done.stdout
    assert "headline.frequency to be withheld by override: statistician 1" in done.stdout
    (folder,) = tmp_path.glob(".work/*/womens-link")
    result = json.loads((folder / "result.json").read_text())
    told = {measure["measure"]: measure for measure in result["analyses"][0]["measures"]}
    assert told["frequency"]["reason"] == disclosure.WITHHELD
    assert told["rate"]["conclusion"] != "suppressed"
    register = json.loads((folder / "figures.json").read_text())
    assert {0 < one["value"] < 10 for one in register if one["id"] == "linkage.review"} == {True}
    assert not [
        one["id"]
        for one in register
        if re.fullmatch(r"headline\.frequency\.(?!\w+_n$).+", one["id"]) and not one["suppressed"]
    ]

    page = (folder / "audit.html").read_text()
    decisions = page.partition('<table id="decisions">')[2].partition("</table>")[0]
    by = re.findall(
        r"<th[^>]*>([a-z_.0-9-]+)</th>\s*<td[^>]*>([^<]*)</td>\s*<td[^>]*>([^<]*)</td>",
        re.sub(r"</?(?:data|a)\b[^>]*>", "", decisions),
    )
    assert ("headline.frequency", "[c]", "statistician 1, 2014-02-03: agreed with the prison") in by
    assert {who for _, _, who in by} == {
        "the rules",
        "statistician 1, 2014-02-03: agreed with the prison",
    }
    rules = set(disclosure.TABLE) - {"group", "balance", "merged"}
    for name in ("result.json", "figures.json", "notebook.ipynb"):
        assert not _strings(json.loads((folder / name).read_text())) & rules, name


def _strings(data):
    """Every text in a record that stands alone."""
    if isinstance(data, dict):
        return {text for value in data.values() for text in _strings(value)}
    if isinstance(data, list):
        return {text for value in data for text in _strings(value)}
    return {data} if isinstance(data, str) else set()


@pytest.mark.parametrize("request_id", ["family-matters-pooled", "small-steps"])
def test_the_same_inputs_give_the_same_bytes_in_a_new_kernel(
    outputs, synthetic_out, tmp_path, request_id
):
    cohorts = Path(".restricted", "cohorts")
    for folder in (*MONTHS[:2], *(cohorts / month for month in MONTHS[:2])):
        shutil.copytree(outputs / folder, tmp_path / folder)
    shutil.copy(outputs / cohorts / ".key", tmp_path / cohorts / ".key")
    places = folders(synthetic_out, tmp_path)
    done = jdl("run", request_id, *places, "--jobs", 1, "--kernel", "stock")
    assert done.returncode == 0, done.stdout + done.stderr
    again = tmp_path / ".work" / "2014-03" / request_id
    published = outputs / "2014-03" / "reports" / request_id
    differing = [
        file.name
        for file in published.iterdir()
        if file.name != manifest.MANIFEST and (again / file.name).read_bytes() != file.read_bytes()
    ]
    assert differing == []


def test_a_second_release_leaves_the_first_alone(outputs, synthetic_out):
    before = (outputs / "2014-03" / "manifest.json").stat().st_mtime_ns
    done = jdl("release", "2014-03", *folders(synthetic_out, outputs))
    assert done.returncode == 0
    assert "already there" in done.stdout
    assert (outputs / "2014-03" / "manifest.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("month", MONTHS)
def test_nothing_synthetic_is_called_an_official_statistic(outputs, month):
    for page in (outputs / month).rglob("*.html"):
        text = page.read_text()
        assert "Not Official Statistics" in text, page.name
        assert "is an Official Statistic" not in text, page.name


def test_no_module_of_the_pipeline_names_the_truth():
    source = Path(__file__).parent.parent / "jdl"
    assert {p.name for p in source.glob("*.py") if "truth" in p.read_text()} <= {"cli.py"}
