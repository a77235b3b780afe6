"""The commands of pyinitctl: each module is one, and is called as its command.

It has

    HELP                   what the command does, in one line
    DESCRIPTION            what its own help says first
    add_arguments(parser)
    run(args)              does it; returns the exit code, or None for 0; raises CommandError

and where it needs to

    AFTER = "CMD"          it takes words after ``--``: they are ``args.after``, else None
    FAILED = 125           the exit code of a usage error: 2 could be that of a command started

Nothing else has to know of it: help, manual page and completions find it here.
"""
