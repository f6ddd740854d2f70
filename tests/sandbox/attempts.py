# ruff: noqa: PTH101, PTH102, PTH103, PTH104, PTH108, PTH116, PTH119, PTH120, PTH123, PTH208, PTH211, SIM115, BLE001
"""What a hostile program tries, one function per attempt. Runs inside; standard library only, no import of ours.

An attempt that returns did it; one that raises was refused. None of them harms the machine if it succeeds: what is
written was planted, clocks and names are set to what they are, signals are number 0.
"""

import ctypes
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import time

BAIT = json.loads(open(sys.argv[1]).read())
PID = BAIT["pid"]
libc = ctypes.CDLL(None, use_errno=True)
X86 = os.uname().machine == "x86_64"
TRIES = {}


def attempt(function):
    TRIES[function.__name__] = function
    return function


def call(number, *words):
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(w) if isinstance(w, int) else w for w in words))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def permitted(number, *words):
    """The call may fail for its bad arguments, but must not be forbidden."""
    try:
        call(number, *words)
    except OSError as error:
        if error.errno in (1, 13, 38, 95):
            raise


def append(path, data=b"x"):
    with open(path, "ab") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        data = file.read(64)
    assert data, "empty"


def connect(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as wire:
        wire.settimeout(2)
        wire.connect(address)


# --- network ---


@attempt
def tcp_over_ipv4():
    connect(socket.AF_INET, ("127.0.0.1", BAIT["port4"]))


@attempt
def tcp_over_ipv6():
    connect(socket.AF_INET6, ("::1", BAIT["port6"]))


@attempt
def udp_over_ipv4():  # whether it arrived is checked outside
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.sendto(b"udp", ("127.0.0.1", BAIT["udp"]))
    return "sent"


@attempt
def raw_packets():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()


@attempt
def raw_icmp():
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP):
        pass


@attempt
def virtual_machine_sockets():
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()


@attempt
def kernel_crypto_sockets():
    socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).close()


@attempt
def see_network_devices():
    assert [name for _, name in socket.if_nameindex() if name not in ("lo", "sit0", "tunl0", "ip6tnl0")]


@attempt
def unix_stream_by_path():
    connect(socket.AF_UNIX, BAIT["stream"])


@attempt
def unix_datagram_by_path():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.sendto(b"datagram", BAIT["datagram"])


@attempt
def unix_datagram_from_a_pair():
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, two:
        one.sendto(b"pair", BAIT["datagram"])


@attempt
def abstract_stream():
    connect(socket.AF_UNIX, "\0" + BAIT["abstract"])


@attempt
def abstract_datagram():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.sendto(b"abstract", "\0" + BAIT["abstract"] + "d")


@attempt
def io_uring():
    call(425, 2, ctypes.create_string_buffer(120))


# --- writing ---


@attempt
def write_home():
    append(BAIT["home"] + "/new")


@attempt
def write_shell_start_file():
    append(BAIT["home"] + "/.bashrc", b"echo hello\n")


@attempt
def write_site_packages():
    append(BAIT["packages"] + "/maabarium_escape.pth", b"")
    os.unlink(BAIT["packages"] + "/maabarium_escape.pth")


@attempt
def write_git_configuration():
    append(BAIT["repository"] + "/.git/config")


@attempt
def write_git_hook():
    append(BAIT["repository"] + "/.git/hooks/post-commit")


@attempt
def write_host_temporary():  # whether it is the host's is checked outside
    append(BAIT["tmp"])
    return "sent"


@attempt
def write_host_shared_memory():
    append(BAIT["shm"])
    return "sent"


@attempt
def write_other_worktree():
    append(BAIT["other"] + "/module.py")


@attempt
def write_database():
    append(BAIT["database"])


@attempt
def write_kernel_setting():
    with open("/proc/sys/vm/overcommit_memory", "r+b", buffering=0) as file:
        file.write(file.read())


@attempt
def open_core_pattern():
    open("/proc/sys/kernel/core_pattern", "r+b", buffering=0).close()


@attempt
def open_sysrq():
    os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY))
    assert os.stat("/proc/sysrq-trigger").st_rdev != os.stat("/dev/null").st_rdev


@attempt
def rename_to_outside():
    append("moving")
    os.rename("moving", BAIT["home"] + "/moved")


@attempt
def hard_link_then_write():
    os.link(BAIT["home"] + "/.bashrc", "linked")
    append("linked")


@attempt
def symlink_then_write():
    os.symlink(BAIT["home"] + "/.bashrc", "pointer")
    append("pointer")


