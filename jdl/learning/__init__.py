"""The method, learned from the notebook that makes the release.

Teaching cells and exercises are woven into the master by step (`weave`); a trainee's answers are
checked in the notebook itself (`exercises`), ideas are drawn (`pictures`). Nothing of this is read
when a release is made.
"""

from jdl.learning.exercises import Study
from jdl.learning.pictures import (
    Picture,
    against_line,
    bars,
    intervals,
    picture,
    reach,
    scatter,
    strips,
    timeline,
)
from jdl.learning.weave import weave

__all__ = [
    "Picture",
    "Study",
    "against_line",
    "bars",
    "intervals",
    "picture",
    "reach",
    "scatter",
    "strips",
    "timeline",
    "weave",
]
