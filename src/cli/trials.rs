//! The trials of a task as a person sees them: a line per condition; `trials`: plain tables for other programs.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use super::show::{Answer, aligned, number, table};
use super::{ConfigArgs, Failure, replace};
use crate::analysis::stats;
use crate::engine::{Choice, ReadoutColumn, ReadoutValues, TrialTable};
use crate::network::Network;
use crate::plan::{Execution, Plan};
#[cfg(feature = "plot")]
use crate::spec::TaskSpec;
use crate::stimulus::Trials;
use crate::units::rounded;

#[derive(Debug, Args)]
pub(super) struct TrialsArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Folder to write `events.csv` and `steps.csv` into; it is made if it is not there
    #[arg(short, long)]
    output: PathBuf,
}

/// Writes a line an event, and for every trial a line a sample with a channel a stimulus.
pub(super) fn trials(args: &TrialsArgs, answer: Answer) -> Result<ExitCode, Failure> {
    let spec = crate::spec::load(&args.config.config, &args.config.sets)?;
    let network = Network::build(&spec)?;
    Plan::compile(&network, &spec, Execution::default())?;
    let Some(trials) = &network.trials else {
        return Err(format!(
            "{}: found no task, expected one, whose trials are written",
            args.config.config
        )
        .into());
    };
    let folder = &args.output;
    std::fs::create_dir_all(folder)
        .map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
    let tables = [
        ("events.csv", events(trials)),
        ("steps.csv", steps(trials, spec.run.every_ms)),
    ];
    let mut written = Vec::new();
    for (name, table) in tables {
        let path = folder.join(name);
        replace(&path, table.as_bytes())
            .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        written.push((path, table.lines().count() - 1));
    }
    let text = || {
        let mut out = String::new();
        for (path, lines) in &written {
            let _ = writeln!(out, "{}: {lines} lines", path.display());
        }
        out + &counts(trials)
    };
    let json = || {
        let file = |(path, lines): &(PathBuf, usize)| json!({"path": path, "lines": lines});
        json!({
            "files": written.iter().map(file).collect::<Vec<_>>(),
            "trials": trials.trials.len(),
            "conditions": trials.conditions,
        })
    };
    answer.print(text, json)?;
    Ok(ExitCode::SUCCESS)
}

/// Onset, duration and stimulus of every event, times from the start of the trial.
fn events(trials: &Trials) -> String {
    let lures = trials
        .trials
        .iter()
        .flat_map(|t| &t.shown)
        .any(|s| s.lure.is_some());
    let mut out = "trial,condition,session,trial_start_ms,event,repeat,stimulus,strength,onset_ms,duration_ms,match".to_owned();
    out += if lures { ",lure\n" } else { "\n" };
    for (t, trial) in trials.trials.iter().enumerate() {
        let mut shown: Vec<_> = trial.shown.iter().collect();
        shown.sort_by(|a, b| {
            a.onset_ms
                .total_cmp(&b.onset_ms)
                .then(a.event.cmp(&b.event))
        });
        for s in shown {
            let matches = s.matches.map_or("", |m| if m { "1" } else { "0" });
            let lure = s.lure.map_or("", |l| if l { "1" } else { "0" });
            let _ = writeln!(
                out,
                "{t},{},{},{},{},{},{},{},{},{},{matches}{}",
                trials.conditions[trial.condition],
                trial.run,
                rounded(trial.start_ms),
                trials.events[s.event],
                s.repeat + 1,
                s.stimulus,
                s.strength,
                rounded(s.onset_ms),
                rounded(s.offset_ms - s.onset_ms),
                if lures {
                    format!(",{lure}")
                } else {
                    String::new()
                },
            );
        }
    }
    out
}

/// Time by channel: the strength of each stimulus in every sample up to the last event, and the answer while
/// something that may match is shown: 1 match, -1 none, else 0.
fn steps(trials: &Trials, every_ms: f64) -> String {
    let all = || trials.trials.iter().flat_map(|t| &t.shown);
    let channels: std::collections::BTreeSet<&str> = all().map(|s| s.stimulus.as_str()).collect();
    let mut out = "trial,time_ms".to_owned();
    channels.iter().for_each(|c| out += &format!(",{c}"));
    out += ",answer\n";
    let end = all().map(|s| s.offset_ms).fold(0.0, f64::max);
    let samples = (end / every_ms).round() as usize;
    for (t, trial) in trials.trials.iter().enumerate() {
        for k in 0..samples {
            // The middle of the sample: on no edge of an event.
            let (time, middle) = (k as f64 * every_ms, (k as f64 + 0.5) * every_ms);
            let _ = write!(out, "{t},{}", rounded(time));
            let on = || {
                trial
                    .shown
                    .iter()
                    .filter(|s| s.onset_ms <= middle && middle < s.offset_ms)
            };
            for channel in &channels {
                let of = on().filter(|s| s.stimulus == *channel);
                let _ = write!(out, ",{}", of.fold(0.0, |sum, s| sum + s.strength));
            }
            let answer = on()
                .find_map(|s| s.matches)
                .map_or(0, |m| if m { 1 } else { -1 });
            let _ = writeln!(out, ",{answer}");
        }
    }
    out
}

