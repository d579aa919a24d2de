-- What the processors said. Kept between runs: it is what an interrupted run goes on from.

CREATE TABLE IF NOT EXISTS run (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);

-- How each account was asked, and how far that has come.
CREATE TABLE IF NOT EXISTS coverage (
    account VARCHAR PRIMARY KEY,
    title VARCHAR NOT NULL,
    way VARCHAR NOT NULL,              -- list, get, ledger, none
    listed_since TIMESTAMP,
    listed_until TIMESTAMP,
    complete BOOLEAN NOT NULL,         -- whether the list leaves nothing out
    position VARCHAR,                  -- where the list goes on; NULL: at its start
    finished BOOLEAN NOT NULL,
    listed BIGINT NOT NULL,
    unreadable BIGINT NOT NULL,        -- items of the list that could not be read
    refused VARCHAR                    -- why the account could not be asked; NULL: it could
);

CREATE SEQUENCE IF NOT EXISTS said_number;

CREATE TABLE IF NOT EXISTS said (
    seq BIGINT DEFAULT nextval('said_number'),
    account VARCHAR NOT NULL,
    connector_refund_id VARCHAR,
    merchant_refund_id VARCHAR,
    connector_transaction_id VARCHAR,
    amount BIGINT,                     -- minor units
    currency VARCHAR,
    status VARCHAR NOT NULL,
    word VARCHAR,
    created_at TIMESTAMP,              -- all times in UTC
    updated_at TIMESTAMP,
    processed_at TIMESTAMP,
    source VARCHAR NOT NULL,
    observed_at TIMESTAMP NOT NULL,
    digest VARCHAR NOT NULL,
    acquirer_reference_number VARCHAR,
    error VARCHAR,
    problem VARCHAR                    -- why it cannot be compared
);

-- What came of asking for one refund. A question that failed for the moment is asked again by the next run.
CREATE TABLE IF NOT EXISTS answers (
    account VARCHAR NOT NULL,
    question VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,          -- found, absent, failed
    connector_refund_id VARCHAR,
    reason VARCHAR,
    observed_at TIMESTAMP NOT NULL
);

-- Refunds that a list only named.
CREATE TABLE IF NOT EXISTS hints (account VARCHAR NOT NULL, question VARCHAR NOT NULL);
