//! From a bundled name, a folder or a list in a config to a [`Connectome`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use sprs::CsMat;

use super::bundled::{self, bundled};
use super::check::{self, AreaIndex, Entries, Kind, Pairs, Report, Table, shown};
use super::manifest::{End, FileEntry, LAYOUT, Manifest, line_of};
use super::{Area, Connectome, FileHash, Gradient, Provenance, Publication, WeightKind};
use crate::spec::{sha256_hex, suggest};

/// Name of the manifest in every folder.
const MANIFEST: &str = "manifest.yaml";
/// Most findings of one kind printed by an error.
const PRINTED: usize = 50;

/// Where a data set stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Compiled into the program, by name.
    Bundled(String),
    /// A folder that holds `manifest.yaml`.
    Folder(PathBuf),
}

impl Source {
    /// Reads a name or a path as typed. A bundled name wins over a folder of the same name; write
    /// `./name` for the folder.
    ///
    /// # Errors
    /// [`ConnectomeError::UnknownSource`] if the text is neither a bundled name nor a folder that
    /// holds `manifest.yaml`.
    pub fn parse(text: &str) -> Result<Self, ConnectomeError> {
        Self::parse_from(text, Path::new(""))
    }

    /// As [`parse`](Self::parse), with relative paths taken from the folder `base` (say, that of a
    /// config file).
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_from(text: &str, base: &Path) -> Result<Self, ConnectomeError> {
        if bundled::find(text).is_some() {
            return Ok(Self::Bundled(text.to_owned()));
        }
        let folder = base.join(text);
        if !text.is_empty() && folder.join(MANIFEST).is_file() {
            return Ok(Self::Folder(folder));
        }
        Err(unknown(text))
    }

    /// The bytes of one file, by its path below the folder.
    fn read(&self, path: &str) -> Result<Cow<'static, [u8]>, ConnectomeError> {
        match self {
            Self::Bundled(name) => {
                let set = bundled::find(name).ok_or_else(|| unknown(name))?;
                let file = set.files.iter().find(|(known, _)| *known == path);
                file.map(|(_, bytes)| Cow::Borrowed(*bytes)).ok_or_else(|| {
                    ConnectomeError::Unreadable {
                        path: PathBuf::from(format!("{name}/{path}")),
                        reason: "not part of the bundled data set".to_owned(),
                    }
                })
            }
            Self::Folder(folder) => {
                let path = folder.join(path);
                std::fs::read(&path)
                    .map(Cow::Owned)
                    .map_err(|e| ConnectomeError::Unreadable {
                        path,
                        reason: e.to_string(),
                    })
            }
        }
    }
}

