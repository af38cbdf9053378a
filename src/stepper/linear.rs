//! Fixed points, Jacobians and input gains of the compiled equations, exact through dual numbers.

use faer::linalg::solvers::Solve;
use faer::{Col, Mat};
use ndarray::Array2;

use super::constants::{Constants, Numbers, Weights};
use super::kernel::{At, Given, Stage, Work, arrived, stage};
use super::sums::{sum_at_rest, sum_now};
use crate::circuit::{CircuitVisitor, LocalCircuit};
use crate::lanes::{Dual, Lanes};
use crate::plan::Plan;

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
    /// Largest derivative left, relative to 1 + the size of its variable, per ms.
    pub residual: f64,
    /// Area of the largest derivative.
    pub area: String,
    /// Variable of the largest derivative.
    pub variable: &'static str,
    /// Largest derivative accepted.
    pub tolerance: f64,
}

/// Largest derivative of a fixed point, relative to 1 + the size of its variable, per ms. Steps go on
/// below it for as long as they improve.
const TOLERANCE: f64 = 1e-12;
const NEWTON_STEPS: usize = 100;
const FLOW_STEPS: usize = 2000;

/// Derivative of every state without stimuli or noise, at `x` (`[position][variable]`), once per seed.
struct Evaluate<'a> {
    plan: &'a Plan,
    x: &'a [f64],
    seeds: &'a [Seed],
}

/// Which derivative is carried along.
#[derive(Clone, Copy)]
enum Seed {
    None,
    /// With respect to this variable, `[position][variable]`.
    State(usize),
    /// With respect to this input, `[position][input]`.
    Input(usize),
}

/// Variables with algebraic ones filled in, and their time derivatives.
type Evaluated = (Vec<Dual>, Vec<Dual>);

impl CircuitVisitor for Evaluate<'_> {
    type Output = Vec<Evaluated>;

    fn visit<C: LocalCircuit>(self) -> Self::Output {
        let c = Constants::<Dual>::at_rest(self.plan);
        let (inputs, variables) = (C::INFO.inputs.len(), C::INFO.variables.len());
        let mut work = Work::new(&c, self.plan, c.cells, 1);
        let mut evaluate = |seed: &Seed| {
            let mut x: Vec<Dual> = self.x.iter().map(|&v| Dual::splat(v)).collect();
            let mut held = vec![Dual::splat(0.0); c.areas * inputs];
            match *seed {
                Seed::None => {}
                Seed::State(at) => x[at].slope = 1.0,
                Seed::Input(at) => held[at].slope = 1.0,
            }
            for (p, projection) in c.projections.iter().enumerate() {
                let sent = x.iter().skip(c.sent[projection.sent]).step_by(variables);
                let sent: Vec<Dual> = sent.copied().collect();
                let sums = &mut work.sums[p * c.cells..][..c.cells];
                match &projection.weights {
                    Weights::Delayed(d) => {
                        sum_at_rest(d, &self.plan.histories[d.history], &sent, sums);
                    }
                    weights => sum_now(c.isa, weights, false, c.areas, &sent, 0, sums),
                }
            }
            let given = Given {
                held: &Numbers::own(held, inputs),
                noise: &[],
            };
            arrived::<Dual, false>(&c, given, 0, &work.sums, &mut work.inputs);
            let run = |what, x: &mut [Dual], work: &mut Work<Dual>| {
                let at = At {
                    stage: what,
                    dt_ms: self.plan.dt_ms,
                };
                stage::<C, Dual, false>(&c, at, &[], 0, x, work, &mut []);
            };
            run(Stage::Slope, &mut x, &mut work);
            let dx = work.k[0].clone();
            run(Stage::Algebraic, &mut x, &mut work);
            (x, dx)
        };
        self.seeds.iter().map(&mut evaluate).collect()
    }
}

fn evaluate_all(plan: &Plan, x: &[f64], seeds: &[Seed]) -> Vec<Evaluated> {
    plan.circuit.visit(Evaluate { plan, x, seeds })
}

fn evaluate(plan: &Plan, x: &[f64]) -> Evaluated {
    evaluate_all(plan, x, &[Seed::None]).swap_remove(0)
}

/// Positions of the states in `[position][variable]`, without algebraic variables.
fn state_slots(plan: &Plan) -> Vec<usize> {
    let info = plan.circuit.info();
    let slots = |at: usize| (0..info.states).map(move |v| at * info.variables.len() + v);
    (0..plan.n_areas()).flat_map(slots).collect()
}

