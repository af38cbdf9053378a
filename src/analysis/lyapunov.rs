//! Stationary statistics of a linear system under white noise, without simulating it.
//!
//! For dx = J x dt + B dW with J stable, the stationary covariance solves J C + C Jᵀ + Q = 0 with
//! Q = B Bᵀ, and the lagged covariance is ⟨x(s+t) x(s)ᵀ⟩ = e^{Jt} C for t ≥ 0 (Gardiner, Handbook
//! of Stochastic Methods, section 4.4.6). White noise of SD σ entering the input of a population,
//! τ dν = (…) dt + σ dW, has the intensity Q = (σ/τ)² on that population's diagonal entry.

use ndarray::{Array2, ArrayView2};

use super::{
    AnalysisError, check_finite,
    linalg::{check_finite_matrix, check_square, check_symmetric, expm, max_abs, norm_1, solve},
    modes::eigenmodes,
};

/// Solution of the Lyapunov equation, with its quality.
#[derive(Debug, Clone, PartialEq)]
pub struct Lyapunov {
    /// Stationary covariance, `[variable, variable]`, exactly symmetric.
    pub covariance: Array2<f64>,
    /// Largest entry of J C + C Jᵀ + Q, relative to 2‖J‖₁ max|C| + max|Q|.
    pub relative_residual: f64,
}

/// What the residual must not exceed.
const RESIDUAL_LIMIT: f64 = 1e-10;

/// Solves J C + C Jᵀ + Q = 0.
///
/// Newton's iteration for the matrix sign of the block matrix [[J, −Q], [0, −Jᵀ]] (Roberts 1980,
/// Int J Control 32:677), scaled by norms, then refined on its own residual. It needs no
/// eigenvectors, so a (nearly) defective J is as good as any other.
///
/// * `jacobian` – `[i, j]` = ∂(dx_i/dt)/∂x_j [1/ms], every eigenvalue with a negative real part
/// * `intensity` – Q `[i, j]`, symmetric, diagonal not negative [unit of x squared per ms]
///
/// Errors: shapes, not finite, Q not symmetric, J unstable (names the eigenvalue), residual above
/// 1e-10 (J within rounding of instability).
pub fn covariance(
    jacobian: ArrayView2<f64>,
    intensity: ArrayView2<f64>,
) -> Result<Lyapunov, AnalysisError> {
    const WHAT: &str = "noise intensity";
    check_square(WHAT, intensity)?;
    check_finite_matrix(WHAT, intensity)?;
    check_symmetric(WHAT, intensity)?;
    let modes = eigenmodes(jacobian)?;
    if intensity.nrows() != jacobian.nrows() {
        return Err(AnalysisError::Length {
            what: "rows of the noise intensity",
            found: intensity.nrows(),
            expected: jacobian.nrows(),
        });
    }
    if let Some(&value) = intensity.diag().iter().find(|v| **v < 0.0) {
        return Err(AnalysisError::Range {
            what: WHAT,
            value,
            expected: "0 or more",
        });
    }
    if !modes.is_stable() {
        return Err(AnalysisError::Unstable {
            re: modes.re()[0],
            im: modes.im()[0],
        });
    }
    let mut c = sign_iteration(jacobian, intensity)?;
    let (mut residual, mut quality) = residual(jacobian, intensity, &c);
    for _ in 0..3 {
        if quality < 4.0 * f64::EPSILON {
            break;
        }
        let better = &c + &sign_iteration(jacobian, residual.view())?;
        let (r, q) = self::residual(jacobian, intensity, &better);
        if q.is_nan() || q >= quality {
            break;
        }
        (c, residual, quality) = (better, r, q);
    }
    if quality.is_nan() || quality > RESIDUAL_LIMIT {
        return Err(AnalysisError::NoConvergence {
            what: "Lyapunov equation",
            residual: quality,
            expected: RESIDUAL_LIMIT,
        });
    }
    Ok(Lyapunov {
        covariance: c,
        relative_residual: quality,
    })
}

/// J C + C Jᵀ + Q, exactly symmetric, and its relative size.
fn residual(j: ArrayView2<f64>, q: ArrayView2<f64>, c: &Array2<f64>) -> (Array2<f64>, f64) {
    let jc = j.dot(c);
    let r = &jc + &jc.t() + q;
    let scale = 2.0 * norm_1(j) * max_abs(c.view()) + max_abs(q);
    let quality = if r.iter().any(|v| !v.is_finite()) {
        f64::NAN
    } else if scale == 0.0 {
        0.0
    } else {
        max_abs(r.view()) / scale
    };
    (r, quality)
}

