//! What electrodes found, held against what a model does.
//!
//! A table of recordings (`data/targets/*.yaml`, or a file of one's own) says of areas whether they
//! hold activity over a delay, how long their activity lasts, or when they respond. [`compare`] takes
//! the same measure of a model, area by area, and says which areas disagree.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::lab::{Lab, LabError, misfit};
use crate::analysis::stats;
use crate::rng::{Site, below};
use crate::spec::{Config, SpecError};
use std::sync::atomic::AtomicBool;

/// A table of recordings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recordings {
    /// One line that names it.
    pub title: String,
    /// The paper.
    pub paper: String,
    /// Where in the paper, and what was done to the figures since.
    pub source: String,
    /// Config path or bundled name of the experiment it is compared with unless another is asked for.
    #[serde(default)]
    pub experiment: Option<String>,
    /// Overrides of that experiment.
    #[serde(default)]
    pub set: Vec<String>,
    /// Sums of the transcribed columns, which a mistyped figure would miss.
    #[serde(default)]
    pub sums: Sums,
    /// Whether areas hold activity over a delay.
    #[serde(default)]
    pub delay_activity: Option<DelayReports>,
    /// Intrinsic timescales.
    #[serde(default)]
    pub timescales: Option<Regions>,
    /// Response latencies.
    #[serde(default)]
    pub latencies: Option<Regions>,
}

/// Sums of the columns of a table, those that are given.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sums {
    /// Reports that found delay activity.
    #[serde(default)]
    pub found: Option<u64>,
    /// Reports that did not.
    #[serde(default)]
    pub not_found: Option<u64>,
    /// Times, ms.
    #[serde(default)]
    pub ms: Option<f64>,
    /// Neurons.
    #[serde(default)]
    pub neurons: Option<u64>,
}

/// Reports of delay activity in the literature.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelayReports {
    /// An area is compared if it has more reports than this, of either kind.
    pub well_studied_above: u32,
    /// It is persistent if reports that found delay activity outnumber those that did not by more.
    pub persistent_above: u32,
    /// By area.
    pub areas: BTreeMap<String, Reports>,
}

/// Reports on one area.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reports {
    /// That found delay activity.
    pub found: u32,
    /// That did not.
    pub not_found: u32,
}

/// Times of regions, from one laboratory or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regions {
    /// Areas of the model that stand for a region; their mean is compared. None: the region is not compared.
    pub areas: BTreeMap<String, Vec<String>>,
    /// What was measured.
    pub values: Vec<RegionTime>,
}

/// One measured time.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionTime {
    /// Region.
    pub region: String,
    /// Laboratory or data set, where there are several: only order within one of them is free of
    /// differences in method.
    #[serde(default)]
    pub laboratory: String,
    /// The time, ms.
    pub ms: f64,
    /// Neurons behind it.
    #[serde(default)]
    pub neurons: Option<u32>,
}

/// A model beside recordings.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Comparison {
    /// The table's title.
    pub title: String,
    /// The paper.
    pub paper: String,
    /// Where the figures come from.
    pub source: String,
    /// The experiment that was run, with its overrides.
    pub experiment: String,
    /// What stands in the columns `recorded` and `model`.
    pub columns: [String; 2],
    /// Areas or regions.
    pub rows: Vec<Row>,
    /// Names of the rows that disagree.
    pub disagree: Vec<String>,
    /// What a disagreement is.
    pub rule: String,
    /// p of Pearson's chi-squared over areas that are persistent or not; none for times.
    pub chi_squared_p: Option<f64>,
    /// Statistics over the rows, in words, with the number.
    pub statistics: Vec<(String, f64)>,
    /// What could not be compared, and why.
    pub left_out: Vec<String>,
}

/// One area or region.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What electrodes found, in words.
    pub recorded: String,
    /// What the model does, in words.
    pub model: String,
    /// Whether both agree.
    pub agrees: bool,
}

/// Tables inside the binary: (name, text).
#[must_use]
pub fn bundled_recordings() -> &'static [(&'static str, &'static str)] {
    &[
        (
            "leavitt2017",
            include_str!("../../data/targets/leavitt2017.yaml"),
        ),
        (
            "murray2014",
            include_str!("../../data/targets/murray2014.yaml"),
        ),
        (
            "schmolesky1998",
            include_str!("../../data/targets/schmolesky1998.yaml"),
        ),
    ]
}

