//! What a page shows, gathered from a result file: what the file does not hold is not there.

use std::collections::BTreeMap;

use ndarray::{Array3, Ix2, Ix3, Ix4};
use serde_json::{Map, Value, json};

use super::super::Failure;
use super::super::results::finished;
use super::traces::{self, Cut, Series, Variable};
use crate::engine::{self, PeakStart};
use crate::ids::AreaId;
use crate::network::Network;
use crate::record::{Attr, Results, VarInfo};
use crate::spec;
use crate::stimulus::Stimulus;

/// Bytes of all matrices together: more would make most of the page.
const MATRIX_BYTES: usize = 2_500_000;
/// Matrices of more areas are shown with three digits instead of four: a cell is a few pixels wide.
const FINE_MATRIX: usize = 150;

/// Gathered for a page.
#[derive(Debug)]
pub(super) struct Contents {
    /// Title of the run.
    pub(super) title: String,
    /// Everything that the scripts read.
    pub(super) json: Value,
    /// What had to be left out, and why.
    pub(super) notes: Vec<String>,
    /// How much there is, for the terminal.
    pub(super) summary: String,
}

/// A number with so many significant digits; `null` for what is not finite.
pub(super) fn significant(x: f64, digits: usize) -> Value {
    if !x.is_finite() {
        return Value::Null;
    }
    let text = format!("{x:.*e}", digits - 1);
    text.parse::<f64>().map_or(Value::Null, |x| json!(x))
}

fn shown(values: impl IntoIterator<Item = f64>) -> Vec<Value> {
    values.into_iter().map(|x| significant(x, 4)).collect()
}

/// Gathers the contents of the page of a run.
///
/// # Errors
/// If the file holds no activity, lacks one of `wanted` or cannot be read.
pub(super) fn contents(file: &Results, wanted: Option<&[usize]>) -> Result<Contents, Failure> {
    let path = file.path().display();
    let mut notes = Vec::new();
    let areas = file.coord_text("area")?;
    let variables = variables(file)?;
    let Some(first) = variables.first() else {
        return Err(format!(
            "{path}: found no variable along replicate, time and area, expected recorded activity"
        )
        .into());
    };
    let time = file.coord_f64("time")?;
    let samples = samples(file, first, time.len())?;
    if samples < time.len() {
        notes.push(format!(
            "The run did not finish: {samples} of {} samples are there, measures are not.",
            time.len()
        ));
    }
    if samples == 0 {
        return Err(format!("{path}: too few samples: found 0, expected 1 or more").into());
    }
    let network = network(file, &mut notes)?;
    let network = network.as_ref();
    let replicates = file.dim_len("replicate")?;
    let conditions = conditions(file, replicates)?;
    let mut series = series(
        replicates,
        &conditions,
        wanted,
        traces::fitting(variables.len(), areas.len(), means(replicates, &conditions)),
        &mut notes,
    )?;
    if let Some(Rebuilt { spec, network, .. }) = network {
        for one in &mut series {
            one.start = engine::peak_start(network, spec, &time[..samples], &one.members);
        }
    }
    let cut = Cut::new(samples, variables.len() * areas.len() * series.len());
    let mut recorded = Vec::new();
    for variable in &variables {
        recorded.push(json!({
            "name": variable.name,
            "doc": variable.doc,
            "units": variable.units,
            "baseline": shown(variable.baseline.iter().copied()),
            "traces": traces::traces(file, variable, areas.len(), cut, &series)?,
        }));
    }
    let times = cut.times(&time).into_iter();
    // NaN, which has no place in the page, for a single sample.
    let sample_every_ms = (time[samples - 1] - time[0]) / (samples - 1) as f64;
    let sample_ms = significant(sample_every_ms, 4);
    let title = file.attr_text("title")?;
    let hierarchy = hierarchy(file, network.map(|n| &n.spec))?;
    let json = json!({
        "file": file.path().file_name().map(|n| n.to_string_lossy()),
        "title": title,
        "made_by": format!("isocortex {}, commit {}", crate::record::VERSION, crate::record::COMMIT),
        "attributes": attributes(file)?,
        "data": network.map_or(Value::Null, |n| tables(&n.network)),
        "areas": areas,
        "gradients": gradients(file)?,
        "lobes": lobes(file)?,
        "positions": positions(file)?,
        "hierarchy": hierarchy,
        "time": times.map(|t| significant(t, 9)).collect::<Vec<_>>(),
        "samples": samples,
        "sample_ms": sample_ms,
        "thinned": cut.thinned(),
        "trials": !conditions.is_empty(),
        "series": described(&series, network.map(|n| &n.network), &areas),
        "variables": recorded,
        "measures": measures(file)?,
        "matrices": matrices(file, network, &areas, &mut notes)?,
        "modes": modes(file)?,
        "spectra": match network {
            Some(n) if !n.network.noise.is_empty() => spectra(file, &variables, samples, sample_every_ms)?,
            _ => Vec::new(),
        },
        "trial_table": trial_table(file, replicates)?,
        "sensitivity": sensitivity(file)?,
        "notes": notes,
    });
    let single = series.iter().filter(|s| s.members.len() == 1).count();
    let what = if conditions.is_empty() {
        "replicates"
    } else {
        "trials"
    };
    let summary = format!(
        "{} areas, {} variables, {single} of {replicates} {what}",
        areas.len(),
        variables.len()
    );
    Ok(Contents {
        title,
        json,
        notes,
        summary,
    })
}

