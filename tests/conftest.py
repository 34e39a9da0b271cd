"""What several test files ask for: the browser, started once, and the command line."""

import pytest
from browser import Browser


@pytest.fixture(scope="session")
def browser():
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
