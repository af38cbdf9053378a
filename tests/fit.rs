//! Fits: known parameters are found again, and nothing is lost or changed when a fit is killed.

#[path = "common/files.rs"]
mod files;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread::sleep;

use assert_cmd::Command as Assert;
use files::moments;
use isocortex::fit::{self, Fit, Texts};
use isocortex::spec;
use isocortex::validation::{self, Lab, Measure, Value};

fn program() -> Assert {
    Assert::cargo_bin("isocortex").expect("the program is built")
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn say(folder: &Path, args: &[&str]) -> Said {
    let out = program()
        .current_dir(folder)
        .arg("fit")
        .args(args)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said {
        code: out.status.code(),
        out: text(out.stdout),
        err: text(out.stderr),
    }
}

fn done(folder: &Path, args: &[&str]) -> String {
    let said = say(folder, args);
    assert_eq!(said.code, Some(0), "{args:?}: {}", said.err);
    said.out
}

fn json(folder: &Path, args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&done(folder, &[args, &["--json"]].concat())).unwrap()
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// Peaks of a short pulse: simulated, with some candidates that are unstable.
const SHORT: &str = "
title: Peaks of a short run
experiment: chaudhuri2015_v1_pulse
set:
  - preset=printed
  - simulation.duration=400 ms
  - simulation.replicates=2
  - analysis.timescales=null
  - 'noise={n: {kind: white, into: drive_E, sd: 0.5 Hz, bin: 0.2 ms}}'
parameters:
  circuit.parameters.w_EE: {lower: 20 pA/Hz, upper: 60 pA/Hz, start: 24 pA/Hz}
  gradients.eta.strength: {lower: 0.1, upper: 1, scale: log}
targets:
  - {measure: {peak: {area: V1}}, expected: 100, relative: 0.01}
  - {measure: {peak: {area: V4}}, expected: 3.6, absolute: 0.1, weight: 2}
seed: 3
generations: 6
";

/// What a fit leaves, but for its journal.
const LEFT: [&str; 4] = [
    "best.yaml",
    "parameters.csv",
    "targets.csv",
    "trajectory.csv",
];

fn assert_same(a: &Path, b: &Path) {
    for name in LEFT {
        let text = |folder: &Path| std::fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(text(a), text(b), "{name}");
    }
}

#[test]
fn parameters_behind_targets_are_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let truth = [
        "preset=printed",
        "circuit.parameters.w_EE=23.7 pA/Hz",
        "gradients.eta.strength=0.6",
    ]
    .map(str::to_owned);
    let mut lab = Lab::new("chaudhuri2015_v1_pulse", &truth, None, 1).unwrap();
    let stop = AtomicBool::new(false);
    let mut targets = String::new();
    for rank in 0..3 {
        let measure = Measure::EigenTimescale { rank };
        let Value::Number(ms) = lab.measure(&measure, &stop).unwrap() else {
            panic!("a timescale is a number")
        };
        targets += &format!(
            "  - {{measure: {{eigen_timescale: {{rank: {rank}}}}}, expected: {ms}, relative: 0.01}}\n"
        );
    }
    let text = format!(
        "title: t\nexperiment: chaudhuri2015_v1_pulse\nset: [preset=printed]\nparameters:\n  \
         circuit.parameters.w_EE: {{lower: 20 pA/Hz, upper: 24.2 pA/Hz}}\n  \
         gradients.eta.strength: {{lower: 0.2, upper: 0.7}}\ntargets:\n{targets}seed: 1\n\
         generations: 150\n"
    );
    write(folder.path(), "f.yaml", &text);
    let found = json(folder.path(), &["f.yaml", "-o", "out"]);
    let value = |k: usize| found["parameters"][k]["value"].as_f64().unwrap();
    assert!((value(0) / 23.7 - 1.0).abs() < 1e-5, "{found:#}");
    assert!((value(1) / 0.6 - 1.0).abs() < 1e-5, "{found:#}");
    assert!(found["loss"].as_f64().unwrap() < 1e-4, "{found:#}");
    assert_eq!(found["ended"], "tolerance");
}

/// The bundled one: peaks printed with up to four digits give three strengths back.
#[test]
fn the_bundled_fit_recovers_the_printed_digits() {
    let folder = tempfile::tempdir().unwrap();
    let found = json(folder.path(), &["chaudhuri2015_pulse", "-o", "out"]);
    for (k, printed) in [24.3, 33.7, 0.68].into_iter().enumerate() {
        let value = found["parameters"][k]["value"].as_f64().unwrap();
        assert!(
            (value / printed - 1.0).abs() < 2e-3,
            "{k}: found {value}, expected {printed}"
        );
    }
    assert!(found["loss"].as_f64().unwrap() < 0.5, "{found:#}");
}