@attempt
def climb_with_dots():
    append("../" * 40 + BAIT["home"].lstrip("/") + "/dots")


@attempt
def mode_outside():
    os.chmod(BAIT["home"] + "/.bashrc", 0o600)


@attempt
def owner_outside():
    os.chown(BAIT["home"] + "/.bashrc", os.getuid(), os.getgid())


@attempt
def times_outside():
    os.utime(BAIT["home"] + "/.bashrc", (1, 1))


@attempt
def attribute_outside():
    os.setxattr(BAIT["home"] + "/.bashrc", "user.escape", b"x")


@attempt
def mode_of_the_interpreter():
    descriptor = os.open(os.path.realpath(sys.executable), os.O_RDONLY)
    os.fchmod(descriptor, os.stat(descriptor).st_mode & 0o7777)


@attempt
def truncate_outside():
    os.truncate(BAIT["home"] + "/.bashrc", 0)


@attempt
def make_folder_outside():
    os.mkdir(BAIT["home"] + "/folder")


@attempt
def remove_outside():
    os.unlink(BAIT["home"] + "/victim")


@attempt
def make_device():
    os.mknod("disk", 0o600 | 0o060000, os.makedev(254, 0))
    read("disk")


# --- reading ---


@attempt
def secret_by_path():
    read(BAIT["secret"])


@attempt
def secret_by_symlink():
    os.symlink(BAIT["secret"], "secret-link")
    read("secret-link")


@attempt
def secret_by_hard_link():
    os.link(BAIT["secret"], "secret-hard")
    read("secret-hard")


@attempt
def secret_by_bind_mount():
    os.mkdir("mounted")
    if libc.mount(os.path.dirname(BAIT["secret"]).encode(), b"mounted", None, 4096, None):
        raise OSError("mount")
    try:
        read("mounted/" + os.path.basename(BAIT["secret"]))
    finally:
        libc.umount2(b"mounted", 2)


@attempt
def secret_by_handle():
    handle = ctypes.create_string_buffer((128).to_bytes(4, "little") + bytes(132), 136)
    mount = ctypes.c_int()
    call(303 if X86 else 264, -100, BAIT["secret"].encode(), handle, ctypes.byref(mount), 0)
    os.read(call(304 if X86 else 265, os.open("/", os.O_RDONLY), handle, os.O_RDONLY), 1)


@attempt
def secret_by_descriptor():
    for number in range(3, 1024):
        try:
            os.lseek(number, 0, 0)
            if b"s3cr3t" in os.read(number, 64):
                return
        except OSError:
            continue
    raise OSError("none is open")


@attempt
def secret_in_environment():
    assert BAIT["marker"] in "".join(os.environ.values())


@attempt
def dotenv():
    read(BAIT["repository"] + "/.env")


@attempt
def git_history():
    read(BAIT["repository"] + "/.git/config")


@attempt
def ssh_key():
    read(BAIT["home"] + "/.ssh/id_ed25519")


@attempt
def cloud_credentials():
    read(BAIT["home"] + "/.aws/credentials")


@attempt
def database():
    read(BAIT["database"])


@attempt
def rules_originals():
    read(BAIT["repository"] + "/rules/test_rule.py")


@attempt
def other_worktree():
    read(BAIT["other"] + "/module.py")


@attempt
def list_home():
    assert os.listdir(BAIT["home"])


@attempt
def password_hashes():
    read("/etc/shadow")


@attempt
def parents_environment():
    read(f"/proc/{PID}/environ")


@attempt
def parents_root():
    read(f"/proc/{PID}/root{BAIT['secret']}")


@attempt
def parents_descriptors():
    read(f"/proc/{PID}/fd/{BAIT['fd']}")


@attempt
def parents_memory():
    os.close(os.open(f"/proc/{PID}/mem", os.O_RDONLY))


@attempt
def other_processes_command_line():
    read(f"/proc/{BAIT['victim']}/cmdline")


@attempt
def kernel_keyring():
    permitted(250 if X86 else 219, 0, -3, 0)


@attempt
def kernel_log():
    permitted(103 if X86 else 116, 10, 0, 0)


@attempt
def system_v_memory():
    number = libc.shmget(BAIT["shmkey"], 0, 0)
    if number < 0:
        raise OSError("no segment")
    libc.shmat.restype = ctypes.c_void_p
    if (place := libc.shmat(number, None, 0)) in (None, ctypes.c_void_p(-1).value):
        raise OSError("not attached")
    assert ctypes.string_at(place, 6) == b"s3cr3t"


@attempt
def host_name():
    assert os.uname().nodename == BAIT["host"]


# --- other processes ---


@attempt
def signal_parent():
    os.kill(PID, 0)


