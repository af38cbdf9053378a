//! The conditions of a sweep: all combinations of the points of its axes.

use crate::rng::{Keys, Site, uniform_pairs};
use crate::spec::SweepSpec;
use crate::spec::sweep::Points;

/// Key paths that vary together, with their values.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Key paths.
    pub paths: Vec<String>,
    /// Values as typed, \[point\]\[path\].
    pub points: Vec<Vec<String>>,
}

/// The axes of a sweep, slowest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// The axes.
    pub axes: Vec<Axis>,
}

impl Design {
    /// Draws what is random.
    #[must_use]
    pub fn new(spec: &SweepSpec) -> Design {
        let of = |points: &Points, paths: &[String]| match points {
            Points::Listed(points) => points.clone(),
            Points::Random {
                count,
                seed,
                ranges,
            } => {
                let keys = Keys::new(*seed);
                let number = |point: u32, path: &str| {
                    // By the name of the path: another path or a higher count moves no point.
                    let site = [Site::new("sweep", path, "random").0];
                    uniform_pairs::<1>(&keys, point, &site, &[0]).1[0]
                };
                let point = |k: u32| {
                    let each = ranges.iter().zip(paths);
                    each.map(|(range, path)| range.at(number(k, path), 1.0))
                        .collect()
                };
                (0..*count).map(point).collect()
            }
            Points::Sobol {
                count,
                seed,
                ranges,
            } => {
                let number = |k: u32, d: usize| f64::from(sobol_burley::sample(k, d as u32, *seed));
                let point = |k: u32| {
                    let each = ranges.iter().enumerate();
                    each.map(|(d, range)| range.at(number(k, d), 1.0)).collect()
                };
                (0..*count).map(point).collect()
            }
        };
        let axes = spec.axes.iter().map(|axis| Axis {
            paths: axis.paths.clone(),
            points: of(&axis.points, &axis.paths),
        });
        Design {
            axes: axes.collect(),
        }
    }

    /// Number of conditions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.axes.iter().map(|axis| axis.points.len()).product()
    }

    /// Whether there is no condition; a sweep is refused before that.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The point of each axis in a condition.
    #[must_use]
    pub fn points(&self, condition: usize) -> Vec<usize> {
        let mut rest = condition;
        let mut at: Vec<usize> = (self.axes.iter().rev())
            .map(|axis| {
                let point = rest % axis.points.len();
                rest /= axis.points.len();
                point
            })
            .collect();
        at.reverse();
        at
    }

    /// The overrides of a condition, `path=value`.
    #[must_use]
    pub fn sets(&self, condition: usize) -> Vec<String> {
        let points = self.points(condition);
        let of = |(axis, at): (&Axis, usize)| -> Vec<String> {
            let both = axis.paths.iter().zip(&axis.points[at]);
            both.map(|(path, value)| format!("{path}={value}"))
                .collect()
        };
        self.axes.iter().zip(points).flat_map(of).collect()
    }

    /// Conditions that show every point of every axis once, beside the first points of the others.
    pub fn one_by_one(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.axes.len()).flat_map(|k| {
            let stride: usize = self.axes[k + 1..].iter().map(|a| a.points.len()).product();
            (0..self.axes[k].points.len()).map(move |point| point * stride)
        })
    }

    /// Values of a key path by condition, `of` one axis and one of its paths.
    pub fn column(&self, axis: usize, path: usize) -> impl Iterator<Item = &str> + '_ {
        let of = move |condition: usize| {
            let at = self.points(condition)[axis];
            self.axes[axis].points[at][path].as_str()
        };
        (0..self.len()).map(of)
    }

    /// The axes as one JSON text.
    #[must_use]
    pub fn canonical(&self) -> String {
        let axis = |a: &Axis| serde_json::json!({"paths": a.paths, "points": a.points});
        serde_json::Value::from_iter(self.axes.iter().map(axis)).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::sweep::{AxisSpec, Range};

    fn design(points: Points, paths: &[&str]) -> Design {
        let axis = AxisSpec {
            paths: paths.iter().map(|&p| p.to_owned()).collect(),
            points,
        };
        Design::new(&SweepSpec {
            axes: vec![axis],
            keep_activity: false,
        })
    }

    fn unit() -> Range {
        Range {
            from: 0.0,
            to: 1.0,
            unit: String::new(),
            log: false,
        }
    }

    #[test]
    fn conditions_are_all_combinations_the_first_axis_slowest() {
        let axis = |path: &str, values: &[&str]| Axis {
            paths: vec![path.to_owned()],
            points: values.iter().map(|&v| vec![v.to_owned()]).collect(),
        };
        let design = Design {
            axes: vec![axis("a", &["1", "2"]), axis("b", &["x", "y", "z"])],
        };
        assert_eq!(design.len(), 6);
        assert_eq!(design.sets(0), ["a=1", "b=x"]);
        assert_eq!(design.sets(2), ["a=1", "b=z"]);
        assert_eq!(design.sets(3), ["a=2", "b=x"]);
        assert_eq!(design.one_by_one().collect::<Vec<_>>(), [0, 3, 0, 1, 2]);
        let column: Vec<&str> = design.column(1, 0).collect();
        assert_eq!(column, ["x", "y", "z", "x", "y", "z"]);
    }

    #[test]
    fn random_points_keep_their_place() {
        let of = |count: u32, paths: &[&str]| {
            let ranges = paths.iter().map(|_| unit()).collect();
            design(
                Points::Random {
                    count,
                    seed: 5,
                    ranges,
                },
                paths,
            )
        };
        let few = of(3, &["a"]);
        let many = of(100, &["b", "a"]);
        for k in 0..3 {
            assert_eq!(few.axes[0].points[k][0], many.axes[0].points[k][1]);
        }
        let mean: f64 = many
            .column(0, 0)
            .map(|x| x.parse::<f64>().unwrap())
            .sum::<f64>()
            / 100.0;
        // Six standard errors of the mean of a hundred uniform numbers.
        assert!(
            (mean - 0.5).abs() < 6.0 * (1.0_f64 / 1200.0).sqrt(),
            "{mean}"
        );
    }

    #[test]
    fn sobol_points_fill_every_quarter_alike() {
        let of = Points::Sobol {
            count: 64,
            seed: 1,
            ranges: vec![unit(), unit()],
        };
        let design = design(of, &["a", "b"]);
        let mut boxes = [0; 64];
        for point in &design.axes[0].points {
            let at: Vec<usize> = (point.iter())
                .map(|x| (x.parse::<f64>().unwrap() * 8.0) as usize)
                .collect();
            boxes[at[0] * 8 + at[1]] += 1;
        }
        // A net of 64 points in two dimensions: one in each box of 8 x 8.
        assert_eq!(boxes, [1; 64]);
    }
}
