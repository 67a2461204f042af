"""Settings. Every knob is read from the environment here and nowhere else; see .env.example."""

import os
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import environ
import structlog
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from whitenoise.compress import Compressor

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

DEBUG = env.bool("DEBUG", False)
DATA_DIR = Path(env("DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

_kept_key = DATA_DIR / "secret_key"
SECRET_KEY = env("SECRET_KEY", default="") or (
    _kept_key.read_text().strip() if _kept_key.is_file() else ""
)
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Set it in the environment or in .env to a long random text; "
            "`make run` makes one by itself."
        )
    SECRET_KEY = "only-for-debugging-on-this-machine-never-for-a-site"  # noqa: S105

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
CSRF_FAILURE_VIEW = "predictions.pages.access.form_too_old"

# Uploads and analysis
MAX_UPLOAD_MB = env.int("MAX_UPLOAD_MB", 20)
MAX_UPLOAD_MEGAPIXELS = env.int("MAX_UPLOAD_MEGAPIXELS", 64)
QUEUE_LIMIT = env.int("QUEUE_LIMIT", 100_000)
QUOTA_WAITING = env.int("QUOTA_WAITING", 10_000)
QUOTA_STORED_MB = env.int("QUOTA_STORED_MB", 0)
QUOTA_EXPORTS = env.int("QUOTA_EXPORTS", 3)
WORKER_PROCESSES = env.int("WORKER_PROCESSES", 0)
WORKER_THREADS = env.int("WORKER_THREADS", 0)
READING_THREADS = 5
"""Of the ten threads of a web process, how many may hold uploads whose headers are read."""
WAITING_THREADS = 5
"""Of the ten threads of a web process, how many may hold requests that wait for an analysis."""
MODEL_PATH = env("MODEL_PATH", default="") or str(
    BASE_DIR / "mlcore" / "models" / "vgg19-fer2013.onnx"
)
RETENTION_DAYS = env.int("RETENTION_DAYS", 0)
SIGNUP_OPEN = env.bool("SIGNUP_OPEN", True)
STAFF_SEES_PHOTOS = env.bool("STAFF_SEES_PHOTOS", False)

# Webhooks: where they may lead, and the site's own address for the links in them.
WEBHOOKS_ALLOW_PRIVATE = env.bool("WEBHOOKS_ALLOW_PRIVATE", False)
SITE_URL = env("SITE_URL", default="")
if SITE_URL and not SITE_URL.startswith(("http://", "https://")):
    raise ImproperlyConfigured("SITE_URL must begin with http:// or https://.")

INSTALLED_APPS = [
    "emotionsite.accounts",
    "predictions",
    "predictions.webhooks",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "knox",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "emotionsite.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "predictions.limits.BodyLimitMiddleware",
    "predictions.bodies.CompleteBodyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "emotionsite.middleware.TimeZoneMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "predictions.maintenance.MaintenanceMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "predictions.api.throttling.RateLimitMiddleware",
    "predictions.unavailable.UnavailableMiddleware",
]

ROOT_URLCONF = "emotionsite.urls"
WSGI_APPLICATION = "emotionsite.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "emotionsite.context.choices",
            ],
        },
    },
]

# Database: https://docs.djangoproject.com/en/5.2/ref/databases/
if env("DATABASE_URL", default=""):
    DATABASES = {"default": env.db("DATABASE_URL")}
else:
    _file = str(DATA_DIR / "db.sqlite3")
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": _file}}
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Web and worker write to one file: a write transaction takes its lock at once and waits for
    # the other's, instead of failing in the middle.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Rate limits are counted here. All web processes share the files, and the log-in works on while
