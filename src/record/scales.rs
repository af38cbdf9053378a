//! Dimension scales: how HDF5 and netCDF-4 give the axes of a variable their names.
//!
//! A scale is a one-dimensional dataset with the attributes `CLASS` and `NAME`. Each variable
//! points at the scales of its axes through `DIMENSION_LIST`, and each scale points back through
//! `REFERENCE_LIST`. This is the HDF5 Dimension Scale Specification (The HDF Group, 2005), plus
//! `_Netcdf4Dimid`, by which netCDF-4 keeps its dimensions in order. The high-level C library
//! that usually writes these is not bound by the crate; the attributes suffice.

use std::collections::BTreeMap;
use std::ffi::CString;

use hdf5::types::VarLenArray;
use hdf5::{Attribute, Dataset, File, H5Type, Location, ObjectReference1, ReferencedObject};
use hdf5_sys::h5a::{H5Aclose, H5Acreate2, H5Awrite};
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::H5P_DEFAULT;
use hdf5_sys::h5s::{H5S_class_t, H5Sclose, H5Screate};
use hdf5_sys::h5t::{H5T_C_S1, H5T_str_t, H5Tclose, H5Tcopy, H5Tset_size, H5Tset_strpad};

use super::h5;
use super::layout::Attr;

/// `NAME` of a scale that has no coordinate values starts with this; netCDF-4 looks for it.
const NO_COORDINATES: &str = "This is a netCDF dimension but not a netCDF variable.";

/// One entry of `REFERENCE_LIST`: a variable and the axis of it that the scale describes.
#[derive(H5Type, Clone, Copy)]
#[repr(C)]
struct BackReference {
    dataset: ObjectReference1,
    dimension: i32,
}

/// Makes a one-dimensional dataset the scale of dimension `name`.
pub fn make_scale(
    dataset: &Dataset,
    name: &str,
    len: usize,
    has_values: bool,
    id: i32,
) -> hdf5::Result<()> {
    let label = if has_values {
        name.to_owned()
    } else {
        format!("{NO_COORDINATES}{len:>10}")
    };
    terminated(dataset, "CLASS", "DIMENSION_SCALE")?;
    terminated(dataset, "NAME", &label)?;
    dataset
        .new_attr::<i32>()
        .create("_Netcdf4Dimid")?
        .write_scalar(&id)
}

/// Names the axes of a variable by the scales `dims`.
pub fn attach(file: &File, dataset: &Dataset, dims: &[String]) -> hdf5::Result<()> {
    if dims.is_empty() {
        return Ok(());
    }
    let lists = dims
        .iter()
        .map(|dim| {
            Ok(VarLenArray::from_slice(&[
                file.reference::<ObjectReference1>(dim)?
            ]))
        })
        .collect::<hdf5::Result<Vec<_>>>()?;
    let attribute = dataset.new_attr::<VarLenArray<ObjectReference1>>();
    attribute
        .shape(dims.len())
        .create("DIMENSION_LIST")?
        .write_raw(&lists)
}

/// Writes the back references of all scales anew, from the forward ones.
pub fn refer_back(file: &File) -> hdf5::Result<()> {
    let mut uses: BTreeMap<String, Vec<BackReference>> = BTreeMap::new();
    let mut scales = Vec::new();
    for dataset in file.datasets()? {
        if is_scale(&dataset)? {
            scales.push(dataset);
            continue;
        }
        for (axis, dim) in dims(file, &dataset)?
            .unwrap_or_default()
            .into_iter()
            .enumerate()
        {
            let reference = BackReference {
                dataset: file.reference(&dataset.name())?,
                dimension: i32::try_from(axis).unwrap_or(i32::MAX),
            };
            uses.entry(dim).or_default().push(reference);
        }
    }
    for scale in scales {
        if h5::has_attr(&scale, "REFERENCE_LIST")? {
            scale.delete_attr("REFERENCE_LIST")?;
        }
        if let Some(references) = uses.get(bare(&scale.name())) {
            let attribute = scale.new_attr::<BackReference>().shape(references.len());
            attribute.create("REFERENCE_LIST")?.write_raw(references)?;
        }
    }
    Ok(())
}

