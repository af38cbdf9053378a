//! Arrays of other programs: npy and npz of NumPy, data sets of HDF5, tables without header as csv.

use std::io::{Cursor, Read};
use std::path::Path;

use ndarray::{Array2, ArrayD};
use ndarray_npy::{ReadNpyError, ReadNpyExt};

use super::h5;

/// Why there is no array.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ArrayError {
    /// The file, with the name of the array where it holds several.
    pub path: String,
    /// What was found and expected.
    pub message: String,
}

/// Reads an array as rows and columns; one of one dimension is a column. `name` says which one of an npz
/// archive or of an HDF5 file.
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
    let kind = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    let several = matches!(kind, "npz" | "h5" | "hdf5");
    match (several, name) {
        (true, None) => {
            return Err(fail(
                "found no name, expected that of an array of the file".to_owned(),
            ));
        }
        (false, Some(_)) => {
            return Err(fail(
                "found a name, expected none: the file holds one array".to_owned(),
            ));
        }
        _ => {}
    }
    let bytes = || std::fs::read(path).map_err(|e| fail(format!("cannot be read: {e}")));
    match kind {
        "npy" => npy(&bytes()?).map_err(fail),
        "npz" => npz(&bytes()?, name.unwrap_or_default()).map_err(fail),
        "h5" | "hdf5" => hdf5(path, name.unwrap_or_default()).map_err(fail),
        "csv" => csv(&bytes()?).map_err(fail),
        _ => Err(fail(format!(
            "format: found `.{kind}`, expected .npy, .npz, .h5, .hdf5 or .csv"
        ))),
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

/// The named array of a zip archive as `numpy.savez` writes it.
fn npz(bytes: &[u8], name: &str) -> Result<Array2<f64>, String> {
    let broken = |e: zip::result::ZipError| {
        format!("found a broken zip archive, expected what numpy.savez writes: {e}")
    };
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    let wanted = format!("{name}.npy");
    let Some(at) = archive.index_for_name(&wanted) else {
        let names = archive.file_names().flatten();
        let names = names.map(|n| n.strip_suffix(".npy").unwrap_or(&n).to_owned());
        let names: Vec<String> = names.collect();
        return Err(format!(
            "found no array `{name}`, expected one of {}",
            names.join(", ")
        ));
    };
    let mut whole = Vec::new();
    let mut entry = archive.by_index(at).map_err(broken)?;
    (entry.read_to_end(&mut whole)).map_err(|e| format!("found a broken zip archive: {e}"))?;
    npy(&whole)
}

fn hdf5(path: &Path, name: &str) -> Result<Array2<f64>, String> {
    let file = hdf5::File::open(path).map_err(|e| format!("cannot be read: {}", h5::reason(&e)))?;
    let dataset = file.dataset(name).map_err(|_| {
        let names = file.member_names().unwrap_or_default();
        format!(
            "found no data set `{name}`, expected one of {}",
            names.join(", ")
        )
    })?;
    let values = dataset.read_raw::<f64>();
    let values = values.map_err(|e| format!("expected numbers, found {}", h5::reason(&e)))?;
    shaped(&dataset.shape(), values)
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
            assert!(npz(&whole[..cut], "a").is_err());
        }
        assert!(
            csv(b"1,2\n3,x\n")
                .unwrap_err()
                .contains("line 2: found `x`")
        );
    }
}
