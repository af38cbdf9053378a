//! Groups of areas, and sessions in which reward teaches.

mod common;

use std::sync::atomic::AtomicBool;

use common::{Experiment, all_lanes, assert_same_bits};
use isocortex::engine::{self, Conditions, Quiet, ReadoutValues, Recording};
use isocortex::network::{Network, decide};
use isocortex::plan::{Execution, Plan};
use isocortex::spec;
use isocortex::stepper::linear::start_state;

/// Six cortical areas and the midbrain, four trials of 150 ms, noise strong enough that sessions differ.
const SMALL: &[&str] = &[
    "connectome.only=[V1, V4, LIP, 8m, 8l, 9/46d]",
    "simulation.duration=150 ms",
    "record={variables: [r_E1, r_E2, DA_E, c_E1, c_E2], areas: [LIP, 8m, 9/46d, VTA], every: 2.5 ms}",
    "task.trials=4",
    "task.session.sessions=3",
    "task.events.first.onset=20 ms",
    "task.events.first.duration=40 ms",
    "task.events.second.onset=70 ms",
    "task.events.second.duration=40 ms",
    "task.events.ping.onset=120 ms",
    "task.events.ping.duration=20 ms",
    "task.readouts.dopamine_first=null",
    "task.readouts.dopamine_second=null",
    "task.readouts={choice: {winner: {A: r_E1, B: r_E2}, areas: [LIP, 8m, 9/46d], from: 80 ms, to: 150 ms}}",
    "task.learning.rewarded=[{choice: A, trials: 2}, {choice: B}]",
    "noise.soma_E1.sd=60 pA",
    "noise.soma_E2.sd=60 pA",
];

fn small(more: &[&str]) -> Experiment {
    let sets: Vec<String> = SMALL.iter().chain(more).map(|s| (*s).to_owned()).collect();
    let spec = spec::load("reward_learning", &sets).unwrap_or_else(|e| panic!("{e}"));
    let network = Network::build(&spec).unwrap_or_else(|e| panic!("{e}"));
    Experiment { spec, network }
}

fn simulate(plan: &Plan, threads: usize) -> Recording {
    let conditions = Conditions {
        threads,
        stop: &AtomicBool::new(false),
        progress: &Quiet,
    };
    engine::simulate(plan, &conditions).unwrap()
}

/// The engine learns as the reference simulator does, whatever fills the lanes and however many threads there are.
#[test]
fn sessions_learn_alike_in_all_lanes() {
    for restart in ["true", "false"] {
        let experiment = small(&[&format!("task.learning.restart={restart}")]);
        let plan = experiment.plan();
        let start = start_state(&plan).unwrap();
        let expected: Vec<_> = (0..3)
            .map(|r| experiment.reference(&plan, &start, r))
            .collect();
        for (axis, width) in all_lanes() {
            let found = simulate(&experiment.plan_with(axis, width), 2);
            for (v, variable) in found.variables.iter().enumerate() {
                for (run, expected) in expected.iter().enumerate() {
                    let recorded = |k: usize| plan.record.areas.iter().map(move |a| (k, a.index()));
                    let samples = (0..found.time_ms.len()).flat_map(recorded);
                    let expected: Vec<f64> = samples
                        .map(|(k, a)| expected[[5 * k, a, plan.record.variables[v]]])
                        .collect();
                    assert_same_bits(
                        &format!(
                            "{axis:?} {width}, variable {v}, session {run}, restart {restart}"
                        ),
                        variable.index_axis(ndarray::Axis(0), run),
                        &expected,
                    );
                }
            }
        }
    }
}

