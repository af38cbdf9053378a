"""The workloads of the benchmark: models, numbers and inputs that all peers share.

W1  29 areas of the threshold-linear model, 60 s, one run: a pulse to V1, optionally noise.
W2  80 areas of Wilson-Cowan circuits, dense connections with delays, 60 s.
W3  1,000 runs of W1, 2 s each, with other noise and another long-range gain in each.
W4  N areas of Wilson-Cowan circuits, 104 random connections into each, no delays.

All use Euler steps of 0.2 ms. Steps are numbered k = 0, 1, ...: step k leads from t = k dt to
(k + 1) dt, and coupling, stimuli and drift of step k are those at its start. Noise is added to the
new state: sigma sqrt(dt) N(0, 1). Matrices are [target, source].

`python workloads.py dump FILE` writes what `handwritten.c` reads; the layout is told there.
"""

import csv
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[2] / "data" / "macaque-markov29"

DT_MS = 0.2
SAMPLE_STEPS = 5  # E is sampled every 1 ms, the start included
CHECK_STEPS = 5_000  # the state at 1000 ms, by which equal models are told
EARLY_STEPS = 100  # and at 20 ms, where W2 shows its delays
CHECK_AREAS_W2 = 5
SEED = 1


@dataclass(frozen=True)
class Size:
    areas: int
    steps: int
    runs: int = 1

    @property
    def simulated_s(self):
        return self.steps * DT_MS / 1000


W1 = Size(areas=29, steps=300_000)
W2 = Size(areas=80, steps=300_000)
W3 = Size(areas=29, steps=10_000, runs=1_000)
W4 = {n: Size(areas=n, steps=steps) for n, steps in ((1_000, 2_000), (10_000, 200), (100_000, 20))}


