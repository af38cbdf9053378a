//! Perturbations do what they say: each is what the same change typed in other keys of the config gives, and
//! what cannot be meant is refused with its place.

mod common;

use std::sync::atomic::AtomicBool;

use common::Experiment;
use isocortex::engine::{Conditions, Quiet, simulate};
use isocortex::network::Network;
use isocortex::plan::{Axis, Execution, Plan};
use isocortex::spec;
use isocortex::stepper::linear::start_state;
use ndarray::Array3;

const MODEL: &str = "from: froudist_walsh2021_distractor\n";
const NO_SETS: [&str; 0] = [];

/// The experiment with one perturbation, called `p`.
fn perturbed(perturbation: &str) -> Network {
    Experiment::new(MODEL, &[format!("perturbations.p={perturbation}")]).network
}

fn with(sets: &[&str]) -> Network {
    Experiment::new(MODEL, sets).network
}

/// What is simulated, as text: areas, parameters, weights, gains and stimuli, every digit of them.
fn content(network: &Network) -> String {
    let areas = network.area_names();
    let mut out = format!("{areas:?}\n{:?}\n", network.parameters);
    for p in &network.projections {
        out += &format!("{} {:?} {:?}\n", p.name, p.weights, p.received);
    }
    let mut stimuli: Vec<String> = (network.stimuli.iter())
        .map(|s| {
            format!(
                "{} {:?} {} {} {}",
                s.input, s.areas, s.amplitude, s.onset_ms, s.offset_ms
            )
        })
        .collect();
    stimuli.sort();
    out + &stimuli.join("\n")
}

fn all_projections(set: &str) -> Vec<String> {
    let names = Experiment::new(MODEL, &NO_SETS).spec.projections;
    names
        .keys()
        .map(|name| format!("projections.{name}.{set}"))
        .collect()
}

/// Words and overrides give one network, to the bit.
#[test]
fn words_are_what_overrides_say() {
    let cases: [(&str, Vec<String>); 9] = [
        ("{lesion: [V4, LIP]}", vec!["lesions.areas=[V4, LIP]".into()]),
        ("{cut: all, links: feedback}", all_projections("keep=feedforward")),
        ("{cut: all, links: feedforward}", all_projections("keep=feedback")),
        (
            "{modulator: dopamine, level: 0.5}",
            vec!["modulators.dopamine.level=0.5".into()],
        ),
        (
            "{inhibit: SST2, areas: [LIP, 7A], amplitude: 100 pA, onset: 2 s, offset: 2.4 s}",
            vec![
                "stimuli.x={into: I_SST2, areas: [LIP, 7A], amplitude: -100 pA, onset: 2 s, offset: 2.4 s}"
                    .into(),
            ],
        ),
        (
            "{excite: VIP, amplitude: 50 pA, onset: 1 s}",
            vec![
                "stimuli.x={into: I_VIP1, areas: all, amplitude: 50 pA, onset: 1 s, offset: 5 s}".into(),
                "stimuli.y={into: I_VIP2, areas: all, amplitude: 50 pA, onset: 1 s, offset: 5 s}".into(),
            ],
        ),
        (
            "{gradient: spines, map: hierarchy}",
            vec!["gradients.spines.map=hierarchy".into()],
        ),
        (
            "{shuffle: all, what: targets, seed: 3}",
            all_projections("shuffle={what: targets, seed: 3}"),
        ),
        (
            "{shuffle: [feedback_nmda_1], what: rewired, seed: 3}",
            vec!["projections.feedback_nmda_1.shuffle={what: rewired, seed: 3}".into()],
        ),
    ];
    let control = content(&with(&[]));
    for (words, sets) in cases {
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        let found = content(&perturbed(words));
        assert!(found == content(&with(&sets)), "{words}");
        assert!(found != control, "{words} changes nothing");
    }
}

