"""The national tables of made-up people and careers, as Arrow tables."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jdl.national import DISPOSALS, NEEDS, TABLES, code_list
from jdl.synthetic.careers import (
    COMMUNITY,
    CONVICTION,
    CUSTODY,
    NOTICE,
    OFFENCE_CDF,
    OFFENCES,
    SUSPENDED,
    TRAITS,
    Episodes,
    known,
)
from jdl.synthetic.people import (
    LAST_DAY,
    NEVER,
    Bools,
    Draws,
    Ints,
    People,
    day,
    forenames,
    joined,
    names,
    padded,
    pick,
    pnc_ids,
    prison_numbers,
    surnames,
    words_of,
)

EXTRACTED = day("2013-10-31")
OASYS_FROM = day("2004-01-01")
PROVEN_BY = ("conviction", "caution", "reprimand", "warning", "penalty notice")
BENEFITS = code_list("benefit")
# Ten regions of four prisons for men, then three for women.
_PRISONS = """
    Ashcombe Barrowby Calderwick Dunmere Eastholt Farncote Gorseley Hathersedge Inglewood
    Jarrowfield Kestrel-Moor Langbarrow Merrowdown Netherby Oakhanger Penhallow Quarrington
    Ravensmoor Silverdale Thornaby-Grange Ulverstone Vinehall Westerham-Hythe Yarnbrook
    Aldercarr Brackenhurst Crowmarsh Dovecliff Elmsworth Foxcovert Greyfriars Holmepier
    Ivelbridge Kingsmere Lowmoor Millbeck Northolme Otterburn-Vale Pikehall Rushbeck Marlowe-
    Grange Hollybrook Swanmore
"""
PRISONS = tuple(f"HMP {name}" for name in _PRISONS.split())
_ARROW = {
    "id": pa.string(),
    "text": pa.string(),
    "date": pa.date32(),
    "integer": pa.int32(),
    "boolean": pa.bool_(),
}
SCHEMAS = {
    name: pa.schema([(key, _ARROW[column.kind]) for key, column in table.columns.items()])
    for name, table in TABLES.items()
}


def dates(days: Ints, missing: Bools | None = None) -> pa.Array:
    """Write days since 1970-01-01 as dates."""
    return pa.array(days.astype(np.int32), type=pa.int32(), mask=missing).cast(pa.date32())


def codes(words: tuple[str, ...], index: Ints, missing: Bools | None = None) -> pa.Array:
    """Write codes as words."""
    return pa.array(words).take(pa.array(index, mask=missing))


def offender_ids(numbers: Ints) -> pa.Array:
    """Write register numbers as offender ids."""
    return joined("P", padded(numbers, 8))


def disposal_ids(numbers: Ints, episode: Ints) -> pa.Array:
    """Write disposal ids."""
    return joined("D", padded(numbers, 8), padded(episode, 2))


def national_tables(people: People, episodes: Episodes) -> dict[str, pa.Table]:
    """Write out what the national sources would hold of a chunk of people.

    Parameters
    ----------
    people : People
    episodes : Episodes
        As lived; those not dealt with by the end of the records are left out.

    Returns
    -------
    dict of table name to pyarrow.Table
    """
    e = episodes.take(known(people, episodes))
    e = e.take(np.lexsort((e.number, e.who)))
    after = _following(e)
    return {
        "offenders": offender_table(people, e),
        "aliases": _aliases(people, e),
        "disposals": _disposals(people, e),
        "prison_spells": _prison_spells(people, e, after),
        "offences": _offences(people, offence_rows(people, e)),
        "employment": _employment(people, e, after),
        "benefits": _benefits(people, e),
        "oasys": _oasys(people, e),
    }


def _table(name: str, columns: list[pa.Array]) -> pa.Table:
    return pa.Table.from_arrays(columns, schema=SCHEMAS[name])


def _following(e: Episodes) -> tuple[Ints, Ints]:
    """Return the offence date and custody start of the same person's next episode, or NEVER."""
    offence, custody = np.full(len(e), NEVER), np.full(len(e), NEVER)
    same = np.flatnonzero(e.who[1:] == e.who[:-1])
    offence[same] = e.offence_date[same + 1]
    inside = e.disposal[same + 1] == CUSTODY
    custody[same[inside]] = e.custody_start[same[inside] + 1]
    return offence, custody


