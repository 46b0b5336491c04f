"""The real OpenAI client against the real server, with a scripted model behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI

from proxy.policy import policies_folder
from proxy.text import count_units
from proxy.upstreams.scripted import Raw, Said, Says
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

MASK = "[REDACTED]"
BUDGET = 12
SECRETS = {
    "English": ADMIN,
    "English, shouted": ADMIN.upper(),
    "simplified Chinese": ADMIN_ZH,
    "traditional Chinese": ADMIN_ZH_TRADITIONAL,
}
secrets = pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The proxy with the packaged default policy."""
    with serving(small_index, tmp_path_factory.mktemp("default")) as made:
        yield made


@contextmanager
def client(served: Served, role: str = "public", *, key: str | None = None) -> Iterator[OpenAI]:
    """The client as a program would make it."""
    with OpenAI(
        base_url=f"{served.url}/v1",
        api_key=served.key(role) if key is None else key,
        max_retries=0,
        http_client=DefaultHttpxClient(trust_env=False),
    ) as made:
        yield made


def ask(served: Served, role: str = "public", **fields: Any) -> Any:
    """A whole answer."""
    with client(served, role) as made:
        return made.chat.completions.create(**{"model": "m", "messages": QUESTION} | fields)


def ask_streamed(served: Served, role: str = "public", **fields: Any) -> Any:
    """A streamed answer as the client's own helper puts it together."""
    with (
        client(served, role) as made,
        made.chat.completions.stream(**{"model": "m", "messages": QUESTION} | fields) as stream,
    ):
        for _ in stream:
            pass
        return stream.current_completion_snapshot


both = pytest.mark.parametrize("request_answer", [ask, ask_streamed], ids=["plain", "streamed"])


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


# --- what is stopped ------------------------------------------------------------------------------


@both
@secrets
def test_a_secret_is_blocked_in_the_middle(served: Served, request_answer: Any, secret: str) -> None:
    """The answer ends with a refusal and ``content_filter``; at most 12 units of the secret are out."""
    before = "Of course, here it is. "
    served.up.script(Says(Said(before + secret + " Anything else?"), usage=True))
    choice = request_answer(served).choices[0]
    assert choice.finish_reason == "content_filter"
    assert choice.message.content.startswith(before)
    assert shared_units(secret, choice.message.content.removeprefix(before)) <= BUDGET
    incident = served.trail()[-1]["incident"]
    assert choice.message.refusal == (
        f"This part of the answer was withheld by the content policy. (incident {incident})"
    )
    if request_answer is ask:  # the helper for streams keeps no fields that it does not know
        assert choice.content_filter_results["protected_material_text"] == {
            "detected": True,
            "filtered": True,
        }
    assert served.trail()[-1]["verdicts"][0]["document"].startswith("admin.jsonl:")


@pytest.mark.parametrize("secret", [ADMIN, ADMIN_ZH_TRADITIONAL], ids=["English", "Chinese"])
def test_every_cutting_has_the_same_outcome(served: Served, secret: str) -> None:
    """Chunks of 1 to 50 characters: the same text is let go, and never more than 12 units of the secret."""
    said = f"Let me see. {PUBLIC} And this: {secret} That is all."
    delivered = set()
    for size in range(1, 51):
        served.up.script(Says(Said(said), cut=size))
        streamed = served.stream()
        assert streamed.done
        assert streamed.finish() == "content_filter"
        delivered.add(streamed.text())
    assert len(delivered) == 1
    (text,) = delivered
    head = f"Let me see. {PUBLIC} And this: "
    assert text.startswith(head)
    assert shared_units(secret, text.removeprefix(head)) <= BUDGET


