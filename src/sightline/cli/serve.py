"""``sightline serve``: run the server."""

from __future__ import annotations

import logging
from typing import Annotated
from urllib.parse import urlsplit

import typer

from sightline.cli.ensure_weights import provide
from sightline.cli.options import NOTHING, Given, options_for, with_settings
from sightline.core.errors import ConfigError
from sightline.core.net import is_loopback
from sightline.settings.settings import Settings, load_settings
from sightline.zoo import loader
from sightline.zoo.options import options_of


@with_settings
def serve(
    listening: Annotated[Given, options_for("host", "port", "tcp_port", "webrtc_port")] = NOTHING,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SOURCE", help="A stream that the server pulls: door=rtsp://camera.lan/1. May be repeated."
        ),
    ] = None,
    models: Annotated[
        Given,
        options_for(
            "model",
            "profile",
            "weights",
            "family",
            "engine",
            "device",
            "precision",
            "imgsz",
            "conf",
            "place",
            "workers",
        ),
    ] = NOTHING,
    streams: Annotated[
        Given, options_for("browser_models", "preset", "adaptive", "target_latency_ms", "static_skip")
    ] = NOTHING,
    others: Annotated[
        Given, options_for("lan", "tls_cert", "tls_key", "tunnel", "insecure", "log_level", "log_format", "log_file")
    ] = NOTHING,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="auto|HOST[:PORT]",
            help="Run models on a Ray cluster: auto is the one that this machine has started or joined.",
        ),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Start the server: cameras in, results and pictures out.

    Settings can also be given in sightline.toml and as SIGHTLINE_* variables; some have no option here.
    """
    address = None if cluster is None else {"address": cluster}
    given = {**listening, **models, **streams, **others}
    settings = load_settings(sources=_sources(source or []), cluster=address, **given)
    check_exposure(settings)
    if settings.sources:
        from sightline.transports.pull import check_sources

        check_sources({name: spec.get_secret_value() for name, spec in settings.sources.items()})
        if len(settings.sources) > settings.max_streams:
            raise ConfigError(f"{len(settings.sources)} sources: expected at most max_streams, {settings.max_streams}")
    if "ray" in (settings.place, *settings.places.values()):
        from sightline.inference.places import ray_connect

        ray_connect.check_installed()
    provide(settings)
    loader.check_model(settings.model, options_of(settings))
    # Here, or every command would take half a second longer and a broken OpenCV would stop `doctor` as well.
    from sightline.cli.welcome import Welcome
    from sightline.inference.offers import check_offers
    from sightline.media import codecs
    from sightline.outputs._service import check_outputs
    from sightline.server import deadline, logs
    from sightline.server.app import create_app
    from sightline.server.traces import check_installed
    from sightline.server.uvicorn_server import FAILED, Server

    check_outputs(settings.outputs)
    check_offers(settings)
    if settings.traces_to is not None:
        check_installed()
    logs.set_up(settings.log_level, settings.log_format, settings.log_file)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)

    codecs.work_alone()
    app = create_app(settings)
    welcome = Welcome(settings, app, open_page=open_page)
    server = Server(app, settings, welcome.ready, welcome.public, deadline.end_process)
    server.serve_forever()
    if server.failure is not None:  # which the log has said
        raise typer.Exit(FAILED)


def check_exposure(settings: Settings) -> None:
    """Raise ConfigError if these settings would let strangers watch, or tokens be overheard."""
    if settings.insecure:
        return
    for address in settings.cluster.hubs if settings.tokens else ():
        parts = urlsplit(address)
        if parts.scheme == "http" and not is_loopback(str(parts.hostname)):
            raise ConfigError(
                f"cluster.hubs: tokens would be overheard on the way to {address}: expected https://, or --insecure"
            )
    if is_loopback(settings.host):
        return
    if not settings.tokens:
        raise ConfigError(
            f"host {settings.host} is reachable by others and this server has no TLS and no tokens: "
            "anybody there could watch your cameras. Use --lan, or say --insecure if you accept that"
        )
    if not (settings.lan or settings.tls_cert or settings.public_url):
        raise ConfigError(
            f"host {settings.host} is reachable by others, who would overhear the tokens: use --lan or --tls-cert. "
            "If a proxy with TLS stands in front, name its address in the setting public_url"
        )


def _sources(given: list[str]) -> dict[str, str] | None:
    pairs = [text.partition("=") for text in given]
    for i, (name, equals, spec) in enumerate(pairs, 1):
        if not (name and equals and spec):  # not shown: it may hold a password
            raise ConfigError(f"--source number {i} has no name: expected NAME=SOURCE, as in door=rtsp://camera.lan/1")
        if name in {before for before, _, _ in pairs[: i - 1]}:
            raise ConfigError(f"--source {name}=...: there are two of that name; expected one")
    return {name: spec for name, _, spec in pairs} or None
