//! The figure of a run: every area's trace in order of hierarchy, and one number an area
//! (timescale, delay activity) against hierarchy.
//!
//! One list of shapes is laid out once in pixels and then written twice, as SVG text and as a PNG,
//! so that both show the same picture. The two faces of the font are inside the program (Inter,
//! SIL Open Font License, reduced to Latin, Greek and mathematical signs) and inside the SVG:
//! no font of the system is asked, so the same data give the same bytes on every machine.
//!
//! The layout follows Fig. 3A of Chaudhuri et al. 2015 (Neuron 88:419): responses to one pulse span
//! five orders of magnitude over the cortex, so each area has its own row, scaled to its own peak,
//! with the peak written beside it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::replace;
use canvas::{AXIS, Anchor, Fonts, GREY, INK, PNG_SCALE, Picture, Point};
use canvas::{RULE, Rgb, Shape, Text, WIDTH};
use labels::{DOT, LABEL_SIZE, Label, Rect, place_labels};
use scales::{LARGEST, RowScale, decimate, linear_ticks, log_ticks, quantity, rank_correlation};
use scales::{simplify, straight_line};

mod canvas;
pub mod conditions;
mod labels;
mod scales;

const MARGIN: f64 = 36.0;
/// Rows lower than this cannot carry a name of 13 px; more areas than `MAX_ROWS` are thinned.
const MIN_ROW: f64 = 17.0;
const MAX_ROWS: usize = 50;
const MAX_LABELS: usize = 120;
const STIMULUS_LANES: usize = 3;
/// Lower figures have no room for a map of the cortex.
const LEAST_WITH_MAP: f64 = 560.0;
/// Radius of the largest dot of the map.
const LARGEST_DOT: f64 = 12.0;
/// Fewer areas than this have no correlation worth printing.
const MIN_POINTS: usize = 5;

/// Shade and lettering of stimulus windows, one pair a label.
const SHADES: [(Rgb, Rgb); 5] = [
    (Rgb(252, 236, 196), Rgb(130, 84, 0)),
    (Rgb(214, 233, 248), Rgb(24, 90, 138)),
    (Rgb(216, 240, 227), Rgb(10, 102, 72)),
    (Rgb(243, 223, 237), Rgb(134, 54, 106)),
    (Rgb(233, 233, 235), Rgb(80, 80, 86)),
];

/// What the figure shows.
#[derive(Debug, Clone, Default)]
pub struct FigureData {
    /// Large line at the top.
    pub title: String,
    /// Smaller line below it: model, data, integration.
    pub subtitle: String,
    /// Which of several runs the traces are of, e.g. `trial 0, condition seen`; empty for none.
    pub shown: String,
    /// Times of the samples [ms], rising; `[time]`.
    pub time_ms: Vec<f64>,
    /// The sample of the first stimulus, from which on peaks count and rows are scaled; 0 where all counts.
    pub counted_from: usize,
    /// One trace per area, in hierarchical order.
    pub traces: Vec<Trace>,
    /// What the traces show, e.g. `excitatory rate above baseline`.
    pub variable: String,
    /// Unit of the traces, e.g. `Hz`.
    pub unit: String,
    /// What the position of an area in the hierarchy is called.
    pub hierarchy_label: String,
    /// When something was given from outside.
    pub stimuli: Vec<Window>,
    /// The number of each area that stands against the hierarchy, e.g. `timescale`; empty for none.
    pub measure: String,
    /// Its unit, e.g. `ms`.
    pub measure_unit: String,
    /// How it came about.
    pub measure_note: String,
}

/// One area of the figure.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Name of the area.
    pub area: String,
    /// Position in the hierarchy; an area without one (not finite) has a trace but no point.
    pub hierarchy: f64,
    /// Deviation from baseline, one value per time, in the unit of the figure; not finite = gap.
    pub values: Vec<f64>,
    /// Where the area lies on the cortex: towards the front, upwards [mm].
    pub position_mm: Option<(f64, f64)>,
    /// The number that stands against the hierarchy, in its unit, where there is one; must be positive to
    /// be drawn.
    pub measured: Option<f64>,
    /// Whether that number depends on how it was estimated more than on the activity.
    pub uncertain: bool,
}

impl Trace {
    fn place(&self) -> Option<f64> {
        Some(self.hierarchy).filter(|h| h.abs() <= LARGEST)
    }
}

/// A time window that is shaded behind the traces.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// Name of the stimulus; windows of one name share a shade.
    pub label: String,
    /// Start [ms].
    pub start_ms: f64,
    /// End [ms].
    pub end_ms: f64,
}

/// The files that were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The vector picture.
    pub svg: PathBuf,
    /// The same picture in pixels, 2000 wide.
    pub png: PathBuf,
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// No area or no sample.
    #[error("nothing to draw: found {areas} areas with {samples} samples, expected one or more")]
    Empty {
        /// Number of traces.
        areas: usize,
        /// Number of times.
        samples: usize,
    },
    /// A trace does not fit the time axis.
    #[error("trace of area `{area}`: found {found} values, expected {expected} (one per time)")]
    Length {
        /// Area of the trace.
        area: String,
        /// Values found.
        found: usize,
        /// Number of times.
        expected: usize,
    },
    /// The times do not rise, or one is not a number a picture can hold.
    #[error(
        "time {index}: found {found} ms after {previous} ms, expected a time that rises, \
         within 1e15 ms of zero"
    )]
    Time {
        /// Index of the sample.
        index: usize,
        /// Its time [ms].
        found: f64,
        /// The time before it [ms].
        previous: f64,
    },
    /// The picture could not be turned into a PNG.
    #[error("PNG of {width} x {height} pixels: {reason}")]
    Png {
        /// Width [px].
        width: u32,
        /// Height [px].
        height: u32,
        /// What the encoder said.
        reason: String,
    },
    /// A file could not be written.
    #[error("cannot write `{path}`: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Writes `stem.svg` and `stem.png`; a dot in `stem` is part of the name, not an extension.