/// Reads a table of recordings.
///
/// # Errors
/// Bad YAML, unknown keys, none or several kinds of recordings, a region without a map to areas, a time
/// that is not above 0; with line and column.
pub fn load_recordings(name: &str, text: &str) -> Result<Recordings, SpecError> {
    let config = Config::parse(name, text)?;
    let table: Recordings = config.deserialize()?;
    let kinds = [
        ("delay_activity", table.delay_activity.is_some()),
        ("timescales", table.timescales.is_some()),
        ("latencies", table.latencies.is_some()),
    ];
    let found: Vec<&str> = (kinds.iter().filter(|k| k.1)).map(|k| k.0).collect();
    if found.len() != 1 {
        let message = format!(
            "found {}, expected one of `delay_activity`, `timescales`, `latencies`",
            match found.as_slice() {
                [] => "no recordings".to_owned(),
                several => several.join(" and "),
            }
        );
        return Err(config.error(found.last().copied().unwrap_or_default(), message));
    }
    for regions in [&table.timescales, &table.latencies].into_iter().flatten() {
        for (i, value) in regions.values.iter().enumerate() {
            let path = |key: &str| format!("{}.values[{i}].{key}", found[0]);
            if !regions.areas.contains_key(&value.region) {
                let known: Vec<&str> = regions.areas.keys().map(String::as_str).collect();
                let message = format!(
                    "region without areas: found `{}`, expected one of {}",
                    value.region,
                    known.join(", ")
                );
                return Err(config.error(&path("region"), message));
            }
            if !(value.ms > 0.0 && value.ms.is_finite()) {
                let message = format!("found {} ms, expected a time above 0", value.ms);
                return Err(config.error(&path("ms"), message));
            }
        }
    }
    check_sums(&config, &table)?;
    Ok(table)
}

/// Refuses a table whose columns do not add up to what it says.
fn check_sums(config: &Config, table: &Recordings) -> Result<(), SpecError> {
    let reports = || table.delay_activity.iter().flat_map(|d| d.areas.values());
    let values = || {
        let both = [&table.timescales, &table.latencies];
        both.into_iter()
            .flatten()
            .flat_map(|regions| &regions.values)
    };
    let whole = |sum: Option<u64>| sum.map(|s| s as f64);
    let sums = &table.sums;
    let columns: [(&str, Option<f64>, f64); 4] = [
        (
            "found",
            whole(sums.found),
            reports().map(|r| f64::from(r.found)).sum(),
        ),
        (
            "not_found",
            whole(sums.not_found),
            reports().map(|r| f64::from(r.not_found)).sum(),
        ),
        ("ms", sums.ms, values().map(|v| v.ms).sum()),
        (
            "neurons",
            whole(sums.neurons),
            values().map(|v| f64::from(v.neurons.unwrap_or(0))).sum(),
        ),
    ];
    for (column, stated, found) in columns {
        // Decimals add up with rounding, far below the last digit that tables have.
        if let Some(stated) = stated.filter(|stated| (stated - found).abs() > 1e-6) {
            let message = format!(
                "a figure is mistyped: found {found} as the sum of `{column}`, expected {stated}"
            );
            return Err(config.error(&format!("sums.{column}"), message));
        }
    }
    Ok(())
}

/// Runs the experiment of the table, or another, and compares.
///
/// # Errors
/// An experiment that cannot be built or run, or that has no such measure in its `analysis`; too few
/// areas in common.
pub fn compare(
    table: &Recordings,
    experiment: Option<&str>,
    sets: &[String],
    threads: usize,
    stop: &AtomicBool,
) -> Result<Comparison, LabError> {
    let own = table.experiment.as_deref();
    let Some(name) = experiment.or(own) else {
        let message = "the table names no experiment: expected one as second argument";
        return Err(misfit(message));
    };
    // Overrides of the table belong to its own experiment.
    let common = match experiment {
        None => table.set.as_slice(),
        Some(_) => &[],
    };
    let sets: Vec<String> = common.iter().chain(sets).cloned().collect();
    let mut lab = Lab::new(name, &sets, None, threads)?;
    let words = std::iter::once(name).chain(sets.iter().map(String::as_str));
    compare_lab(table, &words.collect::<Vec<_>>().join(" "), &mut lab, stop)
}

