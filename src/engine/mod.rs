//! The loop: blocks of lanes advanced in parallel, chunk by chunk, each chunk handed to a sink.
//!
//! Rayon runs over blocks of an ensemble, never over the areas of one run. Blocks do not see each
//! other, chunks only cut the recording, and every number is looked up by address: no result
//! depends on threads, lanes or chunk length.

mod layout;
mod measure;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::{Array3, ArrayView2, s};
use rayon::prelude::*;

use crate::analysis::AnalysisError;
use crate::network::Network;
use crate::plan::Plan;
use crate::record::{RecordError, Writer};
use crate::spec::{ExperimentSpec, SpecError};
use crate::stepper::linear::{NoFixedPoint, baseline_state, start_from, start_state};
use crate::stepper::{Divergence, Samples, Simulation};

pub use layout::{Dataset, datasets};
pub use measure::{
    Connectivity, LinearNetwork, Measures, ModeTable, Peak, TimescaleRow, check as check_measures,
    connectivity_of, driving_noise, exact_covariance, linear_network, measure_network,
    measure_recording, mode_table, modes, needs_recording, peaks, simulated_connectivity,
    simulated_timescales, timescales_of,
};

/// Why a run did not finish.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The baseline was not found.
    #[error(transparent)]
    NoFixedPoint(#[from] NoFixedPoint),
    /// The result file could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A measure could not be computed.
    #[error("{measure}: {source}")]
    Analysis {
        /// Which one.
        measure: String,
        /// Why.
        source: AnalysisError,
    },
    /// A measure asks for something that the experiment does not have.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Every replicate left the finite numbers.
    #[error(
        "the model diverged: {variable} of area {area} is not finite at {time_ms} ms (replicate \
         {replicate}); expected finite values, so the network is unstable for these parameters or \
         simulation.dt = {dt_ms} ms is too long"
    )]
    Diverged {
        /// Variable.
        variable: &'static str,
        /// Area.
        area: String,
        /// Time of the first sample that is not finite.
        time_ms: f64,
        /// Replicate.
        replicate: u32,
        /// Step.
        dt_ms: f64,
    },
    /// The person asked to stop.
    #[error(
        "stopped at {time_ms} ms of {duration_ms} ms; what was finished is kept in {}",
        .partial.display()
    )]
    Stopped {
        /// Time of the last sample kept.
        time_ms: f64,
        /// Length of the run.
        duration_ms: f64,
        /// Where it is kept.
        partial: PathBuf,
    },
    /// The person asked to stop before anything that could be kept was finished.
    #[error("stopped before it was finished; nothing was written")]
    Interrupted,
    /// The run is complete but a measure of it could not be taken.
    #[error("{source}; the activity is complete in {}, without this measure", .path.display())]
    Unmeasured {
        /// The result file.
        path: PathBuf,
        /// What happened.
        source: Box<EngineError>,
    },
    /// Threads could not be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many.
        threads: usize,
        /// Why.
        reason: String,
    },
}

/// Told how a run goes on; implemented by whoever shows it.
pub trait Progress: Sync {
    /// `done` of `total` samples are finished.
    fn samples(&self, done: u64, total: u64);
}

/// Shows nothing.
pub struct Quiet;

impl Progress for Quiet {
    fn samples(&self, _done: u64, _total: u64) {}
}

/// How a run is carried out; nothing here changes a result.
pub struct Conditions<'a> {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Set to stop after the current chunk.
    pub stop: &'a AtomicBool,
    /// Told how it goes on.
    pub progress: &'a dyn Progress,
}

/// The recorded activity of a run.
#[derive(Debug, Clone)]
pub struct Recording {
    /// One array per recorded variable, [replicate, time, area], areas as recorded.
    pub variables: Vec<Array3<f64>>,
    /// Time of each sample, ms.
    pub time_ms: Vec<f64>,
    /// First value of each replicate that was not finite.
    pub diverged: Vec<Option<Divergence>>,
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The result file.
    pub path: PathBuf,
    /// The baseline, `[position][variable]`.
    pub baseline: Vec<f64>,
    /// What was measured.
    pub measures: Measures,
    /// The first replicate's activity, [time, area] per recorded variable, for tables and figures.
    pub first: Recording,
    /// Replicates that left the finite numbers; their samples from there on are as they came.
    pub diverged: Vec<Option<Divergence>>,
}

/// Buffered samples of all blocks may take this much memory before a chunk is handed on.
const CHUNK_BYTES: usize = 16 << 20;
/// A chunk ends at the latest after this many steps times areas over all replicates, so that
/// progress moves and a request to stop is heard within a fraction of a second.
const CHUNK_AREA_STEPS: u64 = 20_000_000;

