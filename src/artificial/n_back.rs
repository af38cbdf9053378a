//! The n-back task: streams of symbols, the most that a network without memory can score, and a network
//! that needs no training.

use ndarray::{Array1, Array2};

use super::rnn::{Leak, Nonlinearity, Rnn, Unit};
use super::{Draws, Misfit};

/// A stream of symbols: respond where one equals that n before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NBack {
    /// n.
    pub back: usize,
    /// How many different symbols.
    pub symbols: usize,
    /// Length of the stream.
    pub length: usize,
    /// Probability of a target, at every place from the n-th on.
    pub targets: f64,
    /// Probability of a lure, which equals the symbol one place before or after that n back.
    pub lures: f64,
}

/// One place of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Symbol, from 0.
    pub symbol: usize,
    /// Whether it equals that n before.
    pub target: bool,
    /// Whether it is a lure.
    pub lure: bool,
}

/// Answers held against a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Share of right answers.
    pub accuracy: f64,
    /// Share of targets with a response.
    pub hits: f64,
    /// Share of other places with a response.
    pub false_alarms: f64,
}

impl NBack {
    /// Checks the numbers.
    ///
    /// # Errors
    /// n not in 1 to 100, symbols not in 4 to 100, a stream that is not longer than n or too long,
    /// probabilities that are none.
    pub fn check(&self) -> Result<(), Misfit> {
        // Three symbols may be forbidden at a place that is neither target nor lure. What is larger than this
        // no longer fits into memory as a network or as inputs.
        for (what, found, least, most) in [
            ("back", self.back, 1, 100),
            ("symbols", self.symbols, 4, 100),
            ("length", self.length, self.back + 1, 1_000_000),
        ] {
            if !(least..=most).contains(&found) {
                let message = format!("{what}: found {found}, expected {least} to {most}");
                return Err(Misfit(message));
            }
        }
        let sum = self.targets + self.lures;
        if !(self.targets >= 0.0 && self.lures >= 0.0 && sum <= 1.0) {
            let message = format!(
                "probabilities of targets and lures: found {} and {}, expected 0 or more and a sum of \
                 at most 1",
                self.targets, self.lures
            );
            return Err(Misfit(message));
        }
        Ok(())
    }

    /// The stream of a seed and a number. Whether a place is a target does not depend on its symbol, and
    /// nothing matches by accident: what is neither target nor lure differs from the symbols n - 1, n and
    /// n + 1 before.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn stream(&self, seed: u64, number: u64) -> Result<Vec<Item>, Misfit> {
        self.check()?;
        let mut draws = Draws::new(seed, &format!("n_back {number}"));
        let mut items: Vec<Item> = Vec::with_capacity(self.length);
        for t in 0..self.length {
            let before = |k: usize| Some(items[t.checked_sub(k)?].symbol);
            let Some(matching) = before(self.back) else {
                let symbol = draws.below(self.symbols);
                items.push(Item {
                    symbol,
                    target: false,
                    lure: false,
                });
                continue;
            };
            // One back has no place between.
            let after = (self.back > 1).then(|| before(self.back - 1)).flatten();
            let near: Vec<usize> = [after, before(self.back + 1)]
                .into_iter()
                .flatten()
                .collect();
            let target = draws.happens(self.targets);
            let lured = draws.happens(self.lures / (1.0 - self.targets).max(f64::MIN_POSITIVE));
            let baits: Vec<usize> = near.iter().copied().filter(|s| *s != matching).collect();
            let lure = !target && lured && !baits.is_empty();
            let symbol = if target {
                matching
            } else if lure {
                baits[draws.below(baits.len())]
            } else {
                let free = |s: &usize| *s != matching && !near.contains(s);
                let free: Vec<usize> = (0..self.symbols).filter(free).collect();
                free[draws.below(free.len())]
            };
            items.push(Item {
                symbol,
                target,
                lure,
            });
        }
        Ok(items)
    }

    /// The most that a network without memory can score, on average over streams: the same answer always.
    #[must_use]
    pub fn memoryless_bound(&self) -> f64 {
        self.targets.max(1.0 - self.targets)
    }
}

