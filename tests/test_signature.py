"""A manifest's signature, made and checked with a key of the test's own."""

import os
import shutil
import subprocess

import pytest

from jdl import signature
from jdl.faults import Unusable
from jdl.signature import INVALID, MISSING, UNCHECKED, UNNAMED, UNSIGNED, VALID, check, sign

needs_ssh = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="openssh-client is not installed"
)


def make_key(file, passphrase=""):
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f", str(file)]
    subprocess.run(command, check=True)
    return file


@pytest.fixture
def signed(tmp_path):
    """A folder with a signed manifest, and who may sign."""
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "manifest.json").write_text('{"files": {}}\n')
    key = make_key(tmp_path / "key")
    sign(folder, key)
    signers = tmp_path / "allowed_signers"
    signers.write_text(f"head@lab.example {key.with_suffix('.pub').read_text()}")
    return folder, key, signers


@needs_ssh
def test_a_signature_is_valid_and_the_same_each_time(signed):
    folder, key, signers = signed
    assert check(folder, signers) == signature.Signed(VALID, "head@lab.example")
    assert check(folder, signers).line == "signed by head@lab.example"
    before = (folder / "manifest.json.sig").read_bytes()
    sign(folder, key)
    assert (folder / "manifest.json.sig").read_bytes() == before
    assert (folder / "manifest.json.sig").stat().st_mode & 0o777 == 0o600


@needs_ssh
def test_a_changed_manifest_is_not_what_was_signed(signed):
    folder, _, signers = signed
    (folder / "manifest.json").write_text('{"files": {"a": "b"}}\n')
    assert check(folder, signers) == signature.Signed(INVALID)


@needs_ssh
def test_a_signature_that_is_none_is_not_valid(signed):
    folder, _, signers = signed
    (folder / "manifest.json.sig").write_text("signed, the head\n")
    assert check(folder, signers).state == INVALID


@needs_ssh
def test_another_key_does_not_sign_for_the_lab(signed, tmp_path):
    folder, _, signers = signed
    sign(folder, make_key(tmp_path / "other"))
    found = check(folder, signers)
    assert found.state == INVALID
    assert found.by.startswith("SHA256:") and found.by in found.line


@needs_ssh
def test_a_signature_made_for_something_else_is_not_valid(signed):
    folder, key, signers = signed
    told = (folder / "manifest.json").read_bytes()
    other = ["ssh-keygen", "-q", "-Y", "sign", "-n", "mail", "-f", str(key)]
    made = subprocess.run(other, input=told, capture_output=True, check=True).stdout
    (folder / "manifest.json.sig").write_bytes(made)
    assert check(folder, signers).state == INVALID


@needs_ssh
def test_what_cannot_be_checked_is_said(signed, monkeypatch, tmp_path):
    folder, _, signers = signed
    assert check(folder, None).state == check(folder, tmp_path / "none").state == UNNAMED
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check(folder, signers).state == UNCHECKED
    (folder / "manifest.json.sig").unlink()
    assert check(folder, None).state == UNSIGNED
    assert check(folder, signers).state == MISSING


def test_without_a_key_nothing_is_signed(monkeypatch):
    monkeypatch.delenv("JDL_SIGNING_KEY", raising=False)
    assert signature.key() is None


@needs_ssh
def test_a_key_that_cannot_be_used_is_refused_without_a_question(monkeypatch, signed, tmp_path):
    monkeypatch.setenv("JDL_SIGNING_KEY", str(tmp_path / "none"))
    with pytest.raises(Unusable, match="must be a file that is there"):
        signature.key()
    monkeypatch.setattr(signature, "ROOT", tmp_path.resolve())
    monkeypatch.setenv("JDL_SIGNING_KEY", str(signed[1]))
    with pytest.raises(Unusable, match="must not lie with the files of the project"):
        signature.key()
    with pytest.raises(Unusable, match="asking nobody"):
        sign(signed[0], make_key(tmp_path / "asks", passphrase="secret words"))


@needs_ssh
def test_a_configured_key_is_found(monkeypatch, signed):
    monkeypatch.setenv("JDL_SIGNING_KEY", os.fspath(signed[1]))
    assert signature.key() == signed[1].resolve()
