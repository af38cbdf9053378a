//! Several processes on one sweep: rank 0 keeps the journal and hands out batches, the others run them.
//!
//! Who runs a batch changes nothing of it, so that any number of ranks ends with the same file. How
//! messages travel is the caller's affair: `tools/mpi` does it with MPI.

use std::sync::atomic::Ordering;

use super::batch::{self, Finished};
use super::{Carry, Sweep, SweepError};
use crate::engine;
use crate::stepper::Exchange;

/// Processes that exchange messages, too. Messages between two of them arrive in the order of sending.
pub trait Ranks: Exchange {
    /// Sends a message.
    fn send(&self, to: usize, message: &[u8]);
    /// A message that has arrived, and from whom.
    fn poll(&self) -> Option<(usize, Vec<u8>)>;
    /// Waits for a message from rank 0.
    fn receive(&self) -> Vec<u8>;
}

/// What a rank tells rank 0.
enum Told {
    /// It wants a batch; what its sweep is about.
    Ready(Vec<u8>),
    Finished(Finished),
    Failed(String),
    /// It has told everything and ends.
    Done,
}

const READY: u8 = 1;
const FINISHED: u8 = 2;
const FAILED: u8 = 3;
const DONE: u8 = 4;

impl Told {
    fn bytes(&self) -> Vec<u8> {
        let (kind, rest) = match self {
            Told::Ready(header) => (READY, header.clone()),
            Told::Failed(why) => (FAILED, why.clone().into_bytes()),
            Told::Done => (DONE, Vec::new()),
            Told::Finished(finished) => {
                let condition = (finished.condition as u64).to_le_bytes();
                (FINISHED, [&condition[..], &finished.bytes()].concat())
            }
        };
        [&[kind][..], &rest].concat()
    }

    fn read(message: &[u8], values: usize) -> Option<Told> {
        let (kind, rest) = message.split_first()?;
        match *kind {
            READY => Some(Told::Ready(rest.to_vec())),
            DONE => Some(Told::Done),
            FAILED => Some(Told::Failed(String::from_utf8_lossy(rest).into_owned())),
            FINISHED => {
                let (condition, bytes) = rest.split_first_chunk::<8>()?;
                let condition = u64::from_le_bytes(*condition) as usize;
                Finished::read(condition, bytes, values).map(Told::Finished)
            }
            _ => None,
        }
    }
}

/// A batch as it is sent; none ends the work of a rank.
fn order(batch: Option<&[usize]>) -> Vec<u8> {
    let conditions = batch.unwrap_or_default().iter();
    conditions.flat_map(|c| (*c as u64).to_le_bytes()).collect()
}

fn ordered(message: &[u8]) -> Vec<usize> {
    let (words, _) = message.as_chunks::<8>();
    words
        .iter()
        .map(|w| u64::from_le_bytes(*w) as usize)
        .collect()
}

/// The other ranks as rank 0 sees them.
pub(super) struct Others<'a> {
    ranks: &'a dyn Ranks,
    header: Vec<u8>,
    /// Length of the values of a condition.
    values: usize,
    /// Ranks that have ended.
    done: usize,
}

impl<'a> Others<'a> {
    pub fn new(ranks: &'a dyn Ranks, header: Vec<u8>, values: usize) -> Self {
        Others {
            ranks,
            header,
            values,
            done: 0,
        }
    }

    /// Whether all have ended.
    pub fn are_done(&self) -> bool {
        self.done + 1 == self.ranks.size()
    }

    /// Answers all messages that are there: batches to those who want one, `None` from `next` being the end.
    /// Results go to `hand_on`.
    pub fn serve<'b>(
        &mut self,
        mut next: impl FnMut() -> Option<&'b [usize]>,
        mut hand_on: impl FnMut(Result<Finished, SweepError>),
    ) {
        while let Some((from, message)) = self.ranks.poll() {
            let broken = |why: String| SweepError::Rank { rank: from, why };
            match Told::read(&message, self.values) {
                Some(Told::Ready(header)) => {
                    let batch = if header == self.header {
                        next()
                    } else {
                        hand_on(Err(broken(
                            "it reads other configs or data, or is another version".to_owned(),
                        )));
                        None
                    };
                    self.ranks.send(from, &order(batch));
                }
                Some(Told::Done) => self.done += 1,
                Some(Told::Finished(finished)) => hand_on(Ok(finished)),
                Some(Told::Failed(why)) => hand_on(Err(broken(why))),
                None => hand_on(Err(broken("a message was not understood".to_owned()))),
            }
        }
    }
}

impl Sweep {
    /// Runs batches for rank 0 until it has no more, on a rank other than 0.
    ///
    /// # Errors
    /// Threads that cannot be started.
    pub fn serve(&self, carry: &Carry<'_>, ranks: &dyn Ranks) -> Result<(), SweepError> {
        let pool = engine::pool(carry.threads)?;
        let tell = |told: Told| ranks.send(0, &told.bytes());
        let ready = || tell(Told::Ready(self.header_bytes()));
        // The next batch is asked for before this one is run, so that nobody waits.
        ready();
        loop {
            let batch = ordered(&ranks.receive());
            if batch.is_empty() {
                break;
            }
            ready();
            let cases = batch.iter().map(|&c| self.case(c)).collect();
            let ended = batch::run(&self.schema, cases, &pool, carry.stop, |finished| {
                let told = finished.into_iter().map(Told::Finished);
                told.for_each(tell);
            });
            if let Err(e) = ended {
                tell(Told::Failed(e.to_string()));
            }
            if carry.stop.load(Ordering::Relaxed) {
                // The answer that is on its way.
                let _ = ranks.receive();
                tell(Told::Failed("it was asked to stop".to_owned()));
                break;
            }
        }
        tell(Told::Done);
        Ok(())
    }
}
