-- Wrong authorization information that an account has presented: counted whether or not there is a device,
-- so that both are as much work.
ALTER TABLE account ADD COLUMN auth_info_failures INTEGER NOT NULL DEFAULT 0;
