//! Checks of the tables of a data folder, from bytes to numbers, collecting every problem.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::manifest::{FileEntry, GradientEntry, Manifest, line_of};
use super::{Area, Gradient};
use crate::spec::suggest;

/// Slack of the rule that FLN rows sum to at most 1, for sums of decimal fractions.
const ROW_SUM_SLACK: f64 = 1e-9;
/// Fewest links from which the correlation of SLN with hierarchy says something of orientation.
const FEWEST_LINKS: usize = 10;
/// Beyond this many errors names are no longer compared in search of suggestions.
const ENOUGH_ERRORS: usize = 100;
/// Longest piece of input repeated in a message, in characters.
const SHOWN: usize = 60;
/// Most areas for which a dense matrix of distances or delays is made: 20 000 areas take 3.2 GB.
const MOST_AREAS_IN_A_MATRIX: usize = 20_000;
/// Columns of the position on an inflated surface.
const POSITION: [&str; 3] = ["inflated_x_mm", "inflated_y_mm", "inflated_z_mm"];

/// Something wrong or remarkable, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// File, as a path below the data folder.
    pub file: String,
    /// Line, counted from 1, where one line is to blame.
    pub line: Option<u64>,
    /// What is wrong: found X, expected Y (where).
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// All findings about one data set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What makes the data set unusable.
    pub errors: Vec<Finding>,
    /// What should be looked at, but does not stop a run.
    pub warnings: Vec<Finding>,
    /// What would make the data set safer; said by the check alone, not at every run.
    pub hints: Vec<Finding>,
}

impl Report {
    /// Whether the data set can be used.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }

    /// Findings one a line, errors before warnings, of each at most so many.
    #[must_use]
    pub fn lines(&self, most: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for (findings, before) in [(&self.errors, ""), (&self.warnings, "warning: ")] {
            let first = findings.iter().take(most);
            lines.extend(first.map(|finding| format!("{before}{finding}")));
            if findings.len() > most {
                lines.push(format!("{before}... and {} more", findings.len() - most));
            }
        }
        lines
    }

    /// Adds an error.
    pub(super) fn error(&mut self, file: &str, line: Option<u64>, message: String) {
        self.errors.push(Finding {
            file: file.to_owned(),
            line,
            message,
        });
    }

    /// Adds a warning.
    pub(super) fn warn(&mut self, file: &str, line: Option<u64>, message: String) {
        self.warnings.push(Finding {
            file: file.to_owned(),
            line,
            message,
        });
    }
}

impl Report {
    /// Adds a hint.
    pub(super) fn hint(&mut self, file: &str, message: String) {
        self.hints.push(Finding {
            file: file.to_owned(),
            line: None,
            message,
        });
    }
}

/// A piece of input as it may stand in a message: short, in quotes, on one line.
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().count() > SHOWN {
        short.push('…');
    }
    format!("`{short}`")
}

/// A table as text, with the line of every row.
pub(super) struct Table {
    header: Vec<String>,
    rows: Vec<(u64, Vec<String>)>,
}

/// Splits a CSV file into fields. Fields are text and stay text, without the blanks around them.
/// Any kind of line ending, blank lines and a byte order mark are accepted.
pub(super) fn parse_table(file: &str, bytes: &[u8], report: &mut Report) -> Option<Table> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => {
            let line = 1 + line_ends(&bytes[..e.valid_up_to()]);
            report.error(
                file,
                Some(line),
                "not UTF-8: expected UTF-8 text".to_owned(),
            );
            return None;
        }
    };
    let text = if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut header = None;
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) => {
                report.error(file, None, format!("not CSV: {e}"));
                return None;
            }
        }
        let line = record
            .position()
            .map_or(0, |p| first_line(text.as_bytes(), p));
        let fields: Vec<String> = record.iter().map(str::to_owned).collect();
        match &header {
            None => header = Some(fields),
            Some(names) if fields.len() == names.len() => rows.push((line, fields)),
            Some(names) => report.error(
                file,
                Some(line),
                format!(
                    "wrong number of fields: found {}, expected {}",
                    fields.len(),
                    names.len()
                ),
            ),
        }
    }
    let Some(header) = header else {
        report.error(file, None, "empty file: expected a header line".to_owned());
        return None;
    };
    let mut seen = BTreeSet::new();
    for name in &header {
        if !seen.insert(name) {
            let message = format!("wrong header: found column {} twice", shown(name));
            report.error(file, Some(1), message);
        }
    }
    Some(Table { header, rows })
}

