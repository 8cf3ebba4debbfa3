"""`tumorclassifier web`: the page in the browser."""

from importlib.util import find_spec
from typing import Annotated

import typer

from FeatureExtractorLib.errors import InputError

NEEDED = ("trame_slicer", "slicer_layer_dm", "aiohttp")


def web(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; any but this machine's own asks users for a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8090,
    sessions: Annotated[int, typer.Option("--sessions", min=1, max=64, help="Users at a time.")] = 4,
    idle: Annotated[float, typer.Option("--idle", min=0.05, help="Minutes until an unused session ends.")] = 30.0,
    upload: Annotated[int, typer.Option("--upload", min=1, max=8192, help="Largest upload in MB.")] = 512,
) -> None:
    """Open, outline and classify images in a browser, without Slicer.

    Example: tumorclassifier web --port 8090
    """
    import asyncio

    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise InputError(
            f"The page in the browser needs packages that are not installed here ({', '.join(missing)}); run "
            "`make web`, or install tumorclassifier[web] into an environment of its own."
        )
    from .web.front import serve
    from .web.guard import is_loopback
    from .web.limits import Limits

    limits = Limits(
        sessions=sessions,
        idle_minutes=idle,
        away_minutes=min(idle, Limits.away_minutes),
        upload_megabytes=upload,
        kept_megabytes=max(upload, Limits.kept_megabytes),
    )

    def tell(address: str) -> None:
        typer.echo(f"TumorClassifier is at {address}")
        if not is_loopback(host):
            typer.echo("Whoever has this address may use it. It is not encrypted: put it behind a server that is.")
        typer.echo("For research use only. Stop with Ctrl+C.")

    asyncio.run(serve(host, port, limits, tell))
