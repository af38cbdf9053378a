"""Sweeps, scorecards, predictions, linearised networks, helpers for configs."""

import json
import subprocess
import sys

import isocortex as iso
import numpy as np
import pytest
import xarray as xr

PULSE = "chaudhuri2015_v1_pulse"
SHORT = {"simulation.duration": "400 ms", "analysis": None}


def test_sweep_equals_the_file_of_the_program(program, tmp_path):
    amplitudes = np.array([10.0, 20.0, 40.0])
    axes = {"stimuli.pulse.amplitude": [f"{a} Hz" for a in amplitudes], "circuit.parameters.tau_E": "20..30 ms:2"}
    path = tmp_path / "sweep.h5"
    done = program(
        "sweep", PULSE, "--quiet", "--output", path,
        "--set", "simulation.duration=400 ms", "--set", "analysis=null",
        "--set", "stimuli.pulse.amplitude=10.0 Hz,20.0 Hz,40.0 Hz",
        "--set", "circuit.parameters.tau_E=20..30 ms:2",
    )
    assert done.returncode == 0, done.stderr
    ours = iso.sweep(PULSE, set={**SHORT, **axes})
    with xr.open_dataset(path) as theirs:
        xr.testing.assert_identical(ours, theirs.load())


def test_numbers_are_an_axis_and_nested_lists_are_values(tmp_path):
    seeds = iso.sweep("chaudhuri2015_rest_noise", set={
        "simulation.duration": "500 ms", "analysis": None, "simulation.seed": range(3)})
    assert 3 in seeds.sizes.values()
    areas = iso.sweep(PULSE, set={**SHORT, "stimuli.pulse.areas": [["V1"], ["V2", "V4"]]}, output=tmp_path / "a.h5")
    assert 2 in areas.sizes.values()
    with pytest.raises(iso.IsocortexError, match="nothing varies"):
        iso.sweep(PULSE)
    with pytest.raises(iso.IsocortexError, match="expected one of them"):
        iso.sweep(PULSE, set={**SHORT, "simulation.seed": [1, 2]}, resume=True, restart=True)


def test_a_sweep_that_was_stopped_goes_on(tmp_path):
    wanted = {"set": {**SHORT, "stimuli.pulse.amplitude": "1..100 Hz:4000"}, "output": tmp_path / "s.h5", "threads": 1}

    def stop(done, total):
        if done:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError):
        iso.sweep(PULSE, **wanted, progress=stop)
    assert not (tmp_path / "s.h5").exists()
    with pytest.raises(iso.IsocortexError, match="unfinished|resume"):
        iso.sweep(PULSE, **wanted)
    seen = []
    resumed = iso.sweep(PULSE, **wanted, resume=True, progress=lambda done, total: seen.append(done))
    assert seen[0] > 0 and seen[-1] == 4000
    whole = iso.sweep(PULSE, set=wanted["set"])
    xr.testing.assert_identical(resumed.drop_attrs(), whole.drop_attrs())


def test_reproduce_gives_the_scorecard(program):
    card = iso.reproduce("wilson_cowan")
    assert set(card["verdict"]) <= {"pass", "fail", "known_gap"}
    assert (card["verdict"] == "pass").sum() > 0
    said = program("reproduce", "wilson_cowan").stdout
    assert f"{(card['verdict'] == 'pass').sum()} passed" in said
    assert card.attrs["paper"] and {"id", "found", "expected", "unit", "source", "note"} <= {*card}


def test_validate_gives_the_table_of_the_program(program):
    rows = iso.validate("leavitt2017")
    said = json.loads(program("validate", "leavitt2017", "--json").stdout)["comparisons"][0]
    assert rows.reset_index().to_dict("records") == said["rows"]
    assert rows.attrs["statistics"] == dict(said["statistics"])
    assert list(rows.index[~rows["agrees"]]) == said["disagree"]
    with pytest.raises(iso.IsocortexError, match="no such recordings"):
        iso.validate("nobody")


