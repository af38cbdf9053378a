//! Random numbers by address: a function of (seed, replicate, site, step), never a stream.
//!
//! The generator is Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as
//! 1, 2, 3", doi 10.1145/2063384.2063405). The key is the seed; the counter is the address. One
//! block of 128 bits gives two normal numbers, which serve an even step and the odd step after it.
//! Threads, lanes, batches, resume and the order of areas cannot change what an address holds.

use std::array;

use crate::ids::Replicate;
use crate::lanes::{box_muller, each};

const MULTIPLIER: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;
const LOW: u64 = 0xFFFF_FFFF;

/// The key of every round, from a seed.
#[derive(Debug, Clone, Copy)]
pub struct Keys([[u64; 2]; ROUNDS]);

impl Keys {
    /// The round keys of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut key = [seed as u32, (seed >> 32) as u32];
        Keys(array::from_fn(|_| {
            let round = key.map(u64::from);
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
            round
        }))
    }
}

/// Ten rounds of Philox4x32 on `N` counters side by side.
///
/// Words of 32 bits travel in the lower halves of 64-bit lanes, where vector units multiply them in
/// full; what stands in the upper halves is left there and masked where it would matter.
#[inline(always)]
fn philox<const N: usize>(mut c: [[u64; N]; 4], keys: &Keys) -> [[u64; N]; 4] {
    for key in &keys.0 {
        let p0: [u64; N] = each!(i => (c[0][i] & LOW) * MULTIPLIER[0]);
        let p1: [u64; N] = each!(i => (c[2][i] & LOW) * MULTIPLIER[1]);
        c = [
            each!(i => (p1[i] >> 32) ^ c[1][i] ^ key[0]),
            p1,
            each!(i => (p0[i] >> 32) ^ c[3][i] ^ key[1]),
            p0,
        ];
    }
    c
}

/// Philox4x32-10 of one 128-bit counter.
#[must_use]
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let keys = Keys::new(u64::from(key[1]) << 32 | u64::from(key[0]));
    philox::<1>(counter.map(|word| [u64::from(word)]), &keys).map(|[word]| word as u32)
}

/// Where noise enters: a 64-bit name made of text, so that it does not move when areas are
/// reordered, removed or added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site(pub u64);

impl Site {
    /// The site of a named noise source in one input of one area.
    ///
    /// FNV-1a over the parts with a separator, then a finaliser that spreads every bit.
    #[must_use]
    pub fn new(noise: &str, area: &str, input: &str) -> Self {
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        for part in [noise, area, input] {
            for byte in part.bytes().chain(std::iter::once(0xFF)) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
            }
        }
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Site(hash ^ (hash >> 31))
    }
}

/// The upper 52 of 64 bits, as a number in [1, 2).
#[inline(always)]
fn one_to_two(high: u64, low: u64) -> f64 {
    let bits = (high << 32) | (low & LOW);
    f64::from_bits((bits >> 12) | 0x3FF0_0000_0000_0000)
}

/// Two uniform numbers, in (0, 1] and in [0, 1), for a step pair at `N` addresses.
#[inline(always)]
#[must_use]
pub fn uniform_pairs<const N: usize>(
    keys: &Keys,
    pair: u32,
    sites: &[u64; N],
    replicates: &[u64; N],
) -> ([f64; N], [f64; N]) {
    let counters = [
        [u64::from(pair); N],
        *sites,
        each!(i => sites[i] >> 32),
        *replicates,
    ];
    let [a, b, c, d] = philox(counters, keys);
    // 2 - x is in (0, 1], where a logarithm exists.
    (
        each!(i => 2.0 - one_to_two(a[i], b[i])),
        each!(i => one_to_two(c[i], d[i]) - 1.0),
    )
}

/// The two normal numbers of a step pair, for step `2 * pair` and for step `2 * pair + 1`, at `N`
/// addresses.
#[inline(always)]
#[must_use]
pub fn normal_pairs<const N: usize>(
    keys: &Keys,
    pair: u32,
    sites: &[u64; N],
    replicates: &[u64; N],
) -> ([f64; N], [f64; N]) {
    let (u1, u2) = uniform_pairs(keys, pair, sites, replicates);
    box_muller(u1, u2)
}

