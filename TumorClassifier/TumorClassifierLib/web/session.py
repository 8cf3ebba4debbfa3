"""One user's process: `python -m TumorClassifierLib.web.session FOLDER`, started by the server, seen through it only.

It listens on a free port of the loopback address and answers nobody but the server, who knows a key; it ends when the
server closes its input.
"""

import asyncio
import hmac
import json
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

KEY_HEADER = "X-TumorClassifier-Key"
KEY_VARIABLE = "TUMORCLASSIFIER_WEB_KEY"
LIMITS_VARIABLE = "TUMORCLASSIFIER_WEB_LIMITS"
SERVED = "tumorclassifier"


def main(folder: Path) -> None:
    """Serve one user until the server hangs up."""
    os.environ["WSLINK_READY_MSG"] = ""
    _draw_in_memory()
    key, settings = os.environ.pop(KEY_VARIABLE), json.loads(os.environ.pop(LIMITS_VARIABLE, "{}"))
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    logging.basicConfig(level=logging.WARNING)

    from trame.app import get_server

    from .actions import Actions
    from .case_scene import CaseScene
    from .limits import Limits
    from .state import DEFAULTS

    server = get_server(client_type="vue3")
    server.cli.parse_known_args([])
    limits = Limits(**settings)
    server.state.update({**DEFAULTS, "upload_megabytes": limits.upload_megabytes, "trame__title": "TumorClassifier"})
    _serve_own_files(server)
    case = CaseScene(folder)
    _quiet_vtk()
    actions = Actions(server, case, limits)

    @server.controller.add("on_server_bind")
    def _guard(wslink_server: Any) -> None:
        wslink_server.app.middlewares.append(_only_with(key))

    @server.controller.add("on_server_ready")
    def _tell(**_: Any) -> None:
        channel.write(json.dumps({"port": server.port}) + "\n")
        channel.flush()
        asyncio.create_task(actions.classifying.begin())

    threading.Thread(target=_end_with_server, args=(actions,), daemon=True).start()
    server.start(host="127.0.0.1", port=0, timeout=0, open_browser=False, show_connection_info=False, exec_mode="main")


def _draw_in_memory() -> None:
    from ..scene.headless import mesa_is_installed

    if sys.platform == "linux" and not os.environ.get("DISPLAY") and mesa_is_installed():
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkOSOpenGLRenderWindow")


def _quiet_vtk() -> None:
    """VTK tells of every file that it packs and of every empty segment that it draws; what matters is raised."""
    from vtkmodules.vtkCommonCore import vtkLogger, vtkOutputWindow

    vtkOutputWindow.GetInstance().SetDisplayModeToNever()
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)


def _serve_own_files(server: Any) -> None:
    from FeatureExtractorLib.resources import resource_path

    folder = str(resource_path("Web", __file__))
    server.enable_module(
        {"serve": {SERVED: folder}, "scripts": [f"{SERVED}/page.js"], "styles": [f"{SERVED}/page.css"]}
    )


def _only_with(key: str) -> Any:
    """A middleware that refuses whoever is not the server."""
    from aiohttp import web

    @web.middleware
    async def check(request: Any, handler: Any) -> Any:
        if not hmac.compare_digest(request.headers.get(KEY_HEADER, ""), key):
            raise web.HTTPForbidden(text="Use the address that `tumorclassifier web` printed.")
        return await handler(request)

    return check


def _end_with_server(actions: Any) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    actions.stop()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
