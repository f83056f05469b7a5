"""A token of one hub is good on all, for as long as it is one; nobody without one gets anything from any."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightline import AsyncClient
from sightline.client.answers import Result
from sightline.core.errors import Forbidden
from sightline.security.authentication import COOKIE
from sightline.security.tokens import Store
from support.hubs import Cluster, clustered
from support.serving import picture


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def until(cluster: Cluster, token: str, said: str) -> None:
    """Wait until all hubs answer a token with that."""
    for hub in cluster.hubs.values():
        hub.http.headers.update(bearer(token))
        await hub.until(lambda answer: said in answer, path="/api/streams")
        del hub.http.headers["authorization"]


async def test_a_token_of_one_hub_is_good_on_all_until_it_ends(tmp_path: Path) -> None:
    async with clustered(tmp_path, 2, env={"SIGHTLINE_TOKENS": "true"}) as cluster:
        a, b = cluster.addresses
        asked, has = cluster.hubs[a], cluster.hubs[b]
        name, other = cluster.named(b), cluster.named(b, index=1)
        store = Store(tmp_path / a.rpartition(":")[2])
        token, record = store.create("publish", name, lifetime=None)
        admin = has.http.headers["authorization"]
        await until(cluster, token, "streams")

        # A program with a token of the hub that it asks is sent to the other one, which knows the token, too.
        async with AsyncClient(asked.ws, token=token) as client:
            answers = [one async for one in client.publish(name, [picture(0), picture(1)], pending=1)]
            assert isinstance(answers[-1], Result)
            with pytest.raises(Forbidden, match="publish of stream"):
                await anext(client.publish(other, [picture(0)]))
        assert name in (await has.http.get("/stats", headers={"Authorization": admin})).json()["streams"]
        # What is passed on is checked at its end: this one may not view.
        refused = await asked.http.get(f"/snapshot/{name}.jpg", headers=bearer(token))
        assert refused.status_code == 403
        assert "view" in refused.text
        for path in (f"/api/streams/{name}", "/api/streams", f"/api/streams?hub={b}", "/api/hubs"):
            assert (await asked.http.get(path)).status_code == 401, path

        # A browser that signed in at one hub signs out at the other.
        cookie, _ = store.create("view", "*", lifetime=60, kind="browser")
        has.http.headers["cookie"] = f"{COOKIE}={cookie}"
        await has.until(lambda who: bool(who["role"] == "view"), path="/api/session")
        gone = await has.http.delete("/api/session", headers={"Origin": b})
        assert gone.json()["role"] is None
        assert "browser" not in [one.kind for one in store.records()]

        has.http.headers.update({"Authorization": admin})
        await has.until(lambda s: record.id in [one["id"] for one in s["tokens"]], path="/api/tokens")
        assert (await has.http.delete("/api/tokens/00000000")).status_code == 404
        assert (await has.http.delete(f"/api/tokens/{record.id}")).status_code == 204
        assert record.id not in [one.id for one in store.records()]
        await until(cluster, token, "error")

        made = store.create("view", name, lifetime=None)[1]
        has.http.headers.update({"Authorization": admin})
        await has.until(lambda s: made.id in [one["id"] for one in s["tokens"]], path="/api/tokens")
        await cluster.kill(a)
        refused = await has.http.delete(f"/api/tokens/{made.id}")
        assert f"the hub {a} does not answer" in refused.text, "it stays valid: nobody may think that it were gone"
