-- The row of the list: narrow, so that a scan reads little. host is NULL where it is the authority as
-- it stands. flags: 1 a mock answered; 2 a text here holds bytes that are not plain ASCII.
CREATE TABLE exchanges (
  seq           INTEGER PRIMARY KEY,
  started       INTEGER NOT NULL, -- nanoseconds since 1970
  micros        INTEGER NOT NULL,
  status        INTEGER NOT NULL,
  request_size  INTEGER NOT NULL,
  response_size INTEGER NOT NULL,
  replay_of     INTEGER NOT NULL,
  flags         INTEGER NOT NULL,
  method        TEXT NOT NULL,
  scheme        TEXT NOT NULL,
  authority     TEXT NOT NULL,
  host          TEXT,
  target        TEXT NOT NULL,
  type          TEXT NOT NULL,
  door          TEXT NOT NULL,
  state         TEXT NOT NULL,
  route         TEXT NOT NULL,
  client        TEXT NOT NULL,
  cells         TEXT NOT NULL
) STRICT;

CREATE INDEX replays ON exchanges (replay_of) WHERE replay_of > 0;

-- The rest of an exchange: the heads as they were on the wire, and all else in one encoded field.
CREATE TABLE details (
  seq           INTEGER PRIMARY KEY,
  request_body  INTEGER,
  response_body INTEGER,
  request_head  BLOB NOT NULL,
  response_head BLOB NOT NULL,
  rest          BLOB NOT NULL
) STRICT;

-- A body is kept once, however many exchanges had it. hash is the SHA-256 of its bytes, place where
-- its chunks are.
CREATE TABLE bodies (
  id    INTEGER PRIMARY KEY,
  place INTEGER NOT NULL,
  hash  BLOB NOT NULL,
  size  INTEGER NOT NULL,
  refs  INTEGER NOT NULL
) STRICT;

-- Finds bodies by the first bytes of their hash: those up to totals.hashed. An index would write a page
-- for each body, for hashes have no order; this is filled by many at once.
CREATE TABLE hashes (
  prefix BLOB NOT NULL,
  body   INTEGER NOT NULL,
  PRIMARY KEY (prefix, body)
) STRICT, WITHOUT ROWID;

-- id is the body's place times 2^20 plus the number of the chunk in it. coding: 0 as it is, 1 zstd.
CREATE TABLE chunks (
  id     INTEGER PRIMARY KEY,
  coding INTEGER NOT NULL,
  data   BLOB NOT NULL
) STRICT;

-- Places with a part of a body whose end is not here yet.
CREATE TABLE drafts (place INTEGER PRIMARY KEY) STRICT;

CREATE TABLE certificates (hash BLOB PRIMARY KEY, der BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- What was taken out of the list and can still be brought back. Tokens are never used twice.
CREATE TABLE removals (token INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL) STRICT;
CREATE TABLE removed (seq INTEGER PRIMARY KEY, token INTEGER NOT NULL) STRICT;

CREATE TABLE totals (
  id        INTEGER PRIMARY KEY CHECK (id = 1),
  last_seq  INTEGER NOT NULL,
  exchanges INTEGER NOT NULL,
  hashed    INTEGER NOT NULL -- the bodies up to this id are in hashes
) STRICT;
INSERT INTO totals VALUES (1, 0, 0, 0);
