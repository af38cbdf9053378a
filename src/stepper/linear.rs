//! Fixed points, Jacobians and input gains of the compiled equations, exact through dual numbers.

use faer::linalg::solvers::Solve;
use faer::{Col, Mat};
use ndarray::Array2;

use super::constants::Constants;
use super::kernel::{Work, derivative, fill_algebraic};
use crate::circuit::{CircuitVisitor, LocalCircuit};
use crate::lanes::{Dual, Lanes};
use crate::plan::{Axis, Plan};

/// The network linearised around a state: d(dx)/dx and d(dx)/d(input).
///
/// States are numbered `area * states + variable`, areas in the order of the connectome; inputs
/// `area * inputs + input`.
#[derive(Debug, Clone)]
pub struct Linearised {
    /// Jacobian, [1 / ms].
    pub jacobian: Array2<f64>,
    /// Gain from every input, [unit of state / (ms unit of input)].
    pub input_gain: Array2<f64>,
    /// Variables at the point, algebraic ones included, [area, variable].
    pub state: Array2<f64>,
}

/// Newton's method did not find a fixed point.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "no fixed point: Newton's method stopped after {iterations} iterations with a largest \
     relative derivative of {residual:e} per ms at {area}.{variable}, expected below {tolerance:e}; \
     try another `baseline.state`"
)]
pub struct NoFixedPoint {
    /// Iterations made.
    pub iterations: usize,
    /// Largest absolute derivative left.
    pub residual: f64,
    /// Area of the largest derivative.
    pub area: String,
    /// Variable of the largest derivative.
    pub variable: &'static str,
    /// Largest derivative accepted.
    pub tolerance: f64,
}

/// Largest derivative aimed at, relative to the size of its variable, per ms.
const TOLERANCE: f64 = 1e-13;
const MAX_ITERATIONS: usize = 200;

/// Derivative of every state without stimuli or noise, at `x` ([position][variable]).
struct Evaluate<'a> {
    plan: &'a Plan,
    x: &'a [f64],
    /// Which derivative is wanted: along a state, along an input, or none.
    seed: Seed,
}

#[derive(Clone, Copy)]
enum Seed {
    None,
    State(usize),
    Input(usize),
}

impl CircuitVisitor for Evaluate<'_> {
    type Output = (Vec<Dual>, Vec<Dual>);

    fn visit<C: LocalCircuit>(self) -> Self::Output {
        let constants = Constants::<Dual>::new(self.plan, Axis::Replicates);
        let inputs = C::INFO.inputs.len();
        let mut work = Work::new(&constants, inputs);
        let mut x: Vec<Dual> = self.x.iter().map(|&v| Dual::splat(v)).collect();
        let mut held = vec![Dual::splat(0.0); constants.areas * inputs];
        match self.seed {
            Seed::None => {}
            Seed::State(at) => x[at].slope = 1.0,
            Seed::Input(at) => held[at].slope = 1.0,
        }
        let mut dx = vec![Dual::splat(0.0); x.len()];
        derivative::<C, Dual>(&constants, &held, &x, &mut work, &mut dx);
        fill_algebraic::<C, Dual>(&constants, Some(&held), &mut x, &mut work);
        (x, dx)
    }
}

fn evaluate(plan: &Plan, x: &[f64], seed: Seed) -> (Vec<Dual>, Vec<Dual>) {
    plan.circuit.visit(Evaluate { plan, x, seed })
}

/// Positions of the states in `[position][variable]`, without algebraic variables.
fn state_slots(plan: &Plan) -> Vec<usize> {
    let info = plan.circuit.info();
    let slots = |at: usize| (0..info.states).map(move |v| at * info.variables.len() + v);
    (0..plan.n_areas()).flat_map(slots).collect()
}

/// The state from which a run starts, [position][variable]: the baseline or the fixed point found
/// from it, then the start values given for single areas.
///
/// # Errors
/// [`NoFixedPoint`] when one is asked for and not found.
pub fn start_state(plan: &Plan) -> Result<Vec<f64>, NoFixedPoint> {
    let mut x = baseline_state(plan)?;
    let variables = plan.circuit.info().variables.len();
    for &(position, variable, value) in &plan.initial {
        x[position * variables + variable] = value;
    }
    Ok(x)
}

