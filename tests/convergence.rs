//! Measured orders of the steppers: that a scheme converges is not enough, it must converge at the
//! rate that it declares.

mod common;

use common::{Experiment, largest_difference, record};
use isocortex::ids::Replicate;
use isocortex::plan::{Epoch, Plan};
use isocortex::rng::normal;
use isocortex::stepper::linear::{linearise, start_state};
use ndarray::{Array1, Array2, s};

/// A pulse whose edges lie on every grid used here.
const LINEAR: &str = "
title: convergence
from: chaudhuri2015
preset: printed
stimuli:
  pulse: {into: drive_E, areas: [V1], amplitude: 41.8646 Hz, onset: 3.2 ms, offset: 12.8 ms}
simulation: {duration: 48 ms, dt: 0.2 ms, order: synchronous}
record: {variables: [nu_E, nu_I], every: 1.6 ms}
";

const NONLINEAR: &str = "
title: convergence
from: chaudhuri2015_nonlinear
stimuli:
  pulse: {into: I_E, areas: [V1], amplitude: 200 pA, onset: 3.2 ms, offset: 12.8 ms}
simulation: {duration: 48 ms, dt: 0.2 ms, order: synchronous}
record: {variables: [nu_E, s_E, nu_I], every: 1.6 ms}
";

/// Samples of the only replicate, [sample × area × variable].
fn run(text: &str, stepper: &str, order: &str, dt: f64) -> Vec<f64> {
    let sets = [
        format!("simulation.stepper={stepper}"),
        format!("simulation.order={order}"),
        format!("simulation.dt={dt} ms"),
    ];
    let plan = Experiment::new(text, &sets).plan();
    record(&plan, &start_state(&plan).unwrap(), 100)
        .into_iter()
        .collect()
}

/// e^m by scaling, 24 terms of the series, and squaring.
fn expm(m: &Array2<f64>) -> Array2<f64> {
    let size = m.iter().map(|x| x.abs()).fold(0.0, f64::max) * m.nrows() as f64;
    let halvings = size.log2().ceil().max(0.0) as i32 + 1;
    let scaled = m / 2.0_f64.powi(halvings);
    let mut term = Array2::eye(m.nrows());
    let mut sum = term.clone();
    for k in 1..25 {
        term = term.dot(&scaled) / f64::from(k);
        sum += &term;
    }
    for _ in 0..halvings {
        sum = sum.dot(&sum);
    }
    sum
}

/// The closed solution of the linear model: x' = J (x - x0) + G u with u constant between the edges.
fn exact_linear() -> Vec<f64> {
    let plan = Experiment::new(LINEAR, &["simulation.dt=1.6 ms"]).plan();
    let rest = start_state(&plan).unwrap();
    let linear = linearise(&plan, &rest);
    let n = linear.jacobian.nrows();
    let inputs = plan.circuit.info().inputs.len();
    let mut y = Array1::<f64>::zeros(n + 1);
    y[n] = 1.0;
    let mut out: Vec<f64> = linear.state.iter().copied().collect();
    let mut from = 0;
    for epoch in &plan.epochs {
        let end = epoch.end.min(plan.steps);
        // dz/dt of z = (x - x0, 1): the drive is the column that the last entry multiplies.
        let mut flow = Array2::zeros((n + 1, n + 1));
        flow.slice_mut(s![..n, ..n]).assign(&linear.jacobian);
        for position in 0..plan.n_areas() {
            for input in 0..inputs {
                let gain = linear
                    .input_gain
                    .column(plan.order[position].index() * inputs + input);
                let drive = epoch.input[position * inputs + input];
                let mut column = flow.slice_mut(s![..n, n]);
                column.scaled_add(drive, &gain);
            }
        }
        let step = expm(&(flow * plan.dt_ms));
        for _ in from..end {
            y = step.dot(&y);
            let state = linear.state.iter().zip(&y).map(|(x0, x)| x0 + x);
            out.extend(state);
        }
        from = end;
    }
    out
}

/// Ratios of the errors of neighbours.
fn ratios(errors: &[f64]) -> Vec<f64> {
    errors.windows(2).map(|e| e[0] / e[1]).collect()
}

