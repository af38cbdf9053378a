//! Every circuit of the registry, with every stepper, order of updates, lane axis and lane width,
//! held against the reference simulator bit for bit.
//!
//! A new circuit is covered by its line in the registry and its `configs/models/<name>.yaml`.

mod common;

use std::collections::BTreeSet;

use common::{
    Experiment, all_lanes, assert_same_bits, delay_sets, inline_connectome, quantity, record, relay,
};
use isocortex::circuit::{CIRCUITS, CircuitKind};
use isocortex::plan::{Axis, Matrix, Plan};
use isocortex::spec::{Layers, Weights};
use ndarray::s;

/// Stepper, order of updates.
const SCHEMES: [(&str, &str); 5] = [
    ("euler", "synchronous"),
    ("euler", "published"),
    ("exponential_euler", "synchronous"),
    ("heun", "synchronous"),
    ("rk4", "synchronous"),
];

/// Delays of 0.2 ms steps and more: shorter than one step, some of them zero; a few steps; longer
/// than any block of steps that is summed ahead.
const DELAYS: [&str; 5] = [
    "{kind: distance, velocity: 300 m/s}",
    "{kind: distance, velocity: 30 m/s}",
    "{kind: distance, velocity: 3.5 m/s}",
    "{kind: distance, velocity: 10 m/s, latency: 3 ms}",
    "{kind: constant, value: 0.7 ms}",
];

/// The model of a circuit with a pulse, recorded in full at every step.
fn config(circuit: CircuitKind, noisy: bool) -> String {
    let info = circuit.info();
    let variables: Vec<&str> = info.variables.iter().map(|v| v.name).collect();
    let mut text = format!(
        "title: conformance\nfrom: {}\nsimulation: {{duration: 8 ms, dt: 0.2 ms, seed: 11, \
         replicates: 3}}\nrecord: {{variables: [{}], every: 0.2 ms}}\n",
        info.name,
        variables.join(", ")
    );
    // What has no unit of the laboratory acts on potentials and phases that a large value tears apart.
    let scale = |unit: &str| if unit.starts_with('1') { 0.01 } else { 1.0 };
    text.push_str("stimuli:\n");
    for (i, input) in info.inputs.iter().enumerate() {
        // Edges of the pulses neither at the start of a pair of steps nor together, as far as the run has room.
        let place = (i % 9) as f64;
        let (on, off) = (0.6 + 0.4 * place, 3.2 + 0.6 * place);
        text.push_str(&format!(
            "  pulse_{i}: {{into: {}, areas: all, amplitude: {}, onset: {on:.1} ms, offset: {off:.1} \
             ms}}\n",
            input.name,
            quantity(20.0 * scale(input.unit), input.unit),
        ));
    }
    if noisy {
        text.push_str("noise:\n");
        for (i, input) in info.inputs.iter().enumerate() {
            let scale = scale(input.unit);
            let (name, mean) = (input.name, quantity(1.5 * scale, input.unit));
            let sd = quantity(3.0 * scale, input.unit);
            text.push_str(&format!(
                "  white_{i}: {{kind: white, into: {name}, mean: {mean}, sd: {sd}, bin: 1 ms}}\n  \
                 slow_{i}: {{kind: ornstein_uhlenbeck, into: {name}, sd: {sd}, tau: 2 ms}}\n",
            ));
        }
        let per_ms = |value: f64, unit: &str| match unit {
            "1" => format!("{value:?} 1/ms"),
            unit => format!("{value:?} {unit}/ms"),
        };
        for (v, state) in info.variables[..info.states].iter().enumerate() {
            let (name, sd) = (state.name, per_ms(0.03, state.unit));
            let times = info.variables[(v + 1) % info.states].name;
            // A derivative divided by the variable that multiplies: 1/ms where both have one unit.
            let ratio = info.variables[(v + 1) % info.states].unit;
            let factor = match (state.unit, ratio) {
                (a, b) if a == b => "0.001 1/ms".to_owned(),
                (a, "1") => format!("0.001 {a}/ms"),
                // Rates of hundreds of Hz would carry what has bounds over them.
                ("1", b) if state.max.is_finite() => format!("0.00001 1/{b}/ms"),
                ("1", b) => format!("0.001 1/{b}/ms"),
                (a, b) => match b.split_once('/') {
                    Some((over, under)) => format!("0.001 {a}*{under}/{over}/ms"),
                    None => format!("0.001 {a}/{b}/ms"),
                },
            };
            text.push_str(&format!(
                "  drift_{v}: {{kind: white, into: {name}, sd: {sd}, mean: {sd}, bin: 1 ms}}\n  \
                 factor_{v}: {{kind: ornstein_uhlenbeck, into: {name}, times: {times}, sd: {factor}, \
                 tau: 3 ms}}\n",
            ));
        }
    }
    text
}

