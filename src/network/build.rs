//! From experiment to network: every name looked up, every unit checked against the circuit.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;
use sprs::CsMat;

use super::perturb::Perturbed;
use super::{DataSets, Network, NetworkError};
use crate::circuit::{
    CIRCUITS, CircuitInfo, CircuitKind, CircuitVisitor, Fields, LocalCircuit, ParameterFields,
};
use crate::connectome::{self, Connectome, Gradient, Source, WeightKind};
use crate::coupling::{
    NullModel, Projection, Received, Shuffled, exchange_areas, filter, less_own, rewire,
    shuffle_sources, shuffle_strengths, shuffle_targets, shuffle_topology, symmetrise,
};
use crate::ids::AreaId;
use crate::noise::{Memory, Noise, Target};
use crate::rng::Site;
use crate::spec::node::path_segment;
use crate::spec::suggest::did_you_mean;
use crate::spec::{
    AddedSpec, AllToAll, Areas, ConditionSpec, ConnectomeSpec, CurveSpec, DelayKind, DelaySpec,
    ExperimentSpec, Keep, Layers, LayersAtMost, LesionBackground, LinkSpec, LostStimuli, Named,
    NoiseMemory, NoiseSpec, Normalise, PerturbationSpec, ProjectionSpec, Rows, ShuffleKind,
    ShuffleSpec, Solve, SpecError, Symmetrise, Weights,
};
use crate::stimulus::Stimulus;
use crate::units::{Dimension, Quantity, Unit};

pub(super) fn build(spec: &ExperimentSpec, data: &DataSets) -> Result<Network, NetworkError> {
    let mut network = one(spec, data)?;
    for condition in spec.task.iter().flat_map(|task| &task.conditions) {
        let of = |e: NetworkError| match e {
            NetworkError::Spec(e) => NetworkError::Spec(SpecError {
                message: format!("condition `{}`: {}", condition.name, e.message),
                ..e
            }),
            e @ NetworkError::Connectome(_) => e,
        };
        let own = (condition.model.as_ref()).map(|model| one(model, data).map_err(of));
        let own = own.transpose()?;
        if let (Some(own), Some(model)) = (&own, &condition.model) {
            check_shown(spec, condition, model, own).map_err(|e| of(e.into()))?;
        }
        network.conditions.push(own);
    }
    Ok(network)
}

/// Refuses stimuli into areas that a condition of a task lesions, unless it says that they are dropped.
fn check_shown(
    spec: &ExperimentSpec,
    condition: &ConditionSpec,
    model: &ExperimentSpec,
    own: &Network,
) -> Result<(), SpecError> {
    let Some(task) = &spec.task else {
        return Ok(());
    };
    let shown: Vec<&String> = (condition.events.iter())
        .flat_map(|e| e.shows.possible())
        .collect();
    for (name, s) in task.stimuli.iter().filter(|(name, _)| shown.contains(name)) {
        let path = format!("task.stimuli.{}.areas", path_segment(name));
        // The config of the condition has no task: the place is that of the experiment.
        reached(model, &own.connectome, &path, &s.areas).map_err(|e| SpecError {
            message: e.message,
            ..spec.config.error(&path, String::new())
        })?;
    }
    Ok(())
}

/// The network of an experiment, or of one condition of its task.
fn one(spec: &ExperimentSpec, data: &DataSets) -> Result<Network, NetworkError> {
    let circuit = find_circuit(spec)?;
    let intact = load_connectome(spec, data)?;
    let mut lesions: Vec<AreaId> = Vec::new();
    for (path, name, _) in spec.lesioned() {
        for id in area_or_group(spec, &intact, &path, name)? {
            if lesions.contains(&id) {
                return Err(area_twice(spec, &path, name).into());
            }
            lesions.push(id);
        }
    }
    let spec = &*by_name(spec, &intact);
    let background = spec
        .lesions
        .as_ref()
        .map_or(LesionBackground::Lesioned, |l| l.background);
    let kept: Vec<AreaId> = (0..intact.areas.len())
        .map(AreaId::from)
        .filter(|a| !lesions.contains(a))
        .collect();
    if kept.is_empty() {
        let message =
            "no area is left: found a lesion of every area, expected at least one to stay";
        return Err(spec
            .config
            .error("lesions.areas", message.to_owned())
            .into());
    }
    let lesioned = || {
        if lesions.is_empty() {
            Arc::clone(&intact)
        } else {
            Arc::new(intact.subset(&kept))
        }
    };

    if background == LesionBackground::Lesioned || lesions.is_empty() {
        let mut network = assemble(spec, circuit, lesioned(), &intact)?;
        solve_background(spec, &mut network)?;
        return Ok(network);
    }
    // Background currents of the intact network, carried over to the areas that are left.
    let mut whole = assemble(spec, circuit, Arc::clone(&intact), &intact)?;
    solve_background(spec, &mut whole)?;
    let mut network = assemble(spec, circuit, lesioned(), &intact)?;
    for (row, area) in kept.iter().enumerate() {
        network
            .parameters
            .row_mut(row)
            .assign(&whole.parameters.row(area.index()));
        network
            .baseline
            .row_mut(row)
            .assign(&whole.baseline.row(area.index()));
    }
    // Areas that lost input rest lower than the stated baseline, some of them silent.
    network.find_fixed_point = true;
    Ok(network)
}

/// The same with every lesioned area by its name: beside a group its areas, beside the last area of a group the
/// group.
fn by_name<'a>(spec: &'a ExperimentSpec, intact: &Connectome) -> Cow<'a, ExperimentSpec> {
    let groups: Vec<(&str, Vec<&str>)> = (intact.groups().into_iter())
        .map(|group| {
            let areas = intact.group(group);
            let name = |a: AreaId| intact.areas[a.index()].name.as_str();
            (group, areas.map(name).collect())
        })
        .collect();
    let listed: Vec<&str> = spec.lesioned().map(|(_, name, _)| name).collect();
    let is_lesioned = |area: &str, group: &str| listed.contains(&area) || listed.contains(&group);
    let more = |names: &[String]| -> Vec<String> {
        let mut out = Vec::new();
        for (group, areas) in &groups {
            let typed = names.iter().any(|name| name == group);
            let all = areas.iter().all(|area| is_lesioned(area, group));
            if typed {
                out.extend(areas.iter().map(|a| (*a).to_owned()));
            } else if all && names.iter().any(|name| areas.contains(&name.as_str())) {
                out.push((*group).to_owned());
            }
        }
        out
    };
    let mut out = Cow::Borrowed(spec);
    if listed.is_empty() {
        return out;
    }
    let spec = out.to_mut();
    if let Some(lesions) = &mut spec.lesions {
        lesions.areas.extend(more(&lesions.areas));
    }
    for perturbation in spec.perturbations.values_mut() {
        if let PerturbationSpec::Lesion { areas, .. } = perturbation {
            areas.extend(more(areas));
        }
    }
    out
}

fn find_circuit(spec: &ExperimentSpec) -> Result<CircuitKind, SpecError> {
    let name = &spec.circuit.name;
    CircuitKind::find(name).ok_or_else(|| {
        let known: Vec<&str> = CIRCUITS.iter().map(|c| c.info().name).collect();
        let hint = did_you_mean(name, known.iter().copied());
        let known = known.join(", ");
        let message = format!("unknown circuit: found `{name}`, expected one of {known}{hint}");
        spec.config.error("circuit.name", message)
    })
}

