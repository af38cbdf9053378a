//! Long-range rules: how connection weights turn variables sent by source areas into inputs
//! received by target areas.
//!
//! A projection is `input_i(t) = gain_i * sum_j W_ij x_j(t - d_ij)`, row = target i, column = source
//! j. W is dimensionless; the gain carries the unit and the gradient of the target area. Before the
//! start of a run every variable has always been what it is at the start.

use sprs::{CsMat, TriMat};

use crate::rng::{Site, below};

/// A matrix of the connectome with what it sends and what is received.
#[derive(Debug, Clone)]
pub struct Projection {
    /// Name in the config.
    pub name: String,
    /// Weights, [target, source], dimensionless.
    pub weights: CsMat<f64>,
    /// Delay of every stored entry of `weights`, in its order, ms; none if nothing is delayed.
    pub delays_ms: Option<Vec<f64>>,
    /// Index of the circuit variable that source areas send.
    pub sent: usize,
    /// Inputs that target areas receive.
    pub received: Vec<Received>,
}

/// One input reached by a projection.
#[derive(Debug, Clone)]
pub struct Received {
    /// Index of the circuit input.
    pub input: usize,
    /// Gain of each target area, [unit of the input / unit of the sent variable].
    pub gain: Vec<f64>,
}

/// A delay on the grid on which what was sent is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delay {
    /// Whole entries of the grid to look back.
    pub entries: u32,
    /// Fraction of one more, 0 <= fraction < 1, over which is interpolated. Kept in single precision
    /// to save memory: a delay is known to far fewer digits.
    pub fraction: f32,
}

impl Delay {
    /// A delay rounded to whole steps, halves up.
    #[must_use]
    pub fn rounded(ms: f64, dt_ms: f64, entries_per_step: u32) -> Self {
        Delay {
            entries: (ms / dt_ms).round() as u32 * entries_per_step,
            fraction: 0.0,
        }
    }

    /// A delay kept to single precision of an entry.
    #[must_use]
    pub fn interpolated(ms: f64, dt_ms: f64, entries_per_step: u32) -> Self {
        let exact = ms / dt_ms * f64::from(entries_per_step);
        // What is on the grid but for round-off stays there.
        let whole = (exact + 1e-9).floor();
        let fraction = (exact - whole).max(0.0) as f32;
        Delay {
            entries: whole as u32 + u32::from(fraction >= 1.0),
            fraction: if fraction >= 1.0 { 0.0 } else { fraction },
        }
    }
}

/// Keeps the links for which `keep(target, source)` holds.
#[must_use]
pub fn filter(weights: &CsMat<f64>, keep: impl Fn(usize, usize) -> bool) -> CsMat<f64> {
    let mut out = TriMat::new(weights.shape());
    for (&w, (i, j)) in weights {
        if keep(i, j) {
            out.add_triplet(i, j, w);
        }
    }
    out.to_csr()
}

/// Coupling by differences: sum_j w_ij (x_j - x_i) is a sum over x once w_ii is minus the sum of the row.
#[must_use]
pub fn less_own(weights: &CsMat<f64>) -> CsMat<f64> {
    let mut out = TriMat::new(weights.shape());
    let mut sums = vec![0.0; weights.rows()];
    for (&w, (i, j)) in weights {
        out.add_triplet(i, j, w);
        sums[i] += w;
    }
    for (i, sum) in sums.into_iter().enumerate().filter(|s| s.1 != 0.0) {
        out.add_triplet(i, i, -sum);
    }
    out.to_csr()
}

/// Permutes the weights over the existing links: topology kept (Chaudhuri et al. 2015, Fig. 5).
///
/// Links are ordered by the names of their areas, so that the permutation belongs to the network
/// and not to the order in which a file lists it.
#[must_use]
pub fn shuffle_strengths(weights: &CsMat<f64>, names: &[&str], seed: u64) -> CsMat<f64> {
    let mut links: Vec<(usize, usize)> = weights.iter().map(|(_, at)| at).collect();
    links.sort_by_key(|&(i, j)| (names[i], names[j]));
    permute(weights, &links, seed)
}