/// The same with an experiment that is at hand.
pub(super) fn compare_lab(
    table: &Recordings,
    experiment: &str,
    lab: &mut Lab,
    stop: &AtomicBool,
) -> Result<Comparison, LabError> {
    let mut out = Comparison {
        title: table.title.clone(),
        paper: table.paper.clone(),
        source: table.source.clone(),
        experiment: experiment.to_owned(),
        columns: Default::default(),
        rows: Vec::new(),
        disagree: Vec::new(),
        rule: String::new(),
        chi_squared_p: None,
        statistics: Vec::new(),
        left_out: Vec::new(),
    };
    if let Some(reports) = &table.delay_activity {
        delay_activity(reports, lab, stop, &mut out)?;
    }
    if let Some(regions) = &table.timescales {
        let model = lab.timescales_where_any(stop)?;
        times(regions, &model, lab, &mut out)?;
    }
    if let Some(regions) = &table.latencies {
        let model = lab.latencies(stop)?;
        times(regions, &model, lab, &mut out)?;
    }
    let disagreeing = out.rows.iter().filter(|r| !r.agrees);
    out.disagree = disagreeing.map(|r| r.name.clone()).collect();
    Ok(out)
}

/// A time that was recorded and that of the model, ms.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Region or area.
    pub name: String,
    /// What was recorded.
    pub recorded: f64,
    /// What the model has.
    pub model: f64,
}

/// The times of a table, each beside that of an experiment: means over laboratories and over areas.
///
/// # Errors
/// Reports of delay activity, which are no times; a run that cannot be made, or has no such measure in its
/// `analysis`.
pub fn pairs(table: &Recordings, lab: &mut Lab, stop: &AtomicBool) -> Result<Vec<Pair>, LabError> {
    let (regions, model) = match (&table.timescales, &table.latencies) {
        (Some(regions), _) => (regions, lab.timescales_where_any(stop)?),
        (None, Some(regions)) => (regions, lab.latencies(stop)?),
        (None, None) => {
            let message = "found reports of delay activity, expected timescales or latencies";
            return Err(misfit(message));
        }
    };
    let of = |c: Compared<'_>| Pair {
        name: c.region.to_owned(),
        recorded: c.recorded_ms,
        model: c.model_ms,
    };
    let compared = regions_beside(regions, &model, lab, &mut Vec::new());
    Ok(compared.into_iter().map(of).collect())
}

fn delay_activity(
    reports: &DelayReports,
    lab: &mut Lab,
    stop: &AtomicBool,
    out: &mut Comparison,
) -> Result<(), LabError> {
    let model = lab.delay_activity(stop)?;
    let unit = lab.delay_unit();
    let mut cells = [[0u64; 2]; 2];
    let (mut few, mut none) = (Vec::new(), Vec::new());
    // In the order of the data set, which is that of a hierarchy where it has one.
    for (k, name) in lab.recorded_areas().into_iter().enumerate() {
        let Some(r) = reports.areas.get(name) else {
            none.push(name.to_owned());
            continue;
        };
        let (found, not_found) = (u64::from(r.found), u64::from(r.not_found));
        if found + not_found <= u64::from(reports.well_studied_above) {
            few.push(name.to_owned());
            continue;
        }
        let recorded = found > not_found + u64::from(reports.persistent_above);
        let m = model[k];
        cells[usize::from(recorded)][usize::from(m.persistent)] += 1;
        let word = |persistent| if persistent { "persistent" } else { "–" };
        out.rows.push(Row {
            name: name.to_owned(),
            recorded: format!("{} {}:{}", word(recorded), r.found, r.not_found),
            model: format!("{} {:.2} {unit}", word(m.persistent), m.delay - m.baseline),
            agrees: recorded == m.persistent,
        });
    }
    let missing = (reports.areas.keys()).filter(|name| lab.recorded(name).is_err());
    out.left_out = absent(missing.map(String::as_str), lab);
    if !few.is_empty() {
        out.left_out.push(format!(
            "{}: {} reports or fewer",
            few.join(", "),
            reports.well_studied_above
        ));
    }
    if !none.is_empty() {
        out.left_out.push(format!("{}: no report", none.join(", ")));
    }
    if out.rows.is_empty() {
        return Err(misfit(
            "found no well-studied area among the recorded ones of the experiment",
        ));
    }
    out.columns = [
        "recordings, reports with:without".to_owned(),
        "model, delay above baseline".to_owned(),
    ];
    out.rule = format!(
        "recorded: persistent if reports of delay activity outnumber the others by more than {}; \
         model: as the experiment's `analysis.delay_activity` says",
        reports.persistent_above
    );
    let n = out.rows.len() as f64;
    let agreement = (cells[0][0] + cells[1][1]) as f64;
    out.statistics = vec![
        ("areas that agree".to_owned(), agreement),
        ("areas compared".to_owned(), n),
        ("share that agrees".to_owned(), agreement / n),
        (
            "p of so much agreement if areas are permuted (exact, one-sided)".to_owned(),
            overlap_p(cells),
        ),
    ];
    if let Some(x) = chi_squared(cells) {
        // With one degree of freedom the distribution is that of a squared normal number.
        let p = libm::erfc((x / 2.0).sqrt());
        out.chi_squared_p = Some(p);
        let words = "chi-squared, 1 degree of freedom";
        out.statistics.push((words.to_owned(), x));
        let words = "its p, approximate where few areas are expected in a cell";
        out.statistics.push((words.to_owned(), p));
    }
    Ok(())
}

