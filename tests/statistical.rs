//! The law of the addressed numbers: standard normal, and independent along every part of the
//! address.
//!
//! Seeds are fixed, so these tests pass or fail for ever. The probability that correct numbers
//! would fail any of them is [`FAMILY`]: every p-value is held against its share of it.

mod common;

use common::{Experiment, record};
use isocortex::ids::Replicate;
use isocortex::noise::start_site;
use isocortex::rng::{Site, normal};
use isocortex::stepper::linear::start_state;
use ndarray::s;

/// Probability of at least one false alarm in the whole file.
const FAMILY: f64 = 1e-4;
/// Numbers per sample.
const N: usize = 100_000;

/// Named p-values and the verdict on all of them together.
#[derive(Default)]
struct Family(Vec<(String, f64)>);

impl Family {
    fn add(&mut self, name: String, p: f64) {
        assert!((0.0..=1.0).contains(&p), "{name}: p = {p}");
        self.0.push((name, p));
    }

    /// Bonferroni: `share` of the family's budget over the tests that were made.
    fn verdict(&self, share: f64) -> Result<(), String> {
        let limit = FAMILY * share / self.0.len() as f64;
        let failed: Vec<String> = self
            .0
            .iter()
            .filter(|(_, p)| *p < limit)
            .map(|(name, p)| format!("{name}: p = {p:e}, limit {limit:e}"))
            .collect();
        if failed.is_empty() {
            let smallest = self.0.iter().map(|(_, p)| *p).fold(1.0, f64::min);
            println!(
                "{} tests, smallest p {smallest:.2e}, limit {limit:.2e}",
                self.0.len()
            );
            Ok(())
        } else {
            Err(failed.join("\n"))
        }
    }
}

