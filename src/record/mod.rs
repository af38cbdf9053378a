//! The result file: netCDF-4-compatible HDF5 with named dimensions, units and provenance.
//!
//! This layer knows dimensions, variables and attributes, not the science. A [`Layout`] says what
//! a file will hold; a [`Writer`] streams blocks into `<name>.partial` and renames it into place
//! when the run is complete; [`Results`] reads a finished or an interrupted file; [`append_vars`]
//! adds analyses to a finished one.
//!
//! The file follows the netCDF-4 conventions on top of HDF5 dimension scales, so that xarray
//! (engines `h5netcdf` and `netcdf4`), h5py, MATLAB `h5read`, Julia and R all see the same names.
//! Only plain types are used: float64, float32, int64 and UTF-8 text.

use std::path::{Path, PathBuf};

mod about;
mod checkpoint;
mod error;
mod h5;
mod heaps;
mod journal;
mod layout;
mod reader;
mod scales;
mod writer;

#[cfg(test)]
mod tests;

pub use about::{About, about, differing};
pub use checkpoint::{Checkpoint, checkpoint_path};
pub use error::RecordError;
pub use journal::{Earlier, Journal, journal_path};
pub use layout::{Attr, Aux, AuxValues, Compression, Coord, Dim, Dtype, Layout, Var};
pub use reader::{AuxInfo, CoordValues, DimInfo, Results, VarInfo};
pub use writer::{Writer, append_vars, is_unfinished, partial_path};

/// Version of the program, as written into every file.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Commit the program was built from, or `unknown`.
pub const COMMIT: &str = env!("ISOCORTEX_COMMIT");

/// The same path with something after its file name.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
