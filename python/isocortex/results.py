"""Result files as xarray datasets."""

from __future__ import annotations

import os

import numpy as np
import xarray as xr

from . import _core


def load(path: str | os.PathLike[str]) -> xr.Dataset:
    """Reads a result file, finished or `.partial`, into memory.

    The same dataset that `xarray.open_dataset(path)` gives, through the library's own reader, so that nothing but
    xarray has to be installed. Where a file is larger than memory, open it with xarray instead.
    """
    content = _core.load(os.fspath(path))
    coords = {
        name: xr.Variable(dims, np.asarray(values), attrs)
        for name, dims, values, attrs in content["coords"]
        if values is not None
    }
    variables = {name: xr.Variable(dims, values, attrs) for name, dims, values, attrs in content["vars"]}
    return xr.Dataset(variables, coords, content["attrs"])
