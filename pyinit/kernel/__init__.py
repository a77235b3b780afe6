"""What the kernel tells of processes, memory and terminals."""
