//! Elementary statistics, with errors instead of NaN.

use ndarray::ArrayView2;

use super::{AnalysisError, check_finite, linalg::check_square};

/// A straight line fitted by least squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearFit {
    /// Change of y per unit of x.
    pub slope: f64,
    /// y at x = 0.
    pub intercept: f64,
    /// Share of the variance of y explained, 0..1: the square of Pearson's correlation.
    pub r2: f64,
}

fn at_least(what: &'static str, found: usize, expected: usize) -> Result<(), AnalysisError> {
    if found < expected {
        Err(AnalysisError::TooFew {
            what,
            found,
            expected,
        })
    } else {
        Ok(())
    }
}

/// Arithmetic mean, same unit as `x`. Errors: empty or not finite.
pub fn mean(x: &[f64]) -> Result<f64, AnalysisError> {
    at_least("samples of a mean", x.len(), 1)?;
    check_finite("samples of a mean", x)?;
    Ok(x.iter().sum::<f64>() / x.len() as f64)
}

/// Sample standard deviation (divisor n − 1), same unit as `x`. Errors: under two samples, or not
/// finite.
pub fn sd(x: &[f64]) -> Result<f64, AnalysisError> {
    at_least("samples of a standard deviation", x.len(), 2)?;
    let m = mean(x)?;
    Ok((x.iter().map(|v| (v - m) * (v - m)).sum::<f64>() / (x.len() - 1) as f64).sqrt())
}

/// Whether a sum of squared deviations is nothing but rounding of values of this size.
pub(crate) fn is_rounding(sum_of_squares: f64, largest: f64, n: usize) -> bool {
    let unit = 8.0 * f64::EPSILON * largest;
    sum_of_squares <= n as f64 * unit * unit
}

/// Sums of squares and products about the means: `(mean x, mean y, Sxx, Syy, Sxy)`.
fn moments(x: &[f64], y: &[f64]) -> Result<(f64, f64, f64, f64, f64), AnalysisError> {
    if x.len() != y.len() {
        return Err(AnalysisError::Length {
            what: "second variable of a correlation",
            found: y.len(),
            expected: x.len(),
        });
    }
    at_least("pairs of a correlation", x.len(), 2)?;
    let (mx, my) = (mean(x)?, mean(y)?);
    let (mut sxx, mut syy, mut sxy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (u, v) = (a - mx, b - my);
        sxx += u * u;
        syy += v * v;
        sxy += u * v;
    }
    Ok((mx, my, sxx, syy, sxy))
}

/// Largest magnitude of the values.
fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// Pearson's correlation, −1..1. Errors: lengths differ, under two pairs, a constant variable
/// (index 0 for `x`, 1 for `y`), not finite.
pub fn pearson(x: &[f64], y: &[f64]) -> Result<f64, AnalysisError> {
    let (_, _, sxx, syy, sxy) = moments(x, y)?;
    for (index, (s, v)) in [(sxx, x), (syy, y)].into_iter().enumerate() {
        if is_rounding(s, largest(v), v.len()) {
            return Err(AnalysisError::Constant {
                what: "correlation",
                index,
            });
        }
    }
    Ok((sxy / (sxx.sqrt() * syy.sqrt())).clamp(-1.0, 1.0))
}

/// Ranks from 1, ties share the mean of their ranks.
#[must_use]
pub fn ranks(x: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
    let mut out = vec![0.0; x.len()];
    let mut start = 0;
    while start < order.len() {
        let same = order[start..]
            .iter()
            .take_while(|&&k| x[k] == x[order[start]])
            .count();
        let rank = start as f64 + (same as f64 + 1.0) / 2.0;
        for &k in &order[start..start + same] {
            out[k] = rank;
        }
        start += same;
    }
    out
}

/// Spearman's rank correlation, −1..1, ties by mean rank. Errors as [`pearson`].
pub fn spearman(x: &[f64], y: &[f64]) -> Result<f64, AnalysisError> {
    check_finite("first variable of a rank correlation", x)?;
    check_finite("second variable of a rank correlation", y)?;
    pearson(&ranks(x), &ranks(y))
}

/// z of the share of trials with a choice, with half a trial added to either outcome (log-linear rule, Hautus
/// 1995, Behav Res Meth 27:46), so that all or none stay finite; none without trials.
///
/// The difference of two, signal minus noise, is d′.
#[must_use]
pub fn z_of_share(chosen: u32, trials: u32) -> Option<f64> {
    let share = (f64::from(chosen) + 0.5) / (f64::from(trials) + 1.0);
    (trials > 0).then(|| normal_quantile(share))
}

