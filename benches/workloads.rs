//! The workloads of the benchmark in isocortex: the same models, steps and outputs as the scripts in
//! `benches/peers`, which says what each workload is. `w5` has no peers: it is here for the guard of
//! instruction counts.
//!
//! `cargo bench --bench workloads -- w1 [--no-noise] [--threads T] [--areas N] [--repeats R]
//! [--stepper NAME] [--runs N] [--lanes W]` prints one JSON object a line, as the peers do.
//! `limits` prints what the machine can do at best. Simulation is timed, from the first step on; what
//! it takes to get there is told apart (`setup_s`).

mod limits;

use std::error::Error;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use isocortex::connectome::Area;
use isocortex::engine::{Conditions, Piece, Quiet, stream};
use isocortex::ids::{AreaId, Replicate};
use isocortex::lanes::Isa;
use isocortex::network::Network;
use isocortex::plan::{Axis, Execution, Member, Plan};
use isocortex::rng::{Site, below};
use isocortex::spec::{self, ExperimentSpec};
use isocortex::stepper::linear::start_from;
use ndarray::Array2;
use serde_json::json;
use sprs::CsMat;

type Fallible<T> = Result<T, Box<dyn Error>>;

/// What was asked for on the command line.
struct Options {
    workload: String,
    noise: bool,
    threads: usize,
    areas: Option<usize>,
    repeats: usize,
    stepper: String,
    runs: Option<u32>,
    lanes: Option<usize>,
    steps: Option<u64>,
}

impl Options {
    fn parse() -> Fallible<Self> {
        let mut out = Options {
            workload: String::new(),
            noise: true,
            threads: 1,
            areas: None,
            repeats: 7,
            stepper: "euler".to_owned(),
            runs: None,
            lanes: None,
            steps: None,
        };
        // `cargo bench` adds a flag of its own.
        let mut arguments = std::env::args().skip(1).filter(|a| a != "--bench");
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let missing = || format!("{argument}: found nothing, expected a value");
                arguments.next().ok_or_else(missing)
            };
            match argument.as_str() {
                "--noise" => out.noise = true,
                "--no-noise" => out.noise = false,
                "--threads" => out.threads = value()?.parse()?,
                "--areas" => out.areas = Some(value()?.parse()?),
                "--repeats" => out.repeats = value()?.parse()?,
                "--stepper" => out.stepper = value()?,
                "--runs" => out.runs = Some(value()?.parse()?),
                "--lanes" => out.lanes = Some(value()?.parse()?),
                "--steps" => out.steps = Some(value()?.parse()?),
                name if !name.starts_with('-') => name.clone_into(&mut out.workload),
                other => return Err(format!("unknown option: found {other}").into()),
            }
        }
        Ok(out)
    }
}

const DT_MS: f64 = 0.2;

/// The threshold-linear model of `seconds`, with noise on both states of all areas if asked.
fn threshold_linear(options: &Options, ms: f64) -> Fallible<ExperimentSpec> {
    let noise = if options.noise {
        "noise:
  e: {kind: white, into: nu_E, sd: 0.1 Hz/ms, bin: 1 ms}
  i: {kind: white, into: nu_I, sd: 0.1 Hz/ms, bin: 1 ms}"
    } else {
        ""
    };
    let text = format!(
        "title: benchmark
from: chaudhuri2015
preset: printed
stimuli:
  pulse: {{into: drive_E, areas: [V1], amplitude: 41.8646 Hz, onset: 100 ms, offset: 350 ms}}
{noise}
simulation: {{duration: {ms} ms, dt: {DT_MS} ms, seed: 1, stepper: {}}}
record: {{variables: [nu_E], every: 1 ms}}
",
        options.stepper
    );
    Ok(spec::from_text("benchmark", &text, &[])?)
}

/// Wilson–Cowan circuits; areas and links are put in place afterwards.
fn wilson_cowan(
    options: &Options,
    links: &str,
    ms: f64,
    every_ms: f64,
) -> Fallible<ExperimentSpec> {
    let noise = if options.noise {
        "noise:
  e: {kind: white, into: a_E, sd: 0.01 1/ms, bin: 1 ms}
  i: {kind: white, into: a_I, sd: 0.01 1/ms, bin: 1 ms}"
    } else {
        ""
    };
    let text = format!(
        "title: benchmark
from: wilson_cowan
connectome: {links}
{noise}
baseline: {{state: {{a_E: 0.05, a_I: 0}}, solve: nothing}}
simulation: {{duration: {ms} ms, dt: {DT_MS} ms, seed: 1, stepper: {}}}
record: {{variables: [a_E], every: {every_ms} ms}}
analysis: null
",
        options.stepper
    );
    Ok(spec::from_text("benchmark", &text, &[])?)
}

