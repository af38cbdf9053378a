//! The logical plan: one circuit in every area, wired and driven, all names resolved.
//!
//! The science is complete here without a thread, a lane or a file. [`Network::build`] makes it
//! from an [`ExperimentSpec`]; the reference simulator runs it as it stands, the plan compiles it.

mod build;
mod learning;
mod perturb;
mod remarks;
mod trials;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::Array2;

use crate::circuit::{CircuitInfo, CircuitKind};
use crate::connectome::{Connectome, ConnectomeError};
use crate::coupling::Projection;
use crate::ids::AreaId;
use crate::noise::Noise;
use crate::spec::{ExperimentSpec, LostStimuli, SpecError};
use crate::stimulus::{Stimulus, Trial, Trials};

pub use learning::{Learned, Learning, decide};

/// A network of areas, ready to be simulated or compiled.
#[derive(Debug, Clone)]
pub struct Network {
    /// One line that names the experiment.
    pub title: String,
    /// The circuit of every area.
    pub circuit: CircuitKind,
    /// Areas and anatomy, after lesions.
    pub connectome: Arc<Connectome>,
    /// Areas in the order of their names. Sums over areas run in this order everywhere, so that
    /// results do not depend on the order in which a file lists the areas.
    pub canonical: Vec<AreaId>,
    /// Parameters after gradients and background, [area, parameter], canonical units.
    pub parameters: Array2<f64>,
    /// Long-range connections.
    pub projections: Vec<Projection>,
    /// Inputs from outside.
    pub stimuli: Vec<Stimulus>,
    /// Trials, each with more of them, if there is a task.
    pub trials: Option<Trials>,
    /// What the trials of a session leave behind for the next.
    pub learning: Option<Learning>,
    /// Networks of the conditions of the task, in the order of [`Trials::conditions`]; none for a condition
    /// that leaves the model alone.
    pub conditions: Vec<Option<Network>>,
    /// Noise sources.
    pub noise: Vec<Noise>,
    /// The baseline, or the guess from which it is found, [area, variable].
    pub baseline: Array2<f64>,
    /// Whether the baseline is where the network comes to rest from the guess.
    pub find_fixed_point: bool,
    /// Start values that differ from the baseline: (area, variable, value).
    pub initial: Vec<(AreaId, usize, f64)>,
    /// Names of all areas that were removed and of groups of which none is left, and what becomes of stimuli
    /// into them.
    pub lesioned: Vec<(String, LostStimuli)>,
}

/// Why an experiment cannot become a network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Something in the config does not fit the circuit or the data.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The data set is faulty.
    #[error(transparent)]
    Connectome(#[from] ConnectomeError),
}

/// Data sets that were read, by name or folder, so that many networks read each of them once.
#[derive(Debug, Default)]
pub struct DataSets(Mutex<BTreeMap<String, Arc<Connectome>>>);

impl DataSets {
    /// A data set, read with `load` if it was not yet.
    fn get(
        &self,
        name: &str,
        load: impl FnOnce() -> Result<Connectome, NetworkError>,
    ) -> Result<Arc<Connectome>, NetworkError> {
        // A thread that panicked here left a map as whole as it was.
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(name) {
            return Ok(Arc::clone(known));
        }
        let loaded = Arc::new(load()?);
        read.insert(name.to_owned(), Arc::clone(&loaded));
        Ok(loaded)
    }
}

impl Network {
    /// Resolves every name of an experiment.
    ///
    /// # Errors
    /// Unknown circuit, parameter, variable, input, area or gradient; wrong units; faulty data; a
    /// matrix that sends the wrong thing. Each names its place in the config.
    pub fn build(spec: &ExperimentSpec) -> Result<Network, NetworkError> {
        build::build(spec, &DataSets::default())
    }

    /// The same, with data sets that were read for other networks.
    ///
    /// # Errors
    /// As [`Network::build`].
    pub fn build_from(spec: &ExperimentSpec, sets: &DataSets) -> Result<Network, NetworkError> {
        build::build(spec, sets)
    }

    /// Noise sources beside the experiment's own, for the drives of exact analyses. `under` is the key path for messages.
    ///
    /// # Errors
    /// As [`Network::build`].
    pub fn resolve_noise(
        &self,
        spec: &ExperimentSpec,
        under: &str,
        sources: &crate::spec::Named<crate::spec::NoiseSpec>,
    ) -> Result<Vec<Noise>, SpecError> {
        build::noise(spec, self.circuit.info(), &self.connectome, under, sources)
    }

    /// Refuses a gradient that the data set does not have; `path` is the key path for messages.
    ///
    /// # Errors
    /// Names those that it has.
    pub fn check_gradient(
        &self,
        spec: &ExperimentSpec,
        path: &str,
        map: &str,
    ) -> Result<(), SpecError> {
        build::gradient_index(spec, &self.connectome, path, map).map(|_| ())
    }

    /// Areas named in a config, or all of them; `path` is the key path for messages.
    ///
    /// # Errors
    /// An unknown area, an area twice, an empty list.
    pub fn areas_of(
        &self,
        spec: &ExperimentSpec,
        path: &str,
        areas: &crate::spec::Areas,
    ) -> Result<Vec<AreaId>, SpecError> {
        build::areas(spec, &self.connectome, path, areas)
    }

