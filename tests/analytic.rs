//! What must hold for any correct simulator of these models: superposition, rest, lesions, areas on
//! their own, and the covariance that theory gives.

mod common;

use common::{Experiment, assert_same_bits, largest_difference, record, typed_copy};
use isocortex::engine::{self, Conditions, Quiet, ReadoutValues, exact_covariance, linear_network};
use isocortex::noise::{Memory, Target};
use isocortex::stepper::linear::{largest_derivative, linearise, start_state};
use ndarray::{Array2, Array4, Axis, s};

const NO_SETS: &[&str] = &[];

fn run(experiment: &Experiment) -> Array4<f64> {
    let plan = experiment.plan();
    record(&plan, &start_state(&plan).unwrap(), 5000)
}

/// While nothing is rectified the linear model is linear: the response to A and B together is the
/// sum of the responses.
#[test]
fn superposition() {
    let text = "
title: superposition
from: chaudhuri2015
simulation: {duration: 600 ms, dt: 0.2 ms}
record: {every: 2 ms}
";
    let pulse = |name: &str, area: &str, height: f64, into: &str| {
        format!(
            "stimuli.{name}={{into: {into}, areas: [{area}], amplitude: {height} Hz, onset: 20 ms, \
             offset: 220 ms}}"
        )
    };
    for preset in ["printed", "precise"] {
        let response = |stimuli: &[String]| {
            let mut sets = vec![format!("preset={preset}")];
            sets.extend_from_slice(stimuli);
            let experiment = Experiment::new(text, &sets);
            let plan = experiment.plan();
            let rest = start_state(&plan).unwrap();
            let mut x = record(&plan, &rest, 5000);
            for ((_, _, area, v), x) in x.indexed_iter_mut() {
                *x -= rest[plan.position[area] * 2 + v];
            }
            x
        };
        let a = pulse("a", "V1", 40.0, "drive_E");
        let b = pulse("b", "\"24c\"", 3.0, "drive_I");
        let (only_a, only_b) = (
            response(std::slice::from_ref(&a)),
            response(std::slice::from_ref(&b)),
        );
        let both = response(&[a.clone(), b]);
        let size = both.iter().map(|x| x.abs()).fold(0.0, f64::max);
        let left = largest_difference(&(&only_a + &only_b), &both) / size;
        println!("{preset}: superposition holds to {left:e} of {size} Hz");
        assert!(size > 50.0 && left < 1e-13, "{preset}: {left:e}");
        // With a rectified population it must not hold.
        let deep = pulse("b", "V1", -300.0, "drive_E");
        let both = response(&[a, deep.clone()]);
        let left = largest_difference(&(&only_a + &response(&[deep])), &both);
        assert!(left > 1.0, "{preset}: rectification goes unseen");
    }
}

/// Started at its fixed point, without stimulus or noise, nothing moves in 10 s.
#[test]
fn rest() {
    for (model, set) in [
        ("chaudhuri2015", "preset=printed"),
        ("chaudhuri2015", "preset=precise"),
        ("chaudhuri2015_nonlinear", "description=none"),
    ] {
        for (stepper, order) in [
            ("euler", "published"),
            ("euler", "synchronous"),
            ("heun", "synchronous"),
            ("rk4", "synchronous"),
        ] {
            let text = format!(
                "title: rest\nfrom: {model}\nsimulation: {{duration: 10 s, dt: 0.2 ms, stepper: \
                 {stepper}, order: {order}}}\nrecord: {{every: 100 ms}}\n"
            );
            let x = run(&Experiment::new(&text, &[set]));
            let first = x.slice(s![0, 0, .., ..]);
            let moved = x
                .axis_iter(Axis(1))
                .map(|now| largest_difference(now, first))
                .fold(0.0, f64::max);
            println!("{model}, {set}, {stepper} {order}: moved by {moved:e}");
            assert!(
                moved < 1e-10,
                "{model}, {set}, {stepper} {order}: {moved:e}"
            );
        }
    }
}

