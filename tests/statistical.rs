//! The law of the addressed numbers: standard normal, and independent along every part of the
//! address.
//!
//! Seeds are fixed, so these tests pass or fail for ever. The probability that correct numbers
//! would fail any of them is at most [`FAMILY`]: each test of this file has a share of it
//! ([`share`]), which its p-values divide among them. Pairs that are compared share no number, so
//! that a p-value is what it says.
//!
//! Numbers are looked at twice: as they are addressed, and as a circuit receives them, recovered
//! from its states. Then come paths that runs of different steps have in common, which are no matter
//! of chance.

mod common;

use common::{Experiment, record};
use isocortex::ids::Replicate;
use isocortex::noise::start_site;
use isocortex::plan::{Axis, Plan};
use isocortex::rng::{Site, normal};
use isocortex::stepper::linear::start_state;
use ndarray::{Array3, Array4, ArrayView2, ArrayView3, s};

/// Probability of at least one false alarm in the whole file.
const FAMILY: f64 = 1e-4;
/// Numbers per sample.
const N: usize = 100_000;

/// What each test may spend of the family's budget.
mod share {
    pub const NORMAL: f64 = 0.2;
    pub const INDEPENDENT: f64 = 0.3;
    pub const RECEIVED: f64 = 0.2;
    pub const GRID: f64 = 0.1;
    pub const COLOURED: f64 = 0.2;
    const _: () = assert!(NORMAL + INDEPENDENT + RECEIVED + GRID + COLOURED < 1.0 + 1e-12);
}

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

/// How unlikely a chi-square variable is, on both sides: numbers may also be spread too evenly to be
/// random. Wilson & Hilferty's normal approximation, for many degrees of freedom.
fn chi_square(chi2: f64, degrees: f64) -> f64 {
    let spread = 2.0 / (9.0 * degrees);
    two_sided(((chi2 / degrees).cbrt() - (1.0 - spread)) / spread.sqrt())
}

/// The same of counts that should all be `expected`.
fn even_counts(counts: &[f64], expected: f64) -> f64 {
    let terms = counts.iter().map(|c| (c - expected).powi(2) / expected);
    chi_square(terms.sum(), counts.len() as f64 - 1.0)
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
    let p = even_counts(&counts, x.len() as f64 / 200.0);
    family.add(format!("{name}: chi-square"), p);
    // Beyond four standard deviations: 6.33e-5 of the numbers, Poisson, both tails by its
    // square-root transform.
    let tails = x.iter().filter(|x| x.abs() > 4.0).count() as f64;
    let expected = x.len() as f64 * two_sided(4.0);
    let z = 2.0 * ((tails + 0.375).sqrt() - expected.sqrt());
    family.add(format!("{name}: tails"), two_sided(z));
}

/// Correlation of the numbers, of the ranks of their squares, and a table of 8 × 8 equally likely
/// cells. Ranks, because the sum of products of squares is ruled by a few large ones, and normal for
/// far longer samples only.
fn independence(family: &mut Family, name: &str, x: &[f64], y: &[f64]) {
    assert_eq!(x.len(), y.len());
    let n = x.len() as f64;
    let sum: f64 = x.iter().zip(y).map(|(a, b)| a * b).sum();
    family.add(format!("{name}: correlation"), two_sided(sum / n.sqrt()));
    // Uniform in (0, 1), less 1/2: of variance 1 / 12.
    let rank = |x: f64| 0.5 - two_sided(x);
    let sum: f64 = x.iter().zip(y).map(|(&a, &b)| rank(a) * rank(b)).sum();
    family.add(format!("{name}: squares"), two_sided(12.0 * sum / n.sqrt()));
    let mut counts = vec![0.0; 64];
    for (&a, &b) in x.iter().zip(y) {
        counts[bin(a, 8) * 8 + bin(b, 8)] += 1.0;
    }
    let p = even_counts(&counts, n / 64.0);
    family.add(format!("{name}: table"), p);
}

