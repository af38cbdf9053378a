//! Artificial networks through the program's doors: arrays of other programs, unrolled experiments, stored
//! patterns, trials as tables, weights of either sign.

mod common;

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use common::Experiment;
use isocortex::network::Network;
use isocortex::spec;
use tempfile::TempDir;

const RING: &str = "from: elman_ring\n";

fn isocortex(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isocortex"));
    command.current_dir(folder).args(args);
    command
}

fn output(folder: &Path, args: &[&str]) -> String {
    let done = isocortex(folder, args).assert().success();
    String::from_utf8(done.get_output().stdout.clone()).unwrap()
}

fn refused(folder: &Path, args: &[&str], words: &str) {
    let done = isocortex(folder, args).assert().failure();
    let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(said.contains(words), "{said}");
}

fn error(text: &str, sets: &[&str]) -> String {
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    let spec = match spec::from_text("test", text, &sets) {
        Ok(spec) => spec,
        Err(e) => return e.to_string(),
    };
    match Network::build(&spec) {
        Ok(network) => {
            let plan = isocortex::plan::Plan::compile(&network, &spec, Default::default());
            plan.err().map(|e| e.to_string()).unwrap_or_default()
        }
        Err(e) => e.to_string(),
    }
}

/// Three units, two channels, both forms of the leak and what they give, step by step.
struct Small {
    alpha: f64,
    inside: bool,
    steps: usize,
}

impl Small {
    const W: [[f64; 3]; 3] = [[0.5, -1.0, 0.0], [0.25, 0.0, 1.5], [-0.75, 0.5, 0.125]];
    const W_X: [[f64; 2]; 3] = [[1.0, 0.0], [0.0, -2.0], [0.5, 0.5]];
    const B: [f64; 3] = [0.1, 0.0, -0.2];

    fn input(t: usize, k: usize) -> f64 {
        match t % 5 {
            3 => 0.0,
            phase => phase as f64 / 4.0 - k as f64 * 0.5,
        }
    }

    /// States by the equations, without a line of the program.
    fn states(&self) -> Vec<[f64; 3]> {
        let mut a = [0.0; 3];
        let mut out = Vec::new();
        for t in 0..self.steps {
            let mut next = a;
            for i in 0..3 {
                let mut u = Self::B[i];
                u += (0..2)
                    .map(|k| Self::W_X[i][k] * Self::input(t, k))
                    .sum::<f64>();
                u += (0..3).map(|j| Self::W[i][j] * a[j]).sum::<f64>();
                next[i] = match self.inside {
                    true => ((1.0 - self.alpha) * a[i] + self.alpha * u).tanh(),
                    false => (1.0 - self.alpha) * a[i] + self.alpha * u.tanh(),
                };
            }
            a = next;
            out.push(a);
        }
        out
    }

    /// Writes csv tables and their description.
    fn write(&self, folder: &Path, leak: &str) {
        let table = |name: &str, rows: &[Vec<f64>]| {
            let lines: Vec<String> = rows
                .iter()
                .map(|row| row.iter().map(f64::to_string).collect::<Vec<_>>().join(","))
                .collect();
            fs::write(folder.join(name), lines.join("\n")).unwrap();
        };
        table("w.csv", &Self::W.map(|r| r.to_vec()));
        table("wx.csv", &Self::W_X.map(|r| r.to_vec()));
        table("b.csv", &Self::B.map(|b| vec![b]));
        let inputs = (0..self.steps).map(|t| (0..2).map(|k| Self::input(t, k)).collect());
        table("x.csv", &inputs.collect::<Vec<_>>());
        let states: Vec<Vec<f64>> = self.states().iter().map(|a| a.to_vec()).collect();
        table("a.csv", &states);
        let text = format!(
            "title: Three units\nsource: typed here\nnonlinearity: tanh\nleak: {leak}\nalpha: {}\nrecurrent: \
             w.csv\ninput: wx.csv\nbias: b.csv\nreference: {{input: x.csv, states: a.csv}}\n",
            self.alpha
        );
        fs::write(folder.join("net.yaml"), text).unwrap();
    }
}

/// The experiment that is written replays what the equations give, with both leaks and without.
#[test]
fn imported_networks_replay_their_reference() {
    for (alpha, inside, leak) in [
        (0.3, false, "outside"),
        (0.3, true, "inside"),
        (1.0, true, "inside"),
    ] {
        let folder = TempDir::new().unwrap();
        Small {
            alpha,
            inside,
            steps: 20,
        }
        .write(folder.path(), leak);
        let said = output(folder.path(), &["rnn", "import", "net.yaml", "-o", "net"]);
        assert!(said.contains("3 units, 2 input channels"), "{said}");
        // What was written is a data set and an experiment like any other.
        output(folder.path(), &["data", "check", "net"]);
        output(folder.path(), &["check", "net/experiment.yaml"]);
        let said = output(folder.path(), &["rnn", "unroll", "net/experiment.yaml"]);
        assert!(said.contains("5 units, 20 steps\ndepth 20"), "{said}");
    }
}

