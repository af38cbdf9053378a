//! Dense linear algebra shared by [`super::modes`] and [`super::lyapunov`].

use faer::{Mat, linalg::solvers::Solve};
use ndarray::{Array2, ArrayView2};

use super::{AnalysisError, check_finite};

/// Refuses a matrix that is not square or has no rows.
pub(crate) fn check_square(what: &'static str, m: ArrayView2<f64>) -> Result<(), AnalysisError> {
    let (rows, columns) = m.dim();
    if rows != columns {
        return Err(AnalysisError::NotSquare {
            what,
            rows,
            columns,
        });
    }
    if rows == 0 {
        return Err(AnalysisError::TooFew {
            what,
            found: 0,
            expected: 1,
        });
    }
    Ok(())
}

/// Refuses NaN and infinities; the position is counted row by row.
pub(crate) fn check_finite_matrix(
    what: &'static str,
    m: ArrayView2<f64>,
) -> Result<(), AnalysisError> {
    check_finite(what, m.iter())
}

/// Refuses a square matrix that differs from its transpose by more than rounding.
pub(crate) fn check_symmetric(what: &'static str, m: ArrayView2<f64>) -> Result<(), AnalysisError> {
    let tolerance = 1e-10 * max_abs(m);
    for ((row, column), &upper) in m.indexed_iter() {
        let lower = m[[column, row]];
        if row < column && (upper - lower).abs() > tolerance {
            return Err(AnalysisError::NotSymmetric {
                what,
                row,
                column,
                upper,
                lower,
            });
        }
    }
    Ok(())
}

/// Largest magnitude of the entries.
pub(crate) fn max_abs(m: ArrayView2<f64>) -> f64 {
    m.iter().fold(0.0, |a, v| a.max(v.abs()))
}

/// Largest column sum of magnitudes.
pub(crate) fn norm_1(m: ArrayView2<f64>) -> f64 {
    m.columns()
        .into_iter()
        .map(|c| c.iter().map(|v| v.abs()).sum())
        .fold(0.0, f64::max)
}

/// The same matrix for faer.
pub(crate) fn to_faer(m: ArrayView2<f64>) -> Mat<f64> {
    Mat::from_fn(m.nrows(), m.ncols(), |i, j| m[[i, j]])
}

/// X of A X = B by LU with partial pivoting. A singular A gives entries that are not finite, which
/// the callers check.
pub(crate) fn solve(a: ArrayView2<f64>, b: ArrayView2<f64>) -> Array2<f64> {
    let x = to_faer(a).partial_piv_lu().solve(to_faer(b));
    Array2::from_shape_fn(b.dim(), |(i, j)| x[(i, j)])
}

/// e^A by scaling and squaring with the [13/13] Padé approximant (Higham 2005, SIAM J Matrix Anal
/// Appl 26:1179, algorithm 2.3). `a` is square and finite.
pub(crate) fn expm(a: ArrayView2<f64>) -> Array2<f64> {
    /// Below this 1-norm the approximant is exact to double precision.
    const THETA: f64 = 5.371_920_351_148_152;
    let n = a.nrows();
    // Numerator coefficients by their recurrence c_k = c_{k-1} (14 - k) / (k (27 - k)).
    let mut c = [1.0; 14];
    for k in 1..14 {
        c[k] = c[k - 1] * (14 - k) as f64 / (k * (27 - k)) as f64;
    }
    let norm = norm_1(a);
    let squarings = if norm > THETA {
        (norm / THETA).log2().ceil() as i32
    } else {
        0
    };
    let a = a.mapv(|v| v * 0.5f64.powi(squarings));
    let one = Array2::<f64>::eye(n);
    let a2 = a.dot(&a);
    let a4 = a2.dot(&a2);
    let a6 = a4.dot(&a2);
    let part = |high: [f64; 3], low: [f64; 4]| {
        a6.dot(&(&a6 * high[2] + &a4 * high[1] + &a2 * high[0]))
            + &a6 * low[3]
            + &a4 * low[2]
            + &a2 * low[1]
            + &one * low[0]
    };
    let odd = a.dot(&part([c[9], c[11], c[13]], [c[1], c[3], c[5], c[7]]));
    let even = part([c[8], c[10], c[12]], [c[0], c[2], c[4], c[6]]);
    let mut e = solve((&even - &odd).view(), (&even + &odd).view());
    for _ in 0..squarings {
        e = e.dot(&e);
    }
    e
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn exponential_of_a_jordan_block() {
        // exp([[a, 1], [0, a]] t) = e^{at} [[1, t], [0, 1]]: no basis of eigenvectors.
        for t in [1e-3, 1.0, 40.0] {
            let e = expm(array![[-0.3 * t, t], [0.0, -0.3 * t]].view());
            let f = (-0.3 * t).exp();
            assert!((e[[0, 0]] / f - 1.0).abs() < 1e-12);
            assert!((e[[0, 1]] / (f * t) - 1.0).abs() < 1e-12);
            assert_eq!(e[[1, 0]], 0.0);
        }
    }

    #[test]
    fn exponential_of_a_rotation() {
        let e = expm(array![[0.0, -7.0], [7.0, 0.0]].view());
        assert!((e[[0, 0]] - 7f64.cos()).abs() < 1e-13);
        assert!((e[[1, 0]] - 7f64.sin()).abs() < 1e-13);
    }

    #[test]
    fn solves_with_pivoting() {
        let x = solve(
            array![[0.0, 2.0], [1.0, 1.0]].view(),
            array![[4.0], [5.0]].view(),
        );
        assert_eq!(x, array![[3.0], [2.0]]);
    }
}