/// Number of line ends, of whichever kind.
fn line_ends(bytes: &[u8]) -> u64 {
    let lone = |i: usize| bytes[i] == b'\r' && bytes.get(i + 1) != Some(&b'\n');
    (0..bytes.len())
        .filter(|&i| bytes[i] == b'\n' || lone(i))
        .count() as u64
}

/// The line on which a record starts. The reader reports where it began to look, which is before
/// any blank lines.
fn first_line(text: &[u8], position: &csv::Position) -> u64 {
    let start = usize::try_from(position.byte())
        .unwrap_or(usize::MAX)
        .min(text.len());
    let blank = text[start..].iter().take_while(|b| **b == b'\n').count();
    position.line() + blank as u64
}

impl Table {
    /// Position of a column.
    fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// Position of a column named in the manifest; reports it if missing.
    fn named(&self, name: &str, file: &str, at: Option<u64>, report: &mut Report) -> Option<usize> {
        let found = self.column(name);
        if found.is_none() {
            let close = suggest::close_names(name, self.header.iter().map(String::as_str));
            report.error(
                file,
                Some(1),
                format!(
                    "missing column: found none called {}, which manifest.yaml names{}{}",
                    shown(name),
                    at.map(|line| format!(" in line {line}"))
                        .unwrap_or_default(),
                    suggest::hint(&close)
                ),
            );
        }
        found
    }

    /// Reports the columns that the manifest lists and the table lacks.
    pub(super) fn check_columns(&self, entry: &FileEntry, report: &mut Report) {
        for column in &entry.columns {
            self.named(
                &column.name.value,
                &entry.path.value,
                line_of(&column.name),
                report,
            );
        }
    }
}

/// Area names and their indices.
#[derive(Default)]
pub(super) struct AreaIndex {
    names: Vec<String>,
    index: BTreeMap<String, usize>,
}

impl AreaIndex {
    /// Adds an area. Refuses names that are empty, taken or not printable.
    pub(super) fn add(&mut self, name: &str) -> Result<usize, String> {
        if name.is_empty() {
            return Err("empty area name: found blank, expected text".to_owned());
        }
        if name.chars().any(char::is_control) {
            let name = shown(name);
            return Err(format!(
                "area name not printable: found {name}, expected one line"
            ));
        }
        if let Some(first) = self.index.get(name) {
            return Err(format!(
                "duplicate area name: found {} again, first as area {} of the list",
                shown(name),
                first + 1
            ));
        }
        let id = self.names.len();
        self.names.push(name.to_owned());
        self.index.insert(name.to_owned(), id);
        Ok(id)
    }

    /// Number of areas.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The index of an area; reports an unknown one.
    fn get(&self, name: &str, file: &str, line: Option<u64>, report: &mut Report) -> Option<usize> {
        let found = self.index.get(name).copied();
        if found.is_none() {
            let close = if report.errors.len() < ENOUGH_ERRORS {
                suggest::close_names(name, self.names.iter().map(String::as_str))
            } else {
                Vec::new()
            };
            report.error(
                file,
                line,
                format!(
                    "unknown area: found {}, expected one of the {} areas{}",
                    shown(name),
                    self.len(),
                    suggest::hint(&close)
                ),
            );
        }
        found
    }
}

/// `areas.csv`, read.
pub(super) struct AreaTable {
    pub(super) areas: Vec<Area>,
    pub(super) index: AreaIndex,
    pub(super) gradients: Vec<Gradient>,
}

