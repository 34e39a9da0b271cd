"""scikit-learn's own tests of its perceptrons, with nothing but the import changed."""

from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("sklearn", "1.9", reason="its tests then are of what ours follow")

IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"
CHANGED = "from backprop.sklearn import MLPClassifier, MLPRegressor\n"
# Both call methods that only scikit-learn's own code has: one takes a step by hand, one compares
# the gradient with differences. Other files here do so for the engine.
REACH_INSIDE = ("test_fit", "test_gradient")

# What scikit-learn's own configuration of its tests does, but for the many epochs that run out.
pytestmark = pytest.mark.filterwarnings("default", "ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def global_random_seed():
    return 42


try:
    spec = find_spec("sklearn.neural_network.tests.test_mlp")
except ModuleNotFoundError:
    spec = None
if spec is None or spec.origin is None:
    pytest.skip("scikit-learn was installed without its tests", allow_module_level=True)
source = Path(spec.origin).read_text(encoding="utf-8")
if source.count(IMPORT) != 1:
    raise RuntimeError(f"{spec.origin} no longer has the line that imports the estimators")
exec(compile(source.replace(IMPORT, CHANGED), spec.origin, "exec"))
for name in REACH_INSIDE:
    del globals()[name]
