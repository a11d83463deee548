"""``python -m raysearch.cli``."""

from raysearch.cli import main

if __name__ == "__main__":
    main()