/// Symbols as inputs [step, symbol], 1 where a symbol is shown.
#[must_use]
pub fn one_hot(items: &[Item], symbols: usize) -> Array2<f64> {
    Array2::from_shape_fn((items.len(), symbols), |(t, k)| {
        f64::from(u8::from(items[t].symbol == k))
    })
}

/// Holds responses against a stream, from the n-th place on.
#[must_use]
pub fn score(items: &[Item], responses: &[bool], back: usize) -> Score {
    let judged = || items.iter().zip(responses).skip(back);
    let share = |of: &dyn Fn(&Item) -> bool, right: &dyn Fn(&Item, bool) -> bool| {
        let all = judged().filter(|(item, _)| of(item)).count();
        let met = judged()
            .filter(|(item, r)| of(item) && right(item, **r))
            .count();
        met as f64 / all as f64
    };
    Score {
        accuracy: share(&|_| true, &|item, r| r == item.target),
        hits: share(&|item| item.target, &|_, r| r),
        false_alarms: share(&|item| !item.target, &|_, r| r),
    }
}

/// The best answers that depend on the present symbol alone: the more frequent ones after each symbol, found
/// in a first stream.
#[must_use]
pub fn memoryless_responses(
    learn: &[Item],
    apply: &[Item],
    symbols: usize,
    back: usize,
) -> Vec<bool> {
    let mut targets = vec![(0_usize, 0_usize); symbols];
    for item in learn.iter().skip(back) {
        let (hits, all) = &mut targets[item.symbol];
        *hits += usize::from(item.target);
        *all += 1;
    }
    apply
        .iter()
        .map(|item| 2 * targets[item.symbol].0 > targets[item.symbol].1)
        .collect()
}

/// A network made by hand that solves n-back: n blocks of a unit a symbol pass symbols on from step to
/// step, and a unit a symbol adds the present one to that n before, less 1. The weights are 0 and 1.
///
/// Blocks are areas, and so are the units that compare, the last.
///
/// # Errors
/// n or number of symbols 0.
pub fn hand_built(back: usize, symbols: usize) -> Result<Rnn, Misfit> {
    if back == 0 || symbols == 0 {
        let message = format!("back and symbols: found {back} and {symbols}, expected 1 or more");
        return Err(Misfit(message));
    }
    let n = (back + 1) * symbols;
    let last = back * symbols;
    let mut recurrent = Array2::zeros((n, n));
    let mut input = Array2::zeros((n, symbols));
    for k in 0..symbols {
        input[[k, k]] = 1.0;
        input[[last + k, k]] = 1.0;
    }
    // Block m from block m - 1; behind the last block stand the units that compare.
    for i in symbols..n {
        recurrent[[i, i - symbols]] = 1.0;
    }
    let unit = |bias| Unit {
        nonlinearity: Nonlinearity::Relu,
        alpha: 1.0,
        leak: Leak::Outside,
        bias,
    };
    let units = (0..n)
        .map(|i| unit(if i < last { 0.0 } else { -1.0 }))
        .collect();
    Rnn::new(units, recurrent, input, &vec![symbols; back + 1])
}

/// The answers of that network from its states [step, unit]: a response where the units that compare sum to
/// more than 1/2.
#[must_use]
pub fn hand_built_responses(states: &Array2<f64>, symbols: usize) -> Vec<bool> {
    let last = states.ncols() - symbols;
    let sum = |row: ndarray::ArrayView1<'_, f64>| row.iter().skip(last).sum::<f64>();
    states.outer_iter().map(|row| sum(row) > 0.5).collect()
}

/// Its start: nothing was shown.
#[must_use]
pub fn silent(rnn: &Rnn) -> Array1<f64> {
    Array1::zeros(rnn.n_units())
}

#[cfg(test)]
mod tests {
    use super::super::unroll::{Form, Unrolled};
    use super::*;

    fn task(back: usize) -> NBack {
        NBack {
            back,
            symbols: 8,
            length: 2000,
            targets: 0.3,
            lures: 0.1,
        }
    }

