"""What VOC says beside boxes: its own elements, and `<attributes>` for all that it has no element for.

`<attributes>` is CVAT's: `<attribute><name>colour</name><value>red</value></attribute>`. A value that is no text stands
there as JSON, and its <attribute> says so. What is not VOC's stands where readers do not look: several take an element
with an attribute of its own for no text at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from teppr.formats._json_lines import dumps
from teppr.formats._numbers import plain, whole_number
from teppr.formats._xml_tree import instruction_of, text_of

OF_IMAGES = ("folder", "path", "source", "owner", "segmented", "depth")
OF_OBJECTS = ("pose", "truncated", "difficult", "occluded", "part", "actions", "point")
"""Elements of VOC's own that are attributes here."""
_WHOLE = frozenset({"truncated", "difficult", "occluded", "segmented", "depth"})
"""Elements whose text is a whole number."""

_FILLED_IN = "teppr-filled-in"
"""Processing instruction that names the elements beside it that only readers of VOC expect: nobody said them."""

_TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_JSON = "json"


def value_of(element: Element) -> object:
    """Text, a whole number, or a dict of the elements inside, a list where one stands several times."""
    if len(element):
        inside: dict[str, object] = {}
        for child in element:
            _add(inside, child.tag, value_of(child))
        return inside
    text = text_of(element)
    number = whole_number(text) if element.tag in _WHOLE else None
    return number if number is not None and str(number) == text else text


def attributes_of(element: Element, taken: Collection[str]) -> dict[str, object]:
    """All that an element holds but `taken`, as attributes."""
    further: dict[str, object] = {}
    given: dict[str, object] = {}
    passed = {*taken, *instruction_of(element, _FILLED_IN).split()}
    for child in element:
        if child.tag == "attributes":
            _add_named(given, child)
        elif child.tag not in passed:
            _add(further, child.tag, value_of(child))
    return further | given if further.keys().isdisjoint(given) else further | {"attributes": given}


def _add(values: dict[str, object], name: str, value: object) -> None:
    if name not in values:
        values[name] = value
        return
    before = values[name]
    values[name] = [*before, value] if isinstance(before, list) else [before, value]


def _add_named(found: dict[str, object], attributes: Element) -> None:
    """CVAT's attributes; what has another form stands there as it is."""
    for child in attributes:
        value = child.find("value")
        if child.tag != "attribute" or value is None:
            _add(found, child.tag, value_of(child))
        elif child.get("type") == _JSON:
            _add(found, text_of(child.find("name")), _of_json(text_of(value)))
        else:
            _add(found, text_of(child.find("name")), text_of(value))


def _of_json(text: str) -> object:
    try:
        value: object = json.loads(text)
        return value
    except (ValueError, RecursionError):
        return text


class XmlWords:
    """Values as elements; `report` is called for every text that XML cannot hold as it is."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report

    def leaf(self, tag: str, value: object) -> str:
        """One element with a text."""
        text = str(plain(value) if isinstance(value, float) else value)
        if _NOT_IN_XML.search(text):
            self._report("character that XML cannot hold, replaced by U+FFFD")
            text = _NOT_IN_XML.sub("\ufffd", text)
        keep = ' xml:space="preserve"' if text != text.strip() else ""
        return f"<{tag}{keep}>{escape(text, {chr(13): '&#13;'})}</{tag}>"

    def filled_in(self, values: Mapping[str, object]) -> str:
        """Elements that only readers of VOC need."""
        leaves = "".join(self.leaf(tag, value) for tag, value in values.items())
        return f"<?{_FILLED_IN} {' '.join(values)}?>{leaves}"

    def attributes(self, values: Mapping[str, object], own: Collection[str], where: str) -> Iterator[str]:
        """Elements for all attributes, VOC's own where they say the same again when they are read."""
        further = []
        for name, value in values.items():
            if name in own and reads_the_same(name, value):
                yield from self._elements(name, value)
            elif isinstance(value, str):
                further.append(f"<attribute>{self.leaf('name', name)}{self.leaf('value', value)}</attribute>")
            else:
                text = dumps(value, where).decode()
                named = f"{self.leaf('name', name)}{self.leaf('value', text)}"
                further.append(f'<attribute type="{_JSON}">{named}</attribute>')
        if further:
            yield f"<attributes>{''.join(further)}</attributes>"

    def _elements(self, tag: str, value: object) -> Iterator[str]:
        if isinstance(value, list):
            for each in value:
                yield from self._elements(tag, each)
        elif isinstance(value, Mapping):
            inside = "".join(element for name, each in value.items() for element in self._elements(name, each))
            yield f"<{tag}>{inside}</{tag}>"
        else:
            yield self.leaf(tag, value)


def reads_the_same(tag: str, value: object) -> bool:
    """Whether an element of VOC's own that says a value is read as that value again."""
    if isinstance(value, str):
        return tag not in _WHOLE or str(whole_number(value)) != value
    if isinstance(value, list):
        return len(value) > 1 and not any(isinstance(each, list) or not reads_the_same(tag, each) for each in value)
    if isinstance(value, Mapping):
        inside = [isinstance(name, str) and _TAG.fullmatch(name) is not None for name in value]
        return bool(inside) and all(inside) and all(reads_the_same(name, each) for name, each in value.items())
    return type(value) is int and tag in _WHOLE and whole_number(str(value)) == value
