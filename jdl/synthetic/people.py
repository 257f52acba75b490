"""Made-up people: repeatable draws, names, birth dates, identifiers and lasting characteristics.

Names are invented frequencies over typed and composed names (``names.toml``), shaped so that two
people taken at random share a surname, forename, full name or birth date as often as the published
match weights of the Ministry's own person-matching model imply. Nobody's list of names is used.
"""

from __future__ import annotations

import tomllib
import unicodedata
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import ndtri

from jdl.national import NEEDS, code_list

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.uint64]

CHECK_LETTERS = "ZABCDEFGHJKLMNPQRTUVWXY"
NEVER = 10**7
FORENAME_HEAD = 0.9
FORENAME_SHIFT = 20.0
TWINS, RELATIVES, HELD_TWICE, NAMESAKES = 0.003, 0.002, 0.0015, 0.0002


def day(text: str) -> int:
    """Return an ISO date as days since 1970-01-01."""
    return int(np.datetime64(text, "D").astype(np.int64))


FIRST_DAY = day("1985-01-01")
LAST_DAY = day("2013-06-30")


def _mix(keys: Keys) -> Keys:
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


@dataclass(frozen=True)
class Draws:
    """Random numbers that belong to a person (or a person's episode) and a purpose.

    The number is a hash (splitmix64) of seed, person, episode and purpose, not the next of a
    stream. So a life can be
    lived again with a programme added and everything else drawn alike, chunk sizes do not matter,
    and the bytes do
    not depend on a library's generators.

    Parameters
    ----------
    keys : uint64 array, one per unit
    """

    keys: Keys

    @classmethod
    def of(cls, seed: int, numbers: Ints) -> Draws:
        """Start the draws of the units with these numbers."""
        start = np.full(1, seed % 2**64, dtype=np.uint64)
        return cls(_mix(_mix(start) + numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)))

    def take(self, index: Ints | Bools) -> Draws:
        """Return the draws of some of the units."""
        return Draws(self.keys[index])

    def at(self, numbers: Ints) -> Draws:
        """Return the draws of each unit's own part with this number, such as an episode."""
        step = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD1342543DE82EF95)
        return Draws(_mix(self.keys + step))

    def uniform(self, purpose: str) -> Floats:
        """Draw from the open interval 0 to 1."""
        slot = np.uint64(zlib.crc32(purpose.encode()) * 0x9E3779B97F4A7C15 % 2**64)
        bits = _mix(self.keys ^ slot) >> np.uint64(12)
        return (bits.astype(np.float64) + 0.5) * 2.0**-52

    def normal(self, purpose: str) -> Floats:
        """Draw from the standard normal distribution."""
        return np.asarray(ndtri(self.uniform(purpose)))

    def exponential(self, purpose: str) -> Floats:
        """Draw from the exponential distribution with mean one."""
        return -np.log(self.uniform(purpose))

    def below(self, n: int, purpose: str) -> Ints:
        """Draw a whole number from 0 to n - 1."""
        return (self.uniform(purpose) * n).astype(np.int64)

    def chance(self, probability: float | Floats, purpose: str) -> Bools:
        """Draw true with this probability."""
        return self.uniform(purpose) < probability

    def choice(self, weights: npt.ArrayLike, purpose: str) -> Ints:
        """Draw an index with probabilities in proportion to the weights."""
        return pick(np.cumsum(weights) / np.sum(weights), self.uniform(purpose))


def pick(cdf: Floats, uniform: Floats) -> Ints:
    """Return where a distribution function passes the draw: one row for all, or one each."""
    if cdf.ndim == 1:
        return np.asarray(np.minimum(np.searchsorted(cdf, uniform), len(cdf) - 1))
    return np.asarray(np.minimum((uniform[:, None] > cdf).sum(axis=1), cdf.shape[1] - 1))


