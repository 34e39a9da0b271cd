"""The methods by which a network goes elsewhere; each is a module, imported when it is used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from torch.nn import Sequential


class Exports:
    """ONNX, PyTorch, scikit-learn and C of a `Network`, which inherits from this."""

    __slots__ = ()

    def to_onnx(
        self: Any, path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Write an ONNX file: opset 13, input ``X`` (m, n_features), output ``Y_hat`` (m, p).

        Each layer is a Gemm and its activation; m is dynamic. The file's numbers have the network's
        dtype, and onnxruntime's CPU kernels compute all of it in float64 too.

        Parameters
        ----------
        path : path
            Of the file, which is replaced in one move; ".onnx" is the usual ending.
        metadata : mapping, optional
            Texts to keep in it, such as the names of the classes.

        Raises
        ------
        ImportError
            If onnx is not installed (the extra "onnx").
        TypeError
            If ``metadata`` holds anything but texts.
        ValueError
            If the file would have more than the 2 GiB of the format.
        OSError
            If it cannot be written.
        """
        from backprop.interchange import to_onnx

        to_onnx(self, path, metadata=metadata)

    def to_c(
        self: Any,
        path: str | os.PathLike[str],
        name: str = "net",
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write a C99 header that needs nothing but <math.h>; C++ compilers take it as well.

        ``NAME_predict(const float *x, float *y_hat)``, or double, is `forward` of one example. It
        allocates nothing: its buffers, two of the widest hidden layer, are on the stack.

        Parameters
        ----------
        path : path
            Of the file, which is replaced in one move; ".h" is the usual ending.
        name : str
            What every name in it begins with, so that a program may hold several networks.
        metadata : mapping, optional
            Texts to keep in its first comment, such as the names of the classes.

        Raises
        ------
        TypeError, ValueError
            If ``name`` is no C identifier, ``metadata`` holds anything but texts, or a weight is
            not finite.
        OSError
            If the file cannot be written.
        """
        from backprop.interchange import to_c

        to_c(self, path, name, metadata=metadata)

    def to_torch(self: Any, *, logits: bool = False) -> Sequential:
        """Return an ``nn.Sequential`` of Linear and activations that computes `forward`.

        Parameters
        ----------
        logits : bool
            Leave out the output activation: the pre-activations A_L are what PyTorch's losses for
            softmax and sigmoid take.

        Returns
        -------
        torch.nn.Sequential
            With copies of the weights, in the network's dtype.

        Raises
        ------
        ImportError
            If torch is not installed.
        """
        from backprop.interchange import to_torch

        return to_torch(self, logits=logits)

    def to_sklearn(self: Any, classes: ArrayLike | None = None) -> MLPClassifier | MLPRegressor:
        """Return a fitted scikit-learn estimator with the same predictions.

        Parameters
        ----------
        classes : array_like, optional
            The label of each class, in the order of the outputs; 0 .. p-1 if not given. A sigmoid
            output takes two if it is one; several labels at once have none but their numbers.

        Returns
        -------
        MLPClassifier or MLPRegressor
            A regressor for the outputs linear and exp. Two softmax outputs become the one logistic
            output that scikit-learn has for two classes.

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        TypeError, ValueError
            If it has no such activation, or only one for all hidden layers, or ``classes`` does not
            fit the outputs.
        """
        from backprop.interchange import to_sklearn

        return to_sklearn(self, classes)
