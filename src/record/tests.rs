//! Tests of the file layer as a whole.

use std::ops::Range;
use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs, io};

use ndarray::{Array2, ArrayD, Axis, IxDyn, Slice};

use super::*;

const AREAS: [&str; 5] = ["2", "10", "9/46d", "8l", "área"];
const TIMES: usize = 60;

fn layout(compression: Compression) -> Layout {
    let times = (0..TIMES).map(|i| i as f64 * 0.5).collect();
    let hierarchy = vec![0.1, 0.2, 0.3, 0.4, 0.5];
    let lobes = ["parietal", "frontal", "frontal", "", "été"]
        .map(str::to_owned)
        .to_vec();
    let text = |name: &str, values| Aux {
        name: name.into(),
        dim: "area".into(),
        long_name: format!("{name} of the area"),
        values,
    };
    let mut rate = Var::new("rate", &["replicate", "time", "area"], "Hz", "firing rate");
    rate.attrs = vec![("population".into(), "E".into())];
    let single = Var {
        dtype: Dtype::F32,
        ..Var::new(
            "synaptic_gating",
            &["time", "area"],
            "",
            "fraction of open NMDA receptors",
        )
    };
    Layout {
        dims: vec![
            Dim::int("replicate", vec![3, 1], "1", "replicate number"),
            Dim::float("time", times, "ms", "time since the start").in_blocks(20),
            Dim::text("area", AREAS),
            Dim::index("lag", 4),
        ],
        vars: vec![
            rate,
            single,
            Var::new("acf", &["lag"], "1", "autocorrelation"),
            Var::new("dt", &[], "ms", "time step"),
        ],
        aux: vec![
            text("lobe", AuxValues::Text(lobes)),
            text(
                "hierarchy",
                AuxValues::Float {
                    values: hierarchy,
                    units: String::new(),
                },
            ),
        ],
        attrs: vec![
            ("title".into(), "a test, naïve".into()),
            // Longer than the 64 KiB that fit into an object header.
            ("config".into(), "área: 9/46d\n".repeat(20_000).into()),
            ("empty".into(), "".into()),
            ("seed".into(), 42_i64.into()),
            ("coupling".into(), 0.68.into()),
        ],
        compression,
    }
}

fn rates() -> ArrayD<f64> {
    ArrayD::from_shape_fn(IxDyn(&[2, TIMES, AREAS.len()]), |i| {
        ((i[0] * 1000 + i[1] * 10 + i[2]) as f64).sin()
    })
}

fn write_rates(writer: &mut Writer, cuts: &[Range<usize>]) {
    let rates = rates();
    for replicate in 0..2 {
        for cut in cuts {
            let block = rates.slice_axis(Axis(0), Slice::from(replicate..replicate + 1));
            let block = block.slice_axis(Axis(1), Slice::from(cut.clone()));
            writer
                .write("rate", &[replicate, cut.start, 0], block)
                .unwrap();
        }
    }
}

#[test]
fn everything_written_is_read_back_and_no_cut_changes_it() {
    let folder = tempfile::tempdir().unwrap();
    #[allow(clippy::single_range_in_vec_init)]
    let cuts: [&[Range<usize>]; 3] = [&[0..60], &[0..20, 20..40, 40..60], &[59..60, 7..59, 0..7]];
    for compression in [Compression::None, Compression::Deflate(4)] {
        for (i, cuts) in cuts.iter().enumerate() {
            let path = folder.path().join(format!("{compression:?}{i}.h5"));
            let mut writer = Writer::create(&path, &layout(compression)).unwrap();
            write_rates(&mut writer, cuts);
            writer
                .write("dt", &[], ArrayD::from_elem(IxDyn(&[]), 0.1).view())
                .unwrap();
            writer.set_attr("finished", "yes").unwrap();
            assert!(
                !path.exists(),
                "the final name must not exist before the end"
            );
            assert_eq!(writer.finish().unwrap(), path);
            assert!(!partial_path(&path).exists());

            let results = Results::open(&path).unwrap();
            assert_eq!(results.read("rate").unwrap(), rates());
            assert_eq!(results.read("dt").unwrap()[IxDyn(&[])], 0.1);
            assert!(results.read("acf").unwrap().iter().all(|x| x.is_nan()));
            assert_eq!(results.attr_text("finished").unwrap(), "yes");
        }
    }
    // Nothing but the results is left: no lock, no partial.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6);
}

