//! A network that is large enough to be split over ranks, typed in place.

use std::fmt::Write as _;

/// Enough for four parts, the last of which is smaller and ends within a vector.
pub const AREAS: usize = 3100;

/// Areas that each receive from six others: near ones, the ends of the list, and two far away. Delays are in whole
/// and in broken steps from `shortest` on.
pub fn connectome(shortest: f64) -> String {
    let mut text = "{data: null, areas: {".to_owned();
    for i in 0..AREAS {
        let height = i as f64 / AREAS as f64;
        write!(text, "a{i:04}: {{hierarchy_norm: {height:?}}}, ").unwrap();
    }
    text += "}, links: [";
    for i in 0..AREAS {
        for (k, shift) in [1, 2, AREAS - 1, 517, 1300, 2911].into_iter().enumerate() {
            let j = (i + shift) % AREAS;
            let weight = 0.02 + 0.01 * ((i * 7 + k * 3) % 11) as f64;
            let delay = shortest + 0.35 * ((i + 5 * k) % 9) as f64;
            write!(
                text,
                "{{to: a{i:04}, from: a{j:04}, weight: {weight:?}, delay: {delay:.2} ms}}, "
            )
            .unwrap();
        }
    }
    text + "]}"
}
