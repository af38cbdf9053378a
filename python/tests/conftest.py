"""The program, beside which the package is held."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def program():
    """Runs the program with arguments; gives what it did."""
    path = Path(os.environ.get("ISOCORTEX_PROGRAM", ROOT / "target" / "release" / "isocortex"))

    def call(*args):
        return subprocess.run([path, *map(str, args)], capture_output=True, text=True, timeout=300)

    return call
