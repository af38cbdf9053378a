//! How long activity lasts: autocorrelation, exponential fits, decay after a pulse.

use super::{AnalysisError, check_finite};

pub use super::acf::autocorrelation;

// ---------------------------------------------------------------------------------------------
// Exponential fits

/// How an autocorrelation is turned into one time constant.
///
/// The default follows Chaudhuri et al. 2015 (Neuron 88:419, Fig 3, supplement), which leaves the
/// window, the amplitudes and the bounds open. Ours (6 s, single fit with a free amplitude, double
/// fit through 1, constants up to 20 s, lags 2 ms apart) are inferred: they give r² = 0.25 and 0.23
/// of hierarchy against timescale under visual drive and at rest, published as 0.25 and 0.22. Time
/// constants of areas with a slow tail, and hence r², depend on `max_lag_ms` and `max_tau_ms`: say
/// which were used, and look at [`Timescale::at_bound`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitOptions {
    /// The fit uses the lags before the first value below this, 0..1.
    pub floor: f64,
    /// The double fit is chosen when the single one's squared error is this many times its.
    pub ratio: f64,
    /// Lags above this are not used \[ms\].
    pub max_lag_ms: f64,
    /// Shortest time constant tried \[ms\].
    pub min_tau_ms: f64,
    /// Longest time constant tried \[ms\]. A tail that is still flat at the end of the window ends
    /// here.
    pub max_tau_ms: f64,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            floor: 0.05,
            ratio: 8.0,
            max_lag_ms: 6_000.0,
            min_tau_ms: 0.1,
            max_tau_ms: 20_000.0,
        }
    }
}

/// A e^{−t/τ} with the amplitude free.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SingleFit {
    /// A, 0 or more.
    pub amplitude: f64,
    /// τ \[ms\].
    pub tau_ms: f64,
    /// Sum of squared errors.
    pub sse: f64,
}

/// a e^{−t/τ₁} + (1 − a) e^{−t/τ₂}, through 1 at lag 0, 0 ≤ a ≤ 1, τ₁ ≤ τ₂.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DoubleFit {
    /// a, the share of the fast constant.
    pub fast_amplitude: f64,
    /// τ₁ \[ms\].
    pub fast_tau_ms: f64,
    /// τ₂ \[ms\].
    pub slow_tau_ms: f64,
    /// Sum of squared errors.
    pub sse: f64,
}

impl DoubleFit {
    /// Amplitude-weighted sum of the two constants, a τ₁ + (1 − a) τ₂ \[ms\].
    #[must_use]
    pub fn weighted_tau_ms(&self) -> f64 {
        self.fast_amplitude * self.fast_tau_ms + (1.0 - self.fast_amplitude) * self.slow_tau_ms
    }
}

/// Which of the two fits a timescale comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FitKind {
    /// One exponential.
    Single,
    /// Two exponentials.
    Double,
}

/// The timescale of an autocorrelation, with what it was chosen from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timescale {
    /// The answer \[ms\].
    pub tau_ms: f64,
    /// Which fit gave it.
    pub kind: FitKind,
    /// The single fit, always made.
    pub single: SingleFit,
    /// The double fit; none with fewer than four points.
    pub double: Option<DoubleFit>,
    /// Number of lags fitted.
    pub n_points: usize,
    /// Whether the autocorrelation fell below the floor within the window. If not, the timescale
    /// rests on a truncated decay.
    pub reached_floor: bool,
    /// Whether the constant that decided lies at `max_tau_ms` (or, for a single fit, at either
    /// bound): a property of the bound rather than of the data.
    pub at_bound: bool,
}

