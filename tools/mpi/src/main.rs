//! The program as one of several processes that MPI started: `mpirun -n 4 isocortex-mpi sweep …`.
//!
//! A package of its own, so that nobody needs MPI who does not use it, and the library is compiled once
//! for both programs.

use std::process::ExitCode;

use isocortex::stepper::Exchange;
use isocortex::sweep::Ranks;
use mpi::collective::{CommunicatorCollectives, Root};
use mpi::datatype::PartitionMut;
use mpi::point_to_point::{Destination, MatchedReceiveVec, Source};
use mpi::topology::{Communicator, Rank, SimpleCommunicator};
use mpi::{Count, Threading};

struct World(SimpleCommunicator);

/// Words of one message: MPI counts them in 31 bits.
const MOST_WORDS: usize = 1 << 27;

impl Exchange for World {
    fn rank(&self) -> usize {
        self.0.rank() as usize
    }

    fn size(&self) -> usize {
        self.0.size() as usize
    }

    fn share(&self, own: &[f64], all: &mut [f64], bounds: &[usize]) {
        let counts: Vec<Count> = bounds.windows(2).map(|b| (b[1] - b[0]) as Count).collect();
        let places: Vec<Count> = bounds[..counts.len()].iter().map(|b| *b as Count).collect();
        let mut all = PartitionMut::new(all, counts, places);
        self.0.all_gather_varcount_into(own, &mut all);
    }

    fn tell(&self, words: &mut Vec<u64>) {
        let first = self.0.process_at_rank(0);
        let mut count = words.len() as u64;
        first.broadcast_into(&mut count);
        words.resize(count as usize, 0);
        for part in words.chunks_mut(MOST_WORDS) {
            first.broadcast_into(part);
        }
    }

    fn collect(&self, words: &[u64]) -> Vec<Vec<u64>> {
        if self.0.rank() > 0 {
            let first = self.0.process_at_rank(0);
            first.send(&(words.len() as u64));
            words.chunks(MOST_WORDS).for_each(|part| first.send(part));
            return Vec::new();
        }
        let mut all = vec![words.to_vec()];
        for rank in 1..self.0.size() {
            let other = self.0.process_at_rank(rank);
            let mut words = vec![0; other.receive::<u64>().0 as usize];
            for part in words.chunks_mut(MOST_WORDS) {
                other.receive_into(part);
            }
            all.push(words);
        }
        all
    }
}

impl Ranks for World {
    fn send(&self, to: usize, message: &[u8]) {
        self.0.process_at_rank(to as Rank).send(message);
    }

    fn poll(&self) -> Option<(usize, Vec<u8>)> {
        let probed = self.0.any_process().immediate_matched_probe()?;
        let (bytes, status) = probed.matched_receive_vec();
        Some((status.source_rank() as usize, bytes))
    }

    fn receive(&self) -> Vec<u8> {
        self.0.process_at_rank(0).receive_vec().0
    }
}

fn main() -> ExitCode {
    // Threads of a rank work; the first one alone speaks to the others.
    let Some((universe, threading)) = mpi::initialize_with_threading(Threading::Funneled) else {
        eprintln!("error: MPI cannot be started");
        return ExitCode::FAILURE;
    };
    if threading < Threading::Funneled {
        eprintln!("error: found an MPI without threads, expected `MPI_THREAD_FUNNELED`");
        return ExitCode::FAILURE;
    }
    let world = World(universe.world());
    let code = isocortex::cli::main_on(Some(&world));
    if code == ExitCode::FAILURE && world.size() > 1 {
        // The others may wait for this rank. The journal of a sweep and the checkpoint of a run have what is
        // finished.
        eprintln!("rank {} failed and ends the others", world.rank());
        world.0.abort(1);
    }
    code
}
