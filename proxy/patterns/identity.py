"""Numbers that name a person: resident ids, passports, US social security numbers, vehicle plates.

May import: its own folder. The rule that must stay true: a number without a check digit counts only with a
word before it that says what it is.
"""

from __future__ import annotations

from proxy.patterns import checks
from proxy.patterns.alphabet import DOT, PLATE_ENDS, PROVINCES, han
from proxy.patterns.pattern import Pattern, always, called, whole
from proxy.patterns.shapes import any_case, chars, either, maybe, seq

DIGIT = "[0-9]"
GAP = chars("[ -]", 0, 1)
PLATE_SIGN = "[A-HJ-NP-Z0-9]"

CN_ID = Pattern(
    "cn-id",
    "cn_id",
    seq(
        *(chars("[1-9]"), chars(DIGIT, 5), GAP, chars("[12]"), chars(DIGIT, 7), GAP),
        *(chars(DIGIT, 3), maybe(" "), chars("[0-9Xx]")),
    ),
    whole(checks.cn_id),
    leaks=(
        "身份证号码是11010519491231002X。",
        "id 110105 19491231 002x ok",
        "证件：３４０５２４１９８００１０１００１Ｘ",
        "440308-19990110-1512,",
    ),
    passes=(
        "号码11010519491231002Y不对",
        "110105194912310021",
        "990105194912310025 has no such province",
        "110105194913310024",
        "tx 211010519491231002X1",
        "11010519491231002Xa",
    ),
)

CN_ID_OLD = Pattern(
    "cn-id-15",
    "cn_id",
    seq(chars("[1-8]"), chars(DIGIT, 14)),
    whole(checks.cn_id_old),
    lead=called(han("身份证"), han("证件")),
    leaks=("身份证号：110105491231002", "身份证 310101800101001。"),
    passes=("110105491231002", "身份证号 110105491331002", "订单号110105491231002"),
)

CN_PASSPORT = Pattern(
    "cn-passport",
    "cn_passport",
    either(
        seq(chars("[EeGgDdSsPpHhMmKk]"), chars(DIGIT, 8)),
        seq(chars("[Ee]"), chars("[A-HJ-NP-Za-hj-np-z]"), chars(DIGIT, 7)),
        seq(chars("[DdSsPp]"), chars("[Ee]"), chars(DIGIT, 7)),
    ),
    always,
    lead=called(han("护照"), any_case("passport"), han("通行证")),
    leaks=("护照号码：E12345678", "her passport number is EA1234567.", "护照是G28233515，"),
    passes=("型号E12345678", "passport office 12345678", "护照号 12345", "passport E123456789"),
    sure=False,
)

CN_PLATE = Pattern(
    "cn-plate",
    "cn_plate",
    seq(
        chars(f"[{han(PROVINCES)}]"),
        chars("[A-HJ-NP-Z]"),
        chars(f"[{DOT} ]", 0, 1),
        either(
            seq(chars(PLATE_SIGN, 4), chars(f"[A-HJ-NP-Z0-9{han(PLATE_ENDS)}]")),
            seq(chars("[ABCDEFGHJK]"), chars(PLATE_SIGN), chars(DIGIT, 4)),
            seq(chars(DIGIT, 5), chars("[ABCDEFGHJK]")),
        ),
    ),
    whole(lambda text: checks.plate(text[2:])),
    leaks=("车牌京A12345的车", "粤B·D12345", "沪AD12345停在", "苏E12345学"[:7], "川A·8K3Z9。"),
    passes=("京A股指数", "新T恤ABCDE", "川A1234", "苏AABCDE", "京A123456789", "云A 2024"),
    before="",
    sure=False,
)

US_SSN = Pattern(
    "us-ssn",
    "us_ssn",
    seq(chars(DIGIT, 3), "-", chars(DIGIT, 2), "-", chars(DIGIT, 4)),
    whole(checks.us_ssn),
    leaks=("SSN 460-89-9847.", "his 219-09-8888,"),
    passes=("000-12-3456", "666-12-3456", "912-12-3456", "123-00-4567", "123-45-6789", "2460-89-9847"),
)

US_SSN_CALLED = Pattern(
    "us-ssn-called",
    "us_ssn",
    seq(chars(DIGIT, 3), GAP, chars(DIGIT, 2), GAP, chars(DIGIT, 4)),
    whole(checks.us_ssn),
    lead=called(any_case("ssn"), any_case("social security")),
    leaks=("SSN: 460899847", "social security number is 460 89 9847"),
    passes=("order 460899847", "SSN: 000899847", "ssn 46089984"),
)

CN_COMPANY = Pattern(
    "cn-company",
    "cn_company",
    seq(chars("[0-9A-HJ-NPQRTUWXY]", 2), chars(DIGIT, 6), chars("[0-9A-HJ-NPQRTUWXY]", 10)),
    whole(checks.cn_company),
    leaks=("统一社会信用代码91350100M000100Y43，", "code 91110108551385082Q"),
    passes=("91350100M000100Y44", "代码91110108551385082R", "X91350100M000100Y43", "99999999M000100Y43"),
)

PATTERNS = (CN_ID, CN_ID_OLD, CN_PASSPORT, CN_PLATE, US_SSN, US_SSN_CALLED, CN_COMPANY)
