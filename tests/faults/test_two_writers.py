"""Several processes that write the same file at once."""

import os

import pytest

from freeconv.errors import FreeconvError
from tests.faults.writers import WRITERS, contents

WRITERS_AT_ONCE = 4


@pytest.mark.representative
@pytest.mark.parametrize("name", ["shard", "train", "distance", "figures"])
def test_one_writes_and_the_others_are_refused_or_write_the_same(project, count, name):
    writer = WRITERS[name]
    writer.prepare()
    before = contents(".")
    writer.write()
    made = contents(".")
    for round_number in range(4):
        if round_number % 2:
            for path in made.keys() - before.keys():
                (project / path).unlink()
        waits, starts = os.pipe()
        children = []
        for _ in range(WRITERS_AT_ONCE):
            if (child := os.fork()) == 0:
                code = 2
                try:
                    os.close(starts)
                    os.read(waits, 1)  # until the other end is closed
                    writer.write()
                    code = 0
                except FreeconvError as error:
                    code = 1 if "expected to be the one writer" in str(error) and "\n" not in str(error) else 2
                finally:
                    os._exit(code)
            children.append(child)
        os.close(waits)
        os.close(starts)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert set(codes) <= {0, 1}
        assert 0 in codes
        changed = contents(".") != made
        count("writers of one file at once", WRITERS_AT_ONCE - 1, codes.count(1), WRITERS_AT_ONCE - 1, changed)
        assert not changed
