//! Parameters fitted to targets: a search whose candidates are conditions of an experiment.
//!
//! A fit names an experiment, parameters with their bounds, and what is wanted of it. A covariance matrix
//! adaptation evolution strategy ([`cma`]) asks for candidates; those of a generation are run side by side in
//! the lanes, on all threads, with the same noise, as noise is looked up by address. Every candidate that is
//! finished is appended to a journal, from which the search is told again whatever it was told before: what is
//! resumed goes on bit for bit as if nothing had happened.

pub mod cma;
mod file;
mod target;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::engine::{self, EngineError};
use crate::network::DataSets;
pub use crate::record::Earlier;
use crate::record::{self, About, Journal, RecordError, differing};
use crate::spec::{Config, ConfigLayers, ExperimentSpec, Override, SpecError, sha256_hex};
use crate::validation::{Lab, LabError};
use cma::{Cma, mirrored};

pub use file::{FitFile, Parameter, Scale, TableLoss, TargetDraft, bundled, load};
pub use target::{Found, Target};

/// Why a fit could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The fit or a config is faulty.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Journal.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Threads.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The experiment cannot be built.
    #[error("{at}: {source}")]
    Experiment {
        /// With which parameters.
        at: String,
        /// Why.
        source: Box<LabError>,
    },
    /// A target does not fit the experiment.
    #[error("target `{target}`: {source}")]
    Target {
        /// Its name.
        target: String,
        /// Why.
        source: Box<LabError>,
    },
    /// A fit is there, and nobody said what to do with it.
    #[error(
        "{}: a fit is there: `--resume` goes on with it, `--restart` begins anew and forgets it",
        .path.display()
    )]
    There {
        /// Its journal.
        path: PathBuf,
    },
    /// The journal belongs to another fit.
    #[error(
        "{}: another fit: its {what} differ from what is asked for now; `--restart` forgets it",
        .path.display()
    )]
    Other {
        /// The journal.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// No candidate gave a loss.
    #[error("all {tried} candidates failed; the first: {why}")]
    Hopeless {
        /// How many.
        tried: u64,
        /// Why the first one did.
        why: String,
    },
    /// The person asked to stop, or the disk is full.
    #[error(
        "stopped after {done} of {total} evaluations{}; they are kept in {}, `--resume` goes on",
        .because.as_ref().map_or(String::new(), |e| format!(" because of this: {e}")),
        .journal.display()
    )]
    Stopped {
        /// Evaluations that are kept.
        done: u64,
        /// All of them, at most.
        total: u64,
        /// Where they are kept.
        journal: PathBuf,
        /// What went wrong; none if it was asked for.
        because: Option<Box<FitError>>,
    },
}

impl FitError {
    /// Whether the person asked to stop.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        match self {
            FitError::Stopped { because: None, .. }
            | FitError::Engine(EngineError::Interrupted) => true,
            FitError::Target { source, .. } | FitError::Experiment { source, .. } => {
                source.is_interrupted()
            }
            _ => false,
        }
    }
}

/// Told how a fit goes on.
pub trait Progress: Sync {
    /// `done` of at most `total` evaluations are finished, `failed` of them without a loss; the least loss so
    /// far.
    fn evaluations(&self, done: u64, failed: u64, total: u64, best: f64);
}

/// How a fit is carried out; nothing here changes a result.
pub struct Carry<'a> {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Set to stop.
    pub stop: &'a AtomicBool,
    /// Told how it goes on.
    pub progress: &'a dyn Progress,
    /// What to do with an earlier fit of that name.
    pub earlier: Earlier,
}

/// A candidate with what was found of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// Its place in the range of each parameter, 0 to 1.
    pub places: Vec<f64>,
    /// The loss; infinite if it failed.
    pub loss: f64,
    /// What it has of each target; empty if it failed.
    pub targets: Vec<Found>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

impl Evaluated {
    fn failed(places: &[f64], why: String) -> Evaluated {
        Evaluated {
            places: places.to_vec(),
            loss: f64::INFINITY,
            targets: Vec::new(),
            failure: Some(why),
        }
    }

