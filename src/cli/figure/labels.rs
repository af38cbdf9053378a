//! Names beside points, placed so that they hide nothing.

use super::canvas::Point;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) w: f64,
    pub(super) h: f64,
}

impl Rect {
    fn meets(&self, other: &Rect) -> bool {
        self.x < other.x + other.w
            && other.x < self.x + self.w
            && self.y < other.y + other.h
            && other.y < self.y + self.h
    }

    fn nearest(&self, (x, y): Point) -> Point {
        (
            x.clamp(self.x, self.x + self.w),
            y.clamp(self.y, self.y + self.h),
        )
    }

    fn meets_line(&self, a: Point, b: Point) -> bool {
        (0..=16).map(|i| f64::from(i) / 16.0).any(|f| {
            let (x, y) = (a.0 + f * (b.0 - a.0), a.1 + f * (b.1 - a.1));
            self.nearest((x, y)) == (x, y)
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Label {
    pub(super) space: Rect,
    /// Where its leader touches it.
    pub(super) end: Point,
    /// Distance from its point beyond the nearest place [px].
    pub(super) away: f64,
}

pub(super) const LABEL_SIZE: f64 = 12.5;
pub(super) const DOT: f64 = 6.0;
/// Cost from which a label covers something else.
const HIDES: f64 = 300.0;
/// How far a label may stand from its point beyond the nearest place [px].
const REACHES: [f64; 8] = [0.0, 4.0, 9.0, 15.0, 22.0, 30.0, 40.0, 52.0];

fn distance(a: Point, b: Point) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

/// Distance from a point to a line between two points.
pub(super) fn distance_to_line(p: Point, a: Point, b: Point) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let f = ((p.0 - a.0) * dx + (p.1 - a.1) * dy) / (dx * dx + dy * dy).max(1e-9);
    let f = f.clamp(0.0, 1.0);
    distance(p, (a.0 + f * dx, a.1 + f * dy))
}

fn lines_cross(a: Point, b: Point, c: Point, d: Point) -> bool {
    let side = |p: Point, q: Point, r: Point| (q.0 - p.0) * (r.1 - p.1) - (q.1 - p.1) * (r.0 - p.0);
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}

/// A place for the label of each point, `None` where there is no free one.
///
/// Each label tries places around its point, nearest first; the cheapest counts distance, and dots,
/// labels and leaders that it would touch. A few rounds over all labels let each answer the others.
pub(super) fn place_labels(points: &[Point], widths: &[f64], inside: Rect) -> Vec<Option<Label>> {
    let n = points.len();
    let crowd = |i: usize| {
        points
            .iter()
            .filter(|p| distance(**p, points[i]) < 60.0)
            .count()
    };
    let mut order: Vec<(usize, usize)> = (0..n).map(|i| (crowd(i), i)).collect();
    order.sort_by(|a, b| b.cmp(a));
    let mut labels: Vec<Option<Label>> = vec![None; n];
    // Only points this near can have a label or a leader in common.
    let reach = DOT + 2.0 + REACHES[REACHES.len() - 1];
    let across = 2.0 * (reach + widths.iter().copied().fold(0.0, f64::max));
    let near = |a: Point, b: Point| {
        (a.0 - b.0).abs() <= across && (a.1 - b.1).abs() <= 2.0 * (reach + LABEL_SIZE + 1.0)
    };
    let others = |i: usize| {
        (0..n)
            .filter(|j| *j != i && near(points[i], points[*j]))
            .collect()
    };
    let others: Vec<Vec<usize>> = (0..n).map(others).collect();
    let best = |i: usize, labels: &[Option<Label>]| {
        candidates(points[i], widths[i], &inside)
            .map(|label| (cost(&label, points[i], &others[i], points, labels), label))
            .min_by(|a, b| a.0.total_cmp(&b.0))
    };
    for _round in 0..6 {
        let before = labels.clone();
        for &(_, i) in &order {
            labels[i] = None;
            labels[i] = best(i, &labels).map(|(_, label)| label);
        }
        if labels == before {
            break;
        }
    }
    // A label that hides a dot, a label or a leader says less than none: the most crowded go first.
    for &(_, i) in &order {
        let hides = |l: &Label| cost(l, points[i], &others[i], points, &labels) >= HIDES;
        labels[i] = labels[i].filter(|label| !hides(label));
    }
    // What they leave is for the others, and for those of them that now fit.
    for &(_, i) in order.iter().rev() {
        labels[i] = None;
        labels[i] = best(i, &labels)
            .filter(|(cost, _)| *cost < HIDES)
            .map(|(_, label)| label);
    }
    labels
}

fn candidates(p: Point, width: f64, inside: &Rect) -> impl Iterator<Item = Label> {
    let inside = *inside;
    let height = LABEL_SIZE + 1.0;
    let places = REACHES
        .into_iter()
        .flat_map(|away| (0..24).map(move |k| (away, k)));
    places.filter_map(move |(away, k)| {
        let (sin, cos) = (f64::from(k) * std::f64::consts::TAU / 24.0).sin_cos();
        let reach = DOT + 2.0 + away;
        let x = p.0 + cos * reach + (cos * 1.4).clamp(-1.0, 1.0) * width / 2.0 - width / 2.0;
        let y = p.1 + sin * reach + (sin * 1.4).clamp(-1.0, 1.0) * height / 2.0 - height / 2.0;
        let space = Rect {
            x,
            y,
            w: width,
            h: height,
        };
        let fits = x >= inside.x
            && y >= inside.y
            && x + width <= inside.x + inside.w
            && y + height <= inside.y + inside.h;
        fits.then(|| Label {
            space,
            end: space.nearest(p),
            away,
        })
    })
}

fn cost(
    label: &Label,
    from: Point,
    others: &[usize],
    points: &[Point],
    labels: &[Option<Label>],
) -> f64 {
    // A place to the right reads best, above and below worst.
    let centre = (
        label.space.x + label.space.w / 2.0,
        label.space.y + label.space.h / 2.0,
    );
    let mut sum = label.away + if centre.0 < from.0 { 1.5 } else { 0.0 };
    sum += 3.0 * (centre.1 - from.1).abs() / distance(centre, from).max(1.0);
    for &j in others {
        let p = points[j];
        let gap = distance(label.space.nearest(p), p);
        if gap < DOT + 1.0 {
            sum += 400.0;
        } else if gap < DOT + 4.0 {
            sum += 4.0;
        }
        if label.away > 0.0 && distance_to_line(p, from, label.end) < DOT + 1.0 {
            sum += HIDES / 2.0;
        }
        let Some(other) = labels[j] else { continue };
        if label.space.meets(&other.space) {
            sum += 1000.0;
        }
        if label.space.meets_line(p, other.end) || other.space.meets_line(from, label.end) {
            sum += HIDES;
        }
        if lines_cross(from, label.end, p, other.end) {
            sum += HIDES / 2.0;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Rect = Rect {
        x: 0.0,
        y: 0.0,
        w: 500.0,
        h: 500.0,
    };

    #[test]
    fn labels_of_a_crowd_hide_nothing() {
        // A golden spiral: 30 points in a disc, as even and as close as points can be.
        let points: Vec<Point> = (0..30)
            .map(|i| {
                let (r, turn) = (18.0 * f64::from(i).sqrt(), 2.399_963 * f64::from(i));
                (250.0 + r * turn.cos(), 250.0 + r * turn.sin())
            })
            .collect();
        let labels = place_labels(&points, &[34.0; 30], FRAME);
        let placed: Vec<Rect> = labels.iter().flatten().map(|l| l.space).collect();
        assert!(placed.len() >= 20, "{} of 30 placed", placed.len());
        for (i, a) in placed.iter().enumerate() {
            assert!(placed[i + 1..].iter().all(|b| !a.meets(b)));
            assert!(points.iter().all(|p| distance(a.nearest(*p), *p) >= DOT));
            assert!(a.x >= 0.0 && a.x + a.w <= 500.0 && a.y >= 0.0 && a.y + a.h <= 500.0);
        }
    }

    #[test]
    fn a_lone_label_stands_to_the_right_and_a_heap_is_thinned() {
        let lone = place_labels(&[(50.0, 50.0)], &[30.0], FRAME)[0].expect("a place");
        assert!(lone.space.x > 50.0 && lone.away == 0.0);
        let edge = place_labels(&[(495.0, 50.0)], &[30.0], FRAME)[0].expect("a place");
        assert!(edge.space.x + edge.space.w < 495.0);
        let heap = place_labels(&[(50.0, 50.0); 60], &[30.0; 60], FRAME);
        assert!(
            heap.iter().any(Option::is_none),
            "no room for 60 labels at one point"
        );
        assert!(place_labels(&[(5.0, 5.0)], &[900.0], FRAME)[0].is_none());
        assert!(place_labels(&[], &[], FRAME).is_empty());
    }

    #[test]
    fn geometry() {
        assert!(lines_cross((0.0, 0.0), (2.0, 2.0), (0.0, 2.0), (2.0, 0.0)));
        assert!(!lines_cross((0.0, 0.0), (2.0, 2.0), (0.0, 1.0), (0.4, 0.9)));
        assert_eq!(distance_to_line((1.0, 3.0), (0.0, 0.0), (2.0, 0.0)), 3.0);
        assert_eq!(distance_to_line((5.0, 4.0), (2.0, 0.0), (2.0, 0.0)), 5.0);
        let space = Rect {
            x: 1.0,
            y: 1.0,
            w: 2.0,
            h: 1.0,
        };
        assert!(space.meets_line((0.0, 0.0), (4.0, 2.5)));
        assert!(!space.meets_line((0.0, 3.0), (4.0, 3.0)));
    }
}
