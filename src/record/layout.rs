//! What a result file will hold: dimensions, variables, attributes.

use std::collections::BTreeSet;

use super::RecordError;

/// Bytes of a chunk aimed at: large enough to compress and to read fast, small enough that a
/// reader of one area's trace does not unpack the whole file.
const CHUNK_BYTES: usize = 256 * 1024;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Attr {
    /// UTF-8 text of any length.
    Text(String),
    /// A float64.
    Float(f64),
    /// An int64.
    Int(i64),
}

impl From<&str> for Attr {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Attr {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Attr {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<i64> for Attr {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

/// The coordinate values of a dimension.
#[derive(Debug, Clone, PartialEq)]
pub enum Coord {
    /// A dimension without coordinate values; readers number it from 0.
    Index,
    /// Real coordinates, such as time in ms.
    Float {
        /// One value per element of the dimension.
        values: Vec<f64>,
        /// Unit of the values.
        units: String,
        /// What the coordinate is, in words.
        long_name: String,
    },
    /// Whole-number coordinates, such as a replicate's number.
    Int {
        /// One value per element of the dimension.
        values: Vec<i64>,
        /// Unit of the values.
        units: String,
        /// What the coordinate is, in words.
        long_name: String,
    },
    /// Names, such as the areas `2`, `10`, `9/46d`.
    Text(Vec<String>),
}

/// A named dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct Dim {
    /// Name, as xarray will show it.
    pub name: String,
    /// Number of elements, at least 1.
    pub len: usize,
    /// Coordinate values.
    pub coord: Coord,
    /// How many elements along this dimension one call of [`super::Writer::write`] covers, if it
    /// is not all of them. Chunks then do not cross blocks where the block divides evenly; a
    /// compressed chunk that is flushed half full is stored twice, which wastes its space. The
    /// dimensions before the first one with a block are taken as written one element at a time.
    pub block: Option<usize>,
}

impl Dim {
    /// A dimension without coordinate values.
    #[must_use]
    pub fn index(name: &str, len: usize) -> Self {
        Self {
            name: name.to_owned(),
            len,
            coord: Coord::Index,
            block: None,
        }
    }

    /// A dimension of names.
    #[must_use]
    pub fn text<S: Into<String>>(name: &str, values: impl IntoIterator<Item = S>) -> Self {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        Self {
            name: name.to_owned(),
            len: values.len(),
            coord: Coord::Text(values),
            block: None,
        }
    }

    /// A dimension with real coordinates, unit `units`.
    #[must_use]
    pub fn float(name: &str, values: Vec<f64>, units: &str, long_name: &str) -> Self {
        let (len, units, long_name) = (values.len(), units.to_owned(), long_name.to_owned());
        let coord = Coord::Float {
            values,
            units,
            long_name,
        };
        Self {
            name: name.to_owned(),
            len,
            coord,
            block: None,
        }
    }

    /// A dimension with whole-number coordinates, unit `units`.
    #[must_use]
    pub fn int(name: &str, values: Vec<i64>, units: &str, long_name: &str) -> Self {
        let (len, units, long_name) = (values.len(), units.to_owned(), long_name.to_owned());
        let coord = Coord::Int {
            values,
            units,
            long_name,
        };
        Self {
            name: name.to_owned(),
            len,
            coord,
            block: None,
        }
    }

    /// The same dimension, written in blocks of `block` elements.
    #[must_use]
    pub fn in_blocks(mut self, block: usize) -> Self {
        self.block = Some(block.max(1));
        self
    }
}

/// Precision of a variable on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dtype {
    /// float64.
    #[default]
    F64,
    /// float32: half the size, about 7 digits.
    F32,
}

impl Dtype {
    fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
        }
    }
}

/// A variable: an array over named dimensions. What is never written reads as NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct Var {
    /// Name, as xarray will show it.
    pub name: String,
    /// Names of its dimensions, slowest first; none for a single number.
    pub dims: Vec<String>,
    /// Unit; an empty one is written as `1`, the CF word for a pure number.
    pub units: String,
    /// What it is, in words.
    pub long_name: String,
    /// Precision on disk.
    pub dtype: Dtype,
    /// Further attributes.
    pub attrs: Vec<(String, Attr)>,
}

