"""A report's way through disclosure control with a cohort made up, for the tiny notebook of it."""

import os
import tomllib

import pandas as pd
from test_disclosure import _analysed

from jdl import cohorts, disclosure
from jdl.national import workplace


def tell(request_id):
    """Tell of the people of an upload as the master notebook does; return what came of the rate."""
    place = workplace(os.environ["JDL_RELEASE"])
    folder = place.requests / request_id
    asked = tomllib.loads((folder / "request.toml").read_text(encoding="utf-8"))
    rows = pd.read_csv(folder / "upload.csv", dtype="str")
    people = rows["surname"].str.slice(1).map(lambda letters: int(letters.translate(DIGITS)))
    before = cohorts.told_before(place, {f"p{one}": f"identifier {one}" for one in people})
    analysed = [_analysed("headline", people)]
    results = disclosure.clear_analyses(analysed, before=before.told)
    cohorts.record(place, before, asked["release"], request_id, analysed, results)
    place.hand("disclosure", {"decisions": []})
    return results["headline"].effects["rate"].conclusion


LETTERS = "abcdefghij"
DIGITS = str.maketrans(LETTERS, "0123456789")


def named(number):
    """Return a surname of letters only that stands for a number."""
    return "S" + "".join(LETTERS[int(digit)] for digit in str(number))
