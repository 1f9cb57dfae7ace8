"""clowder.py - concurrent.futures on every spare machine: the executor, and the worker that runs its calls.

    import clowder

    with clowder.Executor(profile="gpu") as pool:
        print(list(pool.map(lambda x: x * x, range(100000))))
        print(pool.submit(pow, 2, 10).result())

One file, the standard library only, over libclowder. The file travels with each job: a host needs a python3 and nothing
else. docs/python.md says how functions travel, what is copied, and what comes back when something dies.
"""
import atexit
import concurrent.futures
import ctypes
import importlib
import io
import marshal
import os
import pickle
import queue
import struct
import sys
import threading
import time
import traceback
import types
import weakref

__all__ = ["Executor", "Future", "Error", "EngineError", "TaskError", "WorkerDied", "TaskLost", "TaskTimeout", "register"]

OUT_OF_BAND = 64 << 10  # buffers from this size on travel beside the pickle
ALIGN = 16
_HEAD = struct.Struct("<4sIIIQQ")  # magic, calls or flags, buffers, bytes of the function, of the pickle, microseconds
_TASK, _REPLY = struct.Struct("<II"), struct.Struct("<III")  # frames of the worker: length, number; then code
_GREETING = b"\xffCLWFR2\n"
_CALL, _ANSWER = b"CLWc", b"CLWa"


class Error(Exception):
    """Anything that goes wrong here."""


class EngineError(Error, concurrent.futures.BrokenExecutor):
    """The engine, a profile or the job: what happened, and in hint what to do next."""

    def __init__(self, message, hint=""):
        super().__init__(message + (" (" + hint + ")" if hint else ""))
        self.hint = hint


class TaskError(Error):
    """A call that came to no answer. host, daemon, attempts: where, and how often; stderr: what it said last."""

    host = daemon = stderr = ""
    attempts = 0


class WorkerDied(TaskError):
    """The process that ran the call died under it."""


class TaskLost(TaskError):
    """Its daemons died, each time that it was tried."""


class TaskTimeout(TaskError, TimeoutError):
    """It took longer than Executor(timeout=...)."""


