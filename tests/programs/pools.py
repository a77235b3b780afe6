"""pools.py KIND [SECONDS]: two workers with a job of 1 s each, which their master lets finish.

The master gets TERM.  KIND is `multiprocessing` or `futures`.  A job says `began` and `done`.
"""

import concurrent.futures
import multiprocessing
import os
import signal
import sys
import time


def job(_: int) -> None:
    """Work."""
    os.write(1, b"began\n")
    time.sleep(float(sys.argv[2]) if sys.argv[2:] else 1)
    os.write(1, b"done\n")


def stop(*_: object) -> None:
    """End by an exception, so that ``finally`` and ``with`` have their say."""
    sys.exit(0)


def wait() -> None:
    """Wait for TERM.  One that comes just before pause(2) would not end that."""
    while True:
        time.sleep(0.05)


def use_futures() -> None:
    """Have a ProcessPoolExecutor, whose ``with`` waits for what was submitted."""
    with concurrent.futures.ProcessPoolExecutor(2) as executor:
        for each in range(2):
            executor.submit(job, each)
        wait()


def use_multiprocessing() -> None:
    """Have a Pool."""
    pool = multiprocessing.Pool(2)
    try:
        pool.map_async(job, range(2), chunksize=1)
        wait()
    finally:
        pool.close()
        pool.join()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    use_futures() if sys.argv[1] == "futures" else use_multiprocessing()
