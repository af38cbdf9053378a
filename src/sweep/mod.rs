//! Many conditions of one experiment: ensembles of parameters that survive the death of the process.
//!
//! A condition is the experiment with other values at some key paths. Conditions that differ in
//! parameters, gains and stimuli alone are stepped side by side in the lanes; workers take batches of
//! them, and every finished condition is appended to a journal. When all are there, the result file is
//! made from the journal in the order of the conditions, so that it holds the same bits whatever the
//! threads, the batches, and however often the sweep was killed and resumed.

mod batch;
mod design;
mod file;
mod ranks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use rayon::prelude::*;

use crate::engine::{self, EngineError, Measures, check_measures, measure_network};
use crate::network::{DataSets, Network, NetworkError};
use crate::plan::{Execution, Plan};
pub use crate::record::Earlier;
use crate::record::{self, About, Journal, RecordError, Results, differing, journal_path};
use crate::spec::{ConfigLayers, ExperimentSpec, SpecError, SweepSpec, overrides, sha256_hex};
use crate::stepper::linear::{baseline_state, start_from};

pub use batch::Finished;
pub use design::{Axis, Design};
pub use file::FAILURE;
use file::Schema;
use ranks::Others;
pub use ranks::Ranks;

/// Why a sweep could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// A config is faulty.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A network cannot be built.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A run failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Journal or result file.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Any of these in a condition.
    #[error("condition {condition} ({values}): {source}")]
    Condition {
        /// Which one, from 0.
        condition: usize,
        /// What is special about it.
        values: String,
        /// What happened.
        source: Box<SweepError>,
    },
    /// Conditions whose results do not fit one file.
    #[error(
        "{what} differ between conditions: found {found}, expected {expected} as in condition 0"
    )]
    Differs {
        /// What.
        what: &'static str,
        /// In this condition.
        found: String,
        /// In the first one.
        expected: String,
    },
    /// An unfinished sweep is there, and nobody said what to do with it.
    #[error(
        "{}: an unfinished sweep is there: `--resume` goes on with it, `--restart` begins anew and \
         forgets it",
        .path.display()
    )]
    Unfinished {
        /// Its journal.
        path: PathBuf,
    },
    /// Nothing unfinished is there.
    #[error(
        "{}: no unfinished sweep is there: found no {}; a finished one has all of its results in the file itself",
        .path.display(), .journal.display()
    )]
    Nothing {
        /// The result file.
        path: PathBuf,
        /// Where its journal would be.
        journal: PathBuf,
    },
    /// The journal belongs to another sweep.
    #[error("{}: another sweep: {what} differ from what is asked for now; `--restart` forgets it", .path.display())]
    Other {
        /// The journal.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// Another rank cannot take part.
    #[error("rank {rank}: {why}")]
    Rank {
        /// Which one.
        rank: usize,
        /// What it said.
        why: String,
    },
    /// The person asked to stop, or the disk is full.
    #[error(
        "stopped after {done} of {total} conditions{}; they are kept in {}, `--resume` goes on",
        .because.as_ref().map_or(String::new(), |e| format!(" because of this: {e}")),
        .journal.display()
    )]
    Stopped {
        /// Conditions that are kept.
        done: usize,
        /// All of them.
        total: usize,
        /// Where they are kept.
        journal: PathBuf,
        /// What went wrong; none if it was asked for.
        because: Option<Box<SweepError>>,
    },
}

impl SweepError {
    /// Whether the person asked to stop.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        matches!(self, SweepError::Stopped { because: None, .. })
    }
}

/// Told how a sweep goes on.
pub trait Progress: Sync {
    /// `done` of `total` conditions are finished, `failed` of them without a result.
    fn conditions(&self, done: usize, failed: usize, total: usize);
}

/// How a sweep is carried out; nothing here changes a result.
pub struct Carry<'a> {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Set to stop after the batches that are under way.
    pub stop: &'a AtomicBool,
    /// Told how it goes on.
    pub progress: &'a dyn Progress,
    /// What to do with an unfinished sweep of that name.
    pub earlier: Earlier,
}

/// How a sweep ended.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The result file.
    pub path: PathBuf,
    /// Conditions that were run now; the others were in the journal.
    pub run: usize,
    /// Conditions without a result, and why.
    pub failed: BTreeMap<usize, String>,
    /// Whether a damaged or unfinished end of the journal was dropped, in bytes.
    pub dropped: u64,
}

/// A sweep, checked and ready to run.
#[derive(Debug)]
pub struct Sweep {
    layered: ConfigLayers,
    design: Design,
    data: DataSets,
    schema: Schema,
    /// The first condition.
    first: ExperimentSpec,
    /// Runs of a condition: replicates, or trials.
    runs: usize,
    memory: usize,
}

