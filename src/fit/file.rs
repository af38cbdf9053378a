//! What a fit is: a YAML text that names an experiment, parameters with their bounds, and targets.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::cma::default_population;
use crate::spec::node::{path_segment, split_path};
use crate::spec::suggest::did_you_mean;
use crate::spec::{Config, OF_THE_MODEL, SpecError};
use crate::units::Quantity;
use crate::validation::{Measure, PerArea};

/// More candidates of a generation than these are refused.
const MOST_CANDIDATES: usize = 10_000;
/// More evaluations than these are refused: nobody waits for them.
const MOST_EVALUATIONS: u64 = 100_000_000;

/// A fit as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitFile {
    /// One line that names it.
    pub title: String,
    /// What it shows.
    #[serde(default)]
    pub description: String,
    /// Config path or bundled name of the experiment.
    pub experiment: String,
    /// Overrides of that experiment.
    #[serde(default)]
    pub set: Vec<String>,
    /// What is looked for, by key path.
    pub parameters: BTreeMap<String, ParameterDraft>,
    /// What the loss is made of.
    pub targets: Vec<TargetDraft>,
    /// Seed of the search; the noise has that of the experiment.
    #[serde(default)]
    pub seed: u64,
    /// Candidates of a generation; 4 + floor(3 ln n) if absent.
    #[serde(default)]
    pub population: Option<usize>,
    /// First step, as a share of the range.
    #[serde(default = "first_step")]
    pub sigma: f64,
    /// Most generations.
    #[serde(default)]
    pub generations: Option<u64>,
    /// Most evaluations, instead.
    #[serde(default)]
    pub evaluations: Option<u64>,
    /// The search stops where its losses have varied by less than this for some generations.
    #[serde(default = "tolerance")]
    pub stop: f64,
}

const fn first_step() -> f64 {
    0.3
}

const fn tolerance() -> f64 {
    1e-6
}

/// A parameter as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterDraft {
    /// Lower bound.
    pub lower: Quantity,
    /// Upper bound.
    pub upper: Quantity,
    /// What equal steps are.
    #[serde(default)]
    pub scale: Scale,
    /// Where the search starts; the middle of the range if absent.
    #[serde(default)]
    pub start: Option<Quantity>,
}

/// What counts as an equal step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// An equal difference.
    #[default]
    Linear,
    /// An equal factor.
    Log,
}

/// A target as typed: one of `measure`, `table`, `paper`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetDraft {
    /// What is measured, in the words of target files.
    #[serde(default)]
    pub measure: Option<Measure>,
    /// Table of recordings, bundled or one's own, or a csv with a value an area.
    #[serde(default)]
    pub table: Option<String>,
    /// Target file, bundled or one's own, whose target `id` is taken with its tolerances.
    #[serde(default)]
    pub paper: Option<String>,
    /// Identifier of that target.
    #[serde(default)]
    pub id: Option<String>,
    /// Of a csv: what its values are.
    #[serde(default)]
    pub of: Option<PerArea>,
    /// Of a measure: the value wanted.
    #[serde(default)]
    pub expected: Option<f64>,
    /// Of a measure: smallest value that is as good as any.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// Of a measure: largest value that is as good as any.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// Unit of the misfit, in the unit of the measure.
    #[serde(default)]
    pub absolute: Option<f64>,
    /// Unit of the misfit, as a fraction of the value wanted.
    #[serde(default)]
    pub relative: Option<f64>,
    /// Of a table: what is compared.
    #[serde(default)]
    pub loss: TableLoss,
    /// Of a table: whether values or their logarithms are compared.
    #[serde(default)]
    pub scale: Scale,
    /// How much it counts.
    #[serde(default = "one")]
    pub weight: f64,
    /// Another experiment that it is measured on.
    #[serde(default)]
    pub experiment: Option<String>,
    /// Further overrides for it.
    #[serde(default)]
    pub set: Vec<String>,
    /// Only this area, all others removed.
    #[serde(default)]
    pub isolate: Option<String>,
    /// Where the value comes from.
    #[serde(default)]
    pub source: String,
}

const fn one() -> f64 {
    1.0
}

/// How a table is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableLoss {
    /// Root of the mean of squared differences in units of the spread.
    #[default]
    Rmse,
    /// 1 minus Pearson's correlation.
    Correlation,
}