/// The same where the override rounds otherwise: relative differences up to 1e-12.
#[test]
fn words_are_what_overrides_say_up_to_rounding() {
    let lengths = |n: &Network| {
        let gains =
            (n.projections.iter()).flat_map(|p| p.received.iter().flat_map(|r| r.gain.clone()));
        n.parameters
            .iter()
            .copied()
            .chain(gains)
            .collect::<Vec<f64>>()
    };
    let control = with(&[]);
    for (words, sets) in [
        (
            "{receptor: nmda, by: 0.8}",
            &["gradients.nmda.base=0.8", "gradients.nmda.strength=0.48"],
        ),
        (
            // 0.45 + 0.55 times the mean of the normalised spine counts.
            "{gradient: spines, flat: true}",
            &[
                "gradients.spines.base=0.7576413595568765",
                "gradients.spines.strength=0",
            ],
        ),
    ] {
        let (found, expected) = (lengths(&perturbed(words)), lengths(&with(sets)));
        for (a, b) in found.iter().zip(&expected) {
            assert!((a - b).abs() <= 1e-12 * b.abs(), "{words}: {a} and {b}");
        }
        assert_ne!(found, lengths(&control), "{words}");
    }
}

fn index(network: &Network, area: &str) -> usize {
    network.connectome.area_id(area).unwrap().index()
}

/// Links are told apart by source and target, in one projection or in all.
#[test]
fn links_are_scaled_where_it_is_said() {
    let control = with(&[]);
    let (lip, v4) = (index(&control, "LIP"), index(&control, "V4"));
    let some = perturbed("{scale: feedback_nmda_1, by: 0.5, from: [LIP], to: [V4, MT]}");
    for (a, b) in control.projections.iter().zip(&some.projections) {
        let mt = index(&control, "MT");
        assert_eq!(a.weights.nnz(), b.weights.nnz());
        for ((w, (i, j)), x) in a.weights.iter().zip(b.weights.data()) {
            let named = a.name == "feedback_nmda_1" && j == lip && (i == v4 || i == mt);
            assert_eq!(*x, if named { 0.5 * w } else { *w });
        }
    }
    // All that V4 receives: its gains take the factor, and weights stay, so that it can be a condition.
    let all = perturbed("{cut: all, to: [V4]}");
    for (a, b) in control.projections.iter().zip(&all.projections) {
        assert_eq!(a.weights, b.weights);
        for (old, new) in a.received.iter().zip(&b.received) {
            for (area, (x, y)) in old.gain.iter().zip(&new.gain).enumerate() {
                assert_eq!(*y, if area == v4 { 0.0 } else { *x });
            }
        }
    }
    let cut = perturbed("{cut: feedforward_ampa_1, from: [V4]}");
    for p in &cut.projections {
        let from_v4 = p.weights.iter().filter(|(_, (_, j))| *j == v4).count();
        assert_eq!(from_v4 == 0, p.name == "feedforward_ampa_1", "{}", p.name);
    }
}

/// Factors act on what gradients and values of single areas leave, in the areas that are named.
#[test]
fn gains_act_last_and_where_it_is_said() {
    let control = with(&[]);
    let some = perturbed("{parameter: [g_EPV, g_dSST], by: 0.5, areas: [LIP]}");
    let lip = index(&control, "LIP");
    let names = control.info().parameters;
    for ((area, k), x) in control.parameters.indexed_iter() {
        let named = area == lip && ["g_EPV", "g_dSST"].contains(&names[k].name);
        assert_eq!(some.parameters[[area, k]], if named { 0.5 * x } else { *x });
    }
    // -400 pA without dopamine, and less with it: the factor takes both parts.
    let g = control.info().parameter("g_EPV").unwrap();
    assert!(control.parameters[[lip, g]] > -300.0);
}

