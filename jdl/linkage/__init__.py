"""Locate the person: clean names and identifiers, guarded passes, Splink's weights, decisions.

Of a person's candidates in the register, and of 'not in the register', each has one posterior.
"""

from jdl.linkage.accounts import FATES, KINDS, NO_GROUP, audit, fates, gains, kinds, rates
from jdl.linkage.blocking import PASSES, Candidates, candidates, deterministic, recognised
from jdl.linkage.decisions import DECISIONS, STAGES, Links, alternatives, decide
from jdl.linkage.model import FIELDS, weights
from jdl.linkage.names import CHECK_LETTERS, clean, nicknames
from jdl.linkage.private import LinkageFailed
from jdl.linkage.register import PREPARED, Register
from jdl.linkage.scores import Scored, corroborate, score
from jdl.linkage.training import SAMPLED_PAIRS, train

__all__ = [
    "CHECK_LETTERS",
    "DECISIONS",
    "FATES",
    "FIELDS",
    "KINDS",
    "NO_GROUP",
    "PASSES",
    "PREPARED",
    "SAMPLED_PAIRS",
    "STAGES",
    "Candidates",
    "LinkageFailed",
    "Links",
    "Register",
    "Scored",
    "alternatives",
    "audit",
    "candidates",
    "clean",
    "corroborate",
    "decide",
    "deterministic",
    "fates",
    "gains",
    "kinds",
    "nicknames",
    "rates",
    "recognised",
    "score",
    "train",
    "weights",
]
