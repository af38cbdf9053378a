//! `run` and `rerun`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::prepare::{self, Clock, Prepared};
use super::show::{Answer, Bar, aligned, number, rounded, table};
use super::{ConfigArgs, ExecutionArgs, Failure, default_output, make_way, stop_flag, trials};
use crate::engine::{self, Conditions, DelayActivity, Keep, Outcome, TimescaleRow};
use crate::ids::AreaId;
use crate::plan::{Axis, Execution};
use crate::record::Results;
use crate::spec::{self, ExperimentSpec};
use crate::stepper::Exchange;
use crate::sweep::Ranks;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Result file; results/NAME.h5 if absent. Replaced only when the new run is complete
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    execution: ExecutionArgs,
    /// Go on with the unfinished run of that name, from its latest checkpoint; from the start if there is
    /// none
    #[arg(long)]
    resume: bool,
    /// Seconds between checkpoints of an unfinished run; 0 for none
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    checkpoint: Duration,
    /// No figure beside the result file
    #[arg(long)]
    no_figure: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Args)]
pub(super) struct RerunArgs {
    /// Result file to repeat
    results: PathBuf,
    /// New result file; NAME.rerun.h5 beside the old one if absent
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    execution: ExecutionArgs,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .and_then(|s| Duration::try_from_secs_f64(s).ok());
    seconds.ok_or_else(|| format!("found `{text}`, expected a number of seconds, at least 0"))
}

fn prepare(spec: ExperimentSpec, execution: Execution) -> Result<Prepared, Failure> {
    let prepared = prepare::prepare(spec, execution)?;
    for warning in &prepared.warnings {
        tracing::warn!("{warning}");
    }
    tracing::debug!("plan\n{}", prepared.plan.explain());
    Ok(prepared)
}

fn simulate(
    prepared: &Prepared,
    output: &Path,
    threads: usize,
    keep: Keep<'_>,
    quiet: bool,
    ranks: Option<&dyn Exchange>,
) -> Result<Outcome, Failure> {
    make_way(output)?;
    let stop = stop_flag()?;
    let bar = Bar::new(quiet, &prepared.spec.title);
    let conditions = Conditions {
        threads,
        stop: &stop,
        progress: &bar,
    };
    let Prepared {
        spec,
        network,
        plan,
        ..
    } = prepared;
    let outcome = engine::run_on(network, plan, spec, output, &conditions, keep, ranks);
    bar.finish();
    Ok(outcome?)
}

/// The lanes that rank 0 has chosen, in which a checkpoint may lie that it alone can read.
fn agreed(execution: Execution, exchange: &dyn Exchange) -> Execution {
    let axis = execution.axis.map_or(0, |axis| match axis {
        Axis::Replicates => 1,
        Axis::Areas => 2,
    });
    let mut words = vec![execution.width.unwrap_or(0) as u64, axis];
    exchange.tell(&mut words);
    Execution {
        width: words.first().map(|w| *w as usize).filter(|w| *w > 0),
        axis: match words.get(1) {
            Some(1) => Some(Axis::Replicates),
            Some(2) => Some(Axis::Areas),
            _ => None,
        },
    }
}

