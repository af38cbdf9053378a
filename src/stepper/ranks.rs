//! One network on several processes: who steps which cells, and what they give each other.
//!
//! Processes share out the parts of a network (see [`Simulation`](super::Simulation)), which are the same for any
//! number of them. So every sum is formed as in one process, and the states of all, put together, are the state of
//! one process.

use std::ops::Range;

use crate::lanes::Lanes;

/// Processes that work on one network. All call the same methods in the same order, always from one thread.
///
/// How numbers travel is the caller's affair: `tools/mpi` does it with MPI. A process that does not answer any more
/// ends all.
pub trait Exchange {
    /// Number of this process, from 0.
    fn rank(&self) -> usize;
    /// How many there are.
    fn size(&self) -> usize;
    /// Gives everyone the numbers of all: those of rank r come to stand at `bounds[r]..bounds[r + 1]` of `all`, `own`
    /// being those of this process.
    fn share(&self, own: &[f64], all: &mut [f64], bounds: &[usize]);
    /// Gives everyone the words of rank 0, in place of those that stood there.
    fn tell(&self, words: &mut Vec<u64>);
    /// Gives rank 0 the words of all, by rank; the others nothing.
    fn collect(&self, words: &[u64]) -> Vec<Vec<u64>>;
}

/// The processes that step a network, and the threads of this one.
#[derive(Clone, Copy)]
pub struct Among<'a> {
    /// How they reach each other.
    pub exchange: &'a dyn Exchange,
    /// Threads that work for this process. The thread that speaks for it is the caller's.
    pub pool: &'a rayon::ThreadPool,
}

/// What one process steps of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Number of the process, from 0.
    pub rank: usize,
    /// How many there are.
    pub of: usize,
}

impl Share {
    /// All of it.
    pub const WHOLE: Share = Share { rank: 0, of: 1 };

    /// The share of a process.
    #[must_use]
    pub fn own(exchange: &dyn Exchange) -> Share {
        Share {
            rank: exchange.rank(),
            of: exchange.size(),
        }
    }

    /// Which of so many parts belong to it.
    pub(super) fn parts(self, count: usize) -> Range<usize> {
        self.rank * count / self.of..(self.rank + 1) * count / self.of
    }
}

/// Who steps which cells, and room for what is exchanged.
pub(super) struct Split {
    rank: usize,
    /// First cell of each process, then the number of cells.
    cells: Vec<usize>,
    /// First area of each process, then the number of areas.
    areas: Vec<usize>,
    room: Room,
}

impl Split {
    /// Shares out parts with these cells of `width` areas each; none where one process has all.
    pub fn new(
        parts: &[Range<usize>],
        (width, areas): (usize, usize),
        share: Share,
    ) -> Option<Split> {
        if share.of == 1 {
            return None;
        }
        let end = parts.last().map_or(0, |part| part.end);
        let first = |rank| {
            let first = Share { rank, ..share }.parts(parts.len()).start;
            parts.get(first).map_or(end, |part| part.start)
        };
        let cells: Vec<usize> = (0..=share.of).map(first).collect();
        Some(Split {
            rank: share.rank,
            areas: cells.iter().map(|c| (c * width).min(areas)).collect(),
            cells,
            room: Room::default(),
        })
    }

    /// Cells of this process.
    pub fn own_cells(&self) -> Range<usize> {
        self.cells[self.rank]..self.cells[self.rank + 1]
    }

    /// Gives everyone what the cells send, `[sent variable][cell]`.
    pub fn share_sent<L: Lanes>(&mut self, exchange: &dyn Exchange, sent: &mut [L]) {
        let cells = self.cells[self.cells.len() - 1];
        let numbers = sent.len() / cells * L::WIDTH;
        let read = |sent: &[L], cell: usize, to: &mut [f64]| {
            for (n, to) in to.chunks_exact_mut(L::WIDTH).enumerate() {
                sent[n * cells + cell].store(to);
            }
        };
        let write = |sent: &mut [L], cell: usize, from: &[f64]| {
            for (n, from) in from.chunks_exact(L::WIDTH).enumerate() {
                sent[n * cells + cell] = L::load(from);
            }
        };
        let first = (self.rank, &self.cells[..]);
        self.room.share(exchange, first, numbers, sent, read, write);
    }

    /// Gives everyone `count` numbers in a row of each area, which start where `place` says.
    pub fn share_rows(
        &mut self,
        exchange: &dyn Exchange,
        count: usize,
        data: &mut [f64],
        place: impl Fn(usize) -> usize,
    ) {
        let read = |data: &[f64], area: usize, to: &mut [f64]| {
            to.copy_from_slice(&data[place(area)..][..count]);
        };
        let write = |data: &mut [f64], area: usize, from: &[f64]| {
            data[place(area)..][..count].copy_from_slice(from);
        };
        let first = (self.rank, &self.areas[..]);
        self.room.share(exchange, first, count, data, read, write);
    }

    /// Gives everyone some numbers of each process, as many of one as of the other: `[process][number]`.
    pub fn share_few(&mut self, exchange: &dyn Exchange, own: &[f64]) -> &[f64] {
        let (size, count) = (self.cells.len() - 1, own.len());
        self.room.bounds.clear();
        self.room.bounds.extend((0..=size).map(|rank| rank * count));
        let numbers = size * count;
        self.room.all.resize(numbers.max(self.room.all.len()), 0.0);
        let all = &mut self.room.all[..numbers];
        exchange.share(own, all, &self.room.bounds);
        all
    }
}

/// Numbers on their way, kept so that a step allocates nothing.
#[derive(Default)]
struct Room {
    own: Vec<f64>,
    all: Vec<f64>,
    bounds: Vec<usize>,
}

impl Room {
    /// Gives everyone `count` numbers of each cell or area; `first` are the number of this process, and the
    /// first one of each process. `read` copies those of one out of the data, `write` puts those of one of
    /// another process there.
    fn share<T>(
        &mut self,
        exchange: &dyn Exchange,
        (rank, first): (usize, &[usize]),
        count: usize,
        data: &mut [T],
        read: impl Fn(&[T], usize, &mut [f64]),
        write: impl Fn(&mut [T], usize, &[f64]),
    ) {
        if count == 0 {
            return;
        }
        self.bounds.clear();
        self.bounds.extend(first.iter().map(|first| count * first));
        let all = self.bounds[first.len() - 1];
        self.own
            .resize(self.bounds[rank + 1] - self.bounds[rank], 0.0);
        self.all.resize(all.max(self.all.len()), 0.0);
        for (of, to) in (first[rank]..).zip(self.own.chunks_exact_mut(count)) {
            read(data, of, to);
        }
        exchange.share(&self.own, &mut self.all[..all], &self.bounds);
        for other in (0..first.len() - 1).filter(|other| *other != rank) {
            let numbers = &self.all[self.bounds[other]..self.bounds[other + 1]];
            for (of, from) in (first[other]..).zip(numbers.chunks_exact(count)) {
                write(data, of, from);
            }
        }
    }
}
