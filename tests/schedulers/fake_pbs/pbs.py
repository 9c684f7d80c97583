"""A PBS of one host, for tests: `python pbs.py STATE COMMAND ARGUMENTS...`.

What it prints are recorded answers with other values in them: STATE/job.txt is a block
of `qstat -f`. Jobs are executed, by a process for each. STATE/no_history makes it a
server without job history, which forgets jobs when they end.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

STATE = Path(sys.argv[1])
HOST, SLOTS, TICK_S = "pbs1", 4, 0.01
SIGNALLED = 256


def say(text, code=0, *, err=""):
    sys.stdout.write(text)
    sys.stderr.write(err)
    raise SystemExit(code)


def keeps_history():
    return not (STATE / "no_history").exists()


def write(path, value):
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.write_text(json.dumps(value))
    new.replace(path)


def folder_of(job_id):
    """The folder of a job that the server knows, or None."""
    match = re.match(r"(\d+)(\[\d*\])?(\.|$)", job_id)
    folder = STATE / f"job{match[1]}" if match else None
    if folder is None or not (folder / "job.json").exists():
        return None
    return folder if keeps_history() or not (folder / "ended").exists() else None


# -- qsub -----------------------------------------------------------------------


def read_options(arguments):
    """Options of the script, then those of the command line, which count for more."""
    script = arguments[-1]
    given = {}
    for line in Path(script).read_text().splitlines():
        if line.startswith("#PBS -"):
            name, _, value = line[len("#PBS -") :].partition(" ")
            given.setdefault(name, []).append(value)
    words = arguments[:-1]
    for name, value in zip(words[::2], words[1::2], strict=True):
        given[name.lstrip("-")] = [value]
    return script, given


def qsub(arguments):
    script, given = read_options(arguments)
    first, last, throttle = 0, 0, None
    is_array = "J" in given
    if is_array:
        match = re.fullmatch(r"(\d+)-(\d+)(?:%(\d+))?", given["J"][0])
        first, last, throttle = (int(part) if part else None for part in match.groups())
        if first >= last:
            say("", 2, err="qsub: illegal -J value\n")
    kinds = re.sub("depend=", "", given.get("W", [""])[0]).split(",")
    waits_for = [job_id for kind in kinds if kind for job_id in kind.split(":")[1:]]
    if any(kind and not kind.startswith("afterany:") for kind in kinds):
        say("", 2, err="qsub: illegal -W value\n")
    with (STATE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        number = len(list(STATE.glob("job[0-9]*"))) + 1
        folder = STATE / f"job{number}"
        folder.mkdir()
    job_id = f"{number}{'[]' if is_array else ''}.{HOST}"
    if any(folder_of(other) is None for other in waits_for):
        say(f"{job_id}\n")  # the server deletes it at once
    shutil.copy(script, folder / "script")
    job = {
        "id": job_id,
        "name": given["N"][0],
        "items": [first, last],
        "is_array": is_array,
        "throttle": throttle,
        "waits_for": waits_for,
        "environment": dict(os.environ) if "V" in given else {},
    }
    write(folder / "job.json", job)
    subprocess.Popen(
        [sys.executable, __file__, str(STATE), "execute", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("w"),
        start_new_session=True,
    )
    say(f"{job_id}\n")


# -- the execution of a job -------------------------------------------------------


def execute(arguments):
    folder = Path(arguments[0])
    job = json.loads((folder / "job.json").read_text())
    waiting = list(range(job["items"][0], job["items"][1] + 1))
    running, ended = {}, {}

    def note():
        items = {
            **{item: {"job_state": "R"} for item in running},
            **ended,
        }
        write(folder / "items.json", items)

    while not (folder / "deleted").exists():
        held = [other for other in job["waits_for"] if not has_ended(other)]
        if not held:
            break
        time.sleep(TICK_S)
    (folder / "begun").touch()
    while waiting or running:
        is_deleted = (folder / "deleted").exists()
        changed = False
        while waiting and not is_deleted and len(running) < (job["throttle"] or SLOTS):
            item = waiting.pop(0)
            running[item] = start(folder, job, item)
            changed = True
        if is_deleted:
            for item in waiting:
                # as recorded: an Exit_status of 0, and no host
                ended[item] = {"job_state": "F", "substate": 91, "Exit_status": 0}
            changed, waiting = bool(waiting), []
            for process in running.values():
                os.killpg(process.pid, signal.SIGKILL)
        for item, process in list(running.items()):
            code = process.poll()
            if code is not None:
                del running[item]
                ended[item] = how_ended(code, is_deleted=is_deleted)
                changed = True
        if changed:
            note()
        time.sleep(TICK_S)
    (folder / "ended").touch()


def has_ended(job_id):
    folder = folder_of(job_id)
    return folder is None or (folder / "ended").exists()


def start(folder, job, item):
    array = {"PBS_ARRAY_INDEX": str(item), "PBS_ARRAY_ID": job["id"]}
    own_id = job["id"].replace("[]", f"[{item}]")
    environment = {
        **job["environment"],
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PBS_O_PATH": job["environment"].get("PATH", ""),
        "PBS_JOBID": own_id,
        "PBS_JOBNAME": job["name"],
        **(array if job["is_array"] else {}),
    }
    return subprocess.Popen(
        ["bash", str(folder / "script")],
        cwd=os.path.expanduser("~"),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        umask=0o077,
    )


def how_ended(code, *, is_deleted):
    status = SIGNALLED + 15 if is_deleted else SIGNALLED - code if code < 0 else code
    substate = 91 if is_deleted else 93 if status else 92
    ran = {"exec_host": f"{HOST}/0", "run_count": 1}
    return {"job_state": "F", "substate": substate, "Exit_status": status, **ran}


# -- the other commands -----------------------------------------------------------


def qstat(arguments):
    options = {word for word in arguments if word.startswith("-")}
    ids = [word for word in arguments if not word.startswith("-")]
    if options == {"-Bf"}:
        say((STATE / "server.txt").read_text())
    if "-x" in options and not keeps_history():
        said = "qstat: PBS is not configured to maintain job history"
        say("", err="".join(f"{said} {job_id}\n" for job_id in ids))
    out, err, code = "", "", 0
    for job_id in ids:
        folder = folder_of(job_id)
        if folder is None:
            full = job_id if "." in job_id else f"{job_id}.{HOST}"
            err += f"qstat: Unknown Job Id {full}\n"
            code = 153
        else:
            out += describe(folder)
    say(out, code, err=err)


def describe(folder):
    job = json.loads((folder / "job.json").read_text())
    is_over = (folder / "ended").exists()
    try:
        items = json.loads((folder / "items.json").read_text())
    except FileNotFoundError:
        items = {}
    held = {} if (folder / "begun").exists() else {"job_state": "H", "substate": 22}
    queued = {"job_state": "Q", "substate": 10}
    blocks = ""
    for item in range(job["items"][0], job["items"][1] + 1):
        fields = items.get(str(item), held if held and not job["is_array"] else queued)
        own_id = job["id"].replace("[]", f"[{item}]")
        blocks += block(own_id, {"Job_Name": job["name"], **fields})
    if job["is_array"]:
        whole = held or {"job_state": "B", "substate": 70}
        if is_over:  # the status of the last subjob to finish
            whole = {"job_state": "F", "substate": 93, "Exit_status": 0}
        blocks = block(job["id"], {"Job_Name": job["name"], **whole}) + blocks
    return blocks


def block(job_id, fields):
    """The recorded block with these values, without what they leave out."""
    ours = ("Job_Name", "job_state", "substate", "Exit_status", "exec_host", "run_count")
    lines = []
    is_left_out = False
    for line in (STATE / "job.txt").read_text().splitlines():
        match = re.match(r"    ([\w.]+) = ", line)
        if line.startswith("Job Id:"):
            lines.append(f"Job Id: {job_id}")
        elif match:
            name = match[1]
            is_left_out = name == "comment" or (name in ours and name not in fields)
            if not is_left_out:
                lines.append(f"    {name} = {fields[name]}" if name in fields else line)
        elif not is_left_out:
            lines.append(line)
    return "\n".join(lines) + "\n"


def qselect(arguments):
    name = arguments[arguments.index("-N") + 1]
    found = []
    for number in range(1, len(list(STATE.glob("job[0-9]*"))) + 1):
        folder = folder_of(str(number))
        if folder is not None:
            job = json.loads((folder / "job.json").read_text())
            is_listed = "-x" in arguments or not (folder / "ended").exists()
            if job["name"] == name and is_listed:
                found.append(job["id"])
    say("".join(f"{job_id}\n" for job_id in found))


def qdel(arguments):
    err, code = "", 0
    for job_id in arguments:
        folder = folder_of(job_id)
        if folder is None:
            full = job_id if "." in job_id else f"{job_id}.{HOST}"
            err, code = f"{err}qdel: Unknown Job Id {full}\n", 153
        elif (folder / "ended").exists():
            err, code = f"{err}qdel: Job has finished {job_id}\n", 35
        else:
            (folder / "deleted").touch()
    say("", code, err=err)


COMMANDS = {
    "qsub": qsub,
    "qstat": qstat,
    "qselect": qselect,
    "qdel": qdel,
    "execute": execute,
}
COMMANDS[sys.argv[2]](sys.argv[3:])