/// Samples per chunk.
#[must_use]
pub fn chunk_samples(plan: &Plan) -> usize {
    let record = &plan.record;
    let replicates = u64::from(plan.replicates);
    let bytes = 8 * (record.variables.len() * record.areas.len()) as u64 * replicates;
    let by_memory = CHUNK_BYTES as u64 / bytes.max(1);
    let work = record.every * plan.n_areas() as u64 * replicates;
    let by_time = CHUNK_AREA_STEPS / work.max(1);
    by_memory.min(by_time).clamp(1, record.samples.max(1)) as usize
}

/// Runs all replicates from `start` and hands every chunk to `sink`: (variable, replicate, first
/// sample, values [time, area]). Returns the first value of each replicate that was not finite, and
/// how many samples were finished.
///
/// # Errors
/// What the sink and `chunk_done` return.
fn drive(
    plan: &Plan,
    start: &[f64],
    pool: &rayon::ThreadPool,
    conditions: &Conditions<'_>,
    mut sink: impl FnMut(usize, u32, usize, ArrayView2<'_, f64>) -> Result<(), EngineError>,
    mut chunk_done: impl FnMut() -> Result<(), EngineError>,
) -> Result<(Vec<Option<Divergence>>, u64), EngineError> {
    let capacity = chunk_samples(plan);
    let mut blocks: Vec<(u32, Simulation<'_>, Samples)> = plan
        .blocks()
        .into_iter()
        .map(|(first, count)| {
            let samples = Samples::new(plan, count as usize, capacity);
            (first, Simulation::new(plan, first, count, start), samples)
        })
        .collect();
    let areas = plan.record.areas.len();
    let mut done = 0_u64;
    let mut reached = 0_u64;
    let work = (plan.n_areas() as u64 * u64::from(plan.replicates)).max(1);
    let budget = (CHUNK_AREA_STEPS / work).max(1);
    while done < plan.record.samples && !conditions.stop.load(Ordering::Relaxed) {
        // The steps before the first sample end before it: chunks then start at samples.
        let until = match plan.record.first.checked_sub(reached + 1) {
            Some(before) if before > 0 => reached + budget.min(before),
            _ => reached + budget,
        };
        pool.install(|| {
            blocks.par_iter_mut().for_each(|(_, simulation, samples)| {
                samples.clear();
                simulation.advance_until(samples, until);
            });
        });
        // All blocks stop at the same step: they have the same schedule and the same room.
        let written = blocks.first().map_or(0, |(_, _, samples)| samples.written);
        reached = blocks
            .first()
            .map_or(until, |(_, simulation, _)| simulation.step());
        if written == 0 {
            continue;
        }
        for (first, simulation, samples) in &blocks {
            let replicates = simulation.replicates();
            for v in 0..plan.record.variables.len() {
                for r in 0..replicates {
                    let row = (v * replicates + r) * capacity * areas;
                    let values = &samples.data[row..][..written * areas];
                    let view = ArrayView2::from_shape((written, areas), values)
                        .expect("samples are stored [time][area]");
                    sink(v, first + r as u32, done as usize, view)?;
                }
            }
        }
        done += written as u64;
        chunk_done()?;
        conditions.progress.samples(done, plan.record.samples);
        if blocks
            .iter()
            .all(|(_, _, samples)| samples.diverged.iter().all(Option::is_some))
        {
            break;
        }
    }
    let diverged = blocks
        .into_iter()
        .flat_map(|(_, _, samples)| samples.diverged)
        .collect();
    Ok((diverged, done))
}

/// Worker threads of a run and of its measures.
fn pool(threads: usize) -> Result<rayon::ThreadPool, EngineError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1));
    pool.build().map_err(|e| EngineError::Threads {
        threads,
        reason: e.to_string(),
    })
}

/// The error of a run in which every replicate diverged.
fn all_diverged(plan: &Plan, diverged: &[Option<Divergence>]) -> Option<EngineError> {
    let all: Option<Vec<Divergence>> = diverged.iter().copied().collect();
    let (replicate, first) = all?
        .into_iter()
        .enumerate()
        .min_by_key(|(replicate, d)| (d.sample, *replicate))?;
    Some(EngineError::Diverged {
        variable: plan.circuit.info().variables[first.variable].name,
        area: plan.areas[first.area].clone(),
        time_ms: plan.sample_ms(first.sample),
        replicate: replicate as u32,
        dt_ms: plan.dt_ms,
    })
}