def offender_table(people: People, e: Episodes) -> pa.Table:
    """Write one row a person: the name as written, the ids known by the end of the records."""
    draws = people.draws
    inside = np.zeros(len(people), dtype=bool)
    inside[e.who[e.disposal == CUSTODY]] = True
    nationality = np.where(
        np.isin(people.culture, (0, 1)), 0, np.where(draws.chance(0.55, "nationality"), 0, 1)
    )
    nationality = np.where(draws.chance(0.06, "nationality missing"), 2, nationality)
    died = people.death <= EXTRACTED
    return _table(
        "offenders",
        [
            offender_ids(people.number),
            _blank(pnc_ids(people.number, _year(people.onset)), draws.chance(0.015, "no pnc")),
            _blank(prison_numbers(people.number), ~inside),
            _blank(_written(draws, people.forename), draws.chance(0.002, "no forename")),
            _written(draws, people.middle),
            full_surname(people),
            dates(people.birth, draws.chance(0.003, "no birth")),
            codes(
                ("male", "female"), people.female.astype(np.int64), draws.chance(0.003, "no sex")
            ),
            codes(code_list("ethnicity"), people.ethnicity, draws.chance(0.01, "no ethnicity")),
            codes(code_list("nationality"), nationality),
            dates(people.death, ~died),
        ],
    )


def _year(days: Ints) -> Ints:
    return days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970


def _blank(words: pa.Array, missing: Bools) -> pa.Array:
    return pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), words)


def _written(draws: Draws, code: Ints) -> pa.Array:
    """Write names as registers do: half drop the diacritics, a few write capitals."""
    without = (code >= 0) & draws.chance(0.5, "no diacritics")
    words = words_of(np.where(without, code + names().plain, code))
    return pc.if_else(pa.array(draws.chance(0.03, "capitals")), pc.utf8_upper(words), words)


def full_surname(people: People) -> pa.Array:
    """Write surnames, both parts of double-barrelled ones."""
    first, second = (
        _written(people.draws, code) for code in (people.surname, people.second_surname)
    )
    return pc.coalesce(pc.binary_join_element_wise(first, second, "-"), first)


def _aliases(people: People, e: Episodes) -> pa.Table:
    """Names given to the police, recorded on that occasion: the more occasions, the more."""
    draws = people.draws.take(e.who).at(e.number)
    often = np.where(e.number == 0, 0.06, 0.187) + 0.06 * people.female[e.who]
    given = np.flatnonzero(draws.chance(often, "alias"))
    e, draws = e.take(given), draws.take(given)
    who, culture = e.who, people.culture[e.who]
    female, birth = people.female[who], people.birth[who]
    kind = pick(np.cumsum([0.3, 0.3, 0.15, 0.25]), draws.uniform("alias kind"))
    kind = np.where(female & draws.chance(0.5, "maiden name"), 1, kind)
    short = names().nicknames[people.forename[who]]
    other = forenames(draws, culture, female, birth, "alias forename")
    forename = np.where(kind == 3, other, people.forename[who])
    forename = np.where(kind == 0, np.where(short != forename, short, other), forename)
    other = surnames(draws, culture, "alias surname")
    surname = np.where((kind == 1) | (kind == 3), other, people.surname[who])
    shifted = birth + np.choose(draws.below(4, "birth slip"), [365, -365, 10, -31])
    given_birth = np.where((kind == 2) | draws.chance(0.1, "other birth"), shifted, birth)
    return _table(
        "aliases",
        [
            offender_ids(people.number[who]),
            _written(draws, forename),
            _written(draws, surname),
            dates(given_birth, (kind != 2) & draws.chance(0.3, "no alias birth")),
            dates(e.conviction_date),
        ],
    )


def _disposals(people: People, e: Episodes) -> pa.Table:
    draws = people.draws.take(e.who).at(e.number)
    custody = e.disposal == CUSTODY
    order = (e.disposal == SUSPENDED) | (e.disposal == COMMUNITY)
    court = e.proven_by == CONVICTION
    return _table(
        "disposals",
        [
            disposal_ids(people.number[e.who], e.number),
            offender_ids(people.number[e.who]),
            dates(e.conviction_date),
            codes(DISPOSALS, e.disposal),
            dates(e.sentence_date, ~court),
            dates(e.order_end, ~order),
            dates(e.custody_start, ~custody),
            dates(e.release, ~custody | (e.release > np.minimum(EXTRACTED, people.death[e.who]))),
            pa.array(e.sentence_days.astype(np.int32), mask=~custody),
            codes(OFFENCES, e.offence),
            codes(code_list("region"), people.region[e.who], draws.chance(0.01, "no region")),
            codes(PRISONS, e.prison - 1, ~custody),
        ],
    )