/// A condition ready to run.
struct Case {
    condition: usize,
    spec: ExperimentSpec,
    network: Network,
    baseline: Vec<f64>,
    /// Where its runs start: all alike, or those of each condition of its task.
    starts: Vec<Vec<f64>>,
    measures: Measures,
}

/// Networks of so many areas are tried on several threads.
const TRIED_SIDE_BY_SIDE: usize = 256;
/// So few conditions are all tried before anything runs; of more, every value of every axis, so many at once.
const TRIED: usize = 64;

/// Other ranks are answered after this time at the latest.
const ANSWER_WITHIN: Duration = Duration::from_micros(500);

/// Runs that a batch steps side by side, at least: the widest lanes.
const ABREAST: usize = 16;

impl Sweep {
    /// Resolves a sweep on `threads`. Every value of every axis is tried once, beside the first values of the
    /// others, and all conditions where there are few: what is wrong with one is said before anything runs.
    ///
    /// # Errors
    /// Everything that [`crate::cli`]'s `check` would say of a condition; results that do not fit one file.
    pub fn new(
        layered: ConfigLayers,
        spec: &SweepSpec,
        threads: usize,
    ) -> Result<Sweep, SweepError> {
        let design = Design::new(spec);
        let data = DataSets::default();
        let (base, network, plan) =
            prepare(&layered, &data, &design.sets(0)).map_err(|e| of_condition(&design, 0, e))?;
        let mut schema = Schema::new(&design, &network, &plan, &base, spec.keep_activity);
        // The first condition is there already.
        let tried: Vec<usize> = match design.len() {
            few @ ..=TRIED => (1..few).collect(),
            _ => {
                let all: BTreeSet<usize> = design.one_by_one().filter(|&c| c > 0).collect();
                all.into_iter().collect()
            }
        };
        // Large networks are built by all threads, and one at a time fits where two may not.
        let at_once = if network.n_areas() <= TRIED_SIDE_BY_SIDE {
            threads
        } else {
            1
        };
        let pool = engine::pool(at_once.min(tried.len()))?;
        for some in tried.chunks(TRIED) {
            let new_areas: Vec<Result<Vec<String>, SweepError>> = pool.install(|| {
                let one = |&c: &usize| {
                    let (_, _, plan) = prepare(&layered, &data, &design.sets(c))?;
                    schema.new_areas(&plan)
                };
                some.par_iter().map(one).collect()
            });
            for (&condition, new) in some.iter().zip(new_areas) {
                schema.widen(new.map_err(|e| of_condition(&design, condition, e))?);
            }
        }
        schema.close();
        let values = 8 * schema.values();
        let kept = match engine::needs_recording(&base) || spec.keep_activity {
            true => plan.record_bytes() as usize,
            false => 0,
        };
        let memory = plan.block_bytes() + plan.link_bytes() + kept + 4 * values;
        Ok(Sweep {
            layered,
            design,
            data,
            schema,
            first: base,
            runs: plan.replicates as usize,
            memory,
        })
    }

    /// What varies.
    #[must_use]
    pub fn design(&self) -> &Design {
        &self.design
    }

    /// The experiment of the first condition.
    #[must_use]
    pub fn experiment(&self) -> &ExperimentSpec {
        &self.first
    }

    /// Runs of a condition: replicates, or trials of a task.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// Conditions that are stepped side by side.
    #[must_use]
    pub fn batch(&self) -> usize {
        match self.first.task {
            // Trials have conditions of their own.
            Some(_) => 1,
            None => (ABREAST / self.runs).max(1),
        }
    }

    /// Bytes of the values of all conditions, before compression.
    #[must_use]
    pub fn disk_bytes(&self) -> u128 {
        8 * self.schema.values() as u128 * self.design.len() as u128
    }

