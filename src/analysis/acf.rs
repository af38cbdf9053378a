//! Autocorrelation of a series, offered as [`super::timescale::autocorrelation`].

use super::{AnalysisError, check_finite, stats::is_rounding};

/// Autocorrelation of one series at lags 0..=`max_lag` samples; entry 0 is 1.
///
/// The mean is removed and the *biased* estimator is used, r_k = Σ_t x_t x_{t+k} / Σ_t x_t², i.e.
/// every lag is divided by the same n: a positive semidefinite autocorrelation, smaller than
/// the unbiased one by the factor (1 − k/n). Multiply entry k by n/(n − k) for the other. Either
/// falls short of the truth by about 2τ/(nΔt), because the mean is that of the sample.
///
/// Long inputs go through an FFT block by block: 10⁶ samples × 10⁴ lags take about 0.1 s and a few
/// MB. Errors: `max_lag` not below the number of samples, constant, not finite.
pub fn autocorrelation(x: &[f64], max_lag: usize) -> Result<Vec<f64>, AnalysisError> {
    const WHAT: &str = "series of an autocorrelation";
    check_finite(WHAT, x)?;
    if x.len() <= max_lag || x.len() < 2 {
        let expected = (max_lag + 1).max(2);
        return Err(AnalysisError::TooFew {
            what: WHAT,
            found: x.len(),
            expected,
        });
    }
    // Shifted by the first sample before averaging, so that a high baseline costs no digits.
    let n = x.len();
    let mean = x.iter().map(|v| v - x[0]).sum::<f64>() / n as f64;
    let d: Vec<f64> = x.iter().map(|v| (v - x[0]) - mean).collect();
    let variance: f64 = d.iter().map(|v| v * v).sum();
    if is_rounding(variance, x.iter().fold(0.0, |m, v| v.abs().max(m)), n) {
        return Err(AnalysisError::Constant {
            what: WHAT,
            index: 0,
        });
    }
    let mut r = if n.saturating_mul(max_lag) < 1 << 21 {
        lagged_direct(&d, max_lag)
    } else {
        lagged_fft(&d, max_lag)
    };
    for v in &mut r {
        *v /= variance;
    }
    r[0] = 1.0;
    Ok(r)
}

/// Sums of lagged products by definition.
fn lagged_direct(d: &[f64], max_lag: usize) -> Vec<f64> {
    (0..=max_lag)
        .map(|k| d[k..].iter().zip(d).map(|(a, b)| a * b).sum())
        .collect()
}

/// Sums of lagged products by blocks: each block of the series is correlated with itself plus the
/// `max_lag` samples that follow; the spectra of all blocks are summed and turned back once.
fn lagged_fft(d: &[f64], max_lag: usize) -> Vec<f64> {
    let size = (4 * (max_lag + 1)).next_power_of_two().max(1 << 12);
    let block = size - max_lag;
    let fft = Fft::new(size);
    let mut re = vec![0.0; size];
    let mut im = vec![0.0; size];
    let mut sum_re = vec![0.0; size];
    let mut sum_im = vec![0.0; size];
    for start in (0..d.len()).step_by(block) {
        let own = &d[start..d.len().min(start + block)];
        let wide = &d[start..d.len().min(start + block + max_lag)];
        re.fill(0.0);
        im.fill(0.0);
        re[..own.len()].copy_from_slice(own);
        im[..wide.len()].copy_from_slice(wide);
        fft.forward(&mut re, &mut im);
        // Two real transforms from one complex one: X = (Z_k + Z̄_-k)/2, Y = (Z_k − Z̄_-k)/2i.
        for k in 0..size {
            let m = (size - k) % size;
            let (xr, xi) = (0.5 * (re[k] + re[m]), 0.5 * (im[k] - im[m]));
            let (yr, yi) = (0.5 * (im[k] + im[m]), 0.5 * (re[m] - re[k]));
            sum_re[k] += xr * yr + xi * yi;
            sum_im[k] += xr * yi - xi * yr;
        }
    }
    // Inverse by the forward transform of the conjugate; the result is real.
    for v in &mut sum_im {
        *v = -*v;
    }
    fft.forward(&mut sum_re, &mut sum_im);
    sum_re.truncate(max_lag + 1);
    for v in &mut sum_re {
        *v /= size as f64;
    }
    sum_re
}

