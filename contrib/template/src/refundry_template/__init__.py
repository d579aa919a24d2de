"""A new connector, as a project of its own: ``refundry_template.new("acme-pay")``."""

from refundry_template.generating import ask, new

__all__ = ["ask", "new"]
