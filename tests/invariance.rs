//! What must not change a result: threads, lanes, chunks, the sampling interval, the order of areas,
//! who else is simulated, and what is added without effect. Every comparison is bit for bit.

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use common::{Experiment, all_lanes, assert_same_bits, inline_connectome, record, record_block};
use isocortex::engine::{Conditions, Quiet, simulate};
use isocortex::ids::Replicate;
use isocortex::network::Network;
use isocortex::plan::{Axis, Member, Plan};
use isocortex::stepper::linear::start_state;
use isocortex::stepper::{Samples, Simulation};
use ndarray::{Array4, Axis as Axis0, s};

/// Pulse, white and coloured noise; a recording of two variables.
const LINEAR: &str = "
title: invariance
from: chaudhuri2015
stimuli:
  pulse: {into: drive_E, areas: [V1, 24c], amplitude: 30 Hz, onset: 3 ms, offset: 17 ms}
noise:
  fast: {kind: white, into: drive_E, areas: all, sd: 2 Hz, bin: 1 ms}
  slow: {kind: ornstein_uhlenbeck, into: I_I, areas: all, except: [MT], sd: 5 pA, tau: 5 ms}
simulation: {duration: 40 ms, dt: 0.2 ms, seed: 3, replicates: 11}
record: {every: 1 ms}
";

const NONLINEAR: &str = "
title: invariance
from: chaudhuri2015_nonlinear
stimuli:
  pulse: {into: I_E, areas: [V1], amplitude: 200 pA, onset: 3 ms, offset: 17 ms}
noise:
  slow: {kind: ornstein_uhlenbeck, into: I_E, areas: all, sd: 5 pA, tau: 5 ms}
simulation: {duration: 40 ms, dt: 0.2 ms, seed: 3, replicates: 3}
record: {every: 1 ms}
";

const NO_SETS: &[&str] = &[];

fn experiment(text: &str) -> Experiment {
    Experiment::new(text, NO_SETS)
}

fn run(experiment: &Experiment) -> Array4<f64> {
    run_plan(&experiment.plan())
}

fn run_plan(plan: &Plan) -> Array4<f64> {
    record(plan, &start_state(plan).unwrap(), 1000)
}

#[test]
fn threads_and_lanes() {
    for text in [LINEAR, NONLINEAR] {
        let experiment = experiment(text);
        let expected = run_plan(&experiment.plan_with(isocortex::plan::Axis::Areas, 1));
        for (axis, width) in all_lanes() {
            for threads in [1, 2] {
                let conditions = Conditions {
                    threads,
                    stop: &AtomicBool::new(false),
                    progress: &Quiet,
                };
                let plan = experiment.plan_with(axis, width);
                let found = simulate(&plan, &conditions).unwrap();
                for (v, values) in found.variables.iter().enumerate() {
                    let what = format!("{threads} threads, {width} {axis:?} side by side");
                    assert_same_bits(&what, values, expected.slice(s![.., .., .., v]).iter());
                }
            }
        }
    }
}

/// Two conditions of trials with drawn times and stimuli, on top of what every trial sees.
const TASK: &str = "
title: trials
from: chaudhuri2015
stimuli:
  pulse: {into: drive_E, areas: [V1, 24c], amplitude: 30 Hz, onset: 3 ms, offset: 17 ms}
task:
  stimuli:
    one: {into: drive_E, areas: [V1], amplitude: 30 Hz}
    other: {into: [I_E, I_I], areas: [V2, MT], amplitude: 20 pA}
  events:
    cue: {shows: [one, other], onset: 8 ms, jitter: 5 ms, duration: 6 ms}
    probe: {matches: {event: cue, of: [one, other], chance: 0.5}, after: cue, onset: 2 ms, duration: 4 ms}
  conditions:
    both: {trials: 7}
    cue: {trials: 4, without: [probe], events: {cue: {strength: 0.5}}}
noise:
  slow: {kind: ornstein_uhlenbeck, into: I_I, areas: all, sd: 5 pA, tau: 5 ms}
simulation: {duration: 40 ms, dt: 0.2 ms, seed: 3}
record: {every: 1 ms, variables: [nu_E]}
";

