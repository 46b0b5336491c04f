"""Keys and tokens that say by their beginning what they are: cloud, API and access tokens, JWT, private keys.

The prefixes are those the issuers document so that their tokens can be found. May import: its own folder. The
rule that must stay true: a token counts only with the length and the signs its issuer gives it, so that
the prefix in a sentence or in a name of a package is left alone.
"""

from __future__ import annotations

from proxy.patterns import checks
from proxy.patterns.pattern import Measure, Pattern, always
from proxy.patterns.shapes import Shape, chars, either, maybe, seq

ALNUM = "[0-9A-Za-z]"
BASE64URL = "[0-9A-Za-z_-]"
BASE64 = "[0-9A-Za-z+/=]"
HEX = "[0-9a-f]"
_TOKEN_END = checks.LETTERS_AND_DIGITS + "_-"


def _random(bits: float, digits: int = 1) -> Measure:
    """Looks drawn by lot: enough entropy and digits; words with hyphens have neither."""

    def measure(value: str) -> int:
        if sum("0" <= c <= "9" for c in value) < digits or checks.entropy(value) < bits:
            return 0
        return 0 if "EXAMPLE" in value or "example" in value or "xxxx" in value.lower() else len(value)

    return measure


def _token(
    name: str,
    shape: Shape,
    leaks: tuple[str, ...],
    passes: tuple[str, ...],
    grows: str = BASE64URL,
    bits: float = 3.2,
) -> Pattern:
    return Pattern(name, "api_key", shape, _random(bits), leaks, passes, grows=grows, after="")


AWS = Pattern(
    "aws-access-key",
    "api_key",
    seq(either("AKIA", "ASIA", "ABIA", "ACCA"), chars("[A-Z0-9]", 16)),
    _random(3.0),
    leaks=("key AKIAQ6FAX2KD4LM7PQZR.", "aws_access_key_id=ASIAY34FZKBOKMUTVV7A"),
    passes=("AKIAIOSFODNN7EXAMPLE", "AKIA is a prefix", "AKIAQ6FAX2KD4LM7PQZRX", "AKIAAAAAAAAAAAAAAAAA"),
)

GOOGLE = _token(
    "google",
    either(
        seq("AIza", chars(BASE64URL, 35)),
        seq("GOCSPX-", chars(BASE64URL, 28)),
        seq("ya29.", chars(BASE64URL, 20)),
    ),
    leaks=(
        "AIzaSyD4k9Qw2xR7tVbN1mZc8LpO3uHfG6jE5sA",
        "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",
        "ya29.a0AfH6SMBx7k2Q9tVw3zR",
    ),
    passes=("AIza of Google", "AIzaSyD4k9Qw2xR7", "GOCSPX-your-client-secret-goes-here"),
)

GITHUB = _token(
    "github",
    either(
        seq("gh", chars("[pousr]"), "_", chars(ALNUM, 36)),
        seq("github_pat_", chars("[0-9A-Za-z_]", 40)),
        seq("glpat-", chars(BASE64URL, 20)),
    ),
    leaks=(
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "github_pat_11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ0123456789abcd",
        "glpat-4xKq8ZtR2mW9sLpE7vYd",
    ),
    passes=(
        "ghp_ is the prefix",
        "ghp_16C7e42F292c6912E7",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "glpat-short",
    ),
)

SLACK = _token(
    "slack",
    either(
        seq("xox", chars("[abeoprs]"), "-", chars("[0-9A-Za-z-]", 20)),
        seq("xapp-", chars("[0-9]"), "-", chars("[0-9A-Za-z-]", 20)),
        seq(
            "hooks.slack.com/services/T",
            chars("[0-9A-Z]", 8, 11),
            "/B",
            chars("[0-9A-Z]", 8, 11),
            "/",
            chars(ALNUM, 20),
        ),
    ),
    leaks=(
        "xoxb-2389471023-4529384710-KjW8sPq2LmZx",
        "https://hooks.slack.com/services/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",
    ),
    passes=("xoxb-your-token-goes-here-please", "hooks.slack.com/services", "xoxb-123"),
)

