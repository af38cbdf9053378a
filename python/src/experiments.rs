//! Runs, sweeps, scorecards, predictions: what the commands of the same names do.

use std::path::PathBuf;
use std::time::Duration;

use isocortex::circuit::CIRCUITS;
use isocortex::cli::prepare::Clock;
use isocortex::cli::{self, Failure, memory, prepare};
use isocortex::engine::{Conditions, Keep, modes};
use isocortex::network::Network;
use isocortex::plan::{Execution, Plan};
use isocortex::spec::{self, ConfigLayers, ExperimentSpec, bundled};
use isocortex::stepper::linear::{baseline_state, linearise};
use isocortex::sweep::{Carry, Earlier, Sweep};
use isocortex::{connectome, engine, fit as fits, prediction, validation};
use numpy::{PyArray2, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::watch::{raised, watched};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(run, module)?)?;
    module.add_function(wrap_pyfunction!(sweep, module)?)?;
    module.add_function(wrap_pyfunction!(collect, module)?)?;
    module.add_function(wrap_pyfunction!(fit, module)?)?;
    module.add_function(wrap_pyfunction!(reproduce, module)?)?;
    module.add_function(wrap_pyfunction!(validate, module)?)?;
    module.add_function(wrap_pyfunction!(predict, module)?)?;
    module.add_function(wrap_pyfunction!(check, module)?)?;
    module.add_function(wrap_pyfunction!(config, module)?)?;
    module.add_function(wrap_pyfunction!(linearised, module)?)?;
    module.add_function(wrap_pyfunction!(names, module)?)
}

/// A config as Python hands it over.
#[derive(FromPyObject)]
struct Source {
    /// A bundled name or a path, or a text.
    config: String,
    is_text: bool,
    /// `path=value`, as on the command line.
    sets: Vec<String>,
}

/// What a config that was no file is called in messages.
const UNNAMED: &str = "config";

impl Source {
    fn layers(&self) -> Result<ConfigLayers, Failure> {
        Ok(match self.is_text {
            true => ConfigLayers::of_text(UNNAMED, &self.config)?,
            false => ConfigLayers::read(&self.config)?,
        })
    }

    fn experiment(&self) -> Result<ExperimentSpec, Failure> {
        Ok(self.layers()?.with(&spec::overrides(&self.sets))?)
    }
}

fn threads(wanted: Option<usize>) -> Result<usize, Failure> {
    match wanted {
        None => Ok(cli::cores()),
        Some(n) => Ok(cli::parse_threads(&n.to_string()).map_err(|e| format!("threads: {e}"))?),
    }
}

/// How often a run that is kept writes a checkpoint, as the program does.
const CHECKPOINT: Duration = Duration::from_secs(10);

