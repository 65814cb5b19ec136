"""What the server can be told, and how it is run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from vlreward.integrations.scorer import Scorer
from vlreward.integrations.settings import Settings

__all__ = ["ServerOptions", "serve"]

_METRICS = "PROMETHEUS_MULTIPROC_DIR"


class ServerOptions(BaseModel):
    """Addresses and limits of the server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: Settings = Field(default_factory=Settings)
    """How completions are scored."""
    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on; the default is reachable from this machine alone."""
    port: int = Field(default=8731, ge=0, le=65535)
    """Port; 0 lets the system choose. The default is that of PaddleNLP's example server."""
    token: SecretStr | None = None
    """What clients must send, as `Authorization: Bearer TOKEN` or as the password of basic
    authentication (`http://any:TOKEN@host:port/`), for all but `/healthz`."""
    max_pending: int = Field(default=16_384, ge=1)
    """Most completions that wait at a time; requests beyond that are answered with 429."""
    max_hard: int = Field(default=64, ge=1)
    """Most symbolic comparisons that wait for a worker process; beyond that 503."""
    workers: int | None = Field(default=None, ge=1, le=256)
    """Worker processes for symbolic comparisons, of each of the `processes`; None shares half of
    the processors out among them."""
    processes: int = Field(default=1, ge=1, le=256)
    """Processes that answer requests. The limits above hold for each of them."""
    head_timeout: float = Field(default=10.0, gt=0)
    """Seconds in which the head of a request must arrive; the connection is closed after."""
    body_timeout: float = Field(default=30.0, gt=0)
    """Seconds in which the body must arrive; answered with 408 after."""
    grace: float = Field(default=30.0, ge=0)
    """Seconds that requests in flight may take when the server is told to end."""

    @field_validator("token")
    @classmethod
    def _token_is_usable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            text = value.get_secret_value()
            if len(text) < 8 or not text.isascii() or not text.isprintable() or " " in text:
                raise ValueError(
                    "expected a token of at least 8 printable ASCII characters without spaces"
                )
        return value

    @property
    def workers_each(self) -> int:
        """Worker processes of each of the `processes`."""
        from vlreward.verify import PoolOptions

        return self.workers or max(1, PoolOptions().concurrency // self.processes)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in ("127.0.0.1", "::1", "localhost")


def serve(options: ServerOptions, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve until told to end by SIGTERM or SIGINT, then answer what is in flight and return.

    A second signal ends at once.

    Args:
        options: Address, limits and settings.
        ready: Called with the address once connections are accepted.

    Raises:
        ImportError: If the extra `serve` is not installed.
        ValueError: If the settings fit no task.
        SystemExit: If the address cannot be listened on.
    """
    if options.processes == 1:
        _serve(options, ready)
        return
    Scorer(options.settings)  # refuses bad settings here, and not in each process again
    with tempfile.TemporaryDirectory(prefix="vlreward-metrics-") as directory:
        os.environ[_METRICS] = directory  # before any process imports prometheus_client
        try:
            _serve(options, ready)
        finally:
            del os.environ[_METRICS]


def _serve(options: ServerOptions, ready: Callable[[str], None] | None) -> None:
    try:
        from vlreward.integrations.server.app import create_app
        from vlreward.integrations.server.http import config_for, make_server, run_processes
    except ImportError as error:
        raise ImportError(
            f"the reward server needs the extra 'serve' ({error}): pip install 'vlreward[serve]'"
        ) from error
    if options.processes > 1:
        run_processes(config_for(partial(create_app, options), options), ready)
    else:
        make_server(config_for(create_app(options), options), ready).run()
