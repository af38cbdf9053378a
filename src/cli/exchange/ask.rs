//! `data import` with nothing more: asks for what it needs, one question after the other.
//!
//! Questions go to standard error and answers come a line each, so that they can be typed by a person, read
//! aloud by a screen reader, or come from a file.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use ndarray::{Array2, Axis};

use super::super::show::quoted;
use super::{
    CountArgs, Failure, ImportCommand, Into, Kind, MatrixArgs, MergeArg, RowsArg, TvbArgs,
};
use crate::arrays;
use crate::connectome::import::{Areas, Names, read_areas, read_matrix};

/// Where questions go and answers come from.
pub(super) struct Dialogue<'a> {
    pub answers: &'a mut dyn BufRead,
    pub questions: &'a mut dyn Write,
}

const BEGIN: &str = "\
This makes a data set of your connections. Enter takes what stands in brackets; Ctrl-C ends it, and
nothing is written.";

impl Dialogue<'_> {
    fn say(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.questions, "{text}")?)
    }

    /// Asks until the answer can be used; the default is used as if it had been typed.
    fn ask<T>(
        &mut self,
        question: &str,
        default: Option<&str>,
        mut read: impl FnMut(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        loop {
            self.say(&format!("\n{question}"))?;
            let shown = default.map_or(String::new(), |d| format!("[{d}] "));
            write!(self.questions, "{shown}> ")?;
            self.questions.flush()?;
            let mut line = String::new();
            if self.answers.read_line(&mut line)? == 0 {
                return Err(
                    "found the end of the answers, expected one more; `isocortex data import --help` shows how \
                     the same is said with options"
                        .into(),
                );
            }
            let given = match (line.trim(), default) {
                ("", Some(default)) => default,
                ("", None) => {
                    self.say("An answer is needed here.")?;
                    continue;
                }
                (answer, _) => answer,
            };
            match read(given) {
                Ok(it) => return Ok(it),
                Err(problem) => self.say(&problem)?,
            }
        }
    }

    /// A word out of those of a kind of argument.
    fn choose<T: ValueEnum>(&mut self, question: &str, default: &T) -> Result<T, Failure> {
        let word = |of: &T| of.to_possible_value().map(|v| v.get_name().to_owned());
        let words: Vec<String> = T::value_variants().iter().filter_map(word).collect();
        self.ask(question, word(default).as_deref(), |answer| {
            T::from_str(answer, true)
                .map_err(|_| format!("found `{answer}`, expected one of {}", words.join(", ")))
        })
    }

    /// Something that may be left out.
    fn maybe<T>(
        &mut self,
        question: &str,
        mut read: impl FnMut(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        self.ask(question, Some("none"), |answer| match answer {
            "none" => Ok(None),
            answer => read(answer).map(Some),
        })
    }

    fn words(&mut self, question: &str) -> Result<Option<String>, Failure> {
        self.maybe(question, |answer| Ok(answer.to_owned()))
    }
}

/// What the file of the connections is.
enum Found {
    Tvb,
    Counts,
    Matrix(Array2<f64>, Option<Names>),
}

/// Bytes in which the first line of a table ends.
const LONGEST_HEADER: u64 = 1 << 16;

fn recognise(path: &Path) -> Result<Found, Failure> {
    if path.is_dir() && !path.join("weights.txt").exists() {
        return Err(format!(
            "{}: found a folder without weights.txt, expected a file or what The Virtual Brain writes",
            path.display()
        )
        .into());
    }
    if path.is_dir() || path.extension().is_some_and(|e| e == "zip") {
        return Ok(Found::Tvb);
    }
    // A file that is no text has no such line.
    let mut beginning = Vec::new();
    if let Ok(file) = File::open(path) {
        file.take(LONGEST_HEADER).read_to_end(&mut beginning)?;
    }
    let first = beginning.split(|b| *b == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first).to_lowercase();
    let first = first.trim_start_matches('\u{feff}');
    let has = |name: &str| {
        let mut fields = first.split(',');
        fields.any(|field| field.trim().trim_matches('"') == name)
    };
    if has("target") && has("source") {
        return Ok(Found::Counts);
    }
    let (matrix, names) = read_matrix(path)?;
    match matrix.dim() {
        (n, m) if n == m && n > 0 => Ok(Found::Matrix(matrix, names)),
        (n, m) => Err(format!(
            "{}: found {n} x {m} numbers, expected a square matrix",
            path.display()
        )
        .into()),
    }
}

/// Asks for everything that an import needs, and says how the same is typed.
pub(super) fn ask(on: &mut Dialogue<'_>) -> Result<ImportCommand, Failure> {
    on.say(BEGIN)?;
    let question = "Which file holds the connections: a matrix (csv, text, npy, npz, mat, h5), a connectivity of \
                    The Virtual\nBrain (zip or folder), or counts of labelled neurons (csv with target and source)?";
    // After a file that holds several arrays the name of one is enough.
    let mut several: Option<String> = None;
    let (path, found) = on.ask(question, None, |answer| {
        let path = match &several {
            Some(file) if !Path::new(answer).exists() && !answer.contains(['/', '.', ':']) => {
                PathBuf::from(format!("{file}:{answer}"))
            }
            _ => PathBuf::from(answer),
        };
        let found = recognise(&path);
        let (file, _) = arrays::split_name(&path);
        if found.is_err() && file.is_file() && arrays::holds_several(&file) {
            several = Some(file.display().to_string());
        }
        Ok((path, found.map_err(|e| e.to_string())?))
    })?;
    let command = match found {
        Found::Tvb => {
            on.say("A connectivity of The Virtual Brain: rows of its weights.txt receive.")?;
            let into = about(on, &path)?;
            ImportCommand::Tvb(TvbArgs { path, into })
        }
        Found::Counts => {
            on.say("A table with target and source: counts of labelled neurons.")?;
            let question = "If an area was injected more than once: `mean` of the FLN of each injection, or `sum` \
                            of neurons?";
            let merge = on.choose(question, &MergeArg::Mean)?;
            let into = about(on, &path)?;
            ImportCommand::Counts(CountArgs { path, merge, into })
        }
        Found::Matrix(weights, names) => matrices(on, path, &weights, names)?,
    };
    on.say(&format!(
        "\nThe same without questions:\n{}\n",
        typed(&command)
    ))?;
    Ok(command)
}

fn matrices(
    on: &mut Dialogue<'_>,
    path: PathBuf,
    weights: &Array2<f64>,
    names: Option<Names>,
) -> Result<ImportCommand, Failure> {
    let n = weights.nrows();
    let numbers = weights.iter().copied().filter(|w| !w.is_nan());
    let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), w| {
        (low.min(w), high.max(w))
    });
    if low > high {
        return Err(format!("{}: found no number, expected some", path.display()).into());
    }
    on.say(&format!("{n} x {n} numbers from {low} to {high}."))?;
    let areas_of = |answer: &str| areas_of(answer, &path, n, names.as_ref());
    let (areas, known) = match Areas::beside(&path, names.as_ref()) {
        Some(beside) => {
            on.say(&format!("Names beside them: {}.", few(&beside.names)))?;
            let question = "Which file says more about each area (csv with a column `area`; its columns of numbers \
                            become gradients)?";
            (on.maybe(question, areas_of)?.map(|(path, _)| path), beside)
        }
        None => {
            let question = "Which file names the areas: a name a line, or a csv with a column `area`, whose columns \
                            of numbers become\ngradients?";
            let (path, areas) = on.ask(question, None, areas_of)?;
            (Some(path), areas)
        }
    };
    // What an area does to itself is dropped, and may be blank.
    let mut links = weights.clone();
    links.diag_mut().fill(0.0);
    let at_most_one = |axis| links.sum_axis(axis).iter().all(|s| *s <= 1.0 + 1e-9);
    let (over_sources, over_targets) = (Axis(1), Axis(0));
    let guess = match (low < 0.0, high <= 1.0) {
        (true, _) => Kind::Signed,
        (_, true) if at_most_one(over_sources) || at_most_one(over_targets) => Kind::Fln,
        _ => Kind::Strength,
    };
    let question = "What are the numbers: `fln`, fractions of labelled neurons; `strength`, 0 or more on a scale of \
                    their own; or\n`signed`, weights of either sign?";
    let kind = loop {
        let kind = on.choose(question, &guess)?;
        if low >= 0.0 || matches!(kind, Kind::Signed) {
            break kind;
        }
        on.say(&format!(
            "Weights below 0 are there, down to {low}: only `signed` takes them."
        ))?;
    };
    let strongest = (links.indexed_iter())
        .filter(|((i, j), w)| i != j && !w.is_nan())
        .max_by(|a, b| a.1.total_cmp(b.1));
    // Fractions sum to at most 1 over the sources of a target.
    let likely = match kind {
        Kind::Fln if !at_most_one(over_sources) && at_most_one(over_targets) => RowsArg::Sources,
        _ => RowsArg::Targets,
    };
    let rows = match strongest {
        Some(((i, j), w)) if links != links.t() => {
            let (row, column) = (&known.names[i], &known.names[j]);
            let question = format!(
                "The largest number, {w}, stands in the row of {row} and the column of {column}. Does {column} send \
                 to {row} (rows are\n`targets`), or {row} to {column} (rows are `sources`)?"
            );
            on.choose(&question, &likely)?
        }
        _ => {
            on.say("\nThe matrix is its own mirror image: links have no direction in it.")?;
            RowsArg::Targets
        }
    };
    let mut table = |what: &str| {
        on.maybe(&format!("Which file has a matrix of {what}?"), |answer| {
            let path = PathBuf::from(answer);
            let (matrix, names) = read_matrix(&path).map_err(|e| e.to_string())?;
            (known.check(&path, names.as_ref())).map_err(|e| e.to_string())?;
            match matrix.dim() {
                dim if dim == (n, n) => Ok(path),
                (a, b) => Err(format!("found {a} x {b} numbers, expected {n} x {n}")),
            }
        })
    };
    let sln = match kind {
        Kind::Fln => table("SLN, the fraction of a link's neurons above layer 4")?,
        Kind::Strength | Kind::Signed => None,
    };
    let distances = table("distances in mm")?;
    let delays = table("delays in ms")?;
    Ok(ImportCommand::Matrices(MatrixArgs {
        into: about(on, &path)?,
        weights: path,
        kind,
        areas,
        sln,
        distances,
        delays,
        rows,
    }))
}