class _RemoteTraceback(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.text = text

    def __str__(self):
        return '\n"""\n' + self.text + '"""'


# ---- values and functions as bytes ----

_by_type, _by_name = {}, {}


def register(type, name, dumps, loads):
    """Objects of exactly this type travel as dumps(obj), bytes-like; loads(memoryview) makes them again.

    The worker needs the same registration: put it at the top of a module that both import (Executor(ship=[...],
    imports=[...])).
    """
    _by_type[type] = (name, dumps)
    _by_name[name] = loads


def _load_registered(name, data):
    if name not in _by_name:
        raise pickle.UnpicklingError(
            "no serialiser '%s' is registered here: register it in a module, and name that in Executor(imports=[...])" % name)
    return _by_name[name](memoryview(data))


def _version():
    return "%d.%d" % sys.version_info[:2]


def _new_cell(*value):
    return types.CellType(*value)


def _set_cell(cell, value):
    cell.cell_contents = value


def _new_function(version, code, cells):
    if version != _version():
        raise Error(
            "the function was made by Python %s and this worker is %s: its code does not fit; name another program in "
            "Executor(python=...), or put the function into a module that is shipped" % (version, _version()))
    return types.FunctionType(marshal.loads(code), {"__builtins__": __builtins__}, None, None, cells)


def _fill_function(function, state):
    function.__globals__.update(state.pop("globals"))
    for name, value in state.items():
        setattr(function, name, value)


def _names(code):
    """Of globals that code, or code within it, refers to."""
    found = set(code.co_names)
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            found |= _names(const)
    return found


def _travels_by_value(function):
    """What another process cannot import: functions of the script, lambdas, functions within functions."""
    if function.__module__ == "__main__" or function.__module__ is None:
        return True
    found = sys.modules.get(function.__module__)
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is not function


class _Pickler(pickle.Pickler):
    def __init__(self, file, buffers):
        def beside(buffer):
            raw = buffer.raw()
            if buffers is None or raw.nbytes < OUT_OF_BAND:
                return True
            buffers.append(raw)
            return False

        super().__init__(file, 5, buffer_callback=beside)

    def reducer_override(self, obj):
        kind = type(obj)
        if kind in _by_type:
            name, dumps = _by_type[kind]
            return _load_registered, (name, pickle.PickleBuffer(dumps(obj)))
        if kind is types.FunctionType and _travels_by_value(obj):
            return self.function(obj)
        if kind is types.ModuleType:
            if obj.__name__ == "__main__":
                raise pickle.PicklingError("the module __main__ cannot travel")
            return importlib.import_module, (obj.__name__,)
        if kind is types.CellType:
            try:
                return _new_cell, (), obj.cell_contents, None, None, _set_cell
            except ValueError:
                return _new_cell, ()
        if isinstance(obj, type) and obj.__module__ == "__main__":
            raise pickle.PicklingError(
                "the class %s is part of the script: put it into a module and name that in Executor(ship=[...])" % obj.__qualname__)
        return NotImplemented

    def function(self, f):
        names = _names(f.__code__)
        state = {
            "globals": {k: v for k, v in f.__globals__.items() if k in names and not k.startswith("__")},
            "__name__": f.__name__, "__qualname__": f.__qualname__, "__defaults__": f.__defaults__,
            "__kwdefaults__": f.__kwdefaults__, "__doc__": f.__doc__, "__dict__": f.__dict__,
        }
        state["globals"]["__name__"] = "__clowder__"  # so that a script's "if __name__ ..." is not taken for true
        return (_new_function, (_version(), marshal.dumps(f.__code__), f.__closure__), state, None, None,
                _fill_function)


# Both sides load this file under a name of their own; what a pickle refers to is always "clowder".
for _thing in (_load_registered, _new_cell, _set_cell, _new_function, _fill_function, _RemoteTraceback, Error,
               EngineError, TaskError, WorkerDied, TaskLost, TaskTimeout):
    _thing.__module__ = "clowder"
sys.modules.setdefault("clowder", sys.modules[__name__])


def _dumps(obj, buffers):
    file = io.BytesIO()
    _Pickler(file, buffers).dump(obj)
    return file.getvalue()


def _pack(magic, number, function, body, buffers, us=0, base=0):
    """A frame as pieces that need not be joined. base: where it will start, for the alignment of its buffers."""
    head = _HEAD.pack(magic, number, len(buffers), len(function), len(body), us)
    pieces = [head, struct.pack("<%dQ" % len(buffers), *(b.nbytes for b in buffers)), function, body]
    if not buffers:
        return [head + function + body]
    at = base + sum(map(len, pieces))
    for buffer in buffers:
        pad = -at % ALIGN
        pieces += [bytes(pad), buffer]
        at += pad + buffer.nbytes
    return pieces


def _unpack(magic, data, base=0):
    """Number, function, body, buffers (views into data, a memoryview), microseconds."""
    found, number, n, function_len, body_len, us = _HEAD.unpack_from(data)
    if found != magic:
        raise Error("not a frame of this protocol")
    at = _HEAD.size
    sizes = struct.unpack_from("<%dQ" % n, data, at)
    at += 8 * n
    function = data[at:at + function_len]
    at += function_len
    body = data[at:at + body_len]
    at += body_len
    buffers = []
    for size in sizes:
        at += -(base + at) % ALIGN
        buffers.append(data[at:at + size])
        at += size
    if at > len(data):
        raise Error("a frame that is shorter than it says")
    return number, function, body, buffers, us


# ---- the worker ----

RESULT_BASE = 4  # a result of its own lies so far behind an aligned address, when it has come home


def _portable(exc):
    """An exception and its traceback as text, such that it can be sent."""
    text = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__))
    try:
        copy = pickle.loads(pickle.dumps(exc))
        if type(copy) is type(exc):
            return exc.with_traceback(None), text
    except Exception:
        pass
    return Error("%s: %s" % (type(exc).__name__, exc)), text


_worker_pid = None


def _flush():
    for file in sys.stdout, sys.stderr:
        try:
            file.flush()
        except Exception:
            pass


def _leave_child(exc=None):
    """Ends a process that a call forked and that came back from it: the answer, and what is due at exit, is the worker's."""
    if os.getpid() == _worker_pid:
        return
    code = 0
    if isinstance(exc, SystemExit):
        code = exc.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    elif exc is not None:
        traceback.print_exception(type(exc), exc, exc.__traceback__)
        code = 1
    _flush()
    os._exit((code or 0) & 0xff)