/// The baseline, [position][variable]: as given, or the fixed point found from it. Algebraic
/// variables are those of the baseline without stimuli or noise.
///
/// # Errors
/// [`NoFixedPoint`] when one is asked for and not found.
pub fn baseline_state(plan: &Plan) -> Result<Vec<f64>, NoFixedPoint> {
    let x = if plan.find_fixed_point {
        fixed_point(plan, &plan.baseline)?
    } else {
        plan.baseline.clone()
    };
    Ok(evaluate(plan, &x, Seed::None)
        .0
        .into_iter()
        .map(|d| d.value)
        .collect())
}

/// A fixed point without stimuli or noise, reached from `guess` ([position][variable]).
///
/// Damped Newton steps first: they reach whatever fixed point is near, stable or not. Where they
/// stall, implicit Euler steps that grow as the derivative shrinks (pseudo-transient continuation,
/// Kelley & Keyes 1998, doi 10.1137/S0036142996304796) follow the flow from the guess to where it
/// comes to rest.
///
/// # Errors
/// [`NoFixedPoint`] when the derivative stays above 1e-12 of the variable's size per ms.
pub fn fixed_point(plan: &Plan, guess: &[f64]) -> Result<Vec<f64>, NoFixedPoint> {
    let search = Search {
        plan,
        slots: state_slots(plan),
    };
    let found = search.newton(guess);
    if found.is_ok() {
        return found;
    }
    search
        .follow_the_flow(guess)
        .and_then(|x| search.newton(&x))
}

/// Newton steps over the states of a plan.
struct Search<'a> {
    plan: &'a Plan,
    slots: Vec<usize>,
}

impl Search<'_> {
    /// Derivative of every state, relative to the size of the state.
    fn residual(&self, x: &[f64]) -> Vec<f64> {
        let (_, dx) = evaluate(self.plan, x, Seed::None);
        self.slots
            .iter()
            .map(|&s| dx[s].value / (1.0 + x[s].abs()))
            .collect()
    }

    /// Solves (1/h - J) step = f; h = infinity is a Newton step.
    fn implicit_step(&self, x: &[f64], h: f64) -> Vec<f64> {
        let n = self.slots.len();
        let mut matrix = Mat::<f64>::zeros(n, n);
        let mut f = Col::<f64>::zeros(n);
        for (j, &slot) in self.slots.iter().enumerate() {
            let (_, dx) = evaluate(self.plan, x, Seed::State(slot));
            for (i, &row) in self.slots.iter().enumerate() {
                matrix[(i, j)] = -dx[row].slope;
            }
            matrix[(j, j)] += 1.0 / h;
            f[j] = dx[slot].value;
        }
        let step = matrix.partial_piv_lu().solve(&f);
        (0..n).map(|i| step[i]).collect()
    }

    /// `x + fraction * step`, kept within the bounds of the variables.
    fn moved(&self, x: &[f64], step: &[f64], fraction: f64) -> Vec<f64> {
        let info = self.plan.circuit.info();
        let mut out = x.to_vec();
        for (&slot, step) in self.slots.iter().zip(step) {
            let v = &info.variables[slot % info.variables.len()];
            out[slot] = (x[slot] + fraction * step).clamp(v.min, v.max);
        }
        out
    }

    fn newton(&self, guess: &[f64]) -> Result<Vec<f64>, NoFixedPoint> {
        let mut x = guess.to_vec();
        let mut residual = self.residual(&x);
        let mut iterations = 0;
        while iterations < MAX_ITERATIONS && residual.iter().any(|r| r.abs() > TOLERANCE) {
            iterations += 1;
            let step = self.implicit_step(&x, f64::INFINITY);
            let fractions = (0..20).map(|halvings| 0.5_f64.powi(halvings));
            let better = fractions
                .map(|fraction| self.moved(&x, &step, fraction))
                .find_map(|trial| {
                    let r = self.residual(&trial);
                    (norm(&r) < norm(&residual)).then_some((trial, r))
                });
            match better {
                Some(next) => (x, residual) = next,
                None => break,
            }
        }
        self.accept(x, &residual, iterations)
    }

    fn follow_the_flow(&self, guess: &[f64]) -> Result<Vec<f64>, NoFixedPoint> {
        let mut x = guess.to_vec();
        let mut residual = self.residual(&x);
        let mut h = 1.0; // ms, shorter than any time constant of the circuits
        for _ in 0..MAX_ITERATIONS {
            let trial = self.moved(&x, &self.implicit_step(&x, h), 1.0);
            let r = self.residual(&trial);
            if r.iter().any(|v| !v.is_finite()) {
                h *= 0.1;
                continue;
            }
            h *= (norm(&residual) / norm(&r)).clamp(0.5, 2.0);
            (x, residual) = (trial, r);
            if norm(&residual) < 1e-8 {
                break;
            }
        }
        Ok(x)
    }

    fn accept(
        &self,
        x: Vec<f64>,
        residual: &[f64],
        iterations: usize,
    ) -> Result<Vec<f64>, NoFixedPoint> {
        let n = residual.len();
        let worst = (0..n).max_by(|&a, &b| residual[a].abs().total_cmp(&residual[b].abs()));
        // Round-off can hold the last digit above the tolerance; ten times it still is at rest.
        match worst {
            Some(i) if residual[i].is_nan() || residual[i].abs() > 10.0 * TOLERANCE => {
                let info = self.plan.circuit.info();
                let slot = self.slots[i];
                let position = slot / info.variables.len();
                Err(NoFixedPoint {
                    iterations,
                    residual: residual[i].abs(),
                    area: self.plan.areas[self.plan.order[position].index()].clone(),
                    variable: info.variables[slot % info.variables.len()].name,
                    tolerance: 10.0 * TOLERANCE,
                })
            }
            _ => Ok(x),
        }
    }
}