/// The network of the config inside the file.
pub(super) struct Rebuilt {
    pub(super) spec: spec::ExperimentSpec,
    pub(super) network: Network,
    /// Whether the data set is the one of the run.
    same_data: bool,
}

/// Builds the network anew, or notes why that is not possible.
pub(super) fn network(file: &Results, notes: &mut Vec<String>) -> Result<Option<Rebuilt>, Failure> {
    let config = file.attr_text("config")?;
    let name = format!("config in {}", file.path().display());
    let built = spec::from_text(&name, &config, &[])
        .map_err(Failure::from)
        .and_then(|spec| Ok((Network::build(&spec)?, spec)));
    let (network, spec) = match built {
        Ok(built) => built,
        Err(e) => {
            notes.push(format!(
                "Stimuli and anatomy are not shown, because the network of the config cannot be built: {e}"
            ));
            return Ok(None);
        }
    };
    let stored = file.attr_text("connectome_sha256")?;
    let found = network.connectome.provenance.digest();
    let same_data = stored == found;
    if !same_data {
        notes.push(format!(
            "Anatomy is not shown, because the data set changed: found {} with sha256 {found}, expected \
             {stored}.",
            network.connectome.provenance.source
        ));
    }
    Ok(Some(Rebuilt {
        spec,
        network,
        same_data,
    }))
}

/// Names, titles and hashes of the tables that the connectome was read from.
pub(super) fn tables(network: &Network) -> Value {
    let provenance = &network.connectome.provenance;
    json!({
        "title": provenance.title,
        "species": provenance.species,
        "terms": provenance.terms.as_ref().map(|t| json!(t)),
        "files": provenance.files,
    })
}

/// Recorded variables: datasets along replicate, time and area, one for each population.
fn variables(file: &Results) -> Result<Vec<Variable>, Failure> {
    let mut out = Vec::new();
    let areas = file.dim_len("area")?;
    for var in file.vars() {
        let dims: Vec<&str> = var.dims.iter().map(String::as_str).collect();
        let by_population = match dims[..] {
            ["replicate", "time", "area"] => false,
            ["replicate", "time", "area", "population"] => true,
            _ => continue,
        };
        let name = format!("{}_baseline", var.name);
        let baseline = if file.var(&name).is_ok() {
            Some(file.read(&name)?)
        } else {
            None
        };
        let variable = |name: String, doc: String, population: Option<usize>| Variable {
            name,
            doc,
            units: var.units.clone(),
            dataset: var.name.clone(),
            population,
            baseline: (0..areas)
                .map(|a| {
                    let at = population.map_or(vec![a], |p| vec![a, p]);
                    let value = baseline.as_ref().and_then(|b| b.get(&at[..]));
                    value.copied().unwrap_or(f64::NAN)
                })
                .collect(),
        };
        if !by_population {
            out.push(variable(var.name.clone(), var.long_name.clone(), None));
            continue;
        }
        for (p, population) in file.coord_text("population")?.iter().enumerate() {
            // A variable is called by its quantity and its population.
            let name = format!("{}_{population}", var.name);
            let doc = format!("{}, population {population}", var.long_name);
            out.push(variable(name, doc, Some(p)));
        }
    }
    Ok(out)
}

