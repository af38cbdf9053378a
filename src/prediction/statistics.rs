//! Intervals and tests over replicates, without an assumption on the distribution.

use crate::rng::{Site, below};

/// Resamplings of a bootstrap, and random sign flips where there are too many to go through.
const DRAWS: u32 = 9999;
/// Up to so many replicates all sign flips are gone through.
const MOST_EXACT: usize = 13;
/// Seed of resampling: a table must not depend on when it is made.
const SEED: u64 = 1;

/// 95 % interval of the mean by the percentile bootstrap; none for fewer than two values.
#[must_use]
pub fn interval(x: &[f64]) -> Option<(f64, f64)> {
    if x.len() < 2 || x.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let site = Site::new("bootstrap", "", "");
    let n = x.len() as u32;
    let mut means: Vec<f64> = (0..DRAWS)
        .map(|draw| {
            let pick = |k: u32| x[below(SEED, draw * n + k, site, u64::from(n)) as usize];
            (0..n).map(pick).sum::<f64>() / f64::from(n)
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((means.len() - 1) as f64 * share).round() as usize];
    Some((at(0.025), at(0.975)))
}

/// Two-sided p of "no mean differs from zero" for every line, corrected over all of them: the share of
/// sign flips, the same for all lines, whose largest |t| over lines reaches the |t| of the line
/// (single-step max-T, Westfall & Young 1993). Unlike a correction by the number of lines it can
/// reach the smallest p that the number of replicates allows, 2 / 2^replicates.
///
/// `lines` holds the values, `[line][replicate]`; all lines have the same replicates. None for fewer than
/// two, and for a line that holds something else than numbers, which then does not count for the others.
#[must_use]
pub fn max_t(lines: &[Vec<f64>]) -> Vec<Option<f64>> {
    let n = lines.first().map_or(0, Vec::len);
    let counts = |x: &&Vec<f64>| n >= 2 && x.iter().all(|v| v.is_finite());
    let counted: Vec<&Vec<f64>> = lines.iter().filter(counts).collect();
    if counted.is_empty() {
        return vec![None; lines.len()];
    }
    let largest = |minus: &dyn Fn(usize) -> bool| -> f64 {
        counted.iter().map(|x| t_of(x, minus)).fold(0.0, f64::max)
    };
    let exact = n <= MOST_EXACT;
    let draws = if exact { 1 << n } else { DRAWS };
    let site = Site::new("sign flips", "", "");
    let flips: Vec<f64> = (0..draws)
        .map(|draw| match exact {
            true => largest(&|k| draw >> k & 1 == 1),
            false => largest(&|k| below(SEED, draw * n as u32 + k as u32, site, 2) == 1),
        })
        .collect();
    // Random flips do not hold the observed signs, which count (Phipson & Smyth 2010).
    let own = u32::from(!exact);
    let p = |x: &Vec<f64>| {
        let t = t_of(x, |_| false);
        // Sums in another order differ by round-off; equal ones must count as equal.
        let reached = flips.iter().filter(|f| **f >= t * (1.0 - 1e-9)).count() as u32;
        f64::from(reached + own) / f64::from(draws + own)
    };
    lines.iter().map(|x| counts(&x).then(|| p(x))).collect()
}

/// |t| of the mean with some signs flipped; 0 for values that are all zero.
fn t_of(x: &[f64], minus: impl Fn(usize) -> bool) -> f64 {
    let n = x.len() as f64;
    let sum: f64 = (x.iter().enumerate())
        .map(|(k, v)| if minus(k) { -v } else { *v })
        .sum();
    let squares: f64 = x.iter().map(|v| v * v).sum();
    if squares == 0.0 {
        return 0.0;
    }
    let variance = (squares / n - (sum / n).powi(2)).max(0.0) / (n - 1.0);
    // Equal values have no variance but round-off.
    (sum / n).abs() / variance.max(1e-30 * squares).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Replicate;

    #[test]
    fn one_line_of_equal_values_is_a_coin() {
        // Only all plus and all minus reach the mean of eight equal values.
        assert_eq!(max_t(&[vec![2.0; 8]]), [Some(2.0 / 256.0)]);
        assert_eq!(max_t(&[vec![1.0, -1.0, 1.0, -1.0]]), [Some(1.0)]);
        assert_eq!(max_t(&[vec![0.0; 5]]), [Some(1.0)]);
        assert_eq!(max_t(&[vec![1.0]]), [None]);
        assert_eq!(max_t(&[]), []);
        // Of 9,999 random flips of 14 values 1.2 have all signs alike; the observed one counts.
        let p = all(&[vec![0.5; 14]])[0];
        assert!((1e-4..=8e-4).contains(&p), "{p}");
    }

    fn all(lines: &[Vec<f64>]) -> Vec<f64> {
        max_t(lines).into_iter().map(Option::unwrap).collect()
    }

    #[test]
    fn a_line_without_numbers_leaves_the_others_as_they_are() {
        let lines = [noise(1), vec![f64::NAN; 10], noise(2)];
        let without = [noise(1), noise(2)];
        let (p, expected) = (max_t(&lines), max_t(&without));
        assert_eq!(p, [expected[0], None, expected[1]]);
    }

    fn noise(line: u64) -> Vec<f64> {
        let one = |r| crate::rng::normal(line, 1, Site::new("test", "", ""), Replicate(r));
        (0..10).map(one).collect()
    }

    #[test]
    fn a_clear_line_stays_clear_among_many() {
        let mut lines: Vec<Vec<f64>> = (0..100).map(noise).collect();
        lines.push(noise(100).iter().map(|x| 5.0 + x).collect());
        let p = all(&lines);
        assert_eq!(p[100], 2.0 / 1024.0);
        let alone = all(&lines[..1])[0];
        assert!(p[0] >= alone, "{} among many, {alone} alone", p[0]);
    }

    /// One family in twenty of lines without effect has a line that passes at 0.05.
    #[test]
    fn chance_passes_as_often_as_stated() {
        let families = 200;
        let passes = |family: u64| {
            let lines: Vec<Vec<f64>> = (0..20).map(|k| noise(1000 + family * 20 + k)).collect();
            all(&lines).iter().any(|p| *p <= 0.05)
        };
        let passed = (0..families).filter(|f| passes(*f)).count();
        // Binomial: mean 10, standard deviation 3.1.
        assert!((1..=22).contains(&passed), "{passed} of {families}");
    }

    #[test]
    fn the_interval_holds_the_mean_and_narrows() {
        let few: Vec<f64> = (0..10).map(f64::from).collect();
        let many: Vec<f64> = (0..1000).map(|k| f64::from(k % 10)).collect();
        let (low, high) = interval(&few).unwrap();
        assert!(low < 4.5 && 4.5 < high);
        // Standard error of the mean of 0..9, sqrt(8.25 / 10); the normal interval is 3.56 wide.
        assert!((high - low - 3.56).abs() < 0.3, "{low} to {high}");
        let (a, b) = interval(&many).unwrap();
        assert!(b - a < 0.2 * (high - low));
    }
}
