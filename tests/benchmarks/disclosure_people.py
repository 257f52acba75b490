"""The people of random uploads, and what an intruder finds of those who are not told.

The intruder knows who was sent and what the upload shows of each, every printed figure, and that a
share is printed only where at least ten have it and ten have not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from intruder import WIDE, Found, Intruder

from jdl import disclosure
from jdl.disclosure import Cleared
from jdl.effects import Group, suppressed

FATES = ("analysed", "lost", "not_found")
REASONS = {
    "lost": (
        "no sentence found at the time of the intervention",
        "follow-up not yet complete in the national records",
        "offence between the index date and the start of the intervention",
        "no similar person in the comparison pool",
    ),
    "not found": "not found in the national records",
    "review": "possible match that would need a clerical review",
    "refused": "referred but did not take part",
}
KINDS = ("sex", "age", "name group", "identifier")
FOUND = ("certain pass", "probabilistic", "clerical review")
MISSED = ("not found", "review")
SHOWN = (*KINDS, "lacks surname", "lacks date of birth", "participation", "group_site")
AGES = {
    "under 25": ("18 to 20", "21 to 24"),
    "25 to 34": ("25 to 29", "30 to 34"),
    "35 to 49": ("35 to 39", "40 to 49"),
    "50 and over": ("50 and over",),
}
YEARS = {
    "18 to 20": 19, "21 to 24": 22, "25 to 29": 27, "30 to 34": 32, "35 to 39": 37,
    "40 to 49": 44, "50 and over": 58,
}  # fmt: skip


@dataclass(frozen=True)
class Upload:
    """One upload, what became of its people, and what may be told of them.

    Parameters
    ----------
    account : DataFrame
        A row a person.
    sizes : dict of str to Series of bool
        By analysis, who is in it.
    told : disclosure.People
    profile : DataFrame
        As it is told.
    """

    account: pd.DataFrame
    sizes: dict[str, pd.Series[bool]]
    told: disclosure.People
    profile: pd.DataFrame


def draw(rng: np.random.Generator) -> Upload:
    """Draw people, what became of them and the analyses made of them, and clear the lot."""
    account = people(rng, int(rng.integers(60, 300)))
    inside = account.loc[account["fate"] == "analysed"]
    sizes = analyses(rng, account)
    found = disclosure.Found(
        ways(account), levels(account), gains(rng, account), levels(account), funnel(account),
        pd.DataFrame({"rule": ["in custody"], "people": [len(inside)]}),
    )  # fmt: skip
    frame = groups(inside)
    analysed = [analysis(name, account.loc[who], frame) for name, who in sizes.items()]
    results = {
        one.wanted.id: Cleared({"rate": no_result(one.wanted.id, len(one.wanted.people))}, ())
        for one in analysed
    }
    outcome = pd.Series(rng.random(len(inside)) < 0.4, inside.index).astype(int)
    joined = inside.assign(offender_id=inside["disposal_id"], reoffended=outcome)
    kinds = kinds_of(joined)
    matched = SimpleNamespace(frame=frame, treatment_n=len(inside))
    profile = disclosure.clear_categories(
        matched, ["sex", "age_band"], account=account, within="profile"
    )
    told = disclosure.clear_people(account, found, results, analysed, kinds, profile)
    return Upload(account, sizes, told, profile)


def people(rng: np.random.Generator, many: int) -> pd.DataFrame:
    """Draw people of whom something is shown; some kinds are harder to find than others."""
    male = rng.random(many) < rng.choice([0.5, 0.9, 0.95])
    band = rng.choice(list(YEARS), many, p=rng.dirichlet([2] * len(YEARS)))
    surname = rng.random(many) < rng.choice([0.0, 0.03, 0.1])
    took = rng.choice(
        ["completed", "started", "refused"], many, p=rng.dirichlet([8, 3, rng.choice([0.1, 1])])
    )
    refused = took == "refused"
    hard = 0.25 * rng.random() * ~male + 0.4 * surname
    way = np.where(rng.random(many) < rng.choice([0.3, 0.9]), "certain pass", "probabilistic")
    by_name = rng.choice(["white", "asian", "none clear"], many, p=rng.dirichlet([5, 1, 1]))
    reviewed = rng.random(many) < rng.choice([0.0, 0.05])
    missed = rng.random(many) < rng.choice([0.02, 0.1, 0.3]) + hard
    way = np.where(reviewed, "clerical review", way)
    how = np.where(missed, rng.choice(["not found", "review"], many, p=[0.8, 0.2]), way)
    lost = refused | (rng.random(many) < rng.choice([0.02, 0.1, 0.3]))
    why = rng.choice(REASONS["lost"], many, p=rng.dirichlet([1, 1, 1, 1]))
    why = np.where(missed, pd.Series(how).map(REASONS | {"lost": ""}).fillna(""), why)
    reason = np.where(refused, REASONS["refused"], why)
    fate = np.select([missed, lost], ["not_found", "lost"], "analysed")
    disposal = pd.Series([f"d{place}" for place in range(many)], dtype=object)
    account = pd.DataFrame(
        {
            "sex": np.where(male, "male", "female"),
            "age_band": band,
            "age": pd.Series(band).map({one: age for age, all_ in AGES.items() for one in all_}),
            "years": pd.Series(band).map(YEARS).astype(float),
            "name group": by_name,
            "identifier": np.where(rng.random(many) < rng.random(), "given", "none given"),
            "lacks surname": surname,
            "lacks date of birth": rng.random(many) < rng.choice([0.0, 0.1]),
            "participation": took,
            "group_site": rng.choice(["a", "b", "c"], many, p=rng.dirichlet([3, 2, 1])),
            "could": ~refused,
            "fate": fate,
            "how": how,
            "decision": np.where(missed, how, "linked"),
            "reason": pd.Series(reason, dtype=object).where((fate != "analysed") | refused, None),
            "disposal_id": disposal.where(fate == "analysed", None),
        }
    )
    alike = [kind for kind in ("name group", "identifier", "group_site") if rng.random() < 0.5]
    return account.assign(**{kind: account[kind].iloc[0] for kind in alike})


def analyses(rng: np.random.Generator, account: pd.DataFrame) -> dict[str, pd.Series[bool]]:
    """Draw the analyses of people whom the upload shows, the headline first; some lack a few."""
    inside = account["fate"] == "analysed"
    sizes = {"headline": inside}
    for kind in ("sex", "group_site", "age"):
        if rng.random() < 0.6:
            for level in sorted(account[kind].unique()):
                who = inside & (account[kind] == level)
                if who.sum() >= 30:
                    sizes[f"{kind} {level}"] = who
    return sizes


def groups(inside: pd.DataFrame) -> pd.DataFrame:
    """Return the treated people beside comparison people who are like them."""
    treated = inside[["sex", "age_band", "disposal_id"]].assign(treated=1, weight=1.0)
    return pd.concat([treated, treated.assign(treated=0)], ignore_index=True)


def analysis(name: str, who: pd.DataFrame, frame: pd.DataFrame) -> SimpleNamespace:
    """Return an analysis as the notebook hands it to disclosure control."""
    return SimpleNamespace(
        wanted=SimpleNamespace(id=name, people=frozenset(who["disposal_id"])),
        matched=SimpleNamespace(frame=frame),
    )


def no_result(name: str, many: int) -> Any:
    """Return an analysis that tells its size."""
    return suppressed(name, "rate", Group(many), Group(900), "")


def kinds_of(joined: pd.DataFrame) -> pd.DataFrame:
    """Return how far people took part, as it is told by itself."""
    cleared = disclosure.clear_participation(joined, [], {})
    return cleared.reset_index(drop=True)


def ways(account: pd.DataFrame) -> dict[str, int]:
    """Count how people were found; nobody is listed twice."""
    names = ("certain pass", "probabilistic", "clerical review", "review", "not found")
    counts = {name: int((account["how"] == name).sum()) for name in names}
    return counts | {"incomplete": 0, "duplicate": 0}


def levels(account: pd.DataFrame) -> pd.DataFrame:
    """Count what became of the people of each level."""
    rows = []
    for kind in KINDS:
        for level, who in account.groupby(kind):
            fates = {fate: int((who["fate"] == fate).sum()) for fate in FATES}
            linked = fates["analysed"] + fates["lost"]
            rows.append({"group": kind, "level": level, "people": len(who), "linked": linked})
            rows[-1] |= fates
    return pd.DataFrame(rows)


def gains(rng: np.random.Generator, account: pd.DataFrame) -> pd.DataFrame:
    """Say what was lacking, and what it cost."""
    rows = []
    linked = account["decision"] == "linked"
    for field in ("surname", "date of birth"):
        lacks = account[f"lacks {field}"]
        missed = int((lacks & ~linked).sum())
        rows.append(
            {
                "field": field, "rows_lacking": int(lacks.sum()),
                "people_lacking": int(lacks.sum()), "rate_with": linked[~lacks].mean(),
                "rate_without": linked[lacks].mean(), "gain": float(rng.uniform(0, missed)),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def funnel(account: pd.DataFrame) -> pd.DataFrame:
    """Count the reasons for loss."""
    order = [REASONS["refused"], REASONS["not found"], REASONS["review"], *REASONS["lost"]]
    counts = account["reason"].value_counts()
    losses = [(reason, int(counts[reason])) for reason in order if reason in counts]
    rows = pd.DataFrame([("rows submitted", 0), *losses], columns=["reason", "removed"])
    return rows.assign(step=range(len(rows)), remaining=len(account) - rows["removed"].cumsum())[
        ["step", "reason", "removed", "remaining"]
    ]


# The intruder


class Sender(Intruder):
    """Somebody who knows who was sent, and reads what was told of them."""

    def __init__(self, account: pd.DataFrame) -> None:
        super().__init__(most=len(account))
        self.account = account
        self.classes = account.groupby([*SHOWN, "age_band"], sort=False).ngroup()
        for one, who in account.groupby(self.classes):
            able = bool(who["could"].iloc[0])
            self.know([f"{one}.{fate}" for fate in FATES], len(who))
            if not able:
                self.know([f"{one}.analysed"], 0)

    def of(self, fates: Sequence[str], among: pd.Series[bool] | None = None) -> list[str]:
        """Name the counts of people of these fates."""
        chosen = self.classes if among is None else self.classes[among]
        return [f"{one}.{fate}" for one in chosen.unique() for fate in fates]

    def near(self, parts: Sequence[str], printed: float, step: int, whole: int) -> None:
        """Know a count to the nearest `step`; as a share it is printed only if ten have it or not.

        A number that is all of the whole may come from above it.
        """
        low, high = printed - step / 2 + 0.5 * (step % 2 == 0), printed + step / 2
        if printed >= whole:
            low = whole - step / 2 if whole % step else low
            low = step * round(whole / step) - step / 2
        self.know(parts, max(math.ceil(low), WIDE), min(math.floor(high), whole - WIDE))


def knows(upload: Upload, *, printed: bool = True) -> Sender:
    """Return an intruder who knows who was sent and how many were analysed, and what is printed."""
    reader = Sender(upload.account)
    told, account, could = upload.told, upload.account, upload.account["could"]
    analysed = int((account["fate"] == "analysed").sum())
    reader.know(reader.of(["analysed"]), analysed)
    for parts in _sums(reader):
        reader.know(parts, 0)
    if not printed:
        return reader
    for name, one in told.results.items():
        if many := one.effects["rate"].treatment.n:
            reader.know(reader.of(["analysed"], _like(account, name) & could), many)
    for row in told.described.dropna(subset=["people"]).to_dict("records"):
        among = account["participation"] == row["participation"]
        reader.know(reader.of(["analysed"], among), round(row["people"]))
    if told.linked is not None:
        reader.know(reader.of(["analysed", "lost"]), told.linked)
    for name, many in told.counts.items():
        if many is not None and name not in ("incomplete", "duplicate"):
            reader.know([f"how.{name}"], many)
    _read_funnel(reader, told.funnel)
    _read_rates(reader, told.rates)
    _read_gains(reader, told.gains)
    _read_fates(reader, told.fates)
    _read_profile(reader, upload.profile, analysed)
    return reader


def _like(account: pd.DataFrame, name: str) -> pd.Series[bool]:
    """Tell who is meant by the name of an analysis."""
    if name == "headline":
        return account["could"]
    kind, level = name.split(" ", 1)
    return account[kind] == level


def _sums(reader: Sender) -> Iterator[dict[str, float]]:
    """Yield sums that are nought: the people of a fate less its ways, and less its reasons.

    Of those not found, some could not have been analysed anyway, and have another reason.
    """
    could = reader.account["could"]
    yield _less(reader.of(["analysed", "lost"]), [f"how.{one}" for one in FOUND])
    yield _less(reader.of(["not_found"]), [f"how.{one}" for one in MISSED])
    yield _less(reader.of(["lost"], could), [f"reason.{one}" for one in REASONS["lost"]])
    yield _less(reader.of(["not_found"], ~could), [f"apart.{one}" for one in MISSED])
    for way in MISSED:
        yield _less([f"how.{way}"], [f"reason.{REASONS[way]}", f"apart.{way}"])


def _less(parts: Sequence[str], others: Sequence[str]) -> dict[str, float]:
    return dict.fromkeys(parts, 1.0) | dict.fromkeys(others, -1.0)


def _read_funnel(reader: Sender, funnel: pd.DataFrame) -> None:
    """Read the number of each reason, and of those that have no row of their own."""
    rows = funnel.iloc[1:].set_index("reason")["removed"]
    reasons = [*REASONS["lost"], REASONS["not found"], REASONS["review"]]
    for reason in reasons:
        if reason in rows:
            reader.know([f"reason.{reason}"], rows[reason])
    rest = [f"reason.{reason}" for reason in reasons if reason not in rows]
    if rest:
        reader.know(rest, int(rows.get("other reasons", 0)))


def _read_rates(reader: Sender, rates: pd.DataFrame) -> None:
    for row in rates.to_dict("records"):
        among = reader.account[row["group"]] == row["level"]
        _read_share(reader, among, row["share"], row["low"], row["high"])


def _read_gains(reader: Sender, gains: pd.DataFrame) -> None:
    for row in gains.loc[gains["rows_lacking"] > 0].to_dict("records"):
        lacks = reader.account[f"lacks {row['field']}"]
        for which, among in (("with", ~lacks), ("without", lacks)):
            told = [row.get(f"{name}_{which}", math.nan) for name in ("share", "low", "high")]
            _read_share(reader, among, *told)
        if not math.isnan(row["gain"]):
            reader.know(reader.of(["not_found"], lacks), max(row["gain"] - 2.5, WIDE), math.inf)
        elif not math.isnan(row["fewer"]):
            reader.know(reader.of(["not_found"], lacks), WIDE, math.inf)


def _read_share(
    reader: Sender, among: pd.Series[bool], share: float, low: float, high: float
) -> None:
    """Read a share found, from people to the nearest five, or the tenth it lies in."""
    parts, people = reader.of(["analysed", "lost"], among), int(among.sum())
    if not math.isnan(share):
        reader.near(parts, round(share * people), 5, people)
    elif not math.isnan(low):
        reader.know(parts, math.ceil(low * people - 1e-9), math.floor(high * people + 1e-9))


def _read_fates(reader: Sender, fates: pd.DataFrame) -> None:
    """Read shares of those analysed, lost and not found, from people to the nearest five.

    Given with the true number of each, rounded: more than is printed.
    """
    whole = reader.account["fate"].value_counts()
    for row in fates.dropna(subset=["analysed"]).to_dict("records"):
        among = reader.account[row["group"]] == row["level"]
        for fate in FATES:
            rounded = 5 * round(whole[fate] / 5)
            reader.near(reader.of([fate], among), round(row[fate] * rounded), 5, whole[fate])


def _read_profile(reader: Sender, profile: pd.DataFrame, analysed: int) -> None:
    """Read the shares of those analysed, which the tables of balance give with one decimal."""
    bands = list(YEARS)
    for row in profile.dropna(subset=["mean_treatment"]).to_dict("records"):
        kind, among = row["variable"], reader.account[row["variable"]] == row["level"]
        if kind == "age_band" and row["level"] not in bands:
            among = reader.account["years"].map(lambda age, row=row: _is_aged(age, row["level"]))
        share = math.floor(1000 * row["mean_treatment"] + 0.5) / 1000
        low, high = (share - 0.0005) * analysed, (share + 0.0005) * analysed
        parts = reader.of(["analysed"], among & reader.account["could"])
        reader.know(parts, math.ceil(low - 1e-9), math.floor(high + 1e-9))


def _is_aged(age: float, level: str) -> bool:
    first, last = level.replace("under ", "0 to ").replace("and over", "to 200").split(" to ")
    return int(first) <= age <= int(last) - level.startswith("under")


def targets(reader: Sender) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield what the intruder asks for: a name, the counts meant, and the people they are of."""
    account, could = reader.account, reader.account["could"]
    everybody = pd.Series(True, account.index)
    shown: Iterable[tuple[str, pd.Series[bool]]] = [
        ("everybody", everybody),
        *(
            (f"{kind} {level}", account[kind] == level)
            for kind in SHOWN
            for level in sorted(account[kind].unique())
        ),
    ]
    for name, among in shown:
        able = among & could
        yield f"{name}: found", reader.of(["analysed", "lost"], among), reader.of(FATES, among)
        if able.any():
            for fate in ("analysed", "lost"):
                yield f"{name}: {fate}", reader.of([fate], able), reader.of(FATES, able)


def attack_people(seed: int) -> Iterator[Found]:
    """The people of one upload: those found, analysed and lost, of everybody and of each kind.

    What the headline's own size tells before anything else is printed is not asked for.
    """
    upload = draw(np.random.default_rng(seed))
    reader, before = knows(upload), knows(upload, printed=False)
    sizes = upload.account.groupby([reader.classes, "fate"]).size()
    true = {f"{one}.{fate}": int(many) for (one, fate), many in sizes.items()}
    for name, parts, everybody in targets(reader):
        count, whole = (sum(true.get(part, 0) for part in of) for of in (parts, everybody))
        if min(count, whole - count) < WIDE:
            told = Found(name, count, whole, *reader.range_of(parts), withheld=True)
            if told.is_open or Found(name, count, whole, *before.range_of(parts), True).is_open:
                yield told
