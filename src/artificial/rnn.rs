//! Leaky and Elman networks, step by step.
//!
//! Arrays are those of the field: rows receive, columns send.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::Misfit;

/// The function f of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nonlinearity {
    /// u.
    Identity,
    /// max(u, 0).
    Relu,
    /// max(u, 0)^2.
    Square,
    /// tanh(u).
    Tanh,
    /// 1 / (1 + e^(-u)).
    Logistic,
    /// ln(1 + e^u).
    Softplus,
    /// 1 above 0, else -1.
    Sign,
}

impl Nonlinearity {
    /// All of them, in the order of the parameters `c_...` of the circuit `leaky_rnn`.
    pub const ALL: [Nonlinearity; 7] = [
        Nonlinearity::Identity,
        Nonlinearity::Relu,
        Nonlinearity::Square,
        Nonlinearity::Tanh,
        Nonlinearity::Logistic,
        Nonlinearity::Softplus,
        Nonlinearity::Sign,
    ];

    /// Name in a config; `c_` before it names the parameter of the circuit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Nonlinearity::Identity => "identity",
            Nonlinearity::Relu => "relu",
            Nonlinearity::Square => "square",
            Nonlinearity::Tanh => "tanh",
            Nonlinearity::Logistic => "logistic",
            Nonlinearity::Softplus => "softplus",
            Nonlinearity::Sign => "sign",
        }
    }

    /// f(u).
    #[must_use]
    pub fn of(self, u: f64) -> f64 {
        match self {
            Nonlinearity::Identity => u,
            Nonlinearity::Relu => u.max(0.0),
            Nonlinearity::Square => u.max(0.0).powi(2),
            Nonlinearity::Tanh => u.tanh(),
            Nonlinearity::Logistic => 1.0 / (1.0 + (-u).exp()),
            Nonlinearity::Softplus => u.max(0.0) + (-u.abs()).exp().ln_1p(),
            Nonlinearity::Sign => {
                if u > 0.0 {
                    1.0
                } else {
                    -1.0
                }
            }
        }
    }
}

/// Where the leak stands. The forms are different models, equal at alpha = 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leak {
    /// a <- (1 - alpha) a + alpha f(W a + W_x x + b).
    Outside,
    /// a <- f((1 - alpha) a + alpha (W a + W_x x + b)).
    Inside,
}

/// What a unit is beside its weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    /// f.
    pub nonlinearity: Nonlinearity,
    /// Leak in a step, above 0 to 1: dt / tau.
    pub alpha: f64,
    /// Where the leak stands.
    pub leak: Leak,
    /// b.
    pub bias: f64,
}

impl Unit {
    /// The next activity, from the present one and W a + W_x x.
    #[must_use]
    pub fn next(&self, activity: f64, received: f64) -> f64 {
        let u = received + self.bias;
        let kept = 1.0 - self.alpha;
        match self.leak {
            Leak::Outside => kept * activity + self.alpha * self.nonlinearity.of(u),
            Leak::Inside => self.nonlinearity.of(kept * activity + self.alpha * u),
        }
    }
}

/// A recurrent network whose units stand in areas, each a run of neighbours.
#[derive(Debug, Clone)]
pub struct Rnn {
    units: Vec<Unit>,
    recurrent: Array2<f64>,
    input: Array2<f64>,
    /// First unit of every area, and the number of units.
    bounds: Vec<usize>,
}

impl Rnn {
    /// A network of `units`, with weights `recurrent` [unit, unit] and `input` [unit, channel], in areas of
    /// these sizes, lowest first.
    ///
    /// # Errors
    /// Shapes that do not fit, numbers that are not finite, a leak outside 0..1, an empty area.
    pub fn new(
        units: Vec<Unit>,
        recurrent: Array2<f64>,
        input: Array2<f64>,
        sizes: &[usize],
    ) -> Result<Rnn, Misfit> {
        let n = units.len();
        if recurrent.dim() != (n, n) {
            let message = format!(
                "recurrent weights: found shape {:?}, expected {:?}, a row and a column a unit",
                recurrent.dim(),
                (n, n)
            );
            return Err(Misfit(message));
        }
        if input.nrows() != n {
            let message = format!(
                "input weights: found {} rows, expected {n}, one a unit",
                input.nrows()
            );
            return Err(Misfit(message));
        }
        let weights = recurrent.iter().chain(&input);
        if let Some(odd) = weights
            .chain(units.iter().map(|u| &u.bias))
            .find(|w| !w.is_finite())
        {
            return Err(Misfit(format!(
                "weights and biases: found {odd}, expected finite numbers"
            )));
        }
        if let Some(unit) = units.iter().find(|u| !(u.alpha > 0.0 && u.alpha <= 1.0)) {
            let message = format!("alpha: found {}, expected above 0 to 1", unit.alpha);
            return Err(Misfit(message));
        }
        let mut bounds = vec![0];
        for size in sizes {
            bounds.push(bounds[bounds.len() - 1] + size);
        }
        if sizes.contains(&0) || bounds.last() != Some(&n) {
            let message = format!(
                "sizes of areas: found {sizes:?}, expected numbers above 0 that sum to {n}, the number \
                 of units"
            );
            return Err(Misfit(message));
        }
        Ok(Rnn {
            units,
            recurrent,
            input,
            bounds,
        })
    }

