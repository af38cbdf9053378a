//! Weighted sums of what areas send: `sum_i = Σ_j W_ij x_j`, now or with delays.
//!
//! A sum is formed as two partial sums, over even and over odd source positions, each in ascending
//! order, by fused multiply–adds from zero; then the two are added. Every form of a matrix and every
//! lane width forms the same sums in the same order.

#![allow(
    clippy::needless_range_loop,
    reason = "lanes, states and partial sums are counted by constants that several arrays share"
)]

use super::constants::Weights;
use super::isa::{Any, for_isa, one_turn_at_a_time, prefetch};
use crate::lanes::Lanes;
use crate::plan::{Delayed, History, Sparse};

for_isa! {
    /// Sums of a projection without delays for the cells from `first` on, one for each of `sums`;
    /// `sent` covers all cells, `areas` is their number of areas.
    sum_now<L: Lanes>(
        weights: &Weights<L>,
        over_areas: bool,
        areas: usize,
        sent: &[L],
        first: usize,
        sums: &mut [L],
    ) = now over L at L
}

#[inline(always)]
fn now<L: Lanes>(
    weights: &Weights<L>,
    over_areas: bool,
    areas: usize,
    sent: &[L],
    first: usize,
    sums: &mut [L],
) {
    match weights {
        Weights::Columns(columns) => by_columns(&columns[first * areas..], areas, sent, sums),
        Weights::Rows(rows) => by_rows(&rows[first * areas..], areas, sent, sums),
        Weights::Sparse(sparse) if over_areas => sparse_over_areas(sparse, sent, first, sums),
        Weights::Sparse(sparse) => sparse_over_replicates(sparse, sent, first, sums),
        Weights::Delayed(_) => {}
    }
}

/// Cells whose sums are formed together: enough independent chains to hide the latency of the
/// fused multiply–add (4 cells × 2 partial sums). Dense weights are stored for it: groups of so many
/// targets, in each of them source by source the weights onto all targets of the group.
pub(super) const GROUP: usize = 4;

/// Calls a function for groups of cells of a size known to the compiler: fours, then what is left.
macro_rules! in_groups {
    ($function:ident, $weights:expr, $areas:expr, $sent:expr, $sums:expr) => {{
        let (groups, rest) = $sums.as_chunks_mut::<GROUP>();
        let mut at = 0;
        for sums in groups {
            *sums = $function::<L, GROUP>(&$weights[at..], $areas, $sent);
            at += GROUP * $areas;
        }
        let weights = &$weights[at..];
        match rest {
            [a, b, c] => [*a, *b, *c] = $function::<L, 3>(weights, $areas, $sent),
            [a, b] => [*a, *b] = $function::<L, 2>(weights, $areas, $sent),
            [a] => [*a] = $function::<L, 1>(weights, $areas, $sent),
            _ => {}
        }
    }};
}

/// Sums of all whole groups of cells from the first on, where lanes hold areas; says for how many
/// cells. Small enough to become part of a loop over steps.
#[inline(always)]
pub(super) fn sum_groups<L: Lanes>(
    weights: &Weights<L>,
    areas: usize,
    sent: &[L],
    sums: &mut [L],
) -> usize {
    let Weights::Columns(columns) = weights else {
        return 0;
    };
    let (groups, _) = sums.as_chunks_mut::<GROUP>();
    let mut at = 0;
    for sums in &mut *groups {
        *sums = columns_of::<L, GROUP>(&columns[at..], areas, sent);
        at += GROUP * areas;
    }
    GROUP * groups.len()
}

/// Lanes hold areas: one source at a time, its value in all lanes, its weights onto the cells'
/// targets.
#[inline(always)]
fn by_columns<L: Lanes>(columns: &[L], areas: usize, sent: &[L], sums: &mut [L]) {
    in_groups!(columns_of, columns, areas, sent, sums);
}

#[inline(always)]
fn columns_of<L: Lanes, const G: usize>(columns: &[L], areas: usize, sent: &[L]) -> [L; G] {
    let (columns, _) = columns[..G * areas].as_chunks::<G>();
    let (mut even, mut odd) = ([L::splat(0.0); G], [L::splat(0.0); G]);
    assert!(sent.len() * L::WIDTH >= areas);
    let (pairs, last) = columns.as_chunks::<2>();
    for (pair, [of_a, of_b]) in pairs.iter().enumerate() {
        one_turn_at_a_time::<L>();
        // SAFETY: pairs of sources that `sent` covers.
        let (a, b) = unsafe { (sent_by(sent, 2 * pair), sent_by(sent, 2 * pair + 1)) };
        for g in 0..G {
            even[g] = of_a[g].mul_add(L::splat(a), even[g]);
            odd[g] = of_b[g].mul_add(L::splat(b), odd[g]);
        }
    }
    if let [of_a] = last {
        // SAFETY: as above.
        let a = unsafe { sent_by(sent, areas - 1) };
        for g in 0..G {
            even[g] = of_a[g].mul_add(L::splat(a), even[g]);
        }
    }
    for g in 0..G {
        even[g] = even[g] + odd[g];
    }
    even
}

