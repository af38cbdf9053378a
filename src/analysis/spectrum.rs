//! Power spectra.

use super::acf::Fft;
use super::{AnalysisError, check_finite};

/// Power spectral density of a series, one-sided.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// Frequencies from 0 to half the sampling rate, Hz.
    pub frequency_hz: Vec<f64>,
    /// Density at each of them, unit of the series squared per Hz.
    pub density: Vec<f64>,
}

impl Spectrum {
    /// The frequency above 0 at which the density is largest, Hz; none where it vanishes.
    #[must_use]
    pub fn peak_hz(&self) -> Option<f64> {
        let above = self.frequency_hz.iter().zip(&self.density).skip(1);
        let (hz, density) = above.max_by(|a, b| a.1.total_cmp(b.1))?;
        (*density > 0.0).then_some(*hz)
    }
}

/// Power spectral density by the method of Welch (1967, IEEE Trans Audio Electroacoust 15:70–73, doi
/// 10.1109/TAU.1967.1161901): mean over segments of `segment` samples that overlap by half, each without its mean and
/// under a periodic Hann window, filled up with zeros to a power of two. White noise of variance s² sampled every
/// `dt_ms` has the density 2 s² dt.
///
/// Errors: fewer than 8 samples a segment, more than there are; a sampling time that is not positive; not finite.
pub fn welch(x: &[f64], dt_ms: f64, segment: usize) -> Result<Spectrum, AnalysisError> {
    check_finite("series of a spectrum", x)?;
    if segment < 8 {
        return Err(AnalysisError::Range {
            what: "samples of a segment of a spectrum",
            value: segment as f64,
            expected: "8 or more",
        });
    }
    if !(dt_ms.is_finite() && dt_ms > 0.0) {
        return Err(AnalysisError::Range {
            what: "time between samples of a spectrum, ms",
            value: dt_ms,
            expected: "above 0",
        });
    }
    if x.len() < segment {
        return Err(AnalysisError::TooFew {
            what: "samples of a spectrum",
            found: x.len(),
            expected: segment,
        });
    }
    let hann = |k: usize| {
        let turn = std::f64::consts::TAU * k as f64 / segment as f64;
        0.5 * (1.0 - turn.cos())
    };
    let window: Vec<f64> = (0..segment).map(hann).collect();
    let squares: f64 = window.iter().map(|w| w * w).sum();
    let size = segment.next_power_of_two();
    let fft = Fft::new(size);
    let (mut re, mut im) = (vec![0.0; size], vec![0.0; size]);
    let mut power = vec![0.0; size / 2 + 1];
    let step = segment / 2;
    let count = (x.len() - segment) / step + 1;
    for start in (0..count).map(|k| k * step) {
        let own = &x[start..start + segment];
        // Shifted by its first sample before averaging, so that a high baseline costs no digits.
        let mean = own.iter().map(|v| v - own[0]).sum::<f64>() / segment as f64;
        re.fill(0.0);
        im.fill(0.0);
        for ((re, v), w) in re.iter_mut().zip(own).zip(&window) {
            *re = w * ((v - own[0]) - mean);
        }
        fft.forward(&mut re, &mut im);
        for (k, p) in power.iter_mut().enumerate() {
            *p += re[k] * re[k] + im[k] * im[k];
        }
    }
    let rate_hz = 1e3 / dt_ms;
    let scale = 1.0 / (count as f64 * squares * rate_hz);
    for (k, p) in power.iter_mut().enumerate() {
        // What lies at negative frequencies, where there are two.
        let sides = if k == 0 || 2 * k == size { 1.0 } else { 2.0 };
        *p *= sides * scale;
    }
    Ok(Spectrum {
        frequency_hz: (0..power.len())
            .map(|k| k as f64 * rate_hz / size as f64)
            .collect(),
        density: power,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.signal.welch(x, fs=250, nperseg=16, nfft=16, detrend="constant")` of x_k = sin(0.9 k) + 0.01 k²,
    /// k = 0..39, scipy 1.17.1.
    #[test]
    fn densities_are_those_of_scipy() {
        let x: Vec<f64> = (0..40)
            .map(|k| (0.9 * f64::from(k)).sin() + 0.01 * f64::from(k * k))
            .collect();
        let found = welch(&x, 4.0, 16).unwrap();
        let expected = [
            0.0007607085156313075,
            0.04934943390310027,
            0.012434910318560444,
            0.012833038465824429,
            8.300575942659237e-5,
            4.387785320706601e-6,
            1.0208590532336704e-6,
            2.2425681381825818e-7,
            2.2620256095846558e-8,
        ];
        assert_eq!(found.frequency_hz[1], 15.625);
        assert_eq!(found.density.len(), expected.len());
        for (a, b) in found.density.iter().zip(expected) {
            assert!((a - b).abs() <= 1e-11 * b, "{a} {b}");
        }
    }

    #[test]
    fn white_noise_is_flat_and_its_integral_is_the_variance() {
        // Uniform numbers of variance 9, from a small congruential generator.
        let mut state = 12345_u64;
        let x: Vec<f64> = (0..200_000)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let uniform = (state >> 11) as f64 / (1_u64 << 53) as f64;
                3.0 * 12.0_f64.sqrt() * (uniform - 0.5)
            })
            .collect();
        let found = welch(&x, 2.0, 256).unwrap();
        // 2 s² dt, dt in seconds; the mean of 1561 half overlapping segments scatters by some 3 %.
        for p in &found.density[4..124] {
            assert!((p / (2.0 * 9.0 * 2e-3) - 1.0).abs() < 0.15, "{p}");
        }
        let integral: f64 = found.density.iter().sum::<f64>() * found.frequency_hz[1];
        assert!((integral / 9.0 - 1.0).abs() < 0.03, "{integral}");
    }

    #[test]
    fn a_sine_stands_at_its_frequency_whatever_its_baseline() {
        let wave = |k: u32| 1e9 + (std::f64::consts::TAU * 40.0 * f64::from(k) * 1e-3).sin();
        let x: Vec<f64> = (0..1000).map(wave).collect();
        let found = welch(&x, 1.0, 500).unwrap();
        let near = 1e3 / 512.0;
        assert!((found.peak_hz().unwrap() - 40.0).abs() < near);
        assert_eq!(welch(&[1.0; 64], 1.0, 64).unwrap().peak_hz(), None);
    }

    #[test]
    fn what_has_no_spectrum_is_refused() {
        let refused = |x: &[f64], dt, segment| welch(x, dt, segment).unwrap_err().to_string();
        assert!(refused(&[0.0; 20], 1.0, 7).contains("8 or more"));
        assert!(refused(&[0.0; 20], 1.0, 21).contains("found 20, expected at least 21"));
        assert!(refused(&[0.0; 20], 0.0, 10).contains("above 0"));
        assert!(refused(&[f64::NAN; 20], 1.0, 10).contains("series of a spectrum"));
    }
}
