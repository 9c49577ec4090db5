"""The REST API: one module for each resource, ending with its ENDPOINTS; models.py says what is taken and given."""

from __future__ import annotations

from typing import Final

from smsbridge.web.api import (
    agents,
    arrivals,
    attachments,
    causes,
    contacts,
    dead_letters,
    dispositions,
    interactions,
    messages,
    notices,
    numbers,
    presence,
    search,
    senders,
    standard_responses,
)

ENDPOINTS: Final = (
    *messages.ENDPOINTS,
    *interactions.ENDPOINTS,
    *presence.ENDPOINTS,
    *contacts.ENDPOINTS,
    *search.ENDPOINTS,
    *numbers.ENDPOINTS,
    *attachments.ENDPOINTS,
    *notices.ENDPOINTS,
    *agents.ENDPOINTS,
    *standard_responses.ENDPOINTS,
    *dispositions.ENDPOINTS,
    *senders.ENDPOINTS,
    *dead_letters.ENDPOINTS,
    *arrivals.ENDPOINTS,
    *causes.ENDPOINTS,
)
"""In the order in which the documentation shows them."""
