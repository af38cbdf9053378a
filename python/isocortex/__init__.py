"""Whole-cortex connectome simulator: experiments from Python, results as xarray.

Every number is computed by the program's own library; nothing here holds an equation. `docs/python.md` has
examples.
"""

from . import analysis
from ._core import COMMIT, IsocortexError
from ._core import VERSION as __version__
from .configs import Config, Sets, check, config, config_text, names, parameters, plan, stimuli
from .connectome import Connectome, Gradient
from .experiments import (
    IsocortexWarning,
    collect,
    fit,
    linearise,
    predict,
    report,
    reproduce,
    rerun,
    run,
    sweep,
    validate,
)
from .results import load

__all__ = [
    "COMMIT",
    "Config",
    "Connectome",
    "Gradient",
    "IsocortexError",
    "IsocortexWarning",
    "Sets",
    "__version__",
    "analysis",
    "check",
    "collect",
    "config",
    "config_text",
    "fit",
    "linearise",
    "load",
    "names",
    "parameters",
    "plan",
    "predict",
    "report",
    "reproduce",
    "rerun",
    "run",
    "stimuli",
    "sweep",
    "validate",
]
