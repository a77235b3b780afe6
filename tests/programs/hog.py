"""hog.py: takes memory until it is killed for it, as the first whom the kernel chooses."""

import os

with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
    file.write("1000")
print("ready", flush=True)
taken = []
while os.getpid():
    taken.append(bytearray(1 << 20))