/// Number of samples that the run wrote.
fn samples(file: &Results, variable: &Variable, all: usize) -> Result<usize, Failure> {
    let partial = file.path().extension().is_some_and(|e| e == "partial");
    if !partial {
        return Ok(all);
    }
    let values = file.read(&variable.dataset)?;
    let values: Array3<f64> = match variable.population {
        None => values.into_dimensionality::<Ix3>()?,
        Some(p) => (values.into_dimensionality::<Ix4>()?)
            .index_axis(ndarray::Axis(3), p)
            .to_owned(),
    };
    Ok(finished(file.path(), &values))
}

/// Condition of every trial; empty without a task.
fn conditions(file: &Results, replicates: usize) -> Result<Vec<String>, Failure> {
    let is =
        |a: &crate::record::AuxInfo| a.name == "condition" && a.dim == "replicate" && a.is_text;
    if !file.aux().iter().any(is) {
        return Ok(Vec::new());
    }
    let names = file.coord_text("condition")?;
    if names.len() != replicates {
        return Err(format!(
            "{}: found {} conditions, expected one for each of {replicates} trials",
            file.path().display(),
            names.len()
        )
        .into());
    }
    Ok(names)
}

/// Trials of each condition, in the order of the conditions.
fn by_condition(conditions: &[String]) -> BTreeMap<&str, Vec<usize>> {
    let mut out: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (trial, condition) in conditions.iter().enumerate() {
        out.entry(condition).or_default().push(trial);
    }
    out
}

/// How many means there are beside single replicates.
fn means(replicates: usize, conditions: &[String]) -> usize {
    if replicates == 1 {
        return 0;
    }
    by_condition(conditions).len().max(1)
}

/// Means (over replicates, or over the trials of each condition), then single replicates.
fn series(
    replicates: usize,
    conditions: &[String],
    wanted: Option<&[usize]>,
    most: usize,
    notes: &mut Vec<String>,
) -> Result<Vec<Series>, Failure> {
    let what = if conditions.is_empty() {
        "replicate"
    } else {
        "trial"
    };
    let mut out = Vec::new();
    if replicates > 1 && conditions.is_empty() {
        out.push(Series {
            label: format!("mean of {replicates} replicates"),
            members: (0..replicates).collect(),
            start: PeakStart::default(),
        });
    }
    if replicates > 1 {
        for (condition, members) in by_condition(conditions) {
            // The mean of one trial is that trial, which comes below.
            if members.len() > 1 {
                out.push(Series {
                    label: format!("{condition}: mean of {} trials", members.len()),
                    members,
                    start: PeakStart::default(),
                });
            }
        }
    }
    let single: Vec<usize> = match wanted {
        None => (0..replicates.min(most)).collect(),
        Some(wanted) => {
            for &r in wanted {
                if r >= replicates {
                    return Err(format!(
                        "no such {what}: found --replicates {r}, expected numbers from 0 to {}",
                        replicates - 1
                    )
                    .into());
                }
            }
            let mut single = wanted.to_vec();
            single.sort_unstable();
            single.dedup();
            single
        }
    };
    if wanted.is_none() && single.len() < replicates {
        notes.push(format!(
            "{} of {replicates} {what}s are shown one by one; means are over all of them. `isocortex \
             report --replicates` chooses others.",
            single.len()
        ));
    }
    out.extend(single.into_iter().map(|r| Series {
        label: match conditions.get(r) {
            Some(condition) => format!("trial {r}: {condition}"),
            None if replicates == 1 => "the run".to_owned(),
            None => format!("replicate {r}"),
        },
        members: vec![r],
        start: PeakStart::default(),
    }));
    Ok(out)
}

/// Series as the page reads them, each with the windows of its stimuli.
fn described(series: &[Series], network: Option<&Network>, areas: &[String]) -> Vec<Value> {
    let describe = |s: &Series| {
        json!({
            "label": s.label,
            "members": s.members,
            "peaks": {"is_base": s.start.is_base, "counts_later": s.start.sample > 0},
            "windows": network.map_or_else(Vec::new, |n| windows(n, &s.members, areas)),
        })
    };
    series.iter().map(describe).collect()
}

/// A stimulus while it is on. In the mean over trials with jitter: from the first onset to the last
/// offset.
#[derive(Debug)]
struct Window {
    start_ms: f64,
    end_ms: f64,
    areas: Vec<usize>,
    trials: Vec<usize>,
    varies: bool,
}

