"""What a release is made of: hashes of files, inputs, code and environment.

Inputs are hashed by content: the order of rows, and how a file is laid out, make no difference.
No input's content is in a manifest.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = "manifest.json"
NOT_COMPARED = (MANIFEST, "run.json")
_CODE = ("jdl/**/*.py", "jdl/**/*.toml", "templates/**/*", "notebooks/*.ipynb")


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


def code(root: Path = ROOT) -> dict[str, Any]:
    """Return what identifies the code: version, hash, and the commit where git knows it.

    Parameters
    ----------
    root : Path
        The checkout.

    Returns
    -------
    dict
        ``version``; ``sha256`` over package, templates and notebooks (their cells, not their
        outputs); ``commit`` and ``changed_since``, None outside a git checkout.
    """
    return {
        "version": importlib.metadata.version("jdl"),
        "sha256": _code_hash(root),
        **_commit(root),
    }


def _code_hash(root: Path) -> str:
    files = sorted({path for pattern in _CODE for path in root.glob(pattern) if path.is_file()})
    return digest_json({path.relative_to(root).as_posix(): _source(path) for path in files})


def _source(path: Path) -> str:
    if path.suffix != ".ipynb":
        return digest(path.read_bytes())
    cells = nbformat.read(path, as_version=4).cells  # type: ignore[no-untyped-call]
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


def environment() -> dict[str, Any]:
    """Return Python's version and those of the packages that the project names; never the host."""
    return {"python": platform.python_version(), "packages": dict(_versions(_named()))}


def _named() -> list[str]:
    needs = importlib.metadata.requires("jdl") or []
    return sorted(
        re.split(r"[^A-Za-z0-9._-]", need, maxsplit=1)[0]
        for need in needs
        if "extra ==" not in need
    )


def _versions(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    return ((name, importlib.metadata.version(name)) for name in names)


def dump(content: Mapping[str, Any]) -> bytes:
    """Return a structure as the bytes of a JSON file."""
    return f"{json.dumps(content, ensure_ascii=False, indent=1, default=str)}\n".encode()
