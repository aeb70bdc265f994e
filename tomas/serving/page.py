"""The page for people: one file, that may load nothing from anywhere but this server."""

import base64
import re
from hashlib import sha256
from importlib.resources import files

from fastapi.responses import HTMLResponse


def page() -> HTMLResponse:
    """The page, with a policy that runs its own script and style and no others."""
    html = files("tomas.serving").joinpath("page.html").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src {_hash(html, 'script')}; style-src {_hash(html, 'style')}; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return HTMLResponse(html, headers=headers)


def _hash(html: str, tag: str) -> str:
    match = re.search(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    assert match is not None, f"page.html has no <{tag}>"
    return f"'sha256-{base64.b64encode(sha256(match[1].encode()).digest()).decode()}'"
