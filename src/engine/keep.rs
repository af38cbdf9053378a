//! Checkpoints of a run, and going on from one.

use ndarray::{Array2, Array3, s};

use super::layout::{Activity, Dataset};
use super::{EngineError, place};
use crate::network::Network;
use crate::plan::{Axis, Execution, Plan};
use crate::record::{self, About, Checkpoint, RecordError, Results, Writer, differing};
use crate::spec::ExperimentSpec;

/// Says when it is time for a checkpoint. The clock is the caller's: no result depends on it.
pub trait Pace: Sync {
    /// Whether one should be written now. Not asked again before [`Pace::written`].
    fn due(&self) -> bool;
    /// It has been written.
    fn written(&self);
}

/// What keeps a run from being lost.
#[derive(Clone, Copy, Default)]
pub struct Keep<'a> {
    /// When to write checkpoints; none are written without it.
    pub pace: Option<&'a dyn Pace>,
    /// Where to go on from, and not from the start.
    pub from: Option<&'a Checkpoint>,
}

/// What a checkpoint is of. A run may go on from it if it says the same of itself.
pub(super) fn about(network: &Network, plan: &Plan, spec: &ExperimentSpec) -> About {
    record::about([
        ("configs", spec.config.canonical()),
        ("data sets", network.connectome.provenance.digest()),
        (LANES, lanes_text(plan)),
    ])
}

/// The same in one text, to be compared.
pub(super) fn text(about: &About) -> String {
    let lines = about.iter().map(|(key, value)| format!("{key}: {value}\n"));
    lines.collect()
}

const LANES: &str = "lanes";

fn lanes_text(plan: &Plan) -> String {
    let axis = match plan.lanes.axis {
        Axis::Replicates => "replicates",
        Axis::Areas => "areas",
    };
    format!("{} {axis}", plan.lanes.width)
}

/// The lanes in which the state of a checkpoint lies; whoever goes on has to take the same.
#[must_use]
pub fn execution_of(checkpoint: &Checkpoint) -> Execution {
    let text = checkpoint.about.get(LANES).map_or("", String::as_str);
    let (width, axis) = text.split_once(' ').unwrap_or_default();
    Execution {
        width: width.parse().ok(),
        axis: match axis {
            "replicates" => Some(Axis::Replicates),
            "areas" => Some(Axis::Areas),
            _ => None,
        },
    }
}

/// Refuses the checkpoint of another run.
pub(super) fn check(
    checkpoint: &Checkpoint,
    about: &About,
    plan: &Plan,
) -> Result<(), EngineError> {
    let mut what = differing(&checkpoint.about, about);
    if what.is_empty() && checkpoint.blocks.len() != plan.blocks().len() {
        what.push("numbers of blocks".to_owned());
    }
    match what.is_empty() {
        true => Ok(()),
        false => Err(EngineError::OtherRun {
            what: what.join(", "),
        }),
    }
}

/// Samples that are copied at a time.
const COPIED_AT_ONCE: usize = 4096;

/// Copies the first `count` samples of an unfinished file into the new one, and into `memory` as far as
/// that holds runs.
pub(super) fn copy(
    from: &Results,
    writer: &mut Writer,
    datasets: &[Dataset],
    memory: &mut [Array3<f64>],
    (runs, count): (usize, usize),
    chunk: usize,
) -> Result<(), RecordError> {
    // Whole chunks of the file, so that each is compressed once.
    let stride = chunk * (COPIED_AT_ONCE / chunk).max(1);
    for first in (0..count).step_by(stride) {
        let span = first..(first + stride).min(count);
        for dataset in datasets {
            // One dataset at a time is held.
            let mut activity = Activity::new(std::slice::from_ref(dataset));
            let areas = from.var(&dataset.name)?.shape.get(2).copied().unwrap_or(0);
            for run in 0..runs {
                for (at, &variable) in dataset.variables.iter().enumerate() {
                    let mut slab = vec![run..run + 1, span.clone(), 0..areas];
                    if dataset.by_population {
                        slab.push(at..at + 1);
                    }
                    let values = from.read_slab(&dataset.name, &slab)?;
                    let values = values.into_iter().collect();
                    let values = Array2::from_shape_vec((span.len(), areas), values)
                        .expect("the slab has this shape");
                    activity.write(writer, variable, run as u32, first, values.view())?;
                    if run < memory[variable].dim().0 {
                        place(&mut memory[variable], run as u32, first, values.view());
                    }
                }
            }
        }
        writer.flush()?;
    }
    Ok(())
}

/// Numbers as the file holds them: what is measured in a run is measured from the file as well.
pub(super) fn as_stored(memory: &mut Array3<f64>, run: u32, first: usize, count: usize) {
    let span = first..first + count;
    memory
        .slice_mut(s![run as usize, span, ..])
        .mapv_inplace(|x| f64::from(x as f32));
}