fn norm(r: &[f64]) -> f64 {
    r.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Largest absolute derivative of any state at `x` ([position][variable]), per ms: 0 at a fixed
/// point.
#[must_use]
pub fn largest_derivative(plan: &Plan, x: &[f64]) -> f64 {
    let (_, dx) = evaluate(plan, x, Seed::None);
    state_slots(plan)
        .into_iter()
        .map(|s| dx[s].value.abs())
        .fold(0.0, f64::max)
}

/// Linearises the network at `x` ([position][variable]), without stimuli or noise.
#[must_use]
pub fn linearise(plan: &Plan, x: &[f64]) -> Linearised {
    let info = plan.circuit.info();
    let (variables, states, inputs) = (info.variables.len(), info.states, info.inputs.len());
    let n = plan.n_areas();
    // Index by area of a slot by position.
    let state_index = |position: usize, v: usize| plan.order[position].index() * states + v;
    let mut jacobian = Array2::zeros((n * states, n * states));
    let mut input_gain = Array2::zeros((n * states, n * inputs));
    let fill = |matrix: &mut Array2<f64>, column: usize, dx: &[Dual]| {
        for position in 0..n {
            for v in 0..states {
                matrix[[state_index(position, v), column]] = dx[position * variables + v].slope;
            }
        }
    };
    for position in 0..n {
        for v in 0..states {
            let (_, dx) = evaluate(plan, x, Seed::State(position * variables + v));
            fill(&mut jacobian, state_index(position, v), &dx);
        }
        for i in 0..inputs {
            let (_, dx) = evaluate(plan, x, Seed::Input(position * inputs + i));
            fill(
                &mut input_gain,
                plan.order[position].index() * inputs + i,
                &dx,
            );
        }
    }
    let (full, _) = evaluate(plan, x, Seed::None);
    let mut state = Array2::zeros((n, variables));
    for position in 0..n {
        for v in 0..variables {
            state[[plan.order[position].index(), v]] = full[position * variables + v].value;
        }
    }
    Linearised {
        jacobian,
        input_gain,
        state,
    }
}
