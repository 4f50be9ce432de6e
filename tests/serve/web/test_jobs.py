"""Work beside the service: real commands, one at a time, told by any worker, ended with who began them."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tastemaker.serve.web.jobs import Jobs


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "items.csv"
    path.write_text("title,genre\nA,x\nB,y\nC,x\n")
    return path


async def over(jobs: Jobs, name: str, wait_s: float = 30.0):
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        job = jobs.of(name)
        if job is not None and job.is_over:
            return job
        await asyncio.sleep(0.05)
    raise AssertionError(jobs.of(name))


def workshop(tmp_path: Path) -> Path:
    root = tmp_path / "workshop"
    root.mkdir(exist_ok=True)
    return root


def test_a_job_leaves_its_result_and_a_failed_one_the_line_that_says_why(tmp_path, file):
    async def work() -> None:
        jobs = Jobs(workshop(tmp_path))
        assert jobs.of("good") is None
        assert jobs.start("good", ("data", "check", "--items", file, "--json")).state == "waiting"
        (jobs.root / "away.csv").write_text("")
        jobs.start("bad", ("data", "check", "--items", jobs.root / "away.csv"))
        good, bad = await over(jobs, "good"), await over(jobs, "bad")
        assert (good.state, good.message) == ("done", "")
        assert json.loads(jobs.said("good"))["items"] == 3
        assert bad.state == "failed"
        assert bad.message == "away.csv is empty; a header line and at least two rows are needed."
        assert good.began is not None
        assert bad.began is not None
        assert good.ended <= bad.began  # one at a time
        await jobs.forget("good")
        assert jobs.of("good") is None
        assert not jobs.folder("good").exists()
        await jobs.close()

    asyncio.run(asyncio.wait_for(work(), 120))


def test_it_gets_none_of_the_services_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "secret-word")
    monkeypatch.setenv("TASTEMAKER_KEYS", "somewhere")

    async def work() -> None:
        jobs = Jobs(workshop(tmp_path))
        seen = {}
        for name, also in (("plain", ()), ("let-in", ("PGPASSWORD",))):
            jobs.start(name, ("serve", "--help"), also)
            while (job := jobs.of(name)) is None or job.state == "waiting":
                await asyncio.sleep(0.005)
            noted = json.loads((jobs.folder(name) / "job.json").read_text())
            path = Path(f"/proc/{noted.get('process', 0)}/environ")
            seen[name] = path.read_bytes() if path.exists() else b""
            await over(jobs, name)
        assert seen["plain"]
        assert b"secret-word" not in seen["plain"]
        assert b"TASTEMAKER_KEYS" not in seen["plain"]
        assert b"secret-word" in seen["let-in"]
        await jobs.close()

    asyncio.run(asyncio.wait_for(work(), 120))


def test_another_worker_sees_it_waits_for_it_and_may_stop_it(tmp_path, file):
    async def work() -> None:
        root = workshop(tmp_path)
        one, other = Jobs(root), Jobs(root)
        one.start("long", ("train", "--items", file, "--out", root / "b", "--set", "content.epochs=500"))
        while one.of("long").state != "running":
            await asyncio.sleep(0.01)
        assert other.of("long").state == "running"
        other.start("next", ("data", "check", "--items", file))
        await asyncio.sleep(0.5)
        assert other.of("next").state == "waiting"
        await other.stop("long")
        assert (await over(one, "long")).state == "stopped"
        assert (await over(other, "next")).state == "done"
        await asyncio.sleep(0.3)
        assert one.of("long").state == "stopped"  # its own worker heard of it, and says nothing else
        await one.close()
        await other.close()

    asyncio.run(asyncio.wait_for(work(), 120))


def test_what_a_killed_service_began_ends_and_is_told_so(tmp_path, file):
    root = workshop(tmp_path)
    code = f"""
import asyncio, sys, time
from pathlib import Path
from tastemaker.serve.web.jobs import Jobs

async def work():
    jobs = Jobs(Path({str(root)!r}))
    jobs.start("long", ("train", "--items", {str(file)!r}, "--out", "b", "--set", "content.epochs=500"))
    while jobs.of("long").state != "running":
        await asyncio.sleep(0.01)
    print("running", flush=True)
    await asyncio.sleep(60)

asyncio.run(work())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == b"running\n"
        process = json.loads((root / "long" / "job.json").read_text())["process"]
        service.kill()
    end = time.monotonic() + 10
    while lives(process) and time.monotonic() < end:
        time.sleep(0.05)
    assert not lives(process)

    async def look() -> None:
        jobs = Jobs(root)
        job = jobs.of("long")
        assert (job.state, job.message) == ("failed", "The service was stopped meanwhile.")
        jobs.start("long", ("data", "check", "--items", file))
        assert (await over(jobs, "long")).state == "done"
        await jobs.close()

    asyncio.run(look())
    assert not list(root.glob(".worker-*"))


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_progress_is_told_as_it_goes(tmp_path, file):
    pytest.importorskip("tensorflow")

    async def work() -> None:
        jobs = Jobs(workshop(tmp_path))
        asked = ("train", "--items", file, "--out", jobs.root / "b", "--set", "content.epochs=30")
        jobs.start("train", asked)
        told = set()
        while not (job := jobs.of("train")).is_over:
            if job.progress is not None:
                told.add((job.progress["stage"], job.progress["step"]))
                assert 0 <= job.progress["step"] <= job.progress["steps"]
            await asyncio.sleep(0.05)
        assert job.state == "done", job
        assert told
        await jobs.close()

    asyncio.run(asyncio.wait_for(work(), 120))


@pytest.mark.parametrize("is_json", [False, True])
def test_the_command_line_tells_a_program_how_it_goes(tmp_path, file, is_json):
    """Lines of JSON where a program asks for them, sentences elsewhere."""
    more = {"TASTEMAKER_PROGRESS": "json"} if is_json else {}
    (tmp_path / "code.py").write_text(
        "from tastemaker.cli.show import progress\n"
        "from tastemaker.progress import Progress\n"
        "with progress() as report:\n"
        "    report(Progress('lists', 1, 2, 0.5, note='é'))\n"
        "    report(Progress('lists', 2, 2))\n"
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "code.py"],
        env=os.environ | more,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    if is_json:
        assert json.loads(lines[0]) == {
            "stage": "lists", "step": 1, "steps": 2, "loss": 0.5, "rate": None, "note": "é",
        }  # fmt: skip
    else:
        assert lines == ["lists: 1 of 2, loss 0.5000, é", "lists: 2 of 2"]
