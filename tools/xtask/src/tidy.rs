//! Small rules that no other tool checks.

use std::path::Path;
use std::process::Command;

use crate::shell::Workspace;

/// Largest file that belongs into git [bytes].
const LARGEST: u64 = 1 << 20;

/// Checks every file that git has or would take, and prints each breach on its own line.
pub fn tidy(ws: &Workspace) -> Result<(), String> {
    let files = files(&ws.root)?;
    let mut breaches = Vec::new();
    for file in &files {
        let path = ws.root.join(file);
        // A file that is deleted but not yet committed is still listed.
        let Ok(meta) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        if !meta.is_file() {
            continue;
        }
        breaches.extend(name_breach(file).map(|what| format!("{file}: {what}")));
        if meta.len() > LARGEST {
            breaches.push(format!(
                "{file}: found {} bytes, expected at most 1 MiB",
                meta.len()
            ));
            continue;
        }
        let bytes = std::fs::read(&path).map_err(|error| format!("{file}: {error}"))?;
        // What is not UTF-8 is not text: figures, archives. Inputs that once broke a parser stay as they are.
        if file.starts_with("tests/fuzz/corpus/") {
            continue;
        }
        if let Ok(text) = String::from_utf8(bytes) {
            breaches.extend(text_breaches(file, &text));
            if file.ends_with(".md") {
                breaches.extend(link_breaches(&ws.root, file, &text));
            }
        }
    }
    for breach in &breaches {
        println!("{breach}");
    }
    if breaches.is_empty() {
        println!("tidy: {} files checked", files.len());
        Ok(())
    } else {
        Err(format!(
            "tidy: {} breaches in {} files",
            breaches.len(),
            files.len()
        ))
    }
}

/// Tracked files and those that are neither tracked nor ignored, relative to the root.
pub fn files(root: &Path) -> Result<Vec<String>, String> {
    let out = Command::new("git")
        // A checkout may belong to another user, as in a container.
        .arg("-c")
        .arg(format!("safe.directory={}", root.display()))
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .map_err(|error| format!("tidy: git did not start: {error}"))?;
    if !out.status.success() {
        let why = String::from_utf8_lossy(&out.stderr);
        return Err(format!("tidy: git ls-files failed: {}", why.trim()));
    }
    let list = String::from_utf8_lossy(&out.stdout);
    Ok(list
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect())
}

/// What editors, merges and systems leave behind.
fn name_breach(file: &str) -> Option<&'static str> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let ends = [".swp", ".swo", ".orig", ".rej", ".bak", ".tmp", ".pyc", "~"];
    let names = [".DS_Store", "Thumbs.db"];
    let folders = ["__pycache__", ".idea", ".vscode", ".ipynb_checkpoints"];
    let debris = ends.iter().any(|end| name.ends_with(end))
        || names.contains(&name)
        || (name.starts_with('#') && name.ends_with('#'))
        || file.split('/').any(|part| folders.contains(&part));
    debris.then_some("left behind by an editor or a tool")
}

fn text_breaches(file: &str, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    // Published tables stay as they came.
    let is_table = file.ends_with(".csv") || file.ends_with(".tsv");
    let code = [".rs", ".py", ".sh", ".toml", ".yaml", ".yml"];
    let is_code = code.iter().any(|end| file.ends_with(end)) || file.starts_with(".ci/");
    for (number, line) in (1..).zip(text.split('\n')) {
        let mut breach = |what: String| breaches.push(format!("{file}:{number}: {what}"));
        if !is_table && line.ends_with([' ', '\t', '\r']) {
            breach("white space at the end of the line".to_owned());
        }
        if is_code && let Some(word) = note_to_self(line) {
            breach(format!(
                "found {word}, expected it with the number of an issue (#n)"
            ));
        }
        if let Some(start) = home_path(line) {
            breach(format!(
                "found a path of one machine ({start}…), expected a relative one"
            ));
        }
    }
    let is_room = |rest: &str| match rest.split_once('/') {
        None => rest.ends_with(".rs"),
        Some((_, inner)) => inner == "mod.rs",
    };
    if file.strip_prefix("src/").is_some_and(is_room) && !text.trim_start().starts_with("//!") {
        breaches.push(format!(
            "{file}:1: expected a module doc (`//!`) that says what it holds"
        ));
    }
    breaches
}