fn load_connectome(
    spec: &ExperimentSpec,
    loaded: &DataSets,
) -> Result<Arc<Connectome>, NetworkError> {
    let draft = &spec.connectome;
    let mut connectome = match (&draft.data, &draft.areas) {
        (Some(data), None) => {
            if let Some(link) = draft.links.first() {
                let message = format!(
                    "links do not belong: found a link {} <- {} beside `data: {data}`, expected \
                     links only with `areas`",
                    link.to, link.from
                );
                return Err(spec.config.error("connectome.links", message).into());
            }
            if draft.all_to_all.is_some() {
                let message = format!(
                    "links do not belong: found `all_to_all` beside `data: {data}`, expected it only with `areas`"
                );
                return Err(spec.config.error("connectome.all_to_all", message).into());
            }
            let read = loaded.get(data, || {
                Ok(connectome::load(&Source::parse_from(data, Path::new(""))?)?)
            })?;
            let as_read = draft.only.is_none()
                && draft.gradients.is_empty()
                && draft.replace.is_empty()
                && draft.add.is_empty();
            if as_read {
                return Ok(read);
            }
            Connectome::clone(&read)
        }
        (None, Some(areas)) => {
            let areas = areas
                .iter()
                .map(|(name, map)| (name.clone(), map.clone()))
                .collect();
            let given = match draft.weights {
                Weights::Fln => WeightKind::Fln,
                Weights::Strength => WeightKind::Strength,
                Weights::Signed => WeightKind::Signed,
                Weights::Uniform => {
                    let message = "weights of links are typed: found `uniform`, expected `fln`, `strength` or \
                                   `signed`; `uniform` is for projections";
                    let error = spec.config.error("connectome.weights", message.to_owned());
                    return Err(error.into());
                }
            };
            let mut links = match &draft.all_to_all {
                None => Vec::new(),
                Some(all) => all_to_all(spec, all, draft)?,
            };
            // What is typed for a link of its own counts.
            links.retain(|(to, from, _)| {
                let typed = |l: &LinkSpec| l.to == *to && l.from == *from;
                !draft.links.iter().any(typed)
            });
            let single = draft.links.iter();
            links.extend(single.map(|l| (l.to.clone(), l.from.clone(), l.weight)));
            let mut typed = connectome::inline("inline", areas, links, given)?;
            typed.distance_mm =
                of_links(spec, &typed, "distance", Dimension::LENGTH, |l| l.distance)?;
            typed.delay_ms = of_links(spec, &typed, "delay", Dimension::TIME, |l| l.delay)?;
            typed
        }
        (data, _) => {
            let found = if data.is_some() { "both" } else { "neither" };
            let message = format!("which areas: found {found}, expected either `data` or `areas`");
            return Err(spec.config.error("connectome", message).into());
        }
    };
    if let Some(only) = &draft.only {
        let names = Areas::List(only.clone());
        let kept = areas(spec, &connectome, "connectome.only", &names)?;
        connectome = connectome.subset(&kept);
    }
    for (name, added) in &draft.add {
        add_area(spec, &mut connectome, name, added)?;
    }
    for (map, values) in &draft.gradients {
        let gradient = typed_gradient(spec, &connectome, map, values)?;
        connectome.gradients.push(gradient);
    }
    for (map, values) in &draft.replace {
        let path = format!("connectome.replace.{}", path_segment(map));
        let index = gradient_index(spec, &connectome, &path, map)?;
        for (name, &value) in values {
            let path = format!("{path}.{}", path_segment(name));
            let area = area(spec, &connectome, &path, name)?;
            if !value.is_finite() {
                let message = format!("not finite: found {value}, expected a finite number");
                return Err(spec.config.error(&path, message).into());
            }
            connectome.gradients[index].values[area.index()] = value;
        }
    }
    Ok(Arc::new(connectome))
}

/// Links between every two areas typed in place, as (target, source, weight).
fn all_to_all(
    spec: &ExperimentSpec,
    all: &AllToAll,
    draft: &ConnectomeSpec,
) -> Result<Vec<(String, String, f64)>, SpecError> {
    const PATH: &str = "connectome.all_to_all";
    let areas = draft.areas.iter().flatten();
    let mut places = Vec::new();
    let (up, down) = match (all.weight, all.feedforward, all.feedback, &all.hierarchy) {
        (Some(weight), None, None, None) => {
            places.extend(areas.map(|(name, _)| (name, 0.0)));
            (weight, weight)
        }
        (None, Some(up), Some(down), Some(hierarchy)) => {
            for (name, maps) in areas {
                let Some(&place) = maps.get(hierarchy) else {
                    let message = format!(
                        "unknown gradient: found `{hierarchy}`, which {name} does not have"
                    );
                    return Err(spec.config.error(&format!("{PATH}.hierarchy"), message));
                };
                if let Some((other, _)) = places.iter().find(|(_, p)| *p == place) {
                    let message = format!(
                        "neither is higher: found {other} and {name} both at {place} of `{hierarchy}`, expected \
                         places of their own"
                    );
                    return Err(spec.config.error(&format!("{PATH}.hierarchy"), message));
                }
                places.push((name, place));
            }
            (up, down)
        }
        _ => {
            let message = "found other keys, expected either `weight`, or `feedforward`, `feedback` and `hierarchy`"
                .to_owned();
            return Err(spec.config.error(PATH, message));
        }
    };
    let mut links = Vec::new();
    for (to, target) in &places {
        for (from, source) in places.iter().filter(|(name, _)| name != to) {
            let weight = if source < target { up } else { down };
            links.push(((*to).clone(), (*from).clone(), weight));
        }
    }
    Ok(links)
}

/// Adds an area beside those of the data.
fn add_area(
    spec: &ExperimentSpec,
    connectome: &mut Connectome,
    name: &str,
    added: &AddedSpec,
) -> Result<(), SpecError> {
    let path = format!("connectome.add.{}", path_segment(name));
    let taken = |what: &str, message: &str| {
        let message = format!("{message}: found `{what}`, expected a new name");
        spec.config.error(&path, message)
    };
    if connectome.area_id(name).is_ok() {
        return Err(taken(name, "area is there"));
    }
    let is_area = |word: &str| word == name || connectome.area_id(word).is_ok();
    if added.group == "all" || is_area(&added.group) {
        return Err(taken(&added.group, "group named as an area"));
    }
    if connectome.group(name).next().is_some() {
        return Err(taken(name, "area named as a group"));
    }
    for (map, &value) in &added.gradients {
        let path = format!("{path}.gradients.{}", path_segment(map));
        gradient_index(spec, connectome, &path, map)?;
        finite(spec, &path, value)?;
    }
    connectome.add(name, &added.group, &added.gradients);
    Ok(())
}

/// A gradient typed beside those of the data: a number for every area.
fn typed_gradient(
    spec: &ExperimentSpec,
    connectome: &Connectome,
    map: &str,
    values: &Named<f64>,
) -> Result<Gradient, SpecError> {
    let path = format!("connectome.gradients.{}", path_segment(map));
    if connectome.gradient(map).is_ok() {
        let message = format!(
            "gradient is there: found `{map}`, which {} has, expected a new name, or `replace`",
            connectome.name
        );
        return Err(spec.config.error(&path, message));
    }
    let mut typed = vec![None; connectome.areas.len()];
    for (name, &value) in values {
        let path = format!("{path}.{}", path_segment(name));
        let area = area(spec, connectome, &path, name)?;
        typed[area.index()] = Some(finite(spec, &path, value)?);
    }
    let missing = typed.iter().position(Option::is_none);
    if let Some(first) = missing {
        let message = format!(
            "area without a value: found none for {}, expected one for each of the {} areas",
            connectome.areas[first].name,
            connectome.areas.len()
        );
        return Err(spec.config.error(&path, message));
    }
    Ok(Gradient {
        name: map.to_owned(),
        unit: "dimensionless".to_owned(),
        description: "typed in the config".to_owned(),
        values: typed.into_iter().flatten().collect(),
        estimated: None,
    })
}

/// A quantity given with the links of a network typed in place, [target, source], NaN where it is
/// not given; `None` where no link has it.
fn of_links(
    spec: &ExperimentSpec,
    connectome: &Connectome,
    key: &str,
    dimension: Dimension,
    get: impl Fn(&LinkSpec) -> Option<Quantity>,
) -> Result<Option<Array2<f64>>, SpecError> {
    let links = &spec.connectome.links;
    if links.iter().all(|l| get(l).is_none()) {
        return Ok(None);
    }
    let n = connectome.areas.len();
    let mut out = Array2::from_elem((n, n), f64::NAN);
    for (k, link) in links.iter().enumerate() {
        let Some(q) = get(link) else { continue };
        let path = format!("connectome.links[{k}].{key}");
        let value = in_unit(spec, &path, q, dimension)?;
        if !(value.is_finite() && value >= 0.0) {
            let message = format!("out of range: found {q}, expected 0 or more");
            return Err(spec.config.error(&path, message));
        }
        let at = |name: &str| area(spec, connectome, &path, name);
        out[[at(&link.to)?.index(), at(&link.from)?.index()]] = value;
    }
    Ok(Some(out))
}