def _answer(data):
    """The pieces of the answer to one frame."""
    began = time.perf_counter_ns()
    outcomes, good = [], True
    try:
        _, function, body, buffers, _ = _unpack(_CALL, memoryview(data))
        f = pickle.loads(function)
        calls = pickle.loads(body, buffers=buffers)
    except Exception as exc:
        f, calls = None, ()
        number, good = _HEAD.unpack_from(data)[1], False
        outcomes = [(False, _portable(exc))] * number
    for args, kwargs in calls:
        try:
            outcomes.append((True, f(*args, **kwargs)))
            _leave_child()
        except BaseException as exc:
            _leave_child(exc)
            if isinstance(exc, SystemExit) and len(calls) == 1:
                raise
            outcomes.append((False, _portable(exc)))
            good = False
    us = (time.perf_counter_ns() - began) // 1000
    return _pack_answer(outcomes, good, us)


def _pack_answer(outcomes, good, us):
    buffers = []
    try:
        body = _dumps([value for _, value in outcomes] if good else outcomes, buffers)
    except Exception:
        good = False
        for i, outcome in enumerate(outcomes):
            try:
                _dumps(outcome, [])
            except Exception as exc:
                outcomes[i] = (False, _portable(exc))
        del buffers[:]
        body = _dumps(outcomes, buffers)
    return _pack(_ANSWER, 0 if good else 1, b"", body, buffers, us, RESULT_BASE)


def _write(fd, pieces):
    views = [memoryview(p).cast("B") for p in pieces if len(p)]
    while views:
        n = os.writev(fd, views[:64])
        while views and n >= views[0].nbytes:
            n -= views.pop(0).nbytes
        if n:
            views[0] = views[0][n:]


def _read(fd, size):
    """Exactly size bytes, in memory of their own; None at the end."""
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        n = os.readv(fd, [view[at:]])
        if n == 0:
            return None
        at += n
    return data


def _read_task(fd):
    """A call's frame and its number; None at the end."""
    head = _read(fd, _TASK.size)
    if head is None:
        return None
    size, number = _TASK.unpack(head)
    data = _read(fd, size)
    return None if data is None else (data, number)


def _serve(fd_in, fd_out, imports):
    problem = None
    try:
        for name in imports:
            importlib.import_module(name)
    except Exception as exc:
        problem = exc
    _leave_child()
    _write(fd_out, [_GREETING])
    while True:
        task = _read_task(fd_in)
        if task is None:
            return
        data, number = task
        if problem is not None:
            pieces = _pack_answer([(False, _portable(problem))] * _HEAD.unpack_from(data)[1], False, 0)
        else:
            pieces = _answer(data)
        _leave_child()
        _write(fd_out, [_REPLY.pack(sum(memoryview(p).nbytes for p in pieces), number, 0)] + pieces)
        task = data = pieces = None


def worker(imports=()):
    """Answers calls on stdin until it ends. What they print goes to stderr, and never into the answers."""
    global _worker_pid
    _worker_pid = os.getpid()
    os.register_at_fork(before=_flush)  # so that a child does not print again what was printed
    fd_in, fd_out = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    try:
        _serve(fd_in, fd_out, imports)
    except BaseException as exc:
        _leave_child(exc)
        raise


# ---- libclowder ----


class _Err(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 400), ("hint", ctypes.c_char * 300)]

    def exception(self):
        return EngineError(self.message.decode("utf-8", "replace"), self.hint.decode("utf-8", "replace"))


_size, _u64, _str, _ptr, _bool = ctypes.c_size_t, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_bool


class _Function(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("argv", ctypes.POINTER(_str)), ("profile", _str), ("name", _str), ("dir", _str),
                ("use_stdin", _bool), ("no_input", _bool), ("everywhere", _bool), ("setup", _bool), ("unordered", _bool),
                ("timeout_ms", _u64), ("retries", ctypes.c_uint), ("retry_failed", ctypes.c_uint), ("speculate", _bool),
                ("deadline_ms", _u64), ("max_output", _size), ("has_seed", _bool), ("seed", _u64),
                ("ship", ctypes.POINTER(_str)), ("in_", ctypes.POINTER(_str)), ("out", ctypes.POINTER(_str)), ("results", _str),
                ("has_columns", _bool), ("names", ctypes.POINTER(_str)), ("shell", _bool),
                ("wrap", ctypes.POINTER(_str)), ("env", ctypes.POINTER(_str)), ("files", _bool)]


