//! `rnn import | unroll | hopfield | n-back`: artificial networks.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use ndarray::Array2;
use serde::Deserialize;
use serde_json::json;

use super::show::{Answer, number};
use super::{ConfigArgs, Failure, cores, parse_threads, replace, stop_flag};
use crate::arrays::{self, ArrayError};
use crate::artificial::hopfield::{self, Divisor, Hopfield, Update};
use crate::artificial::n_back::{self, NBack, Score};
use crate::artificial::rnn::{Leak, Nonlinearity, dale};
use crate::artificial::unroll::{Form, Unrolled};
use crate::spec::{Config, sha256_hex};
use crate::units::{Dimension, Quantity};
use crate::validation::Lab;

#[derive(Debug, Subcommand)]
pub(super) enum RnnCommand {
    /// Make a data set and an experiment from the arrays of a network, and replay its reference
    Import {
        /// YAML that describes the network and names its arrays (docs/models/leaky_rnn.md)
        description: PathBuf,
        /// Folder to write; it is made if it is not there
        #[arg(short, long)]
        output: PathBuf,
        /// Worker threads; all cores if absent
        #[arg(long, value_name = "N", value_parser = parse_threads)]
        threads: Option<usize>,
    },
    /// Unroll an experiment into the feedforward network that does the same in one pass, and compare
    Unroll {
        #[command(flatten)]
        config: ConfigArgs,
        /// Which activity an area receives
        #[arg(long, value_enum, default_value_t = FormArg::Synchronous)]
        form: FormArg,
        /// Units of each area, in the order of the data set, say 2,4,4; every unit is an area if absent
        #[arg(long, value_delimiter = ',', value_name = "N,N,…")]
        areas: Option<Vec<usize>>,
        /// Worker threads; all cores if absent
        #[arg(long, value_name = "N", value_parser = parse_threads)]
        threads: Option<usize>,
    },
    /// Store random patterns in the weights of a network and complete them from cues
    Hopfield {
        /// Units
        #[arg(long, default_value_t = 500)]
        units: usize,
        /// Patterns
        #[arg(long, default_value_t = 25)]
        patterns: usize,
        /// Share of the units of a cue that are turned over
        #[arg(long, default_value_t = 0.1)]
        flip: f64,
        /// Areas of one size; the cue is then one of them, held at the pattern, and the others are random
        #[arg(long, value_name = "N")]
        areas: Option<usize>,
        /// Seed of patterns, cues and orders of updates
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Folder to write weights (a data set), patterns and an experiment into
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// A stream of symbols for n-back: its bound without memory, the network made by hand, its unrolled twin
    NBack {
        /// How many places back a symbol has to match
        #[arg(long, default_value_t = 2)]
        back: usize,
        /// Different symbols
        #[arg(long, default_value_t = 8)]
        symbols: usize,
        /// Length of the stream
        #[arg(long, default_value_t = 1000)]
        length: usize,
        /// Probability of a target
        #[arg(long, default_value_t = 0.3)]
        targets: f64,
        /// Probability of a lure, which matches one place before or after
        #[arg(long, default_value_t = 0.1)]
        lures: f64,
        /// Seed
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Table to write: step, symbol, target, lure, and a column a symbol
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum FormArg {
    /// All areas one step before
    Synchronous,
    /// Lower areas at the same step
    Sweep,
}

pub(super) fn rnn(command: &RnnCommand, answer: Answer) -> Result<ExitCode, Failure> {
    match command {
        RnnCommand::Import {
            description,
            output,
            threads,
        } => import(description, output, threads.unwrap_or_else(cores), answer),
        RnnCommand::Unroll {
            config,
            form,
            areas,
            threads,
        } => {
            let threads = threads.unwrap_or_else(cores);
            unroll(config, *form, areas.as_deref(), threads, answer)
        }
        RnnCommand::Hopfield {
            units,
            patterns,
            flip,
            areas,
            seed,
            output,
        } => {
            let size = (*units, *patterns);
            store(size, *flip, *areas, *seed, output.as_deref(), answer)
        }
        RnnCommand::NBack {
            back,
            symbols,
            length,
            targets,
            lures,
            seed,
            output,
        } => {
            let task = NBack {
                back: *back,
                symbols: *symbols,
                length: *length,
                targets: *targets,
                lures: *lures,
            };
            n_back(&task, *seed, output.as_deref(), answer)
        }
    }
}

/// A network as another program left it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    /// One line.
    title: String,
    /// Who made it.
    source: String,
    /// f.
    nonlinearity: Nonlinearity,
    /// Where the leak stands.
    leak: Leak,
    /// Leak in a step; or `dt` and `tau`.
    #[serde(default)]
    alpha: Option<f64>,
    #[serde(default)]
    dt: Option<Quantity>,
    #[serde(default)]
    tau: Option<Quantity>,
    /// File that holds all arrays; without it each name below is a file.
    #[serde(default)]
    arrays: Option<String>,
    /// Recurrent weights [unit, unit].
    recurrent: String,
    /// Input weights [unit, channel].
    input: String,
    /// Biases [unit].
    #[serde(default)]
    bias: Option<String>,
    /// How many units make each area, in their order; without it they are in none.
    #[serde(default)]
    areas: Option<Vec<usize>>,
    /// 1 or -1 for each unit that sends, for weights under Dale's principle.
    #[serde(default)]
    signs: Option<String>,
    /// Inputs [step, channel] and the states that they gave [step, unit], from states of 0.
    reference: Reference,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    input: String,
    states: String,
}

/// A replay of float32 weights may differ by this much, as a fraction of the largest state.
const REPLAY: f64 = 1e-6;

/// A network as a data set: names, weights by (target, source), biases, rows of `areas.csv` in order.
struct Exported {
    names: Vec<String>,
    weights: Vec<(usize, usize, f64)>,
    columns: Vec<(&'static str, &'static str, Vec<f64>)>,
}

fn import(path: &Path, output: &Path, threads: usize, answer: Answer) -> Result<ExitCode, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let config = Config::parse(&path.display().to_string(), &text)?;
    let it: Description = config.deserialize()?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let array = |name: &str| -> Result<Array2<f64>, ArrayError> {
        match &it.arrays {
            Some(file) => arrays::read(&folder.join(file), Some(name)),
            None => arrays::read(&folder.join(name), None),
        }
    };
    let at = |key: &str, message: String| Failure::from(config.error(key, message));
    let alpha = leak_of(&it, &at)?;
    let mut recurrent = array(&it.recurrent)?;
    let n = recurrent.nrows();
    let input = array(&it.input)?;
    let bias = it.bias.as_deref().map(&array).transpose()?;
    let bias = bias.map_or_else(|| vec![0.0; n], |b| b.into_iter().collect());
    if let Some(signs) = &it.signs {
        let signs: Vec<f64> = array(signs)?.into_iter().collect();
        recurrent = dale(&recurrent, &signs).map_err(|e| at("signs", e.to_string()))?;
    }
    let (x, states) = (array(&it.reference.input)?, array(&it.reference.states)?);
    let channels = input.ncols();
    if x.nrows() == 0 || channels == 0 {
        let message = format!(
            "shape: found {:?}, expected at least one step and one channel",
            x.dim()
        );
        return Err(at("reference.input", message));
    }
    for (key, found, expected) in [
        ("recurrent", recurrent.dim(), (n, n)),
        ("input", input.dim(), (n, channels)),
        ("bias", (bias.len(), 1), (n, 1)),
        ("reference.states", states.dim(), (x.nrows(), n)),
        ("reference.input", x.dim(), (states.nrows(), channels)),
    ] {
        if found != expected {
            return Err(at(
                key,
                format!("shape: found {found:?}, expected {expected:?}"),
            ));
        }
    }
    let numbers = [&recurrent, &input, &x, &states].into_iter().flatten();
    if let Some(odd) = numbers.chain(&bias).find(|w| !w.is_finite()) {
        return Err(format!("arrays: found {odd}, expected finite numbers").into());
    }

    let channel = |k: usize| format!("in{}", k + 1);
    let mut names: Vec<String> = (0..channels).map(channel).collect();
    match &it.areas {
        None => names.extend((0..n).map(|i| format!("u{}", i + 1))),
        Some(sizes) => {
            let sum = sizes.iter().fold(0usize, |sum, k| sum.saturating_add(*k));
            if sum != n || sizes.contains(&0) {
                let message = format!(
                    "units of areas: found {sizes:?}, expected numbers above 0 with sum {n}"
                );
                return Err(at("areas", message));
            }
            for (k, size) in sizes.iter().enumerate() {
                names.extend((1..=*size).map(|i| format!("a{}_u{i}", k + 1)));
            }
        }
    }
    let mut weights = Vec::new();
    for (offset, matrix) in [(0, &input), (channels, &recurrent)] {
        for ((i, j), w) in matrix.indexed_iter() {
            weights.push((channels + i, offset + j, *w));
        }
    }
    let mut all = vec![0.0; channels];
    all.extend(bias);
    write_data_set(
        output,
        &Exported {
            names,
            weights,
            columns: vec![("bias", "bias of the unit", all)],
        },
        &it.title,
        &it.source,
    )?;
    let experiment = output.join("experiment.yaml");
    write(&experiment, &replay_of(&it, alpha, &x))?;

    let stop = stop_flag()?;
    let mut lab = Lab::new(&experiment.display().to_string(), &[], None, threads)?;
    let run = lab.activity("a_u", &stop)?;
    let largest = states
        .iter()
        .fold(0.0, |m: f64, a| m.max(a.abs()))
        .max(f64::MIN_POSITIVE);
    let mut departure: f64 = 0.0;
    for ((t, i), a) in states.indexed_iter() {
        let off = (run[[t + 1, channels + i]] - a).abs() / largest;
        departure = if off > departure || off.is_nan() {
            off
        } else {
            departure
        };
    }
    let links = recurrent
        .iter()
        .chain(&input)
        .filter(|w| **w != 0.0)
        .count();
    let text = || {
        format!(
            "{}: {n} units, {channels} input channels, {links} weights, alpha {alpha}\n{} written\nreplay of {} \
             steps: largest difference {} of the largest state, at most {REPLAY:.0e} expected",
            it.title,
            output.display(),
            x.nrows(),
            number(departure),
        )
    };
    let json = || {
        json!({
            "title": it.title,
            "folder": output,
            "units": n,
            "channels": channels,
            "weights": links,
            "alpha": alpha,
            "replayed_steps": x.nrows(),
            "largest_difference": departure,
            "allowed_difference": REPLAY,
        })
    };
    answer.print(text, json)?;
    // NaN, too, is no replay.
    if departure <= REPLAY {
        return Ok(ExitCode::SUCCESS);
    }
    Err("the reference is not replayed: found other states than expected; is `leak`, `nonlinearity` or the \
         orientation of a matrix (row = unit that receives) another one?"
        .into())
}

fn leak_of(it: &Description, at: &dyn Fn(&str, String) -> Failure) -> Result<f64, Failure> {
    let alpha = match (it.alpha, it.dt, it.tau) {
        (Some(alpha), None, None) => alpha,
        (None, Some(dt), Some(tau)) => dt.expect(Dimension::TIME)? / tau.expect(Dimension::TIME)?,
        _ => {
            return Err(at(
                "leak",
                "leak of a step: expected either `alpha`, or `dt` and `tau`".to_owned(),
            ));
        }
    };
    match alpha > 0.0 && alpha <= 1.0 {
        true => Ok(alpha),
        false => Err(at(
            "leak",
            format!("leak of a step: found {alpha}, expected above 0 to 1"),
        )),
    }
}

/// The experiment that replays the reference: a unit a channel holds the input of the step.
///
/// A channel is shown one step ahead and starts at its first value, so that units see the input of step t when
/// they go from state t to state t + 1.
fn replay_of(it: &Description, alpha: f64, x: &Array2<f64>) -> String {
    let (tau, seen) = match it.leak {
        Leak::Outside => (1.0 / alpha, 1.0),
        Leak::Inside => (1.0, alpha),
    };
    let mut out = format!(
        "# A step of the network is 1 ms.\ntitle: {}\nsources: [{}]\nconnectome: {{data: .}}\ncircuit:\n  name: \
         leaky_rnn\n  parameters: {{tau: {tau:?} ms, alpha: {seen:?}, b: 0, gain: 1{}}}\n  areas:\n",
        quoted(&it.title),
        quoted(&it.source),
        shares(it.nonlinearity, true),
    );
    for k in 1..=x.ncols() {
        let f = shares(Nonlinearity::Identity, true);
        let _ = writeln!(out, "    in{k}: {{tau: 1 ms, alpha: 1, b: 0{f}}}");
    }
    out += "gradients:\n  bias: {map: bias, strength: 1, adds: {b: 1}}\nprojections:\n  weights: {weights: signed, \
            from: a_u, to: {I_u: 1}}\nbaseline: {state: {a_u: 0}}\ninitial:\n  all: {a_u: 0}\n";
    for (k, first) in x.row(0).iter().enumerate() {
        let _ = writeln!(out, "  in{}: {{a_u: {first:?}}}", k + 1);
    }
    let mut stimuli = String::new();
    for (k, column) in x.columns().into_iter().enumerate() {
        for (t, value) in column
            .iter()
            .enumerate()
            .skip(1)
            .filter(|(_, v)| **v != 0.0)
        {
            let _ = writeln!(
                stimuli,
                "  in{}_{t}: {{into: I_u, areas: [in{}], amplitude: {value:?}, onset: {} ms, offset: {t} ms}}",
                k + 1,
                k + 1,
                t - 1
            );
        }
    }
    if !stimuli.is_empty() {
        out += "stimuli:\n";
        out += &stimuli;
    }
    let _ = write!(
        out,
        "simulation: {{duration: {} ms, dt: 1 ms, discrete: true}}\nrecord: {{variables: [a_u], every: 1 ms}}\n",
        x.nrows()
    );
    out
}

/// The shares of the functions in f as entries of a YAML map, after others.
fn shares(used: Nonlinearity, all: bool) -> String {
    let shown = Nonlinearity::ALL.iter().filter(|f| all || **f == used);
    shown
        .map(|f| format!(", c_{}: {}", f.name(), u8::from(*f == used)))
        .collect()
}

/// Text between double quotes, for YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    replace(path, text.as_bytes())
        .map_err(|e| format!("cannot write {}: {e}", path.display()).into())
}

