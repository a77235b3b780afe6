"""pyinitctl.py PATHS WORDS...: pyinitctl with PATHS in the place of site, which takes 10 ms."""

import sys

sys.path += sys.argv[1].split(":")
del sys.argv[1]

from pyinit import ctl  # noqa: E402 - it is in PATHS

if __name__ == "__main__":
    sys.exit(ctl.main())
