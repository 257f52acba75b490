"""What a verification has found, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jdl.compare import SAME, WITHIN, Differing, Held
from jdl.faults import shown
from jdl.published import Checked
from jdl.signature import INVALID, MISSING, Signed
from jdl.verify.inputs import Change, of_effect, of_people
from jdl.verify.record import CLEAN, DIFFERS, PUBLISHED_ONLY
from jdl.verify.subject import Subject

_SHOWN = 3


@dataclass(frozen=True)
class Verification:
    """What a verification has found.

    Parameters
    ----------
    subject : Subject
        What was looked at.
    torn : dict of str to str
        Files that are not as the manifest lists them, and in what way.
    documents : tuple of str
        Reports and bulletin that were made again; the empty name for what stands above them.
    figures : tuple of Held
        Every figure of these, published and recomputed.
    printed : dict of tuple to tuple of str
        By document and figure, the files that print another number than was recomputed.
    files : tuple of Differing
        Files that do not come out byte by byte, with what differs in them.
    cells : dict of str to str
        The first notebook cell that differs, by document.
    changed : tuple of str
        Inputs that are no longer those recorded.
    environment : tuple of Change
    code : tuple of Change, optional
        Files of code that are not what they were; None where the manifest tells one hash for all.
    stopped : tuple of str
        Why it could not be made again to the end, where that is so.
    cannot : dict of str to str
        Why a document cannot be made again at all, by document; by the empty name why none can.
    tolerance : float
        How far statistics were allowed to lie apart.
    published : Checked, optional
        What the published files tell of each other, without any data.
    signed : Signed, optional
        What is known of the signature.
    unheld : tuple of str
        What the manifest says and nothing could be held against, and what was not held against it.
    """

    subject: Subject
    torn: Mapping[str, str]
    documents: tuple[str, ...] = ()
    figures: tuple[Held, ...] = field(default=(), repr=False)
    printed: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    files: tuple[Differing, ...] = ()
    cells: Mapping[str, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    environment: tuple[Change, ...] = ()
    code: tuple[Change, ...] | None = ()
    stopped: tuple[str, ...] = ()
    cannot: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 0.0
    published: Checked | None = None
    signed: Signed | None = None
    unheld: tuple[str, ...] = ()

    @property
    def differing(self) -> tuple[str, ...]:
        """Files that are not as they are listed, or do not come out again."""
        apart = {one.path for one in self.files if one.verdict not in (SAME, WITHIN)}
        return tuple(sorted({*self.torn, *apart}))

    @property
    def figures_apart(self) -> tuple[Held, ...]:
        """Figures that do not come out again, or are printed otherwise."""
        return tuple(
            one
            for one in self.figures
            if one.verdict not in (SAME, WITHIN) or (one.document, one.figure) in self.printed
        )

    @property
    def withholds(self) -> bool:
        """Whether recomputed numbers are those of other people, and so are not to be told."""
        return bool(of_people(self.changed))

    @property
    def clean(self) -> bool:
        """Whether every file comes out the same again, from the inputs that are recorded."""
        return self.verdict == CLEAN

    @property
    def verdict(self) -> str:
        """``clean``, ``differs`` or ``published aggregates only``."""
        telling = of_effect(self.changed)
        forged = self.signed is not None and self.signed.state in (INVALID, MISSING)
        contradicts = self.published is not None and bool(self.published.finds)
        if self.differing or self.figures_apart or telling or self.stopped or forged or contradicts:
            return DIFFERS
        return PUBLISHED_ONLY if self.cannot else CLEAN

    @property
    def _of_pdfs(self) -> str:
        alike = sum(
            one.path.endswith(".pdf") and one.verdict in (SAME, WITHIN) for one in self.files
        )
        plural = "s" if alike > 1 else ""
        return f"{alike} PDF{plural} compared by text and structure only" if alike else ""

    @property
    def line(self) -> str:
        """What there is to say, in one line."""
        name, many = self.subject.name, len(self.subject.listed)
        since = "; ".join(self._beside())
        if self.clean:
            same = f"{name}: clean, each of its {many} files comes out the same again"
            aside = "; ".join(filter(None, [since, self._of_pdfs]))
            return f"{same} ({aside})." if aside else f"{same}."
        only = [f"{PUBLISHED_ONLY}: {_reasons(self.cannot)}"] if self.cannot else []
        if self.verdict == PUBLISHED_ONLY:
            return f"{name}: " + "; ".join(filter(None, [*only, since])) + "."
        said = [self.published.line.rstrip(".")] if self.published and self.published.finds else []
        forged = self.signed is not None and self.signed.state in (INVALID, MISSING)
        said += [self.signed.line] if self.signed and forged else []
        found = [*self.stopped, _listed(self.differing, many), *said, *only, self._of_pdfs, since]
        return f"{name}: {DIFFERS}. " + "; ".join(filter(None, found)) + "."

    def _beside(self) -> Iterator[str]:
        """Say what is not as it was, and what is not held."""
        if self.changed:
            yield f"changed since: {', '.join(map(shown, self.changed))}"
        if self.unheld:
            yield f"not held: {', '.join(map(shown, self.unheld))}"


def _reasons(cannot: Mapping[str, str]) -> str:
    return "; ".join(f"{shown(name)}: {why}" if name else why for name, why in cannot.items())


def _listed(differing: Sequence[str], files: int) -> str:
    if not differing:
        return ""
    more = len(differing) - _SHOWN
    names = ", ".join(map(shown, differing[:_SHOWN])) + (f" and {more} more" if more > 0 else "")
    return f"{len(differing)} of {files} files: {names}"
