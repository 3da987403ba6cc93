"""The schema of the state in PostgreSQL, and its history. The tables are those of `tracking/schema.py`."""

from __future__ import annotations

NAME = "vod_transcode_exporter"  # of the schema, so that the tables disturb nobody else in the database

# `rowid` is the order of insertion, as in SQLite. `epoch` counts how often the account was taken by a replica.
MIGRATIONS = (
    """
    CREATE TABLE accounts (name text PRIMARY KEY, state_created double precision NOT NULL,
                           epoch bigint NOT NULL DEFAULT 0, holder text NOT NULL DEFAULT '');
    CREATE TABLE tasks (account text, id text, rowid bigserial, record bytea NOT NULL, PRIMARY KEY (account, id));
    CREATE TABLE jobs (account text, id text, rowid bigserial, task_id text NOT NULL, record bytea NOT NULL,
                       PRIMARY KEY (account, id));
    CREATE TABLE counters (account text, name text, labels text, value double precision NOT NULL,
                           held boolean NOT NULL, PRIMARY KEY (account, name, labels));
    CREATE TABLE histograms (account text, name text, labels text, bounds text NOT NULL, counts text NOT NULL,
                             sum double precision NOT NULL, held boolean NOT NULL,
                             PRIMARY KEY (account, name, labels));
    CREATE TABLE remembered (account text, task_id text, until double precision NOT NULL, finished boolean NOT NULL,
                             PRIMARY KEY (account, task_id));
    CREATE INDEX remembered_until ON remembered (account, until);
    CREATE TABLE events (account text, job_id text, started double precision, processing double precision,
                         arrived double precision NOT NULL, PRIMARY KEY (account, job_id));
    CREATE TABLE inbox (number bigserial PRIMARY KEY, account text NOT NULL, message bytea NOT NULL);
    CREATE INDEX inbox_account ON inbox (account, number);
    """,
)
"""One migration for each version. While replicas are upgraded one by one, a version must not break the one before."""

USABLE_FROM = 1
"""The lowest version of the schema whose exporter can use the present one."""
