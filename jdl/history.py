"""Every result to date: this release's reports, earlier releases, and the log before them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jdl.cells import restored
from jdl.effects import MEASURES
from jdl.log import CODEBOOK as LOG_CODEBOOK
from jdl.log import REPORTED, in_force
from jdl.national import code_list

PUBLIC = ("id", "release", "organisation", "programme", "sector", "intervention_type")
FIGURES = (
    "treatment_n",
    "comparison_n",
    "treatment",
    "comparison",
    "difference",
    "ci_low",
    "ci_high",
    "p_value",
)
COLUMNS = (*PUBLIC, "measure", *FIGURES, "conclusion", "corrects", "origin")


_CONCLUSIONS = ("reduction", "inconclusive", "increase", "suppressed")
_MEASURED = tuple(f"{name} ({measure.unit})" for name, measure in MEASURES.items())
_ORIGINS = ("this release", "earlier release", "log")
CODEBOOK = (
    ("id", "Name of the request", "", "Text; the same in the log and in the folder of its report"),
    ("release", "Month of the release that published the result", "month", "YYYY-MM"),
    ("organisation", "Who asked", "", "Text"),
    ("programme", "What was evaluated", "", "Text"),
    ("sector", "Sector of the organisation", "", code_list("sector")),
    ("intervention_type", "Type of intervention", "", code_list("intervention_type")),
    ("measure", "What was measured within one year of the index date", "", _MEASURED),
    ("treatment_n", "Treatment group of the headline analysis", "people", "Whole number"),
    ("comparison_n", "Comparison group of the headline analysis", "disposals", "Whole number"),
    ("treatment", "Weighted mean of the treatment group", "as the measure", "Number"),
    ("comparison", "Weighted mean of the comparison group", "as the measure", "Number"),
    ("difference", "Treatment minus comparison", "as the measure", "Number"),
    ("ci_low", "Lower limit of its 95% confidence interval", "as the measure", "Number"),
    ("ci_high", "Upper limit of its 95% confidence interval", "as the measure", "Number"),
    ("p_value", "Of a two-sided test of no difference", "probability", "0 to 1"),
    ("conclusion", "What the test shows", "", _CONCLUSIONS),
    ("corrects", "Release whose result this one replaces", "month", "YYYY-MM"),
    ("origin", "Where the result was read", "", _ORIGINS),
)
"""What each column of `COLUMNS` holds: column, meaning, unit and values."""


def codebook() -> list[dict[str, str]]:
    """Return the codebook of the bulletin's data files, a row a column of each.

    Returns
    -------
    list of dict
        file, column, meaning, unit, values. An empty cell of the data is a value that was
        withheld, does not apply or is not known; rates and shares are proportions from 0 to 1.
    """
    measures = [
        (column, meaning, unit or "none", values if isinstance(values, str) else "; ".join(values))
        for column, meaning, unit, values in CODEBOOK
    ]
    files = {"results.csv": measures, "history.csv": measures, "log.csv": LOG_CODEBOOK}
    names = ("file", "column", "meaning", "unit", "values")
    return [
        dict(zip(names, (file, *row), strict=True)) for file, rows in files.items() for row in rows
    ]


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Read the ``result.json`` of every finished report in a folder, in order of id.

    Parameters
    ----------
    folder : Path
        Holds one folder a request.

    Returns
    -------
    list of dict
    """
    return [
        json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(folder.glob("*/result.json"))
    ]


