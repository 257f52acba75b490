"""Pictures of ideas: they hold what they are to show, as text and marks, and are drawn alike."""

import re

import pytest

from jdl import learning
from jdl.charts import ORANGE

FIVE = ({"A": -1.0, "B": -0.6}, {"C": -1.2, "D": -0.8, "E": -0.4})


def reach(width: float = 0.25) -> learning.Picture:
    return learning.reach(*FIVE, width, "Who is near whom", label="Logit of the score")


def strips(weights: tuple[float, float]) -> learning.Picture:
    groups = {"Treated": ([20, 30], [1, 1]), "Others": ([20, 40], weights)}
    return learning.strips(groups, "Two ages", label="Age", ticks=[20, 30, 40])


def intervals(truth: float | None = None) -> learning.Picture:
    rows = {"One service": (-18.0, -10.0, -2.0)}
    return learning.intervals(
        rows, "One interval", label="Points", ticks=[-20, -10, 0], truth=truth
    )


def against_line() -> learning.Picture:
    return learning.against_line(
        [(0, 1), (4, 3)],
        [(0, 1), (4, 3)],
        {"A": (2, 1)},
        "A below the line",
        across="Convictions",
        up="Reoffences",
    )


def texts(picture: learning.Picture) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture.svg)


def filled(picture: learning.Picture, colour: str) -> int:
    """How often a mark of this colour is placed."""
    groups = re.findall(r"<g([^>]*)>((?:<use[^>]*/>)+)</g>", picture.svg)
    single = re.findall(r"<use[^>]*/>", re.sub(r"<g[^>]*>(?:<use[^>]*/>)+</g>", "", picture.svg))
    return sum(row.count("<use") for style, row in groups if f'fill="{colour}"' in style) + sum(
        f'fill="{colour}"' in one for one in single
    )


@pytest.mark.parametrize(
    "drawn",
    [reach, lambda: strips((3, 1)), intervals, against_line],
    ids=["reach", "strips", "intervals", "line"],
)
def test_a_picture_says_what_it_shows_and_is_drawn_alike(drawn):
    picture = drawn()
    assert f'role="img" aria-label="{picture.alt}"' in picture._repr_html_()
    assert repr(picture) == picture.alt
    assert drawn().svg == picture.svg


def test_reach_fills_those_within_the_caliper():
    key = 1
    assert filled(reach(), ORANGE) == 4 + key
    assert filled(reach(0.1), ORANGE) == 0 + key
    assert filled(reach(1.0), ORANGE) == 6 + key


def test_strips_tell_the_mean_by_weight():
    assert "Others, mean 30" in texts(strips((1, 1)))
    assert "Others, mean 25" in texts(strips((3, 1)))


def test_the_truth_is_drawn_only_where_it_is_known():
    assert "The true effect" in texts(intervals(-9.0))
    assert "The true effect" not in texts(intervals())


def test_names_and_scales_are_written():
    assert {"A", "Convictions", "Reoffences", "0", "2", "4"} <= set(texts(against_line()))
