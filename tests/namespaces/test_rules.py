"""The kernel's rules about namespaces, which docs/namespaces.md tells, by plain system calls.

None of pyinit's containers are in it: what pyinit is built on is tested here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import DEADLINE_S, PROGRAMS, UNSHARE, UNSHARE_USER

pytestmark = pytest.mark.usefixtures("namespaces")

# An ordinary user has the rights for what follows in a user namespace only.
PRIVILEGED = ("unshare", *UNSHARE_USER) if UNSHARE_USER else ()
# To come back to a PID namespace takes the right to it: UNSHARE makes one that is ours.
# Somebody without capabilities and with one user and group, also where root runs the tests.
ORDINARY: tuple[str, ...] = ()
if os.geteuid() == 0:
    ORDINARY = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
# A user namespace has limits of its own, which its root may write.
LIMITED = ("unshare", "--user", "--map-root-user")


def rule(code: str, before: tuple[str, ...] = PRIVILEGED) -> list[str]:
    """Run ``code`` by tests/programs/rule.py; return the lines that it tells."""
    done = subprocess.run(
        [*before, sys.executable, str(PROGRAMS / "rule.py"), code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert (done.stderr, done.returncode) == ("", 0), done.stdout
    return done.stdout.splitlines()


def test_unshare_moves_the_next_child_and_not_the_caller() -> None:
    """The first child is PID 1 with the parent 0, the second PID 2; see unshare(2).

    pid_for_children leads nowhere until the first is there.
    """
    lines = rule("""
own, before = os.getpid(), namespace("pid")
unshare("pid")
tell(os.getpid() == own, namespace("pid") == before, error(namespace, "pid_for_children"))
ready, gate = Gate(), Gate()
first = fork(lambda: (tell(os.getpid(), os.getppid()), ready.open(), gate.wait()))
os.read(ready.reader, 1)
tell(namespace("pid_for_children") == namespace("pid", first) != before)
code(fork(lambda: tell(os.getpid(), os.getppid())))
gate.open()
tell(code(first))
""")
    assert lines == ["True True ENOENT", "1 0", "True", "2 0", "0"]


def test_a_second_unshare_before_the_first_child_is_refused() -> None:
    """And so is a thread: all threads of a process share their numbers; see unshare(2)."""
    lines = rule("""
import threading
unshare("pid")
tell(error(unshare, "pid"))
try:
    threading.Thread(target=print).start()
except RuntimeError as refused:
    tell(refused)
""")
    assert lines == ["EINVAL", "can't start new thread"]


def test_the_end_of_the_init_kills_all_and_nobody_is_born_any_more() -> None:
    """SIGKILL for whoever blocks and ignores what can be; then fork fails: pid_namespaces(7)."""
    lines = rule("""
def deaf():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    ready.open()
    gate.wait()
ready, gate, end = Gate(), Gate(), Gate()
unshare("pid")
init = fork(end.wait)
others = [fork(deaf), fork(deaf)]
for _ in others:
    os.read(ready.reader, 1)
end.open()
tell(*map(code, others), code(init))
tell(error(os.fork))
""")
    assert lines == ["-9 -9 0", "ENOMEM"]


def test_an_ended_namespace_can_be_entered_and_is_barren() -> None:
    """A descriptor holds it, but it has no init: setns(2) succeeds and fork(2) says ENOMEM."""
    lines = rule(
        """
gate = Gate()
own = os.open("/proc/self/ns/pid", os.O_RDONLY)
unshare("pid")
init = fork(gate.wait)
fd = os.open(f"/proc/{init}/ns/pid", os.O_RDONLY)
gate.open()
code(init)
tell(error(os.fork))
setns(own)
tell(code(fork(lambda: None)))
tell(error(setns, fd), error(os.fork))
""",
        UNSHARE,
    )
    assert lines == ["ENOMEM", "0", "done ENOMEM"]


def test_the_end_of_the_init_waits_for_those_whose_parents_are_outside() -> None:
    """They have to be waited for by them; until then the init is there, a process that ends."""
    lines = rule("""
