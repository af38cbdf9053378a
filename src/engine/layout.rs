//! What a run's result file looks like.

use ndarray::{Array1, ArrayView1, ArrayView2, ArrayView4, ArrayViewD, Axis};

use super::measure::{DelayActivity, Measures};
use super::summary::{SUMMARIES, Summaries};
use super::trials::{Choice, ReadoutValues, event_name, learning_columns};
use crate::network::Network;
use crate::plan::Plan;
use crate::record::{
    Attr, Aux, AuxValues, Compression, Dim, Dtype, Layout, RecordError, Var, Writer,
};
use crate::spec::{ExperimentSpec, Precision, ReadoutKind};
use crate::stepper::Stop;
use crate::stimulus::Shown;

/// A dataset of the file and the recorded variables it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Name in the file.
    pub name: String,
    /// Indices into the recorded variables; more than one along the dimension `population`.
    pub variables: Vec<usize>,
    /// Whether there is a dimension `population`.
    pub by_population: bool,
}

/// Groups recorded variables into datasets: a quantity recorded for every population of the file
/// becomes one array with a `population` dimension, anything else an array of its own.
#[must_use]
pub fn datasets(plan: &Plan) -> Vec<Dataset> {
    let info = plan.circuit.info();
    let populations = populations(plan);
    let mut out: Vec<Dataset> = Vec::new();
    for (k, &v) in plan.record.variables.iter().enumerate() {
        let variable = &info.variables[v];
        let same: Vec<usize> = populations
            .iter()
            .filter_map(|population| {
                plan.record.variables.iter().position(|&w| {
                    let other = &info.variables[w];
                    other.quantity == variable.quantity && other.population == *population
                })
            })
            .collect();
        let by_population = populations.len() > 1 && same.len() == populations.len();
        if !by_population {
            out.push(Dataset {
                name: variable.name.to_owned(),
                variables: vec![k],
                by_population,
            });
        } else if !out.iter().any(|d| d.name == variable.quantity) {
            let name = variable.quantity.to_owned();
            out.push(Dataset {
                name,
                variables: same,
                by_population,
            });
        }
    }
    out
}

/// Populations of the recorded variables, sorted by name: E before I.
fn populations(plan: &Plan) -> Vec<&'static str> {
    let info = plan.circuit.info();
    let mut out: Vec<&'static str> = Vec::new();
    for &v in &plan.record.variables {
        if !out.contains(&info.variables[v].population) {
            out.push(info.variables[v].population);
        }
    }
    out.sort_unstable();
    out
}

/// The layout of the file.
pub(super) fn layout(
    network: &Network,
    plan: &Plan,
    spec: &ExperimentSpec,
    datasets: &[Dataset],
    chunk: usize,
) -> Layout {
    let (mut dims, mut vars) = activity_layout(plan, spec, datasets, chunk, true);
    measure_layout(spec, plan, &mut dims, &mut vars);
    readout_layout(network, spec, &mut dims, &mut vars);
    Layout {
        dims,
        vars,
        aux: area_coordinates(network, plan)
            .into_iter()
            .chain(trial_coordinates(network))
            .collect(),
        attrs: attributes(network, plan, spec),
        compression: compression(spec),
    }
}

/// The layout of one condition of a sweep: summaries of every recorded variable, measures, and the
/// activity itself if it is kept.
#[must_use]
pub fn condition_layout(
    network: &Network,
    plan: &Plan,
    spec: &ExperimentSpec,
    keep_activity: bool,
) -> Layout {
    let datasets = datasets(plan);
    let chunk = plan.record.samples as usize;
    let (mut dims, mut vars) = activity_layout(plan, spec, &datasets, chunk, keep_activity);
    let info = plan.circuit.info();
    for variable in plan.record.variables.iter().map(|&v| &info.variables[v]) {
        for (name, what) in SUMMARIES {
            let long = format!("{}: {what}", variable.doc);
            let name = format!("{}_{name}", variable.name);
            vars.push(Var::new(
                &name,
                &["replicate", "area"],
                variable.unit,
                &long,
            ));
        }
    }
    let long = "time at which the run left its bounds and was stopped, NaN if it did not";
    vars.push(Var::new(STOPPED_AT, &["replicate"], "ms", long));
    measure_layout(spec, plan, &mut dims, &mut vars);
    readout_layout(network, spec, &mut dims, &mut vars);
    Layout {
        dims,
        vars,
        aux: area_coordinates(network, plan),
        attrs: attributes(network, plan, spec),
        compression: compression(spec),
    }
}

