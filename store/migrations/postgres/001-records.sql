CREATE TABLE records (
  kind    text COLLATE "C" NOT NULL,
  key     bytea  NOT NULL,
  version bigint NOT NULL,
  body    bytea  NOT NULL,
  PRIMARY KEY (kind, key)
);
