"""On the engine's own machine: the same rules as on hosts, and no byte is copied."""
import gzip
import json

import pytest

from belongings import leavings
from waiting import wait_until

COPY = ["--", "sh", "-c", 'cat <"$1" >"$1.out"', "x", "{}"]


@pytest.fixture
def two(clowder):
    clowder("up -n 2")
    return clowder


def test_inputs_that_name_files_and_what_is_new(two, files):
    two("map -0 --files", *COPY, stdin=files.list, cwd=files.folder)
    assert files.read(".out") == files.read()
    wait_until(lambda: not leavings(files.folder))


def test_what_is_made_is_moved_and_what_is_brought_is_the_tasks_own(two, work):
    (work / "in").write_text("x\n")
    made = two("map --out out -- sh -c", "echo y >out; stat -c %i out; : {}", ":::", "1").out
    assert made == f"{(work / 'out').stat().st_ino}\n"
    script = "echo more >>in; chmod 600 in; cat in; : {}"
    assert two("map --in in -- sh -c", script, ":::", "1", "2").lines == ["x", "more"] * 2
    assert (work / "in").read_text() == "x\n" and (work / "in").stat().st_mode & 0o777 == 0o644
    two("map --files -- sh -c", "echo bad >in; false {}", ":::", "in", status=1)
    assert (work / "in").read_text() == "x\n"


def test_large_files_that_all_tasks_see_are_links(two, work):
    with open(work / "big", "wb") as f:
        f.truncate(20 << 20)
    (work / "lib").mkdir()
    (work / "big").rename(work / "lib/big")
    assert two("map --ship lib -- sh -c", "stat -c %i lib/big; : {}", ":::", "1").out == f"{(work / 'lib/big').stat().st_ino}\n"


def test_a_compressor_in_a_folder_of_its_own(two, work):
    (work / "a b").mkdir()
    (work / "a b/one.txt").write_text("text\n" * 1000)
    two("map --files -- gzip {} :::", "a b/one.txt")
    assert gzip.decompress((work / "a b/one.txt.gz").read_bytes()) == b"text\n" * 1000


def test_folders_links_modes_and_empty_ones(two, work):
    script = "mkdir -p r/empty r/d; echo x >r/d/tool; chmod 750 r/d/tool; ln -s d/tool r/link; chmod 700 r/d"
    two("map --out r -- sh -c", script, ":::", "1")
    assert (work / "r/empty").is_dir() and (work / "r/link").readlink().as_posix() == "d/tool"
    assert (work / "r/d/tool").stat().st_mode & 0o777 == 0o750 and (work / "r/link").read_text() == "x\n"


@pytest.mark.parametrize("pattern, expected", [
    ("*.x", {"1.x", "2.x"}), ("**/*.y", {"d/e/3.y", "4.y"}), ("d", {"d/e/3.y", "d/5.z"}), ("d/**", {"d/e/3.y", "d/5.z"}),
    ("./d//5.z", {"d/5.z"}), ("[12].x", {"1.x", "2.x"}), (".h*", {".hidden"})])
def test_patterns(two, work, pattern, expected):
    home = work / "home"
    home.mkdir()
    two("map --out", pattern, "--", "sh", "-c", "mkdir -p d/e; touch 1.x 2.x d/e/3.y 4.y d/5.z .hidden", ":::", "1", cwd=home)
    assert {str(p.relative_to(home)) for p in home.rglob("*") if p.is_file()} == expected


def test_what_a_placeholder_brings_is_no_pattern(two, work):
    names = ["[ab]", "a*", "?", "a\\b", "{}", " x y"]
    two("map --out {} -- sh -c", 'printf %s "$1" >"$1"; touch a ab b', "x", "{}", ":::", *names)
    assert {name: (work / name).read_text() for name in names} == {name: name for name in names}
    assert not (work / "ab").exists()


def test_what_is_missing_fails_its_task_and_says_which(two, work):
    (work / "1.cfg").touch()
    said = two("map --in {}.cfg -- true ::: 1 2", status=1)
    said.says(r"task 2 \(2\): failed: --in: there is no file '2.cfg' here").says("1 of 2 tasks failed")
    two("map --out out-{} -- sh -c", "[ {} = 2 ] || touch out-{}", ":::", "1", "2", status=1).says(
        r"task 2 \(2\): failed: --out: there is no file 'out-2'")
    two("map --in a.cfg --out * -- true ::: 1", status=1).says("no file 'a.cfg'")
    two("map --in 1.cfg --out * -- true ::: 1", status=1).says("there is no file '\\*' but what was there before")


def test_what_cannot_come_home_stays_and_its_folder_is_named(two, work):
    (work / "r").mkdir()
    said = two("map --json --out r -- sh -c", "echo precious >r", ":::", "1", status=1).json
    assert "cannot save 'r' here: Is a directory; its files stay on local: /" in said["error"]
    kept = said["error"].split("stay on local: ")[1]
    assert open(f"{kept}/r").read() == "precious\n"


def test_two_tasks_that_bring_one_name(two, work):
    said = two("map --json --out out -- sh -c", "echo {} >out", ":::", "1", "2", "3", status=1)
    ends = [json.loads(line) for line in said.lines]
    assert sorted(end["status"] for end in ends) == ["done", "failed", "failed"]
    first = next(end["index"] for end in ends if end["status"] == "done")
    assert (work / "out").read_text() == f"{first}\n"
    for end in ends:
        assert end["status"] == "done" or f"task {first} of this job has brought 'out' already" in end["error"]


