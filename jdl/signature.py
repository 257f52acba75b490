"""Signatures of manifests by ssh keys, made and checked offline by ssh-keygen.

A manifest stands for its whole release, so that its signature does. An office names the key by the
environment variable JDL_SIGNING_KEY, on the machine and in the account that may sign: a key belongs
to whoever signs, not to a month or to a command that others repeat. It may be the public half of a
key that an agent or a token holds, so that the private half lies on no disk. Those who check name a
file of allowed signers, as ``man ssh-keygen`` describes it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from jdl.faults import Fault, Unusable
from jdl.manifest import MANIFEST, ROOT, SIGNATURE
from jdl.safekeeping import write

KEY = "JDL_SIGNING_KEY"
SIGNERS = "allowed_signers"
"""The file of allowed signers in the folder of requests."""
VALID, INVALID, UNSIGNED = "valid", "not valid", "not signed"
MISSING = "signature missing"
UNNAMED, UNCHECKED = "no allowed signers", "cannot be checked"
_PURPOSE = "jdl"
_TOOL = "ssh-keygen"


@dataclass(frozen=True)
class Signed:
    """What is known of a folder's signature.

    Parameters
    ----------
    state : str
        `VALID`, `INVALID`, `UNSIGNED`, `MISSING` (not signed, though there are allowed signers),
        `UNNAMED` (signed, but no allowed signers are at hand) or
        `UNCHECKED` (signed, but there is no ssh-keygen).
    by : str
        Who signed, as the file of allowed signers calls them; where they are not in it, the
        fingerprint of their key; empty where that is not known.
    """

    state: str
    by: str = ""

    @property
    def line(self) -> str:
        """What there is to say, in one line."""
        return {
            VALID: f"signed by {self.by}",
            INVALID: (
                f"signed with a key that is not among the allowed signers ({self.by})"
                if self.by
                else "the signature does not belong to this manifest"
            ),
            UNSIGNED: "not signed",
            MISSING: f"not signed, though there is a file {SIGNERS}",
            UNNAMED: f"signed, but by whom was not checked: there is no file {SIGNERS}",
            UNCHECKED: f"signed, but by whom was not checked: {_TOOL} is missing",
        }[self.state]


def key() -> Path | None:
    """Return the key to sign with, None where none is configured.

    Raises
    ------
    Unusable
        If it is not there, lies with the project's own files, or nothing can sign with it.
    """
    if not (named := os.environ.get(KEY)):
        return None
    file = Path(named).expanduser().resolve()
    faults = []
    if not file.is_file():
        faults.append(
            Fault(KEY, "the key must be a file that is there", "Name it, or sign nothing")
        )
    elif file.is_relative_to(ROOT):
        rule = "a key must not lie with the files of the project"
        faults.append(Fault(KEY, rule, "Move it to a folder that only its owner can read"))
    if shutil.which(_TOOL) is None:
        remedy = "Install the Debian package openssh-client"
        faults.append(Fault(_TOOL, "it must be there where a key is configured", remedy))
    if faults:
        raise Unusable(faults)
    return file


def sign(folder: Path, key: Path) -> None:
    """Sign the manifest of a folder; with an ed25519 key the same bytes come out each time.

    Parameters
    ----------
    folder : Path
        Receives ``manifest.json.sig``.
    key : Path
        From `key`.

    Raises
    ------
    Unusable
        If ssh-keygen cannot sign with it.
    """
    command = ["-q", "-Y", "sign", "-n", _PURPOSE, "-f", str(key)]
    done = _run(command, (folder / MANIFEST).read_bytes())
    if done.returncode:
        rule = f"{_TOOL} must be able to sign with the key, asking nobody"
        remedy = (
            "Look that only its owner can read it; put a key with a passphrase into ssh-agent, and "
            "name its public half"
        )
        raise Unusable([Fault(KEY, rule, remedy)])
    write(folder / SIGNATURE, done.stdout)


def check(folder: Path, allowed_signers: Path | None) -> Signed:
    """Check the signature of a folder's manifest.

    Parameters
    ----------
    folder : Path
        With a manifest; whether its files are as that has them is another question.
    allowed_signers : Path or None
        Who may sign, with their public keys.

    Returns
    -------
    Signed
    """
    signed = folder / SIGNATURE
    named = allowed_signers is not None and allowed_signers.is_file()
    if not signed.is_file():
        return Signed(MISSING if named else UNSIGNED)
    if shutil.which(_TOOL) is None:
        return Signed(UNCHECKED)
    told = (folder / MANIFEST).read_bytes()
    about = ["-n", _PURPOSE, "-s", str(signed)]
    shown = _run(["-Y", "check-novalidate", *about], told)
    if shown.returncode:
        return Signed(INVALID)
    if allowed_signers is None or not named:
        return Signed(UNNAMED)
    known = ["-f", str(allowed_signers), "-s", str(signed)]
    names = _run(["-Y", "find-principals", *known], told).stdout.decode(errors="replace")
    for name in names.splitlines():
        verify = ["-Y", "verify", "-I", name, "-n", _PURPOSE, *known]
        if _run(verify, told).returncode == 0:
            return Signed(VALID, name)
    return Signed(INVALID, shown.stdout.decode(errors="replace").split()[-1])


def _run(arguments: list[str], told: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run ssh-keygen on what it is told, without a terminal or a window to ask questions on."""
    return subprocess.run(
        [_TOOL, *arguments],
        input=told,
        capture_output=True,
        check=False,
        env={**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"},
        start_new_session=True,
    )
