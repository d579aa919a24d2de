-- In each group that {when}, the row and the refund that agree best are a pair; what is beside them is a duplicate.

CREATE OR REPLACE TABLE chosen AS
SELECT b.row, t.seq, row_number() OVER (
    PARTITION BY {keys} ORDER BY b.status IS NOT DISTINCT FROM t.status DESC, t.dated, t.connector_refund_id, b.row
) AS place
FROM groups JOIN (FROM open_books WHERE {rows}) b USING ({keys}) JOIN (FROM open_refunds WHERE {refunds}) t USING ({keys})
WHERE {when};

INSERT INTO pairs SELECT row, seq, '{matched_by}' FROM chosen WHERE place = 1;

INSERT INTO singles
SELECT DISTINCT c.row, NULL, 'duplicate', 'the books have this refund more than once; compared with ' || first.label
FROM chosen c JOIN chosen p ON p.place = 1 AND p.seq = c.seq AND p.row <> c.row JOIN books first ON first.row = p.row;

INSERT INTO singles
SELECT DISTINCT NULL, c.seq, 'duplicate',
    'the processor has this refund more than once; compared with ' || coalesce(first.connector_refund_id, 'another')
FROM chosen c JOIN chosen p ON p.place = 1 AND p.row = c.row AND p.seq <> c.seq JOIN said first ON first.seq = p.seq;

DELETE FROM open_books WHERE row IN (SELECT row FROM chosen);
DELETE FROM open_refunds WHERE seq IN (SELECT seq FROM chosen);
DROP TABLE chosen;
