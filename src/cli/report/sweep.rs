//! What the page of a sweep shows: quantities by condition and area, and the values that vary.

use ndarray::{ArrayViewD, Axis};
use serde_json::{Map, Value, json};

use super::super::Failure;
use super::super::base64::base64;
use super::contents::{
    Contents, attributes, gradients, hierarchy, lobes, network, significant, tables,
};
use crate::record::{CoordValues, Results, VarInfo};
use crate::sweep::FAILURE;

/// Numbers of all quantities together: in base64 they take 5.4 bytes each.
const NUMBERS: usize = 700_000;
/// Failures whose reasons stand on the page.
const MOST_FAILURES: usize = 1000;

/// A quantity of every condition, by area or not: means over replicates and their standard deviation.
struct Quantity {
    name: String,
    doc: String,
    units: String,
    by_area: bool,
    /// `[condition][area]`, or `[condition]`.
    mean: Vec<f64>,
    /// The same; none without replicates.
    sd: Option<Vec<f64>>,
}

/// Gathers the contents of a page.
///
/// # Errors
/// If the file holds nothing by condition, or cannot be read.
pub(super) fn contents(file: &Results) -> Result<Contents, Failure> {
    let path = file.path().display();
    let mut notes = Vec::new();
    let conditions = file.dim_len("condition")?;
    let areas = file.coord_text("area")?;
    let paths = paths(file)?;
    if paths.is_empty() {
        return Err(format!(
            "{path}: found no values along the dimension `condition`, expected those that the sweep varied"
        )
        .into());
    }
    let mut left_out = Vec::new();
    let mut found = Vec::new();
    for var in file.vars() {
        if var.dims.first().is_some_and(|d| d == "condition") {
            let of_var = quantities(file, var)?;
            if of_var.is_empty() {
                left_out.push(var.name.as_str());
            }
            found.extend(of_var);
        }
    }
    found.retain(|q| q.mean.iter().any(|x| x.is_finite()));
    if found.is_empty() {
        return Err(format!(
            "{path}: found no finished condition, expected numbers along the dimension `condition`"
        )
        .into());
    }
    if !left_out.is_empty() {
        notes.push(format!(
            "Not on this page, but in the file: {}.",
            left_out.join(", ")
        ));
    }
    let empty = (0..conditions)
        .filter(|&c| {
            found
                .iter()
                .all(|q| !q.of(c, areas.len()).any(f64::is_finite))
        })
        .count();
    let failures = failures(file)?;
    if empty > 0 {
        notes.push(format!(
            "{empty} of {conditions} conditions have no result{}.",
            if failures.is_empty() {
                ""
            } else {
                "; the table of conditions says why"
            }
        ));
    }
    fit(&mut found, areas.len(), &mut notes);
    let network = network(file, &mut notes)?;
    let network = network.as_ref();
    let title = file.attr_text("title")?;
    let summary = format!(
        "{conditions} conditions, {} values that vary, {} quantities of {} areas",
        paths.len(),
        found.len(),
        areas.len()
    );
    let json = json!({
        "file": file.path().file_name().map(|n| n.to_string_lossy()),
        "title": title,
        "made_by": format!("isocortex {}, commit {}", crate::record::VERSION, crate::record::COMMIT),
        "attributes": shown_attributes(file)?,
        "data": network.map_or(Value::Null, |n| tables(&n.network)),
        "areas": areas,
        "gradients": gradients(file)?,
        "lobes": lobes(file)?,
        "hierarchy": hierarchy(file, network.map(|n| &n.spec))?,
        "conditions": conditions,
        "replicates": file.dim_len("replicate").unwrap_or(1),
        "paths": paths,
        "quantities": found.iter().map(Quantity::json).collect::<Vec<_>>(),
        "failures": failures,
        "notes": notes,
        // What the page of a run would show.
        "time": [], "variables": [], "series": [], "measures": [], "matrices": [],
    });
    Ok(Contents {
        title,
        json,
        notes,
        summary,
    })
}

impl Quantity {
    /// Numbers of a condition.
    fn of(&self, condition: usize, areas: usize) -> impl Iterator<Item = f64> {
        let width = if self.by_area { areas } else { 1 };
        self.mean[condition * width..][..width].iter().copied()
    }

