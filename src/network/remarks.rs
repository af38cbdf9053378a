//! What a person should know before a run, though nothing is wrong with it.

use ndarray::Array2;

use super::Network;
use crate::circuit::{CircuitVisitor, Fields, LocalCircuit, ParameterFields};
use crate::ids::AreaId;
use crate::lanes::{Dual, Lanes};
use crate::noise::{Noise, Target};

/// Where slopes are compared, in standard deviations of the noise that is held over a step.
const POINTS: [f64; 7] = [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0];
/// Slopes that differ by less than this part of the largest differ by round-off.
const ROUND_OFF: f64 = 1e-9;

pub(super) fn remarks(network: &Network, dt_ms: f64) -> Vec<String> {
    let rest = inputs_at_rest(network);
    let white = network.noise.iter().filter(|n| n.intensity().is_some());
    let bent = white.filter_map(|noise| {
        let Target::Input(input) = noise.target else {
            return None;
        };
        let search = FindBend {
            network,
            noise,
            input,
            rest: &rest,
            sd: noise.update(dt_ms, 1).amplitude,
        };
        Some((noise, input, network.circuit.visit(search)?))
    });
    bent.map(|(noise, input, area)| {
        format!(
            "white noise `{}` enters `{}`, which acts through a curve: a rate function, or a \
             threshold that the noise of a step crosses (first in area {}). Its effect has no \
             limit as simulation.dt goes to 0; that of ornstein_uhlenbeck noise has",
            noise.name,
            network.info().inputs[input].name,
            network.connectome.areas[area.index()].name
        )
    })
    .collect()
}

/// Inputs at the baseline, from long-range projections and means of noise, [area, input], unit of
/// the input.
fn inputs_at_rest(network: &Network) -> Array2<f64> {
    let mut inputs = Array2::zeros((network.n_areas(), network.info().inputs.len()));
    for projection in &network.projections {
        let sent = network.baseline.column(projection.sent);
        for (&weight, (target, source)) in &projection.weights {
            for received in &projection.received {
                inputs[[target, received.input]] += received.gain[target] * weight * sent[source];
            }
        }
    }
    for noise in &network.noise {
        if let Target::Input(input) = noise.target {
            for &(area, _) in &noise.areas {
                inputs[[area.index(), input]] += noise.mean * factor(network, noise, area);
            }
        }
    }
    inputs
}

/// What multiplies a noise source at the baseline. A state that rests at 0 will not stay there: it
/// counts as 1 of its unit.
fn factor(network: &Network, noise: &Noise, area: AreaId) -> f64 {
    let state = noise.times.map(|v| network.baseline[[area.index(), v]]);
    state.filter(|x| *x != 0.0).unwrap_or(1.0)
}

/// The first area in which the slope from an input to a derivative is not one number over the values
/// that white noise takes there.
///
/// Where it is one number, the noise enters linearly and its effect has a limit as dt goes to 0.
/// Where it is not, the held value sd sqrt(bin/dt) N meets a curve, and the mean of what comes of it
/// grows as its square, 1/dt. The slope is exact, through dual numbers and algebraic variables, so
/// that a circuit need not declare whether it is linear.
struct FindBend<'a> {
    network: &'a Network,
    noise: &'a Noise,
    input: usize,
    /// Inputs at the baseline, [area, input].
    rest: &'a Array2<f64>,
    /// Standard deviation of what is held over a step, before a state multiplies it.
    sd: f64,
}

