"""--timeout ends a task also when its daemon does not: one that sits on it, and one that its task has stopped. Without a limit, silence
tells. This takes as long as the engine's patience."""
import json

STOPS = 'if [ $0 = 1 ] && mkdir stopped 2>/dev/null; then kill -STOP $PPID; fi; echo $0'


def test_a_limit_ends_a_task_whose_daemon_sits_on_it(clowder, rogue):
    rogue.shall("sit")
    clowder("up one -n 1 --no-respawn")
    clowder("map -p one --timeout 1s -- true ::: 1", status=1).says("no answer after 1 s, the limit set by --timeout; one-1 did not end it")
    assert rogue.noted("sits"), "it had no task"


def test_a_framed_worker_that_has_answered_has_no_time_to_start(clowder, rogue):
    rogue.shall("tired")
    clowder("up tired -n 1 --no-respawn")
    clowder("map -W -p tired --timeout 1s -- true ::: 1 2", status=1, timeout=60).says(
        "task 2 .*no answer after 1 s, the limit set by --timeout; tired-1 did not end it")


def test_a_limit_ends_a_task_that_has_stopped_its_daemon(clowder):
    clowder("up two -n 1")
    done = clowder("map -p two --timeout 1s --json -- sh -c", STOPS, ":::", "1", "2", status=None)
    results = [json.loads(line) for line in done.lines]
    assert [(result["index"], result["status"]) for result in results] == [(1, "timeout"), (2, "done")]


def test_without_a_limit_silence_tells(clowder, engine):
    clowder("up two -n 1")
    assert clowder("map -p two -- sh -c", STOPS, ":::", "1", "2").out == "1\n2\n"
    assert engine.logged("lost daemon=.*silent for")
