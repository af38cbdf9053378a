//! Recorded activity, thinned for a screen: of every span of time the smallest and the largest sample.

use std::ops::Range;

use ndarray::{Array2, ArrayD, Axis};
use serde_json::{Value, json};

use super::super::Failure;
use super::super::base64::base64;
use super::contents::significant;
use crate::engine::PeakStart;
use crate::record::{RecordError, Results};

/// Values of all traces of a page together: in base64 they take 2.7 bytes each.
const VALUES: usize = 1_250_000;
/// Values of one trace: more than a screen has columns.
const MOST: usize = 2400;
/// Fewer do not show a response; fewer series are shown instead.
const LEAST: usize = 400;
/// Numbers of one block of reading, 32 MB.
const BLOCK: usize = 1 << 22;

/// One recorded variable of the circuit.
#[derive(Debug)]
pub(super) struct Variable {
    /// Name, such as `nu_E`.
    pub(super) name: String,
    /// What it is, in words.
    pub(super) doc: String,
    /// Unit.
    pub(super) units: String,
    /// Dataset that holds it.
    pub(super) dataset: String,
    /// Place along `population`, if the dataset has that dimension.
    pub(super) population: Option<usize>,
    /// Baseline of every area, in the unit.
    pub(super) baseline: Vec<f64>,
}

/// What a line of a chart is made from.
#[derive(Debug, Clone)]
pub(super) struct Series {
    /// Name for people.
    pub(super) label: String,
    /// Replicates; of several the mean is shown.
    pub(super) members: Vec<usize>,
    /// Where peaks begin to count.
    pub(super) start: PeakStart,
}

/// How time is cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    /// Samples that the run wrote.
    pub(super) samples: usize,
    /// Spans of time: each is a frame of the map.
    pub(super) frames: usize,
}

impl Cut {
    /// As many frames as fit for so many traces; an eighth of what is wanted if there are more areas
    /// than a page can hold.
    pub(super) fn new(samples: usize, traces: usize) -> Self {
        let values = (VALUES / traces.max(1)).clamp(LEAST / 8, MOST);
        let frames = if samples <= values {
            samples
        } else {
            values / 2
        };
        Self { samples, frames }
    }

    /// Whether a frame stands for several samples.
    pub(super) fn thinned(self) -> bool {
        self.frames < self.samples
    }

    /// The samples of a frame.
    fn span(self, frame: usize) -> Range<usize> {
        let at = |k: usize| k * self.samples / self.frames;
        at(frame)..at(frame + 1)
    }

    /// Times of the values [ms], from those of the samples: one a frame, or two where it is thinned.
    pub(super) fn times(self, time_ms: &[f64]) -> Vec<f64> {
        if !self.thinned() {
            return time_ms[..self.samples].to_vec();
        }
        let both = |k| {
            let span = self.span(k);
            [
                time_ms[span.start],
                time_ms[usize::midpoint(span.start, span.end)],
            ]
        };
        (0..self.frames).flat_map(both).collect()
    }
}

/// How many replicates can be shown one by one beside `means` means, with traces that are still
/// worth looking at.
pub(super) fn fitting(variables: usize, areas: usize, means: usize) -> usize {
    (VALUES / LEAST / (variables * areas).max(1))
        .saturating_sub(means)
        .max(1)
}

/// The smallest and the largest value of a frame and which came first.
#[derive(Debug, Clone, Copy)]
struct Extremes {
    low: f64,
    high: f64,
    low_last: bool,
}

impl Extremes {
    const NONE: Self = Self {
        low: f64::NAN,
        high: f64::NAN,
        low_last: false,
    };

    fn add(&mut self, x: f64) {
        if !x.is_finite() {
            return;
        }
        if self.low.is_nan() || x < self.low {
            self.low = x;
            self.low_last = true;
        }
        if self.high.is_nan() || x > self.high {
            self.high = x;
            self.low_last = false;
        }
    }

    fn in_order(self) -> [f64; 2] {
        if self.low_last {
            [self.high, self.low]
        } else {
            [self.low, self.high]
        }
    }
}

/// Departures from a base, gathered block by block.
#[derive(Debug, Clone)]
struct Departures {
    start: PeakStart,
    /// Of every area.
    base: Vec<f64>,
    largest: Vec<f64>,
}

impl Departures {
    fn new(start: PeakStart, baseline: &[f64]) -> Self {
        Self {
            start,
            base: baseline.to_vec(),
            largest: vec![f64::NAN; baseline.len()],
        }
    }

