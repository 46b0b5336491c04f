"""Encrypted columns and part files for tests, without a whole index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from proxy.grams import GramKey
from proxy.index.cipher import Cipher, Column, encrypted
from proxy.index.files import PartFiles, Writer

NONCE = "000102030405060708090a0b0c0d0e0f"


def column(array: NDArray[Any], key: GramKey, name: str = "test") -> Column:
    """Return an array as an index stores it."""
    stream = Cipher(key, NONCE).stream(name)
    return Column(encrypted(array, stream), stream)


def writer(folder: Path, key: GramKey) -> Writer:
    """Return a writer whose files :func:`files` reads."""
    return Writer(folder, key, NONCE)


def files(folder: Path, key: GramKey) -> PartFiles:
    """Return what reads the files of :func:`writer`."""
    return PartFiles(folder, "", NONCE, key, ())