/// Reads the table of areas. Gives `None` where no area can be had from it.
pub(super) fn read_areas(
    table: &Table,
    manifest: &Manifest,
    report: &mut Report,
) -> Option<AreaTable> {
    let file = manifest.files.areas.path.value.as_str();
    if table.rows.len() as u64 != manifest.areas.value {
        report.error(
            file,
            None,
            format!(
                "number of areas: found {} rows, expected {} (manifest.yaml{})",
                table.rows.len(),
                manifest.areas.value,
                line_of(&manifest.areas)
                    .map(|l| format!(", line {l}"))
                    .unwrap_or_default()
            ),
        );
    }
    let Some(name_column) = table.column("area") else {
        let found = table.header.join(",");
        let message = format!(
            "wrong header: found {}, expected a column `area`",
            shown(&found)
        );
        report.error(file, Some(1), message);
        return None;
    };
    let lobe_column = table.column("lobe");
    let group_column = table.column("group");
    let position_columns = position_columns(table, file, report);
    let mut out = AreaTable {
        areas: Vec::new(),
        index: AreaIndex::default(),
        gradients: Vec::new(),
    };
    for (line, fields) in &table.rows {
        let name = fields[name_column].as_str();
        if let Err(message) = out.index.add(name) {
            report.error(file, Some(*line), message);
            continue;
        }
        out.areas.push(Area {
            name: name.to_owned(),
            lobe: lobe_column
                .map(|c| fields[c].clone())
                .filter(|lobe| !lobe.is_empty()),
            group: group_column
                .map(|c| fields[c].clone())
                .filter(|group| !group.is_empty())
                .unwrap_or_else(|| super::DEFAULT_GROUP.to_owned()),
            position_mm: position_columns
                .and_then(|columns| position(columns, fields, file, *line, report)),
        });
    }
    if out.areas.is_empty() {
        report.error(
            file,
            None,
            "no areas: found 0, expected at least 1".to_owned(),
        );
        return None;
    }
    let of = |fields: &Vec<String>| group_column.map_or("", |c| fields[c].as_str()).to_owned();
    let groups: Vec<String> = table.rows.iter().map(|(_, fields)| of(fields)).collect();
    for group in &groups {
        if group_column.is_some() && out.areas.iter().any(|a| a.name == *group) {
            let message = format!(
                "group named as an area: found {}, expected names that differ",
                shown(group)
            );
            report.error(file, None, message);
            return None;
        }
    }
    for entry in &manifest.gradients {
        let gradient = read_gradient(entry, table, name_column, &groups, file, report);
        out.gradients.extend(gradient);
    }
    Some(out)
}

/// The three columns of the position, if there are any; reports one or two without the rest.
fn position_columns(table: &Table, file: &str, report: &mut Report) -> Option<[usize; 3]> {
    let found = POSITION.map(|name| table.column(name));
    if found.iter().all(Option::is_none) {
        return None;
    }
    let missing: Vec<&str> = POSITION
        .iter()
        .zip(&found)
        .filter(|(_, f)| f.is_none())
        .map(|(name, _)| *name)
        .collect();
    if !missing.is_empty() {
        let message = format!(
            "missing column: found part of the position only, expected {} too",
            missing.join(" and ")
        );
        report.error(file, Some(1), message);
    }
    match found {
        [Some(x), Some(y), Some(z)] => Some([x, y, z]),
        _ => None,
    }
}

/// One area's position; three blanks mean that none is given.
fn position(
    columns: [usize; 3],
    fields: &[String],
    file: &str,
    line: u64,
    report: &mut Report,
) -> Option<[f64; 3]> {
    let texts = columns.map(|c| fields[c].as_str());
    if texts.iter().all(|text| text.is_empty()) {
        return None;
    }
    let numbers = texts.map(|text| text.parse::<f64>().ok().filter(|x| x.is_finite()));
    if let [Some(x), Some(y), Some(z)] = numbers {
        return Some([x, y, z]);
    }
    report.error(
        file,
        Some(line),
        format!(
            "position: found {}, expected three finite numbers [mm] or three blanks",
            shown(&texts.join(","))
        ),
    );
    None
}

