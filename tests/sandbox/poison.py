# ruff: noqa: PTH100, PTH103, PTH108, PTH109, PTH111, PTH120, PTH123, PTH208, SIM115, BLE001
"""What a session of a kept program does to harm its like, and a witness that says what a session sees and can do.

    poison.py witness [wait]        prints JSON; with `wait` when the file `go` is there
    poison.py NAME                  tries one way, prints "tried"

Runs inside; standard library only. What an attack tries may fail or work: the witnesses tell whether it mattered.
"""

import ctypes
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
X86 = os.uname().machine == "x86_64"
libc = ctypes.CDLL(None, use_errno=True)
ATTACKS = {}
LOADED = sorted(name for name in sys.modules if name != "__main__")
"""When a session begins, and what this file needs."""
PORTS = (40404, 40405)
"""Where the kept program and the witness that waits listen, each on the loopback device of its own."""
KEYS = (77, 78)
"""System V objects of the two."""
LINES = b"S0 0.0 0\nR\nI1\nK\nE1 forged\n"
"""What a helper says to the parent."""


def attack(function):
    ATTACKS[function.__name__] = function
    return function


def quietly(function, *arguments):
    try:
        return function(*arguments)
    except Exception:
        return None


def call(number, *words):
    return libc.syscall(ctypes.c_long(number), *(ctypes.c_long(w) if isinstance(w, int) else w for w in words))


def others():
    """All numbers that a process inside might have, but our own."""
    return [pid for pid in range(1, 401) if pid != os.getpid()]


# --- the witness ---


def listing(path):
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        return type(error).__name__


def flags_of(descriptor):
    return fcntl.fcntl(descriptor, fcntl.F_GETFL), fcntl.fcntl(descriptor, fcntl.F_GETOWN)


def works():
    """Ordinary work of a session: a child, a file of each place, memory, a socket pair, a shared object."""
    if os.fork() == 0:
        os._exit(0)
    assert os.wait()[1] == 0
    for place in ("/tmp", "/var/tmp", "/dev/shm", os.environ["HOME"], os.environ["TMPDIR"], "."):
        with open(f"{place}/work", "wb") as file:
            file.write(b"x" * 1_000_000)
        os.unlink(f"{place}/work")
    assert len(b"x" * 50_000_000) == 50_000_000
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    segment = libc.shmget(0, 4096, 0o1600)
    assert segment >= 0 and libc.shmctl(segment, 0, None) == 0


def view():
    """Everything by which a session could see another one, or what it did."""
    import builtins

    import forks_memory

    with open("/proc/self/mountinfo") as file:  # numbers of mounts differ from one to the next
        mounts = [line.split(" ", 3)[3] for line in file]
    with open("/proc/self/limits") as file:
        limits = [line for line in file if "realtime timeout" not in line]  # the run's mark
    return {
        "memory": forks_memory.digest(),
        "builtins": [len("abc"), builtins.len is forks_memory.LENGTH, 7 + 1, json.dumps({"a": 1})],
        "modules": LOADED,
        "path": [sys.path, repr(sys.meta_path), sys.getrecursionlimit(), repr(sys.gettrace())],
        "environment": dict(os.environ),
        "libc": ctypes.string_at(libc.getenv(b"POISON") or b"").decode(),
        "handlers": {number: repr(signal.getsignal(number)) for number in range(1, 32)},
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "timers": [signal.getitimer(kind) for kind in (0, 1, 2)],
        "limits": limits,
        "process": [os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0), os.getcwd(), os.umask(0o22), os.nice(0)],
        "processes": [name for name in listing("/proc") if name.isdigit()],
        "controls": [libc.prctl(number, 0, 0, 0, 0) for number in (3, 7, 21, 39)],
        "affinity": sorted(os.sched_getaffinity(0)),
        "descriptors": {name: quietly(os.readlink, f"/proc/self/fd/{name}") is not None for name in ("0", "1", "2")},
        "more": [number for number in range(3, 1024) if quietly(os.fstat, number)],
        "flags": [flags_of(number) for number in (0, 1, 2)],
        "offsets": [quietly(os.lseek, number, 0, os.SEEK_CUR) for number in (0, 1, 2)],
        "places": {
            place: listing(os.path.expanduser(place))
            for place in ("/", "/tmp", "/var/tmp", "/dev/shm", "~", os.environ["TMPDIR"], ".", "..", "/dev", "/home")
        },
        "shared": [open(f"/proc/sysvipc/{kind}").read() for kind in ("shm", "sem", "msg")],
        "sockets": open("/proc/net/unix").read(),
        "ports": len(open("/proc/net/tcp").readlines()),
        "mounts": mounts,
        "reached": [reached(PORTS[0]), abstract("kept"), quietly(os.stat, "/tmp/kept.socket") is not None],
        "found": [libc.shmget(KEYS[0], 0, 0), libc.semget(KEYS[0], 0, 0), libc.msgget(KEYS[0], 0)],
        "queue": mq_open(b"kept") >= 0,
    }


