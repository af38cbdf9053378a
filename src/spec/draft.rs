//! An experiment as typed: what a YAML file may say, key by key. Nothing is interpreted here.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::perturbation::PerturbationDraft;
use super::task::TaskDraft;
use crate::units::Quantity;

/// A map whose order does not matter; sorted, so that nothing depends on how a file was written.
pub type Named<T> = BTreeMap<String, T>;

/// The whole document after layers were merged.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// One line that names the experiment.
    pub title: String,
    /// What it shows and where it comes from.
    #[serde(default)]
    pub description: String,
    /// Publications behind the numbers.
    #[serde(default)]
    pub sources: Vec<String>,
    /// The preset that was applied, written by the program into canonical configs.
    #[serde(default)]
    pub applied_preset: Option<String>,
    /// Areas, connection weights, gradients.
    pub connectome: ConnectomeDraft,
    /// The local circuit of every area.
    pub circuit: CircuitDraft,
    /// How parameters vary from area to area.
    #[serde(default)]
    pub gradients: Named<GradientDraft>,
    /// What acts on the whole cortex at one level, through gradients.
    #[serde(default)]
    pub modulators: Named<ModulatorDraft>,
    /// Long-range connections.
    #[serde(default)]
    pub projections: Named<ProjectionDraft>,
    /// The state around which the model is built.
    pub baseline: BaselineDraft,
    /// Where the run starts if not at the baseline: area name or `all`, then variable.
    #[serde(default)]
    pub initial: Named<Named<Quantity>>,
    /// Receptors by name: parameters of the circuit and projections that are proportional to one.
    #[serde(default)]
    pub receptors: Named<Vec<String>>,
    /// What is done to the cortex that the keys above describe.
    #[serde(default)]
    pub perturbations: Named<PerturbationDraft>,
    /// Areas removed from the network.
    #[serde(default)]
    pub lesions: Option<LesionDraft>,
    /// Inputs given from outside.
    #[serde(default)]
    pub stimuli: Named<StimulusDraft>,
    /// Trials: what is shown when, in which conditions, and what is read out.
    #[serde(default)]
    pub task: TaskDraft,
    /// Noise sources.
    #[serde(default)]
    pub noise: Named<NoiseDraft>,
    /// Time, step and scheme.
    pub simulation: SimulationDraft,
    /// What is written to the result file.
    pub record: RecordDraft,
    /// Measures computed inside the run.
    #[serde(default)]
    pub analysis: AnalysisDraft,
}

/// A data set by name or folder, or a small network typed in place.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectomeDraft {
    /// Bundled name or path of a folder with `manifest.yaml`.
    #[serde(default)]
    pub data: Option<String>,
    /// Areas typed in place: name → gradient values.
    #[serde(default)]
    pub areas: Option<Named<Named<f64>>>,
    /// Links of areas typed in place: `{to, from, weight}`.
    #[serde(default)]
    pub links: Vec<LinkDraft>,
    /// A link between every two of those areas, beside those of `links`.
    #[serde(default)]
    pub all_to_all: Option<AllToAllDraft>,
    /// What the weights of those links are.
    #[serde(default)]
    pub weights: WeightsDraft,
    /// The areas of the data set that are used, as if it had no others; all if absent.
    #[serde(default)]
    pub only: Option<Vec<String>>,
    /// Gradients typed in place beside those of the data: map → area → value, for every area.
    #[serde(default)]
    pub gradients: Named<Named<f64>>,
    /// Gradient values that replace those of the data: map → area → value.
    #[serde(default)]
    pub replace: Named<Named<f64>>,
    /// Areas beside those of the data, without links.
    #[serde(default)]
    pub add: Named<AddedDraft>,
}

/// An area beside those of the data.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddedDraft {
    /// The group that it belongs to.
    pub group: String,
    /// Values of gradients; it has none of the others.
    #[serde(default)]
    pub gradients: Named<f64>,
}

/// Links between every two different areas of a network typed in place: of one weight, or of two, up and
/// down a hierarchy.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllToAllDraft {
    /// Weight of every link, dimensionless.
    #[serde(default)]
    pub weight: Option<f64>,
    /// Instead: weight of links from lower to higher areas,
    #[serde(default)]
    pub feedforward: Option<f64>,
    /// that of links from higher to lower areas,
    #[serde(default)]
    pub feedback: Option<f64>,
    /// and the gradient that tells lower from higher.
    #[serde(default)]
    pub hierarchy: Option<String>,
}

