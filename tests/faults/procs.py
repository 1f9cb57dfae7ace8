"""Processes as /proc shows them. The lab is a subreaper: whatever loses its parent becomes its child, so what the lab
started, and what those started, is exactly what lies below it."""
import ctypes
import os
import signal

PR_SET_CHILD_SUBREAPER = 36
OF_TASKS = ("sleep", "sh", "sed")  # what tasks start, and the lab itself does not
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS)


def become_subreaper():
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _stat(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            text = f.read().decode("utf-8", "replace")
    except OSError:
        return None
    name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
    return {"pid": pid, "name": name, "state": rest[0], "ppid": int(rest[1]), "start": int(rest[19])}


def table():
    """pid -> facts of every process that is no zombie."""
    all_of_them = (_stat(int(d)) for d in os.listdir("/proc") if d.isdigit())
    return {s["pid"]: s for s in all_of_them if s and s["state"] not in "ZX"}


def below(root):
    """All descendants of a process, parents before children, in the order of their start."""
    procs = table()
    children = {}
    for p in procs.values():
        children.setdefault(p["ppid"], []).append(p)
    found, todo = [], [root]
    while todo:
        for p in sorted(children.get(todo.pop(0), []), key=lambda p: (p["start"], p["pid"])):
            found.append(p)
            todo.append(p["pid"])
    return found


def children(pid):
    return sorted((p for p in table().values() if p["ppid"] == pid), key=lambda p: (p["start"], p["pid"]))


def command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def alive(pid):
    s = _stat(pid) if pid else None
    return bool(s and s["state"] not in "ZX")


def send(pid, number):
    """True when the process was there to be told. 0 is nobody, and never our own group."""
    if not alive(pid):
        return False
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def kill(pid):
    return send(pid, signal.SIGKILL)


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def rss_kib(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def crashed():
    """pid -> signal of our dead children that died of a mistake of their own. They are left as they are, for whoever waits
    for them: orphans stay until the lab ends."""
    found = {}
    for d in os.listdir("/proc"):
        s = _stat(int(d)) if d.isdigit() else None
        if not s or s["state"] != "Z" or s["ppid"] != os.getpid():
            continue
        try:
            how = os.waitid(os.P_PID, s["pid"], os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            continue
        if how and how.si_code in (os.CLD_KILLED, os.CLD_DUMPED) and how.si_status in CRASHES:
            found[s["pid"]] = how.si_status
        elif how and s["name"] in OF_TASKS:  # thousands of them would make each look at /proc a long one
            os.waitpid(s["pid"], 0)
    return found
