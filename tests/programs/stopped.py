"""stopped.py: prints `ready`, its user, process 1's, its capabilities; on TERM or INT its name."""

import _signal as signal

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})


def field(pid: int | str, name: str) -> str:
    """Return the first word of a field of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(line.split()[1] for line in file if line.startswith(name))


print(
    "ready", field("self", "Uid:"), field(1, "Uid:"), int(field("self", "CapEff:"), 16), flush=True
)
number = signal.sigwait({signal.SIGTERM, signal.SIGINT})
print({signal.SIGTERM: "TERM", signal.SIGINT: "INT"}[number], flush=True)
