"""Makes the Python environment of each peer: `python setup.py NAME... | all`.

NAME is a file of `requirements/`. The environment stands in `target/bench/venv/NAME` and is left
alone if it already has what the file asks for. A peer that cannot be installed is skipped with one
line that says why; the exit code is then 1. What pip says is in `target/bench/venv/NAME.log`.
"""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements"
ENVIRONMENTS = HERE.parents[1] / "target" / "bench" / "venv"


def names():
    return sorted(file.stem for file in REQUIREMENTS.glob("*.txt"))


def python_of(environment):
    folder = "Scripts" if sys.platform == "win32" else "bin"
    return environment / folder / "python"


def install(name):
    """None if the environment is there now, else why it is not."""
    wanted = REQUIREMENTS / f"{name}.txt"
    environment = ENVIRONMENTS / name
    # A copy of the requirements, written last: only a complete environment has it.
    done = environment / "requirements.txt"
    if done.is_file() and done.read_bytes() == wanted.read_bytes():
        print(f"{name}: is there")
        return None
    shutil.rmtree(environment, ignore_errors=True)
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    log_file = ENVIRONMENTS / f"{name}.log"
    commands = [
        [sys.executable, "-m", "venv", environment],
        [python_of(environment), "-m", "pip", "install", "-r", wanted],
        [python_of(environment), "-m", "pip", "check"],
    ]
    with open(log_file, "w") as log:
        for command in commands:
            run = subprocess.run(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT)
            if run.returncode != 0:
                what = " ".join(["python", *map(str, command[1:4])])
                return f"`{what}` failed, see {log_file}"
    shutil.copyfile(wanted, done)
    print(f"{name}: installed")
    return None


def main(arguments):
    known = names()
    wanted = known if arguments == ["all"] else arguments
    unknown = [name for name in wanted if name not in known]
    if not wanted or unknown:
        what = f"no environment {', '.join(unknown)}; " if unknown else ""
        sys.exit(f"{what}usage: python setup.py NAME... | all, NAME one of {', '.join(known)}")
    skipped = {name: why for name in wanted if (why := install(name)) is not None}
    for name, why in skipped.items():
        print(f"{name}: skipped: {why}")
    return 1 if skipped else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
