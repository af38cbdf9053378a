//! Tables of others turned into a data folder: matrices, TVB connectivities, counts of neurons.
//!
//! What is read is written as `manifest.yaml` and csv tables (`data/README.md`) and then has to pass
//! [`super::check`] like any other folder. Nothing is normalised, and nothing is dropped in silence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use ndarray::{Array2, Axis};

use super::WeightKind;
use crate::arrays::{self, ArrayError};
use crate::spec::sha256_hex;

/// Why tables could not be turned into a data folder.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read or written.
    #[error("cannot {doing} {}: {source}", .path.display())]
    File {
        /// Read or write.
        doing: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// What a file holds cannot be used.
    #[error("{}: {problem}", .path.display())]
    Content {
        /// Which one.
        path: PathBuf,
        /// What was found and expected.
        problem: String,
    },
    /// A matrix in a format of another program cannot be read.
    #[error(transparent)]
    Array(#[from] ArrayError),
    /// There is something at the place of the new folder.
    #[error("{}: found something there already, expected the path of a new folder", .0.display())]
    Exists(PathBuf),
}

fn content(path: &Path, problem: impl Into<String>) -> ImportError {
    ImportError::Content {
        path: path.to_owned(),
        problem: problem.into(),
    }
}

/// A column of numbers or words, one an area.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its header.
    pub name: String,
    /// One an area, as written.
    pub values: Vec<String>,
}

/// Areas and matrices, `[target, source]`, before they are a data folder.
#[derive(Debug, Clone)]
pub struct Tables {
    /// Names of the areas.
    pub areas: Vec<String>,
    /// What else is known of each area. Columns of finite numbers become gradients, unless they have a
    /// meaning of their own.
    pub columns: Vec<Column>,
    /// What the weights are.
    pub kind: WeightKind,
    /// Weights; 0 is no link.
    pub weights: Array2<f64>,
    /// Fraction of labelled neurons above layer 4; NaN where not given.
    pub sln: Option<Array2<f64>>,
    /// Distance \[mm\]; NaN where not given.
    pub distance_mm: Option<Array2<f64>>,
    /// Delay \[ms\]; NaN where not given.
    pub delay_ms: Option<Array2<f64>>,
    /// How the tables came about, for the manifest.
    pub made: String,
    /// What a person should hear of the reading.
    pub remarks: Vec<String>,
}

/// What the manifest says beside the tables.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// One line.
    pub title: Option<String>,
    /// In words.
    pub species: Option<String>,
    /// Where the numbers come from.
    pub citation: Option<String>,
    /// Its digital object identifier.
    pub doi: Option<String>,
    /// Under which terms they may be used.
    pub licence: Option<String>,
    /// Whether tables may be edited afterwards: without check sums nothing is said of a change.
    pub editable: bool,
}

/// Which end of a link the rows of a matrix stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// A row receives: as everywhere here, and in TVB.
    Targets,
    /// A row sends; the matrix is transposed.
    Sources,
}

/// A matrix of numbers: text with numbers apart by commas, semicolons, tabs or blanks, or `.npy`, `.npz`, `.mat`
/// and HDF5, with the name after a colon where a file holds several arrays (`FILE:NAME`). A first line and a first
/// column of names are understood in texts, and given back.
///
/// # Errors
/// No such file; not a matrix of numbers.
pub fn read_matrix(path: &Path) -> Result<(Array2<f64>, Option<Names>), ImportError> {
    let (file, name) = arrays::split_name(path);
    if arrays::holds_several(&file) || extension(&file) == "npy" {
        return Ok((arrays::read(&file, name.as_deref())?, None));
    }
    text_matrix(path, &text(path, read(path)?)?)
}

/// Names beside a matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Of the rows, if there was such a column.
    pub rows: Option<Vec<String>>,
    /// Of the columns, if there was such a line.
    pub columns: Option<Vec<String>>,
}

/// The areas of a data set, and where their names stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Areas {
    /// In the order of all matrices.
    pub names: Vec<String>,
    /// A file, or the rows or columns of one, for messages.
    pub from: String,
}

impl Areas {
    /// Those that stand beside a matrix, if there are any.
    #[must_use]
    pub fn beside(path: &Path, names: Option<&Names>) -> Option<Self> {
        let of = |what: &str, names: &Vec<String>| Self {
            names: names.clone(),
            from: format!("the {what} of {}", path.display()),
        };
        let names = names?;
        let rows = names.rows.as_ref().map(|rows| of("rows", rows));
        rows.or_else(|| names.columns.as_ref().map(|columns| of("columns", columns)))
    }

    /// Whether names beside a matrix are those of the areas, in their order: its numbers are taken by their places.
    ///
    /// # Errors
    /// Names in another order, unknown or missing ones, a name twice.
    pub fn check(&self, path: &Path, beside: Option<&Names>) -> Result<(), ImportError> {
        let Some(beside) = beside else { return Ok(()) };
        for (what, found) in [("rows", &beside.rows), ("columns", &beside.columns)] {
            let Some(found) = found else { continue };
            each_once(path, &format!("names of {what}"), found)?;
            if *found != self.names {
                return Err(content(path, self.difference(what, found)));
            }
        }
        Ok(())
    }

