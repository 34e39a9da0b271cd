"""scikit-learn: MLPClassifier.predict_proba, NumPy in and out."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier

from benchmarks.grid import Parameters


class Predictor:
    def __init__(self, parameters: Parameters, threads: int) -> None:
        hidden = [len(b) for _, b in parameters[:-1]]
        n, p = parameters[0][0].shape[1], len(parameters[-1][1])
        clf = MLPClassifier(hidden, batch_size=1)
        X = np.zeros((1, n), np.float32)
        clf.partial_fit(X, np.zeros(1, np.int64), classes=np.arange(p))
        for k, (W, b) in enumerate(parameters):
            clf.coefs_[k][...] = W.T
            clf.intercepts_[k][...] = b
        self.predict = clf.predict_proba

    def prepare(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        return X

    @staticmethod
    def versions() -> dict[str, Any]:
        return {"scikit-learn": sklearn.__version__}