/// Names that the experiment does not record, as one line.
fn absent<'a>(names: impl Iterator<Item = &'a str>, lab: &Lab) -> Vec<String> {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "{}: not among the recorded areas of {}",
        names.join(", "),
        lab.data_set()
    )]
}

/// Share of all permutations of the areas with at least the agreement of a table
/// `[recorded][model]` of counts. With both margins fixed the agreement grows with the overlap, so
/// the permutations count as in the hypergeometric distribution.
fn overlap_p(cells: [[u64; 2]; 2]) -> f64 {
    let n: u64 = cells.iter().flatten().sum();
    let recorded = cells[1][0] + cells[1][1];
    let model = cells[0][1] + cells[1][1];
    let least = (recorded + model).saturating_sub(n);
    let ways = |both: u64| choose(recorded, both) * choose(n - recorded, model - both);
    let all: f64 = (least..=recorded.min(model)).map(ways).sum();
    let reached: f64 = (cells[1][1]..=recorded.min(model)).map(ways).sum();
    reached / all
}

/// Binomial coefficient.
fn choose(n: u64, k: u64) -> f64 {
    (0..k).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64)
}

/// Pearson's chi-squared of a two-by-two table, without continuity correction; none if a margin is 0.
fn chi_squared(cells: [[u64; 2]; 2]) -> Option<f64> {
    let c = cells.map(|row| row.map(|x| x as f64));
    let rows = c.map(|row| row[0] + row[1]);
    let columns = [c[0][0] + c[1][0], c[0][1] + c[1][1]];
    let margins = rows[0] * rows[1] * columns[0] * columns[1];
    let n = rows[0] + rows[1];
    (margins > 0.0).then(|| n * (c[0][0] * c[1][1] - c[0][1] * c[1][0]).powi(2) / margins)
}

/// A region that both sides have.
struct Compared<'a> {
    region: &'a str,
    recorded_ms: f64,
    /// How many laboratories that is the mean of.
    laboratories: usize,
    model_ms: f64,
    /// Whose mean the model's time is.
    areas: Vec<&'a str>,
}

/// What was recorded of the regions, each with the model's mean over the areas that stand for it; what cannot be
/// compared is said in `left_out`.
fn regions_beside<'a>(
    regions: &'a Regions,
    model: &[Option<f64>],
    lab: &Lab,
    left_out: &mut Vec<String>,
) -> Vec<Compared<'a>> {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let mut compared: Vec<Compared<'a>> = Vec::new();
    for (region, areas) in &regions.areas {
        // Of one laboratory first: several values of one do not count for more.
        let mut laboratories: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for value in regions.values.iter().filter(|v| v.region == *region) {
            laboratories
                .entry(&value.laboratory)
                .or_default()
                .push(value.ms);
        }
        if laboratories.is_empty() {
            continue;
        }
        let recorded: Vec<f64> = laboratories.values().map(|x| mean(x)).collect();
        let (mut present, mut values) = (Vec::new(), Vec::new());
        for area in areas {
            match lab.recorded(area).ok() {
                None => left_out.push(format!(
                    "{region}: {area} is not among the recorded areas of {}",
                    lab.data_set()
                )),
                Some(k) => match model[k] {
                    None => left_out.push(format!("{region}: no value of {area} in the model")),
                    Some(value) => {
                        present.push(area.as_str());
                        values.push(value);
                    }
                },
            }
        }
        if areas.is_empty() {
            left_out.push(format!("{region}: no area stands for it"));
        }
        if values.is_empty() {
            continue;
        }
        compared.push(Compared {
            region,
            recorded_ms: mean(&recorded),
            laboratories: recorded.len(),
            model_ms: mean(&values),
            areas: present,
        });
    }
    compared
}

