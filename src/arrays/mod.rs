//! Matrices in the files of other programs: npy and npz of NumPy, MATLAB's mat, data sets of HDF5, tables
//! without header as csv.

mod mat;

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayD};
use ndarray_npy::{ReadNpyError, ReadNpyExt};

/// Most bytes that a compressed part may grow to: a matrix of 11,000 x 11,000 numbers. A zip bomb takes more.
const LARGEST: u64 = 1 << 30;

/// Why there is no array.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ArrayError {
    /// The file, with the name of the array where it holds several.
    pub path: String,
    /// What was found and expected.
    pub message: String,
}

/// Which of the formats a file has, by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Npy,
    Npz,
    Mat,
    Hdf5,
    Csv,
}

impl Format {
    fn of(path: &Path) -> Result<Self, String> {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        Ok(match &*extension.to_lowercase() {
            "npy" => Self::Npy,
            "npz" => Self::Npz,
            "mat" => Self::Mat,
            "h5" | "hdf5" => Self::Hdf5,
            "csv" => Self::Csv,
            other => {
                return Err(format!(
                    "format: found `.{other}`, expected .npy, .npz, .mat, .h5, .hdf5 or .csv"
                ));
            }
        })
    }
}

/// Whether a file is of a kind that may hold several arrays, each with a name.
#[must_use]
pub fn holds_several(path: &Path) -> bool {
    matches!(
        Format::of(path),
        Ok(Format::Npz | Format::Mat | Format::Hdf5)
    )
}

/// A file with the name of an array in it, typed as `FILE:NAME`; a path that is there as typed has no name.
#[must_use]
pub fn split_name(typed: &Path) -> (PathBuf, Option<String>) {
    let text = typed.to_string_lossy();
    match text.rsplit_once(':') {
        Some((file, name)) if !typed.exists() && holds_several(Path::new(file)) => {
            (PathBuf::from(file), Some(name.to_owned()))
        }
        _ => (typed.to_owned(), None),
    }
}

/// Reads an array as rows and columns; one of one dimension is a column. `name` says which one of a file that
/// holds several; it may be left out where there is one.
///
/// # Errors
/// An unreadable file, another format, an array that is not there, numbers that are none, more than two
/// dimensions.
pub fn read(path: &Path, name: Option<&str>) -> Result<Array2<f64>, ArrayError> {
    let shown = match name {
        Some(name) => format!("{}, {name}", path.display()),
        None => path.display().to_string(),
    };
    let fail = |message: String| ArrayError {
        path: shown.clone(),
        message,
    };
    let format = Format::of(path).map_err(fail)?;
    if name.is_some() && !holds_several(path) {
        return Err(fail(
            "found a name, expected none: the file holds one array".to_owned(),
        ));
    }
    let bytes = || std::fs::read(path).map_err(|e| fail(format!("cannot be read: {e}")));
    match format {
        Format::Npy => npy(&bytes()?),
        Format::Npz => npz(&bytes()?, name),
        Format::Csv => csv(&bytes()?),
        Format::Hdf5 => hdf5(path, name),
        Format::Mat => {
            let bytes = bytes()?;
            match mat::is_hdf5(&bytes) {
                // MATLAB counts dimensions from the other end than HDF5.
                true => {
                    hdf5(path, name).map(|m| m.reversed_axes().as_standard_layout().into_owned())
                }
                false => mat::read(&bytes, name),
            }
        }
    }
    .map_err(fail)
}

/// The one that is meant among the names of a file.
fn choose<'a>(names: &'a [String], wanted: Option<&str>) -> Result<&'a str, String> {
    match (wanted, names) {
        (_, []) => Err(
            "found no matrix of numbers in the outermost level, expected one (no structure, cell or text)"
                .to_owned(),
        ),
        (Some(wanted), names) => (names.iter().find(|n| *n == wanted))
            .map(String::as_str)
            .ok_or_else(|| {
                let names = names.join(", ");
                format!("found no array `{wanted}`, expected one of {names}")
            }),
        (None, [one]) => Ok(one),
        (None, names) => Err(format!(
            "found {} arrays, expected the name of one of them after a colon, as in FILE:NAME: {}",
            names.len(),
            names.join(", ")
        )),
    }
}

fn shaped(shape: &[usize], values: Vec<f64>) -> Result<Array2<f64>, String> {
    let dim = match *shape {
        [n] => (n, 1),
        [n, m] => (n, m),
        _ => {
            return Err(format!(
                "shape: found {shape:?}, expected one or two dimensions"
            ));
        }
    };
    let (found, expected) = (values.len(), shape.iter().product::<usize>());
    Array2::from_shape_vec(dim, values)
        .map_err(|_| format!("values: found {found}, expected {expected} for the shape {shape:?}"))
}

