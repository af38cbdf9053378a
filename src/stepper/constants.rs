//! The plan's numbers spread over lanes. Immutable; one per block of lanes.
//!
//! A *cell* is what one vector holds: with lanes over replicates a cell is an area, with lanes over
//! areas it is `WIDTH` neighbouring positions. State is laid out `[cell][variable][lane]`.

use super::kernel::Isa;
use crate::lanes::Lanes;
use crate::plan::{Axis, Matrix, Plan};
use crate::rng::Site;

/// Numbers of the plan over lanes.
pub(crate) struct Constants<L> {
    /// Number of cells.
    pub cells: usize,
    /// Number of areas.
    pub areas: usize,
    /// Whether lanes hold areas.
    pub over_areas: bool,
    /// Instruction set of this machine.
    pub isa: Isa,
    /// `[cell][parameter]`.
    pub parameters: Vec<L>,
    /// Projections.
    pub projections: Vec<ProjectionOf<L>>,
    /// Held input of each epoch, `[cell][input]`.
    pub epochs: Vec<Vec<L>>,
    /// Noise.
    pub noise: Vec<NoiseRow<L>>,
}

/// A projection over lanes.
pub(crate) struct ProjectionOf<L> {
    /// Variable sent.
    pub sent: usize,
    /// Weights.
    pub weights: Weights<L>,
    /// Inputs reached: (input, gain per cell).
    pub received: Vec<(usize, Vec<L>)>,
}

/// Weights in the form that the product wants.
pub(crate) enum Weights<L> {
    /// Lanes hold areas: `[cell][source]`, each vector with the weights of the cell's targets.
    Columns(Vec<L>),
    /// Lanes hold replicates: `[target][source]`, one weight for all lanes.
    Rows(Vec<f64>),
    /// Sparse rows, for either axis.
    Sparse {
        /// Bounds, see [`Matrix::Sparse`].
        rows: Vec<u32>,
        /// Source positions.
        sources: Vec<u32>,
        /// Weights.
        weights: Vec<f64>,
    },
}

/// The channels of one noise source that share a vector.
pub(crate) struct NoiseRow<L> {
    /// Cell and input: index into the held input.
    pub at: usize,
    /// Address of each lane.
    pub sites: Vec<Site>,
    /// Factor on the old value; 0 for white noise.
    pub decay: f64,
    /// Factor on the normal number; 0 in lanes without this source.
    pub amplitude: L,
    /// Standard deviation at the start.
    pub start_sd: L,
}

impl<L: Lanes> Constants<L> {
    /// Spreads the plan over lanes of this type.
    pub fn new(plan: &Plan, axis: Axis) -> Self {
        let over_areas = axis == Axis::Areas;
        let areas = plan.n_areas();
        let cells = if over_areas {
            areas.div_ceil(L::WIDTH)
        } else {
            areas
        };
        let spread = |values: &[f64], fields: usize| -> Vec<L> {
            spread(values, fields, areas, cells, over_areas)
        };
        let info = plan.circuit.info();
        let projections = plan.projections.iter().map(|p| ProjectionOf {
            sent: p.sent,
            weights: weights(&p.matrix, cells, over_areas),
            received: p
                .received
                .iter()
                .map(|(i, gain)| (*i, spread(gain, 1)))
                .collect(),
        });
        Constants {
            cells,
            areas,
            over_areas,
            isa: Isa::detect(),
            parameters: spread(&plan.parameters, info.parameters.len()),
            projections: projections.collect(),
            epochs: plan
                .epochs
                .iter()
                .map(|e| spread(&e.input, info.inputs.len()))
                .collect(),
            noise: noise_rows(plan, over_areas),
        }
    }

    /// Cell and lane of a position, for lanes over areas.
    #[inline(always)]
    pub fn place(&self, position: usize) -> (usize, usize) {
        if self.over_areas {
            (position / L::WIDTH, position % L::WIDTH)
        } else {
            (position, 0)
        }
    }

    /// Values `[position][field]` as `[cell][field]` over lanes.
    pub fn spread(&self, values: &[f64], fields: usize) -> Vec<L> {
        spread(values, fields, self.areas, self.cells, self.over_areas)
    }
}

/// Lanes beyond the last area repeat its numbers; nothing reads what becomes of them.
fn spread<L: Lanes>(
    values: &[f64],
    fields: usize,
    areas: usize,
    cells: usize,
    over_areas: bool,
) -> Vec<L> {
    let mut out = Vec::with_capacity(cells * fields);
    for cell in 0..cells {
        for field in 0..fields {
            let at = |position: usize| values[position.min(areas - 1) * fields + field];
            let mut value = L::splat(at(if over_areas { cell * L::WIDTH } else { cell }));
            if over_areas {
                for lane in 0..L::WIDTH {
                    value.set_lane(lane, at(cell * L::WIDTH + lane));
                }
            }
            out.push(value);
        }
    }
    out
}

fn weights<L: Lanes>(matrix: &Matrix, cells: usize, over_areas: bool) -> Weights<L> {
    match matrix {
        Matrix::Sparse {
            rows,
            sources,
            weights,
        } => Weights::Sparse {
            rows: rows.clone(),
            sources: sources.clone(),
            weights: weights.clone(),
        },
        Matrix::Dense { weights, .. } if !over_areas => Weights::Rows(weights.clone()),
        Matrix::Dense { n, weights } => {
            let mut columns = Vec::with_capacity(cells * n);
            for cell in 0..cells {
                for source in 0..*n {
                    let mut column = L::splat(0.0);
                    for lane in 0..L::WIDTH {
                        let target = cell * L::WIDTH + lane;
                        if target < *n {
                            column.set_lane(lane, weights[target * n + source]);
                        }
                    }
                    columns.push(column);
                }
            }
            Weights::Columns(columns)
        }
    }
}

fn noise_rows<L: Lanes>(plan: &Plan, over_areas: bool) -> Vec<NoiseRow<L>> {
    let inputs = plan.circuit.info().inputs.len();
    let zero = L::splat(0.0);
    let mut rows: Vec<NoiseRow<L>> = Vec::new();
    let mut source_of_last = None;
    for channel in &plan.channels {
        if !over_areas {
            rows.push(NoiseRow {
                at: channel.position * inputs + channel.input,
                sites: vec![channel.site; L::WIDTH],
                decay: channel.decay,
                amplitude: L::splat(channel.amplitude),
                start_sd: L::splat(channel.start_sd),
            });
            continue;
        }
        let (cell, lane) = (channel.position / L::WIDTH, channel.position % L::WIDTH);
        let at = cell * inputs + channel.input;
        // Channels are sorted by source and position: those of one vector follow each other.
        let joins =
            source_of_last == Some(channel.source) && rows.last().is_some_and(|r| r.at == at);
        if !joins {
            rows.push(NoiseRow {
                at,
                sites: vec![Site(0); L::WIDTH],
                decay: channel.decay,
                amplitude: zero,
                start_sd: zero,
            });
        }
        source_of_last = Some(channel.source);
        if let Some(row) = rows.last_mut() {
            row.sites[lane] = channel.site;
            row.amplitude.set_lane(lane, channel.amplitude);
            row.start_sd.set_lane(lane, channel.start_sd);
        }
    }
    rows
}