impl Var {
    /// A float64 variable without further attributes.
    #[must_use]
    pub fn new(name: &str, dims: &[&str], units: &str, long_name: &str) -> Self {
        Self {
            name: name.to_owned(),
            dims: dims.iter().map(|&d| d.to_owned()).collect(),
            units: units.to_owned(),
            long_name: long_name.to_owned(),
            dtype: Dtype::F64,
            attrs: Vec::new(),
        }
    }
}

/// Values of an auxiliary coordinate.
#[derive(Debug, Clone, PartialEq)]
pub enum AuxValues {
    /// Text, such as each area's lobe.
    Text(Vec<String>),
    /// Numbers, such as each area's hierarchy.
    Float {
        /// One value per element of the dimension.
        values: Vec<f64>,
        /// Unit of the values; empty for a pure number.
        units: String,
    },
}

/// A second coordinate along a dimension, such as `lobe(area)` or `hierarchy(area)`. Readers show
/// it beside the first because each variable with that dimension names it in `coordinates`.
#[derive(Debug, Clone, PartialEq)]
pub struct Aux {
    /// Name.
    pub name: String,
    /// The dimension it runs along.
    pub dim: String,
    /// What it is, in words.
    pub long_name: String,
    /// One value per element of the dimension.
    pub values: AuxValues,
}

/// Compression of the variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// None: fastest to write.
    #[default]
    None,
    /// Shuffle and deflate at level 0 to 9: every HDF5 reader has both.
    Deflate(u8),
}

/// What a result file will hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layout {
    /// Dimensions.
    pub dims: Vec<Dim>,
    /// Variables.
    pub vars: Vec<Var>,
    /// Auxiliary coordinates.
    pub aux: Vec<Aux>,
    /// Global attributes: title, source, version, config, seed, hashes. `Conventions` is added.
    pub attrs: Vec<(String, Attr)>,
    /// Compression of the variables.
    pub compression: Compression,
}

impl Layout {
    /// Checks the layout; `existing` are the dimensions already in the file it extends.
    pub(super) fn check(&self, existing: &[(String, usize)]) -> Result<(), RecordError> {
        let wrong = |what: String| Err(RecordError::Layout(what));
        if let Compression::Deflate(level @ 10..) = self.compression {
            return wrong(format!("deflate level: found {level}, expected 0 to 9"));
        }
        let mut names = BTreeSet::new();
        let all = self.dims.iter().map(|d| ("dimension", &d.name));
        let all = all.chain(self.vars.iter().map(|v| ("variable", &v.name)));
        for (kind, name) in all.chain(self.aux.iter().map(|a| ("auxiliary coordinate", &a.name))) {
            check_name(kind, name)?;
            if !names.insert(name) {
                return wrong(format!("{kind} `{name}`: the name is used twice"));
            }
        }
        for dim in &self.dims {
            check_dim(dim)?;
            if let Some((_, len)) = existing.iter().find(|(n, _)| *n == dim.name)
                && *len != dim.len
            {
                let (name, found) = (&dim.name, dim.len);
                return wrong(format!(
                    "dimension `{name}`: found length {found}, expected {len} as in the file"
                ));
            }
        }
        for var in &self.vars {
            for (i, dim) in var.dims.iter().enumerate() {
                if self.dim_len(dim, existing).is_none() {
                    return wrong(format!("variable `{}`: no dimension `{dim}`", var.name));
                }
                if var.dims[..i].contains(dim) {
                    // netCDF allows a repeated dimension, xarray refuses to open it.
                    return wrong(format!(
                        "variable `{}`: dimension `{dim}` appears twice; give the second a name \
                         of its own, such as `{dim}_source`",
                        var.name
                    ));
                }
            }
            check_text(&format!("units of `{}`", var.name), &var.units)?;
            check_text(&format!("long_name of `{}`", var.name), &var.long_name)?;
            if var.long_name.trim().is_empty() {
                return wrong(format!("variable `{}` has no long_name", var.name));
            }
            check_attrs(&format!("of `{}`", var.name), &var.attrs)?;
        }
        for aux in &self.aux {
            let found = match &aux.values {
                AuxValues::Text(values) => {
                    values.iter().try_for_each(|v| check_text(&aux.name, v))?;
                    values.len()
                }
                AuxValues::Float { values, units } => {
                    check_text(&format!("units of `{}`", aux.name), units)?;
                    values.len()
                }
            };
            check_text(&format!("long_name of `{}`", aux.name), &aux.long_name)?;
            let (name, dim) = (&aux.name, &aux.dim);
            if name.contains(char::is_whitespace) {
                // The `coordinates` attribute separates names by spaces.
                return wrong(format!(
                    "auxiliary coordinate `{name}`: spaces are not possible"
                ));
            }
            match self.dim_len(dim, existing) {
                None => return wrong(format!("auxiliary `{name}`: no dimension `{dim}`")),
                Some(len) if len != found => {
                    return wrong(format!(
                        "auxiliary `{name}`: found {found} values, expected {len} as `{dim}` has"
                    ));
                }
                Some(_) => {}
            }
        }
        check_attrs("of the file", &self.attrs)
    }

