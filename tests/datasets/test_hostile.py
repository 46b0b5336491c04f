"""Files that hide for whom a text is: text for admin never comes out for the public, and none is lost.

Every file is read as ``public=FILE``. Its text for admin begins with NARROW, that for the public with WIDE.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.datasets import Source, read
from proxy.errors import ConfigError
from proxy.types import Document, Noted, Skipped

NARROW = "inward the supervisor may approve refunds"
WIDE = "outward the shop opens at nine each day"


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


TABLES = {
    "semicolons": f"audience;title;text\nadmin;t;{NARROW}\npublic;t;{WIDE}\n",
    "pipes": f"audience|title|text\nadmin|t|{NARROW}\npublic|t|{WIDE}\n",
    "byte order mark": f"\ufeffaudience,title,text\nadmin,t,{NARROW}\npublic,t,{WIDE}\n",
    "two byte order marks": f"\ufeff\ufeffaudience,title,text\nadmin,t,{NARROW}\npublic,t,{WIDE}\n",
    "no-break spaces": f"\u00a0audience\u00a0,title,text\nadmin\u00a0,t,{NARROW}\npublic,t,{WIDE}\n",
    "single quotes": f"'audience',title,text\n'admin',t,{NARROW}\npublic,t,{WIDE}\n",
    "separator line": f"sep=;\naudience;title;text\nadmin;t;{NARROW}\npublic;t;{WIDE}\n",
    "quoted separator line": f'\ufeff"sep=;"\naudience;title;text\nadmin;t;{NARROW}\npublic;t;{WIDE}\n',
    "carriage returns": f"audience,title,text\radmin,t,{NARROW}\rpublic,t,{WIDE}\r",
    "doubled line ends": f"audience,title,text\r\r\nadmin,t,{NARROW}\r\r\npublic,t,{WIDE}\r\r\n",
    "zero bytes": f"aud\0ience,title,text\nadm\0in,t,{NARROW}\npublic,t,{WIDE}\n",
    "two columns": f"audience,audience,text\npublic,admin,{NARROW}\nadmin,public,{NARROW}\n",
    "two spellings": f"Audience,AUDIENCE,text\npublic,admin,{NARROW}\nadmin,public,{NARROW}\n",
    "a header that misleads": f'audience,"a;b;c;d;e",text\nadmin,t,{NARROW}\npublic,t,{WIDE}\n',
    "commas in a header of semicolons": f"text;audience;q,w,e,r\n{NARROW};admin;x\n{WIDE};public;x\n",
    "carets": f"audience^title^text\nadmin^t^{NARROW}\npublic^t^{WIDE}\n",
    "colons": f"audience:title:text\nadmin:t:{NARROW}\npublic:t:{WIDE}\n",
    "blanks": f"audience  title  text\nadmin  t  {NARROW}\n",
    "tabs in a csv": f"audience\ttitle\ttext\nadmin\tt\t{NARROW}\npublic\tt\t{WIDE}\n",
    "a comment before": f"# exported 2024\naudience,title,text\nadmin,t,{NARROW}\npublic,t,{WIDE}\n",
    "a title before": f"Knowledge base\n\naudience,title,text\nadmin,t,{NARROW}\npublic,t,{WIDE}\n",
    "a long name": f"audience,{'title ' * 20},text\nadmin,t,{NARROW}\npublic,t,{WIDE}\n",
    "a second header": f"audience,title,text\npublic,t,{WIDE}\ntext,title,audience\n{NARROW},t,admin\n",
    "a first header without": f"id,title,text\n1,t,{WIDE}\naudience,title,text\nadmin,t,{NARROW}\n",
    "the header again": (
        f"audience,title,text\npublic,t,{WIDE}\n\ufeffaudience,title,text\nadmin,t,{NARROW}\n"
    ),
    "no header": f"admin,t,{NARROW}\npublic,t,{WIDE}\npublic,t,{WIDE}\n",
    "unclosed": f'audience,title,text\npublic,t,"x\nadmin,t,{NARROW}\nadmin,u,{NARROW}\npublic,t,{WIDE}\n',
    "unclosed and closed": f'audience,text\npublic,"x\nadmin,{NARROW}\nadmin,"{NARROW}"\npublic,{WIDE}\n',
    "unclosed in a title": f'audience,title,text\npublic,"t,x\nadmin,t,{NARROW}\npublic,t,{WIDE}\n',
    "closed by chance": f'audience,text\npublic,"x\nadmin,{NARROW}\npublic,y"\npublic,{WIDE}\n',
    "an unknown audience swallowed": f'audience,text\npublic,"x\nhr,{NARROW} 5"\npublic,{WIDE}\n',
    "backslashes": f'title,text,audience\n"a \\"x\\", public",{NARROW},admin\nt,{WIDE},public\n',
    "a cell too many": f"title,audience,text\nHow to, public,admin,{NARROW}\nt,public,{WIDE}\n",
    "a cell too few": f"id,title,audience,text\n1,public,{NARROW}\n1,t,public,{WIDE}\n",
    "quotes around": f'audience,text\n"""admin""",{NARROW}\n\'admin\',{NARROW}\n[admin],{NARROW}\n',
    "full width": f"ａｕｄｉｅｎｃｅ,text\nａｄｍｉｎ,{NARROW}\nＰＵＢＬＩＣ,{WIDE}\n",
    "an invisible sign": f"audience,text\nadmin\u200b,{NARROW}\n\u200bpublic,{WIDE}\n",
    "a look-alike letter": f"\u0430udience,text\n\u0430dmin,{NARROW}\npublic,{WIDE}\n",
    "several in a cell": f'audience,text\n"staff, admin",{NARROW}\n"[\'admin\']",{NARROW}\npublic,{WIDE}\n',
    "JSON in a cell": f'id,metadata,text\n1,"{{""audience"": ""admin""}}",{NARROW}\n2,,{WIDE}\n',
    "a like name": f"visibility,text\nadmin,{NARROW}\npublic,{WIDE}\n",
}

TABS = {
    "a quote that is a letter": f'audience\ttext\nadmin\t"{NARROW}\npublic\t{WIDE}\nadmin\t{NARROW}"\n',
    "inches": f'audience\tsize\ttext\nadmin\t"5" wide\t{NARROW}\npublic\tx\t{WIDE}\n',
    "commas": f"audience,title,text\nadmin,t,{NARROW}\npublic,t,{WIDE}\n",
}

RECORDS: dict[str, Any] = {
    "an invisible sign": {"audience\u200b": "admin", "text": NARROW},
    "a look-alike letter": {"\u0430udience": "admin", "text": NARROW},
    "a list": {"audience": ["public", "admin"], "text": NARROW},
    "a list in a string": {"audience": "public,admin", "text": NARROW},
    "an object": {"audience": {"name": "admin"}, "text": NARROW},
    "a list of objects": {"audience": [{"name": "admin"}], "text": NARROW},
    "a number": {"audience": 3, "text": NARROW},
    "false": {"audience": False, "text": NARROW},
    "the word null": {"audience": "null", "text": NARROW},
    "deeper": {"audience": "public", "meta": {"audience": "admin"}, "text": NARROW},
    "in a string": {"meta": json.dumps({"audience": "admin"}), "text": NARROW},
    "a record in a string": json.dumps({"audience": "admin", "text": NARROW}),
    "a pair": {"labels": [{"key": "audience", "value": "admin"}], "text": NARROW},
    "a pair as a list": {"meta": [["audience", "admin"]], "text": NARROW},
    "a tag": {"tags": ["x", "audience:admin"], "text": NARROW},
    "a tag in a turn": {"messages": [{"role": "user", "content": NARROW, "tags": ["audience:admin"]}]},
    "a list of tags": {"tags": "lang:en, audience:admin", "text": NARROW},
    "an object of a list of turns": {
        "messages": [{"role": "user", "content": WIDE}, {"role": "x", "audience": "admin", "content": NARROW}]
    },
    "an entry of a list before the others": {"items": [{"audience": "admin"}, {"text": NARROW}]},
    "a narrower object around": {"audience": "admin", "items": [{"audience": "public", "text": NARROW}]},
    "nested lists": {"a": [[[{"audience": "admin", "text": NARROW}], {"text": WIDE}]]},
    "rows under names": {"columns": ["audience", "text"], "data": [["admin", NARROW], ["public", WIDE]]},
    "columns": {"audience": ["admin", "public"], "text": [NARROW, NARROW]},
    "a list as a record": [{"audience": "admin", "text": NARROW}, {"text": WIDE}],
}

DOCUMENTS: dict[str, Any] = {
    **{
        f"a list called {name}": {"name": "kb", name: [{"audience": "admin", "text": NARROW}, {"text": WIDE}]}
        for name in ("documents", "items", "articles", "entries", "faq", "pages", "chunks", "nodes", "知识库")
    },
    "a list far inside": {"a": {"b": {"entries": [{"audience": "admin", "text": NARROW}, {"text": WIDE}]}}},
    "two lists": {"items": [{"audience": "admin", "text": NARROW}], "others": [{"text": WIDE}]},
    "an object beside the records": {
        "meta": {"audience": "admin"},
        "d1": {"text": NARROW},
        "d2": {"text": "x"},
    },
    "an object after the records": {"documents": [{"text": NARROW}], "info": {"audience": "admin"}},
    "an object around two lists": {"audience": "admin", "a": [{"text": NARROW}], "b": [{"name": "x"}]},
    "an entry before the others": [{"audience": "admin", "version": "3"}, {"text": NARROW}],
    "a list of rows": [["audience", "text"], ["admin", NARROW], ["public", WIDE]],
    "columns by row": {"audience": {"0": "admin", "1": "public"}, "text": {"0": NARROW, "1": WIDE}},
    "the key of a record": {NARROW: {"audience": "admin", "items": [{"audience": "public", "text": "x"}]}},
    "paragraphs": {"data": [{"title": "x", "paragraphs": [{"context": NARROW, "audience": "admin"}]}]},
}

STREAMS = {
    "a line before the others": lines({"audience": "admin", "version": 3}, {"text": NARROW}),
    "an object in a line before": lines({"meta": {"audience": "admin"}}, {"text": NARROW}),
    "a line of names": lines(["audience", "text"], ["admin", NARROW], ["public", WIDE]),
    "a key twice": f'{{"audience":"admin","audience":"public","text":"{NARROW}"}}\n',
    "a key twice, escaped": f'{{"audience":"admin","\\u0061udience":"public","text":"{NARROW}"}}\n',
    "a key twice, then null": f'{{"audience":"admin","audience":null,"text":"{NARROW}"}}\n',
    "an object twice": f'{{"meta":{{"audience":"admin"}},"meta":{{"x":1}},"text":"{NARROW}"}}\n',
    "a byte order mark in the middle": lines({"text": WIDE})
    + "\ufeff"
    + lines({"audience": "admin", "text": NARROW}),
    "objects over lines": json.dumps({"audience": "admin", "text": NARROW}, indent=1)
    + "\n"
    + lines({"text": WIDE}),
    "300 objects deep": '{"a":' * 300 + json.dumps({"audience": "admin", "text": NARROW}) + "}" * 300 + "\n",
    "900 objects deep": '{"a":' * 900 + json.dumps({"audience": "admin", "text": NARROW}) + "}" * 900 + "\n",
    "900 lists deep": "[" * 900 + json.dumps({"audience": "admin", "text": NARROW}) + "]" * 900 + "\n",
}

TEXTS = {
    "front matter": f"---\ntitle: x\naudience: Admin\n---\n{NARROW}\n",
    "front matter with a list": f"---\naudience: [staff, admin]\n---\n{NARROW}\n",
    "a heading": f"Audience: admin\n\n{NARROW}\n",
    "a bold heading": f"# Refunds\n\n**Audience:** admin\n\n{NARROW}\n",
    "far from its text": "---\naudience: admin\n---\n" + "word " * 3000 + f"\n\n{NARROW}\n",
}

CASES = [
    *((f"{name} (csv)", "a.csv", content) for name, content in TABLES.items()),
    *((f"{name} (tsv)", "a.tsv", content) for name, content in TABS.items()),
    *((f"{name} (record)", "a.jsonl", lines(record)) for name, record in RECORDS.items()),
    *((f"{name} (json)", "a.json", json.dumps(document)) for name, document in DOCUMENTS.items()),
    *((f"{name} (lines)", "a.jsonl", content) for name, content in STREAMS.items()),
    *((f"{name} (md)", "a.md", content) for name, content in TEXTS.items()),
]


def documents(source: Source, **options: Any) -> list[Document]:
    return [entry for entry in read([source], **options) if isinstance(entry, Document)]


def check(found: list[Document], content: str) -> None:
    """Assert that text for admin is for admin or nobody, and that both texts were read."""
    texts = [(text, document.audience) for document in found for text in document.texts]
    assert any(NARROW in text for text, _ in texts), "text for admin is lost"
    for text, audience in texts:
        assert NARROW not in text or audience not in ("public", "staff", None)
    assert (WIDE in content) <= any(WIDE in text for text, _ in texts), "text for the public is lost"


@pytest.mark.parametrize(("name", "content"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_text_for_admin_is_not_for_the_public(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_bytes(content.encode())
    check(documents(Source(tmp_path / name, "public")), content)


@pytest.mark.parametrize(
    ("name", "content"),
    [(case[1], case[2]) for case in CASES if case[2].isascii() and "visibility" not in case[2]],
    ids=[case[0] for case in CASES if case[2].isascii() and "visibility" not in case[2]],
)
def test_it_is_the_same_for_a_field_of_another_name(tmp_path: Path, name: str, content: str) -> None:
    """Whatever the mark is called, its spellings, doubles and places are found, or the file is refused."""
    renamed = content.replace("audience", "tier").replace("Audience", "Tier").replace("AUDIENCE", "TIER")
    renamed = renamed.replace("aud\0ience", "ti\0er").replace("\\u0061udience", "\\u0074ier")
    (tmp_path / name).write_bytes(renamed.encode())
    try:
        found = documents(Source(tmp_path / name, "public"), audience_field="tier")
    except ConfigError:
        assert "tier" not in renamed.split("\n")[0].split(",")  # a plain header is always found
        return
    check(found, content)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_packing_and_encoding_hide_nothing(
    tmp_path: Path, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    content = TABLES["semicolons"]
    name = "a.csv" if pack is bytes else "a.csv.gz"
    (tmp_path / name).write_bytes(pack(content.encode(encoding)))
    check(documents(Source(tmp_path / name, "public")), content)


def test_a_folder_that_names_an_audience_narrows_its_files(tmp_path: Path) -> None:
    """Partitioned data sets say it in the path."""
    folder = tmp_path / "audience=admin"
    folder.mkdir()
    (folder / "part-0.jsonl").write_text(lines({"text": NARROW}))
    check(documents(Source(tmp_path, "public")), NARROW)


def test_a_chosen_format_reads_the_turns_that_have_an_audience(tmp_path: Path) -> None:
    """A turn with an audience of its own is text of the format all the same; other fields are not read."""
    turns = [{"role": "user", "content": WIDE}, {"role": "assistant", "audience": "admin", "content": NARROW}]
    record = {"messages": turns, "notes": [{"audience": "admin", "text": "unread"}]}
    (tmp_path / "a.jsonl").write_text(lines(record))
    found = documents(Source(tmp_path / "a.jsonl", "public"), form="openai")
    check(found, WIDE)
    assert all("unread" not in text for document in found for text in document.texts)


def test_text_that_names_an_audience_in_a_sentence_is_not_narrowed(tmp_path: Path) -> None:
    """Prose about audiences, arguments of tools and their schemas are content."""
    call = {"name": "mail", "arguments": {"audience": "teachers"}}
    schema = {"name": "mail", "parameters": {"properties": {"audience": {"type": "string"}}}}
    records = [
        {"instruction": "Audience: staff meetings are long. Write a mail.", "output": "x"},
        {"text": "The audience: an admin would say that it was large."},
        {"messages": [{"role": "assistant", "content": "y", "tool_calls": [{"function": call}]}]},
        {"messages": [{"role": "user", "content": "z"}], "tools": [{"function": schema}]},
        {"keywords": ["audience", "marketing"], "text": "w"},
    ]
    (tmp_path / "a.jsonl").write_text(lines(*records))
    found = documents(Source(tmp_path / "a.jsonl", "public"))
    assert [document.audience for document in found] == ["public"] * len(records)
    assert any("teachers" in text for text in found[2].texts)


def remarks(source: Source, **options: Any) -> list[Skipped]:
    return [entry for entry in read([source], **options) if isinstance(entry, Skipped)]


@pytest.mark.parametrize(
    ("name", "content"), [case[1:] for case in CASES if "csv" in case[0]], ids=lambda each: None
)
def test_rows_that_cannot_be_placed_are_reported(tmp_path: Path, name: str, content: str) -> None:
    """With file and line; a row for nobody is never without a remark."""
    (tmp_path / name).write_bytes(content.encode())
    nobody = [each for each in documents(Source(tmp_path / name, "public")) if each.audience == "nobody"]
    said = remarks(Source(tmp_path / name, "public"))
    assert len([each for each in said if "nobody" in each.reason]) >= len(nobody)
    assert all(isinstance(each, Noted) for each in said)


@pytest.mark.parametrize(
    "field", ["audiance", "visibility", "access_level", "受众", "meta.visibility", "tier"]
)
def test_a_field_that_may_be_meant_is_reported(tmp_path: Path, field: str) -> None:
    """By its name, also deeper, or by its values."""
    record: dict[str, Any] = {"text": WIDE}
    inner = record
    *path, last = field.split(".")
    for key in path:
        inner = inner.setdefault(key, {})
    inner[last] = "public"
    (tmp_path / "a.jsonl").write_text(lines(record, record))
    (remark,) = remarks(Source(tmp_path / "a.jsonl", "public"))
    assert field in remark.reason
