//! What the file of a sweep holds, and how it is made from the journal.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::batch::Finished;
use super::{Design, SweepError};
use crate::engine::{Put, condition_layout};
use crate::network::Network;
use crate::plan::Plan;
use crate::record::{
    Attr, Aux, AuxValues, Dim, Journal, Layout, RecordError, Results, Var, Writer,
};
use crate::spec::{ExperimentSpec, sha256_hex};
use crate::units::Quantity;

/// Values that are written at once, about.
const BLOCK: usize = 1 << 20;
const AREA: &str = "area";
const CONDITION: &str = "condition";
/// Attribute of a file of an unfinished sweep: how many conditions it holds.
const COLLECTED: &str = "conditions_finished";
/// Along `condition`: why one has no result.
pub const FAILURE: &str = "failure";

/// The variables of one condition, one after another.
#[derive(Debug)]
pub(super) struct Schema {
    layout: Layout,
    /// Shape of each variable, without the dimension `condition`.
    shapes: Vec<Vec<usize>>,
    /// Where each variable begins among the values of a condition, and their number at the end.
    starts: Vec<usize>,
    areas: Vec<String>,
    /// What all conditions share, in words.
    shared: Vec<(&'static str, String)>,
    keeps_activity: bool,
    /// Lesions change which areas there are: coordinates of areas then come from no one condition.
    widened: bool,
}

impl Schema {
    pub(super) fn new(
        design: &Design,
        network: &Network,
        plan: &Plan,
        spec: &ExperimentSpec,
        keeps_activity: bool,
    ) -> Schema {
        let mut layout = condition_layout(network, plan, spec, keeps_activity);
        let text = |key: &str, value: String| (key.to_owned(), Attr::Text(value));
        layout.attrs.push(text("sweep", design.canonical()));
        layout.attrs.retain(|(key, _)| key != "plan");
        Schema {
            layout,
            shapes: Vec::new(),
            starts: Vec::new(),
            areas: area_names(plan).map(str::to_owned).collect(),
            shared: shared(plan, keeps_activity),
            keeps_activity,
            widened: false,
        }
    }

    /// Areas of another condition for which there is no room: a lesion takes some away.
    pub(super) fn new_areas(&self, plan: &Plan) -> Result<Vec<String>, SweepError> {
        self.check_shared(plan)?;
        let names = area_names(plan).enumerate();
        let new = names.filter(|&(k, name)| self.place(k, name).is_none());
        Ok(new.map(|(_, name)| name.to_owned()).collect())
    }

    /// Makes room for areas.
    pub(super) fn widen(&mut self, new: Vec<String>) {
        for name in new {
            if !self.areas.contains(&name) {
                self.areas.push(name);
                self.widened = true;
            }
        }
    }

    /// Fixes the shapes.
    pub(super) fn close(&mut self) {
        if self.widened {
            self.layout.aux.retain(|aux| aux.dim != AREA);
        }
        for dim in &mut self.layout.dims {
            if dim.name.starts_with(AREA) {
                *dim = Dim::text(&dim.name, self.areas.iter().cloned());
            }
        }
        let length = |name: &String| {
            let dim = self.layout.dims.iter().find(|d| d.name == *name);
            dim.map_or(0, |d| d.len)
        };
        self.shapes = (self.layout.vars.iter())
            .map(|var| var.dims.iter().map(length).collect())
            .collect();
        let mut end = 0;
        self.starts = vec![0];
        for shape in &self.shapes {
            end += shape.iter().product::<usize>();
            self.starts.push(end);
        }
    }

    /// Number of values of a condition.
    pub(super) fn values(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    pub(super) fn keeps_activity(&self) -> bool {
        self.keeps_activity
    }

    pub(super) fn text_attr(&self, name: &str) -> &str {
        let found = self.layout.attrs.iter().find(|(key, _)| key == name);
        match found {
            Some((_, Attr::Text(text))) => text,
            _ => "",
        }
    }

    /// What tells whether a journal holds the same variables in the same shapes.
    pub(super) fn digest(&self) -> String {
        let names: Vec<&str> = self.layout.vars.iter().map(|v| v.name.as_str()).collect();
        sha256_hex(format!("{names:?} {:?} {:?}", self.shapes, self.areas).as_bytes())
    }

    /// Refuses a condition whose results have no place here.
    pub(super) fn admit(&self, plan: &Plan) -> Result<(), SweepError> {
        let new = self.new_areas(plan)?;
        if new.is_empty() {
            return Ok(());
        }
        Err(SweepError::Differs {
            what: "recorded areas",
            found: new.join(", "),
            expected: "areas that a single value of an axis shows, too".to_owned(),
        })
    }

    /// Place of an area, which most conditions have as number `k`.
    fn place(&self, k: usize, name: &str) -> Option<usize> {
        match self.areas.get(k) {
            Some(same) if same == name => Some(k),
            _ => self.areas.iter().position(|area| area == name),
        }
    }

    fn check_shared(&self, plan: &Plan) -> Result<(), SweepError> {
        let found = shared(plan, self.keeps_activity);
        let mut both = self.shared.iter().zip(found);
        match both.find(|((_, expected), (_, found))| expected != found) {
            None => Ok(()),
            Some(((what, expected), (_, found))) => Err(SweepError::Differs {
                what,
                found,
                expected: expected.clone(),
            }),
        }
    }

    /// Room for the values of a condition.
    pub(super) fn slab(&self, plan: &Plan) -> Slab<'_> {
        let places = (area_names(plan).enumerate()).map(|(k, name)| self.place(k, name));
        let places: Option<Vec<usize>> = places.collect();
        Slab {
            schema: self,
            values: vec![f64::NAN; self.values()],
            areas: places.unwrap_or_default(),
        }
    }

