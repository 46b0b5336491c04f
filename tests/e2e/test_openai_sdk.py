"""The real OpenAI client against the real server: what passes, for whom, and what stays behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import orjson
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from proxy.upstreams.scripted import Raw, Said, Says
from tests.e2e.sdk import BUDGET, ask, both, client
from tests.limits import unlimited
from tests.serving import QUESTION, UPSTREAM_KEY, Served, chunk, serving, write_policy
from tests.training import (
    ADMIN,
    ADMIN_ZH,
    ADMIN_ZH_TRADITIONAL,
    NOBODY,
    NOBODY_ZH,
    PUBLIC,
    PUBLIC_ZH,
    STAFF,
    STAFF_ZH,
    SmallIndex,
    shared_units,
)


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The proxy with the packaged default policy."""
    with serving(small_index, tmp_path_factory.mktemp("default")) as made:
        yield made


# --- what passes ----------------------------------------------------------------------------------


@both
def test_a_clean_answer_passes(served: Served, request_answer: Any) -> None:
    """Text that is in no training document reaches the caller as it came, with its finish and counts."""
    text = "Hello! Ask me anything. 你好，请问有什么可以帮你？"
    served.up.script(Says(Said(text), usage=True))
    answer = request_answer(served)
    choice = answer.choices[0]
    assert (choice.message.content, choice.finish_reason, choice.message.refusal) == (text, "stop", None)
    assert answer.model == "m"
    if request_answer is ask:
        assert answer.usage.completion_tokens == len(text)


@both
@pytest.mark.parametrize(
    ("role", "texts"),
    [
        ("public", [PUBLIC, PUBLIC_ZH]),
        ("staff", [PUBLIC, STAFF, STAFF_ZH]),
        ("admin", [PUBLIC, STAFF, ADMIN, ADMIN_ZH, NOBODY, NOBODY_ZH]),
    ],
)
def test_a_role_gets_the_text_it_is_cleared_for(
    served: Served, request_answer: Any, role: str, texts: list[str]
) -> None:
    """Training text within the clearance passes unchanged; admin gets everything, and it is counted."""
    said = " ".join(texts)
    served.up.script(Says(Said(said)))
    choice = request_answer(served, role).choices[0]
    assert (choice.message.content, choice.finish_reason) == (said, "stop")


@both
def test_the_callers_own_words_come_back(served: Served, request_answer: Any) -> None:
    """What the caller sent itself is no leak, whichever message it stands in; the same unasked is one."""
    said = f"You wrote: {ADMIN} 还有：{ADMIN_ZH}"
    messages = [
        {"role": "system", "content": ADMIN_ZH_TRADITIONAL},
        {"role": "user", "content": [{"type": "text", "text": f"Is this right? {ADMIN}"}]},
    ]
    served.up.script(Says(Said(said)), Says(Said(said)))
    choice = request_answer(served, messages=messages).choices[0]
    assert (choice.message.content, choice.finish_reason) == (said, "stop")
    answer = [{"role": "user", "content": "Go on."}, {"role": "assistant", "content": said}]
    assert request_answer(served, messages=answer).choices[0].finish_reason == "content_filter"


async def test_the_async_client(served: Served) -> None:
    """The same holds for the asynchronous client, streamed and whole."""
    async with AsyncOpenAI(
        base_url=f"{served.url}/v1",
        api_key=served.key("public"),
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(trust_env=False),
    ) as made:
        served.up.script(Says(Said("Hello 你好")), Says(Said(f"Well: {ADMIN}")))
        whole = await made.chat.completions.create(model="m", messages=QUESTION)  # type: ignore[arg-type]
        assert whole.choices[0].message.content == "Hello 你好"
        text, finish = "", None
        stream = await made.chat.completions.create(model="m", messages=QUESTION, stream=True)  # type: ignore[arg-type]
        async for part in stream:
            text += part.choices[0].delta.content or ""
            finish = part.choices[0].finish_reason or finish
    assert finish == "content_filter"
    assert text.startswith("Well: ")
    assert shared_units(ADMIN, text.removeprefix("Well: ")) <= BUDGET


# --- logprobs, models, keys -----------------------------------------------------------------------


def test_logprobs_are_for_roles_that_see_everything(served: Served) -> None:
    """They spell the text again: refused for public before the model is asked, passed on for admin."""
    asked = len(served.up.received)
    with pytest.raises(openai.BadRequestError) as error:
        ask(served, logprobs=True)
    assert error.value.param == "logprobs"
    assert len(served.up.received) == asked
    spelt = {"content": [{"token": "Hi", "logprob": -0.5, "bytes": None, "top_logprobs": []}]}
    whole = Says(Said("Hi")).whole("m")
    whole["choices"][0]["logprobs"] = spelt
    served.up.script(Raw([orjson.dumps(whole)], headers={"Content-Type": "application/json"}))
    choice = ask(served, "admin", logprobs=True).choices[0]
    assert choice.logprobs.content[0].token == "Hi"
    # A server that sends them unasked tells public nothing.
    served.up.script(Raw([orjson.dumps(whole)], headers={"Content-Type": "application/json"}))
    assert ask(served).choices[0].logprobs is None


