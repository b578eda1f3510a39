"""DVC's experiments, in a queue of temporary copies, applied and shown; and its remotes over SSH."""

import asyncio
import csv
import json
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager

import asyncssh
import pytest

from tests.workflow.project import dvc, git, is_quiet, project_environment, tiny_study

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a Git project with a study of one network at one level that `dvc repro` has recorded.

    Tests leave it as it is.
    """
    folder = tmp_path_factory.mktemp("experiments") / "project"
    shutil.copytree(tiny_study(tmp_path_factory), folder, symlinks=True)
    git("init", "-q", cwd=folder)
    # DVC's commits, too, need a name
    git("config", "user.name", "test", cwd=folder)
    git("config", "user.email", "test@example.org", cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "Start", cwd=folder)
    dvc("repro", cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "Run", cwd=folder)
    return folder


def run_queue(folder):
    """Run all experiments of the queue, two at a time."""
    with subprocess.Popen(
        ["dvc", "exp", "run", "--run-all", "-j2"], cwd=folder, env=project_environment(), stdout=subprocess.DEVNULL
    ) as process:
        for _ in range(20):
            try:
                process.wait(timeout=60)
                break
            except subprocess.TimeoutExpired:
                # A worker of DVC that reads a message which another is still writing dies (treeverse/dvc issue 10428),
                # and the queue stands still until there is a new one. Where none died, this does nothing.
                dvc("queue", "start", "-j2", cwd=folder)
        else:
            process.kill()
    assert process.returncode == 0


@pytest.fixture(scope="module")
def queue(study):
    """Return the output of each of three experiments that the queue has run: name to text.

    `sweep-1` repeats what the study has, `sweep-2` has another level, `wrong` fails.
    """
    dvc("exp", "run", "--queue", "--name", "sweep", "-S", "aug.translate=0.2,0.3", cwd=study)
    dvc("exp", "run", "--queue", "--name", "wrong", "-S", "train.epochs=0", cwd=study)
    # What is edited meanwhile, here in the installed package, is no part of an experiment.
    module = study / "src/freeconv/data/passes.py"
    before = module.read_text()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(study / "src"))
        module.write_text("raise ImportError('edited after the experiments were queued')\n")
        try:
            run_queue(study)
        finally:
            module.write_text(before)
    return {name: dvc("queue", "logs", name, cwd=study) for name in ("sweep-1", "sweep-2", "wrong")}


def phases(output: str) -> set[str]:
    """Return the phases of which jobs ran, by Snakemake's output."""
    lines = re.findall(r"^freeconv: \d+ jobs?: (.+)$", output, flags=re.MULTILINE)
    return {phase.split()[0] for line in lines for phase in line.split(", ")}


def test_experiments_of_a_queue_reuse_what_exists(study, queue):
    assert phases(queue["sweep-1"]) == set(), queue["sweep-1"]
    assert "Stage 'data' didn't change, skipping" in queue["sweep-2"]
    assert phases(queue["sweep-2"]) == {"shards", "train", "distance", "measure", "report"}, queue["sweep-2"]
    assert is_quiet(study)
    assert git("status", "--short", cwd=study) == ""
    assert not list((study / ".dvc/tmp/exps").glob("tmp*"))


def test_a_failed_experiment_says_why_in_one_line(study, queue):
    (line,) = [line for line in queue["wrong"].splitlines() if line.startswith("freeconv: error:")]
    assert line == "freeconv: error: params.yaml: train.epochs: expected greater than or equal to 1, received 0"
    assert re.search(r"wrong .*Failed", dvc("queue", "status", cwd=study))


def test_an_applied_experiment_is_whole(study, queue):
    dvc("exp", "apply", "sweep-2", cwd=study)
    try:
        levels = study / "results/train/mnist-5k/fcn/translate"
        assert [level.name for level in levels.iterdir()] == ["0.3"]
        assert is_quiet(study)
    finally:
        git("checkout", "-q", ".", cwd=study)
        dvc("checkout", cwd=study)
    assert is_quiet(study)


def test_experiments_are_compared(study, queue):
    options = (
        "--only-changed",
        "--hide-failed",
        "--drop",
        r".*_acc|.*distance.*|claims.*|src|results",
        "--keep",
        ".*_val_acc",
    )
    shown = csv.DictReader(dvc("exp", "show", "--csv", *options, cwd=study).splitlines())
    rows = {row["Experiment"]: row for row in shown if row["Experiment"]}
    assert set(rows) == {"sweep-1", "sweep-2"}
    assert list(rows["sweep-1"])[6:] == ["fcn_val_acc", "aug.translate"]
    assert all(float(row["fcn_val_acc"]) > 0 for row in rows.values())
    difference = json.loads(dvc("metrics", "diff", "HEAD", "sweep-2", "--json", cwd=study))
    assert "fcn_distance_radius_1" in difference["reports/metrics.json"]


def test_the_page_of_plots_needs_no_network(study, queue, tmp_path):
    dvc("plots", "diff", "HEAD", "sweep-2", "--out", str(tmp_path), cwd=study)
    page = tmp_path / "index.html"
    text = page.read_text()
    assert text.count("vegaEmbed('#") == 3
    assert not re.search(r"<(script|link)\b[^>]*\b(src|href)\s*=", text)
    if CHROMIUM:
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND")
        drawn = subprocess.run(
            [CHROMIUM, *options, "--virtual-time-budget=10000", "--dump-dom", page.as_uri()],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        assert len(re.findall(r'<svg [^>]*class="marks" width="[1-9]', drawn)) == 3


@contextmanager
def ssh_server(folder, keys):
    """Serve a folder over SFTP on this machine and yield the port; the key that opens it is the file `keys/user`."""
    user = asyncssh.generate_private_key("ssh-ed25519")
    user.write_private_key(keys / "user")
    (keys / "authorized").write_bytes(user.export_public_key())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen():
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            authorized_client_keys=str(keys / "authorized"),
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=bytes(folder)),
        )

    async def close():
        server.close()
        await server.wait_closed()

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result()
    try:
        yield server.get_port()
    finally:
        asyncio.run_coroutine_threadsafe(close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_a_clone_has_nothing_to_do_after_dvc_pull_over_ssh(study, tmp_path, monkeypatch):
    home, storage, clone = tmp_path / "home", tmp_path / "storage", tmp_path / "clone"
    home.mkdir()
    storage.mkdir()
    git("clone", "-q", str(study), str(clone), cwd=tmp_path)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with ssh_server(storage, home) as port:
        for folder, command in ((study, "push"), (clone, "pull")):
            url = f"ssh://user@127.0.0.1:{port}/freeconv"
            dvc("remote", "add", "--local", "--default", "--force", "storage", url, cwd=folder)
            dvc("remote", "modify", "--local", "storage", "keyfile", str(home / "user"), cwd=folder)
            dvc("remote", "modify", "--local", "storage", "allow_agent", "false", cwd=folder)
            dvc(command, cwd=folder)
    assert (storage / "freeconv/files/md5").is_dir()
    assert is_quiet(clone)
