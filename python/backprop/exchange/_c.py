"""A network as one C99 header without dependencies, which C++ compilers take too.

The functions below are written for double and turned into float where the network is float32.
Numbers are printed with as many digits as give them back exactly; hex floats, which would be
shorter, are not part of C++ before C++17.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.core.checks import texts
from backprop.core.files import replace, require_finite
from backprop.core.network import Core
from backprop.core.runtime import __version__
from backprop.exchange._formulas import ACTIVATIONS, OUTPUTS

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_WIDTH = 100

_LAYER = """
/* a <- W h + b, W being n_out rows of n_in numbers */
static inline void NAME_layer(const double *W, const double *b, const double *h, double *a,
    size_t n_out, size_t n_in) {
  for (size_t i = 0; i < n_out; ++i) {
    double sum = b[i];
    for (size_t j = 0; j < n_in; ++j) sum += *W++ * h[j];
    a[i] = sum;
  }
}
"""

_SOFTMAX = """
static inline void NAME_softmax(double *a, size_t n) {
  double maximum = a[0], sum = 0;
  for (size_t i = 1; i < n; ++i) maximum = a[i] > maximum ? a[i] : maximum;
  for (size_t i = 0; i < n; ++i) sum += a[i] = exp(a[i] - maximum);
  for (size_t i = 0; i < n; ++i) a[i] /= sum;
}
"""


def to_c(
    net: Core,
    path: str | os.PathLike[str],
    name: str = "net",
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a network as a C header; see `Network.to_c`."""
    check(net, name)
    text = "".join(parts(net, name, texts("metadata", metadata)))
    replace(path, [text.encode("ascii")])


def check(net: Core, name: str) -> None:
    """Check that a network can be written under a name.

    Raises
    ------
    TypeError, ValueError
        If the name is no C identifier, or a weight is not finite.
    """
    if not isinstance(name, str):
        raise TypeError(f"`name` must be a str, got {type(name).__name__}")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"`name` must be a C identifier of ASCII letters, digits and _ that begins with a "
            f"letter, got {name!r}"
        )
    require_finite(net)


def parts(net: Core, name: str, metadata: dict[str, str]) -> Iterator[str]:
    """Yield the header of a network piece by piece."""
    sizes, activations = net.layer_sizes, [*net.hidden_names, net.output_name]
    real = "float" if net.dtype == np.float32 else "double"
    about = "".join(f" * {in_comment(key)}: {in_comment(text)}\n" for key, text in metadata.items())
    guard = f"{name.upper()}_H"
    yield f"""\
/* {"-".join(map(str, sizes))} ({", ".join(activations)}) in {real}, by backprop {__version__}.
{about} *
 * {name}_predict(x, y_hat) reads {sizes[0]} features from x and writes {sizes[-1]} outputs to
 * y_hat, which must not overlap. It allocates nothing and keeps no state.
 */
#ifndef {guard}
#define {guard}

#include <math.h>
#include <stddef.h>

#define {name.upper()}_N_FEATURES {sizes[0]}
#define {name.upper()}_N_OUTPUTS {sizes[-1]}
"""
    for k, (W_k, b_k) in enumerate(zip(net.W, net.b, strict=True), 1):
        yield from _array(f"{name}_W_{k}", W_k, real)
        yield from _array(f"{name}_b_{k}", b_k, real)
    functions = [_LAYER]
    for activation in dict.fromkeys(activations):
        body = _body(activation)
        if body is not None:
            head = f"\nstatic inline double NAME_{activation}(double a) {{\n  "
            functions.append(f"{head}{body}\n}}\n")
        elif activation == "softmax":
            functions.append(_SOFTMAX)
    functions.append("\n" + "\n".join(_predict(sizes, activations)) + "\n")
    for function in functions:
        yield (_in_single(function) if real == "float" else function).replace("NAME", name)
    yield f"\n#endif /* {guard} */\n"


def _body(activation: str) -> str | None:
    return (ACTIVATIONS | OUTPUTS)[activation].c


def _predict(sizes: tuple[int, ...], activations: list[str]) -> Iterator[str]:
    """Write NAME_predict: layers take turns between two buffers of the widest's size."""
    yield "static inline void NAME_predict(const double *x, double *y_hat) {"
    n_layers = len(activations)
    if n_layers > 1:
        yield f"  double h[{min(2, n_layers - 1)}][{max(sizes[1:-1])}];"
    source = "x"
    for k, g in enumerate(activations, 1):
        target = "y_hat" if k == n_layers else f"h[{(k - 1) % 2}]"
        yield (
            f"  NAME_layer(NAME_W_{k}, NAME_b_{k}, {source}, {target}, {sizes[k]}, {sizes[k - 1]});"
        )
        if g == "softmax":
            yield f"  NAME_softmax({target}, {sizes[k]});"
        elif _body(g) is not None:
            yield f"  for (size_t i = 0; i < {sizes[k]}; ++i) {target}[i] = NAME_{g}({target}[i]);"
        source = target
    yield "}"


def _array(name: str, array: NDArray[Any], real: str) -> Iterator[str]:
    """Define an array, in lines of at most `_WIDTH` characters."""
    yield f"\nstatic const {real} {name}[{array.size}] = {{"
    form, suffix = (".9g", "f") if real == "float" else (".17g", "")
    width = _WIDTH
    for value in array.ravel().tolist():
        digits = format(value, form)
        # In C, 1f is no number and 1 is an integer.
        number = f"{digits if set(digits) & set('.e') else digits + '.0'}{suffix},"
        if width + 1 + len(number) > _WIDTH:
            yield "\n "
            width = 1
        yield f" {number}"
        width += 1 + len(number)
    yield "\n};\n"


def _in_single(code: str) -> str:
    """Turn C in double into C in float: its type, its numbers, its functions."""
    code = re.sub(r"\bdouble\b", "float", code)
    code = re.sub(r"\b\d+\.\d+\b", r"\g<0>f", code)
    return re.sub(r"\b(exp|expm1|log1p|tanh|erfc|fabs)\(", r"\1f(", code)


def in_comment(text: str) -> str:
    """ASCII on one line that can neither end a comment nor begin one, nor form a trigraph."""
    plain = text.encode("unicode_escape").decode("ascii")
    return plain.replace("*", r"\x2a").replace("??", r"?\x3f")
