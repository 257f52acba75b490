"""Attack what disclosure control lets out, by integer programming, on random tables.

Run `.venv/bin/python tests/benchmarks/disclosure.py --sets 1000 [--acro PYTHON]`: the intruder
knows the rules and who is in which table, adds and subtracts, and asks for the range of every
count that is withheld. PYTHON is an interpreter that holds acro, which pins an old pandas.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from disclosure_people import attack_people
from intruder import WIDE, Found, Intruder

from jdl import disclosure
from jdl.effects import ALL, Effect, Group

COURTS = ("indictable", "either way", "summary")


# Several analyses of one request, and of requests one after the other


def outcomes(rng: np.random.Generator, many: int) -> pd.DataFrame:
    """People of a treatment group with outcomes, some of them rare and some nearly everybody's."""
    again = rng.random(many) < rng.choice([0.08, 0.3, 0.5, 0.85])
    first = rng.choice(COURTS, many, p=rng.dirichlet([1, 2, 3]))
    counts = {
        f"reoffences_{name.replace(' ', '_')}": rng.poisson(rng.choice([0.1, 0.5, 2.0]), many)
        for name in COURTS
    }
    custody = rng.random(many) < rng.choice([0.05, 0.4, 0.95])
    frame = pd.DataFrame(
        {
            "offender_id": [f"p{one}" for one in range(many)],
            "treated": 1,
            "weight": 1.0,
            "reoffended": again,
            "days_to_first": np.where(again, 100.0, np.nan),
            "first_court_outcome": pd.Series(first).where(again, None),
            "first_custodial": pd.Series(custody, dtype=object).where(again, None),
            "custodial_sentences": np.where(again, custody * rng.integers(1, 4, many), 0),
            **{name: np.where(again, values, 0) for name, values in counts.items()},
        }
    )
    first_counts = [f"reoffences_{name.replace(' ', '_')}" for name in COURTS]
    return frame.assign(reoffences=frame[first_counts].sum(axis=1).clip(lower=again.astype(int)))


def analysed(name: str, people: pd.DataFrame) -> SimpleNamespace:
    """An analysis of these people, as the notebook hands it to disclosure control."""
    others = people.iloc[[0, 0]].assign(offender_id=["c1", "c2"], treated=0)
    frame = pd.concat([people, others], ignore_index=True)
    matched = SimpleNamespace(
        accepted=True, frame=frame[["offender_id", "treated", "weight"]], treatment_n=len(people),
        comparison_n=900, comparison_people=800, effective_n=400.0,
    )  # fmt: skip
    return SimpleNamespace(
        wanted=SimpleNamespace(id=name), matched=matched, sample=frame,
        effects=effects_of(name, people), adjusted={},
    )  # fmt: skip


def effects_of(name: str, people: pd.DataFrame) -> dict[str, Effect]:
    """The effects that the outcomes of these people imply."""
    effects = {}
    for measure, described in ALL.items():
        values = described.values(people)[described.rows(people)].astype(float)
        many = len(values)
        mean = float(values.mean()) if many else 0.0
        sd = float(values.std(ddof=1)) if many > 1 else 0.0
        group = Group(n=many, people=many, mean=mean, sd=sd, effective_n=many, events=many * mean)
        effects[measure] = Effect(
            name, measure, group, group, 0.0, -0.1, 0.1, 1.0, 50.0, False, "inconclusive",
            described.favourable, None, None, 0.2,
        )  # fmt: skip
    return effects