    /// As bytes for the journal: the length of the failure, the failure, places, loss, what was found.
    fn bytes(&self) -> Vec<u8> {
        let why = self.failure.as_deref().unwrap_or_default();
        let mut out = Vec::new();
        out.extend((why.len() as u64).to_le_bytes());
        out.extend(why.as_bytes());
        let found = self.targets.iter().flat_map(|f| [f.loss, f.value]);
        for x in self.places.iter().copied().chain([self.loss]).chain(found) {
            out.extend(x.to_le_bytes());
        }
        out
    }

    /// Reads what [`Evaluated::bytes`] wrote, for so many parameters and targets.
    fn read(bytes: &[u8], parameters: usize, targets: usize) -> Option<Evaluated> {
        let (length, rest) = bytes.split_at_checked(8)?;
        let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
        let (why, rest) = rest.split_at_checked(length)?;
        let why = std::str::from_utf8(why).ok()?;
        let numbers: Vec<f64> = (rest.chunks_exact(8))
            .map(|x| f64::from_le_bytes(x.try_into().expect("eight bytes")))
            .collect();
        let expected = parameters + 1 + if why.is_empty() { 2 * targets } else { 0 };
        if !rest.len().is_multiple_of(8) || numbers.len() != expected {
            return None;
        }
        Some(Evaluated {
            places: numbers[..parameters].to_vec(),
            loss: numbers[parameters],
            targets: (numbers[parameters + 1..].chunks_exact(2))
                .map(|f| Found {
                    loss: f[0],
                    value: f[1],
                })
                .collect(),
            failure: (!why.is_empty()).then(|| why.to_owned()),
        })
    }
}

/// Where the search stood after a generation.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Generation {
    /// Which one, from 1; 0 is the start alone.
    pub generation: u64,
    /// Evaluations so far.
    pub evaluations: u64,
    /// Least loss so far; infinite ones are failures.
    pub best: f64,
    /// Least loss of the generation.
    pub of_generation: f64,
    /// Median loss of the generation.
    pub median: f64,
    /// Step size after it, as a share of the range.
    pub sigma: f64,
    /// Candidates of the generation without a loss.
    pub failed: u64,
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// All generations were spent.
    Limit,
    /// Losses vary by no more than `stop`.
    Tolerance,
    /// Steps are too small to change a parameter.
    Steps,
    /// Nothing but failures for too many generations.
    Failures,
}

/// How a fit ended.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The start.
    pub start: Evaluated,
    /// The best candidate.
    pub best: Evaluated,
    /// Its number, 0 for the start.
    pub best_at: u64,
    /// One entry a generation, the start first.
    pub trajectory: Vec<Generation>,
    /// Why the search ended.
    pub ended: Ended,
    /// Standard deviation of the candidates along the longest axis at the end, as a share of the range.
    pub spread: f64,
    /// Evaluations that were made now; the others were in the journal.
    pub run: u64,
    /// Candidates without a loss.
    pub failed: u64,
    /// Why the first of them has none.
    pub first_failure: Option<String>,
    /// Bytes of a damaged or unfinished end of the journal, which were dropped.
    pub dropped: u64,
}

/// An experiment that targets are measured on.
#[derive(Debug)]
struct Setting {
    layers: ConfigLayers,
    isolate: Option<String>,
    /// Whether any of its targets needs the run.
    needs_run: bool,
}

/// Texts of what a fit names, by name.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// Tables.
    pub tables: BTreeMap<String, String>,
    /// Target files.
    pub papers: BTreeMap<String, String>,
}

/// A fit, checked and ready to run.
#[derive(Debug)]
pub struct Fit {
    title: String,
    experiment: String,
    /// What is set in the experiment of the fit itself.
    sets: Vec<String>,
    parameters: Vec<Parameter>,
    targets: Vec<Target>,
    settings: Vec<Setting>,
    data: DataSets,
    seed: u64,
    population: usize,
    sigma: f64,
    generations: u64,
    stop: f64,
    /// Runs of a candidate, at most over the settings that need runs; none does if 0.
    runs: usize,
    memory: u64,
    header: About,
}

/// Runs that a batch steps side by side, at most: the widest lanes.
const ABREAST: usize = 16;
/// Generations without any loss after which a search is given up.
const LOST: u64 = 10;
/// Shares of a range that no longer change a number.
const LEAST_STEP: f64 = 1e-13;
/// Name of the journal in the folder of a fit.
const JOURNAL: &str = "fit.journal";

/// Where the journal of a fit lies in its folder.
#[must_use]
pub fn journal_in(folder: &Path) -> PathBuf {
    folder.join(JOURNAL)
}