pub(super) fn run(
    args: &RunArgs,
    ranks: Option<&dyn Ranks>,
    answer: Answer,
) -> Result<ExitCode, Failure> {
    let exchange = ranks.map(|ranks| -> &dyn Exchange { ranks });
    let first = exchange.is_none_or(|exchange| exchange.rank() == 0);
    let threads = args.execution.threads(ranks.is_some());
    let spec = spec::load(&args.config.config, &args.config.sets)?;
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| default_output(&args.config.config, ""));
    let checkpoint = prepare::begun(&output, args.resume && first)?;
    let execution = match &checkpoint {
        // The state lies in the lanes of the machine that began.
        Some(begun) if args.execution.is_default() => engine::execution_of(begun),
        _ => args.execution.execution(),
    };
    let execution = exchange.map_or(execution, |exchange| agreed(execution, exchange));
    if let Some(exchange) = exchange.filter(|_| !first) {
        let prepared = prepare::prepare(spec, execution)?;
        let Prepared {
            spec,
            network,
            plan,
            ..
        } = prepared;
        let stop = stop_flag()?;
        engine::follow(network, plan, &spec, (threads, &stop), exchange)?;
        return Ok(ExitCode::SUCCESS);
    }
    let prepared = prepare(spec, execution)?;
    let clock = Clock::new(args.checkpoint);
    let keep = Keep {
        pace: (!args.checkpoint.is_zero()).then_some(&clock),
        from: checkpoint.as_ref(),
    };
    let quiet = args.quiet || answer.is_json();
    let outcome = simulate(&prepared, &output, threads, keep, quiet, exchange)?;
    for warning in prepared.divergence(&outcome) {
        tracing::warn!("{warning}");
    }
    let figure = if args.no_figure {
        None
    } else {
        let drawn = figure(&prepared, &outcome);
        Some(drawn.map_err(|e| format!("{e}; the results are in {}", outcome.path.display()))?)
    };
    if answer.is_json() || !args.quiet {
        let figures = figure.unwrap_or_default();
        let text = || {
            let mut text = summary(&prepared, &outcome);
            text += &format!("results  {}\n", outcome.path.display());
            for path in &figures {
                text += &format!("figure   {}\n", path.display());
            }
            text
        };
        answer.print(text, || as_json(&prepared, &outcome, &figures))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Recorded areas from low to high in the hierarchy, as indices into the recorded areas.
fn hierarchical_order(prepared: &Prepared) -> (Vec<usize>, Option<Vec<f64>>) {
    let areas = &prepared.plan.record.areas;
    let map = prepared.spec.analysis.hierarchy.as_deref();
    let gradient = map.and_then(|m| prepared.network.connectome.gradient(m).ok());
    let values = gradient.map(|g| {
        areas
            .iter()
            .map(|a: &AreaId| g.values[a.index()])
            .collect::<Vec<_>>()
    });
    let mut order: Vec<usize> = (0..areas.len()).collect();
    if let Some(h) = &values {
        order.sort_by(|&a, &b| h[a].total_cmp(&h[b]));
    }
    (order, values)
}

/// The numbers of [`summary`].
fn as_json(prepared: &Prepared, outcome: &Outcome, figures: &[PathBuf]) -> Value {
    let (plan, measures) = (&prepared.plan, &outcome.measures);
    let info = plan.circuit.info();
    let first = &info.variables[plan.record.variables[0]];
    let (order, hierarchy) = hierarchical_order(prepared);
    let areas = order.iter().map(|&k| {
        let peak = measures.peaks.rows[k];
        let mut row = json!({
            "area": plan.areas[plan.record.areas[k].index()],
            "hierarchy": hierarchy.as_ref().map(|h| h[k]),
            "peak": peak.value,
            "peak_at_ms": peak.time_ms,
            "peak_sd": measures.peaks.sd[k],
        });
        if let Some(rows) = &measures.timescales {
            row["timescale_ms"] = json!(rows[k].tau_ms);
            row["timescale_is_uncertain"] = json!(rows[k].is_uncertain());
        }
        if let Some(rows) = &measures.delay_activity {
            row["before"] = json!(rows[k].baseline);
            row["delay_activity"] = json!(rows[k].delay);
            row["persistent"] = json!(rows[k].persistent);
        }
        if let Some(rows) = &measures.latencies {
            row["latency_ms"] = json!(rows[k]);
        }
        row
    });
    let trials = prepared
        .network
        .trials
        .as_ref()
        .zip(measures.trials.as_ref());
    json!({
        "title": prepared.spec.title,
        "results": outcome.path,
        "figures": figures,
        "variable": first.name,
        "unit": first.unit,
        "areas": areas.collect::<Vec<_>>(),
        "peaks_from_ms": measures.peaks.from_ms,
        "peaks_of": peaks_of(prepared, outcome),
        "trials": trials.map(|(trials, read)| trials::summary_as_json(trials, read)),
        "isocortex": crate::record::VERSION,
        "commit": crate::record::COMMIT,
    })
}

/// Condition of the task whose trials the peaks are of.
fn peaks_of<'a>(prepared: &'a Prepared, outcome: &Outcome) -> Option<&'a str> {
    let trials = prepared.network.trials.as_ref()?;
    let shown = &trials.trials[prepared.network.example()?];
    (outcome.measures.peaks.trials > 0).then(|| trials.conditions[shown.condition].as_str())
}

