//! The feedforward network that does in one pass what a recurrent network does in T steps (van Bergen &
//! Kriegeskorte 2020, Curr Opin Neurobiol 65:176).
//!
//! A node is one area at one step. Weights are those of the recurrent network, the same at every step;
//! the leak is a link of a node to the same area one step on. Synchronous: every area receives all
//! areas one step before, and a layer is a step. Sweep: lower areas are received at the same step.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::Misfit;
use super::rnn::Rnn;

/// Which activity an area receives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// That of all areas one step before.
    #[default]
    Synchronous,
    /// That of lower areas at the same step, of itself and higher ones one step before.
    Sweep,
}

/// One area at one step.
#[derive(Debug, Clone)]
struct Node {
    step: usize,
    area: usize,
    /// The nodes that send, by their area.
    from: BTreeMap<usize, usize>,
    /// The same area one step before, which the leak carries on.
    before: Option<usize>,
}

/// The feedforward network; nodes stand in an order in which each comes after those it receives.
#[derive(Debug, Clone)]
pub struct Unrolled<'a> {
    rnn: &'a Rnn,
    steps: usize,
    nodes: Vec<Node>,
}

/// What the feedforward network costs beside the recurrent one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Nodes on the longest path, over links that are not 0 and leaks.
    pub depth: usize,
    /// Weights that are not 0 and biases, shared between steps: those of the recurrent network.
    pub tied: usize,
    /// The same where every step has its own.
    pub untied: usize,
    /// Products and sums of weights in one pass; as many in that many steps of the recurrent network.
    pub operations: usize,
    /// Activities that are held at once.
    pub activities: usize,
}

impl<'a> Unrolled<'a> {
    /// Unrolls so many steps.
    #[must_use]
    pub fn new(rnn: &'a Rnn, steps: usize, form: Form) -> Self {
        let areas = rnn.n_areas();
        let mut nodes = Vec::with_capacity(steps * areas);
        for step in 0..steps {
            for area in 0..areas {
                let from = (0..areas)
                    .filter(|&a| rnn.is_linked(area, a))
                    .filter_map(|sender| match form == Form::Sweep && sender < area {
                        true => Some((sender, step * areas + sender)),
                        false => Some((sender, step.checked_sub(1)? * areas + sender)),
                    });
                let keeps = rnn.area(area).any(|i| rnn.units()[i].alpha < 1.0);
                let before = step.checked_sub(1).map(|s| s * areas + area);
                nodes.push(Node {
                    step,
                    area,
                    from: from.collect(),
                    before: before.filter(|_| keeps),
                });
            }
        }
        Unrolled { rnn, steps, nodes }
    }

