"""The models as a plain numpy loop over steps: W1, W2, and W3 with one process a core."""

import harness

case = harness.command_line()

import multiprocessing

import numpy as np
import workloads as w
from workloads import DT_MS, SAMPLE_STEPS


def run_linear(model, steps, sigma, seed=w.SEED, gain=1.0):
    """E of all areas, [samples, areas], Hz."""
    n = len(model.areas)
    rng = np.random.default_rng(seed)
    noise = w.scaled_noise(sigma)
    to_E = gain * model.to_E
    nu_E, nu_I = np.full(n, w.NU_E_0), np.full(n, w.NU_I_0)
    samples = np.empty((steps // SAMPLE_STEPS + 1, n))
    samples[0] = nu_E
    for k in range(steps):
        long_range = model.weights @ nu_E
        input_E = model.EE * nu_E - model.EI * nu_I + to_E * long_range + model.background_E
        input_I = model.IE * nu_E - model.II * nu_I + model.to_I * long_range + model.background_I
        if w.PULSE_STEPS[0] <= k < w.PULSE_STEPS[1]:
            input_E[w.PULSE_AREA] += w.PULSE_HZ
        nu_E = nu_E + DT_MS / w.TAU_E_MS * (np.maximum(input_E, 0) - nu_E)
        nu_I = nu_I + DT_MS / w.TAU_I_MS * (np.maximum(input_I, 0) - nu_I)
        if noise > 0:
            normal = rng.standard_normal((2, n))
            nu_E += noise * normal[0]
            nu_I += noise * normal[1]
        if (k + 1) % SAMPLE_STEPS == 0:
            samples[(k + 1) // SAMPLE_STEPS] = nu_E
    return samples


def run_delayed(network, steps, sigma, seed=w.SEED):
    """E of all areas, [samples, areas]."""
    n = len(network.weights)
    rng = np.random.default_rng(seed)
    noise = w.scaled_noise(sigma)
    length = int(network.delay_steps.max()) + 1
    history = np.full((length, n), w.E_0)  # a ring of past steps
    source = np.arange(n)[None, :]
    E, I = np.full(n, w.E_0), np.full(n, w.I_0)
    samples = np.empty((steps // SAMPLE_STEPS + 1, n))
    samples[0] = E
    for k in range(steps):
        history[k % length] = E
        sent = history[(k - network.delay_steps) % length, source]
        coupling = w.G * (network.weights * sent).sum(axis=1)
        to_E = w.response(w.C_EE * E - w.C_EI * I + coupling + w.P)
        to_I = w.response(w.C_IE * E - w.C_II * I)
        E, I = (
            E + DT_MS / w.WC_TAU_E_MS * (-E + (1 - E) * to_E),
            I + DT_MS / w.WC_TAU_I_MS * (-I + (1 - I) * to_I),
        )
        if noise > 0:
            normal = rng.standard_normal((2, n))
            E += noise * normal[0]
            I += noise * normal[1]
        if (k + 1) % SAMPLE_STEPS == 0:
            samples[(k + 1) // SAMPLE_STEPS] = E
    return samples


def w1(case, size):
    model = w.threshold_linear()
    sigma = w.SIGMA_W1 if case.noise else 0.0
    return harness.Job(
        run=lambda steps: run_linear(model, steps, sigma) is None,
        full=size.steps,
        least=5_000,
        check=lambda steps: run_linear(model, steps, 0.0)[-1],
    )


def w2(case, size):
    network = w.delayed()
    sigma = w.SIGMA_WC if case.noise else 0.0
    return harness.Job(
        run=lambda steps: run_delayed(network, steps, sigma) is None,
        full=size.steps,
        least=1_000,
        check=lambda steps: run_delayed(network, steps, 0.0)[-1, : w.CHECK_AREAS_W2],
    )


def one_of_many(task):
    run, steps, sigma = task
    samples = run_linear(w.threshold_linear(), steps, sigma, run + 1, w.gain_of_run(run))
    return samples.mean(axis=0)


def w3(case, size):
    sigma = w.SIGMA_W1 if case.noise else 0.0
    pool = multiprocessing.Pool(case.threads)

    def run(runs):
        pool.map(one_of_many, [(r, size.steps, sigma) for r in range(runs)], chunksize=1)

    return harness.Job(
        run=run,
        full=size.runs,
        least=2 * case.threads,
        note="one process a core; a run returns means only",
    )


if __name__ == "__main__":
    harness.main(case, "numpy loop", ["numpy"], {"w1": w1, "w2": w2, "w3": w3})