impl Fit {
    /// Resolves a fit; `sets` are further overrides of its experiment and of those of its targets. The
    /// experiments are built with every parameter at each of its bounds, the others at their start: what is wrong
    /// with one is said before anything runs.
    ///
    /// # Errors
    /// See [`load`]; unknown paths, wrong units, unknown tables and targets, experiments that cannot be built.
    pub fn new(
        config: &Config,
        file: &FitFile,
        sets: &[String],
        texts: &Texts,
    ) -> Result<Fit, FitError> {
        let sets: Vec<String> = file.set.iter().chain(sets).cloned().collect();
        let mut layers = ConfigLayers::read(&file.experiment)?;
        layers.lay(&sets)?;
        let base = layers.with(&[])?;
        let parameters = file::parameters(config, file, &base.config, &sets)?;
        let mut names: Vec<(Option<String>, Vec<String>, Option<String>)> = Vec::new();
        let mut settings: Vec<Setting> = Vec::new();
        let mut targets: Vec<Target> = Vec::new();
        for (i, draft) in file.targets.iter().enumerate() {
            let at = format!("targets[{i}]");
            let table = draft.table.as_ref().and_then(|name| texts.tables.get(name));
            let paper = draft.paper.as_ref().and_then(|name| texts.papers.get(name));
            let text = table.or(paper).map(String::as_str);
            for resolved in target::resolve(config, &at, draft, text)? {
                let key = (resolved.experiment, resolved.set, resolved.isolate);
                let place = match names.iter().position(|known| *known == key) {
                    Some(place) => place,
                    None => {
                        let (experiment, set, isolate) = &key;
                        let mut of = match experiment {
                            Some(name) => ConfigLayers::read(name)?,
                            None => ConfigLayers::read(&file.experiment)?,
                        };
                        // What the fit sets belongs to its own experiment, what is asked for on top to all.
                        let common = match experiment {
                            Some(_) => &sets[file.set.len()..],
                            None => &sets[..],
                        };
                        of.lay(common)?;
                        of.lay(set)?;
                        refuse_fixed(config, &at, &parameters, set)?;
                        settings.push(Setting {
                            layers: of,
                            isolate: isolate.clone(),
                            needs_run: false,
                        });
                        names.push(key);
                        settings.len() - 1
                    }
                };
                let mut target = resolved.target;
                target.setting = place;
                targets.push(target);
            }
        }
        let mut fit = Fit {
            title: file.title.clone(),
            experiment: file.experiment.clone(),
            sets,
            parameters,
            targets,
            settings,
            data: DataSets::default(),
            seed: file.seed,
            population: file.population(),
            sigma: file.sigma,
            generations: file.most_generations(),
            stop: file.stop,
            runs: 0,
            memory: 0,
            header: About::new(),
        };
        fit.try_bounds(config)?;
        fit.describe(file, texts)?;
        Ok(fit)
    }

    /// Builds every experiment with each parameter at its bounds.
    fn try_bounds(&self, config: &Config) -> Result<(), FitError> {
        let start = self.start_places();
        for (k, parameter) in self.parameters.iter().enumerate() {
            for (place, key) in [(0.0, "lower"), (1.0, "upper")] {
                let mut places = start.clone();
                places[k] = place;
                for setting in &self.settings {
                    let built = self.lab(setting, &places);
                    let Err(e) = built else { continue };
                    // Where the path is not in the experiment, a neighbour may have been meant.
                    let base = setting.layers.with(&[])?.config;
                    let hint = match base.found(&parameter.path) {
                        Some(_) => String::new(),
                        None => base.hint(&parameter.path),
                    };
                    let value = parameter.at(place);
                    let message = format!(
                        "the experiment cannot be built with {} = {value}{hint}: {e}",
                        parameter.path
                    );
                    return Err(config.error(&parameter.key(key), message).into());
                }
            }
        }
        Ok(())
    }

