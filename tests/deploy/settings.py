"""What the commands make of the arguments and the environment that a deployment gives them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from proxy.cli import parser
from proxy.cli.parsing import PREFIX, use_environment
from tests.deploy.reading import ROOT

SECRETS = {f"{PREFIX}{name}" for name in ("UPSTREAM_KEY", "REDIS_PASSWORD", "TRAIL_KEY")}
"""Variables that are no options: they never stand on a command line. The index key comes from a file."""

KEY_FILE = f"{PREFIX}INDEX_KEY_FILE"


def options(arguments: list[str], *environments: Mapping[str, str]) -> argparse.Namespace:
    """What a command makes of its arguments and environment; what it does not understand fails the test."""
    merged = {key: value for each in environments for key, value in each.items()}
    made = parser()
    strange = {name for name in merged if name.startswith(PREFIX)} - _variables(made) - SECRETS - {KEY_FILE}
    assert not strange, f"no option reads {strange}"
    use_environment(made, merged)
    return made.parse_args(arguments)


def _variables(made: argparse.ArgumentParser) -> set[str]:
    found: set[str] = set()
    for action in made._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                found |= _variables(inner)
        found |= {
            PREFIX + each[2:].upper().replace("-", "_")
            for each in action.option_strings
            if each.startswith("--")
        }
    return found


def image_environment() -> dict[str, str]:
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    return dict(
        pair.split("=", 1)
        for line in text.splitlines()
        if line.startswith("ENV ")
        for pair in line.split()[1:]
    )
