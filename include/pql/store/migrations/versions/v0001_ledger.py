"""The ledger as it was first: marks, decisions, episodes, occurrences, blocks, the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _marks_and_runs()
    _decisions()
    _outbox()


def downgrade() -> None:
    for table in (
        "delivery_causes",
        "deliveries",
        "occurrences",
        "episodes",
        "rekeyed",
        "members",
        "decided",
        "blocks",
        "baselines",
        "sources",
        "runs",
        "ops_states",
        "dirty_marks",
        "definitions",
        "counters",
    ):
        op.drop_table(table)


def _marks_and_runs() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("value", _ID, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
    )
    op.create_table(
        "definitions",
        sa.Column("definition", sa.String(length=100), nullable=False),
        sa.Column("rules_hash", sa.String(length=64), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("definition", "rules_hash", name=op.f("pk_definitions")),
    )
    op.create_table(
        "dirty_marks",
        sa.Column("definition", sa.String(length=100), nullable=False),
        sa.Column("fact_key", sa.String(length=400), nullable=False),
        sa.Column("seq", _ID, nullable=False),
        sa.Column("newest_fact_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("definition", "fact_key", name=op.f("pk_dirty_marks")),
    )
    op.create_index(op.f("ix_dirty_marks_seq"), "dirty_marks", ["seq"], unique=False)
    op.create_table(
        "ops_states",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("told_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_ops_states")),
    )
    op.create_table(
        "runs",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("as_of", sa.DateTime(), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("announced", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_table(
        "sources",
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("complete_to", sa.DateTime(), nullable=True),
        sa.Column("cursor", sa.JSON(), nullable=True),
        sa.Column("read_at", sa.DateTime(), nullable=True),
        sa.Column("read", sa.Integer(), nullable=False),
        sa.Column("quarantined", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_sources")),
    )


def _decisions() -> None:
    op.create_table(
        "baselines",
        sa.Column("definition", sa.String(length=100), nullable=False),
        sa.Column("as_of", sa.DateTime(), nullable=False),
        sa.Column("run_id", _ID, nullable=True),
        sa.PrimaryKeyConstraint("definition", name=op.f("pk_baselines")),
    )
    op.create_table(
        "blocks",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("account_key", sa.String(length=400), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(length=50), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("until", sa.DateTime(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blocks")),
    )
    op.create_index(op.f("ix_blocks_account_key"), "blocks", ["account_key"], unique=False)
    op.create_table(
        "decided",
        sa.Column("definition", sa.String(length=100), nullable=False),
        sa.Column("subject_key", sa.String(length=400), nullable=False),
        sa.Column("account_key", sa.String(length=400), nullable=False),
        sa.Column("decided_as_of", sa.DateTime(), nullable=False),
        sa.Column("qualified", sa.Boolean(), nullable=False),
        sa.Column("eligible", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("definition", "subject_key", name=op.f("pk_decided")),
    )
    op.create_table(
        "members",
        sa.Column("user_id", sa.String(length=400), nullable=False),
        sa.Column("account_key", sa.String(length=400), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_members")),
    )
    op.create_index(op.f("ix_members_account_key"), "members", ["account_key"], unique=False)
    op.create_table(
        "rekeyed",
        sa.Column("definition", sa.String(length=100), nullable=False),
        sa.Column("subject_key", sa.String(length=400), nullable=False),
        sa.Column("carried_as_of", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("definition", "subject_key", name=op.f("pk_rekeyed")),
    )
    op.create_table(
        "episodes",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("definition", sa.String(length=100), nullable=False),
        sa.Column("subject_key", sa.String(length=400), nullable=False),
        sa.Column("account_key", sa.String(length=400), nullable=False),
        sa.Column("opened_as_of", sa.DateTime(), nullable=False),
        sa.Column("opened_run", _ID, nullable=True),
        sa.Column("rules_hash", sa.String(length=64), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("silent_reason", sa.String(length=50), nullable=True),
        sa.Column("released_at", sa.DateTime(), nullable=True),
        sa.Column("alert", sa.JSON(), nullable=True),
        sa.Column("unqualified_since", sa.DateTime(), nullable=True),
        sa.Column("closed_as_of", sa.DateTime(), nullable=True),
        sa.Column("close_reason", sa.String(length=50), nullable=True),
        sa.Column("returns_after", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["opened_run"], ["runs.id"], name=op.f("fk_episodes_opened_run_runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_episodes")),
    )
    op.create_index("ix_episodes_account", "episodes", ["account_key"], unique=False)
    op.create_index("ix_episodes_subject", "episodes", ["subject_key"], unique=False)
    op.create_index(
        "uq_episodes_open",
        "episodes",
        ["definition", "subject_key"],
        unique=True,
        sqlite_where=sa.text("closed_as_of IS NULL"),
        postgresql_where=sa.text("closed_as_of IS NULL"),
    )
    op.create_table(
        "occurrences",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("definition", sa.String(length=100), nullable=False),
        sa.Column("play", sa.String(length=100), nullable=False),
        sa.Column("subject_key", sa.String(length=400), nullable=False),
        sa.Column("account_key", sa.String(length=400), nullable=False),
        sa.Column("opened_as_of", sa.DateTime(), nullable=False),
        sa.Column("opened_run", _ID, nullable=True),
        sa.Column("silent_reason", sa.String(length=50), nullable=True),
        sa.Column("false_since", sa.DateTime(), nullable=True),
        sa.Column("closed_as_of", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["opened_run"], ["runs.id"], name=op.f("fk_occurrences_opened_run_runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_occurrences")),
    )
    op.create_index("ix_occurrences_account", "occurrences", ["account_key"], unique=False)
    op.create_index(
        "uq_occurrences_open",
        "occurrences",
        ["definition", "play", "subject_key"],
        unique=True,
        sqlite_where=sa.text("closed_as_of IS NULL"),
        postgresql_where=sa.text("closed_as_of IS NULL"),
    )


def _outbox() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("run_id", _ID, nullable=True),
        sa.Column("destination", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("account_key", sa.String(length=400), nullable=False),
        sa.Column("subject_key", sa.String(length=400), nullable=False),
        sa.Column("lane", sa.String(length=400), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("alert", sa.JSON(), nullable=False),
        sa.Column("thread_of", _ID, nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("not_before", sa.DateTime(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(length=100), nullable=True),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(), nullable=True),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.Column("receipt", sa.JSON(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_deliveries_run_id_runs")),
        sa.ForeignKeyConstraint(["thread_of"], ["deliveries.id"], name=op.f("fk_deliveries_thread_of_deliveries")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("key", name=op.f("uq_deliveries_key")),
    )
    op.create_index("ix_deliveries_account", "deliveries", ["account_key", "lane", "created_at"], unique=False)
    op.create_index("ix_deliveries_due", "deliveries", ["state", "not_before"], unique=False)
    op.create_table(
        "delivery_causes",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("delivery_id", _ID, nullable=False),
        sa.Column("episode_id", _ID, nullable=True),
        sa.Column("occurrence_id", _ID, nullable=True),
        sa.Column("cause", sa.String(length=60), nullable=False),
        sa.Column("definition", sa.String(length=100), nullable=False),
        sa.Column("play", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("destination", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("fk_delivery_causes_delivery_id_deliveries")
        ),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.id"], name=op.f("fk_delivery_causes_episode_id_episodes")),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["occurrences.id"], name=op.f("fk_delivery_causes_occurrence_id_occurrences")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_causes")),
        sa.UniqueConstraint("cause", "play", "action", "destination", name="uq_delivery_causes_effect"),
    )
    op.create_index(op.f("ix_delivery_causes_delivery_id"), "delivery_causes", ["delivery_id"], unique=False)
