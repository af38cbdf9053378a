//! Reading: finished files and those an interrupted run left behind.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use hdf5::types::TypeDescriptor;
use hdf5::{Dataset, File, Hyperslab, Location, Selection, SliceOrIndex};
use ndarray::{ArrayD, IxDyn};

use super::layout::{Attr, Dtype};
use super::{RecordError, h5, heaps, scales};

/// A dimension of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DimInfo {
    /// Name.
    pub name: String,
    /// Number of elements.
    pub len: usize,
}

/// A variable of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VarInfo {
    /// Name.
    pub name: String,
    /// Names of its dimensions, slowest first.
    pub dims: Vec<String>,
    /// Length of each.
    pub shape: Vec<usize>,
    /// Unit, `1` for a pure number.
    pub units: String,
    /// What it is, in words.
    pub long_name: String,
    /// Precision on disk; [`Dtype::F64`] also for types that only other programs write.
    pub dtype: Dtype,
}

/// An auxiliary coordinate of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuxInfo {
    /// Name.
    pub name: String,
    /// The dimension it runs along.
    pub dim: String,
    /// Whether it holds text rather than numbers.
    pub is_text: bool,
}

/// What stands along a dimension.
#[derive(Debug, Clone, PartialEq)]
pub enum CoordValues {
    /// Nothing: readers number it from 0.
    Index,
    /// Real numbers [unit of the coordinate].
    Float(Vec<f64>),
    /// Whole numbers.
    Int(Vec<i64>),
    /// Names.
    Text(Vec<String>),
}

/// A result file, open for reading.
#[derive(Debug)]
pub struct Results {
    path: PathBuf,
    file: File,
    dims: Vec<DimInfo>,
    vars: Vec<VarInfo>,
    aux: Vec<AuxInfo>,
}

