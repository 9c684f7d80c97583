"""A small SLURM that runs what it is given; copied to a folder as sbatch, squeue, ...

`settings.json` beside it has `array` (MaxArraySize), `queue` (how many items a user may
have in the queue, or null) and `down` (how many calls find the controller away). What it
refuses, it refuses in recorded words. `ends` names states that it gives items' ends,
whatever they exited with. `calls` and `starts` list its calls, and each item
that it started; `longest` has the most items that were in the queue at a time.
"""

import fcntl
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
FULL = """sbatch: error: AssocMaxSubmitJobLimit
sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job \
submit limit, user's size and/or time limits)
"""
AWAY = "Unable to contact slurm controller (connect failure)"
OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL")


class Book:
    """All jobs, in one file that one process at a time changes."""

    def __enter__(self):
        self.lock = open(os.path.join(HERE, "lock"), "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.file = os.path.join(HERE, "jobs.json")
        self.jobs = {}
        if os.path.exists(self.file):
            with open(self.file) as stream:
                self.jobs = json.load(stream)
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            with open(self.file + ".new", "w") as stream:
                json.dump(self.jobs, stream)
            os.replace(self.file + ".new", self.file)
        self.lock.close()

    def queued(self):
        return [
            (job, item)
            for job, one in self.jobs.items()
            for item, (state, _) in one["items"].items()
            if state not in OVER
        ]


def note(name, text):
    with open(os.path.join(HERE, name), "a") as stream:
        stream.write(text + "\n")


def settings():
    with open(os.path.join(HERE, "settings.json")) as stream:
        return json.load(stream)


def fail(text, code=1):
    sys.stderr.write(text)
    sys.exit(code)


def option(argv, name, default=None):
    found = [a.partition("=")[2] for a in argv if a.startswith("--" + name + "=")]
    return found[-1] if found else default


def sbatch(argv):
    script = argv[-1]
    with open(script) as stream:
        given = re.findall(r"^#SBATCH (--\S+)", stream.read(), re.MULTILINE)
    words = [*given, *argv]
    array = option(words, "array")
    first, last = map(int, (array or "0-0").partition("%")[0].split("-"))
    if last >= settings()["array"]:
        fail(
            "sbatch: error: Batch job submission failed: Invalid job array specification\n"
        )
    waits = re.findall(r"(afterany|aftercorr):(\d+)", option(words, "dependency", ""))
    with Book() as book:
        limit = settings()["queue"]
        count = last - first + 1
        queued = len(book.queued()) + count
        if limit is not None and queued > limit:
            fail(FULL)
        note("longest", str(queued))
        job = str(len(book.jobs) + 100)
        book.jobs[job] = {
            "name": option(words, "job-name"),
            "array": array is not None,
            "items": {str(item): ["PENDING", 0] for item in range(first, last + 1)},
            "waits": waits,
            "script": script,
            "output": option(words, "output").strip('"'),
        }
    subprocess.Popen(
        [sys.executable, os.path.join(HERE, "living.py"), "run", job],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    print(job)


def run(job):
    """Execute a job's items, one after another."""
    with Book() as book:
        one = book.jobs[job]
    for item in one["items"]:
        while not ready(job, item):
            time.sleep(0.02)
        with Book() as book:
            if book.jobs[job]["items"][item][0] != "PENDING":
                continue
            book.jobs[job]["items"][item] = ["RUNNING", 0]
        note("starts", one["name"] + " " + item)
        environment = dict(os.environ, SLURM_JOB_ID=job)
        if one["array"]:
            environment.update(SLURM_ARRAY_JOB_ID=job, SLURM_ARRAY_TASK_ID=item)
        with open(one["output"].replace("%a", item), "a") as output:
            done = subprocess.run(
                ["bash", one["script"]],
                env=environment,
                stdout=output,
                stderr=output,
                cwd=os.path.dirname(one["script"]),
            )
        with Book() as book:
            state = "FAILED" if done.returncode else "COMPLETED"
            state = settings().get("ends", {}).get(item, state)
            book.jobs[job]["items"][item] = [state, done.returncode]


def ready(job, item):
    with Book() as book:
        for kind, other in book.jobs[job]["waits"]:
            items = book.jobs[other]["items"]
            # An item without a partner waits for ever, as it may in SLURM.
            needed = [items[item]] if kind == "aftercorr" else items.values()
            if any(state not in OVER for state, _ in needed):
                return False
    return True


def squeue(argv):
    wanted = option_after(argv, "-j")
    names = option_after(argv, "-n")
    with Book() as book:
        for job, one in book.jobs.items():
            if wanted and job not in wanted.split(","):
                continue
            if names and one["name"] not in names.split(","):
                continue
            for item, (state, code) in one["items"].items():
                if "-t" not in argv and state in OVER:
                    continue
                index = item if one["array"] else "N/A"
                if "-O" in argv:
                    print(job, index, state, code << 8, "n1", one["name"], "None", sep="|")
                elif "%j|%F|%V" in argv:
                    print(one["name"], job, "2026-11-20T22:00:00", sep="|")
                else:
                    print(f"{job}_{item}" if one["array"] else job)


def option_after(argv, name):
    return argv[argv.index(name) + 1] if name in argv else None


def scancel(argv):
    with Book() as book:
        for job in argv:
            for item, (state, _) in book.jobs[job]["items"].items():
                if state == "PENDING":
                    book.jobs[job]["items"][item] = ["CANCELLED", 0]


def scontrol(argv):
    if argv[0] == "ping":
        print("Slurmctld(primary) at login is UP")
    else:
        print(f"MaxArraySize            = {settings()['array']}")


def is_away():
    """Whether this call finds nobody; so many of the next ones do, too."""
    found = settings()
    if not found["down"]:
        return False
    with Book():
        found["down"] -= 1
        with open(os.path.join(HERE, "settings.json"), "w") as stream:
            json.dump(found, stream)
    return True


def main():
    name = os.path.basename(__file__)
    if sys.argv[1] == "run" and name == "living.py":
        return run(sys.argv[2])
    note("calls", name)
    if is_away():
        if name == "scontrol":
            print("Slurmctld(primary) at login is DOWN")
        fail(f"{name}: error: {AWAY}\n")
    commands = {
        "sbatch": sbatch,
        "squeue": squeue,
        "scancel": scancel,
        "scontrol": scontrol,
    }
    if name not in commands:
        fail("Slurm accounting storage is disabled\n")
    return commands[name](sys.argv[1:])


if __name__ == "__main__":
    main()
