//! Delays: what is kept of the past, and where each delayed link looks into it.
//!
//! What a variable has sent is kept in one stretch of memory per source area, oldest first, as long
//! as that source's own longest delay and a window more. All sources write at one cursor; when it
//! comes to the end of the window, every stretch slides back by the window. The place where a link
//! reads is then the cursor plus a number that never changes: four bytes a link, and no division.
//!
//! Time is counted in *entries*: one at the end of every step, and for Runge–Kutta one in its middle.

use std::ops::Range;

use sprs::CsMat;

use super::matrix::{Ordered, bounds_within, fill_rows};
use crate::coupling::Delay;
use crate::ids::AreaId;

/// Entries by which the past slides at once.
pub const WINDOW: usize = 32;
/// Steps whose delayed sums are formed together, at most.
pub const LONGEST_BLOCK: usize = 8;
/// Up to here links are stored by source: the sums of all targets stay in the first-level cache
/// while the past of one source after the other passes by. Beyond, they are stored by target.
const BY_SOURCE_AREAS: usize = 512;

/// The past of one variable.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Circuit variable.
    pub variable: usize,
    /// Where the stretch of each position starts, in entries.
    pub start: Vec<u32>,
    /// Entries kept of each position: one more than its longest delay; 0 where nobody listens.
    pub depth: Vec<u32>,
    /// Entries of all stretches.
    pub entries: usize,
}

impl History {
    /// Stretches for the longest look back of every position.
    ///
    /// # Errors
    /// The number of entries, if it cannot be counted in 32 bits.
    fn new(variable: usize, depth: Vec<u32>) -> Result<History, usize> {
        let mut start = Vec::with_capacity(depth.len());
        let mut entries = 0_usize;
        for &d in &depth {
            start.push(entries as u32);
            entries += d as usize + WINDOW + LONGEST_BLOCK;
        }
        if entries > u32::MAX as usize {
            return Err(entries);
        }
        Ok(History {
            variable,
            start,
            depth,
            entries,
        })
    }
}

/// Links with delays: 12 bytes each (16 where delays are interpolated) and, stored by source, 4 more
/// for the target.
#[derive(Debug, Clone, PartialEq)]
pub struct Delayed {
    /// Index of the history that is read.
    pub history: usize,
    /// Shortest delay of all links, in entries; `u32::MAX` without links.
    pub shortest: u32,
    /// Whether links are grouped by their source (bounds of each source position) or by their target
    /// (bounds of the even and the odd part of each target position).
    pub by_source: bool,
    /// Bounds of the groups.
    pub bounds: Vec<usize>,
    /// Target of each link; empty when grouped by target.
    pub targets: Vec<u32>,
    /// Where a link reads when the cursor is 0.
    pub places: Vec<u32>,
    /// Weights.
    pub weights: Vec<f64>,
    /// Fraction of an entry by which each link looks back further; empty when all are 0.
    pub fractions: Vec<f32>,
}

impl Delayed {
    /// The links onto some positions, grouped by target.
    pub(super) fn keep_rows(&self, rows: &Range<usize>) -> Delayed {
        let links = self.bounds[2 * rows.start]..self.bounds[2 * rows.end];
        Delayed {
            bounds: bounds_within(&self.bounds, &links),
            targets: Vec::new(),
            places: self.places[links.clone()].to_vec(),
            weights: self.weights[links.clone()].to_vec(),
            fractions: match self.fractions.is_empty() {
                true => Vec::new(),
                false => self.fractions[links].to_vec(),
            },
            ..*self
        }
    }

    /// Bytes of the arrays with one value a link.
    pub(super) fn bytes(&self) -> usize {
        12 * self.weights.len()
            + 4 * (self.targets.len() + self.fractions.len())
            + 8 * self.bounds.len()
    }

    pub(super) fn describe(&self, history: &History, entry_ms: f64, size: &str) -> String {
        if self.weights.is_empty() {
            return "delayed, no links".to_owned();
        }
        let longest = history.depth.iter().max().map_or(0, |d| d - 1);
        let kind = if self.fractions.is_empty() {
            "rounded to steps"
        } else {
            "interpolated"
        };
        format!(
            "delays {} to at most {} ms {kind}, {size} and {:.1} KiB of past a lane",
            shown_ms(f64::from(self.shortest) * entry_ms),
            shown_ms(f64::from(longest) * entry_ms),
            (8 * history.entries) as f64 / 1024.0
        )
    }
}

