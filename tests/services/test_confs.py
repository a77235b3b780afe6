"""Whole files of supervisord as images have them: read, noted what is different, converted.

They are written for this test, in the shapes that public images have: the files of those are not
copied.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pyinit.services import config, model, readers, supervisord, toml

CONFS = Path(__file__).parent / "confs"
ENVIRON = {"PHP_COMMAND": "php artisan serve", "RUN_AS": "root", "KIND": "hub"}

# The services of each, and words of the notes.
FOUND = {
    "laravel": (["php", "queue_00", "queue_01", "queue_02"], ["without rotation"]),
    "nginx-fpm": (["php-fpm", "nginx"], ["there is no server", "'autorestart' is false"]),
    "listener": (["uwsgi", "nginx"], ["the end of each program ends the container"]),
    "desktop": (["xvfb", "wm", "vnc", "novnc"], ["'depends_on' is none", "'startretries'"]),
    "mail": (["rsyslog", "postfix", "cron"], ["without limit"]),
    "includes": (["grid", "video"], ["stdout_capture_maxbytes"]),
}


def test_all_are_here() -> None:
    """Each file has its row."""
    assert {path.stem for path in CONFS.glob("*.conf")} == set(FOUND)


@pytest.mark.parametrize("name", FOUND)
def test_a_file_is_read_and_converted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the TOML that is written of it the services are the same."""
    for key, value in ENVIRON.items():
        monkeypatch.setenv(key, value)
    path = CONFS / f"{name}.conf"
    services = supervisord.parse(path.read_text(), str(path), ENVIRON)
    names, words = FOUND[name]
    assert sorted(services.by_name) == sorted(names)
    notes = "\n".join(services.notes)
    for word in words:
        assert word in notes, notes
    assert readers.read(str(path)).by_name == services.by_name
    for service in services.by_name.values():
        service.group = ""  # of supervisorctl's words alone, as the next one
        service.priority = model.Service.priority
    assert config.parse(toml.write(services), "x.toml", {}).by_name == services.by_name