/// Runs an experiment in memory.
///
/// # Errors
/// No fixed point; divergence of every replicate.
pub fn simulate(plan: &Plan, conditions: &Conditions<'_>) -> Result<Recording, EngineError> {
    let start = start_state(plan)?;
    let shape = (
        plan.replicates as usize,
        plan.record.samples as usize,
        plan.record.areas.len(),
    );
    let mut variables = vec![Array3::zeros(shape); plan.record.variables.len()];
    let (diverged, done) = drive(
        plan,
        &start,
        &pool(conditions.threads)?,
        conditions,
        |v, replicate, first, values| {
            let span = first..first + values.nrows();
            variables[v]
                .slice_mut(s![replicate as usize, span, ..])
                .assign(&values);
            Ok(())
        },
        || Ok(()),
    )?;
    if let Some(error) = all_diverged(plan, &diverged) {
        return Err(error);
    }
    if done < plan.record.samples {
        return Err(EngineError::Interrupted);
    }
    let time_ms = (0..done).map(|k| plan.sample_ms(k)).collect();
    Ok(Recording {
        variables,
        time_ms,
        diverged,
    })
}

/// Runs an experiment and writes its result file, analyses included.
///
/// The file grows under a temporary name and gets its own when it is complete.
///
/// # Errors
/// See [`EngineError`]. Where nothing was finished, nothing is left behind.
pub fn run(
    network: &Network,
    plan: &Plan,
    spec: &ExperimentSpec,
    output: &Path,
    conditions: &Conditions<'_>,
) -> Result<Outcome, EngineError> {
    check_measures(network, spec)?;
    let baseline = baseline_state(plan)?;
    let start = start_from(plan, &baseline);
    let pool = pool(conditions.threads)?;
    let mut measures = pool.install(|| measure_network(network, plan, spec, &baseline))?;
    let datasets = datasets(plan);
    let layout = layout::layout(network, plan, spec, &datasets, chunk_samples(plan));
    let mut writer = Writer::create(output, &layout)?;
    let record = &plan.record;
    let keep_all = needs_recording(spec);
    let kept = if keep_all {
        plan.replicates as usize
    } else {
        1
    };
    let shape = (kept, record.samples as usize, record.areas.len());
    let mut memory = vec![Array3::zeros(shape); record.variables.len()];
    let outcome = {
        let writer = std::cell::RefCell::new(&mut writer);
        drive(
            plan,
            &start,
            &pool,
            conditions,
            |v, replicate, first, values| {
                if (replicate as usize) < kept {
                    let span = first..first + values.nrows();
                    memory[v]
                        .slice_mut(s![replicate as usize, span, ..])
                        .assign(&values);
                }
                layout::write(
                    &mut writer.borrow_mut(),
                    &datasets,
                    v,
                    replicate,
                    first,
                    values,
                )?;
                Ok(())
            },
            || Ok(writer.borrow_mut().flush()?),
        )
    };
    let (diverged, done) = match outcome {
        Ok(ended) => ended,
        Err(error) => {
            writer.discard();
            return Err(error);
        }
    };
    if let Some(error) = all_diverged(plan, &diverged) {
        writer.discard();
        return Err(error);
    }
    if done < record.samples {
        let partial = writer.partial().to_owned();
        let duration_ms = plan.steps as f64 * plan.dt_ms;
        if done == 0 {
            writer.discard();
            return Err(EngineError::Interrupted);
        }
        let time_ms = plan.sample_ms(done - 1);
        drop(writer);
        return Err(EngineError::Stopped {
            time_ms,
            duration_ms,
            partial,
        });
    }
    let time_ms: Vec<f64> = (0..done).map(|k| plan.sample_ms(k)).collect();
    let mut recording = Recording {
        variables: memory,
        time_ms,
        diverged: diverged.clone(),
    };
    let measured = pool
        .install(|| measure_recording(network, plan, spec, &baseline, &recording, &mut measures));
    if let Err(error) = layout::write_measures(&mut writer, plan, &baseline, &measures) {
        writer.discard();
        return Err(error);
    }
    let path = writer.finish()?;
    if let Err(error) = measured {
        let source = Box::new(error);
        return Err(EngineError::Unmeasured { path, source });
    }
    for variable in &mut recording.variables {
        *variable = variable.slice(s![..1, .., ..]).to_owned();
    }
    Ok(Outcome {
        path,
        baseline,
        measures,
        first: recording,
        diverged,
    })
}
