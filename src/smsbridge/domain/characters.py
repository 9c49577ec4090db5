"""Characters that can be stored, shown and sent, whatever came."""

from __future__ import annotations


def clean_text(text: str) -> str:
    """`text` as it can be stored, shown and sent as UTF-8. Used on everything that comes in.

    U+FFFD stands in for NUL (PostgreSQL has no place for it) and for half a surrogate pair (UTF-8 has none); two
    halves that found each other become their character. All else stays as it came, line ends included.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
