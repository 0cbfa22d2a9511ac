"""A LiteLLM proxy that follows gonogo's routes: requests for a model go where its route says.

Lay this file beside the proxy's config.yaml, whose `model_name`s are the targets, and name it there:

    litellm_settings:
      callbacks: ["litellm_hook.hook"]

Then, in one environment, with the checkout in the place of /path/to/gonogo:

    python3 -m venv proxy && proxy/bin/pip install 'litellm[proxy]' /path/to/gonogo
    proxy/bin/litellm --config config.yaml
    proxy/bin/gonogo fallback MODEL --to OTHER --reason "a try"    # it says how to carry it out

gonogo keeps the route file beside its store (GONOGO_STORE); GONOGO_ROUTES=FILE names another. The
file is read again when it changes; while it is bad or gone the last good routes stand.
"""

from __future__ import annotations

from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from gonogo import route


class FollowRoutes(CustomLogger):  # type: ignore[misc]
    """Changes the model of a request ahead of the call; a user stays on one target."""

    async def async_pre_call_hook(
        self,
        user_api_key_dict: Any,  # noqa: ANN401 - LiteLLM's own type
        cache: Any,  # noqa: ANN401, ARG002 - the same
        data: dict[str, Any],
        call_type: str,  # noqa: ARG002 - part of the hook
    ) -> dict[str, Any] | str:
        """The request with its target as model; a text is LiteLLM's way to refuse it."""
        asked = data.get("model")
        if not isinstance(asked, str):
            return data
        key = data.get("user") or getattr(user_api_key_dict, "user_id", None)
        target = route(asked, key=key)
        if target in ("refuse", "human") or target.startswith("rules:"):
            return f"{asked} is not called just now: its route says {target}."
        return {**data, "model": target}


hook = FollowRoutes()
