"""`run` and `load`: the numbers, names and words of the program's file."""

import threading
import time

import isocortex as iso
import numpy as np
import pytest
import xarray as xr

SHORT = {"simulation.duration": "400 ms"}
NOISE = {
    "config": "chaudhuri2015_rest_noise",
    "set": {"simulation.duration": "2 s", "analysis": None, "record.precision": "float32"},
}


def of_program(program, path, config, sets):
    args = [f"--set={s}" for s in sets]
    done = program("run", config, *args, "--no-figure", "--quiet", "--output", path)
    assert done.returncode == 0, done.stderr
    return path


def assert_same(ours, theirs):
    """Everything but what xarray keeps for writing."""
    xr.testing.assert_identical(ours, theirs)
    for name in theirs.variables:
        # Readers differ in how they keep text.
        if theirs[name].dtype.kind in "iuf":
            assert ours[name].dtype == theirs[name].dtype, name
            assert ours[name].values.tobytes() == theirs[name].values.tobytes(), name


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
@pytest.mark.parametrize(
    ("config", "sets"),
    [
        ("chaudhuri2015_v1_pulse", ["simulation.duration=400 ms"]),
        (
            "chaudhuri2015_rest_noise",
            ["simulation.duration=1 s", "simulation.replicates=3", "analysis=null", "record.precision=float32"],
        ),
        ("two_alternative_decision", []),
        ("joglekar2018_floor", []),
    ],
)
def test_run_equals_the_file_of_the_program(program, tmp_path, config, sets, engine):
    path = of_program(program, tmp_path / "program.h5", config, sets)
    with xr.open_dataset(path, engine=engine) as theirs:
        assert_same(iso.run(config, set=sets), theirs.load())


def test_load_equals_xarray(tmp_path):
    path = tmp_path / "kept.h5"
    kept = iso.run("chaudhuri2015_v1_pulse", set=SHORT, output=path)
    assert_same(iso.load(path), kept)
    with xr.open_dataset(path) as theirs:
        assert_same(kept, theirs.load())


def test_threads_change_nothing_and_seeds_do():
    one = iso.run(**NOISE, replicates=3, threads=1)
    assert_same(iso.run(**NOISE, replicates=3, threads=2), one)
    assert one.sizes["replicate"] == 3
    name = next(iter(one.data_vars))
    assert not np.array_equal(iso.run(**NOISE, replicates=3, seed=7)[name], one[name])


def test_a_dictionary_is_a_config(tmp_path):
    whole = iso.config("chaudhuri2015_v1_pulse", set=SHORT)
    assert whole["simulation"]["duration"] == "400 ms"
    named = iso.run("chaudhuri2015_v1_pulse", set=SHORT)
    typed = iso.run(whole)
    xr.testing.assert_identical(typed.drop_attrs(), named.drop_attrs())
    layered = iso.run({"from": "chaudhuri2015_v1_pulse", "simulation": {"duration": "400 ms"}})
    xr.testing.assert_identical(layered.drop_attrs(), named.drop_attrs())
    path = tmp_path / "own.yaml"
    path.write_text("from: chaudhuri2015_v1_pulse\nsimulation: {duration: 400 ms}\n")
    assert_same(iso.run(path), iso.run(str(path)))


def test_errors_are_those_of_the_program(program, tmp_path):
    wrong = ["stimuli.pulse.areas=[V11]"]
    with pytest.raises(iso.IsocortexError) as found:
        iso.run("chaudhuri2015_v1_pulse", set=wrong)
    said = program("run", "chaudhuri2015_v1_pulse", "--set", wrong[0], "--quiet", "--output", tmp_path / "x.h5")
    assert said.returncode == 1
    assert said.stderr.strip().endswith(f"error: {found.value}")
    assert isinstance(found.value, ValueError)
    for wrong in (
        lambda: iso.run("chaudhuri2015_v1_puls"),
        lambda: iso.run("chaudhuri2015_v1_pulse", threads=0),
        lambda: iso.load(tmp_path / "none.h5"),
        lambda: iso.names("birds"),
        lambda: iso.reproduce("nobody1999"),
        lambda: iso.run({"title": "nothing else"}),
    ):
        with pytest.raises(iso.IsocortexError, match=r"found|missing|none.h5"):
            wrong()
    with pytest.raises(TypeError, match="one text"):
        iso.run("chaudhuri2015_v1_pulse", set="simulation.seed=1")
    with pytest.raises(TypeError, match="expected text, number"):
        iso.run("chaudhuri2015_v1_pulse", set={"simulation.seed": object()})


def test_an_unstable_network_warns():
    with pytest.warns(iso.IsocortexWarning, match="what follows of it is NaN|no cortex does"):
        iso.run(
            "chaudhuri2015_rest_noise",
            set={"simulation.duration": "1 s", "analysis": None, "noise.rest.sd": "1e7 Hz"},
            replicates=2,
        )


def test_progress_rises_to_the_end():
    seen = []
    iso.run(**NOISE, replicates=40, progress=lambda done, total: seen.append((done, total)))
    assert seen and seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    iso.run("chaudhuri2015_v1_pulse", set=SHORT, progress=True)


def test_an_exception_in_progress_stops_the_run():
    def stop(done, total):
        raise RuntimeError("enough")

    begun = time.monotonic()
    with pytest.raises(RuntimeError, match="enough"):
        iso.run("chaudhuri2015_rest_noise", set={"simulation.duration": "1e5 s", "analysis": None,
                                                  "record.every": "10 s"}, progress=stop)
    assert time.monotonic() - begun < 20


def test_other_threads_go_on_while_a_run_works():
    beats = []
    stop = threading.Event()

    def beat():
        while not stop.wait(0.005):
            beats.append(time.monotonic())

    other = threading.Thread(target=beat)
    other.start()
    begun = time.monotonic()
    iso.run(**NOISE, replicates=300, threads=1)
    ended = time.monotonic()
    stop.set()
    other.join()
    during = [t for t in beats if begun < t < ended]
    assert ended - begun > 0.1
    gaps = np.diff([begun, *during, ended])
    assert gaps.max() < 0.5 * (ended - begun)


def test_two_runs_at_a_time():
    found = {}

    def work(seed):
        found[seed] = iso.run(**NOISE, seed=seed, threads=1)

    both = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    for seed in (1, 2):
        assert_same(found[seed], iso.run(**NOISE, seed=seed))
