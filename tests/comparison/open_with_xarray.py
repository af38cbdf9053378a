#!/usr/bin/env python3
"""Opens a result file with the programs a scientist will use, and checks that they understand it.

    python open_with_xarray.py results.h5

Needs numpy, xarray, h5netcdf, netCDF4 and h5py. Checks, without knowing the model: xarray opens the
file with both netCDF-4 engines and sees the same values; every data variable has named dimensions,
units and a long_name; areas have names and time has values with units; h5py finds the dimension
scales. Prints the dataset.
"""

import sys

import h5py
import numpy as np
import xarray as xr

ENGINES = ("h5netcdf", "netcdf4")


def check(condition, message):
    if not condition:
        sys.exit(f"{sys.argv[1]}: {message}")


def check_dataset(data, engine):
    check(len(data.data_vars) > 0, f"{engine}: no data variables")
    for name, var in data.data_vars.items():
        for dim in var.dims:
            unnamed = dim.startswith(("phony_dim", "axis_"))
            check(not unnamed, f"{engine}: variable {name} has an unnamed dimension {dim}")
        for attr in ("units", "long_name"):
            text = var.attrs.get(attr)
            check(isinstance(text, str) and text, f"{engine}: variable {name} has no {attr}")
    if "area" in data.dims:
        check("area" in data.coords, f"{engine}: areas have no names")
        names = [str(name) for name in data.coords["area"].values]
        check(len(set(names)) == len(names), f"{engine}: area names are not unique")
        for name in names:
            found = str(data.sel(area=name).coords["area"].values)
            check(found == name, f"{engine}: .sel(area={name!r}) found {found!r}")
    if "time" in data.dims:
        check("time" in data.coords, f"{engine}: time has no values")
        time = data.coords["time"]
        check(np.issubdtype(time.dtype, np.floating), f"{engine}: time is {time.dtype}, not float")
        check(bool(time.attrs.get("units")), f"{engine}: time has no units")
        check(bool(np.all(np.diff(time.values) > 0)), f"{engine}: time does not increase")
    check(isinstance(data.attrs.get("Conventions"), str), f"{engine}: no Conventions attribute")


def check_scales(path):
    with h5py.File(path, "r") as file:
        for name, item in file.items():
            if not isinstance(item, h5py.Dataset) or item.is_scale:
                continue
            for axis, dim in enumerate(item.dims):
                check(len(dim) == 1, f"h5py: axis {axis} of {name} has {len(dim)} scales, not 1")
                scale = dim[0]
                check(scale.is_scale, f"h5py: axis {axis} of {name} points at no scale")
                lengths = (scale.shape[0], item.shape[axis])
                check(lengths[0] == lengths[1], f"h5py: {name}, axis {axis}: lengths {lengths}")
                back = [(file[ref].name, i) for ref, i in scale.attrs["REFERENCE_LIST"]]
                check((item.name, axis) in back, f"h5py: {scale.name} does not refer to {name}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    path = sys.argv[1]
    opened = {}
    for engine in ENGINES:
        with xr.open_dataset(path, engine=engine) as data:
            opened[engine] = data.load()
        check_dataset(opened[engine], engine)
    first, second = (opened[engine] for engine in ENGINES)
    check(first.equals(second), "the two engines read different values")
    check(set(first.coords) == set(second.coords), "the two engines see different coordinates")
    check(first.attrs == second.attrs, "the two engines read different attributes")
    check_scales(path)
    for name, value in first.attrs.items():
        if isinstance(value, str) and len(value) > 200:
            first.attrs[name] = f"{value[:200]}... ({len(value)} characters)"
    print(first)


if __name__ == "__main__":
    main()
