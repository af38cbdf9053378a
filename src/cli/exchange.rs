//! `data import`, `data export`: from and to the files of others.

mod ask;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::show::Answer;
use super::{Failure, check_ordinary, replace};
use crate::connectome::import::{
    self, About, ImportError, MatrixFiles, Merge, Rows, Tables, read_counts, read_matrices,
    read_tvb,
};
use crate::connectome::{self, Connectome, Source, WeightKind, export};

#[derive(Debug, Subcommand)]
pub(super) enum ImportCommand {
    /// Matrices in csv, text, npy, npz, mat or h5 files
    Matrices(MatrixArgs),
    /// A connectivity of The Virtual Brain: zip file or folder
    Tvb(TvbArgs),
    /// Counts of labelled neurons: FLN and SLN are computed from them
    Counts(CountArgs),
}

#[derive(Debug, Args)]
pub(super) struct MatrixArgs {
    /// Weights (csv, text, npy, npz, mat, h5; FILE:NAME of several): rows are targets, unless `--rows sources`
    weights: PathBuf,
    /// What the weights are
    #[arg(long, value_enum)]
    kind: Kind,
    /// Areas: a name a line, or csv with a column `area`, whose other columns are kept; columns of numbers
    /// become gradients
    #[arg(long, value_name = "FILE")]
    areas: Option<PathBuf>,
    /// Fraction of labelled neurons above layer 4, a matrix
    #[arg(long, value_name = "FILE")]
    sln: Option<PathBuf>,
    /// Distances in mm, a matrix
    #[arg(long, value_name = "FILE")]
    distances: Option<PathBuf>,
    /// Delays in ms, a matrix
    #[arg(long, value_name = "FILE")]
    delays: Option<PathBuf>,
    /// Which end of a link the rows of the matrices stand for
    #[arg(long, value_enum, default_value = "targets")]
    rows: RowsArg,
    #[command(flatten)]
    into: Into,
}

#[derive(Debug, Args)]
pub(super) struct TvbArgs {
    /// Zip file or folder with weights.txt, tract_lengths.txt and centres.txt
    path: PathBuf,
    #[command(flatten)]
    into: Into,
}

#[derive(Debug, Args)]
pub(super) struct CountArgs {
    /// Csv with target, source, and supra and infra, or neurons; injection where there are several
    path: PathBuf,
    /// How repeated injections into an area are merged
    #[arg(long, value_enum, default_value = "mean")]
    merge: MergeArg,
    #[command(flatten)]
    into: Into,
}

