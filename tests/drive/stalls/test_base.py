"""A base of another engine that swallows what knocks."""


def test_tasks_run_while_others_knock(clowder, deaf_port):
    clowder("up -n 1")
    clowder(f"profile set deaf --runtime mirai --base tcp://127.0.0.1:{deaf_port} -n 1")
    knocking = [clowder.start("up deaf") for _ in range(8)]  # a second each, one after the other
    assert clowder("run -- echo meanwhile").out == "meanwhile\n"
    assert not all([each.is_over() for each in knocking]), "nobody knocked any more: nothing was shown"
    for each in knocking:
        each.wait(status=3).says(f"nothing listens at the base tcp://127.0.0.1:{deaf_port}")
