//! Projects of one's own, and the files of others.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use isocortex::record::Results;

fn program(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("isocortex").expect("the program is built");
    command.current_dir(folder);
    command
}

fn done(folder: &Path, args: &[&str]) -> String {
    let out = program(folder).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{args:?}: {said}");
    String::from_utf8(out.stdout).unwrap()
}

fn refused(folder: &Path, args: &[&str], word: &str) {
    let out = program(folder).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{args:?}: {said}");
    assert!(said.contains(word), "{word}: {said}");
}

/// Everything that the README of a new project tells to type.
#[test]
fn a_new_project_runs_as_its_readme_says() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["init", "mine"]);
    let mine = folder.path().join("mine");
    done(&mine, &["data", "check", "my-cortex"]);
    let readme = fs::read_to_string(mine.join("README.md")).unwrap();
    let block = readme.split("```").nth(1).unwrap();
    let mut commands = 0;
    for line in block.lines().filter(|l| l.starts_with("isocortex ")) {
        let line = line.split("  ").next().unwrap();
        let words: Vec<String> = line
            .split(' ')
            .skip(1)
            .map(|w| w.replace('"', ""))
            .collect();
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words[0] == "report" {
            words.extend(["-o", "report.html"]);
        }
        done(&mine, &words);
        commands += 1;
    }
    assert_eq!(commands, 5);
    let results = Results::open(mine.join("results/task.h5")).unwrap();
    let rate = results.read("readout_rate").unwrap();
    let condition = results.coord_text("condition").unwrap();
    let mean = |name: &str| {
        let of = condition.iter().zip(&rate).filter(|(c, _)| *c == name);
        let values: Vec<f64> = of.map(|(_, x)| *x).collect();
        assert_eq!(values.len(), 20, "{name}");
        values.iter().sum::<f64>() / 20.0
    };
    assert!(
        mean("strong") > mean("weak") && mean("weak") > mean("catch"),
        "a stronger flash is not seen better"
    );
    refused(
        folder.path(),
        &["init", "mine"],
        "found something there already",
    );
}

#[test]
fn matrices_and_counts_become_data_sets_that_run() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("w.csv"), "0,0.4,0.1\n0.5,0,0\n0.2,0.3,0\n").unwrap();
    fs::write(
        at.join("areas.csv"),
        "area,hierarchy_norm\nA,0\nB,0.5\nC,1\n",
    )
    .unwrap();
    let import = "data import matrices w.csv --kind fln --areas areas.csv -o set";
    let import: Vec<&str> = import.split(' ').collect();
    assert!(done(at, &import).contains("3 areas, 5 links"));
    done(at, &["data", "check", "set"]);
    fs::write(
        at.join("e.yaml"),
        "title: mine\nfrom: chaudhuri2015\nconnectome: {data: set}\nstimuli:\n  pulse: {into: drive_E, \
         areas: [A], amplitude: 20 Hz, onset: 10 ms, offset: 60 ms}\nsimulation: {duration: 200 ms}\n",
    )
    .unwrap();
    done(
        at,
        &["run", "e.yaml", "--quiet", "--no-figure", "-o", "e.h5"],
    );
    let areas = Results::open(at.join("e.h5"))
        .unwrap()
        .coord_text("area")
        .unwrap();
    assert_eq!(areas, ["A", "B", "C"]);
    refused(at, &import, "found something there already");
    // A row that sums to more than 1 is no FLN: nothing is left behind.
    fs::write(at.join("w.csv"), "0,0.9,0.9\n0.5,0,0\n0.2,0.3,0\n").unwrap();
    let mut again = import.clone();
    again[9] = "other";
    refused(at, &again, "nothing was written");
    assert!(!at.join("other").exists());
    fs::write(at.join("w.csv"), "0,0.9\n0.5,0\n0.2,0.3\n").unwrap();
    refused(at, &again, "found 3 x 2 numbers, expected a square matrix");
    fs::write(
        at.join("n.csv"),
        "target,source,supra,infra\nA,B,30,10\nA,C,5,55\nB,A,8,2\nC,A,1,9\n",
    )
    .unwrap();
    let counts = [
        "data",
        "import",
        "counts",
        "n.csv",
        "-o",
        "counted",
        "--species",
        "a mouse",
    ];
    done(at, &counts);
    let shown = done(at, &["data", "show", "counted"]);
    assert!(shown.contains("3 areas, 4 links"), "{shown}");
}

#[test]
fn a_data_set_goes_out_to_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let export = |format: &str, to: &str| {
        let args = [
            "data",
            "export",
            "macaque-markov29",
            "--format",
            format,
            "-o",
            to,
        ];
        done(at, &args)
    };
    export("tvb", "m.zip");
    export("npz", "m.npz");
    export("csv", "m");
    assert!(fs::read(at.join("m.npz")).unwrap().starts_with(b"PK"));
    assert!(
        fs::read_to_string(at.join("m/fln.csv"))
            .unwrap()
            .starts_with("target \\ source,")
    );
    // And back.
    done(at, &["data", "import", "tvb", "m.zip", "-o", "again"]);
    let shown = done(at, &["data", "show", "again"]);
    assert!(shown.contains("29 areas, 536 links"), "{shown}");
    fs::write(at.join("bad.zip"), b"PK no zip").unwrap();
    refused(
        at,
        &["data", "import", "tvb", "bad.zip", "-o", "x"],
        "no readable zip file",
    );
}

#[test]
fn shells_and_manuals_know_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = done(folder.path(), &["completions", shell]);
        assert!(
            text.contains("reproduce") && text.contains("sweep"),
            "{shell}"
        );
    }
    done(folder.path(), &["man", "pages"]);
    let page = fs::read_to_string(folder.path().join("pages/isocortex-run.1")).unwrap();
    assert!(page.contains("checkpoint"), "{page}");
}