/// The state from which a run starts, `[position][variable]`: the baseline or the fixed point found
/// from it, then the start values given for single areas.
///
/// # Errors
/// [`NoFixedPoint`] when one is asked for and not found.
pub fn start_state(plan: &Plan) -> Result<Vec<f64>, NoFixedPoint> {
    Ok(start_from(plan, &baseline_state(plan)?))
}

/// The baseline (`[position][variable]`) with the start values given for single areas.
#[must_use]
pub fn start_from(plan: &Plan, baseline: &[f64]) -> Vec<f64> {
    let mut x = baseline.to_vec();
    let variables = plan.circuit.info().variables.len();
    for &(position, variable, value) in &plan.initial {
        x[position * variables + variable] = value;
    }
    x
}

/// The baseline, `[position][variable]`: as given, or where the network comes to rest from it.
/// Algebraic variables are those of the baseline without stimuli or noise.
///
/// # Errors
/// [`NoFixedPoint`] when one is asked for and not found.
pub fn baseline_state(plan: &Plan) -> Result<Vec<f64>, NoFixedPoint> {
    let x = if plan.find_fixed_point {
        rest_state(plan, &plan.baseline)?
    } else {
        plan.baseline.clone()
    };
    let info = plan.circuit.info();
    if info.variables.len() == info.states {
        return Ok(x);
    }
    Ok(evaluate(plan, &x).0.into_iter().map(|d| d.value).collect())
}

/// The fixed point without stimuli or noise that damped Newton steps reach from `guess`
/// (`[position][variable]`): one that is near, stable or not.
///
/// # Errors
/// [`NoFixedPoint`] when the derivative stays above 1e-12 of the variable's size per ms.
pub fn fixed_point(plan: &Plan, guess: &[f64]) -> Result<Vec<f64>, NoFixedPoint> {
    Search::new(plan).newton(guess)
}

/// The fixed point at which the network comes to rest from `guess` without stimuli or noise.
///
/// Implicit Euler steps follow the flow and grow while no variable moves far (pseudo-transient
/// continuation, Kelley & Keyes 1998, doi 10.1137/S0036142996304796); Newton's method polishes what
/// they reach.
///
/// # Errors
/// [`NoFixedPoint`] as [`fixed_point`], for example where the network oscillates.
pub fn rest_state(plan: &Plan, guess: &[f64]) -> Result<Vec<f64>, NoFixedPoint> {
    let search = Search::new(plan);
    search.newton(&search.follow_the_flow(guess))
}

