"""cuBNM's own Wilson-Cowan model on processors: W1 and W3 (in place of that model), and W2.

It integrates a model of the BOLD signal beside the rates and cannot leave it out. It starts from a
state of its own.
"""

import harness

case = harness.command_line()

import numpy as np
import workloads as w
from cubnm import sim

NOTE = "also integrates BOLD; draws noise once, repeats it every 30 s and in all runs"


def group(weights, seconds, runs, distance_mm=None, noise=True):
    made = sim.WCSimGroup(
        duration=seconds,
        TR=1,
        sc=np.ascontiguousarray(weights.T),  # rows are sources there
        sc_dist=distance_mm,
        dt=str(w.DT_MS),
        bw_dt="1.0",
        states_ts=True,
        states_sampling=w.DT_MS * w.SAMPLE_STEPS / 1000,
        do_fc=False,
        do_fcd=False,
        bold_remove_s=0,
        window_size=2,
        window_step=2,
        gof_terms=[],
        force_cpu=True,
    )
    made.N = runs
    gains = [w.gain_of_run(r, runs) for r in range(runs)] if runs > 1 else [1.0]
    made.param_lists["G"] = w.G * np.array(gains)
    if distance_mm is not None:
        made.param_lists["v"] = np.full(runs, w.SPEED_MM_PER_MS)
    made._set_default_params()
    for name in ("sigma_E", "sigma_I"):
        made.param_lists[name][:] = w.SIGMA_WC if noise else 0.0
    return made


def one_run(weights, case, size, note, distance_mm=None):
    def run(whole_seconds):
        group(weights, whole_seconds, 1, distance_mm, case.noise).run()

    return harness.Job(run=run, full=round(size.simulated_s), least=2, note=note)


def w1(case, size):
    note = f"Wilson-Cowan, not the threshold-linear model; {NOTE}"
    return one_run(w.threshold_linear().weights, case, size, note)


def w2(case, size):
    network = w.delayed()
    return one_run(network.weights, case, size, NOTE, network.distance_mm)


def w3(case, size):
    weights = w.threshold_linear().weights

    def run(runs):
        group(weights, size.simulated_s, runs, noise=case.noise).run()

    return harness.Job(
        run=run,
        full=size.runs,
        least=5 * case.threads,
        note=f"Wilson-Cowan, not the threshold-linear model; {NOTE}",
    )


if __name__ == "__main__":
    harness.main(case, "cuBNM CPU", ["cubnm", "numpy"], {"w1": w1, "w2": w2, "w3": w3})
