//! Single runs that die: what was finished is kept, and going on ends with the same bits.

#[path = "common/files.rs"]
mod files;

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use files::{assert_same, moments};
use isocortex::record::{Results, checkpoint_path, is_unfinished, partial_path};

/// Delays, white and coloured noise, lanes over replicates, and a measure that needs all of the activity.
const NOISY: &[&str] = &[
    "run",
    "chaudhuri2015_visual_noise",
    "--set",
    "projections.long_range.delay={kind: distance, velocity: 3.5 m/s}",
    "--set",
    "simulation.replicates=6",
    "--set",
    "simulation.duration=20 s",
    "--set",
    "record.start=0 s",
    "--set",
    "record.precision=float32",
    "--set",
    "analysis.timescales={method: simulated, variable: nu_E}",
    "--set",
    "analysis.modes=null",
];

/// Heun, lanes over areas; the first sample comes after several chunks of steps.
const LATE: &[&str] = &[
    "run",
    "chaudhuri2015_visual_noise",
    "--set",
    "simulation.stepper=heun",
    "--set",
    "simulation.order=synchronous",
    "--set",
    "simulation.replicates=2",
    "--set",
    "simulation.duration=120 s",
    "--set",
    "record.start=100 s",
    "--set",
    "record.every=20 ms",
    "--set",
    "analysis.modes=null",
];

/// A session whose trials learn from one another, stopped within and between them.
const LEARNING: &[&str] = &[
    "run",
    "reward_learning",
    "--set",
    "connectome.only=[V1, V4, LIP, 8m, 8l, 9/46d]",
    "--set",
    "record.areas=[LIP, VTA]",
    "--set",
    "task.readouts={choice: {winner: {A: r_E1, B: r_E2}, areas: [LIP], from: 8 s, to: 8.4 s}}",
    "--set",
    "task.trials=6",
    "--set",
    "task.learning.rewarded=[{choice: A, trials: 2}, {choice: B}]",
];

fn run(folder: &Path, args: &[&str], more: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("isocortex"));
    command
        .current_dir(folder)
        .args(args)
        .args(["-o", "r.h5", "--quiet", "--no-figure"])
        .args(more)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Runs to the end, with what was said on standard error.
fn ended(mut command: Command) -> (ExitStatus, String) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status, said)
}

fn undisturbed(folder: &Path, args: &[&str]) -> PathBuf {
    let (status, said) = ended(run(folder, args, &[]));
    assert!(status.success(), "{said}");
    let kept = folder.join("undisturbed.h5");
    fs::rename(folder.join("r.h5"), &kept).unwrap();
    kept
}

/// Kills runs at random moments; each goes on where the last was killed, until it is done.
fn kill_and_resume(args: &[&str], kills: usize) {
    let folder = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let reference = undisturbed(folder.path(), args);
    let longest = begun.elapsed().as_micros() as u64 * 5 / 4;
    let path = folder.path().join("r.h5");
    let mut moment = moments(23, longest);
    let (mut count, mut finished, mut went_on) = (0, 0, 0);
    // On a busy machine moments may all fall before the first checkpoint: some more are tried then.
    while count < kills || (count < 10 * kills && (finished == 0 || went_on == 0)) {
        went_on += usize::from(checkpoint_path(&path).exists() && is_unfinished(&path));
        let mut child = run(folder.path(), args, &["--resume", "--checkpoint", "0.01"])
            .spawn()
            .unwrap();
        sleep(moment());
        match child.try_wait().unwrap() {
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
                count += 1;
                if checkpoint_path(&path).exists() {
                    // What was finished can be read at any moment.
                    let left = match is_unfinished(&path) {
                        true => vec![
                            partial_path(&path),
                            path.with_extension("h5.partial.earlier"),
                        ],
                        false => vec![path.clone()],
                    };
                    let read = left.iter().map(Results::open);
                    let errors: Vec<String> = (read.filter_map(Result::err))
                        .map(|e| e.to_string())
                        .collect();
                    assert!(errors.len() < left.len(), "{}", errors.join("\n"));
                }
            }
            Some(status) => {
                assert!(status.success(), "{}", ended_with(child));
                assert_same(&reference, &path);
                let left = fs::read_dir(folder.path()).unwrap().count();
                assert_eq!(left, 2, "a finished run leaves nothing beside its file");
                fs::remove_file(&path).unwrap();
                finished += 1;
            }
        }
    }
    assert!(
        finished > 0 && went_on > 0,
        "{finished} finished, {went_on} went on"
    );
}

fn ended_with(child: std::process::Child) -> String {
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn killed_runs_go_on_and_end_alike() {
    kill_and_resume(NOISY, 30);
}

#[test]
fn a_run_goes_on_before_its_first_sample() {
    kill_and_resume(LATE, 12);
}

#[test]
fn a_session_goes_on_with_what_it_learned() {
    kill_and_resume(LEARNING, 6);
}

#[test]
#[ignore = "slow: a thousand kills take some minutes"]
fn a_thousand_kills_lose_nothing() {
    kill_and_resume(NOISY, 1000);
}

/// Starts a run, and stops it by a signal once there is a checkpoint. On a busy machine it may be over before this
/// process looks again: then it is started anew.
fn interrupted(folder: &Path, args: &[&str]) -> String {
    let path = folder.join("r.h5");
    let checkpoint = checkpoint_path(&path);
    for _ in 0..20 {
        let mut child = run(folder, args, &["--checkpoint", "0.01"])
            .spawn()
            .unwrap();
        while !checkpoint.exists() && child.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(5));
        }
        if child.try_wait().unwrap().is_none() {
            let id = child.id().to_string();
            assert!(Command::new("kill").arg(id).status().unwrap().success());
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            fs::remove_file(&path).unwrap();
            continue;
        }
        assert_eq!(output.status.code(), Some(130), "{said}");
        return said;
    }
    panic!("no run could be stopped before its end");
}

