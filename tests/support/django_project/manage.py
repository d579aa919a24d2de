"""The commands of the shop."""

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ["DJANGO_SETTINGS_MODULE"] = "django_project.settings"

if __name__ == "__main__":
    execute_from_command_line()
