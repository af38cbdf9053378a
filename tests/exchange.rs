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

const AREAS: &str = "area,hierarchy\nV1,0\nV2,0.5\nMT,1\n";
const FLN: &str = ",V1,V2,MT\nV1,0,0.4,0.1\nV2,0.5,0,0.1\nMT,0.2,0.3,0\n";

/// Writes the files, and refuses to import `fln.csv` with these options.
fn import_refused(files: &[(&str, &str)], options: &str, word: &str) {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (name, text) in [("areas.csv", AREAS), ("fln.csv", FLN)].iter().chain(files) {
        fs::write(at.join(name), text).unwrap();
    }
    let line = format!("data import matrices fln.csv --kind fln -o set {options}");
    refused(at, &line.split_whitespace().collect::<Vec<_>>(), word);
    assert!(!at.join("set").exists(), "{options}");
}

/// A table in another order of areas would give its numbers to the wrong ones.
#[test]
fn every_labelled_matrix_has_the_areas_in_their_order() {
    for (table, said) in [
        (
            ",MT,V2,V1\nMT,0,1,1\nV2,1,0,1\nV1,1,1,0\n",
            "names of rows are those of the areas in another order: found `MT` as number 1, expected `V1`",
        ),
        (
            ",V1,MT,V2\nV1,0,1,1\nV2,1,0,1\nMT,1,1,0\n",
            "names of columns are those of the areas in another order: found `MT` as number 2, expected `V2`",
        ),
        (
            ",V1,V2,M1\nV1,0,1,1\nV2,1,0,1\nM1,1,1,0\n",
            "names of rows differ from those of the areas: found no `MT` and found `M1`, expected the 3 areas of ",
        ),
        (
            ",V1,MT\nV1,0,1\nMT,1,0\n",
            "names of rows differ from those of the areas: found no `V2`, expected the 3 areas of ",
        ),
        (
            ",V1,MT\nV1,0,1\nV2,1,1\nMT,1,0\n",
            "names of columns differ from those of the areas: found no `V2`, expected the 3 areas of ",
        ),
        (
            ",V1,V2,V1\nV1,0,1,1\nV2,1,0,1\nV1,1,1,0\n",
            "names of rows: found `V1` twice, as number 1 and 3, expected it once",
        ),
    ] {
        for option in ["--distances", "--sln", "--delays"] {
            // The areas are those of a table, or those beside the weights.
            for areas in ["--areas areas.csv", ""] {
                let options = format!("{option} more.csv {areas}");
                import_refused(
                    &[("more.csv", table)],
                    &options,
                    &format!("more.csv: {said}"),
                );
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("fln.csv"), FLN).unwrap();
    let right = ",V1,V2,MT\nV1,0,1,1\nV2,1,0,1\nMT,1,1,0\n";
    fs::write(folder.path().join("more.csv"), right).unwrap();
    let line = "data import matrices fln.csv --kind fln --sln more.csv --distances more.csv -o set";
    let said = done(folder.path(), &line.split(' ').collect::<Vec<_>>());
    assert!(said.contains("3 areas, 6 links"), "{said}");
}

#[test]
fn an_area_that_is_missing_is_named_with_its_file() {
    import_refused(
        &[("fln.csv", ",V1,V2\nV1,0,0.4\nV2,0.5,0\n")],
        "--areas areas.csv",
        "fln.csv: names of rows differ from those of the areas: found no `MT`, expected the 3 areas of areas.csv",
    );
    import_refused(
        &[("areas.csv", "area,hierarchy\nV1,0\nMT,1\n")],
        "--areas areas.csv",
        "fln.csv: names of rows differ from those of the areas: found `V2`, expected the 2 areas of areas.csv",
    );
}

#[test]
fn tables_of_areas_name_each_once() {
    for table in ["area,hierarchy\nV1,0\nV2,0.5\nV1,1\n", "V1\nV2\nV1\n"] {
        import_refused(
            &[("areas.csv", table)],
            "--areas areas.csv",
            "areas.csv: names of areas: found `V1` twice, as number 1 and 3, expected it once",
        );
    }
    import_refused(
        &[("areas.csv", "name,hierarchy\nV1,0\nV2,0.5\nMT,1\n")],
        "--areas areas.csv",
        "areas.csv: found the columns `name`, `hierarchy`, expected one called `area`",
    );
}

#[test]
fn what_makes_no_data_set_is_said_in_few_lines() {
    // Lines are those of no file that anybody has.
    import_refused(
        &[(
            "fln.csv",
            ",V1,V2,MT\nV1,0,-0.4,0.1\nV2,0.5,0,0\nMT,0.2,0,0\n",
        )],
        "",
        "\n  fln: negative FLN: found -0.4, expected 0..1 (V1 <- V2)",
    );
    let percent = ",A,B,C,D\nA,0,50,30,20\nB,40,0,40,20\nC,10,70,0,19.5\nD,30,30,40,0\n";
    for said in ["\n  ... and 2 more\n", "are the FLN percent?"] {
        import_refused(&[("fln.csv", percent)], "", said);
    }
}

#[test]
fn an_export_says_what_it_leaves_out() {
    let folder = tempfile::tempdir().unwrap();
    let line = "data export macaque-markov29 --format tvb -o m.zip";
    let out = program(folder.path())
        .args(line.split(' '))
        .output()
        .unwrap();
    assert!(out.status.success());
    let said = String::from_utf8_lossy(&out.stderr);
    let expected = "left out: hierarchy, hierarchy_norm, spine_count, SLN, lobes";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_table_changed_on_purpose_gets_the_sum_that_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("fln.csv"), FLN).unwrap();
    done(
        at,
        &[
            "data", "import", "matrices", "fln.csv", "--kind", "fln", "-o", "set",
        ],
    );
    let table = at.join("set/areas.csv");
    let text = fs::read_to_string(&table).unwrap();
    fs::write(&table, text + "\n").unwrap();
    let out = program(at).args(["data", "show", "set"]).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(
        said.contains("; if the table was changed on purpose, put the found sum there"),
        "{said}"
    );
    let sum = |text: &str, before: &str| {
        let (_, after) = text.split_once(before).unwrap();
        after[..64].to_owned()
    };
    let manifest = at.join("set/manifest.yaml");
    let text = fs::read_to_string(&manifest).unwrap();
    let old = sum(&text, "path: areas.csv, sha256: ");
    let changed = text.replace(&old, &sum(&said, "wrong sha256: found "));
    assert_ne!(changed, text);
    fs::write(&manifest, changed).unwrap();
    done(at, &["data", "show", "set"]);
}
