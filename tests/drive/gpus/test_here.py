"""GPUs of this machine: seen as those of hosts are, one for each daemon of a profile that asks for it, and nobody else's."""
import fcntl
import os
import signal

import pytest

from waiting import wait_until

# Two cards; how much of each is in use, in MiB, is in a file.
SMI = """#!/bin/sh
cd "$(dirname "$0")"
case $* in
*"-i "*) n=${*#*-i }; cat "used-${n%% *}" ;;
*) for n in 0 1; do echo "$n, NVIDIA A100-SXM4-40GB, 40960, 535.104.05, 0, $(cat used-$n)"; done ;;
esac
"""


@pytest.fixture
def cards(engine):
    """A tool that tells of two cards: there are none here, or nobody knows how many. """
    tools = engine.work / "tools"
    locks = engine.work / "locks"
    tools.mkdir()
    locks.mkdir()
    (tools / "nvidia-smi").write_text(SMI)
    (tools / "nvidia-smi").chmod(0o755)
    for n in (0, 1):
        (tools / f"used-{n}").write_text("4\n")
    engine.env["PATH"] = f"{tools}:{engine.env['PATH']}"
    return tools


@pytest.fixture
def up(clowder, engine):
    """up("NAME OPTIONS"), with locks in a folder of the test's own: real ones are nobody's to hold."""
    return lambda words, **how: clowder(f"up {words} --env CLOWDER_GPU_LOCKS={engine.work}/locks", **how)


def seen_by(clowder, profile):
    return sorted(line.split("\t")[1] for line in clowder(f"everywhere -p {profile} -- sh -c", "echo $CUDA_VISIBLE_DEVICES").lines)


def reasons(clowder, profile):
    return sorted(d["reason"] for d in clowder.daemons(profile))


def held(cards, number):
    """Somebody has the lock of that card: as a daemon of another user would."""
    lock = open(cards.parent / f"locks/clowder-gpu-{number}", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


@pytest.mark.usefixtures("cards")
def test_each_gets_a_card_and_there_are_as_many_as_cards(clowder, up):
    up("gpu --per-gpu").prints("^gpu: 2 daemons up")
    assert seen_by(clowder, "gpu") == ["0", "1"]
    place = clowder("status gpu --json").json["profiles"][0]["hosts"][0]
    assert [gpu["mem_used_bytes"] >> 20 for gpu in place["gpus"]] == [4, 4]
    clowder("status gpu").prints("limits: GPU 0", "limits: GPU 1")


@pytest.mark.usefixtures("cards")
def test_who_finds_none_free_waits_until_there_is_one(clowder, up):
    up("gpu --per-gpu -n 3")
    wait_until(lambda: reasons(clowder, "gpu")[2].startswith("no GPU is free: "))
    assert sum(bool(reason) for reason in reasons(clowder, "gpu")) == 1
    assert sorted(clowder("map -p gpu -- sh -c", "echo $CUDA_VISIBLE_DEVICES; sleep 0.2", ":::", "a", "b", "c", "d").lines) \
        == ["0", "0", "1", "1"]
    owner = next(d["pid"] for d in clowder.daemons("gpu") if not d["reason"])
    os.kill(owner, signal.SIGKILL)
    wait_until(lambda: len([d for d in clowder.daemons("gpu") if d["state"] != "paused"]) == 2 and len(clowder.daemons("gpu")) == 3)
    assert clowder("map -p gpu -- sh -c", "echo $CUDA_VISIBLE_DEVICES; sleep 0.2", ":::", "a", "b").lines != ["0", "0"]


@pytest.mark.usefixtures("cards")
def test_cards_can_be_chosen(clowder, up):
    up("gpu --gpus 1").prints("^gpu: 1 daemon up")
    assert seen_by(clowder, "gpu") == ["1"]
    assert clowder("profile show gpu --json").json["gpus"] == [1] and clowder("profile show gpu --json").json["per_gpu"]
    clowder("profile show gpu").prints("^GPUs *1$")
    clowder("down gpu")
    up("other --gpus 7,9", status=2).says_one_line("this machine has none of the GPUs that --gpus names")
    up("other --gpus 1,x", status=2).says_one_line("GPUs are numbers from 0 to 62; write them like 0,2")


@pytest.mark.usefixtures("cards")
def test_this_machine_may_be_named(up):
    up("gpu --per-gpu --on local").prints("^gpu: 2 daemons up")


@pytest.mark.usefixtures("cards")
def test_two_profiles_never_have_the_same(clowder, up):
    up("one --per-gpu -n 1")
    up("two --per-gpu -n 1")
    assert sorted(seen_by(clowder, "one") + seen_by(clowder, "two")) == ["0", "1"]


def test_what_another_user_has_is_left_alone(clowder, up, cards):
    lock = held(cards, 0)
    up("gpu --per-gpu")
    wait_until(lambda: reasons(clowder, "gpu")[1])
    assert clowder("map -p gpu -- sh -c", "echo $CUDA_VISIBLE_DEVICES", ":::", "a", "b", "c").lines == ["1"] * 3
    lock.close()
    wait_until(lambda: not any(reasons(clowder, "gpu")))
    assert seen_by(clowder, "gpu") == ["0", "1"]


def test_what_is_in_use_without_a_lock_is_left_alone_until_it_is_free(clowder, up, cards):
    (cards / "used-1").write_text("30211\n")
    up("gpu --per-gpu -n 2")
    wait_until(lambda: "1 is in use by others (30211 MiB)" in reasons(clowder, "gpu")[1])
    clowder("status gpu").prints("paused: no GPU is free: .*1 is in use by others")
    (cards / "used-1").write_text("4\n")
    wait_until(lambda: not any(reasons(clowder, "gpu")))
    assert seen_by(clowder, "gpu") == ["0", "1"]


def test_shared_ones_have_several_daemons_whoever_uses_them(clowder, up, cards):
    lock = held(cards, 0)
    (cards / "used-1").write_text("30211\n")
    up("gpu --per-gpu --shared-gpu -n 4")
    assert seen_by(clowder, "gpu") == ["0", "0", "1", "1"]
    lock.close()


@pytest.mark.usefixtures("cards")
def test_the_next_engine_brings_them_up_again(clowder, up):
    up("gpu --per-gpu")
    clowder("engine stop --now")
    clowder("up gpu").prints("^gpu: 2 daemons up")
    assert seen_by(clowder, "gpu") == ["0", "1"]


def test_without_a_card_nothing_is_up_and_it_is_said(clowder, up, cards):
    (cards / "nvidia-smi").write_text("#!/bin/sh\n")
    up("gpu --per-gpu -n 2", status=None)
    status = clowder("status gpu --json").json["profiles"][0]
    if status["hosts"][0]["gpus"]:
        pytest.skip("this machine has a GPU")
    assert status["daemons"]["connected"] == 0
    up("gpu --per-gpu", status=2).says_one_line("this machine shows no GPU.*leave out --per-gpu")


@pytest.mark.usefixtures("cards")
def test_who_asks_for_none_sees_what_the_shell_sees(clowder):
    clowder("up plain -n 1")
    assert seen_by(clowder, "plain") == [""]