/// Whether a dataset is a dimension scale.
pub fn is_scale(dataset: &Dataset) -> hdf5::Result<bool> {
    Ok(text(dataset, "CLASS")?.is_some_and(|class| class == "DIMENSION_SCALE"))
}

/// Whether a scale carries coordinate values, rather than only a length.
pub fn has_values(scale: &Dataset) -> hdf5::Result<bool> {
    Ok(!text(scale, "NAME")?.is_some_and(|name| name.starts_with(NO_COORDINATES)))
}

/// The names of a variable's axes, or `None` if it has no dimension list.
pub fn dims(file: &File, dataset: &Dataset) -> hdf5::Result<Option<Vec<String>>> {
    if dataset.ndim() == 0 {
        return Ok(Some(Vec::new()));
    }
    if !h5::has_attr(dataset, "DIMENSION_LIST")? {
        return Ok(None);
    }
    let attribute: Attribute = dataset.attr("DIMENSION_LIST")?;
    let lists = attribute.read_raw::<VarLenArray<ObjectReference1>>()?;
    let mut names = Vec::with_capacity(lists.len());
    for list in &lists {
        match list
            .first()
            .map(|reference| file.dereference(reference))
            .transpose()?
        {
            Some(ReferencedObject::Dataset(scale)) => names.push(bare(&scale.name()).to_owned()),
            _ => return Ok(None),
        }
    }
    Ok(Some(names))
}

/// The name of a dataset in the root group without its leading slash.
pub fn bare(name: &str) -> &str {
    name.strip_prefix('/').unwrap_or(name)
}

fn text(at: &Location, name: &str) -> hdf5::Result<Option<String>> {
    if !h5::has_attr(at, name)? {
        return Ok(None);
    }
    Ok(match h5::get_attr(&at.attr(name)?)? {
        Ok(Attr::Text(text)) => Some(text),
        _ => None,
    })
}

/// Writes a fixed-length, null-*terminated* text attribute. The crate's own fixed strings are
/// null-*padded*, which the C library's scale functions take for no scale at all.
fn terminated(at: &Location, name: &str, value: &str) -> hdf5::Result<()> {
    let c = |text: &str| CString::new(text).map_err(|e| hdf5::Error::Internal(e.to_string()));
    let (name, value) = (c(name)?, c(value)?);
    let bytes = value.as_bytes_with_nul();
    let _lock = hdf5_sys::LOCK.lock();
    // SAFETY: the library is initialised (`at` is open), its lock is held, every identifier is
    // checked before use and closed once, and `bytes` is as long as the type says.
    unsafe {
        let kind = id(H5Tcopy(*H5T_C_S1))?;
        let space = id(H5Screate(H5S_class_t::H5S_SCALAR));
        let written = space.and_then(|space| {
            h5::check(H5Tset_size(kind, bytes.len()))?;
            h5::check(H5Tset_strpad(kind, H5T_str_t::H5T_STR_NULLTERM))?;
            let made = H5Acreate2(
                at.id(),
                name.as_ptr(),
                kind,
                space,
                H5P_DEFAULT,
                H5P_DEFAULT,
            );
            let result = id(made).and_then(|attribute| {
                let result = h5::check(H5Awrite(attribute, kind, bytes.as_ptr().cast()));
                result.and(h5::check(H5Aclose(attribute)))
            });
            H5Sclose(space);
            result
        });
        H5Tclose(kind);
        written
    }
}

fn id(id: hid_t) -> hdf5::Result<hid_t> {
    if id < 0 {
        Err(hdf5::Error::query()?)
    } else {
        Ok(id)
    }
}