/// Away from the fixed point, differently in every area and variable.
fn start(plan: &Plan) -> Vec<f64> {
    let spread = |(i, x): (usize, &f64)| x * (1.0 + 0.3 * (i as f64 * 0.7).sin());
    plan.baseline.iter().enumerate().map(spread).collect()
}

/// All replicates with these lanes against the reference; returns how many values were compared.
fn conform(what: &str, experiment: &Experiment, lanes: &[(Axis, usize)]) -> usize {
    let plan = experiment.plan();
    let start = start(&plan);
    let expected: Vec<_> = (0..plan.replicates)
        .map(|r| experiment.reference(&plan, &start, r))
        .collect();
    assert!(
        expected[0].iter().all(|x| x.is_finite()),
        "{what}: the reference diverged"
    );
    for (n, &(axis, width)) in lanes.iter().enumerate() {
        let plan = experiment.plan_with(axis, width);
        assert_eq!((plan.lanes.axis, plan.lanes.width), (axis, width));
        // Every other time with the state handed from one simulation to the next.
        let record = if n % 2 == 0 { record } else { relay };
        let found = record(&plan, &start, 7);
        for (r, expected) in expected.iter().enumerate() {
            let what = format!("{what}, {width} {axis:?} side by side, replicate {r}");
            assert_same_bits(&what, found.slice(s![r, .., .., ..]).iter(), expected);
        }
    }
    expected.iter().map(|e| e.len()).sum::<usize>() * lanes.len()
}

fn scheme_sets(stepper: &str, order: &str) -> Vec<String> {
    vec![
        format!("simulation.stepper={stepper}"),
        format!("simulation.order={order}"),
    ]
}

#[test]
fn every_circuit_scheme_and_lane_shape() {
    let lanes: Vec<_> = all_lanes().collect();
    for &circuit in CIRCUITS {
        for (stepper, order) in SCHEMES {
            for replicates in [1, 3, 11] {
                let mut sets = scheme_sets(stepper, order);
                sets.push(format!("simulation.replicates={replicates}"));
                let experiment = Experiment::new(&config(circuit, true), &sets);
                let what = format!("{}, {stepper}, {order}", circuit.info().name);
                let compared = conform(&what, &experiment, &lanes);
                assert!(compared > 5_000 * circuit.info().variables.len());
            }
        }
    }
}

/// Delays of every length with every scheme, rounded and interpolated in turn.
#[test]
fn delays() {
    compare_delays(|scheme, delay, grid| (scheme + delay) % 2 == grid);
}

/// Both for each of them.
#[test]
#[ignore = "half a minute"]
fn delays_in_full() {
    compare_delays(|_, _, _| true);
}

/// Those delays, with lanes of every kind, of which number of scheme, delay and grid are taken.
fn compare_delays(taken: impl Fn(usize, usize, usize) -> bool) {
    let lanes = [
        (Axis::Areas, 1),
        (Axis::Areas, 8),
        (Axis::Replicates, 4),
        (Axis::Replicates, 8),
    ];
    for &circuit in CIRCUITS {
        let model = Experiment::new(&config(circuit, false), &[] as &[&str]);
        for (n, (stepper, order)) in SCHEMES.into_iter().enumerate() {
            for (k, delay) in DELAYS.into_iter().enumerate() {
                for (g, grid) in ["rounded", "interpolated"].into_iter().enumerate() {
                    if !taken(n, k, g) {
                        continue;
                    }
                    let mut sets = scheme_sets(stepper, order);
                    sets.extend(delay_sets(&model, delay, k));
                    sets.push(format!("simulation.delays={grid}"));
                    let experiment = Experiment::new(&config(circuit, true), &sets);
                    let what = format!(
                        "{}, {stepper}, {order}, {delay}, {grid}",
                        circuit.info().name
                    );
                    conform(&what, &experiment, &lanes);
                }
            }
        }
    }
}