/// Units in areas have their names, and a sweep passes on by areas: one of 5 units is as deep as the steps, 5 of one
/// unit are deeper.
#[test]
fn units_are_grouped_into_areas() {
    let folder = TempDir::new().unwrap();
    let net = Small {
        alpha: 0.3,
        inside: false,
        steps: 20,
    };
    net.write(folder.path(), "outside");
    let path = folder.path().join("net.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}areas: [1, 2]\n")).unwrap();
    output(folder.path(), &["rnn", "import", "net.yaml", "-o", "net"]);
    let areas = fs::read_to_string(folder.path().join("net/areas.csv")).unwrap();
    for name in ["in1,", "in2,", "a1_u1,", "a2_u1,", "a2_u2,"] {
        assert!(areas.contains(&format!("\n{name}")), "{areas}");
    }
    let unrolled = |areas: &[&str]| {
        let args = ["rnn", "unroll", "net/experiment.yaml", "--form", "sweep"];
        output(folder.path(), &[&args[..], areas].concat())
    };
    let one = unrolled(&["--areas", "5"]);
    assert!(
        one.contains("5 units in 1 areas, 20 steps\ndepth 20"),
        "{one}"
    );
    let three = unrolled(&["--areas", "2,1,2"]);
    let each = unrolled(&[]);
    let depth = |said: &str| -> usize {
        let from = said.find("depth ").unwrap() + 6;
        let digits: String = said[from..]
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().unwrap()
    };
    assert!(
        20 < depth(&three) && depth(&three) < depth(&each),
        "{three}\n{each}"
    );
    refused(
        folder.path(),
        &["rnn", "unroll", "net/experiment.yaml", "--areas", "2,2"],
        "2, 2",
    );
    fs::write(&path, format!("{text}areas: [1, 1]\n")).unwrap();
    refused(
        folder.path(),
        &["rnn", "import", "net.yaml", "-o", "other"],
        "expected numbers above 0 with sum 3",
    );
}

#[test]
fn a_reference_of_another_leak_is_not_replayed() {
    let folder = TempDir::new().unwrap();
    Small {
        alpha: 0.3,
        inside: false,
        steps: 20,
    }
    .write(folder.path(), "inside");
    let args = ["rnn", "import", "net.yaml", "-o", "net"];
    refused(folder.path(), &args, "the reference is not replayed");
}

#[test]
fn faulty_descriptions_are_refused_with_their_place() {
    let folder = TempDir::new().unwrap();
    Small {
        alpha: 0.3,
        inside: false,
        steps: 5,
    }
    .write(folder.path(), "outside");
    let good = fs::read_to_string(folder.path().join("net.yaml")).unwrap();
    for (from, to, words) in [
        (
            "alpha: 0.3",
            "alpha: 1.5",
            "found 1.5, expected above 0 to 1",
        ),
        (
            "alpha: 0.3\n",
            "",
            "expected either `alpha`, or `dt` and `tau`",
        ),
        ("leak: outside\n", "", "leak"),
        (
            "bias: b.csv",
            "bias: x.csv",
            "shape: found (10, 1), expected (3, 1)",
        ),
        (
            "recurrent: w.csv",
            "recurrent: w.txt",
            "found `.txt`, expected .npy",
        ),
        ("recurrent: w.csv", "recurrent: none.csv", "cannot be read"),
        ("bias: b.csv", "signs: b.csv", "found 0.1, expected 1 or -1"),
    ] {
        assert!(good.contains(from));
        fs::write(folder.path().join("net.yaml"), good.replace(from, to)).unwrap();
        refused(
            folder.path(),
            &["rnn", "import", "net.yaml", "-o", "net"],
            words,
        );
    }
}

/// Not a bit differs between steppers and the slow simulator, and a unit acts on itself.
#[test]
fn weights_of_either_sign_and_steps_of_tau() {
    let experiment = Experiment::new(RING, &[] as &[&str]);
    let weights = &experiment.network.projections[0].weights;
    assert_eq!(weights.get(0, 0), Some(&0.4));
    assert_eq!(weights.get(0, 2), Some(&-1.5));
    let plan = experiment.plan();
    let start = vec![0.0; 3];
    let found = experiment.reference(&plan, &start, 0);
    let mut a: [f64; 3] = [0.0; 3];
    for t in 0..50 {
        let x = if t == 0 { 1.0 } else { 0.0 };
        let u = [0.4 * a[0] - 1.5 * a[2] + x, 1.2 * a[0] + 0.1, 0.8 * a[1]];
        a = u.map(f64::tanh);
        for (i, a) in a.iter().enumerate() {
            assert!((found[[t + 1, i, 0]] - a).abs() < 1e-13, "step {t}");
        }
    }
}

#[test]
fn what_needs_weights_of_one_sign_is_refused() {
    for set in [
        "projections.recurrent.power=2",
        "projections.recurrent.threshold=0.1",
        "projections.recurrent.rows=sum_to_one",
        "projections.recurrent.shuffle={what: strengths, seed: 1}",
    ] {
        assert!(
            error(RING, &[set]).contains("weights of either sign"),
            "{set}"
        );
    }
    let found = error(RING, &["projections.recurrent.weights=fln"]);
    assert!(
        found.contains("gives `signed`, expected `weights: signed`"),
        "{found}"
    );
    let found = error(
        RING,
        &[
            "connectome.weights=strength",
            "projections.recurrent.weights=strength",
        ],
    );
    assert!(found.contains("negative strength"), "{found}");
}

