"""What a release is made of: hashes of files, inputs, code and environment.

Inputs are hashed by content: the order of rows, and how a file is laid out, make no difference.
No input's content is in a manifest.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import platform
import re
import struct
import subprocess
import tarfile
import tomllib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import scipy.linalg  # noqa: F401  # so that its library is among those looked at
from nbformat import NotebookNode
from packaging.requirements import Requirement
from threadpoolctl import threadpool_info

from jdl import crate
from jdl.render import pdf_obstacle

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = "manifest.json"
SIGNATURE = f"{MANIFEST}.sig"
NOT_COMPARED = (MANIFEST, SIGNATURE, "run.json")
HELD_BACK = ("facts.html",)
"""Files of a report that only its provider sees: nothing public tells even their hash."""
RELEASED_AS = "released_as"
"""What the manifest of a public copy tells besides: the hash of the one that was signed."""
SCHEMA = 2
_LOCK, _PROJECT = "requirements.lock", "pyproject.toml"
BY_BYTES = ("request.toml", "disclosure.toml")
"""What schema 1 hashed as it was written, and not by what it says."""
_RECORD = re.compile(rf"(reports/[^/]+/)?{re.escape(MANIFEST)}|{re.escape(crate.FILE)}")
COMMIT = re.compile(r"[0-9a-f]{40}")
_CODE = ("jdl/**/*.py", "jdl/**/*.toml", "templates/**/*", "notebooks/*.ipynb")
_TAUGHT = (
    *("jdl/learning/", "notebooks/lessons.ipynb", "templates/walk_through/"),
    *("jdl/site/", "jdl/glossary.", "templates/site/", "templates/page/terms.css"),
)
"""Where the method is taught, and the site and glossary that explain it: no release reads them, and
none is made again because they changed."""


def digest(content: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def digest_json(content: Any) -> str:
    """Return the SHA-256 of a structure, whatever the order of its keys."""
    return digest(json.dumps(content, sort_keys=True, default=str).encode())


def digest_people(people: pd.DataFrame) -> str:
    """Return the hash of an upload's people, whatever the order of rows and columns.

    Parameters
    ----------
    people : DataFrame
        One row per row of the file; ``row`` does not count.

    Returns
    -------
    str
        SHA-256 over the sorted rows.
    """
    columns = sorted(set(people.columns) - {"row"})
    rows = people[columns].astype("str").to_numpy().tolist()
    return digest_json([columns, *sorted(json.dumps(row) for row in rows)])


def digest_toml(file: Path) -> str:
    """Return the SHA-256 of what a TOML file says, whatever the order of its keys."""
    return digest_json(tomllib.loads(file.read_text(encoding="utf-8")))


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the hash of every file of a release that is compared, by its path in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in files}
    return {
        name: digest(path.read_bytes()) for name, path in named.items() if name not in NOT_COMPARED
    }


def digest_manifest(folder: Path) -> str:
    """Return the SHA-256 of a release's manifest, which stands for the whole release."""
    return digest((folder / MANIFEST).read_bytes())


def fingerprint(folder: Path) -> str:
    """Return the part of `digest_manifest` that a sign-off names."""
    return digest_manifest(folder)[:16]


def broken(folder: Path) -> str | None:
    """Say in which file a finished release is not as its manifest has it; None if in none.

    Parameters
    ----------
    folder : Path
        Of the release.

    Returns
    -------
    str or None
        The first file in order of its path, and what is wrong with it.
    """
    try:
        listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"{MANIFEST} cannot be read"
    for name, expected in sorted(listed):
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            return f"{name} does not lie in it"
        try:
            found = digest((folder / name).read_bytes())
        except OSError:
            return f"{name} is missing"
        if found != expected:
            return f"{name} has been changed"
    return None


