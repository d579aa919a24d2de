"""A headless Chromium of the distribution, with its driver."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver

PROGRAMS = ("chromium", "chromedriver")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,900",
)


@contextmanager
def running_browser() -> Iterator[WebDriver]:
    """A browser with a profile of its own. Skips the test where there is none, and fails it in CI."""
    chromium, driver = (_path(name) for name in PROGRAMS)
    with TemporaryDirectory(prefix="refundry-chromium-", ignore_cleanup_errors=True) as profile:
        browser = webdriver.Chrome(_options(chromium, profile), Service(executable_path=driver))
        browser.set_page_load_timeout(60)
        try:
            yield browser
        finally:
            browser.quit()


def _path(name: str) -> str:
    path = shutil.which(name)
    if path is None and os.environ.get("CI"):
        pytest.fail(f"{name} is not installed, and CI must run these tests: sh .ci/setup")
    if path is None:
        pytest.skip(f"{name} is not installed: sh .ci/setup")
    return str(Path(path))


def _options(chromium: str, profile: str) -> Options:
    options = Options()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return options
