"""Shutting this Linux process in, without privileges and without installing anything: Landlock (files), seccomp (system
calls) and resource limits. Nothing here can be undone by the process, whoever it runs as.

Landlock: kernel 5.13 and later, see landlock(7). seccomp: x86-64 and arm64.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

libc = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 1, 38, 22, 2
CREATE_RULESET, ADD_RULE, RESTRICT_SELF, RULE_PATH_BENEATH = 444, 445, 446, 1
READ_FILE, READ_DIR, WRITE_FILE, TRUNCATE = 1 << 2, 1 << 3, 1 << 1, 1 << 14
FILE_RIGHTS = 1 | READ_FILE | WRITE_FILE | TRUNCATE | 1 << 15  # those that make sense for a file rather than a folder
RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}

# Everything that reaches other processes, the network, the kernel or file attributes (which Landlock leaves alone).
DENIED = {
    "x86_64": (0xC000003E, 56, (62, 234, 302), (
        41, 57, 58, 101, 103, 90, 91, 92, 93, 94, 29, 30, 31, 64, 68, 76, 141, 142, 144, 151, 155, 159, 161, 163, 164, 165,
        166, 167, 168, 169, 170, 171, 172, 173, 175, 176, 179, 188, 189, 190, 197, 198, 199, 200, 203, 227, 240, 246, 248,
        249, 250, 251, 256, 260, 268, 272, 279, 297, 129, 298, 300, 303, 304, 305, 308, 310, 311, 312, 313, 314, 320, 321,
        323)),
    "aarch64": (0xC00000B7, 220, (129, 131, 261), (
        198, 117, 116, 52, 53, 54, 55, 194, 190, 186, 45, 140, 118, 119, 230, 41, 171, 51, 89, 170, 40, 39, 224, 225, 142,
        161, 162, 105, 106, 60, 5, 6, 7, 14, 15, 16, 130, 122, 112, 180, 104, 217, 218, 219, 30, 238, 97, 239, 240, 138,
        241, 262, 264, 265, 266, 268, 270, 271, 272, 273, 274, 294, 280, 282)),
}  # fmt: skip
# The same numbers everywhere: pidfd, io_uring (a way around this filter), the new mount calls, process_madvise, fchmodat2.
DENIED_EVERYWHERE = (424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 438, 440, 442, 443, 448, 452)
CLONE3, CLONE_THREAD, ENOSYS, EPERM = 435, 0x10000, 38, 1


def landlock_abi() -> int:
    """0 where the kernel has no Landlock or it is switched off."""
    if platform.system() != "Linux":
        return 0
    return max(0, libc.syscall(CREATE_RULESET, None, 0, 1))


def restrict_files(readable: list[str], writable: list[str]) -> None:
    """From now on only these files and folders can be read or written; no program can be started."""
    abi = landlock_abi()
    if not abi:
        raise OSError("this kernel has no Landlock")
    rights = RIGHTS_BY_ABI[min(abi, 5)]
    fields = [rights]
    if abi >= 4:
        fields.append(0b11)  # no TCP
    if abi >= 6:
        fields.append(0b11)  # no abstract sockets, no signals to the outside
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _checked(libc.syscall(CREATE_RULESET, attributes, len(attributes), 0))
    for paths, wanted in ((readable, READ_FILE | READ_DIR), (writable, rights & ~1)):
        for path in paths:
            _allow_beneath(ruleset, path, wanted & rights)
    _no_new_privileges()
    _checked(libc.syscall(RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def _allow_beneath(ruleset: int, path: str, wanted: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no permission
    try:
        rights = wanted if os.path.isdir(path) else wanted & FILE_RIGHTS
        _checked(libc.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, struct.pack("=Qi", rights, fd), 0))
    finally:
        os.close(fd)


def seccomp_available() -> bool:
    return platform.system() == "Linux" and platform.machine() in DENIED


def restrict_system_calls() -> None:
    """No network, no new processes, no signals to or looks into other processes, no change of file attributes."""
    program = _filter(*DENIED[platform.machine()])
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code)
    header = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    _no_new_privileges()
    _checked(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(header), 0, 0))


def _filter(arch: int, clone: int, own_pid_only: tuple[int, ...], denied: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """A classic BPF program over struct seccomp_data: number at 0, architecture at 4, first argument at 16."""
    load, equal, at_least, any_bit, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill, refuse = 0x7FFF0000, 0x80000000, 0x00050000
    program = [(load, 0, 0, 4), (equal, 1, 0, arch), (give, 0, 0, kill), (load, 0, 0, 0)]
    program += [(at_least, 0, 1, 0x40000000), (give, 0, 0, refuse | EPERM)]  # x32 numbers on x86-64
    for number in denied + DENIED_EVERYWHERE:
        program += [(equal, 0, 1, number), (give, 0, 0, refuse | EPERM)]
    program += [(equal, 0, 1, CLONE3), (give, 0, 0, refuse | ENOSYS)]  # its flags are out of reach: libc falls back to clone
    program += [
        (equal, 0, 4, clone),
        (load, 0, 0, 16),
        (any_bit, 0, 1, CLONE_THREAD),
        (give, 0, 0, allow),
        (give, 0, 0, refuse | EPERM),
    ]
    for number in own_pid_only:  # kill, tgkill, prlimit64
        program += [(equal, 0, 5, number), (load, 0, 0, 16), (equal, 1, 0, os.getpid()), (equal, 0, 1, 0), (give, 0, 0, allow)]
        program += [(give, 0, 0, refuse | EPERM)]
    return program + [(give, 0, 0, allow)]


def die_with_parent() -> None:
    libc.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)


def _no_new_privileges() -> None:
    _checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
