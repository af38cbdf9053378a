"""TVB's simulator: W1 as a model made for it, W2 with TVB's Wilson-Cowan model."""

import harness

case = harness.command_line()

import logging

import numpy as np
import workloads as w
from tvb.basic.neotraits.api import Final, List
from tvb.datatypes import connectivity, equations, patterns
from tvb.simulator import coupling, integrators, models, monitors, noise, simulator

logging.disable(logging.WARNING)

LINEAR = w.threshold_linear()


class ThresholdLinear(models.base.Model):
    """The model of W1. The pulse enters as TVB's stimuli do, in the drift."""

    state_variable_range = Final(
        default={"nu_E": np.array([0.0, 100.0]), "nu_I": np.array([0.0, 100.0])}
    )
    variables_of_interest = List(of=str, choices=("nu_E", "nu_I"), default=("nu_E",))
    state_variables = ["nu_E", "nu_I"]
    _nvar = 2
    cvar = np.array([0], dtype=np.int32)

    def dfun(self, state_variables, coupling, local_coupling=0.0):
        nu_E, nu_I = state_variables[0, :, 0], state_variables[1, :, 0]
        long_range = coupling[0, :, 0]
        m = LINEAR
        input_E = m.EE * nu_E - m.EI * nu_I + m.to_E * long_range + m.background_E
        input_I = m.IE * nu_E - m.II * nu_I + m.to_I * long_range + m.background_I
        derivative = np.empty_like(state_variables)
        derivative[0, :, 0] = (np.maximum(input_E, 0) - nu_E) / w.TAU_E_MS
        derivative[1, :, 0] = (np.maximum(input_I, 0) - nu_I) / w.TAU_I_MS
        return derivative


def wilson_cowan():
    # alpha, k and r are one and theta is zero by default.
    values = {
        "c_ee": w.C_EE, "c_ei": w.C_EI, "c_ie": w.C_IE, "c_ii": w.C_II,
        "tau_e": w.WC_TAU_E_MS, "tau_i": w.WC_TAU_I_MS, "a_e": w.GAIN, "a_i": w.GAIN,
        "b_e": w.THRESHOLD, "b_i": w.THRESHOLD, "c_e": 1.0, "c_i": 1.0, "P": w.P, "Q": 0.0,
        "alpha_e": 1.0, "alpha_i": 1.0, "k_e": 1.0, "k_i": 1.0, "r_e": 1.0, "r_i": 1.0,
        "theta_e": 0.0, "theta_i": 0.0,
    }  # fmt: skip
    traits = {name: np.array([value]) for name, value in values.items()}
    return models.WilsonCowan(shift_sigmoid=np.array([False]), **traits)


def network(weights, distance_mm):
    n = len(weights)
    made = connectivity.Connectivity(
        weights=weights,
        tract_lengths=distance_mm,
        region_labels=np.array([f"area {i}" for i in range(n)]),
        centres=np.zeros((n, 3)),
        speed=np.array([w.SPEED_MM_PER_MS]),
    )
    made.configure()
    return made


def pulse(connected):
    weight = np.zeros(len(connected.weights))
    weight[w.PULSE_AREA] = 1.0
    first, end = w.PULSE_STEPS
    # On from the first step after its onset: half a step earlier, so that rounding cannot matter.
    train = equations.PulseTrain(
        parameters={
            "onset": (first - 0.5) * w.DT_MS,
            "tau": (end - first) * w.DT_MS,
            "T": 1e9,
            "amp": w.PULSE_HZ / w.TAU_E_MS,
        }
    )
    return patterns.StimuliRegion(temporal=train, connectivity=connected, weight=weight)


def simulate(model, connected, start, gain, sigma, steps, stimulus=None):
    """E of all areas, [samples, areas], the start left out."""
    if sigma > 0:
        # TVB's intensity D gives noise of standard deviation sqrt(2 D dt) a step.
        drawn = noise.Additive(nsig=np.array([sigma**2 / 2]), noise_seed=w.SEED)
        integrator = integrators.EulerStochastic(dt=w.DT_MS, noise=drawn)
    else:
        integrator = integrators.EulerDeterministic(dt=w.DT_MS)
    made = simulator.Simulator(
        model=model,
        connectivity=connected,
        coupling=coupling.Linear(a=np.array([gain])),
        integrator=integrator,
        monitors=[monitors.SubSample(period=w.DT_MS * w.SAMPLE_STEPS)],
        stimulus=stimulus,
    )
    # The past counts as steps done, and monitors sample by that count: whole samples of past.
    longest = int(np.rint(connected.delays.max() / w.DT_MS))
    samples_past = -(-longest // w.SAMPLE_STEPS)
    past = np.empty((samples_past * w.SAMPLE_STEPS + 1, 2, len(connected.weights), 1))
    past[:] = np.reshape(start, (1, 2, 1, 1))
    made.initial_conditions = past
    made.configure()
    ((_, samples),) = made.run(simulation_length=steps * w.DT_MS)
    return samples[:, 0, :, 0]


NOTE = "history and so coupling in float32"


def w1(case, size):
    connected = network(LINEAR.weights, np.zeros_like(LINEAR.weights))

    def run(steps, sigma=w.SIGMA_W1 if case.noise else 0.0):
        start = (w.NU_E_0, w.NU_I_0)
        model = ThresholdLinear()
        return simulate(model, connected, start, 1.0, sigma, steps, pulse(connected))

    return harness.Job(
        run=run,
        full=size.steps,
        least=2_000,
        check=lambda steps: run(steps, 0.0)[-1],
        note=NOTE,
    )


def w2(case, size):
    given = w.delayed()
    connected = network(given.weights, given.distance_mm)

    def run(steps, sigma=w.SIGMA_WC if case.noise else 0.0):
        return simulate(wilson_cowan(), connected, (w.E_0, w.I_0), w.G, sigma, steps)

    return harness.Job(
        run=run,
        full=size.steps,
        least=1_000,
        check=lambda steps: run(steps, 0.0)[-1, : w.CHECK_AREAS_W2],
        note=NOTE,
    )


if __name__ == "__main__":
    harness.main(case, "TVB", ["tvb-library", "numba", "numpy"], {"w1": w1, "w2": w2})
