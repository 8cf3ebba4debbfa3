"""The server that browsers talk to: gives each user a process, passes on what belongs to it, takes and gives files."""

import asyncio
import logging
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, WSMsgType, web

from FeatureExtractorLib.errors import InputError

from .guard import Guard, page_headers
from .incoming import KINDS, remove, store_upload
from .limits import DOWNLOADS, Limits
from .sessions import Full, Session, Sessions

log = logging.getLogger(__name__)
INDEX = "index.html"
LARGEST_MESSAGE = 8 << 20  # bytes of one message from a browser
FILES = {name for name, _ in DOWNLOADS.values()}
PASSED_ON = ("Content-Type", "Last-Modified", "ETag")


class Front:
    """One server. After `start`, `address` is what a user opens."""

    def __init__(self, host: str, port: int, limits: Limits) -> None:
        self._host, self._port = host, port
        self.guard, self.limits = Guard(host), limits
        self._folder = Path(tempfile.mkdtemp(prefix="tumorclassifier-web-"))
        self.sessions = Sessions(self._folder, limits)
        self._runner: web.AppRunner | None = None
        self._client: ClientSession | None = None
        self._watch: asyncio.Task[None] | None = None
        self._sockets: set[web.WebSocketResponse] = set()

    @property
    def address(self) -> str:
        """What to open in a browser."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/" + (f"?token={self.guard.token}" if self.guard.token else "")

    async def start(self) -> None:
        """Listen; raises InputError where the address is taken or not this machine's."""
        app = web.Application(middlewares=[self._check], client_max_size=self.limits.upload_bytes + (1 << 20))
        app.router.add_get("/", self._begin)
        app.router.add_get("/alive", self._alive)
        app.router.add_get("/ws", self._socket)
        app.router.add_post("/paraview/", self._where)
        app.router.add_post("/upload", self._upload)
        app.router.add_get("/download/{name}", self._download)
        app.router.add_get("/{path:.+}", self._pass_on)
        self._client = ClientSession(auto_decompress=False)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            reason = error.strerror or str(error)
            raise InputError(
                f"The address {self._host}, port {self._port}, cannot be used ({reason}); choose another --port."
            ) from error
        self._port = self._runner.addresses[0][1]
        self._watch = asyncio.create_task(self.sessions.watch())

    async def stop(self) -> None:
        """End every session, remove every file, and listen no longer."""
        if self._watch is not None:
            self._watch.cancel()
        for socket in list(self._sockets):
            with suppress(Exception):
                await asyncio.wait_for(socket.close(code=1001), 1.0)
        await self.sessions.end_all()
        if self._client is not None:
            await self._client.close()
        if self._runner is not None:
            await self._runner.cleanup()
        remove(self._folder)

    # requests

    @web.middleware
    async def _check(self, request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            if not self.guard.accepts_host(request.host):
                raise web.HTTPForbidden(text="This server answers to localhost only.")
            if not self.guard.knows(request.query.get("token") or request.cookies.get(self._cookie("key"), "")):
                raise web.HTTPForbidden(text="Open the address with the token that `tumorclassifier web` printed.")
            response: web.StreamResponse = await handler(request)
        except web.HTTPException as error:
            error.headers.update(page_headers())
            raise
        if not response.prepared:
            for name, value in page_headers().items():
                response.headers.setdefault(name, value)
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    def _cookie(self, what: str) -> str:
        """Cookies know no ports, so their names do."""
        return f"tumorclassifier-{what}-{self._port}"

    def _session(self, request: web.Request) -> Session:
        session = self.sessions.get(request.cookies.get(self._cookie("session"), ""))
        if session is None:
            raise web.HTTPGone(text="This session has ended; open the first page again.")
        return session

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        if self.guard.token and "token" in request.query:  # out of the address, where it would be seen and kept
            moved = web.HTTPFound("/")
            moved.set_cookie(self._cookie("key"), self.guard.token, httponly=True, samesite="Strict")
            raise moved
        name = request.cookies.get(self._cookie("session"), "")
        session = self.sessions.get(name)
        if session is None:
            if not self.guard.may_begin(request.headers):
                raise web.HTTPForbidden(text="Open this address in a browser.")
            try:
                session = await self.sessions.begin()
            except Full as error:
                return web.Response(status=503, text=_sorry(str(error)), content_type="text/html")
            except InputError as error:
                return web.Response(status=500, text=_sorry(str(error)), content_type="text/html")
        session.touch()
        status, _, body = await self._fetch(session, INDEX)
        page = body.decode("utf-8")
        response = web.Response(status=status, text=page, content_type="text/html", headers=page_headers(page))
        if session.name != name:
            response.set_cookie(self._cookie("session"), session.name, httponly=True, samesite="Strict")
        return response

    async def _where(self, request: web.Request) -> web.StreamResponse:
        """What trame's page asks first: where its connection is."""
        self._session(request)
        return web.json_response({"sessionURL": "ws://USE_HOST/ws"})

    async def _alive(self, request: web.Request) -> web.StreamResponse:
        self._session(request).seen = time.monotonic()
        return web.json_response({"alive": True})

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        status, headers, body = await self._fetch(self._session(request), request.match_info["path"])
        kept = {name: headers[name] for name in PASSED_ON if name in headers}
        return web.Response(status=status, body=body, headers={**kept, "Cache-Control": "private, max-age=3600"})

    async def _fetch(self, session: Session, path: str) -> tuple[int, Any, bytes]:
        assert self._client is not None
        try:
            address = f"http://127.0.0.1:{session.port}/{path}"
            async with self._client.get(address, headers=session.headers, allow_redirects=False) as answer:
                return answer.status, answer.headers, await answer.read()
        except ClientError:
            raise web.HTTPBadGateway(text="This session does not answer; open the first page again.") from None

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        session, kind = self._session(request), request.query.get("kind", "")
        if not self.guard.same_origin(request.headers, request.host):
            raise web.HTTPForbidden(text="Files are taken from this server's own page only.")
        if kind not in KINDS or not request.content_type.startswith("multipart/"):
            return web.json_response({"error": "This is no upload; use the page."}, status=400)
        session.touch()
        if (request.content_length or 0) > self.limits.upload_bytes + (1 << 20):
            text = f"At most {self.limits.upload_megabytes} MB are taken at once; choose fewer or smaller files."
            return web.json_response({"error": text}, status=413)
        try:
            parts = await request.multipart()
            name = await store_upload(_each(parts), kind, session.uploads, self.limits, session.kept_bytes())
        except InputError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"upload": name})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        session, name = self._session(request), request.match_info["name"]
        file = session.folder / "downloads" / name
        if name not in FILES or not file.is_file():
            raise web.HTTPNotFound(text="There is no such file.")
        session.touch()
        return web.FileResponse(
            file,
            headers={
                **page_headers(),
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
            },
        )

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        session = self._session(request)
        if not self.guard.same_origin(request.headers, request.host):
            raise web.HTTPForbidden(text="This connection is for this server's own page only.")
        assert self._client is not None
        browser = web.WebSocketResponse(max_msg_size=LARGEST_MESSAGE, heartbeat=20.0)
        await browser.prepare(request)
        self._sockets.add(browser)
        session.sockets += 1
        session.touch()
        try:
            address = f"http://127.0.0.1:{session.port}/ws"
            async with self._client.ws_connect(address, headers=session.headers, max_msg_size=0) as process:
                ways = [
                    asyncio.create_task(_copy(browser, process, session)),
                    asyncio.create_task(_copy(process, browser, None)),
                ]
                _, pending = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in pending:
                    way.cancel()
                await asyncio.gather(*pending, return_exceptions=True)
        except ClientError:
            pass  # the process has gone: the page asks /alive and says so
        finally:
            session.sockets -= 1
            session.seen = time.monotonic()
            self._sockets.discard(browser)
            await browser.close()
        return browser


async def _copy(source: Any, target: Any, session: Session | None) -> None:
    """Pass on messages until one side is gone. session: whose user is active with each."""
    with suppress(ConnectionError, ClientError):
        async for message in source:
            if session is not None:
                session.touch()
            if message.type == WSMsgType.TEXT:
                await target.send_str(message.data)
            elif message.type == WSMsgType.BINARY:
                await target.send_bytes(message.data)
            else:
                return


async def _each(parts: Any) -> Any:
    while (part := await parts.next()) is not None:
        yield part


def _sorry(text: str) -> str:
    """A page of one sentence; the sentence is ours."""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>TumorClassifier</title>"
        "<body style='font:18px/1.5 sans-serif;max-width:34em;margin:18vh auto;padding:0 1em;color:#222'>"
        f"<h1 style='font-size:1.4em'>TumorClassifier</h1><p>{text}</p><p><a href='/'>Try again</a></p>"
    )


async def serve(host: str, port: int, limits: Limits, tell: Any) -> None:
    """Serve until the process is asked to stop; tell: hears the address once it works."""
    front = Front(host, port, limits)
    try:
        await front.start()
        tell(front.address)
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(name, stopped.set)
        await stopped.wait()
    finally:
        await front.stop()