/// A run long enough that the past slides and what is negligible is set to zero, with noise looked up
/// several times a step.
#[test]
fn long_runs() {
    let lanes = [
        (Axis::Areas, 8),
        (Axis::Replicates, 4),
        (Axis::Replicates, 16),
    ];
    for (stepper, delay) in [
        ("euler", DELAYS[0]),
        ("heun", DELAYS[2]),
        ("rk4", DELAYS[3]),
    ] {
        let mut sets = scheme_sets(stepper, "synchronous");
        sets.push(format!("projections.long_range.delay={delay}"));
        sets.push("simulation.duration=70 ms".to_owned());
        sets.push("simulation.noise_grid=0.04 ms".to_owned());
        // Nothing drives these areas: they decay to nothing.
        sets.push(
            "circuit.areas={V1: {tau_E: 0.5 ms, tau_I: 0.5 ms, I_0E: -1e9 pA, I_0I: -1e9 pA}}"
                .to_owned(),
        );
        let experiment = Experiment::new(&config(CIRCUITS[0], true), &sets);
        conform(&format!("{stepper}, {delay}"), &experiment, &lanes);
    }
}

/// Changes of the network, each with one scheme, which a change knows nothing of.
#[test]
fn changed_networks() {
    compare_changes(|change, scheme| change % SCHEMES.len() == scheme);
}

/// Each with every scheme.
#[test]
#[ignore = "minutes"]
fn changed_networks_in_full() {
    compare_changes(|_, _| true);
}

/// Changes of the network, of which number of change and scheme are taken; each must act, or the comparison
/// would prove nothing.
fn compare_changes(taken: impl Fn(usize, usize) -> bool) {
    let lanes = [(Axis::Areas, 8), (Axis::Replicates, 4)];
    let mut seen = BTreeSet::new();
    for &circuit in CIRCUITS {
        let plain = Experiment::new(&config(circuit, false), &[] as &[&str]);
        let projections: Vec<String> = plain.spec.projections.keys().cloned().collect();
        let gradients: Vec<String> = plain.spec.gradients.keys().cloned().collect();
        let names = plain.network.area_names();
        let mut changes: Vec<Vec<String>> = vec![vec![format!(
            "lesions.areas=[\"{}\", \"{}\"]",
            names[1], names[9]
        )]];
        for name in &gradients {
            changes.push(vec![format!("gradients.{name}.strength=0.21")]);
        }
        for name in &projections {
            let key = format!("projections.{name}");
            // All links are alike: there is nothing to shuffle, and these have no hierarchy.
            let uniform = plain.spec.projections[name].weights == Weights::Uniform;
            // Versions of one model have projections in common; those of the largest take minutes.
            if uniform || !seen.insert((circuit.info().citation, name.clone())) {
                changes.push(vec![format!("{key}.keep=none")]);
                continue;
            }
            for keep in ["none", "feedforward", "feedback"] {
                changes.push(vec![format!("{key}.keep={keep}")]);
            }
            // Weights that are all alike, between all areas, stay as they are however they are shuffled.
            let weights = &plain.network.projections.iter().find(|p| p.name == *name);
            let weights = weights.map_or(&[][..], |p| p.weights.data());
            let n = plain.network.n_areas();
            if weights.len() == n * (n - 1) && weights.iter().all(|w| *w == weights[0]) {
                continue;
            }
            // A part of the matrix has no shuffle of its own.
            let draft = &plain.spec.projections[name];
            let parts = [&draft.source_areas, &draft.target_areas];
            if parts.iter().any(|areas| areas.names().is_some()) {
                continue;
            }
            for what in ["strengths", "topology"] {
                // Links that a shuffle makes have no SLN.
                if what == "topology" && plain.spec.projections[name].layers != Layers::All {
                    continue;
                }
                changes.push(vec![format!("{key}.shuffle={{what: {what}, seed: 5}}")]);
            }
        }
        if !circuit.info().background.is_empty() {
            let intact = "lesions.background=intact".to_owned();
            changes.push(vec![changes[0][0].clone(), intact]);
        }
        let signature = |plan: &Plan| {
            let weights: Vec<&Matrix> = plan.projections.iter().map(|p| &p.matrix).collect();
            let gains: Vec<_> = plan.projections.iter().map(|p| &p.received).collect();
            format!("{:?} {weights:?} {gains:?}", plan.parameters)
        };
        let unchanged = signature(&plain.plan());
        for (k, change) in changes.iter().enumerate() {
            for (n, (stepper, order)) in SCHEMES.into_iter().enumerate() {
                if !taken(k, n) {
                    continue;
                }
                let mut sets = scheme_sets(stepper, order);
                sets.extend(change.iter().cloned());
                let experiment = Experiment::new(&config(circuit, true), &sets);
                let what = format!("{}, {stepper}, {order}, {change:?}", circuit.info().name);
                assert_ne!(
                    signature(&experiment.plan()),
                    unchanged,
                    "{what}: no effect"
                );
                conform(&what, &experiment, &lanes);
            }
        }
    }
}