def size_of(workload, areas=None):
    """The size of a workload; W4 of an unlisted number of areas has about as many area-steps."""
    if workload == "w4":
        return W4.get(areas) or Size(areas=areas, steps=max(20, 2_000_000 // areas))
    return {"w1": W1, "w2": W2, "w3": W3}[workload]


# W1 and W3 ----------------------------------------------------------------------------------------

# Constants, baseline and background: configs/models/chaudhuri2015.yaml, preset `printed`.
TAU_E_MS, TAU_I_MS = 20.0, 10.0
BETA_E, BETA_I = 0.066, 0.351  # Hz/pA
W_EE, W_IE, W_EI, W_II = 24.3, 12.2, 19.7, 12.5  # pA/Hz
MU_EE, MU_IE = 33.7, 25.3  # pA/Hz, long-range into E and into I
ETA = 0.68
NU_E_0, NU_I_0 = 10.0, 35.0  # Hz

# Into V1, after beta; brings it to 100 Hz above baseline with these constants
# (configs/experiments/chaudhuri2015_v1_pulse.yaml).
PULSE_HZ = 41.8646
PULSE_AREA = 0  # V1 is the first row of areas.csv
PULSE_STEPS = (500, 1750)  # steps in which it is on: from 100 to 350 ms
SIGMA_W1 = 0.1  # Hz/sqrt(ms)


@dataclass(frozen=True)
class ThresholdLinear:
    """Rates follow tau dnu/dt = -nu + [input]_+ with, per area i and everything in Hz,

    input_E = EE nu_E - EI nu_I + to_E long_range + background_E + pulse
    input_I = IE nu_E - II nu_I + to_I long_range + background_I
    long_range = sum_j weights[i, j] nu_E[j]
    """

    areas: list
    weights: np.ndarray
    EE: np.ndarray
    EI: np.ndarray
    IE: np.ndarray
    II: np.ndarray
    to_E: float
    to_I: float
    background_E: np.ndarray
    background_I: np.ndarray


def threshold_linear():
    with open(DATA / "areas.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    areas = [row["area"] for row in rows]
    hierarchy = np.array([float(row["hierarchy_norm"]) for row in rows])
    index = {area: i for i, area in enumerate(areas)}
    fln = np.zeros((len(areas), len(areas)))
    with open(DATA / "fln.csv", newline="") as file:
        for row in csv.DictReader(file):
            fln[index[row["target"]], index[row["source"]]] = float(row["fln"])

    gradient = 1 + ETA * hierarchy
    weights = gradient[:, None] * fln
    EE, IE = BETA_E * W_EE * gradient, BETA_I * W_IE * gradient
    EI, II = np.full(len(areas), BETA_E * W_EI), np.full(len(areas), BETA_I * W_II)
    to_E, to_I = BETA_E * MU_EE, BETA_I * MU_IE
    long_range = weights @ np.full(len(areas), NU_E_0)
    # The baseline is a fixed point: what recurrence leaves open is background.
    background_E = NU_E_0 - (EE * NU_E_0 - EI * NU_I_0 + to_E * long_range)
    background_I = NU_I_0 - (IE * NU_E_0 - II * NU_I_0 + to_I * long_range)
    return ThresholdLinear(
        areas, weights, EE, EI, IE, II, to_E, to_I, background_E, background_I
    )


def gain_of_run(run, runs=W3.runs):
    """Factor on `to_E` in run `run` of W3. Backgrounds stay those of factor 1."""
    return 0.9 + 0.1 * run / runs


# W2 and W4 ----------------------------------------------------------------------------------------

# tau_E dE/dt = -E + (1 - E) S(c_EE E - c_EI I + G sum_j C_ij E_j(t - d_ij) + P)
# tau_I dI/dt = -I + (1 - I) S(c_IE E - c_II I),    S(x) = 1/(1 + exp(-gain (x - threshold)))
#
# Constants are the defaults of neurolib 0.6.2 (models/wc), so that one peer runs its own model; P
# is its drive of 0.5.
WC_TAU_E_MS, WC_TAU_I_MS = 2.5, 3.75
C_EE, C_EI, C_IE, C_II = 16.0, 12.0, 15.0, 3.0
GAIN, THRESHOLD = 1.5, 3.0
G, P = 0.6, 0.5
E_0, I_0 = 0.05, 0.0  # start; E had this value at all times before it
SIGMA_WC = 0.01  # 1/sqrt(ms)

BOX_MM = (140.0, 110.0, 90.0)
DECAY_MM = 30.0
SPEED_MM_PER_MS = 3.5

DEGREE_W4 = 104
WEIGHT_W4 = 0.02  # weights are uniform from 0 to this


@dataclass(frozen=True)
class Delayed:
    weights: np.ndarray
    distance_mm: np.ndarray
    delay_steps: np.ndarray  # int32, at least 1


def delayed(areas=W2.areas):
    """The network of W2, made by a formula so that every language makes the same."""
    # R3 low-discrepancy sequence: fractions of multiples of powers of 1/g, with g^4 = g + 1.
    g = 1.2207440846057596
    number = np.arange(1, areas + 1)
    place = np.stack([size * np.mod(0.5 + number * g**-k, 1) for k, size in zip((1, 2, 3), BOX_MM)])
    distance_mm = np.sqrt(((place[:, :, None] - place[:, None, :]) ** 2).sum(axis=0))
    weights = np.exp(-distance_mm / DECAY_MM)
    np.fill_diagonal(weights, 0)
    weights /= weights.max()
    delay_steps = np.maximum(1, np.rint(distance_mm / SPEED_MM_PER_MS / DT_MS)).astype(np.int32)
    return Delayed(weights, distance_mm, delay_steps)


@dataclass(frozen=True)
class Sparse:
    """CSR: sources and weights of target i are those from first[i] to first[i + 1]."""

    first: np.ndarray
    sources: np.ndarray
    weights: np.ndarray


def sparse(areas, seed=SEED):
    rng = np.random.default_rng(seed)
    sources = rng.integers(0, areas, (areas, DEGREE_W4), dtype=np.int32)
    sources.sort(axis=1)
    weights = WEIGHT_W4 * rng.random(areas * DEGREE_W4)
    first = np.arange(0, areas * DEGREE_W4 + 1, DEGREE_W4, dtype=np.int64)
    return Sparse(first, sources.ravel(), weights)


def response(x):
    return 1 / (1 + np.exp(-GAIN * (x - THRESHOLD)))


def scaled_noise(sigma):
    """Standard deviation of what one step adds to a state."""
    return sigma * math.sqrt(DT_MS)


# Inputs of handwritten.c --------------------------------------------------------------------------


def dump(path):
    linear, wilson_cowan = threshold_linear(), delayed()
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"ISOBENCH")
        for array, kind in (
            ([W1.areas, W2.areas], "<i8"),
            (linear.weights, "<f8"),
            (linear.EE, "<f8"),
            (linear.EI, "<f8"),
            (linear.IE, "<f8"),
            (linear.II, "<f8"),
            (linear.background_E, "<f8"),
            (linear.background_I, "<f8"),
            ([linear.to_E, linear.to_I], "<f8"),
            (wilson_cowan.weights, "<f8"),
            (wilson_cowan.delay_steps, "<i4"),
        ):
            np.ascontiguousarray(array, dtype=kind).tofile(file)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "dump":
        sys.exit("usage: python workloads.py dump FILE")
    dump(Path(sys.argv[2]))
