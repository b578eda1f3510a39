"""Only with `make test-release`: these tests build, and install from package indexes."""

import os

import pytest


def pytest_collection_modifyitems(items):
    if os.environ.get("FREECONV_TEST_RELEASE"):
        return
    for item in items:
        if "tests/release/" in item.path.as_posix():
            item.add_marker(pytest.mark.skip(reason="runs with make test-release"))
