//! What a sweep varies: the section `sweep:` of a config, and ranges and lists in `--set`.
//!
//! An axis is a list of points; each point gives a value to one key path or to several. The conditions
//! of a sweep are all combinations of its axes, the first axis slowest.

use std::collections::BTreeSet;
use std::path::Path;

use super::node::{Node, Value, split_path};
use super::suggest::did_you_mean;
use super::{Location, SpecError};

/// More conditions than these are refused: a range typed wrongly should fill neither disk nor memory, where each
/// value takes some 60 bytes as it was typed.
pub const MOST_CONDITIONS: usize = 1_000_000;

/// What varies, axis by axis.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SweepSpec {
    /// The axes, slowest first.
    pub axes: Vec<AxisSpec>,
    /// Whether the activity of every condition is kept, beside its summaries and measures.
    pub keep_activity: bool,
}

/// Key paths that vary together.
#[derive(Debug, Clone, PartialEq)]
pub struct AxisSpec {
    /// Key paths, such as `projections.feedforward.scale`.
    pub paths: Vec<String>,
    /// Their values.
    pub points: Points,
}

/// The points of an axis.
#[derive(Debug, Clone, PartialEq)]
pub enum Points {
    /// As typed, \[point\]\[path\].
    Listed(Vec<Vec<String>>),
    /// Independent and uniform, by the generator that noise comes from.
    Random {
        /// How many.
        count: u32,
        /// Seed.
        seed: u64,
        /// Range of each path.
        ranges: Vec<Range>,
    },
    /// A Sobol sequence with Owen's scrambling: fills the space evenly from the first point on.
    Sobol {
        /// How many, at most [`MOST_SOBOL`].
        count: u32,
        /// Seed of the scrambling.
        seed: u32,
        /// Range of each path.
        ranges: Vec<Range>,
    },
}

/// The sequence in use has so many points.
pub const MOST_SOBOL: u32 = 1 << 16;

impl AxisSpec {
    /// Number of points.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.points {
            Points::Listed(points) => points.len(),
            Points::Random { count, .. } | Points::Sobol { count, .. } => *count as usize,
        }
    }

    /// Whether there is no point; the readers refuse such axes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// `A..B` with a unit, linear or logarithmic.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// One end, in the unit as typed.
    pub from: f64,
    /// The other end.
    pub to: f64,
    /// Unit as typed, empty for none.
    pub unit: String,
    /// Whether steps are factors.
    pub log: bool,
}

impl Range {
    /// The value a fraction `part / of` of the way, as it would be typed.
    #[must_use]
    pub fn at(&self, part: f64, of: f64) -> String {
        // Both ends weighted, so that the ends and decimal steps come out as one would type them.
        let mix = |a: f64, b: f64| (a * (of - part) + b * part) / of;
        let value = match self.log {
            false => mix(self.from, self.to),
            true if part == 0.0 => self.from,
            true if part == of => self.to,
            true => mix(self.from.ln(), self.to.ln()).exp(),
        };
        // A number with hundreds of digits would stand here a million times.
        let value = match value.abs() < 1e16 {
            true => value.to_string(),
            false => format!("{value:e}"),
        };
        match self.unit.is_empty() {
            true => value,
            false => format!("{value} {}", self.unit),
        }
    }

    /// Reads `A..B`; nothing if the text is none.
    fn parse(text: &str, log: bool) -> Result<Option<Range>, String> {
        let Some((a, b)) = text.split_once("..") else {
            return Ok(None);
        };
        let (Some((from, unit_a)), Some((to, unit_b))) = (number(a), number(b)) else {
            return Ok(None);
        };
        if !(unit_a.is_empty() || unit_a == unit_b) {
            return Err(format!(
                "range in two units: found `{unit_a}` and `{unit_b}`, expected one"
            ));
        }
        if !(from.is_finite() && to.is_finite()) {
            return Err(format!("not finite: found `{text}`, expected two numbers"));
        }
        if log && !(from > 0.0 && to > 0.0) {
            return Err(format!(
                "logarithm of what is not above 0: found `{text}`, expected ends above 0"
            ));
        }
        Ok(Some(Range {
            from,
            to,
            unit: unit_b.to_owned(),
            log,
        }))
    }
}

