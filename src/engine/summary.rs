//! Summaries of recorded activity, formed while it is recorded.

use ndarray::ArrayView2;

use crate::lanes::Isa;
use crate::plan::Plan;
use crate::stepper::isa::{Any, for_isa};

/// What is summarised of every recorded variable, run and area.
pub const SUMMARIES: [(&str, &str); 4] = [
    ("mean", "mean over the recorded samples"),
    ("sd", "standard deviation over the recorded samples"),
    ("min", "smallest recorded sample"),
    ("max", "largest recorded sample"),
];

/// Mean, standard deviation, least and largest value over time, \[variable\]\[run\]\[area\].
///
/// Samples of a run come in the order of time and are added one by one (Welford 1962, Technometrics
/// 4:419), so that nothing depends on how they were cut into pieces.
#[derive(Debug, Clone)]
pub struct Summaries {
    isa: Isa,
    areas: usize,
    runs: usize,
    /// Samples so far, [variable][run].
    counts: Vec<f64>,
    mean: Vec<f64>,
    squares: Vec<f64>,
    min: Vec<f64>,
    max: Vec<f64>,
}

/// Areas that are summarised side by side: as many as vector registers hold numbers of.
const ABREAST: usize = 16;

/// What is kept of some neighbouring areas, at most [`ABREAST`].
pub(super) struct Tile<'a> {
    mean: &'a mut [f64],
    squares: &'a mut [f64],
    min: &'a mut [f64],
    max: &'a mut [f64],
}

for_isa! {
    /// Adds samples, [time][area], to the areas from `first` on, of which `before` samples are known.
    add_up<>(before: f64, values: &[f64], areas: usize, first: usize, tile: &mut Tile<'_>) =
        added over Any at Any
}

#[inline(always)]
fn added(before: f64, values: &[f64], areas: usize, first: usize, tile: &mut Tile<'_>) {
    let width = tile.mean.len();
    // Arrays of one length stay in registers; what is made of numbers beyond the areas is forgotten.
    let load = |from: &[f64]| -> [f64; ABREAST] {
        let mut all = [0.0; ABREAST];
        all[..width].copy_from_slice(from);
        all
    };
    let [mut mean, mut squares, mut min, mut max] =
        [&*tile.mean, &*tile.squares, &*tile.min, &*tile.max].map(load);
    let mut count = before;
    for start in (first..values.len()).step_by(areas) {
        let padded;
        let x = match values[start..].first_chunk::<ABREAST>() {
            Some(full) => full,
            // Behind the last area of the last sample there is nothing.
            None => {
                padded = load(&values[start..start + width]);
                &padded
            }
        };
        count += 1.0;
        let part = 1.0 / count;
        for a in 0..ABREAST {
            let off = x[a] - mean[a];
            mean[a] += off * part;
            squares[a] += off * (x[a] - mean[a]);
            min[a] = if x[a] < min[a] { x[a] } else { min[a] };
            max[a] = if x[a] > max[a] { x[a] } else { max[a] };
        }
    }
    tile.mean.copy_from_slice(&mean[..width]);
    tile.squares.copy_from_slice(&squares[..width]);
    tile.min.copy_from_slice(&min[..width]);
    tile.max.copy_from_slice(&max[..width]);
}

impl Summaries {
    /// Of no sample yet.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let (areas, runs) = (plan.record.areas.len(), plan.replicates as usize);
        let rows = plan.record.variables.len() * runs;
        let all = |value: f64| vec![value; rows * areas];
        Summaries {
            isa: Isa::detect(),
            areas,
            runs,
            counts: vec![0.0; rows],
            mean: all(0.0),
            squares: all(0.0),
            min: all(f64::INFINITY),
            max: all(f64::NEG_INFINITY),
        }
    }

    /// Adds consecutive samples of one variable of one run, \[time, area\]. Of a run that was stopped
    /// everything from there on is NaN, and so are its summaries.
    pub fn add(&mut self, variable: usize, run: u32, values: ArrayView2<'_, f64>) {
        let row = variable * self.runs + run as usize;
        let (from, areas) = (row * self.areas, self.areas);
        let values = values.as_standard_layout();
        let values = values.as_slice().expect("it is laid out row by row");
        let before = self.counts[row];
        self.counts[row] += (values.len() / areas.max(1)) as f64;
        for first in (0..areas).step_by(ABREAST) {
            let span = from + first..from + (first + ABREAST).min(areas);
            let mut tile = Tile {
                mean: &mut self.mean[span.clone()],
                squares: &mut self.squares[span.clone()],
                min: &mut self.min[span.clone()],
                max: &mut self.max[span],
            };
            add_up(self.isa, before, values, areas, first, &mut tile);
        }
    }

    /// One of [`SUMMARIES`] of a variable in a run, by area.
    #[must_use]
    pub fn of(&self, summary: usize, variable: usize, run: u32) -> Vec<f64> {
        let row = variable * self.runs + run as usize;
        let own = |all: &[f64]| all[row * self.areas..][..self.areas].to_vec();
        // Comparisons lose a NaN, the mean does not.
        let known = |all: &[f64]| {
            let both = own(all).into_iter().zip(own(&self.mean));
            both.map(|(x, mean)| if mean.is_nan() { mean } else { x })
                .collect()
        };
        match summary {
            0 => own(&self.mean),
            1 => {
                let variance = own(&self.squares).into_iter();
                variance.map(|s| (s / self.counts[row]).sqrt()).collect()
            }
            2 => known(&self.min),
            _ => known(&self.max),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::network::Network;
    use crate::plan::Execution;
    use crate::spec::load;

    #[test]
    fn summaries_do_not_depend_on_pieces_and_keep_nan() {
        let spec = load(
            "chaudhuri2015_v1_pulse",
            &["simulation.replicates=2".to_owned()],
        )
        .unwrap();
        let network = Network::build(&spec).unwrap();
        let plan = Plan::compile(&network, &spec, Execution::default()).unwrap();
        let areas = plan.record.areas.len();
        let mut values =
            Array2::from_shape_fn((50, areas), |(t, a)| ((t * 7 + a) % 11) as f64 - 3.0);
        values[[20, 3]] = f64::NAN;
        let of = |pieces: &[usize]| {
            let mut summaries = Summaries::new(&plan);
            let mut from = 0;
            for &to in pieces {
                summaries.add(1, 1, values.slice(ndarray::s![from..to, ..]));
                from = to;
            }
            (0..4).map(|s| summaries.of(s, 1, 1)).collect::<Vec<_>>()
        };
        let whole = of(&[50]);
        let bits =
            |all: &[Vec<f64>]| -> Vec<u64> { all.iter().flatten().map(|x| x.to_bits()).collect() };
        assert_eq!(bits(&whole), bits(&of(&[1, 2, 30, 50])));
        for row in &whole {
            let nan: Vec<usize> = (0..areas).filter(|&a| row[a].is_nan()).collect();
            assert_eq!(nan, [3]);
        }
        let column = values.column(0);
        let mean = column.mean().unwrap();
        let sd = (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 50.0).sqrt();
        assert!((whole[0][0] - mean).abs() < 1e-13 && (whole[1][0] - sd).abs() < 1e-13);
        assert_eq!((whole[2][0], whole[3][0]), (-3.0, 7.0));
    }
}