/// NumPy's own format, of floating or whole numbers.
fn npy(bytes: &[u8]) -> Result<Array2<f64>, String> {
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err(
            "found other bytes, expected those that every npy array begins with".to_owned(),
        );
    }
    holds_what_it_says(bytes)?;
    // Whatever type it has is tried in turn.
    macro_rules! read_as {
        ($($t:ty),*) => {$(
            match ArrayD::<$t>::read_npy(bytes) {
                Ok(array) => {
                    let shape = array.shape().to_vec();
                    return shaped(&shape, array.iter().map(|x| *x as f64).collect());
                }
                Err(ReadNpyError::WrongDescriptor(_)) => {}
                Err(e) => return Err(format!("found no whole npy array: {e}")),
            }
        )*};
    }
    read_as!(f64, f32, i64, i32, i16, i8, u64, u32, u16, u8);
    match ArrayD::<bool>::read_npy(bytes) {
        Ok(array) => {
            let shape = array.shape().to_vec();
            shaped(
                &shape,
                array.iter().map(|x| f64::from(u8::from(*x))).collect(),
            )
        }
        Err(ReadNpyError::WrongDescriptor(found)) => Err(format!(
            "type: found {found}, expected floating or whole numbers (<f8, <f4, <i8, <i4, ...)"
        )),
        Err(e) => Err(format!("found no whole npy array: {e}")),
    }
}

/// Refuses a header that is longer than the file, or promises more numbers than there are bytes, before memory is asked
/// for.
fn holds_what_it_says(bytes: &[u8]) -> Result<(), String> {
    let length = match *bytes {
        [_, _, _, _, _, _, 1, _, a, b, ..] => usize::from(u16::from_le_bytes([a, b])),
        [_, _, _, _, _, _, _, _, a, b, c, d, ..] => u32::from_le_bytes([a, b, c, d]) as usize,
        _ => 0,
    };
    if length > bytes.len() {
        return Err(format!(
            "found no whole npy array: {} bytes, expected a header of {length}",
            bytes.len()
        ));
    }
    let header = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    let shape = header.split_once("'shape'").and_then(|(_, rest)| {
        let inside = rest.split_once('(')?.1.split_once(')')?.0;
        let dims = inside.split(',').map(str::trim).filter(|d| !d.is_empty());
        dims.map(|d| d.parse::<u128>().ok())
            .collect::<Option<Vec<_>>>()
    });
    let Some(shape) = shape else { return Ok(()) };
    let numbers = (shape.iter()).try_fold(1_u128, |n, dim| n.checked_mul(*dim));
    match numbers {
        // A number takes a byte at least.
        Some(n) if n <= bytes.len() as u128 => Ok(()),
        _ => Err(format!(
            "found no whole npy array: {} bytes, expected more for the shape {shape:?}",
            bytes.len()
        )),
    }
}

/// The named array of a zip archive as `numpy.savez` writes it.
fn npz(bytes: &[u8], name: Option<&str>) -> Result<Array2<f64>, String> {
    let broken = |e: zip::result::ZipError| {
        format!("found a broken zip archive, expected what numpy.savez writes: {e}")
    };
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    let names = archive.file_names().flatten();
    let names = names.filter_map(|n| Some(n.strip_suffix(".npy")?.to_owned()));
    let names: Vec<String> = names.collect();
    let wanted = format!("{}.npy", choose(&names, name)?);
    let entry = archive.by_name(&wanted).map_err(broken)?;
    npy(&whole(entry).map_err(|e| format!("found a broken zip archive: {e}"))?)
}

/// All bytes of a compressed part.
fn whole(part: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    (part.take(LARGEST).read_to_end(&mut bytes)).map_err(|e| e.to_string())?;
    match bytes.len() as u64 {
        LARGEST => Err(format!("it is larger than {LARGEST} bytes")),
        _ => Ok(bytes),
    }
}

