//! Measured orders of the steppers: that a scheme converges is not enough, it must converge at the
//! rate that it declares. Tests go through all of [`ORDERS`], each against an answer that is known
//! without the engine.

mod common;

use common::{Experiment, largest_difference, record};
use isocortex::ids::Replicate;
use isocortex::rng::normal;
use isocortex::spec::Stepper;
use isocortex::stepper::linear::{linearise, start_state};
use isocortex::stepper::{ORDERS, Orders};
use ndarray::{Array1, Array2, Array4, s};

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

/// Least-squares slope of log error over log dt, and all of it printed.
fn slope(what: &str, dts: &[f64], errors: &[f64]) -> f64 {
    let n = dts.len() as f64;
    let mean = |v: &[f64]| v.iter().map(|x| x.ln()).sum::<f64>() / n;
    let (mx, my) = (mean(dts), mean(errors));
    let (mut xy, mut xx) = (0.0, 0.0);
    for (x, y) in dts.iter().zip(errors) {
        xy += (x.ln() - mx) * (y.ln() - my);
        xx += (x.ln() - mx).powi(2);
    }
    let found = xy / xx;
    println!("{what}: order {found:.3}, errors {errors:?}");
    found
}

/// Step sizes at which a method of this order is in its limit and above round-off.
fn steps_for(order: f64) -> [f64; 3] {
    let largest = match order {
        o if o < 1.5 => 0.05,
        o if o < 3.0 => 0.2,
        _ => 0.4,
    };
    [largest, largest / 2.0, largest / 4.0]
}

#[test]
fn every_stepper_declares_its_orders_once() {
    let declared = ORDERS.map(|o| o.stepper);
    let all = [
        Stepper::Euler,
        Stepper::ExponentialEuler,
        Stepper::Heun,
        Stepper::Rk4,
    ];
    assert_eq!(declared, all);
}

/// Every stepper in every order of updates that it knows.
fn steppers_and_updates() -> impl Iterator<Item = (Orders, &'static str)> {
    ORDERS.into_iter().flat_map(|o| {
        let published = (o.stepper == Stepper::Euler).then_some((o, "published"));
        std::iter::once((o, "synchronous")).chain(published)
    })
}

