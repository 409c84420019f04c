"""Optional libraries: the module, or a sentence that names the library and its extra."""

import json

import pytest

from netspec.core.optional import NoLibraryError, library


def test_the_module_itself():
    assert library("json", "table", "Parquet") is json


def test_a_missing_library_is_a_sentence():
    with pytest.raises(NoLibraryError, match="Parquet needs the library no_such_thing, which is not installed") as said:
        library("no_such_thing.csv", "table", "Parquet", "Csv reads tables without it")
    assert said.value.help == (
        "`pip install '.[table]'` in netspec's folder, or `pip install no_such_thing`; Csv reads tables without it"
    )


def test_a_broken_library_says_why(tmp_path, monkeypatch):
    (tmp_path / "broken_thing.py").write_text("raise OSError('no libarrow.so')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NoLibraryError, match=r"which cannot be imported: no libarrow\.so"):
        library("broken_thing", "table", "Parquet")
