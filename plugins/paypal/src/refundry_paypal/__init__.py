"""PayPal refunds for Refundry."""
