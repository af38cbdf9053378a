//! From a config to a run that will fit: what the program and the Python package do alike.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Failure, memory};
use crate::engine::{self, Outcome, Pace};
use crate::network::Network;
use crate::plan::{Execution, Plan};
use crate::record::{Checkpoint, checkpoint_path, is_unfinished};
use crate::spec::ExperimentSpec;
use crate::units::rounded;

/// An experiment with all that was made from it.
pub struct Prepared {
    /// The experiment.
    pub spec: ExperimentSpec,
    /// Its network.
    pub network: Network,
    /// How it will be stepped.
    pub plan: Plan,
    /// What a person should know before trusting a number of it.
    pub warnings: Vec<String>,
}

/// Builds the network and the plan of an experiment and checks what would fail later.
///
/// # Errors
/// A network that cannot be built, a step too long, measures that do not fit it, too little memory.
pub fn prepare(spec: ExperimentSpec, execution: Execution) -> Result<Prepared, Failure> {
    let network = Network::build(&spec)?;
    let of_data = network.connectome.provenance.warnings.iter();
    let mut warnings: Vec<String> = of_data.map(ToString::to_string).collect();
    warnings.extend(network.remarks(spec.run.dt_ms));
    let plan = Plan::compile(&network, &spec, execution)?;
    engine::check_measures(&network, &spec)?;
    memory::check(&spec, &plan)?;
    Ok(Prepared {
        spec,
        network,
        plan,
        warnings,
    })
}

/// The checkpoint of the unfinished run of that name, if it shall go on and there is one.
///
/// # Errors
/// A checkpoint that cannot be read.
pub fn begun(output: &Path, resume: bool) -> Result<Option<Checkpoint>, Failure> {
    let path = checkpoint_path(output);
    Ok(
        match resume && path.exists() && (is_unfinished(output) || !output.exists()) {
            true => Some(Checkpoint::read(&path)?),
            false => None,
        },
    )
}

/// When checkpoints are written: every so often, and more rarely where they take long.
pub struct Clock {
    every: Duration,
    /// When it is time again; none while one is being written.
    next: Mutex<Option<Instant>>,
    begun: Mutex<Instant>,
}

/// A run spends at most about one part in so many on checkpoints.
const PART_OF_TIME: u32 = 20;

impl Clock {
    /// One that lets `every` pass between checkpoints.
    #[must_use]
    pub fn new(every: Duration) -> Self {
        let now = Instant::now();
        Clock {
            every,
            // The first one soon: a disk may be full at once.
            next: Mutex::new(Some(now + every.min(Duration::from_secs(1)))),
            begun: Mutex::new(now),
        }
    }
}

impl Pace for Clock {
    fn due(&self) -> bool {
        let now = Instant::now();
        let mut next = self.next.lock().expect("nobody panics with it");
        let due = next.is_some_and(|next| next <= now);
        if due {
            *next = None;
            *self.begun.lock().expect("nobody panics with it") = now;
        }
        due
    }

    fn written(&self) {
        let took = self.begun.lock().expect("nobody panics with it").elapsed();
        let wait = self.every.max(took * PART_OF_TIME);
        *self.next.lock().expect("nobody panics with it") = Some(Instant::now() + wait);
    }
}

/// No rate of a cortical area comes near this, Hz.
const IMPLAUSIBLE_RATE: f64 = 1e3;
/// No gate or current does, in pA or as a fraction.
const IMPLAUSIBLE: f64 = 1e6;

impl Prepared {
    /// Replicates that left their bounds, and activity that no cortex has.
    #[must_use]
    pub fn divergence(&self, outcome: &Outcome) -> Vec<String> {
        let plan = &self.plan;
        let mut all = Vec::new();
        for (replicate, stop) in outcome.stops.iter().enumerate() {
            let Some(stop) = stop else { continue };
            let variable = plan.circuit.info().variables[stop.variable].name;
            let (area, time) = (
                &plan.areas[stop.area],
                rounded(stop.step as f64 * plan.dt_ms),
            );
            all.push(format!(
                "replicate {replicate} was stopped at {time} ms: {variable} of area {area} is {:e}; \
                 what follows of it is NaN",
                stop.value
            ));
        }
        let peaks = outcome.measures.peaks.rows.iter();
        let unit = plan.circuit.info().variables[plan.record.variables[0]].unit;
        let implausible = match unit {
            "Hz" => IMPLAUSIBLE_RATE,
            _ => IMPLAUSIBLE,
        };
        let largest = peaks
            .map(|p| p.value.abs())
            .filter(|v| v.is_finite())
            .fold(0.0, f64::max);
        if largest > implausible {
            all.push(format!(
                "activity reached {largest:.1e} {unit}, which no cortex does: the network may be unstable for these \
                 parameters (`isocortex check` says whether its baseline lasts)"
            ));
        }
        all
    }
}
