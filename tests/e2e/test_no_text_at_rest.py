"""The secret is nowhere else: not 20 characters of the training set lie in any file, log, metric or trail."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from proxy.cli import main
from proxy.text import units
from proxy.upstreams.scripted import CUT, Raw, Reply, Said, Says
from tests.cli.running import running
from tests.serving import QUESTION, chunk, model_server
from tests.training import ADMIN, ADMIN_ZH, KEY, NOBODY, NOBODY_ZH, TRAINING

RUN = 20
"""Characters, and units, of which none may lie side by side anywhere."""

SAY = {
    "clean": Says(Said("Nothing of interest.")),
    "block": Says(Said(f"Well: {ADMIN}")),
    "block in Chinese": Says(Said(f"好的：{ADMIN_ZH}")),
    "redact": Says(Said(f"They wrote: {NOBODY} {NOBODY_ZH}")),
    "everything": Says(Said("\n".join(text for part in TRAINING.values() for text in part))),
    "call": Says(Said(calls=[("note", json.dumps({"text": ADMIN}))])),
    "break": Raw([chunk({"content": ADMIN}), CUT]),
    "garbage": Raw([b"data: " + ADMIN.encode() + b"\n\n"]),
    "error": Raw([orjson.dumps({"error": {"message": ADMIN, "code": ADMIN}})], status=400),
    "fields": Raw([chunk({"content": "Hi", "x": ADMIN}, system_fingerprint=ADMIN, id=ADMIN)]),
}
"""What the model says when it is asked for one of these."""


def encoded() -> Iterator[tuple[str, bytes]]:
    """Every run of 20 characters, and of 20 units of the skeleton, as they might lie in a file."""
    as_text: dict[str, Callable[[str], bytes]] = {
        "UTF-8": str.encode,
        "UTF-16-LE": lambda text: text.encode("utf-16-le"),
        "UTF-16-BE": lambda text: text.encode("utf-16-be"),
        "JSON": lambda text: json.dumps(text)[1:-1].encode(),
    }
    for text in (text for part in TRAINING.values() for text in part):
        for start in range(len(text) - RUN + 1):
            for name, encode in as_text.items():
                yield f"{name} {start}", encode(text[start : start + RUN])
        codes = units(text)
        for start in range(len(codes) - RUN + 1):
            run = codes[start : start + RUN]
            yield f"a unit in four bytes {start}", b"".join(code.to_bytes(4, "little") for code in run)
            yield f"a unit a byte {start}", bytes(code & 255 for code in run)


def found_in(blobs: dict[str, bytes]) -> list[str]:
    """Where a run of the training set lies; only what begins like one is compared as a whole."""
    size = 16
    runs: dict[bytes, list[tuple[str, bytes]]] = {}
    for name, run in encoded():
        runs.setdefault(run[:size], []).append((name, run))
    found = []
    for where, blob in blobs.items():
        beginnings = {blob[at : at + size] for at in range(len(blob))}
        for beginning in beginnings & runs.keys():
            found += [f"{where}: {name}" for name, run in runs[beginning] if run in blob]
    return found


def test_the_search_finds_what_is_there() -> None:
    """A run in any of the encodings would be found, in the middle of anything."""
    middle = ADMIN_ZH[8 : 8 + RUN]
    for hidden in (
        middle.encode(),
        middle.encode("utf-16-le"),
        middle.encode("utf-16-be"),
        json.dumps(middle).encode(),
        b"".join(code.to_bytes(4, "little") for code in units(middle)),
        bytes(code & 255 for code in units(middle)),
    ):
        assert found_in({"file": b"\0\1" + hidden + b"\2"})
    assert not found_in({"file": ADMIN.encode()[: RUN - 1] + b"\0" + ADMIN.encode()[-RUN + 1 :]})


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Everything that a whole life of a server leaves: build, keys, ten answers, metrics, end."""
    folder = tmp_path_factory.mktemp("life")
    data, house, scratch = folder / "data", folder / "house", folder / "scratch"
    for each in (data, house, scratch):
        each.mkdir()
    sources = []
    for audience, texts in TRAINING.items():
        path = data / f"{audience}.jsonl"
        path.write_text("\n".join(json.dumps({"text": text}) for text in texts) + "\n{" + texts[0], "utf-8")
        sources.append(f"{audience}={path}")
    environment = {"SLUICEGATE_INDEX_KEY": KEY}
    index = house / "x.idx"
    # The last line of each file is broken on purpose: what is said of it must hold no text either.
    arguments = [*sources, "--out", str(index), "--max-skipped", "0.5"]
    assert main(["index", "build", *arguments], environment) == 0
    state = ["--state", str(house / "state.sqlite")]
    with model_server(_asked) as upstream:
        arguments = ["serve", "--index", index, "--upstream", upstream, "--port", "0", *state]
        arguments += ["--metrics-port", "0"]
        with running(*arguments, cwd=house, TMPDIR=str(scratch), **environment) as server:
            line = server.wait_for("listening on ")
            base_url = re.findall(r"http://\S+", line)[0]
            told = re.findall(r"http://\S+", server.wait_for("metrics on "))[0]
            _use(base_url, house, state)
            metrics = httpx.get(told, trust_env=False).content
            assert server.end() == 0
    blobs = {str(path.relative_to(folder)): path.read_bytes() for path in house.rglob("*") if path.is_file()}
    blobs |= {str(path): path.read_bytes() for path in scratch.rglob("*") if path.is_file()}
    return blobs | {"metrics": metrics}


def _asked(body: object) -> Reply:
    assert isinstance(body, dict)
    return SAY[body["messages"][-1]["content"]]


def _use(base_url: str, house: Path, state: list[str]) -> None:
    """Ask for everything, as everybody."""
    from proxy.keys import KeyStore

    store = KeyStore(house / "state.sqlite")
    keys = {role: store.create(role).secret for role in ("public", "staff", "admin")}
    store.close()
    with httpx.Client(base_url=base_url, trust_env=False, timeout=60) as web:
        for question in SAY:
            for role in keys if question in ("everything", "block") else ("public",):
                for stream in (True, False):
                    body = {
                        "model": "m",
                        "stream": stream,
                        "messages": [*QUESTION, {"role": "user", "content": question}],
                    }
                    web.post("/chat/completions", json=body, headers={"api-key": keys[role]})
        web.post("/chat/completions", content=b"{" + ADMIN.encode(), headers={"api-key": keys["public"]})
        web.post("/chat/completions", json={"model": ADMIN, "messages": []}, headers={"api-key": ADMIN[:40]})


def test_nothing_of_the_training_set_is_left(left: dict[str, bytes]) -> None:
    """Index, key, state, trail, logs and metrics hold no run of 20 characters or units, in any encoding."""
    names = set(left)
    assert {"house/state.sqlite", "house/state.trail.jsonl", "house/errors.txt", "metrics"} <= names
    assert sum(name.startswith("house/x.idx/") for name in names) > 20
    lines = [json.loads(line) for line in left["house/state.trail.jsonl"].splitlines()]
    outcomes = {line["outcome"] for line in lines if line["kind"] == "decision"}
    assert outcomes >= {"passed", "redacted", "blocked", "upstream_error"}
    assert found_in(left) == []


def test_no_key_is_left(left: dict[str, bytes]) -> None:
    """The index's key and the callers' keys stand in no file and no log, either."""
    for name, blob in left.items():
        assert KEY.encode() not in blob, name
        assert b"sk-sg-" not in blob, name
