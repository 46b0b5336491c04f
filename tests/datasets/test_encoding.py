"""proxy/datasets/encoding.py: an encoding is told right or not at all, in any language, size and packing."""

from __future__ import annotations

import gzip
import random
import re
from pathlib import Path

import pytest

from proxy.datasets.encoding import chosen, encoding_of
from proxy.errors import ConfigError

TEXTS = {
    "German": (
        "Die Rückerstattung wird innerhalb von fünf Werktagen überwiesen. Für größere Beträge ist "
        "die Zustimmung der Geschäftsführung nötig. Bitte prüfen Sie die Schlüssel im Büro und "
        "schließen Sie die Tür. Über die Höhe des Nachlasses entscheidet der Schichtleiter. Grüße "
        "aus München und Köln."
    ),
    "French": (
        "Le remboursement est effectué sous cinq jours ouvrés. À partir d'un certain montant, "
        "l'accord de la direction est nécessaire. Vérifiez les clés du bureau et fermez la fenêtre. "
        "Le client préfère être livré très tôt, même à l'étage. Ça dépend de l'employé présent; où "
        "est la réserve?"
    ),
    "Spanish": (
        "El reembolso se realizará en cinco días hábiles. ¿Dónde están las llaves del almacén? El "
        "señor Núñez firmará mañana la autorización. La contraseña cambió en otoño, según la "
        "dirección."
    ),
    "Polish": (
        "Zwrot pieniędzy następuje w ciągu pięciu dni. Proszę sprawdzić klucze w biurze i zamknąć "
        "drzwi. Klient chciałby wiedzieć, dlaczego dostawa się opóźnia. Źródło błędu jest już znane."
    ),
    "Russian": (
        "Возврат средств производится в течение пяти рабочих дней. Для крупных сумм требуется "
        "согласие руководства. Проверьте ключи в кабинете и закройте дверь. Клиент хочет знать "
        "причину."
    ),
    "Greek": (
        "Η επιστροφή χρημάτων γίνεται μέσα σε πέντε ημέρες. Ελέγξτε τα κλειδιά στο γραφείο και "
        "κλείστε την πόρτα. Ο πελάτης θέλει να μάθει γιατί αργεί η παράδοση."
    ),
    "Chinese": (
        "退款超过五百元须经值班经理第二次批准并记录在案。夜班员工离店以前必须检查后院铁闸。退货须在收"
        "到货物之后三十天以内寄回本店，来回运费由我们承担。我们会尽快与您联系，请保持电话畅通。"
    ),
    "Chinese, traditional": (
        "退款超過五百元須經值班經理第二次批準並記錄在案。夜班員工離店以前必須檢查後院鐵閘。退貨須在收"
        "到貨物之後三十天以內寄回本店，來回運費由我們承擔。我們會盡快與您聯繫。"
    ),
    "Japanese": (
        "返金は五営業日以内にご利用のカードへ行われます。夜間の責任者が確認コードを入力してください。"
        "鍵は事務所の引き出しに入っています。お客様からのお問い合わせには丁寧に対応します。"
    ),
    "Korean": (
        "환불은 영업일 기준 오일 이내에 처리됩니다. 야간 관리자가 확인 코드를 입력해야 "
        "합니다. 열쇠는 사무실 서랍에 있습니다. 고객의 문의에는 친절하게 응대하고 배송 "
        "지연에 대해 설명합니다."
    ),
}
CODECS = {
    "German": ("cp1252", "cp850", "mac_roman", "utf_16_le"),
    "French": ("cp1252", "mac_roman", "utf_16_be"),
    "Spanish": ("cp1252",),
    "Polish": ("cp1250", "iso8859_2"),
    "Russian": ("cp1251", "koi8_r", "cp866", "utf_16_le"),
    "Greek": ("cp1253",),
    "Chinese": ("gb18030", "utf_16_le", "utf_16_be"),
    "Chinese, traditional": ("big5", "gb18030"),
    "Japanese": ("cp932", "euc_jp", "utf_16_le"),
    "Korean": ("cp949",),
}
CASES = [(language, codec) for language, codecs in CODECS.items() for codec in codecs]


def sentences(language: str) -> list[str]:
    return [each for each in re.split(r"(?<=[.。?])\s*", TEXTS[language]) if each]


def rows(language: str, count: int, chance: random.Random) -> str:
    """Rows as a spreadsheet writes them: numbers, ASCII names, and a sentence."""
    lines = [
        f'{number},order-{chance.randrange(10_000)},"{chance.choice(sentences(language))}"\r\n'
        for number in range(count)
    ]
    return "id,name,text\r\n" + "".join(lines)


