//! The HTML page of a result file: what stands in it, and that it needs nothing but itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use isocortex::connectome::{Source, load};
use isocortex::record::{Dim, Layout, Results, Var, Writer};
use serde_json::Value;
use tempfile::TempDir;

const PULSE: [&str; 8] = [
    "chaudhuri2015_v1_pulse",
    "--set=simulation.duration=100 ms",
    "--set=stimuli.pulse.onset=10 ms",
    "--set=stimuli.pulse.offset=50 ms",
    "--set=analysis.timescales=~",
    "-q",
    "--no-figure",
    "-oout.h5",
];

/// Exit code, standard output, standard error.
fn say(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_isocortex"));
    program
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .args(args);
    let output = program.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A folder with the result of a run.
fn ran(args: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = say(folder.path(), &[&["run"], args].concat());
    assert_eq!(code, Some(0), "{err}");
    folder
}

/// The page of a result, and the data in it.
fn reported(folder: &TempDir, args: &[&str]) -> (String, Value) {
    let (code, out, err) = say(folder.path(), &[&["report", "out.h5"], args].concat());
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("out.html"), "{out}");
    let page = fs::read_to_string(folder.path().join("out.html")).unwrap();
    let start = r#"<script type="application/json" id="data">"#;
    let (_, rest) = page.split_once(start).unwrap();
    let data = serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
    (page, data)
}

fn texts(values: &Value) -> Vec<&str> {
    let values = values.as_array().unwrap().iter();
    values.map(|v| v.as_str().unwrap()).collect()
}

fn numbers(values: &Value) -> Vec<f64> {
    let values = values.as_array().unwrap().iter();
    values.map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
}

/// The cells of a matrix; those without value are NaN.
fn cells(matrix: &Value) -> Vec<f64> {
    let cells = matrix["values"].as_str().unwrap().split(',');
    cells.map(|c| c.parse().unwrap_or(f64::NAN)).collect()
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|v| v["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {list}"))
}

