//! Work on a thread of its own, while the one that called hears signals and tells how it goes on.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use isocortex::cli::Failure;
use isocortex::{engine, fit, sweep};
use pyo3::prelude::*;

use crate::IsocortexError;

/// How often signals are heard and progress is told.
const PERIOD: Duration = Duration::from_millis(50);

/// What the two threads tell each other.
#[derive(Debug, Default)]
pub struct Watch {
    /// Set to stop the work.
    pub stop: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
}

impl Watch {
    /// `done` of `total` are finished.
    pub fn tell(&self, done: u64, total: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }
}

impl engine::Progress for Watch {
    fn samples(&self, done: u64, total: u64) {
        self.tell(done, total);
    }
}

impl fit::Progress for Watch {
    fn evaluations(&self, done: u64, _failed: u64, total: u64, _best: f64) {
        self.tell(done, total);
    }
}

impl sweep::Progress for Watch {
    fn conditions(&self, done: usize, _failed: usize, total: usize) {
        self.tell(done as u64, total as u64);
    }
}

/// Does `work` without the interpreter's lock. `progress` is called with (done, total) on the calling
/// thread; an exception in it, or in the handler of a signal, stops the work and is raised.
pub fn watched<T: Send>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    work: impl FnOnce(&Watch) -> Result<T, Failure> + Send,
) -> PyResult<T> {
    let watch = Watch::default();
    let shown = AtomicU64::new(0);
    let show = |py: Python<'_>| -> PyResult<()> {
        let (done, total) = (
            watch.done.load(Ordering::Relaxed),
            watch.total.load(Ordering::Relaxed),
        );
        if let Some(progress) = &progress
            && shown.swap(done, Ordering::Relaxed) != done
        {
            progress.call1(py, (done, total))?;
        }
        Ok(())
    };
    let (ended, refused) = py.detach(|| {
        thread::scope(|scope| {
            let (working, finished) = channel::<()>();
            let watch = &watch;
            let worker = scope.spawn(move || {
                // Dropped at the end, whatever the end is.
                let _working = working;
                work(watch)
            });
            let mut refused: Option<PyErr> = None;
            while finished.recv_timeout(PERIOD) != Err(RecvTimeoutError::Disconnected) {
                if refused.is_some() {
                    continue;
                }
                refused = Python::attach(|py| py.check_signals().and_then(|()| show(py))).err();
                if refused.is_some() {
                    watch.stop.store(true, Ordering::Relaxed);
                }
            }
            (worker.join(), refused)
        })
    });
    let ended = ended.unwrap_or_else(|panic| resume_unwind(panic));
    match (refused, ended) {
        (Some(refused), Err(failure)) => {
            // Says what became of the run that was stopped.
            refused.set_cause(py, Some(raised(&failure)));
            Err(refused)
        }
        (Some(refused), Ok(_)) => Err(refused),
        (None, Err(failure)) => Err(raised(&failure)),
        (None, Ok(value)) => show(py).map(|()| value),
    }
}

/// The exception for anything that ends work early, with the text of the program.
pub fn raised(failure: &impl ToString) -> PyErr {
    IsocortexError::new_err(failure.to_string())
}
