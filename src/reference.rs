//! The slow, clear simulator: straight from the [`Network`], one number at a time.
//!
//! It reads like the maths page and is kept for ever. Every faster way of running a network is
//! held against it, bit for bit. Nothing here is tuned.

use ndarray::{Array2, ArrayView2};

use crate::circuit::{CircuitVisitor, Fields, LocalCircuit};
use crate::ids::Replicate;
use crate::network::Network;
use crate::noise::start_site;
use crate::rng::normal;
use crate::spec::{Order, RunSpec, Stepper};

/// Runs one replicate from `start` [area, variable] and shows every step's state to `observe`:
/// (step, state with algebraic variables up to date), from step 0 to the last.
pub fn simulate(
    network: &Network,
    run: &RunSpec,
    start: &Array2<f64>,
    replicate: Replicate,
    observe: impl FnMut(u64, ArrayView2<'_, f64>),
) {
    network.circuit.visit(Simulate {
        network,
        run,
        start,
        replicate,
        observe,
    });
}

struct Simulate<'a, O> {
    network: &'a Network,
    run: &'a RunSpec,
    start: &'a Array2<f64>,
    replicate: Replicate,
    observe: O,
}

impl<O: FnMut(u64, ArrayView2<'_, f64>)> CircuitVisitor for Simulate<'_, O> {
    type Output = ();

    fn visit<C: LocalCircuit>(mut self) {
        let steps = (self.run.duration_ms / self.run.dt_ms).round() as u64;
        let mut x = self.start.clone();
        let mut noise = self.start_noise();
        let published = self.run.order == Order::Published;
        if published {
            // The authors' code starts from rates at rest, before any stimulus or noise.
            let input = self.coupling(&x);
            fill_algebraic::<C>(self.network, &mut x, &input);
        }
        for step in 0..=steps {
            let held = self.held_input(step, &noise);
            if !published {
                let input = self.coupling(&x) + &held;
                fill_algebraic::<C>(self.network, &mut x, &input);
            }
            (self.observe)(step, x.view());
            if step < steps {
                x = self.step::<C>(x, &held);
                self.advance_noise(step, &mut noise);
            }
        }
    }
}

impl<O> Simulate<'_, O> {
    /// Input that arrives over projections, [area, input].
    fn coupling(&self, x: &Array2<f64>) -> Array2<f64> {
        let network = self.network;
        let mut input = Array2::zeros((network.n_areas(), network.info().inputs.len()));
        for projection in &network.projections {
            let sent = x.column(projection.sent).to_vec();
            for target in 0..network.n_areas() {
                let sum = network.weighted_sum(projection, target, &sent);
                for received in &projection.received {
                    input[[target, received.input]] += received.gain[target] * sum;
                }
            }
        }
        input
    }

    /// Input held constant over a step: stimuli, means of noise, noise.
    fn held_input(&self, step: u64, noise: &[Vec<f64>]) -> Array2<f64> {
        let network = self.network;
        let mut input = Array2::zeros((network.n_areas(), network.info().inputs.len()));
        for stimulus in &network.stimuli {
            let (on, off) = stimulus.steps(self.run.dt_ms);
            if (on..off).contains(&step) {
                for area in &stimulus.areas {
                    input[[area.index(), stimulus.input]] += stimulus.amplitude;
                }
            }
        }
        for source in &network.noise {
            for (area, _) in &source.areas {
                input[[area.index(), source.input]] += source.mean;
            }
        }
        for (source, values) in network.noise.iter().zip(noise) {
            let update = source.update(self.run.dt_ms);
            for ((area, site), &memory) in source.areas.iter().zip(values) {
                let value = if update.decay == 0.0 {
                    update.amplitude * normal(self.run.seed, step, *site, self.replicate)
                } else {
                    memory
                };
                input[[area.index(), source.input]] += value;
            }
        }
        input
    }

    /// Value of every coloured noise at step 0, drawn from its stationary law.
    fn start_noise(&self) -> Vec<Vec<f64>> {
        let draw = |sd: f64, site| sd * normal(self.run.seed, 0, start_site(site), self.replicate);
        let sources = self.network.noise.iter();
        sources
            .map(|s| s.areas.iter().map(|&(_, site)| draw(s.sd, site)).collect())
            .collect()
    }

    fn advance_noise(&self, step: u64, noise: &mut [Vec<f64>]) {
        for (source, values) in self.network.noise.iter().zip(noise) {
            let update = source.update(self.run.dt_ms);
            for ((_, site), value) in source.areas.iter().zip(values) {
                let n = normal(self.run.seed, step, *site, self.replicate);
                *value = update.decay.mul_add(*value, update.amplitude * n);
            }
        }
    }

    /// Time derivative of every state, [area, variable].
    fn derivative<C: LocalCircuit>(&self, x: &Array2<f64>, held: &Array2<f64>) -> Array2<f64> {
        let input = self.coupling(x) + held;
        let mut x = x.clone();
        fill_algebraic::<C>(self.network, &mut x, &input);
        drift::<C>(self.network, &x, &input)
    }

    fn step<C: LocalCircuit>(&self, x: Array2<f64>, held: &Array2<f64>) -> Array2<f64> {
        let dt = self.run.dt_ms;
        let k1 = || self.derivative::<C>(&x, held);
        match (self.run.stepper, self.run.order) {
            (Stepper::Euler, Order::Synchronous) => axpy(&x, dt, &k1()),
            (Stepper::Euler, Order::Published) => self.published_step::<C>(x, held),
            (Stepper::Heun, _) => {
                let k1 = k1();
                let k2 = self.derivative::<C>(&axpy(&x, dt, &k1), held);
                axpy(&x, dt * 0.5, &(k1 + k2))
            }
            (Stepper::Rk4, _) => {
                let k1 = k1();
                let k2 = self.derivative::<C>(&axpy(&x, dt * 0.5, &k1), held);
                let k3 = self.derivative::<C>(&axpy(&x, dt * 0.5, &k2), held);
                let k4 = self.derivative::<C>(&axpy(&x, dt, &k3), held);
                axpy(&x, dt / 6.0, &((k1 + k4) + (k2 + k3) * 2.0))
            }
        }
    }

    /// Euler with the circuit's published order: each stage updates its variables from what the
    /// stages before it left, all others standing still.
    fn published_step<C: LocalCircuit>(
        &self,
        mut x: Array2<f64>,
        held: &Array2<f64>,
    ) -> Array2<f64> {
        let info = self.network.info();
        for stage in info.published_order {
            let input = self.coupling(&x) + held;
            let mut algebraic = x.clone();
            fill_algebraic::<C>(self.network, &mut algebraic, &input);
            let dx = drift::<C>(self.network, &x, &input);
            for v in stage.iter().filter_map(|name| info.variable(name)) {
                for area in 0..self.network.n_areas() {
                    x[[area, v]] = if v < info.states {
                        self.run.dt_ms.mul_add(dx[[area, v]], x[[area, v]])
                    } else {
                        algebraic[[area, v]]
                    };
                }
            }
        }
        x
    }
}