fn windows(network: &Network, members: &[usize], areas: &[String]) -> Vec<Value> {
    // The name, and which of several windows of that name.
    let mut found: BTreeMap<(String, u32), Window> = BTreeMap::new();
    let mut add = |key: (String, u32), trial: usize, s: &Stimulus| {
        let window = found.entry(key).or_insert_with(|| Window {
            start_ms: s.onset_ms,
            end_ms: s.offset_ms,
            areas: Vec::new(),
            trials: Vec::new(),
            varies: false,
        });
        window.varies |= window.start_ms != s.onset_ms || window.end_ms != s.offset_ms;
        window.start_ms = window.start_ms.min(s.onset_ms);
        window.end_ms = window.end_ms.max(s.offset_ms);
        window.trials.push(trial);
        let name = |a: &AreaId| network.connectome.areas[a.index()].name.as_str();
        for area in &s.areas {
            if let Some(at) = areas.iter().position(|known| known == name(area))
                && !window.areas.contains(&at)
            {
                window.areas.push(at);
            }
        }
    };
    for &member in members {
        for s in &network.stimuli {
            add((s.name.clone(), 0), member, s);
        }
        if let Some(trials) = &network.trials
            && let Some(trial) = trials.trials.get(member)
        {
            for shown in &trial.shown {
                let event = &trials.events[shown.event];
                let name = match &shown.stimulus {
                    s if s == event => s.clone(),
                    s => format!("{event}: {s}"),
                };
                for part in &shown.parts {
                    add((name.clone(), shown.repeat), member, part);
                }
            }
        }
    }
    let mut rows: Vec<((String, u32), Window)> = found.into_iter().collect();
    rows.sort_by(|a, b| a.1.start_ms.total_cmp(&b.1.start_ms));
    let row = |((name, _), mut w): ((String, u32), Window)| {
        w.trials.dedup();
        json!({
            "name": name,
            "start": significant(w.start_ms, 9),
            "end": significant(w.end_ms, 9),
            "areas": w.areas,
            "in": w.trials.len(),
            "varies": w.varies,
        })
    };
    rows.into_iter().map(row).collect()
}

/// All attributes of the file, whatever they are.
pub(super) fn attributes(file: &Results) -> Result<Map<String, Value>, Failure> {
    let mut out = Map::new();
    for name in file.attr_names()? {
        let value = match file.attr(&name) {
            Ok(Attr::Text(text)) => json!(text),
            Ok(Attr::Int(n)) => json!(n),
            Ok(Attr::Float(x)) => significant(x, 15),
            // What other programs add (arrays, say) is none of ours.
            Err(_) => continue,
        };
        out.insert(name, value);
    }
    Ok(out)
}

/// The gradient by which areas are ordered: that of the analysis, else one called so.
pub(super) fn hierarchy(
    file: &Results,
    spec: Option<&spec::ExperimentSpec>,
) -> Result<Option<String>, Failure> {
    let there = |name: &str| {
        let is = |a: &crate::record::AuxInfo| a.name == name && a.dim == "area" && !a.is_text;
        file.aux().iter().any(is)
    };
    let named = spec.and_then(|s| s.analysis.hierarchy.as_deref());
    let known = named.into_iter().chain(["hierarchy_norm", "hierarchy"]);
    Ok(known.map(str::to_owned).find(|name| there(name)))
}

const PLACES: [&str; 3] = ["inflated_x", "inflated_y", "inflated_z"];

/// Numeric coordinates of the areas, without their places.
pub(super) fn gradients(file: &Results) -> Result<Vec<Value>, Failure> {
    let mut out = Vec::new();
    for aux in file.aux() {
        if aux.dim != "area" || aux.is_text || PLACES.contains(&aux.name.as_str()) {
            continue;
        }
        let text = |what| file.var_attr_text(&aux.name, what).unwrap_or_default();
        out.push(json!({
            "name": aux.name,
            "doc": text("long_name"),
            "units": text("units"),
            "values": shown(file.coord_f64(&aux.name)?),
        }));
    }
    Ok(out)
}

pub(super) fn lobes(file: &Results) -> Result<Option<Vec<String>>, Failure> {
    let is = |a: &crate::record::AuxInfo| a.name == "lobe" && a.dim == "area" && a.is_text;
    Ok(match file.aux().iter().any(is) {
        true => Some(file.coord_text("lobe")?),
        false => None,
    })
}

