"""The models as compiled loops, as a careful lab member writes them: W1 to W4."""

import harness

case = harness.command_line()

import numba
import numpy as np
import workloads as w
from numba import njit, prange
from workloads import DT_MS, SAMPLE_STEPS

PULSE_FROM, PULSE_TO = w.PULSE_STEPS


@njit
def run_linear(
    sources, EE, EI, IE, II, to_E, to_I, background_E, background_I, steps, noise, seed, samples
):
    """Writes E of all areas into `samples` [samples, areas]; `sources` is [source, target]."""
    n = len(EE)
    np.random.seed(seed)
    nu_E, nu_I = np.full(n, w.NU_E_0), np.full(n, w.NU_I_0)
    long_range = np.empty(n)
    samples[0] = nu_E
    for k in range(steps):
        long_range[:] = 0
        for j in range(n):
            rate = nu_E[j]
            for i in range(n):
                long_range[i] += sources[j, i] * rate
        for i in range(n):
            e, q, x = nu_E[i], nu_I[i], long_range[i]
            input_E = EE[i] * e - EI[i] * q + to_E * x + background_E[i]
            input_I = IE[i] * e - II[i] * q + to_I * x + background_I[i]
            if i == w.PULSE_AREA and PULSE_FROM <= k < PULSE_TO:
                input_E += w.PULSE_HZ
            nu_E[i] = e + DT_MS / w.TAU_E_MS * (max(input_E, 0.0) - e)
            nu_I[i] = q + DT_MS / w.TAU_I_MS * (max(input_I, 0.0) - q)
        if noise > 0:
            for i in range(n):
                nu_E[i] += noise * np.random.standard_normal()
                nu_I[i] += noise * np.random.standard_normal()
        if (k + 1) % SAMPLE_STEPS == 0:
            samples[(k + 1) // SAMPLE_STEPS] = nu_E


@njit(parallel=True)
def run_many(
    sources, EE, EI, IE, II, to_E, to_I, background_E, background_I, steps, noise, gains, samples
):
    for r in prange(len(gains)):
        run_linear(
            sources, EE, EI, IE, II, gains[r] * to_E, to_I, background_E, background_I,
            steps, noise, r + 1, samples[r],
        )  # fmt: skip


@njit
def response(x):
    return 1 / (1 + np.exp(-w.GAIN * (x - w.THRESHOLD)))


@njit
def step_E(e, q, coupling):
    to_E = response(w.C_EE * e - w.C_EI * q + w.G * coupling + w.P)
    return e + DT_MS / w.WC_TAU_E_MS * (-e + (1 - e) * to_E)


@njit
def step_I(e, q):
    return q + DT_MS / w.WC_TAU_I_MS * (-q + (1 - q) * response(w.C_IE * e - w.C_II * q))


@njit
def run_delayed(weights, delay_steps, steps, noise, seed, samples):
    n = len(weights)
    np.random.seed(seed)
    length = 1
    while length <= delay_steps.max():
        length *= 2  # a power of two: wrapping is one `and`
    history = np.full((n, length), w.E_0)
    E, I = np.full(n, w.E_0), np.full(n, w.I_0)
    coupling = np.empty(n)
    samples[0] = E
    for k in range(steps):
        for i in range(n):
            history[i, k & (length - 1)] = E[i]
        for i in range(n):
            total = 0.0
            for j in range(n):
                total += weights[i, j] * history[j, (k - delay_steps[i, j]) & (length - 1)]
            coupling[i] = total
        for i in range(n):
            E[i], I[i] = step_E(E[i], I[i], coupling[i]), step_I(E[i], I[i])
        if noise > 0:
            for i in range(n):
                E[i] += noise * np.random.standard_normal()
                I[i] += noise * np.random.standard_normal()
        if (k + 1) % SAMPLE_STEPS == 0:
            samples[(k + 1) // SAMPLE_STEPS] = E


@njit(parallel=True)
def run_sparse(first, sources, weights, steps, noise, E, I):
    n = len(E)
    new_E = np.empty(n)
    for k in range(steps):
        for i in prange(n):
            coupling = 0.0
            for c in range(first[i], first[i + 1]):
                coupling += weights[c] * E[sources[c]]
            new_E[i], I[i] = step_E(E[i], I[i], coupling), step_I(E[i], I[i])
            if noise > 0:
                new_E[i] += noise * np.random.standard_normal()
                I[i] += noise * np.random.standard_normal()
        E, new_E = new_E, E
    return E


def linear_arguments():
    model = w.threshold_linear()
    sources = np.ascontiguousarray(model.weights.T)
    return (
        sources, model.EE, model.EI, model.IE, model.II, model.to_E, model.to_I,
        model.background_E, model.background_I,
    )  # fmt: skip


def empty_samples(steps, areas):
    return np.empty((steps // SAMPLE_STEPS + 1, areas))


def w1(case, size):
    model = linear_arguments()
    noise = w.scaled_noise(w.SIGMA_W1) if case.noise else 0.0

    def run(steps, noise=noise):
        samples = empty_samples(steps, size.areas)
        run_linear(*model, steps, noise, w.SEED, samples)
        return samples

    return harness.Job(
        run=run,
        full=size.steps,
        least=5_000,
        check=lambda steps: run(steps, 0.0)[-1],
    )


def w2(case, size):
    network = w.delayed()
    noise = w.scaled_noise(w.SIGMA_WC) if case.noise else 0.0

    def run(steps, noise=noise):
        samples = empty_samples(steps, size.areas)
        run_delayed(network.weights, network.delay_steps, steps, noise, w.SEED, samples)
        return samples

    return harness.Job(
        run=run,
        full=size.steps,
        least=1_000,
        check=lambda steps: run(steps, 0.0)[-1, : w.CHECK_AREAS_W2],
    )


def w3(case, size):
    model = linear_arguments()
    noise = w.scaled_noise(w.SIGMA_W1) if case.noise else 0.0
    gains = np.array([w.gain_of_run(r) for r in range(size.runs)])

    def run(runs):
        samples = np.empty((runs, size.steps // SAMPLE_STEPS + 1, size.areas))
        run_many(*model, size.steps, noise, gains[:runs], samples)

    return harness.Job(run=run, full=size.runs, least=2 * case.threads)


def w4(case, size):
    network = w.sparse(size.areas)
    noise = w.scaled_noise(w.SIGMA_WC) if case.noise else 0.0

    def run(steps):
        E, I = np.full(size.areas, w.E_0), np.full(size.areas, w.I_0)
        run_sparse(network.first, network.sources, network.weights, steps, noise, E, I)

    return harness.Job(run=run, full=size.steps, least=min(20, size.steps))


if __name__ == "__main__":
    numba.set_num_threads(case.threads)
    harness.main(
        case, "numba loop", ["numba", "numpy"], {"w1": w1, "w2": w2, "w3": w3, "w4": w4}
    )