    /// How names, of which none is there twice, differ from those of the areas.
    fn difference(&self, what: &str, found: &[String]) -> String {
        let lacking = |all: &[String], of: &[String]| -> Vec<String> {
            let of: BTreeSet<&String> = of.iter().collect();
            all.iter().filter(|a| !of.contains(a)).cloned().collect()
        };
        let (missing, unknown) = (lacking(&self.names, found), lacking(found, &self.names));
        let mut parts = Vec::new();
        if !missing.is_empty() {
            parts.push(format!("found no {}", few(&missing)));
        }
        if !unknown.is_empty() {
            parts.push(format!("found {}", few(&unknown)));
        }
        if parts.is_empty() {
            let mut both = found.iter().zip(&self.names).enumerate();
            if let Some((k, (name, expected))) = both.find(|(_, (a, b))| a != b) {
                return format!(
                    "names of {what} are those of the areas in another order: found `{name}` as number {}, expected \
                     `{expected}`; bring one into the order of the other",
                    k + 1
                );
            }
            parts.push(format!("found {} names", found.len()));
        }
        format!(
            "names of {what} differ from those of the areas: {}, expected the {} areas of {}",
            parts.join(" and "),
            self.names.len(),
            self.from
        )
    }
}

/// Most names in one message.
const FEW: usize = 5;

fn few(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().take(FEW).map(|n| format!("`{n}`")).collect();
    match names.len() {
        n if n > FEW => format!("{} and {} more", quoted.join(", "), n - FEW),
        _ => quoted.join(", "),
    }
}