/// Compares times by their order.
fn times(
    regions: &Regions,
    model: &[Option<f64>],
    lab: &Lab,
    out: &mut Comparison,
) -> Result<(), LabError> {
    let mut compared = regions_beside(regions, model, lab, &mut out.left_out);
    // Fewer have no order worth a test: even a perfect one of three has p = 1/6.
    if compared.len() < 3 {
        return Err(misfit(format!(
            "found {} regions in common with the experiment, expected 3 or more",
            compared.len()
        )));
    }
    compared.sort_by(|a, b| a.recorded_ms.total_cmp(&b.recorded_ms));
    let recorded: Vec<f64> = compared.iter().map(|c| c.recorded_ms).collect();
    let found: Vec<f64> = compared.iter().map(|c| c.model_ms).collect();
    let (recorded_ranks, model_ranks) = (stats::ranks(&recorded), stats::ranks(&found));
    for (c, (recorded_rank, model_rank)) in
        compared.iter().zip(recorded_ranks.iter().zip(&model_ranks))
    {
        let several = match c.laboratories {
            1 => String::new(),
            n => format!(", {n} laboratories"),
        };
        let areas = c.areas.join(", ");
        out.rows.push(Row {
            name: c.region.to_owned(),
            recorded: format!("{recorded_rank}. ({:.0} ms{several})", c.recorded_ms),
            model: format!("{model_rank}. ({:.1} ms, {areas})", c.model_ms),
            agrees: (recorded_rank - model_rank).abs() < MOST_PLACES,
        });
    }
    out.columns = [
        "place in recordings".to_owned(),
        "place in the model".to_owned(),
    ];
    out.rule = "a region disagrees where its ranks differ by two places or more".to_owned();
    let rho = stats::spearman(&recorded, &found)?;
    out.statistics = vec![
        ("Spearman's rank correlation".to_owned(), rho),
        ("regions compared".to_owned(), recorded.len() as f64),
        (
            match recorded.len() <= MOST_EXACT {
                true => "its p over all permutations of the regions (one-sided)",
                false => "its p over 99999 random permutations of the regions (one-sided)",
            }
            .to_owned(),
            rank_p(&recorded_ranks, &model_ranks),
        ),
    ];
    let value_of = |region: &str| {
        let c = compared.iter().find(|c| c.region == region);
        c.map(|c| c.model_ms)
    };
    let (mut alike, mut pairs) = (0u32, 0u32);
    for (i, a) in regions.values.iter().enumerate() {
        for b in &regions.values[..i] {
            let (Some(x), Some(y)) = (value_of(&a.region), value_of(&b.region)) else {
                continue;
            };
            let together = a.laboratory == b.laboratory && !a.laboratory.is_empty();
            if !together || a.region == b.region || a.ms == b.ms {
                continue;
            }
            pairs += 1;
            alike += u32::from((a.ms < b.ms) == (x < y) && x != y);
        }
    }
    if pairs > 0 {
        let words = "pairs of regions of one laboratory that the model orders alike";
        out.statistics.push((words.to_owned(), f64::from(alike)));
        out.statistics
            .push(("such pairs".to_owned(), f64::from(pairs)));
    }
    Ok(())
}

/// Ranks that differ by so much disagree.
const MOST_PLACES: f64 = 2.0;
/// Up to so many regions all permutations are gone through: 9! is 362,880.
const MOST_EXACT: usize = 9;
/// Random permutations of more.
const DRAWS: u32 = 99_999;
/// Seed of them: a verdict must not depend on when it is made.
const SEED: u64 = 1;

/// One-sided p of a rank correlation: the share of permutations that reach it.
fn rank_p(x: &[f64], y: &[f64]) -> f64 {
    // With the ranks given, the correlation grows with the sum of products.
    let product = |order: &[usize]| -> f64 { x.iter().zip(order).map(|(a, &k)| a * y[k]).sum() };
    let mut order: Vec<usize> = (0..x.len()).collect();
    // Sums in another order differ by round-off; equal ones must count as equal.
    let observed = product(&order) * (1.0 - 1e-12);
    if x.len() <= MOST_EXACT {
        let (mut reached, mut all) = (0u32, 0u32);
        permutations(&mut order, 0, &mut |order| {
            all += 1;
            reached += u32::from(product(order) >= observed);
        });
        return f64::from(reached) / f64::from(all);
    }
    let site = Site::new("permutations", "", "");
    let n = x.len() as u32;
    let mut reached = 1;
    for draw in 0..DRAWS {
        for k in (1..n).rev() {
            let other = below(SEED, draw * n + k, site, u64::from(k) + 1) as usize;
            order.swap(k as usize, other);
        }
        reached += u32::from(product(&order) >= observed);
    }
    f64::from(reached) / f64::from(DRAWS + 1)
}

