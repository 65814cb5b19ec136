"""The commands `vlreward serve` and `vlreward path`."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from vlreward.command_line import PROTOCOLS, AxisOrderOption, Family, FrameOption
from vlreward.options import as_command

__all__ = ["path", "serve"]


def path(
    trainer: Annotated[str, typer.Argument(help="easyr1, swift or openrlhf.")],
) -> None:
    """Print the path of the file that a trainer loads."""
    from vlreward.integrations.paths import plugin_path

    typer.echo(plugin_path(trainer))


@dataclass(frozen=True)
class _ServeOptions:
    host: Annotated[
        str, typer.Option(help="Address to listen on; by default this machine alone reaches it.")
    ] = "127.0.0.1"
    port: Annotated[int, typer.Option(help="Port; 0 lets the system choose.")] = 8731
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token that clients must send; or the variable VLREWARD_TOKEN."
        ),
    ] = None
    task: Annotated[
        str | None, typer.Option(help="Task of golds that are no envelopes (vlreward pack).")
    ] = None
    frame: FrameOption = None
    family: Family = None
    axis_order: AxisOrderOption = None
    protocol: Annotated[str | None, typer.Option(help=f"{PROTOCOLS} Default: strict.")] = None
    weights: Annotated[
        str | None, typer.Option(help="Weights of terms, e.g. iou=1,format=0.5.")
    ] = None
    clip: Annotated[
        bool | None,
        typer.Option("--clip", help="Clip boxes to their frame; by default they fail."),
    ] = None
    deadline: Annotated[
        float | None, typer.Option(help="Seconds of one symbolic comparison. Default: 5.")
    ] = None
    max_pending: Annotated[int, typer.Option(help="Most completions that wait.")] = 16_384
    max_hard: Annotated[
        int, typer.Option(help="Most symbolic comparisons that wait for a worker process.")
    ] = 64
    workers: Annotated[
        int | None,
        typer.Option(
            help="Worker processes for symbolic comparisons, of each process. Default: half the "
            "cores, shared out."
        ),
    ] = None
    processes: Annotated[
        int, typer.Option(help="Processes that answer requests; the limits hold for each.")
    ] = 1


def _serve(asked: _ServeOptions) -> None:
    """Score completions over HTTP.

    POST / takes what PaddleNLP sends, {src, tgt, response}; POST /score a batch, {"items": \
[{"completion", "gold"}]}. GET /healthz and /metrics are for supervisors. SIGTERM answers what is \
in flight and ends. The settings can also be given as VLREWARD_TASK, VLREWARD_FRAME ...
    """
    from pydantic import ValidationError

    from vlreward._text import first_problem
    from vlreward.errors import OptionError
    from vlreward.integrations.server import ServerOptions
    from vlreward.integrations.server import serve as run
    from vlreward.integrations.settings import Settings

    given = {name: value for name, value in vars(asked).items() if name in Settings.model_fields}
    own = {name: value for name, value in vars(asked).items() if name in ServerOptions.model_fields}
    try:
        environment = {k: v for k, v in os.environ.items() if k != "VLREWARD_TOKEN"}
        settings = Settings.from_environment(environment).updated(given)
        token = _token(asked.token_file)
        options = ServerOptions.model_validate({"settings": settings, "token": token, **own})
    except ValidationError as error:
        raise OptionError(first_problem(error, got=False, name=_flag)) from None
    except (ValueError, OverflowError) as error:
        raise OptionError(str(error)) from None
    try:
        socket.getaddrinfo(options.host, options.port)
    except OSError as error:
        raise OptionError(f"--host: cannot listen on {options.host!r}: {error}") from None
    if not options.is_loopback and options.token is None:
        typer.echo(
            f"warning: anyone who reaches {options.host} can use this server; require a token with "
            "--token-file",
            err=True,
        )
    try:
        run(options, ready=lambda address: typer.echo(f"listening on {address}"))
    except ValueError as error:
        raise OptionError(str(error)) from None


serve = as_command(_ServeOptions, _serve)


def _token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get("VLREWARD_TOKEN") or None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the token from {file}: {error}") from None


def _flag(field: str) -> str:
    return "--" + field.replace("_", "-")
