"""The executor of clowder.py against a real engine and real daemons; python.sh prepares both."""
import asyncio
import concurrent.futures as futures
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import clowder

try:
    import numpy
except ImportError:
    numpy = None

FACTOR = 3


def triple(x):
    return FACTOR * x


def recursive(n):
    return 1 if n == 0 else n * recursive(n - 1)


def fail_with(text):
    raise KeyError(text)


class OwnError(Exception):
    pass


class Thing:
    """Stands in for a type of somebody else's, with a format of its own."""

    def __init__(self, data):
        self.data = data


def status(profile):
    out = subprocess.run(["clowder", "status", profile, "--json"], stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)["profiles"][0]


def wait_for(condition, seconds=30):
    """For states that other processes reach in their own time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise AssertionError("still not so after %d s" % seconds)
        time.sleep(0.02)


def gate():
    """A pipe in the file system: a task that opens it to write says that it began."""
    path = tempfile.mktemp(dir=os.environ["XDG_RUNTIME_DIR"])
    os.mkfifo(path)
    return path


def begin_and_wait(path):
    import os, time
    with open(path, "w") as f:
        f.write(str(os.getpid()))
    while not os.path.exists(path + ".go"):
        time.sleep(0.01)
    return "went"


def inside():
    """The variables of the worker that this runs in."""
    import sys
    frame = sys._getframe()
    while "fd_out" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals


def let_go(path):
    open(path + ".go", "w").close()


def begun(path):
    with open(path) as f:
        return int(f.read())


def at_rest(pid):
    """None of its threads ran for a moment."""
    def switches():
        found = []
        for thread in os.listdir("/proc/%s/task" % pid):
            with open("/proc/%s/task/%s/status" % (pid, thread)) as f:
                found += [line for line in f if "ctxt_switches" in line]
        return found
    before = switches()
    time.sleep(0.1)
    return before == switches()


class Calls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pool = clowder.Executor(daemons=2)

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown()

    def test_functions_of_every_kind(self):
        k = 5
        self.assertEqual(self.pool.submit(pow, 2, 10).result(), 1024)
        self.assertEqual(self.pool.submit(lambda x, *, y=2: x * y * k, 3, y=4).result(), 60)
        self.assertEqual(self.pool.submit(triple, 4).result(), 12)
        self.assertEqual(self.pool.submit(recursive, 10).result(), 3628800)
        self.assertEqual(self.pool.submit(os.path.join, "a", "b").result(), "a/b")
        self.assertEqual(self.pool.submit(lambda f: f(2), lambda x: x + 1).result(), 3)

    def test_a_call_sees_only_its_own_function(self):
        def counts():
            global FACTOR
            FACTOR += 1
            return FACTOR
        self.assertEqual([self.pool.submit(counts).result() for _ in range(6)], [4] * 6)

    def test_map_keeps_order(self):
        self.assertEqual(list(self.pool.map(triple, range(20000))), [3 * i for i in range(20000)])
        self.assertEqual(list(self.pool.map(pow, [2, 3], [3, 2, 9])), [8, 9])
        self.assertEqual(list(self.pool.map(triple, range(10), chunksize=4)), [3 * i for i in range(10)])
        self.assertEqual(list(self.pool.map(triple, [])), [])

    def test_map_of_large_things(self):
        sizes = [10] * 2000 + [1000000] * 150
        self.assertEqual(list(self.pool.map(len, map(bytes, sizes))), sizes)  # far more than one frame may have
        self.assertEqual([len(b) for b in self.pool.map(bytes, [1000000] * 150)], [1000000] * 150)

    def test_map_gives_up_in_time(self):
        with self.assertRaises(futures.TimeoutError):
            list(self.pool.map(time.sleep, [20], timeout=0.2))
        self.assertEqual(self.pool.submit(triple, 1).result(timeout=20), 3)  # what slept was ended

    def test_exceptions_come_back(self):
        with self.assertRaises(KeyError) as caught:
            self.pool.submit(fail_with, "lost key").result()
        self.assertEqual(caught.exception.args, ("lost key",))
        self.assertIn("in fail_with", str(caught.exception.__cause__))
        results = self.pool.map(lambda x: 1 // x, [1, 0, 1], chunksize=3)
        self.assertEqual(next(results), 1)
        self.assertRaises(ZeroDivisionError, next, results)

    def test_what_cannot_travel_says_so(self):
        with self.assertRaisesRegex(Exception, "the class OwnError is part of the script"):
            self.pool.submit(lambda: OwnError()).result()
        self.assertIsInstance(self.pool.submit(triple, threading.Lock()).exception(), TypeError)
        self.assertIsInstance(self.pool.submit(lambda: __import__("threading").Lock()).exception(), TypeError)

    def test_prints_do_not_harm(self):
        self.assertEqual(self.pool.submit(lambda: print("x" * 100000) or os.system("echo y") or 7).result(), 7)

    def test_as_completed_and_wait(self):
        path = gate()
        slow, fast = self.pool.submit(begin_and_wait, path), self.pool.submit(triple, 1)
        begun(path)
        results = []
        for future in futures.as_completed([slow, fast]):
            results.append(future.result())
            let_go(path)
        self.assertEqual(results, [3, "went"])
        self.assertEqual(futures.wait([slow, fast]).not_done, set())

    def test_asyncio(self):
        async def all_of_it():
            loop = asyncio.get_running_loop()
            a = loop.run_in_executor(self.pool, triple, 1)
            b = asyncio.wrap_future(self.pool.submit(triple, 2))
            return await asyncio.gather(a, b)
        self.assertEqual(asyncio.run(all_of_it()), [3, 6])

    def test_cancel_ends_what_runs(self):
        path = gate()
        future = self.pool.submit(begin_and_wait, path)
        pid = begun(path)
        self.assertTrue(future.cancel())
        self.assertTrue(future.cancelled() and future.cancel())
        self.assertRaises(futures.CancelledError, future.result)
        self.assertEqual(futures.wait([future], timeout=5).done, {future})
        wait_for(lambda: not os.path.exists("/proc/%d" % pid))
        done = self.pool.submit(triple, 1)
        self.assertEqual(done.result(), 3)
        self.assertFalse(done.cancel())

    def test_cancelling_some_cancels_no_others(self):
        async def some(n):
            loop = asyncio.get_running_loop()
            calls = [loop.run_in_executor(self.pool, triple, i) for i in range(n)]
            await asyncio.sleep(0.001)  # some of them run
            for call in calls[::4]:
                call.cancel()
            return await asyncio.gather(*calls, return_exceptions=True)

        async def all_of_them():
            for _ in range(240):
                for i, result in enumerate(await some(100)):
                    if i % 4 or not isinstance(result, asyncio.CancelledError):
                        self.assertEqual(result, 3 * i)
        asyncio.run(all_of_them())

    def test_a_worker_that_is_killed(self):
        path = gate()
        future = self.pool.submit(begin_and_wait, path)
        os.kill(begun(path), signal.SIGKILL)
        with self.assertRaisesRegex(clowder.WorkerDied, "killed by signal 9.*attempt 1") as caught:
            future.result(timeout=20)
        self.assertEqual(caught.exception.attempts, 1)
        self.assertTrue(caught.exception.daemon)

    def test_a_daemon_that_is_killed(self):
        path = gate()
        future = self.pool.submit(begin_and_wait, path)
        worker = begun(path)
        with open("/proc/%d/stat" % worker) as f:
            daemon = int(f.read().rsplit(")", 1)[1].split()[1])
        with open("/proc/%d/comm" % daemon) as f:
            self.assertEqual(f.read().strip(), "clowder-daemon")
        os.kill(daemon, signal.SIGKILL)
        begun(path)  # it begins again elsewhere
        let_go(path)
        self.assertEqual(future.result(timeout=20), "went")

    def test_what_forks_answers_once(self):
        def forks(x, how):
            import atexit, os, sys
            atexit.register(os.abort)
            child = os.fork()
            if child == 0 and how == "return":
                return "the child's"
            if child == 0 and how == "raise":
                raise ValueError("the child's")
            if child == 0:
                sys.exit(how)
            atexit.unregister(os.abort)
            return x, os.waitpid(child, 0)[1] >> 8
        for how, status in ("return", 0), (None, 0), (0, 0), (5, 5), ("why", 1), ("raise", 1):
            calls = [self.pool.submit(forks, i, how) if i % 5 == 2 else self.pool.submit(triple, i) for i in range(30)]
            self.assertEqual([c.result(timeout=20) for c in calls],
                             [(i, status) if i % 5 == 2 else 3 * i for i in range(30)])
        self.assertEqual(list(self.pool.map(lambda i: forks(i, "return") if i == 3 else i, range(40), chunksize=10)),
                         [(3, 0) if i == 3 else i for i in range(40)])

    def test_what_is_no_answer_fails_its_call(self):
        def intrudes():
            import os
            os.write(inside()["fd_out"], b"this is no frame of an answer")
        with clowder.Executor(daemons=1) as pool:
            calls = [pool.submit(intrudes) if i == 3 else pool.submit(triple, i) for i in range(10)]
            with self.assertRaisesRegex(clowder.WorkerDied, "the worker wrote 'this is no frame of an answer"):
                calls.pop(3).result(timeout=20)
            self.assertEqual([c.result(timeout=20) for c in calls], [3 * i for i in range(10) if i != 3])

    def test_what_was_answered_twice_is_told_at_the_end(self):
        def doubles():
            import os, struct
            os.write(inside()["fd_out"], struct.pack("<III", 0, inside()["number"], 1))
        pool = clowder.Executor(daemons=1)
        self.assertIsInstance(pool.submit(doubles).exception(timeout=20), clowder.WorkerDied)
        self.assertEqual(pool.submit(triple, 2).result(timeout=20), 6)
        self.assertRaisesRegex(clowder.EngineError, "answered a task twice", pool.shutdown)
        pool.shutdown()

    def test_results_that_would_end_the_thread(self):
        def leaves(*_):
            import sys
            class Leaves:
                def __reduce__(self):
                    return sys.exit, ("a result",)
            return Leaves()
        self.assertIsInstance(self.pool.submit(leaves).exception(timeout=20), SystemExit)
        self.assertRaises(SystemExit, list, self.pool.map(leaves, [1]))
        self.assertEqual(self.pool.submit(triple, 1).result(timeout=20), 3)

    def test_arguments_that_would_end_the_thread(self):
        class Leaves:
            def __reduce__(self):
                sys.exit("an argument")
        self.assertRaises(SystemExit, list, self.pool.map(triple, [Leaves()]))
        self.assertEqual(self.pool.submit(triple, 1).result(timeout=20), 3)

    def test_callbacks_that_would_end_the_thread(self):
        def leave(future):
            raise SystemExit("a callback")
        path, called = gate(), threading.Event()
        future = self.pool.submit(begin_and_wait, path)
        future.add_done_callback(leave)
        future.add_done_callback(lambda _: called.set())
        begun(path)
        with self.assertLogs("concurrent.futures", "ERROR") as logs:
            let_go(path)
            self.assertTrue(called.wait(20))
        self.assertIn("SystemExit: a callback", logs.output[0])
        self.assertEqual(self.pool.submit(triple, 1).result(timeout=20), 3)
        self.assertRaises(SystemExit, future.add_done_callback, leave)  # this thread is the caller's

    def test_registered_types(self):
        clowder.register(Thing, "thing", lambda t: t.data, lambda view: view)
        data = bytes(range(256)) * 1024
        self.assertEqual(self.pool.submit(len, data).result(), len(data))
        with self.assertRaisesRegex(Exception, "no serialiser 'thing' is registered here"):
            self.pool.submit(id, Thing(data)).result()

    def test_a_pickle_stays_small_beside_a_large_buffer(self):
        data = bytearray(100 * 1000 * 1000)
        buffers = []
        body = clowder._dumps([((clowder.pickle.PickleBuffer(data),), {})], buffers)
        self.assertLess(len(body), 1000)
        self.assertEqual([b.nbytes for b in buffers], [len(data)])
        self.assertIs(buffers[0].obj, data)


def memory(name):
    """Of this process, in kB."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(name))


