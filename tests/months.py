"""The months and the year that the whole chain is tried on, and how a command of it is run."""

import subprocess
import sys
from pathlib import Path

MONTHS = ("2014-01", "2014-02", "2014-03")
YEAR = "2014"


def jdl(*arguments):
    """Run a command of jdl; what it did, said and ended with."""
    return subprocess.run(
        [Path(sys.executable).with_name("jdl"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )


def folders(synthetic_out, outputs):
    """The arguments that name where the data are, the requests and the outputs."""
    return [
        "--data", synthetic_out, "--requests", synthetic_out / "requests", "--outputs", outputs,
    ]  # fmt: skip
