//! MATLAB's files of versions 5 to 7.2: matrices of numbers, full or sparse.
//!
//! After *MAT-File Format* (The MathWorks): a header of 128 bytes, then elements of a tag (type and length)
//! and data, each compressed by itself or not. Version 7.3 is HDF5. What is no matrix of numbers (cells,
//! structures, text) is passed over.

use std::io::Read;

use flate2::read::ZlibDecoder;
use ndarray::{Array2, ShapeBuilder};

use super::{LARGEST, choose, whole};

/// Bytes before the first element.
const HEADER: usize = 128;
/// Type of an element.
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
/// Type of the dimensions: whole numbers of 32 bits.
const WHOLE: u32 = 5;
/// Class of a matrix.
const SPARSE: u8 = 5;
/// Classes of full matrices of numbers: double, single, whole numbers of 8 to 64 bits.
const NUMBERS: std::ops::RangeInclusive<u8> = 6..=15;
/// Bit of the flags of a matrix with an imaginary part.
const COMPLEX: u8 = 0x08;

/// Whether a file is of version 7.3: HDF5 after a block of MATLAB's own.
pub(super) fn is_hdf5(bytes: &[u8]) -> bool {
    bytes.starts_with(b"MATLAB 7.3")
}

/// The matrix of a name, `[row, column]` as MATLAB shows it; the only one where no name is given.
///
/// # Errors
/// Another format; no such matrix; complex numbers; a file that ends early.
pub(super) fn read(bytes: &[u8], name: Option<&str>) -> Result<Array2<f64>, String> {
    let expected = "expected a MATLAB file of version 5 or newer (in MATLAB `save(..., '-v7')`)";
    let no_file = |found: &str| format!("found {found}, {expected}");
    if bytes.starts_with(b"\x89HDF") {
        return Err(no_file("HDF5 without MATLAB's header (call it .h5)"));
    }
    let endian = bytes
        .get(124..HEADER)
        .ok_or_else(|| no_file("too few bytes"))?;
    let little = match (endian, &bytes[..4]) {
        // Version 4 has no text at the start: one of its first four bytes is 0.
        (_, text) if text.contains(&0) => return Err(no_file("version 4 or other bytes")),
        ([0, 1, b'I', b'M'], _) => true,
        ([1, 0, b'M', b'I'], _) => false,
        _ => return Err(no_file("other bytes")),
    };
    let mut rest = Bytes {
        bytes: &bytes[HEADER..],
        little,
    };
    let (mut names, mut found) = (Vec::new(), None);
    while !rest.bytes.is_empty() {
        let element = rest.element()?;
        let opened = || ZlibDecoder::new(element.data.bytes);
        let broken = |e| format!("found a compressed part that cannot be opened: {e}");
        // What is not asked for is opened as far as its name.
        let beginning = match element.kind {
            COMPRESSED => Some(whole(opened().take(LONGEST_HEAD)).map_err(broken)?),
            _ => None,
        };
        let (kind, mut data) = match &beginning {
            Some(bytes) => {
                let mut bytes = Bytes { bytes, little };
                let kind = bytes.word()?;
                bytes.word()?;
                (kind, bytes)
            }
            None => (element.kind, element.data),
        };
        if kind != MATRIX {
            continue;
        }
        let head = Head::read(&mut data)?;
        if !head.is_numbers() {
            continue;
        }
        if found.is_none() && name.is_none_or(|name| name == head.name) {
            found = Some(match beginning {
                Some(_) => whole(opened()).map_err(broken).and_then(|bytes| {
                    let bytes = &bytes[..];
                    let mut matrix = Bytes { bytes, little }.element()?;
                    Head::read(&mut matrix.data)?.numbers(&mut matrix.data)
                }),
                None => head.numbers(&mut data),
            });
        }
        names.push(head.name);
    }
    choose(&names, name)?;
    found.unwrap_or_else(|| Err(no_file("no matrix")))
}

/// Bytes in which the head of a matrix fits: flags, dimensions, a name of at most 63 letters.
const LONGEST_HEAD: u64 = 4096;

fn ended() -> String {
    "found the end of the file within a matrix".to_owned()
}