/// A table of the areas that the matrix has, and their names.
fn areas_of(
    answer: &str,
    matrix: &Path,
    n: usize,
    beside: Option<&Names>,
) -> Result<(PathBuf, Areas), String> {
    let path = PathBuf::from(answer);
    let (names, _) = read_areas(&path).map_err(|e| e.to_string())?;
    let from = answer.to_owned();
    let areas = Areas { names, from };
    areas.check(matrix, beside).map_err(|e| e.to_string())?;
    match areas.names.len() {
        found if found == n => Ok((path, areas)),
        found => Err(format!("found {found} areas, expected {n}")),
    }
}

fn few(names: &[String]) -> String {
    match names {
        [a, b, c, .., z] if names.len() > 5 => format!("{a}, {b}, {c}, … {z}"),
        all => all.join(", "),
    }
}

/// What only a person knows, and where it goes.
fn about(on: &mut Dialogue<'_>, path: &Path) -> Result<Into, Failure> {
    let title = on.words("A title, in one line?")?;
    let species = on.words("Which species?")?;
    let citation = on.words("Where do the numbers come from (a citation)?")?;
    let doi = match citation {
        Some(_) => on.words("Its digital object identifier (doi)?")?,
        None => None,
    };
    let licence = on.words("Under which terms may the numbers be used?")?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let stem = format!("{stem}-set");
    let question = "Name of the new folder, which is that of the data set?";
    let output = on.ask(question, Some(&stem), |answer| {
        let path = PathBuf::from(answer);
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
        match (path.exists(), parent) {
            (true, _) => Err(format!("{answer}: found something there already")),
            (_, Some(parent)) if !parent.is_dir() => {
                Err(format!("{}: found no such folder", parent.display()))
            }
            _ => Ok(path),
        }
    })?;
    Ok(Into {
        output,
        title,
        species,
        citation,
        doi,
        licence,
    })
}

