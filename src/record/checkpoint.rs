//! A checkpoint: where a run has come to, so that it can go on bit for bit after its process has died.
//!
//! A [`Journal`] with one record of words per block of lanes and a header that says what run it is of.
//! It is replaced as a whole, so that there is an old one until the new one is complete, and it is
//! written after the samples before it are in the result file. [`super::Writer`] removes it once the
//! result file is complete.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Journal, RecordError, with_suffix};

/// Where the checkpoint of a result file lies: `<path>.checkpoint`, in the same folder.
#[must_use]
pub fn checkpoint_path(path: &Path) -> PathBuf {
    with_suffix(path, ".checkpoint")
}

/// What a run needs to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// What run this is of, in words that are compared: whoever goes on must ask for the same.
    pub about: BTreeMap<String, String>,
    /// Samples that are in the result file.
    pub samples: u64,
    /// The state of every block of lanes.
    pub blocks: Vec<Vec<u64>>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    about: BTreeMap<String, String>,
    samples: u64,
    blocks: u64,
}

impl Checkpoint {
    /// Puts it in place of an older one. Returns when it is on the disk itself.
    ///
    /// # Errors
    /// A full disk; the older one is then still there.
    pub fn write(&self, path: &Path) -> Result<(), RecordError> {
        let new = with_suffix(path, ".new");
        // What a process left behind that was killed here.
        let _ = fs::remove_file(&new);
        let done = self.write_new(&new).and_then(|()| {
            let doing = "putting the checkpoint in place";
            fs::rename(&new, path).map_err(|e| RecordError::os(path, doing, e))
        });
        if done.is_err() {
            let _ = fs::remove_file(&new);
        }
        done
    }

    fn write_new(&self, new: &Path) -> Result<(), RecordError> {
        let header = Header {
            about: self.about.clone(),
            samples: self.samples,
            blocks: self.blocks.len() as u64,
        };
        let header = serde_json::to_vec(&header).expect("texts and numbers serialise");
        let mut journal = Journal::create(new, &header)?;
        for (key, words) in self.blocks.iter().enumerate() {
            let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
            journal.append(key as u64, &bytes)?;
        }
        journal.sync()
    }

    /// Reads one.
    ///
    /// # Errors
    /// No such file; it is damaged or cut short.
    pub fn read(path: &Path) -> Result<Checkpoint, RecordError> {
        let damaged = |problem: &str| RecordError::Checkpoint {
            path: path.to_owned(),
            problem: problem.to_owned(),
        };
        let (mut journal, header) = match Journal::open_to_read(path) {
            Err(RecordError::Journal { problem, .. }) => return Err(damaged(&problem)),
            other => other?,
        };
        let header: Header = serde_json::from_slice(&header)
            .map_err(|_| damaged("its header is of another form"))?;
        let whole = journal.dropped() == 0 && journal.keys().eq(0..header.blocks);
        if !whole {
            return Err(damaged("a record is damaged or missing"));
        }
        let mut blocks = Vec::new();
        for key in 0..header.blocks {
            let bytes = journal.read(key)?.unwrap_or_default();
            let (words, rest) = bytes.as_chunks::<8>();
            if !rest.is_empty() {
                return Err(damaged("a record has no whole number of words"));
            }
            blocks.push(words.iter().map(|w| u64::from_le_bytes(*w)).collect());
        }
        Ok(Checkpoint {
            about: header.about,
            samples: header.samples,
            blocks,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn example() -> Checkpoint {
        Checkpoint {
            about: BTreeMap::from([("configs".to_owned(), "abc".to_owned())]),
            samples: 17,
            blocks: vec![vec![1, u64::MAX, 3], vec![], vec![0; 50]],
        }
    }

    #[test]
    fn what_was_written_is_read_and_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = checkpoint_path(&folder.path().join("a.h5"));
        example().write(&path).unwrap();
        let next = Checkpoint {
            samples: 18,
            ..example()
        };
        // What a killed process left behind does not hinder.
        fs::write(with_suffix(&path, ".new"), b"half").unwrap();
        next.write(&path).unwrap();
        assert_eq!(Checkpoint::read(&path).unwrap(), next);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    proptest! {
        /// Cut or changed anywhere: refused, and left as it is.
        #[test]
        fn damage_is_refused(at in 0.0_f64..1.0, flip in 1_u8..=255, cut in any::<bool>()) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.checkpoint");
            example().write(&path).unwrap();
            let mut bytes = fs::read(&path).unwrap();
            let place = ((bytes.len() - 1) as f64 * at) as usize;
            match cut {
                true => bytes.truncate(place),
                false => bytes[place] ^= flip,
            }
            fs::write(&path, &bytes).unwrap();
            let refusal = Checkpoint::read(&path).unwrap_err();
            let refused = matches!(refusal, RecordError::Checkpoint { .. });
            prop_assert!(refused, "{}", refusal);
            prop_assert_eq!(fs::read(&path).unwrap(), bytes);
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.checkpoint");
            fs::write(&path, [&b"isocortex journal 1\n"[..], &bytes].concat()).unwrap();
            prop_assert!(Checkpoint::read(&path).is_err());
        }
    }
}
