"""The project's own facts: README, lock, imports and notebooks are checked, not remembered."""

import ast
import json
import re
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MODULES = sorted((ROOT / "jdl").glob("[a-z]*.py"))
PARTS = {
    "synthetic": ("people", "careers", "tables", "programmes", "uploads", "__init__"),
    "engines": ("engine", "excerpt", "layout", "duck", "spark_sql", "spark", "__init__"),
    "learning": (
        "course", "certificate", "exercises", "made_up", "pictures", "truth", "replays", "weave",
        "page", "lab", "walk", "__init__",
    ),
    "linkage": (
        "private", "names", "register", "lookup", "model", "blocking", "scores", "training",
        "decisions", "accounts", "__init__",
    ),
    "matching": (
        "plan", "score", "formula", "separation", "support", "calipers", "pairs", "entropy",
        "search", "__init__",
    ),
    "disclosure": (
        "rules", "protect", "measures", "shown", "overrides", "remainders", "together", "compared",
        "people", "upload", "__init__",
    ),
    "published": (
        "told", "printing", "arithmetic", "reading", "folder", "contents", "places", "results",
        "register", "bulletin", "yearly", "wording", "drawing", "kinds", "sealed", "__init__",
    ),
    "scan": ("words", "reading", "vocabulary", "register", "__init__"),
    "yearly": ("records", "counts", "numbers", "sentences", "tables", "__init__"),
    "verify": (
        "subject", "origin", "inputs", "record", "as_made", "again", "found", "story", "__init__",
    ),
    "site": ("described", "used", "pages", "__init__"),
    "compare": ("numbers", "pieces", "__init__"),
    "charts": (
        "drawing", "headline", "curves", "overlap", "balance", "funnel", "linkage", "results",
        "pooled", "yearly", "__init__",
    ),
}  # fmt: skip
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# The way of the data: a module imports only from modules named before it.
ORDER = (
    "faults",
    "safekeeping",
    "cells",
    "forms",
    "national",
    "engines",
    "synthetic",
    "log",
    "upload",
    "request",
    "linkage",
    "review",
    "sitting",
    "pseudonyms",
    "sentence",
    "covariates",
    "outcomes",
    "landmark",
    "prepare",
    "matching",
    "balance",
    "power",
    "effects",
    "companion",
    "survival",
    "unmeasured",
    "disclosure",
    "cohorts",
    "elsewhere",
    "sensitivity",
    "analyses",
    "figures",
    "history",
    "pooled",
    "wording",
    "findings",
    "summary",
    "bulletin",
    "quality",
    "yearly",
    "tables",
    "people",
    "charts",
    "checks",
    "groups",
    "scope",
    "chapters",
    "profile",
    "forkserver",
    "execute",
    "spreadsheet",
    "render",
    "crate",
    "manifest",
    "signature",
    "scan",
    "accepted",
    "compare",
    "ledger",
    "workers",
    "release",
    "published",
    "verify",
    "why",
    "diff",
    "decided",
    "publish",
    "glossary",
    "learning",
    "site",
    "cli",
)
# Written with brackets, so that this file does not hold what it looks for.
LOCAL = re.compile(
    r"(?<![\w.])/(?:wor[k]|hom[e]|roo[t]|Use[r]s|op[t])/\w"
    r"|pypi[.]org|pythonhosted[.]org|registry[.]npmjs|npmjs[.]org|deb[.]debian[.]org"
)


def tracked() -> list[Path]:
    """Every file in git; a copy without git has none."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode:
        pytest.skip("not a git clone")
    files = (ROOT / name for name in listing.stdout.split("\0") if name)
    return [file for file in files if file.is_file()]


def tree() -> dict[str, list[str]]:
    """README's tree: each top-level entry with the entries indented under it."""
    block = re.search(r"^## The tree$.*?^```\w*\n(.*?)^```$", README, re.S | re.M)
    assert block, "README has no '## The tree' with a fenced block"
    entries: dict[str, list[str]] = {}
    for line in block[1].splitlines():
        name = line.split()[0].rstrip("/")
        if not line.startswith(" "):
            parent = entries.setdefault(name, [])
        else:
            parent.append(name)
    return entries


