//! What the tests of runs, sweeps and ranks that die share: equal result files, and moments to kill at.

#![allow(dead_code, reason = "every test file uses its own part of this one")]

use std::path::Path;
use std::time::Duration;

use isocortex::record::Results;

/// Every variable of two files, bit for bit; NaN is NaN.
pub fn assert_same(a: &Path, b: &Path) {
    let (a, b) = (Results::open(a).unwrap(), Results::open(b).unwrap());
    assert_eq!(a.vars(), b.vars());
    for var in a.vars() {
        let (x, y) = (a.read(&var.name).unwrap(), b.read(&var.name).unwrap());
        let same = x
            .iter()
            .zip(&y)
            .all(|(x, y)| x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan()));
        assert!(same, "{} differs", var.name);
    }
}

/// Moments below `longest` microseconds, from Knuth's linear congruential generator: any do, as long as they
/// are the same in every run.
pub fn moments(seed: u64, longest: u64) -> impl FnMut() -> Duration {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Duration::from_micros((state >> 33) % longest)
    }
}
