//! Connection weights over positions: dense, sparse, or with delays.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use sprs::CsMat;

use super::history::{Delayed, History};
use crate::ids::AreaId;

/// Rows = targets, columns = sources, both as positions in canonical order.
#[derive(Debug, Clone, PartialEq)]
pub enum Matrix {
    /// Every pair, row-major `[target * n + source]`. Pairs without link are multiplied by zero, which
    /// changes no bit of a finite sum; once a replicate has diverged, 0 × NaN spreads to areas that
    /// the sparse form would leave finite a little longer.
    Dense {
        /// Number of positions.
        n: usize,
        /// Weights.
        weights: Vec<f64>,
    },
    /// Existing links only.
    Sparse(Arc<Sparse>),
    /// Existing links that look back in time.
    Delayed(Arc<Delayed>),
}

/// Links compressed by row: 12 bytes each.
///
/// Each row has its even source positions and its odd ones, each ascending: the order of the two
/// partial sums that define a weighted sum. The parts of [`Sparse::ABREAST`] / 2 neighbouring rows
/// are summed side by side and stand in memory as they are read: the first link of every part, the
/// second of every part, and so on to the end of the shortest part; then what is left of each part.
/// Rows that do not fill a group stand one part after another.
#[derive(Debug, Clone, PartialEq)]
pub struct Sparse {
    /// Number of links before each part of a row; row i has its even part at 2i, its odd one after
    /// it. The links of a group are those between the bounds of its first and last part.
    pub(crate) parts: Vec<usize>,
    /// Position of each source; below the number of areas, on which steppers rely.
    pub(crate) sources: Vec<u32>,
    /// Weights.
    pub(crate) weights: Vec<f64>,
}

impl Sparse {
    /// Parts of rows that are summed side by side: as many as fill the widest vector, and enough
    /// independent chains to hide the latency of the fused multiply–add.
    pub const ABREAST: usize = 8;
    /// Rows whose parts are summed side by side.
    pub const ROWS: usize = Self::ABREAST / 2;

    /// Number of areas.
    #[must_use]
    pub fn areas(&self) -> usize {
        (self.parts.len() - 1) / 2
    }

    /// Number of whole groups of rows.
    pub(crate) fn groups(&self) -> usize {
        self.areas() / Self::ROWS
    }

    /// Links of each part that stand side by side in a group, where the group starts, and where what
    /// is left of each part starts.
    #[inline(always)]
    pub(crate) fn group(&self, group: usize) -> (usize, usize, [Range<usize>; Self::ABREAST]) {
        let bounds = &self.parts[Self::ABREAST * group..][..=Self::ABREAST];
        layout(std::array::from_fn(|p| bounds[p]..bounds[p + 1]))
    }
}

/// From where the links of each part would stand if they stood one after another: how many of each
/// stand side by side, where the first of them stand, and where the rest of each part is.
#[inline(always)]
fn layout<const P: usize>(parts: [Range<usize>; P]) -> (usize, usize, [Range<usize>; P]) {
    let abreast = parts.iter().map(ExactSizeIterator::len).min().unwrap_or(0);
    let first = parts[0].start;
    let mut at = first + P * abreast;
    let rest = parts.map(|part| {
        let start = at;
        at += part.len() - abreast;
        start..at
    });
    (abreast, first, rest)
}

/// Bounds of groups once only the links of a span are left.
pub(super) fn bounds_within(bounds: &[usize], links: &Range<usize>) -> Vec<usize> {
    let within = |at: &usize| (*at).clamp(links.start, links.end) - links.start;
    bounds.iter().map(within).collect()
}

/// Up to here a dense product is faster than a sparse one even for few links, and small enough to
/// stay in the second-level cache: 256² × 8 bytes = 512 KiB.
const DENSE_AREAS: usize = 256;

/// Rows that one task of a parallel construction writes: whole groups.
const ROWS_PER_TASK: usize = 1024 * Sparse::ROWS;

/// A connectome matrix seen in canonical order.
pub(super) struct Ordered<'a> {
    pub matrix: &'a CsMat<f64>,
    /// Area at each position.
    pub order: &'a [AreaId],
    /// Position of each area.
    pub position: &'a [usize],
}

impl Ordered<'_> {
    /// Entries of the row of a position as (index among the matrix's entries, source, weight), even
    /// sources first, each part ascending.
    pub fn row(&self, target: usize, entries: &mut Vec<(usize, u32, f64)>) {
        let area = self.order[target].index();
        let indptr = self.matrix.indptr();
        let span: Range<usize> = indptr.outer_inds_sz(area);
        entries.clear();
        entries.extend(span.map(|at| {
            let source = self.position[self.matrix.indices()[at]] as u32;
            (at, source, self.matrix.data()[at])
        }));
        entries.sort_unstable_by_key(|&(_, source, _)| (source % 2, source));
    }

    /// Bounds of the even and odd parts of all rows.
    pub fn bounds(&self) -> Vec<usize> {
        let n = self.order.len();
        let even: Vec<(usize, usize)> = (0..n)
            .into_par_iter()
            .map(|target| {
                let span = self
                    .matrix
                    .indptr()
                    .outer_inds_sz(self.order[target].index());
                let sources = self.matrix.indices()[span.clone()].iter();
                let even = sources
                    .filter(|j| self.position[**j].is_multiple_of(2))
                    .count();
                (even, span.len())
            })
            .collect();
        let mut out = Vec::with_capacity(2 * n + 1);
        let mut at = 0;
        out.push(at);
        for (even, all) in even {
            out.push(at + even);
            at += all;
            out.push(at);
        }
        out
    }
}

