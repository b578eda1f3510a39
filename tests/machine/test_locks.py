import os
import socket
import subprocess
import sys

from freeconv.machine.locks import holder, is_held, lock_file

# Locks the file, starts a program that outlives it, and waits to be killed.
HOLD = """
import subprocess, sys
from freeconv.machine.locks import lock_file
lock = lock_file(sys.argv[1])
child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_lock_is_held_once_and_names_its_holder(tmp_path):
    path = tmp_path / "a.lock"
    assert holder(path) == "unknown"
    lock = lock_file(path)
    assert lock is not None
    assert holder(path) == f"{os.getpid()} on {socket.gethostname()}"
    assert lock_file(path) is None
    assert is_held(path)
    assert holder(path).startswith(f"{os.getpid()} on "), "a refused attempt leaves the name"
    lock.release()
    assert not is_held(path)
    again = lock_file(path)
    assert again is not None
    again.release()


def test_a_killed_holder_frees_its_lock_though_its_child_lives(tmp_path):
    path = tmp_path / "a.lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child = int(process.stdout.readline())
    try:
        assert lock_file(path) is None
        assert holder(path).split()[0] == str(process.pid)
        process.kill()
        process.communicate()
        os.kill(child, 0)
        lock = lock_file(path)
        assert lock is not None
        lock.release()
    finally:
        os.kill(child, 9)


def test_a_name_shorter_than_the_last_replaces_it(tmp_path):
    path = tmp_path / "a.lock"
    path.write_text("x" * 500)
    lock = lock_file(path)
    assert holder(path) == f"{os.getpid()} on {socket.gethostname()}"
    lock.release()


def test_a_file_keeps_its_content_where_the_holder_is_not_named(tmp_path):
    path = tmp_path / "a.tmp"
    path.write_text("half of it")
    lock = lock_file(path, names_holder=False)
    assert lock is not None
    assert path.read_text() == "half of it"
    assert is_held(path)
    assert path.read_text() == "half of it"
    lock.release()


def test_what_cannot_be_opened_is_not_held(tmp_path):
    assert not is_held(tmp_path / "none.lock")
    assert not is_held(tmp_path)
    assert not (tmp_path / "none.lock").exists()