/// Lanes hold replicates: one weight for all lanes.
#[inline(always)]
fn by_rows<L: Lanes>(rows: &[f64], areas: usize, sent: &[L], sums: &mut [L]) {
    in_groups!(rows_of, rows, areas, sent, sums);
}

#[inline(always)]
fn rows_of<L: Lanes, const G: usize>(rows: &[f64], areas: usize, sent: &[L]) -> [L; G] {
    let (rows, _) = rows[..G * areas].as_chunks::<G>();
    let (mut even, mut odd) = ([L::splat(0.0); G], [L::splat(0.0); G]);
    let (pairs, last) = rows.as_chunks::<2>();
    let (sent, last_sent) = sent[..areas].as_chunks::<2>();
    for ([of_a, of_b], [a, b]) in pairs.iter().zip(sent) {
        one_turn_at_a_time::<L>();
        for g in 0..G {
            even[g] = L::splat(of_a[g]).mul_add(*a, even[g]);
            odd[g] = L::splat(of_b[g]).mul_add(*b, odd[g]);
        }
    }
    if let ([of_a], [a]) = (last, last_sent) {
        for g in 0..G {
            even[g] = L::splat(of_a[g]).mul_add(*a, even[g]);
        }
    }
    for g in 0..G {
        even[g] = even[g] + odd[g];
    }
    even
}

#[inline(always)]
fn sparse_over_areas<L: Lanes>(s: &Sparse, sent: &[L], first: usize, sums: &mut [L]) {
    let areas = s.areas();
    assert!(sent.len() * L::WIDTH >= areas);
    let targets = first * L::WIDTH..((first + sums.len()) * L::WIDTH).min(areas);
    // SAFETY: `Sparse` holds only sources that are areas, all of which `sent` covers.
    let value = move |source: u32| unsafe { sent_by(sent, source as usize) };
    sparse(s, targets, value, |target, sum| {
        sums[target / L::WIDTH - first].set_lane(target % L::WIDTH, sum);
    });
}

#[inline(always)]
fn sparse_over_replicates<L: Lanes>(s: &Sparse, sent: &[L], first: usize, sums: &mut [L]) {
    assert!(sent.len() >= s.areas());
    // SAFETY: `Sparse` holds only sources that are areas, all of which `sent` covers.
    let value = move |source: u32| unsafe { *sent.get_unchecked(source as usize) };
    sparse(s, first..first + sums.len(), value, |target, sum| {
        sums[target - first] = sum;
    });
}

/// Sums of the targets of a span that starts with a group of rows, from the values of sources.
#[inline(always)]
fn sparse<X: Lanes>(
    s: &Sparse,
    targets: std::ops::Range<usize>,
    value: impl Fn(u32) -> X + Copy,
    mut put: impl FnMut(usize, X),
) {
    const ABREAST: usize = Sparse::ABREAST;
    debug_assert!(targets.start.is_multiple_of(Sparse::ROWS));
    let zero = X::splat(0.0);
    let groups = targets.start / Sparse::ROWS..(targets.end / Sparse::ROWS).min(s.groups());
    for group in groups.clone() {
        let (abreast, first, rest) = s.group(group);
        let mut partial = [zero; ABREAST];
        let links = first..first + abreast * ABREAST;
        let (sources, _) = s.sources[links.clone()].as_chunks::<ABREAST>();
        let (weights, _) = s.weights[links].as_chunks::<ABREAST>();
        for (sources, weights) in sources.iter().zip(weights) {
            prefetch(weights.as_ptr().wrapping_add(AHEAD));
            prefetch(sources.as_ptr().wrapping_add(AHEAD));
            for p in 0..ABREAST {
                // One load a number: gathering them by one instruction takes twice as long.
                one_turn_at_a_time::<f64>();
                partial[p] = X::splat(weights[p]).mul_add(value(sources[p]), partial[p]);
            }
        }
        // Copies, so that the partial sums above can stay in registers.
        let (rows, parts) = (partial, rest);
        for row in 0..Sparse::ROWS {
            let even = add_links(s, parts[2 * row].clone(), value, rows[2 * row]);
            let odd = add_links(s, parts[2 * row + 1].clone(), value, rows[2 * row + 1]);
            put(group * Sparse::ROWS + row, even + odd);
        }
    }
    for target in groups.end.max(groups.start) * Sparse::ROWS..targets.end {
        let part = |p: usize| s.parts[p]..s.parts[p + 1];
        let even = add_links(s, part(2 * target), value, zero);
        let odd = add_links(s, part(2 * target + 1), value, zero);
        put(target, even + odd);
    }
}

