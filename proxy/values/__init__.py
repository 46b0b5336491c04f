"""Known values: how a text is read for them (``reading``), their forms (``forms``), what is too common.

A value is a piece of personal data, a secret or a canary that stood in the training set. Index and stream use
the same reading, so a value is found in any spelling that reads the same.

May import: the ground floor below it. The rule that must stay true: nothing here keeps a value.
"""

from proxy.values.everyday import is_common, is_never
from proxy.values.forms import ACTS, LONGEST, SAFE, SAFE_WIDE, Forms, forms_of, is_safe
from proxy.values.known import KnownValue, ValueNode
from proxy.values.reading import Glyph, GlyphTable, count_units, digits_of, letters_of, words_of

__all__ = [
    "ACTS",
    "LONGEST",
    "SAFE",
    "SAFE_WIDE",
    "Forms",
    "Glyph",
    "GlyphTable",
    "KnownValue",
    "ValueNode",
    "count_units",
    "digits_of",
    "forms_of",
    "is_common",
    "is_never",
    "is_safe",
    "letters_of",
    "words_of",
]