def test_predict_gives_the_table_of_the_program(program, tmp_path):
    design = tmp_path / "design.yaml"
    design.write_text(
        "title: A lesion\n"
        "experiment: chaudhuri2015_v1_pulse\n"
        "set: [simulation.duration=400 ms, analysis=null]\n"
        "readouts:\n"
        "  v4: {variable: nu_E, areas: [V4], from: 100 ms, to: 350 ms}\n"
        "perturbations:\n"
        "  without_v2: {lesion: [V2], refuted_if: V4 is as active as before}\n"
    )
    rows = iso.predict(design)
    said = json.loads(program("predict", design, "--json").stdout)
    assert rows.attrs["title"] == said["title"] == "A lesion"
    assert json.loads(rows.to_json(orient="records", double_precision=15)) == [
        {key: pytest.approx(value) if isinstance(value, float) else value for key, value in row.items()}
        for row in said["predictions"]
    ]
    assert rows["difference"][0] < 0
    with pytest.raises(iso.IsocortexError, match="no such design"):
        iso.predict("nothing")
    assert iso.names("designs") == ["froudist_walsh2021"]


def test_check_and_plan_run_nothing():
    assert iso.check(PULSE) == []
    assert "29" in iso.plan(PULSE)
    assert iso.config_text(PULSE).startswith("title: Pulse to V1")
    with pytest.raises(iso.IsocortexError, match="did you mean"):
        iso.check(PULSE, set={"simulation.seeed": 1})


def test_linearise_gives_the_modes_of_the_program(program):
    network = iso.linearise("chaudhuri2015")
    n = network.sizes["state"]
    assert n == 29 * 2 and list(network["variable"][:2].values) == ["nu_E", "nu_I"]
    values, vectors = iso.analysis.eigenmodes(network["jacobian"])
    assert np.array_equal(values, network["eigenvalue"].values)
    assert np.allclose(network["jacobian"].values @ vectors, vectors * values, atol=1e-12)
    found = iso.run(PULSE, set={"simulation.duration": "400 ms", "analysis": {"modes": {"variable": "nu_E"}}})
    assert np.array_equal(found["eigenvalue_real"].values, values.real)


def test_parameters_of_single_areas():
    areas = ["V1", "V2", "V4"]
    w = iso.parameters(areas, w_EE=([24.0, np.nan, 25.5], "pA/Hz"))
    assert w == {"V1": {"w_EE": "24.0 pA/Hz"}, "V4": {"w_EE": "25.5 pA/Hz"}}
    merged = iso.config(PULSE, set={"circuit.areas": w})
    assert merged["circuit"]["areas"] == w
    changed = iso.run(PULSE, set={**SHORT, "circuit.areas": w})["nu"].sel(area="V4")
    plain = iso.run(PULSE, set=SHORT)["nu"].sel(area="V4")
    assert not np.array_equal(changed, plain)
    with pytest.raises(iso.IsocortexError, match="found shape"):
        iso.parameters(areas, w_EE=([1.0], "pA/Hz"))


def test_stimuli_in_steps_equal_the_same_typed_by_hand():
    steps = iso.stimuli(
        "ramp", into="drive_E", areas=["V1", "V2"], unit="Hz", edges_ms=[100, 150, 200],
        amplitude=[[10.0, 0.0], [20.0, 5.0]],
    )
    assert len(steps) == 3
    typed = {
        "a": {"into": "drive_E", "areas": ["V1"], "amplitude": "10 Hz", "onset": "100 ms", "offset": "150 ms"},
        "b": {"into": "drive_E", "areas": ["V1"], "amplitude": "20 Hz", "onset": "150 ms", "offset": "200 ms"},
        "c": {"into": "drive_E", "areas": ["V2"], "amplitude": "5 Hz", "onset": "150 ms", "offset": "200 ms"},
    }
    one = iso.run(PULSE, set={**SHORT, "stimuli.pulse": None, "stimuli": steps})
    two = iso.run(PULSE, set={**SHORT, "stimuli.pulse": None, "stimuli": typed})
    xr.testing.assert_identical(one.drop_attrs(), two.drop_attrs())
    with pytest.raises(iso.IsocortexError, match="edges_ms"):
        iso.stimuli("x", into="drive_E", areas=["V1"], amplitude=[[1.0]], unit="Hz", edges_ms=[1.0])


