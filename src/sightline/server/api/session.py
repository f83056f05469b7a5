"""Sign-in: exchange a ticket or a token for a browser's cookie. Also serves the authority that phones can trust."""

from __future__ import annotations

import plistlib
import time
import uuid
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.config import JsonDict

from sightline.core.errors import BadRequest, LimitReached, NotFound, Unauthorized
from sightline.core.net import is_loopback, split_host
from sightline.core.openapi import refusals
from sightline.core.types import STREAM_OR_ALL
from sightline.security import tls
from sightline.security.authentication import COOKIE, Tries, address_of, identify
from sightline.security.authorization import EVERYBODY, IDENTITY, NO_TOKENS, TICKET_S, Access, Identity, access_of
from sightline.security.tokens import ALL, Role, TokenRecord
from sightline.server import qr
from sightline.server.state import state_of

router = APIRouter()
NO_STORE = {"Cache-Control": "no-store"}


ONE_OF_BOTH: JsonDict = {
    "anyOf": [{"required": [key], "properties": {key: {"type": "string"}}} for key in ("ticket", "token")]
}


class Credentials(BaseModel):
    """What a browser shows to be let in: one of both."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=ONE_OF_BOTH)
    ticket: SecretStr | None = Field(None, max_length=200)
    token: SecretStr | None = Field(None, max_length=200)


class Session(BaseModel):
    """Who a browser is to the server. Without tokens everybody has every right."""

    tokens: bool
    """Whether this server asks for tokens."""
    role: Role | None = None
    """Role of the browser; null if it has not signed in."""
    stream: str | None = None
    """Name of the stream, or * for all."""
    expires_at: float | None = None
    """End of the session in milliseconds since 1970; null for never."""
    page: str = "/"
    """Start page for this right."""
    allowed_origins: list[str] = []
    """Origins whose pages may show streams."""


class TicketRequest(BaseModel):
    """What the bearer of the code shall be allowed."""

    model_config = ConfigDict(extra="forbid")
    role: Literal["publish", "view", "admin"]
    stream: str = Field(max_length=64, json_schema_extra={"pattern": STREAM_OR_ALL})
    """Name of the stream, or * for all."""


class Ticket(BaseModel):
    """To be scanned once, within a few minutes."""

    url: str
    """Address with the ticket after the #, a part that browsers don't send to servers."""
    qr: str
    """The address as a QR code in a data: URL."""
    expires_s: float


@router.get("/api/session", tags=["access"])
async def session(request: Request, response: Response) -> Session:
    """Who this browser is."""
    response.headers.update(NO_STORE)
    access = access_of(request)
    identity: Identity | None = request.scope.get(IDENTITY)
    if identity is EVERYBODY:
        return _everybody(request)
    record = None if identity is None else access.record(identity)
    return _session(request, record)


@router.post("/api/session", tags=["access"], responses=refusals(Unauthorized, LimitReached))
async def sign_in(request: Request, response: Response, given: Credentials) -> Session:
    """Exchange a ticket or a token for a cookie, which scripts can't read and no other site can use."""
    if given.ticket is None and given.token is None:
        raise BadRequest("nothing was given: expected ticket or token")
    if request.scope[IDENTITY] is EVERYBODY:
        return _everybody(request)
    access = access_of(request)
    tries = state_of(request).tries
    address = address_of(request, proxied=state_of(request).proxied)
    if given.ticket is not None:
        token, record = await _exchange(access, tries, address, given.ticket.get_secret_value())
    else:
        assert given.token is not None
        token = given.token.get_secret_value().strip()
        found = access.record(identify(access, tries, address, token))
        assert found is not None
        record = found
    response.headers.update(NO_STORE)
    lasts = None if record.expires is None else int(record.expires - time.time())
    response.set_cookie(COOKIE, token, max_age=lasts, path="/", secure=True, httponly=True, samesite="strict")
    return _session(request, record)


@router.delete("/api/session", tags=["access"])
async def sign_out(request: Request, response: Response) -> Session:
    """Forget who this browser is."""
    identity: Identity | None = request.scope.get(IDENTITY)
    if identity is not None:
        await access_of(request).sign_out(identity)
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return _everybody(request) if identity is EVERYBODY else _session(request, None)