/// Complementary error function for x >= 0: series below 2, continued fraction (Lentz) above.
fn erfc(x: f64) -> f64 {
    let pi = std::f64::consts::PI;
    if x < 2.0 {
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term.abs() > 1e-17 * sum.abs() {
            n += 1.0;
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        return 1.0 - 2.0 / pi.sqrt() * sum;
    }
    let mut tail = 0.0;
    for k in (1..60).rev() {
        tail = f64::from(k) / 2.0 / (x + tail);
    }
    (-x * x).exp() / pi.sqrt() / (x + tail)
}

/// Probability that a standard normal number is at most z.
fn phi(z: f64) -> f64 {
    let tail = 0.5 * erfc(z.abs() / std::f64::consts::SQRT_2);
    if z < 0.0 { tail } else { 1.0 - tail }
}

fn two_sided(z: f64) -> f64 {
    erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// Kolmogorov's limit law with Stephens's correction for finite n.
fn kolmogorov_smirnov(sorted: &[f64]) -> f64 {
    let n = sorted.len() as f64;
    let distance = sorted
        .iter()
        .enumerate()
        .map(|(i, &x)| {
            let (below, f) = (i as f64 / n, phi(x));
            (f - below).abs().max((below + 1.0 / n - f).abs())
        })
        .fold(0.0, f64::max);
    let x = distance * (n.sqrt() + 0.12 + 0.11 / n.sqrt());
    if x < 0.3 {
        return 1.0; // the alternating series is 1 to more digits than matter
    }
    let terms = (1..100).map(|k| {
        let k = f64::from(k);
        let sign = if k as i32 % 2 == 0 { -1.0 } else { 1.0 };
        sign * (-2.0 * k * k * x * x).exp()
    });
    (2.0 * terms.sum::<f64>()).clamp(0.0, 1.0)
}

/// Anderson & Darling's A² of a law known in full. A² is a sum of chi-square variables with weights
/// 1 / (j (j + 1)); its tail is that of the first, times sqrt 3 for the others.
fn anderson_darling(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    let sum: f64 = (0..n)
        .map(|i| {
            // ln(1 - F(x)) = ln F(-x): no digits are lost in the tails.
            let (low, high) = (phi(sorted[i]).ln(), phi(-sorted[n - 1 - i]).ln());
            (2 * i + 1) as f64 * (low + high)
        })
        .sum();
    let a2 = -(n as f64) - sum / n as f64;
    (3.0_f64.sqrt() * erfc(a2.max(0.0).sqrt())).min(1.0)
}

/// Both tails: numbers may also be spread too evenly to be random. Wilson & Hilferty's normal
/// approximation, for many degrees of freedom.
fn chi_square(counts: &[f64], expected: f64, degrees: f64) -> f64 {
    let chi2: f64 = counts
        .iter()
        .map(|c| (c - expected).powi(2) / expected)
        .sum();
    let spread = 2.0 / (9.0 * degrees);
    two_sided(((chi2 / degrees).cbrt() - (1.0 - spread)) / spread.sqrt())
}

fn bin(x: f64, bins: usize) -> usize {
    ((phi(x) * bins as f64) as usize).min(bins - 1)
}

/// Every test of the normal law.
fn normality(family: &mut Family, name: &str, x: &[f64]) {
    let mut sorted = x.to_vec();
    sorted.sort_by(f64::total_cmp);
    family.add(
        format!("{name}: Kolmogorov-Smirnov"),
        kolmogorov_smirnov(&sorted),
    );
    family.add(
        format!("{name}: Anderson-Darling"),
        anderson_darling(&sorted),
    );
    let mut counts = vec![0.0; 200];
    x.iter().for_each(|&x| counts[bin(x, 200)] += 1.0);
    let p = chi_square(&counts, x.len() as f64 / 200.0, 199.0);
    family.add(format!("{name}: chi-square"), p);
    // Beyond four standard deviations: 6.33e-5 of the numbers, Poisson, both tails by its
    // square-root transform.
    let tails = x.iter().filter(|x| x.abs() > 4.0).count() as f64;
    let expected = x.len() as f64 * two_sided(4.0);
    let z = 2.0 * ((tails + 0.375).sqrt() - expected.sqrt());
    family.add(format!("{name}: tails"), two_sided(z));
}

/// Correlation of the numbers, of their squares, and a table of 8 × 8 equally likely cells.
fn independence(family: &mut Family, name: &str, x: &[f64], y: &[f64]) {
    let n = x.len() as f64;
    let sum: f64 = x.iter().zip(y).map(|(a, b)| a * b).sum();
    family.add(format!("{name}: correlation"), two_sided(sum / n.sqrt()));
    // (x² - 1)(y² - 1) has mean 0 and variance 2 · 2.
    let square = |(a, b): (&f64, &f64)| (a * a - 1.0) * (b * b - 1.0);
    let sum: f64 = x.iter().zip(y).map(square).sum();
    family.add(
        format!("{name}: squares"),
        two_sided(sum / (4.0 * n).sqrt()),
    );
    let mut counts = vec![0.0; 64];
    for (&a, &b) in x.iter().zip(y) {
        counts[bin(a, 8) * 8 + bin(b, 8)] += 1.0;
    }
    let p = chi_square(&counts, n / 64.0, 63.0);
    family.add(format!("{name}: table"), p);
}

fn area(i: usize) -> Site {
    Site::new("noise", &format!("area {i}"), "drive_E")
}

/// `N` numbers along one part of the address, the rest standing still.
fn along(part: &str) -> Vec<f64> {
    let site = Site::new("noise", "V1", "drive_E");
    (0..N)
        .map(|i| {
            let k = i as u64;
            match part {
                "steps" => normal(1, k, site, Replicate(0)),
                "even steps" => normal(1, 2 * k, site, Replicate(0)),
                "late steps" => normal(1, (1 << 32) + k, site, Replicate(0)),
                "areas" => normal(1, 0, area(i), Replicate(0)),
                "replicates" => normal(1, 5, site, Replicate(i as u32)),
                "seeds" => normal(k, 5, site, Replicate(0)),
                "high seeds" => normal(k << 32, 4, site, Replicate(0)),
                "starts" => normal(1, 0, start_site(area(i)), Replicate(0)),
                _ => unreachable!("{part}"),
            }
        })
        .collect()
}

const PARTS: [&str; 8] = [
    "steps",
    "even steps",
    "late steps",
    "areas",
    "replicates",
    "seeds",
    "high seeds",
    "starts",
];

#[test]
fn addressed_numbers_are_normal() {
    let mut family = Family::default();
    for part in PARTS {
        normality(&mut family, part, &along(part));
    }
    family.verdict(0.4).unwrap();
}

#[test]
fn addressed_numbers_are_independent() {
    let mut family = Family::default();
    for part in PARTS {
        let x = along(part);
        for lag in [1, 2, 3, 29] {
            independence(
                &mut family,
                &format!("{part}, lag {lag}"),
                &x[lag..],
                &x[..N - lag],
            );
        }
    }
    // The same steps at neighbouring addresses.
    let site = Site::new("noise", "V1", "drive_E");
    let path = |seed: u64, site: Site, replicate: u32| -> Vec<f64> {
        (0..N as u64)
            .map(|k| normal(seed, k, site, Replicate(replicate)))
            .collect()
    };
    let base = path(1, site, 0);
    for (name, other) in [
        ("area", path(1, Site::new("noise", "V2", "drive_E"), 0)),
        ("input", path(1, Site::new("noise", "V1", "drive_I"), 0)),
        ("source", path(1, Site::new("noise2", "V1", "drive_E"), 0)),
        ("replicate", path(1, site, 1)),
        ("seed", path(2, site, 0)),
        ("high half of the seed", path(1 | 1 << 32, site, 0)),
        ("start", path(1, start_site(site), 0)),
        ("replicate and seed exchanged", path(0, site, 1)),
    ] {
        independence(&mut family, &format!("another {name}"), &base, &other);
    }
    family.verdict(0.4).unwrap();
}

/// Each test must see what it is there for, or the others prove nothing.
#[test]
fn wrong_numbers_are_found() {
    let x = along("steps");
    let rejected = |x: &[f64], which: &str| {
        let mut family = Family::default();
        normality(&mut family, "wrong", x);
        let hit = family
            .0
            .iter()
            .any(|(name, p)| name.contains(which) && *p < FAMILY / 1000.0);
        hit && family.verdict(0.4).is_err()
    };
    let map = |f: fn(f64) -> f64| -> Vec<f64> { x.iter().map(|&x| f(x)).collect() };
    for which in ["Kolmogorov", "Anderson", "chi"] {
        assert!(
            rejected(&map(|x| x + 0.04), which),
            "{which}: a mean of 0.04"
        );
        assert!(rejected(&map(|x| 1.05 * x), which), "{which}: 5 % too wide");
    }
    let heavy = map(|x| if x.abs() > 3.5 { 1.2 * x } else { x });
    assert!(rejected(&heavy, "tails"), "heavy tails");
    let mut family = Family::default();
    // Signs of neighbours independent, sizes shared: uncorrelated, yet not independent.
    let sizes: Vec<f64> = x[1..]
        .iter()
        .zip(&x)
        .map(|(a, b)| b.abs().copysign(*a))
        .collect();
    independence(&mut family, "wrong", &sizes, &x[..N - 1]);
    assert!(family.0[0].1 > 1e-6 && family.0[1].1 < 1e-9 && family.0[2].1 < 1e-9);
    let mut family = Family::default();
    let leaky: Vec<f64> = x[1..].iter().zip(&x).map(|(a, b)| a + 0.04 * b).collect();
    independence(&mut family, "wrong", &leaky, &x[..N - 1]);
    assert!(family.0[0].1 < 1e-9);
}

/// The coloured noise that a circuit receives, recovered from its states: stationary from the first
/// step, with the SD and the memory that were asked for, at short and long steps.
#[test]
fn coloured_noise_as_received() {
    const SD: f64 = 2.0;
    const TAU: f64 = 5.0;
    const REPLICATES: usize = 20_000;
    let text = format!(
        "
title: one area without coupling
connectome: {{areas: {{A: {{}}}}}}
circuit:
  name: chaudhuri2015
  parameters: {{tau_E: 20 ms, tau_I: 10 ms, beta_E: 1 Hz/pA, beta_I: 1 Hz/pA, w_EE: 0 pA/Hz,
    w_IE: 0 pA/Hz, w_EI: 0 pA/Hz, w_II: 0 pA/Hz}}
baseline: {{state: {{nu_E: 100 Hz, nu_I: 1 Hz}}, solve: background}}
noise: {{slow: {{kind: ornstein_uhlenbeck, into: drive_E, sd: {SD} Hz, tau: {TAU} ms}}}}
simulation: {{duration: 8 ms, dt: 1 ms, replicates: {REPLICATES}, seed: 21}}
record: {{variables: [nu_E], every: 1 ms}}
"
    );
    let mut family = Family::default();
    for dt in [0.1, 1.0] {
        let sets = [
            format!("simulation.dt={dt} ms"),
            format!("record.every={dt} ms"),
        ];
        let plan = Experiment::new(&text, &sets).plan();
        let x = record(&plan, &start_state(&plan).unwrap(), 100);
        let last = plan.steps as usize - 1;
        // tau (x' - x) / dt = drive + background - x, and background = 100 Hz.
        let drive = |step: usize| -> Vec<f64> {
            (0..REPLICATES)
                .map(|r| {
                    let (now, next) = (x[[r, step, 0, 0]], x[[r, step + 1, 0, 0]]);
                    (20.0 * (next - now) / dt + now - 100.0) / SD
                })
                .collect()
        };
        let first = drive(0);
        for step in [0, 1, last / 2, last] {
            let now = drive(step);
            normality(&mut family, &format!("step {step} of {dt} ms"), &now);
            let variance: f64 = now.iter().map(|x| x * x).sum::<f64>() / REPLICATES as f64;
            // n s² is chi-square with n degrees of freedom.
            let z = (variance - 1.0) / (2.0 / REPLICATES as f64).sqrt();
            family.add(format!("variance at step {step} of {dt} ms"), two_sided(z));
            if step > 0 {
                // Fisher's transform of the correlation with the first value.
                let rho = (-(step as f64) * dt / TAU).exp();
                let dot: f64 = now.iter().zip(&first).map(|(a, b)| a * b).sum();
                let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
                let found = dot / norm(&now) / norm(&first);
                let z = (found.atanh() - rho.atanh()) * (REPLICATES as f64 - 3.0).sqrt();
                family.add(format!("memory over {step} steps of {dt} ms"), two_sided(z));
            }
        }
        assert_eq!(
            x.slice(s![.., 0, 0, 0])
                .iter()
                .filter(|x| **x != 100.0)
                .count(),
            0
        );
    }
    family.verdict(0.2).unwrap();
}
