-- The truth of the registry. Times are seconds since 1970; the zone is derived from this.

-- One row: which registry this is, and what the zone has been promised.
CREATE TABLE registry (
    id                  INTEGER PRIMARY KEY CHECK (id = 1),
    database_id         BLOB    NOT NULL CHECK (length(database_id) = 16),
    zone                TEXT    NOT NULL,
    -- SHA-256 of the key signing key's DNSKEY RDATA: what every verifier's anchor names.
    ksk_hash            BLOB    NOT NULL CHECK (length(ksk_hash) = 32),
    created_at          INTEGER NOT NULL,
    -- Raised at every start: a process with an older token may not publish.
    fencing_token       INTEGER NOT NULL,
    -- The zone's SOA serial may not pass this (RFC 1982).
    serial_ceiling      INTEGER NOT NULL,
    -- No signature of the zone may expire after this.
    expiration_ceiling  INTEGER NOT NULL,
    -- Latest time that was written down: the next start holds its clock against it.
    seen_at             INTEGER NOT NULL,
    -- After the loss of a newer database: no signature of what was lost expires later.
    lost_until          INTEGER NOT NULL DEFAULT 0,
    -- Sequence number of the newest journal row; dense, in commit order.
    journal_head        INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
    name         TEXT    PRIMARY KEY,
    role         TEXT    NOT NULL CHECK (role IN ('mno', 'asp', 'operator')),
    created_at   INTEGER NOT NULL,
    disabled_at  INTEGER
) STRICT;

-- Bearer tokens, as SHA-256.
CREATE TABLE token (
    hash        BLOB    PRIMARY KEY CHECK (length(hash) = 32),
    account     TEXT    NOT NULL REFERENCES account (name),
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE device (
    device_id            TEXT    PRIMARY KEY,
    account              TEXT    NOT NULL REFERENCES account (name),
    client_hold          INTEGER NOT NULL CHECK (client_hold IN (0, 1)),
    server_hold          INTEGER NOT NULL CHECK (server_hold IN (0, 1)),
    delete_requested_at  INTEGER,
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL
) STRICT;

CREATE INDEX device_by_account ON device (account, device_id);

-- Credentials outlive their device: slot numbers, keys and serials are never used again.
CREATE TABLE credential (
    device_id       TEXT    NOT NULL,
    slot            INTEGER NOT NULL CHECK (slot BETWEEN 1 AND 9999),
    -- Final: null, or why the slot was withdrawn.
    withdrawn       TEXT    CHECK (withdrawn IN ('superseded', 'compromised', 'expired', 'deleted')),
    key_hash        BLOB    NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    serial          BLOB    NOT NULL UNIQUE CHECK (length(serial) = 16),
    fingerprint     BLOB    NOT NULL UNIQUE CHECK (length(fingerprint) = 32),
    not_before      INTEGER NOT NULL,
    not_after       INTEGER NOT NULL,
    certificate     BLOB    NOT NULL,
    -- Latest expiration of a signature over its records that was ever released, once it was
    -- withdrawn.
    released_until  INTEGER,
    PRIMARY KEY (device_id, slot)
) STRICT;

CREATE INDEX credential_by_expiry ON credential (not_after) WHERE withdrawn IS NULL;

-- Written before a certificate is signed. A row that is still here at the next start was never
-- answered; it is voided, and its serial and slot are never used.
CREATE TABLE intent (
    serial                 BLOB    PRIMARY KEY CHECK (length(serial) = 16),
    device_id              TEXT    NOT NULL UNIQUE,
    slot                   INTEGER NOT NULL,
    key_hash               BLOB    NOT NULL UNIQUE,
    request_digest         BLOB    NOT NULL,
    account                TEXT    NOT NULL,
    client_transaction_id  TEXT,
    created_at             INTEGER NOT NULL
) STRICT;

CREATE TABLE voided_serial (
    serial     BLOB    PRIMARY KEY,
    device_id  TEXT    NOT NULL,
    slot       INTEGER NOT NULL,
    voided_at  INTEGER NOT NULL
) STRICT;

-- Highest slot number ever reserved for an id.
CREATE TABLE slot_reserved (
    device_id  TEXT    PRIMARY KEY,
    slot_max   INTEGER NOT NULL
) STRICT;

-- What the zone shall say, in commit order. A row carries the resulting publication, so that
-- applying it twice is harmless.
CREATE TABLE journal (
    seq               INTEGER PRIMARY KEY,
    device_id         TEXT    NOT NULL,
    slot              INTEGER NOT NULL,
    kind              TEXT    NOT NULL
                      CHECK (kind IN ('create', 'activate', 'deactivate', 'delete', 'expire')),
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

CREATE INDEX journal_by_device ON journal (device_id, seq);

-- Results of commands that are replayed to a retry (create and delete).
CREATE TABLE idempotency (
    account                TEXT    NOT NULL,
    client_transaction_id  TEXT    NOT NULL,
    request_digest         BLOB    NOT NULL,
    device_id              TEXT    NOT NULL,
    first_seq              INTEGER NOT NULL,
    last_seq               INTEGER NOT NULL,
    created_at             INTEGER NOT NULL,
    PRIMARY KEY (account, client_transaction_id)
) STRICT;

CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE audit (
    id                     INTEGER PRIMARY KEY,
    at                     INTEGER NOT NULL,
    account                TEXT    NOT NULL,
    door                   TEXT    NOT NULL,
    verb                   TEXT    NOT NULL,
    object                 TEXT    NOT NULL,
    client_transaction_id  TEXT,
    server_transaction_id  TEXT    NOT NULL,
    before                 TEXT,
    after                  TEXT
) STRICT;
