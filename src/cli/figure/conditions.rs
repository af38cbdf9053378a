//! The figure of a task: what was read out of its trials, against its conditions.
//!
//! A panel for every unit; in it a dot for every trial, and mean and standard error of each condition. Where all
//! conditions have a place on an axis, such as a level of dopamine, they stand there, and means are joined;
//! else conditions stand side by side under their names.

use std::path::Path;

use super::canvas::{
    AXIS, Anchor, Fonts, GREY, INK, Picture, Point, RULE, Rgb, Shape, Text, WIDTH,
};
use super::labels::Rect;
use super::scales::{LARGEST, linear_ticks, quantity};
use super::{FigureError, MARGIN, Written, write_picture};

const COLOURS: [Rgb; 5] = [
    Rgb(24, 90, 138),
    Rgb(204, 102, 0),
    Rgb(10, 102, 72),
    Rgb(134, 54, 106),
    Rgb(80, 80, 86),
];
/// Panels side by side.
const IN_A_ROW: usize = 3;
const PANEL_HEIGHT: f64 = 340.0;
/// Height of a row of panels with heading, axis and names.
const ROW_HEIGHT: f64 = 460.0;
/// Width of the spread of dots, as a fraction of the room of a condition.
const SPREAD: f64 = 0.5;

/// What the figure shows.
#[derive(Debug, Clone, Default)]
pub struct ConditionFigure {
    /// Large line at the top.
    pub title: String,
    /// What the axis shows, where conditions have places on one.
    pub axis: String,
    /// Name of each condition and its place on the axis.
    pub conditions: Vec<(String, Option<f64>)>,
    /// Panels from left to right.
    pub panels: Vec<Panel>,
}

/// Readouts of one unit.
#[derive(Debug, Clone, Default)]
pub struct Panel {
    /// What is read, with unit.
    pub label: String,
    /// The readouts.
    pub series: Vec<Series>,
}

/// One readout.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Values of the trials of each condition that could be read.
    pub values: Vec<Vec<f64>>,
    /// Whether trials are shown beside means; of yes and no they would say nothing.
    pub dots: bool,
}

/// Writes `stem.svg` and `stem.png`; nothing without panels.
///
/// # Errors
/// A failed PNG encoding, or a file that cannot be written.
pub fn write(data: &ConditionFigure, stem: &Path) -> Result<Option<Written>, FigureError> {
    match data.panels.is_empty() {
        true => Ok(None),
        false => write_picture(&draw(data), stem).map(Some),
    }
}

fn draw(data: &ConditionFigure) -> Picture {
    let mut picture = Picture {
        height: 0.0,
        title: data.title.clone(),
        description: "readouts of the trials of a task against its conditions".to_owned(),
        shapes: Vec::new(),
        fonts: Fonts::new(),
    };
    let title = picture
        .fonts
        .shorten(&data.title, 26.0, true, WIDTH - 2.0 * MARGIN);
    picture.text(Text::new((MARGIN, 48.0), 26.0, INK, title).bold());
    let note = "a dot a trial; mean and standard error over trials";
    picture.text(Text::new((MARGIN, 74.0), 15.0, GREY, note));
    let across = data.panels.len().min(IN_A_ROW);
    let width = (WIDTH - 2.0 * MARGIN) / across as f64;
    for (k, panel) in data.panels.iter().enumerate() {
        let frame = Rect {
            x: MARGIN + width * (k % IN_A_ROW) as f64 + 70.0,
            y: 140.0 + ROW_HEIGHT * (k / IN_A_ROW) as f64,
            w: width - 110.0,
            h: PANEL_HEIGHT,
        };
        draw_panel(&mut picture, data, panel, frame);
    }
    let rows = data.panels.len().div_ceil(IN_A_ROW);
    picture.height = 110.0 + ROW_HEIGHT * rows as f64;
    picture
}