/// One gradient. Gives `None`, after reporting it, unless every area has a finite value.
fn read_gradient(
    entry: &GradientEntry,
    table: &Table,
    name_column: usize,
    groups: &[String],
    file: &str,
    report: &mut Report,
) -> Option<Gradient> {
    let name = entry.name.value.as_str();
    let column = table.named(name, file, line_of(&entry.name), report);
    let basis_column = entry
        .basis
        .as_ref()
        .and_then(|basis| table.named(&basis.column.value, file, line_of(&basis.column), report));
    let column = column?;
    let mut values = Vec::new();
    // A group may be without the gradient as a whole, if it is not the only one.
    let given = |group: &str| {
        let mut of = table.rows.iter().zip(groups).filter(|(_, g)| *g == group);
        of.any(|((_, fields), _)| !fields[column].is_empty())
    };
    let some = groups.iter().any(|g| given(g));
    for ((line, fields), group) in table.rows.iter().zip(groups) {
        let text = fields[column].as_str();
        let area = &fields[name_column];
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => values.push(value),
            _ if text.is_empty() && some && !given(group) => values.push(f64::NAN),
            _ if text.is_empty() => report.error(
                file,
                Some(*line),
                format!(
                    "missing value of gradient {name}: found blank, expected a number ({area})"
                ),
            ),
            _ => report.error(
                file,
                Some(*line),
                format!(
                    "value of gradient {name}: found {}, expected a finite number ({area})",
                    shown(text)
                ),
            ),
        }
    }
    let estimated = entry.basis.as_ref().zip(basis_column).map(|(basis, c)| {
        table
            .rows
            .iter()
            .map(|(_, fields)| basis.estimated.contains(&fields[c]))
            .collect()
    });
    (values.len() == table.rows.len()).then(|| Gradient {
        name: name.to_owned(),
        unit: entry.unit.clone(),
        description: entry.description.clone(),
        values,
        estimated,
    })
}

/// What a table of pairs holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Fraction of labelled neurons.
    Fln,
    /// Projection strength \[arbitrary units\].
    Strength,
    /// Weight of either sign, also of a node on itself \[arbitrary units\].
    Weight,
    /// Fraction of supragranular labelled neurons.
    Sln,
    /// Distance \[mm\].
    Distance,
    /// Delay \[ms\].
    Delay,
}

impl Kind {
    /// Header of the value column.
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Fln => "fln",
            Self::Strength => "strength",
            Self::Weight => "weight",
            Self::Sln => "sln",
            Self::Distance => "distance_mm",
            Self::Delay => "delay_ms",
        }
    }

    /// Name in messages.
    fn name(self) -> &'static str {
        match self {
            Self::Fln => "FLN",
            Self::Strength => "strength",
            Self::Weight => "weight",
            Self::Sln => "SLN",
            Self::Distance => "distance",
            Self::Delay => "delay",
        }
    }

    /// Largest value allowed.
    fn largest(self) -> f64 {
        match self {
            Self::Fln | Self::Sln => 1.0,
            Self::Strength | Self::Weight | Self::Distance | Self::Delay => f64::INFINITY,
        }
    }

    /// The allowed values in words.
    fn range(self) -> &'static str {
        match self {
            Self::Fln | Self::Sln => "0..1",
            Self::Strength => "0 or more",
            Self::Weight => "a number of either sign",
            Self::Distance => "0 mm or more",
            Self::Delay => "0 ms or more",
        }
    }

    /// The unit of the values, where there is one to be mistaken.
    fn unit(self) -> Option<&'static str> {
        match self {
            Self::Fln | Self::Strength | Self::Weight | Self::Sln => None,
            Self::Distance => Some("mm"),
            Self::Delay => Some("ms"),
        }
    }

    /// Reports a unit in the manifest that is not that of the table.
    pub(super) fn check_unit(self, entry: &FileEntry, report: &mut Report) {
        if let (Some(expected), Some(unit)) = (self.unit(), &entry.unit)
            && unit.value != expected
        {
            report.error(
                "manifest.yaml",
                line_of(unit),
                format!(
                    "unit of the table of {}s: found {}, expected `{expected}`",
                    self.name(),
                    shown(&unit.value)
                ),
            );
        }
    }
}

/// Values by (target, source), in row-major order.
pub(super) type Entries = BTreeMap<(usize, usize), f64>;