#[test]
fn linear_model_against_its_closed_solution() {
    let exact = exact_linear();
    let fine = run(LINEAR, "rk4", "synchronous", 0.0125);
    assert!(
        largest_difference(&fine, &exact) < 1e-9,
        "two exact solutions differ"
    );
    for (o, update) in steppers_and_updates() {
        let stepper = o.stepper.name();
        let error = |dt| largest_difference(&run(LINEAR, stepper, update, dt), &exact);
        let dts = steps_for(o.deterministic);
        let errors = dts.map(error);
        slope(&format!("{stepper} {update}"), &dts, &errors);
        for ratio in ratios(&errors) {
            let found = ratio.log2();
            assert!(
                (found - o.deterministic).abs() < 0.15,
                "{stepper} {update}: order {found}"
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
    for (o, order) in steppers_and_updates() {
        let (stepper, dt) = (o.stepper.name(), steps_for(o.deterministic)[0]);
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
                (found - o.deterministic).abs() < 0.15,
                "{stepper} {order}: order {found}"
            );
        }
    }
}

/// One area whose populations do not act on each other; what is below is added.
fn isolated(w_ee: f64, sets: &str) -> String {
    format!(
        "
title: one area
circuit:
  name: chaudhuri2015
  parameters: {{tau_E: 20 ms, tau_I: 10 ms, beta_E: 1 Hz/pA, beta_I: 1 Hz/pA, w_EE: {w_ee} pA/Hz,
    w_IE: 0 pA/Hz, w_EI: 0 pA/Hz, w_II: 0 pA/Hz, I_0E: 0 pA, I_0I: 0 pA}}
baseline: {{state: {{nu_E: 0 Hz, nu_I: 0 Hz}}}}
{sets}
"
    )
}

/// A decay and nothing else: exponential Euler has no error at any step, the others have that of
/// their series for e^-z.
#[test]
fn exponential_euler_takes_a_decay_exactly() {
    let text = isolated(
        0.0,
        "connectome: {areas: {A: {}}}
initial: {A: {nu_E: 10 Hz, nu_I: 7 Hz}}
simulation: {duration: 40 ms, dt: 5 ms}
record: {variables: [nu_E, nu_I], every: 5 ms}",
    );
    for dt in [0.1, 1.0, 5.0] {
        for o in ORDERS {
            let found = run(&text, o.stepper.name(), "synchronous", dt);
            let exact: Vec<f64> = (0..9)
                .flat_map(|k| {
                    let t = 5.0 * f64::from(k);
                    [10.0 * (-t / 20.0).exp(), 7.0 * (-t / 10.0).exp()]
                })
                .collect();
            let error = largest_difference(&found, &exact);
            let is_exact = o.stepper == Stepper::ExponentialEuler;
            assert!(
                (error < 1e-12) == is_exact,
                "{} at {dt} ms: {error:e}",
                o.stepper.name()
            );
        }
    }
}

/// Two areas that excite each other after a delay, started off their baseline.
fn two_areas(delay: f64) -> String {
    format!(
        "
title: two areas
connectome:
  areas: {{A: {{}}, B: {{}}}}
  links: [{{to: B, from: A, weight: 0.3}}, {{to: A, from: B, weight: 0.2}}]
circuit:
  name: chaudhuri2015
  parameters: {{tau_E: 20 ms, tau_I: 10 ms, beta_E: 0.066 Hz/pA, beta_I: 0.351 Hz/pA,
    w_EE: 24.3 pA/Hz, w_IE: 12.2 pA/Hz, w_EI: 19.7 pA/Hz, w_II: 12.5 pA/Hz}}
projections:
  long_range: {{from: nu_E, to: {{I_E: 33.7 pA/Hz, I_I: 25.3 pA/Hz}},
    delay: {{kind: constant, value: {delay} ms}}}}
baseline: {{state: {{nu_E: 10 Hz, nu_I: 35 Hz}}, solve: background}}
initial: {{A: {{nu_E: 14 Hz}}, B: {{nu_E: 8 Hz, nu_I: 37 Hz}}}}
simulation: {{duration: 12.8 ms, dt: 0.2 ms}}
record: {{variables: [nu_E, nu_I], every: 1.6 ms}}
"
    )
}

/// The two areas as z' = J z(t) + K z(t - d), typed again: z is (A.E, A.I, B.E, B.I) less baseline.
fn two_areas_by_hand() -> (Array2<f64>, Array2<f64>, Array1<f64>, Array1<f64>) {
    let (mut j, mut k) = (Array2::zeros((4, 4)), Array2::zeros((4, 4)));
    for (area, weight) in [(0, 0.2), (2, 0.3)] {
        let (e, i, other) = (area, area + 1, 2 - area);
        j[[e, e]] = (0.066 * 24.3 - 1.0) / 20.0;
        j[[e, i]] = -0.066 * 19.7 / 20.0;
        j[[i, e]] = 0.351 * 12.2 / 10.0;
        j[[i, i]] = (-0.351 * 12.5 - 1.0) / 10.0;
        k[[e, other]] = 0.066 * 33.7 * weight / 20.0;
        k[[i, other]] = 0.351 * 25.3 * weight / 10.0;
    }
    let start = Array1::from(vec![4.0, 0.0, -2.0, 2.0]);
    (j, k, start, Array1::from(vec![10.0, 35.0, 10.0, 35.0]))
}

/// Samples by the method of steps. Pieces of the solution, X_m(s) = z(m d + s), solve one linear
/// system without delay, X_m' = J X_m + K X_{m-1}, and X_{-1} is the start.
fn exact_two_areas(delay: f64) -> Vec<f64> {
    let (j, k, start, baseline) = two_areas_by_hand();
    let pieces = (12.8 / delay).floor() as usize + 1;
    let n = 4 * pieces + 1;
    let mut flow = Array2::zeros((n, n));
    for m in 0..pieces {
        let at = 4 * m;
        flow.slice_mut(s![at..at + 4, at..at + 4]).assign(&j);
        if m == 0 {
            flow.slice_mut(s![..4, n - 1]).assign(&k.dot(&start));
        } else {
            flow.slice_mut(s![at..at + 4, at - 4..at]).assign(&k);
        }
    }
    // Where each piece begins is where the one before it ends.
    let whole = expm(&(&flow * delay));
    let mut begin = Array1::zeros(n);
    begin[n - 1] = 1.0;
    begin.slice_mut(s![..4]).assign(&start);
    for m in 1..pieces {
        let end = whole.slice(s![4 * m - 4..4 * m, ..]).dot(&begin);
        begin.slice_mut(s![4 * m..4 * m + 4]).assign(&end);
    }
    (0..9)
        .flat_map(|sample| {
            let t = 1.6 * f64::from(sample);
            let m = ((t / delay) as usize).min(pieces - 1);
            let z = expm(&(&flow * (t - m as f64 * delay))).dot(&begin);
            (&z.slice(s![4 * m..4 * m + 4]) + &baseline).to_vec()
        })
        .collect()
}

fn run_two_areas(delay: f64, grid: &str, stepper: Stepper, dt: f64) -> Vec<f64> {
    let text = format!("{}\n", two_areas(delay))
        .replace("simulation: {", &format!("simulation: {{delays: {grid}, "));
    run(&text, stepper.name(), "synchronous", dt)
}

/// Delays of whole steps, down to one step of Runge–Kutta.
#[test]
fn delays_of_whole_steps() {
    for delay in [3.2, 0.4] {
        let exact = exact_two_areas(delay);
        for (o, grid) in ORDERS
            .into_iter()
            .flat_map(|o| ["rounded", "interpolated"].map(|grid| (o, grid)))
        {
            let dts = steps_for(o.delayed);
            let error = |dt| largest_difference(&run_two_areas(delay, grid, o.stepper, dt), &exact);
            let errors = dts.map(error);
            let name = format!("{} delay {delay} ms, {grid}", o.stepper.name());
            let found = slope(&name, &dts, &errors);
            assert!((found - o.delayed).abs() < 0.15, "{name}: order {found}");
            assert!(errors[2] < 0.1, "{name}: converges to something else");
        }
    }
}

/// What the test above would see if coupling were frozen at the start of a step.
#[test]
fn frozen_coupling_would_be_of_first_order() {
    let delay = 3.2;
    let exact = exact_two_areas(delay);
    let (j, k, start, baseline) = two_areas_by_hand();
    let error = |dt: f64, frozen: bool| {
        let (back, every) = ((delay / dt).round() as usize, (1.6 / dt).round() as usize);
        let mut path = vec![start.clone()];
        for step in 0..(12.8 / dt).round() as usize {
            let seen = |at: usize| k.dot(&path[at.saturating_sub(back)]);
            let (first, second) = (seen(step), seen(step + usize::from(!frozen)));
            let slope = j.dot(&path[step]) + first;
            let other = j.dot(&(&path[step] + &(&slope * dt))) + second;
            path.push(&path[step] + &((slope + other) * (dt / 2.0)));
        }
        let samples = path.iter().step_by(every).flat_map(|z| z + &baseline);
        largest_difference(&samples.collect::<Vec<f64>>(), &exact)
    };
    let dts = steps_for(2.0);
    let frozen = slope("Heun, frozen", &dts, &dts.map(|dt| error(dt, true)));
    let whole = slope("Heun, by hand", &dts, &dts.map(|dt| error(dt, false)));
    assert!(frozen < 1.3 && whole > 1.85);
    // The engine's Heun is the one that is not frozen, to round-off.
    let engine = largest_difference(&run_two_areas(delay, "rounded", Stepper::Heun, 0.1), &exact);
    assert!((engine / error(0.1, false) - 1.0).abs() < 1e-6);
}

/// Delays between steps. The fraction over which is interpolated changes with dt, and the error
/// with it: several delays together show the order.
#[test]
fn delays_between_steps() {
    const DELAYS: [f64; 6] = [1.37, 1.83, 2.11, 2.59, 3.13, 3.77];
    let exact = DELAYS.map(exact_two_areas);
    for o in ORDERS {
        let dts: [f64; 5] = if o.interpolated < 1.5 {
            [0.1, 0.05, 0.025, 0.0125, 0.00625]
        } else {
            [0.4, 0.2, 0.1, 0.05, 0.025]
        };
        let errors = |grid: &str| {
            dts.map(|dt| {
                let square = |(d, exact): (&f64, &Vec<f64>)| {
                    let found = run_two_areas(*d, grid, o.stepper, dt);
                    largest_difference(&found, exact).powi(2)
                };
                let sum: f64 = DELAYS.iter().zip(&exact).map(square).sum();
                (sum / DELAYS.len() as f64).sqrt()
            })
        };
        let name = o.stepper.name();
        let interpolated = errors("interpolated");
        let found = slope(&format!("{name}, interpolated"), &dts, &interpolated);
        assert!(
            (found - o.interpolated).abs() < 0.15,
            "{name}: order {found}"
        );
        // A delay that is moved to the grid is another delay.
        let rounded = errors("rounded");
        let found = slope(&format!("{name}, rounded"), &dts, &rounded);
        assert!(found < 1.35, "{name}: order {found}");
        if o.interpolated > 1.5 {
            assert!(rounded[4] > 5.0 * interpolated[4], "{name}: nothing gained");
        }
    }
}

/// The grid of all Brownian paths, ms: eight times finer than the finest step that is measured.
const GRID: f64 = 0.003125;
const NOISY_STEPS: [f64; 4] = [0.2, 0.1, 0.05, 0.025];

fn run_noisy(text: &str, stepper: Stepper, dt: f64) -> Array4<f64> {
    let sets = [
        format!("simulation.stepper={}", stepper.name()),
        format!("simulation.dt={dt} ms"),
        format!("simulation.noise_grid={GRID} ms"),
    ];
    let plan = Experiment::new(text, &sets).plan();
    record(&plan, &start_state(&plan).unwrap(), 100)
}

/// Root of the mean square of a - b.
fn distance<'a>(
    a: impl ExactSizeIterator<Item = &'a f64>,
    b: impl IntoIterator<Item = &'a f64>,
) -> f64 {
    let n = a.len() as f64;
    let sum: f64 = a.zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    (sum / n).sqrt()
}

