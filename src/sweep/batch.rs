//! Conditions stepped side by side, and what is kept of each.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use ndarray::{Array3, Axis, s};

use super::file::{Schema, Slab};
use super::{Case, SweepError};
use crate::engine::{
    self, Activity, Conditions, EngineError, Measures, Piece, Quiet, Recording, Summaries,
    measure_recording, needs_recording,
};
use crate::plan::Plan;
use crate::stepper::Stop;

/// A finished condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Which one.
    pub condition: usize,
    /// Why it has no result, or not all of it.
    pub failure: Option<String>,
    /// Its values in the order of the schema; empty where there are none.
    pub values: Vec<f64>,
}

impl Finished {
    /// A condition without values.
    #[must_use]
    pub fn failed(condition: usize, why: String) -> Self {
        Finished {
            condition,
            failure: Some(why),
            values: Vec::new(),
        }
    }

    /// As bytes for the journal: the length of the failure, the failure, the values.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let why = self.failure.as_deref().unwrap_or_default();
        let mut out = Vec::with_capacity(8 + why.len() + 8 * self.values.len());
        out.extend((why.len() as u64).to_le_bytes());
        out.extend(why.as_bytes());
        for value in &self.values {
            out.extend(value.to_le_bytes());
        }
        out
    }

    /// Reads what [`Finished::bytes`] wrote, if it holds `expected` values or a failure.
    #[must_use]
    pub fn read(condition: usize, bytes: &[u8], expected: usize) -> Option<Finished> {
        let (length, rest) = bytes.split_at_checked(8)?;
        let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
        let (why, rest) = rest.split_at_checked(length)?;
        let why = std::str::from_utf8(why).ok()?;
        let values: Vec<f64> = (rest.chunks_exact(8))
            .map(|x| f64::from_le_bytes(x.try_into().expect("eight bytes")))
            .collect();
        let whole = rest.len().is_multiple_of(8)
            && (values.len() == expected || (values.is_empty() && !why.is_empty()));
        whole.then(|| Finished {
            condition,
            failure: (!why.is_empty()).then(|| why.to_owned()),
            values,
        })
    }
}

/// Runs a batch and hands on its conditions. Returns the part that was done: below 1 if `stop` was set,
/// and then nothing was handed on that was under way.
pub(super) fn run(
    schema: &Schema,
    cases: Vec<Result<(Case, Plan), Finished>>,
    pool: &rayon::ThreadPool,
    stop: &AtomicBool,
    mut hand_on: impl FnMut(Vec<Finished>),
) -> Result<f64, SweepError> {
    let (mut ready, mut plans) = (Vec::new(), Vec::new());
    for case in cases {
        match case {
            Ok((case, plan)) => {
                ready.push(case);
                plans.push(plan);
            }
            Err(failed) => hand_on(vec![failed]),
        }
    }
    let mut done = 1.0_f64;
    let mut from = 0;
    while from < ready.len() {
        let (joined, count) = Plan::side_by_side(&plans[from..]);
        let (cases, own) = (&mut ready[from..from + count], &plans[from..from + count]);
        let part = together(schema, &joined, own, cases, pool, stop, &mut hand_on)?;
        done = done.min(part);
        from += count;
    }
    Ok(done)
}