gate, end = Gate(), Gate()
unshare("pid")
init = fork(end.wait)
entered = fork(gate.wait)
end.open()
tell(os.waitid(os.P_PID, entered, os.WEXITED | os.WNOWAIT).si_status)
tell(os.waitid(os.P_PID, init, os.WEXITED | os.WNOHANG))
code(entered)
tell(code(init))
""")
    assert lines == ["9", "None", "0"]


ALL = sorted(set(range(1, 65)) - {9, 19, 32, 33})


def test_a_default_signal_from_inside_never_reaches_the_init() -> None:
    """Not one of them all, KILL and STOP included, by itself or its child; pid_namespaces(7)."""
    lines = rule(f"""
def init():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    everything = {[*ALL, 9, 19]!r}
    for number in everything:
        os.kill(1, number)
    code(fork(lambda: [os.kill(1, number) for number in everything]))
    tell(os.getpid(), "lives", signal.sigpending())
unshare("pid")
tell(code(fork(init)))
""")
    assert lines == ["1 lives set()", "0"]


def test_a_default_signal_from_above_reaches_it_as_little() -> None:
    """But KILL and STOP do: an ancestor must be able to end a namespace."""
    lines = rule(f"""
def init():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    ready.open()
    gate.wait()
    ready.open()
    never.wait()
ready, gate, never = Gate(), Gate(), Gate()
unshare("pid")
pid = fork(init)
os.read(ready.reader, 1)
for number in {ALL!r}:
    os.kill(pid, number)
gate.open()
os.read(ready.reader, 1)
tell("lives")
os.kill(pid, signal.SIGSTOP)
tell(os.waitid(os.P_PID, pid, os.WSTOPPED).si_status == signal.SIGSTOP)
os.kill(pid, signal.SIGCONT)
tell(os.waitid(os.P_PID, pid, os.WCONTINUED).si_status == signal.SIGCONT)
os.kill(pid, signal.SIGKILL)
tell(code(pid))
""")
    assert lines == ["lives", "True", "True", "-9"]


@pytest.mark.parametrize("sender", ["inside", "above"])
def test_a_handled_or_blocked_signal_reaches_it(sender: str) -> None:
    """A blocked one is queued, also with the default action; the sender is 0 if above."""
    lines = rule(f"""
def init():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    signal.signal(signal.SIGUSR1, lambda *_: tell("handled"))
    ready.open()
    if "{sender}" == "inside":
        code(fork(lambda: [os.kill(1, number) for number in numbers]))
    got = signal.sigwaitinfo([signal.SIGTERM])
    tell(signal.Signals(got.si_signo).name, got.si_pid)
ready = Gate()
numbers = [signal.SIGUSR1, signal.SIGTERM]
unshare("pid")
pid = fork(init)
os.read(ready.reader, 1)
if "{sender}" == "above":
    for number in numbers:
        os.kill(pid, number)
tell(code(pid))
""")
    assert lines == ["handled", f"SIGTERM {2 if sender == 'inside' else 0}", "0"]


def test_children_inherit() -> None:
    """All that the parent is in, and its children's children too; see namespaces(7)."""
    lines = rule("""
kinds = ("user", "cgroup", "ipc", "uts", "net", "pid", "time", "mnt")
def same():
    return all(namespace(kind) == before[kind] for kind in kinds)
unshare("uts", "ipc", "net")
before = {kind: namespace(kind) for kind in kinds}
code(fork(lambda: (tell(same()), code(fork(lambda: tell(same()))))))
""")
    assert lines == ["True", "True"]


@pytest.mark.parametrize("kind", ["cgroup", "ipc", "uts", "net", "mount", "user"])
def test_each_kind_is_left_for_itself(kind: str) -> None:
    """Any mixture is possible: the others stay what they were."""
    lines = rule(f"""
kinds = ("user", "cgroup", "ipc", "uts", "net", "pid", "mnt")
before = {{each: namespace(each) for each in kinds}}
unshare("{kind}")
tell(*[each for each in kinds if namespace(each) != before[each]])
""")
    assert lines == [{"mount": "mnt"}.get(kind, kind)]


