//! Connectomes as arrays, read and checked by the library.

use std::path::PathBuf;

use isocortex::cli::{Format, export_as};
use isocortex::connectome::import::{Merge, read_counts, read_tvb};
use isocortex::connectome::{self, Connectome, Source, WeightKind};
use ndarray::Array2;
use numpy::{PyArray2, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::watch::{raised, watched};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(load_connectome, module)?)?;
    module.add_function(wrap_pyfunction!(import_tables, module)?)?;
    module.add_function(wrap_pyfunction!(export, module)?)
}

/// A sparse matrix with `absent` where it has no entry.
fn dense<'py>(
    py: Python<'py>,
    matrix: &sprs::CsMat<f64>,
    absent: f64,
) -> Bound<'py, PyArray2<f64>> {
    let mut out = Array2::from_elem((matrix.rows(), matrix.cols()), absent);
    for (&value, (i, j)) in matrix {
        out[[i, j]] = value;
    }
    out.to_pyarray(py)
}

fn kind(weights: WeightKind) -> &'static str {
    match weights {
        WeightKind::Fln => "fln",
        WeightKind::Strength => "strength",
        WeightKind::Signed => "weight",
    }
}

/// Reads the files of others: `tvb`, or counts of neurons, merged by `mean` or `sum`.
#[pyfunction]
fn import_tables(py: Python<'_>, path: PathBuf, of: String) -> PyResult<Bound<'_, PyDict>> {
    let tables = watched(py, None, |_| {
        Ok(match of.as_str() {
            "tvb" => read_tvb(&path)?,
            "mean" => read_counts(&path, Merge::MeanFln)?,
            "sum" => read_counts(&path, Merge::SumNeurons)?,
            other => return Err(format!("merge: found `{other}`, expected mean or sum").into()),
        })
    })?;
    let out = PyDict::new(py);
    out.set_item("areas", &tables.areas)?;
    out.set_item("kind", kind(tables.kind))?;
    out.set_item("weights", tables.weights.to_pyarray(py))?;
    out.set_item("sln", tables.sln.map(|m| m.to_pyarray(py)))?;
    out.set_item("distance_mm", tables.distance_mm.map(|m| m.to_pyarray(py)))?;
    // Words, such as lobes, are no gradients.
    let numbers = tables.columns.iter().filter_map(|column| {
        let values = column.values.iter().map(|v| v.parse::<f64>());
        Some((&column.name, values.collect::<Result<Vec<f64>, _>>().ok()?))
    });
    let gradients: Vec<(&String, Vec<f64>)> = numbers.collect();
    out.set_item("gradients", gradients)?;
    out.set_item("made", &tables.made)?;
    out.set_item("remarks", &tables.remarks)?;
    Ok(out)
}

/// Reads a bundled data set or a folder and makes all the checks that a run would make.
#[pyfunction]
fn load_connectome(py: Python<'_>, source: String) -> PyResult<Bound<'_, PyDict>> {
    let found: Connectome = watched(py, None, |_| {
        Ok(connectome::load(&Source::parse(&source)?)?)
    })?;
    let out = PyDict::new(py);
    out.set_item("name", &found.name)?;
    let names: Vec<&str> = found.area_names().collect();
    out.set_item("areas", names)?;
    out.set_item("kind", kind(found.weights))?;
    out.set_item("weights", dense(py, &found.fln, 0.0))?;
    let sln = found.sln.as_ref().map(|sln| dense(py, sln, f64::NAN));
    out.set_item("sln", sln)?;
    let table = |x: &Option<Array2<f64>>| x.as_ref().map(|x| x.to_pyarray(py));
    out.set_item("distance_mm", table(&found.distance_mm))?;
    out.set_item("delay_ms", table(&found.delay_ms))?;
    let gradients = PyList::empty(py);
    for g in &found.gradients {
        let values = g.values.to_pyarray(py);
        let estimated = g.estimated.as_ref().map(|e| e.to_pyarray(py));
        gradients.append((&g.name, values, &g.unit, &g.description, estimated))?;
    }
    out.set_item("gradients", gradients)?;
    let lobes: Vec<Option<&str>> = found.areas.iter().map(|a| a.lobe.as_deref()).collect();
    out.set_item("lobes", lobes)?;
    let positions: Vec<Option<[f64; 3]>> = found.areas.iter().map(|a| a.position_mm).collect();
    out.set_item("positions", positions)?;
    let p = &found.provenance;
    out.set_item("title", &p.title)?;
    out.set_item("species", &p.species)?;
    out.set_item("digest", p.digest())?;
    let publications = serde_json::to_string(&p.publications).map_err(|e| raised(&e))?;
    out.set_item("publications", publications)?;
    let terms = serde_json::to_string(&p.terms).map_err(|e| raised(&e))?;
    out.set_item("terms", terms)?;
    let warnings: Vec<String> = p.warnings.iter().map(ToString::to_string).collect();
    out.set_item("warnings", warnings)?;
    out.set_item("spectral_radius", found.spectral_radius())?;
    out.set_item("reciprocity", found.reciprocity())?;
    out.set_item(
        "sln_hierarchy_correlation",
        found.sln_hierarchy_correlation(),
    )?;
    Ok(out)
}

/// Writes a data set for other programs: `csv`, `npz` or `tvb`. Gives what the form wants and the set lacks,
/// and what it leaves out.
#[pyfunction]
fn export(py: Python<'_>, source: String, form: String, output: PathBuf) -> PyResult<Vec<String>> {
    watched(py, None, |_| {
        let form = match form.as_str() {
            "csv" => Format::Csv,
            "npz" => Format::Npz,
            "tvb" => Format::Tvb,
            other => {
                return Err(format!("form: found `{other}`, expected csv, npz or tvb").into());
            }
        };
        export_as(&connectome::load(&Source::parse(&source)?)?, form, &output)
    })
}
