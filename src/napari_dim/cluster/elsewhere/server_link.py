"""A scheduler somewhere and its workers with a GPU, asked with a limit of time each."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari_dim.cluster.connection import ANSWERS_WITHIN, check_extra, checked_address, refused
from napari_dim.cluster.elsewhere.served_training import RESOURCE, serve
from napari_dim.cluster.elsewhere.server import Server
from napari_dim.cluster.elsewhere.ssh_tunnel import SshTunnel
from napari_dim.cluster.versions import check_same, own_versions
from napari_dim.errors import InputError

if TYPE_CHECKING:
    from distributed import Client, Future

PORT = 8786
"""Where a scheduler listens unless told otherwise."""
CLOSE_WITHIN = 2.0
"""Seconds for a connection's end; it may be dead."""

_SSH = re.compile(r"ssh://([^/]+?)(?::(\d{1,5}))?/?")
_WAYS = "tls://HOST:8786, or ssh://HOST"


class ServerLink:
    """A connection to a server's scheduler; opened anew it is another one.

    Parameters
    ----------
    server
        Whose.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._where = f"server {server.address}"
        self._tunnel: SshTunnel | None = None
        self._client: Client | None = None

    async def open(self) -> None:
        """Connect.

        Raises
        ------
        InputError
            If it can't be done; its cause is an `OSError` if nobody answers.
        """
        check_extra()
        import dask
        from distributed import Client
        from distributed.security import Security

        address = self._server.address.strip()
        if found := _SSH.fullmatch(address):
            self._tunnel = await asyncio.to_thread(SshTunnel, found[1], int(found[2] or PORT))
            sealed = dask.config.get("distributed.comm.require-encryption", None) is True
            address = f"{'tls' if sealed else 'tcp'}://127.0.0.1:{self._tunnel.port}"
        address = await asyncio.to_thread(checked_address, address, self._where, _WAYS)
        with refused(self._where):
            self._client = Client(
                address, security=Security(), timeout=ANSWERS_WITHIN, asynchronous=True,
                set_as_default=False,
            )  # fmt: skip
            await asyncio.wait_for(self._client, 2 * ANSWERS_WITHIN)

    async def close(self) -> None:
        """Let go of it, dead or alive."""
        client, self._client = self._client, None
        tunnel, self._tunnel = self._tunnel, None
        if client is not None:
            with suppress(Exception):
                await client.close(timeout=CLOSE_WITHIN)
            client.status = "closed"  # else it tries once more when Python lets go of it
        if tunnel is not None:
            await asyncio.to_thread(tunnel.close)

    async def workers(self) -> list[str]:
        """Addresses of the workers with a GPU."""
        assert self._client is not None
        asked = self._client.scheduler.identity(n_workers=-1)
        known = (await asyncio.wait_for(asked, ANSWERS_WITHIN))["workers"]
        return [one for one, about in known.items() if about["resources"].get(RESOURCE, 0) >= 1]

    async def check(self, workers: Sequence[str]) -> None:
        """Refuse a server without workers of the resource, or with other versions.

        Raises
        ------
        InputError
            Saying what is to be done.
        """
        if not workers:
            raise InputError(
                "no worker with a GPU is there", where=self._where,
                hint=f'Start one with: dask worker ADDRESS --nthreads 1 --resources "{RESOURCE}=1"',
            )  # fmt: skip
        check_same(await self.ask(workers, own_versions))

    async def ask(
        self, workers: Sequence[str], function: Callable[..., Any], *arguments: Any,
        within: float = ANSWERS_WITHIN,
    ) -> dict[str, Any]:  # fmt: skip
        """What a function of ours gives at workers, or the exception there.

        Raises
        ------
        OSError
            If the scheduler does not answer in time.
        """
        assert self._client is not None
        asked = self._client.run(function, *arguments, workers=list(workers), on_error="return")
        found: dict[str, Any] = await asyncio.wait_for(asked, within)
        return found

    def submit(self, training: str, key: str, workers: Sequence[str]) -> Future:
        """Have a worker with a GPU serve a training, one of `workers` if there are any.

        The same key twice is one task; it outlives this connection.
        """
        from distributed import fire_and_forget

        assert self._client is not None
        future = self._client.submit(
            serve, training, key=key, resources={RESOURCE: 1}, workers=list(workers) or None,
            pure=False,
        )  # fmt: skip
        fire_and_forget(future)
        return future

    async def withdraw(self, future: Future) -> None:
        """Take a task back that has not begun."""
        assert self._client is not None
        await asyncio.wait_for(self._client.cancel([future], force=True), CLOSE_WITHIN)
