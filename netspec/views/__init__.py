"""Values to tables, text in columns, JSON, Markdown and JSON Schemas; nothing is decided here."""
