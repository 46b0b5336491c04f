"""How well the recognizers find names, and what they cost: ``python benchmarks/ner.py DATA_DIR``.

DATA_DIR holds ``pii/synth_dataset_v2.json`` (presidio-research, MIT), ``ner/emerging.test.annotated``
(WNUT 2017 test, CC BY 4.0) and ``crosswoz/*_db.json`` (Apache-2.0); none of these was trained on.
The Chinese chat sentences are made here: names from common surnames and given-name characters, and
addresses both made up and taken from CrossWOZ.

touched: gold entities that overlap a found entity of any kind (what a masker needs). own kind: that
overlap one of their own kind (place and address count as one family here: a city stands in an address).
precision: found entities that overlap a gold entity of any kind; strict: of their own kind.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.recognizers import Entity, Recognizers, open_recognizers

Gold = tuple[int, int, str]
SYNTH = {"PERSON": "person", "STREET_ADDRESS": "address", "GPE": "place", "ORGANIZATION": "organisation"}
WNUT = {"person": "person", "location": "place", "corporation": "organisation", "group": "organisation"}
FAMILY = {"place": "address", "ZIP_CODE": "address"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A text and its gold entities; kinds that are not ours keep the name their set gives them."""

    text: str
    gold: tuple[Gold, ...]


def synth(path: Path) -> Iterator[Sample]:
    """The presidio-research set."""
    for record in json.loads(path.read_text("utf-8")):
        gold = [(s["start_position"], s["end_position"], s["entity_type"]) for s in record["spans"]]
        yield Sample(record["full_text"], tuple((a, b, SYNTH.get(kind, kind)) for a, b, kind in gold))


def wnut(path: Path) -> Iterator[Sample]:
    """The WNUT 2017 test set; tokens joined by blanks. Account handles are no names here: left out."""
    for block in path.read_text("utf-8").split("\n\n"):
        text, gold = "", list[Gold]()
        for line in block.splitlines():
            token, _, label = line.partition("\t")
            text += " " if text else ""
            kind = WNUT.get(label.strip()[2:], label.strip()[2:])
            if label.startswith("B"):
                gold.append((len(text), len(text) + len(token), kind))
            elif label.startswith("I") and gold:
                gold[-1] = (gold[-1][0], len(text) + len(token), gold[-1][2])
            text += token
        names = [one for one in gold if text[one[0]] != "@" and text[max(0, one[0] - 2) : one[0]] != "@ "]
        if text:
            yield Sample(text, tuple(names))


SURNAMES = (
    "王 李 张 刘 陈 杨 赵 黄 周 吴 徐 孙 胡 朱 高 林 何 郭 马 罗 梁 宋 郑 谢 韩 唐 冯 于 董 萧 程 曹 "
    "袁 邓 许 傅 沈 曾 彭 吕 苏 卢 蒋 蔡 贾 丁 魏 薛 叶 阎 余 潘 杜 戴 夏 钟 汪 田 任 姜 范 方 石 姚 "
    "谭 廖 邹 熊 金 陆 郝 孔 白 崔 康 毛 邱 秦 江 史 顾 侯 邵 孟 龙 万 段 雷 钱 汤 尹 黎 易 常 武 乔 "
    "贺 赖 龚 文 欧阳 司马 上官 诸葛"
)
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂英华玉兰萍飞鹏辉玲红梅燕鑫波宇浩凯健俊帆雪琳晨欣怡婷佳颖慧"
    "文博志国建海峰云龙春秋月子涵梓轩雨泽思远嘉豪晓东小雅诗瑶天佑振"
)
CITIES = (
    "北京市 上海市 天津市 重庆市 广州市 深圳市 杭州市 南京市 成都市 武汉市 西安市 苏州市 青岛市 "
    "长沙市 沈阳市 大连市 厦门市 宁波市 郑州市 济南市 福州市 合肥市 昆明市 哈尔滨市"
)
PROVINCES = (
    "广东省 浙江省 江苏省 四川省 湖北省 陕西省 山东省 湖南省 辽宁省 福建省 河南省 安徽省 云南省 河北省"
)
DISTRICTS = (
    "朝阳区 海淀区 浦东新区 天河区 南山区 西湖区 鼓楼区 武侯区 江汉区 雁塔区 姑苏区 市南区 岳麓区 "
    "和平区 中山区 思明区 鄞州区 金水区 历下区 台江区 蜀山区 五华区 道里区 徐汇区"
)
ROADS = (
    "中山路 人民路 解放路 建国路 长江路 南京路 和平路 文化路 学府路 科技路 幸福街 新华街 胜利街 "
    "环城南路 滨江大道 世纪大道 光明路 青年路 复兴路 金融街 花园路 工业大道 莲花南路 东风西路"
)
ESTATES = (
    "阳光花园 幸福小区 锦绣家园 翠湖花园 金色家园 万达广场 时代大厦 国际公寓 丽景苑 和平里 龙湖小区 紫金大厦"
)
PERSON_LINES = """我叫{p}，想咨询一下信用卡的问题。
您好，我是{p}，上周下的订单还没有收到。
请问{p}在吗？
收件人：{p}，电话13800138000。
姓名：{p}\n性别：女
{p}先生您好，您的申请已经通过。
昨天{p}跟我说他要辞职。
这份合同由{p}签字。
我老公{p}的生日是五月三日。
会议由{p}主持，{q}负责记录。
患者{p}，男，45岁，因头痛入院。
麻烦帮我转接{p}经理。
客户{p}投诉物流太慢。
{p}和{q}是大学同学。
张老师说{p}的作业没有交。
工资表里{p}的月薪是一万二。
谢谢{p}的帮助！
{p}住在我家楼上。
发件人{p}，请查收附件。
我的同事{p}明天出差。"""
ADDRESS_LINES = """请把快递寄到{a}。
我住在{a}，请尽快送达。
收货地址：{a}
我们公司在{a}，欢迎来访。
地址是{a}，电话是010-12345678。
他家的地址是{a}吧？
餐厅在{a}，人均消费80元。
帮我把账单地址改成{a}，谢谢。
姓名：{p}，地址：{a}
从{a}怎么坐地铁？
{p}现居{a}。
酒店位于{a}，评分4.5分。"""


