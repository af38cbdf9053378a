"""Ctrl-C, as a terminal and a notebook send it."""

import signal
import subprocess
import sys
import time

import isocortex as iso

LONG = """
import sys
import isocortex as iso
try:
    iso.run(
        "chaudhuri2015_v1_pulse",
        set={"simulation.duration": "1e6 s", "record.every": "10 s", "analysis": None},
        output=sys.argv[1],
        threads=1,
        progress=lambda done, total: print(done, flush=True),
    )
except KeyboardInterrupt as stopped:
    print("stopped:", stopped.__cause__)
    sys.exit(7)
"""


def test_ctrl_c_stops_a_run_and_keeps_what_was_finished(tmp_path):
    path = tmp_path / "long.h5"
    child = subprocess.Popen(
        [sys.executable, "-c", LONG, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert int(child.stdout.readline()) > 0
    begun = time.monotonic()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 7, err
    assert time.monotonic() - begun < 10
    assert "what was finished is kept in" in out
    assert not path.exists()
    kept = iso.load(tmp_path / "long.h5.partial")
    assert float(kept["nu"].isel(time=0).notnull().mean()) == 1.0


def test_a_run_goes_on_from_where_the_program_was_stopped(begin, tmp_path):
    path = tmp_path / "long.h5"

    def stopped_in_the_middle(sets):
        """Whether the program, begun on a run, could be stopped after a checkpoint and before the end."""
        path.unlink(missing_ok=True)
        args = [f"--set={key}={'null' if value is None else value}" for key, value in sets.items()]
        options = ["--quiet", "--no-figure", "--threads=1", "--checkpoint=0.05", "-o", path]
        process = begin("run", "chaudhuri2015_v1_pulse", *args, *options)
        patience = time.monotonic() + 60
        while process.poll() is None and not list(tmp_path.glob("long.h5*checkpoint*")):
            assert time.monotonic() < patience
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=60)
        assert code in (0, 130)
        return code == 130

    # On a machine that is busy with other things a short run is over before this process looks again.
    for seconds in (200, 800, 3200):
        sets = {"simulation.duration": f"{seconds} s", "record.every": f"{seconds / 10:g} ms", "analysis": None}
        if stopped_in_the_middle(sets):
            break
    else:
        raise AssertionError("no run could be stopped before its end")
    gone_on = iso.run("chaudhuri2015_v1_pulse", set=sets, output=path, resume=True)
    whole = iso.run("chaudhuri2015_v1_pulse", set=sets)
    assert gone_on["nu"].values.tobytes() == whole["nu"].values.tobytes()
    assert [entry.name for entry in tmp_path.iterdir()] == ["long.h5"]


def test_ctrl_c_ends_a_program_that_does_not_catch_it():
    code = LONG.split("try:")[0] + (
        "print('ready', flush=True)\n"
        "iso.run('chaudhuri2015_rest_noise', set={'simulation.duration': '1e6 s', 'record.every': '10 s', "
        "'analysis': None})\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    child.stdout.readline()
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in err