/// A number and what follows it, which begins with a letter if there is anything.
fn number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let is_number =
        |end: &usize| text.is_char_boundary(*end) && text[..*end].parse::<f64>().is_ok();
    // `inf` and `nan` are numbers to Rust and nothing to us.
    let starts = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let end = (1..=text.len()).rev().find(is_number).filter(|_| starts)?;
    let unit = text[end..].trim();
    let is_unit = unit.is_empty() || unit.starts_with(|c: char| c.is_alphabetic() || c == '%');
    Some((text[..end].parse().ok()?, unit)).filter(|_| is_unit)
}

/// Most points of one range: as [`MOST_CONDITIONS`].
fn count(text: &str) -> Result<usize, String> {
    let found = text.trim().parse::<usize>().ok();
    found
        .filter(|n| (1..=MOST_CONDITIONS).contains(n))
        .ok_or_else(|| {
            format!("not a number of points: found `{text}`, expected 1 to {MOST_CONDITIONS}")
        })
}

/// The values that a text stands for: `0..1:21` is a range of 21 points, `1..100:5:log` one with equal
/// factors, `x,y,z` a list, anything else itself. Commas in brackets, braces and quotes do not part.
///
/// # Errors
/// A range without its number of points, in two units or of no use; an empty entry of a list.
pub fn values(text: &str) -> Result<Vec<String>, String> {
    let parts = at_commas(text);
    let several = parts.len() > 1;
    let mut out = Vec::new();
    for part in parts {
        let part = part.trim();
        if part.is_empty() && several {
            return Err(format!(
                "empty entry: found `{text}`, expected a value between two commas"
            ));
        }
        match ranged(part)? {
            Some(range) => out.extend(range),
            None => out.push(part.to_owned()),
        }
        if out.len() > MOST_CONDITIONS {
            return Err(format!(
                "too many values: found more than {MOST_CONDITIONS} in `{text}`"
            ));
        }
    }
    Ok(out)
}

/// The points of a range; none if the text is none.
fn ranged(text: &str) -> Result<Option<Vec<String>>, String> {
    let mut fields = text.split(':');
    let (Some(ends), points, scale, more) = (
        fields.next(),
        fields.next(),
        fields.next(),
        fields.next().is_some(),
    ) else {
        return Ok(None);
    };
    let log = match scale.map(str::trim) {
        None => false,
        Some("log") => true,
        Some(other) if Range::parse(ends, false)?.is_some() => {
            return Err(format!(
                "unknown scale of a range: found `{other}` in `{text}`, expected `log`, or nothing for equal steps"
            ));
        }
        Some(_) => return Ok(None),
    };
    let Some(range) = Range::parse(ends, log)? else {
        return Ok(None);
    };
    let Some(points) = points.filter(|_| !more) else {
        return Err(format!(
            "range without its number of points: found `{text}`, expected e.g. `{text}:11`"
        ));
    };
    let points = count(points)?;
    if points == 1 && range.from != range.to {
        return Err(format!(
            "one point for two ends: found `{text}`, expected 2 points or more"
        ));
    }
    let last = (points.max(2) - 1) as f64;
    Ok(Some(
        (0..points).map(|k| range.at(k as f64, last)).collect(),
    ))
}

/// Parts a text at its commas, not at those within brackets, braces or quotes.
fn at_commas(text: &str) -> Vec<&str> {
    let (mut depth, mut quote, mut from) = (0_usize, None, 0);
    let mut out = Vec::new();
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), _) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                out.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push(&text[from..]);
    out
}