/// Adds links to a partial sum, one after another.
#[inline(always)]
fn add_links<X: Lanes>(
    s: &Sparse,
    links: std::ops::Range<usize>,
    value: impl Fn(u32) -> X + Copy,
    mut partial: X,
) -> X {
    for (&j, &w) in s.sources[links.clone()].iter().zip(&s.weights[links]) {
        one_turn_at_a_time::<f64>();
        partial = X::splat(w).mul_add(value(j), partial);
    }
    partial
}

/// Links that memory is asked for ahead of their use: about as far as it takes to come.
const AHEAD: usize = 512;

/// What an area sends, with lanes over areas.
///
/// # Safety
/// `sent` covers the area.
#[inline(always)]
unsafe fn sent_by<L: Lanes>(sent: &[L], area: usize) -> f64 {
    // SAFETY: the caller's; lanes lie in memory as their numbers, and where they hold nothing else
    // areas follow each other.
    unsafe {
        if const { size_of::<L>() == L::WIDTH * size_of::<f64>() } {
            *sent.as_ptr().cast::<f64>().add(area)
        } else {
            sent.get_unchecked(area / L::WIDTH)
                .lane_unchecked(area % L::WIDTH)
        }
    }
}

/// Sums of a projection as if nothing were delayed: what it comes to where nothing changes in time.
pub(super) fn sum_at_rest<L: Lanes>(
    delayed: &Delayed,
    history: &History,
    sent: &[L],
    sums: &mut [L],
) {
    let n = sums.len();
    let mut partial = vec![[L::splat(0.0); 2]; n];
    let mut add = |target: usize, source: usize, w: f64| {
        let total = &mut partial[target][source % 2];
        *total = L::splat(w).mul_add(sent[source], *total);
    };
    if delayed.by_source {
        for source in 0..n {
            for at in delayed.bounds[source]..delayed.bounds[source + 1] {
                add(delayed.targets[at] as usize, source, delayed.weights[at]);
            }
        }
    } else {
        for target in 0..n {
            for at in delayed.bounds[2 * target]..delayed.bounds[2 * target + 2] {
                let place = delayed.places[at];
                let source = history.start.partition_point(|s| *s <= place) - 1;
                add(target, source, delayed.weights[at]);
            }
        }
    }
    for (sum, [even, odd]) in sums.iter_mut().zip(partial) {
        *sum = even + odd;
    }
}

/// Numbers whose delayed sums are formed side by side: consecutive entries of all lanes.
pub(super) const MOST_ABREAST: usize = 64;

/// Where the delayed sums of a block are formed.
pub(super) struct Partial<'a> {
    /// `[target][abreast]`, even sources.
    pub even: &'a mut [f64],
    /// `[target][abreast]`, odd sources.
    pub odd: &'a mut [f64],
}

/// Delayed sums of `abreast` consecutive numbers (`lanes` of each entry) that start `at` entries
/// after the place of each link; for the targets from `first` on, as many as `out` has room for.
pub(super) fn sum_delayed(
    isa: crate::lanes::Isa,
    d: &Delayed,
    past: &[f64],
    (at, lanes, abreast): (usize, usize, usize),
    first: usize,
    out: &mut Partial<'_>,
) {
    macro_rules! of_width {
        ($($m:literal)*) => {
            match abreast {
                $($m => if d.fractions.is_empty() {
                    delayed_whole::<$m>(isa, d, past, at, lanes, first, out)
                } else {
                    delayed_between::<$m>(isa, d, past, at, lanes, first, out)
                },)*
                _ => unreachable!("blocks are powers of two up to MOST_ABREAST"),
            }
        };
    }
    of_width!(1 2 4 8 16 32 64);
}

