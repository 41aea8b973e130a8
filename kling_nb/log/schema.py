"""The tables of the log. ``events`` is append-only; a task's row is what its events amount to."""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA_VERSION = 1
FILE = "log.sqlite"

SCHEMA = sa.MetaData()
META = sa.Table("meta", SCHEMA, sa.Column("key", sa.String, primary_key=True), sa.Column("value", sa.String))
TASKS = sa.Table(
    "tasks",
    SCHEMA,
    sa.Column("id", sa.String, primary_key=True),
    *(
        sa.Column(name, sa.String, index=name in ("identity", "state", "run"))
        for name in (
            "identity",
            "provider",
            "model",
            "run",
            "state",
            "reason",
            "cause",
            "note",
            "estimate_low",
            "estimate_high",
            "request",
            "call",
            "ticket",
            "asset",
            "cost",
            "clip",
        )
    ),
    *(sa.Column(name, sa.Integer) for name in ("attempt", "unwanted", "charged")),
    *(
        sa.Column(name, sa.Float)
        for name in ("rating", "planned_at", "submitted_at", "accepted_at", "changed_at", "done_at", "saved_at")
    ),
)
EVENTS = sa.Table(
    "events",
    SCHEMA,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("task", sa.String, index=True),
    sa.Column("kind", sa.String),
    sa.Column("at", sa.Float),
    sa.Column("data", sa.String),
)
RUNS = sa.Table(
    "runs",
    SCHEMA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("started_at", sa.Float),
    sa.Column("state", sa.String),
    sa.Column("budget", sa.String),
    sa.Column("sweep", sa.String),
)
POINTS = sa.Table(
    "points",
    SCHEMA,
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("point", sa.Integer, primary_key=True),
    sa.Column("sample", sa.Integer),
    sa.Column("identity", sa.String, index=True),
    sa.Column("task", sa.String, index=True),
    sa.Column("template", sa.String),
    sa.Column("variables", sa.String),
    sa.Column("losses", sa.String),
)
