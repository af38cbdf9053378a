//! What the tests of the numerics share: from a config text to states, step by step.

#![allow(dead_code, reason = "every test file uses its own part of this one")]

use isocortex::ids::Replicate;
use isocortex::network::Network;
use isocortex::plan::{Axis, Execution, Plan};
use isocortex::reference;
use isocortex::spec::{self, ExperimentSpec};
use isocortex::stepper::{Samples, Simulation};
use ndarray::{Array2, Array3, Array4, s};

/// An experiment with all names resolved.
pub struct Experiment {
    pub spec: ExperimentSpec,
    pub network: Network,
}

impl Experiment {
    /// A config text with overrides on top; panics with the message of the program.
    pub fn new(text: &str, sets: &[impl AsRef<str>]) -> Self {
        let sets: Vec<String> = sets.iter().map(|s| s.as_ref().to_owned()).collect();
        let spec = spec::from_text("test", text, &sets).unwrap_or_else(|e| panic!("{e}"));
        let network = Network::build(&spec).unwrap_or_else(|e| panic!("{e}"));
        Experiment { spec, network }
    }

    /// The plan with the lanes it chooses.
    pub fn plan(&self) -> Plan {
        self.compile(Execution::default())
    }

    /// The plan with these lanes.
    pub fn plan_with(&self, axis: Axis, width: usize) -> Plan {
        self.compile(Execution {
            width: Some(width),
            axis: Some(axis),
        })
    }

    fn compile(&self, execution: Execution) -> Plan {
        Plan::compile(&self.network, &self.spec, execution).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Every step of one replicate by the reference, [step, area, variable of the circuit].
    pub fn reference(&self, plan: &Plan, start: &[f64], replicate: u32) -> Array3<f64> {
        let variables = self.network.info().variables.len();
        let n = self.network.n_areas();
        let mut by_area = Array2::zeros((n, variables));
        for ((area, v), x) in by_area.indexed_iter_mut() {
            *x = start[plan.position[area] * variables + v];
        }
        let mut out = Array3::zeros((plan.steps as usize + 1, n, variables));
        let replicate = Replicate(replicate);
        reference::simulate(
            &self.network,
            &self.spec.run,
            &by_area,
            replicate,
            |k, x| {
                out.slice_mut(s![k as usize, .., ..]).assign(&x);
            },
        );
        out
    }
}

/// Every lane axis with every width.
pub fn all_lanes() -> impl Iterator<Item = (Axis, usize)> {
    let widths = |axis| isocortex::plan::WIDTHS.map(|w| (axis, w));
    [Axis::Replicates, Axis::Areas].into_iter().flat_map(widths)
}

/// Overrides that delay every projection of a model: by distance if its data set has distances, else
/// by constants that differ from projection to projection. `k` chooses among the latter.
pub fn delay_sets(model: &Experiment, by_distance: &str, k: usize) -> Vec<String> {
    let projections = model.spec.projections.keys().enumerate();
    let of = |(n, name): (usize, &String)| {
        let delay = match model.network.connectome.distance_mm {
            Some(_) => by_distance.to_owned(),
            // From none to several steps, on the grid and off it.
            None => format!(
                "{{kind: constant, value: {:.2} ms}}",
                k as f64 * 0.9 + n as f64 * 0.33
            ),
        };
        format!("projections.{name}.delay={delay}")
    };
    projections.map(of).collect()
}

/// Runs all blocks with room for `capacity` samples at a time: [replicate, sample, area, variable],
/// areas and variables as recorded.
pub fn record(plan: &Plan, start: &[f64], capacity: usize) -> Array4<f64> {
    record_blocks(plan, start, capacity, false)
}

/// The same as a relay: after every so many samples the state is saved, and another simulation goes on
/// from it.
pub fn relay(plan: &Plan, start: &[f64], capacity: usize) -> Array4<f64> {
    record_blocks(plan, start, capacity, true)
}

fn record_blocks(plan: &Plan, start: &[f64], capacity: usize, relay: bool) -> Array4<f64> {
    let first_and_count = plan.blocks();
    let parts: Vec<Array4<f64>> = first_and_count
        .into_iter()
        .map(|block| block_of(plan, block, start, capacity, relay))
        .collect();
    let views: Vec<_> = parts.iter().map(|p| p.view()).collect();
    ndarray::concatenate(ndarray::Axis(0), &views).unwrap()
}

/// The same for one block of replicates.
pub fn record_block(
    plan: &Plan,
    first: u32,
    count: u32,
    start: &[f64],
    capacity: usize,
) -> Array4<f64> {
    block_of(plan, (first, count), start, capacity, false)
}

fn block_of(
    plan: &Plan,
    (first, runs): (u32, u32),
    start: &[f64],
    capacity: usize,
    relay: bool,
) -> Array4<f64> {
    let (areas, variables) = (plan.record.areas.len(), plan.record.variables.len());
    let count = runs as usize;
    let mut out = Array4::zeros((count, plan.record.samples as usize, areas, variables));
    let mut simulation = Simulation::new(plan, first, runs, start);
    let mut samples = Samples::new(plan, count, capacity);
    let mut done = 0;
    loop {
        samples.clear();
        simulation.advance(&mut samples);
        if samples.written == 0 {
            assert_eq!(done as u64, plan.record.samples, "the run stopped early");
            return out;
        }
        for ((r, k, a, v), x) in out
            .slice_mut(s![.., done..done + samples.written, .., ..])
            .indexed_iter_mut()
        {
            *x = samples.data[((v * count + r) * capacity + k) * areas + a];
        }
        done += samples.written;
        if relay {
            let words = simulation.save();
            simulation = Simulation::new(plan, first, runs, start);
            assert!(!simulation.restore(&words[1..]), "a word is missing");
            simulation = Simulation::new(plan, first, runs, start);
            assert!(simulation.restore(&words), "the state does not fit");
        }
    }
}

/// Panics at the first pair of values that differ in any bit.
pub fn assert_same_bits<'a>(
    what: &str,
    found: impl IntoIterator<Item = &'a f64>,
    expected: impl IntoIterator<Item = &'a f64>,
) {
    let (mut found, mut expected) = (found.into_iter(), expected.into_iter());
    for at in 0.. {
        match (found.next(), expected.next()) {
            (None, None) => {
                assert!(at > 0, "{what}: nothing was compared");
                return;
            }
            (Some(a), Some(b)) => {
                assert_eq!(
                    a.to_bits(),
                    b.to_bits(),
                    "{what}: value {at}: {a:e} is not {b:e}"
                );
            }
            (a, b) => panic!("{what}: lengths differ at {at}: {a:?} and {b:?}"),
        }
    }
}