def test_an_earlier_run_is_replaced_whole(two, work):
    for text in ("a long one", "short"):
        two("map --out out -- sh -c", f"echo {text} >out", ":::", "1")
        assert (work / "out").read_text() == text + "\n"


def test_a_task_that_fails_brings_nothing(two, work):
    two("map --out out-{} -- sh -c", "touch out-{}; exit 3", ":::", "1", status=1).says("exit 3")
    assert not (work / "out-1").exists()
    wait_until(lambda: not leavings(work))


@pytest.mark.parametrize("words", ["--out /etc/x", "--in ../x", "--in ..", "--out ''"])
def test_what_leaves_the_folder_is_refused(two, words):
    two(f"map {words.split()[0]}", words.split()[1].strip("'"), "--", "true", ":::", "1", status=2).says_one_line(
        "only what is below the folder of the job travels")


def test_a_placeholder_that_leaves_the_folder_fails_its_task(two, work):
    two("map --out {} -- true :::", "../x", "/etc/x", status=1).says("'../x' leads out of the folder").says("'/etc/x' leads out")


def test_workers_have_no_files_of_each_task(two):
    two("map -w --in {} -- cat ::: 1", status=2).says("files of each task .* are for commands with inputs")


def test_results_in_folders_of_their_tasks(two, work):
    two("map --results r --out made -- sh -c", "echo out {}; echo err >&2; echo {} >made; [ {} != b ]", ":::", "a", "b", status=1)
    assert (work / "r/1/stdout").read_text() == "out a\n" and (work / "r/2/stderr").read_text() == "err\n"
    assert (work / "r/1/made").read_text() == "a\n" and not (work / "r/2/made").exists()
    one, two_ = (json.loads((work / f"r/{i}/status.json").read_text()) for i in (1, 2))
    assert (one["status"], one["files"], one["file_bytes"], two_["exit"]) == ("done", 1, 2, 1)


def test_results_of_a_detached_job(two, work):
    job = two.submit("--results r --out made -- sh -c", "echo out {}; echo {} >made", ":::", "a", "b")
    two(f"job wait {job}")
    assert (work / "r/2/made").read_text() == "b\n"
    two.collect(job)
    assert (work / "r/2/stdout").read_text() == "out b\n"


def test_a_folder_that_is_shipped(two, work):
    (work / "lib/sub").mkdir(parents=True)
    (work / "lib/sub/a.txt").write_text("a\n")
    elsewhere = work / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "tools").mkdir()
    (elsewhere / "tools/t").write_text("t\n")
    for options in ([], ["--out", "o-{}"]):
        got = two("map --ship lib --ship", elsewhere / "tools", *options, "--", "sh", "-c", "cat lib/sub/a.txt tools/t; touch o-{}",
                  ":::", "1", "2")
        assert got.lines == ["a", "t"] * 2
    said = two("map -w --ship lib -- sh -c", "while read -r x; do cat lib/sub/a.txt; done", ":::", "1")
    assert said.lines == ["a"]
    two("map --ship nowhere -- true ::: 1", status=4).says("cannot ship nowhere")


def test_links_that_lead_out_of_what_is_brought(two, work):
    (work / "q").mkdir()
    (work / "in2").write_text("2\n")
    (work / "q/out").symlink_to("../in2")
    (work / "q/in").symlink_to("out")
    assert two("map --in q -- sh -c", "cat q/out; readlink q/in; readlink q/out || echo file", ":::", "1").lines == ["2", "out", "file"]


def test_results_are_not_mixed(two, work):
    two("map --results a/r --out x -- sh -c", "echo {} >x", ":::", "1")
    assert (work / "a/r/1/x").read_text() == "1\n"
    two("map --results a/r -- true ::: 1", status=2).says("--results a/r has something in it")
    two("map --results s --out stdout -- sh -c", "echo {} >stdout", ":::", "1", status=1).says("the name of a file of ours")
    two("map --in . -- true ::: 1", status=1).says("is the whole folder of the job")


def test_what_is_shipped_gives_way_to_a_tasks_own(two, work):
    (work / "a").write_text("a\n")
    assert two("map --ship ./a --in a -- sh -c", "cat a; echo x >a; : {}", ":::", "1", "2").out == "a\na\n"


def test_an_input_elsewhere_is_good_as_it_is_here(two, work):
    (work / "in").write_text("there\n")
    here = work / "here"
    here.mkdir()
    assert two("map --files -- cat :::", work / "in", cwd=here).out == "there\n"
    two("map --files -- cat ::: ../in", cwd=here, status=1).says("'../in' is not below the folder of the job")


def test_failed_tasks_again_with_their_files(two, work):
    (work / "in").write_text("x\n")
    two("map --in in --out out-{} -- sh -c", "grep {} in >out-{}", ":::", "x", "y", status=1)
    number = two("job list --json").json["jobs"][0]["id"]
    (work / "in").write_text("y\n")
    two(f"job retry {number}")
    assert (work / "out-x").read_text() == "x\n" and (work / "out-y").read_text() == "y\n"