/// More areas than a dense product serves, a number that fills no vector, areas without input.
#[test]
fn sparse_matrices() {
    const N: usize = 261;
    let lanes: Vec<_> = all_lanes().collect();
    for &circuit in CIRCUITS {
        let model = Experiment::new(&config(circuit, false), &[] as &[&str]);
        let mut maps: Vec<String> = model
            .spec
            .gradients
            .values()
            .map(|g| g.map.clone())
            .collect();
        maps.extend(
            model
                .spec
                .projections
                .values()
                .filter_map(|p| p.hierarchy.clone()),
        );
        maps.sort();
        maps.dedup();
        let name = |i: usize| format!("area {i}");
        let height = |i: usize| (i * 37 % N) as f64 / N as f64;
        let areas: Vec<_> = (0..N)
            .map(|i| {
                let values = maps.iter().map(|m| (m.clone(), height(i)));
                (name(i), values.collect())
            })
            .collect();
        let mut links = Vec::new();
        for i in 0..N {
            // No links, or enough that the rows of a group have some side by side and some left over,
            // on both parities of the source.
            let count = if i % 16 == 0 { 0 } else { 5 + i % 11 };
            for k in 0..count {
                let j = (i * 13 + k * k * 29 + 1 + k) % N;
                let taken = links
                    .iter()
                    .any(|(to, from, _)| *to == name(i) && *from == name(j));
                if j != i && !taken {
                    links.push((name(i), name(j), 0.15 / (1.0 + k as f64)));
                }
            }
        }
        let connectome = inline_connectome(&areas, &links);
        for (stepper, order) in SCHEMES {
            let mut sets = scheme_sets(stepper, order);
            // Those of a model that types its areas would stay beside these.
            sets.push("connectome=null".to_owned());
            sets.push(format!("connectome={connectome}"));
            // A network typed in place has no SLN, nor the areas that a model may name.
            let named = ["circuit.areas=null", "circuit.groups=null", "initial=null"];
            sets.extend(named.map(str::to_owned));
            for name in model.spec.projections.keys() {
                sets.push(format!("projections.{name}.layers=all"));
                sets.push(format!("projections.{name}.layers_at_most=[]"));
                sets.push(format!("projections.{name}.weights=fln"));
                for of in ["areas", "source_areas", "target_areas"] {
                    sets.push(format!("projections.{name}.{of}=null"));
                }
            }
            sets.push("simulation.replicates=2".to_owned());
            let experiment = Experiment::new(&config(circuit, true), &sets);
            let plan = experiment.plan();
            for (p, draft) in plan
                .projections
                .iter()
                .zip(experiment.spec.projections.values())
            {
                assert!(matches!(p.matrix, Matrix::Sparse { .. }));
                // A difference takes off the area's own variable wherever something is sent.
                let own = if draft.difference {
                    N - N.div_ceil(16)
                } else {
                    0
                };
                assert_eq!(p.matrix.links(), links.len() + own);
            }
            let what = format!("{}, {stepper}, {order}, {N} areas", circuit.info().name);
            conform(&what, &experiment, &lanes);
        }
    }
}