class Buffers(unittest.TestCase):
    def test_100_mb_come_and_go_without_numpy(self):
        data = bytearray(range(250)) * 400000
        with clowder.Executor(daemons=1) as pool:
            back = pool.submit(lambda v: __import__("pickle").PickleBuffer(v), clowder.pickle.PickleBuffer(data)).result()
            self.assertIsInstance(back, memoryview)
            self.assertIsInstance(back.obj, ctypes.Array)  # the memory that it came in
        self.assertEqual(back, data)  # it outlives the executor


@unittest.skipIf(numpy is None, "SKIPPED: numpy is not installed here, so the 100 MB array was not sent")
class Arrays(unittest.TestCase):
    def test_100_mb_come_and_go(self):
        with clowder.Executor(daemons=1) as pool:
            array = numpy.arange(12500000, dtype="f8")
            pool.submit(len, array[:10]).result()
            with open("/proc/self/clear_refs", "w") as f:
                f.write("5")  # the peak counts from here
            before = memory("VmRSS")
            back, peak = pool.submit(lambda a: (a, __import__("resource").getrusage(0).ru_maxrss), array).result()
            if "LD_PRELOAD" not in os.environ:  # a sanitizer has memory of its own
                self.assertLess(memory("VmHWM") - before, 250000)  # what is sent and what came, no third
                self.assertLess(peak, 180000)  # the worker has it once
            self.assertTrue((array == back).all() and back.flags.aligned and back.flags.writeable)
            owner = back
            while not isinstance(owner, ctypes.Array):  # the memory that it came in
                owner = owner.obj if isinstance(owner, memoryview) else owner.base
            start, at = ctypes.addressof(owner), back.__array_interface__["data"][0]
            self.assertTrue(start <= at and at + back.nbytes <= start + len(owner))
        self.assertEqual(back[-1], 12499999)  # it outlives the executor