/// What is left to read.
#[derive(Clone, Copy)]
struct Bytes<'a> {
    bytes: &'a [u8],
    little: bool,
}

/// A tag with its data.
struct Element<'a> {
    kind: u32,
    data: Bytes<'a>,
}

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<Bytes<'a>, String> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or_else(ended)?;
        self.bytes = rest;
        Ok(Bytes {
            bytes: taken,
            little: self.little,
        })
    }

    fn word(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?.bytes;
        let four: [u8; 4] = bytes.try_into().expect("four of them");
        Ok(match self.little {
            true => u32::from_le_bytes(four),
            false => u32::from_be_bytes(four),
        })
    }

    /// The next element. Data of at most four bytes stand in the tag itself; longer ones fill up to eight
    /// bytes, unless they are compressed.
    fn element(&mut self) -> Result<Element<'a>, String> {
        let first = self.word()?;
        if first >> 16 != 0 {
            let mut four = self.take(4)?;
            let data = four.take((first >> 16) as usize)?;
            return Ok(Element {
                kind: first & 0xFFFF,
                data,
            });
        }
        let count = self.word()? as usize;
        let data = self.take(count)?;
        if first != COMPRESSED {
            let fill = count.next_multiple_of(8) - count;
            // The last of a file may go without.
            self.take(fill.min(self.bytes.len()))?;
        }
        Ok(Element { kind: first, data })
    }

    /// Numbers of the type of an element, `count` of them where that is known.
    fn numbers(self, kind: u32, count: Option<usize>) -> Result<Vec<f64>, String> {
        let size = match kind {
            1 | 2 => 1,
            3 | 4 => 2,
            5..=7 => 4,
            9 | 12 | 13 => 8,
            other => {
                return Err(format!(
                    "found numbers of type {other}, expected 1 to 7, 9, 12 or 13"
                ));
            }
        };
        // Before memory is asked for: eight bytes come of each.
        let there = self.bytes.len() / size;
        let fits = self.bytes.len().is_multiple_of(size) && there as u64 <= LARGEST / 8;
        if !fits || count.is_some_and(|count| count != there) {
            let expected = count.map_or("whole numbers".to_owned(), |n| format!("{n} numbers"));
            let bytes = self.bytes.len();
            return Err(format!(
                "found {bytes} bytes of numbers of {size}, expected {expected}"
            ));
        }
        macro_rules! as_numbers {
            ($t:ty) => {
                (self.bytes.chunks_exact(size_of::<$t>()))
                    .map(|bytes| {
                        let bytes = bytes.try_into().expect("as many as the type has");
                        match self.little {
                            true => <$t>::from_le_bytes(bytes) as f64,
                            false => <$t>::from_be_bytes(bytes) as f64,
                        }
                    })
                    .collect()
            };
        }
        Ok(match kind {
            1 => as_numbers!(i8),
            2 => as_numbers!(u8),
            3 => as_numbers!(i16),
            4 => as_numbers!(u16),
            5 => as_numbers!(i32),
            6 => as_numbers!(u32),
            7 => as_numbers!(f32),
            9 => as_numbers!(f64),
            12 => as_numbers!(i64),
            _ => as_numbers!(u64),
        })
    }

    fn next_numbers(&mut self, count: Option<usize>) -> Result<Vec<f64>, String> {
        let element = self.element()?;
        element.data.numbers(element.kind, count)
    }
}

/// What stands before the numbers of a matrix.
struct Head {
    class: u8,
    flags: u8,
    dims: Vec<f64>,
    name: String,
}

impl Head {
    fn read(from: &mut Bytes<'_>) -> Result<Self, String> {
        let mut flags = from.element()?.data;
        let word = flags.word()?;
        let dims = from.element()?;
        if dims.kind != WHOLE {
            return Err(format!(
                "found dimensions of type {}, expected {WHOLE}",
                dims.kind
            ));
        }
        let dims = dims.data.numbers(dims.kind, None)?;
        let name = from.element()?.data.bytes;
        // Older programs wrote Latin-1, whose letters are the first of Unicode.
        let latin = |bytes: &[u8]| bytes.iter().map(|b| char::from(*b)).collect();
        Ok(Head {
            class: word as u8,
            flags: (word >> 8) as u8,
            dims,
            name: String::from_utf8(name.to_vec()).unwrap_or_else(|_| latin(name)),
        })
    }

