"""HEAD for every path that has GET: the same answer without its body."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadMiddleware:
    """ASGI middleware. Routes see GET; uvicorn keeps the body back, as it knows what was asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        over = False

        async def send_head(message: Message) -> None:
            nonlocal over
            if over:
                return
            if message["type"] == "http.response.body":
                over = True
                message = {"type": "http.response.body"}
            await send(message)

        async def receive_head() -> Message:
            return {"type": "http.disconnect"} if over else await receive()

        await self._app({**scope, "method": "GET"}, receive_head, send_head)
