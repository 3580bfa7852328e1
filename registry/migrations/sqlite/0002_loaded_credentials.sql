-- Credentials that were issued elsewhere: their fingerprint and their end are known, nothing more.

CREATE TABLE credential_2 (
    device_id       TEXT    NOT NULL,
    slot            INTEGER NOT NULL CHECK (slot BETWEEN 1 AND 9999),
    -- Final: null, or why the slot was withdrawn.
    withdrawn       TEXT    CHECK (withdrawn IN ('superseded', 'compromised', 'expired', 'deleted')),
    key_hash        BLOB    UNIQUE CHECK (length(key_hash) = 32),
    serial          BLOB    UNIQUE CHECK (length(serial) = 16),
    fingerprint     BLOB    NOT NULL UNIQUE CHECK (length(fingerprint) = 32),
    not_before      INTEGER NOT NULL,
    not_after       INTEGER NOT NULL,
    certificate     BLOB,
    -- Latest expiration of a signature over its records that was ever released, once it was
    -- withdrawn.
    released_until  INTEGER,
    PRIMARY KEY (device_id, slot),
    -- Of our own issue everything is known.
    CHECK ((key_hash IS NULL) = (certificate IS NULL) AND (serial IS NULL) = (certificate IS NULL))
) STRICT;

INSERT INTO credential_2 SELECT device_id, slot, withdrawn, key_hash, serial, fingerprint, not_before,
                                not_after, certificate, released_until
                         FROM credential;
DROP TABLE credential;
ALTER TABLE credential_2 RENAME TO credential;

CREATE INDEX credential_by_expiry ON credential (not_after) WHERE withdrawn IS NULL;

-- The starts of a process ask for these, among millions of others.
CREATE INDEX journal_not_written_down ON journal (seq) WHERE published_serial IS NULL;
CREATE INDEX device_pending_delete ON device (device_id) WHERE delete_requested_at IS NOT NULL;

-- The database has something that no journal row tells: the zone has to be built anew.
ALTER TABLE registry ADD COLUMN zone_stale INTEGER NOT NULL DEFAULT 0 CHECK (zone_stale IN (0, 1));

-- How far a file was loaded, so that loading it again goes on there.
CREATE TABLE load (
    -- SHA-256 of the file.
    digest      BLOB    NOT NULL CHECK (length(digest) = 32),
    account     TEXT    NOT NULL REFERENCES account (name),
    lines       INTEGER NOT NULL,
    octets      INTEGER NOT NULL,
    begun_at    INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (digest, account)
) STRICT;