#[test]
fn names_coordinates_and_attributes_survive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.h5");
    let expected = layout(Compression::None);
    let mut writer = Writer::create(&path, &expected).unwrap();
    let gating = ArrayD::from_elem(IxDyn(&[TIMES, 5]), 0.1);
    writer
        .write("synaptic_gating", &[0, 0], gating.view())
        .unwrap();
    writer.finish().unwrap();

    let results = Results::open(&path).unwrap();
    let dims: Vec<_> = results
        .dims()
        .iter()
        .map(|d| (d.name.as_str(), d.len))
        .collect();
    assert_eq!(
        dims,
        [("replicate", 2), ("time", TIMES), ("area", 5), ("lag", 4)]
    );
    let vars: Vec<_> = results.vars().iter().map(|v| v.name.as_str()).collect();
    assert_eq!(vars, ["rate", "synaptic_gating", "acf", "dt"]);
    let rate = results.var("rate").unwrap();
    assert_eq!(rate.dims, ["replicate", "time", "area"]);
    assert_eq!(
        (rate.units.as_str(), rate.long_name.as_str()),
        ("Hz", "firing rate")
    );
    let gating = results.var("synaptic_gating").unwrap();
    assert_eq!((gating.dtype, gating.units.as_str()), (Dtype::F32, "1"));
    assert_eq!(
        results.read("synaptic_gating").unwrap()[[0, 0]],
        f64::from(0.1_f32)
    );

    assert_eq!(results.coord_text("area").unwrap(), AREAS);
    let lobes = ["parietal", "frontal", "frontal", "", "été"];
    assert_eq!(results.coord_text("lobe").unwrap(), lobes);
    assert_eq!(
        results.coord_f64("hierarchy").unwrap(),
        [0.1, 0.2, 0.3, 0.4, 0.5]
    );
    assert_eq!(results.coord_f64("replicate").unwrap(), [3.0, 1.0]);
    assert_eq!(results.coord_f64("time").unwrap()[3], 1.5);
    assert_eq!(results.var_attr_text("time", "units").unwrap(), "ms");
    assert_eq!(results.var_attr_text("rate", "population").unwrap(), "E");
    assert_eq!(
        results.var_attr_text("rate", "coordinates").unwrap(),
        "lobe hierarchy"
    );
    assert!(results.var_attr_text("acf", "coordinates").is_err());
    for (name, value) in &expected.attrs {
        assert_eq!(results.attr(name).unwrap(), *value, "{name}");
    }
    assert_eq!(results.attr_f64("seed").unwrap(), 42.0);
    assert_eq!(results.attr_text("Conventions").unwrap(), "CF-1.10");

    let texts = |values: &[&str]| CoordValues::Text(values.iter().map(|v| (*v).into()).collect());
    assert_eq!(results.coord("area").unwrap(), texts(&AREAS));
    assert_eq!(results.coord("lobe").unwrap(), texts(&lobes));
    let whole = CoordValues::Int(vec![3, 1]);
    assert_eq!(results.coord("replicate").unwrap(), whole);
    assert!(matches!(results.coord("time").unwrap(), CoordValues::Float(t) if t[3] == 1.5));
    assert_eq!(results.coord("lag").unwrap(), CoordValues::Index);
    assert!(results.coord("rate").is_err());
    let attrs = |name| results.var_attr_names(name).unwrap();
    assert_eq!(attrs("rate"), ["long_name", "population", "units"]);
    assert_eq!(attrs("area"), ["long_name"]);
    assert!(results.var_attr_names("none").is_err());

    let slab = results
        .read_slab("synaptic_gating", &[10..12, 1..3])
        .unwrap();
    assert_eq!(slab.shape(), [2, 2]);
    assert_eq!(
        results
            .read_slab("synaptic_gating", &[3..3, 0..5])
            .unwrap()
            .shape(),
        [0, 5]
    );
}

#[test]
fn slabs_are_the_right_part() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.h5");
    let mut writer = Writer::create(&path, &layout(Compression::Deflate(1))).unwrap();
    write_rates(&mut writer, std::slice::from_ref(&(0..TIMES)));
    // A view that is not contiguous must be written as what it shows.
    let table = Array2::from_shape_fn((5, TIMES), |(a, t)| (a * 100 + t) as f64);
    writer
        .write("synaptic_gating", &[0, 0], table.t().into_dyn())
        .unwrap();
    let path = writer.finish().unwrap();
    let results = Results::open(path).unwrap();
    let slab = results.read_slab("rate", &[1..2, 18..43, 2..4]).unwrap();
    let rates = rates();
    let expected = rates.slice(ndarray::s![1..2, 18..43, 2..4]).into_dyn();
    assert_eq!(slab, expected);
    assert_eq!(
        results.read("synaptic_gating").unwrap(),
        table.t().into_dyn()
    );
}

