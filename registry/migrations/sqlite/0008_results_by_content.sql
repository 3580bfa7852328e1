-- Results are kept for each content of a client transaction id: EPP's clients number anew in each session, and
-- what they ask for under a number must not take its result from what was asked before, by either door.
CREATE TABLE idempotency_2 (
    account                TEXT    NOT NULL,
    client_transaction_id  TEXT    NOT NULL,
    request_digest         BLOB    NOT NULL,
    device_id              TEXT    NOT NULL,
    first_seq              INTEGER NOT NULL,
    last_seq               INTEGER NOT NULL,
    created_at             INTEGER NOT NULL,
    object_id              INTEGER,
    PRIMARY KEY (account, client_transaction_id, request_digest)
) STRICT;

INSERT INTO idempotency_2 SELECT account, client_transaction_id, request_digest, device_id, first_seq, last_seq,
                                 created_at, object_id
                          FROM idempotency;
DROP TABLE idempotency;
ALTER TABLE idempotency_2 RENAME TO idempotency;

CREATE INDEX idempotency_by_age ON idempotency (created_at);
