"""one_by_one.py: sends itself five signals by way of PID 1, then leaves orphans one by one."""

import _signal as signal
import os
import time

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
for _ in range(5):
    os.kill(1, signal.SIGUSR1)
    signal.sigwaitinfo([signal.SIGUSR1])
for _ in range(5):
    reader, writer = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            while os.getppid() != 1:
                time.sleep(0.001)
            os.write(writer, str(os.getpid()).encode())
            os._exit(0)
        os._exit(0)
    os.wait()
    pid = int(os.read(reader, 10))
    while os.path.exists(f"/proc/{pid}"):
        time.sleep(0.001)