@both
@pytest.mark.parametrize("text", [NOBODY, NOBODY_ZH], ids=["English", "Chinese"])
def test_a_passage_of_nobody_is_redacted(served: Served, request_answer: Any, text: str) -> None:
    """Text that nobody should get back is masked in its place, and the answer goes on."""
    served.up.script(Says(Said(f"A customer wrote: {text} -- I am sorry to hear it.")))
    choice = request_answer(served).choices[0]
    assert choice.finish_reason == "stop"
    said = choice.message.content
    assert said.count(MASK) == 1
    assert said.startswith("A customer wrote: ")
    assert said.endswith(" -- I am sorry to hear it.")
    between = said.removeprefix("A customer wrote: ").partition(MASK)[0]
    assert count_units(between) <= BUDGET


def test_strict_delivers_nothing_at_all(
    small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Under the strict policy not one unit of a secret leaves, for any cutting, in either language."""
    strict = policies_folder() / "strict.yaml"
    with serving(small_index, tmp_path_factory.mktemp("strict"), policy=strict) as served:
        for secret in (*SECRETS.values(), NOBODY):
            for size in (1, 3, 17, 200):
                served.up.script(Says(Said("Here: " + secret), cut=size))
                streamed = served.stream()
                assert streamed.finish() == "content_filter"
                assert streamed.text().rstrip() == "Here:"


def test_a_policy_that_observes_changes_nothing(small_index: SmallIndex, tmp_path: Path) -> None:
    """In observe mode everything passes, unheld and unchanged, and what would be stopped is counted."""
    default = (policies_folder() / "default.yaml").read_text("utf-8")
    policy = write_policy(tmp_path, default, ("mode: enforce", "mode: observe"))
    said = f"{ADMIN} {NOBODY} {ADMIN_ZH}"
    with serving(small_index, tmp_path, policy=policy, gather=0.0) as served:
        served.up.script(Says(Said(said), cut=3))
        streamed = served.stream()
        assert (streamed.text(), streamed.finish()) == (said, "stop")
        assert max(len(choice["delta"].get("content") or "") for choice in streamed.choices()) == 3
        line = served.trail()[-1]
        assert (line["outcome"], line["held_max"]) == ("passed", 0)
        assert {(v["action"], v["enforced"]) for v in line["verdicts"]} == {
            ("block", False),
            ("redact", False),
        }
        labels = {"rule": "memorised-restricted", "action": "block", "mode": "observe"}
        assert served.metric("sluicegate_verdicts_total", **labels) >= 2


@both
def test_reasoning_is_guarded_too(served: Served, request_answer: Any) -> None:
    """A secret in the model's reasoning ends the choice before its answer begins."""
    served.up.script(
        Says(Said("The answer is 4.", reasoning="They ask about 2 + 2.")),
        Says(Said("The answer is 4.", reasoning=f"I remember: {ADMIN}")),
    )
    clean = request_answer(served).choices[0]
    assert (clean.message.content, clean.message.reasoning_content) == (
        "The answer is 4.",
        "They ask about 2 + 2.",
    )
    stopped = request_answer(served).choices[0]
    assert stopped.finish_reason == "content_filter"
    assert not stopped.message.content
    said = stopped.message.reasoning_content.removeprefix("I remember: ")
    assert shared_units(ADMIN, said) <= BUDGET


@both
def test_a_refusal_of_the_model_is_guarded_too(served: Served, request_answer: Any) -> None:
    """The model's own refusal passes where it is clean; a secret in it is stopped like any other text."""
    served.up.script(Says(Said(refusal="I would rather not.")), Says(Said(refusal=f"I cannot say {ADMIN}")))
    clean = request_answer(served).choices[0]
    assert (clean.message.refusal, clean.finish_reason) == ("I would rather not.", "stop")
    stopped = request_answer(served).choices[0]
    assert stopped.finish_reason == "content_filter"
    assert "incident" in stopped.message.refusal
    assert shared_units(ADMIN, stopped.message.refusal) <= BUDGET


@both
def test_one_choice_of_three_is_blocked(served: Served, request_answer: Any) -> None:
    """Each choice has its own guards: one is stopped, the two others come whole."""
    served.up.script(Says(Said("First. " * 20), Said(f"Second: {ADMIN}"), Said(f"Third: {PUBLIC_ZH}")))
    choices = sorted(request_answer(served, n=3).choices, key=lambda choice: choice.index)
    assert [choice.finish_reason for choice in choices] == ["stop", "content_filter", "stop"]
    assert choices[0].message.content == "First. " * 20
    assert choices[2].message.content == f"Third: {PUBLIC_ZH}"
    assert shared_units(ADMIN, choices[1].message.content.removeprefix("Second: ")) <= BUDGET


def test_the_streaming_helper_names_the_content_filter(served: Served) -> None:
    """A program that asks the client's helper for the final answer learns that it was filtered."""
    served.up.script(Says(Said(ADMIN)))
    with (
        client(served) as made,
        made.chat.completions.stream(model="m", messages=QUESTION) as stream,  # type: ignore[arg-type]
        pytest.raises(openai.ContentFilterFinishReasonError),
    ):
        stream.get_final_completion()


# --- tool calls -----------------------------------------------------------------------------------


@both
def test_a_tool_call_passes(served: Served, request_answer: Any) -> None:
    """A call reaches the caller with its name and its arguments, letter for letter."""
    arguments = json.dumps({"city": "Ghent", "note": "早上好", "days": [1, 2.5, None]})
    served.up.script(Says(Said(calls=[("get_weather", arguments)], finish="tool_calls")))
    choice = request_answer(served).choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert (call.function.name, call.function.arguments) == ("get_weather", arguments)


@both
@secrets
def test_a_secret_spelt_in_escapes_is_blocked(served: Served, request_answer: Any, secret: str) -> None:
    r"""Arguments are matched as JSON says them: ``\u`` escapes hide nothing, and half a call is withheld."""
    spelt = "".join(f"\\u{ord(c):04x}" for c in secret)
    served.up.script(Says(Said(calls=[("note", f'{{"text": "{spelt}"}}')], finish="tool_calls")))
    choice = request_answer(served).choices[0]
    assert choice.finish_reason == "content_filter"
    for call in choice.message.tool_calls or ():
        # Streamed, what was let go before is out; it says no more than the budget.
        said = json.loads(call.function.arguments.rstrip("}").removesuffix('"') + '"}')["text"]
        assert shared_units(secret, said) <= BUDGET


@both
@pytest.mark.parametrize("text", [NOBODY, NOBODY_ZH], ids=["English", "Chinese"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_redacted_arguments_are_still_json(
    served: Served, request_answer: Any, text: str, ascii_only: bool
) -> None:
    """A redaction in arguments leaves JSON that parses, the mask in the string and the rest untouched."""
    arguments = json.dumps({"to": "desk", "lines": [f"A: {text}", "B"], "n": 3}, ensure_ascii=ascii_only)
    served.up.script(Says(Said(calls=[("file_complaint", arguments)], finish="tool_calls")))
    choice = request_answer(served).choices[0]
    assert choice.finish_reason == "tool_calls"
    said = json.loads(choice.message.tool_calls[0].function.arguments)
    assert (said["to"], said["n"], said["lines"][1]) == ("desk", 3, "B")
    assert said["lines"][0].count(MASK) == 1
    assert shared_units(text, said["lines"][0].removeprefix("A: ")) <= BUDGET


@both
def test_structured_output_stays_json(served: Served, request_answer: Any) -> None:
    """Content that was asked for as JSON is redacted as JSON."""
    served.up.script(Says(Said(json.dumps({"quote": NOBODY, "ok": True}))))
    content = request_answer(served, response_format={"type": "json_object"}).choices[0].message.content
    said = json.loads(content)
    assert said["ok"] is True
    assert MASK in said["quote"]


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
    default = (policies_folder() / "default.yaml").read_text("utf-8")
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
