"""Whom a request is counted for: by key, owner, user field or header, and what hostile names do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.datastructures import Headers

from proxy.grams import GramKey
from proxy.policy import Role
from proxy.server.subjects import for_request, user_of, with_user
from proxy.types import Caller
from proxy.upstreams.scripted import Said, Says
from tests.limits import unlimited
from tests.redis_server import redis_server
from tests.serving import CHAT, QUESTION, Served, serving, write_policy
from tests.training import SmallIndex

KEY = GramKey("a key of thirty-two bytes or more")
CALLER = Caller("key_0123456789ab", "public")
NONE = Headers({})


def subject(role: Role, *, body: object = None, caller: Caller = CALLER, headers: Headers = NONE) -> str:
    return for_request(caller, role, KEY, headers, body).subject


def role_of(kind: str) -> Role:
    return Role("public", ("public",), subject=kind)


def test_a_key_counts_for_its_owner_else_for_itself() -> None:
    """Nothing that the request holds changes that."""
    body = {"user": "ann", "safety_identifier": "ann"}
    assert subject(role_of("key"), body=body) == CALLER.key_id
    assert subject(role_of("key"), body=body, caller=Caller("key_1", "public", "own_1")) == "own_1"


@pytest.mark.parametrize(
    "name",
    ["ann", "x" * 1_000_000, "a\x00b\r\n\x1b[2J", "\ud800", "阿姨", CALLER.key_id, "usr_0123456789abcdef"],
    ids=["plain", "huge", "control", "surrogate", "han", "a key's id", "a hash"],
)
def test_names_become_hashes_of_one_length(name: str) -> None:
    """Whatever a name holds, 16 digits are kept of it, and it is nobody else's subject."""
    found = subject(role_of("user"), body={"user": name})
    assert found.startswith("usr_")
    assert len(found) == 20
    assert int(found[4:], 16) >= 0
    assert found != subject(role_of("user"), body={"user": name + "2"})
    assert found != subject(role_of("user"), body={})
    assert found != name


@pytest.mark.parametrize(
    "body", [{}, {"user": ""}, {"user": " \n"}, {"user": 7}, {"user": ["a"]}, None, [], "a"]
)
def test_a_request_without_a_name_is_the_one_unnamed_subject(body: object) -> None:
    """Leaving the name out, or writing rubbish, gives no share of its own."""
    assert subject(role_of("user"), body=body) == subject(role_of("user"), body={})
    assert subject(role_of("user"), body=body) != subject(role_of("user"), body={"user": "None"})


def test_the_newer_field_comes_first() -> None:
    """`safety_identifier` replaces `user` in OpenAI's API; one that is no text names nobody."""
    assert user_of({"user": "a", "safety_identifier": "b"}) == "b"
    assert user_of({"user": "a", "safety_identifier": 5}) == "a"
    assert user_of({"user": " a "}) == "a"


def test_a_header_that_comes_twice_names_nobody() -> None:
    """Which of the two the trusted proxy wrote cannot be known."""
    role = role_of("header:x-end-user")
    one = Headers({"X-End-User": "ann"})
    twice = Headers(raw=[(b"x-end-user", b"bob"), (b"x-end-user", b"ann")])
    assert subject(role, headers=one) not in (subject(role), subject(role, headers=twice))
    assert subject(role, headers=twice) == subject(role)


def test_names_count_per_key_or_owner_and_kind() -> None:
    """The same name under another key is another subject; under another key of one owner it is the same."""
    owned = [Caller(key, "public", "own_1") for key in ("key_2", "key_3")]
    others = [Caller("key_1", "public"), *owned]
    found = [with_user(each, "user", "ann", KEY).subject for each in (CALLER, *others)]
    assert len(set(found)) == 3
    assert found[2] == found[3]
    assert with_user(CALLER, "header:x", "ann", KEY).subject != found[0]
    other_key = GramKey("another key, thirty-two bytes or more")
    assert with_user(CALLER, "user", "ann", other_key).subject != found[0]


