"""Where the code of the contract is taken from: the core's folder in the repository, or what an sdist brought along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

IN_REPOSITORY = Path("../../core/src/refundry/testing")
IN_SDIST = Path("src/refundry/testing")


class ContractHook(BuildHookInterface[Any]):
    """Puts the contract into the wheel as `refundry.testing`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return  # the core's own folder is on the path
        source = next(path for path in (IN_SDIST, IN_REPOSITORY) if (Path(self.root) / path).is_dir())
        target = IN_SDIST if self.target_name == "sdist" else IN_SDIST.relative_to("src")
        build_data["force_include"][str(Path(self.root) / source)] = str(target)
