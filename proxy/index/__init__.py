"""The index: fingerprints of the training set in flat arrays (see ``format.py`` and ``store.py``)."""

from proxy.index.adding import AddOptions, add_documents
from proxy.index.allowed import AllowedTexts, Hashes, hashes_of
from proxy.index.build import BuildOptions, build_index
from proxy.index.files import Private, parts_of
from proxy.index.format import Manifest, check_key, read_manifest, verify
from proxy.index.key_sources import has_index_key, index_key, key_file, take_index_key
from proxy.index.store import StoredIndex, open_index

__all__ = [
    "AddOptions",
    "AllowedTexts",
    "BuildOptions",
    "Hashes",
    "Manifest",
    "Private",
    "StoredIndex",
    "add_documents",
    "build_index",
    "check_key",
    "has_index_key",
    "hashes_of",
    "index_key",
    "key_file",
    "open_index",
    "parts_of",
    "read_manifest",
    "take_index_key",
    "verify",
]
