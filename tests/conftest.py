"""What several test files ask for: the browser, the command line, Ctrl-C, and nothing skipped."""

import os
import signal

import pytest
from browser import Browser, missing


@pytest.fixture(scope="session")
def browser():
    if missing():
        pytest.fail(f"BACKPROP_REQUIRE_BROWSER is set, and {missing()} is not on PATH")
    with Browser() as browser:
        browser.set_device(1280)
        yield browser


@pytest.fixture
def show(browser, tmp_path):
    """Write the page of a case and open it."""
    # Here, so that a failing import fails these tests and not the collection of all.
    from backprop import play

    def show(case, **options):
        path = tmp_path / "play.html"
        play.save(path, case.net, case.X, case.y, lr=case.lr, **options)
        browser.log()
        browser.open(path)
        return browser

    return show


@pytest.fixture
def run(capsys):
    """Run the command line in this process: (exit code, standard output, standard error)."""
    from backprop.cli import main

    def run(*argv):
        try:
            code = main([str(arg) for arg in argv])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def pytest_configure():
    # What a shell starts in the background ignores Ctrl-C, and so would all that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _required((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _required((yield))


def _required(report):
    """Turn the skip for want of a package into a failure where BACKPROP_REQUIRE_ALL is set.

    Some checks of scikit-learn's skip themselves for other reasons: they do not apply.
    """
    reason = report.longrepr[2] if report.skipped else ""
    if os.environ.get("BACKPROP_REQUIRE_ALL") and ("import" in reason or "installed" in reason):
        report.outcome = "failed"
        report.longrepr = f"{reason}, but BACKPROP_REQUIRE_ALL is set"
    return report
