"""What the words of a Chinese sentence make together: names, places, organisations, whole addresses.

May import: the standard library only. The rule that must stay true: rules only join, trim or add to
what the network found by how Chinese addresses and forms are written; they know no list of entities.

An address runs from the large to the small: 省 市 区 县 镇 路 号 栋 单元 室. A word that ends in such a
sign continues one; it becomes an address, not a place, when it holds a road, a number of a house or
something smaller.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .entities import Entity, Kind

PERSONS = frozenset({"PER", "nr"})
PLACES = frozenset({"LOC", "ns"})
ORGANISATIONS = frozenset({"ORG", "nt"})
SURE, LIKELY, RULED = 0.9, 0.7, 0.6
"""Scores: the network's entity tags, its dictionary-like tags, a rule. The CRF gives no probability."""

NUMERAL = "[0-9A-Za-z一二三四五六七八九十百]"
SIGNED = f"[甲乙丙丁]?{NUMERAL}{{1,6}}(?:-{NUMERAL}{{1,5}})?"
HOUSE = re.compile(f"{SIGNED}(?:号院|号楼|号房|号|弄|栋|幢|座|单元|室|层|楼|房|户)")
"""A number with the sign of a house or of a part of one."""

HAN = "(?![的有在是个和近附对旁侧内了我你他她到从离往向去及与或等])[一-鿿]"
STREET = f"{HAN}{{1,8}}?(?:路|街|大道|巷|胡同|里|国道|村)(?={SIGNED}(?:号|弄|院))"
ESTATE = f"{HAN}{{2,8}}?(?:小区|花园|家园|公寓|大厦|广场|苑|商城|园区|新村|中心|大楼)"
AFTER_PLACE = re.compile(f"{HOUSE.pattern}|{STREET}|-[0-9]{{1,4}}(?![0-9])")
"""What may follow a place directly and makes an address of it."""

AFTER_HOUSE = re.compile(
    f"{ESTATE}|{NUMERAL}{{1,3}}[区期门]|(?<=[栋幢座元楼层号])[0-9]{{2,4}}(?![0-9元年月日人个米点折]|[.][0-9]|公里|-)"
)
"""What may follow besides, once there is a house number."""

ROAD = re.compile(r"(?:路|街|大道|道|巷|弄|胡同|公路|国道|高速|环)$")
COMMON = frozenset({"n", "nz", "nr", "PER", "f", "ORG", "nt", "nw", "a", "vn", "s", "m"})
BARE_STREET = re.compile(STREET)
HAN_SIGN = re.compile("[一-鿿]")
LIGHT = re.compile(r"[ ,\-]?")
TITLE = re.compile(
    r"(?:先生|女士|小姐|太太|夫人|老师|同学|经理|总经理|主任|医生|大夫|护士|教授|博士|律师|警官|师傅|阿姨|叔叔|同志|董事长|总裁"
    r"|局长|处长|科长|院长|校长|书记|市长|县长|部长|工程师|会计|店长|班长|队长|老板|总)$"
)
CUE = re.compile(
    r"(?:我叫|名叫|叫做|姓名(?:是|为)?|名字(?:是|叫|为)?|联系人(?:是|为)?|收件人(?:是|为)?|收货人(?:是|为)?|寄件人(?:是|为)?|客户|患者|病人"
    r"|员工|户主|持卡人|申请人|法人|经办人|负责人(?:是|为)?|签名|本人|业主|租客|房东|乘客|顾客|学生|家长)\s*[:]?\s*"
)
SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹"
    "孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁"
    "尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜"
    "冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝官封谈匡鞠惠荆乐冀郁胥南班储原栗燕楚鄢劳谌奚"
    "皮粟冼蔺楼盘满闻位厉伊仝区郜海阚花权强帅屠豆朴盖练廉禹井漆兆常赖逄呼延么牧"
)
DOUBLE = "欧阳|上官|司马|诸葛|司徒|东方|独孤|南宫|夏侯|皇甫|尉迟|慕容|令狐|长孙|宇文|端木|公孙|百里"
NO_NAME = "的了是在和与及或我你他她它们这那不没有个就也都很到从被把给向对于请电住地性年岁想要来去说问先女"
GIVEN = f"(?![{NO_NAME}])[一-鿿]"
NAME = re.compile(rf"(?:{DOUBLE}|[{SURNAMES}]){GIVEN}(?:{GIVEN})?")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the sentence: the network's tag and its characters."""

    tag: str
    start: int
    end: int