/// Calls `visit` with every order of `items[from..]`.
fn permutations(items: &mut Vec<usize>, from: usize, visit: &mut impl FnMut(&[usize])) {
    if from == items.len() {
        return visit(items);
    }
    for k in from..items.len() {
        items.swap(from, k);
        permutations(items, from + 1, visit);
        items.swap(from, k);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 12 of 12 recorded areas persistent in a model with 13 of 19: 7 of the C(19, 13) = 27132
    /// choices do as well.
    #[test]
    fn permutations_of_areas_are_counted() {
        let p = overlap_p([[6, 1], [0, 12]]);
        assert!((p - 7.0 / 27_132.0).abs() < 1e-15, "{p}");
        // A model without any persistent area agrees as well as all its permutations.
        assert_eq!(overlap_p([[7, 0], [12, 0]]), 1.0);
        assert_eq!(overlap_p([[1, 0], [0, 1]]), 0.5);
    }

    /// 19 (6 x 12)^2 / (7 x 12 x 6 x 13).
    #[test]
    fn chi_squared_of_two_by_two() {
        let x = chi_squared([[6, 1], [0, 12]]).unwrap();
        assert!((x - 19.0 * 72.0 * 72.0 / 6552.0).abs() < 1e-12);
        assert_eq!(chi_squared([[7, 0], [12, 0]]), None);
        assert_eq!(chi_squared([[4, 4], [4, 4]]), Some(0.0));
    }

    #[test]
    fn rank_tests_are_exact_for_few_and_close_for_many() {
        assert_eq!(rank_p(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), 1.0 / 6.0);
        assert_eq!(rank_p(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), 1.0);
        // Of four in order with one pair of neighbours exchanged, 4 of 24 do as well.
        assert_eq!(
            rank_p(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 4.0, 3.0]),
            4.0 / 24.0
        );
        // Without any order a half is expected; 12 in order are reached by none of the random ones.
        let up: Vec<f64> = (1..=12).map(f64::from).collect();
        assert_eq!(rank_p(&up, &up), 1.0 / 100_000.0);
        let mixed = [
            6.0, 12.0, 1.0, 8.0, 3.0, 10.0, 9.0, 4.0, 7.0, 2.0, 11.0, 5.0,
        ];
        let rho = stats::spearman(&up, &mixed).unwrap();
        let p = rank_p(&up, &mixed);
        assert!(rho.abs() < 0.1 && (p - 0.5).abs() < 0.15, "{rho} {p}");
    }

    const TABLE: &str = "title: t\npaper: p\nsource: s\n";

    #[test]
    fn faulty_tables_are_refused_with_their_place() {
        let wrong = |more: &str| {
            load_recordings("mine.yaml", &format!("{TABLE}{more}"))
                .unwrap_err()
                .to_string()
        };
        assert!(wrong("").contains("no recordings"));
        let times = "latencies: {areas: {V1: [V1]}, values: [{region: V2, ms: 40}]}";
        assert!(wrong(times).contains("region without areas: found `V2`"));
        let times = "latencies: {areas: {V1: [V1]}, values: [{region: V1, ms: 0}]}";
        assert!(wrong(times).contains("expected a time above 0"));
        let both = "latencies: {areas: {}, values: []}\ntimescales: {areas: {}, values: []}";
        assert!(wrong(both).contains("timescales and latencies"));
        assert!(wrong("delay: 3").contains("delay"));
    }

    #[test]
    fn bundled_tables_can_be_read_and_name_experiments_that_exist() {
        for (name, text) in bundled_recordings() {
            let table = load_recordings(name, text).unwrap();
            let experiment = table.experiment.as_deref().unwrap();
            let built = Lab::new(experiment, &table.set, None, 1);
            assert!(built.is_ok(), "{name}: {}", built.err().unwrap());
        }
    }
}
