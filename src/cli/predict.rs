//! `predict`: perturbations against the control with the same noise.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::show::{Answer, Bar, aligned, number, table};
use super::{Failure, beside, cores, memory, own_or_bundled, parse_threads, replace, stop_flag};
use crate::engine::{EngineError, Progress};
use crate::prediction::{self, Row};

#[derive(Debug, Args)]
pub(super) struct PredictArgs {
    /// Design (`froudist_walsh2021`), or a file of your own
    design: String,
    /// Override any key of control and perturbations alike, as in `run`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// Write the table as CSV, too
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Worker threads; all cores if absent
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<usize>,
}

pub(super) fn predict(args: &PredictArgs, answer: Answer) -> Result<ExitCode, Failure> {
    let text = own_or_bundled(&args.design, prediction::bundled(), "design", "design")?;
    let (config, mut design) = prediction::load(&args.design, &text)?;
    design.experiment = beside(&args.design, &design.experiment);
    let screen = prediction::prepare(&config, &design, &args.sets)?;
    for (spec, plan) in screen.runs() {
        memory::check_recording(spec, plan)?;
    }
    let stop = stop_flag()?;
    let bar = Bar::new(answer.is_json(), &design.title);
    let threads = args.threads.unwrap_or_else(cores);
    let rows = prediction::predict(&screen, threads, &stop, |done, total| {
        bar.samples(done as u64, total as u64);
    });
    bar.finish();
    let rows = rows.map_err(|e| match e.is_interrupted() {
        true => Failure::from(EngineError::Interrupted),
        false => Failure::from(e),
    })?;
    if let Some(path) = &args.output {
        write(&rows, path)?;
    }
    let text = || {
        let task = screen.runs().next();
        let task = task.and_then(|(spec, _)| spec.task.as_ref());
        let mut text = text_table(&design.title, &rows, task.is_some());
        if let Some(task) = task {
            let names: Vec<&str> = task.conditions.iter().map(|c| c.name.as_str()).collect();
            let what = match task.session {
                Some(_) => "sessions, each with",
                None => "the",
            };
            text += &format!(
                "replicates are {what} trials of the task, of all its conditions ({}) where none is named\n",
                names.join(", ")
            );
        }
        text
    };
    let json = || {
        serde_json::json!({
            "title": design.title,
            "isocortex": crate::record::VERSION,
            "commit": crate::record::COMMIT,
            "predictions": rows,
        })
    };
    answer.print(text, json)?;
    Ok(ExitCode::SUCCESS)
}

/// Changes below this part of the readout are called small, whatever their p.
const SMALL: f64 = 1e-3;

/// Columns of the table: name, whether it holds numbers, and what a row has in it.
type Column = (&'static str, bool, fn(&Row) -> String);

fn text_table(title: &str, rows: &[Row], is_task: bool) -> String {
    fn optional(x: Option<f64>) -> String {
        x.map_or("–".to_owned(), number)
    }
    fn interval(r: &Row) -> String {
        match r.interval {
            Some((low, high)) => format!("{} to {}", number(low), number(high)),
            None => "–".to_owned(),
        }
    }
    let mut columns: Vec<Column> = vec![
        ("perturbation", false, |r| r.perturbation.clone()),
        ("level", false, |r| r.level.clone()),
        ("readout", false, |r| r.readout.clone()),
    ];
    if rows.iter().any(|r| !r.condition.is_empty()) {
        columns.push(("condition", false, |r| r.condition.clone()));
    }
    columns.push(("unit", false, |r| r.unit.clone()));
    if is_task {
        columns.push(("n", true, |r| r.replicates.to_string()));
    }
    let numbers: [Column; 5] = [
        ("control", true, |r| number(r.control)),
        ("perturbed", true, |r| number(r.perturbed)),
        ("change", true, |r| number(r.difference)),
        ("95 %", true, interval),
        ("p", true, |r| optional(r.p)),
    ];
    columns.extend(numbers);
    let header: Vec<&str> = columns.iter().map(|c| c.0).collect();
    let numeric: Vec<bool> = columns.iter().map(|c| c.1).collect();
    let mut out = table(&header, &numeric);
    for r in rows {
        out.add_row(
            columns
                .iter()
                .map(|(_, numeric, of)| aligned(of(r), *numeric)),
        );
    }
    let mut text = format!("{title}\n\n{out}\n\n");
    text += "control and perturbation have the same noise; p by sign flips over replicates, \
             corrected over all lines (max-T)\n";
    let small = |r: &Row| {
        let size = r.control.abs().max(r.perturbed.abs());
        r.p.is_some_and(|p| p < 0.05) && r.difference != 0.0 && r.difference.abs() < SMALL * size
    };
    let marked: Vec<&str> = (rows.iter().filter(|r| small(r)))
        .map(|r| r.perturbation.as_str())
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    if !marked.is_empty() {
        text += &format!(
            "a small p is no large change: a readout changes by less than {} % of itself under {}\n",
            100.0 * SMALL,
            marked.join(", ")
        );
    }
    if is_task {
        text += "n: replicates that could be read in both, over which control, perturbed and change are taken\n";
    }
    if rows.iter().any(|r| !r.left_out.is_empty()) {
        text += "means and counts leave out areas that only one of the two has, such as those that are lesioned\n";
    }
    text += "\n";
    let mut last = "";
    for r in rows.iter().filter(|r| !r.refuted_if.is_empty()) {
        if r.perturbation != last {
            text += &format!("{}: refuted if {}\n", r.perturbation, r.refuted_if);
            last = &r.perturbation;
        }
    }
    let mut notes: Vec<String> = (rows.iter().filter(|r| !r.note.is_empty()))
        .map(|r| format!("{} {}: {}\n", r.perturbation, r.level, r.note))
        .collect();
    notes.dedup();
    text + &notes.concat()
}

/// A CSV that appears when it is complete.
fn write(rows: &[Row], path: &Path) -> Result<(), Failure> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record([
        "perturbation",
        "level",
        "readout",
        "unit",
        "control",
        "perturbed",
        "difference",
        "low",
        "high",
        "p",
        "refuted_if",
        "note",
        "condition",
        "replicates",
        "left_out",
    ])?;
    let optional = |x: Option<f64>| x.map_or(String::new(), |x| x.to_string());
    for r in rows {
        csv.write_record([
            r.perturbation.clone(),
            r.level.clone(),
            r.readout.clone(),
            r.unit.clone(),
            r.control.to_string(),
            r.perturbed.to_string(),
            r.difference.to_string(),
            optional(r.interval.map(|i| i.0)),
            optional(r.interval.map(|i| i.1)),
            optional(r.p),
            r.refuted_if.clone(),
            r.note.clone(),
            r.condition.clone(),
            r.replicates.to_string(),
            r.left_out.join("; "),
        ])?;
    }
    let bytes = csv.into_inner().map_err(|e| e.into_error())?;
    let folder = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder)
        .and_then(|()| replace(path, &bytes))
        .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    Ok(())
}
