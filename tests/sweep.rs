//! Sweeps: the same bits as single runs, and nothing lost when they are killed.

#[path = "common/files.rs"]
mod files;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use assert_cmd::Command as Assert;
use files::{assert_same, moments};
use isocortex::record::{Journal, Results, journal_path};

fn program() -> Assert {
    Assert::cargo_bin("isocortex").expect("the program is built")
}

/// Six amplitudes of a pulse, two replicates of noise each: too many for one batch.
const BASE: [&str; 14] = [
    "chaudhuri2015_v1_pulse",
    "--set",
    "stimuli.pulse.amplitude=10..40 Hz:3",
    "--set",
    "preset=printed,precise",
    "--set",
    "simulation.replicates=2",
    "--set",
    "simulation.duration=400 ms",
    "--set",
    "analysis.timescales=null",
    "--set",
    "noise={n: {kind: white, into: drive_E, sd: 0.5 Hz, bin: 0.2 ms}}",
    "--quiet",
];

fn sweep(folder: &Path, args: &[&str]) -> PathBuf {
    let path = folder.join("s.h5");
    program()
        .current_dir(folder)
        .arg("sweep")
        .args(BASE)
        .args(["-o", "s.h5"])
        .args(args)
        .assert()
        .success();
    path
}

fn assert_bits<'a>(
    what: &str,
    found: impl Iterator<Item = &'a f64>,
    expected: impl Iterator<Item = &'a f64>,
) {
    let mut both = found.zip(expected).enumerate();
    let differs = both.find(|(_, (a, b))| a.to_bits() != b.to_bits());
    assert!(
        differs.is_none(),
        "{what}: (place, (found, expected)) {differs:?}"
    );
}

#[test]
fn a_condition_has_the_bits_of_a_run_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let all = sweep(folder.path(), &["--activity"]);
    let all = Results::open(&all).unwrap();
    let rates = all.read("nu").unwrap();
    let means = all.read("nu_E_mean").unwrap();
    assert_eq!(rates.shape()[0], 6);
    for (condition, (amplitude, preset)) in [
        ("10 Hz", "printed"),
        ("10 Hz", "precise"),
        ("25 Hz", "printed"),
        ("25 Hz", "precise"),
    ]
    .into_iter()
    .enumerate()
    {
        let file = folder.path().join("one.h5");
        program()
            .arg("run")
            .arg(BASE[0])
            .args(&BASE[5..])
            .args(["--set", &format!("stimuli.pulse.amplitude={amplitude}")])
            .args(["--set", &format!("preset={preset}"), "--no-figure", "-o"])
            .arg(&file)
            .assert()
            .success();
        let one = Results::open(&file).unwrap().read("nu").unwrap();
        let ours = rates.index_axis(ndarray::Axis(0), condition);
        assert_eq!(ours.shape(), one.shape());
        assert_bits(&format!("condition {condition}"), ours.iter(), one.iter());
        // [replicate, time, area, population]: mean over time of E in the last replicate and area.
        let areas = one.shape()[2];
        let last = one.select(ndarray::Axis(0), &[1]);
        let last = last.select(ndarray::Axis(2), &[areas - 1]);
        let mean = last.select(ndarray::Axis(3), &[0]).mean().unwrap();
        let kept = means[[condition, 1, areas - 1]];
        assert!((mean - kept).abs() <= 1e-12 * mean.abs(), "{mean} {kept}");
    }
}

/// Conditions of one replicate side by side look their noise up once for all of them.
#[test]
fn replicates_beside_it_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let both = Results::open(sweep(folder.path(), &["--activity"])).unwrap();
    let both = both.read("nu").unwrap();
    let more = ["--activity", "--set", "simulation.replicates=1"];
    let one = Results::open(sweep(folder.path(), &more)).unwrap();
    let one = one.read("nu").unwrap();
    let first = both.select(ndarray::Axis(1), &[0]);
    assert_eq!(first.shape(), one.shape());
    assert_bits("one replicate of two", first.iter(), one.iter());
}

