//! The target files.

use serde::Deserialize;

use super::graph::GraphOf;
use crate::artificial::unroll::Form;
use crate::spec::{Areas, Config, SpecError};
use crate::units::Quantity;

/// A target file: what a paper, or later recomputation, says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetFile {
    /// The paper.
    pub paper: String,
    /// Targets, in the order they are shown.
    pub targets: Vec<Target>,
}

/// One quantity, with one or several numbers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Identifier.
    pub id: String,
    /// The quantity in words.
    pub quantity: String,
    /// Tolerance class, T0 to T4.
    pub class: String,
    /// Evidence tag: P, C, R, A.
    pub evidence: String,
    /// Where the number comes from.
    pub source: String,
    /// Unit of the numbers.
    pub unit: String,
    /// Whether a failure fails the whole.
    #[serde(default = "yes")]
    pub required: bool,
    /// Why the number cannot be met, if that is known.
    #[serde(default)]
    pub gap: Option<String>,
    /// Config path or bundled name.
    pub experiment: String,
    /// Overrides.
    #[serde(default)]
    pub set: Vec<String>,
    /// Only this area, all others removed.
    #[serde(default)]
    pub isolate: Option<String>,
    /// Tolerance of every case as a fraction of the expected value.
    #[serde(default)]
    pub relative: Option<f64>,
    /// Tolerance of every case in the unit.
    #[serde(default)]
    pub absolute: Option<f64>,
    /// The numbers.
    pub cases: Vec<Case>,
}

const fn yes() -> bool {
    true
}

/// One number.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// How it is measured.
    pub measure: Measure,
    /// Expected value.
    #[serde(default)]
    pub expected: Option<f64>,
    /// Tolerance as a fraction of the expected value.
    #[serde(default)]
    pub relative: Option<f64>,
    /// Tolerance in the unit.
    #[serde(default)]
    pub absolute: Option<f64>,
    /// Smallest value accepted.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// Largest value accepted.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// Expected names, for measures that give areas.
    #[serde(default)]
    pub names: Vec<String>,
    /// Why the number cannot be met, if that is known.
    #[serde(default)]
    pub gap: Option<String>,
}

