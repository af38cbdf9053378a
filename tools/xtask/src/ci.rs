//! Every check, one after the other, each with its time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::hdf5::{self, Setup};
use crate::shell::{self, Workspace};
use crate::{MAIN_JOB, instructions, isocortex, mpi, python, test_command, tidy};

/// The steps, cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Fmt,
    Tidy,
    Clippy,
    Test,
    Doc,
    NewCircuit,
    Reproduce,
    Instructions,
    Compare,
    Python,
    Mpi,
}

const STEPS: [(&str, Step); 11] = [
    ("fmt", Step::Fmt),
    ("tidy", Step::Tidy),
    ("clippy", Step::Clippy),
    ("test", Step::Test),
    ("doc", Step::Doc),
    ("reproduce", Step::Reproduce),
    ("instructions", Step::Instructions),
    ("compare", Step::Compare),
    ("python", Step::Python),
    ("mpi", Step::Mpi),
    // Last: it builds a changed copy into the same folder, after which everything is built anew.
    ("new-circuit", Step::NewCircuit),
];

/// What became of a step.
enum Outcome {
    Passed,
    Skipped(String),
    Failed(String),
}

/// Runs all steps but the skipped ones; a failing step does not hide what the later ones say.
pub fn ci(args: &[String]) -> Result<(), String> {
    let steps = chosen(args)?;
    let ws = Workspace::find()?;
    let setup = hdf5::set_up(&ws)?;
    let mut table = Vec::new();
    for (name, step) in steps {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = match step {
            Step::Compare => with_python(&ws, |python| compare(&ws, &setup, python)),
            Step::Python => with_python(&ws, |_| python::python(&ws, &setup, &[])),
            Step::Mpi if !shell::on_path("mpirun") || !shell::on_path("mpicc") => {
                Outcome::Skipped("no mpirun and mpicc on PATH".to_owned())
            }
            Step::Instructions => match instructions::instructions(&ws, &setup, &[]) {
                Ok(None) => Outcome::Passed,
                Ok(Some(why)) => Outcome::Skipped(why),
                Err(message) => Outcome::Failed(message),
            },
            _ => match plain(&ws, &setup, step) {
                Ok(()) => Outcome::Passed,
                Err(message) => Outcome::Failed(message),
            },
        };
        let time = start.elapsed();
        println!("== {}", line(name, &outcome, time));
        table.push((name, outcome, time));
    }
    println!("\nci:");
    for (name, outcome, time) in &table {
        println!("  {}", line(name, outcome, *time));
    }
    let failed: Vec<&str> = table
        .iter()
        .filter(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_)))
        .map(|(name, ..)| *name)
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("failed: {}", failed.join(", ")))
    }
}

fn line(name: &str, outcome: &Outcome, time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match outcome {
        Outcome::Passed => format!("{name:<11} passed  {seconds:8.1} s"),
        Outcome::Skipped(why) => format!("{name:<11} skipped {seconds:8.1} s  ({why})"),
        Outcome::Failed(why) => format!("{name:<11} FAILED  {seconds:8.1} s  ({why})"),
    }
}

/// The steps that are left after `--skip NAME` and `--skip=NAME`.
fn chosen(args: &[String]) -> Result<Vec<(&'static str, Step)>, String> {
    let mut steps = STEPS.to_vec();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let name = match arg.strip_prefix("--skip") {
            Some("") => args
                .next()
                .ok_or("--skip: expected the name of a step")?
                .as_str(),
            Some(rest) if rest.starts_with('=') => &rest[1..],
            _ => return Err(format!("ci: found `{arg}`, expected --skip STEP")),
        };
        if !STEPS.iter().any(|(known, _)| *known == name) {
            let known: Vec<&str> = STEPS.iter().map(|(known, _)| *known).collect();
            return Err(format!(
                "--skip: found `{name}`, expected one of {}",
                known.join(", ")
            ));
        }
        steps.retain(|(step, _)| *step != name);
    }
    Ok(steps)
}

/// The steps that are one command. All build in the release profile: then a dependency, and above
/// all an HDF5 built from source, is compiled once for tests, lints, documentation and runs.
fn plain(ws: &Workspace, setup: &Setup, step: Step) -> Result<(), String> {
    let mut command = ws.cargo();
    match step {
        Step::Tidy => return tidy::tidy(ws),
        Step::Compare | Step::Python | Step::Instructions => return Ok(()),
        Step::Test => command = test_command(ws, setup, &[]),
        Step::Mpi => command = mpi(ws, setup),
        Step::NewCircuit => {
            let args = ["--test", "new_circuit", "--", "--ignored"];
            command = test_command(ws, setup, &args.map(str::to_owned));
        }
        Step::Fmt => {
            command.args(["fmt", "--all", "--check"]);
            shell::run(command)?;
            command = format_circuits(ws)?;
        }
        Step::Clippy => {
            command.args(["clippy", "--release", "--workspace", "--all-targets"]);
            setup.apply(&mut command);
            command.args(["--", "-D", "warnings"]);
        }
        Step::Doc => {
            command.args(["doc", "--release", "--no-deps"]);
            setup.apply(&mut command);
            command.env("RUSTDOCFLAGS", "-D warnings");
        }
        Step::Reproduce => return reproduce(ws, setup),
    }
    shell::run(command)
}

