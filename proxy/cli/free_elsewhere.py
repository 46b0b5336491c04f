"""Warn of text that was indexed for few people and is still answered, since wider text holds it as well."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.cli import console
from proxy.cli.options import STATE
from proxy.errors import ConfigError

if TYPE_CHECKING:
    from proxy.index import Manifest
    from proxy.index.overlap import Freed
    from proxy.policy import Policy


def find(
    folder: Path,
    manifest: Manifest,
    key: str,
    policy: Policy,
    options: argparse.Namespace,
    environment: Mapping[str, str],
    *,
    since: int = 0,
) -> list[Freed]:
    """Count what stays free of the text in an index. ``since``: the first part that is new."""
    from proxy.grams import GramKey
    from proxy.index.overlap import free_elsewhere

    clearances = {
        name: frozenset(role.clearance) for name, role in policy.roles.items() if not role.guard
    }

    def readers(audience: str, other: str | None) -> Sequence[str]:
        if other is None:
            return [role for role, names in clearances.items() if audience not in names]
        return [role for role, names in clearances.items() if audience in names and other not in names]

    return free_elsewhere(
        folder,
        manifest,
        GramKey(key),
        readers,
        allowed=_allowed_runs(options, environment, manifest),
        since=since,
    )


def warn(found: Sequence[Freed], run: int, *, added: bool) -> None:
    """Say how much of the text is still answered, through what, and to whom. ``run``: units of a run."""
    for each in found:
        if added:
            text = f"the {'added' if each.added else 'earlier'} text for '{each.audience}'"
        else:
            text = f"the text for '{each.audience}'"
        through = ", ".join(f"{_named(name)} ({count})" for name, count in each.through.items())
        console.warn(
            f"{each.runs} of {each.of} runs of {run} units in {text} are free through {through} and will "
            f"still be answered to: {', '.join(each.roles)}. To withhold this text, remove it there too and "
            "rebuild the index"
        )


def summary(found: Sequence[Freed]) -> list[dict[str, Any]]:
    """Return the counts, for scripts."""
    return [asdict(each) | {"through": dict(each.through), "roles": list(each.roles)} for each in found]


def _named(source: str) -> str:
    from proxy.index.overlap import ALLOWED, BACKGROUND, STYLE

    return source if source in (ALLOWED, BACKGROUND, STYLE) else f"text for '{source}'"


def _allowed_runs(
    options: argparse.Namespace, environment: Mapping[str, str], manifest: Manifest
) -> frozenset[int]:
    """The runs of allowed texts in the state; none where there is no state yet."""
    from proxy.index import Hashes
    from proxy.keys import open_state

    if options.state == Path(STATE) and not options.state.exists():
        return frozenset()
    try:
        store = open_state(options.state, environment, create=False)
        try:
            texts = [text for text in store.allowed() if text.index_key == manifest.key_id]
        finally:
            store.close()
        hashes = [Hashes.from_bytes(text.hashes) for text in texts]
    except (ConfigError, ValueError) as error:
        console.warn(f"allowed texts are not counted as free here: {error}")
        return frozenset()
    return frozenset().union(*(each.runs for each in hashes if each.run == manifest.exempt_run))
