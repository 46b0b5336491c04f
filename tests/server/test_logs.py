"""What a server says: JSON or lines, ids and labels, and of an error nobody expected only where it was."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from proxy.server import logs
from proxy.server.logs import JsonLines, Lines
from proxy.types import Action, Decision, Finding, Span, Verdict
from tests.cli.running import ROOT, environment
from tests.training import ADMIN

DECISION = Decision(
    "inc_0123456789abcdef",
    1.0,
    "key_0",
    "public",
    "a model's name",
    "/v1/chat/completions",
    "blocked",
    (Verdict(Action.BLOCK, "memorised", Finding("d", "e", Span(0, 1), 0)),),
    received=7,
    seconds=0.5,
    extra={"request": "req_1"},
)


def record(message: str, *args: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("sluicegate", logging.ERROR, "file.py", 1, message, args, None)
    made.__dict__.update(fields)
    return made


def failing() -> logging.LogRecord:
    """The record of an exception whose message repeats an answer."""
    try:
        raise KeyError(ADMIN)
    except KeyError:
        return logging.LogRecord(
            "uvicorn.error", logging.ERROR, "f.py", 1, "in app: %s", (ADMIN,), sys.exc_info()
        )


def test_a_line_for_people() -> None:
    """Who says it, how bad it is, and what."""
    assert Lines().format(record("fault in %s", "trail")) == "sluicegate: error: fault in trail"


def test_no_text_in_a_message_looks_like_another_event() -> None:
    """Escape sequences are spelt out, and what follows a line end is indented."""
    line = Lines().format(record("bad \x1b[2J\u202e\r%s", "x\nsluicegate: error: fault in trail"))
    assert line.splitlines() == [
        "sluicegate: error: bad \\x1b[2J\\u202e\\rx",
        "  sluicegate: error: fault in trail",
    ]


def test_a_line_for_collectors() -> None:
    """One JSON object in one line of ASCII, with fields of its own."""
    line = JsonLines().format(record("refused\n%s", "über", fields={"incident": "inc_1", "n": 1}))
    assert line.isascii() and "\n" not in line
    found = json.loads(line)
    assert (found["message"], found["level"], found["logger"]) == ("refused\nüber", "error", "sluicegate")
    assert (found["incident"], found["n"]) == ("inc_1", 1)
    assert found["time"].endswith("+00:00")


@pytest.mark.parametrize("formatter", [Lines(), JsonLines()])
def test_an_unexpected_error_holds_no_text(formatter: logging.Formatter) -> None:
    """Its kind and its place are told; its message, which repeats what was read, is not."""
    line = formatter.format(failing())
    assert "unexpected KeyError in uvicorn.error" in line
    assert "test_logs.py" in line and "failing" in line
    assert ADMIN[:12] not in line


def test_a_request_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Ids, role, outcome, rules and times; a model's name that may be any text is not in it."""
    with caplog.at_level(logging.INFO, "sluicegate"):
        logs.request(DECISION)
    event, found = [json.loads(JsonLines().format(each)) for each in caplog.records]
    assert event["message"] == "blocked inc_0123456789abcdef: role public, rule memorised, action block"
    assert found["model"] == "other"
    assert found["incident"] == DECISION.incident
    assert (found["request"], found["key"], found["role"]) == ("req_1", "key_0", "public")
    assert (found["outcome"], found["rules"], found["received"]) == ("blocked", ["memorised"], 7)
    assert "a model's name" not in str(found)


@pytest.mark.parametrize(("form", "lines"), [("json", 3), ("text", 2)])
def test_how_much_is_said(form: str, lines: int) -> None:
    """Requests are logged only as JSON; a block in both; warnings of every library in the same form."""
    script = (
        "import logging; from proxy.server import logs; from tests.server.test_logs import DECISION\n"
        f"logs.configure({form!r}); logs.request(DECISION); logging.getLogger('other').warning('w')\n"
        "logging.getLogger('other').info('i')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env=environment(),
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    said = done.stderr.decode().splitlines()
    assert len(said) == lines
    assert done.stdout == b""
    if form == "json":
        assert [json.loads(line)["logger"] for line in said] == ["sluicegate", "sluicegate.requests", "other"]
    else:
        assert said == [
            "sluicegate: blocked inc_0123456789abcdef: role public, rule memorised, action block",
            "sluicegate: warning: w",
        ]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("support-7b", "support-7b"),
        ("org/model:tag@1.0+x", "org/model:tag@1.0+x"),
        ("", ""),
        ("a b", "other"),
        ("m\n{\"level\":\"error\"}", "other"),
        ("\x1b[31mm", "other"),
        ("m" * 65, "other"),
        ("模型", "other"),
    ],
)
def test_a_models_name_has_a_closed_syntax(given: str, shown: str) -> None:
    """It is what a client chose, so it may be any text."""
    assert logs.model_name(given) == shown
