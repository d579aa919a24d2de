-- What is left beside a pair and looks the same.

INSERT INTO singles
SELECT NULL, seq, 'duplicate', 'the processor has this refund more than once; compared with ' || min(twin)
FROM (
    SELECT t.seq, coalesce(first.connector_refund_id, 'another') AS twin
    FROM open_refunds t
    JOIN said first USING (account, merchant_refund_id, amount, currency)
    JOIN pairs p ON p.seq = first.seq
    WHERE first.connector_transaction_id IS NOT DISTINCT FROM t.connector_transaction_id
)
GROUP BY seq;

INSERT INTO singles
SELECT b.row, NULL, 'duplicate', 'the books have this refund more than once; compared with ' || arg_min(first.label, first.row)
FROM open_books b
JOIN books first USING (account, merchant_refund_id, amount, currency)
JOIN pairs p ON p.row = first.row
WHERE b.connector_refund_id IS NULL
GROUP BY b.row;

INSERT INTO singles
SELECT row, NULL, 'duplicate', 'the books have this refund more than once; the other is on ' || label
FROM (
    SELECT row, first_value(label) OVER same AS label, row_number() OVER same AS place
    FROM open_books WHERE connector_refund_id IS NOT NULL
    WINDOW same AS (PARTITION BY account, connector_refund_id ORDER BY row)
)
WHERE place > 1;
