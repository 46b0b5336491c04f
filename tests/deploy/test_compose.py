"""Compose: the settings it gives are ours, and what it promises stands in it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy import __version__
from proxy.cli.parsing import PREFIX
from tests.deploy.reading import DEPLOY
from tests.deploy.settings import KEY_FILE, SECRETS, image_environment, options


def compose(*files: str) -> dict[str, Any]:
    """Compose files laid over each other, as far as it is needed here."""
    services: dict[str, Any] = {}
    for file in files:
        for name, service in yaml.safe_load((DEPLOY / file).read_text("utf-8"))["services"].items():
            before = services.setdefault(name, {})
            volumes = {each.split(":")[1]: each for each in before.get("volumes", [])}
            volumes |= {_target(each): each for each in service.get("volumes", [])}
            before |= service | {"volumes": list(volumes.values())}
    return services


def _target(volume: str) -> str:
    return re.sub(r"\$\{[^}]*\}", "X", volume).split(":")[1]


PRODUCTION = ("compose.yaml", "compose.production.yaml")


@pytest.mark.parametrize("files", [("compose.yaml",), PRODUCTION], ids=["demo", "production"])
def test_everything_is_there_at_once(files: tuple[str, ...]) -> None:
    """Proxy, Prometheus, Alertmanager and Grafana; each pinned, hardened, and on loopback only."""
    services = compose(*files)
    assert set(services) == {"proxy", "prometheus", "alertmanager", "grafana"}
    for service in services.values():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), "pin the image"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert services["proxy"]["image"] == f"sluicegate:{__version__}"


@pytest.mark.parametrize("files", [("compose.yaml",), PRODUCTION], ids=["demo", "production"])
def test_what_compose_mounts_exists(files: tuple[str, ...]) -> None:
    """Docker would make a folder of a file that is not there."""
    for service in compose(*files).values():
        for volume in service["volumes"]:
            found = re.match(r"(?:\$\{\w+:-)?(\.[^}:]*)", volume)
            if found:
                assert (DEPLOY / found[1]).exists(), volume
                assert volume.endswith(":ro"), volume


def test_the_demo_listens_where_prometheus_looks() -> None:
    """`sluicegate demo` in the container, and the target that Prometheus is given for it."""
    service = compose("compose.yaml")["proxy"]
    chosen = options(service["command"], image_environment())
    assert (chosen.host, chosen.port) == ("0.0.0.0", 8080)
    assert _targets(compose("compose.yaml")) == ["proxy:8080"]
    assert "/tmp" in service["tmpfs"], "the demo writes its index there"


def test_production_serves_the_users_model_and_hides_its_metrics() -> None:
    """`sluicegate serve` understands its environment, and /metrics is on a port that is not published."""
    services = compose(*PRODUCTION)
    service = services["proxy"]
    environment = {
        name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", re.sub(r"\$\{(\w+):\?[^}]*\}", "given", value))
        for name, value in service["environment"].items()
    }
    chosen = options(service["command"], image_environment(), environment)
    assert chosen.upstream == "given"
    assert chosen.workers == 2
    assert _targets(services) == [f"proxy:{chosen.metrics_port}"]
    assert chosen.metrics_host == "0.0.0.0", "Prometheus is in another container"
    assert not any(str(chosen.metrics_port) in port for port in service["ports"])
    targets = {_target(volume) for volume in service["volumes"]}
    assert {str(chosen.index.parent), str(chosen.state.parent), str(chosen.policy)} <= targets
    assert str(Path(service["environment"][KEY_FILE]).parent) in targets
    assert f"{PREFIX}INDEX_KEY" not in service["environment"], "docker inspect would show it"
    for secret in SECRETS:
        assert service["environment"][secret].startswith("${"), "a key in a file that is committed"


def _targets(services: Mapping[str, Any]) -> list[str]:
    (volume,) = [each for each in services["prometheus"]["volumes"] if "/targets/" in each]
    entries = yaml.safe_load((DEPLOY / volume.split(":")[0]).read_text("utf-8"))
    return [target for entry in entries for target in entry["targets"]]


def test_the_models_network_is_closed() -> None:
    """Only the proxy shares it, and it leads nowhere."""
    both = yaml.safe_load((DEPLOY / "compose.production.yaml").read_text("utf-8"))
    assert both["networks"]["model"] == {"internal": True}
    users = [name for name, service in compose(*PRODUCTION).items() if "model" in service.get("networks", [])]
    assert users == ["proxy"]


def test_docker_compose_reads_both_files(tmp_path: Path) -> None:
    """Compose itself accepts the files, alone and laid over each other."""
    command = _compose_command()
    folder = tmp_path / "deploy"
    shutil.copytree(DEPLOY, folder)
    main = folder / "compose.yaml"
    if command == ["docker-compose"]:  # version 1 does not know the project's name yet
        main.write_text(main.read_text("utf-8").replace("\nname: sluicegate\n", "\n"))
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        f"{PREFIX}UPSTREAM": "http://model:8000/v1",
        f"{PREFIX}KEY_DIR": str(tmp_path),
        f"{PREFIX}INDEX_DIR": str(tmp_path),
    }
    for files in (("compose.yaml",), PRODUCTION):
        chosen = [word for file in files for word in ("-f", str(folder / file))]
        run = subprocess.run(
            [*command, *chosen, "config", "-q"], env=environment, capture_output=True, text=True, timeout=60
        )
        assert run.returncode == 0, run.stderr


def _compose_command() -> list[str]:
    if (
        shutil.which("docker")
        and not subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=60).returncode
    ):
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    pytest.skip("docker compose is not installed (Debian: docker-compose)")
