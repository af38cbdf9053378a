//! Numbers of the figure: how they are written, scaled, thinned and related.

use super::canvas::Point;
use super::labels::distance_to_line;

/// Times, timescales [ms] and hierarchies beyond this are no measurements, and would overflow.
pub(super) const LARGEST: f64 = 1e15;

/// Three digits of a quantity: `100`, `19.3`, `0.0252`, `8.63×10⁻⁴`.
pub(super) fn quantity(v: f64) -> String {
    let scientific = format!("{:.2e}", v.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if v < 0.0 { "−" } else { "" };
    if v == 0.0 {
        "0".to_owned()
    } else if (-3..5).contains(&exponent) {
        let decimals = (2 - exponent).max(0) as usize;
        format!("{sign}{:.decimals$}", v.abs())
    } else {
        format!("{sign}{mantissa}×10{}", superscript(exponent))
    }
}

fn superscript(v: i32) -> String {
    let digit = |c| match c {
        '-' => '⁻',
        c => "⁰¹²³⁴⁵⁶⁷⁸⁹"
            .chars()
            .nth(c as usize - '0' as usize)
            .unwrap_or(c),
    };
    v.to_string().chars().map(digit).collect()
}

/// Ticks at 1, 2 or 5 times a power of ten inside `[lo, hi]`, about `wanted` of them.
pub(super) fn linear_ticks(lo: f64, hi: f64, wanted: f64) -> Vec<(f64, String)> {
    let rough = (hi - lo) / wanted;
    if !(rough.is_finite() && rough > 0.0) {
        return vec![(lo, quantity(lo))];
    }
    let ten = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|m| m * ten)
        .into_iter()
        .find(|s| *s >= rough);
    let step = step.unwrap_or(10.0 * ten);
    let decimals = (-(step * 1.0001).log10().floor()).clamp(0.0, 12.0) as usize;
    let (first, last) = ((lo / step - 1e-9).ceil(), (hi / step + 1e-9).floor());
    let label = |v: f64| {
        let text = format!("{v:.decimals$}");
        if v.abs() < step / 2.0 {
            "0".to_owned()
        } else {
            text.replace('-', "−")
        }
    };
    // `rough` bounds the count, whatever rounding does to very narrow ranges far from zero.
    (0..=((last - first).clamp(0.0, 100.0) as usize))
        .map(|i| (first + i as f64) * step)
        .map(|v| (v, label(v)))
        .collect()
}

/// Ticks of a logarithmic axis: decades where there are many, else 1, 2, 5, else every digit.
pub(super) fn log_ticks(lo: f64, hi: f64) -> Vec<(f64, String)> {
    let decades = (lo.log10().floor() as i32)..=(hi.log10().ceil() as i32);
    let ticks = |digits: &[f64]| -> Vec<(f64, String)> {
        let all = decades
            .clone()
            .flat_map(|d| digits.iter().map(move |m| m * 10f64.powi(d)));
        all.filter(|v| (lo..=hi).contains(v))
            .map(|v| {
                let decimals = (-v.log10().floor()).clamp(0.0, 3.0) as usize;
                let plain = (1e-3..1e5).contains(&v);
                (
                    v,
                    if plain {
                        format!("{v:.decimals$}")
                    } else {
                        // As short as it can be: the name of the axis stands beside it.
                        format!("{v:.1e}").replace(".0e", "e")
                    },
                )
            })
            .collect()
    };
    if (hi / lo).log10() > 3.0 {
        return ticks(&[1.0]);
    }
    let few = ticks(&[1.0, 2.0, 5.0]);
    if few.len() >= 3 {
        few
    } else {
        ticks(&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
    }
}

/// How one trace fills its row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RowScale {
    /// Value at the bottom of the row.
    pub(super) lo: f64,
    /// Value at the top of the row.
    pub(super) hi: f64,
    /// Value farthest from baseline, with its sign.
    pub(super) peak: f64,
    /// Standard deviation over time.
    pub(super) sd: f64,
    /// Swings to both sides of the baseline most of the time, as noise does.
    pub(super) two_sided: bool,
}