/// Timescale of an autocorrelation by exponential fits.
///
/// Least squares with equal weight per lag, on the lags up to `max_lag_ms` that come before the
/// first value below `floor`. Deterministic: a grid over all (pairs of) time constants in log space
/// with the amplitude solved exactly, then refinement of the best cells; errors never grow.
///
/// * `lags_ms` – lags \[ms\], from 0, rising
/// * `acf` – autocorrelation at those lags, 1 at lag 0
///
/// Errors: lengths differ, under two points above the floor (lags too coarse), not finite, lags
/// that do not rise from 0, `acf` not 1 at lag 0, options out of range.
pub fn fit_decay(
    lags_ms: &[f64],
    acf: &[f64],
    options: &FitOptions,
) -> Result<Timescale, AnalysisError> {
    check_fit_input(lags_ms, acf, options)?;
    let window = lags_ms
        .iter()
        .take_while(|t| **t <= options.max_lag_ms)
        .count();
    let crossing = acf[..window].iter().position(|v| *v < options.floor);
    let n = crossing.unwrap_or(window);
    if n < 2 {
        return Err(AnalysisError::TooFew {
            what: "lags before the autocorrelation crosses the floor",
            found: n,
            expected: 2,
        });
    }
    let data = Data::new(&lags_ms[..n], &acf[..n], options);
    let single = data.single();
    let double = (n >= 4).then(|| data.double());
    // Two vanishing errors have no meaningful ratio: then one exponential says it all.
    let noise = 1e-16 * data.yy;
    let chosen = double.filter(|d| single.sse > noise && single.sse >= options.ratio * d.sse);
    let near = |tau: f64, bound: f64| (tau / bound).ln().abs() < 1e-6;
    let (tau_ms, kind, at_bound) = match chosen {
        Some(d) => {
            let pinned = d.fast_amplitude < 1.0 && near(d.slow_tau_ms, options.max_tau_ms);
            (d.weighted_tau_ms(), FitKind::Double, pinned)
        }
        None => {
            let t = single.tau_ms;
            let pinned = near(t, options.max_tau_ms) || near(t, options.min_tau_ms);
            (t, FitKind::Single, pinned)
        }
    };
    let reached_floor = crossing.is_some();
    Ok(Timescale {
        tau_ms,
        kind,
        single,
        double,
        n_points: n,
        reached_floor,
        at_bound,
    })
}

fn check_fit_input(t: &[f64], y: &[f64], o: &FitOptions) -> Result<(), AnalysisError> {
    if t.len() != y.len() {
        return Err(AnalysisError::Length {
            what: "autocorrelation",
            found: y.len(),
            expected: t.len(),
        });
    }
    check_finite("lags", t)?;
    check_finite("autocorrelation", y)?;
    let range = |what, value, ok: bool, expected| {
        if ok {
            Ok(())
        } else {
            Err(AnalysisError::Range {
                what,
                value,
                expected,
            })
        }
    };
    range(
        "floor",
        o.floor,
        o.floor < 1.0 && o.floor.is_finite(),
        "below 1",
    )?;
    range("ratio", o.ratio, o.ratio >= 1.0, "1 or more")?;
    range("max_lag_ms", o.max_lag_ms, o.max_lag_ms > 0.0, "above 0 ms")?;
    range("min_tau_ms", o.min_tau_ms, o.min_tau_ms > 0.0, "above 0 ms")?;
    let above = o.max_tau_ms > o.min_tau_ms && o.max_tau_ms.is_finite();
    range(
        "max_tau_ms",
        o.max_tau_ms,
        above,
        "above min_tau_ms and finite",
    )?;
    let (Some(&t0), Some(&y0)) = (t.first(), y.first()) else {
        return Err(AnalysisError::TooFew {
            what: "lags",
            found: 0,
            expected: 2,
        });
    };
    range("first lag", t0, t0 == 0.0, "0 ms")?;
    range("autocorrelation at lag 0", y0, (y0 - 1.0).abs() < 1e-6, "1")?;
    match t.windows(2).position(|p| p[1] <= p[0]) {
        Some(k) => Err(AnalysisError::LagOrder {
            index: k + 1,
            value: t[k + 1],
            previous: t[k],
        }),
        None => Ok(()),
    }
}

/// The points of one fit, and the bounds of ln τ.
struct Data<'a> {
    t: &'a [f64],
    y: &'a [f64],
    yy: f64,
    low: f64,
    high: f64,
}