/// A plan with the starts of its conditions.
struct Case {
    plan: Plan,
    starts: Vec<Vec<f64>>,
    setup_s: f64,
    /// Floating-point operations of one run, where they are counted.
    flops: Option<f64>,
}

fn compile(network: &Network, spec: &ExperimentSpec, lanes: Option<usize>) -> Fallible<Plan> {
    let execution = Execution {
        width: lanes,
        axis: None,
    };
    Ok(Plan::compile(network, spec, execution)?)
}

fn start(plan: &Plan) -> Vec<f64> {
    start_from(plan, &plan.baseline)
}

/// Products and sums of the threshold-linear model in a step of one area.
const FLOPS_LINEAR: f64 = 26.0;

fn w1(options: &Options) -> Fallible<Case> {
    let begin = Instant::now();
    let ms = options.steps.map_or(60_000.0, |n| n as f64 * DT_MS);
    let spec = threshold_linear(options, ms)?;
    let network = Network::build(&spec)?;
    let plan = compile(&network, &spec, options.lanes)?;
    Ok(Case {
        starts: vec![start(&plan)],
        setup_s: begin.elapsed().as_secs_f64(),
        flops: Some(plan.steps as f64 * 29.0 * (2.0 * 29.0 + FLOPS_LINEAR)),
        plan,
    })
}

fn w3(options: &Options) -> Fallible<Case> {
    let begin = Instant::now();
    let runs = options.runs.unwrap_or(1000) as usize;
    let spec = threshold_linear(options, options.steps.map_or(2000.0, |n| n as f64 * DT_MS))?;
    let network = Network::build(&spec)?;
    let condition = |run: usize| -> Fallible<Plan> {
        let mut changed = network.clone();
        let received = &mut changed.projections[0].received;
        let to_e = changed.circuit.info().input("I_E");
        for r in received.iter_mut().filter(|r| Some(r.input) == to_e) {
            let factor = 0.9 + 0.1 * run as f64 / runs as f64;
            r.gain.iter_mut().for_each(|g| *g *= factor);
        }
        compile(&changed, &spec, options.lanes)
    };
    let conditions: Vec<Plan> = (0..runs).map(condition).collect::<Fallible<_>>()?;
    let members = (0..runs).map(|run| Member {
        condition: run + 1,
        replicate: Replicate(run as u32),
    });
    let execution = Execution {
        width: options.lanes,
        axis: Some(Axis::Replicates),
    };
    let plan = compile(&network, &spec, options.lanes)?
        .with_conditions(&conditions, members.collect())?
        .with_lanes(execution);
    let starts = std::iter::once(&plan)
        .chain(&conditions)
        .map(start)
        .collect();
    Ok(Case {
        starts,
        setup_s: begin.elapsed().as_secs_f64(),
        flops: Some(plan.steps as f64 * 29.0 * (2.0 * 29.0 + FLOPS_LINEAR)),
        plan,
    })
}

