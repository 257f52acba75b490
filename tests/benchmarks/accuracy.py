"""Hold what was linked against who is who."""

from dataclasses import dataclass

import pandas as pd
from cohorts import Cohort

from jdl import linkage


@dataclass(frozen=True)
class Judged:
    """The rows of an upload, what was decided about each, and whether that is right.

    Parameters
    ----------
    rows : DataFrame
        One row an upload row: the truth, what identifiers and setting were sent, who (one name for
        both records of a person held twice; missing for strangers), decision, reason, stage,
        posterior, right (of the linked rows), seen (of the rows in review: whether the right person
        is among the candidates) and likely (of the same: whether it is the likeliest).
    """

    rows: pd.DataFrame

    @property
    def linked(self) -> pd.DataFrame:
        """The rows that were linked."""
        return self.rows.loc[self.rows["decision"] == "linked"]

    @property
    def false(self) -> int:
        """How many links are wrong."""
        return int((~self.linked["right"]).sum())

    @property
    def expected(self) -> float:
        """How many links are wrong by their posteriors."""
        return float((1 - self.linked["posterior"]).sum())

    @property
    def precision(self) -> float:
        """The share of the links that are right."""
        return float(self.linked["right"].mean())

    @property
    def there(self) -> set[str]:
        """The people who are in the register, each once."""
        return set(self.rows["who"].dropna())

    @property
    def found(self) -> set[str]:
        """Those of them who were linked rightly."""
        return set(self.linked.loc[self.linked["right"], "who"])

    @property
    def found_rows(self) -> pd.Series:
        """Of each row, whether its person was linked rightly, by whichever row."""
        return self.rows["who"].isin(self.found)

    @property
    def recall(self) -> float:
        """The share of the people in the register who were linked rightly."""
        return len(self.found) / len(self.there)

    @property
    def reviewed(self) -> float:
        """The share of the rows that are left to review."""
        return float(self.rows["decision"].eq("review").mean())

    @property
    def after_review(self) -> tuple[float, float]:
        """Precision and recall if every review ended with the truth."""
        seen = self.rows.loc[self.rows["seen"], "who"]
        links = len(self.linked) + len(seen)
        return 1 - self.false / links, len(self.found | set(seen)) / len(self.there)

    def recall_by(self, group: pd.Series) -> pd.DataFrame:
        """Recall among groups of rows; a person belongs to the group of the first row.

        Returns
        -------
        DataFrame
            By group: people and recall.
        """
        people = self.rows.assign(group=group).dropna(subset=["who", "group"])
        people = people.drop_duplicates("who")
        found = people["who"].isin(self.found)
        return found.groupby(people["group"], observed=True).agg(people="size", recall="mean")


def one_name(people: pd.Series, cohort: Cohort) -> pd.Series:
    """Give both records of a person held twice one name."""
    other = people.map(cohort.same).astype("str")
    return people.where(other.isna() | (people < other), other)


def judge(cohort: Cohort, scored: linkage.Scored, links: linkage.Links) -> Judged:
    """Hold links against the truth: a link is right to any record of the very same person."""
    told = ["row", "person", "offender_id", "decision", "reason", "stage", "posterior"]
    rows = cohort.truth.merge(
        links.table[told], on="row", suffixes=("_true", ""), validate="one_to_one"
    )
    sent = cohort.people[["row", "pnc_id", "prison_number", "setting"]]
    rows = rows.merge(sent, on="row", validate="one_to_one")
    rows["who"] = one_name(rows["offender_id_true"], cohort)
    right = one_name(rows["offender_id"], cohort) == rows["who"]
    rows["right"] = right.where(rows["decision"] == "linked").astype("boolean")
    weighed = scored.pairs[["person"]].assign(who=one_name(scored.pairs["offender_id"], cohort))
    pairs = pd.MultiIndex.from_frame(rows[["person", "who"]])
    possible = pairs.isin(pd.MultiIndex.from_frame(weighed[["person", "who"]]))
    review = rows["decision"].eq("review") & rows["who"].notna()
    rows["seen"] = review & possible
    likeliest = weighed.drop_duplicates("person").set_index("person")["who"]
    rows["likely"] = review & rows["person"].map(likeliest).eq(rows["who"])
    return Judged(rows)


def best_judged(
    cohort: Cohort, best: pd.DataFrame, precision: float = 0.999
) -> tuple[float, float, float]:
    """Hold the best register person of each row against the truth.

    Parameters
    ----------
    cohort : Cohort
    best : DataFrame
        row, offender_id, score, linked.
    precision : float
        What must be held in hindsight.

    Returns
    -------
    tuple of float
        Precision and recall of what is linked; the greatest recall at `precision`, if the
        threshold of the score were chosen with the truth in hand.
    """
    who = one_name(cohort.truth.set_index("row")["offender_id"], cohort)
    there = who.nunique()
    rows = best.assign(who=best["row"].map(who))
    rows["right"] = one_name(rows["offender_id"], cohort).eq(rows["who"])
    linked = rows[rows["linked"]]
    falling = rows.sort_values("score", ascending=False)
    falling["precise"] = falling["right"].cumsum() / range(1, len(falling) + 1)
    last_of_score = ~falling["score"].duplicated(keep="last")
    enough = falling.loc[last_of_score & (falling["precise"] >= precision), "score"]
    taken = falling[falling["score"] >= enough.min()]
    return (
        float(linked["right"].mean()),
        linked.loc[linked["right"], "who"].nunique() / there,
        taken.loc[taken["right"], "who"].nunique() / there,
    )
