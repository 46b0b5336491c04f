"""Secrets that only their surroundings give away: after a word such as "password", or inside an address.

May import: its own folder. The rule that must stay true: names, calls and placeholders that stand in
such a place in code and manuals are no secrets; what has letters and digits mixed, or looks drawn by lot, is.
"""

from __future__ import annotations

import re

from proxy.patterns import checks
from proxy.patterns.alphabet import han
from proxy.patterns.pattern import Pattern
from proxy.patterns.shapes import Part, Shape, any_case, chars, either, seq

SIGN = "[0-9A-Za-z_+/=.~!@#$%^&*?-]"
_PLACEHOLDER = re.compile(
    r"example|placeholder|changeme|change_me|your|redacted|xxx|\*\*\*|\.\.\.|dummy|sample|<|\$\{|\{\{|secret_?key"
    r"|^[a-z_]+\d?$|^(?:pass(?:word)?|token|secret|test|admin|user)[\d!@#.]{0,4}$",
    re.I,
)
_CODE = re.compile(
    r"^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$|^[A-Z][A-Z0-9_]*_[A-Z0-9_]*$|^(?:[A-Za-z]+|\d+)(?:[-_./:]+(?:[A-Za-z]+|\d+))+$"
)
"""A path of names (``os.environ``, ``settings.KEY_2``), a constant, or words and numbers joined by signs."""


def _kinds(value: str) -> int:
    """How many of small letters, capitals, digits and signs a text has."""
    tests = (str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum())
    return sum(any(test(c) for c in value) for test in tests)


def _plausible(value: str) -> bool:
    return not (_PLACEHOLDER.search(value) or _CODE.match(value))


def _trimmed(value: str) -> str:
    return value.rstrip(".?!,-=") if not value.endswith("==") else value


def _password(value: str) -> int:
    value = _trimmed(value)
    mixed = _kinds(value) >= 3 or (_kinds(value) == 2 and any(c.isdigit() for c in value))
    good = len(value) >= 6 and mixed and checks.entropy(value) >= 2.5 and _plausible(value)
    return len(value) if good else 0


def _key(value: str) -> int:
    value = _trimmed(value)
    drawn = (
        checks.entropy(value) >= 3.3
        and sum(c.isdigit() for c in value) >= 2
        and any(c.isalpha() for c in value)
    )
    return len(value) if len(value) >= 16 and drawn and _plausible(value) else 0


def _after(*words: Part) -> Shape:
    """One of these words and what assigns to it, in code, in a form or in a sentence."""
    sign = either(":", "=", ":=", "=>", "==", " is ", "is ", han("是"), han("为"))
    return seq(
        either(*words),
        chars("[\"'`\\]]", 0, 2),
        chars(" ", 0, 2),
        sign,
        chars(" ", 0, 2),
        chars("[\"'`]", 0, 2),
    )


PASSWORD = Pattern(
    "password",
    "password",
    chars(SIGN, 6, 128),
    _password,
    lead=_after(
        *map(any_case, ("password", "passwd", "pwd", "passphrase", "passcode")), han("密码"), han("口令")
    ),
    leaks=(
        "password: Tr0ub4dor&3",
        "DB_PASSWORD=hunter42x",
        "密码是Abc12345，别外传",
        'pwd = "s3cr3t!Pass";',
        "Server=db1;User Id=sa;Password=P4ss-w0rd9;",
        "密码：xiaoming1990",
    ),
    passes=(
        "password: string",
        "password = os.environ",
        "password=get_password()",
        "the password is required",
        "password: your_password1",
        "密码是必填项",
        "password: ********",
        "PASSWORD=DB_PASSWORD_2",
        "password is at least 8 characters",
    ),
    grows=SIGN,
    after="",
    sure=False,
)

KEY = Pattern(
    "key-beside-a-word",
    "api_key",
    chars(SIGN, 16, 200),
    _key,
    lead=_after(
        *map(
            any_case,
            ("secret", "token", "api_key", "apikey", "api-key", "api key", "access_key", "secret_key"),
        ),
        *map(
            any_case, ("private_key", "client_secret", "accountkey", "sharedaccesskey", "secret_access_key")
        ),
        *map(
            any_case,
            ("auth_token", "access_token", "refresh_token", "secretkey", "accesskey", "encryption_key"),
        ),
        *map(han, ("密钥", "令牌")),
    ),
    leaks=(
        "aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCY8a2KQ9zTu4Lm",
        '"api_key": "9f86d081884c7d659a2feaa0c55ad015"',
        "AccountKey=Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==;EndpointSuffix",
        "client_secret: 3xQ8Q~kLm92Zp0RtVwXyAbCdEfGhIjKlMnOp",
        "密钥：a1B2c3D4e5F6g7H8i9",
    ),
    passes=(
        "token: Optional[str] = None",
        "secret_key = settings.SECRET_KEY",
        "api_key=os.environ['KEY']",
        "the secret is kindness and patience",
        "token = tokenizer.encode_plus_special",
        "api_key: your-api-key-goes-here-1234",
        "access_token: https://example.com/docs",
        "token: 2024-01-15-release-notes",
    ),
    grows=SIGN,
    after="",
    sure=False,
)

_HOST = chars("[0-9A-Za-z]")
URL_PASSWORD = Pattern(
    "url-with-password",
    "password",
    chars("[^ \\t\\r\\n/@:\"'<>|{}\xff]", 3, 128),
    lambda value: len(value) if _plausible(value) and value.lower() not in ("password", "pass", "pwd") else 0,
    lead=seq("://", chars("[0-9A-Za-z_.%~-]", 0, 64), ":"),
    trail=seq("@", _HOST),
    leaks=(
        "postgres://app:S3cretPw@db.internal:5432/app",
        "https://ann:pa55-w@example.org/x",
        "redis://:x9K2m@cache",
    ),
    passes=(
        "postgres://user:password@localhost/db",
        "https://example.org:8080/@handle",
        "http://user:${PASS}@host",
        "https://example.org/a:b@c",
    ),
    before="",
    after="",
    sure=False,
)

PATTERNS = (URL_PASSWORD, PASSWORD, KEY)