class Life(unittest.TestCase):
    def test_two_profiles(self):
        subprocess.run(["clowder", "up", "-n", "1", "-p", "gpu"], check=True, stderr=subprocess.DEVNULL)
        with clowder.Executor(daemons=1) as a, clowder.Executor(profile="gpu") as b:
            self.assertEqual(a.submit(os.getpid).result() == b.submit(os.getpid).result(), False)

    def test_no_such_profile(self):
        with self.assertRaisesRegex(clowder.EngineError, "nowhere"):
            clowder.Executor(profile="nowhere")

    def test_shutdown(self):
        pool = clowder.Executor(daemons=1)
        path = gate()
        slow = pool.submit(begin_and_wait, path)
        begun(path)
        waiting = [pool.submit(triple, i) for i in range(100)]
        pool.shutdown(cancel_futures=True)
        self.assertTrue(slow.cancelled() and all(f.cancelled() for f in waiting))
        self.assertRaises(RuntimeError, pool.submit, triple, 1)

    def test_a_time_limit(self):
        with clowder.Executor(daemons=1, timeout=0.3) as pool:
            self.assertRaises(clowder.TaskTimeout, pool.submit(time.sleep, 60).result)

    def test_a_time_limit_does_not_hold_for_imports(self):
        folder = tempfile.mkdtemp(dir=os.environ["XDG_RUNTIME_DIR"])
        with open(os.path.join(folder, "slow_things.py"), "w") as f:
            f.write("import time\ntime.sleep(1.5)\n")
        with clowder.Executor(daemons=1, timeout=0.5, ship=[f.name], imports=["slow_things"]) as pool:
            self.assertEqual(pool.submit(triple, 1).result(timeout=30), 3)
            self.assertRaises(clowder.TaskTimeout, pool.submit(time.sleep, 60).result)
            self.assertEqual(pool.submit(triple, 2).result(timeout=30), 6)  # a new worker

    def test_shipped_modules_and_registrations(self):
        folder = tempfile.mkdtemp(dir=os.environ["XDG_RUNTIME_DIR"])
        with open(os.path.join(folder, "shipped_things.py"), "w") as f:
            f.write("import clowder\nclass Vector:\n    def __init__(self, data): self.data = bytes(data)\n"
                    "    def __reduce__(self): raise TypeError('not by pickle')\n"
                    "clowder.register(Vector, 'vector', lambda v: v.data, Vector)\n"
                    "def turn(v): return Vector(v.data[::-1])\n")
        sys.path.insert(0, folder)
        import shipped_things as t
        with clowder.Executor(daemons=1, ship=[t.__file__], imports=["shipped_things"]) as pool:
            self.assertEqual(pool.submit(t.turn, t.Vector(b"abc")).result().data, b"cba")
            big = bytes(range(256)) * 4096
            self.assertEqual(pool.submit(t.turn, t.Vector(big)).result().data, big[::-1])

    def test_another_python(self):
        other = clowder._new_function
        with self.assertRaisesRegex(clowder.Error, "made by Python 2.7 and this worker is"):
            other("2.7", b"", None)

    def test_the_engine_is_killed(self):
        with clowder.Executor(daemons=2) as pool:
            path = gate()
            future = pool.submit(begin_and_wait, path)
            begun(path)
            with open(os.path.join(os.environ["XDG_RUNTIME_DIR"], "clowder/engine.lock")) as f:
                os.kill(int(f.read()), signal.SIGKILL)
            begun(path)
            let_go(path)
            self.assertEqual(future.result(timeout=30), "went")
            self.assertEqual(list(pool.map(triple, range(100))), [3 * i for i in range(100)])

    def test_what_was_cancelled_stays_so_when_the_engine_dies(self):
        with clowder.Executor(daemons=1) as pool:
            path = gate()
            first, second = pool.submit(begin_and_wait, path), pool.submit(let_go, path + ".second")
            begun(path)
            with open(os.path.join(os.environ["XDG_RUNTIME_DIR"], "clowder/engine.lock")) as f:
                engine = int(f.read())
            os.kill(engine, signal.SIGSTOP)
            second.cancel()
            os.kill(engine, signal.SIGKILL)
            begun(path)
            let_go(path)
            self.assertEqual(first.result(timeout=30), "went")
            self.assertEqual(pool.submit(triple, 1).result(timeout=30), 3)
        self.assertFalse(os.path.exists(path + ".second.go"))

    def test_waiting_does_not_poll(self):
        script = ("import asyncio, clowder, concurrent.futures as c, os, sys, time\n"
                  "with clowder.Executor(daemons=1) as pool:\n"
                  "    pool.submit(abs, 1).result()\n"
                  "    f = pool.submit(time.sleep, 8)\n"
                  "    print(os.getpid(), flush=True)\n"
                  "    if sys.argv[1] == 'asyncio':\n"
                  "        async def main(): await asyncio.wrap_future(f)\n"
                  "        asyncio.run(main())\n"
                  "    else:\n"
                  "        list(c.as_completed([f]))\n")
        if subprocess.run(["sh", "-c", "command -v strace"], stdout=subprocess.DEVNULL).returncode:
            self.skipTest("SKIPPED: strace is not installed here, so nobody counted wake-ups")
        for how in "as_completed", "asyncio":
            p = subprocess.Popen([sys.executable, "-c", script, how], stdout=subprocess.PIPE)
            pid = p.stdout.readline().decode().strip()
            trace = tempfile.mktemp(dir=os.environ["XDG_RUNTIME_DIR"])
            wait_for(lambda: at_rest(pid))
            subprocess.run(["timeout", "-s", "INT", "2", "strace", "-f", "-q", "-o", trace, "-p", pid], stderr=subprocess.DEVNULL)
            self.assertEqual(p.wait(timeout=30), 0)
            p.stdout.close()
            with open(trace) as f:
                calls = [line for line in f if "detached" not in line and "resuming interrupted" not in line
                         and "restart_syscall" not in line]
            self.assertTrue(calls, "strace saw no thread")
            # Each thread is seen once in the call that it waits in.
            woken = [line for line in calls if not line.rstrip().endswith(("<unfinished ...>", "<detached ...>"))]
            print("%s: system calls in 2 s of waiting: %d" % (how, len(woken)))
            self.assertLessEqual(len(woken), 4, "".join(woken))


if __name__ == "__main__":
    unittest.main(verbosity=2)
