"""`gonogo serve`: the server over standard input and output, or over HTTP.

It is started by `__main__` before the command line is imported, since clients wait for it.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from gonogo.app import Gonogo
from gonogo.config import load_settings
from gonogo.config.early_options import EarlyParser
from gonogo.errors import NoInput, ParameterError, plain
from gonogo.http.guard import is_loopback, listening_socket, place_of
from gonogo.settings import OAuthSettings, Settings

if TYPE_CHECKING:
    from gonogo.server.oauth import TokenCheck
    from gonogo.server.surface import GonogoServer

EXAMPLE = "example: gonogo serve --store ~/gonogo.db --read-only"


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of `gonogo serve`.

    Raises:
        ParameterError: An argument is unknown or incomplete.
    """
    parser = EarlyParser(
        prog="gonogo serve",
        description="Serve the tools to an agent (MCP), over standard input and output or over HTTP.",
        epilog=EXAMPLE,
        allow_abbrev=False,
    )
    parser.add_argument("--store", metavar="PATH", help="the store; default: GONOGO_STORE")
    parser.add_argument("--config", metavar="PATH", help="gonogo.toml; default: GONOGO_CONFIG")
    parser.add_argument(
        "--read-only",
        action="store_true",
        help="answer and plan, but record, reserve, settle and carry out nothing",
    )
    parser.add_argument("--http", metavar="HOST:PORT", help="serve streamable HTTP at /mcp instead")
    parser.add_argument(
        "--token-file",
        metavar="PATH",
        help="holds the token that may act, instead of GONOGO_TOKEN; GONOGO_READ_TOKEN may look",
    )
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a further Host to answer to over HTTP; may be given again",
    )
    parser.add_argument(
        "--allow-origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="a page elsewhere that may ask, as http://localhost:6274; may be given again",
    )
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def serve(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Answer until standard input ends.

    Raises:
        ParameterError: An argument is unknown or incomplete.
        ConfigError: gonogo.toml is wrong.
    """
    given = parsed(arguments)
    settings = load_settings(given.config, given.store, environ, read_only=given.read_only)

    # Before the SDK sets up its own: standard output carries the protocol alone, and a log line
    # is one line. Its time is UTC, as in every answer.
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stderr,
        datefmt="%Y-%m-%dT%H:%M:%SZ",
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    if given.http is not None:
        return _serve_http(settings, given, environ)
    from gonogo.server.surface import build_server

    app = Gonogo(settings)
    server = build_server(app)
    _collect_garbage()
    anyio.run(_serve, server, app)
    return 0


def _collect_garbage() -> None:
    """Turn garbage collection on, past the objects made at start: `__main__` held it back till now."""
    gc.freeze()
    gc.enable()


def _serve_http(settings: Settings, given: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from gonogo.server.gate import ANY, LOOPBACK, Access
    from gonogo.server.streamable_http import http_app, serve_gate

    place = place_of(given.http, option="serve: --http")
    host = place.host
    act = _token_in(given.token_file) if given.token_file else environ.get("GONOGO_TOKEN", "")
    read = environ.get("GONOGO_READ_TOKEN", "")
    oauth = None if settings.oauth is None else _token_check(settings.oauth)
    if not place.is_loopback and not (act.strip() or read.strip() or oauth):
        raise ParameterError(
            f"serve: {plain(host, 80)} can be reached from other machines, which needs a token: set "
            "GONOGO_TOKEN (or --token-file), and GONOGO_READ_TOKEN for those who only look."
        )
    if act.strip() and act.strip() == read.strip():
        raise ParameterError("serve: the token to act and the token to read are the same; use two.")
    # Where every address is listened at, the Host can be any name of this machine.
    any_host = host in ANY and not given.allow_host
    access = Access(
        hosts=None if any_host else LOOPBACK | {host.lower(), *map(str.lower, given.allow_host)},
        act=act.strip() or None,
        read=read.strip() or None,
        origins=frozenset(map(_origin, given.allow_origin)),
        oauth=None if oauth is None else oauth.admit,
    )
    app = http_app(settings, access)
    _collect_garbage()
    with listening_socket(place, option="serve") as listener:
        number = anyio.run(serve_gate, app, listener)
    return 128 + number if number else 0


def _token_check(settings: OAuthSettings) -> TokenCheck:
    """Build the check of the configured issuer's tokens.

    Raises:
        ParameterError: Keys would come unencrypted over a network, or what checks them is not there.
    """
    from urllib.parse import urlsplit

    address = urlsplit(settings.jwks_url)
    if address.scheme != "https" and not is_loopback(address.hostname or ""):
        raise ParameterError(
            f"settings.oauth.jwks_url '{plain(settings.jwks_url, 120)}' is not https: whoever is in "
            "between could put keys of their own there."
        )
    try:
        from gonogo.server.oauth import TokenCheck
    except ImportError:
        raise ParameterError(
            "settings.oauth needs the extra: pip install 'gonogo[oauth]'."
        ) from None
    return TokenCheck(settings)


def _origin(text: str) -> str:
    """An origin as browsers send it.

    Raises:
        ParameterError: It is none; "*" would let in every page there is.
    """
    scheme, _, place = text.rstrip("/").partition("://")
    if scheme.lower() not in ("http", "https") or not place or {"/", "*", "@"} & set(place):
        raise ParameterError(
            f"serve: --allow-origin '{plain(text, 80)}' is no origin; example: http://localhost:6274."
        )
    return f"{scheme}://{place}".lower()


def _token_in(path: str) -> str:
    """The token that a file holds.

    Raises:
        NoInput: The file cannot be read.
        ParameterError: It is empty.
    """
    try:
        token = Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise NoInput(f"serve: --token-file '{plain(path, 200)}' cannot be read.") from None
    if not token:
        raise ParameterError(f"serve: --token-file '{plain(path, 200)}' holds no token.")
    return token


async def _serve(server: GonogoServer, app: Gonogo) -> None:
    async with anyio.create_task_group() as tasks:
        if sys.platform != "win32":
            tasks.start_soon(_close_on_signal, app)
        try:
            await server.run_stdio_answered()
        except* BrokenPipeError:
            pass  # the client has gone
        tasks.cancel_scope.cancel()


async def _close_on_signal(app: Gonogo) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        async for number in received:
            await app.close()
            # The thread that reads standard input cannot be interrupted, and would be waited for.
            os._exit(128 + number)
