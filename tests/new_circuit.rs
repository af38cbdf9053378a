//! Adding a local circuit takes what `CONTRIBUTING.md` says: one file, one line, one YAML.
//!
//! The three blocks are read from the guide, so that it cannot say something that does not work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const REGISTRY: &str = "src/circuit/mod.rs";

/// What the guide tells to add.
struct Addition {
    /// Path and text of the circuit.
    file: (String, String),
    /// The line of the registry.
    line: String,
    /// Path and text of the config.
    yaml: (String, String),
}

impl Addition {
    /// Name of the circuit: its file without the ending.
    fn name(&self) -> &str {
        let file = self.file.0.rsplit('/').next().unwrap_or("");
        file.strip_suffix(".rs").unwrap_or(file)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Fenced blocks, each with its language and the last line of text before it.
fn blocks(text: &str) -> Vec<(&str, &str, String)> {
    let mut out = Vec::new();
    let mut before = "";
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body = lines.by_ref().take_while(|l| *l != "```");
            let body: String = body.flat_map(|l| [l, "\n"]).collect();
            out.push((language, before, body));
        } else if !line.is_empty() {
            before = line;
        }
    }
    out
}

fn addition() -> Addition {
    let guide = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let blocks = blocks(&guide);
    let find = |mark: &str, language: &str| {
        let mut found = blocks
            .iter()
            .filter(|(l, before, _)| *l == language && before.starts_with(mark));
        let (_, before, body) = found
            .next()
            .unwrap_or_else(|| panic!("CONTRIBUTING.md: no {language} block after a line {mark}…"));
        assert!(found.next().is_none(), "CONTRIBUTING.md: {mark} twice");
        // The path is the last thing between backticks that looks like one.
        let path = before.split('`').rfind(|part| part.contains('/'));
        (path.unwrap_or_default().to_owned(), body.clone())
    };
    let (registry, line) = find("**One line**", "rust");
    assert_eq!(registry, REGISTRY, "where the line goes");
    Addition {
        file: find("**One file**", "rust"),
        line,
        yaml: find("**One YAML**", "yaml"),
    }
}

/// `src/circuit/mod.rs` with one more circuit.
fn with_line(registry: &str, line: &str) -> String {
    let start = "\nregistry! {\n";
    assert_eq!(registry.matches(start).count(), 1, "{REGISTRY}: one list");
    registry.replace(start, &format!("{start}{line}"))
}

#[test]
fn the_guide_names_one_file_one_line_and_one_yaml() {
    let addition = addition();
    let name = addition.name().to_owned();
    assert_eq!(addition.file.0, format!("src/circuit/{name}.rs"));
    assert_eq!(addition.yaml.0, format!("configs/models/{name}.yaml"));
    assert_eq!(addition.line.lines().count(), 1, "{:?}", addition.line);
    assert!(addition.line.starts_with(&format!("    {name}::")));
    assert!(addition.line.ends_with(",\n"));
    assert!(addition.file.1.contains(&format!("name: \"{name}\"")));
    assert!(addition.yaml.1.contains(&format!("\n  name: {name}\n")));
    let registry = fs::read_to_string(root().join(REGISTRY)).unwrap();
    let longer = with_line(&registry, &addition.line);
    assert_eq!(longer.len(), registry.len() + addition.line.len());
    for (path, _) in [&addition.file, &addition.yaml] {
        assert!(!root().join(path).exists(), "{path} is already there");
    }
}

#[test]
#[ignore = "compiles the program twice: several minutes; `cargo xtask ci` runs it"]
fn the_circuit_of_the_guide_builds_and_runs() {
    let addition = addition();
    // The folder has the same name every time, lest cargo keep the artefacts of each.
    let tmp = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let copy = tmp.join("new-circuit");
    if copy.exists() {
        fs::remove_dir_all(&copy).unwrap();
    }
    for path in [
        "Cargo.lock",
        "build.rs",
        "benches",
        "src",
        "configs",
        "data",
        "python/src",
        "python/Cargo.toml",
        "tools/xtask",
    ] {
        copy_tree(&root().join(path), &copy.join(path));
    }
    // The same target folder, so that dependencies are not compiled anew; another name for the
    // program, so that it does not take the place of the real one.
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let program = "isocortex-new-circuit";
    let manifest = manifest.replacen("[package]\n", "[package]\nautobins = false\n", 1)
        + &format!("\n[[bin]]\nname = \"{program}\"\npath = \"src/main.rs\"\n");
    fs::write(copy.join("Cargo.toml"), manifest).unwrap();

    for (path, text) in [&addition.file, &addition.yaml] {
        fs::write(copy.join(path), text).unwrap();
    }
    let registry = fs::read_to_string(copy.join(REGISTRY)).unwrap();
    fs::write(copy.join(REGISTRY), with_line(&registry, &addition.line)).unwrap();

    let target = tmp.parent().unwrap();
    cargo(&copy, target, &["build"], &["--bin", program]);
    let program = target.join("release").join(program);
    let name = addition.name();
    let table = succeed(Command::new(&program).args(["circuits", name]));
    assert!(table.contains(name) && table.contains("tau_E"), "{table}");
    let result = copy.join("result.h5");
    let mut run = Command::new(&program);
    run.arg("run").arg(copy.join(&addition.yaml.0));
    let summary = succeed(run.arg("--output").arg(&result).current_dir(&copy));
    for area in ["V1", "24c"] {
        let row = summary
            .lines()
            .find(|l| l.split_whitespace().next() == Some(area));
        let row = row.unwrap_or_else(|| panic!("no area {area} in\n{summary}"));
        let peak: f64 = row.split_whitespace().nth(2).unwrap().parse().unwrap();
        assert!(peak > 0.0 && peak < 1.0, "peak of {area}: {peak}");
    }
    assert!(result.is_file());
    let rerun = succeed(Command::new(&program).arg("rerun").arg(&result));
    assert!(!rerun.is_empty());

    let tests = cargo(&copy, target, &["test"], &["--lib", "circuit"]);
    let own = format!("circuit::{name}::tests::");
    assert!(tests.contains(&own), "no test {own}… in\n{tests}");
    assert!(
        tests.contains("circuit::tests::tables_are_complete"),
        "{tests}"
    );
    fs::remove_dir_all(&copy).unwrap();
    fs::remove_file(&program).unwrap();
}

/// Runs cargo in the copy as it was run for this test, and gives what it prints.
fn cargo(copy: &Path, target: &Path, chore: &[&str], args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    // Whether the text of the guide is right does not hang on optimisation; dependencies keep theirs,
    // so that they are not compiled anew.
    let quick = "profile.release.package.isocortex.opt-level=1";
    let options = ["--release", "--offline", "--config", quick];
    command.args(chore).args(options);
    if cfg!(feature = "static") {
        command.args(["--features", "static"]);
    }
    command.args(args).current_dir(copy);
    succeed(command.env("CARGO_TARGET_DIR", target))
}

/// Standard output of a command that must succeed.
fn succeed(command: &mut Command) -> String {
    let out = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let error = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success(),
        "{command:?}: {}\n{text}{error}",
        out.status
    );
    text
}

/// Copies a file or a folder with all that is in it.
fn copy_tree(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy_tree(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, fs::read(from).unwrap()).unwrap();
    }
}