impl CircuitVisitor for FindBend<'_> {
    type Output = Option<AreaId>;

    fn visit<C: LocalCircuit>(self) -> Self::Output {
        let bends = |area: AreaId| {
            let sd = self.sd * factor(self.network, self.noise, area);
            let lift = |row: ndarray::ArrayView1<'_, f64>| -> Vec<Dual> {
                row.iter().map(|&x| Dual::splat(x)).collect()
            };
            let at = area.index();
            let p = C::Parameters::<Dual>::from_values(&lift(self.network.parameters.row(at)));
            let baseline = lift(self.network.baseline.row(at));
            let slopes = POINTS.map(|z| {
                let mut inputs = lift(self.rest.row(at));
                let value = inputs[self.input].value + z * sd;
                inputs[self.input] = Dual::new(value, 1.0);
                let inputs = C::Inputs::read(&inputs);
                let mut x = C::Variables::read(&baseline);
                C::algebraic(&p, &mut x, &inputs);
                C::drift(&p, &x, &inputs)
            });
            (0..C::INFO.states).any(|state| {
                let slopes = slopes.map(|dx| dx.get(state).slope);
                let low = slopes.iter().copied().fold(f64::INFINITY, f64::min);
                let high = slopes.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                high - low > ROUND_OFF * high.abs().max(low.abs())
            })
        };
        self.noise.areas.iter().map(|a| a.0).find(|&a| bends(a))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::from_text;

    /// Remarks on a bundled model with this noise, at a step of 0.2 ms.
    fn remarked(model: &str, noise: &str) -> Vec<String> {
        let text = format!("title: remarks\nfrom: {model}\nnoise: {{own: {noise}}}\n");
        let spec = from_text("test", &text, &[]).unwrap();
        remarks(&Network::build(&spec).unwrap(), 0.2)
    }

    #[track_caller]
    fn assert_remarked(model: &str, noise: &str, words: &[&str]) {
        let found = remarked(model, noise);
        assert_eq!(found.len(), 1, "{model}, {noise}: {found:?}");
        for word in words {
            assert!(found[0].contains(word), "{word}: {found:?}");
        }
    }

    #[track_caller]
    fn assert_silent(model: &str, noise: &str) {
        assert_eq!(remarked(model, noise), [""; 0], "{model}, {noise}");
    }

    #[test]
    fn rate_functions_bend_at_any_amplitude() {
        for (model, input, unit) in [
            ("wilson_cowan", "I_E", ""),
            ("wilson_cowan", "I_I", ""),
            // Through an algebraic variable.
            ("chaudhuri2015_nonlinear", "I_E", " pA"),
        ] {
            for sd in ["0.001", "1"] {
                let noise = format!("{{kind: white, into: {input}, sd: {sd}{unit}, bin: 1 ms}}");
                assert_remarked(model, &noise, &["`own`", &format!("enters `{input}`")]);
            }
        }
    }

    #[test]
    fn linear_inputs_of_a_circuit_with_a_rate_function_do_not() {
        let noise = "{kind: white, into: I_I, sd: 1 pA, bin: 1 ms}";
        assert_silent("chaudhuri2015_nonlinear", noise);
    }

    /// The model rests at 10 Hz, 10 Hz above its threshold.
    #[test]
    fn a_threshold_bends_if_the_noise_of_a_step_crosses_it() {
        let noise = |sd: f64, bin: f64, mean: f64| {
            format!(
                "{{kind: white, into: drive_E, mean: {mean} Hz, sd: {sd} Hz, bin: {bin} ms, \
                 areas: [V2, V1]}}"
            )
        };
        assert_silent("chaudhuri2015", &noise(3.3, 0.2, 0.0));
        let words = ["enters `drive_E`", "first in area V2"];
        assert_remarked("chaudhuri2015", &noise(3.4, 0.2, 0.0), &words);
        // What counts is what is held over a step, not over a bin...
        assert_remarked("chaudhuri2015", &noise(1.7, 0.8, 0.0), &words);
        // ... and how far the threshold is with everything that is added.
        assert_silent("chaudhuri2015", &noise(3.4, 0.2, 1.0));
        let far = noise(3.4, 0.2, -50.0);
        assert_silent("chaudhuri2015", &far);
    }

    #[test]
    fn states_that_multiply_count() {
        let noise =
            |sd: f64| format!("{{kind: white, into: drive_E, times: nu_E, sd: {sd}, bin: 0.2 ms}}");
        assert_silent("chaudhuri2015", &noise(0.33));
        assert_remarked("chaudhuri2015", &noise(0.34), &["enters `drive_E`"]);
    }

    #[test]
    fn coloured_noise_and_noise_in_derivatives_have_limits() {
        for noise in [
            "{kind: ornstein_uhlenbeck, into: I_E, sd: 1, tau: 5 ms}",
            "{kind: white, into: a_E, sd: 0.1 1/ms, bin: 1 ms}",
            "{kind: white, into: a_E, times: a_I, sd: 0.1 1/ms, bin: 1 ms}",
        ] {
            assert_silent("wilson_cowan", noise);
        }
    }
}