/// Two models with a pulse and noise, for the tests of structure.
fn structure(model: &str) -> String {
    let (input, unit) = match model {
        "chaudhuri2015" => ("drive_E", "Hz"),
        _ => ("I_E", "pA"),
    };
    format!(
        "
title: structure
from: {model}
stimuli: {{pulse: {{into: {input}, areas: [V1], amplitude: 30 {unit}, onset: 3 ms, offset: 30 ms}}}}
noise: {{slow: {{kind: ornstein_uhlenbeck, into: {input}, areas: all, sd: 1 {unit}, tau: 5 ms}}}}
simulation: {{duration: 60 ms, dt: 0.2 ms, seed: 6, replicates: 2}}
record: {{every: 1 ms}}
"
    )
}

const MODELS: [&str; 2] = ["chaudhuri2015", "chaudhuri2015_nonlinear"];

/// The columns of one run for the areas of another.
fn of_areas(x: &Array4<f64>, from: &Experiment, areas: &[&str]) -> Array4<f64> {
    let names = from.network.area_names();
    let at: Vec<usize> = areas
        .iter()
        .map(|a| names.iter().position(|n| n == a).unwrap())
        .collect();
    x.select(Axis(2), &at)
}

/// A lesion is the network of the areas that are left; cutting all links of an area is the same for
/// the others, up to the rounding of sums that run over other positions.
#[test]
fn lesions() {
    for model in MODELS {
        let text = structure(model);
        let intact = Experiment::new(&text, NO_SETS);
        let out = ["V2", "8m", "9/46d"];
        let left = |name: &str| !out.contains(&name);
        let lesioned = Experiment::new(&text, &["lesions.areas=[V2, 8m, \"9/46d\"]"]);
        let copy = typed_copy(&intact.network, left, |_, _| true);
        let sub = Experiment::new(&text, &[format!("connectome={copy}")]);
        let expected = run(&lesioned);
        // Areas typed in place come in the order of their names.
        let names = lesioned.network.area_names();
        assert_eq!(names.len(), 26);
        let found = of_areas(&run(&sub), &sub, &names);
        assert_same_bits(&format!("{model}: sub-network"), &found, &expected);

        let cut = typed_copy(&intact.network, |_| true, |to, from| left(to) && left(from));
        let cut = Experiment::new(&text, &[format!("connectome={cut}")]);
        let found = of_areas(&run(&cut), &cut, &names);
        let size = expected.iter().map(|x| x.abs()).fold(0.0, f64::max);
        let apart = largest_difference(&found, &expected) / size;
        println!("{model}: cut links differ from the lesion by {apart:e}");
        assert!(apart < 1e-12, "{model}: {apart:e}");
        let whole = of_areas(&run(&intact), &intact, &names);
        assert!(
            largest_difference(&whole, &expected) / size > 1e-6,
            "lesion without effect"
        );
    }
}

/// Without long-range links every area is the local model alone.
#[test]
fn uncoupled_areas() {
    for model in MODELS {
        let text = structure(model);
        let none = Experiment::new(&text, &["projections.long_range.keep=none"]);
        let plan = none.plan();
        let start = start_state(&plan).unwrap();
        let expected = record(&plan, &start, 5000);
        let unit = if model == "chaudhuri2015" {
            "pA/Hz"
        } else {
            "pA"
        };
        let zero = format!("projections.long_range.to={{I_E: 0 {unit}, I_I: 0 {unit}}}");
        let zero = Experiment::new(&text, &[zero]).plan();
        let found = record(&zero, &start, 5000);
        assert_same_bits(&format!("{model}: gain 0"), &found, &expected);
        for (area, name) in none.network.area_names().into_iter().enumerate() {
            let copy = typed_copy(&none.network, |a| a == name, |_, _| true);
            let mut sets = vec![format!("connectome={copy}")];
            if name != "V1" {
                sets.push("stimuli=null".to_owned());
            }
            let alone = Experiment::new(&text, &sets).plan();
            // The search for the rest state is one search for all areas: its last digit may differ.
            let own = start_state(&alone).unwrap();
            let first = plan.position[area] * own.len();
            let shared = &start[first..first + own.len()];
            for (a, b) in own.iter().zip(shared) {
                assert!(
                    (a - b).abs() < 1e-12 * b.abs(),
                    "{model}: {name} rests elsewhere"
                );
            }
            let found = record(&alone, shared, 5000);
            let same = of_areas(&expected, &none, &[name]);
            assert_same_bits(&format!("{model}: {name} alone"), &found, &same);
        }
    }
}