/// Numbers `lag` apart in a row, each in one pair only.
fn apart(x: &[f64], lag: usize) -> (Vec<f64>, Vec<f64>) {
    let whole = x.chunks_exact(2 * lag);
    let (first, second) = whole
        .map(|pair| pair.split_at(lag))
        .unzip::<_, _, Vec<_>, Vec<_>>();
    (first.concat(), second.concat())
}

/// One part of the address that counts up from an origin, the rest standing still.
#[derive(Debug, Clone, Copy)]
enum Part {
    Areas,
    Inputs,
    Sources,
    Replicates,
    Seeds,
    HighSeeds,
}

use Part::{Areas, HighSeeds, Inputs, Replicates, Seeds, Sources};

const PARTS: [Part; 6] = [Areas, Inputs, Sources, Replicates, Seeds, HighSeeds];

impl Part {
    /// The number of a step at the i-th place.
    fn at(self, i: usize, step: u64) -> f64 {
        let names = match self {
            Areas => [
                "noise".to_owned(),
                format!("area {i}"),
                "drive_E".to_owned(),
            ],
            Inputs => ["noise".to_owned(), "V1".to_owned(), format!("input {i}")],
            Sources => [format!("noise {i}"), "V1".to_owned(), "drive_E".to_owned()],
            _ => ["noise", "V1", "drive_E"].map(str::to_owned),
        };
        let site = Site::new(&names[0], &names[1], &names[2]);
        let (seed, replicate) = match self {
            Replicates => (1, i as u32),
            Seeds => (i as u64, 0),
            HighSeeds => ((i as u64) << 32, 0),
            _ => (1, 0),
        };
        normal(seed, step, site, Replicate(replicate))
    }

    /// `N` numbers of one step along this part.
    fn along(self, step: u64) -> Vec<f64> {
        (0..N).map(|i| self.at(i, step)).collect()
    }
}

/// `N` numbers along the steps of one address, from `first` on, every `stride`-th.
fn along_steps(first: u64, stride: u64) -> Vec<f64> {
    let site = Site::new("noise", "V1", "drive_E");
    (0..N as u64)
        .map(|k| normal(1, first + stride * k, site, Replicate(0)))
        .collect()
}

/// The numbers that start coloured noise, one an area.
fn starts() -> Vec<f64> {
    let site = |i: usize| start_site(Site::new("noise", &format!("area {i}"), "drive_E"));
    (0..N)
        .map(|i| normal(1, 0, site(i), Replicate(0)))
        .collect()
}

/// An even step with the odd one of its pair.
const PAIR: [u64; 2] = [4, 5];

/// Samples along every part of the address, at an even and at an odd step where the step stands
/// still.
fn samples() -> Vec<(String, Vec<f64>)> {
    let mut out = vec![
        ("steps".to_owned(), along_steps(0, 1)),
        ("even steps".to_owned(), along_steps(0, 2)),
        ("odd steps".to_owned(), along_steps(1, 2)),
        ("late steps".to_owned(), along_steps(1 << 32, 1)),
        ("starts".to_owned(), starts()),
    ];
    for part in PARTS {
        for step in PAIR {
            out.push((format!("{part:?}, step {step}"), part.along(step)));
        }
    }
    out
}

#[test]
fn addressed_numbers_are_normal() {
    let mut family = Family::default();
    for (name, x) in samples() {
        normality(&mut family, &name, &x);
    }
    family.verdict(share::NORMAL).unwrap();
}

#[test]
fn addressed_numbers_are_independent() {
    let mut family = Family::default();
    for (name, x) in samples() {
        for lag in [1, 2, 3, 29] {
            let (x, y) = apart(&x, lag);
            independence(&mut family, &format!("{name}, lag {lag}"), &x, &y);
        }
    }
    // The two numbers of a pair come from one lookup, by cosine and sine of one angle: they, and
    // each with the other one of the next lookup.
    let mut pair = |name: &str, even: &[f64], odd: &[f64]| {
        independence(&mut family, &format!("{name}: even and odd"), even, odd);
        let next = format!("{name}: even and next odd");
        independence(&mut family, &next, &even[..N - 1], &odd[1..]);
        let next = format!("{name}: odd and next even");
        independence(&mut family, &next, &odd[..N - 1], &even[1..]);
    };
    pair("steps", &along_steps(0, 2), &along_steps(1, 2));
    for part in PARTS {
        let [even, odd] = PAIR.map(|step| part.along(step));
        pair(&format!("{part:?}"), &even, &odd);
    }
    // The same steps at neighbouring addresses, and the steps after them.
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
        let next = format!("another {name}, next step");
        independence(&mut family, &next, &base[..N - 1], &other[1..]);
    }
    family.verdict(share::INDEPENDENT).unwrap();
}

