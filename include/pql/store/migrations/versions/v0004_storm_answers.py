"""What a person answered when a run wanted to announce too many at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "storm_answers",
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("answer", sa.String(length=20), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(length=20), nullable=False),
        sa.Column("answered_at", sa.DateTime(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_storm_answers_run_id_runs")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_storm_answers")),
    )


def downgrade() -> None:
    op.drop_table("storm_answers")
