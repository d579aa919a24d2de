-- Each refund once, by the newest that was said of it.

CREATE TABLE newest AS
SELECT arg_max(seq, (observed_at, digest, seq)) AS seq FROM said SEMI JOIN accounts USING (account)
WHERE connector_refund_id IS NOT NULL GROUP BY account, connector_refund_id
UNION ALL
SELECT min(seq) FROM said SEMI JOIN accounts USING (account) WHERE connector_refund_id IS NULL
GROUP BY account, merchant_refund_id, connector_transaction_id, amount, currency, status, word, created_at;

CREATE VIEW refunds AS
SELECT said.*, coalesce(created_at, processed_at, updated_at) AS dated FROM said SEMI JOIN newest USING (seq);