/// The normal number at one address.
#[must_use]
pub fn normal(seed: u64, step: u64, site: Site, replicate: Replicate) -> f64 {
    let pair =
        u32::try_from(step / 2).expect("a run has fewer than 2^33 steps; the plan checks it");
    let replicate = [u64::from(replicate.0)];
    let (even, odd) = normal_pairs(&Keys::new(seed), pair, &[site.0], &replicate);
    if step.is_multiple_of(2) {
        even[0]
    } else {
        odd[0]
    }
}

/// A uniform integer below `bound > 0` at an address: for shuffles, which need few and exact draws.
#[must_use]
pub fn below(seed: u64, draw: u32, site: Site, bound: u64) -> u64 {
    let counter = [draw, site.0 as u32, (site.0 >> 32) as u32, u32::MAX];
    let [a, b, ..] = philox4x32(counter, [seed as u32, (seed >> 32) as u32]);
    let word = (u64::from(a) << 32) | u64::from(b);
    // Multiply-shift: the bias is below bound / 2^64.
    ((u128::from(word) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with Random123 for philox4x32-10.
    #[test]
    fn known_answers() {
        assert_eq!(
            philox4x32([0; 4], [0; 2]),
            [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]
        );
        assert_eq!(
            philox4x32([u32::MAX; 4], [u32::MAX; 2]),
            [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]
        );
        assert_eq!(
            philox4x32(
                [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344],
                [0xA409_3822, 0x299F_31D0]
            ),
            [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1]
        );
    }

    #[test]
    fn vector_and_scalar_addresses_agree() {
        let sites: [Site; 8] = array::from_fn(|i| Site::new("n", &format!("a{i}"), "drive"));
        let replicates: [Replicate; 8] = array::from_fn(|i| Replicate(i as u32 * 3));
        let keys = Keys::new(42);
        let words = (sites.map(|s| s.0), replicates.map(|r| u64::from(r.0)));
        let (even, odd) = normal_pairs(&keys, 7, &words.0, &words.1);
        for i in 0..8 {
            assert_eq!(
                even[i].to_bits(),
                normal(42, 14, sites[i], replicates[i]).to_bits()
            );
            assert_eq!(
                odd[i].to_bits(),
                normal(42, 15, sites[i], replicates[i]).to_bits()
            );
        }
    }

    #[test]
    fn moments_are_normal() {
        let site = Site::new("noise", "V1", "drive_E");
        let n = 400_000_u32;
        let (mut m1, mut m2, mut m3, mut m4) = (0.0, 0.0, 0.0, 0.0);
        for step in 0..n {
            let x = normal(1, u64::from(step), site, Replicate(0));
            m1 += x;
            m2 += x * x;
            m3 += x.powi(3);
            m4 += x.powi(4);
        }
        let n = f64::from(n);
        // Five standard errors of each moment: 1, sqrt 2, sqrt 15, sqrt 96 over sqrt n.
        let bound = 5.0 / n.sqrt();
        assert!((m1 / n).abs() < bound);
        assert!((m2 / n - 1.0).abs() < 2.0_f64.sqrt() * bound);
        assert!((m3 / n).abs() < 15.0_f64.sqrt() * bound);
        assert!((m4 / n - 3.0).abs() < 96.0_f64.sqrt() * bound);
    }

    #[test]
    fn neighbours_are_uncorrelated() {
        let n = 50_000_u64;
        let a = Site::new("noise", "V1", "drive_E");
        let b = Site::new("noise", "V2", "drive_E");
        let at = |seed, step, site, replicate| normal(seed, step, site, Replicate(replicate));
        for (name, seed, ahead, site, replicate) in [
            ("area", 1, 0, b, 0),
            ("replicate", 1, 0, a, 1),
            ("seed", 2, 0, a, 0),
            ("next step", 1, 1, a, 0),
            ("next pair", 1, 2, a, 0),
        ] {
            let other = |k| at(seed, k + ahead, site, replicate);
            let sum: f64 = (0..n).map(|k| at(1, k, a, 0) * other(k)).sum();
            assert!((sum / n as f64).abs() < 5.0 / (n as f64).sqrt(), "{name}");
        }
    }

    #[test]
    fn sites_differ_and_shuffles_cover() {
        assert_ne!(Site::new("a", "b", "c"), Site::new("ab", "", "c"));
        let site = Site::new("shuffle", "", "");
        let mut seen = [0_u32; 7];
        for draw in 0..7_000 {
            seen[below(3, draw, site, 7) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
    }
}
