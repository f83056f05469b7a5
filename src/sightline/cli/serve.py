"""``sightline serve``: run the server."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from sightline import loader
from sightline.cli.providing import provide
from sightline.config import Settings, load_settings
from sightline.errors import ConfigError, ModelError
from sightline.guard import is_loopback


def _help(setting: str) -> str:
    field = Settings.model_fields[setting]
    default = "" if field.default is None or field.default is False else f" Default: {_shown(field.default)}."
    return f"{field.description}{default}"


def _shown(value: object) -> object:
    return "on" if value is True else value


def _option(setting: str, *names: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(*names, help=_help(setting), show_default=False)
    return option


def serve(
    host: Annotated[str | None, _option("host")] = None,
    port: Annotated[int | None, _option("port")] = None,
    tcp_port: Annotated[int | None, _option("tcp_port")] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SOURCE", help="A stream that the server pulls: rtsp://..., a file. May be repeated."
        ),
    ] = None,
    model: Annotated[str | None, _option("model")] = None,
    profile: Annotated[str | None, _option("profile")] = None,
    weights: Annotated[Path | None, _option("weights")] = None,
    family: Annotated[str | None, _option("family")] = None,
    engine: Annotated[str | None, _option("engine")] = None,
    device: Annotated[str | None, _option("device")] = None,
    precision: Annotated[str | None, _option("precision")] = None,
    imgsz: Annotated[int | None, _option("imgsz")] = None,
    conf: Annotated[float | None, _option("conf")] = None,
    workers: Annotated[int | None, _option("workers")] = None,
    browser_models: Annotated[str | None, _option("browser_models", "--browser-models")] = None,
    preset: Annotated[str | None, _option("preset")] = None,
    adaptive: Annotated[str | None, typer.Option(metavar="on|off", help=_help("adaptive"))] = None,
    target_latency_ms: Annotated[float | None, _option("target_latency_ms", "--target-latency-ms")] = None,
    static_skip: Annotated[bool | None, _option("static_skip", "--static-skip/--no-static-skip")] = None,
    lan: Annotated[bool | None, _option("lan", "--lan")] = None,
    tls_cert: Annotated[Path | None, _option("tls_cert", "--tls-cert")] = None,
    tls_key: Annotated[Path | None, _option("tls_key", "--tls-key")] = None,
    tunnel: Annotated[str | None, _option("tunnel")] = None,
    insecure: Annotated[bool | None, _option("insecure", "--insecure")] = None,
    log_level: Annotated[str | None, _option("log_level")] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Start the server: cameras in, results and pictures out.

    Settings can also be given in sightline.toml and as SIGHTLINE_* variables; some have no option here.
    """
    settings = load_settings(
        host=host,
        port=port,
        tcp_port=tcp_port,
        sources=_sources(source or []),
        model=model,
        profile=profile,
        weights=weights,
        family=family,
        engine=engine,
        device=device,
        precision=precision,
        imgsz=imgsz,
        conf=conf,
        workers=workers,
        browser_models=browser_models,
        preset=preset,
        adaptive=adaptive,
        target_latency_ms=target_latency_ms,
        static_skip=static_skip,
        lan=lan,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tunnel=tunnel,
        insecure=insecure,
        log_level=log_level,
    )
    check_exposure(settings)
    if settings.sources:
        from sightline.pull import check_sources

        check_sources({name: spec.get_secret_value() for name, spec in settings.sources.items()})
        if len(settings.sources) > settings.max_streams:
            raise ConfigError(f"{len(settings.sources)} sources: expected at most max_streams, {settings.max_streams}")
    provide(settings)
    loader.check_model(
        settings.model,
        engine=settings.engine,
        device=settings.device,
        family=settings.family,
        precision=settings.precision,
        cache=settings.cache,
        weights=settings.weights,
    )
    # Imported here, as otherwise every command would take half a second longer and a broken OpenCV would stop `doctor`.
    from sightline import codecs
    from sightline.app import create_app
    from sightline.cli.welcome import Welcome
    from sightline.offers import check_offers
    from sightline.outward.running import check_sinks
    from sightline.server import Server

    check_sinks(settings.sinks)
    check_offers(settings)
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)-7s %(name)s  %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)

    codecs.work_alone()
    app = create_app(settings)
    welcome = Welcome(settings, app, open_page=open_page)
    server = Server(app, settings, welcome.ready, welcome.public)
    server.serve_forever()
    if server.failure is not None:
        raise ModelError(server.failure)


def check_exposure(settings: Settings) -> None:
    """Raise ConfigError if these settings would let strangers watch, or tokens be overheard."""
    if is_loopback(settings.host) or settings.insecure:
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
    return {name: spec for name, _, spec in pairs} or None