    /// Finds out what the start needs, and what a journal of this fit is about.
    fn describe(&mut self, file: &FitFile, texts: &Texts) -> Result<(), FitError> {
        let start = self.start_places();
        let (mut configs, mut data) = (String::new(), String::new());
        let (mut runs, mut memory, mut needs) = (0, 0, Vec::new());
        for (k, setting) in self.settings.iter().enumerate() {
            let lab = self
                .lab(setting, &start)
                .map_err(|e| FitError::Experiment {
                    at: "at the start".to_owned(),
                    source: Box::new(e),
                })?;
            let mut own = self.targets.iter().filter(|t| t.setting == k);
            let needs_run = own.any(|t| t.needs_run(&lab));
            if needs_run {
                runs = runs.max(lab.runs());
                memory = memory.max(lab.recording_bytes());
            }
            needs.push(needs_run);
            configs += &setting.layers.with(&[])?.config.canonical();
            data += &lab.data_digest();
        }
        for (setting, needs_run) in self.settings.iter_mut().zip(needs) {
            setting.needs_run = needs_run;
        }
        (self.runs, self.memory) = (runs, memory);
        // The debug form of a number is its shortest text, which tells all numbers apart.
        let digest = |text: String| sha256_hex(text.as_bytes());
        self.header = record::about([
            ("experiments", configs),
            ("data sets", digest(data)),
            ("parameters", digest(format!("{:?}", self.parameters))),
            ("targets", digest(format!("{:?}", file.targets))),
            (
                "tables",
                digest(format!("{:?} {:?}", texts.tables, texts.papers)),
            ),
            ("seed", self.seed.to_string()),
            ("population", self.population.to_string()),
            ("sigma", self.sigma.to_string()),
        ]);
        Ok(())
    }

    /// One line that names it.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Config path or bundled name of its experiment.
    #[must_use]
    pub fn experiment(&self) -> &str {
        &self.experiment
    }

    /// What is looked for.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// What is wanted.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Candidates of a generation.
    #[must_use]
    pub fn population(&self) -> usize {
        self.population
    }

    /// Generations at most.
    #[must_use]
    pub fn generations(&self) -> u64 {
        self.generations
    }

    /// Evaluations at most, the start included.
    #[must_use]
    pub fn most_evaluations(&self) -> u64 {
        1 + self.generations * self.population as u64
    }

    /// Runs of a candidate: replicates, or trials of a task; 0 if the equations are enough.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// Bytes of the recordings that exist at a time on so many threads.
    #[must_use]
    pub fn memory_bytes(&self, threads: usize) -> u128 {
        // A batch and its parts, which belong to one candidate each.
        2 * u128::from(self.memory) * (self.batch(self.population, threads) * threads) as u128
    }

    fn start_places(&self) -> Vec<f64> {
        self.parameters.iter().map(|p| p.start).collect()
    }

    /// Overrides of a candidate, `path=value`.
    #[must_use]
    pub fn sets_at(&self, places: &[f64]) -> Vec<String> {
        let both = self.parameters.iter().zip(places);
        both.map(|(p, &place)| format!("{}={}", p.path, p.at(place)))
            .collect()
    }

    /// Overrides of the experiment and of a candidate.
    #[must_use]
    pub fn all_sets_at(&self, places: &[f64]) -> Vec<String> {
        let own = self.sets_at(places);
        self.sets.iter().cloned().chain(own).collect()
    }

    /// The experiment of the fit with a candidate's parameters.
    ///
    /// # Errors
    /// As for [`crate::spec::load`].
    pub fn experiment_at(&self, places: &[f64]) -> Result<ExperimentSpec, SpecError> {
        crate::spec::load(&self.experiment, &self.all_sets_at(places))
    }

    fn lab(&self, setting: &Setting, places: &[f64]) -> Result<Lab, LabError> {
        let over: Vec<Override> = (self.parameters.iter().zip(self.sets_at(places)))
            .map(|(parameter, text)| Override::Set {
                label: format!("parameter {}", parameter.path),
                text,
            })
            .collect();
        let spec = setting.layers.with(&over)?;
        Lab::of(spec, setting.isolate.as_deref(), &self.data, 1)
    }

    /// Candidates that are run side by side.
    fn batch(&self, pending: usize, threads: usize) -> usize {
        let share = pending.div_ceil(threads.max(1));
        match self.runs {
            // Nothing is stepped; small pieces share out best.
            0 => 1,
            runs => share.clamp(1, (ABREAST / runs).max(1)),
        }
    }

