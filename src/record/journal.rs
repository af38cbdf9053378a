//! A journal of finished pieces of work: what was appended survives the death of the process.
//!
//! A file of records, each with its key, its bytes and a check sum, behind a header that says what the
//! work is. Whoever opens it again gets every record that was written in full; a record that was cut
//! short, and whatever follows damage, is dropped. The result file is made from it when all is done.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{RecordError, with_suffix};

/// First bytes of every journal.
const MAGIC: &[u8; 20] = b"isocortex journal 1\n";
/// Bytes of a key, a length and a check sum.
const FRAME: u64 = 24;
/// A record or header of more bytes than this is damage.
const LONGEST: u64 = 1 << 40;
/// Bytes that are read at a time while a check sum is formed.
const PIECE: usize = 1 << 16;

/// Where the journal of a result file lies: `<path>.journal`, in the same folder.
#[must_use]
pub fn journal_path(path: &Path) -> PathBuf {
    with_suffix(path, ".journal")
}

/// What to do with a journal that earlier work left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// Refuse to start.
    Refuse,
    /// Go on with it.
    Resume,
    /// Forget it.
    Forget,
}

/// An open journal; nobody else can open it until it is dropped or the process ends.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Where the next record goes.
    end: u64,
    /// Start and length of the bytes of each record.
    records: BTreeMap<u64, (u64, u64)>,
    /// Bytes after the last whole record, which were dropped.
    dropped: u64,
}

