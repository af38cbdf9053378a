"""Connectomes from arrays, tables and zips, to folders and back."""

import tempfile
import zipfile

import isocortex as iso
import numpy as np
import pandas as pd
import pytest

W = np.array([[0.0, 0.7, 0.1], [0.6, 0.0, 0.2], [0.0, 0.3, 0.0]])
AREAS = ["V1", "2", "9/46d"]


def same(one, two):
    for name in ("weights", "sln", "distance_mm", "delay_ms"):
        a, b = getattr(one, name), getattr(two, name)
        assert (a is None) == (b is None), name
        assert a is None or np.array_equal(a, b, equal_nan=True), name
    for name in ("name", "title", "species", "areas", "kind", "lobes", "positions_mm", "publications", "terms"):
        assert getattr(one, name) == getattr(two, name), name
    assert list(one.gradients) == list(two.gradients)
    for key, g in one.gradients.items():
        other = two.gradients[key]
        assert np.array_equal(g.values, other.values)
        assert (g.unit, g.description) == (other.unit, other.description)
        assert (g.estimated is None) == (other.estimated is None)
        assert g.estimated is None or np.array_equal(g.estimated, other.estimated)


@pytest.mark.parametrize("name", ["macaque-markov29", "macaque-markov40", "mouse-allen43"])
def test_bundled_sets_go_to_a_folder_and_back(name, tmp_path):
    one = iso.Connectome(name)
    path = one.save(tmp_path / "set")
    same(iso.Connectome(path), one)
    assert f"{one.n_areas} areas" in repr(one)
    with pytest.raises(iso.IsocortexError, match="without manifest"):
        one.save(path)


def test_rows_are_targets():
    macaque = iso.Connectome("macaque-markov29")
    v1, v2 = macaque.areas.index("V1"), macaque.areas.index("V2")
    assert macaque.weights[v1, v2] > 0.7
    assert macaque.n_links == 536 and macaque.sln_hierarchy_correlation > 0.4
    assert not macaque.weights.flags.writeable


def test_a_saved_copy_runs_to_the_same_bits(tmp_path):
    path = iso.Connectome("macaque-markov29").save(tmp_path / "copy")
    sets = {"simulation.duration": "400 ms"}
    one = iso.run("chaudhuri2015_v1_pulse", set=sets)
    two = iso.run("chaudhuri2015_v1_pulse", set={**sets, "connectome.data": path})
    assert one["nu"].values.tobytes() == two["nu"].values.tobytes()
    assert two.attrs["connectome"] != one.attrs["connectome"]


def test_arrays_run(tmp_path):
    hierarchy = iso.Gradient(np.array([0.0, 0.5, 1.0]), "dimensionless", "made up for a test",
                             np.array([False, False, True]))
    one = iso.Connectome.from_arrays(
        W, AREAS, sln=np.where(W > 0, 0.5, np.nan), distance_mm=np.full((3, 3), 10.0) - 10 * np.eye(3),
        delay_ms=np.where(W > 0, 2.5, np.nan), gradients={"hierarchy_norm": hierarchy, "x": [1.0, 2.0, 3.0]},
        name="three", title="Three areas",
    )
    assert np.array_equal(one.weights, W) and one.areas == AREAS
    path = one.save(tmp_path / "three")
    same(iso.Connectome(path), one)
    found = iso.run("chaudhuri2015_v1_pulse", set={"connectome.data": path, "simulation.duration": "400 ms"})
    assert list(found["area"].values) == AREAS
    assert found["nu"].sel(area="2", population="E").max() > found["nu_baseline"].sel(area="2", population="E")


def test_tables_come_in_any_order():
    order = AREAS[::-1]
    table = pd.DataFrame(W, index=AREAS, columns=AREAS)
    areas = pd.DataFrame({"spines": [3.0, 2.0, 1.0], "note": ["c", "b", "a"]}, index=order)
    found = iso.Connectome.from_pandas(table[order], areas=areas, distance_mm=pd.DataFrame(
        np.ones((3, 3)), index=order, columns=AREAS))
    assert np.array_equal(found.weights, W)
    assert list(found.gradients) == ["spines"] and found.gradients["spines"].values.tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(iso.IsocortexError, match="V9"):
        iso.Connectome.from_pandas(table.rename(columns={"2": "V9"}))
    with pytest.raises(iso.IsocortexError, match="areas: found other names"):
        iso.Connectome.from_pandas(table, areas=areas.iloc[:2])