#[test]
fn threads_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let one = sweep(folder.path(), &["--threads", "1"]);
    let kept = folder.path().join("kept.h5");
    std::fs::rename(&one, &kept).unwrap();
    let three = sweep(folder.path(), &["--threads", "3"]);
    assert_same(&kept, &three);
    assert!(
        !journal_path(&three).exists(),
        "a finished sweep leaves a journal"
    );
}

#[test]
fn the_file_names_what_varies() {
    let folder = tempfile::tempdir().unwrap();
    let file = Results::open(sweep(folder.path(), &[])).unwrap();
    let dims = |name: &str| file.var(name).unwrap().dims.clone();
    assert_eq!(dims("nu_E_max"), ["condition", "replicate", "area"]);
    assert_eq!(dims("stopped_at"), ["condition", "replicate"]);
    let names: Vec<&str> = file.aux().iter().map(|a| a.name.as_str()).collect();
    assert!(
        names.contains(&"stimuli.pulse.amplitude") && names.contains(&"preset"),
        "{names:?}"
    );
    let amplitude = file.coord_f64("stimuli.pulse.amplitude").unwrap();
    assert_eq!(amplitude, [10.0, 10.0, 25.0, 25.0, 40.0, 40.0]);
}

#[test]
fn a_lesion_leaves_its_areas_without_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.h5");
    program()
        .args(["sweep", "chaudhuri2015_v1_pulse", "--quiet", "--set"])
        .args([
            "lesions.areas=[],[MT],[24c, V4]",
            "--set",
            "simulation.duration=400 ms",
        ])
        .args(["--set", "analysis.timescales=null"])
        .arg("-o")
        .arg(&path)
        .assert()
        .success();
    let file = Results::open(&path).unwrap();
    let max = file.read("nu_E_max").unwrap();
    let missing = |condition: usize| {
        let row = max.index_axis(ndarray::Axis(0), condition);
        row.iter().filter(|x| x.is_nan()).count()
    };
    assert_eq!([0, 1, 2].map(missing), [0, 1, 2]);
}

#[test]
fn what_cannot_run_fails_alone_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.h5");
    // Strong feedback makes the network unstable: the run leaves its bounds.
    let out = program()
        .args(["sweep", "chaudhuri2015_v1_pulse", "--json", "--set"])
        .args([
            "circuit.parameters.w_EE=24.3 pA/Hz,200 pA/Hz",
            "--set",
            "analysis.timescales=null",
            "-o",
        ])
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let json: serde_json::Value = serde_json::from_str(&said)
        .unwrap_or_else(|e| panic!("{e}: {said} {}", String::from_utf8_lossy(&out.stderr)));
    let failed = json["failed"].as_object().unwrap();
    assert_eq!(failed.keys().collect::<Vec<_>>(), ["1"], "{said}");
    let file = Results::open(&path).unwrap();
    assert!(file.read("nu_E_mean").unwrap()[[0, 0, 0]].is_finite());
    let mean = file.read("nu_E_mean").unwrap();
    let second = mean.index_axis(ndarray::Axis(0), 1);
    assert!(second.iter().all(|x| x.is_nan()));
    // Alone, without a run beside it that goes on to the end, it leaves the same.
    let alone = folder.path().join("alone.h5");
    program()
        .args(["sweep", "chaudhuri2015_v1_pulse", "--quiet", "--set"])
        .args(["circuit.parameters.w_EE=200..200 pA/Hz:1", "--set"])
        .args(["analysis.timescales=null", "-o"])
        .arg(&alone)
        .assert()
        .success();
    let mean = Results::open(&alone).unwrap().read("nu_E_mean").unwrap();
    assert!(mean.iter().all(|x| x.is_nan()));
    let why = file.coord_text("failure").unwrap();
    assert!(why[0].is_empty() && !why[1].is_empty(), "{why:?}");
}

