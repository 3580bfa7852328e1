-- What the two doors need: statuses as a set, registrations that end, transfers, messages, jobs,
-- several ways for an account to prove who it is, and an audit log that is a chain.

ALTER TABLE account ADD COLUMN devices_max INTEGER NOT NULL DEFAULT 1000000000;
ALTER TABLE account ADD COLUMN iccids_allowed INTEGER NOT NULL DEFAULT 0 CHECK (iccids_allowed IN (0, 1));
-- PBKDF2-HMAC-SHA-256 of the password for EPP; null: no login.
ALTER TABLE account ADD COLUMN password_hash BLOB CHECK (length(password_hash) = 32);
ALTER TABLE account ADD COLUMN password_salt BLOB CHECK (length(password_salt) = 16);
ALTER TABLE account ADD COLUMN password_iterations INTEGER;
ALTER TABLE account ADD COLUMN password_set_at INTEGER;
-- Kept by the triggers below: counting would read every device.
ALTER TABLE account ADD COLUMN devices INTEGER NOT NULL DEFAULT 0;
-- Number of the newest message: numbers grow within an account and are never used again.
ALTER TABLE account ADD COLUMN message_newest INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN messages INTEGER NOT NULL DEFAULT 0;

CREATE TABLE account_prefix (
    account  TEXT NOT NULL REFERENCES account (name),
    prefix   TEXT NOT NULL CHECK (length(prefix) BETWEEN 2 AND 31),
    PRIMARY KEY (account, prefix)
) STRICT, WITHOUT ROWID;

-- What accounts could do before they keep.
INSERT INTO account_prefix (account, prefix) SELECT name, '89' FROM account WHERE role = 'mno';
UPDATE account SET iccids_allowed = 1 WHERE role = 'mno';

-- Ids that were imported for an account; an id is in one account's list only.
CREATE TABLE imported_id (
    device_id  TEXT PRIMARY KEY,
    account    TEXT NOT NULL REFERENCES account (name)
) STRICT, WITHOUT ROWID;

CREATE INDEX imported_id_by_account ON imported_id (account);

CREATE TABLE token_2 (
    token_id    INTEGER PRIMARY KEY AUTOINCREMENT,
    hash        BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    account     TEXT    NOT NULL REFERENCES account (name),
    -- Names of the scopes, with single blanks between them.
    scopes      TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    revoked_at  INTEGER
) STRICT;

INSERT INTO token_2 (hash, account, scopes, created_at, expires_at)
    SELECT hash, account,
           'device:read device:create device:update device:delete device:transfer message job account '
           || 'endpoint zone',
           created_at, created_at + 10 * 366 * 86400
    FROM token;
DROP TABLE token;
ALTER TABLE token_2 RENAME TO token;
CREATE INDEX token_by_account ON token (account);

-- Client certificates: known by issuer and key, never by the names in them.
CREATE TABLE account_certificate (
    certificate_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    account         TEXT    NOT NULL REFERENCES account (name),
    -- SHA-256 of the issuer's and of the certificate's SubjectPublicKeyInfo.
    issuer_key      BLOB    NOT NULL CHECK (length(issuer_key) = 32),
    subject_key     BLOB    NOT NULL CHECK (length(subject_key) = 32),
    fingerprint     BLOB    NOT NULL CHECK (length(fingerprint) = 32),
    not_after       INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    revoked_at      INTEGER,
    UNIQUE (issuer_key, subject_key)
) STRICT;

CREATE INDEX account_certificate_by_account ON account_certificate (account);

-- Providers that may send certificate requests for slots that an operator has bound to them.
CREATE TABLE consent (
    mno         TEXT    NOT NULL REFERENCES account (name),
    asp         TEXT    NOT NULL REFERENCES account (name),
    granted_at  INTEGER NOT NULL,
    PRIMARY KEY (mno, asp)
) STRICT, WITHOUT ROWID;

