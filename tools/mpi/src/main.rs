//! The program as one of several processes that MPI started: `mpirun -n 4 isocortex-mpi sweep …`.
//!
//! A package of its own, so that nobody needs MPI who does not use it, and the library is compiled once
//! for both programs.

use std::process::ExitCode;

use isocortex::sweep::Ranks;
use mpi::Threading;
use mpi::point_to_point::{Destination, MatchedReceiveVec, Source};
use mpi::topology::{Communicator, Rank, SimpleCommunicator};

struct World(SimpleCommunicator);

impl Ranks for World {
    fn rank(&self) -> usize {
        self.0.rank() as usize
    }

    fn size(&self) -> usize {
        self.0.size() as usize
    }

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
    // Threads of a rank work; the first one alone sends and receives.
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
        // The others may wait for this rank. The journal of the sweep has what is finished.
        eprintln!("rank {} failed and ends the others", world.rank());
        world.0.abort(1);
    }
    code
}
