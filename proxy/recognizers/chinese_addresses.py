"""Chinese addresses by how they are written, from the large to the small: 省 市 区 路 号 栋 单元 室.

For a build without networks, and beside them: what a network cuts in two is whole here.

May import: the standard library. The rule that must stay true: a place without a number of a house is no
address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_HAN = "[㐀-鿿]"
_NUMERAL = "[0-9０-９A-Za-z一二三四五六七八九十百]"
_PROVINCES = (
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西"
    "|甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
)
_REGION = f"{_HAN}{{1,7}}?(?:省|自治区|特别行政区|自治州|市|区|县|州|盟|旗|镇|乡|街道|开发区)"
_STREET = (
    f"(?:{_HAN}|[0-9]){{1,10}}?(?:路|街|大道|大街|道|巷|弄|胡同|里|村|社区|小区|花园|家园|公寓|大厦|广场|新村|苑|城|中心|园)"
    "(?:[东西南北中]?[一二三四五六七八九十]?(?:段|路|街))?"
)
_HOUSE = (
    f"(?:附近)?[甲乙丙丁]?{_NUMERAL}{{1,6}}(?:[-之]{_NUMERAL}{{1,5}})?"
    "(?:号院|号楼|号房|号|弄|栋|幢|座|单元|层|楼|室|房|户|组)"
)
_PART = f"(?:{_HOUSE}|{_HAN}{{2,8}}?(?:小区|花园|家园|公寓|大厦|广场|苑|楼|座)|[0-9]{{2,4}}(?![0-9]))"
_BEGINS = f"(?:(?<!{_HAN})|(?<=[在到至是为于址往寄送住家])|(?={_PROVINCES}))"
ADDRESS = re.compile(
    f"{_BEGINS}(?:{_REGION}[ ,，]?){{0,5}}(?:{_STREET}[ ,，]?){{1,3}}{_HOUSE}(?:[ ,，]?{_PART}){{0,6}}"
)
_CUE = re.compile("[^省市区县路街号0-9]{0,10}(?:[在到至是于往住]|地址为?)")
"""What leads to an address in a sentence and is none of it."""

_HOUSES = frozenset("号弄栋幢座单层楼室房户组")

LEAKS = (
    ("我住在北京市朝阳区建国路88号院3号楼2单元1501室。", "北京市朝阳区建国路88号院3号楼2单元1501室"),
    ("地址：广东省深圳市南山区科技园科苑路15号", "广东省深圳市南山区科技园科苑路15号"),
    ("请寄到上海市浦东新区世纪大道1501弄6栋302室，谢谢", "上海市浦东新区世纪大道1501弄6栋302室"),
    ("收货地址是杭州市西湖区文三路478号华星时代广场A座", "杭州市西湖区文三路478号华星时代广场A座"),
)
PASSES = (
    "我在北京市工作",
    "他走了三条路",
    "广东省的经济",
    "第3号文件",
    "2024年1月5号",
    "一路走好",
    "坐地铁2号线",
)


def addresses(text: str) -> Iterator[tuple[int, int]]:
    """Where addresses stand in a text: [start, end), in their order."""
    if not _HOUSES.intersection(text):  # spares the search in text of other languages
        return
    for match in ADDRESS.finditer(text):
        cue = _CUE.match(match[0])
        yield match.start() + (cue.end() if cue else 0), match.end()