# Redis is away.
CACHES = {
    "default": {
        "BACKEND": "emotionsite.cache.FailOpenFileCache",
        "LOCATION": DATA_DIR / "cache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}

# Broker: https://docs.celeryq.dev/en/stable/userguide/configuration.html
REDIS_URL = env("REDIS_URL", default="redis://127.0.0.1:6379/0")
CELERY_BROKER_URL = (
    REDIS_URL.replace("unix://", "redis+socket://", 1)
    if REDIS_URL.startswith("unix://")
    else REDIS_URL
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = WORKER_PROCESSES or (
    len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
# Only against a process that hangs: what may be long is limited by its CPU time.
CELERY_TASK_TIME_LIMIT = 900
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 60.0  # A slow machine needs a while to load the network.
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # An upload must not wait for a broker that is away: the sweep sends what it did not take.
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
    "max_retries": 0,
}
# Photos and explanations take turns. Maintenance repairs what they lose, so it never waits behind
# them. Receivers of webhooks may be slow, so deliveries have a worker of their own, too.
CELERY_TASK_ROUTES = {
    "predictions.draw_explanation": {"queue": "explanations"},
    "predictions.sweep": {"queue": "maintenance"},
    "predictions.purge": {"queue": "maintenance"},
    "predictions.forget": {"queue": "maintenance"},
    "predictions.remove_orphans": {"queue": "maintenance"},
    "accounts.*": {"queue": "maintenance"},
    "webhooks.forget": {"queue": "maintenance"},
    "webhooks.*": {"queue": "deliveries"},
}
CELERY_BEAT_SCHEDULER = "emotionsite.beat:MonotonicScheduler"
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "predictions.sweep", "schedule": 5.0},
    "purge": {"task": "predictions.purge", "schedule": 5.0},
    "forget": {"task": "predictions.forget", "schedule": 600.0},
    "deliver": {"task": "webhooks.deliver", "schedule": 5.0},
    "forget-deliveries": {"task": "webhooks.forget", "schedule": 3600.0},
    "forget-sessions": {"task": "accounts.forget_sessions", "schedule": 86_400.0},
    "remove-orphans": {"task": "predictions.remove_orphans", "schedule": 60.0},
}

# Files: https://docs.djangoproject.com/en/5.2/topics/files/
STORAGE_URL = env("STORAGE_URL", default="")
MEDIA_ROOT = BASE_DIR / "media" if "DATA_DIR" not in env.ENVIRON else DATA_DIR / "media"
_media: dict = {
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {
        "location": MEDIA_ROOT,
        "allow_overwrite": True,
        # Photos are nobody else's on a machine with several users.
        "directory_permissions_mode": 0o700,
        "file_permissions_mode": 0o600,
    },
}
if STORAGE_URL.startswith("file://"):
    _folder = STORAGE_URL.removeprefix("file://")
    # Percent-encoding is undone, unless an earlier version used the folder of that very name.
    if Path(unquote(_folder)).is_dir() or not Path(_folder).is_dir():
        _folder = unquote(_folder)
    _media["OPTIONS"]["location"] = _folder
elif STORAGE_URL.startswith("s3://"):
    # s3://bucket/prefix; credentials, region and endpoint come from AWS's own variables.
    _bucket, _, _prefix = STORAGE_URL.removeprefix("s3://").partition("/")
    _media = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {"bucket_name": _bucket, "location": _prefix, "file_overwrite": True},
    }
elif STORAGE_URL:
    raise ImproperlyConfigured("STORAGE_URL must begin with file:// or s3://.")