class _Profile(ctypes.Structure):
    _fields_ = [("daemons", ctypes.c_uint), ("has_daemons", _bool), ("on", _ptr), ("on_count", _size), ("ephemeral", _bool),
                ("env", ctypes.POINTER(_str)), ("settings", ctypes.POINTER(_str)), ("timeout_ms", ctypes.c_int64)]


class _Result(ctypes.Structure):
    _fields_ = [("index", _u64), ("outcome", ctypes.c_int), ("exit_status", ctypes.c_int), ("signal", ctypes.c_int),
                ("input", _ptr), ("out", _ptr), ("err", _ptr), ("why", _str), ("input_len", _size), ("out_len", _size),
                ("err_len", _size), ("out_total", _u64), ("host", _str), ("daemon", _str), ("attempts", ctypes.c_uint),
                ("queued_us", _u64), ("run_us", _u64), ("file_count", ctypes.c_uint32), ("file_bytes", _u64)]


class _Piece(ctypes.Structure):
    _fields_ = [("data", _ptr), ("len", _size)]


class _PyBuffer(ctypes.Structure):
    _fields_ = [("buf", _ptr), ("obj", ctypes.py_object), ("len", ctypes.c_ssize_t), ("itemsize", ctypes.c_ssize_t),
                ("readonly", ctypes.c_int), ("ndim", ctypes.c_int), ("format", _str), ("shape", _ptr), ("strides", _ptr),
                ("suboffsets", _ptr), ("internal", _ptr)]


_OK, _FAILED, _END, _AGAIN = 0, 1, -1, -2
_FRAMED = 2
_OUTPUT_MAX = 128 << 20
_libs = None
_libs_lock = threading.Lock()


def _candidates():
    if "CLOWDER_LIBRARY" in os.environ:
        return [os.environ["CLOWDER_LIBRARY"]]
    lib = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # LIB/python3/dist-packages
    return [os.path.join(lib, "libclowder.so.0"), "libclowder.so.0"]


def _multiarch(paths):
    for path in paths:
        yield path
        if os.path.isabs(path):
            yield os.path.join(os.path.dirname(path), "%s-linux-gnu" % os.uname().machine, os.path.basename(path))


def _load():
    """The library twice: calls that may wait let other threads run, and quick ones do not give up their turn."""
    global _libs
    with _libs_lock:
        if _libs:
            return _libs
        problem = None
        for path in _multiarch(_candidates()):
            if os.path.isabs(path) and not os.path.exists(path) and "CLOWDER_LIBRARY" not in os.environ:
                continue
            try:
                libs = ctypes.CDLL(path), ctypes.PyDLL(path)
                break
            except OSError as exc:
                problem = exc
        else:
            raise EngineError("libclowder cannot be loaded: %s" % problem, "install it, or set CLOWDER_LIBRARY to its path")
        for lib in libs:
            _declare(lib)
        _libs = libs
        return libs


def _declare(lib):
    err, i64, out = ctypes.POINTER(_Err), ctypes.c_int64, ctypes.POINTER(_ptr)
    for name, restype, argtypes in (
            ("clowder_open", ctypes.c_int, (out, _ptr, err)),
            ("clowder_close", None, (_ptr,)),
            ("clowder_profile_init", None, (ctypes.POINTER(_Profile),)),
            ("clowder_up", ctypes.c_int, (_ptr, _str, ctypes.POINTER(_Profile), err)),
            ("clowder_function_init", None, (ctypes.POINTER(_Function),)),
            ("clowder_job_open", ctypes.c_int, (_ptr, ctypes.POINTER(_Function), out, err)),
            ("clowder_job_put", ctypes.c_int, (_ptr, _str, _size, i64, err)),
            ("clowder_job_put_pieces", ctypes.c_int, (_ptr, ctypes.POINTER(_Piece), _size, i64, err)),
            ("clowder_job_flush", ctypes.c_int, (_ptr, err)),
            ("clowder_job_finish", ctypes.c_int, (_ptr, err)),
            ("clowder_job_take", ctypes.c_int,
             (_ptr, ctypes.POINTER(_Result), _size, ctypes.POINTER(_size), i64, err)),
            ("clowder_job_hold", _ptr, (_ptr,)),
            ("clowder_held_free", None, (_ptr,)),
            ("clowder_job_cancel_task", ctypes.c_int, (_ptr, _u64, err)),
            ("clowder_job_close", None, (_ptr,))):
        function = getattr(lib, name)
        function.restype, function.argtypes = restype, argtypes


