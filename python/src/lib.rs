//! The compiled part of the Python package: arrays in and out, nothing else. Whatever is computed is
//! computed by the library; `isocortex/*.py` gives it names, types and defaults.

mod analysis;
mod connectome;
mod experiments;
mod results;
mod watch;

use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

create_exception!(
    isocortex,
    IsocortexError,
    PyValueError,
    "What the program would end with: what is wrong, found, expected, where."
);

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("IsocortexError", py.get_type::<IsocortexError>())?;
    module.add("VERSION", isocortex::VERSION)?;
    module.add("COMMIT", isocortex::COMMIT)?;
    experiments::register(module)?;
    results::register(module)?;
    connectome::register(module)?;
    analysis::register(module)
}
