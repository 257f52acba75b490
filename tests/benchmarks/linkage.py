"""Measure the linkage on synthetic registers: who is found, how sure that is, how fast, and peers.

Run `.venv/bin/python tests/benchmarks/linkage.py all --folder FOLDER`, or one part at a time. Each
part prints Markdown tables. The folder keeps the registers and what is prepared from them.
"""

import argparse
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cohorts
import pandas as pd
from accuracy import Judged, judge
from registers import Place, link, without_ids

KINDS = {
    "as sent": (False, False),
    "as sent, with sentences": (False, True),
    "without identifiers": (True, False),
    "without identifiers, with sentences": (True, True),
}


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |")
    print(flush=True)


@dataclass(frozen=True)
class Study:
    """What is measured.

    Parameters
    ----------
    small, large : Place
        The registers.
    rows : int
        Of each upload.
    seeds : tuple of int
        Of the uploads; the first has the error profile of the examples, the others each their own.
    """

    small: Place
    large: Place
    rows: int
    seeds: tuple[int, ...]

    def uploads(self, place: Place) -> Iterator[tuple[int, cohorts.Cohort]]:
        """Draw the uploads one after the other."""
        for number, seed in enumerate(self.seeds):
            often = cohorts.profile(seed) if number else None
            yield seed, place.cohort(self.rows, seed, often)


def judged(place: Place, cohort: cohorts.Cohort, bare: bool, corroborated: bool) -> Judged:
    """Link an upload and hold it against the truth."""
    register = place.open()
    people = without_ids(cohort.people) if bare else cohort.people
    came = link(place, register, people, corroborated)
    register.con.close()
    return judge(cohort, came.scored, came.links)


def accuracy(place: Place, study: Study) -> None:
    """Precision and recall, automatic and after perfect review, and for whom they differ."""
    place.prepare()
    results: dict[str, list[Judged]] = {kind: [] for kind in KINDS}
    for _, cohort in study.uploads(place):
        for kind, (bare, corroborated) in KINDS.items():
            results[kind].append(judged(place, cohort, bare, corroborated))
    print(f"Register of {place.offenders:,}, uploads of {study.rows:,} rows.\n")
    table(
        ("upload", "seed", "links", "false", "expected false", "precision", "recall", "in review",
         "precision after review", "recall after review"),
        [row for kind in KINDS for row in _accuracy_rows(kind, study.seeds, results[kind])],
    )  # fmt: skip
    _print_groups(results)
    _print_losses(results)


def _accuracy_rows(
    kind: str, seeds: Sequence[int], results: list[Judged]
) -> Iterator[tuple[object, ...]]:
    shares = []
    for seed, result in zip(seeds, results, strict=True):
        share = (result.precision, result.recall, result.reviewed, *result.after_review)
        shares.append(share)
        counts = (len(result.linked), result.false, f"{result.expected:.1f}")
        yield kind, seed, *counts, *(f"{value:.4f}" for value in share)
    links, false, expected = (
        sum(values)
        for values in zip(*((len(r.linked), r.false, r.expected) for r in results), strict=True)
    )
    means = (statistics.fmean(values) for values in zip(*shares, strict=True))
    yield kind, "mean", links, false, f"{expected:.1f}", *(f"{value:.4f}" for value in means)


def _groups(rows: pd.DataFrame) -> dict[str, pd.Series]:
    years = (pd.Timestamp("2010-01-01") - pd.to_datetime(rows["birth"])).dt.days // 365.25
    ids = [rows[name].notna().map({True: name, False: ""}) for name in ("pnc_id", "prison_number")]
    return {
        "reoffended later": rows["reoffended"].map({True: "yes", False: "no"}),
        "sex": rows["sex"],
        "age": pd.cut(years, [0, 21, 25, 35, 50, 120], right=False).astype("str"),
        "names": rows["culture"].map("culture {:.0f}".format),
        "identifiers sent": ids[0].str.cat(ids[1], sep=" ").str.strip().replace("", "none"),
        "setting": rows["setting"],
    }


def _print_groups(results: dict[str, list[Judged]]) -> None:
    """Recall by group, with half the width of its 95 % interval."""
    lines: dict[tuple[str, str], list[str]] = {}
    for judgements in results.values():
        for name in _groups(judgements[0].rows):
            parts = pd.concat([one.recall_by(_groups(one.rows)[name]) for one in judgements])
            for group, part in parts.groupby(level=0):
                people = part["people"].sum()
                recall = (part["people"] * part["recall"]).sum() / people
                half = 1.96 * (recall * (1 - recall) / people) ** 0.5
                line = lines.setdefault((name, str(group)), [f"{people:,}"])
                line.append(f"{recall:.4f} ± {half:.4f}")
    table(("by", "group", "people", *results), [(*key, *line) for key, line in lines.items()])


def _print_losses(results: dict[str, list[Judged]]) -> None:
    """Which slips are missed, and what became of the rows."""
    slips: dict[str, list[int]] = {}
    ends: dict[tuple[str, str], list[int]] = {}
    for place, judgements in enumerate(results.values()):
        rows = pd.concat([one.rows.assign(found=one.found_rows) for one in judgements])
        rows = rows.dropna(subset=["who"])
        kinds = rows["errors"].where(rows["errors"] != "", "none").str.split("; ")
        each = rows.assign(slip=kinds).explode("slip").groupby("slip")["found"]
        for slip, part in each.agg(["size", lambda found: (~found).sum()]).iterrows():
            slips.setdefault(slip, [part.iloc[0]]).append(part.iloc[1])
        lost = rows.loc[~rows["found"]]
        for end, many in lost.groupby([lost["decision"], lost["reason"].fillna("")]).size().items():
            ends.setdefault(end, [0] * len(results))[place] = many
    table(("slip", "rows", *results), [(slip, *counts) for slip, counts in slips.items()])
    lines = sorted(ends.items(), key=lambda line: -sum(line[1]))
    table(("missed rows", "reason", *results), [(*end, *counts) for end, counts in lines])


PARTS: dict[str, Callable[[Study], None]] = {
    "accuracy": lambda study: accuracy(study.small, study),
    "large": lambda study: accuracy(study.large, study),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=(*PARTS, "all"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--small", type=int, nargs=2, default=(1_000_000, 71))
    parser.add_argument("--large", type=int, nargs=2, default=(10_000_000, 72))
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[921, 922, 923])
    asked = parser.parse_args(arguments)
    small, large = (Place(asked.folder, *place) for place in (asked.small, asked.large))
    study = Study(small, large, asked.rows, tuple(asked.seeds))
    for name, part in PARTS.items():
        if asked.part in (name, "all"):
            part(study)


if __name__ == "__main__":
    main()
