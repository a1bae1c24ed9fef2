"""Which device to compute on, and what devices there are."""

from __future__ import annotations

import ctypes
import gc
import platform
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from napari_dim.errors import InputError

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")


@dataclass(frozen=True)
class DeviceInfo:
    """One device that torch can use.

    Attributes
    ----------
    name
        What torch calls it: ``"cpu"``, ``"mps"``, ``"cuda:0"``.
    title
        What its maker calls it.
    memory, free
        Bytes in all, and those free now.
    """

    name: str
    title: str
    memory: int
    free: int


def pick_device(name: str = "auto") -> torch.device:
    """The device that a setting means.

    Parameters
    ----------
    name
        ``"cpu"``, ``"cuda"``, ``"mps"``, or ``"auto"``: CUDA, else MPS, else the CPU.

    Raises
    ------
    InputError
        If the device asked for is not there.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, there in present.items() if there)
    elif name not in present:
        raise InputError(f"no device is called {name!r}", hint="Use auto, cpu, cuda or mps")
    elif not present[name]:
        raise InputError(
            f"torch finds no {name} device on this machine",
            hint="Use --device auto, or run `napari-dim doctor` to see what there is",
        )
    return torch.device(name)


def memory_for_slices(device: torch.device) -> int:
    """Bytes that the slices of a training may take on a device: a quarter of what is free."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) // 4
    return int(psutil.virtual_memory().available) // 4


def release_memory(*, thorough: bool = False) -> None:
    """Give memory that is no longer used back to the device and to the system.

    `thorough` looks for reference cycles among all objects, which takes a while in a window.
    """
    if thorough:
        gc.collect()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device, or the computer, had no memory left.

    Only CUDA has an exception of its own for it: the CPU's allocator and Apple's GPU raise a
    plain RuntimeError.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _NO_MEMORY)


def describe_devices() -> list[DeviceInfo]:
    """All devices that torch can use here, fastest kind first."""
    devices = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            title = torch.cuda.get_device_name(index)
            devices.append(DeviceInfo(f"cuda:{index}", title, total, free))
    main = psutil.virtual_memory()
    if torch.backends.mps.is_available():
        # Apple's GPU shares the main memory.
        devices.append(DeviceInfo("mps", "Apple GPU", main.total, main.available))
    devices.append(DeviceInfo("cpu", _processor(), main.total, main.available))
    return devices


def _processor() -> str:
    """The processor's name; Linux keeps it where `platform` doesn't look."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