/// Single paths of the two areas, without a start off the baseline: what is measured is noise.
///
/// The noise is weak on purpose: its value in one step grows as 1 / sqrt(dt), and once that reaches
/// the rates at rest the threshold clips it, which no grid would converge through.
#[test]
fn paths_with_additive_noise() {
    let text = two_areas(0.0)
        .replace(
            "initial: {A: {nu_E: 14 Hz}, B: {nu_E: 8 Hz, nu_I: 37 Hz}}",
            "",
        )
        .replace(
            "simulation: {",
            "noise:
  fast: {kind: white, into: drive_E, sd: 0.1 Hz, bin: 1 ms}
  rates: {kind: white, into: nu_I, sd: 0.01 Hz/ms, bin: 1 ms}
simulation: {seed: 8, replicates: 48, ",
        );
    // The reference has errors of its own, of an eighth of the smallest step here: they are of the
    // same law for every stepper, and bend an order of 1 by less than 0.1.
    let reference = run_noisy(&text, Stepper::Rk4, GRID);
    let (first, second) = (
        reference.slice(s![0, 8, .., ..]),
        reference.slice(s![1, 8, .., ..]),
    );
    assert!(
        first.iter().zip(&second).all(|(a, b)| a != b),
        "replicates share a path"
    );
    for o in ORDERS {
        let errors = NOISY_STEPS
            .map(|dt| distance(run_noisy(&text, o.stepper, dt).iter(), reference.iter()));
        let name = o.stepper.name();
        let found = slope(&format!("{name}, additive noise"), &NOISY_STEPS, &errors);
        assert!((found - o.strong).abs() < 0.15, "{name}: order {found}");
    }
}

/// Multiplied noise: dx = (c - x) / tau dt + s x dW, whose solution is typed here.
///
/// With phi = e^(-t/tau + s W), less s² t / 2 in the exponent where the integral is Itô's,
/// x = phi (x0 + c / tau ∫ 1/phi). For c = 0 that is geometric Brownian motion, closed but for W.
/// There the flows of drift and noise commute, and Runge–Kutta does better than it declares; with
/// c > 0 they do not.
#[test]
fn paths_with_multiplied_noise() {
    const S: f64 = 0.4;
    const TAU: f64 = 20.0;
    const T: f64 = 6.4;
    const X0: f64 = 10.0;
    for c in [0.0, 10.0] {
        let text = isolated(
            0.0,
            &format!(
                "connectome: {{areas: {{A: {{}}, B: {{}}, C: {{}}, D: {{}}, E: {{}}, F: {{}}, G: {{}}, H: {{}}}}}}
initial: {{all: {{nu_E: {X0} Hz}}}}
noise: {{own: {{kind: white, into: nu_E, times: nu_E, sd: {S} 1/ms, bin: 1 ms}}}}
simulation: {{duration: {T} ms, dt: 0.2 ms, seed: 5, replicates: 64}}
record: {{variables: [nu_E], every: {T} ms}}"
            ),
        )
        .replace("I_0E: 0 pA", &format!("I_0E: {c} pA"));
        let plan = Experiment::new(&text, &[format!("simulation.dt={GRID} ms")]).plan();
        // [Itô or Stratonovich][replicate][area]
        let mut exact = [vec![], vec![]];
        for replicate in 0..64 {
            for position in 0..8 {
                let position = plan.position[position];
                let channel = plan.channels.iter().find(|c| c.position == position);
                let site = channel.unwrap().site;
                for (law, correction) in [S * S / 2.0, 0.0].into_iter().enumerate() {
                    let (mut w, mut integral, mut phi) = (0.0, 0.0, 1.0);
                    for k in 0..plan.steps {
                        w += GRID.sqrt() * normal(plan.seed, k, site, Replicate(replicate));
                        let t = (k + 1) as f64 * GRID;
                        let next = (-(1.0 / TAU + correction) * t + S * w).exp();
                        integral += GRID / 2.0 * (1.0 / phi + 1.0 / next);
                        phi = next;
                    }
                    exact[law].push(phi * (X0 + c / TAU * integral));
                }
            }
        }
        for o in ORDERS {
            // The law is Itô's where the order is 1/2.
            let (law, other) = if o.strong_multiplicative < 0.75 {
                (&exact[0], &exact[1])
            } else {
                (&exact[1], &exact[0])
            };
            let errors = NOISY_STEPS.map(|dt| {
                let x = run_noisy(&text, o.stepper, dt);
                let end = x.slice(s![.., 1, .., 0]);
                let wrong = distance(end.iter(), other);
                assert!(wrong > 1.0, "the other integral is {wrong} Hz away");
                distance(end.iter(), law)
            });
            let name = format!("{} c = {c} Hz, multiplied noise", o.stepper.name());
            let found = slope(&name, &NOISY_STEPS, &errors);
            let better = c == 0.0 && o.stepper == Stepper::Rk4;
            let tolerance = if o.strong_multiplicative < 0.75 {
                0.15
            } else {
                0.2
            };
            assert!(
                (found - o.strong_multiplicative).abs() < tolerance
                    || (better && found > o.strong_multiplicative),
                "{name}: order {found}"
            );
        }
    }
}

/// Moments without sampling: one step of a linear area is x' = R x + S N. R and S are read off two
/// runs of one step; mean and variance of n steps follow, and are known for the process itself.
#[test]
fn moments_with_additive_noise() {
    const T: f64 = 16.0;
    const SD: f64 = 0.5;
    const X0: f64 = 8.0;
    // With recurrence: exponential Euler is exact for a decay alone.
    let rate = (1.0 - 0.5) / 20.0;
    let text = |dt: f64, noise: &str, start: f64| {
        isolated(
            0.5,
            &format!(
                "connectome: {{areas: {{A: {{}}}}}}
initial: {{A: {{nu_E: {start} Hz}}}}
{noise}
simulation: {{duration: {dt} ms, dt: {dt} ms, seed: 3}}
record: {{variables: [nu_E], every: {dt} ms}}"
            ),
        )
        .replace("I_0E: 0 pA", "I_0E: 50 pA")
    };
    // At rest at 100 Hz, far from the threshold.
    let step = |stepper: Stepper, dt: f64, noise: &str, start: f64| {
        let sets = [format!("simulation.stepper={}", stepper.name())];
        let plan = Experiment::new(&text(dt, noise, 100.0 + start), &sets).plan();
        let x = record(&plan, &start_state(&plan).unwrap(), 2);
        (x[[0, 1, 0, 0]] - 100.0, plan)
    };
    let white = format!("noise: {{own: {{kind: white, into: nu_E, sd: {SD} Hz/ms, bin: 1 ms}}}}");
    let mean = X0 * (-rate * T).exp();
    let variance = SD * SD / (2.0 * rate) * (1.0 - (-2.0 * rate * T).exp());
    let dts = [4.0, 2.0, 1.0, 0.5];
    for o in ORDERS {
        let (mut of_mean, mut of_variance) = (vec![], vec![]);
        for dt in dts {
            let (kept, _) = step(o.stepper, dt, "", X0);
            let (kicked, plan) = step(o.stepper, dt, &white, 0.0);
            let number = normal(plan.seed, 0, plan.channels[0].site, Replicate(0));
            let (r, s) = (kept / X0, kicked / number);
            let n = (T / dt).round() as i32;
            of_mean.push((X0 * r.powi(n) - mean).abs());
            let reached = s * s * (1.0 - r.powi(2 * n)) / (1.0 - r * r);
            of_variance.push((reached - variance).abs());
        }
        let name = o.stepper.name();
        let by_mean = slope(&format!("{name}, mean"), &dts, &of_mean);
        let by_variance = slope(&format!("{name}, variance"), &dts, &of_variance);
        // Means of linear equations follow the equation without noise.
        assert!((by_mean - o.deterministic).abs() < 0.1, "{name}: {by_mean}");
        assert!((by_variance - o.weak).abs() < 0.1, "{name}: {by_variance}");
        let last = of_variance[2] / of_variance[3];
        let declared = o.weak.exp2();
        assert!(
            (last / declared - 1.0).abs() < 0.1,
            "{name}: halving dt divides the error by {last}"
        );
    }
}