def subgroups(rng: np.random.Generator, people: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The people, their parts by one field or two, and parts of which a few were not matched."""
    groups = {"headline": people}
    for field in range(rng.integers(1, 3)):
        level = rng.choice(["a", "b", "c"], len(people), p=rng.dirichlet([3, 2, 1]))
        for name in np.unique(level):
            part = people.loc[level == name]
            kept = part.drop(
                index=rng.choice(part.index, min(len(part), rng.integers(0, 4)), False)
            )
            if len(kept) >= 30:
                groups[f"{field}{name}"] = kept
    if rng.random() < 0.5:
        groups["again"] = people.drop(index=rng.choice(people.index, rng.integers(0, 15), False))
    return groups


def attack_analyses(seed: int) -> Iterator[Found]:
    """Several analyses of one upload: the withheld events, and those who differ between two."""
    rng = np.random.default_rng(seed)
    people = outcomes(rng, int(rng.integers(60, 500)))
    groups = subgroups(rng, people)
    cleared = disclosure.clear_analyses([analysed(*entry) for entry in groups.items()])
    told = {name: one.effects for name, one in cleared.items()}
    yield from attack_events(people, groups, [told[name] for name in groups])


STEPS = ("few", "many", "more", "again", "others")


def cohorts(rng: np.random.Generator, people: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Three cohorts one after the other, each made from the one before.

    A few people come and go, or many; only more come; the same people again, as in a correction; or
    people of another provider, of whom some are shared.
    """
    order = rng.permutation(len(people))
    chosen = order[: rng.integers(60, 250)]
    yield people.iloc[np.sort(chosen)]
    for step in rng.choice(STEPS, 2):
        rest = np.setdiff1d(order, chosen)
        come, go = {
            "few": (rng.integers(0, 10), rng.integers(0, 10)),
            "many": (rng.integers(10, 120), rng.integers(10, 40)),
            "more": (rng.integers(1, 120), 0),
            "again": (0, 0),
            "others": (rng.integers(60, 150), len(chosen) * rng.random()),
        }[step]
        stay = rng.choice(chosen, len(chosen) - int(go), replace=False)
        chosen = np.concatenate([stay, rng.choice(rest, min(int(come), len(rest)), replace=False)])
        yield people.iloc[np.sort(chosen)]


def attack_releases(seed: int) -> Iterator[Found]:
    """Three requests in releases one after the other, each held against those before it."""
    rng = np.random.default_rng(seed)
    people = outcomes(rng, 500)
    before: list[disclosure.Published] = []
    groups, told = {}, []
    for place, cohort in enumerate(cohorts(rng, people)):
        mine = subgroups(rng, cohort)
        asked = [analysed(*entry) for entry in mine.items()]
        cleared = disclosure.clear_analyses(asked, before=before)
        before += disclosure.what_is_told(asked, cleared).values()
        groups |= {f"{place}.{name}": group for name, group in mine.items()}
        told += [cleared[name].effects for name in mine]
    yield from attack_events(people, groups, told)


def attack_events(
    people: pd.DataFrame, groups: Mapping[str, pd.DataFrame], told: Sequence[Mapping[str, Effect]]
) -> Iterator[Found]:
    """Give the range of the events withheld of each group, and of those in one and not in another.

    The intruder knows everybody who is in each group.
    """
    sets = [frozenset(one["offender_id"]) for one in groups.values()]
    pattern = people["offender_id"].map(lambda one: tuple(one in who for who in sets))
    pattern = pattern.loc[pattern.map(any)]
    sizes = pattern.value_counts().to_dict()
    for shares in SHARES:
        knows = _knowledge(shares, sizes, told)
        for measure in shares:
            had = people.index[ALL[measure].values(people) > 0].intersection(pattern.index)
            true = pattern.loc[had].value_counts().to_dict()
            for name, atoms, withheld in _targets(measure, list(groups), sizes, told):
                count, whole = (int(sum(many.get(a, 0) for a in atoms)) for many in (true, sizes))
                if withheld or min(count, whole - count) < WIDE:
                    parts = [f"{measure}{atom}" for atom in atoms]
                    met = knows.seen(parts)
                    found = Found(f"{measure}: {name}", count, whole, *met or (0, 0), withheld)
                    if not met or not found.is_open:
                        low, high = knows.range_of(parts)
                        found = replace(found, low=low, high=high)
                    yield found


SHARES = (("rate",), disclosure.COURT_OUTCOMES, ("first_custody",))


def _knowledge(
    shares: Sequence[str], sizes: Mapping[Any, int], told: Sequence[Mapping[str, Effect]]
) -> Intruder:
    """What is known of the events of some shares, by those who are in the same groups.

    Every reoffender has one first court outcome.
    """
    knows = Intruder()
    for atom, many in sizes.items():
        knows.know([f"rate{atom}"], 0, many)
        if shares != ("rate",):
            least = 0 if len(shares) > 1 else -many
            some = {f"{one}{atom}": 1 for one in shares}
            knows.know({**some, f"rate{atom}": -1}, least, 0)
    for place, effects in enumerate(told):
        for which in {*shares, "rate"}:
            if effects[which].conclusion != "suppressed":
                atoms = [f"{which}{atom}" for atom in sizes if atom[place]]
                knows.know(atoms, round(effects[which].treatment.events or 0))
    return knows


def _targets(
    measure: str, names: Sequence[str], sizes: Mapping[Any, int], told: Sequence[Any]
) -> Iterator[tuple[str, list[Any], bool]]:
    """Yield what the intruder asks for: a name, who is meant, and whether it is a withheld cell."""
    for place, name in enumerate(names):
        if told[place][measure].conclusion == "suppressed":
            yield name, [atom for atom in sizes if atom[place]], True
    for (i, one), (j, other) in itertools.permutations(enumerate(names), 2):
        if atoms := [atom for atom in sizes if atom[i] and not atom[j]]:
            yield f"{one} without {other}", atoms, False


FAMILIES = {
    "analyses of one request": attack_analyses,
    "releases one after the other": attack_releases,
    "people of one upload": attack_people,
}


def main() -> None:
    """Attack every family of tables, and print how many counts stayed open."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20141106)
    asked = parser.parse_args()
    seeds = random.Random(asked.seed)
    print("| tables | sets | small counts withheld | narrowed | small differences | narrowed |")
    print("|---|---|---|---|---|---|")
    for name, attack in FAMILIES.items():
        many = asked.sets // len(FAMILIES)
        found = [one for _ in range(many) for one in attack(seeds.randrange(2**32))]
        counts = []
        for withheld in (True, False):
            small = [one for one in found if one.is_small and one.withheld is withheld]
            narrow = [one for one in small if not one.is_open]
            counts += [f"{len(small)} | {len(narrow)}"]
            for one in narrow[:10]:
                print(" ", one, file=sys.stderr)
        print(f"| {name} | {many} | {' | '.join(counts)} |", flush=True)


if __name__ == "__main__":
    main()
