//! The feedforward equivalent of an experiment, and the measures on artificial networks.

use std::sync::atomic::AtomicBool;

use ndarray::{Array1, Array2, s};

use super::lab::{Lab, LabError, misfit};
use crate::artificial::hopfield::{self, Divisor, Hopfield, Update};
use crate::artificial::n_back::{self, NBack};
use crate::artificial::rnn::{Leak, Nonlinearity, Rnn, Unit};
use crate::artificial::unroll::{Cost, Form, Unrolled};
use crate::network::Network;
use crate::spec::{RunSpec, Stepper};

/// An experiment beside the feedforward network that does the same in one pass.
#[derive(Debug, Clone, Copy)]
pub struct Equivalent {
    /// Units.
    pub units: usize,
    /// Steps that were unrolled.
    pub steps: usize,
    /// Largest difference of an activity between the experiment and the pass, as a fraction of the largest
    /// activity. Of the form `sweep` between steps in that order and the pass.
    pub departure: f64,
    /// What the pass costs.
    pub cost: Cost,
}

/// An unrolled network holds them all at once, a hundred bytes each.
const MOST_ACTIVITIES: usize = 10_000_000;

impl Lab {
    /// Unrolls the experiment over its whole length and holds one pass against its recording. Of the form
    /// `sweep`, which an experiment does not have, against steps in that order. `sizes` are the numbers of units
    /// that make an area each, in the order of the network; without it every unit is an area.
    ///
    /// # Errors
    /// Another circuit, noise, delays, a recording that leaves something out, sizes that are not those of all units.
    pub fn unroll(
        &mut self,
        form: Form,
        sizes: Option<&[usize]>,
        stop: &AtomicBool,
    ) -> Result<Equivalent, LabError> {
        let (spec, network) = self.experiment();
        let rnn = artificial(network, &spec.run, sizes)?;
        let (every, dt) = (spec.run.every_ms, spec.run.dt_ms);
        let n = network.n_areas();
        if every != dt || spec.run.start_ms != 0.0 || self.recorded_areas().len() != n {
            let message = format!(
                "what is recorded: found {} of {n} areas every {every} ms from {} ms, expected all, at \
                 every step ({dt} ms) from 0 ms",
                self.recorded_areas().len(),
                spec.run.start_ms
            );
            return Err(misfit(message));
        }
        let steps = (spec.run.duration_ms / dt).round() as usize;
        if steps.saturating_mul(n) > MOST_ACTIVITIES {
            return Err(misfit(format!(
                "what is unrolled: found {steps} steps of {n} units, expected at most {MOST_ACTIVITIES} activities"
            )));
        }
        let inputs = inputs(network, dt, steps);
        let recorded = self.activity("a_u", stop)?;
        let start: Array1<f64> = recorded.row(0).to_owned();
        let unrolled = Unrolled::new(&rnn, steps, form);
        let fits = |e: crate::artificial::Misfit| misfit(e.to_string());
        let pass = unrolled.pass(start.view(), inputs.view()).map_err(fits)?;
        let beside = match form {
            Form::Synchronous => recorded.slice(s![1..=steps, ..]).to_owned(),
            Form::Sweep => rnn.run(start.view(), inputs.view(), form).map_err(fits)?,
        };
        let largest = |a: &Array2<f64>| a.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let departure = largest(&(&pass - &beside)) / largest(&beside).max(f64::MIN_POSITIVE);
        Ok(Equivalent {
            units: n,
            steps,
            departure,
            cost: unrolled.cost(),
        })
    }
}

/// The network of an experiment as arrays: every unit has an input channel of its own.
fn artificial(network: &Network, run: &RunSpec, sizes: Option<&[usize]>) -> Result<Rnn, LabError> {
    let info = network.info();
    if info.name != "leaky_rnn" {
        let message = format!("circuit: found {}, expected leaky_rnn", info.name);
        return Err(misfit(message));
    }
    let unfit = [
        (!network.noise.is_empty(), "noise"),
        (network.is_delayed(), "delays"),
        (run.stepper != Stepper::Euler, "a stepper other than euler"),
    ];
    if let Some((_, what)) = unfit.iter().find(|(found, _)| *found) {
        return Err(misfit(format!(
            "what can be unrolled: found {what}, expected none"
        )));
    }
    let n = network.n_areas();
    let units = (0..n)
        .map(|i| unit(network, run, i))
        .collect::<Result<Vec<_>, _>>()?;
    let mut recurrent = Array2::zeros((n, n));
    for projection in &network.projections {
        for received in &projection.received {
            for (w, (i, j)) in &projection.weights {
                recurrent[[i, j]] += received.gain[i] * w;
            }
        }
    }
    let each = vec![1; n];
    let sizes = sizes.unwrap_or(&each);
    Rnn::new(units, recurrent, Array2::eye(n), sizes).map_err(|e| misfit(e.to_string()))
}

