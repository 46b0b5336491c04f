"""Plain writing, from which the model of ``language`` counts its pairs.

May import: nothing. The rule that must stay true: all of it was written for this file, so that no one
else's text is shipped, and nothing in it is about anyone.
"""

from __future__ import annotations

ENGLISH = """
The river had been rising for three days when the men from the lower farms came up to the mill. They
brought rope, two boats and a lantern, and they stood in the yard without saying much. "It will come
over the wall before morning," the oldest of them said, "and then there is nothing more that any of us
can do." Nobody answered him. Inside the house the children were asleep, and their mother was packing
bread, blankets and the few things she thought worth saving into a large wooden chest.

If you would like to change the address of your order, please let us know within one day. Our team
checks every request by hand, so it may take a few hours until you hear from us. You can also call the
number that is printed on your invoice; someone will be there from eight in the morning until six in the
evening. We are sorry for the trouble, and we hope that the next delivery will arrive on time. Thank you
for your patience and for being our customer.

There are several reasons why a small company should keep its own records. First, it makes the yearly
report much easier. Second, a good record shows which products are really making money and which of them
only look as though they did. Third, when questions come up later, people often remember what happened
in different ways. A simple table with the date, the amount, and a short note is usually enough. What
matters most is that it is kept up, week after week, by one person who knows how to do it.

Water boils when its vapour pressure equals the pressure of the air above it. High in the mountains the
air is thinner, so that water boils at a lower temperature, and potatoes take longer to cook. The same
effect can be used the other way round: in a closed pot the pressure goes up, the water gets hotter than
usual, and the meal is ready in less time. This is one of those examples that students like because they
can try it themselves.

Employees must not share their passwords with anyone, including members of the support group. Where an
account is used by more than one person, the manager of the department should ask for a separate one.
Any exception has to be approved in writing and is valid for no longer than thirty days. Refunds above
the limit need a second signature. Information about customers is confidential; it may be given only to
those who need it for their work, and never over the phone. Please report every loss of a key, a card or
a computer at once.

She opened the window and looked down at the street. It was quiet now, except for a dog that was barking
somewhere behind the church. "What do you think he wanted?" she asked. "I do not know," her brother
said, "but he looked as if he had been walking all night." He put the letter back on the table, face
down, and went to make some coffee. Neither of them believed that it was only about the house. Could it
be that their father had known? They had always been told that he left because of his health, and they
had never asked again.

To install the program, download the file for your system and open it. On the first start it creates a
folder with the settings and asks for a name. You should see a window with two columns: on the left your
projects, on the right the tasks that belong to the chosen one. Click on a task to change it, or drag it
to another place in the list. When something goes wrong, the message at the bottom of the screen tells
you what to try next. Most problems can be solved by closing the program and starting it again; if not,
write to us and we will help.

Early cities grew where two roads met or where a river could be crossed. Merchants came to trade wool,
salt, iron and spices, and with them came people who could build, bake, weave or write. Within a few
hundred years some of these places were larger than the capitals of kings. Their councils made laws,
raised taxes and built walls. Others disappeared, because the harbour filled with sand, the mines were
empty, or the war moved everything of value away. Today only the names of the streets remind us of what
was once sold there.

Regular exercise improves the function of the heart and the lungs, helps you to sleep, and reduces the
risk of many diseases. It does not have to be hard: half an hour of walking, five times a week, is a
very good beginning. Eat plenty of vegetables, fruit and whole grains, drink enough water, and try to
avoid too much sugar. If you have not been active for a long time, or if you feel pain, speak with your
doctor before you start. Above all, choose something you enjoy, since a habit that gives pleasure is the
one you will keep.

The average price of the product was higher than expected during the last quarter. Growth in the
northern region was strong, while sales in the south were slightly below those of the previous year.
Management believes that the new agreement with the suppliers will lower costs by the end of the period.
Interest payments, on the other hand, are likely to increase. The board has therefore decided to review
the budget, to delay the purchase of additional equipment, and to publish a revised forecast in the
autumn. Questions about this document can be sent to the finance office.

My grandmother used to say that you should never trust a recipe you have not tried yourself. Mix the
flour with the butter and a pinch of salt, add two eggs, and knead the dough until it is smooth. Let it
rest in a cool place for about an hour. Meanwhile slice the apples, squeeze a little lemon over them,
and stir in the cinnamon. Roll the dough thin, lay it into the form, fill it, fold the edges over, and
bake it for forty minutes or so. It tastes best while it is still warm, with cream and a cup of black
tea.

In this paper we describe a method for finding objects in images which works with very few examples. Our
approach learns a general representation first and adapts it quickly afterwards. Experiments on several
public data sets show that the accuracy is comparable to that of much larger models, although the
training requires less than a tenth of the computation. We also discuss where the method fails: objects
that overlap, unusual lighting, and labels that were wrong to begin with. Possible extensions include
video, sound, and the combination of both.

Dear Mr. Young, we have received your application and would be happy to meet you. Would next Thursday at
two o'clock be convenient? Please bring your certificates with you, as well as the names of two people
who know your work. The interview will take about an hour; after that, my colleague will show you around
the building. If you cannot come, just give us a quick call, and we'll find another day. I am looking
forward to hearing from you. Yours sincerely, on behalf of the whole group.
"""
"""Paragraphs of several kinds: story, letter, rule, manual, report, recipe. For pairs of letters."""