    /// Number of units.
    #[must_use]
    pub fn n_units(&self) -> usize {
        self.units.len()
    }

    /// Number of input channels.
    #[must_use]
    pub fn n_channels(&self) -> usize {
        self.input.ncols()
    }

    /// Number of areas.
    #[must_use]
    pub fn n_areas(&self) -> usize {
        self.bounds.len() - 1
    }

    /// The units of an area.
    #[must_use]
    pub fn area(&self, area: usize) -> std::ops::Range<usize> {
        self.bounds[area]..self.bounds[area + 1]
    }

    /// Recurrent weights [unit, unit].
    #[must_use]
    pub fn recurrent(&self) -> &Array2<f64> {
        &self.recurrent
    }

    /// Input weights [unit, channel].
    #[must_use]
    pub fn input(&self) -> &Array2<f64> {
        &self.input
    }

    /// What the units are beside their weights.
    #[must_use]
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// Whether any unit of an area receives one of another, or of its own.
    #[must_use]
    pub fn is_linked(&self, to: usize, from: usize) -> bool {
        let (to, from) = (self.area(to), self.area(from));
        to.into_iter()
            .any(|i| from.clone().any(|j| self.recurrent[[i, j]] != 0.0))
    }

    /// What unit `i` becomes: `sent` gives the activity that each unit sends, `own` the unit's present one.
    pub(super) fn respond(
        &self,
        i: usize,
        own: f64,
        sent: impl Fn(usize) -> f64,
        x: ArrayView1<'_, f64>,
    ) -> f64 {
        let mut received = 0.0;
        for (k, w) in self.input.row(i).iter().enumerate() {
            received += w * x[k];
        }
        for (j, w) in self.recurrent.row(i).iter().enumerate() {
            // What is not linked is not looked at: in a sweep it may not be there yet.
            if *w != 0.0 {
                received += w * sent(j);
            }
        }
        self.units[i].next(own, received)
    }

    /// All units from their states one step before.
    #[must_use]
    pub fn step(&self, a: ArrayView1<'_, f64>, x: ArrayView1<'_, f64>) -> Array1<f64> {
        (0..self.n_units())
            .map(|i| self.respond(i, a[i], |j| a[j], x))
            .collect()
    }

    /// A step in which areas follow one another: each receives lower areas at the same step, itself and
    /// higher ones one step before.
    #[must_use]
    pub fn sweep(&self, a: ArrayView1<'_, f64>, x: ArrayView1<'_, f64>) -> Array1<f64> {
        let mut next = a.to_owned();
        for area in 0..self.n_areas() {
            let units = self.area(area);
            let sent = |j: usize| if j < units.start { next[j] } else { a[j] };
            let new: Vec<f64> = units
                .clone()
                .map(|i| self.respond(i, a[i], sent, x))
                .collect();
            units.zip(new).for_each(|(i, a)| next[i] = a);
        }
        next
    }

    /// Activity after every step [step, unit], from a start and inputs [step, channel].
    ///
    /// # Errors
    /// Inputs or start of another size.
    pub fn run(
        &self,
        start: ArrayView1<'_, f64>,
        inputs: ArrayView2<'_, f64>,
        form: super::unroll::Form,
    ) -> Result<Array2<f64>, Misfit> {
        self.check(start, inputs)?;
        let mut states = Array2::zeros((inputs.nrows(), self.n_units()));
        let mut a = start.to_owned();
        for (mut row, x) in states.outer_iter_mut().zip(inputs.axis_iter(Axis(0))) {
            a = match form {
                super::unroll::Form::Synchronous => self.step(a.view(), x),
                super::unroll::Form::Sweep => self.sweep(a.view(), x),
            };
            row.assign(&a);
        }
        Ok(states)
    }

    pub(super) fn check(
        &self,
        start: ArrayView1<'_, f64>,
        inputs: ArrayView2<'_, f64>,
    ) -> Result<(), Misfit> {
        for (what, found, expected) in [
            ("start", start.len(), self.n_units()),
            ("columns of the inputs", inputs.ncols(), self.n_channels()),
        ] {
            if found != expected {
                return Err(Misfit(format!(
                    "{what}: found {found}, expected {expected}"
                )));
            }
        }
        Ok(())
    }
}

/// Weights under Dale's principle: |w| times the sign of the unit that sends, nothing on itself.
///
/// # Errors
/// Signs that are not 1 or -1, one for each column.
pub fn dale(weights: &Array2<f64>, signs: &[f64]) -> Result<Array2<f64>, Misfit> {
    if signs.len() != weights.ncols() {
        let message = format!(
            "signs: found {}, expected {}, one a column of the weights",
            signs.len(),
            weights.ncols()
        );
        return Err(Misfit(message));
    }
    if let Some(odd) = signs.iter().find(|s| s.abs() != 1.0) {
        return Err(Misfit(format!("signs: found {odd}, expected 1 or -1")));
    }
    Ok(Array2::from_shape_fn(weights.dim(), |(i, j)| {
        if i == j {
            0.0
        } else {
            weights[[i, j]].abs() * signs[j]
        }
    }))
}