/// The trial table tells what the run did: its strengths are those that stand in the recorded states, they follow
/// the rule, and trials restart where they are told to.
#[test]
fn the_table_and_the_states_tell_the_same() {
    let experiment = small(&[]);
    let plan = experiment.plan();
    let recording = simulate(&plan, 1);
    let table = engine::trial_table(&experiment.network, &experiment.spec, &recording);
    let table = table.unwrap().unwrap();
    let learning = table.learning.unwrap();
    let ReadoutValues::Choice { choices, .. } = &table.readouts[0].values else {
        panic!("no choices");
    };
    let (samples, vta) = (60, 3);
    let mut kinds = std::collections::BTreeSet::new();
    for (t, choice) in choices.iter().enumerate() {
        let (run, k) = (t / 4, t % 4);
        let chosen = choice.unwrap().chosen.unwrap();
        let right = usize::from(k >= 2);
        assert_eq!(learning.rewarded[t], Some(chosen == right), "trial {t}");
        kinds.insert((chosen, right));
        for c in 0..2 {
            let now = learning.strengths[c].1[t];
            // A sample at the moment at which a trial begins belongs to the trial before.
            for sample in [k * samples + 1, (k + 1) * samples] {
                assert_eq!(
                    recording.variables[3 + c][[run, sample, vta]],
                    now,
                    "trial {t}"
                );
            }
            if k < 3 {
                let next = match (c == chosen, chosen == right) {
                    (false, _) => now,
                    (true, true) => now + 0.2 * (1.0 - now),
                    (true, false) => now - 0.2 * now,
                };
                assert_eq!(learning.strengths[c].1[t + 1], next, "trial {t}");
            }
        }
        // Dopamine is gone 2.5 ms after a restart, and rates are on their way down from 5 Hz.
        assert!(
            recording.variables[2][[run, k * samples + 1, 0]] < 1e-3,
            "trial {t}"
        );
    }
    assert!(
        kinds.len() > 2,
        "trials are too much alike to tell: {kinds:?}"
    );
}

#[test]
fn choices_are_decided_by_means_or_by_the_first_to_reach_a_level() {
    let series = |a: &[f64], b: &[f64]| vec![a.to_vec(), b.to_vec()];
    assert_eq!(
        decide(&series(&[1.0, 3.0], &[2.0, 1.0]), None, 1),
        (Some(0), None)
    );
    assert_eq!(decide(&series(&[1.0], &[1.0]), None, 1), (None, None));
    let rising = series(&[1.0, 2.0, 5.0, 9.0], &[0.0, 4.0, 4.0, 4.0]);
    assert_eq!(decide(&rising, Some(3.0), 1), (Some(1), Some(1)));
    assert_eq!(decide(&rising, Some(4.5), 2), (Some(0), Some(3)));
    assert_eq!(decide(&rising, Some(20.0), 1), (None, None));
}

/// Three areas of the data and two added ones of a group.
const GROUPS: &str = "
title: groups
connectome:
  areas: {a: {h: 0}, b: {h: 1}, c: {h: 3}}
  links: [{to: b, from: a, weight: 0.5}, {to: c, from: b, weight: 0.4}]
  add: {x: {group: deep}, y: {group: deep, gradients: {h: 9}}}
circuit:
  name: stuart_landau
  parameters: {a: 1 1/s, omega: 2 1/s}
  groups: {deep: {a: -3 1/s}}
  areas: {y: {a: -4 1/s}}
gradients:
  up: {map: h, areas: [cortex], normalise: min_max, strength: 1, scales: [omega, inner]}
projections:
  inner: {from: z_re, to: {I_re: 1 1/s}, source_areas: [cortex], target_areas: [cortex]}
  down: {weights: uniform, from: z_re, to: {I_re: 2 1/s}, source_areas: [cortex], target_areas: [deep]}
  up: {weights: uniform, from: z_re, to: {I_re: 2 1/s}, source_areas: [y], target_areas: [cortex, x]}
baseline: {state: {z_re: 0, z_im: 0}, solve: nothing}
initial: {deep: {z_re: 1}, x: {z_re: 2}}
stimuli: {pulse: {into: I_re, areas: [deep, a], amplitude: 1 1/s, onset: 1 ms, offset: 2 ms}}
simulation: {duration: 10 ms, dt: 0.5 ms}
record: {variables: [z_re], every: 1 ms}
";