@attempt
def signal_victim():
    os.kill(BAIT["victim"], 0)


@attempt
def trace_parent():
    if libc.ptrace(0x4206, PID, 0, 0):  # PTRACE_SEIZE
        raise OSError("ptrace")


@attempt
def read_victims_memory():
    buffer = ctypes.create_string_buffer(8)
    vector = struct.pack("QQ", ctypes.addressof(buffer), 8)
    remote = struct.pack("QQ", BAIT["address"], 8)
    call(310 if X86 else 270, PID, ctypes.c_char_p(vector), 1, ctypes.c_char_p(remote), 1, 0)


@attempt
def steal_descriptor():
    call(438, os.pidfd_open(PID), BAIT["fd"], 0)


@attempt
def limit_victim():
    resource.prlimit(BAIT["victim"], resource.RLIMIT_CORE, (0, 0))


@attempt
def slow_victim():
    os.setpriority(os.PRIO_PROCESS, BAIT["victim"], 19)


@attempt
def pin_victim():
    os.sched_setaffinity(BAIT["victim"], os.sched_getaffinity(0))


@attempt
def nice_ourselves_up():
    os.nice(-5)


@attempt
def real_time():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


@attempt
def raise_a_hard_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard + 1000 if hard > 0 else hard))
    assert hard > 0


@attempt
def escape_the_out_of_memory_killer():
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("-1000")


@attempt
def drop_the_runs_mark():
    resource.setrlimit(resource.RLIMIT_RTTIME, (5, 5))
    if BAIT["namespaced"]:
        raise OSError("it does not help: the namespace ends with its process 1")


# --- the machine ---


@attempt
def user_namespace():
    if libc.unshare(0x10000000):
        raise OSError("unshare")


@attempt
def user_namespace_by_clone():
    flags = 0x10000000 | 17
    pid = call(56, flags, 0, 0, 0, 0) if X86 else call(220, flags, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


@attempt
def join_a_namespace():
    if libc.setns(os.open(f"/proc/{PID}/ns/uts", os.O_RDONLY), 0):
        raise OSError("setns")


@attempt
def mount_something():
    os.makedirs("mounts", exist_ok=True)
    if libc.mount(b"none", b"mounts", b"tmpfs", 0, None):
        raise OSError("mount")
    libc.umount2(b"mounts", 2)


@attempt
def make_the_root_writable():
    if libc.mount(b"none", b"/", None, 32 | 4096, None):
        raise OSError("remount")


@attempt
def change_root():
    os.chroot(".")


@attempt
def set_the_clock():
    time.clock_settime(time.CLOCK_REALTIME, time.time())


@attempt
def set_the_host_name():
    socket.sethostname(os.uname().nodename)


@attempt
def load_a_kernel_module():
    permitted(313 if X86 else 273, -1, b"", 0)


@attempt
def reboot():
    permitted(169 if X86 else 142, 0, 0, 0, 0)


@attempt
def swap():
    permitted(168 if X86 else 225, b"/nonexistent")


@attempt
def load_a_bpf_program():
    permitted(321 if X86 else 280, 0, 0, 0)


@attempt
def watch_the_whole_machine():
    attributes = struct.pack("=IIQQQQQ", 1, 64, 1, 0, 0, 0, 1) + bytes(16)
    os.close(call(298 if X86 else 241, ctypes.c_char_p(attributes), -1, 0, -1, 0))


@attempt
def gain_by_setuid():
    answer = subprocess.run([BAIT["setuid"], "-u"], capture_output=True, text=True).stdout.strip()
    assert answer == "0" and os.getuid() != 0, answer


@attempt
def capabilities():
    header = ctypes.create_string_buffer((0x20080522).to_bytes(4, "little") + bytes(4), 8)
    sets = ctypes.create_string_buffer(24)
    assert libc.capget(header, sets) == 0 and any(sets.raw[:8])


@attempt
def push_back_into_the_terminal():
    import fcntl

    fcntl.ioctl(0, 0x5412, b"x")


def main():
    """Each attempt in a process of its own, so that one cannot spoil the next."""
    for name in BAIT["names"] or TRIES:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            try:
                answer = TRIES[name]() or "done"
            except BaseException as error:
                answer = f"refused: {type(error).__name__}: {error}"
            os.write(writing, answer.encode()[:300])
            os._exit(0)
        os.close(writing)
        said = b""
        while chunk := os.read(reading, 400):
            said += chunk
        os.close(reading)
        os.waitpid(pid, 0)
        print(json.dumps([name, said.decode(errors="replace") or "died"]), flush=True)


main()
