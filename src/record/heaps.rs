//! A look at the heaps of texts in an HDF5 file before the library reads them: in a damaged one it may walk in a
//! circle for ever (seen with 1.10.8).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// As much of the beginning and of the end of a file is looked at: heaps lie where attributes were
/// written, and the numbers between them may take hours to read.
const PART: u64 = 16 << 20;

/// What is wrong with the first damaged heap that is found, if one is.
///
/// # Errors
/// The file cannot be read.
pub(super) fn damage(path: &Path) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    // At a multiple of eight, as heaps are.
    for from in [0, length.saturating_sub(PART).max(PART) / 8 * 8] {
        if from >= length {
            break;
        }
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.by_ref().take(PART).read_to_end(&mut bytes)?;
        let found = (heaps(&bytes)).find_map(|at| walk(&bytes[at..]).map(|why| (at, why)));
        if let Some((at, why)) = found {
            let at = from + at as u64;
            return Ok(Some(format!("the heap of texts at byte {at} {why}")));
        }
    }
    Ok(None)
}

/// Where heaps begin: signature, version 1, three zeros. Other bytes may look alike by chance alone.
fn heaps(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    const BEGIN: &[u8] = b"GCOL\x01\0\0\0";
    // The library puts them at multiples of eight.
    (0..bytes.len())
        .step_by(8)
        .filter(|&at| bytes[at..].starts_with(BEGIN))
}

/// Follows the objects of a heap as the library does (HDF5 File Format Specification 3.0, III.E): each has an index
/// and a size, index 0 is what is free. What would not move on is damage.
fn walk(bytes: &[u8]) -> Option<String> {
    const HEAD: u64 = 16;
    let number = |at: u64| -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let eight = bytes.get(at..at + 8)?;
        Some(u64::from_le_bytes(eight.try_into().ok()?))
    };
    let size = number(8)?;
    // One that goes on beyond what was read is left to the library, which knows the end of the file.
    if size > bytes.len() as u64 {
        return None;
    }
    let mut at = HEAD;
    while at + HEAD <= size {
        let index = number(at)? & 0xFFFF;
        let held = number(at + 8)?;
        let step = match index {
            0 => Some(held),
            _ => held
                .checked_next_multiple_of(8)
                .and_then(|n| n.checked_add(HEAD)),
        };
        match step {
            Some(step) if step >= HEAD && step <= size - at => at += step,
            _ => {
                return Some(format!(
                    "is damaged: found an object of {held} bytes at {at} of {size}"
                ));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(index: u64, held: u64, bytes: usize) -> Vec<u8> {
        let mut out = index.to_le_bytes().to_vec();
        out.extend(held.to_le_bytes());
        out.resize(16 + bytes, b'x');
        out
    }

    fn heap(objects: &[Vec<u8>]) -> Vec<u8> {
        let objects = objects.concat();
        let mut out = b"GCOL\x01\0\0\0".to_vec();
        out.extend((16 + objects.len() as u64).to_le_bytes());
        out.extend(objects);
        out
    }

    #[test]
    fn a_whole_heap_is_left_alone() {
        let free = object(0, 32, 16);
        let whole = heap(&[object(1, 5, 8), object(2, 8, 8), free]);
        assert_eq!(walk(&whole), None);
        assert_eq!(
            heaps(&[vec![0; 8], whole].concat()).collect::<Vec<_>>(),
            [8]
        );
    }

    #[test]
    fn what_would_not_move_on_is_damage() {
        for held in [0, 8, u64::MAX, 1 << 40] {
            let said = walk(&heap(&[object(1, 5, 8), object(0, held, 16)]));
            assert!(said.unwrap().contains("object of"), "{held}");
        }
        let said = walk(&heap(&[object(3, u64::MAX - 3, 8)]));
        assert!(
            said.unwrap().contains("at 16"),
            "an object beyond all bounds"
        );
    }
}