/// Variable of a sweep that says where runs were stopped.
const STOPPED_AT: &str = "stopped_at";

/// Writes the summaries of a condition whose runs begin with `first`, none of those that were stopped,
/// and where they were.
///
/// # Errors
/// As [`Put::put`].
pub fn write_summaries(
    writer: &mut impl Put,
    plan: &Plan,
    summaries: &Summaries,
    first: u32,
    stops: &[Option<Stop>],
) -> Result<(), RecordError> {
    let info = plan.circuit.info();
    for (k, &v) in plan.record.variables.iter().enumerate() {
        for (s, (name, _)) in SUMMARIES.iter().enumerate() {
            let name = format!("{}_{name}", info.variables[v].name);
            // What a stopped run has left depends on how long those beside it went on.
            for r in (0..stops.len()).filter(|&r| stops[r].is_none()) {
                let row = summaries.of(s, k, first + r as u32);
                let row = ArrayView2::from_shape((1, row.len()), &row).expect("a row of areas");
                writer.put(&name, &[r, 0], row.into_dyn())?;
            }
        }
    }
    let at = |stop: &Option<Stop>| stop.map_or(f64::NAN, |s| s.step as f64 * plan.dt_ms);
    let at: Vec<f64> = stops.iter().map(at).collect();
    writer.put(STOPPED_AT, &[0], ArrayView1::from(&at).into_dyn())
}

fn compression(spec: &ExperimentSpec) -> Compression {
    match spec.run.compression {
        0 => Compression::None,
        level => Compression::Deflate(level),
    }
}

/// Dimensions of a run, its activity if that is kept, and baselines.
fn activity_layout(
    plan: &Plan,
    spec: &ExperimentSpec,
    datasets: &[Dataset],
    chunk: usize,
    keep: bool,
) -> (Vec<Dim>, Vec<Var>) {
    let record = &plan.record;
    let info = plan.circuit.info();
    let names = || record.areas.iter().map(|a| plan.areas[a.index()].clone());
    let mut dims = vec![Dim::int(
        "replicate",
        (0..i64::from(plan.replicates)).collect(),
        "1",
        "replicate: the same model under other noise",
    )];
    if keep {
        let time: Vec<f64> = (0..record.samples).map(|k| plan.sample_ms(k)).collect();
        dims.push(
            Dim::float("time", time, "ms", "time from the start of the run").in_blocks(chunk),
        );
    }
    dims.push(Dim::text("area", names()));
    if datasets.iter().any(|d| d.by_population) {
        dims.push(Dim::text("population", populations(plan)));
    }
    let dtype = match spec.run.precision {
        Precision::Float64 => Dtype::F64,
        Precision::Float32 => Dtype::F32,
    };
    let mut vars = Vec::new();
    for dataset in datasets {
        let variable = &info.variables[record.variables[dataset.variables[0]]];
        let (shape, long_name): (&[&str], _) = if dataset.by_population {
            (
                &["replicate", "time", "area", "population"],
                quantity_name(variable.doc),
            )
        } else {
            (&["replicate", "time", "area"], variable.doc.to_owned())
        };
        if keep {
            let mut var = Var::new(&dataset.name, shape, variable.unit, &long_name);
            var.dtype = dtype;
            vars.push(var);
        }
        let shape = &shape[2..];
        let name = format!("{}_baseline", dataset.name);
        let long_name = format!("{long_name}: baseline, the state without stimuli or noise");
        vars.push(Var::new(&name, shape, variable.unit, &long_name));
    }
    (dims, vars)
}

