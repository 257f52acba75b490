"""Every result to date: the latest source counts, and nothing is told twice."""

import json

import pandas as pd

from jdl import history

LOG = pd.DataFrame(
    {
        "id": ["old", "earlier", "now", "later"],
        "status": ["published", "published", "ready", "ready"],
        "release": ["2013-11", "2014-02", "2014-03", "2014-04"],
        "organisation": "Org",
        "programme": "Prog",
        "sector": "voluntary",
        "intervention_type": "arts",
        "extends": [None, None, "old earlier", None],
        "corrects": pd.array([None] * 4, dtype="str"),
        "treatment_n": pd.array([90, 80, None, 70], dtype="Int64"),
        "rate_difference": [-0.05, -0.5, None, 0.1],
        "ci_low": [-0.1, -0.6, None, 0.0],
        "ci_high": [0.0, -0.4, None, 0.2],
        "rate_result": ["inconclusive", "reduction", None, "increase"],
        "frequency_result": ["reduction", None, None, None],
    }
)


def _result(request_id, release, conclusion):
    about = {"organisation": "Org", "programme": "Prog", "sector": "voluntary"}
    numbers = dict.fromkeys(history.FIGURES, 0.5)
    return {
        "request": {"id": request_id, "release": release, "intervention_type": "arts", **about},
        "analyses": [
            {
                "headline": True,
                "measures": [{"measure": "rate", **numbers, "conclusion": conclusion}],
            },
            {"headline": False, "measures": [{"measure": "rate", **numbers, "conclusion": "x"}]},
        ],
    }


def test_results_are_read_from_finished_reports(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(json.dumps({"name": name}))
    assert [result["name"] for result in history.read_results(tmp_path)] == ["a", "b"]


def test_the_latest_source_counts_once(tmp_path):
    folder = tmp_path / "2014-02" / "bulletin"
    folder.mkdir(parents=True)
    published = history.measures_of([_result("earlier", "2014-02", "inconclusive")])
    published.to_csv(folder / "results.csv", index=False)
    results = [_result("now", "2014-03", "increase")]
    told = history.to_date(results, tmp_path, LOG, "2014-03")
    rates = told.loc[told["measure"] == "rate", ["id", "conclusion", "origin"]]
    assert rates.to_numpy().tolist() == [
        ["now", "increase", "this release"],
        ["earlier", "inconclusive", "earlier release"],
        ["old", "inconclusive", "log"],
    ]
    assert told.loc[told["measure"] == "frequency", "id"].tolist() == ["old"]


def test_what_a_correction_took_back_is_told_no_more(tmp_path):
    folder = tmp_path / "2014-02" / "bulletin"
    folder.mkdir(parents=True)
    published = history.measures_of([_result("earlier", "2014-02", "inconclusive")])
    published.to_csv(folder / "results.csv", index=False)
    row = {"status": "not processed", "release": "2014-03", "corrects": "2014-02"}
    log = pd.concat([LOG, LOG.iloc[[1]].assign(**row, rate_result=None)], ignore_index=True)
    for month, ids in (("2014-02", ["earlier", "old"]), ("2014-03", ["old"])):
        outputs = tmp_path if month == "2014-03" else tmp_path / "none"
        assert history.to_date([], outputs, log, month)["id"].unique().tolist() == ids


def test_the_reports_of_a_release_come_from_any_source(tmp_path):
    told = history.to_date([_result("now", "2014-03", "increase")], tmp_path, LOG, "2014-03")
    (now,) = history.reports_of("2014-03", told, LOG)
    assert now["request"]["extends"] == ["old", "earlier"]
    rate, frequency = now["analyses"][0]["measures"]
    assert (rate["conclusion"], frequency["conclusion"]) == ("increase", "inconclusive")
    (old,) = history.reports_of("2013-11", told, LOG)
    assert old["analyses"][0]["measures"][1]["conclusion"] == "reduction"


def test_earlier_looks_are_told_in_their_order_with_what_is_held(tmp_path):
    told = history.looks(["earlier", "old"], tmp_path, LOG, "2014-03")
    assert [(one["release"], one["rate_difference"], one["rate_result"]) for one in told] == [
        ("2013-11", -0.05, "inconclusive"),
        ("2014-02", -0.5, "reduction"),
    ]


def test_a_look_without_a_result_is_told_all_the_same(tmp_path):
    [told] = history.looks(["now"], tmp_path, LOG, "2014-05")
    assert told["programme"] == "Prog"
    assert pd.isna(told["rate_result"])


def test_a_request_without_a_report_was_no_look(tmp_path):
    log = LOG.assign(status=["not processed", *LOG["status"].iloc[1:]])
    told = history.looks(["old", "earlier"], tmp_path, log, "2014-03")
    assert [one["release"] for one in told] == ["2014-02"]
