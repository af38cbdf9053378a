//! Writing: blocks into `<name>.partial`, renamed to `<name>` when complete.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use hdf5::file::{
    AttrCreationOrder, CacheDecreaseMode, CacheIncreaseMode, FileCloseDegree, FileSpaceStrategy,
    FlashIncreaseMode, LinkCreationOrder, MetadataCacheConfig,
};
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, DatasetBuilder, File, FileBuilder, Hyperslab, Selection, SliceOrIndex};
use ndarray::ArrayViewD;

use super::layout::{self, Attr, Aux, AuxValues, Compression, Coord, Dim, Dtype, Layout, Var};
use super::{RecordError, checkpoint_path, h5, reader, scales, with_suffix};

/// What a resumed run found goes here until it has been copied.
const EARLIER: &str = ".partial.earlier";
/// Chunks of a variable that several rows of chunks may occupy before they go to disk [bytes].
const CHUNK_CACHE: usize = 4 << 20;

/// Where a writer keeps the file until it is complete: `<path>.partial`, in the same folder.
#[must_use]
pub fn partial_path(path: &Path) -> PathBuf {
    with_suffix(path, ".partial")
}

/// Whether there is an unfinished file of that name. A checkpoint may outlive it: it is removed after the file got its
/// name.
#[must_use]
pub fn is_unfinished(path: &Path) -> bool {
    partial_path(path).exists() || with_suffix(path, EARLIER).exists()
}

/// Streams a result file to disk.
///
/// Blocks go into `<path>.partial`; [`Writer::finish`] renames it to `<path>` and replaces a file
/// of that name. Until then `<path>` is untouched. After [`Writer::flush`] a process that is
/// killed leaves a `.partial` that [`super::Results`], xarray and h5py can read. A writer that is
/// dropped keeps its `.partial`.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    partial: PathBuf,
    // `None` only after the file has been closed. Datasets close before it.
    file: Option<File>,
    slots: BTreeMap<String, Slot>,
    stopped: Option<String>,
    // What a failing flush was about to bring to disk.
    latest: String,
    room: Room,
    // Last, so that the lock outlives the file.
    _lock: Lock,
}

#[derive(Debug)]
struct Slot {
    dataset: Dataset,
    shape: Vec<usize>,
}

impl Writer {
    /// Starts a new file: writes all dimensions, coordinates and attributes, and the variables
    /// without values.
    ///
    /// # Errors
    /// If the layout is inconsistent, the folder is missing or not writable, the path is a folder,
    /// another writer is at work on it, or the disk is full. A `.partial` left behind by a dead
    /// writer is overwritten, and its checkpoint is removed.
    pub fn create(path: &Path, layout: &Layout) -> Result<Self, RecordError> {
        layout.check(&[])?;
        let (partial, lock) = claim(path)?;
        // The checkpoint first: it must never stand beside a file that it is not of.
        for left in [checkpoint_path(path), with_suffix(path, EARLIER)] {
            remove(&left)?;
        }
        Self::begin(path, partial, lock, layout)
    }

    /// Starts anew what a dead writer left unfinished. Returns what it left as well, for its values to be
    /// copied; it is kept until [`Writer::forget_earlier`], so that a second death costs nothing.
    ///
    /// # Errors
    /// As [`Writer::create`], and if nothing was left, or it cannot be read.
    pub fn resume(path: &Path, layout: &Layout) -> Result<(Self, reader::Results), RecordError> {
        layout.check(&[])?;
        let (partial, lock) = claim(path)?;
        let earlier = with_suffix(path, EARLIER);
        // Where it is there already, the `.partial` is a copy of it that was not finished.
        if !earlier.exists() {
            let doing = "setting the unfinished file aside";
            fs::rename(&partial, &earlier).map_err(|e| RecordError::os(&partial, doing, e))?;
        }
        let results = reader::Results::open(&earlier)?;
        Ok((Self::begin(path, partial, lock, layout)?, results))
    }

