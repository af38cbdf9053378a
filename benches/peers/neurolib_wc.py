"""neurolib's own Wilson-Cowan model, compiled with numba: W1 (in place of that model) and W2."""

import harness

case = harness.command_line()

import logging

import numpy as np
import workloads as w
from neurolib.models.wc import WCModel

logging.disable(logging.WARNING)


def model(weights, distance_mm, steps, noise):
    made = WCModel(Cmat=weights, Dmat=distance_mm, seed=w.SEED)
    n = len(weights)
    made.params.update(
        {
            "dt": w.DT_MS,
            "duration": steps * w.DT_MS,
            "signalV": w.SPEED_MM_PER_MS,
            "K_gl": w.G,
            "exc_ext": w.P,
            "sigma_ou": w.SIGMA_WC if noise else 0.0,
            "exc_init": np.full((n, 1), w.E_0),
            "inh_init": np.full((n, 1), w.I_0),
        }
    )
    return made


def job(weights, distance_mm, case, size, note, check=None):
    def run(steps):
        model(weights, distance_mm, steps, case.noise).run()

    return harness.Job(
        run=run,
        full=size.steps,
        least=1_000,
        check=check,
        note=f"{note}noise is Ornstein-Uhlenbeck, in the drift; every step is stored",
    )


def w1(case, size):
    weights = w.threshold_linear().weights
    note = "Wilson-Cowan, not the threshold-linear model; coupling goes through delays of zero; "
    return job(weights, np.zeros_like(weights), case, size, note)


def w2(case, size):
    network = w.delayed()

    def check(steps):
        made = model(network.weights, network.distance_mm, steps, noise=False)
        made.run()
        return made.exc[: w.CHECK_AREAS_W2, -1]

    return job(network.weights, network.distance_mm, case, size, "", check)


if __name__ == "__main__":
    harness.main(case, "neurolib", ["neurolib", "numba", "numpy"], {"w1": w1, "w2": w2})
