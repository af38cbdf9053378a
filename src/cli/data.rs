//! `data list | show | check | import | export`.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::exchange::{ExportArgs, ImportCommand};
use super::show::{Answer, aligned, number, table};
use super::{Failure, exchange};
use crate::connectome::{self, Connectome, Source, WeightKind};

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
    /// Turn matrices, a connectivity of The Virtual Brain or counts of neurons into a data set; asks for what
    /// it needs where nothing more is typed
    Import {
        #[command(subcommand)]
        from: Option<Box<ImportCommand>>,
    },
    /// Write a data set for other programs
    Export(ExportArgs),
}

pub(super) fn data(command: &DataCommand, answer: Answer) -> Result<ExitCode, Failure> {
    match command {
        DataCommand::List => list(answer),
        DataCommand::Show { name } => show(name, answer),
        DataCommand::Check { path } => check(path, answer),
        DataCommand::Import { from } => exchange::import(from.as_deref(), answer),
        DataCommand::Export(args) => exchange::export_to(args, answer),
    }
}

fn list(answer: Answer) -> Result<ExitCode, Failure> {
    let text = || {
        let mut out = table(&["data set", "title"], &[false; 2]);
        for set in connectome::bundled() {
            out.add_row([set.name, set.title].map(|t| aligned(t, false)));
        }
        out.to_string()
    };
    let json = || {
        let all = connectome::bundled().iter();
        all.map(|set| json!({"name": set.name, "title": set.title}))
            .collect()
    };
    answer.print(text, json)?;
    Ok(ExitCode::SUCCESS)
}

fn show(name: &str, answer: Answer) -> Result<ExitCode, Failure> {
    let connectome = connectome::load(&Source::parse(name)?)?;
    answer.print(|| as_text(&connectome), || as_json(&connectome))?;
    Ok(ExitCode::SUCCESS)
}

fn weight_name(kind: WeightKind) -> &'static str {
    match kind {
        WeightKind::Fln => "FLN",
        WeightKind::Strength => "strength",
        WeightKind::Signed => "weight",
    }
}

fn as_json(connectome: &Connectome) -> serde_json::Value {
    let p = &connectome.provenance;
    let publications = p
        .publications
        .iter()
        .map(|of| json!({"citation": of.citation, "doi": of.doi, "provides": of.provides}));
    let rows = connectome.row_sums();
    let areas = connectome.areas.iter().enumerate().map(|(i, area)| {
        let gradients = connectome
            .gradients
            .iter()
            .map(|g| (g.name.clone(), json!(g.values[i])));
        let estimated = connectome
            .gradients
            .iter()
            .filter(|g| g.estimated.as_ref().is_some_and(|e| e[i]));
        json!({
            "name": area.name,
            "lobe": area.lobe,
            "position_mm": area.position_mm,
            "received": rows[i],
            "gradients": gradients.collect::<serde_json::Map<_, _>>(),
            "estimated": estimated.map(|g| g.name.as_str()).collect::<Vec<_>>(),
        })
    });
    json!({
        "name": connectome.name,
        "title": p.title,
        "publications": publications.collect::<Vec<_>>(),
        "licence": p.terms.as_ref().map(|t| &t.licence),
        "usage": p.terms.as_ref().and_then(|t| t.usage.as_ref()),
        "weights": weight_name(connectome.weights),
        "links": connectome.n_links(),
        "density": connectome.density(),
        "has_distances": connectome.distance_mm.is_some(),
        "has_delays": connectome.delay_ms.is_some(),
        "sha256": p.digest(),
        "areas": areas.collect::<Vec<_>>(),
    })
}

fn as_text(connectome: &Connectome) -> String {
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
    let weights = weight_name(connectome.weights);
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
    out
}

fn check(path: &str, answer: Answer) -> Result<ExitCode, Failure> {
    let source = Source::parse(path)?;
    let report = connectome::check(&source);
    let tables: Option<Vec<&str>> = (connectome::manifest(&source).ok())
        .map(|manifest| manifest.files.by_role().map(|(role, _)| role).collect());
    let text = || {
        let mut out = String::new();
        if let Some(tables) = &tables {
            let _ = writeln!(out, "tables: {}", tables.join(", "));
        }
        for (kind, findings) in [
            ("error", &report.errors),
            ("warning", &report.warnings),
            ("hint", &report.hints),
        ] {
            for finding in findings {
                let _ = writeln!(out, "{kind}: {finding}");
            }
        }
        let (errors, warnings) = (report.errors.len(), report.warnings.len());
        out + &format!("{path}: {errors} error(s), {warnings} warning(s)")
    };
    let json = || {
        let said = |findings: &[_]| {
            findings
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<String>>()
        };
        json!({
            "source": path,
            "tables": tables,
            "errors": said(&report.errors),
            "warnings": said(&report.warnings),
            "hints": said(&report.hints),
        })
    };
    answer.print(text, json)?;
    Ok(if report.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