impl RowScale {
    /// Every row holds the baseline. Without a stimulus a trace that swings to both sides is scaled
    /// to its middle 96 % and a margin: a start far from the resting state must not flatten the
    /// rest. With a stimulus the whole range counts, for a brief response is what one looks for.
    pub(super) fn of(values: &[f64], stimulated: bool) -> Self {
        let mut finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        if finite.is_empty() {
            return Self {
                lo: 0.0,
                hi: 1.0,
                peak: f64::NAN,
                sd: f64::NAN,
                two_sided: false,
            };
        }
        let n = finite.len() as f64;
        let mean = finite.iter().sum::<f64>() / n;
        let sd = (finite.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        let min = finite.iter().copied().fold(0.0, f64::min);
        let max = finite.iter().copied().fold(0.0, f64::max);
        let peak = if max >= -min { max } else { min };
        let mut quantile = |q: f64| {
            let at = ((finite.len() - 1) as f64 * q).round() as usize;
            *finite.select_nth_unstable_by(at, f64::total_cmp).1
        };
        let (low, high) = (quantile(0.02), quantile(0.98));
        let two_sided = (-low).min(high) > 0.3 * (-low).max(high);
        let margin = if two_sided && !stimulated {
            0.35 * (high - low)
        } else {
            f64::INFINITY
        };
        let (lo, hi) = (min.max(low - margin), max.min(high + margin));
        Self {
            lo,
            hi,
            peak,
            sd,
            two_sided,
        }
    }

    /// Height of a value in the row, 0 to 1.
    pub(super) fn fraction(&self, v: f64) -> f64 {
        // Halves, because the difference of two huge values would overflow.
        let range = self.hi / 2.0 - self.lo / 2.0;
        if range > 0.0 {
            ((v / 2.0 - self.lo / 2.0) / range).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

/// The trace as polylines, broken where values are not finite, with at most two points (lowest and
/// highest, in their order) for each of `columns` columns: peaks survive whatever the number of
/// samples.
pub(super) fn decimate(
    x: impl Fn(usize) -> f64,
    values: &[f64],
    first: f64,
    width: f64,
    columns: usize,
) -> Vec<Vec<(f64, f64)>> {
    let column = |i: usize| (((x(i) - first) / width * columns as f64) as usize).min(columns - 1);
    let mut lines = Vec::new();
    let mut line: Vec<(f64, f64)> = Vec::new();
    let mut i = 0;
    while i < values.len() {
        if !values[i].is_finite() {
            lines.push(std::mem::take(&mut line));
            i += 1;
            continue;
        }
        let here = column(i);
        let (mut low, mut high, mut end) = (i, i, i);
        while end < values.len() && values[end].is_finite() && column(end) == here {
            low = if values[end] < values[low] { end } else { low };
            high = if values[end] > values[high] {
                end
            } else {
                high
            };
            end += 1;
        }
        let mut kept = vec![low.min(high), low.max(high)];
        // The ends of a line stay where they are.
        if line.is_empty() {
            kept.insert(0, i);
        }
        if values.get(end).is_none_or(|next| !next.is_finite()) {
            kept.push(end - 1);
        }
        kept.dedup();
        line.extend(kept.into_iter().map(|k| (x(k), values[k])));
        i = end;
    }
    lines.push(line);
    lines.retain(|line| !line.is_empty());
    lines
}

/// The line without the points that lie on it to a tenth of a pixel (Douglas & Peucker 1973).
pub(super) fn simplify(points: &[Point]) -> Vec<Point> {
    let mut keep = vec![false; points.len()];
    let mut open = vec![(0, points.len().saturating_sub(1))];
    while let Some((a, b)) = open.pop() {
        for end in [a, b] {
            if let Some(keep) = keep.get_mut(end) {
                *keep = true;
            }
        }
        let gap = |i: usize| distance_to_line(points[i], points[a], points[b]);
        let farthest = (a + 1..b)
            .map(|i| (gap(i), i))
            .max_by(|x, y| x.0.total_cmp(&y.0));
        if let Some((_, i)) = farthest.filter(|(gap, _)| *gap > 0.1) {
            open.extend([(a, i), (i, b)]);
        }
    }
    points
        .iter()
        .zip(keep)
        .filter(|(_, keep)| *keep)
        .map(|(p, _)| *p)
        .collect()
}

/// Intercept, slope and r² of a straight line; `None` where either side does not vary.
pub(super) fn straight_line(x: &[f64], y: &[f64]) -> Option<(f64, f64, f64)> {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        x.iter().zip(y).map(|(a, b)| f(a - mx, b - my)).sum()
    };
    let (xx, yy, xy) = (sum(&|a, _| a * a), sum(&|_, b| b * b), sum(&|a, b| a * b));
    let r2 = xy * xy / (xx * yy);
    r2.is_finite().then(|| (my - xy / xx * mx, xy / xx, r2))
}

/// Ranks from 1, ties sharing their mean rank.
fn ranks(v: &[f64]) -> Vec<f64> {
    let below = |a: f64| v.iter().filter(|b| **b < a).count() as f64;
    let equal = |a: f64| v.iter().filter(|b| **b == a).count() as f64;
    v.iter()
        .map(|a| below(*a) + (equal(*a) + 1.0) / 2.0)
        .collect()
}

/// Spearman's rank correlation.
pub(super) fn rank_correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    straight_line(&ranks(x), &ranks(y)).map(|(_, slope, r2)| r2.sqrt().copysign(slope))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of unit variance by a linear congruence.
    fn noise(n: usize, seed: u64) -> Vec<f64> {
        let mut state = seed;
        let mut uniform = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..n)
            .map(|_| (0..12).map(|_| uniform()).sum::<f64>() - 6.0)
            .collect()
    }

    #[test]
    fn quantities_have_three_digits() {
        let cases = [
            (99.9999, "100"),
            (19.333, "19.3"),
            (0.025_184, "0.0252"),
            (-3.0, "−3.00"),
            (8.634e-4, "8.63×10⁻⁴"),
            (1.5e17, "1.50×10¹⁷"),
            (0.0, "0"),
        ];
        for (value, text) in cases {
            assert_eq!(quantity(value), text);
        }
    }

    #[test]
    fn ticks_are_round() {
        let labels = |t: Vec<(f64, String)>| t.into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(
            labels(linear_ticks(0.0, 2100.0, 5.0)),
            ["0", "500", "1000", "1500", "2000"]
        );
        assert_eq!(labels(linear_ticks(-0.6, 1.02, 3.0)), ["0", "1"]);
        assert_eq!(labels(linear_ticks(-0.1, 0.52, 3.0)), ["0", "0.5"]);
        assert_eq!(labels(linear_ticks(7.0, 7.0, 5.0)), ["7.00"]);
        assert_eq!(
            labels(log_ticks(35.0, 1300.0)),
            ["50", "100", "200", "500", "1000"]
        );
        assert_eq!(
            labels(log_ticks(0.5, 20_000.0)),
            ["1", "10", "100", "1000", "10000"]
        );
        assert_eq!(
            labels(log_ticks(550.0, 950.0)),
            ["600", "700", "800", "900"]
        );
        assert!((4..40).contains(&log_ticks(1.0 / LARGEST, LARGEST).len()));
    }

    #[test]
    fn rows_follow_noise_and_brief_responses() {
        let mut rest = noise(10_000, 1);
        rest[..20].fill(-500.0);
        let scale = RowScale::of(&rest, false);
        assert!(
            scale.two_sided && scale.lo > -5.0 && scale.hi < 5.0,
            "{scale:?}"
        );
        let mut brief = noise(10_000, 2);
        brief[..20].fill(500.0);
        let scale = RowScale::of(&brief, true);
        assert_eq!((scale.hi, scale.peak), (500.0, 500.0));
        let below = RowScale::of(&[0.0, -3.0, -1.0, f64::NAN], true);
        assert_eq!((below.lo, below.hi, below.peak), (-3.0, 0.0, -3.0));
        assert_eq!([0.0, -3.0, 9.0].map(|v| below.fraction(v)), [1.0, 0.0, 1.0]);
        assert_eq!(RowScale::of(&[0.0; 3], true).fraction(0.0), 0.0);
        let huge = RowScale::of(&[f64::MAX, -f64::MAX], true);
        assert_eq!(huge.fraction(f64::MAX), 1.0);
        assert!(RowScale::of(&[f64::NAN], true).peak.is_nan());
    }

    #[test]
    fn decimation_keeps_extremes_ends_and_gaps() {
        let mut values = noise(100_000, 3);
        values[31_415] = 60.0;
        values[27_182] = -60.0;
        let thin = |values: &[f64]| decimate(|i| i as f64, values, 0.0, 99_999.0, 500);
        let lines = thin(&values);
        assert_eq!(lines.len(), 1);
        let line = &lines[0];
        assert!(line.len() <= 2 * 500 + 2 && line.windows(2).all(|w| w[0].0 < w[1].0));
        assert!(line.contains(&(31_415.0, 60.0)) && line.contains(&(27_182.0, -60.0)));
        assert_eq!((line[0].0, line[line.len() - 1].0), (0.0, 99_999.0));
        values[50_000] = f64::NAN;
        let lines = thin(&values);
        assert_eq!(lines.len(), 2);
        assert_eq!(
            (lines[0].last().map(|p| p.0), lines[1][0].0),
            (Some(49_999.0), 50_001.0)
        );
        assert!(thin(&[f64::NAN; 4]).is_empty());
    }

    #[test]
    fn simplified_lines_keep_their_corners() {
        let line = [
            (0.0, 0.0),
            (1.0, 1.0),
            (2.0, 2.0),
            (3.0, 0.0),
            (4.0, 0.02),
            (5.0, 0.0),
        ];
        assert_eq!(
            simplify(&line),
            [(0.0, 0.0), (2.0, 2.0), (3.0, 0.0), (5.0, 0.0)]
        );
        assert_eq!(simplify(&line[..1]), [(0.0, 0.0)]);
        assert_eq!(simplify(&[]), []);
    }

    #[test]
    fn correlations_are_those_of_the_books() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0];
        let (a, b, r2) = straight_line(&x, &[3.0, 5.0, 7.0, 9.0, 11.0]).unwrap();
        assert!((a - 1.0).abs() < 1e-12 && (b - 2.0).abs() < 1e-12 && (r2 - 1.0).abs() < 1e-12);
        assert!(straight_line(&x, &[2.0; 5]).is_none());
        assert_eq!(ranks(&[10.0, 30.0, 10.0, 20.0]), [1.5, 4.0, 1.5, 3.0]);
        // One exchange of neighbours: 1 - 6 * 2 / (5 * 24).
        let rho = rank_correlation(&x, &[1.0, 2.0, 4.0, 3.0, 90.0]).unwrap();
        assert!((rho - 0.9).abs() < 1e-12);
        let rho = rank_correlation(&x, &[5.0, 4.0, 3.0, 2.0, 1.0]).unwrap();
        assert!((rho + 1.0).abs() < 1e-12);
    }
}