#[test]
fn every_bundled_fit_is_there_and_starts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/fits");
    let mut there: Vec<String> = folder
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    let listed: Vec<String> = fit::bundled()
        .iter()
        .map(|(name, _)| format!("{name}.yaml"))
        .collect();
    assert_eq!(there, listed);
    let own = |files: &[(&str, &str)]| {
        let both = files
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        both.collect()
    };
    let texts = Texts {
        tables: own(validation::bundled_recordings()),
        papers: own(validation::bundled()),
    };
    for (name, text) in fit::bundled() {
        let (config, file) = fit::load(name, text).unwrap();
        let fit = Fit::new(&config, &file, &[], &texts).unwrap_or_else(|e| panic!("{name}: {e}"));
        let start = fit.evaluate_start(&AtomicBool::new(false)).unwrap();
        assert!(start.loss.is_finite(), "{name}: {start:?}");
    }
}

#[test]
fn threads_change_nothing_and_bad_candidates_are_no_end() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "f.yaml", SHORT);
    let one = json(folder.path(), &["f.yaml", "-o", "one", "--threads", "1"]);
    let three = json(folder.path(), &["f.yaml", "-o", "three", "--threads", "3"]);
    assert_same(&folder.path().join("one"), &folder.path().join("three"));
    assert_eq!(one["loss"], three["loss"]);
    assert_eq!(one["evaluations"], 37);
    // Strong feedback makes the network unstable.
    assert!(one["failed"].as_u64().unwrap() > 0, "{one:#}");
    assert!(one["first_failure"].as_str().unwrap().contains("diverged"));
    assert!(
        one["loss"].as_f64() < one["loss_at_start"].as_f64(),
        "{one:#}"
    );
}

/// The config that is left is the best candidate: measured alone, it has what the fit found.
#[test]
fn the_best_config_has_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "f.yaml", SHORT);
    let found = json(folder.path(), &["f.yaml", "-o", "out"]);
    let best = folder.path().join("out/best.yaml");
    let text = std::fs::read_to_string(&best).unwrap();
    assert!(text.contains("from: chaudhuri2015_v1_pulse"), "{text}");
    let mut lab = Lab::new(best.to_str().unwrap(), &[], None, 1).unwrap();
    let stop = AtomicBool::new(false);
    for (k, area) in ["V1", "V4"].into_iter().enumerate() {
        let area = area.to_owned();
        let Value::Number(peak) = lab.measure(&Measure::Peak { area }, &stop).unwrap() else {
            panic!("a peak is a number")
        };
        // Bit for bit: what was stepped side by side is what is stepped alone.
        assert_eq!(found["targets"][k]["found"].as_f64(), Some(peak));
    }
    let sets: Vec<String> = serde_json::from_value(found["set"].clone()).unwrap();
    let by_sets = spec::load("chaudhuri2015_v1_pulse", &sets).unwrap();
    let by_file = spec::load(best.to_str().unwrap(), &[]).unwrap();
    assert_eq!(by_sets.config.digest(), by_file.config.digest());
}

#[test]
fn killed_at_any_moment_it_goes_on_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let text = SHORT.replace("generations: 6", "generations: 12");
    write(folder.path(), "f.yaml", &text);
    done(folder.path(), &["f.yaml", "-o", "whole", "--quiet"]);
    let mut wait = moments(11, 400_000);
    let mut args = vec!["f.yaml", "-o", "killed", "--quiet"];
    for _ in 0..40 {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("isocortex"))
            .current_dir(folder.path())
            .arg("fit")
            .args(&args)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        sleep(wait());
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        if ended.is_some_and(|status| status.success()) {
            break;
        }
        if folder.path().join("killed/fit.journal").exists() && !args.contains(&"--resume") {
            args.push("--resume");
        }
    }
    if !args.contains(&"--resume") {
        args.push("--resume");
    }
    done(folder.path(), &args);
    assert_same(&folder.path().join("whole"), &folder.path().join("killed"));
}

#[test]
fn a_finished_fit_can_be_prolonged_and_nothing_else_changed() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "f.yaml", SHORT);
    done(folder.path(), &["f.yaml", "-o", "whole", "--quiet"]);
    let short = SHORT.replace("generations: 6", "generations: 2");
    write(folder.path(), "f.yaml", &short);
    done(folder.path(), &["f.yaml", "-o", "out", "--quiet"]);
    let again = say(folder.path(), &["f.yaml", "-o", "out"]);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("--resume"), "{}", again.err);
    for (from, to, says) in [
        ("seed: 3", "seed: 4", "seed"),
        ("expected: 100", "expected: 101", "targets"),
        ("upper: 1,", "upper: 2,", "parameters"),
        (
            "duration=400",
            "duration=401",
            "experiments (first: now `simulation.duration: 401 ms`, before `simulation.duration: 400 ms`)",
        ),
        ("seed: 3", "seed: 3\npopulation: 9", "population"),
        ("seed: 3", "seed: 3\nsigma: 0.2", "sigma"),
    ] {
        write(folder.path(), "f.yaml", &short.replace(from, to));
        let said = say(folder.path(), &["f.yaml", "-o", "out", "--resume"]);
        assert_eq!(said.code, Some(1), "{to}");
        let expected = format!("another fit: its {says} differ");
        assert!(said.err.contains(&expected), "{to}: {}", said.err);
    }
    write(folder.path(), "f.yaml", SHORT);
    let more = json(folder.path(), &["f.yaml", "-o", "out", "--resume"]);
    assert_eq!(more["evaluations_run_now"], 24);
    assert_same(&folder.path().join("whole"), &folder.path().join("out"));
    let anew = json(folder.path(), &["f.yaml", "-o", "out", "--restart"]);
    assert_eq!(anew["evaluations_run_now"], 37);
    assert_same(&folder.path().join("whole"), &folder.path().join("out"));
}