#[test]
fn bad_sweeps_are_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    for (sets, says) in [
        (vec!["simulation.dt=0.1 ms"], "nothing varies"),
        (vec!["simulation.dt=0.1..0.2 ms"], "number of points"),
        (vec!["stimuli.pulse.amplitude=10 Hz,20 mV"], "wrong unit"),
        (
            vec!["stimuli.puls.amplitude=10 Hz,20 Hz"],
            "did you mean `pulse`?",
        ),
        (vec!["simulation.replicates=1,2"], "numbers of runs differ"),
        (
            vec!["stimuli.pulse.areas=[V1],[V17]"],
            "condition 1 (stimuli.pulse.areas=[V17])",
        ),
        (vec!["sweep.grid=5"], "wrong kind of value"),
    ] {
        let mut command = program();
        command
            .current_dir(folder.path())
            .args(["sweep", "chaudhuri2015_v1_pulse"]);
        for set in &sets {
            command.args(["--set", set]);
        }
        let out = command.output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(
            !out.status.success() && said.contains(says),
            "{sets:?}: {said}"
        );
        let left: Vec<_> = folder.path().read_dir().unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Conditions of a sweep that is killed: enough for some batches, each a moment long.
const KILLED: [&str; 9] = [
    "sweep",
    "chaudhuri2015_v1_pulse",
    "--set",
    "stimuli.pulse.amplitude=1..40 Hz:64",
    "--set",
    "simulation.duration=4 s",
    "--set",
    "analysis.timescales=null",
    "--quiet",
];

fn killed(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("isocortex"));
    command
        .current_dir(folder)
        .args(KILLED)
        .args(["-o", "s.h5"])
        .args(more)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Kills sweeps at random moments until so many were killed; each goes on where the last was killed.
fn kill_and_resume(kills: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (reference, path) = (
        folder.path().join("undisturbed.h5"),
        folder.path().join("s.h5"),
    );
    assert!(killed(folder.path(), &[]).status().unwrap().success());
    std::fs::rename(&path, &reference).unwrap();
    let mut moment = moments(17, 400_000);
    let (mut count, mut finished, mut kept_somewhere) = (0, 0, 0);
    while count < kills {
        let resumes = journal_path(&path).exists();
        let before = match resumes {
            true => Journal::open(&journal_path(&path)).map_or(0, |(j, _)| j.len()),
            false => 0,
        };
        // A journal that was killed before its header was whole has nothing to go on with.
        let readable = resumes && Journal::open(&journal_path(&path)).is_ok();
        let how: &[&str] = match (resumes, readable) {
            (false, _) => &[],
            (true, true) => &["--resume"],
            (true, false) => &["--restart"],
        };
        let mut child = killed(folder.path(), how).spawn().unwrap();
        sleep(moment());
        let ended = child.try_wait().unwrap();
        if ended.is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
            count += 1;
        }
        if let Some(status) = ended
            && !status.success()
        {
            panic!("a sweep ended with {status} and {how:?}");
        }
        if journal_path(&path).exists() {
            if let Ok((journal, _)) = Journal::open(&journal_path(&path)) {
                assert!(journal.len() >= before, "a finished condition was lost");
                kept_somewhere += usize::from((1..64).contains(&journal.len()));
            }
        } else if path.exists() {
            assert_same(&reference, &path);
            std::fs::remove_file(&path).unwrap();
            finished += 1;
        }
    }
    assert!(
        finished > 0 && kept_somewhere > 0,
        "{finished} finished, {kept_somewhere} in between"
    );
}

#[test]
fn killed_sweeps_go_on_and_end_alike() {
    kill_and_resume(60);
}

#[test]
#[ignore = "slow: a thousand kills take some minutes"]
fn a_thousand_kills_lose_nothing() {
    kill_and_resume(1000);
}

/// Begins a sweep of one worker and waits until the first of its batches is in. The others take long enough that
/// even a busy machine finds it at work.
#[cfg(unix)]
fn under_way(folder: &Path) -> std::process::Child {
    let mut child = killed(folder, &LONG).spawn().unwrap();
    let journal = journal_path(&folder.join("s.h5"));
    while !std::fs::metadata(&journal).is_ok_and(|m| m.len() > 10_000) {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        sleep(Duration::from_millis(5));
    }
    child
}

/// What makes conditions of a sweep that is killed long: 3 s of work in all.
#[cfg(unix)]
const LONG: [&str; 4] = ["--set", "simulation.duration=120 s", "--threads", "1"];

#[cfg(unix)]
fn send(signal: &str, child: &std::process::Child) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status();
    assert!(sent.unwrap().success());
}

