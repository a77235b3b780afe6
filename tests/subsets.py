"""Which tests run alone, which again as an ordinary user or with other Pythons, and why.

The whole of the tests runs once, as root and with one interpreter.  Most of them say the same
whoever runs them and with whatever CPython; those below need not.  A path is a folder or a file
of tests/; ``make test ARGS="-m user"`` and ``-m interpreter`` run them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# What depends on who one is: capabilities, owners, a user namespace in place of root's own.
USER = {
    "api": "a program of a user's own is a subreaper there, never PID 1 of the machine",
    "container": "spawn() needs a user namespace and maps its IDs",
    "ctl": "enters, looks at and installs only what the user may",
    "namespaces": "the kernel's rules differ with CAP_SYS_ADMIN",
    "start/test_accounts.py": "files of accounts are read, the IDs cannot be set",
    "start/test_activation.py": "descriptors are handed over with no_new_privs",
    "start/test_change_faults.py": "setuid(2) and its like fail with EPERM",
    "start/test_chdir.py": "a directory may be closed to the user",
    "start/test_failure.py": "a file may be executable for others alone",
    "start/test_faults.py": "EACCES, that root never gets",
    "start/test_inherit_process.py": "limits and priorities cannot be raised",
    "start/test_no_new_privs.py": "there are privileges to be gained",
    "start/test_parent_death.py": "a set-user-ID program drops the signal",
    "start/test_user.py": "--user is refused, or does nothing",
    "log/test_report_file.py": "a directory may be closed to the user",
    "log/test_senders.py": "/proc hides processes of others",
    "log/test_status_file.py": "the file belongs to the user",
    "reap/test_reap.py": "/proc hides processes of others",
    "reap/test_subreaper.py": "a subreaper of a user's own",
    "relay/test_errors.py": "kill(2) answers EPERM",
    "robust/test_surroundings.py": "what is missing may not be made good",
    "services/test_start.py": "services are started by a user",
    "services/test_restart.py": "what is left is another session of the user's",
    "services/test_rows.py": "the rules of start, end and stop",
    "services/test_supervisorctl.py": "the socket and the init are the user's",
    "services/test_ends.py": "the init has no privilege, and its supervisor none",
    "services/test_stop.py": "the same, when they are stopped",
    "services/test_told.py": "the files are the user's",
    "services/test_control.py": "the socket is the user's",
    "stopping/test_teardown.py": "in a user namespace",
    "stopping/test_teardown_entered.py": "setns(2) into a user namespace",
    "terminal/test_session.py": "TIOCSCTTY takes a terminal from nobody",
    "project/test_demo.py": "what a newcomer runs first",
}

# What depends on the interpreter: its start, its signal module, its bytecode, its libraries.
INTERPRETER = {
    "api": "runs inside of a program, with its threads and handlers",
    "container/test_container.py": "a second interpreter is started and forks",
    "container/test_early_death.py": "the same, killed while it starts",
    "container/test_leaks.py": "memory and descriptors of subprocess and socket",
    "ctl/test_install.py": "writes bytecode and names the interpreter",
    "ctl/test_pyz.py": "holds bytecode of several versions",
    "ctl/test_run.py": "argparse words errors differently",
    "ctl/test_table.py": "widths of characters come from unicodedata",
    "log/test_events.py": "the log is written",
    "log/test_lines.py": "json, time and the console's renderer",
    "options/test_values.py": "int() and float() read words",
    "robust/test_fuzz.py": "what sigtimedwait() answers that was interrupted",
    "reap": "wait statuses and rusage are made into objects",
    "relay/test_relay.py": "sigwaitinfo() and kill() are the interpreter's",
    "relay/test_rewrite.py": "the same, for each signal",
    "robust": "what the interpreter does when memory, files or modules are missing",
    "start": "what the interpreter changes at its start has to be undone",
    "stopping/test_drain.py": "timed waits",
    "stopping/test_teardown.py": "timed waits, modules loaded late",
    "terminal/test_terminal.py": "tcsetpgrp() and its errors",
}


# Where both processors are busy, one that the kernel kills for want of memory takes long to go, and
# whoever asks for memory meanwhile is killed as well: the init, or unshare(1) around it.
ALONE = (
    "reap/test_on_oom.py",
    "reap/test_oom_kill.py",
    "reap/test_oom_score.py",
    "reap/test_oom_kernel.py",
    "services/test_oom.py",
)


def mark(items: list[pytest.Item]) -> None:
    """Mark each test that belongs to one of them."""
    for item in items:
        path = item.path.relative_to(TESTS)
        names = {str(path), path.parts[0]}
        if str(path) in ALONE:
            item.add_marker(pytest.mark.alone("memory cgroups that are full"))
        # Loads are the same for everybody; -m takes the place of the one that leaves them out.
        if item.get_closest_marker("long"):
            continue
        if names & USER.keys():
            item.add_marker("user")
        if names & INTERPRETER.keys():
            item.add_marker("interpreter")