@pytest.mark.parametrize(("language", "codec"), CASES)
@pytest.mark.parametrize("packed", [False, True])
def test_sixty_rows_of_a_spreadsheet_are_read_right(
    language: str, codec: str, packed: bool, tmp_path: Path
) -> None:
    """Whatever the language: the text comes back letter by letter."""
    text = rows(language, 60, random.Random(5))
    path = tmp_path / ("a.csv.gz" if packed else "a.csv")
    path.write_bytes(gzip.compress(text.encode(codec)) if packed else text.encode(codec))
    assert path.exists()
    data = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    assert data.decode(encoding_of(path, "a.csv")) == text


@pytest.mark.parametrize(("language", "codec"), CASES)
def test_short_text_is_never_read_wrong(language: str, codec: str) -> None:
    """One sentence, or two words: read right, or an error that names --encoding."""
    chance = random.Random(language + codec)
    for _ in range(60):
        words = " ".join(chance.choices(sentences(language), k=chance.choice((1, 1, 2))))
        if chance.random() < 0.5:
            start = chance.randrange(len(words))
            words = words[start : start + chance.randrange(8, 40)]
        data = words.encode(codec)
        if data.isascii() and codec not in ("utf_16_le", "utf_16_be"):
            continue
        try:
            found = chosen(data, "a.txt")
        except ConfigError as error:
            assert "--encoding" in str(error)
        else:
            assert data.decode(found) == words, (found, words)


def test_a_german_file_does_not_become_han(tmp_path: Path) -> None:
    """GB18030 reads nearly any bytes; German ones stay German."""
    path = tmp_path / "a.txt"
    text = TEXTS["German"]
    path.write_bytes(text.encode("cp1252"))
    text.encode("cp1252").decode("gb18030", "replace")
    assert path.read_bytes().decode(encoding_of(path, "a.txt")) == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("language", ["German", "Chinese"])
def test_marks_and_utf8_decide_whatever_was_given(tmp_path: Path, encoding: str, language: str) -> None:
    """--encoding is for files that are not UTF-8 and have no mark."""
    path = tmp_path / "a.txt"
    path.write_bytes(TEXTS[language].encode(encoding))
    assert path.read_bytes().decode(encoding_of(path, "a.txt", "big5")) == TEXTS[language]


def test_the_given_encoding_is_taken_for_other_files(tmp_path: Path) -> None:
    """It is the answer to the error."""
    path = tmp_path / "a.txt"
    path.write_bytes("là".encode("cp1252"))
    with pytest.raises(ConfigError, match=r"a\.txt: not UTF-8.*--encoding"):
        encoding_of(path, "a.txt")
    assert encoding_of(path, "a.txt", "cp1252") == "cp1252"


@pytest.mark.parametrize("where", [0, 65_535, 1 << 20, (1 << 20) - 1])
def test_utf8_with_a_few_bad_bytes_stays_utf8(tmp_path: Path, where: int) -> None:
    """One damaged character in a large file, also at the end of a block, makes no other file of it."""
    text = (TEXTS["Chinese"] * 9000).encode()
    path = tmp_path / "a.txt"
    path.write_bytes(text[:where] + b"\xff" + text[where:])
    assert encoding_of(path, "a.txt") == "utf-8"


@pytest.mark.parametrize("cut", range(4))
def test_a_character_at_the_end_of_a_block_is_no_fault(tmp_path: Path, cut: int) -> None:
    """Whole UTF-8, however it falls into blocks; ASCII for a megabyte, then something else."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * ((1 << 20) - cut) + TEXTS["Chinese"].encode())
    assert encoding_of(path, "a.txt") == "utf-8"
    path.write_bytes(b"x" * ((1 << 20) - cut) + b"\n" + TEXTS["Chinese"].encode("gb18030"))
    assert encoding_of(path, "a.txt") == "gb18030"


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(random.Random(3).randbytes(5000)),
        b"PK\x03\x04" + random.Random(4).randbytes(5000),
        random.Random(5).randbytes(100),
        bytes(range(256)) * 9,
        b"\x00" * 500,
        b"\xff\x00" * 300,
    ],
)
def test_what_is_no_text_is_an_error_that_names_the_file(tmp_path: Path, data: bytes) -> None:
    """Pictures and archives under another name are never taken for writing."""
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"^a\.txt: not UTF-8"):
        encoding_of(path, "a.txt")


def test_empty_and_plain_files_are_utf8(tmp_path: Path) -> None:
    """Nothing and ASCII."""
    path = tmp_path / "a.txt"
    for data in (b"", b"x", b"plain\n" * 1000):
        path.write_bytes(data)
        assert encoding_of(path, "a.txt", "gb18030") == "utf-8"