#[test]
fn a_page_loads_nothing_and_is_small() {
    let folder = ran(&PULSE);
    let (page, data) = reported(&folder, &[]);
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    assert!(page.contains("default-src 'none'"));
    // The config cites addresses; what is not data asks for none.
    let (before, rest) = page.split_once(r#"id="data">"#).unwrap();
    let outside = before.to_owned() + rest.split_once("</script>").unwrap().1;
    for load in [
        "src=",
        "href=\"http",
        "href='http",
        "@import",
        "url(",
        "fetch(",
        "XMLHttpRequest",
        "import(",
        "WebSocket",
    ] {
        assert!(!outside.contains(load), "{load}");
    }
    let file = Results::open(folder.path().join("out.h5")).unwrap();
    for name in [
        "config",
        "config_sha256",
        "connectome_sha256",
        "isocortex_commit",
        "plan",
    ] {
        assert_eq!(data["attributes"][name], file.attr_text(name).unwrap());
    }
    assert_eq!(data["attributes"]["seed"], 0);
    assert_eq!(data["data"]["files"].as_array().unwrap().len(), 4);
}

#[test]
fn a_page_holds_areas_traces_stimuli_and_anatomy_of_the_file() {
    let folder = ran(&PULSE);
    let (_, data) = reported(&folder, &[]);
    let file = Results::open(folder.path().join("out.h5")).unwrap();
    let areas = file.coord_text("area").unwrap();
    assert_eq!(texts(&data["areas"]), areas);
    let v1 = areas.iter().position(|a| a == "V1").unwrap();
    let window = &data["series"][0]["windows"][0];
    assert_eq!(window["name"], "pulse");
    assert_eq!(
        (&window["start"], &window["end"]),
        (&10.0.into(), &50.0.into())
    );
    assert_eq!(window["areas"], serde_json::json!([v1]));
    assert_eq!(data["hierarchy"], "hierarchy_norm");
    assert_eq!(numbers(&data["time"]), file.coord_f64("time").unwrap());

    let recorded = file.read("nu").unwrap();
    let traces = &named(&data["variables"], "nu_I")["traces"][0];
    let (low, high) = (numbers(&traces["low"]), numbers(&traces["high"]));
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-6 * b.abs();
    for (a, name) in areas.iter().enumerate() {
        let all = recorded.slice(ndarray::s![0, .., a, 1]);
        let (least, most) = all
            .iter()
            .fold((f64::MAX, f64::MIN), |(l, m), &x| (l.min(x), m.max(x)));
        assert!(close(low[a], least) && close(high[a], most), "{name}");
    }

    let macaque = load(&Source::parse("macaque-markov29").unwrap()).unwrap();
    let fln = cells(named(&data["matrices"], "FLN"));
    let at = |name: &str| macaque.area_id(name).unwrap().index();
    for (i, target) in areas.iter().enumerate() {
        for (j, source) in areas.iter().enumerate() {
            let shown = fln[i * areas.len() + j];
            match macaque.fln.get(at(target), at(source)) {
                None => assert!(shown.is_nan(), "{target} {source}"),
                Some(&x) => assert!(
                    (shown - x).abs() <= 1e-3 * x,
                    "{target} {source}: {shown} {x}"
                ),
            }
        }
    }
    // What was not measured has no place.
    assert_eq!(data["measures"], serde_json::json!([]));
    assert_eq!(data["modes"], serde_json::json!([]));
    assert_eq!(data["trial_table"], serde_json::json!([]));
}

/// The start of a run is no peak where something is shown later; where no baseline was sought, peaks are departures
/// from what areas showed then.
#[test]
fn peaks_count_from_the_first_stimulus() {
    for nothing in [false, true] {
        // Background currents are otherwise those that hold the state.
        let unsolved = [
            "--set=baseline={state: {nu_E: 10 Hz, nu_I: 35 Hz}, solve: nothing}",
            "--set=circuit.parameters.I_0E=100 pA",
            "--set=circuit.parameters.I_0I=100 pA",
        ];
        let late = [
            "chaudhuri2015_v1_pulse",
            "--set=initial.all.nu_E=200 Hz",
            "--set=simulation.duration=100 ms",
            "--set=stimuli.pulse.onset=50 ms",
            "--set=stimuli.pulse.offset=80 ms",
        ];
        let unsolved = if nothing { &unsolved[..] } else { &[] };
        let folder = ran(&[&late[..], unsolved, &PULSE[4..]].concat());
        let (_, data) = reported(&folder, &[]);
        let expected = serde_json::json!({"is_base": nothing, "counts_later": true});
        assert_eq!(data["series"][0]["peaks"], expected);
        let file = Results::open(folder.path().join("out.h5")).unwrap();
        let (rates, rest) = (file.read("nu").unwrap(), file.read("nu_baseline").unwrap());
        let onset = (file.coord_f64("time").unwrap().iter())
            .position(|t| *t > 49.9)
            .unwrap();
        let found = numbers(&named(&data["variables"], "nu_E")["traces"][0]["peak"]);
        for (a, found) in found.into_iter().enumerate() {
            let base = if nothing {
                rates[[0, onset, a, 0]]
            } else {
                rest[[a, 0]]
            };
            let all = rates.slice(ndarray::s![0, onset.., a, 0]);
            let peak = (all.iter().map(|x| x - base))
                .reduce(|most, x| if x.abs() > most.abs() { x } else { most })
                .unwrap();
            assert!(
                (found - peak).abs() <= 1e-6 * peak.abs(),
                "{a}: {found} {peak}"
            );
        }
    }
}

/// A long run is thinned: each frame keeps the smallest and the largest sample.
#[test]
fn thinned_traces_keep_the_extremes() {
    let folder = ran(&[&PULSE[..1], &["--set=simulation.duration=4 s"], &PULSE[2..]].concat());
    let (_, data) = reported(&folder, &[]);
    assert_eq!(data["thinned"], true);
    assert_eq!(data["samples"], 4001);
    assert!(data["time"].as_array().unwrap().len() <= 2400);
    let file = Results::open(folder.path().join("out.h5")).unwrap();
    let most = (file.read("nu").unwrap().iter()).fold(0.0_f64, |m, &x| m.max(x));
    let highest = |name: &str| {
        let traces = &named(&data["variables"], name)["traces"][0];
        numbers(&traces["high"]).into_iter().fold(0.0, f64::max)
    };
    assert!((highest("nu_E").max(highest("nu_I")) - most).abs() < 1e-4 * most);
}

const TASK: &str = "
title: a task
from: chaudhuri2015
task:
  stimuli:
    A: {into: drive_E, areas: [V1, V2], amplitude: 40 Hz}
  events:
    cue: {shows: A, onset: 20 ms, jitter: 10 ms, duration: 20 ms}
  conditions:
    seen: {trials: 3}
    catch: {trials: 1, without: [cue]}
  readouts:
    rate: {mean: nu_E, areas: [V1], from: 0 ms, to: 20 ms}
    report: {threshold: {A: nu_E}, above: 20 Hz, areas: [V1], from: 10 ms, to: 100 ms, correct: cue}
simulation: {duration: 100 ms, seed: 5}
record: {every: 1 ms, variables: [nu_E]}
noise: {background: {kind: white, into: drive_E, areas: all, sd: 0.01 Hz, bin: 0.2 ms}}
analysis: {functional_connectivity: {method: simulated, variable: nu_E}, modes: {variable: nu_E}}
";

#[test]
fn trials_are_means_of_conditions_then_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("task.yaml"), TASK).unwrap();
    let (code, _, err) = say(
        folder.path(),
        &["run", "task.yaml", "-q", "--no-figure", "-o", "out.h5"],
    );
    assert_eq!(code, Some(0), "{err}");
    let (_, data) = reported(&folder, &[]);
    let labels: Vec<&str> = (data["series"].as_array().unwrap().iter())
        .map(|s| s["label"].as_str().unwrap())
        .collect();
    let expected = [
        "seen: mean of 3 trials",
        "trial 0: catch",
        "trial 1: seen",
        "trial 2: seen",
        "trial 3: seen",
    ];
    assert_eq!(labels, expected);
    // The mean of trials with jitter spans their windows.
    let window = |s: usize| &data["series"][s]["windows"][0];
    assert_eq!(window(0)["name"], "cue: A");
    assert_eq!(window(0)["varies"], true);
    let starts: Vec<f64> = (2..5)
        .map(|s| window(s)["start"].as_f64().unwrap())
        .collect();
    let first = starts.iter().copied().fold(f64::MAX, f64::min);
    assert_eq!(window(0)["start"], first);
    assert!(data["series"][1]["windows"].as_array().unwrap().is_empty());

    let file = Results::open(folder.path().join("out.h5")).unwrap();
    let rates = file.read("nu_E").unwrap();
    let traces = &named(&data["variables"], "nu_E")["traces"];
    let v1 = texts(&data["areas"])
        .iter()
        .position(|a| *a == "V1")
        .unwrap();
    let mean = rates
        .slice(ndarray::s![1.., .., v1])
        .mean_axis(ndarray::Axis(0))
        .unwrap();
    let most = mean.iter().fold(0.0_f64, |m, &x| m.max(x));
    let shown = numbers(&traces[0]["high"])[v1];
    assert!((shown - most).abs() < 1e-5 * most, "{shown} {most}");

    let table = &data["trial_table"];
    assert_eq!(
        texts(&named(table, "condition")["values"]),
        ["catch", "seen", "seen", "seen"]
    );
    assert_eq!(texts(&named(table, "readout_report")["choices"]), ["A"]);
    assert_eq!(
        numbers(&named(table, "readout_report_correct")["values"]),
        [1.0; 4]
    );
    assert_eq!(named(&data["modes"], "mode_timescale")["units"], "ms");
    let fc = named(&data["matrices"], "functional_connectivity");
    assert_eq!(cells(fc).len(), 29 * 29);

    let (_, data) = reported(&folder, &["--replicates", "3"]);
    assert_eq!(data["series"].as_array().unwrap().len(), 2);
    assert_eq!(data["series"][1]["label"], "trial 3: seen");
}

