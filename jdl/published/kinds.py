"""What kind each figure is, and why some kinds cannot be worked out from published aggregates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from jdl.published.folder import Document
from jdl.published.told import WITHHELD, Beyond, Notes

_KINDS: tuple[tuple[str, str, str], ...] = (
    (r"^decisions\.", "decisions of disclosure control", "what they withhold is not published"),
    (r"^(method|plan|reading)\.", "choices of the method", "they are chosen, not worked out"),
    (
        r"^(facts|request|reason|criteria|vintage|release|yearly\.change|yearly\.made)\.",
        "facts of the request and the release",
        "they are stated, and only their copies can be compared",
    ),
    (r"^weights\.", "match weights of the linkage", "they come from the register's own records"),
    (
        r"^(linkage|gains|sentence|gaps|equality|data_quality)\.",
        "how people were found, and who",
        "who was looked for and found is known from the rows of the upload alone",
    ),
    (
        r"^(pool|places|delays)\.",
        "the pool, its places and the courts' delays",
        "they count national records that are not published",
    ),
    (r"\.profile\.", "profile of the treatment group", "it counts people's own records"),
    (
        r"\.(balance|second_order|overlap|attempts)\.|^attempts\.",
        "how alike the groups are",
        "means and spreads of characteristics come from people's own records",
    ),
    (
        r"\.adjusted\.",
        "adjusted checks",
        "they rest on a model of people's outcomes; the result has no inputs of it",
    ),
    (
        r"\.e_value\.|^rosenbaum\.",
        "how strong something unrecorded would have to be",
        "the strength of recorded characteristics, and the pairs, are not published",
    ),
    (
        r"^(checks|sensitivity|looks)\.",
        "other choices of links and method",
        "each takes the way from the people to the result again",
    ),
    (r"\.(survival)\.", "time without reoffence", "curves come from people's own dates"),
    (r"\.(funnel|index_|not_analysed)|^participation\.", "people sent, lost and analysed", ""),
    (r"^tests\.|\.p_value\.(holm|fdr)|^analyses\.", "numbers of tests and analyses", ""),
    (r"^pooled\.", "results put together by type", ""),
    (r"^(bulletin|yearly)\.", "counts and results of the bulletin or the year", ""),
    (r"^quality\.", "the quality statement", ""),
    (r"", "effects: means, intervals, tests and sizes", ""),
)
_ELSE = (
    "they count or average what is known of people, and no other published number determines them"
)


def kind_of(name: str) -> tuple[str, str]:
    """Return the kind of a figure, and why it may be beyond the aggregates."""
    return next((kind, why or _ELSE) for pattern, kind, why in _KINDS if re.search(pattern, name))


def count(
    checked: Iterable[tuple[Document, Notes]],
) -> tuple[dict[str, int], dict[str, int], tuple[Beyond, ...]]:
    """Count the figures of every register by kind: derived, held, and beyond."""
    derived: Counter[str] = Counter()
    held: Counter[str] = Counter()
    beyond: Counter[tuple[str, str]] = Counter()
    for document, notes in checked:
        for name, entry in document.figures.items():
            kind = kind_of(name)
            if entry["value"] is None:
                held[WITHHELD] += 1
            elif name in notes.derived:
                derived[kind[0]] += 1
            elif name in notes.held:
                held[kind[0]] += 1
            else:
                beyond[kind] += 1
    found = tuple(Beyond(kind, number, why) for (kind, why), number in sorted(beyond.items()))
    return dict(sorted(derived.items())), dict(sorted(held.items())), found
