"""Several services in one container: a supervisor below PID 1.

Nothing of it is loaded without ``--services``.  The way of the data is
`config` (a file to `model`) → `supervisor` (processes) ⇄ `group` (all services) ⇄ `machine`
(one service).
"""
