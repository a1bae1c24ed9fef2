"""A Dask cluster to work on: workers on this machine, or a scheduler that answers somewhere.

Connections to other machines are encrypted (``tls://``) unless Dask's own setting
``distributed.comm.require-encryption`` says false; keys and certificates are Dask's, too. Workers
on this machine get keys of their own that nobody else has: a scheduler does what it is told.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from napari_dim.cluster.versions import check_versions
from napari_dim.engine.precision import available_cpus, usable_threads
from napari_dim.errors import InputError
from napari_dim.words import count

if TYPE_CHECKING:
    from distributed import Client

MEMORY_SHARE = 0.8
"""What workers on this machine may have of its memory, all together."""
ANSWERS_WITHIN = 15.0
"""Seconds in which a scheduler must answer."""
WORKERS_WITHIN = 60.0
"""Seconds in which the first worker must be there."""

_PATIENCE = {
    # A worker that died starts again by itself; one that takes longer than 15 s for it, as on a
    # busy machine, would be given up and never replaced.
    "distributed.deploy.lost-worker-timeout": "1 day",
    "distributed.comm.timeouts.connect": "2 minutes",
}
_LOCAL = re.compile(r"local(?::(\d{1,4}))?")


class ClusterLostError(RuntimeError):
    """The scheduler went away while it was needed."""


@dataclass(frozen=True)
class Cluster:
    """Where work goes.

    Attributes
    ----------
    client
        Dask's own.
    told
        Who works there, with how much memory, and where to watch it: one line.
    threads
        Tasks that run at a time.
    """

    client: Client
    told: str
    threads: int


def check_extra() -> None:
    """Refuse to go on without Dask.

    Raises
    ------
    InputError
        If the extra is not installed.
    """
    if find_spec("distributed") is None:
        raise InputError(
            "working on a cluster needs the package distributed",
            hint='Install it with: pip install "napari-dim[cluster]"',
        )


@contextmanager
def connected(address: str, *, in_process: bool = False, memory: str = "") -> Iterator[Cluster]:
    """Workers to give work to; those on this machine end with the block.

    Parameters
    ----------
    address
        ``"local"`` or ``"local:4"``: so many workers on this machine, by default one a CPU.
        Else a scheduler's, as ``dask scheduler`` prints it.
    in_process
        Workers on this machine are threads of this process: they see its ``memory://``.
    memory
        Most that a worker on this machine may have, such as ``"4GB"``; by default its share.

    Raises
    ------
    InputError
        If there is no Dask, the address is none, nobody answers, no worker is there, the
        connection is not encrypted, or versions differ.
    """
    check_extra()
    found = _LOCAL.fullmatch(address.strip())
    if found is not None and found[1] is not None and not int(found[1]):
        raise InputError("0 workers do no work", where=f"--cluster {address}",
                         hint="Leave the number out for one a CPU")  # fmt: skip
    with ExitStack() as stack:
        if found is not None:
            client, bound, many = _here(stack, int(found[1] or 0), in_process, memory)
        else:
            if in_process:
                raise InputError("memory:// lies in this process, which no worker there sees",
                                 where=f"--cluster {address}", hint="Use local")  # fmt: skip
            if memory:
                raise InputError("the memory of a worker is set where it starts",
                                 where=f"--cluster {address}",
                                 hint="Start it with dask worker --memory-limit")  # fmt: skip
            client, bound, many = _elsewhere(stack, address.strip()), "", ""
        try:
            client.wait_for_workers(1, timeout=WORKERS_WITHIN)
        except TimeoutError as error:
            raise InputError(
                "no worker is there", where=f"--cluster {address}",
                hint=f"Start one with: dask worker {address}",
            ) from error  # fmt: skip
        workers = client.scheduler_info(n_workers=-1)["workers"]
        check_versions(client)
        told = "; ".join(filter(None, (_described(client, workers, bound), many)))
        yield Cluster(client, told,
                      sum(worker["nthreads"] for worker in workers.values()))  # fmt: skip


def _here(stack: ExitStack, number: int, in_process: bool, memory: str) -> tuple[Client, str, str]:
    """Workers on this machine, one task at a time each; what bounds their memory; what to tell."""
    import dask
    import psutil
    from dask.utils import parse_bytes
    from distributed import Client, LocalCluster
    from distributed.security import Security

    cpus = available_cpus()
    number = number or cpus
    many = f"more than the {count(cpus, 'CPU')}: they wait for each other" if number > cpus else ""
    try:
        share = parse_bytes(memory) if memory else 0
    except ValueError as error:
        raise InputError(f"{memory!r} is no size", where="--worker-memory",
                         hint="Write it as 4GB or 500MB") from error  # fmt: skip
    share = share or int(psutil.virtual_memory().total * MEMORY_SHARE / number)
    # What a worker says while it is ended is no news.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    how: dict[str, Any] = {"memory_limit": 0} if in_process else {
        "memory_limit": share, "security": Security.temporary(),
        "env": {"OMP_NUM_THREADS": str(max(1, usable_threads() // number))},
    }  # fmt: skip
    stack.enter_context(dask.config.set(_PATIENCE))
    cluster = stack.enter_context(
        LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            processes=not in_process,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            **how,
        )
    )
    client = stack.enter_context(Client(cluster, set_as_default=False))
    return client, "memory not bounded" if in_process else "", many


def _elsewhere(stack: ExitStack, address: str) -> Client:
    """The scheduler at an address."""
    from distributed import Client
    from distributed.security import Security

    where = f"--cluster {address}"
    address = checked_address(address, where, "local, local:4, or tls://HOST:8786")
    with refused(where):
        return stack.enter_context(
            Client(address, security=Security(), timeout=ANSWERS_WITHIN, set_as_default=False)
        )


def checked_address(address: str, where: str, ways: str) -> str:
    """A scheduler's address with its protocol.

    Parameters
    ----------
    address
        As a person wrote it.
    where, ways
        What it is called where it was written, and what may be written there.

    Raises
    ------
    InputError
        If it is none, or the connection to another machine would not be encrypted.
    """
    import dask

    protocol, separator, place = address.partition("://")
    if not separator:
        protocol, place = "tcp", address
        address = f"tcp://{address}"
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdecimal() or protocol not in ("tcp", "tls", "ws", "wss", "ucx"):
        raise InputError("this is no scheduler's address", where=where, hint=f"Write {ways}")
    open_ = protocol not in ("tls", "wss")
    if (
        open_
        and not is_loopback(host)
        and (dask.config.get("distributed.comm.require-encryption", None) is not False)
    ):
        raise InputError(
            "the connection to another machine would not be encrypted", where=where,
            hint=f"Use tls://{place} with the scheduler's keys; docs/cluster.md says how",
        )  # fmt: skip
    return address


@contextmanager
def refused(where: str) -> Iterator[None]:
    """Tell in one line why a connection could not be made; `where` is what its address is called.

    Raises
    ------
    InputError
        Whose cause is an `OSError` if nobody answers.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"no scheduler answers there ({_reason(error)})", where=where,
                         hint="Start it with: dask scheduler") from error  # fmt: skip
    except (TypeError, RuntimeError, ValueError) as error:
        raise InputError(
            f"the connection can't be made: {error}", where=where,
            hint="docs/cluster.md says which keys a tls:// address needs",
        ) from error  # fmt: skip


def is_loopback(host: str) -> bool:
    """Whether a host's name or number means this machine."""
    host = host.strip("[]")
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    with suppress(OSError):
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
        return bool(found) and all(ipaddress.ip_address(str(one)).is_loopback for one in found)
    return False


def _reason(error: BaseException) -> str:
    text = str(error.__cause__ or error).strip().split("\n")[0]
    return text if len(text) < 120 else type(error).__name__


def _described(client: Client, workers: dict[str, Any], bound: str) -> str:
    from dask.utils import format_bytes

    limits = sorted({worker["memory_limit"] for worker in workers.values()})
    sizes = " to ".join(dict.fromkeys(format_bytes(one) for one in (limits[0], limits[-1])))
    bounded = f"at most {sizes} of memory each" if all(limits) else "memory not bounded"
    link = client.dashboard_link
    watch = f"; watch at {link}" if link and find_spec("bokeh") is not None else ""
    return f"{count(len(workers), 'worker')}, {bound or bounded}{watch}"