    /// Whether it is a matrix that a person saved; what MATLAB keeps of its objects has no name.
    fn is_numbers(&self) -> bool {
        let numbers = self.class == SPARSE || NUMBERS.contains(&self.class);
        numbers && self.dims.len() == 2 && !self.name.is_empty()
    }

    fn numbers(&self, from: &mut Bytes<'_>) -> Result<Array2<f64>, String> {
        if self.flags & COMPLEX != 0 {
            return Err("found complex numbers, expected real ones".to_owned());
        }
        let (rows, columns) = (self.dims[0], self.dims[1]);
        let most = (LARGEST / 8) as f64;
        if rows < 0.0 || columns < 0.0 || rows.max(columns).max(rows * columns) > most {
            return Err(format!(
                "found {rows} x {columns} numbers, expected {most} at most"
            ));
        }
        let shape = (rows as usize, columns as usize);
        if self.class == SPARSE {
            return sparse(shape, from);
        }
        let values = from.next_numbers(Some(shape.0 * shape.1))?;
        // MATLAB goes down the columns.
        Array2::from_shape_vec(shape.f(), values)
            .map(|m| m.as_standard_layout().into_owned())
            .map_err(|_| ended())
    }
}

/// Numbers for each byte of a sparse matrix, beyond [`FEW`]: a few bytes cannot ask for all memory, and 10,000 areas with
/// eight links each have half as many.
const MOST_A_BYTE: usize = 256;
/// Numbers that any sparse matrix may hold.
const FEW: usize = 1 << 22;

