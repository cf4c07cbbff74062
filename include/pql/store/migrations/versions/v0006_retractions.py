"""Deliveries that take another one back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("retracts", sa.BigInteger().with_variant(sa.Integer(), "sqlite")))
    op.create_index("ix_deliveries_retracts", "deliveries", ["retracts"])


def downgrade() -> None:
    op.drop_index("ix_deliveries_retracts", "deliveries")
    op.drop_column("deliveries", "retracts")
