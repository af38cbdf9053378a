"""The models in vbjax, compiled by JAX: W1, W2, W3. Steps are Heun's, in float32.

vbjax makes stochastic loops with Heun steps only: two evaluations where the others have one.
"""

import harness

case = harness.command_line()

import os

harness.stay_on_cores(case.threads)
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={case.threads}"

import jax
import jax.numpy as jnp
import vbjax
import workloads as w

NOTE = "Heun: two evaluations a step"


def linear_loop(steps, noise):
    """A function of key and gain that gives E, [samples, areas], the start left out."""
    model = w.threshold_linear()
    f32 = lambda x: jnp.asarray(x, jnp.float32)
    weights, EE, EI, IE, II = map(f32, (model.weights, model.EE, model.EI, model.IE, model.II))
    background_E, background_I = f32(model.background_E), f32(model.background_I)
    n = len(model.areas)
    to_V1 = jnp.zeros(n).at[w.PULSE_AREA].set(w.PULSE_HZ)

    def drift(state, parameters):
        gain, pulse = parameters
        nu_E, nu_I = state
        long_range = weights @ nu_E
        input_E = EE * nu_E - EI * nu_I + gain * model.to_E * long_range + background_E + pulse
        input_I = IE * nu_E - II * nu_I + model.to_I * long_range + background_I
        return jnp.stack(
            [
                (jnp.maximum(input_E, 0) - nu_E) / w.TAU_E_MS,
                (jnp.maximum(input_I, 0) - nu_I) / w.TAU_I_MS,
            ]
        )

    _, loop = vbjax.make_sde(w.DT_MS, drift, w.SIGMA_W1 if noise else 0.0)
    first, end = w.PULSE_STEPS

    def run(key, gain):
        shape = (steps, 2, n)
        normal = jax.random.normal(key, shape) if noise else jnp.zeros(shape)
        state = jnp.stack([jnp.full(n, w.NU_E_0), jnp.full(n, w.NU_I_0)])
        pieces = []
        # Parameters are constant in a loop: one loop before the pulse, one in it, one after it.
        for piece, pulse in ((normal[:first], 0.0), (normal[first:end], 1.0), (normal[end:], 0.0)):
            states = loop(state, piece, (gain, pulse * to_V1))
            state = states[-1]
            pieces.append(states[:, 0])
        return jnp.concatenate(pieces)[w.SAMPLE_STEPS - 1 :: w.SAMPLE_STEPS]

    return run


def w1(case, size):
    compiled = {}

    def run(steps):
        if steps not in compiled:
            compiled[steps] = jax.jit(linear_loop(steps, case.noise))
        compiled[steps](jax.random.PRNGKey(w.SEED), 1.0).block_until_ready()

    return harness.Job(
        run=run, full=size.steps, least=5_000, compiles=True, precision="float32", note=NOTE
    )


def w2(case, size):
    network = w.delayed()
    n = size.areas
    # vbjax rounds delays down: half a step more makes them those of the workload.
    lengths = (network.delay_steps + 0.5) * w.DT_MS * w.SPEED_MM_PER_MS
    delays = vbjax.make_delay_helper(
        jnp.asarray(network.weights), jnp.asarray(lengths), w.DT_MS, w.SPEED_MM_PER_MS
    )
    longest = int(delays.max_lag)

    def response(x):
        return 1 / (1 + jnp.exp(-w.GAIN * (x - w.THRESHOLD)))

    def drift(past, state, t, gain):
        E, I = state
        coupling = gain * vbjax.delay_apply(delays, t, past)[0]
        to_E = response(w.C_EE * E - w.C_EI * I + coupling + w.P)
        to_I = response(w.C_IE * E - w.C_II * I)
        return jnp.stack(
            [(-E + (1 - E) * to_E) / w.WC_TAU_E_MS, (-I + (1 - I) * to_I) / w.WC_TAU_I_MS]
        )

    _, loop = vbjax.make_sdde(w.DT_MS, longest, drift, w.SIGMA_WC if case.noise else 0.0)
    chunk = 500  # steps; the buffer of a loop holds the past and one chunk
    go_on = vbjax.make_continuation(loop, chunk, longest, n, 2)

    def run(steps):
        past = jnp.stack([jnp.full(n, w.E_0), jnp.full(n, w.I_0)])
        buffer = jnp.tile(past, (longest + 1 + chunk, 1, 1))
        samples = []
        for key in jax.random.split(jax.random.PRNGKey(w.SEED), steps // chunk):
            # Rolling by a chunk brings the last states to the front.
            buffer, states = go_on(buffer, w.G, key)
            samples.append(states[w.SAMPLE_STEPS - 1 :: w.SAMPLE_STEPS, 0])
        jnp.concatenate(samples).block_until_ready()

    return harness.Job(
        run=run,
        full=size.steps,
        least=2 * chunk,
        precision="float32",
        note=f"{NOTE}; in chunks of {chunk} steps",
    )


def w3(case, size):
    one_run = linear_loop(size.steps, case.noise)
    # A device stands for a core.
    many = jax.pmap(jax.vmap(one_run))

    def run(runs):
        each = -(-runs // case.threads)
        shape = (case.threads, each)
        keys = jax.random.split(jax.random.PRNGKey(w.SEED), case.threads * each)
        gains = jnp.array([w.gain_of_run(r, runs) for r in range(case.threads * each)])
        many(keys.reshape(*shape, -1), gains.reshape(shape)).block_until_ready()

    return harness.Job(
        run=run,
        full=size.runs,
        least=10 * case.threads,
        compiles=True,
        precision="float32",
        note=NOTE,
    )


if __name__ == "__main__":
    harness.main(case, "vbjax", ["vbjax", "jax"], {"w1": w1, "w2": w2, "w3": w3})
