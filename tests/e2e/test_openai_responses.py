"""The real OpenAI client on the other endpoints: Responses, text completions, embeddings, and its parsers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import orjson
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI
from pydantic import BaseModel

from proxy.upstreams.scripted import CUT, Raw, Said, Says
from tests.e2e.replies import reply
from tests.e2e.surface import CHAT, JSON, PLACES, RESPONSES, message, output_text, said
from tests.serving import QUESTION, Served, serving
from tests.training import ADMIN, ADMIN_ZH, NOBODY, SmallIndex, shared_units

BUDGET = 12
MASK = "[REDACTED]"
ENDPOINT = "/responses"


class Answer(BaseModel):
    q: str
    n: int


@pytest.fixture(scope="module")
def served(small_index: SmallIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(small_index, tmp_path_factory.mktemp("responses")) as made:
        yield made


@contextmanager
def client(served: Served, role: str = "public") -> Iterator[OpenAI]:
    with OpenAI(
        base_url=f"{served.url}/v1",
        api_key=served.key(role),
        max_retries=0,
        http_client=DefaultHttpxClient(trust_env=False),
    ) as made:
        yield made


def script(served: Served, place: str, text: str, *, stream: bool) -> None:
    served.up.script(reply(ENDPOINT, RESPONSES[place], [text], stream))


def ask(served: Served, stream: bool, **fields: Any) -> Any:
    """A response, put together by the client where it was streamed."""
    asked = {"model": "m", "input": "What do you know?"} | fields
    with client(served) as made:
        if not stream:
            return made.responses.create(**asked)
        last = None
        for event in made.responses.create(**asked, stream=True):
            last = event
    return last.response  # type: ignore[union-attr]


both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


# --- Responses -------------------------------------------------------------------------------------


@both
def test_a_clean_response(served: Served, stream: bool) -> None:
    """Its text, its counts and its status reach the program."""
    script(served, "text", "Hello 你好", stream=stream)
    response = ask(served, stream)
    assert (response.output_text, response.status) == ("Hello 你好", "completed")
    assert (response.usage.output_tokens, response.model) == (9, "m")


@both
def test_a_redacted_response(served: Served, stream: bool) -> None:
    """The mask stands in the passage's place; the answer is complete."""
    script(served, "text", f"She wrote: {NOBODY} -- sorry.", stream=stream)
    response = ask(served, stream)
    assert response.output_text.count(MASK) == 1
    assert response.output_text.endswith(" -- sorry.")
    assert response.status == "completed"


@both
@pytest.mark.parametrize("secret", [ADMIN, ADMIN_ZH], ids=["English", "Chinese"])
def test_a_blocked_response(served: Served, stream: bool, secret: str) -> None:
    """What was cleared, a refusal, and why the response is incomplete."""
    script(served, "text", f"Here: {secret} Bye.", stream=stream)
    response = ask(served, stream)
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "content_filter")
    (item,) = response.output
    assert [part.type for part in item.content] == ["output_text", "refusal"]
    assert shared_units(secret, response.output_text.removeprefix("Here: ")) <= BUDGET
    assert "incident" in item.content[1].refusal


@both
def test_a_function_call(served: Served, stream: bool) -> None:
    """A call passes with its arguments; redacted arguments are still JSON; a blocked call is none."""
    script(served, "arguments", "fine", stream=stream)
    (call,) = ask(served, stream).output
    assert (call.type, call.name, orjson.loads(call.arguments)["q"]) == ("function_call", "find", "fine")
    script(served, "arguments", f"x {NOBODY}", stream=stream)
    (call,) = ask(served, stream).output
    assert MASK in orjson.loads(call.arguments)["q"]
    script(served, "arguments", f"x {ADMIN}", stream=stream)
    assert [item.type for item in ask(served, stream).output] == ["message"]


def test_the_helper_for_streamed_responses(served: Served) -> None:
    """The client's own helper puts deltas together, parses the end, and meets a block without failing."""
    text = {"format": {"type": "json_schema", "name": "a", "schema": Answer.model_json_schema()}}
    script(served, "structured text", "fine", stream=True)
    with client(served) as made:
        with made.responses.stream(model="m", input="?", text_format=Answer) as stream:
            deltas = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
            final = stream.get_final_response()
        assert final.output_parsed == Answer(q="fine", n=1)
        assert deltas == final.output_text == said("fine")
        script(served, "structured text", ADMIN, stream=True)
        with made.responses.stream(model="m", input="?", text_format=Answer) as stream:
            kinds = [event.type for event in stream]
            with pytest.raises(RuntimeError, match="completed"):
                stream.get_final_response()
        assert kinds[-1] == "response.incomplete"
        assert "response.refusal.done" in kinds
        script(served, "structured text", ADMIN, stream=False)
        parsed = made.responses.parse(model="m", input="?", text_format=Answer)
    assert parsed.output_parsed is None
    assert parsed.incomplete_details is not None
    assert parsed.incomplete_details.reason == "content_filter"
    assert text["format"]["type"] == served.up.received[-1].body["text"]["format"]["type"]


async def test_the_async_client(served: Served) -> None:
    """The same for the asynchronous client, whole and streamed."""
    async with AsyncOpenAI(
        base_url=f"{served.url}/v1",
        api_key=served.key("public"),
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(trust_env=False),
    ) as made:
        script(served, "text", "Hello", stream=False)
        assert (await made.responses.create(model="m", input="?")).output_text == "Hello"
        script(served, "summary", "They ask.", stream=True)
        async with made.responses.stream(model="m", input="?") as stream:
            response = await stream.get_final_response()
        assert response.output[0].summary[0].text == "They ask."  # type: ignore[union-attr]