/// Collects the values of one kind, refusing the impossible ones.
pub(super) struct Pairs<'a> {
    kind: Kind,
    file: &'a str,
    index: &'a AreaIndex,
    found: BTreeMap<(usize, usize), (f64, Option<u64>)>,
}

impl<'a> Pairs<'a> {
    /// An empty collection.
    pub(super) fn new(kind: Kind, file: &'a str, index: &'a AreaIndex) -> Self {
        Self {
            kind,
            file,
            index,
            found: BTreeMap::new(),
        }
    }

    /// Takes in a whole table. A blank SLN, distance or delay means "not given".
    pub(super) fn read(&mut self, table: &Table, report: &mut Report) {
        let expected = ["target", "source", self.kind.column()];
        let columns = expected.map(|name| table.column(name));
        let ([Some(target), Some(source), Some(value)], 3) = (columns, table.header.len()) else {
            report.error(
                self.file,
                Some(1),
                format!(
                    "wrong header: found {}, expected `{}`",
                    shown(&table.header.join(",")),
                    expected.join(",")
                ),
            );
            return;
        };
        for (line, fields) in &table.rows {
            let pair = (fields[target].as_str(), fields[source].as_str());
            let text = fields[value].as_str();
            if text.is_empty() && !matches!(self.kind, Kind::Fln | Kind::Strength | Kind::Weight) {
                continue;
            }
            match text.parse::<f64>() {
                Ok(number) => self.add(pair, number, Some(*line), report),
                Err(_) => report.error(
                    self.file,
                    Some(*line),
                    format!(
                        "unparseable {}: found {}, expected a number ({})",
                        self.kind.name(),
                        shown(text),
                        arrow(pair)
                    ),
                ),
            }
        }
    }

    /// Takes in the value of one pair (target, source).
    pub(super) fn add(
        &mut self,
        pair: (&str, &str),
        value: f64,
        line: Option<u64>,
        report: &mut Report,
    ) {
        let target = self.index.get(pair.0, self.file, line, report);
        let source = self.index.get(pair.1, self.file, line, report);
        let (name, range) = (self.kind.name(), self.kind.range());
        let wrong = if !value.is_finite() {
            Some(format!(
                "non-finite {name}: found {value}, expected {range}"
            ))
        } else if self.kind == Kind::Weight {
            None
        } else if value < 0.0 {
            Some(format!("negative {name}: found {value}, expected {range}"))
        } else if value > self.kind.largest() {
            Some(format!(
                "{name} out of range: found {value}, expected {range}"
            ))
        } else if pair.0 == pair.1 && value != 0.0 {
            Some(format!(
                "non-zero diagonal: found {name} {value}, expected none"
            ))
        } else {
            None
        };
        if let Some(what) = wrong {
            report.error(self.file, line, format!("{what} ({})", arrow(pair)));
            return;
        }
        let (Some(target), Some(source)) = (target, source) else {
            return;
        };
        if let Some((_, first)) = self.found.get(&(target, source)) {
            let first = first
                .map(|l| format!(", first in line {l}"))
                .unwrap_or_default();
            let message = format!("duplicate pair: found again{first} ({})", arrow(pair));
            report.error(self.file, line, message);
            return;
        }
        self.found.insert((target, source), (value, line));
    }

    /// The FLN, strengths or weights as entries: a listed 0 is no link. Only FLN have a largest row sum.
    pub(super) fn into_links(self, report: &mut Report) -> Entries {
        let links: Entries = self
            .found
            .iter()
            .filter(|(_, (value, _))| *value != 0.0)
            .map(|(pair, (value, _))| (*pair, *value))
            .collect();
        let n = self.index.len();
        let (mut rows, mut columns) = (vec![0.0; n], vec![0.0; n]);
        let mut reached = vec![false; n];
        for ((target, source), fln) in &links {
            rows[*target] += fln;
            reached[*target] = true;
            columns[*source] += fln;
        }
        let limit = match self.kind {
            Kind::Fln => 1.0 + ROW_SUM_SLACK,
            _ => f64::INFINITY,
        };
        for (target, sum) in rows.iter().enumerate().filter(|(_, sum)| **sum > limit) {
            report.error(
                self.file,
                None,
                format!(
                    "FLN row sum above 1: found {sum}, expected at most 1 (target {})",
                    self.index.names[target]
                ),
            );
        }
        if rows.iter().any(|sum| *sum > limit) && columns.iter().all(|sum| *sum <= limit) {
            report.warn(
                self.file,
                None,
                "looks transposed: found row sums above 1 and column sums up to 1, expected the \
                 FLN of each target to sum to at most 1; are target and source exchanged?"
                    .to_owned(),
            );
        }
        let silent: Vec<&str> = (0..n)
            .filter(|&i| n > 1 && !reached[i])
            .map(|i| self.index.names[i].as_str())
            .collect();
        if !silent.is_empty() {
            let message = format!(
                "areas without input: found no link into {} of {n} areas ({})",
                silent.len(),
                shown(&silent.join(", "))
            );
            report.warn(self.file, None, message);
        }
        links
    }

