"""The refund desk of Refundry: pages for support, an API for applications, an endpoint for webhooks."""