/// What the peaks of the table are.
fn caption(prepared: &Prepared, outcome: &Outcome) -> String {
    let peaks = &outcome.measures.peaks;
    let what = match peaks.from_onset {
        true => "what areas showed at the first stimulus",
        false => "baseline",
    };
    let mut text = format!("peaks are departures from {what}");
    if let Some(ms) = peaks.from_ms.filter(|ms| *ms > 0.0) {
        text += &match peaks.from_onset {
            true => format!(", at {} ms", rounded(ms)),
            false => format!(" from the first stimulus on, at {} ms", rounded(ms)),
        };
    }
    let network = &prepared.network;
    text += &match (
        peaks_of(prepared, outcome),
        &network.trials,
        network.example(),
    ) {
        (Some(condition), ..) if peaks.trials > 1 => format!(
            ";\nmean ± standard deviation over the {} trials of condition {condition}, times are means",
            peaks.trials
        ),
        (Some(condition), ..) => format!(";\nof the trial of condition {condition}"),
        (None, Some(trials), Some(shown)) => {
            format!(";\nof session {}", trials.trials[shown].run)
        }
        _ => String::new(),
    };
    text + "\n"
}

/// The table that a person sees after a run.
fn summary(prepared: &Prepared, outcome: &Outcome) -> String {
    let Prepared { plan, .. } = prepared;
    let info = plan.circuit.info();
    let first = &info.variables[plan.record.variables[0]];
    let (order, hierarchy) = hierarchical_order(prepared);
    let peak = format!("peak {} ({})", first.name, first.unit);
    let mut header = vec!["area", "hierarchy", &peak, "at (ms)"];
    let timescales = outcome.measures.timescales.as_ref();
    if timescales.is_some() {
        header.push("timescale (ms)");
    }
    let (delay, delay_activity) = delay_activity(prepared, outcome);
    if delay_activity.is_some() {
        header.extend(["before", delay.as_str(), "persistent"]);
    }
    let latencies = outcome.measures.latencies.as_ref();
    if latencies.is_some() {
        header.push("latency (ms)");
    }
    let numeric: Vec<bool> = (0..header.len()).map(|i| i > 0).collect();
    let mut table = table(&header, &numeric);
    for k in order {
        let p = outcome.measures.peaks.rows[k];
        let sd = outcome.measures.peaks.sd[k].filter(|_| outcome.measures.peaks.trials > 1);
        let peak = match sd {
            Some(sd) => format!("{} ± {}", number(p.value), number(sd)),
            None => number(p.value),
        };
        let h = hierarchy
            .as_ref()
            .map_or("–".to_owned(), |h| format!("{:.3}", h[k]));
        let name = &plan.areas[plan.record.areas[k].index()];
        let mut row = vec![
            aligned(name, false),
            aligned(h, true),
            aligned(peak, true),
            aligned(rounded(p.time_ms.round()), true),
        ];
        if let Some(rows) = timescales {
            let mark = if rows[k].is_uncertain() { "*" } else { " " };
            let tau = rows[k].tau_ms.map_or("–".to_owned(), number);
            row.push(aligned(format!("{tau}{mark}"), true));
        }
        if let Some(rows) = delay_activity {
            let d = rows[k];
            row.push(aligned(number(d.baseline), true));
            row.push(aligned(number(d.delay), true));
            row.push(aligned(if d.persistent { "yes" } else { "–" }, true));
        }
        if let Some(rows) = latencies {
            row.push(aligned(rows[k].map_or("–".to_owned(), number), true));
        }
        table.add_row(row);
    }
    let mut text = format!("{}\n{table}\n\n", prepared.spec.title);
    text += &caption(prepared, outcome);
    if timescales.is_some_and(|rows| rows.iter().any(TimescaleRow::is_uncertain)) {
        text += "* depends on the longest lag or the longest time constant of the fit\n";
    }
    if let (Some(trials), Some(read)) = (&prepared.network.trials, &outcome.measures.trials) {
        text += "\n";
        text += &trials::summary(trials, read);
    }
    if let (Some(wanted), Some(rows)) = (&prepared.spec.analysis.delay_activity, delay_activity) {
        let persistent = rows.iter().filter(|d| d.persistent).count();
        text += &format!(
            "persistent activity in {persistent} of {} areas: {} more than {} above what it was before\n",
            rows.len(),
            wanted.variable,
            wanted.persistent_above
        );
    }
    text
}

/// Delay activity as the table heads it, and its rows.
fn delay_activity<'a>(
    prepared: &Prepared,
    outcome: &'a Outcome,
) -> (String, Option<&'a Vec<DelayActivity>>) {
    let info = prepared.plan.circuit.info();
    let wanted = prepared.spec.analysis.delay_activity.as_ref();
    let unit = wanted.map_or("1", |w| info.unit(&w.variable));
    (
        format!("delay ({unit})"),
        outcome.measures.delay_activity.as_ref(),
    )
}

