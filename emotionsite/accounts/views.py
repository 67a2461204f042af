"""The account pages: how one logs in, and the tokens by which programs do."""

from allauth.account.utils import has_verified_email
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from knox.settings import knox_settings

from emotionsite.accounts.forms import TokenForm
from emotionsite.accounts.models import ApiToken
from predictions import quotas


@require_safe
@never_cache
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Show who you are to the site, how you log in, and what you occupy of it."""
    user = request.user
    context = {
        "has_second_factor": is_mfa_enabled(user, [Authenticator.Type.TOTP]),
        "staff_acts": user.staff_acts.all(),
        "waiting": quotas.waiting(user),
        "stored": quotas.stored(user),
        "exports": quotas.exports(user),
        "is_unverified": bool(settings.EMAIL_URL and user.email and not has_verified_email(user)),
    }
    return render(request, "account/profile.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def tokens(request: HttpRequest) -> HttpResponse:
    """List the API tokens, and make one; it is shown in that answer only."""
    form = TokenForm(request.POST if request.method == "POST" else None)
    new_token = ""
    if form.is_valid():
        try:
            _token, new_token = ApiToken.objects.issue(
                request.user,
                name=form.cleaned_data["name"],
                scope=form.cleaned_data["scope"],
                lifetime=form.lifetime,
            )
            form = TokenForm()
        except ApiToken.LimitReached:
            limit = {"limit": knox_settings.TOKEN_LIMIT_PER_USER}
            form.add_error(None, _("You have %(limit)s tokens; revoke one first.") % limit)
    living = ApiToken.objects.living(request.user)
    context = {"form": form, "new_token": new_token, "tokens": living}
    return render(request, "account/tokens.html", context)


@require_POST
@login_required
def revoke_token(request: HttpRequest, key: str) -> HttpResponse:
    get_object_or_404(ApiToken, user=request.user, token_key=key).delete()
    messages.success(request, _("The token is revoked."))
    return redirect("account-tokens")
