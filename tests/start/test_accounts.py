"""Who `--user` means, by /etc/passwd and /etc/group alone; see passwd(5) and initgroups(3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinit import environment
from pyinit.command import accounts
from pyinit.options.values import UsageError
from tests.cases import in_one_test
from tests.users import GROUP, PASSWD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that makes the two files; they are those of `tests.users` before."""
    for name in ("PASSWD", "GROUP"):
        monkeypatch.setattr(accounts, name, str(tmp_path / name))

    def make(passwd: str | bytes = PASSWD, group: str | bytes = GROUP) -> None:
        for name, text in (("PASSWD", passwd), ("GROUP", group)):
            data = text if isinstance(text, bytes) else text.encode()
            (tmp_path / name).write_bytes(data)

    make()
    return make


def found(spec: str) -> tuple[str, int, int, list[int], str]:
    """Return all of the account that is looked up."""
    account = accounts.lookup(spec)
    return account.name, account.uid, account.gid, account.groups, account.home


def refused(spec: str) -> str:
    """Return the message with which ``spec`` is refused."""
    with pytest.raises(UsageError) as caught:
        accounts.lookup(spec)
    return str(caught.value)


@in_one_test(
    ("spec", "account"),
    [
        ("app", ("app", 1234, 1235, [1235, 1900, 2000], "/srv/app")),
        ("1234", ("app", 1234, 1235, [1235, 1900, 2000], "/srv/app")),
        ("01234", ("app", 1234, 1235, [1235, 1900, 2000], "/srv/app")),
        ("app:extra", ("app", 1234, 2000, [2000], "/srv/app")),
        ("app:2000", ("app", 1234, 2000, [2000], "/srv/app")),
        ("app:7", ("app", 1234, 7, [7], "/srv/app")),
        ("1234:app", ("app", 1234, 1235, [1235], "/srv/app")),
        ("99:98", ("99", 99, 98, [98], "/")),
        ("99:extra", ("99", 99, 2000, [2000], "/")),
        ("4294967294:4294967294", ("4294967294", 2**32 - 2, 2**32 - 2, [2**32 - 2], "/")),
        ("root", ("root", 0, 0, [0], "/root")),
        ("other", ("other", 1300, 1300, [1300, 2000], "/srv/other")),
    ],
)
def test_names_and_numbers(
    spec: str, account: tuple[object, ...], write: Callable[..., None]
) -> None:
    """A GROUP is the only one; without it the user gets its own and those that list it."""
    assert found(spec) == account


@in_one_test(
    ("spec", "message"),
    [
        ("nobody", "there is no user 'nobody' in {passwd}"),
        ("App", "there is no user 'App' in {passwd}"),
        ("", "there is no user '' in {passwd}"),
        ("-1", "there is no user '-1' in {passwd}"),
        ("+", "there is no user '+' in {passwd}"),
        ("4294967295", "there is no user '4294967295' in {passwd}"),
        ("99999999999999999999:0", "there is no user '99999999999999999999' in {passwd}"),
        ("\u0661\u0662", "there is no user '\u0661\u0662' in {passwd}"),
        ("app:nothing", "there is no group 'nothing' in {group}"),
        ("app:4294967295", "there is no group '4294967295' in {group}"),
        (
            "99",
            (
                "user '99' is not in {passwd}, so its group is not known: "
                "expected USER:GROUP, such as 99:99"
            ),
        ),
    ],
)
def test_who_is_not_there_is_refused_by_name(
    spec: str, message: str, write: Callable[..., None]
) -> None:
    """The last number is -1, which setresuid(2) takes for `no change`: the user would be root."""
    text = message.format(passwd=accounts.PASSWD, group=accounts.GROUP)
    assert refused(spec) == f"option '--user': {text}"


def test_a_name_that_is_a_number_is_a_name_first(write: Callable[..., None]) -> None:
    """As for chown(1), whatever comes first in the file."""
    write("a:x:77:1::/a:\n77:x:78:2::/b:\n", "g:x:5:\n5:x:6:\n")
    assert found("77") == ("77", 78, 2, [2], "/b")
    assert found("a:5") == ("a", 77, 6, [6], "/a")


def test_of_users_with_one_number_the_first_is_meant(write: Callable[..., None]) -> None:
    """Such as root and toor; by name each has its own home and groups."""
    write("root:x:0:0::/root:\ntoor:x:0:0::/toor:\n", "wheel:x:10:toor\n")
    assert found("0") == ("root", 0, 0, [0], "/root")
    assert found("toor") == ("toor", 0, 0, [0, 10], "/toor")


def test_of_entries_with_one_name_the_first_counts(write: Callable[..., None]) -> None:
    """As for getpwnam(3); groups that list the user count each."""
    write("a:x:1:2::/one:\na:x:3:4::/two:\n", "g:x:7:a\ng:x:8:a\ng:x:7:a,a\n")
    assert found("a") == ("a", 1, 2, [2, 7, 8], "/one")
    assert found("a:g") == ("a", 1, 7, [7], "/one")


def test_the_users_own_group_stands_once(write: Callable[..., None]) -> None:
    """Also where the group's line lists the user."""
    write(group="app:x:1235:app\n")
    assert found("app") == ("app", 1234, 1235, [1235], "/srv/app")