fn each_once(path: &Path, what: &str, names: &[String]) -> Result<(), ImportError> {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (k, name) in names.iter().enumerate() {
        if let Some(before) = first.insert(name, k) {
            return Err(content(
                path,
                format!(
                    "{what}: found `{name}` twice, as number {} and {}, expected it once",
                    before + 1,
                    k + 1
                ),
            ));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, ImportError> {
    fs::read(path).map_err(|source| ImportError::File {
        doing: "read",
        path: path.to_owned(),
        source,
    })
}

fn extension(path: &Path) -> String {
    let extension = path.extension().unwrap_or_default();
    extension.to_string_lossy().to_lowercase()
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, ImportError> {
    let text = String::from_utf8(bytes)
        .map_err(|e| content(path, format!("found bytes that are no UTF-8 text: {e}")))?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// The fields of a line: apart by commas, semicolons or tabs if it has any, else by blanks.
fn fields(line: &str) -> Vec<&str> {
    match [',', ';', '\t'].into_iter().find(|c| line.contains(*c)) {
        Some(c) => line.split(c).map(|f| f.trim().trim_matches('"')).collect(),
        None => line.split_whitespace().collect(),
    }
}

/// A text whose numbers have commas before their decimals, with points in their place: every line has semicolons or
/// tabs between its fields, and no number has a point.
///
/// # Errors
/// Commas that may part thousands as well.
fn with_points(path: &Path, text: &str) -> Result<Option<String>, ImportError> {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let number = |field: &str| field.parse::<f64>().is_ok();
    let decimal = |field: &&str| field.contains(',') && number(&field.replacen(',', ".", 1));
    for separator in [';', '\t'] {
        if !lines().all(|line| line.contains(separator)) {
            continue;
        }
        let split = |line: &'_ str| -> Vec<String> {
            line.split(separator).map(|f| f.trim().to_owned()).collect()
        };
        // Blank lines stay, so that messages have the right numbers of lines.
        let all: Vec<Vec<String>> = text.lines().map(split).collect();
        let fields = || all.iter().flatten().map(String::as_str);
        let with_comma: Vec<&str> = fields().filter(decimal).collect();
        if with_comma.is_empty() || fields().any(|f| f.contains('.') && number(f)) {
            continue;
        }
        let thousands = |f: &&&str| f.split_once(',').is_some_and(|(_, after)| after.len() == 3);
        if with_comma.iter().filter(thousands).count() == with_comma.len() {
            return Err(content(
                path,
                format!(
                    "found `{}`, expected a number whose comma can be told from one between thousands: write points",
                    with_comma[0]
                ),
            ));
        }
        let point = |f: &String| match decimal(&f.as_str()) {
            true => f.replacen(',', ".", 1),
            false => f.clone(),
        };
        let line = |fields: &Vec<String>| {
            let fields: Vec<String> = fields.iter().map(point).collect();
            fields.join(&separator.to_string())
        };
        return Ok(Some(all.iter().map(line).collect::<Vec<_>>().join("\n")));
    }
    Ok(None)
}

fn text_matrix(path: &Path, text: &str) -> Result<(Array2<f64>, Option<Names>), ImportError> {
    let pointed = with_points(path, text)?;
    let text = pointed.as_deref().unwrap_or(text);
    let lines = text.lines().enumerate();
    let mut lines: Vec<(usize, Vec<&str>)> = lines
        .filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .map(|(n, line)| (n + 1, fields(line)))
        .collect();
    // A blank is a number that is not given.
    let is_number = |field: &&str| field.is_empty() || field.parse::<f64>().is_ok();
    let Some((_, first)) = lines.first() else {
        return Err(content(path, "found no line, expected a matrix"));
    };
    let mut names = Names {
        rows: None,
        columns: None,
    };
    // Areas may be called `2` or `10`. A line of such names is a header if it has no corner, a corner of words
    // above names of numbers, or a blank corner under which the same names stand.
    let width = lines.last().map_or(0, |(_, last)| last.len());
    let under = lines.iter().skip(1).filter_map(|(_, f)| f.first());
    let repeats = first.first() == Some(&"") && under.eq(&first[1..]);
    let mut below = lines.iter().skip(1).filter_map(|(_, f)| f.first());
    let corner = first.first().is_some_and(|f| !is_number(f)) && below.all(is_number);
    let words = first.iter().skip(1).any(|f| !is_number(f));
    let header = words || corner || repeats || first.len() + 1 == width;
    if header {
        names.columns = Some(first.iter().map(|f| (*f).to_owned()).collect());
        lines.remove(0);
    }
    let count = lines.len();
    let has_names = |lines: &[(usize, Vec<&str>)]| {
        lines
            .iter()
            .any(|(_, f)| f.first().is_some_and(|f| !is_number(f)))
            || lines.iter().all(|(_, f)| f.len() == count + 1)
    };
    if count > 0 && has_names(&lines) {
        let mut rows = Vec::new();
        for (_, fields) in &mut lines {
            rows.push(fields.remove(0).to_owned());
        }
        // The corner above the names.
        if let Some(columns) = &mut names.columns
            && columns.len() == lines[0].1.len() + 1
        {
            columns.remove(0);
        }
        names.rows = Some(rows);
    }
    let width = lines.first().map_or(0, |(_, f)| f.len());
    let mut values = Vec::with_capacity(count * width);
    for (line, fields) in &lines {
        if fields.len() != width {
            return Err(content(
                path,
                format!(
                    "line {line}: found {} numbers, expected {width}",
                    fields.len()
                ),
            ));
        }
        for field in fields {
            let value = match *field {
                "" => f64::NAN,
                other => other.parse().map_err(|_| {
                    content(
                        path,
                        format!("line {line}: found `{other}`, expected a number"),
                    )
                })?,
            };
            values.push(value);
        }
    }
    let matrix = Array2::from_shape_vec((count, width), values).expect("all rows are as wide");
    let any = names.rows.is_some() || names.columns.is_some();
    Ok((matrix, any.then_some(names)))
}

/// The files of matrices that belong together.
#[derive(Debug, Clone)]
pub struct MatrixFiles {
    /// Weights.
    pub weights: PathBuf,
    /// What they are.
    pub kind: WeightKind,
    /// Areas: a name a line, or csv with a column `area` and columns to keep.
    pub areas: Option<PathBuf>,
    /// SLN.
    pub sln: Option<PathBuf>,
    /// Distances, mm.
    pub distances: Option<PathBuf>,
    /// Delays, ms.
    pub delays: Option<PathBuf>,
    /// Which end of a link a row is.
    pub rows: Rows,
}

/// Reads matrices of one size.
///
/// # Errors
/// A file that cannot be read; matrices that are not square or of different sizes; names that disagree; no
/// names at all.
pub fn read_matrices(files: &MatrixFiles) -> Result<Tables, ImportError> {
    let (weights, names) = read_matrix(&files.weights)?;
    let (listed, columns) = match &files.areas {
        None => (None, Vec::new()),
        Some(path) => {
            let (names, columns) = read_areas(path)?;
            let from = path.display().to_string();
            (Some(Areas { names, from }), columns)
        }
    };
    let known = listed.or_else(|| Areas::beside(&files.weights, names.as_ref()));
    if let Some(areas) = &known {
        areas.check(&files.weights, names.as_ref())?;
    }
    let n = weights.nrows();
    let square = |path: &Path, matrix: &Array2<f64>| match matrix.dim() {
        found if found == (n, n) && n > 0 => Ok(()),
        (rows, columns) => Err(content(
            path,
            format!("found {rows} x {columns} numbers, expected a square matrix of {n} areas"),
        )),
    };
    square(&files.weights, &weights)?;
    let areas = known.ok_or_else(|| {
        content(
            &files.weights,
            "found no names of areas, expected them beside the numbers or in a list of areas",
        )
    })?;
    if let Some(path) = &files.areas
        && areas.names.len() != n
    {
        return Err(content(
            path,
            format!(
                "found {} areas, expected {n} as the weights have rows",
                areas.names.len()
            ),
        ));
    }
    for ((i, j), w) in weights.indexed_iter() {
        if w.is_nan() && (i != j || files.kind == WeightKind::Signed) {
            return Err(content(
                &files.weights,
                format!(
                    "row {}, column {} of the numbers: found a blank or NaN, expected a number; 0 is no link",
                    i + 1,
                    j + 1
                ),
            ));
        }
    }
    let turned = |matrix: Array2<f64>| match files.rows {
        Rows::Targets => matrix,
        Rows::Sources => matrix.reversed_axes().as_standard_layout().to_owned(),
    };
    let read_more = |path: &Option<PathBuf>| -> Result<Option<Array2<f64>>, ImportError> {
        let Some(path) = path else { return Ok(None) };
        let (matrix, names) = read_matrix(path)?;
        areas.check(path, names.as_ref())?;
        square(path, &matrix)?;
        Ok(Some(turned(matrix)))
    };
    let (sln, distance_mm) = (read_more(&files.sln)?, read_more(&files.distances)?);
    let delay_ms = read_more(&files.delays)?;
    let of = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
    let mut made = format!("Imported from the matrix {}", of(&files.weights));
    made += match files.rows {
        Rows::Targets => ", whose rows are targets",
        Rows::Sources => ", whose rows are sources: transposed",
    };
    let more = [&files.sln, &files.distances, &files.delays];
    for path in more.into_iter().flatten() {
        let _ = write!(made, "; {}", of(path));
    }
    let mut tables = Tables {
        areas: areas.names,
        columns,
        kind: files.kind,
        weights: turned(weights),
        sln,
        distance_mm,
        delay_ms,
        made: made + ".",
        remarks: Vec::new(),
    };
    if files.kind != WeightKind::Signed {
        tables.drop_self_links();
    }
    tables.look_over();
    Ok(tables)
}

/// Names of areas, and what else a table says of each: a name a line, or csv with a header that has `area`.
///
/// # Errors
/// No such file; a faulty line; a table without `area`; a name twice.
pub fn read_areas(path: &Path) -> Result<(Vec<String>, Vec<Column>), ImportError> {
    let text = text(path, read(path)?)?;
    let first = text.lines().next().unwrap_or_default();
    let header = fields(first);
    let Some(at) = header.iter().position(|h| *h == "area") else {
        let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let names: Vec<String> = names.map(str::to_owned).collect();
        // A name may hold a comma; where every line does, it is a table.
        let parted = |line: &String| line.contains([',', ';', '\t']);
        if !names.is_empty() && names.iter().all(parted) {
            let header: Vec<String> = header.iter().map(|h| (*h).to_owned()).collect();
            return Err(content(
                path,
                format!(
                    "found the columns {}, expected one called `area`, or a list with nothing but a name a line",
                    few(&header)
                ),
            ));
        }
        each_once(path, "names of areas", &names)?;
        return Ok((names, Vec::new()));
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .delimiter(match first {
            line if line.contains(',') => b',',
            line if line.contains(';') => b';',
            _ => b'\t',
        })
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        rows.push(record.map_err(|e| content(path, format!("found a faulty line: {e}")))?);
    }
    let column = |k: usize| -> Vec<String> {
        let field = |r: &csv::StringRecord| r.get(k).unwrap_or_default().to_owned();
        rows.iter().map(field).collect()
    };
    let others = header.iter().enumerate().filter(|(k, _)| *k != at);
    let columns = others.map(|(k, name)| Column {
        name: (*name).to_owned(),
        values: column(k),
    });
    let names = column(at);
    each_once(path, "names of areas", &names)?;
    Ok((names, columns.collect()))
}

/// Reads a connectivity of The Virtual Brain, a zip file or a folder: `weights.txt` (rows are targets, as
/// its coupling sums over columns), `tract_lengths.txt` (mm), `centres.txt` (label, x, y, z), and
/// `hemispheres.txt` and `cortical.txt` where they are there.
///
/// # Errors
/// A file is missing or faulty; sizes differ.
pub fn read_tvb(path: &Path) -> Result<Tables, ImportError> {
    let mut parts = tvb_parts(path)?;
    let mut part = |name: &str| parts.remove(name);
    let inside = |name: &str| path.join(name);
    let needed = |name: &'static str, text: Option<String>| {
        text.ok_or_else(|| content(path, format!("found no {name}, expected one")))
    };
    let weights_text = needed("weights.txt", part("weights"))?;
    let (weights, names) = text_matrix(&inside("weights.txt"), &weights_text)?;
    let centres = needed("centres.txt", part("centres").or_else(|| part("centers")))?;
    let n = weights.nrows();
    if weights.dim() != (n, n) {
        let (rows, columns) = weights.dim();
        return Err(content(
            &inside("weights.txt"),
            format!("found {rows} x {columns} numbers, expected a square matrix"),
        ));
    }
    let (mut areas, mut positions) = (Vec::new(), Vec::new());
    for (k, line) in centres.lines().enumerate() {
        let fields = fields(line);
        // Some sets have a header of their own.
        if fields.is_empty() || (k == 0 && fields.len() > 1 && fields[1].parse::<f64>().is_err()) {
            continue;
        }
        let wrong = || {
            content(
                &inside("centres.txt"),
                format!(
                    "line {}: found `{line}`, expected a label and x, y, z",
                    k + 1
                ),
            )
        };
        let [label, x, y, z] = fields[..].first_chunk::<4>().ok_or_else(wrong)?;
        if ![x, y, z].into_iter().all(|v| v.parse::<f64>().is_ok()) {
            return Err(wrong());
        }
        areas.push((*label).to_owned());
        positions.push([x, y, z].map(|v| (*v).to_owned()));
    }
    if areas.len() != n {
        return Err(content(
            &inside("centres.txt"),
            format!(
                "found {} areas, expected {n} as weights.txt has rows",
                areas.len()
            ),
        ));
    }
    each_once(&inside("centres.txt"), "labels", &areas)?;
    let areas = Areas {
        names: areas,
        from: inside("centres.txt").display().to_string(),
    };
    areas.check(&inside("weights.txt"), names.as_ref())?;
    let distance_mm = match part("tract_lengths") {
        None => None,
        Some(text) => {
            let (matrix, names) = text_matrix(&inside("tract_lengths.txt"), &text)?;
            areas.check(&inside("tract_lengths.txt"), names.as_ref())?;
            if matrix.dim() != (n, n) {
                let (rows, columns) = matrix.dim();
                return Err(content(
                    &inside("tract_lengths.txt"),
                    format!("found {rows} x {columns} numbers, expected {n} x {n}"),
                ));
            }
            Some(matrix)
        }
    };
    let axis = |name: &str, k: usize| Column {
        name: name.to_owned(),
        values: positions.iter().map(|p| p[k].clone()).collect(),
    };
    let mut columns = vec![
        axis("centre_x_mm", 0),
        axis("centre_y_mm", 1),
        axis("centre_z_mm", 2),
    ];
    for (file, name) in [
        ("hemispheres", "right_hemisphere"),
        ("cortical", "cortical"),
    ] {
        let Some(text) = part(file) else { continue };
        let values: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        if values.len() == n {
            let name = name.to_owned();
            columns.push(Column { name, values });
        }
    }
    let mut tables = Tables {
        areas: areas.names,
        columns,
        kind: WeightKind::Strength,
        weights,
        sln: None,
        distance_mm,
        delay_ms: None,
        made: "Imported from a connectivity of The Virtual Brain: rows of weights.txt are targets; tract \
               lengths in mm stand in for distances; a tract length of 0 between areas that are linked is \
               kept as it is."
            .to_owned(),
        remarks: Vec::new(),
    };
    tables.drop_self_links();
    tables.look_over();
    if let Some(lengths) = &tables.distance_mm {
        let short = tables.weights.indexed_iter();
        let short = short
            .filter(|(at, w)| **w != 0.0 && lengths[*at] == 0.0)
            .count();
        if short > 0 {
            tables
                .remarks
                .push(format!("{short} links have a tract length of 0 mm"));
        }
    }
    Ok(tables)
}

/// The texts of a TVB connectivity by their names without extension.
fn tvb_parts(path: &Path) -> Result<BTreeMap<String, String>, ImportError> {
    let mut parts = BTreeMap::new();
    let stem = |name: &Path| name.file_stem().unwrap_or_default().display().to_string();
    if path.is_dir() {
        let failed = |source| ImportError::File {
            doing: "read",
            path: path.to_owned(),
            source,
        };
        for entry in fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if extension(&file) == "txt" {
                parts.insert(stem(&file), text(&file, read(&file)?)?);
            }
        }
        return Ok(parts);
    }
    let no_zip =
        |e: &dyn std::fmt::Display| content(path, format!("found no readable zip file: {e}"));
    let mut archive = zip::ZipArchive::new(Cursor::new(read(path)?)).map_err(|e| no_zip(&e))?;
    for k in 0..archive.len() {
        let mut file = archive.by_index(k).map_err(|e| no_zip(&e))?;
        let name = PathBuf::from(&*file.name().map_err(|e| no_zip(&e))?);
        let hidden = name.starts_with("__MACOSX");
        if hidden || extension(&name) != "txt" {
            continue;
        }
        let mut bytes = Vec::new();
        // A connectivity of thousands of areas takes less; a zip bomb takes more.
        let most = 1 << 30;
        (file.by_ref().take(most).read_to_end(&mut bytes)).map_err(|e| no_zip(&e))?;
        if bytes.len() as u64 == most {
            return Err(content(
                path,
                format!("{} is larger than 1 GiB", name.display()),
            ));
        }
        parts.insert(stem(&name), text(&path.join(&name), bytes)?);
    }
    Ok(parts)
}

/// How repeated injections into one area are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// The mean of the FLN of each injection, as in Markov et al. 2014; SLN from all neurons together.
    MeanFln,
    /// Neurons of all injections together.
    SumNeurons,
}

/// Reads counts of labelled neurons, csv with `target`, `source`, and `supra` and `infra`, or `neurons`;
/// `injection` (or `case`) where an area was injected more than once. FLN is a source's part of all
/// neurons outside the target (Markov et al. 2014, Cerebral Cortex 24:17); SLN the part of a link's
/// neurons above layer 4. Sources that were never injected count for the sum, and are left out.
///
/// # Errors
/// A missing column; a count that is no number, or negative; an injection without neurons.
pub fn read_counts(path: &Path, merge: Merge) -> Result<Tables, ImportError> {
    let text = text(path, read(path)?)?;
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let faulty = |e: csv::Error| content(path, format!("found a faulty line: {e}"));
    let header: Vec<String> = (reader.headers().map_err(faulty)?.iter())
        .map(str::to_lowercase)
        .collect();
    let find = |names: &[&str]| header.iter().position(|h| names.contains(&h.as_str()));
    let missing = |what: &str| {
        content(
            path,
            format!("no column {what}: found {}, expected it", header.join(", ")),
        )
    };
    let target = find(&["target"]).ok_or_else(|| missing("`target`"))?;
    let source = find(&["source"]).ok_or_else(|| missing("`source`"))?;
    let layers = find(&["supra", "supragranular"]).zip(find(&["infra", "infragranular"]));
    let all = find(&["neurons", "total", "count"]);
    if layers.is_none() && all.is_none() {
        return Err(missing("`neurons`, or `supra` and `infra`"));
    }
    let injection = find(&["injection", "case"]);
    // By target and injection: neurons and supragranular neurons of each source.
    type Counts = BTreeMap<String, (f64, f64)>;
    let mut injections: BTreeMap<String, BTreeMap<String, Counts>> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for (k, record) in reader.records().enumerate() {
        let record = record.map_err(faulty)?;
        let line = record.position().map_or(k as u64 + 2, csv::Position::line);
        let count = |column: usize| -> Result<f64, ImportError> {
            let field = &record[column];
            let value = field.parse::<f64>().ok();
            value.filter(|v| v.is_finite() && *v >= 0.0).ok_or_else(|| {
                content(
                    path,
                    format!(
                        "line {line}: found `{field}`, expected a number of neurons, 0 or more"
                    ),
                )
            })
        };
        let (neurons, supra) = match layers {
            Some((s, i)) => {
                let (s, i) = (count(s)?, count(i)?);
                (s + i, s)
            }
            None => (count(all.unwrap_or_default())?, f64::NAN),
        };
        let (to, from) = (record[target].to_owned(), record[source].to_owned());
        if to == from {
            continue;
        }
        let which = injection.map_or(String::new(), |c| record[c].to_owned());
        if !injections.contains_key(&to) {
            order.push(to.clone());
        }
        let counts = injections.entry(to).or_default().entry(which).or_default();
        let sum = counts.entry(from).or_insert((0.0, 0.0));
        sum.0 += neurons;
        sum.1 += supra;
    }
    let n = order.len();
    if n == 0 {
        return Err(content(path, "found no counts, expected at least one line"));
    }
    let mut weights = Array2::zeros((n, n));
    let mut sln = Array2::from_elem((n, n), f64::NAN);
    let mut never: BTreeMap<&str, f64> = BTreeMap::new();
    for (i, to) in order.iter().enumerate() {
        let all = &injections[to];
        let total = |counts: &Counts| counts.values().map(|c| c.0).sum::<f64>();
        for (which, counts) in all {
            if total(counts) == 0.0 {
                let of = if which.is_empty() {
                    String::new()
                } else {
                    format!(", injection {which}")
                };
                return Err(content(
                    path,
                    format!("found no neurons for target {to}{of}"),
                ));
            }
        }
        let everything: f64 = all.values().map(total).sum();
        for counts in all.values() {
            let (whole, parts) = match merge {
                Merge::MeanFln => (total(counts), all.len() as f64),
                Merge::SumNeurons => (everything, 1.0),
            };
            for (from, (neurons, _)) in counts {
                match order.iter().position(|a| a == from) {
                    Some(j) => weights[[i, j]] += neurons / whole / parts,
                    None => *never.entry(from).or_default() += neurons / whole / parts,
                }
            }
        }
        for (j, from) in order.iter().enumerate() {
            let both = all.values().filter_map(|counts| counts.get(from));
            let (neurons, supra) = both.fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
            if neurons > 0.0 {
                sln[[i, j]] = supra / neurons;
            }
        }
    }
    let mut remarks = Vec::new();
    if !never.is_empty() {
        let names: Vec<&str> = never.keys().copied().collect();
        remarks.push(format!(
            "{} sources were never injected and are left out; FLN counts their neurons: {}",
            never.len(),
            names.join(", ")
        ));
    }
    let how = match merge {
        Merge::MeanFln => {
            "repeated injections merged as the mean of their FLN, SLN from all their neurons"
        }
        Merge::SumNeurons => "neurons of repeated injections added up",
    };
    Ok(Tables {
        areas: order,
        columns: Vec::new(),
        kind: WeightKind::Fln,
        weights,
        sln: layers.is_some().then_some(sln),
        distance_mm: None,
        delay_ms: None,
        made: format!(
            "FLN computed from counts of labelled neurons: neurons in the source divided by all outside \
             the target; {how}. Nothing is normalised to the areas that are kept."
        ),
        remarks,
    })
}

/// Columns of `areas.csv` that are no gradients: labels and places.
const NO_GRADIENTS: [&str; 8] = [
    "lobe",
    "inflated_x_mm",
    "inflated_y_mm",
    "inflated_z_mm",
    "centre_x_mm",
    "centre_y_mm",
    "centre_z_mm",
    "right_hemisphere",
];

impl Tables {
    fn drop_self_links(&mut self) {
        let n = self.areas.len();
        let own = |k: &usize| self.weights[[*k, *k]] != 0.0 && !self.weights[[*k, *k]].is_nan();
        let own = (0..n).filter(own).count();
        for k in 0..n {
            self.weights[[k, k]] = 0.0;
        }
        if own > 0 {
            self.remarks.push(format!(
                "weights of areas onto themselves are dropped ({own}): what an area does to itself is its \
                 circuit's"
            ));
        }
    }

    /// Whether FLN look like percent: none above 100, no row above 100 but for round-off of what was printed, and the
    /// fullest row beyond half of it, for FLN of some areas of many sum to less.
    #[must_use]
    pub fn looks_like_percent(&self) -> bool {
        let rows = self.weights.sum_axis(Axis(1));
        let fullest = rows.iter().copied().fold(0.0, f64::max);
        let all = self.weights.iter().all(|w| (0.0..=100.0).contains(w));
        self.kind == WeightKind::Fln && all && (50.0..=101.0).contains(&fullest)
    }

    /// Says what a person should see: the strongest link, and columns that are nearly gradients.
    fn look_over(&mut self) {
        let strongest = self
            .weights
            .indexed_iter()
            .max_by(|a, b| a.1.total_cmp(b.1));
        if let Some(((i, j), w)) = strongest {
            self.remarks.push(format!(
                "the strongest link is {} <- {} ({w}): a row receives",
                self.areas[i], self.areas[j]
            ));
        }
        for column in self
            .columns
            .iter()
            .filter(|c| !NO_GRADIENTS.contains(&c.name.as_str()))
        {
            let is_number = |v: &&String| v.parse::<f64>().is_ok_and(f64::is_finite);
            let numbers = column.values.iter().filter(is_number).count();
            let other = column.values.iter().position(|v| !is_number(&v));
            if let Some(k) = other
                && 2 * numbers >= column.values.len()
            {
                self.remarks.push(format!(
                    "column `{}` is no gradient: found `{}` for area {}, expected a finite number for every area",
                    column.name, column.values[k], self.areas[k]
                ));
            }
        }
    }

    /// Writes a data folder, which must not be there yet; a folder that was begun is removed again if it
    /// cannot be finished.
    ///
    /// # Errors
    /// Something is there already; the disk is full.
    pub fn write(&self, folder: &Path, about: &About) -> Result<(), ImportError> {
        if folder.exists() {
            return Err(ImportError::Exists(folder.to_owned()));
        }
        let file = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, &text).map_err(|source| ImportError::File {
                doing: "write",
                path,
                source,
            })?;
            Ok::<_, ImportError>(sha256_hex(text.as_bytes()))
        };
        let all = || -> Result<(), ImportError> {
            fs::create_dir(folder).map_err(|source| ImportError::File {
                doing: "make the folder",
                path: folder.to_owned(),
                source,
            })?;
            let mut roles = vec![Role {
                name: "areas",
                unit: None,
                sha256: file("areas.csv", self.areas_csv())?,
            }];
            let mut pairs = |role: &'static str, unit, text| -> Result<(), ImportError> {
                roles.push(Role {
                    name: role,
                    unit,
                    sha256: file(&format!("{role}.csv"), text)?,
                });
                Ok(())
            };
            let weights = match self.kind {
                WeightKind::Fln => "fln",
                WeightKind::Strength => "strength",
                WeightKind::Signed => "weight",
            };
            let linked = |at: (usize, usize), _: f64| self.weights[at] != 0.0;
            let text = self.pairs_csv(weights, &self.weights, |_, w| w != 0.0);
            pairs(weights, None, text)?;
            if let Some(sln) = &self.sln {
                let text = self.pairs_csv("sln", sln, |at, s| !s.is_nan() && linked(at, s));
                pairs("sln", None, text)?;
            }
            for (role, unit, table) in [
                ("distance_mm", "mm", &self.distance_mm),
                ("delay_ms", "ms", &self.delay_ms),
            ] {
                let Some(table) = table else { continue };
                let text = self.pairs_csv(role, table, |(i, j), x| i != j && !x.is_nan());
                pairs(role, Some(unit), text)?;
            }
            file("manifest.yaml", self.manifest(folder, about, &roles))?;
            Ok(())
        };
        let done = all();
        if matches!(&done, Err(ImportError::File { doing: "write", .. })) {
            // Nobody else has put anything there.
            let _ = fs::remove_dir_all(folder);
        }
        done
    }

    fn areas_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = std::iter::once("area").chain(self.columns.iter().map(|c| c.name.as_str()));
        writer.write_record(header).expect("memory takes it");
        for (k, area) in self.areas.iter().enumerate() {
            let more = self.columns.iter().map(|c| c.values[k].as_str());
            let row = std::iter::once(area.as_str()).chain(more);
            writer.write_record(row).expect("memory takes it");
        }
        String::from_utf8(writer.into_inner().expect("memory takes it")).expect("it was text")
    }

    fn pairs_csv(
        &self,
        role: &str,
        matrix: &Array2<f64>,
        keep: impl Fn((usize, usize), f64) -> bool,
    ) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = ["target", "source", role];
        writer.write_record(header).expect("memory takes it");
        for ((i, j), &x) in matrix.indexed_iter().filter(|(at, x)| keep(*at, **x)) {
            // The shortest digits that read back as the same number.
            let row = [&self.areas[i], &self.areas[j], &format!("{x}")];
            writer.write_record(row).expect("memory takes it");
        }
        String::from_utf8(writer.into_inner().expect("memory takes it")).expect("it was text")
    }

    fn manifest(&self, folder: &Path, about: &About, roles: &[Role]) -> String {
        // JSON's texts are YAML's.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let title =
            (about.title.clone()).unwrap_or_else(|| format!("{name}: {} areas", self.areas.len()));
        let mut out = format!(
            "# Written by `isocortex data import`; the keys are explained in data/README.md. Look it over: what the\n\
             # source of the numbers is and under which terms they may be used, only you know.\n\
             layout: 1\nname: {}\ntitle: {}\n",
            quoted(&name),
            quoted(&title)
        );
        if let Some(species) = &about.species {
            let _ = writeln!(out, "species: {}", quoted(species));
        }
        let _ = writeln!(
            out,
            "areas: {}\norientation: {{rows: target, columns: source}}",
            self.areas.len()
        );
        if let Some(citation) = &about.citation {
            let _ = writeln!(out, "publications:\n  - citation: {}", quoted(citation));
            if let Some(doi) = &about.doi {
                let _ = writeln!(out, "    doi: {}", quoted(doi));
            }
        }
        let licence = about.licence.as_deref();
        let licence = licence.unwrap_or("not stated on import; ask the source of the numbers");
        let _ = writeln!(out, "terms:\n  licence: {}\nfiles:", quoted(licence));
        for Role { name, unit, sha256 } in roles {
            let unit = unit.map_or(String::new(), |u| format!(", unit: {u}"));
            let sum = match about.editable {
                true => String::new(),
                false => format!(", sha256: {sha256}"),
            };
            let _ = writeln!(out, "  {name}: {{path: {name}.csv{unit}{sum}}}");
        }
        let gradients: Vec<&Column> = self.columns.iter().filter(|c| is_gradient(c)).collect();
        if !gradients.is_empty() {
            out += "gradients:\n";
        }
        for column in gradients {
            let _ = writeln!(
                out,
                "  - {{name: {}, unit: dimensionless, description: {}}}",
                quoted(&column.name),
                quoted(&format!("column `{}` of the table of areas", column.name))
            );
        }
        let _ = writeln!(out, "made: {}", quoted(&self.made));
        out
    }
}