def imported(source: str, depth: int = 1) -> set[str]:
    """The modules of jdl that a module's source imports, wherever the import stands."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(["jdl"] * node.level + [node.module or ""]).strip(".")
            names += [f"{start}.{alias.name}" for alias in node.names]
    parts = [name.split(".")[1:] for name in names if name.startswith("jdl.")]
    return {".".join(part[: depth if part[0] in PARTS else 1]) for part in parts}


def plain(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-").replace(".", "-")


def entries_of_lock() -> list[str]:
    return re.findall(r"^[a-z0-9].*?(?=^[a-z0-9]|\Z)", LOCK, re.S | re.M)


def test_readme_tree_is_the_real_top_level():
    real = {file.relative_to(ROOT).parts[0] for file in tracked()}
    made_by_the_commands = {"data", "outputs"}
    told = {name for name in tree() if not name.startswith(".")} - made_by_the_commands
    assert told == {name for name in real if not name.startswith(".")}


def test_readme_tree_names_things_that_exist():
    missing = [f"{top}/{name}" for top, names in tree().items() for name in names]
    assert [path for path in missing if not (ROOT / path).exists()] == []


def test_readme_tree_holds_every_module_in_order():
    real = {path.name for path in MODULES}
    told = [name for name in tree()["jdl"] if name.endswith(".py") and name != "__init__.py"]
    assert told == [f"{name}.py" for name in ORDER if f"{name}.py" in real]


def test_readme_tree_holds_every_notebook():
    held = {path.name for path in (ROOT / "notebooks").iterdir() if path.is_file()}
    assert held == set(tree()["notebooks"])


def test_both_commands_stand_on_the_first_screen_of_readme():
    first_screen = "\n".join(README.splitlines()[:40])
    assert {"make release", "make test"} <= set(re.findall(r"^(make \w+)", first_screen, re.M))


def test_make_commands_named_in_documents_are_targets():
    targets = set(re.findall(r"^(\w+):(?!=)", MAKEFILE, re.M))
    documents = README + (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"(?:^|`)make (\w+)", documents, re.M))
    assert {"setup", "release", "test"} <= named <= targets


def test_lock_holds_hashes_for_every_entry():
    without = [entry.split()[0] for entry in entries_of_lock() if "--hash=sha256:" not in entry]
    assert without == []


def test_lock_names_no_address():
    assert re.findall(r"\w+://|^-.*|\bfile:", LOCK, re.M) == []


def test_lock_covers_every_dependency():
    extras = PROJECT["optional-dependencies"]
    listed = [*PROJECT["dependencies"], *extras["docs"], *extras["test"]]
    locked = {plain(entry) for entry in entries_of_lock()}
    assert {plain(requirement) for requirement in listed} <= locked


def test_lock_holds_one_numpy_and_one_scipy_for_every_python():
    pins = re.findall(r"^((?:numpy|scipy)==\S+)(.*)", LOCK, re.M)
    assert [marker.strip(" \\") for _, marker in pins] == ["", ""]


def test_environment_has_no_dependency_list_of_its_own():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *outside, from_pip = environment["dependencies"]
    assert [entry.split()[0] for entry in outside] == ["python", "pip", "pango"]
    assert from_pip == {"pip": ["-r requirements.lock"]}
    assert outside[0].removeprefix("python ") == PROJECT["requires-python"]


def test_commit_hooks_are_local_and_keep_cell_ids():
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    entries = {hook["id"]: hook["entry"] for hook in repositories[0]["hooks"]}
    assert entries["nbstripout"].endswith(" --keep-id")


def test_ci_runs_the_command_of_readme():
    script = (ROOT / ".ci" / "run").read_text()
    assert re.search(r"^make .*\btest\b", script, re.M)
    assert "set -euo pipefail" in script


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_module_imports_only_to_its_left(module):
    assert module.stem in ORDER, "a new module needs its place in ORDER"
    allowed = set(ORDER[: ORDER.index(module.stem)])
    if module.stem != "cli":
        allowed -= {"synthetic"}
    assert imported(module.read_text()) <= allowed


@pytest.mark.parametrize(("folder", "name"), [(f, n) for f, names in PARTS.items() for n in names])
def test_part_of_a_module_imports_only_to_its_left(folder, name):
    parts = imported((ROOT / "jdl" / folder / f"{name}.py").read_text(), depth=2)
    order = PARTS[folder]
    allowed = {f"{folder}.{part}" for part in order[: order.index(name)]}
    assert {part for part in parts if part.split(".")[0] == folder} <= allowed
    outside = {part.split(".")[0] for part in parts} - {folder}
    assert outside <= set(ORDER[: ORDER.index(folder)])


@pytest.mark.parametrize("folder", PARTS)
def test_every_part_of_a_module_has_its_place(folder):
    assert {path.stem for path in (ROOT / "jdl" / folder).glob("*.py")} == set(PARTS[folder])


def test_imports_are_seen_in_every_spelling():
    source = (
        "import jdl.cli\nfrom jdl import effects, balance\ndef f():\n    from .tables import x\n"
    )
    assert imported(source + "from jdl.charts import y") == {
        "cli",
        "effects",
        "balance",
        "tables",
        "charts",
    }


def test_no_module_is_called_utils():
    vague = re.compile(r"(utils?|helpers?|misc|common)\.py")
    assert [file for file in tracked() if vague.fullmatch(file.name)] == []


def test_every_notebook_is_kept_without_outputs():
    for file in tracked():
        if file.suffix == ".ipynb":
            cells = json.loads(file.read_text())["cells"]
            code = [cell for cell in cells if cell["cell_type"] == "code"]
            kept = [c["id"] for c in code if c["outputs"] or c["execution_count"] is not None]
            assert kept == [], file


def test_no_file_names_a_machine_or_a_registry():
    named = []
    for file in tracked():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if LOCAL.search(text):
            named.append(str(file.relative_to(ROOT)))
    assert named == []


def test_changelog_keeps_methodology_apart_from_code():
    text = (ROOT / "CHANGELOG.md").read_text()
    _, *versions = re.split(r"^## ", text, flags=re.M)
    assert versions
    for version in versions:
        assert re.findall(r"^### (.+)", version, re.M) == ["Methodology", "Code"]


def test_decisions_are_numbered_and_whole():
    text = (ROOT / "DECISIONS.md").read_text()
    numbers = [int(number) for number in re.findall(r"^## (\d+)\. ", text, re.M)]
    assert numbers[0] == 1
    assert all(after == before + 1 for before, after in pairwise(numbers))
    for decision in re.split(r"^## \d+\. ", text, flags=re.M)[1:]:
        parts = re.findall(r"^\*\*(\w+)\.\*\*", decision, re.M)
        assert parts == ["Context", "Decision", "Consequence", "Source"], decision.splitlines()[0]
