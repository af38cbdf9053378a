//! Result files as arrays.

use std::path::PathBuf;

use isocortex::cli;
use isocortex::record::{Attr, CoordValues, Dtype, RecordError, Results};
use ndarray::ArrayD;
use numpy::ToPyArray;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::watch::watched;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(load, module)?)?;
    module.add_function(wrap_pyfunction!(report, module)?)
}

/// What stands in a file under one name.
struct Entry<T> {
    name: String,
    dims: Vec<String>,
    values: T,
    attrs: Vec<(String, Attr)>,
}

/// A whole file.
struct Content {
    coords: Vec<Entry<CoordValues>>,
    vars: Vec<Entry<(ArrayD<f64>, Dtype)>>,
    attrs: Vec<(String, Attr)>,
}

fn attrs_of(file: &Results, name: &str) -> Result<Vec<(String, Attr)>, RecordError> {
    let names = file.var_attr_names(name)?;
    let value = |attr: String| Ok((attr.clone(), file.var_attr(name, &attr)?));
    names.into_iter().map(value).collect()
}

fn read(path: PathBuf) -> Result<Content, RecordError> {
    let file = Results::open(path)?;
    let of_dims = file.dims().iter().map(|d| (&d.name, &d.name));
    let of_aux = file.aux().iter().map(|a| (&a.name, &a.dim));
    let mut coords = Vec::new();
    for (name, dim) in of_dims.chain(of_aux) {
        coords.push(Entry {
            name: name.clone(),
            dims: vec![dim.clone()],
            values: file.coord(name)?,
            attrs: attrs_of(&file, name)?,
        });
    }
    let mut vars = Vec::new();
    for var in file.vars() {
        vars.push(Entry {
            name: var.name.clone(),
            dims: var.dims.clone(),
            values: (file.read(&var.name)?, var.dtype),
            attrs: attrs_of(&file, &var.name)?,
        });
    }
    let names = file.attr_names()?;
    let value = |name: String| Ok((name.clone(), file.attr(&name)?));
    let attrs = names.into_iter().map(value).collect::<Result<_, _>>()?;
    Ok(Content {
        coords,
        vars,
        attrs,
    })
}

fn attrs<'py>(py: Python<'py>, all: Vec<(String, Attr)>) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    for (name, value) in all {
        match value {
            Attr::Text(text) => out.set_item(name, text)?,
            Attr::Float(x) => out.set_item(name, x)?,
            Attr::Int(i) => out.set_item(name, i)?,
        }
    }
    Ok(out)
}

/// Reads a result file: coordinates and variables as (name, dimensions, values, attributes), and the
/// attributes of the file. A dimension without coordinates has the value None.
#[pyfunction]
fn load(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    let content = watched(py, None, |_| Ok(read(path)?))?;
    let coords = PyList::empty(py);
    for entry in content.coords {
        let values = match entry.values {
            CoordValues::Index => py.None().into_bound(py),
            CoordValues::Float(x) => x.to_pyarray(py).into_any(),
            CoordValues::Int(x) => x.to_pyarray(py).into_any(),
            CoordValues::Text(x) => x.into_bound_py_any(py)?,
        };
        coords.append((entry.name, entry.dims, values, attrs(py, entry.attrs)?))?;
    }
    let vars = PyList::empty(py);
    for entry in content.vars {
        let values = match entry.values {
            (x, Dtype::F64) => x.to_pyarray(py).into_any(),
            // What was written as f32 comes back as it was.
            (x, Dtype::F32) => x.mapv(|x| x as f32).to_pyarray(py).into_any(),
        };
        vars.append((entry.name, entry.dims, values, attrs(py, entry.attrs)?))?;
    }
    let out = PyDict::new(py);
    out.set_item("coords", coords)?;
    out.set_item("vars", vars)?;
    out.set_item("attrs", attrs(py, content.attrs)?)?;
    Ok(out)
}

/// Writes a result file as one HTML page. Gives what was left out of it.
#[pyfunction]
fn report(
    py: Python<'_>,
    results: PathBuf,
    output: PathBuf,
    replicates: Option<Vec<usize>>,
) -> PyResult<Vec<String>> {
    let written = watched(py, None, |_| {
        cli::write_report(&results, &output, replicates.as_deref())
    })?;
    Ok(written.notes)
}