/// Parameters of the double fit: share, ln τ₁, ln τ₂.
type Pair = [f64; 3];

impl<'a> Data<'a> {
    fn new(t: &'a [f64], y: &'a [f64], o: &FitOptions) -> Self {
        let yy = y.iter().map(|v| v * v).sum();
        Self {
            t,
            y,
            yy,
            low: o.min_tau_ms.ln(),
            high: o.max_tau_ms.ln(),
        }
    }

    fn grid(&self, count: usize) -> Vec<f64> {
        let step = (self.high - self.low) / (count - 1) as f64;
        (0..count)
            .map(|k| (self.low + k as f64 * step).min(self.high))
            .collect()
    }

    /// The best amplitude for one ln τ and its squared error.
    fn single_at(&self, log_tau: f64) -> SingleFit {
        let tau_ms = log_tau.exp();
        let (mut ee, mut ey) = (0.0, 0.0);
        for (t, y) in self.t.iter().zip(self.y) {
            let e = (-t / tau_ms).exp();
            ee += e * e;
            ey += e * y;
        }
        let amplitude = (ey / ee).max(0.0);
        let error = |(t, y): (&f64, &f64)| (y - amplitude * (-t / tau_ms).exp()).powi(2);
        SingleFit {
            amplitude,
            tau_ms,
            sse: self.t.iter().zip(self.y).map(error).sum(),
        }
    }

    fn single(&self) -> SingleFit {
        let grid = self.grid(64);
        let fits: Vec<SingleFit> = grid.iter().map(|&g| self.single_at(g)).collect();
        let best = (0..fits.len()).fold(0, |b, k| if fits[k].sse < fits[b].sse { k } else { b });
        let (mut a, mut b) = (
            grid[best.saturating_sub(1)],
            grid[(best + 1).min(grid.len() - 1)],
        );
        // Golden section between the neighbours of the best grid point.
        let golden = 0.5 * (5f64.sqrt() - 1.0);
        let (mut c, mut d) = (b - golden * (b - a), a + golden * (b - a));
        let (mut fc, mut fd) = (self.single_at(c), self.single_at(d));
        let mut found = fits[best];
        while b - a > 1e-9 {
            if fc.sse < fd.sse {
                (b, d, fd) = (d, c, fc);
                c = b - golden * (b - a);
                fc = self.single_at(c);
            } else {
                (a, c, fc) = (c, d, fd);
                d = a + golden * (b - a);
                fd = self.single_at(d);
            }
            for f in [fc, fd] {
                if f.sse < found.sse {
                    found = f;
                }
            }
        }
        found
    }

    /// Squared error and, if wanted, the normal equations of the double fit.
    fn double_at(&self, p: Pair, mut normal: Option<&mut ([[f64; 3]; 3], [f64; 3])>) -> f64 {
        let (share, tau1, tau2) = (p[0], p[1].exp(), p[2].exp());
        if let Some(n) = normal.as_deref_mut() {
            *n = Default::default();
        }
        let mut sse = 0.0;
        for (&t, &y) in self.t.iter().zip(self.y) {
            let (u, v) = (t / tau1, t / tau2);
            let (e1, e2) = ((-u).exp(), (-v).exp());
            let r = y - (share * e1 + (1.0 - share) * e2);
            sse += r * r;
            if let Some((jtj, jtr)) = normal.as_deref_mut() {
                let j = [e1 - e2, share * u * e1, (1.0 - share) * v * e2];
                for i in 0..3 {
                    jtr[i] += j[i] * r;
                    for k in 0..3 {
                        jtj[i][k] += j[i] * j[k];
                    }
                }
            }
        }
        sse
    }

    /// The best share in 0..1 for two given constants.
    fn best_share(&self, log1: f64, log2: f64) -> f64 {
        let (tau1, tau2) = (log1.exp(), log2.exp());
        let (mut dd, mut dy) = (0.0, 0.0);
        for (t, y) in self.t.iter().zip(self.y) {
            let e2 = (-t / tau2).exp();
            let d = (-t / tau1).exp() - e2;
            dd += d * d;
            dy += d * (y - e2);
        }
        if dd > 0.0 {
            (dy / dd).clamp(0.0, 1.0)
        } else {
            0.5
        }
    }