@pytest.mark.parametrize(
    ("weights", "areas", "said"),
    [
        (W + np.eye(3), AREAS, r"non-zero diagonal: found FLN 1, expected none \(V1 <- V1\)"),
        (W + 0.3 * (W > 0), AREAS, "sum"),
        (-W, AREAS, "expected"),
        (np.where(W > 0, np.nan, 0), AREAS, "expected"),
        (W, ["V1", "V1", "V2"], "V1"),
        (W[:2], AREAS, "a row a target"),
        (W, AREAS[:2], "found shape"),
    ],
)
def test_the_checks_of_the_library_refuse(weights, areas, said):
    with pytest.raises(iso.IsocortexError, match=said) as found:
        iso.Connectome.from_arrays(weights, areas, name="mine")
    assert tempfile.gettempdir() not in str(found.value)


def test_gradients_have_a_number_an_area():
    with pytest.raises(iso.IsocortexError, match="gradient x"):
        iso.Connectome.from_arrays(W, AREAS, gradients={"x": [1.0]})
    with pytest.raises(iso.IsocortexError, match="finite"):
        iso.Connectome.from_arrays(W, AREAS, gradients={"x": [1.0, np.nan, 2.0]})


def tvb(path, weights, folder=""):
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in (("weights", weights), ("tract_lengths", weights * 40)):
            archive.writestr(f"{folder}{name}.txt", "\n".join(" ".join(map(str, row)) for row in array))
        centres = "\n".join(f"{area} {k}.5 -1 2e1" for k, area in enumerate(AREAS))
        archive.writestr(f"{folder}centres.txt", centres + "\n")
    return path


def test_connectivity_of_the_virtual_brain(tmp_path):
    found = iso.Connectome.from_tvb(tvb(tmp_path / "c.zip", W * 5, "connectivity/"))
    assert found.kind == "strength" and found.areas == AREAS
    assert np.array_equal(found.weights, W * 5)
    assert np.array_equal(found.distance_mm[W > 0], (W * 200)[W > 0])
    assert found.gradients["centre_x_mm"].values.tolist() == [0.5, 1.5, 2.5]
    with pytest.warns(iso.IsocortexWarning, match="itself|themselves|diagonal"):
        loops = iso.Connectome.from_tvb(tvb(tmp_path / "loops.zip", W + np.eye(3)))
    assert np.array_equal(loops.weights, W)
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("weights.txt", "1 2\n3 x\n")
    with pytest.raises(iso.IsocortexError, match="weights.txt"):
        iso.Connectome.from_tvb(tmp_path / "bad.zip")


def test_tables_are_those_that_the_program_imports(program, tmp_path):
    path = tvb(tmp_path / "c.zip", W * 5)
    done = program("data", "import", "tvb", path, "--output", tmp_path / "set")
    assert done.returncode == 0, done.stderr
    theirs, ours = iso.Connectome(tmp_path / "set"), iso.Connectome.from_tvb(path)
    assert np.array_equal(ours.weights, theirs.weights)
    assert np.array_equal(ours.distance_mm, theirs.distance_mm, equal_nan=True)
    assert ours.areas == theirs.areas and ours.kind == theirs.kind
    for name, gradient in theirs.gradients.items():
        assert np.array_equal(ours.gradients[name].values, gradient.values)


def test_counts_of_neurons_become_fln(tmp_path):
    path = tmp_path / "counts.csv"
    path.write_text("target,source,case,supra,infra\nV1,V2,a,60,20\nV1,MT,a,5,15\nV2,V1,b,30,0\nMT,V1,c,1,3\n")
    found = iso.Connectome.from_counts(path)
    v1, v2 = found.areas.index("V1"), found.areas.index("V2")
    assert found.weights[v1, v2] == pytest.approx(0.8) and found.sln[v1, v2] == pytest.approx(0.75)
    with pytest.raises(iso.IsocortexError, match="expected mean or sum"):
        iso.Connectome.from_counts(path, merge="median")