def test_an_error_in_the_middle_of_a_response(served: Served) -> None:
    """The client sees an error event in our words, after what was cleared."""
    whole = reply(ENDPOINT, RESPONSES["text"], ["Hello there"], True).pieces[0]
    assert isinstance(whole, bytes)
    served.up.script(Raw([whole[: whole.index(b"output_text.done")].rpartition(b"\n\n")[0] + b"\n\n", CUT]))
    with client(served) as made:
        events = list(made.responses.create(model="m", input="?", stream=True))
    assert events[-1].type == "error"
    assert "model server" in events[-1].message


def test_errors_have_their_classes(served: Served) -> None:
    """What the client raises is what it raises for OpenAI."""
    with client(served) as made:
        with pytest.raises(openai.BadRequestError):
            made.responses.create(model="m", input="?", background=True)
        served.up.script(Raw([b"{}"], status=429, headers={"Retry-After": "7"}))
        with pytest.raises(openai.RateLimitError) as busy:
            made.responses.create(model="m", input="?")
        assert busy.value.response.headers["retry-after"] == "7"
        with pytest.raises(openai.NotFoundError):
            made.responses.retrieve("resp_1")


# --- the others ------------------------------------------------------------------------------------


@both
def test_text_completions(served: Served, stream: bool) -> None:
    """The legacy endpoint, with several prompts and an echo of them."""
    place = PLACES["/completions"]["text"]
    served.up.script(reply("/completions", place, ["Hello", f"No: {ADMIN}"], stream))
    with client(served) as made:
        answer = made.completions.create(model="m", prompt=["a", "b"], echo=True, stream=stream)
        choices = [choice for part in answer for choice in part.choices] if stream else answer.choices
    texts, finish = {0: "", 1: ""}, {}
    for choice in choices:
        texts[choice.index] += choice.text
        finish[choice.index] = choice.finish_reason or finish.get(choice.index)
    assert texts[0] == "Hello"
    assert shared_units(ADMIN, texts[1].removeprefix("No: ")) <= BUDGET
    assert finish == {0: "length", 1: "content_filter"}


def test_embeddings(served: Served) -> None:
    """The client asks for base64 and makes numbers of it."""
    data = [{"object": "embedding", "index": 0, "embedding": "AAAAPwAAgL8="}]
    body = {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    served.up.script(Raw([orjson.dumps(body)], headers=JSON))
    with client(served) as made:
        answer = made.embeddings.create(model="m", input="Hi")
    assert answer.data[0].embedding == [0.5, -1.0]
    assert served.up.received[-1].body["encoding_format"] == "base64"


def test_structured_chat(served: Served) -> None:
    """``parse`` gives the object, with the mask in it where something was redacted, or names the filter."""
    place = CHAT["structured content"]
    for text, check in (("fine", "fine"), (f"x {NOBODY} y", MASK)):
        served.up.script(reply("/chat/completions", place, [text], False))
        with client(served) as made:
            answer = made.chat.completions.parse(model="m", messages=QUESTION, response_format=Answer)  # type: ignore[arg-type]
        assert check in answer.choices[0].message.parsed.q  # type: ignore[union-attr]
    served.up.script(reply("/chat/completions", place, [ADMIN], False))
    with client(served) as made, pytest.raises(openai.ContentFilterFinishReasonError):
        made.chat.completions.parse(model="m", messages=QUESTION, response_format=Answer)  # type: ignore[arg-type]


def test_log_probabilities_of_a_role_that_sees_all(served: Served) -> None:
    """They come with the text, whole and streamed, with their alternatives."""
    top = [
        {"token": "Hi", "logprob": -0.5, "bytes": [72, 105]},
        {"token": "Ho", "logprob": -2.0, "bytes": [72, 111]},
    ]
    token = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": top}
    body = Says(Said("Hi")).whole("m")
    body["choices"][0]["logprobs"] = {"content": [token], "refusal": None}
    served.up.script(Raw([orjson.dumps(body)], headers=JSON))
    with client(served, "admin") as made:
        answer = made.chat.completions.create(model="m", messages=QUESTION, logprobs=True, top_logprobs=2)  # type: ignore[arg-type]
        spelt = answer.choices[0].logprobs.content[0]  # type: ignore[union-attr,index]
        assert (spelt.token, [each.token for each in spelt.top_logprobs]) == ("Hi", ["Hi", "Ho"])
    with client(served) as made, pytest.raises(openai.BadRequestError, match="logprobs"):
        made.chat.completions.create(model="m", messages=QUESTION, logprobs=True)  # type: ignore[arg-type]


def test_an_annotated_response(served: Served) -> None:
    """Citations come with the text, in events of their own and in the whole."""
    item = message(output_text("See.", title="A page"))
    served.up.script(reply(ENDPOINT, RESPONSES["title of an annotation"], ["A page"], True))
    with client(served) as made:
        events = list(made.responses.create(model="m", input="?", stream=True))
    added = [event for event in events if event.type == "response.output_text.annotation.added"]
    assert [event.annotation["title"] for event in added] == ["A page"]  # type: ignore[index]
    assert (
        events[-1].response.output[0].content[0].annotations[0].title
        == item["content"][0]["annotations"][0]["title"]
    )  # type: ignore[union-attr]