impl Journal {
    /// Starts a journal whose header is `what`.
    ///
    /// # Errors
    /// A journal that is there already, or is being written by somebody; no folder; a full disk.
    pub fn create(path: &Path, what: &[u8]) -> Result<Journal, RecordError> {
        let new = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path);
        let file = new.map_err(|e| RecordError::os(path, "creating the journal", e))?;
        lock(path, &file)?;
        let mut journal = Journal {
            path: path.to_owned(),
            file,
            end: 0,
            records: BTreeMap::new(),
            dropped: 0,
        };
        let mut bytes = MAGIC.to_vec();
        bytes.extend(framed(0, what));
        match journal.write(&bytes).and_then(|()| journal.sync()) {
            Ok(()) => Ok(journal),
            Err(e) => {
                // Nothing of value is in it yet.
                let _ = fs::remove_file(path);
                Err(e)
            }
        }
    }

    /// Opens a journal to go on with it, and drops what was not written in full. Returns it with its
    /// header, for the caller to see whether it is the same work.
    ///
    /// # Errors
    /// No such file; another process is writing it; it is no journal, or its header is damaged.
    pub fn open(path: &Path) -> Result<(Journal, Vec<u8>), RecordError> {
        let (journal, what) = Self::open_as(path, OpenOptions::new().read(true).write(true))?;
        if journal.dropped > 0 {
            let cut = journal.file.set_len(journal.end);
            cut.map_err(|e| RecordError::os(path, "dropping an unfinished record", e))?;
        }
        Ok((journal, what))
    }

    /// The same to look at it only: nothing is appended, and the file stays as it is.
    pub(super) fn open_to_read(path: &Path) -> Result<(Journal, Vec<u8>), RecordError> {
        Self::open_as(path, OpenOptions::new().read(true))
    }

    fn open_as(path: &Path, how: &OpenOptions) -> Result<(Journal, Vec<u8>), RecordError> {
        let file = (how.open(path)).map_err(|e| RecordError::os(path, "opening the journal", e))?;
        lock(path, &file)?;
        let length = file
            .metadata()
            .map_err(|e| RecordError::os(path, "opening the journal", e))?
            .len();
        let mut journal = Journal {
            path: path.to_owned(),
            file,
            end: MAGIC.len() as u64,
            records: BTreeMap::new(),
            dropped: 0,
        };
        let mut magic = [0; MAGIC.len()];
        let damaged = |problem: &str| RecordError::Journal {
            path: path.to_owned(),
            problem: problem.to_owned(),
        };
        let begun = journal.file.read_exact(&mut magic).is_ok();
        if !begun || &magic != MAGIC {
            return Err(damaged("its first bytes are not those of a journal"));
        }
        let Some((_, start, count)) = journal.next(length)? else {
            return Err(damaged("its header is damaged"));
        };
        let what = journal.bytes(start, count)?;
        while let Some((key, start, count)) = journal.next(length)? {
            journal.records.insert(key, (start, count));
        }
        journal.dropped = length - journal.end;
        Ok((journal, what))
    }

    /// Whether there is a file of that name.
    #[must_use]
    pub fn exists(path: &Path) -> bool {
        path.exists()
    }

    /// Removes a journal, whole or damaged.
    ///
    /// # Errors
    /// Another process is writing it; what the operating system says.
    pub fn discard(path: &Path) -> Result<(), RecordError> {
        let failed = |e| RecordError::os(path, "removing the journal", e);
        let file = File::open(path).map_err(failed)?;
        lock(path, &file)?;
        fs::remove_file(path).map_err(failed)
    }

    /// Steps over one record if it is whole: its key, and where its bytes are.
    fn next(&mut self, length: u64) -> Result<Option<(u64, u64, u64)>, RecordError> {
        let (start, left) = (self.end, length - self.end);
        if left < FRAME {
            return Ok(None);
        }
        let failed = |e| RecordError::os(&self.path, "reading the journal", e);
        self.file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let mut head = [0; 16];
        self.file.read_exact(&mut head).map_err(failed)?;
        let [key, count] = [&head[..8], &head[8..]].map(word);
        if count > LONGEST || count > left - FRAME {
            return Ok(None);
        }
        let mut sum = Sha256::new_with_prefix(head);
        let (mut piece, mut rest) = ([0; PIECE], count);
        while rest > 0 {
            let part = &mut piece[..rest.min(PIECE as u64) as usize];
            self.file.read_exact(part).map_err(failed)?;
            sum.update(&*part);
            rest -= part.len() as u64;
        }
        let mut found = [0; 8];
        self.file.read_exact(&mut found).map_err(failed)?;
        if sum.finalize()[..8] != found {
            return Ok(None);
        }
        self.end = start + FRAME + count;
        Ok(Some((key, start + 16, count)))
    }

    /// Keys of all records, rising.
    pub fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.records.keys().copied()
    }

    /// Whether there is a record of that key.
    #[must_use]
    pub fn contains(&self, key: u64) -> bool {
        self.records.contains_key(&key)
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes that were dropped when it was opened: a record cut short, or what followed damage.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record. A process that is killed afterwards has kept it; for a power cut see
    /// [`Journal::sync`].
    ///
    /// # Errors
    /// A full disk; the records before it are kept.
    pub fn append(&mut self, key: u64, bytes: &[u8]) -> Result<(), RecordError> {
        let start = self.end + 16;
        self.write(&framed(key, bytes))?;
        self.records.insert(key, (start, bytes.len() as u64));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        let end = self.end;
        let written =
            (self.file.seek(SeekFrom::Start(end))).and_then(|_| self.file.write_all(bytes));
        if let Err(e) = written {
            // What cannot be cut off is dropped by the next who opens it.
            let _ = self.file.set_len(end);
            return Err(RecordError::os(&self.path, "writing to the journal", e));
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Waits until everything is on the disk itself.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn sync(&self) -> Result<(), RecordError> {
        let synced = self.file.sync_data();
        synced.map_err(|e| RecordError::os(&self.path, "bringing the journal to disk", e))
    }

    /// The bytes of a record; none if there is no such record.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn read(&mut self, key: u64) -> Result<Option<Vec<u8>>, RecordError> {
        match self.records.get(&key) {
            Some(&(start, count)) => self.bytes(start, count).map(Some),
            None => Ok(None),
        }
    }

    fn bytes(&mut self, start: u64, count: u64) -> Result<Vec<u8>, RecordError> {
        let mut bytes = vec![0; count as usize];
        (self.file.seek(SeekFrom::Start(start)))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|e| RecordError::os(&self.path, "reading the journal", e))?;
        Ok(bytes)
    }

    /// Removes it: what it held stands elsewhere, or is wanted no longer.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn remove(self) -> Result<(), RecordError> {
        fs::remove_file(&self.path)
            .map_err(|e| RecordError::os(&self.path, "removing the journal", e))
    }
}