@dataclass(frozen=True)
class Names:
    """Every name there is, and how often it is used.

    Parameters
    ----------
    words : pyarrow string array
        The names; the second half repeats the first without diacritics.
    shares : array of share of people per culture
    surnames : per culture, name codes and distribution function
    forenames : per (culture, female, generation), name codes and distribution function
    nicknames : array, per name the code of its short form (or itself)
    generations : per culture, birth years that divide the generations
    ethnicities : per culture, distribution function over the codes of ethnicity
    """

    words: pa.StringArray
    shares: Floats
    surnames: list[tuple[Ints, Floats]]
    forenames: dict[tuple[int, bool, int], tuple[Ints, Floats]]
    nicknames: Ints
    generations: list[list[int]]
    ethnicities: Floats

    @property
    def plain(self) -> int:
        """The distance from a name's code to its form without diacritics."""
        return len(self.words) // 2


def plain(word: str) -> str:
    """Return a name without diacritics."""
    marks = unicodedata.normalize("NFKD", word.replace("ł", "l").replace("Ł", "L"))
    return "".join(letter for letter in marks if not unicodedata.combining(letter))


def zipf(common: list[str], tail: list[str], head: float, shift: float) -> dict[str, float]:
    """Return name frequencies: common names by rank, 1/(rank + shift), the tail nearly even."""
    ranks = np.arange(1, len(common) + 1) + shift
    slow = (np.arange(1, len(tail) + 1) + 400.0) ** -0.5
    weights: dict[str, float] = {}
    for word, weight in zip(common, head / ranks / (1 / ranks).sum(), strict=True):
        weights[word] = weights.get(word, 0.0) + float(weight)
    for word, weight in zip(tail, (1 - head) * slow / slow.sum(), strict=True):
        weights[word] = weights.get(word, 0.0) + float(weight)
    return weights


def _composed(first: list[str], last: list[str]) -> list[str]:
    words = sorted({a + b for a in first for b in last if a[-1] != b[0]})
    return sorted(words, key=lambda word: zlib.crc32(word.encode()))


def _forename_weights(culture: dict[str, Any], sex: str) -> list[dict[str, float]]:
    first, last = (part.split() for part in culture[f"{sex}_tail"].split("|"))
    tail = _composed(first, last)
    return [zipf(text.split(), tail, FORENAME_HEAD, FORENAME_SHIFT) for text in culture[sex]]


@cache
def names() -> Names:
    """Read ``names.toml`` and lay out every name with its frequency."""
    raw = tomllib.loads((Path(__file__).parent / "names.toml").read_text(encoding="utf-8"))
    nicknames = raw.pop("nicknames")
    surname_weights = []
    forename_weights: dict[tuple[int, bool, int], dict[str, float]] = {}
    for number, culture in enumerate(raw.values()):
        source = raw[culture["of"]] if "of" in culture else culture
        tail = _composed(source["tail_first"].split(), source["tail_last"].split())
        surname_weights.append(
            zipf(source["surnames"].split(), tail, source["head"], source["shift"])
        )
        for sex in ("male", "female"):
            for generation, weights in enumerate(_forename_weights(culture, sex)):
                forename_weights[number, sex == "female", generation] = weights
    every = [
        *surname_weights,
        *forename_weights.values(),
        nicknames,
        dict.fromkeys(nicknames.values(), 0.0),
    ]
    words = sorted({word for weights in every for word in weights})
    code = {word: number for number, word in enumerate(words)}
    short = np.arange(len(words))
    for word, nickname in nicknames.items():
        short[code[word]] = code[nickname]

    def layout(weights: dict[str, float]) -> tuple[Ints, Floats]:
        total = np.cumsum(list(weights.values()))
        return np.array([code[word] for word in weights]), total / total[-1]

    return Names(
        words=pa.array(words + [plain(word) for word in words]),
        shares=np.array([culture["share"] for culture in raw.values()]),
        surnames=[layout(weights) for weights in surname_weights],
        forenames={key: layout(weights) for key, weights in forename_weights.items()},
        nicknames=short,
        generations=[culture["generations"] for culture in raw.values()],
        ethnicities=np.cumsum(
            [
                [c["ethnicity"].get(code, 0.0) for code in code_list("ethnicity")]
                for c in raw.values()
            ],
            axis=1,
        ),
    )