/// Where conditions stand across a frame, and how much room each has.
fn places(data: &ConditionFigure, frame: Rect) -> (Vec<f64>, f64, Option<(f64, f64)>) {
    let on_axis: Option<Vec<f64>> = (data.conditions.iter())
        .map(|(_, at)| at.filter(|x| x.abs() <= LARGEST))
        .collect();
    let ends = on_axis.as_ref().map(|all| {
        let low = all.iter().copied().fold(f64::INFINITY, f64::min);
        (low, all.iter().copied().fold(f64::NEG_INFINITY, f64::max))
    });
    if let (Some(all), Some((low, high))) = (&on_axis, ends)
        && high > low
    {
        let pad = 0.06 * (high - low);
        let to_x = |x: f64| frame.x + frame.w * (x - low + pad) / (high - low + 2.0 * pad);
        let xs: Vec<f64> = all.iter().map(|x| to_x(*x)).collect();
        let mut sorted = xs.clone();
        sorted.sort_by(f64::total_cmp);
        let gaps = sorted.windows(2).map(|w| w[1] - w[0]).filter(|g| *g > 0.0);
        let room = gaps.fold(frame.w / 4.0, f64::min);
        return (xs, room, Some((low - pad, high + pad)));
    }
    let room = frame.w / data.conditions.len() as f64;
    let xs = (0..data.conditions.len()).map(|k| frame.x + room * (k as f64 + 0.5));
    (xs.collect(), room, None)
}

fn draw_panel(picture: &mut Picture, data: &ConditionFigure, panel: &Panel, frame: Rect) {
    let bottom = frame.y + frame.h;
    let (xs, room, axis) = places(data, frame);
    let shown = |v: &&f64| v.abs() <= LARGEST;
    let all = || {
        panel
            .series
            .iter()
            .flat_map(|s| s.values.iter().flatten())
            .filter(shown)
    };
    let (mut low, mut high) = (
        all().copied().fold(0.0, f64::min),
        all().copied().fold(0.0, f64::max),
    );
    if high <= low {
        high = low + 1.0;
    }
    let pad = 0.06 * (high - low);
    high += pad;
    low -= if low < 0.0 { pad } else { 0.0 };
    let to_y = |v: f64| bottom - frame.h * (v - low) / (high - low);
    for (v, label) in linear_ticks(low, high, 5.0) {
        let y = to_y(v);
        picture.line(vec![(frame.x, y), (frame.x + frame.w, y)], RULE, 1.0);
        let text = Text::new((frame.x - 8.0, y + 4.6), 13.0, GREY, label);
        picture.text(text.anchor(Anchor::End));
    }
    picture.line(
        vec![(frame.x, bottom), (frame.x + frame.w, bottom)],
        AXIS,
        1.0,
    );
    let at = (frame.x - 52.0, frame.y + frame.h / 2.0);
    let label = picture.fonts.shorten(&panel.label, 14.0, false, frame.h);
    picture.text(Text {
        upwards: true,
        ..Text::new(at, 14.0, INK, label).anchor(Anchor::Middle)
    });
    match axis {
        Some((from, to)) => {
            for (v, label) in linear_ticks(from, to, 6.0) {
                let x = frame.x + frame.w * (v - from) / (to - from);
                picture.line(vec![(x, bottom), (x, bottom + 5.0)], AXIS, 1.0);
                let text = Text::new((x, bottom + 22.0), 13.0, GREY, label);
                picture.text(text.anchor(Anchor::Middle));
            }
            let at = (frame.x + frame.w / 2.0, bottom + 46.0);
            let text = picture.fonts.shorten(&data.axis, 14.0, false, frame.w);
            picture.text(Text::new(at, 14.0, INK, text).anchor(Anchor::Middle));
        }
        None => {
            for ((name, _), x) in data.conditions.iter().zip(&xs) {
                // A long name takes several lines under its place.
                let words = name.replace('_', " ");
                for (i, line) in picture
                    .fonts
                    .wrap(&words, 13.0, room - 6.0, 3)
                    .into_iter()
                    .enumerate()
                {
                    let at = (*x, bottom + 22.0 + 16.0 * i as f64);
                    picture.text(Text::new(at, 13.0, GREY, line).anchor(Anchor::Middle));
                }
            }
        }
    }
    let count = panel.series.len();
    let step = room.min(90.0) * SPREAD / count as f64;
    let mut legend = frame.x;
    for (k, series) in panel.series.iter().enumerate() {
        let colour = COLOURS[k % COLOURS.len()];
        let name = series.name.replace('_', " ");
        let width = picture.fonts.width(&name, 15.0, true);
        picture.text(Text::new((legend, frame.y - 16.0), 15.0, colour, name).bold());
        legend += width + 22.0;
        // Under names readouts stand beside one another, so that none hides another; on an axis where they
        // belong.
        let shift = match axis {
            Some(_) => 0.0,
            None => step * (k as f64 - (count as f64 - 1.0) / 2.0),
        };
        draw_series(
            picture,
            series,
            colour,
            &data.conditions,
            &|c| xs[c] + shift,
            step,
            &to_y,
            axis.is_some(),
        );
    }
}

