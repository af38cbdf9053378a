//! The doors between the rooms of `src/`, as the table in `ARCHITECTURE.md` grants them.
//!
//! The table is read from the document, so that document and test cannot drift apart. The source
//! is read as tokens: comments and string literals open no doors, test modules obey like the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms that may read or write files: the loaders, the results, the command line, the configs.
const FILE_ROOMS: [&str; 5] = ["arrays", "connectome", "record", "cli", "spec"];

/// Rooms that may call the HDF5 library: results, and the files of others.
const HDF5_ROOMS: [&str; 2] = ["arrays", "record"];

/// What the crate's own roots and the command line may do and the core may not: ask the clock or
/// the environment, or keep things in an order that changes from run to run.
const NOT_CORE: [&str; 3] = ["cli", "main", "lib"];

// ------------------------------------------------------------------------------------- the table

/// One row of the door table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Room {
    planned: bool,
    may_open: BTreeSet<String>,
}

type Table = BTreeMap<String, Room>;

/// Reads the table whose header is `| room | holds | may open |`. The last cell is `–`, a list of
/// rooms, `all`, or `all but` a list.
fn parse_table(document: &str) -> Result<Table, String> {
    let mut lines = document.lines().skip_while(|line| {
        let cells = cells(line);
        cells.first() != Some(&"room") || cells.last() != Some(&"may open")
    });
    lines
        .next()
        .ok_or("no table with the header `| room | holds | may open |`")?;
    let rows: Vec<Vec<&str>> = lines
        .skip(1)
        .take_while(|line| line.trim_start().starts_with('|'))
        .map(cells)
        .collect();
    let mut names = BTreeSet::new();
    for row in &rows {
        for name in row_rooms(row) {
            if !names.insert(name.clone()) {
                return Err(format!("room `{name}` stands twice in the table"));
            }
        }
    }
    let mut table = Table::new();
    for row in &rows {
        let may_open = parse_doors(row.last().unwrap_or(&""), &names)?;
        for name in row_rooms(row) {
            let planned = row[0].contains("(planned)");
            table.insert(
                name,
                Room {
                    planned,
                    may_open: may_open.clone(),
                },
            );
        }
    }
    Ok(table)
}

fn cells(line: &str) -> Vec<&str> {
    line.trim()
        .trim_matches('|')
        .split('|')
        .map(str::trim)
        .collect()
}

/// The names between backticks in the first cell.
fn row_rooms(row: &[&str]) -> Vec<String> {
    let cell = row.first().copied().unwrap_or("");
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(|name| name.trim_end_matches('/').to_owned())
        .collect()
}

fn parse_doors(cell: &str, names: &BTreeSet<String>) -> Result<BTreeSet<String>, String> {
    let list = |text: &str| -> Result<BTreeSet<String>, String> {
        let rooms: BTreeSet<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        match rooms.iter().find(|name| !names.contains(*name)) {
            Some(name) => Err(format!("the table opens `{name}`, which is no room of it")),
            None => Ok(rooms),
        }
    };
    // The roots of the two crates are nobody's door.
    let rooms = names - &BTreeSet::from(["lib", "main"].map(str::to_owned));
    match cell {
        "–" => Ok(BTreeSet::new()),
        "all" => Ok(rooms),
        _ => match cell.strip_prefix("all but ") {
            Some(closed) => Ok(&rooms - &list(closed)?),
            None => list(cell),
        },
    }
}

// ------------------------------------------------------------------------------------ the scanner

/// A word or a single sign of Rust source, with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

/// Splits source into tokens; comments, strings and characters are left out.
fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < chars.len() {
        let start = i;
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                while i < chars.len() {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            '"' => i = after_string(&chars, i),
            // 'x' and '\n' are characters; 'a without a closing quote is a lifetime.
            '\'' if at(i + 1) == '\\' => {
                i += 3;
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            }
            '\'' if at(i + 2) == '\'' => i += 3,
            c if is_word(c) => {
                while is_word(at(i)) {
                    i += 1;
                }
                let word: String = chars[start..i].iter().collect();
                let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
                let raw = ["r", "br", "cr"].contains(&word.as_str());
                if raw && at(i + hashes) == '"' {
                    i = after_raw_string(&chars, i + hashes, hashes);
                } else if raw && hashes == 1 && is_word(at(i + 1)) {
                    // r#type is the word `type`.
                    i += 1;
                } else if !["b", "c"].contains(&word.as_str()) || at(i) != '"' {
                    found.push(Token { text: word, line });
                }
            }
            c if c.is_whitespace() => i += 1,
            c => {
                found.push(Token {
                    text: c.to_string(),
                    line,
                });
                i += 1;
            }
        }
        line += chars[start..i.min(chars.len())]
            .iter()
            .filter(|c| **c == '\n')
            .count();
    }
    found
}

