"""Make what the tests of runtimes start from: ``python -m tests.runtimes.prepare``."""

from tests.runtimes import builds, image

if __name__ == "__main__":
    image.prepare()
    builds.prepare()