#[cfg(not(feature = "plot"))]
fn figure(_: &Prepared, _: &Outcome) -> Result<Vec<PathBuf>, Failure> {
    Ok(Vec::new())
}

/// What the figure draws against the hierarchy.
#[cfg(feature = "plot")]
#[derive(Default)]
struct Measured {
    name: &'static str,
    unit: String,
    note: String,
    /// The number of each recorded area, if it has one, and whether it is uncertain.
    values: Vec<(Option<f64>, bool)>,
}

#[cfg(feature = "plot")]
fn measured(prepared: &Prepared, outcome: &Outcome) -> Measured {
    let measures = &outcome.measures;
    if let (Some(wanted), Some(rows)) = (
        &prepared.spec.analysis.delay_activity,
        &measures.delay_activity,
    ) {
        return Measured {
            name: "delay activity",
            unit: prepared
                .plan
                .circuit
                .info()
                .unit(&wanted.variable)
                .to_owned(),
            note: format!(
                "Delay activity: mean of {} from {} to {} ms.",
                wanted.variable, wanted.delay.from_ms, wanted.delay.to_ms
            ),
            values: rows.iter().map(|d| (Some(d.delay), false)).collect(),
        };
    }
    let Some(rows) = &measures.timescales else {
        let areas = prepared.plan.record.areas.len();
        return Measured {
            values: vec![(None, false); areas],
            ..Measured::default()
        };
    };
    Measured {
        name: "timescale",
        unit: "ms".to_owned(),
        note: "Timescale: exponential fit to each area's autocorrelation.".to_owned(),
        values: (rows.iter())
            .map(|r| (r.tau_ms, r.is_uncertain()))
            .collect(),
    }
}

/// Which of several runs the figure shows; nothing of one alone.
#[cfg(feature = "plot")]
fn which_run(prepared: &Prepared) -> String {
    let network = &prepared.network;
    match network.trials.as_ref().zip(network.example()) {
        None if prepared.spec.run.replicates > 1 => {
            format!("first of {} replicates", prepared.spec.run.replicates)
        }
        None => String::new(),
        Some((trials, shown)) if trials.sessions => {
            format!("session {}", trials.trials[shown].run)
        }
        Some((trials, shown)) => {
            let condition = trials.trials[shown].condition;
            let all = trials.trials.iter().filter(|t| t.condition == condition);
            let name = &trials.conditions[condition];
            match all.count() {
                1 => format!("trial {shown}, condition {name}"),
                all => format!("trial {shown}, one of {all} of condition {name}"),
            }
        }
    }
}