///
/// # Errors
/// What [`svg`] refuses, a failed PNG encoding, or a file that cannot be written.
pub fn write(data: &FigureData, stem: &Path) -> Result<Written, FigureError> {
    write_picture(&Layout::new(data)?.draw(), stem)
}

/// Writes a picture as `stem.svg` and `stem.png`.
fn write_picture(picture: &Picture, stem: &Path) -> Result<Written, FigureError> {
    let named = |extension: &str| {
        let mut name = stem.as_os_str().to_owned();
        name.push(extension);
        PathBuf::from(name)
    };
    let written = Written {
        svg: named(".svg"),
        png: named(".png"),
    };
    let pixels = picture.to_png()?;
    for (path, bytes) in [
        (&written.svg, picture.to_svg().as_bytes()),
        (&written.png, &pixels),
    ] {
        replace(path, bytes).map_err(|source| FigureError::Write {
            path: path.clone(),
            source,
        })?;
    }
    Ok(written)
}

/// The figure as SVG text.
///
/// # Errors
/// [`FigureError::Empty`], [`FigureError::Length`] or [`FigureError::Time`] where the data are no
/// figure.
#[cfg(test)]
fn svg(data: &FigureData) -> Result<String, FigureError> {
    Ok(Layout::new(data)?.draw().to_svg())
}

/// An area that has both a number and a place in the hierarchy.
struct Mark {
    index: usize,
    hierarchy: f64,
    measured: f64,
}

struct Layout<'a> {
    data: &'a FigureData,
    picture: Picture,
    /// Lowest and highest place in the hierarchy.
    range: (f64, f64),
    /// Indices of the traces that have a row.
    rows: Vec<usize>,
    marks: Vec<Mark>,
    plot: Rect,
}

