"""Runs, sweeps, scorecards, predictions."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import xarray as xr

from . import _core
from .configs import Config, Sets, source
from .results import load

Progress: TypeAlias = "bool | Callable[[int, int], object] | None"
"""True for a bar (needs tqdm), or a function of what is done and of the total."""


class IsocortexWarning(UserWarning):
    """What a person should know before trusting a result."""


def _warn(messages: list[str]) -> None:
    for message in messages:
        warnings.warn(message, IsocortexWarning, stacklevel=3)


@contextmanager
def _shown(progress: Progress, unit: str) -> Iterator[Callable[[int, int], object] | None]:
    """A bar while work goes on, or what the caller gave."""
    if not isinstance(progress, bool):
        yield progress
        return
    if not progress:
        yield None
        return
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "progress=True needs tqdm: pip install tqdm, or give a function of (done, total)"
        ) from None
    with tqdm(unit=f" {unit}") as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


@contextmanager
def _file(output: str | os.PathLike[str] | None) -> Iterator[Path]:
    """Where the result file goes: a folder that is removed afterwards, if nobody wants to keep it."""
    if output is not None:
        yield Path(output)
        return
    with tempfile.TemporaryDirectory(prefix="isocortex-") as folder:
        yield Path(folder) / "results.h5"


def run(
    config: Config,
    *,
    set: Sets = None,
    seed: int | None = None,
    replicates: int | None = None,
    threads: int | None = None,
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: Progress = None,
) -> xr.Dataset:
    """Runs an experiment: `isocortex run`, with the result file as a dataset.

    `set` overrides keys, as `{"stimuli.pulse.areas": ["V1"]}` or `["preset=printed"]`; `seed` and `replicates`
    are short for those of `simulation`. `output` keeps the result file. Neither `threads` nor anything else here
    but config, `set`, `seed` and `replicates` changes a number.

    Raises IsocortexError with the text that the program prints. Ctrl-C stops the run; with `output` given, what
    was finished is then in `output` + `.partial`, and `resume=True` goes on from it to the same bits.
    """
    wanted = source(config, set, seed=seed, replicates=replicates)
    with _file(output) as path, _shown(progress, "samples") as show:
        _warn(_core.run(wanted, path, output is not None, resume, threads, show))
        return load(path)


def sweep(
    config: Config,
    *,
    set: Sets = None,
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    restart: bool = False,
    activity: bool = False,
    threads: int | None = None,
    progress: Progress = None,
) -> xr.Dataset:
    """Runs many conditions of an experiment: `isocortex sweep`.

    In `set`, a list or an array is an axis, and so is a text such as `"0..1:11"`; a value that is a list itself
    stands in a list: `{"stimuli.pulse.areas": [["V1"], ["V2"]]}`. With `output`, a sweep that was stopped goes on
    with `resume=True` and is forgotten with `restart=True`. `activity` keeps the activity of every condition.
    """
    wanted = source(config, set, sweep=True)
    with _file(output) as path, _shown(progress, "conditions") as show:
        _, failed = _core.sweep(wanted, path, resume, restart, activity, threads, show)
        _warn([f"condition {condition} failed: {why}" for condition, why in failed])
        return load(path)


def reproduce(paper: str, *, threads: int | None = None, progress: Progress = None) -> pd.DataFrame:
    """Runs what a paper's targets need and holds the numbers against them: a row a number.

    `verdict` is `pass`, `fail`, or `known_gap` with the reason in `note`.
    """
    with _shown(progress, "targets") as show:
        card = json.loads(_core.reproduce(os.fspath(paper), threads, show))
    table = pd.DataFrame(card["scores"])
    table.attrs["paper"] = card["paper"]
    return table


def validate(
    recordings: str,
    experiment: str | os.PathLike[str] | None = None,
    *,
    set: Sets = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Sets an experiment, or that of the table, beside recordings: a row an area, `recorded`, `model`, `agrees`.

    `attrs` of the table hold `statistics` (words to number), `title`, `paper`, `rule` and `left_out`.
    """
    named = None if experiment is None else os.fspath(experiment)
    compared = json.loads(_core.validate(os.fspath(recordings), named, source("", set).sets, threads))
    rows = pd.DataFrame(compared.pop("rows")).set_index("name")
    compared["statistics"] = dict(compared["statistics"])
    rows.attrs.update(compared)
    return rows


def predict(
    design: str,
    *,
    set: Sets = None,
    threads: int | None = None,
    progress: Progress = None,
) -> pd.DataFrame:
    """Runs perturbations against the control with the same noise: a row a readout, with interval and p."""
    sets = source("", set).sets
    with _shown(progress, "runs") as show:
        table = json.loads(_core.predict(os.fspath(design), sets, threads, show))
    rows = pd.DataFrame(table["rows"])
    rows.attrs["title"] = table["title"]
    return rows


def linearise(config: Config, *, set: Sets = None) -> xr.Dataset:
    """The network linearised at its baseline.

    `jacobian` [state, state_source] in 1/ms; both dimensions carry `area` and `variable` as coordinates, areas in
    the order of the connectome. `baseline` [state] in the units of `unit`. `eigenvalue` [mode] in 1/ms, slowest
    first.
    """
    found = _core.linearised(source(config, set))
    states = [name for name, _ in found["states"]]
    units = [unit for _, unit in found["states"]]
    count = len(found["areas"])
    area = np.repeat(np.array(found["areas"], dtype=object), len(states))
    variable = np.tile(np.array(states, dtype=object), count)
    per_ms = {"units": "1/ms"}
    return xr.Dataset(
        {
            "jacobian": (("state", "state_source"), found["jacobian"], per_ms),
            "baseline": ("state", found["baseline"].ravel()),
            "eigenvalue": ("mode", found["re"] + 1j * found["im"], per_ms),
        },
        {
            "area": ("state", area),
            "variable": ("state", variable),
            "unit": ("state", np.tile(np.array(units, dtype=object), count)),
            "area_source": ("state_source", area),
            "variable_source": ("state_source", variable),
        },
    )