/// Largest |a - b| over two arrays of one length.
pub fn largest_difference<'a>(
    a: impl IntoIterator<Item = &'a f64>,
    b: impl IntoIterator<Item = &'a f64>,
) -> f64 {
    let (a, b): (Vec<_>, Vec<_>) = (a.into_iter().collect(), b.into_iter().collect());
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(&b)
        .map(|(a, b)| (*a - *b).abs())
        .fold(0.0, f64::max)
}

/// A quantity as typed in a config, for a unit of a circuit's table.
pub fn quantity(value: f64, unit: &str) -> String {
    if unit == "1" {
        format!("{value:?}")
    } else {
        format!("{value:?} {unit}")
    }
}

/// A connectome typed in place, as a map in one line: areas with their gradients, and links
/// (target, source, weight).
pub fn inline_connectome(
    areas: &[(String, Vec<(String, f64)>)],
    links: &[(String, String, f64)],
) -> String {
    let gradients = |values: &[(String, f64)]| {
        let entries: Vec<String> = values.iter().map(|(n, v)| format!("{n}: {v:?}")).collect();
        format!("{{{}}}", entries.join(", "))
    };
    let areas: Vec<String> = areas
        .iter()
        .map(|(name, values)| format!("\"{name}\": {}", gradients(values)))
        .collect();
    let links: Vec<String> = links
        .iter()
        .map(|(to, from, w)| format!("{{to: \"{to}\", from: \"{from}\", weight: {w:?}}}"))
        .collect();
    format!(
        "{{data: null, only: null, gradients: null, areas: {{{}}}, links: [{}]}}",
        areas.join(", "),
        links.join(", ")
    )
}

/// The connectome of a network as one typed in place, with the areas and links that are kept.
pub fn typed_copy(
    network: &Network,
    keep_area: impl Fn(&str) -> bool,
    keep_link: impl Fn(&str, &str) -> bool,
) -> String {
    let connectome = &network.connectome;
    let areas: Vec<_> = connectome
        .areas
        .iter()
        .enumerate()
        .filter(|(_, area)| keep_area(&area.name))
        .map(|(i, area)| {
            let gradients = connectome.gradients.iter();
            let values = gradients.map(|g| (g.name.clone(), g.values[i])).collect();
            (area.name.clone(), values)
        })
        .collect();
    let links: Vec<_> = connectome
        .links()
        .map(|(to, from, w)| {
            let name = |a: isocortex::ids::AreaId| connectome.areas[a.index()].name.clone();
            (name(to), name(from), w)
        })
        .filter(|(to, from, _)| keep_area(to) && keep_area(from) && keep_link(to, from))
        .collect();
    inline_connectome(&areas, &links)
}
