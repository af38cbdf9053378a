"""Runs, sweeps, scorecards, predictions."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import xarray as xr

from . import _core
from .configs import Config, Sets, Source, source
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


def collect(
    config: Config,
    output: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    set: Sets = None,
) -> xr.Dataset:
    """What the unfinished sweep of `output` has finished, with NaN for the rest: `isocortex sweep --collect`.

    It is written to the file `to`; the sweep itself can go on afterwards. Config and `set` are those of the sweep.
    """
    _core.collect(source(config, set, sweep=True), os.fspath(output), os.fspath(to))
    return load(to)


def rerun(
    results: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> xr.Dataset:
    """Runs the config inside a result file again and compares bit for bit: `isocortex rerun`.

    Raises IsocortexError where a variable differs, or the data set that the file was made with.
    """
    old = load(results)
    if "condition" in old.dims:
        name = os.fspath(results)
        raise _core.IsocortexError(f"{name}: found the result of a sweep, expected that of a run")
    wanted = Source(str(old.attrs["config"]), True, [])
    with _file(output) as path, _shown(progress, "samples") as show:
        _warn(_core.run(wanted, path, output is not None, False, threads, show))
        new = load(path)
    digest = "connectome_sha256"
    if old.attrs[digest] != new.attrs[digest]:
        expected = f"expected {old.attrs[digest]} as in {os.fspath(results)}"
        raise _core.IsocortexError(f"the data set changed: found sha256 {new.attrs[digest]}, {expected}")
    differing = [str(name) for name in old.data_vars if _bits(old[name]) != _bits(new.get(name))]
    if differing:
        versions = [f"{of.attrs['isocortex_version']} ({of.attrs['isocortex_commit']})" for of in (old, new)]
        raise _core.IsocortexError(
            f"not identical: found differences in {', '.join(differing)}, expected none; the file was written by "
            f"isocortex {versions[0]}, this is {versions[1]}"
        )
    return new


def _bits(variable: xr.DataArray | None) -> object:
    """Shape, type and numbers of a variable as they lie in memory, with one NaN for all."""
    if variable is None:
        return None
    values = variable.values
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), values.dtype.type(np.nan), values)
    return values.shape, values.dtype.str, values.tobytes()


def report(
    results: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    replicates: Sequence[int] | None = None,
) -> Path:
    """Writes a result file, of a run or a sweep, as one HTML page: `isocortex report`. Gives the path of the page,
    `NAME.html` beside the result file if `output` is not given. `replicates` are those whose traces are shown one by
    one."""
    page = Path(results).with_suffix(".html") if output is None else Path(output)
    shown = None if replicates is None else [int(r) for r in replicates]
    _warn(_core.report(os.fspath(results), page, shown))
    return page


def fit(
    name: str | os.PathLike[str],
    *,
    set: Sets = None,
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    restart: bool = False,
    threads: int | None = None,
    progress: Progress = None,
) -> pd.DataFrame:
    """Fits parameters to targets: `isocortex fit`. A row a parameter: `value`, `unit`, `start`, `lower`, `upper`.

    `name` is a bundled fit (`iso.names("fits")`) or a file. `output` is a folder that keeps the tables, `best.yaml` and
    the journal, with which a fit that was stopped goes on (`resume=True`). `attrs` of the table hold `loss`, `loss_at_start`,
    `targets` and `trajectory` (lists of dictionaries), and the overrides of the best candidate as `set`, to be handed to `run`.
    """
    with tempfile.TemporaryDirectory(prefix="isocortex-") as temporary, _shown(progress, "evaluations") as show:
        folder = Path(temporary) / "fit" if output is None else Path(output)
        sets = source("", set).sets
        found = json.loads(_core.fit(os.fspath(name), sets, folder, resume, restart, threads, show))
    table = pd.DataFrame(found.pop("parameters")).set_index("parameter")
    if output is None:
        del found["results"]
    table.attrs.update(found)
    return table


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
