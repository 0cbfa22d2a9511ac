"""Tokens of an issuer: what is signed for this server opens what its scopes say, and nothing else does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from gonogo.app import Gonogo
from gonogo.config import load_settings
from gonogo.errors import ConfigError, ParameterError
from gonogo.server.gate import Access, Gate
from gonogo.server.oauth import TokenCheck, metadata_routes
from gonogo.server.serve import serve
from gonogo.server.streamable_http import behind_gate, serve_surface
from gonogo.settings import OAuthSettings, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

pytestmark = pytest.mark.anyio

ISSUER = "https://idp.example/realm"
RESOURCE = "https://gonogo.example/team/mcp"
METADATA = "https://gonogo.example/.well-known/oauth-protected-resource/team/mcp"
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
FIRST, SECOND = (rsa.generate_private_key(65_537, 2_048) for _ in range(2))
CURVE = ec.generate_private_key(ec.SECP256R1())
PEM = FIRST.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


def public(key: Key, name: str) -> dict[str, Any]:
    """A key as a JWKS lists it."""
    kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**json.loads(kind.to_jwk(key.public_key())), "kid": name, "use": "sig"}  # type: ignore[arg-type] # of its own kind


@dataclass
class Issuer:
    """The address of a JWKS, what it lists, and how often it was asked."""

    url: str
    keys: list[dict[str, Any]] = field(
        default_factory=lambda: [public(FIRST, "one"), public(CURVE, "curve")]
    )
    asked: int = 0
    is_down: bool = False


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """One that listens on loopback."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked += 1
            self.send_response(503 if made.is_down else 200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": made.keys}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    made = Issuer(f"http://127.0.0.1:{server.server_port}/certs")
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def claims(**changed: object) -> dict[str, Any]:
    """What a good token says, with some of it changed; None leaves it out."""
    said = {
        "iss": ISSUER,
        "aud": [RESOURCE, "other"],
        "exp": int(time.time()) + 600,
        "scope": "openid read",
        **changed,
    }
    return {name: value for name, value in said.items() if value is not None}


def token(
    said: dict[str, Any] | None = None, *, key: Key = FIRST, name: str = "one", how: str = "RS256"
) -> str:
    """A signed token."""
    return jwt.encode(said or claims(), key, algorithm=how, headers={"kid": name})


async def asked(check: TokenCheck, shown: str | None, path: str = "/mcp") -> httpx.Response:
    """The answer of a gate; where it lets in, the surface that was opened."""

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        body = str(scope["gonogo.surface"]).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    gate = Gate(behind, Access(hosts=None, act="static", oauth=check.admit))
    headers = {} if shown is None else {"Authorization": f"Bearer {shown}"}
    transport = httpx.ASGITransport(gate)
    async with httpx.AsyncClient(transport=transport, base_url="https://gonogo.example") as client:
        return await client.get(path, headers=headers)


def check_of(issuer: Issuer) -> TokenCheck:
    """A check of this issuer's tokens, which looks for unknown keys at once."""
    return TokenCheck(OAuthSettings(ISSUER, RESOURCE, issuer.url), refetch_s=-1.0)


@pytest.mark.parametrize(
    ("scopes", "opened"),
    [
        ({"scope": "openid read"}, "read"),
        ({"scope": "read act"}, "act"),
        ({"scope": None, "scp": ["act"]}, "act"),
        ({"scope": None, "scp": "read"}, "read"),
    ],
)
async def test_a_token_opens_what_its_scopes_say(
    issuer: Issuer, scopes: dict[str, object], opened: str
) -> None:
    """Under an RSA key or a curve, and a token of gonogo's own beside it."""
    check = check_of(issuer)
    assert (await asked(check, token(claims(**scopes)))).text == opened
    curve = token(claims(**scopes), key=CURVE, name="curve", how="ES256")
    assert (await asked(check, curve)).text == opened
    assert (await asked(check, "static")).text == "act"
    assert issuer.asked == 1


async def test_what_is_recorded_and_done_bears_the_name_in_the_token(
    issuer: Issuer, tmp_path: Path
) -> None:
    """Two agents of one server, at once and in one another's session: each is the writer of its own."""
    settings = Settings(store=str(tmp_path / "gonogo.db"))
    app = Gonogo(settings)
    served = serve_surface(app)
    gate = behind_gate({"act": served}, Access(hosts=None, oauth=check_of(issuer).admit))
    accepts = {"Accept": "application/json, text/event-stream"}

    async with (
        served.server.session_manager.run(),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(gate), base_url="https://gonogo.example", headers=accepts
        ) as client,
    ):

        async def post(message: dict[str, Any], **said: object) -> httpx.Response:
            shown = token(claims(scope="act", **said))
            headers = {"Authorization": f"Bearer {shown}", **session}
            answer = await client.post("/mcp", json={"jsonrpc": "2.0", **message}, headers=headers)
            assert answer.status_code == 200, answer.text
            return answer

        session: dict[str, str] = {}
        opened = await post({"id": 1, "method": "initialize", "params": HELLO}, sub="alice")
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}

        async def record(n: int, **said: object) -> None:
            rows = [{"dependency": "m", "outcome": 1}] * n
            arguments = {"observations": rows}
            params = {"name": "record_observations", "arguments": arguments}
            answer = await post({"id": 1 + n, "method": "tools/call", "params": params}, **said)
            assert f'"accepted":{n}' in answer.text.replace(" ", "").replace("\\", "")

        async with anyio.create_task_group() as tasks:
            for n, said in enumerate(
                ({"sub": "alice"}, {"sub": "bob\u202e"}, {"client_id": "ci"}, {}), 1
            ):
                tasks.start_soon(partial(record, n, **said))
        telemetry = (await app.stores()).telemetry
        found = await telemetry.writers("m", since_ms=0)
        assert [(one.writer, one.n) for one in found] == [
            ("agent", 4),
            ("agent:alice", 1),
            ("agent:bob", 2),
            ("agent:ci", 3),
        ]
        assert app.actor == "agent"
        await app.close()