    /// Conditions of a journal that have no result, or not all of it, and why.
    pub(super) fn failures(
        &self,
        journal: &mut Journal,
    ) -> Result<BTreeMap<usize, String>, SweepError> {
        let mut out = BTreeMap::new();
        for key in journal.keys().collect::<Vec<_>>() {
            let (condition, bytes) = (key as usize, journal.read(key)?.unwrap_or_default());
            let finished = Finished::read(condition, &bytes, self.values());
            if let Some(why) = finished.and_then(|f| f.failure) {
                out.insert(condition, why);
            }
        }
        Ok(out)
    }

    /// Conditions that have no result, or not all of it, and why, in the finished file of this sweep; none if it is
    /// another file.
    pub(super) fn failures_in(&self, file: &Results) -> Option<BTreeMap<usize, String>> {
        let same = |(name, value): &(String, Attr)| file.attr(name).is_ok_and(|v| v == *value);
        let there = |var: &Var| file.var(&var.name).is_ok();
        if !(self.layout.attrs.iter().all(same) && self.layout.vars.iter().all(there))
            || file.attr(COLLECTED).is_ok()
        {
            return None;
        }
        // Only there where a condition failed.
        let why = match file.aux().iter().any(|aux| aux.name == FAILURE) {
            true => file.coord_text(FAILURE).ok()?,
            false => Vec::new(),
        };
        let failed = why.into_iter().enumerate();
        Some(failed.filter(|(_, why)| !why.is_empty()).collect())
    }

    /// Writes the result file: what the journal holds, in the order of the conditions, NaN elsewhere.
    pub(super) fn write(
        &self,
        design: &Design,
        journal: &mut Journal,
        failed: &BTreeMap<usize, String>,
        path: &Path,
    ) -> Result<(), SweepError> {
        let conditions = design.len();
        let at_once = (BLOCK / self.values().max(1)).clamp(1, conditions);
        let mut layout = self.layout.clone();
        if journal.len() < conditions {
            let count = Attr::Int(journal.len() as i64);
            layout.attrs.push((COLLECTED.to_owned(), count));
        }
        let index = (0..conditions as i64).collect();
        let long = "condition: the same experiment with other values";
        let dim = Dim::int(CONDITION, index, "1", long).in_blocks(at_once);
        layout.dims.insert(0, dim);
        for var in &mut layout.vars {
            var.dims.insert(0, CONDITION.to_owned());
        }
        layout.aux.extend(coordinates(design, &layout));
        if !failed.is_empty() {
            // One line each: a picture of the place in the config is for the terminal.
            let first_line = |why: &String| why.lines().next().unwrap_or_default().to_owned();
            let why = |condition: usize| failed.get(&condition).map(first_line).unwrap_or_default();
            layout.aux.push(Aux {
                name: FAILURE.to_owned(),
                dim: CONDITION.to_owned(),
                long_name: "why a condition has no result, or not all of it; empty if it has"
                    .to_owned(),
                values: AuxValues::Text((0..conditions).map(why).collect()),
            });
        }
        let mut writer = Writer::create(path, &layout)?;
        let mut from = 0;
        while from < conditions {
            let count = at_once.min(conditions - from);
            let written = self.write_block(journal, &mut writer, from, count);
            if let Err(e) = written {
                // All of it is in the journal.
                writer.discard();
                return Err(e);
            }
            from += count;
        }
        writer.finish()?;
        Ok(())
    }