STORAGES = {
    "default": _media,
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
# What is being received. Maintenance removes what killed processes leave here.
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "incoming"
with suppress(OSError):  # A site whose disk is full must start, and says so at the first upload.
    FILE_UPLOAD_TEMP_DIR.mkdir(mode=0o700, exist_ok=True)

STATIC_URL = "static/"
# Source maps are for debuggers only: compressing them doubles the time of collecting.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")
STATIC_ROOT = DATA_DIR / "static"

# Accounts: https://docs.allauth.org/en/latest/account/configuration.html
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "emotionsite.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_LOGOUT_REDIRECT_URL = "home"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_USERNAME_MIN_LENGTH = 3
ACCOUNT_EMAIL_NOTIFICATIONS = True
# A link to a new password goes to one's address: to change that takes the password, too.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
# No code by mail: it would prove less than the password and, without EMAIL_URL, never arrive.
ACCOUNT_REAUTHENTICATION_METHODS = ["password", "mfa"]

# Mail: without EMAIL_URL messages go to the log, so that a password can be reset on a laptop.
# Where mail arrives, an address is verified before its first log-in: links to new passwords are
# sent there, and nobody takes another's address.
EMAIL_URL = env("EMAIL_URL", default="")
vars().update(env.email_url_config(EMAIL_URL or "consolemail://"))
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default="Emotionsite <noreply@localhost>")
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if EMAIL_URL else "none"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""

# Second factor: https://docs.allauth.org/en/latest/mfa/configuration.html
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Emotionsite"
MFA_ALLOW_UNVERIFIED_EMAIL = not EMAIL_URL

# How many proxies before us each add an address to X-Forwarded-For; rate limits count by address.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0)
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES

# API: https://www.django-rest-framework.org/api-guide/settings/
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "predictions.api.authentication.TokenAuthentication",
        "predictions.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "predictions.api.permissions.TokenScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,
    "EXCEPTION_HANDLER": "predictions.api.errors.problem_handler",
    "DEFAULT_THROTTLE_CLASSES": [
        "predictions.api.throttling.AddressThrottle",
        "predictions.api.throttling.UserThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {
        "address": env("API_RATE_ADDRESS", default="60/min"),
        "user": env("API_RATE_USER", default="1200/min"),
        "drawings": env("API_RATE_DRAWINGS", default="30/min"),
    },
    "NUM_PROXIES": TRUSTED_PROXIES,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
KNOX_TOKEN_MODEL = "accounts.ApiToken"  # noqa: S105
REST_KNOX = {
    "AUTH_HEADER_PREFIX": "Token",
    "TOKEN_TTL": timedelta(days=90),
    "TOKEN_LIMIT_PER_USER": 20,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Emotionsite API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    # Without a link to each operation, its row is one button and not a link within a button; the
    # colours of its examples would be too faint.
    "SWAGGER_UI_SETTINGS": {"deepLinking": False, "syntaxHighlight": {"activated": False}},
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "Emotion": "predictions.models.LABEL_CHOICES",
        "Status": "predictions.models.Status",
        "Scope": "emotionsite.accounts.models.ApiToken.Scope",
    },
}

# Language and time: a language that only Django and allauth speak would be mixed into our English.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# Security: https://docs.djangoproject.com/en/5.2/topics/security/
# A site behind TLS says so with SITE_TLS; on a laptop plain HTTP must work.
SITE_TLS = env.bool("SITE_TLS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = SITE_TLS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 31_536_000 if SITE_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SITE_TLS
if SITE_TLS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# Logs: one line an event, readable on a terminal, JSON elsewhere.
LOG_JSON = env.bool("LOG_JSON", False)
_shared_processors = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso"),
]
structlog.configure(
    processors=[*_shared_processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.JSONRenderer()
            if LOG_JSON
            # Where rich is installed, it would write the values of variables, of which some are
            # private.
            else structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            ),
            "foreign_pre_chain": _shared_processors,
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django.server": {"level": "INFO"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
    },
}

# Error reports: https://docs.sentry.io/platforms/python/integrations/django/
if SENTRY_DSN := env("SENTRY_DSN", default=""):
    try:
        import sentry_sdk
    except ImportError as error:
        raise ImproperlyConfigured(
            "SENTRY_DSN needs sentry-sdk: pip install '.[deploy]'."
        ) from error
    # Variables and forms hold names, addresses and what photos are called.
    sentry_sdk.init(SENTRY_DSN, include_local_variables=False, max_request_body_size="never")