#[test]
fn linear_model_against_its_closed_solution() {
    let exact = exact_linear();
    let fine = run(LINEAR, "rk4", "synchronous", 0.0125);
    assert!(
        largest_difference(&fine, &exact) < 1e-9,
        "two exact solutions differ"
    );
    for (stepper, order, dts, declared, tolerance) in [
        ("euler", "synchronous", [0.05, 0.025, 0.0125], 2.0, 0.1),
        ("euler", "published", [0.05, 0.025, 0.0125], 2.0, 0.1),
        ("heun", "synchronous", [0.2, 0.1, 0.05], 4.0, 0.3),
        ("rk4", "synchronous", [0.4, 0.2, 0.1], 16.0, 1.6),
    ] {
        let error = |dt| largest_difference(&run(LINEAR, stepper, order, dt), &exact);
        let errors = dts.map(error);
        let ratios = ratios(&errors);
        println!("{stepper} {order}: errors {errors:?} Hz, ratios {ratios:?}");
        for ratio in ratios {
            assert!(
                (ratio - declared).abs() < tolerance,
                "{stepper} {order}: {ratio}"
            );
        }
    }
}

/// Peaks of the paper's pulse: halving dt halves the error of Euler.
#[test]
fn peaks_of_the_published_pulse() {
    let peaks = |stepper: &str, dt: f64| -> Vec<f64> {
        let sets = [
            format!("simulation.stepper={stepper}"),
            format!("simulation.dt={dt} ms"),
            "simulation.duration=800 ms".to_owned(),
            "stimuli.pulse.onset=100 ms".to_owned(),
            "stimuli.pulse.offset=350 ms".to_owned(),
            "record={variables: [nu_E], every: 0.4 ms}".to_owned(),
        ];
        let plan = Experiment::new(LINEAR, &sets).plan();
        let x = record(&plan, &start_state(&plan).unwrap(), 5000);
        let areas = x.shape()[2];
        (0..areas)
            .map(|a| x.slice(s![0, .., a, 0]).iter().copied().fold(0.0, f64::max))
            .collect()
    };
    let exact = peaks("rk4", 0.1);
    let errors: Vec<Vec<f64>> = [0.2, 0.1, 0.05]
        .map(|dt| {
            peaks("euler", dt)
                .iter()
                .zip(&exact)
                .map(|(a, b)| a - b)
                .collect()
        })
        .into();
    for (area, peak) in exact.iter().enumerate() {
        for pair in errors.windows(2) {
            let (coarse, fine): (f64, f64) = (pair[0][area], pair[1][area]);
            // Below, the sampling of a flat peak in time is as large as the error.
            if fine.abs() > 1e-5 * (peak - 10.0) && fine.abs() > 1e-7 {
                let ratio = coarse / fine;
                assert!(
                    (ratio - 2.0).abs() < 0.1,
                    "area {area}: {coarse:e} to {fine:e}"
                );
            }
        }
    }
}

/// No closed solution: differences of runs at h, h/2, h/4 shrink by 2^order (Richardson).
#[test]
fn nonlinear_model_by_richardson() {
    for (stepper, order, dt, declared, tolerance) in [
        ("euler", "synchronous", 0.05, 1.0, 0.07),
        ("euler", "published", 0.05, 1.0, 0.07),
        ("heun", "synchronous", 0.2, 2.0, 0.1),
        ("rk4", "synchronous", 0.4, 4.0, 0.15),
    ] {
        let runs: Vec<Vec<f64>> = [1.0, 0.5, 0.25, 0.125]
            .map(|f| run(NONLINEAR, stepper, order, dt * f))
            .into();
        // Algebraic rates jump with the pulse; where the sample falls on an edge, the published
        // order still shows the rate before it.
        let differences: Vec<f64> = runs
            .windows(2)
            .map(|pair| largest_difference(&pair[0], &pair[1]))
            .collect();
        let orders: Vec<f64> = ratios(&differences).iter().map(|r| r.log2()).collect();
        println!("{stepper} {order}: differences {differences:?}, orders {orders:?}");
        for found in orders {
            assert!(
                (found - declared).abs() < tolerance,
                "{stepper} {order}: order {found}"
            );
        }
    }
}

