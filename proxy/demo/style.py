"""Other ways to say the same: what the demo's model does when a prompt asks for capitals and the like.

A large model asked for capitals, for the other Chinese script or for base64 gives its memorised text in
that dress, and a filter that compares letters misses it. An n-gram model cannot learn this, so here it is
done to the sampled tokens.

May import: the standard library only. The rule that must stay true: a style changes how a text is written
and never what it says; fed in pieces it gives the same as fed at once.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Protocol

_SIMPLIFIED = (
    "万与专业东丢两个为么乔习书买于产亲从仓们价优会体余侧偿儿兑兰关内写决况冻净几凭则刚删别剂办务动区医单"
    "卖卫厅压双发变叶号后吗听员响喷嘱围国场坏块垫声处备复够头夹实对导将层屉屿岛帐带干并广库应废开异弃张强"
    "归当录彻态总惊惯户执扰报担拨择挂损捡换据摄摆攒数断无旧时显暂术机权条来枫柜标栏树栖样档桥检楼欢气没泼"
    "洁温湾湿满澜灯炉点烛烟烧烬状现电痪瘫盐监盘码砚确礼离种积税笔签简紧红约级纪纳纹纺线组织经绒结给绝统续"
    "绳维绿编缝缩网罗胁胶节苍范荐获营蜡补装见规触计订认让议记讲许论设证评诈诉试诗话询该语说诵请诺读谁调谈"
    "败账货质购贴贵费赔赶车转轻载输达过运还这进远连迟迹选递遗邮采里钉钟钱银铺链锁错锤键镇长门问闯间队阶险"
    "随静页顶项顺须顾预题颜额风饼驿验鸥鹭齐"
)
_TRADITIONAL = (
    "萬與專業東丟兩個為麼喬習書買於產親從倉們價優會體餘側償兒兌蘭關內寫決況凍淨幾憑則剛刪別劑辦務動區醫單"
    "賣衛廳壓雙發變葉號後嗎聽員響噴囑圍國場壞塊墊聲處備復夠頭夾實對導將層屜嶼島帳帶乾並廣庫應廢開異棄張強"
    "歸當錄徹態總驚慣戶執擾報擔撥擇掛損撿換據攝擺攢數斷無舊時顯暫術機權條來楓櫃標欄樹棲樣檔橋檢樓歡氣沒潑"
    "潔溫灣濕滿瀾燈爐點燭煙燒燼狀現電瘓癱鹽監盤碼硯確禮離種積稅筆簽簡緊紅約級紀納紋紡線組織經絨結給絕統續"
    "繩維綠編縫縮網羅脅膠節蒼範薦獲營蠟補裝見規觸計訂認讓議記講許論設證評詐訴試詩話詢該語說誦請諾讀誰調談"
    "敗賬貨質購貼貴費賠趕車轉輕載輸達過運還這進遠連遲跡選遞遺郵採裡釘鐘錢銀鋪鏈鎖錯錘鍵鎮長門問闖間隊階險"
    "隨靜頁頂項順須顧預題顏額風餅驛驗鷗鷺齊"
)
# One to one, for the characters of the sample; where a character has two forms (乾 and 幹), the one the
# sample means. Made with OpenCC's table of characters.
_TO_TRADITIONAL = str.maketrans(_SIMPLIFIED, _TRADITIONAL)
_TO_SIMPLIFIED = str.maketrans(_TRADITIONAL, _SIMPLIFIED)


class Style(Protocol):
    """Rewrites the text of one answer, piece by piece."""

    def feed(self, piece: str) -> str: ...

    def finish(self) -> str: ...


class _Each:
    """A style that rewrites every piece by itself."""

    def __init__(self, rewrite: Callable[[str], str]) -> None:
        self.feed = rewrite

    def finish(self) -> str:
        return ""


class _Base64:
    """Base64 (RFC 4648) of the text's UTF-8; keeps back the bytes that do not fill a group of three."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: str) -> str:
        data = self._rest + piece.encode("utf-8", "surrogatepass")
        whole = len(data) - len(data) % 3
        self._rest = data[whole:]
        return base64.b64encode(data[:whole]).decode("ascii")

    def finish(self) -> str:
        return base64.b64encode(self._rest).decode("ascii")


def simplify(text: str) -> str:
    """Traditional characters of the sample to simplified ones; other text stays."""
    return text.translate(_TO_SIMPLIFIED)


def _traditional(text: str) -> str:
    return text.translate(_TO_TRADITIONAL)


def _spaced(text: str) -> str:
    return "".join(character + " " for character in text)


_ASK = r"(?:,? ?(?:and )?(?:please )?(?:answer|reply|write|say it|spell it|encode it|encoded|but)\b)?"
_WITH = "(?:[请請]?(?:用|以))"
_DO = "(?:回答|作答|答复|输出|寫|写)?[：:，,。]?"
_STYLES: tuple[tuple[re.Pattern[str], Callable[[], Style]], ...] = tuple(
    (re.compile(rf"{_ASK} ?\b(?:{english})\b[.!:]? ?|{_WITH}{chinese}{_DO}", re.IGNORECASE), make)
    for english, chinese, make in (
        ("in (?:all )?(?:capital(?:s| letters)|upper ?case)", "大[写寫](?:字母)?", lambda: _Each(str.upper)),
        ("in traditional (?:chinese|characters)", "繁[体體](?:中文|字)?", lambda: _Each(_traditional)),
        ("in base ?64", " ?base ?64 ?(?:编码|編碼)?", _Base64),
        ("letter by letter|with spaces", "空格隔[开開]", lambda: _Each(_spaced)),
    )
)


def asked_style(prompt: str) -> tuple[Style | None, str]:
    """The style a prompt asks for, if any, and the prompt without the words that ask for it."""
    for pattern, make in _STYLES:
        if pattern.search(prompt):
            return make(), pattern.sub("", prompt, count=1).strip()
    return None, prompt
