"""The program, beside which the package is held."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("ISOCORTEX_PROGRAM", ROOT / "target" / "release" / "isocortex"))


@pytest.fixture(scope="session")
def program():
    """Runs the program with arguments; gives what it did."""
    def call(*args):
        return subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True, timeout=300)

    call.path = [str(PROGRAM)]
    return call


@pytest.fixture
def begin():
    """Starts the program with arguments, and ends it with the test."""
    begun = []

    def start(*args):
        begun.append(subprocess.Popen([PROGRAM, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.communicate()