    fn numbers(&self) -> usize {
        self.mean.len() + self.sd.as_ref().map_or(0, Vec::len)
    }

    /// The same without areas: the mean over those that have a value.
    fn over_areas(&mut self, areas: usize) {
        self.mean = self
            .mean
            .chunks_exact(areas)
            .map(|of| moments(of.iter().copied()).0)
            .collect();
        self.sd = None;
        self.by_area = false;
        self.doc += ", mean over areas";
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "doc": self.doc,
            "units": self.units,
            "by": if self.by_area { "area" } else { "condition" },
            "mean": packed(&self.mean),
            "sd": self.sd.as_ref().map(|sd| packed(sd)),
        })
    }
}

/// Numbers as little-endian float32 in base64.
fn packed(x: &[f64]) -> String {
    let bytes: Vec<u8> = x.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect();
    base64(&bytes)
}

/// Mean and standard deviation (n - 1) of what is finite.
fn moments(x: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let there = x.filter(|x| x.is_finite());
    let n = there.clone().count() as f64;
    let mean = there.clone().sum::<f64>() / n;
    let squares: f64 = there.map(|x| (x - mean).powi(2)).sum();
    (
        mean,
        if n > 1.0 {
            (squares / (n - 1.0)).sqrt()
        } else {
            f64::NAN
        },
    )
}

/// What varies: a value for each condition.
fn paths(file: &Results) -> Result<Vec<Value>, Failure> {
    let mut out = Vec::new();
    for aux in file.aux().iter().filter(|a| a.dim == "condition") {
        if aux.name == FAILURE {
            continue;
        }
        let values = match file.coord(&aux.name)? {
            CoordValues::Text(texts) => json!(texts),
            CoordValues::Float(x) => x.iter().map(|&x| significant(x, 9)).collect(),
            CoordValues::Int(x) => json!(x),
            CoordValues::Index => continue,
        };
        out.push(json!({
            "name": aux.name,
            "units": file.var_attr_text(&aux.name, "units").unwrap_or_default(),
            "values": values,
        }));
    }
    Ok(out)
}

/// Conditions without a result, and why.
fn failures(file: &Results) -> Result<Vec<(usize, String)>, Failure> {
    let is = |a: &crate::record::AuxInfo| a.name == FAILURE && a.dim == "condition" && a.is_text;
    if !file.aux().iter().any(is) {
        return Ok(Vec::new());
    }
    let texts = file.coord_text(FAILURE)?;
    let failed = texts.into_iter().enumerate().filter(|(_, t)| !t.is_empty());
    Ok(failed.take(MOST_FAILURES).collect())
}

/// The attributes without the list of all points, which the values by condition say.
fn shown_attributes(file: &Results) -> Result<Map<String, Value>, Failure> {
    let mut all = attributes(file)?;
    all.remove("sweep");
    Ok(all)
}

/// Quantities of a variable along `condition`: one for each population; none of what is along time or other
/// dimensions.
fn quantities(file: &Results, var: &VarInfo) -> Result<Vec<Quantity>, Failure> {
    let dims: Vec<&str> = var.dims[1..].iter().map(String::as_str).collect();
    let (replicates, by_area, populations) = match dims[..] {
        [] => (false, false, false),
        ["replicate"] => (true, false, false),
        ["area"] => (false, true, false),
        ["area", "population"] => (false, true, true),
        ["replicate", "area"] => (true, true, false),
        ["replicate", "area", "population"] => (true, true, true),
        _ => return Ok(Vec::new()),
    };
    let values = file.read(&var.name)?;
    let quantity = |name: String, doc: String, values: ArrayViewD<'_, f64>| {
        let over = |values: &ArrayViewD<'_, f64>| -> (Vec<f64>, Vec<f64>) {
            let lanes = values.lanes(Axis(1));
            lanes
                .into_iter()
                .map(|of| moments(of.iter().copied()))
                .unzip()
        };
        let (mean, sd) = match replicates {
            false => (values.iter().copied().collect(), None),
            true => {
                let several = values.len_of(Axis(1)) > 1;
                let (mean, sd) = over(&values);
                (mean, several.then_some(sd))
            }
        };
        Quantity {
            name,
            doc,
            units: var.units.clone(),
            by_area,
            mean,
            sd,
        }
    };
    if !populations {
        let (name, doc) = (var.name.clone(), var.long_name.clone());
        return Ok(vec![quantity(name, doc, values.view())]);
    }
    let last = Axis(values.ndim() - 1);
    let of_population = |(p, population): (usize, &String)| {
        quantity(
            format!("{}_{population}", var.name),
            format!("{}, population {population}", var.long_name),
            values.index_axis(last, p),
        )
    };
    Ok(file
        .coord_text("population")?
        .iter()
        .enumerate()
        .map(of_population)
        .collect())
}