fn hdf5(path: &Path, name: Option<&str>) -> Result<Array2<f64>, String> {
    // The library says of a missing file no more than that it has not opened it.
    std::fs::metadata(path).map_err(|e| format!("cannot be read: {e}"))?;
    let file = hdf5::File::open(path).map_err(|e| format!("cannot be read: {e}"))?;
    let all = file.member_names().unwrap_or_default();
    // One in a group has a path, which no list of the outermost names has.
    let name = match name {
        Some(path) if file.dataset(path).is_ok_and(|d| holds_numbers(&d)) => path.to_owned(),
        _ => {
            let of_numbers = |name: &String| file.dataset(name).is_ok_and(|d| holds_numbers(&d));
            let names: Vec<String> = all.into_iter().filter(of_numbers).collect();
            choose(&names, name)?.to_owned()
        }
    };
    let dataset = (file.dataset(&name)).map_err(|e| format!("`{name}` cannot be read: {e}"))?;
    if dataset.size() as u64 > LARGEST / 8 {
        let (found, most) = (dataset.size(), LARGEST / 8);
        return Err(format!("found {found} numbers, expected {most} at most"));
    }
    let values = dataset.read_raw::<f64>();
    let values = values.map_err(|e| format!("expected numbers, found {e}"))?;
    shaped(&dataset.shape(), values)
}

/// Whether it is a matrix of numbers. MATLAB keeps letters and references as numbers, too, with their class beside
/// them, and dimensions in place of what is empty.
fn holds_numbers(dataset: &hdf5::Dataset) -> bool {
    use hdf5::types::{FixedAscii, TypeDescriptor as Type};
    let kind = dataset.dtype().and_then(|t| t.to_descriptor());
    let numbers = matches!(
        kind,
        Ok(Type::Integer(_) | Type::Unsigned(_) | Type::Float(_) | Type::Boolean | Type::Enum(_))
    );
    let class = dataset.attr("MATLAB_class");
    let class = class.and_then(|a| a.read_scalar::<FixedAscii<32>>());
    let is_other = class.is_ok_and(|c| {
        let class = c.as_str();
        !(class.contains("int") || ["double", "single", "logical"].contains(&class))
    });
    numbers && dataset.ndim() <= 2 && !is_other && dataset.attr("MATLAB_empty").is_err()
}

fn csv(bytes: &[u8]) -> Result<Array2<f64>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let (mut values, mut shape) = (Vec::new(), (0, 0));
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        shape = (shape.0 + 1, record.len());
        for text in &record {
            let number = text.parse::<f64>();
            values.push(
                number
                    .map_err(|_| format!("line {}: found `{text}`, expected a number", shape.0))?,
            );
        }
    }
    shaped(&[shape.0, shape.1], values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An npy file of version 1.
    fn file(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut out = b"\x93NUMPY\x01\x00".to_vec();
        out.extend((header.len() as u16).to_le_bytes());
        out.extend(header.bytes());
        out.extend(data);
        out
    }

    #[test]
    fn npy_in_both_orders_and_other_types() {
        let six: Vec<u8> = (1..=6).flat_map(|x| f64::from(x).to_le_bytes()).collect();
        let rows = npy(&file("<f8", "False", "(2, 3)", &six)).unwrap();
        assert_eq!(rows, ndarray::array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        let columns = npy(&file("<f8", "True", "(2, 3)", &six)).unwrap();
        assert_eq!(columns, ndarray::array![[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]);
        let floats: Vec<u8> = [0.5_f32, -1.5]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        assert_eq!(
            npy(&file("<f4", "False", "(2,)", &floats)).unwrap(),
            ndarray::array![[0.5], [-1.5]]
        );
        assert_eq!(
            npy(&file("|i1", "False", "(1, 2)", &[255, 1])).unwrap(),
            ndarray::array![[-1.0, 1.0]]
        );
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for (bytes, words) in [
            (b"no array".to_vec(), "other bytes"),
            (file("<f8", "False", "(2,)", &[0; 8]), "no whole npy array"),
            (
                file("<f8", "False", "(9999999, 9999999)", &[0; 8]),
                "expected more for the shape",
            ),
            (
                // Version 3 has two more bytes for the length, which are letters here.
                file("<f8", "False", "(1,)", &[0; 8])
                    .iter()
                    .enumerate()
                    .map(|(k, b)| if k == 6 { 3 } else { *b })
                    .collect(),
                "expected a header of",
            ),
            (
                file("<f8", "False", "(1, 1, 1)", &[0; 8]),
                "expected one or two dimensions",
            ),
            (file("<U3", "False", "(1,)", &[0; 12]), "found '<U3'"),
        ] {
            assert!(npy(&bytes).unwrap_err().contains(words), "{words}");
        }
        for cut in 0..60 {
            let whole = file("<f8", "False", "(1,)", &[0; 8]);
            assert!(npy(&whole[..cut]).is_err());
            assert!(npz(&whole[..cut], None).is_err());
        }
        assert!(
            csv(b"1,2\n3,x\n")
                .unwrap_err()
                .contains("line 2: found `x`")
        );
    }
}