def test_names():
    assert PULSE in iso.names() and "wilson_cowan" in iso.names("circuits")
    assert iso.names("data") == ["macaque-markov29", "macaque-markov40", "mouse-allen43", "mouse-allen82"]
    assert "chaudhuri2015" in iso.names("papers")


def test_the_package_works_where_no_checkout_is(tmp_path):
    code = f"import isocortex as iso; iso.run({PULSE!r}, set={SHORT!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_a_stopped_sweep_has_finished_is_collected(tmp_path):
    path = tmp_path / "s.h5"
    sets = {**SHORT, "stimuli.pulse.amplitude": "1..100 Hz:4000"}

    def stop(done, total):
        if done:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError):
        iso.sweep(PULSE, set=sets, output=path, threads=1, progress=stop)
    part = iso.collect(PULSE, path, tmp_path / "part.h5", set=sets)
    whole = iso.sweep(PULSE, set=sets)
    assert set(part.data_vars) == set(whole.data_vars)
    finished = 0
    for name in whole.data_vars:
        if not np.issubdtype(whole[name].dtype, np.floating):
            continue
        there = part[name].notnull()
        finished += int(there.sum())
        np.testing.assert_array_equal(part[name].values[there], whole[name].values[there])
    assert 0 < finished < sum(whole[name].size for name in whole.data_vars)


def test_a_file_is_run_again_from_the_config_inside_it(tmp_path):
    path = tmp_path / "one.h5"
    first = iso.run("chaudhuri2015_rest_noise", set=SHORT, replicates=2, output=path)
    again = iso.rerun(path, output=tmp_path / "two.h5", threads=1)
    xr.testing.assert_identical(first.drop_attrs(), again.drop_attrs())
    other = tmp_path / "other.h5"
    iso.run("chaudhuri2015_rest_noise", set={**SHORT, "simulation.seed": 9}, replicates=2, output=other)
    # A file whose numbers are not those of its config.
    import h5py

    with h5py.File(path) as config, h5py.File(other, "r+") as mixed:
        mixed.attrs["config"] = config.attrs["config"]
    with pytest.raises(iso.IsocortexError, match="not identical: found differences in nu"):
        iso.rerun(other)


def test_results_become_pages(tmp_path):
    path = tmp_path / "pulse.h5"
    iso.run(PULSE, set=SHORT, output=path)
    page = iso.report(path)
    assert page == tmp_path / "pulse.html" and "<title>" in page.read_text(encoding="utf-8")
    assert iso.report(path, tmp_path / "own.html", replicates=[0]).is_file()
    with pytest.raises(iso.IsocortexError, match="result file itself"):
        iso.report(path, path)


def test_a_fit_equals_that_of_the_program(program, tmp_path):
    few = "chaudhuri2015_pulse"
    assert few in iso.names("fits")
    folder = tmp_path / "fit"
    done = program("fit", few, "--json", "--output", tmp_path / "theirs")
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)
    seen = []
    ours = iso.fit(few, output=folder, progress=lambda done, total: seen.append(done))
    assert ours.attrs["loss"] == theirs["loss"] < theirs["loss_at_start"]
    assert list(ours["value"]) == [p["value"] for p in theirs["parameters"]]
    assert len(ours.attrs["trajectory"]) == len(theirs["trajectory"]) and seen[-1] > 0
    assert (folder / "best.yaml").is_file() and iso.config(folder / "best.yaml")
    with pytest.raises(iso.IsocortexError, match="earlier fit|journal"):
        iso.fit(few, output=folder)
