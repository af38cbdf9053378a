//! `report`: a result file as one HTML page that needs nothing but a browser.
//!
//! The page is a template with its style, its scripts and uPlot (`report/vendor`), which draws the
//! traces; the numbers stand in it as one block of JSON. Nothing is loaded from anywhere, and a
//! content security policy in the page forbids it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::show::Answer;
use super::{Failure, check_ordinary, replace};
use crate::record::Results;

mod contents;
mod sweep;
mod traces;

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Result file
    results: PathBuf,
    /// Page; NAME.html beside the result file if absent. An existing one is replaced
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replicates or trials whose traces are shown one by one, e.g. 0,5,7; the first that fit if absent
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    replicates: Option<Vec<usize>>,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

const TEMPLATE: &str = include_str!("report/page.html");
/// What stands where in the template; the data come last of all.
const PARTS: [(&str, &str); 3] = [
    (
        "style",
        concat!(
            include_str!("report/vendor/uPlot.min.css"),
            "\n",
            include_str!("report/style.css")
        ),
    ),
    ("uplot", include_str!("report/vendor/uPlot.iife.min.js")),
    (
        "shared",
        concat!(
            include_str!("report/model.js"),
            include_str!("report/draw.js"),
            include_str!("report/cortex.js"),
            include_str!("report/activity.js"),
            include_str!("report/panels.js"),
            include_str!("report/frame.js")
        ),
    ),
];
/// The script of the page of a run, and of a sweep.
const RUN: &str = include_str!("report/page.js");
const SWEEP: &str = include_str!("report/sweep.js");

pub(super) fn report(args: &ReportArgs, answer: Answer) -> Result<ExitCode, Failure> {
    let output = (args.output.clone()).unwrap_or_else(|| args.results.with_extension("html"));
    let written = write(&args.results, &output, args.replicates.as_deref())?;
    for note in &written.notes {
        tracing::warn!("{note}");
    }
    if answer.is_json() || !args.quiet {
        let text = || {
            let megabytes = written.bytes as f64 / 1e6;
            let summary = &written.summary;
            format!(
                "report   {} ({megabytes:.1} MB; {summary})",
                output.display()
            )
        };
        let json = || {
            serde_json::json!({
                "report": output,
                "bytes": written.bytes,
                "contents": written.summary,
                "notes": written.notes,
            })
        };
        answer.print(text, json)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Size of the page.
    pub bytes: usize,
    /// What is in it, in words.
    pub summary: String,
    /// What was left out of it, and why.
    pub notes: Vec<String>,
}

/// Writes a result file as one HTML page; an older page is replaced. `replicates` are those whose traces are shown
/// one by one, the first that fit if absent.
///
/// # Errors
/// No result file; replicates that it does not have; the result file as `output`; a full disk.
pub fn write(
    results: &Path,
    output: &Path,
    replicates: Option<&[usize]>,
) -> Result<Written, Failure> {
    let file = Results::open(results)?;
    check_ordinary(output)?;
    if same_file(results, output) {
        return Err(format!(
            "{}: found the result file itself, expected the path of a page",
            output.display()
        )
        .into());
    }
    let (contents, script) = if is_sweep(&file) {
        if replicates.is_some() {
            return Err(format!(
                "{}: found replicates with the result of a sweep, expected none: its page shows means over \
                 replicates",
                results.display()
            )
            .into());
        }
        (sweep::contents(&file)?, SWEEP)
    } else {
        (contents::contents(&file, replicates)?, RUN)
    };
    let page = page(
        &contents.title,
        &serde_json::to_string(&contents.json)?,
        script,
    );
    replace(output, page.as_bytes())
        .map_err(|e| format!("cannot write {}: {e}", output.display()))?;
    Ok(Written {
        bytes: page.len(),
        summary: contents.summary,
        notes: contents.notes,
    })
}

/// Whether a file has several conditions.
pub(super) fn is_sweep(file: &Results) -> bool {
    file.dims().iter().any(|d| d.name == "condition")
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// The page around a block of JSON. Every `{{name}}` of the template is replaced once; what was put
/// in is not looked at again, so that no text of a config can stand for a part.
fn page(title: &str, json: &str, script: &str) -> String {
    // Inside a string of JSON the escape means the same, and no `</script>` can end the block.
    let json = json.replace('<', "\\u003c");
    let title = title
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let part = |name: &str| match name {
        "title" => title.as_str(),
        "data" => json.as_str(),
        "script" => script,
        _ => (PARTS.iter().find(|(known, _)| *known == name)).map_or("", |(_, text)| *text),
    };
    let mut out = String::with_capacity(TEMPLATE.len() + json.len() + 200_000);
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(part(name));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_stands_in_the_page_once_and_data_stay_data() {
        let page = page(
            "A<B> & {{data}}",
            r#"{"config":"</script><!-- {{style}}"}"#,
            SWEEP,
        );
        assert_eq!(page.matches("</script>").count(), 3);
        assert!(page.contains("<title>A&lt;B&gt; &amp; {{data}}"));
        assert!(page.contains(r#"{"config":"\u003c/script>\u003c!-- {{style}}"}"#));
        for (name, text) in PARTS.into_iter().chain([("script", SWEEP)]) {
            assert_eq!(page.matches(text).count(), 1, "{name}");
        }
        assert!(!page.contains(RUN));
    }
}
