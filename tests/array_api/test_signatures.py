"""Names and signatures are those of the standard; more optional parameters are allowed."""

import inspect
from inspect import Parameter

import pytest

import lamina as lm
from tests.array_api import standard

BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
BY_NAME = (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)

NAMESPACE = [
    (name, wanted)
    for text in standard.FUNCTIONS.values()
    for name, wanted in standard.signatures(text).items()
]
EXTENSIONS = [
    (room, name, wanted)
    for room, text in standard.EXTENSIONS.items()
    for name, wanted in standard.signatures(text).items()
]


def assert_accepts(found: inspect.Signature, wanted: inspect.Signature) -> None:
    """Every call that `wanted` allows, `found` allows with the same meaning."""
    ours = list(found.parameters.values())
    positional = [p for p in wanted.parameters.values() if p.kind is not Parameter.KEYWORD_ONLY]
    for place, theirs in enumerate(positional):
        assert place < len(ours), f"no parameter for {theirs}"
        mine = ours[place]
        if theirs.kind is Parameter.VAR_POSITIONAL:
            assert mine.kind is Parameter.VAR_POSITIONAL
            continue
        assert mine.kind in BY_POSITION
        if theirs.kind is Parameter.POSITIONAL_OR_KEYWORD:
            assert (mine.kind, mine.name) == (theirs.kind, theirs.name)
        if theirs.default is not Parameter.empty:
            assert mine.default == theirs.default
    for name, theirs in wanted.parameters.items():
        if theirs.kind is Parameter.KEYWORD_ONLY:
            assert name in found.parameters, f"no parameter {name}"
            assert found.parameters[name].kind in BY_NAME
            assert found.parameters[name].default == theirs.default
    needed = [n for n, p in found.parameters.items() if p.default is Parameter.empty]
    more = [n for n in needed[len(positional) :] if n not in wanted.parameters]
    assert not [n for n in more if "VAR" not in found.parameters[n].kind.name], more


@pytest.mark.parametrize(("name", "wanted"), NAMESPACE, ids=[n for n, _ in NAMESPACE])
def test_function(name, wanted):
    assert_accepts(inspect.signature(getattr(lm, name)), wanted)


@pytest.mark.parametrize(
    ("room", "name", "wanted"), EXTENSIONS, ids=[f"{r}.{n}" for r, n, _ in EXTENSIONS]
)
def test_function_of_an_extension(room, name, wanted):
    assert_accepts(inspect.signature(getattr(getattr(lm, room), name)), wanted)


@pytest.mark.parametrize("name", standard.signatures(standard.METHODS))
def test_method(name):
    wanted = standard.signatures(standard.METHODS)[name]
    assert_accepts(inspect.signature(getattr(lm.ones((1, 1)), name)), wanted)


@pytest.mark.parametrize("name", standard.REFLECTED)
def test_reflected_operator(name):
    method = getattr(lm.ones((1, 1)), f"__r{name}__")
    assert_accepts(inspect.signature(method), inspect.signature(lambda other, /: None))


@pytest.mark.parametrize("name", standard.ATTRIBUTES)
def test_attribute(name):
    assert hasattr(lm.ones((1, 1)), name)


@pytest.mark.parametrize("name", [*standard.CONSTANTS, *standard.DTYPES])
def test_name(name):
    assert hasattr(lm, name)


@pytest.mark.parametrize("name", standard.INFORMATION)
def test_information(name):
    assert callable(getattr(lm.__array_namespace_info__(), name))


def test_version():
    assert lm.__array_api_version__ == standard.VERSION
    assert lm.ones(1).__array_namespace__() is lm
    assert lm.ones(1).__array_namespace__(api_version=standard.VERSION) is lm
    with pytest.raises(lm.UsageError, match=r"no version '1999\.12'"):
        lm.ones(1).__array_namespace__(api_version="1999.12")


def test_the_statement_agrees_with_the_strict_implementation():
    strict = pytest.importorskip("array_api_strict", reason="no array-api-strict")
    listed = {name for name, _ in NAMESPACE}
    exported = {n for n in strict.__all__ if inspect.isfunction(getattr(strict, n))}
    ours = {n for n in exported if "array_api_strict_flags" not in n}
    assert ours - listed <= {"broadcast_shapes", "isin"}  # of later versions of the standard
    for name in sorted(listed & ours - {"astype", "expand_dims", "from_dlpack"}):  # own defaults
        assert_accepts(inspect.signature(getattr(strict, name)), dict(NAMESPACE)[name])
