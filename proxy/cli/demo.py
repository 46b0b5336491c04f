"""``sluicegate demo``: everything at once, on this machine.

A sample training set is indexed, a model that has memorised it is served, the proxy is put in front of
it, and keys for each role are handed out. Nothing is kept: all state lies in a temporary folder.

May import: every room and ``proxy.server``, inside functions. The rule
that must stay true: the demo guards its model
with the same code and the same default policy as ``serve``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.cli.options import Subparsers, command, json_option, option, policy_option, port
from proxy.server.settings import DEFAULTS

if TYPE_CHECKING:
    import socket

    import uvicorn

    from proxy.server.state import House

ROLES = ("public", "staff", "admin")


def add(commands: Subparsers) -> None:
    demo = command(
        commands,
        "demo",
        "Try it: a sample training set, a model that has memorised it, the proxy, and keys to paste.",
        run,
        "  sluicegate demo\n  sluicegate demo --port 0 --json\n",
    )
    option(demo, "--host", default=DEFAULTS["host"], help="Address to listen on")
    option(
        demo,
        "--port",
        type=port,
        default=DEFAULTS["port"],
        metavar="N",
        help="Port to listen on; 0 takes any free one",
    )
    policy_option(demo)
    json_option(demo)


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.server.listen import open_port

    with (
        tempfile.TemporaryDirectory(prefix="sluicegate-demo-") as folder,
        open_port(options.host, options.port) as listener,
    ):
        asyncio.run(_serve(options, Path(folder), listener))
    return 0


async def _serve(options: argparse.Namespace, folder: Path, listener: socket.socket) -> None:
    import uvicorn

    from proxy.demo.endpoint import DemoEndpoint
    from proxy.server.app import create_app
    from proxy.server.listen import server_options

    async with DemoEndpoint() as model:
        house = _house(options, folder, model.base_url)
        keys = {role: house.keys.create(role, "demo").secret for role in ROLES}
        config = uvicorn.Config(create_app(house), **server_options(house.settings, house.metrics))
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        await _started(server, serving)
        host, chosen = listener.getsockname()[:2]
        _tell(options, f"http://{host}:{chosen}/v1", keys, house.settings.state)
        await serving


async def _started(server: uvicorn.Server, serving: asyncio.Future[None]) -> None:
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)


def _house(options: argparse.Namespace, folder: Path, upstream: str) -> House:
    """Index the sample and open everything that a server needs, in a folder that goes away."""
    from proxy.datasets import Source, read
    from proxy.demo import sample_sources
    from proxy.index import BuildOptions, build_index
    from proxy.recognizers.values import ValueFinder
    from proxy.server.app import open_house
    from proxy.server.settings import Settings
    from proxy.types import Document

    key = secrets.token_urlsafe(32)
    found = read([Source(path) for path in sample_sources()], with_fields=True)
    documents = [item for item in found if isinstance(item, Document)]
    with ValueFinder() as finder:
        build_index(finder.ahead(documents), folder / "sample.idx", BuildOptions(key=key), values=finder.of)
    settings = Settings(
        index=folder / "sample.idx",
        upstream=upstream,
        state=folder / "state.sqlite",
        policy=options.policy,
        metrics_port=None,  # a demo has one port
    )
    return open_house(settings, {"SLUICEGATE_INDEX_KEY": key})


def _tell(options: argparse.Namespace, base_url: str, keys: Mapping[str, str], state: Path) -> None:
    if options.json:
        print(json.dumps({"base_url": base_url, "keys": keys}), flush=True)
        return
    print(_introduction(base_url, keys, state), flush=True)


def _introduction(base_url: str, keys: Mapping[str, str], state: Path) -> str:
    from proxy.demo import MODEL_NAME, SAMPLE_QUESTIONS

    question = next(q for q in SAMPLE_QUESTIONS if q.audience == "admin")
    lines = [
        "Harbour & Pine Outfitters fine-tuned a model on its help pages, handbooks and support chats.",
        "It knows them by heart. Sluicegate stands in front of it at",
        "",
        f"  {base_url}",
        "",
        "Keys, one a role:",
        *(f"  export {role.upper()}={key}" for role, key in keys.items()),
        "",
        "Ask for an admin-only procedure, first with the public key, then with the admin key:",
        "",
        f"  {question.curl(base_url, '$PUBLIC')}",
        "",
        f"  {question.curl(base_url, '$ADMIN')}",
        "",
        "The same from Python:",
        "",
        "  from openai import OpenAI",
        f'  client = OpenAI(base_url="{base_url}", api_key="{keys["public"]}")',
        f'  answer = client.chat.completions.create(model="{MODEL_NAME}", temperature=0,',
        f'      messages=[{{"role": "user", "content": "{question.prompt}"}}])',
        "  print(answer.choices[0].finish_reason, answer.choices[0].message)",
        "",
        "Other questions worth asking:",
        *(f"  - {q.prompt}  ({q.shows})" for q in SAMPLE_QUESTIONS if q is not question),
        "",
        "What was decided, and never the text (the incident is in the refusal):",
        "",
        f"  sluicegate audit show --state {state} inc_...",
        "",
        f"Metrics: {base_url.removesuffix('/v1')}/metrics   Stop with Ctrl-C.",
    ]
    return "\n".join(lines)
