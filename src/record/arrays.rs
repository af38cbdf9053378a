//! Arrays of other programs: npy and npz of NumPy, data sets of HDF5, tables without header as csv.

use std::path::Path;

use ndarray::Array2;

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

/// NumPy's own format, versions 1 to 3, of floating or whole numbers.
fn npy(bytes: &[u8]) -> Result<Array2<f64>, String> {
    let short = || "found the end of the file, expected the header of an npy array".to_owned();
    if bytes.get(..6) != Some(b"\x93NUMPY") {
        return Err(
            "found other bytes, expected those that every npy array begins with".to_owned(),
        );
    }
    let major = *bytes.get(6).ok_or_else(short)?;
    let (start, length) = match major {
        1 => {
            let size = bytes.get(8..10).ok_or_else(short)?;
            (10, usize::from(u16::from_le_bytes([size[0], size[1]])))
        }
        _ => {
            let size = bytes.get(8..12).ok_or_else(short)?;
            (
                12,
                u32::from_le_bytes([size[0], size[1], size[2], size[3]]) as usize,
            )
        }
    };
    let header = bytes.get(start..start + length).ok_or_else(short)?;
    let header = String::from_utf8_lossy(header);
    let after = |key: &str| {
        let found = header
            .split(&format!("'{key}':"))
            .nth(1)
            .map(str::trim_start);
        found.ok_or_else(|| format!("header: found no `{key}`, expected one: {}", header.trim()))
    };
    let descr = after("descr")?;
    let descr = descr.strip_prefix('\'').and_then(|d| d.split('\'').next());
    let descr = descr.ok_or_else(|| "type: found a record, expected numbers".to_owned())?;
    let fortran = after("fortran_order")?.starts_with("True");
    let shape = after("shape")?;
    let inside = shape
        .strip_prefix('(')
        .and_then(|s| s.split(')').next())
        .unwrap_or_default();
    let mut dims = Vec::new();
    for part in inside.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let size = part
            .parse()
            .map_err(|_| format!("shape: found ({inside}), expected whole numbers"))?;
        dims.push(size);
    }
    let data = &bytes[start + length..];
    let count = dims.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
    let count = count.ok_or_else(|| format!("shape: found ({inside}), expected less"))?;
    macro_rules! numbers {
        ($t:ty, $from:ident) => {{
            let size = size_of::<$t>();
            let all = data.chunks_exact(size).take(count);
            all.map(|b| <$t>::$from(b.try_into().expect("chunks have this size")) as f64)
                .collect::<Vec<f64>>()
        }};
    }
    let values = match descr {
        "<f8" => numbers!(f64, from_le_bytes),
        ">f8" => numbers!(f64, from_be_bytes),
        "<f4" => numbers!(f32, from_le_bytes),
        ">f4" => numbers!(f32, from_be_bytes),
        "<i8" => numbers!(i64, from_le_bytes),
        "<i4" => numbers!(i32, from_le_bytes),
        "<i2" => numbers!(i16, from_le_bytes),
        "|i1" => numbers!(i8, from_le_bytes),
        "|u1" | "|b1" => numbers!(u8, from_le_bytes),
        _ => {
            return Err(format!(
                "type: found {descr}, expected floating or whole numbers (<f8, <f4, <i8, <i4, ...)"
            ));
        }
    };
    match (fortran, &dims[..]) {
        // Columns lie one after another.
        (true, [n, m]) => {
            shaped(&[*m, *n], values).map(|a| a.reversed_axes().as_standard_layout().into_owned())
        }
        _ => shaped(&dims, values),
    }
}

/// The named array of a zip archive as `numpy.savez` writes it, stored or deflated.
fn npz(bytes: &[u8], name: &str) -> Result<Array2<f64>, String> {
    let broken = || "found a broken zip archive, expected what numpy.savez writes".to_owned();
    let u16_at = |at: usize| {
        let b = bytes.get(at..at + 2).ok_or_else(broken)?;
        Ok::<usize, String>(usize::from(u16::from_le_bytes([b[0], b[1]])))
    };
    let u32_at = |at: usize| {
        let b = bytes.get(at..at + 4).ok_or_else(broken)?;
        Ok::<usize, String>(u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
    };
    // The end of the directory stands at the end, before a comment of at most 64 KiB.
    let end = bytes
        .windows(4)
        .rposition(|w| w == b"PK\x05\x06")
        .ok_or_else(broken)?;
    let (entries, mut at) = (u16_at(end + 10)?, u32_at(end + 16)?);
    let wanted = format!("{name}.npy");
    let mut names = Vec::new();
    for _ in 0..entries {
        if bytes.get(at..at + 4) != Some(b"PK\x01\x02") {
            return Err(broken());
        }
        let (method, size) = (u16_at(at + 10)?, u32_at(at + 20)?);
        let (n, extra, comment) = (u16_at(at + 28)?, u16_at(at + 30)?, u16_at(at + 32)?);
        let local = u32_at(at + 42)?;
        let entry = bytes.get(at + 46..at + 46 + n).ok_or_else(broken)?;
        if entry == wanted.as_bytes() {
            let start = local + 30 + u16_at(local + 26)? + u16_at(local + 28)?;
            let stored = bytes.get(start..start + size).ok_or_else(broken)?;
            return match method {
                0 => npy(stored),
                8 => {
                    let mut whole = Vec::new();
                    let mut reader = flate2::read::DeflateDecoder::new(stored);
                    std::io::Read::read_to_end(&mut reader, &mut whole).map_err(|_| broken())?;
                    npy(&whole)
                }
                _ => Err(format!(
                    "compression: found method {method}, expected 0 (stored) or 8 (deflated)"
                )),
            };
        }
        let entry = String::from_utf8_lossy(entry);
        names.push(entry.strip_suffix(".npy").unwrap_or(&entry).to_owned());
        at += 46 + n + extra + comment;
    }
    Err(format!(
        "found no array `{name}`, expected one of {}",
        names.join(", ")
    ))
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
            (file("<f8", "False", "(2,)", &[0; 8]), "found 1, expected 2"),
            (
                file("<f8", "False", "(1, 1, 1)", &[0; 8]),
                "expected one or two dimensions",
            ),
            (file("<U3", "False", "(1,)", &[0; 12]), "found <U3"),
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