for_isa! {
    /// Delays of whole entries.
    delayed_whole<; const M: usize>(d: &Delayed, past: &[f64], at: usize, lanes: usize, first: usize, out: &mut Partial<'_>) = whole over Any at Any
}

for_isa! {
    /// Delays between entries.
    delayed_between<; const M: usize>(d: &Delayed, past: &[f64], at: usize, lanes: usize, first: usize, out: &mut Partial<'_>) = between over Any at Any
}

#[inline(always)]
fn whole<const M: usize>(
    d: &Delayed,
    past: &[f64],
    at: usize,
    lanes: usize,
    first: usize,
    out: &mut Partial<'_>,
) {
    delayed::<M, false>(d, past, at, lanes, first, out);
}

#[inline(always)]
fn between<const M: usize>(
    d: &Delayed,
    past: &[f64],
    at: usize,
    lanes: usize,
    first: usize,
    out: &mut Partial<'_>,
) {
    delayed::<M, true>(d, past, at, lanes, first, out);
}

#[inline(always)]
fn delayed<const M: usize, const BETWEEN: bool>(
    d: &Delayed,
    past: &[f64],
    at: usize,
    lanes: usize,
    first: usize,
    out: &mut Partial<'_>,
) {
    let (even, _) = out.even.as_chunks_mut::<M>();
    let (odd, _) = out.odd.as_chunks_mut::<M>();
    let window = Window::<M, BETWEEN> { past, at, lanes };
    if d.by_source {
        even.fill([0.0; M]);
        odd.fill([0.0; M]);
        let sources = d.bounds.len() - 1;
        for (parity, partial) in [even, odd].into_iter().enumerate() {
            for source in (parity..sources).step_by(2) {
                let links = d.bounds[source]..d.bounds[source + 1];
                let targets = &d.targets[links.clone()];
                for (&target, link) in targets.iter().zip(Links::new(d, links)) {
                    let total = &mut partial[target as usize];
                    *total = window.add(link, *total);
                }
            }
        }
        return;
    }
    for (k, (even, odd)) in even.iter_mut().zip(odd).enumerate() {
        let target = first + k;
        let bounds = &d.bounds[2 * target..2 * target + 3];
        for (parity, partial) in [even, odd].into_iter().enumerate() {
            let mut total = [0.0; M];
            for link in Links::new(d, bounds[parity]..bounds[parity + 1]) {
                total = window.add(link, total);
            }
            *partial = total;
        }
    }
}

/// A delayed link: place, weight, fraction.
type Link = (u32, f64, f32);

/// Consecutive links.
struct Links<'a> {
    places: std::slice::Iter<'a, u32>,
    weights: std::slice::Iter<'a, f64>,
    fractions: std::slice::Iter<'a, f32>,
}

impl<'a> Links<'a> {
    #[inline(always)]
    fn new(d: &'a Delayed, links: std::ops::Range<usize>) -> Self {
        let fractions = match &d.fractions[..] {
            [] => &[],
            all => &all[links.clone()],
        };
        Links {
            places: d.places[links.clone()].iter(),
            weights: d.weights[links].iter(),
            fractions: fractions.iter(),
        }
    }
}

impl Iterator for Links<'_> {
    type Item = Link;

    #[inline(always)]
    fn next(&mut self) -> Option<Link> {
        let place = *self.places.next()?;
        let weight = *self.weights.next()?;
        Some((place, weight, self.fractions.next().copied().unwrap_or(0.0)))
    }
}

/// The numbers that links see: `M` in a row, `at` entries after the place of each link.
struct Window<'a, const M: usize, const BETWEEN: bool> {
    past: &'a [f64],
    at: usize,
    lanes: usize,
}

impl<const M: usize, const BETWEEN: bool> Window<'_, M, BETWEEN> {
    /// One link's share of `M` sums.
    #[inline(always)]
    fn add(&self, (place, w, fraction): Link, mut total: [f64; M]) -> [f64; M] {
        let place = (place as usize + self.at) * self.lanes;
        let now: &[f64; M] = self.past[place..]
            .first_chunk()
            .expect("the past is as long");
        if BETWEEN {
            let before = &self.past[place - self.lanes..];
            let before: &[f64; M] = before.first_chunk().expect("the past is as long");
            let f = f64::from(fraction);
            for m in 0..M {
                total[m] = w.mul_add(f.mul_add(before[m] - now[m], now[m]), total[m]);
            }
        } else {
            for m in 0..M {
                total[m] = w.mul_add(now[m], total[m]);
            }
        }
        total
    }
}