/// The number below which a standard normal number falls with probability `p`; infinite for 0 and 1.
///
/// By bisection of the complementary error function, to the last digits.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    let below = |z: f64| 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if below(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// Least-squares line of `y` on `x`. A constant `y` gives slope 0 and r² 0. Errors: lengths differ,
/// under two pairs, constant `x`, not finite.
pub fn linear_fit(x: &[f64], y: &[f64]) -> Result<LinearFit, AnalysisError> {
    let (mx, my, sxx, syy, sxy) = moments(x, y)?;
    if is_rounding(sxx, largest(x), x.len()) {
        return Err(AnalysisError::Constant {
            what: "abscissa of a line",
            index: 0,
        });
    }
    if is_rounding(syy, largest(y), y.len()) {
        return Ok(LinearFit {
            slope: 0.0,
            intercept: my,
            r2: 0.0,
        });
    }
    let slope = sxy / sxx;
    let r = (sxy / (sxx.sqrt() * syy.sqrt())).clamp(-1.0, 1.0);
    Ok(LinearFit {
        slope,
        intercept: my - slope * mx,
        r2: r * r,
    })
}

/// Share of the cases that a logistic regression of `is` on x, fitted to all of them by maximum likelihood, tells
/// right (p above 1/2): 0..1. Errors: lengths that differ, under two cases, not finite, x that does not vary.
pub fn logistic_share(x: &[f64], is: &[bool]) -> Result<f64, AnalysisError> {
    let y: Vec<f64> = is.iter().map(|&is| f64::from(u8::from(is))).collect();
    let (mean, _, sxx, ..) = moments(x, &y)?;
    let largest = x.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if is_rounding(sxx, largest, x.len()) {
        return Err(AnalysisError::Constant {
            what: "logistic regression",
            index: 0,
        });
    }
    let sd = (sxx / x.len() as f64).sqrt();
    let z: Vec<f64> = x.iter().map(|v| (v - mean) / sd).collect();
    let share = |a: f64, b: f64| {
        let right = z
            .iter()
            .zip(is)
            .filter(|(z, is)| (a + b * **z > 0.0) == **is);
        right.count() as f64 / z.len() as f64
    };
    let (mut a, mut b) = (0.0, 0.0);
    for _ in 0..LOGISTIC_STEPS {
        let (mut da, mut db, mut haa, mut hab, mut hbb) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (z, y) in z.iter().zip(&y) {
            let p = 1.0 / (1.0 + (-(a + b * z)).exp());
            let w = p * (1.0 - p);
            da += y - p;
            db += (y - p) * z;
            haa += w;
            hab += w * z;
            hbb += w * z * z;
        }
        let determinant = haa * hbb - hab * hab;
        // Cases that x separates have no maximum: what is reached separates them, too.
        if determinant <= 1e-12 {
            break;
        }
        let (step_a, step_b) = (
            (hbb * da - hab * db) / determinant,
            (haa * db - hab * da) / determinant,
        );
        // A step that is too long overshoots where p is near 0 or 1.
        let shorter = 1.0 / (f64::max(step_a.abs(), step_b.abs()) / 2.0).max(1.0);
        a += shorter * step_a;
        b += shorter * step_b;
        if step_a.abs().max(step_b.abs()) < 1e-10 {
            break;
        }
    }
    Ok(share(a, b))
}

/// Steps of Newton's method to the maximum of a likelihood.
const LOGISTIC_STEPS: usize = 200;

/// All entries off the diagonal of a square matrix, row by row: n(n − 1) values, so that directed
/// pairs count once each way. Error: not square.
pub fn off_diagonal(m: ArrayView2<f64>) -> Result<Vec<f64>, AnalysisError> {
    check_square("matrix to vectorise", m)?;
    Ok(m.indexed_iter()
        .filter(|((i, j), _)| i != j)
        .map(|(_, &v)| v)
        .collect())
}