/// One link of a network typed in place.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkDraft {
    /// Target area.
    pub to: String,
    /// Source area.
    pub from: String,
    /// Connection weight, dimensionless: FLN-like, or what `weights` says.
    pub weight: f64,
    /// Distance along the connection, for delays by conduction velocity.
    #[serde(default)]
    pub distance: Option<Quantity>,
    /// Delay of the connection, for delays that are given.
    #[serde(default)]
    pub delay: Option<Quantity>,
}

/// The circuit and its parameters.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitDraft {
    /// Registry name.
    pub name: String,
    /// Every parameter of the circuit, with unit.
    #[serde(default)]
    pub parameters: Named<Quantity>,
    /// Values of the areas of a group: group → parameter → value, taken before gradients.
    #[serde(default)]
    pub groups: Named<Named<Quantity>>,
    /// Values for single areas: area → parameter → value, taken after gradients.
    #[serde(default)]
    pub areas: Named<Named<Quantity>>,
}

/// What an area map makes of parameters and projections of each target area.
///
/// g is the map, normalised, times the modulator, through the curve, as far as they are given. A
/// scaled parameter is multiplied by base + strength × g; to a shifted one strength × g × amount is added.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientDraft {
    /// Column of the data set's `areas.csv`.
    pub map: String,
    /// Areas in which it acts, and over which its map is normalised.
    #[serde(default)]
    pub areas: AreasDraft,
    /// How the map is brought to a common range first.
    #[serde(default)]
    pub normalise: NormaliseDraft,
    /// Modulator whose effect multiplies the map.
    #[serde(default)]
    pub modulator: Option<String>,
    /// Curve through which map × modulator acts; a straight line if absent.
    #[serde(default)]
    pub curve: Option<CurveDraft>,
    /// Factor where g is 0.
    #[serde(default = "one_f64")]
    pub base: f64,
    /// Dimensionless slope (`eta` of Chaudhuri et al. 2015); 0 removes the effect.
    pub strength: f64,
    /// Circuit parameters and projections that are scaled.
    #[serde(default)]
    pub scales: Vec<String>,
    /// Circuit parameters that are shifted, each by this much for strength × g = 1.
    #[serde(default)]
    pub adds: Named<Quantity>,
}

/// How a map is brought to a common range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormaliseDraft {
    /// As the data set gives it.
    #[default]
    AsGiven,
    /// From 0 at the least to 1 at the greatest of all areas, lesioned ones included.
    MinMax,
}

/// The sigmoid 1 / (1 + exp(-slope (x - midpoint))).
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurveDraft {
    /// Where it is one half.
    pub midpoint: f64,
    /// Four times its slope there.
    pub slope: f64,
}

/// What acts on the whole cortex at one level, say dopamine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModulatorDraft {
    /// Level, dimensionless.
    pub level: f64,
    /// Curve from level to effect, say receptor occupancy; the level itself if absent.
    #[serde(default)]
    pub curve: Option<CurveDraft>,
}

/// A connection matrix that turns a sent variable into received inputs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectionDraft {
    /// Which matrix of the connectome.
    #[serde(default)]
    pub weights: WeightsDraft,
    /// Variable sent by the source area.
    pub from: String,
    /// Inputs received by the target area, each with its gain per unit of weighted sent variable.
    pub to: Named<Quantity>,
    /// Gains of single target areas: area → input → gain, taken before gradients.
    #[serde(default)]
    pub areas: Named<Named<Quantity>>,
    /// Areas that send; the matrix has no others.
    #[serde(default)]
    pub source_areas: AreasDraft,
    /// Areas that receive; the matrix has no others.
    #[serde(default)]
    pub target_areas: AreasDraft,
    /// Mean of the weights of both directions that replaces them.
    #[serde(default)]
    pub symmetrise: SymmetriseDraft,
    /// Links of a smaller weight are left out, after `symmetrise`.
    #[serde(default)]
    pub threshold: f64,
    /// Power to which every weight is raised.
    #[serde(default = "one_f64")]
    pub power: f64,
    /// Whether the rows are normalised, after the power.
    #[serde(default)]
    pub rows: RowsDraft,
    /// Layers that links come from, by which they are weighted, after the rows.
    #[serde(default)]
    pub layers: LayersDraft,
    /// How far layers count, 0 to 1: weights times (1 - layering) + layering × the layers' part.
    #[serde(default = "one_f64")]
    pub layering: f64,
    /// Largest part that the layers of some links have.
    #[serde(default)]
    pub layers_at_most: Vec<LayersAtMostDraft>,
    /// Which links are kept.
    #[serde(default)]
    pub keep: KeepDraft,
    /// Gradient that tells up from down when `keep` or `hierarchy_slope` needs it.
    #[serde(default)]
    pub hierarchy: Option<String>,
    /// Weights times 1 / (1 + exp(-slope (h_target - h_source))), h the gradient `hierarchy`.
    #[serde(default)]
    pub hierarchy_slope: Option<f64>,
    /// Null models of the matrix.
    #[serde(default)]
    pub shuffle: Option<ShuffleDraft>,
    /// Whether the target's own variable is taken off what each source sends.
    #[serde(default)]
    pub difference: bool,
    /// Time from sending to receiving; none if absent.
    #[serde(default)]
    pub delay: Option<DelayDraft>,
}

