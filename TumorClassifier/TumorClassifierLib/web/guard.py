"""Who may ask the server for what: addresses, tokens, origins, and what a page may load."""

import base64
import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Mapping

SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


def is_loopback(host: str) -> bool:
    """Whether nobody outside this machine can reach that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """The rules of one server. token: empty on a loopback address, where whoever is on this machine may come in."""

    def __init__(self, host: str) -> None:
        self.local = is_loopback(host)
        self._names = (*LOOPBACK_NAMES, host)
        self.token = "" if self.local else secrets.token_urlsafe(24)

    def knows(self, token: str) -> bool:
        """Whether a user has shown the token, where there is one."""
        return not self.token or hmac.compare_digest(token.encode(), self.token.encode())

    def accepts_host(self, host: str) -> bool:
        """Whether the request was meant for this server; a name that someone pointed at this machine is refused."""
        return not self.local or re.sub(r":\d+$", "", host) in self._names

    @staticmethod
    def same_origin(headers: Mapping[str, str], host: str) -> bool:
        """Whether the request comes from this server's own page: needed for all that changes something."""
        origin = headers.get("Origin", "")
        return origin.split("://", 1)[-1] == host if origin else headers.get("Sec-Fetch-Site", "") == "same-origin"

    @staticmethod
    def may_begin(headers: Mapping[str, str]) -> bool:
        """Whether a request without a session may begin one: a visit, not something another page loads."""
        return headers.get("Sec-Fetch-Mode", "navigate") == "navigate"


def page_headers(page: str = "") -> dict[str, str]:
    """Headers of every answer. page: the HTML, whose own inline scripts are the only ones allowed.

    trame compiles its templates in the browser and sets styles on elements, which needs 'unsafe-eval' and
    'unsafe-inline' for styles; everything else is as strict as can be, and nothing is loaded from elsewhere.
    """
    hashes = "".join(f" 'sha256-{_hash(script)}'" for script in SCRIPT.findall(page))
    policy = {
        "default-src": "'none'",
        "script-src": f"'self' 'unsafe-eval'{hashes}",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "worker-src": "'self' blob:",
        "manifest-src": "'self'",
        "base-uri": "'self'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), usb=(), payment=()",
    }


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
