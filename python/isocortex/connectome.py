"""Connectomes as arrays: a row is a target, a column is a source, everywhere."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from . import _core
from .experiments import IsocortexWarning

Floats = NDArray[np.float64]
Kind: TypeAlias = Literal["fln", "strength", "weight"]

_POSITION = ("inflated_x_mm", "inflated_y_mm", "inflated_z_mm")


@dataclass(frozen=True)
class Gradient:
    """One number an area that may scale parameters."""

    values: Floats
    unit: str = "dimensionless"
    description: str = "given with the areas"
    estimated: NDArray[np.bool_] | None = None
    """Which values are not measured there; None where nobody says."""


def _read_only(array: Any) -> Any:
    if array is not None:
        array.setflags(write=False)
    return array


class Connectome:
    """Areas and how they are linked, checked by the library.

    `Connectome("macaque-markov29")` reads a bundled data set or a folder; `from_arrays`, `from_pandas` and
    `from_tvb` make one of what is at hand. `save` writes a folder that a config can name. Arrays are read-only.
    """

    name: str
    title: str
    areas: list[str]
    kind: Kind
    """What `weights` are: fractions of labelled neurons (FLN), strengths on a scale of their own, or weights of either sign."""
    weights: Floats
    """[target, source]; 0: no link."""
    sln: Floats | None
    """Fraction of a link's neurons above layer 4 [target, source]; NaN: not given."""
    distance_mm: Floats | None
    """[target, source]; NaN: not given."""
    delay_ms: Floats | None
    """[target, source]; NaN: not given."""
    gradients: dict[str, Gradient]
    lobes: list[str | None]
    positions_mm: list[tuple[float, float, float] | None]
    """Centres on an inflated surface, for drawing only."""
    warnings: list[str]
    """What is remarkable, though not wrong, about the tables."""
    publications: list[dict[str, str | None]]
    terms: dict[str, str | None] | None
    digest: str
    """SHA-256 over the tables, as in result files."""
    spectral_radius: float
    reciprocity: float | None
    sln_hierarchy_correlation: float | None

    def __init__(self, source: str | os.PathLike[str]) -> None:
        found = _core.load_connectome(os.fspath(source))
        self.name = found["name"]
        self.title = found["title"]
        self.species: str | None = found["species"]
        self.areas = found["areas"]
        self.kind = found["kind"]
        self.weights = _read_only(found["weights"])
        self.sln = _read_only(found["sln"])
        self.distance_mm = _read_only(found["distance_mm"])
        self.delay_ms = _read_only(found["delay_ms"])
        self.gradients = {
            name: Gradient(_read_only(values), unit, description, _read_only(estimated))
            for name, values, unit, description, estimated in found["gradients"]
        }
        self.lobes = found["lobes"]
        self.positions_mm = [p if p is None else (p[0], p[1], p[2]) for p in found["positions"]]
        self.warnings = found["warnings"]
        self.publications = json.loads(found["publications"])
        self.terms = json.loads(found["terms"])
        self.digest = found["digest"]
        self.spectral_radius = found["spectral_radius"]
        self.reciprocity = found["reciprocity"]
        self.sln_hierarchy_correlation = found["sln_hierarchy_correlation"]

    def __repr__(self) -> str:
        return f"<Connectome {self.name}: {len(self.areas)} areas, {self.n_links} links>"

    @property
    def n_areas(self) -> int:
        """Number of areas."""
        return len(self.areas)

    @property
    def n_links(self) -> int:
        """Number of directed links."""
        return int(np.count_nonzero(self.weights))

    @classmethod
    def from_arrays(
        cls,
        weights: ArrayLike,
        areas: Sequence[str],
        *,
        kind: Kind = "fln",
        sln: ArrayLike | None = None,
        distance_mm: ArrayLike | None = None,
        delay_ms: ArrayLike | None = None,
        gradients: Mapping[str, Gradient | ArrayLike] | None = None,
        name: str = "arrays",
        title: str | None = None,
    ) -> Connectome:
        """Makes a connectome of matrices [target, source] and of gradients, one number an area.

        A weight of 0 is no link, NaN elsewhere is a value that is not given. Refused is what is refused in a data
        folder: weights on the diagonal, FLN of a target that sum to more than 1, and so on.
        """
        count = len(areas)

        def matrix(what: str, values: ArrayLike | None) -> Floats | None:
            if values is None:
                return None
            array = np.asarray(values, dtype=float)
            if array.shape != (count, count):
                expected = f"({count}, {count}), a row a target and a column a source"
                raise _core.IsocortexError(f"{what}: found shape {array.shape}, expected {expected}")
            return array

        def vector(what: str, values: Gradient | ArrayLike) -> Gradient:
            given = values if isinstance(values, Gradient) else Gradient(np.asarray(values, dtype=float))
            if np.shape(given.values) != (count,):
                message = f"gradient {what}: found shape {np.shape(given.values)}, expected ({count},)"
                raise _core.IsocortexError(message)
            return given

        tables = _Tables(
            name=name,
            title=name if title is None else title,
            areas=[str(area) for area in areas],
            kind=kind,
            weights=_required(matrix(kind, weights)),
            sln=matrix("sln", sln),
            distance_mm=matrix("distance_mm", distance_mm),
            delay_ms=matrix("delay_ms", delay_ms),
            gradients={g: vector(g, values) for g, values in (gradients or {}).items()},
        )
        with tempfile.TemporaryDirectory(prefix="isocortex-") as folder:
            tables.write(Path(folder))
            try:
                found = cls(folder)
            except _core.IsocortexError as error:
                # Nobody knows the folder; its tables and their lines say which link is meant.
                raise _core.IsocortexError(str(error).replace(folder, name)) from None
        for message in found.warnings:
            warnings.warn(message, IsocortexWarning, stacklevel=2)
        return found

    @classmethod
    def from_pandas(
        cls,
        weights: pd.DataFrame,
        *,
        kind: Kind = "fln",
        sln: pd.DataFrame | None = None,
        distance_mm: pd.DataFrame | None = None,
        delay_ms: pd.DataFrame | None = None,
        areas: pd.DataFrame | None = None,
        name: str = "tables",
        title: str | None = None,
    ) -> Connectome:
        """Makes a connectome of tables whose index is the targets and whose columns are the sources, in any order.

        `areas` has a row an area; its numeric columns become gradients. The index of `weights` gives the order.
        """
        order = [str(area) for area in weights.index]

        def square(what: str, table: pd.DataFrame | None) -> Floats | None:
            if table is None:
                return None
            named = table.rename(index=str, columns=str)
            for axis, labels in (("index", named.index), ("columns", named.columns)):
                if sorted(labels) != sorted(order):
                    odd = sorted({*labels}.symmetric_difference(order)) or ["names that come twice"]
                    message = f"{what}: found other names in its {axis} than the index of weights has"
                    raise _core.IsocortexError(f"{message}: {', '.join(odd)}")
            return named.reindex(index=order, columns=order).to_numpy(dtype=float)

        gradients: dict[str, ArrayLike] = {}
        if areas is not None:
            named = areas.rename(index=str)
            if sorted(named.index) != sorted(order):
                raise _core.IsocortexError("areas: found other names in its index than the index of weights has")
            numeric = named.reindex(order).select_dtypes("number")
            gradients = {str(column): numeric[column].to_numpy(dtype=float) for column in numeric}
        return cls.from_arrays(
            _required(square("weights", weights)),
            order,
            kind=kind,
            sln=square("sln", sln),
            distance_mm=square("distance_mm", distance_mm),
            delay_ms=square("delay_ms", delay_ms),
            gradients=gradients,
            name=name,
            title=title,
        )

    @classmethod
    def from_tvb(cls, path: str | os.PathLike[str]) -> Connectome:
        """Reads a connectivity of The Virtual Brain, a zip file or a folder: weights, tract lengths in mm, centres.

        A row of `weights.txt` is a target, as the coupling of The Virtual Brain has it; nothing in the file says so.
        Weights become projection strengths. Links of an area to itself are left out with a warning, because that is
        what local circuits are for. Centres become the gradients `centre_x_mm`, `centre_y_mm`, `centre_z_mm`.
        """
        return cls._imported(path, "tvb")

    @classmethod
    def from_counts(
        cls, path: str | os.PathLike[str], *, merge: Literal["mean", "sum"] = "mean"
    ) -> Connectome:
        """Computes FLN and SLN from a table of labelled neurons, as `isocortex data import counts` does. Repeated
        injections into an area are merged by the mean of their FLN, or by the sum of their neurons."""
        return cls._imported(path, merge)

    @classmethod
    def _imported(cls, path: str | os.PathLike[str], of: str) -> Connectome:
        found = _core.import_tables(os.fspath(path), of)
        for message in found["remarks"]:
            warnings.warn(message, IsocortexWarning, stacklevel=3)
        return cls.from_arrays(
            found["weights"],
            found["areas"],
            kind=found["kind"],
            sln=found["sln"],
            distance_mm=found["distance_mm"],
            gradients=dict(found["gradients"]),
            name=Path(path).stem,
            title=f"Imported from {Path(path).name}",
        )

    def export(self, path: str | os.PathLike[str], form: Literal["csv", "npz", "tvb"]) -> Path:
        """Writes the connectome for other programs, rows being targets: a new folder of matrices (`csv`), numpy's
        archive (`npz`), or a connectivity of The Virtual Brain (`tvb`, a zip file). Warns of what a form wants and
        the connectome lacks, and of what it leaves out."""
        with tempfile.TemporaryDirectory(prefix="isocortex-") as folder:
            for message in _core.export(str(self.save(Path(folder) / "set")), form, path):
                warnings.warn(message, IsocortexWarning, stacklevel=2)
        return Path(path)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes a data folder, which is made if it is not there, and checks it. Returns its full path, to be used
        as `set={"connectome.data": path}`."""
        path = Path(folder).resolve()
        if (path / "manifest.yaml").exists():
            raise _core.IsocortexError(f"{path}: found a data set, expected a folder without manifest.yaml")
        path.mkdir(parents=True, exist_ok=True)
        tables = _Tables(
            name=self.name,
            title=self.title,
            areas=self.areas,
            kind=self.kind,
            weights=self.weights,
            sln=self.sln,
            distance_mm=self.distance_mm,
            delay_ms=self.delay_ms,
            gradients=self.gradients,
            species=self.species,
            lobes=self.lobes,
            positions_mm=self.positions_mm,
            publications=self.publications,
            terms=self.terms,
        )
        tables.write(path)
        _core.load_connectome(str(path))
        return path


def _required(array: Floats | None) -> Floats:
    if array is None:
        raise _core.IsocortexError("weights: found none, expected a matrix")
    return array


@dataclass
class _Tables:
    """What a data folder holds, to be written."""

    name: str
    title: str
    areas: list[str]
    kind: Kind
    weights: Floats
    sln: Floats | None
    distance_mm: Floats | None
    delay_ms: Floats | None
    gradients: dict[str, Gradient]
    species: str | None = None
    lobes: list[str | None] | None = None
    positions_mm: list[tuple[float, float, float] | None] | None = None
    publications: list[dict[str, str | None]] | None = None
    terms: dict[str, str | None] | None = None

    def write(self, folder: Path) -> None:
        sha256 = _write_csv(folder / "areas.csv", self._area_columns())
        files: dict[str, Any] = {"areas": {"path": "areas.csv", "sha256": sha256}}
        matrices = [
            (self.kind, self.weights, {}),
            ("sln", self.sln, {}),
            ("distance_mm", self.distance_mm, {"unit": "mm"}),
            ("delay_ms", self.delay_ms, {"unit": "ms"}),
        ]
        for role, matrix, more in matrices:
            if matrix is None:
                continue
            # NaN of the weights is written, to be refused; elsewhere it means: not given.
            there = matrix != 0.0 if role == self.kind else ~np.isnan(matrix)
            if role in ("distance_mm", "delay_ms"):
                np.fill_diagonal(there, False)
            pairs: list[tuple[str, ...]] = [("target", "source", role)]
            pairs += [
                (self.areas[i], self.areas[j], repr(float(matrix[i, j]))) for i, j in np.argwhere(there)
            ]
            sha256 = _write_csv(folder / f"{role}.csv", pairs)
            files[role] = {"path": f"{role}.csv", "sha256": sha256, **more}
        manifest: dict[str, Any] = {
            "layout": 1,
            "name": self.name,
            "title": self.title,
            "areas": len(self.areas),
            "orientation": {"rows": "target", "columns": "source"},
            "files": files,
            "gradients": [self._gradient(name) for name in self.gradients],
        }
        for key in ("species", "publications", "terms"):
            if getattr(self, key):
                manifest[key] = getattr(self, key)
        # JSON is YAML; one key a line reads well enough.
        lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in manifest.items()]
        (folder / "manifest.yaml").write_text("".join(lines), encoding="utf-8")

    def _gradient(self, name: str) -> dict[str, Any]:
        gradient = self.gradients[name]
        entry: dict[str, Any] = {"name": name, "unit": gradient.unit, "description": gradient.description}
        if gradient.estimated is not None:
            entry["basis"] = {"column": f"{name}_basis", "estimated": ["estimated"]}
        return entry

    def _area_columns(self) -> list[tuple[str, ...]]:
        header, columns = ["area"], [self.areas]
        if self.lobes and any(self.lobes):
            header.append("lobe")
            columns.append([lobe or "" for lobe in self.lobes])
        if self.positions_mm and all(self.positions_mm):
            for k, name in enumerate(_POSITION):
                header.append(name)
                columns.append([repr(float(p[k])) for p in self.positions_mm if p is not None])
        for name, gradient in self.gradients.items():
            header.append(name)
            columns.append([repr(float(x)) for x in gradient.values])
            if gradient.estimated is not None:
                header.append(f"{name}_basis")
                columns.append(["estimated" if e else "measured" for e in gradient.estimated])
        return [tuple(header), *zip(*columns)]


def _write_csv(path: Path, rows: list[tuple[str, ...]]) -> str:
    """Writes a table and gives the hash of its bytes."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()