fn after_string(chars: &[char], open: usize) -> usize {
    let mut i = open + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn after_raw_string(chars: &[char], open: usize, hashes: usize) -> usize {
    let mut i = open + 1;
    while i < chars.len() {
        let closes =
            chars[i] == '"' && chars[i + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
        if closes {
            return i + 1 + hashes;
        }
        i += 1;
    }
    i
}

/// A path as it is written, groups opened: `a::{b, c::d}` gives `a::b` and `a::c::d`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    segments: Vec<String>,
    line: usize,
    /// How many modules deep it stands, counted from the root of the crate.
    depth: usize,
    /// Whether it stands in a module `tests` of the file.
    in_tests: bool,
}

/// All paths of a file whose own module lies `depth` modules below the root of the crate.
fn paths(source: &str, depth: usize) -> Vec<Written> {
    let tokens = tokens(source);
    let text = |i: usize| tokens.get(i).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    // For each open brace the name of the inline module that it belongs to, if it does.
    let mut braces: Vec<Option<&str>> = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let depth = depth + braces.iter().flatten().count();
        let in_tests = braces.contains(&Some("tests"));
        if text(i) == "mod" && text(i + 2) == "{" {
            braces.push(Some(text(i + 1)));
            i += 3;
        } else if text(i) == "{" {
            braces.push(None);
            i += 1;
        } else if text(i) == "}" {
            braces.pop();
            i += 1;
        } else if text(i) == "use" || (is_path_start(text(i)) && is_join(&tokens, i + 1)) {
            let first = i + usize::from(text(i) == "use");
            let mut leaves = Vec::new();
            i = read_tree(&tokens, first, &mut Vec::new(), &mut leaves).max(i + 1);
            found.extend(leaves.into_iter().map(|(segments, line)| Written {
                segments,
                line,
                depth,
                in_tests,
            }));
        } else {
            i += 1;
        }
    }
    found
}