impl Results {
    /// Opens a result file, finished or `.partial`.
    ///
    /// # Errors
    /// If it does not exist, may not be read, is a folder, is not HDF5, or is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RecordError> {
        let path = path.as_ref();
        if path.is_dir() {
            return Err(RecordError::IsFolder(path.to_owned()));
        }
        // The operating system says why it refuses; the HDF5 library often does not.
        let os = |e| RecordError::os(path, "opening the file", e);
        let mut head = Vec::with_capacity(8);
        std::fs::File::open(path)
            .map_err(os)?
            .take(8)
            .read_to_end(&mut head)
            .map_err(os)?;
        if head != b"\x89HDF\r\n\x1a\n" {
            return Err(RecordError::NotHdf5(path.to_owned()));
        }
        if let Some(reason) = heaps::damage(path).map_err(os)? {
            return Err(RecordError::Truncated {
                path: path.to_owned(),
                reason,
            });
        }
        hdf5::silence_errors(true);
        let damaged = |e: hdf5::Error| match h5::os_error(&e) {
            Some(source) => RecordError::os(path, "opening the file", source),
            None => RecordError::Truncated {
                path: path.to_owned(),
                reason: h5::reason(&e),
            },
        };
        let file = File::open(path).map_err(damaged)?;
        let dims = dims(&file).map_err(damaged)?;
        let aux = aux(&file).map_err(damaged)?;
        let vars = vars(&file, &aux).map_err(damaged)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            dims,
            vars,
            aux,
        })
    }

    /// The path it was opened from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All dimensions, in the order of creation.
    #[must_use]
    pub fn dims(&self) -> &[DimInfo] {
        &self.dims
    }

    /// All variables, without coordinates, in the order of creation.
    #[must_use]
    pub fn vars(&self) -> &[VarInfo] {
        &self.vars
    }

    /// All auxiliary coordinates that some variable names.
    #[must_use]
    pub fn aux(&self) -> &[AuxInfo] {
        &self.aux
    }

    /// Length of a dimension.
    ///
    /// # Errors
    /// If there is no such dimension.
    pub fn dim_len(&self, name: &str) -> Result<usize, RecordError> {
        let names = || list(self.dims.iter().map(|d| &d.name));
        let found = self.dims.iter().find(|d| d.name == name).map(|d| d.len);
        found.ok_or_else(|| self.unknown("dimension", name, names()))
    }

    /// Describes a variable.
    ///
    /// # Errors
    /// If there is no such variable.
    pub fn var(&self, name: &str) -> Result<&VarInfo, RecordError> {
        let names = || list(self.vars.iter().map(|v| &v.name));
        let found = self.vars.iter().find(|v| v.name == name);
        found.ok_or_else(|| self.unknown("variable", name, names()))
    }

    /// The names along a dimension, or a text auxiliary coordinate.
    ///
    /// # Errors
    /// If there is none of this name, or it does not hold text.
    pub fn coord_text(&self, name: &str) -> Result<Vec<String>, RecordError> {
        let dataset = self.coordinate(name, "text coordinates")?;
        let read = h5::read_strings(&dataset).map_err(self.reading(name))?;
        read.map_err(|found| self.kind(name, found, "text"))
    }

    /// The values along a dimension [its units], or a numeric auxiliary coordinate.
    ///
    /// # Errors
    /// If there is none of this name, or it does not hold numbers.
    pub fn coord_f64(&self, name: &str) -> Result<Vec<f64>, RecordError> {
        let dataset = self.coordinate(name, "numeric coordinates")?;
        self.numeric(name, &dataset)?;
        dataset.read_raw::<f64>().map_err(self.reading(name))
    }

    /// The values along a dimension [its units], or an auxiliary coordinate, in their own type.
    ///
    /// # Errors
    /// If there is none of this name, or it holds neither numbers nor text.
    pub fn coord(&self, name: &str) -> Result<CoordValues, RecordError> {
        use TypeDescriptor::{Float, Integer, Unsigned};
        if self.dims.iter().any(|d| d.name == name) {
            let scale = self.file.dataset(name).map_err(self.reading(name))?;
            if !scales::has_values(&scale).map_err(self.reading(name))? {
                return Ok(CoordValues::Index);
            }
        }
        let dataset = self.coordinate(name, "coordinates")?;
        let kind = dataset.dtype().and_then(|t| t.to_descriptor());
        Ok(match kind.map_err(self.reading(name))? {
            Float(_) => CoordValues::Float(dataset.read_raw().map_err(self.reading(name))?),
            Integer(_) | Unsigned(_) => {
                CoordValues::Int(dataset.read_raw().map_err(self.reading(name))?)
            }
            _ => CoordValues::Text(self.coord_text(name)?),
        })
    }

    /// All values of a variable [its units].
    ///
    /// # Errors
    /// If there is no such variable, or the file is damaged.
    pub fn read(&self, var: &str) -> Result<ArrayD<f64>, RecordError> {
        let dataset = self.variable(var)?;
        dataset.read_dyn::<f64>().map_err(self.reading(var))
    }

    /// The values of a variable [its units] in one range per dimension.
    ///
    /// # Errors
    /// If there is no such variable, a range is outside it, or the file is damaged.
    pub fn read_slab(
        &self,
        var: &str,
        ranges: &[Range<usize>],
    ) -> Result<ArrayD<f64>, RecordError> {
        let shape = &self.var(var)?.shape;
        let fits = |(r, &len): (&Range<usize>, &usize)| r.start <= r.end && r.end <= len;
        if ranges.len() != shape.len() || !ranges.iter().zip(shape).all(fits) {
            let problem = format!("found the selection {ranges:?}, expected it inside {shape:?}");
            return Err(RecordError::Shape {
                path: self.path.clone(),
                var: var.to_owned(),
                problem,
            });
        }
        let dataset = self.variable(var)?;
        let size: Vec<usize> = ranges.iter().map(ExactSizeIterator::len).collect();
        if size.contains(&0) {
            return Ok(ArrayD::zeros(IxDyn(&size)));
        }
        if size.is_empty() {
            return self.read(var);
        }
        let slab: Vec<SliceOrIndex> = ranges.iter().cloned().map(SliceOrIndex::from).collect();
        let selection = Selection::from(Hyperslab::from(slab));
        dataset
            .as_reader()
            .read_slice(selection)
            .map_err(self.reading(var))
    }

    /// A global attribute.
    ///
    /// # Errors
    /// If there is none of this name, or it is neither text nor a single number.
    pub fn attr(&self, name: &str) -> Result<Attr, RecordError> {
        self.attr_at(&self.file, name, String::new())
    }

    /// Names of all global attributes, sorted.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn attr_names(&self) -> Result<Vec<String>, RecordError> {
        let mut names = self
            .file
            .attr_names()
            .map_err(self.reading("the attributes"))?;
        names.sort();
        Ok(names)
    }

    /// A global text attribute.
    ///
    /// # Errors
    /// If there is none of this name, or it is not text.
    pub fn attr_text(&self, name: &str) -> Result<String, RecordError> {
        self.as_text(name, self.attr(name)?)
    }

    /// A global number attribute.
    ///
    /// # Errors
    /// If there is none of this name, or it is not a number.
    pub fn attr_f64(&self, name: &str) -> Result<f64, RecordError> {
        self.as_f64(name, self.attr(name)?)
    }

    /// A global whole-number attribute.
    ///
    /// # Errors
    /// If there is none of this name, or it is not a whole number.
    pub fn attr_i64(&self, name: &str) -> Result<i64, RecordError> {
        match self.attr(name)? {
            Attr::Int(value) => Ok(value),
            other => Err(self.kind(name, kind_of(&other).to_owned(), "a whole number")),
        }
    }

    /// An attribute of a variable or coordinate.
    ///
    /// # Errors
    /// If there is no such variable or attribute.
    pub fn var_attr(&self, var: &str, name: &str) -> Result<Attr, RecordError> {
        let dataset = self.any_dataset(var)?;
        self.attr_at(&dataset, name, format!(" of `{var}`"))
    }

    /// Names of the attributes of a variable or coordinate, sorted, without those by which HDF5 and
    /// netCDF-4 hold the file together.
    ///
    /// # Errors
    /// If there is no such variable or coordinate.
    pub fn var_attr_names(&self, var: &str) -> Result<Vec<String>, RecordError> {
        const INNER: [&str; 6] = [
            "CLASS",
            "NAME",
            "DIMENSION_LIST",
            "REFERENCE_LIST",
            "_FillValue",
            "coordinates",
        ];
        let dataset = self.any_dataset(var)?;
        let mut names = dataset.attr_names().map_err(self.reading(var))?;
        names.retain(|n| !INNER.contains(&n.as_str()) && !n.starts_with("_Netcdf4"));
        names.sort();
        Ok(names)
    }

    /// A text attribute of a variable or coordinate.
    ///
    /// # Errors
    /// If there is no such variable or attribute, or it is not text.
    pub fn var_attr_text(&self, var: &str, name: &str) -> Result<String, RecordError> {
        self.as_text(name, self.var_attr(var, name)?)
    }

    /// A number attribute of a variable or coordinate.
    ///
    /// # Errors
    /// If there is no such variable or attribute, or it is not a number.
    pub fn var_attr_f64(&self, var: &str, name: &str) -> Result<f64, RecordError> {
        self.as_f64(name, self.var_attr(var, name)?)
    }

    fn attr_at(&self, at: &Location, name: &str, of: String) -> Result<Attr, RecordError> {
        let names = at.attr_names().map_err(self.reading(name))?;
        if !names.iter().any(|n| n == name) {
            return Err(self.unknown("attribute", &format!("{name}{of}"), list(names.iter())));
        }
        let read = at
            .attr(name)
            .and_then(|a| h5::get_attr(&a))
            .map_err(self.reading(name))?;
        read.map_err(|found| self.kind(name, found, "text or one number"))
    }

    fn as_text(&self, name: &str, value: Attr) -> Result<String, RecordError> {
        match value {
            Attr::Text(text) => Ok(text),
            other => Err(self.kind(name, kind_of(&other).to_owned(), "text")),
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn as_f64(&self, name: &str, value: Attr) -> Result<f64, RecordError> {
        match value {
            Attr::Float(value) => Ok(value),
            Attr::Int(value) => Ok(value as f64),
            other @ Attr::Text(_) => Err(self.kind(name, kind_of(&other).to_owned(), "a number")),
        }
    }

    /// A variable or a coordinate.
    fn any_dataset(&self, name: &str) -> Result<Dataset, RecordError> {
        if !self.file.link_exists(name) || name.contains('/') {
            let names = self.vars.iter().map(|v| &v.name);
            let names = names.chain(self.dims.iter().map(|d| &d.name));
            return Err(self.unknown("variable", name, list(names)));
        }
        self.file.dataset(name).map_err(self.reading(name))
    }

    fn variable(&self, name: &str) -> Result<Dataset, RecordError> {
        self.var(name)?;
        let dataset = self.file.dataset(name).map_err(self.reading(name))?;
        self.numeric(name, &dataset)?;
        Ok(dataset)
    }

    fn coordinate(&self, name: &str, expected: &'static str) -> Result<Dataset, RecordError> {
        let is_dim = self.dims.iter().any(|d| d.name == name);
        if !is_dim && !self.aux.iter().any(|a| a.name == name) {
            let names = self.dims.iter().map(|d| &d.name);
            let names = list(names.chain(self.aux.iter().map(|a| &a.name)));
            return Err(self.unknown("coordinate", name, names));
        }
        let dataset = self.file.dataset(name).map_err(self.reading(name))?;
        if is_dim && !scales::has_values(&dataset).map_err(self.reading(name))? {
            return Err(self.kind(name, "only a length".to_owned(), expected));
        }
        Ok(dataset)
    }

    fn numeric(&self, name: &str, dataset: &Dataset) -> Result<(), RecordError> {
        use TypeDescriptor::{Float, Integer, Unsigned};
        let kind = dataset
            .dtype()
            .and_then(|t| t.to_descriptor())
            .map_err(self.reading(name))?;
        match kind {
            Float(_) | Integer(_) | Unsigned(_) => Ok(()),
            other => Err(self.kind(name, other.to_string(), "numbers")),
        }
    }

    fn kind(&self, name: &str, found: String, expected: &'static str) -> RecordError {
        RecordError::Kind {
            path: self.path.clone(),
            name: format!("`{name}`"),
            found,
            expected,
        }
    }

    fn unknown(&self, kind: &'static str, name: &str, known: String) -> RecordError {
        RecordError::Unknown {
            path: self.path.clone(),
            kind,
            name: name.to_owned(),
            known,
        }
    }

    fn reading(&self, what: &str) -> impl Fn(hdf5::Error) -> RecordError + use<> {
        hdf5::silence_errors(true);
        let (path, what) = (self.path.clone(), format!("reading `{what}`"));
        move |e| RecordError::hdf5(&path, what.clone(), &e)
    }
}

fn kind_of(value: &Attr) -> &'static str {
    match value {
        Attr::Text(_) => "text",
        Attr::Float(_) => "a real number",
        Attr::Int(_) => "a whole number",
    }
}