/// Brownian paths of the finest grid, given as held inputs. On that grid they are the experiment's
/// own noise (checked to the bit); on coarser grids every step gets the mean of the values that it
/// covers, which is the same Brownian path.
///
/// The noise is weak on purpose: its value in one step grows as 1 / sqrt(dt), and once that reaches
/// the rates at rest the threshold clips it, which no grid would converge through.
#[test]
fn strong_order_with_additive_noise() {
    const FINEST: f64 = 0.003125;
    const REPLICATES: u32 = 12;
    let text = "
title: strong order
from: chaudhuri2015
preset: printed
noise:
  fast: {kind: white, into: drive_E, areas: all, sd: 0.05 Hz, bin: 1 ms}
simulation: {duration: 24 ms, dt: 0.2 ms, order: synchronous, seed: 8}
record: {variables: [nu_E, nu_I], every: 24 ms}
";
    let plan_at = |dt: f64, sets: &[&str]| -> Plan {
        let mut sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
        sets.push(format!("simulation.dt={dt} ms"));
        Experiment::new(text, &sets).plan()
    };
    let replicates = format!("simulation.replicates={REPLICATES}");
    let own = plan_at(FINEST, &[&replicates]);
    let start = start_state(&own).unwrap();
    let with_own_noise = record(&own, &start, 2);
    let inputs = own.circuit.info().inputs.len();
    let drive = own.circuit.info().input("drive_E").unwrap();
    let fine_steps = own.steps as usize;

    let mut means = Vec::new();
    let dts = [FINEST, 0.1, 0.2, 0.4];
    let mut errors = vec![0.0; dts.len()];
    for replicate in 0..REPLICATES {
        // [channel][step]
        let values: Vec<Vec<f64>> = own
            .channels
            .iter()
            .map(|c| {
                let at = |k| c.amplitude * normal(own.seed, k, c.site, Replicate(replicate));
                (0..own.steps).map(at).collect()
            })
            .collect();
        let mut finest_end = Vec::new();
        for (at, &dt) in dts.iter().enumerate() {
            let mut plan = plan_at(dt, &["noise=null"]);
            let ratio = (dt / FINEST).round() as usize;
            plan.epochs = (0..fine_steps / ratio)
                .map(|k| {
                    let mut input = vec![0.0; plan.n_areas() * inputs];
                    for (i, c) in own.channels.iter().enumerate() {
                        let sum: f64 = values[i][k * ratio..(k + 1) * ratio].iter().sum();
                        input[c.position * inputs + drive] = sum / ratio as f64;
                    }
                    let end = k as u64 + 1;
                    Epoch { end, input }
                })
                .collect();
            plan.epochs.push(Epoch {
                end: u64::MAX,
                input: vec![0.0; plan.n_areas() * inputs],
            });
            let x = record(&plan, &start, 2);
            let end: Vec<f64> = x.slice(s![0, 1, .., ..]).iter().copied().collect();
            if at == 0 {
                let same = with_own_noise.slice(s![replicate as usize, 1, .., ..]);
                common::assert_same_bits("noise as held input", &end, same.iter());
                finest_end = end;
            } else {
                let sum: f64 = end
                    .iter()
                    .zip(&finest_end)
                    .map(|(a, b)| (a - b).abs())
                    .sum();
                errors[at] += sum / end.len() as f64 / f64::from(REPLICATES);
            }
        }
        means.push(finest_end[0]);
    }
    assert!(
        means.windows(2).all(|w| w[0] != w[1]),
        "replicates share a path"
    );
    // The finest grid stands in for the exact solution: its own error is 1/32 of the smallest one
    // here, and bends the measured order by less than 0.03.
    let orders: Vec<f64> = ratios(&errors[1..]).iter().map(|r| -r.log2()).collect();
    println!(
        "Euler-Maruyama: E|error| {:?} Hz, strong orders {orders:?}",
        &errors[1..]
    );
    for order in orders {
        assert!((order - 1.0).abs() < 0.1, "strong order {order}");
    }
}
