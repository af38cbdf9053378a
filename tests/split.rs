//! One network split over ranks that are threads here: what they exchange goes through channels. For any number of
//! them, threads and checkpoints the result file is that of one process, bit for bit.

#[path = "common/files.rs"]
mod files;
#[path = "common/large.rs"]
mod large;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use files::assert_same;
use isocortex::engine::{self, Conditions, EngineError, Keep, Pace, Progress, Quiet};
use isocortex::network::Network;
use isocortex::plan::{Axis, Execution, Plan};
use isocortex::record::{Checkpoint, checkpoint_path};
use isocortex::spec::{self, ExperimentSpec};
use isocortex::stepper::{Exchange, Share, parts, positions};
use large::{AREAS, connectome};

/// One of several ranks; each has a channel to every other one.
struct Peer {
    rank: usize,
    to: Vec<Sender<Vec<u64>>>,
    from: Vec<Receiver<Vec<u64>>>,
}

impl Peer {
    fn all(size: usize) -> Vec<Peer> {
        let mut to: Vec<Vec<_>> = (0..size).map(|_| Vec::new()).collect();
        let mut from: Vec<Vec<_>> = (0..size).map(|_| Vec::new()).collect();
        for senders in &mut to {
            for receivers in &mut from {
                let (sender, receiver) = channel();
                senders.push(sender);
                receivers.push(receiver);
            }
        }
        let both = to.into_iter().zip(from).enumerate();
        both.map(|(rank, (to, from))| Peer { rank, to, from })
            .collect()
    }

    fn send(&self, to: usize, words: &[u64]) {
        self.to[to].send(words.to_vec()).unwrap();
    }

    fn receive(&self, from: usize) -> Vec<u64> {
        self.from[from].recv().expect("the other rank has ended")
    }
}

impl Exchange for Peer {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn share(&self, own: &[f64], all: &mut [f64], bounds: &[usize]) {
        let words: Vec<u64> = own.iter().map(|x| x.to_bits()).collect();
        (0..self.size()).for_each(|to| self.send(to, &words));
        for (from, span) in bounds.windows(2).enumerate() {
            let words = self.receive(from);
            assert_eq!(words.len(), span[1] - span[0]);
            for (x, word) in all[span[0]..span[1]].iter_mut().zip(words) {
                *x = f64::from_bits(word);
            }
        }
    }

    fn tell(&self, words: &mut Vec<u64>) {
        match self.rank {
            0 => (1..self.size()).for_each(|to| self.send(to, words)),
            _ => *words = self.receive(0),
        }
    }

    fn collect(&self, words: &[u64]) -> Vec<Vec<u64>> {
        self.send(0, words);
        match self.rank {
            0 => (0..self.size()).map(|from| self.receive(from)).collect(),
            _ => Vec::new(),
        }
    }
}

const WILSON_COWAN: &str = "
title: split
from: wilson_cowan
stimuli:
  pulse: {into: I_E, areas: [a0003, a3099], amplitude: 0.3, onset: 1 ms, offset: 5 ms}
noise:
  fast: {kind: white, into: a_E, sd: 0.01 1/ms, bin: 1 ms}
  slow: {kind: ornstein_uhlenbeck, into: a_I, sd: 0.01 1/ms, tau: 5 ms}
baseline: {state: {a_E: 0.05, a_I: 0.02}, solve: nothing}
simulation: {duration: 12 ms, dt: 0.1 ms, seed: 5}
record: {variables: [a_E, a_I], every: 0.3 ms}
analysis: null
";

const NONLINEAR: &str = "
title: split
from: chaudhuri2015_nonlinear
noise:
  slow: {kind: ornstein_uhlenbeck, into: I_E, areas: all, sd: 5 pA, tau: 5 ms}
baseline: {state: {s_E: 0.05, nu_I: 12 Hz}, solve: nothing}
simulation: {duration: 16 ms, dt: 0.2 ms, seed: 3, replicates: 2}
record: {variables: [nu_E, s_E], areas: [a2999, a0001, a1500, a0000, a3099], every: 0.6 ms}
analysis: null
";

/// Two variables are sent, one of them with delay where that is asked for.
const POOLS: &str = "
title: split
from: wong_wang2006
projections: {long_range_1: {to: {I_1: 0.02 nA}}, long_range_2: {to: {I_2: 0.03 nA}}}
noise:
  fast: {kind: ornstein_uhlenbeck, into: I_1, areas: all, sd: 0.02 nA, tau: 2 ms}
baseline: {state: {S_1: 0.1, S_2: 0.1}, solve: nothing}
simulation: {duration: 20 ms, dt: 0.5 ms, order: published}
record: {variables: [r_1, S_2], every: 1 ms}
analysis: null
";

fn experiment(text: &str, shortest: f64, sets: &[&str]) -> ExperimentSpec {
    let mut all = vec![format!("connectome={}", connectome(shortest))];
    all.extend(sets.iter().map(|set| (*set).to_owned()));
    spec::from_text("test", text, &all).unwrap_or_else(|e| panic!("{e}"))
}

