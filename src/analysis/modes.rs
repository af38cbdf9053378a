//! Eigenmodes of a Jacobian: timescales of a linear network and where in it they live.

use faer::linalg::solvers::Eigen;
use ndarray::{Array2, ArrayView1, ArrayView2};

use super::{
    AnalysisError,
    linalg::{check_finite_matrix, check_square, to_faer},
};

/// Eigenvalues and right eigenvectors of a Jacobian, slowest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Modes {
    re: Vec<f64>,
    im: Vec<f64>,
    vectors_re: Array2<f64>,
    vectors_im: Array2<f64>,
}

impl Modes {
    /// Number of modes, which is the number of variables.
    #[must_use]
    pub fn len(&self) -> usize {
        self.re.len()
    }

    /// Always false: a Jacobian without variables is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.re.is_empty()
    }

    /// Real parts of the eigenvalues [1/ms], falling.
    #[must_use]
    pub fn re(&self) -> &[f64] {
        &self.re
    }

    /// Imaginary parts of the eigenvalues [rad/ms]; of a conjugate pair the positive one first.
    #[must_use]
    pub fn im(&self) -> &[f64] {
        &self.im
    }

    /// Real parts of the right eigenvectors, `[variable, mode]`, each vector of Euclidean norm 1.
    #[must_use]
    pub fn vectors_re(&self) -> ArrayView2<'_, f64> {
        self.vectors_re.view()
    }

    /// Imaginary parts of the right eigenvectors, `[variable, mode]`.
    #[must_use]
    pub fn vectors_im(&self) -> ArrayView2<'_, f64> {
        self.vectors_im.view()
    }

    /// Magnitude of each variable in a mode. Error: no such mode.
    pub fn magnitudes(&self, mode: usize) -> Result<Vec<f64>, AnalysisError> {
        let (a, b) = (
            self.column(&self.vectors_re, mode)?,
            self.column(&self.vectors_im, mode)?,
        );
        Ok(a.iter().zip(b).map(|(x, y)| x.hypot(*y)).collect())
    }

    fn column<'a>(
        &self,
        vectors: &'a Array2<f64>,
        mode: usize,
    ) -> Result<ArrayView1<'a, f64>, AnalysisError> {
        if mode >= self.len() {
            return Err(AnalysisError::Index {
                what: "mode",
                found: mode,
                size: self.len(),
            });
        }
        Ok(vectors.column(mode))
    }

    /// Time constants −1/Re λ \[ms\], in the order of the modes. Negative: the mode grows, with that
    /// e-folding time; infinite: it neither grows nor decays. See [`Modes::is_stable`].
    #[must_use]
    pub fn timescales_ms(&self) -> Vec<f64> {
        self.re
            .iter()
            .map(|&r| if r == 0.0 { f64::INFINITY } else { -1.0 / r })
            .collect()
    }

    /// Whether every mode decays.
    #[must_use]
    pub fn is_stable(&self) -> bool {
        self.re.iter().all(|&r| r < 0.0)
    }

    /// How localised a mode is: Σ|v|⁴ over `indices` after Σ|v|² = 1 over the same, so 1 for one
    /// area alone and 1/n when n areas share it equally. Give the variables of one population (the
    /// excitatory ones) to measure localisation over areas. Errors: no such mode or variable, no
    /// indices, a mode that vanishes on all of them.
    pub fn inverse_participation_ratio(
        &self,
        mode: usize,
        indices: &[usize],
    ) -> Result<f64, AnalysisError> {
        let all = self.magnitudes(mode)?;
        if indices.is_empty() {
            return Err(AnalysisError::TooFew {
                what: "variables",
                found: 0,
                expected: 1,
            });
        }
        let (mut second, mut fourth) = (0.0, 0.0);
        for &found in indices {
            let size = all.len();
            let v = all.get(found).ok_or(AnalysisError::Index {
                what: "variable",
                found,
                size,
            })?;
            second += v * v;
            fourth += (v * v) * (v * v);
        }
        if second < f64::EPSILON * f64::EPSILON {
            return Err(AnalysisError::Range {
                what: "weight of the mode on the chosen variables",
                value: second,
                expected: "more than rounding",
            });
        }
        Ok(fourth / (second * second))
    }
}

