"""What a build learns of each document beside its text: known values and the structure of payloads.

May import: the ground floor and this room. The rule that must stay true: a fault while values are looked
for ends the build; no document is left out in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from proxy.errors import ConfigError, ProxyError
from proxy.grams import GramKey
from proxy.index.files import Writer
from proxy.index.payload import StructureBuilder
from proxy.index.value_build import ValueBuilder
from proxy.types import Document, Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FindValues = Callable[[Document], Sequence[Value]]
"""What finds the values of a document; it is asked once for each, in the order of the documents."""


class Learner:
    """Used once, by one build."""

    def __init__(self, key: GramKey, find: FindValues | None) -> None:
        self._find = find
        self._values = ValueBuilder(key)
        self._structures = StructureBuilder(key)

    def document(self, document: Document, audience: str, number: int) -> None:
        """A document, and its number among those of its audience."""
        self._values.add(self._found(document), audience, number)
        self._structures.add(document, audience, number)

    def free(self, document: Document) -> None:
        """A document that is free for everyone: its values are no leak."""
        self._values.add_free(self._found(document))

    def stands(self, audience: str | None, seeds: NDArray[np.uint64]) -> None:
        """All seeds of an audience's texts, sorted, once every document has been seen; None: of free text."""
        self._values.stands(audience, seeds)

    def write(self, writer: Writer, documents: Mapping[str, int]) -> dict[str, Any]:
        """Write the arrays; returns ``values`` and ``structures`` of the manifest.

        ``documents``: how many each audience has, in the order of the manifest.
        """
        bases = bases_of(documents)
        return {
            "values": self._values.write(writer, bases),
            "structures": self._structures.write(writer, bases),
        }

    def _found(self, document: Document) -> Sequence[Value]:
        if self._find is None:
            return ()
        try:
            return self._find(document)
        except ProxyError:
            raise
        except Exception as error:
            raise ConfigError(
                f"{document.id}: looking for known values failed ({type(error).__name__}); "
                "the index was not built"
            ) from error


def bases_of(documents: Mapping[str, int]) -> dict[str, int]:
    """The first record number of each audience: documents are numbered through over all audiences."""
    return dict(zip(documents, accumulate(documents.values(), initial=0), strict=False))