pub(super) fn area(
    spec: &ExperimentSpec,
    c: &Connectome,
    path: &str,
    name: &str,
) -> Result<AreaId, SpecError> {
    c.area_id(name).map_err(|e| {
        let removed = spec.lesioned().find(|(_, area, _)| *area == name);
        if let Some((by, _, _)) = removed.filter(|(by, _, _)| by != path) {
            let by = by.split('[').next().unwrap_or_default();
            let message = format!("area is lesioned: found `{name}`, which `{by}` removes");
            return spec.config.error(path, message);
        }
        spec.config.error(path, e.to_string())
    })
}

fn area_list(
    spec: &ExperimentSpec,
    connectome: &Connectome,
    path: &str,
    names: &[String],
) -> Result<Vec<AreaId>, SpecError> {
    let mut out: Vec<AreaId> = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let path = format!("{path}[{i}]");
        for id in area_or_group(spec, connectome, &path, name)? {
            if out.contains(&id) {
                return Err(area_twice(spec, &path, name));
            }
            out.push(id);
        }
    }
    Ok(out)
}

/// An area, or those of a group.
pub(super) fn area_or_group(
    spec: &ExperimentSpec,
    connectome: &Connectome,
    path: &str,
    name: &str,
) -> Result<Vec<AreaId>, SpecError> {
    let group: Vec<AreaId> = connectome.group(name).collect();
    match group.is_empty() {
        true => Ok(vec![area(spec, connectome, path, name)?]),
        false => Ok(group),
    }
}

/// The areas of a choice that are left: one config serves the intact and the lesioned network.
pub(super) fn left_of(
    spec: &ExperimentSpec,
    connectome: &Connectome,
    path: &str,
    wanted: &Areas,
) -> Result<Vec<AreaId>, SpecError> {
    let Some(names) = wanted.names().filter(|names| !names.is_empty()) else {
        return areas(spec, connectome, path, wanted);
    };
    let left = names.iter().filter(|name| !spec.is_lesioned(name)).cloned();
    area_list(spec, connectome, path, &left.collect::<Vec<_>>())
}

fn area_twice(spec: &ExperimentSpec, path: &str, name: &str) -> SpecError {
    let message = format!("area twice: found `{name}` again, expected every area once");
    spec.config.error(path, message)
}

/// The areas of a stimulus, without those that are lesioned where what they would receive is dropped.
pub(super) fn reached(
    spec: &ExperimentSpec,
    connectome: &Connectome,
    path: &str,
    wanted: &Areas,
) -> Result<Vec<AreaId>, SpecError> {
    let dropped = |name: &String| {
        let mut lost = spec.lesioned().filter(|(_, area, _)| area == name);
        lost.any(|(_, _, stimuli)| stimuli == LostStimuli::Dropped)
    };
    match wanted.names() {
        Some(names) if names.iter().any(dropped) => {
            let left = names.iter().filter(|name| !dropped(name)).cloned();
            area_list(spec, connectome, path, &left.collect::<Vec<_>>())
        }
        _ => areas(spec, connectome, path, wanted),
    }
}

/// The areas of a stimulus, a noise source or a recording.
pub(super) fn areas(
    spec: &ExperimentSpec,
    connectome: &Connectome,
    path: &str,
    areas: &Areas,
) -> Result<Vec<AreaId>, SpecError> {
    match areas.names() {
        None => Ok((0..connectome.areas.len()).map(AreaId::from).collect()),
        Some([]) => {
            let message = "no areas: found an empty list, expected `all` or at least one area";
            Err(spec.config.error(path, message.to_owned()))
        }
        Some(names) => area_list(spec, connectome, path, names),
    }
}

pub(super) fn gradient_index(
    spec: &ExperimentSpec,
    connectome: &Connectome,
    path: &str,
    map: &str,
) -> Result<usize, SpecError> {
    connectome
        .gradients
        .iter()
        .position(|g| g.name == map)
        .ok_or_else(|| {
            let known: Vec<&str> = connectome
                .gradients
                .iter()
                .map(|g| g.name.as_str())
                .collect();
            let hint = did_you_mean(map, known.iter().copied());
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            let mut message =
                format!("unknown gradient: found `{map}`, this data set has {known}{hint}");
            // With data of one's own there are several keys to set.
            let mut all = spec.config.paths_of(map);
            all.retain(|path| [".map", ".hierarchy"].iter().any(|key| path.ends_with(key)));
            if all.len() > 1 {
                message += &format!("; named in {}: set each to one of these", all.join(", "));
            }
            spec.config.error(path, message)
        })
}

pub(super) fn unknown<'a>(
    spec: &ExperimentSpec,
    path: &str,
    what: &str,
    found: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> SpecError {
    let hint = did_you_mean(found, known.clone());
    let known = known.collect::<Vec<_>>().join(", ");
    let message = format!("unknown {what}: found `{found}`, expected one of {known}{hint}");
    spec.config.error(path, message)
}

/// Dimension of a unit in a circuit's table; a test holds that they all parse.
pub(super) fn dimension(unit: &str) -> Dimension {
    unit.parse::<Unit>()
        .map_or(Dimension::NONE, |u| u.dimension)
}

pub(super) fn in_unit(
    spec: &ExperimentSpec,
    path: &str,
    q: Quantity,
    wanted: Dimension,
) -> Result<f64, SpecError> {
    q.expect(wanted)
        .map_err(|e| spec.config.error(path, e.to_string()))
}

fn assemble(
    spec: &ExperimentSpec,
    circuit: CircuitKind,
    connectome: Arc<Connectome>,
    intact: &Connectome,
) -> Result<Network, SpecError> {
    let info = circuit.info();
    let n = connectome.areas.len();
    let perturbed = Perturbed::resolve(spec, info, &connectome, intact)?;
    let effects = effects(spec, info, &connectome, intact, &perturbed)?;
    let mut parameters = parameters(spec, info, &connectome, intact, &effects)?;
    perturbed.scale_parameters(info, &mut parameters);
    let projections: Vec<Projection> = spec
        .projections
        .keys()
        .map(|name| {
            let scale = effects.scales.get(name.as_str());
            projection(spec, info, &connectome, intact, name, scale, &perturbed)
        })
        .collect::<Result<_, _>>()?;
    let mut stimuli = Vec::new();
    for (name, s) in &spec.stimuli {
        let path = format!("stimuli.{}", path_segment(name));
        let input = input(spec, info, &format!("{path}.into"), &s.into)?;
        let wanted = dimension(info.inputs[input].unit);
        stimuli.push(Stimulus {
            name: name.clone(),
            input,
            areas: reached(spec, &connectome, &format!("{path}.areas"), &s.areas)?,
            amplitude: in_unit(spec, &format!("{path}.amplitude"), s.amplitude, wanted)?,
            onset_ms: s.onset_ms,
            offset_ms: s.offset_ms,
        });
    }
    stimuli.extend(perturbed.currents());
    let trials = super::trials::draw(spec, info, &connectome)?;
    let delayed = projections.iter().any(|p| p.delays_ms.is_some());
    let learning = super::learning::resolve(spec, info, &connectome, trials.as_ref(), delayed)?;
    let noise = noise(spec, info, &connectome, "noise", &spec.noise)?;

    let mut baseline = Array2::zeros((n, info.variables.len()));
    let solved = |name: &str| spec.solve == Solve::Background && info.background.contains(&name);
    for (name, q) in &spec.baseline {
        let path = format!("baseline.state.{name}");
        let v = variable(spec, info, &path, name)?;
        if solved(name) {
            let message = format!(
                "state is solved: found a value for `{name}`, expected none with \
                 `baseline.solve: background`"
            );
            return Err(spec.config.error(&path, message));
        }
        let value = in_unit(spec, &path, *q, dimension(info.variables[v].unit))?;
        baseline.column_mut(v).fill(value);
    }
    for v in &info.variables[..info.states] {
        if !spec.baseline.contains_key(v.name) && !solved(v.name) {
            let message = format!(
                "missing state: expected a baseline for `{}` [{}]",
                v.name, v.unit
            );
            return Err(spec.config.error("baseline.state", message));
        }
    }
    let initial = initial(spec, info, &connectome)?;
    let mut canonical: Vec<AreaId> = (0..n).map(AreaId::from).collect();
    canonical.sort_by(|a, b| {
        connectome.areas[a.index()]
            .name
            .cmp(&connectome.areas[b.index()].name)
    });
    Ok(Network {
        title: spec.title.clone(),
        circuit,
        connectome,
        canonical,
        parameters,
        projections,
        stimuli,
        trials,
        learning,
        conditions: Vec::new(),
        noise,
        baseline,
        find_fixed_point: spec.solve == Solve::FixedPoint,
        initial,
        lesioned: (spec.lesioned())
            .map(|(_, name, stimuli)| (name.to_owned(), stimuli))
            .collect(),
    })
}

