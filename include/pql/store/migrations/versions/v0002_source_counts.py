"""What each source's last read brought: records that were new, duplicates, the newest event."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("sources", sa.Column("added", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("sources", sa.Column("duplicates", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("sources", sa.Column("newest_at", sa.DateTime(), nullable=True))


def downgrade() -> None:
    for column in ("newest_at", "duplicates", "added"):
        op.drop_column("sources", column)