def _strings(items):
    items = [os.fsencode(i) for i in items]
    return (_str * (len(items) + 1))(*items, None)


class _Addresses:
    """Where the bytes of buffers lie, read-only ones too, until release()."""

    get = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(_PyBuffer), ctypes.c_int)(
        ("PyObject_GetBuffer", ctypes.pythonapi))
    put_back = ctypes.PYFUNCTYPE(None, ctypes.POINTER(_PyBuffer))(("PyBuffer_Release", ctypes.pythonapi))

    def __init__(self, pieces):
        self.views = (_PyBuffer * len(pieces))()
        self.pieces = (_Piece * len(pieces))()
        self.got = 0
        for i, piece in enumerate(pieces):
            self.get(piece, ctypes.byref(self.views[i]), 0)
            self.got += 1
            self.pieces[i].data, self.pieces[i].len = self.views[i].buf, self.views[i].len

    def release(self):
        for i in range(self.got):
            self.put_back(ctypes.byref(self.views[i]))
        self.got = 0


# ---- the executor ----


class Future(concurrent.futures.Future):
    """A concurrent.futures.Future whose cancel() also ends a call that is queued, or runs, on some daemon."""

    def __init__(self, executor):
        super().__init__()
        self._owner = executor
        self._index = None
        self._told = False

    def cancel(self):
        with self._condition:
            if self._state == concurrent.futures._base.FINISHED:
                return False
            if self._told:
                return True
            self._told = True
        if not super().cancel():
            return False
        self.set_running_or_notify_cancel()  # tells those who wait
        self._owner._take_back(self._index, self)
        return True

    def add_done_callback(self, fn):
        super().add_done_callback(lambda future: _call_back(fn, future))


def _call_back(fn, future):
    """One that would end our thread is logged, as concurrent.futures logs other exceptions."""
    try:
        fn(future)
    except BaseException as exc:
        if isinstance(exc, Exception) or threading.current_thread() not in future._owner._threads:
            raise
        concurrent.futures._base.LOGGER.exception("exception calling callback for %r", future)


class _Call:
    """One submit on its way."""

    __slots__ = ("future", "pieces")

    def __init__(self, future, pieces):
        self.future, self.pieces = future, pieces

    def is_of(self, whose):
        return self.future is whose

    def done(self, outcomes):
        ok, value = outcomes[0]
        self.failed(value) if not ok else self.settle(self.future.set_result, value)

    def failed(self, exc):
        self.settle(self.future.set_exception, exc)

    def settle(self, how, value):
        try:
            how(value)
        except concurrent.futures.InvalidStateError:
            pass  # cancelled meanwhile


_PENDING = object()


