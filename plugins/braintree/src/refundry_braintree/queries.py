"""What Braintree's GraphQL API is asked, by the names of its schema (github.com/braintree/graphql-api)."""

from __future__ import annotations

RESPONSE = "processorResponse { legacyCode message }"
REFUND = f"""__typename ... on Refund {{
  id createdAt amount {{ value currencyCode }} orderId status refundedTransaction {{ id }}
  details {{ ... on PayPalRefundDetails {{ reason description }} }}
  statusHistory {{
    status timestamp
    ... on FailedEvent {{ {RESPONSE} }}
    ... on ProcessorDeclinedEvent {{ {RESPONSE} }}
    ... on SettlementDeclinedEvent {{ {RESPONSE} }}
    ... on GatewayRejectedEvent {{ gatewayRejectionReason {RESPONSE} }}
  }}
}}"""
GET = f"query Get($id: ID!) {{ node(id: $id) {{ {REFUND} }} }}"
GLOBAL_ID = "query GlobalId($id: ID!) { idFromLegacyId(legacyId: $id, type: REFUND) }"
OF_PAYMENT = f"query OfPayment($id: ID!) {{ node(id: $id) {{ ... on Transaction {{ refunds {{ {REFUND} }} }} }} }}"
LIST = f"""query List($input: RefundSearchInput!, $first: Int!, $after: String) {{
  search {{ refunds(input: $input, first: $first, after: $after) {{
    pageInfo {{ hasNextPage endCursor }} edges {{ node {{ {REFUND} }} }}
  }} }}
}}"""
