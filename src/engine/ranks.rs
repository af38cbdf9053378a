//! One run on several processes: rank 0 measures, writes and says how far to go, the others step their share.
//!
//! Rank 0 tells the others where runs start, then one order after another; what they have sampled comes back after
//! each stretch. Nothing of it is seen in the result file, nor in a checkpoint.

use std::sync::atomic::{AtomicBool, Ordering};

use super::learning::Block;
use super::{EngineError, keep, pool, room_of};
use crate::network::Network;
use crate::plan::{Axis, Plan};
use crate::spec::ExperimentSpec;
use crate::stepper::{Among, Exchange, Samples, Share, parts, positions};

/// Orders of rank 0, the first word of what it tells.
const END: u64 = 0;
/// The step to reach follows.
const ADVANCE: u64 = 1;
const SAVE: u64 = 2;
/// The number of a block and its words follow.
const RESTORE: u64 = 3;

/// Rank 0 among the others.
pub(super) struct Leader<'a> {
    among: Among<'a>,
    /// Recorded areas of each rank.
    columns: Vec<Vec<usize>>,
}

impl<'a> Leader<'a> {
    /// Makes sure that the others are about the same run, and tells them where it starts.
    pub fn new(
        among: Among<'a>,
        plan: &Plan,
        about: &str,
        starts: &[&[f64]],
    ) -> Result<Leader<'a>, EngineError> {
        let exchange = among.exchange;
        let said = exchange.collect(&words_of(about));
        if let Some(rank) = said.iter().position(|words| *words != said[0]) {
            let what = "it reads other configs or data, is another version, or chose other lanes";
            return Err(EngineError::Rank {
                rank,
                why: what.to_owned(),
            });
        }
        let mut words = vec![starts.len() as u64];
        words.extend(starts.iter().copied().flatten().map(|x| x.to_bits()));
        exchange.tell(&mut words);
        let size = exchange.size();
        let of = |rank| columns(plan, Share { rank, of: size });
        Ok(Leader {
            among,
            columns: (0..size).map(of).collect(),
        })
    }

    /// Its own share.
    pub fn share(&self) -> Share {
        Share::own(self.among.exchange)
    }

    /// Advances all blocks everywhere and brings the samples together. Says whether another rank was asked to stop.
    pub fn advance(
        &self,
        blocks: &mut [Block<'_>],
        chunk: &mut [(u32, usize, Samples)],
        until: u64,
    ) -> bool {
        self.among.exchange.tell(&mut vec![ADVANCE, until]);
        advance(blocks, chunk, until, self.among);
        let mut asked = false;
        let said = self.among.exchange.collect(&[]);
        for (words, columns) in said.iter().zip(&self.columns).skip(1) {
            let Some((stop, values)) = words.split_first() else {
                continue;
            };
            asked |= *stop != 0;
            let mut values = values.iter().copied().map(f64::from_bits);
            for (_, _, samples) in &mut *chunk {
                for row in rows(samples) {
                    for (column, value) in columns.iter().zip(&mut values) {
                        row[*column] = value;
                    }
                }
            }
        }
        asked
    }

    /// The state of every block, as one process would save it.
    pub fn save(&self, blocks: &mut [Block<'_>]) -> Vec<Vec<u64>> {
        self.among.exchange.tell(&mut vec![SAVE]);
        save(blocks, self.among.exchange)
    }

    /// Goes back to saved states of all blocks. Says whether they fit.
    pub fn restore(&self, blocks: &mut [Block<'_>], saved: &[Vec<u64>]) -> bool {
        let mut both = blocks.iter_mut().zip(saved).enumerate();
        both.all(|(k, (block, words))| {
            let mut order = vec![RESTORE, k as u64];
            order.extend(words);
            self.among.exchange.tell(&mut order);
            block.restore_among(words, self.among.exchange)
        })
    }

    /// Lets the others go.
    pub fn end(&self) {
        self.among.exchange.tell(&mut vec![END]);
    }
}

/// Refuses what cannot be shared out among so many ranks.
pub(super) fn check(plan: &Plan, ranks: usize) -> Result<(), EngineError> {
    let refuse = |expected: String| Err(EngineError::NotSplit { ranks, expected });
    if plan.learning.is_some() {
        return refuse("one for a session that learns".to_owned());
    }
    if !plan.parts.is_empty() {
        return refuse("one for a task whose conditions have networks of their own".to_owned());
    }
    let most = parts(plan);
    if ranks <= most {
        return Ok(());
    }
    let areas = plan.n_areas();
    refuse(match plan.lanes.axis {
        Axis::Replicates => {
            let why = "one where lanes hold replicates; with `--lane-axis areas` a large network can be split";
            why.to_owned()
        }
        Axis::Areas if most == 1 => {
            format!("one for a network of {areas} areas, which is too small")
        }
        Axis::Areas => format!("at most {most} for a network of {areas} areas"),
    })
}

/// Steps the share of a rank other than 0, until rank 0 says that it is enough. Links onto areas of others, and the
/// network, are let go of before.
///
/// # Errors
/// Threads that cannot be started.
pub fn follow(
    network: Network,
    plan: Plan,
    spec: &ExperimentSpec,
    (threads, stop): (usize, &AtomicBool),
    exchange: &dyn Exchange,
) -> Result<(), EngineError> {
    exchange.collect(&words_of(&keep::text(&keep::about(&network, &plan, spec))));
    drop(network);
    let share = Share::own(exchange);
    let mut words = Vec::new();
    exchange.tell(&mut words);
    // Rank 0 has made sure that the network can be shared out.
    let own = positions(&plan, share);
    let plan = plan.keep_rows(own);
    let pool = pool(threads)?;
    let (count, starts) = words.split_first().map_or((0, &[][..]), |(n, x)| (*n, x));
    let starts: Vec<f64> = starts.iter().copied().map(f64::from_bits).collect();
    let size = (starts.len() / (count as usize).max(1)).max(1);
    let starts: Vec<&[f64]> = starts.chunks(size).collect();
    let among = Among {
        exchange,
        pool: &pool,
    };
    let runs = plan.blocks();
    let of = |&(first, runs): &(u32, u32)| Block::new(&plan, first, runs, &starts, share);
    let mut blocks: Vec<Block<'_>> = runs.iter().map(of).collect();
    let mut chunk = room_of(&plan, &runs);
    let columns = columns(&plan, share);
    loop {
        exchange.tell(&mut words);
        match words[..] {
            [ADVANCE, until] => {
                advance(&mut blocks, &mut chunk, until, among);
                let mut said = vec![u64::from(stop.load(Ordering::Relaxed))];
                for (_, _, samples) in &mut chunk {
                    for row in rows(samples) {
                        said.extend(columns.iter().map(|column| row[*column].to_bits()));
                    }
                }
                exchange.collect(&said);
            }
            [SAVE] => {
                save(&mut blocks, exchange);
            }
            [RESTORE, block, ref saved @ ..] => {
                // Rank 0 finds the same and says so.
                let _ = blocks[block as usize].restore_among(saved, exchange);
            }
            _ => return Ok(()),
        }
    }
}

fn advance(
    blocks: &mut [Block<'_>],
    chunk: &mut [(u32, usize, Samples)],
    until: u64,
    among: Among<'_>,
) {
    for (block, (_, _, samples)) in blocks.iter_mut().zip(chunk) {
        block.advance_among(samples, until, among);
    }
}

fn save(blocks: &mut [Block<'_>], exchange: &dyn Exchange) -> Vec<Vec<u64>> {
    blocks
        .iter_mut()
        .map(|block| block.save_among(exchange))
        .collect()
}

/// Recorded areas of a rank, as they are numbered among all recorded ones.
fn columns(plan: &Plan, share: Share) -> Vec<usize> {
    let own = positions(plan, share);
    let areas = plan.record.areas.iter().enumerate();
    areas
        .filter(|(_, area)| own.contains(&plan.position[area.index()]))
        .map(|(column, _)| column)
        .collect()
}

/// The samples that were written, a row of recorded areas each.
fn rows(samples: &mut Samples) -> impl Iterator<Item = &mut [f64]> {
    let (capacity, written, areas) = (samples.capacity, samples.written, samples.areas);
    let of_run = samples.data.chunks_exact_mut((capacity * areas).max(1));
    of_run.flat_map(move |run| run[..written * areas].chunks_exact_mut(areas.max(1)))
}

/// A text as words: its length, then its bytes.
fn words_of(text: &str) -> Vec<u64> {
    let mut words = vec![text.len() as u64];
    words.extend(text.bytes().map(u64::from));
    words
}
