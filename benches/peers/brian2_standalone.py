"""The models in Brian2's C++ standalone mode: W1 and W4.

Seconds are those that the generated program reports for its loop over steps: making synapses,
starting the process and writing results are left out. Compiling is told apart.
"""

import harness

case = harness.command_line()

import atexit
import shutil
import tempfile
import time
from dataclasses import replace

import brian2 as b2
import numpy as np
import workloads as w
from brian2 import ms

LINEAR = """
dnu_E/dt = (clip(EE*nu_E - EI*nu_I + to_E*long_range + background_E + pulse, 0, inf) - nu_E)
           / tau_E NOISE_E : 1
dnu_I/dt = (clip(IE*nu_E - II*nu_I + to_I*long_range + background_I, 0, inf) - nu_I)
           / tau_I NOISE_I : 1
pulse = pulse_hz * int(i == pulse_area) * int(t >= pulse_on) * int(t < pulse_off) : 1
long_range : 1
EE : 1 (constant)
EI : 1 (constant)
IE : 1 (constant)
II : 1 (constant)
background_E : 1 (constant)
background_I : 1 (constant)
"""

WILSON_COWAN = """
dE/dt = (-E + (1 - E) / (1 + exp(-slope * (c_EE*E - c_EI*I + coupling + P - threshold))))
        / tau_E NOISE_E : 1
dI/dt = (-I + (1 - I) / (1 + exp(-slope * (c_IE*E - c_II*I - threshold)))) / tau_I NOISE_I : 1
coupling : 1
"""


def equations(text, noise):
    # Euler-Maruyama adds sigma sqrt(dt) N to the state.
    for name in ("E", "I"):
        text = text.replace(f"NOISE_{name}", f"+ sigma * xi_{name}" if noise else "")
    return text


def areas(n, text, case, sigma, constants):
    return b2.NeuronGroup(
        n,
        equations(text, case.noise),
        method="euler",
        namespace={**constants, "sigma": sigma / ms**0.5},
    )


def connect(group, sources, targets, weights, model):
    made = b2.Synapses(group, group, f"weight : 1 (constant)\n{model} : 1 (summed)")
    made.connect(i=sources, j=targets)
    made.weight = weights
    return made


def job(case, size, network, monitor=None):
    folder = tempfile.mkdtemp(prefix="brian2-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    network.run(size.steps * w.DT_MS * ms)
    start = time.perf_counter()
    b2.device.build(directory=folder, compile=True, run=False)
    build_s = time.perf_counter() - start

    def run(_):
        b2.device.run(folder, with_output=False, run_args=[])
        return float(b2.device._last_run_time)

    def check(steps):
        return monitor.variables["nu_E"].get_value()[steps // w.SAMPLE_STEPS]

    return harness.Job(
        run=run,
        full=size.steps,
        least=size.steps,
        build_s=build_s,
        check=check if monitor is not None else None,
        note="the loop over steps alone",
    )


def start_device(case):
    b2.device.reinit()
    b2.device.activate(build_on_run=False)
    b2.start_scope()
    b2.seed(w.SEED)
    b2.defaultclock.dt = w.DT_MS * ms
    if case.threads > 1:
        b2.prefs.devices.cpp_standalone.openmp_threads = case.threads


def w1(case, size):
    start_device(case)
    model = w.threshold_linear()
    first, end = w.PULSE_STEPS
    constants = {
        "to_E": model.to_E,
        "to_I": model.to_I,
        "tau_E": w.TAU_E_MS * ms,
        "tau_I": w.TAU_I_MS * ms,
        "pulse_hz": w.PULSE_HZ,
        "pulse_area": w.PULSE_AREA,
        # Half a step earlier, so that rounding cannot matter.
        "pulse_on": (first - 0.5) * w.DT_MS * ms,
        "pulse_off": (end - 0.5) * w.DT_MS * ms,
    }
    group = areas(size.areas, LINEAR, case, w.SIGMA_W1, constants)
    for name in ("EE", "EI", "IE", "II", "background_E", "background_I"):
        setattr(group, name, getattr(model, name))
    group.nu_E, group.nu_I = w.NU_E_0, w.NU_I_0
    targets, sources = np.nonzero(model.weights)
    weights = model.weights[targets, sources]
    synapses = connect(group, sources, targets, weights, "long_range_post = weight * nu_E_pre")
    monitor = b2.StateMonitor(group, "nu_E", record=True, dt=w.DT_MS * w.SAMPLE_STEPS * ms)
    return job(case, size, b2.Network(group, synapses, monitor), monitor)


def w4(case, size):
    start_device(case)
    constants = {
        "c_EE": w.C_EE, "c_EI": w.C_EI, "c_IE": w.C_IE, "c_II": w.C_II,
        "tau_E": w.WC_TAU_E_MS * ms, "tau_I": w.WC_TAU_I_MS * ms,
        "slope": w.GAIN, "threshold": w.THRESHOLD, "P": w.P, "G": w.G,
    }  # fmt: skip
    group = areas(size.areas, WILSON_COWAN, case, w.SIGMA_WC, constants)
    group.E, group.I = w.E_0, w.I_0
    given = w.sparse(size.areas)
    targets = np.repeat(np.arange(size.areas), np.diff(given.first))
    synapses = connect(
        group, given.sources, targets, w.G * given.weights, "coupling_post = weight * E_pre"
    )
    return job(case, size, b2.Network(group, synapses))


if __name__ == "__main__":
    b2.BrianLogger.log_level_error()
    b2.set_device("cpp_standalone", build_on_run=False)
    harness.main(case, "Brian2 standalone", ["brian2", "numpy"], {"w1": w1, "w4": w4})
