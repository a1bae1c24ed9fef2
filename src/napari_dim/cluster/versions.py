"""Which versions must be the same at both ends: what is sent is Python's own objects."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from napari_dim import __version__
from napari_dim.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

_SAME = ("Python", "napari-dim", "distributed", "numpy", "torch")


def own_versions() -> dict[str, str]:
    """The versions here of what must be the same, shortened to what matters."""
    found = {"Python": ".".join(platform.python_version_tuple()[:2]), "napari-dim": __version__}
    for name in ("distributed", "numpy", "torch"):
        whole = version(name)
        found[name] = whole if name == "distributed" else ".".join(whole.split(".")[:2])
    return found


def check_versions(client: Client) -> None:
    """Refuse workers with which this program can't work.

    Raises
    ------
    InputError
        Naming the first worker, and what differs there.
    """
    check_same(client.run(own_versions, on_error="return"))


def check_same(found: Mapping[str, Any]) -> None:
    """As `check_versions`, of what `own_versions` gave at each worker, or the fault there.

    Raises
    ------
    InputError
        Naming the first worker, and what differs there.
    """
    here = own_versions()
    for address, there in found.items():
        if not isinstance(there, dict):
            raise InputError(
                "napari-dim doesn't run there", where=f"worker {address}",
                hint=f'Install it: pip install "napari-dim[cluster]=={__version__}"',
            )  # fmt: skip
        for name in _SAME:
            if there.get(name) != here[name]:
                raise InputError(
                    f"{name} is {there.get(name, 'missing')} there and {here[name]} here",
                    where=f"worker {address}", hint="Install the same version at both ends",
                )  # fmt: skip
