//! Measures held against targets: published or recomputed numbers with tolerance and source.
//!
//! `data/targets/<paper>.yaml` lists targets; each names an experiment, overrides, and a measure
//! from the closed vocabulary [`Measure`]. [`judge`] runs what they need, once per distinct
//! experiment, and gives a verdict per number. Nothing here knows a paper.

mod graph;
mod lab;
mod recordings;
mod targets;
mod unrolled;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::engine::EngineError;

pub use graph::{GraphOf, GraphQuantity, SignedWeights};
pub use lab::{Lab, LabError, PerArea, Value};
pub use recordings::{
    Comparison, DelayReports, Pair, Recordings, RegionTime, Regions, Reports, Row,
    bundled_recordings, compare, load_recordings, pairs,
};
pub use targets::{BoldFeature, Case, Measure, Part, Target, TargetFile, bundled, load};
pub use unrolled::Equivalent;

/// The verdict on one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within tolerance.
    Pass,
    /// Outside tolerance.
    Fail,
    /// Outside tolerance for a reason that the target states.
    KnownGap,
}

/// One line of a scorecard.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Score {
    /// Identifier of the target.
    pub id: String,
    /// The quantity.
    pub quantity: String,
    /// Which one of the target's numbers.
    pub case: String,
    /// What was found.
    pub found: Value,
    /// What was expected, with tolerance, in words.
    pub expected: String,
    /// Unit of both.
    pub unit: String,
    /// Tolerance class (T0 closed form … T4 published with data or digits that are not at hand).
    pub class: String,
    /// Evidence tag: P paper, C authors' code, R recomputed, A analytic.
    pub evidence: String,
    /// Where the expected number comes from.
    pub source: String,
    /// Whether a failure fails the whole.
    pub required: bool,
    /// The verdict.
    pub verdict: Verdict,
    /// Why a gap is known, or what went wrong.
    pub note: String,
}

/// Runs every experiment that the targets need and judges every number.
///
/// # Errors
/// An experiment that cannot be built or run, a measure that does not fit it.
pub fn judge(
    file: &TargetFile,
    threads: usize,
    stop: &AtomicBool,
    mut progress: impl FnMut(usize, usize, &str),
) -> Result<Vec<Score>, LabError> {
    let total = file.targets.iter().map(|t| t.cases.len()).sum();
    let mut labs: Vec<(LabKey, Lab)> = Vec::new();
    let mut scores = Vec::with_capacity(total);
    for target in &file.targets {
        let key = LabKey {
            experiment: target.experiment.clone(),
            sets: target.set.clone(),
            isolate: target.isolate.clone(),
        };
        let at = match labs.iter().position(|(k, _)| *k == key) {
            Some(at) => at,
            None => {
                let lab = Lab::new(&key.experiment, &key.sets, key.isolate.as_deref(), threads)
                    .map_err(|e| e.of(&target.id))?;
                labs.push((key, lab));
                labs.len() - 1
            }
        };
        for case in &target.cases {
            progress(scores.len(), total, &target.id);
            if stop.load(Ordering::Relaxed) {
                return Err(EngineError::Interrupted.into());
            }
            let found = labs[at]
                .1
                .measure(&case.measure, stop)
                .map_err(|e| e.of(&target.id))?;
            scores.push(score(target, case, found));
        }
    }
    Ok(scores)
}

#[derive(PartialEq)]
struct LabKey {
    experiment: String,
    sets: Vec<String>,
    isolate: Option<String>,
}

fn score(target: &Target, case: &Case, found: Value) -> Score {
    let relative = case.relative.or(target.relative);
    let absolute = case.absolute.or(target.absolute);
    let mut bounds = Vec::new();
    let mut words = Vec::new();
    if let Some(expected) = case.expected {
        let half_width = match (absolute, relative) {
            (Some(a), _) => a,
            (None, Some(r)) => r * expected.abs(),
            (None, None) => 0.0,
        };
        bounds.push((expected - half_width, expected + half_width));
        words.push(match (absolute, relative) {
            (Some(a), _) => format!("{expected} ± {a}"),
            (None, Some(r)) => format!("{expected} ± {} %", significant(r * 100.0)),
            (None, None) => format!("{expected}"),
        });
    }
    if let Some(low) = case.at_least {
        bounds.push((low, f64::INFINITY));
        words.push(format!("≥ {low}"));
    }
    if let Some(high) = case.at_most {
        bounds.push((f64::NEG_INFINITY, high));
        words.push(format!("≤ {high}"));
    }
    let met = match &found {
        Value::Number(x) => {
            !bounds.is_empty() && bounds.iter().all(|(low, high)| (low..=high).contains(&x))
        }
        Value::Names(names) => {
            words.push(case.names.join(", "));
            *names == case.names
        }
    };
    let gap = case.gap.as_ref().or(target.gap.as_ref());
    let verdict = match (met, gap) {
        (true, _) => Verdict::Pass,
        (false, Some(_)) => Verdict::KnownGap,
        (false, None) => Verdict::Fail,
    };
    Score {
        id: target.id.clone(),
        quantity: target.quantity.clone(),
        case: case.measure.label(),
        found,
        expected: words.join(", "),
        unit: target.unit.clone(),
        class: target.class.clone(),
        evidence: target.evidence.clone(),
        source: target.source.clone(),
        required: target.required && gap.is_none(),
        verdict,
        note: if met {
            String::new()
        } else {
            gap.cloned().unwrap_or_default()
        },
    }
}

/// A percentage without the noise of binary fractions.
fn significant(x: f64) -> f64 {
    (x * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> TargetFile {
        load("test", text).unwrap()
    }

    const ONE: &str = "
paper: test
targets:
  - id: X
    quantity: q
    class: T0
    evidence: A
    source: here
    unit: ms
    experiment: chaudhuri2015_v1_pulse
    set: [preset=printed]
    relative: 0.01
    cases:
      - {measure: {eigen_timescale: {rank: 0}}, expected: 760}
      - {measure: {eigen_timescale: {rank: 0}}, expected: 700}
      - {measure: {eigen_timescale: {rank: 0}}, expected: 700, gap: because}
      - {measure: {eigen_timescale: {rank: 1}}, at_least: 600, at_most: 610}
";

    #[test]
    fn verdicts_follow_the_tolerance() {
        let stop = AtomicBool::new(false);
        let scores = judge(&target(ONE), 1, &stop, |_, _, _| {}).unwrap();
        let verdicts: Vec<Verdict> = scores.iter().map(|s| s.verdict).collect();
        assert_eq!(
            verdicts,
            [
                Verdict::Pass,
                Verdict::Fail,
                Verdict::KnownGap,
                Verdict::Pass
            ]
        );
        assert_eq!(scores[2].note, "because");
        assert!(scores[1].required && !scores[2].required);
        assert_eq!(scores[0].expected, "760 ± 1 %");
    }

    #[test]
    fn a_target_without_a_number_is_refused() {
        let text = ONE.replace(", expected: 760", "");
        assert!(
            load("test", &text)
                .unwrap_err()
                .to_string()
                .contains("expected")
        );
    }

    #[test]
    fn bundled_targets_name_experiments_that_exist() {
        for (name, file) in bundled() {
            for target in &load(name, file).unwrap().targets {
                let built = Lab::new(
                    &target.experiment,
                    &target.set,
                    target.isolate.as_deref(),
                    1,
                );
                assert!(built.is_ok(), "{}: {}", target.id, built.err().unwrap());
            }
        }
    }
}
