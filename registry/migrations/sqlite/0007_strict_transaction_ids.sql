-- Accounts that want a client transaction id with other content refused in EPP too.
ALTER TABLE account ADD COLUMN strict_transaction_ids INTEGER NOT NULL DEFAULT 0
    CHECK (strict_transaction_ids IN (0, 1));