#[test]
fn wrong_blocks_and_names_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.h5");
    let mut writer = Writer::create(&path, &layout(Compression::None)).unwrap();
    let block = ArrayD::zeros(IxDyn(&[1, 10, 5]));
    let text = |r: Result<(), RecordError>| r.unwrap_err().to_string();
    assert!(text(writer.write("rat", &[0, 0, 0], block.view())).contains("`rate`"));
    assert!(text(writer.write("rate", &[0, 51, 0], block.view())).contains("[2, 60, 5]"));
    assert!(text(writer.write("rate", &[0, usize::MAX, 0], block.view())).contains("inside"));
    assert!(text(writer.write("rate", &[0, 0], block.view())).contains("expected 3"));
    assert!(text(writer.set_attr("a\0", "b")).contains("control"));
    assert!(text(writer.set_attr("CLASS", "b")).contains("file format"));
    // None of these stops the writer.
    writer.write("rate", &[0, 50, 0], block.view()).unwrap();
    let results = Results::open(writer.finish().unwrap()).unwrap();
    let text = |r: Result<ArrayD<f64>, RecordError>| r.unwrap_err().to_string();
    assert!(text(results.read("rats")).contains("`rate`"));
    assert!(text(results.read("area")).contains("no variable `area`"));
    assert!(text(results.read_slab("rate", &[0..1, 0..61, 0..5])).contains("[2, 60, 5]"));
    assert!(
        results
            .coord_f64("area")
            .unwrap_err()
            .to_string()
            .contains("expected numbers")
    );
    assert!(
        results
            .coord_text("time")
            .unwrap_err()
            .to_string()
            .contains("expected text")
    );
    assert!(
        results
            .coord_f64("lag")
            .unwrap_err()
            .to_string()
            .contains("only a length")
    );
    assert!(
        results
            .attr("nothing")
            .unwrap_err()
            .to_string()
            .contains("`seed`")
    );
    assert!(
        results
            .attr_f64("title")
            .unwrap_err()
            .to_string()
            .contains("expected a number")
    );
    assert!(
        results
            .var_attr("rate", "colour")
            .unwrap_err()
            .to_string()
            .contains("`units`")
    );
}

#[test]
fn paths_that_cannot_be_written_or_read_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(Compression::None);
    let create = |path: &Path| Writer::create(path, &layout).unwrap_err();
    assert!(matches!(
        create(&folder.path().join("no/r.h5")),
        RecordError::NoFolder { .. }
    ));
    assert!(matches!(create(folder.path()), RecordError::IsFolder(_)));
    assert!(matches!(create(Path::new("")), RecordError::IsFolder(_)));
    assert!(matches!(
        create(&folder.path().join("a\0b")),
        RecordError::Os { .. }
    ));
    #[cfg(target_os = "linux")]
    if let RecordError::Os { source, .. } = create(Path::new("/sys/kernel/r.h5")) {
        assert_eq!(source.kind(), io::ErrorKind::PermissionDenied);
    } else {
        panic!("a folder without write permission must be an error of the system");
    }

    let open = |path: &Path| Results::open(path).unwrap_err();
    assert!(matches!(open(folder.path()), RecordError::IsFolder(_)));
    let missing = open(&folder.path().join("none.h5")).to_string();
    assert!(
        missing.contains("none.h5") && missing.contains("No such file"),
        "{missing}"
    );
    let path = folder.path().join("r.h5");
    fs::write(&path, "time,area\n").unwrap();
    assert!(matches!(open(&path), RecordError::NotHdf5(_)));
    fs::write(&path, "").unwrap();
    assert!(matches!(open(&path), RecordError::NotHdf5(_)));

    // Replaces what is there.
    Writer::create(&path, &layout).unwrap().finish().unwrap();
    let whole = fs::read(&path).unwrap();
    Results::open(&path).unwrap();
    for part in [9, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..part]).unwrap();
        let error = open(&path);
        assert!(
            matches!(error, RecordError::Truncated { .. }),
            "{part}: {error}"
        );
    }
}