    /// Evaluates some candidates, in the thread of the caller. The first error is that of a whole candidate, with
    /// the target it happened in.
    fn evaluate(
        &self,
        batch: &[Vec<f64>],
        stop: &AtomicBool,
    ) -> Result<Vec<Result<Evaluated, Failed>>, FitError> {
        let mut found = vec![vec![None; self.targets.len()]; batch.len()];
        let mut failures: Vec<Option<Failed>> = batch.iter().map(|_| None).collect();
        for (s, setting) in self.settings.iter().enumerate() {
            let mut labs: Vec<Option<Lab>> = Vec::new();
            for (k, places) in batch.iter().enumerate() {
                let built = match failures[k] {
                    None => self.lab(setting, places).map(Some),
                    Some(_) => Ok(None),
                };
                labs.push(built.unwrap_or_else(|e| {
                    failures[k] = Some(Failed::new(None, e));
                    None
                }));
            }
            if setting.needs_run {
                let (mut there, mut all) = (Vec::new(), Vec::new());
                for (k, lab) in labs.iter_mut().enumerate() {
                    if let Some(lab) = lab {
                        there.push(k);
                        all.push(lab);
                    }
                }
                let ran =
                    Lab::run_together(&mut all, stop).map_err(|e| interrupted_or(e, "run"))?;
                for (k, ran) in there.into_iter().zip(ran) {
                    if let Err(e) = ran {
                        failures[k] = Some(Failed::new(None, e));
                        labs[k] = None;
                    }
                }
            }
            for (k, lab) in labs.iter_mut().enumerate() {
                let Some(lab) = lab else { continue };
                let own = self.targets.iter().enumerate();
                for (t, target) in own.filter(|(_, target)| target.setting == s) {
                    match target.measure(lab, stop) {
                        Ok(one) if one.loss.is_finite() => found[k][t] = Some(one),
                        Ok(one) => {
                            let e = LabError::Analysis(crate::analysis::AnalysisError::Range {
                                what: "measure",
                                value: one.value,
                                expected: "a finite number",
                            });
                            failures[k] = Some(Failed::new(Some(t), e));
                            break;
                        }
                        Err(e) if e.is_interrupted() => {
                            return Err(interrupted_or(e, &target.name));
                        }
                        Err(e) => {
                            failures[k] = Some(Failed::new(Some(t), e));
                            break;
                        }
                    }
                }
            }
        }
        let all = batch.iter().zip(found).zip(failures);
        Ok(all
            .map(|((places, found), failure)| match failure {
                Some(failed) => Err(failed),
                None => {
                    let targets: Vec<Found> = found.into_iter().flatten().collect();
                    Ok(Evaluated {
                        places: places.clone(),
                        loss: self.loss(&targets),
                        targets,
                        failure: None,
                    })
                }
            })
            .collect())
    }

    /// Root of the weighted mean of squares.
    fn loss(&self, found: &[Found]) -> f64 {
        let weights: f64 = self.targets.iter().map(|t| t.weight).sum();
        let both = self.targets.iter().zip(found);
        let squares: f64 = both.map(|(t, f)| t.weight * f.loss * f.loss).sum();
        (squares / weights).sqrt()
    }

    fn failed(&self, places: &[f64], failed: Failed) -> Evaluated {
        let of = failed.target.map(|t| format!("{}: ", self.targets[t].name));
        Evaluated::failed(
            places,
            format!("{}{}", of.unwrap_or_default(), failed.error),
        )
    }

    /// Evaluates the start. A target that does not fit the experiment is an error here and not a bad candidate.
    ///
    /// # Errors
    /// A measure that the experiment does not have; `stop` was set.
    pub fn evaluate_start(&self, stop: &AtomicBool) -> Result<Evaluated, FitError> {
        let places = self.start_places();
        let one = self.evaluate(std::slice::from_ref(&places), stop)?.pop();
        match one {
            Some(Ok(evaluated)) => Ok(evaluated),
            Some(Err(failed)) if failed.is_of_the_fit() => Err(match failed.target {
                Some(t) => FitError::Target {
                    target: self.targets[t].name.clone(),
                    source: Box::new(failed.error),
                },
                None => FitError::Experiment {
                    at: "at the start".to_owned(),
                    source: Box::new(failed.error),
                },
            }),
            Some(Err(failed)) => Ok(self.failed(&places, failed)),
            None => Err(EngineError::Interrupted.into()),
        }
    }