    /// One pass: activity of every step [step, unit], from a start and inputs [step, channel].
    ///
    /// # Errors
    /// Inputs or start of another size.
    pub fn pass(
        &self,
        start: ArrayView1<'_, f64>,
        inputs: ArrayView2<'_, f64>,
    ) -> Result<Array2<f64>, Misfit> {
        self.rnn.check(start, inputs)?;
        if inputs.nrows() != self.steps {
            let message = format!(
                "inputs: found {} steps, expected {}, those that were unrolled",
                inputs.nrows(),
                self.steps
            );
            return Err(Misfit(message));
        }
        let area_of: Vec<usize> = (0..self.rnn.n_areas())
            .flat_map(|area| self.rnn.area(area).map(move |_| area))
            .collect();
        // What each node gives, node by node: nothing is overwritten.
        let mut given: Vec<Vec<f64>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let units = self.rnn.area(node.area);
            let of = |source: Option<usize>, unit: usize| match source {
                Some(n) => given[n][unit - self.rnn.area(self.nodes[n].area).start],
                None => start[unit],
            };
            let out = units.map(|i| {
                let own = of(node.before, i);
                let sent = |j: usize| of(node.from.get(&area_of[j]).copied(), j);
                self.rnn.respond(i, own, sent, inputs.row(node.step))
            });
            let out = out.collect();
            given.push(out);
        }
        let mut states = Array2::zeros((self.steps, self.rnn.n_units()));
        for (node, values) in self.nodes.iter().zip(&given) {
            for (i, a) in self.rnn.area(node.area).zip(values) {
                states[[node.step, i]] = *a;
            }
        }
        Ok(states)
    }

    /// What it costs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let mut depth = vec![1; self.nodes.len()];
        for (k, node) in self.nodes.iter().enumerate() {
            let sources = node.from.values().chain(&node.before);
            depth[k] = sources.map(|&s| depth[s] + 1).max().unwrap_or(1);
        }
        let weights = self.rnn.recurrent().iter().chain(self.rnn.input());
        let weights = weights.filter(|w| **w != 0.0).count();
        let tied = weights + self.rnn.n_units();
        Cost {
            depth: depth.into_iter().max().unwrap_or(0),
            tied,
            untied: self.steps * tied,
            operations: self.steps * 2 * weights,
            activities: self.steps * self.rnn.n_units(),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;

    use super::super::Draws;
    use super::super::rnn::{Leak, Nonlinearity, Unit};
    use super::*;

    fn unit(nonlinearity: Nonlinearity, alpha: f64, leak: Leak) -> Unit {
        Unit {
            nonlinearity,
            alpha,
            leak,
            bias: 0.0,
        }
    }

    fn uniform(draws: &mut Draws) -> f64 {
        draws.below(2_000_001) as f64 / 1e6 - 1.0
    }

    /// Random weights of about unit gain, in `areas` areas of `size`, where `linked` says so.
    fn random(areas: usize, size: usize, of: Unit, linked: fn(usize, usize) -> bool) -> Rnn {
        let mut draws = Draws::new(1, "test");
        let n = areas * size;
        let scale = 2.0 / (n as f64).sqrt();
        let mut w = |i: usize, j: usize| match linked(i / size, j / size) {
            true => scale * uniform(&mut draws),
            false => 0.0,
        };
        let recurrent = Array2::from_shape_fn((n, n), |(i, j)| w(i, j));
        let input = Array2::from_shape_fn((n, 3), |(i, j)| f64::from(u8::from(i % 3 == j)));
        let units = (0..n)
            .map(|i| Unit {
                bias: 0.01 * i as f64,
                ..of
            })
            .collect();
        Rnn::new(units, recurrent, input, &vec![size; areas]).unwrap()
    }

    fn inputs(steps: usize) -> Array2<f64> {
        let mut draws = Draws::new(2, "test");
        Array2::from_shape_fn((steps, 3), |_| uniform(&mut draws))
    }

    /// 200 units, 50 steps: not a bit differs, in both forms and with both leaks.
    #[test]
    fn a_pass_gives_what_the_steps_give() {
        for leak in [Leak::Outside, Leak::Inside] {
            for form in [Form::Synchronous, Form::Sweep] {
                let rnn = random(4, 50, unit(Nonlinearity::Tanh, 0.2, leak), |_, _| true);
                let start = Array1::from_elem(200, 0.1);
                let x = inputs(50);
                let steps = rnn.run(start.view(), x.view(), form).unwrap();
                let pass = Unrolled::new(&rnn, 50, form)
                    .pass(start.view(), x.view())
                    .unwrap();
                assert!(steps.iter().any(|a| a.abs() > 0.1));
                assert_eq!(steps, pass);
            }
        }
    }

    #[test]
    fn without_recurrence_a_step_knows_its_own_input_only() {
        let rnn = random(
            2,
            5,
            unit(Nonlinearity::Relu, 1.0, Leak::Outside),
            |_, _| false,
        );
        let zero = Array1::zeros(10);
        let x = inputs(6);
        let whole = rnn.run(zero.view(), x.view(), Form::Synchronous).unwrap();
        let last = x.slice(ndarray::s![5.., ..]);
        let alone = Unrolled::new(&rnn, 1, Form::Synchronous)
            .pass(zero.view(), last)
            .unwrap();
        assert_eq!(whole.row(5), alone.row(0));
        assert_eq!(Unrolled::new(&rnn, 6, Form::Synchronous).cost().depth, 1);
    }

    #[test]
    fn a_network_cut_short_differs_unless_history_is_zero() {
        let rnn = random(
            2,
            5,
            unit(Nonlinearity::Tanh, 0.5, Leak::Outside),
            |_, _| true,
        );
        let zero = Array1::zeros(10);
        let x = inputs(6);
        let whole = rnn.run(zero.view(), x.view(), Form::Synchronous).unwrap();
        let late = x.slice(ndarray::s![3.., ..]);
        let cut = Unrolled::new(&rnn, 3, Form::Synchronous);
        assert_ne!(whole.row(5), cut.pass(zero.view(), late).unwrap().row(2));
        let carried = cut.pass(whole.row(2), late).unwrap();
        assert_eq!(whole.row(5), carried.row(2));
    }

    /// Areas in a strict order, no leak: after as many steps as areas, constant input gives what the
    /// static feedforward network gives, which a sweep computes in one step.
    #[test]
    fn a_hierarchy_without_feedback_is_feedforward() {
        let rnn = random(
            4,
            6,
            unit(Nonlinearity::Tanh, 1.0, Leak::Outside),
            |to, from| to > from,
        );
        let zero = Array1::zeros(24);
        let x = Array2::from_elem((4, 3), 0.7);
        let steps = rnn.run(zero.view(), x.view(), Form::Synchronous).unwrap();
        let once = rnn.sweep(zero.view(), x.row(0));
        assert_eq!(steps.row(3), once);
        assert_ne!(steps.row(2), once);
    }

    /// Longest paths of 3 areas and 3 steps, and of 4 and 5, with lateral links, feedback by one
    /// level, feedback to all.
    #[test]
    fn depths_of_a_sweep() {
        let of = unit(Nonlinearity::Tanh, 1.0, Leak::Outside);
        let kinds: [fn(usize, usize) -> bool; 3] = [
            |to, from| to == from || to == from + 1,
            |to, from| to == from || to == from + 1 || to + 1 == from,
            |to, from| to == from || to == from + 1 || to < from,
        ];
        for (areas, steps, depths) in [(3, 3, [5, 7, 9]), (4, 5, [8, 12, 20])] {
            for (kind, depth) in kinds.into_iter().zip(depths) {
                let rnn = random(areas, 2, of, kind);
                assert_eq!(Unrolled::new(&rnn, steps, Form::Sweep).cost().depth, depth);
                assert_eq!(
                    Unrolled::new(&rnn, steps, Form::Synchronous).cost().depth,
                    steps
                );
            }
        }
    }

    #[test]
    fn weights_are_shared_or_repeated() {
        let rnn = random(
            2,
            5,
            unit(Nonlinearity::Tanh, 0.5, Leak::Outside),
            |_, _| true,
        );
        let cost = Unrolled::new(&rnn, 7, Form::Synchronous).cost();
        assert_eq!((cost.tied, cost.untied), (100 + 10 + 10, 7 * 120));
        assert_eq!((cost.operations, cost.activities), (7 * 2 * 110, 70));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let rnn = random(
            2,
            5,
            unit(Nonlinearity::Tanh, 0.5, Leak::Outside),
            |_, _| true,
        );
        let zero = Array1::zeros(10);
        let found = Unrolled::new(&rnn, 7, Form::Sweep).pass(zero.view(), inputs(6).view());
        assert!(found.unwrap_err().0.contains("found 6 steps, expected 7"));
        let units = rnn.units().to_vec();
        let made = Rnn::new(units, Array2::zeros((3, 3)), Array2::zeros((10, 1)), &[10]);
        assert!(
            made.unwrap_err()
                .0
                .contains("found shape (3, 3), expected (10, 10)")
        );
    }
}