/// Delays of a projection.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelayDraft {
    /// Where the delays come from.
    pub kind: DelayKind,
    /// Distance: conduction velocity.
    #[serde(default)]
    pub velocity: Option<Quantity>,
    /// Distance: time added to every delay, say that of a synapse.
    #[serde(default)]
    pub latency: Option<Quantity>,
    /// Constant: the delay of every connection.
    #[serde(default)]
    pub value: Option<Quantity>,
}

/// Where delays come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DelayKind {
    /// Distance of the connectome divided by a conduction velocity.
    Distance,
    /// The same for all connections.
    Constant,
    /// Given with each link of a network typed in place.
    Given,
}

/// Matrices a projection may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightsDraft {
    /// Fraction of labelled neurons, as given (rows do not sum to one).
    #[default]
    Fln,
    /// Projection strengths, in arbitrary units.
    Strength,
    /// Weights of either sign, in arbitrary units.
    Signed,
    /// 1 from every area to every other, whatever the connectome holds.
    Uniform,
}

/// Mean of the weights of both directions, which replaces them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SymmetriseDraft {
    /// Weights as they are.
    #[default]
    No,
    /// (W + W transposed) / 2.
    Arithmetic,
    /// The square root of W × W transposed, entry by entry: links in both directions only.
    Geometric,
}

/// A cap on the layers' part of the links between some areas.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayersAtMostDraft {
    /// Largest part, 0 to 1.
    pub part: f64,
    /// Target areas.
    pub to: Vec<String>,
    /// Source areas.
    pub from: Vec<String>,
}

/// What is done with the rows of a matrix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowsDraft {
    /// Nothing.
    #[default]
    AsGiven,
    /// Every weight is divided by the sum over all sources of its target, lesioned ones included.
    SumToOne,
    /// The same over the sources of the links that `keep` leaves.
    KeptSumToOne,
    /// Every weight is divided by the greatest of the whole matrix, lesioned areas included.
    GreatestToOne,
}

/// Layers that links come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayersDraft {
    /// All.
    #[default]
    All,
    /// Above layer 4: weights times SLN, the feedforward part.
    Superficial,
    /// Below layer 4: weights times 1 - SLN, the feedback part.
    Deep,
}

/// Which links of a matrix are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepDraft {
    /// All of them.
    #[default]
    All,
    /// Only from lower to higher areas (feedback removed).
    Feedforward,
    /// Only from higher to lower areas (feedforward removed).
    Feedback,
    /// None (every area alone).
    None,
}

/// A shuffled matrix.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShuffleDraft {
    /// What is permuted.
    pub what: ShuffleKind,
    /// Seed of the permutation.
    pub seed: u64,
}

/// What a shuffle permutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShuffleKind {
    /// Weights over the existing links.
    Strengths,
    /// Weights over the links of each target: what an area receives in all stays.
    Targets,
    /// Weights over the links of each source: what an area sends in all stays.
    Sources,
    /// Weights, zeros included, over all off-diagonal pairs.
    Topology,
    /// Pairs of links exchange their sources: every area keeps the numbers of areas that it receives
    /// from and sends to, and what it receives in all.
    Rewired,
    /// Areas exchange their places in the matrix, which stays as it is.
    Areas,
}

/// The state around which the model is built.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineDraft {
    /// Variable → value, the same in every area.
    pub state: Named<Quantity>,
    /// What is solved so that the baseline is a fixed point.
    #[serde(default)]
    pub solve: SolveDraft,
}

/// What is solved so that the baseline is a fixed point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SolveDraft {
    /// Background currents: `state` itself becomes the fixed point.
    Background,
    /// The state: the fixed point at which the network comes to rest from `state`.
    FixedPoint,
    /// Nothing: `state` is where the run starts.
    #[default]
    Nothing,
}

