"""pools.py KIND: two workers with a job of 1 s each, which their master lets finish on TERM.

KIND is `multiprocessing` or `futures`.  A job says `began` and `done`.
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
    time.sleep(1)
    os.write(1, b"done\n")


def stop(*_: object) -> None:
    """End by an exception, so that ``finally`` and ``with`` have their say."""
    sys.exit(0)


def use_futures() -> None:
    """Have a ProcessPoolExecutor, whose ``with`` waits for what was submitted."""
    with concurrent.futures.ProcessPoolExecutor(2) as executor:
        for each in range(2):
            executor.submit(job, each)
        signal.pause()


def use_multiprocessing() -> None:
    """Have a Pool."""
    pool = multiprocessing.Pool(2)
    try:
        pool.map_async(job, range(2), chunksize=1)
        signal.pause()
    finally:
        pool.close()
        pool.join()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    use_futures() if sys.argv[1] == "futures" else use_multiprocessing()
