//! The slow, clear simulator: straight from the [`Network`], one number at a time.
//!
//! It reads like the maths page and is kept for ever. Every faster way of running a network is
//! held against it, bit for bit. Nothing here is tuned.

use ndarray::{Array2, ArrayView2};

use crate::circuit::{CircuitVisitor, Fields, LocalCircuit, ParameterFields};
use crate::coupling::{Delay, Projection};
use crate::ids::{AreaId, Replicate};
use crate::lanes::Lanes;
use crate::network::{Learning, Network};
use crate::noise::{Noise, Target, start_site};
use crate::rng::normal;
use crate::spec::{DelayGrid, Order, RunSpec, Stepper};
use crate::stimulus::Stimulus;

/// Every so many steps what is negligible becomes zero.
const FLUSH_STEPS: u64 = 64;

/// Runs one replicate, or one trial of a task, from `start` [area, variable] and shows every step's state to `observe`:
/// (step, state with algebraic variables up to date), from step 0 to the last.
pub fn simulate(
    network: &Network,
    run: &RunSpec,
    start: &Array2<f64>,
    replicate: Replicate,
    observe: impl FnMut(u64, ArrayView2<'_, f64>),
) {
    let shown = network.shown_in(replicate.0);
    let network = network.of_run(replicate.0);
    let links = |p: &Projection| network.ordered_links(p);
    network.circuit.visit(Simulate {
        network,
        links: network.projections.iter().map(links).collect(),
        shown,
        run,
        start,
        replicate,
        observe,
    });
}

struct Simulate<'a, O> {
    network: &'a Network,
    /// Of each projection and target.
    links: Vec<Vec<Vec<(usize, usize)>>>,
    shown: Vec<Stimulus>,
    run: &'a RunSpec,
    start: &'a Array2<f64>,
    replicate: Replicate,
    observe: O,
}

/// What every area has shown so far, [area, variable], at every entry of the grid that delays count
/// in. Before the first entry it is what it was at the start.
struct Past {
    start: Array2<f64>,
    entries: Vec<Array2<f64>>,
    per_step: usize,
}

impl Past {
    /// The state at an entry of this step; a stage may show it before it is final.
    fn show(&mut self, step: u64, entry: usize, x: &Array2<f64>) {
        let at = step as usize * self.per_step + entry;
        self.entries.truncate(at);
        while self.entries.len() <= at {
            self.entries.push(x.clone());
        }
    }

    /// A variable of an area, some entries before an entry of this step.
    fn look(&self, step: u64, entry: usize, back: u32, (area, variable): (usize, usize)) -> f64 {
        let at = step as usize * self.per_step + entry;
        match at.checked_sub(back as usize) {
            Some(then) => self.entries[then][[area, variable]],
            None => self.start[[area, variable]],
        }
    }
}

/// Values of one noise source in a step, one an area.
struct Sources {
    /// Of every source.
    memory: Vec<Vec<f64>>,
    /// Held in the present step.
    value: Vec<Vec<f64>>,
}

/// What a stage looks at beside the state.
struct Moment<'a> {
    step: u64,
    /// Entry of the step at which it stands: its start, for Runge–Kutta its middle, its end.
    entry: usize,
    held: &'a Array2<f64>,
    noise: &'a [Vec<f64>],
}