/// Two kinds of noise into both populations; far from the edge of stability, so that a few seconds
/// hold many decays.
const NOISY: &str = "
title: covariance
from: chaudhuri2015
preset: printed
gradients: {eta: {strength: 0.2}}
simulation: {duration: 3500 ms, dt: 0.5 ms, order: synchronous, seed: 4, replicates: 96}
record: {variables: [nu_E, nu_I], every: 2 ms, start: 700 ms}
";

const WHITE: &[&str] = &[
    "noise.strong={kind: white, into: drive_E, areas: [V1, \"24c\"], sd: 0.4 Hz, bin: 1 ms}",
    "noise.weak={kind: white, into: drive_E, areas: all, except: [V1, \"24c\"], sd: 0.1 Hz, bin: 1 ms}",
    "noise.inhibitory={kind: white, into: drive_I, areas: all, sd: 0.1 Hz, bin: 1 ms}",
];
const COLOURED: &[&str] = &[
    "noise.strong={kind: ornstein_uhlenbeck, into: drive_E, areas: [V1, \"24c\"], sd: 0.4 Hz, tau: 5 ms}",
    "noise.weak={kind: ornstein_uhlenbeck, into: I_E, areas: all, sd: 2 pA, tau: 2 ms}",
];

/// Stationary covariance of Euler's recursion x' = (1 + dt J) x + dt G u, u held over the step.
///
/// Coloured noise is a state of its own with its exact recursion y' = decay y + amplitude N.
fn covariance_of_the_recursion(experiment: &Experiment) -> Array2<f64> {
    let plan = experiment.plan();
    let linear = linearise(&plan, &start_state(&plan).unwrap());
    let inputs = plan.circuit.info().inputs.len();
    let n = linear.jacobian.nrows();
    let sources = &experiment.network.noise;
    let coloured: usize = sources
        .iter()
        .filter(|s| matches!(s.memory, Memory::Ou { .. }))
        .map(|s| s.areas.len())
        .sum();
    let dt = plan.dt_ms;
    let mut a = Array2::<f64>::eye(n + coloured);
    a.slice_mut(s![..n, ..n]).scaled_add(dt, &linear.jacobian);
    let mut c = Array2::<f64>::zeros((n + coloured, n + coloured));
    let mut next = n;
    for source in sources {
        let update = source.update(dt, 1);
        for (area, _) in &source.areas {
            let Target::Input(input) = source.target else {
                panic!("{} enters a derivative", source.name)
            };
            let gain = linear.input_gain.column(area.index() * inputs + input);
            if matches!(source.memory, Memory::Ou { .. }) {
                a.slice_mut(s![..n, next]).scaled_add(dt, &gain);
                a[[next, next]] = update.decay;
                c[[next, next]] = update.amplitude.powi(2);
                next += 1;
            } else {
                let kick = gain.to_owned() * (dt * update.amplitude);
                for (i, x) in kick.iter().enumerate() {
                    for (j, y) in kick.iter().enumerate() {
                        c[[i, j]] += x * y;
                    }
                }
            }
        }
    }
    // C = sum of A^k Q (A^k)^T, its terms doubled in number each time.
    for _ in 0..40 {
        let more = a.dot(&c).dot(&a.t());
        c += &more;
        a = a.dot(&a);
    }
    assert!(
        a.iter().all(|x| x.abs() < 1e-12),
        "the recursion is not stable"
    );
    c.slice(s![..n, ..n]).to_owned()
}

