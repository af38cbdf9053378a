//! The spectral radius of a sparse non-negative matrix, with a bracket that proves its accuracy.

use sprs::CsMat;

/// Most sweeps of the power iteration on one strongly connected part.
const SWEEPS: usize = 200_000;

/// Spectral radius of a square CSR matrix with non-negative entries, to a relative accuracy of
/// `tolerance` of the largest row sum.
///
/// The spectrum of a reducible matrix is the union of the spectra of its strongly connected parts.
/// On each part `x <- (A + cI)x` is iterated from a positive vector: the shift makes the part
/// primitive, so the iteration converges where plain powers would oscillate (two areas linked only
/// to each other), and the smallest and largest of `(Ax)_i / x_i` enclose the Perron root at every
/// sweep (Collatz 1942; Wielandt 1950), which is the stopping rule. A chain without loops gives 0.
pub(super) fn spectral_radius(matrix: &CsMat<f64>, tolerance: f64) -> f64 {
    let mut local = vec![usize::MAX; matrix.rows()];
    let mut largest: f64 = 0.0;
    for part in strongly_connected(matrix) {
        for (k, &area) in part.iter().enumerate() {
            local[area] = k;
        }
        let rows: Vec<Vec<(usize, f64)>> = part
            .iter()
            .map(|&area| {
                matrix
                    .outer_view(area)
                    .map(|row| {
                        row.iter()
                            .filter(|(j, _)| local[*j] != usize::MAX)
                            .map(|(j, &w)| (local[j], w))
                            .collect()
                    })
                    .unwrap_or_default()
            })
            .collect();
        largest = largest.max(perron_root(&rows, tolerance));
        for &area in &part {
            local[area] = usize::MAX;
        }
    }
    largest
}

/// Perron root of one irreducible part.
fn perron_root(rows: &[Vec<(usize, f64)>], tolerance: f64) -> f64 {
    let shift = rows
        .iter()
        .map(|row| row.iter().map(|(_, w)| w).sum::<f64>())
        .fold(0.0, f64::max);
    if shift == 0.0 {
        return 0.0;
    }
    let mut x = vec![1.0; rows.len()];
    let mut bracket = (0.0, shift);
    for _ in 0..SWEEPS {
        let product: Vec<f64> = rows
            .iter()
            .map(|row| row.iter().map(|&(j, w)| w * x[j]).sum())
            .collect();
        let mut low = f64::INFINITY;
        let mut high: f64 = 0.0;
        for (p, v) in product.iter().zip(&x).filter(|(_, v)| **v > 0.0) {
            low = low.min(p / v);
            high = high.max(p / v);
        }
        bracket = (low, high);
        if high - low <= tolerance * shift {
            break;
        }
        let mut top: f64 = 0.0;
        for (v, p) in x.iter_mut().zip(&product) {
            *v = shift.mul_add(*v, *p);
            top = top.max(*v);
        }
        x.iter_mut().for_each(|v| *v /= top);
    }
    0.5 * (bracket.0 + bracket.1)
}

/// Strongly connected parts (Tarjan 1972), written without recursion so that a long chain of areas
/// cannot exhaust the stack.
fn strongly_connected(matrix: &CsMat<f64>) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let n = matrix.rows();
    let neighbours: Vec<Vec<usize>> = (0..n)
        .map(|i| {
            matrix
                .outer_view(i)
                .map(|row| row.indices().to_vec())
                .unwrap_or_default()
        })
        .collect();
    let mut order = vec![NEW; n];
    let mut low = vec![0; n];
    let mut on_stack = vec![false; n];
    let mut stack = Vec::new();
    let mut parts = Vec::new();
    let mut count = 0;
    for root in 0..n {
        if order[root] != NEW {
            continue;
        }
        let mut path: Vec<(usize, usize)> = vec![(root, 0)];
        while let Some(&(v, next)) = path.last() {
            if next == 0 {
                order[v] = count;
                low[v] = count;
                count += 1;
                stack.push(v);
                on_stack[v] = true;
            }
            if let Some(&w) = neighbours[v].get(next) {
                if let Some(top) = path.last_mut() {
                    top.1 += 1;
                }
                if order[w] == NEW {
                    path.push((w, 0));
                } else if on_stack[w] {
                    low[v] = low[v].min(order[w]);
                }
                continue;
            }
            path.pop();
            if let Some(&(parent, _)) = path.last() {
                low[parent] = low[parent].min(low[v]);
            }
            if low[v] == order[v] {
                let mut part = Vec::new();
                while let Some(w) = stack.pop() {
                    on_stack[w] = false;
                    part.push(w);
                    if w == v {
                        break;
                    }
                }
                parts.push(part);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(n: usize, links: &[(usize, usize, f64)]) -> CsMat<f64> {
        let mut triplets = sprs::TriMat::new((n, n));
        for &(i, j, w) in links {
            triplets.add_triplet(i, j, w);
        }
        triplets.to_csr()
    }

    #[test]
    fn known_roots() {
        let near = |found: f64, expected: f64| {
            assert!(
                (found - expected).abs() < 1e-10,
                "found {found}, expected {expected}"
            );
        };
        // A two-cycle is periodic: its root is the geometric mean of the two weights.
        near(
            spectral_radius(&matrix(2, &[(0, 1, 0.9), (1, 0, 0.1)]), 1e-13),
            0.3,
        );
        // A chain has no loop.
        near(
            spectral_radius(&matrix(3, &[(1, 0, 0.5), (2, 1, 0.7)]), 1e-13),
            0.0,
        );
        // Two separate loops joined one way: the larger root counts.
        let joined = [
            (0, 1, 0.2),
            (1, 0, 0.2),
            (2, 1, 0.9),
            (2, 3, 0.8),
            (3, 2, 0.2),
        ];
        near(spectral_radius(&matrix(4, &joined), 1e-13), 0.4);
        // A ring of five.
        let ring: Vec<_> = (0..5).map(|i| (i, (i + 1) % 5, 0.25)).collect();
        near(spectral_radius(&matrix(5, &ring), 1e-13), 0.25);
        near(spectral_radius(&matrix(2, &[]), 1e-13), 0.0);
    }

    #[test]
    fn parts_of_a_long_chain() {
        let chain: Vec<_> = (1..50_000).map(|i| (i, i - 1, 0.5)).collect();
        assert_eq!(strongly_connected(&matrix(50_000, &chain)).len(), 50_000);
    }

    #[test]
    fn parts_are_found() {
        let links = [(0, 1, 1.0), (1, 2, 1.0), (2, 0, 1.0), (3, 2, 1.0)];
        let mut sizes: Vec<usize> = strongly_connected(&matrix(4, &links))
            .iter()
            .map(Vec::len)
            .collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 3]);
    }
}
