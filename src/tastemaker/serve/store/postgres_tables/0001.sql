-- What people do. `number` counts events up in the order in which they came in. Names are compared byte by byte.
CREATE TABLE tastemaker.events (
    event_id text COLLATE "C" PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL,
    meaning smallint NOT NULL,
    at double precision NOT NULL,
    number bigint NOT NULL,
    item_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    weight double precision,
    watch_time double precision,
    recommendation_id text NOT NULL,
    position bigint
);
-- The newest touches of a person, and what they hid, are one range each, and the table itself isn't read.
CREATE INDEX events_past ON tastemaker.events (user_id, meaning, at, number) INCLUDE (item_id, weight);
CREATE INDEX events_by_time ON tastemaker.events (at, number);
-- A batch of up to that many events takes one number and counts on from it.
CREATE SEQUENCE tastemaker.event_numbers INCREMENT 1000000;
-- An index alone answers only for pages that VACUUM has seen since they were written.
ALTER TABLE tastemaker.events SET (autovacuum_vacuum_insert_scale_factor = 0.02);

-- `items` holds [item_id, score, source, propensity] for each place.
CREATE TABLE tastemaker.answers (
    number bigint GENERATED ALWAYS AS IDENTITY,
    recommendation_id text COLLATE "C" NOT NULL,
    is_shadow boolean NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    at double precision NOT NULL,
    placement text NOT NULL,
    model_version text NOT NULL,
    device text NOT NULL,
    items json NOT NULL,
    features bytea NOT NULL,
    PRIMARY KEY (recommendation_id, is_shadow)
);
CREATE INDEX answers_by_user ON tastemaker.answers (user_id, at);
CREATE INDEX answers_by_time ON tastemaker.answers (at, number);

-- The last change of each item; `columns` is JSON, null for one that went.
CREATE TABLE tastemaker.item_changes (
    item_id text COLLATE "C" PRIMARY KEY,
    number bigint NOT NULL UNIQUE,
    at double precision NOT NULL,
    columns text
);

-- Who asked to be forgotten: a hash of the name, and when.
CREATE TABLE tastemaker.erased (name text COLLATE "C" PRIMARY KEY, at double precision NOT NULL);

-- Written to by those who ask whether anything can be written.
CREATE TABLE tastemaker.pulse (one boolean PRIMARY KEY, at timestamptz NOT NULL);
