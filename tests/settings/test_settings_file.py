from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sightline.core.errors import ConfigError
from sightline.settings.own_folder import cache_folder
from sightline.settings.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SIGHTLINE_CONFIG", *(f"SIGHTLINE_{n.upper()}" for n in Settings.model_fields)):
        monkeypatch.delenv(name, raising=False)


def test_file_is_weaker_than_environment_is_weaker_than_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sightline.toml").write_text('port = 1\nconf = 0.5\nmodel = "a.onnx"\n')
    monkeypatch.setenv("SIGHTLINE_PORT", "2")
    monkeypatch.setenv("SIGHTLINE_CONF", "0.6")
    settings = load_settings(port=3, conf=None)
    assert (settings.port, settings.conf, settings.model) == (3, 0.6, "a.onnx")


def test_without_anything_it_is_loopback_and_nano() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.model, settings.insecure) == ("127.0.0.1", 8000, "nano", False)


def test_a_named_file_is_read_and_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "other.toml"
    monkeypatch.setenv("SIGHTLINE_CONFIG", str(path))
    with pytest.raises(ConfigError, match="no such file"):
        load_settings()
    path.write_text("max_streams = 3\n")
    assert load_settings().max_streams == 3


def test_unknown_keys_are_refused_wherever_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sightline.toml").write_text("prot = 1\n")
    with pytest.raises(ConfigError, match=r"unknown setting 'prot'.*port"):
        load_settings()
    (tmp_path / "sightline.toml").write_text("")
    monkeypatch.setenv("SIGHTLINE_PROT", "1")
    with pytest.raises(ConfigError, match=r"SIGHTLINE_PROT: did you mean SIGHTLINE_PORT"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[streams.door]\nrecordd = "always"', "unknown setting 'streams.door.recordd': did you mean record or "),
        ('[cluster]\nadress = "auto"', "unknown setting 'cluster.adress': did you mean address?"),
        ("xyzzy = 1", "unknown setting 'xyzzy': expected one of host, port, "),
        ("[streams.door]\nxyzzy = 1", "unknown setting 'streams.door.xyzzy': expected one of "),
        ('record = "always"', "unknown setting 'record': it belongs to a stream, into a table [streams.NAME]"),
        (
            "[streams.door]\nmax_streams = 2",
            "unknown setting 'streams.door.max_streams': it belongs to the whole server, above all tables",
        ),
        (
            '[[webrtc_ice_servers]]\nurl = "stun:x"',
            "setting webrtc_ice_servers.0.urls is missing; "
            "unknown setting 'webrtc_ice_servers.0.url': did you mean urls?",
        ),
        (
            '[streams."a b"]\nmax_fps = 3',
            "setting streams: got 'a b'; expected a stream's name of 1 to 64 letters, digits, '_' or '-'",
        ),
        ('allowed_hosts = "cam"', "setting allowed_hosts: got 'cam'; expected a list, in brackets"),
    ],
)
def test_what_is_wrong_in_a_table_is_said_in_its_own_words(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "sightline.toml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_settings()
    assert str(raised.value).startswith(told)


@pytest.mark.parametrize(
    ("key", "value"), [("port", "x"), ("port", 70000), ("conf", 2), ("device", "gpu"), ("max_streams", 0)]
)
def test_a_bad_value_names_its_key_and_what_was_got(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"{key}.*{value}"):
        load_settings(**{key: value})


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "sightline.toml").write_text("port = = 1")
    with pytest.raises(ConfigError, match=r"sightline\.toml"):
        load_settings()


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_a_profile_is_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(profile="fast").model == "fast"
    monkeypatch.setenv("SIGHTLINE_MODEL", "motion")
    assert load_settings(profile="nano").model == "nano"  # the command line is stronger
    (tmp_path / "sightline.toml").write_text('profile = "sota"\n')
    assert (load_settings().model, load_settings().profile) == ("motion", None)
    monkeypatch.delenv("SIGHTLINE_MODEL")
    assert load_settings().model == "sota"
    assert (load_settings(model="a.onnx").model, load_settings(model="a.onnx").profile) == ("a.onnx", None)


def test_a_model_may_be_called_by_its_name_in_the_table(tmp_path: Path) -> None:
    (tmp_path / "sightline.toml").write_text('[models]\nmugs = "runs/mugs.onnx"\n')
    assert load_settings(model="mugs").model == "runs/mugs.onnx"
    assert load_settings(profile="nano").model == "nano"