/// A data set that is gone or changed costs stimuli or anatomy and a sentence, not the page.
#[test]
fn what_cannot_be_shown_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own");
    fs::create_dir(&own).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/macaque-markov29");
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), own.join(entry.file_name())).unwrap();
    }
    // Without the stated hashes, the tables may change.
    let manifest = fs::read_to_string(own.join("manifest.yaml")).unwrap();
    let unchecked: Vec<&str> = manifest
        .lines()
        .filter(|l| !l.contains("sha256:"))
        .collect();
    fs::write(own.join("manifest.yaml"), unchecked.join("\n") + "\n").unwrap();
    let args = [&["run"], &PULSE[..], &["--set=connectome.data=own"]].concat();
    let (code, _, err) = say(folder.path(), &args);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        !reported(&folder, &[]).1["matrices"]
            .as_array()
            .unwrap()
            .is_empty()
    );

    let table = fs::read_to_string(own.join("fln.csv")).unwrap();
    fs::write(
        own.join("fln.csv"),
        table.replace("V1,V2,0.73", "V1,V2,0.72"),
    )
    .unwrap();
    let (_, data) = reported(&folder, &[]);
    assert!(
        texts(&data["notes"])[0].contains("the data set changed"),
        "{}",
        data["notes"]
    );
    assert!(data["matrices"].as_array().unwrap().is_empty());
    assert_eq!(data["series"][0]["windows"][0]["name"], "pulse");

    fs::rename(&own, folder.path().join("moved")).unwrap();
    let (_, data) = reported(&folder, &[]);
    assert!(
        texts(&data["notes"])[0].contains("cannot be built"),
        "{}",
        data["notes"]
    );
    assert!(data["series"][0]["windows"].as_array().unwrap().is_empty());
    assert_eq!(data["areas"].as_array().unwrap().len(), 29);
}