class ChineseMaker:
    """Chat sentences with names and addresses. One seed, one set."""

    def __init__(self, seed: int, real: Sequence[str]) -> None:
        self.random = random.Random(seed)
        self.real = real

    def person(self) -> str:
        length = 1 if self.random.random() < 0.35 else 2
        return self.random.choice(SURNAMES.split()) + "".join(self.random.sample(GIVEN, length))

    def address(self) -> str:
        if self.real:
            return self.random.choice(self.real)
        pick = self.random.choice
        text = pick(PROVINCES.split()) if self.random.random() < 0.3 else ""
        text += pick(CITIES.split()) if self.random.random() < 0.85 else ""
        text += pick(DISTRICTS.split()) + pick(ROADS.split()) + f"{self.random.randint(1, 999)}号"
        shape = self.random.randrange(4)
        if shape == 1:
            number = self.random.randint
            text += f"{number(1, 30)}号楼{number(1, 6)}单元{number(101, 2503)}室"
        elif shape == 2:
            text += f"{pick(ESTATES.split())}{self.random.randint(1, 30)}栋{self.random.randint(101, 2503)}"
        elif shape == 3:
            text += f"{pick(ESTATES.split())}{pick('ABCD')}座{self.random.randint(2, 30)}层"
        return text

    def samples(self, lines: str, count: int) -> Iterator[Sample]:
        for _ in range(count):
            text, gold = "", list[Gold]()
            for part in self.random.choice(lines.split("\n")).replace("\\n", "\n").split("{"):
                if part[:2] in ("p}", "q}", "a}"):
                    value = self.address() if part[0] == "a" else self.person()
                    gold.append(
                        (len(text), len(text) + len(value), "address" if part[0] == "a" else "person")
                    )
                    text += value
                    part = part[2:]
                text += part
            yield Sample(text, tuple(gold))


def overlaps(start: int, end: int, others: Iterable[tuple[int, int]]) -> bool:
    return any(start < right and left < end for left, right in others)


def measure(title: str, samples: Sequence[Sample], recognizers: Recognizers, kinds: Sequence[str]) -> None:
    """Print a table for one set."""
    began = time.process_time()
    found = recognizers.recognize([sample.text for sample in samples])
    spent = time.process_time() - began
    count: Counter[tuple[str, str]] = Counter()
    for sample, entities in zip(samples, found, strict=True):
        _count_gold(sample, entities, count)
        _count_found(sample, entities, count)
    size = sum(len(sample.text) for sample in samples)
    pace = spent / size * 1e8
    print(f"\n{title}: {len(samples)} texts, {size} characters, {pace:.0f} us CPU per 100 characters")
    heads = ("gold", "touched", "own kind", "chars", "found", "precision", "strict")
    print(" " * 14 + "".join(f"{head:>10}" for head in heads))
    for kind in kinds:
        gold, seen = count[kind, "gold"] or 1, count[kind, "found"] or 1
        shares = [
            count[kind, "touched"] / gold,
            count[kind, "own"] / gold,
            count[kind, "covered"] / (count[kind, "chars"] or 1),
        ]
        exact = [count[kind, "right"] / seen, count[kind, "strict"] / seen]
        numbers = [count[kind, "gold"], *shares, count[kind, "found"], *exact]
        cells = (f"{number:>10.3f}" if isinstance(number, float) else f"{number:>10}" for number in numbers)
        print(f"{kind:14}{''.join(cells)}")