/// Runs an experiment into a file, with checkpoints if it shall be `kept`. Gives what a person should know
/// of it.
#[pyfunction]
fn run(
    py: Python<'_>,
    source: Source,
    output: PathBuf,
    kept: bool,
    resume: bool,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<String>> {
    watched(py, progress, |watch| {
        let threads = self::threads(threads)?;
        let checkpoint = prepare::begun(&output, resume)?;
        // The state lies in the lanes of the machine that began.
        let execution = checkpoint.as_ref().map(engine::execution_of);
        let prepared = prepare::prepare(source.experiment()?, execution.unwrap_or_default())?;
        cli::make_way(&output)?;
        let clock = Clock::new(CHECKPOINT);
        let keep = Keep {
            pace: kept.then_some(&clock),
            from: checkpoint.as_ref(),
        };
        let conditions = Conditions {
            threads,
            stop: &watch.stop,
            progress: watch,
        };
        let outcome = engine::run(
            &prepared.network,
            &prepared.plan,
            &prepared.spec,
            &output,
            &conditions,
            keep,
        )?;
        let mut warnings = prepared.divergence(&outcome);
        warnings.splice(0..0, prepared.warnings);
        Ok(warnings)
    })
}

/// Runs a sweep into a file. Gives the number of conditions run now and why others failed.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn sweep(
    py: Python<'_>,
    source: Source,
    output: PathBuf,
    resume: bool,
    restart: bool,
    activity: bool,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(usize, Vec<(usize, String)>)> {
    watched(py, progress, |watch| {
        let threads = self::threads(threads)?;
        let earlier = earlier(resume, restart)?;
        let mut layers = source.layers()?;
        let mut spec = layers.take_sweep(&source.sets)?;
        spec.keep_activity |= activity;
        let sweep = Sweep::new(layers, &spec, threads)?;
        memory::check_bytes("sweep", sweep.memory_bytes() as u128 * threads as u128)?;
        cli::make_way(&output)?;
        let carry = Carry {
            threads,
            stop: &watch.stop,
            progress: watch,
            earlier,
        };
        let summary = sweep.run(&output, &carry)?;
        Ok((summary.run, summary.failed.into_iter().collect()))
    })
}

/// What to do with earlier work of the same name.
fn earlier(resume: bool, restart: bool) -> Result<Earlier, Failure> {
    Ok(match (resume, restart) {
        (true, true) => {
            return Err("resume and restart: found both, expected one of them".into());
        }
        (true, false) => Earlier::Resume,
        (false, true) => Earlier::Forget,
        (false, false) => Earlier::Refuse,
    })
}

/// Writes what an unfinished sweep has finished into a file of its own. Gives the number of conditions.
#[pyfunction]
fn collect(py: Python<'_>, source: Source, output: PathBuf, to: PathBuf) -> PyResult<usize> {
    watched(py, None, |_| {
        let mut layers = source.layers()?;
        let spec = layers.take_sweep(&source.sets)?;
        cli::make_way(&to)?;
        let sweep = Sweep::new(layers, &spec, threads(None)?)?;
        Ok(sweep.collect(&output, &to)?)
    })
}

/// Fits parameters to targets, with tables and journal in a folder. Gives what was found, as JSON.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn fit(
    py: Python<'_>,
    name: String,
    sets: Vec<String>,
    folder: PathBuf,
    resume: bool,
    restart: bool,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<String> {
    watched(py, progress, |watch| {
        let threads = self::threads(threads)?;
        let fit = cli::prepare_fit(&name, &sets)?;
        memory::check_bytes("fit", fit.memory_bytes(threads))?;
        let carry = fits::Carry {
            threads,
            stop: &watch.stop,
            progress: watch,
            earlier: earlier(resume, restart)?,
        };
        let summary = cli::carry_out_fit(&fit, &folder, &carry)?;
        Ok(cli::fit_as_json(&fit, &summary, &folder).to_string())
    })
}

/// The scorecard of a paper, as JSON: `paper`, `scores`.
#[pyfunction]
fn reproduce(
    py: Python<'_>,
    paper: String,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<String> {
    watched(py, progress, |watch| {
        let threads = self::threads(threads)?;
        let text = cli::own_or_bundled(&paper, validation::bundled(), "targets", "paper")?;
        let file = validation::load(&paper, &text)?;
        let scores = validation::judge(&file, threads, &watch.stop, |done, total, _| {
            watch.tell(done as u64, total as u64);
        })?;
        let card = serde_json::json!({ "paper": file.paper, "scores": scores });
        Ok(card.to_string())
    })
}

/// A model beside a table of recordings, as JSON.
#[pyfunction]
fn validate(
    py: Python<'_>,
    recordings: String,
    experiment: Option<String>,
    sets: Vec<String>,
    threads: Option<usize>,
) -> PyResult<String> {
    watched(py, None, |watch| {
        let threads = self::threads(threads)?;
        let known = validation::bundled_recordings();
        let text = cli::own_or_bundled(&recordings, known, "recordings", "table")?;
        let mut table = validation::load_recordings(&recordings, &text)?;
        table.experiment = table.experiment.map(|own| cli::beside(&recordings, &own));
        let stop = &watch.stop;
        let compared = validation::compare(&table, experiment.as_deref(), &sets, threads, stop)?;
        Ok(serde_json::to_string(&compared)?)
    })
}

/// The table of a design of perturbations, as JSON: `title`, `rows`.
#[pyfunction]
fn predict(
    py: Python<'_>,
    design: String,
    sets: Vec<String>,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<String> {
    watched(py, progress, |watch| {
        let threads = self::threads(threads)?;
        let text = cli::own_or_bundled(&design, prediction::bundled(), "design", "design")?;
        let (config, mut wanted) = prediction::load(&design, &text)?;
        wanted.experiment = cli::beside(&design, &wanted.experiment);
        let screen = prediction::prepare(&config, &wanted, &sets)?;
        for (spec, plan) in screen.runs() {
            memory::check_recording(spec, plan)?;
        }
        let rows = prediction::predict(&screen, threads, &watch.stop, |done, total| {
            watch.tell(done as u64, total as u64);
        })?;
        Ok(serde_json::json!({ "title": wanted.title, "rows": rows }).to_string())
    })
}

/// Checks a config without running it. Gives warnings and what would be executed.
#[pyfunction]
fn check(py: Python<'_>, source: Source) -> PyResult<(Vec<String>, String)> {
    watched(py, None, |_| {
        let prepared = prepare::prepare(source.experiment()?, Execution::default())?;
        Ok((prepared.warnings, prepared.plan.explain()))
    })
}

/// The merged config, as YAML and as JSON.
#[pyfunction]
fn config(py: Python<'_>, source: Source) -> PyResult<(String, String)> {
    watched(py, None, |_| {
        let yaml = source.experiment()?.config.canonical();
        let tree: serde_json::Value = serde_yaml::from_str(&yaml)?;
        Ok((yaml, tree.to_string()))
    })
}

/// The network linearised at its baseline: Jacobian, areas, states, baseline, eigenmodes.
#[pyfunction]
fn linearised(py: Python<'_>, source: Source) -> PyResult<Bound<'_, PyDict>> {
    let (linear, areas, states, eigen) = watched(py, None, |_| {
        let spec = source.experiment()?;
        let network = Network::build(&spec)?;
        let plan = Plan::compile(&network, &spec, Execution::default())?;
        let baseline = baseline_state(&plan)?;
        let linear = linearise(&plan, &baseline);
        let eigen = modes(&plan, &baseline)?;
        let info = network.info();
        let states = info.variables[..info.states].iter();
        let states: Vec<(&str, &str)> = states.map(|v| (v.name, v.unit)).collect();
        Ok((linear, plan.areas.clone(), states, eigen))
    })?;
    let out = PyDict::new(py);
    out.set_item("jacobian", linear.jacobian.to_pyarray(py))?;
    let states_of = linear.state.slice(ndarray::s![.., ..states.len()]);
    let baseline: Bound<'_, PyArray2<f64>> = states_of.to_owned().to_pyarray(py);
    out.set_item("baseline", baseline)?;
    out.set_item("areas", areas)?;
    out.set_item("states", states)?;
    out.set_item("re", eigen.re().to_pyarray(py))?;
    out.set_item("im", eigen.im().to_pyarray(py))?;
    Ok(out)
}

/// Names of what travels inside the package: `configs`, `circuits`, `data`, `papers`,
/// `recordings`, `designs`, `fits`.
#[pyfunction]
fn names(kind: &str) -> PyResult<Vec<&'static str>> {
    Ok(match kind {
        "configs" => bundled::names().collect(),
        "circuits" => CIRCUITS.iter().map(|c| c.info().name).collect(),
        "data" => connectome::bundled().iter().map(|set| set.name).collect(),
        "papers" => validation::bundled()
            .iter()
            .map(|(name, _)| *name)
            .collect(),
        "recordings" => {
            let tables = validation::bundled_recordings();
            tables.iter().map(|(name, _)| *name).collect()
        }
        "designs" => prediction::bundled()
            .iter()
            .map(|(name, _)| *name)
            .collect(),
        "fits" => fits::bundled().iter().map(|(name, _)| *name).collect(),
        other => {
            let message = format!(
                "unknown kind: found `{other}`, expected configs, circuits, data, papers, recordings, \
                 designs or fits"
            );
            return Err(raised(&message));
        }
    })
}