    /// Takes a block of samples; `first`: the number of its first.
    fn add(&mut self, block: &Array2<f64>, first: usize) {
        let start = self.start.sample;
        for (row, sample) in block.rows().into_iter().zip(first..) {
            if sample < start {
                continue;
            }
            if sample == start && self.start.is_base {
                self.base = row.to_vec();
            }
            for ((largest, base), x) in self.largest.iter_mut().zip(&self.base).zip(row) {
                let away = x - base;
                if away.is_finite() && (largest.is_nan() || away.abs() > largest.abs()) {
                    *largest = away;
                }
            }
        }
    }
}

/// The traces of one variable: for every series an object with `low`, `high` and `peak` [its unit] of every
/// area and `values`, base64 of 16-bit words, area after area; 0 is low, 65534 is high, 65535 a gap.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn traces(
    file: &Results,
    variable: &Variable,
    areas: usize,
    cut: Cut,
    series: &[Series],
) -> Result<Vec<Value>, Failure> {
    let mut read: Vec<usize> = series.iter().flat_map(|s| s.members.clone()).collect();
    read.sort_unstable();
    read.dedup();
    let mut kept = vec![Array2::from_elem((cut.frames, areas), Extremes::NONE); series.len()];
    let departures = |s: &Series| Departures::new(s.start, &variable.baseline);
    let mut peaks: Vec<Departures> = series.iter().map(departures).collect();
    let means: Vec<usize> = (0..series.len())
        .filter(|&s| series[s].members.len() > 1)
        .collect();
    let longest = cut.samples.div_ceil(cut.frames);
    let together = (BLOCK / areas.max(1) / longest / (means.len() + 1)).max(1);
    for first in (0..cut.frames).step_by(together) {
        let frames = first..(first + together).min(cut.frames);
        let samples = cut.span(frames.start).start..cut.span(frames.end - 1).end;
        // Sum and number of the finite values.
        let mut sums = vec![Array2::from_elem((samples.len(), areas), (0.0, 0u32)); means.len()];
        for &replicate in &read {
            let block = block(file, variable, replicate, areas, samples.clone())?;
            for (s, one) in series.iter().enumerate() {
                if one.members == [replicate] {
                    fold(&mut kept[s], &block, cut, frames.clone());
                    peaks[s].add(&block, samples.start);
                }
            }
            for (sum, &s) in sums.iter_mut().zip(&means) {
                if series[s].members.contains(&replicate) {
                    sum.zip_mut_with(&block, |(sum, n), &x| {
                        if x.is_finite() {
                            *sum += x;
                            *n += 1;
                        }
                    });
                }
            }
        }
        for (sum, &s) in sums.iter().zip(&means) {
            // Without a finite value 0/0: a gap.
            let mean = sum.map(|(sum, n)| sum / f64::from(*n));
            fold(&mut kept[s], &mean, cut, frames.clone());
            peaks[s].add(&mean, samples.start);
        }
    }
    let one = |(kept, peaks): (&Array2<Extremes>, &Departures)| {
        let mut one = packed(kept, cut.thinned());
        one["peak"] = peaks.largest.iter().map(|x| significant(*x, 7)).collect();
        one
    };
    Ok(kept.iter().zip(&peaks).map(one).collect())
}

/// Samples of one replicate, [time, area].
fn block(
    file: &Results,
    variable: &Variable,
    replicate: usize,
    areas: usize,
    samples: Range<usize>,
) -> Result<Array2<f64>, RecordError> {
    let mut ranges = vec![replicate..replicate + 1, samples.clone(), 0..areas];
    ranges.extend(variable.population.map(|p| p..p + 1));
    let mut values: ArrayD<f64> = file.read_slab(&variable.dataset, &ranges)?;
    if variable.population.is_some() {
        values = values.index_axis_move(Axis(3), 0);
    }
    let values = values.index_axis_move(Axis(0), 0);
    let shape = values.shape().to_vec();
    values
        .into_dimensionality()
        .map_err(|_| RecordError::Shape {
            path: file.path().to_owned(),
            var: variable.dataset.clone(),
            problem: format!("found {shape:?}, expected [{}, {areas}]", samples.len()),
        })
}