/// Writes manifest, areas and weights.
fn write_data_set(folder: &Path, it: &Exported, title: &str, source: &str) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
    let mut areas = "area".to_owned();
    it.columns
        .iter()
        .for_each(|(name, ..)| areas += &format!(",{name}"));
    areas.push('\n');
    for (i, name) in it.names.iter().enumerate() {
        areas += name;
        it.columns
            .iter()
            .for_each(|(.., values)| areas += &format!(",{:?}", values[i]));
        areas.push('\n');
    }
    let mut weights = "target,source,weight\n".to_owned();
    for (i, j, w) in it.weights.iter().filter(|(.., w)| *w != 0.0) {
        let _ = writeln!(weights, "{},{},{w:?}", it.names[*i], it.names[*j]);
    }
    let mut manifest = format!(
        "layout: 1\nname: {}\ntitle: {}\nareas: {}\norientation: {{rows: target, columns: source}}\npublications:\n  \
         - {{citation: {}}}\nfiles:\n  areas: {{path: areas.csv, sha256: {}}}\n  weight: {{path: weight.csv, \
         sha256: {}}}\n",
        quoted(&folder.file_name().unwrap_or_default().to_string_lossy()),
        quoted(title),
        it.names.len(),
        quoted(source),
        sha256_hex(areas.as_bytes()),
        sha256_hex(weights.as_bytes()),
    );
    if !it.columns.is_empty() {
        manifest += "gradients:\n";
    }
    for (name, meaning, _) in &it.columns {
        let _ = writeln!(
            manifest,
            "  - {{name: {name}, unit: dimensionless, description: {meaning}}}"
        );
    }
    write(&folder.join("areas.csv"), &areas)?;
    write(&folder.join("weight.csv"), &weights)?;
    write(&folder.join("manifest.yaml"), &manifest)
}