    fn double(&self) -> DoubleFit {
        const GRID: usize = 40;
        const STARTS: usize = 4;
        let grid = self.grid(GRID);
        // Sums of products of all curves, so that each pair costs a few operations.
        let curves: Vec<Vec<f64>> = grid
            .iter()
            .map(|g| self.t.iter().map(|t| (-t / g.exp()).exp()).collect())
            .collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let with_y: Vec<f64> = curves.iter().map(|c| dot(c, self.y)).collect();
        let with_self: Vec<f64> = curves.iter().map(|c| dot(c, c)).collect();
        let mut cells: Vec<(f64, Pair)> = Vec::new();
        for i in 0..GRID {
            for k in i + 1..GRID {
                let cross = dot(&curves[i], &curves[k]);
                let dd = with_self[i] + with_self[k] - 2.0 * cross;
                let dr = (with_y[i] - with_y[k]) - (cross - with_self[k]);
                let share = if dd > 0.0 {
                    (dr / dd).clamp(0.0, 1.0)
                } else {
                    0.5
                };
                let rest = self.yy - 2.0 * with_y[k] + with_self[k];
                let sse = rest - 2.0 * share * dr + share * share * dd;
                cells.push((sse, [share, grid[i], grid[k]]));
            }
        }
        cells.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Start from the best cells that are not neighbours of one already taken.
        let reach = 2.5 * (grid[1] - grid[0]);
        let mut starts: Vec<Pair> = Vec::new();
        for (_, p) in cells {
            let close = |q: &Pair| (q[1] - p[1]).abs() < reach && (q[2] - p[2]).abs() < reach;
            if !starts.iter().any(close) {
                starts.push(p);
            }
            if starts.len() == STARTS {
                break;
            }
        }
        let (sse, p) = starts.into_iter().map(|p| self.refine(p)).fold(
            (f64::INFINITY, [0.5, self.low, self.high]),
            |a, b| {
                if b.0 < a.0 { b } else { a }
            },
        );
        let ordered = if p[1] <= p[2] {
            p
        } else {
            [1.0 - p[0], p[2], p[1]]
        };
        DoubleFit {
            fast_amplitude: ordered[0],
            fast_tau_ms: ordered[1].exp(),
            slow_tau_ms: ordered[2].exp(),
            sse,
        }
    }

    /// Levenberg–Marquardt within the box; a step is taken only if the error falls.
    fn refine(&self, start: Pair) -> (f64, Pair) {
        let (low, high) = ([0.0, self.low, self.low], [1.0, self.high, self.high]);
        let mut p = start;
        p[0] = self.best_share(p[1], p[2]);
        let mut normal = ([[0.0; 3]; 3], [0.0; 3]);
        let mut sse = self.double_at(p, Some(&mut normal));
        let mut damping = 1e-3;
        let mut idle = 0;
        for _ in 0..500 {
            let (jtj, jtr) = &normal;
            // A parameter held at its bound by the gradient does not take part in this step.
            let free: [bool; 3] = std::array::from_fn(|i| {
                !(p[i] <= low[i] && jtr[i] <= 0.0 || p[i] >= high[i] && jtr[i] >= 0.0)
            });
            let step = damped_step(jtj, jtr, free, damping);
            let mut next: Pair =
                std::array::from_fn(|i| (p[i] + step[i].clamp(-1.0, 1.0)).clamp(low[i], high[i]));
            next[0] = self.best_share(next[1], next[2]);
            let trial = self.double_at(next, None);
            if trial < sse {
                idle = if sse - trial <= 1e-13 * sse {
                    idle + 1
                } else {
                    0
                };
                p = next;
                sse = self.double_at(p, Some(&mut normal));
                damping = (damping * 0.2).max(1e-14);
            } else {
                damping *= 5.0;
            }
            if idle >= 3 || damping > 1e12 {
                break;
            }
        }
        (sse, p)
    }
}

