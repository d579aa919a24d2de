"""Accounts in refundry.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from refundry import ConfigurationError, RefundClient, UnknownConnector
from refundry.accounts import account_names, read_account

GOOD = """
[accounts.stripe-eu]
connector = "stripe"
environment = "SANDBOX"
timeout = 5
api_key = { env = "EU_KEY" }
webhook_secret = [{ env = "EU_HOOK" }, { env = "EU_HOOK_OLD" }]
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in (("EU_KEY", "sk_test_abc"), ("EU_HOOK", "whsec_new"), ("EU_HOOK_OLD", "whsec_old")):
        monkeypatch.setenv(name, value)
    file = tmp_path / "refundry.toml"
    file.write_text(GOOD)
    return file


def test_an_account_becomes_a_client(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert account_names(config) == ("stripe-eu",)
    client = RefundClient.from_account("stripe-eu", config)
    assert client.account.name == "stripe-eu"
    assert set(client.account.secrets) == {"sk_test_abc", "whsec_new", "whsec_old"}
    monkeypatch.setenv("REFUNDRY_CONFIG", str(config))
    assert RefundClient.from_account("stripe-eu", environment="SANDBOX").account.name == "stripe-eu"
    monkeypatch.chdir(config.parent)
    monkeypatch.delenv("REFUNDRY_CONFIG")
    assert account_names() == ("stripe-eu",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[accounts.other]\n", "no account 'stripe-eu': it has other"),
        ("", "it has none"),
        ("accounts = 5\n", r"\[accounts.NAME\]"),
        ("[accounts.stripe-eu\n", "cannot be read: TOMLDecodeError"),
        ("[accounts]\nstripe-eu = 5\n", "lacks connector"),
        ("[accounts.stripe-eu]\nenvironment = 'SANDBOX'\n", "lacks connector"),
        ("[accounts.stripe-eu]\nconnector = 'stripe'\napi_key = 'sk_test_inline'\n", "api_key.*is a secret.*env"),
        ("[accounts.stripe-eu]\nconnector = 'stripe'\napi_key = {env = 'NO_SUCH'}\n", "NO_SUCH is not set"),
        ("[accounts.stripe-eu]\nconnector = 'stripe'\napi_kee = 'x'\n", "did you mean api_key"),
    ],
)
def test_a_wrong_file_is_explained(config: Path, text: str, reason: str) -> None:
    config.write_text(text)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        RefundClient.from_account("stripe-eu", config)
    assert "sk_test_inline" not in str(caught.value)


def test_a_connector_that_is_not_installed_is_named(config: Path) -> None:
    config.write_text("[accounts.a]\nconnector = 'nobody'\n")
    with pytest.raises(UnknownConnector, match="refundry-nobody"):
        read_account("a", config)


def test_no_file(tmp_path: Path) -> None:
    assert account_names(tmp_path / "refundry.toml") == ()
    with pytest.raises(ConfigurationError, match="REFUNDRY_CONFIG"):
        read_account("a", tmp_path / "refundry.toml")


def test_secrets_by_key_id(config: Path) -> None:
    secrets = "{ k1 = { env = 'EU_HOOK' }, k2 = { env = 'EU_HOOK_OLD' } }"
    config.write_text(f"[accounts.a]\nconnector = 'stripe'\nwebhook_secret = {secrets}\n")
    assert read_account("a", config)["webhook_secret"] == {"k1": "whsec_new", "k2": "whsec_old"}