/// Names in backticks, for messages; not more than fit a line or two.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<&String> = names.collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<String> = names.iter().take(SHOWN).map(|n| format!("`{n}`")).collect();
    let mut text = shown.join(", ");
    if names.len() > SHOWN {
        let _ = write!(text, " and {} more", names.len() - SHOWN);
    }
    text
}

/// The dimensions of a file.
pub(super) fn dims(file: &File) -> hdf5::Result<Vec<DimInfo>> {
    let mut dims = Vec::new();
    for dataset in datasets(file)? {
        if scales::is_scale(&dataset)? {
            dims.push(DimInfo {
                name: name(&dataset),
                len: dataset.size(),
            });
        }
    }
    Ok(dims)
}

/// The auxiliary coordinates that the variables of a file name.
pub(super) fn aux(file: &File) -> hdf5::Result<Vec<AuxInfo>> {
    let datasets = datasets(file)?;
    let mut named = BTreeSet::new();
    for dataset in &datasets {
        if h5::has_attr(dataset, "coordinates")?
            && let Ok(Attr::Text(names)) = h5::get_attr(&dataset.attr("coordinates")?)?
        {
            named.extend(names.split_whitespace().map(str::to_owned));
        }
    }
    let mut aux = Vec::new();
    for dataset in datasets {
        let name = name(&dataset);
        if !named.contains(&name) || scales::is_scale(&dataset)? {
            continue;
        }
        let dims = scales::dims(file, &dataset)?.unwrap_or_default();
        if let [dim] = &dims[..] {
            let is_text = !matches!(
                dataset.dtype()?.to_descriptor()?,
                TypeDescriptor::Float(_) | TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_)
            );
            aux.push(AuxInfo {
                name,
                dim: dim.clone(),
                is_text,
            });
        }
    }
    Ok(aux)
}