/// A parameter ready to be looked for.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Key path.
    pub path: String,
    /// Lower bound, in the canonical unit.
    pub lower: Quantity,
    /// Upper bound.
    pub upper: Quantity,
    /// What equal steps are.
    pub scale: Scale,
    /// Where the search starts, from 0 at the lower bound to 1 at the upper one.
    pub start: f64,
}

impl Parameter {
    /// The value at a place from 0 to 1.
    #[must_use]
    pub fn at(&self, place: f64) -> Quantity {
        let (a, b) = (self.lower.value, self.upper.value);
        let mix = |a: f64, b: f64| a * (1.0 - place) + b * place;
        let value = match self.scale {
            Scale::Linear => mix(a, b),
            Scale::Log => mix(a.ln(), b.ln()).exp(),
        };
        // Rounding must not lead out of the range.
        Quantity {
            value: value.clamp(a, b),
            ..self.lower
        }
    }

    fn place(&self, value: f64) -> f64 {
        let (a, b) = (self.lower.value, self.upper.value);
        match self.scale {
            Scale::Linear => (value - a) / (b - a),
            Scale::Log => (value / a).ln() / (b / a).ln(),
        }
    }

    /// Where it stands in the fit, for messages.
    #[must_use]
    pub fn key(&self, key: &str) -> String {
        format!("parameters.{}.{key}", path_segment(&self.path))
    }
}

/// Fits inside the binary: (name, text).
#[must_use]
pub fn bundled() -> &'static [(&'static str, &'static str)] {
    &[
        (
            "chaudhuri2015_pulse",
            include_str!("../../configs/fits/chaudhuri2015_pulse.yaml"),
        ),
        (
            "murray2014",
            include_str!("../../configs/fits/murray2014.yaml"),
        ),
    ]
}

/// Reads a fit.
///
/// # Errors
/// Bad YAML, unknown keys, no parameter, no target, bounds that are none, numbers out of range; with line and
/// column.
pub fn load(name: &str, text: &str) -> Result<(Config, FitFile), SpecError> {
    let config = Config::parse(name, text)?;
    let file: FitFile = config.deserialize()?;
    check_search(&config, &file)?;
    for (i, target) in file.targets.iter().enumerate() {
        check_target(&config, &format!("targets[{i}]"), target)?;
    }
    Ok((config, file))
}

fn check_search(config: &Config, file: &FitFile) -> Result<(), SpecError> {
    if file.parameters.is_empty() || file.targets.is_empty() {
        let (at, what) = match file.parameters.is_empty() {
            true => ("parameters", "parameter"),
            false => ("targets", "target"),
        };
        let message = format!("nothing to fit: found no {what}, expected one or more");
        return Err(config.error(at, message));
    }
    let fail = |at: &str, found: String, expected: String| {
        let message = format!("out of range: found {found}, expected {expected}");
        Err(config.error(at, message))
    };
    if !(file.sigma > 0.0 && file.sigma <= 1.0) {
        let expected = "a share of the range above 0, at most 1".to_owned();
        return fail("sigma", file.sigma.to_string(), expected);
    }
    if !(file.stop >= 0.0 && file.stop.is_finite()) {
        return fail(
            "stop",
            file.stop.to_string(),
            "a loss of 0 or more".to_owned(),
        );
    }
    let population = file.population();
    if !(4..=MOST_CANDIDATES).contains(&population) {
        let expected = format!("4 to {MOST_CANDIDATES} candidates");
        return fail("population", population.to_string(), expected);
    }
    let least = population as u64;
    // Random numbers have so many addresses.
    let addresses = u64::from(u32::MAX) / file.parameters.len() as u64;
    let most_generations = addresses.min(MOST_EVALUATIONS / least);
    match (file.generations, file.evaluations) {
        (Some(_), Some(_)) => {
            let message = "two limits: found `generations` and `evaluations`, expected one of them";
            Err(config.error("evaluations", message.to_owned()))
        }
        (None, None) => {
            let message = "no limit: expected `generations` or `evaluations`";
            Err(config.error("", message.to_owned()))
        }
        (Some(n), None) if !(1..=most_generations).contains(&n) => fail(
            "generations",
            n.to_string(),
            format!("1 to {most_generations}"),
        ),
        (None, Some(n)) if !(1..=most_generations).contains(&(n / least)) => {
            let expected = format!(
                "{least}, those of one generation, to {}",
                least * most_generations
            );
            fail("evaluations", n.to_string(), expected)
        }
        _ => Ok(()),
    }
}

