-- The verdict on every pair, row and refund.

CREATE MACRO inside(moment) AS moment IS NULL OR (moment >= getvariable('since') AND moment < getvariable('until'));
CREATE MACRO paid(amount, status) AS CASE WHEN status = 'FAILED' THEN 0 ELSE amount END;
CREATE MACRO day(moment) AS strftime(moment, '%Y-%m-%d');

INSERT INTO verdicts
WITH sides AS (
    SELECT p.*, b.in_period, b.amount AS ours, t.amount AS theirs, b.currency AS our_currency, t.currency AS their_currency,
        b.status AS our_status, t.status AS their_status, b.dated AS our_time, t.dated AS their_time,
        CASE
            WHEN b.problem IS NOT NULL THEN b.problem
            WHEN t.problem IS NOT NULL THEN t.problem
            WHEN t.status = 'UNKNOWN' THEN 'the processor''s word ' || coalesce(t.word, '(none)') || ' is not in the connector''s table'
            WHEN b.status = 'UNKNOWN' THEN 'the books do not say how it stands'
        END AS obstacle
    FROM pairs p JOIN books b USING (row) JOIN refunds t USING (seq)
), judged AS (
    SELECT *,
        CASE
            WHEN NOT in_period AND NOT inside(their_time) THEN 'outside'
            WHEN obstacle IS NOT NULL THEN 'not comparable'
            WHEN our_currency <> their_currency THEN 'currency differs'
            WHEN ours <> theirs THEN 'amount differs'
            -- Books without statuses hold what is to go out: only a failure contradicts them.
            WHEN our_status IS NULL AND their_status = 'FAILED' THEN 'status differs'
            WHEN our_status <> their_status THEN 'status differs'
            ELSE 'matched'
        END AS verdict
    FROM sides
)
SELECT row, seq, verdict,
    CASE verdict
        WHEN 'not comparable' THEN obstacle
        WHEN 'currency differs' THEN 'the books have ' || our_currency || ', the processor has ' || their_currency
        WHEN 'amount differs' THEN 'the processor has ' || CASE WHEN theirs > ours THEN 'more' ELSE 'less' END || ' than the books'
            || CASE WHEN our_status <> their_status THEN '; the status differs, too' ELSE '' END
        WHEN 'status differs' THEN
            CASE WHEN our_status IS NULL THEN 'the books have it' ELSE 'the books say ' || our_status END
            || ', the processor says ' || their_status
        ELSE 'the same on both sides'
    END,
    matched_by,
    CASE verdict WHEN 'matched' THEN NULL WHEN 'amount differs' THEN abs(ours - theirs) ELSE coalesce(ours, theirs) END,
    CASE WHEN verdict = 'matched' THEN NULL WHEN ours IS NOT NULL THEN our_currency WHEN theirs IS NOT NULL THEN their_currency END,
    CASE
        WHEN NOT in_period THEN 'the books have it on ' || day(our_time) || ', outside the period'
        WHEN NOT inside(their_time) THEN 'the processor made it on ' || day(their_time) || ', outside the period'
    END
FROM judged;

INSERT INTO verdicts
WITH answered AS (
    SELECT account, question,
        arg_max(outcome, (observed_at, outcome)) AS outcome, arg_max(reason, (observed_at, outcome)) AS reason,
        max(observed_at) AS asked_at
    FROM answers GROUP BY account, question
), judged AS (
    SELECT b.row, b.in_period, b.amount, b.currency, CASE
        WHEN s.verdict IS NOT NULL THEN [s.verdict, s.reason]
        WHEN b.problem IS NOT NULL THEN ['not comparable', b.problem]
        WHEN b.account IS NULL THEN ['not comparable', 'the row names no account']
        WHEN c.account IS NULL THEN ['not comparable', 'the account ' || b.account || ' is not part of this comparison']
        WHEN a.outcome = 'absent' THEN ['missing at the processor', 'asked for this refund, the processor said: ' || coalesce(a.reason, 'not found')]
        WHEN c.refused IS NOT NULL THEN ['not comparable', 'the account could not be asked: ' || c.refused]
        WHEN a.outcome = 'failed' THEN ['not comparable', coalesce(a.reason, 'the question failed')]
        WHEN a.outcome = 'found' THEN ['not comparable', 'the answer does not say which refund it is about']
        WHEN c.way = 'ledger' THEN ['not comparable', 'the ledger has heard nothing of it from the processor']
        WHEN c.way = 'none' THEN ['not comparable', c.title || ' cannot be asked for refunds: compare with a ledger that receives its webhooks']
        WHEN c.way = 'get' THEN ['not comparable', 'the row lacks the identifiers that ' || c.title || ' is asked with']
        WHEN NOT c.complete THEN ['not comparable', 'the list of ' || c.title || ' does not show it, and leaves some refunds out']
        WHEN c.unreadable > 0 THEN ['not comparable', 'the list does not show it, but some of its items could not be read']
        WHEN b.dated < c.listed_since OR b.dated >= c.listed_until THEN ['not comparable', 'its date lies outside what was listed']
        ELSE ['missing at the processor', 'the processor''s list does not show it']
    END AS decided,
    CASE
        WHEN s.verdict IS NOT NULL THEN NULL
        WHEN a.asked_at IS NOT NULL THEN 'asked on ' || strftime(a.asked_at, '%Y-%m-%d %H:%M:%S UTC')
        WHEN c.listed_since IS NOT NULL AND c.refused IS NULL THEN 'listed from ' || day(c.listed_since) || ' to ' || day(c.listed_until)
    END AS note
    FROM books b ANTI JOIN pairs USING (row)
    LEFT JOIN singles s USING (row)
    LEFT JOIN covered c USING (account)
    LEFT JOIN answered a ON a.account = b.account
        AND a.question = question_of(b.connector_refund_id, b.merchant_refund_id, b.connector_transaction_id, b.currency)
)
SELECT row, NULL, CASE WHEN in_period THEN decided[1] ELSE 'outside' END, decided[2], NULL,
    amount, CASE WHEN amount IS NOT NULL THEN currency END, note
FROM judged;

INSERT INTO verdicts
SELECT NULL, t.seq,
    CASE
        WHEN NOT inside(t.dated) THEN 'outside'
        WHEN s.verdict IS NOT NULL THEN s.verdict
        WHEN t.problem IS NOT NULL THEN 'not comparable'
        ELSE 'missing in the books'
    END,
    CASE
        WHEN s.verdict IS NOT NULL THEN s.reason
        WHEN t.problem IS NOT NULL THEN t.problem
        WHEN t.status = 'FAILED' THEN 'no row of the books fits; it failed, so no money went out'
        ELSE 'no row of the books fits'
    END,
    NULL, paid(t.amount, t.status), CASE WHEN t.amount IS NOT NULL THEN t.currency END, NULL
FROM refunds t ANTI JOIN pairs USING (seq)
LEFT JOIN singles s USING (seq);
