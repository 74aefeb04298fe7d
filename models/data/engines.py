"""Which engine works through the tasks: the cores of this machine, or a cluster."""

from __future__ import annotations

from typing import Literal, get_args

from models.data.work import Engine
from models.errors import SignError

EngineName = Literal["local", "ray"]


def check_engine(name: str) -> None:
    """Raises SignError for a name that is none."""
    if name not in get_args(EngineName):
        raise SignError(f"There is no engine {name!r}; choose {' or '.join(get_args(EngineName))}.")


def open_engine(name: EngineName, workers: int | None, address: str | None) -> Engine:
    """The engine of this name. workers: how many; None: one per core. address: of the Ray cluster.

    Raises SignError for fewer than one worker, and when Ray cannot be loaded.
    """
    if name == "ray":
        from models.data.cluster import cluster  # late: it is an extra

        return cluster(address, workers)
    from models.data.local import local

    return local(workers)
