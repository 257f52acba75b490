"""What a release is made of, in hashes."""

import shutil

import pytest

from jdl import manifest


@pytest.mark.parametrize(
    "file",
    [
        "jdl/faults.py", "jdl/codes.toml", "jdl/linkage/names.py", "jdl/disclosure/rules.py",
        "templates/page/page.html.j2", "notebooks/tailored_report.ipynb",
    ],
)  # fmt: skip
def test_a_change_of_any_source_changes_the_hash_of_the_code(file, tmp_path):
    for folder in ("jdl", "templates", "notebooks"):
        shutil.copytree(manifest.ROOT / folder, tmp_path / folder)
    before = manifest.code(tmp_path)["sha256"]
    changed = tmp_path / file
    text = changed.read_text(encoding="utf-8")
    new = (
        text.replace("minimum_treated", "minimum_people", 1)
        if file.endswith(".ipynb")
        else f"{text}\n# x"
    )
    assert new != text
    changed.write_text(new, encoding="utf-8")
    assert manifest.code(tmp_path)["sha256"] != before
