"""The words about the ledger: one for each table and each column, and none for what is not there."""

from __future__ import annotations

from pql.store import meanings
from pql.store.tables import metadata


def test_every_table_and_column_has_a_meaning():
    """A new column is missed here before a reader of the page misses it."""
    assert meanings.TABLES.keys() == metadata.tables.keys()
    for table in metadata.tables.values():
        assert meanings.TABLES[table.name].endswith(".")
        assert all(meanings.meaning(table.name, column.name) for column in table.columns), table.name


def test_no_meaning_is_of_what_is_not_there():
    """A column that went, or was renamed, leaves no word behind."""
    for name, words in meanings.COLUMNS.items():
        assert words.keys() <= set(metadata.tables[name].columns.keys()), name
    everywhere = {column.name for table in metadata.tables.values() for column in table.columns}
    assert meanings.EVERYWHERE.keys() <= everywhere
