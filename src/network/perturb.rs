//! Perturbations resolved against circuit, areas and projections, and what each of them does to the network.

use std::collections::BTreeMap;

use ndarray::Array2;
use sprs::CsMat;

use super::build::{area_or_group, areas, dimension, finite, gradient_index, in_unit, unknown};
use crate::circuit::CircuitInfo;
use crate::connectome::Connectome;
use crate::coupling::{exchange, filter};
use crate::ids::AreaId;
use crate::spec::node::path_segment;
use crate::spec::{
    Areas, ExperimentSpec, Keep, MapSpec, Normalise, PerturbationSpec, ShuffleSpec, SpecError,
    is_all,
};
use crate::stimulus::Stimulus;
use crate::units::{Dimension, Quantity};

/// All perturbations of an experiment.
#[derive(Default)]
pub(super) struct Perturbed<'a> {
    /// Null model of projections.
    shuffles: BTreeMap<&'a str, ShuffleSpec>,
    /// Changes of links by projection, in the order of the names of the perturbations.
    links: BTreeMap<&'a str, Vec<Link>>,
    /// Factor of every area on parameters.
    parameters: BTreeMap<&'a str, Vec<f64>>,
    levels: BTreeMap<&'a str, f64>,
    /// Map of gradients in the range to which the gradient normalises, [area].
    maps: BTreeMap<&'a str, Map>,
    currents: Vec<Stimulus>,
    /// Names of all areas of the intact data set, and which of them are left.
    names: Vec<&'a str>,
    left: Vec<usize>,
}

/// What stands in place of the map of a gradient.
enum Map {
    Flat,
    Exchanged(u64),
    Values(Vec<Option<f64>>),
}

/// A change of the links of one projection.
struct Link {
    path: String,
    by: f64,
    /// Whether each area counts as a source, and as a target.
    from: Vec<bool>,
    to: Vec<bool>,
    direction: Keep,
}

impl Link {
    /// Whether the links of a target change all together, so that its gain can take the factor.
    fn is_of_targets(&self) -> bool {
        self.direction == Keep::All && self.from.iter().all(|from| *from)
    }
}

/// The changes of the links of one projection.
pub(super) struct Links<'a>(&'a [Link]);

impl Links<'_> {
    /// Path of a change that asks what is up and down.
    pub(super) fn needs_hierarchy(&self) -> Option<&str> {
        let needs = |l: &&Link| l.direction != Keep::All;
        self.0.iter().find(needs).map(|l| l.path.as_str())
    }

    /// Changes weights of links that are told apart by their sources; a link of no weight is none.
    pub(super) fn weaken(&self, weights: &mut CsMat<f64>, hierarchy: Option<&[f64]>) {
        for link in self.0.iter().filter(|l| !l.is_of_targets()) {
            let places: Vec<(usize, usize)> = weights.iter().map(|(_, at)| at).collect();
            for (w, (i, j)) in weights.data_mut().iter_mut().zip(places) {
                let goes = match (link.direction, hierarchy) {
                    (Keep::Feedforward, Some(h)) => h[j] < h[i],
                    (Keep::Feedback, Some(h)) => h[j] > h[i],
                    _ => true,
                };
                if goes && link.to[i] && link.from[j] {
                    *w *= link.by;
                }
            }
            let copy = weights.clone();
            *weights = filter(&copy, |i, j| copy.get(i, j).is_some_and(|w| *w != 0.0));
        }
    }

    /// Scales the gains of targets.
    pub(super) fn scale(&self, gains: &mut [f64]) {
        for link in self.0.iter().filter(|l| l.is_of_targets()) {
            for (gain, to) in gains.iter_mut().zip(&link.to) {
                if *to {
                    *gain *= link.by;
                }
            }
        }
    }
}

