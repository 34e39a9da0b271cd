"""What every command writes with: characters for any encoding, counts and numbers as they are read.

A terminal or a pipe may be in ASCII or in a code page that has no ∂. What cannot be encoded is
written with the signs below, and where there is none as an escape, so that a name can be told from
another.
"""

from __future__ import annotations

import codecs
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from backprop.core.checks import counted, share

__all__ = ["any_encoding", "counted", "duration", "share", "short_warnings"]

_SIGNS = {
    "∂": "d",
    "∇": "grad ",
    "‖": "||",
    "Σ": "sum ",
    "∏": "prod ",
    "√": "sqrt ",
    "→": "->",
    "←": "<-",
    "·": "*",
    "×": "x",
    "⊙": "*",
    "−": "-",
    "–": "-",
    "—": "-",
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "≈": "~",
    "∈": "in",
    "½": "1/2",
    "²": "^2",
    "ᵀ": "^T",
    "…": "...",
    "ŷ": "y_hat",
    "Ŷ": "Y_hat",
    "θ": "theta",
    "η": "eta",
    "δ": "delta",
    "σ": "sigma",
    "λ": "lambda",
    "μ": "mu",
}


def _signs(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = ""
    for character in error.object[error.start : error.end]:
        text += _SIGNS.get(character) or character.encode("ascii", "backslashreplace").decode()
    return text, error.end


codecs.register_error("backprop.signs", _signs)


@contextmanager
def any_encoding() -> Iterator[None]:
    """Let standard output and error take every character, whatever their encoding."""
    with ExitStack() as stack:
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                stack.callback(_restore, stream, stream.errors or "strict")
                reconfigure(errors="backprop.signs")
        yield


def _restore(stream: Any, errors: str) -> None:
    # A reader that has gone away is noticed by whoever writes, not here.
    if not stream.closed:
        with suppress(OSError):
            stream.reconfigure(errors=errors)


@contextmanager
def short_warnings(command: str) -> Iterator[None]:
    """Show warnings as lines like those of errors, without a file and a line of ours."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"backprop {command}: warning: {' '.join(str(message).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def duration(seconds: float) -> str:
    """Write a time in seconds; in milliseconds where two decimals would say too little."""
    if seconds < 0.01:
        return f"{1000 * seconds:.2g} ms"
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:.0f} s"