-- Where the devices of a provider connect: a JSON document.
CREATE TABLE endpoint (
    asp         TEXT    PRIMARY KEY REFERENCES account (name),
    document    TEXT    NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE device_2 (
    -- Number of the registration: another one when the id is registered again.
    repository_id        INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id            TEXT    NOT NULL UNIQUE,
    account              TEXT    NOT NULL REFERENCES account (name),
    -- Bits of what accounts have set: lifecycle/status.rs.
    statuses             INTEGER NOT NULL CHECK (statuses BETWEEN 0 AND 1023),
    delete_requested_at  INTEGER,
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL,
    expires_at           INTEGER NOT NULL,
    -- How many of the messages before its end were sent.
    expiry_notices       INTEGER NOT NULL DEFAULT 0,
    transferred_at       INTEGER,
    version              INTEGER NOT NULL DEFAULT 1,
    auth_info_hash       BLOB    CHECK (length(auth_info_hash) = 32),
    auth_info_until      INTEGER,
    auth_info_failures   INTEGER NOT NULL DEFAULT 0,
    CHECK ((auth_info_hash IS NULL) = (auth_info_until IS NULL))
) STRICT;

-- 16: clientTransferProhibited, as for every new device.
INSERT INTO device_2 (device_id, account, statuses, delete_requested_at, created_at, updated_at,
                      expires_at)
    SELECT device_id, account, 16 | client_hold | (server_hold << 1), delete_requested_at, created_at,
           updated_at, created_at + 10 * 31556952
    FROM device ORDER BY device_id;
DROP TABLE device;
ALTER TABLE device_2 RENAME TO device;

CREATE INDEX device_by_account ON device (account, device_id);
CREATE INDEX device_pending_delete ON device (delete_requested_at, device_id)
    WHERE delete_requested_at IS NOT NULL;
-- By messages first: those that were told of their end are many, and stay until it comes.
CREATE INDEX device_by_expiry ON device (expiry_notices, expires_at) WHERE delete_requested_at IS NULL;

UPDATE account SET devices = (SELECT count(*) FROM device WHERE device.account = account.name);

CREATE TRIGGER device_counted_in AFTER INSERT ON device BEGIN
    UPDATE account SET devices = devices + 1 WHERE name = new.account;
END;
CREATE TRIGGER device_counted_out AFTER DELETE ON device BEGIN
    UPDATE account SET devices = devices - 1 WHERE name = old.account;
END;
CREATE TRIGGER device_counted_over AFTER UPDATE OF account ON device WHEN old.account <> new.account BEGIN
    UPDATE account SET devices = devices - 1 WHERE name = old.account;
    UPDATE account SET devices = devices + 1 WHERE name = new.account;
END;

ALTER TABLE credential ADD COLUMN asp TEXT;
ALTER TABLE credential ADD COLUMN replace_by INTEGER;
-- How many of the messages before its end were sent.
ALTER TABLE credential ADD COLUMN expiry_notices INTEGER NOT NULL DEFAULT 0;

DROP INDEX credential_by_expiry;
CREATE INDEX credential_by_expiry ON credential (expiry_notices, not_after) WHERE withdrawn IS NULL;
CREATE INDEX credential_by_asp ON credential (asp, device_id) WHERE asp IS NOT NULL;

-- An intent is for a new device, or for a new slot of one that is there.
ALTER TABLE intent ADD COLUMN asp TEXT;
CREATE INDEX intent_by_transaction ON intent (account, client_transaction_id);

CREATE TABLE transfer (
    transfer_id   INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id     TEXT    NOT NULL,
    direction     TEXT    NOT NULL CHECK (direction IN ('pull', 'push', 'forced')),
    status        TEXT    NOT NULL CHECK (status IN ('pending', 'clientApproved', 'clientCancelled',
                                                     'clientRejected', 'serverApproved',
                                                     'serverCancelled')),
    losing        TEXT    NOT NULL REFERENCES account (name),
    gaining       TEXT    NOT NULL REFERENCES account (name),
    requested_by  TEXT    NOT NULL,
    requested_at  INTEGER NOT NULL,
    acting        TEXT    NOT NULL,
    acting_at     INTEGER NOT NULL,
    arrival       TEXT    CHECK (arrival IN ('asIs', 'held')),
    replace_by    INTEGER
) STRICT;

CREATE INDEX transfer_by_device ON transfer (device_id, transfer_id);
CREATE UNIQUE INDEX transfer_pending ON transfer (device_id) WHERE status = 'pending';
CREATE INDEX transfer_overdue ON transfer (acting_at) WHERE status = 'pending';

-- Messages until they are acknowledged.
CREATE TABLE message (
    account     TEXT    NOT NULL REFERENCES account (name),
    message_id  INTEGER NOT NULL,
    queued_at   INTEGER NOT NULL,
    -- A JSON document: iot_epp_api::message::Message without number and time.
    document    TEXT    NOT NULL,
    PRIMARY KEY (account, message_id)
) STRICT, WITHOUT ROWID;

-- Commands that were answered with "pending": when they are published, a message says so.
CREATE TABLE pending_answer (
    seq                    INTEGER PRIMARY KEY,
    first_seq              INTEGER NOT NULL,
    account                TEXT    NOT NULL REFERENCES account (name),
    device_id              TEXT    NOT NULL,
    client_transaction_id  TEXT,
    server_transaction_id  TEXT    NOT NULL,
    is_withdrawal          INTEGER NOT NULL CHECK (is_withdrawal IN (0, 1))
) STRICT;

-- Bulk jobs. Rows and results lie in files of their own; what is here says how much of them counts.
CREATE TABLE job (
    job_id          INTEGER PRIMARY KEY AUTOINCREMENT,
    account         TEXT    NOT NULL REFERENCES account (name),
    action          TEXT    NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('open', 'closed', 'finished', 'cancelled')),
    row_octets      INTEGER NOT NULL DEFAULT 0,
    done_octets     INTEGER NOT NULL DEFAULT 0,
    result_octets   INTEGER NOT NULL DEFAULT 0,
    rows_succeeded  INTEGER NOT NULL DEFAULT 0,
    rows_failed     INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL,
    ended_at        INTEGER
) STRICT;