impl<'a> Perturbed<'a> {
    /// Resolves every name.
    ///
    /// # Errors
    /// Unknown areas, populations, projections, receptors, parameters, modulators, gradients and maps.
    pub(super) fn resolve(
        spec: &'a ExperimentSpec,
        info: &'static CircuitInfo,
        connectome: &Connectome,
        intact: &'a Connectome,
    ) -> Result<Self, SpecError> {
        let mut out = Perturbed {
            names: intact.areas.iter().map(|a| a.name.as_str()).collect(),
            ..Perturbed::default()
        };
        for area in &connectome.areas {
            let at = out.names.iter().position(|name| *name == area.name);
            out.left.extend(at);
        }
        check_receptors(spec, info)?;
        let resolve = Resolve {
            spec,
            info,
            connectome,
            intact,
        };
        for (name, perturbation) in &spec.perturbations {
            let path = format!("perturbations.{}", path_segment(name));
            match perturbation {
                // The build takes the areas out before anything else.
                PerturbationSpec::Lesion { .. } => {}
                PerturbationSpec::Shuffle {
                    projections,
                    what,
                    seed,
                } => {
                    for projection in
                        resolve.projections(&format!("{path}.shuffle"), projections)?
                    {
                        let (what, seed) = (*what, *seed);
                        let shuffle = ShuffleSpec { what, seed };
                        if out.shuffles.insert(projection, shuffle).is_some() {
                            return Err(resolve.twice(&path, projection));
                        }
                    }
                }
                PerturbationSpec::Links {
                    projections,
                    by,
                    from,
                    to,
                    links,
                } => {
                    let word = resolve.word(&path, ["cut", "scale"]);
                    let at = |key: &str| format!("{path}.{key}");
                    let from = resolve.mask(&at("from"), from)?;
                    let to = resolve.mask(&at("to"), to)?;
                    for projection in resolve.projections(&at(word), projections)? {
                        out.links.entry(projection).or_default().push(Link {
                            path: at("links"),
                            by: *by,
                            from: from.clone(),
                            to: to.clone(),
                            direction: *links,
                        });
                    }
                }
                PerturbationSpec::Gain {
                    names,
                    receptors,
                    by,
                    areas,
                } => {
                    let to = resolve.mask(&format!("{path}.areas"), areas)?;
                    for scaled in resolve.scaled(&path, names, *receptors)? {
                        if spec.projections.contains_key(scaled) {
                            out.links.entry(scaled).or_default().push(Link {
                                path: path.clone(),
                                by: *by,
                                from: vec![true; to.len()],
                                to: to.clone(),
                                direction: Keep::All,
                            });
                            continue;
                        }
                        let factors =
                            (out.parameters.entry(scaled)).or_insert_with(|| vec![1.0; to.len()]);
                        for (factor, to) in factors.iter_mut().zip(&to) {
                            *factor *= if *to { *by } else { 1.0 };
                        }
                    }
                }
                PerturbationSpec::Level { modulator, level } => {
                    let at = format!("{path}.modulator");
                    if !spec.modulators.contains_key(modulator) {
                        let known = spec.modulators.keys().map(String::as_str);
                        return Err(unknown(spec, &at, "modulator", modulator, known));
                    }
                    let level = finite(spec, &format!("{path}.level"), *level)?;
                    if out.levels.insert(modulator, level).is_some() {
                        return Err(resolve.twice(&at, modulator));
                    }
                }
                PerturbationSpec::Gradient { gradients, by } => {
                    for gradient in resolve.gradients(&format!("{path}.gradient"), gradients)? {
                        let map = resolve.map(&path, gradient, by)?;
                        if out.maps.insert(gradient, map).is_some() {
                            return Err(resolve.twice(&format!("{path}.gradient"), gradient));
                        }
                    }
                }
                PerturbationSpec::Current {
                    into,
                    areas: wanted,
                    amplitude,
                    onset_ms,
                    offset_ms,
                } => {
                    let word = resolve.word(&path, ["inhibit", "excite"]);
                    let areas = areas(spec, connectome, &format!("{path}.areas"), wanted)?;
                    for input in resolve.inputs(&path, word, into, *amplitude)? {
                        let wanted = dimension(info.inputs[input].unit);
                        let at = format!("{path}.amplitude");
                        out.currents.push(Stimulus {
                            name: name.clone(),
                            input,
                            areas: areas.clone(),
                            amplitude: in_unit(spec, &at, *amplitude, wanted)?,
                            onset_ms: *onset_ms,
                            offset_ms: *offset_ms,
                        });
                    }
                }
            }
        }
        Ok(out)
    }

    /// The null model of a projection, if a perturbation asks for one.
    pub(super) fn shuffle(&self, projection: &str) -> Option<&ShuffleSpec> {
        self.shuffles.get(projection)
    }

    /// The changes of the links of a projection.
    pub(super) fn links(&self, projection: &str) -> Links<'_> {
        Links(self.links.get(projection).map_or(&[], Vec::as_slice))
    }

    /// Level of a modulator, if a perturbation sets it.
    pub(super) fn level(&self, modulator: &str) -> Option<f64> {
        self.levels.get(modulator).copied()
    }

    /// Currents that perturbations give.
    pub(super) fn currents(&self) -> impl Iterator<Item = Stimulus> + '_ {
        self.currents.iter().cloned()
    }

    /// Scales parameters, [area, parameter], after gradients and values of single areas.
    pub(super) fn scale_parameters(&self, info: &CircuitInfo, parameters: &mut Array2<f64>) {
        for (name, factors) in &self.parameters {
            let Some(k) = info.parameter(name) else {
                continue;
            };
            let mut column = parameters.column_mut(k);
            column.iter_mut().zip(factors).for_each(|(x, f)| *x *= f);
        }
    }

    /// The map of a gradient in the areas that are left, normalised: its own, or what a perturbation puts
    /// in its place. `whole` is its own in all areas of the data set.
    pub(super) fn map(&self, gradient: &str, own: Vec<f64>, whole: &[f64]) -> Vec<f64> {
        match self.maps.get(gradient) {
            None => own,
            Some(Map::Flat) => {
                let mean = whole.iter().sum::<f64>() / whole.len() as f64;
                vec![mean; own.len()]
            }
            Some(Map::Exchanged(seed)) => {
                let taken = exchange(&self.names, *seed);
                self.left.iter().map(|&a| whole[taken[a]]).collect()
            }
            Some(Map::Values(values)) => {
                let value = |(own, &a): (f64, &usize)| values[a].unwrap_or(own);
                own.into_iter().zip(&self.left).map(value).collect()
            }
        }
    }
}