/// Key path, areas, and what is typed for them.
type Typed<'a, T> = (String, Vec<AreaId>, &'a T);

/// What is typed for areas, first that of groups and then that of single areas, whatever their names. What is
/// lesioned is left out: one config serves the intact and the lesioned network.
fn by_area<'a, T>(
    spec: &ExperimentSpec,
    connectome: &Connectome,
    path: &str,
    typed: &'a Named<T>,
) -> Result<Vec<Typed<'a, T>>, SpecError> {
    let is_group = |name: &str| connectome.group(name).next().is_some();
    let left = || typed.iter().filter(|(name, _)| !spec.is_lesioned(name));
    let groups = left().filter(|(name, _)| is_group(name));
    let single = left().filter(|(name, _)| !is_group(name));
    let one = |(name, value): (&String, &'a T)| {
        let path = format!("{path}.{}", path_segment(name));
        let areas = area_or_group(spec, connectome, &path, name)?;
        Ok((path, areas, value))
    };
    groups.chain(single).map(one).collect()
}

pub(super) fn input(
    spec: &ExperimentSpec,
    info: &CircuitInfo,
    path: &str,
    name: &str,
) -> Result<usize, SpecError> {
    let known = info.inputs.iter().map(|i| i.name);
    info.input(name)
        .ok_or_else(|| unknown(spec, path, "input", name, known))
}

pub(super) fn variable(
    spec: &ExperimentSpec,
    info: &CircuitInfo,
    path: &str,
    name: &str,
) -> Result<usize, SpecError> {
    let known = info.variables.iter().map(|v| v.name);
    info.variable(name)
        .ok_or_else(|| unknown(spec, path, "variable", name, known))
}

/// What gradients do to parameters and projections, a value an area.
#[derive(Default)]
struct Effects<'a> {
    /// Product of all factors.
    scales: BTreeMap<&'a str, Vec<f64>>,
    /// Sum of all shifts, in the unit of the parameter.
    adds: BTreeMap<&'a str, Vec<f64>>,
}

pub(super) fn finite(spec: &ExperimentSpec, path: &str, value: f64) -> Result<f64, SpecError> {
    if value.is_finite() {
        return Ok(value);
    }
    let message = format!("not finite: found {value}, expected a finite number");
    Err(spec.config.error(path, message))
}

/// A curve as a function; the straight line without one.
fn curve(
    spec: &ExperimentSpec,
    path: &str,
    curve: Option<CurveSpec>,
) -> Result<impl Fn(f64) -> f64 + use<>, SpecError> {
    if let Some(c) = curve {
        finite(spec, &format!("{path}.midpoint"), c.midpoint)?;
        finite(spec, &format!("{path}.slope"), c.slope)?;
    }
    Ok(move |x: f64| match curve {
        Some(c) => 1.0 / (1.0 + (-c.slope * (x - c.midpoint)).exp()),
        None => x,
    })
}

/// Effects of all gradients. The range of a map is that of the intact data set: a lesion must not
/// change the areas that stay.
fn effects<'a>(
    spec: &'a ExperimentSpec,
    info: &'static CircuitInfo,
    connectome: &Connectome,
    intact: &Connectome,
    perturbed: &Perturbed<'_>,
) -> Result<Effects<'a>, SpecError> {
    let n = connectome.areas.len();
    let mut levels = BTreeMap::new();
    for (name, m) in &spec.modulators {
        let path = format!("modulators.{}", path_segment(name));
        let level = finite(spec, &format!("{path}.level"), m.level)?;
        let level = perturbed.level(name).unwrap_or(level);
        let effect = curve(spec, &format!("{path}.curve"), m.curve)?;
        levels.insert(name.as_str(), effect(level));
    }
    let mut effects = Effects::default();
    for (name, g) in &spec.gradients {
        let path = format!("gradients.{}", path_segment(name));
        let index = gradient_index(spec, connectome, &format!("{path}.map"), &g.map)?;
        let strength = finite(spec, &format!("{path}.strength"), g.strength)?;
        let base = finite(spec, &format!("{path}.base"), g.base)?;
        let level = match &g.modulator {
            Some(m) => *levels.get(m.as_str()).ok_or_else(|| {
                let known = spec.modulators.keys().map(String::as_str);
                unknown(spec, &format!("{path}.modulator"), "modulator", m, known)
            })?,
            None => 1.0,
        };
        let map = &connectome.gradients[index].values;
        let whole = &intact.gradients[index].values;
        let at = format!("{path}.areas");
        let acts = left_of(spec, connectome, &at, &g.areas)?;
        let known = left_of(spec, intact, &at, &g.areas)?;
        let (least, range) = match g.normalise {
            Normalise::AsGiven => (0.0, 1.0),
            Normalise::MinMax => {
                let of = || known.iter().map(|a| whole[a.index()]);
                let least = of().fold(f64::INFINITY, f64::min);
                let most = of().fold(f64::NEG_INFINITY, f64::max);
                if most <= least {
                    let message = format!(
                        "map has no range: found {least} in every area of `{}`, expected at least \
                         two values to normalise",
                        g.map
                    );
                    return Err(spec.config.error(&format!("{path}.normalise"), message));
                }
                (least, most - least)
            }
        };
        let through = curve(spec, &format!("{path}.curve"), g.curve)?;
        let normalised = |map: &[f64]| map.iter().map(|x| (x - least) / range).collect();
        let own: Vec<f64> = normalised(map);
        let own = perturbed.map(name, own, &normalised(whole));
        let values: Vec<f64> = own.into_iter().map(|x| through(x * level)).collect();
        if let Some(without) = acts.iter().find(|a| map[a.index()].is_nan()) {
            let message = format!(
                "no value: found none of `{}` for area {}, expected `areas` that leave it out",
                g.map,
                connectome.areas[without.index()].name
            );
            return Err(spec.config.error(&at, message));
        }
        if g.scales.is_empty() && g.adds.is_empty() {
            let message = "gradient without effect: expected `scales` or `adds`";
            return Err(spec.config.error(&path, message.to_owned()));
        }
        for (i, scaled) in g.scales.iter().enumerate() {
            let known = info.parameters.iter().map(|p| p.name);
            let known = known.chain(spec.projections.keys().map(String::as_str));
            if !known.clone().any(|k| k == scaled) {
                let path = format!("{path}.scales[{i}]");
                return Err(unknown(
                    spec,
                    &path,
                    "parameter or projection",
                    scaled,
                    known,
                ));
            }
            let factors = effects.scales.entry(scaled).or_insert_with(|| vec![1.0; n]);
            for a in &acts {
                factors[a.index()] *= base + strength * values[a.index()];
            }
        }
        for (added, amount) in &g.adds {
            let path = format!("{path}.adds.{}", path_segment(added));
            let Some(k) = info.parameter(added) else {
                let known = info.parameters.iter().map(|p| p.name);
                return Err(unknown(spec, &path, "parameter", added, known));
            };
            let amount = in_unit(spec, &path, *amount, dimension(info.parameters[k].unit))?;
            let shifts = effects.adds.entry(added).or_insert_with(|| vec![0.0; n]);
            for a in &acts {
                shifts[a.index()] += amount * (strength * values[a.index()]);
            }
        }
    }
    Ok(effects)
}