def measures_of(results: list[dict[str, Any]]) -> pd.DataFrame:
    """Lay out the headline analysis of each reported request, one row a measure.

    Parameters
    ----------
    results : list of dict
        Contents of ``result.json``.

    Returns
    -------
    DataFrame
        `COLUMNS`; origin is ``this release``.
    """
    rows = [
        {
            **{name: result["request"][name] for name in PUBLIC},
            "measure": measure["measure"],
            **{name: measure[name] for name in FIGURES},
            "conclusion": measure["conclusion"],
            "corrects": (result["request"].get("correction") or {}).get("of"),
            "origin": "this release",
        }
        for result in results
        for analysis in result["analyses"]
        if analysis["headline"]
        for measure in analysis["measures"]
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def earlier_releases(outputs: Path, release: str) -> pd.DataFrame:
    """Read the results that finished releases before this one have published.

    Parameters
    ----------
    outputs : Path
        The folder of releases.
    release : str
        The release in hand; it and later ones are left out.

    Returns
    -------
    DataFrame
        `COLUMNS`; origin is ``earlier release``. Of a corrected result only the correction.
    """
    files = [
        file
        for file in sorted(outputs.glob("[0-9][0-9][0-9][0-9]-[0-9][0-9]/bulletin/results.csv"))
        if file.parent.parent.name < release
    ]
    words = dict.fromkeys(("organisation", "programme"), restored)
    frames = [pd.read_csv(file, converters=words) for file in files]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return pd.DataFrame(columns=list(COLUMNS))
    held = pd.concat(frames, ignore_index=True).reindex(columns=list(COLUMNS))
    latest = held.groupby("id")["release"].transform("max")
    return held.loc[held["release"].eq(latest)].assign(origin="earlier release")


def before_this_system(log: pd.DataFrame, release: str) -> pd.DataFrame:
    """Lay out the rates and frequencies that the log holds of analyses published elsewhere.

    Parameters
    ----------
    log : DataFrame
        The log of requests.
    release : str
        Later releases are left out.

    Returns
    -------
    DataFrame
        `COLUMNS`; origin is ``log``.
    """
    known = in_force(log, release)
    held = known.loc[known["rate_result"].notna() & known["release"].le(release)]
    rate = held[list(PUBLIC)].assign(
        measure="rate",
        treatment_n=held["treatment_n"],
        difference=held["rate_difference"],
        ci_low=held["ci_low"],
        ci_high=held["ci_high"],
        conclusion=held["rate_result"],
    )
    told = held.loc[held["frequency_result"].notna()]
    frequency = told[list(PUBLIC)].assign(
        measure="frequency",
        treatment_n=told["treatment_n"],
        conclusion=told["frequency_result"],
    )
    rows = [
        row
        for frame in (rate, frequency)
        for row in frame.reindex(columns=list(COLUMNS)).to_dict("records")
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).assign(origin="log")


def looks(
    ids: Sequence[str], outputs: Path, log: pd.DataFrame, release: str
) -> list[dict[str, Any]]:
    """Return what is known of earlier analyses of a programme.

    Parameters
    ----------
    ids : sequence of str
        The requests that a report includes; those without a report of their own are left out.
    outputs : Path
        The folder of releases.
    log : DataFrame
        The log of requests.
    release : str
        The release in hand; later ones, and this one, are left out.

    Returns
    -------
    list of dict
        By release: id, programme, release, and of the headline rate treatment_n, treatment,
        rate_difference, ci_low, ci_high and rate_result, missing where no result is held; and
        measures, the entries of its headline in the latest ``result.json``.
    """
    reported = log["id"].isin(ids) & log["status"].isin(("ready", "published"))
    asked = log.loc[reported, ["id", "programme", "release"]]
    held = to_date([], outputs, log, release)
    rates = held.loc[held["measure"] == "rate", ["id", *_LOOK]].drop_duplicates("id", keep="last")
    known = asked.merge(rates, on="id", how="left").rename(columns=_LOOK)
    rows = known.sort_values(["release", "id"]).to_dict("records")
    return [
        {str(name): value for name, value in row.items()}
        | {"measures": _headline_of(str(row["id"]), outputs, release)}
        for row in rows
    ]


def replaced(request_id: str, of: str | None, outputs: Path) -> dict[str, Any] | None:
    """Return what a correction replaces, as it was published.

    Parameters
    ----------
    request_id : str
    of : str or None
        The release corrected; None where nothing is.
    outputs : Path
        The folder of releases.

    Returns
    -------
    dict or None
        status, and measures, the entries of its headline by name, none where nothing was reported.
        None where the earlier report is not at hand.
    """
    file = result_file(outputs, of or "", request_id)
    if not of or not file.is_file():
        return None
    result = json.loads(file.read_text(encoding="utf-8"))
    headline = (one["measures"] for one in result["analyses"] if one["headline"])
    measures = {one["measure"]: one for one in next(headline, [])}
    return {"status": result["status"], "measures": measures}


def result_file(outputs: Path, release: str, request_id: str) -> Path:
    """Return where the record of a report lies in its release."""
    return outputs / release / "reports" / request_id / "result.json"


def _headline_of(request_id: str, outputs: Path, release: str) -> list[dict[str, Any]]:
    """Read the measures of the latest headline that a request published before a release."""
    files = sorted(
        outputs.glob(f"[0-9][0-9][0-9][0-9]-[0-9][0-9]/reports/{request_id}/result.json")
    )
    texts = [one.read_text(encoding="utf-8") for one in files if one.parts[-4] < release]
    analyses = json.loads(texts[-1])["analyses"] if texts else []
    return [measure for one in analyses if one["headline"] for measure in one["measures"]]


_LOOK = {
    "treatment_n": "treatment_n", "treatment": "treatment", "difference": "rate_difference",
    "ci_low": "ci_low", "ci_high": "ci_high", "conclusion": "rate_result",
}  # fmt: skip


def to_date(
    results: list[dict[str, Any]], outputs: Path, log: pd.DataFrame, release: str
) -> pd.DataFrame:
    """Put every result to date together; of a request held twice, the later source counts.

    Parameters
    ----------
    results : list of dict
        This release's ``result.json`` contents.
    outputs : Path
        The folder of releases.
    log : DataFrame
        The log of requests.
    release : str
        The release in hand, ``YYYY-MM``.

    Returns
    -------
    DataFrame
        `COLUMNS`, most recent release first, then by id and measure. What a correction took back,
        without a result in its place, is left out.
    """
    sources = [measures_of(results), earlier_releases(outputs, release)]
    sources.append(before_this_system(log, release))
    seen: set[str] = set()
    taken_back = _taken_back(log, release)
    kept = []
    for frame in sources:
        fresh = frame.loc[~frame["id"].isin(seen | taken_back)]
        kept += fresh.to_dict("records")
        seen |= set(fresh["id"])
    order = {id_: place for place, id_ in enumerate(sorted(seen))}
    kept.sort(key=lambda row: order[row["id"]])
    kept.sort(key=lambda row: str(row["release"]), reverse=True)
    return pd.DataFrame(kept, columns=list(COLUMNS))


def _taken_back(log: pd.DataFrame, release: str) -> set[str]:
    """Return the requests whose latest correction left them without a report."""
    held = in_force(log, release)
    return set(held.loc[held["corrects"].notna() & ~held["status"].isin(REPORTED), "id"])


def report_links(history: pd.DataFrame, outputs: Path) -> dict[str, str]:
    """Return where the bulletin finds the report of each result that has one at hand.

    Parameters
    ----------
    history : DataFrame
        From `to_date`.
    outputs : Path
        The folder of releases, with the reports of earlier ones.

    Returns
    -------
    dict of str to str
        By id, relative to the bulletin's folder; nothing that does not exist is named.
    """
    links = {}
    for row in history.drop_duplicates("id").to_dict("records"):
        name, report = str(row["id"]), f"reports/{row['id']}/report.html"
        if row["origin"] == "this release":
            links[name] = f"../{report}"
        elif row["origin"] == "earlier release":
            earlier = f"{row['release']}/{report}"
            links |= {name: f"../../{earlier}"} if (outputs / earlier).is_file() else {}
    return links


def reports_of(
    release: str,
    history: pd.DataFrame,
    log: pd.DataFrame,
    results: Sequence[Mapping[str, Any]] = (),
    outputs: Path | None = None,
) -> list[dict[str, Any]]:
    """Gather the reports that a release publishes, whoever analysed them.

    Parameters
    ----------
    release : str
        ``YYYY-MM``.
    history : DataFrame
        From `to_date`.
    log : DataFrame
        The log of requests, for what a re-analysis includes.
    results : sequence of dict
        The release's ``result.json`` contents, for what a report corrects and why.
    outputs : Path, optional
        The folder of releases, for what a corrected report was.

    Returns
    -------
    list of dict
        In order of id, each with the fields of ``result.json`` that a sentence needs: the request
        with ``extends`` and ``correction``, ``replaced`` of a corrected one, and one headline
        analysis with its rate and frequency; a frequency that the log does not hold is
        inconclusive. A notice in place of a report comes too, not reported and without analyses.
    """
    extends = log.set_index("id")["extends"].fillna("")
    corrections = {each["request"]["id"]: each["request"].get("correction") for each in results}
    before = {
        name: replaced(name, told["of"], outputs)
        for name, told in corrections.items()
        if told and outputs is not None
    }
    reports = []
    for request_id, rows in history.loc[history["release"].eq(release)].groupby("id"):
        first = rows.iloc[0]
        measures = rows.set_index("measure").reindex(["rate", "frequency"])
        measures["conclusion"] = measures["conclusion"].fillna("inconclusive")
        more = {
            "extends": str(extends.get(request_id, "")).split(),
            "correction": corrections.get(request_id),
        }
        reports.append(
            {
                "request": {name: first[name] for name in PUBLIC} | more,
                "status": "reported",
                "replaced": before.get(str(request_id)),
                "analyses": [
                    {"headline": True, "measures": measures.reset_index().to_dict("records")}
                ],
            }
        )
    return reports + [
        {**each, "replaced": before.get(each["request"]["id"])}
        for each in results
        if each["status"] != "reported" and corrections[each["request"]["id"]]
    ]
