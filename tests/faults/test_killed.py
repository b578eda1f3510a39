"""Writers that are killed with -9 at every line, or ended by the kernel in the middle of a write."""

import pytest

from tests.faults.writers import WRITERS, contents, ended_at_byte, killed_at_line, lines_of, whole

# These write many files: a prime step, so that over the files every line comes.
STEPS = {"tables": 7, "report": 7}


@pytest.fixture(params=list(WRITERS))
def writer(request, project):
    """Return a writer whose input is there, and what it writes."""
    writer = WRITERS[request.param]
    writer.prepare()
    before = contents(".")
    writer.write()
    made = contents(".")
    for path in made.keys() - before.keys():
        (project / path).unlink()
    return request.param, writer, made


def restore(project, made):
    """Have the files of a folder as they were, and no others."""
    for path in contents("."):
        if path not in made:
            (project / path).unlink()
    for path, content in made.items():
        if not (project / path).exists() or (project / path).read_bytes() != content:
            (project / path).write_bytes(content)


@pytest.mark.parametrize("earlier", [False, True], ids=["first time", "again"])
def test_killed_before_any_line(writer, project, count, earlier):
    name, writer, made = writer
    before = contents(".")
    points = range(1, lines_of(writer.write) + 1, STEPS.get(name, 1))
    assert len(points) > 10
    for point in points:
        restore(project, made if earlier else before)
        killed_at_line(writer.write, point)
        left = whole(contents("."))
        # Each file is there as a whole or not at all.
        assert before.items() <= left.items() <= made.items(), point
        assert not earlier or left == made
        writer.write()
        changed = contents(".") != made
        count("kill -9 between any two lines of a write", recovered=not changed, changed=changed)
        assert not changed, point


def test_ended_within_a_write(writer, project, count):
    _name, writer, made = writer
    before = contents(".")
    longest = max(len(content) for path, content in made.items() if path not in before)
    for part in range(9):
        restore(project, before)
        assert ended_at_byte(writer.write, longest * part // 9, kill=True) < 0
        assert before.items() <= whole(contents(".")).items() <= made.items(), part
        writer.write()
        changed = contents(".") != made
        count("ended by the kernel in the middle of a write", recovered=not changed, changed=changed)
        assert not changed, part


@pytest.mark.representative
def test_refused_within_a_write(writer, project, count):
    name, writer, made = writer
    before = contents(".")
    longest = max(len(content) for path, content in made.items() if path not in before)
    for part in range(4):
        restore(project, before)
        code = ended_at_byte(writer.write, longest * part // 4, kill=False)
        # Training goes on without a checkpoint.
        assert code == (0 if name == "checkpoint" else 1), part
        left = contents(".")
        assert left == whole(left), "a temporary file is left"
        assert before.items() <= left.items() <= made.items(), part
        writer.write()
        changed = contents(".") != made
        count("a limit of file sizes reached", reported=1, recovered=not changed, changed=changed)
        assert not changed, part
