"""Reading what the bridge answered to an inbound text, as the carrier would."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Final

from smsbridge.simulator.dialect import BadAnswer, Reply

MAX_REPLIES: Final = 10
_XML_TYPES: Final = ("text/xml", "application/xml", "text/html")


def read_answer(content_type: str, body: bytes) -> Sequence[Reply] | BadAnswer:
    """The texts that the answer asks for. A `text/plain` answer *is* a text to the phone."""
    text = body.decode("utf-8", "replace").strip()
    if not text:
        return ()
    if content_type == "text/plain":
        return (Reply(text=text),)
    if content_type not in _XML_TYPES:
        return BadAnswer(code=12300, reason=f"an answer of type {content_type or 'none'} is no TwiML")
    if "<!DOCTYPE" in text:  # it could define entities that grow without bound
        return BadAnswer(code=12100, reason="the answer declares a document type")
    try:
        root = ET.fromstring(text)  # noqa: S314 -- without a document type there are no entities to define
    except ET.ParseError as error:
        return BadAnswer(code=12100, reason=f"the answer is no XML: {error}")
    if root.tag != "Response":
        return BadAnswer(code=12102, reason=f"the answer's root is <{root.tag}>, not <Response>")
    replies = [_read_message(element) for element in root.iter("Message")]
    if len(replies) > MAX_REPLIES:
        return BadAnswer(code=14109, reason=f"more than {MAX_REPLIES} <Message> in one answer")
    return [reply for reply in replies if reply.text or reply.media_urls]


def _read_message(element: ET.Element) -> Reply:
    texts = [element.text or "", *(body.text or "" for body in element.iter("Body"))]
    media = tuple((medium.text or "").strip() for medium in element.iter("Media"))
    return Reply(text="".join(texts).strip(), media_urls=tuple(url for url in media if url))
