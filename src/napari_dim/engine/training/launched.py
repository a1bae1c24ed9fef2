"""Several processes of one training, as `torchrun` launches them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from napari_dim.engine.device import pick_device
from napari_dim.errors import InputError
from napari_dim.nets.ranks import Ranks

_SPOKEN = "napari-dim/spoken"


class Launch:
    """A process among those that were launched with it; use `close` at the end.

    Parameters
    ----------
    store
        What all of them read and write; the launcher's, so it outlives each. None for a process
        that is alone.
    number, count
        This one's number, and how many there are.
    """

    def __init__(self, store: Any = None, number: int = 0, count: int = 1) -> None:
        self._store = store
        self.ranks = Ranks(number, count)

    @classmethod
    def found(cls) -> Launch:
        """By the environment that `torchrun` gives its processes."""
        return cls(*next(rendezvous("env://")))

    def speaks(self) -> bool:
        """Whether this process is to say why all end: the first that asks is."""
        if self._store is None:
            return True
        try:
            return bool(self._store.add(_SPOKEN, 1) == 1)
        except (RuntimeError, ValueError):  # the launcher is gone
            return self.ranks.first

    def join(self, device: str) -> None:
        """Reach the others, and check that they are alike.

        Each takes the graphics card of its number on its machine, and they talk by NCCL there,
        else by gloo.

        Parameters
        ----------
        device
            As in the settings.

        Raises
        ------
        InputError
            If the machine has fewer graphics cards than processes, or they are not alike.
        """
        if self._store is None:
            return
        kind = pick_device(device).type
        if kind == "cuda":
            _take_card()
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo",
            store=self._store, rank=self.ranks.number, world_size=self.ranks.count,
        )  # fmt: skip
        self.check_same({"kind of device": kind, "version of torch": str(torch.__version__)})

    def check_same(self, what: Mapping[str, object]) -> None:
        """Refuse processes that would not train the same.

        Parameters
        ----------
        what
            What each has, by its name for people.

        Raises
        ------
        InputError
            In all of them, naming what differs.
        """
        if self._store is None:
            return
        found: list[dict[str, object]] = [{} for _ in range(self.ranks.count)]
        dist.all_gather_object(found, dict(what))
        for number, theirs in enumerate(found):
            for name in what:
                if theirs[name] != found[0][name]:
                    raise InputError(
                        f"process {number} has another {name} than process 0",
                        hint="Give all of them the same files, settings, versions and devices",
                    )

    def close(self) -> None:
        """Leave the others."""
        if dist.is_initialized():
            dist.destroy_process_group()


def _take_card() -> None:
    own = int(os.environ.get("LOCAL_RANK", "0"))
    there = torch.cuda.device_count()
    if own >= there:
        cards = "1 graphics card" if there == 1 else f"{there} graphics cards"
        raise InputError(
            f"more processes than this machine has graphics cards ({cards})",
            hint=f"Give torchrun --nproc-per-node {there}, or fit --device cpu",
        )
    torch.cuda.set_device(own)