/// A table of a data folder that was written.
struct Role {
    name: &'static str,
    unit: Option<&'static str>,
    sha256: String,
}

fn is_gradient(column: &Column) -> bool {
    let number = |v: &String| v.parse::<f64>().is_ok_and(f64::is_finite);
    !NO_GRADIENTS.contains(&column.name.as_str()) && column.values.iter().all(number)
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::super::{Source, export, load};
    use super::*;

    fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn matrices_are_read_with_and_without_names() {
        let folder = tempfile::tempdir().unwrap();
        let expected = array![[0.0, 0.5], [0.25, 0.0]];
        let names = |r: Option<[&str; 2]>, c: Option<[&str; 2]>| {
            let owned = |n: [&str; 2]| n.map(str::to_owned).to_vec();
            Some(Names {
                rows: r.map(owned),
                columns: c.map(owned),
            })
        };
        let both = names(Some(["2", "10"]), Some(["2", "10"]));
        for (text, expected_names) in [
            ("0,0.5\n0.25,0\n", None),
            ("0 0.5\n\n0.25 0", None),
            ("# a comment\n0;0.5\n0.25;0\n", None),
            ("0;0,5\n0,25;0\n", None),
            ("2;10\n2;0;0,5\n10;0,25;0\n", both.clone()),
            ("V1;r,0,0.5\nV2,0.25,0\n", names(Some(["V1;r", "V2"]), None)),
            (",2,10\n2,0,0.5\n10,0.25,0\n", both.clone()),
            ("2,10\n2,0,0.5\n10,0.25,0\n", both.clone()),
            ("to\\from,2,10\n2,0,0.5\n10,0.25,0\n", both),
            ("V1\tV2\n0\t0.5\n0.25\t0\n", names(None, Some(["V1", "V2"]))),
            ("V1,0,0.5\nV2,0.25,0\n", names(Some(["V1", "V2"]), None)),
        ] {
            let path = written(folder.path(), "w.csv", text);
            let (matrix, found) = read_matrix(&path).unwrap();
            assert_eq!(
                (matrix, found),
                (expected.clone(), expected_names),
                "{text}"
            );
        }
        let blank = written(folder.path(), "b.csv", ",0.5\n0.25,\n");
        let (matrix, _) = read_matrix(&blank).unwrap();
        assert!(matrix[[0, 0]].is_nan() && matrix[[1, 0]] == 0.25);
        for (text, problem) in [
            ("", "found no line"),
            ("0,1\n2\n", "line 2: found 1 numbers, expected 2"),
            ("0,1\n2,x\n", "line 2: found `x`"),
            ("0;1,234\n5,678;0\n", "write points"),
        ] {
            let path = written(folder.path(), "w.csv", text);
            let refusal = read_matrix(&path).unwrap_err().to_string();
            assert!(refusal.contains(problem), "{refusal}");
        }
    }

    /// What goes out as a connectivity of The Virtual Brain comes back the same.
    #[test]
    fn a_connectome_survives_the_virtual_brain() {
        let folder = tempfile::tempdir().unwrap();
        let before = load(&Source::parse("macaque-markov29").unwrap()).unwrap();
        let path = folder.path().join("tvb.zip");
        fs::write(&path, export::tvb_zip(&before).unwrap()).unwrap();
        let tables = read_tvb(&path).unwrap();
        let set = folder.path().join("set");
        tables.write(&set, &About::default()).unwrap();
        assert!(matches!(
            tables.write(&set, &About::default()),
            Err(ImportError::Exists(_))
        ));
        let after = load(&Source::parse(set.to_str().unwrap()).unwrap()).unwrap();
        assert!(before.area_names().eq(after.area_names()));
        assert_eq!(after.weights, WeightKind::Strength);
        assert_eq!(before.fln, after.fln);
        assert_eq!(before.distance_mm, after.distance_mm);
    }

    #[test]
    fn matrices_become_a_data_set_and_go_out_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let before = load(&Source::parse("macaque-markov40").unwrap()).unwrap();
        for table in export::csv_tables(&before) {
            fs::write(path(&table.name), table.bytes).unwrap();
        }
        let files = MatrixFiles {
            weights: path("fln.csv"),
            kind: WeightKind::Fln,
            areas: Some(path("areas.csv")),
            sln: Some(path("sln.csv")),
            distances: None,
            delays: None,
            rows: Rows::Targets,
        };
        let tables = read_matrices(&files).unwrap();
        tables.write(&path("set"), &About::default()).unwrap();
        let after = load(&Source::parse(path("set").to_str().unwrap()).unwrap()).unwrap();
        assert_eq!(before.fln, after.fln);
        assert_eq!(before.sln, after.sln);
        let values = |c: &super::super::Connectome| -> Vec<(String, Vec<f64>)> {
            c.gradients
                .iter()
                .map(|g| (g.name.clone(), g.values.clone()))
                .collect()
        };
        assert_eq!(values(&before), values(&after));
        // The other way round, every link changes its direction.
        let turned = read_matrices(&MatrixFiles {
            rows: Rows::Sources,
            ..files
        });
        assert_eq!(turned.unwrap().weights.t(), tables.weights);
    }

    #[test]
    fn counts_become_fln_and_sln() {
        let folder = tempfile::tempdir().unwrap();
        // B was injected twice; X never.
        let text = "target,source,case,supra,infra\nA,B,1,30,10\nA,X,1,30,30\nB,A,1,10,0\nB,X,1,0,10\n\
                    B,A,2,0,30\nB,X,2,10,0\nA,A,1,99,99\n";
        let path = written(folder.path(), "counts.csv", text);
        let tables = read_counts(&path, Merge::MeanFln).unwrap();
        assert_eq!(tables.areas, ["A", "B"]);
        // A from B: 40 of 100; B from A: the mean of 10/20 and 30/40.
        assert_eq!(tables.weights, array![[0.0, 0.4], [0.625, 0.0]]);
        let sln = tables.sln.unwrap();
        assert_eq!((sln[[0, 1]], sln[[1, 0]]), (0.75, 0.25));
        assert!(tables.remarks[0].contains("X"), "{:?}", tables.remarks);
        let together = read_counts(&path, Merge::SumNeurons).unwrap();
        assert_eq!(together.weights[[1, 0]], 40.0 / 60.0);
        for (text, problem) in [
            ("target,neurons\n", "no column `source`"),
            ("target,source\nA,B\n", "no column `neurons`"),
            ("target,source,neurons\nA,B,-1\n", "found `-1`"),
            ("target,source,neurons\nA,B,0\n", "no neurons for target A"),
            ("target,source,neurons\n", "found no counts"),
        ] {
            let path = written(folder.path(), "c.csv", text);
            let refusal = read_counts(&path, Merge::MeanFln).unwrap_err().to_string();
            assert!(refusal.contains(problem), "{refusal}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_readers(text in "[ -~\n\t]{0,200}") {
            let folder = tempfile::tempdir().unwrap();
            let path = written(folder.path(), "x.csv", &text);
            let _ = read_matrix(&path);
            let _ = read_counts(&path, Merge::MeanFln);
            let _ = read_tvb(&path);
            let _ = read_areas(&path);
            let npy = folder.path().join("x.npy");
            fs::write(&npy, [&b"\x93NUMPY\x01\x00"[..], text.as_bytes()].concat()).unwrap();
            let _ = read_matrix(&npy);
        }
    }
}
