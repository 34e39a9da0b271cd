"""How tables spell "nothing", "yes" and "no"."""

from collections.abc import Iterable

# A cell that holds one of these holds nothing, whatever its column.
MISSING = frozenset(
    ["", "?", "na", "n/a", "#n/a", "n.a.", "<na>", "nan", "-nan", "null", "#null!", "nat", "\\n"]
)
# A mark that means "minus" beside a "+", and nothing everywhere else.
DASHES = frozenset(["-", "--", "---", "–", "—", ".", "..."])
# In a column of numbers or dates these words hold nothing; among words they may be a class.
MISSING_BESIDE_NUMBERS = frozenset([
    "none", "nil", "missing", "unknown", "undefined", "empty", "blank", "void", "*", "tbd", "tba",
    "not available", "not applicable", "no data", "#div/0!", "#value!", "#ref!", "#name?", "#num!",
])  # fmt: skip
# What the engine may take for nothing before it converts a cell to a number. Dashes are not in
# it: it would take them from columns of words as well, where "+" may stand beside them.
NULL_STRINGS = [
    "", "?", "NA", "N/A", "n/a", "na", "#N/A", "<NA>", "NaN", "nan", "NAN", "-nan", "-NaN", "NULL",
    "null", "Null", "NaT", "\\N",
]  # fmt: skip

TRUE = frozenset(["true", "t", "yes", "y", "on"])
FALSE = frozenset(["false", "f", "no", "n", "off"])
# Beside words of the two sets above, digits may stand for them as well.
TRUE_DIGITS = frozenset(["1", "1.0"])
FALSE_DIGITS = frozenset(["0", "0.0"])


def missing_levels(levels: Iterable[str]) -> list[bool]:
    """Say of every different cell of a column whether it holds nothing."""
    words = [level.lower() for level in levels]
    dashes = frozenset() if "+" in words else DASHES
    return [word in MISSING or word in dashes for word in words]


def truth(word: str) -> bool | None:
    """Return what a boolean's spelling says, None if it is none."""
    word = word.strip().lower()
    if word in TRUE or word in TRUE_DIGITS:
        return True
    if word in FALSE or word in FALSE_DIGITS:
        return False
    return None


def are_booleans(levels: Iterable[str]) -> bool:
    """Say whether the different cells of a column are two spellings of yes and no or more.

    Digits alone are numbers; one answer alone may be anything.
    """
    words = {level.lower() for level in levels}
    true, false = words & TRUE, words & FALSE
    if not true or not false:
        return False
    return words <= TRUE | FALSE | TRUE_DIGITS | FALSE_DIGITS