/// The solution to the precision of the iteration; `q` is symmetric but need not be positive.
fn sign_iteration(j: ArrayView2<f64>, q: ArrayView2<f64>) -> Result<Array2<f64>, AnalysisError> {
    const WHAT: &str = "matrix sign iteration";
    /// Quadratic convergence behind norm scaling needs about 15 rounds; stiffness adds a few.
    const ROUNDS: usize = 100;
    let n = j.nrows();
    let one = Array2::<f64>::eye(n);
    let mut a = j.to_owned();
    let mut c = q.to_owned();
    let mut distance = f64::INFINITY;
    for _ in 0..ROUNDS {
        let inverse = solve(a.view(), one.view());
        let scale =
            (norm_1(a.view()) * norm_1(a.t()) / norm_1(inverse.view()) / norm_1(inverse.t()))
                .powf(0.25);
        // Scaling helps far from the goal and would spoil the quadratic end.
        let s = if distance > 1e-2 { scale } else { 1.0 };
        let next = (&a / s + &inverse * s) * 0.5;
        let carried = inverse.dot(&c).dot(&inverse.t());
        c = (&c / s + &carried * s) * 0.5;
        c = (&c + &c.t()) * 0.5;
        let moved = norm_1((&next - &a).view()) / norm_1(next.view());
        a = next;
        distance = norm_1((&a + &one).view());
        if distance.is_nan() {
            break;
        }
        // The error after this round is about the square of the one before it.
        if distance < 1e-12 || (distance < 1e-4 && moved < 1e-9) {
            return Ok(c * 0.5);
        }
    }
    Err(AnalysisError::NoConvergence {
        what: WHAT,
        residual: distance,
        expected: 1e-12,
    })
}

/// Exact autocorrelation of one variable: (e^{Jt} C)_ii / C_ii at each lag, 1 at lag 0.
///
/// * `covariance` – the solution of [`covariance`] for the same J
/// * `index` – the variable
/// * `lags_ms` – lags \[ms\], not negative, rising; evenly spaced ones are much cheaper
///
/// Errors as [`autocorrelations`].
pub fn autocorrelation(
    jacobian: ArrayView2<f64>,
    covariance: ArrayView2<f64>,
    index: usize,
    lags_ms: &[f64],
) -> Result<Vec<f64>, AnalysisError> {
    Ok(autocorrelations(jacobian, covariance, &[index], lags_ms)?
        .into_iter()
        .collect())
}

