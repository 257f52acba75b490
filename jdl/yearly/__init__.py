"""The yearly review: what running the service has taught, from its log, releases and reports.

Everything here is counted from what has been published already: the log of requests, the files of
finished releases and the record of each report.
"""

from jdl.yearly.counts import (
    BANDS,
    ENOUGH,
    OUTCOMES,
    Losses,
    by_size,
    lacking,
    losses,
    nearest,
    outcomes_by,
    requests_at,
    sizes,
    waits_by,
)
from jdl.yearly.numbers import (
    band_label,
    outcome_figure,
    outcome_label,
    size_figure,
    wait_figures,
)
from jdl.yearly.records import (
    CHANGELOG,
    Held,
    changes,
    finished_releases,
    made_with,
    methodology,
    read_reports,
    releases_to,
)
from jdl.yearly.sentences import lessons, pooled, summed_over, waiting
from jdl.yearly.tables import (
    CODEBOOK,
    changes_table,
    lacking_table,
    made_with_table,
    outcomes_table,
    quarters_table,
    record,
    releases_table,
    sizes_table,
    waits_table,
)

__all__ = [
    "BANDS",
    "CHANGELOG",
    "CODEBOOK",
    "ENOUGH",
    "OUTCOMES",
    "Held",
    "Losses",
    "band_label",
    "by_size",
    "changes",
    "changes_table",
    "finished_releases",
    "lacking",
    "lacking_table",
    "lessons",
    "losses",
    "made_with",
    "made_with_table",
    "methodology",
    "nearest",
    "outcome_figure",
    "outcome_label",
    "outcomes_by",
    "outcomes_table",
    "pooled",
    "quarters_table",
    "read_reports",
    "record",
    "releases_table",
    "releases_to",
    "requests_at",
    "size_figure",
    "sizes",
    "sizes_table",
    "summed_over",
    "wait_figures",
    "waiting",
    "waits_by",
    "waits_table",
]