impl<O: FnMut(u64, ArrayView2<'_, f64>)> CircuitVisitor for Simulate<'_, O> {
    type Output = ();

    fn visit<C: LocalCircuit>(mut self) {
        let steps = (self.run.duration_ms / self.run.dt_ms).round() as u64;
        let mut x = self.start.clone();
        let mut noise = self.start_noise();
        let mut past = Past {
            start: x.clone(),
            entries: Vec::new(),
            per_step: self.run.stepper.entries_per_step() as usize,
        };
        past.show(0, 0, &x);
        let published = self.run.order == Order::Published;
        if published {
            // The authors' code starts from rates at rest, before any stimulus or noise.
            let nothing = Array2::zeros((self.network.n_areas(), C::INFO.inputs.len()));
            let rest = Moment {
                step: 0,
                entry: 0,
                held: &nothing,
                noise: &[],
            };
            let input = self.input(&x, &rest, &mut past);
            fill_algebraic::<C>(self.network, &mut x, &input);
        }
        // Trial of a session, and what it has shown of each choice.
        let (mut trial, mut shown) = (0, Vec::new());
        for step in 0..=steps {
            self.advance_noise(step, &mut noise);
            let held = self.held_input(step);
            let now = Moment {
                step,
                entry: 0,
                held: &held,
                noise: &noise.value,
            };
            if !published {
                let input = self.input(&x, &now, &mut past);
                fill_algebraic::<C>(self.network, &mut x, &input);
            }
            (self.observe)(step, x.view());
            if let Some(rule) = &self.network.learning {
                self.learn(rule, step, &mut x, &mut trial, &mut shown);
            }
            if step < steps {
                x = self.step::<C>(x, &now, &mut past);
                if (step + 1).is_multiple_of(FLUSH_STEPS) {
                    noise
                        .memory
                        .iter_mut()
                        .flatten()
                        .for_each(|v| *v = v.flush());
                    for v in 0..C::INFO.states {
                        x.column_mut(v).mapv_inplace(Lanes::flush);
                    }
                }
                past.show(step, past.per_step, &x);
            }
        }
    }
}

impl<O> Simulate<'_, O> {
    /// Takes down what a session's trial shows of each choice, and begins the next one where its time has come.
    fn learn(
        &self,
        rule: &Learning,
        step: u64,
        x: &mut Array2<f64>,
        trial: &mut usize,
        shown: &mut Vec<Vec<f64>>,
    ) {
        let steps = |ms: f64| (ms / self.run.dt_ms).round() as u64;
        let (first, every) = (steps(self.run.start_ms), steps(self.run.every_ms).max(1));
        shown.resize(rule.choices.len(), Vec::new());
        if step >= first && (step - first).is_multiple_of(every) {
            let sample = ((step - first) / every) as usize;
            if rule.samples(self.run, *trial).contains(&sample) {
                for (series, choice) in shown.iter_mut().zip(&rule.choices) {
                    let read = |a: &AreaId| rule.as_read(x[[a.index(), choice.read]]);
                    let sum = rule.read_in.iter().map(read).sum::<f64>();
                    series.push(sum / rule.read_in.len() as f64);
                }
            }
        }
        let begins = rule.starts_ms.get(*trial + 1).map(|ms| steps(*ms));
        if begins != Some(step) {
            return;
        }
        let chosen = rule.chosen(shown);
        for (area, mut row) in x.rows_mut().into_iter().enumerate() {
            let learns = rule.learned_in.contains(&AreaId::from(area));
            let mut values = row.to_vec();
            let start = self.start.row(area).to_vec();
            rule.begin(*trial, chosen, learns, &start, &mut values);
            row.iter_mut().zip(values).for_each(|(x, value)| *x = value);
        }
        *trial += 1;
        shown.iter_mut().for_each(Vec::clear);
    }

    /// Input of every area at a moment: held, noise, and what arrives over projections, [area, input].
    fn input(&self, x: &Array2<f64>, now: &Moment<'_>, past: &mut Past) -> Array2<f64> {
        let network = self.network;
        let mut input = now.held
            + &self.noise_total(x, now, |target| match target {
                Target::Input(i) => Some(i),
                Target::State(_) => None,
            });
        // What is on its way takes what the areas show in this very stage, if it takes no time.
        past.show(now.step, now.entry, x);
        for (projection, links) in network.projections.iter().zip(&self.links) {
            for (target, links) in links.iter().enumerate() {
                let sum = network.weighted_sum(projection, links, |source, delay_ms| {
                    let of = (source, projection.sent);
                    let Delay { entries, fraction } = self.delay(delay_ms);
                    let then = past.look(now.step, now.entry, entries, of);
                    if fraction == 0.0 {
                        return then;
                    }
                    let before = past.look(now.step, now.entry, entries + 1, of);
                    f64::from(fraction).mul_add(before - then, then)
                });
                for received in &projection.received {
                    let at = &mut input[[target, received.input]];
                    *at = received.gain[target].mul_add(sum, *at);
                }
            }
        }
        input
    }

    /// A delay on the grid of the run.
    fn delay(&self, ms: Option<f64>) -> Delay {
        let per_step = self.run.stepper.entries_per_step();
        let ms = ms.unwrap_or(0.0);
        match self.run.delays {
            DelayGrid::Rounded => Delay::rounded(ms, self.run.dt_ms, per_step),
            DelayGrid::Interpolated => Delay::interpolated(ms, self.run.dt_ms, per_step),
        }
    }

    /// Input held constant over a step: stimuli and means of noise, [area, input].
    fn held_input(&self, step: u64) -> Array2<f64> {
        let network = self.network;
        let mut input = Array2::zeros((network.n_areas(), network.info().inputs.len()));
        for stimulus in network.stimuli.iter().chain(&self.shown) {
            let (on, off) = stimulus.steps(self.run.dt_ms);
            if (on..off).contains(&step) {
                for area in &stimulus.areas {
                    input[[area.index(), stimulus.input]] += stimulus.amplitude;
                }
            }
        }
        for source in &network.noise {
            if let (Target::Input(i), None) = (source.target, source.times) {
                for (area, _) in &source.areas {
                    input[[area.index(), i]] += source.mean;
                }
            }
        }
        input
    }

    /// Value of every coloured noise at step 0, drawn from its stationary law.
    fn start_noise(&self) -> Sources {
        let draw = |sd: f64, site| sd * normal(self.run.seed, 0, start_site(site), self.replicate);
        let of = |s: &Noise| s.areas.iter().map(|&(_, site)| draw(s.sd, site)).collect();
        let memory: Vec<Vec<f64>> = self.network.noise.iter().map(of).collect();
        Sources {
            value: memory.clone(),
            memory,
        }
    }

    /// Values of noise in a step. Coloured noise is what it is at the start of the step, and moves on
    /// to the end.
    fn advance_noise(&self, step: u64, noise: &mut Sources) {
        let per_step = self.run.noise_per_step;
        for (k, source) in self.network.noise.iter().enumerate() {
            let update = source.update(self.run.dt_ms, per_step);
            let held = matches!((source.target, source.times), (Target::Input(_), None));
            let mean = if held { 0.0 } else { source.mean };
            for (n, &(_, site)) in source.areas.iter().enumerate() {
                let lookup = |l: u32| {
                    let at = step * u64::from(per_step) + u64::from(l);
                    normal(self.run.seed, at, site, self.replicate)
                };
                let memory = &mut noise.memory[k][n];
                noise.value[k][n] = if update.decay == 0.0 {
                    let sum = (1..per_step).fold(lookup(0), |sum, l| sum + lookup(l));
                    update.amplitude * sum + mean
                } else {
                    let value = *memory + mean;
                    for l in 0..per_step {
                        let kick = update.amplitude * lookup(l);
                        *memory = update.decay.mul_add(*memory, kick);
                    }
                    value
                };
            }
        }
    }

    /// Time derivative of every state, [area, variable].
    fn derivative<C: LocalCircuit>(
        &self,
        x: &Array2<f64>,
        now: &Moment<'_>,
        past: &mut Past,
    ) -> Array2<f64> {
        let input = self.input(x, now, past);
        let mut full = x.clone();
        fill_algebraic::<C>(self.network, &mut full, &input);
        let mut dx = drift::<C>(self.network, &full, &input);
        self.add_to_derivative(&mut dx, x, now);
        dx
    }

    /// Noise that enters derivatives.
    fn add_to_derivative(&self, dx: &mut Array2<f64>, x: &Array2<f64>, now: &Moment<'_>) {
        let total = self.noise_total(x, now, |target| match target {
            Target::State(s) => Some(s),
            Target::Input(_) => None,
        });
        for ((area, s), value) in total.indexed_iter() {
            dx[[area, s]] += value;
        }
    }

    /// Sum of all noise that enters each input, or each derivative, as `column` says, [area, column].
    fn noise_total(
        &self,
        x: &Array2<f64>,
        now: &Moment<'_>,
        column: impl Fn(Target) -> Option<usize>,
    ) -> Array2<f64> {
        let network = self.network;
        let info = network.info();
        let columns = match column(Target::Input(0)) {
            Some(_) => info.inputs.len(),
            None => info.states,
        };
        let mut total = Array2::zeros((network.n_areas(), columns));
        for (source, values) in network.noise.iter().zip(now.noise) {
            let Some(k) = column(source.target) else {
                continue;
            };
            for ((area, _), value) in source.areas.iter().zip(values) {
                let at: &mut f64 = &mut total[[area.index(), k]];
                *at = match source.times {
                    None => *at + value,
                    Some(v) => value.mul_add(x[[area.index(), v]], *at),
                };
            }
        }
        total
    }

    fn step<C: LocalCircuit>(
        &self,
        x: Array2<f64>,
        now: &Moment<'_>,
        past: &mut Past,
    ) -> Array2<f64> {
        let dt = self.run.dt_ms;
        let at = |entry| Moment { entry, ..*now };
        match (self.run.stepper, self.run.order) {
            (Stepper::Euler, Order::Synchronous) => {
                axpy(&x, dt, &self.derivative::<C>(&x, now, past))
            }
            (Stepper::Euler, Order::Published) => self.published_step::<C>(x, now, past),
            (Stepper::ExponentialEuler, _) => {
                let dx = self.derivative::<C>(&x, now, past);
                let steps = decay_steps::<C>(self.network, dt);
                let mut out = x;
                for (at, x) in out.indexed_iter_mut() {
                    *x = steps[at].mul_add(dx[at], *x);
                }
                out
            }
            (Stepper::Heun, _) => {
                let k1 = self.derivative::<C>(&x, now, past);
                let k2 = self.derivative::<C>(&axpy(&x, dt, &k1), &at(1), past);
                axpy(&x, dt * 0.5, &(k1 + k2))
            }
            (Stepper::Rk4, _) => {
                let k1 = self.derivative::<C>(&x, now, past);
                let k2 = self.derivative::<C>(&axpy(&x, dt * 0.5, &k1), &at(1), past);
                let k3 = self.derivative::<C>(&axpy(&x, dt * 0.5, &k2), &at(1), past);
                let k4 = self.derivative::<C>(&axpy(&x, dt, &k3), &at(2), past);
                // The middle of the step, to third order, for those that look back at it.
                let slope = &k1 * (5.0 / 24.0) + (&k2 + &k3) * (1.0 / 6.0) - &k4 * (1.0 / 24.0);
                past.show(now.step, 1, &axpy(&x, dt, &slope));
                axpy(&x, dt / 6.0, &((k1 + k4) + (k2 + k3) * 2.0))
            }
        }
    }

    /// Euler with the circuit's published order: each stage updates its variables from what the
    /// stages before it left, all others standing still.
    fn published_step<C: LocalCircuit>(
        &self,
        mut x: Array2<f64>,
        now: &Moment<'_>,
        past: &mut Past,
    ) -> Array2<f64> {
        let info = self.network.info();
        let start = x.clone();
        for stage in info.published_order {
            let input = self.input(&x, now, past);
            let mut algebraic = x.clone();
            fill_algebraic::<C>(self.network, &mut algebraic, &input);
            let mut dx = drift::<C>(self.network, &x, &input);
            self.add_to_derivative(&mut dx, &x, now);
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
        past.show(now.step, 0, &start);
        x
    }
}

/// Effective step of every state, ms, [area, variable]: (1 - e^{-leak dt}) / leak, dt without leak.
fn decay_steps<C: LocalCircuit>(network: &Network, dt_ms: f64) -> Array2<f64> {
    let mut out = Array2::zeros((network.n_areas(), C::INFO.variables.len()));
    for (area, mut row) in out.rows_mut().into_iter().enumerate() {
        let p = C::Parameters::from_values(&network.parameters.row(area).to_vec());
        let mut leak = vec![0.0; row.len()];
        C::leak(&p).write(&mut leak);
        for (step, rate) in row.iter_mut().zip(leak) {
            *step = if rate == 0.0 {
                dt_ms
            } else {
                -Lanes::exp_m1(-rate * dt_ms) / rate
            };
        }
    }
    out
}

/// x + h dx.
fn axpy(x: &Array2<f64>, h: f64, dx: &Array2<f64>) -> Array2<f64> {
    let mut out = x.clone();
    out.zip_mut_with(dx, |x, &d| *x = h.mul_add(d, *x));
    out
}

fn fill_algebraic<C: LocalCircuit>(network: &Network, x: &mut Array2<f64>, input: &Array2<f64>) {
    for area in 0..network.n_areas() {
        let p = C::Parameters::from_values(&network.parameters.row(area).to_vec());
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
        let p = C::Parameters::from_values(&network.parameters.row(area).to_vec());
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