#[test]
fn only_discrete_steps_may_be_as_long_as_tau() {
    let found = error(RING, &["simulation.discrete=false"]);
    assert!(
        found.contains("found 1 ms, expected at most 0.5 ms, half of tau"),
        "{found}"
    );
    let found = error(
        RING,
        &["simulation.dt=2 ms", "record.every=2 ms", "stimuli=null"],
    );
    assert!(
        found.contains("found 2 ms, expected at most 1 ms, which is tau"),
        "{found}"
    );
    let found = error(RING, &["simulation.stepper=rk4"]);
    assert!(
        found.contains("expected `euler`, whose step is the map"),
        "{found}"
    );
}

/// Patterns as a data set: in the program's own steps, all units at once, a stored pattern rests and a cue
/// is completed.
#[test]
fn stored_patterns_are_a_data_set() {
    let folder = TempDir::new().unwrap();
    let args = [
        "rnn",
        "hopfield",
        "--units",
        "40",
        "--patterns",
        "2",
        "--areas",
        "4",
        "-o",
        "memory",
    ];
    let said = output(folder.path(), &args);
    assert!(said.contains("mean overlap at rest 1.0000"), "{said}");
    let patterns = fs::read_to_string(folder.path().join("memory/patterns.csv")).unwrap();
    let first: Vec<f64> = patterns
        .lines()
        .next()
        .unwrap()
        .split(',')
        .map(|x| x.parse().unwrap())
        .collect();
    let data = folder.path().join("memory");
    let mut text = format!(
        "from: hopfield_four_units\nconnectome: {{data: {:?}, areas: null, links: [], weights: fln}}\nstimuli: \
         null\nprojections: {{recurrent: {{hierarchy: null}}}}\ninitial:\n  all: {{a_u: 1}}\n",
        data.display().to_string()
    );
    // A quarter of the units turned over.
    for (i, x) in first.iter().enumerate() {
        let x = if i % 4 == 0 { -x } else { *x };
        text += &format!("  a{}_u{}: {{a_u: {x}}}\n", i / 10 + 1, i % 10 + 1);
    }
    let experiment = Experiment::new(&text, &[] as &[&str]);
    let plan = experiment.plan();
    let mut start = vec![0.0; 40];
    for (area, x) in first.iter().enumerate() {
        start[plan.position[area]] = if area % 4 == 0 { -x } else { *x };
    }
    let states = experiment.reference(&plan, &start, 0);
    for (i, x) in first.iter().enumerate() {
        assert_eq!(states[[10, i, 0]], *x);
    }
}

#[test]
fn trials_become_plain_tables() {
    let folder = TempDir::new().unwrap();
    output(folder.path(), &["trials", "elman_n_back", "-o", "out"]);
    let events = fs::read_to_string(folder.path().join("out/events.csv")).unwrap();
    let rows: Vec<Vec<&str>> = events
        .lines()
        .skip(1)
        .map(|l| l.split(',').collect())
        .collect();
    assert_eq!(rows.len(), 8 * 40);
    for trial in rows.chunks(40) {
        for (k, row) in trial.iter().enumerate() {
            let meant = match k.checked_sub(2) {
                None => "",
                Some(two_back) if trial[two_back][6] == row[6] => "1",
                Some(_) => "0",
            };
            assert_eq!(row[10], meant);
            assert_eq!(row[8], (k + 1).to_string());
        }
    }
    let steps = fs::read_to_string(folder.path().join("out/steps.csv")).unwrap();
    assert!(
        steps.starts_with("trial,time_ms,A,B,C,D,answer\n0,0,0,0,0,0,0\n"),
        "{steps}"
    );
    assert_eq!(steps.lines().count(), 1 + 8 * 41);
    refused(
        folder.path(),
        &["trials", "elman_ring", "-o", "out"],
        "found no task",
    );
}

#[test]
fn n_back_by_hand_and_by_guess() {
    let folder = TempDir::new().unwrap();
    let said = output(
        folder.path(),
        &["rnn", "n-back", "--back", "3", "-o", "stream.csv"],
    );
    assert!(
        said.contains("made by hand, 32 units: accuracy 1.0000, hits 1.0000, false alarms 0.0000")
    );
    assert!(
        said.contains("depth 4: the same states, bit for bit"),
        "{said}"
    );
    let stream = fs::read_to_string(folder.path().join("stream.csv")).unwrap();
    assert_eq!(stream.lines().count(), 1001);
    refused(
        folder.path(),
        &["rnn", "n-back", "--back", "0"],
        "back: found 0, expected 1 to 100",
    );
    refused(
        folder.path(),
        &["rnn", "hopfield", "--units", "1000000"],
        "found 1000000, expected 1 to 20000",
    );
    refused(
        folder.path(),
        &["rnn", "unroll", "chaudhuri2015"],
        "circuit: found chaudhuri2015, expected leaky_rnn",
    );
}