HOLDERS = {
    "a process": ("", ""),
    "a descriptor": ('fd = os.open(f"/proc/{first}/ns/uts", os.O_RDONLY)', "os.close(fd)"),
    "a bind mount": (
        'mount(f"/proc/{first}/ns/uts".encode(), FILE.encode(), None, 4096)',
        "detach(FILE.encode())",
    ),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_namespace_goes_with_its_last_member(
    holder: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Or with the last descriptor or bind mount of its file; see namespaces(7).

    Shown by a limit of one: the next can be made when the first has gone.
    """
    file = tmp_path_factory.mktemp("bind") / "uts"
    file.touch()
    hold, let_go = HOLDERS[holder]
    lines = rule(
        f"""
import time
from pyinit.linux import detach, mount
FILE = {str(file)!r}
def another():
    return code(fork(lambda: os._exit(error(unshare, "uts") != "done"))) == 0
def member():
    unshare("uts")
    ready.open()
    gate.wait()
unshare("mount")
mount(None, b"/", None, 16384 | 262144)
ready, gate = Gate(), Gate()
with open("/proc/sys/user/max_uts_namespaces", "w") as limit:
    limit.write("1")
first = fork(member)
os.read(ready.reader, 1)
tell("another:", another())
{hold}
gate.open()
code(first)
if {bool(hold)}:
    tell("another:", another())
    {let_go or "pass"}
until = time.monotonic() + {DEADLINE_S / 2}
while not another():
    assert time.monotonic() < until
    time.sleep(0.005)
tell("gone")
""",
        LIMITED,
    )
    assert lines == ["another: False"] * (1 + bool(hold)) + ["gone"]


def test_ancestors_see_a_process_under_another_number_at_each_level() -> None:
    """NSpid has them all; those below and beside have no number for it; pid_namespaces(7)."""
    lines = rule("""
def numbers(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(line.split()[1:] for line in status if line.startswith("NSpid:"))
def middle():
    unshare("pid")
    inner = fork(lambda: (tell("inner", os.getpid()), ready.open(), gate.wait()))
    os.write(number, str(inner).encode())
    gate.wait()
ready, gate = Gate(), Gate()
reader, number = os.pipe()
unshare("pid")
pid = fork(middle)
inner_in_middle = os.read(reader, 10).decode()
os.read(ready.reader, 1)
with open(f"/proc/{pid}/task/{pid}/children") as children:
    inner = children.read().strip()
found = numbers(inner)
tell(found[-3] == inner, found[-2] == inner_in_middle, found[-1], len(found) - len(numbers("self")))
tell(*[each == mine for each, mine in zip(numbers(pid)[-2:], [str(pid), "1"])])
os.kill(pid, signal.SIGKILL)
code(pid)
""")
    assert lines == ["inner 1", "True True 1 2", "True True"]


def test_whom_one_can_signal_is_below_or_beside_in_the_same_namespace() -> None:
    """For all others there is no number: ESRCH, and kill(-1) passes them by; see kill(2)."""
    lines = rule("""
def alone():
    tell(os.getpid(), error(os.kill, -1, 0), error(os.kill, above, 0), error(os.kill, sibling, 0))
above = os.getpid()
assert above > 1
gate = Gate()
def first():
    unshare("pid")
    code(fork(gate.wait))
sibling = fork(first)
unshare("pid")
pid = fork(alone)
code(pid)
gate.open()
tell(error(os.kill, sibling, 0), code(sibling))
""")
    assert lines == ["1 ESRCH ESRCH ESRCH", "done 0"]


def test_they_nest_32_deep() -> None:
    """Then ENOSPC; see pid_namespaces(7), and user.max_pid_namespaces in namespaces(7)."""
    lines = rule("""
def deeper(level):
    failed = error(unshare, "pid")
    if failed != "done":
        tell(failed, level <= 32)
        return
    code(fork(lambda: deeper(level + 1)))
deeper(0)
""")
    assert lines == ["ENOSPC True"]


def test_setns_leads_downwards_only() -> None:
    """EINVAL for a PID namespace above and for a sibling's; see setns(2)."""
    lines = rule(
        """
gate, ready = Gate(), Gate()
outer = os.open("/proc/self/ns/pid", os.O_RDONLY)
def first():
    unshare("pid")
    init = fork(gate.wait)
    fd = os.open(f"/proc/{init}/ns/pid", os.O_RDONLY)
    def second():
        unshare("pid")
        code(fork(lambda: tell("from a sibling", error(setns, fd))))
    setns(outer)
    code(fork(second))
    def from_above():
        setns(fd)
        code(fork(lambda: tell("from above", os.getpid(), os.getppid(), error(setns, outer))))
    code(fork(from_above))
    gate.open()
    code(init)
code(fork(first))
""",
        UNSHARE,
    )
    assert lines == ["from a sibling EINVAL", "from above 2 0 EINVAL"]


def test_a_process_that_entered_has_its_parent_outside_and_its_orphans_inside() -> None:
    """getppid() is 0 for it; whom it leaves behind is the child of PID 1; pid_namespaces(7)."""
    lines = rule("""
import time
gate, ended = Gate(), Gate()
def orphan():
    while os.getppid() != 1:
        time.sleep(0.005)
    tell("orphan", os.getppid())
    ended.open()
def entered():
    tell("entered", os.getpid(), os.getppid())
    fork(orphan)
unshare("pid")
init = fork(lambda: (gate.wait(), tell("the init waits for", code(-1) == 0)))
code(fork(entered))
os.read(ended.reader, 1)
gate.open()
code(init)
""")
    assert lines == ["entered 2 0", "orphan 1", "the init waits for True"]


def test_proc_shows_the_pid_namespace_of_who_mounted_it() -> None:
    """Wherever it is read: for a stranger to it there is no /proc/self; see pid_namespaces(7)."""
    lines = rule("""
from pyinit.linux import detach, mount
def see():
    return os.path.lexists("/proc/self") and os.readlink("/proc/self")
def init():
    tell("the old /proc:", see() == str(outside.pop()))
    mount(b"proc", b"/proc", b"proc", 14)
    tell("a new one:", see(), [name for name in os.listdir("/proc") if name.isdecimal()])
    ready.open()
    gate.wait()
unshare("mount")
mount(None, b"/", None, 16384 | 262144)
ready, gate = Gate(), Gate()
number, writer = os.pipe()
class outside:
    pop = lambda: int(os.read(number, 10))
unshare("pid")
pid = fork(init)
os.write(writer, str(pid).encode())
os.read(ready.reader, 1)
tell("for those outside:", error(os.readlink, "/proc/self"))
gate.open()
tell(code(pid))
""")
    assert lines == [
        "the old /proc: True",
        "a new one: 1 ['1']",
        "for those outside: ENOENT",
        "0",
    ]


def test_a_new_user_namespace_is_nobodys_until_it_is_mapped() -> None:
    """Each map is written once, gid_map only after setgroups is denied: user_namespaces(7).

    At least by a mapper without CAP_SETGID outside, and in a user namespace that
    allows setgroups(2) itself: a new one inherits that.
    """
    denied = Path("/proc/self/setgroups").read_text() == "deny\n"
    lines = rule(
        f"""
def write(name, text):
    with open(f"/proc/{{pid}}/{{name}}", "w") as file:
        file.write(text)
def member():
    unshare("user")
    tell("before:", os.getuid(), os.getgid())
    ready.open()
    gate.wait()
    tell("after:", os.getuid(), os.getgid())
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(1000, 1000, 1000)
    os.setresuid(1000, 1000, 1000)
    set_dumpable()
uid, gid = os.getuid(), os.getgid()
ready, gate = Gate(), Gate()
pid = fork(member)
os.read(ready.reader, 1)
tell({denied} and "EPERM" or error(write, "gid_map", f"0 {{gid}} 1"))
write("setgroups", "deny")
write("gid_map", f"0 {{gid}} 1")
tell(error(write, "setgroups", "allow"))
tell(error(write, "uid_map", f"0 {{uid}} 2"))
write("uid_map", f"0 {{uid}} 1")
tell(error(write, "uid_map", f"0 {{uid}} 1"))
gate.open()
code(pid)
""",
        (),
    )
    assert lines == ["before: 65534 65534", "EPERM", "EPERM", "EPERM", "EPERM", "after: 0 0"]


def test_its_first_process_may_all_in_it_and_nothing_outside() -> None:
    """Every capability, over what was made inside; see capabilities(7)."""
    lines = rule(
        """
import socket
name = socket.gethostname()
tell(error(unshare, "uts"))
unshare("user")
tell(error(socket.sethostname, "inner"))
unshare("uts")
tell(error(socket.sethostname, "inner"), socket.gethostname())
""",
        ORDINARY,
    )
    assert lines == ["EPERM", "EPERM", "done inner"]