@dataclass(frozen=True)
class People:
    """A chunk of people, one array element each; dates are days since 1970-01-01.

    Parameters
    ----------
    number : the person's number in the register
    draws : the person's own random numbers
    female, birth, onset (first offence), death (or NEVER), culture, ethnicity, region
    propensity : lasting inclination to offend, standard deviations
    unmeasured : a need that no table holds
    needs : (n, 10) lasting needs in the order of ``national.NEEDS``, standard deviations
    speciality : index into the kinds of career
    forename, middle (-1 none), surname, second_surname (-1 none) : name codes
    jobs, claims : (start, end) arrays (n, k) of employment and benefit spells
    """

    number: Ints
    draws: Draws
    female: Bools
    birth: Ints
    onset: Ints
    death: Ints
    culture: Ints
    ethnicity: Ints
    region: Ints
    propensity: Floats
    unmeasured: Floats
    needs: Floats
    speciality: Ints
    forename: Ints
    middle: Ints
    surname: Ints
    second_surname: Ints
    jobs: tuple[Ints, Ints]
    claims: tuple[Ints, Ints]

    def __len__(self) -> int:
        return len(self.number)


SPECIALITIES = ("acquisitive", "violent", "young", "motoring", "drugs", "fraud", "sexual")
_SPECIALITY_SHARES = {
    False: (0.25, 0.25, 0.15, 0.15, 0.10, 0.07, 0.03),
    True: (0.42, 0.21, 0.07, 0.08, 0.07, 0.15, 0.0),
}
_SPECIALITY_PROPENSITY = np.array([0.75, 0.0, 0.2, -0.5, 0.0, -0.6, -0.8])
_REGION_SHARES = (0.082, 0.095, 0.155, 0.053, 0.145, 0.135, 0.085, 0.06, 0.105, 0.085)


def draw_people(seed: int, numbers: Ints) -> People:
    """Draw people.

    Parameters
    ----------
    seed : int
    numbers : int array
        Their numbers in the register; even-numbered places may be given a twin, a namesake, a
        relative of the same
        name or a second record at the next place.

    Returns
    -------
    People
    """
    draws = Draws.of(seed, numbers)
    pairs = _pairs(draws)
    same = pairs["same birth"]
    female = draws.chance(0.15, "female")[same]
    onset_age = _onset_age(draws)
    onset = _onset(draws)
    birth = _default_birth(draws, (onset - onset_age * 365.25).astype(np.int64))[same]
    onset = np.maximum(onset, birth + 3653)
    culture = draws.choice(names().shares, "culture")[pairs["same surname"]]
    needs, propensity = _needs(draws, female, onset_age)
    speciality = _speciality(draws, female)
    propensity = propensity + _SPECIALITY_PROPENSITY[speciality]
    written = _person_names(draws, pairs, culture, female, birth)
    attachment = draws.normal("attachment") - 0.35 * propensity - 0.3 * needs[:, 1]
    return People(
        number=numbers,
        draws=draws,
        female=female,
        birth=birth,
        onset=onset,
        death=_death(draws, birth, onset, needs),
        culture=culture,
        ethnicity=_ethnicity(draws, culture),
        region=draws.choice(_REGION_SHARES, "region"),
        propensity=propensity,
        unmeasured=draws.normal("unmeasured"),
        needs=needs,
        speciality=speciality,
        forename=written["forename"],
        middle=written["middle"],
        surname=written["surname"],
        second_surname=written["second_surname"],
        jobs=_jobs(draws, birth, attachment),
        claims=_claims(draws, birth, attachment),
    )


