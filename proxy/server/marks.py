"""Name matches in the trail, under a key of its own.

Detectors mark their findings with values of the index: keyed grams, numbers of values. In the trail those
would point into the index files, which can be read without any key. What leaves is a keyed hash of them. Its
key is derived from the index key by a label: it opens nothing, and the secrets of look-ups do not make it.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

from proxy.grams import GramKey
from proxy.types import Finding

PURPOSE = b"sluicegate-trail"
_SIZE = 8


class Marks:
    """The fingerprints of one index. The same match has the same one as long as this build is served."""

    __slots__ = ("_begun",)

    def __init__(self, key: GramKey, version: str) -> None:
        """``version``: of the index; the numbers that detectors mark values with are those of one build."""
        self._begun = blake2b(version.encode() + b"\0", key=key.derived(PURPOSE), digest_size=_SIZE)

    def __repr__(self) -> str:
        return "Marks()"

    def of(self, finding: Finding) -> Finding:
        """Return the finding with the fingerprint that may be written down."""
        if not finding.fingerprint:
            return finding
        hashed = self._begun.copy()
        hashed.update(f"{finding.detector}\0{finding.fingerprint}".encode())
        return replace(finding, fingerprint=hashed.hexdigest())