def reached(port):
    with socket.socket() as wire:
        return wire.connect_ex(("127.0.0.1", port)) == 0


def abstract(name):
    with socket.socket(socket.AF_UNIX) as wire:
        return wire.connect_ex("\0" + name) == 0


def mq_open(name, flags=0):
    return call(240 if X86 else 180, name, flags, 0o600, None)


def witness(wait):
    """What a session sees; one that waits lies in ambush meanwhile."""
    seen = view()
    if wait:
        server = socket.create_server(("127.0.0.1", PORTS[1]))
        named = socket.socket(socket.AF_UNIX)
        named.bind("\0waiting")
        named.listen()
        secret = mmap.mmap(-1, 4096)
        secret[:6] = b"secret"
        segment = libc.shmget(KEYS[1], 4096, 0o1600)
        for wire in (server, named):
            wire.settimeout(0)
        open("ready", "w").close()
        while "go" not in os.listdir():
            time.sleep(0.01)
        visitors = [wire for wire in (server, named) if quietly(wire.accept)]
        seen["waited"] = [len(visitors), secret[:6].decode(), segment >= 0, libc.shmget(KEYS[1], 0, 0) == segment]
        for name in ("ready", "go"):
            os.unlink(name)
        for wire in (server, named):
            wire.close()
        libc.shmctl(segment, 0, None)
        later = view()
        seen["the same"] = [name for name in later if later[name] != seen[name] and name not in ("sockets", "ports")]
    works()
    print(json.dumps(seen))


# --- memory ---


@attack
def change_modules():
    import builtins

    import forks_memory
    from launcher import forks, program

    builtins.len = lambda thing: 0
    json.dumps = lambda thing: "poisoned"
    forks_memory.SECRET["value"] = "poisoned"
    for module in (forks, program, os, sys, signal):
        for name in list(vars(module)):
            if name.islower() and callable(getattr(module, name)) and name not in ("fork", "_exit", "write", "exit"):
                setattr(module, name, None)
    sys.modules["forks_memory"] = None
    sys.meta_path.insert(0, object())


@attack
def overwrite_objects():
    """The memory of the number 8 and of a shared string, not their names."""
    import forks_memory

    ctypes.memset(id(8) + 24, 9, 1)
    text = forks_memory.SECRET["value"]
    ctypes.memmove(id(text) + sys.getsizeof("") - 1, b"poison", 6)


@attack
def overwrite_code_of_the_interpreter():
    """Pages that all processes of the file share."""
    place = ctypes.cast(libc.getenv, ctypes.c_void_p).value
    page = place & ~4095
    libc.mprotect(ctypes.c_void_p(page), 8192, 7)
    quietly(ctypes.memset, place, 0xC3, 1)
    assert quietly(open, "/proc/self/mem", "r+b") is None


