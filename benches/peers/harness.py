"""Command line, timing and output that all Python peers share.

A peer is a script with one function a workload, which gets the `Case` and its
`workloads.Size` and returns a `Job`:

    import harness
    case = harness.command_line()      # before any other import: it sets the number of threads
    ...
    if __name__ == "__main__":
        harness.main(case, peer="name", packages=["name"], workloads={"w1": w1})

Each case is one JSON object on one line of standard output. What a peer prints itself goes to
standard error. The exit code is 3 where a peer cannot do the workload.
"""

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Callable, Optional, TextIO

CANNOT = 3


@dataclass(frozen=True)
class Case:
    workload: str
    noise: bool
    areas: Optional[int]
    repeats: int
    threads: int
    budget_s: float
    out: TextIO  # for results; whatever else is printed goes to standard error


@dataclass
class Job:
    """`run(amount)` does `amount` of the workload: steps, or runs where the workload has many.

    It may return the seconds it took, where a peer knows better than the clock around it.
    """

    run: Callable[[int], Optional[float]]
    full: int  # the whole workload
    least: int  # amounts are multiples of this
    compiles: bool = False  # a new amount is compiled anew
    build_s: float = 0.0  # compiled before the first run
    check: Optional[Callable[[int], list]] = None  # noise-free E after so many steps
    precision: str = "float64"
    noise: Optional[bool] = None  # where a peer cannot do as it is asked
    note: str = ""


class Cannot(Exception):
    """The peer has no way to run this case; the text says why."""


def command_line():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=("w1", "w2", "w3", "w4"))
    parser.add_argument("--noise", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--areas", type=int, help="of w4; all its sizes if not given")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, help="default: all cores for w3, else 1")
    parser.add_argument(
        "--budget", type=float, default=60, help="seconds for the repeats; beyond, less is measured"
    )
    given = parser.parse_args()
    if given.areas is not None and given.workload != "w4":
        parser.error("only the number of areas of w4 can be chosen")
    for name in ("repeats", "threads", "areas"):
        if (value := getattr(given, name)) is not None and value < 1:
            parser.error(f"found --{name} {value}, expected at least 1")
    cores = os.cpu_count() or 1
    threads = given.threads or (cores if given.workload == "w3" else 1)
    for name in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)
    # Also for what libraries print, on import or from C.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return Case(
        workload=given.workload,
        noise=given.noise,
        areas=given.areas,
        repeats=given.repeats,
        threads=threads,
        budget_s=given.budget,
        out=out,
    )


def stay_on_cores(count):
    """For peers that start a thread for each core they see. Linux only."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])


def seconds(run, amount):
    start = time.perf_counter()
    own = run(amount)
    return own if isinstance(own, float) else time.perf_counter() - start


def measure(job, case):
    """Amount done at a time, seconds of each repeat, seconds of compiling."""
    repeat_s = case.budget_s / case.repeats
    amount = job.least
    first_s = seconds(job.run, amount)
    last_s = seconds(job.run, amount)
    compile_s = first_s - last_s
    # As much as fits. Small amounts cost more a step than large ones: look again until it is so.
    while amount < job.full:
        fits = min(job.full, int(amount * repeat_s / last_s) // job.least * job.least)
        if fits < 1.5 * amount and fits < job.full or fits <= amount:
            break
        amount = fits
        first_s = last_s = seconds(job.run, amount)
        if job.compiles:
            last_s = seconds(job.run, amount)
            compile_s = first_s - last_s
    walls = [seconds(job.run, amount) for _ in range(case.repeats)]
    return amount, walls, job.build_s + max(0.0, compile_s)


def report(case, size, job, peer, packages, definitions):
    amount, walls, compile_s = measure(job, case)
    scale = job.full / amount
    noise = case.noise if job.noise is None else job.noise

    def check(steps):
        return [float(x) for x in job.check(steps)] if job.check and not noise else []

    line = {
        "workload": case.workload,
        "peer": peer,
        "version": ", ".join(f"{name} {version(name)}" for name in packages),
        "threads": case.threads,
        "wall_s": statistics.median(walls) * scale,
        "wall_min_s": min(walls) * scale,
        "repeats": len(walls),
        "steps": size.steps,
        "areas": size.areas,
        "runs": size.runs,
        "sim_s": size.simulated_s,
        "compile_s": compile_s,
        "precision": job.precision,
        "noise": noise,
        "scaled": amount < job.full,
        "note": job.note,
        "check": check(definitions.CHECK_STEPS),
    }
    if case.workload == "w2" and line["check"]:
        # After 1000 ms W2 is at a fixed point that does not depend on delays; here it is not.
        line["check_early"] = check(definitions.EARLY_STEPS)
    return line


def main(case, peer, packages, workloads):
    """`workloads` maps a name to a function of the case and its size that gives a Job."""
    import workloads as definitions

    if case.workload not in workloads:
        print(f"{peer}: cannot run {case.workload}", file=sys.stderr)
        sys.exit(CANNOT)
    areas = [case.areas] if case.areas or case.workload != "w4" else list(definitions.W4)
    for n in areas:
        size = definitions.size_of(case.workload, n)
        try:
            job = workloads[case.workload](replace(case, areas=size.areas), size)
            line = report(case, size, job, peer, packages, definitions)
        except Cannot as why:
            print(f"{peer}: cannot run {case.workload}: {why}", file=sys.stderr)
            sys.exit(CANNOT)
        print(json.dumps(line), file=case.out, flush=True)
