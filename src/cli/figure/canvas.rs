//! The picture as shapes in pixels, written as SVG text or painted as a PNG.

use std::fmt::Write as _;

use tiny_skia as skia;
use ttf_parser::{Face, GlyphId, OutlineBuilder};

use super::super::base64::base64;
use super::FigureError;

const REGULAR: &[u8] = include_bytes!("fonts/Inter-Regular.ttf");
const SEMIBOLD: &[u8] = include_bytes!("fonts/Inter-SemiBold.ttf");

/// Width of the picture [px]; the PNG has `PNG_SCALE` times as many.
pub(super) const WIDTH: f64 = 1600.0;
pub(super) const PNG_SCALE: f32 = 1.25;

pub(super) const INK: Rgb = Rgb(34, 34, 38);
pub(super) const GREY: Rgb = Rgb(96, 98, 104);
pub(super) const RULE: Rgb = Rgb(228, 229, 232);
pub(super) const AXIS: Rgb = Rgb(120, 122, 128);
const WHITE: Rgb = Rgb(255, 255, 255);
/// Plasma (van der Walt & Smith 2015) up to the point where a line on white still has a contrast of
/// 3:1: its lightness rises steadily, so the order survives every colour deficiency and grey paper.
const PLASMA: [Rgb; 8] = [
    Rgb(13, 8, 135),
    Rgb(65, 4, 157),
    Rgb(106, 0, 168),
    Rgb(143, 13, 164),
    Rgb(177, 42, 144),
    Rgb(204, 71, 120),
    Rgb(219, 87, 101),
    Rgb(229, 100, 82),
];

pub(super) type Point = (f64, f64);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rgb(pub(super) u8, pub(super) u8, pub(super) u8);

#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) at: Point,
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) anchor: Anchor,
    pub(super) colour: Rgb,
    /// Reads upwards instead of to the right.
    pub(super) upwards: bool,
    /// White rim that keeps a label readable over lines.
    pub(super) halo: bool,
    pub(super) text: String,
}

impl Text {
    pub(super) fn new(at: Point, size: f64, colour: Rgb, text: impl Into<String>) -> Self {
        let text = text.into();
        let anchor = Anchor::Start;
        Self {
            at,
            size,
            bold: false,
            anchor,
            colour,
            upwards: false,
            halo: false,
            text,
        }
    }

    pub(super) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(super) fn anchor(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Shape {
    Fill {
        points: Vec<Point>,
        colour: Rgb,
        opacity: f64,
    },
    Line {
        points: Vec<Point>,
        colour: Rgb,
        width: f64,
    },
    Dot {
        at: Point,
        radius: f64,
        colour: Rgb,
        /// A ring.
        open: bool,
        tip: String,
    },
    Text(Text),
}

/// What a dot or a ring is filled with, and colour and width of its edge.
fn look(colour: Rgb, open: bool) -> (Rgb, Rgb, f64) {
    match open {
        true => (WHITE, colour, 1.6),
        false => (colour, WHITE, 1.2),
    }
}

/// The finished layout.
pub(super) struct Picture {
    pub(super) height: f64,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) shapes: Vec<Shape>,
    pub(super) fonts: Fonts,
}

impl Picture {
    pub(super) fn fill(&mut self, (x, y): Point, (w, h): Point, colour: Rgb) {
        let points = vec![(x, y), (x + w, y), (x + w, y + h), (x, y + h)];
        self.shapes.push(Shape::Fill {
            points,
            colour,
            opacity: 1.0,
        });
    }

    pub(super) fn line(&mut self, points: Vec<Point>, colour: Rgb, width: f64) {
        self.shapes.push(Shape::Line {
            points,
            colour,
            width,
        });
    }

    pub(super) fn text(&mut self, text: Text) {
        self.shapes.push(Shape::Text(text));
    }

    pub(super) fn to_svg(&self) -> String {
        let (w, h) = (number(WIDTH), number(self.height));
        let mut s = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" \
             viewBox=\"0 0 {w} {h}\" role=\"img\">\n<title>{}</title>\n<desc>{}</desc>\n<style>\n",
            escape(&self.title),
            escape(&self.description)
        );
        for (weight, face) in [(400, REGULAR), (600, SEMIBOLD)] {
            s += "@font-face{font-family:Inter;font-weight:";
            let _ = write!(
                s,
                "{weight};src:url(data:font/ttf;base64,{})}}",
                base64(face)
            );
            s.push('\n');
        }
        s += "text{font-family:Inter,'Helvetica Neue',Arial,sans-serif;font-kerning:none}\n\
              polyline{fill:none;stroke-linejoin:round;stroke-linecap:round}\n</style>\n\
              <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
        for shape in &self.shapes {
            shape.to_svg(&mut s);
        }
        s + "</svg>\n"
    }