/// Trials that are run together are those of the reference simulator, which runs them one by one and
/// looks at every step what is on.
#[test]
fn trials_are_those_of_the_reference() {
    let text = TASK;
    let experiment = experiment(text);
    let plan = experiment.plan();
    let start = start_state(&plan).unwrap();
    assert_eq!(plan.replicates, 11);
    let every = plan.record.every as usize;
    let expected: Vec<Vec<f64>> = (0..11)
        .map(|trial| {
            let all = experiment.reference(&plan, &start, trial);
            all.slice(s![..;every, .., 0]).iter().copied().collect()
        })
        .collect();
    assert_ne!(expected[0], expected[1]);
    for (axis, width) in all_lanes() {
        let found = record(&experiment.plan_with(axis, width), &start, 7);
        for (trial, expected) in expected.iter().enumerate() {
            let what = format!("trial {trial}, {width} {axis:?} side by side");
            assert_same_bits(&what, found.slice(s![trial, .., .., 0]).iter(), expected);
        }
    }
    // A trial does not change because others come after it.
    let fewer = text.replace("cue: {trials: 4,", "cue: {trials: 1,");
    let fewer = run(&Experiment::new(&fewer, NO_SETS));
    let some: Vec<f64> = expected[..8].concat();
    assert_same_bits("fewer trials", fewer.iter(), &some);
}

/// What is drawn: every time within the jitter on the grid, both stimuli, matches about as often as
/// they are meant to be, and nothing but the seed decides.
#[test]
fn trials_are_drawn_as_stated() {
    let text = TASK;
    let sets = [
        "task.conditions.both.trials=2000",
        "task.events.probe.matches.chance=0.3",
    ];
    let trials = |more: &[&str]| {
        let experiment = Experiment::new(text, &[&sets[..], more].concat());
        experiment.network.trials.unwrap()
    };
    let drawn = trials(&[]);
    let (cue, probe) = (drawn.event_index("cue"), drawn.event_index("probe"));
    let both: Vec<_> = drawn.trials.iter().filter(|t| t.condition == 0).collect();
    assert_eq!(both.len(), 2000);
    let mut onsets = std::collections::BTreeSet::new();
    let (mut one, mut matches) = (0, 0);
    for trial in &both {
        let (c, p) = (trial.event(cue, 0).unwrap(), trial.event(probe, 0).unwrap());
        onsets.insert((c.onset_ms * 5.0).round() as i64);
        assert!((c.offset_ms - c.onset_ms - 6.0).abs() < 1e-9);
        assert!((p.onset_ms - c.offset_ms - 2.0).abs() < 1e-9);
        assert_eq!(p.matches, Some(p.stimulus == c.stimulus));
        one += u32::from(c.stimulus == "one");
        matches += u32::from(p.matches == Some(true));
    }
    // 3 to 13 ms in steps of 0.2 ms, all of 51 of them in 2000 trials; counts within 4 SD.
    assert_eq!(
        (onsets.len(), onsets.first(), onsets.last()),
        (51, Some(&15), Some(&65))
    );
    assert!((one as f64 - 1000.0).abs() < 4.0 * 500_f64.sqrt(), "{one}");
    assert!(
        (matches as f64 - 600.0).abs() < 4.0 * 420_f64.sqrt(),
        "{matches}"
    );
    let second = drawn.trials.iter().find(|t| t.condition == 1).unwrap();
    assert!(second.event(probe, 0).is_none());
    assert_eq!(second.event(cue, 0).unwrap().strength, 0.5);
    assert_eq!(drawn, trials(&[]));
    assert_ne!(drawn, trials(&["simulation.seed=4"]));
}

/// An n-back stream: every repeat is there, and matches what was that many repeats before.
#[test]
fn streams_match_what_was_some_repeats_back() {
    let events = "task.events={item: {matches: {back: 2, of: [one, other], chance: 0.5}, \
                  onset: 2 ms, duration: 1 ms, repeat: 12, every: 3 ms}}";
    let text = TASK;
    let sets = [
        events,
        "task.events.cue=~",
        "task.events.probe=~",
        "task.conditions=~",
        "task.trials=50",
    ];
    let trials = Experiment::new(text, &sets).network.trials.unwrap();
    assert_eq!(trials.repeats, [12]);
    let mut matches = 0;
    for trial in &trials.trials {
        for k in 0..12 {
            let item = trial.event(0, k).unwrap();
            assert!((item.onset_ms - 2.0 - 3.0 * f64::from(k)).abs() < 1e-9);
            let before = k.checked_sub(2).map(|b| trial.event(0, b).unwrap());
            assert_eq!(item.matches, before.map(|b| b.stimulus == item.stimulus));
            matches += u32::from(item.matches == Some(true));
        }
    }
    assert!(
        (f64::from(matches) - 250.0).abs() < 4.0 * 125_f64.sqrt(),
        "{matches}"
    );
}

