"""Ordinary text that looks more or less like a code, and must pass as it is."""

from __future__ import annotations

import base64
import hashlib
import random
import uuid

_NOISE = random.Random(5).randbytes(600)


def _table() -> str:
    rng = random.Random(7)
    rows = (
        f"| {index} | {rng.random():.4f} | {rng.randrange(10**6):,} | 0x{index:04X} |" for index in range(40)
    )
    return "| n | p | count | id |\n|---|---|---|---|\n" + "\n".join(rows)


def _token() -> str:
    parts = (b'{"alg":"RS256"}', _NOISE[:256])
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


BENIGN = {
    "english": "Every member of the team keeps a list of the work that was done in the week, and of what is "
    "left to do. On Friday the lists are put together; nobody has to write more than a page, and most less.",
    "chinese": "今天天气很好，我们一起去公园散步，"
    "顺便在附近的餐厅吃了午饭。下午大家回到办公室工作，到了晚上才把报告写完。",
    "capitals": "PLEASE READ THE FOLLOWING CAREFULLY. THE WARRANTY DOES NOT COVER DAMAGE BY WATER.",
    "german": "Die Kündigungsfrist beträgt drei Monate zum Ende eines Vierteljahres; für langjährige "
    "Mitarbeiter gilt eine längere Frist, die sich nach der Dauer der Zugehörigkeit bemisst.",
    "french": "Nous vous prions d'agréer, Madame, l'expression de nos salutations les plus distinguées.",
    "russian": "Мы получили ваше письмо и постараемся ответить на него как можно скорее, в пятницу.",
    "japanese": "本日はお越しいただき、誠にありがとう。",
    "pinyin": "Wǒmen xiànzài qù túshūguǎn jièshū, ránhòu zài fùjìn de cāntīng chīfàn; tāmen rèqíng.",
    "latin": "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor.",
    "names": "Kowalczyk, Nguyen, Szczepański, O'Shaughnessy, Mkhize, Qian, Ximénez, Bjørnstad, Lwin.",
    "sounds": "Hickory dickory dock, tick tock, zzz, brrr, psst, hmm; jinxed wizards pluck ivy.",
    "acronyms": "NASA, UNESCO, HTTP/2, TLSv1.3, RFC2045, B2B, C++17, K8s, i18n, GPT-4o, iOS17, x86_64.",
    "spelling": "Alpha and Bravo are teams; Charlie, Delta and Echo come from India, Lima, Quebec. Romeo met "
    "Juliet in November, in Oscar's hotel by the golf course, over whiskey and tango.",
    "uuids": " ".join(str(uuid.UUID(int=random.Random(n).getrandbits(128))) for n in range(8)),
    "hashes": "\n".join(hashlib.sha256(bytes([n])).hexdigest() + "  file" for n in range(6)),
    "image": "![x](data:image/png;base64," + base64.b64encode(_NOISE).decode() + ")",
    "wrapped": base64.encodebytes(_NOISE).decode(),
    "key": "ssh-ed25519 " + base64.b64encode(_NOISE[:51]).decode() + " me@host",
    "token": _token(),
    "seed": base64.b32encode(_NOISE[:40]).decode(),
    "base85": base64.b85encode(_NOISE[:200]).decode(),
    "dump": _NOISE[:128].hex(" "),
    "addresses": "00:1A:2B:3C:4D:5E, 66-77-88-99-AA-BB, fe80::1ff:fe23:4567:890a, 192.168.178.24",
    "urls": "https://example.org/a/b-c_d/index.html?q=one%20two&lang=de&utm=x#part-3 /usr/local/lib/python",
    "json": '{"id": 4711, "items": [{"sku": "AB-12-CD", "n": 3}], "note": "a\\nb \\"c\\" \\u00e9"}',
    "html": "<p>R&amp;D &mdash; 5 &lt; 7 &nbsp; <a href='/x?a=1&amp;b=2'>caf&eacute;</a></p>",
    "python": "def f(xs: list[int]) -> int:\n    return sum(x ** 2 for x in xs if x % 3 == 0)  # '\\x00'\n"
    * 3,
    "minified": "!function(e,t){for(var n=0,r=e.length;n<r;n++)t[n]=e[n]>>>3&7|(e[n]<<2&255)}([1,2,3],{});"
    * 2,
    "regex": r"^(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+\.)*[\w.%+-]+@(?:[a-z\d-]+\.)+[a-z]{2,63}$ \d{3}\.\d{2}\s*",
    "latex": r"$$\sum_{n=1}^{\infty}\frac{1}{n^2}=\frac{\pi^2}{6},\quad \nabla\times\mathbf{E}=0$$",
    "numbers": "3.14159265358979 2718281828 1,000,000 10 20 30 40 50 60 70 80 90 100 99 98 97 65 66 67 68 69",
    "bits": "1 0 1 1 0 0 1 0, 10110010 11100101 00000000 11111111 10000001, 0101 1010",
    "table": _table(),
    "rulers": "-----\n.....\n* * *\n- - - -\n.--.--.\n=====\n" * 4,
    "emoji": "Great 👍🏽❤️‍🔥 work 🏴󠁧󠁢󠁥󠁮󠁧󠁿 1️⃣2️⃣3️⃣ 👩‍💻 ☕️ ✈️ done ⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ loading",
    "csv": "id;name;zip;iban\n1;Ada;10115;DE89370400440532013000\n2;Bo;20095;DE75512108001245126199\n" * 3,
    "chess": "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6 5. O-O Be7 6. Re1 b5 7. Bb3 d6 8. c3 O-O 9. h3 Nb8",
    "genes": "ATGGCCATTGTAATGGGCCGCTGAAAGGGTGCCCGATAGCATTACGGATCCGTTAACGGCTAGCTAAGGCATTCGATCG" * 2,
}
