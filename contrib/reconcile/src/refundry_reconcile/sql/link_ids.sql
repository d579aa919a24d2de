-- First by the processor's id of the refund, then by what the processor answered to the row's own question.

CREATE TABLE links AS
SELECT b.row, t.seq, 'the processor''s refund id' AS matched_by, 1 AS strength
FROM books b JOIN refunds t USING (account, connector_refund_id)
UNION ALL
SELECT b.row, t.seq, 'the processor''s answer for this row', 2
FROM books b
JOIN answers a ON a.account = b.account AND a.outcome = 'found'
    AND a.question = question_of(b.connector_refund_id, b.merchant_refund_id, b.connector_transaction_id, b.currency)
JOIN refunds t ON t.account = a.account AND t.connector_refund_id = a.connector_refund_id
WHERE b.connector_refund_id IS DISTINCT FROM t.connector_refund_id;

-- A refund that several rows name is matched with the one that agrees, else with the first; the rest are duplicates.
CREATE TABLE ranked AS
SELECT row, seq, matched_by, row_number() OVER (PARTITION BY seq ORDER BY strength, agrees DESC, row) AS place
FROM (
    SELECT l.*, coalesce(b.amount = t.amount AND b.currency = t.currency, false) AS agrees
    FROM links l JOIN books b USING (row) JOIN said t USING (seq)
    QUALIFY row_number() OVER (PARTITION BY l.row ORDER BY strength, l.seq) = 1
);
DROP TABLE links;

INSERT INTO pairs SELECT row, seq, matched_by FROM ranked WHERE place = 1;
INSERT INTO singles
SELECT r.row, NULL, 'duplicate', 'the books have this refund more than once; compared with ' || first.label
FROM ranked r JOIN pairs p USING (seq) JOIN books first ON first.row = p.row
WHERE r.place > 1;
DROP TABLE ranked;

-- What is still to be told apart; each step takes out what it has decided about.
CREATE TABLE open_books AS SELECT * FROM books ANTI JOIN pairs USING (row) ANTI JOIN singles USING (row);
CREATE TABLE open_refunds AS SELECT * FROM refunds ANTI JOIN pairs USING (seq);
