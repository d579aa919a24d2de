-- What is in no pair yet, by {keys}: how many rows and refunds could be one another.

CREATE OR REPLACE TABLE groups AS
SELECT {keys}, count(row) AS rows, count(seq) AS refunds, count(DISTINCT {payment}) AS payments,
    count(row_refund_id) > 0 AND count(seq_refund_id) > 0 AS two_ids,
    count(DISTINCT {reference}) > 1 AS two_references
FROM (
    SELECT {keys}, row, NULL AS seq, connector_transaction_id, merchant_refund_id,
        connector_refund_id AS row_refund_id, NULL AS seq_refund_id
    FROM books ANTI JOIN pairs USING (row) ANTI JOIN singles USING (row) WHERE {rows}
    UNION ALL
    SELECT {keys}, NULL, seq, connector_transaction_id, merchant_refund_id, NULL, connector_refund_id
    FROM refunds ANTI JOIN pairs USING (seq) ANTI JOIN singles USING (seq) WHERE {refunds}
)
GROUP BY {keys} HAVING rows > 0 AND refunds > 0;
