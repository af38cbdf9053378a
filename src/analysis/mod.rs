//! Pure functions from arrays to measures: no files, no clock, no random numbers.
//!
//! | module | measures |
//! |---|---|
//! | [`timescale`] | autocorrelation, single/double exponential fit, decay after a pulse |
//! | [`fc`] | functional connectivity (Pearson) from a series or from a covariance |
//! | [`fcd`] | how functional connectivity changes in time, distance of distributions |
//! | [`modes`] | eigenvalues and eigenvectors of a Jacobian, localisation of modes |
//! | [`lyapunov`] | stationary covariance and exact autocorrelation of a linear noisy system |
//! | [`stats`] | mean, SD, Pearson, Spearman, straight line, vectors out of matrices |
//! | [`peaks`] | the peak of a response above its baseline |
//! | [`response`] | the latency of a response |
//! | [`bold`] | the BOLD signal that activity would evoke |
//! | [`cycle`] | the frequency of an oscillation |
//! | [`spectrum`] | power spectral density |
//!
//! Series are `[time, area]`, matrices are row = target, column = source, times are in ms.

use thiserror::Error;

mod acf;
pub mod bold;
pub mod cycle;
pub mod fc;
pub mod fcd;
mod linalg;
pub mod lyapunov;
pub mod modes;
pub mod peaks;
pub mod response;
pub mod spectrum;
pub mod stats;
pub mod timescale;

/// Why a measure could not be taken.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum AnalysisError {
    /// Not enough samples, points or areas.
    #[error("too few values: found {found}, expected at least {expected} ({what})")]
    TooFew {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The smallest number that works.
        expected: usize,
    },
    /// Two inputs that must have the same length do not.
    #[error("lengths differ: found {found}, expected {expected} ({what})")]
    Length {
        /// Which input.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it must have.
        expected: usize,
    },
    /// A matrix that must be square is not.
    #[error("matrix is not square: found {rows} rows and {columns} columns ({what})")]
    NotSquare {
        /// Which matrix.
        what: &'static str,
        /// Number of rows.
        rows: usize,
        /// Number of columns.
        columns: usize,
    },
    /// A matrix that must be symmetric is not.
    #[error(
        "matrix is not symmetric: found {upper} at [{row}, {column}], {lower} mirrored ({what})"
    )]
    NotSymmetric {
        /// Which matrix.
        what: &'static str,
        /// Row of the offending entry.
        row: usize,
        /// Column of the offending entry.
        column: usize,
        /// Value at `[row, column]`.
        upper: f64,
        /// Value at `[column, row]`.
        lower: f64,
    },
    /// An index points outside.
    #[error("index out of range: found {found}, expected below {size} ({what})")]
    Index {
        /// Which index.
        what: &'static str,
        /// The index given.
        found: usize,
        /// Number of items.
        size: usize,
    },
    /// NaN or infinity in the input.
    #[error("value is not finite: found {value} at position {index} ({what})")]
    NotFinite {
        /// Which input.
        what: &'static str,
        /// Position, row-major for a matrix.
        index: usize,
        /// The value.
        value: f64,
    },
    /// A number outside the range in which it means something.
    #[error("value out of range: found {value}, expected {expected} ({what})")]
    Range {
        /// Which number.
        what: &'static str,
        /// The value given.
        value: f64,
        /// The allowed range in words.
        expected: &'static str,
    },
    /// A series or an area does not vary, so that nothing can be divided by its SD.
    #[error(
        "no variance: found a constant series at index {index}, expected one that varies ({what})"
    )]
    Constant {
        /// Which input.
        what: &'static str,
        /// Index of the series or area.
        index: usize,
    },
    /// Lags (or other abscissae) must rise from zero.
    #[error(
        "lags do not rise: found {value} ms at position {index}, expected more than {previous} ms"
    )]
    LagOrder {
        /// Position of the first offender.
        index: usize,
        /// Its value \[ms\].
        value: f64,
        /// The value it must exceed \[ms\].
        previous: f64,
    },
    /// The Jacobian has a mode that does not decay, so there is no stationary state.
    #[error(
        "system is unstable: found eigenvalue {re} + {im}i per ms, expected a negative real part: its baseline cannot last. Weaker projections (`projections.NAME.to`) may be what it \
         needs, or a gradient brought to 0..1 (`gradients.NAME.normalise: min_max`); to run it as it is, leave out this analysis"
    )]
    Unstable {
        /// Real part of the worst eigenvalue [1/ms].
        re: f64,
        /// Its imaginary part [1/ms].
        im: f64,
    },
    /// An iteration did not settle, or its answer fails the check.
    #[error(
        "no convergence: found relative residual {residual:e}, expected below {expected:e} ({what})"
    )]
    NoConvergence {
        /// Which computation.
        what: &'static str,
        /// What was reached.
        residual: f64,
        /// What is demanded.
        expected: f64,
    },
}

/// Refuses NaN and infinities.
pub(crate) fn check_finite<'a>(
    what: &'static str,
    values: impl IntoIterator<Item = &'a f64>,
) -> Result<(), AnalysisError> {
    match values.into_iter().enumerate().find(|(_, v)| !v.is_finite()) {
        Some((index, &value)) => Err(AnalysisError::NotFinite { what, index, value }),
        None => Ok(()),
    }
}
