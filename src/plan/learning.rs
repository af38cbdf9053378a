//! Where and when a session learns, in steps, samples and positions.

use std::ops::Range;

use super::RecordPlan;
use crate::network::{Learning, Network};
use crate::spec::{ExperimentSpec, SpecError};
use crate::stimulus::nearest_step;

/// What a session of trials leaves behind, laid out for execution.
#[derive(Debug, Clone, PartialEq)]
pub struct LearningPlan {
    /// The rule.
    pub rule: Learning,
    /// Step at which each trial but the first begins.
    pub begins: Vec<u64>,
    /// Samples that each trial is read from.
    pub windows: Vec<Range<u64>>,
    /// Index of each choice's variable among the recorded ones.
    pub read: Vec<usize>,
    /// Indices of the areas that are read among the recorded ones.
    pub areas: Vec<usize>,
    /// Whether the area at each position learns.
    pub learns: Vec<bool>,
}

pub(super) fn plan(
    network: &Network,
    spec: &ExperimentSpec,
    position: &[usize],
    record: &RecordPlan,
) -> Result<Option<LearningPlan>, SpecError> {
    let Some(rule) = &network.learning else {
        return Ok(None);
    };
    let refuse = |message: String| Err(spec.config.error("task.learning.readout", message));
    let mut read = Vec::new();
    for choice in &rule.choices {
        match record.variables.iter().position(|v| *v == choice.read) {
            Some(k) => read.push(k),
            None => {
                let name = network.info().variables[choice.read].name;
                return refuse(format!(
                    "variable is not recorded: found `{name}`, expected one of `record.variables`"
                ));
            }
        }
    }
    let mut areas = Vec::new();
    for area in &rule.read_in {
        match record.areas.iter().position(|a| a == area) {
            Some(k) => areas.push(k),
            None => {
                let name = &network.connectome.areas[area.index()].name;
                return refuse(format!(
                    "area is not recorded: found `{name}`, expected a recorded area"
                ));
            }
        }
    }
    let mut learns = vec![false; position.len()];
    for area in &rule.learned_in {
        learns[position[area.index()]] = true;
    }
    let trials = 0..rule.starts_ms.len();
    let window = |t| {
        let samples = rule.samples(&spec.run, t);
        samples.start as u64..samples.end as u64
    };
    let begins = rule.starts_ms.iter().skip(1);
    Ok(Some(LearningPlan {
        begins: begins.map(|ms| nearest_step(*ms, spec.run.dt_ms)).collect(),
        windows: trials.map(window).collect(),
        read,
        areas,
        learns,
        rule: rule.clone(),
    }))
}
