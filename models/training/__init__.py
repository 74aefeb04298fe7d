"""Training: one loop for every model of the studio, and a run as a folder that anybody can read while it grows."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.training.loop import Fitted, fit
    from models.training.options import LoopOptions
    from models.training.run import Run, Status
    from models.training.task import Part, Task

__all__ = ["Fitted", "LoopOptions", "Part", "Run", "Status", "Task", "fit"]

_WHERE = {"Fitted": "loop", "LoopOptions": "options", "Part": "task", "Run": "run", "Status": "run", "Task": "task"}


def __getattr__(name: str) -> Any:
    """Loaded when it is asked for: a page that lists runs needs no torch, which takes seconds to load."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"models.training.{_WHERE.get(name, 'loop')}"), name)