#[test]
fn a_group_stands_for_its_areas() {
    let network = Experiment::new(GROUPS, &[] as &[&str]).network;
    let names = network.area_names();
    assert_eq!(names, ["a", "b", "c", "x", "y"]);
    let info = network.info();
    let parameter = |name: &str| {
        let k = info.parameter(name).unwrap();
        network.parameters.column(k).to_vec()
    };
    let per_s = 1e-3;
    for (found, expected) in parameter("a").into_iter().zip([1.0, 1.0, 1.0, -3.0, -4.0]) {
        assert!((found - expected * per_s).abs() < 1e-18);
    }
    // The range of the map is that of the cortex, whatever stands in y.
    for (found, expected) in
        parameter("omega")
            .into_iter()
            .zip([2.0, 2.0 * 4.0 / 3.0, 4.0, 2.0, 2.0])
    {
        assert!((found - expected * per_s).abs() < 1e-17, "{found}");
    }
    let links = |name: &str| -> Vec<(usize, usize, f64)> {
        let p = network.projections.iter().find(|p| p.name == name).unwrap();
        p.weights.iter().map(|(&w, (i, j))| (i, j, w)).collect()
    };
    assert_eq!(links("inner"), [(1, 0, 0.5), (2, 1, 0.4)]);
    let ones = |to: &[usize], from: &[usize]| -> Vec<(usize, usize, f64)> {
        let of = |i: &usize| from.iter().map(|j| (*i, *j, 1.0)).collect::<Vec<_>>();
        to.iter().flat_map(of).collect()
    };
    assert_eq!(links("down"), ones(&[3, 4], &[0, 1, 2]));
    assert_eq!(links("up"), ones(&[0, 1, 2, 3], &[4]));
    let pulse: Vec<usize> = network.stimuli[0].areas.iter().map(|a| a.index()).collect();
    assert_eq!(pulse, [3, 4, 0]);
    let plan = Plan::compile(
        &network,
        &Experiment::new(GROUPS, &[] as &[&str]).spec,
        Execution::default(),
    );
    let start = start_state(&plan.unwrap()).unwrap();
    let x: Vec<f64> = start.iter().step_by(2).copied().collect();
    assert_eq!(x, [0.0, 0.0, 0.0, 2.0, 1.0]);
}