    pub(super) fn to_png(&self) -> Result<Vec<u8>, FigureError> {
        let width = (WIDTH as f32 * PNG_SCALE).round() as u32;
        let height = (self.height as f32 * PNG_SCALE).ceil() as u32;
        let failed = |reason: String| FigureError::Png {
            width,
            height,
            reason,
        };
        let mut pixels = skia::Pixmap::new(width, height)
            .ok_or_else(|| failed("not enough memory for the pixels".into()))?;
        pixels.fill(skia::Color::WHITE);
        for shape in &self.shapes {
            shape.paint(&mut pixels, &self.fonts);
        }
        pixels
            .encode_png()
            .map_err(|error| failed(error.to_string()))
    }
}

impl Shape {
    pub(super) fn to_svg(&self, s: &mut String) {
        // Writing to a String cannot fail.
        let _ = match self {
            Shape::Fill {
                points,
                colour,
                opacity,
            } => {
                let shade = if *opacity < 1.0 {
                    format!(" fill-opacity=\"{}\"", number(*opacity))
                } else {
                    String::new()
                };
                let points = coordinates(points);
                writeln!(
                    s,
                    "<polygon points=\"{points}\" fill=\"{}\"{shade}/>",
                    colour.hex()
                )
            }
            Shape::Line {
                points,
                colour,
                width,
            } => writeln!(
                s,
                "<polyline points=\"{}\" stroke=\"{}\" stroke-width=\"{}\"/>",
                coordinates(points),
                colour.hex(),
                number(*width)
            ),
            Shape::Dot {
                at,
                radius,
                colour,
                open,
                tip,
            } => {
                let (fill, stroke, width) = look(*colour, *open);
                writeln!(
                    s,
                    "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\" stroke=\"{}\" \
                     stroke-width=\"{}\"><title>{}</title></circle>",
                    number(at.0),
                    number(at.1),
                    number(*radius),
                    fill.hex(),
                    stroke.hex(),
                    number(width),
                    escape(tip)
                )
            }
            Shape::Text(t) => {
                let (x, y) = (number(t.at.0), number(t.at.1));
                let mut style = String::new();
                if t.bold {
                    style += " font-weight=\"600\"";
                }
                style += match t.anchor {
                    Anchor::Start => "",
                    Anchor::Middle => " text-anchor=\"middle\"",
                    Anchor::End => " text-anchor=\"end\"",
                };
                if t.upwards {
                    let _ = write!(style, " transform=\"rotate(-90 {x} {y})\"");
                }
                if t.halo {
                    style += " stroke=\"#ffffff\" stroke-width=\"3\" stroke-linejoin=\"round\" \
                              paint-order=\"stroke\"";
                }
                writeln!(
                    s,
                    "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\" fill=\"{}\"{style}>{}</text>",
                    number(t.size),
                    t.colour.hex(),
                    escape(&t.text)
                )
            }
        };
    }

    fn paint(&self, pixels: &mut skia::Pixmap, fonts: &Fonts) {
        match self {
            Shape::Fill {
                points,
                colour,
                opacity,
            } => {
                if let Some(path) = polygon(points, true) {
                    fill_path(pixels, &path, *colour, *opacity);
                }
            }
            Shape::Line {
                points,
                colour,
                width,
            } => {
                if let Some(path) = polygon(points, false) {
                    stroke_path(pixels, &path, *colour, *width);
                }
            }
            Shape::Dot {
                at,
                radius,
                colour,
                open,
                ..
            } => {
                let (x, y, r) = (at.0 as f32, at.1 as f32, *radius as f32);
                if let Some(path) = skia::PathBuilder::from_circle(x, y, r) {
                    let (fill, stroke, width) = look(*colour, *open);
                    fill_path(pixels, &path, fill, 1.0);
                    stroke_path(pixels, &path, stroke, width);
                }
            }
            Shape::Text(t) => {
                if let Some(path) = fonts.outline(t) {
                    if t.halo {
                        stroke_path(pixels, &path, WHITE, 3.0);
                    }
                    fill_path(pixels, &path, t.colour, 1.0);
                }
            }
        }
    }
}

fn polygon(points: &[Point], close: bool) -> Option<skia::Path> {
    let mut path = skia::PathBuilder::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        if i == 0 {
            path.move_to(x as f32, y as f32);
        } else {
            path.line_to(x as f32, y as f32);
        }
    }
    if close {
        path.close();
    }
    path.finish()
}

fn paint_of(colour: Rgb, opacity: f64) -> skia::Paint<'static> {
    let mut paint = skia::Paint::default();
    let alpha = (opacity * 255.0).round() as u8;
    paint.set_color_rgba8(colour.0, colour.1, colour.2, alpha);
    paint
}

