"""Several hubs in processes of their own, on real ports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sightline.security.tokens import ALL, Store
from sightline.server.hubs.ring import owner
from support.rtsp import free_port
from support.serving import Json, Running, serving

SECRET = "a-secret-of-these-tests"


def free_ports(count: int) -> list[int]:
    """Ports that are free: the list of hubs has to be known before the first of them starts."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def table(addresses: list[str], *, secret: str = SECRET) -> str:
    """The table ``[cluster]`` as a variable."""
    return json.dumps({"hubs": addresses, "secret": secret})


@dataclass
class Cluster:
    """Hubs by their addresses. One that was stopped or killed can be started again."""

    folder: Path
    addresses: list[str]
    options: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    hubs: dict[str, Running] = field(default_factory=dict)
    _stacks: dict[str, AsyncExitStack] = field(default_factory=dict)

    async def start(self, address: str) -> Running:
        """Start a hub, with the folder that it had before."""
        port = address.rpartition(":")[2]
        data = self.folder / port
        data.mkdir(exist_ok=True)
        stack = AsyncExitStack()
        running = await stack.enter_async_context(
            serving(
                *("--port", port, *self.options),
                env={"SIGHTLINE_CLUSTER": table(self.addresses), "SIGHTLINE_DATA": str(data)} | self.env,
            )
        )
        if "SIGHTLINE_TOKENS" in self.env:
            token, _ = Store(data).create("admin", ALL, lifetime=None)
            running.http.headers["authorization"] = f"Bearer {token}"
        self.hubs[address], self._stacks[address] = running, stack
        return running

    async def kill(self, address: str) -> None:
        """End a hub as kill -9 does."""
        self.hubs.pop(address).process.kill()
        await self._stacks.pop(address).aclose()

    async def close(self) -> None:
        await asyncio.gather(*(stack.aclose() for stack in self._stacks.values()))

    def owner(self, name: str) -> str:
        """The hub that has a stream of that name while all are there."""
        return owner(name, self.addresses)

    def named(self, address: str, *, at: str = "cam", index: int = 0) -> str:
        """A name whose stream belongs to that hub while all are there."""
        names = (f"{at}-{number}" for number in range(1000))
        return [name for name in names if owner(name, self.addresses) == address][index]

    async def agree(self, count: int | None = None) -> None:
        """Wait until each hub knows that so many are there (all)."""
        wanted = len(self.hubs) if count is None else count

        def whole(said: Json) -> bool:
            return sum(one["state"] == "ready" for one in said["hubs"]) == wanted and any(
                one["own"] for one in said["hubs"]
            )

        for hub in self.hubs.values():
            await hub.until(whole, path="/api/hubs")


@asynccontextmanager
async def clustered(
    folder: Path, count: int, *options: str, env: dict[str, str] | None = None
) -> AsyncGenerator[Cluster]:
    """So many hubs that know each other."""
    addresses = [f"http://127.0.0.1:{port}" for port in free_ports(count)]
    cluster = Cluster(folder, addresses, options, env or {})
    try:
        async with asyncio.TaskGroup() as starting:
            for address in addresses:
                starting.create_task(cluster.start(address))
        await cluster.agree()
        yield cluster
    finally:
        await cluster.close()