/// The covariance of the recursion tends to that of the stochastic differential equation, to first
/// order in the step.
#[test]
fn covariance_tends_to_lyapunov() {
    for (name, noise) in [("white", WHITE), ("coloured", COLOURED)] {
        let errors: Vec<f64> = [0.1, 0.05, 0.025]
            .map(|dt| {
                let mut sets: Vec<String> = noise.iter().map(|s| (*s).to_owned()).collect();
                sets.push(format!("simulation.dt={dt} ms"));
                let experiment = Experiment::new(NOISY, &sets);
                let plan = experiment.plan();
                let rest = start_state(&plan).unwrap();
                let linear = linear_network(&plan, &rest, &experiment.network.noise);
                let exact = exact_covariance(&linear).unwrap().covariance;
                let found = covariance_of_the_recursion(&experiment);
                let n = found.nrows();
                let size = exact
                    .slice(s![..n, ..n])
                    .iter()
                    .map(|x| x.abs())
                    .fold(0.0, f64::max);
                largest_difference(&found, exact.slice(s![..n, ..n])) / size
            })
            .into();
        println!("{name}: relative departure from Lyapunov {errors:?}");
        for pair in errors.windows(2) {
            let ratio = pair[0] / pair[1];
            assert!((ratio - 2.0).abs() < 0.1, "{name}: {errors:?}");
        }
        assert!(errors[2] < 0.02, "{name}: {errors:?}");
    }
}

/// Simulated covariance of all states against the theory of the same recursion.
///
/// Every replicate gives one estimate, so that their scatter is the standard error. The limit for
/// the worst of the 1711 entries leaves one false alarm in 10,000 (Student's t with 95 degrees of
/// freedom, Bonferroni).
#[test]
fn simulated_covariance() {
    const LIMIT: f64 = 6.0;
    for (name, noise) in [("white", WHITE), ("coloured", COLOURED)] {
        let experiment = Experiment::new(NOISY, noise);
        let theory = covariance_of_the_recursion(&experiment);
        let n = theory.nrows();
        let x = run(&experiment);
        let (replicates, samples) = (x.shape()[0], x.shape()[1]);
        let rest = [10.0, 35.0];
        let (mut sum, mut squares) = (Array2::<f64>::zeros((n, n)), Array2::<f64>::zeros((n, n)));
        for replicate in x.outer_iter() {
            let mut z = replicate
                .to_owned()
                .into_shape_with_order((samples, n))
                .unwrap();
            for (at, mut column) in z.columns_mut().into_iter().enumerate() {
                column -= rest[at % 2];
            }
            let c = z.t().dot(&z) / samples as f64;
            squares += &(&c * &c);
            sum += &c;
        }
        let r = replicates as f64;
        let (mut worst, mut beyond_3, mut mean_square, mut entries) = (0.0_f64, 0, 0.0, 0);
        let mut precision = 0.0_f64;
        for i in 0..n {
            for j in 0..=i {
                let mean = sum[[i, j]] / r;
                let se = ((squares[[i, j]] / r - mean * mean) / (r - 1.0)).sqrt();
                let t = (mean - theory[[i, j]]) / se;
                worst = worst.max(t.abs());
                beyond_3 += usize::from(t.abs() > 3.0);
                mean_square += t * t;
                entries += 1;
                if i == j {
                    precision = precision.max(se / theory[[i, i]]);
                }
            }
        }
        mean_square /= f64::from(entries);
        println!(
            "{name}: {entries} entries, worst {worst:.2} SE, {beyond_3} beyond 3 SE, mean square \
             {mean_square:.2}, variances known to {:.2} %",
            100.0 * precision
        );
        assert!(worst < LIMIT, "{name}: {worst} SE");
        // Entries of one simulation are correlated: their mean square scatters, but about 1.
        assert!(
            (0.5..2.0).contains(&mean_square),
            "{name}: mean square {mean_square}"
        );
        assert!(precision < 0.03, "{name}: too few samples to tell");
    }
}

