"""Numbers of the system calls that filters name, by machine. Data only.

x86_64: arch/x86/entry/syscalls/syscall_64.tbl; aarch64: include/uapi/asm-generic/unistd.h (which leaves out the old
calls that have a newer form). From 424 on they are the same everywhere.
"""

from __future__ import annotations

__all__ = ["ARCHITECTURES", "NUMBERS"]

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH_* of include/uapi/linux/audit.h."""

_COMMON = {
    "clone3": 435, "fchmodat2": 452, "file_setattr": 469, "fsconfig": 431, "fsmount": 432, "fsopen": 430,
    "fspick": 433, "io_uring_enter": 426, "io_uring_register": 427, "io_uring_setup": 425,
    "landlock_create_ruleset": 444, "memfd_secret": 447, "mount_setattr": 442, "move_mount": 429, "open_tree": 428,
    "open_tree_attr": 467, "pidfd_getfd": 438, "process_madvise": 440, "process_mrelease": 448, "quotactl_fd": 443,
    "removexattrat": 466, "setxattrat": 463,
}  # fmt: skip

_X86_64 = {
    "acct": 163, "add_key": 248, "adjtimex": 159, "bpf": 321, "chmod": 90, "chown": 92, "chroot": 161,
    "clock_adjtime": 305, "clock_settime": 227, "clone": 56, "delete_module": 176, "fanotify_init": 300, "fchmod": 91,
    "fchmodat": 268, "fchown": 93, "fchownat": 260, "finit_module": 313, "fremovexattr": 199, "fsetxattr": 190,
    "futimesat": 261, "init_module": 175, "ioctl": 16, "ioperm": 173, "iopl": 172, "ioprio_set": 251, "kcmp": 312,
    "kexec_file_load": 320, "kexec_load": 246, "keyctl": 250, "lchown": 94, "lookup_dcookie": 212,
    "lremovexattr": 198, "lsetxattr": 189, "migrate_pages": 256, "modify_ldt": 154, "mount": 165, "move_pages": 279,
    "mq_open": 240, "msgget": 68, "name_to_handle_at": 303, "nfsservctl": 180, "open_by_handle_at": 304,
    "perf_event_open": 298, "pivot_root": 155, "prlimit64": 302, "process_vm_readv": 310, "process_vm_writev": 311,
    "ptrace": 101, "quotactl": 179, "reboot": 169, "removexattr": 197, "request_key": 249, "sched_setaffinity": 203,
    "sched_setattr": 314, "sched_setparam": 142, "sched_setscheduler": 144, "semget": 64, "setdomainname": 171,
    "sethostname": 170, "setns": 308, "setpriority": 141, "setrlimit": 160, "settimeofday": 164, "setxattr": 188,
    "shmget": 29, "socket": 41, "socketpair": 53, "swapoff": 168, "swapon": 167, "syslog": 103, "umount2": 166,
    "unshare": 272, "uselib": 134, "userfaultfd": 323, "utime": 132, "utimensat": 280, "utimes": 235, "vhangup": 153,
}  # fmt: skip

_AARCH64 = {
    "acct": 89, "add_key": 217, "adjtimex": 171, "bpf": 280, "chroot": 51, "clock_adjtime": 266, "clock_settime": 112,
    "clone": 220, "delete_module": 106, "fanotify_init": 262, "fchmod": 52, "fchmodat": 53, "fchown": 55,
    "fchownat": 54, "finit_module": 273, "fremovexattr": 16, "fsetxattr": 7, "init_module": 105, "ioctl": 29,
    "ioprio_set": 30, "kcmp": 272, "kexec_file_load": 294, "kexec_load": 104, "keyctl": 219, "lookup_dcookie": 18,
    "lremovexattr": 15, "lsetxattr": 6, "migrate_pages": 238, "mount": 40, "move_pages": 239, "mq_open": 180,
    "msgget": 186, "name_to_handle_at": 264, "nfsservctl": 42, "open_by_handle_at": 265, "perf_event_open": 241,
    "pivot_root": 41, "prlimit64": 261, "process_vm_readv": 270, "process_vm_writev": 271, "ptrace": 117,
    "quotactl": 60, "reboot": 142, "removexattr": 14, "request_key": 218, "sched_setaffinity": 122,
    "sched_setattr": 274, "sched_setparam": 118, "sched_setscheduler": 119, "semget": 190, "setdomainname": 162,
    "sethostname": 161, "setns": 268, "setpriority": 140, "setrlimit": 164, "settimeofday": 170, "setxattr": 5,
    "shmget": 194, "socket": 198, "socketpair": 199, "swapoff": 225, "swapon": 224, "syslog": 116, "umount2": 39,
    "unshare": 97, "userfaultfd": 282, "utimensat": 88, "vhangup": 58,
}  # fmt: skip

NUMBERS = {"x86_64": _X86_64 | _COMMON, "aarch64": _AARCH64 | _COMMON}
"""Number by name for each machine; a name that is missing does not exist there."""