#[test]
fn a_csv_with_a_value_an_area_is_a_target() {
    let folder = tempfile::tempdir().unwrap();
    // Timescales with the printed digits, as the targets of the model give them.
    write(
        folder.path(),
        "t.csv",
        "# ms\narea,value\nV1,42\nV4,56\nMT,82\nTEO,119\n8m,244\n",
    );
    let text = "
title: t
experiment: chaudhuri2015_visual_noise
set: [preset=printed]
parameters:
  gradients.eta.strength: {lower: 0.4, upper: 0.75}
targets:
  - {table: t.csv, of: timescale, scale: log, relative: 0.1}
  - {table: t.csv, of: timescale, loss: correlation, weight: 0.1}
  - {table: murray2014, loss: correlation, scale: log, weight: 1.0e-6}
generations: 12
";
    write(folder.path(), "f.yaml", text);
    let found = json(folder.path(), &["f.yaml", "-o", "out"]);
    let eta = found["parameters"][0]["value"].as_f64().unwrap();
    assert!((eta - 0.68).abs() < 0.02, "{found:#}");
    assert!(
        found["targets"][0]["found"].as_f64().unwrap() > 0.99,
        "{found:#}"
    );
    let dry = json(folder.path(), &["f.yaml", "--dry-run"]);
    assert_eq!(
        (&dry["runs_per_candidate"], &dry["population"]),
        (&0.into(), &4.into())
    );
}

#[test]
fn what_is_wrong_is_said_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "bad.csv", "area,value\nV1,1\nV17,2\n");
    let eta = "gradients.eta.strength:";
    let peak = "{measure: {peak: {area: V4}}, expected: 3.6, absolute: 0.1, weight: 2}";
    for (from, to, says) in [
        (eta, "gradients.eta.strenght:", "did you mean `strength`"),
        (eta, "circuit.parameters.w_XE:", "did you mean `w_EE`"),
        (eta, "circuit.name:", "not a number"),
        (eta, "simulation.seed:", "not a key of the model"),
        ("lower: 0.1", "lower: 5", "lower bound below"),
        ("generations: 6", "evaluations: 0", "out of range"),
        ("{area: V4}", "{area: V17}", "V17"),
        (
            "{peak: {area: V4}}",
            "{mean: {variable: nu_X, from: 0 s, to: 1 s}}",
            "nu_X",
        ),
        ("{peak: {area: V4}}", "timescale_min", "analysis.timescales"),
        (peak, "{paper: chaudhuri2015, id: M1.55}", "or `M1.5`?"),
        (
            peak,
            "{paper: chaudhuri2016, id: M1.5}",
            "did you mean `chaudhuri2015`",
        ),
        (peak, "{table: murray2015}", "did you mean `murray2014`"),
        (peak, "{table: leavitt2017}", "delay activity"),
        (peak, "{table: bad.csv}", "expected `of`"),
        (
            peak,
            "{table: bad.csv, of: {baseline: {variable: nu_E}}}",
            "V17",
        ),
        (
            peak,
            "{table: none.csv, of: timescale}",
            "no such recordings",
        ),
        (
            "weight: 2}",
            "weight: 2, set: [gradients.eta.strength=1]}",
            "fitted and set",
        ),
        (
            "experiment: chaudhuri2015_v1_pulse",
            "experiment: chaudhuri2015_v1_puls",
            "did you mean",
        ),
        ("title:", "tilte:", "did you mean `title`"),
    ] {
        write(folder.path(), "f.yaml", &SHORT.replacen(from, to, 1));
        let said = say(folder.path(), &["f.yaml", "-o", "out"]);
        assert_eq!(said.code, Some(1), "{to}: {}", said.out);
        assert!(said.err.contains(says), "{to}: {}", said.err);
        assert!(!folder.path().join("out").exists(), "{to}");
    }
    let said = say(folder.path(), &["murray2041"]);
    assert!(
        said.err.contains("did you mean `murray2014`"),
        "{}",
        said.err
    );
    write(folder.path(), "f.yaml", SHORT);
    write(folder.path(), "out", "");
    let said = say(folder.path(), &["f.yaml", "-o", "out"]);
    assert!(said.err.contains("expected a folder"), "{}", said.err);
}