/// Leaves out what would make the page larger than a mail takes: standard deviations first, then areas, then
/// quantities.
fn fit(found: &mut Vec<Quantity>, areas: usize, notes: &mut Vec<String>) {
    let all = |found: &[Quantity]| found.iter().map(Quantity::numbers).sum::<usize>();
    if all(found) <= NUMBERS {
        return;
    }
    if found.iter().any(|q| q.sd.is_some()) {
        found.iter_mut().for_each(|q| q.sd = None);
        notes.push(
            "Standard deviations over replicates are left out, to keep the page small.".to_owned(),
        );
    }
    let mut meant = Vec::new();
    let mut used = 0;
    for q in found.iter_mut() {
        if q.by_area && used + q.numbers() > NUMBERS {
            q.over_areas(areas);
            meant.push(q.name.clone());
        }
        used += q.numbers();
    }
    if !meant.is_empty() {
        notes.push(format!(
            "Means over areas, to keep the page small: {}.",
            meant.join(", ")
        ));
    }
    let mut used = 0;
    let before = found.len();
    found.retain(|q| {
        used += q.numbers();
        used <= NUMBERS
    });
    if found.len() < before {
        notes.push(format!(
            "{} of {before} quantities are shown, to keep the page small.",
            found.len()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(name: &str, conditions: usize, areas: usize, sd: bool) -> Quantity {
        let mean: Vec<f64> = (0..conditions * areas).map(|k| k as f64).collect();
        Quantity {
            name: name.to_owned(),
            doc: String::new(),
            units: String::new(),
            by_area: areas > 1,
            sd: sd.then(|| mean.clone()),
            mean,
        }
    }

    #[test]
    fn moments_are_of_what_is_finite() {
        let (mean, sd) = moments([1.0, f64::NAN, 3.0].into_iter());
        assert_eq!((mean, sd), (2.0, 2.0_f64.sqrt()));
        let (mean, sd) = moments([f64::NAN].into_iter());
        assert!(mean.is_nan() && sd.is_nan());
    }

    #[test]
    fn pages_stay_small_by_leaving_out_deviations_then_areas_then_quantities() {
        let fitted = |mut found: Vec<Quantity>, areas| {
            let mut notes = Vec::new();
            fit(&mut found, areas, &mut notes);
            let left: Vec<String> = found
                .iter()
                .map(|q| {
                    format!(
                        "{}{}{}",
                        q.name,
                        if q.by_area { "*" } else { "" },
                        if q.sd.is_some() { "±" } else { "" }
                    )
                })
                .collect();
            (left.join(" "), notes.len())
        };
        let of = |conditions, areas| {
            vec![
                quantity("a", conditions, areas, true),
                quantity("b", conditions, areas, true),
            ]
        };
        assert_eq!(fitted(of(1000, 100), 100), ("a*± b*±".to_owned(), 0));
        assert_eq!(fitted(of(3000, 100), 100), ("a* b*".to_owned(), 1));
        assert_eq!(fitted(of(5000, 100), 100), ("a* b".to_owned(), 2));
        assert_eq!(fitted(of(400_000, 2), 2), ("a".to_owned(), 3));
        let mut one = quantity("a", 2, 2, false);
        one.over_areas(2);
        assert_eq!(one.mean, [0.5, 2.5]);
    }
}
