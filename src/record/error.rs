//! What can go wrong with a result file.

use std::io;
use std::path::{Path, PathBuf};

use super::h5;

/// Why a result file could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The layout contradicts itself, or contradicts the file it extends.
    #[error("the layout of a result file is wrong: {0}")]
    Layout(String),
    /// The folder that should hold the file does not exist.
    #[error(
        "{path}: cannot write there: found no folder {folder}, expected one that exists; create it first or choose another path"
    )]
    NoFolder {
        /// The result file asked for.
        path: PathBuf,
        /// The folder that is missing.
        folder: PathBuf,
    },
    /// The path is a folder, not a file.
    #[error("{0}: found a folder, expected a result file")]
    IsFolder(PathBuf),
    /// Another writer, in this process or another, is writing the same result.
    #[error(
        "{path}: another run is writing this file now (it holds {lock}); wait or choose \
             another path"
    )]
    Busy {
        /// The result file asked for.
        path: PathBuf,
        /// The lock file held by the other writer.
        lock: PathBuf,
    },
    /// The operating system refused: disk full, permission denied, no such file.
    #[error("{path}: {doing} failed: {source}")]
    Os {
        /// The file concerned.
        path: PathBuf,
        /// What was being done.
        doing: String,
        /// The reason the operating system gave.
        source: io::Error,
    },
    /// The HDF5 library refused for a reason of its own.
    #[error("{path}: {doing} failed: {reason} (HDF5 library)")]
    Hdf5 {
        /// The file concerned.
        path: PathBuf,
        /// What was being done.
        doing: String,
        /// The library's own words.
        reason: String,
    },
    /// The file is something else.
    #[error("{0}: not an HDF5 file (its first bytes are not the HDF5 signature)")]
    NotHdf5(PathBuf),
    /// The file is shorter than its own header says.
    #[error("{path}: the file is truncated or damaged: {reason}")]
    Truncated {
        /// The file concerned.
        path: PathBuf,
        /// The library's own words.
        reason: String,
    },
    /// A name that the file does not hold.
    #[error("{path}: no {kind} `{name}`; the file has {known}")]
    Unknown {
        /// The file concerned.
        path: PathBuf,
        /// What was looked for: variable, dimension, attribute.
        kind: &'static str,
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A value of another kind than asked for.
    #[error("{path}: {name} holds {found}, expected {expected}")]
    Kind {
        /// The file concerned.
        path: PathBuf,
        /// The attribute or variable.
        name: String,
        /// What it holds.
        found: String,
        /// What was asked for.
        expected: &'static str,
    },
    /// A block or a selection that does not fit its variable.
    #[error("{path}: variable `{var}`: {problem}")]
    Shape {
        /// The file concerned.
        path: PathBuf,
        /// The variable.
        var: String,
        /// What was found and expected.
        problem: String,
    },
    /// A journal that cannot be gone on with.
    #[error("{path}: no journal of a sweep: {problem}")]
    Journal {
        /// The file concerned.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A checkpoint that cannot be gone on from.
    #[error(
        "{path}: no checkpoint to go on from: {problem}; without `--resume` the run begins anew"
    )]
    Checkpoint {
        /// The file concerned.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An earlier failure already ended this file; nothing more can be written to it.
    #[error("{path}: writing stopped after an earlier failure: {first}")]
    Stopped {
        /// The file concerned.
        path: PathBuf,
        /// The earlier failure.
        first: String,
    },
}

impl RecordError {
    /// True if the disk (or a quota or file-size limit) has no room left.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self, Self::Os { source, .. }
            if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    }

    /// An error of the operating system while `doing` something to `path`.
    pub(super) fn os(path: &Path, doing: impl Into<String>, source: io::Error) -> Self {
        Self::Os {
            path: path.into(),
            doing: doing.into(),
            source,
        }
    }

    /// An error of the HDF5 library; becomes an [`RecordError::Os`] if the library's error stack
    /// names the operating system's error number, which it buries in the text of a frame.
    pub(super) fn hdf5(path: &Path, doing: impl Into<String>, error: &hdf5::Error) -> Self {
        let doing = doing.into();
        match h5::os_error(error) {
            Some(source) => Self::Os {
                path: path.into(),
                doing,
                source,
            },
            None => Self::Hdf5 {
                path: path.into(),
                doing,
                reason: h5::reason(error),
            },
        }
    }
}