def test_models_are_those_of_the_role(
    small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A role sees and may use the models its patterns name; any other one is a 404, and never asked for."""
    folder = tmp_path_factory.mktemp("models")
    default = unlimited()
    policy = write_policy(
        folder,
        default,
        ("    clearance: [public]\n", '    clearance: [public]\n    models: ["small-*", tiny]\n'),
    )
    with serving(small_index, folder, policy=policy) as served:
        served.up.models = ("small-1", "big", "tiny", "small-2")
        with client(served) as made:
            assert [model.id for model in made.models.list()] == ["small-1", "tiny", "small-2"]
            with pytest.raises(openai.NotFoundError) as error:
                made.chat.completions.create(model="big", messages=QUESTION)  # type: ignore[arg-type]
        assert (error.value.code, error.value.param) == ("model_not_found", "model")
        assert not any(received.method == "POST" for received in served.up.received)
        with client(served, "staff") as made:
            assert len(list(made.models.list())) == 4


@pytest.mark.parametrize("kind", ["unknown", "revoked", "no key of ours"])
def test_a_bad_key_is_a_401(served: Served, kind: str) -> None:
    """Unknown and revoked keys are refused in the same words, and the model is not asked."""
    key = "sk-sg-" + "A" * 43
    if kind == "revoked":
        made = served.house.keys.create("public")
        served.house.keys.revoke(made.key.id)
        key = made.secret
    elif kind == "no key of ours":
        key = "sk-proj-something-else"
    asked = len(served.up.received)
    with client(served, key=key) as made_client, pytest.raises(openai.AuthenticationError) as error:
        made_client.chat.completions.create(model="m", messages=QUESTION)  # type: ignore[arg-type]
    assert error.value.code == "invalid_api_key"
    assert error.value.body == {
        "message": "Incorrect API key provided.",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
    assert len(served.up.received) == asked


# --- what crosses the house -----------------------------------------------------------------------


def test_keys_do_not_cross(served: Served) -> None:
    """The caller's key never reaches the model's server, and that server's key never comes back."""
    key = served.key("public")
    leaky = {"authorization": UPSTREAM_KEY, "headers": {"Authorization": f"Bearer {UPSTREAM_KEY}"}}
    served.up.script(
        Raw([orjson.dumps(Says(Said("Hi")).whole("m") | leaky)], headers={"X-Key": UPSTREAM_KEY}),
        Raw([orjson.dumps({"error": {"message": f"bad key {UPSTREAM_KEY}"}})], status=401),
        Raw([chunk({"content": "Hi"}, **leaky), chunk({}, "stop")]),
    )
    answers = [served.ask(), served.ask(), served.ask(stream=True)]
    for answer in answers:
        assert UPSTREAM_KEY not in answer.text + str(answer.headers)
    assert [answer.status_code for answer in answers] == [200, 502, 200]
    for received in served.up.received:
        assert received.headers.get("Authorization") == f"Bearer {UPSTREAM_KEY}"
        assert key not in str(received.headers) + str(received.body)
    assert key not in served.house.settings.trail_path.read_text("utf-8")


@both
def test_unknown_fields_of_the_answer_stay_behind(served: Served, request_answer: Any) -> None:
    """A field that no guard reads cannot carry a secret out: it is dropped, and counted."""
    before = served.metric("sluicegate_unscannable_total", what="field")
    extra = {"prompt_text": ADMIN, "citations": [ADMIN_ZH], "system_fingerprint": ADMIN}
    whole = Says(Said("Hi")).whole("m") | extra
    whole["choices"][0] |= {"stop_reason": ADMIN}
    whole["choices"][0]["message"] |= {"annotations": [{"text": ADMIN}], "thinking_blocks": [ADMIN]}
    if request_answer is ask:
        served.up.script(Raw([orjson.dumps(whole)], headers={"Content-Type": "application/json"}))
    else:
        served.up.script(
            Raw([chunk({"content": "Hi", "thinking": ADMIN}, **extra), chunk({}, "stop", note=ADMIN)])
        )
    answer = request_answer(served)
    assert answer.choices[0].message.content == "Hi"
    assert shared_units(ADMIN, answer.model_dump_json()) < BUDGET
    assert shared_units(ADMIN_ZH, answer.model_dump_json()) < BUDGET
    assert served.metric("sluicegate_unscannable_total", what="field") > before


def test_the_request_reaches_the_model_whole(served: Served) -> None:
    """Fields that the proxy does not know are passed on, and the model is asked the way the caller asked."""
    fields = {"temperature": 0.25, "top_k": 7, "metadata": {"a": ["b"]}, "stream": True}
    served.up.script(Says(Said("Hi")))
    served.ask(**fields)
    sent = served.up.received[-1]
    assert sent.path == "/v1/chat/completions"
    assert sent.body == {"model": "m", "messages": QUESTION} | fields


def test_the_trail_and_the_metrics_tell_what_happened(served: Served) -> None:
    """Each answer has one line and one count, under the incident that the response names."""
    count = ("sluicegate_requests_total", {"endpoint": "/v1/chat/completions", "role": "public"})
    before = {
        outcome: served.metric(count[0], **count[1], outcome=outcome) for outcome in ("passed", "blocked")
    }
    served.up.script(Says(Said("Hi")), Says(Said(ADMIN)))
    answers = [served.ask(), served.ask()]
    lines = served.trail()[-2:]
    assert [line["outcome"] for line in lines] == ["passed", "blocked"]
    assert [line["incident"] for line in lines] == [a.headers["x-sluicegate-incident"] for a in answers]
    for outcome, earlier in before.items():
        assert served.metric(count[0], **count[1], outcome=outcome) == earlier + 1
    assert shared_units(ADMIN, json.dumps(lines)) < BUDGET
