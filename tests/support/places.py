"""Every page of the site, in every state that it can be in, for tests of all pages.

``furnish`` fills an empty database and returns who may see what; ``answers`` posts what leads to
the pages that have no address. ``unvisited`` names the addresses that neither of them reaches.
Import this where a test runs: it needs Django to be set up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from allauth.account.forms import EmailAwarePasswordResetTokenGenerator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings
from django.urls import URLPattern, get_resolver, resolve
from django.utils import timezone

from emotionsite.accounts import erasure
from emotionsite.accounts.models import ApiToken, StaffAct, User
from mlcore.labels import LABELS
from predictions import maintenance, services
from predictions.models import DemoImage, EarlierAnswer, Photo, Prediction, Status
from predictions.uploads import validate
from predictions.webhooks.models import Delivery, Webhook
from tests.support import records, steps
from tests.support.measurements import FIGURES, REPORT, measured_model
from tests.support.pictures import crowd
from tests.support.totp import protect

PASSWORD = "correct horse battery"

# What answers with no page: files, pictures, fragments, actions, programs' addresses, redirects.
NO_PAGES = {
    *("healthz", "readyz", "robots", "upload-one", "selection", "restore", "demo-try"),
    *("prediction-image", "prediction-thumbnail", "prediction-annotated"),
    *("prediction-rerun", "prediction-cancel", "face-correction", "token-revoke"),
    *("account-download", "export-file", "demo-image", "demo-thumbnail"),
    *("webhook-switch", "webhook-test", "webhook-send-again", "mfa_download_recovery_codes"),
    # Parts of pages, which are swapped into one.
    *(
        "prediction-progress",
        "prediction-cards",
        "face-explanation",
        "face-explanation-picture",
        "export-progress",
    ),
    # No code is ever sent, and who has no password cannot log in.
    *("account_confirm_login_code", "account_request_reauthentication_code"),
    *("account_confirm_reauthentication_code", "account_set_password"),
}


@dataclass(frozen=True)
class Place:
    """A page: its path with query, where a visit ends up, and with which status."""

    path: str
    status: int = 200
    ends_at: str = ""

    @property
    def final_path(self) -> str:
        return self.ends_at or self.path


def _user(name: str) -> User:
    user = User.objects.create_user(name, f"{name}@example.org", PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def _visitor(user: User | None = None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def furnish(astronaut: bytes, make_image) -> list[tuple[Client, list[Place]]]:
    """Return each kind of visitor with the places to go to, staff last."""
    demo = records.publish(astronaut)
    grace, ada, root = map(_user, ("grace", "ada", "root"))
    grace.accept_notice()
    User.objects.filter(pk=root.pk).update(is_staff=True, is_superuser=True)
    own = _photos(grace, astronaut, make_image)
    webhook = _webhook(grace, own["answered"])
    ApiToken.objects.create(user=grace, name="A notebook with a rather long name, in the lab")
    for kind in StaffAct.Kind:
        StaffAct.objects.create(user=grace, kind=kind)

    user = _visitor(grace)
    user.post("/accounts/reauthenticate/", {"password": PASSWORD})
    protected = _visitor(ada)
    protected.post("/accounts/reauthenticate/", {"password": PASSWORD})
    protect(ada)
    half_way = _visitor()
    half_way.post("/accounts/login/", {"login": "ada", "password": PASSWORD})
    return [
        (_visitor(), _public_places(grace)),
        (_visitor(_user("newcomer")), _beginnings()),
        (user, _own_places(own, webhook, demo)),
        (_visitor(_collector()), [Place("/predictions/?page=2"), Place("/insights/")]),
        (protected, _second_factor()),
        (half_way, [Place("/accounts/2fa/authenticate/")]),
        (_visitor(User.objects.get(pk=root.pk)), _admin_places(grace, own, webhook, demo)),
    ]


def _photos(owner: User, astronaut: bytes, make_image) -> dict[str, Prediction]:
    """Analyse a photo of every kind that a result page knows; return them by kind."""
    photos = {
        "answered": records.analyse(owner, astronaut, "Eileen.png"),
        "several": records.analyse(owner, crowd(astronaut, 3, 1), f"{'a-long-name-' * 12}.png"),
        "faceless": records.analyse(owner, make_image()),
        "failed": records.analyse(owner, make_image(size=(800, 600))[:4000], "damaged.jpg"),
        "queued": records.queue(owner, make_image(size=(90, 90))),
        "running": records.queue(owner, make_image(size=(91, 90))),
        "canceled": records.queue(owner, make_image(size=(80, 80))),
    }
    steps.claim(photos["running"].pk)
    services.cancel(photos["canceled"])
    upload = validate(ContentFile(crowd(astronaut, 2, 1), "unkept.png"))
    photos["unkept"] = services.submit(owner, upload, keep_photo=False)[0]
    records.finish(photos["unkept"])
    for kind in ("called off", "tried again"):
        photos[kind] = records.analyse(owner, astronaut, f"{kind}.png")
        services.rerun(photos[kind])
    services.cancel(photos["called off"])
    # It is still what another network said.
    Prediction.objects.filter(pk=photos["called off"].pk).update(model_sha256="0" * 64)
    attempt = steps.claim(photos["tried again"].pk)
    services.fail(attempt, "unreadable_image", "This file is no picture that can be read.")
    steps.draw(photos["answered"].faces.get())
    services.correct(photos["answered"].faces.get(), "sad")
    EarlierAnswer.keep(photos["several"])
    photos["several"].earlier_answers.update(model_version="2026.1.2", model_sha256="0" * 64)
    unsure = photos["several"].faces.filter(index=1)
    unsure.update(unsure=True, confidence=0.31)
    advice = ["too_dark", "face_turned", "looks_drawn", "photo_turned", "face_small"]
    last_month = timezone.now() - timedelta(days=40)
    Prediction.objects.filter(pk=photos["several"].pk).update(advice=advice, created_at=last_month)
    return photos


def _collector() -> User:
    """Make a user whose photos fill three pages, a week apart; no test looks at the pictures."""
    user, now = _user("collector"), timezone.now()
    user.accept_notice()
    photos = [
        Photo(name=f"{n}.jpg", sha256=f"{n:064}", bytes=1, width=9, height=9) for n in range(50)
    ]
    Photo.objects.bulk_create(photos)
    for n, photo in enumerate(photos):
        answer = {"label": LABELS[n % 7], "confidence": 0.8, "unsure": False}
        made = {"owner": user, "photo": photo, "name_key": photo.name, "status": Status.SUCCEEDED}
        prediction = Prediction.objects.create(**made, **answer, finished_at=now)
        week = now - timedelta(weeks=n)
        Prediction.objects.filter(pk=prediction.pk).update(created_at=week)
    return user


def _webhook(owner: User, prediction: Prediction) -> Webhook:
    """Make a webhook with messages that wait, arrived and were given up."""
    now = timezone.now()
    webhook = Webhook.objects.create(owner=owner, url="https://example.org/hook", given_up=1)
    for end in (
        {"last_status": 503, "last_error": "refused"},
        {"next_attempt_at": None, "delivered_at": now, "last_status": 200},
        {"next_attempt_at": None, "last_error": "bad_certificate"},
    ):
        Delivery.objects.create(
            webhook=webhook,
            event="prediction.succeeded",
            prediction=prediction,
            attempts=1,
            last_attempt_at=now,
            **end,
        )
    return webhook


def _public_places(user: User) -> list[Place]:
    confirmation = EmailConfirmationHMAC(user.emailaddress_set.get())
    reset = f"/accounts/password/reset/key/{user_pk_to_url_str(user)}"
    token = EmailAwarePasswordResetTokenGenerator().make_token(user)
    receipt = {
        "receipt": "7d9c1f0a-b3e8-4542-8c19-2f0e5a6b7c8d",
        "scope": "photos",
        "began_at": "2026-11-22T10:15:00+00:00",
        "finished_at": "2026-11-22T10:15:02+00:00",
        "erased": {"photos": 3, "results": 2, "corrections": 1, "bytes": 4096},
    }
    paths = [
        *("/", "/gallery/", "/gallery/a-smile/", "/about/", "/api/v1/docs/"),
        *("/accounts/login/", "/accounts/signup/", "/accounts/inactive/"),
        *(f"/accounts/password/reset/{end}" for end in ("", "done/", "key/done/")),
        *("/accounts/password/reset/key/1-nonsense/", "/accounts/confirm-email/"),
        *("/accounts/confirm-email/nonsense/", f"/accounts/confirm-email/{confirmation.key}/"),
        f"/account/receipt/?of={erasure.sign(receipt)}",
    ]
    places = [Place(path) for path in paths]
    places.append(Place(f"{reset}-{token}/", ends_at=f"{reset}-set-password/"))
    return [*places, Place("/nothing/", status=404)]


def _beginnings() -> list[Place]:
    paths = ("/", "/predictions/", "/insights/", "/account/tokens/", "/account/webhooks/")
    return [Place(path) for path in paths]


def _own_places(own: dict[str, Prediction], webhook: Webhook, demo: DemoImage) -> list[Place]:
    paths = [
        *(photo.get_absolute_url() for photo in own.values()),
        *(f"{own['several'].get_absolute_url()}{more}" for more in ("?face=2", "delete/")),
        *(
            f"{own[kind].get_absolute_url()}?face=1&look=1"
            for kind in ("answered", "unkept", "called off")
        ),
        *("/", "/predictions/", "/predictions/?emotion=fear"),
        *("/predictions/?select=all&name=o&sort=size", "/insights/", f"/gallery/{demo.slug}/"),
        *(f"/account/{page}" for page in ("", "tokens/", "privacy/", "erase/", "delete/")),
        *(f"/account/webhooks/{page}" for page in ("", f"{webhook.pk}/", f"{webhook.pk}/delete/")),
        *("/accounts/email/", "/accounts/password/change/", "/accounts/reauthenticate/"),
        *("/accounts/2fa/", "/accounts/2fa/totp/activate/", "/accounts/logout/"),
    ]
    return [Place(path) for path in paths]


def _second_factor() -> list[Place]:
    pages = ("", "totp/deactivate/", "recovery-codes/", "recovery-codes/generate/")
    return [Place(f"/accounts/2fa/{page}") for page in (*pages, "reauthenticate/")]


def _admin_places(
    user: User, own: dict[str, Prediction], webhook: Webhook, demo: DemoImage
) -> list[Place]:
    objects = {
        "accounts/user": user.pk,
        "accounts/apitoken": ApiToken.objects.get().pk,
        "predictions/demoimage": demo.pk,
        "predictions/prediction": own["failed"].pk,
        "webhooks/webhook": webhook.pk,
        "mfa/authenticator": User.objects.get(username="ada").authenticator_set.first().pk,
        "account/emailaddress": user.emailaddress_set.get().pk,
    }
    pages = [f"{kind}/" for kind in (*objects, "auth/group")]
    pages += [f"{kind}/{pk}/{act}/" for kind, pk in objects.items() for act in ("change", "delete")]
    pages += [f"{kind}/{pk}/history/" for kind, pk in objects.items()]
    pages += ["accounts/user/add/", "predictions/demoimage/add/", "auth/group/add/"]
    pages += ["predictions/demoimage/several/", "predictions/prediction/work/", "predictions/"]
    pages += ["predictions/prediction/?stuck=yes&age=hour", ""]
    return [Place(f"/admin/{page}") for page in pages]


def answers(monkeypatch) -> Iterator[tuple[str, object]]:
    """Yield (name, response) of the pages that only a form or a mishap leads to.

    Needs the database as ``furnish`` leaves it.
    """
    user = _visitor(User.objects.get(username="grace"))
    yield "refused upload", user.post("/")
    answered = Prediction.objects.get(photo__name="Eileen.png")
    with answered.photo.display.open("rb") as file:
        photo = file.read()
    files = {"good.jpg": photo, "words.jpg": b"These are words.", "empty.jpg": b""}
    photos = [SimpleUploadedFile(name, content) for name, content in files.items()]
    yield "partly refused upload", user.post("/", {"photos": photos})
    several = Prediction.objects.filter(owner=answered.owner, faces__index=2).get()
    steps.fail_drawing(several.faces.first())
    yield "not drawn", user.get(f"{several.get_absolute_url()}?face=1&look=1")
    yield "no rights", user.get("/admin/login/")
    with override_settings(STAFF_SEES_PHOTOS=True):
        for page in ("/", "/about/", "/account/privacy/"):
            yield f"{page} that staff are named on", user.get(page)
        staff = _visitor(User.objects.get(username="root"))
        page = f"/admin/predictions/prediction/{answered.pk}/change/"
        yield "/admin/ with a photo", staff.get(page)
    with TemporaryDirectory() as folder:
        model = measured_model(Path(folder), FIGURES, REPORT)
        with override_settings(MODEL_PATH=str(model)):
            yield "measured", user.get("/about/")
    token = {"name": "notebook", "scope": "read", "days": "never"}
    yield "new token", user.post("/account/tokens/", token)
    yield "wrong token", user.post("/account/tokens/", {**token, "days": "-1"})
    yield "retention refused", user.post("/account/privacy/", {"days": "-1"})
    yield "retention asked", user.post("/account/privacy/", {"days": "1"})
    yield "wrong password", user.post("/account/delete/", {"password": "wrong"})
    yield "wrong address", user.post("/account/webhooks/", {"url": "ftp://example.org/"})
    selected = {"ids": [Prediction.objects.filter(owner__username="grace").first().pk]}
    yield (
        "undo",
        user.post("/predictions/selection/", {**selected, "action": "delete"}, follow=True),
    )

    yield "csrf", Client(enforce_csrf_checks=True).post("/accounts/login/")
    with override_settings(SIGNUP_OPEN=False):
        yield "sign-up closed", Client().get("/accounts/signup/")
    with override_settings(DATA_UPLOAD_MAX_NUMBER_FILES=1):
        photos = [SimpleUploadedFile(f"{n}.jpg", b"x") for n in range(2)]
        yield "bad request", user.post("/", {"photos": photos})
    with override_settings(ACCOUNT_RATE_LIMITS={"signup": "1/m/ip"}):
        Client().post("/accounts/signup/")
        yield "too many tries", Client().post("/accounts/signup/")
    yield "too large", user.post("/", headers={"content-length": str(2**40)})
    with monkeypatch.context() as patch:
        patch.setattr("predictions.pages.about.network.draw", lambda: 1 / 0)
        yield "error", Client(raise_request_exception=False).get("/about/")
    maintenance.flag().write_text("New disks.")
    try:
        yield "maintenance", user.get("/")
    finally:
        maintenance.flag().unlink()
    with monkeypatch.context() as patch:
        patch.setattr(erasure, "SECONDS", -1)
        yield "erasing", user.post("/account/delete/", {"password": PASSWORD})


def unvisited(places: list[tuple[Client, list[Place]]]) -> set[str]:
    """Return the names of addresses that answer with a page and are none of these places.

    Of the admin, whose pages are mostly Django's, the list above is made by hand.
    """
    paths = {place.path.split("?")[0] for _, group in places for place in group}
    visited = {resolve(path).url_name for path in paths - {"/nothing/"}}
    return set(_names(get_resolver().url_patterns)) - visited - NO_PAGES


def _names(patterns) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            yield pattern.name
        elif pattern.namespace not in ("api", "admin"):
            yield from _names(pattern.url_patterns)
