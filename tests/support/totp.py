"""What an authenticator app does."""

import base64
import hmac
import time


def totp(secret: str) -> str:
    """Return the code of this moment as RFC 6238 has it: SHA-1, 30 seconds, six digits."""
    counter = int(time.time()) // 30
    digest = hmac.digest(base64.b32decode(secret), counter.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**6:06}"


def protect(user) -> tuple[str, list[str]]:
    """Switch on the user's second factor; return its secret and the recovery codes."""
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    return secret, RecoveryCodes.activate(user).get_unused_codes()