STRIPE = _token(
    "stripe",
    either(
        seq(chars("[sr]"), "k_", either("live", "test"), "_", chars(ALNUM, 20)),
        seq("whsec_", chars(ALNUM, 28)),
    ),
    leaks=(
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "rk_test_51H8xQ2eZvKYlo2C0aB3dE4f",
        "whsec_9aB8cD7eF6gH5iJ4kL3mN2oP1qR0",
    ),
    passes=(
        "pk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "sk_live_",
        "sk_test_your_key_here",
        "risk_live_4eC39HqLyjWDarjtT1zd",
    ),
)

MODELS = _token(
    "model-providers",
    either(
        seq(
            "sk-", maybe(either("proj-", "svcacct-", "admin-", "ant-api03-", "or-v1-")), chars(BASE64URL, 20)
        ),
        seq("hf_", chars(ALNUM, 34)),
        seq("gsk_", chars(ALNUM, 40)),
        seq("r8_", chars(ALNUM, 37)),
    ),
    leaks=(
        "sk-proj-a8Kd93Lmx02PqvT7Zr5WbN4cYh1J",
        "OPENAI_API_KEY=sk-4fT9x2LmQ8vB7nR3kW6zP1cD5hJ0",
        "hf_QxKzRtBvLmNpWsDfGhJkYcTuE4a7Z9b2X8",
        "sk-7d3f1c9ab2e84f60b5a1c3d9e7f20486",
    ),
    passes=(
        "sk-learn-contrib-extra-packages",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "task-4fT9x2LmQ8vB7nR3kW6zP",
        "hf_hub_download",
    ),
)

PACKAGES = _token(
    "package-indexes",
    either(
        seq("npm_", chars(ALNUM, 36)),
        seq("pypi-AgEI", chars(BASE64URL, 50)),
        seq("dop_v1_", chars(HEX, 64)),
        seq("SG.", chars(BASE64URL, 22), ".", chars(BASE64URL, 43)),
        seq("shp", chars("[acps]"), chars("[ast]"), "_", chars("[0-9a-fA-F]", 32)),
        seq("LTAI", chars(ALNUM, 16, 24)),
        seq("AKID", chars(ALNUM, 32)),
    ),
    leaks=(
        "npm_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5",
        "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",
        "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",
        "AccessKeyId: LTAI5tQ8xW2eR4mZ7kP9vB3n",
    ),
    passes=(
        "npm_config_registry",
        "SG.pdf",
        "LTAI is short",
        "shpat_",
        "npm_lifecycle_event_name_of_the_script_x",
    ),
)

JWT = Pattern(
    "jwt",
    "jwt",
    seq("eyJ", chars(BASE64URL, 10, 400), ".", "eyJ", chars(BASE64URL, 8)),
    always,
    leaks=("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",),
    passes=("eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJIUzI1NiJ9.abc", "the eye of.eyJ"),
    grows="[0-9A-Za-z_.-]",
    after="",
)

_LINE = chars(r"[ \t\r\n\\rnt]", 0, 12)
_HEADER = seq(either("Proc-Type", "DEK-Info", "Comment", "Version"), ":", chars(r"[^\r\n\\]", 1, 60), _LINE)
PRIVATE_KEY = Pattern(
    "private-key",
    "private_key",
    seq(
        *("-----BEGIN ", chars("[0-9A-Z ]", 0, 20), "PRIVATE KEY", maybe(" BLOCK"), "-----"),
        *(_LINE, maybe(_HEADER), maybe(_HEADER), chars(BASE64, 16)),
    ),
    always,
    leaks=(
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAx7\nq8Zp+/1a==\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEF",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES,0A1B\n\nb64b64b64b64b64b64",
    ),
    passes=(
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEF",
        "a file that starts with -----BEGIN RSA PRIVATE KEY----- and ends",
        "-----BEGIN CERTIFICATE-----",
    ),
    grows=r"[0-9A-Za-z+/= \t\r\n\\]",
    before="",
    after="",
)

PATTERNS = (PRIVATE_KEY, JWT, AWS, GOOGLE, GITHUB, SLACK, STRIPE, MODELS, PACKAGES)