/// Feedback inhibition control: every area rests at its target, whatever it receives and however its own
/// excitation differs, and what is solved must not be given.
#[test]
fn inhibition_control_reaches_the_target_in_every_area() {
    let text = "title: control\nfrom: deco2014_heterogeneous\n";
    for (gain, target) in [("0 nA", 0.1), ("0.15 nA", 0.1647571675), ("0.6 nA", 0.3)] {
        let sets = [
            format!("projections.long_range.to.I_E={gain}"),
            format!("baseline.state.S_E={target}"),
        ];
        let experiment = Experiment::new(text, &sets);
        let plan = experiment.plan();
        let start = start_state(&plan).unwrap();
        assert!(largest_derivative(&plan, &start) < 1e-14);
        let info = experiment.network.info();
        let state = linearise(&plan, &start).state;
        assert!(
            state
                .column(info.variable("S_E").unwrap())
                .iter()
                .all(|x| *x == target)
        );
        let control = experiment
            .network
            .parameters
            .column(info.parameter("J_i").unwrap());
        let (low, high) = control
            .iter()
            .fold((f64::MAX, 0.0_f64), |(a, b), &x| (a.min(x), b.max(x)));
        assert!(low > 0.0 && high > 1.01 * low, "{low} {high}");
    }
    for (set, words) in [
        (
            "baseline.state.S_I=0.04",
            "found a value for `S_I`, expected none",
        ),
        (
            "circuit.parameters.J_i=1 nA",
            "found a value for `J_i`, expected none",
        ),
        ("baseline.solve=fixed_point", "expected `J_i` [pA]"),
        ("baseline.state.S_E=1", "found NaN for `J_i` of area"),
    ] {
        let spec = isocortex::spec::from_text("test", text, &[set.to_owned()]).unwrap();
        let said = isocortex::network::Network::build(&spec)
            .unwrap_err()
            .to_string();
        assert!(said.contains(words), "{set}: {said}");
    }
}

/// Areas that lose their input keep the J_i of the whole network, and start from its solved states.
#[test]
fn inhibition_control_of_the_intact_network_serves_the_lesioned_one() {
    let control = |sets: &[&str]| {
        let experiment = Experiment::new("title: lesion\nfrom: deco2014\n", sets);
        let k = experiment.network.info().parameter("J_i").unwrap();
        let area = experiment.network.connectome.area_id("V2").unwrap().index();
        let gate = experiment.network.info().variable("S_I").unwrap();
        (
            experiment.network.parameters[[area, k]],
            experiment.network.baseline[[area, gate]],
        )
    };
    let whole = control(&[]);
    let lesion = "lesions.areas=[V1]";
    assert_eq!(control(&[lesion, "lesions.background=intact"]), whole);
    assert_ne!(control(&[lesion]).0, whole.0);
    assert!(whole.1 > 0.0);
}

