//! Whether a run fits this machine, asked before anything is allocated.

use super::Failure;
use crate::engine::{chunk_samples, needs_recording};
use crate::plan::{Axis, Plan};
use crate::spec::ExperimentSpec;

/// Assumed where the system does not say how much memory it has [bytes].
const ASSUMED: u128 = 1 << 40;

/// Refuses a run that needs more memory than the machine has.
///
/// # Errors
/// How much it needs and how much there is.
pub fn check(spec: &ExperimentSpec, plan: &Plan) -> Result<(), Failure> {
    fits(spec, plan, needs_recording(spec), installed())
}

/// Refuses what needs more memory than the machine has; `what` names it.
///
/// # Errors
/// As [`check`].
pub fn check_bytes(what: &str, needed: u128) -> Result<(), Failure> {
    let most = installed();
    if needed <= most {
        return Ok(());
    }
    Err(format!(
        "not enough memory: the {what} needs {:.1} GB, expected at most the {:.1} GB of this machine",
        gigabytes(needed),
        gigabytes(most)
    )
    .into())
}

/// The same for a run in memory, which keeps the recording of every replicate.
///
/// # Errors
/// As [`check`].
pub fn check_recording(spec: &ExperimentSpec, plan: &Plan) -> Result<(), Failure> {
    fits(spec, plan, true, installed())
}

fn gigabytes(bytes: u128) -> f64 {
    bytes as f64 / 1e9
}

fn fits(spec: &ExperimentSpec, plan: &Plan, keeps_all: bool, most: u128) -> Result<(), Failure> {
    let needed = needed(plan, keeps_all);
    if needed <= most {
        return Ok(());
    }
    let (samples, replicates) = (plan.record.samples, u64::from(plan.replicates));
    let path = if samples > replicates {
        "record.every"
    } else {
        spec.counted_at()
    };
    let message = format!(
        "not enough memory: found {samples} samples of {} variable(s) in {} areas and {replicates} \
         replicate(s), which need {:.1} GB; expected at most the {:.1} GB of this machine",
        plan.record.variables.len(),
        plan.record.areas.len(),
        gigabytes(needed),
        gigabytes(most),
    );
    Err(spec.config.error(path, message).into())
}

/// Bytes that a run keeps in memory: the state of all blocks, one chunk of samples, times, and the
/// recording of the first replicate, or of all where they are wanted.
fn needed(plan: &Plan, keeps_all: bool) -> u128 {
    let replicates = u128::from(plan.replicates);
    let samples = u128::from(plan.record.samples);
    let row = 8 * (plan.record.variables.len() * plan.record.areas.len()) as u128;
    let kept = if keeps_all { replicates } else { 1 };
    let blocks = match plan.lanes.axis {
        _ if !plan.parts.is_empty() => plan.blocks().len() as u128,
        Axis::Replicates => replicates.div_ceil(plan.lanes.width as u128),
        Axis::Areas => replicates,
    };
    let recording = kept * samples * row;
    let times = 3 * 8 * samples;
    let state = blocks * plan.block_bytes() as u128 + plan.held_bytes() as u128;
    let chunk = replicates * chunk_samples(plan) as u128 * row;
    recording + times + state + chunk
}

/// Memory of the machine [bytes].
fn installed() -> u128 {
    let said = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = said.lines().find_map(|l| l.strip_prefix("MemTotal:"));
    let kibibytes = total.and_then(|t| t.trim().strip_suffix("kB")?.trim().parse::<u128>().ok());
    kibibytes.map_or(ASSUMED, |k| k * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;
    use crate::plan::Execution;
    use crate::spec::load;

    fn refusal(sets: &[&str], most: u128) -> Option<String> {
        let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
        let spec = load("chaudhuri2015_v1_pulse", &sets).unwrap();
        let network = Network::build(&spec).unwrap();
        let plan = Plan::compile(&network, &spec, Execution::default()).unwrap();
        fits(&spec, &plan, needs_recording(&spec), most)
            .err()
            .map(|e| e.to_string())
    }

    #[test]
    fn only_what_does_not_fit_is_refused() {
        assert_eq!(refusal(&[], 64 << 20), None);
        assert!(refusal(&[], 1 << 16).is_some());
        let long = refusal(&["simulation.duration=1e6 s"], 64 << 30).unwrap();
        assert!(
            long.contains("1000000001 samples") && long.contains("GB"),
            "{long}"
        );
        let many = ["simulation.replicates=4000000000"];
        assert!(refusal(&many, 64 << 30).unwrap().contains("--set 1:1:23"));
        let measured = ["simulation.replicates=200", "analysis.timescales=~"];
        assert_eq!(refusal(&measured, 128 << 20), None);
        let all = [
            "simulation.replicates=200",
            "analysis.timescales={method: simulated, variable: nu_E, drive: ~}",
        ];
        assert!(refusal(&all, 128 << 20).is_some());
    }
}