/// Exact autocorrelations of several variables at once, `[lag, variable in the order of indices]`.
/// Propagated from lag to lag by the matrix exponential of the step, which is computed once for as
/// long as the step stays the same.
///
/// Errors: shapes, not finite, lags not rising from zero or more, an index outside, a variable
/// without variance (named by its index).
pub fn autocorrelations(
    jacobian: ArrayView2<f64>,
    covariance: ArrayView2<f64>,
    indices: &[usize],
    lags_ms: &[f64],
) -> Result<Array2<f64>, AnalysisError> {
    check_square("Jacobian", jacobian)?;
    check_finite_matrix("Jacobian", jacobian)?;
    check_square("covariance", covariance)?;
    check_finite_matrix("covariance", covariance)?;
    check_finite("lags", lags_ms)?;
    let size = jacobian.nrows();
    if covariance.nrows() != size {
        return Err(AnalysisError::Length {
            what: "rows of the covariance",
            found: covariance.nrows(),
            expected: size,
        });
    }
    for &found in indices {
        if found >= size {
            return Err(AnalysisError::Index {
                what: "variable",
                found,
                size,
            });
        }
        if covariance[[found, found]] <= 0.0 {
            return Err(AnalysisError::Constant {
                what: "autocorrelation",
                index: found,
            });
        }
    }
    if let Some(&value) = lags_ms.first().filter(|v| **v < 0.0) {
        return Err(AnalysisError::Range {
            what: "first lag",
            value,
            expected: "0 ms or more",
        });
    }
    for (k, pair) in lags_ms.windows(2).enumerate() {
        if pair[1] <= pair[0] {
            return Err(AnalysisError::LagOrder {
                index: k + 1,
                value: pair[1],
                previous: pair[0],
            });
        }
    }

    let mut lagged = Array2::from_shape_fn((size, indices.len()), |(i, k)| {
        covariance[[i, indices[k]]] / covariance[[indices[k], indices[k]]]
    });
    let mut out = Array2::zeros((lags_ms.len(), indices.len()));
    let mut now = 0.0;
    let mut step: Option<(f64, Array2<f64>)> = None;
    for (row, &lag) in lags_ms.iter().enumerate() {
        if lag > now {
            // Evenly spaced lags differ by rounding only: the same propagator serves them, and the
            // comparison with the time reached so far keeps the error from adding up.
            let reuse = step
                .as_ref()
                .is_some_and(|(h, _)| (now + h - lag).abs() <= 1e-12 * lag);
            if !reuse {
                let h = lag - now;
                step = Some((h, expm((&jacobian * h).view())));
            }
            if let Some((h, propagator)) = &step {
                lagged = propagator.dot(&lagged);
                now += h;
            }
        }
        for (k, &i) in indices.iter().enumerate() {
            out[[row, k]] = lagged[[i, k]];
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn ornstein_uhlenbeck() {
        // τ = 20 ms, intensity q: variance q τ / 2, autocorrelation e^{-t/τ}.
        let (j, q) = (array![[-0.05]], array![[0.3]]);
        let c = covariance(j.view(), q.view()).unwrap();
        assert!((c.covariance[[0, 0]] - 3.0).abs() < 1e-14);
        let lags: Vec<f64> = (0..500).map(|k| k as f64 * 0.2).collect();
        let r = autocorrelation(j.view(), c.covariance.view(), 0, &lags).unwrap();
        for (t, r) in lags.iter().zip(&r) {
            assert!((r - (-t / 20.0).exp()).abs() < 1e-13);
        }
    }

    #[test]
    fn cascade_of_two_against_the_closed_form() {
        // dx = -a x dt + s dW, dy = (g x - b y) dt.
        let (a, b, g, s2) = (0.1, 0.02, 0.5, 0.7);
        let j = array![[-a, 0.0], [g, -b]];
        let c = covariance(j.view(), array![[s2, 0.0], [0.0, 0.0]].view())
            .unwrap()
            .covariance;
        let xx = s2 / (2.0 * a);
        let xy = g * xx / (a + b);
        assert!((c[[0, 0]] / xx - 1.0).abs() < 1e-13);
        assert!((c[[0, 1]] / xy - 1.0).abs() < 1e-13);
        assert!((c[[1, 1]] / (g * xy / b) - 1.0).abs() < 1e-13);
        // y: (a e^{-bt} - b e^{-at}) / (a - b).
        let lags = [0.0, 1.0, 7.5, 7.75, 30.0, 200.0];
        let r = autocorrelation(j.view(), c.view(), 1, &lags).unwrap();
        for (t, r) in lags.iter().zip(&r) {
            let exact = (a * (-b * t).exp() - b * (-a * t).exp()) / (a - b);
            assert!((r - exact).abs() < 1e-12);
        }
    }

    #[test]
    fn defective_jacobian_is_no_harder() {
        // The same cascade with a = b has one eigenvector only: yy = g² s² / (4 a³).
        for gap in [0.0, 1e-14, 1e-8] {
            let (a, g) = (0.05, 0.4);
            let j = array![[-a, 0.0], [g, -a - gap]];
            let l = covariance(j.view(), array![[1.0, 0.0], [0.0, 0.0]].view()).unwrap();
            let exact = g * g / (4.0 * a * a * a);
            assert!((l.covariance[[1, 1]] / exact - 1.0).abs() < 1e-6);
            assert!(l.relative_residual < 1e-15);
            let r = autocorrelation(j.view(), l.covariance.view(), 1, &[40.0]).unwrap();
            assert!((r[0] - 3.0 * (-2f64).exp()).abs() < 1e-6);
        }
    }

    #[test]
    fn stiff_oscillating_system_solves_the_equation() {
        let j = array![[-0.002, 3.0, 0.0], [-3.0, -0.002, 0.4], [0.0, 0.1, -40.0]];
        let q = array![[1.0, 0.2, 0.0], [0.2, 2.0, 0.0], [0.0, 0.0, 1e-10]];
        let l = covariance(j.view(), q.view()).unwrap();
        assert!(l.relative_residual < 1e-14);
        let r = j.dot(&l.covariance) + l.covariance.dot(&j.t()) + &q;
        assert!(max_abs(r.view()) < 1e-10);
        assert_eq!(l.covariance, l.covariance.t());
    }

    #[test]
    fn unstable_names_the_eigenvalue() {
        let e = covariance(
            array![[0.01, 0.0], [0.0, -1.0]].view(),
            Array2::eye(2).view(),
        );
        assert!(matches!(e, Err(AnalysisError::Unstable { re, .. }) if (re - 0.01).abs() < 1e-15));
    }

    #[test]
    fn refuses_bad_input() {
        let j = array![[-1.0, 0.0], [0.0, -1.0]];
        let lopsided = array![[1.0, 0.5], [0.0, 1.0]];
        assert!(matches!(
            covariance(j.view(), lopsided.view()),
            Err(AnalysisError::NotSymmetric { .. })
        ));
        assert!(covariance(j.view(), array![[1.0]].view()).is_err());
        assert!(covariance(j.view(), array![[-1.0, 0.0], [0.0, 1.0]].view()).is_err());
        let c = array![[0.5, 0.0], [0.0, 0.0]];
        let acf = |i, lags: &[f64]| autocorrelation(j.view(), c.view(), i, lags);
        assert!(matches!(
            acf(1, &[0.0]),
            Err(AnalysisError::Constant { index: 1, .. })
        ));
        assert!(matches!(acf(2, &[0.0]), Err(AnalysisError::Index { .. })));
        assert!(matches!(
            acf(0, &[1.0, 1.0]),
            Err(AnalysisError::LagOrder { index: 1, .. })
        ));
        assert!(acf(0, &[-1.0]).is_err());
    }
}