#[test]
fn what_makes_no_sense_of_groups_is_refused() {
    let refused = |text: &str, set: &str| {
        let built = spec::from_text("test", text, &[set.to_owned()])
            .map_err(|e| e.to_string())
            .and_then(|s| Network::build(&s).map(|_| ()).map_err(|e| e.to_string()));
        built.expect_err(set)
    };
    for (set, words) in [
        (
            "gradients.up.areas=all",
            "no value: found none of `h` for area x",
        ),
        (
            "circuit.groups={depe: {a: 1 1/s}}",
            "unknown group: found `depe`",
        ),
        (
            "circuit.groups={deep: {aa: 1 1/s}}",
            "unknown parameter: found `aa`",
        ),
        ("stimuli.pulse.areas=[deep, x]", "area twice: found `x`"),
        ("stimuli.pulse.areas=[deeep]", "unknown area"),
        (
            "connectome.add={a: {group: deep}}",
            "area is there: found `a`",
        ),
        (
            "connectome.add={z: {group: a}}",
            "group named as an area: found `a`",
        ),
        (
            "connectome.add={cortex: {group: deep}}",
            "area named as a group",
        ),
        (
            "connectome.add={z: {group: deep, gradients: {g: 1}}}",
            "unknown gradient: found `g`",
        ),
        ("connectome.weights=uniform", "weights of links are typed"),
        (
            "projections.inner.shuffle={what: strengths, seed: 1}",
            "shuffle of a part",
        ),
        (
            "projections.down={hierarchy: h, hierarchy_slope: 1}",
            "found none of the hierarchy for area x",
        ),
    ] {
        let said = refused(GROUPS, set);
        assert!(said.contains(words), "{set}: {said}");
    }
    let learning = |set: &str| {
        let mut sets: Vec<String> = SMALL.iter().map(|s| (*s).to_owned()).collect();
        sets.push(set.to_owned());
        let built = spec::load("reward_learning", &sets)
            .map_err(|e| e.to_string())
            .and_then(|s| {
                let network = Network::build(&s).map_err(|e| e.to_string())?;
                Plan::compile(&network, &s, Execution::default()).map_err(|e| e.to_string())
            });
        built.map(|_| ()).expect_err(set)
    };
    for (set, words) in [
        (
            "task.session=null",
            "expected `task.session` beside `learning`",
        ),
        (
            "task.session={interval: 2 ms, jitter: 1 ms}",
            "trials of all sessions have to begin at the same times",
        ),
        (
            "task.learning.readout=chioce",
            "unknown readout: found `chioce`",
        ),
        (
            "task.learning.states.B=null",
            "states by choice: found [A], expected [A, B]",
        ),
        (
            "task.learning.states.B=c_E3",
            "unknown variable: found `c_E3`",
        ),
        ("task.learning.gain=1.5", "out of range: found 1.5"),
        (
            "task.learning.rewarded=[{choice: A, trials: 3}]",
            "found 3 where 4 of 4 are left",
        ),
        (
            "task.learning.rewarded=[{choice: C}]",
            "unknown choice: found `C`",
        ),
        (
            "task.readouts.choice.from=0 ms",
            "expected one from after the start of the trial",
        ),
        (
            "record.variables=[r_E1]",
            "variable is not recorded: found `r_E2`",
        ),
        (
            "record.areas=[LIP, VTA]",
            "area is not recorded: found `8m`",
        ),
        (
            "projections.dopamine.delay={kind: constant, value: 5 ms}",
            "learning between trials: found delays",
        ),
    ] {
        let said = learning(set);
        assert!(said.contains(words), "{set}: {said}");
    }
}

/// Two areas of a group beside the cortex.
const THALAMUS: &str = "
title: group
from: chaudhuri2015
connectome:
  add:
    md: {group: thalamus, gradients: {hierarchy_norm: 0.2}}
    pul: {group: thalamus, gradients: {hierarchy_norm: 0.4}}
stimuli:
  on: {into: drive_E, areas: [V1], amplitude: 1 Hz, onset: 1 ms, offset: 2 ms}
simulation: {duration: 10 ms, dt: 0.2 ms}
record: {every: 1 ms, variables: [nu_E]}
";

fn content(network: &Network) -> String {
    let areas = network.area_names();
    format!(
        "{areas:?} {:?} {:?}",
        network.parameters, network.projections
    )
}

fn fault(sets: &[&str]) -> String {
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    let spec = spec::from_text("test", THALAMUS, &sets).unwrap_or_else(|e| panic!("{e}"));
    Network::build(&spec)
        .err()
        .map_or(String::new(), |e| e.to_string())
}