/// Eigenmodes of `jacobian`, `[variable i, variable j]` = ∂(dx_i/dt)/∂x_j [1/ms], sorted by falling
/// real part. Errors: not square, empty, not finite, no convergence.
pub fn eigenmodes(jacobian: ArrayView2<f64>) -> Result<Modes, AnalysisError> {
    const WHAT: &str = "Jacobian";
    check_square(WHAT, jacobian)?;
    check_finite_matrix(WHAT, jacobian)?;
    let n = jacobian.nrows();
    let eigen = Eigen::new_from_real(to_faer(jacobian).as_ref()).map_err(|_| {
        AnalysisError::NoConvergence {
            what: "eigenvalues",
            residual: f64::NAN,
            expected: 0.0,
        }
    })?;
    let values: Vec<(f64, f64)> = eigen
        .S()
        .column_vector()
        .iter()
        .map(|z| (z.re, z.im))
        .collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| {
        let ((ra, ia), (rb, ib)) = (values[a], values[b]);
        rb.total_cmp(&ra).then(ib.total_cmp(&ia))
    });
    let u = eigen.U();
    let norm: Vec<f64> = (0..n)
        .map(|k| {
            (0..n)
                .map(|i| u[(i, k)].re.powi(2) + u[(i, k)].im.powi(2))
                .sum::<f64>()
                .sqrt()
        })
        .collect();
    let entry = |i: usize, k: usize| (u[(i, order[k])], norm[order[k]]);
    Ok(Modes {
        re: order.iter().map(|&k| values[k].0).collect(),
        im: order.iter().map(|&k| values[k].1).collect(),
        vectors_re: Array2::from_shape_fn((n, n), |(i, k)| entry(i, k).0.re / entry(i, k).1),
        vectors_im: Array2::from_shape_fn((n, n), |(i, k)| entry(i, k).0.im / entry(i, k).1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn two_by_two_with_known_modes() {
        // Eigenvalues -0.1 (vector [1, 1]) and -0.5 (vector [1, -1]).
        let m = eigenmodes(array![[-0.3, 0.2], [0.2, -0.3]].view()).unwrap();
        assert!((m.re()[0] + 0.1).abs() < 1e-15 && (m.re()[1] + 0.5).abs() < 1e-15);
        assert!((m.timescales_ms()[0] - 10.0).abs() < 1e-12);
        assert!(m.is_stable());
        assert!((m.inverse_participation_ratio(0, &[0, 1]).unwrap() - 0.5).abs() < 1e-14);
        assert!((m.inverse_participation_ratio(0, &[1]).unwrap() - 1.0).abs() < 1e-14);
    }

    #[test]
    fn isolated_v1_has_the_published_eigenvalues() {
        // Chaudhuri et al. 2015, printed parameters, an area at the bottom of the hierarchy.
        let j = array![
            [(-1.0 + 0.066 * 24.3) / 20.0, -0.066 * 19.7 / 20.0],
            [0.351 * 12.2 / 10.0, -(1.0 + 0.351 * 12.5) / 10.0]
        ];
        let m = eigenmodes(j.view()).unwrap();
        assert!((m.timescales_ms()[0] - 41.9).abs() < 0.05);
        assert!((m.re()[1] + 0.4847).abs() < 5e-5);
    }

    #[test]
    fn vectors_solve_the_eigenproblem() {
        let j = array![[-0.2, -1.0, 0.3], [0.9, -0.1, 0.0], [0.5, 0.2, -0.7]];
        let m = eigenmodes(j.view()).unwrap();
        assert!(m.im()[0] > 0.0 && m.im()[1] == -m.im()[0]);
        for k in 0..3 {
            let (a, b) = (
                m.vectors_re().column(k).to_owned(),
                m.vectors_im().column(k).to_owned(),
            );
            assert!((a.dot(&a) + b.dot(&b) - 1.0).abs() < 1e-13);
            let real = j.dot(&a) - (&a * m.re()[k] - &b * m.im()[k]);
            let imag = j.dot(&b) - (&b * m.re()[k] + &a * m.im()[k]);
            assert!(real.iter().chain(imag.iter()).all(|v| v.abs() < 1e-13));
        }
    }

    #[test]
    fn a_growing_mode_is_flagged() {
        let m = eigenmodes(array![[0.05, 0.0], [0.0, -1.0]].view()).unwrap();
        assert!(!m.is_stable());
        assert!((m.timescales_ms()[0] + 20.0).abs() < 1e-12);
        assert!(eigenmodes(array![[0.0]].view()).unwrap().timescales_ms()[0].is_infinite());
    }

    #[test]
    fn refuses_bad_input() {
        let two = array![[1.0, 2.0]];
        assert!(matches!(
            eigenmodes(two.view()),
            Err(AnalysisError::NotSquare { .. })
        ));
        let nan = array![[f64::NAN]];
        assert!(matches!(
            eigenmodes(nan.view()),
            Err(AnalysisError::NotFinite { .. })
        ));
        let m = eigenmodes(array![[-1.0]].view()).unwrap();
        assert!(matches!(
            m.inverse_participation_ratio(1, &[0]),
            Err(AnalysisError::Index { .. })
        ));
        assert!(matches!(
            m.inverse_participation_ratio(0, &[4]),
            Err(AnalysisError::Index { .. })
        ));
        assert!(m.inverse_participation_ratio(0, &[]).is_err());
    }
}