fn is_path_start(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn is_join(tokens: &[Token], i: usize) -> bool {
    tokens.get(i).is_some_and(|t| t.text == ":") && tokens.get(i + 1).is_some_and(|t| t.text == ":")
}

/// Reads one use-tree or path from token `i` on; returns the token after it.
fn read_tree(
    tokens: &[Token],
    mut i: usize,
    prefix: &mut Vec<String>,
    leaves: &mut Vec<(Vec<String>, usize)>,
) -> usize {
    let kept = prefix.len();
    let line = tokens.get(i).map_or(0, |token| token.line);
    // A leading `::` names an external crate.
    if is_join(tokens, i) {
        i += 2;
    }
    loop {
        match tokens.get(i).map(|token| token.text.as_str()) {
            Some("{") => {
                i += 1;
                while i < tokens.len() && tokens[i].text != "}" {
                    i = read_tree(tokens, i, prefix, leaves).max(i + 1);
                    if tokens.get(i).is_some_and(|token| token.text == ",") {
                        i += 1;
                    }
                }
                i += 1;
                prefix.truncate(kept);
                return i;
            }
            Some(word) if word == "*" || is_path_start(word) => {
                prefix.push(word.to_owned());
                i += 1;
            }
            _ => break,
        }
        if !is_join(tokens, i) {
            break;
        }
        i += 2;
    }
    if tokens.get(i).is_some_and(|token| token.text == "as") {
        i += 2;
    }
    if prefix.len() > kept {
        leaves.push((prefix.clone(), line));
    }
    prefix.truncate(kept);
    i
}

/// What follows the root of the crate in a path, if the path leads there: the name of a room.
/// `crate::a`, `$crate::a`, and `super::a` from a module right below the root all lead to `a`.
fn opened(path: &Written) -> Option<&str> {
    let mut segments = path.segments.iter().map(String::as_str).peekable();
    if segments.next_if_eq(&"crate").is_some() {
        // `pub(in crate)` and the like end here; a glob or alias of the root is caught by name.
        return match segments.next() {
            Some(name) => Some(name),
            None => Some("crate"),
        };
    }
    segments.next_if_eq(&"self");
    let mut ups = 0;
    while segments.next_if_eq(&"super").is_some() {
        ups += 1;
    }
    (ups > 0 && ups >= path.depth).then(|| segments.next().unwrap_or("crate"))
}

/// Why a path may not stand in a room, if so.
fn breach(table: &Table, room: &str, path: &Written) -> Option<String> {
    let door = opened(path)?;
    if door == room || room == "lib" || room == "main" {
        return None;
    }
    if !table.contains_key(door) {
        return Some(format!(
            "`{room}` opens `{door}`, which is no room of the table"
        ));
    }
    let may_open = &table.get(room)?.may_open;
    if may_open.contains(door) {
        return None;
    }
    let list: Vec<&str> = may_open.iter().map(String::as_str).collect();
    Some(format!(
        "`{room}` opens `{door}`, expected only {}",
        list.join(", ")
    ))
}

/// Why a path must not stand in a room for what it does outside the program, if so.
///
/// Tests are free to do it: a temporary folder or a killed process is how a room is tested.
fn outside_breach(room: &str, path: &Written) -> Option<String> {
    if path.in_tests {
        return None;
    }
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    let what = match segments.as_slice() {
        ["std", "fs", ..] | ["std"] | ["std", "*"] if !may_use_files(room) => "files",
        ["hdf5" | "hdf5_sys", ..] if !HDF5_ROOMS.contains(&room) && !NOT_CORE.contains(&room) => {
            "HDF5"
        }
        _ if NOT_CORE.contains(&room) => return None,
        // A length of time is a number; only the clock is outside.
        ["std", "time", "Duration", ..] => return None,
        ["std", "time", ..] => "the clock",
        ["std", "env", ..] => "the environment",
        [
            "std",
            "collections",
            "HashMap" | "HashSet" | "hash_map" | "hash_set" | "*",
            ..,
        ] => "an order that changes from run to run",
        _ => return None,
    };
    Some(format!(
        "`{room}` uses `{}`: {what} must stay outside of it",
        segments.join("::")
    ))
}

fn may_use_files(room: &str) -> bool {
    FILE_ROOMS.contains(&room) || room == "main"
}

// ---------------------------------------------------------------------------------- the real tree

struct Source {
    /// Relative to the root of the repository.
    file: String,
    room: String,
    depth: usize,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All `.rs` files under `src/`, in the order of their names.
fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    files.sort();
    files.into_iter().map(|path| source(&src, &path)).collect()
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    for entry in entries {
        let path = entry.expect("an entry of a folder that can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
}

fn source(src: &Path, path: &Path) -> Source {
    let inside = path
        .strip_prefix(src)
        .expect("collected below src")
        .with_extension("");
    let mut modules: Vec<String> = inside
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    let room = modules[0].clone();
    let is_root = modules.len() == 1 && (room == "lib" || room == "main");
    if modules.last().is_some_and(|last| last == "mod") || is_root {
        modules.pop();
    }
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = format!(
        "src/{}",
        path.strip_prefix(src).expect("as above").display()
    );
    Source {
        file,
        room,
        depth: modules.len(),
        text,
    }
}

fn table() -> Table {
    let file = root().join("ARCHITECTURE.md");
    let document = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    parse_table(&document).unwrap_or_else(|e| panic!("ARCHITECTURE.md: {e}"))
}

/// Applies a rule to every path of every file and lists what it says with file and line.
fn breaches(rule: impl Fn(&Source, &Written) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources() {
        for path in paths(&source.text, source.depth) {
            if let Some(what) = rule(&source, &path) {
                found.push(format!("{}:{}: {what}", source.file, path.line));
            }
        }
    }
    found
}

#[test]
fn rooms_open_only_their_doors() {
    let table = table();
    let found = breaches(|source, path| breach(&table, &source.room, path));
    assert!(found.is_empty(), "forbidden doors:\n{}", found.join("\n"));
}

#[test]
fn the_table_and_the_tree_have_the_same_rooms() {
    let table = table();
    let there: BTreeSet<String> = sources().into_iter().map(|source| source.room).collect();
    let mut wrong: Vec<String> = there
        .iter()
        .filter(|room| !table.contains_key(*room))
        .map(|room| format!("src/{room} is not in the table"))
        .collect();
    for (name, room) in &table {
        match (there.contains(name), room.planned) {
            (false, false) => wrong.push(format!("`{name}` is in the table, but not in src/")),
            (true, true) => wrong.push(format!("`{name}` is marked (planned), but stands in src/")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_circles() {
    let table = table();
    let mut open: BTreeMap<&String, &Room> = table.iter().collect();
    while !open.is_empty() {
        let bottom: Vec<&String> = open
            .iter()
            .filter(|(name, room)| {
                let mut doors = room.may_open.iter().filter(|door| door != *name);
                doors.all(|door| !open.contains_key(door))
            })
            .map(|(name, _)| *name)
            .collect();
        assert!(
            !bottom.is_empty(),
            "rooms that open each other: {:?}",
            open.keys()
        );
        for name in bottom {
            open.remove(name);
        }
    }
}

#[test]
fn the_core_touches_nothing_outside() {
    let found = breaches(|source, path| {
        let is_test_file = source.file.ends_with("/tests.rs") || source.file.contains("/tests/");
        if is_test_file {
            None
        } else {
            outside_breach(&source.room, path)
        }
    });
    assert!(
        found.is_empty(),
        "files, clock, environment, hash order:\n{}",
        found.join("\n")
    );
}

// ------------------------------------------------------------------- the scanner itself is tested

const SMALL: &str = "\
text

| room | holds | may open |
|---|---|---|
| `ids` | counts | – |
| `units`, `rng` | two rooms with the same doors | ids |
| `plan/` | folder | ids, rng |
| `later/` (planned) | | all but cli |
| `cli/` | | all |

more | text
";

fn small() -> Table {
    parse_table(SMALL).expect("a good table")
}

/// What the scanner says of a file of `plan`, `depth` modules below the root.
fn said(text: &str, depth: usize) -> Vec<(usize, String)> {
    let table = small();
    let all = paths(text, depth);
    all.iter()
        .filter_map(|p| Some((p.line, breach(&table, "plan", p)?)))
        .collect()
}

fn lines(text: &str, depth: usize) -> Vec<usize> {
    said(text, depth)
        .into_iter()
        .map(|(line, _)| line)
        .collect()
}

#[test]
fn the_table_is_read_from_the_document() {
    let table = small();
    let doors = |name: &str| {
        table[name]
            .may_open
            .iter()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(doors("ids"), "");
    assert_eq!(doors("rng"), "ids");
    assert_eq!(doors("plan"), "ids rng");
    assert_eq!(doors("later"), "ids later plan rng units");
    assert_eq!(table.len(), 6);
    assert!(table["later"].planned && !table["plan"].planned);
    assert!(parse_table("no table").is_err());
    let wrong = SMALL.replace("| ids, rng |", "| ids, rgn |");
    assert!(parse_table(&wrong).unwrap_err().contains("rgn"));
    let twice = SMALL.replace("`cli/`", "`ids`");
    assert!(parse_table(&twice).unwrap_err().contains("twice"));
}

#[test]
fn a_forbidden_door_is_found_with_its_line() {
    assert_eq!(lines("use crate::ids::AreaId;\nuse crate::rng;\n", 1), []);
    let found = said("use crate::ids;\n\nuse crate::cli::Args;\n", 1);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, 3);
    assert!(
        found[0].1.contains("`plan`") && found[0].1.contains("`cli`"),
        "{}",
        found[0].1
    );
    assert_eq!(lines("fn f() { let x = crate::units::ms(1.0); }", 1), [1]);
    assert_eq!(
        lines("fn f(x: Vec<crate::cli::A>) -> crate::ids::B {}", 1),
        [1]
    );
    assert_eq!(
        lines("macro_rules! m { () => { $crate::cli::f() } }", 1),
        [1]
    );
    assert_eq!(lines("mod tests {\n use crate::cli::Args;\n}", 1), [2]);
    assert_eq!(lines("use crate::plan::row::Row;", 1), [], "its own room");
}

#[test]
fn grouped_imports_are_opened() {
    let text =
        "use crate::{\n  ids::{AreaId, VarId},\n  cli::{self, a::{B, C}},\n  rng,\n  units,\n};";
    assert_eq!(lines(text, 1), [3, 3, 3, 5]);
    assert_eq!(lines("use {crate::cli, std::fmt};", 1), [1]);
    assert_eq!(lines("use crate::{ids as i, units as u, rng};", 1), [1]);
}

#[test]
fn a_room_reached_through_super_is_found() {
    assert_eq!(
        lines("use super::cli::Args;", 1),
        [1],
        "from plan.rs or plan/mod.rs"
    );
    assert_eq!(
        lines("use super::cli::Args;", 2),
        [],
        "plan::cli, from plan/row.rs"
    );
    assert_eq!(lines("use super::super::cli::Args;", 2), [1]);
    assert_eq!(lines("use super::super::{ids, cli};", 2), [1]);
    assert_eq!(lines("use self::super::cli;", 1), [1]);
    let nested = "mod tests {\n use super::*;\n use super::super::cli;\n}\nuse super::cli;";
    assert_eq!(lines(nested, 1), [3, 5]);
    let after = "mod a { fn f() { if x { y() } } }\nfn g() { super::cli::f() }";
    assert_eq!(lines(after, 1), [2]);
}

#[test]
fn the_root_itself_and_unknown_rooms_are_no_doors() {
    for text in [
        "use crate::*;",
        "use super::*;",
        "use crate::Network;",
        "use crate as c;",
    ] {
        assert_eq!(lines(text, 1), [1], "{text}");
    }
    assert_eq!(lines("pub(crate) fn f() {}\npub(super) fn g() {}", 1), []);
}

#[test]
fn comments_and_literals_open_nothing() {
    for text in [
        "// use crate::cli;\n/// [`crate::cli`]\n//! crate::cli",
        "/* a /* nested */ crate::cli */",
        "const A: &str = \"crate::cli\";",
        "const A: &str = \"a \\\" crate::cli\";",
        "const A: &str = r#\"a \" crate::cli\"#;",
        "const A: &[u8] = b\"crate::cli\"; const B: &[u8] = br\"crate::cli\";",
    ] {
        assert_eq!(lines(text, 1), [], "{text}");
    }
    // What follows a literal is read again, on the right line.
    let text = "fn f<'a>(x: &'a str) { g('\"', '\\'', \"a\nb\"); }\nuse crate::cli;";
    assert_eq!(lines(text, 1), [3]);
}

#[test]
fn files_clock_environment_and_hash_order_are_found() {
    let said = |room: &str, text: &str| {
        paths(text, 1)
            .iter()
            .filter_map(|path| outside_breach(room, path))
            .count()
    };
    for text in [
        "use std::fs;",
        "use std::{fmt, fs::File};",
        "fn f() { std::fs::read(p) }",
        "use std::time::Instant;",
        "fn f() { std::env::var(\"A\") }",
        "use std::collections::{BTreeMap, HashMap};",
        "use hdf5::File;",
    ] {
        assert_eq!(said("plan", text), 1, "{text}");
        assert_eq!(said("cli", text), 0, "{text}");
    }
    assert_eq!(said("record", "use std::fs; use hdf5::File;"), 0);
    assert_eq!(said("connectome", "use std::fs;"), 0);
    assert_eq!(said("connectome", "use std::time::Instant;"), 1);
    let after_tests = "mod tests { fn f() { std::env::temp_dir(); } }\nuse std::env;";
    assert_eq!(
        said("plan", after_tests),
        1,
        "tests are free, what follows them is not"
    );
    let fine = "use std::time::Duration; use std::collections::BTreeMap; // std::fs\n";
    assert_eq!(said("plan", fine), 0);
}
