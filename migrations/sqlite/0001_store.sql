-- Times are milliseconds since 1970-01-01 UTC, truth values are 0 and 1, lists and maps are JSON
-- in TEXT. README.md in the folder above says what each table is for.

-- One row: what this database is, and what it holds. Counters are kept with every change, so
-- that nobody has to count rows.
CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    store_id VARCHAR(32) NOT NULL,
    event_seq BIGINT NOT NULL,
    frames BIGINT NOT NULL,
    frame_bytes BIGINT NOT NULL,
    no_event_frames BIGINT NOT NULL,
    no_event_bytes BIGINT NOT NULL,
    events BIGINT NOT NULL,
    sweeps BIGINT NOT NULL,
    config_revisions BIGINT NOT NULL
);
INSERT INTO store VALUES (1, '', 0, 0, 0, 0, 0, 0, 0, 0);

-- AUTOINCREMENT: the number of a deleted frame is never given again.
CREATE TABLE frames (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    camera VARCHAR(63) NOT NULL,
    captured_at BIGINT NOT NULL,
    backend VARCHAR(16) NOT NULL,
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    thumbnail_bytes BIGINT NOT NULL,
    file VARCHAR(255) NOT NULL,
    sweep_id BIGINT,
    detected BIGINT NOT NULL
);
CREATE INDEX frames_of_camera ON frames (camera, id);
CREATE INDEX frames_by_age ON frames (detected, captured_at);

CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    camera VARCHAR(63),
    captured_at BIGINT NOT NULL,
    kind VARCHAR(32) NOT NULL,
    severity BIGINT NOT NULL,
    tags TEXT NOT NULL,
    unknown_flag BIGINT NOT NULL,
    summary TEXT NOT NULL,
    attributes TEXT NOT NULL,
    frame_id BIGINT
);
CREATE INDEX events_by_age ON events (captured_at);

CREATE TABLE sweeps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subnet VARCHAR(63) NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    state VARCHAR(16) NOT NULL,
    clean BIGINT,
    results TEXT NOT NULL
);
CREATE INDEX sweeps_of_subnet ON sweeps (subnet, id);
CREATE INDEX sweeps_by_age ON sweeps (started_at);
CREATE INDEX sweeps_by_state ON sweeps (state);

CREATE TABLE config_revisions (
    generation INTEGER PRIMARY KEY,
    digest VARCHAR(64) NOT NULL,
    revision VARCHAR(255),
    applied_at BIGINT NOT NULL,
    objects TEXT NOT NULL
);
CREATE INDEX config_revisions_by_age ON config_revisions (applied_at);
