"""Answers of cssselect and lxml: which elements of a document a selector finds.

Standard input: {"documents": [text, ...], "selectors": [text, ...]} as JSON. Each element has an
attribute "n". Standard output: for each document a list, for each selector the list of "n", or null
where cssselect does not know the selector, or makes a query of it that lxml does not take.
"""
import json
import sys

from cssselect import HTMLTranslator, SelectorError
from lxml import etree, html

translator = HTMLTranslator()


def query_of(selector):
    try:
        return translator.css_to_xpath(selector)
    except SelectorError:
        return None


def answer(root, query):
    try:
        return query and [e.get("n") for e in root.xpath(query)]
    except etree.XPathError:
        return None


def answers(text, queries):
    root = html.document_fromstring(text).getroottree()
    return [answer(root, query) for query in queries]


asked = json.load(sys.stdin)
queries = [query_of(selector) for selector in asked["selectors"]]
json.dump([answers(text, queries) for text in asked["documents"]], sys.stdout)
