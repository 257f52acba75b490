"""Measure the linkage on synthetic registers: who is found, how sure that is, how fast, and peers.

Run `.venv/bin/python tests/benchmarks/linkage.py all --folder FOLDER`, or one part at a time. Each
part prints Markdown tables. The folder keeps the registers and what is prepared from them, some
4 GB, and uses them again. Parts:

accuracy, large   precision and recall on either register, by group and by slip
calibration       false links that the posteriors expect, against those there are
sentence          whether the right sentence is found for those who were linked
same-bytes        five runs on other threads and in other orders
speed             seconds and memory beside Splink, rules and recordlinkage, each in its own process
peers             precision and recall of the same
febrl             FEBRL 4, two files of 5,000 people from another generator
"""

import argparse
import hashlib
import json
import os
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cohorts
import febrl
import pandas as pd
from accuracy import Judged, best_judged, judge
from linkage_peers import METHODS, Run, run
from registers import Place, choices, corroborate, leeways, weigh, without_ids

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from plain_names import keep_names

from jdl import request, sentence
from jdl.upload import by_content

IDS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "as sent": lambda people: people,
    "without identifiers": without_ids,
}
WAYS = ("", ", with sentences")
KINDS = tuple(ids + way for ids in IDS for way in WAYS)
ENOUGH_FALSE = 400
BINS = (0, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999, 1.0001)
SPEED_ROWS = 2000
JUST_ONCE = ("Splink, trained at once",)
NOT_LARGE = ("recordlinkage",)


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
    most : int
        How many uploads the calibration may take.
    repetitions : int
        Of each measurement of speed.
    methods : tuple of str
        Whose speed and accuracy are compared.
    """

    small: Place
    large: Place
    rows: int
    seeds: tuple[int, ...]
    most: int
    repetitions: int
    methods: tuple[str, ...]

    def uploads(self, place: Place) -> Iterator[cohorts.Cohort]:
        """Draw the uploads one after the other."""
        for number, seed in enumerate(self.seeds):
            yield place.cohort(self.rows, seed, cohorts.profile(seed) if number else {})


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |")
    print(flush=True)


def both_ways(place: Place, cohort: cohorts.Cohort, people: pd.DataFrame) -> Iterator[Judged]:
    """Link an upload, alone and with its sentences, and hold it against the truth."""
    register = place.open()
    weighed = weigh(register, people)
    for one in (weighed, corroborate(place, register, people, weighed)):
        yield judge(cohort, one.scored, one.decide())
    register.engine.con.close()


def accuracy(place: Place, study: Study) -> None:
    """Precision and recall, automatic and after perfect review, and for whom they differ."""
    place.prepare()
    results: dict[str, list[Judged]] = {kind: [] for kind in KINDS}
    for cohort in study.uploads(place):
        for ids, taken in IDS.items():
            for way, one in zip(WAYS, both_ways(place, cohort, taken(cohort.people)), strict=True):
                results[ids + way].append(one)
    print(f"Register of {place.offenders:,}, uploads of {study.rows:,} rows.\n")
    table(
        ("upload", "seed", "links", "false", "expected false", "precision", "recall", "in review",
         "precision after review", "recall after review"),
        [row for kind in KINDS for row in _accuracy_rows(kind, study.seeds, results[kind])],
    )  # fmt: skip
    _print_groups(results)
    _print_losses(results)
    _print_reviews(results)


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
    ages = pd.cut(years, [0, 21, 25, 35, 50, 120], right=False).astype("str")
    ids = [rows[name].notna().map({True: name, False: ""}) for name in ("pnc_id", "prison_number")]
    return {
        "reoffended later": rows["reoffended"].map({True: "yes", False: "no"}),
        "sex": rows["sex"].fillna("not recorded"),
        "age in 2010": ages.where(years.notna(), "not recorded"),
        "names": rows["culture"].map("culture {:.0f}".format),
        "identifiers sent": ids[0].str.cat(ids[1], sep=" ").str.strip().replace("", "none"),
        "setting": rows["setting"],
        "sentence at the time": rows["disposal_id"].notna().map({True: "yes", False: "no"}),
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
        for slip, found in rows.assign(slip=kinds).explode("slip").groupby("slip")["found"]:
            slips.setdefault(slip, [len(found)]).append(int((~found).sum()))
        lost = rows.loc[~rows["found"]]
        for end, many in lost.groupby([lost["decision"], lost["reason"].fillna("")]).size().items():
            ends.setdefault(end, [0] * len(results))[place] = many
    table(("slip", "rows", *results), [(slip, *counts) for slip, counts in slips.items()])
    lines = sorted(ends.items(), key=lambda line: -sum(line[1]))
    table(("missed rows", "reason", *results), [(*end, *counts) for end, counts in lines])


def _print_reviews(results: dict[str, list[Judged]]) -> None:
    """Why rows are in review, and in how many the likeliest candidate is right."""
    lines = []
    for kind, judgements in results.items():
        rows = pd.concat([one.rows for one in judgements])
        for reason, part in rows[rows["decision"] == "review"].groupby("reason"):
            sure = part[part["posterior"] >= choices()["link_threshold"]]
            right = f"{part['likely'].sum()} of {len(part)}"
            lines.append((kind, reason, right, f"{part['posterior'].sum():.0f}",
                          f"{sure['likely'].sum()} of {len(sure)}"))  # fmt: skip
    head = ("upload", "in review", "likeliest right", "expected", "at or above the link threshold")
    table(head, lines)


def calibration(study: Study) -> None:
    """False links without identifiers, pooled until there are enough: how many were expected."""
    place = study.small
    place.prepare()
    pooled: list[list[pd.DataFrame]] = [[] for _ in WAYS]
    false = [0] * len(WAYS)
    uploads = 0
    while min(false) < ENOUGH_FALSE and uploads < study.most:
        seed = 1000 * study.seeds[0] + uploads
        cohort = place.cohort(study.rows, seed, cohorts.profile(seed))
        for way, one in enumerate(both_ways(place, cohort, without_ids(cohort.people))):
            pooled[way].append(one.linked[["posterior", "right"]])
            false[way] += one.false
        uploads += 1
    print(f"Register of {place.offenders:,}, {uploads} uploads of {study.rows:,} rows.\n")
    table(
        (
            "without identifiers",
            "posterior",
            "links",
            "expected false",
            "false",
            "false / expected",
        ),
        [row for way, parts in zip(WAYS, pooled, strict=True) for row in _bins(way, parts)],
    )


def _bins(way: str, parts: list[pd.DataFrame]) -> Iterator[tuple[object, ...]]:
    links = pd.concat(parts).assign(expected=lambda rows: 1 - rows["posterior"])
    links["wrong"] = ~links["right"]
    name = way.removeprefix(", ") or "alone"
    by_bin = links.groupby(pd.cut(links["posterior"], BINS, right=False), observed=True)
    for interval, part in [*by_bin, (None, links)]:
        bounds = f"{interval.left:g} to {min(interval.right, 1):g}" if interval else "all"
        expected, wrong = part["expected"].sum(), int(part["wrong"].sum())
        yield name, bounds, len(part), f"{expected:.1f}", wrong, _ratio(wrong, expected)


def _ratio(one: float, other: float) -> str:
    return f"{one / other:.2f}" if other else "-"


def sentences(study: Study) -> None:
    """Of those linked rightly, whether the sentence is the one they took part in."""
    place = study.small
    place.prepare()
    rows = [
        _located(place, cohort, f"study, seed {seed}")
        for seed, cohort in zip(study.seeds, study.uploads(place), strict=True)
    ]
    rows += _examples(place)
    head = ("upload", "people linked rightly", "right sentence", "another", "none", "share right")
    table(head, rows)


def _located(place: Place, cohort: cohorts.Cohort, name: str) -> tuple[object, ...]:
    register = place.open()
    keep_names(register.engine.con)
    people = cohort.people
    weighed = corroborate(place, register, people, weigh(register, people))
    links = weighed.decide().table
    located = sentence.locate(
        register.engine.con, place.vintage, people, links, sex="all", region=None, **leeways()
    )
    register.engine.con.close()
    return _sentence_row(name, located, cohort.truth)


def _sentence_row(name: str, located: pd.DataFrame, truth: pd.DataFrame) -> tuple[object, ...]:
    """Compare where the link itself is right; a person counts once."""
    rows = located.merge(truth, on="row", suffixes=("", "_true"), validate="one_to_one")
    rows = rows[rows["reason"].ne(sentence.DUPLICATE) & rows["disposal_id_true"].notna()]
    rows = rows[rows["offender_id"].eq(rows["offender_id_true"])]
    right = int(rows["disposal_id"].eq(rows["disposal_id_true"]).sum())
    none = int(rows["disposal_id"].isna().sum())
    share = f"{right / len(rows):.4f}" if len(rows) else "-"
    return name, len(rows), right, len(rows) - right - none, none, share


def _examples(place: Place) -> list[tuple[object, ...]]:
    """The uploads that the generator wrote for the example requests."""
    made = place.folder / place.name
    truth = pd.read_parquet(made / "truth" / "person_links.parquet")
    rows = []
    for folder in sorted(made.joinpath("requests").glob("*/request.toml")):
        asked = request.read_request(folder.parent)
        upload = request.read_upload(asked)
        if upload is None:
            continue
        register = place.open()
        keep_names(register.engine.con)
        dates = leeways() | {"setting": asked.setting, "cautions": asked.cautions}
        weighed = corroborate(
            place, register, upload.people, weigh(register, upload.people), **dates
        )
        located = sentence.locate(
            register.engine.con, place.vintage, upload.people, weighed.decide().table,
            sex=asked.sex, region=asked.region, **dates,
        )  # fmt: skip
        register.engine.con.close()
        own = truth[truth["request"].eq(folder.parent.name) & truth["role"].eq("treated")]
        rows.append(_sentence_row(f"example {folder.parent.name}", located, own))
    return rows


@dataclass(frozen=True)
class Order:
    """Under what conditions the bytes are made."""

    threads: int = 1
    upload: int = 0
    register: int = 0


ORDERS = (Order(), Order(threads=2), Order(upload=1), Order(2, 2, 3), Order(1, 4, 5))


def same_bytes(study: Study) -> None:
    """The same links and the same model, whatever the threads and the order of the rows."""
    place = study.small
    place.prepare()
    file = _written(place.cohort(study.rows, study.seeds[0], {}).people, place, "same")
    rows = []
    for order in ORDERS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            rows.append((*_told(order), *fresh.submit(digests, place, file, order).result()))
    table(("threads", "upload", "register", "links", "model"), rows)
    print("All the same." if len({row[3:] for row in rows}) == 1 else "NOT the same.", flush=True)


def _told(order: Order) -> tuple[int, str, str]:
    upload = "mixed" if order.upload else "as it came"
    return order.threads, upload, "mixed, prepared again" if order.register else "as it came"


def digests(place: Place, file: Path, order: Order) -> tuple[str, str]:
    """Link an upload and hash the bytes of the links, and those of the model."""
    there = Place(place.folder, place.offenders, place.seed, order.register)
    there.prepare(order.threads)
    people = pd.read_parquet(file)
    if order.upload:
        people = people.sample(frac=1, random_state=order.upload, ignore_index=True)
    people = by_content(people.assign(reference=""))
    register = there.open(order.threads)
    links = corroborate(there, register, people, weigh(register, people)).decide()
    written = links.table.to_csv(index=False) + links.near.to_csv(index=False)
    links_hash, model_hash = (
        hashlib.sha256(text.encode()).hexdigest()[:16]
        for text in (written, json.dumps(register.model, sort_keys=True))
    )
    return links_hash, model_hash


def _written(people: pd.DataFrame, place: Place, name: str) -> Path:
    file = place.folder / f"upload-{place.name}-{name}.parquet"
    people.to_parquet(file)
    return file


def speed(study: Study) -> None:
    """What linking one upload takes, beside the peers; one process each, in turn."""
    for place in (study.small, study.large):
        spent = place.prepare()
        cohort = place.cohort(SPEED_ROWS, study.seeds[0], {})
        file = _written(cohort.people, place, "speed")
        large = place is study.large
        methods = [name for name in study.methods if not (large and name in NOT_LARGE)]
        runs: dict[str, list[Run]] = {name: [] for name in methods}
        for repetition in range(study.repetitions):
            for name in methods:
                if not (repetition and name in JUST_ONCE):
                    runs[name].append(run(name, place, file))
        load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
        print(f"{SPEED_ROWS:,} rows, register of {place.offenders:,}; load average {load}.\n")
        typical = {name: statistics.median(one.seconds for one in of) for name, of in runs.items()}
        table(
            ("method", "runs", "seconds, median", "ratio to the first", "CPU seconds",
             "start, s", "peak memory, GB"),
            [
                (name, len(of), f"{typical[name]:.2f}",
                 _ratio(typical[name], typical[study.methods[0]]),
                 f"{statistics.median(one.cpu for one in of):.2f}",
                 f"{statistics.median(one.start for one in of):.2f}",
                 f"{statistics.median(one.peak for one in of) / 1e9:.2f}")
                for name, of in runs.items()
            ],
        )  # fmt: skip
        _print_set_up(place, spent, typical)


def _print_set_up(place: Place, spent: dict[str, float], typical: dict[str, float]) -> None:
    """What is prepared once, and after how many uploads that has paid."""
    size = sum(file.stat().st_size for file in place.prepared.iterdir() if file.is_file())
    keys = sum(spent[name] for name in spent if name.endswith("keys") or name == "layout")
    whole = sum(spent.values())
    print(f"Set-up, once a vintage: {whole:.0f} s and {size / 1e6:.0f} MB, of which the model "
          f"{spent['model']:.0f} s and the keys {keys:.0f} s.")  # fmt: skip
    mine = next(iter(typical.values()))
    for name, cost in (("Splink, trained at once", whole), ("Splink, jdl's saved model", keys)):
        if typical.get(name, 0) > mine:
            print(f"Against '{name}' {cost:.0f} s are paid back after "
                  f"{cost / (typical[name] - mine):.1f} uploads.")  # fmt: skip
    print(flush=True)


def peers(study: Study) -> None:
    """Precision and recall of the peers on the first two uploads."""
    place = study.small
    place.prepare()
    rows = []
    uploads = [cohort for _, cohort in zip(range(2), study.uploads(place), strict=False)]
    for ids, taken in IDS.items():
        files = [
            _written(taken(cohort.people), place, f"peers-{n}") for n, cohort in enumerate(uploads)
        ]
        for name in study.methods:
            runs = [run(name, place, file) for file in files]
            marks = [
                best_judged(cohort, one.best) for cohort, one in zip(uploads, runs, strict=True)
            ]
            shares = (statistics.fmean(values) for values in zip(*marks, strict=True))
            seconds = statistics.fmean(one.seconds for one in runs)
            peak = max(one.peak for one in runs) / 1e9
            cells = (*(f"{share:.4f}" for share in shares), f"{seconds:.1f}", f"{peak:.2f}")
            rows.append((ids, name, *cells))
    print(f"Register of {place.offenders:,}, {len(uploads)} uploads of {study.rows:,} rows.\n")
    table(
        ("upload", "method", "precision", "recall", "recall at precision .999, in hindsight",
         "seconds", "peak memory, GB"),
        rows,
    )  # fmt: skip


PARTS: dict[str, Callable[[Study], None]] = {
    "accuracy": lambda study: accuracy(study.small, study),
    "large": lambda study: accuracy(study.large, study),
    "calibration": calibration,
    "sentence": sentences,
    "same-bytes": same_bytes,
    "speed": speed,
    "peers": peers,
    "febrl": lambda study: table(*febrl.measured(study.small.folder)),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the parts that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=(*PARTS, "all"))
    parser.add_argument("--folder", type=Path, required=True)
    size = ("OFFENDERS", "SEED")
    parser.add_argument("--small", type=int, nargs=2, default=(1_000_000, 71), metavar=size)
    parser.add_argument("--large", type=int, nargs=2, default=(10_000_000, 72), metavar=size)
    parser.add_argument("--rows", type=int, default=50_000, help="of each upload")
    parser.add_argument("--seeds", type=int, nargs="+", default=[921, 922, 923], help="of uploads")
    parser.add_argument("--most", type=int, default=60, help="uploads for the calibration")
    parser.add_argument("--repetitions", type=int, default=3, help="of each timing")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    asked = parser.parse_args(arguments)
    asked.folder.mkdir(parents=True, exist_ok=True)
    small, large = (Place(asked.folder, *place) for place in (asked.small, asked.large))
    study = Study(
        small, large, asked.rows, tuple(asked.seeds), asked.most, asked.repetitions,
        tuple(asked.methods),
    )  # fmt: skip
    for name, part in PARTS.items():
        if asked.part in (name, "all"):
            part(study)


if __name__ == "__main__":
    main()