/// The error about a text that names no data set.
fn unknown(text: &str) -> ConnectomeError {
    let names: Vec<&'static str> = bundled().iter().map(|set| set.name).collect();
    ConnectomeError::UnknownSource {
        text: text.to_owned(),
        close: suggest::close_names(text, names.iter().copied()),
        bundled: names,
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled(name) => write!(f, "{name} (bundled)"),
            Self::Folder(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Why there is no connectome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectomeError {
    /// The text names no data set.
    #[error(
        "unknown data set: found `{text}`, expected a bundled name [{}] or a folder that holds \
         manifest.yaml{}",
        .bundled.join(", "),
        suggest::hint(.close)
    )]
    UnknownSource {
        /// What was typed.
        text: String,
        /// Bundled names like it.
        close: Vec<String>,
        /// All bundled names.
        bundled: Vec<&'static str>,
    },
    /// A file could not be read.
    #[error("unreadable file: {} ({reason})", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The checks found errors. Printed with one finding a line, warnings after errors.
    #[error("data set refused: {origin}\n{}", .report.lines(PRINTED).join("\n"))]
    Invalid {
        /// The data set.
        origin: String,
        /// All findings.
        report: Report,
    },
}

/// Loads a data set after making all the checks of [`check`].
///
/// # Errors
/// [`ConnectomeError::Invalid`] with all the errors found, or an unknown bundled name.
pub fn load(source: &Source) -> Result<Connectome, ConnectomeError> {
    let (connectome, report) = examine(source)?;
    match connectome {
        Some(mut connectome) if report.is_ok() => {
            connectome.provenance.warnings = report.warnings;
            Ok(connectome)
        }
        _ => Err(ConnectomeError::Invalid {
            origin: source.to_string(),
            report,
        }),
    }
}

/// Reports everything that is wrong or remarkable with a data set, instead of stopping at the first.
#[must_use]
pub fn check(source: &Source) -> Report {
    examine(source).map_or_else(
        |e| {
            let mut report = Report::default();
            report.error(MANIFEST, None, e.to_string());
            report
        },
        |(_, report)| report,
    )
}

/// The manifest of a data set, as text.
///
/// # Errors
/// An unknown bundled name, or a file that cannot be read as UTF-8.
pub fn manifest_text(source: &Source) -> Result<String, ConnectomeError> {
    let bytes = source.read(MANIFEST)?;
    std::str::from_utf8(&bytes)
        .map(str::to_owned)
        .map_err(|e| ConnectomeError::Unreadable {
            path: PathBuf::from(MANIFEST),
            reason: format!("not UTF-8: {e}"),
        })
}

/// The manifest of a data set, understood but not compared with the tables.
///
/// # Errors
/// As [`manifest_text`], and [`ConnectomeError::Invalid`] with the line that was not understood.
pub fn manifest(source: &Source) -> Result<Manifest, ConnectomeError> {
    Manifest::parse(&manifest_text(source)?).map_err(|(line, message)| {
        let mut report = Report::default();
        report.error(MANIFEST, line, message);
        ConnectomeError::Invalid {
            origin: source.to_string(),
            report,
        }
    })
}

/// Reads and checks everything. The connectome is `None` when there was too little to build one;
/// when there is one it may still be wrong, as the report then says.
fn examine(source: &Source) -> Result<(Option<Connectome>, Report), ConnectomeError> {
    let manifest = match manifest(source) {
        Ok(manifest) => manifest,
        Err(ConnectomeError::Invalid { report, .. }) => return Ok((None, report)),
        Err(e) => return Err(e),
    };
    let mut report = Report::default();
    check_manifest(&manifest, &mut report);

    let mut hashes = Vec::new();
    let files = &manifest.files;
    let areas = table(source, "areas", &files.areas, &mut hashes, &mut report);
    let (weights, entry) = match (&files.fln, &files.strength, &files.weight) {
        (Some(entry), None, None) => (WeightKind::Fln, entry),
        (None, Some(entry), None) => (WeightKind::Strength, entry),
        (None, None, Some(entry)) => (WeightKind::Signed, entry),
        (fln, strength, weight) => {
            let found = [fln, strength, weight].into_iter().flatten().count();
            let message = format!(
                "which weights: found {found} tables, expected one of `fln`, `strength` and `weight`"
            );
            report.error(MANIFEST, line_of(&files.areas.path), message);
            return Ok((None, report));
        }
    };
    let kind = kind_of(weights);
    let fln = table(source, kind.column(), entry, &mut hashes, &mut report);
    let sln = files
        .sln
        .as_ref()
        .map(|e| (e, table(source, "sln", e, &mut hashes, &mut report)));
    let distance = files
        .distance_mm
        .as_ref()
        .map(|e| (e, table(source, "distance_mm", e, &mut hashes, &mut report)));
    let delay = files
        .delay_ms
        .as_ref()
        .map(|e| (e, table(source, "delay_ms", e, &mut hashes, &mut report)));

    let Some(areas) = areas.and_then(|table| check::read_areas(&table, &manifest, &mut report))
    else {
        return Ok((None, report));
    };
    let n = areas.index.len();
    let mut pairs = Pairs::new(kind, &entry.path.value, &areas.index);
    if let Some(table) = &fln {
        pairs.read(table, &mut report);
    }
    let links = pairs.into_links(&mut report);
    let sln_entries = sln.map(|(entry, table)| {
        let mut pairs = Pairs::new(Kind::Sln, &entry.path.value, &areas.index);
        if let Some(table) = table {
            pairs.read(&table, &mut report);
        }
        pairs.into_sln(&links, &mut report)
    });
    let distances = distance.map(|(entry, table)| {
        Kind::Distance.check_unit(entry, &mut report);
        let mut pairs = Pairs::new(Kind::Distance, &entry.path.value, &areas.index);
        if let Some(table) = table {
            pairs.read(&table, &mut report);
        }
        pairs.into_values(&mut report)
    });
    let delays = delay.map(|(entry, table)| {
        Kind::Delay.check_unit(entry, &mut report);
        let mut pairs = Pairs::new(Kind::Delay, &entry.path.value, &areas.index);
        let Some(table) = table else {
            return Entries::new();
        };
        let wrong = report.errors.len();
        pairs.read(&table, &mut report);
        // What is missing from a table with faulty lines is not worth a remark.
        if report.errors.len() > wrong {
            return Entries::new();
        }
        pairs.into_delays(&links, &mut report)
    });
    if !report.is_ok() {
        return Ok((None, report));
    }
    let connectome = Connectome {
        name: manifest.name.value.clone(),
        areas: areas.areas,
        weights,
        fln: csr(n, &links),
        sln: sln_entries.map(|entries| csr(n, &entries)),
        distance_mm: distances.map(|entries| dense(n, &entries)),
        delay_ms: delays.map(|entries| dense(n, &entries)),
        gradients: areas.gradients,
        provenance: Provenance {
            source: source.to_string(),
            title: manifest.title.clone(),
            species: manifest.species.clone(),
            publications: manifest.publications.clone(),
            terms: manifest.terms.clone(),
            files: hashes,
            warnings: Vec::new(),
        },
    };
    let sln_path = files
        .sln
        .as_ref()
        .map_or("", |entry| entry.path.value.as_str());
    check::check_orientation(&connectome, sln_path, &mut report);
    Ok((Some(connectome), report))
}

/// The table of a kind of weights.
fn kind_of(weights: WeightKind) -> Kind {
    match weights {
        WeightKind::Fln => Kind::Fln,
        WeightKind::Strength => Kind::Strength,
        WeightKind::Signed => Kind::Weight,
    }
}

/// Checks what the manifest says, apart from the tables.
fn check_manifest(manifest: &Manifest, report: &mut Report) {
    if manifest.layout.value != LAYOUT {
        let found = manifest.layout.value;
        let message = format!("layout: found {found}, expected {LAYOUT}");
        report.error(MANIFEST, line_of(&manifest.layout), message);
    }
    let name = &manifest.name;
    if name.value.trim().is_empty() {
        let message = "name: found blank, expected text".to_owned();
        report.error(MANIFEST, line_of(name), message);
    }
    let orientation = manifest.orientation.value;
    if (orientation.rows, orientation.columns) != (End::Target, End::Source) {
        report.error(
            MANIFEST,
            line_of(&manifest.orientation),
            format!(
                "orientation: found rows {:?} and columns {:?}, expected rows target and columns \
                 source; exchange the two columns of the tables",
                orientation.rows, orientation.columns
            ),
        );
    }
    let mut seen = BTreeSet::new();
    for gradient in &manifest.gradients {
        if !seen.insert(gradient.name.value.as_str()) {
            let message = format!(
                "duplicate gradient: found {} again",
                shown(&gradient.name.value)
            );
            report.error(MANIFEST, line_of(&gradient.name), message);
        }
    }
}

/// Reads one table: path, bytes, hash, fields and listed columns.
fn table(
    source: &Source,
    role: &str,
    entry: &FileEntry,
    hashes: &mut Vec<FileHash>,
    report: &mut Report,
) -> Option<Table> {
    let path = entry.path.value.as_str();
    if !stays_inside(path) {
        report.error(
            MANIFEST,
            line_of(&entry.path),
            format!(
                "path leaves the folder: found {}, expected a path below it with `/` between parts",
                shown(path)
            ),
        );
        return None;
    }
    let bytes = match source.read(path) {
        Ok(bytes) => bytes,
        Err(e) => {
            let named = line_of(&entry.path)
                .map(|l| format!(", line {l}"))
                .unwrap_or_default();
            report.error(
                path,
                None,
                format!("missing file, named in {MANIFEST}{named}: {e}"),
            );
            return None;
        }
    };
    let found = sha256_hex(&bytes);
    match &entry.sha256 {
        Some(expected) if !expected.value.trim().eq_ignore_ascii_case(&found) => report.error(
            path,
            None,
            format!(
                "wrong sha256: found {found}, expected {} ({MANIFEST}{}); if the table was changed on purpose, put the \
                 found sum there",
                shown(&expected.value).trim_matches('`'),
                line_of(expected)
                    .map(|l| format!(", line {l}"))
                    .unwrap_or_default()
            ),
        ),
        Some(_) => {}
        None => {
            let message = format!("no sha256 in {MANIFEST}: found {found}");
            report.hint(path, message);
        }
    }
    hashes.push(FileHash {
        role: role.to_owned(),
        path: path.to_owned(),
        sha256: found,
    });
    let table = check::parse_table(path, &bytes, report)?;
    table.check_columns(entry, report);
    Some(table)
}

/// Whether a path as written in a manifest names a file below the folder on every system.
fn stays_inside(path: &str) -> bool {
    let part_ok = |part: &str| !part.is_empty() && part != "." && part != "..";
    !path.contains(['\\', ':']) && !path.contains(char::is_control) && path.split('/').all(part_ok)
}

/// A square CSR matrix. Entries are in row-major order and inside the shape by construction.
pub(super) fn csr(n: usize, entries: &Entries) -> CsMat<f64> {
    let mut starts = vec![0; n + 1];
    for (row, _) in entries.keys() {
        starts[row + 1] += 1;
    }
    for row in 0..n {
        starts[row + 1] += starts[row];
    }
    let columns = entries.keys().map(|(_, column)| *column).collect();
    CsMat::new((n, n), starts, columns, entries.values().copied().collect())
}

/// A square matrix with NaN where nothing is given and a diagonal of 0.
fn dense(n: usize, entries: &Entries) -> Array2<f64> {
    let mut matrix = Array2::from_elem((n, n), f64::NAN);
    matrix.diag_mut().fill(0.0);
    for (pair, value) in entries {
        matrix[*pair] = *value;
    }
    matrix
}

/// Builds a small connectome from lists, as typed in a config: areas with their gradients
/// (dimensionless), and links as (target, source, FLN). The rules for tables hold here too.
///
/// # Errors
/// [`ConnectomeError::Invalid`] with every problem: an area name empty or taken, an area whose
/// gradients are not those of the first, a value that is not finite, and all that is refused in a
/// table of FLN.
pub fn inline(
    name: &str,
    areas: Vec<(String, BTreeMap<String, f64>)>,
    links: Vec<(String, String, f64)>,
    weights: WeightKind,
) -> Result<Connectome, ConnectomeError> {
    let mut report = Report::default();
    let mut index = AreaIndex::default();
    let names: Vec<String> = areas
        .first()
        .map(|(_, values)| values.keys().cloned().collect())
        .unwrap_or_default();
    for (area, values) in &areas {
        if let Err(message) = index.add(area) {
            report.error("areas", None, message);
        }
        if !values.keys().eq(&names) {
            let found: Vec<&str> = values.keys().map(String::as_str).collect();
            report.error(
                "areas",
                None,
                format!(
                    "gradients differ: found [{}], expected [{}] as in the first area ({})",
                    found.join(", "),
                    names.join(", "),
                    shown(area)
                ),
            );
        }
        for (gradient, value) in values.iter().filter(|(_, value)| !value.is_finite()) {
            report.error(
                "areas",
                None,
                format!(
                    "value of gradient {gradient}: found {value}, expected a finite number ({area})"
                ),
            );
        }
    }
    if areas.is_empty() {
        report.error(
            "areas",
            None,
            "no areas: found 0, expected at least 1".to_owned(),
        );
    }
    let mut pairs = Pairs::new(kind_of(weights), "links", &index);
    for (target, source, fln) in &links {
        pairs.add((target, source), *fln, None, &mut report);
    }
    let entries = pairs.into_links(&mut report);
    if !report.is_ok() {
        return Err(ConnectomeError::Invalid {
            origin: format!("{name} (inline)"),
            report,
        });
    }
    Ok(Connectome {
        name: name.to_owned(),
        weights,
        fln: csr(index.len(), &entries),
        sln: None,
        distance_mm: None,
        delay_ms: None,
        gradients: names
            .iter()
            .map(|gradient| Gradient {
                name: gradient.clone(),
                unit: "dimensionless".to_owned(),
                description: "given with the areas".to_owned(),
                values: areas.iter().map(|(_, values)| values[gradient]).collect(),
                estimated: None,
            })
            .collect(),
        provenance: Provenance {
            source: "inline".to_owned(),
            title: name.to_owned(),
            species: None,
            publications: Vec::<Publication>::new(),
            terms: None,
            files: inline_hashes(&areas, &entries, kind_of(weights)),
            warnings: report.warnings,
        },
        areas: areas
            .into_iter()
            .map(|(name, _)| Area {
                name,
                lobe: None,
                group: super::DEFAULT_GROUP.to_owned(),
                position_mm: None,
            })
            .collect(),
    })
}

/// Stands in for the hashes of files, so that the digest of an inline connectome covers its numbers.
fn inline_hashes(
    areas: &[(String, BTreeMap<String, f64>)],
    entries: &Entries,
    kind: Kind,
) -> Vec<FileHash> {
    let hash = |role: &str, text: String| FileHash {
        role: role.to_owned(),
        path: "inline".to_owned(),
        sha256: sha256_hex(text.as_bytes()),
    };
    vec![
        hash("areas", format!("{areas:?}")),
        hash(kind.column(), format!("{entries:?}")),
    ]
}