/// Bundled targets, those that take long first.
const PAPERS: [&str; 17] = [
    "froudist_walsh2021",
    "chaudhuri2015",
    "ding2024",
    "mejias_wang2022",
    "joglekar2018",
    "mejias_wang2022_reduced",
    "wong_wang2006",
    "deco2014",
    "deco2013",
    "bold",
    "elman1990",
    "hopfield1982",
    "jansen_rit",
    "montbrio_pazo_roxin",
    "n_back",
    "stuart_landau",
    "wilson_cowan",
];

/// All papers, two at a time: much of each runs on one core.
fn reproduce(ws: &Workspace, setup: &Setup) -> Result<(), String> {
    let paper = |name: &&str| {
        let mut command = isocortex(ws, setup);
        command.args(["reproduce", name]);
        shell::run_quietly(command)
    };
    let failed: Vec<String> = (shell::in_pairs(&PAPERS, paper).into_iter())
        .filter_map(Result::err)
        .collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(failed.join("; ")),
    }
}

/// The check of the circuits' format: `cargo fmt` does not see modules that a macro declares.
fn format_circuits(ws: &Workspace) -> Result<Command, String> {
    let folder = ws.root.join("src").join("circuit");
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "rs"))
        .collect();
    files.sort();
    let mut command = Command::new("rustfmt");
    command.current_dir(&ws.root);
    command.args(["--check", "--edition", "2024"]).args(files);
    Ok(command)
}

/// Does what needs Python. On a machine without it this is skipped; in CI it is not.
fn with_python(ws: &Workspace, work: impl FnOnce(&Path) -> Result<(), String>) -> Outcome {
    let must = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    let python = match python::environment(ws) {
        Ok(python) => python,
        Err(why) if must => return Outcome::Failed(why),
        Err(why) => return Outcome::Skipped(why),
    };
    match work(&python) {
        Ok(()) => Outcome::Passed,
        Err(why) => Outcome::Failed(why),
    }
}

/// Opens a result with the programs that other people use.
fn compare(ws: &Workspace, setup: &Setup, python: &Path) -> Result<(), String> {
    let result = result_file(ws, setup)?;
    let mut command = Command::new(python);
    command
        .current_dir(&ws.root)
        .arg("tests/comparison/open_with_xarray.py")
        .arg(&result);
    shell::run(command)?;
    open_pages(ws, setup, python, &result)
}

/// Reports of a run and of a sweep, opened in a browser where there is one.
fn open_pages(ws: &Workspace, setup: &Setup, python: &Path, run: &Path) -> Result<(), String> {
    let folder = ws.target.join("xtask").join("pages");
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let sweep = folder.join("sweep.h5");
    let mut command = isocortex(ws, setup);
    command.args([
        "sweep",
        "chaudhuri2015_v1_pulse",
        "--quiet",
        "--restart",
        "-o",
    ]);
    command.arg(&sweep).args([
        "--set=stimuli.pulse.amplitude=10 Hz,40 Hz",
        "--set=gradients.eta.strength=0.5..0.68:3",
        "--set=analysis=null",
    ]);
    shell::run(command)?;
    for (result, name) in [(run, "run.html"), (&sweep, "sweep.html")] {
        let page = folder.join(name);
        let mut command = isocortex(ws, setup);
        command.args(["report", "--quiet"]).arg(result);
        command.arg("-o").arg(&page);
        shell::run(command)?;
        let mut command = Command::new(python);
        command
            .current_dir(&ws.root)
            .arg("tests/comparison/open_report_in_chromium.py")
            .arg(page);
        shell::run(command)?;
    }
    Ok(())
}

/// The newest file under `results/`; where there is none, the main job makes one.
fn result_file(ws: &Workspace, setup: &Setup) -> Result<PathBuf, String> {
    let results = ws.root.join("results");
    if let Some(file) = newest(&results) {
        return Ok(file);
    }
    let mut command = isocortex(ws, setup);
    command.args(MAIN_JOB);
    shell::run(command)?;
    newest(&results).ok_or_else(|| format!("the main job left no .h5 file in {results:?}"))
}

/// The `.h5` file below a folder that was written last.
fn newest(dir: &Path) -> Option<PathBuf> {
    let mut best = None;
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "h5") {
                let written = path.metadata().and_then(|meta| meta.modified()).ok();
                best = best.max(Some((written, path)));
            }
        }
    }
    best.map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(args: &[&str]) -> Result<Vec<&'static str>, String> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Ok(chosen(&args)?.into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn steps_can_be_skipped_by_name() {
        assert_eq!(names(&[]).unwrap().len(), STEPS.len());
        let left = names(&["--skip", "test", "--skip=doc"]).unwrap();
        let expected = [
            "fmt",
            "tidy",
            "clippy",
            "reproduce",
            "instructions",
            "compare",
            "python",
            "mpi",
            "new-circuit",
        ];
        assert_eq!(left, expected);
        assert!(names(&["--skip", "tests"]).unwrap_err().contains("tests"));
        assert!(names(&["--skip"]).is_err());
        assert!(names(&["test"]).is_err());
    }

    #[test]
    fn the_newest_result_is_found_in_subfolders() {
        let dir = std::env::temp_dir().join(format!("xtask-newest-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("sub")).unwrap();
        assert_eq!(newest(&dir), None);
        for (name, age) in [("a.h5", 60), ("sub/b.h5", 10), ("c.txt", 0)] {
            let file = std::fs::File::create(dir.join(name)).unwrap();
            let then = std::time::SystemTime::now() - Duration::from_secs(age);
            file.set_modified(then).unwrap();
        }
        assert_eq!(newest(&dir), Some(dir.join("sub/b.h5")));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
