# The C half of the signal module.  It is built into the interpreter; importing
# `signal` itself costs 5 ms for its enums.  Here: what pyinit and
# the programs of the tests use of it.
from collections.abc import Callable, Iterable
from types import FrameType

SIG_DFL: int
SIG_IGN: int
SIG_BLOCK: int
SIG_UNBLOCK: int
SIG_SETMASK: int

SIGHUP: int
SIGINT: int
SIGQUIT: int
SIGILL: int
SIGTRAP: int
SIGABRT: int
SIGALRM: int
SIGBUS: int
SIGFPE: int
SIGKILL: int
SIGUSR1: int
SIGSEGV: int
SIGUSR2: int
SIGPIPE: int
SIGTERM: int
SIGCHLD: int
SIGCONT: int
SIGSTOP: int
SIGTSTP: int
SIGTTIN: int
SIGTTOU: int
SIGXFSZ: int
SIGWINCH: int
SIGSYS: int
SIGRTMIN: int
SIGRTMAX: int

class struct_siginfo:
    @property
    def si_signo(self) -> int: ...
    @property
    def si_code(self) -> int: ...
    @property
    def si_pid(self) -> int: ...
    @property
    def si_uid(self) -> int: ...
    @property
    def si_status(self) -> int: ...

_Handler = Callable[[int, FrameType | None], object] | int | None

def getsignal(signalnum: int, /) -> _Handler: ...
def signal(signalnum: int, handler: _Handler, /) -> _Handler: ...
def pause() -> None: ...
def pthread_kill(thread_id: int, signalnum: int, /) -> None: ...
def pthread_sigmask(how: int, mask: Iterable[int], /) -> set[int]: ...
def pidfd_send_signal(
    pidfd: int, signalnum: int, siginfo: None = None, flags: int = 0, /
) -> None: ...
def raise_signal(signalnum: int, /) -> None: ...
def set_wakeup_fd(fd: int, /, *, warn_on_full_buffer: bool = True) -> int: ...
def sigpending() -> set[int]: ...
def sigtimedwait(sigset: Iterable[int], timeout: float, /) -> struct_siginfo | None: ...
def sigwait(sigset: Iterable[int], /) -> int: ...
def sigwaitinfo(sigset: Iterable[int], /) -> struct_siginfo: ...
def strsignal(signalnum: int, /) -> str | None: ...
def valid_signals() -> set[int]: ...