/// Runs joined conditions.
fn together(
    schema: &Schema,
    joined: &Plan,
    plans: &[Plan],
    cases: &mut [Case],
    pool: &rayon::ThreadPool,
    stop: &AtomicBool,
    hand_on: &mut impl FnMut(Vec<Finished>),
) -> Result<f64, SweepError> {
    let keep = schema.keeps_activity() || cases.iter().any(|c| needs_recording(&c.spec));
    let mut memory = engine::room(joined, if keep { joined.replicates } else { 0 });
    let mut summaries = Summaries::new(joined);
    let starts: Vec<&[f64]> = cases
        .iter()
        .flat_map(|c| c.starts.iter().map(Vec::as_slice))
        .collect();
    let (stops, done) = {
        let (memory, summaries) = (&mut memory, &mut summaries);
        let sink = move |piece: Piece<'_>| {
            if let Piece::Values {
                variable,
                run,
                first,
                values,
            } = piece
            {
                summaries.add(variable, run, values);
                if keep {
                    engine::place(&mut memory[variable], run, first, values);
                }
            }
            Ok(())
        };
        match pool.current_num_threads() {
            // Other workers have the other cores.
            1 => engine::drive_here(joined, &starts, stop, sink)?,
            threads => {
                let conditions = Conditions {
                    threads,
                    stop,
                    progress: &Quiet,
                };
                engine::drive(joined, &starts, pool, &conditions, sink)?
            }
        }
    };
    if done < joined.record.samples && stops.iter().any(Option::is_none) {
        return Ok(done as f64 / joined.record.samples as f64);
    }
    // Where all runs of a batch were stopped, the samples after that are nowhere.
    for variable in &mut memory {
        variable
            .slice_mut(s![.., done as usize.., ..])
            .fill(f64::NAN);
    }
    let runs = stops.len() / cases.len();
    let finish = |(k, (case, plan)): (usize, (&mut Case, &Plan))| {
        let span = k * runs..(k + 1) * runs;
        let own = Own {
            stops: &stops[span.clone()],
            span,
            memory: &memory,
            summaries: &summaries,
        };
        own.finish(schema, case, plan)
    };
    let own = cases.iter_mut().zip(plans).enumerate();
    if keep {
        // Measures of a recording are shared out among threads, and may take long: what has them is not kept waiting.
        own.for_each(|one| hand_on(vec![pool.install(|| finish(one))]));
    } else {
        hand_on(own.map(finish).collect());
    }
    Ok(1.0)
}

/// The part of a batch that belongs to one condition.
struct Own<'a> {
    span: Range<usize>,
    stops: &'a [Option<Stop>],
    /// Activity of all runs of the batch, without runs if it is not kept.
    memory: &'a [Array3<f64>],
    summaries: &'a Summaries,
}

impl Own<'_> {
    fn finish(&self, schema: &Schema, case: &mut Case, plan: &Plan) -> Finished {
        let mut slab = schema.slab(plan);
        let failure = self.fill(&mut slab, case, plan).err();
        Finished {
            condition: case.condition,
            failure: failure.map(|e| e.to_string()),
            values: slab.values,
        }
    }

    fn fill(&self, slab: &mut Slab<'_>, case: &mut Case, plan: &Plan) -> Result<(), EngineError> {
        engine::write_summaries(
            slab,
            plan,
            self.summaries,
            self.span.start as u32,
            self.stops,
        )?;
        let mut measures = std::mem::take(&mut case.measures);
        let variables: Vec<Array3<f64>> = (self.memory.iter())
            .filter(|m| !m.is_empty())
            .map(|m| m.slice(s![self.span.clone(), .., ..]).to_owned())
            .collect();
        let samples = if variables.is_empty() {
            0
        } else {
            plan.record.samples
        };
        let recording = Recording {
            variables,
            time_ms: (0..samples).map(|k| plan.sample_ms(k)).collect(),
            stops: self.stops.to_vec(),
        };
        let measured = self.measure(case, plan, &recording, &mut measures);
        engine::write_measures(slab, plan, &case.baseline, &measures)?;
        if slab.keeps_activity() {
            let datasets = engine::datasets(plan);
            let mut activity = Activity::new(&datasets);
            for run in 0..self.span.len() {
                for (variable, values) in recording.variables.iter().enumerate() {
                    let values = values.index_axis(Axis(0), run);
                    activity.write(slab, variable, run as u32, 0, values)?;
                }
            }
        }
        measured
    }

    fn measure(
        &self,
        case: &Case,
        plan: &Plan,
        recording: &Recording,
        measures: &mut Measures,
    ) -> Result<(), EngineError> {
        if let Some(error) = engine::all_diverged(plan, self.stops) {
            return Err(error);
        }
        if !needs_recording(&case.spec) {
            return Ok(());
        }
        let (network, spec) = (&case.network, &case.spec);
        measure_recording(network, plan, spec, &case.baseline, recording, measures)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_goes_into_the_journal_comes_out(
            why in prop::option::of("[ -~]{1,40}"),
            values in prop::collection::vec(-1e9_f64..1e9, 3),
        ) {
            let finished = Finished { condition: 7, failure: why, values };
            prop_assert_eq!(Finished::read(7, &finished.bytes(), 3), Some(finished.clone()));
            prop_assert_eq!(Finished::read(7, &finished.bytes(), 4), None);
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Finished::read(0, &bytes, 2);
        }
    }
}