    /// Length of a dimension of this layout or of the file it extends.
    pub(super) fn dim_len(&self, name: &str, existing: &[(String, usize)]) -> Option<usize> {
        let own = self.dims.iter().find(|d| d.name == name).map(|d| d.len);
        own.or_else(|| {
            existing
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, len)| *len)
        })
    }

    /// Chunk shape of a variable, whose dimensions must exist.
    pub(super) fn chunk(&self, var: &Var, shape: &[usize]) -> Vec<usize> {
        let blocks: Vec<Option<usize>> = var
            .dims
            .iter()
            .map(|name| {
                self.dims
                    .iter()
                    .find(|d| d.name == *name)
                    .and_then(|d| d.block)
            })
            .collect();
        chunk_shape(shape, &blocks, var.dtype.bytes())
    }
}

/// Chunk shape for `shape`, written in `blocks` along some dimensions: whole trailing dimensions
/// first, then as much of the next as fits into [`CHUNK_BYTES`], then single elements.
fn chunk_shape(shape: &[usize], blocks: &[Option<usize>], item: usize) -> Vec<usize> {
    let streamed = blocks.iter().position(Option::is_some).unwrap_or(0);
    let mut room = (CHUNK_BYTES / item).max(1);
    let mut chunk = vec![1; shape.len()];
    for (axis, &len) in shape.iter().enumerate().rev() {
        let block = match blocks[axis] {
            Some(block) => block.clamp(1, len),
            None if axis < streamed => 1,
            None => len,
        };
        chunk[axis] = if block <= room {
            block
        } else {
            divisor(block, room)
        };
        room = if chunk[axis] < len && block == len {
            1
        } else {
            (room / chunk[axis]).max(1)
        };
    }
    chunk
}

/// The largest divisor of `block` that fits into `room`, unless that is far too small.
fn divisor(block: usize, room: usize) -> usize {
    (room / 4 + 1..=room)
        .rev()
        .find(|&n| block.is_multiple_of(n))
        .unwrap_or(room)
}

fn check_name(kind: &str, name: &str) -> Result<(), RecordError> {
    let bad = name.is_empty()
        || name == "."
        || name.trim() != name
        || name.contains('/')
        || name.chars().any(char::is_control);
    if bad {
        return Err(RecordError::Layout(format!(
            "{kind} {name:?}: a name must not be empty, nor contain `/`, control characters or \
             outer spaces"
        )));
    }
    Ok(())
}

fn check_text(what: &str, text: &str) -> Result<(), RecordError> {
    if text.contains('\0') {
        return Err(RecordError::Layout(format!(
            "{what}: text must not contain a NUL character"
        )));
    }
    Ok(())
}

/// Checks names and texts of attributes; `of` says whose they are.
pub(super) fn check_attrs(of: &str, attrs: &[(String, Attr)]) -> Result<(), RecordError> {
    const OURS: [&str; 8] = [
        "CLASS",
        "NAME",
        "DIMENSION_LIST",
        "REFERENCE_LIST",
        "_Netcdf4Dimid",
        "_FillValue",
        "coordinates",
        "_NCProperties",
    ];
    for (name, value) in attrs {
        check_name(&format!("attribute {of}"), name)?;
        if OURS.contains(&name.as_str()) {
            let what = format!("attribute `{name}` {of}: the name belongs to the file format");
            return Err(RecordError::Layout(what));
        }
        if let Attr::Text(text) = value {
            check_text(&format!("attribute `{name}` {of}"), text)?;
        }
    }
    Ok(())
}