    /// Bytes that a worker needs, about.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.memory * self.batch()
    }

    /// Says what the journal of this sweep is about: whoever resumes it must ask for the same.
    fn header(&self) -> About {
        let data = self.schema.text_attr("connectome_sha256").to_owned();
        record::about([
            ("configs", self.first.config.canonical()),
            ("axes", sha256_hex(self.design.canonical().as_bytes())),
            ("kept variables", self.schema.digest()),
            ("data sets", data),
        ])
    }

    fn header_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.header()).expect("a map of texts serialises")
    }

    /// Runs what is not finished yet and writes the result file.
    ///
    /// # Errors
    /// See [`SweepError`]. Whatever was finished is in the journal and stays there.
    pub fn run(&self, output: &Path, carry: &Carry<'_>) -> Result<Summary, SweepError> {
        self.run_on(output, carry, None)
    }

    /// The same as rank 0 of several; the others [`Sweep::serve`].
    ///
    /// # Errors
    /// As [`Sweep::run`].
    pub fn run_on(
        &self,
        output: &Path,
        carry: &Carry<'_>,
        ranks: Option<&dyn Ranks>,
    ) -> Result<Summary, SweepError> {
        let values = self.schema.values();
        let mut others = ranks.map(|ranks| Others::new(ranks, self.header_bytes(), values));
        let ended = self.run_with(output, carry, others.as_mut());
        // Whatever happened, nobody is left waiting.
        while others.as_ref().is_some_and(|others| !others.are_done()) {
            others
                .iter_mut()
                .for_each(|others| others.serve(|| None, |_| ()));
            std::thread::sleep(ANSWER_WITHIN);
        }
        ended
    }

    fn run_with(
        &self,
        output: &Path,
        carry: &Carry<'_>,
        others: Option<&mut Others<'_>>,
    ) -> Result<Summary, SweepError> {
        if carry.earlier == Earlier::Resume
            && let Some(finished) = self.finished(output)
        {
            return Ok(finished);
        }
        let mut journal = self.open(&journal_path(output), carry.earlier)?;
        let dropped = journal.dropped();
        let before = journal.len();
        let total = self.design.len();
        let mut failed = self.schema.failures(&mut journal)?;
        carry.progress.conditions(before, failed.len(), total);
        let pending: Vec<usize> = (0..total)
            .filter(|&c| !journal.contains(c as u64))
            .collect();
        let ended = self.work(&pending, carry, others, |finished| {
            journal.append(finished.condition as u64, &finished.bytes())?;
            if let Some(why) = finished.failure {
                failed.insert(finished.condition, why);
            }
            carry
                .progress
                .conditions(journal.len(), failed.len(), total);
            Ok(())
        });
        let synced = journal.sync().map_err(SweepError::from);
        let because = ended.and(synced).err().map(Box::new);
        if because.is_some() || journal.len() < total {
            return Err(SweepError::Stopped {
                done: journal.len(),
                total,
                journal: journal.path().to_owned(),
                because,
            });
        }
        let (design, schema) = (&self.design, &self.schema);
        schema.write(design, &mut journal, &failed, output)?;
        let run = journal.len() - before;
        journal.remove()?;
        Ok(Summary {
            path: output.to_owned(),
            run,
            failed,
            dropped,
        })
    }

    /// The file of this very sweep, if it is complete: a job that is started again has nothing to do.
    fn finished(&self, output: &Path) -> Option<Summary> {
        if Journal::exists(&journal_path(output)) {
            return None;
        }
        let file = Results::open(output).ok()?;
        let failed = self.schema.failures_in(&file)?;
        Some(Summary {
            path: output.to_owned(),
            run: 0,
            failed,
            dropped: 0,
        })
    }

    /// Writes what an unfinished sweep has finished so far, NaN elsewhere, and leaves its journal. Returns
    /// how many conditions that is.
    ///
    /// # Errors
    /// No unfinished sweep of that name, or another one.
    pub fn collect(&self, output: &Path, to: &Path) -> Result<usize, SweepError> {
        let path = journal_path(output);
        if !Journal::exists(&path) {
            return Err(SweepError::Nothing {
                path: output.to_owned(),
                journal: path,
            });
        }
        let mut journal = self.reopen(&path)?;
        let failed = self.schema.failures(&mut journal)?;
        let (design, schema) = (&self.design, &self.schema);
        schema.write(design, &mut journal, &failed, to)?;
        Ok(journal.len())
    }

    /// Runs the first batch and keeps nothing, to see how long it takes. Returns the number of its
    /// conditions times the part of them that was done when `stop` was set.
    ///
    /// # Errors
    /// As [`Sweep::run`].
    pub fn try_out(&self, stop: &AtomicBool) -> Result<f64, SweepError> {
        let pool = engine::pool(1)?;
        let cases: Vec<Result<(Case, Plan), Finished>> = (0..self.batch().min(self.design.len()))
            .map(|c| self.case(c))
            .collect();
        let count = cases.len() as f64;
        let done = batch::run(&self.schema, cases, &pool, stop, |_| {})?;
        Ok(count * done)
    }

    fn open(&self, path: &Path, earlier: Earlier) -> Result<Journal, SweepError> {
        let header = self.header_bytes();
        match (Journal::exists(path), earlier) {
            (true, Earlier::Refuse) => {
                let path = path.to_owned();
                Err(SweepError::Unfinished { path })
            }
            (true, Earlier::Resume) => self.reopen(path),
            (true, Earlier::Forget) => {
                Journal::discard(path)?;
                Ok(Journal::create(path, &header)?)
            }
            (false, _) => Ok(Journal::create(path, &header)?),
        }
    }

    fn reopen(&self, path: &Path) -> Result<Journal, SweepError> {
        let (journal, found) = Journal::open(path)?;
        let found: About = serde_json::from_slice(&found).unwrap_or_default();
        let other = differing(&found, &self.header());
        match other.is_empty() {
            true => Ok(journal),
            false => Err(SweepError::Other {
                path: path.to_owned(),
                what: other.join(", "),
            }),
        }
    }

    /// Lets workers take batches of conditions until none is left, and hands on what they finish.
    fn work(
        &self,
        pending: &[usize],
        carry: &Carry<'_>,
        others: Option<&mut Others<'_>>,
        mut hand_on: impl FnMut(Finished) -> Result<(), SweepError>,
    ) -> Result<(), SweepError> {
        let batches: Vec<&[usize]> = pending.chunks(self.batch()).collect();
        let workers = carry.threads.min(batches.len()).max(1);
        // Few batches with many runs each: their blocks are shared out instead.
        let threads = (carry.threads / workers).max(1);
        let next = AtomicUsize::new(0);
        // Set when nobody takes results any longer.
        let given_up = AtomicBool::new(false);
        let (done, finished) = sync_channel::<Result<Vec<Finished>, SweepError>>(4);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                let (done, next, batches, given_up) = (done.clone(), &next, &batches, &given_up);
                scope.spawn(move || {
                    let pool = match engine::pool(threads) {
                        Ok(pool) => pool,
                        Err(e) => {
                            let _ = done.send(Err(e.into()));
                            return;
                        }
                    };
                    while !(carry.stop.load(Ordering::Relaxed) || given_up.load(Ordering::Relaxed))
                    {
                        let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) else {
                            return;
                        };
                        let cases = batch.iter().map(|&c| self.case(c)).collect();
                        let ended = batch::run(&self.schema, cases, &pool, given_up, |finished| {
                            // Nobody listens after an error, and then nothing more is run.
                            let _ = done.send(Ok(finished));
                        });
                        if let Err(e) = ended {
                            let _ = done.send(Err(e));
                            return;
                        }
                    }
                });
            }
            drop(done);
            let mut outcome = Ok(());
            let mut take = |finished: Result<Finished, SweepError>| {
                if outcome.is_ok() {
                    outcome = finished.and_then(&mut hand_on);
                }
                if outcome.is_err() {
                    given_up.store(true, Ordering::Relaxed);
                }
            };
            let Some(others) = others else {
                finished
                    .into_iter()
                    .for_each(|batch| take_all(batch, &mut take));
                return outcome;
            };
            let stopped = || carry.stop.load(Ordering::Relaxed) || given_up.load(Ordering::Relaxed);
            let next = || match stopped() {
                true => None,
                false => batches.get(next.fetch_add(1, Ordering::Relaxed)).copied(),
            };
            let mut ours = true;
            while ours || !others.are_done() {
                if ours {
                    match finished.recv_timeout(ANSWER_WITHIN) {
                        Ok(batch) => take_all(batch, &mut take),
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => ours = false,
                    }
                } else {
                    std::thread::sleep(ANSWER_WITHIN);
                }
                others.serve(next, &mut take);
            }
            outcome
        })
    }

    /// A condition ready to run; what is wrong with it, if anything is.
    fn case(&self, condition: usize) -> Result<(Case, Plan), Finished> {
        let failed = |e: SweepError| Finished::failed(condition, e.to_string());
        let made = prepare(&self.layered, &self.data, &self.design.sets(condition));
        let (spec, network, plan) = made.map_err(failed)?;
        self.schema.admit(&plan).map_err(failed)?;
        let begun = || -> Result<_, EngineError> {
            let baseline = baseline_state(&plan)?;
            let measures = measure_network(&network, &plan, &spec, &baseline)?;
            let starts = engine::starts(&plan, start_from(&plan, &baseline))?;
            Ok((baseline, starts, measures))
        };
        let (baseline, starts, measures) = begun().map_err(|e| failed(e.into()))?;
        let case = Case {
            condition,
            starts,
            spec,
            network,
            baseline,
            measures,
        };
        Ok((case, plan))
    }
}

/// Takes the conditions of a batch one by one.
fn take_all(
    batch: Result<Vec<Finished>, SweepError>,
    take: &mut impl FnMut(Result<Finished, SweepError>),
) {
    match batch {
        Ok(finished) => finished.into_iter().for_each(|one| take(Ok(one))),
        Err(e) => take(Err(e)),
    }
}

fn prepare(
    layered: &ConfigLayers,
    data: &DataSets,
    sets: &[String],
) -> Result<(ExperimentSpec, Network, Plan), SweepError> {
    let spec = layered.with(&overrides(sets))?;
    let network = Network::build_from(&spec, data)?;
    let plan = Plan::compile(&network, &spec, Execution::default())?;
    check_measures(&network, &spec)?;
    Ok((spec, network, plan))
}

fn of_condition(design: &Design, condition: usize, source: SweepError) -> SweepError {
    SweepError::Condition {
        condition,
        values: design.sets(condition).join(", "),
        source: Box::new(source),
    }
}