    /// Refuses a folder with a fit in it, unless it is to be resumed or forgotten.
    ///
    /// # Errors
    /// [`FitError::There`].
    pub fn check_folder(&self, folder: &Path, earlier: Earlier) -> Result<(), FitError> {
        let path = journal_in(folder);
        match Journal::exists(&path) && earlier == Earlier::Refuse {
            true => Err(FitError::There { path }),
            false => Ok(()),
        }
    }

    fn open(&self, path: &Path, earlier: Earlier) -> Result<Journal, FitError> {
        let header = serde_json::to_vec(&self.header).expect("a map of texts serialises");
        if !Journal::exists(path) {
            return Ok(Journal::create(path, &header)?);
        }
        let path = path.to_owned();
        match earlier {
            Earlier::Refuse => return Err(FitError::There { path }),
            Earlier::Forget => {
                Journal::discard(&path)?;
                return Ok(Journal::create(&path, &header)?);
            }
            Earlier::Resume => {}
        }
        let (journal, found) = Journal::open(&path)?;
        let found: About = serde_json::from_slice(&found).unwrap_or_default();
        let other = differing(&found, &self.header);
        match other.is_empty() {
            true => Ok(journal),
            false => Err(FitError::Other {
                path,
                what: other.join(", "),
            }),
        }
    }

    /// Searches, and keeps every candidate in the journal in `folder`, which is there. `start` is what
    /// [`Fit::evaluate_start`] gave; it is evaluated if absent and not in the journal.
    ///
    /// # Errors
    /// See [`FitError`]. Whatever was finished is in the journal and stays there.
    pub fn run(
        &self,
        folder: &Path,
        start: Option<Evaluated>,
        carry: &Carry<'_>,
    ) -> Result<Summary, FitError> {
        let journal = self.open(&journal_in(folder), carry.earlier)?;
        let (path, dropped, before) = (
            journal.path().to_owned(),
            journal.dropped(),
            journal.len() as u64,
        );
        let mut kept = Kept {
            fit: self,
            carry,
            journal,
            failed: 0,
            best: f64::INFINITY,
            error: None,
        };
        let ended = self.search(&mut kept, start);
        let synced = kept.journal.sync().map_err(FitError::from);
        let done = kept.journal.len() as u64;
        match ended.and_then(|search| synced.map(|()| search)) {
            Ok(search) => search.summary(self, done - before, dropped),
            // Wrong parts of the journal are no reason to go on with it.
            Err(e @ FitError::Other { .. }) => Err(e),
            Err(e) => Err(FitError::Stopped {
                done,
                total: self.most_evaluations(),
                journal: path,
                because: (!e.is_interrupted()).then(|| Box::new(e)),
            }),
        }
    }

    fn search(&self, kept: &mut Kept<'_>, start: Option<Evaluated>) -> Result<Search, FitError> {
        let pool = engine::pool(kept.carry.threads)?;
        let places = self.start_places();
        let start = match (kept.read(0, &places)?, start) {
            (Some(known), _) => known,
            (None, Some(new)) => kept.keep(0, new)?,
            (None, None) => {
                let new = self.evaluate_start(kept.carry.stop)?;
                kept.keep(0, new)?
            }
        };
        let mut search = Search {
            best: start.clone(),
            best_at: 0,
            trajectory: vec![Generation {
                generation: 0,
                evaluations: 1,
                best: start.loss,
                of_generation: start.loss,
                median: start.loss,
                sigma: self.sigma,
                failed: u64::from(start.failure.is_some()),
            }],
            failed: u64::from(start.failure.is_some()),
            first_failure: start.failure.clone(),
            start,
            ended: Ended::Limit,
            spread: self.sigma,
        };
        let mut cma = Cma::new(places, self.sigma, self.population, self.seed);
        for generation in 1..=self.generations {
            let asked = cma.ask();
            let first = 1 + (generation - 1) * self.population as u64;
            let folded: Vec<Vec<f64>> = (asked.iter())
                .map(|x| x.iter().map(|&x| mirrored(x)).collect())
                .collect();
            let all = kept.generation(&pool, first, &folded)?;
            let losses: Vec<f64> = all.iter().map(|e| e.loss).collect();
            cma.tell(&asked, &losses);
            search.take(generation, first, all, cma.sigma());
            search.spread = cma.spread();
            if let Some(ended) = self.has_ended(&search, &losses) {
                search.ended = ended;
                break;
            }
        }
        Ok(search)
    }

