CREATE TABLE records (
  kind    TEXT    NOT NULL,
  key     BLOB    NOT NULL,
  version INTEGER NOT NULL,
  body    BLOB    NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