/// The command that does what was answered.
fn typed(command: &ImportCommand) -> String {
    let mut out = "isocortex data import".to_owned();
    let mut words = |words: &[&str]| {
        for word in words {
            let _ = write!(out, " {}", quoted(word));
        }
    };
    let path = |path: &Path| path.display().to_string();
    let name = |value: Option<clap::builder::PossibleValue>| {
        value.map_or(String::new(), |v| v.get_name().to_owned())
    };
    let into = match command {
        ImportCommand::Matrices(args) => {
            let kind = name(args.kind.to_possible_value());
            words(&["matrices", &path(&args.weights), "--kind", &kind]);
            let files = [
                ("--areas", &args.areas),
                ("--sln", &args.sln),
                ("--distances", &args.distances),
                ("--delays", &args.delays),
            ];
            for (option, file) in files {
                if let Some(file) = file {
                    words(&[option, &path(file)]);
                }
            }
            if matches!(args.rows, RowsArg::Sources) {
                words(&["--rows", "sources"]);
            }
            &args.into
        }
        ImportCommand::Tvb(args) => {
            words(&["tvb", &path(&args.path)]);
            &args.into
        }
        ImportCommand::Counts(args) => {
            let merge = name(args.merge.to_possible_value());
            words(&["counts", &path(&args.path), "--merge", &merge]);
            &args.into
        }
    };
    let texts = [
        ("--title", &into.title),
        ("--species", &into.species),
        ("--citation", &into.citation),
        ("--doi", &into.doi),
        ("--licence", &into.licence),
    ];
    for (option, text) in texts {
        match text {
            // What begins like an option is taken for one, unless it hangs on its own.
            Some(text) if text.starts_with('-') => words(&[&format!("{option}={text}")]),
            Some(text) => words(&[option, text]),
            None => {}
        }
    }
    words(&["--output", &path(&into.output)]);
    out
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// The command line around what is asked for.
    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        import: ImportCommand,
    }

    fn answered(folder: &Path, answers: &str) -> (Result<ImportCommand, Failure>, String) {
        let answers = answers.replace("@", &folder.display().to_string());
        let mut questions = Vec::new();
        let command = ask(&mut Dialogue {
            answers: &mut answers.as_bytes(),
            questions: &mut questions,
        });
        (command, String::from_utf8(questions).unwrap())
    }

    #[test]
    fn what_is_answered_is_what_would_be_typed() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("w.csv", "0,3\n0.5,0\n");
        write("areas.txt", "V1\nV2\n");
        write("three.txt", "V1\nV2\nMT\n");
        write("three.csv", "0,1,2\n1,0,3\n2,3,0\n");
        write("mm.csv", "0,9\n9,0\n");
        // A file that is not there and one of another size are asked for again.
        let answers = "@/x.csv\n@/w.csv\n@/three.txt\n@/areas.txt\n\nsources\n@/three.csv\n@/mm.csv\n\nMine\n\
                       a mouse's\nSomebody 2020\n10.1/x\n\n@\n@/out\n";
        let (command, questions) = answered(folder.path(), answers);
        let command = command.unwrap();
        for said in [
            "x.csv",
            "expected 2",
            "[strength]",
            "row of V1 and the column of V2",
            "expected 2 x 2",
            "found something there already",
        ] {
            assert!(questions.contains(said), "{said}: {questions}");
        }
        let line = questions
            .lines()
            .find(|l| l.starts_with("isocortex data import "));
        let line = line.unwrap().replace('\'', "\"");
        assert!(line.contains(r#"--species "a mouse"\""s""#), "{line}");
        let ImportCommand::Matrices(args) = &command else {
            panic!("{command:?}");
        };
        assert!(matches!(args.kind, Kind::Strength) && matches!(args.rows, RowsArg::Sources));
        assert_eq!(args.into.species.as_deref(), Some("a mouse's"));
        assert_eq!(args.into.licence, None);
        // Typed, it is the same command.
        let words = typed(&command).replace(r"'a mouse'\''s'", "a_mouse's");
        let words = words.replace("'Somebody 2020'", "Somebody_2020");
        let again = Line::try_parse_from(words.split(' ').skip(2)).unwrap();
        let plain = |c: &ImportCommand| format!("{c:?}").replace('_', " ");
        assert_eq!(plain(&again.import), plain(&command));
    }

    /// A blank diagonal says nothing of what the numbers are, nor of where links point.
    #[test]
    fn blanks_on_the_diagonal_change_no_guess() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "fln.csv",
            ",V1,V2,MT\nV1,,0.7,0.2\nV2,0.6,,0.4\nMT,0.5,0.1,\n",
        );
        let (command, questions) =
            answered(folder.path(), "@/fln.csv\n\n\n\n\n\n\n\n\n\n\n@/out\n");
        let ImportCommand::Matrices(args) = command.unwrap() else {
            panic!("{questions}");
        };
        assert!(matches!(args.kind, Kind::Fln) && matches!(args.rows, RowsArg::Targets));
        write("same.csv", ",V1,V2\nV1,,3\nV2,3,\n");
        let (_, questions) = answered(folder.path(), "@/same.csv\n\n\n");
        assert!(questions.contains("no direction"), "{questions}");
    }

    /// A table whose names are in another order is asked for again, not refused after the last question.
    #[test]
    fn names_are_compared_where_a_table_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("w.csv", ",V1,V2\nV1,0,3\nV2,0.5,0\n");
        write("areas.csv", "area,height\nV1,0\nMT,1\n");
        write("mm.csv", ",V2,V1\nV2,0,9\nV1,9,0\n");
        let (_, questions) = answered(folder.path(), "@/w.csv\n@/areas.csv\n\n\n\n@/mm.csv\n");
        for said in [
            "found no `MT` and found `V2`",
            "in another order: found `V2`",
        ] {
            assert!(questions.contains(said), "{said}: {questions}");
        }
        assert_eq!(
            questions.matches("distances in mm").count(),
            2,
            "{questions}"
        );
    }

    /// A kind that the numbers rule out is refused where it is named, not after the last question.
    #[test]
    fn weights_below_zero_are_signed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("w.csv"), ",A,B\nA,,-3\nB,2,\n").unwrap();
        let (_, questions) = answered(folder.path(), "@/w.csv\n\nstrength\nsigned\n");
        assert!(
            questions.contains("only `signed` takes them"),
            "{questions}"
        );
        assert_eq!(
            questions.matches("What are the numbers").count(),
            2,
            "{questions}"
        );
    }

    #[test]
    fn other_files_are_recognised_and_an_end_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let counts = folder.path().join("n.csv");
        std::fs::write(&counts, "\u{feff}\"Target\",source,neurons\na,b,3\n").unwrap();
        let (command, _) = answered(folder.path(), "@/n.csv\nsum\n\n\n\n\n@/out\n");
        let command = command.unwrap();
        let ImportCommand::Counts(args) = &command else {
            panic!("{command:?}");
        };
        assert!(matches!(args.merge, MergeArg::Sum));
        let (command, questions) = answered(folder.path(), "@\n");
        assert!(questions.contains("without weights.txt"), "{questions}");
        let refusal = command.unwrap_err().to_string();
        assert!(
            refusal.contains("found the end of the answers"),
            "{refusal}"
        );
    }
}
