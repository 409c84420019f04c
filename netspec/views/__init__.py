"""Views: values to tables, text in columns, JSON, Markdown and JSON Schemas. Nothing is decided here."""
