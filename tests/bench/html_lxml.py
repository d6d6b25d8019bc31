# What html.lua measures, with lxml: it prints "parse queries" in microseconds of CPU. The selectors are
# those of html.lua as cssselect translates them.
#   python3 tests/bench/html_lxml.py FILE
import sys
import time

from lxml import etree

with open(sys.argv[1], "rb") as file:
    text = file.read()
parser = etree.HTMLParser(encoding="utf-8")


def has(name):
    return "@class and contains(concat(' ', normalize-space(@class), ' '), ' %s ')" % name


QUERIES = [
    "//title/text()", "//a/@href", "//li[@class]", "//li[contains(@class, 'sale')]//a/text()",
    "count(//img)", "//*[@id='main']/ul/li[position() < 10]", "//table//tr/td[1]/text()",
    "//span[@data-cents > 2000]",
    "descendant-or-self::ul[%s]/li[%s]" % (has("items"), has("sale")),
    "descendant-or-self::*[@id = 'main']/descendant-or-self::*/p/descendant-or-self::*/b",
    "descendant-or-self::a[(%s) and (@href and starts-with(@href, '/item/5'))]" % has("title"),
    "descendant-or-self::td/following-sibling::*[(name() = 'td') and (position() = 1)]",
]


def best(f):
    least = 1e9
    for _ in range(10):
        before = time.process_time()
        for _ in range(20):
            f()
        least = min(least, (time.process_time() - before) / 20)
    return int(least * 1e6)


def parse():
    return etree.fromstring(text, parser)


def queries():
    page = parse()
    for query in QUERIES:
        page.xpath(query)


print(best(parse), best(queries))