/// Permutes all off-diagonal entries, zeros included: topology and strengths scrambled.
#[must_use]
pub fn shuffle_topology(weights: &CsMat<f64>, names: &[&str], seed: u64) -> CsMat<f64> {
    let n = weights.rows();
    let mut pairs: Vec<(usize, usize)> = (0..n)
        .flat_map(|i| (0..n).filter(move |&j| j != i).map(move |j| (i, j)))
        .collect();
    pairs.sort_by_key(|&(i, j)| (names[i], names[j]));
    permute(weights, &pairs, seed)
}

/// Fisher–Yates over the entries at `places`, with numbers addressed by (seed, draw).
fn permute(weights: &CsMat<f64>, places: &[(usize, usize)], seed: u64) -> CsMat<f64> {
    let site = Site::new("shuffle", "", "");
    let mut values: Vec<f64> = places
        .iter()
        .map(|&(i, j)| weights.get(i, j).copied().unwrap_or(0.0))
        .collect();
    for last in (1..values.len()).rev() {
        let draw = u32::try_from(last).expect("fewer than 2^32 links are shuffled");
        values.swap(last, below(seed, draw, site, last as u64 + 1) as usize);
    }
    let mut out = TriMat::new(weights.shape());
    for (&(i, j), &w) in places.iter().zip(&values) {
        if w != 0.0 {
            out.add_triplet(i, j, w);
        }
    }
    out.to_csr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(entries: &[(usize, usize, f64)]) -> CsMat<f64> {
        let mut m = TriMat::new((4, 4));
        for &(i, j, w) in entries {
            m.add_triplet(i, j, w);
        }
        m.to_csr()
    }

    fn sorted(m: &CsMat<f64>) -> Vec<f64> {
        let mut values = m.data().to_vec();
        values.sort_by(f64::total_cmp);
        values
    }

    const LINKS: [(usize, usize, f64); 5] = [
        (0, 1, 0.1),
        (0, 2, 0.2),
        (1, 3, 0.3),
        (3, 0, 0.4),
        (2, 1, 0.5),
    ];
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];

    #[test]
    fn strengths_move_over_the_same_links() {
        let m = matrix(&LINKS);
        let s = shuffle_strengths(&m, &NAMES, 7);
        assert_eq!((s.indptr(), s.indices()), (m.indptr(), m.indices()));
        assert_eq!(sorted(&s), sorted(&m));
        assert!((0..20).any(|seed| shuffle_strengths(&m, &NAMES, seed) != m));
    }

    #[test]
    fn topology_moves_links_but_never_onto_the_diagonal() {
        let m = matrix(&LINKS);
        for seed in 0..50 {
            let s = shuffle_topology(&m, &NAMES, seed);
            assert_eq!(sorted(&s), sorted(&m));
            assert!(s.iter().all(|(_, (i, j))| i != j));
        }
    }

    #[test]
    fn shuffles_follow_names_not_positions() {
        let m = matrix(&LINKS);
        let order = [2, 0, 3, 1]; // new position -> old position
        let position = |old: usize| order.iter().position(|&o| o == old).unwrap();
        let entries: Vec<_> = LINKS
            .iter()
            .map(|&(i, j, w)| (position(i), position(j), w))
            .collect();
        let names: Vec<&str> = order.iter().map(|&o| NAMES[o]).collect();
        let moved = shuffle_strengths(&matrix(&entries), &names, 3);
        for (w, (i, j)) in &shuffle_strengths(&m, &NAMES, 3) {
            assert_eq!(moved.get(position(i), position(j)), Some(w));
        }
    }

    #[test]
    fn differences_vanish_where_all_areas_agree() {
        let m = less_own(&matrix(&LINKS));
        assert_eq!(m.nnz(), LINKS.len() + m.rows());
        for i in 0..m.rows() {
            let row: Vec<f64> = m.outer_view(i).unwrap().data().to_vec();
            assert!(
                row.len() > 1 && row.iter().sum::<f64>().abs() < 1e-15,
                "{row:?}"
            );
            assert!(m.get(i, i).is_some_and(|w| *w < 0.0));
        }
    }

    #[test]
    fn filter_keeps_what_it_is_told() {
        let m = filter(&matrix(&LINKS), |i, j| i > j);
        assert_eq!(sorted(&m), [0.4, 0.5]);
    }
}
