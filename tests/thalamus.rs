//! The mouse cortex with its thalamus (Ding et al. 2024): both presets against a calculation apart from this program.

mod common;

use common::{Experiment, record};
use isocortex::network::Network;
use isocortex::stepper::linear::start_state;
use ndarray::s;

const PRESETS: [&str; 2] = ["paper", "notebook"];

/// A preset that does not look for its rest: all states are given where runs start.
fn experiment(preset: &str, more: &[&str]) -> Experiment {
    let sets: Vec<String> = [
        format!("preset={preset}"),
        "baseline.solve=nothing".to_owned(),
    ]
    .into_iter()
    .chain(more.iter().map(|s| (*s).to_owned()))
    .collect();
    Experiment::new("from: ding2024_thalamus\n", &sets)
}

fn parameter(network: &Network, area: &str, name: &str) -> f64 {
    let at = network.area_names().iter().position(|a| *a == area);
    let parameter = network.info().parameter(name);
    network.parameters[(at.unwrap(), parameter.unwrap())]
}

/// r_A of every area at the samples of a run, and the areas.
fn rates(experiment: &Experiment) -> (Vec<String>, Vec<Vec<f64>>) {
    let plan = experiment.plan();
    let x = record(&plan, &start_state(&plan).unwrap(), 100);
    let areas = experiment.network.area_names();
    let areas = areas.iter().map(|&a| a.to_owned()).collect();
    let row = |k: u64| {
        let mut row = vec![plan.sample_ms(k)];
        row.extend(x.slice(s![0, k as usize, .., 0]));
        row
    };
    (areas, (0..plan.record.samples).map(row).collect())
}

/// 50 ms of a cue and what follows, long enough for the loop through the thalamus to take part.
#[test]
fn presets_follow_a_calculation_of_their_own() {
    for preset in PRESETS {
        let sets = [
            "stimuli.cue={into: I_A, areas: [VISp], amplitude: 500 pA, onset: 10 ms, offset: 60 ms}",
            "simulation.duration=80 ms",
            "record={variables: [r_A], every: 10 ms}",
        ];
        let (areas, found) = rates(&experiment(preset, &sets));
        let path = format!(
            "{}/tests/regression/ding2024_thalamus_{preset}.csv",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let head: Vec<&str> = lines.next().unwrap().split(',').skip(1).collect();
        assert_eq!(head, areas, "{preset}");
        let expected: Vec<Vec<f64>> = lines
            .map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect())
            .collect();
        assert_eq!(expected.len(), found.len(), "{preset}: samples");
        for (expected, found) in expected.iter().zip(&found) {
            for (n, (expected, found)) in expected.iter().zip(found).enumerate() {
                let close = (found - expected).abs() <= 1e-10 * expected.abs();
                assert!(close, "{preset}: column {n}: {found} for {expected}");
            }
        }
    }
}

/// The notebook's numbers are the paper's in another form, but for rates and nuclei.
#[test]
fn local_numbers_of_both_presets_agree() {
    let of = |preset: &str| experiment(preset, &[]).network;
    let (paper, notebook) = (of("paper"), of("notebook"));
    for area in ["VISp", "SSp-n", "AIp", "PL"] {
        for name in [
            "J_s", "J_c", "J_EI", "J_IE", "J_II", "I_0", "I_0C", "gamma", "tau_S",
        ] {
            let (one, other) = (
                parameter(&paper, area, name),
                parameter(&notebook, area, name),
            );
            assert!(
                (one - other).abs() <= 2e-3 * one.abs(),
                "{area} {name}: {one}, {other}"
            );
        }
    }
    let nucleus = |network: &Network, name: &str| parameter(network, "MD", name);
    for network in [&paper, &notebook] {
        for (name, value) in [
            ("saturation", 0.0),
            ("tau_S", 2.0),
            ("gamma", 2.0),
            ("J_EI", 0.0),
        ] {
            assert_eq!(nucleus(network, name), value, "{name}");
        }
    }
    assert_eq!(
        (nucleus(&paper, "I_0"), nucleus(&notebook, "I_0")),
        (305.0, 295.0)
    );
    assert_eq!(
        (nucleus(&paper, "tau_r"), nucleus(&notebook, "tau_r")),
        (2.0, 20.0)
    );
}

/// What becomes of a cue: a memory in part of the network, or everything at rates that no neuron has. The numbers are those of
/// the calculation apart from this program.
#[test]
fn presets_end_where_their_file_says() {
    let cue = "stimuli.cue={into: I_A, areas: [VISp], amplitude: 500 pA, onset: 1 s, offset: 2 s}";
    let sets = [
        cue,
        "simulation.duration=3 s",
        "record={variables: [r_A], every: 3 s}",
    ];
    for preset in PRESETS {
        let (_, rows) = rates(&experiment(preset, &sets));
        let last = &rows.last().unwrap()[1..];
        let (cortex, thalamus) = last.split_at(43);
        let remember = |rates: &[f64]| rates.iter().filter(|r| **r > 5.0).count();
        let found = (remember(cortex), remember(thalamus));
        let least = last.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = cortex.iter().copied().fold(0.0, f64::max);
        if preset == "paper" {
            assert_eq!(found, (13, 28), "{last:?}");
            assert!((greatest - 73.709_025).abs() < 1e-5, "{greatest}");
        } else {
            assert_eq!(found, (43, 39), "{last:?}");
            assert!((least - 77.220_331).abs() < 1e-5, "{least}");
            assert!((greatest - 926.300_575).abs() < 1e-5, "{greatest}");
        }
    }
}