def _prison_spells(people: People, e: Episodes, after: tuple[Ints, Ints]) -> pa.Table:
    custody = np.flatnonzero(e.disposal == CUSTODY)
    c = e.take(custody)
    remand = np.flatnonzero(c.custody_start < c.sentence_date)
    recall, back, again = _recalls(people, c, after[0][custody], after[1][custody])
    place = np.concatenate([remand, np.arange(len(c)), recall])
    start = np.concatenate([c.custody_start[remand], c.sentence_date, back])
    end = np.concatenate([c.sentence_date[remand], c.release, again])
    kind = np.repeat([0, 1, 2], [len(remand), len(c), len(recall)])
    number = people.number[c.who[place]]
    end = np.minimum(end, people.death[c.who[place]])
    return _table(
        "prison_spells",
        [
            offender_ids(number),
            disposal_ids(number, c.number[place]),
            dates(start),
            dates(end, end > EXTRACTED),
            codes(("remand", "sentence", "recall"), kind),
        ],
    )


def _recalls(people: People, c: Episodes, offence: Ints, custody: Ints) -> tuple[Ints, Ints, Ints]:
    """Returns to prison on licence: often after a new offence, sometimes for other reasons."""
    draws = people.draws.take(c.who).at(c.number)
    licence = c.release + c.sentence_days // 2
    for_offence = (offence < licence) & draws.chance(0.4, "recalled for offence")
    other = ~for_offence & draws.chance(0.12, "recalled")
    gap = 20 + (draws.uniform("recall gap") * np.minimum(c.sentence_days // 2, 200)).astype(
        np.int64
    )
    start = np.where(for_offence, offence + 5, c.release + gap)
    end = np.minimum(start + 14 + draws.below(80, "recall length"), licence)
    end = np.minimum(end, custody - 1)
    clash = other & (offence <= end)
    on = (
        (c.sentence_days >= 365)
        & (for_offence | other)
        & ~clash
        & (end > start)
        & (start <= np.minimum(LAST_DAY, people.death[c.who] - 1))
    )
    place = np.flatnonzero(on)
    return place, start[place], end[place]


def offence_rows(people: People, e: Episodes) -> dict[str, Ints]:
    """List every offence of the episodes, breaches of their orders, and penalty notices.

    Parameters
    ----------
    people : People
    e : Episodes

    Returns
    -------
    dict of arrays
        who, number (of the episode, -1 for none), line, offence, offence_date, conviction_date,
        proven_by, outcome (0 indictable, 1 either way, 2 summary, -1 none), custodial, breach.
    """
    parts = [_dealt_with(people, e), _breaches(people, e), _notices(people, e)]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _dealt_with(people: People, e: Episodes) -> dict[str, Ints]:
    place = np.repeat(np.arange(len(e)), e.offences)
    line = np.arange(len(place)) - np.repeat(np.cumsum(e.offences) - e.offences, e.offences)
    who = e.who[place]
    draws = people.draws.take(who).at(e.number[place]).at(line)
    further = line > 0
    other = pick(OFFENCE_CDF[people.speciality[who]], draws.uniform("further offence"))
    offence = np.where(further & draws.chance(0.3, "of another kind"), other, e.offence[place])
    wait = np.minimum(e.conviction_date - e.offence_date, 90)[place]
    on_bail = further * (wait * draws.uniform("on bail") ** 2).astype(np.int64)
    custody = e.disposal[place] == CUSTODY
    return {
        "who": who,
        "number": e.number[place],
        "line": line,
        "offence": offence,
        "offence_date": e.offence_date[place] + on_bail,
        "conviction_date": e.conviction_date[place],
        "proven_by": e.proven_by[place],
        "outcome": _outcome(draws, offence),
        "custodial": (custody & (~further | draws.chance(0.6, "also custody"))).astype(np.int64),
        "breach": np.zeros(len(place), dtype=np.int64),
    }


def _outcome(draws: Draws, offence: Ints) -> Ints:
    u = draws.uniform("outcome")
    indictable, either = TRAITS[offence, 0], TRAITS[offence, 1]
    return np.where(u < indictable, 0, np.where(u < indictable + either, 1, 2))


def _breaches(people: People, e: Episodes) -> dict[str, Ints]:
    """Breaches of orders and licences: in the records, never counted as reoffences."""
    draws = people.draws.take(e.who).at(e.number)
    length = np.where(e.disposal == CUSTODY, e.sentence_days // 2, e.order_end - e.sentence_date)
    days = (draws.uniform("breach date") * np.clip(length, 1, 400)).astype(np.int64) + 7
    date = e.index + days
    likely = np.clip(0.10 + 0.05 * people.propensity[e.who], 0.02, 0.35)
    on = (e.disposal <= COMMUNITY) & (length > 60) & draws.chance(likely, "breach")
    on &= (date + 30 <= LAST_DAY) & (date < people.death[e.who])
    n = int(on.sum())
    return _lesser(
        e.who[on], e.number[on], 97, "breach", date[on], 30, CONVICTION, np.full(n, 2), 1
    )


def _notices(people: People, e: Episodes) -> dict[str, Ints]:
    """Penalty notices for disorder, 2004 on: in the records, never counted."""
    who = np.unique(e.who)
    draws = people.draws.take(who)
    start = np.maximum(day("2004-01-01"), people.onset[who])
    date = start + (draws.uniform("notice date") * np.maximum(LAST_DAY - start, 0)).astype(np.int64)
    on = draws.chance(0.06, "notice") & (date < LAST_DAY - 1) & (date < people.death[who])
    none = np.full(int(on.sum()), -1)
    return _lesser(who[on], none, 99, "public order", date[on], 0, NOTICE, none, 0)


def _lesser(
    who: Ints,
    number: Ints,
    line: int,
    offence: str,
    date: Ints,
    delay: int,
    proven_by: int,
    outcome: Ints,
    breach: int,
) -> dict[str, Ints]:
    n = len(who)
    return {
        "who": who,
        "number": number,
        "line": np.full(n, line),
        "offence": np.full(n, OFFENCES.index(offence)),
        "offence_date": date,
        "conviction_date": date + delay,
        "proven_by": np.full(n, proven_by),
        "outcome": outcome,
        "custodial": np.zeros(n, dtype=np.int64),
        "breach": np.full(n, breach),
    }


def _offences(people: People, rows: dict[str, Ints]) -> pa.Table:
    number = people.number[rows["who"]]
    own = (rows["number"] >= 0) & (rows["breach"] == 0)
    episode = np.where(rows["number"] >= 0, rows["number"], 99)
    return _table(
        "offences",
        [
            joined("F", padded(number, 8), padded(episode, 2), padded(rows["line"], 2)),
            offender_ids(number),
            dates(rows["offence_date"]),
            dates(rows["conviction_date"]),
            codes(PROVEN_BY, rows["proven_by"]),
            codes(("indictable", "either way", "summary"), rows["outcome"], rows["outcome"] < 0),
            codes(OFFENCES, rows["offence"]),
            _blank(disposal_ids(number, episode), ~own),
            pa.array(rows["custodial"] == 1),
            pa.array(rows["breach"] == 1),
        ],
    )


def _spells(people: People, spells: tuple[Ints, Ints], e: Episodes) -> tuple[Ints, Ints, Ints]:
    """Flatten spells and end them where custody begins; those begun in custody never were."""
    who = np.repeat(np.arange(len(people)), spells[0].shape[1])
    start, end = spells[0].ravel(), spells[1].ravel()
    real = (start <= LAST_DAY) & (start < people.death[who])
    who, start, end = who[real], start[real], np.minimum(end, people.death[who])[real]
    return _outside(who, start, end, e)


def _outside(who: Ints, start: Ints, end: Ints, e: Episodes) -> tuple[Ints, Ints, Ints]:
    c = e.take(e.disposal == CUSTODY)
    key = np.append(c.who * NEVER + c.custody_start, np.iinfo(np.int64).max)
    owner, begun, let_out = (
        np.append(c.who, -1),
        np.append(c.custody_start, 0),
        np.append(c.release, 0),
    )
    next_ = np.searchsorted(key, who * NEVER + start)
    end = np.where(owner[next_] == who, np.minimum(end, begun[next_]), end)
    before = next_ - 1
    inside = (owner[before] == who) & (let_out[before] >= start)
    keep = ~inside & (end > start)
    return who[keep], start[keep], end[keep]


def _employment(people: People, e: Episodes, after: tuple[Ints, Ints]) -> pa.Table:
    who, start, end = _spells(people, people.jobs, e)
    found, begun, left = _later_jobs(people, e, after[0])
    found, begun, left = _outside(found, begun, left, e)
    who, start, end = np.append(who, found), np.append(start, begun), np.append(end, left)
    columns = [offender_ids(people.number[who]), dates(start), dates(end, end > LAST_DAY)]
    return _table("employment", columns)


def _later_jobs(people: People, e: Episodes, offence: Ints) -> tuple[Ints, Ints, Ints]:
    """Jobs begun after the index date, more by those who stay out: a fact of the future."""
    draws = people.draws.take(e.who).at(e.number)
    stayed = offence > e.index + 365
    found = (e.disposal <= COMMUNITY) & draws.chance(np.where(stayed, 0.22, 0.05), "job after")
    start = e.index + 15 + draws.below(170, "job after days")
    found &= (e.index > day("1998-04-06")) & (start < np.minimum(offence, LAST_DAY))
    found &= start < people.death[e.who]
    place = np.flatnonzero(found)
    end = np.minimum(start + 20 + draws.below(200, "job after length"), offence)[place]
    return e.who[place], start[place], np.minimum(end, people.death[e.who[place]])


def _benefits(people: People, e: Episodes) -> pa.Table:
    who, start, end = _spells(people, people.claims, e)
    draws = people.draws.take(who).at(start)
    kind = pick(np.cumsum([0.5, 0.2, 0.2, 0.1]), draws.uniform("benefit"))
    sick = np.where(start >= day("2008-10-27"), 1, 3)
    benefit = np.choose(
        kind, [np.zeros(len(who), dtype=np.int64), sick, np.full(len(who), 2), np.full(len(who), 4)]
    )
    return _table(
        "benefits",
        [
            offender_ids(people.number[who]),
            codes(BENEFITS, benefit),
            dates(start),
            dates(end, end > LAST_DAY),
        ],
    )


def oasys_scores(people: People, e: Episodes) -> tuple[Bools, npt.NDArray[np.int64], Ints]:
    """Say which episodes were assessed, with what needs (n, 10) from 0 to 100 and what OGRS."""
    draws = people.draws.take(e.who).at(e.number)
    age = (e.sentence_date - people.birth[e.who]) / 365.25
    risk = -1.6 + 0.55 * np.log1p(e.previous_offences) - 0.045 * (np.clip(age, 16, 70) - 25)
    risk = risk - 0.3 * people.female[e.who] + TRAITS[e.offence, 3]
    ogrs = np.clip(np.round(100 / (1 + np.exp(-risk))), 1, 99).astype(np.int64)
    order = (e.disposal == SUSPENDED) | (e.disposal == COMMUNITY)
    often = np.where(order, 0.15 + 0.5 * (ogrs > 50), 0.0)
    custody = e.disposal == CUSTODY
    often = np.where(custody, np.where(e.sentence_days >= 365, 0.9, 0.12), often)
    assessed = (e.sentence_date >= OASYS_FROM) & (age >= 18) & draws.chance(often, "assessed")
    error = np.column_stack([draws.normal(f"score {need}") for need in NEEDS])
    scores = np.clip(np.round(40 + 20 * people.needs[e.who] + 8 * error), 0, 100).astype(np.int64)
    return assessed, scores, ogrs


def _oasys(people: People, e: Episodes) -> pa.Table:
    assessed, scores, ogrs = oasys_scores(people, e)
    e, scores, ogrs = e.take(assessed), scores[assessed], ogrs[assessed]
    draws = people.draws.take(e.who).at(e.number)
    date = np.maximum(e.conviction_date - draws.below(21, "report days"), e.offence_date)
    needs = [
        pa.array(scores[:, k].astype(np.int32), mask=draws.chance(0.03, f"no {need}"))
        for k, need in enumerate(NEEDS)
    ]
    return _table(
        "oasys",
        [
            offender_ids(people.number[e.who]),
            dates(date),
            pa.array(ogrs.astype(np.int32), mask=draws.chance(0.02, "no ogrs")),
            *needs,
        ],
    )