/// `excitatory firing rate` of one population is `firing rate` of all.
fn quantity_name(doc: &str) -> String {
    let rest = doc
        .strip_prefix("excitatory ")
        .or_else(|| doc.strip_prefix("inhibitory "));
    let rest = rest.unwrap_or(doc);
    // `firing rate of E, selectivity 1`
    rest.split_once(" of ")
        .map_or(rest, |(what, _)| what)
        .to_owned()
}

fn measure_layout(spec: &ExperimentSpec, plan: &Plan, dims: &mut Vec<Dim>, vars: &mut Vec<Var>) {
    if spec.analysis.timescales.is_some() {
        let long = "timescale: decay of the autocorrelation by a single exponential, or the \
                    amplitude-weighted sum of two where two fit at least 8 times better";
        vars.push(Var::new("timescale", &["area"], "ms", long));
        let long = "how many exponentials the timescale comes from";
        vars.push(Var::new("timescale_exponentials", &["area"], "1", long));
        let long = "1 where the timescale depends on the longest lag or the longest time constant \
                    of the estimator";
        vars.push(Var::new("timescale_uncertain", &["area"], "1", long));
    }
    if let Some(d) = &spec.analysis.delay_activity {
        let unit = plan.circuit.info().unit(&d.variable);
        for (name, window) in [
            ("baseline_activity", d.baseline),
            ("delay_activity", d.delay),
        ] {
            let long = format!(
                "mean of {} from {} to {} ms and over replicates",
                d.variable, window.from_ms, window.to_ms
            );
            vars.push(Var::new(name, &["area"], unit, &long));
        }
        let long = format!(
            "1 where delay activity exceeds baseline activity by more than {}",
            d.persistent_above
        );
        vars.push(Var::new("persistent", &["area"], "1", &long));
    }
    if let Some(l) = &spec.analysis.latencies {
        let long = format!(
            "time from the onset of {} until {} reaches {} of its largest departure, mean over \
             replicates",
            l.stimulus, l.variable, l.fraction
        );
        vars.push(Var::new("latency", &["area"], "ms", &long));
    }
    if spec.analysis.functional_connectivity.is_some() {
        let names = plan
            .record
            .areas
            .iter()
            .map(|a| plan.areas[a.index()].clone());
        dims.push(Dim::text("area_source", names));
        let long = "functional connectivity: Pearson correlation of the activity of two areas";
        vars.push(Var::new(
            "functional_connectivity",
            &["area", "area_source"],
            "1",
            long,
        ));
    }
    if spec.analysis.modes.is_some() {
        let n = plan.n_areas() * plan.circuit.info().states;
        dims.push(Dim::int(
            "mode",
            (0..n as i64).collect(),
            "1",
            "eigenmode, slowest first",
        ));
        vars.push(Var::new(
            "eigenvalue_real",
            &["mode"],
            "1/ms",
            "eigenvalue, real part",
        ));
        vars.push(Var::new(
            "eigenvalue_imag",
            &["mode"],
            "1/ms",
            "eigenvalue, imaginary part",
        ));
        vars.push(Var::new(
            "mode_timescale",
            &["mode"],
            "ms",
            "-1 / real part of the eigenvalue",
        ));
        let long = "inverse participation ratio: sum over areas of |v|^4 with sum of |v|^2 = 1";
        vars.push(Var::new(
            "inverse_participation_ratio",
            &["mode"],
            "1",
            long,
        ));
    }
}