def test_a_profile_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"profile 'fasst': expected one of nano, person, fast"):
        load_settings(profile="fasst")
    (tmp_path / "sightline.toml").write_text("profile = 3\n")
    with pytest.raises(ConfigError, match="profile '3'"):
        load_settings()
    monkeypatch.setenv("SIGHTLINE_PROFILE", "motion")
    with pytest.raises(ConfigError, match="profile 'motion'"):
        load_settings()
    with pytest.raises(ConfigError, match="model a and profile fast: expected one of them"):
        load_settings(profile="fast", model="a")


@pytest.mark.parametrize("hub", ["ftp://a.example", "https://a b", "https://me:pass@a.example", "a.example", ""])
def test_a_wrong_address_of_the_hub(hub: str) -> None:
    with pytest.raises(ConfigError, match="hub"):
        load_settings(hub=hub)


def test_the_cache_is_where_this_system_has_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "mine"))
    assert cache_folder().name in ("sightline", "Cache")
    assert sys.platform == "darwin" or cache_folder().is_relative_to(tmp_path / "mine")
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "named"))
    assert cache_folder() == load_settings().cache == tmp_path / "named"


def test_zones_and_lines_of_a_stream(tmp_path: Path) -> None:
    (tmp_path / "sightline.toml").write_text(
        "[streams.door.zones.drive]\npoints = [[0, 0], [1, 0], [1, 1]]\nclasses = ['car']\n"
        "[streams.door.lines.gate]\npoints = [[0, 0.5], [1, 0.5]]\n"
    )
    door = load_settings().streams["door"]
    assert door.zones["drive"].points == ((0, 0), (1, 0), (1, 1))
    assert (door.zones["drive"].classes, door.lines["gate"].classes) == (("car",), None)


TABLES = "at most 64 tables [streams.NAME.{}.NAME], named by 1 to 64 letters, digits, '_' or '-'"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("zones.a]\npoints = [[0, 0], [1, 1]]", "streams.door.zones.a.points: got 2 points; expected 3 to 100"),
        ("zones.a]\npoints = [[0, 0], [1, 1], [nan, 0]]", "zones.a.points: got [nan, 0] as point 3; expected x and y"),
        ("lines.a]\npoints = [[0, 0], [1, 1], [1, 0]]", "streams.door.lines.a.points: got 3 points; expected 2"),
        ("lines.a]\npoints = [[0, 0], [1, 1]]\nto = 1", "streams.door.lines.a.to"),
        ("zones.a]\ncolor = 'red'", "streams.door.zones.a.points"),
        ("zones.a]\npoints = [[0, 0], [1, 1], [1, 0]]\nto = 1", "zones.a.to: got 1; expected one of the keys points"),
        ("rules.a]\nfor_s = -1", "streams.door.rules.a.for_s: got -1; expected a number of seconds"),
        (
            "rules.a]\nfor_s = 1\nline = 'gate'",
            "rules.a.line: got a line with for_s or at_least; expected a zone",
        ),
        ("rules.a]\nfor = 1", "streams.door.rules.a.for: got 1; expected one of the keys enabled"),
        ("rules.'a b']\nfor_s = 1", f"streams.door.rules: got 'a b'; expected {TABLES.format('rules')}"),
        (
            "zones.'Haustür']\npoints = [[0, 0], [1, 1], [1, 0]]",
            f"streams.door.zones: got 'Haustür'; expected {TABLES.format('zones')}",
        ),
        ("lines]\na = 1", "streams.door.lines.a: got 1; expected the keys points"),
        (
            "rules]\n" + "\n".join(f"r{n} = {{}}" for n in range(65)),
            f"door.rules: got 65 of them; expected {TABLES[:16]}",
        ),
        (
            "rules.a]\nclasses = []",
            "rules.a.classes: got []; expected a list of 1 to 256 names of classes, or null for all",
        ),
        (
            "zones.a]\npoints = [[0, 0], [1, 1], [1, 0]]\nclasses = []",
            "zones.a.classes: got []; expected a list of 1 to",
        ),
    ],
)
def test_a_zone_that_is_none_is_named(tmp_path: Path, table: str, told: str) -> None:
    (tmp_path / "sightline.toml").write_text(f"[streams.door.{table}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert told in caught.value.message


def test_a_list_of_zones_is_told(tmp_path: Path) -> None:
    (tmp_path / "sightline.toml").write_text("[[streams.door.zones]]\nname = 'drive'\n")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert caught.value.message == (
        f"setting streams.door.zones: got [{{'name': 'drive'}}]; expected {TABLES.format('zones')}"
    )


def test_a_data_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigError, match=r"setting data: .*data is a file; expected a folder"):
        load_settings(data=tmp_path / "data")
