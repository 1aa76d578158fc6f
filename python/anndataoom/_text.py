"""Makes text of a file safe to show."""

from __future__ import annotations

import re

# Characters that move the cursor of a terminal or turn the direction of writing.
_UNSEEN = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]")


def printable(text: str) -> str:
    """Returns the text with control characters as escapes, as names and values come from a file."""
    return _UNSEEN.sub(lambda m: m[0].encode("unicode_escape").decode("ascii"), text)
