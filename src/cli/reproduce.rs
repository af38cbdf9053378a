//! `reproduce`: a paper's targets as a scorecard.

use std::process::ExitCode;

use clap::Args;

use super::show::{Answer, Bar, significant};
use super::{Failure, cores, own_or_bundled, parse_threads, stop_flag};
use crate::engine::{EngineError, Progress};
use crate::validation::{self, Score, Value, Verdict};

#[derive(Debug, Args)]
pub(super) struct ReproduceArgs {
    /// Paper (`chaudhuri2015`), or a target file of your own
    paper: String,
    /// Worker threads; all cores if absent
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<usize>,
}

pub(super) fn reproduce(args: &ReproduceArgs, answer: Answer) -> Result<ExitCode, Failure> {
    let text = own_or_bundled(&args.paper, validation::bundled(), "targets", "paper")?;
    let file = validation::load(&args.paper, &text)?;
    let stop = stop_flag()?;
    let bar = Bar::new(answer.is_json(), &file.paper);
    let threads = args.threads.unwrap_or_else(cores);
    let scores = validation::judge(&file, threads, &stop, |done, total, _| {
        bar.samples(done as u64, total as u64);
    });
    bar.finish();
    let scores = scores.map_err(|e| match e.is_interrupted() {
        true => Failure::from(EngineError::Interrupted),
        false => Failure::from(e),
    })?;
    let count = |verdict| scores.iter().filter(|s| s.verdict == verdict).count();
    let failed = scores
        .iter()
        .filter(|s| s.verdict == Verdict::Fail && s.required)
        .count();
    let json = || {
        serde_json::json!({
            "paper": file.paper,
            "isocortex": crate::record::VERSION,
            "commit": crate::record::COMMIT,
            "passed": count(Verdict::Pass),
            "failed": count(Verdict::Fail),
            "known_gaps": count(Verdict::KnownGap),
            "scores": scores,
        })
    };
    answer.print(|| scorecard(&file.paper, &scores), json)?;
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A heading per target with its class, evidence and source; under it a line per number.
fn scorecard(paper: &str, scores: &[Score]) -> String {
    let mut notes: Vec<String> = Vec::new();
    let lines: Vec<[String; 5]> = scores
        .iter()
        .map(|s| {
            let mark = match s.verdict {
                Verdict::Pass => "pass".to_owned(),
                Verdict::Fail if s.required => "FAIL".to_owned(),
                Verdict::Fail => "fail".to_owned(),
                Verdict::KnownGap => {
                    if notes.last() != Some(&s.note) {
                        notes.push(s.note.clone());
                    }
                    format!("gap{}", notes.len())
                }
            };
            let found = match &s.found {
                Value::Number(x) if x.is_finite() => significant(*x),
                Value::Number(x) => format!("{x}"),
                Value::Names(names) => names.join(", "),
            };
            let unit = if s.unit == "1" {
                String::new()
            } else {
                s.unit.clone()
            };
            [mark, s.case.clone(), found, s.expected.clone(), unit]
        })
        .collect();
    let width = |column: usize| {
        lines
            .iter()
            .map(|l| l[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let (case_width, found_width, expected_width) = (width(1), width(2), width(3));
    let mut text = format!("{paper}\n");
    let mut last: Option<&Score> = None;
    for (s, [mark, case, found, expected, unit]) in scores.iter().zip(&lines) {
        if last.is_none_or(|l| (&l.id, &l.quantity) != (&s.id, &s.quantity)) {
            text += &format!(
                "\n{}  {}\n      {}, {}: {}\n",
                s.id, s.quantity, s.class, s.evidence, s.source
            );
        }
        last = Some(s);
        text += &format!(
            "{mark:<5} {case:<case_width$}  {found:>found_width$}  {expected:>expected_width$}  {unit}"
        );
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text.push('\n');
    for (i, note) in notes.iter().enumerate() {
        text += &format!("gap{}  {note}\n", i + 1);
    }
    let count = |verdict| scores.iter().filter(|s| s.verdict == verdict).count();
    text += &format!(
        "\nvalue found beside value expected; {} passed, {} failed, {} known gaps\n",
        count(Verdict::Pass),
        count(Verdict::Fail),
        count(Verdict::KnownGap)
    );
    text
}
