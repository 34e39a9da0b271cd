"""The type stub names what the compiled module has, with the same parameters."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import backprop
from backprop import _backprop, _cpu

MODULES = {"_backprop": _backprop, "_cpu": _cpu}


def stub_tree(name):
    return ast.parse(Path(backprop.__file__).with_name(f"{name}.pyi").read_text(encoding="utf-8"))


def resolve(cls, classes):
    """A class of the stub's own definitions, those of its private bases included."""
    members = {}
    for base in cls.bases:
        name = base.value.id if isinstance(base, ast.Subscript) else getattr(base, "id", None)
        if name in classes:
            members |= resolve(classes[name], classes)
    for node in cls.body:
        if isinstance(node, ast.FunctionDef):
            # The overloads of a name are kept together, in their order.
            node.overloads = [*getattr(members.get(node.name), "overloads", []), node]
            members[node.name] = node
    return members


def is_overload(node):
    return [ast.unparse(d) for d in node.decorator_list] == ["overload"]


def stub_of(name):
    """Functions, attributes and classes {name: members} of a stub."""
    body = stub_tree(name).body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    attributes = {node.target.id for node in body if isinstance(node, ast.AnnAssign)}
    all_classes = {node.name: node for node in body if isinstance(node, ast.ClassDef)}
    classes = {
        name: resolve(node, all_classes)
        for name, node in all_classes.items()
        if not name.startswith("_")
    }
    return functions, attributes, classes


def stub_parameters(node):
    """[(name, has a default, default)] without self."""
    arguments = node.args.args
    defaults = [None] * (len(arguments) - len(node.args.defaults)) + node.args.defaults
    return [
        (argument.arg, ast.unparse(default) if default is not None else "")
        for argument, default in zip(arguments, defaults, strict=True)
        if argument.arg != "self"
    ]


def compiled_parameters(function):
    """The same of each overload, from the signatures that pybind11 writes into the docstring."""
    first, *rest = inspect.getdoc(function).splitlines()
    signatures = [line[3:] for line in rest if re.match(r"\d\. ", line)] or [first]
    return [stub_parameters(ast.parse(f"def {line}: ...").body[0]) for line in signatures]


def public(names):
    return {name for name in names if not re.match(r"_|__", name) or name == "__version__"}


@pytest.mark.parametrize("name", MODULES)
def test_the_stub_names_all_there_is_and_no_more(name):
    functions, attributes, classes = stub_of(name)
    assert public(vars(MODULES[name])) == functions.keys() | public(attributes) | classes.keys()
    for class_name, members in classes.items():
        compiled = vars(getattr(MODULES[name], class_name))
        assert public(compiled) == members.keys() - {"__init__"}


@pytest.mark.parametrize("name", MODULES)
def test_the_stub_has_the_parameters_and_defaults_of_the_functions(name):
    functions, _, classes = stub_of(name)
    pairs = [(node, getattr(MODULES[name], f)) for f, node in functions.items()]
    pairs += [
        (node, getattr(getattr(MODULES[name], class_name), method))
        for class_name, members in classes.items()
        for method, node in members.items()
        if not node.decorator_list or is_overload(node)
    ]
    assert pairs
    for node, function in pairs:
        stated = [stub_parameters(overload) for overload in getattr(node, "overloads", [node])]
        compiled = compiled_parameters(function)
        if is_overload(node) and len(compiled) == 1:
            # Overloads that differ in what they return alone are one function in C++.
            assert {len(parameters) for parameters in stated} == {len(compiled[0])}, node.name
            stated = stated[:1]
        assert sorted(stated) == sorted(compiled), node.name


@pytest.mark.parametrize("name", MODULES)
def test_properties_of_the_stub_are_properties(name):
    _, _, classes = stub_of(name)
    for class_name, members in classes.items():
        for member, node in members.items():
            compiled = vars(getattr(MODULES[name], class_name))
            decorators = [] if is_overload(node) else [ast.unparse(d) for d in node.decorator_list]
            found = compiled.get(member)
            assert bool(decorators) == isinstance(found, property), member
            # Of a name that is defined twice, the getter and the setter, the second is seen here.
            if decorators:
                settable = found.fset is not None
                assert decorators == [f"{member}.setter" if settable else "property"]