/// Areas removed from the network.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LesionDraft {
    /// Names.
    pub areas: Vec<String>,
    /// Which network the background currents are solved for.
    #[serde(default)]
    pub background: LesionBackground,
    /// What becomes of stimuli into areas that are removed.
    #[serde(default)]
    pub stimuli: LostStimuli,
}

/// What becomes of stimuli into areas that are removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostStimuli {
    /// They are an error.
    #[default]
    Refused,
    /// They are given to the other areas that they name, or to none.
    Dropped,
}

/// Which network the background currents are solved for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LesionBackground {
    /// The network that is left: it rests at the stated baseline.
    #[default]
    Lesioned,
    /// The intact network: areas that lose input rest lower than the baseline.
    Intact,
}

/// Area names, or the word `all`.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum AreasDraft {
    /// The word `all`.
    #[default]
    All,
    /// Names.
    List(Vec<String>),
}

impl<'de> Deserialize<'de> for AreasDraft {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AreasVisitor;
        impl<'de> Visitor<'de> for AreasVisitor {
            type Value = AreasDraft;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`all` or a list of area names")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<AreasDraft, E> {
                if word == "all" {
                    return Ok(AreasDraft::All);
                }
                Err(E::custom(format!(
                    "not a list of areas: found `{word}`, expected `all` or a list such as [{word}]"
                )))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<AreasDraft, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(AreasDraft::List(names))
            }
        }
        deserializer.deserialize_any(AreasVisitor)
    }
}

/// A step of input: on from `onset` until `offset`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StimulusDraft {
    /// Input of the circuit.
    pub into: String,
    /// Areas that receive it.
    pub areas: AreasDraft,
    /// Height, in the input's unit.
    pub amplitude: Quantity,
    /// Start.
    pub onset: Quantity,
    /// End.
    pub offset: Quantity,
}

/// Noise added to an input, or to the derivative of a state.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoiseDraft {
    /// White or Ornstein–Uhlenbeck.
    pub kind: NoiseKind,
    /// Input of the circuit, or a state, whose derivative then receives it.
    pub into: String,
    /// Variable of the same area that multiplies the noise.
    #[serde(default)]
    pub times: Option<String>,
    /// Areas that receive it.
    #[serde(default)]
    pub areas: AreasDraft,
    /// Areas taken out of `areas`.
    #[serde(default)]
    pub except: Vec<String>,
    /// Constant added to the noise.
    #[serde(default)]
    pub mean: Option<Quantity>,
    /// White: standard deviation of the mean over one `bin`. OU: stationary standard deviation.
    pub sd: Quantity,
    /// White: the bin that `sd` refers to.
    #[serde(default)]
    pub bin: Option<Quantity>,
    /// OU: time constant.
    #[serde(default)]
    pub tau: Option<Quantity>,
}

/// Kinds of noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseKind {
    /// No memory.
    White,
    /// Exponential memory.
    OrnsteinUhlenbeck,
}

/// Time, step and scheme.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulationDraft {
    /// Length of the run.
    pub duration: Quantity,
    /// Step.
    pub dt: Quantity,
    /// Integrator.
    #[serde(default)]
    pub stepper: StepperKind,
    /// Order of updates within an Euler step.
    #[serde(default)]
    pub order: OrderKind,
    /// Whether the model is the map of Euler's step itself, and not what the step approximates.
    #[serde(default)]
    pub discrete: bool,
    /// How delays that are no whole number of steps are taken.
    #[serde(default)]
    pub delays: DelayGrid,
    /// Grid on which noise is looked up, a whole fraction of `dt`; `dt` if absent. Runs with one grid
    /// and several `dt` share their Brownian paths.
    #[serde(default)]
    pub noise_grid: Option<Quantity>,
    /// Seed of all noise.
    #[serde(default)]
    pub seed: u64,
    /// Runs of the same model under other noise.
    #[serde(default = "one")]
    pub replicates: u32,
}

const fn one() -> u32 {
    1
}

const fn one_f64() -> f64 {
    1.0
}

/// Integrators.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepperKind {
    /// Explicit Euler; with noise, Euler–Maruyama.
    #[default]
    Euler,
    /// Euler with the linear decay of every state taken exactly.
    ExponentialEuler,
    /// Heun's second-order method.
    Heun,
    /// Classical Runge–Kutta, fourth order.
    Rk4,
}

