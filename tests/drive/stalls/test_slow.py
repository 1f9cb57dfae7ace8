"""A disk that takes seconds a write, and a name that takes seconds to resolve."""
import socket

from waiting import wait_until


def test_tasks_run_while_the_disk_is_slow(clowder, slow, wanted):
    slow("FSYNC", 1000)
    clowder("up -n 1")
    changing = clowder.start("up other -n 1")
    for i in range(10):
        assert clowder(f"run -- echo {i}").out == f"{i}\n"
    changing.wait()
    wait_until(lambda: wanted("other"))


def test_tasks_run_while_a_name_is_looked_for(clowder, slow):
    slow("NAMES", 5000)
    clowder("up -n 1")
    clowder(f"profile set named --runtime mirai --base tcp://{socket.gethostname()}:9 -n 1")
    asking = clowder.start("up named")
    assert clowder("run -- echo meanwhile").out == "meanwhile\n"
    assert not asking.is_over(), "nobody waited for the name: nothing was shown"
    asking.wait(status=None).says("the base")
