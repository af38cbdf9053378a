//! One, two and three ranks end with the same file, whatever dies on the way.

#[path = "../../../tests/common/files.rs"]
mod files;
#[path = "../../../tests/common/large.rs"]
mod large;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use files::assert_same;
use isocortex::record::{Journal, checkpoint_path, journal_path};

/// Eighty conditions with noise, six of them side by side in a batch at most.
const SWEEP: [&str; 14] = [
    "sweep",
    "chaudhuri2015_v1_pulse",
    "--set",
    "stimuli.pulse.amplitude=10..40 Hz:80",
    "--set",
    "simulation.replicates=3",
    "--set",
    "simulation.duration=2 s",
    "--set",
    "analysis.timescales=null",
    "--set",
    "noise={n: {kind: white, into: drive_E, sd: 0.5 Hz, bin: 0.2 ms}}",
    "-o",
    "s.h5",
];

fn ranks(folder: &Path, count: usize, args: &[&str], more: &[&str]) -> Command {
    let mut command = Command::new("mpirun");
    command
        .current_dir(folder)
        // In a container: as root, on fewer cores than ranks.
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .args(["--oversubscribe", "-n", &count.to_string()])
        .arg(env!("CARGO_BIN_EXE_isocortex-mpi"))
        .args(args)
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn finished(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    true
}

/// Kills one of the processes that `mpirun` has started.
fn kill_last_rank(job: &Child) {
    let of_job = Command::new("pgrep")
        .args(["-P", &job.id().to_string()])
        .output()
        .unwrap();
    let pids = String::from_utf8(of_job.stdout).unwrap();
    let last = pids
        .lines()
        .last()
        .expect("the ranks are children of mpirun");
    let killed = Command::new("kill").args(["-9", last]).status().unwrap();
    assert!(killed.success());
}

#[test]
fn any_number_of_ranks_ends_with_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.h5");
    let kept = |count: usize| folder.path().join(format!("{count}.h5"));
    for count in 1..=3 {
        let more: &[&str] = if count == 2 { &["--threads", "2"] } else { &[] };
        assert!(finished(
            &ranks(folder.path(), count, &SWEEP, more).output().unwrap()
        ));
        std::fs::rename(&path, kept(count)).unwrap();
    }
    assert_same(&kept(1), &kept(2));
    assert_same(&kept(1), &kept(3));

    // A rank dies: the job ends, what was finished is kept, and another number of ranks goes on.
    let mut job = ranks(
        folder.path(),
        3,
        &SWEEP,
        &["--set", "simulation.duration=20 s"],
    );
    let mut child = job
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let journal = journal_path(&path);
    while !std::fs::metadata(&journal).is_ok_and(|m| m.len() > 20_000) {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        sleep(Duration::from_millis(5));
    }
    kill_last_rank(&child);
    assert!(!child.wait().unwrap().success());
    let before = Journal::open(&journal).unwrap().0.len();
    assert!((1..80).contains(&before), "{before} conditions were kept");
    let long = ["--set", "simulation.duration=20 s", "--resume"];
    assert!(finished(
        &ranks(folder.path(), 2, &SWEEP, &long).output().unwrap()
    ));
    assert!(!journal.exists() && path.exists());
}

/// A network of so many areas that it can be split, with noise, and with delays but for one projection.
const LARGE: &str = "
title: large
from: wilson_cowan
noise: {n: {kind: white, into: a_E, sd: 0.01 1/ms, bin: 1 ms}}
projections:
  long_range: {delay: {kind: given}}
  now: {weights: fln, from: a_E, to: {I_E: 0.1}}
baseline: {state: {a_E: 0.05, a_I: 0.02}, solve: nothing}
simulation: {duration: 60 ms}
record: {variables: [a_E], every: 0.5 ms}
analysis: null
";

const RUN: [&str; 6] = [
    "run",
    "large.yaml",
    "-o",
    "r.h5",
    "--no-figure",
    "--checkpoint=0.02",
];

fn write_large(folder: &Path) {
    let text = format!("{LARGE}connectome: {}\n", large::connectome(0.85));
    std::fs::write(folder.join("large.yaml"), text).unwrap();
}

#[test]
fn one_network_is_split_over_ranks() {
    let folder = tempfile::tempdir().unwrap();
    write_large(folder.path());
    let path = folder.path().join("r.h5");
    let kept = |name: &str| folder.path().join(format!("{name}.h5"));
    for count in 1..=3 {
        let more: &[&str] = if count == 2 { &["--threads", "2"] } else { &[] };
        assert!(finished(
            &ranks(folder.path(), count, &RUN, more).output().unwrap()
        ));
        std::fs::rename(&path, kept(&count.to_string())).unwrap();
    }
    assert_same(&kept("1"), &kept("2"));
    assert_same(&kept("1"), &kept("3"));
    let bytes = |name: &str| std::fs::read(kept(name)).unwrap();
    assert!(bytes("1") == bytes("2") && bytes("1") == bytes("3"));

    // Without what is not delayed, in blocks.
    let delayed = ["--set", "projections.now=null"];
    for count in [1, 3] {
        assert!(finished(
            &ranks(folder.path(), count, &RUN, &delayed)
                .output()
                .unwrap()
        ));
        std::fs::rename(&path, kept(&format!("delayed{count}"))).unwrap();
    }
    assert_same(&kept("delayed1"), &kept("delayed3"));
}

#[test]
fn a_split_run_whose_rank_dies_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    write_large(folder.path());
    let long = ["--set", "simulation.duration=400 ms"];
    let path = folder.path().join("r.h5");
    let whole = folder.path().join("whole.h5");
    assert!(finished(
        &ranks(folder.path(), 1, &RUN, &long).output().unwrap()
    ));
    std::fs::rename(&path, &whole).unwrap();

    let mut child = ranks(folder.path(), 3, &RUN, &long)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !checkpoint_path(&path).exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        sleep(Duration::from_millis(5));
    }
    kill_last_rank(&child);
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success(), "{said}");
    assert!(said.contains("signal 9"), "{said}");
    assert!(checkpoint_path(&path).exists() && !path.exists());
    let resume = ["--set", "simulation.duration=400 ms", "--resume"];
    assert!(finished(
        &ranks(folder.path(), 2, &RUN, &resume).output().unwrap()
    ));
    assert!(!checkpoint_path(&path).exists());
    assert_same(&whole, &path);
}

#[test]
fn what_cannot_run_ends_all_ranks() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |args: &[&str], word: &str| {
        let output = ranks(folder.path(), 2, args, &[]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{said}");
        assert!(said.contains(word), "{said}");
    };
    refused(
        &["modes", "chaudhuri2015_v1_pulse"],
        "only `sweep` and `run` are shared out",
    );
    refused(
        &["run", "chaudhuri2015_v1_pulse"],
        "found 2 ranks, expected one for a network of 29 areas, which is too small",
    );
    refused(&["run", "no_such_config"], "no_such_config");
    refused(&["run", "reward_learning"], "that learns");
    refused(&["sweep", "chaudhuri2015_v1_pulse"], "nothing varies");
    std::fs::write(folder.path().join("s.h5.journal"), b"not a journal").unwrap();
    refused(&SWEEP, "an unfinished sweep is there");
}