/// One line per condition with mean and spread of numbers, and shares and times of choices.
pub(super) fn summary(trials: &Trials, read: &TrialTable) -> String {
    let mut header = vec!["condition".to_owned(), "trials".to_owned()];
    header.extend(read.readouts.iter().flat_map(heads));
    let names: Vec<&str> = header.iter().map(String::as_str).collect();
    let numeric: Vec<bool> = (0..names.len()).map(|i| i > 0).collect();
    let mut out = table(&names, &numeric);
    for (k, condition) in trials.conditions.iter().enumerate() {
        let of: Vec<usize> = (0..trials.trials.len())
            .filter(|&t| trials.trials[t].condition == k)
            .collect();
        let mut row = vec![aligned(condition, false), aligned(of.len(), true)];
        let cells = read.readouts.iter().flat_map(|column| cells(column, &of));
        row.extend(cells.map(|text| aligned(text, true)));
        out.add_row(row);
    }
    let mut text = format!("{out}\n\n");
    for (name, d) in &read.d_prime {
        let value = d.map_or("–".to_owned(), |d| format!("{d:.2}"));
        text += &format!("d′ {name} {value}\n");
    }
    if !read.readouts.is_empty() {
        text += "mean ± standard deviation over trials; times of trials with a choice\n";
    }
    text
}

/// The same numbers, condition by condition.
pub(super) fn summary_as_json(trials: &Trials, read: &TrialTable) -> Value {
    let conditions = trials.conditions.iter().enumerate().map(|(k, condition)| {
        let of: Vec<usize> = (0..trials.trials.len())
            .filter(|&t| trials.trials[t].condition == k)
            .collect();
        let readouts = read.readouts.iter().map(|column| {
            let value = match &column.values {
                ReadoutValues::Number { unit, values } => {
                    let values: Vec<f64> = of.iter().filter_map(|&t| values[t]).collect();
                    let mut spread = spread_as_json(&values);
                    spread["unit"] = json!(unit);
                    spread
                }
                ReadoutValues::Choice { names, choices } => {
                    let ended = Ended::of(names, choices, &of);
                    let chosen = names.iter().cloned().zip(&ended.chosen);
                    json!({
                        "chosen": chosen.map(|(name, n)| (name, json!(n))).collect::<Map<_, _>>(),
                        "none": ended.none,
                        "judged": ended.judged,
                        "right": ended.right,
                        "reaction_ms": column.timed.then(|| spread_as_json(&ended.times_ms)),
                    })
                }
            };
            (column.name.clone(), value)
        });
        json!({
            "condition": condition,
            "trials": of.len(),
            "readouts": readouts.collect::<Map<_, _>>(),
        })
    });
    json!({
        "conditions": conditions.collect::<Vec<_>>(),
        "d_prime": read.d_prime.iter().cloned().map(|(name, d)| (name, json!(d))).collect::<Map<_, _>>(),
    })
}

fn spread_as_json(x: &[f64]) -> Value {
    json!({ "mean": stats::mean(x).ok(), "sd": stats::sd(x).ok(), "trials": x.len() })
}

/// How many trials there are, in which conditions, and how they are run.
pub(super) fn counts(trials: &Trials) -> String {
    let of = |(k, name): (usize, &String)| {
        let n = trials.trials.iter().filter(|t| t.condition == k).count();
        format!("{name} {n}")
    };
    let all: Vec<String> = trials.conditions.iter().enumerate().map(of).collect();
    let runs = trials.trials.iter().map(|t| t.run + 1).max().unwrap_or(0);
    let how = match trials.sessions {
        true => format!("one after another in {runs} session(s)"),
        false => "each a run of its own".to_owned(),
    };
    format!("{} trials, {how}: {}", trials.trials.len(), all.join(", "))
}