/// A lesion of a group is one of its areas, by each of its words, and whoever names the group or one of its areas
/// hears of it.
#[test]
fn a_group_may_be_lesioned() {
    let of = |sets: &[&str]| Experiment::new(THALAMUS, sets);
    let expected = content(&of(&["lesions.areas=[md, pul]"]).network);
    let lesions = [
        "lesions.areas=[thalamus]",
        "perturbations.p={lesion: [thalamus]}",
    ];
    for lesion in lesions {
        let found = of(&[lesion]);
        assert_eq!(content(&found.network), expected, "{lesion}");
        for name in ["md", "pul", "thalamus"] {
            assert!(found.network.is_lesioned(name), "{lesion}, {name}");
        }
        for named in ["md", "thalamus"] {
            let error = fault(&[lesion, &format!("stimuli.on.areas=[V1, {named}]")]);
            assert!(
                error.contains(&format!("area is lesioned: found `{named}`")),
                "{error}"
            );
            assert!(error.contains("-->"), "{error}");
        }
        // What stands by area serves the intact and the lesioned network.
        let tau = "circuit.areas={thalamus: {tau_E: 30 ms}, md: {tau_E: 40 ms}}";
        assert_eq!(content(&of(&[lesion, tau]).network), expected);
    }
    // Both areas make up the group.
    let error = fault(&["lesions.areas=[md, pul]", "stimuli.on.areas=[thalamus]"]);
    assert!(
        error.contains("area is lesioned: found `thalamus`"),
        "{error}"
    );
    let error = fault(&["lesions.areas=[thalamus, md]"]);
    assert!(error.contains("area twice"), "{error}");
    let error = fault(&["lesions.areas=[thalamuss]"]);
    assert!(error.contains("thalamuss"), "{error}");
    let dropped = of(&[
        "perturbations.p={lesion: [thalamus], stimuli: dropped}",
        "stimuli.on.areas=[V1, md, thalamus]",
    ]);
    assert_eq!(dropped.network.stimuli[0].areas.len(), 1);
    let dropped = dropped.spec.dropped_stimuli(&dropped.network.lesioned);
    assert_eq!(dropped.len(), 2, "{dropped:?}");
}

/// A group stands for its areas where values are typed by area; single areas come after it.
#[test]
fn values_by_area_take_groups() {
    let of = |set: &str| Experiment::new(THALAMUS, &[set]).network;
    let network = of("circuit.areas={thalamus: {tau_E: 30 ms}, md: {tau_E: 40 ms}}");
    let tau = network.info().parameter("tau_E").unwrap();
    let value = |area: &str| {
        let at = network.connectome.area_id(area).unwrap();
        network.parameters[[at.index(), tau]]
    };
    assert_eq!((value("md"), value("pul"), value("V1")), (40.0, 30.0, 20.0));
    let typed = of("perturbations.p={gradient: eta, values: {thalamus: 1}}");
    let single = of("perturbations.p={gradient: eta, values: {md: 1, pul: 1}}");
    assert_eq!(content(&typed), content(&single));
    let names = Experiment::new(THALAMUS, &["circuit.areas={thalamuss: {tau_E: 30 ms}}"; 0]);
    let projection = names.spec.projections.iter().next().unwrap();
    let (name, to) = (projection.0, projection.1.to.keys().next().unwrap());
    let gains = |areas: &str| of(&format!("projections.{name}.areas={areas}"));
    let unit = "0 pA/Hz";
    let typed = gains(&format!("{{thalamus: {{{to}: {unit}}}}}"));
    let single = gains(&format!("{{md: {{{to}: {unit}}}, pul: {{{to}: {unit}}}}}"));
    assert_eq!(content(&typed), content(&single));
    assert_ne!(content(&typed), content(&names.network));
}

/// Designs take groups where they take areas.
#[test]
fn designs_take_groups() {
    let design = "
title: t
experiment: EXPERIMENT
readouts: {r: {variable: nu_E, areas: [thalamus, V1], from: 1 ms, to: 5 ms}}
perturbations:
  p: {lesion: [\"{each}\"], stimuli: dropped, each: all, except: [cortex], refuted_if: nothing}
  q: {lesion: [\"{each}\"], each: [thalamus], refuted_if: nothing}
";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("group.yaml");
    std::fs::write(&path, THALAMUS).unwrap();
    let text = design.replace("EXPERIMENT", &path.display().to_string());
    let (config, design) = isocortex::prediction::load("d.yaml", &text).unwrap();
    let screen =
        isocortex::prediction::prepare(&config, &design, &[]).unwrap_or_else(|e| panic!("{e}"));
    // The control, two areas in turn, both at once.
    let areas: Vec<usize> = screen.runs().map(|(_, plan)| plan.n_areas()).collect();
    assert_eq!(areas, [31, 30, 30, 29]);
}
