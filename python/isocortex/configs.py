"""Configs: bundled names, files or dictionaries, with overrides."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from . import _core

Config: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any]"
"""A bundled name, the path of a YAML file, or the same as a dictionary."""

Sets: TypeAlias = "Mapping[str, Any] | Iterable[str] | None"
"""Overrides: key path to value, or texts as behind `--set`."""


@dataclass(frozen=True)
class Source:
    """A config as the compiled part reads it."""

    config: str
    is_text: bool
    sets: list[str]


def _plain(value: Any) -> Any:
    """What JSON has no word for, as what it has."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"a value of a config: found {type(value).__name__}, expected text, number, list or mapping")


def _text(value: Any) -> str:
    """A value as it would be typed: YAML, of which JSON is a part."""
    if isinstance(value, str):
        return value
    if isinstance(value, os.PathLike):
        return json.dumps(os.fspath(value), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _axis(value: Any) -> str:
    """A value of a sweep: a list is what it goes through."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple, range)):
        return ",".join(_text(item) for item in value)
    return _text(value)


def source(
    config: Config,
    sets: Sets,
    *,
    seed: int | None = None,
    replicates: int | None = None,
    sweep: bool = False,
) -> Source:
    """Puts a config and its overrides into the words of the program."""
    if isinstance(sets, str):
        raise TypeError("set: found one text, expected a mapping or a list of texts `path=value`")
    typed: list[str] = []
    if isinstance(sets, Mapping):
        typed += [f"{path}={_axis(value) if sweep else _text(value)}" for path, value in sets.items()]
    elif sets is not None:
        typed += list(sets)
    if seed is not None:
        typed.append(f"simulation.seed={seed}")
    if replicates is not None:
        typed.append(f"simulation.replicates={replicates}")
    if isinstance(config, Mapping):
        text = json.dumps(config, ensure_ascii=False, indent=2, default=_plain)
        return Source(text, True, typed)
    return Source(os.fspath(config), False, typed)


def names(kind: str = "configs") -> list[str]:
    """Names of what travels inside the package: `configs`, `circuits`, `data`, `papers`, `recordings` or `designs`."""
    return _core.names(kind)


def config(name: Config, *, set: Sets = None) -> dict[str, Any]:
    """The merged config as a dictionary: without `from`, presets or comments, enough to `run`."""
    merged: dict[str, Any] = json.loads(_core.config(source(name, set))[1])
    return merged


def config_text(name: Config, *, set: Sets = None) -> str:
    """The merged config as YAML."""
    return _core.config(source(name, set))[0]


def check(name: Config, *, set: Sets = None) -> list[str]:
    """Checks a config and its data without running it. Raises what is wrong, returns what is remarkable."""
    return _core.check(source(name, set))[0]


def plan(name: Config, *, set: Sets = None) -> str:
    """Explains what a config will run: layout, order, delays, memory."""
    return _core.check(source(name, set))[1]


def _numbers(what: str, values: ArrayLike, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    array = np.asarray(values, dtype=float)
    if array.shape != shape:
        raise _core.IsocortexError(f"{what}: found shape {array.shape}, expected {shape}")
    return array


def _quantity(value: float, unit: str) -> str:
    return f"{float(value)!r} {unit}" if unit not in ("", "1") else repr(float(value))


def parameters(areas: Sequence[str], **values: tuple[ArrayLike, str]) -> dict[str, dict[str, str]]:
    """Parameters of single areas, for `set={"circuit.areas": ...}`.

    Each keyword is a parameter of the circuit with its values, one an area, and their unit (`"1"` for none):
    `parameters(areas, w_EE=(w, "pA/Hz"))`. They replace what gradients give. NaN leaves an area as it is.
    """
    out: dict[str, dict[str, str]] = {}
    for name, (array, unit) in values.items():
        for area, value in zip(areas, _numbers(name, array, (len(areas),))):
            if not np.isnan(value):
                out.setdefault(area, {})[name] = _quantity(value, unit)
    return out


def stimuli(
    name: str,
    *,
    into: str,
    areas: Sequence[str],
    amplitude: ArrayLike,
    unit: str,
    edges_ms: ArrayLike,
) -> dict[str, dict[str, Any]]:
    """Stimuli that differ by area and change in steps, for `set={"stimuli": ...}`.

    `amplitude` is [window, area] in `unit`; window k lasts from `edges_ms[k]` to `edges_ms[k + 1]`, and all
    edges lie on the grid of `dt`. A stimulus of a config is a constant during a time, so each number other than
    0 becomes one, called `name_area_window`. Smooth waveforms and random ones are no words of a config: steps or
    noise stand in for them.
    """
    edges = np.asarray(edges_ms, dtype=float)
    if edges.ndim != 1 or len(edges) < 2:
        raise _core.IsocortexError(f"edges_ms: found shape {edges.shape}, expected two times or more")
    values = _numbers("amplitude", amplitude, (len(edges) - 1, len(areas)))
    out: dict[str, dict[str, Any]] = {}
    for k, row in enumerate(values):
        for area, value in zip(areas, row):
            if value != 0.0:
                out[f"{name}_{area}_{k}"] = {
                    "into": into,
                    "areas": [area],
                    "amplitude": _quantity(value, unit),
                    "onset": _quantity(edges[k], "ms"),
                    "offset": _quantity(edges[k + 1], "ms"),
                }
    return out
