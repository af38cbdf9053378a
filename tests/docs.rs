//! The pages of `docs/` as a whole: each is in the book, links lead somewhere, names are those of the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Markdown file below a folder.
fn pages(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|e| e == "md") {
            found.insert(path);
        }
    }
    found
}

/// The lines of a page that are code, or those that are not.
fn lines(text: &str, code: bool) -> Vec<&str> {
    let mut in_code = false;
    let mut out = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if in_code == code {
            out.push(line);
        }
    }
    out
}

/// What stands in `](…)` on a line, outside inline code.
fn links(line: &str) -> Vec<&str> {
    let parts = line.split('`').step_by(2);
    parts
        .flat_map(|part| part.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .collect()
}

/// The anchor of a heading, as mdBook and web views of repositories make it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn anchors(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let headings = lines(&text, false)
        .into_iter()
        .filter(|l| l.starts_with('#'));
    headings.map(anchor).collect()
}

#[test]
fn anchors_are_those_of_mdbook() {
    assert_eq!(anchor("## A run that dies"), "a-run-that-dies");
    assert_eq!(anchor("## MATLAB, Julia, R"), "matlab-julia-r");
    assert_eq!(anchor("## `manifest.yaml`"), "manifestyaml");
}

#[test]
fn every_page_is_in_the_book_once() {
    let docs = root().join("docs");
    let summary = docs.join("SUMMARY.md");
    let text = fs::read_to_string(&summary).unwrap();
    let named: Vec<PathBuf> = text
        .lines()
        .flat_map(links)
        .map(|target| docs.join(target))
        .collect();
    let once: BTreeSet<PathBuf> = named.iter().cloned().collect();
    assert_eq!(
        once.len(),
        named.len(),
        "docs/SUMMARY.md names a page twice"
    );
    let mut there = pages(&docs);
    there.remove(&summary);
    let missing: Vec<_> = there.difference(&once).collect();
    let gone: Vec<_> = once.difference(&there).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "docs/SUMMARY.md: pages that it lacks: {missing:?}, pages that are not there: {gone:?}"
    );
}

#[test]
fn links_and_their_anchors_lead_somewhere() {
    let mut all = pages(&root().join("docs"));
    for page in [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "data/README.md",
        "python/README.md",
    ] {
        all.insert(root().join(page));
    }
    let (mut seen, mut broken) = (0, Vec::new());
    for page in &all {
        let text = fs::read_to_string(page).unwrap();
        for target in lines(&text, false).into_iter().flat_map(links) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let (path, part) = target.split_once('#').unwrap_or((target, ""));
            let to = match path {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            let is_page = to.extension().is_some_and(|e| e == "md");
            let found = to.exists()
                && (part.is_empty() || !is_page || anchors(&to).iter().any(|a| a == part));
            if !found {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(seen > 200, "only {seen} links were seen");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// `docs/circuits.md` shows what `isocortex circuits` prints.
#[test]
fn the_overview_of_circuits_is_that_of_the_program() {
    let page = fs::read_to_string(root().join("docs/circuits.md")).unwrap();
    let rows: Vec<String> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            format!("{} {} {}", cells[1].trim_matches('`'), cells[2], cells[3])
        })
        .collect();
    let out = Command::cargo_bin("isocortex")
        .unwrap()
        .arg("circuits")
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let printed: Vec<String> = text
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert!(!printed.is_empty());
    assert_eq!(rows, printed);
}

/// A page that shows a command names one that the program has.
#[test]
fn commands_of_the_pages_exist() {
    let help = Command::cargo_bin("isocortex")
        .unwrap()
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let known: BTreeSet<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(known.contains("run"), "{known:?}");
    let mut seen = 0;
    for page in pages(&root().join("docs")) {
        let text = fs::read_to_string(&page).unwrap();
        for line in lines(&text, true) {
            let Some(word) = line
                .strip_prefix("isocortex ")
                .and_then(|rest| rest.split_whitespace().next())
            else {
                continue;
            };
            seen += 1;
            assert!(
                known.contains(word) || word.starts_with('-'),
                "{}: `isocortex {word}` is no command",
                page.display()
            );
        }
    }
    assert!(seen > 50, "only {seen} commands were seen");
}