@in_one_test("line", ["+::::::", "+", "+app::::::", "-app", "-app::::::", "+@nis::::::"])
def test_lines_of_nis_are_nobody(line: str, write: Callable[..., None]) -> None:
    """They say where more entries are asked for: nsswitch.conf(5), compat."""
    write(f"{line}\n{PASSWD}", "+:::\n+app:x:1:app\n" + GROUP)
    assert found("app") == ("app", 1234, 1235, [1235, 1900, 2000], "/srv/app")
    for name in ("+", line.partition(":")[0]):
        assert "there is no user" in refused(f"{name}:0")
    assert "there is no group '+'" in refused("app:+")


def test_an_empty_name_is_nobody(write: Callable[..., None]) -> None:
    """Every group without members would list it."""
    write(":x:1234:0::/:\n" + PASSWD)
    assert found("1234") == ("app", 1234, 1235, [1235, 1900, 2000], "/srv/app")
    write(":x:55:0::/:\n")
    assert "is not in" in refused("55")


@in_one_test("separator", ["\u2028", "\x85", "\x0b", "\x0c", "\x1c", "\r"])
def test_only_a_newline_ends_a_line(separator: str, write: Callable[..., None]) -> None:
    """Python knows more ends of lines: a user could add an entry by means of its full name."""
    write(f"eve:x:1400:1400:{separator}evil:x:0:0::/:/home/eve:/bin/sh\n")
    assert "there is no user 'evil'" in refused("evil")
    assert found("eve")[1] == 1400


def test_files_written_by_hand(write: Callable[..., None]) -> None:
    """Comments, blanks, carriage returns; the last newline and fields at the end are missing."""
    write(
        "# users\n\n  a:x:1:2\r\n\tb:x:3:4:B:/b:\r\nshort:x:5\nc:x:6:7::/c:/bin/sh",
        "#g:x:8:a\n  g:x:9: a , b\r\nh:x:10\ni:x:11:a,c\r\n",
    )
    assert found("a") == ("a", 1, 2, [2, 9, 11], "/")
    assert found("b") == ("b", 3, 4, [4, 9], "/b")
    assert found("c") == ("c", 6, 7, [7, 11], "/c")
    assert found("c:h") == ("c", 6, 10, [10], "/c")
    assert "there is no user 'short'" in refused("short")
    assert "there is no user '# users'" in refused("# users")


def test_a_number_that_is_none_is_said_with_its_file(write: Callable[..., None]) -> None:
    """Where it concerns the one who is asked for; in another's line it is nothing."""
    write("a:x:one:2::/:\nb:x:2:::/:\nc:x:3:4::/:\n", "g:x:-5:\nh:x::c\ni:x:5:c\n")
    no_number = "is not a user or group ID"
    assert refused("a") == f"option '--user': 'one' in {accounts.PASSWD} {no_number}"
    assert refused("b") == f"option '--user': '' in {accounts.PASSWD} {no_number}"
    assert refused("c:g") == f"option '--user': '-5' in {accounts.GROUP} {no_number}"
    assert found("c") == ("c", 3, 4, [4, 5], "/")


def test_names_in_bytes_that_are_no_text(write: Callable[..., None]) -> None:
    """They are compared as the command line is decoded."""
    write(b"\xff\xe9:x:1:2::/\xff:\n", b"g\xfe:x:3:\xff\xe9\n")
    name = b"\xff\xe9".decode("utf-8", "surrogateescape")
    group = b"g\xfe".decode("utf-8", "surrogateescape")
    home = b"/\xff".decode("utf-8", "surrogateescape")
    assert found(name) == (name, 1, 2, [2, 3], home)
    assert found(f"{name}:{group}")[2:4] == (3, [3])


def test_missing_files_leave_the_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image from scratch has none."""
    for name in ("PASSWD", "GROUP"):
        monkeypatch.setattr(accounts, name, str(tmp_path / "none" / name))
    assert found("99:98") == ("99", 99, 98, [98], "/")
    assert "there is no user 'app'" in refused("app")
    assert "there is no group 'app'" in refused("1:app")
    assert "its group is not known" in refused("1")


def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., None]
) -> None:
    """Not taken for an empty one: who is in it would be somebody else."""
    monkeypatch.setattr(accounts, "PASSWD", str(tmp_path))
    assert refused("1234:1") == f"option '--user': cannot read {tmp_path}: Is a directory"
    monkeypatch.undo()


FIELD = st.text(st.sampled_from("ab0127:+-#, \t\r\x00\u2028\udcff"), max_size=6)
LINES = st.lists(st.lists(FIELD, max_size=8).map(":".join), max_size=6).map("\n".join)


@given(LINES, LINES, st.text(st.sampled_from("ab0127+-# "), min_size=1, max_size=3))
def test_whatever_the_files_hold(passwd: str, group: str, user: str) -> None:
    """Somebody whom setresuid(2) and setgroups(2) can be given, or a reason why not."""

    def read_all(path: str) -> bytes:
        text = passwd if path == accounts.PASSWD else group
        return text.encode("utf-8", "surrogateescape")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "read_all", read_all)
        try:
            account = accounts.lookup(user)
        except UsageError:
            return
    numbers = [account.uid, account.gid, *account.groups]
    assert all(0 <= number < 2**32 - 1 for number in numbers)
    assert account.groups[0] == account.gid
    assert len(set(account.groups)) == len(account.groups)
    assert account.name
    assert account.home