/// Newton steps over the states of a plan.
struct Search<'a> {
    plan: &'a Plan,
    slots: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(plan: &'a Plan) -> Self {
        Search {
            plan,
            slots: state_slots(plan),
        }
    }

    /// Derivative of every state, relative to 1 + the size of the state.
    fn residual(&self, x: &[f64]) -> Vec<f64> {
        let (_, dx) = evaluate(self.plan, x);
        let relative = |&s: &usize| dx[s].value / (1.0 + x[s].abs());
        self.slots.iter().map(relative).collect()
    }

    /// Solves (1/h - J) step = f; h = infinity is a Newton step.
    fn implicit_step(&self, x: &[f64], h: f64) -> Vec<f64> {
        let n = self.slots.len();
        let seeds: Vec<Seed> = self.slots.iter().map(|&s| Seed::State(s)).collect();
        let columns = evaluate_all(self.plan, x, &seeds);
        let mut matrix = Mat::<f64>::zeros(n, n);
        let mut f = Col::<f64>::zeros(n);
        for (j, (&slot, (_, dx))) in self.slots.iter().zip(&columns).enumerate() {
            for (i, &row) in self.slots.iter().enumerate() {
                matrix[(i, j)] = -dx[row].slope;
            }
            matrix[(j, j)] += 1.0 / h;
            f[j] = dx[slot].value;
        }
        let step = matrix.partial_piv_lu().solve(&f);
        (0..n).map(|i| step[i]).collect()
    }

    /// Bounds of the state in a slot.
    fn bounds(&self, slot: usize) -> (f64, f64) {
        let variables = self.plan.circuit.info().variables;
        let v = &variables[slot % variables.len()];
        (v.min, v.max)
    }

    /// `x + fraction * step`, kept within the bounds of the variables.
    fn moved(&self, x: &[f64], step: &[f64], fraction: f64) -> Vec<f64> {
        let mut out = x.to_vec();
        for (&slot, step) in self.slots.iter().zip(step) {
            let (min, max) = self.bounds(slot);
            out[slot] = (x[slot] + fraction * step).clamp(min, max);
        }
        out
    }

    fn newton(&self, guess: &[f64]) -> Result<Vec<f64>, NoFixedPoint> {
        let mut x = guess.to_vec();
        let mut residual = self.residual(&x);
        let mut iterations = 0;
        while iterations < NEWTON_STEPS {
            iterations += 1;
            let step = self.implicit_step(&x, f64::INFINITY);
            // At the end only whole steps count: halves of them would go on for ever in round-off.
            let arrived = residual.iter().all(|r| r.abs() <= TOLERANCE);
            let halvings = if arrived { 0..1 } else { 0..20 };
            let better = halvings
                .map(|n| self.moved(&x, &step, 0.5_f64.powi(n)))
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

    fn follow_the_flow(&self, guess: &[f64]) -> Vec<f64> {
        // A step may move a bounded variable by this share of its range, any other by this share
        // of 1 + its size: far less than the distance between coexisting states.
        const LARGEST_MOVE: f64 = 0.05;
        let mut x = guess.to_vec();
        let mut h = 1.0; // ms, shorter than any time constant of the circuits
        for _ in 0..FLOW_STEPS {
            let step = self.implicit_step(&x, h);
            let small = self.slots.iter().zip(&step).all(|(&slot, step)| {
                let (min, max) = self.bounds(slot);
                let span = if (max - min).is_finite() {
                    max - min
                } else {
                    1.0 + x[slot].abs()
                };
                let to = x[slot] + step;
                step.abs() < LARGEST_MOVE * span && (min..=max).contains(&to)
            });
            if !small {
                h *= 0.5;
                if h < 1e-9 {
                    break;
                }
                continue;
            }
            x = self.moved(&x, &step, 1.0);
            h *= 1.5;
            if norm(&self.residual(&x)) < 1e-9 {
                break;
            }
        }
        x
    }

    fn accept(
        &self,
        x: Vec<f64>,
        residual: &[f64],
        iterations: usize,
    ) -> Result<Vec<f64>, NoFixedPoint> {
        let n = residual.len();
        let worst = (0..n).max_by(|&a, &b| residual[a].abs().total_cmp(&residual[b].abs()));
        match worst {
            Some(i) if residual[i].is_nan() || residual[i].abs() > TOLERANCE => {
                let info = self.plan.circuit.info();
                let slot = self.slots[i];
                let position = slot / info.variables.len();
                Err(NoFixedPoint {
                    iterations,
                    residual: residual[i].abs(),
                    area: self.plan.areas[self.plan.order[position].index()].clone(),
                    variable: info.variables[slot % info.variables.len()].name,
                    tolerance: TOLERANCE,
                })
            }
            _ => Ok(x),
        }
    }
}

fn norm(r: &[f64]) -> f64 {
    r.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Largest absolute derivative of any state at `x` (`[position][variable]`), per ms: 0 at a fixed
/// point.
#[must_use]
pub fn largest_derivative(plan: &Plan, x: &[f64]) -> f64 {
    let (_, dx) = evaluate(plan, x);
    state_slots(plan)
        .into_iter()
        .map(|s| dx[s].value.abs())
        .fold(0.0, f64::max)
}

/// Linearises the network at `x` (`[position][variable]`), without stimuli or noise.
#[must_use]
pub fn linearise(plan: &Plan, x: &[f64]) -> Linearised {
    let info = plan.circuit.info();
    let (variables, states, inputs) = (info.variables.len(), info.states, info.inputs.len());
    let n = plan.n_areas();
    // Index by area of a slot by position.
    let state_index = |position: usize, v: usize| plan.order[position].index() * states + v;
    let mut jacobian = Array2::zeros((n * states, n * states));
    let mut input_gain = Array2::zeros((n * states, n * inputs));
    let mut seeds = Vec::new();
    for position in 0..n {
        seeds.extend((0..states).map(|v| Seed::State(position * variables + v)));
        seeds.extend((0..inputs).map(|i| Seed::Input(position * inputs + i)));
    }
    for (seed, (_, dx)) in seeds.iter().zip(evaluate_all(plan, x, &seeds)) {
        let (matrix, column) = match *seed {
            Seed::State(at) => {
                let column = state_index(at / variables, at % variables);
                (&mut jacobian, column)
            }
            Seed::Input(at) => {
                let column = plan.order[at / inputs].index() * inputs + at % inputs;
                (&mut input_gain, column)
            }
            Seed::None => continue,
        };
        for position in 0..n {
            for v in 0..states {
                matrix[[state_index(position, v), column]] = dx[position * variables + v].slope;
            }
        }
    }
    let (full, _) = evaluate(plan, x);
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