fn fill_path(pixels: &mut skia::Pixmap, path: &skia::Path, colour: Rgb, opacity: f64) {
    let scale = skia::Transform::from_scale(PNG_SCALE, PNG_SCALE);
    pixels.fill_path(
        path,
        &paint_of(colour, opacity),
        skia::FillRule::Winding,
        scale,
        None,
    );
}

fn stroke_path(pixels: &mut skia::Pixmap, path: &skia::Path, colour: Rgb, width: f64) {
    let stroke = skia::Stroke {
        width: width as f32,
        line_cap: skia::LineCap::Round,
        line_join: skia::LineJoin::Round,
        ..skia::Stroke::default()
    };
    let scale = skia::Transform::from_scale(PNG_SCALE, PNG_SCALE);
    pixels.stroke_path(path, &paint_of(colour, 1.0), &stroke, scale, None);
}

impl Rgb {
    fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }

    /// A mixture of two colours with so much of the second, 0 to 1.
    pub(super) fn mixed(self, other: Rgb, part: f64) -> Self {
        let mix =
            |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
        Rgb(
            mix(self.0, other.0),
            mix(self.1, other.1),
            mix(self.2, other.2),
        )
    }

    /// Colour at `fraction` (0 to 1) of the hierarchy.
    pub(super) fn of_hierarchy(fraction: f64) -> Self {
        let last = (PLASMA.len() - 1) as f64;
        let at = fraction.clamp(0.0, 1.0) * last;
        let i = (at.floor() as usize).min(PLASMA.len() - 2);
        let (a, b, f) = (PLASMA[i], PLASMA[i + 1], at - i as f64);
        a.mixed(b, f)
    }
}

/// The two faces of the bundled font.
pub(super) struct Fonts {
    pub(super) regular: Face<'static>,
    pub(super) semibold: Face<'static>,
}

/// Collects glyph outlines into one path, at the pen and in the direction of the text.
struct Pen {
    path: skia::PathBuilder,
    origin: Point,
    advance: f64,
    scale: f64,
    upwards: bool,
}

impl Pen {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        let (u, v) = (
            self.advance + self.scale * f64::from(x),
            -self.scale * f64::from(y),
        );
        let (dx, dy) = if self.upwards { (v, -u) } else { (u, v) };
        ((self.origin.0 + dx) as f32, (self.origin.1 + dy) as f32)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2)) = (self.place(x1, y1), self.place(x2, y2));
        let (x, y) = self.place(x, y);
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

impl Fonts {
    pub(super) fn new() -> Self {
        let face = |bytes| Face::parse(bytes, 0).expect("the bundled font is valid");
        Self {
            regular: face(REGULAR),
            semibold: face(SEMIBOLD),
        }
    }

    /// Glyphs with their advances [px].
    fn glyphs<'a>(
        &'a self,
        text: &'a str,
        size: f64,
        bold: bool,
    ) -> impl Iterator<Item = (GlyphId, f64)> + 'a {
        let face = if bold { &self.semibold } else { &self.regular };
        let scale = size / f64::from(face.units_per_em());
        text.chars().map(move |c| {
            let c = if c.is_control() { ' ' } else { c };
            let glyph = face.glyph_index(c).unwrap_or(GlyphId(0));
            (
                glyph,
                scale * f64::from(face.glyph_hor_advance(glyph).unwrap_or(0)),
            )
        })
    }

    /// Width of a line of text [px].
    pub(super) fn width(&self, text: &str, size: f64, bold: bool) -> f64 {
        self.glyphs(text, size, bold)
            .map(|(_, advance)| advance)
            .sum()
    }

    fn outline(&self, t: &Text) -> Option<skia::Path> {
        let face = if t.bold {
            &self.semibold
        } else {
            &self.regular
        };
        let width = self.width(&t.text, t.size, t.bold);
        let advance = match t.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
            Anchor::End => -width,
        };
        let scale = t.size / f64::from(face.units_per_em());
        let path = skia::PathBuilder::new();
        let mut pen = Pen {
            path,
            origin: t.at,
            advance,
            scale,
            upwards: t.upwards,
        };
        for (glyph, advance) in self.glyphs(&t.text, t.size, t.bold) {
            face.outline_glyph(glyph, &mut pen);
            pen.advance += advance;
        }
        pen.path.finish()
    }

    /// The text, shortened with an ellipsis to at most `width` [px].
    pub(super) fn shorten(&self, text: &str, size: f64, bold: bool, width: f64) -> String {
        if self.width(text, size, bold) <= width {
            return text.to_owned();
        }
        let mut room = width - self.width("…", size, bold);
        let mut kept: String = text
            .chars()
            .zip(self.glyphs(text, size, bold))
            .take_while(|(_, (_, advance))| {
                room -= advance;
                room >= 0.0
            })
            .map(|(c, _)| c)
            .collect();
        kept.truncate(kept.trim_end().len());
        kept + "…"
    }

    /// The text in lines of at most `width` [px]; what does not fit on `lines` ends in an ellipsis.
    pub(super) fn wrap(&self, text: &str, size: f64, width: f64, lines: usize) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match out.last_mut() {
                Some(line) if self.width(&format!("{line} {word}"), size, false) <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => out.push(word.to_owned()),
            }
        }
        if out.len() > lines {
            let rest = out.split_off(lines.max(1) - 1).join(" ");
            out.push(rest);
        }
        out.iter()
            .map(|line| self.shorten(line, size, false, width))
            .collect()
    }
}