fn heads(column: &ReadoutColumn) -> Vec<String> {
    let name = &column.name;
    match &column.values {
        ReadoutValues::Number { unit, .. } if unit == "1" => vec![name.clone()],
        ReadoutValues::Number { unit, .. } => vec![format!("{name} ({unit})")],
        ReadoutValues::Choice { .. } if column.timed => {
            vec![
                name.clone(),
                format!("{name} right"),
                format!("{name} time (ms)"),
            ]
        }
        ReadoutValues::Choice { .. } => vec![name.clone(), format!("{name} right")],
    }
}

/// How some trials ended.
struct Ended {
    /// By what there is to choose.
    chosen: Vec<usize>,
    none: usize,
    unread: usize,
    judged: usize,
    right: usize,
    times_ms: Vec<f64>,
}

impl Ended {
    fn of(names: &[String], choices: &[Option<Choice>], trials: &[usize]) -> Self {
        let read: Vec<Choice> = trials.iter().filter_map(|&t| choices[t]).collect();
        let count = |is: &dyn Fn(&Choice) -> bool| read.iter().filter(|c| is(c)).count();
        Ended {
            chosen: (0..names.len())
                .map(|c| count(&|choice| choice.chosen == Some(c)))
                .collect(),
            none: count(&|choice| choice.chosen.is_none()),
            unread: trials.len() - read.len(),
            judged: count(&|choice| choice.correct.is_some()),
            right: count(&|choice| choice.correct == Some(true)),
            times_ms: read.iter().filter_map(|c| c.reaction_ms).collect(),
        }
    }
}

fn cells(column: &ReadoutColumn, of: &[usize]) -> Vec<String> {
    match &column.values {
        ReadoutValues::Number { values, .. } => {
            let read: Vec<f64> = of.iter().filter_map(|&t| values[t]).collect();
            vec![spread(&read)]
        }
        ReadoutValues::Choice { names, choices } => {
            let ended = Ended::of(names, choices, of);
            let shares = names.iter().map(String::as_str).zip(ended.chosen);
            let rest = [("none", ended.none), ("unread", ended.unread)];
            let shares: Vec<String> = shares
                .chain(rest)
                .filter(|(_, n)| *n > 0)
                .map(|(name, n)| format!("{name} {n}"))
                .collect();
            let mut out = vec![
                shares.join(", "),
                match ended.judged {
                    0 => "–".to_owned(),
                    n => format!("{}/{n}", ended.right),
                },
            ];
            if column.timed {
                out.push(spread(&ended.times_ms));
            }
            out
        }
    }
}

fn spread(x: &[f64]) -> String {
    match (stats::mean(x), stats::sd(x)) {
        (Ok(mean), Ok(sd)) => format!("{} ± {}", number(mean), number(sd)),
        (Ok(mean), Err(_)) => number(mean),
        _ => "–".to_owned(),
    }
}

/// What the figure of the conditions shows: numbers in a panel for each unit, means of several variables
/// together, and shares of right choices.
#[cfg(feature = "plot")]
pub(super) fn figure(
    title: &str,
    task: &TaskSpec,
    trials: &Trials,
    read: &TrialTable,
) -> super::figure::conditions::ConditionFigure {
    use super::figure::conditions::{ConditionFigure, Panel, Series};

    let of = |value: &dyn Fn(usize) -> Option<f64>| -> Vec<Vec<f64>> {
        let all = |k| (0..trials.trials.len()).filter(move |&t| trials.trials[t].condition == k);
        let conditions = 0..trials.conditions.len();
        conditions
            .map(|k| all(k).filter_map(value).collect())
            .collect()
    };
    let mut panels: Vec<Panel> = Vec::new();
    for column in &read.readouts {
        let name = column.name.clone();
        let (label, values, dots) = match &column.values {
            ReadoutValues::Number { unit, values } => {
                let label = match unit.as_str() {
                    "1" => "number of areas".to_owned(),
                    unit => format!("mean over areas and window ({unit})"),
                };
                (label, of(&|t| values[t]), true)
            }
            ReadoutValues::Choice { choices, .. } => {
                let right = |t: usize| choices[t]?.correct.map(|right| f64::from(u8::from(right)));
                (
                    "share of trials with the right choice".to_owned(),
                    of(&right),
                    false,
                )
            }
        };
        if values.iter().all(Vec::is_empty) {
            continue;
        }
        let series = Series { name, values, dots };
        match panels.iter_mut().find(|p| p.label == label) {
            Some(panel) => panel.series.push(series),
            None => panels.push(Panel {
                label,
                series: vec![series],
            }),
        }
    }
    let conditions = task.conditions.iter().map(|c| (c.name.clone(), c.at));
    ConditionFigure {
        title: title.to_owned(),
        axis: task.axis.clone(),
        conditions: conditions.collect(),
        panels,
    }
}