fn parameters(
    spec: &ExperimentSpec,
    info: &'static CircuitInfo,
    connectome: &Connectome,
    intact: &Connectome,
    effects: &Effects<'_>,
) -> Result<Array2<f64>, SpecError> {
    let known = info.parameters.iter().map(|p| p.name);
    let mut out = Array2::zeros((connectome.areas.len(), info.parameters.len()));
    for name in spec.circuit.parameters.keys() {
        if info.parameter(name).is_none() {
            let path = format!("circuit.parameters.{}", path_segment(name));
            return Err(unknown(spec, &path, "parameter", name, known));
        }
    }
    for (group, values) in &spec.circuit.groups {
        let path = format!("circuit.groups.{}", path_segment(group));
        if intact.group(group).next().is_none() {
            let groups = intact.groups();
            return Err(unknown(spec, &path, "group", group, groups.into_iter()));
        }
        for name in values.keys() {
            if info.parameter(name).is_none() {
                let path = format!("{path}.{}", path_segment(name));
                return Err(unknown(spec, &path, "parameter", name, known));
            }
        }
    }
    for (k, p) in info.parameters.iter().enumerate() {
        let solved = spec.solve == Solve::Background && info.background.contains(&p.name);
        let value = match spec.circuit.parameters.get(p.name) {
            Some(_) if solved => {
                let message = format!(
                    "parameter is solved: found a value for `{}`, expected none with \
                     `baseline.solve: background`",
                    p.name
                );
                let path = format!("circuit.parameters.{}", p.name);
                return Err(spec.config.error(&path, message));
            }
            Some(q) => {
                let path = format!("circuit.parameters.{}", p.name);
                in_unit(spec, &path, *q, dimension(p.unit))?
            }
            None if solved => 0.0,
            None => {
                let message = format!(
                    "missing parameter: expected `{}` [{}], the {}",
                    p.name, p.unit, p.doc
                );
                return Err(spec.config.error("circuit.parameters", message));
            }
        };
        // Every time constant divides: zero or less would make the model meaningless, not fast.
        let fits = |path: &str, value: f64| {
            if k >= info.time_constants || value > 0.0 {
                return Ok(value);
            }
            let message = format!("not positive: found {value} ms, expected a time above 0 ms");
            Err(spec.config.error(path, message))
        };
        let mut column = out.column_mut(k);
        column.fill(fits(&format!("circuit.parameters.{}", p.name), value)?);
        for (group, values) in &spec.circuit.groups {
            let Some(q) = values.get(p.name) else {
                continue;
            };
            let path = format!("circuit.groups.{}.{}", path_segment(group), p.name);
            if solved {
                let message = format!(
                    "parameter is solved: found a value for `{}`, expected none with \
                     `baseline.solve: background`",
                    p.name
                );
                return Err(spec.config.error(&path, message));
            }
            let value = fits(&path, in_unit(spec, &path, *q, dimension(p.unit))?)?;
            connectome
                .group(group)
                .for_each(|a| column[a.index()] = value);
        }
        if let Some(factors) = effects.scales.get(p.name) {
            column.iter_mut().zip(factors).for_each(|(x, f)| *x *= f);
        }
        if let Some(shifts) = effects.adds.get(p.name) {
            column.iter_mut().zip(shifts).for_each(|(x, d)| *x += d);
        }
    }
    for (path, places, values) in by_area(spec, connectome, "circuit.areas", &spec.circuit.areas)? {
        for (name, q) in values {
            let path = format!("{path}.{}", path_segment(name));
            let Some(k) = info.parameter(name) else {
                return Err(unknown(spec, &path, "parameter", name, known));
            };
            let value = in_unit(spec, &path, *q, dimension(info.parameters[k].unit))?;
            places.iter().for_each(|a| out[[a.index(), k]] = value);
        }
    }
    Ok(out)
}

fn projection(
    spec: &ExperimentSpec,
    info: &'static CircuitInfo,
    connectome: &Connectome,
    intact: &Connectome,
    name: &str,
    scale: Option<&Vec<f64>>,
    perturbed: &Perturbed<'_>,
) -> Result<Projection, SpecError> {
    let draft = &spec.projections[name];
    let path = format!("projections.{}", path_segment(name));
    let sent = variable(spec, info, &format!("{path}.from"), &draft.from)?;
    if !info.sent.contains(&draft.from.as_str()) {
        let known = info.sent.iter().copied();
        return Err(unknown(
            spec,
            &format!("{path}.from"),
            "sent variable",
            &draft.from,
            known,
        ));
    }
    let hierarchy = match &draft.hierarchy {
        Some(map) => {
            let index = gradient_index(spec, connectome, &format!("{path}.hierarchy"), map)?;
            Some(&connectome.gradients[index].values)
        }
        None => None,
    };
    let (kind, wanted) = match connectome.weights {
        WeightKind::Fln => ("fln", Weights::Fln),
        WeightKind::Strength => ("strength", Weights::Strength),
        WeightKind::Signed => ("signed", Weights::Signed),
    };
    let uniform = draft.weights == Weights::Uniform;
    if !uniform && draft.weights != wanted {
        let message = format!(
            "no such matrix: {} gives `{kind}`, expected `weights: {kind}`",
            connectome.name
        );
        return Err(spec.config.error(&format!("{path}.weights"), message));
    }
    let shuffle = perturbed.shuffle(name).or(draft.shuffle.as_ref());
    if connectome.weights == WeightKind::Signed && !uniform {
        check_signed(spec, &path, draft, shuffle.is_some())?;
    }
    let chosen = [&draft.source_areas, &draft.target_areas];
    let is_part = uniform || chosen.iter().any(|areas| areas.names().is_some());
    if is_part && shuffle.is_some() {
        let message = "shuffle of a part: found `source_areas`, `target_areas` or `weights: uniform` beside it, \
                       expected none";
        return Err(spec.config.error(&path, message.to_owned()));
    }
    let shuffled = shuffle.map(|shuffle| null_model(connectome, shuffle));
    let mut weights = match is_part {
        false => weigh(spec, &path, draft, shuffled, connectome, intact)?,
        true => {
            let (own, whole) = (
                part(spec, &path, draft, connectome)?,
                part(spec, &path, draft, intact)?,
            );
            weigh(spec, &path, draft, None, &own, &whole)?
        }
    };
    if draft.hierarchy_slope.is_some() || matches!(draft.keep, Keep::Feedforward | Keep::Feedback) {
        let without = |i: usize| hierarchy.is_some_and(|h| h[i].is_nan());
        let mut ends = weights.iter().flat_map(|(_, (i, j))| [i, j]);
        if let Some(end) = ends.find(|i| without(*i)) {
            let message = format!(
                "no value: found none of the hierarchy for area {}, expected one for every area that has \
                 links here",
                connectome.areas[end].name
            );
            return Err(spec.config.error(&format!("{path}.hierarchy"), message));
        }
    }
    if let Some(slope) = draft.hierarchy_slope {
        let path = format!("{path}.hierarchy_slope");
        let slope = finite(spec, &path, slope)?;
        let Some(h) = hierarchy else {
            let message =
                "which way is up: expected `hierarchy`, a gradient, beside `hierarchy_slope`";
            return Err(spec.config.error(&path, message.to_owned()));
        };
        let places: Vec<(usize, usize)> = weights.iter().map(|(_, at)| at).collect();
        for (w, &(i, j)) in weights.data_mut().iter_mut().zip(&places) {
            *w /= 1.0 + (-slope * (h[i] - h[j])).exp();
        }
    }
    weights = keep_links(spec, &path, draft, weights, connectome)?;
    let links = perturbed.links(name);
    if let Some(path) = links.needs_hierarchy()
        && hierarchy.is_none()
    {
        let message = format!(
            "which way is up: expected `hierarchy`, a gradient, in the projection `{name}`"
        );
        return Err(spec.config.error(path, message));
    }
    links.weaken(&mut weights, hierarchy.map(Vec::as_slice));
    if draft.to.is_empty() {
        let message = "no input is reached: found an empty map, expected at least one input";
        return Err(spec.config.error(&format!("{path}.to"), message.to_owned()));
    }
    let sent_dimension = dimension(info.variables[sent].unit);
    let mut received = Vec::new();
    for (area_name, gains) in &draft.areas {
        if let Some(to) = gains.keys().find(|to| !draft.to.contains_key(*to)) {
            let path = format!(
                "{path}.areas.{}.{}",
                path_segment(area_name),
                path_segment(to)
            );
            let known = draft.to.keys().map(String::as_str);
            return Err(unknown(spec, &path, "input of this projection", to, known));
        }
    }
    for (to, q) in &draft.to {
        let to_path = format!("{path}.to.{}", path_segment(to));
        let input = input(spec, info, &to_path, to)?;
        let wanted = dimension(info.inputs[input].unit).per(sent_dimension);
        let gain = in_unit(spec, &to_path, *q, wanted)?;
        let mut gain = vec![gain; connectome.areas.len()];
        let own = by_area(spec, connectome, &format!("{path}.areas"), &draft.areas)?;
        for (path, places, gains) in own {
            if let Some(q) = gains.get(to) {
                let value = in_unit(spec, &format!("{path}.{}", path_segment(to)), *q, wanted)?;
                places.iter().for_each(|a| gain[a.index()] = value);
            }
        }
        if let Some(factors) = scale {
            gain.iter_mut().zip(factors).for_each(|(x, f)| *x *= f);
        }
        links.scale(&mut gain);
        received.push(Received { input, gain });
    }
    // A link of no weight is no link: neither its delay nor its place may matter.
    if weights.data().contains(&0.0) {
        let copy = weights.clone();
        weights = filter(&weights, |i, j| copy.get(i, j).is_some_and(|w| *w != 0.0));
    }
    if draft.difference {
        weights = less_own(&weights);
    }
    Ok(Projection {
        name: name.to_owned(),
        delays_ms: match &draft.delay {
            Some(delay) => Some(delays(
                spec,
                connectome,
                &format!("{path}.delay"),
                delay,
                &weights,
            )?),
            None => None,
        },
        weights,
        sent,
        received,
    })
}