fn check_target(config: &Config, at: &str, target: &TargetDraft) -> Result<(), SpecError> {
    let fail = |key: &str, message: String| Err(config.error(&format!("{at}.{key}"), message));
    let kinds = [
        ("measure", target.measure.is_some()),
        ("table", target.table.is_some()),
        ("paper", target.paper.is_some()),
    ];
    let found: Vec<&str> = (kinds.iter().filter(|k| k.1)).map(|k| k.0).collect();
    let [kind] = found[..] else {
        let words = match found.as_slice() {
            [] => "none".to_owned(),
            several => several.join(" and "),
        };
        let message = format!("found {words}, expected one of `measure`, `table`, `paper`");
        return fail(found.last().copied().unwrap_or_default(), message);
    };
    let numbers = [
        ("expected", target.expected, f64::NEG_INFINITY),
        ("at_least", target.at_least, f64::NEG_INFINITY),
        ("at_most", target.at_most, f64::NEG_INFINITY),
        ("absolute", target.absolute, 0.0),
        ("relative", target.relative, 0.0),
        ("weight", Some(target.weight), 0.0),
    ];
    for (key, value, above) in numbers {
        if let Some(value) = value.filter(|v| !(v.is_finite() && *v > above)) {
            let expected = match above == 0.0 {
                true => "a number above 0",
                false => "a finite number",
            };
            return fail(
                key,
                format!("out of range: found {value}, expected {expected}"),
            );
        }
    }
    // Keys that belong to another kind of target would be left unread without a word.
    let given = [
        ("expected", target.expected.is_some(), "measure"),
        ("at_least", target.at_least.is_some(), "measure"),
        ("at_most", target.at_most.is_some(), "measure"),
        ("of", target.of.is_some(), "table"),
        ("id", target.id.is_some(), "paper"),
    ];
    if let Some((key, ..)) = given.iter().find(|(_, is, of)| *is && *of != kind) {
        let message = format!("`{key}` is no key of a `{kind}`");
        return fail(key, message);
    }
    let Some(measure) = &target.measure else {
        if kind == "paper" && target.id.is_none() {
            return fail(
                "paper",
                "missing key: expected `id` of the target here".to_owned(),
            );
        }
        return Ok(());
    };
    if measure.gives_names() {
        let message = "no number: found a measure that gives names of areas, expected one that gives a \
                       number";
        return fail("measure", message.to_owned());
    }
    let wanted = [target.expected, target.at_least, target.at_most];
    if wanted.iter().all(Option::is_none) {
        let message = "nothing to compare with: expected one of `expected`, `at_least`, `at_most`";
        return fail("measure", message.to_owned());
    }
    if let (Some(low), Some(high)) = (target.at_least, target.at_most)
        && low > high
    {
        let message =
            format!("empty range: found {low} to {high}, expected `at_least` below `at_most`");
        return fail("at_least", message);
    }
    match (target.absolute, target.relative) {
        (None, None) => fail(
            "measure",
            "no unit of the misfit: expected `absolute`, in the unit of the measure, or `relative`, a \
             fraction of the value"
                .to_owned(),
        ),
        (Some(_), Some(_)) => fail(
            "relative",
            "two units of the misfit: found `absolute` and `relative`, expected one".to_owned(),
        ),
        (None, Some(_)) if wanted.iter().flatten().any(|v| *v == 0.0) => fail(
            "relative",
            "a fraction of 0 is no unit of a misfit: expected `absolute`".to_owned(),
        ),
        _ => Ok(()),
    }
}

impl FitFile {
    /// Candidates of a generation.
    #[must_use]
    pub fn population(&self) -> usize {
        let default = default_population(self.parameters.len());
        self.population.unwrap_or(default)
    }

    /// Generations at most.
    #[must_use]
    pub fn most_generations(&self) -> u64 {
        let of_evaluations = self.evaluations.map(|n| n / self.population() as u64);
        self.generations.or(of_evaluations).unwrap_or_default()
    }
}

