"""pyinit: a PID 1 for containers.

It starts one command, relays signals to it, reaps every orphan, and when the
command ends it ends what is left of the PID namespace and exits with the
command's status.  See pid_namespaces(7).
"""

__version__ = "0.1.0"
