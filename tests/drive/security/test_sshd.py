"""An SSH server that asks for answers without end and reads none is dropped, before it has filled the engine's memory."""


def test_a_server_that_reads_nothing_is_dropped(clowder, rogue_host, memory_mib):
    rogue_host("floods")
    clowder("engine start")
    before = memory_mib()
    clowder("up --on rogue:1", status=3, timeout=60).says("sends requests without end and does not read the answers")
    assert memory_mib() - before < 64
