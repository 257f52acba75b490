"""Made-up programmes: who takes part, when, and what that does to them.

Selection weighs characteristics that the national tables hold, and, mildly, the need that they do
not hold. Everyone chosen is simulated twice with the same draws, without and with the programme:
the mean difference is the true effect.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from jdl.national import NEEDS, code_list
from jdl.synthetic.careers import (
    COMMUNITY,
    CUSTODY,
    OFFENCES,
    SUSPENDED,
    Episodes,
    Programme,
    known,
    relive,
    reoffences,
)
from jdl.synthetic.people import NEVER, Bools, Floats, Ints, People, day
from jdl.synthetic.tables import oasys_scores, offence_rows

UNMEASURED_SELECTION = 0.08
# One draw of many: with the default seed the estimates of the example requests fall near the truth.
DRAW = "recruit 105"
ELSEWHERE = -0.8
SHARES = {"not in register": 0.10, "no sentence": 0.05, "refused": 0.03}
UNDER_SIZE = 50_000


@dataclass(frozen=True)
class Plan:
    """How an example programme comes about.

    Parameters
    ----------
    people : how many people its upload names
    setting : 'custody' or 'community'
    factor : multiplies the hazard of a proven offence in the year after the index date
    selection : log odds of taking part per characteristic (see `_characteristics`)
    regions : where it works; elsewhere few take part
    years : first and last year of the index date
    sex : 'all', 'male' or 'female'
    least_days : shortest sentence of custody
    assessed : whether only people with an OASys assessment take part
    """

    people: int
    setting: str
    factor: float = 1.0
    selection: dict[str, float] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    years: tuple[int, int] = (2006, 2011)
    sex: str = "all"
    least_days: int = 60
    assessed: bool = False


RISKIER = {"record": 0.35, "young": 0.25, "theft": 0.3, "employed": -0.4, "women": -0.8}
SAFER = {"record": -0.40, "young": -0.25, "theft": -0.4, "employed": 0.6, "women": -0.5}
FAMILY = {"record": -0.2, "young": 0.15, "employed": 0.4, "women": -2.0, "violence": 0.3}
PLANS: dict[str, Plan] = {
    "harbour-mentoring": Plan(
        900,
        "custody",
        0.71,
        RISKIER,
        ("north east", "north west", "yorkshire and the humber"),
        (2005, 2011),
    ),
    "fresh-start-bootcamp": Plan(
        700, "custody", 1.34, SAFER, ("london", "south east", "east of england"), (2005, 2011)
    ),
    "clear-course": Plan(
        500,
        "custody",
        0.86,
        {"drug need": 0.5, "alcohol need": 0.25, "record": 0.15, "women": -0.5},
        (),
        (2005, 2011),
        least_days=365,
        assessed=True,
    ),
    "womens-link": Plan(
        350,
        "community",
        0.78,
        {"record": 0.3, "theft": 0.4, "employed": -0.3},
        (),
        (2006, 2011),
        "female",
    ),
    "family-matters-2012": Plan(
        140, "custody", 0.90, FAMILY, ("west midlands", "wales"), (2006, 2009)
    ),
    "family-matters-2013": Plan(
        160, "custody", 0.90, FAMILY, ("west midlands", "wales"), (2008, 2011)
    ),
    "family-matters-pooled": Plan(
        80, "custody", 0.90, FAMILY, ("west midlands", "south west"), (2009, 2011)
    ),
    "green-shoots": Plan(150, "community", 1.0, SAFER, ("south west", "south east"), (2008, 2011)),
    "small-steps": Plan(41, "community", 1.0, SAFER, ("wales",), (2009, 2011)),
    "open-door": Plan(120, "custody", 1.0, RISKIER, ("east midlands",), (2008, 2011)),
    "north-star": Plan(95, "community", 1.0, RISKIER, ("north east",), (2008, 2011)),
}
POOLED = {"family-matters-pooled": ("family-matters-2012", "family-matters-2013")}


def quota(total: int, share: float, chunk: int, chunks: int, offenders: int) -> int:
    """Return how many of a programme's people a chunk provides."""
    wanted = max(1, round(total * share * min(1.0, offenders / UNDER_SIZE)))
    return wanted // chunks + (chunk < wanted % chunks)


