"""Who may read a record: the audience named in one of its fields.

May import: the ground floor only. The rule that must stay true: an audience that cannot be
understood protects the record from everybody (``nobody``); it never falls back to a wider one.
"""

from __future__ import annotations

import re
from typing import Any

from proxy.types import NOBODY

FIELD = "audience"
"""The field that is looked at when the operator names none."""

_NAME = re.compile(r"\w[\w.-]{0,63}")


def audience_of(record: Any, outer: dict[str, Any] | None, field: str | None) -> tuple[str | None, bool]:
    """``(audience, understood)``. The audience is None where the record names none.

    ``outer`` is the object around the record's list, asked after the record itself. ``field`` may
    be a dotted path (``meta.audience``). A name is up to 64 letters, digits, ``_``, ``.`` and ``-``.
    """
    value = _look_up(record, field or FIELD)
    if value is None and outer is not None:
        value = _look_up(outer, field or FIELD)
    if value is None or value == "":
        return None, True
    name = value.strip() if isinstance(value, str) else ""
    return (name, True) if _NAME.fullmatch(name) else (NOBODY, False)


def without_audience(record: Any, field: str | None) -> Any:
    """The record without the field that named its audience, which is no training text."""
    name = field or FIELD
    if isinstance(record, dict) and name in record:
        record = record.copy()
        del record[name]
    return record


def _look_up(record: Any, field: str) -> Any:
    if not isinstance(record, dict):
        return None
    if field in record or "." not in field:
        return record.get(field)
    head, _, rest = field.partition(".")
    return _look_up(record.get(head), rest)
