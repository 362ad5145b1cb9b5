-- ed25519 over the entry's hash; null only in entries that were written before there were signatures.
ALTER TABLE journal ADD COLUMN signature BLOB;

-- What retention took out of the journal: a row for each run of entries, which ties the chain together.
CREATE TABLE sealed (
    first     INTEGER PRIMARY KEY,  -- its first entry
    last      INTEGER NOT NULL,     -- its last entry
    previous  TEXT NOT NULL,        -- the hash of the entry before the first
    hash      TEXT NOT NULL,        -- the hash of the last entry
    signature BLOB NOT NULL         -- ed25519 over the four
) STRICT;
