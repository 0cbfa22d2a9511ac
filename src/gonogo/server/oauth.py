"""Access tokens of an OAuth 2.1 issuer, checked here: signature, issuer, audience, time, scope.

gonogo is a resource server: it issues nothing and keeps no account. Whoever asks without a token is told
where to get one (RFC 9728); a token is a JWT (RFC 9068) under a key of the issuer's JWKS (RFC 7517).
PyJWT checks it: signatures are no place for code of one's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import jwt

from gonogo.border.foreign import foreign_json
from gonogo.errors import GonogoError, plain
from gonogo.http.bounded_exchange import ask
from gonogo.server.gate import WELL_KNOWN, Surface, TokenGrant, refused

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import Route

    from gonogo.settings import OAuthSettings

SCOPES = ("read", "act")
# Asymmetric ones alone: under a shared secret, the public key would be one (RFC 8725, 3.1).
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
TOKEN_CHARS_MAX = 8_192
SUBJECT_CHARS_MAX = 60
KEYS_MAX = 100
FETCH_S = 5.0
# Keys that were withdrawn are forgotten after an hour; unknown ones are looked for twice a minute at most.
KEPT_S, REFETCH_S = 3_600.0, 30.0
LEEWAY_S = 30


class InvalidToken(GonogoError):
    """A token that opens nothing, and why."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The issuer's keys by their ids, and when they were fetched (seconds of the loop's clock)."""

    keys: dict[str | None, jwt.PyJWK]
    fetched_s: float


class TokenCheck:
    """Checks tokens of one issuer for this server.

    Args:
        settings: Issuer, audience and where the keys are.
        refetch_s: How long an unknown key is not looked for again.
    """

    def __init__(self, settings: OAuthSettings, *, refetch_s: float = REFETCH_S) -> None:
        self.settings = settings
        self._refetch_s = refetch_s
        self._lock = anyio.Lock()
        self._found: SigningKeys | None = None

    async def opened(self, token: str) -> TokenGrant | None:
        """The surface that a token's scopes open, and for whom; None where it is valid and has neither scope.

        Raises:
            InvalidToken: It is not signed by the issuer for this server, or its time is over.
        """
        if len(token) > TOKEN_CHARS_MAX:
            raise InvalidToken("it is too long")
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if algorithm not in ALGORITHMS:
                raise InvalidToken(f"its algorithm is none of {', '.join(ALGORITHMS)}")
            key = await self._key(header.get("kid"))
            if key.algorithm_name != algorithm and "alg" in key._jwk_data:  # noqa: SLF001 - no public way to what the key says
                raise InvalidToken("its key is for another algorithm")
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self.settings.resource,
                issuer=self.settings.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise InvalidToken(plain(str(error), 120).rstrip(".")) from None
        surface = _surface_of(claims.get("scope", claims.get("scp")))
        return None if surface is None else TokenGrant(surface, _subject_of(claims))

    async def admit(self, authorization: str) -> TokenGrant | Response:
        """Check an Authorization header: the grant, or a refusal that says where to get a token."""
        told = {"scope": " ".join(SCOPES), "resource_metadata": metadata_url(self.settings)}
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return refused(401, "A token is needed: Authorization: Bearer TOKEN.", told)
        try:
            opened = await self.opened(token.strip())
        except InvalidToken as invalid:
            said = f"This token opens nothing: {invalid}."
            return refused(401, said, {"error": "invalid_token", **told})
        if opened is None:
            said = "This token has neither of the scopes read and act."
            return refused(403, said, {"error": "insufficient_scope", **told})
        return opened

    async def _key(self, name: object) -> jwt.PyJWK:
        known = name if isinstance(name, str) else None
        async with self._lock:
            now_s = anyio.current_time()
            found = self._found
            age_s = float("inf") if found is None else now_s - found.fetched_s
            if (
                found is None
                or age_s > KEPT_S
                or (known not in found.keys and age_s > self._refetch_s)
            ):
                found = self._found = SigningKeys(await self._fetched(found), now_s)
        if known is None and len(found.keys) == 1:
            return next(iter(found.keys.values()))
        if known not in found.keys:
            raise InvalidToken("the issuer has no such key")
        return found.keys[known]

    async def _fetched(self, before: SigningKeys | None) -> dict[str | None, jwt.PyJWK]:
        """The keys as the issuer has them now; the earlier ones where it cannot be asked."""
        import httpx

        try:
            async with httpx.AsyncClient(timeout=FETCH_S) as client:
                answer = await ask(client, "GET", self.settings.jwks_url, deadline_s=FETCH_S)
            if not answer.is_success:
                raise InvalidToken(f"the issuer's keys cannot be read: HTTP {answer.status}")
            return _keys_of(foreign_json(answer.body))
        except (httpx.HTTPError, ValueError, GonogoError) as error:
            if before is not None:
                return before.keys
            raise InvalidToken(
                f"the issuer's keys cannot be read: {plain(str(error), 80)}"
            ) from None


def _keys_of(content: object) -> dict[str | None, jwt.PyJWK]:
    listed = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise ValueError("no list of keys")  # noqa: TRY004 - what came is wrong, not our call
    found: dict[str | None, jwt.PyJWK] = {}
    for one in listed[:KEYS_MAX]:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig" or one.get("kty") == "oct":
            continue
        try:
            key = jwt.PyJWK(one)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue  # a kind that is not known here signs nothing
        name = one.get("kid")
        found[name if isinstance(name, str) else None] = key
    return found


def _subject_of(claims: Mapping[str, object]) -> str:
    """Whose token it is (RFC 9068, 2.2): the subject, which is the client itself where no person is behind it."""
    named = (claims.get(name) for name in ("sub", "client_id", "azp"))
    return next(
        (plain(one, SUBJECT_CHARS_MAX) for one in named if isinstance(one, str) and one), ""
    )


def _surface_of(scope: object) -> Surface | None:
    names = scope.split() if isinstance(scope, str) else scope
    granted = set(map(str, names)) if isinstance(names, list) else set()
    return "act" if "act" in granted else "read" if "read" in granted else None


def metadata_path(settings: OAuthSettings) -> str:
    """The path of this resource's metadata on its host (RFC 9728, 3.1)."""
    return WELL_KNOWN + urlsplit(settings.resource).path.rstrip("/")


def metadata_url(settings: OAuthSettings) -> str:
    """The address of this resource's metadata, which a refusal names."""
    place = urlsplit(settings.resource)
    return f"{place.scheme}://{place.netloc}{metadata_path(settings)}"


def metadata_routes(settings: OAuthSettings) -> list[Route]:
    """The SDK's own answer, under this resource's path; at the root as well, where some clients look."""
    from mcp.server.auth.routes import create_protected_resource_routes
    from pydantic import AnyHttpUrl
    from starlette.routing import Route

    [route] = create_protected_resource_routes(
        AnyHttpUrl(settings.resource),
        [AnyHttpUrl(settings.issuer)],
        scopes_supported=list(SCOPES),
        resource_name="gonogo",
    )
    return [route, Route(WELL_KNOWN, route.endpoint, methods=["GET", "OPTIONS"])]