    /// The SLN of the links; warns of SLN without link and of links without SLN.
    pub(super) fn into_sln(self, links: &Entries, report: &mut Report) -> Entries {
        let mut sln = Entries::new();
        for (pair, (value, line)) in &self.found {
            if links.contains_key(pair) {
                sln.insert(*pair, *value);
            } else if pair.0 != pair.1 {
                let names = (
                    self.index.names[pair.0].as_str(),
                    self.index.names[pair.1].as_str(),
                );
                let message = format!(
                    "SLN without link: found {value}, ignored ({})",
                    arrow(names)
                );
                report.warn(self.file, *line, message);
            }
        }
        if sln.len() < links.len() {
            let message = format!(
                "links without SLN: found SLN for {} of {} links",
                sln.len(),
                links.len()
            );
            report.warn(self.file, None, message);
        }
        sln
    }

    /// Distances or delays as given.
    pub(super) fn into_values(self, report: &mut Report) -> Entries {
        let n = self.index.len();
        if n > MOST_AREAS_IN_A_MATRIX {
            report.error(
                self.file,
                None,
                format!(
                    "too many areas for a table of {}s: found {n}, expected at most \
                     {MOST_AREAS_IN_A_MATRIX}",
                    self.kind.name()
                ),
            );
        }
        self.found
            .iter()
            .map(|(pair, (value, _))| (*pair, *value))
            .collect()
    }

    /// The delays as given; warns of links without one, and where they fit the links better with
    /// target and source exchanged. Delays of pairs without link are for shuffled networks.
    pub(super) fn into_delays(self, links: &Entries, report: &mut Report) -> Entries {
        let given = links.keys().filter(|pair| self.found.contains_key(pair));
        let given = given.count();
        let back = links
            .keys()
            .filter(|(target, source)| self.found.contains_key(&(*source, *target)))
            .count();
        if given < links.len() {
            let message = format!(
                "links without delay: found delays for {given} of {} links, which projections \
                 with `delay: {{kind: given}}` refuse",
                links.len()
            );
            report.warn(self.file, None, message);
        }
        if back > given {
            let message = format!(
                "looks transposed: found delays for {given} links, and for {back} with the ends \
                 of every link exchanged; are target and source exchanged?"
            );
            report.warn(self.file, None, message);
        }
        self.into_values(report)
    }
}

/// A link in messages: `target <- source`.
fn arrow(pair: (&str, &str)) -> String {
    format!(
        "{} <- {}",
        shown(pair.0).trim_matches('`'),
        shown(pair.1).trim_matches('`')
    )
}

/// Warns when SLN falls, instead of rises, along the hierarchy: the sign of exchanged ends.
pub(super) fn check_orientation(connectome: &super::Connectome, file: &str, report: &mut Report) {
    let enough = connectome
        .sln
        .as_ref()
        .is_some_and(|sln| sln.nnz() >= FEWEST_LINKS);
    if let Some(r) = connectome
        .sln_hierarchy_correlation()
        .filter(|r| enough && *r < 0.0)
    {
        report.warn(
            file,
            None,
            format!(
                "looks transposed: found correlation {r:.3} of SLN with hierarchy of target minus \
                 source, expected a positive one (feedforward links, of high SLN, climb); are \
                 target and source exchanged?"
            ),
        );
    }
}