def _count_gold(sample: Sample, entities: Sequence[Entity], count: Counter[tuple[str, str]]) -> None:
    covered = {at for entity in entities for at in range(entity.start, entity.end)}
    for start, end, kind in sample.gold:
        own = [(e.start, e.end) for e in entities if FAMILY.get(e.kind, e.kind) == FAMILY.get(kind, kind)]
        solid = [at for at in range(start, end) if sample.text[at].isalnum()]
        count[kind, "gold"] += 1
        count[kind, "touched"] += overlaps(start, end, [(e.start, e.end) for e in entities])
        count[kind, "own"] += overlaps(start, end, own)
        count[kind, "chars"] += len(solid)
        count[kind, "covered"] += sum(at in covered for at in solid)


def _count_found(sample: Sample, entities: Sequence[Entity], count: Counter[tuple[str, str]]) -> None:
    for entity in entities:
        same = [g[:2] for g in sample.gold if FAMILY.get(g[2], g[2]) == FAMILY.get(entity.kind, entity.kind)]
        count[entity.kind, "found"] += 1
        count[entity.kind, "right"] += overlaps(entity.start, entity.end, [gold[:2] for gold in sample.gold])
        count[entity.kind, "strict"] += overlaps(entity.start, entity.end, same)


def missed(samples: Sequence[Sample], recognizers: Recognizers, kinds: Sequence[str]) -> None:
    """Print what was missed and what was found in error, to stderr."""
    for sample, entities in zip(samples, recognizers.recognize([s.text for s in samples]), strict=True):
        spans = [(e.start, e.end) for e in entities]
        lost = [sample.text[a:b] for a, b, kind in sample.gold if kind in kinds and not overlaps(a, b, spans)]
        gold = [g[:2] for g in sample.gold]
        extra = [
            (e.kind, sample.text[e.start : e.end]) for e in entities if not overlaps(e.start, e.end, gold)
        ]
        if lost or extra:
            sys.stderr.write(f"{sample.text!r}\n    missed {lost}  extra {extra}\n")


def crosswoz_addresses(folder: Path) -> list[str]:
    """The addresses of the hotels, restaurants and sights; those that name a road or a house."""
    found: set[str] = set()
    for name in ("hotel", "restaurant", "attraction"):
        for _, entry in json.loads((folder / f"{name}_db.json").read_text("utf-8")):
            address = str(entry.get("地址") or "")
            if 6 <= len(address) <= 40:
                found.add(address)
    return sorted(found)


def alarms(title: str, texts: Sequence[str], recognizers: Recognizers) -> None:
    """How many entities are found in ordinary text (some of them are real)."""
    count: Counter[str] = Counter(e.kind for entities in recognizers.recognize(texts) for e in entities)
    size = sum(map(len, texts))
    rates = "  ".join(f"{kind} {number / size * 1000:.2f}" for kind, number in sorted(count.items()))
    print(f"\n{title}: {size} characters, found per 1000 characters: {rates}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--sample", type=int, default=0, help="only so many texts of each set, picked with a fixed seed"
    )
    parser.add_argument(
        "--errors", choices=("synth", "wnut", "zh", "crosswoz"), help="print what was missed in one set"
    )
    args = parser.parse_args()
    recognizers = open_recognizers(threads=1, gpu=False)
    made = ChineseMaker(11, ())
    real = ChineseMaker(12, crosswoz_addresses(args.data / "crosswoz"))
    every = ("person", "address", "place", "organisation")
    sets = {
        "synth": (
            "English, presidio-research synth v2",
            list(synth(args.data / "pii/synth_dataset_v2.json")),
            every,
        ),
        "wnut": (
            "English, WNUT 2017 test (tweets)",
            list(wnut(args.data / "ner/emerging.test.annotated")),
            (*every[:1], *every[2:]),
        ),
        "zh": (
            "Chinese, made chat",
            [*made.samples(PERSON_LINES, 1000), *made.samples(ADDRESS_LINES, 1000)],
            every[:2],
        ),
        "crosswoz": (
            "Chinese, CrossWOZ addresses in made chat",
            list(real.samples(ADDRESS_LINES, 1000)),
            every[:2],
        ),
    }
    for name, (title, samples, kinds) in sets.items():
        if args.sample:
            samples = random.Random(0).sample(samples, min(args.sample, len(samples)))
        if args.errors in (None, name):
            measure(title, samples, recognizers, kinds)
        if args.errors == name:
            missed(samples, recognizers, kinds)
    if args.errors is None:
        chinese = json.loads((args.data / "llama_factory/alpaca_zh_demo.json").read_text("utf-8"))[:200]
        english = json.loads((args.data / "llama_factory/alpaca_en_demo.json").read_text("utf-8"))[:200]
        alarms("Chinese, instruction tuning answers", [one["output"] for one in chinese], recognizers)
        alarms("English, instruction tuning answers", [one["output"] for one in english], recognizers)


if __name__ == "__main__":
    main()