/// Refuses a journal that somebody else has open; their lock ends with their process.
fn lock(path: &Path, file: &File) -> Result<(), RecordError> {
    // Some network file systems have no locks; there, the check is left out.
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(RecordError::Busy {
            path: path.to_owned(),
            lock: path.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn framed(key: u64, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + FRAME as usize);
    out.extend(key.to_le_bytes());
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
    let sum = Sha256::digest(&out);
    out.extend(&sum[..8]);
    out
}

fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(folder: &Path, records: &[Vec<u8>]) -> PathBuf {
        let path = folder.join("a.journal");
        let mut journal = Journal::create(&path, b"what it is").unwrap();
        for (key, bytes) in records.iter().enumerate() {
            journal.append(key as u64, bytes).unwrap();
        }
        path
    }

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), &[b"one".to_vec(), vec![], vec![7; 100_000]]);
        let (mut journal, what) = Journal::open(&path).unwrap();
        assert_eq!(what, b"what it is");
        assert_eq!(journal.keys().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(journal.read(2).unwrap().unwrap(), vec![7; 100_000]);
        assert_eq!(journal.read(3).unwrap(), None);
        assert_eq!(journal.dropped(), 0);
        let busy = Journal::open(&path).unwrap_err().to_string();
        assert!(busy.contains("another run"), "{busy}");
        journal.append(9, b"later").unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().0.len(), 4);
        assert!(Journal::create(&path, b"").is_err());
    }

    #[test]
    fn what_is_no_journal_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for bytes in [&b""[..], b"isocortex", b"isocortex journal 1\n", &[0; 100]] {
            fs::write(&path, bytes).unwrap();
            let refusal = Journal::open(&path).unwrap_err();
            assert!(matches!(refusal, RecordError::Journal { .. }), "{refusal}");
        }
    }

    proptest! {
        /// Cut anywhere: the records before the cut are there, whole, and nothing else.
        #[test]
        fn a_cut_costs_what_follows_it_alone(
            lengths in prop::collection::vec(0_usize..200, 1..8),
            at in 0.0_f64..1.0,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let records: Vec<Vec<u8>> =
                lengths.iter().enumerate().map(|(k, n)| vec![k as u8; *n]).collect();
            let path = written(folder.path(), &records);
            let head = MAGIC.len() as u64 + FRAME + 10;
            let length = fs::metadata(&path).unwrap().len();
            let cut = head + ((length - head) as f64 * at) as u64;
            OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap();
            let (mut end, mut whole) = (head, 0);
            for record in &records {
                end += FRAME + record.len() as u64;
                whole += usize::from(end <= cut);
            }
            let (mut journal, _) = Journal::open(&path).unwrap();
            prop_assert_eq!(journal.len(), whole);
            for (key, record) in records.iter().enumerate().take(whole) {
                prop_assert_eq!(&journal.read(key as u64).unwrap().unwrap(), record);
            }
            // What is appended next is found again.
            journal.append(99, b"next").unwrap();
            drop(journal);
            prop_assert!(Journal::open(&path).unwrap().0.contains(99));
        }

        /// A byte changed anywhere: no record is ever read with other bytes than were written.
        #[test]
        fn damage_is_never_read(at in 0.0_f64..1.0, flip in 1_u8..=255) {
            let folder = tempfile::tempdir().unwrap();
            let records: Vec<Vec<u8>> = (0..5).map(|k| vec![k; 20]).collect();
            let path = written(folder.path(), &records);
            let mut bytes = fs::read(&path).unwrap();
            let place = ((bytes.len() - 1) as f64 * at) as usize;
            bytes[place] ^= flip;
            fs::write(&path, &bytes).unwrap();
            let Ok((mut journal, what)) = Journal::open(&path) else {
                return Ok(());
            };
            prop_assert_eq!(what, b"what it is");
            for key in journal.keys().collect::<Vec<_>>() {
                prop_assert_eq!(&journal.read(key).unwrap().unwrap(), &records[key as usize]);
            }
        }
    }
}