impl StepperKind {
    /// Name in a config.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            StepperKind::Euler => "euler",
            StepperKind::ExponentialEuler => "exponential_euler",
            StepperKind::Heun => "heun",
            StepperKind::Rk4 => "rk4",
        }
    }

    /// Points of time per step at which delayed links look back: ends of steps, and for Runge–Kutta
    /// their middles too.
    #[must_use]
    pub fn entries_per_step(self) -> u32 {
        if self == StepperKind::Rk4 { 2 } else { 1 }
    }
}

/// How delays that are no whole number of steps are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DelayGrid {
    /// Rounded to whole steps.
    #[default]
    Rounded,
    /// Kept; what was sent is interpolated linearly in time.
    Interpolated,
}

/// Order of updates within an Euler step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// All new values from all old values.
    #[default]
    Synchronous,
    /// The order of the authors' code, declared by the circuit.
    Published,
}

/// What is written to the result file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordDraft {
    /// Circuit variables.
    pub variables: Vec<String>,
    /// Sampling interval.
    pub every: Quantity,
    /// Areas.
    #[serde(default)]
    pub areas: AreasDraft,
    /// First sample; 0 if absent.
    #[serde(default)]
    pub start: Option<Quantity>,
    /// Number type in the file.
    #[serde(default)]
    pub precision: PrecisionKind,
    /// Deflate level 0 (none) to 9.
    #[serde(default)]
    pub compression: u8,
}

/// Number type in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrecisionKind {
    /// 64-bit.
    #[default]
    Float64,
    /// 32-bit.
    Float32,
}

/// Measures computed inside the run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalysisDraft {
    /// Gradient by which tables and figures are ordered.
    #[serde(default)]
    pub hierarchy: Option<String>,
    /// Per-area timescales.
    #[serde(default)]
    pub timescales: Option<TimescalesDraft>,
    /// Correlation of the areas' activity.
    #[serde(default)]
    pub functional_connectivity: Option<FcDraft>,
    /// Eigenmodes of the linearised network.
    #[serde(default)]
    pub modes: Option<ModesDraft>,
    /// Activity while nothing is shown, and which areas hold it.
    #[serde(default)]
    pub delay_activity: Option<DelayActivityDraft>,
    /// When each area responds.
    #[serde(default)]
    pub latencies: Option<LatenciesDraft>,
}

/// Delay activity.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelayActivityDraft {
    /// Recorded variable.
    pub variable: String,
    /// Before anything was shown.
    pub baseline: WindowDraft,
    /// When it has to be remembered.
    pub delay: WindowDraft,
    /// Activity is persistent where delay exceeds baseline by more than this.
    pub persistent_above: Quantity,
}

/// Response latencies.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatenciesDraft {
    /// Recorded variable.
    pub variable: String,
    /// Stimulus whose onset is time 0.
    pub stimulus: String,
    /// From where the response is counted.
    pub baseline: WindowDraft,
    /// Fraction of the largest departure from baseline that counts as a response.
    pub fraction: f64,
}

/// A span of time.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowDraft {
    /// First moment.
    pub from: Quantity,
    /// First moment that no longer belongs to it.
    pub to: Quantity,
}

/// Per-area timescales.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimescalesDraft {
    /// From the recorded activity, or exactly from the linearised network.
    pub method: TimescaleMethod,
    /// Variable whose autocorrelation is fitted.
    pub variable: String,
    /// Exact: the noise that drives the network; the experiment's own noise if absent.
    #[serde(default)]
    pub drive: Option<Named<NoiseDraft>>,
    /// Longest lag.
    #[serde(default)]
    pub max_lag: Option<Quantity>,
    /// Simulated: activity before this time is left out.
    #[serde(default)]
    pub after: Option<Quantity>,
}

/// Where a timescale comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimescaleMethod {
    /// The recorded activity.
    Simulated,
    /// Jacobian, Lyapunov covariance and matrix exponential.
    Exact,
}

/// Functional connectivity.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FcDraft {
    /// From the recorded activity, or exactly.
    pub method: TimescaleMethod,
    /// Variable that is correlated.
    pub variable: String,
    /// Exact: the noise that drives the network; the experiment's own noise if absent.
    #[serde(default)]
    pub drive: Option<Named<NoiseDraft>>,
    /// Simulated: activity before this time is left out.
    #[serde(default)]
    pub after: Option<Quantity>,
}

/// Eigenmodes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModesDraft {
    /// Variable whose components give the inverse participation ratio.
    pub variable: String,
}
