//! Analyses as commands on a result file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use ndarray::{Array2, Array3, Axis, Ix3, Ix4, s};

use super::Failure;
use super::show::{Answer, aligned, number, table};
use crate::analysis::bold::Haemodynamics;
use crate::analysis::spectrum::Spectrum;
use crate::analysis::timescale::FitOptions;
use crate::analysis::{fcd, stats};
use crate::circuit::CircuitKind;
use crate::engine;
use crate::network::Network;
use crate::plan::{Execution, Plan};
use crate::record::Results;
use crate::spec;
use crate::spec::suggest::did_you_mean;
use crate::stepper::linear::baseline_state;
use crate::units::rounded;

/// Which recorded activity.
#[derive(Debug, Args)]
struct Series {
    /// Result file
    results: PathBuf,
    /// Circuit variable, e.g. nu_I; the first excitatory one recorded if absent
    #[arg(long)]
    variable: Option<String>,
    /// Leave out activity before this time, ms
    #[arg(long, default_value_t = 0.0, value_name = "MS")]
    after: f64,
}

#[derive(Debug, Args)]
pub(super) struct TimescaleArgs {
    #[command(flatten)]
    series: Series,
    /// Longest lag of the autocorrelation, ms
    #[arg(long, default_value_t = 6000.0, value_name = "MS")]
    max_lag: f64,
}

#[derive(Debug, Args)]
pub(super) struct FcArgs {
    #[command(flatten)]
    series: Series,
    /// Correlate the BOLD signal that the activity, per second, would evoke: friston_rate, deco_tau or
    /// friston_rate_3t; --after then counts from the first sample
    #[arg(long, value_name = "PRESET", requires = "tr")]
    bold: Option<String>,
    /// With --bold: repetition time, ms
    #[arg(long, value_name = "MS", requires = "bold")]
    tr: Option<f64>,
}