-- Where results lie in their file: behind so many rows there are so many octets of them.
CREATE TABLE job_mark (
    job_id         INTEGER NOT NULL REFERENCES job (job_id) ON DELETE CASCADE,
    rows           INTEGER NOT NULL,
    result_octets  INTEGER NOT NULL,
    PRIMARY KEY (job_id, rows)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_by_account ON job (account, job_id);
CREATE INDEX job_unfinished ON job (job_id) WHERE state IN ('open', 'closed');
CREATE INDEX job_by_end ON job (ended_at) WHERE ended_at IS NOT NULL;

-- A replayed command may have made a transfer or a job; without a publication there are no rows.
ALTER TABLE idempotency ADD COLUMN object_id INTEGER;

-- Any command may have journal rows.
CREATE TABLE journal_2 (
    seq               INTEGER PRIMARY KEY,
    device_id         TEXT    NOT NULL,
    slot              INTEGER NOT NULL,
    kind              TEXT    NOT NULL
                      CHECK (kind IN ('create', 'newSlot', 'update', 'activate', 'deactivate', 'delete',
                                      'restore', 'transfer', 'expire')),
    -- 'active' with a fingerprint, 'inactive' or 'absent'.
    publication       TEXT    NOT NULL CHECK (publication IN ('active', 'inactive', 'absent')),
    fingerprint       BLOB,
    committed_at      INTEGER NOT NULL,
    -- Filled in after publication: what was told about it.
    published_serial  INTEGER,
    published_at      INTEGER,
    believed_until    INTEGER,
    -- A later row of the same name was published with it: this one never was, alone.
    superseded        INTEGER NOT NULL DEFAULT 0 CHECK (superseded IN (0, 1)),
    quarantined       TEXT,
    CHECK ((publication = 'active') = (fingerprint IS NOT NULL))
) STRICT;

INSERT INTO journal_2 SELECT * FROM journal;
DROP TABLE journal;
ALTER TABLE journal_2 RENAME TO journal;

CREATE INDEX journal_by_device ON journal (device_id, seq);
CREATE INDEX journal_not_written_down ON journal (seq) WHERE published_serial IS NULL;
CREATE INDEX journal_refused ON journal (seq) WHERE quarantined IS NOT NULL;
-- Holds jump a backlog, however they were asked for: what makes a name less trusted.
CREATE INDEX journal_holds ON journal (seq) WHERE publication <> 'active';

-- The audit log is a chain: each row's hash covers the one before it. Rows from before this are chained
-- by the first start.
ALTER TABLE audit ADD COLUMN hash BLOB;
CREATE INDEX audit_unchained ON audit (id) WHERE hash IS NULL;
