//! `validate`: a model beside recordings.

use std::process::ExitCode;

use clap::Args;

use super::show::{self, Answer, aligned, number, table};
use super::{Failure, beside, cores, own_or_bundled, parse_threads, stop_flag};
use crate::engine::EngineError;
use crate::validation::{self, Comparison};

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// Table of recordings (`leavitt2017`, `murray2014`, `schmolesky1998`), or a file of your own; all
    /// bundled ones if absent
    recordings: Option<String>,
    /// Config, or the name of a bundled one; that of the table if absent
    experiment: Option<String>,
    /// Override any key of the experiment, as in `run`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// Worker threads; all cores if absent
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<usize>,
}

pub(super) fn validate(args: &ValidateArgs, answer: Answer) -> Result<ExitCode, Failure> {
    let names = match &args.recordings {
        Some(name) => vec![name.as_str()],
        None => (validation::bundled_recordings().iter())
            .map(|(name, _)| *name)
            .collect(),
    };
    let stop = stop_flag()?;
    let threads = args.threads.unwrap_or_else(cores);
    let mut comparisons = Vec::new();
    for name in names {
        let known = validation::bundled_recordings();
        let text = own_or_bundled(name, known, "recordings", "table")?;
        let mut recordings = validation::load_recordings(name, &text)?;
        recordings.experiment = recordings.experiment.map(|own| beside(name, &own));
        let experiment = args.experiment.as_deref();
        let compared = validation::compare(&recordings, experiment, &args.sets, threads, &stop);
        let compared = compared.map_err(|e| match e.is_interrupted() {
            true => Failure::from(EngineError::Interrupted),
            false => format!("{name}: {e}").into(),
        })?;
        if !answer.is_json() {
            show::print(&text_of(&compared))?;
        }
        comparisons.push(compared);
    }
    if answer.is_json() {
        let json = serde_json::json!({
            "isocortex": crate::record::VERSION,
            "commit": crate::record::COMMIT,
            "comparisons": comparisons,
        });
        show::print(&serde_json::to_string_pretty(&json)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text_of(c: &Comparison) -> String {
    let header = ["area", &c.columns[0], &c.columns[1], ""];
    let mut out = table(&header, &[false; 4]);
    for r in &c.rows {
        let mark = if r.agrees { "" } else { "disagrees" };
        let cells = [&r.name, &r.recorded, &r.model, mark];
        out.add_row(cells.map(|text| aligned(text, false)));
    }
    let mut text = format!("{}\n{}\n", c.title, c.paper);
    text += &format!("model: {}\n\n{out}\n\n", c.experiment);
    for (words, value) in &c.statistics {
        // Counts are counts.
        let value = match value.fract() == 0.0 {
            true => value.to_string(),
            false => number(*value),
        };
        text += &format!("{value:>8}  {words}\n");
    }
    text += &match c.disagree.as_slice() {
        [] => "\nno area disagrees".to_owned(),
        names => format!("\ndisagree: {}", names.join(", ")),
    };
    text += &format!(" ({})\n", c.rule);
    for left in &c.left_out {
        text += &format!("left out: {left}\n");
    }
    text
}
