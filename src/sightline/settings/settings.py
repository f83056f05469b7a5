"""All settings. File < environment (``SIGHTLINE_*``) < command line; unknown keys are refused.

Only this folder reads the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, IPvAnyAddress, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from sightline.core.errors import ConfigError
from sightline.core.types import STREAM_NAME
from sightline.profiles import WEIGHTS_URL
from sightline.settings.changes import EventsDays, EventsGb, LogLevel, PageOrigin
from sightline.settings.cluster import Cluster
from sightline.settings.machines import PlaceName
from sightline.settings.outputs import OutputTable
from sightline.settings.own_folder import own_folder
from sightline.settings.presets import PRESETS, PresetName
from sightline.settings.problems import meant, told
from sightline.settings.sources import RENAMED, NamedSource, renamed
from sightline.settings.tables import IceServer, StreamDefaults

StreamName = Annotated[str, Field(pattern=f"^{STREAM_NAME.pattern}$")]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")]

PUSH_ORIGIN = r"^(https://[^/?#@\s]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)/?$"
"""What a push service's address begins with. Without TLS only on this machine itself."""

Origin: TypeAlias = Literal["default", "file", "environment", "command line", "page"]
"""Where a setting's value comes from. page: changed while the server ran."""

PREFIX = "SIGHTLINE_"
DEFAULT_FILE = "sightline.toml"
NOT_SETTINGS = frozenset({"SIGHTLINE_CONFIG", "SIGHTLINE_ASSETS", "SIGHTLINE_TOKEN", "SIGHTLINE_CA"})
"""Variables with our prefix that are not settings: settings file, test assets, the clients' token and authority."""


