"""Inputs as people have them: several lists, columns, CSV, a line for the shell. The same as GNU parallel where it is there."""
import shutil

import pytest

from waiting import numbers


@pytest.fixture
def two(clowder):
    clowder("up -n 2")
    return clowder


@pytest.mark.parametrize("words", [
    ["{1}-{2}", ":::", "a", "b", ":::", "1", "2"], ["{2}{1}{3}", ":::", "a", "b", ":::", "1", "2", ":::", "x", "y"],
    ["{1}{2}", ":::", "a", "b", ":::+", "1", "2", "3"], ["{}", ":::", "a", "b", ":::", "1"], [":::", "a b", "c", ":::", "1"],
    ["{1/.} {2//} {-1}", ":::", "d/e.f", ":::", "/g/h", "i"], ["{1}", "::::", "five"], ["{1}{2}", ":::", "x", "::::", "five"],
    ["{1}{2}", "::::", "five", ":::+", "a", "b"]])
def test_lists_in_the_order_of_gnu_parallel(two, engine, work, words):
    (work / "five").write_text(numbers(5))
    got = two("map echo", *words).out
    if not shutil.which("parallel") or b"GNU" not in engine.run("parallel", "--version", status=None).out.encode():
        pytest.skip("needs GNU parallel (parallel)")
    assert got == engine.run("parallel", "--will-cite", "-k", "echo", *words).out


def test_columns_and_names(two, work):
    assert two("map --colsep \\t echo {2}.{1}", stdin="a\t1\nb\t2\n").lines == ["1.a", "2.b"]
    assert two("map -C", ",+", "echo", "{2}", stdin="a,,1\n").lines == ["1"]
    (work / "t.csv").write_text('name,what\r\n"x ""y""","1\n2"\r\nplain,\r\n')
    assert two("map --csv --header -a t.csv --", "echo", "<{name}|{what}>").out == '<x "y"|1\n2>\n<plain|>\n'
    assert two("map --header echo {size}{colour} ::: colour red ::: size 1 2").lines == ["1red", "2red"]
    assert two("map --csv --header echo {f}", stdin="\ufefff,n\ni,1\n").out == "i\n"
    two("map --csv echo", stdin='a,"b\n', status=2).says("a quote is not closed")
    two("map --csv --colsep ;; echo", stdin="a\n", status=2).says("there is one sign")
    two("map --colsep , echo ::: a,b", status=2).says("for lines of stdin")


def test_what_is_told_of_them(two, work):
    assert two("map --tag echo ::: a ::: b").out == "a b\ta b\n"
    assert two("map --json echo ::: a ::: b").json["inputs"] == ["a", "b"]
    two("map --joblog log false ::: a ::: b", status=1).says("task 1 \\(a b\\): exit 1")
    assert (work / "log").read_text().endswith("false a b\n")
    assert two("map --dry-run echo {2} ::: a ::: 'b").out == "echo ''\\''b'\n"


def test_an_input_is_no_command(two, work):
    nasty = ["; touch owned", "$(touch owned)", "`touch owned`", "it's", "a  b", "-n", "*"]
    assert two("map --shell", "printf '%s\\n' {} | cat", ":::", *nasty).lines == nasty
    assert not (work / "owned").exists()
    assert two("map --shell --", "echo {1} | tr a-z A-Z", ":::", "a", ":::", "b").out == "A\n"
    for words in ("echo '{}'", 'echo "x{.}"', "echo \\' '{/}'"):
        two("map --shell", words, ":::", "a", status=2).says("leave out the quotes around a placeholder")
    two("map -w --shell cat ::: a", status=2).says("--shell is for commands")


def test_detached_and_again(two, work):
    job = two.submit("--out {1}{2} -- sh -c", "echo {2} >{1}{2}; [ {1} != b ] || [ -e go ]", ":::", "a", "b", ":::", "1", "2")
    two(f"job wait {job}", status=1)
    assert sorted(p.name for p in work.glob("[ab]?")) == ["a1", "a2"]
    two("map echo {1} ::: a ::: b")
    two("map --name x -- sh -c", "echo {1}{2}; [ -e there ]", ":::", "a", ":::", "1", status=1)
    (work / "there").touch()
    number = two("job list --json").json["jobs"][0]["id"]
    assert two(f"job retry {number}").out == "a1\n"


def test_words_of_gnu_parallel(two, work):
    (work / "in.txt").write_text("x\n")
    (work / "base").write_text("b\n")
    two("map --basefile base --trc {.}.out -- sh -c", "cat base {} >{.}.out", ":::", "in.txt")
    assert (work / "in.out").read_text() == "b\nx\n"
    two("map --transferfile in.txt --return o{#} -- sh -c", "cp in.txt o{#}; : {}", ":::", "1", "2")
    assert (work / "o2").read_text() == "x\n"


def test_environment_of_one_job(two, engine, work):
    engine.env["FROM_HERE"] = "here"
    got = two("map --env A=1 --env FROM_HERE --env PATH=/usr/bin:/bin -- sh -c", "echo $A $FROM_HERE $PATH {}", ":::", "x")
    assert got.out == "1 here /usr/bin:/bin x\n"
    assert two("map -- sh -c", "echo [$A] {}", ":::", "x").out == "[] x\n"
    two("map --env NOT_THERE -- true ::: x", status=2).says("there is no such variable here")
    two("map --env CLOWDER_TASK=3 -- true ::: x", status=2).says("names that begin with CLOWDER_ are taken")
    assert b"FROM_HERE" not in engine.store.read_bytes()


def test_words_before_the_command(two, work):
    assert two("map --wrap", "env B=2  C=3", "--", "sh", "-c", "echo $B$C-{}", ":::", "x").out == "23-x\n"
    assert two("map --wrap", "env B=2", "--shell", "echo $B {}", ":::", "x y").out == "2 x y\n"
    assert two("map -w --wrap", "env B=2", "--", "sh", "-c", "while read -r x; do echo $B$x; done", ":::", "x").out == "2x\n"
    (work / "home").mkdir()
    (work / "home/.profile").write_text("export FROM_LOGIN=yes\n")
    assert two("run --env", f"HOME={work}/home", "--login", "--", "sh", "-c", "echo $FROM_LOGIN").out == "yes\n"
    assert two("map --env", f"HOME={work}/home", "--login", "--shell", "echo $FROM_LOGIN {}", ":::", "a").out == "yes a\n"
    assert two("run --shell", "echo a | cat").out == "a\n"
