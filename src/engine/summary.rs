//! Summaries of recorded activity, formed while it is recorded.

use ndarray::ArrayView2;

use crate::plan::Plan;

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
    areas: usize,
    runs: usize,
    cells: Vec<Running>,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    count: f64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Summaries {
    /// Of no sample yet.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let (areas, runs) = (plan.record.areas.len(), plan.replicates as usize);
        let none = Running {
            count: 0.0,
            mean: 0.0,
            squares: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        };
        Summaries {
            areas,
            runs,
            cells: vec![none; plan.record.variables.len() * runs * areas],
        }
    }

    /// Adds consecutive samples of one variable of one run, \[time, area\]. Of a run that was stopped
    /// everything from there on is NaN, and so are its summaries.
    pub fn add(&mut self, variable: usize, run: u32, values: ArrayView2<'_, f64>) {
        let from = (variable * self.runs + run as usize) * self.areas;
        let cells = &mut self.cells[from..][..self.areas];
        for row in values.outer_iter() {
            for (cell, &x) in cells.iter_mut().zip(row) {
                cell.count += 1.0;
                let off = x - cell.mean;
                cell.mean += off / cell.count;
                cell.squares += off * (x - cell.mean);
                // `f64::min` would lose a NaN.
                cell.min = if x < cell.min || x.is_nan() {
                    x
                } else {
                    cell.min
                };
                cell.max = if x > cell.max || x.is_nan() {
                    x
                } else {
                    cell.max
                };
            }
        }
    }

    /// One of [`SUMMARIES`] of a variable in a run, by area.
    #[must_use]
    pub fn of(&self, summary: usize, variable: usize, run: u32) -> Vec<f64> {
        let from = (variable * self.runs + run as usize) * self.areas;
        let value = |c: &Running| match summary {
            0 => c.mean,
            1 => (c.squares / c.count).sqrt(),
            2 => c.min,
            _ => c.max,
        };
        self.cells[from..][..self.areas].iter().map(value).collect()
    }
}
