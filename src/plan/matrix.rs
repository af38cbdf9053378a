//! Connection weights over positions, dense or sparse.

use sprs::CsMat;

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
    /// Existing links only, compressed by row. Each row lists its even source positions, then its
    /// odd ones, each ascending: the order of the two partial sums that define a weighted sum.
    Sparse {
        /// Bounds in `sources`: row i has its even part at `rows[2i]..rows[2i + 1]` and its odd part
        /// at `rows[2i + 1]..rows[2i + 2]`.
        rows: Vec<u32>,
        /// Position of each source.
        sources: Vec<u32>,
        /// Weights.
        weights: Vec<f64>,
    },
}

/// Up to here a dense product is faster than a sparse one even for few links, and small enough to
/// stay in the second-level cache: 256² × 8 bytes = 512 KiB.
const DENSE_AREAS: usize = 256;

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
        let (mut rows, mut sources, mut weights) = (vec![0], Vec::new(), Vec::new());
        for area in order {
            let mut row: Vec<(u32, f64)> = matrix
                .outer_view(area.index())
                .map(|r| r.iter().map(|(j, &w)| (position[j] as u32, w)).collect())
                .unwrap_or_default();
            row.sort_unstable_by_key(|&(j, _)| j);
            for parity in 0..2 {
                for &(j, w) in row.iter().filter(|(j, _)| j % 2 == parity) {
                    sources.push(j);
                    weights.push(w);
                }
                rows.push(sources.len() as u32);
            }
        }
        Matrix::Sparse {
            rows,
            sources,
            weights,
        }
    }

    /// Number of links.
    #[must_use]
    pub fn links(&self) -> usize {
        match self {
            Matrix::Dense { weights, .. } | Matrix::Sparse { weights, .. } => {
                weights.iter().filter(|w| **w != 0.0).count()
            }
        }
    }

    /// How it is stored, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Matrix::Dense { n, weights } => {
                format!(
                    "dense {n} x {n}, {:.1} KiB",
                    (8 * weights.len()) as f64 / 1024.0
                )
            }
            Matrix::Sparse { weights, .. } => {
                format!(
                    "sparse rows, {:.1} KiB",
                    (12 * weights.len()) as f64 / 1024.0
                )
            }
        }
    }
}