/// Radix-2 transform of a fixed power-of-two size, with its roots of unity.
pub(super) struct Fft {
    size: usize,
    cos: Vec<f64>,
    sin: Vec<f64>,
}

impl Fft {
    pub(super) fn new(size: usize) -> Self {
        let root = |k: usize| std::f64::consts::TAU * k as f64 / size as f64;
        Self {
            size,
            cos: (0..size / 2).map(|k| root(k).cos()).collect(),
            sin: (0..size / 2).map(|k| -root(k).sin()).collect(),
        }
    }

    /// In place, X_k = Σ_t x_t e^{-2πi kt/n}.
    pub(super) fn forward(&self, re: &mut [f64], im: &mut [f64]) {
        let n = self.size;
        let bits = n.trailing_zeros();
        for i in 0..n {
            let j = i.reverse_bits() >> (usize::BITS - bits);
            if i < j {
                re.swap(i, j);
                im.swap(i, j);
            }
        }
        let mut half = 1;
        while half < n {
            let stride = n / (2 * half);
            for start in (0..n).step_by(2 * half) {
                for k in 0..half {
                    let (c, s) = (self.cos[k * stride], self.sin[k * stride]);
                    let (a, b) = (start + k, start + k + half);
                    let (tr, ti) = (re[b] * c - im[b] * s, re[b] * s + im[b] * c);
                    (re[b], im[b]) = (re[a] - tr, im[a] - ti);
                    (re[a], im[a]) = (re[a] + tr, im[a] + ti);
                }
            }
            half *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::timescale::{FitOptions, fit_decay};

    /// A noisy first-order process from a small congruential generator.
    fn process(n: usize, keep: f64) -> Vec<f64> {
        let mut state = 12345u64;
        let mut x = 0.0;
        (0..n)
            .map(|_| {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                x = keep * x + (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
                x + 10.0
            })
            .collect()
    }

    #[test]
    fn autocorrelation_by_hand() {
        // Deviations -1.5, -0.5, 0.5, 1.5; sum of squares 5.
        let r = autocorrelation(&[1.0, 2.0, 3.0, 4.0], 3).unwrap();
        for (a, b) in r.iter().zip([1.0, 0.25, -0.3, -0.45]) {
            assert!((a - b).abs() < 1e-15);
        }
        assert!(matches!(
            autocorrelation(&[1.0, 2.0], 2),
            Err(AnalysisError::TooFew { .. })
        ));
        assert!(matches!(
            autocorrelation(&[0.1; 9], 2),
            Err(AnalysisError::Constant { .. })
        ));
    }

    #[test]
    fn blocks_through_the_transform_equal_the_definition() {
        for (n, max_lag) in [(20_000, 700), (4_097, 1), (5_000, 4_999), (3_000, 1_500)] {
            let d: Vec<f64> = process(n, 0.95).iter().map(|v| v - 10.0).collect();
            let (a, b) = (lagged_direct(&d, max_lag), lagged_fft(&d, max_lag));
            assert_eq!(b.len(), max_lag + 1);
            for (x, y) in a.iter().zip(&b) {
                assert!((x - y).abs() < 1e-12 * a[0], "{n} {max_lag}");
            }
        }
    }

    #[test]
    fn first_order_process_decays_as_it_should() {
        let r = autocorrelation(&process(200_000, 0.98), 200).unwrap();
        for k in [1, 20, 60] {
            assert!((r[k] - 0.98f64.powi(k as i32)).abs() < 0.03);
        }
        let lags: Vec<f64> = (0..=200).map(f64::from).collect();
        let t = fit_decay(&lags, &r, &FitOptions::default()).unwrap();
        assert!((t.tau_ms / 49.5 - 1.0).abs() < 0.1);
    }
}