    /// What a person should know before a run with steps of `dt_ms`, though nothing is wrong: so far
    /// white noise that enters an input which acts through a curve.
    ///
    /// That is judged at the baseline, as the config gives it, and at the values that the noise of a
    /// step takes up to three standard deviations off.
    #[must_use]
    pub fn remarks(&self, dt_ms: f64) -> Vec<String> {
        remarks::remarks(self, dt_ms)
    }

    /// The table of the circuit.
    #[must_use]
    pub fn info(&self) -> &'static CircuitInfo {
        self.circuit.info()
    }

    /// Number of areas.
    #[must_use]
    pub fn n_areas(&self) -> usize {
        self.connectome.areas.len()
    }

    /// Names of the areas, in the order of the connectome.
    #[must_use]
    pub fn area_names(&self) -> Vec<&str> {
        self.connectome
            .areas
            .iter()
            .map(|a| a.name.as_str())
            .collect()
    }

    /// Links of each target over a projection in canonical order: the position of the source, and where the
    /// link stands among the weights.
    #[must_use]
    pub fn ordered_links(&self, projection: &Projection) -> Vec<Vec<(usize, usize)>> {
        let mut out = Vec::with_capacity(self.n_areas());
        self.each_target(projection, |_, links| out.push(links.to_vec()));
        out
    }

    /// Shows the [`Network::ordered_links`] of each target in turn.
    pub fn each_target(
        &self,
        projection: &Projection,
        mut show: impl FnMut(usize, &[(usize, usize)]),
    ) {
        let mut position = vec![0; self.canonical.len()];
        for (k, area) in self.canonical.iter().enumerate() {
            position[area.index()] = k;
        }
        let weights = &projection.weights;
        let mut links = Vec::new();
        for target in 0..self.n_areas() {
            let row = weights.indptr().outer_inds_sz(target);
            links.clear();
            links.extend(row.map(|at| (position[weights.indices()[at]], at)));
            links.sort_unstable();
            show(target, &links);
        }
    }

    /// Sum of the weights of a target's [`Network::ordered_links`] times what each source sends (source,
    /// delay → value), with the two partial sums (even and odd positions) that every implementation uses.
    #[must_use]
    pub fn weighted_sum(
        &self,
        projection: &Projection,
        links: &[(usize, usize)],
        sent: impl Fn(usize, Option<f64>) -> f64,
    ) -> f64 {
        let mut partial = [0.0_f64; 2];
        for &(position, at) in links {
            let delay_ms = projection.delays_ms.as_ref().map(|d| d[at]);
            let x = sent(self.canonical[position].index(), delay_ms);
            let sum = &mut partial[position % 2];
            *sum = projection.weights.data()[at].mul_add(x, *sum);
        }
        partial[0] + partial[1]
    }

    /// The network that a run of the task takes place in.
    #[must_use]
    pub fn of_run(&self, run: u32) -> &Network {
        let trial = self.trials.as_ref().and_then(|t| t.of_run(run).next());
        trial.map_or(self, |t| self.of_condition(t.condition))
    }

    /// The network that trials of a condition of the task take place in.
    #[must_use]
    pub fn of_condition(&self, condition: usize) -> &Network {
        let own = self.conditions.get(condition).and_then(Option::as_ref);
        own.unwrap_or(self)
    }

    /// Whether an area, or all of a group, was removed.
    #[must_use]
    pub fn is_lesioned(&self, name: &str) -> bool {
        self.lesioned.iter().any(|(known, _)| known == name)
    }

    /// Whether the network that a condition of the task takes place in has an area of this network.
    #[must_use]
    pub fn has_in(&self, condition: usize, area: AreaId) -> bool {
        let own = self.of_condition(condition);
        let name = &self.connectome.areas[area.index()].name;
        std::ptr::eq(own, self) || own.connectome.area_id(name).is_ok()
    }

    /// Everything that the trials of a run show, in the areas of [`of_run`](Self::of_run): trials are drawn for
    /// the network of the task, of which conditions may lack areas.
    #[must_use]
    pub fn shown_in(&self, run: u32) -> Vec<Stimulus> {
        let trials = self.trials.iter().flat_map(|t| t.of_run(run));
        self.shown(&trials.collect::<Vec<_>>())
    }

    /// The same for the trials of one run, as they were drawn.
    #[must_use]
    pub fn shown(&self, trials: &[&Trial]) -> Vec<Stimulus> {
        let own = trials
            .first()
            .map_or(self, |t| self.of_condition(t.condition));
        let shown = trials.iter().flat_map(|t| t.stimuli()).cloned();
        if std::ptr::eq(own, self) || own.area_names() == self.area_names() {
            return shown.collect();
        }
        let there = |area: &AreaId| {
            let name = &self.connectome.areas[area.index()].name;
            own.connectome.area_id(name).ok()
        };
        shown
            .map(|s| Stimulus {
                areas: s.areas.iter().filter_map(there).collect(),
                ..s
            })
            .collect()
    }

    /// The trial that tables and figures show: the first with the most events among those in which all areas are
    /// there.
    #[must_use]
    pub fn example(&self) -> Option<usize> {
        let trials = self.trials.as_ref()?;
        let whole = |condition: usize| self.of_condition(condition).n_areas() == self.n_areas();
        Some(trials.example(whole))
    }

    /// Whether any projection has delays.
    #[must_use]
    pub fn is_delayed(&self) -> bool {
        self.projections.iter().any(|p| p.delays_ms.is_some())
    }
}