/// Takes a block of samples, which starts with that of `frames`, into the extremes.
fn fold(kept: &mut Array2<Extremes>, block: &Array2<f64>, cut: Cut, frames: Range<usize>) {
    let first = cut.span(frames.start).start;
    for frame in frames {
        for sample in cut.span(frame) {
            for (extremes, &x) in kept
                .row_mut(frame)
                .iter_mut()
                .zip(block.row(sample - first))
            {
                extremes.add(x);
            }
        }
    }
}

fn packed(kept: &Array2<Extremes>, thinned: bool) -> Value {
    let areas = kept.columns().into_iter();
    let (mut low, mut high) = (Vec::new(), Vec::new());
    let mut bytes = Vec::with_capacity(kept.len() * 4);
    for area in areas {
        let lowest = area.iter().map(|e| e.low).fold(f64::NAN, f64::min);
        let highest = area.iter().map(|e| e.high).fold(f64::NAN, f64::max);
        low.push(significant(lowest, 7));
        high.push(significant(highest, 7));
        for extremes in area {
            let values = extremes.in_order();
            for x in &values[..if thinned { 2 } else { 1 }] {
                let word = if x.is_nan() {
                    u16::MAX
                } else if highest > lowest {
                    ((x - lowest) / (highest - lowest) * 65534.0).round() as u16
                } else {
                    0
                };
                bytes.extend(word.to_le_bytes());
            }
        }
    }
    json!({"low": low, "high": high, "values": base64(&bytes)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_hold_every_sample_once_in_order() {
        for (samples, traces) in [(1, 1), (700, 4), (12_501, 58), (5000, 1_000_000)] {
            let cut = Cut::new(samples, traces);
            let all: Vec<usize> = (0..cut.frames).flat_map(|k| cut.span(k)).collect();
            assert_eq!(all, (0..samples).collect::<Vec<_>>());
            let time: Vec<f64> = (0..samples).map(|k| k as f64).collect();
            let times = cut.times(&time);
            assert!(times.windows(2).all(|t| t[1] > t[0]), "{samples} {traces}");
            assert_eq!(times.len(), cut.frames * if cut.thinned() { 2 } else { 1 });
        }
    }

    #[test]
    fn extremes_keep_their_order_and_skip_gaps() {
        let of = |values: &[f64]| {
            let mut extremes = Extremes::NONE;
            values.iter().for_each(|x| extremes.add(*x));
            extremes.in_order()
        };
        assert_eq!(of(&[1.0, 3.0, f64::NAN, 2.0]), [1.0, 3.0]);
        assert_eq!(of(&[2.0, 3.0, -1.0]), [3.0, -1.0]);
        assert_eq!(of(&[5.0, 5.0]), [5.0, 5.0]);
        assert!(of(&[f64::NAN, f64::INFINITY]).iter().all(|x| x.is_nan()));
    }

    /// Blocks as they are read: what comes before the start counts for nothing, whatever the base is.
    #[test]
    fn departures_count_from_their_start() {
        let blocks = [
            ndarray::array![[90.0, 0.0], [10.0, f64::NAN]],
            ndarray::array![[12.0, 3.0], [7.0, f64::NAN]],
        ];
        let largest = |sample: usize, is_base: bool| {
            let start = PeakStart {
                sample,
                is_base,
                ..PeakStart::default()
            };
            let mut departures = Departures::new(start, &[5.0, f64::NAN]);
            for (block, first) in blocks.iter().zip([0, 2]) {
                departures.add(block, first);
            }
            let known = departures
                .largest
                .iter()
                .map(|x| x.is_finite().then_some(*x));
            known.collect::<Vec<_>>()
        };
        assert_eq!(largest(0, false), [Some(85.0), None]);
        assert_eq!(largest(1, false), [Some(7.0), None]);
        assert_eq!(largest(1, true), [Some(-3.0), None]);
        assert_eq!(largest(2, true), [Some(-5.0), Some(0.0)]);
    }

    /// Two areas, of which the second never varies and ends in a gap.
    #[test]
    fn packed_values_span_what_the_area_spans() {
        let one = |x| Extremes {
            low: x,
            high: x,
            low_last: false,
        };
        let kept = ndarray::array![[one(10.0), one(4.0)], [one(30.0), Extremes::NONE]];
        let value = packed(&kept, false);
        assert_eq!(value["low"], json!([10.0, 4.0]));
        assert_eq!(value["high"], json!([30.0, 4.0]));
        // 0, 65534, 0, 65535 as little-endian words.
        assert_eq!(value["values"], "AAD+/wAA//8=");
    }
}