/// Lobe, position and gradients along `area`.
fn area_coordinates(network: &Network, plan: &Plan) -> Vec<Aux> {
    let connectome = &network.connectome;
    let areas = || {
        plan.record
            .areas
            .iter()
            .map(|a| &connectome.areas[a.index()])
    };
    let mut out = Vec::new();
    let mut push = |name: &str, long_name: &str, values: AuxValues| {
        let (name, long_name) = (name.to_owned(), long_name.to_owned());
        out.push(Aux {
            name,
            dim: "area".to_owned(),
            long_name,
            values,
        });
    };
    if areas().any(|a| a.lobe.is_some()) {
        let lobes = areas()
            .map(|a| a.lobe.clone().unwrap_or_default())
            .collect();
        push("lobe", "lobe of the cortex", AuxValues::Text(lobes));
    }
    if areas().all(|a| a.position_mm.is_some()) && !plan.record.areas.is_empty() {
        for (axis, name) in ["inflated_x", "inflated_y", "inflated_z"]
            .into_iter()
            .enumerate()
        {
            let values = areas()
                .map(|a| a.position_mm.map_or(f64::NAN, |p| p[axis]))
                .collect();
            let units = "mm".to_owned();
            let long = "position of the area's centre on an inflated surface, for drawing only";
            push(name, long, AuxValues::Float { values, units });
        }
    }
    for gradient in &connectome.gradients {
        let values = plan
            .record
            .areas
            .iter()
            .map(|a| gradient.values[a.index()])
            .collect();
        let units = match gradient.unit.as_str() {
            "dimensionless" => String::new(),
            unit => unit.to_owned(),
        };
        push(
            &gradient.name,
            &gradient.description,
            AuxValues::Float { values, units },
        );
    }
    out
}

/// What trials are counted along: `replicate` where each is a run of its own.
fn trial_dimension(network: &Network) -> &'static str {
    match network.trials.as_ref().is_some_and(|t| t.sessions) {
        true => "trial",
        false => "replicate",
    }
}

/// The trial table: condition and events of every trial, as coordinates along trials.
fn trial_coordinates(network: &Network) -> Vec<Aux> {
    let Some(trials) = &network.trials else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let along = trial_dimension(network);
    let mut push = |name: String, long_name: String, values: AuxValues| {
        out.push(Aux {
            name,
            dim: along.to_owned(),
            long_name,
            values,
        });
    };
    let conditions = (trials.trials.iter()).map(|t| trials.conditions[t.condition].clone());
    let long = "condition of the trial".to_owned();
    push(
        "condition".to_owned(),
        long,
        AuxValues::Text(conditions.collect()),
    );
    if trials.sessions {
        let all = || trials.trials.iter();
        let number = |values: Vec<f64>, units: &str| AuxValues::Float {
            values,
            units: units.to_owned(),
        };
        let runs = all().map(|t| f64::from(t.run)).collect();
        let long = "session of the trial: index along `replicate`".to_owned();
        push("session".to_owned(), long, number(runs, ""));
        let starts = all().map(|t| t.start_ms).collect();
        let long = "start of the trial from that of its session".to_owned();
        push("trial_start".to_owned(), long, number(starts, "ms"));
    }
    if let Some(rule) = &network.learning {
        // Every session has the same stretches.
        let sessions = trials.trials.len() / rule.rewarded.len().max(1);
        let of = |&k: &usize| rule.choices[k].name.clone();
        let all = (0..sessions).flat_map(|_| rule.rewarded.iter().map(of));
        let long = "choice that is rewarded".to_owned();
        push(
            "rewarded_choice".to_owned(),
            long,
            AuxValues::Text(all.collect()),
        );
    }
    for (e, (event, &repeats)) in trials.events.iter().zip(&trials.repeats).enumerate() {
        for repeat in 0..repeats {
            let name = event_name(event, repeats, repeat);
            let what = match repeats {
                1 => format!("event {event}"),
                _ => format!("event {event}, repeat {}", repeat + 1),
            };
            let shown = || trials.trials.iter().map(|t| t.event(e, repeat));
            let number = |of: &dyn Fn(&Shown) -> f64, units: &str| AuxValues::Float {
                values: shown().map(|s| s.map_or(f64::NAN, of)).collect(),
                units: units.to_owned(),
            };
            let stimuli = shown().map(|s| s.map_or(String::new(), |s| s.stimulus.clone()));
            let long = format!("{what}: stimulus that is shown, empty for none");
            push(
                format!("{name}_stimulus"),
                long,
                AuxValues::Text(stimuli.collect()),
            );
            let onset = number(&|s| s.onset_ms, "ms");
            let long = format!("{what}: start from that of the trial");
            push(format!("{name}_onset"), long, onset);
            let offset = number(&|s| s.offset_ms, "ms");
            let long = format!("{what}: end from the start of the trial");
            push(format!("{name}_offset"), long, offset);
            let strength = number(&|s| s.strength, "");
            let long = format!("{what}: factor on the amplitude of the stimulus");
            push(format!("{name}_strength"), long, strength);
            if shown().flatten().any(|s| s.matches.is_some()) {
                let of = |s: &Shown| s.matches.map_or(f64::NAN, |m| f64::from(u8::from(m)));
                let long = format!("{what}: 1 if it is what it may match, 0 if not");
                push(format!("{name}_match"), long, number(&of, ""));
            }
            if shown().flatten().any(|s| s.lure.is_some()) {
                let of = |s: &Shown| s.lure.map_or(f64::NAN, |l| f64::from(u8::from(l)));
                let long = format!(
                    "{what}: 1 if it is a lure, shown one repeat too near or too far, 0 if not"
                );
                push(format!("{name}_lure"), long, number(&of, ""));
            }
        }
    }
    out
}

