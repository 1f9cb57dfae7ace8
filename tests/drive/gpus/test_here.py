"""GPUs of this machine: seen as those of hosts are, one for each daemon of a profile that asks for it."""
import pytest

CARDS = """#!/bin/sh
echo "0, NVIDIA A100-SXM4-40GB, 40960, 535.104.05, 87, 30211"
echo "1, NVIDIA A100-SXM4-40GB, 40960, 535.104.05, 0, 4"
"""


@pytest.fixture
def cards(engine):
    """A tool that tells of two cards: there are none here, or nobody knows how many."""
    tools = engine.work / "tools"
    tools.mkdir()
    (tools / "nvidia-smi").write_text(CARDS)
    (tools / "nvidia-smi").chmod(0o755)
    engine.env["PATH"] = f"{tools}:{engine.env['PATH']}"
    return tools


def seen_by(clowder, profile):
    return sorted(line.split("\t")[1] for line in clowder(f"everywhere -p {profile} -- sh -c", "echo $CUDA_VISIBLE_DEVICES").lines)


@pytest.mark.usefixtures("cards")
def test_each_gets_a_card_and_there_are_as_many_as_cards(clowder):
    clowder("up gpu --per-gpu").prints("^gpu: 2 daemons up")
    assert seen_by(clowder, "gpu") == ["0", "1"]
    place = clowder("status gpu --json").json["profiles"][0]["hosts"][0]
    assert [(gpu["busy"], gpu["mem_used_bytes"] >> 20) for gpu in place["gpus"]] == [(87, 30211), (0, 4)]


@pytest.mark.usefixtures("cards")
def test_a_number_is_as_many_as_that_and_cards_are_shared_evenly(clowder):
    clowder("up gpu --per-gpu -n 4")
    assert seen_by(clowder, "gpu") == ["0", "0", "1", "1"]
    clowder("up gpu --per-gpu")
    assert seen_by(clowder, "gpu") == ["0", "1"]


@pytest.mark.usefixtures("cards")
def test_the_next_engine_brings_them_up_again(clowder, engine):
    clowder("up gpu --per-gpu")
    clowder("engine stop --now")
    clowder("up gpu").prints("^gpu: 2 daemons up")
    assert seen_by(clowder, "gpu") == ["0", "1"]


def test_without_a_card_nothing_is_up_and_it_is_said(clowder, cards):
    (cards / "nvidia-smi").write_text("#!/bin/sh\n")
    clowder("up gpu --per-gpu -n 2", status=None)
    status = clowder("status gpu --json").json["profiles"][0]
    if status["hosts"][0]["gpus"]:
        pytest.skip("this machine has a GPU")
    assert status["daemons"]["connected"] == 0
    clowder("up gpu --per-gpu", status=2).says_one_line("this machine shows no GPU.*leave out --per-gpu")


@pytest.mark.usefixtures("cards")
def test_who_asks_for_none_sees_what_the_shell_sees(clowder):
    clowder("up plain -n 1")
    assert seen_by(clowder, "plain") == [""]
