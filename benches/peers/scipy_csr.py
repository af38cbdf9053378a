"""W4 with scipy: a CSR product a step, everything else in numpy. One thread, whatever is asked."""

import harness

case = harness.command_line()

from dataclasses import replace

import numpy as np
import scipy.sparse
import workloads as w
from workloads import DT_MS


def w4(case, size):
    n = size.areas
    network = w.sparse(n)
    matrix = scipy.sparse.csr_matrix((network.weights, network.sources, network.first), (n, n))
    noise = w.scaled_noise(w.SIGMA_WC) if case.noise else 0.0
    rng = np.random.default_rng(w.SEED)

    def run(steps):
        E, I = np.full(n, w.E_0), np.full(n, w.I_0)
        for _ in range(steps):
            to_E = w.response(w.C_EE * E - w.C_EI * I + w.G * (matrix @ E) + w.P)
            to_I = w.response(w.C_IE * E - w.C_II * I)
            E, I = (
                E + DT_MS / w.WC_TAU_E_MS * (-E + (1 - E) * to_E),
                I + DT_MS / w.WC_TAU_I_MS * (-I + (1 - I) * to_I),
            )
            if noise > 0:
                E += noise * rng.standard_normal(n)
                I += noise * rng.standard_normal(n)

    return harness.Job(run=run, full=size.steps, least=min(20, size.steps))


if __name__ == "__main__":
    harness.main(replace(case, threads=1), "scipy CSR", ["scipy", "numpy"], {"w4": w4})
