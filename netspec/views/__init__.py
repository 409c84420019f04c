"""Values to what people and machines read: tables, text in columns, JSON, Markdown, JSON Schemas; nothing is decided
here.
"""