/// Text as it may stand in SVG: markup escaped, control characters (which XML forbids) blank.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A coordinate with at most two decimals.
fn number(v: f64) -> String {
    let text = format!("{v:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

fn coordinates(points: &[Point]) -> String {
    let mut out = String::with_capacity(12 * points.len());
    for (i, (x, y)) in points.iter().enumerate() {
        let space = if i == 0 { "" } else { " " };
        let _ = write!(out, "{space}{},{}", number(*x), number(*y));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Rgb {
        fn luminance(self) -> f64 {
            let linear = |v: u8| {
                let v = f64::from(v) / 255.0;
                if v <= 0.040_45 {
                    v / 12.92
                } else {
                    ((v + 0.055) / 1.055).powf(2.4)
                }
            };
            0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
        }

        /// Contrast ratio of a lighter and a darker colour, as web accessibility defines it.
        pub(in super::super) fn contrast(self, darker: Rgb) -> f64 {
            (self.luminance() + 0.05) / (darker.luminance() + 0.05)
        }
    }

    #[test]
    fn colours_stand_out_and_keep_their_order_in_grey() {
        let colours = (0..=20).map(|i| Rgb::of_hierarchy(f64::from(i) / 20.0));
        let colours: Vec<Rgb> = colours.collect();
        assert!(colours.iter().all(|c| WHITE.contrast(*c) >= 3.0));
        assert!(
            colours
                .windows(2)
                .all(|w| w[0].luminance() < w[1].luminance())
        );
        assert!(WHITE.contrast(GREY) >= 4.5 && WHITE.contrast(AXIS) >= 3.0);
    }

    #[test]
    fn long_texts_are_shortened_to_their_room() {
        let fonts = Fonts::new();
        let long = "a very long sentence that goes on and on ".repeat(40);
        let lines = fonts.wrap(&long, 12.5, 300.0, 3);
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|l| fonts.width(l, 12.5, false) <= 300.0));
        assert!(lines[2].ends_with('…') && !lines[0].ends_with('…'));
        assert_eq!(fonts.wrap("two words", 12.5, 300.0, 3), ["two words"]);
    }

    #[test]
    fn the_font_has_every_sign_of_the_figure() {
        let fonts = Fonts::new();
        for letter in "AÅéρτµ²⁻⁰¹³⁴⁵⁶⁷⁸⁹×−…·\u{b7}9/".chars() {
            for face in [&fonts.regular, &fonts.semibold] {
                assert!(
                    face.glyph_index(letter).is_some(),
                    "{letter} is in the font"
                );
            }
        }
    }

    #[test]
    fn svg_parts_are_written_by_the_book() {
        assert_eq!(
            [-0.001, 12.5, 3.0, 0.126].map(number),
            ["0", "12.5", "3", "0.13"]
        );
        assert_eq!(escape("a<b>&\"'\u{7}"), "a&lt;b&gt;&amp;&quot;&#39; ");
        assert_eq!(coordinates(&[(1.0, 2.0), (3.5, -4.0)]), "1,2 3.5,-4");
    }

    #[test]
    fn text_is_painted_where_its_anchor_says() {
        let fonts = Fonts::new();
        let text = Text::new((100.0, 50.0), 20.0, INK, "HH");
        let width = fonts.width("HH", 20.0, false) as f32;
        let left = |t: Text| fonts.outline(&t).expect("an outline").bounds().left();
        let start = left(text.clone());
        assert!((left(text.clone().anchor(Anchor::End)) - (start - width)).abs() < 1e-3);
        assert!((left(text.clone().anchor(Anchor::Middle)) - (start - width / 2.0)).abs() < 1e-3);
        let up = fonts
            .outline(&Text {
                upwards: true,
                ..text
            })
            .expect("an outline")
            .bounds();
        assert!(up.bottom() <= 50.0 && up.right() <= 100.1 && up.height() > up.width());
    }
}
