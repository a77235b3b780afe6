"""Services as TOML are read as the same services again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyinit.services import config, model, toml
from pyinit.services.model import Ready, Service
from tests.services.worlds import services

# Of st.text() hypothesis makes the tables of Unicode first, which takes seconds.
TEXT = st.binary(min_size=1, max_size=16).map(
    lambda each: each.decode(errors="replace").replace("\0", "?")
)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "ready": st.sampled_from(
            (Ready("notify"), Ready("fd", 3), Ready("port", 80), Ready("command", command=("a b",)))
        ),
        "stop_signal": st.integers(1, 31),
        "reload_signal": st.sampled_from((1, 10, 36)),
        "signals": st.frozensets(st.sampled_from((1, 10, 28))),
        "success": st.frozensets(st.integers(0, 255)),
        "stop_timeout_s": st.floats(0, 1e6),
        "umask": st.integers(0, 0o777),
        "user": st.just("1:2"),
        "chdir": TEXT,
        "no_new_privs": st.booleans(),
        "nice": st.integers(-20, 19),
        "oom_score_adj": st.integers(-1000, 1000),
        "limits": st.sampled_from(((("core", 0, -1),), (("nofile", 5, 5), ("cpu", -1, -1)))),
        "stdout": st.sampled_from(("prefix", "/a b", "null")),
        "stderr": st.sampled_from(("json", "stdout")),
        "env": st.dictionaries(st.sampled_from(("A", "B.C", "d")), TEXT).map(
            lambda found: tuple(found.items())
        ),
    },
)


@given(services(), VALUES, st.lists(TEXT, min_size=1))
def test_what_is_written_is_read_again(
    made: model.Services, values: dict[str, object], command: list[str]
) -> None:
    """Whatever the keys and the words; dollars and quotes too."""
    more = Service("one.more", tuple(command), **values).settle()
    wanted = model.Services([*made.by_name.values(), more])
    text = toml.write(wanted)
    found = config.parse(text, "f", {})
    assert found.by_name == wanted.by_name, text


def test_the_last_word_on_a_variable_counts() -> None:
    """One that is set for all and removed for a service is not set again, and the other way."""
    text = "env = {A = '1'}\n[service.a]\ncommand = 'x'\nunset-env = ['A']\n"
    assert toml.write(config.parse(text, "f", {})).splitlines()[-1] == 'unset-env = ["A"]'
    text = "[service.a]\ncommand = 'x'\nunset-env = ['A']\nenv = {A = '1'}\n"
    assert 'env = {A = "1"}' in toml.write(config.parse(text, "f", {}))