/// The connectome of a projection that some areas send and some receive, or whose weights are all 1.
fn part(
    spec: &ExperimentSpec,
    path: &str,
    draft: &ProjectionSpec,
    connectome: &Connectome,
) -> Result<Connectome, SpecError> {
    let n = connectome.areas.len();
    let chosen = |key: &str, wanted: &Areas| -> Result<Vec<bool>, SpecError> {
        let mut is = vec![false; n];
        for a in left_of(spec, connectome, &format!("{path}.{key}"), wanted)? {
            is[a.index()] = true;
        }
        Ok(is)
    };
    let sends = chosen("source_areas", &draft.source_areas)?;
    let receives = chosen("target_areas", &draft.target_areas)?;
    let mut out = connectome.clone();
    out.fln = match draft.weights {
        Weights::Uniform => {
            let linked = |(i, j): (usize, usize)| i != j && receives[i] && sends[j];
            let ones = Array2::from_shape_fn((n, n), |at| f64::from(u8::from(linked(at))));
            CsMat::csr_from_dense(ones.view(), 0.0)
        }
        _ => filter(&connectome.fln, |i, j| receives[i] && sends[j]),
    };
    Ok(out)
}

/// A null model of the weights. Where links move, their layers go with them; where weights move over the
/// links that exist, a link keeps its layers.
fn null_model(connectome: &Connectome, shuffle: &ShuffleSpec) -> Shuffled {
    let names: Vec<&str> = connectome.areas.iter().map(|a| a.name.as_str()).collect();
    let (model, moves_links): (NullModel, bool) = match shuffle.what {
        ShuffleKind::Strengths => (shuffle_strengths, false),
        ShuffleKind::Targets => (shuffle_targets, false),
        ShuffleKind::Sources => (shuffle_sources, false),
        ShuffleKind::Topology => (shuffle_topology, true),
        ShuffleKind::Rewired => (rewire, true),
        ShuffleKind::Areas => (exchange_areas, true),
    };
    let mut out = model(&connectome.fln, &names, shuffle.seed);
    if !moves_links {
        out.origin = out.weights.iter().map(|(_, at)| at).collect();
    }
    out
}

/// The links that `keep` leaves, of a matrix over the areas of a connectome.
fn keep_links(
    spec: &ExperimentSpec,
    path: &str,
    draft: &ProjectionSpec,
    weights: CsMat<f64>,
    connectome: &Connectome,
) -> Result<CsMat<f64>, SpecError> {
    let hierarchy = draft.hierarchy.as_deref();
    let h = hierarchy.and_then(|name| connectome.gradient(name).ok());
    match (draft.keep, h.map(|g| &g.values)) {
        (Keep::All, _) => Ok(weights),
        (Keep::None, _) => Ok(CsMat::zero(weights.shape())),
        (Keep::Feedforward, Some(h)) => Ok(filter(&weights, |i, j| h[j] < h[i])),
        (Keep::Feedback, Some(h)) => Ok(filter(&weights, |i, j| h[j] > h[i])),
        (Keep::Feedforward | Keep::Feedback, None) => {
            let message = "which way is up: expected `hierarchy`, a gradient, beside `keep`";
            Err(spec.config.error(path, message.to_owned()))
        }
    }
}

/// Refuses words that have a meaning for weights of one sign only.
fn check_signed(
    spec: &ExperimentSpec,
    path: &str,
    draft: &ProjectionSpec,
    shuffled: bool,
) -> Result<(), SpecError> {
    let used = [
        ("power", draft.power != 1.0),
        ("threshold", draft.threshold != 0.0),
        ("rows", draft.rows != Rows::AsGiven),
        ("symmetrise", draft.symmetrise == Symmetrise::Geometric),
        ("shuffle", shuffled),
        ("hierarchy_slope", draft.hierarchy_slope.is_some()),
    ];
    let Some((key, _)) = used.iter().find(|(_, used)| *used) else {
        return Ok(());
    };
    let message = format!(
        "weights of either sign: found `{key}`, expected none, which is for weights of 0 or more"
    );
    Err(spec.config.error(&format!("{path}.{key}"), message))
}