/// The network of W2: (weight, distance in mm) by target and source.
fn box_of_areas(n: usize) -> Array2<(f64, f64)> {
    // R3 low-discrepancy sequence: fractions of multiples of powers of 1/g, with g^4 = g + 1.
    let g = 1.220_744_084_605_759_6_f64;
    let place = |i: usize| -> [f64; 3] {
        std::array::from_fn(|k| {
            let size = [140.0, 110.0, 90.0][k];
            size * (0.5 + (i + 1) as f64 * g.powi(-(k as i32 + 1))).fract()
        })
    };
    let distance = |i: usize, j: usize| {
        let (a, b) = (place(i), place(j));
        (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt()
    };
    let weight = |i: usize, j: usize| match i == j {
        true => 0.0,
        false => (-distance(i, j) / 30.0).exp(),
    };
    let mut out = Array2::from_shape_fn((n, n), |(i, j)| (weight(i, j), distance(i, j)));
    let largest = out.iter().map(|w| w.0).fold(0.0, f64::max);
    out.iter_mut().for_each(|w| w.0 /= largest);
    out
}

/// A network of `areas` with these links instead of its own.
fn rewired(
    network: &Network,
    areas: usize,
    weights: CsMat<f64>,
    delays_ms: Option<Vec<f64>>,
) -> Network {
    let mut out = network.clone();
    let repeat =
        |rows: &Array2<f64>| Array2::from_shape_fn((areas, rows.ncols()), |(_, k)| rows[[0, k]]);
    let mut connectome = (*network.connectome).clone();
    // Names sort as numbers do.
    connectome.areas = (0..areas)
        .map(|i| Area {
            name: format!("a{i:07}"),
            lobe: None,
            group: isocortex::connectome::DEFAULT_GROUP.to_owned(),
            position_mm: None,
        })
        .collect();
    connectome.fln = CsMat::zero((areas, areas));
    connectome.gradients.clear();
    out.canonical = (0..areas).map(AreaId::from).collect();
    out.parameters = repeat(&network.parameters);
    out.baseline = repeat(&network.baseline);
    for noise in &mut out.noise {
        let site = |i: usize| Site::new(&noise.name, &connectome.areas[i].name, "");
        noise.areas = (0..areas).map(|i| (AreaId::from(i), site(i))).collect();
    }
    let projection = &mut out.projections[0];
    projection.weights = weights;
    projection.delays_ms = delays_ms;
    for received in &mut projection.received {
        received.gain = vec![received.gain[0]; areas];
    }
    out.connectome = connectome.into();
    out
}

const TWO_AREAS: &str = "{data: null, areas: {a: {hierarchy_norm: 0}, b: {hierarchy_norm: 1}}, \
     links: [{to: a, from: b, weight: 0.5}]}";

fn w2(options: &Options) -> Fallible<Case> {
    let begin = Instant::now();
    let n = options.areas.unwrap_or(80);
    let ms = options.steps.map_or(60_000.0, |n| n as f64 * DT_MS);
    let mut spec = wilson_cowan(options, TWO_AREAS, ms, 1.0)?;
    spec.run.replicates = options.runs.unwrap_or(1);
    let network = Network::build(&spec)?;
    let (mut first, mut sources, mut weights, mut delays) = (vec![0], vec![], vec![], vec![]);
    for (i, row) in box_of_areas(n).outer_iter().enumerate() {
        for (j, &(w, mm)) in row.iter().enumerate().filter(|(j, _)| *j != i) {
            sources.push(j);
            weights.push(w);
            delays.push((mm / 3.5 / DT_MS).round_ties_even().max(1.0) * DT_MS);
        }
        first.push(sources.len());
    }
    let matrix = CsMat::new((n, n), first, sources, weights);
    let plan = compile(
        &rewired(&network, n, matrix, Some(delays)),
        &spec,
        options.lanes,
    )?;
    Ok(Case {
        starts: vec![start(&plan)],
        setup_s: begin.elapsed().as_secs_f64(),
        flops: None,
        plan,
    })
}

const DEGREE: usize = 104;

/// Each area receives from `DEGREE` others, with weights uniform from 0 to 0.02.
fn random_graph(n: usize) -> CsMat<f64> {
    let (mut first, mut sources, mut weights) = (vec![0], Vec::new(), Vec::new());
    sources.reserve_exact(n * DEGREE);
    weights.reserve_exact(n * DEGREE);
    let mut row: Vec<usize> = Vec::new();
    for i in 0..n {
        row.clear();
        let mut draw = 0;
        while row.len() < DEGREE.min(n - 1) {
            let site = Site::new("graph", "", "");
            let site = Site(site.0 ^ i as u64);
            let j = below(1, draw, site, n as u64) as usize;
            draw += 1;
            if j != i && !row.contains(&j) {
                row.push(j);
            }
        }
        row.sort_unstable();
        for &j in &row {
            sources.push(j);
            let u = below(2, j as u32, Site(i as u64), 1 << 53) as f64 / (1_u64 << 53) as f64;
            weights.push(0.02 * (u + 1e-9));
        }
        first.push(sources.len());
    }
    CsMat::new((n, n), first, sources, weights)
}

fn w4(options: &Options) -> Fallible<Case> {
    let begin = Instant::now();
    let n = options.areas.unwrap_or(10_000);
    let steps = options.steps.unwrap_or((2_000_000 / n as u64).max(20));
    let ms = steps as f64 * DT_MS;
    let spec = wilson_cowan(options, TWO_AREAS, ms, ms)?;
    let network = rewired(&Network::build(&spec)?, n, random_graph(n), None);
    let plan = compile(&network, &spec, options.lanes)?;
    Ok(Case {
        starts: vec![start(&plan)],
        setup_s: begin.elapsed().as_secs_f64(),
        flops: None,
        plan,
    })
}

/// Runs of a circuit with many variables, updated in stages, and with coloured noise: 40 areas, 8
/// projections.
fn w5(options: &Options) -> Fallible<Case> {
    let begin = Instant::now();
    let ms = options.steps.map_or(5000.0, |n| n as f64 * 0.5);
    let mut sets = vec![
        "stimuli=null".to_owned(),
        format!("simulation.duration={ms} ms"),
        format!("simulation.replicates={}", options.runs.unwrap_or(16)),
        format!("simulation.stepper={}", options.stepper),
        // Its windows lie beyond a short run.
        "analysis.delay_activity=null".to_owned(),
    ];
    if !options.noise {
        sets.push("noise=null".to_owned());
    }
    let spec = spec::load("froudist_walsh2021_target_noise", &sets)?;
    let plan = compile(&Network::build(&spec)?, &spec, options.lanes)?;
    Ok(Case {
        starts: vec![start(&plan)],
        setup_s: begin.elapsed().as_secs_f64(),
        flops: None,
        plan,
    })
}

/// Memory that the process holds, MB.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kb = line.and_then(|l| l.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kb.unwrap_or(f64::NAN) / 1024.0
}