#[cfg(unix)]
#[test]
fn an_unfinished_sweep_is_neither_overwritten_nor_mistaken() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = under_way(folder.path());
    // It holds its lock and gets no further, however long the second takes to come.
    send("-STOP", &child);
    let again = |more: &[&str]| killed(folder.path(), &[&LONG[..], more].concat());
    let output = |more: &[&str]| again(more).stderr(Stdio::piped()).output().unwrap();
    let second = output(&["--resume"]);
    child.kill().unwrap();
    child.wait().unwrap();
    let refused = |out: std::process::Output| {
        assert!(!out.status.success());
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    let said = refused(second);
    assert!(said.contains("another run"), "{said}");
    let refusal = |more: &[&str]| refused(output(more));
    let said = refusal(&[]);
    assert!(
        said.contains("--resume") && said.contains("--restart"),
        "{said}"
    );
    let said = refusal(&["--resume", "--set", "simulation.seed=5"]);
    assert!(
        said.contains("configs (first: now `simulation.seed: 5`"),
        "{said}"
    );
    let collected = folder.path().join("c.h5");
    assert!(again(&["--collect", "c.h5"]).status().unwrap().success());
    let max = Results::open(&collected).unwrap().read("nu_E_max").unwrap();
    let missing = max.iter().filter(|x| x.is_nan()).count();
    assert!(
        missing > 0 && missing < max.len(),
        "{missing} of {}",
        max.len()
    );
    // What was collected is not the sweep, even in its place.
    let (s, aside) = (folder.path().join("s.h5"), folder.path().join("aside"));
    let journal = journal_path(&s);
    std::fs::rename(&journal, &aside).unwrap();
    std::fs::copy(&collected, &s).unwrap();
    assert!(again(&["--resume"]).status().unwrap().success());
    let max = Results::open(&s).unwrap().read("nu_E_max").unwrap();
    assert!(max.iter().all(|x| !x.is_nan()), "a part was taken for all");
    std::fs::rename(&aside, &journal).unwrap();
    assert!(again(&["--restart"]).status().unwrap().success());
    // What is complete is not run again, unless it is asked for anew or is another sweep.
    let written = || {
        std::fs::metadata(folder.path().join("s.h5"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = written();
    assert!(again(&["--resume"]).status().unwrap().success());
    assert_eq!(written(), before, "a complete sweep was run again");
    let said = refusal(&["--collect", "c.h5"]);
    assert!(said.contains("no unfinished sweep"), "{said}");
    let other = [
        "--resume",
        "--set",
        "simulation.seed=5",
        "--set",
        "simulation.duration=400 ms",
    ];
    assert!(again(&other).status().unwrap().success());
    assert!(written() > before, "another sweep was taken for this one");
}

#[cfg(unix)]
#[test]
fn a_full_disk_keeps_what_was_finished() {
    let folder = tempfile::tempdir().unwrap();
    let program = assert_cmd::cargo::cargo_bin("isocortex");
    // Files may have so many blocks of 512 bytes: less than the journal needs.
    let script = format!("ulimit -f 160; exec '{}' \"$@\"", program.display());
    let out = Command::new("sh")
        .current_dir(folder.path())
        .args(["-c", &script, "sh"])
        .args(KILLED)
        .args(["-o", "s.h5", "--threads", "1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(
        !out.status.success() && said.contains("they are kept in"),
        "{said}"
    );
    let kept = Journal::open(&journal_path(&folder.path().join("s.h5")))
        .unwrap()
        .0
        .len();
    assert!((1..64).contains(&kept), "{kept} conditions kept: {said}");
    assert!(
        killed(folder.path(), &["--resume"])
            .status()
            .unwrap()
            .success()
    );
    let whole = folder.path().join("whole.h5");
    std::fs::rename(folder.path().join("s.h5"), &whole).unwrap();
    assert!(killed(folder.path(), &[]).status().unwrap().success());
    assert_same(&whole, &folder.path().join("s.h5"));
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_after_the_batches_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = under_way(folder.path());
    send("-TERM", &child);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let (kept, _) = Journal::open(&journal_path(&folder.path().join("s.h5"))).unwrap();
    assert!(!kept.is_empty() && kept.len() < 64, "{}", kept.len());
    assert_eq!(kept.dropped(), 0);
}
