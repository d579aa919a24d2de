-- The books as they were read this time, and what becomes of the comparison. Made anew by every run.

CREATE TABLE books (
    row BIGINT NOT NULL,
    label VARCHAR NOT NULL,            -- "line 17"
    account VARCHAR,
    connector_refund_id VARCHAR,
    merchant_refund_id VARCHAR,
    connector_transaction_id VARCHAR,
    amount BIGINT,                     -- minor units
    currency VARCHAR,
    status VARCHAR,
    word VARCHAR,
    dated TIMESTAMP,                      -- in UTC
    in_period BOOLEAN NOT NULL,
    problem VARCHAR                    -- why the row cannot be compared
);

-- The accounts of this run: an earlier one in this folder may have asked others as well.
CREATE TABLE accounts (account VARCHAR NOT NULL);
CREATE VIEW covered AS SELECT * FROM coverage SEMI JOIN accounts USING (account);

CREATE TABLE pairs (row BIGINT NOT NULL, seq BIGINT NOT NULL, matched_by VARCHAR NOT NULL);

-- Rows that are in no pair and have been decided about.
CREATE TABLE singles (row BIGINT, seq BIGINT, verdict VARCHAR NOT NULL, reason VARCHAR NOT NULL);

CREATE TABLE verdicts (
    row BIGINT,
    seq BIGINT,
    verdict VARCHAR NOT NULL,          -- or "outside" for what lies beside the period on both sides
    reason VARCHAR NOT NULL,
    matched_by VARCHAR,
    stake BIGINT,                      -- minor units
    stake_currency VARCHAR,
    note VARCHAR
);

-- The key in answers that a row is asked for with. What is no currency is not asked with.
CREATE MACRO question_of(refund, reference, payment, currency) AS json_array(
    refund, reference, payment, CASE WHEN regexp_full_match(currency, '[A-Z]{3}') THEN currency END
)::VARCHAR;