    /// Removes what [`Writer::resume`] had set aside, after waiting for the disk.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn forget_earlier(&mut self) -> Result<(), RecordError> {
        self.sync()?;
        remove(&with_suffix(&self.path, EARLIER))
    }

    fn begin(
        path: &Path,
        partial: PathBuf,
        lock: Lock,
        layout: &Layout,
    ) -> Result<Self, RecordError> {
        // A new file, not the old one truncated: somebody may be reading what a dead writer left,
        // and HDF5 would refuse to truncate under a reader.
        remove(&partial)?;
        // netCDF-4 readers list dimensions and variables in the order of creation, and an object
        // header that tracks it is of the version that takes attributes of any number. Space on
        // disk that a grown, compressed chunk has left is not used again: until the next flush,
        // the index on disk still points there, and a killed run would lose flushed data.
        let mut builder = builder();
        builder.with_fcpl(|p| {
            p.obj_track_times(false)
                .link_creation_order(LinkCreationOrder::Indexed)
                .attr_creation_order(AttrCreationOrder::Indexed)
                .file_space_strategy(FileSpaceStrategy::PageAggregation)
        });
        let file = builder
            .create(&partial)
            .map_err(|e| RecordError::hdf5(&partial, "creating the file", &e))?;
        Self::start(path, partial, lock, file, layout)
    }

    /// Starts to extend a finished file: copies it to `<path>.partial` and adds what `additions`
    /// holds. The file itself stays as it is until [`Writer::finish`].
    ///
    /// Dimensions of the file need not be repeated; one that is must have the same length and
    /// keeps its coordinates. A variable of the file that is repeated must have the same
    /// dimensions, and its values can then be written over. Attributes replace those of the same
    /// name.
    ///
    /// # Errors
    /// As [`Writer::create`], and if the file cannot be read or the additions contradict it.
    pub fn extend(path: &Path, additions: &Layout) -> Result<Self, RecordError> {
        let existing = reader::Results::open(path)?.dims().to_vec();
        let existing: Vec<_> = existing.into_iter().map(|d| (d.name, d.len)).collect();
        additions.check(&existing)?;
        let (partial, lock) = claim(path)?;
        fs::copy(path, &partial)
            .map_err(|e| RecordError::os(&partial, "copying the file to extend it", e))?;
        let file = builder()
            .open_rw(&partial)
            .map_err(|e| RecordError::hdf5(&partial, "opening the copy", &e))?;
        Self::start(path, partial, lock, file, additions)
    }

    fn start(
        path: &Path,
        partial: PathBuf,
        lock: Lock,
        file: File,
        layout: &Layout,
    ) -> Result<Self, RecordError> {
        let path = path.to_owned();
        let slots = BTreeMap::new();
        let latest = "the description of the variables".to_owned();
        let file = Some(file);
        let room = Room::of(&partial)?;
        let mut writer = Self {
            path,
            partial,
            file,
            slots,
            stopped: None,
            latest,
            room,
            _lock: lock,
        };
        if let Err(error) = writer.build(layout) {
            // Nothing of value is in the file yet. A checkpoint stays: of a run that goes on, what it is of is set aside.
            writer.abandon();
            return Err(error);
        }
        Ok(writer)
    }

    fn build(&mut self, layout: &Layout) -> Result<(), RecordError> {
        let file = self.file()?.clone();
        let context = |what: String| {
            let path = self.partial.clone();
            move |e: hdf5::Error| RecordError::hdf5(&path, what, &e)
        };
        let conventions = ("Conventions".to_owned(), Attr::from("CF-1.10"));
        for (name, value) in std::iter::once(&conventions).chain(&layout.attrs) {
            h5::set_attr(&file, name, value)
                .map_err(context(format!("writing attribute `{name}`")))?;
        }
        let mut existing = reader::dims(&file).map_err(context("reading dimensions".to_owned()))?;
        for dim in &layout.dims {
            if existing.iter().any(|d| d.name == dim.name) {
                continue;
            }
            if file.link_exists(&dim.name) {
                let what = format!("dimension `{}`: the file has a variable so named", dim.name);
                return Err(RecordError::Layout(what));
            }
            let id = i32::try_from(existing.len()).unwrap_or(i32::MAX);
            create_dim(&file, dim, id)
                .map_err(context(format!("writing dimension `{}`", dim.name)))?;
            existing.push(reader::DimInfo {
                name: dim.name.clone(),
                len: dim.len,
            });
        }
        let lengths: Vec<_> = existing.into_iter().map(|d| (d.name, d.len)).collect();
        for aux in &layout.aux {
            let what = format!("writing auxiliary coordinate `{}`", aux.name);
            if file.link_exists(&aux.name) {
                let what = format!("auxiliary `{}`: the file has one so named", aux.name);
                return Err(RecordError::Layout(what));
            }
            create_aux(&file, aux).map_err(context(what))?;
        }
        let mut slots = BTreeMap::new();
        for var in &layout.vars {
            let what = format!("creating variable `{}`", var.name);
            // `check` has found all dimensions.
            let shape: Vec<usize> = var
                .dims
                .iter()
                .filter_map(|d| layout.dim_len(d, &lengths))
                .collect();
            let dataset = if file.link_exists(&var.name) {
                let dataset = file.dataset(&var.name).map_err(context(what.clone()))?;
                let found = scales::dims(&file, &dataset).map_err(context(what.clone()))?;
                let is_scale = scales::is_scale(&dataset).map_err(context(what.clone()))?;
                if is_scale || found.as_ref() != Some(&var.dims) {
                    return Err(RecordError::Layout(format!(
                        "variable `{}`: the file has one so named with dimensions {:?}, expected \
                         {:?}",
                        var.name,
                        found.unwrap_or_default(),
                        var.dims
                    )));
                }
                dataset
            } else {
                create_var(&file, layout, var, &shape).map_err(context(what.clone()))?
            };
            describe_var(&dataset, var).map_err(context(what))?;
            slots.insert(var.name.clone(), Slot { dataset, shape });
        }
        name_auxiliaries(&file, &layout.aux)
            .and_then(|()| scales::refer_back(&file))
            .map_err(context(
                "linking the variables to their dimensions".to_owned(),
            ))?;
        self.slots = slots;
        self.flush()
    }

    /// Where the finished file will be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the file is until then.
    #[must_use]
    pub fn partial(&self) -> &Path {
        &self.partial
    }

    /// Writes a block of a variable, whose first element is at index `start`. Blocks may come in
    /// any order and size; the file's values do not depend on how they were cut.
    ///
    /// # Errors
    /// If the variable is unknown, the block does not fit, or the disk is full. After a failure
    /// of the disk, nothing more can be written.
    pub fn write(
        &mut self,
        var: &str,
        start: &[usize],
        block: ArrayViewD<'_, f64>,
    ) -> Result<(), RecordError> {
        self.running()?;
        let Some(slot) = self.slots.get(var) else {
            return Err(RecordError::Unknown {
                path: self.path.clone(),
                kind: "variable",
                name: var.to_owned(),
                known: reader::list(self.slots.keys()),
            });
        };
        let (shape, size) = (&slot.shape, block.shape());
        let misfit = |problem: String| {
            Err(RecordError::Shape {
                path: self.path.clone(),
                var: var.to_owned(),
                problem,
            })
        };
        let rank = shape.len();
        if size.len() != rank || start.len() != rank {
            return misfit(format!(
                "found a block of {} dimensions at an index of {}, expected {rank}",
                size.len(),
                start.len()
            ));
        }
        let inside = |axis: usize| {
            start[axis]
                .checked_add(size[axis])
                .is_some_and(|stop| stop <= shape[axis])
        };
        if !(0..rank).all(inside) {
            return misfit(format!(
                "found a block of shape {size:?} at {start:?}, expected it inside {shape:?}"
            ));
        }
        if block.is_empty() {
            return Ok(());
        }
        let block = block.as_standard_layout();
        self.latest = format!("variable `{var}`, block {size:?} at {start:?},");
        let room = self.room.make(size_of::<f64>() * block.len());
        self.settle_os(room)?;
        let slot = &self.slots[var];
        let written = if rank == 0 {
            slot.dataset.as_writer().write(block.view())
        } else {
            let slab: Vec<SliceOrIndex> = start
                .iter()
                .zip(size)
                .map(|(&s, &n)| SliceOrIndex::from(s..s + n))
                .collect();
            let selection = Selection::from(Hyperslab::from(slab));
            slot.dataset
                .as_writer()
                .write_slice(block.view(), selection)
        };
        self.settle(format!("writing {}", self.latest), written)
    }

    /// Sets a global attribute, replacing one of the same name.
    ///
    /// # Errors
    /// If the name belongs to the file format, the text has a NUL, or the disk is full.
    pub fn set_attr(&mut self, name: &str, value: impl Into<Attr>) -> Result<(), RecordError> {
        let attr = (name.to_owned(), value.into());
        layout::check_attrs("of the file", std::slice::from_ref(&attr))?;
        self.running()?;
        let written = h5::set_attr(self.file()?, &attr.0, &attr.1);
        self.latest = format!("attribute `{name}`");
        self.settle(format!("writing attribute `{name}`"), written)
    }

    /// Hands everything written so far to the operating system. From then on, a killed process
    /// leaves it readable in `.partial`.
    ///
    /// # Errors
    /// If the disk is full, or an earlier write failed.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        self.running()?;
        let flushed = self.file()?.flush();
        self.settle(format!("bringing {} to disk", self.latest), flushed)?;
        let begun = self.room.begin();
        self.settle_os(begun)
    }

    /// The same, and waits for the disk itself: what was written so far survives a power cut.
    ///
    /// # Errors
    /// As [`Writer::flush`].
    pub fn sync(&mut self) -> Result<(), RecordError> {
        self.flush()?;
        sync_file(&self.partial)
    }

    /// Completes the file: flushes, closes, waits for the disk, and renames it into place.
    ///
    /// # Errors
    /// If the disk is full, an earlier write failed, or the file cannot be renamed. The `.partial`
    /// then stays.
    pub fn finish(mut self) -> Result<PathBuf, RecordError> {
        self.flush()?;
        self.slots.clear();
        if let Some(file) = self.file.take() {
            file.close()
                .map_err(|e| RecordError::hdf5(&self.partial, "closing", &e))?;
        }
        sync_file(&self.partial)?;
        fs::rename(&self.partial, &self.path)
            .map_err(|e| RecordError::os(&self.path, "renaming the finished file into place", e))?;
        // Only now: had the process died before, the checkpoint would have been wanted.
        remove(&checkpoint_path(&self.path))?;
        // Makes the new name itself survive a power cut. Not every file system can; the data are
        // safe either way.
        if let Ok(folder) = fs::File::open(folder_of(&self.path)) {
            let _ = folder.sync_all();
        }
        Ok(self.path.clone())
    }

    /// Gives up: closes and removes the `.partial` and its checkpoint.
    pub fn discard(mut self) {
        let _ = fs::remove_file(checkpoint_path(&self.path));
        self.abandon();
    }

    /// Closes and removes the file, whatever happened to it before.
    fn abandon(&mut self) {
        // Nobody reads it again, and a file that is not closed keeps its room on the disk.
        self.stopped = None;
        self.close();
        // If it cannot be removed, or a checkpoint could not, the next writer does it.
        let _ = fs::remove_file(&self.partial);
    }

    fn file(&self) -> Result<&File, RecordError> {
        self.file.as_ref().ok_or_else(|| RecordError::Stopped {
            path: self.partial.clone(),
            first: "the file is closed".to_owned(),
        })
    }

    fn running(&self) -> Result<(), RecordError> {
        // Other threads print HDF5's error stack until told not to.
        hdf5::silence_errors(true);
        match &self.stopped {
            None => Ok(()),
            Some(first) => {
                let (path, first) = (self.partial.clone(), first.clone());
                Err(RecordError::Stopped { path, first })
            }
        }
    }

    fn settle(&mut self, doing: String, result: hdf5::Result<()>) -> Result<(), RecordError> {
        result.map_err(|e| {
            let error = RecordError::hdf5(&self.partial, doing, &e);
            self.stopped = Some(error.to_string());
            error
        })
    }

    fn settle_os(&mut self, result: std::io::Result<()>) -> Result<(), RecordError> {
        result.map_err(|e| {
            let error = RecordError::os(&self.partial, format!("writing {}", self.latest), e);
            self.stopped = Some(error.to_string());
            error
        })
    }

    fn close(&mut self) {
        hdf5::silence_errors(true);
        if self.stopped.is_some() {
            // Closing would bring the index of the file to disk without all that it points at. Left as it
            // is, the file is that of a process that was killed: readable as of the last flush. HDF5 is
            // told by its crate not to close files at the exit either.
            std::mem::forget(std::mem::take(&mut self.slots));
            std::mem::forget(self.file.take());
            return;
        }
        self.slots.clear();
        if let Some(file) = self.file.take() {
            // A full disk fails here.
            let _ = file.close();
        }
    }
}

