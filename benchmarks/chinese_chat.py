"""Chinese chat sentences with personal data, made with a fixed seed: ids, phones, cards, names, addresses.

The rule that must stay true: nothing in the sentences comes from the recognizers; check digits are worked
out here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾"
    "丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤"
    "尹黎易常武乔贺赖龚文"
)
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂英华玉兰萍飞鹏辉玲红梅燕鑫波宇浩凯健俊帆雪琳晨欣"
    "怡婷佳颖慧文博志国建海峰云龙春秋月子涵梓轩雨泽思远嘉豪晓东小雅诗瑶天佑振"
)
PLACES = (
    ("北京市", "朝阳区"), ("上海市", "浦东新区"), ("广东省深圳市", "南山区"), ("浙江省杭州市", "西湖区"),
    ("四川省成都市", "武侯区"), ("湖北省武汉市", "江汉区"), ("江苏省南京市", "鼓楼区"), ("重庆市", "渝中区"),
    ("福建省厦门市", "思明区"), ("陕西省西安市", "雁塔区"), ("山东省青岛市", "市南区"), ("天津市", "和平区"),
)  # fmt: skip
ROADS = (
    "中山路",
    "人民路",
    "解放大道",
    "建国路",
    "长江路",
    "学府街",
    "科技路",
    "世纪大道",
    "文三路",
    "滨江大道",
)
REGIONS = ("110105", "310101", "440305", "330106", "510107", "420103", "320106", "500103", "350203", "610113")
BINS = ("621700", "622848", "622202", "622588", "622700", "601382", "623058", "621226", "436742", "524094")

SENTENCES = {
    "cn_id": (
        "我的身份证号是{}，麻烦核对一下。",
        "身份证号码：{}",
        "乘客证件号{}已实名认证。",
        "请登记{}，谢谢。",
        "他报的号码是{}吗？",
        "姓名已登记，身份证{}，请勿外传",
        "ID：{}；有效期至2030年。",
        "（{}）是本人的证件",
    ),
    "phone": (
        "我的手机号是{}，请尽快联系。",
        "电话：{}",
        "打{}找我就行。",
        "联系方式{}，晚上七点后方便。",
        "快递员电话是{}，您可以直接联系。",
        "有事微信或{}",
        "客服回拨{}无人接听。",
        "预留手机{}与订单不符。",
    ),
    "card": (
        "银行卡号{}，开户行招商银行。",
        "请把钱打到{}。",
        "卡号是{}，户名一致。",
        "尾号不对，完整卡号：{}",
        "从{}扣款成功。",
        "我用{}这张卡付的款。",
        "绑定的储蓄卡{}已失效，请更换。",
        "退款至{}，预计3个工作日。",
    ),
    "person": (
        "我叫{}，想咨询一下信用卡的问题。",
        "收件人：{}，请放门口。",
        "请问{}在吗？",
        "{}先生您好，您的申请已经通过。",
        "昨天{}跟我说他要辞职。",
        "这份合同由{}签字。",
        "患者{}，男，45岁，因头痛入院。",
        "麻烦帮我转接{}经理。",
    ),
    "address": (
        "请把快递寄到{}。",
        "收货地址：{}",
        "我住在{}，请尽快送达。",
        "地址是{}，到了打电话。",
        "帮我把账单地址改成{}，谢谢。",
        "公司在{}，欢迎来访。",
        "他家的地址是{}吧？",
        "发货地{}，预计三天到。",
    ),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A text and its gold values: (entity, start, end)."""

    text: str
    gold: tuple[tuple[str, int, int], ...]


def samples(count: int, seed: int = 7) -> Iterator[Sample]:
    """``count`` sentences of each kind."""
    dice = random.Random(seed)
    for entity, sentences in SENTENCES.items():
        for _ in range(count):
            before, after = dice.choice(sentences).split("{}")
            value = _MAKE[entity](dice)
            yield Sample(before + value + after, ((entity, len(before), len(before) + len(value)),))


def cn_id(dice: random.Random) -> str:
    """Eighteen characters with the check digit of GB 11643, now and then in groups or full width."""
    day = f"{dice.randint(1950, 2008)}{dice.randint(1, 12):02}{dice.randint(1, 28):02}"
    body = dice.choice(REGIONS) + day + f"{dice.randint(1, 999):03}"
    total = sum(int(digit) * (1 << (17 - n)) % 11 for n, digit in enumerate(body))
    sign = "0123456789X"[(12 - total % 11) % 11]
    number = body + (sign if dice.random() < 0.8 else sign.lower())
    shape = dice.random()
    if shape < 0.1:
        return f"{number[:6]} {number[6:14]} {number[14:]}"
    return "".join(chr(ord(c) + 0xFEE0) for c in number) if shape < 0.2 else number


def phone(dice: random.Random) -> str:
    """A mobile number, plain, in groups or with the country's code; one in eight is a landline."""
    if dice.random() < 0.125:
        area = dice.choice(("010", "021", "0755", "0571", "028"))
        return f"{area}-{dice.randint(2, 8)}{dice.randint(0, 9_999_999):07}"
    number = f"1{dice.choice('3456789')}{dice.randint(0, 999_999_999):09}"
    return dice.choice(
        (
            number,
            number,
            f"{number[:3]}-{number[3:7]}-{number[7:]}",
            f"{number[:3]} {number[3:7]} {number[7:]}",
            f"+86 {number}",
            f"86-{number}",
        )
    )


def card(dice: random.Random) -> str:
    """A bank card of 16 or 19 digits with the check digit of Luhn, plain or in groups of four."""
    body = dice.choice(BINS)
    size = 16 if body[0] in "45" or dice.random() < 0.4 else 19
    body += "".join(dice.choice("0123456789") for _ in range(size - 7))
    doubled = [int(digit) * (2 - n % 2) for n, digit in enumerate(reversed(body))]
    total = sum(digit - 9 if digit > 9 else digit for digit in doubled)
    number = f"{body}{-total % 10}"
    if dice.random() < 0.3:
        return " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    return number


def person(dice: random.Random) -> str:
    """A surname and one or two characters."""
    return dice.choice(SURNAMES) + "".join(dice.sample(GIVEN, 1 if dice.random() < 0.3 else 2))


def address(dice: random.Random) -> str:
    """From the province or the city to the house, and often to the room."""
    city, district = dice.choice(PLACES)
    text = f"{city}{district}{dice.choice(ROADS)}{dice.randint(1, 999)}号"
    shape = dice.randrange(3)
    if shape == 1:
        text += f"{dice.randint(1, 30)}号楼{dice.randint(1, 6)}单元{dice.randint(101, 2503)}室"
    elif shape == 2:
        text += f"阳光花园{dice.randint(1, 30)}栋{dice.randint(101, 2503)}室"
    return text


_MAKE = {"cn_id": cn_id, "phone": phone, "card": card, "person": person, "address": address}
