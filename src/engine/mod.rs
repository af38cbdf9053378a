//! The loop: blocks of lanes advanced in parallel, chunk by chunk, each chunk handed to a sink.
//!
//! Rayon runs over blocks of an ensemble, or over the parts of one large network. Blocks do not see
//! each other, chunks only cut the recording, and every number is looked up by address: no result
//! depends on threads, lanes or chunk length. A thread of its own hands finished chunks on, to a
//! file or to memory, while the next one is computed.

mod keep;
mod layout;
mod learning;
mod measure;
mod ranks;
mod summary;
mod trials;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;

use ndarray::{Array2, Array3, ArrayView2, s};
use rayon::prelude::*;

use crate::analysis::AnalysisError;
use crate::network::Network;
use crate::plan::{Condition, Part, Plan};
use crate::record::{Checkpoint, RecordError, Writer, checkpoint_path, partial_path};
use crate::spec::{ExperimentSpec, Precision, SpecError};
use crate::stepper::linear::{NoFixedPoint, baseline_state, start_from, start_state};
use crate::stepper::{Among, Exchange, Samples, Share, Stop, bounds};
use crate::units::rounded;
use learning::Block;
use ranks::Leader;

pub use keep::{Keep, Pace, execution_of};
pub use layout::{
    Activity, Dataset, Put, condition_layout, datasets, write_measures, write_summaries,
};
pub use measure::{
    Connectivity, DelayActivity, LinearNetwork, Measures, ModeTable, Peak, PeakStart, Peaks,
    TimescaleRow, check as check_measures, connectivity_dynamics, connectivity_of,
    delay_activity_of, driving_noise, exact_covariance, example, latencies_of, linear_network,
    measure_network, measure_recording, mode_table, modes, needs_recording, peak_start, peaks,
    simulated_connectivity, simulated_timescales, spectra, timescales_of,
};
pub use ranks::follow;
pub use summary::{SUMMARIES, Summaries};
pub use trials::{
    Choice, ReadoutColumn, ReadoutValues, TrialTable, check as check_readouts, trial_table,
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
    /// Every replicate left its bounds.
    #[error(
        "the model diverged: {variable} of area {area} is {value:e} at {} ms (replicate \
         {replicate}); expected a finite value up to {limit:e}, so the network is unstable for these \
         parameters or simulation.dt = {dt_ms} ms is too long",
        rounded(*.time_ms)
    )]
    Diverged {
        /// Variable.
        variable: &'static str,
        /// Area.
        area: String,
        /// What was found.
        value: f64,
        /// Largest value accepted.
        limit: f64,
        /// Time at which it was noticed.
        time_ms: f64,
        /// Replicate.
        replicate: u32,
        /// Step.
        dt_ms: f64,
    },
    /// The person asked to stop, or the disk is full.
    #[error(
        "stopped at {} ms of {} ms{}; what was finished is kept in {}{}",
        rounded(*.time_ms),
        rounded(*.duration_ms),
        .because.as_ref().map_or(String::new(), |e| format!(" because of this: {e}")),
        .partial.display(),
        if *.resumable { ", `--resume` goes on" } else { "; there is no checkpoint yet" }
    )]
    Stopped {
        /// Time that was reached.
        time_ms: f64,
        /// Length of the run.
        duration_ms: f64,
        /// Where it is kept.
        partial: PathBuf,
        /// Whether there is a checkpoint to go on from.
        resumable: bool,
        /// What went wrong; none if it was asked for.
        because: Option<Box<EngineError>>,
    },
    /// The checkpoint is of another run.
    #[error(
        "the unfinished run is another one: its {what} differ from what is asked for now; without \
         `--resume` the run begins anew"
    )]
    OtherRun {
        /// What differs.
        what: String,
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
    /// The network cannot be split over so many ranks.
    #[error("one network over several ranks: found {ranks} ranks, expected {expected}")]
    NotSplit {
        /// How many there are.
        ranks: usize,
        /// What can be done.
        expected: String,
    },
    /// Another rank is about another run.
    #[error("rank {rank}: {why}")]
    Rank {
        /// Which one.
        rank: usize,
        /// What is wrong with it.
        why: String,
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
    /// Where each replicate left its bounds, if it did; its samples from there on are NaN.
    pub stops: Vec<Option<Stop>>,
}

impl Recording {
    /// The part that belongs to some of the runs.
    #[must_use]
    pub fn of_runs(&self, runs: Range<usize>) -> Recording {
        Recording {
            variables: (self.variables.iter())
                .map(|v| v.slice(s![runs.clone(), .., ..]).to_owned())
                .collect(),
            time_ms: self.time_ms.clone(),
            stops: self.stops[runs].to_vec(),
        }
    }
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
    /// The activity of one replicate, that of [`example`], for tables and figures.
    pub first: Recording,
    /// Where each replicate left its bounds, if it did; its samples from there on are NaN.
    pub stops: Vec<Option<Stop>>,
}

/// Samples of all blocks in one chunk may take this much memory: small enough to stay in a cache on
/// the way to whoever takes them.
const CHUNK_BYTES: u64 = 1 << 19;
/// Where so many samples take more than that, they may take [`MOST_CHUNK_BYTES`].
const FEWEST_SAMPLES: u64 = 32;
/// See [`FEWEST_SAMPLES`].
const MOST_CHUNK_BYTES: u64 = 8 << 20;
/// Chunks that exist at a time: one is computed, one is handed on, one waits.
const CHUNKS: usize = 3;
/// A chunk ends at the latest after this many steps times areas over all replicates, so that
/// progress moves and a request to stop is heard within a fraction of a second.
const CHUNK_AREA_STEPS: u64 = 20_000_000;

/// Longer chunks are a multiple of so many samples: a file that keeps them in smaller pieces then finds pieces of equal
/// length, and writes none of them twice.
const CHUNKS_OF: u64 = 64;

/// Samples per chunk.
#[must_use]
pub fn chunk_samples(plan: &Plan) -> usize {
    let record = &plan.record;
    let replicates = u64::from(plan.replicates);
    let bytes = 8 * (record.variables.len() * record.areas.len()) as u64 * replicates;
    let many = MOST_CHUNK_BYTES / bytes.max(1);
    let by_memory = (CHUNK_BYTES / bytes.max(1)).max(many.min(FEWEST_SAMPLES));
    let work = record.every * plan.n_areas() as u64 * replicates;
    let by_time = CHUNK_AREA_STEPS / work.max(1);
    let samples = by_memory.min(by_time).max(1);
    let samples = match samples / CHUNKS_OF * CHUNKS_OF {
        // All in one: a second one would take the room of a whole one in the file.
        _ if samples >= record.samples => record.samples.max(1),
        0 => samples,
        even => even,
    };
    samples as usize
}

/// A piece of what was recorded, as it is handed on.
pub enum Piece<'a> {
    /// Consecutive samples of one variable of one run.
    Values {
        /// Index among the recorded variables.
        variable: usize,
        /// The run.
        run: u32,
        /// Number of the first sample.
        first: usize,
        /// Values, [time, area].
        values: ArrayView2<'a, f64>,
    },
    /// All runs and variables have been handed on up to this many samples.
    Finished(u64),
    /// The state of every block after the samples that have been handed on, where it was asked for.
    State(&'a [Vec<u64>]),
}

/// Puts consecutive samples of a run, [time, area], into the recording of a variable, [run, time, area].
pub fn place(recording: &mut Array3<f64>, run: u32, first: usize, values: ArrayView2<'_, f64>) {
    let span = first..first + values.nrows();
    recording
        .slice_mut(s![run as usize, span, ..])
        .assign(&values);
}

/// Samples of all blocks over one stretch of time.
struct Chunk {
    /// First sample.
    first: u64,
    /// Number of samples.
    written: usize,
    /// First run, number of runs, samples of each block.
    blocks: Vec<(u32, usize, Samples)>,
}

impl Chunk {
    fn hand_on(
        &self,
        plan: &Plan,
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        for (first_run, runs, samples) in &self.blocks {
            let part = plan.part_of(*first_run);
            let areas = plan.of_run(*first_run).record.areas.len();
            for r in 0..*runs {
                for variable in 0..plan.record.variables.len() {
                    let row = (variable * runs + r) * samples.capacity * areas;
                    let values = &samples.data[row..][..self.written * areas];
                    let values = ArrayView2::from_shape((self.written, areas), values)
                        .expect("samples are stored [time][area]");
                    let spread = part.map(|part| spread(part, values));
                    sink(Piece::Values {
                        variable,
                        run: first_run + r as u32,
                        first: self.first as usize,
                        values: spread.as_ref().map_or(values, |all| all.view()),
                    })?;
                }
            }
        }
        sink(Piece::Finished(self.first + self.written as u64))
    }
}

/// Samples of a part of a plan, [time, area], in the recorded areas of the whole: NaN where it has no such area.
fn spread(part: &Part, values: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut out = Array2::from_elem((values.nrows(), part.recorded.len()), f64::NAN);
    for (k, own) in part.recorded.iter().enumerate() {
        if let Some(own) = own {
            out.column_mut(k).assign(&values.column(*own));
        }
    }
    out
}

/// Where the runs of blocks left their bounds, areas counted as in the whole plan.
fn stops_of(plan: &Plan, blocks: &[(u32, u32)], simulations: &[Block<'_>]) -> Vec<Option<Stop>> {
    let both = blocks.iter().zip(simulations);
    both.flat_map(|(&(first, _), simulation)| {
        let part = plan.part_of(first);
        let of = move |stop: Stop| Stop {
            area: part.map_or(stop.area, |part| part.areas[stop.area].index()),
            ..stop
        };
        simulation.stops().iter().map(move |stop| stop.map(of))
    })
    .collect()
}

/// Runs all members of a plan from one start, or each from the start of its condition
/// (`[position][variable]`; as [`starts`] gives them, if the plan has parts), and hands everything recorded to `sink`, which works in a thread of its
/// own. Returns where runs left their bounds, and how many samples were finished.
///
/// # Errors
/// What the sink returns; threads that cannot be started.
pub fn stream(
    plan: &Plan,
    starts: &[&[f64]],
    conditions: &Conditions<'_>,
    sink: impl FnMut(Piece<'_>) -> Result<(), EngineError> + Send,
) -> Result<(Vec<Option<Stop>>, u64), EngineError> {
    drive(plan, starts, &pool(conditions.threads)?, conditions, sink)
}

/// As [`stream`], on threads that are there already.
///
/// # Errors
/// What the sink returns.
pub fn drive(
    plan: &Plan,
    starts: &[&[f64]],
    pool: &rayon::ThreadPool,
    conditions: &Conditions<'_>,
    sink: impl FnMut(Piece<'_>) -> Result<(), EngineError> + Send,
) -> Result<(Vec<Option<Stop>>, u64), EngineError> {
    let ended = go_on(plan, starts, pool, conditions, Keep::default(), None, sink)?;
    Ok((ended.stops, ended.samples))
}

/// Where a run came to.
struct Ended {
    /// Where runs left their bounds.
    stops: Vec<Option<Stop>>,
    /// Samples that were finished.
    samples: u64,
    /// The next step.
    step: u64,
}

/// What the loop sends to the thread that hands on.
enum Sent {
    Samples(Chunk),
    State(Vec<Vec<u64>>),
}

/// Room for the samples of a chunk of all blocks.
fn room_of(plan: &Plan, blocks: &[(u32, u32)]) -> Vec<(u32, usize, Samples)> {
    let capacity = chunk_samples(plan);
    let of = |&(first, runs): &(u32, u32)| {
        let room = Samples::new(plan.of_run(first), runs as usize, capacity);
        (first, runs as usize, room)
    };
    blocks.iter().map(of).collect()
}

/// Steps after which a chunk ends at the latest.
fn steps_at_once(plan: &Plan) -> u64 {
    let work = (plan.n_areas() as u64 * u64::from(plan.replicates)).max(1);
    (CHUNK_AREA_STEPS / work).max(1)
}

/// Where the next chunk ends if its samples do not fill up. The steps before the first sample end before
/// it: chunks then start at samples.
fn next_stop(plan: &Plan, blocks: &[Block<'_>], reached: u64, budget: u64) -> u64 {
    // All blocks begin their trials at the same steps.
    let most = blocks.first().map_or(u64::MAX, Block::may_reach);
    let next = match plan.record.first.checked_sub(reached + 1) {
        Some(before) if before > 0 => reached + budget.min(before),
        _ => reached + budget,
    };
    next.min(most)
}

/// As [`drive`], all in the thread of the caller: for sinks that cost less than to wake another thread.
///
/// # Errors
/// What the sink returns.
pub fn drive_here(
    plan: &Plan,
    starts: &[&[f64]],
    stop: &AtomicBool,
    mut sink: impl FnMut(Piece<'_>) -> Result<(), EngineError>,
) -> Result<(Vec<Option<Stop>>, u64), EngineError> {
    let blocks = plan.blocks();
    let of = |&(first, runs): &(u32, u32)| Block::new(plan, first, runs, starts, Share::WHOLE);
    let mut simulations: Vec<Block<'_>> = blocks.iter().map(of).collect();
    let budget = steps_at_once(plan);
    let mut chunk = Chunk {
        first: 0,
        written: 0,
        blocks: room_of(plan, &blocks),
    };
    let mut reached = 0;
    let stops = |simulations: &[Block<'_>]| stops_of(plan, &blocks, simulations);
    while chunk.first < plan.record.samples && !stop.load(Ordering::Relaxed) {
        let until = next_stop(plan, &simulations, reached, budget);
        for (one, (_, _, samples)) in simulations.iter_mut().zip(&mut chunk.blocks) {
            one.advance(samples, until);
        }
        chunk.written = chunk.blocks.first().map_or(0, |(_, _, s)| s.written);
        reached = simulations.first().map_or(until, Block::step);
        if chunk.written > 0 {
            chunk.hand_on(plan, &mut sink)?;
            chunk.first += chunk.written as u64;
            if stops(&simulations).iter().all(Option::is_some) {
                break;
            }
        }
    }
    Ok((stops(&simulations), chunk.first))
}

fn saved(simulations: &mut [Block<'_>], leader: Option<&Leader<'_>>) -> Sent {
    Sent::State(match leader {
        None => simulations.iter_mut().map(Block::save).collect(),
        Some(leader) => leader.save(simulations),
    })
}

/// As [`drive`], from a checkpoint if there is one, handing on the state whenever it is time; on several ranks if
/// there is one that leads them.
fn go_on(
    plan: &Plan,
    starts: &[&[f64]],
    pool: &rayon::ThreadPool,
    conditions: &Conditions<'_>,
    keep: Keep<'_>,
    leader: Option<&Leader<'_>>,
    mut sink: impl FnMut(Piece<'_>) -> Result<(), EngineError> + Send,
) -> Result<Ended, EngineError> {
    let share = leader.map_or(Share::WHOLE, Leader::share);
    let blocks = plan.blocks();
    let mut simulations: Vec<Block<'_>> = pool.install(|| {
        blocks
            .par_iter()
            .map(|&(first, runs)| Block::new(plan, first, runs, starts, share))
            .collect()
    });
    let (mut sampled, mut reached) = (0_u64, 0_u64);
    if let Some(checkpoint) = keep.from {
        let fits = match leader {
            None => {
                let mut both = simulations.iter_mut().zip(&checkpoint.blocks);
                both.all(|(simulation, words)| simulation.restore(words))
            }
            Some(leader) => leader.restore(&mut simulations, &checkpoint.blocks),
        };
        if !fits {
            let what = "sizes of the state".to_owned();
            return Err(EngineError::OtherRun { what });
        }
        sampled = checkpoint.samples;
        reached = simulations.first().map_or(0, Block::step);
    }
    let room = || room_of(plan, &blocks);
    let budget = steps_at_once(plan);
    let (to_sink, from_loop) = sync_channel::<Sent>(CHUNKS);
    let (to_loop, from_sink) = sync_channel::<Vec<(u32, usize, Samples)>>(CHUNKS);
    let samples = std::thread::scope(|scope| {
        let before = sampled;
        let handing_on = scope.spawn(move || -> Result<u64, EngineError> {
            let mut done = before;
            while let Ok(sent) = from_loop.recv() {
                let chunk = match sent {
                    Sent::Samples(chunk) => chunk,
                    Sent::State(blocks) => {
                        sink(Piece::State(&blocks))?;
                        continue;
                    }
                };
                chunk.hand_on(plan, &mut sink)?;
                done = chunk.first + chunk.written as u64;
                conditions.progress.samples(done, plan.record.samples);
                // The loop may have ended already.
                let _ = to_loop.send(chunk.blocks);
            }
            Ok(done)
        });
        let mut rooms = 0;
        let mut chunk_room: Option<Vec<(u32, usize, Samples)>> = None;
        // On another rank.
        let mut asked = false;
        let stopped = |asked: bool| asked || conditions.stop.load(Ordering::Relaxed);
        while sampled < plan.record.samples && !stopped(asked) {
            let mut chunk = match chunk_room.take() {
                Some(room) => room,
                None if rooms < CHUNKS => {
                    rooms += 1;
                    room()
                }
                // An error of the sink closes the channel.
                None => match from_sink.recv() {
                    Ok(room) => room,
                    Err(_) => break,
                },
            };
            let until = next_stop(plan, &simulations, reached, budget);
            match (leader, &mut simulations[..], &mut chunk[..]) {
                (Some(leader), all, chunk) => asked = leader.advance(all, chunk, until),
                // Nothing to share out, so no other thread has to be woken up.
                (None, [one], [(_, _, samples)]) if !one.is_parallel() => {
                    one.advance(samples, until);
                }
                (None, all, chunk) => pool.install(|| {
                    let both = all.par_iter_mut().zip(chunk);
                    both.for_each(|(one, (_, _, samples))| one.advance(samples, until));
                }),
            }
            // All blocks stop at the same step: they have the same schedule and the same room.
            let written = chunk.first().map_or(0, |(_, _, samples)| samples.written);
            reached = simulations.first().map_or(until, Block::step);
            if written == 0 {
                chunk_room = Some(chunk);
            } else {
                let full = Chunk {
                    first: sampled,
                    written,
                    blocks: chunk,
                };
                sampled += written as u64;
                if to_sink.send(Sent::Samples(full)).is_err() {
                    break;
                }
                let stops = simulations.iter().flat_map(|s| s.stops());
                if stops.into_iter().all(Option::is_some) {
                    break;
                }
            }
            if keep.pace.is_some_and(Pace::due)
                && to_sink.send(saved(&mut simulations, leader)).is_err()
            {
                break;
            }
        }
        if keep.pace.is_some() && stopped(asked) && sampled < plan.record.samples {
            // If nobody takes it, an error of the sink is on its way.
            let _ = to_sink.send(saved(&mut simulations, leader));
        }
        if let Some(leader) = leader {
            leader.end();
        }
        drop(to_sink);
        handing_on
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    Ok(Ended {
        stops: stops_of(plan, &blocks, &simulations),
        samples,
        step: reached,
    })
}

/// Worker threads of a run and of its measures.
///
/// # Errors
/// [`EngineError::Threads`].
pub fn pool(threads: usize) -> Result<rayon::ThreadPool, EngineError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1));
    pool.build().map_err(|e| EngineError::Threads {
        threads,
        reason: e.to_string(),
    })
}

/// The error of a run in which every replicate diverged.
#[must_use]
pub fn all_diverged(plan: &Plan, stops: &[Option<Stop>]) -> Option<EngineError> {
    let all: Option<Vec<Stop>> = stops.iter().copied().collect();
    let (replicate, first) = all?
        .into_iter()
        .enumerate()
        .min_by_key(|(replicate, s)| (s.step, *replicate))?;
    let variable = &plan.circuit.info().variables[first.variable];
    Some(EngineError::Diverged {
        variable: variable.name,
        area: plan.areas[first.area].clone(),
        value: first.value,
        limit: bounds(variable).1,
        time_ms: first.step as f64 * plan.dt_ms,
        replicate: replicate as u32,
        dt_ms: plan.dt_ms,
    })
}

/// Where the runs of each condition start: all from `own`, but those of a condition with a network of its
/// own from there; behind them the starts of the parts of the plan.
///
/// # Errors
/// A network of a condition has no fixed point.
pub fn starts(plan: &Plan, own: Vec<f64>) -> Result<Vec<Vec<f64>>, EngineError> {
    if plan.models.is_empty() && plan.parts.is_empty() {
        return Ok(vec![own]);
    }
    let models: Vec<Vec<f64>> = (plan.models.iter())
        .map(start_state)
        .collect::<Result<_, _>>()?;
    let parts: Vec<Vec<f64>> = (plan.parts.iter())
        .map(|part| start_state(&part.plan))
        .collect::<Result<_, _>>()?;
    let of = |condition: &Condition| condition.model.map_or(&own, |m| &models[m]).clone();
    Ok(std::iter::once(own.clone())
        .chain(plan.variants.iter().map(of))
        .chain(parts)
        .collect())
}

/// Room for all samples of so many runs, `[run][sample][area]` of each recorded variable.
pub fn room(plan: &Plan, runs: u32) -> Vec<Array3<f64>> {
    let record = &plan.record;
    let shape = (runs as usize, record.samples as usize, record.areas.len());
    // Not clones of one: to copy zeros that nobody has touched yet would give all of them their memory, at the worst price.
    (record.variables.iter())
        .map(|_| Array3::zeros(shape))
        .collect()
}

/// Puts samples into their room.
fn put(variables: &mut [Array3<f64>], piece: Piece<'_>) {
    if let Piece::Values {
        variable,
        run,
        first,
        values,
    } = piece
    {
        place(&mut variables[variable], run, first, values);
    }
}

/// Runs an experiment in memory.
///
/// # Errors
/// No fixed point; divergence of every replicate.
pub fn simulate(plan: &Plan, conditions: &Conditions<'_>) -> Result<Recording, EngineError> {
    let starts = starts(plan, start_state(plan)?)?;
    let starts: Vec<&[f64]> = starts.iter().map(Vec::as_slice).collect();
    let mut variables = room(plan, plan.replicates);
    let (stops, done) = stream(plan, &starts, conditions, |piece| {
        put(&mut variables, piece);
        Ok(())
    })?;
    if let Some(error) = all_diverged(plan, &stops) {
        return Err(error);
    }
    if done < plan.record.samples {
        return Err(EngineError::Interrupted);
    }
    let time_ms = (0..done).map(|k| plan.sample_ms(k)).collect();
    Ok(Recording {
        variables,
        time_ms,
        stops,
    })
}

/// Records all members of a plan in the thread of the caller, from one start or each from that of its
/// condition, as [`stream`] does. Runs that left their bounds are in it, NaN from there on.
///
/// # Errors
/// [`EngineError::Interrupted`].
pub fn record_here(
    plan: &Plan,
    starts: &[&[f64]],
    stop: &AtomicBool,
) -> Result<Recording, EngineError> {
    let record = &plan.record;
    let mut variables = room(plan, plan.replicates);
    let (stops, done) = drive_here(plan, starts, stop, |piece| {
        put(&mut variables, piece);
        Ok(())
    })?;
    if done < record.samples && stops.iter().any(Option::is_none) {
        return Err(EngineError::Interrupted);
    }
    // Where all runs were stopped, the samples after that are nowhere.
    for variable in &mut variables {
        variable
            .slice_mut(s![.., done as usize.., ..])
            .fill(f64::NAN);
    }
    Ok(Recording {
        variables,
        time_ms: (0..record.samples).map(|k| plan.sample_ms(k)).collect(),
        stops,
    })
}

/// Runs an experiment and writes its result file, analyses included.
///
/// The file grows under a temporary name and gets its own when it is complete. Beside it lies the latest
/// checkpoint, if any are wanted.
///
/// # Errors
/// See [`EngineError`]. Where nothing was finished, nothing is left behind.
pub fn run(
    network: &Network,
    plan: &Plan,
    spec: &ExperimentSpec,
    output: &Path,
    conditions: &Conditions<'_>,
    keep: Keep<'_>,
) -> Result<Outcome, EngineError> {
    run_on(network, plan, spec, output, conditions, keep, None)
}

/// The same as rank 0 of several, if there are several: the others [`follow`].
///
/// # Errors
/// As [`run`]; a network that cannot be split over so many ranks, one that is about another run.
pub fn run_on(
    network: &Network,
    plan: &Plan,
    spec: &ExperimentSpec,
    output: &Path,
    conditions: &Conditions<'_>,
    keep: Keep<'_>,
    ranks: Option<&dyn Exchange>,
) -> Result<Outcome, EngineError> {
    if let Some(ranks) = ranks {
        ranks::check(plan, ranks.size())?;
    }
    check_measures(network, spec)?;
    let about = keep::about(network, plan, spec);
    if let Some(checkpoint) = keep.from {
        keep::check(checkpoint, &about, plan)?;
    }
    let baseline = baseline_state(plan)?;
    let starts = starts(plan, start_from(plan, &baseline))?;
    let starts: Vec<&[f64]> = starts.iter().map(Vec::as_slice).collect();
    let pool = pool(conditions.threads)?;
    let among = ranks.map(|exchange| Among {
        exchange,
        pool: &pool,
    });
    let leader = among.map(|among| Leader::new(among, plan, &keep::text(&about), &starts));
    let leader = leader.transpose()?;
    let mut measures = pool.install(|| measure_network(network, plan, spec, &baseline))?;
    let datasets = datasets(plan);
    let chunk = chunk_samples(plan);
    let layout = layout::layout(network, plan, spec, &datasets, chunk);
    let record = &plan.record;
    let keep_all = needs_recording(spec);
    let kept = if keep_all { plan.replicates } else { 1 };
    let mut memory = room(plan, kept);
    let mut writer = match keep.from {
        None => Writer::create(output, &layout)?,
        Some(checkpoint) => {
            let (mut writer, earlier) = Writer::resume(output, &layout)?;
            let size = (plan.replicates as usize, checkpoint.samples as usize);
            keep::copy(&earlier, &mut writer, &datasets, &mut memory, size, chunk)?;
            drop(earlier);
            writer.forget_earlier()?;
            writer
        }
    };
    let mut checkpointed = keep.from.is_some();
    let mut flushed = keep.from.map_or(0, |c| c.samples);
    let rounded = spec.run.precision == Precision::Float32;
    let mut activity = Activity::new(&datasets);
    let outcome = {
        let (writer, memory) = (&mut writer, &mut memory);
        let (checkpointed, flushed, about) = (&mut checkpointed, &mut flushed, &about);
        let leader = leader.as_ref();
        go_on(
            plan,
            &starts,
            &pool,
            conditions,
            keep,
            leader,
            move |piece| {
                match piece {
                    Piece::Values {
                        variable,
                        run,
                        first,
                        values,
                    } => {
                        if run < kept {
                            let memory = &mut memory[variable];
                            place(memory, run, first, values);
                            if rounded {
                                keep::as_stored(memory, run, first, values.nrows());
                            }
                        }
                        activity.write(writer, variable, run, first, values)?;
                    }
                    Piece::Finished(samples) => {
                        writer.flush()?;
                        *flushed = samples;
                    }
                    Piece::State(blocks) => {
                        writer.sync()?;
                        let checkpoint = Checkpoint {
                            about: about.clone(),
                            samples: *flushed,
                            blocks: blocks.to_vec(),
                        };
                        checkpoint.write(&checkpoint_path(writer.path()))?;
                        *checkpointed = true;
                        keep.pace.inspect(|pace| pace.written());
                    }
                }
                Ok(())
            },
        )
    };
    let stopped = |time_ms: f64, because: Option<EngineError>| EngineError::Stopped {
        time_ms,
        duration_ms: plan.steps as f64 * plan.dt_ms,
        partial: partial_path(output),
        resumable: checkpointed,
        because: because.map(Box::new),
    };
    let Ended {
        stops,
        samples: done,
        step,
    } = match outcome {
        Ok(ended) => ended,
        Err(error) if checkpointed => {
            let checkpoint = Checkpoint::read(&checkpoint_path(output))?;
            let last = checkpoint.samples.checked_sub(1);
            return Err(stopped(
                last.map_or(0.0, |k| plan.sample_ms(k)),
                Some(error),
            ));
        }
        Err(error) if flushed > 0 => {
            let until = plan.sample_ms(flushed - 1);
            return Err(stopped(until, Some(error)));
        }
        Err(error) => {
            writer.discard();
            return Err(error);
        }
    };
    if let Some(error) = all_diverged(plan, &stops) {
        writer.discard();
        return Err(error);
    }
    if done < record.samples {
        if checkpointed {
            return Err(stopped(step as f64 * plan.dt_ms, None));
        }
        if done == 0 {
            writer.discard();
            return Err(EngineError::Interrupted);
        }
        return Err(stopped(plan.sample_ms(done - 1), None));
    }
    let time_ms: Vec<f64> = (0..done).map(|k| plan.sample_ms(k)).collect();
    let mut recording = Recording {
        variables: memory,
        time_ms,
        stops: stops.clone(),
    };
    let measured = pool
        .install(|| measure_recording(network, plan, spec, &baseline, &recording, &mut measures));
    if let Err(error) = layout::write_measures(&mut writer, plan, &baseline, &measures) {
        if checkpointed {
            return Err(stopped(step as f64 * plan.dt_ms, Some(error.into())));
        }
        writer.discard();
        return Err(error.into());
    }
    let path = writer.finish()?;
    if let Err(error) = measured {
        let source = Box::new(error);
        return Err(EngineError::Unmeasured { path, source });
    }
    let shown = example(network);
    for variable in recording.variables.iter_mut().filter(|v| v.dim().0 > 1) {
        *variable = variable.slice(s![shown..=shown, .., ..]).to_owned();
    }
    Ok(Outcome {
        path,
        baseline,
        measures,
        first: recording,
        stops,
    })
}
