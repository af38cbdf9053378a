"""TVB-Optim, compiled by JAX, in float32, which is JAX's default.

W1 and W3 are a model made for them, W2 and W4 its own Wilson-Cowan model.
"""

import harness

case = harness.command_line()

import os

harness.stay_on_cores(case.threads)
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={case.threads}"

import jax
import jax.numpy as jnp
import numpy as np
import workloads as w
from jax.experimental.sparse import BCOO
from tvboptim.experimental.network_dynamics import (
    DenseDelayGraph,
    DenseGraph,
    Network,
    SparseGraph,
    prepare,
)
from tvboptim.experimental.network_dynamics.core.bunch import Bunch
from tvboptim.experimental.network_dynamics.coupling.linear import (
    DelayedLinearCoupling,
    LinearCoupling,
)
from tvboptim.experimental.network_dynamics.dynamics.base import AbstractDynamics
from tvboptim.experimental.network_dynamics.dynamics.tvb import WilsonCowan
from tvboptim.experimental.network_dynamics.external_input.parametric import PulseInput
from tvboptim.experimental.network_dynamics.noise import AdditiveNoise
from tvboptim.experimental.network_dynamics.solvers import Euler

LINEAR = w.threshold_linear()


class ThresholdLinear(AbstractDynamics):
    """The model of W1."""

    STATE_NAMES = ("nu_E", "nu_I")
    INITIAL_STATE = (w.NU_E_0, w.NU_I_0)
    DEFAULT_PARAMS = Bunch(to_E=LINEAR.to_E)
    COUPLING_INPUTS = {"long_range": 1}
    EXTERNAL_INPUTS = {"pulse": 1}
    VARIABLES_OF_INTEREST = ("nu_E",)

    def dynamics(self, t, state, params, coupling, external):
        nu_E, nu_I = state
        long_range, pulse = coupling.long_range[0], external.pulse[0]
        m = LINEAR
        input_E = m.EE * nu_E - m.EI * nu_I + params.to_E * long_range + m.background_E + pulse
        input_I = m.IE * nu_E - m.II * nu_I + m.to_I * long_range + m.background_I
        return jnp.stack(
            [
                (jnp.maximum(input_E, 0) - nu_E) / w.TAU_E_MS,
                (jnp.maximum(input_I, 0) - nu_I) / w.TAU_I_MS,
            ]
        )


def wilson_cowan():
    return WilsonCowan(
        c_ee=w.C_EE, c_ei=w.C_EI, c_ie=w.C_IE, c_ii=w.C_II,
        tau_e=w.WC_TAU_E_MS, tau_i=w.WC_TAU_I_MS, a_e=w.GAIN, a_i=w.GAIN,
        b_e=w.THRESHOLD, b_i=w.THRESHOLD, P=w.P, shift_sigmoid=0.0,
        INITIAL_STATE=(w.E_0, w.I_0), VARIABLES_OF_INTEREST=("E",),
    )  # fmt: skip


def additive(sigma):
    return AdditiveNoise(sigma=sigma, key=jax.random.key(w.SEED)) if sigma > 0 else None


def linear_network(sigma):
    first, end = w.PULSE_STEPS
    pulse = PulseInput(
        onset=(first - 0.5) * w.DT_MS,  # half a step earlier, so that rounding cannot matter
        duration=(end - first) * w.DT_MS,
        amplitude=jnp.zeros(len(LINEAR.areas)).at[w.PULSE_AREA].set(w.PULSE_HZ),
    )
    return Network(
        ThresholdLinear(),
        {"long_range": LinearCoupling(incoming_states="nu_E")},
        DenseGraph(jnp.asarray(LINEAR.weights)),
        noise=additive(sigma),
        external_input={"pulse": pulse},
    )


def sampled(network, steps):
    """A function of a configuration that gives E, [samples, areas], and that configuration."""
    solve, configuration = prepare(network, Euler(), t0=0.0, t1=steps * w.DT_MS, dt=w.DT_MS)
    every = slice(w.SAMPLE_STEPS - 1, None, w.SAMPLE_STEPS)
    return lambda given: solve(given).ys[every, 0], configuration


def job(make_network, sigma, size, least, check_areas=None):
    compiled = {}

    def run(steps, sigma=sigma):
        if (steps, sigma) not in compiled:
            solve, configuration = sampled(make_network(sigma), steps)
            compiled[steps, sigma] = jax.jit(solve), configuration
        solve, configuration = compiled[steps, sigma]
        return solve(configuration).block_until_ready()

    check = check_areas and (lambda steps: run(steps, 0.0)[-1, :check_areas])
    return harness.Job(
        run=lambda steps: run(steps) is None,
        full=size.steps,
        least=least,
        compiles=True,
        check=check,
        precision="float32",
    )


def w1(case, size):
    return job(linear_network, w.SIGMA_W1 if case.noise else 0.0, size, 5_000, size.areas)


def w2(case, size):
    given = w.delayed()
    delays_ms = given.delay_steps * w.DT_MS * (given.weights > 0)
    graph = DenseDelayGraph(jnp.asarray(given.weights), jnp.asarray(delays_ms))

    def network(sigma):
        coupling = {"delayed": DelayedLinearCoupling(incoming_states="E", G=w.G)}
        return Network(wilson_cowan(), coupling, graph, noise=additive(sigma))

    return job(network, w.SIGMA_WC if case.noise else 0.0, size, 1_000, w.CHECK_AREAS_W2)


def w3(case, size):
    solve, configuration = sampled(linear_network(w.SIGMA_W1 if case.noise else 0.0), size.steps)

    def one_run(gain, key):
        own = jax.tree.map(lambda x: x, configuration)  # a copy of the tree
        own.dynamics.to_E = gain * LINEAR.to_E
        if case.noise:
            own.noise.key = key
        return solve(own)

    many = jax.pmap(jax.vmap(one_run))  # a device stands for a core

    def run(runs):
        shape = (case.threads, -(-runs // case.threads))
        count = shape[0] * shape[1]
        gains = jnp.array([w.gain_of_run(r, runs) for r in range(count)]).reshape(shape)
        keys = jax.random.split(jax.random.key(w.SEED), count).reshape(shape)
        many(gains, keys).block_until_ready()

    return harness.Job(
        run=run,
        full=size.runs,
        least=10 * case.threads,
        compiles=True,
        precision="float32",
    )


def w4(case, size):
    given = w.sparse(size.areas)
    targets = np.repeat(np.arange(size.areas, dtype=np.int32), np.diff(given.first))
    # Two connections between the same areas become one of their sum.
    code = targets.astype(np.int64) * size.areas + given.sources
    pairs, at = np.unique(code, return_inverse=True)
    weights = np.bincount(at, given.weights).astype(np.float32)
    indices = np.stack([pairs // size.areas, pairs % size.areas], axis=1).astype(np.int32)
    shape = (size.areas, size.areas)
    matrix = BCOO(
        (jnp.asarray(weights), jnp.asarray(indices)),
        shape=shape,
        indices_sorted=True,
        unique_indices=True,
    )
    graph = SparseGraph(matrix)

    def network(sigma):
        coupling = {"delayed": LinearCoupling(incoming_states="E", G=w.G)}
        return Network(wilson_cowan(), coupling, graph, noise=additive(sigma))

    return job(network, w.SIGMA_WC if case.noise else 0.0, size, min(20, size.steps))


if __name__ == "__main__":
    harness.main(
        case, "TVB-Optim", ["tvboptim", "jax"], {"w1": w1, "w2": w2, "w3": w3, "w4": w4}
    )