/// Exchanged maps are the same values in other areas, in intact and lesioned networks alike; values of
/// areas are those of the map as the data give it.
#[test]
fn maps_are_exchanged_and_replaced() {
    let n = |network: &Network, area: &str| {
        let k = network.info().parameter("n").unwrap();
        network.parameters[[index(network, area), k]]
    };
    let control = with(&[]);
    let sets = ["perturbations.p={gradient: nmda, exchanged: 4}"];
    let exchanged = with(&sets);
    let sorted = |network: &Network| {
        let mut all: Vec<f64> = network.area_names().iter().map(|a| n(network, a)).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    assert_eq!(sorted(&exchanged), sorted(&control));
    assert_ne!(n(&exchanged, "LIP"), n(&control, "LIP"));
    let lesioned = with(&[sets[0], "lesions.areas=[V2]"]);
    for area in lesioned.area_names() {
        assert_eq!(n(&lesioned, area), n(&exchanged, area), "{area}");
    }
    let map = control.connectome.gradient("d1r_per_neuron").unwrap();
    let of_24c = map.values[index(&control, "24c")];
    let replaced = perturbed(&format!("{{gradient: nmda, values: {{LIP: {of_24c}}}}}"));
    assert_eq!(n(&replaced, "LIP"), n(&control, "24c"));
    assert_eq!(n(&replaced, "V1"), n(&control, "V1"));
}

/// A stimulus into a lesioned area is an error, unless it is said to be dropped.
#[test]
fn stimuli_into_lesioned_areas() {
    let sets = ["perturbations.p={lesion: [V1], stimuli: dropped}"];
    let dropped = Experiment::new(MODEL, &sets);
    assert!(dropped.network.stimuli.iter().all(|s| s.areas.is_empty()));
    let of = |s: &str| (s.to_owned(), "V1".to_owned());
    assert_eq!(
        dropped.spec.dropped_stimuli(&dropped.network.lesioned),
        [of("distractor"), of("target")]
    );
    let kept = ["lesions={areas: [V1], stimuli: dropped}"];
    assert!(with(&kept).stimuli.iter().all(|s| s.areas.is_empty()));
    // Others that the stimulus names still receive it.
    let two = [kept[0], "stimuli.target.areas=[V1, V2]"];
    let network = with(&two);
    let target = network.stimuli.iter().find(|s| s.name == "target").unwrap();
    assert_eq!(target.areas.len(), 1);
    assert_eq!(target.areas[0].index(), index(&network, "V2"));
}

/// What a perturbation says wrong, and the words of the message. All end before anything runs.
#[test]
fn faulty_perturbations_are_refused() {
    let cases = [
        ("{lesion: [V1]}", "which `perturbations.p.lesion` removes"),
        ("{lesion: [V99]}", "V99"),
        ("{lesion: all}", "no area is left"),
        ("{lesion: [V4, V4]}", "area twice"),
        ("{inhibit: SST3, amplitude: 1 pA}", "mean `SST1` or `SST2`"),
        (
            "{inhibit: VIP, areas: [LIPP], amplitude: 1 pA}",
            "mean `LIP`",
        ),
        (
            "{inhibit: VIP, amplitude: -1 pA}",
            "expected a size above 0",
        ),
        ("{inhibit: VIP, amplitude: 1 Hz}", "no single input"),
        ("{inhibit: VIP}", "expected `amplitude`"),
        ("{inhibit: [VIP, VIP1], amplitude: 1 pA}", "input twice"),
        (
            "{inhibit: VIP, amplitude: 1 pA, onset: 2 s, offset: 5.5 s}",
            "outside the run",
        ),
        (
            "{inhibit: VIP, amplitude: 1 pA, onset: 3 s, offset: 2 s}",
            "outside the run",
        ),
        (
            "{inhibit: VIP, amplitude: 1 pA, onset: 0.3 ms}",
            "between two steps",
        ),
        ("{cut: feedbak_nmda_1}", "mean `feedback_nmda_1`"),
        ("{cut: all, from: [V99]}", "V99"),
        ("{cut: all, links: none}", "no links"),
        ("{cut: all, by: 0.5}", "`by` beside `cut`"),
        ("{scale: all}", "expected `by`"),
        ("{scale: all, by: -1}", "factor of 0 or more"),
        ("{receptor: nmdo, by: 0.5}", "mean `nmda`"),
        ("{parameter: tau_NMDA, by: 0.5}", "unknown parameter"),
        ("{parameter: w_EEE, by: 0.5}", "mean `w_EE`"),
        ("{modulator: dopamin, level: 1}", "mean `dopamine`"),
        ("{gradient: spine, flat: true}", "mean `spines`"),
        ("{gradient: spines}", "which map: found none"),
        (
            "{gradient: spines, flat: true, map: hierarchy}",
            "which map: found several",
        ),
        ("{gradient: spines, values: {V99: 1}}", "V99"),
        ("{gradient: spines, map: hierarchi}", "mean `hierarchy`"),
        ("{shuffle: all, what: rows, seed: 1}", "unknown choice"),
        ("{shuffle: all, what: targets}", "expected `seed`"),
        ("{inhbit: VIP, amplitude: 1 pA}", "mean `inhibit`"),
        ("{amplitude: 1 pA}", "which perturbation: found none"),
        ("{cut: all, scale: all, by: 1}", "found cut and scale"),
    ];
    for (words, expected) in cases {
        let set = format!("perturbations.p={words}");
        let spec = spec::from_text("test", MODEL, &[set]);
        let built = spec.map_err(|e| e.to_string());
        let built = built.and_then(|spec| Network::build(&spec).map_err(|e| e.to_string()));
        let error = built.err().unwrap_or_default();
        assert!(error.contains(expected), "{words}: {error}");
        assert!(error.contains("-->"), "{words} has no place: {error}");
    }
    let two = [
        "perturbations.p={modulator: dopamine, level: 1}",
        "perturbations.q={modulator: dopamine, level: 2}",
    ];
    let spec = spec::from_text("test", MODEL, &two.map(str::to_owned)).unwrap();
    let error = Network::build(&spec).unwrap_err().to_string();
    assert!(error.contains("two perturbations of one thing"), "{error}");
}

/// Trials under conditions that change the model, beside noise and a stimulus.
const TASK: &str = "
title: conditions
from: chaudhuri2015
task:
  stimuli:
    one: {into: drive_E, areas: [V1], amplitude: 30 Hz}
  events:
    cue: {shows: one, onset: 8 ms, jitter: 5 ms, duration: 6 ms}
  conditions:
    plain: {trials: 3}
    stronger: {trials: 3, set: [gradients.eta.strength=0.7, initial.V1.nu_E=11 Hz]}
    weaker:
      trials: 3
      perturbations: {weak: {scale: all, by: 0.5, to: [V2]}, off: {inhibit: E, areas: [V4], amplitude: 5 Hz}}
noise:
  slow: {kind: ornstein_uhlenbeck, into: I_I, areas: all, sd: 5 pA, tau: 5 ms}
simulation: {duration: 40 ms, dt: 0.2 ms, seed: 3}
record: {every: 1 ms, variables: [nu_E]}
";

fn trials(sets: &[&str], width: usize) -> Array3<f64> {
    let plan = Experiment::new(TASK, sets).plan_with(Axis::Replicates, width);
    let conditions = Conditions {
        threads: 2,
        stop: &AtomicBool::new(false),
        progress: &Quiet,
    };
    simulate(&plan, &conditions).unwrap().variables.remove(0)
}

/// A trial of a condition that changes the model is the trial of an experiment with that change in all
/// conditions, to the bit and in any lanes; so it is in the reference simulator.
#[test]
fn conditions_of_a_task_may_change_the_model() {
    let nothing = "task.conditions.stronger.set=[]";
    let none = "task.conditions.weaker.perturbations=~";
    let plain = trials(&[nothing, none], 4);
    let stronger = trials(
        &[
            nothing,
            none,
            "gradients.eta.strength=0.7",
            "initial.V1.nu_E=11 Hz",
        ],
        4,
    );
    let weaker = trials(
        &[
            nothing,
            none,
            "perturbations={weak: {scale: all, by: 0.5, to: [V2]}, off: {inhibit: E, areas: [V4], \
             amplitude: 5 Hz}}",
        ],
        4,
    );
    let expected = [plain, stronger, weaker];
    assert!((0..2).all(|k| expected[k] != expected[k + 1]));
    for width in [1, 4, 8] {
        let found = trials(&[], width);
        for t in 0..9 {
            let row = |x: &Array3<f64>| x.index_axis(ndarray::Axis(0), t).to_owned();
            assert!(
                row(&found) == row(&expected[t / 3]),
                "trial {t}, width {width}"
            );
        }
    }
    let experiment = Experiment::new(TASK, &NO_SETS);
    let plan = experiment.plan();
    let start = start_state(&plan.models[1]).unwrap();
    let reference = experiment.reference(&plan, &start, 7);
    let every = plan.record.every as usize;
    let nu_e = reference.slice(ndarray::s![..;every, .., 0]);
    assert!(nu_e == expected[2].index_axis(ndarray::Axis(0), 7));
}

/// Changes of areas, connections and noise, each in a condition of its own.
const STRUCTURAL: [(&str, &str); 5] = [
    ("cut", "perturbations={p: {cut: all, from: [V1]}}"),
    ("lesion", "perturbations={p: {lesion: [V4, MT]}}"),
    ("louder", "noise.slow.sd=8 pA"),
    (
        "shuffled",
        "perturbations={p: {shuffle: all, what: targets, seed: 1}}",
    ),
    (
        "unlit",
        "perturbations={p: {lesion: [V1, V2], stimuli: dropped}}",
    ),
];

const WITH_STRUCTURAL: &str = "task.conditions={cut: {trials: 3, perturbations: {p: {cut: all, from: [V1]}}}, \
    lesion: {trials: 3, perturbations: {p: {lesion: [V4, MT]}}}, louder: {trials: 3, set: [noise.slow.sd=8 pA]}, \
    plain: {trials: 3}, \
    shuffled: {trials: 3, perturbations: {p: {shuffle: all, what: targets, seed: 1}}}, \
    stronger: ~, \
    unlit: {trials: 3, perturbations: {p: {lesion: [V1, V2], stimuli: dropped}}}, weaker: ~}";

/// A condition with other areas, connections or noise is the trial of an experiment with that change in all
/// trials, to the bit, in any lanes and in the reference simulator; lesioned areas are NaN there.
#[test]
fn conditions_of_a_task_may_change_areas_connections_and_noise() {
    let experiment = Experiment::new(TASK, &[WITH_STRUCTURAL]);
    let whole = experiment.plan();
    assert_eq!((whole.parts.len(), whole.models.len()), (5, 0));
    assert_eq!(whole.replicates, 18);
    let names = ["cut", "lesion", "louder", "plain", "shuffled", "unlit"];
    let alone: Vec<(Vec<String>, Array3<f64>)> = (names.iter())
        .map(|name| {
            let change = STRUCTURAL.iter().find(|(known, _)| known == name);
            let conditions = names
                .map(|name| format!("{name}: {{trials: 3}}"))
                .join(", ");
            let conditions = format!("task.conditions={{{conditions}, stronger: ~, weaker: ~}}");
            let sets: Vec<String> = std::iter::once(conditions)
                .chain(change.map(|(_, set)| (*set).to_owned()))
                .collect();
            let plan = Experiment::new(TASK, &sets).plan_with(Axis::Replicates, 4);
            let conditions = Conditions {
                threads: 1,
                stop: &AtomicBool::new(false),
                progress: &Quiet,
            };
            let found = simulate(&plan, &conditions).unwrap().variables.remove(0);
            (plan.areas, found)
        })
        .collect();
    let lanes = [1, 4, 8].map(|w| (Axis::Replicates, w));
    for (axis, width) in lanes.into_iter().chain([(Axis::Areas, 4)]) {
        let plan = experiment.plan_with(axis, width);
        for threads in [1, 2] {
            let conditions = Conditions {
                threads,
                stop: &AtomicBool::new(false),
                progress: &Quiet,
            };
            let found = simulate(&plan, &conditions).unwrap().variables.remove(0);
            for trial in 0..18 {
                let (areas, expected) = &alone[trial / 3];
                for (a, name) in plan.areas.iter().enumerate() {
                    let found = found.slice(ndarray::s![trial, .., a]);
                    let Some(own) = areas.iter().position(|own| own == name) else {
                        assert!(found.iter().all(|x| x.is_nan()), "trial {trial}, {name}");
                        continue;
                    };
                    let expected = expected.slice(ndarray::s![trial, .., own]);
                    assert!(found == expected, "trial {trial}, {name}, {axis:?} {width}");
                }
            }
        }
    }
    // Trial 16 is one without V1 and V2, which leaves the cue nowhere to go.
    let part = whole.part_of(16).unwrap();
    let start = start_state(&part.plan).unwrap();
    let every = whole.record.every as usize;
    let mut states = Vec::new();
    let own = experiment.network.of_run(16);
    let variables = own.info().variables.len();
    let mut by_area = ndarray::Array2::zeros((own.n_areas(), variables));
    for ((area, v), x) in by_area.indexed_iter_mut() {
        *x = start[part.plan.position[area] * variables + v];
    }
    isocortex::reference::simulate(
        &experiment.network,
        &experiment.spec.run,
        &by_area,
        isocortex::ids::Replicate(16),
        |step, x| {
            if (step as usize).is_multiple_of(every) {
                states.push(x.column(0).to_vec());
            }
        },
    );
    let (_, expected) = &alone[5];
    for (k, state) in states.iter().enumerate() {
        let expected = expected.slice(ndarray::s![16, k, ..]).to_vec();
        assert_eq!(*state, expected, "sample {k}");
    }
}

/// Readouts of a condition leave out what is lesioned in it, and are missing where nothing is left.
#[test]
fn readouts_leave_out_what_a_condition_lesions() {
    let readouts = "task.readouts={both: {mean: nu_E, areas: [V1, V4], from: 10 ms, to: 40 ms}, \
        gone: {mean: nu_E, areas: [V4], from: 10 ms, to: 40 ms}, \
        left: {mean: nu_E, areas: [V1], from: 10 ms, to: 40 ms}}";
    let areas = "record.areas=[V1, V2, V4]";
    let experiment = Experiment::new(TASK, &[WITH_STRUCTURAL, readouts, areas]);
    isocortex::engine::check_measures(&experiment.network, &experiment.spec).unwrap();
    let conditions = Conditions {
        threads: 1,
        stop: &AtomicBool::new(false),
        progress: &Quiet,
    };
    let recording = simulate(&experiment.plan(), &conditions).unwrap();
    let table = isocortex::engine::trial_table(&experiment.network, &experiment.spec, &recording);
    let table = table.unwrap().unwrap();
    let value = |name: &str, trial: usize| {
        let column = table.readouts.iter().find(|r| r.name == name).unwrap();
        match &column.values {
            isocortex::engine::ReadoutValues::Number { values, .. } => values[trial],
            isocortex::engine::ReadoutValues::Choice { .. } => panic!("a number"),
        }
    };
    // 3 to 5 lack V4, 9 to 11 nothing, 15 to 17 V1.
    assert_eq!(value("both", 4), value("left", 4));
    assert_ne!(value("both", 10), value("left", 10));
    assert_eq!(value("both", 16), value("gone", 16));
    assert_eq!((value("gone", 4), value("left", 16)), (None, None));
    // Tables and figures show a trial in which every area is there.
    assert_eq!(experiment.network.example(), Some(0));
}

/// What conditions cannot change, and where messages point.
#[test]
fn faulty_changes_of_conditions_are_refused() {
    let cases = [
        (
            "task.conditions.plain.set=[simulation.dt=0.1 ms]",
            "not a key of the model",
        ),
        (
            "task.conditions.plain.set=['task.events.cue.onset=1 ms']",
            "not a key of the model",
        ),
        (
            "task.conditions.plain.set=['connectome.add={pulvinar: {group: thalamus, gradients: {hierarchy_norm: 0.5}}}']",
            "found area `pulvinar`, which the rest",
        ),
        (
            "task.conditions.plain.set=[circuit.name=chaudhuri2015_nonlinear]",
            "condition `plain`: ",
        ),
        (
            "task.conditions.plain.perturbations={p: {lesion: [V1]}}",
            "condition `plain`: area is lesioned",
        ),
        (
            "task.conditions.plain.perturbations={p: {lesion: [V11]}}",
            "condition `plain`: unknown area",
        ),
        (
            "task.conditions.plain.set=[circuit.parameters.w_EX=1 pA/Hz]",
            "condition `plain`: unknown",
        ),
        (
            "task.conditions.plain.perturbations={p: {inhibit: F, amplitude: 1 pA}}",
            "condition `plain`: unknown population or input",
        ),
        (
            "task.conditions.plain.perturbations={p: {inhibit: E}}",
            "condition `plain`: missing key",
        ),
    ];
    for (set, expected) in cases {
        let spec = spec::from_text("test", TASK, &[set.to_owned()]).map_err(|e| e.to_string());
        let built = spec.and_then(|spec| {
            let network = Network::build(&spec).map_err(|e| e.to_string())?;
            Plan::compile(&network, &spec, Execution::default()).map_err(|e| e.to_string())
        });
        let error = built.err().unwrap_or_default();
        assert!(error.contains(expected), "{set}: {error}");
        assert!(error.contains("-->"), "{set} has no place: {error}");
    }
}

const SESSION: &str = "
title: session
from: chaudhuri2015
task:
  stimuli:
    one: {into: drive_E, areas: [V1], amplitude: 30 Hz}
  events:
    cue: {shows: one, onset: 4 ms, jitter: 2 ms, duration: 6 ms}
  conditions:
    catch: {trials: 2, without: [cue]}
    cue: {trials: 3}
  readouts:
    during: {mean: nu_E, areas: [V1], after: cue, from: 0 ms, to: 6 ms}
    before: {mean: nu_E, areas: [V1], from: 0 ms, to: 1 ms}
  session: {sessions: 2, interval: 10 ms, jitter: 5 ms}
noise:
  slow: {kind: ornstein_uhlenbeck, into: I_I, areas: all, sd: 5 pA, tau: 5 ms}
simulation: {duration: 20 ms, dt: 0.2 ms, seed: 3}
record: {every: 0.2 ms, variables: [nu_E]}
";

/// Trials of a session follow one another in one run, in a drawn order and with drawn intervals, and the run
/// is that of the reference simulator; what a trial leaves is there when the next begins.
#[test]
fn trials_of_a_session_follow_one_another() {
    let experiment = Experiment::new(SESSION, &NO_SETS);
    let trials = experiment.network.trials.as_ref().unwrap();
    let plan = experiment.plan();
    assert_eq!((plan.replicates, trials.trials.len()), (2, 10));
    // Five trials of 20 ms and four intervals of at most 15 ms.
    assert_eq!(plan.steps, (5 * 20 + 4 * 15) * 5);
    let of = |run| trials.of_run(run).collect::<Vec<_>>();
    let order = |run| of(run).iter().map(|t| t.condition).collect::<Vec<_>>();
    let many = Experiment::new(SESSION, &["task.session.sessions=12"])
        .network
        .trials
        .unwrap();
    let orders: std::collections::BTreeSet<Vec<usize>> = (0..12)
        .map(|run| many.of_run(run).map(|t| t.condition).collect())
        .collect();
    // There are ten; that twelve sessions share one has a chance below 1e-10.
    assert!(orders.len() > 1, "{orders:?}");
    let mut intervals = Vec::new();
    for run in 0..2 {
        let mut counts = order(run);
        counts.sort_unstable();
        assert_eq!(counts, [0, 0, 1, 1, 1]);
        assert_eq!(of(run)[0].start_ms, 0.0);
        for pair in of(run).windows(2) {
            intervals.push(pair[1].start_ms - pair[0].start_ms - 20.0);
        }
    }
    assert!(
        intervals
            .iter()
            .all(|ms| (5.0 - 1e-9..=15.0 + 1e-9).contains(ms)),
        "{intervals:?}"
    );
    assert!(intervals.iter().any(|ms| (ms - intervals[0]).abs() > 1e-6));
    let start = start_state(&plan).unwrap();
    let conditions = Conditions {
        threads: 1,
        stop: &AtomicBool::new(false),
        progress: &Quiet,
    };
    let recording = simulate(&plan, &conditions).unwrap();
    for run in 0..2_u32 {
        let reference = experiment.reference(&plan, &start, run);
        let found = recording.variables[0].index_axis(ndarray::Axis(0), run as usize);
        assert!(
            reference.slice(ndarray::s![.., .., 0]) == found,
            "session {run}"
        );
    }
    let table = isocortex::engine::trial_table(&experiment.network, &experiment.spec, &recording);
    let table = table.unwrap().unwrap();
    let values = |name: &str| {
        let column = table.readouts.iter().find(|r| r.name == name).unwrap();
        match &column.values {
            isocortex::engine::ReadoutValues::Number { values, .. } => values.clone(),
            isocortex::engine::ReadoutValues::Choice { .. } => panic!("a number"),
        }
    };
    // V1 rests at 10 Hz and is driven by 30 Hz: the window stands where the cue does.
    for (trial, value) in trials.trials.iter().zip(values("during")) {
        assert_eq!(value.is_some(), trial.condition == 1);
        assert!(value.is_none_or(|v| v > 14.0), "{value:?}");
    }
    // State is carried over: after a cue V1 still has more than at the start of the session.
    let before = values("before");
    for run in 0..2 {
        let own: Vec<usize> = (0..10).filter(|&t| trials.trials[t].run == run).collect();
        let after_cue = own
            .windows(2)
            .filter(|w| trials.trials[w[0]].condition == 1);
        for pair in after_cue {
            assert!(before[pair[1]] > before[own[0]], "{before:?}");
        }
    }
    let blocks = Experiment::new(SESSION, &["task.session.order=blocks"])
        .network
        .trials
        .unwrap();
    let order: Vec<usize> = blocks.of_run(1).map(|t| t.condition).collect();
    assert_eq!(order, [0, 0, 1, 1, 1]);
}

#[test]
fn faulty_sessions_are_refused() {
    for (set, expected) in [
        ("task.session.jitter=11 ms", "trials could overlap"),
        ("task.session.interval=0.3 ms", "between two steps"),
        ("task.session.sessions=0", "found 0 trials"),
        (
            "task.conditions.cue.set=[gradients.eta.strength=0]",
            "share one model",
        ),
        ("task.events.cue.onset=16 ms", "outlasts the run"),
        (
            "task.readouts.before.to=21 ms",
            "expected a part of the trial",
        ),
    ] {
        let spec = spec::from_text("test", SESSION, &[set.to_owned()]).map_err(|e| e.to_string());
        let built = spec.and_then(|spec| {
            let network = Network::build(&spec).map_err(|e| e.to_string())?;
            isocortex::engine::check_measures(&network, &spec).map_err(|e| e.to_string())
        });
        let error = built.err().unwrap_or_default();
        assert!(error.contains(expected), "{set}: {error}");
    }
}

/// The examples of the page can be pasted: two experiments and a design.
#[test]
fn examples_of_the_page_are_complete() {
    let page = include_str!("../docs/perturbations.md");
    let blocks: Vec<&str> = (page.split("```yaml\n").skip(1))
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let [light, condition, screen] = blocks[..] else {
        panic!("three examples, found {}", blocks.len());
    };
    for text in [light, condition] {
        let experiment = Experiment::new(text, &NO_SETS);
        assert!(experiment.plan().steps > 0);
        isocortex::engine::check_measures(&experiment.network, &experiment.spec).unwrap();
    }
    let plan = Experiment::new(condition, &NO_SETS).plan();
    assert_eq!((plan.models.len(), plan.parts.len()), (3, 1));
    let (config, design) = isocortex::prediction::load("screen.yaml", screen).unwrap();
    let prepared = isocortex::prediction::prepare(&config, &design, &[]);
    let prepared = prepared.unwrap_or_else(|e| panic!("{e}"));
    // The control, forty lesions, one cut, three blocks.
    assert_eq!(prepared.runs().count(), 45);
}

/// The designs of the other page, too.
#[test]
fn designs_of_the_page_are_complete() {
    let page = include_str!("../docs/predictions.md");
    let blocks: Vec<&str> = (page.split("```yaml\n").skip(1))
        .filter_map(|rest| rest.split("```").next())
        .collect();
    // The control and its perturbations, one for each level.
    for (text, count) in blocks.iter().zip([6, 4]) {
        let (config, design) = isocortex::prediction::load("page.yaml", text).unwrap();
        let screen = isocortex::prediction::prepare(&config, &design, &[]);
        let screen = screen.unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(screen.runs().count(), count);
    }
    assert_eq!(blocks.len(), 2);
}

/// A fault of a perturbation in a design stands where it was typed, and `{each}` reaches its words.
#[test]
fn faulty_perturbations_of_designs_are_refused() {
    let design = "
title: t
experiment: froudist_walsh2021_target
readouts: {r: {variable: r_E1, from: 1 s, to: 2 s}}
perturbations:
  p: {lesion: [\"{each}\"], each: [V4, LIP], refuted_if: nothing}
";
    let prepare = |from: &str, to: &str| {
        assert!(design.contains(from), "{from}");
        let text = design.replace(from, to);
        let (config, design) =
            isocortex::prediction::load("d.yaml", &text).map_err(|e| e.to_string())?;
        let screen = isocortex::prediction::prepare(&config, &design, &[]);
        screen.map(|s| s.runs().count()).map_err(|e| e.to_string())
    };
    assert_eq!(prepare("p:", "p:"), Ok(3));
    for (from, to, expected) in [
        ("V4, LIP", "V4, LIQ", "perturbation p LIQ"),
        ("lesion:", "lesio:", "mean `lesion`"),
        (
            "lesion: [\"{each}\"], ",
            "",
            "no perturbation in words and no `set`",
        ),
        ("[\"{each}\"]", "[V4]", "levels that change nothing"),
        (
            "lesion: [\"{each}\"]",
            "cut: all, from: [\"{each}\"], links: up",
            "unknown choice",
        ),
    ] {
        let error = prepare(from, to).unwrap_err();
        assert!(error.contains(expected), "{to}: {error}");
        assert!(error.contains("d.yaml:"), "{to} has no place: {error}");
    }
}
