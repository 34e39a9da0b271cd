"""The estimators under joblib: neither processes nor threads hang, or take more than there is."""

import json
import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn import datasets
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import backprop as bp
from backprop.core.runtime import limited
from backprop.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# A script of its own, so that a hang is a failure; BLAS's threads are not ours to count.
SEARCH = """
    import json, os, sys, threading, warnings
    import joblib
    from sklearn import datasets
    from sklearn.model_selection import GridSearchCV
    from backprop.sklearn import MLPClassifier

    backend, folder = sys.argv[1], sys.argv[2]

    class Count:
        \"\"\"Writes down how many threads there are in the middle of every fit.\"\"\"

        def __init__(self, folder):
            self.folder = folder

        def __call__(self, progress):
            if progress.epoch != 3:
                return
            import backprop, json, os, threading, uuid
            from pathlib import Path

            seen = {
                "pid": os.getpid(),
                "allowed": backprop.get_num_threads(),
                "native": len(os.listdir("/proc/self/task")) - threading.active_count(),
            }
            Path(self.folder, uuid.uuid4().hex).write_text(json.dumps(seen))

    warnings.simplefilter("ignore")
    os.environ["PYTHONWARNINGS"] = "ignore"
    X, y = datasets.load_digits(return_X_y=True)
    model = MLPClassifier((200,), max_iter=4, random_state=0, callbacks=[Count(folder)])
    before = len(os.listdir("/proc/self/task")) - threading.active_count()
    with joblib.parallel_config(backend):
        search = GridSearchCV(model, {"alpha": [1e-4, 1.0]}, cv=3, n_jobs=2).fit(X / 16, y)
    print(json.dumps({"before": before, "pid": os.getpid(), "score": search.best_score_}))
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_grid_search_of_two_jobs_takes_no_more_threads_than_there_are(backend, tmp_path):
    script = tmp_path / "search.py"
    script.write_text(textwrap.dedent(SEARCH))
    counts = tmp_path / "counts"
    counts.mkdir()
    # As many as the engine may use; OpenBLAS would start its own.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), backend, str(counts)],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["score"] > 0.6
    seen = [json.loads(path.read_text()) for path in counts.iterdir()]
    # Six fits, and the one of the best on all data.
    in_search = [count for count in seen if count["pid"] != result["pid"]]
    assert len(seen) == 7
    if backend == "loky":
        assert len(in_search) == 6
        cores = len(os.sched_getaffinity(0))
        assert all(count["allowed"] <= max(1, cores // 2) for count in in_search)
    else:
        # Fits that run at once share one pool, which is never larger than one of them needs.
        assert not in_search
        allowed = max(count["allowed"] for count in seen)
        assert all(count["native"] - result["before"] <= allowed - 1 for count in seen)


def test_limits_overlap_and_end_in_any_order():
    """Each of two Python threads, as joblib has them, has its own limit while both compute."""
    before = bp.get_num_threads()
    both_began, first_ended = threading.Barrier(2), threading.Event()
    seen = {}

    def compute(n_threads, ends_first):
        with limited(n_threads):
            both_began.wait(10)
            seen[n_threads] = [bp.get_num_threads()]
            if not ends_first:
                first_ended.wait(10)
                seen[n_threads].append(bp.get_num_threads())
        seen[n_threads].append(bp.get_num_threads())
        first_ended.set()

    jobs = [
        threading.Thread(target=compute, args=(before + 2, True)),
        threading.Thread(target=compute, args=(before + 1, False)),
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(20)
    assert seen == {
        before + 2: [before + 2, before],
        before + 1: [before + 1, before + 1, before],
    }
    assert bp.get_num_threads() == before


def test_n_threads_holds_during_a_fit_and_no_longer():
    X, y = datasets.load_iris(return_X_y=True)
    seen = []
    before = bp.get_num_threads()
    callbacks = [lambda progress: seen.append(bp.get_num_threads())]
    model = MLPClassifier(n_threads=1, max_iter=2, callbacks=callbacks).fit(X, y)
    free = MLPClassifier(max_iter=2, callbacks=callbacks).fit(X, y)
    assert seen == [1, 1, before, before]
    assert bp.get_num_threads() == before
    assert model.predict_proba(X).shape == free.predict_proba(X).shape
    with pytest.raises(ValueError, match="'n_threads' parameter of MLPClassifier must be an int"):
        MLPClassifier(n_threads=0).fit(X, y)


def test_threads_change_no_result():
    X, y = datasets.load_digits(return_X_y=True)
    thetas = []
    for n_threads in (1, 2, 3):
        model = MLPClassifier((256,), max_iter=2, random_state=0, n_threads=n_threads, dropout=0.2)
        thetas.append(model.fit(X, y)._network.theta.tobytes())
    assert len(set(thetas)) == 1


def test_pipelines_are_scored_and_searched():
    X, y = datasets.load_diabetes(return_X_y=True)
    regressor = MLPRegressor(hidden_layer_sizes=(20,), solver="lbfgs", alpha=1e4, random_state=0)
    pipeline = make_pipeline(StandardScaler(), regressor)
    assert np.mean(cross_val_score(pipeline, X, y)) > 0.3
    grid = {"mlpregressor__activation": ["tanh", ["mish"]], "mlpregressor__loss": ["huber"]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert search.best_params_["mlpregressor__loss"] == "huber"
    routed = make_pipeline(StandardScaler(), MLPRegressor(max_iter=3))
    scaled = StandardScaler().fit_transform(X)
    routed.fit(
        X, y, mlpregressor__eval_set=(scaled, y), mlpregressor__sample_weight=np.ones(len(y))
    )
    assert len(routed[-1].validation_scores_) == 3
