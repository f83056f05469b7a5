"""What deploys Sightline: as far as that can be checked without an engine of containers or a cluster."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sightline.server.deadline import WITHIN_S
from sightline.server.uvicorn_server import WATCH_S
from sightline.settings.settings import NOT_SETTINGS, PREFIX, Settings, load_settings
from support.rtsp import free_port
from support.serving import serving

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def manifests() -> dict[str, Any]:
    """The Kubernetes objects by kind."""
    found = yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text("utf-8"))
    return {one["kind"] if one["metadata"]["name"] == "sightline" else one["metadata"]["name"]: one for one in found}


def named_settings() -> Iterator[tuple[str, str]]:
    """Every SIGHTLINE_ variable in the files that deploy."""
    files = (path for path in sorted((ROOT / "deploy").rglob("*")) if path.is_file())
    for path in (ROOT / "Dockerfile", ROOT / "compose.yaml", *files):
        for name in re.findall(r"\bSIGHTLINE_[A-Z_]+", path.read_text("utf-8")):
            yield path.name, name


def test_variables_are_settings() -> None:
    only_compose = {"SIGHTLINE_PUBLISHED_PORT", "SIGHTLINE_PUBLISHED_TCP_PORT", "SIGHTLINE_FOLDER"}
    known = {PREFIX + name.upper() for name in Settings.model_fields} | only_compose | NOT_SETTINGS
    wrong = {(file, name) for file, name in named_settings() if name not in known}
    assert not wrong
    assert ("Dockerfile", "SIGHTLINE_HOST") in set(named_settings())


def test_compose_publishes_without_tokens_on_loopback_alone() -> None:
    assert re.search(r"SIGHTLINE_HOST=0\.0\.0\.0 ", DOCKERFILE)
    assert "INSECURE" not in DOCKERFILE
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    for name, service in services.items():
        environment = service["environment"]
        assert service["read_only"] is True
        assert ("SIGHTLINE_INSECURE" in environment) != (environment.get("SIGHTLINE_LAN") == "true"), name
        if "SIGHTLINE_INSECURE" in environment:
            assert all(port.startswith("127.0.0.1:") for port in service["ports"])
            inside = {port.rpartition(":")[2] for port in service["ports"]}
            assert inside == {"8000", environment["SIGHTLINE_TCP_PORT"], environment["SIGHTLINE_WEBRTC_PORT"] + "/udp"}
            assert "network_mode" not in service
    assert set(services) == {"sightline", "sightline-cuda", "sightline-full", "sightline-lan"}


def test_the_machines_of_a_cluster_agree_on_settings_and_token() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose.cluster.yaml").read_text("utf-8"))["services"]
    for service in services.values():
        given = json.loads(service["environment"]["SIGHTLINE_CLUSTER"].replace("${HEAD:-auto}", "10.0.0.11"))
        assert load_settings(cluster=given).cluster.address == "10.0.0.11"
        assert Path(given["token_file"]).parts[:2] == ("/", "config")
    ray = yaml.safe_load((ROOT / "deploy" / "kuberay.yaml").read_text("utf-8"))["spec"]
    for group in (ray["headGroupSpec"], *ray["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        assert {one["name"]: one["value"] for one in container["env"]}["RAY_AUTH_MODE"] == "token"
    assert f"ray=={ray['rayVersion']}" in (ROOT / "constraints.txt").read_text("utf-8")


def test_the_container_s_user_has_no_rights() -> None:
    last = DOCKERFILE.rsplit("FROM ", 1)[1]
    assert re.search(r"^USER sightline$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    assert last.index("USER") < last.index("ENTRYPOINT")


def test_every_file_that_the_image_takes_is_let_into_its_build() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert all((ROOT / name).exists() for name in let_in)
    needed = {"src", "packaging/npm", "pyproject.toml", "constraints.txt", "hatch_build.py", "README.md", "LICENSE"}
    assert needed <= let_in


def test_every_variant_of_the_image_installs_extras_that_there_are_at_pinned_versions() -> None:
    """Fault 66: OpenVINO is in the default image, PyTorch in ``full``."""
    steps = dict(re.findall(r"^ +(cpu|full|cuda)\) (.+?);;", DOCKERFILE, re.MULTILINE | re.DOTALL))
    named = {name: re.findall(r"{wheel}\[(.+?)\]", step) for name, step in steps.items()}
    extras = {name: set(",".join(found).split(",")) - {""} for name, found in named.items()}
    assert extras == {"cpu": {"hubs", "openvino"}, "full": {"hubs", "openvino", "torch"}, "cuda": {"hubs"}}
    known = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert set().union(*extras.values()) <= known.keys()
    assert "PIP_CONSTRAINT=/constraints.txt" in DOCKERFILE
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    built = {service["build"]["args"]["VARIANT"] for service in services.values() if isinstance(service["build"], dict)}
    assert built == steps.keys() - {"cpu"}


def test_the_mounted_folder_s_settings_are_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 66: models, sources and settings come with one folder. As it is it changes nothing."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    for name, service in services.items():
        assert "${SIGHTLINE_FOLDER:-./deploy/config}:/config:ro" in service["volumes"], name
        assert service["environment"]["SIGHTLINE_MODEL"] is None, "else it would win over the folder's settings"
    assert re.search(r"^WORKDIR /config$", DOCKERFILE, re.MULTILINE)
    text = (ROOT / "deploy" / "config" / "sightline.toml").read_text("utf-8")
    assert tomllib.loads(text) == {}
    wanted = re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE)
    (tmp_path / "sightline.toml").write_text(wanted, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIGHTLINE_MODEL", raising=False)
    settings = load_settings()
    assert settings.model == "yolox_nano.onnx"
    assert {*settings.sources} == {"door", "yard"}
    assert settings.streams["door"].classes == ["person"]


@pytest.mark.parametrize("tokens", ["true", "false"])
def test_the_image_by_itself_refuses_to_serve_whoever_comes(tokens: str) -> None:
    """Without TLS, and without a proxy that has it."""
    done = subprocess.run(
        [sys.executable, "-m", "sightline", "serve", "--port", "0"],
        env=os.environ | {"SIGHTLINE_HOST": "0.0.0.0", "SIGHTLINE_TOKENS": tokens},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "0.0.0.0" in done.stderr


@pytest.mark.parametrize("script", sorted((ROOT / "deploy").glob("*.sh")), ids=lambda path: path.name)
def test_the_shell_understands_a_script(script: Path) -> None:
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_kubernetes_objects_fit_together() -> None:
    found = manifests()
    pod = found["Deployment"]["spec"]["template"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    assert found["Service"]["spec"]["selector"] == pod["metadata"]["labels"]
    container = pod["spec"]["containers"][0]
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    claim = volumes["data"]["persistentVolumeClaim"]["claimName"]
    assert claim == found["PersistentVolumeClaim"]["metadata"]["name"]
    uid = int(re.search(r"--uid (\d+)", DOCKERFILE)[1])  # type: ignore[index]
    assert pod["spec"]["securityContext"]["runAsUser"] == uid


async def test_the_kubernetes_services_reach_what_the_server_opens(tmp_path: Path) -> None:
    """Fault 66: TCP and WebRTC had no port."""
    found = manifests()
    container = found["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    open_ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    (udp,) = found["sightline-webrtc"]["spec"]["ports"]
    assert {one["targetPort"] for one in [*found["Service"]["spec"]["ports"], udp]} == set(open_ports)
    env = {one["name"]: one.get("value", "") for one in container["env"]}
    assert int(env["SIGHTLINE_TCP_PORT"]) == open_ports["tcp"]
    assert {int(env["SIGHTLINE_WEBRTC_PORT"]), udp["nodePort"], udp["port"]} == {open_ports["webrtc"]}
    given = {name: value.replace("$(NODE)", "192.0.2.7") for name, value in env.items() if name.startswith("SIGHTLINE")}
    given |= {
        "SIGHTLINE_TCP_PORT": "0",
        "SIGHTLINE_WEBRTC_PORT": str(free_port(socket.SOCK_DGRAM)),
        "SIGHTLINE_HOST": "0.0.0.0",
    }
    async with serving("--model", "motion", env=given, data=tmp_path) as server:
        assert server.tcp.startswith("tcp://")
        assert (await server.http.get("/health")).status_code == 200


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = (ROOT / "deploy" / "sightline.service").read_text("utf-8")
    path = tmp_path / "sightline.service"
    path.write_text(unit.replace("/opt/sightline/bin/sightline", shutil.which("true") or "/bin/true"), "utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    assert "sightline.service" not in done.stderr, done.stderr


def test_the_unit_asks_for_the_word_that_the_server_gives() -> None:
    unit = (ROOT / "deploy" / "sightline.service").read_text("utf-8")
    assert re.search(r"^Type=notify$", unit, re.M)
    assert re.search(r"^Restart=on-failure$", unit, re.M), "status 0 is a stop that somebody asked for"
    assert float(re.search(r"^WatchdogSec=(\d+)$", unit, re.M)[1]) >= 10 * WATCH_S  # type: ignore[index]
    assert float(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M)[1]) > WITHIN_S  # type: ignore[index]


@pytest.mark.parametrize("lan", [False, True])
async def test_the_container_s_health_check_asks_the_server(lan: bool, tmp_path: Path) -> None:
    check = [sys.executable, str(ROOT / "deploy" / "healthcheck.py")]
    extra = ("--lan", "--host", "127.0.0.1") if lan else ()
    async with serving("--model", "motion", *extra, data=tmp_path) as server:
        port = server.url.rstrip("/").rpartition(":")[2]
        environment = os.environ | {"SIGHTLINE_PORT": port}
        asked = await asyncio.create_subprocess_exec(*check, env=environment)
        assert await asked.wait() == 0
    asked = await asyncio.create_subprocess_exec(*check, env=environment, stderr=asyncio.subprocess.DEVNULL)
    assert await asked.wait() == 1


async def test_probes_and_dashboard_ask_for_what_exists() -> None:
    container = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    probes = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert probes == {"/ready", "/health"}
    dashboard = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text("utf-8"))
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\bsightline_\w+", target["expr"])
    }
    async with serving("--model", "motion") as server:
        assert [(await server.http.get(path)).status_code for path in sorted(probes)] == [200, 200]
        text = (await server.http.get("/metrics")).text
    there = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    assert asked
    assert asked <= there | {f"{name}_total" for name in there}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def start(folder: Path, *arguments: str, path: str) -> subprocess.Popen[str]:
    """Run start.sh of a checkout in which everything is installed already."""
    return subprocess.Popen(
        [str(folder / "deploy" / "start.sh"), *arguments],
        env={"PATH": path, "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose ``sightline`` prints its arguments."""
    for name in ("deploy", "packaging", "Makefile", "pyproject.toml", "constraints.txt"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    said = programs / "sightline"
    said.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    said.chmod(0o755)
    (tmp_path / ".venv" / ".serve").touch()
    return tmp_path


def test_start_gives_its_options_to_serve(checkout: Path) -> None:
    out, err = start(checkout, "--model", "a model.onnx", path=os.environ["PATH"]).communicate(timeout=60)
    assert out.splitlines() == ["serve", "--model", "a model.onnx"], err


def test_start_picks_a_tunnel_that_is_installed(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "make", "dirname", "sh", "printf", "touch", "ngrok"):
        (tools / name).symlink_to(shutil.which(name) or "/bin/true")
    out, err = start(checkout, "--tunnel", "--port", "0", path=str(tools)).communicate(timeout=60)
    assert out.splitlines() == ["serve", "--tunnel", "ngrok", "--port", "0"], err
    (tools / "ngrok").unlink()
    process = start(checkout, "--tunnel", path=str(tools))
    assert "none of them is installed" in process.communicate(timeout=60)[1]
    assert process.returncode == 1


def test_start_serves(checkout: Path) -> None:
    """With the real program, until Ctrl-C."""
    said = checkout / ".venv" / "bin" / "sightline"
    said.write_text(f'#!/bin/sh\nexec {sys.executable} -m sightline "$@"\n')
    process = start(checkout, "--port", "0", "--model", "motion", path=os.environ["PATH"])
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if "Sightline is at http://127.0.0.1:" in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert any("Sightline is at" in line for line in lines)