class _Map:
    """One map: its arguments, its results so far, and how many calls travel together."""

    CHUNK_US, CHUNK_MAX, CHUNK_BYTES = 5000, 1024, 1 << 20

    def __init__(self, function, calls, chunksize):
        self.function, self.calls, self.chunksize = function, calls, chunksize
        self.results = [_PENDING] * len(calls)
        self.changed = threading.Condition()
        self.call_us = None  # as measured
        self.call_bytes = 1  # the most of an input or a result, so far
        self.cancelled = False

    def size(self, at):
        left = len(self.calls) - at
        if self.chunksize:
            return min(self.chunksize, left)
        if self.call_us is None:
            return 1  # how long one takes is not known yet
        fits = min(self.CHUNK_MAX, int(self.CHUNK_US / max(self.call_us, 0.1)), int(self.CHUNK_BYTES / self.call_bytes))
        return max(1, min(fits, left // 8))

    def measured(self, us, size, n):
        self.call_us = us / n
        self.saw(size, n)

    def saw(self, size, n):
        self.call_bytes = max(self.call_bytes, size / n)

    def store(self, at, outcomes):
        self.results[at:at + len(outcomes)] = outcomes
        with self.changed:
            self.changed.notify_all()


class _Part:
    """Some calls of a map on their way."""

    __slots__ = ("map", "at", "n")

    def __init__(self, map, at, n):
        self.map, self.at, self.n = map, at, n

    def is_of(self, whose):
        return self.map is whose

    def done(self, outcomes):
        self.map.store(self.at, outcomes)

    def failed(self, exc):
        self.map.store(self.at, [(False, exc)] * self.n)


_living = weakref.WeakSet()


@atexit.register
def _end_all():
    for executor in list(_living):
        executor.shutdown()


class Executor(concurrent.futures.Executor):
    """Runs calls on the daemons of a profile.

    profile   its name; None: $CLOWDER_PROFILE, or "default"
    daemons   bring up so many on this machine first; None: those that are up
    python    the interpreter of the workers; None: this one where its path is there, else the same version, else python3
    ship      files that travel with the job; a module among them can be imported there
    imports   names of modules that a worker imports before its first call
    timeout   seconds that a call (or the calls of a map that travel together) may take
    retries   daemons that may die under a call before it counts as lost
    name      of the job, for people
    """

    def __init__(self, profile=None, *, daemons=None, python=None, ship=(), imports=(), timeout=None, retries=2, name=None):
        self._lib, self._quick = _load()
        self._handle, self._job = _ptr(), _ptr()
        self._lock = threading.Lock()
        self._sent = {}
        self._next = 0
        self._queue = queue.SimpleQueue()
        self._closed, self._dropping, self._problem = False, False, None
        self._doubt = None  # why results may be wrong, when no call is left to say so
        err = _Err()
        self._check(self._lib.clowder_open(ctypes.byref(self._handle), None, ctypes.byref(err)), err)
        try:
            self._open(profile, daemons, python, ship, imports, timeout, retries, name, err)
        except BaseException:
            self._lib.clowder_close(self._handle)
            raise
        self._threads = [threading.Thread(target=f, name="clowder-" + f.__name__[1:], daemon=True)
                         for f in (self._send, self._collect)]
        for thread in self._threads:
            thread.start()
        _living.add(self)

    @staticmethod
    def _check(status, err):
        if status != _OK:
            raise err.exception()

    def _open(self, profile, daemons, python, ship, imports, timeout, retries, name, err):
        c_profile = profile.encode() if profile else None
        if daemons is not None:
            p = _Profile()
            self._lib.clowder_profile_init(ctypes.byref(p))
            p.daemons, p.has_daemons = daemons, True
            self._check(self._lib.clowder_up(self._handle, c_profile, ctypes.byref(p), ctypes.byref(err)), err)
        f = _Function()
        self._lib.clowder_function_init(ctypes.byref(f))
        pythons = [python] if python else [sys.executable or "python3", "python" + _version(), "python3"]
        find = ('i=$1; shift; for p; do command -v "$p" >/dev/null 2>&1 && exec "$p" clowder.py worker $i; done; '
                'echo "no $* on this machine" >&2; exit 127')
        argv = _strings(["sh", "-c", find, "clowder", " ".join(imports)] + pythons)
        files = _strings([os.path.abspath(__file__), *ship])
        f.kind, f.argv, f.profile, f.ship = _FRAMED, argv, c_profile, files
        f.name = (name or "python").encode()
        f.unordered, f.retries, f.max_output = True, retries, _OUTPUT_MAX
        f.timeout_ms = int(timeout * 1000) if timeout else 0
        self._check(self._lib.clowder_job_open(self._handle, ctypes.byref(f), ctypes.byref(self._job), ctypes.byref(err)), err)

    # -- what users call

    def submit(self, fn, /, *args, **kwargs):
        future = Future(self)
        try:
            buffers = []
            body = _dumps([(args, kwargs)], buffers)
            call = _Call(future, _pack(_CALL, 1, _dumps(fn, None), body, buffers))
        except Exception as exc:
            self._check_open()
            future.set_exception(exc)
            return future
        self._enqueue(call)
        return future

    def map(self, fn, *iterables, timeout=None, chunksize=None):
        """In the order of the inputs. chunksize None: calls that are quick travel together, by their measured time."""
        if chunksize is not None and chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        deadline = None if timeout is None else time.monotonic() + timeout
        m = _Map(_dumps(fn, None), [(args, {}) for args in zip(*iterables)], chunksize)
        self._enqueue(m)
        return self._results(m, deadline)

    def _results(self, m, deadline):
        try:
            for i in range(len(m.results)):
                if m.results[i] is _PENDING:
                    with m.changed:
                        while m.results[i] is _PENDING:
                            left = None if deadline is None else deadline - time.monotonic()
                            if left is not None and left <= 0:
                                raise concurrent.futures.TimeoutError()
                            m.changed.wait(left)
                ok, value = m.results[i]
                m.results[i] = None
                if not ok:
                    raise value
                yield value
        finally:
            m.cancelled = True
            self._take_back_map(m)

    def shutdown(self, wait=True, *, cancel_futures=False):
        with self._lock:
            first, self._closed = not self._closed, True
        if cancel_futures:
            self._dropping = True  # what the sender has in hand at this moment it drops itself
            waiting = list(self._sent.values())
            try:
                while True:
                    waiting.append(self._queue.get_nowait())
            except queue.Empty:
                pass
            first = first or None in waiting
            for item in waiting:
                if item is not None:
                    self._cancel(item)
        if first:
            self._queue.put(None)
        if wait and threading.current_thread() not in self._threads:
            for thread in self._threads:
                thread.join()
            doubt, self._doubt = self._doubt, None
            if doubt:
                raise doubt

    # -- inside

    def _enqueue(self, item):
        with self._lock:  # nothing comes behind the end
            self._check_open()
            self._queue.put(item)

    def _check_open(self):
        if self._problem:
            raise self._problem
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")

    def _cancel(self, item):
        if isinstance(item, _Call):
            item.future.cancel()
        else:
            m = item.map if isinstance(item, _Part) else item
            m.cancelled = True
            with m.changed:
                m.results = [(False, concurrent.futures.CancelledError()) if r is _PENDING else r for r in m.results]
                m.changed.notify_all()
            self._take_back_map(m)

    def _take_back(self, index, whose):
        with self._lock:
            item = self._sent.get(index)
            if item is not None and item.is_of(whose) and self._job:
                self._quick.clowder_job_cancel_task(self._job, index, None)

    def _take_back_map(self, m):
        for index in list(self._sent):
            self._take_back(index, m)

    def _put(self, item, pieces):
        index = self._next
        if isinstance(item, _Call):
            item.future._index = index
        self._sent[index] = item
        if self._dropping:
            self._sent.pop(index, None)
            self._cancel(item)
            return
        try:
            problem = self._put_pieces(pieces)
        except BaseException as exc:
            problem = exc
        if problem is None:
            self._next += 1
            if isinstance(item, _Call) and item.future.cancelled():  # while it was on its way
                self._take_back(index, item.future)
        elif self._sent.pop(index, None):
            item.failed(self._problem or problem)

    def _put_pieces(self, pieces):
        """None, or what went wrong."""
        err = _Err()
        if len(pieces) == 1:
            status = self._quick.clowder_job_put(self._job, pieces[0], len(pieces[0]), 0, ctypes.byref(err))
            if status == _AGAIN:
                status = self._lib.clowder_job_put(self._job, pieces[0], len(pieces[0]), -1, ctypes.byref(err))
        else:
            at = _Addresses(pieces)
            try:
                status = self._lib.clowder_job_put_pieces(self._job, at.pieces, len(pieces), -1, ctypes.byref(err))
            finally:
                at.release()
        return None if status == _OK else err.exception()

    def _put_map(self, m):
        at = 0
        while at < len(m.calls) and not m.cancelled:
            part, pieces = self._pack_part(m, at, m.size(at))
            at += part.n
            if pieces:
                self._put(part, pieces)

    def _pack_part(self, m, at, n):
        while True:
            part, buffers = _Part(m, at, n), []
            try:
                body = _dumps(m.calls[at:at + n], buffers)
                size = len(body) + sum(b.nbytes for b in buffers)
                m.saw(size, n)
                if size <= 8 * m.CHUNK_BYTES or n == 1 or m.chunksize:
                    return part, _pack(_CALL, n, m.function, body, buffers)
            except BaseException as exc:
                part.failed(exc)
                return part, None
            n = m.size(at)  # they are larger than those before

    def _send(self):
        err = ctypes.byref(_Err())
        for item in iter(self._queue.get, None):
            while True:
                if isinstance(item, _Map):
                    self._put_map(item)
                elif not item.future.cancelled():
                    self._put(item, item.pieces)
                    item.pieces = None
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    item = _PENDING
                if item is _PENDING or item is None:
                    break
            self._quick.clowder_job_flush(self._job, err)
            if item is None:
                break
            item = None
        self._quick.clowder_job_finish(self._job, err)

    def _collect(self):
        try:
            self._problem = self._take_all()
        except BaseException as exc:
            self._problem = EngineError("results cannot be taken any more: %r" % exc)
        finally:
            self._end()

    def _take_all(self):
        """Up to the end of the job. None, or what went wrong."""
        err, n = _Err(), _size()
        results = (_Result * 256)()
        while True:
            status = self._lib.clowder_job_take(self._job, results, 256, ctypes.byref(n), -1, ctypes.byref(err))
            if status == _END:
                return None
            if status != _OK:
                problem = err.exception()
                self._doubt = problem if status == _FAILED else None
                return problem
            for i in range(n.value):
                self._settle(results[i])

    def _end(self):
        problem = self._problem or EngineError("the job ended before the call was answered")
        if self._problem:  # the sender waits for its turn, or for more to send
            with self._lock:
                self._closed = True
            self._queue.put(None)
        self._threads[0].join()
        if self._sent:
            self._doubt = None
        while self._sent:
            self._sent.popitem()[1].failed(problem)
        with self._lock:
            job, self._job = self._job, None
        self._lib.clowder_job_close(job)
        self._lib.clowder_close(self._handle)
        _living.discard(self)

    def _settle(self, r):
        item = self._sent.pop(r.index, None)
        if item is None:
            return
        if r.outcome != 0:
            item.failed(_task_error(r))
            return
        try:
            kind, _, body, buffers, us = _unpack(_ANSWER, self._bytes(r), RESULT_BASE)
            values = pickle.loads(body, buffers=buffers)
            outcomes = [(True, v) for v in values] if kind == 0 else [_restored(*o) for o in values]
        except BaseException as exc:  # SystemExit of a result is not for this thread
            item.failed(exc)
            return
        if isinstance(item, _Part):
            item.map.measured(us, r.out_len, item.n)
        item.done(outcomes)

    def _bytes(self, r):
        """Small answers are copied; a large one stays where it arrived, as long as something refers to it."""
        if r.out_len < OUT_OF_BAND:
            return memoryview(ctypes.string_at(r.out, r.out_len))
        memory = (ctypes.c_char * r.out_len).from_address(r.out)
        weakref.finalize(memory, self._quick.clowder_held_free, self._quick.clowder_job_hold(self._job)).atexit = False
        return memoryview(memory).cast("B")


def _restored(ok, value):
    if ok:
        return ok, value
    exc, text = value
    exc.__cause__ = _RemoteTraceback(text)
    return False, exc


def _task_error(r):
    if r.outcome == 3:
        return concurrent.futures.CancelledError()
    kind = {1: WorkerDied, 2: TaskTimeout, 4: TaskLost}.get(r.outcome, TaskError)
    why = (r.why or b"").decode("utf-8", "replace")
    host, daemon = ((s or b"").decode("utf-8", "replace") for s in (r.host, r.daemon))
    stderr = ctypes.string_at(r.err, r.err_len).decode("utf-8", "replace") if r.err_len else ""
    where = " on %s%s" % (host or "?", ", daemon " + daemon if daemon else "") if host or daemon else ""
    exc = kind("%s%s, attempt %d%s" % (why or "the call failed", where, r.attempts,
                                       "; it said: " + stderr.strip()[-2000:] if stderr.strip() else ""))
    exc.host, exc.daemon, exc.attempts, exc.stderr = host, daemon, r.attempts, stderr
    return exc


if __name__ == "__main__":
    if sys.argv[1:2] != ["worker"]:
        sys.exit("usage: clowder.py worker [MODULE]...    (answers the calls of a clowder.Executor on stdin)")
    sys.modules["clowder"] = sys.modules["__main__"]
    worker(sys.argv[2:])
