"""Propensity score and matching: who in the pool stands in for whom in the treatment group.

The estimand is the effect on the treated. The score is a logistic regression fitted by the
estimator that is handed in; by radius matching every treated person is compared with all
candidates whose logit lies within a caliper, and shares a weight of one among them.
"""

from jdl.matching.calipers import caliper_width, radius, within
from jdl.matching.plan import Attempt, Matched, Specification, Verdict
from jdl.matching.search import first_accepted, leaving_out, match, reweighed

__all__ = [
    "Attempt",
    "Matched",
    "Specification",
    "Verdict",
    "caliper_width",
    "first_accepted",
    "leaving_out",
    "match",
    "radius",
    "reweighed",
    "within",
]
