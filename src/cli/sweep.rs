//! `sweep`: many conditions of one experiment.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;

use super::show::{Answer, Bar, aligned, table};
use super::{
    ConfigArgs, Failure, default_output, earlier, make_way, memory, parse_threads, stop_flag,
    threads,
};
use crate::spec::ConfigLayers;
use crate::sweep::{Carry, Ranks, Summary, Sweep};

#[derive(Debug, Args)]
pub(super) struct SweepArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Result file; results/NAME-sweep.h5 if absent. Replaced only when the sweep is complete
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Worker threads; all cores if absent
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<usize>,
    /// Print what would run, how much memory and disk and how long it takes, and run nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on with the unfinished sweep of that name; a complete one is left as it is
    #[arg(long, conflicts_with = "restart")]
    resume: bool,
    /// Forget the unfinished sweep of that name
    #[arg(long)]
    restart: bool,
    /// Write what the unfinished sweep has finished to this file, and run nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["resume", "restart", "dry_run"])]
    collect: Option<PathBuf>,
    /// Keep the activity of every condition, beside summaries and measures
    #[arg(long)]
    activity: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn sweep(
    args: &SweepArgs,
    ranks: Option<&dyn Ranks>,
    answer: Answer,
) -> Result<ExitCode, Failure> {
    let mut layered = ConfigLayers::read(&args.config.config)?;
    let mut spec = layered.take_sweep(&args.config.sets)?;
    spec.keep_activity |= args.activity;
    let threads = threads(args.threads, ranks.is_some());
    let sweep = Sweep::new(layered, &spec, threads)?;
    memory::check_bytes("sweep", sweep.memory_bytes() as u128 * threads as u128)?;
    let output =
        (args.output.clone()).unwrap_or_else(|| default_output(&args.config.config, "-sweep"));
    let first = ranks.is_none_or(|ranks| ranks.rank() == 0);
    if !first && (args.dry_run || args.collect.is_some()) {
        return Ok(ExitCode::SUCCESS);
    }
    if args.dry_run {
        return dry_run(&sweep, threads, answer);
    }
    if let Some(to) = &args.collect {
        make_way(to)?;
        let count = sweep.collect(&output, to)?;
        let total = sweep.design().len();
        let text = || {
            let to = to.display();
            format!("results  {to} ({count} of {total} conditions, the others NaN)")
        };
        let json = || serde_json::json!({"results": to, "conditions": total, "collected": count});
        answer.print(text, json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let stop = stop_flag()?;
    if first {
        make_way(&output)?;
    }
    let bar = Bar::of_conditions(args.quiet || answer.is_json() || !first);
    let carry = Carry {
        threads,
        stop: &stop,
        progress: &bar,
        earlier: earlier(args.resume, args.restart),
    };
    if let Some(ranks) = ranks.filter(|_| !first) {
        sweep.serve(&carry, ranks)?;
        return Ok(ExitCode::SUCCESS);
    }
    let ended = sweep.run_on(&output, &carry, ranks);
    bar.finish();
    let summary = match ended {
        Err(e) if e.is_interrupted() => {
            answer.complain(&e.to_string());
            return Ok(ExitCode::from(130));
        }
        ended => ended?,
    };
    if answer.is_json() || !args.quiet {
        let text = || as_text(&sweep, &summary);
        answer.print(text, || as_json(&sweep, &summary))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(sweep: &Sweep, summary: &Summary) -> serde_json::Value {
    serde_json::json!({
        "title": sweep.experiment().title,
        "results": summary.path,
        "conditions": sweep.design().len(),
        "runs_per_condition": sweep.runs(),
        "conditions_run_now": summary.run,
        "failed": summary.failed,
        "isocortex": crate::record::VERSION,
        "commit": crate::record::COMMIT,
    })
}

/// Failed conditions that are printed one by one.
const SHOWN: usize = 5;

fn as_text(sweep: &Sweep, summary: &Summary) -> String {
    let total = sweep.design().len();
    let mut text = format!("{}\n{}\n", sweep.experiment().title, axes(sweep));
    text += &match summary.run {
        all if all == total => format!("{total} conditions\n"),
        0 => format!("{total} conditions, complete before\n"),
        now => format!("{total} conditions, {now} of them run now, the others kept from before\n"),
    };
    if summary.dropped > 0 {
        text += &format!(
            "the journal had an unfinished or damaged end of {} bytes, which was run again\n",
            summary.dropped
        );
    }
    if !summary.failed.is_empty() {
        text += &format!(
            "{} failed; the file says why (`failure`):\n",
            summary.failed.len()
        );
        for (condition, why) in summary.failed.iter().take(SHOWN) {
            let values = sweep.design().sets(*condition).join(", ");
            let first = why.lines().next().unwrap_or_default();
            text += &format!("  {condition} ({values}): {first}\n");
        }
        if summary.failed.len() > SHOWN {
            text += "  …\n";
        }
    }
    text + &format!("results  {}\n", summary.path.display())
}

fn axes(sweep: &Sweep) -> String {
    let header = ["varies", "points", "from", "to"];
    let numeric = [false, true, false, false];
    let mut out = table(&header, &numeric);
    for axis in &sweep.design().axes {
        for (p, path) in axis.paths.iter().enumerate() {
            let end = |point: Option<&Vec<String>>| point.map_or(String::new(), |x| x[p].clone());
            let cells = [
                path.clone(),
                axis.points.len().to_string(),
                end(axis.points.first()),
                end(axis.points.last()),
            ];
            out.add_row(cells.into_iter().zip(numeric).map(|(c, n)| aligned(c, n)));
        }
    }
    out.to_string()
}

/// A batch is tried for so long, at most.
const CALIBRATION: Duration = Duration::from_secs(1);

fn dry_run(sweep: &Sweep, threads: usize, answer: Answer) -> Result<ExitCode, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    std::thread::spawn(move || {
        std::thread::sleep(CALIBRATION);
        flag.store(true, Ordering::Relaxed);
    });
    let begun = Instant::now();
    let done = sweep.try_out(&stop)?;
    let spent = begun.elapsed().as_secs_f64();
    let conditions = sweep.design().len();
    let runs = conditions * sweep.runs();
    let workers = threads.min(conditions.div_ceil(sweep.batch()));
    let seconds = (done > 0.0).then(|| spent / done * conditions as f64 / workers as f64);
    let memory = sweep.memory_bytes() * workers;
    let json = || {
        serde_json::json!({
            "title": sweep.experiment().title,
            "conditions": conditions,
            "runs": runs,
            "side_by_side": sweep.batch() * sweep.runs(),
            "memory_bytes": memory,
            "disk_bytes": u64::try_from(sweep.disk_bytes()).ok(),
            "seconds": seconds,
        })
    };
    let bytes = |n: f64| indicatif::HumanBytes(n as u64).to_string();
    let time = seconds.map_or(
        "unknown: less than one sample in a second".to_owned(),
        |s| indicatif::HumanDuration(Duration::from_secs_f64(s.max(1.0))).to_string(),
    );
    let text = || {
        format!(
            "{}\n{}\n{conditions} conditions x {} run(s) = {runs} runs, {} side by side on each of {workers} \
             thread(s)\nmemory   about {}\ndisk     at most {}, twice that until the end\ntime     about {time}\n",
            sweep.experiment().title,
            axes(sweep),
            sweep.runs(),
            sweep.batch() * sweep.runs(),
            bytes(memory as f64),
            bytes(sweep.disk_bytes() as f64),
        )
    };
    answer.print(text, json)?;
    Ok(ExitCode::SUCCESS)
}