fn check_dim(dim: &Dim) -> Result<(), RecordError> {
    let (name, len) = (&dim.name, dim.len);
    let wrong = |what: String| Err(RecordError::Layout(format!("dimension `{name}`: {what}")));
    if len == 0 {
        return wrong("found length 0, expected at least 1".to_owned());
    }
    let found = match &dim.coord {
        Coord::Index => len,
        Coord::Float {
            values,
            units,
            long_name,
        } => {
            check_text(&format!("units of `{name}`"), units)?;
            check_text(&format!("long_name of `{name}`"), long_name)?;
            values.len()
        }
        Coord::Int {
            values,
            units,
            long_name,
        } => {
            check_text(&format!("units of `{name}`"), units)?;
            check_text(&format!("long_name of `{name}`"), long_name)?;
            values.len()
        }
        Coord::Text(values) => {
            let mut seen = BTreeSet::new();
            for value in values {
                check_text(&format!("a value of `{name}`"), value)?;
                if !seen.insert(value) {
                    return wrong(format!("the name {value:?} appears twice"));
                }
            }
            values.len()
        }
    };
    if found != len {
        return wrong(format!("found {found} coordinate values, expected {len}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_stay_within_the_block_and_the_size() {
        let mib = |c: &[usize]| c.iter().product::<usize>() * 8;
        // (replicate, time, area): one replicate at a time, time in blocks of 1000.
        let chunk = chunk_shape(&[50, 100_000, 29], &[None, Some(1000), None], 8);
        assert_eq!(chunk, [1, 1000, 29]);
        // A block too large for one chunk is cut into equal parts.
        let chunk = chunk_shape(&[100_000, 360], &[Some(1000), None], 8);
        assert_eq!(1000 % chunk[0], 0, "{chunk:?}");
        assert!(
            chunk[0] > 1 && chunk[1] == 360 && mib(&chunk) <= CHUNK_BYTES,
            "{chunk:?}"
        );
        // A large matrix keeps rows whole.
        assert_eq!(
            chunk_shape(&[20_000, 20_000], &[None, None], 8),
            [1, 20_000]
        );
        // A small one is a single chunk; a very long line is cut.
        assert_eq!(chunk_shape(&[3, 4], &[None, None], 8), [3, 4]);
        assert_eq!(chunk_shape(&[2, 10_000_000], &[None, None], 4)[0], 1);
        assert!(mib(&chunk_shape(&[2, 10_000_000], &[None, None], 8)) <= CHUNK_BYTES);
        // A block longer than the dimension is the dimension.
        assert_eq!(chunk_shape(&[10], &[Some(1000)], 8), [10]);
    }

    #[test]
    fn wrong_layouts_are_refused_with_names() {
        let base = Layout {
            dims: vec![Dim::text("area", ["V1", "V2"])],
            vars: vec![Var::new("rate", &["area"], "Hz", "firing rate")],
            ..Layout::default()
        };
        base.check(&[]).unwrap();
        let refused = |change: &dyn Fn(&mut Layout), word: &str| {
            let mut layout = base.clone();
            change(&mut layout);
            let text = layout.check(&[]).unwrap_err().to_string();
            assert!(text.contains(word), "{text} should name {word}");
        };
        refused(&|l| l.vars[0].dims = vec!["aera".into()], "`aera`");
        refused(
            &|l| l.vars[0].dims = vec!["area".into(), "area".into()],
            "area_source",
        );
        refused(&|l| l.vars[0].name = "area".into(), "used twice");
        refused(&|l| l.vars[0].name = "a/b".into(), "a/b");
        refused(&|l| l.vars[0].long_name = String::new(), "long_name");
        refused(
            &|l| l.dims[0].len = 3,
            "found 2 coordinate values, expected 3",
        );
        refused(
            &|l| l.dims[0].coord = Coord::Text(vec!["V1".into(), "V1".into()]),
            "twice",
        );
        refused(&|l| l.dims.push(Dim::index("nothing", 0)), "length 0");
        refused(&|l| l.attrs.push(("config".into(), "a\0b".into())), "NUL");
        refused(
            &|l| l.attrs.push(("_FillValue".into(), 0.0.into())),
            "file format",
        );
        refused(&|l| l.compression = Compression::Deflate(10), "10");
        let lobes = AuxValues::Text(vec!["occipital".into()]);
        let aux = Aux {
            name: "lobe".into(),
            dim: "area".into(),
            long_name: "lobe".into(),
            values: lobes,
        };
        refused(&|l| l.aux.push(aux.clone()), "found 1 values, expected 2");
        assert!(
            base.check(&[("area".into(), 3)])
                .unwrap_err()
                .to_string()
                .contains("expected 3")
        );
    }
}