/// The parameters in the order typed; `base` is the experiment and `sets` what is set in it.
///
/// # Errors
/// A path that is none, of something else than the model, of a text, set as well, or named twice; a range without
/// width, in units that do not fit, or without a logarithm; a start outside of it.
pub fn parameters(
    config: &Config,
    file: &FitFile,
    base: &Config,
    sets: &[String],
) -> Result<Vec<Parameter>, SpecError> {
    let mut seen = BTreeSet::new();
    let fixed: BTreeSet<Vec<String>> = (sets.iter())
        .filter_map(|set| split_path(set.split_once('=')?.0.trim()))
        .collect();
    let mut out = Vec::new();
    for path in config.keys("parameters") {
        let Some(draft) = file.parameters.get(&path) else {
            continue;
        };
        let at = format!("parameters.{}", path_segment(&path));
        let fail = |key: &str, message: String| {
            let at = match key {
                "" => at.clone(),
                key => format!("{at}.{key}"),
            };
            Err(config.error(&at, message))
        };
        let Some(segments) = split_path(&path) else {
            let message =
                format!("not a key path: found `{path}`, expected e.g. `circuit.parameters.w_EE`");
            return fail("", message);
        };
        let known = || OF_THE_MODEL.into_iter().chain(["task"]);
        if !known().any(|key| key == segments[0]) {
            let known: Vec<&str> = known().collect();
            let hint = did_you_mean(&segments[0], known.iter().copied());
            let message = format!(
                "not a key of the model: found `{}`, expected one of {}{hint}",
                segments[0],
                known.join(", ")
            );
            return fail("", message);
        }
        if fixed.contains(&segments) {
            let message = format!("fitted and set: found `{path}` in `set`, too, expected it once");
            return fail("", message);
        }
        if !seen.insert(segments) {
            let message = format!("parameter twice: found `{path}` again, expected it once");
            return fail("", message);
        }
        let (lower, upper) = (draft.lower, draft.upper);
        let in_unit = |key: &str, q: Quantity| {
            let fits = q.expect(lower.dimension);
            fits.map_err(|e| config.error(&format!("{at}.{key}"), e.to_string()))
        };
        in_unit("upper", upper)?;
        if let Some(found) = base.found(&path) {
            let own: Option<Quantity> = base.text(&path).and_then(|text| text.parse().ok());
            let Some(own) = own else {
                let message = format!(
                    "not a number: found {found} in the experiment, expected a parameter with a number"
                );
                return fail("", message);
            };
            if let Err(e) = lower.expect(own.dimension) {
                return fail("lower", e.to_string());
            }
        }
        // Also what is no number.
        let rises = lower.value < upper.value;
        if !rises || !(upper.value - lower.value).is_finite() {
            let message = format!(
                "no range: found {lower} to {upper}, expected a lower bound below the upper one"
            );
            return fail("lower", message);
        }
        if draft.scale == Scale::Log && lower.value <= 0.0 {
            let message = format!(
                "logarithm of what is not above 0: found the lower bound {lower}, expected one above 0"
            );
            return fail("lower", message);
        }
        let mut parameter = Parameter {
            path: path.clone(),
            lower,
            upper,
            scale: draft.scale,
            start: 0.5,
        };
        if let Some(start) = draft.start {
            let value = in_unit("start", start)?;
            if !(lower.value..=upper.value).contains(&value) {
                let message =
                    format!("outside the bounds: found {start}, expected {lower} to {upper}");
                return fail("start", message);
            }
            parameter.start = parameter.place(value);
        }
        out.push(parameter);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIT: &str = "
title: t
experiment: chaudhuri2015_v1_pulse
parameters:
  circuit.parameters.w_EE: {lower: 20 pA/Hz, upper: 25 pA/Hz, start: 21 pA/Hz}
  gradients.eta.strength: {lower: 0.1, upper: 10, scale: log}
targets:
  - {measure: {peak: {area: V1}}, expected: 100, relative: 0.01}
generations: 5
";

    fn read(text: &str) -> Result<Vec<Parameter>, String> {
        let (config, file) = load("test", text).map_err(|e| e.to_string())?;
        let base = crate::spec::load(&file.experiment, &file.set).map_err(|e| e.to_string())?;
        parameters(&config, &file, &base.config, &file.set).map_err(|e| e.to_string())
    }

    #[test]
    fn parameters_run_over_their_ranges() {
        let found = read(FIT).unwrap();
        let paths: Vec<&str> = found.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(paths, ["circuit.parameters.w_EE", "gradients.eta.strength"]);
        assert!((found[0].start - 0.2).abs() < 1e-12);
        assert_eq!(found[1].start, 0.5);
        let text = |p: &Parameter, at: f64| p.at(at).to_string();
        assert_eq!(text(&found[0], 0.0), "20 pA/Hz");
        assert_eq!(text(&found[0], 0.5), "22.5 pA/Hz");
        assert_eq!(text(&found[1], 1.0), "10");
        assert!((found[1].at(0.5).value - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_fitted_is_refused_at_its_place() {
        let pulse = "{peak: {area: V1}}, expected: 100, relative: 0.01";
        for (from, to, says) in [
            ("lower: 20 pA/Hz", "lower: 26 pA/Hz", "lower bound below"),
            ("lower: 20 pA/Hz", "lower: 25 pA/Hz", "lower bound below"),
            ("lower: 20 pA/Hz", "lower: 20 pA", "wrong unit"),
            ("upper: 25 pA/Hz", "upper: 25 mV", "wrong unit"),
            ("lower: 20 pA/Hz", "lower: NaN", "not a quantity"),
            ("start: 21 pA/Hz", "start: 26 pA/Hz", "outside the bounds"),
            ("lower: 0.1", "lower: -0.1", "above 0"),
            ("lower: 0.1", "lowr: 0.1", "did you mean `lower`"),
            (
                "gradients.eta.strength:",
                "title:",
                "not a key of the model",
            ),
            (
                "gradients.eta.strength:",
                "gradient.eta.strength:",
                "did you mean `gradients`",
            ),
            ("gradients.eta.strength:", "circuit.name:", "not a number"),
            ("gradients.eta.strength:", "gradients.eta:", "not a number"),
            (
                "gradients.eta.strength:",
                "circuit.\"parameters\".w_EE:",
                "parameter twice",
            ),
            (
                "gradients.eta.strength:",
                "circuit.parameters.w_EE:",
                "duplicate key",
            ),
            (
                "gradients.eta.strength:",
                "gradients.\"x:",
                "not a key path",
            ),
            ("generations: 5", "generations: 0", "expected 1 to"),
            (
                "generations: 5",
                "evaluations: 0",
                "those of one generation",
            ),
            ("generations: 5", "", "no limit"),
            (
                "generations: 5",
                "generations: 5\nevaluations: 100",
                "two limits",
            ),
            (
                "generations: 5",
                "generations: 5\nsigma: 0",
                "a share of the range",
            ),
            (
                "generations: 5",
                "generations: 5\nsigma: NaN",
                "a share of the range",
            ),
            (
                "generations: 5",
                "generations: 5\nstop: -1",
                "a loss of 0 or more",
            ),
            (
                "generations: 5",
                "generations: 5\npopulation: 3",
                "candidates",
            ),
            ("expected: 100", "expected: NaN", "a finite number"),
            ("expected: 100", "expected: 0", "a fraction of 0"),
            ("expected: 100, ", "", "nothing to compare with"),
            ("relative: 0.01", "relative: 0", "above 0"),
            ("relative: 0.01", "relative: 0.01, weight: -1", "above 0"),
            (", relative: 0.01", "", "no unit of the misfit"),
            (
                pulse,
                "bistable_areas, expected: 1, absolute: 1",
                "names of areas",
            ),
            (
                "{peak: {area: V1}}",
                "{peek: {area: V1}}",
                "did you mean `peak`",
            ),
            (
                "expected: 100",
                "table: murray2014",
                "expected one of `measure`",
            ),
            (
                "expected: 100",
                "expected: 100, id: M1",
                "no key of a `measure`",
            ),
            ("set", "set", ""),
        ] {
            let text = FIT.replacen(from, to, 1);
            let found = read(&text);
            if says.is_empty() {
                assert!(found.is_ok());
                continue;
            }
            let refusal = found.expect_err(to);
            assert!(refusal.contains(says), "{to}: {refusal}");
            assert!(refusal.contains("test:"), "without its place: {refusal}");
        }
        let both = FIT.replace(
            "parameters:",
            "set: [circuit.parameters.w_EE=21 pA/Hz]\nparameters:",
        );
        assert!(read(&both).unwrap_err().contains("fitted and set"));
        let text = FIT.replace("targets:\n", "targets: []\nx:\n");
        assert!(read(&text).is_err());
    }
}
