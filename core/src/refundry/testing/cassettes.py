"""Cassettes: played by pytest-recording, compared with what they say must come of them, and read for secrets."""

from __future__ import annotations

from typing import ClassVar

from refundry.connector import Connector


class CassetteContract:
    """Plays every cassette of the connector."""

    connector: ClassVar[type[Connector]]
