"""What modules, functions and classes say of themselves: docstrings and signatures, as data.

They are read from the source by griffe, which imports nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import griffe

_SOURCE = Path(__file__).resolve().parent.parent
_NARROW = 84
"""Letters of a signature that stands on one line."""
_LISTED = ("parameters", "returns", "yields", "raises", "attributes", "other parameters")
_INDENT = "    "


@dataclass(frozen=True)
class Field:
    """One entry of a list: a parameter, or what is returned.

    Parameters
    ----------
    name : str
        Empty for what has none.
    type : str
        As the docstring writes it, or else the annotation.
    text : str
    """

    name: str
    type: str
    text: str


@dataclass(frozen=True)
class Part:
    """A part of a docstring.

    Parameters
    ----------
    title : str
        Such as ``Parameters``; empty for plain text.
    text : str
        Empty for a list.
    fields : tuple of Field
    examples : tuple of tuple of (bool, str)
        Text, and code (true) as it is typed at the prompt.
    """

    title: str
    text: str = ""
    fields: tuple[Field, ...] = ()
    examples: tuple[tuple[bool, str], ...] = ()


@dataclass(frozen=True)
class Thing:
    """A function, a class, or one of its methods.

    Parameters
    ----------
    path : str
        Where it is defined, such as ``jdl.matching.calipers.radius``.
    kind : {'function', 'class', 'method', 'property'}
    signature : str
        As Python source without a body.
    parts : tuple of Part
    members : tuple of Thing
        The public methods and properties of a class that have docstrings.
    """

    path: str
    kind: str
    signature: str
    parts: tuple[Part, ...]
    members: tuple[Thing, ...] = ()

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True)
class Constant:
    """A value that a module documents.

    Parameters
    ----------
    path, value : str
        The value as source.
    parts : tuple of Part
    """

    path: str
    value: str
    parts: tuple[Part, ...]

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True)
class Section:
    """One module: all of a plain one, or one of a package.

    Parameters
    ----------
    path : str
        Such as ``jdl.matching.calipers``.
    parts : tuple of Part
    constants : tuple of Constant
    things : tuple of Thing
        In the order of the source.
    """

    path: str
    parts: tuple[Part, ...]
    constants: tuple[Constant, ...]
    things: tuple[Thing, ...]


@dataclass(frozen=True)
class Chapter:
    """A module of the method, with the modules in it.

    Parameters
    ----------
    name : str
        Such as ``matching``.
    parts : tuple of Part
        Of the package itself; those of a plain module stand in its one section.
    sections : tuple of Section
        Those that hold something public.
    """

    name: str
    parts: tuple[Part, ...]
    sections: tuple[Section, ...]

    @property
    def is_package(self) -> bool:
        """Whether it has modules in it."""
        return bool(self.parts)

    @property
    def summary(self) -> str:
        """Its first sentence."""
        return self._said.partition("\n\n")[0]

    @property
    def rest(self) -> str:
        """What it says after its first sentence."""
        return self._said.partition("\n\n")[2]

    @property
    def _said(self) -> str:
        return (self.parts or self.sections[0].parts)[0].text


def chapter(name: str, order: Sequence[str] = ()) -> Chapter:
    """Describe a module of the package.

    Parameters
    ----------
    name : str
        Such as ``matching``.
    order : sequence of str
        The modules of a package in the order in which they are told; the others follow by name.

    Returns
    -------
    Chapter
    """
    module = _package()[name]
    if module.filepath.name != "__init__.py":
        return Chapter(name, (), (_section(module),))
    within = sorted(module.modules.items(), key=lambda one: _place(one[0], order))
    sections = [_section(inner) for _, inner in within]
    return Chapter(name, _parts(module), tuple(one for one in sections if one.things))


def _place(name: str, order: Sequence[str]) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)


def resolve(text: str, within: str) -> str | None:
    """Return the full path of what a docstring names, or None where the package has no such thing.

    Parameters
    ----------
    text : str
        Such as ``fit``, ``score.fit`` or ``matching.radius``.
    within : str
        The path of what the docstring is of.

    Returns
    -------
    str or None
        Where it is defined.
    """
    scope = within
    while scope:
        if found := _defined(f"{scope}.{text}"):
            return found
        scope = scope.rpartition(".")[0]
    return None


@cache
def _defined(path: str) -> str | None:
    if not path.startswith("jdl."):
        return None
    try:
        found = _package()[path.removeprefix("jdl.")]
        return str(found.final_target.path if found.is_alias else found.path)
    except (KeyError, griffe.GriffeError):
        return None


@cache
def _package() -> Any:
    return griffe.load(
        "jdl", search_paths=[_SOURCE.parent], docstring_parser="numpy", allow_inspection=False
    )


def _section(module: Any) -> Section:
    own = [one for name, one in module.members.items() if _is_told(name, one)]
    things = [_thing(one) for one in own if one.is_function or one.is_class]
    constants = [
        Constant(one.path, str(one.value), _parts(one))
        for one in own
        if one.is_attribute and one.docstring
    ]
    return Section(module.path, _parts(module), tuple(constants), tuple(things))


def _is_told(name: str, member: Any) -> bool:
    return not (name.startswith("_") or member.is_alias)


def _thing(one: Any) -> Thing:
    if not one.is_class:
        is_property = one.is_attribute or "property" in one.labels
        inner = one.parent.is_class
        kind = "property" if is_property else "method" if inner else "function"
        signature = f"{one.name}: {one.annotation}" if is_property else _signature(one)
        return Thing(one.path, kind, signature, _parts(one))
    members = [
        _thing(member)
        for name, member in one.members.items()
        if _is_told(name, member)
        and member.docstring
        and (member.is_function or "property" in member.labels)
    ]
    bases = ", ".join(map(str, one.bases))
    signature = f"class {one.name}({bases})" if bases else f"class {one.name}"
    return Thing(one.path, "class", signature, _parts(one), tuple(members))


def _signature(function: Any) -> str:
    given = list(_arguments(function.parameters))
    end = f" -> {function.returns}" if function.returns else ""
    line = f"{function.name}({', '.join(given)}){end}"
    if len(line) <= _NARROW:
        return line
    lines = "".join(f"{_INDENT}{one},\n" for one in given)
    return f"{function.name}(\n{lines}){end}"


def _arguments(parameters: Any) -> Iterator[str]:
    starred = False
    for one in parameters:
        if one.name in ("self", "cls"):
            continue
        kind = one.kind.value
        if kind == "keyword-only" and not starred:
            starred = True
            yield "*"
        starred = starred or kind == "variadic positional"
        stars = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
        typed = f": {one.annotation}" if one.annotation else ""
        has_default = one.default is not None and not stars
        equal = (" = " if typed else "=") + str(one.default) if has_default else ""
        yield f"{stars}{one.name}{typed}{equal}"


def _parts(one: Any) -> tuple[Part, ...]:
    if one.docstring is None:
        return ()
    parsed = one.docstring.parse("numpy", warnings=False)
    return tuple(_part(section) for section in parsed)


def _part(section: Any) -> Part:
    kind = section.kind.value
    title = section.title or kind.capitalize()
    if kind == "text":
        return Part("", section.value)
    if kind == "examples":
        shown = tuple((which.value == "examples", text) for which, text in section.value)
        return Part(title, examples=shown)
    if kind == "admonition":
        return Part(title, section.value.description)
    if kind in _LISTED:
        return Part(title, fields=tuple(_fields(section.value)))
    raise ValueError(f"a docstring has a section that is not shown: {title}")


def _fields(entries: Any) -> Iterator[Field]:
    """Yield the entries of a list; those that are told together, as one."""
    told = groupby(entries, lambda one: (_type(one.annotation), one.description))
    for (kind, text), together in told:
        yield Field(", ".join(getattr(one, "name", None) or "" for one in together), kind, text)


def _type(annotation: Any) -> str:
    """Return a type as it is written; of a set of choices, the choices."""
    told = "" if annotation is None else str(annotation)
    return " or ".join(told[1:-1].rsplit(", ", 1)) if told.startswith("('") else told
