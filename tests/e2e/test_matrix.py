"""The matrix: every endpoint, every place that can hold text, whole and streamed, one choice and three, and
what is said: nothing of note, a passage that is redacted, one that is blocked. No cell is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import orjson
import pytest

from proxy.dialects import DIALECTS
from proxy.text import units
from proxy.upstreams.scripted import Raw
from tests.e2e.received import got_streamed, got_whole
from tests.e2e.replies import RESPONSE_USAGE, USAGE, asked, reply
from tests.e2e.surface import JSON, PLACES
from tests.limits import unlimited
from tests.serving import Served, serving, write_policy
from tests.training import ADMIN, ADMIN_ZH, NOBODY, NOBODY_ZH, SmallIndex

BUDGET = 12
MASK = "[REDACTED]"
CLEAN = 'Nothing of note, 一切正常, and a "quote".'
SAYS: Mapping[str, tuple[str, ...]] = {
    "clean": (CLEAN,),
    "redact": (f"Before: {NOBODY} -- after.", f"之前：{NOBODY_ZH}之后。"),
    "block": (f"Before: {ADMIN} -- after.", f"之前：{ADMIN_ZH}之后。"),
}
SECRETS = (ADMIN, ADMIN_ZH, NOBODY, NOBODY_ZH)
CELLS = [
    (endpoint, name, stream, n, outcome)
    for endpoint, places in PLACES.items()
    for name, stream, n, outcome in product(places, (False, True), (1, 3), SAYS)
]


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The proxy with the packaged default policy; a role that sees all may have log-probabilities."""
    folder = tmp_path_factory.mktemp("matrix")
    policy = write_policy(folder, unlimited())
    with serving(small_index, folder, policy=policy) as made:
        yield made


def test_no_endpoint_is_missing() -> None:
    """What answers with text stands in the table; vectors hold none."""
    assert set(PLACES) == set(DIALECTS) - {"/embeddings"}


@pytest.mark.parametrize(
    ("endpoint", "name", "stream", "n", "outcome"),
    CELLS,
    ids=["-".join(map(str, cell)).replace(" ", "_") for cell in CELLS],
)
def test_cell(served: Served, endpoint: str, name: str, stream: bool, n: int, outcome: str) -> None:
    """What must not get out does not; the rest is what the model sent, its counts and its finish too."""
    place = PLACES[endpoint][name]
    for text in SAYS[outcome]:
        bearer = 0 if n == 1 or place.only_first else 1
        texts = [text if index == bearer else CLEAN for index in range(n)]
        served.up.script(reply(endpoint, place, texts, stream))
        body = asked(endpoint, place, n, stream)
        answer = served.web.post(f"/v1{endpoint}", json=body, headers=served.headers("public"))
        assert answer.status_code == 200, answer.text
        got = (
            got_streamed(endpoint, place, answer.content)
            if stream
            else got_whole(endpoint, place, answer.json())
        )
        assert got.ended
        assert not leaks([*got.strings, *got.texts.values()])
        usage = RESPONSE_USAGE if endpoint == "/responses" else USAGE
        done = {"/responses": "completed", "/completions": "length"}.get(endpoint, "stop")
        if outcome == "block":
            assert len(got.refusals) == 1
            assert got.finish[min(bearer, max(got.finish))] == "content_filter"
            assert MASK not in "".join(got.strings)
            if endpoint != "/responses":  # there one choice is all there is
                others = [index for index in range(n) if index != bearer and not place.only_first]
                assert all(place.read(got.texts[index]) == CLEAN for index in others)
                assert all(got.finish[index] == done for index in others)
            assert served.trail()[-1]["outcome"] == "blocked"
            continue
        assert got.usage == usage
        assert got.refusals == []
        assert set(got.finish.values()) == {done}
        said = {index: place.read(text) for index, text in got.texts.items() if text}
        expected = {bearer} if place.only_first else set(range(n))
        assert set(said) == expected
        assert all(said[index] == CLEAN for index in expected - {bearer})
        if outcome == "clean":
            assert said[bearer] == CLEAN
            assert served.trail()[-1]["outcome"] == "passed"
        else:
            assert said[bearer].count(MASK) == 1
            assert said[bearer].startswith(text[:3])
            assert said[bearer].endswith(text[-3:])
            assert served.trail()[-1]["outcome"] == "redacted"


def runs(text: str) -> set[tuple[int, ...]]:
    """Every run of units one longer than the budget."""
    made = units(text)
    return {tuple(made[at : at + BUDGET + 1]) for at in range(len(made) - BUDGET)}


FORBIDDEN = frozenset(run for secret in SECRETS for run in runs(secret))


def leaks(strings: list[str]) -> bool:
    """Whether more units of a secret than the budget stand in a row anywhere."""
    return any(not FORBIDDEN.isdisjoint(runs(text)) for text in strings if len(text) > BUDGET // 2)


def test_the_judge_sees_a_leak() -> None:
    """The check finds a secret of which one unit more than the budget is there, and no fewer."""
    assert leaks(["x" + ADMIN[:40]])
    assert leaks([ADMIN_ZH[:7]])
    assert not leaks([ADMIN_ZH[:6], "To override a refund"[:13], CLEAN])


@pytest.mark.parametrize("vector", [[0.5, -1.0, 3], "AACAPwAAAMA="], ids=["numbers", "base64"])
def test_vectors_pass(served: Served, vector: object) -> None:
    """Embeddings come as the model made them, in either form, with their counts."""
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    data = [{"object": "embedding", "index": n, "embedding": vector} for n in range(2)]
    body = {"object": "list", "data": data, "model": "m", "usage": usage}
    served.up.script(Raw([orjson.dumps(body | {"note": ADMIN})], headers=JSON))
    answer = served.web.post(
        "/v1/embeddings", json={"model": "m", "input": ["a", "b"]}, headers=served.headers("public")
    )
    assert answer.json() == body


@pytest.mark.parametrize(
    "vector", [ADMIN, "VGV4dCB0aGF0IGlzIG5vIHZlY3RvciBhdCBhbGwh", [ADMIN], [[0.5]], [True], {}, [1e30], []]
)
def test_no_text_passes_for_a_vector(served: Served, vector: object) -> None:
    """Where a vector is expected a text is refused, written plainly or in base64."""
    body = {"object": "list", "data": [{"index": 0, "embedding": vector}], "model": "m"}
    served.up.script(Raw([orjson.dumps(body)], headers=JSON))
    answer = served.web.post(
        "/v1/embeddings", json={"model": "m", "input": "a"}, headers=served.headers("public")
    )
    assert answer.status_code == 502
    assert not leaks([answer.text])
