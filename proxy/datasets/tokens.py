"""Sets that went through a tokenizer: numbers in place of text, unreadable without the tokenizer."""

from __future__ import annotations

from typing import Any

_IDS = "input_ids"
_BESIDE = frozenset(
    {
        *("attention_mask", "token_type_ids", "special_tokens_mask", "position_ids", "labels", "length"),
        *("decoder_input_ids", "loss_mask", "completion_mask", "chosen_input_ids", "rejected_input_ids"),
        *("chosen_labels", "rejected_labels", "chosen_attention_mask", "rejected_attention_mask"),
    }
)
_LEAST = 20
"""Characters of strings beside the numbers that make a record one with text."""


def is_tokenised(value: object) -> bool:
    """Return whether a record holds token ids."""
    return isinstance(value, dict) and any(
        key == _IDS or key.endswith("_" + _IDS) for key, inner in value.items() if _are_numbers(inner)
    )


def without_tokens(value: dict[str, Any]) -> dict[str, Any] | None:
    """Return a record of token ids without them; None where there is no text beside them."""
    kept = {
        key: inner
        for key, inner in value.items()
        if not (key in _BESIDE or key == _IDS or key.endswith("_" + _IDS))
        or not (_are_numbers(inner) or isinstance(inner, int))
    }
    return kept if _characters(kept) >= _LEAST else None


def _are_numbers(value: object) -> bool:
    """Whether a value is a list of whole numbers, or a list of such lists."""
    if not isinstance(value, list) or not value:
        return False
    return all(type(each) is int for each in value) or all(map(_are_numbers, value))


def _characters(value: object) -> int:
    stack, count = [value], 0
    while stack:
        each = stack.pop()
        if isinstance(each, str):
            count += len(each)
        elif isinstance(each, dict):
            stack += each.values()
        elif isinstance(each, list):
            stack += each
    return count