/// Receptors act on parameters and projections that there are.
fn check_receptors(spec: &ExperimentSpec, info: &'static CircuitInfo) -> Result<(), SpecError> {
    for (receptor, names) in &spec.receptors {
        for (i, name) in names.iter().enumerate() {
            let known = info.parameters.iter().map(|p| p.name);
            let known = known.chain(spec.projections.keys().map(String::as_str));
            if !known.clone().any(|k| k == name) {
                let path = format!("receptors.{}[{i}]", path_segment(receptor));
                return Err(unknown(spec, &path, "parameter or projection", name, known));
            }
        }
    }
    Ok(())
}

struct Resolve<'a, 'c> {
    spec: &'a ExperimentSpec,
    info: &'static CircuitInfo,
    connectome: &'c Connectome,
    intact: &'c Connectome,
}

impl<'a> Resolve<'a, '_> {
    /// Which of two words a perturbation was typed with.
    fn word(&self, path: &str, [one, other]: [&'static str; 2]) -> &'static str {
        match self.spec.config.keys(path).iter().any(|key| key == one) {
            true => one,
            false => other,
        }
    }

    fn twice(&self, path: &str, name: &str) -> SpecError {
        let message = format!(
            "two perturbations of one thing: found `{name}` changed by another one, too, expected one"
        );
        self.spec.config.error(path, message)
    }

    /// Whether each area is one of those wanted.
    fn mask(&self, path: &str, wanted: &Areas) -> Result<Vec<bool>, SpecError> {
        let wanted = areas(self.spec, self.connectome, path, wanted)?;
        let all = (0..self.connectome.areas.len()).map(AreaId::from);
        Ok(all.map(|a| wanted.contains(&a)).collect())
    }

    /// Names that are among the known ones, or all of these.
    fn known(
        &self,
        path: &str,
        kind: &str,
        names: &[String],
        known: impl Iterator<Item = &'a String> + Clone,
    ) -> Result<Vec<&'a str>, SpecError> {
        if is_all(names) {
            return Ok(known.map(String::as_str).collect());
        }
        let find = |name: &String| {
            known
                .clone()
                .find(|k| *k == name)
                .map(String::as_str)
                .ok_or_else(|| {
                    let known = known.clone().map(String::as_str).chain(["all"]);
                    unknown(self.spec, path, kind, name, known)
                })
        };
        names.iter().map(find).collect()
    }

    fn projections(&self, path: &str, names: &[String]) -> Result<Vec<&'a str>, SpecError> {
        self.known(path, "projection", names, self.spec.projections.keys())
    }

    fn gradients(&self, path: &str, names: &[String]) -> Result<Vec<&'a str>, SpecError> {
        self.known(path, "gradient", names, self.spec.gradients.keys())
    }

    /// Parameters and projections that receptors, or parameters by their names, scale.
    fn scaled(
        &self,
        path: &str,
        names: &'a [String],
        receptors: bool,
    ) -> Result<Vec<&'a str>, SpecError> {
        let mut out = Vec::new();
        for name in names {
            if receptors {
                let Some(scaled) = self.spec.receptors.get(name) else {
                    let path = format!("{path}.receptor");
                    let known = self.spec.receptors.keys().map(String::as_str);
                    return Err(unknown(self.spec, &path, "receptor", name, known));
                };
                out.extend(scaled.iter().map(String::as_str));
                continue;
            }
            let times = self.info.parameters[..self.info.time_constants].iter();
            if self.info.parameter(name).is_none() || times.clone().any(|t| t.name == name) {
                let path = format!("{path}.parameter");
                let known = &self.info.parameters[self.info.time_constants..];
                let known = known.iter().map(|p| p.name);
                return Err(unknown(self.spec, &path, "parameter", name, known));
            }
            out.push(name.as_str());
        }
        Ok(out)
    }

    /// What stands in place of the map of a gradient, in the range to which it normalises.
    fn map(&self, path: &str, gradient: &str, by: &MapSpec) -> Result<Map, SpecError> {
        let own = &self.spec.gradients[gradient];
        let at = format!("gradients.{}.map", path_segment(gradient));
        let values_of = |path: &str, map: &str| {
            let index = gradient_index(self.spec, self.intact, path, map)?;
            Ok(&self.intact.gradients[index].values)
        };
        let range = |values: &[f64]| match own.normalise {
            Normalise::AsGiven => (0.0, 1.0),
            Normalise::MinMax => {
                let least = values.iter().copied().fold(f64::INFINITY, f64::min);
                let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                (least, most - least)
            }
        };
        match by {
            MapSpec::Flat => Ok(Map::Flat),
            MapSpec::Exchanged(seed) => Ok(Map::Exchanged(*seed)),
            MapSpec::Map(map) => {
                let path = format!("{path}.map");
                let values = values_of(&path, map)?;
                let (least, width) = range(values);
                if width <= 0.0 {
                    let message = format!(
                        "map has no range: found {least} in every area of `{map}`, expected at least two \
                         values to normalise"
                    );
                    return Err(self.spec.config.error(&path, message));
                }
                let normalised = values.iter().map(|x| Some((x - least) / width));
                Ok(Map::Values(normalised.collect()))
            }
            MapSpec::Values(values) => {
                let (least, width) = range(values_of(&at, &own.map)?);
                let mut out = vec![None; self.intact.areas.len()];
                let is_group = |name: &str| self.intact.group(name).next().is_some();
                // Groups before single areas, which override them.
                let groups = values.iter().filter(|(name, _)| is_group(name));
                let single = values.iter().filter(|(name, _)| !is_group(name));
                for (name, value) in groups.chain(single) {
                    let path = format!("{path}.values.{}", path_segment(name));
                    let areas = area_or_group(self.spec, self.intact, &path, name)?;
                    let value = finite(self.spec, &path, *value)?;
                    for area in areas {
                        out[area.index()] = Some((value - least) / width);
                    }
                }
                Ok(Map::Values(out))
            }
        }
    }

    /// The inputs of populations: `SST` stands for SST, SST1 and SST2, as far as there are; of several
    /// inputs of one population that in the unit of the amplitude counts. An input may be named itself.
    fn inputs(
        &self,
        path: &str,
        word: &str,
        names: &[String],
        amplitude: Quantity,
    ) -> Result<Vec<usize>, SpecError> {
        let path = format!("{path}.{word}");
        let mut populations: Vec<&'static str> = Vec::new();
        for variable in self.info.variables {
            if !populations.contains(&variable.population) {
                populations.push(variable.population);
            }
        }
        let mut out = Vec::new();
        for name in names {
            if let Some(input) = self.info.input(name) {
                out.push(input);
                continue;
            }
            let part = |population: &str| {
                let rest = population.strip_prefix(name.as_str());
                rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()))
            };
            let found: Vec<&str> = populations.iter().copied().filter(|p| part(p)).collect();
            if found.is_empty() {
                let inputs = self.info.inputs.iter().map(|i| i.name);
                let known = populations.iter().copied().chain(inputs);
                return Err(unknown(
                    self.spec,
                    &path,
                    "population or input",
                    name,
                    known,
                ));
            }
            for population in found {
                out.push(self.input_of(&path, population, amplitude.dimension)?);
            }
        }
        for (k, input) in out.iter().enumerate() {
            if out[..k].contains(input) {
                let name = self.info.inputs[*input].name;
                let message = format!("input twice: found `{name}` again, expected it once");
                return Err(self.spec.config.error(&path, message));
            }
        }
        Ok(out)
    }

    /// The input of one population that has a dimension.
    fn input_of(
        &self,
        path: &str,
        population: &str,
        wanted: Dimension,
    ) -> Result<usize, SpecError> {
        let inputs = self.info.inputs.iter().enumerate();
        let own: Vec<(usize, &str, &str)> = inputs
            .filter(|(_, i)| {
                i.name
                    .rsplit_once('_')
                    .is_some_and(|(_, of)| of == population)
            })
            .map(|(k, i)| (k, i.name, i.unit))
            .collect();
        let fitting: Vec<usize> = (own.iter())
            .filter(|(_, _, unit)| dimension(unit) == wanted)
            .map(|(k, _, _)| *k)
            .collect();
        if let [only] = fitting[..] {
            return Ok(only);
        }
        let own: Vec<String> = (own.iter())
            .map(|(_, name, unit)| format!("{name} [{unit}]"))
            .collect();
        let own = match own.len() {
            0 => "no input of its own".to_owned(),
            _ => own.join(", "),
        };
        let message = format!(
            "no single input: found {} inputs of population `{population}` in the unit of `amplitude`, \
             expected one ({own}); name an input instead of the population",
            fitting.len()
        );
        Err(self.spec.config.error(path, message))
    }
}