/// Weights after symmetrisation, threshold, power, rows and layers, in this order.
///
/// Rows are summed over the intact data set, so that a lesion does not strengthen the links that stay;
/// of a shuffled matrix, over that matrix. The greatest weight is looked for in the same matrix.
fn weigh(
    spec: &ExperimentSpec,
    path: &str,
    draft: &ProjectionSpec,
    shuffled: Option<Shuffled>,
    connectome: &Connectome,
    intact: &Connectome,
) -> Result<CsMat<f64>, SpecError> {
    let is_shuffled = shuffled.is_some();
    let (weights, origin) = match shuffled {
        Some(shuffled) => {
            let places = shuffled.weights.iter().map(|(_, at)| at);
            let origin: BTreeMap<_, _> = places.zip(shuffled.origin).collect();
            (shuffled.weights, origin)
        }
        None => (connectome.fln.clone(), BTreeMap::new()),
    };
    let out_of_range = |key: &str, found: f64, expected: &str| {
        let message = format!("out of range: found {found}, expected {expected}");
        spec.config.error(&format!("{path}.{key}"), message)
    };
    if !(draft.power.is_finite() && draft.power > 0.0) {
        return Err(out_of_range("power", draft.power, "above 0"));
    }
    if !(draft.threshold.is_finite() && draft.threshold >= 0.0) {
        return Err(out_of_range("threshold", draft.threshold, "0 or more"));
    }
    if !(0.0..=1.0).contains(&draft.layering) {
        return Err(out_of_range("layering", draft.layering, "0 to 1"));
    }
    let prepare = |mut weights: CsMat<f64>| {
        weights = match draft.symmetrise {
            Symmetrise::No => weights,
            Symmetrise::Arithmetic => symmetrise(&weights, |a, b| 0.5 * (a + b)),
            Symmetrise::Geometric => symmetrise(&weights, |a, b| (a * b).sqrt()),
        };
        if draft.threshold > 0.0 {
            let all = weights.clone();
            let strong = |i, j| all.get(i, j).is_some_and(|w| *w >= draft.threshold);
            weights = filter(&weights, strong);
        }
        if draft.power != 1.0 {
            let raise = |w: &mut f64| *w = w.powf(draft.power);
            weights.data_mut().iter_mut().for_each(raise);
        }
        weights
    };
    let mut weights = prepare(weights);
    let places: Vec<(usize, usize)> = weights.iter().map(|(_, at)| at).collect();
    if draft.rows != Rows::AsGiven {
        // The matrix that rows are summed over, and the row of each of its targets among ours.
        let (mut whole, of) = match is_shuffled {
            true => (weights.clone(), connectome),
            false => (prepare(intact.fln.clone()), intact),
        };
        if draft.rows == Rows::KeptSumToOne {
            whole = keep_links(spec, path, draft, whole, of)?;
        }
        let row = |a: &connectome::Area| connectome.areas.iter().position(|b| b.name == a.name);
        let row_of: Vec<Option<usize>> = of.areas.iter().map(row).collect();
        let mut divisors = vec![0.0; connectome.areas.len()];
        if draft.rows != Rows::GreatestToOne {
            for (&w, (i, _)) in &whole {
                if let Some(row) = row_of[i] {
                    divisors[row] += w;
                }
            }
        } else {
            divisors.fill(whole.data().iter().copied().fold(0.0, f64::max));
        }
        for (w, &(i, _)) in weights.data_mut().iter_mut().zip(&places) {
            // A row without weight stays without.
            if divisors[i] > 0.0 {
                *w /= divisors[i];
            }
        }
    }
    let caps = caps(spec, path, draft, intact)?;
    if draft.layers != Layers::All {
        let path = format!("{path}.layers");
        let Some(sln) = &connectome.sln else {
            let message = format!(
                "no SLN: found none in {}, expected a data set with a table `sln`",
                connectome.name
            );
            return Err(spec.config.error(&path, message));
        };
        for (w, &place) in weights.data_mut().iter_mut().zip(&places) {
            let (i, j) = origin.get(&place).copied().unwrap_or(place);
            let (to, from) = (&connectome.areas[i].name, &connectome.areas[j].name);
            let Some(&above) = sln.get(i, j) else {
                let message = format!(
                    "layers of the link {to} <- {from}: found no SLN, expected one for every link"
                );
                return Err(spec.config.error(&path, message));
            };
            let part = match draft.layers {
                Layers::Deep => 1.0 - above,
                _ => above,
            };
            let capped = caps
                .iter()
                .filter(|c| c.to.contains(to) && c.from.contains(from));
            let part = capped.fold(part, |part, c| part.min(c.part));
            // Without `layering` the part itself, to the bit.
            *w *= match draft.layering {
                1.0 => part,
                share => (1.0 - share) + share * part,
            };
        }
    }
    Ok(weights)
}

/// The caps of a projection, of which the areas exist and the parts are possible.
fn caps<'a>(
    spec: &ExperimentSpec,
    path: &str,
    draft: &'a ProjectionSpec,
    intact: &Connectome,
) -> Result<&'a [LayersAtMost], SpecError> {
    if !draft.layers_at_most.is_empty() && draft.layers == Layers::All {
        let message = "cap without layers: expected `layers: superficial` or `deep` beside it";
        let path = format!("{path}.layers_at_most");
        return Err(spec.config.error(&path, message.to_owned()));
    }
    for (k, cap) in draft.layers_at_most.iter().enumerate() {
        let path = format!("{path}.layers_at_most[{k}]");
        if !(0.0..=1.0).contains(&cap.part) {
            let message = format!("out of range: found {}, expected 0 to 1", cap.part);
            return Err(spec.config.error(&format!("{path}.part"), message));
        }
        for (key, names) in [("to", &cap.to), ("from", &cap.from)] {
            let wanted = Areas::List(names.clone());
            areas(spec, intact, &format!("{path}.{key}"), &wanted)?;
        }
    }
    Ok(&draft.layers_at_most)
}

/// Longest delay, ms: history is kept that long, and no signal of a brain takes longer.
const LONGEST_DELAY_MS: f64 = 10_000.0;

/// Delay of every entry of `weights`, in its order, ms.
fn delays(
    spec: &ExperimentSpec,
    connectome: &Connectome,
    path: &str,
    delay: &DelaySpec,
    weights: &CsMat<f64>,
) -> Result<Vec<f64>, SpecError> {
    let (wanted, unwanted): (_, &[_]) = match delay.kind {
        DelayKind::Distance => (
            Some(("velocity", delay.velocity)),
            &[("value", delay.value)],
        ),
        DelayKind::Constant => (
            Some(("value", delay.value)),
            &[("velocity", delay.velocity), ("latency", delay.latency)],
        ),
        DelayKind::Given => (
            None,
            &[
                ("velocity", delay.velocity),
                ("latency", delay.latency),
                ("value", delay.value),
            ],
        ),
    };
    if let Some((key, _)) = unwanted.iter().find(|(_, q)| q.is_some()) {
        let message = format!("key does not belong: found `{key}` in this kind of delay");
        return Err(spec.config.error(&format!("{path}.{key}"), message));
    }
    let typed = |key: &str, q: Option<Quantity>, dimension: Dimension, zero: bool| {
        let path = format!("{path}.{key}");
        let Some(q) = q else {
            let message = format!("missing key: expected `{key}` for this kind of delay");
            return Err(spec.config.error(&path, message));
        };
        let value = in_unit(spec, &path, q, dimension)?;
        let fits = value.is_finite() && (value > 0.0 || (zero && value == 0.0));
        if !fits {
            let least = if zero { "0 or more" } else { "more than 0" };
            let message = format!("out of range: found {q}, expected {least}");
            return Err(spec.config.error(&path, message));
        }
        Ok(value)
    };
    let value = match wanted {
        Some(("velocity", q)) => {
            typed("velocity", q, Dimension::LENGTH.per(Dimension::TIME), false)?
        }
        Some((key, q)) => typed(key, q, Dimension::TIME, true)?,
        None => 0.0,
    };
    let latency = match delay.latency {
        Some(q) => typed("latency", Some(q), Dimension::TIME, true)?,
        None => 0.0,
    };
    let missing = |key: &str, table: &str| {
        let message = format!(
            "no {key}s: found none in {}, expected a data set with a table `{table}`, or links \
             typed in place with `{key}`",
            connectome.name
        );
        spec.config.error(path, message)
    };
    let table = match delay.kind {
        DelayKind::Distance => Some(
            connectome
                .distance_mm
                .as_ref()
                .ok_or_else(|| missing("distance", "distance_mm"))?,
        ),
        DelayKind::Given => Some(
            connectome
                .delay_ms
                .as_ref()
                .ok_or_else(|| missing("delay", "delay_ms"))?,
        ),
        DelayKind::Constant => None,
    };
    let mut out = Vec::with_capacity(weights.nnz());
    for (_, (i, j)) in weights {
        let ms = match (delay.kind, table) {
            // What `difference` takes off is the area's own variable as it is now.
            _ if i == j => 0.0,
            (DelayKind::Distance, Some(table)) => table[[i, j]] / value + latency,
            (DelayKind::Given, Some(table)) => table[[i, j]],
            _ => value,
        };
        if !(0.0..=LONGEST_DELAY_MS).contains(&ms) {
            let (to, from) = (&connectome.areas[i].name, &connectome.areas[j].name);
            let found = match (ms.is_nan(), delay.kind) {
                (true, DelayKind::Distance) => "no distance".to_owned(),
                (true, _) => "no delay".to_owned(),
                (false, _) => format!("a delay of {ms} ms"),
            };
            let message = format!(
                "delay of the link {to} <- {from}: found {found}, expected 0 to \
                 {LONGEST_DELAY_MS} ms"
            );
            return Err(spec.config.error(path, message));
        }
        out.push(ms);
    }
    Ok(out)
}