@router.post("/api/tickets", tags=["access"], responses=refusals(BadRequest, LimitReached))
async def make_ticket(request: Request, response: Response, wanted: TicketRequest) -> Ticket:
    """A code for somebody's phone or browser. For admins of that stream."""
    access = access_of(request)
    access.require(request, "admin", stream=None if wanted.stream == ALL else wanted.stream)
    if not access.active:
        raise BadRequest(NO_TOKENS)
    response.headers.update(NO_STORE)
    url = join_url(base_url(request), access.ticket(wanted.role, wanted.stream))
    return Ticket(url=url, qr=qr.data_uri(url), expires_s=TICKET_S)


async def _exchange(access: Access, tries: Tries, address: str, ticket: str) -> tuple[str, TokenRecord]:
    tries.check(address, ticket)
    try:
        return await access.exchange(ticket)
    except Unauthorized:
        tries.wrong(address, ticket)
        raise


def _everybody(request: Request) -> Session:
    return Session(tokens=False, role="admin", stream=ALL, allowed_origins=_origins(request))


def _session(request: Request, record: TokenRecord | None) -> Session:
    if record is None:
        return Session(tokens=True, allowed_origins=_origins(request))
    pages = {"publish": f"/camera/{record.stream}#start", "view": f"/view/{record.stream}", "admin": "/"}
    return Session(
        tokens=True,
        role=record.role,
        stream=record.stream,
        expires_at=None if record.expires is None else record.expires * 1000,
        page="/" if record.stream == ALL else pages[record.role],
        allowed_origins=_origins(request),
    )


def _origins(request: Request) -> list[str]:
    return list(state_of(request).settings.now.allowed_origins)


def join_url(base: str, ticket: str) -> str:
    """Address that a code contains."""
    return f"{base}/join#{ticket}"


def base_url(request: Request) -> str:
    """How somebody else's phone reaches this server: as who asks did, unless that is on this machine."""
    public = state_of(request).public_url
    if public is not None:
        return public
    host, port = split_host(request.headers["host"])
    if is_loopback(host):
        if (lan := state_of(request).lan.url) is not None:
            return lan
        host = tls.main_address()
    return f"{request.url.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"


# Trust


class Trust(BaseModel):
    """Whether there is an authority to trust."""

    own: bool
    """Whether the certificate is signed by this machine's own authority."""
    fingerprint: str | None = None
    """SHA-256 of the authority."""


@router.get("/api/trust", tags=["access"])
async def trust(request: Request) -> Trust:
    """What a page tells about the certificate."""
    certificate = state_of(request).shown_certificate
    if certificate is None or certificate.authority is None:
        return Trust(own=False)
    return Trust(own=True, fingerprint=certificate.fingerprint)


@router.get("/ca.crt", include_in_schema=False)
async def authority(request: Request) -> Response:
    """Certificate of this machine's own authority, for Android and others."""
    return Response(
        _authority(request),
        media_type="application/x-x509-ca-cert",
        headers={"Content-Disposition": 'attachment; filename="sightline-ca.crt"'},
    )


@router.get("/ca.mobileconfig", include_in_schema=False)
async def profile(request: Request) -> Response:
    """The same certificate as a configuration profile, for iPhones."""
    pem = _authority(request)
    name = uuid.uuid5(uuid.NAMESPACE_OID, pem.decode())  # iOS replaces a profile of the same name
    common = {"PayloadVersion": 1, "PayloadDisplayName": "Sightline"}
    body = {
        **common,
        "PayloadType": "Configuration",
        "PayloadIdentifier": f"sightline.{name}",
        "PayloadUUID": str(name),
        "PayloadDescription": "Lets this device trust the camera server of your network.",
        "PayloadContent": [
            {
                **common,
                "PayloadType": "com.apple.security.root",
                "PayloadIdentifier": f"sightline.{name}.authority",
                "PayloadUUID": str(uuid.uuid5(name, "authority")),
                "PayloadContent": pem,
            }
        ],
    }
    return Response(plistlib.dumps(body), media_type="application/x-apple-aspen-config")


def _authority(request: Request) -> bytes:
    certificate = state_of(request).shown_certificate
    if certificate is None or certificate.authority is None:
        raise NotFound("this server's certificate is not of its own making: there is no authority to trust")
    return certificate.authority.read_bytes()
