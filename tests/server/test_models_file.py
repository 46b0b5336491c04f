"""The file of models: what it may say, and all that is wrong with it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.server.models_file import open_models, parse_models
from proxy.upstreams.router import Router

ROLES = ("public", "staff")
ENVIRONMENT = {"VLLM_KEY": "sk-theirs", "EMPTY": ""}
GOOD = """\
version: 1
models:
  support:
    servers:
      - {url: "http://10.0.0.5:8000/v1", key: VLLM_KEY, weight: 3, first_byte: 60}
      - {url: "http://10.0.0.6:8000/v1", model: support-lora, weight: 0}
    aliases: [gpt-4o]
    roles: [staff]
default: {url: "http://10.0.0.7:8000/v1"}
"""


def parse(text: str) -> Router:
    return parse_models(text, "models.yaml", ENVIRONMENT, ROLES)


def test_a_file_of_models() -> None:
    """Servers, weights, other names, roles and a default are read."""
    router = parse(GOOD)
    first, second = router.routes["support"].servers
    assert (first.weight, first.model, second.weight, second.model) == (3, None, 0, "support-lora")
    assert router.serves("gpt-4o", "staff")
    assert not router.serves("gpt-4o", "public")
    assert router.serves("other", "public")


def test_all_faults_at_once() -> None:
    """Every fault is named with its line and its path, and no key is shown."""
    text = """\
version: 2
models:
  support:
    servers:
      - {url: "ftp://x", key: sk-live-0123456789, wieght: 3}
      - {kind: litellm, weight: -1}
      - {kind: openai, key: EMPTY}
    roles: [stuff]
  other:
    aliases: [support]
"""
    with pytest.raises(ConfigError) as error:
        parse(text)
    said = str(error.value)
    for part in (
        "models.yaml:1: version: version 2 is not known",
        "models.yaml:5: models.support.servers[0].wieght: unknown key",
        "models.yaml:5: models.support.servers[0].key: must name an environment variable",
        "models.support.servers[0]: upstream: not an http(s) URL",
        "models.support.servers[1]: is missing `model`",
        "models.support.servers[1].weight: must be from 0",
        "models.support.servers[2]: is missing `url`",
        "models.support.servers[2].key: must name an environment variable",
        'models.support.roles: "stuff" is no role',
        "models.other.servers: is missing",
        '"support" is already a name of "support"',
    ):
        assert part.split(": ")[-1] in said, (part, said)
    assert "sk-live" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("version: 1\n", "names no model"),
        ("version: 1\nmodels: {}\n", "is empty"),
        ("version: 1\nmodels: {m: {servers: []}}\n", "empty list"),
        ('version: 1\nmodels: {m: {servers: [{url: "http://x/v1", weight: 0}]}}\n', "every weight is 0"),
        ("version: 1\ndefault: {kind: openai}\n", "`url`"),
        ('version: 1\ndefault: {url: "http://u:p@x/v1"}\n', "holds a password"),
        ("version: [", "not valid YAML"),
    ],
)
def test_a_file_that_says_nothing(text: str, said: str) -> None:
    """What would have no effect, or cannot be read, is a fault."""
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert said in str(error.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A path that leads nowhere, and bytes that are no text, are faults for a person."""
    with pytest.raises(ConfigError, match="cannot be read"):
        open_models(tmp_path / "none.yaml", {}, ROLES)
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        open_models(tmp_path / "bad.yaml", {}, ROLES)
    (tmp_path / "good.yaml").write_text(GOOD, "utf-8")
    assert open_models(tmp_path / "good.yaml", ENVIRONMENT, ROLES).routes


@pytest.mark.filterwarnings("ignore")
def test_a_server_of_another_kind() -> None:
    """kind litellm needs a model and no address."""
    server = "{kind: litellm, model: anthropic/claude-x, key: VLLM_KEY}"
    router = parse(f"version: 1\nmodels: {{claude: {{servers: [{server}]}}}}\n")
    assert router.serves("claude", "public")
    with pytest.raises(ConfigError, match="first_byte"):
        parse("version: 1\ndefault: {kind: litellm, model: a/b, connect: 3}\n")
