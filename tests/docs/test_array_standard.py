"""The page on the array standard is what trying it gives, and it promises what was asked."""

import re

import pytest

from docs import make_array_standard
from tests.array_api import standard


def page() -> str:
    return make_array_standard.PAGE.read_text()


@pytest.mark.slow
def test_the_page_is_current():
    assert make_array_standard.page() == page(), "run python -m docs.make_array_standard"


def test_every_function_is_there_and_works_eagerly():
    for text in standard.FUNCTIONS.values():
        for name in standard.signatures(text):
            assert f"| `{name}` | yes |" in page()
    for room, text in standard.EXTENSIONS.items():
        for name in standard.signatures(text):
            assert f"| `{room}.{name}` | yes |" in page()


def test_at_most_ten_exclusions():
    listed = page().partition("## Exclusions")[2]
    assert 1 <= len(re.findall(r"^\d+\. ", listed, re.M)) <= 10
