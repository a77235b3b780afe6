"""How each system call can fail, as its page of section 2 of the manual says.

Under the names of x86-64 and of strace(1).  What cannot fail has none, and so has brk(2), whose
raw call says of a failure that nothing has changed.
"""

from __future__ import annotations

_PATH = "EACCES EFAULT ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR"

OF: dict[str, str] = {
    "access": f"{_PATH} EINVAL EIO EPERM EROFS ETXTBSY",
    "arch_prctl": "EFAULT EINVAL ENODEV EPERM",
    "brk": "",
    "capget": "EFAULT EINVAL EPERM ESRCH",
    "chdir": f"{_PATH} EIO",
    "clock_gettime": "EFAULT EINVAL",
    "clock_nanosleep": "EFAULT EINTR EINVAL",
    "clone": "EAGAIN EINVAL ENOMEM ENOSPC EPERM EUSERS",
    "clone3": "EAGAIN EINVAL ENOMEM ENOSPC EPERM EUSERS",
    "close": "EBADF EDQUOT EINTR EIO ENOSPC",
    "close_range": "EINVAL EMFILE ENOMEM",
    "connect": f"{_PATH} EADDRNOTAVAIL EAGAIN EBADF ECONNREFUSED EINTR ENOTSOCK EPERM EPROTOTYPE",
    "dup": "EBADF EMFILE",
    "dup2": "EBADF EBUSY EINTR EINVAL EMFILE",
    "dup3": "EBADF EBUSY EINTR EINVAL EMFILE",
    "epoll_create1": "EINVAL EMFILE ENFILE ENOMEM",
    "epoll_ctl": "EBADF EEXIST EINVAL ENOENT ENOMEM ENOSPC EPERM",
    "epoll_wait": "EBADF EFAULT EINTR EINVAL",
    "eventfd2": "EINVAL EMFILE ENFILE ENODEV ENOMEM",
    "execve": "",  # of the init that is the command's end; what fails before is no fault of the run
    "exit": "",
    "exit_group": "",
    "faccessat": f"{_PATH} EBADF EINVAL EIO EPERM EROFS ETXTBSY",
    "faccessat2": f"{_PATH} EBADF EINVAL EIO EPERM EROFS ETXTBSY",
    "fadvise64": "EBADF EINVAL ESPIPE",
    "fchmod": "EBADF EIO ELOOP ENOENT ENOMEM ENOTDIR EPERM EROFS",
    "fchown": "EBADF EIO EPERM EROFS",
    "fcntl": "EACCES EAGAIN EBADF EBUSY EFAULT EINTR EINVAL EMFILE ENOTDIR EPERM",
    "fdatasync": "EBADF EDQUOT EINTR EINVAL EIO ENOSPC EROFS",
    "flock": "EBADF EINTR EINVAL ENOLCK EWOULDBLOCK",
    "fork": "EAGAIN ENOMEM",
    "fstat": "EBADF EFAULT ENOMEM EOVERFLOW",
    "fsync": "EBADF EDQUOT EINTR EINVAL EIO ENOSPC EROFS",
    "ftruncate": "EACCES EBADF EFBIG EINTR EINVAL EIO EPERM EROFS ETXTBSY",
    # Of FUTEX_WAKE, all that a process of one thread asks for.
    "futex": "EFAULT EINVAL",
    "getcwd": "EACCES EFAULT EINVAL ENOENT ENOMEM ERANGE",
    "getdents64": "EBADF EFAULT EINVAL ENOENT ENOTDIR",
    "getegid": "",
    "geteuid": "",
    "getgid": "",
    "getgroups": "EFAULT EINVAL",
    "getpgid": "EPERM ESRCH",
    "getpgrp": "",
    "getpid": "",
    "getppid": "",
    "getpriority": "EINVAL ESRCH",
    "getrandom": "EAGAIN EFAULT EINTR EINVAL ENOSYS",
    "getrusage": "EFAULT EINVAL",
    "getsid": "EPERM ESRCH",
    "getsockopt": "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK",
    "gettid": "",
    "getuid": "",
    "inotify_add_watch": f"{_PATH} EBADF EEXIST EINVAL ENOSPC",
    "inotify_init1": "EINVAL EMFILE ENFILE ENOMEM",
    "inotify_rm_watch": "EBADF EINVAL",
    "ioctl": "EBADF EFAULT EINVAL EIO ENOTTY ENXIO EPERM",
    "kill": "EINVAL EPERM ESRCH",
    "lgetxattr": "ENODATA EOPNOTSUPP ERANGE",
    "link": f"{_PATH} EDQUOT EEXIST EIO EMLINK ENOSPC EPERM EROFS EXDEV",
    "linkat": f"{_PATH} EBADF EDQUOT EEXIST EINVAL EIO EMLINK ENOSPC EPERM EROFS EXDEV",
    "lseek": "EBADF EINVAL ENXIO EOVERFLOW ESPIPE",
    "lstat": f"{_PATH} EOVERFLOW",
    "madvise": "EACCES EAGAIN EBADF EINVAL EIO ENOMEM EPERM",
    "mkdir": f"{_PATH} EDQUOT EEXIST EINVAL EMLINK ENOSPC EPERM EROFS",
    "mmap": "EACCES EAGAIN EBADF EINVAL ENFILE ENODEV ENOMEM EPERM ETXTBSY",
    "mprotect": "EACCES EINVAL ENOMEM",
    "mremap": "EAGAIN EFAULT EINVAL ENOMEM",
    "munmap": "EINVAL ENOMEM",
    "newfstatat": f"{_PATH} EBADF EINVAL EOVERFLOW",
    "openat": (
        f"{_PATH} EBADF EBUSY EDQUOT EEXIST EFBIG EINTR EINVAL EISDIR EMFILE ENFILE ENODEV "
        "ENOSPC ENXIO EOPNOTSUPP EOVERFLOW EPERM EROFS ETXTBSY EWOULDBLOCK"
    ),
    "pidfd_open": "EINVAL EMFILE ENFILE ENODEV ENOMEM ESRCH",
    "pidfd_send_signal": "EBADF EINVAL EPERM ESRCH",
    "pipe2": "EFAULT EINVAL EMFILE ENFILE ENOPKG",
    "poll": "EFAULT EINTR EINVAL ENOMEM",
    "ppoll": "EFAULT EINTR EINVAL ENOMEM",
    "prctl": "EACCES EBADF EBUSY EFAULT EINVAL ENODEV ENOSYS ENXIO EOPNOTSUPP EPERM ERANGE",
    "pread64": "EAGAIN EBADF EFAULT EINTR EINVAL EIO EISDIR ENXIO EOVERFLOW ESPIPE",
    "prlimit64": "EFAULT EINVAL EPERM ESRCH",
    "process_vm_readv": "EFAULT EINVAL ENOMEM EPERM ESRCH",
    "ptrace": "EBUSY EFAULT EINVAL EIO EPERM ESRCH",
    "read": "EAGAIN EBADF EFAULT EINTR EINVAL EIO EISDIR",
    "readlink": f"{_PATH} EINVAL EIO",
    "readlinkat": f"{_PATH} EBADF EINVAL EIO",
    "recvfrom": "EAGAIN EBADF ECONNREFUSED EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK",
    "recvmsg": "EAGAIN EBADF ECONNREFUSED EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK",
    "rename": (
        f"{_PATH} EBUSY EDQUOT EEXIST EINVAL EISDIR EMLINK ENOSPC ENOTEMPTY EPERM EROFS EXDEV"
    ),
    "renameat": (
        f"{_PATH} EBADF EBUSY EDQUOT EEXIST EINVAL EISDIR EMLINK ENOSPC ENOTEMPTY EPERM EROFS EXDEV"
    ),
    "rseq": "EBUSY EFAULT EINVAL EPERM",
    "rt_sigaction": "EFAULT EINVAL",
    "rt_sigpending": "EFAULT EINVAL",
    "rt_sigprocmask": "EFAULT EINVAL",
    "rt_sigqueueinfo": "EAGAIN EINVAL EPERM ESRCH",
    "rt_sigreturn": "",
    "rt_sigtimedwait": "EAGAIN EINTR EINVAL",
    "sched_getaffinity": "EFAULT EINVAL ESRCH",
    "sched_yield": "",
    "sendmsg": (
        "EACCES EAGAIN EBADF ECONNREFUSED ECONNRESET EINTR EINVAL EMSGSIZE ENOBUFS ENOMEM "
        "ENOTCONN ENOTSOCK EPIPE"
    ),
    "sendto": (
        "EACCES EAGAIN EBADF ECONNREFUSED ECONNRESET EINTR EINVAL EMSGSIZE ENOBUFS ENOMEM "
        "ENOTCONN ENOTSOCK EPIPE"
    ),
    "set_robust_list": "EINVAL",
    "set_tid_address": "",
    "setns": "EBADF EINVAL ENOMEM EPERM ESRCH",
    "setpgid": "EACCES EINVAL EPERM ESRCH",
    "setsid": "EPERM",
    "setsockopt": "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK",
    "sigaltstack": "EFAULT EINVAL ENOMEM EPERM",
    "socket": "EACCES EAFNOSUPPORT EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT",
    "socketpair": "EAFNOSUPPORT EFAULT EMFILE ENFILE EOPNOTSUPP EPROTONOSUPPORT",
    "stat": f"{_PATH} EOVERFLOW",
    "statfs": f"{_PATH} EINTR EIO ENOSYS EOVERFLOW",
    "statx": f"{_PATH} EBADF EINVAL",
    "symlink": f"{_PATH} EDQUOT EEXIST EIO ENOSPC EPERM EROFS",
    "sysinfo": "EFAULT",
    "tgkill": "EAGAIN EINVAL EPERM ESRCH",
    "timerfd_create": "EINVAL EMFILE ENFILE ENODEV ENOMEM EPERM",
    "timerfd_settime": "EBADF EFAULT EINVAL",
    "times": "EFAULT",
    "umask": "",
    "uname": "EFAULT",
    "unlink": f"{_PATH} EBUSY EIO EISDIR EPERM EROFS",
    "unlinkat": f"{_PATH} EBADF EBUSY EINVAL EIO EISDIR EPERM EROFS",
    "unshare": "EINVAL ENOMEM ENOSPC EPERM EUSERS",
    "vfork": "EAGAIN ENOMEM",
    "wait4": "EAGAIN ECHILD EINTR EINVAL ESRCH",
    # ECHILD is left out: it is no failure but the answer that there is no child.
    "waitid": "EAGAIN EINTR EINVAL ESRCH",
    "write": "EAGAIN EBADF EDESTADDRREQ EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE",
    "writev": "EAGAIN EBADF EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE",
}


def errnos(name: str) -> list[str]:
    """Return the names of the errnos of system call ``name``.  Raises KeyError."""
    return OF[name].split()