@attack
def write_into_others():
    """ptrace(2), /proc/PID/mem, process_vm_writev(2) and the rest of /proc, on every number there may be."""
    import forks_memory

    buffer = ctypes.create_string_buffer(b"poison")
    local = struct.pack("QQ", ctypes.addressof(buffer), 6)
    remote = struct.pack("QQ", id(forks_memory.SECRET["value"]) + 48, 6)
    for pid in others():
        for request in (16, 0x4206):
            assert libc.ptrace(request, pid, 0, 0) != 0
        assert call(311 if X86 else 271, pid, ctypes.c_char_p(local), 1, ctypes.c_char_p(remote), 1, 0) < 0
        for name in (
            "mem",
            "environ",
            "maps",
            "fd/1",
            "fd/3",
            "root/etc/passwd",
            "cwd/x",
            "oom_score_adj",
            "clear_refs",
        ):
            assert quietly(open, f"/proc/{pid}/{name}", "r+b") is None


@attack
def be_traced_by_what_is_above():
    """PTRACE_TRACEME makes process 1 our tracer: it is told of our stops, too."""
    libc.ptrace(0, 0, 0, 0)
    print("tried", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)


# --- other processes ---


@attack
def signal_everything():
    for number in (*range(1, 32), 34, 64):
        for pid in others():
            quietly(os.kill, pid, number)
            quietly(signal.pidfd_send_signal, quietly(os.pidfd_open, pid) or -1, number)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for pid in others():
        quietly(os.killpg, pid, signal.SIGKILL) if pid != os.getpgrp() else None
    quietly(os.kill, -1, signal.SIGKILL)


@attack
def steal_descriptors():
    for pid in others():
        handle = call(434, pid, 0)
        for number in range(16 if handle >= 0 else 0):
            assert call(438, handle, number, 0) < 0
        for number in range(16):
            assert quietly(os.open, f"/proc/{pid}/fd/{number}", os.O_RDWR) is None


@attack
def limit_and_slow_others():
    for pid in others():
        for kind in range(16):
            quietly(resource.prlimit, pid, kind, (0, 0))
        quietly(os.setpriority, os.PRIO_PROCESS, pid, 19)
        quietly(os.sched_setaffinity, pid, {0})


@attack
def survive():
    """Double forks, own sessions, deaf to signals, with and without our environment, some that hold the output."""
    for number in range(12):
        if os.fork() == 0:
            os.setsid()
            for deaf in (1, 2, 3, 13, 14, 15, 17):
                signal.signal(deaf, signal.SIG_IGN)
            libc.prctl(1, 0, 0, 0, 0)
            if os.fork():
                os._exit(0)
            if number % 3 == 0:
                os.closerange(0, 100)
            if number % 3 == 1:
                os.execve("/bin/sleep", ["sleep", "300"], {})
            while True:
                quietly(os.write, 1, b"" if number % 2 else b" ")
                quietly(open, "survivor", "w")
                time.sleep(0.01)


@attack
def fork_without_end():
    for deaf in (1, 2, 15):
        signal.signal(deaf, signal.SIG_IGN)
    print("tried", flush=True)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        if quietly(os.fork) == 0:
            os.setsid()
    os._exit(0)


@attack
def stop_and_hang():
    print("tried", flush=True)
    signal.alarm(0)
    os.kill(os.getpid(), signal.SIGSTOP)
    while True:
        time.sleep(1)


@attack
def die_of_a_fault():
    print("tried", flush=True)
    ctypes.string_at(8)


# --- what was there before the fork ---


@attack
def forge_the_helpers_words():
    """On every descriptor there is."""
    for number in range(3, 1024):
        assert quietly(os.fstat, number) is None
    for number in range(1024):
        for wire in (quietly(os.dup, number), number):
            if wire is not None:
                quietly(os.write, wire, LINES)