/// Coupling by differences does nothing to areas that agree, with delays or without, and is the diffusion
/// that it says where they do not.
#[test]
fn differences_act_between_areas_that_differ() {
    let text = "
title: difference
from: stuart_landau
connectome:
  data: null
  areas: {a: {hierarchy_norm: 0}, b: {hierarchy_norm: 1}}
  links:
    - {to: a, from: b, weight: 0.25, delay: 1 ms}
    - {to: b, from: a, weight: 0.5, delay: 2 ms}
projections:
  long_range_re: {rows: as_given}
  long_range_im: {rows: as_given}
simulation: {duration: 20 ms, dt: 0.1 ms, stepper: heun}
record: {every: 0.1 ms}
";
    let gain =
        |g: f64| ["re", "im"].map(|p| format!("projections.long_range_{p}.to.I_{p}={g} 1/ms"));
    let together = run(&Experiment::new(text, &gain(0.1)));
    let alone = run(&Experiment::new(text, &gain(0.0)));
    assert!(largest_difference(&together, &alone) < 1e-15);
    let mut apart = gain(0.1).to_vec();
    apart.push("initial.b={z_re: 0.3}".to_owned());
    for delayed in [false, true] {
        let mut sets = apart.clone();
        if delayed {
            sets.extend(
                ["re", "im"].map(|p| format!("projections.long_range_{p}.delay={{kind: given}}")),
            );
        }
        let experiment = Experiment::new(text, &sets);
        let plan = experiment.plan();
        let start = start_state(&plan).unwrap();
        let slope = linearise(&plan, &start).jacobian;
        // d(dz_re)/dz_re between the areas, and what each takes off itself.
        assert!(
            (slope[[0, 2]] - 0.1 * 0.25).abs() < 1e-15 && (slope[[2, 0]] - 0.1 * 0.5).abs() < 1e-15
        );
        let growth = |z: f64| 0.25 - 3.0 * z * z;
        assert!((slope[[0, 0]] - (growth(0.1) - 0.1 * 0.25)).abs() < 1e-15);
        assert!((slope[[2, 2]] - (growth(0.3) - 0.1 * 0.5)).abs() < 1e-15);
        let found = run(&experiment);
        let gap = |k: usize| (found[[0, k, 1, 0]] - found[[0, k, 0, 0]]).abs();
        assert!(gap(0) > 0.19 && gap(50) < gap(0));
    }
}

/// A choice by the mean over a moving window is made at the first sample at which that mean, taken from
/// the recording, reaches the level.
#[test]
fn thresholds_of_a_moving_mean() {
    let reaction = |over: &str| {
        let sets = [
            "task.conditions={only: {trials: 3}}".to_owned(),
            format!("task.readouts.choice.over={over}"),
            "task.events.for_right.strength=1.5".to_owned(),
            "simulation.seed=4".to_owned(),
        ];
        let experiment = Experiment::new("title: over\nfrom: wong_wang2006_decision\n", &sets);
        let plan = experiment.plan();
        let stop = std::sync::atomic::AtomicBool::new(false);
        let conditions = Conditions {
            threads: 1,
            stop: &stop,
            progress: &Quiet,
        };
        let recording = engine::simulate(&plan, &conditions).unwrap();
        let table = engine::trial_table(&experiment.network, &experiment.spec, &recording);
        let column = table.unwrap().unwrap().readouts.remove(0);
        let ReadoutValues::Choice { choices, .. } = column.values else {
            panic!("choices");
        };
        let ms: Vec<f64> = choices
            .iter()
            .map(|c| c.unwrap().reaction_ms.unwrap())
            .collect();
        (ms, recording)
    };
    let (instant, recording) = reaction("2 ms");
    let (mean, _) = reaction("50 ms");
    for trial in 0..3 {
        // The window opens at 500 ms, 250 samples after the start.
        let r_1 = recording.variables[0].slice(s![trial, 250.., 0]).to_vec();
        let first = |n: usize| {
            (n - 1..r_1.len()).find(|&k| r_1[k + 1 - n..=k].iter().sum::<f64>() / n as f64 >= 15.0)
        };
        assert_eq!(instant[trial], 2.0 * first(1).unwrap() as f64);
        assert_eq!(mean[trial], 2.0 * first(25).unwrap() as f64);
        assert!(mean[trial] > instant[trial]);
    }
    for (over, words) in [
        ("0 ms", "more than 0 ms"),
        ("4 s", "at most the window's 3000 ms"),
    ] {
        let sets = [format!("task.readouts.choice.over={over}")];
        let spec = isocortex::spec::from_text(
            "test",
            "from: wong_wang2006_decision\ntitle: over\n",
            &sets,
        );
        let said = spec.unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
}