fn unroll(
    config: &ConfigArgs,
    form: FormArg,
    areas: Option<&[usize]>,
    threads: usize,
    answer: Answer,
) -> Result<ExitCode, Failure> {
    let stop = stop_flag()?;
    let mut lab = Lab::new(&config.config, &config.sets, None, threads)?;
    let (form, beside) = match form {
        FormArg::Synchronous => (Form::Synchronous, "the experiment"),
        FormArg::Sweep => (Form::Sweep, "steps in that order"),
    };
    let it = lab.unroll(form, areas, &stop)?;
    let c = it.cost;
    let text = || {
        format!(
            "{} units{}, {} steps\ndepth {} (nodes on the longest path)\nweights and biases: {} shared by all steps, {} \
             if not shared\noperations: {}, as many as in the steps of the recurrent network\nactivities held: {} \
             instead of {}\none pass differs from {beside} by {} of the largest activity",
            it.units,
            areas.map_or_else(String::new, |a| format!(" in {} areas", a.len())),
            it.steps,
            c.depth,
            c.tied,
            c.untied,
            c.operations,
            c.activities,
            it.units,
            number(it.departure),
        )
    };
    let json = || {
        json!({
            "units": it.units,
            "steps": it.steps,
            "depth": c.depth,
            "parameters_shared": c.tied,
            "parameters_not_shared": c.untied,
            "operations": c.operations,
            "activities": c.activities,
            "largest_difference": it.departure,
        })
    };
    answer.print(text, json)?;
    Ok(ExitCode::SUCCESS)
}

