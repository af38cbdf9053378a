//! The state of a block of lanes as plain words, to go on from later.
//!
//! A state lists its numbers once, to whoever [`Carry`]s them: [`Save`] copies them out, [`Restore`]
//! puts them back into a state that was made for the same plan and the same lanes.

use crate::lanes::Lanes;

/// Is shown every number of a state in turn, and may replace it.
pub(super) trait Carry {
    fn word(&mut self, word: &mut u64);

    fn float(&mut self, x: &mut f64) {
        let mut word = x.to_bits();
        self.word(&mut word);
        *x = f64::from_bits(word);
    }
}

pub(super) fn count(by: &mut dyn Carry, count: &mut usize) {
    let mut word = *count as u64;
    by.word(&mut word);
    *count = word as usize;
}

pub(super) fn floats(by: &mut dyn Carry, all: &mut [f64]) {
    all.iter_mut().for_each(|x| by.float(x));
}

pub(super) fn lanes<L: Lanes>(by: &mut dyn Carry, all: &mut [L]) {
    for vector in all {
        for lane in 0..L::WIDTH {
            let mut x = vector.lane(lane);
            by.float(&mut x);
            vector.set_lane(lane, x);
        }
    }
}

/// Something or nothing.
pub(super) fn option<T: Default>(
    by: &mut dyn Carry,
    value: &mut Option<T>,
    each: impl FnOnce(&mut dyn Carry, &mut T),
) {
    let mut there = usize::from(value.is_some());
    count(by, &mut there);
    let mut inner = value.take().unwrap_or_default();
    each(by, &mut inner);
    *value = (there != 0).then_some(inner);
}

/// Copies words out.
#[derive(Default)]
pub(super) struct Save {
    pub words: Vec<u64>,
}

impl Carry for Save {
    fn word(&mut self, word: &mut u64) {
        self.words.push(*word);
    }
}

/// Puts words back; zeros once they have run out.
pub(super) struct Restore<'a> {
    words: std::slice::Iter<'a, u64>,
    short: bool,
}

impl<'a> Restore<'a> {
    pub fn new(words: &'a [u64]) -> Self {
        Restore {
            words: words.iter(),
            short: false,
        }
    }

    /// Leaves out so many words, which belong to another process.
    pub fn skip(&mut self, count: usize) {
        self.short |= self.words.len() < count;
        self.words = self
            .words
            .as_slice()
            .get(count..)
            .unwrap_or_default()
            .iter();
    }

    /// Whether there were just as many words as were asked for.
    pub fn fits(&self) -> bool {
        !self.short && self.words.len() == 0
    }
}

impl Carry for Restore<'_> {
    fn word(&mut self, word: &mut u64) {
        let next = self.words.next();
        self.short |= next.is_none();
        *word = next.copied().unwrap_or(0);
    }
}
