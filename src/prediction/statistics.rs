//! Intervals and tests over replicates, without an assumption on the distribution.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::analysis::stats;
use crate::rng::{Site, below};

/// Resamplings of a bootstrap, and random sign flips where there are too many to go through.
const DRAWS: u32 = 9999;
/// Up to so many replicates all sign flips are gone through.
const MOST_EXACT: usize = 13;
/// Seed of resampling: a table must not depend on when it is made.
const SEED: u64 = 1;

/// One line of a table: what control and perturbation gave in every replicate; none where a replicate does not
/// count for the line.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// Differences, perturbed minus control, of which the mean counts.
    Mean(Vec<Option<f64>>),
    /// Trials with and without a signal, of which the difference of two d′ counts.
    Sensitivity(Vec<Option<Detected>>),
}

/// Trials of one replicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Detected {
    /// With a signal.
    pub signal: Tally,
    /// Without.
    pub noise: Tally,
}

/// How many trials there are, and how many of them ended with a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// All.
    pub trials: u32,
    /// With a choice in the control.
    pub control: u32,
    /// With a choice under the perturbation.
    pub perturbed: u32,
}

impl Tally {
    fn add(&mut self, other: Tally, swapped: bool) {
        let (control, perturbed) = match swapped {
            false => (other.control, other.perturbed),
            true => (other.perturbed, other.control),
        };
        self.trials += other.trials;
        self.control += control;
        self.perturbed += perturbed;
    }
}

impl Detected {
    /// All trials of some replicates, of which some have control and perturbation swapped.
    fn sum<'a>(all: impl Iterator<Item = (&'a Detected, bool)>) -> Detected {
        let mut out = Detected::default();
        for (one, swapped) in all {
            out.signal.add(one.signal, swapped);
            out.noise.add(one.noise, swapped);
        }
        out
    }

    /// d′ of the control and under the perturbation; none without trials of both kinds.
    fn d_prime(&self, z: &Quantiles) -> Option<(f64, f64)> {
        let (s, n) = (self.signal, self.noise);
        let of = |hits, alarms| Some(z.of(hits, s.trials)? - z.of(alarms, n.trials)?);
        Some((of(s.control, n.control)?, of(s.perturbed, n.perturbed)?))
    }

    fn difference(&self, z: &Quantiles) -> f64 {
        let both = self.d_prime(z);
        both.map_or(f64::NAN, |(control, perturbed)| perturbed - control)
    }
}

/// d′ of the control and under the perturbation from all replicates; none without trials of both kinds.
#[must_use]
pub fn sensitivities(all: &[Option<Detected>]) -> Option<(f64, f64)> {
    let all = all.iter().flatten().map(|one| (one, false));
    Detected::sum(all).d_prime(&Quantiles::default())
}

/// z of shares of trials; the same few come again with every resampling.
#[derive(Default)]
struct Quantiles(RefCell<BTreeMap<(u32, u32), f64>>);

impl Quantiles {
    fn of(&self, chosen: u32, trials: u32) -> Option<f64> {
        if let Some(known) = self.0.borrow().get(&(chosen, trials)) {
            return Some(*known);
        }
        let z = stats::z_of_share(chosen, trials)?;
        self.0.borrow_mut().insert((chosen, trials), z);
        Some(z)
    }
}

impl Line {
    fn len(&self) -> usize {
        match self {
            Line::Mean(x) => x.len(),
            Line::Sensitivity(x) => x.len(),
        }
    }

    fn has(&self, replicate: usize) -> bool {
        match self {
            Line::Mean(x) => x[replicate].is_some(),
            Line::Sensitivity(x) => x[replicate].is_some(),
        }
    }

    /// Replicates that count.
    #[must_use]
    pub fn replicates(&self) -> usize {
        (0..self.len()).filter(|&k| self.has(k)).count()
    }

    /// Whether it can be tested: two replicates or more, and nothing but numbers.
    fn is_tested(&self) -> bool {
        let numbers = match self {
            Line::Mean(x) => x.iter().flatten().all(|v| v.is_finite()),
            Line::Sensitivity(x) => sensitivities(x).is_some(),
        };
        numbers && self.replicates() >= 2
    }

    fn only(&self, replicates: &[usize]) -> Line {
        match self {
            Line::Mean(x) => Line::Mean(replicates.iter().map(|&k| x[k]).collect()),
            Line::Sensitivity(x) => Line::Sensitivity(replicates.iter().map(|&k| x[k]).collect()),
        }
    }

    /// How far the line is from no difference when control and perturbation are swapped in some replicates.
    fn distance(&self, z: &Quantiles, swapped: impl Fn(usize) -> bool) -> f64 {
        match self {
            Line::Mean(x) => t_of(x, swapped),
            Line::Sensitivity(x) => {
                let all = x.iter().enumerate();
                let all = all.filter_map(|(k, one)| Some((one.as_ref()?, swapped(k))));
                Detected::sum(all).difference(z).abs()
            }
        }
    }
}

