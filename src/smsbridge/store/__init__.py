"""The store: SQLite behind contracts.store.Store. Only this room knows a database."""
