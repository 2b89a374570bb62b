"""Every setting, from the environment. Unsafe values for production are refused by system checks (apps/core/checks.py).

Variables are described in `.env.example`; a file named by ITSM_ENV_FILE (default `.env`) is read first, the real environment wins.
There is one set of settings for every mode; each module here holds those of one subject, and `environment` what they are made from.
"""

from itsm_project.settings.api import *
from itsm_project.settings.applications import *
from itsm_project.settings.broker import *
from itsm_project.settings.database import *
from itsm_project.settings.environment import *
from itsm_project.settings.files import *
from itsm_project.settings.mail import *
from itsm_project.settings.monitoring import *
from itsm_project.settings.security import *
