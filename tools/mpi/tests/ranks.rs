//! One, two and three ranks end with the same file, whatever dies on the way.

#[path = "../../../tests/common/files.rs"]
mod files;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use files::assert_same;
use isocortex::record::{Journal, journal_path};

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
    let of_child = Command::new("pgrep")
        .args(["-P", &child.id().to_string()])
        .output()
        .unwrap();
    let pids = String::from_utf8(of_child.stdout).unwrap();
    let last = pids
        .lines()
        .last()
        .expect("the ranks are children of mpirun");
    assert!(
        Command::new("kill")
            .args(["-9", last])
            .status()
            .unwrap()
            .success()
    );
    assert!(!child.wait().unwrap().success());
    let before = Journal::open(&journal).unwrap().0.len();
    assert!((1..80).contains(&before), "{before} conditions were kept");
    let long = ["--set", "simulation.duration=20 s", "--resume"];
    assert!(finished(
        &ranks(folder.path(), 2, &SWEEP, &long).output().unwrap()
    ));
    assert!(!journal.exists() && path.exists());
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
        &["run", "chaudhuri2015_v1_pulse"],
        "only `sweep` is shared out",
    );
    refused(&["sweep", "chaudhuri2015_v1_pulse"], "nothing varies");
    std::fs::write(folder.path().join("s.h5.journal"), b"not a journal").unwrap();
    refused(&SWEEP, "an unfinished sweep is there");
}
