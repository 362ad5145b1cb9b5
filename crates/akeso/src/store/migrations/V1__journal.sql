-- The journal is the only thing that is stored; everything else is read from it.
CREATE TABLE journal (
    seq      INTEGER PRIMARY KEY,  -- without gaps, from 1
    at       TEXT NOT NULL,        -- RFC 3339
    fact     TEXT NOT NULL,        -- its kind, for people with a SQLite shell
    incident TEXT,                 -- incident-N, where it is about one
    entry    TEXT NOT NULL         -- the whole entry as JSON; what its hash is over
) STRICT;

CREATE INDEX journal_by_incident ON journal (incident);
