"""A link that breaks while tasks run: the daemons work on, keep what comes of it, and hand it over when they are home again. Each task is
begun once."""
import os
import signal
import time

import pytest

from cable import Cable
from waiting import needs_namespaces, wait_until

# Says that it has begun, and ends when the test says so.
TASK = "echo {} >>$HOME/began; while ! [ -e $HOME/go{} ]; do sleep 0.05; done; echo done {}"


class Host:
    """h1, with daemons of the profile "far"."""

    def __init__(self, clowder, lab):
        self.clowder, self.lab = clowder, lab
        self.home = os.path.join(lab.lab, "h1/home")

    def path(self, name):
        return os.path.join(self.home, name)

    def began(self):
        if not os.path.exists(self.path("began")):
            return []
        with open(self.path("began")) as f:
            return f.read().split()

    def let_go(self, *tasks):
        for each in tasks:
            open(self.path(f"go{each}"), "w").close()

    def state(self):
        return self.clowder("host show h1 --json").json["state"]

    def states(self):
        return [each["state"] for each in self.clowder.profile("far")["daemon_list"]]

    def is_away(self):
        wait_until(lambda: self.states() == ["away"] * 2)

    def is_back(self):
        wait_until(lambda: self.state() == "up" and "away" not in self.states() and len(self.states()) == 2)

    def breaks(self):
        """Its server ends all sessions, and is there again."""
        self.lab.shell("lab_stop 1")
        self.is_away()
        self.lab.shell("lab_sshd 1")

    def map(self, *tasks):
        running = self.clowder.start("map -p far -- sh -c", TASK, ":::", *tasks)
        wait_until(lambda: len(self.began()) == 2)
        return running

    def ends_well(self, running, tasks):
        assert running.wait().lines == [f"done {each}" for each in tasks]
        assert sorted(self.began(), key=int) == list(tasks), "a task was begun again"
        assert self.clowder.profile("far")["tasks"]["retried"] == 0


@pytest.fixture
def host(clowder, lab):
    own = Host(clowder, lab(1))
    clowder("host add h1")
    clowder("up far --on h1:2")
    return own


def test_a_task_that_runs_is_not_run_again_however_often_the_link_breaks(host):
    running = host.map("1", "2")
    pids = sorted(each["pid"] for each in host.clowder.profile("far")["daemon_list"])
    for _ in range(4):
        host.breaks()
        host.is_back()
    assert sorted(each["pid"] for each in host.clowder.profile("far")["daemon_list"]) == pids
    host.let_go("1", "2")
    host.ends_well(running, ("1", "2"))


def test_what_is_done_while_the_link_is_away_comes_home_later(host):
    tasks = [str(i) for i in range(1, 7)]
    running = host.map(*tasks)
    host.lab.shell("lab_stop 1")
    host.is_away()
    host.let_go(*tasks)
    time.sleep(1)  # those that it has are done by then, or never
    ahead = host.began()
    host.lab.shell("lab_sshd 1")
    host.ends_well(running, tasks)
    assert len(ahead) >= 2


def test_large_results_come_home_whole(host, work):
    running = host.clowder.start("map -p far --max-output 64M -- sh -c", "echo {} >>$HOME/began; head -c 20000000 /dev/zero | tr '\\0' {}", ":::", *"1234")
    for _ in range(3):
        wait_until(lambda: host.began())
        host.breaks()
        host.is_back()
    out = running.wait().out
    assert [len(line) for line in out.split("\n")] == [20000000] * 4 + [0] or out == "".join(each * 20000000 for each in "1234")
    assert sorted(host.began()) == list("1234")


def test_a_worker_goes_on_with_its_next_task(host, work):
    (work / "worker").write_text("""#!/bin/sh
while read -r line; do
  echo "$line" >>"$HOME/began"
  while ! [ -e "$HOME/go$line" ]; do sleep 0.05; done
  echo "done $line"
done
""")
    (work / "worker").chmod(0o755)
    tasks = [str(i) for i in range(1, 21)]
    running = host.clowder.start("map -p far -w --ship worker -- ./worker :::", *tasks)
    wait_until(lambda: len(host.began()) == 2)
    host.breaks()
    host.is_back()
    host.let_go(*tasks)
    host.ends_well(running, tasks)


def test_a_cancelled_job_waits_for_nobody_who_is_away(host):
    running = host.map("1", "2")
    host.lab.shell("lab_stop 1")
    host.is_away()
    job = host.clowder("job list --json").json["jobs"][0]["id"]
    host.clowder(f"job cancel {job}")
    assert running.wait(status=None).status != 0
    assert "away" not in host.states()


def test_whoever_is_not_back_in_time_is_missed(clowder, lab):
    host = Host(clowder, lab(2))
    clowder("host add h1")
    clowder("host add h2")
    clowder("up far --on h1:2 --grace 3s")
    running = host.map("1", "2")
    clowder("up far --on h2:1")
    host.lab.shell("lab_stop 1")
    host.let_go("1", "2")
    os.makedirs(os.path.join(host.lab.lab, "h2/home"), exist_ok=True)
    for each in ("1", "2"):
        open(os.path.join(host.lab.lab, "h2/home", f"go{each}"), "w").close()
    assert running.wait().lines == ["done 1", "done 2"]
    assert clowder.profile("far")["tasks"]["retried"] >= 1


def seconds(name, default):
    """How long; CUT_S=300 STOP_S=300 to see more of it."""
    return int(os.environ.get(name, default))


def test_a_long_cut_costs_no_task(host):
    needs_namespaces(host.lab)
    running = host.map("1", "2")
    cable = Cable(host.lab)
    begun = time.monotonic()
    cable.cut()
    host.is_away()  # after 40 s the host is given up
    time.sleep(max(0, begun + seconds("CUT_S", 55) - time.monotonic()))
    host.let_go("1", "2")
    cable.mend()
    host.ends_well(running, ("1", "2"))


def test_an_engine_that_sleeps_costs_no_task(host):
    tasks = [str(i) for i in range(1, 7)]
    running = host.map(*tasks)
    engine = host.clowder("status --json").json["engine"]["pid"]
    os.kill(engine, signal.SIGSTOP)
    time.sleep(seconds("STOP_S", 20))
    host.let_go(*tasks)
    os.kill(engine, signal.SIGCONT)
    host.ends_well(running, tasks)