class Settings(BaseSettings):
    """Settings of ``sightline serve``. A field's name is its key in the file and, in capitals, its variable."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    host: str = Field(
        "127.0.0.1",
        description="Address to listen on. With `lan` it is 0.0.0.0; else others than loopback need TLS and tokens.",
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    tcp_port: int | None = Field(
        None, ge=0, le=65535, description="Port for TCP clients; 0 takes a free one. Without it there is no TCP."
    )
    lan: bool = Field(
        False,
        description="Serve the local network: HTTPS with a certificate of its own, and tokens. See docs/phones.md.",
    )
    tokens: bool = Field(False, description="Ask everybody for a token. Always on with `lan` and `tunnel`.")
    tls_cert: Path | None = Field(None, description="Your own certificate with its chain (PEM), for HTTPS.")
    tls_key: Path | None = Field(None, description="The key of `tls_cert` (PEM).")
    tunnel: Literal["cloudflared", "ngrok", "ssh"] | None = Field(
        None, description="Open the server to the internet through an installed program: cloudflared, ngrok or ssh."
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https://[^/?#@\s]+/?$",
        description="Address under which a proxy with TLS offers this server: https://HOST.",
    )
    data: Path | None = Field(
        None,
        description="Folder of tokens, certificates, zones, rules and events; default: sightline in your data folder.",
    )
    insecure: bool = Field(False, description="Allow a non-loopback `host` without TLS and tokens.")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Host names under which the server answers, besides loopback and numeric addresses."
    )
    allowed_origins: tuple[PageOrigin, ...] = Field(
        (),
        description="Origins whose pages may show streams: https://HOST, or http:// with localhost, 127.0.0.1 or "
        "[::1]. See docs/embedding.md.",
    )
    sources: dict[StreamName, SecretStr] = Field(
        {}, description="Streams that the server itself pulls: a table of name = source (see docs/sources.md)."
    )
    camera_schemes: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]+$")], ...] = Field(
        ("rtsp", "rtsps", "http", "https", "recording"),
        description="What the addresses of cameras that are added by page or API may begin with. Also possible: srt, "
        "camera (this machine's own) and synthetic. See docs/cameras.md.",
    )
    media_folder: Path | None = Field(
        None, description="Folder whose files may be added as cameras by page or API. Without it no file can be."
    )
    model: str = Field("nano", description="A model's name (see `sightline models`) or the path of an ONNX file.")
    profile: str | None = Field(None, description="A profile's name: a model whose weights are downloaded once.")
    weights: Path | None = Field(None, description="A file to use in place of the profile's own weights.")
    cache: Path | None = Field(None, description="Folder for weights; default: sightline in your own cache folder.")
    weights_url: str = Field(
        WEIGHTS_URL,
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$",
        description="The server that weights come from, or a mirror: https://HOST. `hub`, the earlier name, is read as "
        "well.",
    )
    family: str | None = Field(
        None, description="The kind of model in an ONNX file that does not tell it itself; see docs/models.md."
    )
    engine: str = Field("auto", description="What runs the model: auto, onnx, openvino or torch.")
    device: str = Field("cpu", pattern=r"^(cpu|cuda:\d+)$", description="Where the model runs: cpu, cuda:0, cuda:1 ...")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="What the engine computes in: fp32, bf16, fp16, or auto (its own choice)."
    )
    torch_compile: bool = Field(
        False, description="With the engine torch: compile networks. They run faster, and start minutes later."
    )
    imgsz: int | None = Field(
        None, ge=64, le=2048, description="Side of the model's input in pixels, for models that take any."
    )
    conf: float = Field(0.25, gt=0, lt=1, description="Detections below this confidence are left out.")
    static_skip: bool = Field(True, description="Use the last result again for frames in which nothing moved.")
    threads: int | None = Field(None, ge=1, le=256, description="Threads of one inference; default: all cores.")
    preset: PresetName = Field(
        "default", description="Size, quality and rate at first: lan, default, mobile, ultra, tunnel."
    )
    adaptive: bool = Field(True, description="Ask cameras for what is their fair share and keeps latency on target.")
    adaptive_fps: float = Field(5, ge=1, le=60, description="Fewest pictures per second asked for to keep latency.")
    adaptive_quality: float = Field(0.3, ge=0.1, le=1, description="Lowest JPEG quality asked for to keep latency.")
    adaptive_width: int = Field(320, ge=160, le=4096, description="Smallest width in pixels asked for to keep latency.")
    adaptive_imgsz: int = Field(
        320, ge=64, le=2048, description="Smallest side of the model's input to which it is reduced to keep latency."
    )
    adaptive_conf: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Highest confidence threshold to which it is raised to keep latency; default: it stays.",
    )
    target_latency_ms: float = Field(100, ge=10, le=10000, description="Wanted latency from capture to result, in ms.")
    max_pending: int | None = Field(
        None, ge=1, le=16, description="Frames a camera may have under way without an answer; default: the preset's."
    )
    max_fps: float = Field(
        60, ge=1, le=240, description="Frames per second accepted from one camera; more are dropped."
    )
    max_message_bytes: int = Field(4 << 20, ge=4096, le=64 << 20, description="Largest picture message.")
    max_pixels: int = Field(4096 * 4096, ge=4096, le=2**28, description="Largest picture, width times height.")
    max_streams: int = Field(64, ge=1, le=4096, description="Streams at a time.")
    max_viewers: int = Field(256, ge=1, le=65536, description="Viewers and listeners at a time, all streams.")
    streams: dict[StreamName, StreamDefaults] = Field(
        {},
        description="[streams.NAME] tables of the file: priority (-100 to 100; higher comes first), max_fps, stages "
        "(steps after the model, such as counts), zones, lines, rules (see docs/analytics.md), record (off, events or "
        "always), record_schedule, record_days, record_gb (see docs/recording.md), and what can be chosen "
        "live too: track, track_lost_s, track_confirm, object_events, model, engine, imgsz, confidence, iou, "
        "max_detections, classes.",
    )
    models: dict[ModelName, str] = Field(
        {}, description="More models, for `model` and to be chosen for a stream: a table of name = path."
    )
    model_grace: float = Field(
        60, ge=0, le=86400, description="Seconds that a model stays loaded when no stream uses it."
    )
    model_memory_mb: int | None = Field(
        None, ge=64, le=1 << 20, description="Memory that all models may take together; default: half of the machine's."
    )
    browser_models: Literal["off", "free", "all"] = Field(
        "free", description="Models that camera pages may fetch and run: off, free (by licence), or all that run here."
    )
    webrtc: bool = Field(True, description="Offer WebRTC, with WHIP and WHEP, besides WebSockets. See docs/webrtc.md.")
    webrtc_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="One UDP port for all WebRTC peers. Without it each has a free one of its own.",
    )
    webrtc_hosts: tuple[IPvAnyAddress, ...] = Field(
        (), description="Addresses by which peers reach `webrtc_port`, besides this machine's own: a container's host."
    )
    webrtc_ice_servers: tuple[IceServer, ...] = Field(
        (), description="STUN and TURN servers: [[webrtc_ice_servers]] tables with urls, username and credential."
    )
    webrtc_peers: int = Field(
        32,
        ge=1,
        le=1024,
        description="WebRTC cameras and viewers at a time, all streams; one token has three quarters of them at most.",
    )
    webrtc_send_kbps: int = Field(2500, ge=100, le=50000, description="Most that video for one viewer takes, kbit/s.")
    webrtc_receive_kbps: int = Field(4000, ge=100, le=50000, description="Most that a camera may send, kbit/s.")
    workers: int | None = Field(
        None, ge=1, le=64, description="Instances of a model; default: as many as streams need, up to one a core."
    )
    place: PlaceName = Field(
        "process",
        description="What a model runs in: process (a crash takes it alone), thread, or ray (docs/cluster.md).",
    )
    places: dict[ModelName, PlaceName] = Field(
        {}, description="What a model runs in where that differs from `place`: a table of name = place."
    )
    load_timeout: float = Field(600, ge=1, le=86400, description="Seconds that a model may take to load.")
    cluster: Cluster = Field(
        Cluster.model_validate({}),
        description="[cluster] table of the file, for several machines (docs/cluster.md). Models: address (auto or "
        "HOST[:PORT]; makes `place` ray), token_file, replicas_min, replicas_max, cpus, gpus, labels. Hubs: hubs (the "
        "addresses of all, the same list on each), secret (the same on each), ca (authority of their certificates).",
    )
    outputs: tuple[OutputTable, ...] = Field(
        (),
        description="Where else results and events go: [[outputs]] tables of the file with kind jsonl, webhook, "
        "mqtt or command. See docs/outputs.md. [[sinks]], the earlier name, is read as well.",
    )
    push_services: tuple[Annotated[str, Field(pattern=PUSH_ORIGIN)], ...] = Field(
        (),
        description="Origins of push services besides those of Google, Mozilla, Apple and Microsoft: https://HOST. "
        "See docs/notifications.md.",
    )
    push_contact: str | None = Field(
        None,
        pattern=r"^(mailto:[^\s@]+@[^\s@]+\.[^\s@]+|https://[^\s/]+\.\S+)$",
        description="Whom push services may ask about this server's messages: mailto:YOU@YOUR.DOMAIN or an https "
        "address. Apple refuses made up ones.",
    )
    events_days: EventsDays = Field(14, description="Days for which events and their pictures are kept.")
    events_gb: EventsGb = Field(2, description="Most that events and their pictures take, in GB; the oldest go first.")
    record_before_s: float = Field(
        5,
        ge=0,
        le=60,
        description='Seconds before an event that are recorded with it, where a stream has `record = "events"`.',
    )
    record_after_s: float = Field(10, ge=0, le=600, description="Seconds after an event that are recorded with it.")
    record_days: float = Field(
        7, gt=0, le=3650, description="Days for which recordings are kept; a stream's own `record_days` goes before."
    )
    record_events_days: float = Field(
        30, gt=0, le=3650, description="Days for which recordings are kept in which something happened."
    )
    record_gb: float = Field(
        10,
        gt=0,
        le=1e6,
        description="Most that all recordings take, in GB; the oldest go first. See docs/recording.md.",
    )
    record_free_gb: float = Field(
        1, ge=0, le=1e6, description="What recordings leave free on the disk, in GB; below it nothing is recorded."
    )
    idle_timeout: float = Field(30, gt=0, le=3600, description="Seconds after which a silent or deaf peer is closed.")
    request_timeout: float = Field(
        10, gt=0, le=600, description="Seconds a request may take to arrive, and each megabyte of it."
    )
    jpeg_quality: int = Field(80, ge=10, le=100, description="JPEG quality of pictures that the server draws or pulls.")
    log_level: LogLevel = Field("info", description="How much to log: debug, info, warning or error.")
    log_format: Literal["text", "json"] = Field(
        "text", description="How to log: text, or json with one object a line. See docs/deploy.md."
    )
    log_file: Path | None = Field(
        None, description="File to log to as well. At 10 MB it becomes FILE.1, and so on up to FILE.5."
    )

    traces_to: str | None = Field(
        None,
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$",
        description="OpenTelemetry collector that gets traces of frames: http://HOST:4318. See docs/deploy.md.",
    )
    traces_share: float = Field(0.01, ge=0, le=1, description="Share of the frames that `traces_to` gets.")

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)

    def origin(self, name: str) -> Origin:
        """Where a setting's value comes from."""
        return self._origins.get(name, "default")

    def pending(self, preset: PresetName | None = None) -> int:
        """Frames that a camera may have under way with this preset; by default with the preset of the settings."""
        return self.max_pending or PRESETS[preset or self.preset].max_pending

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Sources of settings, in order of precedence, strongest first."""
        path = settings_file()
        file = () if path is None else (TomlConfigSettingsSource(settings_cls, toml_file=path),)
        if isinstance(env_settings, EnvSettingsSource):  # it reads the variables of fields alone
            env_settings.env_vars = renamed(env_settings.env_vars, PREFIX.lower())
        return tuple(NamedSource(settings_cls, source) for source in (init_settings, env_settings, *file))


def settings_file() -> Path | None:
    """The settings file; None where there is none. Raises ConfigError for a named one that is not there."""
    named = os.environ.get(PREFIX + "CONFIG")
    path = Path(named or DEFAULT_FILE)
    if path.is_file():
        return path
    if named:
        raise ConfigError(f"settings file {named}: no such file")
    return None


def load_settings(**given: Any) -> Settings:
    """Settings from file, environment and ``given`` (None means not given). Raises ConfigError, naming each key."""
    settings = Settings.model_fields.keys() | RENAMED.keys()
    unknown = sorted(
        k
        for k in os.environ
        if k.startswith(PREFIX) and k not in NOT_SETTINGS and k[len(PREFIX) :].lower() not in settings
    )
    if unknown:
        known = [name.upper() for name in Settings.model_fields]
        each = "; ".join(f"{name}: {meant(name.removeprefix(PREFIX), known, PREFIX)}" for name in unknown)
        raise ConfigError(f"unknown setting in the environment: {each}")
    given = {k: v for k, v in given.items() if v is not None}
    try:
        found = Settings(**given)
        found._origins.update(_origins(given))
        return _with_consequences(found)
    except ValidationError as e:
        raise ConfigError("; ".join(told(dict(p), Settings.model_fields) for p in e.errors())) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ConfigError(f"settings file {settings_file()}: {e}; expected TOML in UTF-8") from None
    except OSError as e:
        raise ConfigError(f"settings file {settings_file()}: {e.strerror}") from None


def _origins(given: Mapping[str, Any]) -> dict[str, Origin]:
    """Where each setting that is not a default comes from, the strongest last."""
    path = settings_file()
    file = {} if path is None else tomllib.loads(path.read_text("utf-8"))
    variables = {name[len(PREFIX) :].lower() for name in os.environ if name.upper().startswith(PREFIX)}
    found: dict[str, Origin] = {}
    sources: dict[Origin, Collection[str]] = {"file": file, "environment": variables, "command line": given}
    for origin, keys in sources.items():
        names = renamed(dict.fromkeys(keys))
        if "profile" in names:  # which gives the model
            names["model"] = None
        found |= dict.fromkeys(names, origin)
    return found


def _with_consequences(settings: Settings) -> Settings:
    """Apply what some settings imply for others. Raises ConfigError for contradictions."""
    given = settings.model_fields_set
    open_to_others = settings.lan or settings.tunnel is not None
    if settings.lan and settings.tunnel is not None:
        raise ConfigError("lan and tunnel: expected one of them")
    if open_to_others and "tokens" in given and not settings.tokens:
        raise ConfigError(f"tokens = false: there is no {'lan' if settings.lan else 'tunnel'} mode without tokens")
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ConfigError("tls_cert and tls_key: expected both or none")
    if settings.data is not None and os.path.isfile(settings.data):  # noqa: PTH113 - never raises
        raise ConfigError(f"setting data: {settings.data} is a file; expected a folder")
    update: dict[str, Any] = {"tokens": settings.tokens or open_to_others}
    implied = {"tokens"} if open_to_others else set()
    if settings.lan and "host" not in given:
        update["host"] = "0.0.0.0"
        implied.add("host")
    if settings.tunnel is not None and "preset" not in given:
        update["preset"] = "tunnel"
        implied.add("preset")
    settings._origins.update(dict.fromkeys(implied, settings.origin("lan" if settings.lan else "tunnel")))
    if settings.cluster.address is not None and "place" not in given:
        update["place"] = "ray"
        settings._origins["place"] = settings.origin("cluster")
    if settings.profile is None and settings.model in settings.models:
        update["model"] = settings.models[settings.model]
    return settings.model_copy(update=update)


def data_folder(settings: Settings | None = None) -> Path:
    """Folder of tokens, certificates, zones and rules in these settings (default: those of file and environment).

    Raises NoFolder where the settings name none and this user has none.
    """
    folder = (settings or load_settings()).data
    if folder is not None:
        return folder
    return own_folder()