/// Takes the axes out of `--set` arguments; what gives one value stays.
///
/// # Errors
/// A faulty range or list, with its place in the argument.
pub(super) fn of_sets(sets: &[String]) -> Result<(Vec<AxisSpec>, Vec<String>), SpecError> {
    let (mut axes, mut fixed) = (Vec::new(), Vec::new());
    for (i, set) in sets.iter().enumerate() {
        // What is no `path=value` is refused where fixed values are read.
        let Some((path, text)) = set.split_once('=') else {
            fixed.push(set.clone());
            continue;
        };
        let found = values(text).map_err(|message| {
            SpecError::at(
                message,
                super::place_in_set(&format!("--set {}", i + 1), set, path.chars().count() + 2),
            )
        })?;
        match &found[..] {
            [one] if ranged(text.trim()).ok().flatten().is_none() => {
                fixed.push(format!("{path}={one}"));
            }
            _ => axes.push(AxisSpec {
                paths: vec![path.trim().to_owned()],
                points: Points::Listed(found.into_iter().map(|v| vec![v]).collect()),
            }),
        }
    }
    Ok((axes, fixed))
}

/// Reads the section `sweep:`; `folder` is where a csv is looked for.
///
/// # Errors
/// Unknown keys, empty axes, lists of different lengths, faulty ranges, a csv that cannot be read.
pub(super) fn of_section(node: &Node, folder: Option<&Path>) -> Result<SweepSpec, SpecError> {
    let mut out = SweepSpec::default();
    for (key, child) in map(node, "the axes of a sweep, such as `grid:`")? {
        match key {
            "grid" => {
                for (path, child) in map(child, "key paths with their values")? {
                    out.axes
                        .push(listed(vec![path.to_owned()], vec![values_of(child)?]));
                }
            }
            "zip" => out.axes.push(zipped(child)?),
            "random" | "sobol" => out.axes.push(drawn(key, child)?),
            "csv" => out.axes.push(csv(child, folder)?),
            "keep" => {
                let known = ["summaries", "activity"];
                let found = child.text().unwrap_or_default();
                if !known.contains(&found) {
                    let message = format!(
                        "unknown word: found `{found}`, expected {}",
                        known.join(" or ")
                    );
                    return Err(SpecError::at(message, child.at.clone()));
                }
                out.keep_activity = found == "activity";
            }
            _ => {
                let known = ["grid", "zip", "random", "sobol", "csv", "keep"];
                let hint = did_you_mean(key, known);
                let message = format!(
                    "unknown key: found `{key}`, expected one of {}{hint}",
                    known.join(", ")
                );
                return Err(SpecError::at(message, child.at.clone()));
            }
        }
    }
    Ok(out)
}

/// Refuses axes that name a path twice, or no path, and more conditions than anybody wants.
pub(super) fn check(spec: &SweepSpec, at: &Location) -> Result<(), SpecError> {
    let fail = |message: String| Err(SpecError::at(message, at.clone()));
    if spec.axes.is_empty() {
        return fail(
            "nothing varies: found no range, list or `sweep:`, expected e.g. `--set PATH=0..1:11`"
                .to_owned(),
        );
    }
    let mut seen = BTreeSet::new();
    let mut conditions = 1_usize;
    for axis in &spec.axes {
        for path in &axis.paths {
            let Some(segments) = split_path(path) else {
                return fail(format!(
                    "not a key path: found `{path}`, expected e.g. `stimuli.pulse.amplitude`"
                ));
            };
            if !seen.insert(segments) {
                return fail(format!(
                    "path twice: found `{path}` in two axes, expected it in one"
                ));
            }
        }
        conditions = conditions.saturating_mul(axis.len());
    }
    if conditions > MOST_CONDITIONS {
        return fail(format!(
            "too many conditions: found {conditions}, expected at most {MOST_CONDITIONS}"
        ));
    }
    Ok(())
}

fn map<'a>(node: &'a Node, what: &str) -> Result<Vec<(&'a str, &'a Node)>, SpecError> {
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            Ok(entries.iter().map(|(k, v)| (k.text.as_str(), v)).collect())
        }
        _ => {
            let message = format!("wrong kind of value: expected {what}");
            Err(SpecError::at(message, node.at.clone()))
        }
    }
}

/// Columns of equal length side by side.
fn listed(paths: Vec<String>, columns: Vec<Vec<String>>) -> AxisSpec {
    let points = columns.first().map_or(0, Vec::len);
    let point = |k: usize| columns.iter().map(|column| column[k].clone()).collect();
    AxisSpec {
        paths,
        points: Points::Listed((0..points).map(point).collect()),
    }
}