/// Solves (JᵀJ + damping · its diagonal) step = Jᵀr over the free parameters, by elimination.
fn damped_step(jtj: &[[f64; 3]; 3], jtr: &[f64; 3], free: [bool; 3], damping: f64) -> [f64; 3] {
    let largest = (0..3).fold(0.0f64, |m, i| m.max(jtj[i][i]));
    let mut m = [[0.0; 4]; 3];
    for i in 0..3 {
        if !free[i] {
            m[i][i] = 1.0;
            continue;
        }
        for k in 0..3 {
            if free[k] {
                m[i][k] = jtj[i][k];
            }
        }
        // The small absolute part keeps a parameter without effect where it is.
        m[i][i] += damping * jtj[i][i] + 1e-15 * largest + f64::MIN_POSITIVE;
        m[i][3] = jtr[i];
    }
    // Positive definite: no pivoting needed.
    for i in 0..3 {
        for row in i + 1..3 {
            let f = m[row][i] / m[i][i];
            let upper = m[i];
            for (below, above) in m[row].iter_mut().zip(upper).skip(i) {
                *below -= f * above;
            }
        }
    }
    let mut step = [0.0; 3];
    for i in (0..3).rev() {
        let known: f64 = (i + 1..3).map(|k| m[i][k] * step[k]).sum();
        let s = (m[i][3] - known) / m[i][i];
        step[i] = if s.is_finite() { s } else { 0.0 };
    }
    step
}

// ---------------------------------------------------------------------------------------------
// Decay after a pulse

/// Time after a pulse until the response stays within `fraction` of its peak from the baseline
/// \[ms\]; 0 if it already does at the offset, none if it still leaves the band at the last sample.
///
/// The peak is the largest |x − baseline| of the whole series, also after the offset: areas far
/// from the stimulus peak late. The crossing is interpolated linearly between samples.
///
/// * `x` – response, evenly sampled, any unit
/// * `dt_ms` – sampling step \[ms\], above 0
/// * `offset` – sample at which the pulse ends
/// * `baseline` – value without stimulus, unit of `x`
/// * `fraction` – half-width of the band relative to the peak, within 0..1 (0.05 in Chaudhuri 2015)
///
/// Errors: offset outside, not finite, `dt_ms` or `fraction` out of range, no response at all.
pub fn decay_to(
    x: &[f64],
    dt_ms: f64,
    offset: usize,
    baseline: f64,
    fraction: f64,
) -> Result<Option<f64>, AnalysisError> {
    if !(fraction > 0.0 && fraction < 1.0) {
        let expected = "between 0 and 1";
        return Err(AnalysisError::Range {
            what: "fraction of the peak",
            value: fraction,
            expected,
        });
    }
    check_finite("response", x)?;
    let peak = x.iter().fold(0.0f64, |m, v| m.max((v - baseline).abs()));
    if peak == 0.0 {
        return Err(AnalysisError::Constant {
            what: "response to a pulse",
            index: 0,
        });
    }
    settle(x, dt_ms, offset, baseline, fraction * peak)
}

