"""Number type and threads, chosen for the device."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch


def use_threads(threads: int) -> None:
    """Give torch this many CPU threads in this process; 0 gives it all that it may have.

    More than there are CPUs would wait for each other: it gets one a CPU then.
    """
    torch.set_num_threads(min(threads, available_cpus()) or usable_threads())


def too_many(asked: int, what: str) -> str:
    """What to tell where more of a kind are asked for than there are CPUs; empty if not."""
    cpus = available_cpus()
    if asked <= cpus:
        return ""
    there = f"{cpus} CPU" if cpus == 1 else f"{cpus} CPUs"
    return f"{asked} {what} are more than the {there} of this process: {cpus} will work"


def usable_threads() -> int:
    """CPU threads for torch: one a CPU, or fewer where ``OMP_NUM_THREADS`` asks for fewer."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    most = available_cpus()
    return min(most, int(wanted)) if wanted.isdecimal() and int(wanted) else most


def available_cpus() -> int:
    """CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def autocast_for(
    device: torch.device, wanted: bool
) -> Callable[[], AbstractContextManager[object]]:
    """A context in which networks run in bfloat16 where that is faster, else in float32."""
    if wanted and (
        (device.type == "cuda" and torch.cuda.is_bf16_supported())
        or (device.type == "cpu" and _cpu_gains())
    ):
        return functools.partial(torch.autocast, device.type, dtype=torch.bfloat16)
    return nullcontext


def _cpu_gains() -> bool:
    """Whether the CPU computes in bfloat16 itself; emulated, it is slower than float32."""
    cpu = getattr(torch, "cpu", None)
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(cpu, name, bool)() for name in checks)