/// Lures equal a neighbour of the repeat that they may match, nothing else does, and both rates are those asked for.
#[test]
fn streams_have_the_lures_that_are_asked_for() {
    let stream = |keys: &str| {
        let event = format!(
            "task.events={{item: {{matches: {{{keys}, of: [one, other, third, fourth, fifth]}}, onset: 2 ms, \
             duration: 1 ms, repeat: 12, every: 3 ms}}}}"
        );
        let stimulus = |name: &str, area: &str| {
            format!("task.stimuli.{name}={{into: drive_E, areas: [{area}], amplitude: 1 Hz}}")
        };
        let mut sets = vec![
            event,
            stimulus("third", "V4"),
            stimulus("fourth", "MT"),
            stimulus("fifth", "TEO"),
        ];
        let rest = [
            "events.cue=~",
            "events.probe=~",
            "conditions=~",
            "trials=60",
        ];
        sets.extend(rest.map(|set| format!("task.{set}")));
        Experiment::new(TASK, &sets).network.trials.unwrap()
    };
    for back in [1, 2] {
        let trials = stream(&format!("back: {back}, chance: 0.3, lures: 0.2"));
        let (mut places, mut matches, mut lures) = (0.0, 0.0, 0.0);
        for trial in &trials.trials {
            let shown = |k: u32| trial.event(0, k).unwrap();
            for k in back..12 {
                let item = shown(k);
                let is = |back: u32| {
                    let before = k.checked_sub(back).filter(|b| *b < k);
                    before.is_some_and(|b| shown(b).stimulus == item.stimulus)
                };
                assert_eq!(item.matches, Some(is(back)));
                let near = !is(back) && (is(back - 1) || is(back + 1));
                assert_eq!(item.lure, Some(near), "{back} back, repeat {k}");
                places += 1.0;
                matches += f64::from(u8::from(is(back)));
                lures += f64::from(u8::from(near));
            }
        }
        // Four standard errors; there is no bait where neighbours are the match, which makes lures fewer.
        let within = |found: f64, p: f64| (found - p * places).abs() < 4.0 * (p * places).sqrt();
        assert!(within(matches, 0.3), "{matches} of {places}");
        assert!(
            lures > 0.08 * places && lures < 0.24 * places,
            "{lures} of {places}"
        );
    }
    // Without the key streams are what they were.
    let plain = stream("back: 2, chance: 0.3");
    assert!(
        plain
            .trials
            .iter()
            .all(|t| t.shown.iter().all(|s| s.lure.is_none()))
    );
}

#[test]
fn chunks_and_sampling() {
    for text in [LINEAR, NONLINEAR] {
        let base = experiment(text);
        let expected = run(&base);
        let plan = base.plan();
        let start = start_state(&plan).unwrap();
        for capacity in [1, 2, 3, 7, 40, 41] {
            let found = record(&plan, &start, capacity);
            assert_same_bits(&format!("chunks of {capacity}"), &found, &expected);
        }
        // Every step, and every fifth of them.
        let fine = run(&Experiment::new(text, &["record.every=0.2 ms"]));
        let same = fine.slice(s![.., ..;5, .., ..]);
        assert_same_bits("sampling interval", same.iter(), &expected);
        let late = run(&Experiment::new(text, &["record.start=21 ms"]));
        let same = expected.slice(s![.., 21.., .., ..]);
        assert_same_bits("recording later", &late, same.iter());
        let longer = run(&Experiment::new(text, &["simulation.duration=55 ms"]));
        let same = longer.slice(s![.., ..41, .., ..]);
        assert_same_bits("a longer run", same.iter(), &expected);
        let some = run(&Experiment::new(text, &["record.areas=[\"9/46d\", V1]"]));
        let names = base.network.area_names();
        for (at, name) in ["9/46d", "V1"].into_iter().enumerate() {
            let area = names.iter().position(|n| *n == name).unwrap();
            let (a, b) = (
                some.slice(s![.., .., at, ..]),
                expected.slice(s![.., .., area, ..]),
            );
            assert_same_bits("recording fewer areas", a.iter(), b.iter());
        }
    }
}

