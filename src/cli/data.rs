//! `data list | show | check | import | export`.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Subcommand;

use super::exchange::{ExportArgs, ImportCommand};
use super::show::{self, aligned, number, table};
use super::{Failure, exchange};
use crate::connectome::{self, Source, WeightKind};

#[derive(Debug, Subcommand)]
pub(super) enum DataCommand {
    /// List the bundled data sets
    List,
    /// Show a data set: sources, terms, facts, areas
    Show {
        /// Bundled name or folder
        name: String,
    },
    /// Check a data set and report everything that is wrong with it
    Check {
        /// Bundled name or folder
        path: String,
    },
    /// Turn matrices, a connectivity of The Virtual Brain or counts of neurons into a data set
    #[command(subcommand)]
    Import(Box<ImportCommand>),
    /// Write a data set for other programs
    Export(ExportArgs),
}

pub(super) fn data(command: &DataCommand) -> Result<ExitCode, Failure> {
    match command {
        DataCommand::List => list(),
        DataCommand::Show { name } => show(name),
        DataCommand::Check { path } => check(path),
        DataCommand::Import(command) => exchange::import(command),
        DataCommand::Export(args) => exchange::export_to(args),
    }
}

fn list() -> Result<ExitCode, Failure> {
    let mut out = table(&["data set", "title"], &[false; 2]);
    for set in connectome::bundled() {
        out.add_row([set.name, set.title].map(|t| aligned(t, false)));
    }
    show::print(&out.to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn show(name: &str) -> Result<ExitCode, Failure> {
    let connectome = connectome::load(&Source::parse(name)?)?;
    let p = &connectome.provenance;
    let mut out = format!("{} — {}\n", connectome.name, p.title);
    for publication in &p.publications {
        let doi = publication
            .doi
            .as_ref()
            .map_or(String::new(), |d| format!(", doi {d}"));
        let provides = publication
            .provides
            .as_ref()
            .map_or(String::new(), |w| format!(": {w}"));
        let _ = writeln!(out, "  {}{doi}{provides}", publication.citation);
    }
    if let Some(terms) = &p.terms {
        let usage = terms
            .usage
            .as_ref()
            .map_or(String::new(), |u| format!(" — {u}"));
        let _ = writeln!(out, "terms: {}{usage}", terms.licence);
    }
    let weights = match connectome.weights {
        WeightKind::Fln => "FLN",
        WeightKind::Strength => "strength",
        WeightKind::Signed => "weight",
    };
    let rows = connectome.row_sums();
    // Perron's root exists without negative weights only; `modes` has the eigenvalues of any network.
    let radius = match connectome.weights {
        WeightKind::Signed => String::new(),
        _ => format!(", spectral radius {:.4}", connectome.spectral_radius()),
    };
    let extent = |values: &[f64]| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{} to {}", number(low), number(high))
    };
    let _ = writeln!(
        out,
        "\n{} areas, {} links (row = target, column = source), density {:.3}\n{weights} row sums {}\
         {radius}",
        connectome.n_areas(),
        connectome.n_links(),
        connectome.density(),
        extent(&rows),
    );
    let tables = [
        ("distances", "mm", &connectome.distance_mm),
        ("delays", "ms", &connectome.delay_ms),
    ];
    for (what, unit, table) in tables {
        let Some(table) = table else {
            let _ = writeln!(out, "no {what}");
            continue;
        };
        let links = connectome.links();
        let given: Vec<f64> = links
            .map(|(i, j, _)| table[[i.index(), j.index()]])
            .filter(|x| !x.is_nan())
            .collect();
        let extent = match given.is_empty() {
            true => String::new(),
            false => format!(", {} {unit}", extent(&given)),
        };
        let n = connectome.n_links();
        let _ = writeln!(out, "{what} of {} of {n} links{extent}", given.len());
    }
    let _ = writeln!(out, "sha256 {}\n", p.digest());
    let received = format!("{weights} in");
    let mut header = vec!["area", "lobe", received.as_str()];
    header.extend(connectome.gradients.iter().map(|g| g.name.as_str()));
    let numeric: Vec<bool> = (0..header.len()).map(|i| i > 1).collect();
    let mut areas = table(&header, &numeric);
    for (i, area) in connectome.areas.iter().enumerate() {
        let mut row = vec![
            aligned(&area.name, false),
            aligned(area.lobe.as_deref().unwrap_or("–"), false),
            aligned(number(rows[i]), true),
        ];
        row.extend(connectome.gradients.iter().map(|g| {
            let mark = g.estimated.as_ref().is_some_and(|e| e[i]);
            aligned(
                format!("{}{}", number(g.values[i]), if mark { "*" } else { "" }),
                true,
            )
        }));
        areas.add_row(row);
    }
    let _ = writeln!(out, "{areas}");
    if connectome.gradients.iter().any(|g| g.estimated.is_some()) {
        let _ = writeln!(out, "\n* estimated, not measured in this area");
    }
    show::print(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn check(path: &str) -> Result<ExitCode, Failure> {
    let source = Source::parse(path)?;
    let report = connectome::check(&source);
    let mut out = String::new();
    if let Ok(manifest) = connectome::manifest(&source) {
        let tables: Vec<&str> = manifest.files.by_role().map(|(role, _)| role).collect();
        let _ = writeln!(out, "tables: {}", tables.join(", "));
    }
    for finding in &report.errors {
        let _ = writeln!(out, "error: {finding}");
    }
    for finding in &report.warnings {
        let _ = writeln!(out, "warning: {finding}");
    }
    for finding in &report.hints {
        let _ = writeln!(out, "hint: {finding}");
    }
    let (errors, warnings) = (report.errors.len(), report.warnings.len());
    let _ = writeln!(out, "{path}: {errors} error(s), {warnings} warning(s)");
    show::print(&out)?;
    Ok(if report.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