HAN = """
我们 你们 他们 她们 咱们 人们 自己 大家 别人 这个 那个 一个 两个 几个 每个 各个 某个 这些 那些 一些
有些 这样 那样 怎样 怎么 什么 为什么 这里 那里 哪里 这是 那是 就是 不是 还是 只是 但是 可是 都是
也是 而是 于是 是否 如果 因为 所以 由于 因此 虽然 然而 而且 并且 或者 以及 不仅 甚至 例如 比如 包括
通过 根据 按照 关于 对于 为了 除了 随着 作为 成为 认为 可以 可能 能够 应该 应当 需要 必须 不能 不会
不要 不得 不同 不断 没有 已经 曾经 正在 将会 一直 一定 一样 一般 一种 一次 一起 一方 一下 一点 非常
十分 特别 更加 比较 最后 最大 最好 首先 其次 其中 其他 另外 此外 之间 之后 之前 之一 以上 以下 以后
以前 以来 时候 时间 时代 今天 明天 昨天 今年 去年 每天 每年 现在 目前 当时 同时 经常 往往 进行 使用
利用 提供 提高 提出 进入 得到 获得 取得 实现 实际 发展 发现 发生 发展 产生 产品 生产 生活 生命 工作
工程 工具 公司 企业 客户 用户 员工 部门 管理 服务 系统 问题 情况 方面 方法 方式 方案 办法 结果 效果
影响 作用 关系 原因 条件 要求 需求 目标 计划 项目 内容 信息 数据 资料 文件 技术 科学 研究 学习 学生
学校 教育 老师 孩子 父母 朋友 家庭 社会 国家 中国 世界 城市 地方 地区 政府 经济 政治 文化 历史 环境
市场 价格 银行 账户 金额 费用 电话 地址 先生 女士 小姐 您好 你好 谢谢 请问 请您 对不 不起 知道 觉得
希望 喜欢 开始 结束 继续 完成 选择 决定 解决 帮助 支持 保护 保持 增加 减少 改变 改善 建议 建立 注意
重要 主要 必要 基本 简单 复杂 容易 困难 健康 身体 食物 饮食 运动 活动 机会 能力 水平 质量 安全 风险
成本 部分 全部 所有 许多 很多 多少 更多 大量 大学 大概 小时 分钟 分析 分为 人类 人员 人民 人工 智能
机器 模型 语言 文章 文字 故事 作者 作品 音乐 艺术 设计 程序 代码 网络 网站 电脑 手机 软件 直接 相关
相信 相同 具有 具体 还有 只有 所谓 无法 难以 起来 出来 下来 过来 回来 看到 听到 遇到 受到 达到 来到
来说 来自 的人 的是 的话 的时 了一 是一 在一 有一 这一 那一 中的 上的 里的 们的 己的 人的 年的 国的
新的 大的 好的 同的 要的 有的 者的 性的 。我 。他 。这 。在 。如 。但 ，我 ，他 ，这 ，但 ，并 ，而
，也 ，就 ，可 ，以 ，在 ，不 ，因 ，所 ，如 了。 的。 了， 的， 吗？ 呢？ 吧。 时， 后， 中， 上，
者， 年， 、和 一、 二、 也不 都不 并不 而不 就会 都会 也会 都有 也有 会有 要在 是在 还在 不到 不了
不可 到了 有了 为了 成了 出了 过了 对了 给我 给您 让我 让人 使得 使人 您的 我的 你的 他的 她的 它们
它的 其实 实在 当然 当我 当你 从而 从小 自然 自由 自动 完全 安排 按时 及时 即使 尽管 只要 只能 才能
就能 都能 也能 人们 同学 同样 一边 一家 一名 一位 一只 一条 一天 一年 一切 个人 个月 几年 多年 年代
年轻 月份 日常 星期 上午 下午 晚上 早上 附近 旁边 里面 外面 酒店 景点 餐厅 门票 推荐 预订 评分 人均
消费 地铁 订单 商品 快递 退款 退货 支付 密码 登录 申请 办理 审批 规定 合同 负责 经理 主管 内部 保密
机密
"""
"""Words and joints of words that are common in Chinese and mean nothing read backwards."""
