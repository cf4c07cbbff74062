"""Messages that wait until they are gathered: into a digest, or until the recipient's working hours begin."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("gather_at", sa.DateTime(), nullable=True))
    op.create_index("ix_deliveries_gather", "deliveries", ["gather_at"])


def downgrade() -> None:
    op.drop_index("ix_deliveries_gather", table_name="deliveries")
    op.drop_column("deliveries", "gather_at")