#[test]
fn a_signal_stops_it_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let reference = undisturbed(folder.path(), NOISY);
    let said = interrupted(folder.path(), NOISY);
    assert!(said.contains("`--resume` goes on"), "{said}");
    let (status, said) = ended(run(folder.path(), NOISY, &["--resume", "--threads", "1"]));
    assert!(status.success(), "{said}");
    assert_same(&reference, &folder.path().join("r.h5"));
}

/// A run that is killed between giving its file its name and removing the checkpoint is finished.
#[test]
fn a_checkpoint_that_outlived_its_run_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    interrupted(folder.path(), NOISY);
    let path = folder.path().join("r.h5");
    let checkpoint = checkpoint_path(&path);
    let kept = fs::read(&checkpoint).unwrap();
    let resumed = || {
        let (status, said) = ended(run(folder.path(), NOISY, &["--resume"]));
        assert!(status.success(), "{said}");
        assert!(path.exists() && !checkpoint.exists());
    };
    resumed();
    let first = folder.path().join("first.h5");
    fs::copy(&path, &first).unwrap();
    fs::write(&checkpoint, kept).unwrap();
    resumed();
    assert_same(&first, &path);
}

#[test]
fn what_does_not_fit_is_refused_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    interrupted(folder.path(), NOISY);
    let path = folder.path().join("r.h5");
    let checkpoint = checkpoint_path(&path);
    let kept = fs::read(&checkpoint).unwrap();
    let refused = |more: &[&str]| {
        let (status, said) = ended(run(folder.path(), NOISY, &[&["--resume"], more].concat()));
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(partial_path(&path).exists());
        said
    };
    let said = refused(&["--set", "simulation.seed=99"]);
    assert!(
        said.contains("its configs (first: now `simulation.seed: 99`"),
        "{said}"
    );
    let said = refused(&["--lanes", "1"]);
    assert!(said.contains("its lanes differ"), "{said}");
    for cut in [3, 40, kept.len() / 2, kept.len() - 1] {
        fs::write(&checkpoint, &kept[..cut]).unwrap();
        let said = refused(&[]);
        assert!(said.contains("no checkpoint to go on from"), "{said}");
    }
    let mut flipped = kept.clone();
    flipped[kept.len() / 2] ^= 1;
    fs::write(&checkpoint, &flipped).unwrap();
    assert!(refused(&[]).contains("damaged"));
    fs::write(&checkpoint, &kept).unwrap();
    // Half of the activity is gone.
    let partial = OpenOptions::new()
        .write(true)
        .open(partial_path(&path))
        .unwrap();
    let length = partial.metadata().unwrap().len();
    partial.set_len(length / 2).unwrap();
    let (status, said) = ended(run(folder.path(), NOISY, &["--resume"]));
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("r.h5.partial"), "{said}");
    // Without going on it begins anew.
    let (status, said) = ended(run(folder.path(), NOISY, &[]));
    assert!(status.success(), "{said}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_keeps_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let reference = undisturbed(folder.path(), NOISY);
    let size = fs::metadata(&reference).unwrap().len();
    let limited = |kib: u64, more: &[&str]| {
        let output = Command::new("bash")
            .current_dir(folder.path())
            .arg("-c")
            .arg(format!("ulimit -f {kib}; exec \"$0\" \"$@\""))
            .arg(assert_cmd::cargo::cargo_bin("isocortex"))
            .args(NOISY)
            .args(["-o", "r.h5", "--quiet", "--no-figure"])
            .args(["--checkpoint", "0.01"])
            .args(more)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    };
    let said = limited(size / 1024 * 2 / 3, &[]);
    assert!(
        said.contains("because of this") && said.contains("`--resume` goes on"),
        "{said}"
    );
    // Whoever is too impatient to make room loses nothing either: where not even the description of the file fits, and
    // where what was finished, or some more, does.
    let checkpoint = checkpoint_path(&folder.path().join("r.h5"));
    let kept = fs::read(&checkpoint).unwrap();
    limited(4, &["--resume"]);
    assert!(fs::read(&checkpoint).unwrap() == kept);
    limited(size / 1024 / 6, &["--resume"]);
    assert!(checkpoint.exists());
    let (status, said) = ended(run(folder.path(), NOISY, &["--resume"]));
    assert!(status.success(), "{said}");
    assert_same(&reference, &folder.path().join("r.h5"));
}

/// The same command writes the same file, whenever it is typed; a file that was damaged is refused.
#[test]
fn a_file_tells_no_time_and_notices_damage() {
    let folder = tempfile::tempdir().unwrap();
    let short = [
        "run",
        "chaudhuri2015_v1_pulse",
        "--set",
        "analysis.timescales=null",
    ];
    let path = folder.path().join("r.h5");
    let once = || {
        let (status, said) = ended(run(folder.path(), &short, &[]));
        assert!(status.success(), "{said}");
        fs::read(&path).unwrap()
    };
    let first = once();
    // Times in HDF5 are whole seconds.
    sleep(Duration::from_millis(1100));
    assert!(first == once(), "two runs differ");
    let values = Results::open(&path).unwrap().read("nu").unwrap();
    let found = *values.iter().max_by(|a, b| a.total_cmp(b)).unwrap();
    let bytes = found.to_le_bytes();
    let at = first.windows(8).position(|w| w == bytes).unwrap();
    let mut damaged = first;
    damaged[at + 2] ^= 1;
    fs::write(&path, damaged).unwrap();
    let output = Command::new(assert_cmd::cargo::cargo_bin("isocortex"))
        .current_dir(folder.path())
        .args(["timescales", "r.h5"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("nu"), "{said}");
}
