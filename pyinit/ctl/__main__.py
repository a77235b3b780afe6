"""``python -m pyinit.ctl``: pyinitctl, for when its script is not on PATH."""

import sys

from pyinit.ctl import main

if __name__ == "__main__":
    sys.exit(main())