/// Room on the disk for what comes before the next flush. HDF5 flushes the index of a file even where it
/// could not write what that points at; so room is made before it is asked to write.
#[derive(Debug)]
struct Room {
    file: fs::File,
    /// Length of the file at the last flush.
    length: u64,
    /// Bytes that were written since, at most.
    written: u64,
    /// Up to where there is room.
    until: u64,
}

/// Room for what HDF5 writes on its own account between two flushes [bytes].
const INDEX_ROOM: u64 = 64 << 10;
/// Room is made for so many bytes at a time, if there is as much.
const ROOM_AT_ONCE: u64 = 1 << 20;

impl Room {
    fn of(path: &Path) -> Result<Self, RecordError> {
        let file = OpenOptions::new().write(true).open(path);
        let file = file.map_err(|e| RecordError::os(path, "opening the file", e))?;
        Ok(Room {
            file,
            length: 0,
            written: 0,
            until: 0,
        })
    }

    /// After a flush, which may have given room back.
    fn begin(&mut self) -> std::io::Result<()> {
        self.length = self.file.metadata()?.len();
        (self.written, self.until) = (0, self.length);
        Ok(())
    }

    /// Room for `bytes` more.
    fn make(&mut self, bytes: usize) -> std::io::Result<()> {
        // What deflate cannot make smaller grows by less than this.
        self.written += bytes as u64 + bytes as u64 / 512 + 4096;
        let wanted = self.length + self.written + INDEX_ROOM;
        if wanted <= self.until {
            return Ok(());
        }
        let until = wanted + ROOM_AT_ONCE;
        if self.allocate(until).is_err() {
            self.allocate(wanted)?;
            self.until = wanted;
            return Ok(());
        }
        self.until = until;
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn allocate(&self, until: u64) -> std::io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        use rustix::process::{Resource, getrlimit};

        // Room beyond the end of a file does not count for the limit of the shell.
        if getrlimit(Resource::Fsize)
            .current
            .is_some_and(|most| most < until)
        {
            return Err(Errno::FBIG.into());
        }
        let count = until - self.length;
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.length, count) {
            // Some file systems make no room beforehand; there, the check is left out.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn allocate(&self, _: u64) -> std::io::Result<()> {
        Ok(())
    }
}

