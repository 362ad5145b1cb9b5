-- What people ask of the monitor by a command: approve, reject, roll back. A monitor takes a request,
-- does it and writes the answer; the journal says what came of it.
CREATE TABLE requests (
    id      INTEGER PRIMARY KEY,
    at      TEXT NOT NULL,
    by      TEXT NOT NULL,
    wish    TEXT NOT NULL CHECK (wish IN ('approve', 'reject', 'rollback')),
    attempt TEXT NOT NULL,
    answer  TEXT
) STRICT;