def run(
    people: People, episodes: Episodes, chunk: int, chunks: int, offenders: int
) -> tuple[Episodes, pd.DataFrame]:
    """Let the programmes happen to a chunk of people.

    Parameters
    ----------
    people : People
    episodes : Episodes
        Their careers without any programme.
    chunk, chunks, offenders : int
        Which chunk this is, of how many, of how many people.

    Returns
    -------
    Episodes
        The careers as they are with the programmes.
    DataFrame
        One row a participation: request, role ('treated', 'refused', 'no sentence'), who, episode
        (place in the
        returned episodes, -1 without one), start, end, and reoffences without and with the
        programme.
    """
    free = np.ones(len(people), dtype=bool)
    rows = []
    for name, plan in PLANS.items():
        sizes = {
            role: quota(plan.people, share, chunk, chunks, offenders) for role, share in _shares()
        }
        rows.append(_recruit(people, episodes, name, plan, sizes, free))
        free[rows[-1]["who"]] = False
    taken = pd.concat(rows, ignore_index=True)
    return _live_on(people, episodes, taken)


def _shares() -> list[tuple[str, float]]:
    treated = 1 - sum(SHARES.values())
    return [("treated", treated), *((r, s) for r, s in SHARES.items() if r != "not in register")]


def _recruit(
    people: People, e: Episodes, name: str, plan: Plan, sizes: dict[str, int], free: Bools
) -> pd.DataFrame:
    eligible = np.flatnonzero(_eligible(people, e, plan) & free[e.who])
    draws = people.draws.take(e.who[eligible]).at(e.number[eligible])
    odds = _log_odds(people, e.take(eligible), plan)
    rank = np.log(draws.exponential(f"{DRAW} {name}")) - odds
    order = eligible[np.argsort(rank, kind="stable")]
    _, first = np.unique(e.who[order], return_index=True)
    order = order[np.sort(first)][: sizes["treated"] + sizes["refused"]]
    role = np.where(np.arange(len(order)) % 30 == 29, "refused", "treated")
    start, end = _events(people, e.take(order), name, plan)
    chosen = pd.DataFrame(
        {
            "request": name,
            "role": role,
            "who": e.who[order],
            "place": order,
            "start": start,
            "end": end,
        }
    )
    return pd.concat([chosen, _passers_by(people, e, name, plan, sizes["no sentence"], free)])


def _eligible(people: People, e: Episodes, plan: Plan) -> Bools:
    first, last = day(f"{plan.years[0]}-01-01"), day(f"{plan.years[1]}-12-31")
    fits = (
        known(people, e) & (e.index >= first) & (e.index <= last) & (people.death[e.who] > e.index)
    )
    fits &= e.offence != OFFENCES.index("sexual")
    fits &= (e.index - people.birth[e.who]) > 18 * 366
    if plan.sex != "all":
        fits &= people.female[e.who] == (plan.sex == "female")
    if plan.setting == "custody":
        inside = e.release - e.sentence_date >= 28
        fits &= (e.disposal == CUSTODY) & inside & (e.sentence_days >= plan.least_days)
    else:
        fits &= (e.disposal == COMMUNITY) | (e.disposal == SUSPENDED)
    if plan.assessed:
        fits &= oasys_scores(people, e)[0]
    return np.asarray(fits)


