"""Figures and logs, for those who watch over the installation."""

from itsm_project.settings.environment import env

# Where the relay shows figures to Prometheus, as host:port; nowhere where it is empty. Who may ask: these networks, and whoever has
# the token (docs/operations.md).
METRICS_ADDRESS: str = env.str("METRICS_ADDRESS", default="")
METRICS_NETWORKS: list[str] = env.list("METRICS_NETWORKS", default=["127.0.0.0/8", "::1/128"])
METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="")

LOG_LEVEL: str = env("LOG_LEVEL", default="INFO")
LOGGING_CONFIG = "apps.core.logs.configure"
LOGGING = {"level": LOG_LEVEL}
