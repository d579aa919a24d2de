-- Every refund with its verdict and both sides, for reports.

CREATE VIEW findings AS
SELECT v.verdict, v.reason, v.matched_by, v.stake, v.stake_currency, v.note,
    coalesce(b.account, t.account) AS account,
    b.row IS NOT NULL AS in_books, b.label, b.connector_refund_id AS books_refund_id,
    b.merchant_refund_id AS books_reference, b.connector_transaction_id AS books_payment, b.amount AS books_amount,
    b.currency AS books_currency, b.status AS books_status, b.word AS books_word, b.dated AS books_at,
    t.seq IS NOT NULL AS at_processor, t.source, t.connector_refund_id AS refund_id, t.merchant_refund_id AS reference,
    t.connector_transaction_id AS payment, t.amount, t.currency, t.status, t.word, t.dated,
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

CREATE MACRO place(finding) AS [
    finding.account, coalesce(finding.books_refund_id, finding.refund_id),
    coalesce(finding.books_reference, finding.reference), coalesce(finding.books_payment, finding.payment),
    finding.verdict, finding.label, finding.refund_id, finding.digest, finding.books_amount::VARCHAR
];

CREATE VIEW everything AS SELECT * FROM findings ORDER BY place(findings);

CREATE VIEW differences AS
SELECT * FROM findings WHERE verdict <> 'matched'
ORDER BY stake_currency NULLS LAST, stake DESC NULLS LAST, place(findings);