/// Readouts of the trials, along trials.
fn readout_layout(
    network: &Network,
    spec: &ExperimentSpec,
    dims: &mut Vec<Dim>,
    vars: &mut Vec<Var>,
) {
    let Some(task) = &spec.task else { return };
    let info = network.info();
    let along = trial_dimension(network);
    if let Some(trials) = network.trials.as_ref().filter(|t| t.sessions) {
        let numbers = (0..trials.trials.len() as i64).collect();
        let long = "trial, in the order of sessions and of trials in each";
        dims.push(Dim::int("trial", numbers, "1", long));
    }
    for r in &task.readouts {
        let name = &r.name;
        let mut push = |suffix: &str, unit: &str, long: &str| {
            let mut var = Var::new(&format!("readout_{name}{suffix}"), &[along], unit, long);
            if let (ReadoutKind::Winner { of, .. } | ReadoutKind::Threshold { of, .. }, "") =
                (&r.what, suffix)
            {
                let names: Vec<&str> = of.keys().map(String::as_str).collect();
                var.attrs
                    .push(("choices".to_owned(), names.join(" ").into()));
            }
            vars.push(var);
        };
        match &r.what {
            ReadoutKind::Mean { variable, minus } => {
                let minus = minus
                    .as_ref()
                    .map_or(String::new(), |m| format!(" minus {m}"));
                let long = format!("{variable}{minus}: mean over areas and window");
                push("", info.unit(variable), &long);
            }
            ReadoutKind::Persistent { variable, .. } => {
                push(
                    "",
                    "1",
                    &format!("number of areas with persistent {variable}"),
                );
            }
            ReadoutKind::Winner { .. } | ReadoutKind::Threshold { .. } => {
                push("", "1", "choice: index into `choices`, NaN for none");
                push(
                    "_correct",
                    "1",
                    "1 where the choice is right, 0 where it is wrong",
                );
                if matches!(r.what, ReadoutKind::Threshold { .. }) {
                    push("_time", "ms", "reaction time from the start of the window");
                }
            }
        }
    }
    for (name, long) in learning_columns(network) {
        vars.push(Var::new(&name, &[along], "1", &long));
    }
    if !task.d_prime.is_empty() {
        dims.push(Dim::text("sensitivity", task.d_prime.keys().cloned()));
        let long = "d': z of the share of trials with a choice, signal minus noise";
        vars.push(Var::new("d_prime", &["sensitivity"], "1", long));
    }
}

