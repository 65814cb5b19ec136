"""`python -m vlreward_paddle`, for launchers that want a module."""

from __future__ import annotations

from vlreward_paddle.cli import main

if __name__ == "__main__":
    main()