/// 95 % interval of the difference by the percentile bootstrap over replicates, of d′ over those with a signal
/// and those without apart; none for fewer than two replicates, or where one gives no number.
#[must_use]
pub fn interval(line: &Line) -> Option<(f64, f64)> {
    if !line.is_tested() {
        return None;
    }
    match line {
        Line::Mean(x) => {
            let x: Vec<f64> = x.iter().flatten().copied().collect();
            let n = x.len() as u32;
            let site = Site::new("bootstrap", "", "");
            percentiles(|draw| {
                let pick = |k: u32| x[below(SEED, draw * n + k, site, u64::from(n)) as usize];
                (0..n).map(pick).sum::<f64>() / f64::from(n)
            })
        }
        Line::Sensitivity(x) => {
            let of = |kind: (bool, bool)| {
                let all = x.iter().flatten();
                let is = |d: &&Detected| (d.signal.trials > 0, d.noise.trials > 0) == kind;
                all.filter(is).copied().collect::<Vec<Detected>>()
            };
            let strata = [(true, false), (false, true), (true, true)].map(of);
            let z = Quantiles::default();
            let sites = ["signal", "noise", "both"].map(|name| Site::new("bootstrap", name, ""));
            percentiles(|draw| {
                let both = strata.iter().zip(sites);
                let drawn = both.flat_map(|(stratum, site)| {
                    let n = stratum.len() as u32;
                    let pick = move |k: u32| below(SEED, draw * n + k, site, u64::from(n));
                    (0..n).map(move |k| (&stratum[pick(k) as usize], false))
                });
                Detected::sum(drawn).difference(&z)
            })
        }
    }
}

fn percentiles(of: impl Fn(u32) -> f64) -> Option<(f64, f64)> {
    let mut drawn: Vec<f64> = (0..DRAWS).map(of).collect();
    drawn.sort_by(f64::total_cmp);
    let at = |share: f64| drawn[((drawn.len() - 1) as f64 * share).round() as usize];
    Some((at(0.025), at(0.975)))
}

/// Two-sided p of "the perturbation changes nothing" for every line, corrected over all of them: the share of
/// swaps of control and perturbation, the same for all lines, whose largest distance over lines reaches that of
/// the line (single-step max-T, Westfall & Young 1993). Unlike a correction by the number of lines it can
/// reach the smallest p that the number of replicates allows, 2 / 2^replicates.
///
/// A swap is a flip of the sign of a difference. The distance of a mean is its |t|; that of d′ is the size of its
/// difference over the root mean square of that over all swaps, which makes the two comparable.
///
/// All lines have the same replicates, of which each may leave some out. None for a line with fewer than two, and
/// for one that holds something else than numbers, which then does not count for the others.
#[must_use]
pub fn max_t(lines: &[Line]) -> Vec<Option<f64>> {
    let n = lines.first().map_or(0, Line::len);
    let tested: Vec<&Line> = lines.iter().filter(|x| x.is_tested()).collect();
    // What no line has is not swapped: fewer replicates can be gone through one by one.
    let kept: Vec<usize> = (0..n)
        .filter(|&k| tested.iter().any(|x| x.has(k)))
        .collect();
    let (n, tested) = (kept.len(), tested.iter().map(|x| x.only(&kept)));
    let tested: Vec<Line> = tested.collect();
    if tested.is_empty() {
        return vec![None; lines.len()];
    }
    let exact = n <= MOST_EXACT;
    let draws = if exact { 1 << n } else { DRAWS };
    let site = Site::new("sign flips", "", "");
    let swapped = |draw: u32, k: usize| match exact {
        true => draw >> k & 1 == 1,
        false => below(SEED, draw * n as u32 + k as u32, site, 2) == 1,
    };
    let z = Quantiles::default();
    let scale = |x: &Line| match x {
        Line::Mean(_) => 1.0,
        Line::Sensitivity(_) => {
            let squares = (0..draws).map(|draw| x.distance(&z, |k| swapped(draw, k)).powi(2));
            let size = (squares.sum::<f64>() / f64::from(draws)).sqrt();
            if size > 0.0 { size } else { 1.0 }
        }
    };
    let scales: Vec<f64> = tested.iter().map(scale).collect();
    let flips: Vec<f64> = (0..draws)
        .map(|draw| {
            let both = tested.iter().zip(&scales);
            let of = |(x, scale): (&Line, &f64)| x.distance(&z, |k| swapped(draw, k)) / scale;
            both.map(of).fold(0.0, f64::max)
        })
        .collect();
    // Random flips do not hold the observed signs, which count (Phipson & Smyth 2010).
    let own = u32::from(!exact);
    let p = |x: &Line, scale: f64| {
        let t = x.distance(&z, |_| false) / scale;
        // Sums in another order differ by round-off; equal ones must count as equal.
        let reached = flips.iter().filter(|f| **f >= t * (1.0 - 1e-9)).count() as u32;
        f64::from(reached + own) / f64::from(draws + own)
    };
    let mut found = tested.iter().zip(&scales);
    let of = |x: &Line| {
        let (x, scale) = x.is_tested().then(|| found.next()).flatten()?;
        Some(p(x, *scale))
    };
    lines.iter().map(of).collect()
}