def by_hand(algorithm: str, secret: bytes | None) -> str:
    """A token that no library would make: unsigned, or under a shared secret."""

    def packed(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    head = packed(json.dumps({"alg": algorithm, "kid": "one"}).encode())
    signed = f"{head}.{packed(json.dumps(claims(scope='act')).encode())}"
    mac = b"" if secret is None else hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{packed(mac)}"


BAD: dict[str, Callable[[], str]] = {
    "another issuer": lambda: token(claims(iss="https://evil.example")),
    "for another server": lambda: token(claims(aud="other")),
    "for nobody": lambda: token(claims(aud=None)),
    "over": lambda: token(claims(exp=int(time.time()) - 120)),
    "without an end": lambda: token(claims(exp=None)),
    "not yet": lambda: token(claims(nbf=int(time.time()) + 600)),
    "another's key under its name": lambda: token(key=SECOND),
    "a key that nobody knows": lambda: token(key=SECOND, name="two"),
    "not signed": lambda: by_hand("none", None),
    # RS256's public key, which everybody has, taken for a shared secret (RFC 8725, 2.1).
    "the public key as a secret": lambda: by_hand("HS256", PEM),
    "changed": lambda: token()[:-6] + "AAAAAA",
    "no token": lambda: "abc",
    "too long": lambda: "a" * 9_000,
    "for the other kind of key": lambda: token(key=CURVE, name="one", how="ES256"),
}


@pytest.mark.parametrize("name", list(BAD))
async def test_any_other_token_opens_nothing(issuer: Issuer, name: str) -> None:
    """It is said that it is invalid, why, and where to get one."""
    answer = await asked(check_of(issuer), BAD[name]())
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert 'error="invalid_token"' in challenge
    assert f'resource_metadata="{METADATA}"' in challenge


async def test_who_comes_without_is_told_where_to_get_one(issuer: Issuer) -> None:
    """No error where no token was shown; a good one without a scope of ours is forbidden, not unknown."""
    check = check_of(issuer)
    without = await asked(check, None)
    assert without.status_code == 401
    assert "error=" not in without.headers["www-authenticate"]
    assert METADATA in without.headers["www-authenticate"]
    poor = await asked(check, token(claims(scope="openid")))
    assert poor.status_code == 403
    assert 'error="insufficient_scope"' in poor.headers["www-authenticate"]
    assert 'scope="read act"' in poor.headers["www-authenticate"]
    assert (await asked(check, None, METADATA)).status_code == 200


async def test_the_metadata_are_rfc_9728s(issuer: Issuer) -> None:
    """Under the resource's own path, behind a proxy with a prefix too, and at the root."""
    from starlette.applications import Starlette

    app = Starlette(routes=list(metadata_routes(check_of(issuer).settings)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        for address in (METADATA, METADATA.removesuffix("/team/mcp")):
            found = (await client.get(address)).json()
            assert found["resource"] == RESOURCE
            assert found["authorization_servers"] == [ISSUER]
            assert found["scopes_supported"] == ["read", "act"]
            assert found["bearer_methods_supported"] == ["header"]


async def test_new_keys_are_found_and_an_issuer_that_is_away_stops_nobody(issuer: Issuer) -> None:
    """Keys are kept while it is away; without any it is said that they cannot be read."""
    check = check_of(issuer)
    assert (await asked(check, token())).status_code == 200
    issuer.keys.append(public(SECOND, "two"))
    assert (await asked(check, token(key=SECOND, name="two"))).status_code == 200
    issuer.is_down = True
    assert (await asked(check, token(name="unheard of"))).status_code == 401
    assert (await asked(check, token(key=SECOND, name="two"))).status_code == 200
    cold = await asked(check_of(issuer), token())
    assert cold.status_code == 401
    assert "keys cannot be read" in cold.text


def test_keys_over_a_network_are_encrypted_and_every_address_is_needed(tmp_path: Path) -> None:
    """A wrong table is one line, and http is for loopback alone."""
    config = tmp_path / "gonogo.toml"
    table = f'[settings.oauth]\nissuer = "{ISSUER}"\nresource = "{RESOURCE}"\n'
    config.write_text(table)
    with pytest.raises(ConfigError, match="jwks_url"):
        load_settings(str(config), None, {"HOME": str(tmp_path)})
    config.write_text(table + 'jwks_url = "http://idp.example/certs"\n')
    with pytest.raises(ParameterError, match="is not https"):
        serve(["--http", "0.0.0.0:0", "--config", str(config)], {"HOME": str(tmp_path)})