#[allow(clippy::too_many_arguments, reason = "a drawing routine with two axes")]
fn draw_series(
    picture: &mut Picture,
    series: &Series,
    colour: Rgb,
    conditions: &[(String, Option<f64>)],
    to_x: &dyn Fn(usize) -> f64,
    step: f64,
    to_y: &dyn Fn(f64) -> f64,
    joined: bool,
) {
    let mut means: Vec<(usize, Point, f64)> = Vec::new();
    for (c, values) in series.values.iter().enumerate() {
        let values: Vec<f64> = values
            .iter()
            .copied()
            .filter(|v| v.abs() <= LARGEST)
            .collect();
        let n = values.len();
        if n == 0 {
            continue;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        let error = match n {
            1 => 0.0,
            _ => (square / (n as f64 - 1.0) / n as f64).sqrt(),
        };
        if series.dots {
            let pale = Rgb::mixed(colour, Rgb(255, 255, 255), 0.6);
            for (i, v) in values.iter().enumerate() {
                // In the order of the trials, from left to right.
                let across = (i as f64 + 0.5) / n as f64 - 0.5;
                picture.shapes.push(Shape::Dot {
                    at: (to_x(c) + across * step * 0.8, to_y(*v)),
                    radius: 2.6,
                    colour: pale,
                    open: false,
                    tip: quantity(*v),
                });
            }
        }
        means.push((c, (to_x(c), to_y(mean)), error));
        let (x, up, down) = (to_x(c), to_y(mean + error), to_y(mean - error));
        picture.line(vec![(x, up), (x, down)], colour, 2.0);
        picture.shapes.push(Shape::Dot {
            at: (x, to_y(mean)),
            radius: 5.0,
            colour,
            open: false,
            tip: format!("{}, {}: {}", conditions[c].0, series.name, quantity(mean)),
        });
    }
    if joined {
        means.sort_by(|a, b| a.1.0.total_cmp(&b.1.0));
        picture.line(
            means.into_iter().map(|(_, at, _)| at).collect(),
            colour,
            1.6,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(on_axis: bool) -> ConditionFigure {
        let series = |name: &str, by: f64| Series {
            name: name.to_owned(),
            values: (0..3)
                .map(|c| vec![by * f64::from(c), f64::NAN, 5.0])
                .collect(),
            dots: true,
        };
        let names = ["low", "a&b", "none"];
        let at = |k: usize| on_axis.then_some(0.5 * k as f64);
        ConditionFigure {
            title: "Example".to_owned(),
            axis: "level".to_owned(),
            conditions: (0..3).map(|k| (names[k].to_owned(), at(k))).collect(),
            panels: vec![Panel {
                label: "rate (Hz)".to_owned(),
                series: vec![series("one", 2.0), series("other_one", -3.0)],
            }],
        }
    }

    /// Values that are no numbers leave a gap and no trace in the picture; names are escaped and there.
    #[test]
    fn conditions_stand_under_their_names_or_on_an_axis() {
        let named = draw(&example(false)).to_svg();
        assert!(named.contains(">a&amp;b<"), "{named}");
        assert!(named.contains("other one") && named.contains("rate (Hz)"));
        let placed = draw(&example(true)).to_svg();
        assert!(placed.contains(">level<") && !placed.contains(">a&amp;b<"));
        for svg in [named, placed] {
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }

    #[test]
    fn same_values_and_no_trials_are_drawn() {
        let mut data = example(true);
        for series in &mut data.panels[0].series {
            series.values = vec![vec![], vec![2.0], vec![2.0, 2.0]];
        }
        assert!(!draw(&data).to_svg().contains("NaN"));
        data.conditions.truncate(1);
        data.panels[0]
            .series
            .iter_mut()
            .for_each(|s| s.values.truncate(1));
        assert!(!draw(&data).to_svg().contains("NaN"));
    }
}