/// What [`compile`] is given of each delayed projection.
pub(super) struct Wanted<'a> {
    pub sent: usize,
    pub matrix: &'a CsMat<f64>,
    pub delays_ms: &'a [f64],
}

/// Histories of all variables that are sent with delay, and the links of each projection.
///
/// # Errors
/// The number of entries of a history that is too long to be addressed.
pub(super) fn compile(
    wanted: &[Wanted<'_>],
    order: &[AreaId],
    position: &[usize],
    delay: impl Fn(f64) -> Delay + Sync,
) -> Result<(Vec<History>, Vec<Delayed>), usize> {
    let n = order.len();
    let mut histories: Vec<History> = Vec::new();
    let mut variables: Vec<usize> = wanted.iter().map(|w| w.sent).collect();
    variables.sort_unstable();
    variables.dedup();
    for variable in variables {
        let mut depth = vec![0_u32; n];
        for w in wanted.iter().filter(|w| w.sent == variable) {
            for (&source, &ms) in w.matrix.indices().iter().zip(w.delays_ms) {
                // One entry more than the longest delay, for the far end of an interpolation.
                let depth = &mut depth[position[source]];
                *depth = (*depth).max(delay(ms).entries + 1);
            }
        }
        histories.push(History::new(variable, depth)?);
    }
    let links = wanted
        .iter()
        .map(|w| {
            let history = histories.iter().position(|h| h.variable == w.sent);
            let history = history.expect("made above for every variable that is sent");
            let ordered = Ordered {
                matrix: w.matrix,
                order,
                position,
            };
            links(&ordered, w.delays_ms, history, &histories[history], &delay)
        })
        .collect();
    Ok((histories, links))
}

fn links(
    ordered: &Ordered<'_>,
    delays_ms: &[f64],
    index: usize,
    history: &History,
    delay: &(impl Fn(f64) -> Delay + Sync),
) -> Delayed {
    let n = ordered.order.len();
    let count = delays_ms.len();
    let all = || delays_ms.iter().map(|&ms| delay(ms));
    let shortest = all().map(|d| d.entries).min().unwrap_or(u32::MAX);
    let fractional = all().any(|d| d.fraction > 0.0);
    let place = |source: u32, d: Delay| {
        let source = source as usize;
        history.start[source] + history.depth[source] - d.entries
    };
    let mut out = Delayed {
        history: index,
        shortest,
        by_source: n <= BY_SOURCE_AREAS,
        bounds: Vec::new(),
        targets: Vec::new(),
        places: vec![0; count],
        weights: vec![0.0; count],
        fractions: vec![0.0; if fractional { count } else { 0 }],
    };
    if out.by_source {
        let mut entries = Vec::new();
        let mut by_source: Vec<Vec<(u32, f64, Delay)>> = vec![Vec::new(); n];
        for target in 0..n {
            ordered.row(target, &mut entries);
            for &(at, source, w) in &entries {
                by_source[source as usize].push((target as u32, w, delay(delays_ms[at])));
            }
        }
        out.bounds.push(0);
        for (source, links) in by_source.into_iter().enumerate() {
            for (target, w, d) in links {
                let at = out.targets.len();
                out.targets.push(target);
                out.places[at] = place(source as u32, d);
                out.weights[at] = w;
                if fractional {
                    out.fractions[at] = d.fraction;
                }
            }
            out.bounds.push(out.targets.len());
        }
        return out;
    }
    out.bounds = ordered.bounds();
    fill_rows(
        &out.bounds,
        (&mut out.places, &mut out.weights, &mut out.fractions),
        |block, (places, weights, fractions)| {
            let mut entries = Vec::new();
            let mut k = 0;
            for target in block {
                ordered.row(target, &mut entries);
                for &(at, source, w) in &entries {
                    let d = delay(delays_ms[at]);
                    (places[k], weights[k]) = (place(source, d), w);
                    if fractional {
                        fractions[k] = d.fraction;
                    }
                    k += 1;
                }
            }
        },
    );
    out
}
/// Milliseconds without the last digits of a product: 1.4, not 1.4000000000000001.
fn shown_ms(ms: f64) -> f64 {
    (ms * 1e9).round() / 1e9
}