    fn write_block(
        &self,
        journal: &mut Journal,
        writer: &mut Writer,
        from: usize,
        count: usize,
    ) -> Result<(), SweepError> {
        let mut all = Vec::with_capacity(count);
        for condition in from..from + count {
            let finished = match journal.read(condition as u64)? {
                None => None,
                Some(bytes) => Some(Finished::read(condition, &bytes, self.values()).ok_or_else(
                    || RecordError::Journal {
                        path: journal.path().to_owned(),
                        problem: format!(
                            "condition {condition} holds other variables than expected"
                        ),
                    },
                )?),
            };
            all.push(finished.map_or_else(Vec::new, |f| f.values));
        }
        for (k, var) in self.layout.vars.iter().enumerate() {
            let mut shape = vec![count];
            shape.extend(&self.shapes[k]);
            let size = self.starts[k + 1] - self.starts[k];
            let mut block = ArrayD::from_elem(IxDyn(&shape), f64::NAN);
            let rows = block.as_slice_mut().expect("a new array is contiguous");
            for (row, values) in rows.chunks_exact_mut(size.max(1)).zip(&all) {
                if !values.is_empty() {
                    row.copy_from_slice(&values[self.starts[k]..self.starts[k + 1]]);
                }
            }
            let mut start = vec![0; shape.len()];
            start[0] = from;
            writer.write(&var.name, &start, block.view())?;
        }
        Ok(())
    }
}

/// What conditions must share for their results to stand in one file, in words.
fn shared(plan: &Plan, keeps_activity: bool) -> Vec<(&'static str, String)> {
    let info = plan.circuit.info();
    let recorded: Vec<&str> = (plan.record.variables.iter())
        .map(|&v| info.variables[v].name)
        .collect();
    let mut out = vec![
        ("circuits", info.name.to_owned()),
        ("recorded variables", recorded.join(", ")),
        ("numbers of runs", plan.replicates.to_string()),
    ];
    if keeps_activity {
        let times = format!(
            "{} from {} ms every {} ms",
            plan.record.samples,
            plan.sample_ms(0),
            plan.sample_ms(1) - plan.sample_ms(0)
        );
        out.push(("samples, which are kept,", times));
    }
    out
}

fn area_names(plan: &Plan) -> impl Iterator<Item = &str> {
    let areas = plan.record.areas.iter();
    areas.map(|area| plan.areas[area.index()].as_str())
}

/// The swept values, along `condition`: numbers with their unit where all are, texts elsewhere.
fn coordinates(design: &Design, layout: &Layout) -> Vec<Aux> {
    let mut taken: Vec<String> = (layout.dims.iter().map(|d| &d.name))
        .chain(layout.vars.iter().map(|v| &v.name))
        .chain(layout.aux.iter().map(|a| &a.name))
        .cloned()
        .collect();
    let mut out = Vec::new();
    for (a, axis) in design.axes.iter().enumerate() {
        for (p, path) in axis.paths.iter().enumerate() {
            // Slashes part folders in HDF5, spaces the names of coordinates.
            let plain = |c: char| {
                if c == '/' || c.is_whitespace() {
                    '_'
                } else {
                    c
                }
            };
            let mut name: String = path.chars().filter(|c| *c != '"').map(plain).collect();
            while taken.contains(&name) {
                name.push('_');
            }
            taken.push(name.clone());
            let numbers: Option<Vec<Quantity>> =
                design.column(a, p).map(|text| text.parse().ok()).collect();
            let alike = numbers.filter(|all| all.iter().all(|q| q.dimension == all[0].dimension));
            let values = match alike {
                Some(all) => AuxValues::Float {
                    units: all[0].dimension.canonical_unit(),
                    values: all.iter().map(|q| q.value).collect(),
                },
                None => AuxValues::Text(design.column(a, p).map(str::to_owned).collect()),
            };
            out.push(Aux {
                name,
                dim: CONDITION.to_owned(),
                long_name: format!("value of {path}"),
                values,
            });
        }
    }
    out
}

/// The values of one condition while they are gathered.
pub(super) struct Slab<'a> {
    schema: &'a Schema,
    pub(super) values: Vec<f64>,
    /// Place of each area of the condition.
    areas: Vec<usize>,
}

impl Slab<'_> {
    pub(super) fn keeps_activity(&self) -> bool {
        self.schema.keeps_activity
    }
}

impl Put for Slab<'_> {
    fn put(
        &mut self,
        var: &str,
        start: &[usize],
        block: ArrayViewD<'_, f64>,
    ) -> Result<(), RecordError> {
        let schema = self.schema;
        let Some(k) = schema.layout.vars.iter().position(|v| v.name == var) else {
            return Err(RecordError::Layout(format!("no variable `{var}`")));
        };
        let (dims, shape) = (&schema.layout.vars[k].dims, &schema.shapes[k]);
        let own = &mut self.values[schema.starts[k]..schema.starts[k + 1]];
        for (at, &value) in block.indexed_iter() {
            let mut offset = 0;
            for (axis, (dim, &length)) in dims.iter().zip(shape).enumerate() {
                let place = start[axis] + at[axis];
                let place = match dim.starts_with(AREA) {
                    true => self.areas.get(place).copied(),
                    false => Some(place),
                };
                let Some(place) = place.filter(|p| *p < length) else {
                    return Err(RecordError::Layout(format!(
                        "variable `{var}` is larger than in the other conditions along `{dim}`"
                    )));
                };
                offset = offset * length + place;
            }
            own[offset] = value;
        }
        Ok(())
    }
}