    /// Whether the search has come to an end before its limit.
    fn has_ended(&self, search: &Search, losses: &[f64]) -> Option<Ended> {
        // Of the tutorial, B.3: as many generations as it takes to see a trend.
        let n = self.parameters.len();
        let window = 10 + (30 * n).div_ceil(self.population);
        let told = &search.trajectory[1..];
        let lost = |g: &Generation| g.failed == self.population as u64;
        if told.len() as u64 >= LOST && told.iter().rev().take(LOST as usize).all(lost) {
            return Some(Ended::Failures);
        }
        let of_window = told.iter().rev().take(window).map(|g| g.of_generation);
        let all = of_window.chain(losses.iter().copied());
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        });
        if told.len() >= window && high - low <= self.stop {
            return Some(Ended::Tolerance);
        }
        (search.spread < LEAST_STEP).then_some(Ended::Steps)
    }
}

/// A candidate that could not be evaluated.
#[derive(Debug)]
struct Failed {
    target: Option<usize>,
    error: LabError,
}

impl Failed {
    fn new(target: Option<usize>, error: LabError) -> Failed {
        Failed { target, error }
    }

    /// Whether the fit is at fault, and not the parameters.
    fn is_of_the_fit(&self) -> bool {
        matches!(
            self.error,
            LabError::Misfit(_)
                | LabError::Spec(_)
                | LabError::Network(_)
                | LabError::Engine(EngineError::Spec(_))
        )
    }
}

fn interrupted_or(e: LabError, target: &str) -> FitError {
    match e {
        LabError::Engine(e) => FitError::Engine(e),
        e => FitError::Target {
            target: target.to_owned(),
            source: Box::new(e),
        },
    }
}

fn refuse_fixed(
    config: &Config,
    at: &str,
    parameters: &[Parameter],
    sets: &[String],
) -> Result<(), SpecError> {
    for set in sets {
        let path = set
            .split_once('=')
            .map_or(set.as_str(), |(path, _)| path)
            .trim();
        if parameters.iter().any(|p| p.path == path) {
            let message =
                format!("fitted and set: found `{path}` in a target, too, expected it once");
            return Err(config.error(at, message));
        }
    }
    Ok(())
}

/// The journal with what was seen of it.
struct Kept<'a> {
    fit: &'a Fit,
    carry: &'a Carry<'a>,
    journal: Journal,
    failed: u64,
    best: f64,
    /// What went wrong while several threads were at work.
    error: Option<FitError>,
}

impl Kept<'_> {
    /// A candidate of the journal; none if it is not there, or damaged.
    fn read(&mut self, key: u64, places: &[f64]) -> Result<Option<Evaluated>, FitError> {
        let Some(bytes) = self.journal.read(key)? else {
            return Ok(None);
        };
        let (n, targets) = (self.fit.parameters.len(), self.fit.targets.len());
        let Some(found) = Evaluated::read(&bytes, n, targets) else {
            return Ok(None);
        };
        let same = (found.places.iter().zip(places)).all(|(a, b)| a.to_bits() == b.to_bits());
        if !same {
            return Err(FitError::Other {
                path: self.journal.path().to_owned(),
                what: format!("numbers of candidate {key}, as of another machine,"),
            });
        }
        self.see(&found);
        Ok(Some(found))
    }

    fn keep(&mut self, key: u64, new: Evaluated) -> Result<Evaluated, FitError> {
        self.journal.append(key, &new.bytes())?;
        self.see(&new);
        Ok(new)
    }

    fn see(&mut self, one: &Evaluated) {
        self.failed += u64::from(one.failure.is_some());
        self.best = self.best.min(one.loss);
        let (done, total) = (self.journal.len() as u64, self.fit.most_evaluations());
        let progress = self.carry.progress;
        progress.evaluations(done, self.failed, total, self.best);
    }

    /// The candidates of a generation, from the journal or evaluated now.
    fn generation(
        &mut self,
        pool: &rayon::ThreadPool,
        first: u64,
        candidates: &[Vec<f64>],
    ) -> Result<Vec<Evaluated>, FitError> {
        let mut all: Vec<Option<Evaluated>> = Vec::with_capacity(candidates.len());
        for (k, places) in candidates.iter().enumerate() {
            all.push(self.read(first + k as u64, places)?);
        }
        let pending: Vec<usize> = (0..all.len()).filter(|&k| all[k].is_none()).collect();
        if pending.is_empty() {
            return Ok(all.into_iter().flatten().collect());
        }
        let (fit, stop) = (self.fit, self.carry.stop);
        let size = fit.batch(pending.len(), self.carry.threads);
        let batches: Vec<&[usize]> = pending.chunks(size).collect();
        let shared = Mutex::new((self, &mut all));
        pool.install(|| {
            batches.par_iter().for_each(|batch| {
                let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
                if stop.load(Ordering::Relaxed) || lock().0.error.is_some() {
                    return;
                }
                let places: Vec<Vec<f64>> = batch.iter().map(|&k| candidates[k].clone()).collect();
                let evaluated = fit.evaluate(&places, stop);
                let mut guard = lock();
                let (kept, all) = &mut *guard;
                let taken = evaluated.and_then(|evaluated| {
                    for (&k, one) in batch.iter().zip(evaluated) {
                        let one = one.unwrap_or_else(|failed| fit.failed(&candidates[k], failed));
                        all[k] = Some(kept.keep(first + k as u64, one)?);
                    }
                    Ok(())
                });
                if let Err(e) = taken {
                    kept.error.get_or_insert(e);
                }
            });
        });
        let (kept, all) = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(e) = kept.error.take() {
            return Err(e);
        }
        let whole: Option<Vec<Evaluated>> = all.drain(..).collect();
        whole.ok_or_else(|| EngineError::Interrupted.into())
    }
}