#[test]
fn a_second_writer_is_refused_and_a_dead_ones_rest_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.h5");
    let layout = layout(Compression::None);
    let mut writer = Writer::create(&path, &layout).unwrap();
    write_rates(&mut writer, std::slice::from_ref(&(0..TIMES)));
    assert!(matches!(
        Writer::create(&path, &layout),
        Err(RecordError::Busy { .. })
    ));
    // The refused one has not harmed the first.
    drop(writer);
    let partial = partial_path(&path);
    assert_eq!(
        Results::open(&partial).unwrap().read("rate").unwrap(),
        rates()
    );
    assert!(!path.exists());
    let writer = Writer::create(&path, &layout).unwrap();
    writer.discard();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn variables_can_be_added_to_a_finished_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.h5");
    let mut writer = Writer::create(&path, &layout(Compression::None)).unwrap();
    write_rates(&mut writer, std::slice::from_ref(&(0..TIMES)));
    writer.finish().unwrap();

    let tau = Var::new("timescale", &["area", "frequency"], "ms", "decay time");
    let depth = AuxValues::Float {
        values: vec![1.0; 5],
        units: "mm".into(),
    };
    let additions = Layout {
        dims: vec![Dim::float("frequency", vec![1.0, 2.0], "Hz", "frequency")],
        vars: vec![tau],
        aux: vec![Aux {
            name: "depth".into(),
            dim: "area".into(),
            long_name: "depth".into(),
            values: depth,
        }],
        attrs: vec![("title".into(), "with timescales".into())],
        ..Layout::default()
    };
    let values = ArrayD::from_elem(IxDyn(&[5, 2]), 7.0);
    append_vars(&path, &additions, &[("timescale", values.view())]).unwrap();
    // Once more, as when an analysis is repeated: the values are replaced.
    let again = ArrayD::from_elem(IxDyn(&[5, 2]), 8.0);
    let repeated = Layout {
        aux: Vec::new(),
        ..additions.clone()
    };
    append_vars(&path, &repeated, &[("timescale", again.view())]).unwrap();

    let results = Results::open(&path).unwrap();
    assert_eq!(results.read("timescale").unwrap(), again);
    assert_eq!(results.read("rate").unwrap(), rates());
    assert_eq!(
        results.var("timescale").unwrap().dims,
        ["area", "frequency"]
    );
    assert_eq!(results.dims().len(), 5);
    assert_eq!(results.attr_text("title").unwrap(), "with timescales");
    for var in ["rate", "timescale"] {
        let names = results.var_attr_text(var, "coordinates").unwrap();
        assert_eq!(names, "lobe hierarchy depth", "{var}");
    }
    drop(results);

    // What does not fit leaves the file as it was.
    let before = fs::read(&path).unwrap();
    let wrong = ArrayD::zeros(IxDyn(&[4, 2]));
    let error = append_vars(&path, &repeated, &[("timescale", wrong.view())]).unwrap_err();
    assert!(
        error.to_string().contains("[4, 2], expected [5, 2]"),
        "{error}"
    );
    let mut clash = repeated.clone();
    clash.vars[0].dims = vec!["area".into()];
    assert!(matches!(
        append_vars(&path, &clash, &[]),
        Err(RecordError::Layout(_))
    ));
    clash.vars[0].dims = vec!["time".into()];
    clash.vars[0].name = "area".into();
    assert!(matches!(
        append_vars(&path, &clash, &[]),
        Err(RecordError::Layout(_))
    ));
    clash.dims[0].name = "area".into();
    assert!(matches!(
        append_vars(&path, &clash, &[]),
        Err(RecordError::Layout(_))
    ));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

// The tests below run a part of themselves in a process of its own, which may be killed or have
// its disk filled. That part is an ignored test of this same program.

const CHILD_PATH: &str = "RECORD_TEST_PATH";

/// A shell line that runs the child test `name` with the path in `$RECORD_TEST_PATH`.
fn child(name: &str, path: &Path, shell: &str) -> Command {
    let module = module_path!().split_once("::").map_or("", |(_, rest)| rest);
    let mut command = Command::new("sh");
    command
        .args(["-c", shell, "sh"])
        .arg(env::current_exe().unwrap());
    command.args([
        "--ignored",
        "--exact",
        "--nocapture",
        &format!("{module}::{name}"),
    ]);
    command.env(CHILD_PATH, path);
    command
}

fn child_path() -> Option<std::path::PathBuf> {
    env::var_os(CHILD_PATH).map(Into::into)
}

#[test]
#[ignore = "the part of `a_killed_run_leaves_what_it_flushed` that is killed"]
fn child_that_is_killed() {
    let Some(path) = child_path() else { return };
    let mut writer = Writer::create(&path, &layout(Compression::Deflate(1))).unwrap();
    let rates = rates();
    for start in (0..40).step_by(20) {
        let block = rates.slice_axis(Axis(1), Slice::from(start..start + 20));
        for replicate in 0..2 {
            let block = block.slice_axis(Axis(0), Slice::from(replicate..replicate + 1));
            writer.write("rate", &[replicate, start, 0], block).unwrap();
        }
        writer.flush().unwrap();
    }
    // Not flushed, so it may be lost.
    let block = rates.slice_axis(Axis(1), Slice::from(40..60));
    writer.write("rate", &[0, 40, 0], block).unwrap();
    let me = std::process::id().to_string();
    Command::new("kill").args(["-KILL", &me]).status().unwrap();
    unreachable!("the process has been killed");
}

