//! Same as before: trajectories kept from an earlier version of this program, met to 1e-9 relative.
//!
//! `ISOCORTEX_GOLDEN=write cargo test --release --test regression` writes the files anew. Do so
//! only for a change that is meant to change results, and say so in the changelog.

mod common;

use std::fmt::Write as _;
use std::path::PathBuf;

use common::{Experiment, record};
use isocortex::stepper::linear::start_state;
use ndarray::s;

/// Largest relative difference.
const TOLERANCE: f64 = 1e-9;

struct Case {
    name: &'static str,
    /// Shown at the head of the file with the settings, and all that is needed to make it.
    config: &'static str,
    /// Stated here so that a change of a model's defaults does not hide.
    settings: &'static str,
    /// What is kept.
    variable: &'static str,
}

const CASES: [Case; 5] = [
    Case {
        name: "chaudhuri2015_printed_v1_pulse",
        config: "from: chaudhuri2015
preset: printed
stimuli: {pulse: {into: drive_E, areas: [V1], amplitude: 41.8646 Hz, onset: 100 ms, offset: 350 ms}}
",
        settings: CHAUDHURI,
        variable: "nu_E",
    },
    Case {
        name: "chaudhuri2015_precise_v1_pulse",
        config: "from: chaudhuri2015
preset: precise
stimuli: {pulse: {into: drive_E, areas: [V1], amplitude: 40.9227 Hz, onset: 100 ms, offset: 350 ms}}
",
        settings: CHAUDHURI,
        variable: "nu_E",
    },
    Case {
        name: "chaudhuri2015_nonlinear_v1_pulse",
        config: "from: chaudhuri2015_nonlinear
stimuli: {pulse: {into: I_E, areas: [V1], amplitude: 200 pA, onset: 100 ms, offset: 350 ms}}
",
        settings: CHAUDHURI,
        variable: "nu_E",
    },
    Case {
        name: "froudist_walsh2021_distractor",
        config: "from: froudist_walsh2021
modulators: {dopamine: {level: 1.5}}
stimuli:
  target: {into: I_d1, areas: [V1], amplitude: 100 pA, onset: 1 s, offset: 1399.5 ms}
  distractor: {into: I_d2, areas: [V1], amplitude: 100 pA, onset: 2 s, offset: 2.4 s}
",
        settings: "title: regression
simulation: {duration: 5 s, dt: 0.5 ms, stepper: euler, order: published}
record: {variables: [r_E1], every: 100 ms}
",
        variable: "r_E1",
    },
    Case {
        name: "froudist_walsh2021_stp_ping",
        config: "from: froudist_walsh2021_stp
modulators: {dopamine: {level: 0.5}}
stimuli:
  cue: {into: I_d1, areas: [V1], amplitude: 100 pA, onset: 1 s, offset: 1.4 s}
  ping_1: {into: I_d1, areas: [V1], amplitude: 100 pA, onset: 2 s, offset: 2.4 s}
  ping_2: {into: I_d2, areas: [V1], amplitude: 100 pA, onset: 2 s, offset: 2.4 s}
",
        settings: "title: regression
simulation: {duration: 4 s, dt: 0.5 ms, stepper: euler, order: published}
record: {variables: [r_E1], every: 200 ms}
",
        variable: "r_E1",
    },
];

const CHAUDHURI: &str = "title: regression
simulation: {duration: 2500 ms, dt: 0.2 ms, stepper: euler, order: published}
record: {variables: [nu_E], every: 50 ms}
";

fn path(case: &Case) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/regression");
    folder.join(format!("{}.csv", case.name))
}

/// The file as this version of the program writes it, and its numbers.
fn simulate(case: &Case) -> (String, Vec<Vec<f64>>) {
    let text = format!("{}{}", case.config, case.settings);
    let experiment = Experiment::new(&text, &[] as &[&str]);
    let plan = experiment.plan();
    let x = record(&plan, &start_state(&plan).unwrap(), 100);
    let mut file = format!(
        "# {} [Hz] of every area, made by isocortex (tests/regression.rs) from this config:\n{}",
        case.variable,
        text.lines()
            .map(|line| format!("#   {line}\n"))
            .collect::<String>()
    );
    writeln!(
        file,
        "time_ms,{}",
        experiment.network.area_names().join(",")
    )
    .unwrap();
    let mut rows = Vec::new();
    for k in 0..plan.record.samples {
        let mut row = vec![plan.sample_ms(k)];
        row.extend(x.slice(s![0, k as usize, .., 0]));
        let cells: Vec<String> = row.iter().map(|x| format!("{x:?}")).collect();
        writeln!(file, "{}", cells.join(",")).unwrap();
        rows.push(row);
    }
    (file, rows)
}

#[test]
fn trajectories_are_those_of_before() {
    let write = std::env::var("ISOCORTEX_GOLDEN").is_ok_and(|v| v == "write");
    for case in &CASES {
        let (file, rows) = simulate(case);
        let path = path(case);
        if write {
            std::fs::write(&path, &file).unwrap();
            continue;
        }
        let golden =
            std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let table = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.map(str::to_owned).collect()
        };
        let (golden, found) = (table(&golden), table(&file));
        assert_eq!(golden[0], found[0], "{}: areas", case.name);
        assert_eq!(golden.len(), rows.len() + 1, "{}: samples", case.name);
        let areas: Vec<&str> = golden[0].split(',').collect();
        let mut worst = (0.0, String::new());
        for (line, row) in golden[1..].iter().zip(&rows) {
            for (column, (cell, found)) in line.split(',').zip(row).enumerate() {
                let expected: f64 = cell.parse().unwrap();
                let relative = (found - expected).abs() / expected.abs().max(1e-300);
                if (found != &expected && relative > worst.0) || found.is_nan() {
                    let at = format!("{} at {} ms: {found} for {expected}", areas[column], row[0]);
                    worst = (if found.is_nan() { f64::NAN } else { relative }, at);
                }
            }
        }
        println!(
            "{}: largest relative difference {:e} {}",
            case.name, worst.0, worst.1
        );
        assert!(
            worst.0 <= TOLERANCE,
            "{}: {:e}, {}",
            case.name,
            worst.0,
            worst.1
        );
    }
}