/// Each test must see what it is there for, or the others prove nothing.
#[test]
fn wrong_numbers_are_found() {
    let x = along_steps(0, 1);
    let rejected = |x: &[f64], which: &str| {
        let mut family = Family::default();
        normality(&mut family, "wrong", x);
        let hit = family
            .0
            .iter()
            .any(|(name, p)| name.contains(which) && *p < FAMILY / 1000.0);
        hit && family.verdict(share::NORMAL).is_err()
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

/// Areas without coupling or input, in which both states decay to 0 but for noise.
fn isolated(areas: usize, noise: &str, simulation: &str) -> String {
    let areas: Vec<String> = (0..areas).map(|i| format!("A{i}: {{}}")).collect();
    format!(
        "
title: areas without coupling
connectome: {{areas: {{{}}}}}
circuit:
  name: chaudhuri2015
  parameters: {{tau_E: {TAU_E} ms, tau_I: {TAU_I} ms, beta_E: 1 Hz/pA, beta_I: 1 Hz/pA, w_EE: 0 pA/Hz,
    w_IE: 0 pA/Hz, w_EI: 0 pA/Hz, w_II: 0 pA/Hz, I_0E: 0 pA, I_0I: 0 pA}}
baseline: {{state: {{nu_E: 0 Hz, nu_I: 0 Hz}}, solve: nothing}}
noise: {{{noise}}}
simulation: {{{simulation}}}
record: {{variables: [nu_E, nu_I], every: 1 ms}}
",
        areas.join(", ")
    )
}

const TAU_E: f64 = 20.0;
const TAU_I: f64 = 10.0;

/// The plan of a text with a step and a grid of noise, every step recorded.
fn plan(text: &str, dt: f64, grid: f64, lanes: Option<(Axis, usize)>) -> Plan {
    let sets = [
        format!("simulation.dt={dt:?} ms"),
        format!("simulation.noise_grid={grid:?} ms"),
        format!("record.every={dt:?} ms"),
    ];
    let experiment = Experiment::new(text, &sets);
    match lanes {
        Some((axis, width)) => experiment.plan_with(axis, width),
        None => experiment.plan(),
    }
}

/// What noise added to the states in every step, [replicate, step, area, variable], Hz: x' less
/// x (1 - dt / tau), in areas that rest at 0.
fn kicks(plan: &Plan) -> Array4<f64> {
    let x = record(plan, &start_state(plan).unwrap(), 100);
    let mut out = x.slice(s![.., 1.., .., ..]).to_owned();
    for ((r, k, a, v), kick) in out.indexed_iter_mut() {
        let tau = [TAU_E, TAU_I][v];
        *kick -= x[[r, k, a, v]] * (1.0 - plan.dt_ms / tau);
    }
    out
}

/// White noise as states receive it, [replicate, step, area, variable], in units of its SD: from
/// sources of different names in the two states of eight areas.
fn received(seed: u64, dt: f64, grid: f64, lanes: Option<(Axis, usize)>) -> Array4<f64> {
    const SD: f64 = 0.7;
    const BIN: f64 = 2.0;
    let white =
        |into: &str| format!("{{kind: white, into: {into}, sd: {SD} Hz/ms, bin: {BIN} ms}}");
    let text = isolated(
        8,
        &format!("one: {}, two: {}", white("nu_E"), white("nu_I")),
        &format!(
            "duration: {:?} ms, dt: 1 ms, seed: {seed}, replicates: 32",
            400.0 * dt
        ),
    );
    // Its integral over dt has the variance sd² bin dt, whatever the grid.
    kicks(&plan(&text, dt, grid, lanes)) / (SD * (BIN * dt).sqrt())
}

/// All numbers of a view, in its order.
fn flat<'a>(x: impl IntoIterator<Item = &'a f64>) -> Vec<f64> {
    x.into_iter().copied().collect()
}

/// Whether n numbers of variance 1 and mean 0 have it.
fn variance(family: &mut Family, name: &str, x: &[f64]) {
    let n = x.len() as f64;
    let sum = x.iter().map(|x| x * x).sum();
    family.add(format!("{name}: variance"), chi_square(sum, n));
}

/// Neighbours in two indices of an array, [place, step]: even and odd step of a pair, odd step and
/// the next even one, neighbouring places at one step and one step apart.
fn neighbours(family: &mut Family, name: &str, x: ArrayView2<'_, f64>) {
    let mut pair = |what: &str, a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>| {
        independence(family, &format!("{name}: {what}"), &flat(a), &flat(b));
    };
    let (places, steps) = x.dim();
    assert!(places % 2 == 0 && steps % 2 == 0);
    let end = steps as isize;
    pair(
        "even and odd",
        x.slice(s![.., ..;2]),
        x.slice(s![.., 1..;2]),
    );
    let (odd, even) = (s![.., 1..end - 1;2], s![.., 2..;2]);
    pair("odd and next even", x.slice(odd), x.slice(even));
    pair("place", x.slice(s![..;2, ..]), x.slice(s![1..;2, ..]));
    let (now, next) = (s![..;2, ..end - 1], s![1..;2, 1..]);
    pair("place and step", x.slice(now), x.slice(next));
}

/// The numbers that states receive are normal and independent, of whichever source, area, replicate
/// and seed, at even and odd steps, and with replicates or areas side by side.
#[test]
fn white_noise_as_received() {
    let mut family = Family::default();
    let [one, two] = [(21, None), (22, Some((Axis::Areas, 8)))]
        .map(|(seed, lanes)| received(seed, 0.5, 0.5, lanes));
    for (seed, x) in [(21, &one), (22, &two)] {
        for (v, source) in ["one", "two"].into_iter().enumerate() {
            let name = format!("seed {seed}, source {source}");
            let x = x.slice(s![.., .., .., v]);
            variance(&mut family, &name, &flat(x));
            normality(&mut family, &name, &flat(x));
            for parity in [0, 1] {
                let x = flat(x.slice(s![.., parity..;2, ..]));
                normality(&mut family, &format!("{name}, parity {parity}"), &x);
            }
            for area in 0..8 {
                let x = flat(x.slice(s![.., .., area]));
                normality(&mut family, &format!("{name}, area {area}"), &x);
            }
            // Steps stay together; a row is a replicate, then an area.
            let rows = |axes: [usize; 3]| {
                let x = x.permuted_axes(axes);
                let x = x.as_standard_layout().into_owned();
                let (places, others, steps) = x.dim();
                x.into_shape_with_order((places, others * steps)).unwrap()
            };
            let (replicates, areas) = (rows([0, 2, 1]), rows([2, 0, 1]));
            neighbours(
                &mut family,
                &format!("{name}, replicates"),
                replicates.view(),
            );
            neighbours(&mut family, &format!("{name}, areas"), areas.view());
        }
        let [e, i] = [0, 1].map(|v| flat(x.slice(s![.., .., .., v])));
        independence(&mut family, &format!("seed {seed}: sources"), &e, &i);
        // Steps of one source and the following ones of the other.
        let e = flat(x.slice(s![.., ..399, .., 0]));
        let i = flat(x.slice(s![.., 1.., .., 1]));
        independence(
            &mut family,
            &format!("seed {seed}: sources and steps"),
            &e,
            &i,
        );
    }
    independence(&mut family, "seeds", &flat(&one), &flat(&two));
    family.verdict(share::RECEIVED).unwrap();
}

/// White noise looked up several times a step has the SD that its bin and the step ask for, and
/// steps share no number, those that begin in the middle of a pair of numbers included.
#[test]
fn white_noise_on_a_finer_grid() {
    let mut family = Family::default();
    for per_step in [1, 2, 3, 8] {
        let dt = 0.125 * f64::from(per_step);
        for lanes in [None, Some((Axis::Areas, 8))] {
            let x = received(23, dt, 0.125, lanes);
            let how = lanes.map_or("replicates", |_| "areas");
            let name = format!("{per_step} lookups a step, {how} side by side");
            variance(&mut family, &name, &flat(&x));
            normality(&mut family, &name, &flat(&x));
            // [replicate and area, step]
            let e = x.slice(s![.., .., .., 0]).permuted_axes([0, 2, 1]);
            let steps = e.dim().2;
            let e = e.as_standard_layout().into_owned();
            let e = e.into_shape_with_order((32 * 8, steps)).unwrap();
            neighbours(&mut family, &name, e.view());
        }
    }
    family.verdict(share::GRID).unwrap();
}

/// The coloured noise that a circuit receives in an input or in a derivative, recovered from its
/// states: stationary from the first step, with the SD and the memory that were asked for, at short
/// and long steps and with several lookups a step.
#[test]
fn coloured_noise_as_received() {
    const SD: f64 = 2.0;
    const TAU: f64 = 5.0;
    const REPLICATES: usize = 20_000;
    let mut family = Family::default();
    for (into, unit, dt, per_step) in [
        ("drive_E", "Hz", 0.1, 1),
        ("drive_E", "Hz", 1.0, 1),
        ("drive_E", "Hz", 1.0, 8),
        ("nu_E", "Hz/ms", 1.0, 1),
        ("nu_E", "Hz/ms", 0.5, 2),
        ("nu_E", "Hz/ms", 1.0, 5),
    ] {
        let text = isolated(
            1,
            &format!(
                "slow: {{kind: ornstein_uhlenbeck, into: {into}, sd: {SD} {unit}, tau: {TAU} ms}}"
            ),
            &format!("duration: 8 ms, dt: 1 ms, replicates: {REPLICATES}, seed: 21"),
        );
        let text = text
            .replace("I_0E: 0 pA", "I_0E: 100 pA")
            .replace("nu_E: 0 Hz", "nu_E: 100 Hz");
        let plan = plan(&text, dt, dt / f64::from(per_step), None);
        assert_eq!(plan.noise_per_step, per_step);
        let x = record(&plan, &start_state(&plan).unwrap(), 100);
        let start = x.slice(s![.., 0, 0, 0]);
        assert!(start.iter().all(|x| *x == 100.0));
        let last = plan.steps as usize - 1;
        // tau (x' - x) / dt = drive + 100 Hz - x; what enters the derivative is not divided by tau.
        let factor = if into == "nu_E" { TAU_E } else { 1.0 };
        let value = |step: usize| -> Vec<f64> {
            (0..REPLICATES)
                .map(|r| {
                    let (now, next) = (x[[r, step, 0, 0]], x[[r, step + 1, 0, 0]]);
                    (TAU_E * (next - now) / dt + now - 100.0) / factor / SD
                })
                .collect()
        };
        let name = format!("{into}, {per_step} lookups in {dt} ms");
        for step in [0, 1, last / 2, last] {
            let now = value(step);
            normality(&mut family, &format!("{name}, step {step}"), &now);
            variance(&mut family, &format!("{name}, step {step}"), &now);
        }
        for (from, to) in [(0, 1), (0, last / 2), (0, last), (last - 1, last)] {
            // Fisher's transform of the correlation.
            let (a, b) = (value(from), value(to));
            let rho = (-((to - from) as f64) * dt / TAU).exp();
            let dot: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
            let found = dot / norm(&a) / norm(&b);
            let z = (found.atanh() - rho.atanh()) * (REPLICATES as f64 - 3.0).sqrt();
            family.add(format!("{name}, memory from {from} to {to}"), two_sided(z));
        }
    }
    family.verdict(share::COLOURED).unwrap();
}

/// Lookups in a step of a fine run, and steps of it in one of the coarse run.
const SHARED: [(u32, usize); 6] = [(1, 2), (1, 3), (1, 8), (2, 3), (3, 2), (4, 5)];

/// Largest difference of what must be equal but for round-off.
const EQUAL: f64 = 1e-12;

/// Runs of two steps on one grid meet one Brownian path: what noise adds in a step of the coarse run
/// is the sum of what it adds in the steps of the fine one.
#[test]
fn steps_of_one_grid_share_their_brownian_path() {
    let grid = 0.0625;
    let text = isolated(
        3,
        "one: {kind: white, into: nu_E, sd: 1 Hz/ms, bin: 1 ms},
         two: {kind: white, into: nu_I, sd: 2 Hz/ms, bin: 0.5 ms},
         three: {kind: white, into: nu_I, sd: 1 Hz/ms, bin: 0.1 ms}",
        "duration: 45 ms, dt: 1 ms, seed: 24, replicates: 5",
    );
    for (per_step, steps) in SHARED {
        let fine = f64::from(per_step) * grid;
        let coarse = fine * steps as f64;
        for lanes in [None, Some((Axis::Areas, 4))] {
            let whole = 45.0 - 45.0 % coarse;
            let text = text.replace("duration: 45 ms", &format!("duration: {whole:?} ms"));
            let [fine, coarse] = [fine, coarse].map(|dt| kicks(&plan(&text, dt, grid, lanes)));
            let mut moved = 0.0_f64;
            for ((r, k, a, v), &kick) in coarse.indexed_iter() {
                let sum = fine.slice(s![r, k * steps..(k + 1) * steps, a, v]).sum();
                assert!(
                    (kick - sum).abs() < EQUAL,
                    "{per_step} lookups a step, {steps} steps in one, {lanes:?}: replicate {r}, \
                     step {k}, area {a}, variable {v}: {kick:e}, expected {sum:e}"
                );
                moved = moved.max(kick.abs());
            }
            assert!(
                moved > 0.5,
                "there was hardly any noise: at most {moved} Hz"
            );
        }
    }
}

/// The same for coloured noise, which holds over a step what it is at its start: the values of the
/// coarse run are those of the fine one at the same times, and the first is that of its own address.
#[test]
fn steps_of_one_grid_share_their_coloured_path() {
    let grid = 0.0625;
    let text = isolated(
        3,
        "one: {kind: ornstein_uhlenbeck, into: nu_E, sd: 1 Hz/ms, tau: 3 ms},
         two: {kind: ornstein_uhlenbeck, into: nu_I, sd: 2 Hz/ms, tau: 0.3 ms}",
        "duration: 45 ms, dt: 1 ms, seed: 25, replicates: 5",
    );
    for (per_step, steps) in SHARED {
        let fine = f64::from(per_step) * grid;
        let coarse = fine * steps as f64;
        let whole = 45.0 - 45.0 % coarse;
        let text = text.replace("duration: 45 ms", &format!("duration: {whole:?} ms"));
        let values = |dt: f64| -> Array4<f64> { kicks(&plan(&text, dt, grid, None)) / dt };
        let [fine, coarse] = [fine, coarse].map(values);
        for ((r, k, a, v), &value) in coarse.indexed_iter() {
            let expected = fine[[r, k * steps, a, v]];
            assert!(
                (value - expected).abs() < EQUAL,
                "{per_step} lookups a step, {steps} steps in one: replicate {r}, step {k}, area {a}, \
                 variable {v}: {value:e}, expected {expected:e}"
            );
        }
        let start: ArrayView3<'_, f64> = coarse.slice(s![.., 0, .., ..]);
        for ((r, a, v), &value) in start.indexed_iter() {
            let (name, into, sd) = [("one", "nu_E", 1.0), ("two", "nu_I", 2.0)][v];
            let site = start_site(Site::new(name, &format!("A{a}"), into));
            let expected = sd * normal(25, 0, site, Replicate(r as u32));
            assert!(
                (value - expected).abs() < EQUAL,
                "{per_step} lookups a step: replicate {r}, area {a}, source {name}: starts at \
                 {value:e}, expected {expected:e}"
            );
        }
        let largest = |v: usize| {
            let values: Array3<f64> = coarse.slice(s![.., .., .., v]).to_owned();
            values.iter().fold(0.0_f64, |m, x| m.max(x.abs()))
        };
        assert!(
            largest(0) > 1.0 && largest(1) > 2.0,
            "there was hardly any noise"
        );
    }
}