/// A network and its plan, which every rank makes for itself.
type Compiled = (Network, Plan);

fn compiled(spec: &ExperimentSpec) -> Compiled {
    let network = Network::build(spec).unwrap_or_else(|e| panic!("{e}"));
    let execution = Execution {
        width: None,
        axis: Some(Axis::Areas),
    };
    let plan = Plan::compile(&network, spec, execution).unwrap_or_else(|e| panic!("{e}"));
    (network, plan)
}

/// Stops a run once so many samples are finished.
struct StopAfter<'a>(u64, &'a AtomicBool);

impl Progress for StopAfter<'_> {
    fn samples(&self, done: u64, _: u64) {
        if done >= self.0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs on so many ranks, each with so many threads.
fn run(
    (spec, (network, plan)): (&ExperimentSpec, &Compiled),
    output: &Path,
    (ranks, threads): (usize, usize),
    keep: Keep<'_>,
    stop_after: Option<u64>,
) -> Result<PathBuf, EngineError> {
    let stop = AtomicBool::new(false);
    let stops = stop_after.map(|samples| StopAfter(samples, &stop));
    let conditions = Conditions {
        threads,
        stop: &stop,
        progress: stops.as_ref().map_or(&Quiet, |s| s as &dyn Progress),
    };
    let mut peers = Peer::all(ranks);
    let others = peers.split_off(1);
    let first = peers.pop().unwrap();
    std::thread::scope(|scope| {
        for peer in others {
            let (network, plan) = (network.clone(), plan.clone());
            scope.spawn(move || {
                let stop = AtomicBool::new(false);
                engine::follow(network, plan, spec, (threads, &stop), &peer).unwrap();
            });
        }
        let exchange: Option<&dyn Exchange> = (ranks > 1).then_some(&first);
        let ended = engine::run_on(network, plan, spec, output, &conditions, keep, exchange);
        ended.map(|outcome| outcome.path)
    })
}

fn ends_alike(name: &str, spec: &ExperimentSpec) {
    let folder = tempfile::tempdir().unwrap();
    let file = |ranks: usize| folder.path().join(format!("{ranks}.h5"));
    let what = (spec, &compiled(spec));
    let whole = run(what, &file(1), (1, 2), Keep::default(), None).unwrap();
    for (ranks, threads) in [(2, 1), (3, 2), (4, 1)] {
        let split = run(what, &file(ranks), (ranks, threads), Keep::default(), None);
        println!("{name}: {ranks} ranks");
        assert_same(&whole, &split.unwrap());
    }
}

/// What is not delayed goes out in every stage.
#[test]
fn without_delays() {
    for stepper in ["euler", "exponential_euler", "heun"] {
        let set = format!("simulation.stepper={stepper}");
        ends_alike(stepper, &experiment(WILSON_COWAN, 0.0, &[&set]));
    }
    let quiet = ["simulation.stepper=rk4", "noise=null"];
    ends_alike("rk4", &experiment(WILSON_COWAN, 0.0, &quiet));
    ends_alike("published order", &experiment(NONLINEAR, 0.0, &[]));
    ends_alike("two pools", &experiment(POOLS, 0.0, &[]));
}

/// Delays of many steps go out in blocks, those of less than a step at once.
#[test]
fn with_delays() {
    let given = "projections.long_range.delay={kind: given}";
    for shortest in [0.0, 0.25, 1.5] {
        for (stepper, delays, noise) in [
            ("euler", "rounded", "{}"),
            ("euler", "interpolated", "{}"),
            ("heun", "interpolated", "{}"),
            ("rk4", "rounded", "null"),
        ] {
            let sets = [
                format!("simulation.stepper={stepper}"),
                format!("simulation.delays={delays}"),
                format!("noise={noise}"),
            ];
            let mut all: Vec<&str> = sets.iter().map(String::as_str).collect();
            all.push(given);
            let name = format!("{stepper}, {delays} from {shortest} ms on");
            ends_alike(&name, &experiment(WILSON_COWAN, shortest, &all));
        }
        ends_alike(
            &format!("published order from {shortest} ms on"),
            &experiment(NONLINEAR, shortest, &[given]),
        );
    }
    let one = "projections.long_range_1.delay={kind: given}";
    let other = "projections.long_range_2.delay={kind: given}";
    for sets in [&[one][..], &[one, other]] {
        let pools = experiment(POOLS, 4.0, sets);
        ends_alike("two pools with delay", &pools);
    }
    // Some of what is sent is delayed, some is not.
    let both = "projections.now={from: a_E, to: {I_E: 0.1}}";
    let sets = [given, both, "simulation.stepper=heun"];
    ends_alike(
        "with and without delay",
        &experiment(WILSON_COWAN, 1.5, &sets),
    );
}

/// A checkpoint after every chunk.
struct Always;

impl Pace for Always {
    fn due(&self) -> bool {
        true
    }

    fn written(&self) {}
}

/// A checkpoint of several ranks is that of one process, so that any number goes on.
#[test]
fn runs_go_on_on_any_number_of_ranks() {
    let given = "projections.long_range.delay={kind: given}";
    let sets = [given, "simulation.duration=30 ms", "record.every=0.1 ms"];
    let spec = experiment(WILSON_COWAN, 0.85, &sets);
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.h5");
    let what = (&spec, &compiled(&spec));
    run(what, &whole, (1, 1), Keep::default(), None).unwrap();
    let output = folder.path().join("r.h5");
    for path in [[3, 2, 1], [1, 4, 2], [2, 1, 3]] {
        let mut from: Option<Checkpoint> = None;
        for (k, ranks) in path.into_iter().enumerate() {
            let stop_after = [Some(40), Some(150), None][k];
            let keep = Keep {
                pace: Some(&Always),
                from: from.as_ref(),
            };
            let ended = run(what, &output, (ranks, 1), keep, stop_after);
            match (stop_after, ended) {
                (None, ended) => assert_same(&whole, &ended.unwrap()),
                (Some(_), Err(EngineError::Stopped { resumable, .. })) => {
                    assert!(resumable);
                    from = Some(Checkpoint::read(&checkpoint_path(&output)).unwrap());
                }
                (Some(_), other) => panic!("{:?}", other.map_err(|e| e.to_string())),
            }
        }
        std::fs::remove_file(&output).unwrap();
    }
}

const UNSTABLE: &str = "
title: split
from: chaudhuri2015
projections: {long_range: {to: {I_E: 500 pA/Hz}}}
stimuli:
  pulse: {into: drive_E, areas: [a2500], amplitude: 30 Hz, onset: 3 ms, offset: 17 ms}
simulation: {duration: 400 ms, dt: 0.2 ms}
record: {variables: [nu_E], every: 2.2 ms}
analysis: null
";

/// Where and when a run first leaves its bounds is known to all.
#[test]
fn divergence_is_found_wherever_it_is() {
    let spec = experiment(UNSTABLE, 0.0, &[]);
    let folder = tempfile::tempdir().unwrap();
    let what = (&spec, &compiled(&spec));
    let said = |ranks: usize| {
        let output = folder.path().join("r.h5");
        let ended = run(what, &output, (ranks, 1), Keep::default(), None);
        ended.unwrap_err().to_string()
    };
    let whole = said(1);
    assert!(whole.contains("diverged"), "{whole}");
    assert_eq!(said(2), whole);
    assert_eq!(said(3), whole);
}

#[test]
fn links_are_kept_for_own_areas_alone() {
    let given = "projections.long_range.delay={kind: given}";
    for sets in [&[][..], &[given]] {
        let (_, plan) = compiled(&experiment(WILSON_COWAN, 0.5, sets));
        assert_eq!(parts(&plan), 4);
        let links = |plan: &Plan| plan.projections[0].matrix.links();
        let shares = (0..3).map(|rank| positions(&plan, Share { rank, of: 3 }));
        let mut next = 0;
        let mut kept = 0;
        for own in shares {
            assert_eq!(own.start, next);
            next = own.end;
            let share = plan.clone().keep_rows(own.clone());
            assert_eq!(links(&share), 6 * own.len());
            kept += links(&share);
        }
        assert_eq!((next, kept), (AREAS, links(&plan)));
    }
}

#[test]
fn what_cannot_be_split_is_refused() {
    let mut peers = Peer::all(5);
    let first = peers.remove(0);
    let refused = |spec: &ExperimentSpec, execution: Execution| {
        let network = Network::build(spec).unwrap();
        let plan = Plan::compile(&network, spec, execution).unwrap();
        let conditions = Conditions {
            threads: 1,
            stop: &AtomicBool::new(false),
            progress: &Quiet,
        };
        let output = Path::new("never_written.h5");
        let exchange: Option<&dyn Exchange> = Some(&first);
        let keep = Keep::default();
        let ended = engine::run_on(&network, &plan, spec, output, &conditions, keep, exchange);
        ended.err().unwrap().to_string()
    };
    let small = spec::load("chaudhuri2015_v1_pulse", &[]).unwrap();
    let said = refused(&small, Execution::default());
    assert!(
        said.contains("found 5 ranks, expected one for a network of 29 areas"),
        "{said}"
    );
    let four = experiment(WILSON_COWAN, 0.0, &[]);
    let said = refused(&four, Execution::default());
    assert!(
        said.contains("at most 4 for a network of 3100 areas"),
        "{said}"
    );
    let many = experiment(WILSON_COWAN, 0.0, &["simulation.replicates=8"]);
    let said = refused(&many, Execution::default());
    assert!(said.contains("--lane-axis areas"), "{said}");
    let learns = spec::load("reward_learning", &[]).unwrap();
    let said = refused(&learns, Execution::default());
    assert!(said.contains("learns"), "{said}");
}
