"""Payment processors on your own machine: a real HTTP server that answers as each installed connector's processor."""

from refundry_sandbox.clock import SandboxClock
from refundry_sandbox.faults import Fault
from refundry_sandbox.sandbox import Sandbox

__all__ = ["Fault", "Sandbox", "SandboxClock"]