/// The values under a path: a list, or a text with ranges and commas.
fn values_of(node: &Node) -> Result<Vec<String>, SpecError> {
    let found = match &node.value {
        Value::Seq(items) => Ok(items.iter().map(as_typed).collect::<Vec<_>>()),
        Value::Scalar { text, quoted } if !quoted => values(text),
        _ => Ok(vec![as_typed(node)]),
    };
    let found = found.map_err(|message| SpecError::at(message, node.at.clone()))?;
    if found.is_empty() {
        let message = "no values: found an empty list, expected one or more".to_owned();
        return Err(SpecError::at(message, node.at.clone()));
    }
    Ok(found)
}

/// A value as one would type it behind `--set PATH=`.
fn as_typed(node: &Node) -> String {
    match &node.value {
        Value::Scalar {
            text,
            quoted: false,
        } => text.clone(),
        Value::Null => "null".to_owned(),
        // JSON is YAML on one line; a tree of texts, lists and maps always serialises.
        _ => serde_json::to_string(node).expect("a config tree serialises to JSON"),
    }
}

fn zipped(node: &Node) -> Result<AxisSpec, SpecError> {
    let (mut paths, mut columns) = (Vec::new(), Vec::<Vec<String>>::new());
    for (path, child) in map(node, "key paths with lists of the same length")? {
        let column = values_of(child)?;
        if let Some(first) = columns.first()
            && first.len() != column.len()
        {
            let message = format!(
                "lists of different lengths: found {} values of `{path}`, expected {} as of `{}`",
                column.len(),
                first.len(),
                paths[0]
            );
            return Err(SpecError::at(message, child.at.clone()));
        }
        paths.push(path.to_owned());
        columns.push(column);
    }
    Ok(listed(paths, columns))
}

fn drawn(kind: &str, node: &Node) -> Result<AxisSpec, SpecError> {
    let whole = |child: &Node, most: u64| -> Result<u64, SpecError> {
        let found = child.text().unwrap_or_default();
        found.parse().ok().filter(|n| *n <= most).ok_or_else(|| {
            let message = format!("out of range: found `{found}`, expected 0 to {most}");
            SpecError::at(message, child.at.clone())
        })
    };
    let most = if kind == "sobol" {
        MOST_SOBOL as usize
    } else {
        MOST_CONDITIONS
    };
    let (mut count, mut seed) = (0, 0);
    let (mut paths, mut ranges) = (Vec::new(), Vec::new());
    for (key, child) in map(node, "`count`, `seed` and `over`")? {
        match key {
            "count" => count = whole(child, most as u64)? as u32,
            "seed" => seed = whole(child, u64::from(u32::MAX))?,
            "over" => {
                for (path, child) in map(child, "key paths with ranges such as `0..1`")? {
                    let text = child.text().unwrap_or_default();
                    let (ends, log) = match text.strip_suffix(":log") {
                        Some(ends) => (ends, true),
                        None => (text, false),
                    };
                    let range = Range::parse(ends, log)
                        .and_then(|range| {
                            range.ok_or_else(|| {
                                format!("not a range: found `{text}`, expected e.g. `0..1` or `1..100:log`")
                            })
                        })
                        .map_err(|message| SpecError::at(message, child.at.clone()))?;
                    paths.push(path.to_owned());
                    ranges.push(range);
                }
            }
            _ => {
                let message = format!("unknown key: found `{key}`, expected count, seed or over");
                return Err(SpecError::at(message, child.at.clone()));
            }
        }
    }
    if count == 0 || paths.is_empty() {
        let message = format!(
            "no points: found count {count} and {} ranges in `over`, expected both",
            paths.len()
        );
        return Err(SpecError::at(message, node.at.clone()));
    }
    if kind == "sobol" && paths.len() > MOST_SOBOL_PATHS {
        let message = format!(
            "too many paths: found {}, expected at most {MOST_SOBOL_PATHS}",
            paths.len()
        );
        return Err(SpecError::at(message, node.at.clone()));
    }
    let points = match kind {
        "sobol" => Points::Sobol {
            count,
            seed: seed as u32,
            ranges,
        },
        _ => Points::Random {
            count,
            seed,
            ranges,
        },
    };
    Ok(AxisSpec { paths, points })
}

