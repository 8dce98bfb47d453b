"""A batch on many machines: engines carry chunks of rows to workers; the driver holds the limits and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.errors import UsageError

if TYPE_CHECKING:
    from glmcli.batch.cluster.engine import Engine

_SETUP = {
    "dask": "dask scheduler --port 8786, dask worker tcp://HOST:8786 on each machine, --address tcp://HOST:8786",
    "ray": "ray start --head, ray start --address HOST:6379 on each machine, --address HOST:6379",
}


def open_engine(name: str, address: str | None) -> Engine:
    """The engine of this name, not yet started.

    Raises:
        UsageError: there is none of this name, its address is missing, or it is not installed.
    """
    if name == "local":
        from glmcli.batch.cluster.local_engine import LocalEngine

        if address:
            raise UsageError("--address: the local engine has none", fix="leave it out, or --engine dask")
        return LocalEngine()
    if name not in _SETUP:
        raise UsageError(f"--engine {name}: there is no such engine", fix="local, dask or ray")
    if not address:
        raise UsageError(f"--engine {name} needs the --address of a cluster", fix=_SETUP[name])
    try:
        return _cluster_engine(name, address)
    except ImportError as error:
        raise UsageError(
            f"--engine {name}: {error.name} is not installed", fix=f"pip install 'glmcli[{name}]'"
        ) from error


def _cluster_engine(name: str, address: str) -> Engine:
    if name == "ray":
        from glmcli.batch.cluster.ray_engine import RayEngine

        return RayEngine(address)
    from glmcli.batch.cluster.dask_engine import DaskEngine

    return DaskEngine(address)
