"""A container's own users for the tests: what stands before pyinit to mount /etc/passwd and group.

As another user only programs of the system can be run: the tests' Python may lie
in a directory of somebody else.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests import conftest

if TYPE_CHECKING:
    from pathlib import Path

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
app:x:1234:1235:App:/srv/app:/bin/sh
other:x:1300:1300::/srv/other:/bin/sh
"""
GROUP = """\
root:x:0:
app:x:1235:
extra:x:2000:other,app
logs:x:1900:app
apples:x:3000:apple,myapp
"""

# Of the main child: real, effective, saved and file system ids, and the supplementary groups.
IDS = ["sh", "-c", "sed -nE 's/^(Uid|Gid|Groups):[[:space:]]*//p' /proc/self/status | tr '\\t' ' '"]

MOUNT = 'mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group && exec "$@"'

# An init that is root, but not the master of everybody.
WITHOUT_KILL = ["setpriv", "--bounding-set", "-kill", "--inh-caps", "-kill"]


def container_files(directory: Path, passwd: str = PASSWD, group: str = GROUP) -> list[str]:
    """Return what stands before pyinit to give it those files in its mount namespace."""
    (directory / "passwd").write_text(passwd)
    (directory / "group").write_text(group)
    return ["/bin/sh", "-c", MOUNT, str(directory)]


def need_root() -> None:
    """Skip, or in CI fail, where nobody can become another user."""
    if os.geteuid() != 0:
        conftest.missing("root")
