//! Pages that teach work when pasted: their files are written, their commands run in their order, and every
//! line that they show is printed.

use std::fs;

use assert_cmd::Command;

/// A line without what depends on the width of the terminal.
fn bare(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words of a command, which are quoted by `"` at most.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('"').enumerate();
    let parts = quoted.flat_map(|(n, part)| match n % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    parts.collect()
}

/// Pastes a page into an empty folder: how many commands it has, and how many lines it shows.
fn paste(page: &str) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let (mut said, mut commands, mut lines) = (Vec::new(), 0, 0);
    let mut before = "";
    for (n, part) in page.split("```").enumerate() {
        if n % 2 == 0 {
            before = part;
            continue;
        }
        let (kind, block) = part.split_once('\n').unwrap();
        match kind {
            "yaml" | "csv" => {
                let name = before.trim_end().rsplit('`').nth(1).unwrap();
                fs::write(folder.path().join(name), block).unwrap();
            }
            "sh" => {
                said.clear();
                for line in block.lines() {
                    let words = words(line);
                    assert_eq!(words[0], "isocortex", "{line}");
                    let out = Command::cargo_bin("isocortex")
                        .unwrap()
                        .current_dir(folder.path())
                        .args(&words[1..])
                        .output()
                        .unwrap();
                    let error = String::from_utf8_lossy(&out.stderr);
                    assert!(out.status.success(), "{line}: {error}");
                    said.extend(String::from_utf8(out.stdout).unwrap().lines().map(bare));
                    commands += 1;
                }
            }
            "text" => {
                for line in block.lines() {
                    let line = bare(line);
                    assert!(
                        said.contains(&line),
                        "not printed: {line}\n{}",
                        said.join("\n")
                    );
                    lines += 1;
                }
            }
            other => panic!("a block of kind {other:?}"),
        }
    }
    (commands, lines)
}

#[test]
fn the_tutorial_works_when_pasted() {
    let (commands, lines) = paste(include_str!("../docs/tutorial.md"));
    assert!(
        commands > 8 && lines > 15,
        "{commands} commands, {lines} lines"
    );
}

#[test]
fn the_quick_start_works_when_pasted() {
    let (commands, lines) = paste(include_str!("../docs/quickstart.md"));
    assert!(
        commands > 7 && lines > 8,
        "{commands} commands, {lines} lines"
    );
}

#[test]
fn pages_about_ones_own_data_and_tasks_work_when_pasted() {
    for page in [
        include_str!("../docs/own_connectome.md"),
        include_str!("../docs/own_gradient.md"),
        include_str!("../docs/own_task.md"),
    ] {
        let (commands, lines) = paste(page);
        assert!(
            commands > 2 && lines > 4,
            "{commands} commands, {lines} lines"
        );
    }
}
