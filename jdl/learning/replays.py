"""The training study played 200 times: how often an interval holds the truth.

Each replay is a row of ``replays.csv``, made by ``tests/benchmarks/replays.py``: the same 30,000
made-up people live other lives, other people take part, and the study is made from the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from jdl.charts import BLUE, COLUMN, ORANGE, Canvas, Scale
from jdl.charts.drawing import INK, LINE, axis, below, grid
from jdl.learning.pictures import Picture, picture
from jdl.learning.truth import Told

FILE = Path(__file__).parent / "replays.csv"
TESTS = {
    "Service's test": ("estimate", "ci_low", "ci_high"),
    "Adjusted check": ("adjusted", "adjusted_low", "adjusted_high"),
}
"""The columns of each: its estimate and the ends of its 95% interval."""
_TICKS = (-20, -10, 0)
_GAP, _STEP = 16, 1.7
_LABEL = "Difference in the rate, percentage points"


@dataclass(frozen=True)
class Played:
    """What the replays show: a picture of the intervals, and how many held the truth.

    Parameters
    ----------
    picture : Picture
    told : Told
    """

    picture: Picture
    told: Told

    def __repr__(self) -> str:
        return f"{self.told!r}\n\n{self.picture!r}"

    def _repr_html_(self) -> str:
        said = f"<p>{escape(self.told.said)}</p>"
        return self.told._repr_html_().replace(said, f"{said}{self.picture._repr_html_()}", 1)


def read(file: Path = FILE) -> pd.DataFrame:
    """Return the replays, a row each.

    Returns
    -------
    DataFrame
        replay, accepted (whether the gate opened), treated (people analysed), truth (the mean
        difference that the programme makes to their chance of a proven reoffence), and the
        columns of `TESTS`, missing where the gate stayed shut.
    """
    return pd.read_csv(file)


def counts(replays: pd.DataFrame) -> pd.DataFrame:
    """Count what the intervals of each test held and said.

    Parameters
    ----------
    replays : DataFrame
        See `read`.

    Returns
    -------
    DataFrame
        By test: held and missed (the truth), width (mean, of the interval), apart (mean, of the
        estimate from the truth), fewer, more and open
        (a significant reduction, a significant increase, neither).
    """
    played = replays.loc[replays["accepted"] == 1]
    rows = {}
    for name, (estimate, low, high) in TESTS.items():
        held = played[low].le(played["truth"]) & played["truth"].le(played[high])
        fewer, more = played[high] < 0, played[low] > 0
        rows[name] = {
            "held": int(held.sum()),
            "missed": int((~held).sum()),
            "width": float((played[high] - played[low]).mean()),
            "apart": float((played[estimate] - played["truth"]).mean()),
            "fewer": int(fewer.sum()),
            "more": int(more.sum()),
            "open": int((~fewer & ~more).sum()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").astype(
        {"held": int, "missed": int, "fewer": int, "more": int, "open": int}
    )


def shown(file: Path = FILE) -> Played:
    """Show the intervals of both tests beside the truth, and count them.

    Parameters
    ----------
    file : Path

    Returns
    -------
    Played
    """
    replays = read(file)
    return Played(_drawn(replays), _told(replays))


def _told(replays: pd.DataFrame) -> Told:
    found = counts(replays)
    service, check = found.to_dict("index").values()
    many, shut = len(replays), int((replays["accepted"] != 1).sum())
    spread = 2 * (many * 0.95 * 0.05) ** 0.5
    gate = (
        "The gate opened in all of them."
        if not shut
        else f"In {shut:,} of them the gate stayed shut, so that there was no result."
    )
    up = (
        "Neither found a significant increase in any."
        if not service["more"] + check["more"]
        else f"A significant increase was found in {service['more']} and {check['more']}."
    )
    said = (
        f"The same study was played {many:,} times, and the truth of each is known. {gate} The "
        f"interval of the service's test held the truth in {service['held']} of them, that of "
        f"the adjusted check in {check['held']}. Made for 95 in 100, an interval should hold it "
        f"in about {0.95 * many:.0f}; chance moves that by {spread:.0f} or so either way. On "
        f"average the first was {100 * service['width']:.1f} percentage points wide, the second "
        f"{100 * check['width']:.1f}. The service's test found a significant reduction in "
        f"{service['fewer']}, the adjusted check in {check['fewer']}. {up} On average the "
        f"service's estimate lies {100 * service['apart']:+.1f} points from the truth. Three "
        "things pull at it. Some of the comparison group took part in other programmes. People "
        "were chosen by a need that no record holds. And the register is small: who takes part "
        "leaves the pool with all sentences, and who reoffends is sentenced, and so may be "
        "chosen, more often. So the people left over reoffend less than they should. This pulls "
        "most."
    )
    table = pd.DataFrame(
        {
            "Interval held the truth": found["held"].map("{:,}".format),
            "Missed it": found["missed"].map("{:,}".format),
            "Mean width, points": (100 * found["width"]).map("{:.1f}".format),
            "Significant reduction": found["fewer"].map("{:,}".format),
            "Significant increase": found["more"].map("{:,}".format),
            "Not enough evidence": found["open"].map("{:,}".format),
        }
    )
    return Told(said, table.rename_axis(f"{many:,} replays"))


def _drawn(replays: pd.DataFrame) -> Picture:
    """Draw an interval a line, each test in a column of its own, from the lowest estimate up."""
    played = replays.loc[replays["accepted"] == 1]
    top = 20.0 + 4 * LINE
    bottom = top + _STEP * len(played) + 4
    canvas = Canvas(bottom + below(_LABEL))
    _key(canvas)
    wide = (COLUMN - _GAP) / 2
    ends = [columns[1:] for columns in TESTS.values()]
    least = 100 * min(played[low].min() for low, _ in ends)
    most = 100 * max(played[high].max() for _, high in ends)
    for place, (name, columns) in enumerate(TESTS.items()):
        left = place * (wide + _GAP)
        scale = Scale(least, most, left + 4, left + wide - 4)
        canvas.text(left, top - 8, name, bold=True)
        grid(canvas, scale, _TICKS, top, bottom)
        _column(canvas, scale, played, columns, top + 2)
        axis(canvas, scale, _TICKS, bottom, _LABEL if not place else "")
    return picture(canvas, _words(replays))


def _key(canvas: Canvas) -> None:
    entries = ("interval holds the truth", "interval misses the truth", "the truth of each replay")
    for place, words in enumerate(entries):
        canvas.text(26, 14 + LINE * place, words)
    canvas.line([0, 20], [10, 10], BLUE, thick=2)
    canvas.line([0, 20], [10 + LINE] * 2, ORANGE, thick=2)
    canvas.marks([10], [10 + LINE], "D", ORANGE)
    canvas.line([10, 10], [3 + 2 * LINE, 17 + 2 * LINE], INK, thick=2)


def _column(
    canvas: Canvas, scale: Scale, played: pd.DataFrame, columns: tuple[str, str, str], top: float
) -> None:
    estimate, low, high = columns
    rows = 100 * played.sort_values([estimate, "replay"])
    y = [top + _STEP * place for place in range(len(rows))]
    missed = (rows["truth"] < rows[low]) | (rows["truth"] > rows[high])
    for middle, start, end, out in zip(y, rows[low], rows[high], missed, strict=True):
        canvas.line([scale(start), scale(end)], [middle] * 2, ORANGE if out else BLUE, thick=1)
    truth = [scale(value) for value in rows["truth"]]
    canvas.line(truth, y, "white", thick=4)
    canvas.line(truth, y, INK, thick=2)
    out_y = [middle for middle, out in zip(y, missed, strict=True) if out]
    canvas.marks([scale(value) for value in rows.loc[missed, estimate]], out_y, "D", ORANGE)


def _words(replays: pd.DataFrame) -> str:
    found = counts(replays)
    parts = [
        f"{name}: {held} hold it, {missed} miss it"
        for name, held, missed in zip(found.index, found["held"], found["missed"], strict=True)
    ]
    return (
        f"{len(replays):,} replays of one study, an interval each, sorted by its estimate, beside "
        f"the truth. {'. '.join(parts)}."
    )
