"""No module of the package imports itself by way of others, late imports counted."""

from pathlib import Path

import grimp
import pytest

import backprop


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("backprop", cache_dir=None)


def components(graph):
    """The strongly connected components of more than one module, by Tarjan's algorithm."""
    index, low, stack, found = {}, {}, [], []

    def visit(module):
        index[module] = low[module] = len(index)
        stack.append(module)
        for imported in graph.find_modules_directly_imported_by(module):
            if imported not in index:
                visit(imported)
                low[module] = min(low[module], low[imported])
            elif imported in stack:
                low[module] = min(low[module], index[imported])
        if low[module] == index[module]:
            component = set()
            while module not in component:
                component.add(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    for module in graph.modules:
        if module not in index:
            visit(module)
    return found


def test_no_modules_import_each_other_in_a_circle(graph):
    assert len(graph.modules) == len(list(Path(backprop.__file__).parent.rglob("*.py")))
    assert components(graph) == []


def test_late_imports_are_among_those_counted(graph):
    assert graph.direct_import_exists(importer="backprop.network", imported="backprop.training")


def test_a_circle_is_found():
    graph = grimp.ImportGraph()
    for importer, imported in [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]:
        graph.add_import(importer=importer, imported=imported)
    assert components(graph) == [["b", "c"]]


def test_the_lowest_rooms_import_nothing_of_the_package(graph):
    for room in ("reference", "tables", "datasets", "data"):
        inside = {f"backprop.{room}", *graph.find_descendants(f"backprop.{room}")}
        if room == "data":
            # What is a file of columns, the tables read.
            inside |= {"backprop", "backprop.tables", *graph.find_descendants("backprop.tables")}
        assert graph.find_upstream_modules(f"backprop.{room}", as_package=True) <= inside