def _pairs(draws: Draws) -> dict[str, Ints]:
    """Say whose surname, forename and birth date each person carries: own or neighbour's."""
    n = len(draws.keys)
    place = np.arange(n)
    u = np.repeat(draws.uniform("pair")[::2], 2)[:n]
    second = place % 2 == 1
    bounds = np.cumsum([TWINS, RELATIVES, HELD_TWICE, NAMESAKES])
    twin, relative, twice, namesake = (
        second & (u < high) & (u >= low)
        for low, high in zip(np.r_[0.0, bounds[:-1]] * 2, bounds * 2, strict=True)
    )

    def source(mask: Bools) -> Ints:
        return np.where(mask, place - 1, place)

    return {
        "same surname": source(twin | relative | twice | namesake),
        "same forename": source(relative | twice | namesake),
        "same birth": source(twin | twice | namesake),
    }


def _onset_age(draws: Draws) -> Floats:
    u, v = draws.uniform("onset group"), draws.uniform("onset age")
    young = 10.5 + 7.5 * v**0.55
    adult = 18 + 8 * v
    late = 26 + 26 * v**1.8
    return np.where(u < 0.42, young, np.where(u < 0.74, adult, late))


def _onset(draws: Draws) -> Ints:
    return (FIRST_DAY + (LAST_DAY - FIRST_DAY) * draws.uniform("onset") ** 1.25).astype(np.int64)


def _default_birth(draws: Draws, birth: Ints) -> Ints:
    """Give a few the first of January, as registers do when only the year is known."""
    years = (birth.astype("datetime64[D]").astype("datetime64[Y]")).astype("datetime64[D]")
    return np.where(draws.chance(0.009, "only the year"), years.astype(np.int64), birth)


def _needs(draws: Draws, female: Bools, onset_age: Floats) -> tuple[Floats, Floats]:
    common = draws.normal("needs")
    own = np.column_stack([draws.normal(f"need {need}") for need in NEEDS])
    needs = 0.6 * common[:, None] + 0.8 * own
    needs[:, NEEDS.index("relationships")] += 0.5 * female
    needs[:, NEEDS.index("emotional")] += 0.5 * female
    propensity = 0.9 * draws.normal("propensity") + 0.35 * common - 0.028 * (onset_age - 20)
    return needs, propensity - 0.1 * female


def _speciality(draws: Draws, female: Bools) -> Ints:
    u = draws.uniform("speciality")
    men, women = (np.cumsum(_SPECIALITY_SHARES[sex]) for sex in (False, True))
    return np.where(female, pick(women, u), pick(men, u))


def _ethnicity(draws: Draws, culture: Ints) -> Ints:
    chosen = pick(names().ethnicities[culture], draws.uniform("ethnicity"))
    unknown = code_list("ethnicity").index("not recorded")
    return np.where(draws.chance(0.03, "ethnicity missing"), unknown, chosen)


def _death(draws: Draws, birth: Ints, onset: Ints, needs: Floats) -> Ints:
    """Gompertz mortality, raised by drug need; nobody dies before the first offence."""
    drugs = needs[:, NEEDS.index("drugs")]
    rate = 0.00022 * np.exp(0.25 * np.clip(drugs, -2, 3))
    slope = 0.07
    years = np.log1p(slope * draws.exponential("death") / rate) / slope
    death = birth + (years * 365.25).astype(np.int64)
    return np.where(death <= onset + 30, NEVER, death)


def _person_names(
    draws: Draws, pairs: dict[str, Ints], culture: Ints, female: Bools, birth: Ints
) -> dict[str, Ints]:
    surname = surnames(draws, culture, "surname")[pairs["same surname"]]
    forename = forenames(draws, culture, female, birth, "forename")
    middle = forenames(draws, culture, female, birth, "middle")
    second = surnames(draws, culture, "second surname")
    british = culture == 0
    return {
        "surname": surname,
        "forename": forename[pairs["same forename"]],
        "middle": np.where(draws.chance(0.36, "has middle"), middle, -1),
        "second_surname": np.where(british & draws.chance(0.013, "double-barrelled"), second, -1),
    }


def surnames(draws: Draws, culture: Ints, purpose: str) -> Ints:
    """Draw a surname code of each person's culture."""
    u = draws.uniform(purpose)
    codes = np.empty(len(u), dtype=np.int64)
    for number, (words, cdf) in enumerate(names().surnames):
        here = culture == number
        codes[here] = words[pick(cdf, u[here])]
    return codes