/// Draws the first recorded variable beside delay activity or timescales.
#[cfg(feature = "plot")]
fn figure(prepared: &Prepared, outcome: &Outcome) -> Result<Vec<PathBuf>, Failure> {
    use super::figure::{FigureData, Trace, Window, write};
    use crate::stimulus::Stimulus;

    let Prepared {
        spec,
        network,
        plan,
        ..
    } = prepared;
    let info = plan.circuit.info();
    let variable = &info.variables[plan.record.variables[0]];
    let (order, hierarchy) = hierarchical_order(prepared);
    let activity = &outcome.first.variables[0];
    // Under noise alone it is the fluctuation that matters, not where the mean input moved it.
    let run = engine::example(network) as u32;
    let shown_in = network.of_run(run);
    let shown = network.shown_in(run);
    let given: Vec<&Stimulus> = shown_in.stimuli.iter().chain(&shown).collect();
    let fluctuates = given.is_empty() && !network.noise.is_empty();
    let times = &outcome.first.time_ms;
    let start = engine::peak_start(network, spec, times, &[run as usize]);
    let from_onset = outcome.measures.peaks.from_onset;
    let base = |k: usize| {
        if fluctuates {
            return activity.slice(ndarray::s![0, .., k]).mean().unwrap_or(0.0);
        }
        if from_onset {
            return activity[[0, start.sample, k]];
        }
        let position = plan.position[plan.record.areas[k].index()];
        outcome.baseline[position * info.variables.len() + plan.record.variables[0]]
    };
    let measured = measured(prepared, outcome);
    let trace = |&k: &usize| {
        let values_of_area = activity.slice(ndarray::s![0, .., k]);
        let base = base(k);
        Trace {
            area: plan.areas[plan.record.areas[k].index()].clone(),
            hierarchy: hierarchy.as_ref().map_or(k as f64, |h| h[k]),
            values: values_of_area.iter().map(|x| x - base).collect(),
            position_mm: (network.connectome.areas[plan.record.areas[k].index()].position_mm)
                .map(|[_, front, up]| (front, up)),
            measured: measured.values[k].0,
            uncertain: measured.values[k].1,
        }
    };
    let traces = order.iter().map(trace).collect();
    let label = spec
        .analysis
        .hierarchy
        .as_deref()
        .map_or("area", |map| match map {
            "hierarchy_norm" | "hierarchy" => "hierarchical position",
            other => other,
        });
    let stimuli = given.iter().map(|s| {
        let areas: Vec<&str> = s
            .areas
            .iter()
            .map(|a| shown_in.connectome.areas[a.index()].name.as_str())
            .collect();
        let areas = if areas.len() > 3 {
            format!("{} areas", areas.len())
        } else {
            areas.join(", ")
        };
        let (start_ms, end_ms) = (s.onset_ms, s.offset_ms);
        Window {
            label: format!("{} to {areas}", s.name),
            start_ms,
            end_ms,
        }
    });
    let data = FigureData {
        title: spec.title.clone(),
        subtitle: format!(
            "{} · {} areas of {} · dt {} ms",
            info.title,
            plan.n_areas(),
            network.connectome.name,
            plan.dt_ms
        ),
        shown: which_run(prepared),
        time_ms: times.clone(),
        counted_from: start.sample,
        traces,
        variable: match (fluctuates, from_onset) {
            (true, _) => format!("{} around its mean", variable.doc),
            (_, true) => format!("{} above that at the first stimulus", variable.doc),
            _ => format!("{} above baseline", variable.doc),
        },
        unit: variable.unit.to_owned(),
        hierarchy_label: label.to_owned(),
        stimuli: stimuli.collect(),
        measure: measured.name.to_owned(),
        measure_unit: measured.unit,
        measure_note: measured.note,
    };
    let stem = outcome.path.with_extension("");
    let written = write(&data, &stem)?;
    let mut all = vec![written.svg, written.png];
    if let (Some(task), Some(trials), Some(read)) =
        (&spec.task, &network.trials, &outcome.measures.trials)
        && trials.conditions.len() > 1
    {
        let data = trials::figure(&spec.title, task, trials, read);
        let stem = outcome.path.with_extension("conditions");
        let written = super::figure::conditions::write(&data, &stem)?;
        all.extend(written.into_iter().flat_map(|w| [w.svg, w.png]));
    }
    Ok(all)
}

pub(super) fn rerun(args: &RerunArgs, answer: Answer) -> Result<ExitCode, Failure> {
    let old = Results::open(&args.results)?;
    if super::report::is_sweep(&old) {
        return Err(format!(
            "{}: found the result of a sweep, expected that of a run; `isocortex sweep` runs it again",
            args.results.display()
        )
        .into());
    }
    let name = format!("config in {}", args.results.display());
    let spec = spec::from_text(&name, &old.attr_text("config")?, &[])?;
    let prepared = prepare(spec, args.execution.execution())?;
    let (stored, found) = (
        old.attr_text("connectome_sha256")?,
        prepared.network.connectome.provenance.digest(),
    );
    if stored != found {
        return Err(format!(
            "the data set changed: found {} with sha256 {found}, expected {stored} as in {}",
            prepared.network.connectome.provenance.source,
            args.results.display()
        )
        .into());
    }
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| args.results.with_extension("rerun.h5"));
    let quiet = answer.is_json();
    let (threads, keep) = (args.execution.threads(false), Keep::default());
    let outcome = simulate(&prepared, &output, threads, keep, quiet, None)?;
    let new = Results::open(&outcome.path)?;
    let mut differing = Vec::new();
    for var in old.vars() {
        let (a, b) = (old.read(&var.name)?, new.read(&var.name)?);
        let same = a.shape() == b.shape()
            && a.iter()
                .zip(&b)
                .all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()));
        if !same {
            differing.push(var.name.clone());
        }
    }
    if differing.is_empty() {
        let count = old.vars().len();
        let text = || {
            let path = outcome.path.display();
            format!("results  {path}\nidentical: all {count} variables, bit for bit")
        };
        let json = || json!({"results": outcome.path, "identical": true, "variables": count});
        answer.print(text, json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let version = old.attr_text("isocortex_version")?;
    Err(format!(
        "not identical: found differences in {} of {}, expected none; the file was written by isocortex \
         {version} (commit {}), this is {} (commit {})",
        differing.join(", "),
        outcome.path.display(),
        old.attr_text("isocortex_commit")?,
        crate::record::VERSION,
        crate::record::COMMIT
    )
    .into())
}