/// Relative links of a Markdown file that lead nowhere.
fn link_breaches(root: &Path, file: &str, text: &str) -> Vec<String> {
    let folder = root.join(file);
    let folder = folder.parent().unwrap_or(root);
    let mut breaches = Vec::new();
    let mut in_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for target in links(line) {
            let path = target.split('#').next().unwrap_or_default();
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if !elsewhere && !path.is_empty() && !folder.join(path).exists() {
                breaches.push(format!(
                    "{file}:{number}: found a link to `{path}`, expected a file or folder that is there"
                ));
            }
        }
    }
    breaches
}

/// What stands in `](…)` on a line, outside inline code.
pub fn links(line: &str) -> Vec<&str> {
    // Text between backticks is every second part; a link whose label is code begins in such a
    // part, but its `](` comes after it.
    let prose = line.split('`').step_by(2);
    prose
        .flat_map(|part| part.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .collect()
}

/// A mark for work left over that names no issue.
fn note_to_self(line: &str) -> Option<&'static str> {
    // In halves, so that this file passes its own check.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME")];
    words.into_iter().find(|word| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = &line[at + word.len()..];
            let part_of_a_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric());
            let has_issue = after
                .split_once('#')
                .is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
            !part_of_a_word(before) && !part_of_a_word(after.chars().next()) && !has_issue
        })
    })
}

/// The start of an absolute path into somebody's home or working folder.
fn home_path(line: &str) -> Option<&'static str> {
    let starts = [
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("C:\\Us", "ers\\"),
    ];
    starts.into_iter().find(|start| {
        line.match_indices(start).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            // `target/…` and `https://host/…` go on from something; a path of a machine starts.
            !before.is_some_and(|c| c.is_alphanumeric() || "._-~}/)".contains(c))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debris_is_known_by_its_name() {
        for bad in [
            "src/a.rs~",
            "a.orig",
            ".x.swp",
            "python/__pycache__/a.txt",
            "#a#",
        ] {
            assert!(name_breach(bad).is_some(), "{bad}");
        }
        for good in ["src/a.rs", "README.md", ".gitignore", "docs/original.md"] {
            assert_eq!(name_breach(good), None, "{good}");
        }
    }

    #[test]
    fn lines_are_checked() {
        let note = concat!("TO", "DO");
        let home = concat!("/ho", "me/ada/x");
        let text = format!("ok\nend \n// {note}: later\n// {note} (#12): later\nsee {home}\n");
        let found = text_breaches("tools/x.rs", &text);
        let lines: Vec<&str> = found
            .iter()
            .filter_map(|breach| breach.split(':').nth(1))
            .collect();
        assert_eq!(lines, ["2", "3", "5"], "{found:#?}");
        assert!(text_breaches("x.rs", &format!("a{note}\n")).is_empty());
        assert!(text_breaches("x.rs", concat!("https://a.org/ho", "me/b\n")).is_empty());
        assert!(text_breaches("data/t.csv", "1,2 \r\n").is_empty());
    }

    #[test]
    fn links_lead_somewhere() {
        let found = links("see [a](x.md), [`b`](y/z.md#part) and `[c](no.md)`");
        assert_eq!(found, ["x.md", "y/z.md#part"]);
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = "[a](Cargo.toml) [b](https://a.org/b) [c](#part)\n```\n[d](no.md)\n```\n\
                    [e](no.md)\n[f](src/main.rs#x)\n";
        let found = link_breaches(root, "x.md", text);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with("x.md:5: "), "{found:#?}");
        assert!(link_breaches(root, "src/x.md", "[a](main.rs) [b](../Cargo.toml)").is_empty());
    }

    #[test]
    fn a_room_says_what_it_holds() {
        assert!(text_breaches("src/rng.rs", "//! Numbers.\n").is_empty());
        assert_eq!(text_breaches("src/rng.rs", "use std::fmt;\n").len(), 1);
        assert_eq!(text_breaches("src/plan/mod.rs", "mod a;\n").len(), 1);
        assert!(text_breaches("src/plan/a.rs", "mod b;\n").is_empty());
    }
}
