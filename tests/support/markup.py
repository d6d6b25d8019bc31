# What html5lib and lxml make of the texts of a JSON list, as JSON: of each two lists of elements in the
# order of the document, "depth name attributes|text".
#   python3 tests/support/markup.py FILE
import json
import sys

import html5lib
from lxml import etree

PREFIXES = {
    "{http://www.w3.org/1999/xlink}": "xlink:",
    "{http://www.w3.org/XML/1998/namespace}": "xml:",
    "{http://www.w3.org/2000/xmlns/}": "xmlns:",
}


def attribute(name):
    for space, prefix in PREFIXES.items():
        if name.startswith(space):
            return prefix + name[len(space):]
    return name


def content(element):
    parts = [element.text or ""] if isinstance(element.tag, str) else []
    for child in element:
        parts.append(content(child))
        parts.append(child.tail or "")
    return "".join(parts)


def rows(element, depth=0):
    if isinstance(element.tag, str):
        attributes = sorted("%s=%s" % (attribute(k), v) for k, v in element.attrib.items())
        name = element.tag.rpartition("}")[2]
        yield "%d %s %s|%s" % (depth, name, " ".join(attributes), content(element))
        for child in element:
            yield from rows(child, depth + 1)


def html5(text):
    return list(rows(html5lib.parse(text, treebuilder="etree", namespaceHTMLElements=False)))


def lxml(text):
    try:
        root = etree.fromstring(text.encode(), etree.HTMLParser(encoding="utf-8"))
    except etree.ParserError:  # an empty document
        root = None
    return [] if root is None else list(rows(root))


with open(sys.argv[1]) as file:
    texts = json.load(file)
print(json.dumps([{"html5": html5(text), "lxml": lxml(text)} for text in texts]))