def entities_of(text: str, tokens: Sequence[Token]) -> list[Entity]:
    """The entities of one sentence, in text order."""
    found = [*_addresses(text, tokens), *_organisations(text, tokens)]
    taken = [(entity.start, entity.end) for entity in found]
    for person in _persons(text, tokens):
        if not any(start < person.end and person.start < end for start, end in taken):
            found.append(person)
            taken.append((person.start, person.end))
    return sorted(found, key=lambda e: (e.start, e.end))


def _addresses(text: str, tokens: Sequence[Token]) -> Iterator[Entity]:
    """Runs of places and what follows them from the large to the small: addresses, or places alone."""
    at = 0
    while at < len(tokens):
        run: list[Token] = []
        end, house = _street_start(text, tokens, at), False
        start = tokens[at].start
        while at < len(tokens) and (tokens[at].start < end or not run or _joins(text, end, tokens[at])):
            token = tokens[at]
            if token.start >= end and token.tag not in PLACES:
                break
            run.append(token)
            end = max(end, token.end)
            house = house or HOUSE.search(text, start, end) is not None
            while more := AFTER_PLACE.match(text, end) or (house and AFTER_HOUSE.match(text, end)):
                end = more.end()
                house = house or HOUSE.search(text, start, end) is not None
            at += 1
        if not run:
            at += 1
            continue
        yield from _place(text, run, start, end)


def _joins(text: str, end: int, token: Token) -> bool:
    return token.tag in PLACES and LIGHT.fullmatch(text, end, token.start) is not None


def _street_start(text: str, tokens: Sequence[Token], at: int) -> int:
    """The end of a road that the network cut into common words and that a house number follows."""
    token = tokens[at]
    road = BARE_STREET.match(text, token.start) if token.tag in COMMON else None
    if road is None:
        return token.start
    cut = [one.tag in COMMON for one in tokens[at:] if one.start < road.end()]
    return road.end() if all(cut) else token.start


def _place(text: str, run: Sequence[Token], start: int, end: int) -> Iterator[Entity]:
    words = [text[token.start : token.end] for token in run]
    road = len(run) > 1 and any(ROAD.search(word) for word in words)
    if road or HOUSE.search(text, start, end):
        yield Entity("address", start, end, SURE if any(token.tag == "LOC" for token in run) else RULED)
        return
    for token in run:
        if token.tag in PLACES and token.end - token.start > 1:
            yield Entity("place", token.start, token.end, SURE if token.tag == "LOC" else LIKELY)


def _organisations(text: str, tokens: Sequence[Token]) -> Iterator[Entity]:
    for token in tokens:
        if token.tag in ORGANISATIONS and len(HAN_SIGN.findall(text, token.start, token.end)) > 1:
            if HOUSE.search(text, token.start, token.end):
                continue
            yield Entity("organisation", token.start, token.end, SURE if token.tag == "ORG" else LIKELY)


def _persons(text: str, tokens: Sequence[Token]) -> Iterator[Entity]:
    """The network's names without titles, then names that a form or a sentence announces."""
    kind: Kind = "person"
    for token in tokens:
        if token.tag in PERSONS:
            word = text[token.start : token.end]
            title = TITLE.search(word)
            end = token.start + title.start() if title else token.end
            if len(HAN_SIGN.findall(text, token.start, end)) > 1 and (
                token.tag == "PER" or _like_a_name(word)
            ):
                yield Entity(kind, token.start, end, SURE if token.tag == "PER" else LIKELY)
    for cue in CUE.finditer(text):
        name = NAME.match(text, cue.end())
        if name:
            yield Entity(kind, name.start(), _name_end(name, tokens), RULED)


def _like_a_name(word: str) -> bool:
    """The tag nr also falls on common words: it counts with a surname in front or a foreign name's dot."""
    return word[0] in SURNAMES or word[:2] in DOUBLE.split("|") or "·" in word


def _name_end(name: re.Match[str], tokens: Sequence[Token]) -> int:
    """Where the name ends: at the last end of a word within the match, at least two characters on."""
    ends = [token.end for token in tokens if name.start() + 2 <= token.end <= name.end()]
    return max(ends, default=name.end())