#[test]
fn a_replicate_alone_is_the_one_of_the_ensemble() {
    let base = experiment(LINEAR);
    let expected = run(&base);
    for (axis, width) in all_lanes() {
        let plan = base.plan_with(axis, width);
        let start = start_state(&plan).unwrap();
        for r in [0, 1, 7, 10] {
            let alone = record_block(&plan, r, 1, &start, 1000);
            let same = expected.slice(s![r as usize, .., .., ..]);
            assert_same_bits(&format!("replicate {r} alone"), &alone, same.iter());
        }
    }
    let fewer = run(&Experiment::new(LINEAR, &["simulation.replicates=5"]));
    assert_same_bits(
        "fewer replicates",
        &fewer,
        expected.slice(s![..5, .., .., ..]).iter(),
    );
    // They are not all the same, nor does the seed do nothing.
    assert_ne!(
        expected.slice(s![0, 40, .., ..]),
        expected.slice(s![1, 40, .., ..])
    );
    let other = run(&Experiment::new(LINEAR, &["simulation.seed=4"]));
    assert_ne!(
        expected.slice(s![0, 40, .., ..]),
        other.slice(s![0, 40, .., ..])
    );
}

/// Writes the areas and links of a network as a data folder, areas in another order.
fn write_permuted(network: &Network, folder: &Path, order: &[usize]) {
    let c = &network.connectome;
    let maps: Vec<&str> = c.gradients.iter().map(|g| g.name.as_str()).collect();
    let mut areas = format!("area,{}\n", maps.join(","));
    for &i in order {
        let values: Vec<String> = c
            .gradients
            .iter()
            .map(|g| format!("{:?}", g.values[i]))
            .collect();
        writeln!(areas, "{},{}", c.areas[i].name, values.join(",")).unwrap();
    }
    let mut links: Vec<_> = c.links().collect();
    links.reverse();
    let mut fln = "target,source,fln\n".to_owned();
    for (to, from, w) in links {
        let (to, from) = (&c.areas[to.index()].name, &c.areas[from.index()].name);
        writeln!(fln, "{to},{from},{w:?}").unwrap();
    }
    let gradients: Vec<String> = maps
        .iter()
        .map(|m| format!("  - {{name: {m}, unit: dimensionless, description: {m}}}\n"))
        .collect();
    let manifest = format!(
        "layout: 1\nname: permuted\ntitle: permuted\nareas: {}\n\
         orientation: {{rows: target, columns: source}}\n\
         files:\n  areas: {{path: areas.csv}}\n  fln: {{path: fln.csv, unit: dimensionless}}\n\
         gradients:\n{}",
        order.len(),
        gradients.concat()
    );
    for (file, text) in [
        ("areas.csv", areas),
        ("fln.csv", fln),
        ("manifest.yaml", manifest),
    ] {
        std::fs::write(folder.join(file), text).unwrap();
    }
}

#[test]
fn order_of_areas_in_the_data() {
    let folder = tempfile::tempdir().unwrap();
    for text in [LINEAR, NONLINEAR] {
        for change in [
            "description=none",
            "projections.long_range.shuffle={what: strengths, seed: 2}",
            "projections.long_range.shuffle={what: topology, seed: 2}",
            "projections.long_range.keep=feedback",
            "lesions.areas=[V4, \"10\"]",
        ] {
            let intact = experiment(text);
            let n = intact.network.n_areas();
            // 12 and 29 have no common factor: a permutation without fixed points but one.
            let order: Vec<usize> = (0..n).map(|i| (i * 12 + 5) % n).collect();
            write_permuted(&intact.network, folder.path(), &order);
            let base = Experiment::new(text, &[change]);
            let data = format!("connectome.data={}", folder.path().display());
            let moved = Experiment::new(text, &[change, &data]);
            let names = moved.network.area_names();
            assert_ne!(names, base.network.area_names());
            let (found, expected) = (run(&moved), run(&base));
            for (area, name) in base.network.area_names().iter().enumerate() {
                let at = names.iter().position(|n| n == name).unwrap();
                let a = found.slice(s![.., .., at, ..]);
                let b = expected.slice(s![.., .., area, ..]);
                assert_same_bits(&format!("{name}, {change}"), a.iter(), b.iter());
            }
        }
    }
}

