"""What `paddle.distributed.launch` starts, which wants a file rather than a module."""

from vlreward_paddle.cli import main

main()
