-- Every refund with its verdict and both sides, for reports.

CREATE VIEW findings AS
SELECT v.verdict, v.reason, coalesce(b.account, t.account) AS account, v.stake, v.stake_currency, v.matched_by, v.note,
    b.row IS NOT NULL AS in_books, t.seq IS NOT NULL AS at_processor,
    b.label AS books_where, b.connector_refund_id AS books_connector_refund_id,
    b.merchant_refund_id AS books_merchant_refund_id, b.connector_transaction_id AS books_connector_transaction_id,
    b.amount AS books_amount, b.currency AS books_currency, b.status AS books_status, b.word AS books_word,
    b.dated AS books_at,
    t.source AS processor_where, t.connector_refund_id AS processor_connector_refund_id,
    t.merchant_refund_id AS processor_merchant_refund_id,
    t.connector_transaction_id AS processor_connector_transaction_id,
    t.amount AS processor_amount, t.currency AS processor_currency, t.status AS processor_status,
    t.word AS processor_word, t.dated AS processor_at,
    t.observed_at, t.digest, t.processed_at, t.acquirer_reference_number, t.error
FROM verdicts v
LEFT JOIN books b USING (row)
LEFT JOIN (SELECT *, coalesce(created_at, processed_at, updated_at) AS dated FROM said) t USING (seq)
WHERE v.verdict <> 'outside';

CREATE VIEW sums AS
SELECT account, currency, verdict,
    count(*) FILTER (side = 'books') AS books_count, coalesce(sum(amount) FILTER (side = 'books'), 0) AS books_amount,
    count(*) FILTER (side = 'processor') AS processor_count,
    coalesce(sum(amount) FILTER (side = 'processor'), 0) AS processor_amount
FROM (
    SELECT b.account, b.currency, v.verdict, b.amount, 'books' AS side FROM verdicts v JOIN books b USING (row)
    UNION ALL
    SELECT t.account, t.currency, v.verdict, t.amount, 'processor' FROM verdicts v JOIN said t USING (seq)
)
WHERE verdict <> 'outside'
GROUP BY account, currency, verdict;

-- How long refunds took, in seconds, where the processor says when they were made and done.
CREATE VIEW settling AS
SELECT account, count(*) AS refunds, quantile_disc(seconds, [0.1, 0.5, 0.9]) AS shares, max(seconds) AS longest
FROM (
    SELECT t.account, epoch(t.processed_at - t.created_at)::BIGINT AS seconds
    FROM verdicts v JOIN said t USING (seq)
    WHERE v.verdict <> 'outside' AND t.status = 'SUCCEEDED' AND t.processed_at >= t.created_at
)
GROUP BY account;

CREATE MACRO place(f) AS [
    f.account, coalesce(f.books_connector_refund_id, f.processor_connector_refund_id),
    coalesce(f.books_merchant_refund_id, f.processor_merchant_refund_id),
    coalesce(f.books_connector_transaction_id, f.processor_connector_transaction_id),
    f.verdict, f.books_where, f.processor_connector_refund_id, f.digest, f.books_amount::VARCHAR
];

CREATE VIEW everything AS SELECT * FROM findings ORDER BY place(findings);

CREATE VIEW differences AS
SELECT * FROM findings WHERE verdict <> 'matched'
ORDER BY stake_currency NULLS LAST, stake DESC NULLS LAST, place(findings);
