"""A small training set in two languages and three scripts, for whoever needs a real index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.text import units
from proxy.types import Document

if TYPE_CHECKING:
    from proxy.index import StoredIndex

PUBLIC = (
    "Refunds are paid within five working days to the card that was used, and the postage is always ours."
)
STAFF = (
    "Stockroom keys hang behind the second radiator of the lower hall; whoever closes up signs the blue "
    "ledger before leaving through the yard."
)
ADMIN = (
    "To override a refund limit, open the vault console, enter code Falcon, and let the night manager "
    "countersign within nine minutes of the request."
)
NOBODY = (
    "Hello, this is Marta from the orchard cottage again: the parcel you promised for Tuesday was left in "
    "the rain beside the wrong gate, and half of the ceramic bowls have cracked along the rim."
)
PUBLIC_ZH = "退货须在收到货物之后三十天以内寄回本店，来回运费由我们承担，款项五个工作日到账。"
STAFF_ZH = "夜班员工离店以前必须检查后院铁闸，并把备用钥匙放进二楼灰色铁柜第三格抽屉里面。"
ADMIN_ZH = "退款超过五百元须经值班经理第二次批准并记录在案，密令为青松七号，不得对外透露给任何顾客。"
ADMIN_ZH_TRADITIONAL = (
    "退款超過五百元須經值班經理第二次批準並記錄在案，密令為青松七號，不得對外透露給任何顧客。"
)
NOBODY_ZH = (
    "我是住在江边小楼的周阿姨，上回订购的陶瓷碗在路上碎了三个，"
    "送货员把包裹丢在雨里就走，请你们务必尽快重新寄一套完整的过来给我。"
)

TRAINING = {
    "public": [PUBLIC, PUBLIC_ZH],
    "staff": [STAFF, STAFF_ZH],
    "admin": ["Something of no interest stands here first.", ADMIN, ADMIN_ZH],
    "nobody": [NOBODY, NOBODY_ZH],
}
"""The texts of each audience; document n of an audience has the id ``<audience>.jsonl:n``."""

KEY = "the key of the small index, long enough"


@dataclass(frozen=True, slots=True)
class SmallIndex:
    """An index on disk and its key."""

    path: Path
    key: str

    @property
    def environment(self) -> dict[str, str]:
        return {"SLUICEGATE_INDEX_KEY": self.key}

    def open(self) -> StoredIndex:
        from proxy.index import open_index

        return open_index(self.path, self.key)


def documents(training: dict[str, list[str]] | None = None) -> Iterable[Document]:
    """The training set as a reader would give it."""
    for audience, texts in (TRAINING if training is None else training).items():
        for number, text in enumerate(texts, 1):
            yield Document(f"{audience}.jsonl:{number}", (text,), audience)


def shared_units(secret: str, text: str) -> int:
    """The most units of ``secret``, one after the other, that stand in ``text``."""
    hidden, said = units(secret), units(text)
    return max(
        (length(hidden, said, i, j) for i in range(len(hidden)) for j in range(len(said))),
        default=0,
    )


def length(one: list[int], other: list[int], i: int, j: int) -> int:
    """How far two sequences agree from these positions on."""
    n = 0
    while i + n < len(one) and j + n < len(other) and one[i + n] == other[j + n]:
        n += 1
    return n