/// Everything needed to run again, and to cite.
fn attributes(network: &Network, plan: &Plan, spec: &ExperimentSpec) -> Vec<(String, Attr)> {
    let provenance = &network.connectome.provenance;
    let info = plan.circuit.info();
    let text = |key: &str, value: String| (key.to_owned(), Attr::Text(value));
    let citations = provenance.publications.iter().map(|p| p.citation.clone());
    vec![
        text("title", spec.title.clone()),
        text("description", spec.description.clone()),
        text("references", spec.sources.join("\n")),
        text("source", format!("isocortex {}", crate::record::VERSION)),
        text("isocortex_version", crate::record::VERSION.to_owned()),
        text("isocortex_commit", crate::record::COMMIT.to_owned()),
        text("config", spec.config.canonical()),
        text("config_sha256", spec.config.digest()),
        text("connectome", provenance.source.clone()),
        text("connectome_sha256", provenance.digest()),
        text(
            "connectome_references",
            citations.collect::<Vec<_>>().join("\n"),
        ),
        text("circuit", info.name.to_owned()),
        text(
            "circuit_reference",
            format!("{}, doi {}", info.citation, info.doi),
        ),
        text("plan", plan.explain()),
        (
            "seed".to_owned(),
            // NetCDF-4 readers know no unsigned 64-bit attribute everywhere; larger seeds are text.
            i64::try_from(plan.seed).map_or_else(|_| Attr::Text(plan.seed.to_string()), Attr::Int),
        ),
        ("dt_ms".to_owned(), Attr::Float(plan.dt_ms)),
    ]
}

/// Whoever takes blocks of variables by name: a result file, or one condition of a sweep.
pub trait Put {
    /// Takes a block of a variable, whose first element is at index `start`.
    ///
    /// # Errors
    /// No such variable, no room for the block, a full disk.
    fn put(
        &mut self,
        var: &str,
        start: &[usize],
        block: ArrayViewD<'_, f64>,
    ) -> Result<(), RecordError>;
}

impl Put for Writer {
    fn put(
        &mut self,
        var: &str,
        start: &[usize],
        block: ArrayViewD<'_, f64>,
    ) -> Result<(), RecordError> {
        self.write(var, start, block)
    }
}

/// Writes the chunks of runs. Of every chunk of a replicate all variables come before the next; those that share a
/// dataset go out together with the last of them, as its rows lie in the file.
pub struct Activity<'a> {
    datasets: &'a [Dataset],
    /// Of each dataset with populations.
    rows: Vec<Rows>,
}

/// Rows of a dataset with populations.
#[derive(Clone, Default)]
struct Rows {
    /// `[time][area][population]`.
    values: Vec<f64>,
    /// Populations that are there.
    filled: usize,
}

impl<'a> Activity<'a> {
    /// With room for the rows of each dataset.
    #[must_use]
    pub fn new(datasets: &'a [Dataset]) -> Self {
        let rows = vec![Rows::default(); datasets.len()];
        Activity { datasets, rows }
    }

