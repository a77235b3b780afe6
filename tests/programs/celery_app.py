"""A Celery application that gives itself two tasks of 3 s, which say `began` and `done`.

Its broker is the directory in BROKER.
"""

import os
import time

import celery  # type: ignore[import-not-found]
from celery import signals

app = celery.Celery("leftover", broker="filesystem://")
FOLDERS = ("data_folder_in", "data_folder_out", "control_folder")
app.conf.broker_transport_options = dict.fromkeys(FOLDERS, os.environ["BROKER"])


@app.task  # type: ignore[untyped-decorator]
def work() -> None:
    """Work."""
    os.write(1, b"began\n")
    time.sleep(3)
    os.write(1, b"done\n")


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def begin(**_: object) -> None:
    """Give two tasks."""
    work.delay()
    work.delay()
