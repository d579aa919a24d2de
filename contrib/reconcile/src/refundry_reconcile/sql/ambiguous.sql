-- What is left in the groups could be more than one thing: none of it is paired.

CREATE OR REPLACE TABLE unclear AS
SELECT b.row, NULL::BIGINT AS seq, {reason} AS reason
FROM groups JOIN (FROM open_books WHERE {rows}) b USING ({keys})
UNION ALL
SELECT NULL, t.seq, {reason} FROM groups JOIN (FROM open_refunds WHERE {refunds}) t USING ({keys});

INSERT INTO singles SELECT row, seq, 'ambiguous', reason FROM unclear;
DELETE FROM open_books WHERE row IN (SELECT row FROM unclear);
DELETE FROM open_refunds WHERE seq IN (SELECT seq FROM unclear);
DROP TABLE unclear;
