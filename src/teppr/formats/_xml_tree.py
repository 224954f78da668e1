"""XML documents of bounded size as trees whose elements know their line; no entities, nothing fetched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from teppr.errors import BadFile

MOST_BYTES = 64_000_000
"""A file of one image's regions is not larger."""
_DEEPEST = 50
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


class _Lined(Element):
    line: int = 0
    instructions: Mapping[str, str] = MappingProxyType({})


class _Builder(TreeBuilder):
    def __init__(self) -> None:
        super().__init__(element_factory=_Lined)
        self._parser = DefusedXMLParser(target=self)
        self._open: list[Element] = []

    def build(self, document: bytes) -> Element:
        """The root of a document, whole in one go."""
        try:
            self._parser.feed(document)
            return self._parser.close()
        finally:
            # The two hold each other, and one after the other would wait for the collector.
            del self._parser

    def start(self, tag: str, attrs: dict[str, str]) -> Element:
        if len(self._open) == _DEEPEST:
            raise ValueError(f"elements must not be nested deeper than {_DEEPEST}")
        element = super().start(tag, attrs)
        if isinstance(element, _Lined):
            element.line = self._parser.parser.CurrentLineNumber
        self._open.append(element)
        return element

    def end(self, tag: str) -> Element:
        self._open.pop()
        return super().end(tag)

    def pi(self, target: str, text: str | None = None) -> Element:
        if self._open and isinstance(element := self._open[-1], _Lined):
            element.instructions = {**element.instructions, target: text or ""}
        return super().pi(target, text)


def parse_xml(path: Path) -> Element:
    """The root of a document; raises BadFile, saying the line, for what is no XML or declares entities."""
    try:
        if (size_bytes := path.stat().st_size) > MOST_BYTES:
            raise BadFile(f"an XML file may have {MOST_BYTES} bytes, got {size_bytes} in {path}")
        return _Builder().build(path.read_bytes())
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror or error}") from error
    except DefusedXmlException as error:
        raise BadFile(f"an XML file must not declare entities, which can be made to fill the memory: {path}") from error
    except ParseError as error:
        raise BadFile(f"{path} is no XML: {error}") from error
    except (ValueError, LookupError) as error:
        # Encodings that are unknown, or that the parser cannot take; the limit of depth.
        raise BadFile(f"{path} is no XML that can be read: {error}") from error


def line_of(element: Element) -> int:
    """The line on which an element begins, from 1; 0 for one that was not read from a file."""
    return element.line if isinstance(element, _Lined) else 0


def instruction_of(element: Element, target: str) -> str:
    """What a processing instruction `<?target ...?>` directly within an element says; "" for none."""
    return element.instructions.get(target, "") if isinstance(element, _Lined) else ""


def text_of(element: Element | None) -> str:
    """What an element says, without the spaces around it unless it asks to keep them; "" for none."""
    if element is None or element.text is None:
        return ""
    return element.text if element.get(_SPACE) == "preserve" else element.text.strip()