impl<'a> Layout<'a> {
    fn new(data: &'a FigureData) -> Result<Self, FigureError> {
        let (areas, samples) = (data.traces.len(), data.time_ms.len());
        if areas == 0 || samples == 0 {
            return Err(FigureError::Empty { areas, samples });
        }
        for trace in &data.traces {
            if trace.values.len() != samples {
                let (area, found) = (trace.area.clone(), trace.values.len());
                return Err(FigureError::Length {
                    area,
                    found,
                    expected: samples,
                });
            }
        }
        let mut previous = f64::NEG_INFINITY;
        for (index, &found) in data.time_ms.iter().enumerate() {
            if !(found.abs() <= LARGEST && found > previous) {
                return Err(FigureError::Time {
                    index,
                    found,
                    previous,
                });
            }
            previous = found;
        }
        let places = data.traces.iter().filter_map(Trace::place);
        let range = places.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), h| {
            (lo.min(h), hi.max(h))
        });
        let marks = data.traces.iter().enumerate().filter_map(|(index, t)| {
            let measured = t
                .measured
                .filter(|v| (1.0 / LARGEST..=LARGEST).contains(v))?;
            let hierarchy = t.place()?;
            Some(Mark {
                index,
                hierarchy,
                measured,
            })
        });
        let names: Vec<&str> = data.traces.iter().map(|t| t.area.as_str()).collect();
        let picture = Picture {
            height: 0.0,
            title: data.title.clone(),
            description: format!("{}; areas in order: {}", data.variable, names.join(", ")),
            shapes: Vec::new(),
            fonts: Fonts::new(),
        };
        let rows = (0..areas).step_by(areas.div_ceil(MAX_ROWS)).collect();
        let plot = Rect {
            x: MARGIN,
            y: 0.0,
            w: 0.0,
            h: 0.0,
        };
        Ok(Self {
            data,
            picture,
            range,
            rows,
            marks: marks.collect(),
            plot,
        })
    }

    fn colour(&self, hierarchy: f64) -> Rgb {
        let (lo, hi) = self.range;
        let fraction = (hierarchy - lo) / (hi - lo);
        Rgb::of_hierarchy(if hi > lo { fraction } else { 0.4 })
    }

    fn draw(mut self) -> Picture {
        // One point is no relation: it becomes a sentence below the traces.
        let related = self.marks.len() > 1;
        let split = if related { 915.0 } else { WIDTH - MARGIN };
        let n = self.rows.len() as f64;
        let row_height = if n * 24.0 <= 720.0 {
            (360.0 / n).max(24.0)
        } else {
            (720.0 / n).max(MIN_ROW)
        };
        self.draw_header();
        let column = Column::new(&self);
        self.plot.x = MARGIN + column.names_width + 12.0;
        self.plot.w = split - column.numbers_width - 12.0 - self.plot.x;
        let stimuli = self.stimulus_names();
        let lanes = stimuli.iter().map(|s| s.lane + 1).max().unwrap_or(0);
        self.plot.y = 148.0 + 20.0 * lanes.min(STIMULUS_LANES) as f64;
        // In whole steps of four, five pixels of the PNG: the axis then has a sharp edge.
        self.plot.h = (row_height * n / 4.0).ceil() * 4.0;
        let row_height = self.plot.h / n;
        self.draw_traces(&column, &stimuli, row_height, split);
        let mut left = match stimuli.iter().filter(|s| s.lane >= STIMULUS_LANES).count() {
            0 => Vec::new(),
            hidden => vec![format!("{hidden} further stimulus names are not shown.")],
        };
        left.extend(self.describe_cut(&column));
        if !related && !self.data.measure.is_empty() {
            left.push(match self.marks.first() {
                Some(m) => format!(
                    "{} of {}: {} {}. {}",
                    capital(&self.data.measure),
                    self.data.traces[m.index].area,
                    quantity(m.measured),
                    self.data.measure_unit,
                    self.data.measure_note
                ),
                None => format!("No {} could be given for any area.", self.data.measure),
            });
        }
        let x = split + 125.0;
        let frame = Rect {
            x,
            w: WIDTH - MARGIN - x,
            ..self.plot
        };
        let right = match (related, self.mapped()) {
            (false, _) => Vec::new(),
            (true, None) => self.draw_measure(split + 60.0, frame),
            (true, Some(places)) => {
                let upper = Rect {
                    h: (0.5 * frame.h).round(),
                    ..frame
                };
                let top = frame.y + upper.h + 100.0;
                let lower = Rect {
                    x: split + 60.0,
                    y: top,
                    w: WIDTH - MARGIN - split - 60.0,
                    h: frame.y + frame.h - top,
                };
                let notes = self.draw_measure(split + 60.0, upper);
                self.draw_map(&places, lower);
                notes
            }
        };
        let top = self.plot.y + self.plot.h + 54.0;
        let mut bottom = top;
        let columns = [(MARGIN, split - MARGIN, left), (x, frame.w, right)];
        for (x, width, notes) in columns {
            let lines = notes
                .iter()
                .flat_map(|n| self.picture.fonts.wrap(n, 12.5, width, 3));
            for (i, line) in lines.collect::<Vec<_>>().into_iter().enumerate() {
                bottom = f64::max(bottom, top + 22.0 + 17.0 * i as f64);
                let y = top + 22.0 + 17.0 * i as f64;
                self.picture.text(Text::new((x, y), 12.5, GREY, line));
            }
        }
        self.picture.height = (bottom + 24.0).ceil();
        self.picture
    }

    fn draw_header(&mut self) {
        let width = WIDTH - 2.0 * MARGIN;
        let fonts = &self.picture.fonts;
        let size = (26.0 * width / fonts.width(&self.data.title, 26.0, true)).clamp(19.0, 26.0);
        let title = fonts.shorten(&self.data.title, size, true, width);
        let lines = fonts.shorten(&self.data.subtitle, 15.0, false, width);
        self.picture
            .text(Text::new((MARGIN, 48.0), size, INK, title).bold());
        self.picture
            .text(Text::new((MARGIN, 74.0), 15.0, GREY, lines));
    }

    /// The name of each stimulus once, above its first window, in the first lane with room for it.
    fn stimulus_names(&self) -> Vec<StimulusName> {
        let mut free = Vec::new();
        let mut names: Vec<StimulusName> = Vec::new();
        let shown = || self.shades().filter(|(w, _)| self.span(w).is_some());
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for (window, _) in shown() {
            *counts.entry(&window.label).or_insert(0) += 1;
        }
        for (window, (_, colour)) in shown() {
            // Taken out with its first window, so that the name stands there only.
            let Some(count) = counts.remove(window.label.as_str()) else {
                continue;
            };
            let times = if count > 1 {
                format!(" (×{count})")
            } else {
                String::new()
            };
            let fonts = &self.picture.fonts;
            let room = (self.plot.w - 60.0).max(60.0);
            let text = fonts.shorten(&window.label, 13.0, true, room) + &times;
            let half = fonts.width(&text, 13.0, true) / 2.0;
            let (a, b) = self.span(window).unwrap_or_default();
            let ends = (self.plot.x + half, self.plot.x + self.plot.w - half);
            let x = ((a + b) / 2.0).min(ends.1).max(ends.0);
            let lane = free
                .iter()
                .position(|end| *end + 10.0 < x - half)
                .unwrap_or(free.len());
            if lane == free.len() {
                free.push(0.0);
            }
            free[lane] = x + half;
            names.push(StimulusName {
                text,
                colour,
                x,
                lane,
            });
        }
        names
    }

    /// Left and right end of a window [px], if any of it is inside the time axis.
    fn span(&self, window: &Window) -> Option<Point> {
        let (first, last) = self.time_range();
        let (start, end) = (window.start_ms.max(first), window.end_ms.min(last));
        (window.end_ms > window.start_ms && start <= end).then(|| {
            let (a, b) = (self.time_to_x(start), self.time_to_x(end));
            (a, b.max(a + 1.5))
        })
    }

    /// Shade and lettering of each window, in their order.
    fn shades(&self) -> impl Iterator<Item = (&'a Window, (Rgb, Rgb))> + use<'a> {
        let mut seen = HashMap::new();
        self.data.stimuli.iter().map(move |window| {
            let next = seen.len();
            let kind = *seen.entry(window.label.as_str()).or_insert(next);
            (window, SHADES[kind % SHADES.len()])
        })
    }

    fn time_range(&self) -> Point {
        let time = &self.data.time_ms;
        (time[0], time[time.len() - 1])
    }

    fn time_to_x(&self, t: f64) -> f64 {
        let (first, last) = self.time_range();
        let fraction = if last > first {
            (t - first) / (last - first)
        } else {
            0.5
        };
        self.plot.x + fraction * self.plot.w
    }

    fn draw_traces(
        &mut self,
        column: &Column,
        stimuli: &[StimulusName],
        row_height: f64,
        split: f64,
    ) {
        let data = self.data;
        let plot = self.plot;
        let bottom = plot.y + plot.h;
        let fonts = &self.picture.fonts;
        let variable = capital(&data.variable);
        let heading = match variable.as_str() {
            "" => format!("Each area scaled to its own {}", column.scaled_to),
            name => format!("{name}, each area scaled to its own {}", column.scaled_to),
        };
        let heading = fonts.shorten(&heading, 16.0, true, split - MARGIN);
        let order = fonts.shorten(
            &self.describe_rows(column.noise),
            13.5,
            false,
            split - MARGIN,
        );
        self.picture
            .text(Text::new((MARGIN, 112.0), 16.0, INK, heading).bold());
        self.picture
            .text(Text::new((MARGIN, 132.0), 13.5, GREY, order));

        for (window, (colour, _)) in self.shades() {
            if let Some((a, b)) = self.span(window) {
                self.picture.fill((a, plot.y), (b - a, plot.h), colour);
            }
        }
        for name in stimuli.iter().filter(|s| s.lane < STIMULUS_LANES) {
            let at = (name.x, plot.y - 6.0 - 19.0 * name.lane as f64);
            let text = Text::new(at, 13.0, name.colour, name.text.clone()).bold();
            self.picture.text(text.anchor(Anchor::Middle));
        }

        let (first, last) = self.time_range();
        let (unit, ms) = match last - first {
            span if span >= 600_000.0 => ("min", 60_000.0),
            span if span >= 10_000.0 => ("s", 1000.0),
            _ => ("ms", 1.0),
        };
        for (t, label) in linear_ticks(first / ms, last / ms, 6.0) {
            let x = self.time_to_x(t * ms);
            self.picture
                .line(vec![(x, plot.y), (x, bottom + 5.0)], RULE, 1.0);
            let text = Text::new((x, bottom + 21.0), 13.0, GREY, label);
            self.picture.text(text.anchor(Anchor::Middle));
        }
        let at = (plot.x + plot.w / 2.0, bottom + 44.0);
        let text = Text::new(at, 14.0, INK, format!("time ({unit})"));
        self.picture.text(text.anchor(Anchor::Middle));
        let text = Text::new((split, plot.y - 6.0), 13.0, GREY, column.heading.clone());
        self.picture.text(text.anchor(Anchor::End));

        for (row, &i) in self.rows.clone().iter().enumerate() {
            let trace = &data.traces[i];
            let scale = column.scales[row];
            let colour = trace.place().map_or(GREY, |h| self.colour(h));
            let pad = (0.08 * row_height).min(6.0);
            let base = plot.y + row_height * (row + 1) as f64 - pad;
            let height = row_height - 2.0 * pad;
            let to_y = |v: f64| base - height * scale.fraction(v);
            let zero = to_y(0.0);
            self.picture
                .line(vec![(plot.x, zero), (plot.x + plot.w, zero)], RULE, 1.0);
            let time = |k: usize| self.time_to_x(data.time_ms[k]);
            let columns = (plot.w * f64::from(PNG_SCALE)).max(1.0) as usize;
            let lines = decimate(time, &trace.values, plot.x, plot.w, columns);
            for line in lines {
                let points: Vec<Point> = line.iter().map(|&(x, v)| (x, to_y(v))).collect();
                let mut points = simplify(&points);
                if let [(x, y)] = points[..] {
                    // A single sample would be an invisible line without length.
                    points = vec![(x - 1.5, y), (x + 1.5, y)];
                }
                if !column.noise {
                    let (a, b) = (points[0].0, points[points.len() - 1].0);
                    let mut area = points.clone();
                    area.extend([(b, zero), (a, zero)]);
                    self.picture.shapes.push(Shape::Fill {
                        points: area,
                        colour,
                        opacity: 0.18,
                    });
                }
                let width = if column.noise { 1.0 } else { 1.6 };
                self.picture.line(points, colour, width);
            }
            let middle = base - height / 2.0 + 4.6;
            let name = Text::new(
                (plot.x - 12.0, middle),
                13.0,
                INK,
                column.names[row].clone(),
            );
            self.picture.text(name.anchor(Anchor::End));
            let number = Text::new((split, middle), 13.0, GREY, column.numbers[row].clone());
            self.picture.text(number.anchor(Anchor::End));
        }
    }

    /// In what order the rows stand, and which.
    fn describe_rows(&self, noise: bool) -> String {
        let areas = self.data.traces.len();
        let h = self.data.traces.iter().filter_map(Trace::place);
        let h: Vec<f64> = h.collect();
        let mut words = Vec::new();
        if !self.data.shown.is_empty() {
            words.push(self.data.shown.clone());
        }
        if h.len() > 1 && h.windows(2).all(|w| w[0] <= w[1]) {
            words.push("lowest in the hierarchy at the top".to_owned());
        } else if h.len() > 1 && h.windows(2).all(|w| w[0] >= w[1]) {
            words.push("highest in the hierarchy at the top".to_owned());
        }
        let every = areas.div_ceil(MAX_ROWS);
        if every > 1 {
            let nth = match every {
                2 => "2nd".to_owned(),
                3 => "3rd".to_owned(),
                n => format!("{n}th"),
            };
            words.push(format!("every {nth} of {areas} areas shown"));
        }
        if noise {
            words.push("rare excursions end at the edge of the row".to_owned());
        } else if self.data.counted_from > 0 {
            words.push("peaks from the first stimulus on".to_owned());
        }
        capital(&words.join(" · "))
    }

    /// In how many rows the start of the run, which counts for no peak, is larger than the row.
    fn describe_cut(&self, column: &Column) -> Option<String> {
        let rows = self.rows.iter().zip(&column.scales);
        let cut = rows.filter(|(i, scale)| {
            // Less than that is not seen.
            let room = 0.05 * (scale.hi - scale.lo);
            let seen = scale.lo - room..=scale.hi + room;
            let before = self.data.traces[**i].values.iter();
            let mut before = before.take(self.data.counted_from);
            before.any(|v| v.is_finite() && !seen.contains(v))
        });
        match cut.count() {
            0 => None,
            cut => Some(format!(
                "What came before the first stimulus counts for no peak; in {cut} of {} rows it ends at the edge.",
                self.rows.len()
            )),
        }
    }

    /// Draws the measure against hierarchy; returns what must be said below it.
    fn draw_measure(&mut self, x: f64, frame: Rect) -> Vec<String> {
        let data = self.data;
        let bottom = frame.y + frame.h;
        let (lo, hi) = self.range;
        let pad = if hi > lo { 0.05 * (hi - lo) } else { 1.0 };
        let tau = |f: fn(f64, f64) -> f64| self.marks.iter().map(|m| m.measured).reduce(f);
        let (low, high) = (tau(f64::min).unwrap_or(1.0), tau(f64::max).unwrap_or(1.0));
        let room = (high / low).powf(0.06).max(1.15);
        let (low, high) = (low / room, high * room);
        let to_x = |h: f64| frame.x + frame.w * (h - lo + pad) / (hi - lo + 2.0 * pad);
        let to_y = |t: f64| bottom - frame.h * (t / low).ln() / (high / low).ln();

        let fonts = &self.picture.fonts;
        let width = WIDTH - MARGIN - x;
        let label = match data.hierarchy_label.as_str() {
            "" => "hierarchy",
            label => label,
        };
        let heading = format!("{} against {label}", capital(&data.measure));
        let heading = fonts.shorten(&heading, 16.0, true, width);
        let label = fonts.shorten(label, 14.0, false, frame.w);
        self.picture
            .text(Text::new((x, 112.0), 16.0, INK, heading).bold());

        for (t, label) in log_ticks(low, high) {
            let y = to_y(t);
            self.picture
                .line(vec![(frame.x, y), (frame.x + frame.w, y)], RULE, 1.0);
            let text = Text::new((frame.x - 8.0, y + 4.6), 13.0, GREY, label);
            self.picture.text(text.anchor(Anchor::End));
        }
        for (h, label) in linear_ticks(lo - pad, hi + pad, 5.0) {
            let at = to_x(h);
            self.picture
                .line(vec![(at, bottom + 8.0), (at, bottom + 12.0)], AXIS, 1.0);
            let text = Text::new((at, bottom + 26.0), 13.0, GREY, label);
            self.picture.text(text.anchor(Anchor::Middle));
        }
        let text = Text::new((frame.x + frame.w / 2.0, bottom + 48.0), 14.0, INK, label);
        self.picture.text(text.anchor(Anchor::Middle));
        let at = (x + 13.0, frame.y + frame.h / 2.0);
        let axis = format!("{} ({}, log scale)", data.measure, data.measure_unit);
        let text = Text::new(at, 14.0, INK, axis).anchor(Anchor::Middle);
        self.picture.text(Text {
            upwards: true,
            ..text
        });
        // The axis itself is the legend of the colours.
        let steps = 80;
        for i in 0..steps {
            let step = frame.w / f64::from(steps);
            let at = frame.x + step * f64::from(i);
            let h = lo - pad + (hi - lo + 2.0 * pad) * (f64::from(i) + 0.5) / f64::from(steps);
            let width = (step + 1.0).min(frame.x + frame.w - at);
            self.picture
                .fill((at, bottom), (width, 6.4), self.colour(h));
        }

        let x_values: Vec<f64> = self.marks.iter().map(|m| m.hierarchy).collect();
        let y_values: Vec<f64> = self.marks.iter().map(|m| m.measured.log10()).collect();
        let n = self.marks.len();
        let fit = straight_line(&x_values, &y_values).filter(|_| n >= MIN_POINTS);
        let mut summary = format!("n = {n} areas");
        if let (Some((a, b, r2)), Some(rho)) = (fit, rank_correlation(&x_values, &y_values)) {
            let rho = format!("{rho:.2}").replace('-', "−");
            let measure = &data.measure;
            summary = format!("r² = {r2:.2} (log {measure}), Spearman ρ = {rho}, {summary}");
            let ends = [x_values.iter().copied().fold(hi, f64::min), hi];
            let [from, to] = ends.map(|h| (to_x(h), to_y(10f64.powf(a + b * h))));
            let inside = |y: f64| {
                let y_inside = y.clamp(frame.y, bottom);
                (
                    from.0 + (to.0 - from.0) * (y_inside - from.1) / (to.1 - from.1),
                    y_inside,
                )
            };
            let ends = if from.1 == to.1 {
                [from, to]
            } else {
                [inside(from.1), inside(to.1)]
            };
            self.picture.line(ends.to_vec(), Rgb(176, 178, 184), 1.4);
        }
        self.picture
            .text(Text::new((x, 132.0), 13.5, GREY, summary));
        self.draw_marks(frame, &to_x, &to_y)
    }

    /// Where each mark lies on the cortex, if that is known of all, they are many enough for a map, and
    /// there is room for one.
    fn mapped(&self) -> Option<Vec<(f64, f64)>> {
        let fits = |&(a, b): &(f64, f64)| a.abs() <= LARGEST && b.abs() <= LARGEST;
        let place = |m: &Mark| self.data.traces[m.index].position_mm.filter(fits);
        let places: Option<Vec<_>> = self.marks.iter().map(place).collect();
        places.filter(|p| p.len() >= MIN_POINTS && self.plot.h >= LEAST_WITH_MAP)
    }

    /// Draws the areas where they lie on the cortex, larger where the measure is.
    fn draw_map(&mut self, places: &[(f64, f64)], frame: Rect) {
        let data = self.data;
        let heading = format!("{} on the cortex", capital(&data.measure));
        let largest = self.marks.iter().map(|m| m.measured).fold(0.0, f64::max);
        let note = format!(
            "side view, front to the right · area of a dot: {}, largest {} {}",
            data.measure,
            quantity(largest),
            data.measure_unit
        );
        let fonts = &self.picture.fonts;
        let heading = fonts.shorten(&heading, 16.0, true, frame.w);
        let note = fonts.shorten(&note, 13.5, false, frame.w);
        let heading = Text::new((frame.x, frame.y), 16.0, INK, heading).bold();
        self.picture.text(heading);
        self.picture
            .text(Text::new((frame.x, frame.y + 20.0), 13.5, GREY, note));
        let room = Rect {
            x: frame.x + 40.0,
            y: frame.y + 50.0,
            w: frame.w - 80.0,
            h: frame.h - 66.0,
        };
        let bounds = |of: fn(&(f64, f64)) -> f64| {
            let all = places.iter().map(of);
            all.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| {
                (a.min(v), b.max(v))
            })
        };
        let (front, up) = (bounds(|p| p.0), bounds(|p| p.1));
        // One scale for both directions.
        let spans = (front.1 - front.0, up.1 - up.0);
        let scale = (room.w / spans.0.max(1e-9)).min(room.h / spans.1.max(1e-9));
        let middle = (room.x + room.w / 2.0, room.y + room.h / 2.0);
        let at = |&(f, u): &(f64, f64)| {
            (
                middle.0 + scale * (f - (front.0 + front.1) / 2.0),
                middle.1 - scale * (u - (up.0 + up.1) / 2.0),
            )
        };
        let points: Vec<Point> = places.iter().map(at).collect();
        let name = |m: &Mark| data.traces[m.index].area.as_str();
        for (mark, &at) in self.marks.iter().zip(&points) {
            let tip = format!(
                "{}: {} {}",
                name(mark),
                quantity(mark.measured),
                data.measure_unit
            );
            self.picture.shapes.push(Shape::Dot {
                at,
                radius: LARGEST_DOT * (mark.measured / largest).sqrt().max(0.25),
                colour: self.colour(mark.hierarchy),
                open: data.traces[mark.index].uncertain,
                tip,
            });
        }
        for (label, _, text) in self.names_beside(&points, frame) {
            self.write_name(label, text);
        }
    }

    /// Names of the marks at their points, each with its point and where it has room, if it has any.
    fn names_beside(&self, points: &[Point], frame: Rect) -> Vec<(Option<Label>, Point, String)> {
        // Names of very many areas are thinned evenly before they are placed.
        let every = points.len().div_ceil(MAX_LABELS);
        let fonts = &self.picture.fonts;
        let name = |m: &Mark| {
            let area = &self.data.traces[m.index].area;
            fonts.shorten(area, LABEL_SIZE, false, 140.0)
        };
        let names: Vec<String> = self.marks.iter().step_by(every).map(name).collect();
        let at: Vec<Point> = points.iter().copied().step_by(every).collect();
        let width = |n: &String| fonts.width(n, LABEL_SIZE, false) + 2.0;
        let labels = place_labels(&at, &names.iter().map(width).collect::<Vec<f64>>(), frame);
        let named = labels.into_iter().zip(at).zip(names);
        named.map(|((label, at), name)| (label, at, name)).collect()
    }

    /// Writes a name where it has room.
    fn write_name(&mut self, label: Option<Label>, text: String) {
        if let Some(Rect { x, y, h, .. }) = label.map(|l| l.space) {
            let text = Text::new((x + 1.0, y + h - 3.0), LABEL_SIZE, INK, text);
            self.picture.text(Text { halo: true, ..text });
        }
    }

    /// Draws the points and their names; returns what must be said below.
    fn draw_marks(
        &mut self,
        frame: Rect,
        to_x: &dyn Fn(f64) -> f64,
        to_y: &dyn Fn(f64) -> f64,
    ) -> Vec<String> {
        let data = self.data;
        let name = |m: &Mark| data.traces[m.index].area.as_str();
        let points: Vec<Point> = self
            .marks
            .iter()
            .map(|m| (to_x(m.hierarchy), to_y(m.measured)))
            .collect();
        let labels = self.names_beside(&points, frame);
        for (label, from, _) in &labels {
            if let Some(label) = label.filter(|l| l.away >= 9.0) {
                self.picture.line(vec![*from, label.end], AXIS, 0.8);
            }
        }
        for (mark, &at) in self.marks.iter().zip(&points) {
            let colour = self.colour(mark.hierarchy);
            let value = quantity(mark.measured);
            let tip = format!("{}: {value} {}", name(mark), data.measure_unit);
            self.picture.shapes.push(Shape::Dot {
                at,
                radius: DOT,
                colour,
                open: data.traces[mark.index].uncertain,
                tip,
            });
        }
        let placed = labels.iter().filter(|(label, ..)| label.is_some()).count();
        for (label, _, text) in labels {
            self.write_name(label, text);
        }

        let mut notes = Vec::new();
        if !data.measure_note.is_empty() {
            notes.push(data.measure_note.clone());
        }
        if self.marks.iter().any(|m| data.traces[m.index].uncertain) {
            let what = &data.measure;
            notes.push(format!(
                "Open circles: a {what} that depends on how it was estimated."
            ));
        }
        if placed < points.len() {
            notes.push(format!("{placed} of {} points are named.", points.len()));
        }
        let drawn: HashSet<usize> = self.marks.iter().map(|m| m.index).collect();
        let without: Vec<&str> = (0..data.traces.len())
            .filter(|i| !drawn.contains(i))
            .map(|i| data.traces[i].area.as_str())
            .collect();
        if !without.is_empty() {
            let (n, all) = (without.len(), data.traces.len());
            let names = without.join(", ");
            notes.push(format!(
                "No {} or no hierarchy in {n} of {all} areas: {names}.",
                data.measure
            ));
        }
        notes
    }
}