    /// Takes a chunk of one recorded variable of one replicate.
    ///
    /// # Errors
    /// As [`Put::put`].
    pub fn write(
        &mut self,
        writer: &mut impl Put,
        variable: usize,
        replicate: u32,
        first: usize,
        values: ArrayView2<'_, f64>,
    ) -> Result<(), RecordError> {
        let mut both = self.datasets.iter().zip(&mut self.rows);
        let holds = |(d, _): &(&Dataset, &mut Rows)| d.variables.contains(&variable);
        let Some((dataset, rows)) = both.find(holds) else {
            return Ok(());
        };
        if !dataset.by_population {
            let block = values.insert_axis(Axis(0));
            let start = [replicate as usize, first, 0];
            return writer.put(&dataset.name, &start, block.into_dyn());
        }
        let populations = dataset.variables.len();
        rows.values.resize(values.len() * populations, 0.0);
        let at = dataset.variables.iter().take_while(|&&v| v != variable);
        let column = rows.values.iter_mut().skip(at.count());
        let column = column.step_by(populations);
        column.zip(values).for_each(|(to, value)| *to = *value);
        rows.filled += 1;
        if rows.filled < populations {
            return Ok(());
        }
        rows.filled = 0;
        let shape = (1, values.nrows(), values.ncols(), populations);
        let block = ArrayView4::from_shape(shape, &rows.values[..]);
        let block = block.expect("as many as there are values");
        let start = [replicate as usize, first, 0, 0];
        writer.put(&dataset.name, &start, block.into_dyn())
    }
}