fn vars(file: &File, aux: &[AuxInfo]) -> hdf5::Result<Vec<VarInfo>> {
    let mut vars = Vec::new();
    for dataset in datasets(file)? {
        let name = name(&dataset);
        if scales::is_scale(&dataset)? || aux.iter().any(|a| a.name == name) {
            continue;
        }
        let shape = dataset.shape();
        // Files of other programs may leave axes unnamed.
        let unnamed = || {
            (0..shape.len())
                .map(|axis| format!("axis_{axis}"))
                .collect()
        };
        let dims = scales::dims(file, &dataset)?.unwrap_or_else(unnamed);
        let text = |attr: &str| -> hdf5::Result<String> {
            if !h5::has_attr(&dataset, attr)? {
                return Ok(String::new());
            }
            Ok(match h5::get_attr(&dataset.attr(attr)?)? {
                Ok(Attr::Text(text)) => text,
                _ => String::new(),
            })
        };
        let (units, long_name) = (text("units")?, text("long_name")?);
        let dtype = if dataset.dtype()?.is::<f32>() {
            Dtype::F32
        } else {
            Dtype::F64
        };
        vars.push(VarInfo {
            name,
            dims,
            shape,
            units,
            long_name,
            dtype,
        });
    }
    Ok(vars)
}

/// The datasets of the root group, in the order of creation where the file knows it.
fn datasets(file: &File) -> hdf5::Result<Vec<Dataset>> {
    use hdf5::{IndexType, IterationOrder};
    let (by, order) = (IndexType::CreationOrder, IterationOrder::Increasing);
    let Ok(names) = file.member_names_by(by, order) else {
        return file.datasets();
    };
    let mut datasets = Vec::with_capacity(names.len());
    for name in names {
        // Groups, which other programs may add, are none of ours.
        if let Ok(dataset) = file.dataset(&name) {
            datasets.push(dataset);
        }
    }
    Ok(datasets)
}

fn name(dataset: &Dataset) -> String {
    scales::bare(&dataset.name()).to_owned()
}
