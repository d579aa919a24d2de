-- What has the same {keys} and is in no pair yet: how many rows and refunds could be one another.

CREATE OR REPLACE TABLE groups AS
SELECT {keys}, count(row) AS n_rows, count(seq) AS n_refunds,
    count(DISTINCT connector_transaction_id) AS n_payments,
    count(DISTINCT merchant_refund_id) AS n_references,
    count(row_refund_id) > 0 AND count(refund_id) > 0 AS two_ids
FROM (
    SELECT account, merchant_refund_id, connector_transaction_id, amount, currency,
        row, connector_refund_id AS row_refund_id, NULL AS seq, NULL AS refund_id
    FROM open_books WHERE {rows}
    UNION ALL
    SELECT account, merchant_refund_id, connector_transaction_id, amount, currency,
        NULL, NULL, seq, connector_refund_id
    FROM open_refunds WHERE {refunds}
)
WHERE {given} GROUP BY {keys} HAVING count(row) > 0 AND count(seq) > 0;