fn simulate(case: &Case, threads: usize, mut keep: impl FnMut(Piece<'_>) + Send) -> Fallible<f64> {
    let stop = AtomicBool::new(false);
    let conditions = Conditions {
        threads,
        stop: &stop,
        progress: &Quiet,
    };
    let starts: Vec<&[f64]> = case.starts.iter().map(Vec::as_slice).collect();
    let begin = Instant::now();
    let (stops, _) = stream(&case.plan, &starts, &conditions, |piece| {
        keep(piece);
        Ok(())
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    if let Some(stop) = stops.iter().flatten().next() {
        return Err(format!("a run left its bounds: {stop:?}").into());
    }
    Ok(seconds)
}

fn report(options: &Options, case: &Case) -> Fallible<()> {
    let plan = &case.plan;
    // By which equal models are told: E at 1000 ms, and at 20 ms.
    let mut checks = [Vec::new(), Vec::new()];
    simulate(case, options.threads, |piece| {
        if let Piece::Values {
            run: 0,
            first,
            values,
            ..
        } = piece
        {
            for (check, sample) in checks.iter_mut().zip([1000, 20]) {
                if (first..first + values.nrows()).contains(&sample) {
                    *check = values
                        .row(sample - first)
                        .iter()
                        .take(29)
                        .copied()
                        .collect();
                }
            }
        }
    })?;
    let mut walls: Vec<f64> = (0..options.repeats)
        .map(|_| {
            // What is recorded is handed on and looked at, as a writer would.
            let mut last = 0.0;
            let seconds = simulate(case, options.threads, |piece| {
                if let Piece::Values { values, .. } = piece {
                    last += values.iter().next().copied().unwrap_or(0.0);
                }
            });
            std::hint::black_box(last);
            seconds
        })
        .collect::<Fallible<_>>()?;
    walls.sort_by(f64::total_cmp);
    let median = walls[walls.len() / 2];
    let runs = plan.replicates as usize;
    println!(
        "{}",
        json!({
            "workload": options.workload,
            "peer": "isocortex",
            "version": isocortex::VERSION,
            "threads": options.threads,
            "wall_s": median,
            "wall_min_s": walls[0],
            "repeats": walls.len(),
            "steps": plan.steps,
            "areas": plan.n_areas(),
            "runs": runs,
            "sim_s": plan.steps as f64 * plan.dt_ms / 1e3,
            "compile_s": 0.0,
            "setup_s": case.setup_s,
            "precision": "float64",
            "noise": options.noise,
            "stepper": options.stepper,
            "isa": format!("{:?}", Isa::detect()),
            "scaled": false,
            "lanes": format!("{} {:?}", plan.lanes.width, plan.lanes.axis),
            "gflops": case.flops.map(|f| f * runs as f64 / median / 1e9),
            "ns_per_link_step": (plan.projections[0].matrix.links() > 0).then(|| {
                let links = plan.projections[0].matrix.links() as f64;
                median / (links * plan.steps as f64 * runs as f64) * 1e9
            }),
            "link_bytes": plan.link_bytes() as f64 / plan.projections[0].matrix.links().max(1) as f64,
            "rss_mb": resident_mb(),
            "note": "",
            "check": if options.noise { Vec::new() } else { checks[0].clone() },
            "check_early": if options.noise { Vec::new() } else { checks[1].clone() },
        })
    );
    Ok(())
}

fn main() -> Fallible<()> {
    let options = Options::parse()?;
    let case = match options.workload.as_str() {
        "w1" => w1(&options)?,
        "w2" => w2(&options)?,
        "w3" => w3(&options)?,
        "w4" => w4(&options)?,
        "w5" => w5(&options)?,
        "limits" => {
            let l = limits::measure(options.threads);
            println!(
                "{}",
                json!({
                    "threads": l.threads,
                    "fma_gflops": l.fma_gflops,
                    "dram_read_gbs": l.dram_read_gbs,
                    "l2_read_gbs": l.l2_read_gbs,
                    "gather_l1_gels": l.gather_l1_gels,
                    "gather_l2_gels": l.gather_l2_gels,
                    "exp_gels": l.exp_gels,
                    "isa": l.isa,
                })
            );
            return Ok(());
        }
        // `cargo test --benches` and `cargo bench` without a workload.
        _ => {
            eprintln!("name a workload: w1, w2, w3, w4, w5 or limits");
            return Ok(());
        }
    };
    report(&options, &case)
}