/// Time after sample `offset` until `x` stays within `band` of `baseline` \[ms\]: [`decay_to`] with
/// the band given in the unit of `x`, e.g. 5 % of the baseline rate. Errors: offset outside, not
/// finite, `dt_ms` or `band` not above 0.
pub fn settle(
    x: &[f64],
    dt_ms: f64,
    offset: usize,
    baseline: f64,
    band: f64,
) -> Result<Option<f64>, AnalysisError> {
    if offset >= x.len() {
        return Err(AnalysisError::Index {
            what: "pulse offset",
            found: offset,
            size: x.len(),
        });
    }
    check_finite("response", x)?;
    check_finite("baseline", [&baseline])?;
    for (what, value) in [("sampling step", dt_ms), ("band", band)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(AnalysisError::Range {
                what,
                value,
                expected: "above 0 and finite",
            });
        }
    }
    let distance = |v: &f64| (v - baseline).abs();
    let tail = &x[offset..];
    let Some(last) = tail.iter().rposition(|v| distance(v) > band) else {
        return Ok(Some(0.0));
    };
    let Some(inside) = tail.get(last + 1) else {
        return Ok(None);
    };
    // On the way from outside to inside the edge on the side of the outer point is crossed.
    let edge = baseline + band.copysign(tail[last] - baseline);
    let part = (tail[last] - edge) / (tail[last] - inside);
    Ok(Some((last as f64 + part) * dt_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lags(n: usize, step: f64) -> Vec<f64> {
        (0..n).map(|k| k as f64 * step).collect()
    }

    fn fit(t: &[f64], f: impl Fn(f64) -> f64) -> Timescale {
        let y: Vec<f64> = t.iter().map(|&t| f(t)).collect();
        fit_decay(t, &y, &FitOptions::default()).unwrap()
    }

    #[test]
    fn one_exponential_is_recovered_exactly() {
        for tau in [3.0, 42.0, 700.0, 1500.0] {
            let f = fit(&lags(6001, 1.0), |t| (-t / tau).exp());
            assert_eq!(f.kind, FitKind::Single);
            assert!((f.tau_ms / tau - 1.0).abs() < 1e-7, "{tau} {}", f.tau_ms);
            assert!((f.single.amplitude - 1.0).abs() < 1e-7);
            assert!(f.reached_floor && !f.at_bound);
        }
    }

    #[test]
    fn two_exponentials_are_recovered_and_weighted() {
        for (a, fast, slow) in [
            (0.7, 20.0, 300.0),
            (0.5, 50.0, 120.0),
            (0.95, 280.0, 2300.0),
        ] {
            let f = fit(&lags(3001, 2.0), |t| {
                a * (-t / fast).exp() + (1.0 - a) * (-t / slow).exp()
            });
            let d = f.double.unwrap();
            assert!((d.fast_amplitude - a).abs() < 1e-3, "{d:?}");
            assert!((d.fast_tau_ms / fast - 1.0).abs() < 1e-3);
            assert!((d.slow_tau_ms / slow - 1.0).abs() < 3e-3);
            assert_eq!(f.kind, FitKind::Double);
            assert!((f.tau_ms / (a * fast + (1.0 - a) * slow) - 1.0).abs() < 2e-3);
        }
    }

    #[test]
    fn a_slight_second_constant_does_not_reach_the_ratio() {
        // Near-flat top: the single fit with free amplitude is the better of the two.
        let f = fit(&lags(1000, 1.0), |t| {
            (10.0 * (-t / 100.0).exp() - (-t / 10.0).exp()) / 9.0
        });
        assert_eq!(f.kind, FitKind::Single);
        assert!(f.single.amplitude > 1.0);
        assert!(f.single.sse < f.double.unwrap().sse);
    }

    #[test]
    fn the_window_ends_at_the_first_value_below_the_floor() {
        let t = lags(100, 1.0);
        let mut y: Vec<f64> = t.iter().map(|t| (-t / 10.0).exp()).collect();
        // e^{-3} = 0.0498 at lag 30; what comes after must not count.
        y[40..].fill(0.9);
        let f = fit_decay(&t, &y, &FitOptions::default()).unwrap();
        assert_eq!(f.n_points, 30);
        assert!((f.tau_ms - 10.0).abs() < 1e-6);
    }

    #[test]
    fn a_decay_cut_short_says_so() {
        let f = fit(&lags(50, 1.0), |t| (-t / 100.0).exp());
        assert!(!f.reached_floor);
        assert_eq!(f.n_points, 50);
        let window = FitOptions {
            max_lag_ms: 20.0,
            ..FitOptions::default()
        };
        let t = lags(50, 1.0);
        let y: Vec<f64> = t.iter().map(|t| (-t / 100.0).exp()).collect();
        assert_eq!(fit_decay(&t, &y, &window).unwrap().n_points, 21);
    }

    #[test]
    fn a_flat_tail_ends_at_the_bound_and_says_so() {
        let f = fit(&lags(1000, 1.0), |t| 0.8 * (-t / 20.0).exp() + 0.2);
        assert_eq!(f.kind, FitKind::Double);
        assert!(f.at_bound && !f.reached_floor);
        assert!((f.double.unwrap().slow_tau_ms - 20_000.0).abs() < 1.0);
        let constant = fit(&lags(100, 1.0), |_| 1.0);
        assert!(constant.at_bound && constant.tau_ms.is_finite());
    }

    #[test]
    fn wild_input_gives_finite_answers() {
        for seed in 1..30u64 {
            let t = lags(60, 5.0);
            let mut s = seed;
            let mut y = vec![1.0];
            y.extend((1..60).map(|_| {
                s = s
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                0.06 + (s >> 11) as f64 / (1u64 << 53) as f64
            }));
            let f = fit_decay(&t, &y, &FitOptions::default()).unwrap();
            assert!(f.tau_ms.is_finite() && f.tau_ms > 0.0);
            assert!(f.double.unwrap().sse.is_finite());
        }
    }

    #[test]
    fn refuses_bad_fits() {
        let o = FitOptions::default();
        assert!(matches!(
            fit_decay(&[0.0, 1.0], &[1.0], &o),
            Err(AnalysisError::Length {
                found: 1,
                expected: 2,
                ..
            })
        ));
        assert!(matches!(
            fit_decay(&[0.0, 10.0, 20.0], &[1.0, 0.01, 0.0], &o),
            Err(AnalysisError::TooFew { found: 1, .. })
        ));
        assert!(matches!(
            fit_decay(&[0.0, 2.0, 2.0], &[1.0, 0.5, 0.4], &o),
            Err(AnalysisError::LagOrder { index: 2, .. })
        ));
        assert!(fit_decay(&[1.0, 2.0], &[1.0, 0.5], &o).is_err());
        assert!(fit_decay(&[0.0, 1.0], &[2.0, 0.5], &o).is_err());
        assert!(fit_decay(&[], &[], &o).is_err());
        let bad = FitOptions {
            max_tau_ms: 0.05,
            ..o
        };
        assert!(fit_decay(&[0.0, 1.0], &[1.0, 0.5], &bad).is_err());
    }

    #[test]
    fn decay_time_of_an_exponential() {
        // Peak 40 above 10 at the offset, τ = 50 ms: within 5 % after 50 ln 20.
        let x: Vec<f64> = (0..4000)
            .map(|k| 10.0 + 40.0 * (-f64::from(k) * 0.004).exp())
            .collect();
        let t = decay_to(&x, 0.2, 0, 10.0, 0.05).unwrap().unwrap();
        assert!((t - 50.0 * 20f64.ln()).abs() < 1e-3);
        // From 100 samples on the peak stays that of the whole series.
        let later = decay_to(&x, 0.2, 100, 10.0, 0.05).unwrap().unwrap();
        assert!((later - (t - 20.0)).abs() < 1e-9);
        assert_eq!(settle(&x, 0.2, 0, 10.0, 50.0), Ok(Some(0.0)));
    }

    #[test]
    fn decay_counts_the_last_exit_on_either_side() {
        let x = [0.0, 10.0, 0.0, -1.0, 0.0, 0.0];
        // Leaves the band of 0.5 downwards at sample 3, back inside halfway to sample 4.
        assert_eq!(decay_to(&x, 1.0, 1, 0.0, 0.05), Ok(Some(2.5)));
        assert_eq!(decay_to(&x[..4], 1.0, 1, 0.0, 0.05), Ok(None));
        assert!(matches!(
            decay_to(&x, 1.0, 6, 0.0, 0.05),
            Err(AnalysisError::Index { .. })
        ));
        assert!(decay_to(&[1.0; 4], 1.0, 1, 1.0, 0.05).is_err());
        assert!(decay_to(&x, 1.0, 1, 0.0, 1.5).is_err());
        assert!(decay_to(&x, 0.0, 1, 0.0, 0.05).is_err());
    }
}
