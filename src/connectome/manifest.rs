//! `manifest.yaml`: what a data folder says about itself.
//!
//! Every key is documented in `data/README.md`. Unknown keys are errors, so that a misspelt
//! `publicatons` cannot lose the citation of a data set in silence.

use serde::{Deserialize, Serialize};
use serde_yaml::Spanned;

/// Version of the folder layout that this program reads.
pub const LAYOUT: u32 = 1;

/// A data folder's description of itself, as written in `manifest.yaml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the layout; must be [`LAYOUT`].
    pub layout: Spanned<u32>,
    /// Short name, as used in configs.
    pub name: Spanned<String>,
    /// One line for lists.
    pub title: String,
    /// Species, in words.
    #[serde(default)]
    pub species: Option<String>,
    /// Number of areas; must equal the number of rows of `areas.csv`.
    pub areas: Spanned<u64>,
    /// Which way the matrices are written.
    pub orientation: Spanned<Orientation>,
    /// Papers, and what comes from each.
    #[serde(default)]
    pub publications: Vec<Publication>,
    /// Licence and usage terms.
    #[serde(default)]
    pub terms: Option<Terms>,
    /// The tables.
    pub files: Files,
    /// Columns of `areas.csv` that may scale parameters.
    #[serde(default)]
    pub gradients: Vec<GradientEntry>,
    /// How the tables were made, with the rules of normalisation.
    #[serde(default)]
    pub made: Option<String>,
    /// What a user should know before trusting a number.
    #[serde(default)]
    pub pitfalls: Vec<String>,
}

/// Which end of a link the rows and the columns of a matrix stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orientation {
    /// What a row is; must be `target`.
    pub rows: End,
    /// What a column is; must be `source`.
    pub columns: End,
}

/// One end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// The area that receives (in tracing: the injected area).
    Target,
    /// The area that projects (in tracing: the area with labelled cells).
    Source,
}

/// A paper and what the folder takes from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// Authors, year, journal, pages.
    pub citation: String,
    /// Digital object identifier, without the address in front.
    #[serde(default)]
    pub doi: Option<String>,
    /// What in this folder comes from it.
    #[serde(default)]
    pub provides: Option<String>,
}

/// Under which conditions the numbers may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Licence by name, or a plain statement that none is known.
    pub licence: String,
    /// What a user must do or may not do.
    #[serde(default)]
    pub usage: Option<String>,
}

/// The tables of a folder, by role.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// One row an area; its order is the order of the areas.
    pub areas: FileEntry,
    /// `target,source,fln`; either this or `strength`.
    #[serde(default)]
    pub fln: Option<FileEntry>,
    /// `target,source,strength`; either this or `fln`.
    #[serde(default)]
    pub strength: Option<FileEntry>,
    /// `target,source,weight`, of either sign; in place of `fln` and `strength`.
    #[serde(default)]
    pub weight: Option<FileEntry>,
    /// `target,source,sln`.
    #[serde(default)]
    pub sln: Option<FileEntry>,
    /// `target,source,distance_mm`.
    #[serde(default)]
    pub distance_mm: Option<FileEntry>,
    /// `target,source,delay_ms`.
    #[serde(default)]
    pub delay_ms: Option<FileEntry>,
}

impl Files {
    /// The tables that are there, with their roles, in the order in which they are read.
    pub fn by_role(&self) -> impl Iterator<Item = (&'static str, &FileEntry)> {
        [
            ("areas", Some(&self.areas)),
            ("fln", self.fln.as_ref()),
            ("strength", self.strength.as_ref()),
            ("weight", self.weight.as_ref()),
            ("sln", self.sln.as_ref()),
            ("distance_mm", self.distance_mm.as_ref()),
            ("delay_ms", self.delay_ms.as_ref()),
        ]
        .into_iter()
        .filter_map(|(role, entry)| Some((role, entry?)))
    }
}

/// One table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Path below the folder, with `/` between parts.
    pub path: Spanned<String>,
    /// What the table holds.
    #[serde(default)]
    pub what: Option<String>,
    /// Unit of the table's value; of distances it must be `mm`, of delays `ms`.
    #[serde(default)]
    pub unit: Option<Spanned<String>>,
    /// SHA-256 of the file's bytes, 64 hexadecimal digits.
    #[serde(default)]
    pub sha256: Option<Spanned<String>>,
    /// The columns, each of which must exist.
    #[serde(default)]
    pub columns: Vec<ColumnEntry>,
}

/// One column of a table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnEntry {
    /// Header of the column.
    pub name: Spanned<String>,
    /// Unit, `dimensionless` or `text`.
    #[serde(default)]
    pub unit: Option<String>,
    /// Meaning.
    #[serde(default)]
    pub what: Option<String>,
}

/// A column of `areas.csv` that is a gradient: one finite number for every area.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientEntry {
    /// Header of the column, and the gradient's name in configs.
    pub name: Spanned<String>,
    /// Unit, or `dimensionless`.
    pub unit: String,
    /// Meaning.
    pub description: String,
    /// Where the numbers come from.
    #[serde(default)]
    pub source: Option<String>,
    /// Which of its values are not measurements of that very area.
    #[serde(default)]
    pub basis: Option<BasisEntry>,
}

/// The text column that says how each value of a gradient came about.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasisEntry {
    /// Header of the column.
    pub column: Spanned<String>,
    /// Its entries that mean "estimated, not measured in this area".
    pub estimated: Vec<String>,
}

impl Manifest {
    /// Reads a manifest. On failure gives the line (from 1, where known) and the reason.
    pub(super) fn parse(text: &str) -> Result<Self, (Option<u64>, String)> {
        serde_yaml::from_str(text).map_err(|e| {
            let line = e.location().map(|l| l.line()).filter(|l| *l > 0);
            (
                line,
                format!("manifest not understood: {}", e.without_snippet()),
            )
        })
    }
}

/// The line, counted from 1, at which a value stands in its manifest.
pub(super) fn line_of<T>(value: &Spanned<T>) -> Option<u64> {
    Some(value.referenced.line()).filter(|line| *line > 0)
}
