"""What needs the acro package, run by an environment that holds it; jdl is not imported.

`acro_alone.py` reads from standard input a list of people tables as JSON, each with the columns
group, level and found, and writes what `acro.crosstab` lets out of each with suppression and
margins: a list of cells with level, found and count, null where it is withheld.
"""

import json
import logging
import sys
import warnings

import pandas as pd
from acro import ACRO

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)


def let_out(people):
    """Return the cells of one table as acro publishes it, margins included."""
    session = ACRO(suppress=True)
    frame = pd.DataFrame(people)
    table = session.crosstab(frame["level"], frame["found"], margins=True)
    return [
        {"level": level, "found": found, "count": None if pd.isna(count) else int(count)}
        for level, row in table.to_dict("index").items()
        for found, count in row.items()
    ]


if __name__ == "__main__":
    told = [let_out(people) for people in json.load(sys.stdin)]
    json.dump(told, sys.stdout)