#[derive(Debug, Args)]
pub(super) struct FcdArgs {
    #[command(flatten)]
    of: FcArgs,
    /// Length of a window, ms
    #[arg(long, default_value_t = 60_000.0, value_name = "MS")]
    window: f64,
    /// From the start of a window to that of the next, ms
    #[arg(long, default_value_t = 2000.0, value_name = "MS")]
    step: f64,
    /// Another result file, read in the same way: the Kolmogorov-Smirnov distance of both distributions
    #[arg(long, value_name = "RESULTS")]
    against: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct SpectraArgs {
    #[command(flatten)]
    series: Series,
    /// Length of the segments that are averaged, ms; frequencies are at least its inverse apart
    #[arg(long, default_value_t = 1000.0, value_name = "MS")]
    segment: f64,
}

#[derive(Debug, Args)]
pub(super) struct ModeArgs {
    /// Config, bundled name, or result file
    source: String,
    /// Override any key
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// How many of the slowest modes to show
    #[arg(long, default_value_t = 10)]
    count: usize,
    /// State variable whose components give the inverse participation ratio; the first if absent
    #[arg(long)]
    variable: Option<String>,
}

/// Recorded activity read back.
struct Read {
    areas: Vec<String>,
    unit: &'static str,
    dt_ms: f64,
    /// [replicate, time, area]
    values: Array3<f64>,
}

impl Read {
    /// A length of time as a number of samples.
    fn samples(&self, what: &str, ms: f64) -> Result<usize, Failure> {
        let dt_ms = self.dt_ms;
        let samples = (ms / dt_ms).round();
        if samples >= 1.0 && (samples * dt_ms / ms - 1.0).abs() < 1e-9 {
            return Ok(samples as usize);
        }
        let expected = "expected a multiple of the interval of samples";
        Err(format!("{what}: found {ms} ms, {expected}, {dt_ms} ms").into())
    }
}

impl Series {
    /// Activity of a file from `after` on, ms.
    fn read(&self, path: &Path, after: f64) -> Result<Read, Failure> {
        let file = Results::open(path)?;
        let name = file.attr_text("circuit")?;
        let kind = CircuitKind::find(&name)
            .ok_or_else(|| format!("unknown circuit in the file: found `{name}`"))?;
        let info = kind.info();
        let time = file.coord_f64("time")?;
        let areas = file.coord_text("area")?;
        // A variable is a dataset of its own, or one population of its quantity's dataset.
        let has = |name: &str| {
            file.vars()
                .iter()
                .any(|v| v.name == name && v.dims.len() >= 3)
        };
        let recorded = |v: &&crate::circuit::Variable| {
            let in_population = has(v.quantity)
                && file
                    .coord_text("population")
                    .is_ok_and(|p| p.iter().any(|p| p == v.population));
            has(v.name) || in_population
        };
        let known: Vec<&crate::circuit::Variable> =
            info.variables.iter().filter(recorded).collect();
        let wanted = match &self.variable {
            None => known
                .iter()
                .find(|v| v.population == "E")
                .or(known.first())
                .copied(),
            Some(name) => known.iter().find(|v| v.name == *name).copied(),
        };
        let Some(variable) = wanted else {
            let found = self.variable.clone().unwrap_or_default();
            let names: Vec<&str> = known.iter().map(|v| v.name).collect();
            let hint = did_you_mean(&found, names.iter().copied());
            let names = names.join(", ");
            return Err(
                format!("not recorded: found `{found}`, the file has {names}{hint}").into(),
            );
        };
        let values: Array3<f64> = if has(variable.name) {
            file.read(variable.name)?.into_dimensionality::<Ix3>()?
        } else {
            let population = file.coord_text("population")?;
            let at = population
                .iter()
                .position(|p| p == variable.population)
                .unwrap_or_default();
            let all = file.read(variable.quantity)?.into_dimensionality::<Ix4>()?;
            all.index_axis(Axis(3), at).to_owned()
        };
        if after.is_nan() {
            return Err("found --after NaN, expected a time in ms".into());
        }
        let samples = finished(path, &values);
        if samples < time.len() {
            tracing::warn!(
                "{}: the run did not finish, {samples} of {} samples are there",
                path.display(),
                time.len()
            );
        }
        if samples < 2 {
            return Err(format!("too few samples: found {samples}, expected 2 or more").into());
        }
        let time = &time[..samples];
        let first = time.partition_point(|t| *t < after);
        let dt_ms = (time[time.len() - 1] - time[0]) / (time.len() - 1) as f64;
        if first + 2 > time.len() {
            return Err(format!(
                "nothing left: found --after {after} ms, expected less than {} ms",
                time[time.len() - 1]
            )
            .into());
        }
        Ok(Read {
            areas,
            unit: variable.unit,
            dt_ms,
            values: values.slice(s![.., first..samples, ..]).to_owned(),
        })
    }
}

/// Number of samples that a run wrote: an interrupted one leaves a `.partial` whose end is unset.
pub(super) fn finished(path: &Path, values: &Array3<f64>) -> usize {
    let all = values.len_of(Axis(1));
    if path.extension().is_none_or(|e| e != "partial") {
        return all;
    }
    let unset = |k: &usize| values.index_axis(Axis(1), *k).iter().all(|x| x.is_nan());
    all - (0..all).rev().take_while(unset).count()
}

pub(super) fn timescales(args: &TimescaleArgs, answer: Answer) -> Result<ExitCode, Failure> {
    if args.max_lag.is_nan() || args.max_lag <= 0.0 {
        return Err(format!("found --max-lag {}, expected above 0 ms", args.max_lag).into());
    }
    let read = args.series.read(&args.series.results, args.series.after)?;
    let options = FitOptions {
        max_lag_ms: args.max_lag,
        ..FitOptions::default()
    };
    let rows = engine::simulated_timescales(read.values.view(), read.dt_ms, &options)?;
    let by_area = || read.areas.iter().zip(&rows);
    let json = || {
        let one = |(area, row): (&String, &engine::TimescaleRow)| {
            let row = serde_json::json!({
                "timescale_ms": row.tau_ms,
                "exponentials": row.exponentials,
                "reached_floor": row.reached_floor,
                "at_bound": row.at_bound,
            });
            (area.clone(), row)
        };
        by_area().map(one).collect()
    };
    let text = || {
        let mut out = table(
            &["area", "timescale (ms)", "exponentials"],
            &[false, true, true],
        );
        for (area, row) in by_area() {
            let mark = if row.is_uncertain() { "*" } else { " " };
            let tau = row.tau_ms.map_or("–".to_owned(), number);
            out.add_row(vec![
                aligned(area, false),
                aligned(format!("{tau}{mark}"), true),
                aligned(row.exponentials, true),
            ]);
        }
        let mut text = out.to_string();
        if rows.iter().any(engine::TimescaleRow::is_uncertain) {
            text += "\n\n* depends on the longest lag (--max-lag) or on the longest time constant of the fit";
        }
        text
    };
    answer.print(text, json)?;
    Ok(ExitCode::SUCCESS)
}

/// The BOLD signal of recorded activity, one sample a repetition time from `after` on.
fn bold(read: Read, preset: &str, tr_ms: f64, after: f64) -> Result<Read, Failure> {
    let Some(haemodynamics) = Haemodynamics::preset(preset) else {
        let known = Haemodynamics::PRESETS;
        let hint = did_you_mean(preset, known.iter().map(|k| k.0));
        let known: Vec<&str> = known.iter().map(|k| k.0).collect();
        let known = known.join(", ");
        return Err(
            format!("unknown preset: found `{preset}`, expected one of {known}{hint}").into(),
        );
    };
    let every = (tr_ms / read.dt_ms).round();
    if !(every >= 1.0 && (every * read.dt_ms / tr_ms - 1.0).abs() < 1e-9) {
        let dt_ms = read.dt_ms;
        return Err(format!(
            "repetition time: found --tr {tr_ms} ms, expected a multiple of the sampling interval, {dt_ms} ms"
        )
        .into());
    }
    let (every, first) = (
        every as usize,
        (after.max(0.0) / read.dt_ms).ceil() as usize,
    );
    let samples = read.values.len_of(Axis(1));
    let scans: Vec<usize> = (first..samples).step_by(every).collect();
    if scans.len() < 2 {
        let found = scans.len();
        return Err(
            format!("too few scans: found {found} after {after} ms, expected 2 or more").into(),
        );
    }
    let (replicates, areas) = (read.values.len_of(Axis(0)), read.areas.len());
    let mut values = Array3::zeros((replicates, scans.len(), areas));
    for r in 0..replicates {
        for a in 0..areas {
            let signal =
                haemodynamics.bold(&read.values.slice(s![r, .., a]).to_vec(), read.dt_ms)?;
            for (to, &k) in scans.iter().enumerate() {
                values[[r, to, a]] = signal[k];
            }
        }
    }
    Ok(Read {
        unit: "1",
        dt_ms: tr_ms,
        values,
        ..read
    })
}

impl FcArgs {
    /// Activity of a file, or the BOLD signal that it evokes.
    fn read(&self, path: &Path) -> Result<Read, Failure> {
        match (&self.bold, self.tr) {
            (Some(preset), Some(tr_ms)) => {
                let after = self.series.after;
                bold(self.series.read(path, 0.0)?, preset, tr_ms, after)
            }
            _ => self.series.read(path, self.series.after),
        }
    }
}

pub(super) fn functional_connectivity(args: &FcArgs, answer: Answer) -> Result<ExitCode, Failure> {
    let read = args.read(&args.series.results)?;
    let matrix = engine::simulated_connectivity(read.values.view())?;
    let text = || {
        let mut header = vec!["area"];
        header.extend(read.areas.iter().map(String::as_str));
        let numeric: Vec<bool> = (0..header.len()).map(|i| i > 0).collect();
        let mut out = table(&header, &numeric);
        for (area, row) in read.areas.iter().zip(matrix.rows()) {
            let mut cells = vec![aligned(area, false)];
            cells.extend(row.iter().map(|r| aligned(format!("{r:.2}"), true)));
            out.add_row(cells);
        }
        out.to_string()
    };
    let json = || serde_json::json!({ "areas": read.areas, "correlation": rows(&matrix) });
    answer.print(text, json)?;
    Ok(ExitCode::SUCCESS)
}

/// The rows of a matrix, for JSON.
fn rows(m: &Array2<f64>) -> Vec<Vec<f64>> {
    m.rows().into_iter().map(|r| r.to_vec()).collect()
}

/// The correlations between windows, each pair once, of all replicates.
fn pairs_of_windows(matrices: &[Array2<f64>]) -> Result<Vec<f64>, Failure> {
    let mut out = Vec::new();
    for matrix in matrices {
        out.extend(stats::upper_triangle(matrix.view())?);
    }
    Ok(out)
}

pub(super) fn connectivity_dynamics(args: &FcdArgs, answer: Answer) -> Result<ExitCode, Failure> {
    let dynamics = |path: &Path| -> Result<(f64, Vec<Array2<f64>>), Failure> {
        let read = args.of.read(path)?;
        let (window, step) = (
            read.samples("--window", args.window)?,
            read.samples("--step", args.step)?,
        );
        let samples = read.values.len_of(Axis(1));
        let windows = samples
            .checked_sub(window)
            .map_or(0, |rest| rest / step + 1);
        if windows < 2 {
            let recorded = rounded(samples as f64 * read.dt_ms);
            return Err(format!(
                "found {windows} windows of {} ms, one every {} ms, in {recorded} ms of activity, expected 2 or more; \
                 `--window` and `--step` say how long they are",
                args.window, args.step
            )
            .into());
        }
        let all = engine::connectivity_dynamics(read.values.view(), window, step)?;
        Ok((read.dt_ms, all))
    };
    let (dt_ms, matrices) = dynamics(&args.of.series.results)?;
    let values = pairs_of_windows(&matrices)?;
    let distance = match &args.against {
        None => None,
        Some(path) => Some(fcd::ks_distance(
            &values,
            &pairs_of_windows(&dynamics(path)?.1)?,
        )?),
    };
    let json = || {
        serde_json::json!({
            "window_ms": args.window,
            "step_ms": args.step,
            "sample_ms": dt_ms,
            "dynamics": matrices.iter().map(rows).collect::<Vec<_>>(),
            "distance": distance,
        })
    };
    let mut sorted = values;
    sorted.sort_by(f64::total_cmp);
    let quantile = |q: f64| sorted[(q * (sorted.len() - 1) as f64).round() as usize];
    let mut text = format!(
        "{} windows of {} ms, one every {} ms, in {} replicates; {} pairs of windows\ncorrelation of their \
         connectivities: mean {:.3}, SD {:.3}\nquantiles 5, 25, 50, 75, 95 %: {:.3}, {:.3}, {:.3}, {:.3}, {:.3}",
        matrices[0].nrows(),
        args.window,
        args.step,
        matrices.len(),
        sorted.len(),
        stats::mean(&sorted)?,
        // One pair of windows has no spread.
        if sorted.len() > 1 {
            stats::sd(&sorted)?
        } else {
            0.0
        },
        quantile(0.05),
        quantile(0.25),
        quantile(0.5),
        quantile(0.75),
        quantile(0.95),
    );
    if let (Some(distance), Some(path)) = (distance, &args.against) {
        text += &format!(
            "\nKolmogorov-Smirnov distance from {}: {distance:.3}",
            path.display()
        );
    }
    answer.print(|| text, json)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn spectra(args: &SpectraArgs, answer: Answer) -> Result<ExitCode, Failure> {
    let read = args.series.read(&args.series.results, args.series.after)?;
    let segment = read.samples("--segment", args.segment)?;
    let found = engine::spectra(read.values.view(), read.dt_ms, segment)?;
    let frequency_hz = found.first().map_or(&[][..], |s| &s.frequency_hz);
    // The integral of the density is the variance, but for what the window takes from slow changes.
    let sd = |s: &Spectrum| {
        let width_hz = frequency_hz.get(1).copied().unwrap_or_default();
        (s.density.iter().sum::<f64>() * width_hz).sqrt()
    };
    let text = || {
        let (density, spread) = match read.unit {
            "1" => ("density there (1/Hz)".to_owned(), "SD".to_owned()),
            "Hz" => ("density there (Hz)".to_owned(), "SD (Hz)".to_owned()),
            unit => (
                format!("density there ({unit}²/Hz)"),
                format!("SD ({unit})"),
            ),
        };
        let mut out = table(
            &["area", "peak (Hz)", &density, &spread],
            &[false, true, true, true],
        );
        // What rises down to the lowest frequency that the segments resolve has its peak below that, or none.
        let lowest = frequency_hz.get(1).copied();
        let mut falling = false;
        for (area, one) in read.areas.iter().zip(&found) {
            let highest = one.density.iter().skip(1).copied().fold(0.0, f64::max);
            let peak = match one.peak_hz() {
                None => "–".to_owned(),
                Some(hz) if Some(hz) == lowest => {
                    falling = true;
                    format!("≤ {}", number(hz))
                }
                Some(hz) => number(hz),
            };
            out.add_row(vec![
                aligned(area, false),
                aligned(peak, true),
                aligned(number(highest), true),
                aligned(number(sd(one)), true),
            ]);
        }
        let mut text = format!(
            "{out}\n\n{} segments of {} ms, half overlapping, in {} replicates",
            (read.values.dim().1 - segment) / (segment / 2) + 1,
            args.segment,
            read.values.dim().0,
        );
        if falling {
            text += "\n≤: largest at the lowest frequency that segments of this length resolve, so perhaps no peak";
        }
        text
    };
    let json = || {
        let one = |(area, one): (&String, &Spectrum)| (area.clone(), one.density.clone().into());
        let density: serde_json::Map<String, serde_json::Value> =
            read.areas.iter().zip(&found).map(one).collect();
        serde_json::json!({ "frequency_hz": frequency_hz, "density": density })
    };
    answer.print(text, json)?;
    Ok(ExitCode::SUCCESS)
}

/// The experiment of a config, a bundled name, or the config inside a result file.
fn experiment(source: &str, sets: &[String]) -> Result<spec::ExperimentSpec, Failure> {
    let is_results = Path::new(source)
        .extension()
        .is_some_and(|e| e == "h5" || e == "nc" || e == "partial");
    if !is_results {
        return Ok(spec::load(source, sets)?);
    }
    let config = Results::open(source)?.attr_text("config")?;
    Ok(spec::from_text(
        &format!("config in {source}"),
        &config,
        sets,
    )?)
}

pub(super) fn modes(args: &ModeArgs, answer: Answer) -> Result<ExitCode, Failure> {
    let spec = experiment(&args.source, &args.sets)?;
    let network = Network::build(&spec)?;
    let plan = Plan::compile(&network, &spec, Execution::default())?;
    let baseline = baseline_state(&plan)?;
    let info = network.info();
    let states: Vec<&str> = info.variables[..info.states]
        .iter()
        .map(|v| v.name)
        .collect();
    let wanted = args.variable.as_deref().unwrap_or(states[0]);
    let Some(v) = states.iter().position(|s| *s == wanted) else {
        let hint = did_you_mean(wanted, states.iter().copied());
        let known = states.join(", ");
        return Err(
            format!("unknown state: found `{wanted}`, expected one of {known}{hint}").into(),
        );
    };
    let eigen = engine::modes(&plan, &baseline)?;
    let modes = engine::mode_table(&plan, &eigen, v);
    let count = args.count.min(modes.real.len());
    let strongest = |k: usize| -> Vec<(String, f64)> {
        let size = eigen.magnitudes(k).unwrap_or_default();
        let own = |a: usize| size.get(a * info.states + v).copied().unwrap_or(0.0);
        let mut areas: Vec<usize> = (0..network.n_areas()).collect();
        areas.sort_by(|&a, &b| own(b).total_cmp(&own(a)));
        let norm = areas.iter().map(|&a| own(a).powi(2)).sum::<f64>().sqrt();
        areas
            .iter()
            .take(4)
            .map(|&a| (plan.areas[a].clone(), own(a) / norm))
            .collect()
    };
    let json = || {
        let one = |k: usize| {
            serde_json::json!({
                "eigenvalue_per_ms": [modes.real[k], modes.imag[k]],
                "timescale_ms": modes.timescale_ms[k],
                "inverse_participation_ratio": modes.participation[k],
                "strongest_areas": strongest(k),
            })
        };
        (0..count).map(one).collect()
    };
    let text = || {
        let header = [
            "mode",
            "timescale (ms)",
            "frequency (Hz)",
            "inverse participation",
            "strongest areas",
        ];
        let mut out = table(&header, &[true, true, true, true, false]);
        for k in 0..count {
            let areas: Vec<String> = strongest(k)
                .into_iter()
                .map(|(name, size)| format!("{name} {size:.2}"))
                .collect();
            let hertz = modes.imag[k].abs() * 1e3 / std::f64::consts::TAU;
            out.add_row(vec![
                aligned(k, true),
                aligned(number(modes.timescale_ms[k]), true),
                aligned(number(hertz), true),
                aligned(format!("{:.2}", modes.participation[k]), true),
                aligned(areas.join(", "), false),
            ]);
        }
        let mut text = out.to_string();
        if modes.timescale_ms[..count].iter().any(|tau| *tau < 0.0) {
            text += "\n\nnegative timescales: these modes grow; the network was linearised about its baseline, \
                     which is no stable state";
        }
        text
    };
    answer.print(text, json)?;
    Ok(ExitCode::SUCCESS)
}
