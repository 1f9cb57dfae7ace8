"""One machine of two cannot start a job's tasks: the other one does them all, and it is said once."""
import pytest

from waiting import needs_namespaces, numbers, same

# A folder of tools that h1 does not see.
TOOLS = r"""mkdir -p $LAB/tools $LAB/h1
printf '#!/bin/sh\necho "$1 $CLOWDER_HOST"\n' >$LAB/tools/tool
printf '#!/bin/sh\nexec cat\n' >$LAB/tools/worker
chmod +x $LAB/tools/*
echo "mount -t tmpfs none $LAB/tools" >$LAB/h1/mount"""


@pytest.fixture
def tools(clowder, lab):
    host = lab(2, before=TOOLS)
    needs_namespaces(host, "namespaces of mounts")
    for name in ("h1", "h2"):
        clowder(f"host add {name}")
    clowder("up --on h1:2 --on h2:1")
    return f"{host.lab}/tools"


def test_tasks_go_where_the_program_is(clowder, engine, tools):
    done = clowder("map --", f"{tools}/tool", stdin=numbers(40))
    same(done.out, "".join(f"{n} h2\n" for n in range(1, 41)))
    done.says_one_line("^clowder: h1: cannot run '.*/tool': command not found; it gets no tasks of this job")
    assert engine.logged("set aside host=h1") == 1
    clowder("map --", "sh", "-c", "sleep 0.1; echo $CLOWDER_HOST", stdin=numbers(12)).prints("^h1$")  # other jobs have it still


def test_so_do_those_of_a_worker(clowder, tools):
    done = clowder("map -w --", f"{tools}/worker", stdin=numbers(3000))
    same(done.out, numbers(3000))
    done.says_one_line("^clowder: h1: cannot run")


def test_where_no_machine_can_they_fail_and_say_why(clowder, tools):
    clowder("down --on h2")
    done = clowder("map --", f"{tools}/tool", ":::", "a", "b", status=1)
    done.says("cannot run '.*/tool': command not found")
    assert "it gets no tasks" not in done.err
    clowder("map -n 1 -- no-such-program ::: a", status=1).says("cannot run 'no-such-program': command not found")


def test_a_task_of_each_daemon_fails_where_it_is(clowder, tools):
    done = clowder("everywhere --", f"{tools}/tool", "x", status=1)
    assert [line.split("\t")[1] for line in done.lines] == ["x h2"]


def test_a_machine_that_fails_tasks_costs_nothing_that_is_tried_again(clowder, lab):
    lab(2)
    for i in (1, 2):
        clowder(f"host add h{i}")
    clowder("up --on h1:2 --on h2:2")
    done = clowder("map --retry-failed 1 -- sh -c", "sleep 0.05; test $CLOWDER_HOST != h2 && echo {}", stdin=numbers(120))
    assert done.out == numbers(120)


def test_a_suspect_machine_gets_single_tasks(clowder, lab):
    lab(2)
    for i in (1, 2):
        clowder(f"host add h{i}")
    clowder("up --on h1:2 --on h2:2")
    done = clowder("map -- sh -c", "sleep 0.05; test $CLOWDER_HOST != h2 && echo {}", stdin=numbers(400), status=None)
    assert len(done.lines) > 330, "a suspect machine went on as before"
    assert "suspect host=h2" in clowder("log -n 1000").out