/// Places of the areas on the inflated surface [mm], an array per axis.
fn positions(file: &Results) -> Result<Option<Vec<Vec<Value>>>, Failure> {
    let there = |name: &&str| {
        file.aux()
            .iter()
            .any(|a| a.name == **name && a.dim == "area")
    };
    if !PLACES.iter().all(there) {
        return Ok(None);
    }
    let axis = |name: &&str| Ok(shown(file.coord_f64(name)?));
    PLACES
        .iter()
        .map(axis)
        .collect::<Result<_, Failure>>()
        .map(Some)
}

/// Variables along one dimension, without those that are NaN throughout.
fn along<'a>(
    file: &'a Results,
    dim: &'a str,
) -> impl Iterator<Item = Result<(&'a VarInfo, Vec<f64>), Failure>> {
    let is = move |v: &&VarInfo| v.dims.len() == 1 && v.dims[0] == dim;
    let read = |v: &'a VarInfo| Ok((v, file.read(&v.name)?.iter().copied().collect()));
    let some = |r: &Result<(&VarInfo, Vec<f64>), Failure>| {
        !r.as_ref()
            .is_ok_and(|(_, values)| values.iter().all(|x| x.is_nan()))
    };
    file.vars().iter().filter(is).map(read).filter(some)
}

/// One number an area: timescale, delay activity, latency. Baselines belong to their variables.
fn measures(file: &Results) -> Result<Vec<Value>, Failure> {
    let mut out = Vec::new();
    for found in along(file, "area") {
        let (var, values) = found?;
        let of_variable = |v: &VarInfo| var.name == format!("{}_baseline", v.name);
        if file.vars().iter().any(of_variable) {
            continue;
        }
        out.push(described_values(var, values));
    }
    Ok(out)
}

fn described_values(var: &VarInfo, values: Vec<f64>) -> Value {
    json!({
        "name": var.name,
        "doc": var.long_name,
        "units": var.units,
        "values": shown(values),
    })
}

fn modes(file: &Results) -> Result<Vec<Value>, Failure> {
    let described = along(file, "mode").map(|r| r.map(|(v, x)| described_values(v, x)));
    described.collect()
}

/// Variables whose spectra are shown.
const SPECTRA: usize = 4;
/// Samples of a variable that spectra are taken of, 160 MB.
const SAMPLES_OF_SPECTRA: usize = 20_000_000;
/// Samples of the shortest and the longest segment.
const SEGMENT: std::ops::RangeInclusive<usize> = 32..=2048;
/// Frequencies of a spectrum on the page; higher ones share a place.
const FREQUENCIES: usize = 120;

/// Power spectra of noisy activity: segments of a quarter of the samples or less, over as many replicates as
/// are read at once.
fn spectra(
    file: &Results,
    variables: &[Variable],
    samples: usize,
    dt_ms: f64,
) -> Result<Vec<Value>, Failure> {
    let longest = (samples / 4 + 1).next_power_of_two() / 2;
    let segment = longest.min(*SEGMENT.end());
    if !SEGMENT.contains(&segment) {
        return Ok(Vec::new());
    }
    let replicates = file.dim_len("replicate")?;
    let mut out = Vec::new();
    for variable in variables.iter().take(SPECTRA) {
        let stored = file.var(&variable.dataset)?;
        let of_replicate: usize = stored.shape[1..].iter().product();
        let read = (SAMPLES_OF_SPECTRA / of_replicate.max(1)).clamp(1, replicates);
        let mut ranges: Vec<_> = stored.shape.iter().map(|n| 0..*n).collect();
        (ranges[0], ranges[1]) = (0..read, 0..samples);
        let values = file.read_slab(&variable.dataset, &ranges)?;
        let values: Array3<f64> = match variable.population {
            None => values.into_dimensionality()?,
            Some(p) => (values.into_dimensionality::<Ix4>()?)
                .index_axis(ndarray::Axis(3), p)
                .to_owned(),
        };
        // Runs that were all stopped have no spectrum, and the page goes on without one.
        let Ok(found) = engine::spectra(values.view(), dt_ms, segment) else {
            continue;
        };
        let Some(places) = found.first().map(|s| places(s.frequency_hz.len())) else {
            continue;
        };
        let mean = |x: &[f64]| -> Vec<Value> {
            let of = |place: &std::ops::Range<usize>| {
                x[place.clone()].iter().sum::<f64>() / place.len() as f64
            };
            shown(places.iter().map(of))
        };
        out.push(json!({
            "name": variable.name,
            "units": variable.units,
            "segment_ms": segment as f64 * dt_ms,
            "of": match (read, replicates) {
                (_, 1) => "half overlapping".to_owned(),
                (a, b) if a == b => format!("half overlapping, of all {a} runs"),
                (a, b) => format!("half overlapping, of the first {a} of {b} runs"),
            },
            "frequency": mean(&found[0].frequency_hz),
            "density": found.iter().map(|s| mean(&s.density)).collect::<Vec<_>>(),
        }));
    }
    Ok(out)
}