    #[test]
    fn matches_are_those_that_are_meant() {
        for back in 1..=5 {
            let items = task(back).stream(1, 0).unwrap();
            for t in 0..items.len() {
                let is = |k: usize| {
                    t.checked_sub(k)
                        .is_some_and(|s| items[s].symbol == items[t].symbol)
                };
                assert_eq!(items[t].target, is(back));
                if t >= back && !items[t].target {
                    assert_eq!(items[t].lure, (back > 1 && is(back - 1)) || is(back + 1));
                }
            }
        }
    }

    /// Rates within 4 standard errors of 20 000 places.
    #[test]
    fn rates_are_those_asked_for() {
        let long = NBack {
            length: 20_002,
            ..task(2)
        };
        let items = long.stream(5, 0).unwrap();
        let share = |f: &dyn Fn(&Item) -> bool| {
            items.iter().skip(2).filter(|i| f(i)).count() as f64 / 20_000.0
        };
        assert!((share(&|i| i.target) - 0.3).abs() < 4.0 * (0.21_f64 / 20_000.0).sqrt());
        // A few lures find no symbol that differs from the match.
        let lures = share(&|i| i.lure);
        assert!(lures < 0.1 + 0.009 && lures > 0.08, "{lures}");
    }

    /// Pinned: the same on every machine and in every version.
    #[test]
    fn streams_are_exact_by_seed() {
        let short = NBack {
            length: 12,
            ..task(2)
        };
        let symbols = |seed, number| -> Vec<usize> {
            short
                .stream(seed, number)
                .unwrap()
                .iter()
                .map(|i| i.symbol)
                .collect()
        };
        assert_eq!(symbols(7, 0), PINNED);
        assert_ne!(symbols(7, 0), symbols(7, 1));
        assert_ne!(symbols(7, 0), symbols(8, 0));
    }

    const PINNED: [usize; 12] = [6, 1, 2, 1, 6, 5, 0, 6, 7, 0, 7, 0];

    /// The best rule on the present symbol, learned in one stream and tested in another, has no d' and does
    /// not beat the bound by more than 3 standard errors.
    #[test]
    fn without_memory_the_bound_holds() {
        for back in 1..=5 {
            let long = NBack {
                length: 20_000 + back,
                ..task(back)
            };
            let (learn, apply) = (long.stream(1, 0).unwrap(), long.stream(1, 1).unwrap());
            let found = score(&apply, &memoryless_responses(&learn, &apply, 8, back), back);
            assert!(found.accuracy <= long.memoryless_bound() + 3.0 * (0.21_f64 / 20_000.0).sqrt());
            assert!((found.hits - found.false_alarms).abs() < 0.03);
        }
    }

    #[test]
    fn the_network_made_by_hand_is_never_wrong_and_neither_is_its_twin() {
        for back in 1..=5 {
            let items = task(back).stream(3, 0).unwrap();
            let rnn = hand_built(back, 8).unwrap();
            assert_eq!(rnn.n_units(), (back + 1) * 8);
            let x = one_hot(&items, 8);
            let states = rnn
                .run(silent(&rnn).view(), x.view(), Form::Synchronous)
                .unwrap();
            let responses = hand_built_responses(&states, 8);
            assert_eq!(score(&items, &responses, back).accuracy, 1.0);
            // The feedforward twin sees the last n + 1 symbols only.
            let twin = Unrolled::new(&rnn, back + 1, Form::Synchronous);
            for t in back..300 {
                let last = x.slice(ndarray::s![t - back..=t, ..]);
                let pass = twin.pass(silent(&rnn).view(), last).unwrap();
                assert_eq!(pass.row(back), states.row(t));
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (wrong, words) in [
            (NBack { back: 0, ..task(1) }, "back: found 0"),
            (
                NBack {
                    symbols: 3,
                    ..task(1)
                },
                "symbols: found 3",
            ),
            (
                NBack {
                    targets: 0.8,
                    lures: 0.3,
                    ..task(1)
                },
                "found 0.8 and 0.3",
            ),
        ] {
            assert!(wrong.stream(1, 0).unwrap_err().0.contains(words));
        }
    }
}