/// One unit, from the parameters of its area.
fn unit(network: &Network, run: &RunSpec, area: usize) -> Result<Unit, LabError> {
    let info = network.info();
    let value = |name: &str| {
        let column = info.parameter(name);
        let column = column.ok_or_else(|| misfit(format!("no parameter {name}")))?;
        Ok::<f64, LabError>(network.parameters[[area, column]])
    };
    let name = &network.connectome.areas[area].name;
    let mut shares = Vec::new();
    for f in Nonlinearity::ALL {
        shares.push((f, value(&format!("c_{}", f.name()))?));
    }
    let used: Vec<_> = shares.iter().filter(|(_, share)| *share != 0.0).collect();
    let [(nonlinearity, 1.0)] = used[..] else {
        let message = format!("f of {name}: found {used:?}, expected one function with share 1");
        return Err(misfit(message));
    };
    if value("gain")? != 1.0 {
        let message = format!("gain of {name}: found {}, expected 1", value("gain")?);
        return Err(misfit(message));
    }
    let (tau, inside) = (value("tau")?, value("alpha")?);
    let (leak, alpha) = match inside {
        1.0 => (Leak::Outside, run.dt_ms / tau),
        alpha if tau == run.dt_ms => (Leak::Inside, alpha),
        _ => {
            let message = format!(
                "leaks of {name}: found both alpha = {inside} and tau = {tau} ms with a step of {} ms, \
                 expected one of them",
                run.dt_ms
            );
            return Err(misfit(message));
        }
    };
    Ok(Unit {
        nonlinearity: *nonlinearity,
        alpha,
        leak,
        bias: value("b")?,
    })
}

/// What stimuli, those of the first run of a task included, give to every unit at every step.
fn inputs(network: &Network, dt_ms: f64, steps: usize) -> Array2<f64> {
    let mut inputs = Array2::zeros((steps, network.n_areas()));
    for stimulus in network.stimuli.iter().chain(&network.shown_in(0)) {
        let (on, off) = stimulus.steps(dt_ms);
        for step in on as usize..(off as usize).min(steps) {
            for area in &stimulus.areas {
                inputs[[step, area.index()]] += stimulus.amplitude;
            }
        }
    }
    inputs
}

/// Mean overlap with the pattern at rest, over the first `tested` patterns of so many networks, from cues with a
/// share of the units turned over, or from one area of `areas` equal ones, held at the pattern, with the others
/// random and the overlap taken over them.
pub(super) fn hopfield_overlap(
    units: usize,
    patterns: usize,
    tested: usize,
    flipped: Option<f64>,
    areas: Option<usize>,
    networks: u64,
) -> Result<f64, LabError> {
    let size = match (flipped, areas) {
        (Some(_), None) => 0,
        (None, Some(areas)) if areas > 1 && units.is_multiple_of(areas) => units / areas,
        _ => {
            return Err(misfit(
                "cue: expected either `flipped`, or `areas` that divide the units, 2 or more",
            ));
        }
    };
    if tested == 0 || tested > patterns || networks == 0 {
        return Err(misfit(format!(
            "what is tested: found {tested} of {patterns} patterns of {networks} networks, expected at least one"
        )));
    }
    let cued: Vec<usize> = (0..size).collect();
    let mut sum = 0.0;
    for seed in 0..networks {
        let x = hopfield::random_patterns(patterns, units, seed);
        let net = Hopfield::store(x.view(), Divisor::Units).map_err(|e| misfit(e.to_string()))?;
        for k in 0..tested {
            // Networks share no cue: each has seeds of its own.
            let seed = networks + seed * tested as u64 + k as u64;
            let start = match flipped {
                Some(share) => hopfield::flipped(x.row(k), share, seed),
                None => hopfield::partial(x.row(k), &cued, seed),
            };
            let end = net.settle(start.view(), Update::Asynchronous, &cued, 1000, seed);
            sum += hopfield::overlap(end.state.view(), x.row(k), size..units);
        }
    }
    Ok(sum / (networks as f64 * tested as f64))
}

/// Accuracy in n-back of the network made by hand, or of the best answers without memory.
pub(super) fn n_back_accuracy(task: NBack, memory: bool, seed: u64) -> Result<f64, LabError> {
    let fits = |e: crate::artificial::Misfit| misfit(e.to_string());
    let items = task.stream(seed, 0).map_err(fits)?;
    let responses = if memory {
        let rnn = n_back::hand_built(task.back, task.symbols).map_err(fits)?;
        let x = n_back::one_hot(&items, task.symbols);
        let states = rnn.run(n_back::silent(&rnn).view(), x.view(), Form::Synchronous);
        n_back::hand_built_responses(&states.map_err(fits)?, task.symbols)
    } else {
        let learned = task.stream(seed, 1).map_err(fits)?;
        n_back::memoryless_responses(&learned, &items, task.symbols, task.back)
    };
    Ok(n_back::score(&items, &responses, task.back).accuracy)
}

/// Probability that a number of the first list exceeds one of the second, ties counted half: the area under
/// the curve of hits over false alarms.
pub(super) fn discrimination(signal: &[f64], noise: &[f64]) -> Option<f64> {
    let pairs = signal.len() * noise.len();
    let above = |a: &f64, b: &f64| match a.total_cmp(b) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    };
    let sum: f64 = signal
        .iter()
        .flat_map(|a| noise.iter().map(move |b| above(a, b)))
        .sum();
    (pairs > 0).then(|| sum / pairs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discrimination_is_a_share_of_pairs() {
        assert_eq!(discrimination(&[2.0, 3.0], &[0.0, 1.0]), Some(1.0));
        assert_eq!(discrimination(&[0.0, 2.0], &[1.0, 2.0]), Some(0.375));
        assert_eq!(discrimination(&[], &[1.0]), None);
    }
}