/// Where it goes, and what is known about it.
#[derive(Debug, Args)]
struct Into {
    /// New folder of the data set; its name is the name of the set
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// One line about the data set
    #[arg(long)]
    title: Option<String>,
    /// Species, in words
    #[arg(long)]
    species: Option<String>,
    /// Where the numbers come from
    #[arg(long)]
    citation: Option<String>,
    /// Digital object identifier of that
    #[arg(long, requires = "citation")]
    doi: Option<String>,
    /// Terms under which the numbers may be used
    #[arg(long)]
    licence: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Fractions of labelled neurons: rows sum to at most 1
    Fln,
    /// Strengths on a scale of their own, 0 or more
    Strength,
    /// Weights of either sign, of areas onto themselves, too
    Signed,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RowsArg {
    /// A row receives
    Targets,
    /// A row sends; the matrices are transposed
    Sources,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MergeArg {
    /// The mean of the FLN of each injection
    Mean,
    /// Neurons of all injections together
    Sum,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Bundled name or folder
    name: String,
    /// In which form
    #[arg(long, value_enum)]
    format: Format,
    /// New file, or folder for csv; an older file is replaced
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
}

/// The form of a data set for other programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A folder of matrices with names
    Csv,
    /// A numpy archive
    Npz,
    /// A connectivity of The Virtual Brain, zip file
    Tvb,
}

/// Imports what was asked for; without a command, asks what that is.
pub(super) fn import(command: Option<&ImportCommand>, answer: Answer) -> Result<ExitCode, Failure> {
    let asked;
    let command = match command {
        Some(command) => command,
        None => {
            let (mut answers, mut questions) = (io::stdin().lock(), io::stderr());
            asked = ask::ask(&mut ask::Dialogue {
                answers: &mut answers,
                questions: &mut questions,
            })?;
            &asked
        }
    };
    let (tables, into) = match command {
        ImportCommand::Matrices(args) => (matrices(args)?, &args.into),
        ImportCommand::Tvb(args) => (read_tvb(&args.path)?, &args.into),
        ImportCommand::Counts(args) => {
            let merge = match args.merge {
                MergeArg::Mean => Merge::MeanFln,
                MergeArg::Sum => Merge::SumNeurons,
            };
            (read_counts(&args.path, merge)?, &args.into)
        }
    };
    let about = About {
        title: into.title.clone(),
        species: into.species.clone(),
        citation: into.citation.clone(),
        doi: into.doi.clone(),
        licence: into.licence.clone(),
        editable: false,
    };
    write_checked(&tables, &into.output, &about)?;
    let areas = tables.areas.len();
    let links = tables.weights.iter().filter(|w| **w != 0.0).count();
    let text = || {
        let mut said = String::new();
        for remark in &tables.remarks {
            said += &format!("note: {remark}\n");
        }
        let folder = into.output.display();
        said + &format!(
            "{folder}: {areas} areas, {links} links; look over {folder}/manifest.yaml, then `isocortex data show \
             {folder}`"
        )
    };
    let json = || {
        serde_json::json!({
            "folder": into.output,
            "areas": areas,
            "links": links,
            "notes": tables.remarks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    };
    answer.print(text, json)?;
    Ok(ExitCode::SUCCESS)
}

fn matrices(args: &MatrixArgs) -> Result<Tables, ImportError> {
    read_matrices(&MatrixFiles {
        weights: args.weights.clone(),
        kind: match args.kind {
            Kind::Fln => WeightKind::Fln,
            Kind::Strength => WeightKind::Strength,
            Kind::Signed => WeightKind::Signed,
        },
        areas: args.areas.clone(),
        sln: args.sln.clone(),
        distances: args.distances.clone(),
        delays: args.delays.clone(),
        rows: match args.rows {
            RowsArg::Targets => Rows::Targets,
            RowsArg::Sources => Rows::Sources,
        },
    })
}

/// Most errors, and most warnings, said of what was read: they are often all of one kind.
const FINDINGS: usize = 10;

/// Writes a data folder; one that would not pass the check is not left behind.
pub(super) fn write_checked(tables: &Tables, folder: &Path, about: &About) -> Result<(), Failure> {
    tables.write(folder, about)?;
    let source = Source::Folder(folder.to_owned());
    let mut report = connectome::check(&source);
    if report.is_ok() {
        for warning in &report.warnings {
            tracing::warn!("{warning}");
        }
        return Ok(());
    }
    // It was made just now, and holds nothing but what was imported.
    std::fs::remove_dir_all(folder)?;
    // Nobody has its tables: the pair of areas says which number it is, in the files that were given.
    for finding in report.errors.iter_mut().chain(&mut report.warnings) {
        finding.line = None;
        if let Some(table) = finding.file.strip_suffix(".csv") {
            finding.file = table.to_owned();
        }
    }
    let mut all = report.lines(FINDINGS);
    if tables.looks_like_percent() {
        all.push("are the FLN percent? expected fractions: divide them by 100".to_owned());
    }
    Err(format!(
        "what was read makes no data set; nothing was written (pairs are target <- source; `--rows sources` turns a \
         matrix around):\n  {}",
        all.join("\n  ")
    )
    .into())
}

pub(super) fn export_to(args: &ExportArgs, answer: Answer) -> Result<ExitCode, Failure> {
    let connectome = connectome::load(&Source::parse(&args.name)?)?;
    let output = &args.output;
    for warning in export_as(&connectome, args.format, output)? {
        tracing::warn!("{warning}");
    }
    let json = || serde_json::json!({"name": connectome.name, "output": output, "rows": "targets"});
    answer.print(|| format!("{}: rows are targets", output.display()), json)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a data set for other programs: a new folder, or a file, whose predecessor is replaced. Gives what the
/// form wants and the data set lacks, and what the data set has and the form does not hold.
///
/// # Errors
/// Something is there already; a label that the form cannot hold; a full disk.
pub fn export_as(
    connectome: &Connectome,
    format: Format,
    output: &Path,
) -> Result<Vec<String>, Failure> {
    let mut warnings = Vec::new();
    match format {
        Format::Csv => {
            if output.exists() {
                return Err(ImportError::Exists(output.to_owned()).into());
            }
            std::fs::create_dir(output)
                .map_err(|e| format!("cannot make the folder {}: {e}", output.display()))?;
            for table in export::csv_tables(connectome) {
                let path = output.join(table.name);
                write(&path, &table.bytes)?;
            }
        }
        Format::Npz => write(output, &export::npz(connectome))?,
        Format::Tvb => {
            for (what, missing) in [
                (
                    "distances: tract lengths are 0",
                    connectome.distance_mm.is_none(),
                ),
                (
                    "positions: centres are 0",
                    connectome.areas.iter().all(|a| a.position_mm.is_none()),
                ),
            ] {
                if missing {
                    warnings.push(format!("{} has no {what}", connectome.name));
                }
            }
            write(output, &export::tvb_zip(connectome)?)?;
            let left_out = export::left_out_of_tvb(connectome);
            if !left_out.is_empty() {
                let left_out = left_out.join(", ");
                warnings.push(format!(
                    "left out: {left_out}; The Virtual Brain has no file for them"
                ));
            }
        }
    }
    Ok(warnings)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    check_ordinary(path)?;
    Ok(replace(path, bytes).map_err(|e| format!("cannot write {}: {e}", path.display()))?)
}

/// An excerpt of a data set, as tables: areas in the order asked for, and what is known of them.
pub(super) fn excerpt(of: &connectome::Connectome, areas: &[&str]) -> Result<Tables, Failure> {
    let at: Vec<usize> = (areas.iter())
        .map(|a| of.area_id(a).map(|id| id.index()))
        .collect::<Result<_, _>>()?;
    let n = at.len();
    let pick = |value: &dyn Fn(usize, usize) -> f64| {
        ndarray::Array2::from_shape_fn((n, n), |(i, j)| value(at[i], at[j]))
    };
    let columns = of.gradients.iter().map(|g| import::Column {
        name: g.name.clone(),
        values: at.iter().map(|&k| format!("{}", g.values[k])).collect(),
    });
    Ok(Tables {
        areas: areas.iter().map(|a| (*a).to_owned()).collect(),
        columns: columns.collect(),
        kind: of.weights,
        weights: pick(&|i, j| of.fln.get(i, j).copied().unwrap_or(0.0)),
        sln: (of.sln.as_ref()).map(|s| pick(&|i, j| s.get(i, j).copied().unwrap_or(f64::NAN))),
        distance_mm: of.distance_mm.as_ref().map(|d| pick(&|i, j| d[[i, j]])),
        delay_ms: None,
        made: format!(
            "Excerpt of {n} areas of {}, whose manifest says how the numbers were made; nothing is normalised \
             anew.",
            of.name
        ),
        remarks: Vec::new(),
    })
}