#[test]
fn a_lesion_leaves_the_noise_of_the_others() {
    let lesion = "lesions.areas=[V2, \"9/46d\", \"2\"]";
    // Uncoupled areas must not notice at all.
    for text in [LINEAR, NONLINEAR] {
        let none = "projections.long_range.keep=none";
        let intact = Experiment::new(text, &[none]);
        let lesioned = Experiment::new(text, &[none, lesion]);
        let (found, expected) = (run(&lesioned), run(&intact));
        let names = intact.network.area_names();
        for (at, name) in lesioned.network.area_names().iter().enumerate() {
            let area = names.iter().position(|n| n == name).unwrap();
            let a = found.slice(s![.., .., at, ..]);
            let b = expected.slice(s![.., .., area, ..]);
            assert_same_bits(&format!("{name} uncoupled"), a.iter(), b.iter());
        }
    }
    // Coupled areas keep their addresses.
    let addresses = |sets: &[&str]| {
        let plan = Experiment::new(LINEAR, sets).plan();
        let name = |position: usize| plan.areas[plan.order[position].index()].clone();
        let channels = plan.channels.iter();
        channels
            .map(|c| ((name(c.position), c.source), c.site))
            .collect::<BTreeMap<_, _>>()
    };
    let (intact, lesioned) = (addresses(NO_SETS), addresses(&[lesion]));
    assert_eq!((intact.len(), lesioned.len()), (29 + 28, 26 + 25));
    assert!(lesioned.iter().all(|(key, site)| intact[key] == *site));
    let mut sites: Vec<_> = intact.values().collect();
    sites.sort_unstable();
    sites.dedup();
    assert_eq!(
        sites.len(),
        intact.len(),
        "two channels share their numbers"
    );
}

#[test]
fn what_has_no_effect_changes_nothing() {
    for text in [LINEAR, NONLINEAR] {
        let base = experiment(text);
        let expected = run(&base);
        let (sent, input) = match base.spec.circuit.name.as_str() {
            "chaudhuri2015" => ("nu_E", "I_E: 0 pA/Hz"),
            _ => ("s_E", "I_E: 0 pA"),
        };
        let stimulus = "stimuli.none={into: I_E, areas: all, amplitude: 0 pA, onset: 5 ms, offset: \
                        9 ms}";
        for change in [
            format!("projections.aside={{from: {sent}, to: {{{input}}}}}"),
            stimulus.to_owned(),
            "gradients.flat={map: hierarchy, strength: 0, scales: [w_EE]}".to_owned(),
            "lesions=null".to_owned(),
        ] {
            let found = run(&Experiment::new(text, &[&change]));
            assert_same_bits(&change, &found, &expected);
        }
    }
    // Links so weak that they add nothing, links of weight 0, links listed in another order.
    let areas: Vec<(String, Vec<(String, f64)>)> = ["a", "b", "c", "d", "e"]
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let height = vec![("hierarchy_norm".to_owned(), i as f64 / 4.0)];
            ((*name).to_owned(), height)
        })
        .collect();
    let link = |to: &str, from: &str, w: f64| (to.to_owned(), from.to_owned(), w);
    let strong = vec![
        link("b", "a", 0.5),
        link("c", "b", 0.3),
        link("a", "c", 0.2),
        link("e", "d", 0.4),
        link("a", "e", 0.1),
    ];
    let runs = |links: &[(String, String, f64)]| {
        let sets = [
            format!("connectome={}", inline_connectome(&areas, links)),
            "stimuli.pulse.areas=[a]".to_owned(),
            "noise.slow.except=[]".to_owned(),
        ];
        run(&Experiment::new(LINEAR, &sets))
    };
    let expected = runs(&strong);
    for weight in [0.0, 1e-300] {
        let mut more = strong.clone();
        more.push(link("d", "a", weight));
        more.push(link("b", "e", weight));
        assert_same_bits(&format!("links of {weight}"), &runs(&more), &expected);
    }
    let mut reversed = strong.clone();
    reversed.reverse();
    assert_same_bits("links in another order", &runs(&reversed), &expected);
    let mut more = strong;
    more.push(link("d", "a", 1e-6));
    assert_ne!(runs(&more), expected);
}