def forenames(draws: Draws, culture: Ints, female: Bools, birth: Ints, purpose: str) -> Ints:
    """Draw a forename code of each person's culture, sex and generation."""
    u = draws.uniform(purpose)
    year = birth.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    codes = np.empty(len(u), dtype=np.int64)
    for number, bounds in enumerate(names().generations):
        generation = np.searchsorted(bounds, year) if bounds else np.zeros(len(u), dtype=np.int64)
        for sex in (False, True):
            for part in range(len(bounds) + 1):
                here = (culture == number) & (female == sex) & (generation == part)
                words, cdf = names().forenames[number, sex, part]
                codes[here] = words[pick(cdf, u[here])]
    return codes


def _jobs(draws: Draws, birth: Ints, attachment: Floats, most: int = 6) -> tuple[Ints, Ints]:
    """Employment from 1998: starts and ends, with gaps that grow as attachment falls."""
    start = np.full((len(birth), most), NEVER, dtype=np.int64)
    end = start.copy()
    clock = np.maximum(birth + int(17 * 365.25), day("1998-04-06")).astype(np.float64)
    for k in range(most):
        spell = draws.at(np.full(len(birth), 1000 + k))
        gap = 900 * np.exp(-0.8 * attachment) * spell.exponential("gap")
        length = 20 + 420 * np.exp(0.55 * attachment + 0.8 * spell.normal("length"))
        start[:, k] = clock + gap
        end[:, k] = start[:, k] + length.astype(np.int64)
        clock = end[:, k].astype(np.float64) + 1
    return start, end


def _claims(draws: Draws, birth: Ints, attachment: Floats, most: int = 3) -> tuple[Ints, Ints]:
    start = np.full((len(birth), most), NEVER, dtype=np.int64)
    end = start.copy()
    clock = np.maximum(birth + 18 * 365, day("1999-06-01")).astype(np.float64)
    for k in range(most):
        spell = draws.at(np.full(len(birth), 2000 + k))
        gap = 1500 * np.exp(0.6 * attachment) * spell.exponential("gap")
        length = 20 + 240 * np.exp(-0.2 * attachment + 0.9 * spell.normal("length"))
        start[:, k] = clock + gap
        end[:, k] = start[:, k] + length.astype(np.int64)
        clock = end[:, k].astype(np.float64) + 1
    return start, end


def padded(numbers: Ints, width: int) -> pa.StringArray:
    """Write whole numbers with leading zeros."""
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")


def joined(*parts: Any) -> pa.StringArray:
    """Join string arrays and literals element by element."""
    return pc.binary_join_element_wise(*parts, "")


def pnc_ids(numbers: Ints, year: Ints) -> pa.StringArray:
    """Write PNC ids, YYYY/NNNNNNNL: the letter is the remainder of YY and serial by 23."""
    serial = (numbers * 7654321 + 1234567) % 10**7
    remainder = (year % 100 * 10**7 + serial) % 23
    letters = pa.array(list(CHECK_LETTERS)).take(pa.array(remainder))
    return joined(padded(year, 4), "/", padded(serial, 7), letters)


def prison_numbers(numbers: Ints) -> pa.StringArray:
    """Write prison numbers, A1234BC."""
    alphabet = pa.array(list("ABCDEFGHJKLMNPQRSTUVWXYZ"))
    code = (numbers * 77777777 + 31415926) % (24**3 * 10**4)
    code, last = np.divmod(code, 24)
    code, middle = np.divmod(code, 24)
    first, digits = np.divmod(code, 10**4)
    return joined(
        alphabet.take(pa.array(first)),
        padded(digits, 4),
        alphabet.take(pa.array(middle)),
        alphabet.take(pa.array(last)),
    )


def words_of(codes: Ints) -> pa.StringArray:
    """Write names; a code below zero is a missing name."""
    return names().words.take(pa.array(np.maximum(codes, 0), mask=codes < 0))
