//! Long-range rules: how connection weights turn variables sent by source areas into inputs
//! received by target areas.
//!
//! A projection is `input_i(t) = gain_i * sum_j W_ij x_j(t - d_ij)`, row = target i, column = source
//! j. W is dimensionless; the gain carries the unit and the gradient of the target area. Before the
//! start of a run every variable has always been what it is at the start.

use std::collections::BTreeSet;

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

/// A null model of a matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Shuffled {
    /// Weights, [target, source].
    pub weights: CsMat<f64>,
    /// The link (target, source) of the original matrix that each stored entry of `weights` comes from,
    /// in its order.
    pub origin: Vec<(usize, usize)>,
}

/// Makes a null model of weights, with the names of the areas and a seed.
pub type NullModel = fn(&CsMat<f64>, &[&str], u64) -> Shuffled;

/// Target and source of a link.
type Link = (usize, usize);

/// Replaces the weights of both directions between two areas by their mean; 0 is no link.
#[must_use]
pub fn symmetrise(weights: &CsMat<f64>, mean: impl Fn(f64, f64) -> f64) -> CsMat<f64> {
    let mut out = TriMat::new(weights.shape());
    for (&w, (i, j)) in weights {
        let back = weights.get(j, i).copied();
        let both = mean(w, back.unwrap_or(0.0));
        if both != 0.0 {
            out.add_triplet(i, j, both);
            // Where the way back is a link, too, it makes its own entry.
            if back.is_none() {
                out.add_triplet(j, i, both);
            }
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
pub fn shuffle_strengths(weights: &CsMat<f64>, names: &[&str], seed: u64) -> Shuffled {
    let links = links_by_name(weights, names);
    permute(weights, &links, seed)
}

/// Permutes all off-diagonal entries, zeros included: topology and strengths scrambled.
#[must_use]
pub fn shuffle_topology(weights: &CsMat<f64>, names: &[&str], seed: u64) -> Shuffled {
    let n = weights.rows();
    let mut pairs: Vec<Link> = (0..n)
        .flat_map(|i| (0..n).filter(move |&j| j != i).map(move |j| (i, j)))
        .collect();
    pairs.sort_by_key(|&(i, j)| (names[i], names[j]));
    permute(weights, &pairs, seed)
}

/// Permutes the weights over the links of each target, so that sums of rows stay.
#[must_use]
pub fn shuffle_targets(weights: &CsMat<f64>, names: &[&str], seed: u64) -> Shuffled {
    permute_groups(weights, names, seed, "shuffle target", |(i, _)| i)
}

/// Permutes the weights over the links of each source, so that sums of columns stay.
#[must_use]
pub fn shuffle_sources(weights: &CsMat<f64>, names: &[&str], seed: u64) -> Shuffled {
    permute_groups(weights, names, seed, "shuffle source", |(_, j)| j)
}

/// Lets areas exchange their places in the matrix.
#[must_use]
pub fn exchange_areas(weights: &CsMat<f64>, names: &[&str], seed: u64) -> Shuffled {
    let taken = exchange(names, seed);
    let mut place = vec![0; taken.len()];
    for (new, &old) in taken.iter().enumerate() {
        place[old] = new;
    }
    let moved = weights
        .iter()
        .map(|(&w, (i, j))| ((place[i], place[j]), w, (i, j)));
    collect(weights.shape(), moved.collect())
}

/// For each area the one whose value or place it takes: a permutation that belongs to the names.
#[must_use]
pub fn exchange(names: &[&str], seed: u64) -> Vec<usize> {
    let mut sorted: Vec<usize> = (0..names.len()).collect();
    sorted.sort_by_key(|&i| names[i]);
    let order = permutation(names.len(), seed, Site::new("shuffle areas", "", ""));
    let mut taken = vec![0; names.len()];
    for (k, from) in order.into_iter().enumerate() {
        taken[sorted[k]] = sorted[from];
    }
    taken
}

/// Exchanges the sources of pairs of links, drawn at random, unless that made a link twice or one from an
/// area to itself (Maslov & Sneppen 2002, Science 296:910). A weight stays with its target, so that
/// numbers of links of targets and sources stay, and sums of rows.
#[must_use]
pub fn rewire(weights: &CsMat<f64>, names: &[&str], seed: u64) -> Shuffled {
    /// Attempts per link, with which exchanges forget where they began (Milo et al. 2003,
    /// arXiv:cond-mat/0312028).
    const ATTEMPTS: u64 = 100;
    let links = links_by_name(weights, names);
    let mut moved = links.clone();
    let mut there: BTreeSet<Link> = links.iter().copied().collect();
    let (site, count) = (Site::new("rewire", "", ""), links.len() as u64);
    let mut draws = 0;
    let mut draw = || {
        draws += 1;
        below(seed, draws, site, count) as usize
    };
    for _ in 0..ATTEMPTS * count {
        let (a, b) = (draw(), draw());
        let ((i, j), (k, l)) = (moved[a], moved[b]);
        let (one, other) = ((i, l), (k, j));
        if i == l || k == j || there.contains(&one) || there.contains(&other) {
            continue;
        }
        there.remove(&moved[a]);
        there.remove(&moved[b]);
        there.extend([one, other]);
        (moved[a], moved[b]) = (one, other);
    }
    let weight = |&(i, j): &Link| weights.get(i, j).copied().unwrap_or(0.0);
    let entries = moved.into_iter().zip(&links);
    let entries = entries.map(|(place, from)| (place, weight(from), *from));
    collect(weights.shape(), entries.collect())
}

fn links_by_name(weights: &CsMat<f64>, names: &[&str]) -> Vec<Link> {
    let mut links: Vec<Link> = weights.iter().map(|(_, at)| at).collect();
    links.sort_by_key(|&(i, j)| (names[i], names[j]));
    links
}

/// Fisher–Yates: index of what comes to each place, with numbers addressed by (seed, draw).
fn permutation(len: usize, seed: u64, site: Site) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    for last in (1..len).rev() {
        let draw = u32::try_from(last).expect("fewer than 2^32 links are shuffled");
        order.swap(last, below(seed, draw, site, last as u64 + 1) as usize);
    }
    order
}

fn permute(weights: &CsMat<f64>, places: &[Link], seed: u64) -> Shuffled {
    let order = permutation(places.len(), seed, Site::new("shuffle", "", ""));
    let entries = places.iter().zip(order).filter_map(|(&place, from)| {
        let (i, j) = places[from];
        weights.get(i, j).map(|&w| (place, w, (i, j)))
    });
    collect(weights.shape(), entries.collect())
}

/// Permutes the weights within groups of links: those of one target, or of one source.
fn permute_groups(
    weights: &CsMat<f64>,
    names: &[&str],
    seed: u64,
    what: &str,
    group: impl Fn(Link) -> usize,
) -> Shuffled {
    let links = links_by_name(weights, names);
    let mut entries = Vec::new();
    for (area, name) in names.iter().enumerate() {
        let own: Vec<Link> = links
            .iter()
            .copied()
            .filter(|l| group(*l) == area)
            .collect();
        let order = permutation(own.len(), seed, Site::new(what, name, ""));
        for (&place, from) in own.iter().zip(order) {
            let (i, j) = own[from];
            entries.push((place, weights.get(i, j).copied().unwrap_or(0.0), (i, j)));
        }
    }
    collect(weights.shape(), entries)
}

/// A matrix of (place, weight, where it comes from); a link of no weight is no link.
fn collect(shape: (usize, usize), mut entries: Vec<(Link, f64, Link)>) -> Shuffled {
    entries.retain(|(_, w, _)| *w != 0.0);
    entries.sort_by_key(|(place, _, _)| *place);
    let mut out = TriMat::new(shape);
    for ((i, j), w, _) in &entries {
        out.add_triplet(*i, *j, *w);
    }
    Shuffled {
        weights: out.to_csr(),
        origin: entries.into_iter().map(|(_, _, from)| from).collect(),
    }
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

    fn sums(m: &CsMat<f64>, by: impl Fn((usize, usize)) -> usize) -> Vec<f64> {
        let mut groups = vec![Vec::new(); 4];
        for (&w, at) in m {
            groups[by(at)].push(w);
        }
        let total = |mut group: Vec<f64>| {
            group.sort_by(f64::total_cmp);
            group.iter().sum()
        };
        groups.into_iter().map(total).collect()
    }

    fn degrees(m: &CsMat<f64>) -> [Vec<usize>; 2] {
        let count = |by: fn((usize, usize)) -> usize| {
            let of = |area| m.iter().filter(|(_, at)| by(*at) == area).count();
            (0..4).map(of).collect()
        };
        [count(|at| at.0), count(|at| at.1)]
    }

    /// What every null model keeps, and that it is not always the matrix itself.
    #[test]
    fn null_models_keep_what_they_say() {
        let m = matrix(&LINKS);
        let models: [(NullModel, [bool; 4]); 6] = [
            // links, sums of rows, sums of columns, numbers of links
            (shuffle_strengths, [true, false, false, true]),
            (shuffle_targets, [true, true, false, true]),
            (shuffle_sources, [true, false, true, true]),
            (shuffle_topology, [false, false, false, false]),
            (rewire, [false, true, false, true]),
            (exchange_areas, [false, false, false, false]),
        ];
        for (k, (model, expected)) in models.into_iter().enumerate() {
            let mut kept = [true; 4];
            let mut moved = false;
            for seed in 0..200 {
                let s = model(&m, &NAMES, seed);
                assert_eq!(sorted(&s.weights), sorted(&m), "model {k}");
                assert!(s.weights.iter().all(|(_, (i, j))| i != j), "model {k}");
                for ((w, _), (i, j)) in s.weights.iter().zip(&s.origin) {
                    assert_eq!(m.get(*i, *j), Some(w), "model {k}");
                }
                moved |= s.weights != m;
                kept[0] &= (s.weights.indptr(), s.weights.indices()) == (m.indptr(), m.indices());
                kept[1] &= sums(&s.weights, |at| at.0) == sums(&m, |at| at.0);
                kept[2] &= sums(&s.weights, |at| at.1) == sums(&m, |at| at.1);
                kept[3] &= degrees(&s.weights) == degrees(&m);
            }
            assert!(moved, "model {k}");
            assert_eq!(kept, expected, "model {k}");
        }
    }

    /// Areas take whole rows and columns with them.
    #[test]
    fn exchanged_areas_leave_the_matrix_as_it_is() {
        let m = matrix(&LINKS);
        let taken = exchange(&NAMES, 5);
        assert_ne!(taken, [0, 1, 2, 3]);
        let s = exchange_areas(&m, &NAMES, 5).weights;
        for i in 0..4 {
            for j in 0..4 {
                assert_eq!(s.get(i, j), m.get(taken[i], taken[j]));
            }
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
        let models: [NullModel; 6] = [
            shuffle_strengths,
            shuffle_targets,
            shuffle_sources,
            shuffle_topology,
            rewire,
            exchange_areas,
        ];
        for model in models {
            let moved = model(&matrix(&entries), &names, 3).weights;
            for (w, (i, j)) in &model(&m, &NAMES, 3).weights {
                assert_eq!(moved.get(position(i), position(j)), Some(w));
            }
        }
    }

    #[test]
    fn means_of_both_directions_are_symmetric() {
        let m = matrix(&[(0, 1, 0.1), (1, 0, 0.4), (0, 2, 0.2)]);
        let arithmetic = symmetrise(&m, |a, b| 0.5 * (a + b));
        let wanted = [(0, 1, 0.25), (0, 2, 0.1), (1, 0, 0.25), (2, 0, 0.1)];
        assert_eq!(arithmetic, matrix(&wanted));
        let geometric = symmetrise(&m, |a, b| (a * b).sqrt());
        assert_eq!(sorted(&geometric), [0.2, 0.2]);
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
