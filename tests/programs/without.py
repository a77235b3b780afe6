"""without.py MODULE,... DIRECTORY WORD...: pyinit from DIRECTORY, where no MODULE can be imported.

Under -IS nothing else is on the path, and each MODULE is blocked as well.
"""

import _signal

inherited_mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())

import sys  # noqa: E402

modules, directory = sys.argv[1:3]
for name in modules.split(","):
    sys.modules[name] = None  # type: ignore[assignment]  # import raises then
del sys.argv[1:3]
sys.path.insert(0, directory)

from pyinit.cli import main  # noqa: E402

main(inherited_mask)
