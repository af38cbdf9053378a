//! Small steps on top of the HDF5 crate: reasons of failures, text and number attributes.

use std::io;
use std::str::FromStr;

use hdf5::types::{TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Attribute, Dataset, Location};
use hdf5_sys::h5a::H5Aread;
use hdf5_sys::h5d::H5Dread;
use hdf5_sys::h5p::H5P_DEFAULT;
use hdf5_sys::h5s::H5S_ALL;

use super::layout::Attr;

/// The library's words for a failure: the outermost frame and the innermost.
pub fn reason(error: &hdf5::Error) -> String {
    match error {
        hdf5::Error::Internal(text) => text.clone(),
        hdf5::Error::HDF5(_) => match error.stack() {
            Some(stack) if !stack.is_empty() => stack.description().to_owned(),
            _ => "the library gave no reason".to_owned(),
        },
    }
}

/// The operating system's error behind a failure, if a frame of the stack carries one. The file
/// drivers write it as `errno = 28` into the description and nowhere else.
pub fn os_error(error: &hdf5::Error) -> Option<io::Error> {
    let stack = error.stack()?;
    stack.iter().rev().find_map(|frame| {
        let number = frame.desc().split("errno = ").nth(1)?;
        let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
        match digits.parse().ok()? {
            0 => None,
            code => Some(io::Error::from_raw_os_error(code)),
        }
    })
}

/// Text as HDF5 stores it; the layout has already refused NUL characters.
pub fn text(value: &str) -> hdf5::Result<VarLenUnicode> {
    VarLenUnicode::from_str(value)
        .map_err(|e| hdf5::Error::Internal(format!("text {value:?}: {e}")))
}

/// Sets an attribute, replacing one of the same name.
///
/// Text goes into a variable-length string: its characters lie in the global heap, outside the
/// object header, whose messages end at 64 KiB. A canonical config can be longer than that.
pub fn set_attr(at: &Location, name: &str, value: &Attr) -> hdf5::Result<()> {
    if has_attr(at, name)? {
        at.delete_attr(name)?;
    }
    match value {
        Attr::Text(t) => at
            .new_attr::<VarLenUnicode>()
            .create(name)?
            .write_scalar(&text(t)?),
        Attr::Float(x) => at.new_attr::<f64>().create(name)?.write_scalar(x),
        Attr::Int(i) => at.new_attr::<i64>().create(name)?.write_scalar(i),
    }
}

/// Whether an object has an attribute.
pub fn has_attr(at: &Location, name: &str) -> hdf5::Result<bool> {
    Ok(at.attr_names()?.iter().any(|n| n == name))
}

/// What a scalar attribute holds; `Err(kind)` inside for a type that is none of ours.
pub fn get_attr(attribute: &Attribute) -> hdf5::Result<Result<Attr, String>> {
    use TypeDescriptor as T;
    let kind = attribute.dtype()?.to_descriptor()?;
    if attribute.size() != 1 {
        return Ok(Err(format!("{} values of type {kind}", attribute.size())));
    }
    // Other programs write scalars as arrays of one element, so read both alike.
    Ok(Ok(match kind {
        T::Integer(_) | T::Unsigned(_) | T::Boolean => Attr::Int(first(attribute.read_raw()?)?),
        T::Float(_) => Attr::Float(first(attribute.read_raw()?)?),
        // Damaged files hold what is no UTF-8, which `as_str` does not look for.
        T::VarLenUnicode => Attr::Text(lossy(
            first(attribute.read_raw::<VarLenUnicode>()?)?.as_bytes(),
        )),
        T::VarLenAscii => Attr::Text(lossy(
            first(attribute.read_raw::<VarLenAscii>()?)?.as_bytes(),
        )),
        T::FixedAscii(n) | T::FixedUnicode(n) => {
            let (mut bytes, file_type) = (vec![0_u8; n], attribute.dtype()?);
            let _lock = hdf5_sys::LOCK.lock();
            // SAFETY: one element of `n` bytes, read in the type it is stored in.
            let status =
                unsafe { H5Aread(attribute.id(), file_type.id(), bytes.as_mut_ptr().cast()) };
            check(status)?;
            Attr::Text(until_nul(&bytes))
        }
        other => return Ok(Err(other.to_string())),
    }))
}

/// The strings of a dataset, or `Err(kind)` inside if it holds something else.
pub fn read_strings(dataset: &Dataset) -> hdf5::Result<Result<Vec<String>, String>> {
    use TypeDescriptor as T;
    Ok(Ok(match dataset.dtype()?.to_descriptor()? {
        T::VarLenUnicode => {
            let values = dataset.read_raw::<VarLenUnicode>()?;
            values.iter().map(|s| lossy(s.as_bytes())).collect()
        }
        T::VarLenAscii => {
            let values = dataset.read_raw::<VarLenAscii>()?;
            values.iter().map(|s| lossy(s.as_bytes())).collect()
        }
        T::FixedAscii(n) | T::FixedUnicode(n) if n > 0 => {
            let (mut bytes, file_type) = (vec![0_u8; n * dataset.size()], dataset.dtype()?);
            let _lock = hdf5_sys::LOCK.lock();
            // SAFETY: `size` elements of `n` bytes, read in the type they are stored in.
            let status = unsafe {
                let out = bytes.as_mut_ptr().cast();
                H5Dread(
                    dataset.id(),
                    file_type.id(),
                    H5S_ALL,
                    H5S_ALL,
                    H5P_DEFAULT,
                    out,
                )
            };
            check(status)?;
            bytes.chunks(n).map(until_nul).collect()
        }
        other => return Ok(Err(other.to_string())),
    }))
}

/// Turns a status of the C library into a result.
pub fn check(status: i32) -> hdf5::Result<()> {
    if status < 0 {
        Err(hdf5::Error::query()?)
    } else {
        Ok(())
    }
}

fn first<T>(values: Vec<T>) -> hdf5::Result<T> {
    values
        .into_iter()
        .next()
        .ok_or_else(|| hdf5::Error::Internal("no value".to_owned()))
}

fn until_nul(bytes: &[u8]) -> String {
    lossy(bytes.split(|&b| b == 0).next().unwrap_or_default())
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
