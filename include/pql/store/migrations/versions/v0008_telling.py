"""Who is telling ops something has it to himself for a moment, without a lock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_TABLES = ("ops_states", "discrepancies")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("telling_until", sa.DateTime()))


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "telling_until")