fn store(
    (units, patterns): (usize, usize),
    flip: f64,
    areas: Option<usize>,
    seed: u64,
    output: Option<&Path>,
    answer: Answer,
) -> Result<ExitCode, Failure> {
    if !(0.0..=1.0).contains(&flip) {
        return Err(format!("--flip: found {flip}, expected 0 to 1").into());
    }
    // The weights of more take more than 3 GB.
    const MOST: usize = 20_000;
    for (what, found) in [("--units", units), ("--patterns", patterns)] {
        if !(1..=MOST).contains(&found) {
            return Err(format!("{what}: found {found}, expected 1 to {MOST}").into());
        }
    }
    let size = match areas {
        None => 0,
        Some(n) if n > 1 && units.is_multiple_of(n) => units / n,
        Some(n) => {
            return Err(format!(
                "--areas: found {n}, expected 2 or more that divide {units} units"
            )
            .into());
        }
    };
    let x = hopfield::random_patterns(patterns, units, seed);
    let net = Hopfield::store(x.view(), Divisor::Units)?;
    let cued: Vec<usize> = (0..size).collect();
    let load = patterns as f64 / units as f64;
    let rest = hopfield::retrieval_overlap(load);
    let mut out = format!(
        "{units} units, {patterns} patterns, load {load:.3} of at most {:.4}\nlarge networks: {} wrong bits after one \
         step, overlap at rest {}\n\npattern  cue      at rest  sweeps  energy of cue, at rest, of the pattern\n",
        hopfield::capacity(),
        number(hopfield::one_step_error(load)),
        rest.map_or_else(|| "none, beyond capacity".to_owned(), |m| format!("{m:.4}")),
    );
    const SHOWN: usize = 10;
    let mut sum = 0.0;
    let mut recalled = Vec::new();
    let tested = patterns.min(SHOWN);
    for k in 0..tested {
        let seed = seed.wrapping_add(1 + k as u64);
        let start = match areas {
            None => hopfield::flipped(x.row(k), flip, seed),
            Some(_) => hopfield::partial(x.row(k), &cued, seed),
        };
        let end = net.settle(start.view(), Update::Asynchronous, &cued, 1000, seed);
        let [cue, rest] =
            [start.view(), end.state.view()].map(|a| hopfield::overlap(a, x.row(k), size..units));
        let energies = [start.view(), end.state.view(), x.row(k)].map(|a| net.energy(a));
        let [of_cue, at_rest, of_pattern] = energies;
        sum += rest;
        recalled.push(json!({
            "overlap_of_cue": cue,
            "overlap_at_rest": rest,
            "sweeps": end.sweeps,
            "energy_of_cue": of_cue,
            "energy_at_rest": at_rest,
            "energy_of_pattern": of_pattern,
        }));
        let _ = writeln!(
            out,
            "{:<8} {cue:>6.3}   {rest:>6.3}  {:>6}  {of_cue:>8.2} {at_rest:>8.2} {of_pattern:>8.2}",
            k + 1,
            end.sweeps,
        );
    }
    let _ = writeln!(out, "\nmean overlap at rest {:.4}", sum / tested as f64);
    if let Some(folder) = output {
        let weights = net.weights();
        let per_area = if size == 0 { units } else { size };
        let names = (0..units)
            .map(|i| format!("a{}_u{}", i / per_area + 1, i % per_area + 1))
            .collect();
        let of_pattern = x.row(0).to_vec();
        let exported = Exported {
            names,
            weights: weights
                .indexed_iter()
                .map(|((i, j), w)| (i, j, *w))
                .collect(),
            columns: vec![("pattern", "first stored pattern", of_pattern)],
        };
        let title = format!("{patterns} random patterns in {units} units");
        let source = "Hopfield 1982, PNAS 79:2554-2558";
        write_data_set(folder, &exported, &title, source)?;
        let mut table = String::new();
        for row in x.outer_iter() {
            let line: Vec<String> = row.iter().map(|v| format!("{v}")).collect();
            table += &line.join(",");
            table.push('\n');
        }
        write(&folder.join("patterns.csv"), &table)?;
        let _ = writeln!(out, "{} written", folder.display());
    }
    let json = || {
        json!({
            "units": units,
            "patterns": patterns,
            "load": load,
            "capacity": hopfield::capacity(),
            "one_step_error": hopfield::one_step_error(load),
            "overlap_at_rest_of_large_networks": rest,
            "recalled": recalled,
            "mean_overlap_at_rest": sum / tested as f64,
            "folder": output,
        })
    };
    answer.print(|| out, json)?;
    Ok(ExitCode::SUCCESS)
}