@attack
def spoil_standard_descriptors():
    """Offsets, flags, owners and locks belong to the open file, not to the process."""
    for number in (0, 1, 2):
        for what in (os.O_NONBLOCK | os.O_APPEND, os.O_NONBLOCK | os.O_APPEND | 0o20000):
            quietly(fcntl.fcntl, number, fcntl.F_SETFL, what)
        quietly(fcntl.fcntl, number, fcntl.F_SETOWN, os.getpid())
        quietly(fcntl.fcntl, number, 10, 9)  # F_SETSIG
        quietly(fcntl.flock, number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        quietly(os.lseek, number, 4096, os.SEEK_SET)
        quietly(os.ftruncate, number, 0)
        quietly(os.pwrite, number, b"poison", 0)


@attack
def close_everything():
    print("tried", flush=True)
    os.closerange(0, 1024)
    os._exit(0)


@attack
def keep_shared_objects():
    """System V, message queues, semaphores by name, memory files: made, filled and left."""
    for key in (*KEYS, 0, 99):
        for make in (
            lambda key: libc.shmget(key, 65536, 0o1666),
            lambda key: libc.semget(key, 4, 0o1666),
            lambda key: libc.msgget(key, 0o1666),
        ):
            assert make(key) >= 0
    mq_open(b"poison", os.O_CREAT | os.O_RDWR)
    call(241 if X86 else 181, b"kept")
    for name in ("sem.poison", "poison", "kept"):
        open(f"/dev/shm/{name}", "wb").write(b"poison")
    os.set_inheritable(os.memfd_create("poison"), True)


@attack
def shared_mappings():
    """Those that were there before us, none of which may be writable, and such of files that others map, too."""
    for line in open("/proc/self/maps"):
        assert line.split()[1] not in ("rw-s", "rwxs", "-w-s"), line
    for path in ("/tmp/kept", "/dev/shm/kept"):
        open(path, "wb").write(bytes(4096))
    for path in ("/tmp/kept", "/dev/shm/kept", __file__, sys.executable, "/dev/null", "/dev/zero"):
        with open(path, "r+b" if os.access(path, os.W_OK) else "rb") as file:
            memory = quietly(mmap.mmap, file.fileno(), 4096)
            if memory is not None:
                quietly(memory.__setitem__, slice(0, 6), b"poison")


# --- ways to talk ---


@attack
def call_siblings():
    for port in PORTS:
        assert not reached(port)
    for name in ("kept", "waiting"):
        assert not abstract(name)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
            assert wire.connect_ex("\0" + name) != 0
    for path in ("/tmp/kept.socket", "../two/socket", "/tmp/waiting.socket"):
        with socket.socket(socket.AF_UNIX) as wire:
            assert wire.connect_ex(path) != 0


@attack
def leave_listeners():
    """Alive until the end, at the addresses of the others."""
    for port in PORTS:
        socket.create_server(("127.0.0.1", port)).detach()
    for name in ("\0kept", "\0waiting", "/tmp/poison", "/dev/shm/poison", "socket"):
        wire = socket.socket(socket.AF_UNIX)
        wire.bind(name)
        wire.listen()
        wire.detach()
    if os.fork() == 0:
        time.sleep(300)


@attack
def send_descriptors():
    """Over the channel, and what the parent does not expect there."""
    wire = socket.socket(fileno=int(os.environ["MAABARIUM_CHANNEL"]))
    for _ in range(5):
        quietly(socket.send_fds, wire, [LINES], [0, 1, wire.fileno(), os.open("/", os.O_RDONLY)])
    wire.shutdown(socket.SHUT_RDWR)
    wire.close()


# --- files and mounts ---


@attack
def leave_files():
    for place in ("/tmp", "/var/tmp", "/dev/shm", os.environ["HOME"], os.environ["TMPDIR"]):
        for name in ("poison.py", ".hidden", "sitecustomize.py", "json.py", "kept"):
            with open(f"{place}/{name}", "w") as file:
                file.write("raise SystemExit('poisoned')")
        quietly(os.mkdir, f"{place}/__pycache__")
        quietly(os.symlink, "/", f"{place}/link")


@attack
def reach_the_neighbours():
    names = ("two", "three", "kept", "poison", ".")
    for name in names:
        for place in (
            f"../{name}/poison",
            f"/proc/self/cwd/../{name}/poison",
            f"../../{name}",
            f"../../slots/{name}/x",
        ):
            quietly(open, place, "w")
            quietly(os.mkdir, place)
            quietly(os.rename, "mine", place)
            quietly(os.symlink, "/", place)
    for path in (__file__, json.__file__, json.__cached__, os.path.dirname(__file__) + "/__pycache__/x", "/etc/hosts"):
        assert quietly(open, path, "r+b") is None
        quietly(os.unlink, path)


@attack
def change_mounts():
    """Uncover what is beneath, make the root writable, leave it."""
    for path in (b"/", b"/tmp", b"/proc", b"/dev/shm", b"..", b".", os.environ["HOME"].encode(), b"/dev/pts"):
        for flags in (0, 1, 2, 4, 8):
            assert libc.umount2(path, flags) != 0
        for flags in (32 | 4096, 32, 0x40000, 0x100000, 4096, 8192):
            assert libc.mount(b"none", path, b"tmpfs", ctypes.c_ulong(flags), None) != 0
        assert call(428, -100, path, 1) < 0 and call(430, b"tmpfs", 0) < 0
        assert call(155 if X86 else 41, path, path) < 0 and libc.chroot(path) != 0


@attack
def enter_namespaces():
    for pid in ("self", *others()):
        for kind in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"):
            descriptor = quietly(os.open, f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
            if descriptor is not None:
                found = [
                    libc.ioctl(descriptor, request) for request in (0xB701, 0xB702)
                ]  # NS_GET_USERNS, NS_GET_PARENT
                for namespace in (descriptor, *found):
                    assert libc.setns(namespace, 0) != 0
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert libc.unshare(flag) != 0
    handle = call(434, 1, 0)
    assert handle < 0 or libc.setns(handle, 0x20000) != 0


@attack
def change_the_control_group():
    for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/pids", "/proc/self/cgroup", "/sys"):
        for name in ("cgroup.procs", "pids.max", "tasks", "release_agent"):
            assert quietly(open, f"{top}/{name}", "w") is None
    os.makedirs("group", exist_ok=True)
    for kind in (b"cgroup", b"cgroup2"):
        assert libc.mount(kind, b"group", kind, 0, b"pids" if kind == b"cgroup" else None) != 0


# --- resources and settings ---


@attack
def fill_memory():
    kept = []
    quietly(lambda: [kept.append(b"x" * 10_000_000) for _ in range(100)])


@attack
def fill_the_disk():
    for place in ("/tmp", "/dev/shm", os.environ["HOME"], os.environ["TMPDIR"]):
        for number in range(2000):
            if quietly(lambda name=f"{place}/{number}": open(name, "wb").write(b"x" * 100_000)) is None:
                break


@attack
def take_every_descriptor():
    while quietly(os.dup, 0) is not None:
        pass
    while quietly(lambda: os.pipe()) is not None:
        pass


@attack
def take_what_a_user_may_have():
    """Queued signals, watches, pipe memory, locked memory: counted per user."""
    for _ in range(300):
        call(294 if X86 else 26, 0)  # inotify_init1
        writing = (quietly(os.pipe) or (-1, -1))[1]
        libc.fcntl(writing, 1031, 1 << 20)  # F_SETPIPE_SZ
    signal.pthread_sigmask(signal.SIG_BLOCK, [34])
    for _ in range(20000):
        libc.sigqueue(os.getpid(), 34, None)
    memory = mmap.mmap(-1, 64 << 20)
    call(149 if X86 else 228, ctypes.addressof(ctypes.c_char.from_buffer(memory)), 64 << 20)


@attack
def change_settings():
    """Of the process: nothing of it is the next one's."""
    os.environ["POISON"] = "poison"
    libc.setenv(b"POISON", b"poison", 1)
    os.umask(0)
    os.chdir("/")
    os.nice(5)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for kind in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        signal.setitimer(kind, 100, 0.001)
    signal.alarm(100)
    for number in (1, 10, 12, 14, 15, 17):
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    for option, value in ((1, 9), (36, 1), (4, 0), (15, b"poison"), (23, 0), (29, 1000), (35, 0)):
        libc.prctl(option, value, 0, 0, 0)
    for kind in range(16):
        quietly(resource.setrlimit, kind, (0, 0))
    libc.personality(0x0040000)


def main():
    name = sys.argv[1]
    if name == "witness":
        witness(sys.argv[2:] == ["wait"])
        return
    ATTACKS[name]()
    os.write(1, b"tried\n")


main()