/// Frequencies that share a place: one each as long as they are far apart on a logarithmic axis, without 0.
fn places(frequencies: usize) -> Vec<std::ops::Range<usize>> {
    let ratio = (frequencies as f64).powf(1.0 / FREQUENCIES as f64);
    let mut out = Vec::new();
    let mut first = 1;
    while first < frequencies {
        let next = ((first as f64 * ratio) as usize).clamp(first + 1, frequencies);
        out.push(first..next);
        first = next;
    }
    out
}

fn sensitivity(file: &Results) -> Result<Option<Value>, Failure> {
    let Some(found) = along(file, "sensitivity").next() else {
        return Ok(None);
    };
    let (var, values) = found?;
    Ok(Some(json!({
        "names": file.coord_text("sensitivity")?,
        "doc": var.long_name,
        "values": shown(values),
    })))
}

/// Everything along `replicate`: conditions, events, readouts.
fn trial_table(file: &Results, replicates: usize) -> Result<Vec<Value>, Failure> {
    let mut out = Vec::new();
    for aux in file.aux().iter().filter(|a| a.dim == "replicate") {
        let text = |what| file.var_attr_text(&aux.name, what).unwrap_or_default();
        let values = if aux.is_text {
            json!(file.coord_text(&aux.name)?)
        } else {
            json!(shown(file.coord_f64(&aux.name)?))
        };
        out.push(json!({
            "name": aux.name,
            "doc": text("long_name"),
            "units": text("units"),
            "values": values,
        }));
    }
    for var in file.vars() {
        if var.dims != ["replicate"] || var.shape != [replicates] {
            continue;
        }
        let values: Vec<f64> = file.read(&var.name)?.iter().copied().collect();
        let mut column = described_values(var, values);
        if let Ok(choices) = file.var_attr_text(&var.name, "choices") {
            column["choices"] = choices.split(' ').collect();
        }
        out.push(column);
    }
    Ok(out)
}

/// Matrices among the recorded areas, [target, source]: anatomy from the data set, correlations from
/// the file.
fn matrices(
    file: &Results,
    network: Option<&Rebuilt>,
    areas: &[String],
    notes: &mut Vec<String>,
) -> Result<Vec<Value>, Failure> {
    let n = areas.len();
    let mut measured = Vec::new();
    for var in file.vars() {
        if var.dims != ["area", "area_source"] {
            continue;
        }
        let values = file.read(&var.name)?.into_dimensionality::<Ix2>()?;
        if values.iter().all(|x| x.is_nan()) {
            continue;
        }
        measured.push(matrix(&var.name, &var.long_name, &var.units, n, |i, j| {
            values.get((i, j)).copied()
        }));
    }
    let anatomy = match network.filter(|r| r.same_data) {
        Some(rebuilt) => anatomy(rebuilt, areas, notes),
        None => Vec::new(),
    };
    let mut left = MATRIX_BYTES;
    let mut dropped = Vec::new();
    let mut fits = |matrix: &Matrix| {
        let fits = matrix.cells.len() <= left;
        match fits {
            true => left -= matrix.cells.len(),
            false => dropped.push(matrix.name.clone()),
        }
        fits
    };
    // What was computed goes before what can be looked up; anatomy stands first nevertheless.
    let mut kept = |all: Vec<Matrix>| -> Vec<Value> {
        let all = all.into_iter().filter(&mut fits);
        all.map(Matrix::json).collect()
    };
    let measured = kept(measured);
    let anatomy = kept(anatomy);
    if !dropped.is_empty() {
        notes.push(format!(
            "Too large for a page of {n} areas, and left out: {}.",
            dropped.join(", ")
        ));
    }
    Ok([anatomy, measured].concat())
}

