"""scikit-learn's multilayer perceptrons on the compiled core: change the import, keep the rest.

>>> from backprop.sklearn import MLPClassifier
>>> clf = MLPClassifier(hidden_layer_sizes=(64,), random_state=0).fit(X, y)

Names, defaults, attributes, warnings and random draws are those of `sklearn.neural_network`; what
these estimators take beyond is said where they are defined. `TableClassifier` and `TableRegressor`
take tables with words, dates and missing cells. Needs the extra "sklearn".
"""

try:
    import sklearn as _sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        'backprop.sklearn needs scikit-learn; install it with pip install "backprop[sklearn]"'
    ) from error

from backprop.sklearn._classifier import MLPClassifier
from backprop.sklearn._progress import Progress
from backprop.sklearn._regressor import MLPRegressor
from backprop.sklearn._tables import TableClassifier, TableRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "Progress", "TableClassifier", "TableRegressor"]
