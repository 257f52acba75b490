"""Charts: cleared aggregates drawn by matplotlib as small, self-contained SVG.

A chart takes cleared effects and tables only: nothing that was withheld, and no person's value,
can be read back from its coordinates.
"""

from jdl.charts.balance import MOST_VARIABLES, balance_chart
from jdl.charts.curves import survival_chart
from jdl.charts.drawing import BLUE, COLUMN, ORANGE, Canvas, Scale, steps, width_of, wrapped
from jdl.charts.funnel import funnel_chart
from jdl.charts.headline import (
    chart_frequency,
    chart_rate,
    chart_time,
    headline_charts,
    hundred_chart,
)
from jdl.charts.linkage import waterfall_chart, weights_chart
from jdl.charts.overlap import overlap_chart
from jdl.charts.pooled import pooled_chart
from jdl.charts.results import by_sector_chart, by_type_chart, results_chart
from jdl.charts.yearly import (
    losses_chart,
    months_chart,
    reach_chart,
    sectors_chart,
    sizes_chart,
    types_chart,
    waits_chart,
)

__all__ = [
    "BLUE",
    "COLUMN",
    "MOST_VARIABLES",
    "ORANGE",
    "Canvas",
    "Scale",
    "balance_chart",
    "by_sector_chart",
    "by_type_chart",
    "chart_frequency",
    "chart_rate",
    "chart_time",
    "funnel_chart",
    "headline_charts",
    "hundred_chart",
    "losses_chart",
    "months_chart",
    "overlap_chart",
    "pooled_chart",
    "reach_chart",
    "results_chart",
    "sectors_chart",
    "sizes_chart",
    "steps",
    "survival_chart",
    "types_chart",
    "waits_chart",
    "waterfall_chart",
    "weights_chart",
    "width_of",
    "wrapped",
]