/// Entries above the diagonal of a square matrix, row by row: n(n − 1)/2 values, each undirected
/// pair once. Error: not square.
pub fn upper_triangle(m: ArrayView2<f64>) -> Result<Vec<f64>, AnalysisError> {
    check_square("matrix to vectorise", m)?;
    Ok(m.indexed_iter()
        .filter(|((i, j), _)| i < j)
        .map(|(_, &v)| v)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_normal_distribution() {
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
            (0.001, -3.090_232_306_167_813),
        ] {
            let found = normal_quantile(p);
            assert!((found - z).abs() < 1e-12, "{p}: {found}");
        }
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
    }
    use ndarray::array;

    #[test]
    fn mean_and_sd_of_four_numbers() {
        assert_eq!(mean(&[1.0, 2.0, 3.0, 6.0]), Ok(3.0));
        assert!((sd(&[1.0, 2.0, 3.0, 6.0]).unwrap() - (14.0f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!(matches!(
            sd(&[1.0]),
            Err(AnalysisError::TooFew { found: 1, .. })
        ));
        assert!(matches!(
            mean(&[1.0, f64::NAN]),
            Err(AnalysisError::NotFinite { index: 1, .. })
        ));
    }

    #[test]
    fn line_through_points_and_its_r2() {
        let fit = linear_fit(&[0.0, 1.0, 2.0], &[1.0, 3.0, 4.0]).unwrap();
        assert!((fit.slope - 1.5).abs() < 1e-14);
        assert!((fit.intercept - 7.0 / 6.0).abs() < 1e-14);
        assert!((fit.r2 - 27.0 / 28.0).abs() < 1e-14);
        assert_eq!(linear_fit(&[0.0, 1.0], &[2.0, 2.0]).unwrap().r2, 0.0);
        assert!(linear_fit(&[0.1; 3], &[1.0, 2.0, 3.0]).is_err());
    }

    #[test]
    fn spearman_sees_order_only_and_shares_ties() {
        let x: [f64; 4] = [1.0, 2.0, 3.0, 4.0];
        let y = x.map(|v| v.powi(5));
        assert!(pearson(&x, &y).unwrap() < 0.95);
        assert!((spearman(&x, &y).unwrap() - 1.0).abs() < 1e-15);
        assert_eq!(ranks(&[5.0, 1.0, 5.0, 0.0]), vec![3.5, 2.0, 3.5, 1.0]);
    }

    #[test]
    fn a_constant_variable_is_named() {
        let e = pearson(&[1.0, 2.0, 4.0], &[0.1; 3]);
        assert!(matches!(e, Err(AnalysisError::Constant { index: 1, .. })));
        assert!(matches!(
            pearson(&[1.0], &[1.0, 2.0]),
            Err(AnalysisError::Length { .. })
        ));
    }

    #[test]
    fn vectors_out_of_a_matrix() {
        let m = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]];
        assert_eq!(
            off_diagonal(m.view()).unwrap(),
            vec![2.0, 3.0, 4.0, 6.0, 7.0, 8.0]
        );
        assert_eq!(upper_triangle(m.view()).unwrap(), vec![2.0, 3.0, 6.0]);
        assert!(off_diagonal(array![[1.0, 2.0]].view()).is_err());
    }

    /// Sets that x separates, and two in which p = 1/2 lies at 3.484 and 5.752, recomputed apart from this program.
    #[test]
    fn logistic_regression_tells_shares() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let is = |which: [u8; 8]| which.map(|i| i == 1);
        let share = |which| logistic_share(&x, &is(which)).unwrap();
        assert_eq!(share([0, 0, 0, 0, 1, 1, 1, 1]), 1.0);
        assert_eq!(share([1, 1, 1, 1, 1, 0, 0, 0]), 1.0);
        assert_eq!(share([0, 0, 1, 0, 1, 1, 1, 1]), 0.75);
        assert_eq!(share([1, 1, 1, 1, 1, 1, 1, 1]), 1.0);
        assert_eq!(share([0, 0, 0, 0, 1, 1, 1, 0]), 0.75);
        let scaled: Vec<f64> = x.iter().map(|x| 1e-3 * x - 7.0).collect();
        let same = logistic_share(&scaled, &is([0, 0, 1, 0, 1, 1, 1, 1]));
        assert_eq!(same, Ok(0.75));
        assert!(logistic_share(&[1.0; 8], &is([0, 0, 1, 0, 1, 1, 1, 1])).is_err());
        assert!(logistic_share(&x[1..], &is([0, 0, 1, 0, 1, 1, 1, 1])).is_err());
    }
}