fn anatomy(rebuilt: &Rebuilt, areas: &[String], notes: &mut Vec<String>) -> Vec<Matrix> {
    let connectome = &rebuilt.network.connectome;
    let at: Option<Vec<usize>> = areas
        .iter()
        .map(|name| connectome.area_id(name).ok().map(AreaId::index))
        .collect();
    let Some(at) = at else {
        notes.push(
            "Anatomy is not shown: the areas of the file are not those of the config.".to_owned(),
        );
        return Vec::new();
    };
    let n = at.len();
    if n < connectome.n_areas() {
        notes.push(format!(
            "Matrices show the {n} recorded areas of {}.",
            connectome.n_areas()
        ));
    }
    if rebuilt
        .spec
        .projections
        .iter()
        .any(|(_, p)| p.shuffle.is_some())
    {
        notes.push("FLN is shown as the data set gives it; the run shuffled it.".to_owned());
    }
    let doc = "fraction of labelled neurons, as the data set gives it";
    let fln = |i: usize, j: usize| connectome.fln.get(at[i], at[j]).copied();
    let mut out = vec![matrix("FLN", doc, "1", n, fln)];
    if let Some(sln) = &connectome.sln {
        let doc = "fraction of the neurons of a link above layer 4: high is feedforward";
        out.push(matrix("SLN", doc, "1", n, |i, j| {
            sln.get(at[i], at[j]).copied()
        }));
    }
    if let Some(distance) = &connectome.distance_mm {
        let doc = "distance between areas";
        out.push(matrix("distance", doc, "mm", n, |i, j| {
            (i != j).then(|| distance[[at[i], at[j]]])
        }));
    }
    out
}

/// A matrix as the page holds it.
struct Matrix {
    name: String,
    doc: String,
    units: String,
    /// Row by row, apart by commas; nothing where there is no value, as in most of a sparse matrix.
    cells: String,
}

impl Matrix {
    fn json(self) -> Value {
        json!({"name": self.name, "doc": self.doc, "units": self.units, "values": self.cells})
    }
}

fn matrix(
    name: &str,
    doc: &str,
    units: &str,
    n: usize,
    of: impl Fn(usize, usize) -> Option<f64>,
) -> Matrix {
    let digits = if n > FINE_MATRIX { 3 } else { 4 };
    let cells = (0..n * n).map(|k| match of(k / n, k % n).map(|x| significant(x, digits)) {
        None | Some(Value::Null) => String::new(),
        Some(number) => number.to_string(),
    });
    Matrix {
        name: name.to_owned(),
        doc: doc.to_owned(),
        units: units.to_owned(),
        cells: cells.collect::<Vec<_>>().join(","),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frequency_has_one_place() {
        for n in [2, 17, 1025] {
            let places = places(n);
            let all: Vec<usize> = places.iter().cloned().flatten().collect();
            assert_eq!(all, (1..n).collect::<Vec<_>>());
            assert!(places.len() <= 4 * FREQUENCIES);
        }
        assert_eq!(places(1025)[..3], [1..2, 2..3, 3..4]);
        assert!(places(1025).last().unwrap().len() > 10);
    }

    #[test]
    fn numbers_keep_so_many_digits_and_gaps_are_null() {
        let text = |x, digits| significant(x, digits).to_string();
        assert_eq!(text(109.999_988_68, 4), "110.0");
        assert_eq!(text(0.001_234_56, 4), "0.001235");
        assert_eq!(text(f64::NAN, 4), "null");
        assert_eq!(text(f64::NEG_INFINITY, 4), "null");
    }

    #[test]
    fn series_are_means_then_replicates() {
        let names = |conditions: &[&str], replicates, wanted: Option<&[usize]>, most| {
            let conditions: Vec<String> = conditions.iter().map(|c| (*c).to_owned()).collect();
            let mut notes = Vec::new();
            let found = series(replicates, &conditions, wanted, most, &mut notes).unwrap();
            let labels: Vec<String> = found.into_iter().map(|s| s.label).collect();
            (labels.join("; "), notes.len())
        };
        assert_eq!(names(&[], 1, None, 9), ("the run".to_owned(), 0));
        assert_eq!(
            names(&[], 3, None, 1),
            ("mean of 3 replicates; replicate 0".to_owned(), 1)
        );
        assert_eq!(
            names(&["b", "a", "b"], 3, Some(&[2]), 9),
            ("b: mean of 2 trials; trial 2: b".to_owned(), 0)
        );
        let refused = series(3, &[], Some(&[3]), 9, &mut Vec::new());
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("found --replicates 3, expected numbers from 0 to 2"));
    }
}
