-- The rights to live views. A row is written when the right is granted, when its user gives a sign
-- of life, and when it ends; `ended_at` is NULL before.
CREATE TABLE modal_leases (
    id VARCHAR(32) PRIMARY KEY,
    kind VARCHAR(16) NOT NULL,
    user_name VARCHAR(255) NOT NULL,
    camera VARCHAR(63) NOT NULL,
    quality VARCHAR(8) NOT NULL,
    codecs TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    heartbeat_at BIGINT NOT NULL,
    ended_at BIGINT,
    reason VARCHAR(16)
);
CREATE INDEX modal_leases_by_age ON modal_leases (expires_at);