struct StimulusName {
    text: String,
    colour: Rgb,
    x: f64,
    lane: usize,
}

/// The texts on both sides of the rows.
struct Column {
    scales: Vec<RowScale>,
    names: Vec<String>,
    names_width: f64,
    numbers: Vec<String>,
    numbers_width: f64,
    heading: String,
    scaled_to: &'static str,
    /// Most rows swing to both sides of the baseline and nothing was given: the spread says more
    /// than the largest of many samples.
    noise: bool,
}

impl Column {
    fn new(layout: &Layout) -> Self {
        let (data, fonts) = (layout.data, &layout.picture.fonts);
        let stimulated = !data.stimuli.is_empty();
        let rows = || layout.rows.iter().map(|&i| &data.traces[i]);
        let scales: Vec<RowScale> = rows()
            .map(|t| RowScale::of(t.values.get(data.counted_from..).unwrap_or(&[]), stimulated))
            .collect();
        let swinging = scales.iter().filter(|s| s.two_sided).count();
        let noise = !stimulated && 2 * swinging > scales.len();
        let numbers: Vec<String> = scales
            .iter()
            .map(|s| if noise { s.sd } else { s.peak })
            .map(|v| {
                if v.is_finite() {
                    quantity(v)
                } else {
                    "no data".to_owned()
                }
            })
            .collect();
        let unit = if data.unit.is_empty() {
            String::new()
        } else {
            format!(" ({})", data.unit)
        };
        let heading = format!("{}{unit}", if noise { "s.d." } else { "peak" });
        let heading = fonts.shorten(&heading, 13.0, false, 160.0);
        let names: Vec<String> = rows()
            .map(|t| fonts.shorten(&t.area, 13.0, false, 150.0))
            .collect();
        let widest = |texts: &[String]| {
            texts
                .iter()
                .map(|t| fonts.width(t, 13.0, false))
                .fold(0.0, f64::max)
        };
        Self {
            names_width: widest(&names),
            numbers_width: widest(&numbers).max(fonts.width(&heading, 13.0, false)),
            scaled_to: if noise { "spread" } else { "peak" },
            scales,
            names,
            numbers,
            heading,
            noise,
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |c| c.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pulse that arrives smaller and lasts longer in each area.
    fn example(areas: usize) -> FigureData {
        let time_ms: Vec<f64> = (0..400).map(|i| f64::from(i) * 5.0).collect();
        let trace = |k: usize| {
            let tau = 50.0 * (k + 1) as f64;
            let response = |t: &f64| {
                if *t < 300.0 {
                    0.0
                } else {
                    (-(t - 300.0) / tau).exp()
                }
            };
            Trace {
                area: format!("area{k}"),
                hierarchy: k as f64 / areas as f64,
                position_mm: Some((k as f64, (k as f64).sin() * 10.0)),
                values: time_ms
                    .iter()
                    .map(|t| response(t) * 0.5f64.powi(k as i32))
                    .collect(),
                measured: Some(tau),
                uncertain: false,
            }
        };
        FigureData {
            title: "A title".into(),
            subtitle: "a subtitle".into(),
            traces: (0..areas).map(trace).collect(),
            time_ms,
            variable: "rate above baseline".into(),
            unit: "Hz".into(),
            hierarchy_label: "hierarchy".into(),
            stimuli: vec![window("pulse", 100.0, 300.0)],
            measure: "timescale".into(),
            measure_unit: "ms".into(),
            measure_note: "Timescale: decay to 1/e.".into(),
            ..FigureData::default()
        }
    }

    fn window(label: &str, start_ms: f64, end_ms: f64) -> Window {
        Window {
            label: label.into(),
            start_ms,
            end_ms,
        }
    }

    /// The SVG without its fonts, whose base64 may spell anything.
    fn drawn(svg: &str) -> String {
        let (head, rest) = svg.split_once("<style>").expect("fonts");
        head.to_owned() + rest.split_once("</style>").expect("end of fonts").1
    }

    /// Tags match, attributes are quoted, no bare markup: or what is wrong.
    fn well_formed(svg: &str) -> Result<(), String> {
        let mut open = Vec::new();
        let mut rest = svg;
        while let Some(start) = rest.find('<') {
            let (text, tag) = rest.split_at(start);
            if text.contains('>') {
                return Err(format!("bare > in {text}"));
            }
            let entities = ["amp;", "lt;", "gt;", "quot;", "#39;"];
            if text
                .split('&')
                .skip(1)
                .any(|t| !entities.iter().any(|e| t.starts_with(e)))
            {
                return Err(format!("bare & in {text}"));
            }
            let end = tag.find('>').ok_or("tag without end")?;
            let inside = &tag[1..end];
            if inside.matches('"').count() % 2 == 1 || inside[1..].contains('<') {
                return Err(format!("broken tag {inside}"));
            }
            if let Some(name) = inside.strip_prefix('/') {
                if open.pop() != Some(name) {
                    return Err(format!("unexpected </{name}>"));
                }
            } else if !inside.ends_with('/') {
                open.push(inside.split(' ').next().unwrap_or_default());
            }
            rest = &tag[end + 1..];
        }
        if open.is_empty() {
            Ok(())
        } else {
            Err(format!("open: {open:?}"))
        }
    }

    /// Draws both forms, checks the SVG and returns it without its fonts.
    fn sound(data: &FigureData) -> String {
        let text = svg(data).expect("a figure");
        assert_eq!(well_formed(&text), Ok(()));
        let drawn = drawn(&text);
        assert!(
            !drawn.contains("NaN") && !drawn.contains("inf"),
            "a coordinate is no number"
        );
        Layout::new(data)
            .expect("a layout")
            .draw()
            .to_png()
            .expect("a PNG");
        drawn
    }

    #[test]
    fn names_are_all_there_and_escaped() {
        let mut data = example(29);
        data.traces[3].area = "A<B&\"'".into();
        data.traces[4].area = "9/46d\u{1}".into();
        data.title = "Lesion of <V1> & \u{0}friends".into();
        let text = sound(&data);
        assert!(text.contains(">A&lt;B&amp;&quot;&#39;</text>"));
        assert!(text.contains(">9/46d </text>"));
        for trace in data.traces.iter().filter(|t| t.area.starts_with("area")) {
            let name = format!(">{}</text>", trace.area);
            assert_eq!(
                text.matches(&name).count(),
                3,
                "{name} beside its row, its point and on the map"
            );
        }
        assert!(well_formed("<a><b></a></b>").is_err() && well_formed("<a>&b</a>").is_err());
    }

    #[test]
    fn same_data_give_the_same_bytes() {
        let mut data = example(12);
        data.stimuli.push(window("probe", 900.0, 950.0));
        data.stimuli.push(window("cue", 920.0, 980.0));
        assert_eq!(svg(&data).unwrap(), svg(&data.clone()).unwrap());
        let png = || Layout::new(&data).unwrap().draw().to_png().unwrap();
        assert_eq!(png(), png());
    }

    #[test]
    fn odd_data_are_drawn() {
        let one = sound(&example(1));
        assert!(one.contains("Timescale of area0: 50.0 ms. Timescale: decay to 1/e."));
        let bare = Trace {
            values: vec![1.0],
            ..Trace::default()
        };
        sound(&FigureData {
            time_ms: vec![0.0],
            traces: vec![bare],
            ..FigureData::default()
        });
        let mut zero = example(4);
        for trace in &mut zero.traces {
            trace.values.fill(0.0);
            trace.measured = None;
        }
        assert!(sound(&zero).contains("No timescale could be given for any area."));
        let mut odd = example(6);
        odd.traces[0].values.fill(f64::NAN);
        odd.traces[1].values[10] = f64::INFINITY;
        odd.traces[1].values[12] = f64::NAN;
        odd.traces[2].hierarchy = f64::NAN;
        odd.traces[3].hierarchy = f64::MAX;
        odd.traces[4].values[0] = f64::MAX;
        odd.traces[4].values[1] = -f64::MAX;
        for (k, tau) in [-1.0, 0.0, f64::NAN, 5.0, f64::INFINITY]
            .into_iter()
            .enumerate()
        {
            odd.traces[k].measured = Some(tau);
        }
        odd.stimuli.push(window("", f64::NAN, 1.0));
        odd.stimuli.push(window("on", -1e300, f64::INFINITY));
        sound(&odd);
        for trace in &mut odd.traces {
            trace.measured = Some(7.0);
            trace.hierarchy = 1.0;
        }
        sound(&odd);
    }

    #[test]
    fn areas_without_a_timescale_are_listed() {
        let mut data = example(8);
        data.traces[2].measured = None;
        data.traces[5].hierarchy = f64::NAN;
        let text = sound(&data);
        assert!(text.contains("No timescale or no hierarchy in 2 of 8 areas: area2, area5."));
        assert_eq!(text.matches("<circle").count(), 6);
    }

    #[test]
    fn wrong_data_are_refused() {
        assert!(matches!(
            svg(&FigureData::default()),
            Err(FigureError::Empty { .. })
        ));
        let mut data = example(2);
        data.traces[1].values.pop();
        let message = svg(&data).unwrap_err().to_string();
        assert_eq!(
            message,
            "trace of area `area1`: found 399 values, expected 400 (one per time)"
        );
        for wrong in [0.0, f64::NAN, f64::MAX] {
            let mut data = example(2);
            data.time_ms[7] = wrong;
            assert!(matches!(
                svg(&data),
                Err(FigureError::Time { index: 7, .. })
            ));
        }
    }

    #[test]
    fn files_are_written_under_a_stem_with_dots() {
        let folder = tempfile::tempdir().unwrap();
        let written = write(&example(3), &folder.path().join("run.v1")).unwrap();
        assert!(written.svg.ends_with("run.v1.svg") && written.png.ends_with("run.v1.png"));
        let png = std::fs::read(&written.png).unwrap();
        assert_eq!(
            (&png[..4], &png[16..20]),
            (&b"\x89PNG"[..], &2000u32.to_be_bytes()[..])
        );
        let missing = folder.path().join("none").join("run");
        assert!(matches!(
            write(&example(3), &missing),
            Err(FigureError::Write { .. })
        ));
    }

    #[test]
    fn what_is_left_out_is_announced() {
        let text = sound(&example(120));
        assert!(text.contains("every 3rd of 120 areas shown") && text.contains(">area3</text>"));
        assert!(!sound(&example(50)).contains("areas shown"));
        let mut many = example(2);
        for k in 0..40 {
            many.stimuli
                .push(window(&format!("stimulus number {k}"), 500.0, 501.0));
        }
        assert!(sound(&many).contains("further stimulus names are not shown."));
        let mut train = example(2);
        train.stimuli.push(window("pulse", 700.0, 800.0));
        assert!(sound(&train).contains(">pulse (×2)</text>"));
    }

    #[test]
    fn rest_shows_spread_and_enough_points_a_correlation() {
        let mut data = example(MIN_POINTS);
        assert!(sound(&data).contains(">peak (Hz)</text>"));
        assert!(sound(&data).contains("Spearman ρ = 1.00"));
        assert!(!sound(&example(MIN_POINTS - 1)).contains("Spearman"));
        data.stimuli.clear();
        for trace in &mut data.traces {
            trace.values = (0..400)
                .map(|i| f64::from(i * 7919 % 401) - 200.0)
                .collect();
        }
        assert!(sound(&data).contains(">s.d. (Hz)</text>"));
    }

    /// A start far from rest is neither a peak nor what its row is scaled to.
    #[test]
    fn peaks_count_from_the_first_stimulus() {
        let mut data = example(3);
        for trace in &mut data.traces {
            trace.values[0] = 40.0;
        }
        let text = sound(&data);
        assert!(text.contains(">40.0</text>") && !text.contains("first stimulus"));
        data.counted_from = 20;
        let text = sound(&data);
        for words in [
            ">1.00</text>",
            "peaks from the first stimulus on",
            "in 3 of 3 rows it ends at the edge",
        ] {
            assert!(text.contains(words), "{words} in {text}");
        }
        assert!(!text.contains(">40.0</text>"));
        // Nothing is said of what is not cut, and what lies behind the recording counts for nothing.
        for trace in &mut data.traces {
            trace.values[0] = 0.0;
        }
        assert!(!sound(&data).contains("at the edge"));
        data.counted_from = 400;
        assert!(sound(&data).contains("no data"));
    }

    #[test]
    fn which_run_is_shown_stands_above_the_traces() {
        let mut data = example(3);
        data.shown = "trial 2, condition seen".into();
        assert!(sound(&data).contains(">Trial 2, condition seen · lowest in the hierarchy"));
    }

    #[test]
    fn uncertain_numbers_are_rings() {
        let mut data = example(6);
        let rings = |svg: &str| svg.matches("fill=\"#ffffff\" stroke=\"#").count();
        let plain = sound(&data);
        assert!(rings(&plain) == 0 && !plain.contains("Open circles"));
        data.traces[2].uncertain = true;
        let marked = sound(&data);
        assert!(
            rings(&marked) == 1 && marked.contains("Open circles"),
            "{marked}"
        );
    }

    #[test]
    fn long_texts_stay_inside() {
        let long = "a very long sentence that goes on and on ".repeat(40);
        let mut data = example(6);
        for text in [
            &mut data.title,
            &mut data.subtitle,
            &mut data.variable,
            &mut data.unit,
        ] {
            text.clone_from(&long);
        }
        for text in [&mut data.hierarchy_label, &mut data.stimuli[0].label] {
            text.clone_from(&long);
        }
        data.traces[0].area = long;
        sound(&data);
        let picture = Layout::new(&data).unwrap().draw();
        for shape in &picture.shapes {
            let Shape::Text(t) = shape else { continue };
            let width = picture.fonts.width(&t.text, t.size, t.bold);
            let left = match t.anchor {
                Anchor::Start => t.at.0,
                Anchor::Middle => t.at.0 - width / 2.0,
                Anchor::End => t.at.0 - width,
            };
            let inside = left >= 0.0 && left + width <= WIDTH && t.at.1 < picture.height;
            assert!(t.upwards || inside, "`{}` at {left}", t.text);
        }
    }

    #[test]
    fn letters_stand_out_from_their_shade() {
        for (shade, letters) in SHADES {
            assert!(Rgb(255, 255, 255).contrast(letters) >= 4.5 && shade.contrast(INK) >= 4.5);
        }
    }
}