#[test]
#[cfg(unix)]
fn a_killed_run_leaves_what_it_flushed() {
    use std::os::unix::process::ExitStatusExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.h5");
    let output = child("child_that_is_killed", &path, r#"exec "$@""#)
        .output()
        .unwrap();
    assert_eq!(
        output.status.signal(),
        Some(9),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!path.exists());
    let results = Results::open(partial_path(&path)).unwrap();
    let flushed = Slice::from(0..40);
    let (read, expected) = (results.read("rate").unwrap(), rates());
    assert_eq!(
        read.slice_axis(Axis(1), flushed),
        expected.slice_axis(Axis(1), flushed)
    );
    assert_eq!(results.coord_text("area").unwrap(), AREAS);
    drop(results);
    // The dead process no longer holds the lock.
    Writer::create(&path, &layout(Compression::None))
        .unwrap()
        .finish()
        .unwrap();
    Results::open(&path).unwrap();
}

#[test]
#[ignore = "the part of the disk-full tests that fills the disk"]
fn child_that_fills_the_disk() {
    let Some(path) = child_path() else { return };
    for compression in [Compression::None, Compression::Deflate(1)] {
        let mut large = layout(compression);
        large.attrs.truncate(1);
        large
            .dims
            .push(Dim::index("sample", 1_000_000).in_blocks(10_000));
        large
            .vars
            .push(Var::new("trace", &["sample"], "mV", "membrane potential"));
        let mut writer = Writer::create(&path, &large).unwrap();
        let error = (0..1_000_000)
            .step_by(10_000)
            .find_map(|start| {
                // Numbers that do not compress.
                let noise = |i: IxDyn| {
                    let x = ((start + i[0]) as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    (x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) as f64
                };
                let block = ArrayD::from_shape_fn(IxDyn(&[10_000]), noise);
                let written = writer.write("trace", &[start], block.view());
                written.and_then(|()| writer.flush()).err()
            })
            .expect("a disk of 1 MiB has no room for 8 MB");
        assert!(error.is_disk_full(), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(".partial") && text.contains("`trace`"),
            "{text}"
        );
        println!("REPORTED {text}");
        let again = writer
            .write("dt", &[], ArrayD::zeros(IxDyn(&[])).view())
            .unwrap_err();
        assert!(matches!(again, RecordError::Stopped { .. }), "{again}");
        assert!(matches!(writer.flush(), Err(RecordError::Stopped { .. })));
        if compression == Compression::None {
            writer.discard();
        } else {
            assert!(writer.finish().is_err());
            assert!(
                !path.exists(),
                "a file that failed must not get its final name"
            );
        }
    }
    println!("SURVIVED");
}

/// The child must have ended in order and kept HDF5's own messages off the terminal.
fn assert_survived(output: &Output) {
    let [out, err] = [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b));
    assert!(output.status.success(), "{:?}\n{out}\n{err}", output.status);
    assert!(out.contains("SURVIVED"), "{out}\n{err}");
    assert!(!err.contains("HDF5-DIAG"), "{err}");
}

#[test]
#[cfg(unix)]
fn a_file_that_may_not_grow_is_an_error_and_no_crash() {
    let folder = tempfile::tempdir().unwrap();
    // A limit on the size of files fails writes as a full disk does, without privileges.
    let shell = r#"trap "" XFSZ; ulimit -f 1000; exec "$@""#;
    let path = folder.path().join("r.h5");
    assert_survived(
        &child("child_that_fills_the_disk", &path, shell)
            .output()
            .unwrap(),
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_and_no_crash() {
    let folder = tempfile::tempdir().unwrap();
    // A file system of 1 MiB in a mount namespace of its own, gone when the child ends.
    let mount = r#"mount -t tmpfs -o size=1m none "${RECORD_TEST_PATH%/*}""#;
    let unshare = |line: &str| {
        let shell = format!(r#"exec unshare -rm sh -c '{line}' sh "$@""#);
        child(
            "child_that_fills_the_disk",
            &folder.path().join("r.h5"),
            &shell,
        )
        .output()
        .unwrap()
    };
    if !unshare(mount).status.success() {
        println!("SKIPPED: mounting a small file system is not permitted here");
        return;
    }
    let output = unshare(&format!(r#"{mount} && exec "$@""#));
    assert_survived(&output);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("No space left on device"), "{text}");
}