def records(made: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of a release that follow from its manifest alone, by their path in it.

    They tell what it was made from, and some of that goes on changing without effect: they are held
    to the manifest that they follow from, not to those of another run.

    Parameters
    ----------
    made : dict
        The manifest; hashes of these files in it make no difference.

    Returns
    -------
    dict of str to bytes
        The manifest of each report's folder, by which it can be verified alone, of which the schema
        tells every byte; and the metadata of the release as a research object crate. Neither tells
        of what only a provider sees.
    """
    own = {
        f"reports/{request}/{MANIFEST}": dump(_of_report(made, request))
        for request in made["inputs"]["requests"]
    }
    held: dict[str, str | None] = {
        name: hashed
        for name, hashed in made["files"].items()
        if not is_record(name) and PurePosixPath(name).name not in HELD_BACK
    }
    held |= dict.fromkeys([*own, MANIFEST])
    described = crate.describe(made, dict(sorted(held.items())))
    return {**own, crate.FILE: dump(described)}


def is_record(name: str) -> bool:
    """Whether the path of a file in a release is that of one of its `records`."""
    return bool(_RECORD.fullmatch(name))


def _of_report(made: Mapping[str, Any], request: str) -> dict[str, Any]:
    """Return the public manifest of one report, without what only its provider sees."""
    inputs, parameters, place = made["inputs"], made["parameters"], f"reports/{request}/"
    listed = {
        name.removeprefix(place): hashed
        for name, hashed in made["files"].items()
        if name.startswith(place) and not is_record(name)
    }
    return {
        **{key: made[key] for key in ("schema", "release")},
        "request": request,
        **{key: told for key, told in made.items() if key != RELEASED_AS},
        "inputs": {**inputs, "requests": {request: inputs["requests"][request]}},
        "parameters": {"requests": {request: parameters["requests"][request]}},
        "files": {name: hashed for name, hashed in listed.items() if name not in HELD_BACK},
    }


def tables_of(made: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what a manifest of any schema tells of each national table: its ``sha256`` and more.

    Schema 1 knew nothing but the hash.
    """
    return {
        name: {"sha256": told} if isinstance(told, str) else dict(told)
        for name, told in made["vintage"].get("tables", {}).items()
    }


def schema_of(made: Mapping[str, Any]) -> int:
    """Return the schema that a manifest is laid out by, whatever it says."""
    later = {"dependencies", "native", "processor", "lock"} & made["environment"].keys()
    later |= {"files"} & made["code"].keys()
    tables = made["vintage"].get("tables", {}).values()
    return SCHEMA if later or not all(isinstance(told, str) for told in tables) else 1


def comparable(
    made: Mapping[str, Any], again: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return two manifests without what only one of them can tell, being of another schema.

    Parameters
    ----------
    made, again : dict
        Manifests of one release.

    Returns
    -------
    tuple of dict
    """
    if schema_of(made) == schema_of(again):
        return dict(made), dict(again)
    return _without(made, again), _without(again, made)


def _without(made: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    theirs, tables = other["environment"], tables_of(other)
    return {
        **made,
        "vintage": {
            **made["vintage"],
            "tables": {
                name: {key: told[key] for key in told if key in tables.get(name, told)}
                for name, told in tables_of(made).items()
            },
        },
        "code": {key: told for key, told in made["code"].items() if key in other["code"]},
        "environment": {key: told for key, told in made["environment"].items() if key in theirs},
    }


def code(root: Path = ROOT) -> dict[str, Any]:
    """Return what identifies the code: version, hash, and the commit where git knows it.

    Parameters
    ----------
    root : Path
        The checkout.

    Returns
    -------
    dict
        ``version``; ``files``, the hash of each file of package, templates and notebooks (of these
        the cells, not the outputs); ``sha256`` over them; ``commit`` and ``changed_since``, None
        outside a git checkout.
    """
    files = _sources(root)
    return {
        "version": importlib.metadata.version("jdl"),
        "sha256": digest_json(files),
        **_commit(root),
        "files": files,
    }


@cache
def in_history(commit: str, root: Path = ROOT) -> bool:
    """Say whether a commit leads to the one that is checked out.

    Parameters
    ----------
    commit : str
        The 40 hexadecimal digits; anything else is no commit.
    root : Path
        The checkout.
    """
    if not COMMIT.fullmatch(commit):
        return False
    return _git(root, "merge-base", "--is-ancestor", commit, "HEAD") is not None


def unpack(commit: str, folder: Path, parts: Sequence[str] = (), root: Path = ROOT) -> bool:
    """Unpack the files of a commit into a folder, and say whether that was possible.

    Parameters
    ----------
    commit : str
        One that is `in_history`.
    folder : Path
        Made when needed.
    parts : sequence of str
        Files and folders of the project; all of them where none is named.
    root : Path
        The checkout.
    """
    with TemporaryDirectory() as scratch:
        kept = Path(scratch) / "code.tar"
        if _git(root, "archive", f"--output={kept}", commit, "--", *parts) is None:
            return False
        with tarfile.open(kept) as archive:
            archive.extractall(folder, filter="data")
    return True


def code_at(commit: str, root: Path = ROOT) -> dict[str, Any] | None:
    """Return what identified the code at a commit: ``version``, ``files`` and ``sha256``.

    Parameters
    ----------
    commit : str
        The 40 hexadecimal digits.
    root : Path
        The checkout.

    Returns
    -------
    dict or None
        As `code` has it; None where the commit does not lead to the one that is checked out.
    """
    parts = ("jdl", "templates", "notebooks", _PROJECT)
    with TemporaryDirectory() as folder:
        there = Path(folder)
        if not in_history(commit, root) or not unpack(commit, there, parts, root):
            return None
        told = tomllib.loads((there / _PROJECT).read_text(encoding="utf-8"))
        files = _sources(there)
    return {"version": told["project"]["version"], "sha256": digest_json(files), "files": files}


def _sources(root: Path) -> dict[str, str]:
    found = sorted({path for pattern in _CODE for path in root.glob(pattern) if path.is_file()})
    named = {path.relative_to(root).as_posix(): path for path in found}
    return {name: _source(path) for name, path in named.items() if not name.startswith(_TAUGHT)}


def _source(path: Path) -> str:
    if path.suffix != ".ipynb":
        return digest(path.read_bytes())
    return digest_cells(nbformat.read(path, as_version=4).cells)  # type: ignore[no-untyped-call]


def digest_cells(cells: Iterable[NotebookNode]) -> str:
    """Return the SHA-256 of a notebook's cells as they were written, whatever they put out."""
    return digest_json(
        [[cell.id, cell.cell_type, cell.source, cell.metadata.get("tags", [])] for cell in cells]
    )


def _commit(root: Path) -> dict[str, Any]:
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", "jdl", "templates", "notebooks")
    return {
        "commit": commit,
        "changed_since": None if commit is None else bool(changes),
    }


def _git(root: Path, *arguments: str) -> str | None:
    try:
        told = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.stdout.strip()


@cache
def environment() -> dict[str, Any]:
    """Return all that a file of a release may depend on beside inputs and code; never the host.

    Returns
    -------
    dict
        ``python``; ``packages`` that the project names, and ``dependencies``, those they need in
        turn, with their versions; ``native``, the libraries under them that lay out text, compress
        and calculate; ``processor``, how these calculate here; ``lock``, the hash of the locked
        environment, None where there is none.
    """
    named = _needed_by("jdl")
    lock = ROOT / _LOCK
    return {
        "python": platform.python_version(),
        "packages": _versions(named),
        "dependencies": _versions(_in_turn(named) - named),
        "native": {**_of_pdf(), **_of_charts(), **_of_numbers()},
        "processor": _processor(),
        "lock": digest(lock.read_bytes()) if lock.exists() else None,
    }


def _needed_by(package: str) -> set[str]:
    try:
        needs = [Requirement(need) for need in importlib.metadata.requires(package) or []]
    except importlib.metadata.PackageNotFoundError:
        return set()
    return {
        need.name.lower().replace("_", "-")
        for need in needs
        if need.marker is None or need.marker.evaluate({"extra": ""})
    }


def _in_turn(names: set[str]) -> set[str]:
    """Return these packages and all that they need, whatever stands between."""
    found, new = set(names), set(names)
    while new:
        new = {need for name in new for need in _needed_by(name)} - found
        found |= new
    return found


def _versions(names: set[str]) -> dict[str, str]:
    versions = {}
    for name in sorted(names):
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _of_pdf() -> dict[str, str]:
    """Return the versions of the libraries that WeasyPrint has loaded; none where it cannot."""
    if pdf_obstacle() is not None:
        return {}
    from weasyprint.text import ffi

    ffi.ffi.cdef("char *hb_version_string (void); char *pango_version_string (void);")
    ffi.ffi.cdef("int FcGetVersion (void);")
    fontconfig = ffi.fontconfig.FcGetVersion()
    return {
        "fontconfig": f"{fontconfig // 10000}.{fontconfig // 100 % 100}.{fontconfig % 100}",
        "harfbuzz": ffi.ffi.string(ffi.harfbuzz.hb_version_string()).decode(),
        "pango": ffi.ffi.string(ffi.pango.pango_version_string()).decode(),
    }


def _of_charts() -> dict[str, str]:
    from matplotlib import ft2font

    return {"freetype": str(ft2font.__freetype_version__), "zlib": zlib.ZLIB_RUNTIME_VERSION}


def _of_numbers() -> dict[str, str]:
    blas = {f"{one['internal_api']} {one['version']}" for one in _blas()}
    return {"blas": ", ".join(sorted(blas)), "libc": " ".join(platform.libc_ver())}


def _processor() -> dict[str, Any]:
    """Return what makes floating point differ between processors of one machine language.

    The C library tells nowhere which of its functions it has taken; what they return does.
    """
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    returned = [f(x / 7) for f in (math.exp, math.log, math.sin, math.erf) for x in range(1, 500)]
    return {
        "machine": platform.machine(),
        "blas": sorted({str(one.get("architecture")) for one in _blas()}),
        "simd": [*simd.get("baseline", []), *simd.get("found", [])],
        "libm": digest(struct.pack(f"{len(returned)}d", *returned))[:16],
    }


def _blas() -> list[dict[str, Any]]:
    return [one for one in threadpool_info() if one["user_api"] == "blas"]


def dump(content: Mapping[str, Any]) -> bytes:
    """Return a structure as the bytes of a JSON file."""
    return f"{json.dumps(content, ensure_ascii=False, indent=1, default=str)}\n".encode()