#[test]
fn what_is_no_page_or_no_run_is_refused() {
    let folder = ran(&PULSE);
    let refused = |args: &[&str], words: &[&str]| {
        let (code, out, err) = say(folder.path(), &[&["report"], args].concat());
        assert_eq!(code, Some(1), "{args:?}: {out}{err}");
        assert!(
            err.starts_with("error: ") && err.matches("error: ").count() == 1,
            "{err}"
        );
        for word in words {
            assert!(err.contains(word), "{word} in {err}");
        }
        let pages = fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name());
        let left: Vec<_> = pages.filter(|n| n != "out.h5" && n != "sweep.h5").collect();
        assert!(left.is_empty(), "{left:?}");
    };
    refused(&["gone.h5"], &["gone.h5", "No such file"]);
    refused(&["out.h5", "-o", "out.h5"], &["the result file itself"]);
    refused(&["out.h5", "-o", "/dev/null"], &["device"]);
    refused(
        &["out.h5", "-o", "none/out.html"],
        &["cannot write none/out.html"],
    );
    refused(
        &["out.h5", "--replicates", "1"],
        &["no such replicate", "found --replicates 1", "0 to 0"],
    );
    let sweep = Layout {
        dims: vec![Dim::index("condition", 2)],
        vars: vec![Var::new("factor", &["condition"], "1", "what is swept")],
        ..Layout::default()
    };
    fs::copy(folder.path().join("out.h5"), folder.path().join("sweep.h5")).unwrap();
    let writer = Writer::extend(&folder.path().join("sweep.h5"), &sweep).unwrap();
    writer.finish().unwrap();
    refused(
        &["sweep.h5"],
        &["no values along the dimension `condition`", "sweep varied"],
    );
}

/// Little-endian float32 in base64, as numbers.
fn unpacked(text: &Value) -> Vec<f64> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.as_str().unwrap().bytes().filter(|&b| b != b'=');
    let digits: Vec<usize> = digits
        .map(|b| DIGITS.iter().position(|&d| d == b).unwrap())
        .collect();
    let bytes: Vec<u8> = (0..digits.len() * 6 / 8)
        .map(|k| {
            let (at, shift) = (k * 8 / 6, k * 8 % 6);
            (((digits[at] << 6 | digits[at + 1]) >> (4 - shift)) & 255) as u8
        })
        .collect();
    let four = bytes.chunks_exact(4);
    four.map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())))
        .collect()
}

#[test]
fn a_sweep_has_a_page_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = say(
        folder.path(),
        &[
            "sweep",
            "chaudhuri2015_rest_noise",
            "--set=simulation.duration=100 ms",
            "--set=simulation.replicates=2",
            "--set=analysis=null",
            "--set=gradients.eta.strength=0.5..0.7:3",
            "--set=preset=printed,precise",
            "-q",
            "-oout.h5",
        ],
    );
    assert_eq!(code, Some(0), "{err}");
    let (page, data) = reported(&folder, &[]);
    assert!(page.len() < 5_000_000 && page.contains("function mapPanel"));
    let file = Results::open(folder.path().join("out.h5")).unwrap();
    let paths = &data["paths"];
    let strengths = numbers(&named(paths, "gradients.eta.strength")["values"]);
    assert_eq!(strengths, file.coord_f64("gradients.eta.strength").unwrap());
    assert_eq!(
        texts(&named(paths, "preset")["values"]),
        file.coord_text("preset").unwrap()
    );
    assert_eq!(
        (&data["conditions"], &data["replicates"]),
        (&6.into(), &2.into())
    );
    // Mean and standard deviation over the two replicates of every condition and area.
    let shown = named(&data["quantities"], "nu_E_max");
    assert_eq!(
        (&shown["by"], &shown["units"]),
        (&"area".into(), &"Hz".into())
    );
    let (mean, sd) = (unpacked(&shown["mean"]), unpacked(&shown["sd"]));
    let stored = file.read("nu_E_max").unwrap();
    let areas = file.coord_text("area").unwrap().len();
    for condition in 0..6 {
        for area in 0..areas {
            let [a, b] = [0, 1].map(|r| stored[&[condition, r, area][..]]);
            let at = condition * areas + area;
            let close = |x: f64, y: f64| (x - y).abs() <= 1e-6 * a.abs();
            assert!(close(mean[at], f64::midpoint(a, b)), "{condition} {area}");
            assert!(
                close(sd[at], (a - b).abs() / 2.0_f64.sqrt()),
                "{condition} {area}"
            );
        }
    }
    // Nothing was stopped: that column says nothing.
    let names: Vec<&str> = (data["quantities"].as_array().unwrap().iter())
        .map(|q| q["name"].as_str().unwrap())
        .collect();
    assert!(!names.contains(&"stopped_at"), "{names:?}");
    assert!(names.contains(&"nu_E_baseline"), "{names:?}");
    assert_eq!(data["attributes"]["sweep"], Value::Null);
    let (code, _, err) = say(folder.path(), &["report", "out.h5", "--replicates", "0"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("result of a sweep"), "{err}");
}
