"""The course: the steps of the method as they are taught, and the data that it is taught on."""

from __future__ import annotations

from dataclasses import dataclass

PEOPLE, SEED = 30_000, 2014
"""The size of the training data, and the seed that they are made from."""
SLIPS = 2.5
"""By how much slips in the uploads are more frequent than usual: a small register forgives many."""
REQUEST = "harbour-mentoring"
"""The request of the training cohort."""
MADE = "made.json"
"""Stands beside the training data, and says how they were made."""


@dataclass(frozen=True)
class Step:
    """A step of the method, as it is taught.

    Parameters
    ----------
    name : str
        The cells and exercises of the step begin with it.
    opener : str
        The cell of the master that opens it.
    title : str
        A few words, for a list of the steps.
    """

    name: str
    opener: str
    title: str


STEPS = (
    Step("request", "request-note", "The request"),
    Step("criteria", "upload-note", "Can it be processed?"),
    Step("plan", "plan-note", "The plan"),
    Step("person", "person-note", "Locating the person"),
    Step("sentence", "sentence-note", "Locating the sentence"),
    Step("start", "start-note", "When did it start?"),
    Step("pool", "candidates-note", "The comparison pool"),
    Step("score", "score-note", "The propensity score"),
    Step("balance", "balance-note", "Are the groups alike?"),
    Step("planned", "planned-note", "Other ways to look"),
    Step("effects", "effects-note", "What happened next"),
    Step("adjusted", "adjusted-note", "A stronger check"),
    Step("disclosure", "cleared-note", "What may be told"),
    Step("result", "summary-note", "The result"),
    Step("checks", "checks-note", "Does the answer hold?"),
    Step("limits", "methods", "Methods and limits"),
)
