"""A daemon that has nothing to do and does not go when it is told to is ended. One that has a task is waited for."""
from waiting import wait_until


def test_one_that_has_nothing_to_do_is_ended(clowder, engine, rogue):
    rogue.shall("stay")
    clowder("up one -n 1 --no-respawn")
    clowder("down one", timeout=30)
    assert rogue.noted("stays"), "it was not told to go"
    wait_until(lambda: engine.logged("stays daemon=one-1 .*did not leave when it was told to"))


def test_one_that_has_a_task_is_waited_for(clowder, engine, rogue):
    rogue.shall("stay 7")
    clowder("up two -n 1 --no-respawn")
    running = clowder.start("map -p two -- true ::: 1")
    wait_until(lambda: clowder.daemons("two")[0]["state"] == "executing")
    clowder("down two", timeout=60)
    running.wait()
    assert engine.logged("stays daemon=two-1") == 1
