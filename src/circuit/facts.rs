//! What tests of circuits share: derivatives, Jacobians, fixed points and paths of one area alone.
//!
//! Parameters and variables are slices in the order of the table, time constants in ms; all inputs are 0
//! unless they are given.

use super::{Fields, LocalCircuit, ParameterFields};
use crate::lanes::{Dual, Lanes};

/// Variables with the algebraic ones filled in, and the derivative of every variable [unit / ms].
fn evaluate<C: LocalCircuit, L: Lanes>(p: &[f64], x: &[L], inputs: &[f64]) -> (Vec<L>, Vec<L>) {
    let lift = |values: &[f64]| values.iter().map(|&v| L::splat(v)).collect::<Vec<L>>();
    let p = C::Parameters::from_values(&lift(p));
    let i = C::Inputs::read(&lift(inputs));
    let mut all = x.to_vec();
    all.resize(C::INFO.variables.len(), L::splat(0.0));
    let mut x = C::Variables::read(&all);
    C::algebraic(&p, &mut x, &i);
    let dx = C::drift(&p, &x, &i);
    (x.as_slice().to_vec(), dx.as_slice().to_vec())
}

fn no_inputs<C: LocalCircuit>() -> Vec<f64> {
    vec![0.0; C::INFO.inputs.len()]
}

/// All variables at these states, algebraic ones included.
pub fn variables<C: LocalCircuit>(p: &[f64], x: &[f64], inputs: &[f64]) -> Vec<f64> {
    evaluate::<C, f64>(p, x, inputs).0
}

/// Derivative of every state at these states [unit / ms].
pub fn derivative<C: LocalCircuit>(p: &[f64], x: &[f64], inputs: &[f64]) -> Vec<f64> {
    let mut dx = evaluate::<C, f64>(p, x, inputs).1;
    dx.truncate(C::INFO.states);
    dx
}

/// The Jacobian [1 / ms]: row = derivative of a state, column = by a state.
pub fn jacobian<C: LocalCircuit>(p: &[f64], x: &[f64]) -> Vec<Vec<f64>> {
    let states = C::INFO.states;
    let mut rows = vec![vec![0.0; states]; states];
    for column in 0..states {
        let seeded = |(v, &x): (usize, &f64)| Dual::new(x, f64::from(u8::from(v == column)));
        let x: Vec<Dual> = x.iter().enumerate().map(seeded).collect();
        let (_, dx) = evaluate::<C, Dual>(p, &x, &no_inputs::<C>());
        for (row, slope) in rows.iter_mut().zip(&dx) {
            row[column] = slope.slope;
        }
    }
    rows
}

/// The fixed point of a circuit of two states that Newton's method reaches from a guess.
pub fn fixed_point<C: LocalCircuit>(p: &[f64], guess: [f64; 2]) -> [f64; 2] {
    let mut x = guess;
    for _ in 0..100 {
        let f = derivative::<C>(p, &x, &no_inputs::<C>());
        let j = jacobian::<C>(p, &x);
        let determinant = j[0][0] * j[1][1] - j[0][1] * j[1][0];
        x[0] -= (j[1][1] * f[0] - j[0][1] * f[1]) / determinant;
        x[1] -= (j[0][0] * f[1] - j[1][0] * f[0]) / determinant;
    }
    x
}

/// Eigenvalues of a circuit of two states, (real, imaginary part) in 1/s, largest real part first.
pub fn eigenvalues<C: LocalCircuit>(p: &[f64], x: &[f64]) -> [(f64, f64); 2] {
    let j = jacobian::<C>(p, x);
    let mean = 1e3 * (j[0][0] + j[1][1]) / 2.0;
    let square = ((j[0][0] - j[1][1]) / 2.0).powi(2) + j[0][1] * j[1][0];
    let root = 1e3 * square.abs().sqrt();
    match square < 0.0 {
        true => [(mean, root), (mean, -root)],
        false => [(mean + root, 0.0), (mean - root, 0.0)],
    }
}

/// Variables after every Runge-Kutta step of `dt_ms`, algebraic ones included, the start first.
pub fn path<C: LocalCircuit>(p: &[f64], start: &[f64], dt_ms: f64, steps: usize) -> Vec<Vec<f64>> {
    let along = |x: &[f64], k: &[f64], h: f64| -> Vec<f64> {
        x.iter().zip(k).map(|(x, k)| x + h * k).collect()
    };
    let none = no_inputs::<C>();
    let f = |x: &[f64]| derivative::<C>(p, x, &none);
    let mut x = start.to_vec();
    let mut out = vec![variables::<C>(p, &x, &none)];
    for _ in 0..steps {
        let k1 = f(&x);
        let k2 = f(&along(&x, &k1, dt_ms / 2.0));
        let k3 = f(&along(&x, &k2, dt_ms / 2.0));
        let k4 = f(&along(&x, &k3, dt_ms));
        for (k, weight) in [(k1, 1.0), (k2, 2.0), (k3, 2.0), (k4, 1.0)] {
            x = along(&x, &k, dt_ms * weight / 6.0);
        }
        out.push(variables::<C>(p, &x, &none));
    }
    out
}

/// That a number, rounded to as many decimals as `digits` shows, is `digits`.
#[track_caller]
pub fn assert_digits(what: &str, found: f64, digits: &str) {
    let decimals = digits.split_once('.').map_or(0, |(_, d)| d.len());
    assert_eq!(format!("{found:.decimals$}"), digits, "{what}");
}