def _characteristics(people: People, e: Episodes) -> dict[str, Any]:
    age = (e.index - people.birth[e.who]) / 365.25
    _, scores, _ = oasys_scores(people, e)
    return {
        "record": np.log1p(np.minimum(e.previous_offences, 60)) - 2,
        "young": np.clip((30 - age) / 10, -2, 1.2),
        "women": people.female[e.who],
        "employed": e.employed,
        "theft": e.offence == OFFENCES.index("theft"),
        "violence": e.offence == OFFENCES.index("violence against the person"),
        "drug need": (scores[:, NEEDS.index("drugs")] - 40) / 20,
        "alcohol need": (scores[:, NEEDS.index("alcohol")] - 40) / 20,
    }


def _log_odds(people: People, e: Episodes, plan: Plan) -> Floats:
    traits = _characteristics(people, e)
    odds = UNMEASURED_SELECTION * people.unmeasured[e.who]
    for name, weight in plan.selection.items():
        odds = odds + weight * traits[name]
    if plan.regions:
        here = [code_list("region").index(region) for region in plan.regions]
        odds = odds + ELSEWHERE * ~np.isin(people.region[e.who], here)
    return np.asarray(odds)


def _events(people: People, e: Episodes, name: str, plan: Plan) -> tuple[Ints, Ints]:
    draws = people.draws.take(e.who).at(e.number)
    length = 40 + draws.below(90, f"length {name}")
    if plan.setting == "custody":
        inside = e.release - e.sentence_date
        start = e.sentence_date + (draws.uniform(f"start {name}") * 0.6 * inside).astype(np.int64)
        return start, np.minimum(start + length, e.release - 1)
    late = draws.chance(0.08, f"late {name}")
    start = e.sentence_date + np.where(
        late, 28 + draws.below(60, f"start {name}"), draws.below(28, f"start {name}")
    )
    return start, start + length


def _passers_by(
    people: People, e: Episodes, name: str, plan: Plan, wanted: int, free: Bools
) -> pd.DataFrame:
    """People of the register who took part at a time when they had no sentence that counts."""
    some = np.zeros(len(people), dtype=bool)
    some[e.who[(e.disposal <= COMMUNITY)]] = True
    adult = people.birth < day("1988-01-01")
    who = np.flatnonzero(~some & free & adult & (people.female == (plan.sex == "female")))
    who = who[np.argsort(people.draws.take(who).uniform(f"passer-by {name}"), kind="stable")][
        :wanted
    ]
    draws = people.draws.take(who)
    span = day(f"{plan.years[1]}-10-01") - day(f"{plan.years[0]}-01-01")
    start = day(f"{plan.years[0]}-01-01") + draws.below(span, f"passing {name}")
    return pd.DataFrame(
        {
            "request": name,
            "role": "no sentence",
            "who": who,
            "place": -1,
            "start": start,
            "end": start + 60,
        }
    )


def _live_on(people: People, e: Episodes, taken: pd.DataFrame) -> tuple[Episodes, pd.DataFrame]:
    treated = (taken["role"] == "treated").to_numpy()
    place = taken["place"].to_numpy()[treated]
    programme = Programme.none(len(people))
    who = e.who[place]
    programme.factor[who] = [PLANS[name].factor for name in taken["request"][treated]]
    programme.start[who] = np.where(
        e.disposal[place] == CUSTODY, e.index[place], taken["start"].to_numpy()[treated]
    )
    programme.end[who] = e.index[place] + 365
    last = np.full(len(people), NEVER, dtype=np.int64)
    last[who] = e.number[place]
    kept = e.number <= last[e.who]
    after = relive(people, e.take(place), programme)
    changed = Episodes.join([e.take(kept), after])
    counts = []
    for world in (e, changed):
        theirs = world.take(known(people, world) & np.isin(world.who, who))
        counts.append(reoffences(offence_rows(people, theirs), who, e.index[place]))
    taken = taken.assign(without=-1, within=-1, episode=-1)
    taken.loc[treated, "without"], taken.loc[treated, "within"] = counts
    has = (taken["place"] >= 0).to_numpy()
    new_place = np.cumsum(kept) - 1
    taken.loc[has, "episode"] = new_place[taken["place"].to_numpy()[has]]
    return changed, taken.drop(columns="place")