/// Writes the baseline and the measures.
///
/// # Errors
/// As [`Put::put`].
pub fn write_measures(
    writer: &mut impl Put,
    plan: &Plan,
    baseline: &[f64],
    measures: &Measures,
) -> Result<(), RecordError> {
    let variables = plan.circuit.info().variables.len();
    let areas = &plan.record.areas;
    for dataset in datasets(plan) {
        let name = format!("{}_baseline", dataset.name);
        for (at, &v) in dataset.variables.iter().enumerate() {
            let of = |a: &crate::ids::AreaId| {
                baseline[plan.position[a.index()] * variables + plan.record.variables[v]]
            };
            let column: Array1<f64> = areas.iter().map(of).collect();
            if dataset.by_population {
                let column = column.insert_axis(Axis(1));
                writer.put(&name, &[0, at], column.view().into_dyn())?;
            } else {
                writer.put(&name, &[0], column.view().into_dyn())?;
            }
        }
    }
    let mut put =
        |name: &str, values: &[f64]| writer.put(name, &[0], ArrayView1::from(values).into_dyn());
    if let Some(rows) = &measures.timescales {
        let values: Vec<f64> = rows.iter().map(|r| r.tau_ms.unwrap_or(f64::NAN)).collect();
        put("timescale", &values)?;
        let values: Vec<f64> = rows.iter().map(|r| f64::from(r.exponentials)).collect();
        put("timescale_exponentials", &values)?;
        let values: Vec<f64> = rows
            .iter()
            .map(|r| f64::from(u8::from(r.is_uncertain())))
            .collect();
        put("timescale_uncertain", &values)?;
    }
    if let Some(rows) = &measures.delay_activity {
        let values = |of: fn(&DelayActivity) -> f64| rows.iter().map(of).collect::<Vec<f64>>();
        put("baseline_activity", &values(|d| d.baseline))?;
        put("delay_activity", &values(|d| d.delay))?;
        put("persistent", &values(|d| f64::from(u8::from(d.persistent))))?;
    }
    if let Some(table) = &measures.trials {
        for column in &table.readouts {
            let name = format!("readout_{}", column.name);
            let number = |x: Option<f64>| x.unwrap_or(f64::NAN);
            match &column.values {
                ReadoutValues::Number { values, .. } => {
                    let values: Vec<f64> = values.iter().copied().map(number).collect();
                    put(&name, &values)?;
                }
                ReadoutValues::Choice { choices, .. } => {
                    let of = |value: &dyn Fn(&Choice) -> Option<f64>| -> Vec<f64> {
                        (choices.iter())
                            .map(|c| number(c.as_ref().and_then(value)))
                            .collect()
                    };
                    put(&name, &of(&|c| c.chosen.map(|k| k as f64)))?;
                    let correct = of(&|c| c.correct.map(|x| f64::from(u8::from(x))));
                    put(&format!("{name}_correct"), &correct)?;
                    if column.timed {
                        put(&format!("{name}_time"), &of(&|c| c.reaction_ms))?;
                    }
                }
            }
        }
        if let Some(learning) = &table.learning {
            let rewarded = learning.rewarded.iter();
            let rewarded = rewarded.map(|r| r.map_or(f64::NAN, |r| f64::from(u8::from(r))));
            put("rewarded", &rewarded.collect::<Vec<f64>>())?;
            for (state, values) in &learning.strengths {
                put(&format!("learned_{state}"), values)?;
            }
        }
        if !table.d_prime.is_empty() {
            let values: Vec<f64> = (table.d_prime.iter())
                .map(|(_, d)| d.unwrap_or(f64::NAN))
                .collect();
            put("d_prime", &values)?;
        }
    }
    if let Some(rows) = &measures.latencies {
        let values: Vec<f64> = rows.iter().map(|l| l.unwrap_or(f64::NAN)).collect();
        put("latency", &values)?;
    }
    if let Some(modes) = &measures.modes {
        put("eigenvalue_real", &modes.real)?;
        put("eigenvalue_imag", &modes.imag)?;
        put("mode_timescale", &modes.timescale_ms)?;
        put("inverse_participation_ratio", &modes.participation)?;
    }
    if let Some(fc) = &measures.functional_connectivity {
        writer.put(
            "functional_connectivity",
            &[0, 0],
            fc.correlation.view().into_dyn(),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, ArrayD};

    use super::*;

    /// Arrays by name.
    struct Arrays(Vec<(String, ArrayD<f64>)>);

    impl Put for Arrays {
        fn put(
            &mut self,
            var: &str,
            start: &[usize],
            block: ArrayViewD<'_, f64>,
        ) -> Result<(), RecordError> {
            let of = |(name, array)| (name == var).then_some(array);
            let array = self
                .0
                .iter_mut()
                .find_map(|(n, a)| of((n.as_str(), a)))
                .unwrap();
            for (at, value) in block.indexed_iter() {
                let at: Vec<usize> = (0..start.len()).map(|k| start[k] + at[k]).collect();
                array[&at[..]] = *value;
            }
            Ok(())
        }
    }

    /// Populations that go out together, in whatever order they come and however the run is cut, lie where they belong.
    #[test]
    fn populations_go_out_together() {
        let dataset = |name: &str, variables: &[usize], by_population| Dataset {
            name: name.to_owned(),
            variables: variables.to_vec(),
            by_population,
        };
        let datasets = [
            dataset("rate", &[3, 0], true),
            dataset("gate", &[1, 2, 4], true),
            dataset("input", &[5], false),
            dataset("current", &[6], true),
        ];
        let (runs, samples, areas) = (2, 7, 3);
        let array = |d: &Dataset| {
            let mut shape = vec![runs, samples, areas];
            shape.extend(d.by_population.then_some(d.variables.len()));
            (d.name.clone(), ArrayD::zeros(shape))
        };
        let mut arrays = Arrays(datasets.iter().map(array).collect());
        let values = |variable: usize, run: usize| {
            let of = |(t, a)| (1000 * variable + 100 * run + 10 * t + a + 1) as f64;
            Array2::from_shape_fn((samples, areas), of)
        };
        let mut activity = Activity::new(&datasets);
        for (from, until) in [(0, 4), (4, 5), (5, 7)] {
            for run in 0..runs {
                for variable in [0, 6, 1, 4, 3, 5, 2] {
                    let all = values(variable, run);
                    let part = all.slice(ndarray::s![from..until, ..]);
                    (activity.write(&mut arrays, variable, run as u32, from, part)).unwrap();
                }
            }
        }
        for (dataset, (name, array)) in datasets.iter().zip(&arrays.0) {
            for (at, &found) in array.indexed_iter() {
                let variable = dataset.variables[if dataset.by_population { at[3] } else { 0 }];
                let expected = values(variable, at[0])[[at[1], at[2]]];
                assert!(found == expected, "{name} {at:?}: {found}, not {expected}");
            }
        }
    }
}