/// The sequence in use has so many dimensions.
const MOST_SOBOL_PATHS: usize = 256;

/// A table whose header holds key paths and whose rows are points.
fn csv(node: &Node, folder: Option<&Path>) -> Result<AxisSpec, SpecError> {
    let fail = |message: String| SpecError::at(message, node.at.clone());
    let name = node.text().unwrap_or_default();
    let beside = folder.map(|f| f.join(name)).filter(|p| p.is_file());
    let path = beside.unwrap_or_else(|| Path::new(name).to_owned());
    let faulty = |e: csv::Error| fail(format!("cannot read the table {}: {e}", path.display()));
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_path(&path)
        .map_err(faulty)?;
    let paths: Vec<String> = (reader.headers().map_err(faulty)?.iter())
        .map(str::to_owned)
        .collect();
    let mut points = Vec::new();
    for row in reader.records() {
        let row = row.map_err(faulty)?;
        points.push(row.iter().map(str::to_owned).collect::<Vec<_>>());
        if points.len() > MOST_CONDITIONS {
            return Err(fail(format!(
                "too many rows: found more than {MOST_CONDITIONS} in {}",
                path.display()
            )));
        }
    }
    if points.is_empty() {
        return Err(fail(format!(
            "no rows: found a header alone in {}, expected a row for each point",
            path.display()
        )));
    }
    Ok(AxisSpec {
        paths,
        points: Points::Listed(points),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ConfigLayers;
    use super::*;

    fn sweep(section: &str) -> Result<SweepSpec, String> {
        let node = Node::parse("sweep", section).map_err(|e| e.message)?;
        let spec = of_section(&node, None).map_err(|e| e.message)?;
        check(&spec, &node.at).map_err(|e| e.message)?;
        Ok(spec)
    }

    #[test]
    fn ranges_and_lists_are_what_they_say() {
        let of = |text: &str| values(text).unwrap();
        assert_eq!(of("0..1:5"), ["0", "0.25", "0.5", "0.75", "1"]);
        assert_eq!(of("0..1:11")[3], "0.3");
        assert_eq!(of("10..20 ms:3"), ["10 ms", "15 ms", "20 ms"]);
        assert_eq!(of("10 ms..20 ms:2"), ["10 ms", "20 ms"]);
        assert_eq!(of("1..100:3:log"), ["1", "10.000000000000002", "100"]);
        assert_eq!(of("-1e-3..1e-3:3"), ["-0.001", "0", "0.001"]);
        assert_eq!(of("x, y,z"), ["x", "y", "z"]);
        assert_eq!(of("0..1:2,5"), ["0", "1", "5"]);
        assert_eq!(of("[V1, V2],[V4]"), ["[V1, V2]", "[V4]"]);
        assert_eq!(of("'a, b'"), ["'a, b'"]);
        assert_eq!(of("../data"), ["../data"]);
        assert_eq!(of("{a: 1, b: 2}"), ["{a: 1, b: 2}"]);
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let refusal = |text: &str| values(text).unwrap_err();
        assert!(refusal("0..1").contains("number of points"));
        assert!(refusal("0..1:0").contains("expected 1 to"));
        assert!(refusal("0..1:1").contains("one point for two ends"));
        assert!(refusal("0..1:x").contains("not a number of points"));
        assert!(refusal("1 s..2 ms:3").contains("two units"));
        assert!(refusal("0..1:3:log").contains("above 0"));
        assert!(refusal("10..40 Hz:7:lin").contains("found `lin`"));
        assert!(refusal("1,,2").contains("empty entry"));
        assert!(refusal("0..1:99999999999").contains("expected 1 to"));
        for (section, says) in [
            ("grid: {a: []}", "empty list"),
            ("gird: {a: 1}", "did you mean `grid`"),
            ("zip: {a: [1, 2], b: [1]}", "different lengths"),
            ("random: {count: 0, over: {a: 0..1}}", "no points"),
            (
                "sobol: {count: 70000, over: {a: 0..1}}",
                "expected 0 to 65536",
            ),
            ("random: {count: 3, over: {a: 5}}", "not a range"),
            ("csv: nowhere.csv", "cannot read the table nowhere.csv"),
            ("{grid: {a: 0..1:3}, zip: {a: [1]}}", "path twice"),
            ("grid: {a: 0..1:9999, b: 0..1:9999}", "too many conditions"),
            ("keep: everything", "expected summaries or activity"),
            ("keep: activity", "nothing varies"),
        ] {
            let refusal = sweep(section).unwrap_err();
            assert!(refusal.contains(says), "{section}: {refusal}");
        }
    }

    #[test]
    fn a_section_gives_its_axes_in_the_order_typed() {
        let spec = sweep(
            "{grid: {b: 0..1:2, a: [x, [1, 2], 'q']}, zip: {c: [1, 2], d: '3..4:2'}, keep: activity}",
        );
        // A quoted text is itself.
        assert!(spec.unwrap_err().contains("different lengths"));
        let spec =
            sweep("{grid: {b: 0..1:2, a: [x, [1, 2]]}, zip: {c: [1, 2], d: 3..4:2}}").unwrap();
        let paths: Vec<_> = spec.axes.iter().map(|a| a.paths.join("+")).collect();
        assert_eq!(paths, ["b", "a", "c+d"]);
        let Points::Listed(points) = &spec.axes[1].points else {
            panic!("found {:?}", spec.axes[1])
        };
        assert_eq!(points[1], ["[1,2]".to_owned()], "{points:?}");
        assert!(!spec.keep_activity);
    }

    #[test]
    fn one_value_stays_an_override_and_several_become_an_axis() {
        let sets = ["a=1", "b=1,2", "c=3..3:1"].map(str::to_owned);
        let (axes, fixed) = of_sets(&sets).unwrap();
        assert_eq!(fixed, ["a=1"]);
        let paths: Vec<_> = axes.iter().map(|a| a.paths[0].as_str()).collect();
        assert_eq!(paths, ["b", "c"]);
        let refusal = of_sets(&["a.b=0..1".to_owned()]).unwrap_err().to_string();
        assert!(refusal.contains("--set 1:1:5"), "{refusal}");
    }

    #[test]
    fn a_config_with_a_sweep_is_no_single_experiment() {
        let mut layers =
            ConfigLayers::of_text("t", "from: chaudhuri2015\ntitle: t\nsweep: {grid: {a: 1}}")
                .unwrap();
        assert!(
            layers
                .with(&[])
                .unwrap_err()
                .to_string()
                .contains("isocortex sweep")
        );
        assert_eq!(layers.take_sweep(&[]).unwrap().axes.len(), 1);
    }

    proptest! {
        /// Whatever is typed: an answer or a refusal, and no more than the limit.
        #[test]
        fn no_text_breaks_the_grammar(text in "[-0-9a-z.,:;e+\\[\\]{}'\" ]{0,40}") {
            if let Ok(found) = values(&text) {
                prop_assert!(!found.is_empty() && found.len() <= MOST_CONDITIONS);
            }
        }

        /// The ends of a range are kept, and the points run from one to the other.
        #[test]
        fn a_range_runs_from_end_to_end(a in -1e6_f64..1e6, b in -1e6_f64..1e6, n in 2_usize..50) {
            let found = values(&format!("{a}..{b}:{n}")).unwrap();
            let numbers: Vec<f64> = found.iter().map(|x| x.parse().unwrap()).collect();
            prop_assert_eq!(numbers.len(), n);
            let close = |x: f64, y: f64| (x - y).abs() <= 1e-12 * a.abs().max(b.abs());
            prop_assert!(close(numbers[0], a) && close(numbers[n - 1], b));
            let rises = numbers.windows(2).all(|w| (w[1] - w[0]) * (b - a) >= 0.0);
            prop_assert!(rises);
        }
    }
}
