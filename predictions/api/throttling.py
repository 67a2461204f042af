"""How many requests a user or an address may send, and the headers that say how many are left."""

import math

from rest_framework.throttling import AnonRateThrottle, UserRateThrottle


class _Reporting:
    """Notes on the request what is left, for RateLimitMiddleware."""

    def allow_request(self, request, view) -> bool:
        allowed = super().allow_request(request, view)
        if getattr(self, "key", None):
            oldest = self.history[-1] if self.history else self.now
            request._request.rate_limit = {
                "policy": self.scope,
                "quota": self.num_requests,
                "window": self.duration,
                "left": max(self.num_requests - len(self.history), 0) if allowed else 0,
                "seconds": max(math.ceil(self.duration - (self.now - oldest)), 0),
            }
        return allowed


class AddressThrottle(_Reporting, AnonRateThrottle):
    scope = "address"


class UserThrottle(_Reporting, UserRateThrottle):
    scope = "user"

    def get_cache_key(self, request, view) -> str | None:
        """Visitors are counted by their address only."""
        return super().get_cache_key(request, view) if request.user.is_authenticated else None


class DrawingThrottle(_Reporting, UserRateThrottle):
    """Each drawing takes a worker a second or two."""

    scope = "drawings"


class RateLimitMiddleware:
    """Add the headers of the IETF draft "RateLimit header fields for HTTP" to limited answers.

    ``RateLimit-Policy: "user";q=1200;w=60`` is what may be sent (requests, seconds), and
    ``RateLimit: "user";r=1199;t=60`` what is left of it and when the oldest one counts no more.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if limit := getattr(request, "rate_limit", None):
            policy = f'"{limit["policy"]}"'
            response["RateLimit-Policy"] = f"{policy};q={limit['quota']};w={limit['window']}"
            response["RateLimit"] = f"{policy};r={limit['left']};t={limit['seconds']}"
        return response
