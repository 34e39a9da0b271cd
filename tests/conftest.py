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
    """Turn a skip into a failure where BACKPROP_REQUIRE_ALL says that nothing may be missing."""
    if report.skipped and os.environ.get("BACKPROP_REQUIRE_ALL"):
        report.outcome = "failed"
        report.longrepr = f"{report.longrepr[2]}, but BACKPROP_REQUIRE_ALL is set"
    return report
