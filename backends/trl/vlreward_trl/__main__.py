"""`python -m vlreward_trl`, for launchers that want a module."""

from __future__ import annotations

from vlreward_trl.cli import main

if __name__ == "__main__":
    main()