@pytest.fixture(params=["memory", "file", "redis"])
def served(
    request: pytest.FixtureRequest, small_index: SmallIndex, tmp_path: Path
) -> Iterator[Served]:
    """public: three requests a minute for each user, seven for a key; in memory, in a file and in Redis."""
    policy = write_policy(
        tmp_path,
        unlimited(),
        (
            "    clearance: [public]\n",
            "    clearance: [public]\n    subject: user\n    requests_per_minute: 3\n"
            "    key_requests_per_minute: 7\n",
        ),
        ("    clearance: [public, staff]\n", "    clearance: [public, staff]\n    requests_per_minute: 2\n"),
        (
            "    clearance: [public, staff, admin]\n",
            "    clearance: [public, staff, admin]\n    subject: header:x-end-user\n    concurrent: 1\n",
        ),
    )
    if request.param == "redis":
        with (
            redis_server(tmp_path) as redis,
            serving(small_index, tmp_path, policy=policy, redis=redis.url) as made,
        ):
            yield made
        return
    workers = 2 if request.param == "file" else 1
    with serving(small_index, tmp_path, policy=policy, workers=workers) as made:
        yield made


def ask(served: Served, key: str, body: dict[str, object] | None = None, **headers: str) -> httpx.Response:
    served.up._script.clear()
    served.up.script(Says(Said("Hi")))
    sent = {"model": "m", "messages": QUESTION} | (body or {})
    return served.web.post(CHAT, json=sent, headers={"Authorization": f"Bearer {key}"} | headers)


def test_each_user_has_a_share(served: Served) -> None:
    """One user at its limit stops nobody else; the key as a whole has an end, whatever names it sends."""
    key, other = (served.house.keys.create("public").secret for _ in range(2))
    assert [ask(served, key, {"user": "ann"}).status_code for _ in range(4)] == [200, 200, 200, 429]
    for _ in range(20):  # refused requests of one user take nothing from the others
        assert ask(served, key, {"user": "ann"}).status_code == 429
    assert ask(served, key, {"user": "bob"}).status_code == 200
    assert ask(served, key).status_code == 200
    changing = [ask(served, key, {"user": f"new {number}"}).status_code for number in range(6)]
    assert changing == [200, 200, 429, 429, 429, 429]
    assert ask(served, other, {"user": "ann"}).status_code == 200


def test_requests_without_a_name_share_one_share(served: Served) -> None:
    """They can neither go on for ever nor use up a named user's share."""
    key = served.house.keys.create("public").secret
    bodies: list[dict[str, object]] = [{}, {"user": ""}, {"user": None}, {"user": " "}]
    assert [ask(served, key, body).status_code for body in bodies] == [200, 200, 200, 429]
    assert ask(served, key, {"user": "ann"}).status_code == 200


def test_keys_of_one_owner_share_a_share(served: Served) -> None:
    """More keys are not more requests; a key without an owner counts for itself."""
    ann = [served.house.keys.create("staff", owner="ann").secret for _ in range(2)]
    alone = served.house.keys.create("staff").secret
    assert [ask(served, each).status_code for each in (*ann, *ann)] == [200, 200, 429, 429]
    assert ask(served, alone).status_code == 200


def test_places_are_given_back_by_subject(served: Served) -> None:
    """One answer at a time for each header; an error and a good answer both give the place back."""
    key = served.house.keys.create("admin").secret
    for name in ("ann", "bob", "ann"):
        for body, status in (({"messages": 5}, 400), ({}, 200)):
            assert ask(served, key, body, **{"x-end-user": name}).status_code == status


def test_names_are_nowhere_at_rest(served: Served, tmp_path: Path) -> None:
    """The trail has the subject's hash; no file has the name."""
    key = served.house.keys.create("public").secret
    ask(served, key, {"user": "vreni.kuhn@example.com"})
    line = served.trail()[-1]
    assert line["subject"].startswith("usr_")
    assert len(line["subject"]) == 20
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"vreni.kuhn" not in path.read_bytes(), path
    assert "vreni.kuhn" not in json.dumps(served.trail())
