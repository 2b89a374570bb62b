"""What is installed, through what each request goes, and how time and text are written."""

from itsm_project.settings.environment import BASE_DIR, IS_TEST
from itsm_project.theme import UNFOLD  # noqa: F401 - a setting like the others

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "itsm_project.admin.ItsmAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "apps.core",
    "apps.audit",
    "apps.organizations",
    "apps.users",
    "apps.cmdb",
    "apps.tickets",
    "apps.sla",
    "apps.incidents",
    "apps.notifications",
]
if IS_TEST:
    # A consumer that only counts what reaches it; the fault tests compare its table with the events written.
    INSTALLED_APPS.append("tests.sink")

MIDDLEWARE = [
    "apps.core.middleware.RequestContextMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "apps.core.middleware.ProofMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.core.middleware.ApiHeadersMiddleware",
    "apps.core.middleware.AdminHeadersMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.users.middleware.AdminTenantMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "itsm_project.urls"
WSGI_APPLICATION = "itsm_project.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "itsm_project" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"
USE_I18N = True
FORMAT_MODULE_PATH = ["itsm_project.formats"]