/// A search with what came of it.
struct Search {
    start: Evaluated,
    best: Evaluated,
    best_at: u64,
    trajectory: Vec<Generation>,
    failed: u64,
    first_failure: Option<String>,
    ended: Ended,
    spread: f64,
}

impl Search {
    fn take(&mut self, generation: u64, first: u64, all: Vec<Evaluated>, sigma: f64) {
        let mut losses: Vec<f64> = all.iter().map(|e| e.loss).collect();
        losses.sort_by(f64::total_cmp);
        let failed = all.iter().filter(|e| e.failure.is_some()).count() as u64;
        self.failed += failed;
        let evaluations = first + all.len() as u64;
        for (k, one) in all.into_iter().enumerate() {
            if self.first_failure.is_none() {
                self.first_failure.clone_from(&one.failure);
            }
            if one.loss < self.best.loss {
                self.best = one;
                self.best_at = first + k as u64;
            }
        }
        self.trajectory.push(Generation {
            generation,
            evaluations,
            best: self.best.loss,
            of_generation: losses[0],
            median: losses[losses.len() / 2],
            sigma,
            failed,
        });
    }

    fn summary(self, fit: &Fit, run: u64, dropped: u64) -> Result<Summary, FitError> {
        if !self.best.loss.is_finite() {
            let tried = self.trajectory.last().map_or(1, |g| g.evaluations);
            let why = self.first_failure.unwrap_or_default();
            let why = why.lines().next().unwrap_or_default().to_owned();
            return Err(FitError::Hopeless { tried, why });
        }
        debug_assert_eq!(self.best.targets.len(), fit.targets.len());
        Ok(Summary {
            start: self.start,
            best: self.best,
            best_at: self.best_at,
            trajectory: self.trajectory,
            ended: self.ended,
            spread: self.spread,
            run,
            failed: self.failed,
            first_failure: self.first_failure,
            dropped,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_goes_into_the_journal_comes_out(
            places in prop::collection::vec(0.0_f64..1.0, 3),
            losses in prop::collection::vec(0.0_f64..1e9, 4),
            why in prop::option::of("[ -~]{1,40}"),
        ) {
            let evaluated = match why {
                Some(why) => Evaluated::failed(&places, why),
                None => Evaluated {
                    places,
                    loss: losses[0],
                    targets: (losses.chunks(2)).map(|l| Found { loss: l[0], value: l[1] }).collect(),
                    failure: None,
                },
            };
            let bytes = evaluated.bytes();
            prop_assert_eq!(Evaluated::read(&bytes, 3, 2), Some(evaluated.clone()));
            prop_assert_eq!(Evaluated::read(&bytes, 4, 2), None);
            prop_assert_eq!(Evaluated::read(&bytes[1..], 3, 2), None);
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..96)) {
            let _ = Evaluated::read(&bytes, 2, 1);
        }
    }
}