/// |t| of the mean with some signs flipped; 0 for values that are all zero.
fn t_of(x: &[Option<f64>], minus: impl Fn(usize) -> bool) -> f64 {
    let known = || x.iter().enumerate().filter_map(|(k, v)| Some((k, (*v)?)));
    let n = known().count() as f64;
    let sum: f64 = known().map(|(k, v)| if minus(k) { -v } else { v }).sum();
    let squares: f64 = known().map(|(_, v)| v * v).sum();
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
        assert_eq!(p_of(&[vec![2.0; 8]]), [Some(2.0 / 256.0)]);
        assert_eq!(p_of(&[vec![1.0, -1.0, 1.0, -1.0]]), [Some(1.0)]);
        assert_eq!(p_of(&[vec![0.0; 5]]), [Some(1.0)]);
        assert_eq!(p_of(&[vec![1.0]]), [None]);
        assert_eq!(p_of(&[]), []);
        // Of 9,999 random flips of 14 values 1.2 have all signs alike; the observed one counts.
        let p = all(&[vec![0.5; 14]])[0];
        assert!((1e-4..=8e-4).contains(&p), "{p}");
    }

    fn line(x: &[f64]) -> Line {
        Line::Mean(x.iter().copied().map(Some).collect())
    }

    fn p_of(lines: &[Vec<f64>]) -> Vec<Option<f64>> {
        max_t(&lines.iter().map(|x| line(x)).collect::<Vec<_>>())
    }

    fn all(lines: &[Vec<f64>]) -> Vec<f64> {
        p_of(lines).into_iter().map(Option::unwrap).collect()
    }

    /// Lines of other replicates are lines of their own, and as many as are left decide.
    #[test]
    fn what_a_line_leaves_out_changes_nothing_of_it() {
        let part = |from: usize, x: f64| {
            let of = |k: usize| (from..from + 8).contains(&k).then_some(x);
            Line::Mean((0..20).map(of).collect())
        };
        assert_eq!(max_t(&[part(3, 2.0)]), [Some(2.0 / 256.0)]);
        assert_eq!(interval(&part(3, 2.0)), Some((2.0, 2.0)));
        assert_eq!(part(3, 2.0).replicates(), 8);
        let few = Line::Mean(vec![Some(1.0), None, None]);
        assert_eq!(
            (max_t(std::slice::from_ref(&few)), interval(&few)),
            (vec![None], None)
        );
    }

    fn detected(signal: bool, control: bool, perturbed: bool) -> Option<Detected> {
        let tally = Tally {
            trials: 1,
            control: u32::from(control),
            perturbed: u32::from(perturbed),
        };
        let mut out = Detected::default();
        *(if signal {
            &mut out.signal
        } else {
            &mut out.noise
        }) = tally;
        Some(out)
    }

    #[test]
    fn a_lost_sensitivity_is_found_and_an_equal_one_is_not() {
        // Five hits are lost, false alarms stay: only swaps of all five hits at once are as far off.
        let noise = [detected(false, false, false); 5];
        let lost = [&[detected(true, true, false); 5][..], &noise].concat();
        let same = [&[detected(true, true, true); 5][..], &noise].concat();
        let (lost, same) = (Line::Sensitivity(lost), Line::Sensitivity(same));
        let p = max_t(&[lost.clone(), same.clone()]);
        assert_eq!(p, [Some(2.0 / 32.0), Some(1.0)]);
        let (low, high) = interval(&lost).unwrap();
        assert!(low == high && high < -2.0, "{low} to {high}");
        assert_eq!(interval(&same), Some((0.0, 0.0)));
        let without = Line::Sensitivity(vec![detected(true, true, false); 5]);
        assert_eq!(
            (max_t(std::slice::from_ref(&without)), interval(&without)),
            (vec![None], None)
        );
    }

    #[test]
    fn a_line_without_numbers_leaves_the_others_as_they_are() {
        let lines = [noise(1), vec![f64::NAN; 10], noise(2)];
        let without = [noise(1), noise(2)];
        let (p, expected) = (p_of(&lines), p_of(&without));
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
        let (low, high) = interval(&line(&few)).unwrap();
        assert!(low < 4.5 && 4.5 < high);
        // Standard error of the mean of 0..9, sqrt(8.25 / 10); the normal interval is 3.56 wide.
        assert!((high - low - 3.56).abs() < 0.3, "{low} to {high}");
        let (a, b) = interval(&line(&many)).unwrap();
        assert!(b - a < 0.2 * (high - low));
    }
}