def test_connectomes_go_out_to_other_programs(tmp_path):
    mine = iso.Connectome.from_arrays(W, AREAS, distance_mm=W * 10, gradients={"height": [0.0, 0.5, 1.0]})
    with pytest.warns(iso.IsocortexWarning, match="no positions"):
        mine.export(tmp_path / "c.zip", "tvb")
    back = iso.Connectome.from_tvb(tmp_path / "c.zip")
    assert np.array_equal(back.weights, W) and back.areas == AREAS
    archive = np.load(mine.export(tmp_path / "c.npz", "npz"))
    assert np.array_equal(archive["fln"], W) and list(archive["areas"]) == AREAS
    table = pd.read_csv(mine.export(tmp_path / "c", "csv") / "fln.csv", index_col=0, dtype={0: str})
    assert np.array_equal(table.to_numpy(), W)
    with pytest.raises(iso.IsocortexError, match="expected csv, npz or tvb"):
        mine.export(tmp_path / "c.xyz", "xyz")


@pytest.mark.parametrize("form", ["5", "5 compressed", "7.3"])
def test_matlab_files_are_imported(form, program, tmp_path):
    """Files of another program's writer, read by the program: full, sparse and small whole numbers."""
    path = tmp_path / "c.mat"
    counts = np.array([[0, 3, 200], [70000, 0, 1], [0, 2, 0]])
    if form == "7.3":
        import h5py

        # As MATLAB does: a block of its own, then HDF5 with the dimensions turned around.
        with h5py.File(path, "w", userblock_size=512) as file:
            file["W"], file["C"] = W.T, counts.T.astype(float)
            file["text"], file["none"] = np.array([[65], [66]], dtype=np.uint16), np.array([0, 3], dtype=np.uint64)
            for name, kind in [("W", b"double"), ("text", b"char"), ("none", b"double")]:
                file[name].attrs["MATLAB_class"] = np.bytes_(kind)
            file["none"].attrs["MATLAB_empty"] = np.uint8(1)
        with open(path, "r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file, written by a test".ljust(124) + b"\0\2IM")
    else:
        from scipy.io import savemat
        from scipy.sparse import csc_matrix

        arrays = {"W": W, "C": csc_matrix(counts), "text": "no matrix", "I": counts.astype(np.int32)}
        savemat(path, arrays, do_compression=form.endswith("compressed"))
    names = tmp_path / "areas.txt"
    names.write_text("\n".join(AREAS))
    for array, kind, expected in [("W", "fln", W), ("C", "strength", counts)]:
        done = program("data", "import", "matrices", f"{path}:{array}", "--kind", kind, "--areas", names,
                       "-o", tmp_path / array)
        assert done.returncode == 0, done.stderr
        assert np.array_equal(iso.Connectome(tmp_path / array).weights, expected)
    done = program("data", "import", "matrices", path, "--kind", "fln", "--areas", names, "-o", tmp_path / "x")
    assert done.returncode == 1 and "FILE:NAME" in done.stderr, done.stderr
    listed = {name.strip() for name in done.stderr.split("FILE:NAME:")[1].split(",")}
    assert listed == ({"W", "C"} if form == "7.3" else {"W", "C", "I"})


def test_an_import_asks_on_a_terminal(program, tmp_path):
    """The questions as a person sees them, on a terminal of its own."""
    import os
    import select
    import subprocess
    import time

    pty = pytest.importorskip("pty")
    (tmp_path / "w.csv").write_text(",V1,V2\nV1,0,0.2\nV2,0.7,0\n")
    answers = ["w.csv", "", "", "", "", "", "", "Two areas", "", "", "", "two"]
    parent, child = pty.openpty()
    process = subprocess.Popen([*program.path, "data", "import"], cwd=tmp_path, stdin=child, stdout=child, stderr=child)
    os.close(child)
    said = b""
    until = time.monotonic() + 60

    def more():
        """What the program says next; nothing once it has closed the terminal."""
        if not select.select([parent], [], [], max(0, until - time.monotonic()))[0]:
            raise TimeoutError(said.decode())
        try:
            return os.read(parent, 4096)
        except OSError:
            return b""

    try:
        for answer in answers:
            # A question ends with the sign after which one types.
            while not said.endswith(b"> "):
                said += more()
            os.write(parent, answer.encode() + b"\n")
            said += b"\n"
        while part := more():
            said += part
        assert process.wait(timeout=30) == 0, said.decode()
    finally:
        process.kill()
        process.wait()
        os.close(parent)
    text = said.decode()
    assert "row of V2 and the column of V1" in text
    assert "isocortex data import matrices w.csv --kind fln --title 'Two areas' --output two" in text
    assert iso.Connectome(tmp_path / "two").weights[1, 0] == 0.7