/// x + h dx.
fn axpy(x: &Array2<f64>, h: f64, dx: &Array2<f64>) -> Array2<f64> {
    let mut out = x.clone();
    out.zip_mut_with(dx, |x, &d| *x = h.mul_add(d, *x));
    out
}

fn fill_algebraic<C: LocalCircuit>(network: &Network, x: &mut Array2<f64>, input: &Array2<f64>) {
    for area in 0..network.n_areas() {
        let p = C::Parameters::read(&network.parameters.row(area).to_vec());
        let mut row = x.row(area).to_vec();
        let mut variables = C::Variables::read(&row);
        C::algebraic(
            &p,
            &mut variables,
            &C::Inputs::read(&input.row(area).to_vec()),
        );
        variables.write(&mut row);
        x.row_mut(area)
            .iter_mut()
            .zip(row)
            .for_each(|(x, value)| *x = value);
    }
}

fn drift<C: LocalCircuit>(network: &Network, x: &Array2<f64>, input: &Array2<f64>) -> Array2<f64> {
    let mut dx = Array2::zeros(x.dim());
    for area in 0..network.n_areas() {
        let p = C::Parameters::read(&network.parameters.row(area).to_vec());
        let variables = C::Variables::read(&x.row(area).to_vec());
        let slope = C::drift(&p, &variables, &C::Inputs::read(&input.row(area).to_vec()));
        let mut row = vec![0.0; x.ncols()];
        slope.write(&mut row);
        dx.row_mut(area)
            .iter_mut()
            .zip(row)
            .for_each(|(d, value)| *d = value);
    }
    dx
}