/// Where noise goes, and its dimension.
fn noise_target(
    spec: &ExperimentSpec,
    info: &'static CircuitInfo,
    path: &str,
    name: &str,
) -> Result<(Target, Dimension), SpecError> {
    if let Some(i) = info.input(name) {
        return Ok((Target::Input(i), dimension(info.inputs[i].unit)));
    }
    let states = &info.variables[..info.states];
    if let Some(v) = states.iter().position(|v| v.name == name) {
        let wanted = dimension(states[v].unit).per(Dimension::TIME);
        return Ok((Target::State(v), wanted));
    }
    let known = info.inputs.iter().map(|i| i.name);
    let known = known.chain(states.iter().map(|v| v.name));
    Err(unknown(spec, path, "input or state", name, known))
}

pub(super) fn noise(
    spec: &ExperimentSpec,
    info: &'static CircuitInfo,
    connectome: &Connectome,
    under: &str,
    sources: &Named<NoiseSpec>,
) -> Result<Vec<Noise>, SpecError> {
    let mut out = Vec::new();
    for (name, s) in sources {
        let path = format!("{under}.{}", path_segment(name));
        let (target, mut wanted) = noise_target(spec, info, &format!("{path}.into"), &s.into)?;
        let times = match &s.times {
            Some(name) => {
                let path = format!("{path}.times");
                let v = variable(spec, info, &path, name)?;
                if v >= info.states {
                    let states = info.variables[..info.states].iter().map(|v| v.name);
                    return Err(unknown(spec, &path, "state", name, states));
                }
                wanted = wanted.per(dimension(info.variables[v].unit));
                Some(v)
            }
            None => None,
        };
        let mut targets = areas(spec, connectome, &format!("{path}.areas"), &s.areas)?;
        // What is lesioned needs no exception: one noise serves the intact and the lesioned network.
        let except: Vec<String> = s
            .except
            .iter()
            .filter(|name| !spec.is_lesioned(name))
            .cloned()
            .collect();
        let except = area_list(spec, connectome, &format!("{path}.except"), &except)?;
        targets.retain(|a| !except.contains(a));
        let mean = match s.mean {
            Some(q) => in_unit(spec, &format!("{path}.mean"), q, wanted)?,
            None => 0.0,
        };
        let site = |a: AreaId| Site::new(name, &connectome.areas[a.index()].name, &s.into);
        out.push(Noise {
            name: name.clone(),
            target,
            times,
            areas: targets.into_iter().map(|a| (a, site(a))).collect(),
            mean,
            sd: in_unit(spec, &format!("{path}.sd"), s.sd, wanted)?,
            memory: match s.memory {
                NoiseMemory::White { bin_ms } => Memory::White { bin_ms },
                NoiseMemory::Ou { tau_ms } => Memory::Ou { tau_ms },
            },
        });
    }
    Ok(out)
}

fn initial(
    spec: &ExperimentSpec,
    info: &'static CircuitInfo,
    connectome: &Connectome,
) -> Result<Vec<(AreaId, usize, f64)>, SpecError> {
    let mut out = Vec::new();
    // `all` comes before groups and these before single areas whatever their names, so that they override it.
    let all = spec.initial.iter().filter(|(place, _)| *place == "all");
    let is_group = |place: &str| connectome.group(place).next().is_some();
    let groups = spec.initial.iter().filter(|(place, _)| is_group(place));
    let single = (spec.initial.iter()).filter(|(place, _)| *place != "all" && !is_group(place));
    // One config serves the intact and the lesioned network.
    let single = single.filter(|(place, _)| !spec.is_lesioned(place));
    for (place, values) in all.chain(groups).chain(single) {
        let path = format!("initial.{}", path_segment(place));
        let places = match place.as_str() {
            "all" => (0..connectome.areas.len()).map(AreaId::from).collect(),
            name => area_or_group(spec, connectome, &path, name)?,
        };
        for (name, q) in values {
            let path = format!("{path}.{}", path_segment(name));
            let v = variable(spec, info, &path, name)?;
            if v >= info.states {
                let states = info.variables[..info.states].iter().map(|v| v.name);
                return Err(unknown(spec, &path, "state", name, states));
            }
            let value = in_unit(spec, &path, *q, dimension(info.variables[v].unit))?;
            out.extend(places.iter().map(|&a| (a, v, value)));
        }
    }
    Ok(out)
}

/// Sets the background parameters, and the states that follow from others, so that the baseline is a fixed
/// point without stimuli or noise.
fn solve_background(spec: &ExperimentSpec, network: &mut Network) -> Result<(), SpecError> {
    if spec.solve != Solve::Background {
        return Ok(());
    }
    let info = network.info();
    if info.background.is_empty() {
        let message = format!(
            "background cannot be solved: circuit `{}` declares no background parameters, expected \
             `solve: fixed_point` or `solve: nothing`",
            info.name
        );
        return Err(spec.config.error("baseline.solve", message));
    }
    let mut inputs = Array2::zeros((network.n_areas(), info.inputs.len()));
    for projection in &network.projections {
        let sent = network.baseline.column(projection.sent);
        network.each_target(projection, |target, links| {
            let sum = network.weighted_sum(projection, links, |source, _| sent[source]);
            for received in &projection.received {
                inputs[[target, received.input]] += received.gain[target] * sum;
            }
        });
    }
    struct Background<'a> {
        parameters: &'a mut [f64],
        baseline: &'a mut [f64],
        inputs: &'a [f64],
    }
    impl CircuitVisitor for Background<'_> {
        type Output = ();

        fn visit<C: LocalCircuit>(self) {
            let mut p = C::Parameters::from_values(self.parameters);
            let mut x = C::Variables::read(self.baseline);
            let i = C::Inputs::read(self.inputs);
            C::rest(&p, &mut x, &i);
            for v in C::INFO
                .background
                .iter()
                .filter_map(|b| C::INFO.variable(b))
            {
                self.baseline[v] = x.get(v);
            }
            C::background(&mut p, &C::Variables::read(self.baseline), &i);
            let mut solved = self.parameters.to_vec();
            p.write_values(&mut solved);
            for k in C::INFO
                .background
                .iter()
                .filter_map(|b| C::INFO.parameter(b))
            {
                self.parameters[k] = solved[k];
            }
        }
    }
    for area in 0..network.n_areas() {
        const BY_AREA: &str = "tables of a network are laid out by area";
        let mut parameters = network.parameters.row_mut(area);
        let parameters = parameters.as_slice_mut().expect(BY_AREA);
        let mut baseline = network.baseline.row_mut(area);
        let baseline = baseline.as_slice_mut().expect(BY_AREA);
        let solve = Background {
            parameters,
            baseline,
            inputs: inputs.row(area).to_slice().expect(BY_AREA),
        };
        network.circuit.visit(solve);
        let solved = info.background.iter().filter_map(|name| {
            let parameter = info.parameter(name).map(|k| parameters[k]);
            Some((
                name,
                parameter.or(info.variable(name).map(|v| baseline[v]))?,
            ))
        });
        if let Some((name, value)) = solved.into_iter().find(|s| !s.1.is_finite()) {
            let area = &network.connectome.areas[area].name;
            let message = format!(
                "no background: found {value} for `{name}` of area {area}, expected a finite value; the \
                 circuit cannot rest at this state"
            );
            return Err(spec.config.error("baseline.state", message));
        }
    }
    Ok(())
}