/// Rows of the numbers, rising within a column; where the numbers of each column begin; the numbers.
fn sparse(shape: (usize, usize), from: &mut Bytes<'_>) -> Result<Array2<f64>, String> {
    let ((rows, columns), bytes) = (shape, from.bytes.len());
    let most = (MOST_A_BYTE * bytes).max(FEW);
    if rows * columns > most {
        return Err(format!(
            "found {rows} x {columns} numbers in {bytes} bytes of a sparse matrix, expected {most} at most"
        ));
    }
    let rows = from.next_numbers(None)?;
    let starts = from.next_numbers(Some(shape.1 + 1))?;
    let values = from.next_numbers(None)?;
    let wrong = || "found a sparse matrix whose parts do not fit together".to_owned();
    let index = |x: f64| Some(x as usize).filter(|n| x >= 0.0 && *n as f64 == x);
    let starts: Option<Vec<usize>> = starts.iter().map(|s| index(*s)).collect();
    let starts = starts.filter(|s| s[0] == 0).ok_or_else(wrong)?;
    let mut out = Array2::zeros(shape);
    for (column, between) in starts.windows(2).enumerate() {
        let range = between[0]..between[1];
        let part = (rows.get(range.clone())).zip(values.get(range));
        let (rows, values) = part.ok_or_else(wrong)?;
        let mut above = None;
        for (row, value) in rows.iter().zip(values) {
            let row = index(*row)
                .filter(|row| above.is_none_or(|above| above < *row))
                .ok_or_else(wrong)?;
            *out.get_mut([row, column]).ok_or_else(wrong)? = *value;
            above = Some(row);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};
    use ndarray::array;

    use super::*;

    /// An element with its tag, little endian.
    fn element(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut out = kind.to_le_bytes().to_vec();
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
        out.resize(out.len().next_multiple_of(8), 0);
        out
    }

    fn words(of: &[u32]) -> Vec<u8> {
        of.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    fn matrix(name: &str, class: u32, dims: [u32; 2], parts: &[Vec<u8>]) -> Vec<u8> {
        let mut data = element(6, &words(&[class, 0]));
        data.extend(element(5, &words(&dims)));
        data.extend(element(1, name.as_bytes()));
        data.extend(parts.concat());
        element(MATRIX, &data)
    }

    fn file(elements: &[Vec<u8>]) -> Vec<u8> {
        let mut out = b"MATLAB 5.0 MAT-file".to_vec();
        out.resize(124, b' ');
        out.extend([0, 1, b'I', b'M']);
        out.extend(elements.concat());
        out
    }

    fn compressed(element: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(element).unwrap();
        let data = encoder.finish().unwrap();
        [words(&[COMPRESSED, data.len() as u32]), data].concat()
    }

    fn doubles(of: &[f64]) -> Vec<u8> {
        let bytes: Vec<u8> = of.iter().flat_map(|x| x.to_le_bytes()).collect();
        element(9, &bytes)
    }

    #[test]
    fn columns_come_first_and_names_are_found() {
        let w = matrix("W", 6, [2, 3], &[doubles(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])]);
        // Whole numbers are stored short, in the tag itself.
        let small = [(3 << 16 | 2_u32).to_le_bytes(), [7, 8, 9, 0]].concat();
        let k = matrix("K", 6, [1, 3], &[small]);
        let text = matrix("t", 4, [1, 2], &[element(4, &[65, 0, 66, 0])]);
        let expected = array![[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]];
        assert_eq!(
            read(&file(&[text.clone(), w.clone()]), None).unwrap(),
            expected
        );
        let both = file(&[compressed(&w), compressed(&k), text]);
        assert_eq!(read(&both, Some("W")).unwrap(), expected);
        assert_eq!(read(&both, Some("K")).unwrap(), array![[7.0, 8.0, 9.0]]);
        let refusal = read(&both, None).unwrap_err();
        assert!(refusal.contains("W, K"), "{refusal}");
        assert!(read(&both, Some("X")).unwrap_err().contains("`X`"));
    }

    #[test]
    fn sparse_matrices_are_filled_up() {
        let parts = [
            element(5, &words(&[1, 0])),
            element(5, &words(&[0, 1, 1, 2])),
            doubles(&[0.5, 0.25]),
        ];
        let whole = file(&[matrix("S", 5, [2, 3], &parts)]);
        let expected = array![[0.0, 0.0, 0.25], [0.5, 0.0, 0.0]];
        assert_eq!(read(&whole, None).unwrap(), expected);
        for wrong in [
            // Rows that fall, rows twice, a first column that does not begin at the first number.
            [
                element(5, &words(&[1, 0])),
                element(5, &words(&[0, 2, 2, 2])),
            ],
            [
                element(5, &words(&[1, 1])),
                element(5, &words(&[0, 2, 2, 2])),
            ],
            [
                element(5, &words(&[1, 0])),
                element(5, &words(&[1, 1, 1, 2])),
            ],
            [element(9, &doubles(&[0.5, 0.0])[8..24]), parts[1].clone()],
        ] {
            let parts = [wrong[0].clone(), wrong[1].clone(), parts[2].clone()];
            let refusal = read(&file(&[matrix("S", 5, [2, 3], &parts)]), None).unwrap_err();
            assert!(refusal.contains("do not fit together"), "{refusal}");
        }
        let huge = matrix("S", 5, [100_000, 100_000], &parts);
        assert!(read(&file(&[huge]), None).unwrap_err().contains("at most"));
    }

    #[test]
    fn what_is_cut_or_no_matrix_is_refused() {
        let w = matrix("W", 6, [2, 1], &[doubles(&[1.0, 2.0])]);
        for whole in [file(std::slice::from_ref(&w)), file(&[compressed(&w)])] {
            for cut in 0..whole.len() {
                assert!(read(&whole[..cut], None).is_err(), "{cut}");
            }
        }
        let mut complex = w.clone();
        complex[17] = COMPLEX;
        assert!(
            read(&file(&[complex]), None)
                .unwrap_err()
                .contains("complex")
        );
        let older = [words(&[0, 2, 2, 0, 2]), vec![b'W'; 200]].concat();
        assert!(read(&older, None).unwrap_err().contains("version 5"));
        let refusal = read(&file(&[]), None).unwrap_err();
        assert!(refusal.contains("no matrix of numbers"), "{refusal}");
        // Promises of few bytes take no memory.
        let many = matrix("W", 6, [3, 3], &[element(2, &[0; 9000])]);
        let refusal = read(&file(&[many]), None).unwrap_err();
        assert!(refusal.contains("expected 9 numbers"), "{refusal}");
    }
}