/// Calls `fill(rows, part of every array)` for blocks of rows in parallel; `bounds` are those of
/// [`Ordered::bounds`].
pub(super) fn fill_rows<A: Send, B: Send, C: Send>(
    bounds: &[usize],
    arrays: (&mut [A], &mut [B], &mut [C]),
    fill: impl Fn(Range<usize>, (&mut [A], &mut [B], &mut [C])) + Sync,
) {
    let n = (bounds.len() - 1) / 2;
    let (mut a, mut b, mut c) = arrays;
    let mut tasks = Vec::with_capacity(n.div_ceil(ROWS_PER_TASK));
    for first in (0..n).step_by(ROWS_PER_TASK) {
        let last = (first + ROWS_PER_TASK).min(n);
        let count = bounds[2 * last] - bounds[2 * first];
        // An array that is not wanted is empty.
        let (a0, a1) = std::mem::take(&mut a).split_at_mut(count);
        let (b0, b1) = std::mem::take(&mut b).split_at_mut(count);
        let cut = count.min(c.len());
        let (c0, c1) = std::mem::take(&mut c).split_at_mut(cut);
        (a, b, c) = (a1, b1, c1);
        tasks.push((first..last, (a0, b0, c0)));
    }
    tasks
        .into_par_iter()
        .for_each(|(rows, parts)| fill(rows, parts));
}

impl Matrix {
    /// Reorders a connectome matrix to positions.
    pub(super) fn new(matrix: &CsMat<f64>, order: &[AreaId], position: &[usize]) -> Matrix {
        let n = order.len();
        if n <= DENSE_AREAS {
            let mut weights = vec![0.0; n * n];
            for (&w, (i, j)) in matrix {
                weights[position[i] * n + position[j]] = w;
            }
            return Matrix::Dense { n, weights };
        }
        let ordered = Ordered {
            matrix,
            order,
            position,
        };
        let parts = ordered.bounds();
        let mut sources = vec![0_u32; matrix.nnz()];
        let mut weights = vec![0.0; matrix.nnz()];
        fill_rows::<_, _, ()>(
            &parts,
            (&mut sources, &mut weights, &mut []),
            |block, (sources, weights, _)| {
                let mut entries = Vec::new();
                let before = parts[2 * block.start];
                let mut put = |at: usize, (_, j, w): (usize, u32, f64)| {
                    (sources[at - before], weights[at - before]) = (j, w);
                };
                for group in block.clone().step_by(Sparse::ROWS) {
                    let rows = group..(group + Sparse::ROWS).min(block.end);
                    let whole = rows.len() == Sparse::ROWS;
                    let bounds = |p: usize| parts[2 * group + p]..parts[2 * group + p + 1];
                    let (abreast, first, rest) = match whole {
                        true => layout::<{ Sparse::ABREAST }>(std::array::from_fn(bounds)),
                        false => (
                            0,
                            0,
                            std::array::from_fn(|p| match p < 2 * rows.len() {
                                true => bounds(p),
                                false => 0..0,
                            }),
                        ),
                    };
                    for (row, target) in rows.enumerate() {
                        ordered.row(target, &mut entries);
                        let odd = bounds(2 * row).len();
                        for (p, part) in [&entries[..odd], &entries[odd..]].into_iter().enumerate()
                        {
                            let (p, (begin, end)) = (2 * row + p, part.split_at(abreast));
                            for (slot, &entry) in begin.iter().enumerate() {
                                put(first + slot * Sparse::ABREAST + p, entry);
                            }
                            for (at, &entry) in rest[p].clone().zip(end) {
                                put(at, entry);
                            }
                        }
                    }
                }
            },
        );
        Matrix::Sparse(Arc::new(Sparse {
            parts,
            sources,
            weights,
        }))
    }

    /// Lets go of all links but those onto some positions, which begin and end with a group of rows or the last
    /// row. Sums onto others are then of nothing. Dense weights, and links by source, stay: they are few.
    pub(super) fn keep_rows(&mut self, rows: &Range<usize>) {
        match self {
            Matrix::Sparse(s) => {
                let links = s.parts[2 * rows.start]..s.parts[2 * rows.end];
                *s = Arc::new(Sparse {
                    parts: bounds_within(&s.parts, &links),
                    sources: s.sources[links.clone()].to_vec(),
                    weights: s.weights[links].to_vec(),
                });
            }
            Matrix::Delayed(d) if !d.by_source => *d = Arc::new(d.keep_rows(rows)),
            _ => {}
        }
    }

    /// Number of links.
    #[must_use]
    pub fn links(&self) -> usize {
        match self {
            Matrix::Dense { weights, .. } => weights.iter().filter(|w| **w != 0.0).count(),
            Matrix::Sparse(s) => s.weights.len(),
            Matrix::Delayed(d) => d.weights.len(),
        }
    }

    /// Bytes of the arrays with one value a link.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Matrix::Dense { weights, .. } => 8 * weights.len(),
            Matrix::Sparse(s) => 12 * s.weights.len() + 8 * s.parts.len(),
            Matrix::Delayed(d) => d.bytes(),
        }
    }

    /// How it is stored, for people.
    #[must_use]
    pub fn describe(&self, histories: &[History], entry_ms: f64) -> String {
        let size = format!("{:.1} KiB", self.bytes() as f64 / 1024.0);
        match self {
            Matrix::Dense { n, .. } => format!("dense {n} x {n}, {size}"),
            Matrix::Sparse(_) => format!("sparse rows, {size}"),
            Matrix::Delayed(d) => d.describe(&histories[d.history], entry_ms, &size),
        }
    }
}