/// What can be measured on an experiment. "First variable" is the first recorded one; timescales
/// and connectivity follow the experiment's `analysis` section.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Measure {
    /// -1 / real part of the eigenvalue, slowest first, ms.
    EigenTimescale {
        /// 0 for the slowest.
        rank: usize,
    },
    /// Inverse participation ratio of a mode over the areas' components of the first state.
    InverseParticipation {
        /// 0 for the slowest mode.
        rank: usize,
    },
    /// Eigenvalue of one area's own block of the Jacobian, 1/s, slowest first.
    AreaEigenvalue {
        /// Area.
        area: String,
        /// 0 for the slowest.
        rank: usize,
        /// Real or imaginary part.
        #[serde(default)]
        part: Part,
    },
    /// Spearman correlation of hierarchy with the timescales of the areas' own blocks.
    AreaTimescaleRankCorrelation,
    /// Value of a variable at the baseline.
    Baseline {
        /// Area.
        area: String,
        /// Variable.
        variable: String,
    },
    /// Smallest value of a variable over areas at the baseline.
    BaselineMin {
        /// Variable.
        variable: String,
    },
    /// Largest value of a variable over areas at the baseline.
    BaselineMax {
        /// Variable.
        variable: String,
    },
    /// Largest departure of the first variable from baseline.
    Peak {
        /// Area.
        area: String,
    },
    /// Largest departure of one area divided by that of another.
    PeakRatio {
        /// Numerator.
        area: String,
        /// Denominator.
        to: String,
    },
    /// Time of that peak, ms.
    PeakTime {
        /// Area.
        area: String,
    },
    /// Time after the last stimulus until the first variable stays within a fraction of its peak,
    /// ms; infinite if it does not within the run.
    DecayTime {
        /// Area.
        area: String,
        /// Fraction of the peak.
        fraction: f64,
    },
    /// Timescale of an area, ms.
    Timescale {
        /// Area.
        area: String,
    },
    /// Shortest timescale over areas, ms.
    TimescaleMin,
    /// Longest timescale over areas, ms.
    TimescaleMax,
    /// Squared correlation of timescale with hierarchy.
    TimescaleHierarchyR2,
    /// Place of an area in the order of timescales minus its place in the hierarchy.
    TimescaleRankShift {
        /// Area.
        area: String,
    },
    /// Areas sorted by their timescale, shortest first.
    AreasByTimescale {
        /// Which areas.
        areas: Vec<String>,
    },
    /// Timescale of one area divided by that of another.
    TimescaleRatio {
        /// Numerator.
        area: String,
        /// Denominator.
        to: String,
    },
    /// Largest standard deviation of the first variable over areas of one lobe, divided by that of
    /// an area, under the noise that drives the timescales.
    SdRatio {
        /// Lobe.
        lobe: String,
        /// Area.
        to: String,
    },
    /// Squared correlation of functional connectivity with FLN over all ordered pairs of areas.
    ConnectivityFlnR2,
    /// Squared correlation of hierarchy with the change of functional connectivity among the other
    /// areas when an area is removed, relative norm.
    LesionHierarchyR2,
    /// Quantile over shuffles of the slowest timescale, ms; unstable shuffles left out.
    ShuffledSlowest {
        /// Projection that is shuffled.
        projection: String,
        /// `strengths` or `topology`.
        what: String,
        /// Number of shuffles, with seeds 0, 1, ….
        shuffles: u64,
        /// 0.5 for the median.
        quantile: f64,
    },
    /// How many of the shuffles are unstable.
    ShuffledUnstable {
        /// Projection that is shuffled.
        projection: String,
        /// `strengths` or `topology`.
        what: String,
        /// Number of shuffles.
        shuffles: u64,
    },
    /// Median over shuffles of the squared correlation of hierarchy with the time after the pulse
    /// until an area stays within a fraction of its peak; unstable shuffles left out.
    ShuffledDecayHierarchyR2 {
        /// Projection that is shuffled.
        projection: String,
        /// `strengths` or `topology`.
        what: String,
        /// Number of shuffles; 0 for the intact network.
        shuffles: u64,
        /// Fraction of the peak.
        fraction: f64,
    },
    /// Number of fixed points of a one-area network, scanned over its first state, and over its second
    /// where that has bounds.
    FixedPointCount,
    /// The same where the first state has no upper bound.
    FixedPointsBelow {
        /// Where the scan of the first state ends.
        scan_to: Quantity,
    },
    /// Value of a variable at a fixed point of a one-area network, sorted by the first state.
    FixedPoint {
        /// 0 for the lowest.
        which: usize,
        /// Variable.
        variable: String,
        /// Where the scan of the first state ends if that has no upper bound.
        #[serde(default)]
        scan_to: Option<Quantity>,
    },
    /// Eigenvalue at a fixed point of a one-area network, 1/s.
    FixedPointEigenvalue {
        /// 0 for the lowest.
        which: usize,
        /// 0 for the slowest.
        #[serde(default)]
        rank: usize,
        /// Real or imaginary part.
        #[serde(default)]
        part: Part,
        /// As for [`Measure::FixedPoint`].
        #[serde(default)]
        scan_to: Option<Quantity>,
    },
    /// Value of a parameter in an area, after gradients and background.
    Parameter {
        /// Area.
        area: String,
        /// Parameter.
        parameter: String,
    },
    /// Areas with more than one stable fixed point when each is alone.
    BistableAreas,
    /// Factor 1 + strength × map of a gradient at which the number of fixed points of a one-area
    /// network changes, found by bisection.
    BifurcationFactor {
        /// Gradient of the config.
        gradient: String,
        /// Lower end of the search, as factor.
        from: f64,
        /// Upper end of the search, as factor.
        to: f64,
        /// Value of a variable at the upper fixed points where they meet, if that is what is asked.
        #[serde(default)]
        variable: Option<String>,
    },
    /// Value of a circuit parameter of a one-area network, before gradients, at which the number of
    /// fixed points changes, found by bisection.
    BifurcationParameter {
        /// Parameter.
        parameter: String,
        /// One end of the search.
        from: Quantity,
        /// The other end.
        to: Quantity,
        /// As for [`Measure::FixedPoint`].
        #[serde(default)]
        scan_to: Option<Quantity>,
    },
    /// Mean of a recorded variable over replicates, areas and a span of time.
    Mean {
        /// Variable.
        variable: String,
        /// Which areas.
        #[serde(default)]
        areas: Areas,
        /// First moment.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
    /// The mean of [`Mean`](Self::Mean) divided by that of another experiment, minus 1.
    MeanChange {
        /// Variable.
        variable: String,
        /// The other experiment.
        against: String,
        /// What is set in it.
        #[serde(default)]
        set: Vec<String>,
        /// Which areas.
        #[serde(default)]
        areas: Areas,
        /// First moment.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
    /// Pearson's correlation over areas of means over a span of time with those of another
    /// experiment.
    MeanCorrelation {
        /// Variable.
        variable: String,
        /// The other experiment.
        with: String,
        /// What is set in it.
        #[serde(default)]
        set: Vec<String>,
        /// Which areas.
        #[serde(default)]
        areas: Areas,
        /// First moment.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
    /// Pearson's correlation over areas of means over a span of time with a gradient.
    MeanGradientCorrelation {
        /// Variable.
        variable: String,
        /// Gradient.
        gradient: String,
        /// Which areas.
        #[serde(default)]
        areas: Areas,
        /// First moment.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
    /// Pearson's correlation of means over a span of time with the strength of an area's input, over
    /// the areas whose mean exceeds a value. Strength is the sum over sources of the weights of two
    /// projections, without gains; with `gradient`, those that excite minus gradient times those that
    /// inhibit.
    InputStrengthCorrelation {
        /// Variable.
        variable: String,
        /// Value that the mean exceeds, in the unit of the variable.
        above: Quantity,
        /// Projection that excites.
        excitation: String,
        /// Projection that inhibits, through inhibitory cells.
        inhibition: String,
        /// How much an area has of the cells that inhibit.
        #[serde(default)]
        gradient: Option<String>,
        /// First moment.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
    /// Pearson's correlation of means over a span of time with a number that weights give every area, over the
    /// areas whose mean exceeds a value.
    GraphCorrelation {
        /// The number.
        graph: GraphOf,
        /// Variable.
        variable: String,
        /// Value that the mean exceeds, in the unit of the variable.
        above: Quantity,
        /// First moment.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
    /// Share of the areas of which such a number says right, by logistic regression over all areas, whether their
    /// mean over a span of time exceeds a value.
    GraphPrediction {
        /// The number.
        graph: GraphOf,
        /// Variable.
        variable: String,
        /// Value that the mean exceeds, in the unit of the variable.
        above: Quantity,
        /// First moment.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
    /// Share of the areas of which such a number says right, by logistic regression over all areas, whether they
    /// are among these.
    GraphTelling {
        /// The number.
        graph: GraphOf,
        /// Which areas.
        areas: Vec<String>,
    },
    /// A feature of the BOLD signal [%, s] that a recorded variable, taken per second, evokes in an area, from rest.
    Bold {
        /// Constants of the haemodynamics.
        preset: String,
        /// Variable.
        variable: String,
        /// Area.
        area: String,
        /// The feature.
        what: BoldFeature,
    },
    /// In how many areas the mean of a recorded variable over a span of time exceeds a value.
    AboveCount {
        /// Variable.
        variable: String,
        /// Value, in its unit.
        above: Quantity,
        /// Which areas.
        #[serde(default)]
        areas: Areas,
        /// First moment.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
    /// Mean over areas of the product of two recorded variables, each a mean over replicates and a span of
    /// time.
    MeanProduct {
        /// One.
        variable: String,
        /// The other.
        times: String,
        /// Which areas.
        #[serde(default)]
        areas: Areas,
        /// First moment.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
    /// Largest value of a recorded variable in an area over a span of time, of each replicate, and their
    /// mean.
    Largest {
        /// Variable.
        variable: String,
        /// Area.
        area: String,
        /// First moment.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
    /// Smallest value of a recorded variable in an area over a span of time, of each replicate, and their
    /// mean.
    Lowest {
        /// Variable.
        variable: String,
        /// Area.
        area: String,
        /// First moment.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
    /// Standard deviation of a recorded variable in an area over a span of time, of each replicate, and their
    /// mean.
    Sd {
        /// Variable.
        variable: String,
        /// Area.
        area: String,
        /// First moment.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
    /// How often a second a recorded variable rises through the middle of its range in an area over a span
    /// of time, Hz, of each replicate, and their mean; 0 without a cycle.
    Frequency {
        /// Variable.
        variable: String,
        /// Area.
        area: String,
        /// First moment.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
    /// Share of the right choices among the trials of a condition that ended with a choice.
    ShareCorrect {
        /// Readout, `winner` or `threshold`.
        readout: String,
        /// Condition.
        condition: String,
    },
    /// Mean reaction time over the trials of a condition that ended with a choice, ms.
    ReactionTime {
        /// Readout, `threshold`.
        readout: String,
        /// Condition.
        condition: String,
    },
    /// Share of rewarded trials among some of each session that ended with a choice.
    RewardedShare {
        /// First trial, counted from 1.
        first: usize,
        /// Last trial.
        last: usize,
    },
    /// In how many areas one recorded variable exceeds another on average over a span of time.
    ExceedingCount {
        /// Variable.
        variable: String,
        /// The other.
        than: String,
        /// Which areas.
        #[serde(default)]
        areas: Areas,
        /// First moment.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
    /// Number of areas with persistent activity, see `analysis.delay_activity`.
    PersistentCount,
    /// Number of areas in which the experiment agrees with bundled recordings.
    Agreement {
        /// Name of the table.
        recordings: String,
    },
    /// p of Pearson's chi-squared of the areas in which both say the same or not.
    AgreementChiSquaredP {
        /// Name of the table.
        recordings: String,
    },
    /// Areas in which it does not, in the order of the data set.
    Disagreement {
        /// Name of the table.
        recordings: String,
    },
    /// How well the response to an item tells whether it matches, over all trials and repeats of an event:
    /// the probability that the response to one that matches exceeds that to one that does not, 0.5 by chance.
    /// The response is the greatest over the variables of the mean over areas and a span from the onset.
    MatchDiscrimination {
        /// Event, with `matches`.
        event: String,
        /// Variables.
        variables: Vec<String>,
        /// Which areas.
        #[serde(default)]
        areas: Areas,
        /// First moment, from the onset of the item.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
    /// Largest difference between the experiment, of `leaky_rnn` units, and one pass through the feedforward
    /// network that it unrolls to, as a fraction of the largest activity.
    UnrolledDeparture {
        /// Which activity an area receives.
        #[serde(default)]
        form: Form,
    },
    /// Nodes on the longest path of that feedforward network.
    UnrolledDepth {
        /// Which activity an area receives.
        #[serde(default)]
        form: Form,
    },
    /// Its weights and biases in multiples of those of the recurrent network, where steps do not share them.
    UnrolledUntied,
    /// Mean overlap at rest of Hopfield networks made for the measure, asynchronous, with random patterns;
    /// the experiment has no part in it.
    HopfieldOverlap {
        /// Units.
        units: usize,
        /// Stored patterns.
        patterns: usize,
        /// How many of them are cued.
        tested: usize,
        /// Share of the units of the cue that are turned over.
        #[serde(default)]
        flipped: Option<f64>,
        /// Instead: areas of one size, of which one is held at the pattern; the overlap is that of the others.
        #[serde(default)]
        areas: Option<usize>,
        /// How many networks, of seeds 0, 1, …, are averaged.
        networks: u64,
    },
    /// Load, patterns per unit, up to which a large Hopfield network retrieves.
    HopfieldCapacity,
    /// Overlap at rest of a large Hopfield network at a load; 0 beyond capacity.
    HopfieldRetrieval {
        /// Patterns per unit.
        load: f64,
    },
    /// Probability that a bit of a stored pattern is wrong after one step at a load.
    HopfieldOneStepError {
        /// Patterns per unit.
        load: f64,
    },
    /// Share of right answers in an n-back stream of the network made by hand, or of the best answers without
    /// memory; the experiment has no part in it.
    NBackAccuracy {
        /// n.
        back: usize,
        /// Different symbols.
        symbols: usize,
        /// Length of the stream.
        length: usize,
        /// Probability of a target.
        targets: f64,
        /// Probability of a lure.
        lures: f64,
        /// Whether the network has its recurrent weights.
        memory: bool,
        /// Seed.
        seed: u64,
    },
    /// Pearson's correlation of two gradients of the data set over its areas.
    GradientCorrelation {
        /// One.
        gradient: String,
        /// The other.
        with: String,
    },
}

/// A feature of a BOLD signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoldFeature {
    /// Its greatest value, %.
    Peak,
    /// When that is, s.
    PeakTime,
    /// Its smallest value, %.
    Trough,
    /// When that is, s.
    TroughTime,
    /// Its last value, %.
    End,
}

impl BoldFeature {
    const fn label(self) -> &'static str {
        match self {
            BoldFeature::Peak => "peak",
            BoldFeature::PeakTime => "time of the peak",
            BoldFeature::Trough => "trough",
            BoldFeature::TroughTime => "time of the trough",
            BoldFeature::End => "end",
        }
    }
}

/// Part of an eigenvalue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Growth, or decay if negative.
    #[default]
    Real,
    /// Angular frequency; of a conjugate pair the positive one comes first.
    Imaginary,
}

impl Part {
    const fn label(self) -> &'static str {
        match self {
            Part::Real => "eigenvalue",
            Part::Imaginary => "imaginary part of eigenvalue",
        }
    }
}

impl Measure {
    /// Whether the measure gives names of areas and not a number.
    #[must_use]
    pub fn gives_names(&self) -> bool {
        matches!(
            self,
            Measure::AreasByTimescale { .. }
                | Measure::BistableAreas
                | Measure::Disagreement { .. }
        )
    }

    /// A short name with its place: `peak V1`.
    #[must_use]
    pub fn label(&self) -> String {
        use Measure::*;
        match self {
            EigenTimescale { rank } => format!("mode {}", rank + 1),
            InverseParticipation { rank } => format!("inverse participation of mode {}", rank + 1),
            AreaEigenvalue { area, rank, part } => {
                format!("{area}, {} {}", part.label(), rank + 1)
            }
            AreaTimescaleRankCorrelation => "rank correlation with hierarchy".to_owned(),
            Baseline { area, variable } => format!("{area}.{variable} at rest"),
            BaselineMin { variable } => format!("lowest {variable} at rest"),
            BaselineMax { variable } => format!("highest {variable} at rest"),
            Peak { area } => format!("peak {area}"),
            PeakRatio { area, to } => format!("peak {area} / {to}"),
            PeakTime { area } => format!("time of peak {area}"),
            DecayTime { area, fraction } => format!("{area} back to {} %", fraction * 100.0),
            Timescale { area } => format!("timescale {area}"),
            TimescaleMin => "shortest timescale".to_owned(),
            TimescaleMax => "longest timescale".to_owned(),
            TimescaleHierarchyR2 => "r² with hierarchy".to_owned(),
            TimescaleRankShift { area } => format!("{area}: places above hierarchy"),
            AreasByTimescale { .. } => "order of timescales".to_owned(),
            TimescaleRatio { area, to } => format!("timescale {area} / {to}"),
            SdRatio { lobe, to } => format!("largest SD in {lobe} lobe / {to}"),
            ConnectivityFlnR2 => "r² of FC with FLN".to_owned(),
            LesionHierarchyR2 => "r² of lesion impact with hierarchy".to_owned(),
            ShuffledSlowest { what, quantile, .. } => format!("{what}: quantile {quantile}"),
            ShuffledUnstable { what, .. } => format!("{what}: unstable"),
            ShuffledDecayHierarchyR2 { shuffles: 0, .. } => "intact: r² with hierarchy".to_owned(),
            ShuffledDecayHierarchyR2 { what, .. } => format!("{what}: median r² with hierarchy"),
            FixedPointCount => "fixed points".to_owned(),
            FixedPointsBelow { scan_to } => format!("fixed points below {scan_to}"),
            FixedPoint {
                which, variable, ..
            } => format!("{variable} at fixed point {}", which + 1),
            FixedPointEigenvalue {
                which, rank, part, ..
            } => format!("{} {} at fixed point {}", part.label(), rank + 1, which + 1),
            Parameter { area, parameter } => format!("{parameter} of {area}"),
            BistableAreas => "bistable alone".to_owned(),
            BifurcationFactor { variable: None, .. } => "factor at the bifurcation".to_owned(),
            BifurcationFactor {
                variable: Some(v), ..
            } => format!("{v} at the bifurcation"),
            BifurcationParameter { parameter, .. } => format!("{parameter} at the bifurcation"),
            MeanChange {
                variable,
                against,
                areas,
                ..
            } => format!("{variable} of {}, change from {against}", some(areas)),
            MeanCorrelation { variable, with, .. } => format!("r of {variable} with {with}"),
            MeanGradientCorrelation {
                variable, gradient, ..
            } => format!("r of {variable} with {gradient}"),
            InputStrengthCorrelation {
                variable, gradient, ..
            } => match gradient {
                None => format!("r of {variable} with input strength"),
                Some(g) => format!("r of {variable} with input strength by {g}"),
            },
            GraphCorrelation {
                graph, variable, ..
            } => format!("r of {variable} with {}", graph.label()),
            GraphPrediction {
                graph, variable, ..
            } => format!("{variable} told by {}", graph.label()),
            GraphTelling { graph, areas } => {
                format!("{} areas told by {}", areas.len(), graph.label())
            }
            Bold { preset, what, .. } => format!("{preset}, {}", what.label()),
            AboveCount {
                variable,
                above,
                areas,
                ..
            } => format!("{} with {variable} > {above}", some(areas)),
            Mean {
                variable,
                areas,
                from,
                to,
            } => format!("{variable} of {}, {from} to {to}", some(areas)),
            MeanProduct {
                variable,
                times,
                areas,
                from,
                to,
            } => format!("{variable} {times} of {}, {from} to {to}", some(areas)),
            Largest { variable, area, .. } => format!("largest {variable} of {area}"),
            Lowest { variable, area, .. } => format!("lowest {variable} of {area}"),
            Sd { variable, area, .. } => format!("SD of {variable} of {area}"),
            Frequency { variable, area, .. } => format!("frequency of {variable} of {area}"),
            ShareCorrect { condition, .. } => format!("{condition}, share of right choices"),
            RewardedShare { first, last } => format!("rewarded, trials {first} to {last}"),
            ReactionTime { condition, .. } => format!("{condition}, reaction time"),
            ExceedingCount {
                variable,
                than,
                areas,
                ..
            } => format!("{} with {variable} > {than}", some(areas)),
            PersistentCount => "persistent areas".to_owned(),
            Agreement { recordings } => format!("areas that agree with {recordings}"),
            AgreementChiSquaredP { recordings } => format!("p of chi-squared, {recordings}"),
            Disagreement { recordings } => format!("areas that disagree with {recordings}"),
            MatchDiscrimination { event, .. } => format!("matches of {event} told from others"),
            UnrolledDeparture { .. } => "experiment and one pass differ by".to_owned(),
            UnrolledDepth { form } => match form {
                Form::Synchronous => "depth".to_owned(),
                Form::Sweep => "depth, sweep".to_owned(),
            },
            UnrolledUntied => "weights, steps not shared / shared".to_owned(),
            HopfieldOverlap {
                patterns,
                flipped,
                areas,
                ..
            } => match (flipped, areas) {
                (Some(share), _) => format!("{patterns} patterns, {} % turned over", 100.0 * share),
                (None, Some(areas)) => format!("{patterns} patterns, 1 of {areas} areas cued"),
                (None, None) => format!("{patterns} patterns"),
            },
            HopfieldCapacity => "capacity".to_owned(),
            HopfieldRetrieval { load } => format!("overlap at load {load}"),
            HopfieldOneStepError { load } => format!("wrong bits at load {load}"),
            NBackAccuracy { back, memory, .. } => match memory {
                true => format!("{back}-back, by hand"),
                false => format!("{back}-back, no memory"),
            },
            GradientCorrelation { gradient, with } => format!("r of {gradient} with {with}"),
        }
    }
}

/// Areas in few words.
fn some(areas: &Areas) -> String {
    match areas.names() {
        None => "all areas".to_owned(),
        Some([one]) => one.clone(),
        Some(several) => format!("{} areas", several.len()),
    }
}

/// Target files inside the binary: (paper, text).
#[must_use]
pub fn bundled() -> &'static [(&'static str, &'static str)] {
    &[
        (
            "chaudhuri2015",
            include_str!("../../data/targets/chaudhuri2015.yaml"),
        ),
        ("bold", include_str!("../../data/targets/bold.yaml")),
        ("deco2013", include_str!("../../data/targets/deco2013.yaml")),
        ("deco2014", include_str!("../../data/targets/deco2014.yaml")),
        ("ding2024", include_str!("../../data/targets/ding2024.yaml")),
        (
            "elman1990",
            include_str!("../../data/targets/elman1990.yaml"),
        ),
        (
            "froudist_walsh2021",
            include_str!("../../data/targets/froudist_walsh2021.yaml"),
        ),
        (
            "hopfield1982",
            include_str!("../../data/targets/hopfield1982.yaml"),
        ),
        (
            "jansen_rit",
            include_str!("../../data/targets/jansen_rit.yaml"),
        ),
        (
            "joglekar2018",
            include_str!("../../data/targets/joglekar2018.yaml"),
        ),
        (
            "mejias_wang2022",
            include_str!("../../data/targets/mejias_wang2022.yaml"),
        ),
        (
            "mejias_wang2022_reduced",
            include_str!("../../data/targets/mejias_wang2022_reduced.yaml"),
        ),
        (
            "montbrio_pazo_roxin",
            include_str!("../../data/targets/montbrio_pazo_roxin.yaml"),
        ),
        ("n_back", include_str!("../../data/targets/n_back.yaml")),
        (
            "stuart_landau",
            include_str!("../../data/targets/stuart_landau.yaml"),
        ),
        (
            "wilson_cowan",
            include_str!("../../data/targets/wilson_cowan.yaml"),
        ),
        (
            "wong_wang2006",
            include_str!("../../data/targets/wong_wang2006.yaml"),
        ),
    ]
}

/// Reads a target file.
///
/// # Errors
/// Bad YAML, unknown keys, a case without anything expected; with line and column.
pub fn load(name: &str, text: &str) -> Result<TargetFile, SpecError> {
    let config = Config::parse(name, text)?;
    let file: TargetFile = config.deserialize()?;
    for (i, target) in file.targets.iter().enumerate() {
        for (k, case) in target.cases.iter().enumerate() {
            let nothing = case.expected.is_none()
                && case.at_least.is_none()
                && case.at_most.is_none()
                && case.names.is_empty();
            if nothing {
                let message = "nothing to compare with: expected one of `expected`, `at_least`, \
                               `at_most`, `names`";
                let path = format!("targets[{i}].cases[{k}]");
                return Err(config.error(&path, message.to_owned()));
            }
            let tolerances = [
                case.relative,
                case.absolute,
                target.relative,
                target.absolute,
            ];
            if let Some(t) = tolerances
                .into_iter()
                .flatten()
                .find(|t| t.is_nan() || *t < 0.0)
            {
                let message = format!("tolerance below 0: found {t}, expected 0 or more");
                return Err(config.error(&format!("targets[{i}].cases[{k}]"), message));
            }
            if case.measure.gives_names() == case.names.is_empty() {
                let (found, expected) = match case.measure.gives_names() {
                    true => ("a number", "`names`"),
                    false => ("`names`", "a number"),
                };
                let message = format!(
                    "what is compared does not fit the measure: found {found}, expected {expected}"
                );
                return Err(config.error(&format!("targets[{i}].cases[{k}]"), message));
            }
        }
    }
    Ok(file)
}
