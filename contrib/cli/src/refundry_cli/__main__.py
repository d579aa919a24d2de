"""``python -m refundry_cli``."""

from refundry_cli import main

main()