fn n_back(
    task: &NBack,
    seed: u64,
    output: Option<&Path>,
    answer: Answer,
) -> Result<ExitCode, Failure> {
    let items = task.stream(seed, 0)?;
    let rnn = n_back::hand_built(task.back, task.symbols)?;
    let x = n_back::one_hot(&items, task.symbols);
    let start = n_back::silent(&rnn);
    let states = rnn.run(start.view(), x.view(), Form::Synchronous)?;
    let responses = n_back::hand_built_responses(&states, task.symbols);
    // The twin is given the last n + 1 symbols at a time.
    let twin = Unrolled::new(&rnn, task.back + 1, Form::Synchronous);
    let mut same = true;
    for t in task.back..items.len() {
        let last = x.slice(ndarray::s![t - task.back..=t, ..]);
        let pass = twin.pass(start.view(), last)?;
        same &= pass.row(task.back) == states.row(t);
    }
    let learned = task.stream(seed, 1)?;
    let guesses = n_back::memoryless_responses(&learned, &items, task.symbols, task.back);
    let line = |s: Score| {
        format!(
            "accuracy {:.4}, hits {:.4}, false alarms {:.4}",
            s.accuracy, s.hits, s.false_alarms
        )
    };
    let judged = &items[task.back..];
    let count = |f: fn(&n_back::Item) -> bool| judged.iter().filter(|i| f(i)).count();
    let mut out = format!(
        "{}-back, {} symbols, {} places judged: {} targets, {} lures\nwithout memory, at most {:.4} on average\n  best \
         answer to each symbol, learned in another stream: {}\nmade by hand, {} units: {}\n  unrolled {} steps, depth \
         {}: {}\n",
        task.back,
        task.symbols,
        judged.len(),
        count(|i| i.target),
        count(|i| i.lure),
        task.memoryless_bound(),
        line(n_back::score(&items, &guesses, task.back)),
        rnn.n_units(),
        line(n_back::score(&items, &responses, task.back)),
        task.back + 1,
        twin.cost().depth,
        if same {
            "the same states, bit for bit"
        } else {
            "OTHER STATES"
        },
    );
    if let Some(path) = output {
        let mut table = "step,symbol,target,lure".to_owned();
        (1..=task.symbols).for_each(|k| table += &format!(",s{k}"));
        table.push('\n');
        for (t, item) in items.iter().enumerate() {
            let _ = write!(
                table,
                "{t},{},{},{}",
                item.symbol + 1,
                u8::from(item.target),
                u8::from(item.lure)
            );
            x.row(t).iter().for_each(|v| table += &format!(",{v}"));
            table.push('\n');
        }
        write(path, &table)?;
        let _ = writeln!(out, "{} written", path.display());
    }
    let json = || {
        let scored = |s: Score| json!({"accuracy": s.accuracy, "hits": s.hits, "false_alarms": s.false_alarms});
        json!({
            "back": task.back,
            "symbols": task.symbols,
            "judged": judged.len(),
            "targets": count(|i| i.target),
            "lures": count(|i| i.lure),
            "memoryless_bound": task.memoryless_bound(),
            "memoryless": scored(n_back::score(&items, &guesses, task.back)),
            "hand_built": scored(n_back::score(&items, &responses, task.back)),
            "units": rnn.n_units(),
            "unrolled_depth": twin.cost().depth,
            "unrolled_is_the_same": same,
            "file": output,
        })
    };
    answer.print(|| out, json)?;
    Ok(if same {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