/// Removes a file if it is there.
fn remove(path: &Path) -> Result<(), RecordError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(RecordError::os(
            path,
            "removing what an earlier run left",
            e,
        )),
        _ => Ok(()),
    }
}

/// Waits until a file is on the disk itself.
fn sync_file(path: &Path) -> Result<(), RecordError> {
    let opened = OpenOptions::new().write(true).open(path);
    opened
        .and_then(|f| f.sync_all())
        .map_err(|e| RecordError::os(path, "waiting for the disk", e))
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// Adds variables with their values to a finished file, safely: a copy is extended and renamed
/// into place, so that the file is whole at every moment. See [`Writer::extend`] for what
/// `additions` may repeat.
///
/// # Errors
/// As [`Writer::extend`] and [`Writer::write`]; the file is then as before.
pub fn append_vars(
    path: &Path,
    additions: &Layout,
    values: &[(&str, ArrayViewD<'_, f64>)],
) -> Result<PathBuf, RecordError> {
    let mut writer = Writer::extend(path, additions)?;
    for (var, block) in values {
        if let Some(slot) = writer.slots.get(*var)
            && slot.shape != block.shape()
        {
            let problem = format!("found shape {:?}, expected {:?}", block.shape(), slot.shape);
            writer.discard();
            return Err(RecordError::Shape {
                path: path.into(),
                var: (*var).into(),
                problem,
            });
        }
        if let Err(error) = writer.write(var, &vec![0; block.ndim()], block.view()) {
            writer.discard();
            return Err(error);
        }
    }
    writer.finish()
}

/// Access settings of every file written.
///
/// Default format bounds, because newer ones lock a file whose writer was killed. Metadata leave
/// the cache only at a flush: the index on disk then never points at blocks that are not there.
fn builder() -> FileBuilder {
    let cache = MetadataCacheConfig {
        evictions_enabled: false,
        incr_mode: CacheIncreaseMode::Off,
        flash_incr_mode: FlashIncreaseMode::Off,
        decr_mode: CacheDecreaseMode::Off,
        ..MetadataCacheConfig::default()
    };
    let mut builder = FileBuilder::new();
    builder.with_fapl(|p| p.mdc_config(&cache).fclose_degree(FileCloseDegree::Strong));
    builder
}

fn create_dim(file: &File, dim: &Dim, id: i32) -> hdf5::Result<()> {
    let name = dim.name.as_str();
    let dataset = match &dim.coord {
        // netCDF-4's own form: a dataset of numbers that are never written nor read.
        Coord::Index => file
            .new_dataset::<f32>()
            .obj_track_times(false)
            .shape(dim.len)
            .create(name)?,
        Coord::Float {
            values,
            units,
            long_name,
        } => {
            let dataset = untimed(file).with_data(values).create(name)?;
            describe(&dataset, units, long_name)?;
            dataset
        }
        Coord::Int {
            values,
            units,
            long_name,
        } => {
            let dataset = untimed(file).with_data(values).create(name)?;
            describe(&dataset, units, long_name)?;
            dataset
        }
        Coord::Text(values) => {
            let dataset = create_text(file, name, values)?;
            h5::set_attr(&dataset, "long_name", &Attr::Text(format!("{name} name")))?;
            dataset
        }
    };
    scales::make_scale(&dataset, name, dim.len, dim.coord != Coord::Index, id)
}

fn create_text(file: &File, name: &str, values: &[String]) -> hdf5::Result<Dataset> {
    let values = values
        .iter()
        .map(|v| h5::text(v))
        .collect::<hdf5::Result<Vec<_>>>()?;
    let dataset = file
        .new_dataset::<VarLenUnicode>()
        .obj_track_times(false)
        .shape(values.len())
        .create(name)?;
    dataset.write_raw(&values)?;
    Ok(dataset)
}

fn create_aux(file: &File, aux: &Aux) -> hdf5::Result<()> {
    let dataset = match &aux.values {
        AuxValues::Text(values) => {
            let dataset = create_text(file, &aux.name, values)?;
            h5::set_attr(&dataset, "long_name", &Attr::Text(aux.long_name.clone()))?;
            dataset
        }
        AuxValues::Float { values, units } => {
            let dataset = untimed(file).with_data(values).create(&*aux.name)?;
            describe(&dataset, units, &aux.long_name)?;
            dataset
        }
    };
    scales::attach(file, &dataset, std::slice::from_ref(&aux.dim))
}

/// A dataset that does not tell when it was made: equal results, equal bytes.
fn untimed(file: &File) -> DatasetBuilder {
    file.new_dataset_builder().obj_track_times(false)
}

fn create_var(file: &File, layout: &Layout, var: &Var, shape: &[usize]) -> hdf5::Result<Dataset> {
    let mut builder = untimed(file);
    if !shape.is_empty() {
        builder = builder
            .chunk(layout.chunk(var, shape))
            .chunk_cache(521, CHUNK_CACHE, 0.75);
        if let Compression::Deflate(level) = layout.compression {
            builder = builder.shuffle().deflate(level);
        }
        // What a disk or a cable has changed is refused when it is read.
        builder = builder.fletcher32();
    }
    let (name, shape) = (var.name.as_str(), shape.to_vec());
    // What was never written reads as NaN, in HDF5 by the fill value and in netCDF by the
    // attribute; the two must have the variable's own type.
    let dataset = match var.dtype {
        Dtype::F64 => {
            let builder = builder.fill_value(f64::NAN).empty::<f64>();
            let dataset = builder.shape(shape).create(name)?;
            dataset
                .new_attr::<f64>()
                .create("_FillValue")?
                .write_scalar(&f64::NAN)?;
            dataset
        }
        Dtype::F32 => {
            let builder = builder.fill_value(f32::NAN).empty::<f32>();
            let dataset = builder.shape(shape).create(name)?;
            dataset
                .new_attr::<f32>()
                .create("_FillValue")?
                .write_scalar(&f32::NAN)?;
            dataset
        }
    };
    scales::attach(file, &dataset, &var.dims)?;
    Ok(dataset)
}

fn describe_var(dataset: &Dataset, var: &Var) -> hdf5::Result<()> {
    describe(dataset, &var.units, &var.long_name)?;
    var.attrs
        .iter()
        .try_for_each(|(name, value)| h5::set_attr(dataset, name, value))
}

fn describe(dataset: &Dataset, units: &str, long_name: &str) -> hdf5::Result<()> {
    let units = if units.is_empty() { "1" } else { units };
    h5::set_attr(dataset, "units", &units.into())?;
    h5::set_attr(dataset, "long_name", &long_name.into())
}

/// Names the auxiliary coordinates, old and `added`, in the `coordinates` attribute of every
/// variable that has their dimension.
fn name_auxiliaries(file: &File, added: &[Aux]) -> hdf5::Result<()> {
    let mut auxiliaries: Vec<(String, String)> = reader::aux(file)?
        .into_iter()
        .map(|a| (a.name, a.dim))
        .collect();
    auxiliaries.extend(added.iter().map(|a| (a.name.clone(), a.dim.clone())));
    for dataset in file.datasets()? {
        let name = dataset.name();
        let name = scales::bare(&name);
        if scales::is_scale(&dataset)? || auxiliaries.iter().any(|(a, _)| a == name) {
            continue;
        }
        let dims = scales::dims(file, &dataset)?.unwrap_or_default();
        let along = |(_, dim): &&(String, String)| dims.contains(dim);
        let names: Vec<&str> = auxiliaries
            .iter()
            .filter(along)
            .map(|(name, _)| name.as_str())
            .collect();
        if !names.is_empty() {
            h5::set_attr(&dataset, "coordinates", &Attr::Text(names.join(" ")))?;
        }
    }
    Ok(())
}

/// A lock file beside the result, held while a writer lives. The operating system lets go of it
/// when the process ends, however it ends. It is not the `.partial` itself, because the HDF5
/// library locks that too, and truncates it before it looks at the lock.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _held: fs::File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while held; a rival that had it open notices (see `claim`).
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes sure that `path` can be written, and that nobody else is writing it.
fn claim(path: &Path) -> Result<(PathBuf, Lock), RecordError> {
    if path.is_dir() || path.file_name().is_none() {
        return Err(RecordError::IsFolder(path.to_owned()));
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(RecordError::NoFolder {
            path: path.to_owned(),
            folder: folder.to_owned(),
        });
    }
    let partial = partial_path(path);
    if partial.is_dir() {
        return Err(RecordError::IsFolder(partial));
    }
    let lock = with_suffix(path, ".lock");
    loop {
        let open = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock);
        let held = open.map_err(|e| RecordError::os(path, "creating the file", e))?;
        if let Err(TryLockError::WouldBlock) = held.try_lock() {
            return Err(RecordError::Busy {
                path: path.to_owned(),
                lock,
            });
        }
        // Some network file systems have no locks; there, the check is left out.
        if same_file(&held, &lock) {
            return Ok((
                partial,
                Lock {
                    path: lock,
                    _held: held,
                },
            ));
        }
        // The former holder removed the file between our opening and locking it: try anew.
    }
}

#[cfg(unix)]
fn same_file(open: &fs::File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |m: &fs::Metadata| (m.dev(), m.ino());
    open.metadata()
        .is_ok_and(|a| fs::metadata(path).is_ok_and(|b| id(&a) == id(&b)))
}

#[cfg(not(unix))]
fn same_file(_: &fs::File, _: &Path) -> bool {
    // Elsewhere an open file cannot be removed, so the name still means the same file.
    true
}

/// The folder that holds `path`; `.` for a bare name.
fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
