"""One pace per channel and portal, shared by all workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "paces",
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("free_at", sa.DateTime(), nullable=False),
        sa.Column("held_until", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_paces")),
    )


def downgrade() -> None:
    op.drop_table("paces")
