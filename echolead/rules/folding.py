"""Text as rules compare it: without case and accents. The warehouse's macro `folded` does the same."""

import unicodedata

# What RE2 calls [\s\p{Z}].
BLANKS = "\t\n\f\r \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"


def folded(text: str) -> str:
    """Decomposed (NFD), without marks (category Mn), in lower case, without blanks at both ends.

    Letters are lowered one by one: by themselves they do not depend on what stands beside them, as a final sigma would.
    """
    letters = (each for each in unicodedata.normalize("NFD", text) if unicodedata.category(each) != "Mn")
    return "".join(each.lower() for each in letters).strip(BLANKS)
