//! Small parts of the simulator, timed one by one through the public interface, to see which of them
//! a change makes slower: `cargo bench --bench kernels [-- NAME]`.
//!
//! `benches/workloads.rs` has the whole workloads, the ones that are compared with other programs.

use std::fmt::Write;
use std::hint::black_box;
use std::sync::atomic::AtomicBool;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use isocortex::engine::{Conditions, Quiet, Recording, simulate};
use isocortex::ids::Replicate;
use isocortex::network::Network;
use isocortex::plan::{Execution, Plan};
use isocortex::rng::{Site, below, normal};
use isocortex::spec;

/// The plan of a config.
///
/// # Panics
///
/// If the config is not valid.
fn plan(text: &str) -> Plan {
    let spec = spec::from_text("kernels", text, &[]).unwrap_or_else(|error| panic!("{error}"));
    let network = Network::build(&spec).unwrap_or_else(|error| panic!("{error}"));
    Plan::compile(&network, &spec, Execution::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn run(plan: &Plan) -> Recording {
    let stop = AtomicBool::new(false);
    let conditions = Conditions {
        threads: 1,
        stop: &stop,
        progress: &Quiet,
    };
    simulate(plan, &conditions).unwrap_or_else(|error| panic!("{error}"))
}

/// Times a run of `plan` on one thread; the rate is in steps of all areas and replicates.
fn bench(c: &mut Criterion, group: &str, name: &str, plan: &Plan) {
    let mut group = c.benchmark_group(group);
    group.sample_size(20);
    let steps = plan.steps * plan.n_areas() as u64 * u64::from(plan.replicates);
    group.throughput(Throughput::Elements(steps));
    group.bench_function(name, |b| b.iter(|| run(black_box(plan))));
    group.finish();
}

/// 2,000 steps of the 29 areas of the threshold-linear model.
fn linear(noise: bool, stepper: &str, replicates: u32) -> Plan {
    let noise = match noise {
        true => {
            "
noise:
  e: {kind: white, into: nu_E, sd: 0.1 Hz/ms, bin: 1 ms}
  i: {kind: white, into: nu_I, sd: 0.1 Hz/ms, bin: 1 ms}"
        }
        false => "",
    };
    plan(&format!(
        "title: kernels
from: chaudhuri2015
preset: printed
stimuli:
  pulse: {{into: drive_E, areas: [V1], amplitude: 41.8646 Hz, onset: 100 ms, offset: 350 ms}}{noise}
simulation: {{duration: 400 ms, dt: 0.2 ms, seed: 1, stepper: {stepper}, order: synchronous, replicates: {replicates}}}
record: {{variables: [nu_E], every: 1 ms}}
analysis: null
"
    ))
}

/// `areas` Wilson–Cowan circuits with typed links.
fn wilson_cowan(areas: usize, links: &str, delay: &str, steps: u32) -> Plan {
    let mut rows = String::new();
    for i in 0..areas {
        let _ = writeln!(rows, "    a{i}: {{hierarchy_norm: 0}}");
    }
    plan(&format!(
        "title: kernels
from: wilson_cowan
connectome:
  data: null
  areas:
{rows}  links:
{links}projections: {{long_range: {{delay: {delay}}}}}
baseline: {{state: {{a_E: 0.05, a_I: 0}}, solve: nothing}}
simulation: {{duration: {} ms, dt: 0.2 ms, seed: 1, stepper: euler}}
record: {{variables: [a_E], every: 1 ms}}
analysis: null
",
        f64::from(steps) * 0.2
    ))
}

/// 1,000 steps of 80 areas, each connected with each, with delays of 6 to 47 ms.
fn delayed() -> Plan {
    let n = 80;
    let mut links = String::new();
    for (i, j) in (0..n * n).map(|link| (link / n, link % n)) {
        if i != j {
            let ms = 6.0 + 41.0 * below(1, 0, Site(link_of(i, j)), 1000) as f64 / 1000.0;
            let _ = writeln!(
                links,
                "    - {{to: a{i}, from: a{j}, weight: 0.1, delay: {ms} ms}}"
            );
        }
    }
    wilson_cowan(n, &links, "{kind: given}", 1000)
}

/// 50 steps of 2,000 areas, each with 20 links from areas anywhere.
fn sparse() -> Plan {
    let (n, degree) = (2_000, 20);
    let mut links = String::new();
    for i in 0..n {
        // One source from each twentieth of the areas, so that none comes twice.
        for k in 0..degree {
            let part = n / degree;
            let j = k * part + below(2, 0, Site(link_of(i, k)), part as u64) as usize;
            if i != j {
                let _ = writeln!(links, "    - {{to: a{i}, from: a{j}, weight: 0.02}}");
            }
        }
    }
    wilson_cowan(n, &links, "null", 50)
}

fn link_of(i: usize, j: usize) -> u64 {
    ((i as u64) << 32) | j as u64
}

fn steppers(c: &mut Criterion) {
    for stepper in ["euler", "heun", "rk4"] {
        bench(c, "one run", stepper, &linear(false, stepper, 1));
        let noisy = format!("{stepper}, noise");
        bench(c, "one run", &noisy, &linear(true, stepper, 1));
    }
}

fn ensembles(c: &mut Criterion) {
    bench(c, "16 runs", "euler, noise", &linear(true, "euler", 16));
}

fn coupling(c: &mut Criterion) {
    bench(c, "coupling", "80 areas, delays", &delayed());
    bench(c, "coupling", "2000 areas, sparse", &sparse());
}

fn random_numbers(c: &mut Criterion) {
    let mut group = c.benchmark_group("random numbers");
    let count = 1000_u64;
    group.throughput(Throughput::Elements(count));
    let sum = |seed: u64| {
        let draw = |step| normal(seed, step, Site(7), Replicate(3));
        (0..count).map(draw).sum::<f64>()
    };
    group.bench_function("normal", |b| b.iter(|| sum(black_box(1))));
    group.finish();
}

criterion_group!(kernels, steppers, ensembles, coupling, random_numbers);
criterion_main!(kernels);
