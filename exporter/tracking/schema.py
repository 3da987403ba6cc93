"""The schema of the embedded store, and its history."""

from __future__ import annotations

APPLICATION_ID = 0x564F4454  # "VODT", in the header of the file: distinguishes our files from other databases
MIGRATIONS = (
    """
    CREATE TABLE accounts (name TEXT PRIMARY KEY, born REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE tasks (account TEXT, id TEXT, record BLOB NOT NULL, PRIMARY KEY (account, id));
    CREATE TABLE jobs (account TEXT, id TEXT, task_id TEXT NOT NULL, record BLOB NOT NULL,
                       PRIMARY KEY (account, id));
    CREATE TABLE counters (account TEXT, name TEXT, labels TEXT, value REAL NOT NULL,
                           PRIMARY KEY (account, name, labels)) WITHOUT ROWID;
    CREATE TABLE histograms (account TEXT, name TEXT, labels TEXT, bounds TEXT NOT NULL, counts TEXT NOT NULL,
                             sum REAL NOT NULL, PRIMARY KEY (account, name, labels)) WITHOUT ROWID;
    CREATE TABLE remembered (account TEXT, task_id TEXT, until REAL NOT NULL, finished INTEGER NOT NULL,
                             PRIMARY KEY (account, task_id)) WITHOUT ROWID;
    CREATE INDEX remembered_until ON remembered (account, until);
    """,
    # Renames `born` to `state_created` and `silent` to `already_counted`. Records that are not valid JSON stay
    # unchanged, and `load` reports them.
    """
    ALTER TABLE accounts RENAME COLUMN born TO state_created;
    UPDATE tasks SET record = CAST(json_remove(json_set(CAST(record AS TEXT), '$.already_counted', json('true')),
                                               '$.silent') AS BLOB)
    WHERE CASE WHEN json_valid(CAST(record AS TEXT)) THEN json_extract(CAST(record AS TEXT), '$.silent') END;
    """,
    # Histograms that were stored without the labels `status` and `priority` cannot be split: they start again at zero.
    """
    DELETE FROM histograms WHERE name IN ('job_duration', 'task_duration');
    """,
    # `held`: whether a total is still shown as 0, because Prometheus may not know it yet. No older total is.
    """
    ALTER TABLE counters ADD COLUMN held INTEGER NOT NULL DEFAULT FALSE;
    ALTER TABLE histograms ADD COLUMN held INTEGER NOT NULL DEFAULT FALSE;
    """,
    # Events about jobs that are not tracked yet.
    """
    CREATE TABLE events (account TEXT, job_id TEXT, started REAL, processing REAL, arrived REAL NOT NULL,
                         PRIMARY KEY (account, job_id)) WITHOUT ROWID;
    """,
    # One row: whether an exporter uses the file. If no exporter does, there is no write-ahead log.
    """
    CREATE TABLE life (in_use INTEGER NOT NULL);
    INSERT INTO life VALUES (FALSE);
    """,
)
"""One migration for each version of the schema. `PRAGMA user_version` is the number of applied migrations."""

CHECKS = (
    "SELECT name, state_created FROM accounts LIMIT 0",
    "SELECT account, id, record FROM tasks LIMIT 0",
    "SELECT account, id, task_id, record FROM jobs LIMIT 0",
    "SELECT account, name, labels, value, held FROM counters LIMIT 0",
    "SELECT account, name, labels, bounds, counts, sum, held FROM histograms LIMIT 0",
    "SELECT account, task_id, until, finished FROM remembered LIMIT 0",
    "SELECT account, job_id, started, processing, arrived FROM events LIMIT 0",
    "SELECT in_use FROM life LIMIT 0",
)
"""They fail if a column is missing: a development build may have used the same version for another schema."""