/// A source of noise keeps its numbers when another one is added before it.
#[test]
fn sources_of_noise_do_not_see_each_other() {
    let silent = "noise.another={kind: white, into: drive_E, areas: all, sd: 0 Hz, bin: 1 ms}";
    let expected = run(&experiment(LINEAR));
    let found = run(&Experiment::new(LINEAR, &[silent]));
    assert_same_bits("a silent source", &found, &expected);
}

/// Conditions side by side in the lanes of one ensemble give what each gives alone; one that leaves its
/// bounds is stopped, and takes nothing with it.
#[test]
fn conditions_do_not_see_each_other() {
    let gains = [33.7, 20.0, 60.0, 30.0, 33.0];
    let sets = |gain: f64| {
        vec![
            "noise={a: {kind: white, into: drive_E, sd: 0.5 Hz, bin: 1 ms}}".to_owned(),
            format!("projections.long_range.to.I_E={gain:?} pA/Hz"),
            "simulation.duration=400 ms".to_owned(),
            "simulation.replicates=3".to_owned(),
        ]
    };
    let experiments: Vec<Experiment> = gains
        .iter()
        .map(|g| Experiment::new(LINEAR, &sets(*g)))
        .collect();
    for (axis, width) in [
        (Axis::Replicates, 16),
        (Axis::Replicates, 8),
        (Axis::Replicates, 4),
        (Axis::Areas, 8),
    ] {
        let plans: Vec<Plan> = experiments
            .iter()
            .map(|e| e.plan_with(axis, width))
            .collect();
        // All start from the same state, off the fixed point of each.
        let start = plans[0].baseline.clone();
        let alone: Vec<Array4<f64>> = plans.iter().map(|p| record(p, &start, 1000)).collect();
        let members: Vec<Member> = [(3, 0), (0, 1), (2, 0), (1, 2), (4, 1), (2, 2), (0, 0)]
            .map(|(condition, replicate)| Member {
                condition,
                replicate: Replicate(replicate),
            })
            .into();
        let together = plans[0]
            .clone()
            .with_conditions(&plans[1..], members.clone())
            .unwrap();
        let starts = vec![&start[..]; plans.len()];
        let areas = together.record.areas.len();
        for (first, runs) in together.blocks() {
            let mut samples = Samples::new(&together, runs as usize, 1000);
            let mut block = Simulation::of_conditions(&together, first, runs, &starts);
            block.advance(&mut samples);
            let room = samples.capacity * areas;
            for r in 0..runs as usize {
                let member = members[first as usize + r];
                let found = &samples.data[r * room..][..samples.written * areas];
                let alone = alone[member.condition].index_axis(Axis0(0), member.replicate.index());
                let expected: Vec<f64> = alone.slice(s![.., .., 0]).iter().copied().collect();
                let stop = block.stops()[r];
                if gains[member.condition] < 50.0 {
                    assert_eq!(stop, None);
                    assert!(expected.iter().all(|x| x.is_finite()));
                    assert_same_bits("a condition among others", found, &expected);
                } else {
                    let stop = stop.expect("an unstable condition");
                    assert!(stop.value.abs() > 1e9 && stop.step < together.steps);
                    let first_nan = found.iter().position(|x| x.is_nan()).unwrap() / areas;
                    let at = (first_nan as u64) * together.record.every;
                    assert!(at >= stop.step && at < stop.step + together.record.every);
                    assert!(found[first_nan * areas..].iter().all(|x| x.is_nan()));
                    let before = first_nan * areas;
                    assert_same_bits(
                        "before it was stopped",
                        &found[..before],
                        &expected[..before],
                    );
                }
            }
        }
    }
    let other = Experiment::new(LINEAR, &["simulation.seed=9"]).plan();
    let refused = experiments[0].plan().with_conditions(&[other], Vec::new());
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("expected conditions that differ in")
    );
}
